//! A line to the running server: frames of the chat over its Unix socket, one question after the other.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use common::framing::{self, FrameDecoder};
use common::wire::administer::Command;
use common::wire::server_frame::Body;
use common::wire::{Administer, ClientFrame, ServerFrame, client_frame};
use prost::Message;

use crate::local_socket;
use crate::operator::OperatorError;
use crate::operator_door::SOCKET_NAME;

/// How long an answer may take: a password is hashed, a disk may be slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;

/// See the module.
pub(super) struct Line {
    stream: UnixStream,
    decoder: FrameDecoder,
    last_request: u64,
}

impl Line {
    pub(super) fn connect(data: &Path) -> io::Result<Self> {
        let stream = local_socket::connect_in(data, SOCKET_NAME)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, decoder: FrameDecoder::default(), last_request: 0 })
    }

    /// The body of the answer, unless it is a refusal.
    pub(super) fn ask(&mut self, command: Command) -> Result<Body, OperatorError> {
        self.last_request += 1;
        let body = client_frame::Body::Administer(Administer { command: Some(command) });
        let frame = ClientFrame { request_id: self.last_request, body: Some(body) };
        let bytes = framing::encode(&frame).map_err(|_| OperatorError::Closed)?;
        self.stream.write_all(&bytes).map_err(|_| OperatorError::Closed)?;
        match self.answer()? {
            Body::Refused(refused) => Err(OperatorError::Refused(refused)),
            body => Ok(body),
        }
    }

    fn answer(&mut self) -> Result<Body, OperatorError> {
        loop {
            while let Some(frame) = self.decoder.next_frame().map_err(|_| OperatorError::Closed)? {
                let frame = ServerFrame::decode(frame).map_err(|_| OperatorError::Closed)?;
                if let (true, Some(body)) = (frame.in_reply_to == self.last_request, frame.body) {
                    return Ok(body);
                }
            }
            let mut bytes = [0; READ_BYTES];
            let read = self.stream.read(&mut bytes).map_err(|_| OperatorError::Closed)?;
            let bytes = bytes.get(..read).filter(|bytes| !bytes.is_empty());
            self.decoder.extend(bytes.ok_or(OperatorError::Closed)?);
        }
    }
}
