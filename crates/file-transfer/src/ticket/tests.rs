//! Tickets as bytes: what is good, what is not, and the golden vector.

use super::*;

const NOW: u64 = 1_800_000_000;

fn key() -> TicketKey {
    TicketKey::from_bytes(*b"0123456789abcdef0123456789ABCDEF").unwrap()
}

fn grant() -> Grant {
    Grant {
        secret: [7; 32],
        user: "bob".into(),
        login: 42,
        file: FilePath::parse("music/song.ogg").unwrap(),
        version: FileVersion { size: 3_000_000, modified_ns: 1_700_000_000_123_456_789 },
        bytes_max: Grant::bytes_max_for(3_000_000),
        expires_at: NOW + 60,
    }
}

fn ticket() -> Ticket {
    key().mint(&grant(), [9; 32]).unwrap()
}

#[test]
fn what_was_minted_is_opened() {
    assert_eq!(key().open(ticket().as_bytes(), NOW), Ok(grant()));
}

#[test]
fn the_golden_ticket_stays() {
    let golden = include_str!("../../tests/golden/ticket.hex");
    let digits: String = golden.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(to_hex_line(ticket().as_bytes()).trim_end(), digits);
}

#[test]
fn the_golden_ticket_for_an_upload_stays() {
    let golden = include_str!("../../tests/golden/upload_ticket.hex");
    let digits: String = golden.lines().filter(|line| !line.starts_with('#')).collect();
    let minted = key().mint_upload(&grant(), [9; 32]).unwrap();
    assert_eq!(to_hex_line(minted.as_bytes()).trim_end(), digits);
}

#[test]
fn a_ticket_is_good_for_its_direction_only() {
    let upload = key().mint_upload(&grant(), [9; 32]).unwrap();
    let either = |ticket: &Ticket| key().open_either(ticket.as_bytes(), NOW);
    assert_eq!(either(&ticket()), Ok((Direction::Download, grant())));
    assert_eq!(either(&upload), Ok((Direction::Upload, grant())));
    assert_eq!(key().open(upload.as_bytes(), NOW), Err(TicketError::Version { found: 2 }));
    for (ticket, version) in [(ticket(), 2), (upload, 1)] {
        let mut relabelled = ticket.as_bytes().to_vec();
        relabelled[0] = version;
        assert_eq!(key().open_either(&relabelled, NOW), Err(TicketError::Forged));
    }
}

#[test]
fn the_longest_grant_fits_and_has_the_same_length() {
    let path = format!("{}/{}/x", "p".repeat(255), "q".repeat(254));
    let longest = Grant { user: "u".repeat(128), file: FilePath::parse(&path).unwrap(), ..grant() };
    let minted = key().mint(&longest, [1; 32]).unwrap();
    assert_eq!(minted.as_bytes().len(), TICKET_BYTES);
    assert_eq!(key().open(minted.as_bytes(), NOW), Ok(longest));
}

#[test]
fn a_name_that_does_not_fit_is_refused() {
    for found in [129, 300] {
        let long = Grant { user: "u".repeat(found), ..grant() };
        assert_eq!(key().mint(&long, [1; 32]).unwrap_err(), MintError::UserTooLong { found });
    }
}

#[test]
fn it_may_start_until_its_last_second() {
    let bytes = ticket();
    assert!(key().open(bytes.as_bytes(), NOW + 60).is_ok());
    assert_eq!(key().open(bytes.as_bytes(), NOW + 61), Err(TicketError::Expired { seconds: 1 }));
}

#[test]
fn another_nodes_key_does_not_open_it() {
    let other = TicketKey::from_bytes([3; 32]).unwrap();
    assert_eq!(other.open(ticket().as_bytes(), NOW), Err(TicketError::OtherKey));
    let mut relabelled = ticket().as_bytes().to_vec();
    relabelled[1..9].copy_from_slice(&other.id);
    assert_eq!(other.open(&relabelled, NOW), Err(TicketError::Forged));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let good = ticket();
    for bit in 0..TICKET_BYTES * 8 {
        let mut bad = good.as_bytes().to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(key().open(&bad, NOW).is_err(), "bit {bit}");
    }
}

#[test]
fn every_other_length_is_refused() {
    let good = ticket();
    for found in 0..TICKET_BYTES {
        assert_eq!(key().open(&good.as_bytes()[..found], NOW), Err(TicketError::Length { found }));
    }
    let longer = [good.as_bytes(), &[0]].concat();
    assert_eq!(key().open(&longer, NOW), Err(TicketError::Length { found: 778 }));
}

#[test]
fn junk_is_refused() {
    assert_eq!(key().open(&[0; TICKET_BYTES], NOW), Err(TicketError::Version { found: 0 }));
    assert_eq!(key().open(&[1; TICKET_BYTES], NOW), Err(TicketError::OtherKey));
}

#[test]
fn tickets_are_told_apart_by_their_id() {
    let other = key().mint(&grant(), [8; 32]).unwrap();
    assert_eq!(TicketId::of(ticket().as_bytes()), Some(TicketId([9; 32])));
    assert_ne!(TicketId::of(other.as_bytes()), TicketId::of(ticket().as_bytes()));
    assert_eq!(TicketId::of(b"short"), None);
}

#[test]
fn the_secret_is_not_shown() {
    let shown = format!("{:?} {:?} {:?}", grant(), key(), ticket());
    assert!(!shown.contains("7, 7") && !shown.contains("48, 49"), "{shown}");
}

#[test]
fn a_key_file_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ticket.key");
    let made = TicketKey::load_or_create(&path).unwrap();
    assert_eq!(TicketKey::load_or_create(&path).unwrap().bytes, made.bytes);
    assert_eq!(TicketKey::load(&path).unwrap().bytes, made.bytes);
}

#[test]
fn a_broken_key_file_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ticket.key");
    for broken in ["", "abc", &"g".repeat(64), &"0".repeat(63), &"0".repeat(66)] {
        std::fs::write(&path, broken).unwrap();
        let error = TicketKey::load_or_create(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Malformed { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), broken);
    }
}

#[test]
fn a_missing_key_file_is_named() {
    let error = TicketKey::load(Path::new("/nowhere/ticket.key")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/ticket.key"), "{error}");
}
