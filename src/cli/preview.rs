//! `dunlin preview`: one mail as it would be sent, or those of all levels, for reading. Sends and stores nothing.

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::gallery::{Html, Picture, page};
use crate::cli::plan::block_sentence;
use crate::cli::print::{fail, json, out_bytes, say};
use crate::cli::session::Session;
use crate::cli::{Common, Exit, day};
use crate::clock::SystemClock;
use crate::domain::date::Date;
use crate::domain::hex::hexadecimal;
use crate::domain::id::Language;
use crate::domain::mailbox::RecipientRole;
use crate::engine::left_out::left_out;
use crate::engine::preview::{LevelPreview, Preview, PreviewFault, Wanted, preview as compose_preview, preview_levels};
use crate::message::{Attachment, ComposedFile};
use crate::port::Clock;

#[derive(Args, Debug)]
pub(crate) struct PreviewArgs {
    /// A customer's id or an invoice's number; the first mail of the plan where left out
    #[arg(value_name = "CUSTOMER|INVOICE")]
    subject: Option<String>,
    /// Only this rule
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Compose for this day instead of today (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", value_parser = day)]
    as_of: Option<Date>,
    /// Show this level's mail, whether it is due or not; `statement` and `notice` show those of statement and notice rules
    #[arg(long, value_name = "LEVEL", requires = "subject")]
    level: Option<String>,
    /// Show the mail of every level, side by side in HTML
    #[arg(long, requires = "subject", conflicts_with = "level")]
    levels: bool,
    /// Write in this language instead of the customer's (de, pt-br)
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// What to print; without it the ending of `--out` says it (.txt, .html, .eml), else `text`
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Write it into this file instead, for a browser or a mail program to open, and the files that go with it beside it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What to print of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Head and text part, for the terminal
    Text,
    /// The HTML part
    Html,
    /// The exact bytes
    Eml,
}

pub(crate) fn preview(common: &Common, args: &PreviewArgs) -> Exit {
    previewed(common, args).unwrap_or_else(|exit| exit)
}

fn previewed(common: &Common, args: &PreviewArgs) -> Result<Exit, Exit> {
    let form = form(args)?;
    let session = Session::open(common)?;
    let rules = session.rules(args.rule.as_deref())?;
    let as_of = session.day(args.as_of);
    let ledger = session.ledger(as_of)?;
    let language = args.language.as_deref().map(tag).transpose()?;
    let now = SystemClock.now();
    if let Some(subject) = args.subject.as_deref().filter(|_| args.levels) {
        let all = preview_levels(&session.workspace, &rules, &ledger, as_of, now, subject, language.as_ref());
        if let Some(fault @ PreviewFault::SubjectUnknown { .. }) = all.iter().find_map(|level| level.mail.as_ref().err()) {
            fail(fault.to_string(), Some("name a customer's id or an invoice's number as it stands in the ledger"));
            return Err(Exit::Failed);
        }
        return show_levels(common, args, form, subject, &all);
    }
    let wanted = Wanted { subject: args.subject.as_deref(), level: args.level.as_deref(), language: language.as_ref() };
    let found = compose_preview(&session.workspace, &rules, &ledger, as_of, now, &wanted);
    match found {
        Ok(found) => {
            note_language(language.as_ref(), &found);
            show(common, args, form, &found)
        }
        Err(fault) => {
            // Nothing is known of what they would send.
            let left_out: Vec<String> =
                left_out(&session.workspace).into_iter().map(|rule| format!("the rule `{}`", rule.id)).collect();
            let hint = match &fault {
                PreviewFault::NothingDue { .. } => Some(match left_out.as_slice() {
                    [] => "`dunlin plan --declined` lists everybody; `--level ID` shows a level's mail all the same".to_owned(),
                    rules => format!("left out since they have errors: {}; `dunlin check` tells them", rules.join(", ")),
                }),
                PreviewFault::SubjectUnknown { .. } => {
                    Some("name a customer's id or an invoice's number as it stands in the ledger".to_owned())
                }
                PreviewFault::Blocked { .. } | PreviewFault::LevelUnknown { .. } | PreviewFault::Store(_) => None,
            };
            let words = match &fault {
                PreviewFault::Blocked { reason, detail } if detail.is_empty() => {
                    format!("The mail is blocked: {}", block_sentence(reason.as_str()))
                }
                _ => fault.to_string(),
            };
            fail(words, hint.as_deref());
            Err(Exit::Failed)
        }
    }
}

fn show(common: &Common, args: &PreviewArgs, form: Form, found: &Preview) -> Result<Exit, Exit> {
    if common.json {
        json(&view(found));
        return Ok(Exit::Done);
    }
    let composed = &found.composed;
    put_files(args, &found.files)?;
    match (form, composed.page()) {
        (Form::Eml, _) => put(args, &composed.bytes),
        (Form::Html, Some(html)) => put(args, format!("{html}\n").as_bytes()),
        (Form::Html, None) => {
            say("note: this mail has no HTML part; its text part is all there is");
            Ok(Exit::Done)
        }
        (Form::Text, _) => put(args, text(found).as_bytes()),
    }
}

/// Returns what to print: what was asked for, else what the ending of the file says.
fn form(args: &PreviewArgs) -> Result<Form, Exit> {
    let (None, Some(path)) = (args.format, &args.out) else { return Ok(args.format.unwrap_or(Form::Text)) };
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "txt" => Ok(Form::Text),
        "html" | "htm" => Ok(Form::Html),
        "eml" => Ok(Form::Eml),
        _ => {
            let hint = "end it in .txt, .html or .eml, or say which with --format; --json prints all of it";
            fail(format!("The ending of `{}` does not say what to write", path.display()), Some(hint));
            Err(Exit::Failed)
        }
    }
}

/// Reads a language tag from the command line.
fn tag(text: &str) -> Result<Language, Exit> {
    let is_part = |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut parts = text.split('-');
    let is_tag = parts.next().is_some_and(|first| is_part(first) && first.len() <= 3) && parts.all(is_part);
    if !is_tag {
        fail(format!("`{text}` is no language tag"), Some("write `de`, `fr` or `pt-br`"));
        return Err(Exit::Failed);
    }
    Ok(Language::new(text))
}

/// Says that there are no texts in the language that was asked for.
fn note_language(asked: Option<&Language>, found: &Preview) {
    if let Some(asked) = asked.filter(|asked| **asked != found.composed.language) {
        say(format!("note: there are no texts in `{asked}` at this level; these are in `{}`", found.composed.language));
    }
}

/// Prints what was asked for, or writes it into the file that was named.
fn put(args: &PreviewArgs, bytes: &[u8]) -> Result<Exit, Exit> {
    let Some(path) = &args.out else {
        out_bytes(bytes);
        return Ok(Exit::Done);
    };
    fs::write(path, bytes).map_err(|error| {
        fail(format!("Cannot write `{}`: {error}", path.display()), None);
        Exit::Failed
    })?;
    say(format!("note: {} holds it", path.display()));
    Ok(Exit::Done)
}

/// Writes the files of a mail beside the file that was named.
fn put_files(args: &PreviewArgs, files: &[Attachment]) -> Result<(), Exit> {
    let Some(out) = &args.out else { return Ok(()) };
    for file in files {
        let path = out.with_file_name(&file.name);
        if path == *out {
            fail(format!("`{}` is the name of a file that goes with the mail", path.display()), Some("name another file"));
            return Err(Exit::Failed);
        }
        let written = file.contents.bytes().and_then(|bytes| fs::write(&path, bytes));
        written.map_err(|error| {
            fail(format!("Cannot write `{}`: {error}", path.display()), None);
            Exit::Failed
        })?;
        say(format!("note: {} goes with it", path.display()));
    }
    Ok(())
}

/// Shows the mails of all levels: in HTML side by side, else one after the other.
fn show_levels(common: &Common, args: &PreviewArgs, form: Form, subject: &str, all: &[LevelPreview]) -> Result<Exit, Exit> {
    let of = |level: &LevelPreview| format!("{} / {}", level.rule, level.level);
    if common.json {
        let one = |level: &LevelPreview| match &level.mail {
            Ok(found) => view(found),
            Err(fault) => {
                serde_json::json!({ "rule": level.rule, "level": level.level, "fault": fault.to_string() })
            }
        };
        json(&all.iter().map(one).collect::<Vec<_>>());
        return Ok(Exit::Done);
    }
    let there = || all.iter().filter_map(|level| Some((level, level.mail.as_ref().ok()?)));
    for level in all {
        if let Err(fault) = &level.mail {
            say(format!("note: {}: {fault}", of(level)));
        }
    }
    if there().next().is_none() {
        fail(format!("No level has a mail for {subject}"), Some("without open invoices there is nothing to remind of"));
        return Err(Exit::Failed);
    }
    match form {
        Form::Html => {
            let picture = |(level, found): (&LevelPreview, &Preview)| Picture {
                eml: None,
                html: found.composed.page().map(Html::Within),
                to: addresses(found, RecipientRole::To).join(", "),
                customer: found.customer.clone(),
                level: of(level),
                subject: found.composed.subject.clone(),
                text: found.composed.text.clone(),
            };
            let pictures: Vec<Picture> = there().map(picture).collect();
            put(args, page(&format!("Every level for {subject}"), "Each mail as it would be sent.", &pictures).as_bytes())
        }
        Form::Text => {
            let told = there().map(|(level, found)| format!("──── {} ────\n{}", of(level), text(found)));
            put(args, told.collect::<Vec<_>>().join("\n").as_bytes())
        }
        Form::Eml => {
            fail("A mail program opens one mail at a time", Some("name one with `--level`"));
            Err(Exit::Failed)
        }
    }
}

fn addresses(found: &Preview, role: RecipientRole) -> Vec<&str> {
    let of_role = found.composed.recipients.iter().filter(move |recipient| recipient.role == role);
    of_role.map(|recipient| recipient.address.as_str()).collect()
}

/// Returns the head as a mail program shows it, and the text part.
fn text(found: &Preview) -> String {
    let composed = &found.composed;
    let mut text = format!("From:    {}\n", composed.envelope_from);
    for recipient in &composed.recipients {
        let heading = format!("{}:", recipient.role.heading());
        text += &format!("{heading:<9}{}\n", recipient.address);
    }
    for file in &composed.files {
        let lead = if file.packed_in.is_none() { "Attached:" } else { "  packed:" };
        text += &format!("{lead} {} ({} bytes)\n", file.name, file.byte_count);
    }
    format!("{text}Subject: {}\n\n{}\n", composed.subject, composed.text.trim_end())
}

/// Returns what `--json` prints.
fn view(found: &Preview) -> serde_json::Value {
    let composed = &found.composed;
    let file = |file: &ComposedFile| {
        let (name, content_type, bytes) = (&file.name, &file.content_type, file.byte_count);
        let sha256 = hexadecimal(&file.hash);
        serde_json::json!({ "name": name, "packed_in": file.packed_in, "content_type": content_type, "bytes": bytes, "sha256": sha256 })
    };
    let files: Vec<_> = composed.files.iter().map(file).collect();
    serde_json::json!({
        "rule": found.rule, "customer": found.customer, "level": found.level, "language": composed.language,
        "from": composed.envelope_from, "to": addresses(found, RecipientRole::To), "cc": addresses(found, RecipientRole::Cc),
        "bcc": addresses(found, RecipientRole::Bcc), "recipients": composed.recipients, "subject": composed.subject,
        "text": composed.text, "html": composed.html, "files": files, "eml": String::from_utf8_lossy(&composed.bytes),
    })
}
