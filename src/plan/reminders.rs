//! What is decided about reminders: which of a customer's open documents go into one mail of each rule, and which of the mails goes.
//!
//! At each customer every rule says what it would send (`offer`), the rules are weighed against each other (`weigh`), and what
//! comes of it is written down (`settle`). Rivals take part in the first two only. A forecast asks the same, and is answered from
//! memory where an answer still holds.

use std::ops::Range;

use rust_decimal::Decimal;

use crate::domain::date::{Date, days_between, shifted};
use crate::domain::document::{Document, DocumentKind};
use crate::domain::hold::{HoldKind, HoldTerm};
use crate::domain::id::RuleId;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::plan::decide::{Gathered, Planner, Post, choose_recipients};
use crate::plan::history::RuleHistory;
use crate::plan::imagined::Imagined;
use crate::plan::ladder::{DueStep, LevelsDue, Past, Rung, lasts_until, rung_after};
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::plan::weigh::{Offer, PastMails, weigh};
use crate::plan::{Decision, Matter, PlannedItem, Subject, Verdict, level_facts};
use crate::rule::{ForEach, Limits, Reminder, Rule};
use crate::script::{Account, ScriptFault};

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

impl<'a> Course<'a> {
    pub(crate) fn new(
        place: u16,
        rule: &'a Rule,
        reminder: &'a Reminder,
        past: RuleHistory<'a>,
        age: Option<i32>,
        limits: &'a Limits,
    ) -> Self {
        Self { place, rule, reminder, past, age, levels_due: LevelsDue::new(reminder, &limits.calendar) }
    }

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

/// An open document, with what every rule asks of it.
pub(crate) struct OpenDocument {
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

impl Room<'_> {
    /// Goes over to a customer with these documents; what has nothing open is passed over.
    pub(crate) fn fill(&mut self, documents: impl Iterator<Item = OpenDocument>) {
        self.open.clear();
        self.open.extend(documents.filter(|document| !document.open.is_zero()));
    }
}

impl<'a> Planner<'a> {
    /// Plans reminders of a rule's level about documents, currency by currency, whatever the rule's past and its `where`.
    pub(crate) fn force_reminders(
        &mut self,
        place: u16,
        rule: &'a Rule,
        reminder: &'a Reminder,
        level: &str,
        customer: CustomerIndex,
        documents: &[DocumentIndex],
    ) {
        let Some(level) = reminder.levels.iter().position(|own| own.id.as_str() == level) else { return };
        let open: Vec<_> = documents.iter().map(|index| self.open_document(*index)).collect();
        let course = Course::new(place, rule, reminder, RuleHistory::default(), None, &self.rules.limits);
        let step = DueStep { level: level as u16, repeat: 0 };
        for (account, open) in &accounts(self.ledger, customer, &open, self.plan.as_of) {
            let items: Vec<_> = open.iter().map(|document| PlannedItem { document: document.index, step }).collect();
            let candidates = Candidates { account, open };
            let documents = || items.iter().map(|item| item.document).collect();
            let facts = level_facts(&rule.kind, step);
            let (blocked, choice) = match choose_recipients(rule, Some(&reminder.levels[level]), account, documents, &facts) {
                Ok(choice) => (None, choice),
                Err(fault) => {
                    self.fault(place, fault);
                    (Some(BlockReason::ScriptError), None)
                }
            };
            self.settle(&course, candidates, Subject::Account, &items, Gathered::Message { blocked, choice });
        }
    }

    pub(crate) fn open_document(&self, index: DocumentIndex) -> OpenDocument {
        let (document, as_of) = (self.ledger.document(index), self.plan.as_of);
        let age = document.due_on.map(|due_on| days_between(due_on, as_of));
        OpenDocument { index, open: self.ledger.open_on(index, as_of), age }
    }

    /// Decides about a customer's reminders under all rules. `statement` is the rule that sends a statement on the plan's day.
    pub(crate) fn decide_reminders(
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
