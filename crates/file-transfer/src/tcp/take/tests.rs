//! A node against clients that send what it does not want, over a pipe in memory.

use std::future::pending;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;
use crate::tcp::serve::upload_for_tests;

const SIZE: u64 = 1000;

/// What a node that wants the bytes 100 to 199 and 500 to 999 makes of these, and its last word.
async fn take(
    sent: &[Vec<u8>],
    bytes_max: u64,
    asks: bool,
) -> (Result<u64, TcpServeError>, Vec<u8>) {
    let (mut client, mut node) = duplex(1 << 20);
    client.write_all(&sent.concat()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut proven = upload_for_tests(SIZE, bytes_max);
    if asks {
        proven.hello.wanted.insert(0..1);
    }
    let mut missing = RangeSet::of(100..200);
    missing.insert(500..SIZE);
    let result = take_file(&mut node, &proven, Vec::new(), &missing, pending(), || {}).await;
    drop(node);
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.unwrap();
    (result, said)
}

fn data(offset: u64, bytes: usize) -> Vec<u8> {
    frame::encode(Kind::Data, &[&offset.to_be_bytes(), vec![7; bytes].as_slice()].concat())
}

fn end() -> Vec<u8> {
    frame::encode(Kind::End, &[])
}

#[tokio::test]
async fn what_is_wanted_is_taken_and_answered_with_done() {
    let (taken, said) =
        take(&[data(100, 100), data(500, 1), data(501, 499), end()], SIZE, false).await;
    assert_eq!(taken.unwrap(), 600);
    assert!(said.ends_with(&frame::encode(Kind::Done, &[])));
}

async fn check_violation(sent: &[Vec<u8>]) {
    let (taken, said) = take(sent, SIZE, false).await;
    assert!(matches!(taken, Err(TcpServeError::Protocol(_))), "{taken:?}");
    assert!(said.ends_with(&CloseCode::Violation.encode()));
}

#[tokio::test]
async fn what_is_not_wanted_is_a_violation() {
    check_violation(&[data(0, 100)]).await;
    check_violation(&[data(100, 101)]).await;
    check_violation(&[data(500, 500)]).await;
    check_violation(&[data(100, 100), data(100, 100)]).await;
    check_violation(&[data(100, 100), data(500, 500), data(SIZE, 1)]).await;
    check_violation(&[data(100, 100), end()]).await;
    check_violation(&[CloseCode::Busy.encode(), frame::encode(Kind::Done, &[])][1..]).await;
}

#[tokio::test]
async fn an_upload_asks_for_nothing_and_keeps_to_its_ticket() {
    let (_, said) = take(&[], SIZE, true).await;
    assert_eq!(said, CloseCode::Violation.encode());
    let (_, said) = take(&[], 599, false).await;
    assert_eq!(said, CloseCode::LimitReached.encode());
}
