//! Who has an account: the name, the role, and the devices that are let in without the password. What is here
//! is stored; it changes when a decision is ([`super::rulings`]).

pub mod requests;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use common::user_name::NameKey;

use crate::log::event::Identity;
use crate::log::event::ruling::{Account, Decision, Device, DeviceId, Role, Ruling};

/// Devices of one account. Whoever logs in on a further one is forgotten on the oldest.
pub(crate) const DEVICES_MAX: usize = 16;

/// All accounts, in the order of what makes their names one with others.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    by_key: BTreeMap<NameKey, Registered>,
}

/// One account, and where it is logged in.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) account: Account,
    /// The latest last.
    pub(crate) devices: Vec<KnownDevice>,
}

/// A device that somebody gave the account's password on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KnownDevice {
    pub(crate) id: DeviceId,
    pub(crate) label: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) since_ms: i64,
}

impl Registered {
    pub(crate) fn identity(&self) -> Identity {
        self.account.holder.identity
    }

    pub(crate) fn device(&self, id: DeviceId) -> Option<&KnownDevice> {
        self.devices.iter().find(|device| device.id == id)
    }

    fn take_device(&mut self, device: &Device, since_ms: i64) {
        self.devices.retain(|known| known.id != device.id);
        if since_ms >= self.account.password_at_ms {
            let Device { id, label, .. } = device.clone();
            self.devices.push(KnownDevice { id, label, since_ms });
        }
    }
}

impl Accounts {
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn find(&self, key: &NameKey) -> Option<&Registered> {
        self.by_key.get(key)
    }

    /// What this very person may do; `None` for a guest.
    pub(crate) fn role_of(&self, key: &NameKey, identity: Identity) -> Option<Role> {
        let registered = self.find(key).filter(|registered| registered.identity() == identity);
        registered.map(|registered| registered.account.role)
    }

    /// Those behind a name.
    pub(crate) fn after(&self, name: &NameKey) -> impl Iterator<Item = &Registered> {
        let behind = (Bound::Excluded(name), Bound::Unbounded);
        self.by_key.range::<NameKey, _>(behind).map(|(_, registered)| registered)
    }

    /// What earlier runs decided. An account may have been changed after its devices were added: it counts
    /// first.
    pub(crate) fn remember(&mut self, rulings: &[Arc<Ruling>]) {
        let is_account = |ruling: &Ruling| matches!(ruling.decision, Decision::AccountSet(_));
        let (accounts, others): (Vec<_>, Vec<_>) =
            rulings.iter().partition(|ruling| is_account(ruling));
        accounts.into_iter().chain(others).for_each(|ruling| self.apply(ruling));
    }

    /// From now on this holds.
    pub(crate) fn apply(&mut self, ruling: &Ruling) {
        match &ruling.decision {
            Decision::AccountSet(account) => self.set(account),
            Decision::AccountRemoved(holder) => {
                self.by_key.remove(&holder.key);
            }
            Decision::DeviceAdded(device) => {
                if let Some(registered) = self.by_key.get_mut(&device.holder.key) {
                    registered.take_device(device, ruling.at_ms);
                }
            }
            Decision::DeviceRemoved(device) => {
                if let Some(registered) = self.by_key.get_mut(&device.holder.key) {
                    registered.devices.retain(|known| known.id != device.id);
                }
            }
            _ => {}
        }
    }

    /// Devices on which an earlier password was given count no longer, nor do those of another holder.
    fn set(&mut self, account: &Account) {
        let key = account.holder.key.clone();
        let before = self.by_key.remove(&key);
        let is_same = |it: &Registered| it.identity() == account.holder.identity;
        let mut devices = before.filter(is_same).map_or_else(Vec::new, |it| it.devices);
        devices.retain(|device| device.since_ms >= account.password_at_ms);
        self.by_key.insert(key, Registered { account: account.clone(), devices });
    }
}

#[cfg(test)]
mod tests;
