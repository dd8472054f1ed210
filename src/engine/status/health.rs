//! What is not as it should be, and how bad that is.
//!
//! A closed list of reasons, since alert rules are written on them; docs/operating.md says of each what to do.

use std::time::Duration;

use serde::Serialize;

use crate::domain::date::Timestamp;
use crate::engine::status::{BEAT_SILENCE_MAX, FaultKind, PauseReason, Status};
use crate::outbox::diagnosis::diagnose_words;
use crate::outbox::state::State;

/// How late a firing may be before that is said.
pub(crate) const FIRING_LATE_MAX: Duration = Duration::from_secs(10 * 60);
/// How long a message may wait in the queue before that is said.
pub(crate) const QUEUE_WAIT_MAX: Duration = Duration::from_secs(3_600);

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
    /// A server takes nothing from us.
    ServerFault,
    /// A refresh token took another's place and cannot be kept.
    RefreshTokenUnkept,
    /// A plugin does not do what it is for.
    PluginFailed,
    /// The last change of the files was not taken up.
    ReloadRefused,
    /// A rule does not run.
    RulePaused,
    /// A rule was to run and has not.
    FiringLate,
    /// Of some mails nobody knows whether they arrived.
    UnknownWaits,
    /// Mails wait in the queue for long.
    QueueOld,
    /// A promise to pay was broken, and nobody has seen to it.
    PromiseBroken,
    /// Mails would go to suppressed addresses alone.
    RecipientSuppressed,
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
    pub const ALL: [Self; 16] = [
        Self::LoopStuck,
        Self::StoreFailed,
        Self::StoreUnreadable,
        Self::NotAdopted,
        Self::LedgerUnreadable,
        Self::ServerFault,
        Self::RefreshTokenUnkept,
        Self::PluginFailed,
        Self::ReloadRefused,
        Self::RulePaused,
        Self::FiringLate,
        Self::UnknownWaits,
        Self::QueueOld,
        Self::PromiseBroken,
        Self::RecipientSuppressed,
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
            Self::ServerFault => "server_fault",
            Self::RefreshTokenUnkept => "refresh_token_unkept",
            Self::PluginFailed => "plugin_failed",
            Self::ReloadRefused => "reload_refused",
            Self::RulePaused => "rule_paused",
            Self::FiringLate => "firing_late",
            Self::UnknownWaits => "unknown_waits",
            Self::QueueOld => "queue_old",
            Self::PromiseBroken => "promise_broken",
            Self::RecipientSuppressed => "recipient_suppressed",
            Self::ArchiveFailed => "archive_failed",
        }
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
            Self::ServerFault => (
                "A mail server takes nothing from us as we are: sign-in, certificate or policy.",
                "Mend the account or the server's settings in config.yaml. What is queued waits and goes then.",
            ),
            Self::RefreshTokenUnkept => (
                "A token server put a new refresh token in the place of the old one, and it could not be written to its file: after the next start nobody can sign in with the old one.",
                "Let the service write the file and its folder, or name a file with `${file:/path}`; where the old token is good no longer, agree anew.",
            ),
            Self::PluginFailed => {
                ("A plugin hangs, crashes or answers what it must not.", "`dunlin plugin test` shows it apart from the daemon.")
            }
            Self::ReloadRefused => (
                "The files have changed, but the new state has errors; what was in force before still is.",
                "Mend the problems shown; the change is taken up by itself.",
            ),
            Self::RulePaused => (
                "A rule's file has errors or is gone, so the rule does not run. Others do.",
                "Mend the file, or bring it back. To end a rule for good, remove its file and restart the daemon.",
            ),
            Self::FiringLate => (
                "A rule's time has been over for more than ten minutes and it has not run.",
                "See whether a long run is under way, or the ledger cannot be read.",
            ),
            Self::UnknownWaits => (
                "The connection broke after a mail's final dot: nobody can know whether it arrived. It is never sent again by itself.",
                "Ask the recipient or look into the server's log; then `dunlin outbox accept` or `dunlin outbox renew`.",
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
    /// In words, with the rule, server or count it is about.
    pub words: String,
}

/// Returns everything that is not as it should be, the worst first. `unread` is why the database could not be read.
pub(crate) fn reasons(status: &Status, unread: Option<String>) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = Vec::new();
    let mut add = |kind, words| reasons.push(Reason { kind, words });
    let now = status.now;
    // Both ways: a beat from the future is from before the clock was set back.
    let silence = now.duration_since(status.beat_at).unsigned_abs();
    if silence > BEAT_SILENCE_MAX {
        add(ReasonKind::LoopStuck, format!("The loop last moved at {}", second(status.beat_at)));
    }
    if let Some(words) = unread {
        add(ReasonKind::StoreUnreadable, words);
    }
    if let Some(words) = &status.away {
        add(ReasonKind::NotAdopted, words.clone());
    }
    for fault in &status.faults {
        let about = if fault.about.is_empty() { String::new() } else { format!("{}: ", fault.about) };
        let diagnosis = if fault.kind == FaultKind::ServerFault { diagnose_words(&fault.words) } else { None };
        let advice = diagnosis.map_or_else(String::new, |found| format!(". {} {}", found.meaning, found.next_step));
        add(fault.kind.reason(), format!("{about}{} (since {}){advice}", fault.words, second(fault.since)));
    }
    if let Some(reload) = status.reload.as_ref().filter(|reload| !reload.is_taken) {
        let words = format!("The change of {} is not in force: {}", second(reload.at), counted(reload.errors, "error"));
        add(ReasonKind::ReloadRefused, words);
    }
    for paused in &status.paused {
        let why = match paused.reason {
            PauseReason::Broken => "has errors",
            PauseReason::Vanished => "is gone",
        };
        add(ReasonKind::RulePaused, format!("{} does not run, since {} {why}", paused.rule, paused.file));
    }
    for firing in status.next_firings.iter().filter(|firing| is_over(firing.at, FIRING_LATE_MAX, now)) {
        let words = format!("{} was to run at {} ({})", firing.rule, firing.local, firing.time_zone);
        add(ReasonKind::FiringLate, words);
    }
    for open in status.messages.iter().flatten() {
        let Some(oldest_at) = open.oldest_at else { continue };
        match open.state {
            State::Unknown => {
                add(ReasonKind::UnknownWaits, format!("{} for a person to decide", wait(open.count)));
            }
            // What waits for the end of quiet hours, or has waited for it, has not been waiting for us.
            State::Queued
                if status.quiet_until.is_none()
                    && is_over(status.quiet_ended_at.map_or(oldest_at, |end| end.max(oldest_at)), QUEUE_WAIT_MAX, now) =>
            {
                let words = format!("{} in the queue, the oldest since {}", wait(open.count), second(oldest_at));
                add(ReasonKind::QueueOld, words);
            }
            _ => {}
        }
    }
    if let Some(asked) = &status.asked {
        if asked.broken_promises > 0 {
            add(
                ReasonKind::PromiseBroken,
                format!("{} nobody has seen to", counted(asked.broken_promises as usize, "broken promise")),
            );
        }
        if asked.suppressed_mails > 0 {
            let mails = counted(asked.suppressed_mails as usize, "mail");
            add(ReasonKind::RecipientSuppressed, format!("{mails} for suppressed addresses alone"));
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
            Self::ServerFault => ReasonKind::ServerFault,
            Self::RefreshTokenUnkept => ReasonKind::RefreshTokenUnkept,
            Self::PluginFailed => ReasonKind::PluginFailed,
            Self::ArchiveFailed => ReasonKind::ArchiveFailed,
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

fn wait(count: u64) -> String {
    if count == 1 { "1 mail waits".to_owned() } else { format!("{count} mails wait") }
}

/// Returns an instant to the second, in UTC.
fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
