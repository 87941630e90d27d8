//! People come, talk in public and in private, and go.

use common::conversation::Conversation;
use common::wire::server_frame::Body;
use common::wire::{LeaveReason, Message, UserJoined, UserLeft};

use crate::support::{ServerProcess, refusal};

fn joined(name: &str) -> Body {
    Body::UserJoined(UserJoined { name: name.into() })
}

fn left(name: &str, reason: LeaveReason) -> Body {
    Body::UserLeft(UserLeft { name: name.into(), reason: reason.into() })
}

#[track_caller]
fn text_of(body: Body) -> (Conversation, u64, String, String) {
    let Body::Message(Message { conversation, seq, from, text, .. }) = body else {
        panic!("no message: {body:?}");
    };
    (Conversation::from_wire(conversation.unwrap()).unwrap(), seq, from, text)
}

#[test]
fn a_public_message_reaches_everybody_but_its_sender() {
    let server = ServerProcess::start();
    let mut ann = server.log_in("ann");
    let mut bob = server.log_in("bob");
    assert_eq!(ann.event(), joined("bob"));
    let Body::MessageAccepted(accepted) = ann.say("#lobby", "hello") else { panic!() };
    assert_eq!(accepted.seq, 1);
    let expected = (Conversation::lobby(), 1, "ann".to_owned(), "hello".to_owned());
    assert_eq!(text_of(bob.event()), expected);
    assert_eq!(ann.events(), []);
}

#[test]
fn a_private_message_reaches_its_receiver_alone() {
    let server = ServerProcess::start();
    let mut ann = server.log_in("ann");
    let mut bob = server.log_in("bob");
    let mut eve = server.log_in("eve");
    let Body::MessageAccepted(accepted) = ann.say("bob", "psst") else { panic!() };
    assert_eq!(
        Conversation::from_wire(accepted.conversation.unwrap()).unwrap().to_string(),
        "@bob"
    );
    let heard = bob.events();
    let message = heard.iter().find(|body| matches!(body, Body::Message(_))).unwrap();
    let expected = (Conversation::User("ann".into()), 1, "ann".to_owned(), "psst".to_owned());
    assert_eq!(text_of(message.clone()), expected);
    assert_eq!(eve.events(), []);
}

#[test]
fn a_message_to_nobody_is_refused_with_the_name() {
    let server = ServerProcess::start();
    let mut ann = server.log_in("ann");
    let Body::Refused(refused) = ann.say("bob", "psst") else { panic!() };
    assert_eq!(
        (refused.code(), refused.subject.as_str()),
        (common::wire::RefusalCode::UnknownUser, "bob")
    );
    assert_eq!(refusal(&ann.say("#cellar", "psst")), common::wire::RefusalCode::UnknownRoom);
}

#[test]
fn who_logs_out_is_told_and_so_is_everybody_else() {
    let server = ServerProcess::start();
    let mut ann = server.log_in("ann");
    let mut bob = server.log_in("bob");
    assert_eq!(ann.event(), joined("bob"));
    bob.send(common::wire::client_frame::Body::LogOut(common::wire::LogOut {}));
    assert!(matches!(bob.read_to_end().as_slice(), [Body::LoggedOut(_)]));
    assert_eq!(ann.event(), left("bob", LeaveReason::LoggedOut));
    server.log_in("bob");
    assert_eq!(ann.event(), joined("bob"));
}
