//! Age columns: open items sorted by how many days they are past due, or old.
//!
//! Only claims have an age. Credit has none, so that no column is lowered by money nobody has set against it yet;
//! a statement shows it in a column of its own (`domain/statement`).

use crate::domain::date::{Date, Days, days_between};
use crate::domain::document::Document;

/// From which day an item's age is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgeBy {
    /// From the due date; an item without one is never overdue and stands in the first column.
    #[default]
    Due,
    /// From the day of issue.
    Issued,
}

impl AgeBy {
    /// Returns the word rule files and templates use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Issued => "issued",
        }
    }
}

/// The age columns of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ageing {
    by: AgeBy,
    /// The last day of every column but the first (`by: due`) and the last, strictly ascending, above zero.
    days: Vec<Days>,
}

impl Default for Ageing {
    fn default() -> Self {
        let days = [30, 60, 90].into_iter().filter_map(Days::new).collect();
        Self { by: AgeBy::Due, days }
    }
}

/// One age column: days past due, or since issue, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The first day; `None` in the column of what is not overdue.
    pub from_days: Option<i32>,
    /// The last day; `None` in the column of the oldest.
    pub to_days: Option<i32>,
}

impl Bucket {
    /// Returns `current`, `1–30` or `> 90`.
    pub fn label(self) -> String {
        match (self.from_days, self.to_days) {
            (None, _) => "current".to_owned(),
            (Some(from), Some(to)) => format!("{from}–{to}"),
            (Some(from), None) => format!("> {}", from - 1),
        }
    }
}

impl Ageing {
    /// Returns these columns, or `None` where the days are not strictly ascending from at least 1, or there are none.
    pub fn new(by: AgeBy, days: Vec<Days>) -> Option<Self> {
        let is_ascending = days.windows(2).all(|pair| pair[0] < pair[1]);
        let starts_right = days.first().is_some_and(|first| first.count() > 0);
        (is_ascending && starts_right).then_some(Self { by, days })
    }

    /// Returns from which day ages are counted.
    pub fn by(&self) -> AgeBy {
        self.by
    }

    /// Returns the columns from the youngest to the oldest. By due date the first is that of what is not overdue.
    pub fn buckets(&self) -> Vec<Bucket> {
        let (mut buckets, mut from_days) = match self.by {
            AgeBy::Due => (vec![Bucket { from_days: None, to_days: Some(0) }], 1),
            AgeBy::Issued => (Vec::new(), 0),
        };
        for last in self.days.iter().map(|days| days.count()) {
            buckets.push(Bucket { from_days: Some(from_days), to_days: Some(last) });
            from_days = last + 1;
        }
        buckets.push(Bucket { from_days: Some(from_days), to_days: None });
        buckets
    }

    /// Returns the place of the column that a claim stands in at the end of `as_of`.
    pub fn bucket_of(&self, document: &Document, as_of: Date) -> usize {
        let age = match self.by {
            AgeBy::Due => document.days_overdue(as_of),
            AgeBy::Issued => days_between(document.issued_on, as_of),
        };
        let passed = self.days.iter().filter(|last| age > last.count()).count();
        match self.by {
            AgeBy::Due if age <= 0 => 0,
            AgeBy::Due => passed + 1,
            AgeBy::Issued => passed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::document::DocumentKind;
    use crate::domain::id::DocumentNumber;
    use crate::domain::ledger::CustomerIndex;
    use crate::domain::money::Currency;
    use jiff::civil::date;
    use rust_decimal::Decimal;

    fn ageing(by: AgeBy, days: &[u32]) -> Option<Ageing> {
        Ageing::new(by, days.iter().map(|days| Days::new(*days).unwrap()).collect())
    }

    fn label(ageing: &Ageing, issued_on: Date, due_on: Option<Date>) -> String {
        let document = Document {
            number: DocumentNumber::new("1"),
            customer: CustomerIndex(0),
            kind: DocumentKind::Invoice,
            currency: Currency::parse("EUR").unwrap(),
            issued_on,
            due_on,
            settled_on: None,
            total: Decimal::ONE,
            open: None,
            disputed: false,
            approved: true,
            hold_until: None,
            promised_on: None,
            row: 0,
        };
        ageing.buckets()[ageing.bucket_of(&document, date(2028, 2, 29))].label()
    }

    #[test]
    fn a_claim_stands_in_the_column_of_its_age() {
        let by_due = Ageing::default();
        let by_issued = ageing(AgeBy::Issued, &[30, 60]).unwrap();
        let day = |before: i32| crate::domain::date::shifted(date(2028, 2, 29), -before);
        for (age, due, issued) in [
            (-5, "current", "0–30"),
            (0, "current", "0–30"), // On the due date it is not overdue.
            (1, "1–30", "0–30"),
            (30, "1–30", "0–30"),
            (31, "31–60", "31–60"),
            (60, "31–60", "31–60"),
            (61, "61–90", "> 60"),
            (90, "61–90", "> 60"),
            (91, "> 90", "> 60"),
            (4_000, "> 90", "> 60"),
        ] {
            assert_eq!(label(&by_due, day(500), Some(day(age))), due, "{age} days past due");
            assert_eq!(label(&by_issued, day(age), Some(day(0))), issued, "{age} days old");
        }
        assert_eq!(label(&by_due, day(500), None), "current", "without a due date nothing is ever overdue");
        assert_eq!(label(&by_issued, day(500), None), "> 60");
    }

    #[test]
    fn columns_ascend_and_leave_no_gap() {
        let labels = |ageing: &Ageing| ageing.buckets().into_iter().map(Bucket::label).collect::<Vec<_>>();
        assert_eq!(labels(&Ageing::default()), ["current", "1–30", "31–60", "61–90", "> 90"]);
        assert_eq!(labels(&ageing(AgeBy::Issued, &[14]).unwrap()), ["0–14", "> 14"]);
        for bad in [&[][..], &[0, 30], &[30, 30], &[60, 30]] {
            assert_eq!(ageing(AgeBy::Due, bad), None, "{bad:?}");
        }
    }
}
