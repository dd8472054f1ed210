//! The care of the database, for faces: backups and thorough checks. Neither writes to it.

use std::path::{Path, PathBuf};

use crate::domain::date::Timestamp;
use crate::engine::workspace::Workspace;
use crate::store::{StoreError, backup, check, open_reader, prune, verify};

pub use crate::store::backup::BackedUp;
pub use crate::store::check::Checked;
pub use crate::store::verify::{ChainFault, NotAtHand, Verified};

/// Copies the workspace's database into `file`; `None` where there is none yet. `progress` is told pages done and in all.
///
/// # Errors
/// Why there is no backup; an earlier one of that name is as it was.
pub fn back_up(
    workspace: &Workspace,
    file: &Path,
    now: Timestamp,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<BackedUp>, StoreError> {
    backup::back_up(&workspace.database_path(), file, now, progress)
}

/// Checks `file`, or the workspace's database with its archive, whole; `None` where there is no database yet.
///
/// # Errors
/// It cannot be read at all.
pub fn check(workspace: &Workspace, file: Option<&Path>) -> Result<Option<Checked>, StoreError> {
    let database = workspace.database_path();
    if file.is_none() && !database.exists() {
        return Ok(None);
    }
    let mut checked = check::whole(file.unwrap_or(&database))?;
    if let (None, true, Some(retention)) = (file, checked.faults.is_empty(), &workspace.config.retention)
        && let Some(reader) = open_reader(&database)?
    {
        checked.faults.extend(prune::archive_faults(&reader, &workspace.root.join(&retention.archive))?);
    }
    Ok(Some(checked))
}

/// Verifies the chain of the workspace's database, with these files of its archive or else those that are in their folder; `None`
/// where there is no database yet. `expect` is a hash that somebody noted; `progress` is told links done and in all.
///
/// # Errors
/// The database or a file cannot be read.
pub fn verify(
    workspace: &Workspace,
    archive: &[PathBuf],
    expect: Option<&str>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<Verified>, StoreError> {
    let folder = workspace.config.retention.as_ref().map(|retention| workspace.root.join(&retention.archive));
    verify::verify(&workspace.database_path(), folder.as_deref(), archive, expect, progress)
}
