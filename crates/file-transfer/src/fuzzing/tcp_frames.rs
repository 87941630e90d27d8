//! Frames of `simplechat-file/1`: a header tells the length before anything is kept, and what is read
//! is written the same.

use crate::tcp::frame::{
    CLIENT_BODY_BYTES_MAX, CloseCode, HEADER_BYTES, Hello, Kind, NODE_BODY_BYTES_MAX, OFFSET_BYTES,
    Welcome, decode_data, decode_header, decode_want, encode_header, encode_want,
};

/// Reads the bytes as one frame after the other, as a node does and as a client does.
pub fn tcp_frames(bytes: &[u8]) {
    for body_bytes_max in [CLIENT_BODY_BYTES_MAX, NODE_BODY_BYTES_MAX] {
        let mut rest = bytes;
        while let Some((header, behind)) = rest.split_first_chunk::<HEADER_BYTES>() {
            let Ok((kind, length)) = decode_header(*header, body_bytes_max) else { break };
            assert!(length <= body_bytes_max);
            assert_eq!(encode_header(kind, length), *header);
            let Some((body, next)) = behind.split_at_checked(length) else { break };
            let frame = rest.get(..HEADER_BYTES + length).unwrap_or_default();
            check_body(kind, body, frame);
            rest = next;
        }
    }
}

fn check_body(kind: Kind, body: &[u8], frame: &[u8]) {
    match kind {
        Kind::Hello => {
            if let Ok(hello) = Hello::decode(body) {
                assert_eq!(hello.encode(), frame);
            }
        }
        Kind::Welcome => {
            if let Ok(welcome) = Welcome::decode(body) {
                assert_eq!(welcome.encode(), frame);
            }
        }
        Kind::Close => {
            if let Ok(code) = CloseCode::decode(body) {
                assert_eq!(code.encode(), frame);
            }
        }
        Kind::Data => {
            if let Some((offset, bytes)) = body.split_first_chunk::<OFFSET_BYTES>()
                && let Some(range) = decode_data(*offset, bytes.len())
            {
                assert_eq!(range.end - range.start, bytes.len() as u64);
            }
        }
        Kind::Want => {
            if let Ok(wanted) = decode_want(body) {
                assert_eq!(encode_want(&wanted), frame);
            }
        }
        Kind::Done | Kind::End => {}
    }
}
