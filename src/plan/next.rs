//! When a subject gets its next mail, if nothing else changes: day after day is planned and carried out, for this one customer.
//!
//! Nobody pays, nobody is put on hold, every mail arrives, and rules run on the days of their schedules.

use serde::Serialize;

use crate::domain::date::{Date, shifted};
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::plan::history::History;
use crate::plan::{Matter, Plan, PlannedItem, PlannedMessage, Question, Scope, Subject, plan_within};
use crate::rule::{Rule, RuleSet};

/// How many days are planned.
pub const NEXT_DAYS_MAX: i32 = 120;

/// Tells whether a rule runs on a day.
pub type RunsOn<'a> = dyn Fn(&Rule, Date) -> bool + 'a;

/// The next mail of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextMail {
    /// The day it is decided for.
    pub on: Date,
    /// The level that leads, of a reminder.
    pub level: Option<String>,
    /// Which repeat of it.
    pub repeat: u16,
    /// The period or event, of a statement or notice.
    pub occasion: Option<String>,
    /// Why it could not go, if it could not.
    pub blocked: Option<&'static str>,
}

/// Returns of every rule its next mail to a customer (about one invoice, where `document` names it) after the day of `today`, which is
/// carried out first; `None`: none within [`NEXT_DAYS_MAX`] days.
pub fn next_mails(
    rules: &RuleSet,
    ledger: &Ledger,
    past: &History,
    today: &Plan,
    (customer, document): (CustomerIndex, Option<DocumentIndex>),
    runs_on: &RunsOn<'_>,
) -> Vec<Option<NextMail>> {
    let mut found: Vec<Option<NextMail>> = vec![None; rules.rules.len()];
    let mut past = past.narrowed(ledger, customer);
    past.carry_out(today, rules, ledger);
    for day in (1..=NEXT_DAYS_MAX).map(|days| shifted(today.as_of, days)) {
        let running: Vec<usize> = (0..rules.rules.len()).filter(|place| runs_on(&rules.rules[*place], day)).collect();
        if running.is_empty() || found.iter().all(Option::is_some) {
            continue;
        }
        let of_day = rules.of(running.iter().map(|place| rules.rules[*place].clone()).collect());
        let question = Question { only: Some(Scope::Customer(customer)), ..Question::on(day) };
        let plan = plan_within(&of_day, ledger, &past, question);
        for message in plan.messages.iter().filter(|message| document.is_none_or(|own| is_about(&plan, message, own))) {
            let place = running[usize::from(message.rule)];
            // Asked about an invoice, the level is that invoice's, not the one that leads the mail.
            let own = plan.items(message).iter().find(|item| document == Some(item.document));
            let level = |item: &PlannedItem| message.level(&of_day).map(|_| message.item_level(&of_day, item).to_string());
            found[place].get_or_insert_with(|| NextMail {
                on: day,
                level: own.map_or_else(|| message.level(&of_day).map(|level| level.id.to_string()), level),
                repeat: own.map_or(message.lead(), |item| item.step).repeat,
                occasion: Some(message.occasion().into_string()).filter(|occasion| !occasion.is_empty()),
                blocked: message.blocked.map(|reason| reason.as_str()),
            });
        }
        past.carry_out(&plan, &of_day, ledger);
    }
    found
}

/// Returns whether a message is about a document.
pub(crate) fn is_about(plan: &Plan, message: &PlannedMessage, document: DocumentIndex) -> bool {
    match &message.matter {
        Matter::Notice { subject, .. } => *subject == Subject::Invoice(document),
        Matter::Reminder { .. } | Matter::Statement { .. } => plan.items(message).iter().any(|item| item.document == document),
    }
}
