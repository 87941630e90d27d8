//! Logging in, talking in public and in private, and who is online.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use crate::support::{Person, Server};

#[test]
fn a_public_message_reaches_everybody() {
    let server = Server::start();
    let (ann, carol, bob) = (Person::new("ann"), Person::new("carol"), Person::new("bob"));
    let ann = ann.listen(&server.link);
    let carol = carol.listen(&server.link);
    let sent = bob.run(&server.link, &["--json", "send", "hello everybody"]);
    sent.check(0, &[]);
    let accepted = &sent.events()[0];
    assert_eq!(accepted["event"], "accepted");
    assert_eq!(accepted["conversation"], "#lobby");
    for listener in [&ann, &carol] {
        let message = listener.skip_to("message");
        assert_eq!(message["conversation"], "#lobby");
        assert_eq!(message["from"], "bob");
        assert_eq!(message["text"], "hello everybody");
        assert_eq!(message["seq"], accepted["seq"]);
        assert!(message["at"].as_i64().unwrap() > 1_600_000_000_000, "{message}");
    }
}

#[test]
fn a_private_message_reaches_one_person_only() {
    let server = Server::start();
    let (ann, carol, bob) = (Person::new("ann"), Person::new("carol"), Person::new("bob"));
    let ann = ann.listen(&server.link);
    let carol = carol.listen(&server.link);
    let sent = bob.run(&server.link, &["--json", "send", "--to", "ann", "psst"]);
    sent.check(0, &[]);
    assert_eq!(sent.events()[0]["conversation"], "@ann");
    bob.run(&server.link, &["send", "for all"]).check(0, &[]);
    let message = ann.skip_to("message");
    assert_eq!((&message["conversation"], &message["text"]), (&"@bob".into(), &"psst".into()));
    assert_eq!(carol.skip_to("message")["text"], "for all");
}

#[test]
fn who_reads_slowly_gets_everything_once_and_stays() {
    const MESSAGES: u64 = 2000;
    let server = Server::start_with(
        "[limits]\nmessages_burst = 1000000\nping_seconds = 3600\ndead_seconds = 7200",
    );
    let (ann, bob) = (Person::new("ann"), Person::new("bob"));
    let listener = ann.listen(&server.link);
    listener.sleep();
    // More than the server holds for one, and both systems for their sockets.
    let padding = "x".repeat(15_000);
    let lines: String = (1..=MESSAGES).map(|n| format!("{n} {padding}\n")).collect();
    bob.run_with_input(&server.link, &["send", "-"], &lines).check(0, &[]);
    listener.go_on();
    let mut next = 1;
    while next <= MESSAGES {
        let event: Value = serde_json::from_str(&listener.line()).unwrap();
        match event["event"].as_str() {
            Some("message") => assert_eq!(event["seq"], next),
            Some("joined" | "left") => continue,
            _ => panic!("the connection did not stay: {event}"),
        }
        next += 1;
    }
    assert_eq!(listener.interrupt(), Some(130));
}

#[test]
fn a_message_to_nobody_is_answered_so() {
    let server = Server::start();
    let bob = Person::new("bob");
    bob.run(&server.link, &["send", "--to", "nobody", "hi"]).check(4, &["no user “nobody”"]);
    bob.run(&server.link, &["send", "--to", "#nowhere", "hi"]).check(4, &["no room “nowhere”"]);
}

#[test]
fn a_taken_name_is_refused_and_free_after_the_log_out() {
    let server = Server::start();
    let ann = Person::new("ann").listen(&server.link);
    Person::new("ann").run(&server.link, &["online"]).check(3, &["taken", "another name"]);
    Person::new("АNN").run(&server.link, &["online"]).check(3, &["another name"]);
    assert_eq!(ann.interrupt(), Some(130));
    Person::new("ann").run(&server.link, &["online"]).check(0, &["ann"]);
}

#[test]
fn names_that_are_none_are_refused_with_the_reason() {
    let server = Server::start();
    Person::new("admin").run(&server.link, &["online"]).check(3, &["reserved"]);
    Person::new("a\u{200b}b").run(&server.link, &["online"]).check(3, &["invisible"]);
    Person::new("").run(&server.link, &["online"]).check(3, &["empty"]);
}

#[test]
fn listening_tells_who_comes_and_goes() {
    let server = Server::start();
    let ann = Person::new("ann");
    let ann = ann.listen(&server.link);
    Person::new("bob").run(&server.link, &["online"]).check(0, &[]);
    assert_eq!(ann.expect("joined")["name"], "bob");
    assert_eq!(ann.expect("left")["name"], "bob");
}

#[test]
fn everybody_online_is_listed_ourselves_included() {
    let server = Server::start();
    let people = [Person::new("ann"), Person::new("carol")];
    let _listening = people.each_ref().map(|person| person.listen(&server.link));
    let bob = Person::new("bob");
    let online = bob.run(&server.link, &["online"]);
    assert_eq!(online.stdout, "ann\nbob\ncarol\n");
    let events = bob.run(&server.link, &["online", "--json"]).events();
    assert!(events.iter().all(|event| event["event"] == "user"));
    assert_eq!(events[2]["name"], "carol");
}

#[test]
fn who_listens_from_afar_is_away_and_nobody_who_comes_back_under_the_name_is() {
    let server = Server::start();
    let bob = Person::new("bob");
    let listening = bob.listen(&server.link);
    let ann = Person::new("ann");
    let away = ann.start(&server.link, &["--json", "listen", "--away"]);
    assert_eq!(listening.expect("joined")["name"], "ann");
    assert_eq!(listening.expect("away")["name"], "ann");
    let carol = Person::new("carol");
    assert_eq!(carol.run(&server.link, &["online"]).stdout, "ann  away\nbob\ncarol\n");
    let events = carol.run(&server.link, &["online", "--json"]).events();
    assert_eq!([&events[0]["away"], &events[1]["away"]], [true, false]);
    for event in ["joined", "left", "joined", "left"] {
        assert_eq!(listening.expect(event)["name"], "carol");
    }
    // Another program goes on with the session.
    away.kill();
    ann.run(&server.link, &["send", "here again"]).check(0, &[]);
    assert_eq!(listening.expect("back")["name"], "ann");
}

#[test]
fn lines_of_the_input_are_messages_in_order_beyond_what_the_server_takes_at_once() {
    let server = Server::start();
    let ann = Person::new("ann");
    let ann = ann.listen(&server.link);
    let lines: String = (0..13).map(|number| format!("line {number}\n\n")).collect();
    let sent = Person::new("bob").run_with_input(&server.link, &["send", "--json", "-"], &lines);
    sent.check(0, &[]);
    assert_eq!(sent.events().len(), 13);
    for number in 0..13 {
        assert_eq!(ann.skip_to("message")["text"], format!("line {number}"));
    }
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    let server = Server::start();
    let long = "x".repeat(16 * 1024 + 1);
    let bob = Person::new("bob");
    bob.run(&server.link, &["send", &long]).check(3, &["too long", "16384"]);
    bob.run(&server.link, &["send", &long[1..]]).check(0, &[]);
    bob.run(&server.link, &["send", ""]).check(3, &["empty"]);
}

#[test]
fn what_others_write_does_nothing_to_the_terminal() {
    let server = Server::start();
    let ann = Person::new("ann");
    let ann = ann.start(&server.link, &["listen"]);
    assert!(ann.line().starts_with("* Connected"));
    let text = "red \x1b[31m and\n* eve joined";
    Person::new("bob").run(&server.link, &["send", "--to", "ann", text]).check(0, &[]);
    assert_eq!(ann.line(), "* bob joined");
    assert_eq!(ann.line(), "bob (private): red \\u{1b}[31m and");
    assert_eq!(ann.line(), "    | * eve joined");
    assert_eq!(ann.line(), "* bob left");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let server = Server::start();
    let ann = Person::new("ann");
    let mut child = ann.spawn(&server.link, &["listen"]);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("* Connected"), "{line}");
    drop(stdout);
    Person::new("bob").run(&server.link, &["send", "anybody there?"]).check(0, &[]);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
