//! Somebody who talks on and on, through as many lives of the server as there are, and keeps a diary of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chat_client::command::{Command, MessageId};
use chat_client::error::Refusal;
use chat_client::event::Event;
use chat_client::session::{self, SessionConfig, SessionHandle};
use common::conversation::Conversation;
use common::wire::RefusalCode;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

/// Messages that one has unanswered at once.
const IN_FLIGHT: usize = 6;

/// Messages that one writes on one connection: so that a life that lasts is not all that there is.
const WRITES: usize = 60;

/// The longest text is its id so many times; most are short.
const TEXTS_MAX: usize = 64;

/// How long one waits before trying again what the server could not store.
const PAUSE: Duration = Duration::from_millis(5);

/// What everybody is told to do.
#[derive(Clone, Default)]
pub(super) struct Orders {
    /// Something new is to be written.
    pub(super) may_write: Arc<AtomicBool>,
    /// However long a life lasts.
    pub(super) without_end: Arc<AtomicBool>,
}

/// Something that happened to somebody.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) name: &'static str,
    pub(super) doing: Doing,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Doing {
    /// A message was acknowledged.
    Accepted,
    /// Logged in.
    Back,
    /// Knows where every conversation begins: what is said from now on is heard.
    Begun,
    /// The connection broke.
    Gone,
    /// A message was refused, because there is no room for it.
    Full,
}

/// What one wrote and heard.
#[derive(Default)]
pub(super) struct Diary {
    /// Written, and neither acknowledged nor refused; in order.
    pub(super) unanswered: Vec<(MessageId, Conversation, String)>,
    /// Acknowledged under these numbers.
    pub(super) accepted: HashMap<[u8; 16], (Conversation, u64)>,
    /// Refused: never stored.
    pub(super) refused: Vec<([u8; 16], RefusalCode)>,
    /// Numbers, authors and texts of what others wrote, as it was told.
    pub(super) heard: BTreeMap<Conversation, Vec<(u64, String, String)>>,
}

/// Somebody, from one session to the next.
pub(super) struct Talker {
    name: &'static str,
    /// Whom one writes to.
    others: Vec<&'static str>,
    folder: TempDir,
    random: SmallRng,
    left_to_write: usize,
    diary: Arc<Mutex<Diary>>,
}

/// One whose session stays, whatever becomes of the server. On a thread of its own.
pub(super) struct Member {
    pub(super) name: &'static str,
    session: SessionHandle,
    diary: Arc<Mutex<Diary>>,
    thread: JoinHandle<Talker>,
}

impl Talker {
    pub(super) fn new(name: &'static str, everybody: &[&'static str], seed: u64) -> Self {
        let others = everybody.iter().copied().filter(|other| *other != name).collect();
        let (folder, diary) = (tempfile::tempdir().unwrap(), Arc::default());
        let random = SmallRng::seed_from_u64(seed);
        Self { name, others, folder, random, left_to_write: 0, diary }
    }

    /// Has one session from now on.
    pub(super) fn stay(mut self, link: &str, orders: &Orders, tell: &Sender<Told>) -> Member {
        let session = self.begin(link, true);
        let (name, diary) = (self.name, Arc::clone(&self.diary));
        let (events, orders, tell) = (session.clone(), orders.clone(), tell.clone());
        let thread = std::thread::spawn(move || {
            while let Ok(event) = events.events.recv_blocking() {
                self.hear(event, &events, &orders, &tell);
            }
            self
        });
        Member { name, session, diary, thread }
    }

    /// Has a session until its connection breaks.
    pub(super) fn talk_once(&mut self, link: &str, orders: &Orders, tell: &Sender<Told>) {
        let session = self.begin(link, false);
        let mut is_broken = false;
        while let Ok(event) = session.events.recv_blocking() {
            if matches!(event, Event::Disconnected { .. }) && !is_broken {
                is_broken = true;
                ask(&session, Command::LogOut);
            }
            self.hear(event, &session, orders, tell);
        }
    }

    fn into_diary(self) -> (&'static str, Diary) {
        let diary = std::mem::take(&mut *self.diary.lock().unwrap());
        (self.name, diary)
    }

    /// A session that has what is unanswered to send.
    fn begin(&mut self, link: &str, catches_up: bool) -> SessionHandle {
        let folder = self.folder.path();
        let session = session::start(SessionConfig {
            config_dir: folder.join("config"),
            state_dir: folder.join("state"),
            catches_up,
            ..SessionConfig::of_this_person("test")
        });
        ask(&session, Command::Connect { server: link.parse().unwrap() });
        ask(&session, Command::LogIn { name: self.name.into(), password: None });
        for (id, to, text) in self.diary.lock().unwrap().unanswered.iter().cloned() {
            ask(&session, Command::Send { id, to, text });
        }
        session
    }

    fn hear(&mut self, event: Event, on: &SessionHandle, orders: &Orders, tell: &Sender<Told>) {
        let may_write = orders.may_write.load(Ordering::Relaxed);
        let doing = match event {
            Event::LoggedIn { .. } => {
                self.left_to_write = WRITES;
                if !may_write {
                    // Answered behind the list of conversations, which the session asks for by itself.
                    let conversation = Conversation::lobby();
                    ask(on, Command::ReadHistory { conversation, after: 0, before: 0, limit: 1 });
                }
                Some(Doing::Back)
            }
            Event::History { .. } => Some(Doing::Begun),
            Event::Disconnected { .. } => Some(Doing::Gone),
            Event::MessageAccepted { id, conversation, seq, .. } => {
                self.diary.lock().unwrap().note_accepted(id, conversation, seq);
                Some(Doing::Accepted)
            }
            Event::MessageRefused { id, refusal } => {
                self.diary.lock().unwrap().note_refused(id, &refusal);
                self.left_to_write += 1;
                std::thread::sleep(PAUSE);
                (refusal.0.code() == RefusalCode::StorageFull).then_some(Doing::Full)
            }
            Event::Message { conversation, seq, from, text, .. } => {
                let mut diary = self.diary.lock().unwrap();
                diary.heard.entry(conversation).or_default().push((seq, from, text));
                None
            }
            _ => None,
        };
        if let Some(doing) = doing {
            let _ = tell.send(Told { name: self.name, doing });
        }
        if may_write {
            if orders.without_end.load(Ordering::Relaxed) {
                self.left_to_write = WRITES;
            }
            self.write(on);
        }
    }

    /// Writes as much as is to be under way.
    fn write(&mut self, on: &SessionHandle) {
        let mut diary = self.diary.lock().unwrap();
        while diary.unanswered.len() < IN_FLIGHT && self.left_to_write > 0 {
            self.left_to_write -= 1;
            let to = match self.random.random_range(0..=2 * self.others.len()) {
                other if other < self.others.len() => {
                    Conversation::User(self.others[other].to_owned())
                }
                _ => Conversation::lobby(),
            };
            let id = MessageId(self.random.random());
            let text = format!("{id:?} ").repeat(TEXTS_MAX >> self.random.random_range(0..12) | 1);
            diary.unanswered.push((id, to.clone(), text.clone()));
            ask(on, Command::Send { id, to, text });
        }
    }
}

impl Diary {
    pub(super) fn is_settled(&self) -> bool {
        self.unanswered.is_empty()
    }

    pub(super) fn heard_count(&self) -> usize {
        self.heard.values().map(Vec::len).sum()
    }

    fn note_accepted(&mut self, id: MessageId, conversation: Conversation, seq: u64) {
        self.answered(id);
        let before = self.accepted.insert(id.0, (conversation, seq));
        assert_eq!(before, None, "answered twice");
    }

    fn note_refused(&mut self, id: MessageId, refusal: &Refusal) {
        self.answered(id);
        self.refused.push((id.0, refusal.0.code()));
    }

    fn answered(&mut self, id: MessageId) {
        let at = self.unanswered.iter().position(|(unanswered, ..)| *unanswered == id);
        self.unanswered.remove(at.expect("an answer to what is unanswered"));
    }
}

impl Member {
    /// Waits until the diary is like that, or until then: what is missing is found by who looks.
    pub(super) fn wait_until(&self, deadline: Instant, is_so: impl Fn(&Diary) -> bool) {
        while !is_so(&self.diary.lock().unwrap()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the session, and hears what comes until then.
    pub(super) fn log_out(self) -> (&'static str, Diary) {
        ask(&self.session, Command::LogOut);
        self.thread.join().unwrap().into_diary()
    }
}

impl std::fmt::Display for Diary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { unanswered, accepted, refused, heard } = self;
        write!(f, "{} unanswered, {} accepted, ", unanswered.len(), accepted.len())?;
        write!(f, "{} refused; heard up to", refused.len())?;
        heard.iter().try_for_each(|(conversation, told)| {
            let last = told.last().map_or(0, |(seq, ..)| *seq);
            write!(f, " {conversation}: {last}")
        })
    }
}

fn ask(session: &SessionHandle, command: Command) {
    session.commands.send_blocking(command).unwrap();
}
