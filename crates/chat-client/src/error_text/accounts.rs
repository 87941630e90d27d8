//! What is said about accounts and rooms, and about what those who keep order did.

use common::wire::{Goodbye, GoodbyeReason, RefusalCode, Refused};

use crate::error_text::refusal;
use crate::event::RoomChange;
use crate::question::NoAnswer;

/// For a question that has no answer.
#[must_use]
pub fn no_answer(reason: &NoAnswer) -> String {
    match reason {
        NoAnswer::Refused(refused) => refusal(refused),
        NoAnswer::NotConnected => {
            "The connection broke before the server answered: nobody knows whether it was done. Look, and \
             try again."
                .into()
        }
    }
}

/// For something that happened in a room.
#[must_use]
pub fn room_change(change: &RoomChange) -> String {
    match change {
        RoomChange::Joined(room) if room.topic.is_empty() => {
            format!("You are in the room #{}", room.name)
        }
        RoomChange::Joined(room) => format!("You are in the room #{}: {}", room.name, room.topic),
        RoomChange::Changed(room) if room.topic.is_empty() => {
            format!("The room #{} has changed", room.name)
        }
        RoomChange::Changed(room) => {
            format!("The room #{} has changed: {}", room.name, room.topic)
        }
        RoomChange::Left { room } => format!("You are no longer in the room #{room}"),
        RoomChange::MemberJoined { room, name } => format!("{name} joined #{room}"),
        RoomChange::MemberLeft { room, name } => format!("{name} left #{room}"),
    }
}

/// `None` for what is not about accounts, rooms or order.
pub(super) fn account_refusal(refused: &Refused) -> Option<String> {
    let subject = &refused.subject;
    Some(match refused.code() {
        RefusalCode::PasswordNeeded => {
            "A password is needed: that of the account, if the name is one, or else the server's.".into()
        }
        RefusalCode::ServerBusy => {
            "The server is checking too many passwords at once. Try again in a moment.".into()
        }
        RefusalCode::PasswordTooShort => {
            format!("Choose a password of at least {} characters.", refused.allowed)
        }
        RefusalCode::AccountExists => format!("There is an account “{subject}” already."),
        RefusalCode::UnknownAccount => format!("There is no account “{subject}”."),
        RefusalCode::UnknownDevice => "The account is not known on such a device.".into(),
        RefusalCode::RegistrationOff => {
            "Nobody can register here. Ask the server's administrator for an account.".into()
        }
        RefusalCode::AccountsFull => {
            "The server has as many accounts as it may. Ask its administrator.".into()
        }
        RefusalCode::NotAllowed => {
            "You are not allowed to do that: it needs a higher role, in the room or on the server, and one \
             above the other person's."
                .into()
        }
        RefusalCode::RoomExists => format!("There is a room “{subject}” already. Choose another name."),
        RefusalCode::NotAMember => format!("You are not in the room “{subject}”. Join it first."),
        RefusalCode::RoomsFull => {
            format!("There is no place: {} are allowed at most.", refused.allowed)
        }
        RefusalCode::InviteUnknown if !subject.is_empty() => {
            format!("There is no invite “{subject}”. Look which there are.")
        }
        RefusalCode::InviteUnknown => {
            "The server does not know the invite in the link: it was revoked, or the link is not complete. Ask \
             for a new link. If the name is your account, check its password."
                .into()
        }
        RefusalCode::InviteUsedUp => {
            "The invite in the link has been used already, by as many people as it was for. Ask for a new link. If \
             the name is your account, check its password."
                .into()
        }
        RefusalCode::InviteExpired => {
            "The invite in the link has expired. Ask for a new link. If the name is your account, check its password."
                .into()
        }
        RefusalCode::InvitesFull => format!(
            "There is no room for more invites, or for more people who come by them: the server keeps at most {}. \
             Its administrator can revoke old ones.",
            refused.allowed
        ),
        RefusalCode::NotInForce => {
            format!("“{subject}” is not banned or muted by a moderator, so there is nothing to lift.")
        }
        RefusalCode::Muted => with_reason(
            match refused.time_ms {
                0 => "You are muted: you can read, and not write.",
                _ => "You are muted for now: you can read, and write again later.",
            },
            subject,
        ),
        RefusalCode::Banned => banned(refused.time_ms, subject),
        _ => return None,
    })
}

/// For a session that somebody ended.
pub(super) fn sent_away(goodbye: &Goodbye) -> String {
    match goodbye.reason() {
        GoodbyeReason::Kicked => {
            with_reason("A moderator sent you away. You may log in again.", &goodbye.text)
        }
        GoodbyeReason::Banned => banned(goodbye.until_ms, &goodbye.text),
        _ => "You were logged out, because your account or its password changed. Log in again."
            .into(),
    }
}

fn banned(until_ms: i64, reason: &str) -> String {
    with_reason(
        match until_ms {
            0 => "You are banned from this server. Ask its administrator.",
            _ => {
                "You are banned from this server for now. Try again later, or ask its administrator."
            }
        },
        reason,
    )
}

/// The words of others are told apart from ours.
fn with_reason(sentence: &str, reason: &str) -> String {
    match reason {
        "" => sentence.to_owned(),
        reason => format!("{sentence} The reason given: “{reason}”"),
    }
}
