//! Keeping order on the real program: each decision by what it does, not by its answer, and over a restart.

use common::wire::administer::Command;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, GoodbyeReason, RefusalCode};

use crate::support::{Client, ServerProcess, logged_in, refusal};

fn say(client: &mut Client) -> Body {
    client.say("#lobby", "hi")
}

/// The goodbye that comes next but for what others do, and the end of the connection behind it.
#[track_caller]
fn goodbye(client: &mut Client) -> wire::Goodbye {
    loop {
        match client.event() {
            Body::Goodbye(goodbye) => {
                assert!(client.try_receive().is_none());
                return goodbye;
            }
            Body::UserJoined(_) | Body::UserLeft(_) | Body::Message(_) | Body::Notice(_) => {}
            other => panic!("no goodbye: {other:?}"),
        }
    }
}

#[test]
fn who_is_kicked_is_gone_and_may_come_back() {
    let server = ServerProcess::start();
    let mut eve = server.log_in("eve");
    server.order(&["kick", "EVE", "--reason", "too loud"]);
    let goodbye = goodbye(&mut eve);
    assert_eq!((goodbye.reason(), goodbye.text.as_str()), (GoodbyeReason::Kicked, "too loud"));
    server.log_in("eve");
}

#[test]
fn who_is_banned_stays_out_over_a_restart_until_it_is_lifted() {
    let server = ServerProcess::start();
    let mut eve = server.log_in("eve");
    server.order(&["ban", "eve", "--for", "1h", "--reason", "spam"]);
    assert_eq!(goodbye(&mut eve).reason(), GoodbyeReason::Banned);
    let server = server.kill_and_restart("");
    let Body::Refused(refused) = server.greet().try_log_in("Eve") else { panic!("came in") };
    assert_eq!((refused.code(), refused.subject.as_str()), (RefusalCode::Banned, "spam"));
    assert!(refused.time_ms > 0);
    assert!(server.order(&["sanctions"]).starts_with("banned eve until "));
    server.order(&["unban", "eve"]);
    let server = server.kill_and_restart("");
    logged_in(server.greet().try_log_in("eve"));
    assert_eq!(server.order(&["sanctions"]), "");
}

#[test]
fn a_banned_address_is_let_in_under_no_name() {
    let server = ServerProcess::start();
    let mut eve = server.log_in("eve");
    server.order(&["ban", "127.0.0.0/8"]);
    assert_eq!(goodbye(&mut eve).reason(), GoodbyeReason::Banned);
    assert_eq!(refusal(&server.greet().try_log_in("zoe")), RefusalCode::Banned);
    server.order(&["unban", "127.0.0.0/8"]);
    logged_in(server.greet().try_log_in("zoe"));
}

#[test]
fn who_is_muted_reads_and_does_not_write_over_a_restart() {
    let server = ServerProcess::start();
    server.order(&["mute", "eve", "--for", "1h"]);
    let server = server.kill_and_restart("");
    let (mut eve, mut bob) = (server.log_in("eve"), server.log_in("bob"));
    assert_eq!(refusal(&say(&mut eve)), RefusalCode::Muted);
    assert!(matches!(say(&mut bob), Body::MessageAccepted(_)));
    while !matches!(eve.event(), Body::Message(_)) {}
    server.order(&["unmute", "eve"]);
    assert!(matches!(say(&mut eve), Body::MessageAccepted(_)));
}

#[test]
fn an_announcement_reaches_everybody_and_is_remembered() {
    let server = ServerProcess::start();
    let (mut ann, mut bob) = (server.log_in("ann"), server.log_in("bob"));
    server.order(&["announce", "Tea is ready"]);
    for client in [&mut ann, &mut bob] {
        loop {
            if let Body::Notice(notice) = client.event() {
                assert_eq!(notice.text, "Tea is ready");
                break;
            }
        }
    }
    let audit = server.kill_and_restart("").order(&["audit"]);
    assert!(audit.ends_with("the operator: announced: Tea is ready\n"), "{audit}");
}

#[test]
fn the_log_output_holds_no_words_of_people() {
    let server = ServerProcess::start();
    server.log_in("eve");
    server.order(&["announce", "a secret party"]);
    server.order(&["ban", "eve", "--reason", "a secret reason"]);
    let (_, log, _) = server.terminate();
    assert!(log.contains("announce") && log.contains("ban") && !log.contains("secret"), "{log}");
}

#[test]
fn a_moderator_keeps_order_in_the_chat_and_leaves_a_trace() {
    let server = ServerProcess::start();
    let told = server.order(&["user", "add", "ann", "--role", "moderator"]);
    let password = told.trim_end().rsplit_once(' ').unwrap().1.to_owned();
    let mut ann = server.greet();
    logged_in(ann.ask(Ask::LogIn(wire::LogIn {
        name: "ann".into(),
        password,
        ..Default::default()
    })));
    let mut eve = server.log_in("eve");
    let order = |command| Ask::Administer(wire::Administer { command: Some(command) });
    let kick =
        |name: &str| order(Command::Kick(wire::Kick { name: name.into(), ..Default::default() }));
    assert_eq!(refusal(&eve.ask(kick("ann"))), RefusalCode::NotAllowed);
    assert!(matches!(ann.ask(kick("eve")), Body::Done(_)));
    assert_eq!(goodbye(&mut eve).reason(), GoodbyeReason::Kicked);
    assert_eq!(refusal(&ann.ask(kick("eve"))), RefusalCode::UnknownUser);
    let audit = order(Command::ReadAudit(wire::ReadAudit::default()));
    assert_eq!(refusal(&ann.ask(audit)), RefusalCode::NotAllowed);
    assert!(server.order(&["audit"]).ends_with("ann: sent eve away\n"));
}
