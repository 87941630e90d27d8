//! Waiting for a place: when the server is asked again, and when no more. In virtual time.

use tokio::sync::mpsc;
use tokio::time::{advance, timeout};

use super::*;
use crate::download::TransportChoice;
use crate::upload::{self, Uploaded};

/// Uploads an empty file to a server that is busy so often, and then has it. Gives when it was asked, in
/// milliseconds, and what came of it.
async fn ask_while_busy(times: usize) -> (Vec<u128>, Result<Uploaded, UploadFailure>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (questions, mut asked) = mpsc::channel(1);
    let request = UploadRequest {
        file: file.path().to_owned(),
        transport: TransportChoice::Auto,
        disk_patience: Duration::ZERO,
        server: questions,
    };
    let start = Instant::now();
    let server = async {
        let mut asked_at = Vec::new();
        while let Some(question) = asked.recv().await {
            let Question::Begin { reply, .. } = question else { panic!("{question:?}") };
            asked_at.push(start.elapsed().as_millis());
            let stored = Leave::Stored { path: "a".into(), root: [7; 32] };
            let _ = reply.send(if asked_at.len() <= times { Leave::Busy } else { stored });
        }
        asked_at
    };
    let progress = watch::channel(UploadProgress::default()).0;
    let uploading = async {
        // Dropped at the end, which ends the questions too.
        let request = request;
        upload::upload(request, progress, CancellationToken::new()).await
    };
    tokio::join!(server, uploading)
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_place_asks_again_ever_more_rarely_until_there_is_one() {
    let (asked_at, uploaded) = ask_while_busy(7).await;
    assert_eq!(uploaded.unwrap().path, "a");
    let pauses: Vec<u128> = asked_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // The clock of the runtime counts whole milliseconds, and may be one behind.
    let rounded: Vec<u128> = pauses.iter().map(|pause| pause / 100 * 100).collect();
    assert_eq!(rounded, [500, 1000, 2000, 4000, 8000, 8000, 8000], "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_busy_is_given_up_after_ten_minutes() {
    let (asked_at, uploaded) = ask_while_busy(usize::MAX).await;
    assert!(matches!(uploaded, Err(UploadFailure::Busy)), "{uploaded:?}");
    let last = Duration::from_millis(u64::try_from(*asked_at.last().unwrap()).unwrap());
    assert!(last <= PLACE_PATIENCE && last + WAIT_PAUSE_MAX > PLACE_PATIENCE, "{last:?}");
}

fn rounds() -> Rounds {
    let mut rounds = Rounds::new(Ways::new(TransportChoice::Auto));
    rounds.heard(5);
    rounds
}

/// How long the next wait for a place takes.
async fn wait(rounds: &mut Rounds) -> Duration {
    let start = Instant::now();
    timeout(PLACE_PATIENCE, wait_for_place(rounds)).await.unwrap().ok().unwrap();
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_took_something_meanwhile_is_asked_soon_again() {
    let mut rounds = rounds();
    for pause in [PAUSE_FIRST, PAUSE_FIRST * 2] {
        assert!(wait(&mut rounds).await >= pause);
    }
    rounds.heard(5);
    assert!(wait(&mut rounds).await >= PAUSE_FIRST * 4, "nothing new");
    rounds.heard(6);
    let pause = wait(&mut rounds).await;
    assert!((PAUSE_FIRST..PAUSE_FIRST * 2).contains(&pause), "{pause:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_ends_after_the_patience_is_not_begun() {
    let mut waiting = None;
    let patience = PAUSE_FIRST * 3;
    assert_eq!(Waiting::next_pause(&mut waiting, patience), Some(PAUSE_FIRST));
    advance(PAUSE_FIRST).await;
    assert_eq!(Waiting::next_pause(&mut waiting, patience), Some(PAUSE_FIRST * 2));
    advance(PAUSE_FIRST * 2).await;
    assert_eq!(Waiting::next_pause(&mut waiting, patience), None);
    assert_eq!(Waiting::next_pause(&mut None, PAUSE_FIRST / 2), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_session_brought_counts_before_its_end_is_judged() {
    let patience = Duration::from_secs(3600);
    let mut rounds = rounds();
    Waiting::next_pause(&mut rounds.full, patience).unwrap();
    rounds.fruitless = FRUITLESS_MAX - 1;
    advance(patience + WAIT_PAUSE_MAX).await;
    rounds.session_ended(6);
    assert_eq!(Waiting::next_pause(&mut rounds.full, patience), Some(PAUSE_FIRST));
    assert_eq!(rounds.fruitless, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_session_brought_counts_no_second_time_where_the_server_has_none_of_it() {
    let patience = Duration::from_secs(3600);
    let mut rounds = rounds();
    rounds.session_ended(6);
    rounds.heard(5);
    Waiting::next_pause(&mut rounds.full, patience).unwrap();
    advance(patience + WAIT_PAUSE_MAX).await;
    rounds.session_ended(6);
    assert_eq!(Waiting::next_pause(&mut rounds.full, patience), None, "the disk takes nothing");
    rounds.heard(6);
    assert_eq!(Waiting::next_pause(&mut rounds.full, patience), Some(PAUSE_FIRST));
}

/// Uploads a file of one byte that the server has already, to one that answers its questions so.
async fn ask(mut answer: impl FnMut(Question)) -> Result<Uploaded, UploadFailure> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "1").unwrap();
    let (questions, mut asked) = mpsc::channel(1);
    let request = UploadRequest {
        file: file.path().to_owned(),
        transport: TransportChoice::Auto,
        disk_patience: Duration::ZERO,
        server: questions,
    };
    let server = async {
        while let Some(question) = asked.recv().await {
            answer(question);
        }
    };
    let progress = watch::channel(UploadProgress::default()).0;
    let uploading = async {
        let request = request;
        upload::upload(request, progress, CancellationToken::new()).await
    };
    tokio::join!(server, uploading).1
}

fn nothing_is_missing() -> Leave {
    Leave::Ticket(UploadTicket { ticket: Vec::new(), secret: [0; 32], nodes: Vec::new(), kept: 1 })
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgot_the_upload_is_told_all_pieces_when_it_knows_of_it_again() {
    let mut told = Vec::new();
    let mut log = Vec::new();
    let uploaded = ask(|question| match question {
        Question::Begin { reply, .. } => {
            log.push("begin");
            let _ = reply.send(nothing_is_missing());
        }
        Question::Sent { reply, .. } => {
            log.push("sent");
            let path = "a".to_owned();
            let is_whole = told.len() == 2;
            let _ = reply.send(if is_whole { Verdict::Stored { path } } else { Verdict::Differs });
        }
        Question::Pieces { first, reply, .. } => {
            log.push("pieces");
            told.push(first);
            let _ = reply.send((told.len() == 2).then_some(1));
        }
        Question::GiveUp => panic!("the file is the same"),
    })
    .await;
    assert_eq!(uploaded.unwrap().path, "a");
    let expected = ["begin", "sent", "pieces", "begin", "pieces", "begin", "sent"];
    assert_eq!((log, told), (expected.to_vec(), vec![0, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_at_the_end_is_asked_again_a_few_times() {
    for (failures, is_stored) in [(1, true), (FRUITLESS_MAX, false)] {
        let (mut attempts, mut failed) = (Vec::new(), 0);
        let uploaded = ask(|question| match question {
            Question::Begin { attempt, reply, .. } => {
                attempts.push(attempt);
                let stored = Leave::Stored { path: "a".into(), root: [7; 32] };
                let _ = reply.send(if failed < failures { nothing_is_missing() } else { stored });
            }
            Question::Sent { reply, .. } => {
                failed += 1;
                let _ = reply.send(Verdict::DiskFailed);
            }
            question => panic!("{question:?}"),
        })
        .await;
        let is_the_disk = matches!(uploaded, Err(UploadFailure::ServerDisk));
        assert!(uploaded.is_ok() == is_stored && is_the_disk != is_stored, "{uploaded:?}");
        attempts.dedup();
        assert_eq!((attempts.len(), failed), (1, failures));
    }
}
