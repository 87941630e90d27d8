//! The server killed hundreds of times under load, by a plan that follows from a seed. What was
//! acknowledged is in the log once, and who stays through all of it hears everything once and in order.
//!
//! `SIMPLECHAT_CHAOS_SEED` and `SIMPLECHAT_CHAOS_KILLS` make another plan, or a longer one.

mod disk;
mod ledger;
mod plan;
mod talker;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use common::wire::RefusalCode;

use crate::support::{PATIENCE, Server};
use disk::{Ballast, Stalls};
use ledger::Ledger;
use plan::{Disk, Kill, Plan, Room};
use talker::{Diary, Doing, Member, Orders, Talker, Told};

const FAST: &str = "[limits]\nmessages_burst = 1000000\nmessages_per_second = 1000000";

const KILLS: usize = 200;

/// The same with a slow disk, where each takes longer, …
const KILLS_SLOW: usize = 50;

/// … and with a full one, where each leaves some megabytes on a small disk.
const KILLS_FULL: usize = 25;

/// Messages that are refused before there is room again.
const REFUSALS: usize = 20;

/// Names the folder on the small disk to the test that runs there.
const SMALL_DISK: &str = "SIMPLECHAT_SMALL_DISK";

/// Stay through all kills, and come back when their sessions do.
const MEMBERS: [&str; 5] = ["ann", "bob", "cy", "dora", "eve"];

/// Are back as soon as the server is, so that there is load in each of its lives.
const WRITERS: [&str; 3] = ["gus", "hal", "ida"];

const EVERYBODY: [&str; 8] = ["ann", "bob", "cy", "dora", "eve", "gus", "hal", "ida"];

/// Members that failed to find the server wait for up to 30 s before they try again.
const ALL_ARE_BACK: Duration = PATIENCE.saturating_mul(2);

/// A server, and who talks on it.
struct Chaos {
    seed: u64,
    server: Server,
    /// The disk that the server is on, and what fills it.
    place: PathBuf,
    ballast: Option<Ballast>,
    members: Vec<Member>,
    writers: Vec<Talker>,
    orders: Orders,
    told: Receiver<Told>,
    tell: Sender<Told>,
    /// Members whose session is logged in, as far as they have told.
    back: HashSet<&'static str>,
}

impl Chaos {
    /// Everybody has been there before the first message.
    fn begin(place: &Path, plan: &Plan) -> Self {
        // An address of its own: while the server is down nobody else's connection takes its port.
        let server = Server::start_at(place, &format!("{}:0", plan.address), FAST);
        let (orders, (tell, told)) = (Orders::default(), channel());
        let talker = |(seed, name)| Talker::new(name, &EVERYBODY, plan.seed ^ seed);
        let members = (1..).zip(MEMBERS).map(talker);
        let members = members.map(|it| it.stay(&server.link, &orders, &tell)).collect();
        let writers = (100..).zip(WRITERS).map(talker).collect();
        let back = HashSet::new();
        let (seed, place, ballast) = (plan.seed, place.to_owned(), None);
        let mut chaos =
            Self { seed, server, place, ballast, members, writers, orders, told, tell, back };
        let begun = chaos.wait(|seen| seen.begun == MEMBERS.len());
        chaos.kill();
        begun.expect("everybody begins");
        chaos.orders.may_write.store(true, Ordering::Relaxed);
        chaos
    }

    /// Hears what is told until there is enough of it.
    fn wait(&mut self, is_enough: impl Fn(&Seen) -> bool) -> Result<(), Seen> {
        let (begun, mut seen) = (Instant::now(), Seen::default());
        while !is_enough(&seen) {
            let left = ALL_ARE_BACK.saturating_sub(begun.elapsed());
            let Ok(Told { name, doing }) = self.told.recv_timeout(left) else { return Err(seen) };
            match doing {
                Doing::Accepted => {
                    seen.accepted += 1;
                    seen.members.extend(MEMBERS.contains(&name).then_some(name));
                }
                Doing::Back => drop(self.back.insert(name)),
                Doing::Begun => seen.begun += 1,
                Doing::Full => seen.full += 1,
                Doing::Gone => drop(self.back.remove(name)),
            }
        }
        Ok(())
    }

    /// One life of the server, and its end.
    fn live(&mut self, kill: &Kill) {
        for bytes_read in &kill.while_starting {
            self.server.start_and_kill(*bytes_read);
        }
        self.start_again();
        let is_full_now_or_later = self.ballast.is_some() || matches!(kill.disk, Disk::Full(_));
        self.orders.without_end.store(is_full_now_or_later, Ordering::Relaxed);
        let mut writers = std::mem::take(&mut self.writers);
        thread::scope(|scope| {
            for writer in &mut writers {
                let link = self.server.link.clone();
                let (orders, tell) = (self.orders.clone(), self.tell.clone());
                scope.spawn(move || writer.talk_once(&link, &orders, &tell));
            }
            let lived = self.until_the_kill(kill);
            // First of all: the writers write until then.
            self.server.kill();
            lived.expect("acknowledgements");
        });
        if kill.disk == Disk::Full(Room::BeforeTheNextStart) {
            self.ballast = None;
        }
        self.writers = writers;
        self.forget_who_is_back();
    }

    /// A server that finds its disk full may say so and end instead.
    fn start_again(&mut self) {
        if let Err((status, words)) = self.server.try_start_again() {
            let is_because_of_the_disk = self.ballast.is_some() && words.contains("disk is full");
            assert!(!status.success() && is_because_of_the_disk, "{status}: {words}");
            eprintln!("    {words}");
            self.ballast = None;
            self.server.start_again();
        }
    }

    /// What happens in a life up to its end.
    fn until_the_kill(&mut self, kill: &Kill) -> Result<(), Seen> {
        if self.ballast.is_some() {
            self.wait(|seen| seen.full >= REFUSALS)?;
            self.ballast = None;
        }
        let is_enough = |seen: &Seen| {
            let all_are_back = seen.members.len() == MEMBERS.len();
            seen.accepted >= kill.acknowledged && (all_are_back || !kill.all_are_back)
        };
        match kill.disk {
            Disk::Well => self.wait(is_enough),
            Disk::Slow => {
                let _stalls = Stalls::of(&self.server.stored(), self.seed);
                self.wait(is_enough)
            }
            Disk::Full(room) => {
                self.wait(is_enough)?;
                self.ballast = Some(Ballast::fill(&self.place));
                self.wait(|seen| seen.full >= REFUSALS)?;
                if room != Room::BeforeTheKill {
                    return Ok(());
                }
                self.ballast = None;
                self.wait(is_enough)
            }
        }
    }

    fn kill(&mut self) {
        self.server.kill();
        self.forget_who_is_back();
    }

    /// Those who stay notice the end, too: who is back from now on is so in the next life.
    fn forget_who_is_back(&mut self) {
        while !self.back.is_empty() {
            let told = self.told.recv_timeout(PATIENCE).expect("a broken connection is noticed");
            if told.doing == Doing::Gone {
                self.back.remove(told.name);
            }
        }
    }

    /// The last life: nobody writes anything new, and everything reaches everybody. `of_disk`: why messages
    /// may have been refused.
    fn finish(mut self, of_disk: Option<RefusalCode>) {
        self.ballast = None;
        self.orders.may_write.store(false, Ordering::Relaxed);
        self.server.start_again();
        let Self { server, members, writers, orders, tell, .. } = self;
        let stay = |writer: Talker| writer.stay(&server.link, &orders, &tell);
        let writers: Vec<Member> = writers.into_iter().map(stay).collect();
        let deadline = Instant::now() + ALL_ARE_BACK;
        for talker in members.iter().chain(&writers) {
            talker.wait_until(deadline, Diary::is_settled);
        }
        let ledger = Ledger::read(&server);
        for member in &members {
            let expected = ledger.told_to(member.name);
            member.wait_until(deadline, |diary| diary.heard_count() >= expected);
        }
        // Whatever comes too often has come by the time at which they have logged out.
        let log_out =
            |talkers: Vec<Member>| -> Vec<_> { talkers.into_iter().map(Member::log_out).collect() };
        let (members, writers) = (log_out(members), log_out(writers));
        let ledger = Ledger::read(&server);
        ledger.check_itself();
        members
            .iter()
            .chain(&writers)
            .for_each(|(name, it)| ledger.check_written(name, it, of_disk));
        members.iter().for_each(|(name, diary)| ledger.check_heard(name, diary));
        eprintln!("{} messages are stored", ledger.len());
    }
}

/// What was told since the wait began.
#[derive(Debug, Default)]
struct Seen {
    begun: usize,
    accepted: usize,
    /// Refused because there is no room.
    full: usize,
    /// Members with something acknowledged.
    members: HashSet<&'static str>,
}

/// Carries out a plan. `of_disk`: why messages may be refused.
fn check(place: &Path, plan: &Plan, of_disk: Option<RefusalCode>) {
    let mut chaos = Chaos::begin(place, plan);
    for (number, kill) in plan.kills.iter().enumerate() {
        eprintln!("{number}: {kill:?}");
        chaos.live(kill);
    }
    chaos.finish(of_disk);
}

#[test]
fn hundreds_of_kills_lose_nothing_that_was_acknowledged_and_tell_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    check(folder.path(), &Plan::from_environment(KILLS, Disk::well), None);
}

#[test]
fn a_slow_disk_loses_nothing_that_was_acknowledged_and_tells_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::from_environment(KILLS_SLOW, Disk::often_slow);
    // A commit that waits for longer than the server does is refused.
    check(folder.path(), &plan, Some(RefusalCode::StorageFailed));
}

#[test]
#[ignore = "needs a disk of its own to fill: scripts/test.sh runs it where the system allows that"]
fn a_full_disk_loses_nothing_that_was_acknowledged_and_tells_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=128m tmpfs "$1" && exec "$2" chaos::on_a_small_disk --exact --ignored --nocapture"#;
    let status = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .env(SMALL_DISK, folder.path())
        .status();
    assert!(status.unwrap().success());
}

#[test]
#[ignore = "no test of its own: the one above runs it on its small disk"]
fn on_a_small_disk() {
    let place = std::env::var(SMALL_DISK).unwrap();
    let plan = Plan::from_environment(KILLS_FULL, Disk::often_full);
    check(Path::new(&place), &plan, Some(RefusalCode::StorageFull));
}
