//! Who may not come in and who may not write, by decision. What the configuration bans is
//! [`super::policy::Bans`].

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use common::user_name::NameKey;
use ipnet::IpNet;

use crate::log::event::ruling::{Ban, BanSubject, Decision, End, Mute, Ruling};
use crate::state::now::Now;

/// Everything that is in force, and some that is over.
#[derive(Debug, Default)]
pub(crate) struct Sanctions {
    names: BTreeMap<NameKey, Arc<Ruling>>,
    networks: BTreeMap<IpNet, Arc<Ruling>>,
    mutes: BTreeMap<NameKey, Arc<Ruling>>,
}

/// Something that is in force against somebody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct InForce {
    pub(crate) end: End,
    pub(crate) reason: String,
}

impl Sanctions {
    /// From now on this holds. What was over at `now` is forgotten with it.
    pub(crate) fn apply(&mut self, ruling: &Arc<Ruling>, now: Now) {
        match &ruling.decision {
            Decision::Banned(ban) => match &ban.subject {
                BanSubject::Name(name) => {
                    self.names.insert(name.key.clone(), Arc::clone(ruling));
                }
                BanSubject::Network(network) => {
                    self.networks.insert(*network, Arc::clone(ruling));
                }
            },
            Decision::Unbanned(ban) => match &ban.subject {
                BanSubject::Name(name) => drop(self.names.remove(&name.key)),
                BanSubject::Network(network) => drop(self.networks.remove(network)),
            },
            Decision::Muted(mute) => {
                self.mutes.insert(mute.name.key.clone(), Arc::clone(ruling));
            }
            Decision::Unmuted(mute) => drop(self.mutes.remove(&mute.name.key)),
            _ => return,
        }
        self.names.retain(|_, ruling| in_force(ruling, now).is_some());
        self.networks.retain(|_, ruling| in_force(ruling, now).is_some());
        self.mutes.retain(|_, ruling| in_force(ruling, now).is_some());
    }

    /// Whether this name may not come in.
    pub(crate) fn ban_of(&self, now: Now, name: &NameKey) -> Option<InForce> {
        self.names.get(name).and_then(|ruling| in_force(ruling, now))
    }

    /// Whether nobody may come in from there; of several bans the one that ends last.
    pub(crate) fn ban_from(&self, now: Now, address: IpAddr) -> Option<InForce> {
        let of_it = self.networks.iter().filter(|(network, _)| network.contains(&address));
        let in_force = of_it.filter_map(|(_, ruling)| in_force(ruling, now));
        in_force.max_by_key(|ban| match ban.end {
            End::Never => i64::MAX,
            End::At(until_ms) => until_ms,
        })
    }

    /// Whether this name may not write.
    pub(crate) fn mute_of(&self, now: Now, name: &NameKey) -> Option<InForce> {
        self.mutes.get(name).and_then(|ruling| in_force(ruling, now))
    }

    /// Whether there is such a ban.
    pub(crate) fn bans(&self, now: Now, subject: &BanSubject) -> bool {
        let ruling = match subject {
            BanSubject::Name(name) => self.names.get(&name.key),
            BanSubject::Network(network) => self.networks.get(network),
        };
        ruling.is_some_and(|ruling| in_force(ruling, now).is_some())
    }

    /// All that is in force: names, networks, mutes.
    pub(crate) fn all(&self, now: Now) -> impl Iterator<Item = &Arc<Ruling>> {
        let all = self.names.values().chain(self.networks.values()).chain(self.mutes.values());
        all.filter(move |ruling| in_force(ruling, now).is_some())
    }
}

fn in_force(ruling: &Ruling, now: Now) -> Option<InForce> {
    let (Decision::Banned(Ban { end, reason, .. }) | Decision::Muted(Mute { end, reason, .. })) =
        &ruling.decision
    else {
        return None;
    };
    end.is_after(now.unix_ms).then(|| InForce { end: *end, reason: reason.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::event::ruling::Name;

    fn now(unix_ms: i64) -> Now {
        Now { instant: crate::test_clock::start(), unix_ms }
    }

    fn banned(network: &str, end: End) -> Arc<Ruling> {
        let subject = BanSubject::Network(network.parse().unwrap());
        let decision = Decision::Banned(Ban { subject, end, reason: String::new() });
        Arc::new(Ruling { by: String::new(), at_ms: 0, decision })
    }

    #[test]
    fn of_several_bans_the_longest_counts_while_it_lasts() {
        let mut sanctions = Sanctions::default();
        for ruling in [banned("10.1.0.0/16", End::At(50)), banned("10.1.2.3/32", End::At(90))] {
            sanctions.apply(&ruling, now(0));
        }
        let end = |address: &str, at: i64| {
            sanctions.ban_from(now(at), address.parse().unwrap()).map(|ban| ban.end)
        };
        assert_eq!(end("10.1.2.3", 10), Some(End::At(90)));
        assert_eq!(end("10.1.9.9", 10), Some(End::At(50)));
        assert_eq!(end("10.1.9.9", 50), None);
        assert_eq!(end("10.2.0.1", 10), None);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut sanctions = Sanctions::default();
        sanctions.apply(&banned("10.0.0.0/8", End::At(5)), now(0));
        let name = Name { key: NameKey::of("eve"), spelling: "eve".into() };
        let mute = Mute { name, end: End::Never, reason: String::new() };
        let decision = Decision::Muted(mute);
        sanctions.apply(&Arc::new(Ruling { by: String::new(), at_ms: 6, decision }), now(6));
        assert!(sanctions.networks.is_empty());
        assert_eq!(sanctions.all(now(7)).count(), 1);
    }
}
