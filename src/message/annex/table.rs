//! What a letter is about as a table: a row for each item of a reminder or notice, or for each line of a statement.
//!
//! Only values, exact and unwritten: how they look is the business of the file that is made of them.

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::date::Date;
use crate::domain::document::DocumentKind;
use crate::domain::money::Currency;
use crate::domain::statement::{LineKind, StatementForm};
use crate::message::compose::{Content, Letter};

/// A column, in the order of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Kind,
    Number,
    Date,
    DueOn,
    DaysOverdue,
    Currency,
    Total,
    Open,
}

impl Column {
    pub(crate) const ALL: [Self; 8] =
        [Self::Kind, Self::Number, Self::Date, Self::DueOn, Self::DaysOverdue, Self::Currency, Self::Total, Self::Open];

    /// Returns its name for programs; templates have the same ones.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Number => "number",
            Self::Date => "date",
            Self::DueOn => "due_on",
            Self::DaysOverdue => "days_overdue",
            Self::Currency => "currency",
            Self::Total => "total",
            Self::Open => "open",
        }
    }
}

/// One document or payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) kind: LineKind,
    pub(crate) number: CompactString,
    /// Not there on a settlement of which the books do not tell the day.
    pub(crate) date: Option<Date>,
    pub(crate) due_on: Option<Date>,
    /// Not there where nothing is due on a day.
    pub(crate) days_overdue: Option<i32>,
    /// The whole amount, or by how much a movement changed the balance.
    pub(crate) total: Decimal,
    /// Not there on a movement.
    pub(crate) open: Option<Decimal>,
}

/// All rows, and what they add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) currency: Currency,
    pub(crate) rows: Vec<Row>,
    /// The sum of what is open: of a statement its balance. Not there where it lists movements, which come to no balance.
    pub(crate) open: Option<Decimal>,
}

impl Table {
    /// Returns the table of a letter.
    pub(crate) fn of(letter: &Letter<'_>) -> Self {
        let rows = match letter.content {
            Content::Statement(statement) => {
                let is_open_item = statement.form == StatementForm::OpenItem;
                let rows = statement.lines().map(|line| Row {
                    kind: line.kind,
                    number: line.number.clone(),
                    date: line.date,
                    due_on: line.due_on,
                    days_overdue: line.due_on.map(|_| line.days_overdue),
                    total: line.original,
                    open: is_open_item.then_some(line.amount),
                });
                rows.collect::<Vec<_>>()
            }
            Content::Reminder | Content::Notice(_) => {
                let rows = letter.items.iter().map(|(index, _)| {
                    let document = letter.ledger.document(*index);
                    Row {
                        kind: match document.kind {
                            DocumentKind::Invoice => LineKind::Invoice,
                            DocumentKind::CreditNote => LineKind::CreditNote,
                        },
                        number: CompactString::new(document.number.as_str()),
                        date: Some(document.issued_on),
                        due_on: document.due_on,
                        days_overdue: document.due_on.map(|_| document.days_overdue(letter.as_of)),
                        total: document.total,
                        open: Some(letter.ledger.open_on(*index, letter.as_of)),
                    }
                });
                rows.collect()
            }
        };
        let has_open = !matches!(letter.content, Content::Statement(statement) if statement.form != StatementForm::OpenItem);
        let open = has_open.then(|| rows.iter().filter_map(|row| row.open).sum());
        Self { currency: letter.currency, rows, open }
    }
}
