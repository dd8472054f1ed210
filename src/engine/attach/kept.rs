//! The bytes of what was fetched, on the disk until the mails are made.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::domain::ledger::{CustomerIndex, DocumentIndex};
use crate::message::{Contents, KeptBytes};

/// What was taken over of all files, one behind the other in one file without a name, which nobody can change and which
/// vanishes with its last holder. Files of their own would cost a large run more time than all else about them.
#[derive(Clone, Debug)]
pub(crate) struct Kept(Arc<Mutex<File>>);

impl Kept {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(tempfile::tempfile()?))))
    }

    /// Takes a file over.
    pub(crate) fn add(&self, name: String, content_type: String, contents: &[u8]) -> io::Result<AttachedFile> {
        let mut file = self.file();
        let at = file.seek(SeekFrom::End(0))?;
        file.write_all(contents)?;
        drop(file);
        let (byte_count, hash) = (contents.len(), Sha256::digest(contents).into());
        let place = Arc::new(KeptPlace { kept: self.clone(), at, byte_count, hash });
        Ok(AttachedFile { name, content_type, place, customer: None, document: None })
    }

    fn file(&self) -> MutexGuard<'_, File> {
        // Whoever takes it says first where in the file it is to be.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
