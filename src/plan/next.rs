//! When a subject gets its next mail, if nothing else changes: a forecast for this one customer, on the days of the rules'
//! schedules.

use serde::Serialize;

use crate::domain::date::{Date, shifted};
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::plan::forecast::{Turn, forecast};
use crate::plan::history::History;
use crate::plan::reason::BlockReason;
use crate::plan::{Question, Scope, plan_within};
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

/// Returns of every rule its next mail to a customer (about one invoice, where `document` names it) after `today`, on which the rules that
/// run then are carried out first; `None`: none within [`NEXT_DAYS_MAX`] days. What is on its way counts as sent.
pub fn next_mails(
    rules: &RuleSet,
    ledger: &Ledger,
    past: &History,
    today: Date,
    (customer, document): (CustomerIndex, Option<DocumentIndex>),
    runs_on: &RunsOn<'_>,
) -> Vec<Option<NextMail>> {
    let mut past = past.narrowed(ledger, customer).with_queued_accepted();
    let of_today = rules.of(rules.rules.iter().filter(|rule| runs_on(rule, today)).cloned().collect());
    let question = Question { only: Some(Scope::Customer(customer)), ..Question::on(today) };
    past.carry_out(&plan_within(&of_today, ledger, &past, question), &of_today, ledger);
    let turn = |day: Date| {
        let runs = |place: &u16| runs_on(&rules.rules[usize::from(*place)], day);
        let own: Vec<u16> = (0..rules.rules.len() as u16).filter(runs).collect();
        (!own.is_empty()).then(|| Turn { as_of: day, scheduled_on: day, rules: own, rivals: Vec::new() })
    };
    let turns: Vec<Turn> = (1..=NEXT_DAYS_MAX).filter_map(|days| turn(shifted(today, days))).collect();
    let foreseen = forecast(rules, ledger, &past, &turns, std::iter::once(customer));
    let mut found: Vec<Option<NextMail>> = vec![None; rules.rules.len()];
    for mail in foreseen.mails.iter().filter(|mail| document.is_none_or(|own| foreseen.is_about(mail, own))) {
        // Asked about an invoice, the level is that invoice's, not the one that leads the mail.
        let own = foreseen.items(mail).iter().find(|item| document == Some(item.document));
        let step = own.map_or(mail.lead, |item| item.step);
        let reminder = rules.rules[usize::from(mail.rule)].reminder();
        found[usize::from(mail.rule)].get_or_insert_with(|| NextMail {
            on: turns[mail.turn as usize].as_of,
            level: reminder.map(|reminder| reminder.levels[usize::from(step.level)].id.to_string()),
            repeat: step.repeat,
            occasion: mail.occasion(),
            blocked: mail.blocked.map(BlockReason::as_str),
        });
    }
    found
}
