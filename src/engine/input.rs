//! The rows of the ledger that a mail was made from, as compact JSON: what its evidence shows years later, when the export is
//! gone.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::domain::customer::Customer;
use crate::domain::date::Date;
use crate::domain::document::{Document, DocumentKind};
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger, PaymentIndex};
use crate::domain::money::{Currency, plain};

#[derive(Serialize)]
struct Input<'a> {
    as_of: Date,
    currency: &'a str,
    customer: CustomerRow<'a>,
    documents: Vec<DocumentRow<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    payments: Vec<PaymentRow<'a>>,
}

#[derive(Serialize)]
struct CustomerRow<'a> {
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [compact_str::CompactString],
    contacts: Contacts<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_until: Option<Date>,
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    attributes: Attributes<'a>,
}

#[derive(Serialize)]
struct DocumentRow<'a> {
    number: &'a str,
    /// The branch whose it is, in a mail to its parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a str>,
    kind: &'static str,
    currency: &'a str,
    issued_on: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_on: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_on: Option<Date>,
    total: String,
    /// On the day of the input.
    open: String,
    disputed: bool,
    approved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_until: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    promised_on: Option<Date>,
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    attributes: Attributes<'a>,
}

#[derive(Serialize)]
struct PaymentRow<'a> {
    reference: &'a str,
    /// The branch that paid, in a mail to its parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a str>,
    received_on: Date,
    amount: String,
    currency: &'a str,
    document: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'a str,
}

/// A customer's addresses, by their role.
struct Contacts<'a>(&'a Customer);

impl Serialize for Contacts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.contacts.iter().map(|(key, addresses)| (key, addresses.collect::<Vec<_>>())))
    }
}

/// Further columns that hold something.
struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    fn of(names: impl Iterator<Item = &'a str>, value: impl Fn(&str) -> Option<&'a str>) -> Self {
        let mut found: Vec<(&str, &str)> = Vec::new();
        for name in names {
            let value = value(name).filter(|value| !value.is_empty());
            // A name that is in two files comes twice.
            if let Some(value) = value
                && found.iter().all(|(known, _)| *known != name)
            {
                found.push((name, value));
            }
        }
        Self(found)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// What stands for a password.
const CONCEALED: &str = "***";

/// Returns a customer with these documents and payments as JSON, each as the ledger has it on `as_of`. What the customer has in the
/// columns of `concealed` is not shown.
pub(crate) fn input(
    ledger: &Ledger,
    customer: CustomerIndex,
    currency: Currency,
    as_of: Date,
    documents: &[DocumentIndex],
    payments: &[PaymentIndex],
    concealed: &[&str],
) -> String {
    let row = ledger.customer(customer);
    let input = Input {
        as_of,
        currency: currency.as_str(),
        customer: CustomerRow {
            id: row.id.as_str(),
            name: &row.name,
            language: row.language.as_ref().map(ToString::to_string),
            tags: &row.tags,
            contacts: Contacts(row),
            hold_until: row.hold_until,
            attributes: Attributes::of(ledger.customer_attribute_names(), |name| {
                let value = ledger.customer_attribute(customer, name).filter(|value| !value.is_empty());
                value.map(|value| if concealed.contains(&name) { CONCEALED } else { value })
            }),
        },
        documents: documents.iter().map(|index| document_row(ledger, customer, *index, as_of)).collect(),
        payments: payments.iter().map(|index| payment_row(ledger, customer, *index)).collect(),
    };
    serde_json::to_string(&input).expect("maps with text keys, lists, texts and truth values")
}

fn document_row(ledger: &Ledger, mailed: CustomerIndex, index: DocumentIndex, as_of: Date) -> DocumentRow<'_> {
    let document: &Document = ledger.document(index);
    DocumentRow {
        number: document.number.as_str(),
        customer: branch(ledger, mailed, document.customer),
        kind: match document.kind {
            DocumentKind::Invoice => "invoice",
            DocumentKind::CreditNote => "credit_note",
        },
        currency: document.currency.as_str(),
        issued_on: document.issued_on,
        due_on: document.due_on,
        settled_on: document.settled_on,
        total: plain(document.total, document.currency),
        open: plain(ledger.open_on(index, as_of), document.currency),
        disputed: document.disputed,
        approved: document.approved,
        hold_until: document.hold_until,
        promised_on: document.promised_on,
        attributes: Attributes::of(ledger.document_attribute_names(), |name| ledger.document_attribute(index, name)),
    }
}

/// Returns the id of an account's customer, where it is another than the one the mail is for.
fn branch(ledger: &Ledger, mailed: CustomerIndex, owner: CustomerIndex) -> Option<&str> {
    (owner != mailed).then(|| ledger.customer(owner).id.as_str())
}

fn payment_row(ledger: &Ledger, mailed: CustomerIndex, index: PaymentIndex) -> PaymentRow<'_> {
    let payment = ledger.payment(index);
    PaymentRow {
        reference: &payment.reference,
        customer: branch(ledger, mailed, payment.customer),
        received_on: payment.received_on,
        amount: plain(payment.amount, payment.currency),
        currency: payment.currency.as_str(),
        document: payment.document.map(|index| ledger.document(index).number.as_str()),
        method: ledger.payment_method(index),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use rust_decimal::dec;
    use serde_json::json;

    use super::*;
    use crate::domain::document::Payment;
    use crate::domain::id::DocumentNumber;
    use crate::domain::ledger::LedgerBuilder;
    use crate::domain::period::Interval;
    use crate::domain::statement::{StatementLayout, StatementOfAccount};

    #[test]
    fn a_statements_input_has_what_is_open_with_its_further_columns_and_the_money_set_against_nothing() {
        let mut builder = LedgerBuilder::new(vec!["region".into()], vec!["order".into(), "note".into()], vec!["order".into()]);
        let customer = builder.add_customer(Customer::from_id("C1"), ["north"].into_iter()).unwrap();
        let currency = Currency::parse("EUR").unwrap();
        let document = |number: &str, total, settled_on| Document {
            number: DocumentNumber::new(number),
            customer,
            kind: DocumentKind::Invoice,
            currency,
            issued_on: date(2026, 10, 1),
            due_on: Some(date(2026, 10, 15)),
            settled_on,
            total,
            open: None,
            disputed: true,
            approved: true,
            hold_until: Some(date(2026, 12, 1)),
            promised_on: None,
            row: 0,
        };
        builder.add_invoice(document("R-1", dec!(10), None), ["B \"7\"", ""].into_iter()).unwrap();
        builder.add_invoice(document("R-2", dec!(20), Some(date(2026, 10, 20))), ["", ""].into_iter()).unwrap();
        let first = builder.find_document("R-1").unwrap();
        for (document, amount, day) in [(None, dec!(1.5), 5), (Some(first), dec!(4), 6), (None, dec!(7), 30)] {
            let (received_on, reference) = (date(2026, 10, day), "ref".into());
            builder.add_payment(Payment { customer, document, amount, currency, received_on, reference }).unwrap();
        }
        let ledger = builder.finish();
        let as_of = date(2026, 10, 25);
        let period = Interval { from: as_of.first_of_month(), to: as_of };
        let layout = StatementLayout::default();
        let (documents, payments) = StatementOfAccount::of(&ledger, customer, currency, period, &layout).sources();
        let text = input(&ledger, customer, currency, as_of, &documents, &payments, &["region"]);
        let expected = json!({
            "as_of": "2026-10-25", "currency": "EUR",
            "customer": { "id": "C1", "name": "C1", "contacts": {}, "attributes": { "region": "***" } },
            "documents": [{
                "number": "R-1", "kind": "invoice", "currency": "EUR", "issued_on": "2026-10-01", "due_on": "2026-10-15",
                "total": "10.00", "open": "6.00", "disputed": true, "approved": true, "hold_until": "2026-12-01",
                "attributes": { "order": "B \"7\"" },
            }],
            "payments": [{
                "reference": "ref", "received_on": "2026-10-05", "amount": "1.50", "currency": "EUR", "document": null,
            }],
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
    }
}
