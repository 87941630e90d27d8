//! An upload whose bytes are all there, while the server checks them: what a person sees, and a server that
//! ends in the middle of it.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use crate::files::hash_of;
use crate::support::{Listener, PATIENCE, Person, Server};

/// Checking it takes the server long enough to be found at it.
const SIZE: u64 = 1 << 30;
/// A server that has read so much reads the part: nothing else that it does here reads that much.
const READ: u64 = 16 << 20;

/// A server that checks an upload, its client, and the hash of the file.
struct Settling {
    server: Server,
    bob: Person,
    putting: Listener,
    hash: String,
}

impl Settling {
    /// `start`: how the client is started.
    fn begin(start: impl FnOnce(&Person, &Server) -> Listener) -> Self {
        let server = Server::start_with("[uploads]\nenabled = true\n");
        let bob = Person::new("bob");
        let path = bob.home().join("large.bin");
        File::create(&path).unwrap().set_len(SIZE).unwrap();
        let hash = hash_of(&path);
        let at_start = server.bytes_read();
        let putting = start(&bob, &server);
        let begun = Instant::now();
        while server.bytes_read() < at_start + READ {
            assert!(begun.elapsed() < PATIENCE, "no check: {:?}", putting.lines_so_far());
            std::thread::yield_now();
        }
        Self { server, bob, putting, hash }
    }

    /// As a script starts it.
    fn begin_as_json() -> Self {
        Self::begin(|bob, server| bob.start(&server.link, &["--json", "put", "large.bin"]))
    }

    /// The server ended: the file was not through, and all of it is still there.
    #[track_caller]
    fn assert_interrupted(&self) {
        let names = names(&self.server.files());
        assert!(names.len() == 1 && names[0].starts_with(".upload-"), "{names:?}");
        let part = self.server.files().join(&names[0]);
        assert_eq!(fs::metadata(part).unwrap().len(), SIZE);
    }

    /// A server is there again: the upload ends well, and nothing of it is sent once more.
    #[track_caller]
    fn finish(mut self) {
        self.server.start_again();
        let finished = self.putting.skip_to("finished");
        assert_eq!(self.putting.exit_code(), Some(0));
        assert_eq!(
            (&finished["path"], &finished["blake3"]),
            (&"large.bin".into(), &self.hash.as_str().into())
        );
        assert_eq!(names(&self.server.files()), ["large.bin"]);
        assert_eq!(hash_of(&self.server.files().join("large.bin")), self.hash);
        drop(self.bob);
    }
}

fn names(files: &Path) -> Vec<String> {
    let entries = fs::read_dir(files).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_server_killed_while_it_checks_checks_again() {
    let mut settling = Settling::begin_as_json();
    settling.server.kill();
    settling.assert_interrupted();
    settling.finish();
}

#[test]
fn a_server_that_is_told_to_end_does_not_check_to_the_end() {
    let mut settling = Settling::begin_as_json();
    let status = settling.server.terminate();
    assert_eq!(status.code(), Some(0), "cleanly");
    settling.assert_interrupted();
    settling.finish();
}

#[test]
fn a_person_sees_that_it_is_checked() {
    let settling =
        Settling::begin(|bob, server| bob.start_on_terminal(&server.link, &["put", "large.bin"]));
    // It takes as long as somebody needs to look.
    settling.server.sleep();
    let shown = settling.putting.shows("Checking …");
    assert!(shown.ends_with("Checking …"), "nothing else is shown over it: {shown:?}");
    settling.server.go_on();
    let mut putting = settling.putting;
    putting.shows("Stored 1.1 GB as large.bin");
    assert_eq!(putting.exit_code(), Some(0));
}
