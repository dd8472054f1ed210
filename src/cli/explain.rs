//! `dunlin explain`: why a customer or an invoice gets a mail or none. Sends and stores nothing.

use clap::Args;

use crate::cli::print::{counted, fail, json, out, say};
use crate::cli::session::{Session, tell};
use crate::cli::{Common, Exit, day, print};
use crate::domain::date::Date;
use crate::domain::problem::Severity;
use crate::engine::explain::{ExplainFault, Explained, Stored, StoredMail, When, day_of, explained, reason_words};
use crate::plan::climb::{LevelFact, LevelStanding};
use crate::plan::explain::{Answer, ItemFact, Part};
use crate::plan::next::{NEXT_DAYS_MAX, NextMail};
use crate::plan::trace::TraceItem;

/// How many items are shown with their conditions and levels; of the others a line.
const ITEMS_WHOLE_MAX: usize = 5;
/// How many items are listed at all.
const ITEMS_LISTED_MAX: usize = 30;

#[derive(Args, Debug)]
#[command(
    after_help = "Says for every rule whether a mail is due and why or why not, and then what that rests on: every part of the rule's\n\
    `where` with the values it saw, holds, each level with its day, and what else was in the way; what would change the answer; and when\n\
    the next mail goes, if nothing else changes.\n\n\
    Examples:\n  \
    dunlin explain 1002                          why customer 1002 gets a mail today, or none\n  \
    dunlin explain INV-17 --rule overdue         what one rule says of one invoice\n  \
    dunlin explain 1002 --as-of 2026-12-01       on another day; of a day in the past, what the run of that day decided\n  \
    dunlin explain 1002 --run 12                 what run 12 decided, from what is stored of it"
)]
pub(crate) struct ExplainArgs {
    /// A customer's id or an invoice's number; `customer:ID` or `invoice:NUMBER` where it could be either
    #[arg(value_name = "CUSTOMER|INVOICE")]
    subject: String,
    /// Only this rule
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Explain this day instead of today (YYYY-MM-DD); where runs of a past day are stored, what they decided
    #[arg(long, value_name = "DATE", value_parser = day, conflicts_with = "run")]
    as_of: Option<Date>,
    /// Tell what this run decided, from what is stored of it
    #[arg(long, value_name = "RUN")]
    run: Option<i64>,
}

pub(crate) fn explain(common: &Common, args: &ExplainArgs) -> Exit {
    told(common, args).unwrap_or_else(|exit| exit)
}

fn told(common: &Common, args: &ExplainArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    // A rule that is gone may have decided a run of the past.
    if let (Some(rule), None) = (&args.rule, args.run) {
        session.rules(Some(rule))?;
    }
    let when = match args.run {
        Some(run) => When::Run(run),
        None => When::Day { as_of: session.day(args.as_of), today: session.day(None) },
    };
    let failed = |fault: ExplainFault| {
        fail(fault.to_string(), fault.hint().as_deref());
        Exit::Failed
    };
    tell(&session.workspace.history_problems(), Severity::Warning);
    let ledger = session.ledger(day_of(&session.workspace, when).map_err(failed)?)?;
    let found = explained(&session.workspace, &ledger, &args.subject, args.rule.as_deref(), when).map_err(failed)?;
    if common.json {
        json(&found);
    } else {
        show(&found, args.rule.as_deref());
    }
    Ok(if session.has_errors { Exit::Problems } else { Exit::Done })
}

fn show(found: &Explained, rule: Option<&str>) {
    let subject = match &found.invoice {
        Some(invoice) => format!("Invoice {invoice} of {} {}", found.customer, found.customer_name),
        None => format!("{} {}", found.customer, found.customer_name),
    };
    out(format!("{subject}, as of {}", found.as_of));
    match &found.stored {
        Some(stored) => show_stored(stored, found),
        None => show_planned(found),
    }
    for hold in &found.holds {
        let until = format!("up to and including {}", hold.until);
        out(format!(
            "\nHold {}: {} on {} {until}, by {}: {}",
            hold.id,
            hold.kind.as_str(),
            hold.subject,
            hold.person,
            hold.reason
        ));
    }
    for id in found.left_out.iter().filter(|id| rule.is_none_or(|rule| rule == **id)) {
        out(format!("\n{id}: not known: the rule has errors and is left out (`dunlin check` tells them)"));
    }
}

fn show_planned(found: &Explained) {
    let mut answers = found.answers.iter().peekable();
    if answers.peek().is_none() {
        out("\nNo rule has anything to say of it");
    }
    while let Some(answer) = answers.next() {
        // Events of one rule that are over are told together; a customer may have thousands.
        let is_alike = |next: &&Answer| is_over(answer) && next.rule == answer.rule && next.reason == answer.reason;
        let mut alike = 0;
        while answers.next_if(is_alike).is_some() {
            alike += 1;
        }
        if alike > 0 {
            let events = counted(alike + 1, "event", "events");
            out(format!("\n{}, {events}: no mail: {}", answer.rule, answer.sentence));
            continue;
        }
        let is_single = found.answers.iter().filter(|other| other.rule == answer.rule).count() == 1;
        let about = match (answer.subject.as_str(), answer.currency.as_str()) {
            ("", "") => String::new(),
            ("", _) if is_single => String::new(),
            ("", currency) => format!(" ({currency})"),
            (subject, _) => format!(" ({subject})"),
        };
        out(format!("\n{}{about}: {}", answer.rule, headline(answer, found.invoice.as_deref())));
        details(answer).iter().for_each(|line| out(format!("  {line}")));
    }
}

/// Returns whether an answer is about an event that is done with.
fn is_over(answer: &Answer) -> bool {
    answer.kind == "notice" && ["already_sent", "backlog"].contains(&answer.reason)
}

fn headline(answer: &Answer, invoice: Option<&str>) -> String {
    // Decided together with its customer's others, an invoice has a reason of its own.
    if let (Some(_), Some(ItemFact { sentence: Some(own), reason, .. })) = (invoice, answer.items.first())
        && (answer.mail.is_some() || *reason != Some(answer.reason))
    {
        let others =
            answer.mail.as_ref().map(|mail| format!("; the customer's mail of the day is about {}", print::few(&mail.items, 3)));
        return format!("no mail about it: {own}{}", others.unwrap_or_default());
    }
    let figures = answer.mail.as_ref().map_or(String::new(), |mail| {
        let items = print::few(&mail.items, 3);
        let about = if items.is_empty() { String::new() } else { format!(" ({items})") };
        format!(", {} {}{about}", mail.total, mail.currency)
    });
    match answer.verdict {
        "due" => format!("a mail: {}{figures}", answer.sentence),
        "blocked" => format!("a mail is due and blocked: {}{figures}", answer.sentence),
        _ => match &answer.yields_to {
            Some(other) => format!("no mail: {} (`{other}`)", answer.sentence),
            None => format!("no mail: {}", answer.sentence),
        },
    }
}

fn details(answer: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(condition) = &answer.condition {
        lines.extend(condition_lines(condition));
    }
    for (place, item) in answer.items.iter().take(ITEMS_LISTED_MAX).enumerate() {
        lines.push(item_line(item));
        if place < ITEMS_WHOLE_MAX {
            lines.extend(item_details(item).into_iter().map(|line| format!("    {line}")));
        }
    }
    if let Some(more) = answer.items.len().checked_sub(ITEMS_LISTED_MAX).filter(|more| *more > 0) {
        lines.push(format!("and {}: `--json` lists all", counted(more, "more item", "more items")));
    }
    lines.extend(answer.checks.iter().cloned());
    if !answer.change.is_empty() {
        lines.push("What would change it:".to_owned());
        lines.extend(answer.change.iter().map(|change| format!("    {change}")));
    }
    if answer.kind != "notice" {
        lines.push(match &answer.next {
            Some(next) => format!("Next mail, if nothing else changes: {}", next_words(next)),
            None => format!("Next mail, if nothing else changes: none within {NEXT_DAYS_MAX} days"),
        });
    }
    lines
}

fn next_words(next: &NextMail) -> String {
    let about = match (&next.level, &next.occasion) {
        (Some(level), _) if next.repeat > 0 => format!(", due for `{level}` (repeat {})", next.repeat),
        (Some(level), _) => format!(", due for `{level}`"),
        (None, Some(occasion)) => format!(", for {occasion}"),
        (None, None) => String::new(),
    };
    let blocked = next.blocked.map_or(String::new(), |reason| format!("; but it will be blocked: {}", reason_words(reason)));
    format!("{}{about}{blocked}", next.on)
}

fn item_line(item: &ItemFact) -> String {
    let due = match (item.due_on, item.days_overdue) {
        (Some(due_on), Some(days)) if days > 0 => format!("due {due_on}, {} overdue", counted(days as usize, "day", "days")),
        (Some(due_on), _) => format!("due {due_on}"),
        (None, _) => "no due date".to_owned(),
    };
    let why = match (&item.level, item.sentence) {
        (Some(level), _) => format!("in the mail, at `{level}`"),
        (None, sentence) => sentence.unwrap_or_default().to_owned(),
    };
    format!("{}  {} {}, {due}: {why}", item.document, item.open, item.currency)
}

fn item_details(item: &ItemFact) -> Vec<String> {
    let mut lines = item.condition.as_ref().map(condition_lines).unwrap_or_default();
    for hold in &item.holds {
        let by = if hold.by_books { "in the books" } else { "by a person" };
        lines.push(format!("hold    {} {by}, up to and including {}", hold.kind, hold.until));
    }
    if !item.approved {
        lines.push("not approved in the books".to_owned());
    }
    let width = item.ladder.iter().map(|level| level.level.chars().count()).max().unwrap_or_default().max(6);
    lines.extend(item.ladder.iter().map(|level| level_line(level, width)));
    lines
}

fn level_line(fact: &LevelFact, width: usize) -> String {
    let on = fact.last_on.filter(|_| fact.standing != LevelStanding::Due).map_or(String::new(), |on| format!(" ({on})"));
    let repeats = match (fact.repeats_at_most, fact.last_on) {
        (0, _) | (_, None) => String::new(),
        (most, Some(_)) => format!(", {} of {most} repeats", fact.repeats),
    };
    format!("{:width$}  {}  {}{on}{repeats}", fact.level, fact.on, fact.standing.words())
}

/// Returns a condition with its parts, a line each.
fn condition_lines(condition: &Part) -> Vec<String> {
    let mut lines = Vec::new();
    part_lines(condition, 0, &mut lines);
    let mut head = "where  ";
    for line in &mut lines {
        *line = format!("{head} {line}");
        head = "       ";
    }
    lines
}

fn part_lines(part: &Part, depth: usize, lines: &mut Vec<String>) {
    let outcome = match part.outcome.as_str() {
        "true" => "yes",
        "false" => "no ",
        _ => "fault",
    };
    let what = match part.joint {
        "all" => "all of these:",
        "any" => "one of these:",
        "not" => "not this:",
        _ => part.shown.as_str(),
    };
    let fault = if outcome == "fault" && part.parts.is_empty() { format!(": {}", part.outcome) } else { String::new() };
    let aside = if part.is_asked { "" } else { "  (not asked)" };
    lines.push(format!("{}{outcome} {what}{fault}{aside}", "    ".repeat(depth)));
    part.parts.iter().for_each(|own| part_lines(own, depth + 1, lines));
}

fn show_stored(stored: &[Stored], found: &Explained) {
    let mut run = None;
    for own in stored {
        if run != Some(own.decision.run) {
            run = Some(own.decision.run);
            out(format!("\nSo run {} decided for {}, by what is stored of it:", own.decision.run, own.as_of));
        }
        let about = match (own.decision.document.as_str(), own.decision.currency.as_str()) {
            ("", "") => String::new(),
            ("", currency) => format!(" ({currency})"),
            (document, _) => format!(" ({document})"),
        };
        let is_left_out = |invoice: &String| own.mail.is_some() && own.items.iter().any(|item| item.document == *invoice);
        let answer = match own.decision.verdict.as_str() {
            _ if found.invoice.as_ref().is_some_and(is_left_out) => "no mail about it, though the customer got one".to_owned(),
            "due" => format!("a mail: {}", own.sentence),
            "blocked" => format!("a mail was due and blocked: {}", own.sentence),
            _ => match &own.decision.yields_to {
                Some(other) => format!("no mail: {} (`{other}`)", own.sentence),
                None => format!("no mail: {}", own.sentence),
            },
        };
        out(format!("\n{}{about}: {answer}", own.decision.rule));
        if let Some(mail) = &own.mail {
            stored_mail(mail, own.decision.run).iter().for_each(|line| out(format!("  {line}")));
        }
        for item in &own.items {
            stored_item(item, &own.decision.currency).iter().for_each(|line| out(format!("  {line}")));
        }
        if let Some(otherwise) = &own.otherwise {
            out(format!("  By today's ledger and rules it would be otherwise: {otherwise}"));
        }
    }
    let subject = found.invoice.as_ref().unwrap_or(&found.customer);
    say(format!("\nhint: `dunlin explain {subject}` says how it stands today"));
}

fn stored_mail(mail: &StoredMail, run: i64) -> Vec<String> {
    let later = if mail.run == run { String::new() } else { format!(", composed anew by run {}", mail.run) };
    let mut lines = vec![format!("mail {}, {} {}: {}{later}", mail.id, mail.total, mail.currency, mail.state)];
    let item = |item: &crate::engine::outbox::ItemView| {
        let repeat = if item.repeat > 0 { format!(" (repeat {})", item.repeat) } else { String::new() };
        format!("{}  {} {}: in the mail, at `{}`{repeat}", item.document, item.open, mail.currency, item.level)
    };
    lines.extend(mail.items.iter().take(ITEMS_LISTED_MAX).map(item));
    lines
}

fn stored_item(item: &TraceItem, currency: &str) -> Vec<String> {
    let reason = reason_words(&item.reason);
    let mut lines = Vec::new();
    if item.count > 1 || item.document.is_empty() && item.open.is_some() {
        lines.push(format!("{} more: {reason}", item.count));
    } else if !item.document.is_empty() {
        let open = item.open.map_or(String::new(), |open| format!("  {open} {currency}"));
        let due = item.due_on.map_or(", no due date".to_owned(), |due_on| format!(", due {due_on}"));
        lines.push(format!("{}{open}{due}: {reason}", item.document));
    }
    lines.extend(item.was_false.as_ref().map(|was_false| format!("    was false: {was_false}")));
    lines
}
