//! Why one customer, or one invoice, gets a mail or none: for every rule the decision, and all that it rests on.
//!
//! The decision is the planner's own: the day is planned for this one customer ([`Scope`]), and what the plan says is spelled out. What is
//! added are facts that the decision was made of (the tree of `where`, holds, levels, sums), `advice`, and the `next` mail.

use serde::Serialize;

use rust_decimal::Decimal;

use crate::domain::date::{Date, days_between};
use crate::domain::ledger::{AccountScope, CustomerIndex, DocumentIndex, Ledger};
use crate::domain::money::{Currency, plain};
use crate::domain::statement::Claim;
use crate::plan::advice::advice;
use crate::plan::climb::{Climber, LevelFact, LevelStanding, StepAhead};
use crate::plan::history::{History, RuleHistory};
use crate::plan::ladder::LevelsDue;
use crate::plan::next::{NextMail, RunsOn, next_mails};
use crate::plan::obstacles::{HoldFact, Obstacles, holds_on, money};
use crate::plan::reason::DeclineReason;
use crate::plan::{Decision, Plan, PlannedMessage, Question, Scope, Subject, Verdict, plan_within};
use crate::rule::{Rule, RuleKind, RuleSet};
use crate::script::{About, Account, Branch, Joint};

/// What every rule says about a customer or an invoice.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The day it is about.
    pub as_of: Date,
    /// One for every rule and subject of the customer, or of the one invoice.
    pub answers: Vec<Answer>,
}

/// What one rule says about one subject.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The rule.
    pub rule: String,
    /// `reminder`, `statement` or `notice`.
    pub kind: &'static str,
    /// What the mail would gather: the account's currency, empty where there is none.
    pub currency: String,
    /// The one document or event it is about; empty where it is the account.
    pub subject: String,
    /// `due`, `blocked` or `declined`.
    pub verdict: &'static str,
    /// The reason's word.
    pub reason: &'static str,
    /// The reason in words.
    pub sentence: String,
    /// The rule that it stands back for.
    pub yields_to: Option<String>,
    /// The mail, if there is one.
    pub mail: Option<MailFact>,
    /// The condition, of a statement or notice; a reminder's is judged for each item.
    pub condition: Option<Part>,
    /// The items of a reminder: everything open, or the one invoice that was asked about.
    pub items: Vec<ItemFact>,
    /// What was asked of the mail as a whole, in the order it was asked.
    pub checks: Vec<String>,
    /// What would change the answer.
    pub change: Vec<String>,
    /// The next mail of the rule about it, if nothing else changes.
    pub next: Option<NextMail>,
}

/// A mail that is due or blocked.
#[derive(Clone, Debug, Serialize)]
pub struct MailFact {
    /// The level that leads, of a reminder.
    pub level: Option<String>,
    /// Which repeat of it.
    pub repeat: u16,
    /// The period or event, of a statement or notice.
    pub occasion: Option<String>,
    /// Its documents.
    pub items: Vec<String>,
    /// What it is about, as an exact decimal.
    pub total: String,
    /// The currency.
    pub currency: String,
}

/// One open document under a reminder rule.
#[derive(Clone, Debug, Serialize)]
pub struct ItemFact {
    /// Its number.
    pub document: String,
    /// What is open of it, as an exact decimal.
    pub open: String,
    /// Its currency.
    pub currency: String,
    /// Its due date.
    pub due_on: Option<Date>,
    /// Days since then; negative before.
    pub days_overdue: Option<i32>,
    /// The level it is due for, where it is in a mail.
    pub level: Option<String>,
    /// Why it is in none.
    pub reason: Option<&'static str>,
    /// The reason in words.
    pub sentence: Option<&'static str>,
    /// The rule's condition as it came out for it.
    pub condition: Option<Part>,
    /// What keeps reminders away: the books, or people.
    pub holds: Vec<HoldFact>,
    /// Whether the books have approved it.
    pub approved: bool,
    /// Every level of the ladder with its day.
    pub ladder: Vec<LevelFact>,
    /// The next step by the ladder alone.
    pub next_step: Option<StepAhead>,
}

/// A part of a condition; see [`Branch`].
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// As it was written.
    pub text: String,
    /// With the values it saw.
    pub shown: String,
    /// `true`, `false`, or what went wrong.
    pub outcome: String,
    /// Whether the condition came to it.
    pub is_asked: bool,
    /// Whether it is a test that made the condition come out as it did.
    pub decides: bool,
    /// `test`, `all`, `any` or `not`.
    pub joint: &'static str,
    /// What it is made of.
    pub parts: Vec<Part>,
}

impl Part {
    /// Returns a branch with all below it.
    pub fn of(branch: &Branch) -> Self {
        Self::within(branch, &branch.decisive())
    }

    fn within(branch: &Branch, decisive: &[&Branch]) -> Self {
        let outcome = match &branch.outcome {
            Ok(holds) => holds.to_string(),
            Err(fault) => format!("{}: {}", fault.place, fault.message),
        };
        let joint = match branch.joint {
            Joint::Test => "test",
            Joint::All => "all",
            Joint::Any => "any",
            Joint::Not => "not",
        };
        Self {
            text: branch.text.clone(),
            shown: branch.shown.clone(),
            outcome,
            is_asked: branch.is_asked,
            decides: decisive.iter().any(|own| std::ptr::eq(*own, branch)),
            joint,
            parts: branch.parts.iter().map(|part| Self::within(part, decisive)).collect(),
        }
    }

    /// Returns the tests that made the condition come out as it did.
    pub fn deciding(&self) -> Vec<&Self> {
        let below = self.parts.iter().flat_map(Self::deciding);
        std::iter::once(self).filter(|part| part.decides).chain(below).collect()
    }
}

/// Explains a day for a customer, or for one invoice with what stands on the account besides.
///
/// An invoice is decided together with its customer's others, so the customer is planned and the one invoice shown. `runs_on` tells when
/// rules run, for the next mail.
pub fn explain(rules: &RuleSet, ledger: &Ledger, past: &History, as_of: Date, about: Scope, runs_on: &RunsOn<'_>) -> Explanation {
    let (customer, document) = match about {
        Scope::Customer(customer) => (customer, None),
        Scope::Invoice(document) => (ledger.document(document).customer, Some(document)),
    };
    let plan = plan_within(rules, ledger, past, Question { only: Some(Scope::Customer(customer)), ..Question::on(as_of) });
    let next = next_mails(rules, ledger, past, as_of, (customer, document), runs_on);
    let case = Case { rules, ledger, past, plan: &plan, customer, document };
    let answers =
        rules.rules.iter().enumerate().flat_map(|(place, rule)| case.answers(place, rule, next[place].as_ref())).collect();
    Explanation { as_of, answers }
}

/// Returns the levels of an item; one whose day has come is not due where something else keeps the item out of the mail.
fn ladder(climber: &Climber<'_>, reason: Option<DeclineReason>) -> Vec<LevelFact> {
    let mut levels = climber.levels();
    for level in levels.iter_mut().filter(|level| reason.is_some() && level.standing == LevelStanding::Due) {
        level.standing = LevelStanding::Waits;
    }
    levels
}

/// A customer's day, planned.
pub(crate) struct Case<'a> {
    pub(crate) rules: &'a RuleSet,
    pub(crate) ledger: &'a Ledger,
    pub(crate) past: &'a History,
    pub(crate) plan: &'a Plan,
    pub(crate) customer: CustomerIndex,
    /// The one invoice that was asked about.
    pub(crate) document: Option<DocumentIndex>,
}

impl<'a> Case<'a> {
    fn answers(&self, place: usize, rule: &'a Rule, next: Option<&NextMail>) -> Vec<Answer> {
        let past = self.past.of_rule(rule);
        let decisions = self.plan.rules[place].decisions.iter().enumerate();
        let meant =
            decisions.filter(|(_, decision)| self.document.is_none_or(|document| self.concerns(rule, decision, document)));
        meant.map(|(number, decision)| self.answer((place, number), rule, &past, decision, next)).collect()
    }

    /// Returns whether a decision says something of a document.
    fn concerns(&self, rule: &Rule, decision: &Decision, document: DocumentIndex) -> bool {
        let own = self.ledger.document(document);
        match (&rule.kind, decision.subject) {
            (_, Subject::Invoice(subject)) => subject == document,
            (_, Subject::Payment(payment)) => self.ledger.payment(payment).document == Some(document),
            (RuleKind::Notice(_), _) => false,
            (_, Subject::Account | Subject::Customer) => decision.currency.is_none_or(|currency| currency == own.currency),
        }
    }

    fn answer(
        &self,
        (place, number): (usize, usize),
        rule: &'a Rule,
        past: &RuleHistory<'_>,
        decision: &Decision,
        next: Option<&NextMail>,
    ) -> Answer {
        let message = match decision.verdict {
            Verdict::Message(message) => Some(&self.plan.messages[message as usize]),
            Verdict::Declined(_) => None,
        };
        let (verdict, reason, sentence) = match (decision.verdict, message) {
            (_, Some(PlannedMessage { blocked: Some(reason), .. })) => ("blocked", reason.as_str(), reason.sentence().to_owned()),
            (Verdict::Declined(reason), _) => ("declined", reason.as_str(), reason.sentence().to_owned()),
            (Verdict::Message(_), message) => {
                let level = message.and_then(|message| message.level(self.rules));
                let (reason, sentence) = match (&rule.kind, level) {
                    (RuleKind::Reminder(_), level) => {
                        ("level_due", format!("due for `{}`", level.map_or("", |own| own.id.as_str())))
                    }
                    (RuleKind::Statement(_), _) => ("period_due", "the period has no statement yet".to_owned()),
                    (RuleKind::Notice(_), _) => ("event_new", "new, and not told of yet".to_owned()),
                };
                ("due", reason, sentence)
            }
        };
        let yields_to = self.plan.yields_to(place, number);
        let items = self.items(place, rule, past, decision, message);
        let obstacles = Obstacles { case: self, rule, decision, message, yields_to };
        let condition = self.condition(rule, decision);
        let is_meant = |next: &&NextMail| next.occasion.is_none() || !matches!(rule.kind, RuleKind::Notice(_));
        Answer {
            rule: rule.id.to_string(),
            kind: rule.kind.as_str(),
            currency: decision.currency.map_or_else(String::new, |currency| currency.to_string()),
            subject: self.subject(decision),
            verdict,
            reason,
            sentence,
            yields_to: yields_to.map(ToString::to_string),
            mail: message.map(|message| self.mail(message)),
            change: advice(&obstacles, &items, condition.as_ref()),
            condition,
            checks: obstacles.checks(place),
            items,
            next: next.filter(is_meant).cloned(),
        }
    }

    fn subject(&self, decision: &Decision) -> String {
        match decision.subject {
            Subject::Account => String::new(),
            Subject::Customer => self.ledger.customer(decision.customer).id.to_string(),
            Subject::Invoice(document) => self.ledger.document(document).number.to_string(),
            Subject::Payment(payment) => {
                let payment = self.ledger.payment(payment);
                let reference = if payment.reference.is_empty() { "" } else { " " };
                let amount = plain(payment.amount, payment.currency);
                format!("payment{reference}{} of {amount} {} on {}", payment.reference, payment.currency, payment.received_on)
            }
        }
    }

    fn mail(&self, message: &PlannedMessage) -> MailFact {
        MailFact {
            level: message.level(self.rules).map(|level| level.id.to_string()),
            repeat: message.lead().repeat,
            occasion: Some(message.occasion().into_string()).filter(|occasion| !occasion.is_empty()),
            items: self.plan.items(message).iter().map(|item| self.ledger.document(item.document).number.to_string()).collect(),
            total: plain(message.total, message.currency),
            currency: message.currency.to_string(),
        }
    }

    /// Returns the condition of a statement or notice as it came out, whether the decision came to it or not.
    fn condition(&self, rule: &Rule, decision: &Decision) -> Option<Part> {
        let condition = rule.condition.as_ref()?;
        let currency = decision.currency.unwrap_or(Currency::NONE);
        let on = match &rule.kind {
            RuleKind::Reminder(_) => return None,
            RuleKind::Statement(statement) => statement.period.days(self.plan.as_of).to,
            RuleKind::Notice(_) => self.plan.as_of,
        };
        let about = match decision.subject {
            Subject::Invoice(document) => About::Document(document),
            Subject::Payment(payment) => About::Payment(payment),
            Subject::Account | Subject::Customer => About::Account,
        };
        let account = rule.account(self.ledger, decision.customer, currency, on);
        Some(Part::of(&condition.explain(&account, about)))
    }

    fn items(
        &self,
        place: usize,
        rule: &Rule,
        past: &RuleHistory<'_>,
        decision: &Decision,
        message: Option<&PlannedMessage>,
    ) -> Vec<ItemFact> {
        let RuleKind::Reminder(reminder) = &rule.kind else { return Vec::new() };
        let levels_due = LevelsDue::new(reminder, &self.rules.limits.calendar);
        let as_of = self.plan.as_of;
        let Some(currency) = decision.currency else { return Vec::new() };
        let account = Account::new(self.ledger, decision.customer, currency, as_of);
        let mut documents = self.plan.subject_documents(decision, self.ledger);
        documents.retain(|document| self.document.is_none_or(|own| own == *document));
        let fact = |index: &DocumentIndex| {
            let document = self.ledger.document(*index);
            let planned = message.and_then(|message| {
                // They stand in the ledger's order; a collective account has very many.
                let items = self.plan.items(message);
                Some(&items[items.binary_search_by_key(index, |item| item.document).ok()?])
            });
            let climber = Climber { reminder, levels_due: &levels_due, past, document, as_of };
            let reason = match (planned, message) {
                (Some(_), _) => None,
                _ => Some(self.plan.item_reason(place, *index)),
            };
            let level = planned.map(|item| reminder.levels[usize::from(item.step.level)].id.to_string());
            ItemFact {
                document: document.number.to_string(),
                open: plain(self.ledger.open_on(*index, as_of), document.currency),
                currency: document.currency.to_string(),
                due_on: document.due_on,
                days_overdue: document.due_on.map(|due_on| days_between(due_on, as_of)),
                level,
                reason: reason.map(DeclineReason::as_str),
                sentence: reason.map(DeclineReason::sentence),
                condition: rule.condition.as_ref().map(|own| Part::of(&own.explain(&account, About::Document(*index)))),
                holds: holds_on(self.ledger, &self.plan.holds, document, as_of),
                approved: document.approved,
                ladder: ladder(&climber, reason),
                next_step: climber.next(),
            }
        };
        documents.iter().map(fact).collect()
    }

    /// Returns what a statement would be made of, in words.
    pub(crate) fn statement_words(&self, rule: &Rule, customer: CustomerIndex, currency: Currency) -> Vec<String> {
        let RuleKind::Statement(statement) = &rule.kind else { return Vec::new() };
        if let Some(parent) = self.ledger.parent_of(customer).filter(|_| statement.layout.scope == AccountScope::Group) {
            return vec![format!("its parent {} gets it, with all branches", self.ledger.customer(parent).id)];
        }
        let figures = statement.figures(self.ledger, customer, currency, statement.period.days(self.plan.as_of));
        let money = |amount| money(amount, currency);
        let (form, period, count) = (figures.form.as_str(), figures.period, figures.lines().count());
        let lines = format!("{count} {}", if count == 1 { "line" } else { "lines" });
        let claimed = match figures.claim() {
            Some(Claim { opening: Some(opening), balance, .. }) => {
                format!("{} before it, {lines}, {} at its end", money(opening), money(balance))
            }
            Some(Claim { balance, .. }) => format!("{lines}, {} at its end", money(balance)),
            None => format!("{lines}, no balance"),
        };
        let mut words = vec![format!("{form} of {period}: {claimed}")];
        if figures.scope == AccountScope::Group {
            let branches = self.ledger.branches_of(customer).map(|branch| self.ledger.customer(branch).id.as_str());
            words.push(format!("one statement for the group, with the branches {}", branches.collect::<Vec<_>>().join(", ")));
        }
        words
    }

    /// Returns the balance that a statement's minimum is held against.
    pub(crate) fn balance(&self, rule: &Rule, currency: Currency) -> Option<Decimal> {
        let RuleKind::Statement(statement) = &rule.kind else { return None };
        let period = statement.period.days(self.plan.as_of);
        Some(rule.account(self.ledger, self.customer, currency, period.to).balance())
    }

    /// Returns the mail of a rule to the customer on this day that another stands back for.
    pub(crate) fn mail_of(&self, rule: &str) -> Option<&'a PlannedMessage> {
        let messages = self.plan.messages.iter();
        messages.filter(|message| message.blocked.is_none()).find(|message| message.rule(self.rules).id.as_str() == rule)
    }
}
