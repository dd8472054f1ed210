//! `dunlin adopt`: a person says that the database is where it belongs from now on.

use std::sync::Arc;

use clap::Args;

use crate::cli::hand::{ask_yes, done, is_asked};
use crate::cli::print::{counted, fail, json, out, say};
use crate::cli::session::Session;
use crate::cli::{Common, Exit};
use crate::engine::act::{Act, Done};
use crate::engine::home::{Difference, Since};

#[derive(Args, Debug)]
#[command(after_help = "Without --moved, mails may have gone that this database knows nothing of: what was queued or waited \
    becomes `unknown`, and what had come due by today waits for a person when a run finds it, once. Hold both against the mail \
    server's log by the key in each mail's head (X-Dunlin-Key): what went is accepted or cancelled, the rest renewed or started. \
    Stop whatever else sends from the same database first. See docs/operating.md, \"Restoring a backup\".")]
pub(crate) struct AdoptArgs {
    /// Nothing was sent since this state was copied: the old daemon was stopped before, for good
    #[arg(long)]
    moved: bool,
    /// Do not ask first
    #[arg(long)]
    yes: bool,
}

pub(crate) fn adopt(common: &Common, args: &AdoptArgs) -> Exit {
    adopting(common, args).unwrap_or_else(|exit| exit)
}

fn adopting(common: &Common, args: &AdoptArgs) -> Result<Exit, Exit> {
    let session = Session::quiet(common)?;
    let workspace = Arc::new(session.workspace);
    let since = if args.moved { Since::Nothing } else { Since::Unknown };
    if let Some(away) = &workspace.away {
        let question = match since {
            Since::Nothing => "Is this the one database that sends from now on, and was nothing sent since it was copied?",
            Since::Unknown => "Is this the one database that sends from now on? What may have gone already will wait for you",
        };
        if !args.yes {
            away.differences.iter().map(ToString::to_string).for_each(say);
            // A script that adopts whatever it finds would undo the lock: it has to say so.
            if !is_asked() {
                fail("Nobody is here to be asked whether the database belongs here", Some("say so with `--yes`"));
                return Err(Exit::Failed);
            }
            if !ask_yes(question) {
                say("Nothing was changed");
                return Err(Exit::Failed);
            }
        }
    }
    if let Done::Adopt { differences, unknown } = done(&workspace, Act::Adopt { since })? {
        tell(common, since, &differences, unknown);
    }
    Ok(Exit::Done)
}

fn tell(common: &Common, since: Since, differences: &[Difference], unknown: usize) {
    if common.json {
        json(&serde_json::json!({ "since": since, "differences": differences, "unknown": unknown }));
        return;
    }
    out("The database is at home here from now on");
    if since == Since::Nothing {
        return;
    }
    if unknown > 0 {
        let mails = counted(unknown, "mail that was to go is", "mails that were to go are");
        out(format!("{mails} `unknown` now: `dunlin outbox --state unknown` lists them"));
        say("hint: of each, find out whether it went; then `dunlin outbox accept` or `dunlin outbox renew`");
    }
    say(
        "hint: what had come due by today waits when a run finds it (`restored`): `dunlin runs start`, or `outbox cancel` for what went",
    );
    say(
        "hint: holds and suppressions that were entered or ended since this state are not in it: `dunlin hold list`, `dunlin suppress list`",
    );
}
