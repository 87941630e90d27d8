//! What those who keep order type, and what was decided as a line of text: for both programs in which they do.

use std::net::IpAddr;
use std::time::Duration;

use crate::date_text::date;
use crate::terminal_text::line;
use crate::wire::ban_subject::Subject;
use crate::wire::{
    AccountEntry, AuditAction, AuditEntry, BanSubject, DeviceEntry, InviteEntry, Role, Sanction,
};

/// Who is meant by a ban: an address, a network with its prefix, or else a name.
#[must_use]
pub fn parse_ban_subject(text: &str) -> BanSubject {
    let is_network = |text: &str| {
        let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
        address.parse::<IpAddr>().is_ok() && prefix.parse::<u8>().is_ok()
    };
    let subject = match is_network(text) {
        true => Subject::Network(text.to_owned()),
        false => Subject::Name(text.strip_prefix('@').unwrap_or(text).to_owned()),
    };
    BanSubject { subject: Some(subject) }
}

/// As it is sent: 0 is for ever, and what is longer than can be said is.
#[must_use]
pub fn span_to_wire(span: Option<Duration>) -> u32 {
    span.and_then(|span| u32::try_from(span.as_secs()).ok()).unwrap_or(0)
}

/// `member`, `moderator`, `admin`, `guest`.
#[must_use]
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Unspecified => "nobody",
        Role::Guest => "guest",
        Role::Member => "member",
        Role::Moderator => "moderator",
        Role::Admin => "admin",
    }
}

/// `2026-11-22 20:10 UTC  ann: banned eve until 2026-11-23 20:10 UTC (spam)`.
#[must_use]
pub fn audit_line(entry: &AuditEntry) -> String {
    format!("{}  {}: {}", date(entry.at_ms), who(&entry.by), deed(entry))
}

/// `banned eve until 2026-11-23 20:10 UTC (spam), by ann`.
#[must_use]
pub fn sanction_line(sanction: &Sanction) -> String {
    let Sanction { action, subject, until_ms, reason, by, at_ms } = sanction.clone();
    let entry =
        AuditEntry { action, subject, until_ms, text: reason, at_ms, ..AuditEntry::default() };
    format!("{}, by {} on {}", deed(&entry), who(&by), date(at_ms))
}

/// `ann  admin  online`.
#[must_use]
pub fn account_line(entry: &AccountEntry) -> String {
    let online = if entry.is_online { "  online" } else { "" };
    format!("{}  {}{online}", line(&entry.name), role_name(entry.role()))
}

/// `0102030405060708  simple-chat 0.1  since 2026-11-22 20:10 UTC  (this one)`.
#[must_use]
pub fn device_line(entry: &DeviceEntry) -> String {
    let this = if entry.is_this { "  (this one)" } else { "" };
    format!("{}  {}  since {}{this}", device_id(entry), line(&entry.label), date(entry.since_ms))
}

/// `0102030405060708  member  1 of 5 used  until 2026-11-23 20:10 UTC  by ann on 2026-11-22 20:10 UTC  (tea)`.
#[must_use]
pub fn invite_line(entry: &InviteEntry) -> String {
    let role = match entry.role() {
        Role::Unspecified => "opens nothing: its maker may not invite any more",
        role => role_name(role),
    };
    let used = match entry.uses {
        0 => format!("{} used", entry.used),
        uses => format!("{} of {uses} used", entry.used),
    };
    let until = match entry.until_ms {
        0 => "for ever".to_owned(),
        until_ms => format!("until {}", date(until_ms)),
    };
    let note = match entry.note.as_str() {
        "" => String::new(),
        note => format!("  ({})", line(note)),
    };
    let (id, by, at) = (id_text(&entry.invite_id), who(&entry.by), date(entry.at_ms));
    format!("{id}  {role}  {used}  {until}  by {by} on {at}{note}")
}

/// Its number, as [`parse_id`] takes it.
#[must_use]
pub fn device_id(entry: &DeviceEntry) -> String {
    id_text(&entry.device_id)
}

/// The number of a device or an invite, as [`parse_id`] takes it.
#[must_use]
pub fn id_text(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The number of a device or an invite as it is listed.
#[must_use]
pub fn parse_id(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    (rest.is_empty() && !pairs.is_empty()).then_some(bytes)
}

/// The word for an action in JSON: `ban`, `add_device`.
#[must_use]
pub fn action_name(action: AuditAction) -> String {
    action.as_str_name().trim_start_matches("AUDIT_ACTION_").to_lowercase()
}

fn who(by: &str) -> String {
    if by.is_empty() { "the operator".to_owned() } else { line(by) }
}

fn deed(entry: &AuditEntry) -> String {
    let subject = line(&entry.subject);
    let because = match entry.text.as_str() {
        "" => String::new(),
        text => format!(" ({})", line(text)),
    };
    let until = match entry.until_ms {
        0 => String::new(),
        until_ms => format!(" until {}", date(until_ms)),
    };
    match entry.action() {
        AuditAction::Unspecified => "did something that this version does not know".to_owned(),
        AuditAction::Kick => format!("sent {subject} away{because}"),
        AuditAction::Ban => format!("banned {subject}{until}{because}"),
        AuditAction::Unban => format!("lifted the ban of {subject}"),
        AuditAction::Mute => format!("muted {subject}{until}{because}"),
        AuditAction::Unmute => format!("let {subject} write again"),
        AuditAction::Announce => format!("announced: {}", line(&entry.text)),
        AuditAction::SetAccount => {
            format!("set the account of {subject}, {}", role_name(entry.role()))
        }
        AuditAction::RemoveAccount => format!("removed the account of {subject}"),
        AuditAction::SetRoom => format!("set the room #{subject}{because}"),
        AuditAction::RemoveRoom => format!("removed the room #{subject}"),
        AuditAction::CreateInvite => {
            let role = role_name(entry.role());
            format!("made the invite {subject}, {role}{until}{because}")
        }
        AuditAction::RevokeInvite => format!("revoked the invite {subject}{because}"),
        AuditAction::UseInvite => format!("came in by an invite{because}"),
        AuditAction::AddDevice => format!("gave the password of {subject} on a device{because}"),
        AuditAction::RemoveDevice => format!("forgot a device of {subject}{because}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_subject(text: &str, subject: Subject) {
        assert_eq!(parse_ban_subject(text).subject, Some(subject));
    }

    #[test]
    fn what_looks_like_a_network_is_one() {
        for network in ["10.1.2.3", "10.1.0.0/16", "fd00::/8", "::1"] {
            check_subject(network, Subject::Network(network.into()));
        }
        check_subject("eve", Subject::Name("eve".into()));
        check_subject("@eve", Subject::Name("eve".into()));
        check_subject("1/2", Subject::Name("1/2".into()));
    }

    #[test]
    fn a_line_tells_who_did_what_to_whom_and_moves_no_cursor() {
        let entry = AuditEntry {
            action: AuditAction::Ban.into(),
            subject: "eve".into(),
            until_ms: 60_000,
            text: "spam\u{1b}[2J".into(),
            by: "ann".into(),
            ..AuditEntry::default()
        };
        assert_eq!(
            audit_line(&entry),
            "1970-01-01 00:00 UTC  ann: banned eve until 1970-01-01 00:01 UTC (spam\\u{1b}[2J)"
        );
    }

    #[test]
    fn an_invite_is_listed_with_what_is_left_of_it() {
        let entry = InviteEntry {
            invite_id: vec![1, 0xab].into(),
            role: Role::Member.into(),
            used: 1,
            uses: 5,
            until_ms: 60_000,
            note: "tea\n".into(),
            by: "ann".into(),
            at_ms: 0,
        };
        assert_eq!(
            invite_line(&entry),
            "01ab  member  1 of 5 used  until 1970-01-01 00:01 UTC  by ann on 1970-01-01 00:00 UTC  (tea\\n)"
        );
        let unlimited = InviteEntry { uses: 0, until_ms: 0, role: 0, note: String::new(), ..entry };
        assert_eq!(
            invite_line(&unlimited),
            "01ab  opens nothing: its maker may not invite any more  1 used  for ever  by ann on 1970-01-01 00:00 UTC"
        );
    }

    #[test]
    fn a_device_is_named_by_its_number() {
        let entry = DeviceEntry { device_id: vec![1, 0xab].into(), ..DeviceEntry::default() };
        assert_eq!(parse_id(&device_id(&entry)), Some(vec![1, 0xab]));
        for wrong in ["", "1", "1g", "é1"] {
            assert_eq!(parse_id(wrong), None, "{wrong:?}");
        }
    }
}
