//! Bytes and texts that are odd and do nothing: cut short, nested, unprintable.

use common::user_name::UserName;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{ClientFrame, RefusalCode};
use prost::Message;

use crate::support::{Client, ServerProcess, message, refusal};

/// Sends a body as one frame; false: the connection is over.
fn is_answered(client: &mut Client, body: &[u8]) -> bool {
    let frame = [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat();
    client.send_bytes(&frame);
    client.try_receive().is_some_and(|it| !matches!(it.body, Some(Body::Goodbye(_))))
}

#[test]
fn a_body_that_ends_anywhere_is_answered_or_ends_the_connection() {
    let server = ServerProcess::start();
    let sound = ClientFrame { request_id: 5, body: Some(message("bob", "hi", [1; 16])) };
    let sound = sound.encode_to_vec();
    let mut client = server.log_in("ann");
    for end in 1..sound.len() {
        if !is_answered(&mut client, &sound[..end]) {
            client = server.log_in(&format!("ann{end}"));
        }
    }
    assert_eq!(client.events(), []);
}

#[test]
fn fields_nested_without_end_are_malformed() {
    let server = ServerProcess::start();
    let mut client = server.log_in("ann");
    // A hundred thousand groups (field 1000, which nobody knows), each within the one before.
    let nested = [0xc3, 0x3e].repeat(100_000);
    client.send_bytes(&[&200_000_u32.to_be_bytes()[..], &nested].concat());
    assert_eq!(refusal(&client.event()), RefusalCode::Malformed);
    assert_eq!(client.events(), []);
}

#[test]
fn an_ssl_2_hello_ends_its_connection_alone() {
    use std::io::{Read, Write};
    let server = ServerProcess::start();
    let address = (server.link.server.host.as_str(), server.link.server.port);
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    // CLIENT-HELLO, version 2.0, one cipher, a challenge of 16 bytes.
    let hello = [0x80, 0x1c, 1, 0, 2, 0, 3, 0, 0, 0, 16, 1, 0, 0x80];
    stream.write_all(&[&hello[..], &[7; 16]].concat()).unwrap();
    let mut answer = Vec::new();
    // A reset is a close as well.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    server.log_in("ann");
    let (_, log, _) = server.terminate();
    assert!(log.lines().count() < 10, "{log}");
}

/// Nothing is done to a text: what it may do to who sees it is up to who shows it.
#[test]
fn a_text_is_delivered_and_stored_as_it_was_written() {
    let server = ServerProcess::with_config("[limits]\nmessages_burst = 1000\n");
    let (mut ann, mut bob) = (server.log_in("ann"), server.log_in("bob"));
    ann.events();
    let texts = [
        "a".to_owned() + &"\n".repeat(16 * 1024 - 1),
        "<b>&amp;</b> javascript:alert(1) file:///etc/passwd".to_owned(),
        "\u{202e}txt.exe\u{2066}\u{200b}\u{e0041} z\u{351}\u{352}\u{353}\u{354}".to_owned(),
        "* eve joined\u{1b}[2J\r\n2026 INFO joined name=root".to_owned(),
        "\0".to_owned(),
    ];
    for text in &texts {
        let answer = ann.say("#lobby", text);
        assert!(matches!(answer, Body::MessageAccepted(_)), "{answer:?}");
        let Body::Message(heard) = bob.event() else { panic!("no message") };
        assert_eq!(&heard.text, text);
    }
    let lobby = Some(common::conversation::Conversation::lobby().to_wire());
    let wanted = common::wire::ReadHistory { conversation: lobby, ..Default::default() };
    let Body::HistoryPage(page) = bob.ask(Ask::ReadHistory(wanted)) else { panic!("no history") };
    let stored: Vec<&String> = page.messages.iter().map(|message| &message.text).collect();
    assert_eq!(stored, texts.iter().collect::<Vec<_>>());
    let (_, log, _) = server.terminate();
    assert!(!log.contains("eve joined") && !log.contains('\u{1b}'), "{log}");
}

#[test]
fn a_long_text_and_a_long_name_are_refused_with_what_is_allowed() {
    let server = ServerProcess::start();
    let mut ann = server.log_in("ann");
    let Body::Refused(refused) = ann.say("#lobby", &"x".repeat(200_000)) else { panic!() };
    assert_eq!((refused.code(), refused.allowed), (RefusalCode::TextTooLong, 16 * 1024));
    let long = "x".repeat(10_000);
    assert!(UserName::parse(&long).is_err());
    assert_eq!(refusal(&server.greet().try_log_in(&long)), RefusalCode::NameMalformed);
    // Nobody is like that, and nobody is answered with all of it.
    assert_eq!(refusal(&ann.say(&long, "hi")), RefusalCode::UnknownUser);
}
