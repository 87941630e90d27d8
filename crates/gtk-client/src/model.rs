//! What the window shows, without any widget: objects and live lists that [`session_bridge`] keeps up
//! with the server. Widgets (in [`crate::ui`]) follow them and never ask twice.
//!
//! Read [`chat_session`] first: it owns all the others, and its `apply` is the list of everything that
//! can happen.

pub mod chat_session;
pub mod session_bridge;

pub mod connection_state;
pub mod message;
pub mod message_window;
pub mod people;
pub mod person;
pub mod server_file;
pub mod server_files;
pub mod transfer;
pub mod transfers;
pub mod typists;

pub mod last_login;
pub mod plain_text;
pub mod save_place;
pub mod speed_meter;
