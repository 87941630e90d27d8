//! What a server may never make of the session, whatever frames it sends. Built for `fuzz/` and the test
//! below alone; what strangers may never do to a server is in `chat_server::fuzzing`.

use std::time::{Duration, Instant};

use common::conversation::Conversation;
use common::framing::FrameDecoder;
use common::spki_pin::SpkiPin;
use common::wire::ServerFrame;
use prost::Message;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::command::{Command, DownloadId, MessageId, ServerAddress, TransportChoice};
use crate::session::machine::{Machine, Output};

/// Things to do for one input; a session that has more is one that does not come to rest.
const OUTPUTS_MAX: usize = 100_000;

/// Tells the bytes, as frames of a server, to somebody who just connects and wants something of everything.
pub fn server_frames(bytes: &[u8]) {
    let random = StdRng::seed_from_u64(7);
    let (mut machine, mut now) = (Machine::new("test".into(), true, random), Instant::now());
    for command in commands() {
        machine.handle_command(now, command);
    }
    machine.handle_connected(now, SpkiPin([1; 32]), Vec::new());
    drain(&mut machine);
    let mut decoder = FrameDecoder::default();
    decoder.extend(bytes);
    while let Ok(Some(body)) = decoder.next_frame() {
        if let Ok(frame) = ServerFrame::decode(body) {
            machine.handle_frame(now, frame);
            drain(&mut machine);
        }
        now += Duration::from_millis(700);
        machine.handle_timeout(now);
        drain(&mut machine);
    }
}

fn commands() -> Vec<Command> {
    let server = "chat.lan".parse().map(ServerAddress::Plain).ok();
    let log_in = Command::LogIn { name: "ann".into(), password: None };
    let id = MessageId([7; 16]);
    let send = Command::Send { id, to: Conversation::lobby(), text: "hello".into() };
    let search = Command::Search { text: "hello".into(), before: 0, limit: 10 };
    let download = Command::Download {
        id: DownloadId(1),
        path: "a/b".into(),
        save_as: "/nonexistent/b".into(),
        transport: TransportChoice::Auto,
    };
    let connect = server.map(|server| Command::Connect { server });
    connect.into_iter().chain([log_in, send, search, download]).collect()
}

fn drain(machine: &mut Machine) {
    for _ in 0..OUTPUTS_MAX {
        match machine.poll_output() {
            Some(Output::ReadPositions { .. }) => machine.handle_positions(Vec::new()),
            Some(_) => {}
            None => return,
        }
    }
    panic!("it does not come to rest");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Inputs that are made of the corpus.
    const CHANCES: u64 = 4000;

    /// The frames of a file of the corpus, lengths included.
    fn frames(path: &Path) -> Vec<Vec<u8>> {
        let mut decoder = FrameDecoder::default();
        decoder.extend(&std::fs::read(path).unwrap());
        std::iter::from_fn(|| decoder.next_frame().unwrap()).map(|body| framed(&body)).collect()
    }

    fn framed(body: &[u8]) -> Vec<u8> {
        [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
    }

    /// Frames left out, told twice, in another order, and changed behind their length.
    fn changed(frames: &[Vec<u8>], seed: u64) -> Vec<u8> {
        let mut random = SmallRng::seed_from_u64(seed);
        // The greeting and the log-in mostly as they are: else nothing further happens.
        let mut input = if random.random_bool(0.9) { frames[..2].concat() } else { Vec::new() };
        for _ in 0..random.random_range(1..30) {
            let mut frame = frames[random.random_range(0..frames.len())].clone();
            for _ in 0..random.random_range(0..4) {
                let at = random.random_range(4..frame.len());
                frame[at] = random.random();
            }
            input.extend(frame);
        }
        input
    }

    #[test]
    fn whatever_a_server_sends_the_session_goes_on_or_ends() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/server_frames");
        let frames = frames(&corpus.join("session"));
        server_frames(&frames.concat());
        for seed in 0..CHANCES {
            let input = changed(&frames, seed);
            // Shown with the failure, should there be one.
            eprintln!("seed {seed}: {}", input.escape_ascii());
            server_frames(&input);
        }
    }
}
