//! A plan as people and programs see it: the one shape behind `plan`, its `--json` and the demo's table.

use serde::Serialize;

use crate::domain::date::Date;
use crate::domain::ledger::{DocumentIndex, Ledger};
use crate::domain::mailbox::RecipientRole;
use crate::domain::money::plain;
use crate::plan::reason::BlockReason;
use crate::plan::{Decision, Plan, PlannedMessage, Verdict};
use crate::rule::{RuleKind, RuleSet};

/// Returns the reason of a message of a rule of this kind that is due.
pub fn due_reason(kind: &RuleKind) -> &'static str {
    match kind {
        RuleKind::Reminder(_) => "level_due",
        RuleKind::Statement(_) => "period_due",
        RuleKind::Notice(_) => "event_new",
    }
}

/// A message of the plan.
#[derive(Clone, Debug, Serialize)]
pub struct MessageLine {
    /// The rule's id.
    pub rule: String,
    /// The customer's id.
    pub customer: String,
    /// The customer's name.
    pub customer_name: String,
    /// `reminder`, `statement` or `notice`.
    pub kind: &'static str,
    /// The id of the level that leads, of a reminder.
    pub level: Option<String>,
    /// The period or event it is about, unless it is a reminder.
    pub occasion: Option<String>,
    /// Which repeat of it, 0 for the first mail.
    pub repeat: u16,
    /// The numbers of its documents.
    pub items: Vec<String>,
    /// Each document of a reminder with the level it is due for.
    pub item_levels: Vec<ItemLevel>,
    /// The currency.
    pub currency: String,
    /// What a reminder's items leave open together, a statement's balance, a notice's amount; exact.
    pub total: String,
    /// The addresses in `To`.
    pub to: Vec<String>,
    /// The addresses in `Cc` and `Bcc`.
    pub copies: Vec<String>,
    /// `due` or `blocked`.
    pub state: &'static str,
    /// Why.
    pub reason: &'static str,
    /// The fault's own words, where a fault blocks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl MessageLine {
    /// Notes that composing it failed.
    pub fn block(&mut self, reason: BlockReason, detail: String) {
        self.state = "blocked";
        self.reason = reason.as_str();
        self.detail = (!detail.is_empty()).then_some(detail);
    }
}

/// An invoice with the level it is due for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemLevel {
    /// The invoice's number.
    pub item: String,
    /// The level's id.
    pub level: String,
}

/// A subject that gets no mail.
#[derive(Clone, Debug, Serialize)]
pub struct DeclinedLine {
    /// The rule's id.
    pub rule: String,
    /// The customer's id.
    pub customer: String,
    /// The customer's name.
    pub customer_name: String,
    /// The currency, where anything is open.
    pub currency: Option<String>,
    /// The numbers of its open documents.
    pub items: Vec<String>,
    /// Why, the nearest to a mail among its items.
    pub reason: &'static str,
    /// The rule whose mail is in its way, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yields_to: Option<String>,
    /// Each open document's own reason.
    pub item_reasons: Vec<ItemReason>,
}

/// An open document with its own reason.
#[derive(Clone, Debug, Serialize)]
pub struct ItemReason {
    /// The document's number.
    pub item: String,
    /// Why it is in no mail.
    pub reason: &'static str,
}

/// A whole plan.
#[derive(Clone, Debug, Serialize)]
pub struct PlanView {
    /// The day.
    pub as_of: Date,
    /// What is due, or would be if nothing blocked it.
    pub messages: Vec<MessageLine>,
    /// Everything else.
    pub declined: Vec<DeclinedLine>,
}

impl PlanView {
    /// Returns the plan spelled out.
    pub fn of(plan: &Plan, rules: &RuleSet, ledger: &Ledger) -> Self {
        let messages = plan.messages.iter().map(|message| message_line(plan, rules, ledger, message)).collect();
        let mut declined = Vec::new();
        for (place, rule_plan) in plan.rules.iter().enumerate() {
            for (number, decision) in rule_plan.decisions.iter().enumerate() {
                let yields_to = plan.yields_to(place, number).map(ToString::to_string);
                let line = declined_line(plan, rules, ledger, place, decision);
                declined.extend(line.map(|line| DeclinedLine { yields_to, ..line }));
            }
        }
        Self { as_of: plan.as_of, messages, declined }
    }
}

fn message_line(plan: &Plan, rules: &RuleSet, ledger: &Ledger, message: &PlannedMessage) -> MessageLine {
    let recipients = message.recipients(rules, ledger);
    let is_sent = |recipient: &crate::domain::mailbox::Recipient| !plan.suppressions.has(&recipient.address);
    let (to, copies): (Vec<_>, Vec<_>) =
        recipients.into_iter().filter(is_sent).partition(|recipient| recipient.role == RecipientRole::To);
    let addresses = |recipients: Vec<crate::domain::mailbox::Recipient>| {
        recipients.into_iter().map(|recipient| recipient.address.to_string()).collect()
    };
    let customer = ledger.customer(message.customer);
    MessageLine {
        rule: rules.rules[usize::from(message.rule)].id.to_string(),
        customer: customer.id.to_string(),
        customer_name: customer.name.to_string(),
        kind: message.rule(rules).kind.as_str(),
        level: message.level(rules).map(|level| level.id.to_string()),
        occasion: Some(message.occasion().into_string()).filter(|occasion| !occasion.is_empty()),
        repeat: message.lead().repeat,
        items: plan.items(message).iter().map(|item| number(ledger, item.document)).collect(),
        item_levels: plan
            .items(message)
            .iter()
            .filter(|_| message.level(rules).is_some())
            .map(|item| ItemLevel { item: number(ledger, item.document), level: message.item_level(rules, item).to_string() })
            .collect(),
        currency: message.currency.to_string(),
        total: plain(message.total, message.currency),
        to: addresses(to),
        copies: addresses(copies),
        state: if message.blocked.is_some() { "blocked" } else { "due" },
        reason: message.blocked.map_or_else(|| due_reason(&message.rule(rules).kind), BlockReason::as_str),
        detail: None,
    }
}

fn declined_line(plan: &Plan, rules: &RuleSet, ledger: &Ledger, place: usize, decision: &Decision) -> Option<DeclinedLine> {
    let Verdict::Declined(reason) = decision.verdict else { return None };
    let customer = ledger.customer(decision.customer);
    let documents = plan.subject_documents(decision, ledger);
    let has_item_reasons = rules.rules[place].reminder().is_some();
    let item_reason = |document: &DocumentIndex| ItemReason {
        item: number(ledger, *document),
        reason: if has_item_reasons { plan.item_reason(place, *document) } else { reason }.as_str(),
    };
    Some(DeclinedLine {
        rule: rules.rules[place].id.to_string(),
        customer: customer.id.to_string(),
        customer_name: customer.name.to_string(),
        currency: decision.currency.map(|currency| currency.to_string()),
        items: documents.iter().map(|document| number(ledger, *document)).collect(),
        reason: reason.as_str(),
        yields_to: None,
        item_reasons: documents.iter().map(item_reason).collect(),
    })
}

fn number(ledger: &Ledger, document: DocumentIndex) -> String {
    ledger.document(document).number.to_string()
}
