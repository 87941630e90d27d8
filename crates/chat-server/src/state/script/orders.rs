//! Steps of scripts about accounts and about keeping order, and what is heard of them.

use std::time::Duration;

use common::invite_link::InviteLink;
use common::invite_token::InviteToken;
use common::limits::INVITE_TOKEN_BYTES;
use common::user_name::{NameKey, UserName};
use common::wire;
use common::wire::server_frame::Body;

use crate::log::event::Identity;
use crate::log::event::invite::InviteId;
use crate::log::event::room::RoomId;
use crate::log::event::ruling::{BanSubject, DeviceId, Name, Role};
use crate::state::accounts::requests::AccountRequest;
use crate::state::administration::invites::InviteWish;
use crate::state::administration::{Command, Span};
use crate::state::passwords::{NewPassword, PasswordKind, PasswordResult, PasswordTask};
use crate::state::request::{Hello, MemberRequest, Request};
use crate::state::rooms::requests::{RoomRequest, RoomWish};

pub(super) fn hello() -> Request {
    Request::Hello(Hello { version_min: 1, version_max: 1, agent: "x".into() })
}

pub(super) fn password_result(word: &str) -> PasswordResult {
    match word {
        "right" => PasswordResult::Checked(true),
        "wrong" => PasswordResult::Checked(false),
        "busy" => PasswordResult::Busy,
        hash => PasswordResult::Hashed(hash.to_owned()),
    }
}

pub(super) fn describe_password(task: &PasswordTask) -> String {
    match &task.kind {
        PasswordKind::Check(Some(hash)) => format!("* is {} {hash}", task.password),
        PasswordKind::Check(None) => format!("* is {} nobody's", task.password),
        PasswordKind::Hash { .. } => format!("* hash {}", task.password),
    }
}

pub(super) fn request(words: &[&str]) -> Request {
    let account = |request| Request::Member(Ok(MemberRequest::Account(request)));
    match words {
        ["register", text, rest @ ..] => {
            let invite = rest.first().and_then(|word| word.strip_prefix("inv=")?.parse().ok());
            let invite = invite.map(invite_token);
            account(AccountRequest::Register { password: password(text), invite })
        }
        ["passwd", old, new] => {
            account(AccountRequest::ChangePassword { old: (*old).to_owned(), new: password(new) })
        }
        ["devices"] => account(AccountRequest::ListDevices),
        ["undevice", number] => {
            let device = DeviceId([number.parse().unwrap(); 8]);
            account(AccountRequest::RemoveDevice { device })
        }
        ["room", order @ ..] => Request::Member(Ok(MemberRequest::Room(room(order)))),
        order => Request::Administer(Ok(command(order))),
    }
}

fn room(words: &[&str]) -> RoomRequest {
    let flag = |rest: &[&str], word: &str| rest.contains(&word);
    match words {
        ["create", room, id, rest @ ..] => RoomRequest::Create {
            name: UserName::parse(room).unwrap(),
            id: RoomId(id.parse().unwrap()),
            wish: RoomWish {
                topic: None,
                is_private: Some(flag(rest, "private")),
                is_announce_only: Some(flag(rest, "announce")),
            },
        },
        ["join", room] => RoomRequest::Join { room: name(room) },
        ["leave", room] => RoomRequest::Leave { room: name(room) },
        ["topic", room, topic] => RoomRequest::Change {
            room: name(room),
            wish: RoomWish { topic: Some((*topic).to_owned()), ..RoomWish::default() },
        },
        ["remove", room] => RoomRequest::Remove { room: name(room) },
        ["add", room, who, rest @ ..] => RoomRequest::Add {
            room: name(room),
            name: name(who),
            is_moderator: flag(rest, "moderator"),
        },
        ["out", room, who] => RoomRequest::TakeOut { room: name(room), name: name(who) },
        ["list"] => RoomRequest::List { after: NameKey::of("") },
        ["members", room] => RoomRequest::ListMembers { room: name(room), after: String::new() },
        other => panic!("no such step: {other:?}"),
    }
}

fn room_entry(entry: Option<&wire::RoomEntry>) -> String {
    let it = entry.unwrap();
    let mark = |is_so, mark: &str| if is_so { format!(" {mark}") } else { String::new() };
    format!(
        "#{} of {}{}{}{}{}",
        it.name,
        it.members,
        mark(it.is_private, "private"),
        mark(it.is_announce_only, "announce"),
        mark(it.is_member, "in"),
        mark(it.is_moderator, "moderator"),
    )
}

fn command(words: &[&str]) -> Command {
    match words {
        ["kick", who, reason @ ..] => Command::Kick { name: name(who), reason: reason.join(" ") },
        ["ban", who, span, reason @ ..] => {
            Command::Ban { subject: subject(who), span: for_span(span), reason: reason.join(" ") }
        }
        ["unban", who] => Command::Unban { subject: subject(who) },
        ["mute", who, span] => {
            Command::Mute { name: name(who), span: for_span(span), reason: String::new() }
        }
        ["unmute", who] => Command::Unmute { name: name(who) },
        ["announce", text @ ..] => Command::Announce { text: text.join(" ") },
        ["sanctions"] => Command::ListSanctions { from: 0 },
        ["account", who, text, role] => Command::AddAccount {
            name: UserName::parse(who).unwrap(),
            password: password(text),
            role: parse_role(role),
            identity: Identity(5 << 56),
        },
        ["password-of", who, text] => {
            Command::SetPassword { name: name(who), password: password(text) }
        }
        ["role", who, role] => Command::SetRole { name: name(who), role: parse_role(role) },
        ["unaccount", who] => Command::RemoveAccount { name: name(who) },
        ["invite", number, uses, span, role, note @ ..] => Command::CreateInvite(InviteWish {
            token: invite_token(number.parse().unwrap()),
            uses: uses.parse().ok(),
            span: for_span(span),
            role: parse_role(role),
            note: note.join(" "),
        }),
        ["uninvite", number] => {
            Command::RevokeInvite { invite: InviteId([number.parse().unwrap(); 8]) }
        }
        ["invites"] => Command::ListInvites { from: 0 },
        ["accounts"] => Command::ListAccounts { after: NameKey::of("") },
        ["audit"] => Command::ReadAudit { before: None, limit: 2 },
        other => panic!("no such step: {other:?}"),
    }
}

pub(super) fn invite_token(number: u8) -> InviteToken {
    InviteToken([number; INVITE_TOKEN_BYTES])
}

fn password(text: &str) -> NewPassword {
    NewPassword { text: text.to_owned(), salt: [3; 16] }
}

fn name(text: &str) -> Name {
    Name { key: NameKey::of(text), spelling: text.to_owned() }
}

fn subject(text: &str) -> BanSubject {
    match text.parse() {
        Ok(network) => BanSubject::Network(network),
        Err(_) => BanSubject::Name(name(text)),
    }
}

/// `10s`, or `ever`.
fn for_span(text: &str) -> Span {
    let seconds = text.strip_suffix('s')?;
    Some(Duration::from_secs(seconds.parse().unwrap()))
}

fn parse_role(text: &str) -> Role {
    match text {
        "member" => Role::Member,
        "moderator" => Role::Moderator,
        "admin" => Role::Admin,
        other => panic!("no such role: {other}"),
    }
}

pub(super) fn role_name(role: wire::Role) -> String {
    role.as_str_name().trim_start_matches("ROLE_").to_lowercase()
}

/// Answers about accounts and about keeping order, as one short line.
pub(super) fn describe(body: Body) -> String {
    match body {
        Body::Done(_) => "done".into(),
        Body::DevicePage(it) => {
            let device = |device: &wire::DeviceEntry| {
                let this = if device.is_this { " (this)" } else { "" };
                format!(" {}{this}", device.device_id[0])
            };
            format!("devices{}", it.devices.iter().map(device).collect::<String>())
        }
        Body::AccountPage(it) => {
            let account = |account: &wire::AccountEntry| {
                let online = if account.is_online { " (online)" } else { "" };
                format!(" {} {}{online}", account.name, role_name(account.role()))
            };
            format!("accounts{}", it.accounts.iter().map(account).collect::<String>())
        }
        Body::SanctionPage(it) => {
            let sanction = |it: &wire::Sanction| {
                let action = it.action().as_str_name().trim_start_matches("AUDIT_ACTION_");
                format!(" {} {} by {:?}", action.to_lowercase(), it.subject, it.by)
            };
            format!("sanctions{}", it.sanctions.iter().map(sanction).collect::<String>())
        }
        Body::RoomJoined(it) => {
            format!("in {} from {}", room_entry(it.room.as_ref()), it.last_seq)
        }
        Body::RoomChanged(it) => {
            let room = it.room.unwrap();
            format!("changed {}: {:?}", room_entry(Some(&room)), room.topic)
        }
        Body::RoomLeft(it) => format!("out of #{}", it.room),
        Body::MemberJoined(it) => format!("{} in #{}", it.name, it.room),
        Body::MemberLeft(it) => format!("{} out of #{}", it.name, it.room),
        Body::RoomPage(it) => {
            let rooms = it.rooms.iter().map(|room| format!(" {};", room_entry(Some(room))));
            format!("rooms{}", rooms.collect::<String>())
        }
        Body::MemberPage(it) => {
            let member = |it: &wire::MemberEntry| {
                let moderator = if it.is_moderator { " (moderator)" } else { "" };
                let away = if it.is_online { "" } else { " (away)" };
                format!(" {}{moderator}{away}", it.name)
            };
            format!("members{}", it.members.iter().map(member).collect::<String>())
        }
        Body::InviteCreated(it) => {
            let link: InviteLink = it.link.parse().unwrap();
            let token = link.token.unwrap();
            assert_eq!(token.id(), *it.invite_id);
            format!("invite {}", token.0[INVITE_TOKEN_BYTES - 1])
        }
        Body::InvitePage(it) => {
            let invite = |it: &wire::InviteEntry| {
                let (role, note) = (role_name(it.role()), &it.note);
                let number = it.invite_id[0];
                format!(" {number}: {role} {}/{} by {:?} {note:?};", it.used, it.uses, it.by)
            };
            format!("invites{}", it.invites.iter().map(invite).collect::<String>())
        }
        Body::AuditPage(it) => format!("{} decisions, next {}", it.entries.len(), it.next),
        other => panic!("not expected here: {other:?}"),
    }
}
