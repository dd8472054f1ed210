//! How the daemon stands: what it tells of itself as it goes, put together with what the outbox holds.
//!
//! The daemon keeps a [`Live`] up to date, which costs a lock and no more. Whoever wants to know asks a [`Source`] for
//! a [`Status`]: the health page, the metrics, the socket. Nothing of a customer goes in here, no address, name or
//! amount: what it holds is shown to whoever can open a port of this machine.

mod health;
mod source;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use serde::Serialize;

use crate::domain::date::Timestamp;
use crate::domain::id::ServerId;
use crate::domain::problem::{Problem, Severity};
use crate::engine::guard::{USUAL_RUNS_MAX, is_silent};
use crate::engine::reading::Unread;
use crate::engine::status::health::Waits;
use crate::outbox::attempt::Outcome;
use crate::schedule::{self, Quiet};
use crate::store::StoreError;
use crate::store::guards::{last_days_of, last_firing_missed};
use crate::store::holds::broken_promises;
use crate::store::matches::unbooked_matches;
use crate::store::status::{last_run, open_messages, open_of_rules, open_of_runs};
use crate::store::suppressions::suppressed_mails;

pub use crate::engine::status::health::{Advice, Health, Reason, ReasonKind};
pub use crate::engine::status::source::Source;
pub use crate::store::status::{LastRun, OpenMessages};

/// How often the daemon's loop shows that it moves, whether or not there is anything to do.
pub const BEAT_EVERY: Duration = Duration::from_secs(5);
/// The longest the loop may stand still before it is taken for stuck.
pub const BEAT_SILENCE_MAX: Duration = Duration::from_secs(30);
/// The most problems of the last look at the files that are kept; all of them are counted.
pub const PROBLEMS_SHOWN_MAX: usize = 20;
/// The longest text that is shown of a fault, in characters.
const WORDS_MAX: usize = 400;

/// What a rule's firing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FiringOutcome {
    /// It has a run.
    Ran,
    /// The daemon was down, and the rule does not make up for it.
    Missed,
    /// It was to run and could not; it is tried again.
    Failed,
}

impl FiringOutcome {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Ran, Self::Missed, Self::Failed];

    /// Returns the word metrics and pages use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Missed => "missed",
            Self::Failed => "failed",
        }
    }
}

/// Why a rule does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// Its file has errors, or one that it needs.
    Broken,
    /// Its file is gone.
    Vanished,
}

impl PauseReason {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 2] = [Self::Broken, Self::Vanished];

    /// Returns the word metrics and pages use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Vanished => "vanished",
        }
    }
}

/// A rule that does not run until a person mends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PausedRule {
    /// Its id.
    pub rule: String,
    /// Its file, relative to the workspace.
    pub file: String,
    /// Why.
    pub reason: PauseReason,
}

/// When a rule runs next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextFiring {
    /// Its id.
    pub rule: String,
    /// The scheduled local time: `2027-03-28 02:30`.
    pub local: String,
    /// By whose clock: `Europe/Berlin`.
    pub time_zone: String,
    /// The instant it falls on.
    pub at: Timestamp,
}

impl NextFiring {
    /// Returns a rule's firing as it is shown.
    pub fn new(rule: &str, firing: &schedule::Firing) -> Self {
        Self {
            rule: rule.to_owned(),
            local: firing.local.strftime("%Y-%m-%d %H:%M").to_string(),
            time_zone: firing.at.time_zone().iana_name().unwrap_or("UTC").to_owned(),
            at: firing.at.timestamp(),
        }
    }
}

/// What a run was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunCause {
    /// A rule's schedule.
    Schedule,
    /// A person asked.
    Person,
}

impl RunCause {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 2] = [Self::Schedule, Self::Person];

    /// Returns the word metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Person => "person",
        }
    }
}

/// What can stay wrong until somebody mends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Nothing can be recorded, so nothing is sent.
    StoreFailed,
    /// The ledger cannot be read, so no rule can run.
    LedgerUnreadable,
    /// The ledger is older than it may be, so no rule can run.
    LedgerStale,
    /// A server takes nothing from us as we are.
    ServerFault,
    /// A refresh token took another's place and cannot be kept.
    RefreshTokenUnkept,
    /// A plugin does not do what it is for.
    PluginFailed,
    /// What is over cannot be moved into the archive.
    ArchiveFailed,
    /// What persons should know could not be told.
    AlertFailed,
}

impl FaultKind {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::StoreFailed,
        Self::LedgerUnreadable,
        Self::LedgerStale,
        Self::ServerFault,
        Self::RefreshTokenUnkept,
        Self::PluginFailed,
        Self::ArchiveFailed,
        Self::AlertFailed,
    ];

    /// Returns the word metrics and pages use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StoreFailed => "store_failed",
            Self::LedgerUnreadable => "ledger_unreadable",
            Self::LedgerStale => "ledger_stale",
            Self::ServerFault => "server_fault",
            Self::RefreshTokenUnkept => "refresh_token_unkept",
            Self::PluginFailed => "plugin_failed",
            Self::ArchiveFailed => "archive_failed",
            Self::AlertFailed => "alert_failed",
        }
    }
}

/// A fault that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The server or plugin it is about; empty where there is only one such thing.
    pub about: String,
    /// What was said, addresses left out.
    pub words: String,
    /// Since when.
    pub since: Timestamp,
}

/// A problem of the workspace's files as it is shown: without the line's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownProblem {
    /// Whether it stops the file.
    pub severity: Severity,
    /// Where: `rules/overdue.yaml:12:3`; empty where it is in no file.
    pub place: String,
    /// What is wrong, with the hint.
    pub words: String,
}

/// The last look at the workspace's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reload {
    /// When.
    pub at: Timestamp,
    /// Whether what was found is in force, paused rules apart.
    pub is_taken: bool,
    /// How many errors were found.
    pub errors: usize,
    /// How many warnings were found.
    pub warnings: usize,
    /// The first [`PROBLEMS_SHOWN_MAX`] of both.
    pub problems: Vec<ShownProblem>,
}

/// Everything that is shown of the daemon at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The worst of the reasons.
    pub health: Health,
    /// What is not as it should be, the worst first; empty where all is well.
    pub reasons: Vec<Reason>,
    /// The installation.
    pub instance: String,
    /// `live`, `redirect` or `dry`.
    pub mode: &'static str,
    /// In what the database is not where it belongs; `None`: it is at home.
    pub away: Option<String>,
    /// The program's version.
    pub version: &'static str,
    /// The instant this was taken at.
    pub now: Timestamp,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// When its loop last moved.
    pub beat_at: Timestamp,
    /// The hash that names what is in force; empty before the first.
    pub generation: String,
    /// Since when it is in force.
    pub generation_at: Option<Timestamp>,
    /// The last look at the files.
    pub reload: Option<Reload>,
    /// How many looks at the files put a new generation in force, and how many did not.
    pub reloads: Reloads,
    /// Rules that do not run.
    pub paused: Vec<PausedRule>,
    /// When each rule runs next, the next one first.
    pub next_firings: Vec<NextFiring>,
    /// Firings since the start, by rule and outcome.
    pub firings: Vec<FiringCount>,
    /// Runs since the start, by cause.
    pub runs: Vec<RunCount>,
    /// Attempts since the start, by server and outcome.
    pub attempts: Vec<AttemptCount>,
    /// How many attempts are under way.
    pub under_way: usize,
    /// Faults that stand.
    pub faults: Vec<Fault>,
    /// Until when no mail leaves, where these are quiet hours.
    pub quiet_until: Option<Timestamp>,
    /// When the last quiet hours ended; `None` where there are none.
    pub quiet_ended_at: Option<Timestamp>,
    /// Messages that are not done with, every open state named; `None` where the database cannot be read or is not there.
    pub messages: Option<Vec<OpenMessages>>,
    /// The last run.
    pub last_run: Option<LastRun>,
    /// What a person is asked beside the outbox; `None` where the database cannot be read or is not there.
    pub asked: Option<Asked>,
}

/// What a person is asked, beside the states of the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Promises to pay that were broken and nobody has seen to.
    pub broken_promises: u64,
    /// Mails that would go to suppressed addresses alone.
    pub suppressed_mails: u64,
    /// Matches that the books should have shown by now.
    pub unbooked_matches: u64,
}

/// How often a change of the files was taken up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloads {
    /// A new generation came into force.
    pub taken: u64,
    /// The old one stayed.
    pub refused: u64,
}

/// How often a rule's firings came to something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FiringCount {
    /// The rule.
    pub rule: String,
    /// What they came to.
    pub outcome: FiringOutcome,
    /// How often.
    pub count: u64,
}

/// How many runs were made for a cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunCount {
    /// What for.
    pub cause: RunCause,
    /// How many.
    pub count: u64,
}

/// How many attempts at a server ended so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttemptCount {
    /// The server.
    pub server: String,
    /// How they ended.
    pub outcome: &'static str,
    /// How many.
    pub count: u64,
}

/// What the daemon tells of itself as it goes. Clones share one state.
#[derive(Clone)]
pub struct Live(Arc<Mutex<Told>>);

/// What the database holds.
struct Outbox {
    messages: Vec<OpenMessages>,
    last_run: Option<LastRun>,
    asked: Asked,
    waits: Waits,
}

impl Outbox {
    /// Reads what there is of a mode at `now`; of `rules`, those in force, also what is unusual.
    fn read(connection: &Connection, mode: &str, rules: &[String], now: Timestamp) -> Result<Self, StoreError> {
        let mut waits =
            Waits { runs: open_of_runs(connection, mode)?, rules: open_of_rules(connection, mode)?, ..Waits::default() };
        for rule in rules {
            let days = last_days_of(connection, mode, rule, USUAL_RUNS_MAX * 2 + 1)?;
            let last_at = days.first().map(|day| day.last_run_at);
            let missed = last_firing_missed(connection, mode, rule)?;
            let missed = missed.filter(|firing| last_at.is_none_or(|last_at| last_at < firing.decided_at));
            waits.missed.extend(missed.map(|firing| (rule.clone(), firing)));
            waits.silent.extend(last_at.filter(|_| is_silent(&days)).map(|last_at| (rule.clone(), last_at)));
        }
        let asked = Asked {
            broken_promises: broken_promises(connection)?,
            suppressed_mails: suppressed_mails(connection, mode)?,
            unbooked_matches: unbooked_matches(connection, now)?,
        };
        Ok(Self { messages: open_messages(connection, mode)?, last_run: last_run(connection, mode)?, asked, waits })
    }
}

/// What was told.
struct Told {
    instance: String,
    mode: &'static str,
    quiet: Option<Quiet>,
    away: Option<String>,
    version: &'static str,
    started_at: Timestamp,
    beat_at: Timestamp,
    generation: String,
    generation_at: Option<Timestamp>,
    reload: Option<Reload>,
    reloads: Reloads,
    paused: Vec<PausedRule>,
    next_firings: Vec<NextFiring>,
    firings: BTreeMap<(String, FiringOutcome), u64>,
    runs: BTreeMap<RunCause, u64>,
    /// By server and the outcome's word.
    attempts: BTreeMap<(String, &'static str), u64>,
    under_way: usize,
    faults: BTreeMap<(FaultKind, String), Fault>,
}

impl Live {
    /// Returns the state of a daemon that has just started: nothing in force, nothing counted.
    ///
    /// `mode` is the word of the store (`live`, `redirect`, `dry`): messages of that mode are shown.
    pub fn new(instance: impl Into<String>, mode: &'static str, version: &'static str, started_at: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Told {
            quiet: None,
            instance: instance.into(),
            mode,
            away: None,
            version,
            started_at,
            beat_at: started_at,
            generation: String::new(),
            generation_at: None,
            reload: None,
            reloads: Reloads::default(),
            paused: Vec::new(),
            next_firings: Vec::new(),
            firings: BTreeMap::new(),
            runs: RunCause::ALL.map(|cause| (cause, 0)).into(),
            attempts: BTreeMap::new(),
            under_way: 0,
            faults: BTreeMap::new(),
        })))
    }

    /// Notes that the loop moves; to be called at least every [`BEAT_EVERY`].
    pub fn beat(&self, now: Timestamp) {
        self.told().beat_at = now;
    }

    /// Returns whether the loop has moved within [`BEAT_SILENCE_MAX`].
    ///
    /// A beat from the future does not count: the clock was set back, and only the next beat tells.
    pub fn is_beating(&self, now: Timestamp) -> bool {
        now.duration_since(self.told().beat_at).unsigned_abs() <= BEAT_SILENCE_MAX
    }

    /// Notes that the generation named `id` came into force.
    pub fn generation(&self, id: &str, at: Timestamp) {
        let mut told = self.told();
        told.generation = id.to_owned();
        told.generation_at = Some(at);
    }

    /// Notes the mode that a new configuration brought: messages of that mode are shown from now on.
    pub fn mode(&self, mode: &'static str) {
        self.told().mode = mode;
    }

    /// Notes the hours in which no mail may leave: what waits for their end does not wait long.
    pub fn quiet(&self, quiet: Option<Quiet>) {
        self.told().quiet = quiet;
    }

    /// Notes in what the database is not where it belongs, without an address; `None`: it is at home.
    pub fn away(&self, words: Option<String>) {
        self.told().away = words;
    }

    /// Notes a look at the changed files: whether a new generation came of it, and every problem found.
    ///
    /// Call it for the first load too, and with `is_taken` where only some rules were left out ([`Live::paused`]).
    pub fn reloaded(&self, is_taken: bool, problems: &[Problem], at: Timestamp) {
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        let mut sorted: Vec<&Problem> = problems.iter().collect();
        sorted.sort_by_key(|problem| problem.severity);
        let shown = sorted.into_iter().take(PROBLEMS_SHOWN_MAX).map(ShownProblem::new).collect();
        let mut told = self.told();
        if is_taken {
            told.reloads.taken += 1;
        } else {
            told.reloads.refused += 1;
        }
        told.reload = Some(Reload { at, is_taken, errors, warnings: problems.len() - errors, problems: shown });
    }

    /// Notes which rules are paused, all of them.
    pub fn paused(&self, mut rules: Vec<PausedRule>) {
        rules.sort_by(|one, other| one.rule.cmp(&other.rule));
        self.told().paused = rules;
    }

    /// Notes what a firing of a rule came to.
    pub fn fired(&self, rule: &str, outcome: FiringOutcome) {
        *self.told().firings.entry((rule.to_owned(), outcome)).or_default() += 1;
    }

    /// Notes how an attempt at a server ended.
    pub fn attempt(&self, server: &str, outcome: Outcome) {
        *self.told().attempts.entry((server.to_owned(), outcome.as_str())).or_default() += 1;
    }

    /// Notes how many attempts are under way.
    pub fn under_way(&self, count: usize) {
        self.told().under_way = count;
    }

    /// Notes when each rule runs next, all of them.
    pub fn next_firings(&self, mut firings: Vec<NextFiring>) {
        firings.sort_by(|one, other| (one.at, &one.rule).cmp(&(other.at, &other.rule)));
        self.told().next_firings = firings;
    }

    /// Notes that a run was decided and stored.
    pub fn run_finished(&self, cause: RunCause) {
        *self.told().runs.entry(cause).or_default() += 1;
    }

    /// Notes a fault that stands until [`Live::mended`]; the first time counts as its beginning.
    ///
    /// `about` is a server's or plugin's id, or empty. Addresses in `words` are left out; amounts and names must not be
    /// in them: what is wrong with a ledger is told by [`crate::engine::reading::Unread::shown`].
    pub fn fault(&self, kind: FaultKind, about: &str, words: &str, now: Timestamp) {
        let mut told = self.told();
        let key = (kind, about.to_owned());
        let since = told.faults.get(&key).map_or(now, |standing| standing.since);
        told.faults.insert(key, Fault { kind, about: about.to_owned(), words: shown(words), since });
    }

    /// Notes that a fault no longer stands, if it did.
    pub fn mended(&self, kind: FaultKind, about: &str) {
        self.told().faults.remove(&(kind, about.to_owned()));
    }

    /// Notes which of the `servers` take nothing from us, and why; the others do.
    pub fn server_faults<'s>(
        &self,
        faults: &[(ServerId, String)],
        servers: impl IntoIterator<Item = &'s ServerId>,
        now: Timestamp,
    ) {
        for (server, words) in faults {
            self.fault(FaultKind::ServerFault, server.as_str(), words, now);
        }
        for server in servers.into_iter().filter(|server| faults.iter().all(|(faulty, _)| faulty != *server)) {
            self.mended(FaultKind::ServerFault, server.as_str());
        }
    }

    /// Notes that the ledger can be decided by, or why not.
    pub fn looked_at_ledger(&self, looked: Result<(), &Unread>, now: Timestamp) {
        for kind in [FaultKind::LedgerUnreadable, FaultKind::LedgerStale] {
            match looked {
                Err(unread) if unread.kind() == kind => self.fault(kind, "", &unread.shown(), now),
                _ => self.mended(kind, ""),
            }
        }
    }

    /// Returns whether the ledger was last found so that nothing can be decided by it.
    pub fn is_ledger_at_fault(&self) -> bool {
        let told = self.told();
        told.faults.keys().any(|(kind, _)| [FaultKind::LedgerUnreadable, FaultKind::LedgerStale].contains(kind))
    }

    /// Returns everything at `now`, with what the outbox holds as `reader` sees it; without a reader, without it.
    ///
    /// A database that cannot be read is one of the reasons, not an error.
    pub fn snapshot(&self, reader: Option<&Connection>, now: Timestamp) -> Status {
        // The lock is not held over the database: the daemon's loop never waits for somebody who looks.
        let (mode, rules) = {
            let told = self.told();
            (told.mode, told.next_firings.iter().map(|firing| firing.rule.clone()).collect::<Vec<_>>())
        };
        let read = reader.map(|reader| Outbox::read(reader, mode, &rules, now));
        self.status(read.transpose(), now)
    }

    fn status(&self, read: Result<Option<Outbox>, StoreError>, now: Timestamp) -> Status {
        let (outbox, unread) = match read {
            Ok(outbox) => (outbox, None),
            Err(error) => (None, Some(shown(&error.to_string()))),
        };
        let (messages, last_run, asked, waits) = match outbox {
            Some(Outbox { messages, last_run, asked, waits }) => (Some(messages), last_run, Some(asked), waits),
            None => (None, None, None, Waits::default()),
        };
        let told = self.told();
        let mut status = Status {
            health: Health::Ok,
            reasons: Vec::new(),
            instance: told.instance.clone(),
            mode: told.mode,
            quiet_until: told.quiet.as_ref().and_then(|quiet| quiet.until(now)),
            quiet_ended_at: told.quiet.as_ref().and_then(|quiet| quiet.last_end(now)),
            away: told.away.clone(),
            version: told.version,
            now,
            started_at: told.started_at,
            beat_at: told.beat_at,
            generation: told.generation.clone(),
            generation_at: told.generation_at,
            reload: told.reload.clone(),
            reloads: told.reloads,
            paused: told.paused.clone(),
            next_firings: told.next_firings.clone(),
            firings: told
                .firings
                .iter()
                .map(|((rule, outcome), count)| FiringCount { rule: rule.clone(), outcome: *outcome, count: *count })
                .collect(),
            runs: told.runs.iter().map(|(cause, count)| RunCount { cause: *cause, count: *count }).collect(),
            attempts: told
                .attempts
                .iter()
                .map(|((server, outcome), count)| AttemptCount { server: server.clone(), outcome, count: *count })
                .collect(),
            under_way: told.under_way,
            faults: told.faults.values().cloned().collect(),
            messages,
            last_run,
            asked,
        };
        drop(told);
        status.reasons = health::reasons(&status, &waits, unread);
        status.health = status.reasons.iter().map(|reason| reason.kind.health()).max().unwrap_or(Health::Ok);
        status
    }

    /// Returns the state. A panic elsewhere cannot leave it half changed: every change is one assignment.
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.told();
        f.debug_struct("Live").field("instance", &told.instance).field("generation", &told.generation).finish_non_exhaustive()
    }
}

impl ShownProblem {
    fn new(problem: &Problem) -> Self {
        let place = problem.place.as_ref().map(ToString::to_string).unwrap_or_default();
        let words = Problem { place: None, ..problem.clone() }.to_string();
        Self { severity: problem.severity, place, words: shown(&words) }
    }
}

/// Returns words as they may be shown: one line, of bounded length, every address left out.
fn shown(words: &str) -> String {
    let word = |word: &str| if word.contains('@') { "(address)".to_owned() } else { word.to_owned() };
    let all = words.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    match all.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &all[..end]),
        None => all,
    }
}

#[cfg(test)]
mod tests;
