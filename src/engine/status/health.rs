//! What is not as it should be, and how bad that is.
//!
//! A closed list of reasons, since alert rules are written on them; docs/operating.md says of each what to do.

use std::time::Duration;

use serde::Serialize;

use crate::domain::date::Timestamp;
use crate::engine::status::{BEAT_SILENCE_MAX, FaultKind, PauseReason, PausedRule, Status};
use crate::outbox::diagnosis::diagnose_words;
use crate::outbox::state::State;
use crate::store::guards::MissedFiring;
use crate::store::status::{OpenOfRule, OpenOfRun};

/// How late a firing may be before that is said.
pub(crate) const FIRING_LATE_MAX: Duration = Duration::from_secs(10 * 60);
/// How long a message may wait in the queue before that is said.
pub(crate) const QUEUE_WAIT_MAX: Duration = Duration::from_secs(3_600);

/// The mode in which mails are composed and never leave.
const DRY: &str = "dry";

/// How the daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// All is as it should be.
    Ok,
    /// It works, but something needs a person.
    Degraded,
    /// It does not do what it is for.
    Failing,
}

impl Health {
    /// All, from good to bad.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Degraded, Self::Failing];

    /// Returns the word pages and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        }
    }
}

/// What can be other than it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// The loop stands still.
    LoopStuck,
    /// Nothing can be recorded, so nothing is sent.
    StoreFailed,
    /// The database cannot be read.
    StoreUnreadable,
    /// The database is not where it belongs, so no customer gets anything.
    NotAdopted,
    /// The ledger cannot be read.
    LedgerUnreadable,
    /// The ledger is older than it may be.
    LedgerStale,
    /// A server takes nothing from us.
    ServerFault,
    /// A refresh token took another's place and cannot be kept.
    RefreshTokenUnkept,
    /// A plugin does not do what it is for.
    PluginFailed,
    /// What persons should know could not be told.
    AlertFailed,
    /// The last change of the files was not taken up.
    ReloadRefused,
    /// A rule does not run.
    RulePaused,
    /// A rule was to run and has not.
    FiringLate,
    /// A rule's last scheduled run was left out.
    FiringMissed,
    /// A rule that usually has mails has none.
    RuleSilent,
    /// A run was stopped, and the rest of it waits.
    RunStopped,
    /// A run waits until a person lets it go.
    ApprovalWaits,
    /// Mails are due and cannot be composed.
    BlockedWaits,
    /// Of some mails nobody knows whether they arrived.
    UnknownWaits,
    /// Servers refused mails for good.
    RefusedWaits,
    /// Mails could not be handed to any server in time.
    GaveUp,
    /// Mails wait in the queue for long.
    QueueOld,
    /// A promise to pay was broken, and nobody has seen to it.
    PromiseBroken,
    /// Mails would go to suppressed addresses alone.
    RecipientSuppressed,
    /// What was matched to bank lines is not in the books.
    MatchUnbooked,
    /// What is over cannot be moved into the archive.
    ArchiveFailed,
}

/// What a reason means and what to do about it, in words for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl ReasonKind {
    /// All, the worst first.
    pub const ALL: [Self; 26] = [
        Self::LoopStuck,
        Self::StoreFailed,
        Self::StoreUnreadable,
        Self::NotAdopted,
        Self::LedgerUnreadable,
        Self::LedgerStale,
        Self::ServerFault,
        Self::RefreshTokenUnkept,
        Self::PluginFailed,
        Self::AlertFailed,
        Self::ReloadRefused,
        Self::RulePaused,
        Self::FiringLate,
        Self::FiringMissed,
        Self::RuleSilent,
        Self::RunStopped,
        Self::ApprovalWaits,
        Self::BlockedWaits,
        Self::UnknownWaits,
        Self::RefusedWaits,
        Self::GaveUp,
        Self::QueueOld,
        Self::PromiseBroken,
        Self::RecipientSuppressed,
        Self::MatchUnbooked,
        Self::ArchiveFailed,
    ];

    /// Returns the word metrics and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoopStuck => "loop_stuck",
            Self::StoreFailed => "store_failed",
            Self::StoreUnreadable => "store_unreadable",
            Self::NotAdopted => "not_adopted",
            Self::LedgerUnreadable => "ledger_unreadable",
            Self::LedgerStale => "ledger_stale",
            Self::ServerFault => "server_fault",
            Self::RefreshTokenUnkept => "refresh_token_unkept",
            Self::PluginFailed => "plugin_failed",
            Self::AlertFailed => "alert_failed",
            Self::ReloadRefused => "reload_refused",
            Self::RulePaused => "rule_paused",
            Self::FiringLate => "firing_late",
            Self::FiringMissed => "firing_missed",
            Self::RuleSilent => "rule_silent",
            Self::RunStopped => "run_stopped",
            Self::ApprovalWaits => "approval_waits",
            Self::BlockedWaits => "blocked_waits",
            Self::UnknownWaits => "unknown_waits",
            Self::RefusedWaits => "refused_waits",
            Self::GaveUp => "gave_up",
            Self::QueueOld => "queue_old",
            Self::PromiseBroken => "promise_broken",
            Self::RecipientSuppressed => "recipient_suppressed",
            Self::MatchUnbooked => "match_unbooked",
            Self::ArchiveFailed => "archive_failed",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Returns it in a few words, for the head of an alert; what it is about stands behind it.
    pub fn title(self) -> &'static str {
        match self {
            Self::LoopStuck => "the daemon stands still",
            Self::StoreFailed => "nothing can be recorded, so nothing is sent",
            Self::StoreUnreadable => "the database cannot be read",
            Self::LedgerUnreadable => "the receivables cannot be read",
            Self::LedgerStale => "the receivables are too old",
            Self::ServerFault => "a mail server takes nothing from us",
            Self::PluginFailed => "a plugin fails",
            Self::AlertFailed => "alerts cannot be told",
            Self::ReloadRefused => "changed files have errors",
            Self::RulePaused => "a rule is paused",
            Self::FiringLate => "a rule is late",
            Self::FiringMissed => "a scheduled run was missed",
            Self::RuleSilent => "a rule that usually sends sent nothing",
            Self::RunStopped => "a run is stopped",
            Self::ApprovalWaits => "a run waits for you",
            Self::BlockedWaits => "mails cannot be composed",
            Self::UnknownWaits => "nobody knows whether mails arrived",
            Self::RefusedWaits => "mails were refused",
            Self::GaveUp => "mails were given up",
            Self::QueueOld => "mails have waited for long",
            Self::NotAdopted => "the database is not at home, so nothing goes to customers",
            Self::RefreshTokenUnkept => "a new refresh token could not be kept",
            Self::PromiseBroken => "a promise to pay was broken",
            Self::RecipientSuppressed => "mails would go to suppressed addresses alone",
            Self::MatchUnbooked => "payments that were matched are not in the books",
            Self::ArchiveFailed => "what is over cannot be archived",
        }
    }

    /// Returns whether persons are told of it: not of what keeps them from being told.
    pub fn is_told(self) -> bool {
        self != Self::AlertFailed
    }

    /// Returns whether the outbox tells of it.
    pub fn is_of_outbox(self) -> bool {
        matches!(
            self,
            Self::FiringMissed
                | Self::RuleSilent
                | Self::RunStopped
                | Self::ApprovalWaits
                | Self::BlockedWaits
                | Self::UnknownWaits
                | Self::RefusedWaits
                | Self::GaveUp
                | Self::QueueOld
                | Self::PromiseBroken
                | Self::RecipientSuppressed
                | Self::MatchUnbooked
                | Self::PluginFailed
        )
    }

    /// Returns how bad it is.
    pub fn health(self) -> Health {
        match self {
            Self::LoopStuck | Self::StoreFailed | Self::StoreUnreadable | Self::NotAdopted => Health::Failing,
            _ => Health::Degraded,
        }
    }

    /// Returns what it means and what to do about it.
    pub fn advice(self) -> Advice {
        let (meaning, remedy) = match self {
            Self::LoopStuck => (
                "The daemon's loop has not moved for half a minute. The service manager restarts it if it has a watchdog.",
                "Restart it, and keep the log: this is a fault of the program or of the disk under it.",
            ),
            Self::StoreFailed => (
                "A result could not be written to the database. Sending has stopped, since a mail that is not on record could go twice.",
                "Make room on the disk, or mend it. The daemon tries again by itself.",
            ),
            Self::StoreUnreadable => (
                "The database cannot be read, so nobody can tell how the outbox stands.",
                "Look at the message: a wrong owner of the file, a full disk, another program that keeps it locked.",
            ),
            Self::NotAdopted => (
                "The database is not where it belongs: it was copied, moved or put back to an older state. No customer gets anything; mails go to `redirect_to`, or nowhere.",
                "Find out why. If this is the database that is to send from now on, `dunlin adopt` says so; it tells what is other than it was, and what then becomes of mails that may have gone.",
            ),
            Self::LedgerUnreadable => (
                "The receivables cannot be read as a whole. A ledger with one bad row is no ledger: no rule runs, nothing queued is sent.",
                "`dunlin check` shows every bad row. Mend the export; it is read again within a minute.",
            ),
            Self::LedgerStale => (
                "A file of the receivables was last written to longer ago than `ledger.max_age` allows: what was paid since is not seen. No rule runs, nothing queued is sent.",
                "See why no new export has come. Once there is one, what waited is decided, by each rule's `missed`.",
            ),
            Self::ServerFault => (
                "A mail server takes nothing from us as we are: sign-in, certificate or policy.",
                "Mend the account or the server's settings in config.yaml. What is queued waits and goes then.",
            ),
            Self::RefreshTokenUnkept => (
                "A token server put a new refresh token in the place of the old one, and it could not be written to its file: after the next start nobody can sign in with the old one.",
                "Let the service write the file and its folder, or name a file with `${file:/path}`; where the old token is good no longer, agree anew.",
            ),
            Self::PluginFailed => (
                "A plugin's program made no document for mails, which are blocked, or could not tell an alert.",
                "`dunlin outbox --state blocked` has its words, and `dunlin plugin test` shows it apart from the daemon. The next run asks it again.",
            ),
            Self::AlertFailed => (
                "An alert could not be mailed: every server of its sender is at fault or out of reach, or the address is refused. It is tried again, within the hour at the latest.",
                "Mend the server; look at `alerts` in config.yaml. What was to be told stands on this page and in the log.",
            ),
            Self::ReloadRefused => (
                "The files have changed, but the new state has errors; what was in force before still is.",
                "Mend the problems shown; the change is taken up by itself.",
            ),
            Self::RulePaused => (
                "A rule's file, or one it needs (a layout, a script, a plugin), has errors, or its file is gone: the rule does not run. Others do.",
                "Mend the file that `dunlin check` names, or bring the rule's file back. To end a rule for good, remove its file and list it under `ended_rules` in config.yaml.",
            ),
            Self::FiringLate => (
                "A rule's time has been over for more than ten minutes and it has not run.",
                "See whether a long run is under way, or the ledger cannot be read.",
            ),
            Self::FiringMissed => (
                "A rule's last scheduled run was left out, by its `missed`: the daemon was down or the rule could not run, and by then it was too late.",
                "`dunlin runs firings` has the reason. `dunlin run RULE` runs it now; the next run ends this too.",
            ),
            Self::RuleSilent => (
                "A rule that has mails on most of its days had none: nothing was due, or the export lacks something.",
                "`dunlin runs show` of its last run tells why nobody gets a mail. If it is right, its next mail ends this, or twenty days with runs and without one.",
            ),
            Self::RunStopped => (
                "A person stopped a run, or too many of its mails were refused. What it has not sent waits.",
                "`dunlin runs show` tells who did and why. Then `dunlin runs start` or `dunlin runs close`.",
            ),
            Self::ApprovalWaits => (
                "A run has mails that wait for a person: its rule says `approve: true`, or it is larger than `run_guard` allows.",
                "`dunlin runs show` tells what would go. Then `dunlin runs start` or `dunlin runs close`.",
            ),
            Self::BlockedWaits => (
                "Mails of a rule's last run are due and could not be composed: no address, a template or a script that fails.",
                "`dunlin outbox --state blocked` has the reason of each. The next run composes what is still due.",
            ),
            Self::UnknownWaits => (
                "The connection broke after a mail's final dot: nobody can know whether it arrived. It is never sent again by itself.",
                "Ask the recipient or look into the server's log; then `dunlin outbox accept` or `dunlin outbox renew`.",
            ),
            Self::RefusedWaits => (
                "A server refused mails for good, mostly for an address that is not there. They are not sent again by themselves.",
                "`dunlin outbox --state refused` has the server's words. Mend the address in your books and `dunlin outbox renew`, or `dunlin outbox cancel`.",
            ),
            Self::GaveUp => (
                "No server took some mails of a rule before `retry.give_up_after`; they never left.",
                "`dunlin outbox --state exhausted` has what servers said. The rule's next run composes what is still due.",
            ),
            Self::QueueOld => (
                "Mails have waited in the queue for more than an hour.",
                "A rate limit with a long queue explains it; otherwise `dunlin outbox --state queued` and `outbox show` tell what the server said.",
            ),
            Self::PromiseBroken => (
                "A customer had promised to pay by a day that has passed, and it is still open. Reminding goes on.",
                "`dunlin hold list` shows it. Speak with the customer; `dunlin hold end ID` once you have seen to it.",
            ),
            Self::RecipientSuppressed => (
                "A mail is due, but every address it would go to is suppressed. It is not sent and not forgotten.",
                "`dunlin outbox --state blocked` shows it. Find another address, or `dunlin suppress remove ADDRESS`.",
            ),
            Self::MatchUnbooked => (
                "Bank lines were applied to invoices longer ago than `bank.booked_within`, and the books do not show the money yet. It still counts here: nobody is reminded of it.",
                "`dunlin match list` shows them. Enter the payments in the books, or `dunlin match undo ID` where one was wrong.",
            ),
            Self::ArchiveFailed => (
                "What is older than `retention` says could not be written to the archive, so it stays in the database.",
                "Make room in the archive's folder, or mend its rights. It is tried again within the hour.",
            ),
        };
        Advice { meaning, remedy }
    }
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What.
    pub kind: ReasonKind,
    /// The rule, run, server or plugin it is about; empty where there is only one such thing.
    pub about: String,
    /// In words, with the rule, server or count it is about.
    pub words: String,
}

/// What the outbox holds that needs a person, and what is unusual about the rules in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits {
    pub(crate) runs: Vec<OpenOfRun>,
    pub(crate) rules: Vec<OpenOfRule>,
    /// Rules whose last firing was left out, with no run since.
    pub(crate) missed: Vec<(String, MissedFiring)>,
    /// Rules that have gone silent, with the time of their last run.
    pub(crate) silent: Vec<(String, Timestamp)>,
}

/// Returns everything that is not as it should be, the worst first. `unread` is why the database could not be read.
pub(crate) fn reasons(status: &Status, waits: &Waits, unread: Option<String>) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = Vec::new();
    let mut add = |kind, about: &str, words| reasons.push(Reason { kind, about: about.to_owned(), words });
    let now = status.now;
    // Both ways: a beat from the future is from before the clock was set back.
    let silence = now.duration_since(status.beat_at).unsigned_abs();
    if silence > BEAT_SILENCE_MAX {
        add(ReasonKind::LoopStuck, "", format!("The loop last moved at {}", second(status.beat_at)));
    }
    if let Some(words) = unread {
        add(ReasonKind::StoreUnreadable, "", words);
    }
    if let Some(words) = &status.away {
        add(ReasonKind::NotAdopted, "", words.clone());
    }
    for fault in &status.faults {
        let about = if fault.about.is_empty() { String::new() } else { format!("{}: ", fault.about) };
        let diagnosis = if fault.kind == FaultKind::ServerFault { diagnose_words(&fault.words) } else { None };
        let advice = diagnosis.map_or_else(String::new, |found| format!(". {} {}", found.meaning, found.next_step));
        let words = format!("{about}{} (since {}){advice}", fault.words, second(fault.since));
        add(fault.kind.reason(), &fault.about, words);
    }
    if let Some(reload) = status.reload.as_ref().filter(|reload| !reload.is_taken) {
        let words = format!("The change of {} is not in force: {}", second(reload.at), counted(reload.errors, "error"));
        add(ReasonKind::ReloadRefused, "", words);
    }
    for paused in &status.paused {
        let PausedRule { rule, file, reason } = paused;
        let why = match reason {
            PauseReason::Broken => format!("{file}, or a file it needs, has errors"),
            PauseReason::Vanished => format!("{file} is gone"),
        };
        add(ReasonKind::RulePaused, rule, format!("{rule} does not run, since {why}"));
    }
    for firing in status.next_firings.iter().filter(|firing| is_over(firing.at, FIRING_LATE_MAX, now)) {
        let words = format!("{} was to run at {} ({})", firing.rule, firing.local, firing.time_zone);
        add(ReasonKind::FiringLate, &firing.rule, words);
    }
    for (rule, firing) in &waits.missed {
        let words = format!("{rule} did not run at {} ({}): {}", firing.local_time, firing.time_zone, firing.reason);
        add(ReasonKind::FiringMissed, rule, words);
    }
    for (rule, at) in &waits.silent {
        add(
            ReasonKind::RuleSilent,
            rule,
            format!("{rule} had no mail on the day of its run of {}; on most days before it had", second(*at)),
        );
    }
    // What a dry run composed waits for nobody.
    for open in waits.runs.iter().filter(|open| open.state != State::Waiting || status.mode != DRY) {
        let (run, mails) = (open.run_id.to_string(), wait(open.count, &format!(" of run {}", open.run_id)));
        let (kind, words) = match (open.state, open.reason.as_deref()) {
            (State::Waiting, Some("stopped")) => (ReasonKind::RunStopped, format!("{mails}, since the run was stopped")),
            (State::Waiting, Some("refusals")) => {
                (ReasonKind::RunStopped, format!("{mails}, since too many of the run were refused"))
            }
            (State::Waiting, _) => (ReasonKind::ApprovalWaits, format!("{mails} for a person to let them go")),
            (State::Refused, _) => (ReasonKind::RefusedWaits, format!("{mails} for a person to decide: refused")),
            _ => (ReasonKind::UnknownWaits, format!("{mails} for a person to decide")),
        };
        add(kind, &run, words);
    }
    for open in &waits.rules {
        let mails = wait(open.count, &format!(" of {}", open.rule_id));
        let (kind, words) = match (open.state, open.reason.as_deref()) {
            (State::Blocked, Some("document_missing")) => {
                (ReasonKind::PluginFailed, format!("{mails} blocked, since a document of theirs is missing"))
            }
            (State::Blocked, _) => (ReasonKind::BlockedWaits, format!("{mails} blocked until what is missing is there")),
            _ => (ReasonKind::GaveUp, format!("{mails} for the next run, given up by this one")),
        };
        add(kind, &open.rule_id, words);
    }
    for open in status.messages.iter().flatten().filter(|open| open.state == State::Queued) {
        // What waits for the end of quiet hours, or has waited for it, has not been waiting for us.
        let waits_since = |oldest_at: Timestamp| status.quiet_ended_at.map_or(oldest_at, |end| end.max(oldest_at));
        let is_late = |oldest_at: &Timestamp| is_over(waits_since(*oldest_at), QUEUE_WAIT_MAX, now);
        if let Some(oldest_at) = open.oldest_at.filter(is_late).filter(|_| status.quiet_until.is_none()) {
            let words = format!("{} in the queue, the oldest since {}", wait(open.count, ""), second(oldest_at));
            add(ReasonKind::QueueOld, "", words);
        }
    }
    if let Some(asked) = &status.asked {
        if asked.broken_promises > 0 {
            add(
                ReasonKind::PromiseBroken,
                "",
                format!("{} nobody has seen to", counted(asked.broken_promises as usize, "broken promise")),
            );
        }
        if asked.suppressed_mails > 0 {
            let mails = counted(asked.suppressed_mails as usize, "mail");
            add(ReasonKind::RecipientSuppressed, "", format!("{mails} for suppressed addresses alone"));
        }
        if asked.unbooked_matches > 0 {
            let payments = counted(asked.unbooked_matches as usize, "matched payment");
            add(ReasonKind::MatchUnbooked, "", format!("{payments} not in the books in time"));
        }
    }
    reasons.sort_by_key(|reason| reason.kind);
    reasons
}

impl FaultKind {
    /// Returns what it is called among the reasons.
    fn reason(self) -> ReasonKind {
        match self {
            Self::StoreFailed => ReasonKind::StoreFailed,
            Self::LedgerUnreadable => ReasonKind::LedgerUnreadable,
            Self::LedgerStale => ReasonKind::LedgerStale,
            Self::ServerFault => ReasonKind::ServerFault,
            Self::RefreshTokenUnkept => ReasonKind::RefreshTokenUnkept,
            Self::PluginFailed => ReasonKind::PluginFailed,
            Self::ArchiveFailed => ReasonKind::ArchiveFailed,
            Self::AlertFailed => ReasonKind::AlertFailed,
        }
    }
}

fn is_over(at: Timestamp, most: Duration, now: Timestamp) -> bool {
    let late = now.duration_since(at);
    late.is_positive() && late.unsigned_abs() > most
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn wait(count: u64, of: &str) -> String {
    if count == 1 { format!("1 mail{of} waits") } else { format!("{count} mails{of} wait") }
}

/// Returns an instant to the second, in UTC.
fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
