//! The bytes of what was fetched, on the disk until the mails are made.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::domain::ledger::{CustomerIndex, DocumentIndex};
use crate::message::{Contents, Ends, KeptBytes};

/// What was taken over of all files, one behind the other in one file without a name, which nobody can change and which
/// vanishes with its last holder. Files of their own would cost a large run more time than all else about them.
#[derive(Clone, Debug)]
pub(crate) struct Kept(Arc<Mutex<File>>);

impl Kept {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(tempfile::tempfile()?))))
    }

    /// Takes over what can be read, a piece at a time, at most `bytes_max` bytes of it.
    pub(crate) fn take(&self, from: impl Read, bytes_max: u64) -> Result<Taken, Untaken> {
        let mut file = self.file();
        let at = file.seek(SeekFrom::End(0)).map_err(Untaken::Unkept)?;
        let taken = take_over(&mut file, from, bytes_max);
        if taken.is_err() {
            // What is left of it is in nobody's way.
            file.set_len(at).ok();
        }
        let (byte_count, hash, ends) = taken?;
        drop(file);
        Ok(Taken { place: Arc::new(KeptPlace { kept: self.clone(), at, byte_count, hash }), ends })
    }

    fn file(&self) -> MutexGuard<'_, File> {
        // Whoever takes it says first where in the file it is to be.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many bytes are taken over at once.
const CHUNK_BYTES: usize = 64 * 1024;

fn take_over(file: &mut File, mut from: impl Read, bytes_max: u64) -> Result<(usize, [u8; 32], Ends), Untaken> {
    let (mut byte_count, mut hash, mut ends) = (0, Sha256::new(), Ends::default());
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => return Ok((byte_count, hash.finalize().into(), ends)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Untaken::Unreadable(error)),
        };
        byte_count += count;
        if byte_count as u64 > bytes_max {
            return Err(Untaken::TooLarge);
        }
        let part = &chunk[..count];
        hash.update(part);
        ends.add(part);
        file.write_all(part).map_err(Untaken::Unkept)?;
    }
}

/// What was taken over.
pub(crate) struct Taken {
    pub(crate) place: Arc<KeptPlace>,
    pub(crate) ends: Ends,
}

/// Why nothing was taken over.
#[derive(Debug)]
pub(crate) enum Untaken {
    Unreadable(io::Error),
    TooLarge,
    Unkept(io::Error),
}

impl fmt::Display for Untaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::TooLarge => f.write_str("is too large"),
            Self::Unkept(error) => write!(f, "cannot be kept: {error}"),
        }
    }
}

/// Where in the file the bytes of one are.
#[derive(Debug)]
pub(crate) struct KeptPlace {
    kept: Kept,
    at: u64,
    byte_count: usize,
    hash: [u8; 32],
}

#[cfg(test)]
impl Kept {
    pub(crate) fn byte_count(&self) -> u64 {
        self.file().metadata().unwrap().len()
    }
}

#[cfg(test)]
impl Taken {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        Contents::Kept(self.place.clone()).bytes().unwrap()
    }
}

impl KeptBytes for KeptPlace {
    fn byte_count(&self) -> usize {
        self.byte_count
    }

    fn hash(&self) -> [u8; 32] {
        self.hash
    }

    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        let mut file = self.kept.file();
        file.seek(SeekFrom::Start(self.at + offset as u64))?;
        file.read_exact(bytes)
    }
}

/// A file that was fetched, checked and kept.
#[derive(Clone, Debug)]
pub(crate) struct AttachedFile {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) place: Arc<KeptPlace>,
    /// Whose paper it is; `None`: the customer's whose mail it goes with.
    pub(crate) customer: Option<CustomerIndex>,
    /// The document that it is the paper of.
    pub(crate) document: Option<DocumentIndex>,
}

impl AttachedFile {
    pub(crate) fn new(name: String, content_type: String, place: Arc<KeptPlace>) -> Self {
        Self { name, content_type, place, customer: None, document: None }
    }

    pub(crate) fn contents(&self) -> Contents {
        Contents::Kept(self.place.clone())
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        self.place.hash
    }

    /// Returns the contents.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, String> {
        let bytes = self.contents().bytes();
        bytes.map_err(|error| format!("The attachment `{}` cannot be read again: {error}", self.name))
    }
}
