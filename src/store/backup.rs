//! A copy of the whole database, made while others write to it.
//!
//! One read transaction holds the state that is copied, so nothing that is written meanwhile can make the copy begin anew. It
//! is checked, marked as a backup, and put in its place by one rename: a name never leads to half a copy.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

use crate::domain::date::Timestamp;
use crate::store::home::{mark_backup, sync_folder};
use crate::store::{StoreError, beside, check, check_owner, open_plain_reader, open_reader};

/// How many pages are copied between two reports.
const PAGES_STEP: i32 = 2_048;

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    /// Its file.
    pub file: PathBuf,
    /// How large it is.
    pub bytes: u64,
    /// When it was taken.
    pub taken_at: Timestamp,
}

/// Copies `database` to `file`, which may hold an earlier backup. `progress` is told pages done and pages in all. `None` where
/// there is no database yet.
///
/// # Errors
/// `NotOurs` where `file` holds something else, `Damaged` where the copy is not whole, or what the system says; `file` is then
/// as it was.
pub fn back_up(
    database: &Path,
    file: &Path,
    now: Timestamp,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<BackedUp>, StoreError> {
    let Some(source) = open_reader(database)? else { return Ok(None) };
    check_target(database, file)?;
    let part = beside(file, ".part");
    let made = copy(&source, &part, now, progress).and_then(|bytes| {
        let failed = |source| StoreError::File { path: file.to_owned(), source };
        fs::rename(&part, file).and_then(|()| sync_folder(file)).map_err(failed)?;
        Ok(BackedUp { file: file.to_owned(), bytes, taken_at: now })
    });
    if made.is_err() {
        // What is left of it is no backup; where even that fails, its name says so.
        drop(fs::remove_file(&part));
    }
    made.map(Some)
}

/// Refuses to write over anything but a database of ours that is at rest.
fn check_target(database: &Path, file: &Path) -> Result<(), StoreError> {
    let not_ours = || StoreError::NotOurs { path: file.to_owned() };
    if !file.exists() {
        return Ok(());
    }
    let is_same = || Some(file.canonicalize().ok()? == database.canonicalize().ok()?);
    if is_same().unwrap_or(true) {
        return Err(StoreError::Itself { path: file.to_owned() });
    }
    if beside(file, "-wal").exists() || beside(file, ".lock").exists() {
        return Err(StoreError::InUse { path: file.to_owned() });
    }
    match open_plain_reader(file).and_then(|reader| check_owner(&reader, file)) {
        Ok(version) if version > 0 => Ok(()),
        _ => Err(not_ours()),
    }
}

/// Makes the copy under another name; returns its size.
fn copy(source: &Connection, part: &Path, now: Timestamp, progress: &mut dyn FnMut(u64, u64)) -> Result<u64, StoreError> {
    let failed = |source| StoreError::File { path: part.to_owned(), source };
    let mut options = File::options();
    // What a killed backup left is begun anew.
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(part).map_err(failed)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy =
        Connection::open_with_flags(part, flags).map_err(|source| StoreError::Open { path: part.to_owned(), source })?;
    // It is flushed as a whole before it gets its name.
    copy.pragma_update(None, "synchronous", "off")?;
    // The state of now, whatever is written from here on.
    source.execute_batch("begin")?;
    source.query_row("select count(*) from sqlite_schema", (), |row| row.get::<_, i64>(0))?;
    {
        let backup = Backup::new(source, &mut copy)?;
        loop {
            let step = backup.step(PAGES_STEP)?;
            let state = backup.progress();
            let all = state.pagecount.unsigned_abs();
            progress(u64::from(all - state.remaining.unsigned_abs()), u64::from(all));
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => return Err(StoreError::Busy),
            }
        }
    }
    source.execute_batch("commit")?;
    // One file that needs no other beside it, until it is opened for writing again.
    copy.pragma_update(None, "journal_mode", "delete")?;
    let home: bool = copy.query_row("select exists (select 1 from sqlite_schema where name = 'home')", (), |row| row.get(0))?;
    if home {
        mark_backup(&copy, now)?;
    }
    check::damage(part, check::faults(&copy, part)?)?;
    copy.close().map_err(|(_, source)| StoreError::Open { path: part.to_owned(), source })?;
    file.sync_all().map_err(failed)?;
    Ok(file.metadata().map_err(failed)?.len())
}

#[cfg(test)]
mod tests;
