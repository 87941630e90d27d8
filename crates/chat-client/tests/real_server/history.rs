//! What was said before, and while one was away.

use serde_json::Value;

use crate::support::{Person, Server};

#[track_caller]
fn history(person: &Person, server: &Server, words: &[&str]) -> Vec<(u64, String)> {
    let words = [&["--json", "history"], words].concat();
    let done = person.run(&server.link, &words);
    done.check(0, &[]);
    done.events().iter().map(seq_and_text).collect()
}

fn seq_and_text(message: &Value) -> (u64, String) {
    assert_eq!(message["event"], "message");
    (message["seq"].as_u64().unwrap(), message["text"].as_str().unwrap().to_owned())
}

fn said(seqs: std::ops::RangeInclusive<u64>) -> Vec<(u64, String)> {
    seqs.map(|seq| (seq, format!("message {seq}"))).collect()
}

#[test]
fn what_was_said_is_read_again_after_a_restart() {
    let mut server = Server::start_with("[limits]\nmessages_burst = 1000");
    let bob = Person::new("bob");
    let lines: String = (1..=250).map(|n| format!("message {n}\n")).collect();
    bob.run_with_input(&server.link, &["send", "-"], &lines).check(0, &[]);
    server.kill();
    server.start_again();
    let ann = Person::new("ann");
    assert_eq!(history(&ann, &server, &["#lobby", "--limit", "3"]), said(248..=250));
    assert_eq!(history(&ann, &server, &["#lobby", "--limit", "220"]), said(31..=250));
    assert_eq!(history(&ann, &server, &["#lobby", "--all"]), said(1..=250));
    assert_eq!(history(&ann, &server, &["#lobby"]).len(), 50);
    ann.run(&server.link, &["history", "#cellar"]).check(4, &["no room"]);
}

#[test]
fn private_messages_are_read_by_the_same_person_and_not_by_the_next_of_that_name() {
    let server = Server::start();
    let (ann, bob, other_bob) = (Person::new("ann"), Person::new("bob"), Person::new("bob"));
    let listener = bob.listen(&server.link);
    ann.run(&server.link, &["send", "--to", "bob", "psst"]).check(0, &[]);
    assert_eq!(listener.skip_to("message")["text"], "psst");
    assert_eq!(listener.interrupt(), Some(130));
    let psst = [(1, "psst".to_owned())];
    assert_eq!(history(&bob, &server, &["@ann"]), psst);
    assert_eq!(history(&ann, &server, &["bob"]), psst);
    assert_eq!(history(&other_bob, &server, &["@ann"]), []);
}

#[test]
fn what_was_missed_comes_in_order_and_once() {
    let mut server = Server::start();
    let (ann, bob) = (Person::new("ann"), Person::new("bob"));
    let listener = ann.listen(&server.link);
    bob.run(&server.link, &["send", "message 1"]).check(0, &[]);
    assert_eq!(seq_and_text(&listener.skip_to("message")), said(1..=1)[0]);
    // Whether a message comes before ann is back or after, she gets it once.
    for seq in 2..=4 {
        server.kill();
        listener.skip_to("disconnected");
        server.start_again();
        bob.run(&server.link, &["send", &format!("message {seq}")]).check(0, &[]);
        assert_eq!(seq_and_text(&listener.skip_to("message")), said(seq..=seq)[0]);
    }
    bob.run(&server.link, &["send", "message 5"]).check(0, &[]);
    assert_eq!(seq_and_text(&listener.skip_to("message")), said(5..=5)[0]);
}
