//! `dunlin diff`: what a change of rules does to the mails of today and of the days to come. Stores and sends nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tempfile::TempDir;

use crate::cli::forecast::scope;
use crate::cli::plan::block_sentence;
use crate::cli::print::{fail, few, json, out, say, table};
use crate::cli::session::{Session, bar, tell};
use crate::cli::{Common, Exit, day};
use crate::clock::SystemClock;
use crate::domain::date::{Date, shifted};
use crate::domain::problem::Severity;
use crate::engine::difference::{Change, ChangeKind, Count, Difference, Side, TextChange, difference};
use crate::engine::forecast::{Beginning, DAYS_MAX, Foreseen, MailLine, Span, foresee};
use crate::engine::lines::LineChange;
use crate::engine::workspace::{Loaded, Workspace, at_revision, load_apart};
use crate::port::Clock;
use crate::rule::RuleSet;

/// How many days are compared where nobody says how many.
const DAYS: i32 = 30;
/// The most mails and texts that are shown where nobody asks for all.
const CASES: usize = 20;
const TEXTS: usize = 5;
/// How many lines around a changed one are shown.
const AROUND: usize = 1;

#[derive(Args, Debug)]
#[command(
    after_help = "OLD and NEW are folders with a config.yaml, or revisions of git (HEAD~1, main, a tag). Both are asked about the \
    receivables and the history of the workspace.\n\
    Exit codes: 0 nothing changes, 4 something does; 1, 2 and 3 as everywhere."
)]
pub(crate) struct DiffArgs {
    /// How it was: a folder or a revision
    #[arg(value_name = "OLD", default_value = "HEAD")]
    old: String,
    /// How it will be: a folder or a revision; the workspace as it lies there where it is not given
    #[arg(value_name = "NEW")]
    new: Option<String>,
    /// Compare so many days, today included
    #[arg(long, value_name = "N", default_value_t = DAYS, value_parser = clap::value_parser!(i32).range(1..=i64::from(DAYS_MAX)))]
    days: i32,
    /// Begin on this day instead of now (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", value_parser = day)]
    from: Option<Date>,
    /// Only this rule
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Only mails to this customer, or about this invoice
    #[arg(long, value_name = "SUBJECT")]
    only: Option<String>,
    /// Show every mail and text that changes, not the first few
    #[arg(long)]
    all: bool,
    /// How it is shown
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    format: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a terminal
    #[default]
    Text,
    /// For a pull request
    Markdown,
}

/// A side that was asked for, loaded.
struct Compared {
    name: String,
    workspace: Workspace,
    /// The revision's folder, which goes with it.
    _folder: Option<TempDir>,
}

pub(crate) fn diff(common: &Common, args: &DiffArgs) -> Exit {
    compared(common, args).unwrap_or_else(|exit| exit)
}

fn compared(common: &Common, args: &DiffArgs) -> Result<Exit, Exit> {
    let root = &common.workspace;
    let old = side(root, &args.old)?;
    let new = match &args.new {
        Some(new) => side(root, new)?,
        None => {
            let session = Session::open(common)?;
            if session.has_errors {
                fail("The workspace has errors, so what its rules do cannot be compared", None);
                return Err(Exit::Problems);
            }
            Compared { name: "the workspace".to_owned(), workspace: session.workspace, _folder: None }
        }
    };
    let (before, after) = (old.workspace.rules.clone(), new.workspace.rules.clone());
    let has = |rules: &RuleSet, id: &str| rules.rules.iter().any(|rule| rule.id.as_str() == id);
    if let Some(id) = args.rule.as_ref().filter(|id| !has(&before, id) && !has(&after, id)) {
        fail(format!("There is no rule `{id}` on either side"), Some("`dunlin next` lists the rules"));
        return Err(Exit::Failed);
    }
    let session = Session { workspace: new.workspace, has_errors: false };
    let beginning = args.from.map_or_else(|| Beginning::After(SystemClock.now()), Beginning::On);
    let from = session.day(args.from);
    let to = shifted(from, args.days - 1);
    let ledger = session.ledger(from)?;
    let past = session.workspace.history().map_err(|error| {
        fail(error.to_string(), None);
        Exit::Failed
    })?;
    let past = past.with_queued_accepted();
    let only = scope(&ledger, args.only.as_deref())?;
    let span = Span { beginning, to, only };
    let foreseen = |workspace: &Workspace, rules: RuleSet, what| -> Foreseen {
        let bar = bar(what, "{pos} of {len} customers");
        bar.set_length(ledger.customers().len() as u64);
        let mut progress = |done: usize| bar.set_position(done as u64);
        let found = foresee(workspace, Arc::new(rules), ledger.clone(), &past, span, &mut progress);
        bar.finish_and_clear();
        found.about(args.rule.as_deref(), only)
    };
    let before = foreseen(&old.workspace, before, "As it was");
    let after = foreseen(&session.workspace, after, "As it will be");
    let [was, will_be] =
        [(&old.workspace, &before), (&session.workspace, &after)].map(|(workspace, foreseen)| Side { workspace, foreseen });
    let found = difference(was, will_be, SystemClock.now());
    if common.json {
        json(&found);
    } else {
        show(&found, [&old.name, &new.name], args);
    }
    Ok(if found.is_empty() { Exit::Done } else { Exit::Changed })
}

/// Loads a side: a folder with a config.yaml, or the workspace at a revision.
fn side(root: &Path, asked: &str) -> Result<Compared, Exit> {
    let folder = PathBuf::from(asked);
    let (folder, kept) = if folder.join("config.yaml").is_file() {
        (folder, None)
    } else {
        if folder.is_dir() {
            fail(format!("The folder `{asked}` has no config.yaml"), Some("name the folder of a workspace"));
            return Err(Exit::Failed);
        }
        let copy = at_revision(root, asked).map_err(|fault| {
            let hint = "name a folder with a config.yaml, or a revision of the workspace in git: HEAD~1, main; `git init`, `git add` and \
                        `git commit` make the first one";
            fail(fault.to_string(), Some(hint));
            Exit::Failed
        })?;
        if !copy.path().join("config.yaml").is_file() {
            fail(format!("There is no config.yaml in the workspace of `{asked}`"), Some("was it committed by then?"));
            return Err(Exit::Failed);
        }
        (copy.path().to_owned(), Some(copy))
    };
    let Loaded { workspace, problems } = load_apart(&folder, root);
    let has_errors = problems.iter().any(|problem| problem.severity == Severity::Error);
    if has_errors {
        say(format!("In {asked}:"));
        tell(&problems, Severity::Error);
    }
    let Some(workspace) = workspace.filter(|_| !has_errors) else {
        fail(format!("{asked} has errors, so what its rules do cannot be compared"), None);
        return Err(Exit::Problems);
    };
    Ok(Compared { name: asked.to_owned(), workspace, _folder: kept })
}

fn show(found: &Difference, names: [&str; 2], args: &DiffArgs) {
    let is_markdown = args.format == Form::Markdown;
    let lead = format!("{} → {}, {} to {}", names[0], names[1], found.from, found.to);
    out(if is_markdown { format!("### What changes: {lead}\n") } else { format!("What changes: {lead}") });
    let point = if is_markdown { "- " } else { "  " };
    let compared = match found.common_count - found.compared_count {
        0 => "the same mails, word for word".to_owned(),
        _ => format!(
            "the same mails; of {} that both make {} were compared word for word",
            found.common_count, found.compared_count
        ),
    };
    if found.is_empty() {
        out(format!("Nothing: {compared}."));
    }
    if !found.files.is_empty() {
        let unseen = if found.is_empty() { ", which no mail of these days shows" } else { "" };
        out(format!("{point}files that differ{unseen}: {}", found.files.join(", ")));
    }
    if found.is_empty() {
        return;
    }
    if found.common_count > found.compared_count {
        out(format!("{point}texts: compared of {} mails among {}", found.compared_count, found.common_count));
    }
    out(format!("{point}today: {}", counts(found.today)));
    out(format!("{point}all days: {}", counts(found.all)));
    out(format!("{point}{}", kinds(&found.changes)));
    for (customers, words) in [(&found.gaining, "get mail, and got none"), (&found.losing, "get none, and got mail")] {
        if !customers.is_empty() {
            out(format!("{point}customers who {words}: {} ({})", customers.len(), few(customers, 6)));
        }
    }
    let sums: Vec<[String; 4]> = found
        .sums
        .iter()
        .map(|sum| {
            let side = |place: usize| format!("{}, {} {}", mails(sum.mails[place]), sum.totals[place], sum.currency);
            [sum.rule.clone(), sum.level.clone(), side(0), side(1)]
        })
        .collect();
    print_rows(is_markdown, ["Rule", "Leading level", "Before", "After"], &sums);
    let most = if args.all { usize::MAX } else { CASES };
    let cases: Vec<[String; 4]> = found.changes.iter().take(most).map(case).collect();
    print_rows(is_markdown, ["Customer", "What", "Before", "After"], &cases);
    if let Some(more) = found.changes.len().checked_sub(most).filter(|more| *more > 0) {
        out(format!("… and {more} more; `--all` shows every one"));
    }
    let most = if args.all { usize::MAX } else { TEXTS };
    for text in found.texts.iter().take(most) {
        print_text(is_markdown, text);
    }
    if let Some(more) = found.texts.len().checked_sub(most).filter(|more| *more > 0) {
        out(format!("… and {more} more texts; `--all` shows every one"));
    }
}

fn mails(count: u64) -> String {
    format!("{count} {}", if count == 1 { "mail" } else { "mails" })
}

fn counts([before, after]: [Count; 2]) -> String {
    let side = |count: Count| match count.blocked {
        0 => mails(count.mails),
        blocked => format!("{} and {blocked} blocked", mails(count.mails)),
    };
    format!("{} → {}", side(before), side(after))
}

/// Says how many mails change in which way.
fn kinds(changes: &[Change]) -> String {
    let words = [
        (ChangeKind::Added, "more go"),
        (ChangeKind::Removed, "no longer go"),
        (ChangeKind::Level, "at another level"),
        (ChangeKind::Day, "on another day"),
        (ChangeKind::Items, "with other items or sums"),
        (ChangeKind::Blocked, "blocked on one side only"),
    ];
    let count = |kind| changes.iter().filter(|change| change.kind == kind).count();
    let told = words.iter().map(|(kind, words)| (count(*kind), words)).filter(|(count, _)| *count > 0);
    let told: Vec<String> = told.map(|(count, words)| format!("{count} {words}")).collect();
    if told.is_empty() { "no mail changes but for its text".to_owned() } else { format!("mails: {}", told.join(", ")) }
}

fn case(change: &Change) -> [String; 4] {
    let line = change.after.as_ref().or(change.before.as_ref());
    let who = line.map_or_else(String::new, |line| format!("{} {}", line.customer, line.customer_name));
    let what = match change.kind {
        ChangeKind::Added => "one more",
        ChangeKind::Removed => "no longer goes",
        ChangeKind::Level => "another level",
        ChangeKind::Day => "another day",
        ChangeKind::Items => "other items",
        ChangeKind::Blocked => "blocked",
    };
    [who, what.to_owned(), told(change.before.as_ref()), told(change.after.as_ref())]
}

/// Returns a mail in a cell of a table.
fn told(line: Option<&MailLine>) -> String {
    let Some(line) = line else { return String::new() };
    let level = line.level.as_deref().or(line.occasion.as_deref()).unwrap_or_default();
    let repeat = if line.repeat > 0 { format!(" (repeat {})", line.repeat) } else { String::new() };
    let items: Vec<String> = line.items.iter().map(|item| item.item.clone()).collect();
    let blocked = line.blocked.map_or_else(String::new, |reason| format!(", blocked: {}", block_sentence(reason)));
    format!("{} {}/{level}{repeat}: {} {}, {}{blocked}", line.day, line.rule, line.total, line.currency, few(&items, 2))
}

fn print_rows(is_markdown: bool, headings: [&str; 4], rows: &[[String; 4]]) {
    if rows.is_empty() {
        return;
    }
    out("");
    if is_markdown {
        out(format!("| {} |", headings.join(" | ")));
        out("| --- | --- | --- | --- |");
        for row in rows {
            out(format!("| {} |", row.clone().map(|text| cell(&text)).join(" | ")));
        }
        return;
    }
    let mut shown = table(&headings);
    for row in rows {
        shown.add_row(row);
    }
    out(shown.to_string());
}

/// Prints the changed lines of a text with those around them.
fn print_text(is_markdown: bool, text: &TextChange) {
    let language = if text.language.is_empty() { String::new() } else { format!(" ({})", text.language) };
    let lead =
        format!("{}/{}{language}, as {} reads it ({} that change)", text.rule, text.level, text.customer, mails(text.mails));
    // Longer than any that a mail holds.
    let fence = "`".repeat(text.lines.iter().map(ticks).max().unwrap_or_default().max(2) + 1);
    out(if is_markdown { format!("\n**{}**\n\n{fence}diff", cell(&lead)) } else { format!("\nText of {lead}:") });
    let is_near = |place: usize| {
        let (first, last) = (place.saturating_sub(AROUND), (place + AROUND + 1).min(text.lines.len()));
        text.lines[first..last].iter().any(LineChange::is_change)
    };
    let mut is_cut = false;
    for (place, line) in text.lines.iter().enumerate() {
        if !is_near(place) {
            if !std::mem::replace(&mut is_cut, true) && place > 0 {
                out("  …");
            }
            continue;
        }
        is_cut = false;
        out(match line {
            LineChange::Kept(line) => format!("  {line}"),
            LineChange::Removed(line) => format!("- {line}"),
            LineChange::Added(line) => format!("+ {line}"),
        });
    }
    if is_markdown {
        out(fence);
    }
}

/// Returns the longest row of backticks in a line.
fn ticks(line: &LineChange) -> usize {
    let (LineChange::Kept(line) | LineChange::Removed(line) | LineChange::Added(line)) = line;
    line.split(|letter| letter != '`').map(str::len).max().unwrap_or_default()
}

/// Returns a text as a cell of a Markdown table shows it, and not as markup.
fn cell(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ").replace('&', "&amp;").replace('<', "&lt;");
    ["\\", "|", "`", "*", "_", "[", "]"].iter().fold(text, |text, sign| text.replace(sign, &format!("\\{sign}")))
}
