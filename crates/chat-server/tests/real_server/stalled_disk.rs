//! While a commit waits for the disk, what needs no disk is answered.

use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, RefusalCode};
use rusqlite::Connection;

use crate::support::{ServerProcess, message, refusal};

/// Of one user at once.
const BURST: u8 = 10;

#[test]
fn pings_presence_and_slow_down_are_answered_while_a_commit_stalls() {
    let server = ServerProcess::start();
    let (mut ann, mut bob) = (server.log_in("ann"), server.log_in("bob"));
    // Whoever holds the log's file holds its thread.
    let disk = Connection::open(server.data().join("log.db")).unwrap();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting: Vec<u64> =
        (1..=BURST).map(|id| ann.send(message("#lobby", "hi", [id; 16]))).collect();
    let one_more = ann.send(message("#lobby", "hi", [BURST + 1; 16]));
    // The first answer is the last question's: the others wait for the disk.
    assert_eq!(refusal(&ann.answer_to(one_more)), RefusalCode::SlowDown);
    let ping = Ask::Ping(wire::Ping { token: 7 });
    assert_eq!(bob.ask(ping), Body::Pong(wire::Pong { token: 7 }));
    let cy = server.log_in("cy");
    assert!(matches!(bob.event(), Body::UserJoined(_)));
    let online = bob.ask(Ask::ListOnline(wire::ListOnline::default()));
    assert!(matches!(&online, Body::OnlinePage(page) if page.names.len() == 3), "{online:?}");
    cy.close();
    disk.execute_batch("ROLLBACK").unwrap();
    for request in waiting {
        let answer = ann.answer_to(request);
        assert!(matches!(answer, Body::MessageAccepted(_)), "{answer:?}");
    }
}
