//! What scripts and conditions see: frozen copies of an invoice, a payment, their customer and the level, and the one
//! list of their fields.

use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map};
use rust_decimal::Decimal;

use crate::domain::customer::Customer;
use crate::domain::date::Date;
use crate::domain::document::{Document, DocumentKind, Payment};
use crate::domain::ledger::{DocumentIndex, Ledger, PaymentIndex};
use crate::domain::money::Currency;
use crate::script::{Account, LevelFacts};

/// What kind of value an expression has, as far as it can be told before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Number,
    Text,
    Date,
    /// A date, or nothing.
    MaybeDate,
    Nothing,
    List,
    Map,
    Invoice,
    Payment,
    Customer,
    Level,
    Money,
    /// What `interest` and `late_payment` give.
    Interest,
    Claim,
    ClaimItem,
    InterestLine,
    /// The further columns of an invoice.
    InvoiceAttributes,
    /// The further columns of a customer.
    CustomerAttributes,
    /// Only running it can tell.
    Unknown,
}

impl Kind {
    /// Returns the words for it in a message: "a date".
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Date => "a date",
            Self::MaybeDate => "a date, or `()` without one",
            Self::Nothing => "nothing",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Invoice => "an invoice",
            Self::Payment => "a payment",
            Self::Customer => "a customer",
            Self::Level => "a level",
            Self::Money => "money",
            Self::Interest => "interest",
            Self::Claim => "a claim",
            Self::ClaimItem => "a claim on an invoice",
            Self::InterestLine => "a line of interest",
            Self::InvoiceAttributes | Self::CustomerAttributes => "a set of further columns, each a text",
            Self::Unknown => "a value",
        }
    }
}

/// One field of a value that scripts see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) owner: Kind,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) meaning: &'static str,
}

const fn field(owner: Kind, name: &'static str, kind: Kind, meaning: &'static str) -> Field {
    Field { owner, name, kind, meaning }
}

/// Every field there is. The reference page, the checks at load and "did you mean" all read this list.
pub(crate) const FIELDS: &[Field] = &[
    field(Kind::Invoice, "number", Kind::Text, "The number printed on it."),
    field(Kind::Invoice, "issued_on", Kind::Date, "The day it was issued."),
    field(Kind::Invoice, "due_on", Kind::MaybeDate, "The last day on which payment is in time; `()` where none was agreed."),
    field(Kind::Invoice, "total", Kind::Number, "The whole amount, in major units of `currency`; negative on a credit note."),
    field(Kind::Invoice, "open", Kind::Number, "What is still open at the end of `as_of`."),
    field(Kind::Invoice, "currency", Kind::Text, "The currency of its amounts, three capital letters: `EUR`."),
    field(Kind::Invoice, "days_overdue", Kind::Number, "Whole days since `due_on`: 1 on the day after, 0 or less before."),
    field(Kind::Invoice, "disputed", Kind::Boolean, "Whether the books mark it as disputed."),
    field(Kind::Invoice, "is_credit_note", Kind::Boolean, "Whether it is a credit note."),
    field(Kind::Invoice, "attributes", Kind::InvoiceAttributes, "The further columns of its file: `invoice.attributes.project`."),
    field(
        Kind::Invoice,
        "payments",
        Kind::List,
        "What has lowered it by the end of `as_of`, credit notes too: a list of maps with `received_on` and `amount`.",
    ),
    field(Kind::Payment, "received_on", Kind::Date, "The day it counts from."),
    field(Kind::Payment, "amount", Kind::Number, "How much, in major units of `currency`."),
    field(Kind::Payment, "currency", Kind::Text, "The currency of its amount, three capital letters: `EUR`."),
    field(Kind::Payment, "reference", Kind::Text, "The books' own id or reference; may be empty."),
    field(Kind::Payment, "invoice", Kind::Text, "The number of the invoice it is set against; empty where it is not yet."),
    field(Kind::Customer, "id", Kind::Text, "The customer's number in the books."),
    field(Kind::Customer, "name", Kind::Text, "The name to address."),
    field(Kind::Customer, "language", Kind::Text, "The language to write in, in lower case: `de`; empty where unknown."),
    field(Kind::Customer, "tags", Kind::List, "The customer's labels: `customer.tags.contains(\"vip\")`."),
    field(
        Kind::Customer,
        "balance",
        Kind::Number,
        "What the customer owes at the end of `as_of`, in the currency of the invoice, payment, items or statement at hand.",
    ),
    field(
        Kind::Customer,
        "overdue",
        Kind::Number,
        "The part of it that is overdue, in the same currency; credits are not counted.",
    ),
    field(
        Kind::Customer,
        "attributes",
        Kind::CustomerAttributes,
        "The further columns of the customers' file: `customer.attributes.region`.",
    ),
    field(Kind::Level, "id", Kind::Text, "The level's id: `second`."),
    field(Kind::Level, "number", Kind::Number, "Its place in the ladder, from 1."),
    field(Kind::Level, "repeat", Kind::Number, "0 for the first mail at this level, 1 for its first repeat."),
    field(Kind::Money, "amount", Kind::Number, "How much, in major units of `currency`."),
    field(Kind::Money, "currency", Kind::Text, "The currency, three capital letters: `EUR`."),
    field(Kind::Claim, "mode", Kind::Text, "`claim` or `mention`, as the terms say."),
    field(Kind::Claim, "law", Kind::Unknown, "The term `law`, or `()`."),
    field(Kind::Claim, "basis", Kind::Unknown, "The term `basis`, or `()`: what a letter cites."),
    field(Kind::Claim, "as_of", Kind::Date, "The last day of interest."),
    field(Kind::Claim, "items", Kind::List, "What is claimed on each invoice that is late, below."),
    field(Kind::Claim, "interest", Kind::Money, "The interest on all of them."),
    field(Kind::Claim, "fixed_sums", Kind::Money, "The fixed sums of all of them."),
    field(Kind::Claim, "fee", Kind::Money, "The fee of the mail's level."),
    field(Kind::Claim, "total", Kind::Money, "All three together."),
    field(Kind::Claim, "open", Kind::Money, "What is due of the invoices themselves; of all, where none is due."),
    field(Kind::Claim, "amount_asked", Kind::Money, "`open`, and `total` besides where the mode is `claim`."),
    field(Kind::ClaimItem, "number", Kind::Text, "The invoice's number."),
    field(Kind::ClaimItem, "starts_on", Kind::Date, "The first day of interest."),
    field(Kind::ClaimItem, "interest", Kind::Money, "The interest: the sum of its lines."),
    field(Kind::ClaimItem, "fixed_sum", Kind::Money, "The fixed sum."),
    field(Kind::ClaimItem, "lines", Kind::List, "The interest line by line, below."),
    field(Kind::Interest, "amount", Kind::Money, "The interest: the sum of its lines."),
    field(Kind::Interest, "lines", Kind::List, "The interest line by line, below."),
    field(Kind::InterestLine, "from", Kind::Date, "The first day."),
    field(Kind::InterestLine, "to", Kind::Date, "The last day."),
    field(Kind::InterestLine, "days", Kind::Number, "How many days, as the terms count them."),
    field(Kind::InterestLine, "principal", Kind::Money, "What bears interest."),
    field(Kind::InterestLine, "rate", Kind::Number, "Percent a year."),
    field(Kind::InterestLine, "year_days", Kind::Number, "How many days the year has: 365, 366 or 360."),
    field(Kind::InterestLine, "amount", Kind::Money, "The interest."),
    field(Kind::Date, "year", Kind::Number, "The year: 2026."),
    field(Kind::Date, "month", Kind::Number, "The month, 1 to 12."),
    field(Kind::Date, "day", Kind::Number, "The day of the month, 1 to 31."),
    field(Kind::Date, "weekday", Kind::Text, "The weekday in lower case: `monday`."),
];

/// Returns the field `name` of a value of kind `owner`.
pub(crate) fn find_field(owner: Kind, name: &str) -> Option<&'static Field> {
    let owner = if owner == Kind::MaybeDate { Kind::Date } else { owner };
    FIELDS.iter().find(|field| field.owner == owner && field.name == name)
}

/// Which figures that cost a walk over the ledger a script asks for at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) balance: bool,
    pub(crate) overdue: bool,
    pub(crate) attributes: bool,
    pub(crate) payments: bool,
}

impl Needs {
    /// Returns what either asks for.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            balance: self.balance || other.balance,
            overdue: self.overdue || other.overdue,
            attributes: self.attributes || other.attributes,
            payments: self.payments || other.payments,
        }
    }
}

/// An invoice as a script sees it.
#[derive(Clone, Debug)]
pub(crate) struct InvoiceValue(Arc<InvoiceFacts>);

#[derive(Debug)]
struct InvoiceFacts {
    index: DocumentIndex,
    document: Document,
    as_of: Date,
    open: Decimal,
    days_overdue: i64,
    attributes: Map,
    /// What lowered it, and on which day.
    payments: Vec<(Date, Decimal)>,
    /// What was open from the end of each day on.
    open_steps: Vec<(Date, Decimal)>,
}

impl InvoiceValue {
    pub(crate) fn new(ledger: &Ledger, index: DocumentIndex, as_of: Date, needs: Needs) -> Self {
        let document = ledger.document(index).clone();
        let (open, days_overdue) = (ledger.open_on(index, as_of), i64::from(document.days_overdue(as_of)));
        let mut attributes = Map::new();
        if needs.attributes {
            for name in ledger.document_attribute_names() {
                let value = ledger.document_attribute(index, name).unwrap_or_default();
                attributes.insert(name.into(), value.into());
            }
        }
        let (mut payments, mut open_steps) = (Vec::new(), Vec::new());
        if needs.payments {
            payments.extend(ledger.applications_of(index).filter(|(on, _)| *on <= as_of));
            open_steps = ledger.open_steps(index, as_of);
        }
        Self(Arc::new(InvoiceFacts { index, document, as_of, open, days_overdue, attributes, payments, open_steps }))
    }

    /// Returns which document it is a copy of.
    pub(crate) fn index(&self) -> DocumentIndex {
        self.0.index
    }

    pub(crate) fn open(&self) -> Decimal {
        self.0.open
    }

    pub(crate) fn days_overdue(&self) -> i64 {
        self.0.days_overdue
    }

    pub(crate) fn document(&self) -> &Document {
        &self.0.document
    }

    pub(crate) fn currency(&self) -> Currency {
        self.0.document.currency
    }

    /// Returns the day its figures are of.
    pub(crate) fn as_of(&self) -> Date {
        self.0.as_of
    }

    /// Returns what was open from the end of each day on; empty where no script asks for payments.
    pub(crate) fn open_steps(&self) -> &[(Date, Decimal)] {
        &self.0.open_steps
    }

    /// Returns the text of a further column, where there is such a column.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        self.0.attributes.get(name).map(ToString::to_string)
    }

    fn payments(&self) -> Array {
        let entry = |(on, amount): &(Date, Decimal)| {
            let pairs = [("received_on", Dynamic::from(*on)), ("amount", Dynamic::from(*amount))];
            Dynamic::from_map(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect())
        };
        self.0.payments.iter().map(entry).collect()
    }
}

/// A payment as a script sees it.
#[derive(Clone, Debug)]
pub(crate) struct PaymentValue(Arc<PaymentFacts>);

#[derive(Debug)]
struct PaymentFacts {
    payment: Payment,
    invoice: String,
}

impl PaymentValue {
    pub(crate) fn new(ledger: &Ledger, index: PaymentIndex) -> Self {
        let payment = ledger.payment(index).clone();
        let invoice = payment.document.map_or_else(String::new, |document| ledger.document(document).number.to_string());
        Self(Arc::new(PaymentFacts { payment, invoice }))
    }
}

/// A customer as a script sees it.
#[derive(Clone, Debug)]
pub(crate) struct CustomerValue(Arc<CustomerFacts>);

#[derive(Debug)]
struct CustomerFacts {
    customer: Customer,
    balance: Decimal,
    overdue: Decimal,
    attributes: Map,
}

impl CustomerValue {
    /// Copies the customer of an account; its figures are in the account's currency.
    pub(crate) fn new(account: &Account<'_>, needs: Needs) -> Self {
        let (ledger, index) = (account.ledger, account.customer);
        let customer = ledger.customer(index).clone();
        let balance = needs.balance.then(|| account.balance());
        let overdue = needs.overdue.then(|| account.overdue());
        let mut attributes = Map::new();
        if needs.attributes {
            for name in ledger.customer_attribute_names() {
                let value = ledger.customer_attribute(index, name).unwrap_or_default();
                attributes.insert(name.into(), value.into());
            }
        }
        let (balance, overdue) = (balance.unwrap_or_default(), overdue.unwrap_or_default());
        Self(Arc::new(CustomerFacts { customer, balance, overdue, attributes }))
    }

    /// Returns whether the customer has an address under `key`.
    pub(crate) fn has_contact(&self, key: &str) -> bool {
        self.0.customer.contacts.of(key).next().is_some()
    }
}

/// Registers the types and their fields. There are getters only: nothing a script does changes a value.
pub(crate) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<InvoiceValue>("Invoice");
    engine.register_get("number", |invoice: &mut InvoiceValue| text(invoice.0.document.number.as_str()));
    engine.register_get("issued_on", |invoice: &mut InvoiceValue| invoice.0.document.issued_on);
    engine.register_get("due_on", |invoice: &mut InvoiceValue| invoice.0.document.due_on.map_or(Dynamic::UNIT, Dynamic::from));
    engine.register_get("total", |invoice: &mut InvoiceValue| invoice.0.document.total);
    engine.register_get("open", |invoice: &mut InvoiceValue| invoice.0.open);
    engine.register_get("currency", |invoice: &mut InvoiceValue| text(invoice.0.document.currency.as_str()));
    engine.register_get("days_overdue", |invoice: &mut InvoiceValue| invoice.0.days_overdue);
    engine.register_get("disputed", |invoice: &mut InvoiceValue| invoice.0.document.disputed);
    engine.register_get("is_credit_note", |invoice: &mut InvoiceValue| invoice.0.document.kind == DocumentKind::CreditNote);
    engine.register_get("attributes", |invoice: &mut InvoiceValue| invoice.0.attributes.clone());
    engine.register_get("payments", |invoice: &mut InvoiceValue| invoice.payments());
    engine.register_fn("==", |a: InvoiceValue, b: InvoiceValue| a.index() == b.index());
    engine.register_fn("!=", |a: InvoiceValue, b: InvoiceValue| a.index() != b.index());

    engine.register_type_with_name::<PaymentValue>("Payment");
    engine.register_get("received_on", |payment: &mut PaymentValue| payment.0.payment.received_on);
    engine.register_get("amount", |payment: &mut PaymentValue| payment.0.payment.amount);
    engine.register_get("currency", |payment: &mut PaymentValue| text(payment.0.payment.currency.as_str()));
    engine.register_get("reference", |payment: &mut PaymentValue| text(&payment.0.payment.reference));
    engine.register_get("invoice", |payment: &mut PaymentValue| text(&payment.0.invoice));

    engine.register_type_with_name::<CustomerValue>("Customer");
    engine.register_get("id", |customer: &mut CustomerValue| text(customer.0.customer.id.as_str()));
    engine.register_get("name", |customer: &mut CustomerValue| text(&customer.0.customer.name));
    engine.register_get("language", |customer: &mut CustomerValue| {
        text(customer.0.customer.language.as_ref().map_or("", |language| language.as_str()))
    });
    engine.register_get("tags", |customer: &mut CustomerValue| -> Array {
        customer.0.customer.tags.iter().map(|tag| Dynamic::from(text(tag))).collect()
    });
    engine.register_get("balance", |customer: &mut CustomerValue| customer.0.balance);
    engine.register_get("overdue", |customer: &mut CustomerValue| customer.0.overdue);
    engine.register_get("attributes", |customer: &mut CustomerValue| customer.0.attributes.clone());

    engine.register_type_with_name::<LevelFacts>("Level");
    engine.register_get("id", |level: &mut LevelFacts| text(&level.id));
    engine.register_get("number", |level: &mut LevelFacts| level.number);
    engine.register_get("repeat", |level: &mut LevelFacts| level.repeat);

    engine.register_type_with_name::<Date>("Date");
    engine.register_get("year", |date: &mut Date| i64::from(date.year()));
    engine.register_get("month", |date: &mut Date| i64::from(date.month()));
    engine.register_get("day", |date: &mut Date| i64::from(date.day()));
    engine.register_get("weekday", |date: &mut Date| text(weekday(*date)));
}

/// What a registered function returns that can fail.
pub(crate) type Outcome<T> = Result<T, Box<EvalAltResult>>;

/// Returns the weekday's name in lower case.
fn weekday(date: Date) -> &'static str {
    const NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    NAMES[date.weekday().to_monday_zero_offset() as usize]
}

fn text(text: &str) -> rhai::ImmutableString {
    text.into()
}
