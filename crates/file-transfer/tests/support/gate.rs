//! A TCP relay in front of a node that lets so many bytes through and then waits for the test, or
//! breaks the connection: what happens in mid-transfer then happens exactly there.

#![expect(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part of it; a test that panics has failed, as it should"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// What becomes of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    /// So many bytes of the node get through, then it breaks.
    Break(u64),
    /// So many bytes of the node get through, and the rest once the gate is opened.
    Hold(u64),
    /// Everything gets through.
    Pass,
}

pub(crate) struct Gate {
    pub(crate) addr: SocketAddr,
    open: Arc<Semaphore>,
    reached: watch::Receiver<usize>,
    /// Bytes that the node sent.
    from_node: Arc<AtomicU64>,
    relay: JoinHandle<()>,
}

impl Gate {
    /// One plan per connection, in order; further ones pass.
    pub(crate) async fn start(node: SocketAddr, plans: &[Plan]) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let open = Arc::new(Semaphore::new(0));
        let (reach, reached) = watch::channel(0);
        let from_node = Arc::new(AtomicU64::new(0));
        let shared = (Arc::clone(&open), Arc::new(reach), Arc::clone(&from_node));
        let plans = Mutex::new(plans.iter().copied().collect::<VecDeque<_>>());
        let relay = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let plan = plans.lock().unwrap().pop_front().unwrap_or(Plan::Pass);
                let (open, reach, from_node) = shared.clone();
                tokio::spawn(async move {
                    let node = TcpStream::connect(node).await.unwrap();
                    let _ = relay_both(client, node, plan, &open, &reach, &from_node).await;
                });
            }
        });
        Gate { addr, open, reached, from_node, relay }
    }

    /// Waits until the connection that is to be held (or broken) has come to that point.
    pub(crate) async fn reached(&mut self) {
        self.reached.wait_for(|count| *count > 0).await.unwrap();
    }

    /// How many bytes of the node have passed on connections that are over.
    pub(crate) fn bytes_from_node(&self) -> u64 {
        self.from_node.load(Ordering::Relaxed)
    }

    /// Lets the rest of what is held through.
    pub(crate) fn open(&self) {
        self.open.add_permits(1000);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

async fn relay_both(
    client: TcpStream,
    node: TcpStream,
    plan: Plan,
    open: &Semaphore,
    reach: &watch::Sender<usize>,
    passed: &AtomicU64,
) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_node, mut to_node) = node.into_split();
    let there = async {
        let _ = copy(&mut from_client, &mut to_node).await;
        let _ = to_node.shutdown().await;
        std::io::Result::Ok(())
    };
    let back = async {
        let first = match plan {
            Plan::Break(bytes) | Plan::Hold(bytes) => bytes,
            Plan::Pass => u64::MAX,
        };
        let bytes = copy(&mut (&mut from_node).take(first), &mut to_client).await?;
        passed.fetch_add(bytes, Ordering::Relaxed);
        to_client.flush().await?;
        reach.send_modify(|count| *count += 1);
        match plan {
            // An error ends both directions at once.
            Plan::Break(_) => return Err(std::io::ErrorKind::ConnectionReset.into()),
            Plan::Hold(_) => drop(open.acquire().await),
            Plan::Pass => {}
        }
        copy(&mut from_node, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(there, back).map(drop)
}
