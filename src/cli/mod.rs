//! The command line: one file a verb. It prints and picks the exit code; nothing below it does either.
//!
//! Results go to standard output, everything said on the way (progress, problems, advice) to standard error, so
//! that `--json` can be piped.

mod check;
mod demo;
mod gallery;
mod intervene;
mod outbox;
mod plan;
mod plugin;
mod preview;
mod print;
pub mod problems;
pub mod reference;
mod run;
mod session;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::domain::date::{Date, ISO};

/// How a command ended. Source: docs/reference/commands.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done.
    Done,
    /// 1: failed.
    Failed,
    /// 3: problems in rules or config.
    Problems,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Problems => 3,
        })
    }
}

#[derive(Debug, Parser)]
#[command(
    name = "dunlin",
    version,
    about = "Sends payment reminders by rules, and never the same one twice",
    max_term_width = 110
)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong use of the command line, 3 problems in rules or config.\n\
    Start with `dunlin demo`, then `dunlin check` and `dunlin plan` in a workspace of your own.")]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Args, Debug)]
pub(crate) struct Common {
    /// The workspace: the folder with config.yaml and rules/
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) workspace: PathBuf,
    /// Print results as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more about what happens; twice for even more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the whole job on sample receivables, with a mail server of its own
    Demo(demo::DemoArgs),
    /// Find every problem in config, rules, templates, scripts and ledger
    Check(check::CheckArgs),
    /// Show what would be sent, and why everybody else gets nothing
    Plan(plan::PlanArgs),
    /// Show one mail as it would be sent
    Preview(preview::PreviewArgs),
    /// Decide, record and send what is due
    Run(run::RunArgs),
    /// Write, list, check and test plugins
    Plugin(plugin::PluginArgs),
    /// Look into the outbox: every mail, its state and every attempt to send it; and decide about mails
    Outbox(outbox::OutboxArgs),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.common.verbose);
    let common = &cli.common;
    let exit = match cli.verb {
        Verb::Demo(args) => demo::demo(common, &args),
        Verb::Check(args) => check::check(common, &args),
        Verb::Plan(args) => plan::plan(common, &args),
        Verb::Preview(args) => preview::preview(common, &args),
        Verb::Run(args) => run::run(common, &args),
        Verb::Plugin(args) => plugin::plugin(common, &args),
        Verb::Outbox(args) => outbox::outbox(common, &args),
    };
    exit.into()
}

/// Ends the program as clap does over wrong arguments, for what its definitions cannot say.
fn wrong_use(message: &str) -> ! {
    Cli::command().error(ErrorKind::ArgumentConflict, message).exit()
}

/// Reads a day from the command line.
fn day(text: &str) -> Result<Date, String> {
    Date::strptime(ISO, text).map_err(|_| "write the day as YYYY-MM-DD, such as 2026-11-21".to_owned())
}

/// Sends the log to standard error: warnings and errors, more with `-v`, or what `DUNLIN_LOG` says.
fn start_log(verbose: u8) {
    let level = ["warn", "info", "debug"][usize::from(verbose.min(2))];
    let filter = tracing_subscriber::EnvFilter::try_from_env("DUNLIN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(format!("dunlin={level}")));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_terminal).with_target(false);
    // A second start (in a test that runs two commands) keeps the first log.
    drop(log.without_time().try_init());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command, with the arguments it cannot do without.
    const LINES: [&str; 15] = [
        "demo",
        "check",
        "plan",
        "preview",
        "run",
        "plugin list",
        "plugin",
        "plugin new a",
        "plugin check",
        "plugin test",
        "outbox",
        "outbox show 1",
        "outbox renew 1",
        "outbox cancel 1",
        "outbox accept 1",
    ];

    fn count(command: &clap::Command) -> usize {
        command.get_subcommands().map(|inner| 1 + count(inner)).sum()
    }

    #[test]
    fn what_goes_with_every_command_may_stand_anywhere() {
        assert_eq!(count(&Cli::command()), LINES.len(), "a command is missing above");
        for words in LINES.map(|line| line.split(' ').collect::<Vec<_>>()) {
            for place in 0..=words.len() {
                let mut line = words.clone();
                line.splice(place..place, ["--json", "-v", "--workspace", "elsewhere"]);
                let cli = Cli::try_parse_from(["dunlin"].into_iter().chain(line.iter().copied()));
                let common = cli.unwrap_or_else(|error| panic!("{line:?}: {error}")).common;
                assert_eq!((common.json, common.verbose, common.workspace), (true, 1, PathBuf::from("elsewhere")), "{line:?}");
            }
        }
    }
}
