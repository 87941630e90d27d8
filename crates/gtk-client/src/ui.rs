//! The widgets. Structure is in the `.ui` file beside each `.rs`; behaviour follows [`crate::model`].
//!
//! # Accessible names
//!
//! Screen readers read them and UI tests find widgets by them; they change only together with both.
//!
//! | Where | Role | Name |
//! |---|---|---|
//! | log-in page | text | *Server address*, *User name*, *Password* (only if the server asks) |
//! | | button | *Log In*, *Cancel* (while connecting) |
//! | | label | what is wrong stands as a label under its row, and is the entry's description |
//! | first contact | button | *Trust and Continue*, *Cancel*; the fingerprint is a label |
//! | key changed | label | *The Server’s Key Has Changed*; button *Back* |
//! | header bar | button | *Show Online*, *Show Server Files*, *People at the Side* (where there is room for them), *Transfers*, *Main Menu* |
//! | main menu | menu item | *Clear Chat*, *Keyboard Shortcuts*, *About Simple Chat*, *Log Out* |
//! | conversation | log | *Messages*; in it each row *AUTHOR, TIME, TEXT*, described as private or not sent |
//! | | | author *Server* for notices, comings and goings, and how downloads ended |
//! | | button | in rows: *Retry*, *Show More*, *Open Folder*; over the list *Jump to Latest* |
//! | | label | toast *Chat cleared* with the button *Undo* |
//! | | label | banner *Connection lost. Trying again in N s…* |
//! | composer | button | *To*, described as *Everyone* or a name; in its popover buttons *Everyone* and names, text *Find or type a name* |
//! | | text, button | *Message*, *Send* |
//! | dialog *Online* | dialog | buttons called like the people; text *Find a person* |
//! | dialog *Server Files* | dialog | buttons *Download FILE*, *Save FILE As…*; label *The Folder Is Empty*; text *Find a file* |
//! | | text, button | after *Save FILE As…*: *Save as*, *Choose Folder…*, *Download*, *Cancel* |
//! | transfers | list item | *FILE, STATUS*; buttons *Cancel FILE*, *Open Folder of FILE*, *Download FILE Again*, *Clear Finished* |
//!
//! Read [`window`] first.

pub mod window;

pub mod first_contact_page;
pub mod key_changed_page;
pub mod log_in_page;

pub mod conversation_page;

pub mod composer;
pub mod connection_banner;
pub mod message_list;
pub mod message_row;
pub mod message_text;
pub mod people_list;
pub mod person_row;
pub mod recipient_button;
pub mod transfer_row;
pub mod transfers_button;

pub mod files_dialog;
pub mod online_dialog;
pub mod register_dialog;
pub mod save_as_page;

pub mod accessible;
