//! Listing folders and following links, never out of the workspace.

use std::path::{Path, PathBuf};

use crate::domain::problem::{Place, Problem};
use crate::rulebook::{DEPTH_MAX, ENTRIES_MAX};

/// What a walk came upon.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The files' paths in the workspace.
    pub files: Vec<String>,
    /// What could not be looked at.
    pub problems: Vec<Problem>,
    entries: usize,
}

/// Adds the files below `folder` (a path in the workspace) to `found`, name by name.
pub(crate) fn list(root: &Path, folder: &str, depth: usize, found: &mut Found) {
    let problem = |message: String| Problem::error(message).at(Place::file(folder));
    if depth > DEPTH_MAX {
        let message = format!("Folders are nested deeper than {DEPTH_MAX} levels");
        return found.problems.push(problem(message).hint("a link that leads back up would do this"));
    }
    if depth == 0 && root.join(folder).symlink_metadata().is_err() {
        let message = format!("The workspace `{}` has no folder `{folder}`", root.display());
        return found.problems.push(Problem::error(message).hint(format!("make the folder `{folder}` and put the rules in it")));
    }
    let listed = match resolve(root, folder) {
        Ok(path) => std::fs::read_dir(path),
        Err(problem) => return found.problems.push(problem),
    };
    // One entry more than allowed is enough to see that there are too many.
    let listed = match listed.and_then(|entries| entries.take(ENTRIES_MAX + 1).collect::<Result<Vec<_>, _>>()) {
        Ok(mut entries) => {
            entries.sort_by_key(std::fs::DirEntry::file_name);
            entries
        }
        Err(error) => {
            let message = format!("Cannot list the folder `{folder}`: {error}");
            return found.problems.push(problem(message).hint("check who may read it"));
        }
    };
    for entry in listed {
        found.entries += 1;
        if found.entries > ENTRIES_MAX {
            // Said once: the count only grows.
            if found.entries == ENTRIES_MAX + 1 {
                found.problems.push(problem(format!("The rules' folders hold more than {ENTRIES_MAX} files")));
            }
            return;
        }
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let message = format!("The file name `{}` is not UTF-8", name.to_string_lossy());
            found.problems.push(problem(message).hint("rename it"));
            continue;
        };
        if is_left_by_an_editor(name) {
            continue;
        }
        let path = format!("{folder}/{name}");
        match resolve(root, &path) {
            Ok(resolved) if resolved.is_dir() => list(root, &path, depth + 1, found),
            Ok(_) => found.files.push(path),
            Err(problem) => found.problems.push(problem),
        }
    }
}

/// Returns whether a file is hidden, or is the copy, swap or trial file (`4913`) of an editor.
fn is_left_by_an_editor(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || name.ends_with(".swp") || name == "4913"
}

/// Returns where `path` of the workspace really lies: a file or folder within `root`, links followed.
///
/// `root` must be canonical.
pub(crate) fn resolve(root: &Path, path: &str) -> Result<PathBuf, Problem> {
    let problem = |message: String| Problem::error(message).at(Place::file(path));
    let resolved = root.join(path).canonicalize().map_err(|error| problem(format!("Cannot open `{path}`: {error}")))?;
    if !resolved.starts_with(root) {
        let message = format!("`{path}` is a link to `{}`, outside the workspace", resolved.display());
        return Err(problem(message).hint("copy the file into the workspace"));
    }
    if !resolved.is_file() && !resolved.is_dir() {
        return Err(problem(format!("`{path}` is neither a file nor a folder")).hint("remove it"));
    }
    Ok(resolved)
}
