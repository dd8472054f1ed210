//! What is decided about notices: one mail for each new invoice, payment or customer, once.
//!
//! New is what was not there when the rule first ran; what was is noted then and never gets a mail (`start: from_now`).
//! A notice tells of a fact and asks for nothing, so neither a hold nor the contact gap keeps it away.

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::date::Date;
use crate::domain::document::DocumentKind;
use crate::domain::ledger::{CustomerIndex, DocumentIndex};
use crate::domain::money::Currency;
use crate::plan::decide::{Gathered, Planner, Post, settled, wanted};
use crate::plan::history::{Occasion, RuleHistory};
use crate::plan::ladder::DueStep;
use crate::plan::occasion;
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::plan::{Decision, Matter, PlannedItem, Subject, Verdict, level_facts};
use crate::rule::{Event, Notice, Rule};
use crate::script::{About, Account};

/// A notice rule with its past, looked up once.
pub(crate) struct NoticeCourse<'a> {
    pub(crate) place: u16,
    pub(crate) rule: &'a Rule,
    pub(crate) notice: &'a Notice,
    pub(crate) past: RuleHistory<'a>,
    /// The day of its first run, where what was there then is not on record: it counts as there before.
    pub(crate) baseline_on: Option<Date>,
}

/// Something that a notice can tell of.
struct Happening {
    customer: CustomerIndex,
    subject: Subject,
    /// The day from which it is there.
    on: Date,
    /// The documents it is about: the invoice, or the one that a payment settles.
    document: Option<DocumentIndex>,
    currency: Option<Currency>,
    amount: Decimal,
    occasion: CompactString,
}

impl Happening {
    fn currency(&self) -> Currency {
        self.currency.unwrap_or(Currency::NONE)
    }

    fn decision(&self, verdict: Verdict) -> Decision {
        Decision { customer: self.customer, subject: self.subject, currency: self.currency, verdict }
    }
}

impl<'a> Planner<'a> {
    /// Decides about everything of a customer that each notice rule can tell of.
    pub(crate) fn decide_notices(&mut self, courses: &[NoticeCourse<'a>], customer: CustomerIndex, only: Option<DocumentIndex>) {
        let is_meant = |happening: &Happening| only.is_none_or(|only| happening.subject == Subject::Invoice(only));
        for course in courses {
            for happening in self.happenings(course.notice.for_each, customer).iter().filter(|happening| is_meant(happening)) {
                self.decide_notice(course, happening);
            }
        }
    }

    /// Plans one notice of a rule whatever its past and its `where`: of the first of these documents, of the customer's
    /// last payment, or of the customer.
    pub(crate) fn force_notice(
        &mut self,
        place: u16,
        rule: &'a Rule,
        notice: &'a Notice,
        customer: CustomerIndex,
        documents: &[DocumentIndex],
    ) {
        let course = NoticeCourse { place, rule, notice, past: RuleHistory::default(), baseline_on: None };
        let is_meant = |happening: &&Happening| match happening.subject {
            Subject::Invoice(document) => documents.contains(&document),
            Subject::Account | Subject::Payment(_) | Subject::Customer => true,
        };
        let happenings = self.happenings(notice.for_each, customer);
        if let Some(happening) = happenings.iter().rfind(is_meant) {
            self.tell(&course, happening);
        }
    }

    /// Returns what there is for a notice to tell of, as of the plan's day.
    fn happenings(&self, event: Event, customer: CustomerIndex) -> Vec<Happening> {
        let (ledger, as_of) = (self.ledger, self.plan.as_of);
        match event {
            Event::Customer => {
                let occasion = occasion::of_customer(ledger.customer(customer).id.as_str());
                let (subject, amount) = (Subject::Customer, Decimal::ZERO);
                vec![Happening { customer, subject, on: Date::MIN, document: None, currency: None, amount, occasion }]
            }
            Event::Invoice => {
                let documents = ledger.documents_of(customer).map(|place| DocumentIndex(place as u32));
                let invoice = |index: DocumentIndex| {
                    let document = ledger.document(index);
                    let is_there = document.kind == DocumentKind::Invoice && document.issued_on <= as_of;
                    is_there.then(|| Happening {
                        customer,
                        subject: Subject::Invoice(index),
                        on: document.issued_on,
                        document: Some(index),
                        currency: Some(document.currency),
                        amount: document.total,
                        occasion: occasion::of_invoice(document.number.as_str()),
                    })
                };
                documents.filter_map(invoice).collect()
            }
            Event::Payment => {
                let payments = ledger.payment_indexes_of(customer).zip(occasion::of_payments(ledger, customer));
                let receipt = |(index, occasion)| {
                    let payment = ledger.payment(index);
                    // The books will bring what a bank line was matched to, and a receipt goes once.
                    let is_of_books = !ledger.is_matched(index);
                    let is_there = is_of_books && payment.amount > Decimal::ZERO && payment.received_on <= as_of;
                    is_there.then_some(Happening {
                        customer,
                        subject: Subject::Payment(index),
                        on: payment.received_on,
                        document: payment.document,
                        currency: Some(payment.currency),
                        amount: payment.amount,
                        occasion,
                    })
                };
                payments.filter_map(receipt).collect()
            }
        }
    }

    fn decide_notice(&mut self, course: &NoticeCourse<'a>, happening: &Happening) {
        let declined = |reason| happening.decision(Verdict::Declined(reason));
        let is_there = course.baseline_on.is_some_and(|first| happening.on <= first);
        if is_there || course.past.is_in_baseline(&happening.occasion) {
            return self.note(course.place, declined(DeclineReason::Backlog));
        }
        let customer = self.ledger.customer(happening.customer).id.clone();
        let occasion = Occasion { customer, currency: happening.currency(), name: happening.occasion.clone() };
        if let Some(standing) = self.standing(course.place, &course.past, &occasion) {
            return self.note(course.place, declined(settled(standing)));
        }
        if self.plan.holds.is_silenced(&self.ledger.customer(happening.customer).id, self.plan.as_of) {
            return self.note(course.place, declined(DeclineReason::Held));
        }
        let about = match happening.subject {
            Subject::Invoice(document) => About::Document(document),
            Subject::Payment(payment) => About::Payment(payment),
            Subject::Account | Subject::Customer => About::Account,
        };
        let account = self.account(happening);
        match wanted(course.rule, &account, about, happening.document.as_slice()) {
            Ok(Some(reason)) => self.note(course.place, declined(reason)),
            Ok(None) => self.tell(course, happening),
            Err(fault) => {
                self.fault(course.place, fault);
                self.put_notice(course, happening, Some(BlockReason::ScriptError), None);
            }
        }
    }

    fn tell(&mut self, course: &NoticeCourse<'a>, happening: &Happening) {
        let account = self.account(happening);
        let facts = level_facts(&course.rule.kind, DueStep::default());
        match self.address(course.place, course.rule, None, &account, || happening.document.into_iter().collect(), &facts) {
            Gathered::Message { blocked, choice } => self.put_notice(course, happening, blocked, choice),
            Gathered::Declined(reason) | Gathered::Yielded(reason, _) => {
                self.note(course.place, happening.decision(Verdict::Declined(reason)))
            }
        }
    }

    fn put_notice(
        &mut self,
        course: &NoticeCourse<'a>,
        happening: &Happening,
        blocked: Option<BlockReason>,
        choice: Option<Box<crate::script::RecipientChoice>>,
    ) {
        let matter = Matter::Notice { subject: happening.subject, occasion: happening.occasion.clone() };
        let post = Post { matter, total: happening.amount, blocked, choice };
        let items = happening.document.into_iter().map(|document| PlannedItem { document, step: DueStep::default() });
        let decision = happening.decision(Verdict::Declined(DeclineReason::default()));
        self.post(course.place, decision, happening.currency(), post, items);
    }

    fn account(&self, happening: &Happening) -> Account<'a> {
        Account::new(self.ledger, happening.customer, happening.currency(), self.plan.as_of)
    }
}
