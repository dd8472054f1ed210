//! Building a ledger: rows come one after the other, references are checked, and at the end everything is put in order.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use compact_str::CompactString;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use thiserror::Error;

use crate::domain::customer::Customer;
use crate::domain::document::{Document, DocumentKind, Payment};
use crate::domain::ledger::group::Groups;
use crate::domain::ledger::order::{document_order, inverse, permute, starts};
use crate::domain::ledger::{Application, Attributes, CustomerIndex, DocumentIndex, Ledger, PaymentIndex, Source};
use crate::domain::money::Currency;

/// Why a row cannot go into a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// Two customers with one id.
    #[error("Customer `{id}` is listed twice")]
    CustomerTwice {
        /// The id.
        id: CompactString,
    },
    /// Two documents with one number.
    #[error("Document `{number}` is listed twice")]
    DocumentTwice {
        /// The number.
        number: CompactString,
    },
    /// A row names a customer that the customers' file does not have.
    #[error("Customer `{id}` is not in the customers' file")]
    CustomerUnknown {
        /// The id.
        id: CompactString,
    },
    /// A payment or credit note names an invoice that is not there.
    #[error("Invoice `{number}` is not in the ledger")]
    DocumentUnknown {
        /// The number.
        number: CompactString,
    },
    /// A payment or credit note in another currency than the invoice it settles.
    #[error("Invoice `{number}` is in {own}, not in {other}")]
    CurrencyDiffers {
        /// The invoice's number.
        number: CompactString,
        /// The invoice's currency.
        own: Currency,
        /// The payment's currency.
        other: Currency,
    },
    /// A customer is given as its own parent.
    #[error("Customer `{id}` cannot be its own parent")]
    ParentOfItself {
        /// The id.
        id: CompactString,
    },
    /// The parent is itself a branch: of the customer (a cycle), or of a third one (a chain).
    #[error("Customer `{parent}` cannot be a parent: it is itself a branch of `{head}`")]
    ParentIsBranch {
        /// The id of the parent.
        parent: CompactString,
        /// The id of the parent's parent.
        head: CompactString,
    },
    /// A customer that is a parent is to be a branch: a chain.
    #[error("Customer `{id}` cannot be a branch: it is itself the parent of `{branch}`")]
    BranchIsParent {
        /// The id.
        id: CompactString,
        /// The id of a branch of its own.
        branch: CompactString,
    },
    /// More rows or text than a ledger holds (4 billion rows, 4 GiB of attributes).
    #[error("The ledger is full: at most 4 billion rows and 4 GiB of further columns")]
    Full,
}

/// Collects customers, then invoices, then credit notes, then payments, and freezes them into a [`Ledger`].
///
/// The order matters: a row can only refer to what was added before it.
#[derive(Debug)]
pub struct LedgerBuilder {
    ledger: Ledger,
    /// Places in `ledger.customers`; the ids stay in the rows.
    customers_by_id: HashTable<u32>,
    /// Places in `ledger.documents`; the numbers stay in the rows. Empty as long as `are_numbers_ascending`.
    documents_by_number: HashTable<u32>,
    /// Whether each document's number sorts after the one before, as in most exports: then no number can be there
    /// twice, and a number is found by bisection.
    are_numbers_ascending: bool,
    hasher: FixedState,
    /// How many documents each customer has, in order of arrival.
    document_counts: Vec<u32>,
    /// The customers that the last documents name, whose references are not checked yet.
    unchecked_customers: Vec<CompactString>,
    /// Parents by branch, and for each parent its first branch.
    parents: BTreeMap<CustomerIndex, CustomerIndex>,
    first_branches: BTreeMap<CustomerIndex, CustomerIndex>,
}

/// What to do with a customer that an invoice names and that was not added before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingCustomer {
    /// Refuse the invoice.
    Refuse,
    /// Add a customer that has only this id.
    Make,
}

impl Default for LedgerBuilder {
    fn default() -> Self {
        Self {
            ledger: Ledger::default(),
            customers_by_id: HashTable::new(),
            documents_by_number: HashTable::new(),
            are_numbers_ascending: true,
            hasher: FixedState::with_seed(0),
            document_counts: vec![],
            unchecked_customers: vec![],
            parents: BTreeMap::new(),
            first_branches: BTreeMap::new(),
        }
    }
}

impl LedgerBuilder {
    /// Returns an empty builder; `customer_columns` and so on name the further columns of each file.
    pub fn new(
        customer_columns: Vec<CompactString>,
        invoice_columns: Vec<CompactString>,
        credit_note_columns: Vec<CompactString>,
    ) -> Self {
        let mut builder = Self::default();
        builder.ledger.customer_attributes = Attributes::new(customer_columns);
        builder.ledger.document_attributes = [Attributes::new(invoice_columns), Attributes::new(credit_note_columns)];
        builder
    }

    /// Sets the seed of the tables that find customers and documents; nothing in the finished ledger depends on it.
    ///
    /// A source that reads what strangers may have written gives a random one, so that nobody can choose numbers
    /// that all fall into one place of the table.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.hasher = FixedState::with_seed(seed);
        self
    }

    /// Makes room for `count` customers in all. A guess is enough; it only saves time.
    pub fn reserve_customers(&mut self, count: usize) {
        let Self { ledger, customers_by_id, hasher, .. } = self;
        let more = count.saturating_sub(ledger.customers.len());
        customers_by_id.reserve(more, |place| hasher.hash_one(ledger.customers[*place as usize].id.as_str()));
        ledger.customers.reserve(more);
        ledger.customer_attributes.reserve(count);
        self.document_counts.reserve(more);
    }

    /// Makes room for `count` documents in all. A guess is enough; it only saves time.
    pub fn reserve_documents(&mut self, count: usize) {
        self.ledger.documents.reserve(count.saturating_sub(self.ledger.documents.len()));
        self.ledger.document_attributes[0].reserve(count);
    }

    /// Adds a customer; `customer.row` is set here.
    pub fn add_customer<'a>(
        &mut self,
        mut customer: Customer,
        attributes: impl Iterator<Item = &'a str>,
    ) -> Result<CustomerIndex, LedgerError> {
        let Self { ledger, customers_by_id, hasher, .. } = self;
        let index = u32::try_from(ledger.customers.len()).map_err(|_| LedgerError::Full)?;
        let (id, customers) = (customer.id.as_str(), &ledger.customers);
        let hash_of = |place: &u32| hasher.hash_one(customers[*place as usize].id.as_str());
        match customers_by_id.entry(hasher.hash_one(id), |place| customers[*place as usize].id.as_str() == id, hash_of) {
            Entry::Occupied(_) => return Err(LedgerError::CustomerTwice { id: CompactString::new(id) }),
            Entry::Vacant(vacant) => vacant.insert(index),
        };
        customer.row = index;
        ledger.customers.push(customer);
        self.document_counts.push(0);
        ledger.customer_attributes.push(attributes).ok_or(LedgerError::Full)?;
        Ok(CustomerIndex(index))
    }

    /// Makes a customer a branch of another; both are added before. A group is one step deep: a parent is no branch.
    ///
    /// # Errors
    /// The two would make a cycle or a chain.
    pub fn set_parent(&mut self, branch: CustomerIndex, parent: CustomerIndex) -> Result<(), LedgerError> {
        let id = |index: CustomerIndex| CompactString::new(self.customer(index).id.as_str());
        if branch == parent {
            return Err(LedgerError::ParentOfItself { id: id(branch) });
        }
        if let Some(head) = self.parents.get(&parent) {
            return Err(LedgerError::ParentIsBranch { parent: id(parent), head: id(*head) });
        }
        if let Some(own) = self.first_branches.get(&branch) {
            return Err(LedgerError::BranchIsParent { id: id(branch), branch: id(*own) });
        }
        self.parents.insert(branch, parent);
        self.first_branches.entry(parent).or_insert(branch);
        Ok(())
    }

    /// Returns the customer added under `id`.
    pub fn find_customer(&self, id: &str) -> Result<CustomerIndex, LedgerError> {
        let is_it = |place: &u32| self.ledger.customers[*place as usize].id.as_str() == id;
        let found = self.customers_by_id.find(self.hasher.hash_one(id), is_it).copied().map(CustomerIndex);
        found.ok_or_else(|| LedgerError::CustomerUnknown { id: CompactString::new(id) })
    }

    /// Returns the document added under `number`.
    pub fn find_document(&self, number: &str) -> Result<DocumentIndex, LedgerError> {
        let documents = &self.ledger.documents;
        let found = if self.are_numbers_ascending {
            documents.binary_search_by(|document| document.number.as_str().cmp(number)).ok().map(|place| place as u32)
        } else {
            let is_it = |place: &u32| documents[*place as usize].number.as_str() == number;
            self.documents_by_number.find(self.hasher.hash_one(number), is_it).copied()
        };
        let found = found.map(DocumentIndex);
        found.ok_or_else(|| LedgerError::DocumentUnknown { number: CompactString::new(number) })
    }

    /// Returns the customer added at `index`, which must come from this builder.
    pub fn customer(&self, index: CustomerIndex) -> &Customer {
        self.ledger.customer(index)
    }

    /// Returns the document added at `index`, which must come from this builder.
    pub fn document(&self, index: DocumentIndex) -> &Document {
        self.ledger.document(index)
    }

    /// Adds a row of the invoices' file; a negative total makes it a credit note. `document.row` is set here.
    pub fn add_invoice<'a>(
        &mut self,
        document: Document,
        attributes: impl Iterator<Item = &'a str>,
    ) -> Result<DocumentIndex, LedgerError> {
        let index = self.add_document(document)?;
        self.ledger.document_attributes[0].push(attributes).ok_or(LedgerError::Full)?;
        self.ledger.credit_note_row_first = index.0 + 1;
        Ok(index)
    }

    /// Adds a row of the invoices' file without looking yet whether its number is new and its customer there.
    ///
    /// [`LedgerBuilder::check_invoices`] must follow, best after some thousand rows. Looking up rows one by one between
    /// reading and reading waits for memory twice a row; looking them up together took a third of the time.
    pub fn add_invoice_unchecked<'a>(
        &mut self,
        mut document: Document,
        customer_id: &str,
        attributes: impl Iterator<Item = &'a str>,
    ) -> Result<DocumentIndex, LedgerError> {
        let index = self.prepare(&mut document)?;
        self.ledger.documents.push(document);
        self.unchecked_customers.push(CompactString::new(customer_id));
        self.ledger.document_attributes[0].push(attributes).ok_or(LedgerError::Full)?;
        self.ledger.credit_note_row_first = index.0 + 1;
        Ok(index)
    }

    /// Checks what [`LedgerBuilder::add_invoice_unchecked`] has added and returns every document that contradicts the
    /// ledger. After such an error the builder is good for finding more of them, not for a ledger.
    pub fn check_invoices(&mut self, missing: MissingCustomer) -> Vec<(DocumentIndex, LedgerError)> {
        let mut refused = vec![];
        let customers = std::mem::take(&mut self.unchecked_customers);
        let first = self.ledger.documents.len() - customers.len();
        for (place, id) in (first..).zip(&customers) {
            let found = match (self.find_customer(id), missing) {
                (Err(_), MissingCustomer::Make) => self.add_customer(Customer::from_id(id), [].into_iter()),
                (found, _) => found,
            };
            match found {
                Ok(customer) => {
                    self.ledger.documents[place].customer = customer;
                    self.document_counts[customer.0 as usize] += 1;
                }
                Err(error) => refused.push((DocumentIndex(place as u32), error)),
            }
        }
        for place in first..self.ledger.documents.len() {
            if let Err(error) = self.index_document(place as u32) {
                refused.push((DocumentIndex(place as u32), error));
            }
        }
        self.unchecked_customers = customers; // Kept for its memory.
        self.unchecked_customers.clear();
        refused
    }

    /// Adds a row of the credit notes' file, after all invoices; with `applies_to` it settles that much of the
    /// invoice from its issue date on. `document.row` is set here.
    pub fn add_credit_note<'a>(
        &mut self,
        document: Document,
        applies_to: Option<DocumentIndex>,
        attributes: impl Iterator<Item = &'a str>,
    ) -> Result<DocumentIndex, LedgerError> {
        let (on, credit, currency) = (document.issued_on, document.total, document.currency);
        if let Some(invoice) = applies_to {
            self.same_currency(invoice, currency)?;
        }
        let index = self.add_document(document)?;
        self.ledger.document_attributes[1].push(attributes).ok_or(LedgerError::Full)?;
        if let Some(invoice) = applies_to {
            for (document, source, amount) in [(invoice, index, -credit), (index, invoice, credit)] {
                let source = Source::Document(source);
                self.ledger.applications.push(Application { document, source, on, amount, is_expected: false });
            }
        }
        Ok(index)
    }

    /// Adds a payment; with a document it settles that much of it from the day it was received.
    pub fn add_payment(&mut self, payment: Payment) -> Result<(), LedgerError> {
        self.add_applied(payment, false)
    }

    /// Says how the payment that was added last was made.
    pub fn note_payment_method(&mut self, method: &str) {
        let count = self.ledger.payments.len();
        if !method.is_empty() && count > 0 {
            self.ledger.payment_methods.resize(count - 1, CompactString::default());
            self.ledger.payment_methods.push(method.into());
        }
    }

    /// Adds a payment that has not come yet; with a document it settles that much of it too, also of what the books give as open.
    pub fn add_expected_payment(&mut self, payment: Payment) -> Result<(), LedgerError> {
        self.add_applied(payment, true)
    }

    fn add_applied(&mut self, payment: Payment, is_expected: bool) -> Result<(), LedgerError> {
        if let Some(document) = payment.document {
            self.same_currency(document, payment.currency)?;
            let (on, amount) = (payment.received_on, payment.amount);
            let place = u32::try_from(self.ledger.payments.len()).map_err(|_| LedgerError::Full)?;
            let source = Source::Payment(PaymentIndex(place));
            self.ledger.applications.push(Application { document, source, on, amount, is_expected });
        }
        self.ledger.payments.push(payment);
        Ok(())
    }

    /// Puts everything into the order the ledger promises.
    pub fn finish(self) -> Ledger {
        let Self { mut ledger, customers_by_id, documents_by_number, document_counts, parents, .. } = self;
        drop((customers_by_id, documents_by_number)); // Frees their memory before the sorting needs some.

        // Customers: sorted by id; `new_place[old]` tells where each went.
        let mut order: Vec<u32> = (0..ledger.customers.len() as u32).collect();
        order.sort_unstable_by(|a, b| ledger.customers[*a as usize].id.cmp(&ledger.customers[*b as usize].id));
        let new_place = inverse(&order);
        let counts = order.iter().map(|old| document_counts[*old as usize]);
        ledger.document_starts = std::iter::once(0)
            .chain(counts.scan(0, |end, count| {
                *end += count;
                Some(*end)
            }))
            .collect();
        permute(&mut ledger.customers, order);
        let order = document_order(&mut ledger.documents, &ledger.document_starts, &new_place);
        // Only payments and applications refer to documents.
        let document_place = if ledger.payments.is_empty() && ledger.applications.is_empty() { vec![] } else { inverse(&order) };
        permute(&mut ledger.documents, order);

        for payment in &mut ledger.payments {
            payment.customer = CustomerIndex(new_place[payment.customer.0 as usize]);
            payment.document = payment.document.map(|old| DocumentIndex(document_place[old.0 as usize]));
        }
        let mut order: Vec<u32> = (0..ledger.payments.len() as u32).collect();
        order.sort_by_key(|old| {
            let payment = &ledger.payments[*old as usize];
            (payment.customer, payment.received_on)
        });
        let payment_place = if ledger.applications.is_empty() { vec![] } else { inverse(&order) };
        if !ledger.payment_methods.is_empty() {
            ledger.payment_methods.resize(ledger.payments.len(), CompactString::default());
            permute(&mut ledger.payment_methods, order.clone());
        }
        permute(&mut ledger.payments, order);
        ledger.payment_starts = starts(ledger.customers.len(), ledger.payments.iter().map(|payment| payment.customer.0));

        for application in &mut ledger.applications {
            application.document = DocumentIndex(document_place[application.document.0 as usize]);
            application.source = match application.source {
                Source::Payment(old) => Source::Payment(PaymentIndex(payment_place[old.0 as usize])),
                Source::Document(old) => Source::Document(DocumentIndex(document_place[old.0 as usize])),
            };
        }
        let place = |old: CustomerIndex| CustomerIndex(new_place[old.0 as usize]);
        ledger.groups = Groups::new(parents.into_iter().map(|(branch, parent)| (place(branch), place(parent))));
        ledger.applications.sort_by_key(|application| (application.document, application.on));
        if !ledger.applications.is_empty() {
            let documents = ledger.applications.iter().map(|application| application.document.0);
            ledger.application_starts = starts(ledger.documents.len(), documents);
        }

        ledger.customers.shrink_to_fit();
        ledger.documents.shrink_to_fit();
        ledger.payments.shrink_to_fit();
        ledger.applications.shrink_to_fit();
        ledger.customer_attributes.shrink();
        ledger.document_attributes.iter_mut().for_each(Attributes::shrink);
        ledger
    }

    fn add_document(&mut self, mut document: Document) -> Result<DocumentIndex, LedgerError> {
        let index = self.prepare(&mut document)?;
        let customer = document.customer;
        self.ledger.documents.push(document);
        match self.index_document(index.0) {
            Ok(()) => {
                self.document_counts[customer.0 as usize] += 1;
                Ok(index)
            }
            Err(error) => {
                self.ledger.documents.pop();
                Err(error)
            }
        }
    }

    /// Sets a document's row and kind.
    fn prepare(&self, document: &mut Document) -> Result<DocumentIndex, LedgerError> {
        let index = u32::try_from(self.ledger.documents.len()).map_err(|_| LedgerError::Full)?;
        document.row = index;
        if document.total.is_sign_negative() && !document.total.is_zero() {
            document.kind = DocumentKind::CreditNote;
        }
        Ok(DocumentIndex(index))
    }

    /// Makes a document known by its number; all documents before it are known already.
    fn index_document(&mut self, place: u32) -> Result<(), LedgerError> {
        if self.are_numbers_ascending {
            let number = &self.ledger.documents[place as usize].number;
            if place == 0 || self.ledger.documents[place as usize - 1].number < *number {
                return Ok(());
            }
            self.are_numbers_ascending = false;
            // As many as there is room for, since a table that grows is filled again each time.
            self.documents_by_number.reserve(self.ledger.documents.capacity(), |_| 0);
            for earlier in 0..place {
                self.index_document(earlier)?;
            }
        }
        let Self { ledger, documents_by_number, hasher, .. } = self;
        let number_at = |place: u32| ledger.documents[place as usize].number.as_str();
        let number = number_at(place);
        let hash_of = |place: &u32| hasher.hash_one(number_at(*place));
        match documents_by_number.entry(hasher.hash_one(number), |other| number_at(*other) == number, hash_of) {
            Entry::Occupied(_) => Err(LedgerError::DocumentTwice { number: CompactString::new(number) }),
            Entry::Vacant(vacant) => {
                vacant.insert(place);
                Ok(())
            }
        }
    }

    fn same_currency(&self, document: DocumentIndex, other: Currency) -> Result<(), LedgerError> {
        let document = self.ledger.document(document);
        if document.currency == other {
            return Ok(());
        }
        let number = CompactString::new(document.number.as_str());
        Err(LedgerError::CurrencyDiffers { number, own: document.currency, other })
    }
}
