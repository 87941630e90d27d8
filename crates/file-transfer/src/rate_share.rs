//! How fast a node may send, and whose turn it is: limits for each user and for all, with what there is
//! shared evenly between the users who want it, and a user's part evenly between the own transfers.
//! Sans-IO: the time comes in, the time to ask again goes out.
//!
//! A limit is kept by a [`Meter`]: what was sent is paid for in time afterwards, so nobody has to know
//! beforehand how large a batch will be. Where a limit binds, [`Turns`] decide: of those who wait,
//! whoever was served least goes first. A user with four downloads has one share, none of the four waits
//! longer than the other three take, and who is slowed down by the own path keeps nobody waiting.
//!
//! What holds where:
//!
//! | limits | between users | between the transfers of a user |
//! |---|---|---|
//! | for all | even shares of it, however many downloads each has | even shares of the user's |
//! | for each user | nobody has more than that, however many downloads; who is below it is where the network puts them | even shares of it |
//! | both | even shares, none of more than a user's limit | even shares of the user's |
//! | none | a node cannot tell a user whom it slows down from one whom the own path slows down, so it slows nobody down: each *transfer* gets what congestion control gives a flow, and a user has as many as [`SessionLimits`](crate::node::NodeLimits) allow | as between users |
//!
//! So who wants even shares of an uplink sets the limit for all a little below what the uplink takes: then
//! the queue forms here, and not where nobody knows users.

use std::sync::Arc;
use std::time::Instant;

use meter::Meter;
use turns::Turns;

mod meter;
mod turns;

/// File bytes a second. `None`: as fast as it goes. No slower than [`PER_PLACE_MIN`](Self::PER_PLACE_MIN)
/// times the transfers that there may be at once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RateLimits {
    /// Of all transfers of a node together.
    pub total: Option<u64>,
    /// Of all transfers of one user together.
    pub per_user: Option<u64>,
}

impl RateLimits {
    /// Slowest rate of a transfer: as one of a user's four, that user one of 61, it sends a frame every 16 s
    /// over TCP; after 30 s its client would take the silence for a broken connection.
    pub const PER_PLACE_MIN: u64 = 16 << 10;

    /// File bytes of a frame over TCP where there is a limit: small, so that who waits for its turn
    /// is not silent for long.
    pub(crate) const FRAME_BYTES_MAX: usize = 64 << 10;

    /// Slowest rate of one user, who has four transfers at once if not told otherwise.
    pub const PER_USER_MIN: u64 = 4 * Self::PER_PLACE_MIN;

    /// Slowest rate of all: of 64 transfers.
    pub const TOTAL_MIN: u64 = 64 * Self::PER_PLACE_MIN;

    /// Whether there is no limit at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.total.is_none() && self.per_user.is_none()
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct RateShare {
    limits: RateLimits,
    total: Option<Meter>,
    users: Turns<Arc<str>, User>,
}

#[derive(Debug)]
struct User {
    meter: Option<Meter>,
    transfers: Turns<u64, ()>,
}

impl RateShare {
    pub(crate) fn new(now: Instant, limits: RateLimits) -> Self {
        let total = limits.total.map(|rate| Meter::new(now, rate));
        Self { limits, total, users: Turns::new(limits.total) }
    }

    /// Pays for `sent` file bytes of `transfer`, a number of its own, of `user`, and says whether it may
    /// send its next batch: `None` at once, else when to ask again.
    pub(crate) fn next_batch(
        &mut self,
        now: Instant,
        user: &Arc<str>,
        transfer: u64,
        sent: u64,
    ) -> Option<Instant> {
        self.pay(now, user, transfer, sent);
        let at = self.may_go_at(now, user, transfer);
        // Who has just sent may not want more at once; who asks without having sent does.
        let waits_until = at.filter(|_| sent == 0);
        let own_limit = self.own_limit_until(now, user);
        self.users.waits(user, waits_until.filter(|_| own_limit.is_none()));
        let known = self.users.get_mut(user)?;
        known.transfers.waits(&transfer, waits_until);
        if at.is_none() {
            known.transfers.goes(&transfer);
            self.users.goes(user);
        }
        at
    }

    fn pay(&mut self, now: Instant, user: &Arc<str>, transfer: u64, sent: u64) {
        if !self.users.knows(user) {
            self.users.forget_idle(now, |user| user.meter.is_none_or(|meter| meter.is_paid(now)));
            self.users.let_in(now, user, User::new(now, self.limits));
        }
        self.users.asks(now, user, sent);
        if let Some(total) = &mut self.total {
            total.pay(now, sent);
        }
        if let Some(user) = self.users.get_mut(user) {
            user.pay(now, transfer, sent);
        }
    }

    /// When to ask again: once the limits allow it, and it is the turn of the user and, among the user's,
    /// of the transfer.
    fn may_go_at(&self, now: Instant, user: &Arc<str>, transfer: u64) -> Option<Instant> {
        let for_all = || self.total.and_then(|meter| meter.next_at(now));
        let of_transfer = || self.users.get(user)?.transfers.next_at(now, &transfer);
        self.own_limit_until(now, user)
            .or_else(for_all)
            .or_else(|| self.users.next_at(now, user))
            .or_else(of_transfer)
    }

    fn own_limit_until(&self, now: Instant, user: &Arc<str>) -> Option<Instant> {
        self.users.get(user)?.meter?.next_at(now)
    }
}

impl User {
    fn new(now: Instant, limits: RateLimits) -> Self {
        let meter = limits.per_user.map(|rate| Meter::new(now, rate));
        let rate = limits.per_user.into_iter().chain(limits.total).min();
        Self { meter, transfers: Turns::new(rate) }
    }

    fn pay(&mut self, now: Instant, transfer: u64, sent: u64) {
        if !self.transfers.knows(&transfer) {
            self.transfers.forget_idle(now, |()| true);
            self.transfers.let_in(now, &transfer, ());
        }
        self.transfers.asks(now, &transfer, sent);
        if let Some(meter) = &mut self.meter {
            meter.pay(now, sent);
        }
    }
}

#[cfg(test)]
mod tests;
