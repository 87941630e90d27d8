//! `chat-server user`, `kick`, `ban` and the others: says to the running server, through the socket in its data
//! folder, what who runs it wants, and tells the answer.

mod invites;
mod line;

use std::io::{self, Write};
use std::path::PathBuf;

use common::orders::{account_line, audit_line, parse_ban_subject, sanction_line, span_to_wire};
use common::terminal_text;
use common::wire::administer::Command;
use common::wire::server_frame::Body;
use common::wire::{self, AuditEntry, RefusalCode, Refused};

use crate::config::arguments::{DataOptions, Order, Password, UserCommand};
use crate::config::{ConfigError, data_folder};
use crate::join_password::{first_line, random_password};
use crate::operator::line::Line;

pub use invites::invite;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// Which server is meant cannot be told.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody is at the socket.
    #[error("no server runs with the data folder {}: {error}", data.display())]
    NotRunning {
        /// Where it would be.
        data: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// The server ended meanwhile.
    #[error("the server closed the connection: look whether it was done")]
    Closed,
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// No number of an invite.
    #[error("{0} is no number of an invite: `chat-server invite list` lists them")]
    NoId(String),
    /// The server did not do it.
    #[error("{}", sentence(.0))]
    Refused(Refused),
    /// Nothing can be printed.
    #[error("{0}")]
    Output(io::Error),
}

/// Does something with accounts.
///
/// # Errors
/// [`OperatorError`].
pub fn user(command: UserCommand, out: &mut impl Write) -> Result<(), OperatorError> {
    match command {
        UserCommand::Add(new) => {
            let (password, is_made) = chosen(new.password)?;
            let add = wire::AddAccount {
                name: new.name.clone(),
                password: password.clone(),
                role: wire::Role::from(new.role).into(),
            };
            done(new.of, Command::AddAccount(add))?;
            tell_password(&new.name, &password, is_made, out)
        }
        UserCommand::Passwd { name, password, of } => {
            let (password, is_made) = chosen(password)?;
            let set = wire::SetPassword { name: name.clone(), password: password.clone() };
            done(of, Command::SetPassword(set))?;
            tell_password(&name, &password, is_made, out)
        }
        UserCommand::Role { name, role, of } => {
            let role = wire::Role::from(role).into();
            done(of, Command::SetRole(wire::SetRole { name, role }))
        }
        UserCommand::Remove { name, of } => {
            done(of, Command::RemoveAccount(wire::RemoveAccount { name }))
        }
        UserCommand::List { of } => list_accounts(of, out),
    }
}

/// Keeps order.
///
/// # Errors
/// [`OperatorError`].
pub fn order(order: Order, out: &mut impl Write) -> Result<(), OperatorError> {
    match order {
        Order::Kick(it) => {
            done(it.of, Command::Kick(wire::Kick { name: it.name, reason: it.reason }))
        }
        Order::Ban(it) => {
            let subject = Some(parse_ban_subject(&it.subject));
            let for_seconds = span_to_wire(it.span);
            done(it.of, Command::Ban(wire::Ban { subject, for_seconds, reason: it.reason }))
        }
        Order::Unban { subject, of } => {
            done(of, Command::Unban(wire::Unban { subject: Some(parse_ban_subject(&subject)) }))
        }
        Order::Mute(it) => {
            let for_seconds = span_to_wire(it.span);
            let mute = wire::Mute { name: it.name, for_seconds, reason: it.reason };
            done(it.of, Command::Mute(mute))
        }
        Order::Unmute { name, of } => done(of, Command::Unmute(wire::Unmute { name })),
        Order::Announce { text, of } => done(of, Command::Announce(wire::Announce { text })),
        Order::Sanctions { of } => list_sanctions(of, out),
        Order::Audit(it) => audit(it.of, it.limit, out),
    }
}

fn connect(of: DataOptions) -> Result<Line, OperatorError> {
    let data = data_folder(of)?;
    Line::connect(&data).map_err(|error| OperatorError::NotRunning { data, error })
}

fn done(of: DataOptions, command: Command) -> Result<(), OperatorError> {
    match connect(of)?.ask(command)? {
        Body::Done(_) => Ok(()),
        _ => Err(OperatorError::Closed),
    }
}

fn list_accounts(of: DataOptions, out: &mut impl Write) -> Result<(), OperatorError> {
    let (mut line, mut after) = (connect(of)?, String::new());
    loop {
        let list = wire::ListAccounts { after };
        let Body::AccountPage(page) = line.ask(Command::ListAccounts(list))? else {
            return Err(OperatorError::Closed);
        };
        for entry in &page.accounts {
            print(out, &account_line(entry))?;
        }
        match page.accounts.last() {
            Some(last) if page.more => after = last.name.clone(),
            _ => return Ok(()),
        }
    }
}

fn list_sanctions(of: DataOptions, out: &mut impl Write) -> Result<(), OperatorError> {
    let (mut line, mut from) = (connect(of)?, 0);
    loop {
        let list = wire::ListSanctions { from };
        let Body::SanctionPage(page) = line.ask(Command::ListSanctions(list))? else {
            return Err(OperatorError::Closed);
        };
        for sanction in &page.sanctions {
            print(out, &sanction_line(sanction))?;
        }
        if page.next <= from {
            return Ok(());
        }
        from = page.next;
    }
}

fn audit(of: DataOptions, limit: usize, out: &mut impl Write) -> Result<(), OperatorError> {
    let (mut line, mut before) = (connect(of)?, 0);
    let mut entries: Vec<AuditEntry> = Vec::new();
    while entries.len() < limit {
        let wanted = u32::try_from(limit - entries.len()).unwrap_or(u32::MAX);
        let read = wire::ReadAudit { before, limit: wanted };
        let Body::AuditPage(page) = line.ask(Command::ReadAudit(read))? else {
            return Err(OperatorError::Closed);
        };
        entries.extend(page.entries);
        if page.next == 0 {
            break;
        }
        before = page.next;
    }
    entries.iter().rev().try_for_each(|entry| print(out, &audit_line(entry)))
}

/// The password that was chosen, or one that is made; and which of them it is.
fn chosen(password: Password) -> Result<(String, bool), OperatorError> {
    let Some(path) = password.password_file else { return Ok((random_password(), true)) };
    let text =
        std::fs::read_to_string(&path).map_err(|error| OperatorError::File { path, error })?;
    Ok((first_line(&text).unwrap_or_default().to_owned(), false))
}

fn tell_password(
    name: &str,
    password: &str,
    is_made: bool,
    out: &mut impl Write,
) -> Result<(), OperatorError> {
    if !is_made {
        return Ok(());
    }
    print(out, &format!("The password of {} is {password}", terminal_text::line(name)))
}

fn print(out: &mut impl Write, line: &str) -> Result<(), OperatorError> {
    writeln!(out, "{line}").map_err(OperatorError::Output)
}

/// For who runs the server, whose requests only some things can keep from being done.
fn sentence(refused: &Refused) -> String {
    let subject = terminal_text::line(&refused.subject);
    match refused.code() {
        RefusalCode::AccountExists => {
            format!("there is an account \u{201c}{subject}\u{201d} already")
        }
        RefusalCode::UnknownAccount => format!("there is no account \u{201c}{subject}\u{201d}"),
        RefusalCode::UnknownUser => format!("nobody called \u{201c}{subject}\u{201d} is there"),
        RefusalCode::NotInForce => {
            format!("there is no such ban or mute of \u{201c}{subject}\u{201d}")
        }
        RefusalCode::NameReserved => "the name is reserved for the server".to_owned(),
        RefusalCode::NameMalformed => "that is no name that anybody may have".to_owned(),
        RefusalCode::PasswordTooShort => {
            format!("the password needs at least {} characters", refused.allowed)
        }
        RefusalCode::AccountsFull => {
            "there are as many accounts as limits.accounts allows".to_owned()
        }
        RefusalCode::InviteUnknown => format!("there is no invite {subject}"),
        RefusalCode::InvitesFull => {
            format!("there are {} invites, as many as may be: revoke some", refused.allowed)
        }
        RefusalCode::TextTooLong => format!("at most {} bytes are allowed", refused.allowed),
        RefusalCode::TextEmpty => "there is nothing to tell".to_owned(),
        RefusalCode::ServerBusy | RefusalCode::SlowDown => {
            "the server is busy with such things: try again in a moment".to_owned()
        }
        RefusalCode::StorageFull => "the disk is full: nothing was changed".to_owned(),
        RefusalCode::StorageFailed => "the disk fails: nothing was changed".to_owned(),
        RefusalCode::Malformed => "that is no address, network, role or number".to_owned(),
        code => format!("the server refused it ({})", code.as_str_name()),
    }
}
