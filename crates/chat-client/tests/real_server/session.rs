//! The session as the window uses it: through its two channels, without a runtime.

use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, Instant};

use chat_client::command::{
    Command, DownloadId, MessageId, ServerAddress, TransportChoice, UploadId,
};
use chat_client::error::{DownloadFailure, EndReason};
use chat_client::event::{DownloadChange, Event, FilesChange, OnlineChange, UploadChange};
use chat_client::session::{self, Patience, SessionConfig, SessionHandle};
use common::conversation::Conversation;
use file_transfer::download::DownloadError;
use tempfile::TempDir;

use crate::support::{PATIENCE, Person, Server};

/// A user interface of few words.
struct Window {
    session: SessionHandle,
    folder: TempDir,
}

impl Window {
    fn open(server: &Server, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = SessionConfig {
            config_dir: folder.path().join("config"),
            state_dir: folder.path().join("state"),
            agent: "test".into(),
            catches_up: true,
            patience: Patience::default(),
        };
        let window = Self { session: session::start(config), folder };
        let address: ServerAddress = server.link.parse().unwrap();
        window.ask(Command::Connect { server: address });
        window.wait_for(|event| matches!(event, Event::NeedsLogIn { .. }));
        window.ask(Command::LogIn { name: name.into(), password: None });
        window.wait_for(|event| matches!(event, Event::LoggedIn { .. }));
        window
    }

    fn ask(&self, command: Command) {
        self.session.commands.try_send(command).unwrap();
    }

    /// The first event that fits; those before it are gone.
    #[track_caller]
    fn wait_for(&self, mut fits: impl FnMut(&Event) -> bool) -> Event {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            match self.session.events.try_recv() {
                Ok(event) if fits(&event) => return event,
                Ok(event) => seen.push(event),
                Err(async_channel::TryRecvError::Empty) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(error) => panic!("{error} after {seen:?}"),
            }
        }
    }

    fn download(&self, number: u64, path: &str) {
        self.ask(Command::Download {
            id: DownloadId(number),
            path: path.into(),
            save_as: self.folder.path().join(format!("{number}.bin")),
            transport: TransportChoice::Auto,
        });
    }
}

#[test]
fn the_lists_follow_the_login_and_change_while_open() {
    let server = Server::start();
    let window = Window::open(&server, "ann");
    let online = window.wait_for(|event| matches!(event, Event::Online(_)));
    assert!(matches!(online, Event::Online(OnlineChange::Reset { names, .. }) if names == ["ann"]));
    let files = window.wait_for(|event| matches!(event, Event::Files(_)));
    assert!(matches!(files, Event::Files(FilesChange::Reset(files)) if files.is_empty()));

    std::fs::write(server.files().join("new.txt"), "new").unwrap();
    let change = |event: &Event| matches!(event, Event::Files(FilesChange::Changed(file)) if file.path == "new.txt" && file.size == 3);
    window.wait_for(change);
    std::fs::remove_file(server.files().join("new.txt")).unwrap();
    window.wait_for(
        |event| matches!(event, Event::Files(FilesChange::Removed { path }) if path == "new.txt"),
    );
    let _bob = Person::new("bob").listen(&server.link);
    window.wait_for(
        |event| matches!(event, Event::Online(OnlineChange::Joined(name)) if name == "bob"),
    );
}

#[test]
fn a_cancelled_download_leaves_nothing_and_the_chat_goes_on_meanwhile() {
    let server = Server::start();
    let window = Window::open(&server, "ann");
    File::create(server.files().join("large.bin")).unwrap().set_len(8 << 30).unwrap();
    window.wait_for(|event| matches!(event, Event::Files(FilesChange::Changed(_))));
    window.download(1, "large.bin");
    window.wait_for(|event| {
        matches!(event, Event::Download { change: DownloadChange::Progress { .. }, .. })
    });
    let id = MessageId::random();
    window.ask(Command::Send { id, to: Conversation::lobby(), text: "still here".into() });
    window.wait_for(|event| matches!(event, Event::MessageAccepted { id: of, .. } if *of == id));
    window.ask(Command::CancelDownload { id: DownloadId(1) });
    window.wait_for(|event| {
        let Event::Download { change: DownloadChange::Failed(failure), .. } = event else {
            return false;
        };
        matches!(failure, DownloadFailure::Transfer(error)
            if matches!(**error, DownloadError::Cancelled))
    });
    let parts = std::fs::read_dir(window.folder.path()).unwrap();
    let left = parts
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("1.bin"));
    assert_eq!(left.count(), 0);
}

#[test]
fn more_downloads_than_the_server_allows_all_finish() {
    let server = Server::start();
    std::fs::write(server.files().join("a.bin"), vec![7; 300_000]).unwrap();
    let window = Window::open(&server, "ann");
    window.wait_for(|event| {
        matches!(event, Event::Files(FilesChange::Reset(files)) if files.len() == 1)
            || matches!(event, Event::Files(FilesChange::Changed(_)))
    });
    (1..=9).for_each(|number| window.download(number, "a.bin"));
    for _ in 1..=9 {
        window.wait_for(|event| {
            assert!(!is_failed(event), "{event:?}");
            matches!(event, Event::Download { change: DownloadChange::Finished { .. }, .. })
        });
    }
    for number in 1..=9 {
        let file = std::fs::read(window.folder.path().join(format!("{number}.bin"))).unwrap();
        assert_eq!(file, vec![7; 300_000]);
    }
}

/// Each direction has places of its own: neither waits for the other.
#[test]
fn a_full_set_of_downloads_leaves_an_upload_its_place_and_a_further_download_waits() {
    // So slow that 8 GiB take a quarter of an hour; uploads are not counted in this rate.
    let config = "[uploads]\nenabled = true\n[transfer]\nbytes_per_second_per_user = 8388608\n";
    let server = Server::start_with(config);
    File::create(server.files().join("large.bin")).unwrap().set_len(8 << 30).unwrap();
    let window = Window::open(&server, "ann");
    window.wait_for(|event| {
        matches!(event, Event::Files(FilesChange::Reset(files)) if files.len() == 1)
            || matches!(event, Event::Files(FilesChange::Changed(_)))
    });
    (1..=4).for_each(|number| window.download(number, "large.bin"));
    let mut waiting = BTreeSet::from([1, 2, 3, 4]);
    while !waiting.is_empty() {
        window.wait_for(|event| {
            assert!(!is_failed(event), "{event:?}");
            running(event).is_some_and(|number| waiting.remove(&number))
        });
    }
    window.download(5, "large.bin");
    window.wait_for(|event| {
        assert!(!is_failed(event), "{event:?}");
        matches!(
            event,
            Event::Download { id: DownloadId(5), change: DownloadChange::Queued { position: 1 } }
        )
    });

    let file = window.folder.path().join("mine.bin");
    std::fs::write(&file, vec![7; 3_000_000]).unwrap();
    let (id, path) = (UploadId(1), "mine.bin".into());
    window.ask(Command::Upload { id, file, path, transport: TransportChoice::Auto });
    window.wait_for(|event| {
        assert!(!is_failed(event) && running(event) != Some(5), "{event:?}");
        matches!(event, Event::Upload { change: UploadChange::Finished { .. }, .. })
    });
    assert_eq!(std::fs::read(server.files().join("mine.bin")).unwrap(), vec![7; 3_000_000]);

    // The place of one that is given up goes to the one in line.
    window.ask(Command::CancelDownload { id: DownloadId(2) });
    window.wait_for(|event| running(event) == Some(5));
}

/// The number of the download of which bytes have come.
fn running(event: &Event) -> Option<u64> {
    match event {
        Event::Download { id, change: DownloadChange::Progress { bytes, .. } } if *bytes > 0 => {
            Some(id.0)
        }
        _ => None,
    }
}

fn is_failed(event: &Event) -> bool {
    matches!(event, Event::Download { change: DownloadChange::Failed(_), .. })
}

#[test]
fn a_log_out_ends_the_session() {
    let server = Server::start();
    let window = Window::open(&server, "ann");
    window.ask(Command::LogOut);
    window.wait_for(|event| matches!(event, Event::Ended(EndReason::LoggedOut)));
    assert!(window.session.events.recv_blocking().is_err());
}

#[test]
fn a_window_that_just_goes_away_logs_out() {
    let server = Server::start();
    let watcher = Person::new("bob");
    let watcher = watcher.listen(&server.link);
    drop(Window::open(&server, "ann"));
    watcher.expect("joined");
    assert_eq!(watcher.expect("left")["connection_lost"], false);
}
