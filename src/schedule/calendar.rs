//! Business days: which days are neither weekend nor holiday.

use std::collections::BTreeMap;

use jiff::civil::Weekday;

use crate::domain::date::Date;

/// The days on which nobody works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    weekend: Vec<Weekday>,
    holidays: BTreeMap<Date, String>,
}
