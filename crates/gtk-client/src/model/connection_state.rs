//! Where we stand with the server: what the window's pages and its banner follow.

use std::cell::RefCell;
use std::sync::LazyLock;
use std::time::Instant;

use common::spki_pin::SpkiPin;
use gtk::glib;
use gtk::glib::subclass::Signal;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

/// Which page the window shows, more or less.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Phase {
    /// Nothing is under way: a person may fill in the log-in page.
    #[default]
    LoggedOut,
    /// Dialling or logging in for the first time.
    LoggingIn,
    /// The server's key is unknown; nothing goes on before a person has looked at it.
    FirstContact {
        /// What the server showed.
        pin: SpkiPin,
    },
    /// The server's key is another than the remembered one; nothing goes on at all.
    KeyChanged {
        /// What is remembered.
        expected: SpkiPin,
        /// What the server showed.
        found: SpkiPin,
    },
    /// In the conversation.
    Online,
    /// In the conversation, but cut off for the moment.
    Reconnecting {
        /// Why.
        reason: String,
        /// When the next attempt starts; `None` while one is under way.
        retry_at: Option<Instant>,
    },
    /// Saying goodbye.
    LoggingOut,
}

impl Phase {
    /// Whether the conversation is on the screen.
    #[must_use]
    pub fn is_in_conversation(&self) -> bool {
        matches!(self, Self::Online | Self::Reconnecting { .. })
    }
}

/// The row of the log-in page that a problem is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogInField {
    /// The address, or everything behind it.
    Server,
    /// The user name.
    Name,
    /// The password.
    Password,
}

/// Why the log-in page is still there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogInProblem {
    /// Which row it belongs to.
    pub field: LogInField,
    /// What a person reads.
    pub sentence: String,
}

/// All of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// Where we are.
    pub phase: Phase,
    /// What is wrong with what was typed.
    pub problem: Option<LogInProblem>,
    /// Whether the server wants a password.
    pub password_needed: bool,
    /// What the server calls itself, safe to show.
    pub server_name: String,
    /// How the server spells us.
    pub own_name: String,
    /// Our name is no account.
    pub is_guest: bool,
}

impl Standing {
    /// Whether the name could become an account now.
    #[must_use]
    pub fn can_register(&self) -> bool {
        self.is_guest && self.phase == Phase::Online
    }
}

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct ConnectionState {
        pub(super) standing: RefCell<Standing>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ConnectionState {
        const NAME: &'static str = "ScConnectionState";
        type Type = super::ConnectionState;
    }

    impl ObjectImpl for ConnectionState {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> =
                LazyLock::new(|| vec![Signal::builder("changed").build()]);
            &SIGNALS
        }
    }
}

glib::wrapper! {
    /// Where we stand with the server. Every change is announced by `changed`.
    pub struct ConnectionState(ObjectSubclass<imp::ConnectionState>);
}

impl Default for ConnectionState {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl ConnectionState {
    /// All of it.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.imp().standing.borrow().clone()
    }

    /// Where we are.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.imp().standing.borrow().phase.clone()
    }

    /// How the server spells us.
    #[must_use]
    pub fn own_name(&self) -> String {
        self.imp().standing.borrow().own_name.clone()
    }

    /// Changes it and announces that, unless nothing is different.
    pub fn change(&self, change: impl FnOnce(&mut Standing)) {
        let mut standing = self.standing();
        change(&mut standing);
        if standing != *self.imp().standing.borrow() {
            self.imp().standing.replace(standing);
            self.emit_by_name::<()>("changed", &[]);
        }
    }

    /// Calls `follow` after every change.
    pub fn connect_changed(&self, follow: impl Fn(&Self) + 'static) -> glib::SignalHandlerId {
        self.connect_closure(
            "changed",
            false,
            glib::closure_local!(move |state: Self| follow(&state)),
        )
    }
}
