//! `send`: one message, or one for each line of the standard input.

use std::io::BufRead;

use async_channel::Receiver;
use chat_client::command::{Command, MessageId};
use chat_client::error_text;
use chat_client::event::Event;
use common::conversation::Conversation;

use crate::failure::Failure;
use crate::options;
use crate::output::Output;
use crate::visit::Visit;
use common::terminal_text::line;

/// Lines read ahead of the one that is being sent.
const LINES_AHEAD: usize = 1;

pub(crate) async fn send(
    visit: &mut Visit,
    output: &mut Output,
    send: &options::Send,
) -> Result<(), Failure> {
    let to = match &send.to {
        Some(text) => Conversation::from_text(text),
        None => Conversation::lobby(),
    };
    if send.text != "-" {
        return send_one(visit, output, &to, send.text.clone()).await;
    }
    let lines = read_lines();
    while let Ok(line) = lines.recv().await {
        let text = line.map_err(|error| {
            Failure::Usage(format!("The standard input cannot be read: {error}."))
        })?;
        if !text.trim().is_empty() {
            send_one(visit, output, &to, text).await?;
        }
    }
    Ok(())
}

/// Sends and waits until the server has the message.
async fn send_one(
    visit: &mut Visit,
    output: &mut Output,
    to: &Conversation,
    text: String,
) -> Result<(), Failure> {
    let id = MessageId::random();
    visit.ask(Command::Send { id, to: to.clone(), text }).await?;
    loop {
        match visit.next().await? {
            Event::MessageAccepted { id: of, conversation, seq, at_ms, receiver_is_away }
                if of == id =>
            {
                if let (Conversation::User(name), true) = (&conversation, receiver_is_away) {
                    output.remark(&error_text::receiver_is_away(&line(name)));
                }
                return output.json_only(|| {
                    serde_json::json!({
                        "event": "accepted",
                        "conversation": conversation.to_string(),
                        "seq": seq,
                        "at": at_ms,
                        "receiver_is_away": receiver_is_away,
                    })
                });
            }
            Event::MessageRefused { id: of, refusal } if of == id => {
                return Err(Failure::of_refusal(&refusal));
            }
            _ => {}
        }
    }
}

/// Reads on a thread of its own: a terminal makes one wait for ever, and the server's pings have to be
/// answered meanwhile.
fn read_lines() -> Receiver<std::io::Result<String>> {
    let (sender, receiver) = async_channel::bounded(LINES_AHEAD);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let is_over = line.is_err();
            if sender.send_blocking(line).is_err() || is_over {
                return;
            }
        }
    });
    receiver
}
