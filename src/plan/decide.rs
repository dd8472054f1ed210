//! The planner: one walk over the ledger, customer by customer, all rules at each; and what it decides about reminders.
//!
//! At each customer every rule says what it would send (`offer`), the rules are weighed against each other (`weigh`), and what
//! comes of it is written down (`settle`). Rivals take part in the first two only.

use std::ops::Range;

use rust_decimal::Decimal;

use crate::domain::date::{Date, days_between, shifted};
use crate::domain::document::{Document, DocumentKind};
use crate::domain::hold::{HoldKind, HoldTerm};
use crate::domain::id::RuleId;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::mailbox::RecipientRole;
use crate::domain::money::Currency;
use crate::plan::history::{History, RuleHistory, Standing};
use crate::plan::imagined::Imagined;
use crate::plan::ladder::{DueStep, LevelsDue, Past, Rung, lasts_until, rung_after};
use crate::plan::notices::NoticeCourse;
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::plan::statements::StatementCourse;
use crate::plan::weigh::{Offer, PastMails, weigh};
use crate::plan::{
    Decision, Matter, NOTICE_LEVEL, Plan, PlannedItem, PlannedMessage, Question, RulePlan, STATEMENT_LEVEL, Scope, Subject,
    Verdict, level_facts, recipient_names, unreachable,
};
use crate::rule::{ForEach, Level, NoticeStart, Reminder, ReminderDays, Rule, RuleKind, RuleSet};
use crate::script::{About, Account, LevelFacts, RecipientChoice, RecipientName, ScriptFault};

/// The most script faults a plan lists; the decisions themselves are all there.
const FAULTS_MAX: usize = 100;

/// A reminder rule with its past, looked up once.
pub(crate) struct Course<'a> {
    pub(crate) place: u16,
    rule: &'a Rule,
    reminder: &'a Reminder,
    past: RuleHistory<'a>,
    /// Days since it first ran; 0 where this is the first time, `None` where it has not run yet.
    age: Option<i32>,
    levels_due: LevelsDue<'a>,
}

impl Course<'_> {
    /// Returns what is on record of an item.
    fn past(&self, ledger: &Ledger, document: &OpenDocument) -> Past {
        Past::of(&self.reminder.levels, self.past.steps(&ledger.document(document.index).number))
    }

    /// Returns what the ladder says of an item.
    fn climb(&self, ledger: &Ledger, document: &OpenDocument, past: &Past, as_of: Date) -> Rung {
        let due_on = ledger.document(document.index).due_on;
        let levels_due = due_on.map(|due_on| self.levels_due.on(due_on));
        let levels_due = levels_due.as_deref().unwrap_or_default();
        rung_after(self.reminder, document.age, levels_due, past, self.age.unwrap_or_default(), as_of)
    }
}

/// All rules with their pasts, by kind.
#[derive(Default)]
pub(crate) struct Courses<'a> {
    pub(crate) reminders: Vec<Course<'a>>,
    pub(crate) statements: Vec<StatementCourse<'a>>,
    pub(crate) notices: Vec<NoticeCourse<'a>>,
}

/// An open document, with what every rule asks of it.
struct OpenDocument {
    index: DocumentIndex,
    open: Decimal,
    /// Days since the due date, if it has one.
    age: Option<i32>,
}

/// What a mail could be about: open documents of one account, all or a single one.
#[derive(Clone, Copy)]
struct Candidates<'a> {
    account: &'a Account<'a>,
    open: &'a [OpenDocument],
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
    rules: &'a RuleSet,
    pub(crate) ledger: &'a Ledger,
    past: &'a History,
    question: Question,
    pub(crate) plan: Plan,
    /// Whether the customer being decided about has credit or payments at all; most have none, and need no balance.
    has_credit: bool,
    /// Whether reminders may go on the plan's day.
    is_open_day: bool,
    /// What a forecast has sent the customer being decided about so far; `None` in a plan of one day.
    pub(crate) imagined: Option<Box<Imagined>>,
}

/// Room to work in, kept from one customer to the next.
#[derive(Default)]
pub(crate) struct Room<'a> {
    open: Vec<OpenDocument>,
    /// The items of the mail being gathered.
    items: Vec<PlannedItem>,
    /// The items of all offers.
    gathered: Vec<PlannedItem>,
    offers: Vec<Offer<'a>>,
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
        (self.plan.as_of, self.question.as_of, self.question.scheduled_on) = (as_of, as_of, scheduled_on);
        self.is_open_day = limits.reminder_days == ReminderDays::Every || limits.calendar.is_business_day(as_of);
    }

    pub(crate) fn run(mut self) -> Plan {
        let courses = self.courses();
        let mut room = Room::default();
        let (only_customer, only_document) = match self.question.only {
            None => (None, None),
            Some(Scope::Customer(customer)) => (Some(customer), None),
            Some(Scope::Invoice(document)) => (Some(self.ledger.document(document).customer), Some(document)),
        };
        match only_customer {
            Some(customer) => self.decide_about(&courses, customer, only_document, &mut room),
            None => {
                for customer in self.ledger.customer_indexes() {
                    self.decide_about(&courses, customer, None, &mut room);
                }
            }
        }
        self.without_rivals()
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
        room.open.clear();
        room.open.extend(documents.map(|index| self.open_document(index)).filter(|document| !document.open.is_zero()));
        // First, since reminders wait for it.
        let statement = match only_document {
            None => self.decide_statements(&courses.statements, customer),
            Some(_) => None,
        };
        self.decide_customer(&courses.reminders, customer, statement, room);
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
                let levels_due = LevelsDue::new(reminder, &self.rules.limits.calendar);
                courses.reminders.push(Course { place, rule, reminder, past, age, levels_due });
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
        let open: Vec<_> = documents.iter().map(|index| self.open_document(*index)).collect();
        for (place, rule) in rules.rules.iter().enumerate() {
            let reminder = match &rule.kind {
                RuleKind::Reminder(reminder) => reminder,
                RuleKind::Statement(statement) => {
                    if level == STATEMENT_LEVEL {
                        self.force_statements(place as u16, rule, statement, customer);
                    }
                    continue;
                }
                RuleKind::Notice(notice) => {
                    if level == NOTICE_LEVEL {
                        self.force_notice(place as u16, rule, notice, customer, documents);
                    }
                    continue;
                }
            };
            let Some(level) = reminder.levels.iter().position(|own| own.id.as_str() == level) else { continue };
            let levels_due = LevelsDue::new(reminder, &rules.limits.calendar);
            let course = Course { place: place as u16, rule, reminder, past: RuleHistory::default(), age: None, levels_due };
            let step = DueStep { level: level as u16, repeat: 0 };
            for (account, open) in &accounts(self.ledger, customer, &open, self.plan.as_of) {
                let items: Vec<_> = open.iter().map(|document| PlannedItem { document: document.index, step }).collect();
                let candidates = Candidates { account, open };
                let documents = || items.iter().map(|item| item.document).collect();
                let facts = level_facts(&rule.kind, step);
                let (blocked, choice) = match choose_recipients(rule, Some(&reminder.levels[level]), account, documents, &facts) {
                    Ok(choice) => (None, choice),
                    Err(fault) => {
                        self.fault(course.place, fault);
                        (Some(BlockReason::ScriptError), None)
                    }
                };
                self.settle(&course, candidates, Subject::Account, &items, Gathered::Message { blocked, choice });
            }
        }
        self.plan
    }

    fn open_document(&self, index: DocumentIndex) -> OpenDocument {
        let (document, as_of) = (self.ledger.document(index), self.plan.as_of);
        let age = document.due_on.map(|due_on| days_between(due_on, as_of));
        OpenDocument { index, open: self.ledger.open_on(index, as_of), age }
    }

    /// Decides about one customer under all rules. `statement` is the rule that sends a statement on the plan's day.
    fn decide_customer(
        &mut self,
        courses: &[Course<'a>],
        customer: CustomerIndex,
        statement: Option<&'a RuleId>,
        room: &mut Room<'a>,
    ) {
        let Room { open, items, gathered, offers } = room;
        self.has_credit =
            !self.ledger.payments_of(customer).is_empty() || open.iter().any(|document| document.open < Decimal::ZERO);
        let (id, limits) = (&self.ledger.customer(customer).id, &self.rules.limits);
        let (as_of, own_run) = (self.question.as_of, self.question.own_run);
        let imagined = self.imagined.as_mut().map(|imagined| std::mem::take(&mut imagined.mails)).unwrap_or_default();
        let earlier = PastMails { all: [self.past.mails(id), &imagined], limits, as_of, own_run, statement };
        let accounts = accounts(self.ledger, customer, open, as_of);
        offers.clear();
        gathered.clear();
        for (place, course) in courses.iter().enumerate() {
            // A forecast asks only the rules that may have something to say.
            if let Some(imagined) = &mut self.imagined
                && !imagined.wake(course.place, as_of)
            {
                continue;
            }
            for (account_place, (account, open)) in accounts.iter().enumerate() {
                let mut offer = |subject, range: Range<usize>| {
                    let candidates = Candidates { account, open: &open[range.clone()] };
                    let found = self.gather(course, candidates, items, &earlier);
                    let is_mail = matches!(found, Gathered::Message { .. });
                    let lead = if is_mail { self.leading(course, items) } else { (DueStep::default(), i32::MIN) };
                    let start = gathered.len();
                    gathered.extend_from_slice(items);
                    let (rule, currency, items) = (course.rule, account.currency(), start..gathered.len());
                    let account = account_place;
                    offers.push(Offer {
                        course: place,
                        rule,
                        currency,
                        account,
                        subject,
                        open: range,
                        items,
                        lead,
                        gathered: found,
                    });
                };
                match course.reminder.for_each {
                    ForEach::Customer => offer(Subject::Account, 0..open.len()),
                    ForEach::Invoice => {
                        (0..open.len()).for_each(|place| offer(Subject::Invoice(open[place].index), place..place + 1));
                    }
                }
            }
        }
        let is_blocked = |offer: &Offer<'_>| {
            let place = courses[offer.course].place;
            self.past.is_blocked(offer.rule, id, offer.currency)
                || self.imagined.as_ref().is_some_and(|imagined| imagined.is_blocked(place, offer.currency))
        };
        weigh(offers, limits, &is_blocked);
        if let Some(own) = &mut self.imagined {
            own.mails = imagined;
        }
        if open.is_empty() {
            for course in courses {
                let verdict = Verdict::Declined(DeclineReason::NothingOpen);
                self.note(course.place, Decision { customer, subject: Subject::Account, currency: None, verdict });
            }
        }
        for offer in offers.drain(..) {
            if self.imagined.is_some() && !matches!(offer.gathered, Gathered::Message { .. }) {
                continue;
            }
            let (account, open) = &accounts[offer.account];
            let candidates = Candidates { account, open: &open[offer.open] };
            self.settle(&courses[offer.course], candidates, offer.subject, &gathered[offer.items], offer.gathered);
        }
    }

    /// Returns the step that leads, and the age at which its level is due for the item that reaches it latest.
    fn leading(&self, course: &Course<'a>, items: &[PlannedItem]) -> (DueStep, i32) {
        let Some(step) = items.iter().map(|item| item.step).max() else { return (DueStep::default(), i32::MIN) };
        let due_age = |item: &PlannedItem| {
            let due_on = self.ledger.document(item.document).due_on?;
            course.levels_due.on(due_on).get(usize::from(step.level)).copied()
        };
        (step, items.iter().filter(|item| item.step == step).filter_map(due_age).max().unwrap_or(i32::MIN))
    }

    /// Leaves in `items` which of the candidates go into one mail, and returns whether that mail may go.
    fn gather(
        &mut self,
        course: &Course<'a>,
        candidates: Candidates<'_>,
        items: &mut Vec<PlannedItem>,
        earlier: &PastMails<'_>,
    ) -> Gathered {
        let Candidates { account, open } = candidates;
        items.clear();
        let mut nearest = DeclineReason::NothingOpen;
        let mut script_failed = false;
        for document in open {
            match self.step(course, account, document) {
                Ok(Rung::Due(step)) => items.push(PlannedItem { document: document.index, step }),
                Ok(Rung::No(reason)) => {
                    self.note_reason(course.place, document.index, reason);
                    nearest = nearest.max(reason);
                }
                Err(fault) => {
                    // The item might be due: it stands in the blocked message, at the first level.
                    script_failed = true;
                    self.fault(course.place, fault);
                    items.push(PlannedItem { document: document.index, step: DueStep { level: 0, repeat: 0 } });
                }
            }
        }
        if items.is_empty() {
            return Gathered::Declined(nearest);
        }
        if script_failed {
            return Gathered::Message { blocked: Some(BlockReason::ScriptError), choice: None };
        }
        match self.select(course, account, items) {
            Err(fault) => {
                self.fault(course.place, fault);
                return Gathered::Message { blocked: Some(BlockReason::ScriptError), choice: None };
            }
            Ok(()) if items.is_empty() => return Gathered::Declined(DeclineReason::NotSelected),
            Ok(()) => {}
        }
        let minimum = course.reminder.minimum.iter().find(|minimum| minimum.currency == account.currency());
        if minimum.is_some_and(|minimum| total(items, open) < minimum.amount) {
            return self.decline_all(course, items, DeclineReason::BelowMinimum);
        }
        if self.has_credit && covers(account, items, open) {
            return self.decline_all(course, items, DeclineReason::CreditCovers);
        }
        if !self.is_open_day {
            return self.decline_all(course, items, DeclineReason::ClosedDay);
        }
        if let Some(other) = earlier.too_near(course.rule) {
            return Gathered::Yielded(DeclineReason::ContactGap, other.clone());
        }
        if let Some(other) = earlier.day_taken(course.rule, course.reminder, account.currency()) {
            return Gathered::Yielded(DeclineReason::DayTaken, other.clone());
        }

        let lead = lead(items);
        let documents = || items.iter().map(|item| item.document).collect();
        let (level, facts) = (&course.reminder.levels[usize::from(lead.level)], level_facts(&course.rule.kind, lead));
        self.address(course.place, course.rule, Some(level), account, documents, &facts)
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
        let blocked = unreachable.or(rule.attaches.then_some(BlockReason::DocumentMissing));
        Gathered::Message { blocked, choice }
    }

    /// Returns what the rule says of one open document: an objection, or else the ladder's answer.
    fn step(&mut self, course: &Course<'a>, account: &Account<'_>, document: &OpenDocument) -> Result<Rung, ScriptFault> {
        if let Some(mut imagined) = self.imagined.take() {
            let rung = self.step_from_memory(&mut imagined, course, account, document);
            self.imagined = Some(imagined);
            return rung;
        }
        Ok(match self.objection(course, account, document)? {
            Some(reason) => Rung::No(reason),
            None => course.climb(self.ledger, document, &course.past(self.ledger, document), self.plan.as_of),
        })
    }

    /// Does what [`Planner::step`] does for a forecast, and remembers each answer for as long as it lasts.
    fn step_from_memory(
        &self,
        imagined: &mut Imagined,
        course: &Course<'a>,
        account: &Account<'_>,
        document: &OpenDocument,
    ) -> Result<Rung, ScriptFault> {
        let (as_of, place) = (self.plan.as_of, course.place);
        if let Some(rung) = imagined.remembered(place, document.index, as_of) {
            return Ok(rung);
        }
        if !imagined.is_unopposed(place, document.index, as_of) {
            let until = course.rule.condition.as_ref().map_or(Date::MAX, |own| own.lasts_until(account, document.index));
            match self.objection(course, account, document) {
                Ok(None) => imagined.remember_unopposed(place, document.index, until, as_of),
                Ok(Some(reason)) => {
                    imagined.remember(place, document.index, Rung::No(reason), until, as_of);
                    return Ok(Rung::No(reason));
                }
                Err(fault) => {
                    // It stands in a blocked mail.
                    imagined.wake_on(place, as_of);
                    return Err(fault);
                }
            }
        }
        let past = imagined.past(place, document.index, || course.past(self.ledger, document));
        let rung = course.climb(self.ledger, document, &past, as_of);
        let until = match self.ledger.document(document.index).due_on {
            // Before its first run a rule's backlog grows from day to day.
            Some(_) if course.age.is_none() => shifted(as_of, 1),
            Some(due_on) => lasts_until(course.reminder, document.age, &course.levels_due.on(due_on), &past, as_of),
            None => Date::MAX,
        };
        imagined.remember(place, document.index, rung, until, as_of);
        Ok(rung)
    }

    /// Returns why one open document is no matter of a rule's ladder, if it is none: nothing to ask for, `where`, a hold.
    fn objection(
        &self,
        course: &Course<'a>,
        account: &Account<'_>,
        document: &OpenDocument,
    ) -> Result<Option<DeclineReason>, ScriptFault> {
        let facts = self.ledger.document(document.index);
        // Credit is nothing to ask for, be it a credit note or an overpaid invoice; it stands on the account and in
        // statements.
        if facts.kind == DocumentKind::CreditNote || document.open <= Decimal::ZERO {
            return Ok(Some(DeclineReason::NothingOpen));
        }
        if let Some(condition) = &course.rule.condition
            && !condition.holds(account, document.index)?
        {
            return Ok(Some(DeclineReason::ConditionFalse));
        }
        Ok(self.hold(facts).or((!facts.approved).then_some(DeclineReason::NotApproved)))
    }

    /// Returns why an invoice is left alone on the plan's day, if it is: by the books, or by a person's hold.
    fn hold(&self, facts: &Document) -> Option<DeclineReason> {
        let (as_of, customer) = (self.plan.as_of, self.ledger.customer(facts.customer));
        if customer.hold_until.max(facts.hold_until).is_some_and(|until| as_of <= until) {
            return Some(DeclineReason::Held);
        }
        let is_promised = facts.promised_on.is_some_and(|day| as_of <= day);
        let by_books = is_promised.then_some(DeclineReason::Promised);
        if self.plan.holds.is_empty() {
            return by_books;
        }
        let reason = |term: HoldTerm| match term.kind {
            HoldKind::Dispute | HoldKind::Pause => DeclineReason::Held,
            HoldKind::Promise => DeclineReason::Promised,
        };
        // What lasts without the customer's doing stands before a promise.
        self.plan.holds.of_invoice(&customer.id, &facts.number, as_of).map(reason).chain(by_books).min()
    }

    /// Leaves in `items` only what the rule's script selects, if it does select.
    fn select(&mut self, course: &Course<'a>, account: &Account<'_>, items: &mut Vec<PlannedItem>) -> Result<(), ScriptFault> {
        let Some(script) = &course.rule.script else { return Ok(()) };
        let documents: Vec<DocumentIndex> = items.iter().map(|item| item.document).collect();
        let Some(selected) = script.select(account, &documents) else { return Ok(()) };
        let selected = selected?;
        items.retain(|item| {
            let is_selected = selected.contains(&item.document);
            if !is_selected {
                self.note_reason(course.place, item.document, DeclineReason::NotSelected);
            }
            is_selected
        });
        Ok(())
    }

    fn decline_all(&mut self, course: &Course<'a>, items: &[PlannedItem], reason: DeclineReason) -> Gathered {
        for item in items {
            self.note_reason(course.place, item.document, reason);
        }
        Gathered::Declined(reason)
    }

    /// Notes why an item is in no mail, where that is asked for.
    fn note_reason(&mut self, place: u16, document: DocumentIndex, reason: DeclineReason) {
        if let Some(own) = self.plan.rules[usize::from(place)].item_reasons.get_mut(document.0 as usize) {
            *own = reason;
        }
    }

    /// Writes the one decision of a subject down; `items` are those of its message, if there is one.
    fn settle(
        &mut self,
        course: &Course<'a>,
        candidates: Candidates<'_>,
        subject: Subject,
        items: &[PlannedItem],
        gathered: Gathered,
    ) {
        let Candidates { account, open } = candidates;
        let decision = Decision {
            customer: account.customer(),
            subject,
            currency: Some(account.currency()),
            verdict: Verdict::Declined(DeclineReason::default()),
        };
        match gathered {
            Gathered::Declined(reason) => {
                self.note(course.place, Decision { verdict: Verdict::Declined(reason), ..decision });
            }
            Gathered::Yielded(reason, other) => {
                items.iter().for_each(|item| self.note_reason(course.place, item.document, reason));
                let rule_plan = &mut self.plan.rules[usize::from(course.place)];
                rule_plan.yielded.push((rule_plan.decisions.len() as u32, other));
                self.note(course.place, Decision { verdict: Verdict::Declined(reason), ..decision });
            }
            Gathered::Message { blocked, choice } => {
                let post = Post { matter: Matter::Reminder { lead: lead(items) }, total: total(items, open), blocked, choice };
                self.post(course.place, decision, account.currency(), post, items.iter().copied());
            }
        }
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

fn choose_recipients(
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

/// Returns the highest step; `items` is not empty.
fn lead(items: &[PlannedItem]) -> DueStep {
    items.iter().map(|item| item.step).max().expect("a message has at least one item")
}

/// Returns whether money that is there, only not matched to an invoice yet, covers all that is overdue and what a mail asks
/// for besides: then it is no reason to write.
fn covers(account: &Account<'_>, items: &[PlannedItem], open: &[OpenDocument]) -> bool {
    let mut open = open.iter();
    // Both lists stand in one order, as in `total`.
    let asked = items.iter().filter_map(|item| open.find(|document| document.index == item.document));
    let is_upcoming = |document: &&OpenDocument| document.age.is_none_or(|age| age <= 0);
    let upcoming: Decimal = asked.filter(is_upcoming).map(|document| document.open).sum();
    let credit = account.credit();
    credit > Decimal::ZERO && credit >= account.overdue() + upcoming
}

/// Returns what `items` leave open; they stand in the order of `open`, so both lists are walked once.
fn total(items: &[PlannedItem], open: &[OpenDocument]) -> Decimal {
    let mut open = open.iter();
    items.iter().filter_map(|item| open.find(|document| document.index == item.document)).map(|document| document.open).sum()
}

/// Returns a customer's accounts, each with its open documents. Documents are sorted by currency, so those of an account
/// are one stretch.
fn accounts<'o>(
    ledger: &'o Ledger,
    customer: CustomerIndex,
    open: &'o [OpenDocument],
    as_of: Date,
) -> Vec<(Account<'o>, &'o [OpenDocument])> {
    let currency = |document: &OpenDocument| ledger.document(document.index).currency;
    let stretches = open.chunk_by(|a, b| currency(a) == currency(b));
    stretches.map(|open| (Account::new(ledger, customer, currency(&open[0]), as_of), open)).collect()
}
