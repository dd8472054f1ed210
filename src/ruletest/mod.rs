//! Tests of rules: what a rule has to do, case by case, as a person in finance writes it. Texts in; cases or all problems
//! out, and the comparison of what was expected with what came.
//!
//! Nothing here plans or composes: the engine plays the days of a case and hands over what came of them. `keys` is the list
//! of what may stand in a file, `read` reads cases, `ledger` their receivables, `expect` what has to come of them, `compare`
//! tells the difference; `disguise` and `write` make a case from a real customer.

mod compare;
mod day;
mod disguise;
mod expect;
mod keys;
mod ledger;
mod read;
mod reference;
mod write;

use crate::domain::date::Date;
use crate::domain::hold::HoldTerm;
use crate::domain::id::{CustomerId, DocumentNumber, LevelId, RecipientKey, RuleId};
use crate::domain::money::Currency;
use crate::domain::problem::Place;
use crate::plan::history::Standing;
use crate::rule::Rule;

pub use compare::{Came, CameDecision, CameMail, Difference, compare};
pub use day::Days;
pub use disguise::Disguise;
pub use expect::{Expected, ExpectedMail, ExpectedNothing};
pub use keys::rule_test_schema;
pub use ledger::{Columns, DocumentRow, PaymentRow, ROWS_MAX, RowAttributes, Rows};
pub use read::{CASES_MAX, DAYS_MAX, STRETCHES_MAX, read_cases};
pub use reference::rule_tests_page;
pub use write::Draft;

/// The ending of the files that hold cases: `overdue.test.yaml` beside `overdue.yaml`.
pub const ENDING: &str = ".test.yaml";

/// What the cases of a file may name.
#[derive(Clone, Debug)]
pub struct Known<'k> {
    /// The recipient keys of config.yaml.
    pub recipient_keys: Vec<RecipientKey>,
    /// The senders of config.yaml.
    pub senders: Vec<String>,
    /// The currency of rows that name none.
    pub currency: Currency,
    /// The rules that are right.
    pub rules: &'k [Rule],
    /// The rule that the file is a test of.
    pub own: &'k Rule,
    /// The ids of rules that are left out because of their errors.
    pub broken: Vec<String>,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// What it goes back to: a complaint, a request, a law.
    pub cites: Vec<String>,
    /// How its days are counted.
    pub days: Days,
    /// The rules that are planned together, the file's own among them.
    pub rules: Vec<RuleId>,
    /// What is there on the first day.
    pub receivables: Receivables,
    /// What was sent before.
    pub history: Past,
    /// What people have put on hold.
    pub holds: Vec<Hold>,
    /// Addresses that nothing is sent to.
    pub suppressed: Vec<String>,
    /// What happens, in order; never empty.
    pub stretches: Vec<Stretch>,
}

/// What is there on the first day of a case.
#[derive(Clone, Debug)]
pub enum Receivables {
    /// Rows of the case itself.
    Rows(Rows),
    /// Files of the workspace, read by its own mapping.
    Csv(CsvNames),
}

/// Files of the workspace by what they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsvNames {
    /// Customers.
    pub customers: Option<String>,
    /// Invoices.
    pub invoices: String,
    /// Credit notes.
    pub credit_notes: Option<String>,
    /// Payments.
    pub payments: Option<String>,
}

/// What was sent before the first day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The day on which the rules first ran; `None`: the case's first day.
    pub started_on: Option<Date>,
    /// The mails.
    pub mails: Vec<SentMail>,
    /// The events that were there when a notice rule first ran.
    pub baseline: Vec<String>,
}

/// A mail that was sent before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMail {
    /// By which rule.
    pub rule: RuleId,
    /// To whom.
    pub customer: CustomerId,
    /// In which currency.
    pub currency: Currency,
    /// What it was about.
    pub matter: SentMatter,
    /// The day it was decided for.
    pub on: Date,
    /// What became of it.
    pub standing: Standing,
}

/// What a mail that was sent before was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentMatter {
    /// A reminder of these invoices.
    Reminder {
        /// Its level.
        level: LevelId,
        /// Which mail at that level, from 0.
        repeat: u32,
        /// The invoices.
        items: Vec<DocumentNumber>,
    },
    /// A statement of this period, or a notice of this event.
    Occasion(String),
}

/// What a person has put on hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Whom, or which invoice.
    pub on: HoldOn,
    /// Why, and how long.
    pub term: HoldTerm,
}

/// What a hold is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldOn {
    /// A customer.
    Customer(CustomerId),
    /// An invoice.
    Invoice(DocumentNumber),
}

/// One day of a case, or days in a row.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Where it stands.
    pub place: Place,
    /// Which days are played.
    pub span: Played,
    /// What is booked from then on, besides what is there.
    pub booked: Rows,
    /// The invoices that are paid in full from then on.
    pub paid: Vec<DocumentNumber>,
    /// What people put on hold then.
    pub holds: Vec<Hold>,
    /// What has to come of it.
    pub expected: Expected,
}

/// Which days a stretch plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Played {
    /// This day, whether a rule fires on it or not.
    Day(Date),
    /// Each day of these, first and last included, on which a rule fires by its schedule.
    Through(Date, Date),
}

impl Played {
    /// Returns the first day.
    pub fn first(self) -> Date {
        match self {
            Self::Day(day) | Self::Through(day, _) => day,
        }
    }

    /// Returns the last day.
    pub fn last(self) -> Date {
        match self {
            Self::Day(day) | Self::Through(_, day) => day,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
