//! One mail for reading: the planned one, or a level's mail whether it is due or not.

use rust_decimal::Decimal;
use thiserror::Error;

use crate::domain::date::{Date, Timestamp};
use crate::domain::id::Language;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::engine::attach::{Attachments, Reach, fetch_blocking};
use crate::engine::compose::{Blocked, Composer};
use crate::engine::workspace::Workspace;
use crate::message::{Attachment, Composed};
use crate::plan::reason::BlockReason;
use crate::plan::{Plan, forced, plan};
use crate::rule::{Rule, RuleSet};
use crate::store::StoreError;

/// Which mail to show.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// A customer's id or an invoice's number; `None`: the plan's first mail.
    pub subject: Option<&'a str>,
    /// A level whose mail to show whether it is due or not.
    pub level: Option<&'a str>,
    /// The language to write in instead of the customer's.
    pub language: Option<&'a Language>,
}

/// A mail as it would go.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The rule's id.
    pub rule: String,
    /// The customer's id.
    pub customer: String,
    /// The level's id.
    pub level: String,
    /// The mail.
    pub composed: Composed,
    /// The files that go with it.
    pub files: Vec<Attachment>,
}

/// Why there is nothing to show.
#[derive(Debug, Error)]
pub enum PreviewFault {
    /// Neither a customer nor an invoice.
    #[error("There is no customer and no invoice `{subject}` in the ledger")]
    SubjectUnknown {
        /// What was asked for.
        subject: String,
    },
    /// No rule has that level.
    #[error("No rule has a level `{level}`; the levels are: {known}")]
    LevelUnknown {
        /// What was asked for.
        level: String,
        /// The levels there are.
        known: String,
    },
    /// Nobody, or not that one, gets a mail.
    #[error("No mail is due{about} on {as_of}{why}")]
    NothingDue {
        /// ` for C1`, or nothing.
        about: String,
        /// The day.
        as_of: Date,
        /// `: the next level's day has not come`, or nothing.
        why: String,
    },
    /// It is due but cannot be composed.
    #[error("The mail is blocked: {}: {detail}", reason.as_str())]
    Blocked {
        /// Why.
        reason: BlockReason,
        /// The fault's own words.
        detail: String,
    },
    /// What was sent before cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Composes the wanted mail and stores nothing.
///
/// # Errors
/// Why there is nothing to show.
pub fn preview(
    workspace: &Workspace,
    rules: &RuleSet,
    ledger: &Ledger,
    as_of: Date,
    now: Timestamp,
    wanted: &Wanted<'_>,
) -> Result<Preview, PreviewFault> {
    let subject = wanted.subject.map(|subject| find(ledger, subject)).transpose()?;
    let planned = match (wanted.level, subject) {
        (Some(level), Some((customer, document))) => {
            let known: Vec<&str> = rules.rules.iter().flat_map(Rule::level_words).collect();
            if !known.contains(&level) {
                return Err(PreviewFault::LevelUnknown { level: level.to_owned(), known: known.join(", ") });
            }
            let documents: Vec<DocumentIndex> = match document {
                Some(document) => vec![document],
                None => ledger.documents_of(customer).map(|place| DocumentIndex(place as u32)).collect(),
            };
            let is_open = |document: &DocumentIndex| ledger.open_on(*document, as_of) > Decimal::ZERO;
            forced(rules, ledger, level, customer, &documents.into_iter().filter(is_open).collect::<Vec<_>>(), as_of)
        }
        _ => plan(rules, ledger, &workspace.history()?, as_of),
    };
    let is_wanted = |plan: &Plan, message: &crate::plan::PlannedMessage| match subject {
        None => true,
        Some((customer, None)) => message.customer == customer,
        Some((_, Some(document))) => plan.items(message).iter().any(|item| item.document == document),
    };
    let Some(message) = planned.messages.iter().find(|message| is_wanted(&planned, message)) else {
        return Err(nothing_due(&planned, rules, wanted, subject, as_of));
    };
    // Only the one mail's documents are asked for.
    let single = planned.only(message);
    let bare = Attachments::left_out();
    let composer = Composer { workspace, rules, ledger, plan: &single, now, attachments: &bare };
    let attachments = fetch_blocking(&composer, Reach::All, wanted.language);
    let composer = Composer { attachments: &attachments, ..composer };
    let thread = workspace.thread(&composer.threaded(message))?;
    let composed = composer
        .compose_in(wanted.language, message, &thread)
        .map_err(|Blocked { reason, detail }| PreviewFault::Blocked { reason, detail })?;
    let files = composer
        .files_in(wanted.language, message)
        .map_err(|Blocked { reason, detail }| PreviewFault::Blocked { reason, detail })?;
    Ok(Preview {
        rule: rules.rules[usize::from(message.rule)].id.to_string(),
        customer: ledger.customer(message.customer).id.to_string(),
        level: message.level_facts(rules).id.into_string(),
        composed,
        files,
    })
}

/// A level's mail, or why there is none to show.
#[derive(Debug)]
pub struct LevelPreview {
    /// The rule's id.
    pub rule: String,
    /// The level's id; `statement` or `notice` of other rules.
    pub level: String,
    /// The mail.
    pub mail: Result<Preview, PreviewFault>,
}

/// Composes the mail of every level of every rule for one subject, whether they are due or not, and stores nothing.
pub fn preview_levels(
    workspace: &Workspace,
    rules: &RuleSet,
    ledger: &Ledger,
    as_of: Date,
    now: Timestamp,
    subject: &str,
    language: Option<&Language>,
) -> Vec<LevelPreview> {
    let mut all = Vec::new();
    for rule in &rules.rules {
        // Levels of two rules may have one name.
        let own = rules.of(vec![rule.clone()]);
        for level in rule.level_words() {
            let wanted = Wanted { subject: Some(subject), level: Some(level), language };
            let mail = preview(workspace, &own, ledger, as_of, now, &wanted);
            all.push(LevelPreview { rule: rule.id.to_string(), level: level.to_owned(), mail });
        }
    }
    all
}

fn find(ledger: &Ledger, subject: &str) -> Result<(CustomerIndex, Option<DocumentIndex>), PreviewFault> {
    if let Some(customer) = ledger.find_customer(subject) {
        return Ok((customer, None));
    }
    let document = ledger.find_document(subject);
    let document = document.ok_or_else(|| PreviewFault::SubjectUnknown { subject: subject.to_owned() })?;
    Ok((ledger.document(document).customer, Some(document)))
}

fn nothing_due(
    plan: &Plan,
    rules: &RuleSet,
    wanted: &Wanted<'_>,
    subject: Option<(CustomerIndex, Option<DocumentIndex>)>,
    as_of: Date,
) -> PreviewFault {
    let reasons: Vec<String> = rules
        .rules
        .iter()
        .enumerate()
        .filter_map(|(place, rule)| {
            let (customer, document) = subject?;
            let reason = match document {
                Some(document) => plan.item_reason(place, document),
                None => plan.rules[place].decisions.iter().find_map(|decision| match decision.verdict {
                    crate::plan::Verdict::Declined(reason) if decision.customer == customer => Some(reason),
                    _ => None,
                })?,
            };
            Some(format!("rule `{}`: {}", rule.id, reason.sentence()))
        })
        .collect();
    PreviewFault::NothingDue {
        about: wanted.subject.map_or_else(String::new, |subject| format!(" for {subject}")),
        as_of,
        why: if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) },
    }
}
