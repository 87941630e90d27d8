//! Who is writing.

use super::*;

fn types(name: &str) -> Say {
    let conversation = Some(Conversation::lobby().to_wire());
    Say::UserTyping(wire::UserTyping { conversation, name: name.into() })
}

#[test]
fn keys_are_told_every_few_seconds_and_nobody_waits_for_an_answer() {
    let mut bench = Bench::logged_in();
    let typing = || Command::Typing { to: Conversation::lobby() };
    bench.command(typing());
    bench.command(typing());
    let (id, body) = bench.sent();
    assert!(matches!(body, Ask::Typing(_)), "{body:?}");
    assert!(bench.frames.is_empty(), "{:?}", bench.frames);
    // A refusal is for nobody.
    bench.refuse(id, RefusalCode::Muted);
    bench.check_events(&[]);
    bench.wait(3.0);
    bench.command(typing());
    assert!(matches!(bench.sent().1, Ask::Typing(_)));
    bench.broken();
    bench.command(typing());
    assert!(bench.frames.is_empty(), "{:?}", bench.frames);
}

#[test]
fn who_writes_is_told_until_the_message_is_there() {
    let mut bench = Bench::logged_in();
    bench.tell(types("amy"));
    bench.tell(types("eve"));
    let conversation = Some(Conversation::lobby().to_wire());
    let message = wire::Message { conversation, seq: 1, from: "amy".into(), ..Default::default() };
    bench.tell(Say::Message(message));
    bench.check_events(&["#lobby: amy type", "#lobby: amy,eve type", "#lobby: eve type", "amy: "]);
    bench.wait(10.0);
    bench.check_events(&["#lobby:  type"]);
}

#[test]
fn nobody_writes_on_a_broken_connection() {
    let mut bench = Bench::logged_in();
    bench.tell(types("amy"));
    bench.forget_events();
    bench.broken();
    bench.check_events(&["#lobby:  type", "disconnected"]);
}

#[test]
fn who_is_away_is_so_after_each_login() {
    let mut bench = Bench::logged_in();
    bench.command(Command::SetAway { is_away: true });
    let (id, body) = bench.sent();
    assert_eq!(body, Ask::SetAway(wire::SetAway { away: true }));
    bench.frame(id, Say::Done(wire::Done {}));
    // Said a moment later, and as it is then.
    bench.command(Command::SetAway { is_away: false });
    bench.command(Command::SetAway { is_away: true });
    bench.command(Command::SetAway { is_away: false });
    assert!(bench.frames.is_empty(), "{:?}", bench.frames);
    bench.wait(1.0);
    assert_eq!(bench.sent().1, Ask::SetAway(wire::SetAway { away: false }));
}
