//! Requests about accounts and about keeping order: names, networks, passwords and spans of time of a client
//! become what the state knows.

use std::net::IpAddr;
use std::time::Duration;

use common::invite_token::InviteToken;
use common::limits::{
    AUDIT_PAGE_ENTRIES_MAX, INVITE_TOKEN_BYTES, NAME_BYTES_MAX, PASSWORD_BYTES_MAX,
    REASON_BYTES_MAX, TEXT_BYTES_MAX,
};
use common::user_name::{NameKey, UserName};
use common::wire::administer::Command as Wire;
use common::wire::{self, ban_subject::Subject};
use ipnet::IpNet;

use crate::log::event::Identity;
use crate::log::event::invite::InviteId;
use crate::log::event::ruling::{BanSubject, DeviceId, Name, Role};
use crate::state::accounts::requests::AccountRequest;
use crate::state::administration::invites::InviteWish;
use crate::state::administration::{Command, Span};
use crate::state::passwords::{NewPassword, SALT_BYTES};
use crate::state::refusal::Refusal;
use crate::state::request::ResumeToken;

pub(super) fn register(
    wanted: wire::Register,
    fresh: ResumeToken,
) -> Result<AccountRequest, Refusal> {
    let invite = invite(&wanted.invite)?;
    Ok(AccountRequest::Register { password: new_password(wanted.password, fresh)?, invite })
}

pub(super) fn change_password(
    wanted: wire::ChangePassword,
    fresh: ResumeToken,
) -> Result<AccountRequest, Refusal> {
    let wire::ChangePassword { old_password: old, new_password: new } = wanted;
    if old.len() > PASSWORD_BYTES_MAX {
        return Err(Refusal::WrongPassword);
    }
    Ok(AccountRequest::ChangePassword { old, new: new_password(new, fresh)? })
}

pub(super) fn remove_device(wanted: &wire::RemoveDevice) -> Result<AccountRequest, Refusal> {
    let id = wanted.device_id.as_ref().try_into().map_err(|_| Refusal::Malformed)?;
    Ok(AccountRequest::RemoveDevice { device: DeviceId(id) })
}

pub(super) fn command(
    administer: wire::Administer,
    fresh: ResumeToken,
) -> Result<Command, Refusal> {
    Ok(match administer.command.ok_or(Refusal::Unsupported)? {
        Wire::Kick(it) => Command::Kick { name: name(it.name)?, reason: reason(it.reason)? },
        Wire::Ban(it) => Command::Ban {
            subject: subject(it.subject)?,
            span: span(it.for_seconds),
            reason: reason(it.reason)?,
        },
        Wire::Unban(it) => Command::Unban { subject: subject(it.subject)? },
        Wire::Mute(it) => Command::Mute {
            name: name(it.name)?,
            span: span(it.for_seconds),
            reason: reason(it.reason)?,
        },
        Wire::Unmute(it) => Command::Unmute { name: name(it.name)? },
        Wire::Announce(it) => Command::Announce { text: text(it.text)? },
        Wire::ListSanctions(it) => Command::ListSanctions { from: it.from as usize },
        Wire::AddAccount(it) => Command::AddAccount {
            role: role(it.role())?.unwrap_or(Role::Member),
            name: UserName::parse(&it.name).map_err(Refusal::NameMalformed)?,
            password: new_password(it.password, fresh)?,
            identity: identity(fresh),
        },
        Wire::SetPassword(it) => Command::SetPassword {
            name: name(it.name)?,
            password: new_password(it.password, fresh)?,
        },
        Wire::SetRole(it) => Command::SetRole {
            role: role(it.role())?.ok_or(Refusal::Malformed)?,
            name: name(it.name)?,
        },
        Wire::RemoveAccount(it) => Command::RemoveAccount { name: name(it.name)? },
        Wire::ListAccounts(it) => Command::ListAccounts { after: name(it.after)?.key },
        Wire::CreateInvite(it) => Command::CreateInvite(InviteWish {
            token: fresh_invite(fresh),
            uses: (it.uses > 0).then_some(it.uses),
            span: span(it.for_seconds),
            role: role(it.role())?.unwrap_or(Role::Member),
            note: reason(it.note)?,
        }),
        Wire::RevokeInvite(it) => {
            let id = it.invite_id.as_ref().try_into().map_err(|_| Refusal::Malformed)?;
            Command::RevokeInvite { invite: InviteId(id) }
        }
        Wire::ListInvites(it) => Command::ListInvites { from: it.from as usize },
        Wire::ReadAudit(wire::ReadAudit { before, limit }) => Command::ReadAudit {
            before: (before > 0).then_some(before),
            limit: match limit {
                0 => AUDIT_PAGE_ENTRIES_MAX,
                limit => AUDIT_PAGE_ENTRIES_MAX.min(limit as usize),
            },
        },
    })
}

/// Of a token that is shown, if one is.
pub(super) fn invite(token: &[u8]) -> Result<Option<InviteToken>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    InviteToken::from_bytes(token).map(Some).ok_or(Refusal::Malformed)
}

fn fresh_invite(ResumeToken(fresh): ResumeToken) -> InviteToken {
    let mut token = InviteToken([0; INVITE_TOKEN_BYTES]);
    token.0.iter_mut().zip(fresh).for_each(|(to, from)| *to = from);
    token
}

fn new_password(text: String, ResumeToken(fresh): ResumeToken) -> Result<NewPassword, Refusal> {
    if text.len() > PASSWORD_BYTES_MAX {
        return Err(Refusal::TextTooLong { allowed: PASSWORD_BYTES_MAX });
    }
    let salt: [u8; SALT_BYTES] = *fresh.first_chunk().ok_or(Refusal::Malformed)?;
    Ok(NewPassword { text, salt })
}

/// Of the part of the randomness that is no salt.
fn identity(ResumeToken(fresh): ResumeToken) -> Identity {
    let [.., a, b, c, d, e, f, g, h] = fresh;
    Identity(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// Of anybody, by any spelling: it is looked up, never given to somebody.
pub(super) fn name(spelling: String) -> Result<Name, Refusal> {
    if spelling.len() > NAME_BYTES_MAX {
        return Err(Refusal::UnknownUser { name: spelling });
    }
    Ok(Name { key: NameKey::of(&spelling), spelling })
}

fn subject(subject: Option<wire::BanSubject>) -> Result<BanSubject, Refusal> {
    match subject.and_then(|it| it.subject).ok_or(Refusal::Malformed)? {
        Subject::Name(spelt) => {
            // A ban may come before the name does, and then must be one that could.
            UserName::parse(&spelt).map_err(Refusal::NameMalformed)?;
            name(spelt).map(BanSubject::Name)
        }
        Subject::Network(network) => parse_network(&network).map(BanSubject::Network),
    }
}

/// An address is the network of that address alone. What is behind the prefix counts for nothing.
fn parse_network(text: &str) -> Result<IpNet, Refusal> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| Refusal::Malformed)?.trunc();
    Ok(match network {
        // Connections are known by their IPv4 address.
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED_PREFIX => match v6.addr().to_ipv4_mapped() {
            Some(v4) => {
                ipnet::Ipv4Net::new(v4, v6.prefix_len() - MAPPED_PREFIX).map_or(network, IpNet::V4)
            }
            None => network,
        },
        network => network,
    })
}

/// Of IPv4 addresses in IPv6 form (RFC 4291, section 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

fn span(seconds: u32) -> Span {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

fn reason(reason: String) -> Result<String, Refusal> {
    if reason.len() > REASON_BYTES_MAX {
        return Err(Refusal::TextTooLong { allowed: REASON_BYTES_MAX });
    }
    Ok(reason)
}

fn text(text: String) -> Result<String, Refusal> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Refusal::TextTooLong { allowed: TEXT_BYTES_MAX });
    }
    if text.trim().is_empty() {
        return Err(Refusal::TextEmpty);
    }
    Ok(text)
}

/// `None` where none is said.
fn role(role: wire::Role) -> Result<Option<Role>, Refusal> {
    match role {
        wire::Role::Unspecified => Ok(None),
        wire::Role::Guest => Err(Refusal::Malformed),
        wire::Role::Member => Ok(Some(Role::Member)),
        wire::Role::Moderator => Ok(Some(Role::Moderator)),
        wire::Role::Admin => Ok(Some(Role::Admin)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_network(text: &str, expected: Option<&str>) {
        let found = parse_network(text).ok().map(|network| network.to_string());
        assert_eq!(found.as_deref(), expected, "{text:?}");
    }

    #[test]
    fn networks_are_told_by_prefix_and_single_addresses_too() {
        check_network("10.1.2.3", Some("10.1.2.3/32"));
        check_network("10.1.2.3/16", Some("10.1.0.0/16"));
        check_network("fd00::1", Some("fd00::1/128"));
        check_network("::ffff:10.1.2.3", Some("10.1.2.3/32"));
        check_network("::ffff:10.1.0.0/112", Some("10.1.0.0/16"));
        for wrong in ["", "10.1.2", "10.1.2.3/33", "lab", "10.0.0.0/8/8"] {
            check_network(wrong, None);
        }
    }

    #[test]
    fn a_command_of_a_later_version_is_unsupported() {
        let nothing = wire::Administer { command: None };
        let refused = command(nothing, ResumeToken([1; 32])).unwrap_err();
        assert_eq!(refused, Refusal::Unsupported);
    }
}
