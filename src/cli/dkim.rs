//! `dunlin dkim`: the DNS records of the keys that mails are signed with. It looks nothing up.

use clap::Args;

use crate::cli::print::{fail, json, out, say};
use crate::cli::session::{Session, tell};
use crate::cli::{Common, Exit};
use crate::domain::problem::{Severity, nearest};
use crate::engine::signing::{KeyRecord, key_records};

#[derive(Args, Debug)]
pub(crate) struct DkimArgs {
    /// Only the keys of this sender
    #[arg(value_name = "SENDER")]
    sender: Option<String>,
}

pub(crate) fn dkim(common: &Common, args: &DkimArgs) -> Exit {
    records_shown(common, args).unwrap_or_else(|exit| exit)
}

fn records_shown(common: &Common, args: &DkimArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    let config = &session.workspace.config;
    if let Some(asked) = &args.sender {
        let senders: Vec<&str> = config.senders.iter().map(|sender| sender.id.as_str()).collect();
        if !senders.contains(&asked.as_str()) {
            let hint = match nearest(asked, senders.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the senders are: {}", senders.join(", ")),
            };
            fail(format!("There is no sender `{asked}`"), Some(&hint));
            return Err(Exit::Failed);
        }
    }
    let (mut records, problems) = key_records(config);
    tell(&problems, Severity::Error);
    records.retain(|record| args.sender.as_ref().is_none_or(|asked| *asked == record.sender));
    if common.json {
        json(&records);
    } else {
        show(&records);
    }
    match problems.as_slice() {
        [] if records.is_empty() => {
            let hint =
                "write `dkim: { domain: example.com, selector: dunlin, key: \"${file:/path}\" }` at a sender in config.yaml";
            say(format!("note: no mail is signed here; if your mail server does it, all is well\nhint: otherwise {hint}"));
            Ok(Exit::Done)
        }
        [] => Ok(Exit::Done),
        _ => Ok(Exit::Problems),
    }
}

/// Prints the records as lines of a zone file, each below a remark on whose it is.
fn show(records: &[KeyRecord]) {
    for record in records {
        out(format!("; {}, {}", record.sender, record.algorithm));
        out(record.zone_line());
    }
    if !records.is_empty() {
        say("\nhint: a form for DNS records takes the name without its last dot, and the text whole: see --json");
    }
}
