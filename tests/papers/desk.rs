//! A desk at which papers are made: one customer with so many invoices, the shipped layouts, and what a rule would ask for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use compact_str::CompactString;
use dunlin::domain::company::{BankAccount, Company};
use dunlin::domain::customer::{Contacts, Customer};
use dunlin::domain::date::{Date, shifted};
use dunlin::domain::document::{Document, DocumentKind, Payment};
use dunlin::domain::hold::Holds;
use dunlin::domain::iban::Iban;
use dunlin::domain::id::{CustomerId, DocumentNumber, Language, LevelId, RuleId, SenderId, TemplateName};
use dunlin::domain::ledger::{CustomerIndex, DocumentIndex, Ledger, LedgerBuilder};
use dunlin::domain::mailbox::Sender;
use dunlin::domain::money::Currency;
use dunlin::domain::period::Period;
use dunlin::domain::problem::Problem;
use dunlin::domain::statement::{StatementLayout, StatementOfAccount};
use dunlin::domain::variable::Variable;
use dunlin::message::{self, Attachment, ComposeFault, Content, Letter};
use dunlin::paper::{self, LayoutFile, Layouts, PaperFile};
use dunlin::script::LevelFacts;
use dunlin::template::Templates;
use jiff::civil::date;
use rust_decimal::{Decimal, dec};

const AS_OF: Date = date(2027, 3, 31);

/// What kind of mail a paper goes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Reminder,
    Statement,
}

/// A customer with invoices, and layouts.
pub struct Desk {
    pub ledger: Ledger,
    pub layouts: Vec<LayoutFile>,
    pub beside: Vec<PaperFile>,
    pub layout: StatementLayout,
    pub company: Option<Company>,
    pub as_of: Date,
    pub variables: BTreeMap<String, Variable>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the layouts that ship.
pub fn shipped() -> Vec<LayoutFile> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join("rules/papers")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    paths.iter().map(|path| LayoutFile { path: name(path), text: fs::read_to_string(path).unwrap() }).collect()
}

/// Loads layouts that are right.
pub fn load(layouts: &[LayoutFile], beside: &[PaperFile]) -> (Layouts, Templates) {
    let mut templates = Templates::load(Vec::new(), &message::known_names()).0;
    let (layouts, problems) = paper::load(layouts, beside, &mut templates, &message::known_names());
    assert_eq!(problems, Vec::<Problem>::new());
    (layouts, templates)
}

fn customer(name: &str, language: &str) -> Customer {
    Customer {
        id: CustomerId::new("C-1042"),
        name: name.into(),
        language: Some(Language::new(language)),
        tags: Box::default(),
        contacts: Contacts::default(),
        hold_until: None,
        row: 0,
    }
}

fn invoice(number: &str, customer: CustomerIndex, issued_on: Date, total: Decimal) -> Document {
    Document {
        number: DocumentNumber::new(number),
        customer,
        kind: DocumentKind::Invoice,
        currency: Currency::parse("EUR").unwrap(),
        issued_on,
        due_on: Some(shifted(issued_on, 14)),
        settled_on: None,
        total,
        open: None,
        disputed: number.ends_with('7'),
        approved: true,
        hold_until: None,
        promised_on: None,
        row: 0,
    }
}

impl Desk {
    /// Returns a desk with the shipped layouts.
    pub fn new(language: &str, count: usize) -> Self {
        Self::of("Harbour Coffee & Sons Ltd", language, (1..=count).map(|n| format!("R-2027-{n:04}")))
    }

    /// Returns a desk for a customer of that name, with an invoice of each number.
    pub fn of(name: &str, language: &str, numbers: impl Iterator<Item = String>) -> Self {
        let names = |name: &str| vec![CompactString::new(name)];
        let mut builder = LedgerBuilder::new(names("region"), names("order"), vec![]);
        let owner = builder.add_customer(customer(name, language), ["North"].into_iter()).unwrap();
        for (place, number) in numbers.enumerate() {
            let days = i64::try_from(place).unwrap() * 37 % 160;
            let cents = Decimal::from(place * 7919 % 400_000) / dec!(100);
            let document = invoice(&number, owner, shifted(date(2026, 10, 20), i32::try_from(days).unwrap()), cents + dec!(10));
            builder.add_invoice(document, ["PO 7781"].into_iter()).unwrap();
        }
        let payment = Payment {
            customer: owner,
            document: None,
            amount: dec!(40),
            currency: Currency::parse("EUR").unwrap(),
            received_on: date(2027, 3, 30),
            reference: "TR-7".into(),
        };
        builder.add_payment(payment).unwrap();
        Self {
            ledger: builder.finish(),
            layouts: shipped(),
            beside: Vec::new(),
            layout: StatementLayout::default(),
            company: None,
            as_of: AS_OF,
            variables: BTreeMap::new(),
        }
    }

    /// Returns the desk of a company that is paid in euros on that account.
    pub fn paid_on(mut self, iban: &str) -> Self {
        let account = BankAccount {
            currency: Currency::parse("EUR").unwrap(),
            holder: "ACME GmbH".into(),
            bank: "Bank".into(),
            iban: Some(Iban::parse(iban).unwrap()),
            qr_iban: None,
            bic: None,
            account_number: String::new(),
            routing_number: String::new(),
        };
        self.company = Some(Company {
            name: "ACME GmbH".into(),
            street: "Hafenstrasse 12".into(),
            postal_code: "20457".into(),
            city: "Hamburg".into(),
            country_code: iban[..2].into(),
            vat_id: "DE123456789".into(),
            bank_accounts: vec![account],
            ..Company::default()
        });
        self
    }

    /// Returns the desk with one more layout.
    pub fn with(mut self, name: &str, text: &str) -> Self {
        self.layouts.push(LayoutFile { path: format!("rules/papers/{name}.yaml"), text: text.to_owned() });
        self
    }

    /// Returns the desk with a file beside the layouts.
    pub fn beside(mut self, path: &str, bytes: Vec<u8>) -> Self {
        self.beside.push(PaperFile { path: path.to_owned(), bytes: bytes.into() });
        self
    }

    /// Makes a paper.
    pub fn paper(&self, layout: &str, kind: Kind) -> Result<Attachment, ComposeFault> {
        let (layouts, templates) = load(&self.layouts, &self.beside);
        self.paper_of(&layouts, &templates, layout, kind)
    }

    /// Makes a paper with layouts that are loaded.
    pub fn paper_of(
        &self,
        layouts: &Layouts,
        templates: &Templates,
        layout: &str,
        kind: Kind,
    ) -> Result<Attachment, ComposeFault> {
        let ledger = &self.ledger;
        let customer = ledger.find_customer("C-1042").unwrap();
        let documents = ledger.documents_of(customer).map(|place| DocumentIndex(place as u32));
        let items: Vec<(DocumentIndex, LevelId)> = documents.map(|index| (index, LevelId::new("first"))).collect();
        let currency = Currency::parse("EUR").unwrap();
        let period = Period::PreviousMonth.days(date(2027, 4, 5));
        let statement = StatementOfAccount::of(ledger, customer, currency, period, &self.layout);
        let sender = Sender {
            id: SenderId::new("receivables"),
            name: "ACME Receivables".into(),
            address: "ar@acme.example".into(),
            reply_to: Some("ar-team@acme.example".into()),
            return_path: None,
            list_help: None,
            headers: vec![],
            servers: vec![],
        };
        let letter = Letter {
            ledger,
            as_of: self.as_of,
            rule_id: &RuleId::new("overdue"),
            rule_description: "Friendly first, firm later",
            customer,
            currency,
            items: &items,
            content: match kind {
                Kind::Reminder => Content::Reminder,
                Kind::Statement => Content::Statement(&statement),
            },
            holds: &Holds::default(),
            level: &LevelFacts { id: "first".into(), number: 1, repeat: 0 },
            company: self.company.as_ref(),
            template: &TemplateName::new("first"),
            sender: &sender,
            recipients: &[],
            subject_lead: "",
            variables: &self.variables,
            message_id: "5f2c9a1e0b7d4c3f8e6a",
            thread: &[],
            headers: &[],
            language: None,
            date: "2027-04-01T09:00[Europe/Berlin]".parse().unwrap(),
        };
        message::paper(&letter, layouts.find(layout).unwrap(), templates)
    }
}
