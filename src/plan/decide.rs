//! The planner: one walk over the ledger, customer by customer, all rules at each.

use rust_decimal::Decimal;

use crate::domain::date::{Date, days_between};
use crate::domain::document::DocumentKind;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::mailbox::RecipientRole;
use crate::domain::money::Currency;
use crate::plan::history::{History, RuleHistory};
use crate::plan::ladder::{DueStep, Rung, rung};
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::plan::{
    Decision, Plan, PlannedItem, PlannedMessage, RulePlan, Verdict, is_reachable, level_facts, recipient_names, reminder,
};
use crate::rule::{ForEach, Reminder, Rule, RuleSet};
use crate::script::{Account, LevelFacts, RecipientChoice, RecipientName, ScriptFault};

/// The most script faults a plan lists; the decisions themselves are all there.
const FAULTS_MAX: usize = 100;

/// A rule with its past, looked up once.
struct Course<'a> {
    place: u16,
    reminder: &'a Reminder,
    past: RuleHistory<'a>,
    /// Days since it first ran; 0 where this is the first time.
    age: i32,
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
enum Gathered {
    Message { blocked: Option<BlockReason>, choice: Option<Box<RecipientChoice>> },
    Declined(DeclineReason),
}

pub(crate) struct Planner<'a> {
    rules: &'a RuleSet,
    ledger: &'a Ledger,
    past: &'a History,
    plan: Plan,
    /// Whether the customer being decided about has credit or payments at all; most have none, and need no balance.
    has_credit: bool,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(rules: &'a RuleSet, ledger: &'a Ledger, past: &'a History, as_of: Date) -> Self {
        let (customers, documents) = (ledger.customers().len(), ledger.documents().len());
        // Room for two currencies a customer: mere address space until it is written to, while growing would copy.
        let subjects = 2 * customers;
        let rule_plan = |rule| match reminder(rule) {
            Some(_) => {
                RulePlan { decisions: Vec::with_capacity(subjects), item_reasons: vec![DeclineReason::default(); documents] }
            }
            None => RulePlan::default(),
        };
        let plan = Plan {
            as_of,
            messages: Vec::with_capacity(subjects),
            rules: rules.rules.iter().map(rule_plan).collect(),
            faults: Vec::new(),
            items: Vec::with_capacity(documents),
        };
        Self { rules, ledger, past, plan, has_credit: false }
    }

    pub(crate) fn run(mut self) -> Plan {
        let (rules, past, as_of) = (self.rules, self.past, self.plan.as_of);
        let course = |(place, rule): (usize, &'a Rule)| {
            let past = past.of_rule(rule);
            let age = past.started_on().map_or(0, |started_on| days_between(started_on, as_of));
            reminder(rule).map(|reminder| Course { place: place as u16, reminder, past, age })
        };
        let courses: Vec<Course<'a>> = rules.rules.iter().enumerate().filter_map(course).collect();

        let (mut open, mut items) = (Vec::new(), Vec::new());
        for customer in self.ledger.customer_indexes() {
            let documents = self.ledger.documents_of(customer).map(|place| DocumentIndex(place as u32));
            open.clear();
            open.extend(documents.map(|index| self.open_document(index)).filter(|document| !document.open.is_zero()));
            self.decide_customer(&courses, customer, &open, &mut items);
        }
        self.plan
    }

    /// Plans these documents at `level` of every rule that has it, currency by currency, asking for nothing else.
    pub(crate) fn force(mut self, level: &str, customer: CustomerIndex, documents: &[DocumentIndex]) -> Plan {
        let rules = self.rules;
        let open: Vec<_> = documents.iter().map(|index| self.open_document(*index)).collect();
        for (place, rule) in rules.rules.iter().enumerate() {
            let Some(reminder) = reminder(rule) else { continue };
            let Some(level) = reminder.levels.iter().position(|own| own.id.as_str() == level) else { continue };
            let course = Course { place: place as u16, reminder, past: RuleHistory::default(), age: 0 };
            let step = DueStep { level: level as u16, repeat: 0 };
            for (account, open) in &accounts(self.ledger, customer, &open, self.plan.as_of) {
                let items: Vec<_> = open.iter().map(|document| PlannedItem { document: document.index, step }).collect();
                let candidates = Candidates { account, open };
                let (blocked, choice) = match self.choose_recipients(&course, account, &items, step) {
                    Ok(choice) => (None, choice),
                    Err(fault) => {
                        self.fault(&course, fault);
                        (Some(BlockReason::ScriptError), None)
                    }
                };
                self.settle(&course, candidates, None, &items, Gathered::Message { blocked, choice });
            }
        }
        self.plan
    }

    fn open_document(&self, index: DocumentIndex) -> OpenDocument {
        let (document, as_of) = (self.ledger.document(index), self.plan.as_of);
        let age = document.due_on.map(|due_on| days_between(due_on, as_of));
        OpenDocument { index, open: self.ledger.open_on(index, as_of), age }
    }

    /// Decides about one customer under all rules. A mail of one rule keeps the rules after it away for the
    /// contact gap; the mails of one rule on one day (several currencies or invoices) count as one contact.
    ///
    /// `items` is room to work in, kept from one customer to the next.
    fn decide_customer(
        &mut self,
        courses: &[Course<'a>],
        customer: CustomerIndex,
        open: &[OpenDocument],
        items: &mut Vec<PlannedItem>,
    ) {
        self.has_credit =
            !self.ledger.payments_of(customer).is_empty() || open.iter().any(|document| document.open < Decimal::ZERO);
        let gap = self.rules.contact_gap.count();
        let last_contact = self.past.last_contact(&self.ledger.customer(customer).id);
        // A contact later than the plan's day, as a replay of the past meets it, is too near as well.
        let mut is_too_soon = gap > 0 && last_contact.is_some_and(|last| days_between(last, self.plan.as_of) < gap);
        let accounts = accounts(self.ledger, customer, open, self.plan.as_of);
        for course in courses {
            let messages_before = self.plan.messages.len();
            if open.is_empty() {
                self.note(course, customer, None, None, Verdict::Declined(DeclineReason::NothingOpen));
            }
            for (account, open) in &accounts {
                match course.reminder.for_each {
                    ForEach::Customer => {
                        let candidates = Candidates { account, open };
                        let gathered = self.gather(course, candidates, items, is_too_soon);
                        self.settle(course, candidates, None, items, gathered);
                    }
                    ForEach::Invoice => {
                        for single in *open {
                            let candidates = Candidates { account, open: std::slice::from_ref(single) };
                            let gathered = self.gather(course, candidates, items, is_too_soon);
                            self.settle(course, candidates, Some(single.index), items, gathered);
                        }
                    }
                }
            }
            is_too_soon |= gap > 0 && self.plan.messages[messages_before..].iter().any(|message| message.blocked.is_none());
        }
    }

    /// Leaves in `items` which of the candidates go into one mail, and returns whether that mail may go.
    fn gather(
        &mut self,
        course: &Course<'a>,
        candidates: Candidates<'_>,
        items: &mut Vec<PlannedItem>,
        is_too_soon: bool,
    ) -> Gathered {
        let Candidates { account, open } = candidates;
        items.clear();
        let mut nearest = DeclineReason::NothingOpen;
        let mut script_failed = false;
        for document in open {
            match self.step(course, account, document) {
                Ok(Rung::Due(step)) => items.push(PlannedItem { document: document.index, step }),
                Ok(Rung::No(reason)) => {
                    self.plan.rules[usize::from(course.place)].item_reasons[document.index.0 as usize] = reason;
                    nearest = nearest.max(reason);
                }
                Err(fault) => {
                    // The item might be due: it stands in the blocked message, at the first level.
                    script_failed = true;
                    self.fault(course, fault);
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
                self.fault(course, fault);
                return Gathered::Message { blocked: Some(BlockReason::ScriptError), choice: None };
            }
            Ok(()) if items.is_empty() => return Gathered::Declined(DeclineReason::NotSelected),
            Ok(()) => {}
        }
        let minimum = course.reminder.minimum.iter().find(|minimum| minimum.currency == account.currency());
        if minimum.is_some_and(|minimum| total(items, open) < minimum.amount) {
            return self.decline_all(course, items, DeclineReason::BelowMinimum);
        }
        // Money that is there, only not matched to an invoice yet, is no reason to write.
        if self.has_credit && account.balance() <= Decimal::ZERO {
            return self.decline_all(course, items, DeclineReason::CreditCovers);
        }
        if is_too_soon {
            return self.decline_all(course, items, DeclineReason::ContactGap);
        }

        let lead = lead(items);
        let choice = match self.choose_recipients(course, account, items, lead) {
            Ok(choice) => choice,
            Err(fault) => {
                self.fault(course, fault);
                return Gathered::Message { blocked: Some(BlockReason::ScriptError), choice: None };
            }
        };
        let level = &course.reminder.levels[usize::from(lead.level)];
        let customer = self.ledger.customer(account.customer());
        let blocked = if !is_reachable(course.reminder, level, choice.as_deref(), customer) {
            Some(BlockReason::RecipientMissing)
        } else if course.reminder.attaches {
            Some(BlockReason::DocumentMissing)
        } else {
            None
        };
        Gathered::Message { blocked, choice }
    }

    /// Returns what the rule says of one open document: hold, `where`, then the ladder.
    fn step(&self, course: &Course<'a>, account: &Account<'_>, document: &OpenDocument) -> Result<Rung, ScriptFault> {
        let as_of = self.plan.as_of;
        let facts = self.ledger.document(document.index);
        // Credit is nothing to ask for, be it a credit note or an overpaid invoice; it stands on the account and in
        // statements.
        if facts.kind == DocumentKind::CreditNote || document.open <= Decimal::ZERO {
            return Ok(Rung::No(DeclineReason::NothingOpen));
        }
        if let Some(condition) = &course.reminder.condition
            && !condition.holds(account, document.index)?
        {
            return Ok(Rung::No(DeclineReason::ConditionFalse));
        }
        let held_until = self.ledger.customer(facts.customer).hold_until.max(facts.hold_until);
        if held_until.is_some_and(|until| as_of <= until) {
            return Ok(Rung::No(DeclineReason::Held));
        }
        Ok(rung(course.reminder, document.age, course.past.steps(&facts.number), course.age, as_of))
    }

    /// Leaves in `items` only what the rule's script selects, if it does select.
    fn select(&mut self, course: &Course<'a>, account: &Account<'_>, items: &mut Vec<PlannedItem>) -> Result<(), ScriptFault> {
        let Some(script) = &course.reminder.script else { return Ok(()) };
        let documents: Vec<DocumentIndex> = items.iter().map(|item| item.document).collect();
        let Some(selected) = script.select(account, &documents) else { return Ok(()) };
        let selected = selected?;
        let reasons = &mut self.plan.rules[usize::from(course.place)].item_reasons;
        items.retain(|item| {
            let is_selected = selected.contains(&item.document);
            if !is_selected {
                reasons[item.document.0 as usize] = DeclineReason::NotSelected;
            }
            is_selected
        });
        Ok(())
    }

    fn choose_recipients(
        &self,
        course: &Course<'a>,
        account: &Account<'_>,
        items: &[PlannedItem],
        lead: DueStep,
    ) -> Result<Option<Box<RecipientChoice>>, ScriptFault> {
        let level = &course.reminder.levels[usize::from(lead.level)];
        let names = |choice| RecipientRole::ALL.map(|role| recipient_names(role, course.reminder, level, choice));
        let is_picked = names(None).iter().any(|names| has_picker(names));
        if course.reminder.script.is_none() && !is_picked {
            return Ok(None);
        }
        let documents: Vec<DocumentIndex> = items.iter().map(|item| item.document).collect();
        let facts = level_facts(course.reminder, lead);
        let script = course.reminder.script.as_ref();
        let chosen = script.and_then(|script| script.recipients(account, &documents, &facts)).transpose()?;
        if !names(chosen.as_ref()).iter().any(|names| has_picker(names)) {
            return Ok(chosen.map(Box::new));
        }
        // What the script chose stands; pickers of the roles it left alone are asked now.
        let [to, cc, bcc] = names(chosen.as_ref()).map(|names| picked(names, account, &documents, &facts));
        Ok(Some(Box::new(RecipientChoice { to: Some(to?), cc: Some(cc?), bcc: Some(bcc?) })))
    }

    fn decline_all(&mut self, course: &Course<'a>, items: &[PlannedItem], reason: DeclineReason) -> Gathered {
        for item in items {
            self.plan.rules[usize::from(course.place)].item_reasons[item.document.0 as usize] = reason;
        }
        Gathered::Declined(reason)
    }

    /// Writes the one decision of a subject down; `items` are those of its message, if there is one.
    fn settle(
        &mut self,
        course: &Course<'a>,
        candidates: Candidates<'_>,
        document: Option<DocumentIndex>,
        items: &[PlannedItem],
        gathered: Gathered,
    ) {
        let Candidates { account, open } = candidates;
        let verdict = match gathered {
            Gathered::Declined(reason) => Verdict::Declined(reason),
            Gathered::Message { blocked, choice } => {
                let start = self.plan.items.len() as u32;
                self.plan.items.extend_from_slice(items);
                self.plan.messages.push(PlannedMessage {
                    rule: course.place,
                    customer: account.customer(),
                    currency: account.currency(),
                    items: start..self.plan.items.len() as u32,
                    lead: lead(items),
                    total: total(items, open),
                    blocked,
                    choice,
                });
                Verdict::Message(self.plan.messages.len() as u32 - 1)
            }
        };
        self.note(course, account.customer(), document, Some(account.currency()), verdict);
    }

    fn note(
        &mut self,
        course: &Course<'a>,
        customer: CustomerIndex,
        document: Option<DocumentIndex>,
        currency: Option<Currency>,
        verdict: Verdict,
    ) {
        self.plan.rules[usize::from(course.place)].decisions.push(Decision { customer, document, currency, verdict });
    }

    fn fault(&mut self, course: &Course<'a>, fault: ScriptFault) {
        let is_known = |known: &(u16, ScriptFault)| known.0 == course.place && known.1.place == fault.place;
        if self.plan.faults.len() < FAULTS_MAX && !self.plan.faults.iter().any(is_known) {
            self.plan.faults.push((course.place, fault));
        }
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
