//! When the server is killed: by counts, not by the clock, and the same for the same seed.

use std::net::Ipv4Addr;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// A server that has read so much from files serves already.
const BYTES_OF_A_START: u64 = 120_000;

/// All that chance decides.
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) kills: Vec<Kill>,
    /// Where the server listens: another one each time.
    pub(super) address: Ipv4Addr,
}

/// A life of the server, by its end.
#[derive(Debug)]
pub(super) struct Kill {
    /// Lives before it that end while the server starts: when it has read so many bytes from files.
    pub(super) while_starting: Vec<u64>,
    /// So many messages were acknowledged.
    pub(super) acknowledged: usize,
    /// Every member was there again, and had a message acknowledged.
    pub(super) all_are_back: bool,
}

impl Plan {
    /// The plan of the usual seed and length, or of those that the environment names.
    pub(super) fn from_environment(kills: usize) -> Self {
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let kills = number("SIMPLECHAT_CHAOS_KILLS").map_or(kills, |it| it.try_into().unwrap());
        Self::new(number("SIMPLECHAT_CHAOS_SEED").unwrap_or(1), kills)
    }

    fn new(seed: u64, kills: usize) -> Self {
        // Shown with the failure, should there be one.
        eprintln!("SIMPLECHAT_CHAOS_SEED={seed} SIMPLECHAT_CHAOS_KILLS={kills}");
        let mut random = SmallRng::seed_from_u64(seed);
        let kills = (0..kills).map(|_| Kill::new(&mut random)).collect();
        let [a, b] = rand::random();
        Self { seed, kills, address: Ipv4Addr::new(127, 77, a, b) }
    }
}

impl Kill {
    fn new(random: &mut SmallRng) -> Self {
        let starts = if random.random_bool(0.2) { random.random_range(1..=2) } else { 0 };
        Self {
            while_starting: (0..starts).map(|_| random.random_range(0..BYTES_OF_A_START)).collect(),
            // Few more often than many: the first moments of a life are the most of what it does.
            acknowledged: 1 + random.random_range(0..8_usize).pow(2),
            all_are_back: random.random_bool(0.1),
        }
    }
}
