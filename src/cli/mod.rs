//! The command line: one file a verb. It prints and picks the exit code; nothing below it does either.
//!
//! Results go to standard output, everything said on the way (progress, problems, advice) to standard error, so
//! that `--json` can be piped.

mod adopt;
mod backup;
mod check;
mod demo;
mod diff;
mod dkim;
mod doctor;
mod evidence;
mod explain;
mod forecast;
mod forecast_page;
mod gallery;
mod hand;
mod hold;
mod init;
mod intervene;
mod junit;
pub mod log;
mod manual;
mod matching;
mod next;
mod outbox;
mod plan;
mod plugin;
mod prerun;
mod preview;
mod print;
pub mod problems;
pub mod reference;
mod run;
mod runs;
mod schema;
mod send;
mod serve;
mod session;
mod smtp;
mod store;
mod suppress;
mod template;
mod test;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::cli::log::{LogForm, Logger};
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
    /// 4: done, and there is a difference.
    Changed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Problems => 3,
            Exit::Changed => 4,
        })
    }
}

#[derive(Debug, Parser)]
#[command(
    name = "dunlin",
    version,
    about = "Sends payment reminders, statements of account and notices by rules, and nothing twice",
    max_term_width = 110
)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong use of the command line, 3 problems in rules, config or ledger, \
    4 of `diff`: something changes.\n\
    To begin: `dunlin demo` shows the whole job, `dunlin init` writes a workspace of your own, `dunlin serve` runs it.")]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// The heading of the arguments that go with every command, in its help.
const COMMON: &str = "With every command";

#[derive(Args, Debug)]
pub(crate) struct Common {
    /// The workspace: the folder with config.yaml and rules/
    #[arg(long, global = true, help_heading = COMMON, default_value = ".", value_name = "DIR")]
    pub(crate) workspace: PathBuf,
    /// Print results as JSON
    #[arg(long, global = true, help_heading = COMMON)]
    pub(crate) json: bool,
    /// Say more about what happens; twice for even more
    #[arg(long, short, global = true, help_heading = COMMON, action = clap::ArgAction::Count)]
    verbose: u8,
    /// How the log on standard error is written
    #[arg(long, global = true, help_heading = COMMON, value_enum, default_value_t, value_name = "FORM", env = "DUNLIN_LOG_FORMAT")]
    log: LogForm,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the whole job on sample receivables, with a mail server of its own
    ///
    /// The samples lie in Dunlin's own folder, so this is run there: in the repository, or with `--workspace` and its path.
    Demo(demo::DemoArgs),
    /// Write a small workspace to begin with, from your own export if you have one
    Init(init::InitArgs),
    /// Find every problem in config, rules, plugins, templates, scripts and ledger
    Check(check::CheckArgs),
    /// Show what would be sent, and why everybody else gets nothing
    Plan(plan::PlanArgs),
    /// Tell why a customer or an invoice gets a mail or none: every rule's answer, and what it rests on
    Explain(explain::ExplainArgs),
    /// Show one mail as it would be sent
    Preview(preview::PreviewArgs),
    /// Run the tests of rules, and tell what no case of them reaches
    Test(test::TestArgs),
    /// Show when the rules run next, and why a day was shifted
    Next(next::NextArgs),
    /// Show every mail of the days to come, as if nobody paid
    Forecast(forecast::ForecastArgs),
    /// Show every mail that the rules would have sent over past receivables
    Backtest(forecast::BacktestArgs),
    /// Show what a change of rules does to today and the next 30 days
    Diff(diff::DiffArgs),
    /// Print the DNS records of the keys that mails are signed with
    Dkim(dkim::DkimArgs),
    /// Run rules now: decide, record and send what is due
    Run(run::RunArgs),
    /// Run every rule on its schedule, until told to stop: the daemon
    Serve(serve::ServeArgs),
    /// Look at runs: what each decided and how its mails stand; start, stop and close them
    Runs(runs::RunsArgs),
    /// Look at mails: their state, text and every attempt to send them; decide about them
    Outbox(outbox::OutboxArgs),
    /// Try the mail servers: connect, TLS, sign in, and a mail to oneself if wanted
    Smtp(smtp::SmtpArgs),
    /// Look at everything that a new operator gets wrong: files, machine, mail servers, and the senders' domains in DNS
    Doctor(doctor::DoctorArgs),
    /// Leave customers or invoices alone for a while: disputes, promises to pay, pauses
    Hold(hold::HoldArgs),
    /// Find out which open invoices a bank's statement pays, and let what is paid count at once
    Match(matching::MatchArgs),
    /// Addresses that nothing is sent to
    Suppress(suppress::SuppressArgs),
    /// Copy the database into a file, while others go on writing to it
    Backup(backup::BackupArgs),
    /// Make the place where the database is its home: after it was moved or restored
    Adopt(adopt::AdoptArgs),
    /// Look after the database: check it whole, move what is over into the archive
    Store(store::StoreArgs),
    /// Write all that is recorded of one mail into a ZIP, for an auditor
    Evidence(evidence::EvidenceArgs),
    /// Show whether the record is as it was written: every run, mail and attempt against the chain of hashes
    Verify(verify::VerifyArgs),
    /// Write, list, check and test plugins
    Plugin(plugin::PluginArgs),
    /// Turn templates of another system into ours
    Template(template::TemplateArgs),
    /// Print the JSON Schemas of the files people write (config.yaml, rules, papers and others), by which editors complete and check
    Schema(schema::SchemaArgs),
    /// Print the completions for a shell
    Completions(manual::CompletionsArgs),
    /// Print the manual page, or write one for every command
    Man(manual::ManArgs),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let logger = if matches!(cli.verb, Verb::Serve(_)) { Logger::Daemon } else { Logger::Command };
    log::start(logger, cli.common.log, cli.common.verbose);
    let common = &cli.common;
    let exit = match cli.verb {
        Verb::Demo(args) => demo::demo(common, &args),
        Verb::Init(args) => init::init(common, &args),
        Verb::Check(args) => check::check(common, &args),
        Verb::Plan(args) => plan::plan(common, &args),
        Verb::Explain(args) => explain::explain(common, &args),
        Verb::Preview(args) => preview::preview(common, &args),
        Verb::Test(args) => test::test(common, &args),
        Verb::Next(args) => next::next(common, &args),
        Verb::Forecast(args) => forecast::forecast(common, &args),
        Verb::Backtest(args) => forecast::backtest(common, &args),
        Verb::Diff(args) => diff::diff(common, &args),
        Verb::Dkim(args) => dkim::dkim(common, &args),
        Verb::Run(args) => run::run(common, &args),
        Verb::Serve(args) => serve::serve(common, &args),
        Verb::Runs(args) => runs::runs(common, &args),
        Verb::Outbox(args) => outbox::outbox(common, &args),
        Verb::Smtp(args) => smtp::smtp(common, &args),
        Verb::Doctor(args) => doctor::doctor(common, &args),
        Verb::Hold(args) => hold::hold(common, &args),
        Verb::Match(args) => matching::matching(common, &args),
        Verb::Suppress(args) => suppress::suppress(common, &args),
        Verb::Backup(args) => backup::backup(common, &args),
        Verb::Adopt(args) => adopt::adopt(common, &args),
        Verb::Store(args) => store::store(common, &args),
        Verb::Evidence(args) => evidence::evidence(common, &args),
        Verb::Verify(args) => verify::verify(common, &args),
        Verb::Plugin(args) => plugin::plugin(common, &args),
        Verb::Template(args) => template::template(common, &args),
        Verb::Schema(args) => schema::schema(common, &args),
        Verb::Completions(args) => manual::completions(common, &args),
        Verb::Man(args) => manual::man(common, &args),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command, with the arguments it cannot do without.
    const LINES: [&str; 57] = [
        "demo",
        "init somewhere",
        "check",
        "plan",
        "explain 1",
        "preview",
        "test",
        "next",
        "forecast",
        "backtest --from=2026-01-01",
        "diff",
        "dkim",
        "run",
        "serve",
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
        "outbox resend 1",
        "runs",
        "runs show 1",
        "runs start 1",
        "runs stop 1",
        "runs close 1",
        "runs firings",
        "smtp test primary",
        "smtp test",
        "doctor",
        "hold",
        "hold add R-1 --kind=pause --until=2026-12-01 --reason=so",
        "hold list",
        "hold end 1",
        "match",
        "match list",
        "match undo 1",
        "suppress",
        "suppress add ap@abc.example --reason=so",
        "suppress list",
        "suppress remove ap@abc.example",
        "backup a",
        "adopt",
        "store check a",
        "store check",
        "store prune",
        "evidence 1",
        "verify",
        "template",
        "template import a",
        "schema",
        "completions bash",
        "man",
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
                line.splice(place..place, ["--json", "-v", "--workspace", "elsewhere", "--log", "json"]);
                let cli = Cli::try_parse_from(["dunlin"].into_iter().chain(line.iter().copied()));
                let common = cli.unwrap_or_else(|error| panic!("{line:?}: {error}")).common;
                let said = (common.json, common.verbose, common.workspace, common.log);
                assert_eq!(said, (true, 1, PathBuf::from("elsewhere"), LogForm::Json), "{line:?}");
            }
        }
    }
}
