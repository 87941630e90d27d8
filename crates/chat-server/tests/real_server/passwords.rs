//! Two hundred people with passwords at the same moment: each password takes tens of milliseconds of a core, and
//! 19 MiB.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, RefusalCode};

use crate::support::{Client, ServerProcess};

const PEOPLE: usize = 200;

/// Passwords in memory at once: the queue of 64 holds no such memory, at most so many threads do.
const HASH_KIB: u64 = 19 * 1024;
const THREADS_MAX: u64 = 4;

/// What memory may move by for other reasons: 200 connections, and allocators.
const SLACK_KIB: u64 = 128 * 1024;

fn name(number: usize) -> String {
    format!("pupil {number}")
}

/// Asks until the server has time for it. Whoever is asked to wait is told until when.
fn ask_patiently(client: &mut Client, request: &Ask, busy: &AtomicUsize) -> Body {
    loop {
        match client.ask(request.clone()) {
            Body::Refused(it) if it.code() == RefusalCode::ServerBusy => {
                busy.fetch_add(1, Ordering::Relaxed);
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
                let now = i64::try_from(now.as_millis()).unwrap();
                assert!(it.time_ms > 0, "{it:?}");
                let wait = u64::try_from(it.time_ms - now).unwrap_or(0).min(2000);
                thread::sleep(Duration::from_millis(wait));
            }
            answer => return answer,
        }
    }
}

#[test]
fn two_hundred_log_ins_with_passwords_at_once_all_come_in_and_the_chat_goes_on() {
    // A place for each: on a slow machine they would lose theirs to one another while they wait for their turn.
    let server = ServerProcess::with_config(&format!("[limits]\nnewcomers = {}", PEOPLE + 2));
    let (mut ann, mut bob) = (server.log_in("ann"), server.log_in("bob"));
    let (busy, at_once) = (AtomicUsize::new(0), Barrier::new(PEOPLE));
    let come = |number: usize| {
        let mut client = server.greet();
        client.log_in(&name(number));
        at_once.wait();
        let password = format!("password of {number}");
        let register = Ask::Register(wire::Register {
            password: password.clone(),
            ..wire::Register::default()
        });
        let answer = ask_patiently(&mut client, &register, &busy);
        assert!(matches!(answer, Body::Done(_)), "{answer:?}");
        client.send(Ask::LogOut(wire::LogOut {}));
        client.read_to_end();
        // On a machine that has no token.
        let log_in = wire::LogIn { name: name(number), password, ..wire::LogIn::default() };
        let mut client = server.greet();
        let answer = ask_patiently(&mut client, &Ask::LogIn(log_in), &busy);
        assert!(matches!(answer, Body::LoggedIn(_)), "{answer:?}");
        client
    };
    let before = server.memory_kib();
    let mut memory = before;
    thread::scope(|scope| {
        let crowd: Vec<_> = (0..PEOPLE).map(|number| scope.spawn(move || come(number))).collect();
        // Meanwhile others talk, as fast as they may.
        while crowd.iter().any(|pupil| !pupil.is_finished()) {
            match ann.say("bob", "still here") {
                Body::MessageAccepted(_) => while !matches!(bob.event(), Body::Message(_)) {},
                Body::Refused(it) if it.code() == RefusalCode::SlowDown => {
                    thread::sleep(Duration::from_millis(100));
                }
                other => panic!("{other:?}"),
            }
            memory = memory.max(server.memory_kib());
        }
        crowd.into_iter().for_each(|pupil| drop(pupil.join().unwrap()));
    });
    let allowed = before + THREADS_MAX * HASH_KIB + SLACK_KIB;
    assert!(memory <= allowed, "{memory} KiB, {before} before");
}
