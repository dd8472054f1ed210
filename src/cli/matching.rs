//! `dunlin match`: which open invoices a bank's statement pays, and what a person lets count.
//!
//! Looking writes nothing. Nothing is applied without `--apply`, and nothing doubtful without the invoices a person names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use rust_decimal::Decimal;

use crate::cli::hand::{ask_yes, done};
use crate::cli::outbox::failed;
use crate::cli::plan::customer;
use crate::cli::print::{counted, fail, few, json, keep_whole, number, out, say, table};
use crate::cli::session::{Session, tell};
use crate::cli::{Common, Exit, wrong_use};
use crate::clock::SystemClock;
use crate::domain::date::Timestamp;
use crate::domain::money::plain;
use crate::domain::problem::Severity;
use crate::engine::act::{Act, AppliedMatchView, Done, MatchChoice};
use crate::engine::matches::{
    BankFile, BankLine, CandidateView, Class, InvoicePart, LINE_ID_CHARACTERS_MIN, LineView, MatchOutcome, MatchView, list,
    proposals, read_bank,
};
use crate::engine::workspace::Workspace;
use crate::port::Clock;

/// How many bytes of bank lines go to the daemon at once; a request holds twice as many.
const BYTES_AT_ONCE: usize = 400 << 10;

/// How many characters of what a payer wrote a table shows.
const TEXT_CHARACTERS_MAX: usize = 60;

/// How many invoices a cell names.
const INVOICES_MAX: usize = 6;

#[derive(Args, Debug)]
#[command(
    after_help = "Certain is only what a number and the amount agree on and nothing else fits as well. Without --apply nothing is \
        written. What is applied stops reminders at once and counts as a payment until the books show it: docs/matching.md."
)]
pub(crate) struct MatchArgs {
    #[command(subcommand)]
    verb: Option<MatchVerb>,
    /// The bank's statement: a CSV file or camt.053
    file: Option<PathBuf>,
    /// What to let count: `certain`, or `LINE=INVOICE[,INVOICE]` for a line of which you know what it pays; may be given often
    #[arg(long, value_name = "WHAT", value_parser = choice, requires = "file")]
    apply: Vec<Choice>,
    /// Do not ask first
    #[arg(long, requires = "apply")]
    yes: bool,
}

#[derive(Debug, Subcommand)]
enum MatchVerb {
    /// List what was applied and the books do not show yet
    List {
        /// What the books show and what was undone, too
        #[arg(long)]
        all: bool,
    },
    /// Undo what was applied: the invoices are open again
    Undo {
        /// The match's id, as the list shows it
        id: i64,
    },
}

/// What to apply.
#[derive(Clone, Debug)]
enum Choice {
    Certain,
    Line { line: String, invoices: Vec<String> },
}

fn choice(words: &str) -> Result<Choice, String> {
    if words == "certain" {
        return Ok(Choice::Certain);
    }
    let form = || "write `certain`, or a line and its invoices: `3f9a01c2=R-2001` or `3f9a01c2=R-2001,R-2002`".to_owned();
    let (line, invoices) = words.split_once('=').ok_or_else(form)?;
    let invoices: Vec<String> = invoices.split(',').map(|number| number.trim().to_owned()).collect();
    if line.len() < LINE_ID_CHARACTERS_MIN || invoices.iter().any(String::is_empty) {
        return Err(form());
    }
    Ok(Choice::Line { line: line.to_lowercase(), invoices })
}

pub(crate) fn matching(common: &Common, args: &MatchArgs) -> Exit {
    performed(common, args).unwrap_or_else(|exit| exit)
}

fn performed(common: &Common, args: &MatchArgs) -> Result<Exit, Exit> {
    match (&args.verb, &args.file) {
        (None, Some(file)) => look(common, args, file),
        (Some(_), Some(_)) => wrong_use("name a file or a verb, not both; a file of such a name as `./list`"),
        (Some(MatchVerb::Undo { id }), _) => {
            let session = Session::open(common)?;
            tell_undone(common, done(&Arc::new(session.workspace), Act::UndoMatch { id: *id })?);
            Ok(Exit::Done)
        }
        (Some(MatchVerb::List { all }), _) => show_list(common, *all),
        (None, None) => wrong_use("name the bank's file: `dunlin match bank.csv`; or `dunlin match list`"),
    }
}

/// Shows what is proposed for each line of a file, and applies what was chosen.
fn look(common: &Common, args: &MatchArgs, file: &Path) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    let today = session.day(None);
    let BankFile { lines, outgoing_count, pending_count, reversal_count, notes } = read_bank(&session.workspace, file, today)
        .map_err(|problems| {
            tell(&problems, Severity::Warning);
            Exit::Problems
        })?;
    notes.iter().for_each(|note| say(format!("note: {note}")));
    let ledger = session.ledger(today)?;
    let views = proposals(&session.workspace, &ledger, lines, today).map_err(failed)?;
    if args.apply.is_empty() {
        show(common, &views);
        tell_left_out(outgoing_count, pending_count, reversal_count);
        return Ok(Exit::Done);
    }
    let choices = chosen(&args.apply, &views)?;
    if choices.is_empty() {
        match common.json {
            true => json(&Done::ApplyMatches { matches: Vec::new(), withdrawn: 0, under_way: 0 }),
            false => out("Nothing is certain that is not applied already"),
        }
        return Ok(Exit::Done);
    }
    if !args.yes && !common.json {
        let sums = sums(choices.iter().map(|choice| &choice.line));
        let question = format!("Let {} over {sums} count as paid?", counted(choices.len(), "bank line", "bank lines"));
        if !ask_yes(&question) {
            say("Nothing was applied");
            return Err(Exit::Failed);
        }
    }
    apply(common, session.workspace, choices)
}

/// Returns the lines that were chosen, each once.
fn chosen(apply: &[Choice], views: &[LineView]) -> Result<Vec<MatchChoice>, Exit> {
    let mut found: Vec<MatchChoice> = Vec::new();
    for choice in apply {
        match choice {
            Choice::Certain => {
                let certain = views.iter().filter(|view| view.class == Some(Class::Certain));
                found.extend(certain.map(|view| MatchChoice { line: view.line.clone(), invoices: None }));
            }
            Choice::Line { line, invoices } => {
                let mut meant = views.iter().filter(|view| view.line.id.starts_with(line.as_str()));
                let view = match (meant.next(), meant.next()) {
                    (Some(view), None) => view,
                    (None, _) => {
                        fail(format!("The file has no line `{line}`"), Some("`dunlin match FILE` lists its lines"));
                        return Err(Exit::Failed);
                    }
                    (Some(_), Some(_)) => {
                        fail(format!("Several lines of the file begin with `{line}`"), Some("write more of the line's id"));
                        return Err(Exit::Failed);
                    }
                };
                found.push(MatchChoice { line: view.line.clone(), invoices: Some(invoices.clone()) });
            }
        }
    }
    // Who names the invoices of a certain line means those.
    let named: Vec<String> =
        found.iter().filter(|choice| choice.invoices.is_some()).map(|choice| choice.line.id.clone()).collect();
    found.retain(|choice| choice.invoices.is_some() || !named.contains(&choice.line.id));
    Ok(found)
}

/// Applies lines, as many at once as the daemon takes in.
fn apply(common: &Common, workspace: Workspace, choices: Vec<MatchChoice>) -> Result<Exit, Exit> {
    let workspace = Arc::new(workspace);
    let (mut all, mut withdrawn, mut under_way) = (Vec::new(), 0, 0);
    let mut waiting = choices.into_iter().peekable();
    while waiting.peek().is_some() {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(choice) = waiting.next_if(|choice| bytes == 0 || bytes + size(choice) <= BYTES_AT_ONCE) {
            bytes += size(&choice);
            batch.push(choice);
        }
        if let Done::ApplyMatches { matches, withdrawn: back, under_way: left } =
            done(&workspace, Act::ApplyMatches { choices: batch })
                .inspect_err(|_| tell_applied(common, &all, withdrawn, under_way))?
        {
            all.extend(matches);
            withdrawn += back;
            under_way += left;
        }
    }
    if common.json {
        json(&Done::ApplyMatches { matches: all, withdrawn, under_way });
    } else {
        tell_applied(common, &all, withdrawn, under_way);
    }
    Ok(Exit::Done)
}

/// Returns how many bytes a choice takes on its way to the daemon, or a few more.
fn size(choice: &MatchChoice) -> usize {
    let line = &choice.line;
    let numbers: usize = choice.invoices.iter().flatten().map(|number| number.len() + 3).sum();
    // Letters may be escaped.
    300 + 2 * (line.payer.len() + line.account.len() + line.reference.len() + numbers)
}

fn tell_applied(common: &Common, matches: &[AppliedMatchView], withdrawn: usize, under_way: usize) {
    if common.json || matches.is_empty() {
        return;
    }
    let mut rows = table(&["Match", "Line", "Amount", "Customer", "Pays"]);
    for applied in matches {
        let line = &applied.line;
        let parts: Vec<String> =
            applied.parts.iter().map(|part| format!("{} {}", part.invoice, plain(part.amount, line.currency))).collect();
        rows.add_row([
            number(applied.id),
            line.short_id().into(),
            amount(line),
            customer(&applied.customer, &applied.name).into(),
            few(&parts, INVOICES_MAX).into(),
        ]);
    }
    out(rows.to_string());
    out(format!(
        "{} over {} now",
        counted(matches.len(), "payment counts", "payments count"),
        sums(matches.iter().map(|own| &own.line))
    ));
    if withdrawn > 0 {
        out(format!("{} taken back before it was sent", counted(withdrawn, "mail", "mails")));
    }
    if under_way > 0 {
        say(format!("note: {} on the wire, which may arrive", counted(under_way, "mail is", "mails are")));
    }
}

fn tell_undone(common: &Common, done: Done) {
    if common.json {
        return json(&done);
    }
    if let Done::UndoMatch { undone } = done {
        let invoices: Vec<String> = undone.parts.iter().map(|part| part.invoice.clone()).collect();
        out(format!(
            "Match {} is undone: {} of customer {} counts as it does in the books",
            undone.id,
            invoices.join(", "),
            undone.customer
        ));
    }
}

/// Returns the sums of lines, currency by currency.
fn sums<'l>(lines: impl Iterator<Item = &'l BankLine>) -> String {
    let mut sums: BTreeMap<_, Decimal> = BTreeMap::new();
    for line in lines {
        *sums.entry(line.currency).or_default() += line.amount;
    }
    sums.into_iter().map(|(currency, sum)| format!("{} {currency}", plain(sum, currency))).collect::<Vec<_>>().join(", ")
}

fn show(common: &Common, views: &[LineView]) {
    if common.json {
        return views.iter().for_each(json);
    }
    if views.is_empty() {
        return out("No money came in by this file");
    }
    let of = |class| -> Vec<&LineView> { views.iter().filter(|view| view.class == Some(class)).collect() };
    let (certain, doubtful, unmatched) = (of(Class::Certain), of(Class::Doubtful), of(Class::Unmatched));
    let applied_count = views.iter().filter(|view| view.match_id.is_some()).count();
    let mut is_first = true;
    let mut head = |words: String| {
        let before = if std::mem::take(&mut is_first) { "" } else { "\n" };
        out(format!("{before}{words}"));
    };
    if !certain.is_empty() {
        head(format!("Certain: {}", sums(certain.iter().map(|view| &view.line))));
        show_lines(&certain);
    }
    if !doubtful.is_empty() {
        head(format!("Doubtful: {}; you say what these pay", sums(doubtful.iter().map(|view| &view.line))));
        show_lines(&doubtful);
    }
    if !unmatched.is_empty() {
        head(format!("Unmatched: {}", sums(unmatched.iter().map(|view| &view.line))));
        let mut rows = table(&["Line", "Day", "Amount", "Payer", "Text"]);
        for view in &unmatched {
            let line = &view.line;
            rows.add_row([
                line.short_id().into(),
                line.booked_on.to_string().into(),
                amount(line),
                line.payer.clone().into(),
                cut(&line.reference).into(),
            ]);
        }
        keep_whole(&mut rows, &[0, 1, 2]);
        out(rows.to_string());
    }
    if applied_count > 0 {
        head(format!("{} applied already", counted(applied_count, "line is", "lines are")));
    }
    if !certain.is_empty() {
        say("hint: `dunlin match FILE --apply certain` lets what is certain count");
    }
    if !doubtful.is_empty() {
        say("hint: `dunlin match FILE --apply LINE=INVOICE` says what a doubtful line pays");
    }
}

fn show_lines(views: &[&LineView]) {
    let mut rows = table(&["Line", "Amount", "Payer and text", "Pays", "Why"]);
    for view in views {
        let line = &view.line;
        let said =
            if line.reference.is_empty() { line.payer.clone() } else { format!("{}\n{}", line.payer, cut(&line.reference)) };
        let pays: Vec<String> = view.candidates.iter().map(|candidate| pays(candidate, line)).collect();
        let whys: Vec<String> = view.candidates.iter().map(why).collect();
        for (place, (pays, why)) in pays.iter().zip(&whys).enumerate() {
            let is_first = place == 0;
            rows.add_row([
                if is_first { format!("{}\n{}", line.short_id(), line.booked_on).into() } else { "or".into() },
                if is_first { amount(line) } else { "".into() },
                if is_first { said.clone().into() } else { "".into() },
                pays.into(),
                why.into(),
            ]);
        }
        if view.more_count > 0 {
            rows.add_row(["or", "", "", &format!("{} more", view.more_count), ""]);
        }
    }
    keep_whole(&mut rows, &[0, 1]);
    out(rows.to_string());
}

/// Returns what a candidate would pay, in a table's cell.
fn pays(candidate: &CandidateView, line: &BankLine) -> String {
    let who = customer(&candidate.customer, &candidate.name);
    let part = |part: &InvoicePart| {
        let open = part.open;
        let is_whole = part.amount == open && part.currency == line.currency.as_str();
        if is_whole { part.number.clone() } else { format!("{} ({open} {} open)", part.number, part.currency) }
    };
    let invoices: Vec<String> = candidate.invoices.iter().map(part).collect();
    let over = match candidate.rest > Decimal::ZERO && candidate.invoices.iter().any(|part| !part.amount.is_zero()) {
        true => format!("\n{} {} over", plain(candidate.rest, line.currency), line.currency),
        false => String::new(),
    };
    format!("{}\n{who}{over}", few(&invoices, INVOICES_MAX)).trim_start().to_owned()
}

fn why(candidate: &CandidateView) -> String {
    let grounds: Vec<&str> = candidate.grounds.iter().map(|ground| ground.words()).collect();
    let doubts: Vec<&str> = candidate.doubts.iter().map(|doubt| doubt.words()).collect();
    let mut words = grounds.join(", ");
    if !doubts.is_empty() {
        words.push_str(if words.is_empty() { "" } else { "; but " });
        words.push_str(&doubts.join(", "));
    }
    words
}

fn amount(line: &BankLine) -> comfy_table::Cell {
    number(format!("{} {}", plain(line.amount, line.currency), line.currency))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn tell_left_out(outgoing: usize, pending: usize, reversals: usize) {
    if outgoing > 0 {
        say(format!("note: {} left alone: no money came in", counted(outgoing, "line", "lines")));
    }
    if pending > 0 {
        say(format!("note: {} not booked yet, left alone", counted(pending, "line is", "lines are")));
    }
    if reversals > 0 {
        let lines = counted(reversals, "line takes", "lines take");
        say(format!(
            "warning: {lines} something back; where it was a customer's payment, see to it in the books and `dunlin match undo` it"
        ));
    }
}

fn show_list(common: &Common, all: bool) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    let matches = list(&session.workspace, all).map_err(failed)?;
    if common.json {
        matches.iter().for_each(json);
        return Ok(Exit::Done);
    }
    if matches.is_empty() {
        out("Nothing is applied that the books do not show");
        return Ok(Exit::Done);
    }
    let now = SystemClock.now();
    let mut rows = table(&["Id", "Booked", "Amount", "Customer", "Pays", "By", "State"]);
    for view in &matches {
        let parts: Vec<String> =
            view.parts.iter().map(|part| format!("{} {}", part.invoice, plain(part.amount, view.line.currency))).collect();
        rows.add_row([
            number(view.id),
            view.line.booked_on.to_string().into(),
            amount(&view.line),
            view.customer.clone().into(),
            few(&parts, INVOICES_MAX).into(),
            view.person.clone().into(),
            state(view, now).into(),
        ]);
    }
    keep_whole(&mut rows, &[1, 2]);
    out(rows.to_string());
    Ok(Exit::Done)
}

/// Says where a match stands.
fn state(view: &MatchView, now: Timestamp) -> String {
    match (view.outcome, &view.ended_by) {
        (Some(MatchOutcome::Booked), _) => "in the books".to_owned(),
        (Some(MatchOutcome::Undone), person) => format!("undone by {}", person.as_deref().unwrap_or("somebody")),
        (None, _) if view.expected_by < now => "counts; the books should show it by now".to_owned(),
        (None, _) => "counts until the books show it".to_owned(),
    }
}
