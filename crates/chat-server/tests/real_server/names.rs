//! Who gets which name, and who does not.

use std::sync::Barrier;

use common::wire::server_frame::Body;
use common::wire::{self, NameProblem, RefusalCode};

use crate::support::{Client, ServerProcess, refusal};

#[track_caller]
fn check_malformed(client: &mut Client, name: &str, problem: NameProblem) {
    let Body::Refused(refused) = client.try_log_in(name) else { panic!("{name:?} came in") };
    assert_eq!((refused.code(), refused.name_problem()), (RefusalCode::NameMalformed, problem));
}

#[test]
fn a_name_that_is_none_is_refused_with_the_reason_and_another_may_follow() {
    let server = ServerProcess::start();
    let mut client = server.greet();
    check_malformed(&mut client, "", NameProblem::Empty);
    check_malformed(&mut client, &"x".repeat(10_000), NameProblem::TooLong);
    check_malformed(&mut client, " ann", NameProblem::Blanks);
    check_malformed(&mut client, "ann\r\n", NameProblem::Control);
    check_malformed(&mut client, "an\0n", NameProblem::Control);
    check_malformed(&mut client, "an\u{1b}[31mn", NameProblem::Control);
    check_malformed(&mut client, "an\u{202e}n", NameProblem::Invisible);
    check_malformed(&mut client, &format!("a{}", "\u{301}".repeat(15)), NameProblem::Marks);
    check_malformed(&mut client, "#lobby", NameProblem::Prefix);
    assert_eq!(client.log_in("ann").name, "ann");
}

#[test]
fn a_name_that_is_no_utf8_is_malformed() {
    let server = ServerProcess::start();
    let mut client = server.greet();
    let log_in = wire::LogIn { name: "bob".into(), ..Default::default() };
    let body = Some(wire::client_frame::Body::LogIn(log_in));
    let frame = common::framing::encode(&wire::ClientFrame { request_id: 9, body }).unwrap();
    let mut frame = frame.to_vec();
    let at = frame.windows(3).position(|three| three == b"bob").unwrap();
    frame[at] = 0xff;
    client.send_bytes(&frame);
    assert_eq!(refusal(&client.answer_to(9)), RefusalCode::Malformed);
    client.log_in("bob");
}

#[test]
fn reserved_names_and_their_look_alikes_stay_the_servers() {
    let server = ServerProcess::start();
    let mut client = server.greet();
    for name in ["server", "Admin", "r00t", "sуstem", "EVERYONE", "ｈｅｒｅ"] {
        assert_eq!(refusal(&client.try_log_in(name)), RefusalCode::NameReserved, "{name}");
    }
}

#[test]
fn a_taken_name_and_its_look_alikes_are_refused() {
    let server = ServerProcess::start();
    let _bob = server.log_in("bob");
    let mut client = server.greet();
    assert_eq!(refusal(&client.try_log_in("bob")), RefusalCode::NameTaken);
    assert_eq!(refusal(&client.try_log_in("BOB")), RefusalCode::NameTaken);
    let Body::Refused(refused) = client.try_log_in("b0b") else { panic!("came in") };
    assert_eq!((refused.code(), refused.subject.as_str()), (RefusalCode::NameTooSimilar, "bob"));
    client.log_in("ann");
}

#[test]
fn of_two_who_want_one_name_at_once_one_gets_it() {
    let server = ServerProcess::start();
    for round in 0..20 {
        let name = format!("twin{}", "x".repeat(round));
        let barrier = Barrier::new(2);
        let attempt = || {
            let mut client = server.greet();
            barrier.wait();
            let answer = client.try_log_in(&name);
            (client, answer)
        };
        let answers = std::thread::scope(|scope| {
            let twins = [scope.spawn(attempt), scope.spawn(attempt)];
            twins.map(|twin| twin.join().unwrap())
        });
        let winners = answers.iter().filter(|(_, it)| matches!(it, Body::LoggedIn(_))).count();
        let losers = answers.iter().filter(|(_, it)| {
            matches!(it, Body::Refused(refused) if refused.code() == RefusalCode::NameTaken)
        });
        assert_eq!((winners, losers.count()), (1, 1));
    }
}

#[test]
fn a_banned_name_is_told_until_when() {
    let server = ServerProcess::with_config(
        "[[ban]]\nname = \"mallory\"\nuntil = 2100-01-01T00:00:00Z\n[[ban]]\nname = \"eve\"",
    );
    let mut client = server.greet();
    let Body::Refused(refused) = client.try_log_in("Mallory") else { panic!("came in") };
    assert_eq!((refused.code(), refused.time_ms), (RefusalCode::Banned, 4_102_444_800_000));
    let Body::Refused(refused) = client.try_log_in("eve") else { panic!("came in") };
    assert_eq!((refused.code(), refused.time_ms), (RefusalCode::Banned, 0));
}

#[test]
fn names_are_paged_in_the_order_of_their_bytes() {
    let server = ServerProcess::start();
    let _others: Vec<Client> =
        ["zoe", "Ann", "bob"].iter().map(|name| server.log_in(name)).collect();
    let mut client = server.log_in("mia");
    let mut page = |after: &str| {
        let list = wire::ListOnline { after: after.into() };
        match client.ask(wire::client_frame::Body::ListOnline(list)) {
            Body::OnlinePage(page) => (page.names, page.more),
            other => panic!("no page: {other:?}"),
        }
    };
    assert_eq!(page(""), (["Ann", "bob", "mia", "zoe"].map(String::from).to_vec(), false));
    assert_eq!(page("bob"), (["mia", "zoe"].map(String::from).to_vec(), false));
    assert_eq!(page("zoe"), (vec![], false));
}
