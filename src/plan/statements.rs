//! What is decided about statements: one for each customer, currency and period, or for each group of a parent and its branches.
//!
//! A statement is not a demand. Disputes and promises do not stop it, only a pause of the customer does. It waits for no
//! contact gap, since its period comes once, but reminders wait for it. Its figures are those at the end of its period, whatever day it is made on.

use std::collections::BTreeSet;

use crate::domain::id::RuleId;
use crate::domain::ledger::{AccountScope, CustomerIndex};
use crate::domain::money::Currency;
use crate::domain::period::Interval;
use crate::domain::statement::{StatementOfAccount, has_moved};
use crate::plan::decide::{Gathered, Planner, Post, settled, wanted};
use crate::plan::history::{Occasion, RuleHistory, Standing};
use crate::plan::ladder::DueStep;
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::plan::{Decision, Matter, PlannedItem, Subject, Verdict, level_facts};
use crate::rule::{EmptyStatement, Rule, Statement};
use crate::script::{About, Account};

/// A statement rule with its past and its period, looked up once.
pub(crate) struct StatementCourse<'a> {
    pub(crate) place: u16,
    pub(crate) rule: &'a Rule,
    pub(crate) statement: &'a Statement,
    pub(crate) past: RuleHistory<'a>,
    pub(crate) period: Interval,
}

impl<'a> Planner<'a> {
    /// Decides about a customer's statements: one for every currency with a document or a payment. Returns the first rule
    /// that sends one.
    pub(crate) fn decide_statements(&mut self, courses: &[StatementCourse<'a>], customer: CustomerIndex) -> Option<&'a RuleId> {
        if courses.is_empty() {
            return None;
        }
        let messages_before = self.plan.messages.len();
        for course in courses {
            let currencies = self.statement_currencies(course.statement, customer);
            if currencies.is_empty() {
                let verdict = Verdict::Declined(DeclineReason::NothingOpen);
                self.note(course.place, Decision { customer, subject: Subject::Account, currency: None, verdict });
            }
            for currency in currencies {
                self.decide_statement(course, customer, currency);
            }
        }
        let sent = self.plan.messages[messages_before..].iter().find(|message| message.blocked.is_none())?;
        courses.iter().find(|course| course.place == sent.rule).map(|course| &course.rule.id)
    }

    /// Plans a customer's statements of one rule whatever its past and its `where`, but none without a line.
    pub(crate) fn force_statements(&mut self, place: u16, rule: &'a Rule, statement: &'a Statement, customer: CustomerIndex) {
        let period = statement.period.days(self.plan.as_of);
        let course = StatementCourse { place, rule, statement, past: RuleHistory::default(), period };
        for currency in self.statement_currencies(statement, customer) {
            let figures = statement.figures(self.ledger, customer, currency, period);
            if !figures.is_empty() {
                let account = rule.account(self.ledger, customer, currency, period.to);
                self.post_statement(&course, &account, &figures);
            }
        }
    }

    /// Returns the currencies in which there is an account, or one of a branch that is drawn together with it.
    fn statement_currencies(&self, statement: &Statement, customer: CustomerIndex) -> BTreeSet<Currency> {
        let members = self.ledger.members(customer, statement.layout.scope);
        members.flat_map(|member| self.ledger.currencies_of(member)).collect()
    }

    /// Returns whether a statement without a line is left out.
    fn is_left_out(&self, statement: &Statement, customer: CustomerIndex, figures: &StatementOfAccount) -> bool {
        let StatementOfAccount { currency, period, .. } = *figures;
        figures.is_empty()
            && match statement.empty {
                EmptyStatement::LeaveOut => true,
                EmptyStatement::Moved => !has_moved(self.ledger, customer, statement.layout.scope, currency, period),
                EmptyStatement::Send => false,
            }
    }

    fn decide_statement(&mut self, course: &StatementCourse<'a>, customer: CustomerIndex, currency: Currency) {
        let StatementCourse { place, rule, statement, period, .. } = *course;
        let name = compact_str::format_compact!("{period}");
        let occasion = Occasion { customer: self.ledger.customer(customer).id.clone(), currency, name };
        let declined = |reason| {
            let verdict = Verdict::Declined(reason);
            Decision { customer, subject: Subject::Account, currency: Some(currency), verdict }
        };
        if statement.layout.scope == AccountScope::Group && self.ledger.parent_of(customer).is_some() {
            return self.note(place, declined(DeclineReason::ToldToParent));
        }
        if let Some(standing) = self.standing(place, &course.past, &occasion) {
            return self.note(place, declined(settled(standing)));
        }
        let figures = statement.figures(self.ledger, customer, currency, period);
        if self.is_left_out(statement, customer, &figures) {
            return self.note(place, declined(DeclineReason::NothingOpen));
        }
        if self.plan.holds.is_silenced(&self.ledger.customer(customer).id, self.plan.as_of) {
            return self.note(place, declined(DeclineReason::Held));
        }
        let account = rule.account(self.ledger, customer, currency, period.to);
        let documents = figures.documents();
        match wanted(rule, &account, About::Account, &documents) {
            Ok(Some(reason)) => return self.note(place, declined(reason)),
            Ok(None) => {}
            Err(fault) => {
                self.fault(place, fault);
                return self.put(course, &account, &figures, Some(BlockReason::ScriptError), None);
            }
        }
        let minimum = statement.minimum.iter().find(|minimum| minimum.currency == currency);
        if minimum.is_some_and(|minimum| account.balance().abs() < minimum.amount) {
            return self.note(place, declined(DeclineReason::BelowMinimum));
        }
        self.post_statement(course, &account, &figures);
    }

    fn post_statement(&mut self, course: &StatementCourse<'a>, account: &Account<'_>, figures: &StatementOfAccount) {
        let facts = level_facts(&course.rule.kind, DueStep::default());
        match self.address(course.place, course.rule, None, account, || figures.documents(), &facts) {
            Gathered::Message { blocked, choice } => {
                let blocked = if figures.is_balanced() { blocked } else { Some(BlockReason::Unbalanced) };
                self.put(course, account, figures, blocked, choice);
            }
            Gathered::Declined(reason) | Gathered::Yielded(reason, _) => {
                let (customer, currency) = (account.customer(), Some(account.currency()));
                let verdict = Verdict::Declined(reason);
                self.note(course.place, Decision { customer, subject: Subject::Account, currency, verdict });
            }
        }
    }

    /// Returns where the mail of a period or event stands, be it on record or imagined.
    pub(crate) fn standing(&self, place: u16, past: &RuleHistory<'_>, occasion: &Occasion) -> Option<Standing> {
        let imagined = || self.imagined.as_ref()?.standing(place, occasion);
        past.standing(occasion).or_else(imagined)
    }

    fn put(
        &mut self,
        course: &StatementCourse<'a>,
        account: &Account<'_>,
        figures: &StatementOfAccount,
        blocked: Option<BlockReason>,
        choice: Option<Box<crate::script::RecipientChoice>>,
    ) {
        let (customer, currency) = (account.customer(), account.currency());
        let verdict = Verdict::Declined(DeclineReason::default());
        let decision = Decision { customer, subject: Subject::Account, currency: Some(currency), verdict };
        let post = Post { matter: Matter::Statement { period: course.period }, total: figures.total(), blocked, choice };
        let items = figures.documents().into_iter().map(|document| PlannedItem { document, step: DueStep::default() });
        self.post(course.place, decision, currency, post, items);
    }
}
