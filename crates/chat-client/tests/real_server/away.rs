//! What was said to somebody who was not there: nothing is missing, nothing comes twice.

use std::collections::HashMap;
use std::io::Write;

use chat_client::command::{Command, MessageId, ServerAddress};
use chat_client::event::Event;
use chat_client::session::{self, SessionConfig, SessionHandle};
use common::conversation::Conversation;
use common::wire::RefusalCode;
use tempfile::TempDir;

use crate::support::{Gate, Person, Server};

/// Long enough to write somebody a message meanwhile, also on a busy machine.
const HOLD: &str = "[limits]\nname_hold_seconds = 5";

/// ann writes the first message to bob while the server keeps his name and nobody is behind it. Then his
/// name is free, or the server is killed; then he is back.
#[test]
fn a_conversation_that_begins_while_one_is_away_is_there_when_one_is_back() {
    for is_killed in [false, true] {
        let mut server = Server::start_with(HOLD);
        let gate = Gate::to(&server);
        let (ann, bob, cy) = (Person::new("ann"), Person::new("bob"), Person::new("cy"));
        let watcher = cy.listen(&server.link);
        let bob = bob.listen(&gate.link);
        let (writer, mut input) =
            ann.start_with_input(&server.link, &["--json", "send", "--to", "bob", "-"]);
        while watcher.skip_to("joined")["name"] != "ann" {}
        gate.close();
        bob.skip_to("disconnected");
        writeln!(input, "one").unwrap();
        assert_eq!(writer.expect("accepted")["seq"], 1);
        if is_killed {
            server.kill();
            server.start_again();
        } else {
            assert_eq!(watcher.skip_to("left")["name"], "bob");
        }
        gate.open();
        let one = bob.skip_to("message");
        assert_eq!((&one["seq"], &one["text"]), (&1.into(), &"one".into()), "{is_killed}");
        writeln!(input, "two").unwrap();
        let two = bob.skip_to("message");
        assert_eq!((&two["seq"], &two["text"]), (&2.into(), &"two".into()), "{is_killed}");
    }
}

#[test]
fn what_is_said_to_somebody_who_logged_out_waits_also_over_a_restart() {
    let mut server = Server::start();
    let (ann, bob) = (Person::new("ann"), Person::new("bob"));
    ann.run(&server.link, &["send", "--to", "bob", "zero"]).check(4, &["no user"]);
    bob.run(&server.link, &["send", "here I am"]).check(0, &[]);
    let done = ann.run(&server.link, &["--json", "send", "--to", "bob", "one"]);
    done.check(0, &[]);
    assert_eq!(done.events()[0]["receiver_is_away"], true);
    server.kill();
    server.start_again();
    ann.run(&server.link, &["send", "--to", "bob", "two"]).check(0, &["“bob” is away"]);
    let listener = bob.listen(&server.link);
    for (seq, text) in [(1, "one"), (2, "two")] {
        let message = listener.skip_to("message");
        assert_eq!((&message["seq"], &message["text"]), (&seq.into(), &text.into()));
    }
    let done = ann.run(&server.link, &["--json", "send", "--to", "bob", "three"]);
    assert_eq!(done.events()[0]["receiver_is_away"], false);
    assert_eq!(listener.skip_to("message")["text"], "three");
}

#[test]
fn what_was_said_to_somebody_whose_program_was_killed_waits_for_the_next_one_over_a_restart() {
    let mut server = Server::start_with(HOLD);
    let (ann, bob, cy) = (Person::new("ann"), Person::new("bob"), Person::new("cy"));
    let watcher = cy.listen(&server.link);
    let listener = bob.listen(&server.link);
    let (writer, mut input) =
        ann.start_with_input(&server.link, &["--json", "send", "--to", "bob", "-"]);
    while watcher.skip_to("joined")["name"] != "ann" {}
    listener.kill();
    for text in ["one", "two"] {
        writeln!(input, "{text}").unwrap();
        writer.expect("accepted");
    }
    assert_eq!(watcher.skip_to("left")["name"], "bob");
    server.kill();
    server.start_again();
    // Who only has the name finds nothing, and keeps nobody from it.
    let other_bob = Person::new("bob");
    let found = other_bob.run(&server.link, &["--json", "history", "@ann"]);
    found.check(0, &[]);
    assert_eq!(found.events().len(), 0);
    let listener = bob.listen(&server.link);
    for (seq, text) in [(1, "one"), (2, "two")] {
        let message = listener.skip_to("message");
        assert_eq!((&message["seq"], &message["text"]), (&seq.into(), &text.into()));
    }
}

#[test]
fn what_was_shown_is_not_shown_again_by_the_next_program() {
    let server = Server::start();
    let (ann, bob) = (Person::new("ann"), Person::new("bob"));
    let listener = bob.listen(&server.link);
    let (writer, mut input) =
        ann.start_with_input(&server.link, &["--json", "send", "--to", "bob", "-"]);
    for (seq, text) in [(1, "one"), (2, "two"), (3, "three")] {
        writeln!(input, "{text}").unwrap();
        writer.expect("accepted");
        assert_eq!(listener.skip_to("message")["seq"], seq);
    }
    assert_eq!(listener.interrupt(), Some(130));
    let listener = bob.listen(&server.link);
    writeln!(input, "four").unwrap();
    assert_eq!(listener.skip_to("message")["text"], "four");
}

/// Whoever stayed open knows higher numbers than the new log has.
#[test]
fn a_server_with_another_log_is_heard_from_its_first_message_on() {
    let mut server = Server::start();
    let (ann, bob) = (Person::new("ann"), Person::new("bob"));
    let listener = bob.listen(&server.link);
    ann.run_with_input(&server.link, &["send", "-"], "one\ntwo\nthree\n").check(0, &[]);
    while listener.skip_to("message")["seq"] != 3 {}
    server.kill();
    server.lose_log();
    listener.skip_to("disconnected");
    server.start_again();
    listener.skip_to("connected");
    for (seq, text) in [(1, "anew"), (2, "and on")] {
        ann.run(&server.link, &["send", text]).check(0, &[]);
        let message = listener.skip_to("message");
        assert_eq!((&message["seq"], &message["text"]), (&seq.into(), &text.into()));
    }
}

const KILLS: usize = 10;

/// Acknowledged before each kill.
const EACH: usize = 5;

/// A session, and what it told.
struct Talker {
    session: SessionHandle,
    _folder: TempDir,
}

impl Talker {
    fn log_in(server: &Server, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = SessionConfig {
            config_dir: folder.path().join("config"),
            state_dir: folder.path().join("state"),
            ..SessionConfig::of_this_person("test")
        };
        let talker = Self { session: session::start(config), _folder: folder };
        let address: ServerAddress = server.link.parse().unwrap();
        talker.ask(Command::Connect { server: address });
        talker.ask(Command::LogIn { name: name.into(), password: None });
        while !matches!(talker.next(), Event::LoggedIn { .. }) {}
        talker
    }

    fn ask(&self, command: Command) {
        self.session.commands.send_blocking(command).unwrap();
    }

    fn next(&self) -> Event {
        self.session.events.recv_blocking().unwrap()
    }

    /// Writes until so many messages are acknowledged. After a restart the receiver may not be there yet.
    fn say(&self, to: &Conversation, count: usize, accepted: &mut Vec<(u64, String)>) {
        let mut waiting = HashMap::new();
        let until = accepted.len() + count;
        while accepted.len() < until {
            if waiting.is_empty() {
                let (id, to) = (MessageId::random(), to.clone());
                let text = format!("message {id:?}");
                waiting.insert(id, text.clone());
                self.ask(Command::Send { id, to, text });
            }
            match self.next() {
                Event::MessageAccepted { id, seq, .. } => {
                    accepted.push((seq, waiting.remove(&id).unwrap()));
                }
                Event::MessageRefused { id, refusal } => {
                    assert_eq!(refusal.0.code(), RefusalCode::UnknownUser, "{refusal:?}");
                    waiting.remove(&id);
                }
                _ => {}
            }
        }
    }
}

/// What counts is what the receivers were told.
#[test]
fn however_often_the_server_is_killed_each_receiver_hears_everything_once_and_in_order() {
    let fast = "[limits]\nmessages_burst = 1000000\nmessages_per_second = 1000000";
    let mut server = Server::start_with(fast);
    let (ann, bob) = (Talker::log_in(&server, "ann"), Talker::log_in(&server, "bob"));
    let conversations = [Conversation::lobby(), Conversation::User("bob".into())];
    let mut accepted = [Vec::new(), Vec::new()];
    for _ in 0..KILLS {
        for (to, accepted) in conversations.iter().zip(&mut accepted) {
            ann.say(to, EACH, accepted);
        }
        // The last of them may or may not have left the server.
        server.kill();
        server.start_again();
    }
    let mut heard: HashMap<String, Vec<(u64, String)>> = HashMap::new();
    while heard.values().map(Vec::len).sum::<usize>() < 2 * KILLS * EACH {
        if let Event::Message { conversation, seq, text, .. } = bob.next() {
            heard.entry(conversation.to_string()).or_default().push((seq, text));
        }
    }
    let [public, private] = accepted;
    let numbers = |said: &[(u64, String)]| said.iter().map(|(seq, _)| *seq).collect::<Vec<_>>();
    assert_eq!(numbers(&private), (1..=(KILLS * EACH) as u64).collect::<Vec<_>>());
    assert_eq!(heard["#lobby"], public);
    assert_eq!(heard["@ann"], private);
}
