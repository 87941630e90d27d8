//! ngIRCd of the distribution: its configuration, and IRC (RFC 2812) as far as the load needs it.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::contender::Ports;
use super::dialect::{Dialect, Heard, To, Welcome, Who};

/// Where Debian puts it; not on everybody's path.
pub(super) const PROGRAM: &str = "/usr/sbin/ngircd";
const ROOM: &str = "#bench";

/// Writes the configuration file. Every limit on connections and on speed is off: with no penalties a client may
/// send as fast as the server reads, which is three commands of it before it looks at the others.
pub(super) fn configure(folder: &Path, ports: Ports) -> Result<()> {
    let text = format!(
        "[Global]\nName = irc.bench.invalid\nInfo = bench\nAdminEMail = nobody@bench.invalid\n\
         Listen = 127.0.0.1\nPorts = {plain}\nMotdPhrase = bench\n\
         [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxJoins = 0\nMaxPenaltyTime = 0\n\
         PingTimeout = 86400\n\
         [Options]\nDNS = no\nIdent = no\nPAM = no\n\
         [SSL]\nCertFile = {folder}/certificate.pem\nKeyFile = {folder}/key.pem\nPorts = {tls}\n",
        plain = ports.spare,
        tls = ports.tls,
        folder = folder.display(),
    );
    Ok(fs::write(folder.join("ngircd.conf"), text)?)
}

/// IRC.
pub(super) struct Irc {
    /// Whether clients come into the room.
    pub(super) room: bool,
}

impl Dialect for Irc {
    fn come_in(&self, who: &Who, out: &mut Vec<u8>) -> Result<()> {
        let name = &who.name;
        let join = if self.room { format!("JOIN {ROOM}\r\n") } else { String::new() };
        out.extend(format!("NICK {name}\r\nUSER {name} 0 * :{name}\r\n{join}").into_bytes());
        Ok(())
    }

    fn say(&self, _number: u64, to: &To, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let to = match to {
            To::Room => ROOM,
            To::Person(nick) => nick,
        };
        out.extend(format!("PRIVMSG {to} :{text}\r\n").into_bytes());
        Ok(())
    }

    fn hear(&self, input: &[u8], reply: &mut Vec<u8>) -> Result<Option<(usize, Heard)>> {
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line = input.get(..end).unwrap_or_default();
        let mut words = line.splitn(4, |byte| *byte == b' ');
        let (first, command) = (words.next(), words.next());
        let (to, rest) = (words.next(), words.next());
        let heard = match command {
            Some(b"PRIVMSG") => Heard::Message(end - rest.map_or(0, <[u8]>::len)..end),
            Some(b"366") if self.room => ready(to),
            Some(b"376" | b"422") if !self.room => ready(to),
            Some([b'4' | b'5', _, _]) => bail!("refused: {}", String::from_utf8_lossy(line)),
            _ if first == Some(b"PING") => {
                reply.extend_from_slice(b"PONG");
                reply.extend_from_slice(line.get(4..).unwrap_or_default());
                reply.push(b'\n');
                Heard::Other
            }
            _ if first == Some(b"ERROR") => bail!("{}", String::from_utf8_lossy(line)),
            _ => Heard::Other,
        };
        Ok(Some((end + 1, heard)))
    }
}

fn ready(nick: Option<&[u8]>) -> Heard {
    let address = String::from_utf8_lossy(nick.unwrap_or_default()).into_owned();
    Heard::Ready(Welcome { address, token: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_ROOM: Irc = Irc { room: true };

    #[track_caller]
    fn check(input: &str, heard: Heard, replied: &str) {
        let mut reply = Vec::new();
        let (taken, what) = IN_ROOM.hear(input.as_bytes(), &mut reply).unwrap().unwrap();
        assert_eq!((taken, what), (input.len(), heard));
        assert_eq!(reply, replied.as_bytes());
    }

    #[test]
    fn a_message_holds_its_text() {
        check(":a!~a@h PRIVMSG #bench :hello\r\n", Heard::Message(23..30), "");
    }

    #[test]
    fn the_end_of_the_names_is_when_one_is_in() {
        check(":s 366 nick #bench :End of NAMES list\r\n", ready(Some(b"nick")), "");
        check(":s 376 nick :End of MOTD command\r\n", Heard::Other, "");
    }

    #[test]
    fn a_ping_is_answered() {
        check("PING :s\r\n", Heard::Other, "PONG :s\r\n");
    }

    #[test]
    fn a_refusal_is_an_error() {
        assert!(IN_ROOM.hear(b":s 433 * a :Nickname already in use\r\n", &mut vec![]).is_err());
        assert_eq!(IN_ROOM.hear(b":s 43", &mut vec![]).unwrap(), None);
    }
}
