//! Logging out.

use super::*;

#[test]
fn a_log_out_is_said_and_answered() {
    let mut bench = Bench::logged_in();
    bench.command(Command::LogOut);
    let (id, body) = bench.sent();
    assert!(matches!(body, Ask::LogOut(_)), "{body:?}");
    bench.check_events(&[]);
    bench.frame(id, Say::LoggedOut(wire::LoggedOut {}));
    bench.check_events(&["ended: logged out"]);
    bench.check_deeds(&["hang up"]);
}

#[test]
fn a_server_that_does_not_answer_keeps_nobody() {
    let mut bench = Bench::logged_in();
    bench.command(Command::LogOut);
    bench.wait(2.0);
    bench.check_events(&["ended: logged out"]);
}

#[test]
fn a_log_out_without_a_connection_is_immediate() {
    let mut bench = Bench::logged_in();
    bench.broken();
    bench.forget();
    bench.command(Command::LogOut);
    bench.check_events(&["ended: logged out"]);
    bench.check_deeds(&["hang up"]);
}

#[test]
fn a_log_out_waits_for_transfers_to_clean_up() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.forget();
    bench.command(Command::LogOut);
    bench.check_deeds(&["interrupt 1"]);
    assert_eq!(bench.frames, []);
    bench.fail(1, DownloadError::Cancelled);
    bench.check_events(&["download 1 failed: interrupted"]);
    let (_, body) = bench.sent();
    assert!(matches!(body, Ask::DownloadDone(_)), "{body:?}");
    let (_, body) = bench.sent();
    assert!(matches!(body, Ask::LogOut(_)), "{body:?}");
}
