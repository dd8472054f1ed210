//! Keeps a refresh token that a token server has put in the place of the one before: in the operator's own file, whole or not
//! at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::domain::secret::Secret;

/// Replaces the content of the file at `path`, which keeps its permissions; on disk when this returns.
///
/// # Errors
/// What the system says; the file is as it was then.
pub(crate) fn keep(path: &Path, token: &Secret) -> io::Result<()> {
    // Where the name is a link, what it leads to is replaced, not the link.
    let path = path.canonicalize()?;
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".new");
    let beside = folder.join(name);
    // A leftover of a process that was killed here.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write(&beside, token, &path).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // The fault is told already; a file that cannot be written may not be there to be removed either.
        drop(fs::remove_file(&beside));
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write(beside: &Path, token: &Secret, like: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(beside)?;
    file.set_permissions(fs::metadata(like)?.permissions())?;
    writeln!(file, "{}", token.expose())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_new_token_takes_the_place_of_the_old_one_and_no_more_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("token"), folder.path().join("link"));
        fs::write(&path, "old\n").unwrap();
        fs::write(folder.path().join("token.new"), "a leftover").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        keep(&link, &Secret::new("new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!((names, fs::symlink_metadata(&link).unwrap().is_symlink()), (2, true));
    }

    #[test]
    fn where_nothing_can_be_written_the_old_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "old\n").unwrap();
        // A folder in the way is nothing that could be removed as a file.
        fs::create_dir(folder.path().join("token.new")).unwrap();
        assert!(keep(&path, &Secret::new("new")).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
        assert!(keep(&folder.path().join("none"), &Secret::new("new")).is_err());
    }
}
