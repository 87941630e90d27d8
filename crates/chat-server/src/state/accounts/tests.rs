//! What of the decisions about accounts holds, in whatever order a start tells of them.

use super::*;
use crate::log::event::Person;
use crate::log::event::ruling::Name;

fn holder(identity: u64) -> Person {
    Person { key: NameKey::of("ann"), name: "ann".into(), identity: Identity(identity) }
}

fn set(identity: u64, role: Role, password_at_ms: i64) -> Decision {
    let password_hash = "x".into();
    Decision::AccountSet(Account { holder: holder(identity), password_hash, role, password_at_ms })
}

fn device(id: u8) -> Device {
    Device { holder: Name::from(&holder(1)), id: DeviceId([id; 8]), label: "w".into() }
}

fn ruling(at_ms: i64, decision: Decision) -> Arc<Ruling> {
    Arc::new(Ruling { by: String::new(), at_ms, decision })
}

/// The devices that count after these decisions.
#[track_caller]
fn check(rulings: &[(i64, Decision)], devices: &[u8]) {
    let mut accounts = Accounts::default();
    for (at_ms, decision) in rulings {
        accounts.apply(&ruling(*at_ms, decision.clone()));
    }
    let found = |accounts: &Accounts| -> Vec<u8> {
        let registered = accounts.find(&NameKey::of("Ann"));
        let devices = registered.into_iter().flat_map(|it| &it.devices);
        devices.map(|device| device.id.0[0]).collect()
    };
    assert_eq!(found(&accounts), devices);
    let rulings: Vec<_> = rulings.iter().map(|(at, it)| ruling(*at, it.clone())).collect();
    let mut standing: Vec<Arc<Ruling>> = Vec::new();
    for ruling in rulings {
        standing.retain(|it| it.decision.subject() != ruling.decision.subject());
        if !ruling.decision.ends_its_subject() {
            standing.push(ruling);
        }
    }
    let mut remembered = Accounts::default();
    remembered.remember(&standing);
    assert_eq!(found(&remembered), devices, "after a restart");
}

#[test]
fn a_device_counts_until_it_is_removed_or_the_password_changes() {
    let (added, removed) =
        (|id| Decision::DeviceAdded(device(id)), Decision::DeviceRemoved(device(1)));
    let account = (10, set(1, Role::Member, 10));
    check(&[account.clone(), (10, added(1)), (11, added(2))], &[1, 2]);
    check(&[account.clone(), (10, added(1)), (11, added(2)), (12, removed)], &[2]);
    check(&[account.clone(), (10, added(1)), (12, set(1, Role::Member, 12)), (12, added(2))], &[2]);
    // A role is no password.
    check(&[account.clone(), (10, added(1)), (12, set(1, Role::Admin, 10))], &[1]);
    // Given again on the same device: it is the latest.
    check(&[account, (10, added(1)), (11, added(2)), (12, added(1))], &[2, 1]);
}

#[test]
fn devices_of_an_account_that_was_removed_are_nobodys() {
    let account = (10, set(1, Role::Member, 10));
    let gone = (12, Decision::AccountRemoved(holder(1)));
    let added = (11, Decision::DeviceAdded(device(1)));
    check(&[account.clone(), added.clone(), gone.clone()], &[]);
    check(&[account, added, gone, (13, set(2, Role::Member, 13))], &[]);
}

#[test]
fn a_role_belongs_to_the_person_not_to_the_name() {
    let mut accounts = Accounts::default();
    accounts.apply(&ruling(1, set(7, Role::Admin, 1)));
    let key = NameKey::of("ann");
    assert_eq!(accounts.role_of(&key, Identity(7)), Some(Role::Admin));
    assert_eq!(accounts.role_of(&key, Identity(8)), None);
}
