//! A small made-up ledger on which every condition and script is tried when it loads.
//!
//! It holds the shapes that surprise: no due date, a credit note, a part paid, two currencies, a customer without
//! language, tags or contacts. A fault that would come with any data (an unknown function, kinds that cannot meet, a
//! limit passed) is an error of the rule. A fault that depends on figures (a division by zero, a text that is no
//! number, a member that a short list does not have) is a warning, since the real data may never hold it.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use jiff::civil::date;
use rust_decimal::Decimal;

use crate::domain::customer::{Contacts, Customer};
use crate::domain::date::{Date, days_between, shifted};
use crate::domain::document::{Document, DocumentKind, Payment};
use crate::domain::id::{CustomerId, DocumentNumber, Language, RecipientKey};
use crate::domain::ledger::{DocumentIndex, Ledger, LedgerBuilder};
use crate::domain::money::Currency;
use crate::domain::problem::Problem;
use crate::script::Account;
use crate::script::LevelFacts;
use crate::script::check::Names;
use crate::script::condition::{About, Topic};
use crate::script::fault::{Blame, ScriptFault};

/// What stands in every further column of the sample.
pub(crate) const COLUMN_TEXT: &str = "sample";

/// The sample and its day.
pub(crate) struct Sample {
    pub(crate) ledger: Ledger,
    pub(crate) as_of: Date,
}

impl Sample {
    /// Builds the sample with the columns that are known, and those that are asked for where none are known.
    pub(crate) fn new(names: &Names, asked: &BTreeSet<String>) -> Self {
        Self::on(date(2026, 11, 21), names, asked)
    }

    /// Builds the sample as it would be on another day.
    pub(crate) fn on(as_of: Date, names: &Names, asked: &BTreeSet<String>) -> Self {
        let days = days_between(date(2026, 11, 21), as_of);
        let date = |year, month, day| shifted(date(year, month, day), days);
        let columns = |known: &Option<Vec<String>>| -> Vec<CompactString> {
            match known {
                Some(known) => known.iter().map(CompactString::from).collect(),
                None => asked.iter().map(CompactString::from).collect(),
            }
        };
        let (customer_columns, invoice_columns) = (columns(&names.customer_attributes), columns(&names.invoice_attributes));
        let mut builder = LedgerBuilder::new(customer_columns.clone(), invoice_columns.clone(), Vec::new());
        let customers = [
            customer("C-1", "Alder Works", Some("de"), &["vip"], &keys(names)),
            customer("C-2", "Birch Trading", Some("en"), &["net30", "export"], &keys(names)),
            customer("C-3", "C-3", None, &[], &[]),
        ];
        let mut places = Vec::new();
        for customer in customers {
            let values = customer_columns.iter().map(|_| COLUMN_TEXT);
            places.push(builder.add_customer(customer, values).expect("the sample's customers have ids of their own"));
        }
        let currency = |code: &str| Currency::parse(code).expect("three letters are a code");
        let (eur, usd) = (currency("EUR"), currency("USD"));
        for (number, place, code, due_on, cents, disputed) in [
            ("INV-1", 0, eur, Some(date(2026, 10, 12)), 120_000, false),
            ("INV-2", 0, eur, Some(date(2026, 11, 14)), 38_050, false),
            ("INV-3", 1, eur, Some(date(2026, 11, 21)), 499, false),
            ("INV-4", 1, usd, Some(date(2026, 12, 1)), 9_900_000, true),
            ("INV-5", 2, eur, None, 10_000, false),
            ("CN-1", 2, eur, Some(date(2026, 11, 1)), -2_500, false),
        ] {
            let document = Document {
                number: DocumentNumber::new(number),
                customer: places[place],
                kind: if cents < 0 { DocumentKind::CreditNote } else { DocumentKind::Invoice },
                currency: code,
                issued_on: date(2026, 9, 12),
                due_on,
                settled_on: None,
                total: Decimal::new(cents, 2),
                open: None,
                disputed,
                approved: true,
                hold_until: None,
                promised_on: None,
                row: 0,
            };
            let values = invoice_columns.iter().map(|_| COLUMN_TEXT);
            builder.add_invoice(document, values).expect("the sample's documents have numbers of their own");
        }
        let part = Payment {
            customer: places[2],
            document: builder.find_document("INV-5").ok(),
            amount: Decimal::new(4_000, 2),
            currency: eur,
            received_on: date(2026, 11, 2),
            reference: CompactString::default(),
        };
        let unapplied = Payment { document: None, currency: usd, reference: "TR-7".into(), ..part.clone() };
        builder.add_payment(part).expect("the payment is in the invoice's currency");
        builder.add_payment(unapplied).expect("a payment without an invoice contradicts nothing");
        Self { ledger: builder.finish(), as_of }
    }

    /// Returns everything in the sample that a condition of this topic can be about, each with its account.
    pub(crate) fn subjects(&self, topic: Topic) -> Vec<(Account<'_>, About)> {
        let Self { ledger, as_of } = self;
        let account = |customer, currency| Account::new(ledger, customer, currency, *as_of);
        let of_customer = |customer| -> Vec<(Account<'_>, About)> {
            match topic {
                Topic::Invoice => {
                    let documents = ledger.documents_of(customer).map(|place| DocumentIndex(place as u32));
                    documents.map(|index| (Account::of(ledger, index, *as_of), About::Document(index))).collect()
                }
                Topic::Payment => {
                    let payments = ledger.payment_indexes_of(customer);
                    payments.map(|index| (account(customer, ledger.payment(index).currency), About::Payment(index))).collect()
                }
                Topic::Account | Topic::Customer => {
                    let currencies = ledger.currencies_of(customer).into_iter();
                    currencies.map(|currency| (account(customer, currency), About::Account)).collect()
                }
            }
        };
        ledger.customer_indexes().flat_map(of_customer).collect()
    }

    /// Returns the problem of a rule that a fault on the sample is; none where made-up data shows nothing.
    pub(crate) fn problem(fault: ScriptFault, blame: Blame, is_without_due_date: bool) -> Option<Problem> {
        Some(match blame {
            Blame::Unproven => return None,
            Blame::Script if is_without_due_date => {
                let hint = "it was tried on an invoice without a due date: ask for `due_on != ()` first";
                Problem::error(fault.message).at(fault.place).hint(hint)
            }
            Blame::Script => Problem::error(fault.message).at(fault.place),
            Blame::Data => Problem::warning(format!("{} (met on made-up data)", fault.message))
                .at(fault.place)
                .hint("make sure that the real data cannot do the same"),
        })
    }
}

/// Calls `visit` for every customer and currency of the sample, at some levels.
pub(crate) fn for_each_mail(sample: &Sample, mut visit: impl FnMut(&Account<'_>, &[DocumentIndex], &LevelFacts)) {
    let Sample { ledger, as_of } = sample;
    let levels = [("upcoming", 1, 0), ("first", 2, 0), ("final", 4, 1)].map(|(id, number, repeat)| LevelFacts {
        id: id.into(),
        number,
        repeat,
    });
    for customer in ledger.customer_indexes() {
        let mut groups: BTreeMap<_, Vec<DocumentIndex>> = BTreeMap::new();
        for place in ledger.documents_of(customer) {
            let index = DocumentIndex(place as u32);
            groups.entry(ledger.document(index).currency).or_default().push(index);
        }
        for (currency, items) in &groups {
            let account = Account::new(ledger, customer, *currency, *as_of);
            for level in &levels {
                visit(&account, items, level);
            }
        }
    }
}

fn keys(names: &Names) -> Vec<RecipientKey> {
    match names.recipient_keys.as_slice() {
        [] => vec![RecipientKey::new("billing")],
        known => known.to_vec(),
    }
}

fn customer(id: &str, name: &str, language: Option<&str>, tags: &[&str], keys: &[RecipientKey]) -> Customer {
    let mut contacts = Contacts::default();
    for key in keys {
        contacts.add(key, std::iter::once(format!("{key}@{id}.example").as_str()));
    }
    Customer {
        id: CustomerId::new(id),
        name: name.into(),
        language: language.map(Language::new),
        tags: tags.iter().map(|tag| CompactString::new(tag)).collect(),
        contacts,
        hold_until: None,
        row: 0,
    }
}
