//! `dunlin init`: a small workspace to begin with, made from answers and from real exports.
//!
//! On a terminal it asks for what no argument says. Elsewhere it takes a default where one is harmless, and says so; where
//! none is (a currency, the order of day and month) it says what is missing and writes nothing.

mod ask;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use crate::cli::check::{CheckArgs, check};
use crate::cli::init::ask::Person;
use crate::cli::print::{counted, fail, json, out, say};
use crate::cli::session::tell;
use crate::cli::{Common, Exit, wrong_use};
use crate::domain::mailbox::is_address;
use crate::domain::money::Currency;
use crate::domain::problem::{Problem, Severity};
use crate::engine::init::{
    Answers, Decided, DecimalMark, Export, ExportKind, Exports, Guess, InitFault, Question, Security, ServerAnswer, files, guess,
    instance_name, path_from, system_time_zone, write,
};
use crate::schedule::TimeZoneName;

/// The currency of the example.
const EXAMPLE_CURRENCY: &str = "EUR";
/// Who sends until somebody says who does.
const SENDER: (&str, &str) = ("ACME Receivables", "receivables@acme.example");
/// The server until somebody names one.
const HOST: &str = "smtp.acme.example";

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// The folder to write into; it may be there, but none of the files
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The export of the invoices; its columns, dates and amounts are told from its rows
    #[arg(long, value_name = "FILE")]
    invoices: Option<PathBuf>,
    /// The export of the customers
    #[arg(long, value_name = "FILE", requires = "invoices")]
    customers: Option<PathBuf>,
    /// Which column holds what, where no heading tells: invoices.due_on=Deadline; may be given several times
    #[arg(long, value_name = "FIELD=HEADING")]
    column: Vec<String>,
    /// How the invoices' dates are written, where their rows do not settle it: %d/%m/%Y
    #[arg(long, value_name = "PATTERN")]
    dates: Option<String>,
    /// What stands before the cents, where the rows do not settle it
    #[arg(long, value_name = "MARK", value_parser = PossibleValuesParser::new(["point", "comma"]))]
    decimal: Option<String>,
    /// The currency of rows that name none: EUR
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// By whose clock days begin: Europe/Berlin
    #[arg(long, value_name = "PLACE")]
    time_zone: Option<String>,
    /// The name of this installation
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// The name customers see
    #[arg(long, value_name = "NAME")]
    sender_name: Option<String>,
    /// The address customers see
    #[arg(long, value_name = "ADDRESS")]
    sender_address: Option<String>,
    /// Who gets every mail until config.yaml says `mode: live`; the sender if not given
    #[arg(long, value_name = "ADDRESS")]
    redirect_to: Option<String>,
    /// The mail server
    #[arg(long, value_name = "HOST")]
    smtp_host: Option<String>,
    /// Its port; the usual one of its security if not given
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    smtp_port: Option<u16>,
    /// How the connection is protected; starttls if not given
    #[arg(long, value_name = "WORD", value_parser = PossibleValuesParser::new(Security::ALL.map(Security::as_str)))]
    smtp_security: Option<String>,
    /// The account on the server; the sender's address if not given
    #[arg(long, value_name = "USER")]
    smtp_user: Option<String>,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
}

/// What `--json` prints before what `check` prints.
#[derive(Debug, Serialize)]
struct InitView {
    folder: String,
    files: Vec<&'static str>,
    notes: Vec<String>,
}

pub(crate) fn init(common: &Common, args: &InitArgs) -> Exit {
    let asks = !args.yes && !common.json && io::stdin().is_terminal() && io::stderr().is_terminal();
    let mut person = Person { input: io::stdin().lock(), output: io::stderr(), asks };
    let mut notes = Vec::new();
    let files = match answers(args, &mut person, &mut notes).and_then(|answers| files(&answers).map_err(Stop::Problems)) {
        Ok(files) => files,
        Err(Stop::Problems(problems)) => {
            tell(&problems, Severity::Error);
            return Exit::Problems;
        }
        Err(Stop::Missing(missing)) => wrong_use(&format!(
            "nothing was written, for lack of {}:\n{}",
            if missing.len() == 1 { "an answer" } else { "answers" },
            missing.iter().map(|line| format!("  {line}\n")).collect::<String>()
        )),
        Err(Stop::Gone) => {
            fail("The answers ended before the last question; nothing was written", Some("--yes asks nothing"));
            return Exit::Failed;
        }
    };
    // The person may take long over the answers; what is in the way is told by the writing itself.
    if let Err(fault) = write(&args.folder, &files) {
        let hint = match fault {
            InitFault::Taken(_) => "nothing was written; name another folder, or move these files away",
            InitFault::Unwritable { .. } => "files written before it stay; remove them to begin anew",
        };
        fail(fault.to_string(), Some(hint));
        return Exit::Failed;
    }
    tell_written(common, &args.folder, &files.iter().map(|file| file.path).collect::<Vec<_>>(), notes);
    let there = Common { workspace: args.folder.clone(), json: common.json, log: common.log, verbose: common.verbose };
    let exit = check(&there, &CheckArgs { no_ledger: false });
    if exit == Exit::Done && !common.json {
        let there = match args.folder.as_os_str() == "." {
            true => String::new(),
            false => format!(" --workspace {}", args.folder.display()),
        };
        say(format!(
            "\nNext: `dunlin plan{there}` shows who would get what; {} goes on",
            args.folder.join("README.md").display()
        ));
    }
    exit
}

fn tell_written(common: &Common, folder: &Path, files: &[&'static str], notes: Vec<String>) {
    if common.json {
        json(&InitView { folder: folder.display().to_string(), files: files.to_vec(), notes });
        return;
    }
    out(format!("Wrote {} into {}:", counted(files.len(), "file", "files"), folder.display()));
    files.iter().for_each(|file| out(format!("  {file}")));
    notes.iter().for_each(|note| out(format!("note: {note}")));
    out("");
}

/// Why no workspace can be written.
enum Stop {
    /// What was said, or a file, has problems.
    Problems(Vec<Problem>),
    /// What nobody said and nobody may guess, each with the argument that says it.
    Missing(Vec<String>),
    /// The person went away.
    Gone,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

type Talk<T> = Result<T, Stop>;

fn answers<I: io::BufRead, O: io::Write>(args: &InitArgs, person: &mut Person<I, O>, notes: &mut Vec<String>) -> Talk<Answers> {
    person.tell("A line that is left empty takes what stands in brackets.\n")?;
    let mut missing = Vec::new();
    let exports = exports(args, person, notes, &mut missing)?;
    let told = exports.as_ref().and_then(|exports| exports.invoices.guess.currency);
    let currency = match (&args.currency, told) {
        (Some(code), _) => currency(code).map_err(wrong("--currency"))?,
        (None, Some(code)) => code.to_string(),
        (None, None) if person.asks => {
            let usual = if exports.is_none() { EXAMPLE_CURRENCY } else { "" };
            person.answer("The currency of rows that name none, such as EUR", usual, currency)?
        }
        (None, None) if exports.is_none() => EXAMPLE_CURRENCY.to_owned(),
        (None, None) => {
            missing.push("--currency CODE: the currency of rows that name none".to_owned());
            String::new()
        }
    };
    let zone = system_time_zone().unwrap_or_else(|| "UTC".to_owned());
    let time_zone = match &args.time_zone {
        Some(zone) => time_zone(zone).map_err(wrong("--time-zone"))?,
        None => person.answer("The place by whose clock days begin", &zone, time_zone)?,
    };
    let sender_name = match &args.sender_name {
        Some(name) => name.clone(),
        None => person.answer("The name customers see", SENDER.0, |text| Ok(text.to_owned()))?,
    };
    let sender_address = match &args.sender_address {
        Some(text) => address(text).map_err(wrong("--sender-address"))?,
        None => person.answer("The address customers see", SENDER.1, address)?,
    };
    let host = match &args.smtp_host {
        Some(host) => host.clone(),
        None => person.answer("The mail server", HOST, |text| Ok(text.to_owned()))?,
    };
    if !missing.is_empty() {
        return Err(Stop::Missing(missing));
    }
    let is_sender_known = args.sender_address.is_some() || sender_address != SENDER.1;
    let is_host_known = args.smtp_host.is_some() || host != HOST;
    let redirect_to = args.redirect_to.as_deref().map(|text| address(text).map_err(wrong("--redirect-to"))).transpose()?;
    let redirect_to = redirect_to.or_else(|| (is_sender_known && is_host_known).then(|| sender_address.clone()));
    match &redirect_to {
        Some(to) => notes.push(format!("Every mail goes to {to} for now, none to a customer (`mode: redirect`)")),
        None => notes.push("No mail is sent for now (`mode: dry`); name your server and sender in config.yaml first".to_owned()),
    }
    let word = args.smtp_security.as_deref().unwrap_or(Security::StartTls.as_str());
    let security = Security::ALL.into_iter().find(|security| security.as_str() == word).unwrap_or(Security::StartTls);
    let signs_in = matches!(security, Security::StartTls | Security::Implicit) && is_host_known;
    let user = args.smtp_user.clone().or_else(|| signs_in.then(|| sender_address.clone()));
    Ok(Answers {
        instance: args.instance.clone().unwrap_or_else(|| instance_name(&args.folder)),
        time_zone,
        currency,
        sender_name,
        sender_address,
        redirect_to,
        server: ServerAnswer { host, port: args.smtp_port, security, user },
        exports,
    })
}

fn exports<I: io::BufRead, O: io::Write>(
    args: &InitArgs,
    person: &mut Person<I, O>,
    notes: &mut Vec<String>,
    missing: &mut Vec<String>,
) -> Talk<Option<Exports>> {
    let file = |text: &str| match text.is_empty() || Path::new(text).is_file() {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not a file")),
    };
    let asked = |given: &Option<PathBuf>, question: &str, person: &mut Person<I, O>| -> Talk<Option<PathBuf>> {
        match given {
            Some(path) => Ok(Some(path.clone())),
            None => Ok(Some(person.answer(question, "", file)?).filter(|path| !path.is_empty()).map(PathBuf::from)),
        }
    };
    let Some(invoices) = asked(&args.invoices, "The export of your invoices, a CSV file; empty: a small example", person)? else {
        let arguments =
            [(!args.column.is_empty(), "--column"), (args.dates.is_some(), "--dates"), (args.decimal.is_some(), "--decimal")];
        missing.extend(
            arguments.iter().filter(|(is_given, _)| *is_given).map(|(_, name)| format!("--invoices FILE: {name} speaks of it")),
        );
        notes.push("data/ holds a small example; put your own exports in its place".to_owned());
        return Ok(None);
    };
    let customers = asked(&args.customers, "The export of your customers; empty: none, only their numbers are known", person)?;
    let mut decided = [Decided::default(), Decided::default()];
    for column in &args.column {
        let parts = column.split_once('=').and_then(|(field, heading)| Some((field.split_once('.')?, heading)));
        let Some(((file @ ("invoices" | "customers"), field), heading)) = parts else {
            missing.push(format!("--column {column}: write it like invoices.due_on=Deadline"));
            continue;
        };
        decided[usize::from(file == "customers")].columns.push((field.to_owned(), heading.to_owned()));
    }
    decided[0].dates.clone_from(&args.dates);
    decided[0].decimal = args.decimal.as_deref().map(decimal);
    let [of_invoices, of_customers] = decided;
    let invoices = export(&args.folder, &invoices, ExportKind::Invoices, of_invoices, person, missing)?;
    let customers = match customers {
        Some(path) => Some(export(&args.folder, &path, ExportKind::Customers, of_customers, person, missing)?),
        None => {
            notes.push("Without a customers' file no address is known: every mail will be blocked".to_owned());
            None
        }
    };
    for export in [Some(&invoices), customers.as_ref()].into_iter().flatten() {
        notes.push(found(export));
        notes.extend(export.guess.notes.iter().map(|note| format!("{}: {note}", export.path)));
    }
    Ok(Some(Exports { invoices, customers }))
}

/// Looks at a file, asking until nothing is open.
fn export<I: io::BufRead, O: io::Write>(
    folder: &Path,
    file: &Path,
    kind: ExportKind,
    mut decided: Decided,
    person: &mut Person<I, O>,
    missing: &mut Vec<String>,
) -> Talk<Export> {
    loop {
        let guess = guess(file, kind, &decided).map_err(Stop::Problems)?;
        let path = path_from(folder, file).unwrap_or_else(|_| file.display().to_string());
        let open = guess.questions.iter().filter(|_| !person.asks);
        missing.extend(open.map(|question| told(kind, file, question)));
        let Some(question) = guess.questions.first().filter(|_| person.asks) else {
            return Ok(Export { path, guess });
        };
        match question {
            Question::Column { field, meaning, headings } => {
                let name = format!("{}: which column is `{field}`? {meaning} ({})", file.display(), headings.join(", "));
                let known = |text: &str| match headings.iter().any(|heading| heading == text) {
                    true => Ok(text.to_owned()),
                    false => Err(format!("`{text}` is none of the columns")),
                };
                decided.columns.push(((*field).to_owned(), person.answer(&name, "", known)?));
            }
            Question::Dates { column, cell, patterns } | Question::DateForm { column, cell, patterns, .. } => {
                let name = format!("{}: how is `{cell}` in `{column}` written? {}", file.display(), patterns.join(" or "));
                let known = |text: &str| match patterns.contains(&text) {
                    true => Ok(text.to_owned()),
                    false => Err(format!("write {}", patterns.join(" or "))),
                };
                decided.dates = Some(person.answer(&name, "", known)?);
            }
            Question::Decimal { column, cell } => {
                let name = format!("{}: what stands before the cents in `{cell}` in `{column}`, point or comma?", file.display());
                let known = |text: &str| match text {
                    "point" | "comma" => Ok(text.to_owned()),
                    _ => Err("write point or comma".to_owned()),
                };
                decided.decimal = Some(decimal(&person.answer(&name, "", known)?));
            }
        }
    }
}

/// Says what is open, and the argument that settles it.
fn told(kind: ExportKind, file: &Path, question: &Question) -> String {
    let file = file.display();
    match question {
        Question::Column { field, meaning, headings } => {
            format!("--column {}.{field}=HEADING: {meaning} {file} has {}", kind.key(), headings.join(", "))
        }
        Question::Dates { column, cell, patterns } | Question::DateForm { column, cell, patterns, .. } => {
            format!("--dates PATTERN: `{cell}` in `{column}` of {file} can be {}", patterns.join(" or "))
        }
        Question::Decimal { column, cell } => {
            format!(
                "--decimal point or comma: which of them stands before the cents? `{cell}` in `{column}` of {file} can be both"
            )
        }
    }
}

/// Says in a sentence what was found in a file.
fn found(export: &Export) -> String {
    let Guess { columns, dates, amounts, row_count, .. } = &export.guess;
    let mut text = format!("{}: {}", export.path, counted(*row_count, "row", "rows"));
    if let Some(dates) = dates {
        text = format!("{text}; dates like {dates}");
    }
    if columns.iter().any(|(field, _)| field == "total") {
        text = format!("{text}; amounts like {}", amounts.example());
    }
    let columns: Vec<String> = columns.iter().map(|(field, heading)| format!("{field} = {heading}")).collect();
    format!("{text}; {}", columns.join(", "))
}

fn decimal(word: &str) -> DecimalMark {
    if word == "comma" { DecimalMark::Comma } else { DecimalMark::Point }
}

fn currency(text: &str) -> Result<String, String> {
    let code = Currency::parse(text).ok_or_else(|| format!("`{text}` is not a currency; write its three letters: EUR"))?;
    Ok(code.to_string())
}

fn time_zone(text: &str) -> Result<String, String> {
    let zone = TimeZoneName::parse(text).map_err(|fault| format!("{}; {}", fault.message, fault.hint))?;
    Ok(zone.as_str().to_owned())
}

fn address(text: &str) -> Result<String, String> {
    if is_address(text) { Ok(text.to_owned()) } else { Err(format!("`{text}` is not an e-mail address")) }
}

/// Makes a wrong argument a thing that is missing: nothing is written for it either.
fn wrong(argument: &'static str) -> impl Fn(String) -> Stop {
    move |message| Stop::Missing(vec![format!("{argument}: {message}")])
}

#[cfg(test)]
mod tests;
