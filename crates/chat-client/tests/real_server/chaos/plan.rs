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
    /// How the disk is from the first messages on.
    pub(super) disk: Disk,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Disk {
    Well,
    /// It runs full.
    Full(Room),
    /// It takes its time.
    Slow,
}

/// When there is room again on a disk that ran full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Room {
    BeforeTheKill,
    BeforeTheNextStart,
    InTheNextLife,
}

impl Plan {
    /// The plan of the usual seed and length, or of those that the environment names.
    pub(super) fn from_environment(kills: usize, disk: fn(&mut SmallRng) -> Disk) -> Self {
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let kills = number("SIMPLECHAT_CHAOS_KILLS").map_or(kills, |it| it.try_into().unwrap());
        Self::new(number("SIMPLECHAT_CHAOS_SEED").unwrap_or(1), kills, disk)
    }

    fn new(seed: u64, kills: usize, disk: fn(&mut SmallRng) -> Disk) -> Self {
        // Shown with the failure, should there be one.
        eprintln!("SIMPLECHAT_CHAOS_SEED={seed} SIMPLECHAT_CHAOS_KILLS={kills}");
        let mut random = SmallRng::seed_from_u64(seed);
        let kills = (0..kills).map(|_| Kill::new(&mut random, disk)).collect();
        let [a, b] = rand::random();
        Self { seed, kills, address: Ipv4Addr::new(127, 77, a, b) }
    }
}

impl Kill {
    fn new(random: &mut SmallRng, disk: fn(&mut SmallRng) -> Disk) -> Self {
        let disk = disk(random);
        let starts = if random.random_bool(0.2) { random.random_range(1..=2) } else { 0 };
        Self {
            while_starting: (0..starts).map(|_| random.random_range(0..BYTES_OF_A_START)).collect(),
            // Few more often than many: the first moments of a life are the most of what it does.
            acknowledged: 1 + random.random_range(0..8_usize).pow(2),
            // Until they were, a disk that runs full would have been written full.
            all_are_back: random.random_bool(0.1) && !matches!(disk, Disk::Full(_)),
            disk,
        }
    }
}

impl Disk {
    pub(super) fn well(_: &mut SmallRng) -> Self {
        Self::Well
    }

    pub(super) fn often_full(random: &mut SmallRng) -> Self {
        match random.random_range(0..4) {
            0 => Self::Full(Room::BeforeTheKill),
            1 => Self::Full(Room::BeforeTheNextStart),
            2 => Self::Full(Room::InTheNextLife),
            _ => Self::Well,
        }
    }

    pub(super) fn often_slow(random: &mut SmallRng) -> Self {
        if random.random_bool(0.8) { Self::Slow } else { Self::Well }
    }
}
