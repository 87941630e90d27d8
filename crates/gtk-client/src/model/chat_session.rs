//! One person's use of the program: everything that the window shows, and everything that it can ask
//! for. Events come in by [`ChatSession::apply`], wishes go out through the [`SessionBridge`].
//!
//! `chat_session/`: logging in and out, the outbox of one's own messages, downloads.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use chat_client::command::{Command, MessageId};
use chat_client::error::{EndReason, SessionError};
use chat_client::error_text;
use chat_client::event::{Event, OnlineChange};
use common::conversation::{Conversation, LOBBY};
use gtk::glib;
use gtk::glib::subclass::Signal;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::model::connection_state::{ConnectionState, Phase};
use crate::model::message::{Content, Kind, Message};
use crate::model::message_window::MessageWindow;
use crate::model::people::People;
use crate::model::plain_text;
use crate::model::server_files::ServerFiles;
use crate::model::session_bridge::SessionBridge;
use crate::model::transfers::Transfers;
use crate::model::typists::Typists;

mod downloads;
mod log_in;
mod outbox;

pub use self::log_in::LogInForm;
use self::outbox::Outgoing;

/// Author of what the server or this program itself says. No user can be called that: the name and
/// its look-alikes are reserved.
pub const SERVER_AUTHOR: &str = "Server";

/// Opens a new session when somebody logs in.
type Opener = Box<dyn Fn() -> SessionBridge>;

mod imp {
    use super::*;

    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::ChatSession)]
    pub struct ChatSession {
        /// Whether our person is away, as others are told.
        #[property(get, set = Self::set_away)]
        pub(super) away: Cell<bool>,
        pub(super) opener: OnceCell<Opener>,
        pub(super) bridge: RefCell<Option<SessionBridge>>,
        /// Counts sessions: what a former one still tells is not for us.
        pub(super) number: Cell<u32>,
        /// What the login under way was asked with.
        pub(super) form: RefCell<LogInForm>,
        /// Where [`crate::model::last_login`] keeps its memory; nowhere in tests.
        pub(super) last_login_file: RefCell<Option<PathBuf>>,
        pub(super) connection: ConnectionState,
        pub(super) people: People,
        pub(super) files: ServerFiles,
        pub(super) messages: MessageWindow,
        pub(super) transfers: Transfers,
        pub(super) typists: Typists,
        /// Our messages that the server has not accepted.
        pub(super) outbox: RefCell<HashMap<MessageId, Outgoing>>,
        pub(super) downloads_asked: Cell<u64>,
        /// Rows of the batch being applied; shown together at its end.
        pub(super) new_rows: RefCell<Vec<Message>>,
    }

    impl std::fmt::Debug for ChatSession {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("ChatSession").field("number", &self.number).finish_non_exhaustive()
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ChatSession {
        const NAME: &'static str = "ScChatSession";
        type Type = super::ChatSession;
    }

    impl ChatSession {
        fn set_away(&self, is_away: bool) {
            if self.away.replace(is_away) != is_away {
                self.obj().ask(Command::SetAway { is_away });
            }
        }
    }

    #[glib::derived_properties]
    impl ObjectImpl for ChatSession {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
                vec![
                    Signal::builder("message-arrived")
                        .param_types([Message::static_type()])
                        .build(),
                ]
            });
            &SIGNALS
        }
    }
}

glib::wrapper! {
    /// Everything that the window shows, and everything that it can ask for. `message-arrived` is
    /// emitted for every message that somebody else wrote, after it is in the list.
    pub struct ChatSession(ObjectSubclass<imp::ChatSession>);
}

impl ChatSession {
    /// Nobody is logged in; `opener` is called for each login.
    #[must_use]
    pub fn new(opener: impl Fn() -> SessionBridge + 'static) -> Self {
        let session: Self = glib::Object::new();
        let opener: Opener = Box::new(opener);
        session.imp().opener.get_or_init(|| opener);
        session
    }

    /// Remembers the server and name of logins that worked in `file`.
    pub fn remember_logins_in(&self, file: PathBuf) {
        self.imp().last_login_file.replace(Some(file));
    }

    /// Where we stand with the server.
    #[must_use]
    pub fn connection(&self) -> &ConnectionState {
        &self.imp().connection
    }

    /// Who is online.
    #[must_use]
    pub fn people(&self) -> &People {
        &self.imp().people
    }

    /// What the server offers.
    #[must_use]
    pub fn files(&self) -> &ServerFiles {
        &self.imp().files
    }

    /// The conversation.
    #[must_use]
    pub fn messages(&self) -> &MessageWindow {
        &self.imp().messages
    }

    /// All downloads.
    #[must_use]
    pub fn transfers(&self) -> &Transfers {
        &self.imp().transfers
    }

    /// Who is writing.
    #[must_use]
    pub fn typists(&self) -> &Typists {
        &self.imp().typists
    }

    /// The person here is writing to somebody; to be said with each key.
    pub fn types(&self, to: Conversation) {
        // Not worth a word where it does not get through.
        self.ask(Command::Typing { to });
    }

    /// Calls `follow` with every message that somebody else wrote.
    pub fn connect_message_arrived(
        &self,
        follow: impl Fn(&Self, &Message) + 'static,
    ) -> glib::SignalHandlerId {
        let closure =
            glib::closure_local!(move |session: Self, message: Message| follow(&session, &message));
        self.connect_closure("message-arrived", false, closure)
    }

    /// Follows what session `number` tells. What a former session still tells is dropped.
    pub fn apply(&self, number: u32, batch: Vec<Event>) {
        for event in batch {
            if number == self.imp().number.get() {
                self.apply_one(event);
            }
        }
        self.show_new_rows();
    }

    fn apply_one(&self, event: Event) {
        match event {
            Event::Connecting { .. } => self.connecting(),
            Event::FirstContact { pin } => self.enter(Phase::FirstContact { pin }),
            Event::KeyChanged { expected, found } => {
                self.enter(Phase::KeyChanged { expected, found })
            }
            Event::NeedsLogIn { server_name, password_needed } => {
                self.needs_log_in(&server_name, password_needed)
            }
            Event::LogInRefused(refusal) => self.log_in_refused(&refusal),
            Event::LoggedIn { name, resumed, role } => self.logged_in(&name, resumed, role),
            Event::Disconnected { error, retry_in } => self.disconnected(&error, retry_in),
            Event::Online(change) => self.online_changed(&change),
            Event::Typing { conversation, names } => self.imp().typists.apply(&conversation, names),
            Event::Files(change) => self.imp().files.apply(&change),
            Event::Message { conversation, from, text, at_ms, .. } => {
                self.arrived(conversation, &from, &text, at_ms)
            }
            Event::MessageAccepted { id, conversation, receiver_is_away, .. } => {
                self.accepted(id);
                if let (Conversation::User(name), true) = (&conversation, receiver_is_away) {
                    let name = plain_text::shown(name);
                    self.say(Kind::Notice, &error_text::receiver_is_away(&name));
                }
            }
            Event::MessageRefused { id, refusal } => self.refused(id, &refusal),
            Event::Room(change) => {
                let sentence = plain_text::shown(&error_text::room_change(&change));
                self.say(Kind::Notice, &sentence);
            }
            Event::Notice { text } => self.say(Kind::Notice, &plain_text::shown(&text)),
            Event::HistoryStalled { is_stalled } => {
                self.say(Kind::Notice, error_text::history_stalled(is_stalled))
            }
            Event::Download { id, change } => self.download_changed(id, change),
            // One thing is asked, and nothing else.
            Event::Answered { answer, .. } => self.registered(&answer),
            // The window asks for none of these.
            Event::Upload { .. }
            | Event::History { .. }
            | Event::HistoryRefused { .. }
            | Event::Found { .. }
            | Event::SearchRefused(_) => {}
            Event::Ended(reason) => self.ended(&reason),
        }
    }

    /// The session closed its door. It says `Ended` first, unless it broke.
    pub(crate) fn session_gone(&self, number: u32) {
        if number == self.imp().number.get() && self.imp().bridge.borrow().is_some() {
            self.ended(&EndReason::Failed(SessionError::Lost));
        }
    }

    /// Asks the session for something. `false`: there is none, or it is too busy.
    fn ask(&self, command: Command) -> bool {
        self.imp().bridge.borrow().as_ref().is_some_and(|bridge| bridge.ask(command))
    }

    fn enter(&self, phase: Phase) {
        self.imp().connection.change(|standing| standing.phase = phase);
    }

    fn online_changed(&self, change: &OnlineChange) {
        self.imp().people.apply(change, &self.imp().connection.own_name());
        match change {
            OnlineChange::Reset { .. } | OnlineChange::Away { .. } => {}
            OnlineChange::Joined(name) => {
                self.say(Kind::Presence, &format!("{} joined", plain_text::shown_name(name)));
            }
            OnlineChange::Left { name, connection_lost: false } => {
                self.say(Kind::Presence, &format!("{} left", plain_text::shown_name(name)));
            }
            OnlineChange::Left { name, connection_lost: true } => {
                self.say(
                    Kind::Presence,
                    &format!("{} lost the connection", plain_text::shown_name(name)),
                );
            }
        }
    }

    fn arrived(&self, conversation: Conversation, from: &str, text: &str, at_ms: i64) {
        let own = from == self.imp().connection.own_name();
        let kind = match conversation {
            Conversation::Room(room) if room == LOBBY => Kind::Public,
            Conversation::Room(room) => Kind::Room { name: plain_text::shown_name(&room) },
            Conversation::User(with) => Kind::Private { with: plain_text::shown_name(&with) },
        };
        let (author, text) = (plain_text::shown_name(from), plain_text::shown(text));
        let message = Message::new(Content { kind, author, own, text, at_ms });
        self.show(&message);
        if !own {
            self.emit_by_name::<()>("message-arrived", &[&message]);
        }
    }

    /// A row that no person wrote, at the time of this computer.
    fn say(&self, kind: Kind, text: &str) {
        let (author, text) = (SERVER_AUTHOR.to_owned(), text.to_owned());
        self.show(&Message::new(Content { kind, author, own: false, text, at_ms: now_ms() }));
    }

    fn show(&self, message: &Message) {
        self.imp().new_rows.borrow_mut().push(message.clone());
    }

    fn show_new_rows(&self) {
        let rows = self.imp().new_rows.take();
        if !rows.is_empty() {
            self.imp().messages.append(rows);
        }
    }
}

/// Milliseconds since 1970-01-01 UTC.
fn now_ms() -> i64 {
    glib::real_time() / 1000
}

/// The sentence for a message that did not even reach the session.
fn not_taken() -> String {
    error_text::session_error(&SessionError::Lost)
}

#[cfg(test)]
mod tests;
