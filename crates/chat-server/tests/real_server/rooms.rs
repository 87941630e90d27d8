//! Rooms on the real program: who gets and finds what, and what is left of it after a restart.

use common::conversation::Conversation;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, RefusalCode};

use crate::support::{Client, ServerProcess, logged_in, refusal};

#[track_caller]
fn create(client: &mut Client, name: &str, is_private: bool) {
    let create = wire::CreateRoom { name: name.into(), is_private, ..Default::default() };
    let answer = client.ask(Ask::CreateRoom(create));
    assert!(matches!(answer, Body::RoomJoined(_)), "{answer:?}");
}

fn add(client: &mut Client, room: &str, name: &str) -> Body {
    let (room, name) = (room.to_owned(), name.to_owned());
    client.ask(Ask::AddToRoom(wire::AddToRoom { room, name, is_moderator: false }))
}

#[track_caller]
fn accepted(answer: &Body) -> u64 {
    let Body::MessageAccepted(accepted) = answer else { panic!("not accepted: {answer:?}") };
    accepted.seq
}

/// The texts of a conversation, or why they cannot be read.
fn history(client: &mut Client, room: &str) -> Result<Vec<String>, RefusalCode> {
    let wanted = wire::ReadHistory {
        conversation: Some(Conversation::Room(room.into()).to_wire()),
        ..Default::default()
    };
    match client.ask(Ask::ReadHistory(wanted)) {
        Body::HistoryPage(page) => Ok(page.messages.into_iter().map(|it| it.text).collect()),
        other => Err(refusal(&other)),
    }
}

fn found(client: &mut Client, text: &str) -> usize {
    loop {
        let search = wire::SearchMessages { text: text.into(), before: 0, limit: 0 };
        match client.ask(Ask::SearchMessages(search)) {
            Body::SearchPage(page) => return page.messages.len(),
            // It has still to learn the latest messages.
            other => assert_eq!(refusal(&other), RefusalCode::SlowDown),
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// The conversations of somebody, each with its last number.
fn conversations(client: &mut Client) -> Vec<(String, u64)> {
    let list = wire::ListConversations { after: 0 };
    let Body::ConversationPage(page) = client.ask(Ask::ListConversations(list)) else {
        panic!("no list")
    };
    let spell = |it: wire::ConversationEntry| {
        (Conversation::from_wire(it.conversation.unwrap()).unwrap().to_string(), it.last_seq)
    };
    page.conversations.into_iter().map(spell).collect()
}

#[test]
fn a_private_room_is_there_for_its_members_alone_and_after_a_restart() {
    let server = ServerProcess::start();
    let (mut ann, mut bob, mut eve) = (server.greet(), server.greet(), server.log_in("eve"));
    let (ann_in, bob_in) = (ann.log_in("ann"), bob.log_in("bob"));
    create(&mut ann, "Attic", true);
    assert_eq!(accepted(&ann.say("#attic", "behind the chimney")), 1);
    assert_eq!(refusal(&eve.say("#attic", "hi")), RefusalCode::UnknownRoom);
    assert_eq!(history(&mut eve, "attic"), Err(RefusalCode::UnknownRoom));
    assert_eq!(found(&mut eve, "chimney"), 0);
    assert!(matches!(add(&mut ann, "attic", "bob"), Body::Done(_)));
    let joined = bob.events().into_iter().find_map(|it| match it {
        Body::RoomJoined(joined) => Some(joined),
        _ => None,
    });
    assert_eq!(joined.map(|it| it.last_seq), Some(1));
    assert_eq!(accepted(&bob.say("#ATTIC", "found it")), 2);
    let heard = ann.events();
    assert!(heard.iter().any(|it| matches!(it, Body::Message(it) if it.text == "found it")));
    assert!(!eve.events().iter().any(|it| matches!(it, Body::Message(_))));

    let server = server.kill_and_restart("");
    let (mut ann, mut bob, mut eve) = (server.greet(), server.greet(), server.log_in("eve"));
    logged_in(ann.resume("ann", &ann_in.resume_token));
    logged_in(bob.resume("bob", &bob_in.resume_token));
    assert_eq!(history(&mut bob, "attic").unwrap(), ["behind the chimney", "found it"]);
    assert_eq!(found(&mut bob, "chimney"), 1);
    assert_eq!(conversations(&mut bob), [("#Attic".to_owned(), 2)]);
    assert_eq!((conversations(&mut eve).len(), found(&mut eve, "chimney")), (0, 0));
    assert_eq!(accepted(&ann.say("#attic", "again")), 3);

    // Whoever takes a member's name is not in the room.
    drop(bob);
    let out = wire::RemoveFromRoom { room: "attic".into(), name: "bob".into() };
    assert!(matches!(ann.ask(Ask::RemoveFromRoom(out)), Body::Done(_)));
    let server = server.kill_and_restart("");
    let mut bob = server.greet();
    logged_in(bob.resume("bob", &bob_in.resume_token));
    assert_eq!(history(&mut bob, "attic"), Err(RefusalCode::UnknownRoom));
    assert_eq!((conversations(&mut bob).len(), found(&mut bob, "chimney")), (0, 0));
}

#[test]
fn a_room_that_takes_the_name_of_one_that_ended_shows_nothing_of_it() {
    let server = ServerProcess::start();
    let (mut ann, mut eve) = (server.log_in("ann"), server.log_in("eve"));
    create(&mut ann, "attic", false);
    accepted(&ann.say("#attic", "old secrets"));
    let leave = wire::LeaveRoom { name: "attic".into() };
    assert!(matches!(ann.ask(Ask::LeaveRoom(leave)), Body::Done(_)));
    create(&mut eve, "Attic", false);
    assert_eq!(history(&mut eve, "attic").unwrap(), Vec::<String>::new());
    assert_eq!(accepted(&eve.say("#attic", "new")), 1);
    let server = server.kill_and_restart("");
    let mut zoe = server.log_in("zoe");
    assert_eq!(history(&mut zoe, "attic").unwrap(), ["new"]);
    assert_eq!(found(&mut zoe, "secrets"), 0);
}
