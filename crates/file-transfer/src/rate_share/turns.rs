//! Whose turn it is among those who share one rate: start-time fairness (Goyal, Vin, Cheng 1996). Of those
//! who wait, whoever was served least goes first; who does not want anything earns nothing by it.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How long after the time that was named somebody who waits is still waited for.
const TARDINESS_MAX: Duration = Duration::from_millis(20);

/// How much more than the one served least somebody may have got before that one has to be let first: what
/// passes in [`TARDINESS_MAX`], and at most so many bytes.
const LEAD_BYTES_MAX: u64 = 128 << 10;

/// How soon to ask again when it is somebody else's turn.
const TURN: Duration = Duration::from_millis(1);

/// How long somebody who sends nothing is remembered.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Those who share a rate, and what else is known of each.
#[derive(Debug)]
pub(super) struct Turns<K, V> {
    members: HashMap<K, Member<V>>,
    /// What whoever went last had been served by then: where newcomers begin.
    served: u64,
    lead_bytes: u64,
}

#[derive(Debug)]
struct Member<V> {
    value: V,
    /// File bytes, counted from where it came in.
    served: u64,
    asked_at: Instant,
    /// It wants to send, and was told to ask again at this time.
    waits_until: Option<Instant>,
}

impl<K: Clone + Eq + Hash, V> Turns<K, V> {
    /// Nobody yet, who are to share so many bytes a second.
    pub(super) fn new(bytes_per_second: Option<u64>) -> Self {
        let tardiness_ms = u64::try_from(TARDINESS_MAX.as_millis()).unwrap_or(u64::MAX);
        let lead = |rate: u64| (rate / 1000).saturating_mul(tardiness_ms);
        let lead_bytes = bytes_per_second.map_or(LEAD_BYTES_MAX, lead).min(LEAD_BYTES_MAX);
        Self { members: HashMap::new(), served: 0, lead_bytes }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.members.get(key).map(|member| &member.value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.members.get_mut(key).map(|member| &mut member.value)
    }

    pub(super) fn knows(&self, key: &K) -> bool {
        self.members.contains_key(key)
    }

    /// Makes a newcomer a member.
    pub(super) fn let_in(&mut self, now: Instant, key: &K, value: V) {
        let member = Member { value, served: self.served, asked_at: now, waits_until: None };
        self.members.insert(key.clone(), member);
    }

    /// Notes that a member asks, and has sent `bytes` since it did so last.
    pub(super) fn asks(&mut self, now: Instant, key: &K, bytes: u64) {
        let least = self.served.saturating_sub(self.lead_bytes);
        let Some(member) = self.members.get_mut(key) else { return };
        if member.waits_until.is_none() {
            // Time in which it wanted nothing is no credit.
            member.served = member.served.max(least);
        }
        member.asked_at = now;
        member.served += bytes;
    }

    /// Remembers whether a member waits for its turn.
    pub(super) fn waits(&mut self, key: &K, until: Option<Instant>) {
        if let Some(member) = self.members.get_mut(key) {
            member.waits_until = until;
        }
    }

    /// A member goes: newcomers begin where it stands.
    pub(super) fn goes(&mut self, key: &K) {
        self.served = self.members.get(key).map_or(self.served, |member| member.served);
    }

    /// When to ask again, if it is somebody else's turn.
    pub(super) fn next_at(&self, now: Instant, key: &K) -> Option<Instant> {
        let own = self.members.get(key)?.served;
        let waits = |it: &&Member<V>| it.waits_until.is_some_and(|at| now <= at + TARDINESS_MAX);
        let least = self.members.values().filter(waits).map(|it| it.served).min()?;
        (own > least + self.lead_bytes).then(|| now + TURN)
    }

    /// Forgets who has not asked for long, unless something about it still matters.
    pub(super) fn forget_idle(&mut self, now: Instant, may_be_forgotten: impl Fn(&V) -> bool) {
        self.members.retain(|_, member| {
            now.saturating_duration_since(member.asked_at) < IDLE_MAX
                || member.waits_until.is_some_and(|at| now <= at + TARDINESS_MAX)
                || !may_be_forgotten(&member.value)
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }
}
