//! `dunlin outbox renew`, `cancel`, `accept` and `resend`: what a person decides about mails, for all that are named or
//! for none.

use std::sync::Arc;

use clap::{ArgGroup, Args};

use crate::cli::hand::{ask_yes, done, is_asked};
use crate::cli::outbox::{FilterArgs, failed};
use crate::cli::plan::customer;
use crate::cli::print::{counted, few, json, out, say};
use crate::cli::session::Session;
use crate::cli::{Common, Exit};
use crate::engine::act::{Act, Done};
use crate::engine::outbox::{Meant, MessageFilter, Outbox};
use crate::engine::workspace::Workspace;
use crate::outbox::intervention::Intervention;
use crate::outbox::state::State;

/// Which mails: some ids, or a state with a further filter, so that nobody takes all of them by accident.
#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("narrow").args(["customer", "rule", "run", "from", "until", "text"]).multiple(true).requires("state"),
    group = ArgGroup::new("wide").arg("state").requires("narrow"),
    after_help = "Name ids, or --state with at least one of --customer, --rule, --run, --from, --until and --text. Either all \
        of these mails are changed or none is. On a terminal, more than one is asked about first."
)]
pub(crate) struct ChosenArgs {
    /// The mails' ids, as the list shows them
    #[arg(
        value_name = "ID",
        required_unless_present = "state",
        conflicts_with_all = ["customer", "rule", "state", "run", "from", "until", "text"]
    )]
    ids: Vec<i64>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Do not ask first
    #[arg(long)]
    yes: bool,
}

/// How many ids a sentence names before it only counts them.
const NAMED_MAX: usize = 10;

/// Does with the chosen mails what a person decided.
pub(crate) fn intervene(common: &Common, session: Session, intervention: Intervention, args: &ChosenArgs) -> Result<Exit, Exit> {
    let workspace = Arc::new(session.workspace);
    let mut chosen = if args.ids.is_empty() {
        args.filter.chosen()
    } else {
        MessageFilter { ids: args.ids.clone(), ..MessageFilter::default() }
    };
    if !args.yes && is_asked() {
        let ids = listed(&workspace, &chosen)?;
        let question = format!("{} {}?", intervention.as_str(), counted(ids.len(), "mail", "mails"));
        if ids.len() > 1 && !ask_yes(&question) {
            say("Nothing was changed");
            return Err(Exit::Failed);
        }
        if !ids.is_empty() {
            // What was shown, and nothing that has come to match since.
            chosen = MessageFilter { ids, ..MessageFilter::default() };
        }
    }
    if let Done::Intervene { mails, .. } = done(&workspace, Act::Intervene { intervention, chosen })? {
        tell(common, intervention, &mails);
    }
    Ok(Exit::Done)
}

/// Lists the chosen mails where there are several, and returns their ids.
fn listed(workspace: &Workspace, chosen: &MessageFilter) -> Result<Vec<i64>, Exit> {
    let Some(outbox) = Outbox::open(workspace).map_err(failed)? else { return Ok(Vec::new()) };
    let (mut ids, mut lines) = (Vec::new(), Vec::new());
    if chosen.ids.is_empty() {
        outbox
            .list(chosen, None, |mail| {
                if lines.len() < NAMED_MAX {
                    let subject = mail.subject.as_deref().unwrap_or("no subject");
                    lines.push(format!("  {} {}: {subject}", mail.id, customer(&mail.customer, &mail.customer_name)));
                }
                ids.push(mail.id);
            })
            .map_err(failed)?;
    } else {
        ids.clone_from(&chosen.ids);
    }
    lines.iter().for_each(say);
    if !lines.is_empty() && ids.len() > lines.len() {
        say(format!("  and {} more", ids.len() - lines.len()));
    }
    Ok(ids)
}

fn tell(common: &Common, intervention: Intervention, mails: &[Meant]) {
    if common.json {
        let ids: Vec<i64> = mails.iter().map(|mail| mail.id).collect();
        json(&serde_json::json!({ "verb": intervention.as_str(), "ids": ids }));
        return;
    }
    let count = counted(mails.len(), "mail", "mails");
    match intervention {
        Intervention::Renew => {
            out(format!("{count} renewed; the next run decides anew, with the figures and addresses of its day"))
        }
        Intervention::Cancel => out(format!("{count} cancelled; the invoices go on to the next level when its day comes")),
        Intervention::Accept => out(format!("{count} accepted on your word; the level counts as reached")),
        Intervention::Resend => out(format!("{count} queued once more as it was sent; the daemon or the next run sends it")),
    }
    let unknown: Vec<String> =
        mails.iter().filter(|mail| mail.state == Some(State::Unknown)).map(|mail| mail.id.to_string()).collect();
    if intervention == Intervention::Renew && !unknown.is_empty() {
        let unsure = counted(unknown.len(), "mail", "mails");
        say(format!(
            "note: of {unsure} nobody knew ({}); on your word nothing arrived, and the next run may send again",
            few(&unknown, NAMED_MAX)
        ));
    }
}
