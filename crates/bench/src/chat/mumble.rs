//! Mumble's server of the distribution: its configuration, and the control channel of its protocol as far as
//! text messages need it. A packet is a type (2 bytes), a length (4 bytes) and a protobuf message.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use prost::Message;

use super::contender::Ports;
use super::dialect::{Dialect, Heard, To, Welcome, Who};

/// Where Debian puts it; not on everybody's path.
pub(super) const PROGRAM: &str = "/usr/sbin/murmurd";

const HEADER_BYTES: usize = 6;
const VERSION: u16 = 0;
const AUTHENTICATE: u16 = 2;
const REJECT: u16 = 4;
const SERVER_SYNC: u16 = 5;
const TEXT_MESSAGE: u16 = 11;
const PERMISSION_DENIED: u16 = 12;
/// 1.3.4, as packed in the message `Version`.
const CLIENT_VERSION: u32 = 0x0001_0304;
/// Everybody begins there.
const ROOT_CHANNEL: u32 = 0;

/// Writes the configuration file. Every limit on connections and on speed is off or out of reach.
pub(super) fn configure(folder: &Path, ports: Ports) -> Result<()> {
    let text = format!(
        "database={folder}/murmur.sqlite\nlogfile=\nuname={user}\nhost=127.0.0.1\nport={port}\nwelcometext=\n\
         users=20000\ntimeout=86400\nmessageburst=100000000\nmessagelimit=100000000\nautobanAttempts=0\n\
         logdays=-1\nbonjour=false\nsslCert={folder}/certificate.pem\nsslKey={folder}/key.pem\n",
        folder = folder.display(),
        port = ports.tls,
        user = std::env::var("USER").unwrap_or_else(|_| "root".into()),
    );
    Ok(fs::write(folder.join("murmur.ini"), text)?)
}

/// Mumble's control channel: everybody is in the root channel.
pub(super) struct Control;

impl Dialect for Control {
    fn come_in(&self, who: &Who, out: &mut Vec<u8>) -> Result<()> {
        packet(VERSION, &Version { version: CLIENT_VERSION }, out)?;
        packet(AUTHENTICATE, &Authenticate { username: who.name.clone(), opus: true }, out)
    }

    fn say(&self, _number: u64, to: &To, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let (session, channel_id) = match to {
            To::Room => (vec![], vec![ROOT_CHANNEL]),
            To::Person(session) => (vec![session.parse()?], vec![]),
        };
        packet(TEXT_MESSAGE, &TextMessage { session, channel_id, message: text.into() }, out)
    }

    fn hear(&self, input: &[u8], _reply: &mut Vec<u8>) -> Result<Option<(usize, Heard)>> {
        let Some(header) = input.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let [kind @ .., _, _, _, _] = header;
        let [_, _, length @ ..] = header;
        let end = HEADER_BYTES + usize::try_from(u32::from_be_bytes(*length))?;
        let Some(body) = input.get(HEADER_BYTES..end) else { return Ok(None) };
        let heard = match u16::from_be_bytes(*kind) {
            TEXT_MESSAGE => Heard::Message(HEADER_BYTES..end),
            SERVER_SYNC => {
                let address = ServerSync::decode(body)?.session.to_string();
                Heard::Ready(Welcome { address, token: Vec::new() })
            }
            REJECT | PERMISSION_DENIED => bail!("refused: {}", String::from_utf8_lossy(body)),
            _ => Heard::Other,
        };
        Ok(Some((end, heard)))
    }
}

fn packet(kind: u16, message: &impl Message, out: &mut Vec<u8>) -> Result<()> {
    let length = u32::try_from(message.encoded_len()).context("a packet of 4 GiB")?;
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    Ok(message.encode(out)?)
}

#[derive(Clone, PartialEq, Message)]
struct Version {
    #[prost(uint32, tag = "1")]
    version: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Authenticate {
    #[prost(string, tag = "1")]
    username: String,
    #[prost(bool, tag = "5")]
    opus: bool,
}

#[derive(Clone, PartialEq, Message)]
struct ServerSync {
    #[prost(uint32, tag = "1")]
    session: u32,
}

#[derive(Clone, PartialEq, Message)]
struct TextMessage {
    #[prost(uint32, repeated, packed = "false", tag = "2")]
    session: Vec<u32>,
    #[prost(uint32, repeated, packed = "false", tag = "3")]
    channel_id: Vec<u32>,
    #[prost(string, tag = "5")]
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_type_length_and_message() {
        let mut out = Vec::new();
        Control.say(1, &To::Room, "hi", &mut out).unwrap();
        assert_eq!(out, [0, 11, 0, 0, 0, 6, 0x18, 0, 0x2a, 2, b'h', b'i']);
        let heard = Control.hear(&out, &mut vec![]).unwrap();
        assert_eq!(heard, Some((12, Heard::Message(6..12))));
        assert_eq!(Control.hear(&out[..11], &mut vec![]).unwrap(), None);
    }

    #[test]
    fn ones_session_is_what_others_write_to() {
        let heard = Control.hear(&[0, 5, 0, 0, 0, 2, 8, 7], &mut vec![]).unwrap();
        assert_eq!(heard, Some((8, Heard::Ready(Welcome { address: "7".into(), token: vec![] }))));
    }

    #[test]
    fn a_rejection_is_an_error() {
        assert!(Control.hear(&[0, 4, 0, 0, 0, 0], &mut vec![]).is_err());
    }
}
