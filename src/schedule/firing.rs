//! When a rule runs: from a cron expression, a zone and a calendar to instants, through both clock changes of the year.

use jiff::Zoned;
use jiff::civil::DateTime;

/// One time at which a rule is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The scheduled local time, after any shift: what the firing is known by.
    pub local: DateTime,
    /// The instant it falls on.
    pub at: Zoned,
    /// Why it is not when the cron expression says, in words for people; empty where it is.
    pub notes: Vec<String>,
}
