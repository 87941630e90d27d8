//! HELLO and WELCOME: disturbed ones start nothing, and a door never answers with more bytes than it
//! got.

use std::time::{Duration, Instant};

use super::input::{Input, disturbed};
use crate::proto::front_door::{DoorRandomness, FrontDoor, FrontDoorOutput, OpenedTicket};
use crate::proto::handshake::ClientHandshake;
use crate::proto::hello::WelcomeBody;
use crate::proto::keys::CipherSuites;
use crate::proto::limits::PENDING_MAX;

const SECRET: [u8; 32] = [1; 32];
const SUITES: CipherSuites = CipherSuites { aes: false };
const TICKET: [u8; 100] = [7; 100];
const UNIX: u64 = 1_000;

/// A door, and what its clients' addresses put in and get out.
struct Bench {
    door: FrontDoor<u8, ()>,
    now: Instant,
    datagrams: u64,
    bytes_in: [usize; 256],
    bytes_out: [usize; 256],
}

/// Sends the door what the bytes say, from the addresses they say.
pub fn handshakes(bytes: &[u8]) {
    let (mut input, now) = (Input(bytes), Instant::now());
    let mut bench = Bench {
        door: FrontDoor::new(SUITES),
        now,
        datagrams: 0,
        bytes_in: [0; 256],
        bytes_out: [0; 256],
    };
    while !input.is_empty() {
        let (what, from) = (input.u8(), input.u8());
        match what % 4 {
            0 => {
                let length = usize::from(input.u16());
                bench.take(from, input.bytes(length));
            }
            1 => bench.greet(from, &mut input),
            2 => bench.now += Duration::from_millis(input.u16().into()),
            _ => bench.greet_and_disturb_the_answer(from, &mut input),
        }
        assert!(bench.door.start_count() <= PENDING_MAX);
    }
}

impl Bench {
    /// Gives the door a datagram; the answer, if there is one.
    fn take(&mut self, from: u8, datagram: &[u8]) -> Option<Vec<u8>> {
        self.datagrams += 1;
        let randomness = DoorRandomness { session_id: self.datagrams, server_random: [9; 32] };
        let output = self.door.handle_datagram(self.now, UNIX, from, datagram, randomness, |_| {
            let file = WelcomeBody { file_bytes: 1_000, modified_ns: 1 };
            Some(OpenedTicket { secret: SECRET, file, expires_at_unix: UNIX + 60, grant: () })
        });
        let answer = match output {
            FrontDoorOutput::Reply(welcome) => Some(welcome.to_vec()),
            FrontDoorOutput::Nothing | FrontDoorOutput::BelongsTo(_) => None,
            FrontDoorOutput::Confirmed(_) => panic!("nobody here proves an address"),
        };
        let index = usize::from(from);
        if let (Some(bytes_in), Some(bytes_out)) =
            (self.bytes_in.get_mut(index), self.bytes_out.get_mut(index))
        {
            *bytes_in += datagram.len();
            *bytes_out += answer.as_ref().map_or(0, Vec::len);
            assert!(bytes_out <= bytes_in, "{bytes_out} bytes out for {bytes_in} in");
        }
        answer
    }

    /// A HELLO of one of 256 clients, disturbed.
    fn greet(&mut self, from: u8, input: &mut Input<'_>) {
        let client = client(input.u8());
        let (offset, length) = (usize::from(input.u16()), usize::from(input.u8()));
        let noise = input.bytes(length);
        let hello = disturbed(client.hello(), offset, noise);
        let answer = self.take(from, &hello);
        // Version, lengths and ticket are covered by the seal, so is the padding.
        assert!(answer.is_none() || hello == client.hello(), "a disturbed HELLO is answered");
    }

    /// A good HELLO whose WELCOME arrives disturbed.
    fn greet_and_disturb_the_answer(&mut self, from: u8, input: &mut Input<'_>) {
        let mut client = client(input.u8());
        let Some(welcome) = self.take(from, client.hello().to_vec().as_slice()) else { return };
        let (offset, length) = (usize::from(input.u8()), usize::from(input.u8()));
        let mut arrived = disturbed(&welcome, offset, input.bytes(length));
        let is_whole = arrived == welcome;
        let established = client.handle_datagram(self.now, &mut arrived);
        assert_eq!(established.is_some(), is_whole, "a WELCOME is as it was sent, or is none");
    }
}

fn client(random: u8) -> ClientHandshake {
    match ClientHandshake::new(&TICKET, SECRET, [random; 32], SUITES) {
        Ok(client) => client,
        Err(error) => panic!("{error}"),
    }
}
