//! What `run` says before it starts: what would go, and what stands in the way of the rest.

use crate::cli::plan::{block_sentence, customer};
use crate::cli::print::{counted, few, say};
use crate::engine::checks::Checks;

/// How many of a kind are named.
const NAMED_MAX: usize = 5;

/// Tells what was found, on standard error; nothing where there is nothing to tell.
pub(crate) fn tell(checks: &Checks) {
    for blocked in &checks.blocked {
        let who: Vec<String> = blocked.customers.iter().map(|(id, name)| customer(id, name)).collect();
        let mails = counted(blocked.customers.len(), "mail is", "mails are");
        say(format!("check: {mails} blocked, {}: {}", block_sentence(blocked.reason), few(&who, NAMED_MAX)));
    }
    if !checks.not_approved.is_empty() {
        let invoices = counted(checks.not_approved.len(), "invoice is", "invoices are");
        say(format!("check: {invoices} not approved, and not reminded: {}", few(&checks.not_approved, NAMED_MAX)));
    }
    for (count, words) in [
        (checks.already_sent, "had the mail of the present level in an earlier run"),
        (checks.under_way, "in a mail that an earlier run has queued, or that waits"),
        (checks.undecided, "in a mail that stands still until a person decides (`dunlin outbox`)"),
    ] {
        if count > 0 {
            say(format!("check: {} {words}", counted(count, "invoice", "invoices")));
        }
    }
    for declined in &checks.declined {
        let next = declined.next_on.map_or_else(String::new, |day| format!("; as things stand it is due on {day}"));
        say(format!("check: rule `{}` sends nothing: {}{next}", declined.rule, declined.sentence));
    }
}
