//! The server killed hundreds of times under load, by a plan that follows from a seed. What was
//! acknowledged is in the log once, and who stays through all of it hears everything once and in order.
//!
//! `SIMPLECHAT_CHAOS_SEED` and `SIMPLECHAT_CHAOS_KILLS` make another plan, or a longer one.

mod ledger;
mod plan;
mod talker;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Server};
use ledger::Ledger;
use plan::{Kill, Plan};
use talker::{Diary, Doing, Member, Orders, Talker, Told};

const FAST: &str = "[limits]\nmessages_burst = 1000000\nmessages_per_second = 1000000";

const KILLS: usize = 200;

/// Stay through all kills, and come back when their sessions do.
const MEMBERS: [&str; 5] = ["ann", "bob", "cy", "dora", "eve"];

/// Are back as soon as the server is, so that there is load in each of its lives.
const WRITERS: [&str; 3] = ["gus", "hal", "ida"];

const EVERYBODY: [&str; 8] = ["ann", "bob", "cy", "dora", "eve", "gus", "hal", "ida"];

/// Members that failed to find the server wait for up to 30 s before they try again.
const ALL_ARE_BACK: Duration = PATIENCE.saturating_mul(2);

/// A server, and who talks on it.
struct Chaos {
    server: Server,
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
        let mut chaos = Self { server, members, writers, orders, told, tell, back };
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
        self.server.start_again();
        let mut writers = std::mem::take(&mut self.writers);
        thread::scope(|scope| {
            for writer in &mut writers {
                let link = self.server.link.clone();
                let (orders, tell) = (self.orders.clone(), self.tell.clone());
                scope.spawn(move || writer.talk_once(&link, &orders, &tell));
            }
            let waited = self.wait(|seen| {
                let all_are_back = seen.members.len() == MEMBERS.len();
                seen.accepted >= kill.acknowledged && (all_are_back || !kill.all_are_back)
            });
            // First of all: the writers write until then.
            self.server.kill();
            waited.expect("acknowledgements");
        });
        self.writers = writers;
        self.forget_who_is_back();
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

    /// The last life: nobody writes anything new, and everything reaches everybody.
    fn finish(mut self) {
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
        members.iter().chain(&writers).for_each(|(name, it)| ledger.check_written(name, it));
        members.iter().for_each(|(name, diary)| ledger.check_heard(name, diary));
        eprintln!("{} messages are stored", ledger.len());
    }
}

/// What was told since the wait began.
#[derive(Debug, Default)]
struct Seen {
    begun: usize,
    accepted: usize,
    /// Members with something acknowledged.
    members: HashSet<&'static str>,
}

#[test]
fn hundreds_of_kills_lose_nothing_that_was_acknowledged_and_tell_nothing_twice() {
    let plan = Plan::from_environment(KILLS);
    let folder = tempfile::tempdir().unwrap();
    let mut chaos = Chaos::begin(folder.path(), &plan);
    for (number, kill) in plan.kills.iter().enumerate() {
        eprintln!("{number}: {kill:?}");
        chaos.live(kill);
    }
    chaos.finish();
}
