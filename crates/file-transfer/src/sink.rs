//! Where received bytes go: a file on disk ([`crate::part_file`]), or memory in tests.

use std::io;

/// Takes the bytes of one file in any order.
pub trait Sink {
    /// Puts all of `bytes` at `offset`. A repeated write of the same place is allowed.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Puts all of `run` at `offset`, and leaves an empty buffer to be filled next: the same one, or
    /// another if this one is still of use. After an error `run` is as it was.
    fn write_run(&mut self, offset: u64, run: &mut Vec<u8>) -> io::Result<()> {
        self.write_at(offset, run)?;
        run.clear();
        Ok(())
    }
}

/// A file in memory that grows as needed.
impl Sink for Vec<u8> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        if self.len() < end {
            self.resize(end, 0);
        }
        self.get_mut(start..end).ok_or(io::ErrorKind::FileTooLarge)?.copy_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_takes_bytes_in_any_order() {
        let mut sink = Vec::new();
        sink.write_at(3, b"def").unwrap();
        sink.write_at(0, b"abc").unwrap();
        sink.write_at(0, b"").unwrap();
        assert_eq!(sink, b"abcdef");
    }

    #[test]
    fn memory_refuses_an_offset_that_it_cannot_have() {
        assert!(Vec::new().write_at(u64::MAX, b"x").is_err());
    }
}
