//! The trial: every level's mail composed once from the real ledger, so that a template that cannot be filled is found
//! by `check` and not in the night.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::domain::date::{Date, Timestamp};
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::problem::{Place, Problem};
use crate::engine::attach::{Attachments, PASSWORD_CHARACTERS_MIN, Reach, fetch_blocking, password};
use crate::engine::compose::{Blocked, Composer};
use crate::engine::workspace::{Workspace, table_ended};
use crate::payment::Reference;
use crate::plan::reason::BlockReason;
use crate::plan::{PlannedMessage, forced};

/// How many customers each level is tried on: enough to meet more than one language.
const CUSTOMERS_MAX: usize = 20;

/// How many customers without a password are named.
const NAMED_MAX: usize = 5;

/// Returns an error for every level whose mail cannot be composed for one of the first customers with an open invoice,
/// each fault once.
pub fn trial_problems(workspace: &Workspace, ledger: &Ledger, as_of: Date, now: Timestamp) -> Vec<Problem> {
    let owing = || {
        let all = ledger.customer_indexes().map(|customer| (customer, open(ledger, customer, as_of)));
        all.filter(|(_, open)| !open.is_empty())
    };
    let (mut problems, mut said) = (Vec::new(), BTreeSet::new());
    for rule in &workspace.rules.rules {
        problems.extend(rule.password_columns().filter_map(|column| {
            without_password(ledger, owing().map(|(customer, _)| customer), column)
                .map(|problem| problem.at(Place::file(rule.file.clone())))
        }));
    }
    problems.extend(reference_problems(workspace, ledger, &owing().flat_map(|(_, open)| open).collect::<Vec<_>>()));
    let owing: Vec<(CustomerIndex, Vec<DocumentIndex>)> = owing().take(CUSTOMERS_MAX).collect();
    for rule in &workspace.rules.rules {
        let rules = workspace.rules.of(vec![rule.clone()]);
        for level in rule.level_words() {
            for (place, (customer, documents)) in owing.iter().enumerate() {
                let plan = forced(&rules, ledger, level, *customer, documents, as_of);
                let bare = Attachments::left_out();
                let composer = Composer { workspace, rules: &rules, ledger, plan: &plan, now, attachments: &bare };
                // A program is tried once a level: it may be slow, and does the same for everybody.
                let attachments =
                    if place == 0 { fetch_blocking(&composer, Reach::Plugins, None) } else { Attachments::made_alone() };
                let composer = Composer { attachments: &attachments, ..composer };
                // What is wrong in a template's own files was told.
                let is_whole = |message: &&PlannedMessage| workspace.templates.is_whole(message.template(&rules));
                let faults = plan.messages.iter().filter(is_whole).filter_map(|message| composer.compose(message, &[]).err());
                let is_of_the_rule = |blocked: &Blocked| match blocked.reason {
                    BlockReason::TemplateError | BlockReason::ScriptError => true,
                    BlockReason::DocumentMissing => !blocked.detail.is_empty(),
                    _ => false,
                };
                for blocked in faults.filter(is_of_the_rule) {
                    // One line of the table mends the mails of everybody.
                    if let Some(table) = workspace.plugins.ended_table(&blocked.detail) {
                        if said.insert(table.ended_words()) {
                            problems.push(table_ended(table, Problem::error));
                        }
                        continue;
                    }
                    if said.insert(blocked.detail.clone()) {
                        let who = &ledger.customer(*customer).id;
                        let message = format!("The mail of level `{level}` fails, tried for customer {who}: {}", blocked.detail);
                        problems.push(Problem::error(message).at(Place::file(rule.file.clone())));
                    }
                }
            }
        }
    }
    problems
}

/// Returns a warning for each kind of payment reference that open invoices have with wrong check digits.
fn reference_problems(workspace: &Workspace, ledger: &Ledger, open: &[DocumentIndex]) -> Vec<Problem> {
    let Some(column) = workspace.config.company.as_ref().map(|company| &company.payment_reference) else { return Vec::new() };
    let mut wrong: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for document in open {
        let written = ledger.document_attribute(*document, column).unwrap_or_default();
        if let Some(kind) = Reference::mistaken_for(written) {
            wrong.entry(kind).or_default().push((written, ledger.document(*document).number.as_str()));
        }
    }
    let problem = |(kind, found): (&str, Vec<(&str, &str)>)| {
        let (written, number) = found.first()?;
        let more = if found.len() > 1 { format!(", and {} more have such", found.len() - 1) } else { String::new() };
        let message = format!("`{written}` in `{column}` of `{number}` is no {kind}: its check digits are wrong{more}");
        let hint = "payment codes carry it as plain text, by which banks find nothing: mend it in the books";
        Some(Problem::warning(message).at(Place::file(workspace.config.ledger.invoices.name.clone())).hint(hint))
    };
    wrong.into_iter().filter_map(problem).collect()
}

/// Returns a warning where customers who owe have no password for a rule's ZIP: their mails will be blocked. It is no fault of the
/// rule.
fn without_password(ledger: &Ledger, owing: impl Iterator<Item = CustomerIndex>, column: &str) -> Option<Problem> {
    let lacking: Vec<CustomerIndex> = owing.filter(|customer| password(ledger, *customer, column).is_err()).collect();
    let mut named: Vec<&str> = lacking.iter().take(NAMED_MAX).map(|customer| ledger.customer(*customer).id.as_str()).collect();
    let rest = lacking.len() - named.len();
    let more = format!("{rest} more");
    if rest > 0 {
        named.push(&more);
    }
    (!lacking.is_empty()).then(|| {
        let message = format!(
            "The ZIP cannot be encrypted for {}: `{column}` is empty or has less than {PASSWORD_CHARACTERS_MIN} characters",
            named.join(", ")
        );
        Problem::warning(message).hint("their mails are blocked until the customers' file has a password for each")
    })
}

/// Returns the customer's invoices with something open.
fn open(ledger: &Ledger, customer: CustomerIndex, as_of: Date) -> Vec<DocumentIndex> {
    let documents = ledger.documents_of(customer).map(|place| DocumentIndex(place as u32));
    documents.filter(|document| ledger.open_on(*document, as_of) > Decimal::ZERO).collect()
}
