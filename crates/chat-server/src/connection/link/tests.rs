//! What becomes of frames that wait for a client.

use super::*;
use common::wire;

fn frame(bytes: usize) -> Bytes {
    Bytes::from(vec![0; bytes])
}

#[test]
fn only_the_first_frame_of_a_batch_asks_for_a_wake() {
    let link = Link::new(100);
    assert_eq!(
        [40, 40].map(|n| link.push(frame(n), Kind::Passing)),
        [Pushed::First, Pushed::Further]
    );
}

fn spoken(in_reply_to: u64, body: Body) -> Bytes {
    common::framing::encode(&ServerFrame { in_reply_to, body: Some(body) }).unwrap()
}

fn notice(text: &str) -> Bytes {
    spoken(0, Body::Notice(wire::Notice { text: text.into() }))
}

fn reply() -> Bytes {
    spoken(7, Body::Pong(wire::Pong { token: 1 }))
}

fn goodbye() -> Bytes {
    spoken(0, Body::Goodbye(wire::Goodbye { reason: 3, retry_after_ms: 9, ..Default::default() }))
}

fn ping() -> Bytes {
    spoken(0, Body::Ping(wire::Ping { token: 1 }))
}

fn queued(link: &Link) -> Vec<Bytes> {
    link.lock().frames.clone()
}

#[test]
fn only_events_go_to_the_next_connection() {
    let link = Link::new(1000);
    for frame in [reply(), notice("a"), ping(), notice("b"), goodbye()] {
        link.push(frame, Kind::Passing);
    }
    assert_eq!(link.take_events(), [notice("a"), notice("b")]);
    assert_eq!(queued(&link), [reply(), ping(), goodbye()]);
}

#[test]
fn no_more_events_go_than_fit_beside_other_things_and_the_latest_do() {
    let link = Link::new(2 * notice("0").len() * 4);
    let notices: Vec<Bytes> = (0..8).map(|n| notice(&n.to_string())).collect();
    for frame in &notices {
        assert_ne!(link.push(frame.clone(), Kind::Passing), Pushed::Full);
    }
    assert_eq!(link.take_events(), notices[5..]);
}

#[test]
fn a_held_session_keeps_unread_events_and_its_old_connection_gets_the_rest() {
    let link = Link::new(1000);
    for frame in [notice("a"), reply(), goodbye()] {
        link.push(frame, Kind::Passing);
    }
    let held = link.split_off_held();
    assert_eq!(queued(&link), [reply(), goodbye()]);
    held.push(notice("b"), Kind::Passing);
    assert!(held.is_abandoned());
    assert_eq!(held.take_events(), [notice("a"), notice("b")]);
}

fn message(seq: u64) -> Bytes {
    let text = "as long as anything else here".into();
    spoken(0, Body::Message(wire::Message { seq, text, ..Default::default() }))
}

fn skipped() -> Bytes {
    spoken(0, Body::MessagesSkipped(MessagesSkipped {}))
}

#[test]
fn who_reads_slowly_misses_what_is_stored_and_nothing_else() {
    let bytes_max = message(1).len() * 2 + notice("a").len();
    let link = Link::new(bytes_max);
    let frames = [message(1), notice("a"), message(2), message(3), message(4), notice("b")];
    let pushed = frames.map(|frame| link.push(frame.clone(), Kind::of(&decode(&frame).unwrap())));
    use Pushed::{First, Further, Lagging};
    assert_eq!(pushed, [First, Further, Further, Lagging, Further, Further]);
    assert_eq!(queued(&link), [notice("a"), notice("b")]);
}

#[test]
fn something_else_takes_the_place_of_what_is_stored() {
    let link = Link::new(message(1).len() + notice("a").len());
    link.push(message(1), Kind::Stored);
    link.push(notice("a"), Kind::Passing);
    assert_eq!(link.push(notice("b"), Kind::Passing), Pushed::Lagging);
    assert_eq!(queued(&link), [notice("a"), notice("b")]);
}

#[tokio::test]
async fn who_has_read_all_else_is_told_to_read_what_was_left_out() {
    let link = Link::new(message(1).len() + notice("a").len());
    let mut batch = Vec::new();
    for frame in [notice("a"), message(1)] {
        link.push(frame.clone(), Kind::of(&decode(&frame).unwrap()));
    }
    assert!(link.next_batch(0, &mut batch).await);
    assert_eq!(link.push(message(2), Kind::Stored), Pushed::Lagging);
    let written = batch.drain(..).map(|frame| frame.len()).sum();
    assert!(link.next_batch(written, &mut batch).await);
    assert_eq!(batch, [skipped()]);
    // From there on everything comes again.
    assert_eq!(link.push(message(3), Kind::Stored), Pushed::First);
    batch.clear();
    assert!(link.next_batch(skipped().len(), &mut batch).await);
    assert_eq!(batch, [message(3)]);
}

#[test]
fn a_full_outbox_says_so_once_and_keeps_the_latest() {
    let link = Link::new(100);
    let pushed = [100, 1, 1].map(|n| link.push(frame(n), Kind::Passing));
    assert_eq!(pushed, [Pushed::First, Pushed::Full, Pushed::Further]);
    assert_eq!(queued(&link), [frame(1), frame(1)]);
}

#[test]
fn answers_make_room_for_the_last_word() {
    let link = Link::new(1000);
    for frame in [reply(), notice("a"), reply()] {
        link.push(frame, Kind::Passing);
    }
    link.drop_answers();
    assert_eq!(queued(&link), [notice("a")]);
}

#[test]
fn an_abandoned_outbox_keeps_the_latest() {
    let link = Link::new(100);
    link.abandon();
    for bytes in [60, 30, 10, 20] {
        assert_ne!(link.push(frame(bytes), Kind::Passing), Pushed::Full);
    }
    assert_eq!(queued(&link), [frame(10), frame(20)]);
}

#[tokio::test]
async fn what_is_being_written_counts_until_it_is_written() {
    let link = Link::new(100);
    let mut batch = Vec::new();
    link.push(frame(80), Kind::Passing);
    assert!(link.next_batch(0, &mut batch).await);
    assert_eq!(link.push(frame(20), Kind::Passing), Pushed::First);
    batch.clear();
    assert!(link.next_batch(80, &mut batch).await);
    assert_eq!(link.push(frame(80), Kind::Passing), Pushed::First);
    assert_eq!(link.push(frame(1), Kind::Passing), Pushed::Full);
}

#[tokio::test]
async fn what_was_queued_before_the_end_is_still_written() {
    let link = Link::new(100);
    link.push(frame(8), Kind::Passing);
    link.end();
    link.push(frame(9), Kind::Passing);
    let mut batch = Vec::new();
    assert!(link.next_batch(0, &mut batch).await);
    assert_eq!(batch.len(), 1);
    batch.clear();
    assert!(!link.next_batch(8, &mut batch).await);
    assert!(!link.ready_for_more(0).await);
}

fn typing() -> Bytes {
    let name = "bob".into();
    spoken(0, Body::UserTyping(wire::UserTyping { name, ..Default::default() }))
}

#[test]
fn what_is_fleeting_leaves_half_of_the_room_to_others() {
    let link = Link::new(2 * 2 * typing().len() + 1);
    let pushed = [(); 3].map(|()| link.push(typing(), Kind::of(&decode(&typing()).unwrap())));
    assert_eq!(pushed, [Pushed::First, Pushed::Further, Pushed::Further]);
    assert_eq!(queued(&link), [typing(), typing()]);
    // And goes first where others need it.
    link.push(notice("a"), Kind::Passing);
    link.push(notice("a"), Kind::Passing);
    assert_eq!(link.push(notice("b"), Kind::Passing), Pushed::Lagging);
    assert_eq!(queued(&link), [notice("a"), notice("a"), notice("b")]);
    assert_eq!(link.push(typing(), Kind::Fleeting), Pushed::Further);
    assert_eq!(queued(&link).len(), 3);
}

#[test]
fn what_is_fleeting_waits_for_nobody() {
    let link = Link::new(1000);
    link.push(typing(), Kind::Fleeting);
    link.push(notice("a"), Kind::Passing);
    let held = link.split_off_held();
    held.push(typing(), Kind::Fleeting);
    assert_eq!(held.take_events(), [notice("a")]);
}
