//! `dunlin preview`: one mail as it would be sent, for reading. Sends and stores nothing.

use clap::{Args, ValueEnum};

use crate::cli::plan::block_sentence;
use crate::cli::print::{fail, json, out, out_bytes, say};
use crate::cli::session::Session;
use crate::cli::{Common, Exit, day};
use crate::clock::SystemClock;
use crate::domain::date::Date;
use crate::domain::mailbox::RecipientRole;
use crate::engine::preview::{Preview, PreviewFault, Wanted, preview as compose_preview};
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
    /// What to print
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
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
    let session = Session::open(common)?;
    let rules = session.rules(args.rule.as_deref())?;
    let as_of = session.day(args.as_of);
    let ledger = session.ledger(as_of)?;
    let wanted = Wanted { subject: args.subject.as_deref(), level: args.level.as_deref() };
    let found = compose_preview(&session.workspace, &rules, &ledger, as_of, SystemClock.now(), &wanted);
    match found {
        Ok(found) => {
            show(common, args.format, &found);
            Ok(Exit::Done)
        }
        Err(fault) => {
            let hint = match &fault {
                PreviewFault::NothingDue { .. } => {
                    Some("`dunlin plan --declined` lists everybody; `--level ID` shows a level's mail all the same")
                }
                PreviewFault::SubjectUnknown { .. } => {
                    Some("name a customer's id or an invoice's number as it stands in the ledger")
                }
                PreviewFault::Blocked { .. } | PreviewFault::LevelUnknown { .. } | PreviewFault::Store(_) => None,
            };
            let words = match &fault {
                PreviewFault::Blocked { reason, detail } if detail.is_empty() => {
                    format!("The mail is blocked: {}", block_sentence(reason.as_str()))
                }
                _ => fault.to_string(),
            };
            fail(words, hint);
            Err(Exit::Failed)
        }
    }
}

fn show(common: &Common, form: Form, found: &Preview) {
    let composed = &found.composed;
    if common.json {
        let addresses = |role| {
            let of_role = composed.recipients.iter().filter(move |recipient| recipient.role == role);
            of_role.map(|recipient| recipient.address.as_str()).collect::<Vec<_>>()
        };
        json(&serde_json::json!({
            "rule": found.rule, "customer": found.customer, "level": found.level, "language": composed.language,
            "from": composed.envelope_from, "to": addresses(RecipientRole::To), "cc": addresses(RecipientRole::Cc),
            "bcc": addresses(RecipientRole::Bcc), "recipients": composed.recipients, "subject": composed.subject,
            "text": composed.text, "html": composed.html, "eml": String::from_utf8_lossy(&composed.bytes),
        }));
        return;
    }
    match form {
        Form::Eml => out_bytes(&composed.bytes),
        Form::Html => match &composed.html {
            Some(html) => out(html),
            None => say("note: this mail has no HTML part; its text part is all there is"),
        },
        Form::Text => {
            out(format!("From:    {}", composed.envelope_from));
            for recipient in &composed.recipients {
                let heading = match recipient.role {
                    RecipientRole::To => "To:",
                    RecipientRole::Cc => "Cc:",
                    RecipientRole::Bcc => "Bcc:",
                };
                out(format!("{heading:<9}{}", recipient.address));
            }
            out(format!("Subject: {}\n\n{}", composed.subject, composed.text.trim_end()));
        }
    }
}
