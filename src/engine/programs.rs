//! The programs of plugins, as the engine starts them: where they run, what they get of the environment, what they are
//! told in an alert.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

use crate::plugin::Program;
use crate::program::{Conversation, Ended, ProgramFault, Start, last_words};

/// What the lines of a program's answer may have besides its files: names, types, JSON.
const LINE_BYTES_EXTRA: usize = 64 * 1_024;
/// How long one start may run at all, however many mails it is asked about.
const TIMEOUT_WHOLE: Duration = Duration::from_secs(3_600);
/// The protocol's version, told in every request.
pub const PROTOCOL: u32 = 1;

/// Why a program did not do what it was asked.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// It could not be run to its end.
    #[error(transparent)]
    Fault(#[from] ProgramFault),
    /// It says by its exit code that it failed.
    #[error("`{program}` ended with {}{}", code_words(*code), last_words(errors))]
    Failed {
        /// The program.
        program: String,
        /// Its exit code; `None` where a signal ended it.
        code: Option<i32>,
        /// Its last words.
        errors: String,
    },
}

fn code_words(code: Option<i32>) -> String {
    code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"))
}

/// Returns how a plugin's program is started from the workspace at `root`: with `PATH`, and what it names of Dunlin's
/// own environment.
pub fn start(root: &Path, plugin: &str, program: &Program) -> Start {
    let named = program.environment.iter().map(String::as_str).chain(["PATH"]);
    let environment = named.filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?))).collect();
    start_in(root, plugin, program, environment)
}

/// Returns how a plugin's program is started with this environment and nothing else.
pub(crate) fn start_in(root: &Path, plugin: &str, program: &Program, environment: BTreeMap<String, OsString>) -> Start {
    // Base64 makes four bytes of three.
    let answer = usize::try_from(program.bytes_max).unwrap_or(usize::MAX / 4);
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    Start {
        command: program.command.clone(),
        folder: root.join("plugins").join(plugin),
        environment,
        timeout: program.timeout,
        timeout_whole: TIMEOUT_WHOLE,
        line_bytes_max: answer / 3 * 4 + LINE_BYTES_EXTRA,
    }
}

/// What a program printed, and how it ended.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its lines, up to the plugin's limit.
    pub printed: String,
    /// Its end.
    pub ended: Ended,
}

/// Starts a program, gives it one line and waits for its end.
///
/// # Errors
/// It could not be run to its end; a bad exit code is no error here.
pub async fn tell(start: Start, request: &impl Serialize) -> Result<Told, ProgramFault> {
    let line = serde_json::to_vec(request).expect("requests are maps with text keys, lists and texts");
    let bytes_max = start.line_bytes_max;
    // However much it prints, its time is its time.
    let start = Start { timeout_whole: start.timeout, ..start };
    let (mut conversation, questions) = Conversation::start(start)?;
    // A program that ends without reading is judged by its exit code.
    if questions.send(line).await.is_err() {
        tracing::debug!("A plugin's program did not read what it was told");
    }
    drop(questions);
    let mut printed = Vec::new();
    while let Some(line) = conversation.answer().await? {
        let left = bytes_max.saturating_sub(printed.len());
        printed.extend(line.iter().chain(b"\n").take(left));
    }
    let printed = String::from_utf8_lossy(&printed).into_owned();
    Ok(Told { printed, ended: conversation.end().await? })
}
