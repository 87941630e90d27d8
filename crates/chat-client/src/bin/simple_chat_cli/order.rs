//! `kick`, `ban`, `accounts` and the other commands of those who keep order.

use chat_client::question::{Answer, Question};
use common::orders::{
    account_line, action_name, audit_line, parse_ban_subject, role_name, sanction_line,
    span_to_wire,
};
use common::wire::administer::Command;
use common::wire::{self, AccountEntry, AuditEntry, Sanction};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::options::Order;
use crate::output::Output;
use crate::visit::{Visit, read_password};

pub(crate) async fn order(
    visit: &mut Visit,
    output: &mut Output,
    order: &Order,
) -> Result<(), Failure> {
    match order {
        Order::Sanctions => sanctions(visit, output).await,
        Order::Accounts => accounts(visit, output).await,
        Order::Audit(wanted) => {
            audit(visit, output, if wanted.all { usize::MAX } else { wanted.limit }).await
        }
        order => {
            visit.question(Question::Administer(command(order)?)).await?;
            output.result(|| Some("Done.".to_owned()), || json!({ "event": "done" }))
        }
    }
}

fn command(order: &Order) -> Result<Command, Failure> {
    Ok(match order {
        Order::Kick(it) => {
            Command::Kick(wire::Kick { name: it.name.clone(), reason: it.reason.clone() })
        }
        Order::Ban(it) => Command::Ban(wire::Ban {
            subject: Some(parse_ban_subject(&it.subject)),
            for_seconds: span_to_wire(it.span),
            reason: it.reason.clone(),
        }),
        Order::Unban(it) => {
            Command::Unban(wire::Unban { subject: Some(parse_ban_subject(&it.subject)) })
        }
        Order::Mute(it) => Command::Mute(wire::Mute {
            name: it.name.clone(),
            for_seconds: span_to_wire(it.span),
            reason: it.reason.clone(),
        }),
        Order::Unmute(it) => Command::Unmute(wire::Unmute { name: it.name.clone() }),
        Order::Announce(it) => Command::Announce(wire::Announce { text: it.text.clone() }),
        Order::AddAccount(it) => Command::AddAccount(wire::AddAccount {
            name: it.name.clone(),
            password: read_password(&it.password.new_password_file)?,
            role: wire::Role::from(it.role).into(),
        }),
        Order::SetPassword(it) => Command::SetPassword(wire::SetPassword {
            name: it.name.clone(),
            password: read_password(&it.password.new_password_file)?,
        }),
        Order::SetRole(it) => Command::SetRole(wire::SetRole {
            name: it.name.clone(),
            role: wire::Role::from(it.role).into(),
        }),
        Order::RemoveAccount(it) => {
            Command::RemoveAccount(wire::RemoveAccount { name: it.name.clone() })
        }
        Order::Sanctions => Command::ListSanctions(wire::ListSanctions { from: 0 }),
        Order::Accounts => Command::ListAccounts(wire::ListAccounts { after: String::new() }),
        Order::Audit(_) => Command::ReadAudit(wire::ReadAudit { before: 0, limit: 0 }),
    })
}

async fn sanctions(visit: &mut Visit, output: &mut Output) -> Result<(), Failure> {
    let mut from = 0;
    loop {
        let command = Command::ListSanctions(wire::ListSanctions { from });
        let Answer::Sanctions(page) = visit.question(Question::Administer(command)).await? else {
            return Err(Failure::unexpected_answer());
        };
        for it in &page.sanctions {
            output.result(|| Some(sanction_line(it)), || sanction_json(it))?;
        }
        if page.next <= from {
            return Ok(());
        }
        from = page.next;
    }
}

async fn accounts(visit: &mut Visit, output: &mut Output) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let command = Command::ListAccounts(wire::ListAccounts { after });
        let Answer::Accounts(page) = visit.question(Question::Administer(command)).await? else {
            return Err(Failure::unexpected_answer());
        };
        for it in &page.accounts {
            output.result(|| Some(account_line(it)), || account_json(it))?;
        }
        match page.accounts.last() {
            Some(last) if page.more => after = last.name.clone(),
            _ => return Ok(()),
        }
    }
}

async fn audit(visit: &mut Visit, output: &mut Output, limit: usize) -> Result<(), Failure> {
    let (mut entries, mut before) = (Vec::new(), 0);
    while entries.len() < limit {
        let wanted = u32::try_from(limit - entries.len()).unwrap_or(u32::MAX);
        let command = Command::ReadAudit(wire::ReadAudit { before, limit: wanted });
        let Answer::Audit(page) = visit.question(Question::Administer(command)).await? else {
            return Err(Failure::unexpected_answer());
        };
        entries.extend(page.entries);
        if page.next == 0 {
            break;
        }
        before = page.next;
    }
    for it in entries.iter().rev() {
        output.result(|| Some(audit_line(it)), || audit_json(it))?;
    }
    Ok(())
}

fn sanction_json(it: &Sanction) -> Value {
    json!({
        "event": "sanction", "action": action_name(it.action()), "subject": it.subject,
        "until": it.until_ms, "reason": it.reason, "by": it.by, "at": it.at_ms,
    })
}

fn account_json(it: &AccountEntry) -> Value {
    json!({
        "event": "account", "name": it.name, "role": role_name(it.role()),
        "online": it.is_online,
    })
}

fn audit_json(it: &AuditEntry) -> Value {
    json!({
        "event": "decision", "action": action_name(it.action()), "subject": it.subject,
        "until": it.until_ms, "text": it.text, "by": it.by, "at": it.at_ms,
    })
}
