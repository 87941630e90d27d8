//! `listen`: everything that is said, and who comes and goes, until interrupted.

use std::collections::BTreeSet;

use chat_client::command::Command;
use chat_client::error_text;
use chat_client::event::{Event, OnlineChange, RoomChange, StoredMessage};
use common::conversation::Conversation;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::options::Listen;
use crate::output::Output;
use crate::visit::Visit;
use common::terminal_text::{line, lines};

pub(crate) async fn listen(
    visit: &mut Visit,
    output: &mut Output,
    wanted: &Listen,
) -> Result<(), Failure> {
    if wanted.away {
        visit.ask(Command::SetAway { is_away: true }).await?;
    }
    let mut listener = Listener { output, present: None, is_connected: false };
    loop {
        let event = visit.next_for_ever().await?;
        listener.show(event)?;
    }
}

struct Listener<'a> {
    output: &'a mut Output,
    /// Who was there the last time the server said so.
    present: Option<BTreeSet<String>>,
    is_connected: bool,
}

impl Listener<'_> {
    fn show(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Message { conversation, seq, from, text, at_ms } => {
                let message = StoredMessage { seq, from, text, at_ms };
                show_message(self.output, &conversation, &message)
            }
            Event::Online(OnlineChange::Reset { names, .. }) => self.connected(names),
            Event::Online(OnlineChange::Joined(name)) => self.joined(&name),
            Event::Online(OnlineChange::Left { name, connection_lost }) => {
                self.left(&name, connection_lost)
            }
            Event::Online(OnlineChange::Away { name, is_away }) => {
                let event = if is_away { "away" } else { "back" };
                self.output.result(
                    || Some(format!("* {} is {event}", line(&name))),
                    || json!({ "event": event, "name": name }),
                )
            }
            Event::Notice { text } => self.output.result(
                || Some(format!("* Server: {}", lines(&text))),
                || json!({ "event": "notice", "text": text }),
            ),
            Event::Room(change) => self.room(&change),
            Event::HistoryStalled { is_stalled } => self.stalled(is_stalled),
            Event::Disconnected { error, .. } => self.disconnected(&error),
            _ => Ok(()),
        }
    }

    fn room(&mut self, change: &RoomChange) -> Result<(), Failure> {
        let (event, room, name) = match change {
            RoomChange::Joined(room) => ("room_joined", &room.name, None),
            RoomChange::Changed(room) => ("room_changed", &room.name, None),
            RoomChange::Left { room } => ("room_left", room, None),
            RoomChange::MemberJoined { room, name } => ("member_joined", room, Some(name)),
            RoomChange::MemberLeft { room, name } => ("member_left", room, Some(name)),
        };
        self.output.result(
            || Some(format!("* {}", line(&error_text::room_change(change)))),
            || json!({ "event": event, "room": format!("#{room}"), "name": name }),
        )
    }

    /// After a lost connection the difference is told: nobody saw it happen.
    fn connected(&mut self, names: Vec<String>) -> Result<(), Failure> {
        self.is_connected = true;
        self.output.result(
            || Some(format!("* Connected; {} online. Ctrl-C ends.", names.len())),
            || json!({ "event": "connected", "online": names.len() }),
        )?;
        let now: BTreeSet<String> = names.into_iter().collect();
        let before = self.present.replace(now.clone());
        let Some(before) = before else { return Ok(()) };
        for name in now.difference(&before) {
            self.joined(name)?;
        }
        for name in before.difference(&now) {
            self.left(name, false)?;
        }
        Ok(())
    }

    fn disconnected(&mut self, error: &chat_client::error::SessionError) -> Result<(), Failure> {
        if !std::mem::take(&mut self.is_connected) {
            return Ok(());
        }
        let reason = error_text::session_error(error);
        self.output.result(
            || Some(format!("* Disconnected: {} Trying again.", line(&reason))),
            || json!({ "event": "disconnected", "reason": reason }),
        )
    }

    fn stalled(&mut self, is_stalled: bool) -> Result<(), Failure> {
        let text = error_text::history_stalled(is_stalled);
        self.output.result(
            || Some(format!("* {text}")),
            || json!({ "event": "notice", "text": text, "history_stalled": is_stalled }),
        )
    }

    fn joined(&mut self, name: &str) -> Result<(), Failure> {
        self.present.get_or_insert_default().insert(name.to_owned());
        self.output.result(
            || Some(format!("* {} joined", line(name))),
            || json!({ "event": "joined", "name": name }),
        )
    }

    fn left(&mut self, name: &str, connection_lost: bool) -> Result<(), Failure> {
        self.present.get_or_insert_default().remove(name);
        let how = if connection_lost { " (connection lost)" } else { "" };
        self.output.result(
            || Some(format!("* {} left{how}", line(name))),
            || json!({ "event": "left", "name": name, "connection_lost": connection_lost }),
        )
    }
}

/// One message, as it comes or from the history.
pub(crate) fn show_message(
    output: &mut Output,
    conversation: &Conversation,
    message: &StoredMessage,
) -> Result<(), Failure> {
    output.result(
        || Some(message_text(conversation, &message.from, &message.text)),
        || message_json(conversation, message),
    )
}

pub(crate) fn message_json(conversation: &Conversation, message: &StoredMessage) -> Value {
    let StoredMessage { seq, from, text, at_ms } = message;
    json!({
        "event": "message",
        "conversation": conversation.to_string(),
        "seq": seq,
        "from": from,
        "text": text,
        "at": at_ms,
    })
}

/// Public: `bob: text`. Private: `bob (private): text`.
fn message_text(conversation: &Conversation, from: &str, text: &str) -> String {
    let how = match conversation {
        Conversation::Room(room) if room == common::conversation::LOBBY => String::new(),
        Conversation::Room(room) => format!(" (#{})", line(room)),
        Conversation::User(_) => " (private)".to_owned(),
    };
    format!("{}{how}: {}", line(from), lines(text))
}
