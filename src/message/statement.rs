//! What only statements have, as templates see it. Every name here is in the table of `variables.rs`.

use std::sync::Arc;

use minijinja::Value;
use rust_decimal::Decimal;

use crate::domain::ageing::Bucket;
use crate::domain::date::shifted;
use crate::domain::ledger::AccountScope;
use crate::domain::money::Money;
use crate::domain::statement::{AccountPart, Claim, LineKind, StatementForm, StatementLine, StatementOfAccount};
use crate::message::compose::Letter;
use crate::message::context::{is_disputed, promised_on};
use crate::template::{Reader, date_value, money_value, record_value};

/// Returns the values that a statement adds to those of every mail.
pub(crate) fn statement_values(
    letter: &Letter<'_>,
    statement: &StatementOfAccount,
    reader: &Arc<Reader>,
) -> Vec<(&'static str, Value)> {
    let writer = Writer { letter, statement, reader };
    let claim = statement.claim();
    let period = [("from", date_value(statement.period.from, reader)), ("to", date_value(statement.period.to, reader))];
    let lines: Vec<Vec<Value>> = statement.accounts.iter().map(|part| writer.lines(part)).collect();
    let branches: Vec<Value> = match statement.scope {
        AccountScope::Customer => Vec::new(),
        AccountScope::Group => statement.accounts.iter().zip(&lines).map(|(part, lines)| writer.branch(part, lines)).collect(),
    };
    let fixed = [
        ("form", statement.form.as_str().into()),
        ("lines", lines.into_iter().flatten().collect()),
        ("branches", branches.into()),
        ("aged_by", statement.aged_by.as_str().into()),
    ];
    let whole = record_value(fixed.into_iter().chain(writer.claim(claim.as_ref())));
    vec![("period", record_value(period)), ("statement", whole), ("ageing", writer.ages(claim.as_ref()))]
}

struct Writer<'a> {
    letter: &'a Letter<'a>,
    statement: &'a StatementOfAccount,
    reader: &'a Arc<Reader>,
}

impl Writer<'_> {
    fn money(&self, amount: Decimal) -> Value {
        money_value(Money { amount, currency: self.statement.currency }, self.reader)
    }

    /// Returns what is claimed; nothing of it is defined where nothing is.
    fn claim(&self, claim: Option<&Claim>) -> impl Iterator<Item = (&'static str, Value)> {
        let opening = claim.and_then(|claim| claim.opening);
        let opening_on = shifted(self.statement.period.from, -1);
        let shown = claim.map(|claim| {
            [("balance", claim.balance), ("overdue", claim.overdue), ("unapplied", claim.unapplied)]
                .map(|(name, amount)| (name, self.money(amount)))
        });
        let brought = opening.zip(claim).map(|(opening, claim)| {
            [
                ("opening", self.money(opening)),
                ("opening_on", date_value(opening_on, self.reader)),
                ("moved", self.money(claim.balance - opening)),
            ]
        });
        shown.into_iter().flatten().chain(brought.into_iter().flatten())
    }

    fn ages(&self, claim: Option<&Claim>) -> Value {
        let ages = claim.map_or(&[][..], |claim| &claim.ages).iter().zip(&self.statement.buckets);
        let age = |(amount, bucket): (&Decimal, &Bucket)| {
            let from_days = bucket.from_days.map(|days| ("from_days", Value::from(days)));
            let to_days = bucket.to_days.map(|days| ("to_days", Value::from(days)));
            let fixed = [("label", Value::from(bucket.label())), ("amount", self.money(*amount))];
            record_value(fixed.into_iter().chain(from_days).chain(to_days))
        };
        ages.map(age).collect()
    }

    /// Returns one account of a group.
    fn branch(&self, part: &AccountPart, lines: &[Value]) -> Value {
        let customer = self.letter.ledger.customer(part.customer);
        let fixed = [
            ("id", customer.id.as_str().into()),
            ("name", customer.name.as_str().into()),
            ("is_parent", (part.customer == self.letter.customer).into()),
            ("lines", lines.iter().cloned().collect()),
            ("ageing", self.ages(part.claim.as_ref())),
        ];
        record_value(fixed.into_iter().chain(self.claim(part.claim.as_ref())))
    }

    fn lines(&self, part: &AccountPart) -> Vec<Value> {
        let mut running = part.claim.as_ref().and_then(|claim| claim.opening);
        let line = |line: &StatementLine| {
            if let Some(running) = &mut running {
                *running += line.amount;
            }
            self.line(part, line, running)
        };
        part.lines.iter().map(line).collect()
    }

    fn line(&self, part: &AccountPart, line: &StatementLine, running: Option<Decimal>) -> Value {
        let (ledger, reader) = (self.letter.ledger, self.reader);
        let is_document = matches!(line.kind, LineKind::Invoice | LineKind::CreditNote);
        let own = line.document.filter(|_| is_document);
        let against = line.document.filter(|_| !is_document);
        let is_open_item = self.statement.form == StatementForm::OpenItem;
        let fixed = [
            ("kind", line.kind.as_str().into()),
            ("number", line.number.as_str().into()),
            ("days_overdue", line.days_overdue.into()),
            ("original", self.money(line.original)),
            ("amount", self.money(line.amount)),
            ("disputed", own.is_some_and(|document| is_disputed(self.letter, document)).into()),
            ("customer", ledger.customer(part.customer).id.as_str().into()),
        ];
        let there = [
            line.date.map(|date| ("date", date_value(date, reader))),
            is_open_item.then(|| ("open", self.money(line.amount))),
            line.due_on.map(|due_on| ("due_on", date_value(due_on, reader))),
            own.and_then(|document| promised_on(self.letter, document)).map(|day| ("promised_on", date_value(day, reader))),
            line.bucket.map(|place| ("bucket", Value::from(self.statement.buckets[place].label()))),
            against.map(|document| ("invoice", ledger.document(document).number.as_str().into())),
            running.map(|running| ("running", self.money(running))),
        ];
        record_value(fixed.into_iter().chain(there.into_iter().flatten()))
    }
}
