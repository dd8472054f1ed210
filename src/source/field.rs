//! The words a ledger file may have: the one table from which mapping, checks and the reference page are made.

/// What the rows of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Who owes.
    Customers,
    /// Claims on customers.
    Invoices,
    /// Claims of customers.
    CreditNotes,
    /// Money received or paid back.
    Payments,
    /// What a bank says has come in; no file of the ledger.
    BankLines,
}

impl Kind {
    /// The kinds of a ledger's files, in the order in which they are read.
    pub const ALL: [Self; 4] = [Self::Customers, Self::Invoices, Self::CreditNotes, Self::Payments];

    /// Returns the key in config.yaml: under `ledger:`, but for bank lines.
    pub fn key(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Invoices => "invoices",
            Self::CreditNotes => "credit_notes",
            Self::Payments => "payments",
            Self::BankLines => "bank",
        }
    }
}

/// One field of a ledger file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    /// The key under `columns:`.
    pub name: &'static str,
    /// Whether every file of this kind has it and no cell of it may be empty.
    pub required: bool,
    /// What it means, as a sentence for the reference page.
    pub meaning: &'static str,
}

/// The field of the customers' file that maps recipient keys to columns: `contacts: { billing: BillingEmail }`.
/// In a list of columns its entries are written `contacts.billing`.
pub const CONTACTS: &str = "contacts";

const fn needed(name: &'static str, meaning: &'static str) -> FieldSpec {
    FieldSpec { name, required: true, meaning }
}

const fn optional(name: &'static str, meaning: &'static str) -> FieldSpec {
    FieldSpec { name, required: false, meaning }
}

const CUSTOMERS: &[FieldSpec] = &[
    needed("id", "The customer's number in the books; unique."),
    optional("name", "The name to address; the id where the cell is empty."),
    optional("language", "The language to write in, as a tag: `en`, `de`, `pt-br`."),
    optional("tags", "Free labels, separated by `;`, `,` or `|`: `vip;net30`."),
    optional("hold_until", "No reminder goes out up to and including this day."),
    optional("parent", "The id of the customer that this one is a branch of; a parent is no branch itself."),
    optional(CONTACTS, "A column for each recipient key; several addresses in a cell are separated by `;` or `,`."),
];

const INVOICES: &[FieldSpec] = &[
    needed("number", "The printed number; unique among invoices and credit notes."),
    needed("customer", "The customer's id."),
    needed("issued_on", "The day of issue."),
    optional("due_on", "The last day on which payment is in time; without it the invoice is never overdue."),
    needed("total", "The whole amount; a negative one makes the row a credit note."),
    optional("open", "What is still open by the source's own account, payments and credits already counted."),
    optional("currency", "The ISO 4217 code; `ledger.currency` where empty."),
    optional("settled_on", "The day on which nothing was open any more."),
    optional("disputed", "Whether the customer disputes it: yes or no; no where empty."),
    optional(
        "approved",
        "Whether the books have approved it: yes or no, no where empty; without such a column all are approved.",
    ),
    optional("hold_until", "No reminder for this invoice goes out up to and including this day."),
    optional("promised_on", "The day by which the customer has promised to pay; until it has passed nobody is reminded of it."),
];

const CREDIT_NOTES: &[FieldSpec] = &[
    needed("number", "The printed number; unique among invoices and credit notes."),
    needed("customer", "The customer's id."),
    needed("issued_on", "The day of issue."),
    needed("total", "The amount credited, with or without a minus sign."),
    optional("currency", "The ISO 4217 code; `ledger.currency` where empty."),
    optional("invoice", "The number of the invoice it is applied to; empty: not yet applied."),
    optional("open", "What is still to be used of it, with or without a minus sign."),
    optional("settled_on", "The day on which nothing of it was left."),
];

const PAYMENTS: &[FieldSpec] = &[
    optional("customer", "The id of the customer who paid; may be left out where `invoice` is given."),
    optional("invoice", "The number of the invoice it settles; empty: not yet applied."),
    needed("amount", "The amount received; negative: paid back."),
    optional("currency", "The ISO 4217 code; `ledger.currency` where empty."),
    needed("received_on", "The day it counts from."),
    optional("reference", "The source's own id or text."),
    optional("method", "How it was paid: by transfer, card, direct debit."),
];

const BANK_LINES: &[FieldSpec] = &[
    needed("booked_on", "The day the bank booked it."),
    needed("amount", "The amount; empty, zero or negative where no money came in."),
    optional("currency", "The ISO 4217 code; `ledger.currency` where empty."),
    optional("direction", "Whether money came in (C, CRDT, H, +) or went out (D, DBIT, S, -), where the amount has no sign."),
    optional("payer", "Who paid."),
    optional("account", "The account it came from: an IBAN."),
    optional("reference", "What the payer wrote."),
    optional("end_to_end", "The payer's own reference, which goes through all banks."),
    optional("id", "The bank's own reference, the same in every file; without it a line is known by all it says."),
];

/// Returns the fields of a file of this kind.
pub fn fields(kind: Kind) -> &'static [FieldSpec] {
    match kind {
        Kind::Customers => CUSTOMERS,
        Kind::Invoices => INVOICES,
        Kind::CreditNotes => CREDIT_NOTES,
        Kind::Payments => PAYMENTS,
        Kind::BankLines => BANK_LINES,
    }
}
