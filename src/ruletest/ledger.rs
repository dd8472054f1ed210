//! The receivables of a case: rows as its file writes them, and the ledger that is made of them.
//!
//! A row is asked for as little as its case needs: who stands alone owes everything, an invoice is in the workspace's
//! currency, a customer has an invented address under each recipient key.

use std::collections::BTreeMap;

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::customer::{Contacts, Customer};
use crate::domain::date::{Date, shifted};
use crate::domain::document::{Document, DocumentKind, Payment};
use crate::domain::id::{CustomerId, DocumentNumber, Language, RecipientKey};
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger, LedgerBuilder, LedgerError};
use crate::domain::mailbox::is_address;
use crate::domain::money::Currency;
use crate::ruletest::Known;
use crate::ruletest::day::Days;
use crate::yaml::{self, Fields, Node, Problems};

/// The most rows of one case, all kinds together.
pub const ROWS_MAX: usize = 5_000;
/// How long before its due date an invoice was issued, where a case does not say.
const TERM_DAYS: i32 = 14;

/// The further columns of a row, by name.
pub type RowAttributes = BTreeMap<String, String>;

/// The rows of a case's receivables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Who owes.
    pub customers: Vec<(Customer, RowAttributes)>,
    /// Branches and their parents.
    pub parents: Vec<(CustomerId, CustomerId)>,
    /// Claims.
    pub invoices: Vec<DocumentRow>,
    /// Claims of customers.
    pub credit_notes: Vec<DocumentRow>,
    /// Money received.
    pub payments: Vec<PaymentRow>,
}

/// An invoice or a credit note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRow {
    /// Its figures; its customer is `owner`.
    pub document: Document,
    /// Whose it is.
    pub owner: CustomerId,
    /// The invoice that a credit note lowers.
    pub applies_to: Option<DocumentNumber>,
    /// Further columns.
    pub attributes: RowAttributes,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRow {
    /// Who paid.
    pub owner: CustomerId,
    /// What it settles.
    pub invoice: Option<DocumentNumber>,
    /// How much.
    pub amount: Decimal,
    /// In which currency.
    pub currency: Currency,
    /// The day it counts from.
    pub received_on: Date,
    /// The source's own id or text.
    pub reference: String,
    /// How it was paid.
    pub method: String,
}

/// The further columns that the workspace's files have, which every row of a case has too, empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Those of customers.
    pub customers: Vec<String>,
    /// Those of invoices and credit notes.
    pub documents: Vec<String>,
}

impl Rows {
    /// Returns how many rows there are.
    pub fn count(&self) -> usize {
        self.customers.len() + self.invoices.len() + self.credit_notes.len() + self.payments.len()
    }

    /// Adds rows that are booked later.
    pub fn add(&mut self, later: &Self) {
        self.customers.extend_from_slice(&later.customers);
        self.parents.extend_from_slice(&later.parents);
        self.invoices.extend_from_slice(&later.invoices);
        self.credit_notes.extend_from_slice(&later.credit_notes);
        self.payments.extend_from_slice(&later.payments);
    }

    /// Settles an invoice in full from `on` on; returns whether it is there.
    pub fn settle(&mut self, number: &DocumentNumber, on: Date) -> bool {
        let found = self.invoices.iter_mut().find(|row| row.document.number == *number);
        found.map(|row| row.document.settled_on = Some(on)).is_some()
    }

    /// Makes the ledger of these rows.
    ///
    /// # Errors
    /// A row that contradicts another.
    pub fn ledger(&self, columns: &Columns) -> Result<Ledger, LedgerError> {
        let names = |usual: &[String], own: &mut dyn Iterator<Item = &RowAttributes>| {
            let mut names: Vec<CompactString> = usual.iter().map(CompactString::from).collect();
            names.extend(own.flat_map(RowAttributes::keys).map(CompactString::from));
            names.sort_unstable();
            names.dedup();
            names
        };
        let of_customers = names(&columns.customers, &mut self.customers.iter().map(|(_, attributes)| attributes));
        let of_documents =
            names(&columns.documents, &mut self.invoices.iter().chain(&self.credit_notes).map(|row| &row.attributes));
        let mut builder = LedgerBuilder::new(of_customers.clone(), of_documents.clone(), of_documents.clone());
        let values = |names: &[CompactString], attributes: &RowAttributes| -> Vec<String> {
            names.iter().map(|name| attributes.get(name.as_str()).cloned().unwrap_or_default()).collect()
        };
        for (customer, attributes) in &self.customers {
            let values = values(&of_customers, attributes);
            builder.add_customer(customer.clone(), values.iter().map(String::as_str))?;
        }
        for (branch, parent) in &self.parents {
            let [branch, parent] = [branch, parent].map(|id| builder.find_customer(id.as_str()));
            builder.set_parent(branch?, parent?)?;
        }
        for row in &self.invoices {
            let (document, values) = (row.of(&builder)?, values(&of_documents, &row.attributes));
            builder.add_invoice(document, values.iter().map(String::as_str))?;
        }
        for row in &self.credit_notes {
            let (document, values) = (row.of(&builder)?, values(&of_documents, &row.attributes));
            let applies_to = row.applies_to.as_ref().map(|number| builder.find_document(number.as_str())).transpose()?;
            builder.add_credit_note(document, applies_to, values.iter().map(String::as_str))?;
        }
        for row in &self.payments {
            let document = row.invoice.as_ref().map(|number| builder.find_document(number.as_str())).transpose()?;
            builder.add_payment(Payment {
                customer: builder.find_customer(row.owner.as_str())?,
                document,
                amount: row.amount,
                currency: row.currency,
                received_on: row.received_on,
                reference: row.reference.as_str().into(),
            })?;
            builder.note_payment_method(&row.method);
        }
        Ok(builder.finish())
    }

    /// Takes the rows of some customers out of a ledger.
    pub fn of(ledger: &Ledger, customers: impl Iterator<Item = CustomerIndex>) -> Self {
        let mut rows = Self::default();
        let customers: Vec<CustomerIndex> = customers.collect();
        for index in customers.iter().copied() {
            let customer = ledger.customer(index);
            let parent = ledger.parent_of(index).filter(|parent| customers.contains(parent));
            rows.parents.extend(parent.map(|parent| (customer.id.clone(), ledger.customer(parent).id.clone())));
            let attributes = named(ledger.customer_attribute_names(), |name| ledger.customer_attribute(index, name));
            rows.customers.push((customer.clone(), attributes));
            let documents: Vec<DocumentIndex> = ledger.documents_of(index).map(|place| DocumentIndex(place as u32)).collect();
            let mut applied = Applied::of(ledger, index, &documents);
            for document in &documents {
                let own = ledger.document(*document);
                let attributes = named(ledger.document_attribute_names(), |name| ledger.document_attribute(*document, name));
                let row = |applies_to| DocumentRow {
                    // What was matched to a bank line stands among the payments, and the books' own rest knows nothing of it.
                    document: Document { open: own.open.map(|open| open - ledger.matched_of(*document)), ..own.clone() },
                    owner: customer.id.clone(),
                    applies_to,
                    attributes: attributes.clone(),
                };
                match own.kind {
                    DocumentKind::Invoice => rows.invoices.push(row(None)),
                    DocumentKind::CreditNote => {
                        let applies_to = applied.invoice_of(ledger, *document);
                        rows.credit_notes.push(row(applies_to.map(|invoice| ledger.document(invoice).number.clone())));
                    }
                }
            }
            rows.payments.extend(ledger.payment_indexes_of(index).map(|place| {
                let payment = ledger.payment(place);
                PaymentRow {
                    owner: customer.id.clone(),
                    invoice: payment.document.map(|document| ledger.document(document).number.clone()),
                    amount: payment.amount,
                    currency: payment.currency,
                    received_on: payment.received_on,
                    reference: payment.reference.to_string(),
                    method: ledger.payment_method(place).to_owned(),
                }
            }));
        }
        rows
    }
}

impl DocumentRow {
    fn of(&self, builder: &LedgerBuilder) -> Result<Document, LedgerError> {
        Ok(Document { customer: builder.find_customer(self.owner.as_str())?, ..self.document.clone() })
    }
}

/// What lowers a customer's invoices beside payments: the credit notes that are set against them.
struct Applied(Vec<(DocumentIndex, Date, Decimal)>);

impl Applied {
    fn of(ledger: &Ledger, customer: CustomerIndex, documents: &[DocumentIndex]) -> Self {
        let is_invoice = |index: &&DocumentIndex| ledger.document(**index).kind == DocumentKind::Invoice;
        let all = documents.iter().filter(is_invoice);
        let mut left: Vec<(DocumentIndex, Date, Decimal)> =
            all.flat_map(|index| ledger.applications_of(*index).map(|(on, amount)| (*index, on, amount))).collect();
        for payment in ledger.payments_of(customer) {
            let Some(document) = payment.document else { continue };
            let is_it = |one: &(DocumentIndex, Date, Decimal)| *one == (document, payment.received_on, payment.amount);
            if let Some(place) = left.iter().position(is_it) {
                left.swap_remove(place);
            }
        }
        Self(left)
    }

    /// Takes out the invoice that a credit note is set against. Of two that it may be either will do: the sums are the same.
    fn invoice_of(&mut self, ledger: &Ledger, credit_note: DocumentIndex) -> Option<DocumentIndex> {
        ledger.applications_of(credit_note).next()?;
        let document = ledger.document(credit_note);
        let is_it = |(invoice, on, amount): &(DocumentIndex, Date, Decimal)| {
            *on == document.issued_on && *amount == -document.total && ledger.document(*invoice).currency == document.currency
        };
        let place = self.0.iter().position(is_it)?;
        Some(self.0.swap_remove(place).0)
    }
}

/// Returns the values that are not empty.
fn named<'l>(names: impl Iterator<Item = &'l str>, value: impl Fn(&str) -> Option<&'l str>) -> RowAttributes {
    let values = names.filter_map(|name| Some((name.to_owned(), value(name)?.to_owned())));
    values.filter(|(_, value)| !value.is_empty()).collect()
}

/// Reads the rows of a case, day after day: what is booked later may speak of what was before.
pub(crate) struct RowReader<'k> {
    known: &'k Known<'k>,
    days: Days,
    customers: Vec<CustomerId>,
    /// Branches with their parents, as they are written.
    parents: Vec<(CustomerId, Node)>,
    invoices: Vec<(DocumentNumber, CustomerId, Currency)>,
    numbers: Vec<DocumentNumber>,
    count: usize,
    /// Whether nobody knows the names yet, since the first rows lie in files.
    is_open: bool,
}

impl<'k> RowReader<'k> {
    pub(crate) fn new(known: &'k Known<'k>, days: Days) -> Self {
        let (customers, invoices, numbers) = (Vec::new(), Vec::new(), Vec::new());
        Self { known, days, customers, parents: Vec::new(), invoices, numbers, count: 0, is_open: true }
    }

    /// Reads `ledger`. Where it names no customer, there is one, invented.
    pub(crate) fn first_rows(&mut self, node: &Node, problems: &mut Problems<'_>) -> Option<Rows> {
        self.is_open = false;
        self.rows(node, true, problems)
    }

    /// Reads what is booked later.
    pub(crate) fn further_rows(&mut self, node: &Node, problems: &mut Problems<'_>) -> Option<Rows> {
        self.rows(node, false, problems)
    }

    fn rows(&mut self, node: &Node, is_first: bool, problems: &mut Problems<'_>) -> Option<Rows> {
        let mut fields = Fields::open(node, "a ledger", problems)?;
        let customers = fields
            .optional("customers", problems, |node, problems| {
                yaml::list(|node, problems| self.customer(node, problems))(node, problems)
            })
            .unwrap_or_default();
        let parents = self.check_parents(problems);
        let mut rows = Rows { customers, parents, ..Rows::default() };
        if is_first && fields.key_span("customers").is_none() {
            let customer = self.invented("C-1");
            self.customers.push(customer.id.clone());
            rows.customers.push((customer, RowAttributes::new()));
        }
        rows.invoices = fields
            .optional("invoices", problems, |node, problems| {
                yaml::list(|node, problems| self.document_row(node, DocumentKind::Invoice, problems))(node, problems)
            })
            .unwrap_or_default();
        rows.credit_notes = fields
            .optional("credit_notes", problems, |node, problems| {
                yaml::list(|node, problems| self.document_row(node, DocumentKind::CreditNote, problems))(node, problems)
            })
            .unwrap_or_default();
        rows.payments = fields
            .optional("payments", problems, |node, problems| {
                yaml::list(|node, problems| self.payment(node, problems))(node, problems)
            })
            .unwrap_or_default();
        fields.close(problems);
        self.count += rows.count().max(1);
        if self.count > ROWS_MAX {
            problems.error(node.span, format!("The case has {} rows; at most {ROWS_MAX} are read", self.count));
        }
        Some(rows)
    }

    /// Returns the branches that were read, with their parents, where they make groups of one step.
    fn check_parents(&mut self, problems: &mut Problems<'_>) -> Vec<(CustomerId, CustomerId)> {
        let written = std::mem::take(&mut self.parents);
        let mut parents = Vec::with_capacity(written.len());
        for (branch, node) in &written {
            let Some(parent) = self.customer_id(node, problems) else { continue };
            if written.iter().any(|(other, _)| *other == parent) {
                let message = format!("`{parent}` cannot be a parent: it is a branch itself");
                problems.error_hint(node.span, message, "a group is one step deep: name the one customer at the head");
                continue;
            }
            parents.push((branch.clone(), parent));
        }
        parents
    }

    /// Reads the number of an invoice that is there.
    pub(crate) fn invoice(&self, node: &Node, problems: &mut Problems<'_>) -> Option<DocumentNumber> {
        let number = DocumentNumber::new(yaml::text(node, problems)?);
        if !self.is_open && !self.invoices.iter().any(|(own, ..)| *own == number) {
            let known: Vec<&str> = self.invoices.iter().map(|(own, ..)| own.as_str()).collect();
            yaml::unknown_word(node, number.as_str(), known.iter().copied(), problems);
            return None;
        }
        Some(number)
    }

    /// Returns the numbers of all documents there are.
    pub(crate) fn invoice_numbers(&self) -> impl Iterator<Item = &str> + Clone {
        self.numbers.iter().map(DocumentNumber::as_str)
    }

    /// Returns whether there is such a document; where the rows come from files, nobody knows yet.
    pub(crate) fn is_known(&self, number: &DocumentNumber) -> bool {
        self.is_open || self.numbers.contains(number)
    }

    /// Reads the number of a document that is there.
    pub(crate) fn document(&self, node: &Node, problems: &mut Problems<'_>) -> Option<DocumentNumber> {
        let number = DocumentNumber::new(yaml::text(node, problems)?);
        if !self.is_known(&number) {
            yaml::unknown_word(node, number.as_str(), self.invoice_numbers(), problems);
            return None;
        }
        Some(number)
    }

    /// Reads the id of a customer who is there.
    pub(crate) fn customer_id(&self, node: &Node, problems: &mut Problems<'_>) -> Option<CustomerId> {
        let id = CustomerId::new(yaml::text(node, problems)?);
        if !self.is_open && !self.customers.contains(&id) {
            yaml::unknown_word(node, id.as_str(), self.customers.iter().map(CustomerId::as_str), problems);
            return None;
        }
        Some(id)
    }

    /// Returns whose an invoice is.
    pub(crate) fn owner_of(&self, number: &DocumentNumber) -> Option<(&CustomerId, Currency)> {
        self.invoices.iter().find(|(own, ..)| own == number).map(|(_, owner, currency)| (owner, *currency))
    }

    /// Returns the customer who is alone.
    pub(crate) fn only_customer(&self) -> Option<&CustomerId> {
        match self.customers.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    fn invented(&self, id: &str) -> Customer {
        let domain: String = id.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
        let domain = domain.trim_matches('-').to_lowercase();
        let mut contacts = Contacts::default();
        for key in &self.known.recipient_keys {
            let address = format!("{key}@{domain}.example");
            contacts.add(key, Some(address.as_str()).filter(|address| is_address(address)).into_iter());
        }
        Customer { name: format!("Customer {id}").into(), contacts, ..Customer::from_id(id) }
    }

    fn customer(&mut self, node: &Node, problems: &mut Problems<'_>) -> Option<(Customer, RowAttributes)> {
        let mut fields = Fields::open(node, "a customer", problems)?;
        let id = fields.required("id", problems, yaml::text);
        let mut customer = self.invented(id.as_deref().unwrap_or_default());
        if let Some(name) = fields.optional("name", problems, yaml::text) {
            customer.name = name.into();
        }
        customer.language = fields.optional("language", problems, yaml::text).map(Language::new);
        let tags = fields.optional("tags", problems, yaml::one_or_list(yaml::text)).unwrap_or_default();
        customer.tags = tags.into_iter().map(CompactString::from).collect();
        customer.hold_until = fields.optional("hold_until", problems, self.days.reader());
        let contacts = fields.optional("contacts", problems, |node, problems| self.contacts(node, problems));
        if let Some(contacts) = contacts {
            customer.contacts = Contacts::default();
            for (key, addresses) in contacts {
                customer.contacts.add(&key, addresses.iter().map(String::as_str));
            }
        }
        let parent = fields.node("parent").cloned();
        let attributes = fields.optional("attributes", problems, attributes).unwrap_or_default();
        fields.close(problems);
        let id = CustomerId::new(id?);
        if self.customers.contains(&id) {
            problems.error_hint(node.span, format!("`{id}` is the id of another customer too"), "give each an id of its own");
            return None;
        }
        self.parents.extend(parent.map(|parent| (id.clone(), parent)));
        self.customers.push(id);
        Some((customer, attributes))
    }

    fn contacts(&self, node: &Node, problems: &mut Problems<'_>) -> Option<Vec<(RecipientKey, Vec<String>)>> {
        yaml::map(|entry, problems| {
            let keys = || self.known.recipient_keys.iter().map(RecipientKey::as_str);
            if !keys().any(|key| key == entry.key) {
                let key = Node { span: entry.span, value: entry.value.value.clone() };
                yaml::unknown_word(&key, &entry.key, keys(), problems);
                return None;
            }
            let addresses = yaml::one_or_list(|node, problems| {
                let text = yaml::text(node, problems)?;
                if !is_address(&text) {
                    problems.error_hint(node.span, format!("`{text}` is not an address"), "write `billing@customer.example`");
                    return None;
                }
                Some(text)
            })(&entry.value, problems)?;
            Some((RecipientKey::new(&entry.key), addresses))
        })(node, problems)
    }

    /// Reads whose a row is; who stands alone need not be named.
    fn owner(&self, fields: &mut Fields<'_>, problems: &mut Problems<'_>) -> Option<CustomerId> {
        if fields.key_span("customer").is_none()
            && let Some(only) = self.only_customer()
        {
            // Asked for, so that it counts as known.
            fields.node("customer");
            return Some(only.clone());
        }
        fields.required("customer", problems, |node, problems| self.customer_id(node, problems))
    }

    fn document_row(&mut self, node: &Node, kind: DocumentKind, problems: &mut Problems<'_>) -> Option<DocumentRow> {
        let is_invoice = kind == DocumentKind::Invoice;
        let mut fields = Fields::open(node, if is_invoice { "an invoice" } else { "a credit note" }, problems)?;
        let number = fields.required("number", problems, yaml::text);
        let owner = self.owner(&mut fields, problems);
        let total = fields.required("total", problems, yaml::decimal);
        let open = fields.optional("open", problems, yaml::decimal);
        let currency = fields.optional("currency", problems, yaml::currency).unwrap_or(self.known.currency);
        let settled_on = fields.optional("settled_on", problems, self.days.reader());
        let attributes = fields.optional("attributes", problems, attributes).unwrap_or_default();
        let (mut due_on, mut applies_to, mut hold_until, mut promised_on) = (None, None, None, None);
        let (mut disputed, mut approved) = (false, true);
        let issued_on = if is_invoice {
            due_on = fields.optional("due_on", problems, self.days.reader());
            disputed = fields.optional("disputed", problems, yaml::boolean).unwrap_or(false);
            approved = fields.optional("approved", problems, yaml::boolean).unwrap_or(true);
            hold_until = fields.optional("hold_until", problems, self.days.reader());
            promised_on = fields.optional("promised_on", problems, self.days.reader());
            let issued_on = fields.optional("issued_on", problems, self.days.reader());
            Some(issued_on.unwrap_or_else(|| due_on.map_or(self.days.first(), |due_on| shifted(due_on, -TERM_DAYS))))
        } else {
            applies_to = fields.optional("invoice", problems, |node, problems| self.invoice(node, problems));
            fields.required("issued_on", problems, self.days.reader())
        };
        fields.close(problems);
        let number = DocumentNumber::new(number?);
        if self.numbers.contains(&number) {
            problems.error_hint(node.span, format!("`{number}` is the number of another document too"), "give it one of its own");
            return None;
        }
        // Known whatever else is wrong with it, so that one slip is one problem.
        self.numbers.push(number.clone());
        let (owner, total) = (owner?, total?);
        if is_invoice {
            self.invoices.push((number.clone(), owner.clone(), currency));
        }
        let sign = |amount: Decimal| if is_invoice { amount } else { -amount.abs() };
        let document = Document {
            number,
            customer: CustomerIndex(0),
            kind,
            currency,
            issued_on: issued_on?,
            due_on,
            settled_on,
            total: sign(total),
            open: open.map(sign),
            disputed,
            approved,
            hold_until,
            promised_on,
            row: 0,
        };
        Some(DocumentRow { document, owner, applies_to, attributes })
    }

    fn payment(&self, node: &Node, problems: &mut Problems<'_>) -> Option<PaymentRow> {
        let mut fields = Fields::open(node, "a payment", problems)?;
        let invoice = fields.optional("invoice", problems, |node, problems| self.invoice(node, problems));
        let settled = invoice.as_ref().and_then(|number| self.owner_of(number));
        let owner = match settled {
            Some((owner, _)) => {
                fields.optional("customer", problems, |node, problems| self.customer_id(node, problems)).or(Some(owner.clone()))
            }
            None => self.owner(&mut fields, problems),
        };
        let amount = fields.required("amount", problems, yaml::decimal);
        let currency = fields.optional("currency", problems, yaml::currency);
        let received_on = fields.required("received_on", problems, self.days.reader());
        let reference = fields.optional("reference", problems, yaml::text).unwrap_or_default();
        let method = fields.optional("method", problems, yaml::text).unwrap_or_default();
        fields.close(problems);
        let currency = currency.or(settled.map(|(_, currency)| currency)).unwrap_or(self.known.currency);
        Some(PaymentRow { owner: owner?, invoice, amount: amount?, currency, received_on: received_on?, reference, method })
    }
}

fn attributes(node: &Node, problems: &mut Problems<'_>) -> Option<RowAttributes> {
    let entries = yaml::map(|entry, problems| Some((entry.key.clone(), yaml::text(&entry.value, problems)?)))(node, problems)?;
    Some(entries.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruletest::tests::{known, rows};

    #[test]
    fn a_ledger_taken_apart_and_made_again_has_the_same_figures_on_every_day() {
        let text = "{ customers: [{ id: A, tags: [vip], attributes: { Region: north } }, { id: B }], \
            invoices: [{ number: 1, customer: A, total: 100, due_on: day 5, attributes: { Order: x } }, \
            { number: 2, customer: A, total: 60.50, currency: USD }, { number: 3, customer: B, total: 9, open: 4 }], \
            credit_notes: [{ number: 4, customer: A, total: 30, issued_on: day 3, invoice: 1 }, { number: 5, customer: A, total: 7, issued_on: day 4 }], \
            payments: [{ invoice: 1, amount: 30, received_on: day 3 }, { customer: B, amount: 2, received_on: day 9, reference: R }] }";
        let first = rows(text).ledger(&Columns::default()).unwrap();
        let second = Rows::of(&first, first.customer_indexes()).ledger(&Columns::default()).unwrap();
        assert_eq!(first.customers(), second.customers());
        for day in 0..20 {
            let on = shifted(Days::default().first(), day);
            let figures = |ledger: &Ledger| -> Vec<Decimal> {
                let open = (0..ledger.documents().len() as u32).map(|place| ledger.open_on(DocumentIndex(place), on));
                let unapplied = ledger.customer_indexes().map(|one| ledger.unapplied_on(one, known().currency, on));
                open.chain(unapplied).collect()
            };
            assert_eq!(figures(&first), figures(&second), "{on}");
        }
    }
}
