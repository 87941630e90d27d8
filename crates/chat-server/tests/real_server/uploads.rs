//! Uploads over the chat: places, and the line of those who wait for one.

use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, RefusalCode, UploadQueued, UploadTicket};

use crate::support::{Client, ServerProcess, refusal};

const ON: &str = "[uploads]\nenabled = true\n";

/// Asks to upload five bytes; the number of the request.
fn ask(client: &mut Client, attempt: u8) -> u64 {
    client.send(Ask::RequestUpload(wire::RequestUpload {
        attempt: vec![attempt; 16].into(),
        path: format!("file {attempt}"),
        size: 5,
        modified_ns: 1,
    }))
}

#[track_caller]
fn ticket(client: &mut Client, request: u64) -> UploadTicket {
    match client.answer_to(request) {
        Body::UploadTicket(ticket) => ticket,
        other => panic!("no ticket: {other:?}"),
    }
}

#[track_caller]
fn queued(client: &mut Client) -> UploadQueued {
    match client.event() {
        Body::UploadQueued(queued) => queued,
        other => panic!("not in line: {other:?}"),
    }
}

#[test]
fn the_fifth_upload_of_a_user_waits_until_one_is_over() {
    let server = ServerProcess::with_config(ON);
    let mut ann = server.log_in("ann");
    let mut tickets = Vec::new();
    for attempt in 1..=4 {
        let request = ask(&mut ann, attempt);
        tickets.push(ticket(&mut ann, request));
    }
    let (fifth, sixth) = (ask(&mut ann, 5), ask(&mut ann, 6));
    let (waiting, behind) = (queued(&mut ann), queued(&mut ann));
    assert_eq!((waiting.position, waiting.attempt.as_ref()), (1, &[5; 16][..]));
    assert_eq!((behind.position, behind.attempt.as_ref()), (2, &[6; 16][..]));
    // The next one gives up.
    let give_up = wire::AbandonUpload { upload_id: behind.upload_id, keep: false };
    let given_up = ann.send(Ask::AbandonUpload(give_up));
    assert_eq!(refusal(&ann.answer_to(sixth)), RefusalCode::UnknownUpload);
    assert!(matches!(ann.answer_to(given_up), Body::UploadAbandoned(_)));

    let over = wire::AbandonUpload { upload_id: tickets[0].upload_id, keep: true };
    let over = ann.send(Ask::AbandonUpload(over));
    assert!(matches!(ann.answer_to(over), Body::UploadAbandoned(_)));
    assert_eq!(ticket(&mut ann, fifth).upload_id, waiting.upload_id);
}

#[test]
fn a_line_that_is_full_takes_no_upload_more() {
    let limits = "[limits]\ndownloads_per_user = 1\ndownloads_waiting_per_user = 1\n";
    let server = ServerProcess::with_config(&format!("{ON}\n{limits}"));
    let mut ann = server.log_in("ann");
    let first = ask(&mut ann, 1);
    ticket(&mut ann, first);
    ask(&mut ann, 2);
    assert_eq!(queued(&mut ann).position, 1);
    let third = ask(&mut ann, 3);
    let Body::Refused(refused) = ann.answer_to(third) else { panic!("a place") };
    assert_eq!((refused.code(), refused.allowed), (RefusalCode::TooManyUploads, 1));
}
