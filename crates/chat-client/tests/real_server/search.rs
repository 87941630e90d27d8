//! Messages are found by their words, by those who may read them.

use crate::support::{Person, Server};

/// `conversation text` of each, oldest first.
#[track_caller]
fn found(person: &Person, server: &Server, words: &[&str]) -> Vec<String> {
    let words = [&["--json", "search"], words].concat();
    let done = person.run(&server.link, &words);
    done.check(0, &[]);
    let spell = |message: &serde_json::Value| {
        assert_eq!(message["event"], "message");
        let field = |name: &str| message[name].as_str().unwrap().to_owned();
        format!("{} {}", field("conversation"), field("text"))
    };
    done.events().iter().map(spell).collect()
}

#[test]
fn messages_are_found_by_their_words_also_after_a_restart_and_without_the_index() {
    let mut server = Server::start_with("[limits]\nmessages_burst = 1000");
    let (ann, bob) = (Person::new("ann"), Person::new("bob"));
    let lines: String = (1..=250).map(|n| format!("Zeile {n} über den Kühlschrank\n")).collect();
    bob.run_with_input(&server.link, &["send", "-"], &lines).check(0, &[]);
    let line = |n: u32| format!("#lobby Zeile {n} über den Kühlschrank");
    assert_eq!(found(&ann, &server, &["KUHL zeile", "--limit", "2"]), [line(249), line(250)]);
    let all: Vec<String> = (1..=250).map(line).collect();
    assert_eq!(found(&ann, &server, &["schrank", "--all"]), all);
    assert_eq!(found(&ann, &server, &["Kühlschrank", "--limit", "230"]), all[20..]);
    server.kill();
    server.lose_search_index();
    server.start_again();
    assert_eq!(found(&ann, &server, &["zeile 17"]), [line(17)]);
    ann.run(&server.link, &["search", "Kuhschrank"]).check(0, &["No message"]);
    ann.run(&server.link, &["search", "?!"]).check(3, &["no word"]);
    ann.run(&server.link, &["search", &"long ".repeat(60)]).check(3, &["too long", "256"]);
    assert_eq!(found(&ann, &server, &["\"zeile OR who:*"]), [""; 0]);
}

#[test]
fn private_messages_are_found_by_the_two_people_and_not_by_the_next_of_their_names() {
    let server = Server::start();
    let (ann, bob, other_bob) = (Person::new("ann"), Person::new("bob"), Person::new("bob"));
    let listener = bob.listen(&server.link);
    ann.run(&server.link, &["send", "--to", "bob", "the vault is open"]).check(0, &[]);
    ann.run(&server.link, &["send", "a vault"]).check(0, &[]);
    listener.skip_to("message");
    assert_eq!(listener.interrupt(), Some(130));
    assert_eq!(found(&ann, &server, &["vault"]), ["@bob the vault is open", "#lobby a vault"]);
    assert_eq!(found(&bob, &server, &["vault"]), ["@ann the vault is open", "#lobby a vault"]);
    assert_eq!(found(&other_bob, &server, &["vault"]), ["#lobby a vault"]);
    assert_eq!(found(&Person::new("eve"), &server, &["open"]), [""; 0]);
}
