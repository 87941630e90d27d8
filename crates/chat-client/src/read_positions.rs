//! Up to where the private conversations of a person were shown:
//! `$XDG_STATE_HOME/simple-chat/read_positions`, one line `pin log number name<tab>peer` each, so that
//! a program that is started again shows what is new and not what was there before.
//!
//! Only the newest lines are kept. A conversation without one begins with its latest messages.

use std::io;
use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use common::conversation::Conversation;
use common::spki_pin::SpkiPin;
use common::user_name::NameKey;

use crate::private_file::PrivateFile;
use crate::session::history::Reader;

const FILE_NAME: &str = "read_positions";

/// Conversations of one person on all servers that are remembered: less than a file may hold, however long
/// the names are.
const POSITIONS_MAX: usize = 2048;

/// Where they are kept.
#[derive(Clone, Debug)]
pub(crate) struct ReadPositions {
    file: PrivateFile,
}

/// One line.
struct Position {
    pin: SpkiPin,
    log: Vec<u8>,
    name: NameKey,
    peer: String,
    seq: u64,
}

impl ReadPositions {
    /// In the folder of Simple Chat's state.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { file: PrivateFile::new(folder.join(FILE_NAME)) }
    }

    /// The last number shown of each conversation.
    pub(crate) fn of(&self, reader: &Reader) -> io::Result<Vec<(Conversation, u64)>> {
        let lines = self.file.lines()?;
        let positions = lines.iter().filter_map(|line| parse(line));
        let own = positions.filter(|it| it.is_of(reader) && it.log == reader.log.as_ref());
        Ok(own.map(|it| (Conversation::User(it.peer), it.seq)).collect())
    }

    /// Keeps these in place of what was kept for the same reader, also in an earlier log of the server.
    pub(crate) fn keep(
        &self,
        reader: &Reader,
        positions: &[(Conversation, u64)],
    ) -> io::Result<()> {
        let Some(pin) = reader.server else { return Ok(()) };
        let (log, name) = (URL_SAFE_NO_PAD.encode(&reader.log), reader.name.as_str());
        self.file.update(|lines| {
            lines.retain(|line| parse(line).is_some_and(|it| !it.is_of(reader)));
            for (conversation, seq) in positions {
                if let Conversation::User(peer) = conversation
                    && !peer.chars().any(char::is_control)
                {
                    lines.push(format!("{pin} {log} {seq} {name}\t{peer}"));
                }
            }
            let surplus = lines.len().saturating_sub(POSITIONS_MAX);
            lines.drain(..surplus);
        })
    }
}

impl Position {
    fn is_of(&self, reader: &Reader) -> bool {
        Some(self.pin) == reader.server && self.name == reader.name
    }
}

fn parse(line: &str) -> Option<Position> {
    let mut fields = line.splitn(4, ' ');
    let pin = fields.next()?.parse().ok()?;
    let log = URL_SAFE_NO_PAD.decode(fields.next()?).ok()?;
    let seq = fields.next()?.parse().ok()?;
    let (name, peer) = fields.next()?.split_once('\t')?;
    let (name, peer) = (NameKey::from_stored(name.to_owned()), peer.to_owned());
    Some(Position { pin, log, name, peer, seq })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(name: &str, server: u8, log: u8) -> Reader {
        let log = vec![log; 16].into();
        Reader { server: Some(SpkiPin([server; 32])), name: NameKey::of(name), log }
    }

    fn with(name: &str) -> Conversation {
        Conversation::User(name.into())
    }

    #[test]
    fn they_are_of_one_person_in_one_log_of_one_server() {
        let folder = tempfile::tempdir().unwrap();
        let positions = ReadPositions::in_folder(folder.path());
        let ann = || reader("Ann A", 1, 1);
        positions.keep(&ann(), &[(with("bob"), 3), (with("cy d"), 4)]).unwrap();
        positions.keep(&reader("bob", 1, 1), &[(with("Ann A"), 9)]).unwrap();
        positions.keep(&ann(), &[(with("bob"), 5), (with("a\nb"), 1)]).unwrap();
        assert_eq!(positions.of(&ann()).unwrap(), [(with("bob"), 5)]);
        assert_eq!(positions.of(&reader("ann a", 1, 1)).unwrap(), [(with("bob"), 5)]);
        for other in [reader("Ann A", 2, 1), reader("Ann A", 1, 2), reader("zoe", 1, 1)] {
            assert_eq!(positions.of(&other).unwrap(), []);
        }
        positions.keep(&reader("Ann A", 1, 2), &[]).unwrap();
        assert_eq!(positions.of(&ann()).unwrap(), [], "the earlier log is gone for good");
        assert_eq!(positions.of(&reader("bob", 1, 1)).unwrap().len(), 1);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let positions = ReadPositions::in_folder(folder.path());
        let many: Vec<_> =
            (0..=POSITIONS_MAX).map(|number| (with(&format!("user{number}")), 1)).collect();
        positions.keep(&reader("ann", 1, 1), &many).unwrap();
        let kept = positions.of(&reader("ann", 1, 1)).unwrap();
        assert_eq!(kept.len(), POSITIONS_MAX);
        assert_eq!(kept.first(), Some(&(with("user1"), 1)));
    }
}
