//! A new workspace: the texts of its files from a few answers, and their writing, which never touches a file that is there.
//!
//! Faces ask and print. What an export looks like is told by `source::csv::guess`; what is written is read back by the
//! reader of config.yaml before anything is on disk.

mod texts;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::config;
use crate::domain::problem::{Problem, Severity};
use crate::rulebook::{CONFIG, Readers, TextFile};

pub use crate::smtp::settings::Security;
pub use crate::source::csv::DecimalMark;
pub use crate::source::csv::guess::{Decided, Guess, Question, guess};
pub use crate::source::field::Kind as ExportKind;

/// What a new workspace is made of.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The installation's name.
    pub instance: String,
    /// By whose clock days begin.
    pub time_zone: String,
    /// The currency of rows that name none.
    pub currency: String,
    /// The name customers see.
    pub sender_name: String,
    /// The address customers see.
    pub sender_address: String,
    /// Who gets every mail for now; `None`: no mail is sent at all (`mode: dry`).
    pub redirect_to: Option<String>,
    /// The mail server.
    pub server: ServerAnswer,
    /// The exports; `None`: a small example is written.
    pub exports: Option<Exports>,
}

/// The mail server.
#[derive(Clone, Debug)]
pub struct ServerAnswer {
    /// Its name or address.
    pub host: String,
    /// Its port; `None`: the one of its security.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub security: Security,
    /// The account's name; `None`: it asks for none.
    pub user: Option<String>,
}

/// The files of the receivables.
#[derive(Clone, Debug)]
pub struct Exports {
    /// The invoices.
    pub invoices: Export,
    /// The customers, if they have a file.
    pub customers: Option<Export>,
}

/// One file and what was found in it.
#[derive(Clone, Debug)]
pub struct Export {
    /// Its path as config.yaml names it.
    pub path: String,
    /// What was found.
    pub guess: Guess,
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Its path in the workspace, with `/`.
    pub path: &'static str,
    /// Its text.
    pub text: String,
}

/// Why a workspace was not written.
#[derive(Debug, Error)]
pub enum InitFault {
    /// Files of these names are there; nothing was written.
    #[error("There is already {}", quoted_list(.0))]
    Taken(Vec<String>),
    /// A file or folder could not be written.
    #[error("Cannot write `{path}`: {source}")]
    Unwritable {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
}

fn quoted_list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Returns the files of a workspace.
///
/// # Errors
/// An answer that config.yaml cannot hold, as a problem at its place in the text that would have been written.
pub fn files(answers: &Answers) -> Result<Vec<NewFile>, Vec<Problem>> {
    let files = texts::files(answers);
    let problems: Vec<Problem> = files
        .iter()
        .filter(|file| file.path == CONFIG)
        .flat_map(|file| config::read(&TextFile { path: CONFIG.into(), text: file.text.clone() }, Readers::Few).1)
        .filter(|problem| problem.severity == Severity::Error)
        .collect();
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

/// Writes the files into `folder`, which is made where it is not there.
///
/// # Errors
/// A file is there already, in which case none is written; or the disk refuses one, in which case those before it stay.
pub fn write(folder: &Path, files: &[NewFile]) -> Result<(), InitFault> {
    let taken: Vec<String> =
        files.iter().map(|file| folder.join(file.path)).filter(|path| path.symlink_metadata().is_ok()).map(shown).collect();
    if !taken.is_empty() {
        return Err(InitFault::Taken(taken));
    }
    for file in files {
        let path = folder.join(file.path);
        let unwritable = |source| InitFault::Unwritable { path: shown(path.clone()), source };
        fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(unwritable)?;
        // Never over a file that came to be meanwhile.
        let mut new = OpenOptions::new().write(true).create_new(true).open(&path).map_err(unwritable)?;
        new.write_all(file.text.as_bytes()).map_err(unwritable)?;
    }
    Ok(())
}

fn shown(path: PathBuf) -> String {
    path.display().to_string()
}

/// Returns how config.yaml in `folder` names a file: from the workspace where it lies inside, otherwise in full.
///
/// # Errors
/// The file is not there.
pub fn path_from(folder: &Path, file: &Path) -> io::Result<String> {
    let file = file.canonicalize()?;
    let inside = folder.canonicalize().ok().and_then(|folder| file.strip_prefix(folder).ok().map(Path::to_owned));
    Ok(inside.unwrap_or(file).to_string_lossy().replace('\\', "/"))
}

/// Returns the name of this machine's time zone, `None` where it has none that config.yaml could name.
pub fn system_time_zone() -> Option<String> {
    let zone = jiff::tz::TimeZone::system();
    let name = crate::schedule::TimeZoneName::parse(zone.iana_name()?).ok()?;
    Some(name.as_str().to_owned())
}

/// Returns an installation's name made from a folder's.
pub fn instance_name(folder: &Path) -> String {
    let name = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain: String =
        name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }).collect();
    let plain: String = plain.trim_matches('-').chars().take(40).collect();
    if plain.is_empty() { "default".to_owned() } else { plain }
}

#[cfg(test)]
mod tests;
