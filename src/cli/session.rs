//! What most verbs begin with: load the workspace, tell its problems, read the ledger, know the day.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::SignedDuration;

use crate::cli::print::{fail, say};
use crate::cli::problems::{Colour, render};
use crate::cli::{Common, Exit, print};
use crate::clock::SystemClock;
use crate::domain::date::Date;
use crate::domain::ledger::Ledger;
use crate::domain::problem::{Problem, Severity, nearest};
use crate::engine::act::ActFault;
use crate::engine::left_out::left_out;
use crate::engine::reading::{self, Reading, Unread};
use crate::engine::recheck::LedgerState;
use crate::engine::workspace::{Loaded, Workspace, load};
use crate::port::Clock;
use crate::rule::RuleSet;

/// How long a command waits for an export that somebody is writing.
const WHOLE_WITHIN: SignedDuration = SignedDuration::from_secs(60);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A loaded workspace and what was wrong with it.
pub(crate) struct Session {
    /// The workspace; rules with errors are left out.
    pub(crate) workspace: Workspace,
    /// Whether rules were left out.
    pub(crate) has_errors: bool,
}

impl Session {
    /// Loads the workspace and tells its problems, and whether its database is away from home; a config.yaml with errors
    /// ends the command.
    pub(crate) fn open(common: &Common) -> Result<Self, Exit> {
        let session = Self::quiet(common)?;
        if let Some(away) = &session.workspace.away {
            say(format!("warning: {}", away.words()));
            say("hint: if this is the database that is to send from now on, `dunlin adopt` says so\n");
        }
        Ok(session)
    }

    /// Loads the workspace and tells its problems, for commands that send nothing.
    pub(crate) fn quiet(common: &Common) -> Result<Self, Exit> {
        let loaded = load(&common.workspace);
        let has_errors = loaded.has_errors();
        let Loaded { workspace, problems } = loaded;
        tell(&problems, Severity::Error);
        let Some(workspace) = workspace else {
            return Err(Exit::Problems);
        };
        if has_errors {
            say("note: what has errors is left out; the rest goes on\n");
        }
        Ok(Self { workspace, has_errors })
    }

    /// Returns the day to decide for: the one asked for, or today in the workspace's time zone.
    pub(crate) fn day(&self, asked: Option<Date>) -> Date {
        asked.unwrap_or_else(|| self.workspace.today(SystemClock.now()))
    }

    /// Reads the ledger to send by it, and tells how its files stood. Waits while somebody writes to them.
    pub(crate) fn ledger_to_send_by(&self, as_of: Date) -> Result<(Arc<Ledger>, LedgerState), Exit> {
        let began_at = SystemClock.now();
        let mut is_told = false;
        loop {
            let bar = bar("Reading the ledger", "{bytes} of {total_bytes}");
            let read = reading::read(&self.workspace, as_of, SystemClock.now(), &mut progress(&bar));
            bar.finish_and_clear();
            match read {
                Ok(Reading { ledger, files }) => {
                    warn_of_nothing(&ledger);
                    return Ok((ledger, LedgerState::read(files, SystemClock.now())));
                }
                Err(Unread::Problems(problems)) => {
                    tell(&problems, Severity::Warning);
                    return Err(Exit::Problems);
                }
                Err(unread) if unread.is_passing() && SystemClock.now().duration_since(began_at) < WHOLE_WITHIN => {
                    if !std::mem::replace(&mut is_told, true) {
                        say(format!("note: {unread}; waiting until it is left alone"));
                    }
                    std::thread::sleep(LOOK_EVERY);
                }
                Err(unread) => {
                    fail(unread.to_string(), ActFault::Ledger(unread.clone()).hint().as_deref());
                    return Err(Exit::Failed);
                }
            }
        }
    }

    /// Reads the ledger, showing progress, and tells its problems.
    pub(crate) fn ledger(&self, as_of: Date) -> Result<Arc<Ledger>, Exit> {
        let bar = bar("Reading the ledger", "{bytes} of {total_bytes}");
        let read = self.workspace.read_ledger(as_of, &mut progress(&bar));
        bar.finish_and_clear();
        read.iter().for_each(warn_of_nothing);
        read.map(Arc::new).map_err(|problems| {
            tell(&problems, Severity::Warning);
            Exit::Problems
        })
    }

    /// Reads the ledger with a file of payments that are expected besides, showing progress, and tells its problems.
    pub(crate) fn ledger_expecting(&self, as_of: Date, expected: Option<&Path>) -> Result<Arc<Ledger>, Exit> {
        let Some(expected) = expected else { return self.ledger(as_of) };
        let bar = bar("Reading the ledger", "{bytes} of {total_bytes}");
        let read = self.workspace.read_ledger_expecting(as_of, expected, &mut progress(&bar));
        bar.finish_and_clear();
        read.map(Arc::new).map_err(|problems| {
            tell(&problems, Severity::Warning);
            Exit::Problems
        })
    }

    /// Returns the rules to plan: all, or the one asked for.
    pub(crate) fn rules(&self, asked: Option<&str>) -> Result<RuleSet, Exit> {
        let rules = &self.workspace.rules;
        let Some(id) = asked else { return Ok(rules.clone()) };
        let Some(rule) = rules.rules.iter().find(|rule| rule.id.as_str() == id) else {
            return Err(self.no_rule(id));
        };
        Ok(rules.of(vec![rule.clone()]))
    }

    /// Tells why the rule that was asked for cannot be planned: it has errors, or nobody wrote it.
    fn no_rule(&self, id: &str) -> Exit {
        let left_out = left_out(&self.workspace);
        if let Some(rule) = left_out.iter().find(|rule| rule.id == id) {
            fail(
                format!("The rule `{id}` has errors and is left out"),
                Some(&format!("mend {}; its errors are above", rule.file)),
            );
            return Exit::Problems;
        }
        let ids: Vec<&str> = self.workspace.rules.rules.iter().map(|rule| rule.id.as_str()).collect();
        let near = nearest(id, ids.iter().copied().chain(left_out.iter().map(|rule| rule.id.as_str())));
        let hint = match near {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if ids.is_empty() => None,
            None => Some(format!("the rules are: {}", ids.join(", "))),
        };
        fail(format!("There is no rule `{id}`"), hint.as_deref());
        Exit::Failed
    }
}

/// Returns what shows how far a reading has come.
fn progress(bar: &ProgressBar) -> impl FnMut(u64, u64) {
    |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    }
}

fn warn_of_nothing(ledger: &Ledger) {
    if ledger.documents().is_empty() {
        say("warning: the ledger has no invoices; if there should be some, the export is empty or was cut short");
    }
}

/// Prints problems of at least this severity to standard error.
pub(crate) fn tell(problems: &[Problem], least: Severity) {
    let shown: Vec<Problem> = problems.iter().filter(|problem| problem.severity <= least).cloned().collect();
    if !shown.is_empty() {
        let colour = if std::io::IsTerminal::is_terminal(&std::io::stderr()) { Colour::Always } else { Colour::Never };
        say(render(&shown, colour, print::WIDTH));
    }
}

/// Returns a progress bar on standard error, which stays away for quick work and where nobody looks.
pub(crate) fn bar(what: &'static str, counts: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    let template = format!("{{prefix}} {{wide_bar}} {counts} {{msg}}");
    bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
