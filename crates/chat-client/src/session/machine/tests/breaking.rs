//! Connections that break, and servers that go away.

use super::*;

#[test]
fn a_lost_connection_is_made_again_within_a_second_and_taken_over() {
    let mut bench = Bench::logged_in();
    bench.broken();
    bench.wait(1.0);
    bench.check_events(&["disconnected", "connecting 1"]);
    bench.check_deeds(&["hang up", "dial true"]);
    bench.connected();
    bench.greet();
    assert_eq!(bench.welcome(true), Some(1));
    bench.check_events(&["logged in bob true", "online bob", "files "]);
    bench.check_deeds(&["remember", "keep bob 2"]);
}

#[test]
fn attempts_become_rarer_but_never_stop() {
    let mut bench = Bench::logged_in();
    bench.broken();
    for attempt in 1..20 {
        bench.forget();
        bench.wait(30.0);
        bench.check_events(&[&format!("connecting {attempt}")]);
        let error = SessionError::TimedOut { address: String::new() };
        bench.machine.handle_dial_error(bench.now, DialError::Failed(error));
        bench.collect();
        let due = bench.machine.poll_timeout().unwrap() - bench.now;
        assert!(due <= Duration::from_secs(30), "{due:?}");
    }
}

#[test]
fn a_server_that_goes_away_names_the_time_of_return() {
    let mut bench = Bench::logged_in();
    let reason = GoodbyeReason::Shutdown.into();
    bench.tell(Say::Goodbye(wire::Goodbye { reason, retry_after_ms: 4000, ..Default::default() }));
    bench.check_events(&["disconnected"]);
    bench.wait(3.9);
    bench.check_events(&[]);
    bench.wait(2.1);
    bench.check_events(&["connecting 1"]);
}

#[test]
fn a_client_that_was_let_go_for_the_network_comes_back_whatever_time_is_named() {
    for reason in [GoodbyeReason::Idle, GoodbyeReason::TooSlow] {
        for retry_after_ms in [0, 1000] {
            let mut bench = Bench::logged_in();
            let reason = reason.into();
            bench.tell(Say::Goodbye(wire::Goodbye {
                reason,
                retry_after_ms,
                ..Default::default()
            }));
            bench.wait(3.0);
            bench.check_events(&["disconnected", "connecting 1"]);
        }
    }
}

#[test]
fn who_finds_no_place_among_too_many_newcomers_comes_back_ever_later() {
    let mut bench = Bench::logged_in();
    bench.broken();
    let mut waits = Vec::new();
    for _ in 0..8 {
        bench.wait(31.0);
        bench.connected();
        bench.forget();
        let reason = GoodbyeReason::Idle.into();
        bench.tell(Say::Goodbye(wire::Goodbye {
            reason,
            retry_after_ms: 1000,
            ..Default::default()
        }));
        bench.check_events(&["disconnected"]);
        waits.push(bench.machine.poll_timeout().unwrap() - bench.now);
    }
    assert!(waits.iter().all(|wait| *wait >= Duration::from_secs(1)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > Duration::from_secs(8)), "{waits:?}");
    bench.wait(31.0);
    bench.connected();
    bench.greet();
    bench.welcome(false);
    assert!(bench.events.contains(&"logged in bob false".to_owned()), "{:?}", bench.events);
}

#[test]
fn a_server_that_does_not_want_us_back_is_left_alone() {
    let mut bench = Bench::logged_in();
    let reason = GoodbyeReason::ProtocolError.into();
    bench.tell(Say::Goodbye(wire::Goodbye { reason, retry_after_ms: 0, ..Default::default() }));
    bench.check_events(&["ended: the server closed the connection"]);
    assert_eq!(bench.machine.poll_timeout(), None);
}

#[test]
fn a_session_that_was_taken_over_does_not_fight_for_its_name() {
    let mut bench = Bench::logged_in();
    let reason = GoodbyeReason::TakenOver.into();
    bench.tell(Say::Goodbye(wire::Goodbye { reason, retry_after_ms: 1000, ..Default::default() }));
    bench.check_events(&["ended: taken over"]);
}

#[test]
fn a_connect_while_waiting_means_now() {
    let mut bench = Bench::logged_in();
    bench.broken();
    bench.forget();
    bench.connect();
    bench.check_deeds(&["dial true"]);
}

#[test]
fn silence_is_asked_about_and_then_ends_the_connection() {
    let mut bench = Bench::logged_in();
    bench.wait(30.0);
    let (_, body) = bench.sent();
    assert!(matches!(body, Ask::Ping(_)), "{body:?}");
    bench.wait(46.0);
    bench.check_events(&["disconnected", "connecting 1"]);
}

#[test]
fn a_ping_is_answered_at_once() {
    let mut bench = Bench::logged_in();
    bench.tell(Say::Ping(wire::Ping { token: 77 }));
    let (_, body) = bench.sent();
    assert_eq!(body, Ask::Pong(wire::Pong { token: 77 }));
}

#[test]
fn a_full_server_is_asked_again_by_those_who_were_in() {
    let mut bench = Bench::logged_in();
    bench.broken();
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    let (id, _) = bench.sent();
    bench.forget();
    bench.refuse(id, RefusalCode::ServerFull);
    bench.check_events(&[]);
    bench.wait(4.0);
    assert_eq!(bench.welcome(false), Some(1));
    bench.check_events(&["logged in bob false", "online bob", "files "]);
}

#[test]
fn a_name_that_was_lost_meanwhile_is_told() {
    let mut bench = Bench::logged_in();
    bench.broken();
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    let (id, _) = bench.sent();
    bench.forget();
    bench.refuse(id, RefusalCode::NameTaken);
    bench.check_events(&["refused NameTaken"]);
    bench.command(Command::LogIn { name: "rob".into(), password: None });
    assert_eq!(bench.welcome(false), None);
}

#[test]
fn a_reply_to_nothing_breaks_the_connection() {
    let mut bench = Bench::logged_in();
    bench.frame(999, Say::LoggedOut(wire::LoggedOut {}));
    bench.check_events(&["disconnected"]);
    bench.check_deeds(&["hang up"]);
}

#[test]
fn a_frame_of_a_later_version_is_ignored() {
    let mut bench = Bench::logged_in();
    let frame = wire::ServerFrame { in_reply_to: 0, body: None };
    bench.machine.handle_frame(bench.now, frame);
    bench.collect();
    bench.check_events(&[]);
    bench.check_deeds(&[]);
}
