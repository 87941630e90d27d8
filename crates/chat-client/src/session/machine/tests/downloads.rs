//! Downloads, from the ticket to the verified file.

use super::*;

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
        "download 1 at 10",
        "download 1 finished in 3",
    ]);
    assert_eq!(bench.done(), [(11, true)]);
}

#[test]
fn four_run_at_once_and_the_fifth_waits_for_a_place() {
    let mut bench = Bench::logged_in();
    (1..=5).for_each(|number| bench.download(number));
    (11..=14).for_each(|server_id| bench.ticket(server_id, 10));
    assert_eq!(bench.frames, []);
    bench.finish(2);
    assert!(matches!(bench.sent().1, Ask::DownloadDone(_)));
    bench.ticket(15, 10);
    bench.check_deeds(&["start 1", "start 2", "start 3", "start 4", "start 5"]);
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
    bench.check_deeds(&[]);
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
fn a_file_that_changed_on_the_server_stops_the_download() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.tell(Say::FileHashes(wire::FileHashes { download_id: 11, ..Default::default() }));
    bench.check_deeds(&["start 1", "stop 1"]);
    bench.fail(1, DownloadError::Cancelled);
    bench.check_events(&[
        "download 1 started 10",
        "download 1 failed: the file changed on the server",
    ]);
}

#[test]
fn a_transfer_gets_another_ticket_when_it_wants_one() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.report(1, TransferReport::TicketWanted);
    assert!(matches!(bench.sent().1, Ask::DownloadDone(_)));
    bench.ticket(12, 10);
    bench.root(12);
    bench.check_deeds(&["start 1", "renew 1 true", "root 1 true"]);
}

#[test]
fn a_ticket_that_is_refused_is_told_to_the_transfer() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.report(1, TransferReport::TicketWanted);
    bench.frames.remove(0);
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::UnknownFile);
    bench.check_deeds(&["start 1", "renew 1 false"]);
}

#[test]
fn a_session_that_ends_by_force_fails_its_downloads_first() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.forget();
    let reason = GoodbyeReason::TakenOver.into();
    bench.tell(Say::Goodbye(wire::Goodbye { reason, retry_after_ms: 0 }));
    bench.check_events(&["download 1 failed: no connection to the server", "ended: taken over"]);
    bench.check_deeds(&["hang up", "stop 1"]);
}
