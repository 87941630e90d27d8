//! The server's folder over the chat: lists, live changes, tickets and hashes.

use std::fs;
use std::path::Path;

use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, DownloadTicket, FileEntry, FileHashes, FilePage, RefusalCode, Transport};
use file_transfer::piece_hashes::{PieceHash, root_of};
use file_transfer::ticket::TicketKey;

use crate::support::{Client, ServerProcess, refusal};

fn list(client: &mut Client, prefix: &str, after: &str) -> FilePage {
    let list = wire::ListFiles { prefix: prefix.into(), after: after.into() };
    match client.ask(Ask::ListFiles(list)) {
        Body::FilePage(page) => page,
        other => panic!("no page: {other:?}"),
    }
}

fn paths(page: &FilePage) -> Vec<&str> {
    page.files.iter().map(|file| file.path.as_str()).collect()
}

fn request(client: &mut Client, path: &str) -> Body {
    client.ask(Ask::RequestDownload(wire::RequestDownload { path: path.into(), download_id: 0 }))
}

#[track_caller]
fn ticket(client: &mut Client, path: &str) -> DownloadTicket {
    match request(client, path) {
        Body::DownloadTicket(ticket) => ticket,
        other => panic!("no ticket: {other:?}"),
    }
}

#[track_caller]
fn hashes(client: &mut Client) -> FileHashes {
    match client.event() {
        Body::FileHashes(hashes) => hashes,
        other => panic!("no hashes: {other:?}"),
    }
}

fn server_with(files: &[(&str, &str)]) -> ServerProcess {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join("files").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    ServerProcess::in_folder(folder, "", &[])
}

/// The next change of `path`, whatever else changes.
#[track_caller]
fn changed(client: &mut Client, path: &str) -> FileEntry {
    loop {
        if let Body::FileChanged(change) = client.event()
            && let Some(file) = change.file.filter(|file| file.path == path)
        {
            return file;
        }
    }
}

#[test]
fn an_empty_folder_is_an_empty_list_and_is_made_if_missing() {
    let server = ServerProcess::start();
    assert!(server.files().is_dir());
    let page = list(&mut server.log_in("ann"), "", "");
    assert_eq!((paths(&page), page.more), (vec![], false));
}

#[test]
fn files_are_listed_with_sizes_and_those_of_subfolders_with_their_folder() {
    let server = server_with(&[("b.txt", "12345"), ("dir/a.txt", ""), ("dir/deep/c", "1")]);
    let mut ann = server.log_in("ann");
    let page = list(&mut ann, "", "");
    let listed: Vec<(&str, u64)> =
        page.files.iter().map(|file| (file.path.as_str(), file.size)).collect();
    assert_eq!(listed, [("b.txt", 5), ("dir/a.txt", 0), ("dir/deep/c", 1)]);
    assert_eq!(paths(&list(&mut ann, "dir/", "")), ["dir/a.txt", "dir/deep/c"]);
    assert_eq!(paths(&list(&mut ann, "", "b.txt")), ["dir/a.txt", "dir/deep/c"]);
}

#[test]
fn what_is_no_plain_file_of_the_folder_is_neither_listed_nor_offered() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    fs::create_dir(&files).unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    fs::write(files.join("plain"), "plain").unwrap();
    std::os::unix::fs::symlink("../secret", files.join("link")).unwrap();
    std::os::unix::fs::symlink("..", files.join("parent")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        files.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let server = ServerProcess::in_folder(folder, "", &[]);
    let mut ann = server.log_in("ann");
    assert_eq!(paths(&list(&mut ann, "", "")), ["plain"]);
    for path in [
        "link",
        "parent/secret",
        "fifo",
        "../secret",
        "/etc/passwd",
        "a/../../secret",
        "C:\\x",
        "",
        "plain/",
        "a//b",
        "a\0b",
        "missing",
        &"x".repeat(4096),
    ] {
        assert_eq!(refusal(&request(&mut ann, path)), RefusalCode::UnknownFile, "{path:?}");
    }
    ticket(&mut ann, "plain");
}

#[test]
fn everybody_hears_of_changes_while_they_happen() {
    let server = ServerProcess::start();
    let mut ann = server.log_in("ann");
    let mut bob = server.log_in("bob");
    let new = server.files().join("new.txt");
    let fill = |content: &str| {
        let beside = server.files().join(".new.txt.tmp");
        fs::write(&beside, content).unwrap();
        fs::rename(beside, &new).unwrap();
    };
    fill("12345");
    assert_eq!(changed(&mut ann, "new.txt").size, 5);
    assert_eq!(changed(&mut bob, "new.txt").size, 5);
    fill("123456");
    assert_eq!(changed(&mut ann, "new.txt").size, 6);
    assert!(paths(&list(&mut ann, "", "")).contains(&"new.txt"));
    fs::remove_file(&new).unwrap();
    loop {
        if let Body::FileRemoved(removed) = bob.event()
            && removed.path == "new.txt"
        {
            break;
        }
    }
    assert_eq!(paths(&list(&mut ann, "", "")), [""; 0]);
}

#[test]
fn a_ticket_opens_with_the_nodes_key_and_names_login_and_file() {
    let server = server_with(&[("dir/a.txt", "hello")]);
    let mut ann = server.log_in("ann");
    let ticket = ticket(&mut ann, "dir/a.txt");
    assert_eq!(hashes(&mut ann).root.as_ref(), blake3::hash(b"hello").as_bytes());
    let file = ticket.file.unwrap();
    assert_eq!((file.path.as_str(), file.size), ("dir/a.txt", 5));
    let [node] = ticket.nodes.as_slice() else { panic!("{:?}", ticket.nodes) };
    assert_eq!(node.address, format!(":{}", server.link.server.port));
    assert_eq!(node.spki_sha256.as_ref(), server.link.pin.0);
    let key = TicketKey::load(&server.data().join("ticket.key")).unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let grant = key.open(&ticket.ticket, now).unwrap();
    assert_eq!(grant.secret, ticket.secret.as_ref());
    assert_eq!((grant.user.as_str(), grant.file.as_str()), ("ann", "dir/a.txt"));
    assert_eq!((grant.version.size, grant.version.modified_ns), (5, ticket.modified_ns));
    assert!(grant.expires_at > now);
}

#[test]
fn a_file_that_appeared_just_now_can_be_had_at_once() {
    let server = ServerProcess::start();
    let mut ann = server.log_in("ann");
    fs::write(server.files().join("now"), "now").unwrap();
    ticket(&mut ann, "now");
}

#[test]
fn a_server_that_has_too_many_files_open_does_not_call_one_missing() {
    let server = server_with(&[("a", "hello")]);
    let mut ann = server.log_in("ann");
    let usual = server.limit_open_files(Some(3));
    assert_eq!(refusal(&request(&mut ann, "a")), RefusalCode::FileUnreadable);
    server.limit_open_files(usual);
    ticket(&mut ann, "a");
}

#[test]
fn the_fifth_download_of_a_user_waits_until_one_is_done() {
    let server = server_with(&[("a", "hello")]);
    let mut ann = server.log_in("ann");
    let first = ticket(&mut ann, "a").download_id;
    for _ in 1..4 {
        ticket(&mut ann, "a");
    }
    let Body::DownloadQueued(queued) = request(&mut ann, "a") else { panic!("a fifth ticket") };
    assert_eq!((queued.position, queued.path.as_str()), (1, "a"));
    ann.events();
    let done = wire::DownloadDone {
        download_id: first,
        verified: true,
        bytes: 5,
        transport: Transport::Udp.into(),
    };
    let recorded = ann.ask(Ask::DownloadDone(done));
    assert_eq!(recorded, Body::DownloadRecorded(wire::DownloadRecorded { download_id: first }));
    let Body::DownloadTicket(ticket) = ann.event() else { panic!("no ticket") };
    assert_eq!(ticket.download_id, queued.download_id);
    let (_, log, _) = server.terminate();
    assert!(log.contains("download ended user=\"ann\" file=\"a\""), "{log}");
    assert!(log.contains("downloads_verified: 1"), "{log}");
}

#[test]
fn a_line_that_is_full_takes_nobody_else() {
    let limits = "[limits]\ndownloads_per_user = 1\ndownloads_waiting_per_user = 1\n";
    let server = ServerProcess::with_config(limits);
    fs::write(server.files().join("a"), "hello").unwrap();
    let mut ann = server.log_in("ann");
    ticket(&mut ann, "a");
    assert!(matches!(request(&mut ann, "a"), Body::DownloadQueued(_)));
    let Body::Refused(refused) = request(&mut ann, "a") else { panic!("a place") };
    assert_eq!((refused.code(), refused.allowed), (RefusalCode::TooManyDownloads, 1));
}

#[test]
fn piece_hashes_add_up_to_the_root() {
    let content: Vec<u8> = (0..=250).cycle().take(2_500_000).collect();
    let server = ServerProcess::start();
    fs::write(server.files().join("a"), &content).unwrap();
    let mut ann = server.log_in("ann");
    let download_id = ticket(&mut ann, "a").download_id;
    let root = loop {
        if let Body::FileHashes(hashes) = ann.event() {
            break hashes.root;
        }
    };
    let mut pieces_from = |first_piece| {
        let wanted = wire::RequestPieceHashes { download_id, first_piece };
        ann.ask(Ask::RequestPieceHashes(wanted))
    };
    let Body::PieceHashes(all) = pieces_from(0) else { panic!("no pieces") };
    assert_eq!((all.first_piece, all.total, all.hashes.len()), (0, 3, 3));
    let pieces: Vec<PieceHash> =
        all.hashes.iter().map(|hash| PieceHash(hash.as_ref().try_into().unwrap())).collect();
    assert_eq!(root_of(&pieces, 2_500_000).unwrap(), root.as_ref());
    let Body::PieceHashes(last) = pieces_from(2) else { panic!("no pieces") };
    assert_eq!(last.hashes, all.hashes[2..]);
    assert_eq!(refusal(&pieces_from(3)), RefusalCode::Malformed);
    // Of a file that is another by now there are none.
    fs::write(server.files().join("a"), "shorter").unwrap();
    assert_eq!(refusal(&pieces_from(0)), RefusalCode::UnknownFile);
}

#[test]
fn nodes_elsewhere_are_named_with_tickets_of_their_own_key() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir(at("files")).unwrap();
    fs::write(at("files/a"), "hello").unwrap();
    TicketKey::load_or_create(&at("node.key")).unwrap();
    let spki = common::spki_pin::SpkiPin([7; 32]);
    let config = format!(
        "[[node]]\naddress = \"files.example:7000\"\nkey_file = \"node.key\"\nspki = \"{spki}\"\n"
    );
    let server = ServerProcess::in_folder(folder, &config, &[]);
    let ticket = ticket(&mut server.log_in("ann"), "a");
    assert_eq!(ticket.nodes[0].address, "files.example:7000");
    assert_eq!(ticket.nodes[0].spki_sha256.as_ref(), [7; 32]);
    let key = TicketKey::load(Path::new(&server.data().join("../node.key"))).unwrap();
    assert!(key.open(&ticket.ticket, 0).is_ok());
}
