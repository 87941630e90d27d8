//! Messages: each is accepted or refused once.

use super::*;

#[test]
fn an_unanswered_message_is_sent_again_under_its_id_and_accepted_once() {
    let mut bench = Bench::logged_in();
    bench.say(1, "one");
    assert_eq!(bench.texts(), ["one"]);
    bench.broken();
    bench.say(2, "two");
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    let (id, _) = bench.sent();
    let resume_token = vec![2; 32].into();
    let name = "bob".into();
    bench.frame(
        id,
        Say::LoggedIn(wire::LoggedIn { name, resume_token, resumed: true, ..Default::default() }),
    );
    bench.answer_lists();
    bench.events.clear();
    let sent = bench.messages();
    let texts: Vec<&str> = sent.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["one", "two"]);
    for (seq, (id, _)) in sent.into_iter().enumerate() {
        let accepted = wire::MessageAccepted { seq: seq as u64 + 5, ..Default::default() };
        bench.frame(id, Say::MessageAccepted(accepted));
    }
    bench.check_events(&["accepted 1 as 5", "accepted 2 as 6"]);
}

#[test]
fn messages_written_before_the_login_go_out_after_it() {
    let mut bench = Bench::new();
    bench.say(1, "early");
    bench.connect();
    bench.command(Command::LogIn { name: "bob".into(), password: None });
    bench.connected();
    bench.greet();
    bench.welcome(false);
    assert_eq!(bench.texts(), ["early"]);
}

#[test]
fn slow_down_is_obeyed_and_nothing_is_lost() {
    let mut bench = Bench::logged_in();
    bench.say(1, "one");
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::SlowDown);
    bench.wait(0.4);
    assert_eq!(bench.texts(), Vec::<String>::new());
    bench.wait(0.2);
    assert_eq!(bench.texts(), ["one"]);
    bench.check_events(&[]);
}

#[test]
fn a_refused_message_is_told_and_not_sent_again() {
    let mut bench = Bench::logged_in();
    bench.say(1, "hello?");
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::UnknownUser);
    bench.check_events(&["message 1 UnknownUser"]);
    bench.wait(5.0);
    assert_eq!(bench.frames, []);
}

#[test]
fn a_text_that_no_frame_holds_never_reaches_the_wire() {
    let mut bench = Bench::logged_in();
    bench.say(1, &"x".repeat(300_000));
    bench.check_events(&["message 1 TextTooLong"]);
    assert_eq!(bench.frames, []);
}

#[test]
fn messages_beyond_what_is_kept_are_refused() {
    let mut bench = Bench::new();
    for _ in 0..256 {
        bench.say(1, "x");
    }
    bench.check_events(&[]);
    bench.say(2, "x");
    bench.check_events(&["message 2 SlowDown"]);
}
