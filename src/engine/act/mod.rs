//! What a person asks the program to do, whoever does it: this process, or the daemon that holds the database.
//!
//! One list of acts, and one place that performs them (`perform`). A command performs an act itself where no daemon
//! runs, and hands it over the socket (`engine::door`) where one does; either way what was done is recorded with who and
//! when, in the transaction of its effect.

mod apply;
mod fault;
mod perform;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::control;
use crate::domain::bank::{BankLine, MatchPart};
use crate::domain::date::Date;
use crate::domain::hold::HoldKind;
use crate::domain::ledger::Ledger;
use crate::engine::home::{Difference, Since};
use crate::engine::retention::Pruned;
use crate::outbox::intervention::Intervention;
use crate::store::holds::{HoldSubject, HoldView};
use crate::store::matches::{MatchView, NewMatch};
use crate::store::person::Meant;
use crate::store::search::MessageFilter;

pub use crate::engine::act::fault::ActFault;
pub use crate::engine::act::perform::{Context, REASON_CHARACTERS_MAX, Schedules, perform, without_database};

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Run one rule now, or all, for everybody or one subject: decide and queue.
    Run {
        /// The rule; `None`: all.
        rule: Option<String>,
        /// The one subject: a customer's id or an invoice's number.
        only: Option<String>,
        /// The day to decide for; `None`: today.
        as_of: Option<Date>,
    },
    /// Let a run's waiting mails go.
    StartRun {
        /// The run.
        run: i64,
        /// The day the ledger is read as of; `None`: today.
        as_of: Option<Date>,
    },
    /// Hold a run's queued mails back.
    StopRun {
        /// The run.
        run: i64,
    },
    /// Cancel what a run has not sent yet.
    CloseRun {
        /// The run.
        run: i64,
    },
    /// Decide about messages.
    Intervene {
        /// What.
        intervention: Intervention,
        /// With which.
        chosen: MessageFilter,
    },
    /// Leave a customer or an invoice alone for a while.
    AddHold {
        /// A customer's id or an invoice's number.
        subject: String,
        /// Why, in one word.
        kind: HoldKind,
        /// The last day.
        until: Date,
        /// Why, in the person's words.
        reason: String,
    },
    /// End a hold before its day, or take note of a broken promise.
    EndHold {
        /// The hold.
        hold: i64,
    },
    /// Send nothing to an address any more.
    Suppress {
        /// The address.
        address: String,
        /// Why, in the person's words.
        reason: String,
    },
    /// Let mail go to an address again.
    Unsuppress {
        /// The address.
        address: String,
    },
    /// Apply bank lines to invoices.
    ApplyMatches {
        /// The lines, with the invoices they pay.
        choices: Vec<MatchChoice>,
    },
    /// Undo a match before the books show it.
    UndoMatch {
        /// The match.
        id: i64,
    },
    /// Give the database this place as its home.
    Adopt {
        /// What is known of the time since its state was copied.
        since: Since,
    },
    /// Move what is over into the archive.
    Prune,
    /// Look at the files now. Only the daemon does it.
    Reload,
    /// Tell how the daemon stands. Only the daemon does it.
    Status,
}

impl Act {
    /// Returns the word that the log uses.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Run { .. } => "run",
            Self::StartRun { .. } => "start",
            Self::StopRun { .. } => "stop",
            Self::CloseRun { .. } => "close",
            Self::Intervene { intervention, .. } => intervention.as_str(),
            Self::AddHold { .. } => "hold",
            Self::EndHold { .. } => "end_hold",
            Self::Suppress { .. } => "suppress",
            Self::Unsuppress { .. } => "unsuppress",
            Self::ApplyMatches { .. } => "match",
            Self::UndoMatch { .. } => "undo_match",
            Self::Adopt { .. } => "adopt",
            Self::Prune => "prune",
            Self::Reload => "reload",
            Self::Status => "status",
        }
    }
}

impl Act {
    /// Returns whether it can do nothing where nothing has run yet, and so needs no database to be made for it.
    pub fn needs_past(&self) -> bool {
        !matches!(self, Self::Run { .. } | Self::AddHold { .. } | Self::Suppress { .. } | Self::ApplyMatches { .. })
    }
}

impl Done {
    /// Returns the run it was about, if it was about one.
    pub fn run_id(&self) -> Option<i64> {
        match self {
            Self::Run(RunDone { run, .. })
            | Self::StartRun { run, .. }
            | Self::StopRun { run, .. }
            | Self::CloseRun { run, .. } => Some(*run),
            Self::Intervene { .. }
            | Self::AddHold { .. }
            | Self::EndHold { .. }
            | Self::Suppress { .. }
            | Self::Unsuppress { .. }
            | Self::ApplyMatches { .. }
            | Self::UndoMatch { .. }
            | Self::Adopt { .. }
            | Self::Prune(_)
            | Self::Told { .. } => None,
        }
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "done", rename_all = "snake_case")]
pub enum Done {
    /// A run was decided; its mails are queued or wait, and have not been sent yet.
    Run(RunDone),
    /// A run's waiting mails were queued.
    StartRun {
        /// The run.
        run: i64,
        /// How many were queued.
        released: usize,
        /// How many queued mails, these or older ones, were withdrawn at once as no longer due.
        withdrawn: usize,
    },
    /// A run's queued mails wait now.
    StopRun {
        /// The run.
        run: i64,
        /// How many wait now.
        stopped: usize,
        /// How many are on the wire and end by themselves.
        under_way: usize,
    },
    /// What a run had not sent was cancelled.
    CloseRun {
        /// The run.
        run: i64,
        /// How many were cancelled.
        cancelled: usize,
        /// How many are on the wire and end by themselves.
        under_way: usize,
    },
    /// Messages were decided about.
    Intervene {
        /// What.
        intervention: Intervention,
        /// Which, with their states before.
        mails: Vec<Meant>,
    },
    /// A hold was set.
    AddHold {
        /// Its id.
        hold: i64,
        /// Whom it is on.
        subject: HoldSubject,
        /// Why.
        kind: HoldKind,
        /// The last day.
        until: Date,
        /// How many mails that waited or were queued were taken back.
        withdrawn: usize,
        /// How many are on the wire and end by themselves.
        under_way: usize,
    },
    /// A hold was ended.
    EndHold {
        /// The hold.
        hold: HoldView,
        /// Whether it was a broken promise, of which a person has taken note.
        settled: bool,
    },
    /// An address was suppressed.
    Suppress {
        /// The address.
        address: String,
        /// How many mails that waited or were queued were taken back.
        withdrawn: usize,
    },
    /// Mail may go to an address again.
    Unsuppress {
        /// The address.
        address: String,
    },
    /// Bank lines were applied.
    ApplyMatches {
        /// What they pay.
        matches: Vec<AppliedMatchView>,
        /// How many mails that waited or were queued were taken back.
        withdrawn: usize,
        /// How many are on the wire and end by themselves.
        under_way: usize,
    },
    /// A match was undone.
    UndoMatch {
        /// The match.
        undone: Box<MatchView>,
    },
    /// The database is at home here.
    Adopt {
        /// In what it had not been.
        differences: Vec<Difference>,
        /// How many mails became `unknown`.
        unknown: usize,
    },
    /// What is over was moved into the archive.
    Prune(Pruned),
    /// What the daemon has to tell about itself.
    Told {
        /// Its own shape.
        body: serde_json::Value,
    },
}

/// A run as it was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDone {
    /// The run.
    pub run: i64,
    /// The day it decided for.
    pub as_of: Date,
    /// How its messages stand, states without any left out.
    pub counts: BTreeMap<String, u64>,
    /// How many subjects get nothing.
    pub declined: usize,
    /// Queued messages of earlier runs that go along.
    pub left_over: usize,
    /// Queued messages of earlier runs that were withdrawn as no longer due.
    pub withdrawn: usize,
    /// Holds whose day the run found passed.
    pub ended_holds: Vec<HoldView>,
    /// Matches that the run found in the books.
    pub booked_matches: Vec<i64>,
}

/// A bank line with the invoices it pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchChoice {
    /// The line.
    pub line: BankLine,
    /// The invoices' numbers, in the order in which the money goes to them; `None`: those that are certain.
    pub invoices: Option<Vec<String>>,
}

/// What a bank line was applied to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedMatchView {
    /// The match.
    pub id: i64,
    /// The line.
    pub line: BankLine,
    /// The customer's id.
    pub customer: String,
    /// The customer's name.
    pub name: String,
    /// The invoices with what goes to each.
    pub parts: Vec<MatchPart>,
}

impl AppliedMatchView {
    /// Returns a match as it is about to be applied; its id is not known yet.
    fn of(new: &NewMatch, ledger: &Ledger) -> Self {
        let index = ledger.find_customer(&new.customer);
        let name = index.map_or_else(String::new, |index| ledger.customer(index).name.to_string());
        Self { id: 0, line: new.line.clone(), customer: new.customer.clone(), name, parts: new.parts.clone() }
    }
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done.
    Done(Done),
    /// Nothing was changed.
    Failed {
        /// Why.
        message: String,
        /// The way out, if one is known.
        hint: Option<String>,
    },
}

impl From<Result<Done, ActFault>> for Answer {
    fn from(result: Result<Done, ActFault>) -> Self {
        match result {
            Ok(done) => Self::Done(done),
            Err(fault) => Self::Failed { message: fault.to_string(), hint: fault.hint() },
        }
    }
}

/// Returns who uses the program: `alice`, or `alice (uid 1001)` where the system knows that user by another name.
pub fn person() -> String {
    control::own_name()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;
    use crate::outbox::state::State;

    #[test]
    fn every_act_goes_over_the_wire_and_back_and_a_stranger_does_not() {
        let line = BankLine {
            id: "0a".into(),
            booked_on: "2026-11-21".parse().unwrap(),
            amount: rust_decimal::dec!(5.00),
            currency: Currency::parse("EUR").unwrap(),
            payer: "Abc".into(),
            account: String::new(),
            reference: "R-1".into(),
        };
        let chosen = MessageFilter { ids: vec![3], states: vec![State::Unknown], ..MessageFilter::default() };
        for (act, line) in [
            (
                Act::Run { rule: Some("overdue".into()), only: None, as_of: "2026-11-21".parse().ok() },
                r#"{"act":"run","rule":"overdue","only":null,"as_of":"2026-11-21"}"#,
            ),
            (Act::StartRun { run: 1, as_of: None }, r#"{"act":"start_run","run":1,"as_of":null}"#),
            (Act::StopRun { run: 1 }, r#"{"act":"stop_run","run":1}"#),
            (Act::CloseRun { run: 1 }, r#"{"act":"close_run","run":1}"#),
            (
                Act::Intervene { intervention: Intervention::Accept, chosen },
                r#"{"act":"intervene","intervention":"accept","chosen":{"ids":[3],"run_id":null,"customer_id":null,"rule_id":null,"states":["unknown"],"from":null,"until":null,"text":null}}"#,
            ),
            (
                Act::AddHold {
                    subject: "R-1".into(),
                    kind: HoldKind::Promise,
                    until: "2026-12-01".parse().unwrap(),
                    reason: "said so".into(),
                },
                r#"{"act":"add_hold","subject":"R-1","kind":"promise","until":"2026-12-01","reason":"said so"}"#,
            ),
            (Act::EndHold { hold: 7 }, r#"{"act":"end_hold","hold":7}"#),
            (
                Act::Suppress { address: "ap@abc.example".into(), reason: "left".into() },
                r#"{"act":"suppress","address":"ap@abc.example","reason":"left"}"#,
            ),
            (Act::Unsuppress { address: "ap@abc.example".into() }, r#"{"act":"unsuppress","address":"ap@abc.example"}"#),
            (
                Act::ApplyMatches { choices: vec![MatchChoice { line, invoices: Some(vec!["R-1".into()]) }] },
                r#"{"act":"apply_matches","choices":[{"line":{"id":"0a","booked_on":"2026-11-21","amount":"5.00","currency":"EUR","payer":"Abc","account":"","reference":"R-1"},"invoices":["R-1"]}]}"#,
            ),
            (Act::UndoMatch { id: 3 }, r#"{"act":"undo_match","id":3}"#),
            (Act::Adopt { since: Since::Nothing }, r#"{"act":"adopt","since":"nothing"}"#),
            (Act::Prune, r#"{"act":"prune"}"#),
            (Act::Reload, r#"{"act":"reload"}"#),
            (Act::Status, r#"{"act":"status"}"#),
        ] {
            assert_eq!(serde_json::to_string(&act).unwrap(), line);
            assert_eq!(serde_json::from_str::<Act>(line).unwrap(), act);
        }
        for stranger in [r#"{"act":"erase"}"#, r#"{"act":"stop_run"}"#, r#"{"act":"stop_run","run":1,"all":true}"#] {
            assert!(serde_json::from_str::<Act>(stranger).is_err(), "{stranger}");
        }
    }
}
