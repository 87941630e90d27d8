//! `invite create`, `list` and `revoke`.

use chat_client::question::{Answer, Question};
use common::orders::{id_text, invite_line, role_name, span_to_wire};
use common::wire::administer::Command;
use common::wire::{self, InviteEntry};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::options::{CreateInvite, Invite};
use crate::output::Output;
use crate::visit::Visit;

pub(crate) async fn invite(
    visit: &mut Visit,
    output: &mut Output,
    command: &Invite,
) -> Result<(), Failure> {
    match command {
        Invite::Create(wanted) => create(visit, output, wanted).await,
        Invite::List => list(visit, output).await,
        Invite::Revoke(wanted) => {
            let invite_id = wanted.invite.0.clone().into();
            let command = Command::RevokeInvite(wire::RevokeInvite { invite_id });
            visit.question(Question::Administer(command)).await?;
            output.result(|| Some("Done.".to_owned()), || json!({ "event": "done" }))
        }
    }
}

async fn create(
    visit: &mut Visit,
    output: &mut Output,
    wanted: &CreateInvite,
) -> Result<(), Failure> {
    let command = Command::CreateInvite(wire::CreateInvite {
        uses: if wanted.unlimited { 0 } else { wanted.uses },
        for_seconds: span_to_wire(wanted.expires.0),
        role: wire::Role::from(wanted.role).into(),
        note: wanted.note.clone(),
    });
    let Answer::Invite(made) = visit.question(Question::Administer(command)).await? else {
        return Err(Failure::unexpected_answer());
    };
    output.result(
        || Some(made.link.clone()),
        || json!({ "event": "invite", "id": id_text(&made.invite_id), "link": made.link }),
    )
}

async fn list(visit: &mut Visit, output: &mut Output) -> Result<(), Failure> {
    let mut from = 0;
    loop {
        let command = Command::ListInvites(wire::ListInvites { from });
        let Answer::Invites(page) = visit.question(Question::Administer(command)).await? else {
            return Err(Failure::unexpected_answer());
        };
        for it in &page.invites {
            output.result(|| Some(invite_line(it)), || invite_json(it))?;
        }
        if page.next <= from {
            return Ok(());
        }
        from = page.next;
    }
}

fn invite_json(it: &InviteEntry) -> Value {
    json!({
        "event": "invite", "id": id_text(&it.invite_id), "role": role_name(it.role()),
        "used": it.used, "uses": it.uses, "until": it.until_ms, "note": it.note, "by": it.by,
        "at": it.at_ms,
    })
}
