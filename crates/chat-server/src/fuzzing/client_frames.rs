//! Frames of a client: taken apart whatever the cuts, holding no more than came, and parsed or refused.

use common::framing::FrameDecoder;
use common::limits::{NAME_CHARS_MAX, TEXT_BYTES_MAX};

use crate::connection::parse::parse;
use crate::state::request::{Asked, MemberRequest, Request, ResumeToken};

/// Reads the bytes as what a connection brings, in pieces, and as the body of one frame.
pub fn client_frames(bytes: &[u8]) {
    let whole = bodies(bytes, bytes.len().max(1));
    for piece in [1, 7] {
        assert_eq!(bodies(bytes, piece), whole, "the same frames in pieces of {piece}");
    }
    for body in whole {
        check(&parse(body, || ResumeToken([0; _])));
    }
    check(&parse(bytes.to_vec().into(), || ResumeToken([0; _])));
}

/// The bodies of the frames, up to one that cannot be.
fn bodies(bytes: &[u8], piece: usize) -> Vec<bytes::Bytes> {
    let (mut decoder, mut bodies, mut given, mut taken) =
        (FrameDecoder::default(), Vec::new(), 0, 0);
    for piece in bytes.chunks(piece) {
        decoder.extend(piece);
        given += piece.len();
        loop {
            match decoder.next_frame() {
                Ok(Some(body)) => {
                    taken += 4 + body.len();
                    bodies.push(body);
                }
                Ok(None) => break,
                Err(_) => return bodies,
            }
        }
        assert_eq!(decoder.buffered(), given - taken);
    }
    bodies
}

/// What is let through is well-formed.
fn check(asked: &Asked) {
    match &asked.request {
        Ok(Request::LogIn(it)) => assert!(it.name.as_str().chars().count() <= NAME_CHARS_MAX),
        Ok(Request::Member(Ok(MemberRequest::SendMessage(it)))) => {
            assert!((1..=TEXT_BYTES_MAX).contains(&it.text.len()));
        }
        Ok(_) | Err(_) => {}
    }
}
