//! `chat-server invite`: the links that let people in.

use std::io::Write;

use common::orders::{invite_line, parse_id, span_to_wire};
use common::wire;
use common::wire::administer::Command;
use common::wire::server_frame::Body;

use crate::config::arguments::{DataOptions, InviteCommand, InviteOptions, NewInvite};
use crate::operator::{OperatorError, connect, done, print};

/// Does something with invites.
///
/// # Errors
/// [`OperatorError`].
pub fn invite(options: InviteOptions, out: &mut impl Write) -> Result<(), OperatorError> {
    match options.command {
        None => print_link(options.of, out),
        Some(InviteCommand::Create(new)) => create(new, out),
        Some(InviteCommand::List { of }) => list(of, out),
        Some(InviteCommand::Revoke { invite, of }) => {
            let id = parse_id(&invite).ok_or(OperatorError::NoId(invite))?;
            done(of, Command::RevokeInvite(wire::RevokeInvite { invite_id: id.into() }))
        }
    }
}

fn print_link(of: DataOptions, out: &mut impl Write) -> Result<(), OperatorError> {
    let list = Command::ListInvites(wire::ListInvites { from: 0 });
    match connect(of)?.ask(list)? {
        Body::InvitePage(page) => print(out, &page.link),
        _ => Err(OperatorError::Closed),
    }
}

fn create(new: NewInvite, out: &mut impl Write) -> Result<(), OperatorError> {
    let NewInvite { uses, unlimited, expires, role, note, of } = new;
    let create = Command::CreateInvite(wire::CreateInvite {
        uses: if unlimited { 0 } else { uses },
        for_seconds: span_to_wire(expires.0),
        role: wire::Role::from(role).into(),
        note,
    });
    match connect(of)?.ask(create)? {
        Body::InviteCreated(made) => print(out, &made.link),
        _ => Err(OperatorError::Closed),
    }
}

fn list(of: DataOptions, out: &mut impl Write) -> Result<(), OperatorError> {
    let (mut line, mut from) = (connect(of)?, 0);
    loop {
        let list = Command::ListInvites(wire::ListInvites { from });
        let Body::InvitePage(page) = line.ask(list)? else {
            return Err(OperatorError::Closed);
        };
        for entry in &page.invites {
            print(out, &invite_line(entry))?;
        }
        if page.next <= from {
            return Ok(());
        }
        from = page.next;
    }
}
