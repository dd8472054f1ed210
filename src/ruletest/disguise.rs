//! A real customer's rows made into an invented one's: names, addresses, numbers and references replaced, amounts and dates kept.
//!
//! What a rule does not ask for is left out. What it compares with a text of its own is kept, since the case would come out
//! otherwise; a text that stands in the rule already tells nobody anything new.

use std::collections::BTreeMap;

use crate::domain::customer::Contacts;
use crate::domain::id::{CustomerId, DocumentNumber, RecipientKey};
use crate::ruletest::ledger::{DocumentRow, PaymentRow, RowAttributes, Rows};

/// What stands for what.
#[derive(Clone, Debug, Default)]
pub struct Disguise {
    numbers: BTreeMap<DocumentNumber, DocumentNumber>,
    addresses: BTreeMap<String, String>,
    references: BTreeMap<String, String>,
}

impl Disguise {
    /// The id that the invented customer has.
    pub const CUSTOMER: &str = "C-1";

    /// Replaces what tells who a customer is. `deciding` are the rule's condition and script, `shown` all texts that may ask for
    /// a column.
    pub fn of(rows: &Rows, deciding: &[&str], shown: &[&str]) -> (Rows, Self) {
        let mut disguise = Self::default();
        let numbers = rows.invoices.iter().zip(1..).map(|(row, place)| (row, format!("INV-{place}")));
        let credit = rows.credit_notes.iter().zip(1..).map(|(row, place)| (row, format!("CN-{place}")));
        for (row, invented) in numbers.chain(credit) {
            disguise.numbers.insert(row.document.number.clone(), DocumentNumber::new(invented));
        }
        let customers = rows.customers.iter().map(|(customer, attributes)| {
            let mut invented = customer.clone();
            invented.id = CustomerId::new(Self::CUSTOMER);
            invented.name = "Customer One".into();
            invented.tags = customer.tags.iter().filter(|tag| is_named(tag, deciding)).cloned().collect();
            invented.contacts = Contacts::default();
            for (key, addresses) in customer.contacts.iter() {
                let addresses: Vec<_> = addresses.map(|address| disguise.address(key, address)).collect();
                invented.contacts.add(&RecipientKey::new(key), addresses.iter().map(String::as_str));
            }
            (invented, told(attributes, deciding, shown))
        });
        let customers = customers.collect();
        let document = |disguise: &Self, row: &DocumentRow| {
            let mut invented = row.document.clone();
            invented.number = disguise.number(&row.document.number);
            DocumentRow {
                document: invented,
                owner: CustomerId::new(Self::CUSTOMER),
                applies_to: row.applies_to.as_ref().map(|number| disguise.number(number)),
                attributes: told(&row.attributes, deciding, shown),
            }
        };
        let invoices = rows.invoices.iter().map(|row| document(&disguise, row)).collect();
        let credit_notes = rows.credit_notes.iter().map(|row| document(&disguise, row)).collect();
        let mut payments = Vec::with_capacity(rows.payments.len());
        for row in &rows.payments {
            payments.push(PaymentRow {
                owner: CustomerId::new(Self::CUSTOMER),
                invoice: row.invoice.as_ref().map(|number| disguise.number(number)),
                reference: disguise.reference(&row.reference),
                ..row.clone()
            });
        }
        // A case is of one customer, so there is no group to tell of.
        (Rows { customers, parents: Vec::new(), invoices, credit_notes, payments }, disguise)
    }

    /// Returns what stands for a document's number.
    pub fn number(&self, number: &DocumentNumber) -> DocumentNumber {
        self.numbers.get(number).cloned().unwrap_or_else(|| DocumentNumber::new("INV-0"))
    }

    /// Returns the addresses that were replaced, each with what stands for it.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, &str)> {
        self.addresses.iter().map(|(address, invented)| (address.as_str(), invented.as_str()))
    }

    /// Two people stay two, and one under two roles stays one.
    fn address(&mut self, key: &str, address: &str) -> String {
        let form = address.to_lowercase();
        if let Some(known) = self.addresses.get(&form) {
            return known.clone();
        }
        let taken = |candidate: &String| self.addresses.values().any(|known| known == candidate);
        let numbered = (2..).map(|place| format!("{key}-{place}@customer-1.example"));
        let mut all = std::iter::once(format!("{key}@customer-1.example")).chain(numbered);
        let invented = all.find(|candidate| !taken(candidate)).unwrap_or_default();
        self.addresses.insert(form, invented.clone());
        invented
    }

    fn reference(&mut self, reference: &str) -> String {
        if reference.is_empty() {
            return String::new();
        }
        let next = format!("REF-{}", self.references.len() + 1);
        self.references.entry(reference.to_owned()).or_insert(next).clone()
    }
}

/// Returns the attributes that the rule asks for, replaced where it does not compare them.
fn told(attributes: &RowAttributes, deciding: &[&str], shown: &[&str]) -> RowAttributes {
    let asked = attributes.iter().filter(|(name, _)| shown.iter().any(|text| text.contains(name.as_str())));
    asked.map(|(name, value)| (name.clone(), if is_named(value, deciding) { value.clone() } else { invented(value) })).collect()
}

/// Returns whether a value stands in the rule, in quotes.
fn is_named(value: &str, texts: &[&str]) -> bool {
    texts.iter().any(|text| ['"', '\'', '`'].iter().any(|quote| text.contains(&format!("{quote}{value}{quote}"))))
}

/// Returns a value of the same form: as many letters and digits, so that what reads it as a number or a date still can.
fn invented(value: &str) -> String {
    let made = |letter: char, digit: char| -> String {
        let other = |own: char| match own {
            own if own.is_numeric() => digit,
            own if own.is_alphabetic() => letter,
            own => own,
        };
        value.chars().map(other).collect()
    };
    let first = made('x', '1');
    if first == value { made('y', '2') } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruletest::tests::rows;

    #[test]
    fn nothing_of_a_customer_is_left_but_what_the_rule_compares() {
        let text = "{ customers: [{ id: K-77, name: Harbour Coffee, tags: [vip, family], contacts: { billing: [ann@harbour.example, bob@harbour.example] }, \
            attributes: { Region: north, Contract: V-90210, Secret: xyz } }], \
            invoices: [{ number: R-1001, total: 10, attributes: { Order: PO-4711 } }], \
            credit_notes: [{ number: G-1002, total: 3, issued_on: day 1, invoice: R-1001 }], \
            payments: [{ invoice: R-1001, amount: 1, received_on: day 1, reference: Bank-9 }, { amount: 2, received_on: day 1, reference: Bank-9 }] }";
        let rule = "customer.tags.contains(\"vip\") && customer.attributes.Region == \"north\"";
        let (made, disguise) = Disguise::of(
            &rows(text),
            &[rule],
            &[rule, "{{ customer.attributes.Contract }} {{ item.attributes.Order }} \"family\""],
        );
        let told = format!("{made:?}");
        for original in ["K-77", "Harbour", "harbour", "family", "R-1001", "G-1002", "Bank-9", "4711", "90210", "xyz", "Secret"] {
            assert!(!told.contains(original), "{original} in {told}");
        }
        let (customer, attributes) = &made.customers[0];
        assert_eq!((customer.tags.as_ref(), attributes["Region"].as_str()), (&["vip".into()][..], "north"));
        assert_eq!((attributes["Contract"].as_str(), made.invoices[0].attributes["Order"].as_str()), ("x-11111", "xx-1111"));
        let addresses: Vec<&str> = customer.contacts.of("billing").collect();
        assert_eq!(addresses, ["billing@customer-1.example", "billing-2@customer-1.example"]);
        assert_eq!(made.payments[0].reference, made.payments[1].reference);
        assert_eq!(made.credit_notes[0].applies_to, Some(DocumentNumber::new("INV-1")));
        assert_eq!(disguise.addresses().count(), 2);
    }
}
