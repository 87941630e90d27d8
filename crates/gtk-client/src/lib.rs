//! Simple Chat's desktop client. [`model`] holds what is shown, without widgets; [`ui`] shows it.
//!
//! To find your way: `model/chat_session.rs` is everything that can happen, `ui/window.rs` puts the
//! pages together, `ui/online_dialog.rs` is the *online* dialog.

pub mod application;
pub mod model;
pub mod ui;

mod first_frame;
