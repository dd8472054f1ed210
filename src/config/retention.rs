//! What stands under `retention:`: how long what is over stays in the database, and where it goes then.

use crate::config::read::file_path;
use crate::domain::date::Days;
use crate::yaml::{Fields, Node, Problems, text};

/// The least that is kept, in days: what a rate, a look back over a month or a person's question needs.
const RETENTION_DAYS_MIN: i32 = 31;

/// How long what is over is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The folder that what is removed is written to first, relative to the workspace unless absolute.
    pub archive: String,
    /// How long runs without mails, their decisions and their firings; `None`: for ever.
    pub decisions: Option<Days>,
    /// How long the texts of mails that are done with, and the attempts to send them; `None`: for ever.
    pub mails: Option<Days>,
}

/// Reads what stands under `retention:`.
pub(crate) fn retention(node: &Node, problems: &mut Problems<'_>) -> Option<Retention> {
    let mut fields = Fields::open(node, "a set of times to keep things", problems)?;
    let decisions = fields.optional("decisions", problems, kept);
    let mails = fields.optional("mails", problems, kept);
    let archive = fields.required("archive", problems, file_path);
    fields.close(problems);
    Some(Retention { archive: archive?, decisions, mails })
}

fn kept(node: &Node, problems: &mut Problems<'_>) -> Option<Days> {
    let written = text(node, problems)?;
    let Some(found) = Days::parse(&written) else {
        problems.error_hint(node.span, format!("`{written}` is not a number of days"), "write `400 days`");
        return None;
    };
    if found.count() < RETENTION_DAYS_MIN {
        let message = format!("{} days are too few: what is needed to go on may be younger", found.count());
        problems.error_hint(node.span, message, format!("write `{RETENTION_DAYS_MIN} days` or more"));
        return None;
    }
    Some(found)
}
