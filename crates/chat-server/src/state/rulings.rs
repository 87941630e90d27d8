//! Decisions about accounts and people, from being made to being in force. They are stored like messages are,
//! in the same line: what follows from one happens when it is on the disk.

use std::sync::Arc;
use std::time::Duration;

use common::user_name::NameKey;
use common::wire::server_frame::Body;
use common::wire::{Done, Goodbye, GoodbyeReason, LeaveReason, Notice};

use crate::log::event::ruling::{Ban, BanSubject, Decision, Ruling};
use crate::log::event::{ConversationKey, Event};
use crate::log::writer::StorageProblem;
use crate::state::State;
use crate::state::action::{Action, Actions, Recipients};
use crate::state::administration::{Actor, Rank};
use crate::state::now::Now;
use crate::state::refusal::Refusal;
use crate::state::request::LoginId;
use crate::state::roster::Session;
use crate::state::router::Caller;
use crate::state::unsettled::UnsettledRuling;

/// How long a client is asked to wait while something is decided about the same account or person.
const UNDECIDED_PAUSE: Duration = Duration::from_secs(1);

impl State {
    /// Has a decision stored. It holds from then on, and the caller is told.
    pub(crate) fn decide(
        &mut self,
        now: Now,
        caller: Option<Caller>,
        actor: &Actor,
        decision: Decision,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        self.decide_all(now, caller, actor, vec![decision], out)
    }

    /// Has several decisions stored, one after the other. The caller is told when the last one holds.
    pub(crate) fn decide_all(
        &mut self,
        now: Now,
        caller: Option<Caller>,
        actor: &Actor,
        decisions: Vec<Decision>,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let mut subjects = decisions.iter().filter_map(Decision::subject);
        let is_undecided = subjects.any(|subject| self.unsettled.decides_about(&subject));
        if is_undecided || self.unsettled.is_full(0) {
            return Err(Refusal::SlowDown { retry_at_ms: now.unix_ms_after(UNDECIDED_PAUSE) });
        }
        let last = decisions.len().saturating_sub(1);
        for (index, decision) in decisions.into_iter().enumerate() {
            let ruling = Ruling { by: actor.name.clone(), at_ms: now.unix_ms, decision };
            let ruling = Arc::new(ruling);
            out.push(Action::Record(Event::Ruling(Arc::clone(&ruling))));
            let caller = caller.filter(|_| index == last);
            let (rank, last_seq) = (actor.rank, self.last_seq_before(&ruling.decision));
            self.unsettled.push_ruling(UnsettledRuling { ruling, rank, last_seq, caller });
        }
        Ok(())
    }

    /// What is numbered later is stored later: it goes to whoever is let in here.
    fn last_seq_before(&self, decision: &Decision) -> u64 {
        match decision {
            Decision::MemberSet(it) => {
                self.conversations.last_seq(&ConversationKey::Room(it.room.id))
            }
            _ => 0,
        }
    }

    /// It is stored: it holds.
    pub(crate) fn ruling_stored(&mut self, now: Now, stored: &UnsettledRuling, out: &mut Actions) {
        let UnsettledRuling { ruling, rank, last_seq, caller } = stored;
        let caller = caller.filter(|caller| self.peers.contains_key(&caller.connection));
        let was_in = self.is_in_room(&ruling.decision);
        self.accounts.apply(ruling);
        self.sanctions.apply(ruling, now);
        self.tell_of_end(&ruling.decision, out);
        self.rooms.apply(ruling);
        self.invites.apply(ruling);
        let (action, subject) = ruling.decision.name_and_subject();
        tracing::info!(by = ?ruling.by, action, ?subject, "decided");
        self.enforce(now, &ruling.decision, *rank, out);
        self.tell_rooms(&ruling.decision, was_in, *last_seq, caller, out);
        self.end_if_empty(now, &ruling.decision, out);
        if let Some(caller) = caller {
            let body = self.answer(&ruling.decision, *last_seq, caller);
            out.reply(caller.connection, caller.request_id, body);
        }
        self.invites.told(&ruling.decision);
        self.go_on_arriving(now, &ruling.decision, out);
    }

    /// Whoever came into a room is told what is there, and whoever made an invite its link.
    fn answer(&self, decision: &Decision, last_seq: u64, caller: Caller) -> Body {
        let done = Body::Done(Done {});
        if let Decision::InviteSet(invite) = decision {
            return self.invite_created(invite);
        }
        let Decision::MemberSet(it) = decision else { return done };
        let login = self.roster.login_on(caller.connection);
        let session = login.and_then(|login| self.roster.session(login));
        match (session, self.rooms.get(it.room.id)) {
            (Some(session), Some(open)) if session.identity == it.member.identity => {
                Body::RoomJoined(self.room_joined(session, open, last_seq))
            }
            _ => done,
        }
    }

    /// Whether who is let into a room is in it already.
    fn is_in_room(&self, decision: &Decision) -> bool {
        let Decision::MemberSet(it) = decision else { return false };
        self.rooms.get(it.room.id).is_some_and(|open| open.is_member(it.member.identity))
    }

    /// Of two who leave at once, neither was the last one when asking.
    fn end_if_empty(&mut self, now: Now, decision: &Decision, out: &mut Actions) {
        let Decision::MemberRemoved(it) = decision else { return };
        let Some(open) = self.rooms.get(it.room.id).filter(|open| open.members.is_empty()) else {
            return;
        };
        let end = Decision::RoomRemoved(open.room.name.clone());
        let nobody = Actor { name: String::new(), rank: Rank::Operator };
        // Where its end is decided already, or cannot be now, that is all right: a start does not know it.
        let _ = self.decide(now, None, &nobody, end, out);
    }

    /// A room is about to end: those who are still in it hear so.
    fn tell_of_end(&self, decision: &Decision, out: &mut Actions) {
        let Decision::RoomRemoved(room) = decision else { return };
        let Some(open) = self.rooms.get(room.id) else { return };
        open.members.values().for_each(|it| self.tell_of_leaving_alone(it, out));
    }

    fn tell_rooms(
        &self,
        decision: &Decision,
        was_in: bool,
        last_seq: u64,
        caller: Option<Caller>,
        out: &mut Actions,
    ) {
        let caller = caller.map(|caller| caller.connection);
        match decision {
            Decision::RoomSet(room) => self.tell_of_change(room.name.id, out),
            Decision::MemberSet(it) => self.tell_of_member(it, was_in, last_seq, caller, out),
            Decision::MemberRemoved(it) => self.tell_of_leaving(it, out),
            _ => {}
        }
    }

    /// It is not: nothing has changed.
    pub(crate) fn ruling_not_stored(
        &mut self,
        lost: &UnsettledRuling,
        problem: StorageProblem,
        out: &mut Actions,
    ) {
        self.invites.not_stored(&lost.ruling.decision);
        let arriving = self.arrivals.take(&lost.ruling.decision).map(|arrival| arrival.caller);
        for caller in lost.caller.into_iter().chain(arriving) {
            if self.peers.contains_key(&caller.connection) {
                self.refuse(caller, Refusal::Storage(problem), out);
            }
        }
    }

    /// What a decision does to those who are there.
    fn enforce(&mut self, now: Now, decision: &Decision, rank: Rank, out: &mut Actions) {
        let changed = goodbye(GoodbyeReason::AccountChanged);
        match decision {
            Decision::AccountSet(account) => {
                let is_void = |session: &Session| {
                    session.identity != account.holder.identity
                        || session.proven_at_ms.is_none_or(|at| at < account.password_at_ms)
                };
                self.send_away_where(now, &account.holder.key, is_void, &changed, out);
            }
            Decision::AccountRemoved(holder) => {
                self.send_away_where(now, &holder.key, |_| true, &changed, out);
            }
            Decision::DeviceRemoved(device) => {
                let is_there = |session: &Session| session.device == device.id;
                self.send_away_where(now, &device.holder.key, is_there, &changed, out);
            }
            Decision::Banned(ban) => self.enforce_ban(now, ban, rank, out),
            Decision::Kicked { name, reason } => {
                let goodbye = Goodbye { text: reason.clone(), ..goodbye(GoodbyeReason::Kicked) };
                self.send_away_where(now, &name.key, |_| true, &goodbye, out);
            }
            Decision::Announced { text } => {
                out.tell(Recipients::Everybody, Body::Notice(Notice { text: text.clone() }));
            }
            Decision::DeviceAdded(_)
            | Decision::Unbanned(_)
            | Decision::Muted(_)
            | Decision::Unmuted(_)
            | Decision::RoomSet(_)
            | Decision::RoomRemoved(_)
            | Decision::MemberSet(_)
            | Decision::MemberRemoved(_)
            | Decision::InviteSet(_)
            | Decision::InviteRevoked(_)
            | Decision::InviteUsed(_) => {}
        }
    }

    fn enforce_ban(&mut self, now: Now, ban: &Ban, rank: Rank, out: &mut Actions) {
        let (text, until_ms) = (ban.reason.clone(), ban.end.to_ms());
        let goodbye = Goodbye { text, until_ms, ..goodbye(GoodbyeReason::Banned) };
        match &ban.subject {
            BanSubject::Name(name) => {
                self.send_away_where(now, &name.key, |_| true, &goodbye, out);
            }
            BanSubject::Network(network) => {
                let sessions = self.roster.sessions();
                let from_there = sessions.filter(|it| network.contains(&it.address));
                let lower = from_there.filter(|session| self.rank_of(session) < rank);
                let logins: Vec<LoginId> = lower.map(|session| session.login).collect();
                for login in logins {
                    self.send_away(now, login, &goodbye, out);
                }
            }
        }
    }

    /// Ends those sessions of a name.
    fn send_away_where(
        &mut self,
        now: Now,
        key: &NameKey,
        which: impl Fn(&Session) -> bool,
        goodbye: &Goodbye,
        out: &mut Actions,
    ) {
        let of_name = self.roster.of_key(key).filter(|session| which(session));
        let logins: Vec<LoginId> = of_name.map(|session| session.login).collect();
        for login in logins {
            self.send_away(now, login, goodbye, out);
        }
    }

    /// Ends a session, with a last word where somebody is behind it.
    fn send_away(&mut self, now: Now, login: LoginId, goodbye: &Goodbye, out: &mut Actions) {
        let Some(session) = self.roster.session(login) else { return };
        let connection = session.connection;
        if self.peers.remove(&connection).is_some() {
            self.tally.ended(goodbye.reason());
            out.tell(Recipients::One(connection), Body::Goodbye(goodbye.clone()));
            out.push(Action::Close(connection));
        }
        self.end_session(now, login, LeaveReason::SentAway, out);
    }
}

fn goodbye(reason: GoodbyeReason) -> Goodbye {
    Goodbye { reason: reason.into(), ..Goodbye::default() }
}
