//! Who is online and which files there are.

use super::*;

#[test]
fn pages_are_read_to_the_end_and_changes_on_the_way_are_in_the_list() {
    let mut bench = Bench::new();
    bench.connect();
    bench.command(Command::LogIn { name: "bob".into(), password: None });
    bench.connected();
    bench.greet();
    let (id, _) = bench.sent();
    let resume_token = vec![1; 32].into();
    let name = "bob".into();
    bench.frame(
        id,
        Say::LoggedIn(wire::LoggedIn { name, resume_token, resumed: false, ..Default::default() }),
    );
    bench.events.clear();

    let (id, _) = bench.sent();
    let names = vec!["amy".into(), "bob".into()];
    bench.frame(id, Say::OnlinePage(wire::OnlinePage { names, more: true, away: vec![] }));
    bench.tell(Say::UserJoined(wire::UserJoined { name: "abe".into() }));
    bench.tell(Say::UserLeft(wire::UserLeft { name: "amy".into(), reason: 1 }));
    bench.check_events(&[]);
    bench.frames.remove(0);
    bench.answer_history();
    let (id, body) = bench.sent();
    assert_eq!(body, Ask::ListOnline(wire::ListOnline { after: "bob".into() }));
    let names = vec!["eve".into()];
    bench.frame(id, Say::OnlinePage(wire::OnlinePage { names, more: false, away: vec![0] }));
    bench.check_events(&["online abe,bob,eve (away)"]);
    let amy = wire::AwayChanged { name: "amy".into(), away: true };
    bench.tell(Say::AwayChanged(amy));
    bench.tell(Say::AwayChanged(wire::AwayChanged { name: "eve".into(), away: false }));
    bench.check_events(&["eve is back"]);
}

#[test]
fn changes_are_told_while_they_happen() {
    let mut bench = Bench::logged_in();
    let file = Some(wire::FileEntry { path: "a/b".into(), size: 1, modified_ms: 2 });
    bench.tell(Say::UserJoined(wire::UserJoined { name: "eve".into() }));
    bench.tell(Say::UserLeft(wire::UserLeft { name: "eve".into(), reason: 2 }));
    bench.tell(Say::FileChanged(wire::FileChanged { file }));
    bench.tell(Say::FileRemoved(wire::FileRemoved { path: "a/b".into() }));
    bench.tell(Say::Notice(wire::Notice { text: "hi".into() }));
    bench.check_events(&["joined eve", "left eve true", "file a/b", "no file a/b", "notice hi"]);
}
