//! The bytes of a file that goes with a mail: in memory, or where they are kept until they are written.

use std::fmt;
// Whoever keeps bytes says why they cannot be read; nothing is opened here.
use std::io;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// How many bytes are read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes that are kept elsewhere, never changed, and read when they are written into a mail.
pub trait KeptBytes: fmt::Debug + Send + Sync {
    /// Returns how many there are.
    fn byte_count(&self) -> usize;
    /// Returns their SHA-256.
    fn hash(&self) -> [u8; 32];
    /// Fills `bytes` with those from `offset` on.
    ///
    /// # Errors
    /// They cannot be read.
    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()>;
}

/// The bytes of a file.
#[derive(Clone, Debug)]
pub enum Contents {
    /// Here.
    Held(Arc<[u8]>),
    /// Elsewhere.
    Kept(Arc<dyn KeptBytes>),
}

impl Contents {
    /// Returns how many there are.
    pub fn byte_count(&self) -> usize {
        match self {
            Self::Held(bytes) => bytes.len(),
            Self::Kept(kept) => kept.byte_count(),
        }
    }

    /// Returns their SHA-256.
    pub fn hash(&self) -> [u8; 32] {
        match self {
            Self::Held(bytes) => Sha256::digest(bytes).into(),
            Self::Kept(kept) => kept.hash(),
        }
    }

    /// Returns them all.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.byte_count());
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes them into `sink`, a piece at a time.
    ///
    /// # Errors
    /// They cannot be read, or `sink` takes no more.
    pub fn write_to(&self, sink: &mut dyn io::Write) -> io::Result<()> {
        let kept = match self {
            Self::Held(bytes) => return sink.write_all(bytes),
            Self::Kept(kept) => kept,
        };
        let (mut offset, whole) = (0, kept.byte_count());
        let mut chunk = vec![0; CHUNK_BYTES.min(whole)];
        while offset < whole {
            let count = chunk.len().min(whole - offset);
            kept.read_at(offset, &mut chunk[..count])?;
            sink.write_all(&chunk[..count])?;
            offset += count;
        }
        Ok(())
    }
}

impl From<Vec<u8>> for Contents {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Held(bytes.into())
    }
}

impl PartialEq for Contents {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }
}

impl Eq for Contents {}
