//! A case as text: what `dunlin test --record` writes.

use std::fmt::Write;

use rust_decimal::Decimal;

use crate::domain::customer::Customer;
use crate::domain::date::{Date, ISO};
use crate::domain::id::{CustomerId, RuleId};
use crate::domain::money::{Currency, plain};
use crate::domain::variable::Variable;
use crate::ruletest::compare::{Came, CameMail};
use crate::ruletest::ledger::{DocumentRow, PaymentRow, RowAttributes, Rows};
use crate::ruletest::read::STANDINGS;
use crate::ruletest::{Hold, HoldOn, Past, Played, SentMail, SentMatter};
use crate::yaml;

/// A case to write.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it is called.
    pub name: String,
    /// The currency that need not be said.
    pub currency: Currency,
    /// The rule it is a test of.
    pub rule: RuleId,
    /// The receivables.
    pub rows: Rows,
    /// What was sent before.
    pub history: Past,
    /// What people have put on hold.
    pub holds: Vec<Hold>,
    /// Addresses that nothing is sent to.
    pub suppressed: Vec<String>,
    /// Its one stretch.
    pub span: Played,
}

impl Draft {
    /// Returns the case as a member of `cases`, with what came as what has to come.
    pub fn text(&self, came: &Came) -> String {
        let mut text = format!("  - name: {}\n    ledger:\n", scalar(&self.name));
        let parent = |branch: &Customer| self.rows.parents.iter().find(|(own, _)| *own == branch.id).map(|(_, parent)| parent);
        let customers =
            self.rows.customers.iter().map(|(customer, attributes)| customer_text(customer, parent(customer), attributes));
        list(&mut text, "customers", customers);
        list(&mut text, "invoices", self.rows.invoices.iter().map(|row| self.document(row, true)));
        list(&mut text, "credit_notes", self.rows.credit_notes.iter().map(|row| self.document(row, false)));
        list(&mut text, "payments", self.rows.payments.iter().map(|row| self.payment(row)));
        self.past(&mut text);
        if !self.holds.is_empty() {
            push(&mut text, "    holds:");
            for hold in &self.holds {
                let (key, on) = match &hold.on {
                    HoldOn::Customer(id) => ("customer", id.as_str()),
                    HoldOn::Invoice(number) => ("invoice", number.as_str()),
                };
                let (kind, until) = (hold.term.kind.as_str(), hold.term.until.strftime(ISO));
                push(&mut text, &format!("      - {{ {key}: {}, kind: {kind}, until: {until} }}", scalar(on)));
            }
        }
        if !self.suppressed.is_empty() {
            push(&mut text, &format!("    suppressed: {}", words(&self.suppressed)));
        }
        let expected = self.expected(came);
        match self.span {
            Played::Day(day) => push(&mut text, &format!("    on: {}", day.strftime(ISO))),
            Played::Through(from, through) => {
                push(&mut text, "    days:");
                push(&mut text, &format!("      - from: {}", from.strftime(ISO)));
                push(&mut text, &format!("        through: {}", through.strftime(ISO)));
            }
        }
        let indent = if matches!(self.span, Played::Day(_)) { "    " } else { "        " };
        if expected.is_empty() {
            push(&mut text, &format!("{indent}expect: nothing"));
        } else {
            push(&mut text, &format!("{indent}expect:"));
            expected.iter().for_each(|one| push(&mut text, &format!("{indent}  - {{ {one} }}")));
        }
        text
    }

    fn past(&self, text: &mut String) {
        let Past { started_on, mails, baseline } = &self.history;
        if started_on.is_none() && mails.is_empty() && baseline.is_empty() {
            return;
        }
        push(text, "    history:");
        if let Some(started_on) = started_on {
            push(text, &format!("      started_on: {}", started_on.strftime(ISO)));
        }
        if !mails.is_empty() {
            push(text, "      mails:");
            mails.iter().for_each(|mail| push(text, &format!("        - {{ {} }}", self.sent(mail))));
        }
        if !baseline.is_empty() {
            push(text, &format!("      baseline: {}", words(baseline)));
        }
    }

    fn sent(&self, mail: &SentMail) -> String {
        let mut keys = Vec::new();
        match &mail.matter {
            SentMatter::Reminder { level, repeat, items } => {
                keys.push(format!("mail: {}", scalar(level.as_str())));
                if *repeat > 0 {
                    keys.push(format!("repeat: {repeat}"));
                }
                let numbers: Vec<String> = items.iter().map(ToString::to_string).collect();
                keys.push(format!("items: {}", words(&numbers)));
            }
            SentMatter::Occasion(name) => {
                keys.push(format!("mail: {}", if name.contains('/') { "statement" } else { "notice" }));
                keys.push(format!("about: {}", scalar(name)));
                keys.push(format!("currency: {}", mail.currency));
            }
        }
        keys.push(format!("on: {}", mail.on.strftime(ISO)));
        if mail.rule != self.rule {
            keys.push(format!("rule: {}", scalar(mail.rule.as_str())));
        }
        let standing = STANDINGS.iter().find(|(_, standing)| *standing == mail.standing).map_or("accepted", |(word, _)| word);
        if standing != "accepted" {
            keys.push(format!("standing: {standing}"));
        }
        keys.join(", ")
    }

    fn document(&self, row: &DocumentRow, is_invoice: bool) -> String {
        let own = &row.document;
        let amount = |amount: Decimal| plain(if is_invoice { amount } else { amount.abs() }, own.currency);
        let mut keys = vec![format!("number: {}", scalar(own.number.as_str())), format!("total: {}", amount(own.total))];
        let mut day = |key: &str, day: Option<Date>| keys.extend(day.map(|day| format!("{key}: {}", day.strftime(ISO))));
        day("issued_on", Some(own.issued_on));
        if is_invoice {
            day("due_on", own.due_on);
            day("hold_until", own.hold_until);
            day("promised_on", own.promised_on);
        }
        day("settled_on", own.settled_on);
        keys.extend(own.open.map(|open| format!("open: {}", amount(open))));
        if is_invoice && own.disputed {
            keys.push("disputed: true".to_owned());
        }
        if is_invoice && !own.approved {
            keys.push("approved: false".to_owned());
        }
        keys.extend(row.applies_to.as_ref().map(|number| format!("invoice: {}", scalar(number.as_str()))));
        if own.currency != self.currency {
            keys.push(format!("currency: {}", own.currency));
        }
        keys.extend(attributes_text(&row.attributes));
        keys.join(", ")
    }

    fn payment(&self, row: &PaymentRow) -> String {
        let mut keys: Vec<String> = row.invoice.iter().map(|number| format!("invoice: {}", scalar(number.as_str()))).collect();
        keys.push(format!("amount: {}", plain(row.amount, row.currency)));
        keys.push(format!("received_on: {}", row.received_on.strftime(ISO)));
        if row.currency != self.currency {
            keys.push(format!("currency: {}", row.currency));
        }
        if !row.reference.is_empty() {
            keys.push(format!("reference: {}", scalar(&row.reference)));
        }
        if !row.method.is_empty() {
            keys.push(format!("method: {}", scalar(&row.method)));
        }
        keys.join(", ")
    }

    /// Returns what came as what has to come: all mails, and on a single day the reasons for nothing.
    fn expected(&self, came: &Came) -> Vec<String> {
        let is_stretch = matches!(self.span, Played::Through(..));
        let mut all: Vec<String> = came.mails.iter().map(|mail| self.mail(mail, is_stretch)).collect();
        if !is_stretch {
            for decision in &came.decisions {
                let nothing = decision.reason.map(|reason| format!("nothing: {}", reason.as_str()));
                all.extend(nothing.filter(|nothing| !all.contains(nothing)));
                if decision.reason.is_none() {
                    let item = |(number, reason): &(String, crate::plan::reason::DeclineReason)| {
                        format!("nothing: {}, invoice: {}", reason.as_str(), scalar(number))
                    };
                    all.extend(decision.items.iter().map(item));
                }
            }
        }
        all
    }

    fn mail(&self, mail: &CameMail, is_stretch: bool) -> String {
        let mut keys = vec![format!("mail: {}", scalar(&mail.level))];
        if is_stretch {
            keys.push(format!("on: {}", mail.on.strftime(ISO)));
        }
        if mail.repeat > 0 {
            keys.push(format!("repeat: {}", mail.repeat));
        }
        let is_of_levels = mail.items.iter().any(|(_, level)| *level != mail.level);
        let items: Vec<String> = match is_of_levels {
            true => mail.items.iter().map(|(number, level)| format!("{}: {}", scalar(number), scalar(level))).collect(),
            false => mail.items.iter().map(|(number, _)| scalar(number)).collect(),
        };
        let (open, close) = if is_of_levels { ("{ ", " }") } else { ("[", "]") };
        keys.push(format!("items: {open}{}{close}", items.join(", ")));
        keys.push(format!("total: {}", plain(mail.total, mail.currency)));
        if mail.currency != self.currency && mail.currency != Currency::NONE {
            keys.push(format!("currency: {}", mail.currency));
        }
        keys.push(format!("from: {}", scalar(&mail.from)));
        keys.push(format!("to: {}", words(&mail.to)));
        for (key, addresses) in [("cc", &mail.cc), ("bcc", &mail.bcc)] {
            if !addresses.is_empty() {
                keys.push(format!("{key}: {}", words(addresses)));
            }
        }
        let single = |value: &Variable| !matches!(value, Variable::List(_) | Variable::Map(_) | Variable::Nothing);
        let variables: Vec<String> = mail
            .variables
            .iter()
            .filter(|(_, value)| single(value))
            .map(|(name, value)| format!("{}: {}", scalar(name), variable(value)))
            .collect();
        if !variables.is_empty() {
            keys.push(format!("variables: {{ {} }}", variables.join(", ")));
        }
        keys.extend(mail.blocked.as_ref().map(|(reason, _)| format!("blocked: {}", reason.as_str())));
        keys.join(", ")
    }
}

fn customer_text(customer: &Customer, parent: Option<&CustomerId>, attributes: &RowAttributes) -> String {
    let mut keys = vec![format!("id: {}", scalar(customer.id.as_str())), format!("name: {}", scalar(&customer.name))];
    keys.extend(customer.language.as_ref().map(|language| format!("language: {}", scalar(language.as_str()))));
    if !customer.tags.is_empty() {
        let tags: Vec<String> = customer.tags.iter().map(ToString::to_string).collect();
        keys.push(format!("tags: {}", words(&tags)));
    }
    keys.extend(parent.map(|parent| format!("parent: {}", scalar(parent.as_str()))));
    keys.extend(customer.hold_until.map(|until| format!("hold_until: {}", until.strftime(ISO))));
    let contacts = customer.contacts.iter().map(|(key, addresses)| {
        let addresses: Vec<String> = addresses.map(str::to_owned).collect();
        format!("{}: {}", scalar(key), words(&addresses))
    });
    let contacts: Vec<String> = contacts.collect();
    keys.push(if contacts.is_empty() { "contacts: {}".to_owned() } else { format!("contacts: {{ {} }}", contacts.join(", ")) });
    keys.extend(attributes_text(attributes));
    keys.join(", ")
}

fn attributes_text(attributes: &RowAttributes) -> Option<String> {
    let all: Vec<String> = attributes.iter().map(|(name, value)| format!("{}: {}", scalar(name), scalar(value))).collect();
    (!all.is_empty()).then(|| format!("attributes: {{ {} }}", all.join(", ")))
}

fn list(text: &mut String, key: &str, members: impl Iterator<Item = String>) {
    let mut members = members.peekable();
    if members.peek().is_some() {
        push(text, &format!("      {key}:"));
        members.for_each(|member| push(text, &format!("        - {{ {member} }}")));
    }
}

fn push(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

/// Returns one word as it is, and several as a list.
fn words(all: &[String]) -> String {
    match all {
        [only] => scalar(only),
        _ => format!("[{}]", all.iter().map(|one| scalar(one)).collect::<Vec<_>>().join(", ")),
    }
}

fn variable(value: &Variable) -> String {
    match value {
        Variable::Text(text) => scalar(text),
        other => yaml::words(other),
    }
}

/// Returns a text as a scalar: bare where that says the same, else in double quotes.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !text.ends_with(' ')
        && text.chars().all(|letter| letter.is_alphanumeric() || " @._/+-".contains(letter))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stands_bare_only_where_that_says_the_same() {
        for (text, expected) in [
            ("INV-1", "INV-1"),
            ("billing@customer-1.example", "billing@customer-1.example"),
            ("Customer One", "Customer One"),
            ("invoice:INV-1", "\"invoice:INV-1\""),
            ("true", "\"true\""),
            ("", "\"\""),
            ("- a", "\"- a\""),
            ("a \"b\"\n", "\"a \\\"b\\\"\\n\""),
            ("é, ü", "\"é, ü\""),
        ] {
            assert_eq!(scalar(text), expected);
            let read = yaml::parse("a.yaml", &format!("[{expected}]")).unwrap();
            let yaml::Value::List(members) = read.value else { panic!("{text}") };
            assert_eq!(members[0].scalar().unwrap().text, text);
        }
    }
}
