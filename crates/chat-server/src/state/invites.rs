//! Invites that there are, and who came by them. What is here is stored; it changes when a decision is
//! ([`super::rulings`]). What an invite gives whom is decided in [`grants`], how somebody comes in by one in
//! [`arrivals`], and who may make them in [`super::administration`].

pub(crate) mod arrivals;

pub(crate) mod grants;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use common::invite_token::InviteToken;
use common::user_name::NameKey;

use crate::log::event::Identity;
use crate::log::event::invite::{Invite, InviteId, InviteUse, Proof};
use crate::log::event::ruling::{Decision, Ruling};
use crate::state::now::Now;
use crate::state::refusal::Refusal;
use crate::state::request::ResumeToken;

/// Invites that there may be; beyond it `INVITES_FULL`, unless one that is spent can be forgotten.
pub(crate) const INVITES_MAX: usize = 4096;

/// People who are remembered for having come by an invite; beyond it `INVITES_FULL`. Some 200 bytes each.
pub(crate) const USES_MAX: usize = 64 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Invites {
    /// In the order in which they were made.
    all: Vec<Open>,
    uses: Uses,
    /// Who it is that shows something of which this is the proof.
    shown: HashMap<Proof, Identity>,
    /// Uses that wait for the log: they count already, or the last one would be given twice.
    coming: Vec<InviteUse>,
    /// Tokens of invites that wait for the log, and are told when they hold: nobody can tell them later.
    untold: BTreeMap<InviteId, InviteToken>,
}

/// One invite.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) invite: Invite,
    /// The name of who made it; empty: who runs the server.
    pub(crate) by: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) at_ms: i64,
    /// How many people came by it.
    pub(crate) used: u32,
}

impl Invites {
    /// What earlier runs decided.
    pub(crate) fn remember(&mut self, rulings: &[Arc<Ruling>]) {
        rulings.iter().for_each(|ruling| self.apply(ruling));
    }

    /// From now on this holds.
    pub(crate) fn apply(&mut self, ruling: &Ruling) {
        match &ruling.decision {
            Decision::InviteSet(invite) => self.all.push(Open {
                invite: invite.clone(),
                by: ruling.by.clone(),
                at_ms: ruling.at_ms,
                used: 0,
            }),
            Decision::InviteRevoked(name) => self.revoke(name.id),
            Decision::InviteUsed(it) => self.note_use(it),
            _ => {}
        }
    }

    /// It is not stored: nothing has changed.
    pub(crate) fn not_stored(&mut self, decision: &Decision) {
        match decision {
            Decision::InviteSet(invite) => drop(self.untold.remove(&invite.name.id)),
            Decision::InviteUsed(it) => self.coming.retain(|coming| !is_same(coming, it)),
            _ => {}
        }
    }

    fn revoke(&mut self, id: InviteId) {
        self.all.retain(|open| open.invite.name.id != id);
        self.uses.retain(|(_, invite), _| *invite != id);
        let uses = &self.uses;
        self.shown.retain(|_, person| lets_in(uses, *person));
    }

    fn note_use(&mut self, it: &InviteUse) {
        self.coming.retain(|coming| !is_same(coming, it));
        let Some(open) = self.all.iter_mut().find(|open| open.invite.name.id == it.invite) else {
            return;
        };
        let person = it.person.identity;
        let before = self.uses.insert((person, it.invite), it.clone());
        if before.is_none() {
            open.used = open.used.saturating_add(1);
        }
        if let Some(shown) = it.shown {
            self.shown.insert(shown, person);
        }
        if it.is_void {
            let uses = &self.uses;
            self.shown.retain(|_, other| *other != person || lets_in(uses, person));
        }
    }

    /// A use that is on its way to the log.
    pub(crate) fn expect_use(&mut self, it: InviteUse) {
        self.coming.push(it);
    }

    /// Whether somebody who shows this waits for the log already.
    pub(crate) fn is_coming(&self, shown: Proof) -> bool {
        self.coming.iter().any(|coming| coming.shown == Some(shown))
    }

    /// An invite that is on its way to the log.
    pub(crate) fn expect_invite(&mut self, token: InviteToken) {
        self.untold.insert(InviteId(token.id()), token);
    }

    /// The token of an invite that holds from now on.
    pub(crate) fn untold_token(&self, id: InviteId) -> Option<InviteToken> {
        self.untold.get(&id).copied()
    }

    /// Whoever is to know a token knows it now.
    pub(crate) fn told(&mut self, decision: &Decision) {
        if let Decision::InviteSet(invite) = decision {
            self.untold.remove(&invite.name.id);
        }
    }

    /// The invite that a token is of.
    pub(crate) fn of_token(&self, token: &InviteToken) -> Option<&Open> {
        let proof = Proof::of_token(token);
        self.find(InviteId(token.id())).filter(|open| open.invite.proof == proof)
    }

    pub(crate) fn find(&self, id: InviteId) -> Option<&Open> {
        self.all.iter().find(|open| open.invite.name.id == id)
    }

    /// All, the oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Open> {
        self.all.iter()
    }

    /// Whether one more would be too many.
    pub(crate) fn is_full(&self) -> bool {
        self.all.len() + self.untold.len() >= INVITES_MAX
    }

    /// The oldest one that opens nothing any more and by which nobody comes back.
    pub(crate) fn oldest_spent(&self, now: Now) -> Option<&Open> {
        let in_use = self.uses.values().filter(|it| !it.is_void).chain(&self.coming);
        let in_use: HashSet<InviteId> = in_use.map(|it| it.invite).collect();
        let is_spent = |open: &&Open| {
            self.check_use(now, open).is_err() && !in_use.contains(&open.invite.name.id)
        };
        self.all.iter().find(is_spent)
    }

    /// Whether one more person may use it.
    fn check_use(&self, now: Now, open: &Open) -> Result<(), Refusal> {
        let Invite { end, uses, name, .. } = &open.invite;
        if !end.is_after(now.unix_ms) {
            return Err(Refusal::InviteExpired);
        }
        let coming = self.coming.iter().filter(|it| it.invite == name.id).count();
        let is_left = uses.is_none_or(|uses| (open.used as usize + coming) < uses as usize);
        if is_left { Ok(()) } else { Err(Refusal::InviteUsedUp) }
    }

    /// Whether there is room to remember one more person.
    fn check_room(&self) -> Result<(), Refusal> {
        if self.uses.len() + self.coming.len() >= USES_MAX {
            return Err(Refusal::InvitesFull { allowed: USES_MAX });
        }
        Ok(())
    }

    /// What somebody came by.
    pub(crate) fn uses_of(&self, person: Identity) -> impl Iterator<Item = &InviteUse> {
        uses_of(&self.uses, person)
    }

    /// Whether somebody came by an invite that there still is.
    pub(crate) fn lets_in(&self, person: Identity) -> bool {
        lets_in(&self.uses, person)
    }

    /// Who it was that came by an invite under that name, and showed this.
    pub(crate) fn person_showing(&self, token: &ResumeToken, name: &NameKey) -> Option<Identity> {
        self.shown.get(&Proof::of_shown(&token.0, name)).copied()
    }
}

type Uses = BTreeMap<(Identity, InviteId), InviteUse>;

fn uses_of(uses: &Uses, person: Identity) -> impl Iterator<Item = &InviteUse> {
    let (first, last) = (InviteId([0; 8]), InviteId([u8::MAX; 8]));
    uses.range((person, first)..=(person, last)).map(|(_, it)| it)
}

fn lets_in(uses: &Uses, person: Identity) -> bool {
    uses_of(uses, person).any(|it| !it.is_void)
}

fn is_same(one: &InviteUse, other: &InviteUse) -> bool {
    (one.invite, one.person.identity) == (other.invite, other.person.identity)
}

#[cfg(test)]
mod tests;
