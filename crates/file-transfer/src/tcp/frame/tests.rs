//! The frames as bytes, held against `tests/golden/tcp/*.hex` and against what PROTOCOL.md shows.

use super::*;
use crate::tcp::proof::{self, Exporter};

/// The golden ticket's secret.
const SECRET: [u8; 32] = [7; 32];
const EXPORTER: Exporter = Exporter([0x22; 32]);
const CLIENT_RANDOM: [u8; 32] = [0x11; 32];
const BYTES_PER_LINE: usize = 48;

fn set(ranges: &[Range<u64>]) -> RangeSet {
    let mut set = RangeSet::new();
    ranges.iter().for_each(|range| {
        set.insert(range.clone());
    });
    set
}

fn hello() -> Hello {
    let ticket = from_hex(include_str!("../../../tests/golden/ticket.hex"));
    Hello {
        ticket: ticket.as_slice().try_into().unwrap(),
        client_random: CLIENT_RANDOM,
        proof: proof::of_client(&SECRET, &EXPORTER, &CLIENT_RANDOM, &ticket),
        wanted: set(&[0..1000, 5000..3_000_000]),
    }
}

fn welcome() -> Welcome {
    let proof = proof::of_node(&SECRET, &EXPORTER, &CLIENT_RANDOM);
    Welcome { proof, size: 3_000_000 }
}

fn data() -> Vec<u8> {
    encode(
        Kind::Data,
        &[&5000_u64.to_be_bytes(), b"27 bytes are in this frame.".as_slice()].concat(),
    )
}

/// Name of the golden file → frame, in the order of a transfer.
fn frames() -> [(&'static str, Vec<u8>, &'static str); 7] {
    [
        ("tcp_hello", hello().encode(), include_str!("../../../tests/golden/tcp/tcp_hello.hex")),
        (
            "tcp_welcome",
            welcome().encode(),
            include_str!("../../../tests/golden/tcp/tcp_welcome.hex"),
        ),
        ("tcp_data", data(), include_str!("../../../tests/golden/tcp/tcp_data.hex")),
        ("tcp_end", encode(Kind::End, &[]), include_str!("../../../tests/golden/tcp/tcp_end.hex")),
        (
            "tcp_done",
            encode(Kind::Done, &[]),
            include_str!("../../../tests/golden/tcp/tcp_done.hex"),
        ),
        (
            "tcp_close",
            CloseCode::FileChanged.encode(),
            include_str!("../../../tests/golden/tcp/tcp_close.hex"),
        ),
        (
            "tcp_want",
            encode_want(&hello().wanted),
            include_str!("../../../tests/golden/tcp/tcp_want.hex"),
        ),
    ]
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.as_bytes().chunks(2).map(byte).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    let line = |part: &[u8]| part.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.chunks(BYTES_PER_LINE).map(|part| line(part) + "\n").collect()
}

#[test]
fn frames_are_the_golden_bytes() {
    for (name, frame, golden) in frames() {
        assert_eq!(to_hex(&frame), golden, "{name}.hex");
    }
}

#[test]
fn protocol_document_shows_the_golden_bytes() {
    let document = include_str!("../../../../../PROTOCOL.md");
    let ticket = include_str!("../../../tests/golden/ticket.hex");
    let ticket: String = ticket.lines().filter(|line| !line.starts_with('#')).collect();
    let ticket = ("ticket", from_hex(&ticket));
    for (name, bytes) in frames().map(|(name, frame, _)| (name, frame)).into_iter().chain([ticket])
    {
        let shown = to_hex(&bytes).trim_end().replace('\n', "\n    ");
        assert!(document.contains(&format!("`{name}`")), "PROTOCOL.md does not name {name}");
        assert!(
            document.contains(&shown),
            "PROTOCOL.md shows other bytes for {name}:\n    {shown}"
        );
    }
}

/// Header and body of a whole frame, as a reader sees them.
fn read(frame: &[u8], body_bytes_max: usize) -> Result<(Kind, Vec<u8>), FrameError> {
    let (header, body) = frame.split_at(HEADER_BYTES);
    let (kind, bytes) = decode_header(header.try_into().unwrap(), body_bytes_max)?;
    assert_eq!(bytes, body.len());
    Ok((kind, body.to_vec()))
}

#[test]
fn golden_bytes_are_understood() {
    let (kind, body) = read(&hello().encode(), CLIENT_BODY_BYTES_MAX).unwrap();
    assert_eq!((kind, Hello::decode(&body)), (Kind::Hello, Ok(hello())));
    let (kind, body) = read(&welcome().encode(), NODE_BODY_BYTES_MAX).unwrap();
    assert_eq!((kind, Welcome::decode(&body)), (Kind::Welcome, Ok(welcome())));
    let (kind, body) = read(&data(), NODE_BODY_BYTES_MAX).unwrap();
    let offset = body[..OFFSET_BYTES].try_into().unwrap();
    assert_eq!((kind, decode_data(offset, 27)), (Kind::Data, Some(5000..5027)));
    let (kind, body) = read(&CloseCode::FileChanged.encode(), NODE_BODY_BYTES_MAX).unwrap();
    assert_eq!((kind, CloseCode::decode(&body)), (Kind::Close, Ok(CloseCode::FileChanged)));
}

#[test]
fn lengths_out_of_bounds_are_refused_by_the_header_alone() {
    let header = |length: u32| {
        let [a, b, c, d] = length.to_be_bytes();
        decode_header([a, b, c, d, 17], NODE_BODY_BYTES_MAX)
    };
    let allowed = NODE_BODY_BYTES_MAX + 1;
    assert_eq!(header(0), Err(FrameError::Length { found: 0, allowed }));
    assert_eq!(header(1), Ok((Kind::Data, 0)));
    assert_eq!(header(262_153), Ok((Kind::Data, 262_152)));
    assert_eq!(header(262_154), Err(FrameError::Length { found: 262_154, allowed }));
    assert_eq!(header(u32::MAX), Err(FrameError::Length { found: u32::MAX, allowed }));
}

#[test]
fn unknown_kinds_are_refused() {
    for kind in (0..=255).filter(|kind| ![1, 2, 16, 17, 18, 19, 20].contains(kind)) {
        assert_eq!(decode_header([0, 0, 0, 1, kind], 10), Err(FrameError::Kind(kind)));
    }
}

#[test]
fn every_close_code_has_its_byte() {
    for byte in 0..=255 {
        assert_eq!(CloseCode::from_wire(byte).wire(), byte);
    }
    assert_eq!(CloseCode::from_wire(14), CloseCode::Unknown(14));
    assert_ne!(CloseCode::from_wire(13), CloseCode::Unknown(13));
}

#[test]
fn a_hello_cut_anywhere_or_too_long_is_malformed() {
    let frame = hello().encode();
    let body = &frame[HEADER_BYTES..];
    for length in 0..body.len() {
        let result = Hello::decode(&body[..length]);
        assert_eq!(result, Err(FrameError::Malformed(Kind::Hello)), "{length} bytes");
    }
    let longer = [body, &[0]].concat();
    assert_eq!(Hello::decode(&longer), Err(FrameError::Malformed(Kind::Hello)));
}

#[test]
fn another_version_is_told_as_such() {
    let mut frame = hello().encode();
    frame[HEADER_BYTES] = 2;
    assert_eq!(Hello::decode(&frame[HEADER_BYTES..]), Err(FrameError::Version(2)));
}

#[track_caller]
fn refused_ranges(ranges: &[(u64, u64)]) {
    let bytes: Vec<u8> = ranges
        .iter()
        .flat_map(|(start, end)| [start.to_be_bytes(), end.to_be_bytes()].concat())
        .collect();
    assert_eq!(decode_ranges(&bytes), None, "{ranges:?}");
}

#[test]
fn ranges_that_are_no_set_are_refused() {
    refused_ranges(&[(5, 5)]);
    refused_ranges(&[(6, 5)]);
    refused_ranges(&[(0, 5), (5, 9)]);
    refused_ranges(&[(0, 5), (4, 9)]);
    refused_ranges(&[(7, 9), (0, 5)]);
}

#[test]
fn what_is_nameable_covers_what_is_wanted() {
    let ranges = |count: u64| set(&(0..count).map(|i| 10 * i..10 * i + 5).collect::<Vec<_>>());
    let most = RANGES_MAX as u64;
    assert_eq!(nameable(&ranges(0)), ranges(0));
    assert_eq!(nameable(&ranges(most)), ranges(most));
    let named = nameable(&ranges(most + 2));
    assert_eq!(named.range_count(), RANGES_MAX);
    assert!(ranges(most + 2).iter().all(|range| named.contains_range(&range)));
    assert_eq!(named.last(), Some(10 * (most - 1)..10 * (most + 1) + 5));
}
