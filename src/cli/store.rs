//! `dunlin store`: looking after the database.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::cli::hand::done;
use crate::cli::outbox::failed;
use crate::cli::print::{counted, fail, json, out};
use crate::cli::session::Session;
use crate::cli::{Common, Exit};
use crate::engine::act::{Act, Done};
use crate::engine::care::check;

#[derive(Args, Debug)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    verb: StoreVerb,
}

#[derive(Debug, Subcommand)]
enum StoreVerb {
    /// Check the database whole, and the archive; or a backup
    Check {
        /// The backup to check instead
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Move what is older than `retention` says into the archive; a daemon does so every hour
    Prune,
}

pub(crate) fn store(common: &Common, args: &StoreArgs) -> Exit {
    let run = || -> Result<Exit, Exit> {
        let session = Session::quiet(common)?;
        match &args.verb {
            StoreVerb::Check { file } => checking(common, &session, file.as_deref()),
            StoreVerb::Prune => pruning(common, session),
        }
    };
    run().unwrap_or_else(|exit| exit)
}

fn checking(common: &Common, session: &Session, file: Option<&std::path::Path>) -> Result<Exit, Exit> {
    let Some(checked) = check(&session.workspace, file).map_err(failed)? else {
        out("There is no database yet");
        return Ok(Exit::Done);
    };
    if common.json {
        json(&checked);
    } else if checked.faults.is_empty() {
        let messages = counted(checked.messages as usize, "message", "messages");
        out(format!("All right: {messages} in {} bytes", checked.bytes));
    } else {
        checked.faults.iter().for_each(out);
    }
    if checked.faults.is_empty() {
        return Ok(Exit::Done);
    }
    fail(
        format!("{} found", counted(checked.faults.len(), "fault was", "faults were")),
        Some("keep the file, put a backup in its place and `dunlin adopt` it: docs/operating.md, \"Restoring a backup\""),
    );
    Ok(Exit::Failed)
}

fn pruning(common: &Common, session: Session) -> Result<Exit, Exit> {
    let workspace = Arc::new(session.workspace);
    match done(&workspace, Act::Prune)? {
        Done::Prune(pruned) if common.json => json(&pruned),
        Done::Prune(pruned) => out(format!(
            "Archived: {}, {}, {}, {}",
            counted(pruned.decisions as usize, "decision", "decisions"),
            counted(pruned.firings as usize, "firing", "firings"),
            counted(pruned.runs as usize, "run without mails", "runs without mails"),
            counted(pruned.mails as usize, "mail's text", "mails' texts"),
        )),
        _ if common.json => json(&serde_json::json!({ "prune": "begun" })),
        _ => out("The daemon has begun; its log tells what it moved"),
    }
    Ok(Exit::Done)
}
