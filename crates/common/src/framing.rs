//! Frames on the chat connection: a 4-byte big-endian length and one protobuf message.
//!
//! Sans-IO: [`FrameDecoder`] is fed whatever a socket gave and hands out whole frame bodies.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

use crate::limits::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES};

/// A frame that must not be sent or cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length of zero: no message is that short.
    #[error("a frame of 0 bytes; 1 to {FRAME_BYTES_MAX} are allowed")]
    Empty,
    /// Longer than any message may be.
    #[error("a frame of {0} bytes; 1 to {FRAME_BYTES_MAX} are allowed")]
    TooLong(usize),
}

/// Checks a frame's length against what is allowed.
///
/// # Errors
/// [`FrameError`] outside 1 to [`FRAME_BYTES_MAX`].
fn check_length(bytes: usize) -> Result<usize, FrameError> {
    match bytes {
        0 => Err(FrameError::Empty),
        1..=FRAME_BYTES_MAX => Ok(bytes),
        _ => Err(FrameError::TooLong(bytes)),
    }
}

/// One message as a frame: length and body in one buffer, to be shared by all its receivers.
///
/// # Errors
/// [`FrameError`] if the message is empty or longer than [`FRAME_BYTES_MAX`].
pub fn encode(message: &impl Message) -> Result<Bytes, FrameError> {
    let body_bytes = check_length(message.encoded_len())?;
    let mut frame = BytesMut::with_capacity(FRAME_HEADER_BYTES + body_bytes);
    frame.put_u32(u32::try_from(body_bytes).map_err(|_| FrameError::TooLong(body_bytes))?);
    message.encode_raw(&mut frame);
    Ok(frame.freeze())
}

/// Takes a byte stream apart into frame bodies.
///
/// Holds at most what it was given: a length that a stranger claims allocates nothing. Call
/// [`extend`](Self::extend) with each read, then [`next_frame`](Self::next_frame) until it has none.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: BytesMut,
}

impl FrameDecoder {
    /// Buffers `bytes` as read from the connection.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The body of the next whole frame, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`FrameError`]: the stream cannot be followed any further; close the connection.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<FRAME_HEADER_BYTES>() else {
            return Ok(None);
        };
        let claimed = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
        let body_bytes = check_length(claimed)?;
        if self.buffer.len() < FRAME_HEADER_BYTES + body_bytes {
            return Ok(None);
        }
        self.buffer.advance(FRAME_HEADER_BYTES);
        Ok(Some(self.buffer.split_to(body_bytes).freeze()))
    }

    /// Bytes that wait for the rest of their frame.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Gives the memory of an empty buffer back, so that an idle connection holds none.
    pub fn shrink(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ClientFrame, Ping, client_frame::Body};

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        frame
    }

    fn decode(pieces: &[&[u8]]) -> Result<Vec<Bytes>, FrameError> {
        let mut decoder = FrameDecoder::default();
        let mut frames = Vec::new();
        for piece in pieces {
            decoder.extend(piece);
            while let Some(frame) = decoder.next_frame()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[track_caller]
    fn check_refused(claimed: u32, error: FrameError) {
        assert_eq!(decode(&[&claimed.to_be_bytes()]), Err(error));
    }

    #[test]
    fn impossible_lengths_are_refused_on_the_header_alone() {
        check_refused(0, FrameError::Empty);
        check_refused(262_145, FrameError::TooLong(262_145));
        check_refused(u32::MAX, FrameError::TooLong(u32::MAX as usize));
    }

    #[test]
    fn smallest_and_largest_frames_pass() {
        for body in [vec![7], vec![7; FRAME_BYTES_MAX]] {
            assert_eq!(decode(&[&frame(&body)]).unwrap(), [Bytes::from(body)]);
        }
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        let mut decoder = FrameDecoder::default();
        decoder.extend(&262_144_u32.to_be_bytes());
        assert_eq!(decoder.next_frame(), Ok(None));
        assert!(decoder.buffer.capacity() < 1024);
    }

    #[test]
    fn a_split_at_every_byte_changes_nothing() {
        let stream = [frame(b"one"), frame(b"the second")].concat();
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            assert_eq!(
                decode(&[head, tail]).unwrap(),
                [&b"one"[..], b"the second"],
                "split at {at}"
            );
        }
    }

    #[test]
    fn a_thousand_frames_in_one_read_come_out() {
        assert_eq!(decode(&[&frame(b"x").repeat(1000)]).unwrap().len(), 1000);
    }

    #[test]
    fn an_encoded_message_decodes() {
        let ping = ClientFrame { request_id: 3, body: Some(Body::Ping(Ping { token: 9 })) };
        let bytes = encode(&ping).unwrap();
        let body = decode(&[&bytes]).unwrap().remove(0);
        assert_eq!(ClientFrame::decode(body), Ok(ping));
    }

    #[test]
    fn an_empty_message_is_no_frame() {
        assert_eq!(encode(&Ping::default()), Err(FrameError::Empty));
    }
}
