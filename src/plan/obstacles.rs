//! What stands in the way of a mail as a whole, or did not: selection, minimum, credit, closed days, other mails, recipients.
//!
//! For reading only. What the planner asks for in `decide` is told here with its figures; whether it was in the way is the plan's word.

use std::slice;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::domain::date::{Date, shifted};
use crate::domain::document::Document;
use crate::domain::hold::{HoldKind, Holds};
use crate::domain::id::RuleId;
use crate::domain::ledger::{DocumentIndex, Ledger};
use crate::domain::mailbox::RecipientRole;
use crate::domain::money::{Currency, Money, plain};
use crate::plan::explain::Case;
use crate::plan::history::PastMail;
use crate::plan::next::NEXT_DAYS_MAX;
use crate::plan::reason::DeclineReason;
use crate::plan::weigh::PastMails;
use crate::plan::{Decision, Matter, PlannedMessage, addresses, recipient_names};
use crate::rule::{ReminderDays, Rule, RuleKind};
use crate::script::{Account, RecipientName};

/// A hold on an invoice or its customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldFact {
    /// `hold_until` or `promised_on` of the books; `dispute`, `promise` or `pause` of a person.
    pub kind: &'static str,
    /// Whether the books say so; else a person does.
    pub by_books: bool,
    /// The last day it holds.
    pub until: Date,
}

/// Returns what holds an invoice on a day, the longest first.
pub(crate) fn holds_on(ledger: &Ledger, holds: &Holds, document: &Document, as_of: Date) -> Vec<HoldFact> {
    let customer = ledger.customer(document.customer);
    let books = [("hold_until", customer.hold_until.max(document.hold_until)), ("promised_on", document.promised_on)];
    let by_books = books.into_iter().filter_map(|(kind, until)| Some(HoldFact { kind, by_books: true, until: until? }));
    let by_people = holds.of_invoice(&customer.id, &document.number, as_of);
    let by_people = by_people.map(|term| HoldFact { kind: term.kind.as_str(), by_books: false, until: term.until });
    let mut found: Vec<HoldFact> = by_books.filter(|fact| as_of <= fact.until).chain(by_people).collect();
    found.sort_by_key(|fact| std::cmp::Reverse(fact.until));
    found
}

/// A decision with all that is needed to tell what stood in its way.
pub(crate) struct Obstacles<'c, 'a> {
    pub(crate) case: &'c Case<'a>,
    pub(crate) rule: &'a Rule,
    pub(crate) decision: &'c Decision,
    pub(crate) message: Option<&'c PlannedMessage>,
    pub(crate) yields_to: Option<&'c RuleId>,
}

impl<'a> Obstacles<'_, 'a> {
    /// Returns what was asked of the mail as a whole, as far as there was anything to ask.
    pub(crate) fn checks(&self, place: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let (Some(currency), as_of) = (self.decision.currency, self.case.plan.as_of) else { return lines };
        let asked = self.asked(place);
        let reason = self.reason();
        lines.extend(self.case.statement_words(self.rule, self.decision.customer, currency));
        if let Some(minimum) = self.minimum(currency)
            && (!asked.is_empty() || matches!(self.rule.kind, RuleKind::Statement(_)))
        {
            lines.push(format!("minimum of the mail: {minimum}; it comes to {}", money(self.sum(&asked, currency), currency)));
        }
        if matches!(self.rule.kind, RuleKind::Reminder(_)) && !asked.is_empty() {
            let account = self.account(currency);
            if account.credit() > Decimal::ZERO {
                let (credit, overdue) = (money(account.credit(), currency), money(account.overdue(), currency));
                lines.push(format!("credit not yet set against invoices: {credit}; overdue: {overdue}"));
            }
            if self.is_closed() {
                let why = self.case.rules.limits.calendar.why_not(as_of).unwrap_or("no business day");
                lines.push(format!("reminders go on business days; {as_of} is {why}"));
            }
            if let Some((mail, until)) = self.gap() {
                let gap = self.case.rules.limits.contact_gap;
                lines.push(format!("contact gap of {gap}: {} of {}, so not before {until}", mail_words(mail), mail_day(mail)));
            }
            if reason == Some(DeclineReason::DayTaken)
                && let Some(mail) = self.day_taker(currency)
            {
                lines.push(format!("the day is taken by {} of {}", mail_words(mail), mail_day(mail)));
            }
        }
        if let Some(other) = self.yields_to {
            let mail = self.case.mail_of(other.as_str());
            match mail.map(|mail| (mail, &mail.matter)) {
                Some((mail, Matter::Reminder { .. })) => {
                    let level = mail.level(self.case.rules).map_or("", |level| level.id.as_str());
                    lines.push(format!("stands back for the rule `{other}`, which sends `{level}` on this day"));
                }
                Some(_) => lines.push(format!("stands back for the rule `{other}`, which sends a statement on this day")),
                None => lines.push(format!("stands back for the rule `{other}`")),
            }
        }
        lines.extend(self.recipients());
        let faults = self.case.plan.faults.iter().filter(|(rule, _)| usize::from(*rule) == place);
        lines.extend(faults.map(|(_, fault)| format!("{}: {}", fault.place, fault.message)));
        lines
    }

    /// Returns the reason of a decision that has no mail.
    pub(crate) fn reason(&self) -> Option<DeclineReason> {
        match self.decision.verdict {
            crate::plan::Verdict::Declined(reason) => Some(reason),
            crate::plan::Verdict::Message(_) => None,
        }
    }

    /// Returns what the mail asks for, or would: the items that their ladder does not keep away.
    pub(crate) fn asked(&self, place: usize) -> Vec<DocumentIndex> {
        let plan = self.case.plan;
        if let Some(message) = self.message {
            return plan.items(message).iter().map(|item| item.document).collect();
        }
        let documents = plan.subject_documents(self.decision, self.case.ledger);
        documents.into_iter().filter(|own| plan.item_reason(place, *own) >= DeclineReason::BelowMinimum).collect()
    }

    /// Returns the rule's minimum in a currency.
    pub(crate) fn minimum(&self, currency: Currency) -> Option<Money> {
        let minimum = match &self.rule.kind {
            RuleKind::Reminder(reminder) => &reminder.minimum,
            RuleKind::Statement(statement) => &statement.minimum,
            RuleKind::Notice(_) => return None,
        };
        minimum.iter().find(|minimum| minimum.currency == currency).copied()
    }

    /// Returns what the mail comes to.
    pub(crate) fn sum(&self, asked: &[DocumentIndex], currency: Currency) -> Decimal {
        let open = |document: &DocumentIndex| self.case.ledger.open_on(*document, self.case.plan.as_of);
        self.case.balance(self.rule, currency).unwrap_or_else(|| asked.iter().map(open).sum())
    }

    pub(crate) fn account(&self, currency: Currency) -> Account<'a> {
        Account::new(self.case.ledger, self.decision.customer, currency, self.case.plan.as_of)
    }

    fn is_closed(&self) -> bool {
        let limits = &self.case.rules.limits;
        limits.reminder_days != ReminderDays::Every && !limits.calendar.is_business_day(self.case.plan.as_of)
    }

    /// Returns the first day on which reminders may go again.
    pub(crate) fn open_day(&self) -> Date {
        self.case.rules.limits.calendar.business_day_on_or_after(self.case.plan.as_of)
    }

    /// Returns the mail that is too near for a reminder, and the first day on which none of those there are is.
    pub(crate) fn gap(&self) -> Option<(&'a PastMail, Date)> {
        let all = self.case.past.mails(&self.case.ledger.customer(self.decision.customer).id);
        let is_near = |mails: &'a [PastMail], as_of| {
            let mails = PastMails { all: [mails, &[]], limits: &self.case.rules.limits, as_of, own_run: None, statement: None };
            mails.too_near(self.rule).is_some()
        };
        let today = self.case.plan.as_of;
        let mail = all.iter().rfind(|mail| is_near(slice::from_ref(*mail), today))?;
        let later = (1..=NEXT_DAYS_MAX).map(|days| shifted(today, days));
        Some((mail, later.into_iter().find(|day| !is_near(all, *day)).unwrap_or_else(|| shifted(today, NEXT_DAYS_MAX))))
    }

    fn day_taker(&self, currency: Currency) -> Option<&'a PastMail> {
        let all = self.case.past.mails(&self.case.ledger.customer(self.decision.customer).id);
        let reminder = self.rule.reminder()?;
        all.iter().find(|mail| {
            let (limits, as_of) = (&self.case.rules.limits, self.case.plan.as_of);
            let mails = PastMails { all: [slice::from_ref(*mail), &[]], limits, as_of, own_run: None, statement: None };
            mails.day_taken(self.rule, reminder, currency).is_some()
        })
    }

    /// Returns who would get the mail, key by key, where nobody does or some address is suppressed.
    fn recipients(&self) -> Vec<String> {
        let Some(message) = self.message else { return Vec::new() };
        let customer = self.case.ledger.customer(self.decision.customer);
        let names = recipient_names(RecipientRole::To, self.rule, message.level(self.case.rules), message.choice.as_deref());
        let mut lines = Vec::new();
        for name in names {
            let mut found = addresses(name, customer).peekable();
            if let (RecipientName::Key(key), None) = (name, found.peek()) {
                lines.push(format!("the customer has no address under `{key}`"));
            }
            let suppressed = found.filter(|address| self.case.plan.suppressions.has(address));
            lines.extend(suppressed.map(|address| format!("{address} is suppressed: nothing is sent there")));
        }
        lines
    }
}

/// Returns an amount with its currency.
pub(crate) fn money(amount: Decimal, currency: Currency) -> String {
    format!("{} {currency}", plain(amount, currency))
}

fn mail_words(mail: &PastMail) -> String {
    match mail.kind {
        crate::plan::history::MailKind::Reminder => format!("the reminder of `{}`", mail.rule),
        crate::plan::history::MailKind::Statement => format!("the statement of `{}`", mail.rule),
    }
}

fn mail_day(mail: &PastMail) -> String {
    if mail.is_queued { "today, about to leave".to_owned() } else { mail.on.to_string() }
}

/// Returns a hold in words: `dispute, by a person, up to and including 2026-12-11`.
pub(crate) fn hold_words(hold: &HoldFact) -> String {
    let by = if hold.by_books { "in the books" } else { "by a person" };
    let kind = HoldKind::parse(hold.kind).map_or(hold.kind, HoldKind::as_str);
    format!("{kind} {by}, up to and including {}", hold.until)
}
