//! `dunlin hold`: whom nobody reminds for a while, why, and until when.

use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::cli::hand::done;
use crate::cli::outbox::failed;
use crate::cli::print::{counted, json, number, out, say, table};
use crate::cli::session::Session;
use crate::cli::{Common, Exit, day};
use crate::domain::date::{Date, shifted};
use crate::domain::hold::HoldKind;
use crate::engine::act::{Act, Done};
use crate::engine::holds::{HoldView, Holds, Outcome};

/// How many days a hold that has ended by itself stays in the list.
const ENDED_DAYS: i32 = 7;

#[derive(Args, Debug)]
pub(crate) struct HoldArgs {
    #[command(subcommand)]
    verb: Option<HoldVerb>,
}

#[derive(Debug, Subcommand)]
enum HoldVerb {
    /// Set a hold; what is queued for the customer or invoice is taken back at once
    Add {
        /// A customer's id or an invoice's number; `customer:ID` or `invoice:NUMBER` where it could be either
        #[arg(value_name = "CUSTOMER|INVOICE")]
        subject: String,
        /// Why: `dispute` (contested; statements mark it), `promise` (paid by that day; if not, you are told), `pause` (quiet; of
        /// a customer no mail at all)
        #[arg(long, value_name = "KIND", value_parser = kind)]
        kind: HoldKind,
        /// The last day it holds (YYYY-MM-DD); it ends by itself
        #[arg(long, value_name = "DATE", value_parser = day)]
        until: Date,
        /// Why, in a few words
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// List the holds that stand, promises that were broken, and what has ended by itself in the last seven days
    List {
        /// Those that have ended, too
        #[arg(long)]
        all: bool,
    },
    /// End a hold before its day; of a broken promise, note that you have seen to it
    End {
        /// The hold's id, as the list shows it
        #[arg(value_parser = hold_id)]
        id: i64,
    },
}

fn kind(word: &str) -> Result<HoldKind, String> {
    HoldKind::parse(word).ok_or_else(|| {
        let words: Vec<&str> = HoldKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("write one of: {}", words.join(", "))
    })
}

pub(crate) fn hold(common: &Common, args: &HoldArgs) -> Exit {
    performed(common, args).unwrap_or_else(|exit| exit)
}

/// Reads the id of a hold; people write the customer or the invoice instead.
fn hold_id(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "write the number that `dunlin hold list` shows in its first column".to_owned())
}

fn performed(common: &Common, args: &HoldArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    match args.verb.as_ref().unwrap_or(&HoldVerb::List { all: false }) {
        HoldVerb::List { all } => {
            let today = session.day(None);
            let since = shifted(today, -ENDED_DAYS);
            let holds = Holds::open(&session.workspace).map_err(failed)?;
            let holds = holds.map(|holds| if *all { holds.all() } else { holds.recent(since) });
            list(common, &holds.transpose().map_err(failed)?.unwrap_or_default(), today);
            Ok(Exit::Done)
        }
        HoldVerb::Add { subject, kind, until, reason } => {
            let act = Act::AddHold { subject: subject.clone(), kind: *kind, until: *until, reason: reason.clone() };
            tell(common, done(&Arc::new(session.workspace), act)?)
        }
        HoldVerb::End { id } => tell(common, done(&Arc::new(session.workspace), Act::EndHold { hold: *id })?),
    }
}

fn tell(common: &Common, done: Done) -> Result<Exit, Exit> {
    if common.json {
        json(&done);
        return Ok(Exit::Done);
    }
    match done {
        Done::AddHold { hold, subject, kind, until, withdrawn, under_way } => {
            out(format!("Hold {hold}: {} on {subject} up to and including {until}", kind.as_str()));
            if withdrawn > 0 {
                out(format!("{} taken back before it was sent", counted(withdrawn, "mail", "mails")));
            }
            if under_way > 0 {
                say(format!("note: {} on the wire, which may arrive", counted(under_way, "mail is", "mails are")));
            }
        }
        Done::EndHold { hold, settled: false } => out(format!("Hold {} on {} has ended", hold.id, hold.subject)),
        Done::EndHold { hold, settled: true } => {
            out(format!("Hold {}: the broken promise of {} is no longer asked about", hold.id, hold.subject));
        }
        _ => {}
    }
    Ok(Exit::Done)
}

fn list(common: &Common, holds: &[HoldView], today: Date) {
    if common.json {
        holds.iter().for_each(json);
        return;
    }
    if holds.is_empty() {
        return out("There is no hold");
    }
    let mut rows = table(&["Id", "On", "Kind", "Until", "Reason", "By", "State"]);
    for hold in holds {
        rows.add_row([
            number(hold.id),
            hold.subject.to_string().into(),
            hold.kind.as_str().into(),
            hold.until.to_string().into(),
            hold.reason.clone().into(),
            hold.person.clone().into(),
            state(hold, today).into(),
        ]);
    }
    out(rows.to_string());
}

/// Says where a hold stands.
fn state(hold: &HoldView, today: Date) -> String {
    match (hold.outcome, &hold.settled_by, &hold.ended_by) {
        (Some(Outcome::Broken), None, _) => format!("broken; `dunlin hold end {}` once you have seen to it", hold.id),
        (Some(Outcome::Broken), Some(person), _) => format!("broken; seen to by {person}"),
        (Some(Outcome::Kept), ..) => "kept".to_owned(),
        (None, _, Some(person)) => format!("ended by {person}"),
        (None, _, None) if hold.ended_at.is_some() || hold.until < today => "ended by itself".to_owned(),
        (None, ..) => "in force".to_owned(),
    }
}
