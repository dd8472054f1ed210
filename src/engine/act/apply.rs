//! Applying what bank lines pay, and undoing it: on a person's word alone, and only what the ledger of now bears out.

use std::collections::HashMap;

use rust_decimal::Decimal;

use crate::domain::bank::{BankLine, MatchPart};
use crate::domain::date::{Date, Timestamp};
use crate::domain::document::DocumentKind;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::engine::act::perform::{Context, ledger};
use crate::engine::act::{ActFault, AppliedMatchView, Done, MatchChoice};
use crate::engine::reading::read_beside;
use crate::engine::recheck::PlanDay;
use crate::engine::run::settle_leftovers;
use crate::matching::books::{known_payments, settled_by_open};
use crate::matching::{Class, Receivables, propose};
use crate::store::matches::{Applied, NewMatch, UndoneMatch, known_accounts};

/// Applies bank lines to invoices, all of them or none, and withdraws what is queued and no longer due.
pub(crate) async fn apply(context: &Context, choices: Vec<MatchChoice>, person: &str) -> Result<Done, ActFault> {
    let (workspace, parts) = (context.generations.current(), &context.parts);
    if choices.is_empty() {
        return Err(ActFault::NoLines);
    }
    let now = parts.clock.now();
    let today = workspace.today(now);
    let ledger = ledger(context, today).await?;
    let accounts = known_accounts(&parts.store.reader()?)?;
    let receivables = Receivables::of(&ledger, today, workspace.config.bank.customer_account.as_deref(), &accounts);
    let mut desk = Desk { ledger: &ledger, today, given: HashMap::new() };
    let unnamed: Vec<BankLine> =
        choices.iter().filter(|choice| choice.invoices.is_none()).map(|choice| choice.line.clone()).collect();
    let mut proposed = propose(&receivables, &unnamed).into_iter();
    let expected_by = expected_by(now, workspace.config.bank.booked_within.count());
    let mut matches = Vec::with_capacity(choices.len());
    for MatchChoice { line, invoices } in choices {
        if line.amount <= Decimal::ZERO || line.id.len() != 32 {
            return Err(ActFault::NoBankLine { line: line.id });
        }
        let (class, documents) = match invoices {
            Some(numbers) => (Class::Doubtful, desk.find(&line, &numbers)?),
            None => {
                // What was certain when it was shown must be so still.
                let certain = proposed.next().filter(|proposal| proposal.class == Class::Certain);
                let certain = certain.ok_or_else(|| ActFault::NotCertain { line: line.short_id().to_owned() })?;
                (Class::Certain, certain.candidates[0].parts.iter().map(|(index, _)| *index).collect())
            }
        };
        matches.push(desk.settle(line, &documents, class, expected_by)?);
    }
    let views: Vec<AppliedMatchView> = matches.iter().map(|new| AppliedMatchView::of(new, &ledger)).collect();
    let applied = parts.store.apply_matches(matches, person.to_owned(), now).await?;
    let (ids, mut withdrawn, under_way) = match applied {
        Applied::Done { ids, withdrawn, under_way } => (ids, withdrawn, under_way),
        Applied::Taken { line, id } => return Err(ActFault::LineTaken { line, id }),
    };
    // What else is queued for these customers is held against the account as it is now.
    match read_beside(&workspace, today, now).await {
        Ok(reading) => {
            withdrawn += settle_leftovers(&context.generations, &reading.ledger, PlanDay::Present, parts).await?.withdrawn;
        }
        Err(unread) => tracing::warn!(fault = unread.shown(), "What is queued is checked again once the ledger can be read"),
    }
    let matches = ids.into_iter().zip(views).map(|(id, view)| AppliedMatchView { id, ..view }).collect();
    Ok(Done::ApplyMatches { matches, withdrawn, under_way })
}

/// Undoes a match that stands.
pub(crate) async fn undo(context: &Context, id: i64, person: &str) -> Result<Done, ActFault> {
    let parts = &context.parts;
    match parts.store.undo_match(id, person.to_owned(), parts.clock.now()).await? {
        UndoneMatch::Done(undone) => Ok(Done::UndoMatch { undone }),
        UndoneMatch::Missing => Err(ActFault::MatchMissing { id }),
        UndoneMatch::Over(outcome) => Err(ActFault::MatchOver { id, outcome }),
    }
}

fn expected_by(now: Timestamp, days: i32) -> Timestamp {
    now.saturating_add(jiff::SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX)
}

/// Where lines are set against invoices one after the other.
struct Desk<'l> {
    ledger: &'l Ledger,
    today: Date,
    /// What lines before have given to invoices.
    given: HashMap<DocumentIndex, Decimal>,
}

impl Desk<'_> {
    /// Returns the invoices that a person names for a line.
    fn find(&self, line: &BankLine, numbers: &[String]) -> Result<Vec<DocumentIndex>, ActFault> {
        let mut found = Vec::new();
        for number in numbers {
            let index = self.ledger.find_document(number);
            let index = index.filter(|index| self.ledger.document(*index).kind == DocumentKind::Invoice);
            let index = index.ok_or_else(|| ActFault::InvoiceMissing { number: number.clone() })?;
            let document = self.ledger.document(index);
            if document.currency != line.currency {
                return Err(ActFault::OtherCurrency { number: number.clone(), own: document.currency, line: line.currency });
            }
            if found.first().is_some_and(|first| self.ledger.document(*first).customer != document.customer) {
                return Err(ActFault::SeveralCustomers { line: line.short_id().to_owned() });
            }
            if !found.contains(&index) {
                found.push(index);
            }
        }
        if found.is_empty() { Err(ActFault::NoLines) } else { Ok(found) }
    }

    /// Gives a line to invoices, to each what is open of it as long as the money lasts.
    fn settle(
        &mut self,
        mut line: BankLine,
        documents: &[DocumentIndex],
        class: Class,
        expected_by: Timestamp,
    ) -> Result<NewMatch, ActFault> {
        let mut left = line.amount;
        let mut parts = Vec::new();
        for index in documents {
            let document = self.ledger.document(*index);
            let given = self.given.entry(*index).or_default();
            let open = self.ledger.open_on(*index, self.today) - *given;
            if open <= Decimal::ZERO {
                return Err(ActFault::NothingOpen { number: document.number.as_str().to_owned() });
            }
            let amount = open.min(left);
            if amount.is_zero() {
                return Err(ActFault::UsedUp { number: document.number.as_str().to_owned() });
            }
            left -= amount;
            *given += amount;
            let settled_before = settled_by_open(self.ledger, *index);
            parts.push(MatchPart { invoice: document.number.as_str().to_owned(), amount, settled_before });
        }
        let customer: CustomerIndex = self.ledger.document(documents[0]).customer;
        // A bank may date a line ahead; what a person has seen is there now.
        line.booked_on = line.booked_on.min(self.today);
        Ok(NewMatch {
            customer: self.ledger.customer(customer).id.as_str().to_owned(),
            known: known_payments(self.ledger, customer, line.currency, line.booked_on),
            parts,
            class,
            expected_by,
            line,
        })
    }
}
