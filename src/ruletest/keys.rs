//! The one list of keys that a test of a rule may have: the reader is tested against it, the reference page and the schema are
//! made from it.

use serde_json::{Value, json};

use crate::schema::{Need, Row, file_schema};

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// At the top of the file.
    File,
    /// In a member of `cases`.
    Case,
    /// In `ledger` and `booked`.
    Ledger,
    /// In a member of `customers`.
    Customer,
    /// In a member of `invoices`.
    Invoice,
    /// In a member of `credit_notes`.
    CreditNote,
    /// In a member of `payments`.
    Payment,
    /// In `csv`.
    Csv,
    /// In `history`.
    History,
    /// In a member of the history's `mails`.
    Sent,
    /// In a member of `holds`.
    Hold,
    /// In a member of `days`.
    Stretch,
    /// In a mail that is expected.
    Mail,
    /// In a decision for nothing that is expected.
    Nothing,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) owner: Owner,
    pub(crate) name: &'static str,
    /// What is written there.
    pub(crate) value: &'static str,
    /// What holds without it.
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

const fn key(owner: Owner, name: &'static str, value: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { owner, name, value, default, meaning }
}

const REQUIRED: &str = "must be given";
const DAY: &str = "a day: `2026-03-09`, or `day 8`";
const TEXTS: &str = "a text, or a list";
const NUMBERS: &str = "a number, or a list";
const ADDRESSES: &str = "an address, or a list";
const CUSTOMER: &str = "a customer's id";
const INVOICE: &str = "an invoice's number";
const CURRENCY: &str = "three letters: `EUR`";
const BOOKS: &str = "`ledger.currency` of config.yaml";
const ATTRIBUTES: &str = "`{ Column: value }`";

/// Every key, in the order a case is best written.
pub(crate) const KEYS: &[Key] = &[
    key(Owner::File, "cases", "a list of cases", REQUIRED, "What the rule has to do."),
    key(Owner::Case, "name", "a text", REQUIRED, "What the case shows, as a sentence; no two of a file are the same."),
    key(Owner::Case, "cites", TEXTS, "none", "What it goes back to: a complaint, a contract, a law."),
    key(
        Owner::Case,
        "day_1",
        "a day",
        "2026-03-02, a Monday",
        "Which date `day 1` is. Every day of a case is a date, or counted from this one: `day 8` is a week later, `day 0` the day before.",
    ),
    key(
        Owner::Case,
        "with",
        "a rule, or a list",
        "the file's own rule alone",
        "Further rules that are planned on the same days, so that they are weighed against each other.",
    ),
    key(Owner::Case, "ledger", "keys, below", "`csv` instead", "The receivables on the first day."),
    key(Owner::Case, "csv", "keys, below", "`ledger` instead", "The receivables from files, read by the mapping of config.yaml."),
    key(Owner::Case, "history", "keys, below", "nothing was sent", "What was sent before."),
    key(Owner::Case, "holds", "a list of holds", "none", "What people have put on hold, as with `dunlin hold`."),
    key(Owner::Case, "suppressed", ADDRESSES, "none", "Addresses that nothing is sent to."),
    key(Owner::Case, "on", DAY, "`days` instead", "The day of a case of one day."),
    key(Owner::Case, "expect", "what has to come", "`days` instead", "What has to come on that day."),
    key(
        Owner::Case,
        "days",
        "a list of stretches",
        "`on` and `expect` instead",
        "What happens day after day; what one stretch sends is sent for the next.",
    ),
    key(Owner::Ledger, "customers", "a list of customers", "one, invented: `C-1`", "Who owes."),
    key(Owner::Ledger, "invoices", "a list of invoices", "none", "Claims."),
    key(Owner::Ledger, "credit_notes", "a list of credit notes", "none", "Claims of customers."),
    key(Owner::Ledger, "payments", "a list of payments", "none", "Money received, or paid back."),
    key(Owner::Customer, "id", "a text", REQUIRED, "The customer's number in the books."),
    key(Owner::Customer, "name", "a text", "made from the id", "The name to address."),
    key(Owner::Customer, "language", "a text", "none", "The language to write in: `de`."),
    key(Owner::Customer, "tags", TEXTS, "none", "Free labels."),
    key(Owner::Customer, "hold_until", DAY, "none", "No reminder goes out up to and including this day."),
    key(Owner::Customer, "parent", CUSTOMER, "none", "The customer that this one is a branch of."),
    key(
        Owner::Customer,
        "contacts",
        "addresses by recipient key",
        "one under each key: `billing@c-1.example`",
        "Who can be written to: `{ billing: ap@customer.example }`. `{}` is nobody.",
    ),
    key(Owner::Customer, "attributes", ATTRIBUTES, "empty", "Further columns of the customers' file."),
    key(Owner::Invoice, "number", "a text", REQUIRED, "The printed number."),
    key(Owner::Invoice, "customer", CUSTOMER, "the only customer", "Whose it is."),
    key(Owner::Invoice, "total", "an amount", REQUIRED, "The whole amount."),
    key(Owner::Invoice, "due_on", DAY, "none: it is never overdue", "The last day on which payment is in time."),
    key(Owner::Invoice, "issued_on", DAY, "14 days before it is due, or day 1", "The day of issue."),
    key(
        Owner::Invoice,
        "open",
        "an amount",
        "by payments and credit notes",
        "What is still open, payments and credits already counted.",
    ),
    key(Owner::Invoice, "currency", CURRENCY, BOOKS, "The currency of its amounts."),
    key(Owner::Invoice, "settled_on", DAY, "none", "The day on which nothing was open any more."),
    key(Owner::Invoice, "disputed", "`true`, `false`", "`false`", "Whether the customer disputes it."),
    key(Owner::Invoice, "approved", "`true`, `false`", "`true`", "Whether the books have approved it."),
    key(Owner::Invoice, "hold_until", DAY, "none", "No reminder for it goes out up to and including this day."),
    key(Owner::Invoice, "promised_on", DAY, "none", "The day by which payment is promised."),
    key(Owner::Invoice, "attributes", ATTRIBUTES, "empty", "Further columns of the invoices' file."),
    key(Owner::CreditNote, "number", "a text", REQUIRED, "The printed number."),
    key(Owner::CreditNote, "customer", CUSTOMER, "the only customer", "Whose it is."),
    key(Owner::CreditNote, "total", "an amount", REQUIRED, "The amount credited, with or without a minus sign."),
    key(Owner::CreditNote, "issued_on", DAY, REQUIRED, "The day from which it counts."),
    key(Owner::CreditNote, "invoice", INVOICE, "not yet applied", "The invoice it lowers."),
    key(Owner::CreditNote, "open", "an amount", "by its invoice", "What is still to be used of it."),
    key(Owner::CreditNote, "currency", CURRENCY, BOOKS, "The currency of its amounts."),
    key(Owner::CreditNote, "settled_on", DAY, "none", "The day on which nothing of it was left."),
    key(Owner::CreditNote, "attributes", ATTRIBUTES, "empty", "Further columns of the credit notes' file."),
    key(Owner::Payment, "invoice", INVOICE, "not yet applied", "The invoice it settles, in whole or part."),
    key(Owner::Payment, "customer", CUSTOMER, "the invoice's, or the only customer", "Who paid."),
    key(Owner::Payment, "amount", "an amount", REQUIRED, "How much; negative: paid back."),
    key(Owner::Payment, "received_on", DAY, REQUIRED, "The day it counts from."),
    key(Owner::Payment, "currency", CURRENCY, "the invoice's", "The currency of the amount."),
    key(Owner::Payment, "reference", "a text", "empty", "The source's own id or text."),
    key(Owner::Payment, "method", "a text", "empty", "How it was paid."),
    key(Owner::Csv, "customers", "a path", "made from the invoices", "The file of customers, from the workspace."),
    key(Owner::Csv, "invoices", "a path", REQUIRED, "The file of invoices."),
    key(Owner::Csv, "credit_notes", "a path", "none", "The file of credit notes."),
    key(Owner::Csv, "payments", "a path", "none", "The file of payments."),
    key(
        Owner::History,
        "started_on",
        DAY,
        "the first mail of `mails`, or the first day that is played",
        "The day on which the rules first ran: what was overdue before is their backlog.",
    ),
    key(Owner::History, "mails", "a list of mails", "none", "The mails that were sent, or are on their way."),
    key(
        Owner::History,
        "baseline",
        TEXTS,
        "none",
        "Of a notice rule: what was there when it first ran, as `invoice:INV-1`, `customer:C-1`.",
    ),
    key(Owner::Sent, "mail", "a level, `statement` or `notice`", REQUIRED, "What the mail was."),
    key(Owner::Sent, "on", DAY, REQUIRED, "The day it was decided for."),
    key(Owner::Sent, "items", NUMBERS, "none", "The invoices a reminder was about."),
    key(
        Owner::Sent,
        "about",
        "a text",
        "none",
        "The period of a statement, `2026-02-01/2026-02-28`, or the event of a notice, `invoice:INV-1`.",
    ),
    key(Owner::Sent, "repeat", "0 to 100", "0", "Which mail at the level: 1 for its first repeat."),
    key(
        Owner::Sent,
        "standing",
        "`accepted`, `under_way`, `unknown`, `refused`, `cancelled`",
        "`accepted`",
        "What became of it.",
    ),
    key(Owner::Sent, "rule", "a rule", "the first of the case with such a mail", "Which rule it was of."),
    key(Owner::Sent, "customer", CUSTOMER, "whose the invoices are", "To whom."),
    key(Owner::Sent, "currency", CURRENCY, "that of the invoices", "In which currency."),
    key(Owner::Hold, "invoice", INVOICE, "`customer` instead", "The invoice to leave alone."),
    key(Owner::Hold, "customer", CUSTOMER, "`invoice` instead", "The customer to leave alone."),
    key(Owner::Hold, "kind", "`dispute`, `promise`, `pause`", REQUIRED, "Why."),
    key(Owner::Hold, "until", DAY, REQUIRED, "The last day it holds."),
    key(Owner::Stretch, "on", DAY, "`through` instead", "The day, whether a rule fires on it or not."),
    key(
        Owner::Stretch,
        "through",
        DAY,
        "`on` instead",
        "The last of several days: each is played on which a rule fires by its schedule. The rules of a day are those that fire on it.",
    ),
    key(Owner::Stretch, "from", DAY, "the day after the stretch before, or day 1", "The first of several days."),
    key(Owner::Stretch, "booked", "like `ledger`", "nothing", "What is in the books from then on, besides."),
    key(Owner::Stretch, "paid", NUMBERS, "none", "The invoices that are paid in full from then on."),
    key(Owner::Stretch, "holds", "a list of holds", "none", "What people put on hold then."),
    key(Owner::Stretch, "expect", "what has to come", REQUIRED, "What has to come of it."),
    key(Owner::Mail, "mail", "a level, `statement` or `notice`", REQUIRED, "Which mail."),
    key(Owner::Mail, "on", DAY, "the one day", "On which day; must be said where several are played."),
    key(Owner::Mail, "customer", CUSTOMER, "anybody", "To whom."),
    key(Owner::Mail, "rule", "a rule", "any of the case", "Of which rule."),
    key(Owner::Mail, "repeat", "0 to 100", "0", "Which mail at the level: 1 for its first repeat."),
    key(
        Owner::Mail,
        "items",
        "`[A-1, A-2]`, or `{ A-1: first, A-2: second }`",
        "any",
        "The documents it is about, all of them; with a level behind each where that is meant too.",
    ),
    key(
        Owner::Mail,
        "total",
        "an amount",
        "any",
        "About how much: of a reminder what its items leave open, of a statement the balance.",
    ),
    key(Owner::Mail, "currency", CURRENCY, "any", "In which currency."),
    key(Owner::Mail, "from", "a sender", "any", "Under which sender of config.yaml."),
    key(Owner::Mail, "to", "addresses, or `[]`", "anybody", "The addresses it goes to, all of them."),
    key(Owner::Mail, "cc", "addresses, or `[]`", "anybody", "Who gets a visible copy; `[]` is nobody."),
    key(Owner::Mail, "bcc", "addresses, or `[]`", "anybody", "Who gets an invisible copy."),
    key(Owner::Mail, "subject", TEXTS, "any", "Text that its subject holds."),
    key(Owner::Mail, "text", TEXTS, "any", "Text that its text part holds; where lines break does not matter."),
    key(Owner::Mail, "without", TEXTS, "any", "Text that neither holds."),
    key(Owner::Mail, "variables", "`{ name: value }`", "any", "What the rule's script and pickers give its template."),
    key(
        Owner::Mail,
        "blocked",
        "`recipient_missing`, `suppressed`, `sender_unknown`, `document_missing`, `document_foreign`, `password_missing`, `template_error`, `script_error`, `unbalanced`",
        "not blocked",
        "Why it cannot go.",
    ),
    key(
        Owner::Nothing,
        "nothing",
        "a reason",
        REQUIRED,
        "Why there is no mail: `not_yet_due`, `held` … (commands.md, \"Reasons\").",
    ),
    key(Owner::Nothing, "on", DAY, "the one day", "On which day; must be said where several are played."),
    key(Owner::Nothing, "customer", CUSTOMER, "anybody", "For whom."),
    key(Owner::Nothing, "rule", "a rule", "any of the case", "Of which rule."),
    key(Owner::Nothing, "invoice", INVOICE, "the customer as a whole", "About which invoice: why it is in no mail."),
];

/// Returns where the keys of an owner stand, from the top of the file: more than one place where they are shared.
fn places(owner: Owner) -> Vec<String> {
    let ledgers = || ["cases.[].ledger.", "cases.[].days.[].booked."];
    let of_ledgers = |list: &str| ledgers().map(|ledger| format!("{ledger}{list}.[].")).to_vec();
    let expects = || ["cases.[].expect.[].", "cases.[].days.[].expect.[]."].map(str::to_owned).to_vec();
    match owner {
        Owner::File => vec![String::new()],
        Owner::Case => vec!["cases.[].".to_owned()],
        Owner::Ledger => ledgers().map(str::to_owned).to_vec(),
        Owner::Customer => of_ledgers("customers"),
        Owner::Invoice => of_ledgers("invoices"),
        Owner::CreditNote => of_ledgers("credit_notes"),
        Owner::Payment => of_ledgers("payments"),
        Owner::Csv => vec!["cases.[].csv.".to_owned()],
        Owner::History => vec!["cases.[].history.".to_owned()],
        Owner::Sent => vec!["cases.[].history.mails.[].".to_owned()],
        Owner::Hold => vec!["cases.[].holds.[].".to_owned(), "cases.[].days.[].holds.[].".to_owned()],
        Owner::Stretch => vec!["cases.[].days.[].".to_owned()],
        Owner::Mail | Owner::Nothing => expects(),
    }
}

fn rows() -> Vec<Row<'static>> {
    let row = |key: &'static Key| {
        // Which of two sorts an expectation is, is told by the key it has; neither is needed in the other.
        let is_needed = key.default == REQUIRED && !matches!(key.owner, Owner::Mail | Owner::Nothing);
        let need = if is_needed { Need::Required } else { Need::Optional };
        let row = move |place: String| Row {
            path: format!("{place}{}", key.name),
            form: key.value,
            default: key.default,
            meaning: key.meaning,
            need,
        };
        places(key.owner).into_iter().map(row)
    };
    KEYS.iter().flat_map(row).collect()
}

/// Returns the JSON Schema of a test of a rule.
pub fn rule_test_schema() -> Value {
    let mut schema = file_schema("Dunlin: the test of a rule", &rows());
    // A single expectation stands for a list of one, and a word for a mail of that level.
    for path in ["/properties/cases/items/properties", "/properties/cases/items/properties/days/items/properties"] {
        if let Some(expect) = schema.pointer_mut(&format!("{path}/expect")) {
            let word = json!({ "type": "string", "minLength": 1 });
            let one = json!({ "anyOf": [word, expect["items"].take()] });
            let description = expect["description"].take();
            *expect = json!({ "anyOf": [one, { "type": "array", "items": one }], "description": description });
        }
        // So does a single hold.
        if let Some(holds) = schema.pointer_mut(&format!("{path}/holds")) {
            let (one, description) = (holds["items"].take(), holds["description"].take());
            *holds = json!({
                "anyOf": [one, { "type": "array", "items": one }, { "type": "null" }],
                "description": description,
            });
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::form::value_schema;

    #[test]
    fn every_phrase_of_the_table_has_a_meaning() {
        let rows = rows();
        let has_keys = |row: &Row<'_>| rows.iter().any(|other| other.path.starts_with(&format!("{}.", row.path)));
        let unknown: Vec<&str> =
            rows.iter().filter(|row| !has_keys(row) && value_schema(row.form).is_none()).map(|row| row.form).collect();
        assert!(unknown.is_empty(), "give these a meaning in src/schema/form.rs: {unknown:?}");
    }
}
