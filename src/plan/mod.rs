//! The decision: for every rule and every subject, whether a message is due on a day, and why or why not.
//!
//! [`plan`] is the seam between what people wrote and what the program does. Nothing in it can wait, fail or look
//! at a clock: run, forecast, backtest, diff and rule tests are this one function with different arguments.
//!
//! A *subject* is what one mail of a rule gathers: a customer in one currency (`for_each: customer`), or an open
//! invoice (`for_each: invoice`). Every (rule, subject) pair gets exactly one [`Decision`] (invariant 2), and every
//! item its own reason besides.

mod decide;
pub mod history;
pub mod key;
pub mod ladder;
pub mod reason;

use std::ops::Range;

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::customer::Customer;
use crate::domain::date::Date;
use crate::domain::id::SenderId;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::mailbox::{Recipient, RecipientRole, is_address};
use crate::domain::money::Currency;
use crate::plan::history::History;
use crate::plan::key::{Audience, MessageKey};
use crate::plan::ladder::DueStep;
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::rule::{Level, Reminder, Rule, RuleKind, RuleSet};
use crate::script::{LevelFacts, RecipientChoice, RecipientName, ScriptFault};

/// An invoice in a planned message, with the step it is due for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedItem {
    /// The invoice.
    pub document: DocumentIndex,
    /// Its step on the ladder.
    pub step: DueStep,
}

/// A message that is due, or would be if nothing blocked it.
#[derive(Clone, Debug)]
pub struct PlannedMessage {
    /// The rule's place in the rule set.
    pub rule: u16,
    /// To whom.
    pub customer: CustomerIndex,
    /// The currency of all its items.
    pub currency: Currency,
    /// Its items, in [`Plan::items`]; never empty.
    items: Range<u32>,
    /// The highest step among them; its level leads: template, sender and recipients are that level's.
    pub lead: DueStep,
    /// What its items leave open, together.
    pub total: Decimal,
    /// Why it is blocked, if it is.
    pub blocked: Option<BlockReason>,
    /// What the rule's script chose, where it has a `recipients` function.
    choice: Option<Box<RecipientChoice>>,
}

/// What was decided about a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the plan's messages, at this place.
    Message(u32),
    /// No mail, and why.
    Declined(DeclineReason),
}

/// The one decision about one subject under one rule.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    /// Whose subject it is.
    pub customer: CustomerIndex,
    /// The invoice, where the rule's subjects are invoices.
    pub document: Option<DocumentIndex>,
    /// The currency; `None` where the customer has nothing open in any.
    pub currency: Option<Currency>,
    /// What was decided.
    pub verdict: Verdict,
}

/// What one rule decided.
#[derive(Clone, Debug, Default)]
pub struct RulePlan {
    /// One decision for every subject, in the ledger's order.
    pub decisions: Vec<Decision>,
    /// For every document of the ledger its own reason; meaningless for those that are in a message.
    item_reasons: Vec<DeclineReason>,
}

/// Everything that is due on a day, and why everything else is not.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The day.
    pub as_of: Date,
    /// The messages, customer by customer, rule by rule.
    pub messages: Vec<PlannedMessage>,
    /// One for every rule of the set, in its order; empty for rules that this release does not run.
    pub rules: Vec<RulePlan>,
    /// Script faults met on the way, once per rule and place.
    pub faults: Vec<(u16, ScriptFault)>,
    items: Vec<PlannedItem>,
}

/// Decides, for every rule and every subject, whether a message is due on `as_of`, and why or why not.
///
/// Costs one pass over the ledger, customer by customer, with each rule's `where` evaluated once for every open
/// invoice; memory is the messages plus 24 bytes a decision and 1 byte a rule and document.
pub fn plan(rules: &RuleSet, ledger: &Ledger, past: &History, as_of: Date) -> Plan {
    decide::Planner::new(rules, ledger, past, as_of).run()
}

/// Returns a plan with at most one message for each rule that has a level `level`: these documents of a customer, at
/// that level, due or not. For looking at mails, never for sending.
pub fn forced(
    rules: &RuleSet,
    ledger: &Ledger,
    level: &str,
    customer: CustomerIndex,
    documents: &[DocumentIndex],
    as_of: Date,
) -> Plan {
    decide::Planner::new(rules, ledger, &History::default(), as_of).force(level, customer, documents)
}

impl Plan {
    /// Returns the items of a message.
    pub fn items(&self, message: &PlannedMessage) -> &[PlannedItem] {
        &self.items[message.items.start as usize..message.items.end as usize]
    }

    /// Returns a plan with one of its messages only, as it stands.
    pub fn only(&self, message: &PlannedMessage) -> Self {
        let mut single = self.clone();
        single.messages = vec![message.clone()];
        single
    }

    /// Returns why `document` is in no message of the rule at place `rule`.
    pub fn item_reason(&self, rule: usize, document: DocumentIndex) -> DeclineReason {
        self.rules[rule].item_reasons.get(document.0 as usize).copied().unwrap_or_default()
    }

    /// Returns how many subjects get nothing.
    pub fn declined_count(&self) -> usize {
        let decisions = self.rules.iter().flat_map(|rule| &rule.decisions);
        decisions.filter(|decision| matches!(decision.verdict, Verdict::Declined(_))).count()
    }

    /// Returns the open documents a decision was about: the customer's in that currency, or the one invoice.
    pub fn subject_documents(&self, decision: &Decision, ledger: &Ledger) -> Vec<DocumentIndex> {
        if let Some(document) = decision.document {
            return vec![document];
        }
        let documents = ledger.documents_of(decision.customer).map(|place| DocumentIndex(place as u32));
        documents
            .filter(|document| Some(ledger.document(*document).currency) == decision.currency)
            .filter(|document| !ledger.open_on(*document, self.as_of).is_zero())
            .collect()
    }
}

impl PlannedMessage {
    /// Returns the rule's reminder part.
    pub fn reminder<'r>(&self, rules: &'r RuleSet) -> &'r Reminder {
        reminder(&rules.rules[usize::from(self.rule)]).expect("only reminder rules plan reminders")
    }

    /// Returns the level that leads.
    pub fn level<'r>(&self, rules: &'r RuleSet) -> &'r Level {
        &self.reminder(rules).levels[usize::from(self.lead.level)]
    }

    /// Returns what scripts and templates are told of the level.
    pub fn level_facts(&self, rules: &RuleSet) -> LevelFacts {
        level_facts(self.reminder(rules), self.lead)
    }

    /// Returns the sender profile it goes out under.
    pub fn sender<'r>(&self, rules: &'r RuleSet) -> &'r SenderId {
        self.level(rules).from.as_ref().unwrap_or(&self.reminder(rules).from)
    }

    /// Returns whom it goes to; empty where no address is known.
    pub fn recipients(&self, rules: &RuleSet, ledger: &Ledger) -> Vec<Recipient> {
        recipients(self.reminder(rules), self.level(rules), self.choice.as_deref(), ledger.customer(self.customer))
    }

    /// Returns its key.
    pub fn key(&self, plan: &Plan, rules: &RuleSet, ledger: &Ledger, audience: Audience) -> MessageKey {
        let (rule, reminder) = (&rules.rules[usize::from(self.rule)], self.reminder(rules));
        let items = plan.items(self).iter().map(|item| {
            let level = &reminder.levels[usize::from(item.step.level)].id;
            (&ledger.document(item.document).number, level, item.step.repeat)
        });
        MessageKey::reminder(audience, &rule.id, &ledger.customer(self.customer).id, self.currency, items)
    }
}

/// Returns the reminder part of a rule, if it is a reminder rule.
pub fn reminder(rule: &Rule) -> Option<&Reminder> {
    match &rule.kind {
        RuleKind::Reminder(reminder) => Some(reminder),
        RuleKind::NotYet(_) => None,
    }
}

fn level_facts(reminder: &Reminder, step: DueStep) -> LevelFacts {
    let level = &reminder.levels[usize::from(step.level)];
    LevelFacts { id: level.id.as_str().into(), number: i64::from(step.level) + 1, repeat: i64::from(step.repeat) }
}

/// Returns the names that apply in a role: the script's choice, else the level's, else the rule's.
fn recipient_names<'r>(
    role: RecipientRole,
    reminder: &'r Reminder,
    level: &'r Level,
    choice: Option<&'r RecipientChoice>,
) -> &'r [RecipientName] {
    let (chosen, own, usual) = match role {
        RecipientRole::To => (choice.map(|choice| &choice.to), &level.to, &reminder.to),
        RecipientRole::Cc => (choice.map(|choice| &choice.cc), &level.cc, &reminder.cc),
        RecipientRole::Bcc => (choice.map(|choice| &choice.bcc), &level.bcc, &reminder.bcc),
    };
    chosen.and_then(Option::as_deref).or(own.as_deref()).unwrap_or(usual)
}

/// Returns the addresses that a name stands for at a customer.
fn addresses<'n>(name: &'n RecipientName, customer: &'n Customer) -> impl Iterator<Item = &'n CompactString> {
    let addresses = match name {
        RecipientName::Key(key) => customer.addresses(key),
        RecipientName::Address(address) => std::slice::from_ref(address),
        // The plan puts those it picked in its place before anybody asks for addresses.
        RecipientName::Picker(_) => &[],
    };
    addresses.iter().filter(|address| is_address(address))
}

/// Returns whether [`recipients`] would find anybody, without making the list.
fn is_reachable(reminder: &Reminder, level: &Level, choice: Option<&RecipientChoice>, customer: &Customer) -> bool {
    let names = recipient_names(RecipientRole::To, reminder, level, choice);
    names.iter().any(|name| addresses(name, customer).next().is_some())
}

/// Returns the addresses behind the names that apply. An address stands once, at the most prominent place; copies
/// alone (no `to`) count as nobody.
fn recipients(reminder: &Reminder, level: &Level, choice: Option<&RecipientChoice>, customer: &Customer) -> Vec<Recipient> {
    let mut found: Vec<Recipient> = Vec::new();
    for role in RecipientRole::ALL {
        for name in recipient_names(role, reminder, level, choice) {
            for address in addresses(name, customer) {
                if !found.iter().any(|known| known.address.eq_ignore_ascii_case(address)) {
                    found.push(Recipient { address: address.clone(), role });
                }
            }
        }
        if role == RecipientRole::To && found.is_empty() {
            return found;
        }
    }
    found
}

#[cfg(test)]
mod tests;
