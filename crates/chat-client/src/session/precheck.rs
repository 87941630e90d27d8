//! What the server would close the connection for is refused here, in the server's words: a frame that
//! is too long must never be sent, least of all again after each reconnect.

use common::conversation::Conversation;
use common::limits::{FILE_PATH_BYTES_MAX, TEXT_BYTES_MAX};
use common::wire::{NameProblem, RefusalCode, Refused};

use crate::error::Refusal;

/// Far longer than any name, short enough for any frame. The server knows the exact rule.
const NAME_BYTES_MAX: usize = 4 * common::limits::NAME_BYTES_MAX;

/// Longest password that is sent.
const PASSWORD_BYTES_MAX: usize = 1024;

/// Whether a message cannot be sent as it is.
pub(crate) fn message(to: &Conversation, text: &str) -> Option<Refusal> {
    let (code, subject) = match to {
        Conversation::Room(name) => (RefusalCode::UnknownRoom, name),
        Conversation::User(name) => (RefusalCode::UnknownUser, name),
    };
    if subject.len() > NAME_BYTES_MAX {
        return Some(refusal(code, subject));
    }
    if text.len() > TEXT_BYTES_MAX {
        let refused = Refused {
            code: RefusalCode::TextTooLong.into(),
            allowed: TEXT_BYTES_MAX as u64,
            ..Refused::default()
        };
        return Some(Refusal(refused));
    }
    None
}

/// Whether nobody can log in like that.
pub(crate) fn log_in(name: &str, password: Option<&str>) -> Option<Refusal> {
    if name.len() > NAME_BYTES_MAX {
        let refused = Refused {
            code: RefusalCode::NameMalformed.into(),
            name_problem: NameProblem::TooLong.into(),
            ..Refused::default()
        };
        return Some(Refusal(refused));
    }
    let too_long = password.is_some_and(|password| password.len() > PASSWORD_BYTES_MAX);
    too_long.then(|| refusal(RefusalCode::WrongPassword, ""))
}

/// Whether no server has a file of that name.
pub(crate) fn download(path: &str) -> Option<Refusal> {
    let is_possible = !path.is_empty() && path.len() <= FILE_PATH_BYTES_MAX;
    (!is_possible).then(|| refusal(RefusalCode::UnknownFile, path))
}

fn refusal(code: RefusalCode, subject: &str) -> Refusal {
    let subject = subject.chars().take(NAME_BYTES_MAX).collect();
    Refusal(Refused { code: code.into(), subject, ..Refused::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(refusal: Option<Refusal>) -> Option<RefusalCode> {
        refusal.map(|refusal| refusal.0.code())
    }

    #[test]
    fn the_longest_text_passes_and_one_byte_more_does_not() {
        let lobby = Conversation::lobby();
        assert_eq!(code(message(&lobby, &"x".repeat(TEXT_BYTES_MAX))), None);
        let longer = "x".repeat(TEXT_BYTES_MAX + 1);
        assert_eq!(code(message(&lobby, &longer)), Some(RefusalCode::TextTooLong));
    }

    #[test]
    fn absurd_names_never_reach_the_wire() {
        let name = "n".repeat(10_000);
        assert_eq!(code(log_in(&name, None)), Some(RefusalCode::NameMalformed));
        let to = Conversation::User(name.clone());
        assert_eq!(code(message(&to, "hi")), Some(RefusalCode::UnknownUser));
        let to = Conversation::Room(name.clone());
        assert_eq!(code(message(&to, "hi")), Some(RefusalCode::UnknownRoom));
        assert_eq!(code(download(&name)), Some(RefusalCode::UnknownFile));
        assert_eq!(code(log_in("bob", Some(&name))), Some(RefusalCode::WrongPassword));
    }

    #[test]
    fn ordinary_ones_do() {
        assert_eq!(code(log_in("bob", Some("secret"))), None);
        assert_eq!(code(download("music/a.ogg")), None);
    }
}
