//! Starting the programs and waiting for what they print. Nothing here sleeps: every wait is for a
//! line, an exit or the deadline that makes the test fail.

mod gate;
mod node;
mod person;
mod server;

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

pub(crate) use gate::Gate;
pub(crate) use node::Node;
pub(crate) use person::{Done, Listener, Person};
pub(crate) use server::Server;

/// Long enough for a busy machine; only a test that fails waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Reads what comes as it comes, on a thread of its own.
pub(crate) fn chunks_of(mut stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
            let chunk = String::from_utf8_lossy(&buffer[..bytes]).into_owned();
            if sender.send(chunk).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Reads lines on a thread of its own, so that waiting for one can have an end.
pub(crate) fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
