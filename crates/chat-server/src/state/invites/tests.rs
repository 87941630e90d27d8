//! How many invites and people are remembered, and what makes room.

use std::time::Duration;

use super::*;
use crate::log::event::Person;
use crate::log::event::invite::InviteName;
use crate::log::event::ruling::{End, Role};

fn id(number: usize) -> InviteId {
    InviteId((number as u64).to_be_bytes())
}

fn now(unix_ms: i64) -> Now {
    Now { instant: crate::test_clock::start() + Duration::from_secs(1), unix_ms }
}

fn apply(invites: &mut Invites, decision: Decision) {
    invites.apply(&Ruling { by: String::new(), at_ms: 0, decision });
}

/// For as many as come until the time of its number.
fn make(invites: &mut Invites, number: usize) {
    let invite = Invite {
        name: InviteName { id: id(number), note: String::new() },
        proof: Proof::of_token(&InviteToken([0; 24])),
        uses: None,
        end: End::At(number as i64),
        role: Role::Member,
        maker: None,
    };
    apply(invites, Decision::InviteSet(invite));
}

fn used(number: usize, person: usize, is_void: bool) -> InviteUse {
    let name = format!("guest {person}");
    let identity = Identity(person as u64);
    let person = Person { key: NameKey::of(&name), name, identity };
    InviteUse { invite: id(number), person, shown: None, is_void }
}

#[test]
fn the_oldest_that_is_spent_and_lets_nobody_in_makes_room() {
    let mut invites = Invites::default();
    (1..=INVITES_MAX).for_each(|number| make(&mut invites, number));
    assert!(invites.is_full());
    let spent =
        |invites: &Invites, at| invites.oldest_spent(now(at)).map(|open| open.invite.name.id);
    assert_eq!(spent(&invites, 0), None);
    apply(&mut invites, Decision::InviteUsed(used(1, 1, false)));
    apply(&mut invites, Decision::InviteUsed(used(2, 2, true)));
    invites.expect_use(used(3, 3, false));
    assert_eq!(spent(&invites, 1), None);
    assert_eq!(spent(&invites, 3), Some(id(2)));
    apply(&mut invites, Decision::InviteRevoked(InviteName { id: id(2), note: String::new() }));
    assert!(!invites.is_full());
    assert_eq!(spent(&invites, 3), None);
    assert_eq!(spent(&invites, 4), Some(id(4)));
}

#[test]
fn people_are_remembered_up_to_a_number_and_forgotten_with_the_invite() {
    let mut invites = Invites::default();
    make(&mut invites, 1);
    for person in 0..USES_MAX {
        assert_eq!(invites.check_room(), Ok(()));
        apply(&mut invites, Decision::InviteUsed(used(1, person, false)));
    }
    assert_eq!(invites.check_room(), Err(Refusal::InvitesFull { allowed: USES_MAX }));
    assert!(invites.lets_in(Identity(7)));
    apply(&mut invites, Decision::InviteRevoked(InviteName { id: id(1), note: String::new() }));
    assert_eq!(invites.check_room(), Ok(()));
    assert!(!invites.lets_in(Identity(7)));
}

#[test]
fn the_same_use_said_twice_counts_once() {
    let mut invites = Invites::default();
    make(&mut invites, 1);
    for is_void in [false, false, true] {
        apply(&mut invites, Decision::InviteUsed(used(1, 5, is_void)));
    }
    assert_eq!(invites.find(id(1)).unwrap().used, 1);
    assert!(!invites.lets_in(Identity(5)));
}
