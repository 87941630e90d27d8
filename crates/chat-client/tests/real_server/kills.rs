//! A download by the command line, whose both ends are killed on the way.

use std::fs;
use std::path::Path;
use std::time::Instant;

use rand::{RngCore, SeedableRng};

use crate::files::wait_for_file;
use crate::support::{Listener, PATIENCE, Person, Server};

const SIZE: usize = 512 << 20;
/// Written at these bytes, who is killed.
const KILLS: [(u64, Victim); 6] = [
    (20 << 20, Victim::Client),
    (90 << 20, Victim::Client),
    (170 << 20, Victim::Server),
    (260 << 20, Victim::Both),
    (350 << 20, Victim::Both),
    (430 << 20, Victim::Client),
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Victim {
    Both,
    Client,
    Server,
}

#[test]
fn killed_on_the_way_it_goes_on_where_it_was() {
    let mut server = Server::start();
    let mut bytes = vec![0; SIZE];
    rand::rngs::SmallRng::seed_from_u64(5).fill_bytes(&mut bytes);
    fs::write(server.files().join("big"), &bytes).unwrap();
    let bob = Person::new("bob");
    wait_for_file(&bob, &server, "big");
    let folder = bob.home().join("downloads");
    fs::create_dir(&folder).unwrap();
    let target = folder.join("big");
    let get = |server: &Server| {
        bob.start(&server.link, &["--json", "get", "big", "-o", target.to_str().unwrap()])
    };
    let mut client = get(&server);
    for (moment, victim) in KILLS {
        wait_for_bytes(&folder.join("big.part"), moment, &client);
        assert!(!target.exists(), "{victim:?} at {moment}");
        client = match victim {
            Victim::Client => {
                client.kill();
                get(&server)
            }
            Victim::Server => {
                restart(&mut server);
                client
            }
            Victim::Both => {
                client.kill();
                restart(&mut server);
                get(&server)
            }
        };
    }
    let finished = client.skip_to("finished");
    assert_eq!(finished["blake3"], blake3::hash(&bytes).to_hex().as_str());
    let kept = finished["resumed_from"].as_u64().unwrap();
    assert!(kept > 400 << 20, "{kept} bytes were kept");
    assert_eq!(client.exit_code(), Some(0));
    assert!(fs::read(&target).unwrap() == bytes);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
}

fn restart(server: &mut Server) {
    server.kill();
    server.start_again();
}

/// Until the part file reaches so far.
fn wait_for_bytes(part: &Path, bytes: u64, client: &Listener) {
    let begun = Instant::now();
    while fs::metadata(part).map_or(0, |part| part.len()) < bytes {
        assert!(begun.elapsed() < PATIENCE, "no {bytes} bytes: {:?}", client.lines_so_far());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
