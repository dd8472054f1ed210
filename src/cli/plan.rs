//! `dunlin plan`: what would be sent, and why everybody else gets nothing. Sends and stores nothing.

use std::collections::BTreeMap;

use clap::Args;

use crate::cli::print::{counted, few, json, keep_whole, number, out, table};
use crate::cli::session::{Session, bar, tell};
use crate::cli::{Common, Exit, day, print};
use crate::clock::SystemClock;
use crate::domain::date::Date;
use crate::domain::problem::Severity;
use crate::engine::attach::Attachments;
use crate::engine::compose::Composer;
use crate::engine::view::{DeclinedLine, MessageLine, PlanView};
use crate::plan::NOTICE_LEVEL;
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::port::Clock;

#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    /// Decide for this day instead of today (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", value_parser = day)]
    as_of: Option<Date>,
    /// Only this rule
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// List everybody who gets nothing, one by one
    #[arg(long)]
    declined: bool,
}

pub(crate) fn plan(common: &Common, args: &PlanArgs) -> Exit {
    planned(common, args).unwrap_or_else(|exit| exit)
}

fn planned(common: &Common, args: &PlanArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    let rules = session.rules(args.rule.as_deref())?;
    let as_of = session.day(args.as_of);
    tell(&session.workspace.history_problems(), Severity::Warning);
    let ledger = session.ledger(as_of)?;
    let past = session.workspace.history().map_err(|error| {
        print::fail(error.to_string(), None);
        Exit::Failed
    })?;
    let plan = crate::plan::plan(&rules, &ledger, &past, as_of);
    for (rule, fault) in &plan.faults {
        let rule = &rules.rules[usize::from(*rule)].id;
        print::say(format!("warning: rule `{rule}`: {}: {}", fault.place, fault.message));
    }
    let mut view = PlanView::of(&plan, &rules, &ledger);
    // Composed as a run would, and thrown away: a template that fails shows here and not only in the night.
    // Programs of plugins are asked by `preview` and `run` only.
    let attachments = Attachments::left_out();
    let composer = Composer {
        workspace: &session.workspace,
        rules: &rules,
        ledger: &ledger,
        plan: &plan,
        now: SystemClock.now(),
        attachments: &attachments,
    };
    let bar = bar("Composing", "{pos} of {len}");
    bar.set_length(plan.messages.len() as u64);
    for (line, message) in view.messages.iter_mut().zip(&plan.messages) {
        if let Err(blocked) = composer.compose(message, &[]) {
            line.block(blocked.reason, blocked.detail);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if common.json {
        json(&view);
    } else {
        out(format!("Plan for {}: {}", view.as_of, summary(&view)));
        show_messages(&view.messages);
        show_declined(&view.declined, args.declined);
    }
    Ok(if session.has_errors { Exit::Problems } else { Exit::Done })
}

fn summary(view: &PlanView) -> String {
    let blocked = view.messages.iter().filter(|message| message.state == "blocked").count();
    let due = view.messages.len() - blocked;
    let declined = counted(view.declined.len(), "subject gets", "subjects get");
    format!("{} due, {blocked} blocked, {declined} nothing", counted(due, "mail", "mails"))
}

/// Prints the messages as a table.
pub(crate) fn show_messages(messages: &[MessageLine]) {
    if messages.is_empty() {
        return;
    }
    let mut rows = table(&["Rule", "Customer", "Level", "Invoices", "Open", "To", "State"]);
    for message in messages {
        let level = about(message.level.as_deref().unwrap_or_default(), message.occasion.as_deref().unwrap_or_default());
        let level = if message.repeat > 0 { format!("{level} (repeat {})", message.repeat) } else { level };
        let state = match message.state {
            "blocked" => match &message.detail {
                Some(detail) => format!("blocked: {} ({detail})", block_sentence(message.reason)),
                None => format!("blocked: {}", block_sentence(message.reason)),
            },
            state => state.to_owned(),
        };
        rows.add_row([
            message.rule.clone().into(),
            customer(&message.customer, &message.customer_name).into(),
            level.into(),
            few(&message.items, 3).into(),
            number(format!("{} {}", message.total, message.currency)),
            message.to.join("\n").into(),
            state.into(),
        ]);
    }
    keep_whole(&mut rows, &[2, 4, 5]);
    out(rows.to_string());
}

/// Prints why the others get nothing: counted by reason, or one by one.
pub(crate) fn show_declined(declined: &[DeclinedLine], one_by_one: bool) {
    if declined.is_empty() {
        return;
    }
    out("\nWhy the others get nothing:");
    if one_by_one {
        let mut rows = table(&["Rule", "Customer", "Open invoices", "Why"]);
        for line in declined {
            let who = customer(&line.customer, &line.customer_name);
            rows.add_row([line.rule.clone(), who, few(&line.items, 3), why(line.reason, line.yields_to.as_deref())]);
        }
        out(rows.to_string());
        return;
    }
    let mut by_reason: BTreeMap<(&str, &str, Option<&str>), Vec<String>> = BTreeMap::new();
    for line in declined {
        let reason = (line.rule.as_str(), line.reason, line.yields_to.as_deref());
        by_reason.entry(reason).or_default().push(line.customer.clone());
    }
    let mut rows = table(&["Rule", "Why", "How many", "Who"]);
    for ((rule, reason, yields_to), who) in by_reason {
        rows.add_row([rule.into(), why(reason, yields_to).into(), number(who.len()), few(&who, 4).into()]);
    }
    out(rows.to_string());
}

/// Returns what a mail is about in a table's cell: the level of a reminder, the last day of a statement's period, or
/// `notice`, whose event stands beside it.
pub(crate) fn about(level: &str, occasion: &str) -> String {
    match occasion.split_once('/') {
        Some((_, to)) if !occasion.contains(':') => format!("to\n{to}"),
        _ if level.is_empty() => NOTICE_LEVEL.to_owned(),
        _ => level.to_owned(),
    }
}

/// Returns `id name`, or the id alone where it is the name.
pub(crate) fn customer(id: &str, name: &str) -> String {
    if id == name { id.to_owned() } else { format!("{id} {name}") }
}

/// Returns a reason's sentence, and the rule whose mail is in the way.
fn why(reason: &str, yields_to: Option<&str>) -> String {
    let sentence = decline_sentence(reason);
    yields_to.map_or_else(|| sentence.to_owned(), |rule| format!("{sentence} (rule {rule})"))
}

fn decline_sentence(word: &str) -> &str {
    DeclineReason::ALL.iter().find(|reason| reason.as_str() == word).map_or(word, |reason| reason.sentence())
}

/// Returns the sentence behind a reason's word.
pub(crate) fn block_sentence(word: &str) -> &str {
    BlockReason::ALL.iter().find(|reason| reason.as_str() == word).map_or(word, |reason| reason.sentence())
}
