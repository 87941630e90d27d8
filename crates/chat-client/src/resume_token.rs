//! Tokens that take an own session over after its connection broke, and that show later who it is:
//! `$XDG_STATE_HOME/simple-chat/resume_tokens`, one line `pin token name` each.
//!
//! They are kept after a log-out too: private messages are shown to who has the token, not to who has the
//! name. Only the newest lines are kept.

use std::io;
use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use common::limits::RESUME_TOKEN_BYTES;
use common::spki_pin::SpkiPin;

use crate::private_file::PrivateFile;

const FILE_NAME: &str = "resume_tokens";

/// Names of one person on all servers that are remembered.
const TOKENS_MAX: usize = 1024;

/// Takes one session over. Whoever holds it is that user for the server.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct ResumeToken(pub(crate) [u8; RESUME_TOKEN_BYTES]);

impl std::fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResumeToken(…)")
    }
}

/// One kept token: for whom, and the token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeptToken {
    pub(crate) name: String,
    pub(crate) token: ResumeToken,
}

/// Where the tokens are kept.
#[derive(Clone, Debug)]
pub(crate) struct ResumeTokens {
    file: PrivateFile,
}

impl ResumeTokens {
    /// In the folder of Simple Chat's state.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { file: PrivateFile::new(folder.join(FILE_NAME)) }
    }

    /// The tokens for a server, newest last.
    pub(crate) fn of_server(&self, pin: SpkiPin) -> io::Result<Vec<KeptToken>> {
        let lines = self.file.lines()?;
        let kept = lines.iter().filter_map(|line| parse(line));
        Ok(kept.filter(|(server, _)| *server == pin).map(|(_, kept)| kept).collect())
    }

    /// Keeps the token of `name` in place of an older one.
    pub(crate) fn keep(&self, pin: SpkiPin, name: &str, token: ResumeToken) -> io::Result<()> {
        self.file.update(|lines| {
            remove(lines, pin, name);
            let encoded = URL_SAFE_NO_PAD.encode(token.0);
            lines.push(format!("{pin} {encoded} {name}"));
            let surplus = lines.len().saturating_sub(TOKENS_MAX);
            lines.drain(..surplus);
        })
    }
}

fn remove(lines: &mut Vec<String>, pin: SpkiPin, name: &str) {
    lines.retain(|line| {
        parse(line).is_some_and(|(server, kept)| server != pin || kept.name != name)
    });
}

fn parse(line: &str) -> Option<(SpkiPin, KeptToken)> {
    let mut fields = line.splitn(3, ' ');
    let pin = fields.next()?.parse().ok()?;
    let token = URL_SAFE_NO_PAD.decode(fields.next()?).ok()?.try_into().ok()?;
    let name = fields.next()?.to_owned();
    Some((pin, KeptToken { name, token: ResumeToken(token) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: SpkiPin = SpkiPin([1; 32]);

    fn names(tokens: &ResumeTokens) -> Vec<String> {
        tokens.of_server(SERVER).unwrap().into_iter().map(|kept| kept.name).collect()
    }

    #[test]
    fn a_name_has_one_token_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = ResumeTokens::in_folder(folder.path());
        tokens.keep(SERVER, "Bob B", ResumeToken([1; 32])).unwrap();
        tokens.keep(SpkiPin([2; 32]), "Bob B", ResumeToken([2; 32])).unwrap();
        tokens.keep(SERVER, "Bob B", ResumeToken([3; 32])).unwrap();
        let kept = KeptToken { name: "Bob B".into(), token: ResumeToken([3; 32]) };
        assert_eq!(tokens.of_server(SERVER).unwrap(), [kept]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = ResumeTokens::in_folder(folder.path());
        for number in 0..=TOKENS_MAX {
            tokens.keep(SERVER, &format!("user{number}"), ResumeToken([0; 32])).unwrap();
        }
        assert_eq!(names(&tokens).len(), TOKENS_MAX);
        assert_eq!(names(&tokens).first().map(String::as_str), Some("user1"));
    }

    #[test]
    fn a_token_is_not_printed() {
        let token = ResumeToken([0x41; 32]);
        assert_eq!(format!("{token:?}"), "ResumeToken(…)");
    }
}
