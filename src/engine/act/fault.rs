//! Why an act was not performed, and the way out.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::domain::date::Date;
use crate::domain::money::Currency;
use crate::engine::act::REASON_CHARACTERS_MAX;
use crate::engine::only::OnlyFault;
use crate::engine::reading::Unread;
use crate::outbox::intervention::Intervention;
use crate::outbox::state::State;
use crate::store::StoreError;
use crate::store::matches::MatchOutcome;
use crate::store::person::Meant;

/// How many ids a sentence names before it only counts them.
const NAMED_MAX: usize = 10;

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum ActFault {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no ledger to decide by.
    #[error(transparent)]
    Ledger(Unread),
    /// No such rule, or it has errors.
    #[error("There is no rule `{rule}` without errors")]
    RuleUnknown {
        /// What was asked for.
        rule: String,
    },
    /// The rule's file is broken or gone, and nobody knows what its author wants sent.
    #[error("The rule `{rule}` is paused: its file is broken or gone")]
    RulePaused {
        /// What was asked for.
        rule: String,
    },
    /// The one subject cannot be found.
    #[error(transparent)]
    Only(#[from] OnlyFault),
    /// Customers cannot be written to for a day that has not come.
    #[error("{as_of} has not come, and mails for it cannot be sent today")]
    DayToCome {
        /// The day.
        as_of: Date,
    },
    /// No such run.
    #[error("There is no run {run}")]
    RunMissing {
        /// What was asked for.
        run: i64,
    },
    /// It was closed.
    #[error("Run {run} is closed")]
    RunClosed {
        /// The run.
        run: i64,
    },
    /// It belongs to the other world.
    #[error("Run {run} ran in another `mode` than the present one")]
    OtherMode {
        /// The run.
        run: i64,
    },
    /// Nothing of it waits.
    #[error("Run {run} holds no waiting mail")]
    NothingWaits {
        /// The run.
        run: i64,
    },
    /// Nothing of it is queued.
    #[error("Run {run} has no queued mail")]
    NothingQueued {
        /// The run.
        run: i64,
    },
    /// Neither ids nor a filter.
    #[error("No mail was chosen")]
    NothingChosen,
    /// The filter lets nothing through.
    #[error("No mail matches")]
    NothingMatches,
    /// Some of the messages do not allow it.
    #[error("Nothing was changed: {}", misfit_words(.misfits))]
    Misfits {
        /// What was asked for.
        intervention: Intervention,
        /// Those that do not allow it.
        misfits: Vec<Meant>,
    },
    /// No such hold.
    #[error("There is no hold {hold}")]
    HoldMissing {
        /// What was asked for.
        hold: i64,
    },
    /// It has ended before.
    #[error("Hold {hold} has ended")]
    HoldOver {
        /// The hold.
        hold: i64,
    },
    /// It would have ended before it began.
    #[error("{until} has passed, and a hold up to it would hold nothing")]
    HoldPast {
        /// The day.
        until: Date,
    },
    /// No reason was given.
    #[error("No reason was given")]
    ReasonMissing,
    /// The reason is too long.
    #[error("The reason has {count} characters; at most {REASON_CHARACTERS_MAX} are kept")]
    ReasonTooLong {
        /// How many.
        count: usize,
    },
    /// Not an address.
    #[error("`{address}` is not an e-mail address")]
    NoAddress {
        /// What was given.
        address: String,
    },
    /// It is suppressed already.
    #[error("`{address}` is suppressed already")]
    SuppressedAlready {
        /// The address.
        address: String,
    },
    /// It is not suppressed.
    #[error("`{address}` is not suppressed")]
    NotSuppressed {
        /// The address.
        address: String,
    },
    /// Nothing was named to be applied.
    #[error("No bank line was named")]
    NoLines,
    /// It is no line that a bank's file gave.
    #[error("`{line}` is not a bank line")]
    NoBankLine {
        /// What was given.
        line: String,
    },
    /// It was certain when it was shown, and is not by the ledger of now.
    #[error("What the bank line {line} pays is not certain any more")]
    NotCertain {
        /// The line.
        line: String,
    },
    /// It is applied already.
    #[error("The bank line {line} is applied already (match {id})")]
    LineTaken {
        /// The line.
        line: String,
        /// The match.
        id: i64,
    },
    /// No such invoice.
    #[error("There is no invoice `{number}` in the ledger")]
    InvoiceMissing {
        /// What was named.
        number: String,
    },
    /// Nothing of it is open.
    #[error("Nothing of the invoice {number} is open")]
    NothingOpen {
        /// The invoice.
        number: String,
    },
    /// The line's money is used up before it.
    #[error("Nothing of the bank line is left for the invoice {number}")]
    UsedUp {
        /// The invoice.
        number: String,
    },
    /// The line is in another currency.
    #[error("The invoice {number} is in {own}, the bank line in {line}")]
    OtherCurrency {
        /// The invoice.
        number: String,
        /// Its currency.
        own: Currency,
        /// The line's.
        line: Currency,
    },
    /// The invoices are of several customers.
    #[error("The bank line {line} cannot pay invoices of several customers")]
    SeveralCustomers {
        /// The line.
        line: String,
    },
    /// No such match.
    #[error("There is no match {id}")]
    MatchMissing {
        /// What was asked for.
        id: i64,
    },
    /// It counts no longer.
    #[error("Match {id} {}", match .outcome { MatchOutcome::Booked => "is in the books now", MatchOutcome::Undone => "was undone before" })]
    MatchOver {
        /// The match.
        id: i64,
        /// What became of it.
        outcome: MatchOutcome,
    },
    /// It is where it belongs.
    #[error("The database is at home here; there is nothing to adopt")]
    AtHome,
    /// Nobody can vouch that nothing was sent.
    #[error("This is not the last state of the database that was here, so something may have been sent since")]
    Lost,
    /// It is not where it belongs.
    #[error("The database is not at home, so nothing of it is sent again")]
    Away,
    /// Nothing has run yet.
    #[error("There is no database yet")]
    NoDatabase,
    /// config.yaml keeps everything for ever.
    #[error("config.yaml says nothing of how long things are kept")]
    NoRetention,
    /// Only a daemon can do it, and this is none.
    #[error("No daemon runs here")]
    NoDaemon,
}

impl ActFault {
    /// Returns the way out, if one is known.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(StoreError::InUse { .. }) => "wait until it has ended; one process sends at a time",
            Self::Ledger(unread) if unread.is_passing() => "ask again in ten seconds",
            Self::Ledger(Unread::Stale { .. }) => "see why no new export has come; then ask again",
            Self::Ledger(_) => "`dunlin check` shows each place",
            Self::RulePaused { .. } => "mend the file that `dunlin check` names",
            Self::RuleUnknown { .. } => "`dunlin check` lists the rules and their errors",
            Self::Only(fault) => return fault.hint().map(str::to_owned),
            Self::DayToCome { .. } => "`dunlin plan --as-of`, `mode: redirect` and `mode: dry` look ahead",
            Self::RunMissing { .. } | Self::RunClosed { .. } => "`dunlin runs` lists them",
            Self::OtherMode { .. } => "set `mode` back in config.yaml, or leave that run alone",
            Self::NothingWaits { run } | Self::NothingQueued { run } => {
                return Some(format!("`dunlin runs show {run}` tells how its mails stand"));
            }
            Self::NothingChosen => "name ids, or a state and a further filter",
            Self::NothingMatches => "`dunlin outbox` lists them",
            Self::Misfits { intervention, misfits } => return Some(way_out(*intervention, misfits)),
            Self::HoldMissing { .. } | Self::HoldOver { .. } => "`dunlin hold list --all` lists them",
            Self::HoldPast { .. } => "name today or a later day",
            Self::ReasonMissing => "say in a few words why: `--reason \"goods came damaged\"`",
            Self::ReasonTooLong { .. } => "say it in fewer words",
            Self::NoAddress { .. } => "write `name@example.com` and nothing else",
            Self::SuppressedAlready { .. } | Self::NotSuppressed { .. } => "`dunlin suppress list` lists them",
            Self::NoLines | Self::NoBankLine { .. } => {
                "`dunlin match FILE` lists the lines; name one with its invoice: `LINE=INVOICE`"
            }
            Self::NotCertain { .. } => "`dunlin match FILE` shows what it may pay now; apply it with `LINE=INVOICE`",
            Self::LineTaken { .. } => "`dunlin match list` shows it; `dunlin match undo` takes it back",
            Self::InvoiceMissing { .. } => "name it as the ledger does",
            Self::NothingOpen { .. } | Self::UsedUp { .. } => "leave it out, or name the invoices in another order",
            Self::OtherCurrency { .. } => "enter it in the books, with the rate of the day",
            Self::SeveralCustomers { .. } => "enter it in the books; one line pays one customer's invoices here",
            Self::MatchMissing { .. } => "`dunlin match list --all` lists them",
            Self::MatchOver { outcome: MatchOutcome::Booked, .. } => "correct it in the books",
            Self::MatchOver { .. } => "`dunlin match list --all` lists them",
            Self::AtHome => return None,
            Self::Lost => "`dunlin adopt` without `--moved` holds back what may have gone",
            Self::Away => "`dunlin adopt` tells why, and ends it",
            Self::NoDatabase => "the first run makes it",
            Self::NoRetention => "write `retention`; `dunlin schema config` and docs/reference/config.md tell its keys",
            Self::NoDaemon => "start one with `dunlin serve`",
            Self::Store(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// Returns why the mails do not allow it, state by state.
fn misfit_words(misfits: &[Meant]) -> String {
    let mut by_state: BTreeMap<Option<State>, Vec<i64>> = BTreeMap::new();
    for mail in misfits {
        by_state.entry(mail.state).or_default().push(mail.id);
    }
    let words = by_state.iter().map(|(state, ids)| match (state, ids.len()) {
        (None, 1) => format!("there is no mail {}", named(ids)),
        (None, _) => format!("there are no mails {}", named(ids)),
        (Some(state), 1) => format!("mail {} is `{}`", named(ids), state.as_str()),
        (Some(state), _) => format!("mails {} are `{}`", named(ids), state.as_str()),
    });
    words.collect::<Vec<_>>().join("; ")
}

fn named(ids: &[i64]) -> String {
    let first: Vec<String> = ids.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = ids.len() - first.len();
    if more > 0 { format!("{} +{more} more", first.join(", ")) } else { first.join(", ") }
}

fn way_out(intervention: Intervention, misfits: &[Meant]) -> String {
    let states: Vec<&str> = intervention.states().iter().map(|state| state.as_str()).collect();
    let mut words = format!("`{}` takes mails that are {}", intervention.as_str(), states.join(", "));
    let is_any = |test: fn(State) -> bool| misfits.iter().filter_map(|mail| mail.state).any(test);
    if is_any(|state| state == State::Sending) {
        words.push_str("; what a dead run left `sending` is `unknown` after the next `dunlin run`");
    }
    if intervention == Intervention::Renew && is_any(State::is_replaceable) {
        words.push_str("; the next run composes what is blocked, exhausted or withdrawn anew by itself");
    }
    if intervention == Intervention::Renew && is_any(|state| state == State::Accepted) {
        words.push_str("; `resend` sends a copy of what was accepted");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_misfit_is_named_with_its_state() {
        let meant = |id, state| Meant { id, state };
        let misfits = vec![
            meant(1, Some(State::Accepted)),
            meant(2, Some(State::Sending)),
            meant(3, Some(State::Accepted)),
            meant(9, None),
        ];
        let fault = ActFault::Misfits { intervention: Intervention::Accept, misfits };
        assert_eq!(fault.to_string(), "Nothing was changed: there is no mail 9; mail 2 is `sending`; mails 1, 3 are `accepted`");
        assert_eq!(
            fault.hint().unwrap(),
            "`accept` takes mails that are unknown; what a dead run left `sending` is `unknown` after the next `dunlin run`"
        );
        assert_eq!(
            way_out(Intervention::Renew, &[meant(1, Some(State::Exhausted)), meant(2, Some(State::Accepted))]),
            "`renew` takes mails that are waiting, queued, refused, unknown, cancelled; the next run composes what is blocked, \
             exhausted or withdrawn anew by itself; `resend` sends a copy of what was accepted"
        );
        assert_eq!(named(&(1..=12).collect::<Vec<_>>()), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 +2 more");
    }
}
