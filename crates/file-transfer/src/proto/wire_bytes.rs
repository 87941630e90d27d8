//! Reading and writing fixed-size big-endian fields without ever indexing out of a slice.

/// Takes fields off the front of a slice. Every method gives `None` when too little is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldReader<'a> {
    rest: &'a [u8],
}

impl<'a> FieldReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*field)
    }

    pub(crate) fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(field)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Option<u32> {
        self.array().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u56(&mut self) -> Option<u64> {
        self.array().map(|[a, b, c, d, e, f, g]| u64::from_be_bytes([0, a, b, c, d, e, f, g]))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
}

/// Puts fields at the front of a buffer; what does not fit is a bug of ours, caught in debug builds.
#[derive(Debug)]
pub(crate) struct FieldWriter<'a> {
    buffer: &'a mut [u8],
    written: usize,
}

impl<'a> FieldWriter<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, written: 0 }
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let end = self.written + bytes.len();
        debug_assert!(end <= self.buffer.len(), "a field does not fit its packet");
        if let Some(field) = self.buffer.get_mut(self.written..end) {
            field.copy_from_slice(bytes);
            self.written = end;
        }
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    pub(crate) fn u24(&mut self, value: u32) {
        let [_, field @ ..] = value.to_be_bytes();
        self.put(&field);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    pub(crate) fn u56(&mut self, value: u64) {
        let [_, field @ ..] = value.to_be_bytes();
        self.put(&field);
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }

    /// How many bytes were put so far.
    pub(crate) fn written(&self) -> usize {
        self.written
    }
}
