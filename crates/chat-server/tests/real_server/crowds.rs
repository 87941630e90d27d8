//! Many who come at the same moment from one address: a classroom behind a router.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;

use common::wire::server_frame::Body;

use crate::support::ServerProcess;

const CROWD: usize = 300;

#[test]
fn a_classroom_behind_one_address_gets_in_at_the_first_try() {
    // Far fewer places than people, so that most of them have to wait in line.
    let server = ServerProcess::with_config("[limits]\nnewcomers = 4");
    let all_are_here = Barrier::new(CROWD);
    let names: HashSet<String> = thread::scope(|scope| {
        let come = |number: usize| {
            let (server, all_are_here) = (&server, &all_are_here);
            scope.spawn(move || {
                all_are_here.wait();
                let mut client = server.greet();
                let name = client.log_in(&format!("pupil {number}")).name;
                (client, name)
            })
        };
        let pupils: Vec<_> = (0..CROWD).map(come).collect();
        // Nobody leaves before all are in.
        let pupils: Vec<_> = pupils.into_iter().map(|pupil| pupil.join().unwrap()).collect();
        pupils.into_iter().map(|(_client, name)| name).collect()
    });
    assert_eq!(names.len(), CROWD);
}

#[test]
fn strangers_leave_files_for_who_is_there() {
    const FILES: u32 = 256;
    let server = ServerProcess::with_few_files(FILES);
    let mut ann = server.log_in("ann");
    let (host, port) = (server.link.server.host.as_str(), server.link.server.port);
    let strangers: Vec<TcpStream> =
        (0..2 * FILES).map(|_| TcpStream::connect((host, port)).unwrap()).collect();
    assert!(matches!(ann.say("#lobby", "still here"), Body::MessageAccepted(_)));
    assert_eq!(server.order(&["user", "list"]), "");
    let _in_spite_of_them = server.log_in("bob");
    drop(strangers);
    let (status, log, _folder) = server.terminate();
    assert!(status.success() && !log.contains("cannot accept"), "{log}");
}

#[test]
fn strangers_in_line_do_not_keep_a_server_from_ending() {
    let server = ServerProcess::with_config("[limits]\nnewcomers = 2");
    let host = server.link.server.host.clone();
    let port = server.link.server.port;
    let silent: Vec<TcpStream> =
        (0..8).map(|_| TcpStream::connect((host.as_str(), port)).unwrap()).collect();
    let (status, log, _folder) = server.terminate();
    assert!(status.success(), "{log}");
    for mut stream in silent {
        // Closed or reset, either ends it.
        let _ = stream.write_all(b"x");
        assert!(!matches!(stream.read(&mut [0; 64]), Ok(1..)));
    }
}
