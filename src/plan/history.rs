//! What was sent before, and what people have put on hold, as far as a decision depends on it.
//!
//! The store fills it; the forecast fills it with mails that were only imagined. Days are the `as_of` days of the
//! runs, so that a replay of the past and a run of today count alike; a mail that left some days after its run counts so many
//! days later.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use compact_str::CompactString;

use crate::domain::date::Date;
use crate::domain::hold::Holds;
use crate::domain::id::{CustomerId, DocumentNumber, LevelId, RuleId};
use crate::domain::ledger::{CustomerIndex, Ledger};
use crate::domain::mailbox::Suppressions;
use crate::domain::money::Currency;
use crate::plan::occasion::{self, Occasions};
use crate::plan::reason::DeclineReason;
use crate::plan::{Decision, Matter, Plan, PlannedMessage, Verdict};
use crate::rule::{Rule, RuleSet};

/// Where the mail of one step of an item, or of one occasion, stands; the later word counts where two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Closed by a person.
    Cancelled,
    /// Refused for good.
    Refused,
    /// The connection broke after the final dot.
    Unknown,
    /// It is in the outbox and may still go.
    UnderWay,
    /// A server took it: the level is reached.
    Accepted,
}

/// One step of an item: a level, or a repeat of it, that has a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The level's id at that time.
    pub level: LevelId,
    /// 0 for the first mail at the level, 1 for its first repeat.
    pub repeat: u32,
    /// Where its mail stands.
    pub standing: Standing,
    /// The day its mail left on; the `as_of` day it was decided for while it has not.
    pub on: Date,
}

/// What a statement or notice was about: whose, in which currency, and the period or event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Occasion {
    /// To whom.
    pub customer: CustomerId,
    /// In which currency.
    pub currency: Currency,
    /// `2026-10-01/2026-10-31`, `invoice:R-1`.
    pub name: CompactString,
}

/// What one rule did before.
#[derive(Clone, Debug, Default)]
struct RulePast {
    started_on: Option<Date>,
    steps: HashMap<DocumentNumber, Vec<Step>>,
    occasions: HashMap<Occasion, Standing>,
    /// What was there when a notice rule first ran; `None`: it has not been noted yet.
    baseline: Option<HashSet<CompactString>>,
}

/// A mail to a customer, as far as it keeps others away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastMail {
    /// The rule that made it, under its id of that time.
    pub rule: RuleId,
    /// The currency it was about.
    pub currency: Currency,
    /// What it was.
    pub kind: MailKind,
    /// The day it left on; the `as_of` day it was decided for while it has not.
    pub on: Date,
    /// Whether it is about to leave: then it is a mail of whatever day it is.
    pub is_queued: bool,
    /// The run that made it.
    pub run: Option<i64>,
}

/// Which mails keep others away. Notices do not: they tell of what has just happened and ask for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// A reminder.
    Reminder,
    /// A statement of account.
    Statement,
}

/// What all rules did before.
#[derive(Clone, Debug, Default)]
pub struct History {
    rules: HashMap<RuleId, RulePast>,
    mails: HashMap<CustomerId, Vec<PastMail>>,
    /// Whose reminders in which currency are blocked in the outbox, by rule.
    blocked: HashMap<CustomerId, Vec<(RuleId, Currency)>>,
    /// What people have put on hold.
    pub holds: Arc<Holds>,
    /// Where nothing is sent to.
    pub suppressions: Arc<Suppressions>,
}

/// What one rule did before, found once for all its items.
#[derive(Clone, Debug, Default)]
pub struct RuleHistory<'h> {
    /// One for each id with a past; none for a rule that never ran.
    pasts: Vec<&'h RulePast>,
}

impl<'h> RuleHistory<'h> {
    /// Returns the day the rule first ran.
    pub fn started_on(&self) -> Option<Date> {
        self.pasts.iter().filter_map(|past| past.started_on).min()
    }

    /// Returns the steps of `document`.
    pub fn steps<'d>(&self, document: &'d DocumentNumber) -> impl Iterator<Item = &'h Step> + use<'_, 'h, 'd> {
        self.pasts.iter().filter_map(|past| past.steps.get(document)).flatten()
    }
}

impl RuleHistory<'_> {
    /// Returns where the mail of a period or event stands, `None` where it has none.
    pub fn standing(&self, occasion: &Occasion) -> Option<Standing> {
        self.pasts.iter().filter_map(|past| past.occasions.get(occasion)).max().copied()
    }

    /// Returns the periods and events of a customer that have a mail, with where it stands, in no order.
    pub fn occasions_of<'c>(&'c self, customer: &'c CustomerId) -> impl Iterator<Item = (&'c Occasion, Standing)> {
        let all = self.pasts.iter().flat_map(|past| &past.occasions);
        all.filter(move |(occasion, _)| occasion.customer == *customer).map(|(occasion, standing)| (occasion, *standing))
    }

    /// Returns whether it was noted what was there when the rule first ran.
    pub fn has_baseline(&self) -> bool {
        self.pasts.iter().any(|past| past.baseline.is_some())
    }

    /// Returns whether an event was there when the rule first ran.
    pub fn is_in_baseline(&self, name: &str) -> bool {
        self.pasts.iter().filter_map(|past| past.baseline.as_ref()).any(|baseline| baseline.contains(name))
    }
}

impl History {
    /// Notes the `as_of` day of a rule's first run.
    pub fn add_start(&mut self, rule: RuleId, on: Date) {
        self.rules.entry(rule).or_default().started_on = Some(on);
    }

    /// Notes a step of an item.
    pub fn add_step(&mut self, rule: RuleId, document: DocumentNumber, step: Step) {
        self.rules.entry(rule).or_default().steps.entry(document).or_insert_with(one).push(step);
    }

    /// Notes where the mail of a period or event stands.
    pub fn add_occasion(&mut self, rule: RuleId, occasion: Occasion, standing: Standing) {
        let known = self.rules.entry(rule).or_default().occasions.entry(occasion).or_insert(standing);
        *known = standing.max(*known);
    }

    /// Notes an event that was there when a notice rule first ran; an empty name notes no more than that it did.
    pub fn add_baseline(&mut self, rule: RuleId, name: CompactString) {
        let baseline = self.rules.entry(rule).or_default().baseline.get_or_insert_default();
        if !name.is_empty() {
            baseline.insert(name);
        }
    }

    /// Notes a reminder or statement to a customer; only the last of each rule, currency and kind stays.
    pub fn add_mail(&mut self, customer: CustomerId, mail: PastMail) {
        let mails = self.mails.entry(customer).or_insert_with(one);
        let is_alike = |other: &&mut PastMail| {
            other.rule == mail.rule
                && other.currency == mail.currency
                && other.kind == mail.kind
                && other.is_queued == mail.is_queued
        };
        match mails.iter_mut().find(is_alike) {
            None => mails.push(mail),
            Some(other) if other.on <= mail.on => *other = mail,
            Some(_) => {}
        }
    }

    /// Returns the reminders and statements to a customer: the last of each rule, currency and kind.
    pub fn mails(&self, customer: &CustomerId) -> &[PastMail] {
        self.mails.get(customer).map_or(&[], Vec::as_slice)
    }

    /// Notes that a reminder to a customer is blocked in the outbox.
    pub fn add_blocked(&mut self, rule: RuleId, customer: CustomerId, currency: Currency) {
        self.blocked.entry(customer).or_insert_with(one).push((rule, currency));
    }

    /// Returns whether a reminder of `rule` to a customer is blocked in the outbox.
    pub fn is_blocked(&self, rule: &Rule, customer: &CustomerId, currency: Currency) -> bool {
        let blocked = self.blocked.get(customer).map_or(&[][..], Vec::as_slice);
        blocked.iter().any(|(id, own)| *own == currency && rule.is_known_as(id))
    }

    /// Returns what `rule` did, its former ids included.
    pub fn of_rule(&self, rule: &Rule) -> RuleHistory<'_> {
        RuleHistory { pasts: self.pasts(rule).collect() }
    }

    /// Returns the history as far as a decision about one customer of a ledger depends on it.
    pub(crate) fn narrowed(&self, ledger: &Ledger, customer: CustomerIndex) -> Self {
        let (id, documents) = (&ledger.customer(customer).id, &ledger.documents()[ledger.documents_of(customer)]);
        let mut events: HashSet<CompactString> = documents.iter().map(|own| occasion::of_invoice(own.number.as_str())).collect();
        events.extend(occasion::of_payments(ledger, customer));
        events.insert(occasion::of_customer(id.as_str()));
        let narrowed = |past: &RulePast| RulePast {
            started_on: past.started_on,
            steps: documents.iter().filter_map(|own| Some((own.number.clone(), past.steps.get(&own.number)?.clone()))).collect(),
            occasions: past.occasions.iter().filter(|(own, _)| own.customer == *id).map(|(own, at)| (own.clone(), *at)).collect(),
            baseline: past.baseline.as_ref().map(|known| events.iter().filter(|event| known.contains(*event)).cloned().collect()),
        };
        Self {
            rules: self.rules.iter().map(|(rule, past)| (rule.clone(), narrowed(past))).collect(),
            mails: self.mails.get(id).map(|mails| (id.clone(), mails.clone())).into_iter().collect(),
            blocked: self.blocked.get(id).map(|blocked| (id.clone(), blocked.clone())).into_iter().collect(),
            holds: self.holds.clone(),
            suppressions: self.suppressions.clone(),
        }
    }

    /// Notes a plan as carried out on its day: its rules have run, and a server took every message that nothing blocks.
    ///
    /// What comes of a day, for whoever plays days one after the other: forecasts and tests of rules.
    pub fn carry_out(&mut self, plan: &Plan, rules: &RuleSet, ledger: &Ledger) {
        for (rule, rule_plan) in rules.rules.iter().zip(&plan.rules) {
            if self.of_rule(rule).started_on().is_none() {
                self.add_start(rule.id.clone(), plan.as_of);
            }
            if rule_plan.takes_baseline {
                let mut occasions = Occasions::new(ledger);
                self.add_baseline(rule.id.clone(), CompactString::default());
                let there = |decision: &&Decision| decision.verdict == Verdict::Declined(DeclineReason::Backlog);
                for name in rule_plan.decisions.iter().filter(there).filter_map(|decision| occasions.of(decision)) {
                    self.add_baseline(rule.id.clone(), name);
                }
            }
        }
        for message in &plan.messages {
            self.accept(message, plan, rules, ledger);
        }
    }

    /// Notes one message of a plan as taken by a server, or as blocked.
    fn accept(&mut self, message: &PlannedMessage, plan: &Plan, rules: &RuleSet, ledger: &Ledger) {
        let (rule, customer) = (message.rule(rules).id.clone(), ledger.customer(message.customer).id.clone());
        let is_reminder = matches!(message.matter, Matter::Reminder { .. });
        if message.blocked.is_some() {
            if is_reminder {
                self.add_blocked(rule, customer, message.currency);
            }
            return;
        }
        if is_reminder {
            for item in plan.items(message) {
                let (level, repeat) = (message.item_level(rules, item), u32::from(item.step.repeat));
                let step = Step { level, repeat, standing: Standing::Accepted, on: plan.as_of };
                self.add_step(rule.clone(), ledger.document(item.document).number.clone(), step);
            }
        } else {
            let occasion = Occasion { customer: customer.clone(), currency: message.currency, name: message.occasion() };
            self.add_occasion(rule.clone(), occasion, Standing::Accepted);
        }
        let kind = match message.matter {
            Matter::Reminder { .. } => MailKind::Reminder,
            Matter::Statement { .. } => MailKind::Statement,
            Matter::Notice { .. } => return,
        };
        self.add_mail(customer, PastMail { rule, currency: message.currency, kind, on: plan.as_of, is_queued: false, run: None });
    }

    /// Returns the history with what is on its way taken by a server: what a look at later days begins with.
    pub fn with_queued_accepted(mut self) -> Self {
        let accept = |standing: &mut Standing| {
            if *standing == Standing::UnderWay {
                *standing = Standing::Accepted;
            }
        };
        for past in self.rules.values_mut() {
            past.steps.values_mut().flatten().for_each(|step| accept(&mut step.standing));
            past.occasions.values_mut().for_each(accept);
        }
        self.mails.values_mut().flatten().for_each(|mail| mail.is_queued = false);
        self
    }

    fn pasts<'h>(&'h self, rule: &Rule) -> impl Iterator<Item = &'h RulePast> {
        std::iter::once(&rule.id).chain(&rule.formerly).filter_map(|id| self.rules.get(id))
    }
}
/// Returns a list with room for one: most documents and customers have no more, and a list that grows by itself begins with four.
fn one<T>() -> Vec<T> {
    Vec::with_capacity(1)
}
