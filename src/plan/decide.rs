//! The planner: one walk over the ledger, customer by customer, all rules at each. What is decided of each kind is in `reminders`,
//! `statements` and `notices`; what they share, whom a mail goes to and how it is written down, is here.

use std::convert::Infallible;

use rust_decimal::Decimal;

use crate::domain::date::{Date, days_between};
use crate::domain::id::RuleId;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::mailbox::RecipientRole;
use crate::domain::money::Currency;
use crate::plan::history::{History, Standing};
use crate::plan::imagined::Imagined;
use crate::plan::notices::NoticeCourse;
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::plan::reminders::{Course, Room};
use crate::plan::statements::StatementCourse;
use crate::plan::{
    Decision, Matter, NOTICE_LEVEL, Plan, PlannedItem, PlannedMessage, Question, RulePlan, STATEMENT_LEVEL, Scope, Verdict,
    recipient_names, unreachable,
};
use crate::rule::{Level, NoticeStart, ReminderDays, Rule, RuleKind, RuleSet};
use crate::script::{About, Account, LevelFacts, RecipientChoice, RecipientName, ScriptFault};

/// The most script faults a plan lists; the decisions themselves are all there.
const FAULTS_MAX: usize = 100;

/// All rules with their pasts, by kind.
#[derive(Default)]
pub(crate) struct Courses<'a> {
    pub(crate) reminders: Vec<Course<'a>>,
    pub(crate) statements: Vec<StatementCourse<'a>>,
    pub(crate) notices: Vec<NoticeCourse<'a>>,
}

/// What became of a group of items that one mail would gather.
pub(crate) enum Gathered {
    Message {
        blocked: Option<BlockReason>,
        choice: Option<Box<RecipientChoice>>,
    },
    Declined(DeclineReason),
    /// The mail of this rule is in its way.
    Yielded(DeclineReason, RuleId),
}

/// A message on its way into the plan.
pub(crate) struct Post {
    pub(crate) matter: Matter,
    pub(crate) total: Decimal,
    pub(crate) blocked: Option<BlockReason>,
    pub(crate) choice: Option<Box<RecipientChoice>>,
}

pub(crate) struct Planner<'a> {
    pub(crate) rules: &'a RuleSet,
    pub(crate) ledger: &'a Ledger,
    pub(crate) past: &'a History,
    pub(crate) question: Question,
    pub(crate) plan: Plan,
    /// Whether the customer being decided about has credit or payments at all; most have none, and need no balance.
    pub(crate) has_credit: bool,
    /// Whether reminders may go on the plan's day.
    pub(crate) is_open_day: bool,
    /// What a forecast has sent the customer being decided about so far; `None` in a plan of one day.
    pub(crate) imagined: Option<Box<Imagined>>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(rules: &'a RuleSet, ledger: &'a Ledger, past: &'a History, question: Question) -> Self {
        let documents = ledger.documents().len();
        let subjects = 2 * ledger.customers().len();
        let mut planner = Self::lean(rules, ledger, past, question);
        for (rule, rule_plan) in rules.rules.iter().chain(&rules.rivals).zip(&mut planner.plan.rules) {
            if rule.reminder().is_some() {
                // Room for two currencies a customer: mere address space until it is written to, while growing would copy.
                rule_plan.decisions.reserve(subjects);
                rule_plan.item_reasons.resize(documents, DeclineReason::default());
            }
        }
        planner.plan.messages.reserve(subjects);
        planner.plan.items.reserve(documents);
        planner
    }

    /// Returns one for whoever does not ask for reasons of items.
    pub(crate) fn lean(rules: &'a RuleSet, ledger: &'a Ledger, past: &'a History, question: Question) -> Self {
        let plan = Plan {
            as_of: question.as_of,
            scheduled_on: question.scheduled_on,
            messages: Vec::new(),
            rules: rules.rules.iter().chain(&rules.rivals).map(|_| RulePlan::default()).collect(),
            faults: Vec::new(),
            holds: past.holds.clone(),
            suppressions: past.suppressions.clone(),
            items: Vec::new(),
        };
        let mut planner = Self { rules, ledger, past, question, plan, has_credit: false, is_open_day: false, imagined: None };
        planner.turn_to(question.as_of, question.scheduled_on);
        planner
    }

    /// Goes over to another day.
    pub(crate) fn turn_to(&mut self, as_of: Date, scheduled_on: Date) {
        let limits = &self.rules.limits;
        (self.plan.as_of, self.plan.scheduled_on) = (as_of, scheduled_on);
        (self.question.as_of, self.question.scheduled_on) = (as_of, scheduled_on);
        self.is_open_day = limits.reminder_days == ReminderDays::Every || limits.calendar.is_business_day(as_of);
    }

    pub(crate) fn run(mut self) -> Plan {
        let Ok(()) = self.walk(|_| Ok::<(), Infallible>(()));
        self.without_rivals()
    }

    /// Does what [`crate::plan::plan_each`] says.
    pub(crate) fn run_each<E>(mut self, mut take: impl FnMut(&Plan, &PlannedMessage) -> Result<(), E>) -> Result<(), E> {
        let count = self.rules.rules.len();
        self.walk(|planner| {
            let mut own = planner.plan.messages.iter().filter(|message| usize::from(message.rule) < count);
            own.try_for_each(|message| take(&planner.plan, message))?;
            planner.clear();
            Ok(())
        })
    }

    /// Decides about everybody who is asked for, customer by customer, with `then` after each.
    fn walk<E>(&mut self, mut then: impl FnMut(&mut Self) -> Result<(), E>) -> Result<(), E> {
        let courses = self.courses();
        let mut room = Room::default();
        let (only_customer, only_document) = match self.question.only {
            None => (None, None),
            Some(Scope::Customer(customer)) => (Some(customer), None),
            Some(Scope::Invoice(document)) => (Some(self.ledger.document(document).customer), Some(document)),
        };
        let all = 0..self.ledger.customers().len() as u32;
        for customer in only_customer.map_or(all, |only| only.0..only.0 + 1).map(CustomerIndex) {
            self.decide_about(&courses, customer, only_document, &mut room);
            then(self)?;
        }
        Ok(())
    }

    /// Forgets what was decided, but for the faults of scripts.
    pub(crate) fn clear(&mut self) {
        let plan = &mut self.plan;
        plan.messages.clear();
        plan.items.clear();
        for rule in &mut plan.rules {
            rule.decisions.clear();
            rule.yielded.clear();
        }
    }

    /// Decides about everything of one customer, or about one document alone.
    pub(crate) fn decide_about(
        &mut self,
        courses: &Courses<'a>,
        customer: CustomerIndex,
        only_document: Option<DocumentIndex>,
        room: &mut Room<'a>,
    ) {
        let documents = self.ledger.documents_of(customer).map(|place| DocumentIndex(place as u32));
        let documents = documents.filter(|index| only_document.is_none_or(|only| only == *index));
        room.fill(documents.map(|index| self.open_document(index)));
        // First, since reminders wait for it.
        let statement = match only_document {
            None => self.decide_statements(&courses.statements, customer),
            Some(_) => None,
        };
        self.decide_reminders(&courses.reminders, customer, statement, room);
        self.decide_notices(&courses.notices, customer, only_document);
    }

    /// Leaves out what rivals decided: their own runs will say it.
    fn without_rivals(self) -> Plan {
        let (mut plan, count) = (self.plan, self.rules.rules.len());
        if self.rules.rivals.is_empty() {
            return plan;
        }
        plan.rules.truncate(count);
        plan.faults.retain(|(rule, _)| usize::from(*rule) < count);
        let (all, items) = (std::mem::take(&mut plan.messages), std::mem::take(&mut plan.items));
        let mut places = vec![u32::MAX; all.len()];
        for (place, mut message) in all.into_iter().enumerate().filter(|(_, message)| usize::from(message.rule) < count) {
            let start = plan.items.len() as u32;
            plan.items.extend_from_slice(&items[message.items.start as usize..message.items.end as usize]);
            message.items = start..plan.items.len() as u32;
            places[place] = plan.messages.len() as u32;
            plan.messages.push(message);
        }
        for decision in plan.rules.iter_mut().flat_map(|rule| &mut rule.decisions) {
            if let Verdict::Message(place) = &mut decision.verdict {
                *place = places[*place as usize];
            }
        }
        plan
    }

    /// Looks up the past of every rule.
    fn courses(&mut self) -> Courses<'a> {
        let (rules, Question { as_of, scheduled_on, .. }) = (self.rules, self.question);
        let mut courses = Courses::default();
        for (place, rule) in rules.rules.iter().chain(&rules.rivals).enumerate() {
            let scheduled_on = if place < rules.rules.len() { scheduled_on } else { as_of };
            let began = self.past.of_rule(rule).started_on();
            let age = began.map(|began| days_between(began, as_of));
            self.enrol(&mut courses, place as u16, rule, age, scheduled_on);
        }
        for course in &courses.notices {
            self.plan.rules[usize::from(course.place)].takes_baseline = course.baseline_on.is_some();
        }
        courses
    }

    /// Adds a rule, `age` days after it first ran. Its statements' period is counted from `scheduled_on`.
    pub(crate) fn enrol(&self, courses: &mut Courses<'a>, place: u16, rule: &'a Rule, age: Option<i32>, scheduled_on: Date) {
        let past = self.past.of_rule(rule);
        match &rule.kind {
            RuleKind::Reminder(reminder) => {
                courses.reminders.push(Course::new(place, rule, reminder, past, age, &self.rules.limits));
            }
            RuleKind::Statement(statement) => {
                let period = statement.period.days(scheduled_on);
                courses.statements.push(StatementCourse { place, rule, statement, past, period });
            }
            RuleKind::Notice(notice) => {
                let takes_baseline = notice.start == NoticeStart::FromNow && !past.has_baseline();
                let baseline_on = takes_baseline.then_some(self.question.as_of);
                courses.notices.push(NoticeCourse { place, rule, notice, past, baseline_on });
            }
        }
    }

    /// Plans what [`crate::plan::forced`] says, currency by currency, asking for nothing else.
    pub(crate) fn force(mut self, level: &str, customer: CustomerIndex, documents: &[DocumentIndex]) -> Plan {
        let rules = self.rules;
        for (place, rule) in rules.rules.iter().enumerate() {
            let place = place as u16;
            match &rule.kind {
                RuleKind::Reminder(reminder) => self.force_reminders(place, rule, reminder, level, customer, documents),
                RuleKind::Statement(statement) if level == STATEMENT_LEVEL => {
                    self.force_statements(place, rule, statement, customer);
                }
                RuleKind::Notice(notice) if level == NOTICE_LEVEL => {
                    self.force_notice(place, rule, notice, customer, documents);
                }
                RuleKind::Statement(_) | RuleKind::Notice(_) => {}
            }
        }
        self.plan
    }

    /// Chooses who gets a mail about `documents`, and tells whether it may go.
    pub(crate) fn address(
        &mut self,
        place: u16,
        rule: &Rule,
        level: Option<&Level>,
        account: &Account<'_>,
        documents: impl FnOnce() -> Vec<DocumentIndex>,
        facts: &LevelFacts,
    ) -> Gathered {
        let choice = match choose_recipients(rule, level, account, documents, facts) {
            Ok(choice) => choice,
            Err(fault) => {
                self.fault(place, fault);
                return Gathered::Message { blocked: Some(BlockReason::ScriptError), choice: None };
            }
        };
        let customer = self.ledger.customer(account.customer());
        let unreachable = unreachable(rule, level, choice.as_deref(), customer, &self.plan.suppressions);
        Gathered::Message { blocked: unreachable, choice }
    }

    /// Writes a message down, and with it the one decision of its subject.
    pub(crate) fn post(
        &mut self,
        place: u16,
        decision: Decision,
        currency: Currency,
        post: Post,
        items: impl Iterator<Item = PlannedItem>,
    ) {
        let start = self.plan.items.len() as u32;
        self.plan.items.extend(items);
        let Post { matter, total, blocked, choice } = post;
        self.plan.messages.push(PlannedMessage {
            rule: place,
            customer: decision.customer,
            currency,
            matter,
            items: start..self.plan.items.len() as u32,
            total,
            blocked,
            choice,
        });
        let verdict = Verdict::Message(self.plan.messages.len() as u32 - 1);
        self.note(place, Decision { verdict, ..decision });
    }

    pub(crate) fn note(&mut self, place: u16, decision: Decision) {
        self.plan.rules[usize::from(place)].decisions.push(decision);
    }

    pub(crate) fn fault(&mut self, place: u16, fault: ScriptFault) {
        let is_known = |known: &(u16, ScriptFault)| known.0 == place && known.1.place == fault.place;
        if self.plan.faults.len() < FAULTS_MAX && !self.plan.faults.iter().any(is_known) {
            self.plan.faults.push((place, fault));
        }
    }
}

/// Returns whom the rule's script and its pickers choose, where they do; `documents` are what the mail is about.
pub(crate) fn choose_recipients(
    rule: &Rule,
    level: Option<&Level>,
    account: &Account<'_>,
    documents: impl FnOnce() -> Vec<DocumentIndex>,
    facts: &LevelFacts,
) -> Result<Option<Box<RecipientChoice>>, ScriptFault> {
    let names = |choice| RecipientRole::ALL.map(|role| recipient_names(role, rule, level, choice));
    let is_picked = names(None).iter().any(|names| has_picker(names));
    if rule.script.is_none() && !is_picked {
        return Ok(None);
    }
    let documents = documents();
    let script = rule.script.as_ref();
    let chosen = script.and_then(|script| script.recipients(account, &documents, facts)).transpose()?;
    if !names(chosen.as_ref()).iter().any(|names| has_picker(names)) {
        return Ok(chosen.map(Box::new));
    }
    // What the script chose stands; pickers of the roles it left alone are asked now.
    let [to, cc, bcc] = names(chosen.as_ref()).map(|names| picked(names, account, &documents, facts));
    Ok(Some(Box::new(RecipientChoice { to: Some(to?), cc: Some(cc?), bcc: Some(bcc?) })))
}

/// Returns whether the rule's `where` holds for a statement or notice, and its script selects any of its documents;
/// where there are none, the script is not asked.
pub(crate) fn wanted(
    rule: &Rule,
    account: &Account<'_>,
    about: About,
    documents: &[DocumentIndex],
) -> Result<Option<DeclineReason>, ScriptFault> {
    if let Some(condition) = &rule.condition
        && !condition.holds_about(account, about)?
    {
        return Ok(Some(DeclineReason::ConditionFalse));
    }
    let Some(script) = rule.script.as_ref().filter(|_| !documents.is_empty()) else { return Ok(None) };
    match script.select(account, documents).transpose()? {
        Some(selected) if selected.is_empty() => Ok(Some(DeclineReason::NotSelected)),
        _ => Ok(None),
    }
}

/// Returns why a period or event whose mail stands so gets none.
pub(crate) fn settled(standing: Standing) -> DeclineReason {
    match standing {
        Standing::Accepted => DeclineReason::AlreadySent,
        Standing::UnderWay => DeclineReason::UnderWay,
        Standing::Unknown => DeclineReason::OutcomeUnknown,
        Standing::Refused => DeclineReason::Refused,
        Standing::Cancelled => DeclineReason::Cancelled,
    }
}

fn has_picker(names: &[RecipientName]) -> bool {
    names.iter().any(|name| matches!(name, RecipientName::Picker(_)))
}

/// Returns the names with those that its pickers pick in their places.
fn picked(
    names: &[RecipientName],
    account: &Account<'_>,
    items: &[DocumentIndex],
    level: &LevelFacts,
) -> Result<Vec<RecipientName>, ScriptFault> {
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        match name {
            RecipientName::Picker(picker) => all.extend(picker.recipients(account, items, level)?),
            own => all.push(own.clone()),
        }
    }
    Ok(all)
}
