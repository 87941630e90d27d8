//! A download whose both ends are killed again and again, without a word of warning, ends with the
//! right file, and what was there is not sent again.

#[path = "support/kill_bench.rs"]
mod kill_bench;

use kill_bench::{CHILD, Client, KillBench, MIB, Server};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};

const SIZE: u64 = 2048 * MIB;
const SEED: u64 = 20_260_301;

/// How often the client alone, both ends at once, and the server alone are killed.
const PLAN: [(Victim, usize); 3] = [(Victim::Client, 24), (Victim::Both, 10), (Victim::Server, 8)];

/// What may be sent again because of one kill: pieces that were not complete, bytes that waited to be
/// written, and what was on its way.
const AGAIN_MAX: u64 = 8 * MIB + FLIGHT_MAX;
const FLIGHT_MAX: u64 = 4 * MIB;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Victim {
    Both,
    Client,
    Server,
}

/// Who is killed, and when: with so many bytes of the file there.
fn plan(random: &mut Pcg64) -> Vec<(Victim, u64)> {
    let mut victims: Vec<Victim> =
        PLAN.iter().flat_map(|(victim, count)| vec![*victim; *count]).collect();
    for last in (1..victims.len()).rev() {
        victims.swap(last, random.next_u32() as usize % (last + 1));
    }
    let share = (SIZE - 32 * MIB) / victims.len() as u64;
    let moments = (0..).map(|number| number * share + random.next_u64() % share);
    victims.into_iter().zip(moments).collect()
}

#[test]
fn fifty_kills_cost_little_and_spoil_nothing() {
    let mut random = Pcg64::seed_from_u64(SEED);
    let bench = KillBench::new(SIZE, &mut random);
    let mut server = Server::start(&bench, None);
    let mut client = Client::start(&bench, &server);
    let (mut kills, mut sent) = (0, 0);
    for (victim, moment) in plan(&mut random) {
        let at = format!("seed {SEED}, {victim:?} killed at {moment} bytes, after {kills} kills");
        bench.wait_for_bytes(moment, &mut client, &at);
        if victim != Victim::Server {
            client.kill();
            kills += 1;
        }
        assert!(!bench.is_finished(), "{at}");
        if victim != Victim::Client {
            let address = server.address;
            sent += server.kill();
            server = Server::start(&bench, Some(address));
            kills += 1;
        }
        if victim != Victim::Server {
            client = Client::start(&bench, &server);
        }
    }
    let (blake3, kept) = client.end().unwrap();
    sent += server.kill();
    assert_eq!((blake3, bench.hash_of_download()), (bench.hash(), bench.hash()), "seed {SEED}");
    assert_eq!(bench.downloads(), ["big"], "nothing else is left");
    assert!(kills >= 50 && kept > SIZE / 2, "{kills} kills, {kept} bytes kept by the last");
    let again = sent.saturating_sub(SIZE);
    println!("{kills} kills: {again} bytes were sent again, {} a kill", again / kills);
    assert!(again <= kills * AGAIN_MAX, "seed {SEED}: {again} bytes again in {kills} kills");
}

/// No test of its own: what the test above runs as another process.
#[test]
fn downloading_child() {
    if let Ok(order) = std::env::var(CHILD) {
        kill_bench::download_as_told(&order);
    }
}
