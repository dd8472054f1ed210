//! The forecast: all mails of days to come, or of days long past, as the planner decides them one day after the other.
//!
//! It is no second planner: each turn asks the one of `decide` about each customer, under the rules that fire then, and what
//! comes of a turn is imagined as sent before the next one. Customers do not depend on each other, so each is taken through all
//! its turns before the next, and is not asked on days on which nothing of what was said can have changed.

use std::ops::Range;

use rust_decimal::Decimal;

use crate::domain::date::{Date, days_between, shifted};
use crate::domain::hold::HoldTerm;
use crate::domain::id::LevelId;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::money::Currency;
use crate::plan::decide::{Courses, Planner};
use crate::plan::history::{History, MailKind, PastMail};
use crate::plan::ladder::DueStep;
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::plan::reminders::Room;
use crate::plan::{Matter, PlannedItem, PlannedMessage, Question, Subject, Verdict};
use crate::rule::{Rule, RuleKind, RuleSet};
use crate::script::ScriptFault;

/// A moment at which rules fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The day they decide for.
    pub as_of: Date,
    /// The day they were scheduled for, from which a statement's period is counted.
    pub scheduled_on: Date,
    /// The rules that fire, by their places in the set.
    pub rules: Vec<u16>,
    /// The rules that fire later on the same day.
    pub rivals: Vec<u16>,
}

/// A mail that is foreseen.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeseenMail {
    /// The turn it is decided at, by its place.
    pub turn: u32,
    /// Its rule, by its place in the set.
    pub rule: u16,
    /// To whom.
    pub customer: CustomerIndex,
    /// The currency of its amounts; XXX where it is about none.
    pub currency: Currency,
    /// What its items leave open together, a statement's balance or a notice's amount.
    pub total: Decimal,
    /// The step that leads, of a reminder.
    pub lead: DueStep,
    /// Why it would be blocked, if it would; such a mail is told once, on the first day.
    pub blocked: Option<BlockReason>,
    /// What it is about, unless it is a reminder.
    pub matter: Option<Box<Matter>>,
    items: Range<u32>,
}

/// What is foreseen.
#[derive(Clone, Debug, Default)]
pub struct Forecast {
    /// The mails, in the order of customers, turns and rules, or else of turns, customers and rules.
    pub mails: Vec<ForeseenMail>,
    /// Script faults met on the way, once per rule and place.
    pub faults: Vec<(u16, ScriptFault)>,
    items: Vec<PlannedItem>,
}

/// Foresees the mails to `customers` over `turns`, which are in order of time, as if each mail that nothing blocks were taken by a
/// server at once and everything else of the ledger came as it says.
///
/// The mails come customer by customer; [`Forecast::in_order`] puts them turn by turn. Memory is 56 bytes a mail and 8 an item, whatever the ledger's size.
pub fn forecast(
    rules: &RuleSet,
    ledger: &Ledger,
    past: &History,
    turns: &[Turn],
    customers: impl Iterator<Item = CustomerIndex>,
) -> Forecast {
    let first = turns.first().map_or(Date::MIN, |turn| turn.as_of);
    let planner = Planner::lean(rules, ledger, past, Question::on(first));
    Foreseer::new(planner, rules, past, turns).run(customers)
}

impl Forecast {
    /// Adds a forecast over the same turns of other customers, who come later in the ledger.
    pub fn join(&mut self, other: Self) {
        let start = self.items.len() as u32;
        self.items.extend(other.items);
        self.mails.extend(other.mails.into_iter().map(|mail| {
            let items = mail.items.start + start..mail.items.end + start;
            ForeseenMail { items, ..mail }
        }));
        for (rule, fault) in other.faults {
            if !self.faults.iter().any(|(own, known)| (*own, &known.place) == (rule, &fault.place)) {
                self.faults.push((rule, fault));
            }
        }
    }

    /// Returns it with the mails turn by turn.
    pub fn in_order(mut self) -> Self {
        // Stable, so within a turn customers and rules stay in their order.
        self.mails.sort_by_key(|mail| mail.turn);
        self
    }

    /// Returns whether a mail is about a document.
    pub fn is_about(&self, mail: &ForeseenMail, document: DocumentIndex) -> bool {
        match mail.matter.as_deref() {
            Some(Matter::Notice { subject, .. }) => *subject == Subject::Invoice(document),
            _ => self.items(mail).iter().any(|item| item.document == document),
        }
    }

    /// Returns the items of a mail.
    pub fn items(&self, mail: &ForeseenMail) -> &[PlannedItem] {
        &self.items[mail.items.start as usize..mail.items.end as usize]
    }
}

impl ForeseenMail {
    /// Returns the period or event it is about, unless it is a reminder.
    pub fn occasion(&self) -> Option<String> {
        match self.matter.as_deref() {
            Some(Matter::Statement { period }) => Some(period.to_string()),
            Some(Matter::Notice { occasion, .. }) => Some(occasion.to_string()),
            Some(Matter::Reminder { .. }) | None => None,
        }
    }

    /// Returns the id of the level that leads, of a reminder.
    pub fn level<'r>(&self, rules: &'r RuleSet) -> Option<&'r LevelId> {
        let reminder = rules.rules[usize::from(self.rule)].reminder()?;
        reminder.levels.get(usize::from(self.lead.level)).map(|level| &level.id)
    }
}

/// A turn, or one rule's part of it, with what is the same for all customers.
struct Stage<'a> {
    /// The turn's place.
    place: u32,
    as_of: Date,
    scheduled_on: Date,
    courses: Courses<'a>,
    /// The rules that decide here; the others are rivals or not there.
    own: Vec<u16>,
    has_statement: bool,
}

struct Foreseer<'a> {
    planner: Planner<'a>,
    rules: &'a RuleSet,
    turns: &'a [Turn],
    /// By rule the day of its first run on record, and of its first turn here.
    began: Vec<(Option<Date>, Option<Date>)>,
    found: Forecast,
}

impl<'a> Foreseer<'a> {
    fn new(planner: Planner<'a>, rules: &'a RuleSet, past: &History, turns: &'a [Turn]) -> Self {
        let first_turn = |place: usize| turns.iter().find(|turn| turn.rules.contains(&(place as u16))).map(|turn| turn.as_of);
        let on_record = |rule: &Rule| past.of_rule(rule).started_on();
        let began = rules.rules.iter().enumerate().map(|(place, rule)| (on_record(rule), first_turn(place))).collect();
        Self { planner, rules, turns, began, found: Forecast::default() }
    }

    fn run(mut self, customers: impl Iterator<Item = CustomerIndex>) -> Forecast {
        let stages: Vec<Stage<'a>> =
            self.turns.iter().enumerate().map(|(place, turn)| self.stage(place, &turn.rules, &turn.rivals)).collect();
        let mut room = Room::default();
        self.planner.imagined = Some(Box::default());
        for customer in customers {
            self.begin(customer);
            for stage in &stages {
                if !self.is_awake(stage) {
                    continue;
                }
                self.decide(stage, customer, &mut room);
                if self.depends_on_order(stage) {
                    self.planner.clear();
                    for part in self.parts(stage) {
                        self.decide(&part, customer, &mut room);
                        self.take(&part);
                    }
                } else {
                    self.take(stage);
                }
            }
        }
        self.found.faults = std::mem::take(&mut self.planner.plan.faults);
        self.found
    }

    /// Looks up what a turn asks of the rules and their pasts.
    fn stage(&self, place: usize, own: &[u16], rivals: &[u16]) -> Stage<'a> {
        let (rules, turn) = (self.rules, &self.turns[place]);
        let mut courses = Courses::default();
        let mut all: Vec<u16> = own.iter().chain(rivals).copied().collect();
        all.sort_unstable();
        all.dedup();
        for place in all {
            let (on_record, first_turn) = self.began[usize::from(place)];
            let began = on_record.or(first_turn.filter(|first| *first <= turn.as_of));
            let age = began.map(|began| days_between(began, turn.as_of));
            let scheduled_on = if own.contains(&place) { turn.scheduled_on } else { turn.as_of };
            self.planner.enrol(&mut courses, place, &rules.rules[usize::from(place)], age, scheduled_on);
        }
        courses.notices.retain(|course| own.contains(&course.place));
        for course in courses.notices.iter_mut().filter(|course| course.baseline_on.is_some()) {
            // What is there at the first run is noted then, and is no news later.
            course.baseline_on = self.began[usize::from(course.place)].1;
        }
        let has_statement = courses.statements.iter().any(|course| own.contains(&course.place));
        let (as_of, scheduled_on, own) = (turn.as_of, turn.scheduled_on, own.to_vec());
        Stage { place: place as u32, as_of, scheduled_on, courses, own, has_statement }
    }

    /// Returns the parts of a turn: its rules one after the other, each with those that follow as rivals.
    fn parts(&self, stage: &Stage<'a>) -> Vec<Stage<'a>> {
        let place = stage.place as usize;
        let rivals = |order: usize| [&stage.own[order + 1..], &self.turns[place].rivals].concat();
        (0..stage.own.len()).map(|order| self.stage(place, &stage.own[order..=order], &rivals(order))).collect()
    }

    /// Returns whether what was decided depends on the order of the rules. They run one after the other, and the highest mail goes in
    /// whatever order; but whether another rule's mail is told as blocked, or stands back, is for the first to say.
    fn depends_on_order(&self, stage: &Stage<'a>) -> bool {
        let own = || self.planner.plan.messages.iter().filter(|message| stage.own.contains(&message.rule));
        let reminders = || own().filter(|message| matches!(message.matter, Matter::Reminder { .. }));
        stage.own.len() > 1
            && reminders().any(|message| message.blocked.is_some())
            && reminders().any(|message| message.blocked.is_none())
    }

    /// Decides about a customer under the rules of a stage.
    fn decide(&mut self, stage: &Stage<'a>, customer: CustomerIndex, room: &mut Room<'a>) {
        self.planner.turn_to(stage.as_of, stage.scheduled_on);
        self.planner.decide_about(&stage.courses, customer, None, room);
        self.rest(stage);
    }

    /// Goes over to the next customer.
    fn begin(&mut self, customer: CustomerIndex) {
        let (ledger, holds) = (self.planner.ledger, self.planner.plan.holds.clone());
        let documents = ledger.documents_of(customer);
        let id = &ledger.customer(customer).id;
        let terms = documents.clone().filter(|_| !holds.is_empty()).flat_map(|place| {
            let number = &ledger.document(DocumentIndex(place as u32)).number;
            holds.of_invoice(id, number, Date::MIN)
        });
        let after = |term: HoldTerm| shifted(term.until, 1);
        let changes = ledger.changes_of(customer).chain(holds.of_customer(id).map(after)).chain(terms.map(after));
        if let Some(imagined) = &mut self.planner.imagined {
            imagined.begin(documents, changes, self.rules.rules.len());
        }
    }

    /// Returns whether anything can come of a turn for the customer.
    fn is_awake(&self, stage: &Stage<'a>) -> bool {
        let Some(imagined) = &self.planner.imagined else { return true };
        stage.has_statement || stage.own.iter().any(|place| imagined.is_awake(*place, stage.as_of))
    }

    /// Notes until when the notices of a turn need not be asked again: until something new is there, unless there is something
    /// that they may still tell.
    fn rest(&mut self, stage: &Stage<'a>) {
        let Some(imagined) = &mut self.planner.imagined else { return };
        let as_of = stage.as_of;
        for course in &stage.courses.notices {
            imagined.wake(course.place, as_of);
            let decisions = &self.planner.plan.rules[usize::from(course.place)].decisions;
            let is_over =
                |verdict: Verdict| matches!(verdict, Verdict::Declined(DeclineReason::Backlog | DeclineReason::AlreadySent));
            if !decisions.iter().all(|decision| is_over(decision.verdict)) {
                imagined.wake_on(course.place, as_of);
            }
        }
    }

    /// Takes what a turn has decided: its own mails are foreseen and imagined as sent, those of rivals are for their own turns.
    fn take(&mut self, stage: &Stage<'a>) {
        let plan = &self.planner.plan;
        let Some(imagined) = &mut self.planner.imagined else { return };
        for message in &plan.messages {
            if !stage.own.contains(&message.rule) {
                continue;
            }
            let rule = &self.rules.rules[usize::from(message.rule)];
            let items = &plan.items[message.items.start as usize..message.items.end as usize];
            if message.blocked.is_some() {
                if !imagined.block(message.rule, message, items) {
                    continue;
                }
            } else {
                let mail = past_mail(rule, message, stage.as_of);
                imagined.accept(message.rule, message, items, stage.as_of, mail);
            }
            let start = self.found.items.len() as u32;
            self.found.items.extend_from_slice(items);
            self.found.mails.push(ForeseenMail {
                turn: stage.place,
                rule: message.rule,
                customer: message.customer,
                currency: message.currency,
                total: message.total,
                lead: message.lead(),
                blocked: message.blocked,
                matter: (!matches!(message.matter, Matter::Reminder { .. })).then(|| Box::new(message.matter.clone())),
                items: start..self.found.items.len() as u32,
            });
        }
        self.planner.clear();
    }
}

/// Returns a mail as it keeps others away; a notice keeps nobody away.
fn past_mail(rule: &Rule, message: &PlannedMessage, on: Date) -> Option<PastMail> {
    let kind = match &rule.kind {
        RuleKind::Reminder(_) => MailKind::Reminder,
        RuleKind::Statement(_) => MailKind::Statement,
        RuleKind::Notice(_) => return None,
    };
    Some(PastMail { rule: rule.id.clone(), currency: message.currency, kind, on, is_queued: false, run: None })
}
