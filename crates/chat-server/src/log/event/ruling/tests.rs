//! Golden bytes of decisions, and what they are about.

use common::invite_token::InviteToken;
use common::user_name::NameKey;

use super::*;
use crate::log::event::invite::{InviteId, Proof};
use crate::log::event::room::RoomId;
use crate::log::event::{Event, EventError, Identity};

fn name() -> Name {
    Name { key: NameKey::of("ann"), spelling: "Ann".into() }
}

fn holder() -> Person {
    Person { key: NameKey::of("ann"), name: "Ann".into(), identity: Identity(258) }
}

fn account() -> Account {
    let password_hash = "$argon2id$v=19$".into();
    Account { holder: holder(), password_hash, role: Role::Moderator, password_at_ms: 5 }
}

/// The bytes are these, and these bytes are that event.
#[track_caller]
fn check(decision: Decision, hex: &str) {
    let event = Event::Ruling(Ruling { by: "bob".into(), at_ms: 7, decision }.into());
    let bytes = event.encode();
    let found: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, hex);
    assert_eq!(Event::decode(&bytes), Ok(event));
}

#[test]
fn accounts_and_devices_are_the_golden_bytes() {
    check(
        Decision::AccountSet(account()),
        "82052d0a03626f62100752240a0d0a03616e6e1203416e6e188202120f246172676f6e3269642476\
         3d31392418022005",
    );
    check(Decision::AccountRemoved(holder()), "8205160a03626f6210075a0d0a03616e6e1203416e6e188202");
    let device =
        Device { holder: name(), id: DeviceId([1, 2, 3, 4, 5, 6, 7, 8]), label: "w".into() };
    check(
        Decision::DeviceAdded(device.clone()),
        "8205220a03626f62100762190a0a0a03616e6e1203416e6e120801020304050607081a0177",
    );
    check(
        Decision::DeviceRemoved(device),
        "8205220a03626f6210076a190a0a0a03616e6e1203416e6e120801020304050607081a0177",
    );
}

#[test]
fn bans_and_mutes_are_the_golden_bytes() {
    let (end, reason) = (End::At(9), "spam".to_owned());
    let ban = Ban { subject: BanSubject::Name(name()), end, reason: reason.clone() };
    check(
        Decision::Banned(ban),
        "82051e0a03626f621007a201140a0a0a03616e6e1203416e6e180922047370616d",
    );
    let subject = BanSubject::Network("10.1.0.0/16".parse().unwrap());
    let ban = Ban { subject, end: End::Never, reason: String::new() };
    check(Decision::Banned(ban.clone()), "8205170a03626f621007a2010d120b31302e312e302e302f3136");
    check(Decision::Unbanned(ban), "8205170a03626f621007aa010d120b31302e312e302e302f3136");
    let mute = Mute { name: name(), end, reason: reason.clone() };
    check(
        Decision::Muted(mute.clone()),
        "82051e0a03626f621007b201140a0a0a03616e6e1203416e6e10091a047370616d",
    );
    check(
        Decision::Unmuted(mute),
        "82051e0a03626f621007ba01140a0a0a03616e6e1203416e6e10091a047370616d",
    );
    check(
        Decision::Kicked { name: name(), reason },
        "82051c0a03626f621007c201120a0a0a03616e6e1203416e6e12047370616d",
    );
    check(Decision::Announced { text: "tea".into() }, "82050f0a03626f621007ca01050a03746561");
}

#[test]
fn rooms_are_the_golden_bytes() {
    let room = RoomName { id: RoomId(7), name: name() };
    let (topic, is_private, is_announce_only) = ("tea".into(), true, true);
    check(
        Decision::RoomSet(Room { name: room.clone(), topic, is_private, is_announce_only }),
        "8205230a03626f621007f201190a0e0807120a0a03616e6e1203416e6e120374656118012001",
    );
    check(
        Decision::RoomRemoved(room.clone()),
        "8205180a03626f621007fa010e0807120a0a03616e6e1203416e6e",
    );
    let member = Membership { room, member: holder(), is_moderator: true };
    check(
        Decision::MemberSet(member.clone()),
        "82052b0a03626f6210078202210a0e0807120a0a03616e6e1203416e6e120d0a03616e6e1203416e\
         6e1882021801",
    );
    check(
        Decision::MemberRemoved(member),
        "82052b0a03626f6210078a02210a0e0807120a0a03616e6e1203416e6e120d0a03616e6e1203416e\
         6e1882021801",
    );
}

#[test]
fn invites_are_the_golden_bytes() {
    let name = InviteName { id: InviteId([1, 2, 3, 4, 5, 6, 7, 8]), note: "tea".into() };
    let invite = Invite {
        name: name.clone(),
        proof: Proof::of_token(&InviteToken([7; 24])),
        uses: Some(3),
        end: End::At(9),
        role: Role::Moderator,
        maker: Some(holder()),
    };
    check(
        Decision::InviteSet(invite.clone()),
        "8205520a03626f621007e203480a0f0a08010203040506070812037465611220ecc47041d356fdce\
         a2b1bd9ec74bf21225bcad540cff2b7a91285a6cd2a84904180320092802320d0a03616e6e120341\
         6e6e188202",
    );
    let unlimited = Invite { uses: None, end: End::Never, maker: None, ..invite };
    check(
        Decision::InviteSet(unlimited),
        "82053f0a03626f621007e203350a0f0a08010203040506070812037465611220ecc47041d356fdce\
         a2b1bd9ec74bf21225bcad540cff2b7a91285a6cd2a849042802",
    );
    check(
        Decision::InviteRevoked(name.clone()),
        "8205190a03626f621007ea030f0a0801020304050607081203746561",
    );
    let shown = Some(Proof::of_shown(&[9; 32], &holder().key));
    let used = InviteUse { invite: name.id, person: holder(), shown, is_void: false };
    check(
        Decision::InviteUsed(used.clone()),
        "8205450a03626f621007f2033b0a080102030405060708120d0a03616e6e1203416e6e1882021a20\
         da27c5292fe5915997a04e752ad4d06e4ea6838266577fb14da7d6713ea9e67b",
    );
    check(
        Decision::InviteUsed(InviteUse { shown: None, is_void: true, ..used }),
        "8205250a03626f621007f2031b0a080102030405060708120d0a03616e6e1203416e6e1882022001",
    );
}

#[test]
fn a_decision_of_a_later_version_is_told_from_a_damaged_one() {
    // Field 1000 of a ruling.
    let bytes = [0x82, 0x05, 6, 0x10, 7, 0xc2, 0x3e, 1, 0];
    assert_eq!(Event::decode(&bytes), Err(EventError::UnknownDecision));
    // A kick of nobody.
    assert_eq!(Event::decode(&[0x82, 0x05, 3, 0xc2, 0x01, 0]), Err(EventError::Damaged));
}

#[test]
fn a_name_that_looks_like_a_network_is_another_subject() {
    let of = |subject| Decision::Banned(Ban { subject, end: End::Never, reason: String::new() });
    let named = Name { key: NameKey::of("10.0.0.0/8"), spelling: String::new() };
    let network = of(BanSubject::Network("10.0.0.0/8".parse().unwrap()));
    assert_ne!(of(BanSubject::Name(named)).subject(), network.subject());
}
