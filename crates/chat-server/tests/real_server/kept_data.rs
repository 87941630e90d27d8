//! A data folder as an earlier version left it, kept in `tests/kept_data`: this version opens it, and serves what
//! is in it. For another one, when the format has changed on purpose, and beside the ones that are there:
//!
//!     KEPT_DATA=crates/chat-server/tests/kept_data/NAME \
//!         cargo test --workspace --test real_server -- --ignored make_a_data_folder_to_keep

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::conversation::Conversation;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, RefusalCode, Role};

use crate::support::{Client, ServerProcess, logged_in, refusal};

const PASSWORD: &str = "correct horse";

/// What `export` wrote of it.
const EXPORT: &str = "export.jsonl";

/// The token of ann's device.
const TOKEN: &str = "ann.token";

/// What `invite list` said.
const INVITES: &str = "invites.txt";

const MAKE_IN: &str = "KEPT_DATA";

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kept_data")
}

fn register(client: &mut Client) {
    let register = wire::Register { password: PASSWORD.into(), ..wire::Register::default() };
    assert!(matches!(client.ask(Ask::Register(register)), Body::Done(_)));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn export(data: &Path) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_chat-server"));
    let output = program.arg("export").arg("--data").arg(data).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "it makes what the other test reads"]
fn make_a_data_folder_to_keep() {
    let target = std::env::var_os(MAKE_IN).map(PathBuf::from).expect("KEPT_DATA says where");
    // Relative to the project, where cargo is called.
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(target);
    let server = ServerProcess::start();
    let (mut ann, mut bob) = (server.log_in("Ann"), server.log_in("bob"));
    for (to, text) in
        [("#lobby", "good morning"), ("bob", "psst, a secret"), ("#lobby", "schön 🙂")]
    {
        assert!(matches!(ann.say(to, text), Body::MessageAccepted(_)));
    }
    assert!(matches!(bob.say("ann", "what?"), Body::MessageAccepted(_)));
    register(&mut ann);
    let room = wire::CreateRoom { name: "attic".into(), is_private: true, ..Default::default() };
    assert!(matches!(ann.ask(Ask::CreateRoom(room)), Body::RoomJoined(_)));
    assert!(matches!(ann.say("#attic", "up here"), Body::MessageAccepted(_)));
    let log_in =
        wire::LogIn { name: "ann".into(), password: PASSWORD.into(), ..Default::default() };
    let device = logged_in(server.greet().ask(Ask::LogIn(log_in))).resume_token;
    server.order(&["user", "role", "ann", "admin"]);
    server.order(&["ban", "mallory"]);
    let invite = ["invite", "create", "--uses", "3", "--expires", "never", "--role", "moderator"];
    server.order(&[&invite[..], &["--note", "lab 2"]].concat());
    let backup = server.folder().join("backup");
    server.order(&["backup", backup.to_str().unwrap()]);
    copy(&backup, &target);
    // A data folder is a backup without its list of sums.
    fs::remove_file(target.join("backup.json")).unwrap();
    fs::write(target.join(EXPORT), export(&target)).unwrap();
    fs::write(target.join(TOKEN), &device).unwrap();
    fs::write(target.join(INVITES), server.order(&["invite", "list"])).unwrap();
}

/// The texts of a conversation, with their numbers.
fn texts(client: &mut Client, conversation: &str) -> Vec<(u64, String)> {
    let conversation = Some(Conversation::from_text(conversation).to_wire());
    let wanted = wire::ReadHistory { conversation, ..wire::ReadHistory::default() };
    match client.ask(Ask::ReadHistory(wanted)) {
        Body::HistoryPage(page) => page.messages.into_iter().map(|it| (it.seq, it.text)).collect(),
        other => panic!("no history: {other:?}"),
    }
}

fn numbered(texts: &[&str]) -> Vec<(u64, String)> {
    (1..).zip(texts.iter().map(|text| (*text).to_owned())).collect()
}

#[track_caller]
fn check_served(kept: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    copy(kept, &data);
    assert_eq!(export(&data), fs::read_to_string(kept.join(EXPORT)).unwrap());
    let server = ServerProcess::in_folder(folder, "", &[]);
    assert_eq!(server.order(&["user", "list"]), "Ann  admin\n");
    assert_eq!(server.order(&["invite", "list"]), fs::read_to_string(kept.join(INVITES)).unwrap());
    assert_eq!(refusal(&server.greet().try_log_in("mallory")), RefusalCode::Banned);
    let token = fs::read(kept.join(TOKEN)).unwrap();
    let mut ann = server.greet();
    assert_eq!(logged_in(ann.resume("ann", &token.into())).role(), Role::Admin);
    assert_eq!(texts(&mut ann, "#lobby"), numbered(&["good morning", "schön 🙂"]));
    assert_eq!(texts(&mut ann, "@bob"), numbered(&["psst, a secret", "what?"]));
    assert_eq!(texts(&mut ann, "#attic"), numbered(&["up here"]));
    let search = wire::SearchMessages { text: "secret".into(), before: 0, limit: 0 };
    let found = loop {
        match ann.ask(Ask::SearchMessages(search.clone())) {
            Body::SearchPage(page) => break page.messages.len(),
            // The index is being made.
            Body::Refused(_) => std::thread::yield_now(),
            other => panic!("not searched: {other:?}"),
        }
    };
    assert_eq!(found, 1);
    // Numbers go on.
    let said = ann.say("#lobby", "here we are");
    assert!(matches!(said, Body::MessageAccepted(ref it) if it.seq == 3), "{said:?}");
    let log_in =
        wire::LogIn { name: "ann".into(), password: PASSWORD.into(), ..Default::default() };
    assert_eq!(logged_in(server.greet().ask(Ask::LogIn(log_in))).role(), Role::Admin);
}

#[test]
fn what_an_earlier_version_stored_is_served_by_this_one() {
    let kept: Vec<PathBuf> =
        fs::read_dir(kept()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!kept.is_empty());
    kept.iter().for_each(|kept| check_served(kept));
}
