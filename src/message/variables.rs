//! The one table of what a template may use; the reference page and the check of templates are made from it.

use crate::template::{KnownName, NameKind, hash_table, helper_reference};

/// A template variable.
#[derive(Clone, Copy, Debug)]
pub struct TemplateVariable {
    /// The whole path; `[]` after a list, `*` for any name.
    pub path: &'static str,
    /// What kind of value it is.
    pub kind: NameKind,
    /// The mails that have it.
    pub mails: &'static str,
    /// What it is, with its unit.
    pub meaning: &'static str,
    /// What it prints for an English reader.
    pub example: &'static str,
}

const fn plain(path: &'static str, meaning: &'static str, example: &'static str) -> TemplateVariable {
    TemplateVariable { path, kind: NameKind::Plain, mails: EVERY, meaning, example }
}

const fn money(path: &'static str, meaning: &'static str, example: &'static str) -> TemplateVariable {
    TemplateVariable { path, kind: NameKind::Money, mails: EVERY, meaning, example }
}

const fn date(path: &'static str, meaning: &'static str, example: &'static str) -> TemplateVariable {
    TemplateVariable { path, kind: NameKind::Date, mails: EVERY, meaning, example }
}

const fn only(mails: &'static str, variable: TemplateVariable) -> TemplateVariable {
    TemplateVariable { mails, ..variable }
}

/// Variables that every mail has.
pub const EVERY: &str = "Every mail";
/// Variables of statements.
pub const STATEMENTS: &str = "Statements";
/// Variables of notices about a payment.
pub const RECEIPTS: &str = "Notices for each payment";

/// Every variable of templates, in the order of the reference page.
pub const VARIABLES: &[TemplateVariable] = &[
    plain("customer", "The customer the mail is for", ""),
    plain("customer.id", "The number in the books", "C-1042"),
    plain("customer.name", "The name to address; the id where the books have none", "Harbour Coffee Ltd"),
    plain(
        "customer.first_name",
        "The first name: the column `first_name` of the customers' file; the name where there is none",
        "Ada",
    ),
    plain("customer.language", "The customer's language tag, or the mail's where none is known", "en"),
    plain("customer.tags", "A list of labels; `customer.tags|join(\", \")` prints them", "['vip', 'net30']"),
    plain("customer.attributes.*", "Any further column of the customers' file, as text", "North"),
    plain("items", "The list of invoices this mail is about, by due date", ""),
    plain("items[].number", "The printed number", "R-2027-0042"),
    date("items[].issued_on", "The day of issue", "8 March 2027"),
    date("items[].due_on", "The last day of payment in time; not defined where the books have none", "22 March 2027"),
    money("items[].total", "The whole amount", "€1,190.00"),
    money("items[].open", "The amount still open", "€690.00"),
    money("items[].paid", "What is paid of it or credited, up to the day of the figures", "€500.00"),
    plain("items[].days_overdue", "Whole days since the due date; 0 or less before the day after it", "14"),
    plain("items[].disputed", "Whether the books or a hold mark it disputed", "False"),
    date(
        "items[].promised_on",
        "The day by which payment is promised; not defined without one, or once it has passed",
        "9 April 2027",
    ),
    plain("items[].level", "The id of the level it reaches with this mail", "second"),
    plain("items[].attributes.*", "Any further column of the invoices' file, as text", "PO 7781"),
    plain(
        "items[].payment_link",
        "The page where this invoice is paid; not defined without `pay_url` in config.yaml, nor where nothing is open",
        "https://pay.acme.example/?invoice=R-2027-0042",
    ),
    plain("due_items", "Those of `items` that are due: their due date is not after `as_of`", ""),
    plain("upcoming_items", "The rest of `items`, not yet due, which a mail of a higher level carries along", ""),
    plain("other_items", "The customer's other open invoices of the same currency; as `items`, but without `level`", ""),
    money("total", "The sum of what is open of `items`", "€690.00"),
    money("invoiced_total", "The sum of the whole amounts of `items`", "€1,190.00"),
    money("paid_total", "What is paid of `items` or credited: `invoiced_total` less `total`", "€500.00"),
    money("due_total", "The sum of what is open of `due_items`", "€690.00"),
    money("upcoming_total", "The sum of what is open of `upcoming_items`", "€0.00"),
    money("other_total", "The sum of what is open of `other_items`", "€250.00"),
    money("account_total", "`total` and `other_total` together: all open invoices of this currency", "€940.00"),
    money("credit_total", "Open credit notes and payments not yet matched, of this currency, as a positive amount", "€40.00"),
    money("balance", "What the account owes in this currency: `account_total` less `credit_total`", "€900.00"),
    plain("currency", "The code of the mail's currency", "EUR"),
    plain("level", "The level of the mail: the highest of its items", ""),
    plain("level.id", "The level's id in the rule", "second"),
    plain("level.number", "Its place in the ladder, from 1", "3"),
    plain("level.repeat", "0 for the first mail at this level, 1 for its first repeat", "0"),
    plain("rule", "The rule that asked for the mail", ""),
    plain("rule.id", "The rule's id", "overdue"),
    plain("rule.description", "What the rule's author says of it", "Friendly first, firm later"),
    plain("sender", "Who the mail comes from", ""),
    plain("sender.name", "The name shown", "ACME Receivables"),
    plain("sender.address", "The address it comes from", "ar@acme.example"),
    plain("sender.reply_to", "The address answers go to", "ar-team@acme.example"),
    plain("company", "Who is owed, as `company` of config.yaml says; not defined without it", ""),
    plain("company.name", "The full name", "ACME GmbH"),
    plain("company.street", "Street and number; this and what follows is empty where config.yaml has none", "Hafenstraße 12"),
    plain("company.city", "The town", "Hamburg"),
    plain("company.state", "The state, province or canton", ""),
    plain("company.postal_code", "The postal or ZIP code", "20457"),
    plain("company.country", "The country", "Germany"),
    plain("company.country_code", "Its two letters", "DE"),
    plain("company.email", "Where customers write to", "billing@acme.example"),
    plain("company.phone", "The telephone number", "+49 40 555 0100"),
    plain("company.website", "The home page", "https://www.acme.example"),
    plain("company.logon_url", "Where customers sign in", "https://portal.acme.example"),
    plain("company.tax_number", "The number at the tax office", "12/345/67890"),
    plain("company.vat_id", "The number for value added tax", "DE123456789"),
    plain("company.registration", "Where it is registered, and under which number", "Amtsgericht Hamburg, HRB 12345"),
    plain("company.management", "Who manages it", "The managing directors"),
    plain("company.bank_account", "The account for payments in the mail's currency; not defined where there is none", ""),
    plain("company.bank_account.holder", "Whose account it is", "ACME GmbH"),
    plain(
        "company.bank_account.bank",
        "The bank's name; this and what follows is empty where config.yaml has none",
        "Example Bank",
    ),
    plain("company.bank_account.iban", "The number, in groups of four", "DE89 3704 0044 0532 0130 00"),
    plain("company.bank_account.bic", "The bank's code", "COBADEFFXXX"),
    plain("company.bank_account.account_number", "The number where there is no IBAN", ""),
    plain("company.bank_account.routing_number", "The bank's number there", ""),
    plain("company.bank_accounts", "All accounts, each as `company.bank_account` and with its `currency`", ""),
    plain("company.bank_accounts[].currency", "The currency that is paid on it", "EUR"),
    plain(
        "payment_link",
        "The page where the sum of the mail is paid: `total`, or a statement's balance, where one is owed; not defined without \
         `pay_url` in config.yaml, nor where that names one invoice and the mail has several",
        "https://pay.acme.example/?amount=690.00",
    ),
    plain(
        "payment_link_for",
        "The same for another sum, as a function: `payment_link_for(account_total)`, or for a sum of some invoices alone: \
         `payment_link_for(due_total, due_items)`; not defined without `pay_url`, nor where nothing is owed",
        "",
    ),
    plain(
        "payment_code",
        "The QR code for a transfer of that sum, as an image: `<img src=\"{{ image(payment_code) }}\" alt=\"{{ payment_code.alt }}\">`; \
         not defined where no bank account of config.yaml has one for the currency, or nothing is owed",
        "QR – €690.00, ACME GmbH, DE89 3704 0044 0532 0130 00, R-2027-0042 / C-1042",
    ),
    plain("payment_code.alt", "What it says, for those who do not see it", ""),
    money("payment_code.amount", "The sum it asks for", "€690.00"),
    plain("payment_code.payee", "Who is paid", "ACME GmbH"),
    plain("payment_code.iban", "The account it pays on", "DE89 3704 0044 0532 0130 00"),
    plain("payment_code.reference", "What the transfer says, for those who type it", "R-2027-0042 / C-1042"),
    plain(
        "payment_code_for",
        "The same for another sum, as a function: `payment_code_for(account_total)`, or for a sum of some invoices alone: \
         `payment_code_for(due_total, due_items)`; not defined where there is no account for the currency or nothing is owed",
        "",
    ),
    date("as_of", "The day the figures are of", "5 April 2027"),
    plain("language", "The language tag of the template in use", "en"),
    plain("vars.*", "What `variables()` of the rule's script returned", ""),
    only(STATEMENTS, plain("period", "The days the statement covers", "")),
    only(STATEMENTS, date("period.from", "The first of them", "1 March 2027")),
    only(STATEMENTS, date("period.to", "The last of them; `as_of` is the same day", "31 March 2027")),
    only(STATEMENTS, plain("statement", "The figures of the period", "")),
    only(STATEMENTS, plain("statement.form", "`open_item`, `balance_forward` or `activity`", "open_item")),
    only(
        STATEMENTS,
        plain(
            "statement.lines",
            "Open item: everything with a balance, documents by due date, then payments not yet matched; else what moved, by day",
            "",
        ),
    ),
    only(STATEMENTS, plain("statement.lines[].kind", "`invoice`, `credit_note`, `payment` or `settlement`", "invoice")),
    only(
        STATEMENTS,
        plain(
            "statement.lines[].number",
            "The printed number, or the payment's reference, which may be empty; of a settlement that of the document",
            "R-2027-0042",
        ),
    ),
    only(
        STATEMENTS,
        date(
            "statement.lines[].date",
            "The day of issue, receipt or settlement; not defined on a settlement of which the books do not tell the day",
            "26 February 2027",
        ),
    ),
    only(
        STATEMENTS,
        date("statement.lines[].due_on", "The last day of payment in time; not defined where there is none", "12 March 2027"),
    ),
    only(
        STATEMENTS,
        plain(
            "statement.lines[].days_overdue",
            "Whole days since the due date; 0 or less before the day after it, 0 on credit and on what moved",
            "19",
        ),
    ),
    only(STATEMENTS, money("statement.lines[].original", "The whole amount; negative where it is the customer's", "€1,190.00")),
    only(
        STATEMENTS,
        money(
            "statement.lines[].amount",
            "What the line adds to the sum of the lines: what is open of it, or by how much it moved the balance",
            "€690.00",
        ),
    ),
    only(
        STATEMENTS,
        money(
            "statement.lines[].open",
            "What is open of it; negative where it is the customer's. Only in the form `open_item`",
            "€690.00",
        ),
    ),
    only(STATEMENTS, money("statement.lines[].running", "The balance after it. Only in the form `balance_forward`", "€1,377.50")),
    only(
        STATEMENTS,
        plain(
            "statement.lines[].invoice",
            "The number of the document that a payment or settlement is set against; not defined on others",
            "R-2027-0042",
        ),
    ),
    only(STATEMENTS, plain("statement.lines[].customer", "The id of the customer whose account it stands on", "C-1042")),
    only(STATEMENTS, plain("statement.lines[].disputed", "Whether the books or a hold mark it disputed", "False")),
    only(
        STATEMENTS,
        date(
            "statement.lines[].promised_on",
            "The day by which payment is promised; not defined without one, or once it has passed",
            "9 April 2027",
        ),
    ),
    only(
        STATEMENTS,
        plain("statement.lines[].bucket", "The label of its age column; not defined on credit and on what moved", "1–30"),
    ),
    only(
        STATEMENTS,
        plain(
            "statement.branches",
            "Of a parent with branches: each account with something to tell, the parent's own first; else empty",
            "",
        ),
    ),
    only(STATEMENTS, plain("statement.branches[].id", "The number in the books", "C-1042-2")),
    only(STATEMENTS, plain("statement.branches[].name", "The name to address", "Harbour Coffee Altona")),
    only(STATEMENTS, plain("statement.branches[].is_parent", "Whether it is the parent's own account", "False")),
    only(STATEMENTS, plain("statement.branches[].lines", "Its lines, as those of `statement.lines`", "")),
    only(
        STATEMENTS,
        plain(
            "statement.branches[].ageing",
            "Its age columns, as `ageing`; it has `balance`, `overdue`, `unapplied`, `opening` and `moved` as `statement` has",
            "",
        ),
    ),
    only(STATEMENTS, money("statement.branches[].balance", "What is owed on it; not in the form `activity`", "€237.50")),
    only(
        STATEMENTS,
        money("statement.balance", "What is owed at the end of the period; not defined in the form `activity`", "€987.50"),
    ),
    only(
        STATEMENTS,
        money("statement.opening", "The balance before the period. Only in the form `balance_forward`", "€1,120.00"),
    ),
    only(STATEMENTS, date("statement.opening_on", "The day at whose end it was: the one before the period", "28 February 2027")),
    only(STATEMENTS, money("statement.moved", "What the lines add to it: `balance` less `opening`", "-€132.50")),
    only(
        STATEMENTS,
        money(
            "statement.overdue",
            "The overdue part of the balance; credit is not set against it. Not in the form `activity`",
            "€690.00",
        ),
    ),
    only(
        STATEMENTS,
        money(
            "statement.unapplied",
            "Credit notes, overpaid invoices and payments not yet matched, as a negative amount. Not in the form `activity`",
            "-€40.00",
        ),
    ),
    only(STATEMENTS, plain("statement.aged_by", "`due` or `issued`: from which day ages are counted", "due")),
    only(
        STATEMENTS,
        plain(
            "ageing",
            "The age columns, the youngest first; with `statement.unapplied` they add up to the balance. None in the form `activity`",
            "",
        ),
    ),
    only(STATEMENTS, plain("ageing[].label", "`current`, `1–30`, `> 90`", "current")),
    only(
        STATEMENTS,
        plain("ageing[].from_days", "The first day past due; not defined in the column of what is not overdue", "1"),
    ),
    only(STATEMENTS, plain("ageing[].to_days", "The last day; not defined in the column of the oldest", "30")),
    only(STATEMENTS, money("ageing[].amount", "What is open in it", "€337.50")),
    only(RECEIPTS, plain("payment", "The payment that the notice tells of; the invoice it settles is the one item", "")),
    only(RECEIPTS, date("payment.received_on", "The day it counts from", "30 March 2027")),
    only(RECEIPTS, money("payment.amount", "How much", "€500.00")),
    only(RECEIPTS, plain("payment.reference", "The books' own reference; may be empty", "TR-7")),
    only(RECEIPTS, plain("payment.method", "How it was paid, as the books say; may be empty", "Bank transfer")),
    only(
        RECEIPTS,
        plain("payment.invoice", "The number of the invoice it settles; not defined where it is not matched yet", "R-2027-0042"),
    ),
];

const HASH_SECTION: &str = "
## Templates that are written with `#name#`

A template whose first line is `<!-- syntax: hash -->` or `{# syntax: hash #}` uses these names instead; see [Templates of another system](../template-import.md).

";

/// Returns the table in the form templates are checked against.
pub fn known_names() -> Vec<KnownName> {
    VARIABLES.iter().map(|variable| KnownName { path: variable.path, kind: variable.kind }).collect()
}

/// Returns the reference page of variables, filters and tests, in Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Template variables\n\n\
        What templates may use. This page is made from the program's own table; a test compares them.\n\n\
        A name that is not here is an error, when the templates load or at the latest when a mail is composed: no mail goes\n\
        out with an empty place. Nor does one where a variable is printed that is empty: ask for it with `{% if customer.attributes.region %}`,\n\
        or write `{{ customer.attributes.region|default(\"\") }}` where nothing may stand. Ask for a column that may be missing with `is defined`.\n\n\
        An amount prints with its currency and a date in full, both the way the reader's language writes them. An amount has\n\
        `amount` (plain digits), `currency`, `is_zero` and `is_negative`; a date has `iso`, `year`, `month` and `day`.\n\
        Amounts and dates are compared with the tests at the end of this page, not with `>` and `==`. Beside the filters and\n\
        tests listed here all of MiniJinja's own can be used, and the functions of plugins (`{{ as_of|next_business_day }}`) with the\n\
        built-in ones about days: `add_days`, `add_business_days`, `days_between`, `business_days_between`, `is_business_day`, `month_end`.\n\n\
        `image(\"logo.png\")` gives the address of an image file in `rules/templates/`, which becomes part of the mail, so that nothing is\n\
        fetched when it is read: `<img src=\"{{ image(\"logo.png\") }}\" alt=\"ACME\" width=\"120\">`. `alt` says what it shows to those who do\n\
        not see it; it is also what the text part has. PNG, JPEG and GIF of at most 512 KiB, at most ten and 1 MiB a mail.\n\n\
        `items` are what a reminder asks for, all open documents of a statement (those that its lines name where it is of the form\n\
        `activity`, whose mail has no totals and no `balance`), the invoice of a notice for each invoice, and\n\
        the invoice that is settled in a notice for each payment; the level of a statement is `statement`, of a notice `notice`.\n\
        A notice for each customer has no items and no currency (`XXX`, no amounts).\n",
    );
    for mails in [EVERY, STATEMENTS, RECEIPTS] {
        page.push_str(&format!("\n## {mails}\n\n| name | meaning | example |\n|---|---|---|\n"));
        for TemplateVariable { path, meaning, example, .. } in VARIABLES.iter().filter(|variable| variable.mails == mails) {
            let meaning = meaning.replace('|', "\\|");
            page.push_str(&format!("| `{path}` | {meaning}. | {example} |\n"));
        }
    }
    page.push_str(HASH_SECTION);
    page.push_str(&hash_table());
    page.push('\n');
    page.push_str(&helper_reference());
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}
