//! The texts that runs were made with, each kept once under its hash: rules, scripts, templates, calendars, plugins as they were.

use rusqlite::Connection;

use crate::domain::hex::hexadecimal;
use crate::store::StoreError;
use crate::store::digest::{generation, plain};

/// A file of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationText {
    /// Its path in the workspace.
    pub path: String,
    /// What of it is kept.
    pub text: KeptText,
}

/// What is kept of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptText {
    /// All of it.
    Whole(String),
    /// Its SHA-256 alone, in hex: it may hold a secret, or is a program.
    Hash(String),
}

impl KeptText {
    /// Returns what is kept of a text that may hold a secret.
    pub fn hash_of(text: &str) -> Self {
        Self::Hash(hexadecimal(&plain(text.as_bytes())))
    }

    fn hash(&self) -> String {
        match self {
            Self::Whole(text) => hexadecimal(&plain(text.as_bytes())),
            Self::Hash(hash) => hash.clone(),
        }
    }
}

/// Keeps the texts of a generation, where they are not kept already.
///
/// # Errors
/// Why they could not be stored.
pub(crate) fn keep(connection: &Connection, id: &str, texts: &[GenerationText]) -> Result<(), StoreError> {
    if connection.prepare_cached("select 1 from generation where id = ?1")?.exists((id,))? {
        return Ok(());
    }
    let mut hashed: Vec<(&str, String, &KeptText)> =
        texts.iter().map(|file| (file.path.as_str(), file.text.hash(), &file.text)).collect();
    hashed.sort_unstable_by_key(|(path, ..)| *path);
    let is_kept = |text: &KeptText| matches!(text, KeptText::Whole(_));
    let digest = generation(hashed.iter().map(|(path, hash, text)| (*path, hash.as_str(), is_kept(text))));
    connection.execute("insert into generation (id, digest) values (?1, ?2)", (id, digest))?;
    for (path, hash, text) in &hashed {
        if let KeptText::Whole(text) = text {
            let insert = "insert into text (hash, bytes) values (?1, ?2) on conflict do nothing";
            connection.prepare_cached(insert)?.execute((hash, text.as_bytes()))?;
        }
        let insert = "insert into generation_text (generation, path, hash, is_kept) values (?1, ?2, ?3, ?4)";
        connection.prepare_cached(insert)?.execute((id, path, hash, is_kept(text)))?;
    }
    Ok(())
}
