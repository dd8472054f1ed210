//! What a person asks the program to do, whoever does it: this process, or the daemon that holds the database.
//!
//! One list of acts and one place that performs them. A command performs an act itself where no daemon runs, and hands
//! it over its socket (`control`) where one does; either way what was done is recorded with who and when.

use serde::{Deserialize, Serialize};

use crate::outbox::intervention::Intervention;
use crate::outbox::state::State;

/// One subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// A customer, by id.
    Customer(String),
    /// An invoice, by number.
    Invoice(String),
}

/// Which messages an act is about; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chosen {
    /// Those with these ids; empty: by the rest.
    pub ids: Vec<i64>,
    /// One run's.
    pub run_id: Option<i64>,
    /// One customer's.
    pub customer_id: Option<String>,
    /// One rule's.
    pub rule_id: Option<String>,
    /// In one state.
    pub state: Option<State>,
    /// Decided for this day (`2026-11-21`) or a later one.
    pub from: Option<String>,
    /// Decided for this day or an earlier one.
    pub until: Option<String>,
    /// With this text in number, subject, name or address.
    pub text: Option<String>,
}

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Run one rule now, or all, for everybody or one subject.
    Run {
        /// The rule; `None`: all.
        rule: Option<String>,
        /// The one subject.
        only: Option<Only>,
    },
    /// Let a run's waiting mails go.
    StartRun {
        /// The run.
        run: i64,
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
        chosen: Chosen,
    },
    /// Look at the files now.
    Reload,
    /// Tell how the daemon stands.
    Status,
}

/// Returns who uses the program, as far as the system tells: `alice`, or the user's number.
pub fn person() -> String {
    let name =
        ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    name.unwrap_or_else(|| "unknown".to_owned())
}
