//! `dunlin suppress`: the addresses that nothing is sent to, and those that a server does not know.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json as object;

use crate::cli::hand::done;
use crate::cli::outbox::failed;
use crate::cli::print::{counted, json, out, table};
use crate::cli::session::Session;
use crate::cli::{Common, Exit};
use crate::engine::act::{Act, Done};
use crate::engine::holds::Holds;

#[derive(Args, Debug)]
pub(crate) struct SuppressArgs {
    #[command(subcommand)]
    verb: Option<SuppressVerb>,
}

#[derive(Debug, Subcommand)]
enum SuppressVerb {
    /// Send nothing to an address any more; what is queued for it is taken back at once
    Add {
        /// The address
        address: String,
        /// Why, in a few words
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// List suppressed addresses, and those that a server refused as unknown
    List,
    /// Let mail go to an address again
    Remove {
        /// The address
        address: String,
    },
}

pub(crate) fn suppress(common: &Common, args: &SuppressArgs) -> Exit {
    performed(common, args).unwrap_or_else(|exit| exit)
}

fn performed(common: &Common, args: &SuppressArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    let act = match args.verb.as_ref().unwrap_or(&SuppressVerb::List) {
        SuppressVerb::List => {
            return list(common, Holds::open(&session.workspace).map_err(failed)?.as_ref());
        }
        SuppressVerb::Add { address, reason } => Act::Suppress { address: address.clone(), reason: reason.clone() },
        SuppressVerb::Remove { address } => Act::Unsuppress { address: address.clone() },
    };
    let done = done(&Arc::new(session.workspace), act)?;
    match &done {
        _ if common.json => json(&done),
        Done::Suppress { address, withdrawn } => {
            out(format!("Nothing is sent to {address} any more"));
            if *withdrawn > 0 {
                out(format!("{} taken back before it was sent", counted(*withdrawn, "mail", "mails")));
            }
        }
        Done::Unsuppress { address } => out(format!("Mail may go to {address} again")),
        _ => {}
    }
    Ok(Exit::Done)
}

fn list(common: &Common, holds: Option<&Holds>) -> Result<Exit, Exit> {
    let suppressed = holds.map(Holds::suppressed).transpose().map_err(failed)?.unwrap_or_default();
    let unknown = holds.map(Holds::unknown_addresses).transpose().map_err(failed)?.unwrap_or_default();
    if common.json {
        json(&object!({ "suppressed": suppressed, "unknown": unknown }));
        return Ok(Exit::Done);
    }
    if suppressed.is_empty() {
        out("No address is suppressed");
    } else {
        let mut rows = table(&["Address", "Reason", "By", "Since"]);
        for view in suppressed {
            rows.add_row([view.address, view.reason, view.person, view.created_at.strftime("%Y-%m-%d").to_string()]);
        }
        out(rows.to_string());
    }
    if !unknown.is_empty() {
        out("\nRefused by a server as unknown (5.1.1); correct them in the books, or suppress them:");
        for address in unknown {
            out(format!("  {}, last on {}", address.address, address.refused_at.strftime("%Y-%m-%d")));
        }
    }
    Ok(Exit::Done)
}
