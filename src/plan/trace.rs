//! The trace of a decision: of every item that got no mail its own reason, and what it rested on, in one small text.
//!
//! It is stored with each run, so that every "no" can be asked for later, whatever the ledger says by then. Nothing in it changes from day
//! to day by itself (no days overdue, no `as_of`), so that a text that says the same is kept once.

use std::fmt::Write;

use compact_str::CompactString;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::domain::date::{Date, ISO};
use crate::domain::ledger::{DocumentIndex, Ledger};
use crate::domain::money::Currency;
use crate::plan::reason::DeclineReason;
use crate::plan::{Decision, Plan, Subject, Verdict};
use crate::rule::{RuleKind, RuleSet};
use crate::script::{About, Account, filled};

/// The most items that a trace lists; the others are counted by their reasons.
pub const TRACE_ITEMS_MAX: usize = 200;

/// An item of a stored trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceItem {
    /// The document's number; empty where the decision was about no item.
    pub document: String,
    /// How many items it stands for, where they are only counted.
    pub count: usize,
    /// What was open of it, as an exact decimal.
    pub open: Option<Decimal>,
    /// Its due date.
    pub due_on: Option<Date>,
    /// The reason's word.
    pub reason: String,
    /// The part of the condition that was false, with the values it saw.
    pub was_false: Option<String>,
}

/// Returns the trace of a decision of the rule at place `place`; `None` where its reason says everything.
pub fn trace(plan: &Plan, rules: &RuleSet, ledger: &Ledger, place: usize, decision: &Decision) -> Option<String> {
    let rule = &rules.rules[place];
    let brief = |account: &Account<'_>, about| rule.condition.as_ref().and_then(|own| own.first_false(account, about));
    let RuleKind::Reminder(_) = &rule.kind else {
        if decision.verdict != Verdict::Declined(DeclineReason::ConditionFalse) {
            return None;
        }
        let (on, about) = match (&rule.kind, decision.subject) {
            (RuleKind::Statement(statement), _) => (statement.period.days(plan.scheduled_on).to, About::Account),
            (_, Subject::Invoice(document)) => (plan.as_of, About::Document(document)),
            (_, Subject::Payment(payment)) => (plan.as_of, About::Payment(payment)),
            (_, Subject::Account | Subject::Customer) => (plan.as_of, About::Account),
        };
        let account = rule.account(ledger, decision.customer, decision.currency.unwrap_or(Currency::NONE), on);
        let mut lines = Lines::default();
        lines.text.push_str("\t\t");
        lines.end(DeclineReason::ConditionFalse, brief(&account, about));
        return Some(lines.text);
    };
    let currency = decision.currency?;
    let mut planned = match decision.verdict {
        Verdict::Message(message) => plan.items(&plan.messages[message as usize]),
        Verdict::Declined(_) => &[],
    }
    .iter()
    .peekable();
    let account = Account::new(ledger, decision.customer, currency, plan.as_of);
    let (mut lines, mut count, mut others) = (Lines::default(), 0, [0_usize; DeclineReason::ALL.len()]);
    let mut add = |document: DocumentIndex, open: Decimal| {
        // Both lists stand in the ledger's order, so each is walked once.
        if planned.next_if(|item| item.document == document).is_some() {
            return;
        }
        let reason = plan.item_reason(place, document);
        count += 1;
        if count > TRACE_ITEMS_MAX {
            others[reason as usize] += 1;
            return;
        }
        let facts = ledger.document(document);
        let was_false = if reason == DeclineReason::ConditionFalse { brief(&account, About::Document(document)) } else { None };
        lines.add(facts.number.as_str(), open, facts.due_on, reason, was_false);
    };
    match decision.subject {
        Subject::Invoice(document) => add(document, ledger.open_on(document, plan.as_of)),
        _ => {
            for document in ledger.documents_of(decision.customer).map(|place| DocumentIndex(place as u32)) {
                if ledger.document(document).currency == currency {
                    let open = ledger.open_on(document, plan.as_of);
                    if !open.is_zero() {
                        add(document, open);
                    }
                }
            }
        }
    }
    for (reason, count) in DeclineReason::ALL.into_iter().zip(others).filter(|(_, count)| *count > 0) {
        lines.text.push_str(&format!("+{count}\t\t"));
        lines.end(reason, None);
    }
    (!lines.text.is_empty()).then_some(lines.text)
}

/// A trace being written. A line leaves out what the line before says too: the reason, and what was false.
#[derive(Default)]
struct Lines {
    text: String,
    reason: Option<DeclineReason>,
    was_false: Option<CompactString>,
}

/// Stands for what was false in the line before.
const SAME: &str = "=";

impl Lines {
    fn add(
        &mut self,
        number: &str,
        open: Decimal,
        due_on: Option<Date>,
        reason: DeclineReason,
        was_false: Option<CompactString>,
    ) {
        self.plain(number);
        write!(self.text, "\t{open}\t").expect("a text takes whatever is written into it");
        if let Some(due_on) = due_on {
            write!(self.text, "{due_on}").expect("a text takes whatever is written into it");
        }
        self.end(reason, was_false);
    }

    fn end(&mut self, reason: DeclineReason, was_false: Option<CompactString>) {
        self.text.push('\t');
        if self.reason != Some(reason) {
            self.text.push_str(reason.as_str());
        }
        self.reason = Some(reason);
        if let Some(was_false) = was_false {
            self.text.push('\t');
            if self.was_false.as_ref() == Some(&was_false) {
                self.text.push_str(SAME);
            } else {
                self.plain(&was_false);
                self.was_false = Some(was_false);
            }
        }
        self.text.push('\n');
    }

    fn plain(&mut self, own: &str) {
        self.text.extend(own.chars().map(|c| if matches!(c, '\t' | '\n' | '\r') { ' ' } else { c }));
    }
}

/// Reads a stored trace of a decision made for `as_of`.
pub fn read(text: &str, as_of: Date) -> Vec<TraceItem> {
    let (mut last_reason, mut last_false) = ("", "");
    let item = |line| {
        let mut fields = str::splitn(line, 5, '\t');
        let mut next = || fields.next().unwrap_or_default();
        let (number, open, due_on, reason, was_false) = (next(), next(), next(), next(), next());
        last_reason = if reason.is_empty() { last_reason } else { reason };
        let was_false = if was_false == SAME { last_false } else { was_false };
        last_false = if was_false.is_empty() { last_false } else { was_false };
        let due_on = Date::strptime(ISO, due_on).ok();
        let counted = number.strip_prefix('+').filter(|_| open.is_empty()).and_then(|count| count.parse().ok());
        TraceItem {
            document: if counted.is_some() { String::new() } else { number.to_owned() },
            count: counted.unwrap_or(1),
            open: open.parse().ok(),
            due_on,
            reason: last_reason.to_owned(),
            was_false: Some(filled(was_false, as_of, due_on)).filter(|text| !text.is_empty()),
        }
    };
    text.lines().map(item).collect()
}
