//! Downloads, from the ticket to the verified file.

use super::*;
use file_transfer::download::Waiting;

#[test]
fn a_download_runs_from_the_ticket_to_the_verified_file() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.root(11);
    bench.check_deeds(&["start 1", "root 1 true"]);
    let progress = |bytes, verifying| {
        TransferReport::Progress(Progress {
            bytes,
            verifying,
            ..Progress::at_start(Transport::Udp)
        })
    };
    bench.report(1, progress(5, false));
    bench.report(1, progress(10, true));
    bench.report(1, progress(10, true));
    bench.now += Duration::from_secs(3);
    bench.finish(1);
    bench.check_events(&[
        "download 1 started 10",
        "download 1 at 5",
        "download 1 at 10",
        "download 1 verifying",
        "download 1 finished in 3",
    ]);
    assert_eq!(bench.done(), [(11, true)]);
}

#[test]
fn who_has_no_place_stands_in_line_until_the_ticket_comes() {
    let mut bench = Bench::logged_in();
    (1..=3).for_each(|number| bench.download(number));
    bench.ticket(11, 10);
    bench.queued(0, 12, 1);
    bench.queued(0, 13, 2);
    bench.forget();
    bench.finish(1);
    assert_eq!(bench.done(), [(11, true)]);
    bench.ticket_in_reply_to(0, 12, 10);
    bench.queued_in_reply_to(0, 13, 1);
    bench.check_deeds(&["start 2"]);
    bench.check_events(&[
        "download 1 finished in 0",
        "download 2 started 10",
        "download 3 queued as 1",
    ]);
}

#[test]
fn no_more_are_asked_for_than_may_run_and_wait() {
    let mut bench = Bench::logged_in();
    (1..=50).for_each(|number| bench.download(number));
    assert_eq!(bench.frames.len(), 36);
    bench.command(Command::CancelDownload { id: DownloadId(3) });
    assert_eq!(bench.frames.len(), 37);
}

#[test]
fn a_full_line_is_tried_again_when_something_ended() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.download(2);
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::TooManyDownloads);
    bench.check_events(&["download 1 started 10"]);
    bench.finish(1);
    bench.forget_done();
    bench.ticket(12, 10);
    bench.check_deeds(&["start 1", "start 2"]);
}

#[test]
fn a_place_in_line_outlives_the_connection() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.queued(0, 11, 3);
    come_back(&mut bench, true);
    // Told by the server by itself, and once more in answer to being asked.
    bench.forget_events();
    bench.queued_in_reply_to(0, 11, 2);
    bench.queued(11, 11, 2);
    bench.check_events(&["download 1 queued as 2", "download 1 queued as 2"]);
    // The ticket got lost with another connection: it is made again for the same download.
    come_back(&mut bench, true);
    bench.ticket_again(11, 11, 10);
    bench.deeds.retain(|deed| deed.starts_with("start"));
    bench.check_deeds(&["start 1"]);
}

#[test]
fn a_server_that_was_restarted_knows_no_line() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.queued(0, 11, 3);
    come_back(&mut bench, false);
    bench.ticket(1, 10);
}

#[test]
fn somebody_elses_place_in_line_is_given_back() {
    let mut bench = Bench::logged_in();
    bench.queued_in_reply_to(0, 77, 1);
    bench.ticket_in_reply_to(0, 78, 10);
    assert_eq!(bench.done(), [(77, false), (78, false)]);
}

#[test]
fn a_running_download_rests_and_goes_on_with_a_place_of_its_own() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.forget();
    bench.command(Command::PauseDownload { id: DownloadId(1) });
    bench.command(Command::PauseDownload { id: DownloadId(1) });
    let (id, body) = bench.sent();
    assert!(matches!(body, Ask::PauseDownload(pause) if pause.download_id == 11));
    bench.frame(id, Say::DownloadRecorded(wire::DownloadRecorded { download_id: 11 }));
    bench.report(1, TransferReport::Progress(Progress::at_start(Transport::Udp)));
    bench.check_events(&["download 1 paused"]);
    bench.check_deeds(&["pause 1"]);
    bench.command(Command::ResumeDownload { id: DownloadId(1) });
    bench.check_deeds(&[]);
    bench.queued(11, 11, 1);
    bench.check_deeds(&[]);
    bench.ticket_in_reply_to(0, 11, 10);
    bench.check_deeds(&["unpause 1"]);
    bench.check_events(&["download 1 resumed", "download 1 queued as 1"]);
    // The transfer's own ticket is too old by now: it gets the one that came.
    bench.report(1, TransferReport::TicketWanted);
    bench.check_deeds(&["renew 1 true"]);
    assert_eq!(bench.frames, []);
}

#[test]
fn a_spare_ticket_grows_old() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.command(Command::PauseDownload { id: DownloadId(1) });
    bench.sent();
    bench.command(Command::ResumeDownload { id: DownloadId(1) });
    bench.ticket_again(11, 11, 10);
    bench.forget();
    bench.now += Duration::from_secs(40);
    bench.report(1, TransferReport::TicketWanted);
    bench.check_deeds(&[]);
    bench.ticket_again(11, 11, 10);
    bench.check_deeds(&["renew 1 true"]);
}

#[test]
fn what_waits_rests_too() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.queued(0, 11, 1);
    bench.download(2);
    bench.command(Command::PauseDownload { id: DownloadId(1) });
    bench.command(Command::PauseDownload { id: DownloadId(2) });
    // The answer crossed the pause.
    bench.ticket(12, 10);
    let paused: Vec<u64> = std::mem::take(&mut bench.frames)
        .into_iter()
        .map(|frame| match frame.body {
            Some(Ask::PauseDownload(pause)) => pause.download_id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(paused, [11, 12]);
    bench.check_deeds(&[]);
    come_back(&mut bench, true);
    assert_eq!(bench.frames, []);
    bench.command(Command::ResumeDownload { id: DownloadId(2) });
    bench.ticket_again(12, 12, 10);
    bench.command(Command::ResumeDownload { id: DownloadId(1) });
    bench.ticket_again(11, 11, 10);
    bench.deeds.retain(|deed| deed.starts_with("start"));
    bench.check_deeds(&["start 2", "start 1"]);
}

#[test]
fn piece_hashes_are_asked_for_one_download_at_a_time() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.download(2);
    bench.ticket(12, 10);
    bench.forget();
    bench.report(1, TransferReport::PiecesWanted { first: 0 });
    bench.report(2, TransferReport::PiecesWanted { first: 7 });
    let (id, body) = bench.sent();
    assert!(
        matches!(body, Ask::RequestPieceHashes(it) if (it.download_id, it.first_piece) == (11, 0))
    );
    assert_eq!(bench.frames, []);
    bench.pieces(id, 11, 0, 3);
    let (id, body) = bench.sent();
    assert!(
        matches!(body, Ask::RequestPieceHashes(it) if (it.download_id, it.first_piece) == (12, 7))
    );
    bench.refuse(id, RefusalCode::UnknownFile);
    bench.check_deeds(&["pieces 1 Some(3)", "pieces 2 None"]);
}

#[test]
fn piece_hashes_are_asked_for_again_after_a_loss() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.root(11);
    bench.report(1, TransferReport::PiecesWanted { first: 0 });
    bench.sent();
    come_back(&mut bench, true);
    let (_, body) = bench.sent();
    assert!(matches!(body, Ask::RequestPieceHashes(it) if it.download_id == 11));
    // The next server knows nothing of it: a number there comes first.
    come_back(&mut bench, false);
    bench.ticket(1, 10);
    let (id, body) = bench.sent();
    assert!(matches!(body, Ask::RequestPieceHashes(it) if it.download_id == 1));
    bench.forget();
    bench.pieces(id, 1, 0, 2);
    bench.check_deeds(&["pieces 1 Some(2)"]);
}

#[test]
fn piece_hashes_that_are_none_end_the_connection() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.report(1, TransferReport::PiecesWanted { first: 0 });
    let (id, _) = bench.sent();
    bench.pieces(id, 11, 0, 0);
    assert!(bench.events.contains(&"disconnected".to_owned()), "{:?}", bench.events);
}

#[test]
fn a_full_disk_is_told() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.forget();
    let waiting = Some(Waiting::DiskFull { needed: 4 });
    let progress = Progress { bytes: 6, waiting, ..Progress::at_start(Transport::Udp) };
    bench.report(1, TransferReport::Progress(progress));
    bench.check_events(&["download 1 at 6, waiting: DiskFull { needed: 4 }"]);
}

#[test]
fn leaving_keeps_what_has_arrived() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.download(2);
    bench.queued(0, 12, 1);
    bench.forget();
    bench.command(Command::LogOut);
    bench.check_deeds(&["interrupt 1"]);
    bench.fail(1, DownloadError::Cancelled);
    bench.check_events(&["download 2 failed: interrupted", "download 1 failed: interrupted"]);
}

#[test]
fn a_missing_file_is_told() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::UnknownFile);
    bench.check_events(&["download 1 failed: refused"]);
}

#[test]
fn a_cancelled_download_is_stopped_and_its_place_given_back() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.command(Command::CancelDownload { id: DownloadId(1) });
    bench.check_deeds(&["start 1", "stop 1"]);
    bench.fail(1, DownloadError::Cancelled);
    bench.check_events(&["download 1 started 10", "download 1 failed: cancelled"]);
    assert_eq!(bench.done(), [(11, false)]);
}

#[test]
fn a_ticket_for_a_download_that_was_cancelled_is_given_back() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.command(Command::CancelDownload { id: DownloadId(1) });
    bench.check_events(&["download 1 failed: cancelled"]);
    bench.ticket(11, 10);
    bench.check_deeds(&["discard file1 at x"]);
    assert_eq!(bench.done(), [(11, false)]);
}

#[test]
fn a_download_runs_on_while_the_chat_reconnects() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.broken();
    bench.forget();
    bench.finish(1);
    bench.check_events(&["download 1 finished in 0"]);
    assert_eq!(bench.frames, []);
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    bench.welcome(true);
    assert_eq!(bench.done(), [(11, true)]);
}

#[test]
fn the_end_of_a_download_is_told_again_until_it_is_recorded() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.finish(1);
    assert_eq!(bench.done(), [(11, true)]);
    come_back(&mut bench, true);
    let (request, body) = bench.sent();
    assert!(matches!(body, Ask::DownloadDone(done) if done.download_id == 11));
    bench.frame(request, Say::DownloadRecorded(wire::DownloadRecorded { download_id: 11 }));
    come_back(&mut bench, true);
    assert_eq!(bench.done(), []);
}

#[test]
fn the_end_of_a_download_of_an_earlier_login_is_nobodys_business() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.download(2);
    bench.ticket(12, 10);
    bench.root(12);
    bench.finish(1);
    bench.frames.clear();
    come_back(&mut bench, false);
    bench.finish(2);
    assert_eq!(bench.done(), []);
}

#[test]
fn a_place_whose_ticket_got_lost_is_given_back_when_the_server_tells_of_it() {
    let mut bench = Bench::logged_in();
    bench.root(11);
    assert_eq!(bench.done(), [(11, false)]);
    bench.root(11);
    assert_eq!(bench.done(), []);
}

#[test]
fn a_hash_that_crosses_the_end_of_its_download_changes_nothing() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.finish(1);
    bench.root(11);
    assert_eq!(bench.done(), [(11, true)]);
}

/// The connection breaks and is made again.
fn come_back(bench: &mut Bench, resumed: bool) {
    bench.broken();
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    bench.welcome(resumed);
}

#[test]
fn a_download_that_was_asked_for_is_asked_for_again_after_a_loss() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.broken();
    bench.frames.clear();
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    bench.welcome(true);
    bench.ticket(11, 10);
    bench.deeds.retain(|deed| deed.starts_with("start"));
    bench.check_deeds(&["start 1"]);
}

#[test]
fn after_a_restart_of_the_server_a_broken_download_begins_anew() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.broken();
    bench.fail(1, DownloadError::Ended);
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    bench.welcome(false);
    bench.forget_done();
    bench.ticket(1, 10);
    bench.deeds.retain(|deed| deed.starts_with("start"));
    bench.check_deeds(&["start 1", "start 1"]);
}

#[test]
fn a_download_that_fails_by_itself_is_not_begun_anew() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.fail(1, DownloadError::Rejected);
    bench.check_events(&[
        "download 1 started 10",
        "download 1 failed: the transfer node refuses the ticket",
    ]);
}

#[test]
fn a_file_that_changed_on_the_server_is_fetched_anew_but_not_for_ever() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.tell(Say::FileHashes(wire::FileHashes { download_id: 11, ..Default::default() }));
    bench.check_deeds(&["start 1", "stop 1"]);
    bench.fail(1, DownloadError::Cancelled);
    bench.check_events(&["download 1 started 10", "download 1 started anew"]);
    // The new file, in the same place.
    bench.ticket_again(11, 11, 20);
    bench.check_deeds(&["start 1"]);
    bench.check_events(&["download 1 started 20"]);
    for _ in 0..2 {
        bench.fail(1, DownloadError::FileChanged);
        bench.ticket_again(11, 11, 20);
    }
    bench.forget();
    bench.fail(1, DownloadError::FileChanged);
    bench.check_events(&["download 1 failed: the file changed on the server"]);
}

#[test]
fn a_transfer_gets_another_ticket_when_it_wants_one() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.report(1, TransferReport::TicketWanted);
    bench.ticket_again(11, 11, 10);
    bench.root(11);
    bench.check_deeds(&["start 1", "renew 1 true", "root 1 true"]);
}

#[test]
fn a_file_that_is_gone_ends_the_transfer() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.report(1, TransferReport::TicketWanted);
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::UnknownFile);
    bench.check_deeds(&["start 1", "stop 1"]);
    bench.fail(1, DownloadError::Cancelled);
    bench.check_events(&["download 1 started 10", "download 1 failed: refused"]);
}

#[test]
fn what_has_arrived_is_kept_where_the_server_cannot_read_its_file_now() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    let problem = wire::DownloadProblem::FileUnreadable.into();
    bench.tell(Say::FileHashes(wire::FileHashes {
        download_id: 11,
        problem,
        ..Default::default()
    }));
    bench.download(2);
    bench.ticket(12, 10);
    bench.report(2, TransferReport::TicketWanted);
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::FileUnreadable);
    bench.check_deeds(&["start 1", "interrupt 1", "start 2", "interrupt 2"]);
}

#[test]
fn a_session_that_ends_by_force_fails_its_downloads_first() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.forget();
    let reason = GoodbyeReason::TakenOver.into();
    bench.tell(Say::Goodbye(wire::Goodbye { reason, retry_after_ms: 0, ..Default::default() }));
    bench.check_events(&["download 1 failed: no connection to the server", "ended: taken over"]);
    bench.check_deeds(&["hang up", "interrupt 1"]);
}

#[test]
fn one_that_stands_in_line_again_says_where_until_bytes_flow() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    let progress = |bytes| {
        let waiting = Some(Waiting::Network);
        TransferReport::Progress(Progress { bytes, waiting, ..Progress::at_start(Transport::Udp) })
    };
    bench.report(1, progress(4));
    bench.forget();
    // The network was away for so long that others have its place.
    bench.report(1, TransferReport::TicketWanted);
    bench.queued(11, 11, 2);
    bench.report(1, progress(4));
    bench.queued_in_reply_to(0, 11, 1);
    bench.report(1, progress(4));
    bench.check_events(&["download 1 queued as 2", "download 1 queued as 1"]);
    bench.ticket_in_reply_to(0, 11, 10);
    bench.report(1, progress(4));
    bench.check_events(&["download 1 at 4, waiting: Network"]);
}

#[test]
fn a_place_in_line_that_crosses_a_pause_is_not_told() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.command(Command::PauseDownload { id: DownloadId(1) });
    bench.command(Command::ResumeDownload { id: DownloadId(1) });
    bench.command(Command::PauseDownload { id: DownloadId(1) });
    bench.forget();
    bench.queued_in_reply_to(0, 11, 1);
    bench.check_events(&[]);
}

#[test]
fn the_place_of_a_download_from_a_node_elsewhere_is_kept_while_bytes_flow() {
    for (address, asks) in [("files.example:5050", 3), (":5050", 0)] {
        let mut bench = Bench::logged_in();
        bench.download(1);
        let (id, _) = bench.sent();
        let node = wire::TransferNode { address: address.into(), ..Default::default() };
        bench.ticket_of_nodes(id, 11, 10, vec![node]);
        bench.forget();
        let mut asked = 0;
        for second in 1..=100_u64 {
            bench.now += Duration::from_secs(1);
            // After 65 s no more bytes come.
            let bytes = second.min(65);
            let progress = Progress { bytes, ..Progress::at_start(Transport::Udp) };
            bench.report(1, TransferReport::Progress(progress));
            while !bench.frames.is_empty() {
                let (id, body) = bench.sent();
                let Ask::RequestDownload(again) = body else { continue };
                assert_eq!(again.download_id, 11);
                asked += 1;
                bench.ticket_in_reply_to(id, 11, 10);
            }
        }
        assert_eq!(asked, asks, "{address}");
    }
}

/// All bytes are here, and the server that was to say the hash forgot everything.
fn checking_at_a_new_server() -> Bench {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    come_back(&mut bench, false);
    bench.forget_events();
    bench.deeds.clear();
    bench
}

#[test]
fn a_file_that_is_gone_before_its_hash_is_known_ends_the_download() {
    let mut bench = checking_at_a_new_server();
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::UnknownFile);
    bench.check_deeds(&["stop 1"]);
    bench.fail(1, DownloadError::Cancelled);
    bench.check_events(&["download 1 failed: refused"]);
}

#[test]
fn a_hash_is_asked_for_until_the_line_has_room() {
    let mut bench = checking_at_a_new_server();
    for _ in 0..3 {
        let (id, _) = bench.sent();
        bench.refuse(id, RefusalCode::TooManyDownloads);
        assert_eq!(bench.frames, []);
        bench.wait(6.0);
    }
    bench.ticket_again(0, 1, 10);
    bench.root(1);
    bench.check_deeds(&["root 1 true"]);
    assert_eq!(bench.machine.downloads.poll_timeout(), None);
}

#[test]
fn a_question_for_a_hash_outlives_the_connection_that_it_was_asked_on() {
    let mut bench = checking_at_a_new_server();
    bench.sent();
    come_back(&mut bench, true);
    bench.ticket_again(0, 1, 10);
}

#[test]
fn a_repair_ends_when_the_file_is_gone() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.root(11);
    bench.report(1, TransferReport::PiecesWanted { first: 0 });
    bench.frames.clear();
    come_back(&mut bench, false);
    bench.deeds.clear();
    let (id, body) = bench.sent();
    assert!(matches!(body, Ask::RequestDownload(_)), "{body:?}");
    bench.refuse(id, RefusalCode::UnknownFile);
    bench.check_deeds(&["stop 1"]);
}

#[test]
fn a_download_without_a_number_does_not_keep_others_from_their_pieces() {
    let mut bench = Bench::logged_in();
    for number in [1, 2] {
        bench.download(number);
        bench.ticket(10 + number, 10);
        bench.root(10 + number);
    }
    for number in [1, 2] {
        bench.report(number, TransferReport::PiecesWanted { first: 0 });
    }
    bench.frames.clear();
    come_back(&mut bench, false);
    let (first, _) = bench.sent();
    let (second, _) = bench.sent();
    bench.refuse(first, RefusalCode::TooManyDownloads);
    bench.ticket_in_reply_to(second, 2, 10);
    let (_, body) = bench.sent();
    assert!(matches!(body, Ask::RequestPieceHashes(it) if it.download_id == 2), "{body:?}");
}

#[test]
fn a_download_that_rests_takes_no_place_again_by_itself() {
    let mut bench = checking_at_a_new_server();
    let (id, _) = bench.sent();
    bench.command(Command::PauseDownload { id: DownloadId(1) });
    bench.refuse(id, RefusalCode::TooManyDownloads);
    bench.wait(6.0);
    assert_eq!(bench.frames, []);
}

fn checked(bytes: u64, verifying: bool) -> TransferReport {
    let progress = Progress { bytes, verifying, ..Progress::at_start(Transport::Udp) };
    TransferReport::Progress(progress)
}

#[test]
fn one_that_is_checked_stays_so_until_something_else_is_to_be_told() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.forget();
    bench.report(1, checked(10, true));
    bench.report(1, checked(10, true));
    bench.check_events(&["download 1 at 10", "download 1 verifying"]);
    // A place in line is none of the person's business while nothing has to come.
    bench.report(1, TransferReport::TicketWanted);
    bench.queued(11, 11, 2);
    bench.report(1, checked(10, true));
    bench.check_events(&[]);
    // A piece was damaged.
    bench.report(1, checked(9, false));
    bench.report(1, checked(9, false));
    bench.check_events(&["download 1 queued as 2"]);
    bench.ticket_in_reply_to(0, 11, 10);
    bench.report(1, checked(10, false));
    bench.report(1, checked(10, true));
    bench.check_events(&["download 1 at 10", "download 1 at 10", "download 1 verifying"]);
}

#[test]
fn one_that_rested_while_it_was_checked_says_that_it_is_checked_again() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.report(1, checked(10, true));
    bench.command(Command::PauseDownload { id: DownloadId(1) });
    bench.command(Command::ResumeDownload { id: DownloadId(1) });
    bench.forget();
    bench.ticket_in_reply_to(0, 11, 10);
    bench.report(1, checked(10, true));
    bench.check_events(&["download 1 at 10", "download 1 verifying"]);
}

#[test]
fn a_left_over_of_an_earlier_version_that_is_given_up_is_told_once() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.forget();
    for bytes in [0, 5] {
        let start = Progress::at_start(Transport::Udp);
        let progress = Progress { bytes, started_anew: true, ..start };
        bench.report(1, TransferReport::Progress(progress));
    }
    let expected = ["download 1 started anew", "download 1 at 0", "download 1 at 5"];
    bench.check_events(&expected);
}

#[test]
fn what_is_left_of_a_download_that_waits_goes_when_it_is_cancelled() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    // It is begun anew, and rests before it has a place again.
    bench.broken();
    bench.fail(1, DownloadError::Ended);
    bench.command(Command::PauseDownload { id: DownloadId(1) });
    bench.forget();
    bench.command(Command::CancelDownload { id: DownloadId(1) });
    bench.check_deeds(&["discard file1 at x"]);
}

#[test]
fn what_is_left_stays_for_another_download_of_the_same_file_to_the_same_place() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    let (path, save_as) = ("file1".to_owned(), PathBuf::from("x"));
    let transport = TransportChoice::Auto;
    bench.command(Command::Download { id: DownloadId(2), path, save_as, transport });
    bench.command(Command::CancelDownload { id: DownloadId(1) });
    bench.check_deeds(&[]);
    bench.command(Command::CancelDownload { id: DownloadId(2) });
    bench.check_deeds(&["discard file1 at x"]);
}
