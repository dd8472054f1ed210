//! Applied matches held against the books: what of them the ledger does not show yet, and which it has come to show.
//!
//! A match says that money has come in before the books know it. Once they do, it must count no more, or a balance would have
//! it twice. Books tell in three ways, and any of them ends a match: the invoice is settled or gone from the export; its
//! `open` is lower than when the match was applied; payments are there that were not, set against the invoice or against
//! nothing. Where books show another sum than the bank, what they show counts, and only the difference still stands.
//! Source: docs/decisions/0042.

use std::collections::{BTreeMap, HashMap};

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::bank::{AppliedMatch, MatchPart};
use crate::domain::date::{Date, shifted};
use crate::domain::document::Payment;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::money::Currency;

/// How many days before the bank's day books may date a payment that is still taken for it.
pub const BOOKED_EARLIER_DAYS_MAX: i32 = 10;

/// How applied matches stand against a ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What the books do not show yet, as payments.
    pub missing: Vec<Payment>,
    /// The ids of the matches of which they show everything.
    pub shown: Vec<i64>,
    /// Parts of matches of whose invoices the books have taken something back since: how much is settled now.
    pub lowered: Vec<(i64, String, Decimal)>,
}

/// Returns how matches stand, in the order in which they were applied. Of the customers of matches that stand, those that the
/// books have shown since the first of them was applied belong here too: a payment that showed one shows no other.
pub fn standing(ledger: &Ledger, matches: &[AppliedMatch]) -> Standing {
    let mut standing = Standing::default();
    if matches.iter().all(|applied| applied.is_booked) {
        return standing;
    }
    let wanted: HashMap<&str, ()> =
        matches.iter().flat_map(|applied| &applied.parts).map(|part| (part.invoice.as_str(), ())).collect();
    let mut invoices: HashMap<&str, DocumentIndex> = HashMap::new();
    for (place, document) in ledger.documents().iter().enumerate() {
        if let Some((number, ())) = wanted.get_key_value(document.number.as_str()) {
            invoices.insert(*number, DocumentIndex(place as u32));
        }
    }
    let mut accounts: BTreeMap<(&str, Currency), Vec<Claim<'_>>> = BTreeMap::new();
    for applied in matches {
        let claims = accounts.entry((applied.customer.as_str(), applied.line.currency)).or_default();
        claims.push(Claim::new(ledger, applied, &invoices));
    }
    for ((customer, currency), mut claims) in accounts {
        let Some(customer) = ledger.find_customer(customer) else {
            // Who is gone from the books owes nothing by them.
            standing.shown.extend(claims.iter().filter(|claim| !claim.applied.is_booked).map(|claim| claim.applied.id));
            continue;
        };
        by_what_is_open(ledger, &mut claims, &mut standing.lowered);
        by_payments(ledger, customer, currency, &mut claims);
        for claim in claims.iter().filter(|claim| !claim.applied.is_booked) {
            claim.tell(customer, &mut standing);
        }
    }
    standing.shown.sort_unstable();
    standing
}

/// Returns the marks of the payments of a customer that the books have now and that could be taken for one of the bank's day:
/// amount and reference of each.
pub fn known_payments(ledger: &Ledger, customer: CustomerIndex, currency: Currency, booked_on: Date) -> Vec<String> {
    booked(ledger, customer, currency, booked_on).map(mark).collect()
}

/// Returns how much of an invoice the books have as settled where they say what is open of it.
pub fn settled_by_open(ledger: &Ledger, index: DocumentIndex) -> Option<Decimal> {
    let document = ledger.document(index);
    document.open.map(|open| document.total - open)
}

/// Returns the payments of the books alone, in their order, from a day that could be the bank's on.
fn booked(ledger: &Ledger, customer: CustomerIndex, currency: Currency, booked_on: Date) -> impl Iterator<Item = &Payment> {
    let first = shifted(booked_on, -BOOKED_EARLIER_DAYS_MAX);
    let of_books = ledger.payment_indexes_of(customer).filter(|index| !ledger.is_matched(*index));
    of_books
        .map(|index| ledger.payment(index))
        .filter(move |payment| payment.currency == currency && payment.received_on >= first && payment.amount > Decimal::ZERO)
}

fn mark(payment: &Payment) -> String {
    format!("{} {}", payment.amount.normalize(), payment.reference)
}

/// A match with what of it the books do not show.
struct Claim<'m> {
    applied: &'m AppliedMatch,
    parts: Vec<Part>,
    /// What is missing of what is over.
    rest: Decimal,
    /// The marks of payments known before, with how many of each.
    known: HashMap<&'m str, u32>,
}

/// A part of a match.
struct Part {
    /// The invoice, unless it is gone from the books.
    index: Option<DocumentIndex>,
    /// What of it the books do not show.
    missing: Decimal,
    /// What of it no payment of the books was taken for: one that shows this part shows no other.
    untaken: Decimal,
}

impl Part {
    /// Takes a payment for this part; returns what is left of the payment.
    fn take(&mut self, amount: Decimal) -> Decimal {
        let taken = amount.min(self.untaken);
        self.untaken -= taken;
        self.missing = (self.missing - taken).max(Decimal::ZERO);
        amount - taken
    }
}

impl<'m> Claim<'m> {
    fn new(ledger: &Ledger, applied: &'m AppliedMatch, invoices: &HashMap<&str, DocumentIndex>) -> Self {
        let part = |part: &MatchPart| {
            let index = invoices.get(part.invoice.as_str()).copied();
            let index = index.filter(|index| ledger.document(*index).currency == applied.line.currency);
            // Exports often leave out what is settled.
            let is_settled = index.is_none_or(|index| ledger.document(index).settled_on.is_some());
            Part { index, missing: if is_settled { Decimal::ZERO } else { part.amount }, untaken: part.amount }
        };
        let mut known: HashMap<&str, u32> = HashMap::new();
        for mark in &applied.known {
            *known.entry(mark.as_str()).or_default() += 1;
        }
        Self { applied, parts: applied.parts.iter().map(part).collect(), rest: applied.rest(), known }
    }

    fn missing(&self) -> Decimal {
        self.rest + self.parts.iter().map(|part| part.missing).sum::<Decimal>()
    }

    /// Takes a payment for what is over; returns what is left of the payment.
    fn take_rest(&mut self, amount: Decimal) -> Decimal {
        let taken = amount.min(self.rest);
        self.rest -= taken;
        amount - taken
    }

    fn tell(&self, customer: CustomerIndex, standing: &mut Standing) {
        let is_any_missing = self.parts.iter().any(|part| part.missing > Decimal::ZERO);
        if !is_any_missing {
            // What is over counts as long as something of its line does: then the books have the line.
            standing.shown.push(self.applied.id);
            return;
        }
        let line = &self.applied.line;
        let payment = |document: Option<DocumentIndex>, amount: Decimal| Payment {
            customer,
            document,
            amount,
            currency: line.currency,
            received_on: line.booked_on,
            reference: CompactString::new(shown_reference(&line.reference)),
        };
        let parts = self.parts.iter().filter(|part| part.missing > Decimal::ZERO);
        standing.missing.extend(parts.map(|part| payment(part.index, part.missing)));
        if self.rest > Decimal::ZERO {
            standing.missing.push(payment(None, self.rest));
        }
    }
}

/// Returns a reference as statements show it.
fn shown_reference(reference: &str) -> &str {
    match reference.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => &reference[..end],
        None => reference,
    }
}

/// The most characters of a payer's text that a statement shows.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// Lowers what is missing by what books that say what is open have come to show: at least what they had settled, and each
/// match after it, is settled; only what they are short of that is missing.
fn by_what_is_open(ledger: &Ledger, claims: &mut [Claim<'_>], lowered: &mut Vec<(i64, String, Decimal)>) {
    let mut by_invoice: BTreeMap<DocumentIndex, Vec<(usize, usize)>> = BTreeMap::new();
    for (place, claim) in claims.iter().enumerate() {
        for (part, own) in claim.parts.iter().enumerate() {
            if let Some(index) = own.index.filter(|index| says_open(ledger, *index)) {
                by_invoice.entry(index).or_default().push((place, part));
            }
        }
    }
    for (index, parts) in by_invoice {
        let settled = settled_by_open(ledger, index).unwrap_or_default();
        let mut floor: Option<Decimal> = None;
        for (place, part) in &parts {
            let own = &claims[*place].applied.parts[*part];
            let before = own.settled_before.unwrap_or(settled);
            if settled < before && !claims[*place].applied.is_booked {
                lowered.push((claims[*place].applied.id, own.invoice.clone(), settled));
            }
            let before = before.min(settled);
            floor = Some(floor.map_or(before, |floor| floor.max(before)) + own.amount);
        }
        let mut short = (floor.unwrap_or(settled) - settled).max(Decimal::ZERO);
        // The first that were applied are the first to be shown.
        for (place, part) in parts.into_iter().rev() {
            let claim = &mut claims[place];
            let missing = if claim.applied.is_booked { Decimal::ZERO } else { short.min(claim.parts[part].missing) };
            short -= missing;
            claim.parts[part].missing = missing;
        }
    }
}

fn says_open(ledger: &Ledger, index: DocumentIndex) -> bool {
    ledger.document(index).open.is_some()
}

/// A payment of the books with what of it was taken for no match yet.
struct Row<'l> {
    payment: &'l Payment,
    left: Decimal,
}

/// Lowers what is missing by payments that were not there when the matches were applied.
fn by_payments(ledger: &Ledger, customer: CustomerIndex, currency: Currency, claims: &mut [Claim<'_>]) {
    let Some(first_on) = claims.iter().map(|claim| claim.applied.line.booked_on).min() else { return };
    let all = booked(ledger, customer, currency, first_on);
    let mut rows: Vec<Row<'_>> = all.map(|payment| Row { payment, left: payment.amount }).collect();
    if rows.is_empty() {
        return;
    }
    let new: Vec<Vec<usize>> = claims.iter().map(|claim| new_to(claim, &rows)).collect();
    // Set against the invoice, the same sum first, then any. Where the books say what is open, that has been counted.
    for is_exact in [true, false] {
        for (claim, new) in claims.iter_mut().zip(&new) {
            for at in new {
                let row = &mut rows[*at];
                let is_of = |part: &&mut Part| part.index.is_some() && part.index == row.payment.document;
                let Some(part) = claim.parts.iter_mut().find(is_of) else { continue };
                if is_exact && ![part.untaken, claim.applied.line.amount].contains(&row.left) {
                    continue;
                }
                let missing = part.missing;
                row.left = part.take(row.left);
                if part.index.is_some_and(|index| says_open(ledger, index)) {
                    part.missing = missing;
                }
                row.left = claim.take_rest(row.left);
            }
        }
    }
    // Set against nothing yet: it is the customer's money either way, and counts once.
    for (claim, new) in claims.iter_mut().zip(&new) {
        for at in new.iter().filter(|at| rows[**at].payment.document.is_none()).copied().collect::<Vec<_>>() {
            rows[at].left = claim.take_rest(rows[at].left);
            for part in &mut claim.parts {
                rows[at].left = part.take(rows[at].left);
            }
        }
    }
    // Set against other invoices: only what is the line by its sum, in one payment or in several of one day and reference.
    for (claim, new) in claims.iter_mut().zip(&new) {
        let untouched: Vec<usize> = new.iter().copied().filter(|at| rows[*at].left == rows[*at].payment.amount).collect();
        if claim.missing().is_zero() {
            continue;
        }
        let total = claim.applied.line.amount;
        let mut groups: BTreeMap<(Date, &str), Vec<usize>> = BTreeMap::new();
        for at in &untouched {
            groups.entry((rows[*at].payment.received_on, rows[*at].payment.reference.as_str())).or_default().push(*at);
        }
        let single = untouched.iter().find(|at| rows[**at].left == total).map(|at| vec![*at]);
        let group = || groups.into_values().find(|places| places.iter().map(|at| rows[*at].left).sum::<Decimal>() == total);
        if let Some(places) = single.or_else(group) {
            places.into_iter().for_each(|at| rows[at].left = Decimal::ZERO);
            claim.rest = Decimal::ZERO;
            claim.parts.iter_mut().for_each(|part| (part.missing, part.untaken) = (Decimal::ZERO, Decimal::ZERO));
        }
    }
}

/// Returns the places of the rows that were not there when a match was applied: those beyond as many of one mark as were.
fn new_to(claim: &Claim<'_>, rows: &[Row<'_>]) -> Vec<usize> {
    let mut known = claim.known.clone();
    let first = shifted(claim.applied.line.booked_on, -BOOKED_EARLIER_DAYS_MAX);
    let mut is_new = |row: &Row<'_>| {
        if row.payment.received_on < first {
            return false;
        }
        match known.get_mut(mark(row.payment).as_str()).filter(|count| **count > 0) {
            Some(count) => {
                *count -= 1;
                false
            }
            None => true,
        }
    };
    rows.iter().enumerate().filter(|(_, row)| is_new(row)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests;
