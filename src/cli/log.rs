//! The log on standard error: a constant sentence with fields, for people or as JSON lines.
//!
//! A command tells its results and problems by itself and logs little; the daemon logs all it does. No line holds an
//! address, an amount or a secret above the level `debug`.

use std::fs::File;
use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// The environment variable that names levels, and wins over `-v`.
const LEVELS: &str = "DUNLIN_LOG";
/// The environment variable in which journald names its stream: device and inode.
#[cfg(unix)]
const JOURNAL: &str = "JOURNAL_STREAM";

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// For people
    #[default]
    Human,
    /// One JSON object a line, with the time in UTC
    Json,
}

/// Who logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logger {
    /// A command that somebody waits for: warnings and errors, without times.
    Command,
    /// The daemon: what it does too, with times, unless the journal adds its own.
    Daemon,
}

/// Sends the log to standard error: from a level that grows with `verbose`, or as `DUNLIN_LOG` says.
pub fn start(logger: Logger, form: LogForm, verbose: u8) {
    let filter = EnvFilter::try_from_env(LEVELS).unwrap_or_else(|_| EnvFilter::new(levels(logger, verbose)));
    let has_times = logger == Logger::Daemon && !is_journal();
    let log = subscriber(form, has_times, io::stderr().is_terminal(), filter, io::stderr);
    // A second start (in a test that runs two commands) keeps the first log.
    drop(log.try_init());
}

/// Returns what is logged: a daemon's log starts at `info`, a command's at `warn`.
fn levels(logger: Logger, verbose: u8) -> String {
    let quietest = usize::from(logger == Logger::Daemon);
    let level = ["warn", "info", "debug", "trace"][(quietest + usize::from(verbose)).min(3)];
    format!("dunlin={level}")
}

fn subscriber(
    form: LogForm,
    has_times: bool,
    has_colours: bool,
    filter: EnvFilter,
    to: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> Box<dyn tracing::Subscriber + Send + Sync> {
    let log = fmt().with_env_filter(filter).with_writer(to).with_target(false);
    match (form, has_times) {
        // Flat: what reads the lines finds a field where it was logged, whatever spans it stood in.
        (LogForm::Json, _) => {
            let log = log.with_ansi(false).json().flatten_event(true);
            Box::new(log.with_current_span(false).with_span_list(false).finish())
        }
        (LogForm::Human, true) => Box::new(log.with_ansi(has_colours).finish()),
        (LogForm::Human, false) => Box::new(log.with_ansi(has_colours).without_time().finish()),
    }
}

/// Returns whether standard error is journald's own stream, not merely a service's child that inherited the variable.
#[cfg(unix)]
fn is_journal() -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let Ok(stream) = std::env::var(JOURNAL) else { return false };
    let metadata = io::stderr().as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
    metadata.is_ok_and(|is| stream == format!("{}:{}", is.dev(), is.ino()))
}

/// Returns whether standard error is journald's own stream: there is none here.
#[cfg(not(unix))]
fn is_journal() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns what is logged of a run in this form, at the daemon's levels.
    fn logged(form: LogForm, has_times: bool) -> String {
        let kept = Kept::default();
        let to = kept.clone();
        let filter = EnvFilter::new(levels(Logger::Daemon, 0));
        tracing::subscriber::with_default(subscriber(form, has_times, false, filter, move || to.clone()), || {
            let span = tracing::info_span!("run", run_id = 3);
            let _inside = span.enter();
            tracing::info!(rule_id = "over\"due", count = 2, "A run was stored");
            tracing::debug!(address = "bob@customer.example", "Not at this level");
            tracing::error!(error = "line one\nline two", "Nothing could be stored");
        });
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn every_line_is_a_json_object_with_its_time_in_utc_and_its_fields_flat() {
        let text = logged(LogForm::Json, false);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &lines {
            let time = line["timestamp"].as_str().unwrap();
            assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{time}");
        }
        let without_time = |line: &serde_json::Value| {
            let mut line = line.clone();
            line.as_object_mut().unwrap().remove("timestamp");
            line
        };
        let expected = [
            serde_json::json!({ "level": "INFO", "message": "A run was stored", "rule_id": "over\"due", "count": 2 }),
            serde_json::json!({ "level": "ERROR", "message": "Nothing could be stored", "error": "line one\nline two" }),
        ];
        assert_eq!(lines.iter().map(without_time).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn people_get_a_line_with_a_time_only_where_nothing_else_adds_one() {
        let untimed = logged(LogForm::Human, false);
        assert!(untimed.starts_with(" INFO run{run_id=3}: A run was stored rule_id=\"over\\\"due\" count=2\n"), "{untimed}");
        let timed = logged(LogForm::Human, true);
        let (time, rest) = timed.split_once("  INFO run{run_id=3}: ").unwrap();
        assert!(
            time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok() && rest.starts_with("A run was stored"),
            "{timed}"
        );
    }

    #[test]
    fn a_daemon_says_more_than_a_command() {
        let all = [(Logger::Command, 0), (Logger::Command, 1), (Logger::Daemon, 0), (Logger::Daemon, 1), (Logger::Daemon, 9)];
        let expected = ["dunlin=warn", "dunlin=info", "dunlin=info", "dunlin=debug", "dunlin=trace"];
        assert_eq!(all.map(|(logger, verbose)| levels(logger, verbose)), expected);
    }
}
