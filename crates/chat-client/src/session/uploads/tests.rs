//! Questions and answers of uploads, over connections that break.

use super::*;

use common::wire::RefusalCode;

const ID: UploadId = UploadId(1);
const VERSION: FileVersion = FileVersion { size: 5, modified_ns: 7 };

/// Uploads with one that runs, on a connection.
fn running() -> Uploads {
    let mut uploads = Uploads::default();
    uploads.logged_in(false);
    uploads.add(ID, "/home/ann/a".into(), "in/a".into(), TransportChoice::Tcp);
    assert!(matches!(
        uploads.poll_output(),
        Some(UploadOutput::Start { id: ID, transport: TransportChoice::Tcp, .. })
    ));
    uploads
}

fn begin() -> UploadReport {
    UploadReport::Asks(Ask::Begin { attempt: [3; 16], version: VERSION })
}

fn ticket() -> Answer {
    Answer::Ticket(Box::new(wire::UploadTicket { upload_id: 9, ..Default::default() }))
}

/// One that has its ticket.
fn with_ticket() -> Uploads {
    let mut uploads = running();
    uploads.handle_report(ID, begin());
    assert!(requested(&mut uploads).is_some());
    uploads.handle_reply(ID, ticket()).unwrap();
    assert!(matches!(answered(&mut uploads), Some(Answer::Ticket(_))));
    uploads
}

#[track_caller]
fn requested(uploads: &mut Uploads) -> Option<client_frame::Body> {
    match uploads.poll_output()? {
        UploadOutput::Request { id: ID, body } => Some(body),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn answered(uploads: &mut Uploads) -> Option<Answer> {
    match uploads.poll_output()? {
        UploadOutput::Answer { id: ID, answer } => Some(answer),
        other => panic!("{other:?}"),
    }
}

fn refused(code: RefusalCode) -> Refusal {
    Refusal(wire::Refused { code: code.into(), ..Default::default() })
}

#[test]
fn a_question_becomes_a_request() {
    let mut uploads = running();
    uploads.handle_report(ID, begin());
    let expected = wire::RequestUpload {
        attempt: vec![3; 16].into(),
        path: "in/a".into(),
        size: 5,
        modified_ns: 7,
    };
    assert_eq!(requested(&mut uploads), Some(client_frame::Body::RequestUpload(expected)));
    assert!(uploads.poll_output().is_none());
}

#[test]
fn what_was_not_answered_is_asked_again_after_a_lost_connection() {
    let mut uploads = with_ticket();
    uploads.handle_report(ID, UploadReport::Asks(Ask::Sent { root: [1; 32] }));
    let first = requested(&mut uploads);
    uploads.connection_lost();
    uploads.logged_in(true);
    let again = requested(&mut uploads);
    assert!(first.is_some() && first == again, "{again:?}");
    uploads.handle_reply(ID, Answer::Stored { path: "in/a".into(), root: [1; 32] }).unwrap();
    assert!(matches!(answered(&mut uploads), Some(Answer::Stored { .. })));
}

#[test]
fn a_question_without_a_connection_waits() {
    let mut uploads = running();
    uploads.connection_lost();
    uploads.handle_report(ID, begin());
    assert!(uploads.poll_output().is_none());
    uploads.logged_in(false);
    assert!(requested(&mut uploads).is_some());
}

#[test]
fn an_upload_that_the_server_forgot_begins_again() {
    let mut uploads = with_ticket();
    uploads.connection_lost();
    uploads.handle_report(ID, UploadReport::Asks(Ask::Sent { root: [1; 32] }));
    uploads.logged_in(false);
    match requested(&mut uploads) {
        Some(client_frame::Body::UploadSent(sent)) => assert_eq!(sent.upload_id, 0),
        other => panic!("{other:?}"),
    }
    uploads.handle_refusal(ID, refused(RefusalCode::UnknownUpload));
    assert!(matches!(answered(&mut uploads), Some(Answer::Verdict(Verdict::Incomplete))));
}

#[test]
fn a_refusal_ends_it_and_says_why() {
    let mut uploads = running();
    uploads.handle_report(ID, begin());
    assert!(requested(&mut uploads).is_some());
    uploads.handle_refusal(ID, refused(RefusalCode::UploadsOff));
    assert!(matches!(answered(&mut uploads), Some(Answer::Declined)));
    uploads.handle_report(ID, UploadReport::Failed(Arc::new(Failure::Declined)));
    match uploads.poll_output() {
        Some(UploadOutput::Tell {
            change: UploadChange::Failed(UploadFailure::Refused(refusal)),
            ..
        }) => assert_eq!(refusal.0.code(), RefusalCode::UploadsOff),
        other => panic!("{other:?}"),
    }
    assert!(!uploads.any_running());
}

#[test]
fn a_cancelled_upload_leaves_nothing_on_the_server_and_a_log_out_does() {
    let mut uploads = with_ticket();
    uploads.stop_all();
    assert!(matches!(uploads.poll_output(), Some(UploadOutput::Stop { id: ID })));
    assert!(uploads.poll_output().is_none());
    uploads.cancel(ID);
    match uploads.poll_output() {
        Some(UploadOutput::Abandon(abandoned)) => assert_eq!(abandoned.upload_id, 9),
        other => panic!("{other:?}"),
    }
    assert!(matches!(uploads.poll_output(), Some(UploadOutput::Stop { id: ID })));
}

#[track_caller]
fn abandoned(uploads: &mut Uploads) -> (u64, bool) {
    match uploads.poll_output() {
        Some(UploadOutput::Abandon(it)) => (it.upload_id, it.keep),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_cancelled_while_the_connection_is_lost_is_said_until_the_server_knows() {
    let mut uploads = with_ticket();
    uploads.connection_lost();
    uploads.cancel(ID);
    assert!(matches!(uploads.poll_output(), Some(UploadOutput::Stop { id: ID })));
    for _ in 0..2 {
        uploads.logged_in(true);
        assert_eq!(abandoned(&mut uploads), (9, false));
        uploads.connection_lost();
    }
    uploads.logged_in(true);
    assert_eq!(abandoned(&mut uploads), (9, false));
    uploads.handle_abandoned(9);
    uploads.connection_lost();
    uploads.logged_in(true);
    assert!(uploads.poll_output().is_none());
}

#[test]
fn another_login_knows_nothing_of_what_was_given_up() {
    let mut uploads = with_ticket();
    uploads.connection_lost();
    uploads.cancel(ID);
    assert!(matches!(uploads.poll_output(), Some(UploadOutput::Stop { id: ID })));
    uploads.logged_in(false);
    assert!(uploads.poll_output().is_none());
}

#[test]
fn an_upload_that_fails_gives_its_place_back_and_keeps_what_there_is() {
    let mut uploads = with_ticket();
    uploads.handle_report(ID, UploadReport::Failed(Arc::new(Failure::Busy)));
    assert_eq!(abandoned(&mut uploads), (9, true));
    assert!(matches!(uploads.poll_output(), Some(UploadOutput::Tell { .. })));
}

/// An upload that waits for leave and is stopped by the session, or cancelled; the leave comes after it.
fn leave_comes_too_late(stop: impl FnOnce(&mut Uploads)) -> (u64, bool) {
    let mut uploads = running();
    uploads.handle_report(ID, begin());
    assert!(requested(&mut uploads).is_some());
    stop(&mut uploads);
    assert!(matches!(uploads.poll_output(), Some(UploadOutput::Stop { id: ID })));
    uploads.handle_report(ID, UploadReport::Failed(Arc::new(Failure::Cancelled)));
    assert!(matches!(uploads.poll_output(), Some(UploadOutput::Tell { .. })));
    let ticket = wire::UploadTicket { upload_id: 9, ..Default::default() };
    uploads.handle_reply(ID, Answer::Ticket(Box::new(ticket))).unwrap();
    abandoned(&mut uploads)
}

#[test]
fn leave_that_comes_too_late_is_given_back_and_only_a_cancelled_upload_leaves_nothing() {
    assert_eq!(leave_comes_too_late(Uploads::stop_all), (9, true));
    assert_eq!(leave_comes_too_late(|uploads| uploads.cancel(ID)), (9, false));
}

#[test]
fn a_disk_that_fails_at_the_very_end_is_asked_again_in_the_same_attempt() {
    let mut uploads = with_ticket();
    uploads.handle_report(ID, UploadReport::Asks(Ask::Sent { root: [1; 32] }));
    assert!(requested(&mut uploads).is_some());
    uploads.handle_refusal(ID, refused(RefusalCode::ServerDiskFailed));
    let answer = answered(&mut uploads);
    assert!(matches!(answer, Some(Answer::Verdict(Verdict::DiskFailed))), "{answer:?}");
}

#[test]
fn one_that_lost_its_place_on_the_way_waits_for_another_one() {
    let mut uploads = with_ticket();
    uploads.handle_report(ID, begin());
    assert!(requested(&mut uploads).is_some());
    uploads.handle_refusal(ID, refused(RefusalCode::TooManyUploads));
    assert!(matches!(answered(&mut uploads), Some(Answer::Later)));
    let mut uploads = running();
    uploads.handle_report(ID, begin());
    assert!(requested(&mut uploads).is_some());
    uploads.handle_refusal(ID, refused(RefusalCode::TooManyUploads));
    assert!(matches!(answered(&mut uploads), Some(Answer::Declined)));
}

#[test]
fn who_asked_too_often_asks_later() {
    let mut uploads = running();
    uploads.handle_report(ID, begin());
    assert!(requested(&mut uploads).is_some());
    uploads.handle_refusal(ID, refused(RefusalCode::SlowDown));
    assert!(matches!(answered(&mut uploads), Some(Answer::Later)));
    uploads.handle_report(ID, begin());
    assert!(requested(&mut uploads).is_some());
}

fn queued(position: u32) -> wire::UploadQueued {
    wire::UploadQueued { upload_id: 9, position, attempt: vec![3; 16].into() }
}

#[track_caller]
fn position(uploads: &mut Uploads) -> u32 {
    match uploads.poll_output() {
        Some(UploadOutput::Tell { id: ID, change: UploadChange::Queued { position } }) => position,
        other => panic!("{other:?}"),
    }
}

/// One that was told its place in the server's line.
fn in_line() -> Uploads {
    let mut uploads = running();
    uploads.handle_report(ID, begin());
    assert!(requested(&mut uploads).is_some());
    uploads.handle_queued(&queued(2));
    assert_eq!(position(&mut uploads), 2);
    uploads
}

#[test]
fn one_that_waits_for_a_place_is_told_where_until_its_answer_comes() {
    let mut uploads = in_line();
    uploads.handle_report(ID, UploadReport::Progress(UploadProgress::default()));
    assert!(uploads.poll_output().is_none(), "it waits, whatever else there is to tell");
    uploads.handle_queued(&queued(1));
    assert_eq!(position(&mut uploads), 1);
    uploads.handle_reply(ID, ticket()).unwrap();
    assert!(matches!(answered(&mut uploads), Some(Answer::Ticket(_))));
    uploads.handle_report(ID, UploadReport::Progress(UploadProgress::default()));
    assert!(matches!(uploads.poll_output(), Some(UploadOutput::Tell { .. })));
}

#[test]
fn one_that_waits_asks_again_after_a_lost_connection() {
    for resumed in [true, false] {
        let mut uploads = in_line();
        uploads.connection_lost();
        uploads.logged_in(resumed);
        let again = requested(&mut uploads);
        assert!(matches!(again, Some(client_frame::Body::RequestUpload(_))), "{again:?}");
        uploads.handle_queued(&queued(1));
        assert_eq!(position(&mut uploads), 1);
    }
}

#[test]
fn one_that_is_cancelled_in_line_gives_the_waiting_up() {
    let mut uploads = in_line();
    uploads.cancel(ID);
    assert_eq!(abandoned(&mut uploads), (9, false));
    assert!(matches!(uploads.poll_output(), Some(UploadOutput::Stop { id: ID })));
    // The server's word for the question that nobody waits for.
    uploads.handle_refusal(ID, refused(RefusalCode::UnknownUpload));
    uploads.handle_report(ID, UploadReport::Failed(Arc::new(Failure::Cancelled)));
    while let Some(output) = uploads.poll_output() {
        let is_end = matches!(output, UploadOutput::Answer { .. } | UploadOutput::Tell { .. });
        assert!(is_end, "{output:?}");
    }
    assert!(!uploads.any_running());
}

#[test]
fn a_place_in_line_for_nobody_is_given_back_once() {
    let mut uploads = running();
    for _ in 0..2 {
        uploads.handle_queued(&queued(1));
    }
    assert_eq!(abandoned(&mut uploads), (9, true));
    assert!(uploads.poll_output().is_none());
}

#[test]
fn a_ticket_for_nobody_is_given_back() {
    let mut uploads = Uploads::default();
    uploads.logged_in(false);
    uploads.handle_reply(ID, ticket()).unwrap();
    assert!(matches!(uploads.poll_output(), Some(UploadOutput::Abandon(it)) if it.upload_id == 9));
}

#[test]
fn an_answer_to_another_question_is_an_offence() {
    let mut uploads = with_ticket();
    assert!(uploads.handle_reply(ID, ticket()).is_err(), "nothing was asked");
    uploads.handle_report(ID, UploadReport::Asks(Ask::Sent { root: [1; 32] }));
    assert!(uploads.handle_reply(ID, ticket()).is_err());
}

#[test]
fn a_file_that_changed_is_told_once_a_time() {
    let mut uploads = with_ticket();
    let progress = |restarts| {
        UploadReport::Progress(UploadProgress {
            size: 5,
            bytes: 1,
            restarts,
            ..UploadProgress::default()
        })
    };
    [0, 1, 1].into_iter().for_each(|restarts| uploads.handle_report(ID, progress(restarts)));
    let mut told = Vec::new();
    while let Some(UploadOutput::Tell { change, .. }) = uploads.poll_output() {
        told.push(matches!(change, UploadChange::FileChanged));
    }
    assert_eq!(told, [false, true, false, false]);
}

#[test]
fn one_that_is_checked_stays_so_until_something_else_is_to_be_told() {
    let mut uploads = with_ticket();
    let steps = [(true, false), (true, false), (true, true), (true, false), (false, false)];
    for (verifying, server_disk_full) in steps {
        let progress =
            UploadProgress { size: 5, bytes: 5, verifying, server_disk_full, ..Default::default() };
        uploads.handle_report(ID, UploadReport::Progress(progress));
    }
    let mut told = Vec::new();
    while let Some(UploadOutput::Tell { change, .. }) = uploads.poll_output() {
        told.push(match change {
            UploadChange::Progress { server_disk_full: true, .. } => "full",
            UploadChange::Progress { .. } => "at 5",
            UploadChange::Verifying => "checked",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(told, ["at 5", "checked", "full", "at 5", "checked", "at 5"]);
}
