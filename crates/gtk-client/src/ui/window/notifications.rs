//! Calls for attention while the window has none: for private messages, and for public ones that name
//! us. A click opens the conversation they belong to.

use super::*;
use crate::model::message::{Content, Kind, Message};

/// The newest notification takes the place of the one before it.
const ID: &str = "message";

impl Window {
    /// Follows what arrives in `session`.
    pub(super) fn notify_of_messages(&self, session: &ChatSession) {
        session.connect_message_arrived(glib::clone!(
            #[weak(rename_to = window)]
            self,
            move |session, message| window.message_arrived(session, message)
        ));
        self.connect_is_active_notify(|window| {
            if let Some(application) = window.application().filter(|_| window.is_active()) {
                application.withdraw_notification(ID);
            }
        });
    }

    fn message_arrived(&self, session: &ChatSession, message: &Message) {
        let content = message.content();
        let Some(application) = self.application().filter(|_| !self.is_active()) else { return };
        if concerns(content, &session.connection().own_name()) {
            let notification = gio::Notification::new(&content.author);
            notification.set_body(Some(&content.text));
            let with = match &content.kind {
                Kind::Private { with } => with.as_str(),
                _ => "",
            };
            notification.set_default_action_and_target_value(
                "app.open-conversation",
                Some(&with.to_variant()),
            );
            application.send_notification(Some(ID), &notification);
        }
    }
}

/// Whether a message is worth a notification to somebody called `own_name`.
fn concerns(content: &Content, own_name: &str) -> bool {
    match content.kind {
        Kind::Private { .. } => true,
        Kind::Public | Kind::Room { .. } => {
            content.text.to_lowercase().contains(&own_name.to_lowercase())
        }
        Kind::Notice | Kind::Presence | Kind::Downloaded { .. } | Kind::NotDownloaded => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, text: &str, expected: bool) {
        let content =
            Content { kind, author: "bob".to_owned(), own: false, text: text.to_owned(), at_ms: 0 };
        assert_eq!(concerns(&content, "Alice"), expected);
    }

    #[test]
    fn private_messages_always_do() {
        check(Kind::Private { with: "bob".to_owned() }, "hi", true);
    }

    #[test]
    fn public_ones_do_if_they_name_us() {
        check(Kind::Public, "hi all", false);
        check(Kind::Public, "hi alice!", true);
    }
}
