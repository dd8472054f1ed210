//! What may have gone already, though the database knows nothing of it.
//!
//! A database that was put back to an older state does not know what was sent between that state and the day it was adopted.
//! Whatever could have been sent then had come due by that day; so what had, waits for a person, once, and what comes due later
//! goes as ever. Errs towards waiting: the earliest day counts on which a step can have come due.

use crate::domain::date::{Date, shifted};
use crate::domain::ledger::Ledger;
use crate::plan::ladder::LevelsDue;
use crate::plan::{Matter, Plan, PlannedItem, PlannedMessage, Subject};
use crate::rule::RuleSet;

/// Returns whether a mail can have come due on or before the day `until`.
pub(crate) fn is_doubtful(message: &PlannedMessage, plan: &Plan, rules: &RuleSet, ledger: &Ledger, until: Date) -> bool {
    match &message.matter {
        Matter::Reminder { .. } => {
            plan.items(message).iter().any(|item| came_due_on(message, item, rules, ledger).is_none_or(|day| day <= until))
        }
        Matter::Statement { period } => period.to <= until,
        Matter::Notice { subject, .. } => event_on(*subject, message, ledger).is_none_or(|day| day <= until),
    }
}

/// Returns the earliest day on which an item's step can have come due, were each mail before it sent on its first day.
fn came_due_on(message: &PlannedMessage, item: &PlannedItem, rules: &RuleSet, ledger: &Ledger) -> Option<Date> {
    let reminder = message.rule(rules).reminder()?;
    let level = reminder.levels.get(usize::from(item.step.level))?;
    let due_on = ledger.document(item.document).due_on?;
    let age = *LevelsDue::new(reminder, &rules.limits.calendar).on(due_on).get(usize::from(item.step.level))?;
    let first = shifted(due_on, age);
    let waits = level.repeat.map_or(0, |repeat| repeat.every.count().saturating_mul(i32::from(item.step.repeat)));
    Some(shifted(first, waits))
}

/// Returns the day of a notice's event; a customer is as new as the first document.
fn event_on(subject: Subject, message: &PlannedMessage, ledger: &Ledger) -> Option<Date> {
    match subject {
        Subject::Invoice(document) => Some(ledger.document(document).issued_on),
        Subject::Payment(payment) => Some(ledger.payment(payment).received_on),
        Subject::Customer | Subject::Account => {
            let documents = ledger.documents_of(message.customer);
            ledger.documents()[documents].iter().map(|document| document.issued_on).min()
        }
    }
}
