//! A workspace as it was in a revision of git: its texts, put into a folder of their own.
//!
//! `git` itself is asked, and only asked: nothing in the repository is changed, no hook runs, and nothing is checked out.

use std::fs;
use std::io::{self, BufRead, Read, Write};
use std::path::{Component, Path};
use std::process::{Command, Stdio};
use std::thread;

use tempfile::TempDir;
use thiserror::Error;

use crate::rulebook::{ALL_BYTES_MAX, CONFIG, ENTRIES_MAX, PAPERS_BYTES_MAX, PLUGINS, RULES};

/// The most that is written of a revision, in bytes.
const REVISION_BYTES_MAX: u64 = ALL_BYTES_MAX + PAPERS_BYTES_MAX;

/// What can be a calendar, wherever it lies.
const CALENDAR_ENDINGS: [&str; 3] = [".yaml", ".yml", ".ics"];

/// Why there is no such revision of a workspace.
#[derive(Debug, Error)]
pub enum RevisionFault {
    /// There is no git on this machine.
    #[error("git cannot be run: {0}")]
    Git(#[source] io::Error),
    /// Not a repository, or not a revision of it.
    #[error("`{revision}` is no folder and no revision of git: {words}")]
    Unknown {
        /// What was asked for.
        revision: String,
        /// The last line that git said.
        words: String,
    },
    /// More than a workspace may have.
    #[error("The workspace of `{revision}` is too large: at most {ENTRIES_MAX} files and {REVISION_BYTES_MAX} bytes are read")]
    TooLarge {
        /// What was asked for.
        revision: String,
    },
    /// git answered what is not understood.
    #[error("git gave an answer that is not understood")]
    Answer,
    /// The folder could not be written.
    #[error("Cannot write a folder for the revision: {0}")]
    Write(#[from] io::Error),
}

/// Puts config.yaml, rules, plugins and calendars of the workspace at `folder`, as they were in `revision`, into a folder that
/// vanishes with what is returned.
///
/// # Errors
/// Why there is none.
pub fn at_revision(folder: &Path, revision: &str) -> Result<TempDir, RevisionFault> {
    let unknown = |words: String| RevisionFault::Unknown { revision: revision.to_owned(), words };
    let commit = format!("{revision}^{{commit}}");
    let commit = asked(folder, &["rev-parse", "--verify", "--end-of-options", &commit])?.map_err(unknown)?;
    let commit = String::from_utf8(commit).map_err(|_| RevisionFault::Answer)?;
    let listed = asked(folder, &["ls-tree", "-r", "-z", commit.trim()])?.map_err(unknown)?;
    // A name that is no text is none of ours.
    let lines = listed.split(|byte| *byte == 0).filter_map(|line| std::str::from_utf8(line).ok());
    let files: Vec<(&str, &str)> = lines.filter_map(blob).filter(|(_, path)| is_of_a_workspace(path)).collect();
    if files.len() > ENTRIES_MAX {
        return Err(RevisionFault::TooLarge { revision: revision.to_owned() });
    }
    let copy = tempfile::Builder::new().prefix("dunlin-revision-").tempdir()?;
    write_all(folder, &files, copy.path(), revision)?;
    Ok(copy)
}

/// Runs git in `folder`; the inner result holds what it printed, or the last line it complained with.
fn asked(folder: &Path, arguments: &[&str]) -> Result<Result<Vec<u8>, String>, RevisionFault> {
    let output = git(folder).args(arguments).stdin(Stdio::null()).output().map_err(RevisionFault::Git)?;
    if output.status.success() {
        return Ok(Ok(output.stdout));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(Err(said.trim().lines().last().unwrap_or("it failed").trim_start_matches("fatal: ").to_owned()))
}

fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder);
    git
}

/// Reads a line of `git ls-tree`: the hash and the path of a plain file.
fn blob(line: &str) -> Option<(&str, &str)> {
    let (meta, path) = line.split_once('\t')?;
    let mut words = meta.split(' ');
    let (mode, kind, hash) = (words.next()?, words.next()?, words.next()?);
    // Links would lead out of the folder.
    (kind == "blob" && mode.starts_with("100")).then_some((hash, path))
}

fn is_of_a_workspace(path: &str) -> bool {
    let is_plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    let is_within = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let is_calendar = CALENDAR_ENDINGS.iter().any(|ending| path.ends_with(ending));
    is_plain && (path == CONFIG || is_within(RULES) || is_within(PLUGINS) || is_calendar)
}

/// Asks one `git cat-file` for all files and writes each to its place.
fn write_all(folder: &Path, files: &[(&str, &str)], copy: &Path, revision: &str) -> Result<(), RevisionFault> {
    let mut child = git(folder)
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(RevisionFault::Git)?;
    let (Some(mut asks), Some(answers)) = (child.stdin.take(), child.stdout.take()) else { return Err(RevisionFault::Answer) };
    let hashes: String = files.iter().map(|(hash, _)| format!("{hash}\n")).collect();
    // Beside the reading, so that neither pipe fills up while the other waits.
    let asking = thread::spawn(move || asks.write_all(hashes.as_bytes()));
    let written = write_answers(answers, files, copy, revision);
    if written.is_err() {
        // It may wait for somebody to read the rest; one that has ended already cannot be killed, which is as good.
        drop(child.kill());
    }
    child.wait()?;
    drop(asking.join());
    written
}

fn write_answers(answers: impl Read, files: &[(&str, &str)], copy: &Path, revision: &str) -> Result<(), RevisionFault> {
    let mut answers = io::BufReader::new(answers);
    let mut bytes_left = REVISION_BYTES_MAX;
    for (hash, path) in files {
        let head = line(&mut answers)?;
        let bytes: u64 = match head.split(' ').collect::<Vec<_>>()[..] {
            [own, "blob", bytes] if own == *hash => bytes.parse().map_err(|_| RevisionFault::Answer)?,
            _ => return Err(RevisionFault::Answer),
        };
        bytes_left = bytes_left.checked_sub(bytes).ok_or_else(|| RevisionFault::TooLarge { revision: revision.to_owned() })?;
        let place = copy.join(path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        io::copy(&mut (&mut answers).take(bytes), &mut fs::File::create(place)?)?;
        if !line(&mut answers)?.is_empty() {
            return Err(RevisionFault::Answer);
        }
    }
    Ok(())
}

/// Reads up to the end of a line.
fn line(answers: &mut impl BufRead) -> Result<String, RevisionFault> {
    let mut line = String::new();
    // A hash, a word and a number.
    answers.take(200).read_line(&mut line)?;
    line.pop().filter(|end| *end == '\n').ok_or(RevisionFault::Answer)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_files_of_a_workspace_are_taken() {
        for (path, expected) in [
            ("config.yaml", true),
            ("rules/overdue.yaml", true),
            ("rules/templates/a.html", true),
            ("plugins/a/alert.py", true),
            ("calendars/de.yaml", true),
            ("holidays.ics", true),
            ("data/customers.csv", false),
            ("rulesets/a.txt", false),
            ("../rules/a.yaml", false),
            ("/rules/a.yaml", false),
        ] {
            assert_eq!(is_of_a_workspace(path), expected, "{path}");
        }
        assert_eq!(blob("100644 blob abc\trules/a.yaml"), Some(("abc", "rules/a.yaml")));
        for other in ["120000 blob abc\trules/a.yaml", "160000 commit abc\trules", "", "nonsense"] {
            assert_eq!(blob(other), None, "{other}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_or_for_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let written = |answer: &str| write_answers(answer.as_bytes(), &[("abc", "rules/a.yaml")], folder.path(), "HEAD");
        written("abc blob 4\nid: \n").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("rules/a.yaml")).unwrap(), "id: ");
        for answer in ["abc blob 9\nid: \n", "abd blob 4\nid: \n", "abc missing\n", "abc blob x\nid: \n", ""] {
            assert!(matches!(written(answer), Err(RevisionFault::Answer)), "{answer:?}");
        }
        assert!(matches!(written("abc blob 99999999999\n"), Err(RevisionFault::TooLarge { .. })));
    }
}
