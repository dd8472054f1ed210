//! The values of one letter, in its reader's convention. Every name here is in the table of `variables.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::Value;
use rust_decimal::Decimal;

use crate::domain::company::{BankAccount, Company};
use crate::domain::date::Date;
use crate::domain::id::Language;
use crate::domain::ledger::{AccountScope, DocumentIndex, PaymentIndex};
use crate::domain::money::{Currency, Money};
use crate::message::compose::{Content, Letter};
use crate::message::pay::{Payable, link_function, payment_link, sum_of, sum_of_item};
use crate::message::statement::statement_values;
use crate::template::{Album, IMAGE_FUNCTION, Reader, date_value, money_value, record_value, text_value, variable_value};

/// The column of the customers' file that has first names.
const FIRST_NAME: &str = "first_name";

/// Returns what the templates of `letter` may use, for a reader of `language`; images where there is an album for them.
pub(crate) fn context(letter: &Letter<'_>, reader: &Arc<Reader>, language: &Language, album: Option<&Album>) -> Value {
    let figures = Figures::of(letter);
    let money = |amount| money_value(Money { amount, currency: letter.currency }, reader);
    let customer = letter.ledger.customer(letter.customer);
    let language = language.as_str();
    let own_language = customer.language.as_ref().map_or(language, |own| own.as_str());
    let first_name = letter.ledger.customer_attribute(letter.customer, FIRST_NAME).filter(|name| !name.is_empty());
    let first_name = first_name.unwrap_or(&customer.name);
    let attributes = letter.ledger.customer_attribute_names().filter_map(|name| {
        letter.ledger.customer_attribute(letter.customer, name).map(|value| (name.to_owned(), text_value(value)))
    });
    let items: Vec<Value> =
        letter.items.iter().map(|(document, level)| item(letter, *document, Some(level.as_str()), reader)).collect();
    let (due_items, upcoming_items) = split(letter, &items);
    let other_items = figures.other_items.iter().map(|document| item(letter, *document, None, reader));
    let company = letter.company.map(|company| ("company", company_values(company, letter.currency)));
    let owed = sum_of(letter);
    let link = owed.as_ref().and_then(|owed| payment_link(letter, owed)).map(|link| ("payment_link", Value::from(link)));
    let link_for = owed.as_ref().and_then(|owed| link_function(letter, owed)).map(|link| ("payment_link_for", link));
    let payable = owed.as_ref().and_then(|owed| Some((owed.money, Payable::of(letter, owed, reader)?)));
    let code = payable.as_ref().and_then(|(money, payable)| payable.code(*money)).map(|code| ("payment_code", code));
    let code_for = payable.map(|(_, payable)| ("payment_code_for", payable.function()));
    let variables = letter.variables.iter().map(|(name, value)| (name.clone(), variable_value(value, reader)));
    let every = [
        (
            "customer",
            record_value([
                ("id", customer.id.as_str().into()),
                ("name", text_value(&customer.name)),
                ("first_name", text_value(first_name)),
                ("language", own_language.into()),
                ("tags", customer.tags.iter().map(|tag| tag.as_str()).collect()),
                ("attributes", Value::from_pairs(attributes)),
            ]),
        ),
        ("items", items.into()),
        ("due_items", due_items.into()),
        ("upcoming_items", upcoming_items.into()),
        ("other_items", other_items.collect()),
        ("currency", letter.currency.as_str().into()),
        (
            "level",
            record_value([
                ("id", letter.level.id.as_str().into()),
                ("number", letter.level.number.into()),
                ("repeat", letter.level.repeat.into()),
            ]),
        ),
        ("rule", record_value([("id", letter.rule_id.as_str().into()), ("description", text_value(letter.rule_description))])),
        (
            "sender",
            record_value([
                ("name", text_value(&letter.sender.name)),
                ("address", letter.sender.address.as_str().into()),
                ("reply_to", letter.sender.reply_to.as_ref().unwrap_or(&letter.sender.address).as_str().into()),
            ]),
        ),
        ("as_of", date_value(letter.as_of, reader)),
        ("language", language.into()),
        ("vars", Value::from_pairs(variables)),
    ];
    let sums = [
        ("total", figures.total),
        ("invoiced_total", figures.invoiced_total),
        ("paid_total", figures.invoiced_total - figures.total),
        ("due_total", figures.due_total),
        ("upcoming_total", figures.total - figures.due_total),
        ("other_total", figures.other_total),
        ("account_total", figures.total + figures.other_total),
        ("credit_total", figures.credit_total),
        ("balance", figures.total + figures.other_total - figures.credit_total),
    ];
    // Where a statement claims nothing, its mail has no sum that could be taken for a balance.
    let has_sums = !matches!(letter.content, Content::Statement(statement) if !statement.form.has_balance());
    let sums = sums.into_iter().filter(|_| has_sums).map(|(name, amount)| (name, money(amount)));
    let own = match letter.content {
        Content::Reminder | Content::Notice(None) => Vec::new(),
        Content::Statement(statement) => statement_values(letter, statement, reader),
        Content::Notice(Some(index)) => vec![("payment", payment(letter, index, reader))],
    };
    let images = album.map(|album| (IMAGE_FUNCTION, album.value()));
    let asked = company.into_iter().chain(link).chain(link_for).chain(code).chain(code_for);
    record_value(every.into_iter().chain(images).chain(sums).chain(asked).chain(own))
}

/// Returns the company that is owed; `currency` is that of the account it names.
fn company_values(company: &Company, currency: Currency) -> Value {
    let text = |text: &String| text_value(text);
    let account = |account: &BankAccount| {
        record_value([
            ("currency", account.currency.as_str().into()),
            ("holder", text(&account.holder)),
            ("bank", text(&account.bank)),
            ("iban", text(&account.iban.as_ref().map_or_else(String::new, ToString::to_string))),
            ("bic", text_value(account.bic.as_ref().map_or("", |bic| bic.as_str()))),
            ("account_number", text(&account.account_number)),
            ("routing_number", text(&account.routing_number)),
        ])
    };
    let own = company.bank_account(currency).map(|own| ("bank_account", account(own)));
    let fixed = [
        ("name", text(&company.name)),
        ("street", text(&company.street)),
        ("city", text(&company.city)),
        ("state", text(&company.state)),
        ("postal_code", text(&company.postal_code)),
        ("country", text(&company.country)),
        ("country_code", text(&company.country_code)),
        ("email", text(&company.email)),
        ("phone", text(&company.phone)),
        ("website", text(&company.website)),
        ("logon_url", text(&company.logon_url)),
        ("tax_number", text(&company.tax_number)),
        ("vat_id", text(&company.vat_id)),
        ("registration", text(&company.registration)),
        ("management", text(&company.management)),
        ("bank_accounts", company.bank_accounts.iter().map(account).collect()),
    ];
    record_value(fixed.into_iter().chain(own))
}

/// Returns a payment, as a receipt tells of it.
fn payment(letter: &Letter<'_>, index: PaymentIndex, reader: &Arc<Reader>) -> Value {
    let payment = letter.ledger.payment(index);
    let invoice = payment.document.map(|index| ("invoice", letter.ledger.document(index).number.as_str().into()));
    let fixed = [
        ("received_on", date_value(payment.received_on, reader)),
        ("amount", money_value(Money { amount: payment.amount, currency: payment.currency }, reader)),
        ("reference", text_value(&payment.reference)),
        ("method", text_value(letter.ledger.payment_method(index))),
    ];
    record_value(fixed.into_iter().chain(invoice))
}

/// The figures of a letter, from the ledger alone.
struct Figures {
    other_items: Vec<DocumentIndex>,
    total: Decimal,
    invoiced_total: Decimal,
    due_total: Decimal,
    other_total: Decimal,
    credit_total: Decimal,
}

impl Figures {
    fn of(letter: &Letter<'_>) -> Self {
        let open_on = |document| letter.ledger.open_on(document, letter.as_of);
        let scope = match letter.content {
            Content::Statement(statement) => statement.scope,
            Content::Reminder | Content::Notice(_) => AccountScope::Customer,
        };
        let members = || letter.ledger.members(letter.customer, scope);
        let documents = || letter.items.iter().map(|(document, _)| *document);
        let items: BTreeSet<DocumentIndex> = documents().collect();
        let mut figures = Self {
            other_items: vec![],
            total: documents().map(open_on).sum(),
            invoiced_total: documents().map(|document| letter.ledger.document(document).total).sum(),
            due_total: documents().filter(|document| is_due(letter, *document)).map(open_on).sum(),
            other_total: Decimal::ZERO,
            credit_total: members().map(|own| letter.ledger.unapplied_on(own, letter.currency, letter.as_of)).sum(),
        };
        let all = members().flat_map(|own| letter.ledger.documents_of(own));
        for document in all.map(|place| DocumentIndex(place as u32)) {
            if letter.ledger.document(document).currency != letter.currency || items.contains(&document) {
                continue;
            }
            let open = open_on(document);
            if open > Decimal::ZERO {
                figures.other_total += open;
                figures.other_items.push(document);
            } else {
                figures.credit_total -= open;
            }
        }
        figures
    }
}

/// Returns the items that are due, and those that are not yet.
fn split(letter: &Letter<'_>, items: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let numbered = letter.items.iter().zip(items.iter().cloned());
    let (due, upcoming): (Vec<_>, Vec<_>) = numbered.partition(|((document, _), _)| is_due(letter, *document));
    let values = |part: Vec<(_, Value)>| part.into_iter().map(|(_, value)| value).collect();
    (values(due), values(upcoming))
}

/// Returns whether payment is due by the letter's day; never without a due date.
fn is_due(letter: &Letter<'_>, document: DocumentIndex) -> bool {
    letter.ledger.document(document).due_on.is_some_and(|due_on| due_on <= letter.as_of)
}

pub(crate) fn item(letter: &Letter<'_>, index: DocumentIndex, level: Option<&str>, reader: &Arc<Reader>) -> Value {
    let document = letter.ledger.document(index);
    let money = |amount| money_value(Money { amount, currency: document.currency }, reader);
    let attributes = letter
        .ledger
        .document_attribute_names()
        .filter_map(|name| letter.ledger.document_attribute(index, name).map(|value| (name.to_owned(), text_value(value))));
    let due_on = document.due_on.map(|due_on| ("due_on", date_value(due_on, reader)));
    let level = level.map(|level| ("level", Value::from(level)));
    let fixed = [
        ("number", document.number.as_str().into()),
        ("issued_on", date_value(document.issued_on, reader)),
        ("total", money(document.total)),
        ("open", money(letter.ledger.open_on(index, letter.as_of))),
        ("paid", money(document.total - letter.ledger.open_on(index, letter.as_of))),
        ("days_overdue", document.days_overdue(letter.as_of).into()),
        ("disputed", is_disputed(letter, index).into()),
        ("attributes", Value::from_pairs(attributes)),
    ];
    let promised_on = promised_on(letter, index).map(|day| ("promised_on", date_value(day, reader)));
    let link = sum_of_item(letter, index).and_then(|sum| payment_link(letter, &sum));
    let link = link.map(|link| ("payment_link", Value::from(link)));
    record_value(fixed.into_iter().chain(due_on).chain(promised_on).chain(level).chain(link))
}

/// Returns whether a document is disputed, by the books or by a hold.
pub(crate) fn is_disputed(letter: &Letter<'_>, index: DocumentIndex) -> bool {
    let document = letter.ledger.document(index);
    let customer = &letter.ledger.customer(document.customer).id;
    document.disputed || letter.holds.is_disputed(customer, &document.number, letter.as_of)
}

/// Returns the day by which payment of a document is promised, by the books or by a hold, where it has not passed.
pub(crate) fn promised_on(letter: &Letter<'_>, index: DocumentIndex) -> Option<Date> {
    let document = letter.ledger.document(index);
    let customer = &letter.ledger.customer(document.customer).id;
    let by_books = document.promised_on.filter(|day| letter.as_of <= *day);
    letter.holds.promised_on(customer, &document.number, letter.as_of).max(by_books)
}
