//! Simple Chat as the load sees it. It decodes no more than it must: the machine's time is for the server.

use anyhow::{Result, bail};
use common::conversation::Conversation;
use common::framing::encode;
use common::limits::{FRAME_HEADER_BYTES, PROTOCOL_VERSION};
use common::wire::{
    ClientFrame, Hello, LogIn, Pong, SendMessage, ServerFrame, client_frame, server_frame,
};
use prost::Message;

use super::dialect::{Dialect, Heard, TEXT_BYTES, To, Welcome, Who};

/// Everybody is in the lobby.
pub(super) struct SimpleChat;

impl Dialect for SimpleChat {
    fn come_in(&self, who: &Who, out: &mut Vec<u8>) -> Result<()> {
        let hello = Hello {
            version_min: PROTOCOL_VERSION,
            version_max: PROTOCOL_VERSION,
            agent: "bench".into(),
        };
        request(1, client_frame::Body::Hello(hello), out)?;
        let log_in = LogIn {
            name: who.name.clone(),
            resume_token: who.token.clone().into(),
            ..LogIn::default()
        };
        request(2, client_frame::Body::LogIn(log_in), out)
    }

    fn say(&self, number: u64, to: &To, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let conversation = match to {
            To::Room => Conversation::lobby(),
            To::Person(name) => Conversation::User(name.clone()),
        };
        let message = SendMessage {
            message_id: rand::random::<[u8; 16]>().to_vec().into(),
            conversation: Some(conversation.to_wire()),
            text: text.into(),
        };
        request(number, client_frame::Body::SendMessage(message), out)
    }

    fn hear(&self, input: &[u8], reply: &mut Vec<u8>) -> Result<Option<(usize, Heard)>> {
        let Some(frame) = frame(input) else { return Ok(None) };
        // Of all that is heard here nothing but the messages is that long.
        if frame.len() >= TEXT_BYTES {
            return Ok(Some((frame.end, Heard::Message(frame))));
        }
        let end = frame.end;
        let body = ServerFrame::decode(input.get(frame).unwrap_or_default())?.body;
        let heard = match body {
            Some(server_frame::Body::LoggedIn(logged_in)) => Heard::Ready(Welcome {
                address: logged_in.name,
                token: logged_in.resume_token.to_vec(),
            }),
            Some(server_frame::Body::MessageAccepted(_)) => Heard::Accepted,
            Some(server_frame::Body::Refused(refused)) => bail!("refused: {refused:?}"),
            Some(server_frame::Body::Ping(ping)) => {
                let pong = client_frame::Body::Pong(Pong { token: ping.token });
                request(0, pong, reply)?;
                Heard::Other
            }
            _ => Heard::Other,
        };
        Ok(Some((end, heard)))
    }
}

/// Where the body of the frame at the front lies.
pub(super) fn frame(input: &[u8]) -> Option<std::ops::Range<usize>> {
    let header = input.first_chunk::<FRAME_HEADER_BYTES>()?;
    let length = usize::try_from(u32::from_be_bytes(*header)).ok()?;
    let end = FRAME_HEADER_BYTES + length;
    (input.len() >= end).then_some(FRAME_HEADER_BYTES..end)
}

fn request(request_id: u64, body: client_frame::Body, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(&encode(&ClientFrame { request_id, body: Some(body) })?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_only_when_all_of_it_is_there() {
        assert_eq!(frame(&[0, 0, 0, 2, 7]), None);
        assert_eq!(frame(&[0, 0, 0, 2, 7, 8, 9]), Some(4..6));
        assert_eq!(frame(&[0, 0]), None);
    }
}
