//! The decision: for every rule and every subject, whether a message is due on a day, and why or why not.
//!
//! [`plan`] is the seam between what people wrote and what the program does. Nothing in it can wait, fail or look
//! at a clock: run, forecast, backtest, diff and rule tests are this one function with different arguments.
//!
//! A *subject* is what one mail of a rule gathers: a customer in one currency (reminders `for_each: customer` and
//! statements), an open invoice (reminders `for_each: invoice`), or the event that a notice tells of. Every (rule,
//! subject) pair gets exactly one [`Decision`] (invariant 2), and every item of a reminder its own reason besides. Of the
//! reminders that rules would send a customer on one day, `weigh` lets the highest go.
//! `decide` walks the ledger; `reminders`, `statements` and `notices` decide about theirs.

mod advice;
pub mod climb;
mod decide;
pub mod explain;
pub mod forecast;
pub mod history;
mod imagined;
pub mod key;
pub mod ladder;
pub mod next;
mod notices;
pub mod obstacles;
pub mod occasion;
pub mod reason;
mod reminders;
mod statements;
pub mod trace;
mod weigh;

use std::ops::Range;
use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use rust_decimal::Decimal;

use crate::domain::customer::Customer;
use crate::domain::date::Date;
use crate::domain::hold::Holds;
use crate::domain::id::{LevelId, RuleId, SenderId, TemplateName};
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger, PaymentIndex};
use crate::domain::mailbox::{Recipient, RecipientRole, Suppressions, is_address};
use crate::domain::money::Currency;
use crate::domain::period::Interval;
use crate::plan::history::History;
use crate::plan::key::{Audience, MessageKey};
use crate::plan::ladder::DueStep;
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::rule::{Level, Rule, RuleKind, RuleSet};
use crate::script::{LevelFacts, RecipientChoice, RecipientName, ScriptFault};

/// A document in a planned message, with the step it is due for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedItem {
    /// The document.
    pub document: DocumentIndex,
    /// Its step on the ladder; a statement or notice has one step only, which is the default.
    pub step: DueStep,
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matter {
    /// A reminder of its items.
    Reminder {
        /// The highest step among them; its level leads: template, sender and recipients are that level's.
        lead: DueStep,
    },
    /// A statement of the account.
    Statement {
        /// The days it covers; its figures are those at the end of the last one.
        period: Interval,
    },
    /// A notice of one event.
    Notice {
        /// The invoice, payment or customer.
        subject: Subject,
        /// The event's name for ever.
        occasion: CompactString,
    },
}

/// A message that is due, or would be if nothing blocked it.
#[derive(Clone, Debug)]
pub struct PlannedMessage {
    /// The rule's place in the rule set.
    pub rule: u16,
    /// To whom.
    pub customer: CustomerIndex,
    /// The currency of all its amounts; XXX where it is about none.
    pub currency: Currency,
    /// What it is about.
    pub matter: Matter,
    /// Its documents, in [`Plan::items`]; never empty in a reminder.
    items: Range<u32>,
    /// What a reminder's items leave open together, a statement's balance, or a notice's amount.
    pub total: Decimal,
    /// Why it is blocked, if it is.
    pub blocked: Option<BlockReason>,
    /// What the rule's script chose, where it has a `recipients` function.
    choice: Option<Box<RecipientChoice>>,
}

/// What a decision is about, beside the customer and the currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The customer's account in that currency.
    Account,
    /// An invoice.
    Invoice(DocumentIndex),
    /// A payment.
    Payment(PaymentIndex),
    /// The customer as such.
    Customer,
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
    /// What it is about.
    pub subject: Subject,
    /// The currency; `None` where the customer has no figures in any, or the subject is the customer as such.
    pub currency: Option<Currency>,
    /// What was decided.
    pub verdict: Verdict,
}

/// What one rule decided.
#[derive(Clone, Debug, Default)]
pub struct RulePlan {
    /// One decision for every subject, in the ledger's order.
    pub decisions: Vec<Decision>,
    /// Whether what is there counts as there before the rule first ran, and is to be noted with the run.
    pub takes_baseline: bool,
    /// By the place of a decision the rule that it stands back for, where it stands back for one; in order.
    yielded: Vec<(u32, RuleId)>,
    /// For every document of the ledger its own reason; meaningless for those that are in a message. Only reminders
    /// have reasons of items.
    item_reasons: Vec<DeclineReason>,
}

/// Everything that is due on a day, and why everything else is not.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The day.
    pub as_of: Date,
    /// The day it was scheduled for, from which a statement's period is counted.
    pub scheduled_on: Date,
    /// The messages, customer by customer, rule by rule.
    pub messages: Vec<PlannedMessage>,
    /// One for every rule of the set, in its order.
    pub rules: Vec<RulePlan>,
    /// Script faults met on the way, once per rule and place.
    pub faults: Vec<(u16, ScriptFault)>,
    /// What people had put on hold.
    pub holds: Arc<Holds>,
    /// Where nothing is sent to.
    pub suppressions: Arc<Suppressions>,
    items: Vec<PlannedItem>,
}

/// Decides, for every rule and every subject, whether a message is due on `as_of`, and why or why not.
///
/// Costs one pass over the ledger, customer by customer, with each rule's `where` evaluated once for every open
/// invoice; memory is the messages plus 24 bytes a decision and 1 byte a rule and document.
pub fn plan(rules: &RuleSet, ledger: &Ledger, past: &History, as_of: Date) -> Plan {
    plan_within(rules, ledger, past, Question::on(as_of))
}

/// What a plan is asked beyond its rules: the day, and what narrows it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The day to decide for.
    pub as_of: Date,
    /// The day a run was scheduled for: a statement's period is counted from it, everything else from `as_of`.
    pub scheduled_on: Date,
    /// The one customer or invoice to decide about; what stands on the account besides (credit, payments) counts as ever.
    pub only: Option<Scope>,
    /// The run that the plan is made for a second time: its mails of other days are no contacts, since they were weighed
    /// together with what is asked for now.
    pub own_run: Option<i64>,
}

impl Question {
    /// Returns the question about everybody on a day.
    pub fn on(as_of: Date) -> Self {
        Self { as_of, scheduled_on: as_of, only: None, own_run: None }
    }
}

/// The one customer or invoice that a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A customer, with everything that is open.
    Customer(CustomerIndex),
    /// An invoice alone: reminders of it and notices about it.
    Invoice(DocumentIndex),
}

/// Decides as [`plan`] does, as narrowly as it is asked.
///
/// Rivals of the rules ([`RuleSet::rivals`]) are planned too, so that a higher mail of theirs keeps the day; what they decide
/// is left out of the answer, since it is for their own run to say.
pub fn plan_within(rules: &RuleSet, ledger: &Ledger, past: &History, question: Question) -> Plan {
    decide::Planner::new(rules, ledger, past, question).run()
}

/// Decides as [`plan_within`] does and hands each message to `take`, customer by customer, with a plan that holds no more than
/// that customer's; memory does not grow with the ledger. For whoever asks which messages are due, not why others are not.
///
/// # Errors
/// What `take` returned; nothing is planned after it.
pub fn plan_each<E>(
    rules: &RuleSet,
    ledger: &Ledger,
    past: &History,
    question: Question,
    take: impl FnMut(&Plan, &PlannedMessage) -> Result<(), E>,
) -> Result<(), E> {
    decide::Planner::lean(rules, ledger, past, question).run_each(take)
}

/// The levels that statements and notices stand at: for templates and scripts, and for [`forced`].
pub const STATEMENT_LEVEL: &str = "statement";
/// See [`STATEMENT_LEVEL`].
pub const NOTICE_LEVEL: &str = "notice";

/// Returns a plan with the mails that the rules would make of a customer, due or not: from rules with a level `level` a
/// reminder of these documents, from statement rules (level `statement`) the customer's statements, from notice rules
/// (level `notice`) one of these documents, of the last payment, or of the customer. For looking at mails, never for sending.
pub fn forced(
    rules: &RuleSet,
    ledger: &Ledger,
    level: &str,
    customer: CustomerIndex,
    documents: &[DocumentIndex],
    as_of: Date,
) -> Plan {
    decide::Planner::new(rules, ledger, &History::default(), Question::on(as_of)).force(level, customer, documents)
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

    /// Returns the rule that a decision of the rule at place `rule` stands back for, if it stands back for one.
    pub fn yields_to(&self, rule: usize, decision: usize) -> Option<&RuleId> {
        let yielded = &self.rules[rule].yielded;
        let found = yielded.binary_search_by_key(&decision, |(place, _)| *place as usize).ok()?;
        Some(&yielded[found].1)
    }

    /// Returns how many subjects get nothing.
    pub fn declined_count(&self) -> usize {
        let decisions = self.rules.iter().flat_map(|rule| &rule.decisions);
        decisions.filter(|decision| matches!(decision.verdict, Verdict::Declined(_))).count()
    }

    /// Returns the documents a decision was about: the customer's open ones in that currency, the one invoice, or the
    /// invoice that the payment settles.
    pub fn subject_documents(&self, decision: &Decision, ledger: &Ledger) -> Vec<DocumentIndex> {
        match decision.subject {
            Subject::Invoice(document) => vec![document],
            Subject::Payment(payment) => ledger.payment(payment).document.into_iter().collect(),
            Subject::Customer => Vec::new(),
            Subject::Account => {
                let documents = ledger.documents_of(decision.customer).map(|place| DocumentIndex(place as u32));
                documents
                    .filter(|document| Some(ledger.document(*document).currency) == decision.currency)
                    .filter(|document| !ledger.open_on(*document, self.as_of).is_zero())
                    .collect()
            }
        }
    }
}

impl PlannedMessage {
    /// Returns its rule.
    pub fn rule<'r>(&self, rules: &'r RuleSet) -> &'r Rule {
        &rules.rules[usize::from(self.rule)]
    }

    /// Returns the step that leads; a statement or notice has only one.
    pub fn lead(&self) -> DueStep {
        match self.matter {
            Matter::Reminder { lead } => lead,
            Matter::Statement { .. } | Matter::Notice { .. } => DueStep::default(),
        }
    }

    /// Returns the level that leads, of a reminder.
    pub fn level<'r>(&self, rules: &'r RuleSet) -> Option<&'r Level> {
        self.rule(rules).reminder()?.levels.get(usize::from(self.lead().level))
    }

    /// Returns what scripts and templates are told of the level.
    pub fn level_facts(&self, rules: &RuleSet) -> LevelFacts {
        level_facts(&self.rule(rules).kind, self.lead())
    }

    /// Returns the day of its figures in a plan of `as_of`: a statement's period has an end of its own.
    pub fn figures_on(&self, as_of: Date) -> Date {
        match &self.matter {
            Matter::Statement { period } => period.to,
            Matter::Reminder { .. } | Matter::Notice { .. } => as_of,
        }
    }

    /// Returns the period or event it is about; empty in a reminder.
    pub fn occasion(&self) -> CompactString {
        match &self.matter {
            Matter::Reminder { .. } => CompactString::default(),
            Matter::Statement { period } => format_compact!("{period}"),
            Matter::Notice { occasion, .. } => occasion.clone(),
        }
    }

    /// Returns under which level one of its items is on record: the level it reaches, or the occasion.
    pub fn item_level(&self, rules: &RuleSet, item: &PlannedItem) -> LevelId {
        let levels = self.rule(rules).reminder().map(|reminder| &reminder.levels);
        match levels.and_then(|levels| levels.get(usize::from(item.step.level))) {
            Some(level) => level.id.clone(),
            None => LevelId::new(self.occasion()),
        }
    }

    /// Returns the template of its mail.
    pub fn template<'r>(&self, rules: &'r RuleSet) -> &'r TemplateName {
        match &self.rule(rules).kind {
            RuleKind::Reminder(reminder) => &reminder.levels[usize::from(self.lead().level)].template,
            RuleKind::Statement(statement) => &statement.template,
            RuleKind::Notice(notice) => &notice.template,
        }
    }

    /// Returns the sender profile it goes out under.
    pub fn sender<'r>(&self, rules: &'r RuleSet) -> &'r SenderId {
        self.level(rules).and_then(|level| level.from.as_ref()).unwrap_or(&self.rule(rules).from)
    }

    /// Returns whom it is for, suppressed addresses included; empty where no address is known.
    pub fn recipients(&self, rules: &RuleSet, ledger: &Ledger) -> Vec<Recipient> {
        recipients(self.rule(rules), self.level(rules), self.choice.as_deref(), ledger.customer(self.customer))
    }

    /// Returns its key.
    pub fn key(&self, plan: &Plan, rules: &RuleSet, ledger: &Ledger, audience: Audience) -> MessageKey {
        let (rule, customer) = (self.rule(rules), &ledger.customer(self.customer).id);
        let RuleKind::Reminder(reminder) = &rule.kind else {
            let kind = rule.kind.as_str();
            return MessageKey::occasion(audience, kind, &rule.id, customer, self.currency, &self.occasion());
        };
        let items = plan.items(self).iter().map(|item| {
            let level = &reminder.levels[usize::from(item.step.level)].id;
            (&ledger.document(item.document).number, level, item.step.repeat)
        });
        MessageKey::reminder(audience, &rule.id, customer, self.currency, items)
    }
}

fn level_facts(kind: &RuleKind, step: DueStep) -> LevelFacts {
    let only = |id: &'static str| LevelFacts { id: CompactString::const_new(id), number: 1, repeat: 0 };
    match kind {
        RuleKind::Reminder(reminder) => {
            let level = &reminder.levels[usize::from(step.level)];
            LevelFacts { id: level.id.as_str().into(), number: i64::from(step.level) + 1, repeat: i64::from(step.repeat) }
        }
        RuleKind::Statement(_) => only(STATEMENT_LEVEL),
        RuleKind::Notice(_) => only(NOTICE_LEVEL),
    }
}

/// Returns the names that apply in a role: the script's choice, else the level's, else the rule's.
fn recipient_names<'r>(
    role: RecipientRole,
    rule: &'r Rule,
    level: Option<&'r Level>,
    choice: Option<&'r RecipientChoice>,
) -> &'r [RecipientName] {
    let (chosen, own, usual) = match role {
        RecipientRole::To => (choice.map(|choice| &choice.to), level.map(|level| &level.to), &rule.to),
        RecipientRole::Cc => (choice.map(|choice| &choice.cc), level.map(|level| &level.cc), &rule.cc),
        RecipientRole::Bcc => (choice.map(|choice| &choice.bcc), level.map(|level| &level.bcc), &rule.bcc),
    };
    chosen.and_then(Option::as_deref).or(own.and_then(Option::as_deref)).unwrap_or(usual)
}

/// Returns the addresses that a name stands for at a customer.
fn addresses<'n>(name: &'n RecipientName, customer: &'n Customer) -> impl Iterator<Item = &'n str> {
    let (key, own) = match name {
        RecipientName::Key(key) => (Some(key), None),
        RecipientName::Address(address) => (None, Some(address.as_str())),
        // The plan puts those it picked in its place before anybody asks for addresses.
        RecipientName::Picker(_) => (None, None),
    };
    key.into_iter().flat_map(|key| customer.contacts.of(key.as_str())).chain(own).filter(|address| is_address(address))
}

/// Returns why nobody would get a mail: [`recipients`] finds no address, or all of them are suppressed.
fn unreachable(
    rule: &Rule,
    level: Option<&Level>,
    choice: Option<&RecipientChoice>,
    customer: &Customer,
    suppressions: &Suppressions,
) -> Option<BlockReason> {
    let names = recipient_names(RecipientRole::To, rule, level, choice);
    let mut found = names.iter().flat_map(|name| addresses(name, customer)).peekable();
    if found.peek().is_none() {
        return Some(BlockReason::RecipientMissing);
    }
    found.all(|address| suppressions.has(address)).then_some(BlockReason::Suppressed)
}

/// Returns the addresses behind the names that apply. An address stands once, at the most prominent place; copies
/// alone (no `to`) count as nobody.
fn recipients(rule: &Rule, level: Option<&Level>, choice: Option<&RecipientChoice>, customer: &Customer) -> Vec<Recipient> {
    let mut found: Vec<Recipient> = Vec::new();
    for role in RecipientRole::ALL {
        for name in recipient_names(role, rule, level, choice) {
            for address in addresses(name, customer) {
                if !found.iter().any(|known| known.address.eq_ignore_ascii_case(address)) {
                    found.push(Recipient { address: address.into(), role });
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
