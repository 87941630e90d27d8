//! One row of the conversation: what somebody wrote, or what happened.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::PathBuf;

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

/// Messages of one author within this time stand together under one name.
const TOGETHER_MS_MAX: i64 = 5 * 60 * 1000;

/// What a row is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Somebody wrote to everyone.
    Public,
    /// Somebody wrote to one person.
    Private {
        /// The other one, safe to show.
        with: String,
    },
    /// Somebody wrote in a room that is not everybody's.
    Room {
        /// Its name, safe to show.
        name: String,
    },
    /// A sentence from the server.
    Notice,
    /// Somebody came or went, or we did.
    Presence,
    /// A download is there, in this folder.
    Downloaded {
        /// Where the file is.
        folder: PathBuf,
    },
    /// A download is not there.
    NotDownloaded,
}

/// Everything about a row that never changes. Texts are safe to show already.
#[derive(Clone, Debug)]
pub struct Content {
    /// What it is about.
    pub kind: Kind,
    /// Who wrote it; `Server` for what the server or this program says.
    pub author: String,
    /// Whether that was us.
    pub own: bool,
    /// What is shown.
    pub text: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
}

mod imp {
    use super::*;

    #[derive(Debug, Default, glib::Properties)]
    #[properties(wrapper_type = super::Message)]
    pub struct Message {
        pub(super) content: OnceCell<Content>,
        /// Ours, and the server has not answered yet.
        #[property(get, set)]
        pending: Cell<bool>,
        /// Ours, and why it was not sent.
        #[property(get, set, nullable)]
        failure: RefCell<Option<String>>,
        /// Follows so closely upon one of the same author that the name need not be said again.
        #[property(get, set)]
        continues: Cell<bool>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Message {
        const NAME: &'static str = "ScMessage";
        type Type = super::Message;
    }

    #[glib::derived_properties]
    impl ObjectImpl for Message {}
}

glib::wrapper! {
    /// One row of the conversation.
    pub struct Message(ObjectSubclass<imp::Message>);
}

impl Message {
    /// A row that shows `content`.
    #[must_use]
    pub fn new(content: Content) -> Self {
        let message: Self = glib::Object::new();
        message.imp().content.get_or_init(|| content);
        message
    }

    /// What the row shows.
    #[must_use]
    pub fn content(&self) -> &Content {
        self.imp().content.get_or_init(|| Content {
            kind: Kind::Notice,
            author: String::new(),
            own: false,
            text: String::new(),
            at_ms: 0,
        })
    }

    /// Whether a person wrote it.
    #[must_use]
    pub fn is_written(&self) -> bool {
        matches!(self.content().kind, Kind::Public | Kind::Private { .. } | Kind::Room { .. })
    }

    /// Whether it belongs under the same name as `earlier`, the row before it.
    #[must_use]
    pub fn stands_under(&self, earlier: &Self) -> bool {
        let (one, other) = (earlier.content(), self.content());
        let same_talk = self.is_written() && one.kind == other.kind && one.author == other.author;
        same_talk && (0..TOGETHER_MS_MAX).contains(&(other.at_ms - one.at_ms))
    }

    /// Time of day in local time: `14:05`.
    #[must_use]
    pub fn shown_time(&self) -> String {
        local_time(self.content().at_ms)
            .and_then(|time| time.format("%H:%M").ok())
            .map_or_else(String::new, |text| text.to_string())
    }

    /// Date and time in local time, for a tooltip.
    #[must_use]
    pub fn shown_date(&self) -> String {
        local_time(self.content().at_ms)
            .and_then(|time| time.format("%c").ok())
            .map_or_else(String::new, |text| text.to_string())
    }

    /// How a screen reader, and a test, finds the row: `AUTHOR, TIME, TEXT`.
    #[must_use]
    pub fn accessible_label(&self) -> String {
        let content = self.content();
        format!("{}, {}, {}", content.author, self.shown_time(), content.text)
    }

    /// What the label leaves out: that it is private, and whether it was sent.
    #[must_use]
    pub fn accessible_description(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.privacy());
        if self.pending() {
            parts.push("Sending".to_owned());
        }
        if let Some(failure) = self.failure() {
            parts.push(format!("Not sent: {failure}"));
        }
        parts.join(". ")
    }

    /// Whom a message that not everybody gets is shared with, in words; `None` for everything else.
    #[must_use]
    pub fn privacy(&self) -> Option<String> {
        match &self.content().kind {
            Kind::Private { with } if self.content().own => Some(format!("Private, to {with}")),
            Kind::Private { .. } => Some("Private, to you".to_owned()),
            Kind::Room { name } => Some(format!("In #{name}")),
            Kind::Public
            | Kind::Notice
            | Kind::Presence
            | Kind::Downloaded { .. }
            | Kind::NotDownloaded => None,
        }
    }
}

fn local_time(at_ms: i64) -> Option<glib::DateTime> {
    glib::DateTime::from_unix_local(at_ms.div_euclid(1000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: Kind, author: &str, at_ms: i64) -> Message {
        Message::new(Content {
            kind,
            author: author.to_owned(),
            own: false,
            text: "hi".to_owned(),
            at_ms,
        })
    }

    fn private(with: &str) -> Kind {
        Kind::Private { with: with.to_owned() }
    }

    #[track_caller]
    fn check_together(one: &Message, other: &Message, expected: bool) {
        assert_eq!(other.stands_under(one), expected);
    }

    #[test]
    fn one_author_stands_together() {
        check_together(&message(Kind::Public, "a", 0), &message(Kind::Public, "a", 299_999), true);
    }

    #[test]
    fn a_long_pause_says_the_name_again() {
        check_together(&message(Kind::Public, "a", 0), &message(Kind::Public, "a", 300_000), false);
    }

    #[test]
    fn another_author_does_not() {
        check_together(&message(Kind::Public, "a", 0), &message(Kind::Public, "b", 0), false);
    }

    #[test]
    fn private_and_public_never_mix() {
        check_together(&message(Kind::Public, "a", 0), &message(private("a"), "a", 0), false);
        check_together(&message(private("a"), "me", 0), &message(private("b"), "me", 0), false);
    }

    #[test]
    fn label_is_author_time_text() {
        let message = message(Kind::Public, "bob", 0);
        assert_eq!(message.accessible_label(), format!("bob, {}, hi", message.shown_time()));
        assert_eq!(message.shown_time().len(), "14:05".len());
    }

    #[test]
    fn description_tells_privacy_and_fate() {
        let message = Message::new(Content {
            kind: private("bob"),
            author: "me".to_owned(),
            own: true,
            text: "hi".to_owned(),
            at_ms: 0,
        });
        message.set_failure(Some("bob is not online"));
        assert_eq!(
            message.accessible_description(),
            "Private, to bob. Not sent: bob is not online"
        );
    }

    #[test]
    fn absurd_times_are_no_panic() {
        assert_eq!(message(Kind::Public, "a", i64::MAX).shown_time(), "");
    }
}
