//! Outside programs: started without a shell, spoken to in lines, bounded in time and size, and killed with all they
//! started.
//!
//! It knows no plugin and no JSON: whoever asks gives a command and lines, and gets lines back. A program that hangs,
//! floods or dies becomes a [`ProgramFault`] with its last words; nothing it does can hold the caller up for longer than
//! its time.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// How much of a program's standard error is kept: its end, in bytes.
pub const ERRORS_BYTES_MAX: usize = 4_096;
/// How many lines may wait to be read by the program.
const LINES_WAITING_MAX: usize = 16;
/// How long a program whose group was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// How long its last words may take to arrive once it is gone.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(200);

/// How a program is started and bounded.
#[derive(Clone, Debug)]
pub struct Start {
    /// The program and its arguments; one with a `/` is looked for from `folder`.
    pub command: Vec<String>,
    /// Its working directory.
    pub folder: PathBuf,
    /// Its whole environment.
    pub environment: BTreeMap<String, OsString>,
    /// How long it may take for one line, and for its end.
    pub timeout: Duration,
    /// How long it may run at all.
    pub timeout_whole: Duration,
    /// The longest line it may answer, in bytes.
    pub line_bytes_max: usize,
}

/// Why a program is no help. `errors` is the end of its standard error.
#[derive(Debug, Error)]
pub enum ProgramFault {
    /// It cannot be started.
    #[error("Cannot start `{program}`: {source}")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It took too long.
    #[error("`{program}` took longer than {} and was killed{}", seconds(.timeout), last_words(.errors))]
    TooSlow {
        /// The program.
        program: String,
        /// The limit.
        timeout: Duration,
        /// Its last words.
        errors: String,
    },
    /// It wrote a line that is too long.
    #[error("`{program}` wrote more than {bytes_max} bytes in one line and was killed{}", last_words(.errors))]
    TooMuch {
        /// The program.
        program: String,
        /// The limit.
        bytes_max: usize,
        /// Its last words.
        errors: String,
    },
    /// A pipe to it broke.
    #[error("Cannot read from `{program}`: {source}")]
    Pipe {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
}

fn seconds(limit: &Duration) -> String {
    if limit.subsec_millis() == 0 { format!("{} s", limit.as_secs()) } else { format!("{} ms", limit.as_millis()) }
}

/// Returns what a program said last, to stand behind a fault.
pub fn last_words(errors: &str) -> String {
    let errors = errors.trim();
    if errors.is_empty() { String::new() } else { format!("; it said: {errors}") }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// The end of its standard error.
    pub errors: String,
}

/// A running program. Dropped, it is killed with all it started.
#[derive(Debug)]
pub struct Conversation {
    name: String,
    child: Child,
    group: Option<u32>,
    output: BufReader<ChildStdout>,
    /// What has come of the next line: reading may be broken off and taken up again.
    line: Vec<u8>,
    deadline: Option<Instant>,
    errors: Arc<Mutex<Vec<u8>>>,
    listener: JoinHandle<()>,
    writer: JoinHandle<()>,
    start: Start,
    ends_at: Instant,
}

/// Where lines for a program go; dropped, its standard input ends.
pub type Questions = mpsc::Sender<Vec<u8>>;

impl Conversation {
    /// Starts a program; it is asked through the [`Questions`].
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(start: Start) -> Result<(Self, Questions), ProgramFault> {
        let name = start.command.first().cloned().unwrap_or_default();
        let program = if name.contains('/') { start.folder.join(&name).into_os_string() } else { OsString::from(&name) };
        let mut command = Command::new(program);
        command.args(start.command.iter().skip(1)).current_dir(&start.folder).env_clear().envs(&start.environment);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let not_started = |source| ProgramFault::NotStarted { program: name.clone(), source };
        let mut child = command.spawn().map_err(not_started)?;
        let piped = || not_started(io::Error::other("it has no pipes"));
        let (input, output) = (child.stdin.take().ok_or_else(piped)?, child.stdout.take().ok_or_else(piped)?);
        let stderr = child.stderr.take().ok_or_else(piped)?;
        let errors = Arc::new(Mutex::new(Vec::new()));
        let (questions, waiting) = mpsc::channel(LINES_WAITING_MAX);
        let conversation = Self {
            group: child.id(),
            child,
            output: BufReader::new(output),
            line: Vec::new(),
            deadline: None,
            listener: tokio::spawn(listen(stderr, errors.clone())),
            errors,
            writer: tokio::spawn(write(input, waiting)),
            ends_at: Instant::now() + start.timeout_whole,
            name,
            start,
        };
        Ok((conversation, questions))
    }

    /// Returns the next line without its end; `None` where the output has ended.
    ///
    /// Broken off and called again, it goes on where it was, and its time runs on too.
    ///
    /// # Errors
    /// The line is late or too long; the program is killed then.
    pub async fn answer(&mut self) -> Result<Option<Vec<u8>>, ProgramFault> {
        let deadline = *self.deadline.get_or_insert_with(|| (Instant::now() + self.start.timeout).min(self.ends_at));
        // One byte more than allowed tells a line that is too long from one that just fits.
        let limit = (self.start.line_bytes_max + 1).saturating_sub(self.line.len()) as u64;
        let read = timeout_at(deadline, (&mut self.output).take(limit).read_until(b'\n', &mut self.line)).await;
        match read {
            Err(_) => {
                self.kill();
                let (program, timeout) = (self.name.clone(), self.start.timeout);
                Err(ProgramFault::TooSlow { program, timeout, errors: self.last_words().await })
            }
            Ok(Err(source)) => Err(ProgramFault::Pipe { program: self.name.clone(), source }),
            Ok(Ok(_)) if self.line.is_empty() => Ok(None),
            Ok(Ok(_)) => {
                self.deadline = None;
                let mut line = std::mem::take(&mut self.line);
                let is_whole = line.last() == Some(&b'\n');
                if is_whole {
                    line.pop();
                }
                if line.len() > self.start.line_bytes_max {
                    self.kill();
                    let (program, bytes_max) = (self.name.clone(), self.start.line_bytes_max);
                    return Err(ProgramFault::TooMuch { program, bytes_max, errors: self.last_words().await });
                }
                Ok(Some(line))
            }
        }
    }

    /// Waits for the program's end, and kills what it left behind.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn end(mut self) -> Result<Ended, ProgramFault> {
        let deadline = (Instant::now() + self.start.timeout).min(self.ends_at);
        let ended = timeout_at(deadline, self.child.wait()).await;
        self.kill();
        let errors = self.last_words().await;
        match ended {
            Err(_) => Err(ProgramFault::TooSlow { program: self.name.clone(), timeout: self.start.timeout, errors }),
            Ok(Err(source)) => Err(ProgramFault::Pipe { program: self.name.clone(), source }),
            Ok(Ok(status)) => Ok(Ended { code: status.code(), errors }),
        }
    }

    /// Kills the program and everything in its process group; once only, since the group's number may be another's later.
    fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.group.take().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)) {
            let killed = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            // Nobody is left in a group that is gone already.
            if let Err(error) = killed.or_else(|error| if error == rustix::io::Errno::SRCH { Ok(()) } else { Err(error) }) {
                tracing::warn!(program = self.name, %error, "A plugin's program could not be killed");
            }
        }
        drop(self.child.start_kill());
    }

    /// Returns the end of its standard error, which may still be on its way.
    async fn last_words(&mut self) -> String {
        drop(timeout(GONE_WITHIN, self.child.wait()).await);
        drop(timeout(LAST_WORDS_WITHIN, &mut self.listener).await);
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&errors).trim().to_owned()
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.kill();
        self.listener.abort();
        self.writer.abort();
    }
}

/// Writes lines until there are no more, or nobody reads them: why not is told by the program's end.
async fn write(mut input: ChildStdin, mut waiting: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut line) = waiting.recv().await {
        line.push(b'\n');
        if input.write_all(&line).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
}

/// Keeps the end of what a program says on standard error.
async fn listen(mut stderr: ChildStderr, kept: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 1_024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..count]);
        let beyond = kept.len().saturating_sub(ERRORS_BYTES_MAX);
        kept.drain(..beyond);
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
