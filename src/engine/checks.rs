//! What a person should know before a run starts: what would go, whom it cannot reach, what is left alone and why.
//!
//! A plan of this moment is made for it and thrown away; the run makes its own.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::date::Date;
use crate::domain::ledger::{DocumentIndex, Ledger};
use crate::engine::act::ActFault;
use crate::engine::only::Only;
use crate::engine::workspace::Workspace;
use crate::plan::history::{History, Standing};
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::plan::{Plan, Question, Scope, Verdict, plan_within};
use crate::rule::RuleSet;

/// How far ahead the day is looked for on which a declined subject is due.
const LOOK_AHEAD_DAYS: i32 = 400;

/// What the run is to be about.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The rules.
    pub rules: &'a RuleSet,
    /// A customer's id or an invoice's number; `None`: everybody.
    pub only: Option<&'a str>,
    /// The day.
    pub as_of: Date,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// How many mails are due and can be addressed.
    pub due: usize,
    /// Mails that are due and blocked, by reason.
    pub blocked: Vec<BlockedMails>,
    /// The numbers of open invoices that the books have not approved.
    pub not_approved: Vec<String>,
    /// How many items had the mail of their present level in an earlier run.
    pub already_sent: usize,
    /// How many items are in a mail that is queued or waits.
    pub under_way: usize,
    /// How many items are in a mail that was refused, closed, or of which nobody knows.
    pub undecided: usize,
    /// Where one subject was asked for: the rules that send it nothing.
    pub declined: Vec<DeclinedRule>,
}

/// Mails that are blocked for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlockedMails {
    /// Why.
    pub reason: &'static str,
    /// To whom they would go: id and name.
    pub customers: Vec<(String, String)>,
}

/// A rule that sends the one subject nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeclinedRule {
    /// The rule.
    pub rule: String,
    /// Why.
    pub reason: &'static str,
    /// The same as a sentence.
    pub sentence: &'static str,
    /// The first day on which it would be due, if nothing else changes.
    pub next_on: Option<Date>,
}

/// Looks what a run of this moment would meet.
///
/// # Errors
/// The subject is not in the ledger, or what was sent before cannot be read.
pub fn checks(workspace: &Workspace, ledger: &Ledger, wanted: &Wanted<'_>) -> Result<Checks, ActFault> {
    let Wanted { rules, only, as_of } = *wanted;
    let scope = only.map(|name| Only::find(ledger, name)).transpose()?.and_then(|only| only.scope(ledger));
    let past = workspace.history()?;
    let plan = plan_within(rules, ledger, &past, Question { only: scope, ..Question::on(as_of) });
    let mut found = Checks { due: plan.messages.iter().filter(|message| message.blocked.is_none()).count(), ..Checks::default() };

    let mut blocked: BTreeMap<BlockReason, Vec<(String, String)>> = BTreeMap::new();
    for (reason, message) in plan.messages.iter().filter_map(|message| message.blocked.map(|reason| (reason, message))) {
        let customer = ledger.customer(message.customer);
        blocked.entry(reason).or_default().push((customer.id.to_string(), customer.name.to_string()));
    }
    let line = |(reason, customers): (BlockReason, _)| BlockedMails { reason: reason.as_str(), customers };
    found.blocked = blocked.into_iter().map(line).collect();
    count_items(&mut found, &plan, rules, ledger, &past);
    found.not_approved.sort_unstable();
    found.not_approved.dedup();
    if let Some(scope) = scope {
        found.declined = declined(&plan, rules, ledger, &past, scope);
    }
    Ok(found)
}

/// Counts the items that are left alone because of what earlier runs did.
fn count_items(found: &mut Checks, plan: &Plan, rules: &RuleSet, ledger: &Ledger, past: &History) {
    for (place, rule) in rules.rules.iter().enumerate() {
        if rule.reminder().is_none() {
            continue;
        }
        let past = past.of_rule(rule);
        for decision in &plan.rules[place].decisions {
            if decision.currency.is_none() {
                continue;
            }
            for document in plan.subject_documents(decision, ledger) {
                if is_in_message(plan, decision.verdict, document) {
                    continue;
                }
                let number = &ledger.document(document).number;
                match plan.item_reason(place, document) {
                    // Several rules pass over the same invoice; it is one.
                    DeclineReason::NotApproved => found.not_approved.push(number.to_string()),
                    DeclineReason::UnderWay => found.under_way += 1,
                    DeclineReason::OutcomeUnknown | DeclineReason::Refused | DeclineReason::Cancelled => found.undecided += 1,
                    DeclineReason::NotYetDue | DeclineReason::LadderFinished
                        if past.steps(number).any(|step| step.standing == Standing::Accepted) =>
                    {
                        found.already_sent += 1;
                    }
                    _ => {}
                }
            }
        }
    }
}

fn is_in_message(plan: &Plan, verdict: Verdict, document: DocumentIndex) -> bool {
    match verdict {
        Verdict::Message(place) => plan.items(&plan.messages[place as usize]).iter().any(|item| item.document == document),
        Verdict::Declined(_) => false,
    }
}

/// Returns the rules that send the subject nothing, each with its reason nearest to a mail.
fn declined(plan: &Plan, rules: &RuleSet, ledger: &Ledger, past: &History, scope: Scope) -> Vec<DeclinedRule> {
    let mut declined = Vec::new();
    for (place, rule) in rules.rules.iter().enumerate() {
        let decisions = &plan.rules[place].decisions;
        if decisions.iter().any(|decision| matches!(decision.verdict, Verdict::Message(_))) {
            continue;
        }
        let reasons = decisions.iter().filter_map(|decision| match decision.verdict {
            Verdict::Declined(reason) => Some(reason),
            Verdict::Message(_) => None,
        });
        let Some(reason) = reasons.max() else { continue };
        let alone = rules.of(vec![rule.clone()]);
        let is_matter_of_time = matches!(
            reason,
            DeclineReason::NotYetDue
                | DeclineReason::Held
                | DeclineReason::Promised
                | DeclineReason::ContactGap
                | DeclineReason::ClosedDay
                | DeclineReason::DayTaken
        );
        let next_on = is_matter_of_time.then(|| next_on(&alone, ledger, past, plan.as_of, scope)).flatten();
        declined.push(DeclinedRule { rule: rule.id.to_string(), reason: reason.as_str(), sentence: reason.sentence(), next_on });
    }
    declined
}

/// Returns the first later day on which the subject is due, by the ledger and the history of now.
fn next_on(rules: &RuleSet, ledger: &Ledger, past: &History, as_of: Date, scope: Scope) -> Option<Date> {
    let days = (1..=LOOK_AHEAD_DAYS).map_while(|ahead| as_of.checked_add(jiff::Span::new().days(ahead)).ok());
    let mut due = days.filter(|day| {
        !plan_within(rules, ledger, past, Question { only: Some(scope), ..Question::on(*day) }).messages.is_empty()
    });
    due.next()
}
