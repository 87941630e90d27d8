//! The server killed again and again under load: what was acknowledged is in the log, once, under the
//! number that was told, and no number is missing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};

use common::conversation::Conversation;
use common::wire;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use rustix::process::Signal;

use crate::support::{Client, ServerProcess, message};

const KILLS: usize = 20;

const WRITERS: u8 = 3;

/// Messages that a writer has unanswered at once.
const IN_FLIGHT: usize = 8;

const FAST: &str = "[limits]\nmessages_burst = 1000000\nmessages_per_second = 1000000";

/// Somebody who writes on and on, over any number of connections.
struct Writer {
    name: String,
    number: u8,
    last: u64,
    /// Sent again on the next connection.
    unanswered: VecDeque<[u8; 16]>,
    /// Which number each message was told to have.
    accepted: BTreeMap<[u8; 16], u64>,
}

impl Writer {
    fn new(number: u8) -> Self {
        let (unanswered, accepted) = (VecDeque::new(), BTreeMap::new());
        Self { name: format!("writer {number}"), number, last: 0, unanswered, accepted }
    }

    fn fresh_id(&mut self) -> [u8; 16] {
        self.last += 1;
        let mut id = [self.number; 16];
        id[8..].copy_from_slice(&self.last.to_be_bytes());
        id
    }

    /// Writes until the server is gone.
    fn write(&mut self, client: &mut Client, told: &Sender<()>) {
        let mut again: VecDeque<_> = std::mem::take(&mut self.unanswered);
        let mut asked = HashMap::new();
        loop {
            while asked.len() < IN_FLIGHT {
                let id = again.pop_front().unwrap_or_else(|| self.fresh_id());
                self.unanswered.push_back(id);
                let Ok(request) = client.try_send(message("#lobby", "hello", id)) else { break };
                asked.insert(request, id);
            }
            let Some(frame) = client.try_receive() else { break };
            let Some(id) = asked.remove(&frame.in_reply_to) else { continue };
            let Some(Body::MessageAccepted(accepted)) = frame.body else {
                panic!("not accepted: {:?}", frame.body)
            };
            let before = self.accepted.insert(id, accepted.seq);
            assert_eq!(before, None, "answered twice");
            self.unanswered.retain(|unanswered| *unanswered != id);
            let _ = told.send(());
        }
        self.unanswered.extend(again);
    }
}

/// One life of the server: everybody writes, and after so many acknowledgements it is killed.
fn run(
    server: ServerProcess,
    writers: &mut [Writer],
    acknowledgements: usize,
) -> tempfile::TempDir {
    let (told, heard): (Sender<()>, Receiver<()>) = channel();
    std::thread::scope(|scope| {
        for writer in writers {
            let mut client = server.log_in(&writer.name);
            let told = told.clone();
            scope.spawn(move || writer.write(&mut client, &told));
        }
        heard.iter().take(acknowledgements).for_each(drop);
        server.signal(Signal::KILL);
    });
    let (_, _, folder) = server.wait();
    folder
}

/// Every stored message: its number and id.
fn stored(client: &mut Client) -> Vec<(u64, [u8; 16])> {
    let (mut stored, mut more) = (Vec::new(), true);
    while more {
        let after_seq = stored.last().map_or(0, |(seq, _)| *seq);
        let conversation = Some(Conversation::lobby().to_wire());
        let wanted = wire::ReadHistory { conversation, after_seq, before_seq: 0, limit: 0 };
        let Body::HistoryPage(page) = client.ask(Ask::ReadHistory(wanted)) else { panic!() };
        more = page.more;
        stored.extend(
            page.messages.iter().map(|it| (it.seq, it.message_id.as_ref().try_into().unwrap())),
        );
    }
    stored
}

#[test]
fn what_was_acknowledged_is_in_the_log_once_however_often_the_server_is_killed() {
    let mut writers: Vec<Writer> = (1..=WRITERS).map(Writer::new).collect();
    let mut folder = tempfile::tempdir().unwrap();
    for kill in 0..KILLS {
        let server = ServerProcess::in_folder(folder, FAST, &[]);
        // At another moment of the work each time.
        folder = run(server, &mut writers, 1 + kill * 7 % 50);
    }
    let server = ServerProcess::in_folder(folder, FAST, &[]);
    let stored = stored(&mut server.log_in("reader"));
    let seqs: Vec<u64> = stored.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (1..=stored.len() as u64).collect::<Vec<_>>(), "no gap");
    let by_id: HashMap<[u8; 16], u64> = stored.iter().map(|(seq, id)| (*id, *seq)).collect();
    assert_eq!(by_id.len(), stored.len(), "nothing twice");
    for (id, seq) in writers.iter().flat_map(|writer| &writer.accepted) {
        assert_eq!(by_id.get(id), Some(seq), "acknowledged and not stored under that number");
    }
}
