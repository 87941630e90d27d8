//! Files that nothing on the way can compress.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;

/// Writes `bytes` of noise (BLAKE3's output stream) and returns the file's hash as `b3sum` prints it.
pub(crate) fn write_file(path: &Path, bytes: u64) -> Result<String> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut noise = blake3::Hasher::new().finalize_xof();
    let mut hash = blake3::Hasher::new();
    let mut block = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        block.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        noise.fill(&mut block);
        hash.update(&block);
        file.write_all(&block)?;
        left -= block.len() as u64;
    }
    file.into_inner()?.sync_all()?;
    Ok(hash.finalize().to_hex().to_string())
}
