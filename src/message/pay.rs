//! What a letter asks to be paid: the sum, the invoices it is of, the page where it is paid, and the code that a bank reads.

use std::sync::Arc;

use minijinja::{Error, ErrorKind, Value};
use rust_decimal::Decimal;

use crate::domain::company::Company;
use crate::domain::date::{Date, ISO};
use crate::domain::document::DocumentKind;
use crate::domain::ledger::{DocumentIndex, PaymentIndex};
use crate::domain::money::{Money, plain};
use crate::domain::pay_url::PaySum;
use crate::domain::statement::StatementOfAccount;
use crate::message::compose::{Content, Letter};
use crate::payment::{PaymentCode, Reference, Transfer};
use crate::template::{Reader, image_value, money_of_value, money_value};

/// A sum that is owed, and the invoices it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) money: Money,
    pub(crate) invoices: Vec<DocumentIndex>,
}

/// Returns what a letter asks for: a statement's balance, else what is open of its items; `None` where nothing is owed, or where
/// something was paid since the day of the statement, so that its balance is not owed any more.
pub(crate) fn sum_of(letter: &Letter<'_>) -> Option<Owed> {
    let is_claim = |document: &DocumentIndex| {
        letter.ledger.document(*document).kind == DocumentKind::Invoice
            && letter.ledger.open_on(*document, letter.as_of) > Decimal::ZERO
    };
    let (amount, documents): (Decimal, Vec<DocumentIndex>) = match letter.content {
        // A statement that claims nothing asks for nothing.
        Content::Statement(statement) if has_moved(letter, statement) => return None,
        Content::Statement(statement) => (statement.claim()?.balance, statement.documents()),
        Content::Reminder | Content::Notice(_) => {
            let items = letter.items.iter().map(|(document, _)| *document);
            (items.clone().map(|document| letter.ledger.open_on(document, letter.as_of)).sum(), items.collect())
        }
    };
    let invoices = documents.into_iter().filter(is_claim).collect();
    (amount > Decimal::ZERO).then_some(Owed { money: Money { amount, currency: letter.currency }, invoices })
}

/// Returns whether anything lowers a statement's balance between its day and the day of its mail: a payment, a credit note, or that
/// one of its documents is settled.
fn has_moved(letter: &Letter<'_>, statement: &StatementOfAccount) -> bool {
    let (ledger, today) = (letter.ledger, letter.date.date());
    let is_since = |day: Date| letter.as_of < day && day <= today;
    let open_on = |document: DocumentIndex, day| ledger.open_on(document, day);
    let is_lower = |document| open_on(document, today) < open_on(document, letter.as_of);
    let pays = |payment: PaymentIndex| {
        let payment = ledger.payment(payment);
        payment.currency == statement.currency && payment.amount > Decimal::ZERO && is_since(payment.received_on)
    };
    let own_documents = |own| ledger.documents_of(own).map(|place| DocumentIndex(place as u32));
    let in_currency = |document: &DocumentIndex| ledger.document(*document).currency == statement.currency;
    ledger
        .members(letter.customer, statement.scope)
        .any(|own| ledger.payment_indexes_of(own).any(pays) || own_documents(own).filter(in_currency).any(is_lower))
}

/// Returns what is open of one document, where it is owed.
pub(crate) fn sum_of_item(letter: &Letter<'_>, document: DocumentIndex) -> Option<Owed> {
    let money =
        Money { amount: letter.ledger.open_on(document, letter.as_of), currency: letter.ledger.document(document).currency };
    (money.amount > Decimal::ZERO).then(|| Owed { money, invoices: vec![document] })
}

/// Returns the page where a sum is paid, where config.yaml names one for it.
pub(crate) fn payment_link(letter: &Letter<'_>, owed: &Owed) -> Option<String> {
    let pay_url = letter.company?.pay_url.as_ref()?;
    let customer_id = letter.ledger.customer(letter.customer).id.as_str();
    pay_url.fill(&PaySum { customer_id, invoice_numbers: &numbers(letter, owed), money: owed.money })
}

/// Returns the function by which a template asks for the page of another sum than the letter's own; `None` without such a page.
pub(crate) fn link_function(letter: &Letter<'_>, owed: &Owed) -> Option<Value> {
    let pay_url = letter.company?.pay_url.clone()?;
    let customer_id = letter.ledger.customer(letter.customer).id.clone();
    let own: Vec<String> = numbers(letter, owed).into_iter().map(str::to_owned).collect();
    Some(Value::from_function(move |sum: Value, items: Option<Value>| {
        let (money, named) = (asked_money(&sum)?, items.map(|items| named(&items)).transpose()?);
        let invoice_numbers: Vec<&str> = match &named {
            Some(named) => named.iter().map(|(number, _)| number.as_str()).collect(),
            None => own.iter().map(String::as_str).collect(),
        };
        let link = pay_url.fill(&PaySum { customer_id: customer_id.as_str(), invoice_numbers: &invoice_numbers, money });
        Ok::<Value, Error>(link.map_or(Value::UNDEFINED, Value::from))
    }))
}

/// What a transfer is for, as its code says it.
#[derive(Clone, Debug)]
struct Purpose {
    reference: Reference,
    messages: Vec<String>,
}

/// What the payment codes of one letter have in common.
#[derive(Clone, Debug)]
pub(crate) struct Payable {
    company: Company,
    customer: String,
    day: String,
    /// What is said where a template names no invoices.
    purpose: Purpose,
    reader: Arc<Reader>,
}

impl Payable {
    /// Returns what the codes of a letter have in common; `None` where no account is paid on in its currency.
    pub(crate) fn of(letter: &Letter<'_>, owed: &Owed, reader: &Arc<Reader>) -> Option<Self> {
        let company = letter.company?;
        company.bank_account(letter.currency)?;
        let column = company.payment_reference.as_str();
        let reference = match owed.invoices.as_slice() {
            [only] if !column.is_empty() => letter.ledger.document_attribute(*only, column).map(Reference::parse),
            _ => None,
        };
        let reference = reference.unwrap_or_default();
        let customer = letter.ledger.customer(letter.customer).id.as_str();
        let day = letter.as_of.strftime(ISO).to_string();
        let purpose = Purpose { reference, messages: messages(&numbers(letter, owed), customer, &day) };
        Some(Self { company: company.clone(), customer: customer.to_owned(), day, purpose, reader: Arc::clone(reader) })
    }

    /// Returns the code for a sum as templates see it, `None` where there can be none.
    pub(crate) fn code(&self, money: Money) -> Option<Value> {
        self.value_of(money, &self.purpose)
    }

    /// Returns the function by which a template asks for the code of another sum than the letter's own.
    pub(crate) fn function(self) -> Value {
        Value::from_function(move |sum: Value, items: Option<Value>| {
            let (money, named) = (asked_money(&sum)?, items.map(|items| named(&items)).transpose()?);
            let code = match named {
                Some(named) => self.value_of(money, &self.purpose_of(&named)),
                None => self.code(money),
            };
            Ok::<Value, Error>(code.unwrap_or(Value::UNDEFINED))
        })
    }

    /// Returns what a transfer for these invoices says, each with its further columns.
    fn purpose_of(&self, named: &[(String, Value)]) -> Purpose {
        let column = self.company.payment_reference.as_str();
        let reference = match named {
            [(_, attributes)] if !column.is_empty() => attributes.get_attr(column).ok(),
            _ => None,
        };
        let reference = reference.as_ref().and_then(Value::as_str).map(Reference::parse).unwrap_or_default();
        let numbers: Vec<&str> = named.iter().map(|(number, _)| number.as_str()).collect();
        Purpose { reference, messages: messages(&numbers, &self.customer, &self.day) }
    }

    fn code_of(&self, money: Money, purpose: &Purpose) -> Option<PaymentCode> {
        let account = self.company.bank_account(money.currency)?;
        let Purpose { reference, messages } = purpose.clone();
        PaymentCode::of(&Transfer { company: &self.company, account, money, reference, messages })
    }

    fn value_of(&self, money: Money, purpose: &Purpose) -> Option<Value> {
        let account = self.company.bank_account(money.currency)?;
        let code = self.code_of(money, purpose)?;
        let iban = account.iban.as_ref().map_or_else(String::new, ToString::to_string);
        let said = match &purpose.reference {
            Reference::None => purpose.messages.first().cloned().unwrap_or_default(),
            known => known.printed(),
        };
        // No words, so that it is right in every language.
        let alternative = format!("QR – {}, {}, {iban}, {said}", self.reader.money(money), account.holder);
        // A mail may show codes for several sums; each is an image of its own.
        let name = format!("payment-{}-{}.png", money.currency, plain(money.amount, money.currency));
        let parts = [
            ("amount", money_value(money, &self.reader)),
            ("payee", account.holder.as_str().into()),
            ("iban", code.iban().into()),
            ("reference", code.reference().into()),
        ];
        Some(image_value(&name, alternative, Value::from_pairs(parts), code, |code| code.png().into()))
    }
}

/// Returns the sum that a template asks for.
fn asked_money(sum: &Value) -> Result<Money, Error> {
    let fault = || Error::new(ErrorKind::InvalidOperation, format!("`{sum}` is not an amount with its currency"));
    money_of_value(sum).ok_or_else(fault)
}

/// Returns the numbers and further columns of the invoices that a template names: `items`, or some of them.
fn named(items: &Value) -> Result<Vec<(String, Value)>, Error> {
    let one = |item: Value| {
        let number = item.get_attr("number").ok().filter(|number| !number.is_undefined());
        let fault =
            || Error::new(ErrorKind::InvalidOperation, format!("`{item}` is not an invoice: pass `items`, or some of them"));
        let number = number.ok_or_else(fault)?.to_string();
        Ok((number, item.get_attr("attributes")?))
    };
    items.try_iter()?.map(one).collect()
}

/// Returns the numbers of the invoices that a sum is of.
fn numbers<'l>(letter: &Letter<'l>, owed: &Owed) -> Vec<&'l str> {
    owed.invoices.iter().map(|index| letter.ledger.document(*index).number.as_str()).collect()
}

/// Returns what a transfer can say it is for, the best first: the invoices' numbers and the customer, the numbers alone, or,
/// where they are too many, the customer and the day.
fn messages(numbers: &[&str], customer: &str, day: &str) -> Vec<String> {
    let day = format!("{customer} {day}");
    match numbers.join(", ") {
        none if none.is_empty() => vec![day],
        numbers => vec![format!("{numbers} / {customer}"), numbers, day],
    }
}
