//! What a letter asks to be paid: the sum, the invoices it is of, and the page where it is paid.

use rust_decimal::Decimal;

use crate::domain::document::DocumentKind;
use crate::domain::ledger::DocumentIndex;
use crate::domain::money::Money;
use crate::domain::pay_url::PaySum;
use crate::message::compose::{Content, Letter};

/// A sum that is owed, and the invoices it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) money: Money,
    pub(crate) invoices: Vec<DocumentIndex>,
}

/// Returns what a letter asks for: a statement's balance, else what is open of its items; `None` where nothing is owed.
pub(crate) fn sum_of(letter: &Letter<'_>) -> Option<Owed> {
    let is_claim = |document: &DocumentIndex| {
        letter.ledger.document(*document).kind == DocumentKind::Invoice
            && letter.ledger.open_on(*document, letter.as_of) > Decimal::ZERO
    };
    let (amount, documents): (Decimal, Vec<DocumentIndex>) = match letter.content {
        // A statement that claims nothing asks for nothing.
        Content::Statement(statement) => (statement.claim()?.balance, statement.documents()),
        Content::Reminder | Content::Notice(_) => {
            let items = letter.items.iter().map(|(document, _)| *document);
            (items.clone().map(|document| letter.ledger.open_on(document, letter.as_of)).sum(), items.collect())
        }
    };
    let invoices = documents.into_iter().filter(is_claim).collect();
    (amount > Decimal::ZERO).then_some(Owed { money: Money { amount, currency: letter.currency }, invoices })
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
    let numbers: Vec<&str> = owed.invoices.iter().map(|index| letter.ledger.document(*index).number.as_str()).collect();
    let customer_id = letter.ledger.customer(letter.customer).id.as_str();
    pay_url.fill(&PaySum { customer_id, invoice_numbers: &numbers, money: owed.money })
}
