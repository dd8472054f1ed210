//! One way to read the ledger for everything that leads to mails: firings, acts of people, the re-check before sending.
//!
//! An export that somebody is still writing can look whole, cut off in the middle of an amount; one that changes while it is
//! read is two halves of different ones; one that nobody has written for long tells of payments that are over. None is read. Looking at a ledger (`plan`, `preview`, `check`) needs none of this.

use std::sync::Arc;

use jiff::SignedDuration;
use thiserror::Error;

use crate::domain::date::{Date, Timestamp};
use crate::domain::ledger::Ledger;
use crate::domain::problem::Problem;
use crate::engine::status::FaultKind;
use crate::engine::workspace::{FileChange, Workspace};

/// How long an export must have been left alone before it is read.
pub const WHOLE_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// A ledger, and how its files stood when it was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The receivables.
    pub ledger: Arc<Ledger>,
    /// Its files, as they stood before the reading and after it.
    pub files: Vec<FileChange>,
}

/// Why there is no ledger to decide by.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unread {
    /// A file was written to less than [`WHOLE_AFTER`] ago.
    #[error("`{file}` was written to a moment ago and may not be whole yet")]
    Unwhole {
        /// Its name in problems.
        file: String,
    },
    /// A file was written to while all were read.
    #[error("The ledger's files changed while they were read")]
    Changing,
    /// A file was last written to longer ago than `ledger.max_age` allows.
    #[error("The ledger is too old: `{file}` was last written to {}, more than `ledger.max_age` ago", minute(*changed_at))]
    Stale {
        /// The one that has lain longest, as problems name it.
        file: String,
        /// When it was last written to.
        changed_at: Timestamp,
    },
    /// Rows or files are wrong.
    #[error("The ledger cannot be read: {}", joined(.0))]
    Problems(Vec<Problem>),
    /// A defect of the program.
    #[error("Reading the ledger broke off: {0}")]
    Broken(String),
}

impl Unread {
    /// Returns what it is among the faults that stand.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Stale { .. } => FaultKind::LedgerStale,
            _ => FaultKind::LedgerUnreadable,
        }
    }

    /// Returns it in words that hold nothing of a customer: problems quote cells, so only how many there are and where the
    /// first is are told.
    pub fn shown(&self) -> String {
        let Self::Problems(problems) = self else { return self.to_string() };
        let first = problems.iter().find_map(|problem| problem.place.as_ref());
        match (problems.len(), first) {
            (1, Some(place)) => format!("One problem, at {place}"),
            (1, None) => "One problem".to_owned(),
            (count, Some(place)) => format!("{count} problems, the first at {place}"),
            (count, None) => format!("{count} problems"),
        }
    }

    /// Returns whether it passes by itself in seconds.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unwhole { .. } | Self::Changing)
    }
}

fn joined(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Returns an instant to the minute, in UTC.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Returns until when a ledger of these files is young enough to decide by; `None`: for ever.
pub fn stale_at(workspace: &Workspace, files: &[FileChange]) -> Option<Timestamp> {
    let oldest = files.iter().map(|file| file.changed_at).min()?;
    oldest.saturating_add(workspace.config.freshness.max_age?).ok()
}

/// Looks at the ledger's files without reading them.
///
/// # Errors
/// Why they cannot be read at `now`.
pub fn look(workspace: &Workspace, now: Timestamp) -> Result<Vec<FileChange>, Unread> {
    let files = workspace.ledger_changes().map_err(Unread::Problems)?;
    let is_fresh = |file: &&FileChange| {
        let age = now.duration_since(file.changed_at);
        // A time to come tells nothing: the clocks of a network drive and of this machine differ.
        age >= SignedDuration::ZERO && age < WHOLE_AFTER
    };
    if let Some(file) = files.iter().find(is_fresh) {
        return Err(Unread::Unwhole { file: file.name.to_string() });
    }
    let oldest = files.iter().min_by_key(|file| file.changed_at);
    match oldest.filter(|_| stale_at(workspace, &files).is_some_and(|stale_at| stale_at < now)) {
        Some(file) => Err(Unread::Stale { file: file.name.to_string(), changed_at: file.changed_at }),
        None => Ok(files),
    }
}

/// Reads the whole ledger; `progress` is told bytes read and bytes in all. Waits for the disk.
///
/// # Errors
/// Why there is no ledger to decide by.
pub fn read(workspace: &Workspace, as_of: Date, now: Timestamp, progress: &mut dyn FnMut(u64, u64)) -> Result<Reading, Unread> {
    let files = look(workspace, now)?;
    let ledger = workspace.read_ledger(as_of, progress).map_err(Unread::Problems)?;
    match workspace.ledger_changes().map_err(Unread::Problems)? == files {
        true => Ok(Reading { ledger: Arc::new(ledger), files }),
        false => Err(Unread::Changing),
    }
}

/// Does what [`read`] does on a thread that may wait.
///
/// # Errors
/// As [`read`].
pub async fn read_beside(workspace: &Arc<Workspace>, as_of: Date, now: Timestamp) -> Result<Reading, Unread> {
    let workspace = workspace.clone();
    let read = tokio::task::spawn_blocking(move || read(&workspace, as_of, now, &mut |_, _| {})).await;
    read.unwrap_or_else(|error| Err(Unread::Broken(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::problem::Place;

    #[test]
    fn what_is_shown_of_a_bad_row_is_where_it_is_and_not_what_it_holds() {
        let cell = Problem::error("`1.234,5x` is not an amount").at(Place::within("invoices.csv", "id\nBob;1.234,5x\n", 2, 5, 8));
        let unread = Unread::Problems(vec![cell.clone(), cell]);
        assert_eq!(unread.shown(), "2 problems, the first at invoices.csv:2:5");
        assert!(unread.to_string().contains("1.234,5x"));
    }
}
