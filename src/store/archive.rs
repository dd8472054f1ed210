//! The archive: what leaves the database, as lines of JSON in a file a month, each part sealed by a line with its checksum.
//!
//! A part is on the disk before it leaves the database, and the database notes in the same transaction how far the file goes.
//! So a kill in between leaves a tail that the next part is written over, never a gap and never a line twice.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::domain::hex::hexadecimal;
use crate::store::home::sync_folder;

/// What a line with a checksum begins with; no other line does.
const CHECKSUM: &str = "{\"checksum\":\"";

/// How far a file of the archive goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) bytes: u64,
    pub(crate) checksum: String,
}

/// Writes a part behind what is `known` of a file, durably, and returns how far the file goes then.
///
/// A file that is gone is begun anew: somebody has put it away.
pub(crate) fn append(folder: &Path, name: &str, known: Option<&Extent>, lines: &str) -> io::Result<Extent> {
    if !folder.exists() {
        make_folder(folder)?;
    }
    let path = folder.join(name);
    let known = known.filter(|_| path.exists()).cloned().unwrap_or_default();
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path)?;
    if file.metadata()?.len() < known.bytes {
        return Err(io::Error::other(format!("{} is shorter than it was left; put it back, or move it away", path.display())));
    }
    let checksum = chained(&known.checksum, lines.as_bytes());
    let part = format!("{lines}{CHECKSUM}{checksum}\"}}\n");
    let written = file
        .set_len(known.bytes)
        .and_then(|()| file.seek(SeekFrom::Start(known.bytes)))
        .and_then(|_| file.write_all(part.as_bytes()))
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(&path));
    if let Err(error) = written {
        // On a full disk what was begun would only be in the way; the database still has all of it.
        drop(file.set_len(known.bytes));
        return Err(error);
    }
    Ok(Extent { bytes: known.bytes + part.len() as u64, checksum })
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    sync_folder(folder)
}

/// Returns what is wrong with a file of the archive that should go so far, `None` where it is as it was written.
pub(crate) fn fault(folder: &Path, name: &str, extent: &Extent) -> io::Result<Option<String>> {
    let mut reader = BufReader::new(File::open(folder.join(name))?);
    let (mut line, mut part, mut found) = (String::new(), Sha256::new(), Extent::default());
    while found.bytes < extent.bytes {
        line.clear();
        let read = reader.read_line(&mut line)?;
        if read == 0 {
            return Ok(Some(format!("{name} is cut off after {} of {} bytes", found.bytes, extent.bytes)));
        }
        found.bytes += read as u64;
        match line.strip_prefix(CHECKSUM).and_then(|rest| rest.strip_suffix("\"}\n")) {
            Some(own) => {
                let sum = finished(&found.checksum, std::mem::take(&mut part));
                if own != sum {
                    return Ok(Some(format!("{name} is not as it was written, before byte {}", found.bytes)));
                }
                found.checksum = sum;
            }
            None => part.update(line.as_bytes()),
        }
    }
    Ok((found != *extent).then(|| format!("{name} is not as it was written")))
}

/// Returns the checksum of a part that follows the one with the checksum `before`.
fn chained(before: &str, lines: &[u8]) -> String {
    finished(before, Sha256::new_with_prefix(lines))
}

fn finished(before: &str, mut part: Sha256) -> String {
    part.update(before.as_bytes());
    hexadecimal(&part.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_step_left_is_written_over_and_what_somebody_changed_shows() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("archive");
        let first = append(&archive, "a.jsonl", None, "{\"n\":1}\n{\"n\":2}\n").unwrap();
        // Killed before the database took note of it: the next step knows nothing of the second part.
        append(&archive, "a.jsonl", Some(&first), "{\"n\":3}\n").unwrap();
        let second = append(&archive, "a.jsonl", Some(&first), "{\"n\":4}\n").unwrap();
        assert_eq!(fault(&archive, "a.jsonl", &second).unwrap(), None);
        let text = fs::read_to_string(archive.join("a.jsonl")).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(CHECKSUM)).collect();
        assert_eq!(lines, ["{\"n\":1}", "{\"n\":2}", "{\"n\":4}"]);

        fs::write(archive.join("a.jsonl"), text.replace("{\"n\":2}", "{\"n\":9}")).unwrap();
        assert!(fault(&archive, "a.jsonl", &second).unwrap().unwrap().contains("not as it was written, before byte"));
        fs::write(archive.join("a.jsonl"), &text[..20]).unwrap();
        assert!(fault(&archive, "a.jsonl", &second).unwrap().unwrap().contains("cut off"));
        assert!(append(&archive, "a.jsonl", Some(&second), "{}\n").unwrap_err().to_string().contains("shorter than it was left"));
        fs::remove_file(archive.join("a.jsonl")).unwrap();
        let anew = append(&archive, "a.jsonl", Some(&second), "{\"n\":5}\n").unwrap();
        assert_eq!(fault(&archive, "a.jsonl", &anew).unwrap(), None, "one that was put away is begun anew");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&archive), mode(&archive.join("a.jsonl"))), (0o700, 0o600));
        }
    }
}
