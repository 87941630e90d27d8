//! Connections break, come back, or stop reading.

use common::conversation::Conversation;
use common::limits::TEXT_BYTES_MAX;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, GoodbyeReason, LeaveReason, RefusalCode};
use rustix::process::Signal;

use crate::metrics;
use crate::support::{Client, ServerProcess, logged_in, message, refusal, wait_until};

#[test]
fn who_comes_back_with_the_token_was_never_gone_for_others() {
    let server = ServerProcess::start();
    let mut ann = server.log_in("ann");
    let mut bob = server.greet();
    let token = bob.log_in("bob").resume_token;
    assert!(matches!(ann.event(), Body::UserJoined(_)));
    bob.break_off();
    let mut bob = server.greet();
    let back = loop {
        // Until the server has seen the break, the session lives as far as it knows.
        match bob.resume("bob", &token) {
            Body::Refused(refused) => assert_eq!(refused.code(), RefusalCode::NameTaken),
            body => break logged_in(body),
        }
    };
    assert!(back.resumed);
    assert_ne!(back.resume_token, token);
    assert_eq!(ann.events(), []);
}

#[test]
fn what_was_said_during_the_gap_follows_on_the_new_connection() {
    let server = ServerProcess::start();
    let mut ann = server.log_in("ann");
    let mut bob = server.greet();
    let token = bob.log_in("bob").resume_token;
    bob.close();
    let mut bob = server.greet();
    assert!(matches!(ann.say("bob", "are you there?"), Body::MessageAccepted(_)));
    assert!(logged_in(bob.resume("bob", &token)).resumed);
    let heard = bob.events();
    assert!(
        matches!(&heard[..], [Body::Message(message)] if message.text == "are you there?"),
        "{heard:?}"
    );
}

#[test]
fn what_is_said_to_somebody_given_up_for_silence_follows_when_they_come_back() {
    let server = ServerProcess::with_config("[limits]\nping_seconds = 1\ndead_seconds = 2");
    let mut ann = server.greet();
    let token = ann.log_in("ann").resume_token;
    let last_words = ann.read_to_end();
    assert!(matches!(last_words.last(), Some(Body::Goodbye(it)) if it.retry_after_ms > 0));
    let mut bob = server.log_in("bob");
    assert!(matches!(bob.say("ann", "are you there?"), Body::MessageAccepted(_)));
    let mut ann = server.greet();
    assert!(logged_in(ann.resume("ann", &token)).resumed);
    let heard = ann.events();
    let is_question =
        |body: &Body| matches!(body, Body::Message(it) if it.text == "are you there?");
    assert_eq!(heard.iter().filter(|body| is_question(body)).count(), 1, "{heard:?}");
    assert!(!heard.iter().any(|body| matches!(body, Body::Goodbye(_))), "{heard:?}");
}

#[test]
fn without_the_token_the_name_is_held_and_then_free() {
    let server = ServerProcess::with_config("[limits]\nname_hold_seconds = 1");
    let mut ann = server.log_in("ann");
    let bob = server.log_in("bob");
    assert!(matches!(ann.event(), Body::UserJoined(_)));
    bob.break_off();
    let mut other = server.greet();
    assert_eq!(refusal(&other.try_log_in("bob")), RefusalCode::NameTaken);
    let Body::UserLeft(left) = ann.event() else { panic!("not left") };
    assert_eq!((left.name.as_str(), left.reason()), ("bob", LeaveReason::ConnectionLost));
    other.log_in("bob");
}

#[test]
fn a_living_session_answers_and_keeps_its_name() {
    let server = ServerProcess::start();
    let mut bob = server.greet();
    let token = bob.log_in("bob").resume_token;
    let mut second = server.greet();
    let request = second.send(Ask::LogIn(wire::LogIn {
        name: "bob".into(),
        resume_token: token,
        ..Default::default()
    }));
    let Body::Ping(ping) = bob.event() else { panic!("not asked whether it lives") };
    bob.send(Ask::Pong(wire::Pong { token: ping.token }));
    assert_eq!(refusal(&second.answer_to(request)), RefusalCode::NameTaken);
}

#[test]
fn a_session_that_does_not_answer_is_taken_over() {
    let server = ServerProcess::start();
    let mut ghost = server.greet();
    let token = ghost.log_in("bob").resume_token;
    let mut bob = server.greet();
    assert!(logged_in(bob.resume("bob", &token)).resumed);
    let last_words = ghost.read_to_end();
    assert!(matches!(
        &last_words[..],
        [Body::Ping(_), Body::Goodbye(it)] if it.reason() == GoodbyeReason::TakenOver
    ));
}

#[test]
fn a_silent_client_is_pinged_and_then_given_up() {
    let server = ServerProcess::with_config("[limits]\nping_seconds = 1\ndead_seconds = 2");
    let mut ann = server.log_in("ann");
    let last_words = ann.read_to_end();
    assert!(matches!(
        &last_words[..],
        [Body::Ping(_), Body::Goodbye(it)] if it.reason() == GoodbyeReason::Idle
    ));
}

/// However slow the disk is, nobody hears of the sleeper's end meanwhile, and nobody is pinged.
const FAST: &str = "[limits]\nmessages_burst = 1000000\nmessages_per_second = 1000000\n\
                    name_hold_seconds = 3600\nping_seconds = 3600\ndead_seconds = 7200";

/// More than the outbox and all buffers of both systems in between hold.
const MORE_THAN_FITS: u64 = 2000;

/// The writer says so much that it does not fit before a client that does not read; the reader hears it all.
fn say_more_than_fits(writer: &mut Client, reader: &mut Client) {
    let text = "x".repeat(TEXT_BYTES_MAX);
    for n in 0..MORE_THAN_FITS {
        assert!(matches!(writer.say("#lobby", &text), Body::MessageAccepted(_)));
        let Body::Message(heard) = reader.event() else { panic!("message {n} is missing") };
        assert_eq!(heard.seq, n + 1);
    }
}

#[test]
fn who_reads_slowly_is_told_what_was_left_out_and_goes_on() {
    let server = ServerProcess::with_config(FAST);
    let mut reader = server.log_in("reader");
    let mut writer = server.log_in("writer");
    let mut sleeper = server.log_in("sleeper");
    for _ in 0..2 {
        assert!(matches!(reader.event(), Body::UserJoined(_)));
    }
    say_more_than_fits(&mut writer, &mut reader);
    let mut next = 1;
    loop {
        match sleeper.event() {
            Body::Message(heard) => assert_eq!(heard.seq, next),
            Body::MessagesSkipped(_) => break,
            other => panic!("{other:?}"),
        }
        next += 1;
    }
    assert!(next <= MORE_THAN_FITS, "nothing was left out");
    while next <= MORE_THAN_FITS {
        let conversation = Some(Conversation::lobby().to_wire());
        let wanted = wire::ReadHistory { conversation, after_seq: next - 1, ..Default::default() };
        let Body::HistoryPage(page) = sleeper.ask(Ask::ReadHistory(wanted)) else { panic!() };
        for message in page.messages {
            assert_eq!(message.seq, next);
            next += 1;
        }
    }
    writer.say("#lobby", "awake?");
    assert!(matches!(sleeper.event(), Body::Message(it) if it.text == "awake?"));
    assert!(matches!(reader.event(), Body::Message(it) if it.text == "awake?"));
    let (_, log, _) = server.terminate();
    assert!(log.contains("lagging: 1") && !log.contains("TooSlow"), "{log}");
}

#[test]
fn who_takes_no_byte_is_let_go_while_others_go_on() {
    let config = format!("{}\n{FAST}\nstall_seconds = 1", metrics::SOCKET);
    let server = ServerProcess::with_config(&config);
    let mut reader = server.log_in("reader");
    let mut writer = server.log_in("writer");
    let mut sleeper = server.log_in("sleeper");
    for _ in 0..2 {
        assert!(matches!(reader.event(), Body::UserJoined(_)));
    }
    say_more_than_fits(&mut writer, &mut reader);
    wait_until("the sleeper is let go", || {
        metrics::ask(&server, metrics::GET).1.contains("GOODBYE_REASON_TOO_SLOW\"} 1\n")
    });
    let heard = sleeper.read_to_end();
    assert!((heard.len() as u64) < MORE_THAN_FITS, "the sleeper got everything");
    let (_, log, _) = server.terminate();
    assert!(log.contains("TooSlow: 1"), "{log}");
}

#[test]
fn a_flood_is_slowed_down_and_does_not_delay_others() {
    let slow = "[limits]\nmessages_burst = 10\nmessages_per_second = 1";
    let server = ServerProcess::with_config(slow);
    let mut flooder = server.log_in("flooder");
    let mut ann = server.log_in("ann");
    assert!(matches!(flooder.event(), Body::UserJoined(_)));
    for n in 0..200_u8 {
        flooder.send(message("#lobby", "spam", [n; 16]));
    }
    assert!(matches!(ann.say("flooder", "stop it"), Body::MessageAccepted(_)));
    let answers: Vec<Body> = (0..201).map(|_| flooder.receive().body.unwrap()).collect();
    let accepted = answers.iter().filter(|it| matches!(it, Body::MessageAccepted(_))).count();
    let slowed = answers.iter().filter(|it| {
        matches!(it, Body::Refused(refused) if refused.code() == RefusalCode::SlowDown && refused.time_ms > 0)
    });
    let slowed = slowed.count();
    // How many more than the burst pass depends on how long it all takes.
    assert!(accepted >= 10, "{accepted}");
    assert!(slowed > 0, "{slowed}");
    assert_eq!(accepted + slowed, 200);
}

#[test]
fn who_writes_is_seen_by_who_is_there_and_not_by_who_comes_back() {
    let server = ServerProcess::start();
    let mut ann = server.log_in("ann");
    let mut bob = server.greet();
    let token = bob.log_in("bob").resume_token;
    let typing = |to: Conversation| Ask::Typing(wire::Typing { conversation: Some(to.to_wire()) });
    ann.send(typing(Conversation::lobby()));
    ann.send(typing(Conversation::User("Bob".into())));
    let heard = |to: Conversation| {
        Body::UserTyping(wire::UserTyping { conversation: Some(to.to_wire()), name: "ann".into() })
    };
    let private = heard(Conversation::User("ann".into()));
    assert_eq!([bob.event(), bob.event()], [heard(Conversation::lobby()), private]);
    bob.close();
    ann.send(typing(Conversation::User("bob".into())));
    assert!(matches!(ann.say("bob", "there?"), Body::MessageAccepted(_)));
    let mut bob = server.greet();
    assert!(logged_in(bob.resume("bob", &token)).resumed);
    let heard = bob.events();
    assert!(
        matches!(&heard[..], [Body::Message(message)] if message.text == "there?"),
        "{heard:?}"
    );
}

#[test]
fn who_is_away_is_listed_so_and_still_after_a_lost_connection() {
    let server = ServerProcess::start();
    let mut ann = server.greet();
    let token = ann.log_in("ann").resume_token;
    let mut bob = server.log_in("bob");
    let is_away = Body::AwayChanged(wire::AwayChanged { name: "ann".into(), away: true });
    assert_eq!(ann.ask(Ask::SetAway(wire::SetAway { away: true })), Body::Done(wire::Done {}));
    assert_eq!(bob.event(), is_away);
    ann.close();
    let mut ann = server.greet();
    assert!(logged_in(ann.resume("ann", &token)).resumed);
    let list = Ask::ListOnline(wire::ListOnline::default());
    let Body::OnlinePage(page) = bob.ask(list) else { panic!("no list") };
    assert_eq!((page.names, page.away), (vec!["ann".to_owned(), "bob".to_owned()], vec![0]));
    assert_eq!(ann.ask(Ask::SetAway(wire::SetAway { away: false })), Body::Done(wire::Done {}));
    let is_back = Body::AwayChanged(wire::AwayChanged { name: "ann".into(), away: false });
    assert_eq!(bob.event(), is_back);
}

#[test]
fn sigterm_says_goodbye_to_everybody_and_exits_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = ServerProcess::start();
        let mut ann = server.log_in("ann");
        let mut stranger = server.greet();
        server.signal(signal);
        for client in [&mut ann, &mut stranger] {
            let last_words = client.read_to_end();
            assert!(matches!(
                &last_words[..],
                [Body::Goodbye(it)] if it.reason() == GoodbyeReason::Shutdown && it.retry_after_ms > 0
            ));
        }
        drop((ann, stranger));
        let (status, log, _) = server.wait();
        assert!(status.success(), "{status}: {log}");
    }
}
