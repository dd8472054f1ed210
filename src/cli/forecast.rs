//! `dunlin forecast` and `dunlin backtest`: every mail of days to come, or of days long past. Nothing is stored or sent.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::cli::forecast_page::page;
use crate::cli::plan::block_sentence;
use crate::cli::print::{counted, fail, few, json, keep_whole, number, out, say, table};
use crate::cli::session::{Session, bar};
use crate::cli::{Common, Exit, day};
use crate::clock::SystemClock;
use crate::domain::date::{Date, days_between, shifted};
use crate::domain::ledger::Ledger;
use crate::engine::forecast::{Beginning, DAYS_MAX, DayLine, Foreseen, MailLine, Span, TotalLine, foresee};
use crate::engine::only::Only;
use crate::plan::history::History;
use crate::plan::{STATEMENT_LEVEL, Scope};
use crate::port::Clock;

/// How many days a forecast looks ahead where nobody says how many.
const DAYS: i32 = 30;
/// The most weeks that are shown as a calendar; beyond, months are shown.
const WEEKS_MAX: i32 = 14;
/// The width of the longest bar, in columns.
const BAR_WIDTH: u64 = 40;

#[derive(Args, Debug)]
pub(crate) struct ForecastArgs {
    /// Look so many days ahead, today included; 30 where neither this nor --until is given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=i64::from(DAYS_MAX)), conflicts_with = "until")]
    days: Option<i32>,
    /// Look ahead up to this day (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", value_parser = day)]
    until: Option<Date>,
    /// Begin on this day instead of now (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", value_parser = day)]
    from: Option<Date>,
    /// A CSV file of payments that are expected: with the headings `invoice,received_on,amount` (days as 2026-12-01), or with
    /// those of `ledger.payments` in config.yaml and its forms of dates and amounts
    #[arg(long, value_name = "FILE")]
    payments: Option<PathBuf>,
    #[command(flatten)]
    shown: ShownArgs,
}

#[derive(Args, Debug)]
pub(crate) struct BacktestArgs {
    /// The first day (YYYY-MM-DD); the rules have never run before it
    #[arg(long, value_name = "DATE", value_parser = day)]
    from: Date,
    /// The last day (YYYY-MM-DD); today where it is not given
    #[arg(long, value_name = "DATE", value_parser = day)]
    to: Option<Date>,
    #[command(flatten)]
    shown: ShownArgs,
}

#[derive(Args, Debug)]
struct ShownArgs {
    /// Only this rule
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Only mails to this customer, or about this invoice
    #[arg(long, value_name = "SUBJECT")]
    only: Option<String>,
    /// List every mail
    #[arg(long)]
    list: bool,
    /// Print every mail as a line of CSV
    #[arg(long, conflicts_with = "list")]
    csv: bool,
    /// Write a page with a chart into this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct ForecastView {
    pub(crate) from: Date,
    pub(crate) to: Date,
    pub(crate) mails_count: usize,
    pub(crate) items_count: usize,
    pub(crate) blocked_count: usize,
    pub(crate) days: Vec<DayLine>,
    pub(crate) totals: Vec<TotalLine>,
    pub(crate) notes: Vec<String>,
    pub(crate) mails: Vec<MailLine>,
}

/// Whether days to come are shown or days past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// Days to come.
    Forecast,
    /// Days to come, with payments that are expected.
    Expecting,
    /// Days past.
    Backtest,
}

pub(crate) fn forecast(common: &Common, args: &ForecastArgs) -> Exit {
    forecast_shown(common, args).unwrap_or_else(|exit| exit)
}

fn forecast_shown(common: &Common, args: &ForecastArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    // All of them, since each is weighed against the others.
    let rules = session.rules(args.shown.rule.as_deref()).map(|_| session.workspace.rules.clone())?;
    let beginning = args.from.map_or_else(|| Beginning::After(SystemClock.now()), Beginning::On);
    let from = session.day(args.from);
    let to = args.until.unwrap_or_else(|| shifted(from, args.days.unwrap_or(DAYS) - 1));
    check_span(from, to)?;
    let ledger = session.ledger_expecting(from, args.payments.as_deref())?;
    let past = session.workspace.history().map_err(|error| {
        fail(error.to_string(), None);
        Exit::Failed
    })?;
    let only = scope(&ledger, args.shown.only.as_deref())?;
    let bar = bar("Looking ahead", "{pos} of {len} customers");
    bar.set_length(ledger.customers().len() as u64);
    let mut progress = |done: usize| bar.set_position(done as u64);
    let workspace = &session.workspace;
    // What is in the outbox is on its way: it is there when the days to come begin.
    let past = past.with_queued_accepted();
    let found = foresee(workspace, Arc::new(rules), ledger, &past, Span { beginning, to, only }, &mut progress);
    bar.finish_and_clear();
    let outlook = if args.payments.is_some() { Outlook::Expecting } else { Outlook::Forecast };
    show(common, &session, &args.shown, outlook, &found.about(args.shown.rule.as_deref(), only))
}

pub(crate) fn backtest(common: &Common, args: &BacktestArgs) -> Exit {
    backtest_shown(common, args).unwrap_or_else(|exit| exit)
}

fn backtest_shown(common: &Common, args: &BacktestArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    // All of them, since each is weighed against the others.
    let rules = session.rules(args.shown.rule.as_deref()).map(|_| session.workspace.rules.clone())?;
    let to = session.day(args.to);
    check_span(args.from, to)?;
    let ledger = session.ledger(session.day(None))?;
    let only = scope(&ledger, args.shown.only.as_deref())?;
    let bar = bar("Playing the past", "{pos} of {len} customers");
    bar.set_length(ledger.customers().len() as u64);
    let mut progress = |done: usize| bar.set_position(done as u64);
    let (workspace, past, beginning) = (&session.workspace, History::default(), Beginning::On(args.from));
    let found = foresee(workspace, Arc::new(rules), ledger, &past, Span { beginning, to, only }, &mut progress);
    bar.finish_and_clear();
    show(common, &session, &args.shown, Outlook::Backtest, &found.about(args.shown.rule.as_deref(), only))
}

fn check_span(from: Date, to: Date) -> Result<(), Exit> {
    if to < from {
        fail(format!("The last day, {to}, is before the first, {from}"), Some("turn them round"));
        return Err(Exit::Failed);
    }
    if days_between(from, to) >= DAYS_MAX {
        fail(format!("From {from} to {to} is more than {DAYS_MAX} days"), Some("name a shorter span"));
        return Err(Exit::Failed);
    }
    Ok(())
}

/// Returns what is meant by the one subject that was asked for.
pub(crate) fn scope(ledger: &Ledger, asked: Option<&str>) -> Result<Option<Scope>, Exit> {
    let Some(name) = asked else { return Ok(None) };
    let found = Only::find(ledger, name).map_err(|fault| {
        fail(fault.to_string(), fault.hint());
        Exit::Failed
    })?;
    Ok(found.scope(ledger))
}

fn show(common: &Common, session: &Session, args: &ShownArgs, outlook: Outlook, found: &Foreseen) -> Result<Exit, Exit> {
    for (rule, fault) in &found.forecast.faults {
        let rule = &found.rules.rules[usize::from(*rule)].id;
        say(format!("warning: rule `{rule}`: {}: {}", fault.place, fault.message));
    }
    let lists = args.list || args.csv || common.json;
    let view = ForecastView {
        from: found.from,
        to: found.to,
        mails_count: found.going().count(),
        items_count: found.going().map(|mail| found.forecast.items(mail).len()).sum(),
        blocked_count: found.forecast.mails.len() - found.going().count(),
        days: found.days(),
        totals: found.totals(),
        notes: found.notes(&session.workspace),
        mails: match lists {
            true => found.forecast.mails.iter().map(|mail| found.line(mail)).collect(),
            false => Vec::new(),
        },
    };
    if let Some(path) = &args.html {
        fs::write(path, page(&view, outlook)).map_err(|error| {
            fail(format!("Cannot write `{}`: {error}", path.display()), None);
            Exit::Failed
        })?;
        say(format!("note: {} holds the page", path.display()));
    }
    if common.json {
        json(&view);
    } else if args.csv {
        print_csv(&view.mails);
    } else {
        print(&view, outlook, args.list);
    }
    Ok(if session.has_errors { Exit::Problems } else { Exit::Done })
}

/// Returns the first line: what comes of the span, in a sentence.
pub(crate) fn headline(view: &ForecastView, outlook: Outlook) -> String {
    let (mails, items) = (counted(view.mails_count, "mail", "mails"), counted(view.items_count, "item", "items"));
    let blocked = match view.blocked_count {
        0 => String::new(),
        count => format!(", and {count} blocked"),
    };
    let lead = match outlook {
        Outlook::Forecast | Outlook::Expecting => "Forecast",
        Outlook::Backtest => "Backtest",
    };
    format!("{lead} from {} to {}: {items} in {mails}{blocked}", view.from, view.to)
}

/// Says what the figures take for granted.
pub(crate) fn assumption(outlook: Outlook) -> &'static str {
    match outlook {
        Outlook::Forecast => "As if nobody paid but as the ledger says, and each mail were taken by a server at once.",
        Outlook::Expecting => "As if everybody paid what is expected and no more, and each mail were taken by a server at once.",
        Outlook::Backtest => "As if the rules had begun on the first day, by what was open on each day.",
    }
}

fn print(view: &ForecastView, outlook: Outlook, lists: bool) {
    out(headline(view, outlook));
    out(assumption(outlook));
    for note in &view.notes {
        out(format!("note: {note}"));
    }
    if view.mails_count > 0 {
        out("");
        match days_between(view.from, view.to) < WEEKS_MAX * 7 {
            true => print_weeks(&view.days),
            false => print_months(&view.days),
        }
        out("");
        print_totals(&view.totals);
    }
    if lists && !view.mails.is_empty() {
        out("");
        print_mails(&view.mails);
    }
}

/// Prints a calendar: a line a week, how many mails go on each day.
fn print_weeks(days: &[DayLine]) {
    let mut rows = table(&["Week of", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Mails"]);
    let monday = |day: Date| shifted(day, -i32::from(day.weekday().to_monday_zero_offset()));
    for week in days.chunk_by(|a, b| monday(a.day) == monday(b.day)) {
        let first = monday(week[0].day);
        let cell = |weekday: i32| match week.iter().find(|line| line.day == shifted(first, weekday)) {
            None => String::new(),
            Some(line) if line.mails == 0 => "·".to_owned(),
            Some(line) => line.mails.to_string(),
        };
        let sum: u64 = week.iter().map(|line| line.mails).sum();
        let mut row = vec![first.to_string().into()];
        row.extend((0..7).map(|weekday| number(cell(weekday))));
        row.push(number(sum));
        rows.add_row(row);
    }
    out(rows.to_string());
}

/// Prints a line a month, with a bar.
fn print_months(days: &[DayLine]) {
    let mut months: BTreeMap<(i16, i8), u64> = BTreeMap::new();
    for line in days {
        *months.entry((line.day.year(), line.day.month())).or_default() += line.mails;
    }
    let most = months.values().copied().max().unwrap_or_default().max(1);
    let mut rows = table(&["Month", "Mails", ""]);
    for ((year, month), count) in months {
        let bar = "█".repeat((count * BAR_WIDTH).div_ceil(most) as usize);
        rows.add_row([format!("{year}-{month:02}").into(), number(count), bar.into()]);
    }
    out(rows.to_string());
}

fn print_totals(totals: &[TotalLine]) {
    let mut rows = table(&["Rule", "Level", "Items", "Mails led by it", "Amount"]);
    for line in totals {
        rows.add_row([
            line.rule.clone().into(),
            line.level.clone().into(),
            number(line.items),
            number(line.mails),
            number(format!("{} {}", line.amount, line.currency)),
        ]);
    }
    out(rows.to_string());
}

fn print_mails(mails: &[MailLine]) {
    let mut rows = table(&["Day", "Rule", "Customer", "Level", "About", "Amount", "State"]);
    for mail in mails {
        let level = match (&mail.level, mail.repeat) {
            (Some(level), 0) => level.clone(),
            (Some(level), repeat) => format!("{level} (repeat {repeat})"),
            (None, _) => mail.kind.to_owned(),
        };
        let mut items: Vec<String> = mail.items.iter().map(|item| item.item.clone()).collect();
        if items.is_empty() || mail.kind == STATEMENT_LEVEL {
            items = mail.occasion.clone().into_iter().filter(|occasion| !occasion.starts_with("payment:")).collect();
        }
        rows.add_row([
            mail.day.to_string().into(),
            mail.rule.clone().into(),
            format!("{} {}", mail.customer, mail.customer_name).into(),
            level.into(),
            few(&items, 3).into(),
            number(format!("{} {}", mail.total, mail.currency)),
            mail.blocked.map_or_else(|| "goes".to_owned(), |reason| format!("blocked: {}", block_sentence(reason))).into(),
        ]);
    }
    keep_whole(&mut rows, &[0, 1, 5]);
    out(rows.to_string());
}

fn print_csv(mails: &[MailLine]) {
    out("day,rule,customer,customer_name,level,repeat,occasion,items,currency,total,blocked");
    for mail in mails {
        let items: Vec<String> = mail.items.iter().map(|item| format!("{}={}", item.item, item.level)).collect();
        let cells = [
            mail.day.to_string(),
            mail.rule.clone(),
            mail.customer.clone(),
            mail.customer_name.clone(),
            mail.level.clone().unwrap_or_default(),
            mail.repeat.to_string(),
            mail.occasion.clone().unwrap_or_default(),
            items.join(" "),
            mail.currency.clone(),
            mail.total.clone(),
            mail.blocked.unwrap_or_default().to_owned(),
        ];
        out(cells.map(|cell| quoted(&cell)).join(","));
    }
}

/// Returns a cell of CSV, in quotes where it needs them (RFC 4180 §2). One that a spreadsheet would take for a formula gets an
/// apostrophe in front.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '@', '\t', '\r']);
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_is_no_formula() {
        for (cell, expected) in [
            ("Old Mill Press", "Old Mill Press"),
            ("Kite, \"Sons\"", "\"Kite, \"\"Sons\"\"\""),
            ("=1+1", "'=1+1"),
            ("-4.00", "-4.00"),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }
}
