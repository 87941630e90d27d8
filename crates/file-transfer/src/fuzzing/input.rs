//! Takes decisions and bytes off the front of a fuzzer's input.

/// What is left of it. At the end everything is zero and empty.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    /// As many bytes, zeros where there are no more.
    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        array.iter_mut().for_each(|byte| *byte = self.u8());
        array
    }

    /// At most `length` bytes.
    pub(super) fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// `bytes` with `noise` laid over them from `offset` on.
pub(super) fn disturbed(bytes: &[u8], offset: usize, noise: &[u8]) -> Vec<u8> {
    let mut disturbed = bytes.to_vec();
    disturbed.iter_mut().skip(offset).zip(noise).for_each(|(byte, noise)| *byte ^= noise);
    disturbed
}
