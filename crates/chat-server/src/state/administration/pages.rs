//! What is told of accounts, of what is in force, and of what was decided.

use common::limits::{ACCOUNT_PAGE_ENTRIES_MAX, SANCTION_PAGE_ENTRIES_MAX};
use common::user_name::NameKey;
use common::wire::{
    self, AccountEntry, AccountPage, AuditAction, AuditEntry, AuditPage, Sanction, SanctionPage,
};

use crate::log::event::ruling::{Ban, BanSubject, Decision, Mute, Role, Ruling};
use crate::state::State;
use crate::state::now::Now;

impl State {
    pub(super) fn sanction_page(&self, now: Now, from: usize) -> SanctionPage {
        let mut in_force = self.sanctions.all(now).skip(from);
        let page = in_force.by_ref().take(SANCTION_PAGE_ENTRIES_MAX);
        let sanctions: Vec<Sanction> = page.map(|ruling| sanction(audit_entry(ruling))).collect();
        let next = in_force.next().map(|_| from + sanctions.len());
        let next = next.and_then(|next| u32::try_from(next).ok()).unwrap_or(0);
        SanctionPage { sanctions, next }
    }

    pub(super) fn account_page(&self, after: &NameKey) -> AccountPage {
        let mut behind = self.accounts.after(after);
        let page = behind.by_ref().take(ACCOUNT_PAGE_ENTRIES_MAX);
        let accounts = page.map(|registered| {
            let account = &registered.account;
            AccountEntry {
                name: account.holder.name.clone(),
                role: to_wire(account.role).into(),
                is_online: self.roster.of_key(&account.holder.key).next().is_some(),
                password_at_ms: account.password_at_ms,
            }
        });
        AccountPage { accounts: accounts.collect(), more: behind.next().is_some() }
    }
}

pub(crate) fn to_wire(role: Role) -> wire::Role {
    match role {
        Role::Member => wire::Role::Member,
        Role::Moderator => wire::Role::Moderator,
        Role::Admin => wire::Role::Admin,
    }
}

pub(crate) fn audit_page(rulings: &[std::sync::Arc<Ruling>], next: Option<u64>) -> AuditPage {
    let entries = rulings.iter().map(|ruling| audit_entry(ruling)).collect();
    AuditPage { entries, next: next.unwrap_or(0) }
}

fn audit_entry(ruling: &Ruling) -> AuditEntry {
    let Ruling { by, at_ms, decision } = ruling;
    let entry = AuditEntry { by: by.clone(), at_ms: *at_ms, ..AuditEntry::default() };
    let with = |action: AuditAction, subject: &str| AuditEntry {
        action: action.into(),
        subject: subject.to_owned(),
        ..entry.clone()
    };
    let of_ban = |action: AuditAction, ban: &Ban| AuditEntry {
        until_ms: ban.end.to_ms(),
        text: ban.reason.clone(),
        ..with(action, &banned(&ban.subject))
    };
    let of_mute = |action: AuditAction, mute: &Mute| AuditEntry {
        until_ms: mute.end.to_ms(),
        text: mute.reason.clone(),
        ..with(action, &mute.name.spelling)
    };
    match decision {
        Decision::AccountSet(account) => AuditEntry {
            role: to_wire(account.role).into(),
            ..with(AuditAction::SetAccount, &account.holder.name)
        },
        Decision::AccountRemoved(holder) => with(AuditAction::RemoveAccount, &holder.name),
        Decision::DeviceAdded(device) => AuditEntry {
            text: device.label.clone(),
            ..with(AuditAction::AddDevice, &device.holder.spelling)
        },
        Decision::DeviceRemoved(device) => AuditEntry {
            text: device.label.clone(),
            ..with(AuditAction::RemoveDevice, &device.holder.spelling)
        },
        Decision::Banned(ban) => of_ban(AuditAction::Ban, ban),
        Decision::Unbanned(ban) => of_ban(AuditAction::Unban, ban),
        Decision::Muted(mute) => of_mute(AuditAction::Mute, mute),
        Decision::Unmuted(mute) => of_mute(AuditAction::Unmute, mute),
        Decision::Kicked { name, reason } => {
            AuditEntry { text: reason.clone(), ..with(AuditAction::Kick, &name.spelling) }
        }
        Decision::RoomSet(room) => AuditEntry {
            text: room.topic.clone(),
            ..with(AuditAction::SetRoom, &room.name.name.spelling)
        },
        Decision::RoomRemoved(room) => with(AuditAction::RemoveRoom, &room.name.spelling),
        // Not looked back on.
        Decision::MemberSet(it) | Decision::MemberRemoved(it) => {
            with(AuditAction::Unspecified, &it.member.name)
        }
        Decision::InviteSet(invite) => AuditEntry {
            text: invite.name.note.clone(),
            until_ms: invite.end.to_ms(),
            role: to_wire(invite.role).into(),
            ..with(AuditAction::CreateInvite, &invite.name.id.text())
        },
        Decision::InviteRevoked(name) => AuditEntry {
            text: name.note.clone(),
            ..with(AuditAction::RevokeInvite, &name.id.text())
        },
        Decision::InviteUsed(it) => {
            AuditEntry { text: it.invite.text(), ..with(AuditAction::UseInvite, &it.person.name) }
        }
        Decision::Announced { text } => {
            AuditEntry { text: text.clone(), ..with(AuditAction::Announce, "") }
        }
    }
}

fn banned(subject: &BanSubject) -> String {
    match subject {
        BanSubject::Name(name) => name.spelling.clone(),
        BanSubject::Network(network) => network.to_string(),
    }
}

/// What is in force is told like what was decided.
fn sanction(entry: AuditEntry) -> Sanction {
    let AuditEntry { action, subject, until_ms, text: reason, by, at_ms, .. } = entry;
    Sanction { action, subject, until_ms, reason, by, at_ms }
}
