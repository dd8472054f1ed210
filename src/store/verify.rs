//! Whether the record is as it was written: the chain from its first link to its last, and every row that it covers.
//!
//! It reads one view of the database, whoever writes meanwhile. What has moved into the archive is checked as far as the
//! archive is at hand; what is not is counted, never passed over in silence.

mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde::Serialize;

use crate::domain::date::Timestamp;
use crate::domain::hex::hexadecimal;
use crate::store::archived::{Archived, files};
use crate::store::chain::{COLUMNS, Link};
use crate::store::digest::Hash;
use crate::store::{StoreError, open_current_reader, timestamp};

/// The most faults that are told one by one.
pub const FAULTS_MAX: usize = 1_000;

/// What was looked at, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The last hash of the chain, in hex; `None`: it has not begun.
    pub hash: Option<String>,
    /// Links.
    pub links: u64,
    /// Runs in the chain.
    pub runs: u64,
    /// Their decisions.
    pub decisions: u64,
    /// Their mails, copies among them.
    pub messages: u64,
    /// Attempts, those since the last link among them.
    pub attempts: u64,
    /// What people did.
    pub acts: u64,
    /// When the chain began.
    pub from: Option<Timestamp>,
    /// When its last link was made.
    pub until: Option<Timestamp>,
    /// What no link covers yet.
    pub since_last_link: Unlinked,
    /// What is older than the chain.
    pub before_chain: Before,
    /// What could not be checked, since it is in an archive that was not read.
    pub not_at_hand: NotAtHand,
    /// When the link with the hash that was asked for was made.
    pub expected_at: Option<Timestamp>,
    /// What is wrong, the first [`FAULTS_MAX`].
    pub faults: Vec<ChainFault>,
    /// How many more faults there are.
    pub faults_left_out: u64,
}

/// What no link covers yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unlinked {
    /// Attempts.
    pub attempts: u64,
    /// What people did.
    pub acts: u64,
    /// Copies of mails.
    pub copies: u64,
}

/// What was there before the chain began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Before {
    /// Runs.
    pub runs: u64,
    /// Mails.
    pub messages: u64,
}

/// What is in an archive that was not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NotAtHand {
    /// Rows of runs.
    pub runs: u64,
    /// Runs whose decisions are there.
    pub decisions: u64,
    /// Texts of mails.
    pub texts: u64,
    /// Attempts.
    pub attempts: u64,
}

/// One thing that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainFault {
    /// What: `message 12`.
    pub what: String,
    /// Where it belongs: `run 3`.
    pub place: String,
    /// What the chain says.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// Verifies the database at `path` with its archive: the files given, or those in `folder`. `None` where there is no database
/// yet. `expect` is a hash that somebody noted, or its beginning; `progress` is told links done and in all.
///
/// # Errors
/// The database or a file of the archive cannot be read.
pub fn verify(
    path: &Path,
    folder: Option<&Path>,
    archive: &[PathBuf],
    expect: Option<&str>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<Verified>, StoreError> {
    let Some(reader) = open_current_reader(path)? else { return Ok(None) };
    let view = reader.unchecked_transaction()?;
    let known = folder.map(|folder| files(&view, folder)).transpose()?.unwrap_or_default();
    let archived = Archived::read(&view, if archive.is_empty() { &known } else { archive })?;
    let mut verifier = Verifier {
        reader: &view,
        archived: &archived,
        found: Verified::default(),
        first: Link::default(),
        linked_runs: BTreeSet::new(),
        generations: BTreeMap::new(),
        missing: Missing::default(),
        partly_archived: None,
        is_archive_whole: false,
    };
    verifier.all(expect, progress)?;
    Ok(Some(verifier.found))
}

/// Ids that should be there and are not.
#[derive(Default)]
struct Missing {
    messages: BTreeSet<i64>,
    attempts: BTreeSet<i64>,
    acts: BTreeSet<i64>,
}

struct Verifier<'a> {
    reader: &'a Connection,
    archived: &'a Archived,
    found: Verified,
    /// Where the chain begins.
    first: Link,
    linked_runs: BTreeSet<i64>,
    /// The digest of each generation, as it is stored.
    generations: BTreeMap<String, Vec<u8>>,
    missing: Missing,
    /// The run whose decisions may be in the archive in part.
    partly_archived: Option<i64>,
    /// Whether every file of the archive was read.
    is_archive_whole: bool,
}

impl Verifier<'_> {
    fn all(&mut self, expect: Option<&str>, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
        let links: u64 = self.reader.query_row("select count(*) from link", (), |row| row.get::<_, i64>(0))?.unsigned_abs();
        self.texts()?;
        let mut statement = self.reader.prepare(&format!("select {COLUMNS} from link order by id"))?;
        let mut rows = statement.query(())?;
        let mut before: Option<Link> = None;
        while let Some(row) = rows.next()? {
            let link = Link::read(row)?;
            match &before {
                None => {
                    self.first = link.clone();
                    self.look_for_gaps()?;
                }
                Some(before) => self.contents(before, &link)?,
            }
            self.link(before.as_ref(), &link);
            if let Some(expect) = expect
                && hexadecimal(&link.hash).starts_with(expect)
            {
                self.found.expected_at = Some(timestamp(link.at_ms));
            }
            before = Some(link);
            progress(self.found.links, links);
        }
        let last = before.unwrap_or_default();
        if last.id > 0 {
            self.found.hash = Some(hexadecimal(&last.hash));
            self.found.from = Some(timestamp(self.first.at_ms));
            self.found.until = Some(timestamp(last.at_ms));
        }
        if let Some(expect) = expect
            && self.found.expected_at.is_none()
        {
            self.fault("noted hash", "chain".into(), short_words(expect), "no link has it".into());
        }
        self.since(&last)?;
        self.outside(&last)
    }

    /// Checks that a link follows the one before.
    fn link(&mut self, before: Option<&Link>, link: &Link) {
        self.found.links += 1;
        let expected_id = before.map_or(1, |before| before.id + 1);
        for missing in expected_id..link.id.min(expected_id + FAULTS_MAX as i64) {
            self.fault(format!("link {missing}"), "chain".into(), "a link".into(), "nothing".into());
        }
        let hash = link.hash_behind(&before.map_or_else(Hash::default, |before| before.hash));
        if hash != link.hash {
            let place = before.map_or_else(|| "the first".to_owned(), |before| format!("behind link {}", before.id));
            self.fault(format!("link {}", link.id), place, short(&hash), short(&link.hash));
        }
    }

    fn fault(&mut self, what: impl Into<String>, place: String, expected: String, found: String) {
        if self.found.faults.len() < FAULTS_MAX {
            self.found.faults.push(ChainFault { what: what.into(), place, expected, found });
        } else {
            self.found.faults_left_out += 1;
        }
    }

    fn fault_count(&self) -> u64 {
        self.found.faults.len() as u64 + self.found.faults_left_out
    }
}

/// Returns the beginning of a digest, enough to tell it from others.
fn short(digest: &[u8]) -> String {
    short_words(&hexadecimal(digest))
}

fn short_words(hex: &str) -> String {
    if hex.len() > 12 { format!("{}…", hex.get(..12).unwrap_or(hex)) } else { hex.to_owned() }
}

#[cfg(test)]
mod tests;
