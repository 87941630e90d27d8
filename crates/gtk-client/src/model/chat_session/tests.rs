//! The session without network and without widgets: events in, models and commands out.

use chat_client::command::{Command, ServerAddress};
use chat_client::error::{EndReason, Refusal, SessionError};
use chat_client::event::{DownloadChange, Event, Transport};
use chat_client::session::SessionHandle;
use common::spki_pin::SpkiPin;
use common::wire::{self, RefusalCode, Role};

use super::*;
use crate::model::connection_state::{LogInField, Standing};
use crate::model::transfer::Stage;

/// The other side of the bridge: what the session was asked for, and a mouth to answer with.
struct Network {
    session: ChatSession,
    commands: async_channel::Receiver<Command>,
}

impl Network {
    fn new() -> Self {
        let (command_sender, commands) = async_channel::bounded(8);
        let session = ChatSession::new(move || {
            let (_, events) = async_channel::bounded(1);
            SessionBridge::over(SessionHandle { commands: command_sender.clone(), events })
        });
        Self { session, commands }
    }

    /// Logged in as `me` on a server called `Lab`.
    fn online() -> Self {
        let network = Self::new();
        network.log_in("me");
        network.tell(Event::NeedsLogIn { server_name: "Lab".to_owned(), password_needed: false });
        network.tell(Event::LoggedIn { name: "me".to_owned(), resumed: false, role: Role::Guest });
        network.asked();
        network
    }

    fn log_in(&self, name: &str) {
        let form = LogInForm {
            server: "host:1".to_owned(),
            name: name.to_owned(),
            password: String::new(),
        };
        // Follows events on the main loop; there is none here, and events are applied by hand.
        let context = glib::MainContext::new();
        context.with_thread_default(|| self.session.log_in(form)).unwrap();
    }

    fn tell(&self, event: Event) {
        self.session.apply(self.session.imp().number.get(), vec![event]);
    }

    fn asked(&self) -> Vec<Command> {
        std::iter::from_fn(|| self.commands.try_recv().ok()).collect()
    }

    fn standing(&self) -> Standing {
        self.session.connection().standing()
    }

    fn rows(&self) -> Vec<Message> {
        self.session.messages().iter::<Message>().map(Result::unwrap).collect()
    }

    fn texts(&self) -> Vec<String> {
        self.rows().iter().map(|row| row.content().text.clone()).collect()
    }
}

fn refusal(code: RefusalCode) -> Refusal {
    Refusal(wire::Refused {
        code: code.into(),
        subject: "zed".to_owned(),
        ..wire::Refused::default()
    })
}

fn user(name: &str) -> Conversation {
    Conversation::User(name.to_owned())
}

fn message(conversation: Conversation, from: &str, text: &str) -> Event {
    Event::Message { conversation, seq: 1, from: from.to_owned(), text: text.to_owned(), at_ms: 0 }
}

#[track_caller]
fn check_field(code: RefusalCode, expected: LogInField) {
    let network = Network::new();
    network.log_in("bob");
    network.tell(Event::LogInRefused(refusal(code)));
    let standing = network.standing();
    assert_eq!(standing.problem.map(|problem| problem.field), Some(expected));
    assert_eq!(standing.phase, Phase::LoggedOut);
}

#[test]
fn log_in_dials_then_names() {
    let network = Network::new();
    network.log_in(" bob ");
    network.tell(Event::NeedsLogIn { server_name: "Lab".to_owned(), password_needed: false });
    let asked = network.asked();
    assert!(
        matches!(&asked[0], Command::Connect { server: ServerAddress::Plain(at) } if at.to_string() == "host:1")
    );
    assert!(matches!(&asked[1], Command::LogIn { name, password: None } if name == "bob"));
}

#[test]
fn refused_names_are_said_at_the_name() {
    check_field(RefusalCode::NameTaken, LogInField::Name);
    check_field(RefusalCode::NameTooSimilar, LogInField::Name);
    check_field(RefusalCode::NameReserved, LogInField::Name);
    check_field(RefusalCode::NameMalformed, LogInField::Name);
}

#[test]
fn other_refusals_are_said_where_they_belong() {
    check_field(RefusalCode::WrongPassword, LogInField::Password);
    check_field(RefusalCode::PasswordNeeded, LogInField::Password);
    check_field(RefusalCode::ServerFull, LogInField::Server);
}

#[test]
fn another_name_goes_over_the_same_connection() {
    let network = Network::new();
    network.log_in("bob");
    network.tell(Event::NeedsLogIn { server_name: "Lab".to_owned(), password_needed: false });
    network.tell(Event::LogInRefused(refusal(RefusalCode::NameTaken)));
    network.asked();
    network.log_in("carol");
    assert!(matches!(&network.asked()[..], [Command::LogIn { name, .. }] if name == "carol"));
}

#[test]
fn password_is_asked_for_when_the_server_wants_one() {
    let network = Network::new();
    network.log_in("bob");
    network.asked();
    network.tell(Event::NeedsLogIn { server_name: "Lab".to_owned(), password_needed: true });
    // It may not be needed on this computer.
    assert!(matches!(&network.asked()[..], [Command::LogIn { password: None, .. }]));
    network.tell(Event::LogInRefused(refusal(RefusalCode::PasswordNeeded)));
    assert_eq!(network.standing().problem.map(|problem| problem.field), Some(LogInField::Password));
}

#[test]
fn malformed_address_dials_nowhere() {
    let network = Network::new();
    network.session.log_in(LogInForm {
        server: "a b".to_owned(),
        name: "bob".to_owned(),
        password: String::new(),
    });
    assert!(network.asked().is_empty());
    assert_eq!(network.standing().problem.map(|problem| problem.field), Some(LogInField::Server));
}

#[test]
fn unreachable_server_leads_back_to_the_page() {
    let network = Network::new();
    network.log_in("bob");
    let error = SessionError::TimedOut { address: "host:1".to_owned() };
    network.tell(Event::Disconnected { error, retry_in: std::time::Duration::ZERO });
    assert_eq!(network.standing().phase, Phase::LoggedOut);
    assert!(network.standing().problem.is_some());
}

#[test]
fn server_that_stops_waiting_for_a_name_is_dialled_again() {
    let network = Network::new();
    network.log_in("bob");
    network.tell(Event::LogInRefused(refusal(RefusalCode::NameTaken)));
    let retry_in = std::time::Duration::ZERO;
    network.tell(Event::Disconnected { error: SessionError::Lost, retry_in });
    let field = network.standing().problem.map(|problem| problem.field);
    assert_eq!(field, Some(LogInField::Name), "the name is still what is wrong");
    network.asked();
    network.log_in("carol");
    assert!(matches!(&network.asked()[..], [Command::Connect { .. }]));
}

#[test]
fn changed_key_stays_on_the_screen_after_the_session_ended() {
    let network = Network::new();
    network.log_in("bob");
    let (expected, found) = (SpkiPin([1; 32]), SpkiPin([2; 32]));
    network.tell(Event::KeyChanged { expected, found });
    network.tell(Event::Ended(EndReason::KeyChanged));
    assert_eq!(network.standing().phase, Phase::KeyChanged { expected, found });
}

#[test]
fn lost_connection_keeps_the_conversation() {
    let network = Network::online();
    network.tell(message(Conversation::lobby(), "bob", "hi"));
    let retry_in = std::time::Duration::from_secs(1);
    network.tell(Event::Disconnected { error: SessionError::Lost, retry_in });
    assert!(matches!(network.standing().phase, Phase::Reconnecting { retry_at: Some(_), .. }));
    network.tell(Event::Connecting { attempt: 1 });
    assert!(matches!(network.standing().phase, Phase::Reconnecting { retry_at: None, .. }));
    network.tell(Event::NeedsLogIn { server_name: "Lab".to_owned(), password_needed: false });
    assert!(network.asked().is_empty(), "the session logs in again by itself");
    network.tell(Event::LoggedIn { name: "me".to_owned(), resumed: true, role: Role::Guest });
    assert_eq!(network.standing().phase, Phase::Online);
    assert_eq!(network.texts(), ["You are online as me", "hi"]);
}

#[test]
fn name_lost_while_away_asks_for_another() {
    let network = Network::online();
    network.tell(Event::Disconnected {
        error: SessionError::Lost,
        retry_in: std::time::Duration::ZERO,
    });
    network.tell(Event::LogInRefused(refusal(RefusalCode::NameTaken)));
    assert_eq!(network.standing().phase, Phase::LoggedOut);
    assert_eq!(network.standing().problem.map(|problem| problem.field), Some(LogInField::Name));
}

#[test]
fn logging_out_forgets_what_was_said() {
    let network = Network::online();
    network.tell(message(Conversation::lobby(), "bob", "hi"));
    let names = vec!["bob".to_owned()];
    network.tell(Event::Typing { conversation: Conversation::lobby(), names });
    network.session.set_away(true);
    assert!(matches!(&network.asked()[..], [Command::SetAway { is_away: true }]));
    network.session.log_out();
    assert!(matches!(&network.asked()[..], [Command::LogOut]));
    network.tell(Event::Ended(EndReason::LoggedOut));
    assert_eq!(network.standing(), Standing::default());
    assert!(network.rows().is_empty());
    assert_eq!(network.session.typists().sentence(&Conversation::lobby()), "");
    assert!(!network.session.away());
}

#[test]
fn former_session_is_not_listened_to() {
    let network = Network::online();
    let former = network.session.imp().number.get();
    network.session.give_up_log_in();
    network.session.apply(former, vec![message(Conversation::lobby(), "bob", "late")]);
    assert_eq!(network.texts(), ["You are online as me"]);
}

#[test]
fn own_message_shows_at_once_and_settles() {
    let network = Network::online();
    network.session.send(Conversation::lobby(), "hello");
    let row = network.rows().pop().unwrap();
    assert!(row.pending() && row.content().own);
    let asked = network.asked();
    let [Command::Send { id, text, .. }] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(text, "hello");
    network.tell(Event::MessageAccepted {
        id: *id,
        conversation: Conversation::lobby(),
        seq: 1,
        at_ms: 0,
        receiver_is_away: false,
    });
    assert!(!row.pending() && row.failure().is_none());
}

#[test]
fn what_waits_for_somebody_who_is_away_is_said_to() {
    let network = Network::online();
    network.session.send(user("zed"), "hello");
    let Some(Command::Send { id, .. }) = network.asked().pop() else { panic!() };
    let conversation = user("zed");
    network.tell(Event::MessageAccepted {
        id,
        conversation,
        seq: 1,
        at_ms: 0,
        receiver_is_away: true,
    });
    assert_eq!(network.texts().pop().unwrap(), "“zed” is away. The message waits for them.");
}

#[test]
fn refused_message_is_retried_under_its_id() {
    let network = Network::online();
    network.session.send(user("zed"), "hello");
    let Some(Command::Send { id, .. }) = network.asked().pop() else { panic!() };
    network.tell(Event::MessageRefused { id, refusal: refusal(RefusalCode::UnknownUser) });
    let row = network.rows().pop().unwrap();
    assert!(row.failure().is_some_and(|failure| failure.contains("zed")));
    network.session.retry(&row);
    assert!(row.pending() && row.failure().is_none());
    assert!(matches!(network.asked().pop(), Some(Command::Send { id: again, .. }) if again == id));
}

#[test]
fn full_channel_fails_the_message_and_loses_nothing() {
    let network = Network::online();
    for _ in 0..8 {
        network.session.send(Conversation::lobby(), "fits");
    }
    network.session.send(Conversation::lobby(), "does not");
    let row = network.rows().pop().unwrap();
    assert!(row.failure().is_some());
    network.asked();
    network.session.retry(&row);
    assert!(
        matches!(network.asked().pop(), Some(Command::Send { text, .. }) if text == "does not")
    );
}

#[test]
fn too_long_message_is_told_here() {
    let network = Network::online();
    network.session.send(Conversation::lobby(), &"x".repeat(common::limits::TEXT_BYTES_MAX + 1));
    assert!(network.asked().is_empty());
    assert!(network.rows().pop().unwrap().failure().is_some());
}

#[test]
fn private_messages_tell_with_whom() {
    let network = Network::online();
    network.tell(message(user("bob"), "bob", "psst"));
    network.session.send(user("bob"), "yes?");
    let privacy: Vec<_> = network.rows().iter().filter_map(Message::privacy).collect();
    assert_eq!(privacy, ["Private, to you", "Private, to bob"]);
}

#[test]
fn who_comes_and_goes_is_said() {
    let network = Network::online();
    network.tell(Event::Online(OnlineChange::Reset {
        names: vec!["bob".to_owned(), "me".to_owned()],
        away: Default::default(),
    }));
    network.tell(Event::Online(OnlineChange::Joined("carol".to_owned())));
    network
        .tell(Event::Online(OnlineChange::Left { name: "bob".to_owned(), connection_lost: true }));
    assert_eq!(network.texts()[1..], ["carol joined", "bob lost the connection"]);
    assert_eq!(network.session.people().len(), 2);
}

#[test]
fn download_is_followed_to_its_end() {
    let network = Network::online();
    let folder = tempfile::tempdir().unwrap();
    let save_as = folder.path().join("new/a.bin");
    network.session.download("docs/a.bin", save_as.clone());
    let Some(Command::Download { id, path, .. }) = network.asked().pop() else { panic!() };
    assert_eq!(path, "docs/a.bin");
    assert!(folder.path().join("new").is_dir(), "the folder is made");
    network.tell(Event::Download { id, change: DownloadChange::Started { size: 5 } });
    let change = DownloadChange::Finished {
        path: save_as.clone(),
        bytes: 5,
        seconds: 0.1,
        transport: Transport::Udp,
        blake3: [0; 32],
        resumed_from: 0,
    };
    network.tell(Event::Download { id, change });
    assert_eq!(
        network.session.transfers().find(id).unwrap().stage(),
        Stage::Finished(save_as.clone())
    );
    assert!(network.texts().pop().unwrap().starts_with("docs/a.bin was downloaded to "));
}

#[test]
fn download_that_was_faster_than_its_cancel_is_there() {
    let network = Network::online();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    network.session.download("a.bin", path.clone());
    let transfer = network.session.transfers().iter().next().unwrap();
    network.session.cancel(&transfer);
    let change = DownloadChange::Finished {
        path: path.clone(),
        bytes: 5,
        seconds: 0.1,
        transport: Transport::Udp,
        blake3: [0; 32],
        resumed_from: 0,
    };
    network.tell(Event::Download { id: transfer.id(), change });
    assert_eq!(transfer.stage(), Stage::Finished(path));
}

#[test]
fn cancelled_download_is_not_reported_as_failed() {
    let network = Network::online();
    let folder = tempfile::tempdir().unwrap();
    network.session.download("a.bin", folder.path().join("a.bin"));
    let transfer = network.session.transfers().iter().next().unwrap();
    network.session.cancel(&transfer);
    let asked = network.asked();
    assert!(matches!(&asked[..], [Command::Download { .. }, Command::CancelDownload { .. }]));
    let failure = chat_client::error::DownloadFailure::NotConnected;
    network.tell(Event::Download { id: transfer.id(), change: DownloadChange::Failed(failure) });
    assert_eq!(transfer.stage(), Stage::Cancelled);
    assert_eq!(network.texts(), ["You are online as me"]);
}
