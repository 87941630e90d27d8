//! The end that writes the file: receive joined datagrams, open each into a run, one `pwrite` a run.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::aead::{Aad, LessSafeKey};

use super::datagrams::{Datagrams, Inbox};
use super::{CHUNK_BYTES, HEADER_BYTES, TAG_BYTES, chunks, key, nonce, number_of};

/// What is written at once.
const RUN_BYTES: usize = 256 << 10;
/// Chunks that one acknowledgement covers.
const ACKNOWLEDGED_AT_ONCE: u64 = 70;

pub(super) fn fetch(address: SocketAddr, bytes: u64, out: &Path) -> Result<()> {
    let begun = Instant::now();
    let datagrams = Datagrams::bind(([127, 0, 0, 1], 0).into())?;
    let mut run = Run::create(out)?;
    let mut inbox = Inbox::new();
    let mut acknowledged = 0_u64;
    datagrams.send(address, &acknowledged.to_be_bytes(), usize::MAX)?;
    while run.next < chunks(bytes) {
        datagrams.wait_readable()?;
        datagrams.receive(&mut inbox)?;
        for (_, datagram) in inbox.datagrams() {
            run.take(datagram)?;
        }
        let is_due = run.next - acknowledged >= ACKNOWLEDGED_AT_ONCE || run.next == chunks(bytes);
        if is_due {
            acknowledged = run.next;
            datagrams.send(address, &acknowledged.to_be_bytes(), usize::MAX)?;
        }
    }
    run.flush()?;
    ensure!(run.offset == bytes, "{} of {bytes} bytes arrived", run.offset);
    let seconds = begun.elapsed().as_secs_f64();
    writeln!(
        std::io::stdout(),
        r#"{{"event":"finished","bytes":{bytes},"seconds":{seconds:.6}}}"#
    )?;
    Ok(())
}

/// Opened chunks that follow each other and are not written yet.
struct Run {
    file: File,
    key: LessSafeKey,
    /// The number that must come next.
    next: u64,
    /// Where in the file the run begins.
    offset: u64,
    held: Vec<u8>,
    filled: usize,
}

impl Run {
    fn create(out: &Path) -> Result<Self> {
        let file = File::create(out)?;
        let held = vec![0; RUN_BYTES + CHUNK_BYTES];
        Ok(Self { file, key: key()?, next: 0, offset: 0, held, filled: 0 })
    }

    fn take(&mut self, datagram: &[u8]) -> Result<()> {
        let (header, sealed) =
            datagram.split_at_checked(HEADER_BYTES).context("a datagram too short")?;
        let length = sealed.len().checked_sub(TAG_BYTES).context("a datagram too short")?;
        let (chunk, tag) = sealed.split_at(length);
        let number = number_of(header).context("no number")?;
        ensure!(number == self.next, "{number} came instead of {}: loss or reordering", self.next);
        let room = self.held.get_mut(self.filled..self.filled + length).context("a long chunk")?;
        self.key.open_separate_gather(nonce(number), Aad::from(header), chunk, tag, room)?;
        self.next += 1;
        self.filled += length;
        if self.filled >= RUN_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let run = self.held.get(..self.filled).context("a run beyond its buffer")?;
        self.file.write_all_at(run, self.offset)?;
        self.offset += self.filled as u64;
        self.filled = 0;
        Ok(())
    }
}
