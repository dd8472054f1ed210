//! Whole mails: the shipped templates, composed from a small ledger and compared byte by byte with committed files.
//!
//! `DUNLIN_BLESS=1 cargo test --test mail` writes the files anew; read the difference before you commit it.

// Helpers of tests are tests too, which clippy does not see in an integration test.
#![allow(clippy::unwrap_used)]

mod dkim;
mod headers;
mod images;
mod payment;
mod shipped;
mod verifier;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use compact_str::CompactString;
use dunlin::domain::company::{BankAccount, Company};
use dunlin::domain::customer::{Contacts, Customer};
use dunlin::domain::date::{Date, shifted};
use dunlin::domain::document::{Document, DocumentKind, Payment};
use dunlin::domain::header::ExtraHeader;
use dunlin::domain::hold::Holds;
use dunlin::domain::iban::{Bic, Iban};
use dunlin::domain::id::{CustomerId, DocumentNumber, Language, LevelId, RuleId, SenderId, TemplateName};
use dunlin::domain::ledger::{AccountScope, CustomerIndex, DocumentIndex, Ledger, LedgerBuilder};
use dunlin::domain::mailbox::{Recipient, RecipientRole, Sender};
use dunlin::domain::money::Currency;
use dunlin::domain::pay_url::PayUrl;
use dunlin::domain::period::Period;
use dunlin::domain::problem::Problem;
use dunlin::domain::statement::{StatementForm, StatementLayout, StatementOfAccount};
use dunlin::domain::variable::Variable;
use dunlin::message::{self, ATTACHMENTS_BYTES_MAX, Annex, Attachment, ComposeFault, Composed, Content, Letter, compose_with};
use dunlin::rule::ItemsForm;
use dunlin::script::LevelFacts;
use dunlin::template::{TemplateFile, Templates};
use jiff::civil::date;
use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders};
use proptest::prelude::*;
use rust_decimal::{Decimal, dec};

const AS_OF: Date = date(2027, 4, 5);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares `actual` with a committed file, or writes it when asked to.
fn assert_committed(path: &str, actual: &[u8]) {
    let path = root().join(path);
    if env::var_os("DUNLIN_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read(&path).unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(actual), String::from_utf8_lossy(&expected), "{}", path.display());
}

fn shipped_files() -> Vec<TemplateFile> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root().join("rules/templates")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let file = |path: &Path| TemplateFile {
        path: path.strip_prefix(root()).unwrap().display().to_string(),
        text: fs::read_to_string(path).unwrap(),
    };
    paths.iter().map(|path| file(path)).collect()
}

fn shipped() -> Templates {
    let (templates, problems) = Templates::load(shipped_files(), &message::known_names());
    assert_eq!(problems, Vec::<Problem>::new());
    templates
}

fn templates(files: &[(&str, &str)]) -> Templates {
    let files = files.iter().map(|(path, text)| TemplateFile { path: (*path).into(), text: (*text).into() });
    let (templates, problems) = Templates::load(files.collect(), &message::known_names());
    assert_eq!(problems, Vec::<Problem>::new());
    templates
}

fn customer(id: &str, name: &str, language: Option<&str>) -> Customer {
    Customer {
        id: CustomerId::new(id),
        name: name.into(),
        language: language.map(Language::new),
        tags: Box::new(["net30".into()]),
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
        disputed: false,
        approved: true,
        hold_until: None,
        promised_on: (number == "R-2027-0042").then_some(date(2027, 4, 9)),
        row: 0,
    }
}

/// Two customers; each with two invoices to be reminded of (one partly paid), one younger, one in dollars, one credit.
fn ledger() -> Ledger {
    let names = |name: &str| vec![CompactString::new(name)];
    let mut builder = LedgerBuilder::new([names("region"), names("PortalLink")].concat(), names("order"), vec![]);
    for (id, name, language, prefix) in [
        ("C-1", "Harbour & Sons Ltd", Some("en"), "R"),
        ("C-2", "Müller Bäckerei GmbH", Some("de-de"), "D"),
        ("C-3", "X", None, "X"),
    ] {
        let owner = builder
            .add_customer(customer(id, name, language), ["North", "https://portal.acme.example/i/7f3k"].into_iter())
            .unwrap();
        let mut add = |document: Document| builder.add_invoice(document, ["PO 7781"].into_iter()).unwrap();
        let first = add(invoice(&format!("{prefix}-2027-0042"), owner, date(2027, 2, 26), dec!(1190)));
        add(invoice(&format!("{prefix}-2027-0057"), owner, date(2027, 3, 1), dec!(87.5)));
        add(invoice(&format!("{prefix}-2027-0071"), owner, date(2027, 3, 18), dec!(250)));
        let dollars = Document {
            currency: Currency::parse("USD").unwrap(),
            ..invoice(&format!("{prefix}-USD"), owner, date(2027, 1, 1), dec!(9))
        };
        add(dollars);
        if prefix == "R" {
            add(invoice("R-CREDIT", owner, date(2027, 3, 20), dec!(-40)));
        }
        let payment = Payment {
            customer: owner,
            document: Some(first),
            amount: dec!(500),
            currency: Currency::parse("EUR").unwrap(),
            received_on: date(2027, 3, 30),
            reference: "TR-7".into(),
        };
        builder.add_payment(payment).unwrap();
        builder.note_payment_method("Bank transfer");
    }
    // A branch of the first, which has paid more than it owes.
    let parent = builder.find_customer("C-1").unwrap();
    let branch = builder.add_customer(customer("C-1-2", "Harbour & Sons Altona", Some("en")), ["North"].into_iter()).unwrap();
    builder.set_parent(branch, parent).unwrap();
    let settled = Document { settled_on: Some(date(2027, 3, 22)), ..invoice("A-2027-0007", branch, date(2027, 2, 3), dec!(320)) };
    let paid = builder.add_invoice(settled, ["PO 9"].into_iter()).unwrap();
    let payments = [(Some(paid), dec!(300), date(2027, 3, 9), "TR-8"), (None, dec!(60), date(2027, 3, 26), "TR-9")];
    for (document, amount, received_on, reference) in payments {
        let currency = Currency::parse("EUR").unwrap();
        let reference = reference.into();
        builder.add_payment(Payment { customer: branch, document, amount, currency, received_on, reference }).unwrap();
    }
    builder.finish()
}

/// What a test changes about the letter that every test starts from.
#[derive(Clone)]
struct Setting {
    customer: &'static str,
    template: &'static str,
    company: Option<Company>,
    sender: Sender,
    recipients: Vec<Recipient>,
    variables: BTreeMap<String, Variable>,
    key: &'static str,
    thread: Vec<String>,
    headers: Vec<ExtraHeader>,
    items_max: usize,
    as_of: Date,
    /// Invoices from this day on are not among the items.
    issued_before: Date,
    tells: Tells,
    /// How a statement is laid out.
    layout: StatementLayout,
    /// The language to write in instead of the customer's.
    language: Option<&'static str>,
}

/// Who is owed, with an account in euros.
fn acme() -> Company {
    Company {
        name: "ACME GmbH".into(),
        street: "Hafenstraße 12".into(),
        city: "Hamburg".into(),
        postal_code: "20457".into(),
        country: "Germany".into(),
        country_code: "DE".into(),
        pay_url: Some(PayUrl::parse("https://pay.acme.example/{customer_id}?for={invoice_numbers}&amount={amount}").unwrap()),
        bank_accounts: vec![BankAccount {
            currency: Currency::parse("EUR").unwrap(),
            holder: "ACME GmbH".into(),
            bank: "Example Bank".into(),
            iban: Some(Iban::parse("DE89370400440532013000").unwrap()),
            qr_iban: None,
            bic: Bic::parse("COBADEFFXXX"),
            account_number: String::new(),
            routing_number: String::new(),
        }],
        ..Company::default()
    }
}

/// What kind of mail it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    Reminder,
    /// A statement, whose balance is off by so much.
    Statement(Decimal),
    Receipt,
    Invoice,
}

impl Setting {
    fn new(customer: &'static str, template: &'static str) -> Self {
        let recipient = |address: &str, role| Recipient { address: address.into(), role };
        Self {
            customer,
            template,
            company: Some(acme()),
            sender: Sender {
                id: SenderId::new("receivables"),
                name: "ACME Receivables".into(),
                address: "ar@acme.example".into(),
                reply_to: Some("ar-team@acme.example".into()),
                return_path: None,
                list_help: None,
                headers: vec![],
                servers: vec![],
            },
            recipients: vec![
                recipient("billing@harbour.example", RecipientRole::To),
                recipient("owner@harbour.example", RecipientRole::Cc),
                recipient("archive@acme.example", RecipientRole::Bcc),
            ],
            variables: BTreeMap::from([
                ("pay_by".into(), Variable::Date(date(2027, 4, 12))),
                ("greeting_name".into(), Variable::Text(String::from("Harbour & Sons Ltd"))),
            ]),
            key: "5f2c9a1e0b7d4c3f8e6a",
            thread: vec![],
            headers: vec![],
            items_max: usize::MAX,
            as_of: AS_OF,
            issued_before: date(2027, 3, 10),
            tells: Tells::Reminder,
            layout: StatementLayout::default(),
            language: None,
        }
    }

    /// Returns the setting of a statement for March.
    fn statement(customer: &'static str, template: &'static str) -> Self {
        let (as_of, issued_before) = (date(2027, 3, 31), date(2027, 12, 31));
        Self { as_of, issued_before, tells: Tells::Statement(dec!(0)), ..Self::new(customer, template) }
    }

    fn compose(&self, templates: &Templates) -> Result<Composed, ComposeFault> {
        self.compose_with(&[], templates)
    }

    fn compose_with(&self, annexes: &[Annex<'_>], templates: &Templates) -> Result<Composed, ComposeFault> {
        self.with_letter(|letter| compose_with(letter, annexes, templates))
    }

    /// Makes something of the letter.
    fn with_letter<T>(&self, make: impl FnOnce(&Letter<'_>) -> T) -> T {
        let ledger = ledger();
        let customer = ledger.find_customer(self.customer).unwrap();
        let is_old = |index: &DocumentIndex| {
            let document = ledger.document(*index);
            document.currency.as_str() == "EUR" && document.issued_on < self.issued_before
        };
        let documents = ledger.documents_of(customer).map(|place| DocumentIndex(place as u32));
        let items: Vec<(DocumentIndex, LevelId)> =
            documents.filter(is_old).take(self.items_max).map(|index| (index, LevelId::new(self.template))).collect();
        let level = LevelFacts { id: self.template.into(), number: 3, repeat: 0 };
        let currency = Currency::parse("EUR").unwrap();
        let period = Period::PreviousMonth.days(AS_OF);
        let mut statement = StatementOfAccount::of(&ledger, customer, currency, period, &self.layout);
        if let Tells::Statement(off) = self.tells {
            statement.accounts[0].sum += off;
        }
        let language = self.language.map(Language::new);
        let letter = Letter {
            ledger: &ledger,
            as_of: self.as_of,
            rule_id: &RuleId::new("overdue"),
            rule_description: "Friendly first, firm later",
            customer,
            currency: Currency::parse("EUR").unwrap(),
            items: &items,
            content: match self.tells {
                Tells::Reminder => Content::Reminder,
                Tells::Statement(_) => Content::Statement(&statement),
                Tells::Receipt => Content::Notice(ledger.payment_indexes_of(customer).next()),
                Tells::Invoice => Content::Notice(None),
            },
            holds: &Holds::default(),
            subject_lead: "",
            level: &level,
            company: self.company.as_ref(),
            template: &TemplateName::new(self.template),
            sender: &self.sender,
            recipients: &self.recipients,
            variables: &self.variables,
            message_id: self.key,
            thread: &self.thread,
            headers: &self.headers,
            language: language.as_ref(),
            date: date(2027, 4, 5).at(9, 0, 0, 0).in_tz("Europe/Berlin").unwrap(),
        };
        make(&letter)
    }
}

/// Returns the files that go with a mail; pictures that its HTML shows are none.
fn attached<'m>(message: &'m Message<'_>) -> impl Iterator<Item = &'m MessagePart<'m>> {
    message.attachments().filter(|part| !part.content_disposition().is_some_and(|said| said.is_inline()))
}

#[test]
fn files_go_along_byte_for_byte_under_their_names() {
    let file = |name: &str, content_type: &str, contents: &[u8]| Attachment {
        name: name.into(),
        content_type: content_type.into(),
        contents: contents.to_vec().into(),
        customer: None,
    };
    let all_bytes: Vec<u8> = (0..=255).collect();
    let files = [
        file("INV-1.pdf", "application/pdf", &all_bytes),
        file("Kontoauszug März (2).csv", "text/csv", b"a;b\n.\n--=_m\r\nFrom x"),
        file("請求書.txt", "text/plain", b"x"),
    ];
    let annexes = files.clone().map(Annex::File);
    let setting = Setting::new("C-1", "first");
    let (bare, whole) = (setting.compose(&shipped()).unwrap(), setting.compose_with(&annexes, &shipped()).unwrap());
    assert_eq!(setting.compose_with(&annexes, &shipped()).unwrap().bytes, whole.bytes, "the same letter gives the same bytes");
    let message = MessageParser::new().parse(&whole.bytes).unwrap();
    let read: Vec<Attachment> = attached(&message)
        .map(|part| {
            let kind = part.content_type().unwrap();
            let content_type = format!("{}/{}", kind.ctype(), kind.subtype().unwrap());
            let contents = part.contents().to_vec().into();
            Attachment { name: part.attachment_name().unwrap().into(), content_type, contents, customer: None }
        })
        .collect();
    assert_eq!(read, files);
    let plain = MessageParser::new().parse(&bare.bytes).unwrap();
    assert_eq!((message.body_text(0), message.body_html(0)), (plain.body_text(0), plain.body_html(0)));
    assert!(whole.bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 998), "a line is too long for SMTP");

    for (wrong, expected) in [
        (
            file("../x", "text/plain", b"x"),
            "A file cannot be attached: \"../x\" is no name of a file: use letters, digits, spaces and -_.,()+",
        ),
        (
            file("x", "text/plain", &vec![0; ATTACHMENTS_BYTES_MAX + 1]),
            "The attachments have 110000001 bytes, more than 110000000",
        ),
    ] {
        assert_eq!(setting.compose_with(&[Annex::File(wrong)], &shipped()).unwrap_err().to_string(), expected);
    }
}

/// The customers of the committed mails, each with the language they are written in.
const LANGUAGES: [(&str, &str); 4] = [("C-1", "en"), ("C-2", "de"), ("C-1", "fr"), ("C-1", "es")];

#[test]
fn a_list_of_the_items_goes_along_in_the_words_of_the_mail() {
    let list = |form, name| [Annex::Items { form, name }];
    let file = |setting: &Setting, annexes: &[Annex<'_>]| {
        let composed = setting.compose_with(annexes, &shipped()).unwrap();
        let message = MessageParser::new().parse(&composed.bytes).unwrap();
        let part = attached(&message).next().unwrap();
        (part.attachment_name().unwrap().to_owned(), String::from_utf8(part.contents().to_vec()).unwrap())
    };
    let (name, text) = file(&Setting::new("C-2", "first"), &list(ItemsForm::Csv, None));
    assert_eq!(name, "Offene Posten 2027-04-05.csv");
    let expected = "\u{feff}Beleg;Nummer;Datum;Fällig am;Tage überfällig;Währung;Betrag;Offen\r\n\
        Rechnung;D-2027-0042;2027-02-26;2027-03-12;24;EUR;1190,00;690,00\r\n\
        Rechnung;D-2027-0057;2027-03-01;2027-03-15;21;EUR;87,50;87,50\r\n\
        Summe;;;;;EUR;;777,50\r\n";
    assert_eq!(text, expected);

    // Of a statement it has the lines, which add up to its balance.
    let pattern = Some("{{ customer.id }}/{{ period.to.iso }}");
    let (name, text) = file(&Setting::statement("C-1", "statement"), &list(ItemsForm::PlainCsv, pattern));
    assert_eq!(name, "C-1-2027-03-31.csv");
    let open: Decimal = text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse::<Decimal>().unwrap()).sum();
    assert_eq!((text.lines().count(), open), (5, dec!(987.50)));
    assert!(text.contains("credit_note,R-CREDIT,") || text.contains("R-CREDIT"), "{text}");

    let missing = Setting::new("C-1", "first").compose_with(&list(ItemsForm::Csv, Some("{{ vars.project }}")), &shipped());
    assert_eq!(
        missing.unwrap_err().to_string(),
        "The name of an attachment cannot be made: `vars.project` is not defined; a column that may be missing is asked for with `is defined`"
    );
}

#[test]
fn a_zip_has_the_same_bytes_for_the_same_letter_and_others_for_another() {
    let setting = Setting::new("C-1", "first");
    let paper = |words: &[u8]| Attachment {
        name: "Beleg März.pdf".into(),
        content_type: "application/pdf".into(),
        contents: words.to_vec().into(),
        customer: None,
    };
    let zip = |setting: &Setting, words: &[u8], password| {
        let holds = vec![Annex::File(paper(words)), Annex::Items { form: ItemsForm::Csv, name: None }];
        let composed = setting.compose_with(&[Annex::Zip { holds, name: None, password }], &shipped())?;
        let message = MessageParser::new().parse(&composed.bytes).unwrap();
        let part = attached(&message).next().unwrap();
        assert_eq!(part.attachment_name(), Some("Documents 2027-04-05.zip"));
        let names: Vec<(&str, Option<&str>)> =
            composed.files.iter().map(|file| (file.name.as_str(), file.packed_in.as_deref())).collect();
        let zip = Some("Documents 2027-04-05.zip");
        assert_eq!(names, [("Documents 2027-04-05.zip", None), ("Beleg März.pdf", zip), ("Open items 2027-04-05.csv", zip)]);
        assert_eq!(composed.files[0].byte_count, part.contents().len());
        Ok::<Vec<u8>, ComposeFault>(part.contents().to_vec())
    };
    for password in [None, Some("correct horse")] {
        let first = zip(&setting, b"%PDF", password).unwrap();
        assert_eq!(zip(&setting, b"%PDF", password).unwrap(), first);
        assert_ne!(zip(&setting, b"%PDG", password).unwrap(), first);
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(first)).unwrap();
        let mut file = match password {
            Some(password) => archive.by_name_decrypt("Beleg März.pdf", password.as_bytes()).unwrap(),
            None => archive.by_name("Beleg März.pdf").unwrap(),
        };
        assert_eq!(file.last_modified().map(|time| time.to_string()), Some("2027-04-05 09:00:00".into()));
        let mut contents = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut contents).unwrap();
        assert_eq!(contents, b"%PDF");
    }
    // Another mail, another stream of the cipher: the same contents under the same password look different.
    let other = Setting { key: "another-key", ..Setting::new("C-1", "first") };
    let tail = |bytes: Vec<u8>| bytes[30..90].to_vec();
    let passworded = |setting| tail(zip(setting, b"%PDF", Some("correct horse")).unwrap());
    assert_ne!(passworded(&setting), passworded(&other));
    let shown = zip(&setting, b"%PDF", Some("Harbour & Sons"));
    assert_eq!(shown.unwrap_err().to_string(), "The password of the ZIP can be read in the text of the same mail");
}

#[test]
fn the_shipped_mails_are_as_committed() {
    let templates = shipped();
    for (name, template) in
        [("upcoming", "upcoming"), ("first", "first"), ("second", "second"), ("final", "final"), ("final-with-upcoming", "final")]
    {
        for (customer, language) in LANGUAGES {
            let mut setting = Setting { language: Some(language), ..Setting::new(customer, template) };
            if name == "upcoming" {
                // Nothing is due yet.
                setting.as_of = date(2027, 3, 9);
                setting.variables.remove("pay_by");
            }
            if name == "final-with-upcoming" {
                // The youngest invoice is payable by the next day.
                (setting.as_of, setting.issued_before) = (date(2027, 3, 31), date(2027, 3, 20));
            }
            if language == "de" {
                setting.variables.remove("greeting_name");
                setting.sender.name = "ACME Debitorenbuchhaltung für Süd".into();
            }
            let composed = setting.compose(&templates).unwrap();
            assert_committed(&format!("tests/mails/{name}.{language}.eml"), &composed.bytes);
            assert_committed(&format!("tests/mails/{name}.{language}.txt"), composed.text.as_bytes());
            if let Some(folder) = env::var_os("DUNLIN_HTML") {
                fs::write(Path::new(&folder).join(format!("{name}.{language}.html")), composed.page().unwrap()).unwrap();
            }
        }
    }
}

#[test]
fn the_shipped_statements_and_notices_are_as_committed() {
    let templates = shipped();
    for (name, template, tells) in [
        ("statement", "statement", Tells::Statement(dec!(0))),
        ("receipt", "receipt", Tells::Receipt),
        ("invoice", "invoice", Tells::Invoice),
        ("invoice-partly-paid", "invoice", Tells::Invoice),
        ("portal", "portal", Tells::Invoice),
    ] {
        for (customer, language) in LANGUAGES {
            let mut setting =
                Setting { tells, language: Some(language), variables: BTreeMap::new(), ..Setting::statement(customer, template) };
            if name != "statement" {
                (setting.as_of, setting.items_max) = (if name == "invoice" { date(2027, 2, 27) } else { AS_OF }, 1);
            }
            let composed = setting.compose(&templates).unwrap();
            assert_committed(&format!("tests/mails/{name}.{language}.eml"), &composed.bytes);
            assert_committed(&format!("tests/mails/{name}.{language}.txt"), composed.text.as_bytes());
            if let Some(folder) = env::var_os("DUNLIN_HTML") {
                fs::write(Path::new(&folder).join(format!("{name}.{language}.html")), composed.page().unwrap()).unwrap();
            }
        }
    }
}

#[test]
fn the_shipped_statement_in_each_form_is_as_committed_alone_and_for_a_group() {
    let templates = shipped();
    for ((word, form), scope) in
        StatementForm::WORDS.into_iter().flat_map(|form| [AccountScope::Customer, AccountScope::Group].map(|scope| (form, scope)))
    {
        for (customer, language) in LANGUAGES {
            let is_alone = scope == AccountScope::Customer;
            // The open items of one customer are the mail above; only the first customer has branches.
            if (form == StatementForm::OpenItem && is_alone) || (!is_alone && language == "de") {
                continue;
            }
            let layout = StatementLayout { form, scope, ..StatementLayout::default() };
            let own = Setting::statement(customer, "statement");
            let setting = Setting { layout, language: Some(language), variables: BTreeMap::new(), ..own };
            let composed = setting.compose(&templates).unwrap();
            let name = format!("statement-{}{}.{language}", word.replace('_', "-"), if is_alone { "" } else { "-group" });
            assert_committed(&format!("tests/mails/{name}.txt"), composed.text.as_bytes());
            if let Some(folder) = env::var_os("DUNLIN_HTML") {
                fs::write(Path::new(&folder).join(format!("{name}.html")), composed.page().unwrap()).unwrap();
            }
        }
    }
}

#[test]
fn an_account_in_credit_gets_other_words() {
    let setting = Setting { variables: BTreeMap::new(), ..Setting::statement("C-1-2", "statement") };
    let credit = setting.compose(&shipped()).unwrap();
    assert!(credit.text.contains("Balance in your favour") && credit.text.contains("-€60.00"), "{}", credit.text);
    assert!(!credit.text.contains("no demand") && !credit.subject.contains("open"), "{}", credit.text);
}

#[test]
fn a_statement_whose_words_do_not_show_its_balance_is_no_mail() {
    let of = |customer: &'static str, form, files: &[(&str, &str)]| {
        let layout = StatementLayout { form, ..StatementLayout::default() };
        let setting = Setting { layout, variables: BTreeMap::new(), ..Setting::statement(customer, "a") };
        let files: Vec<_> = [("a.subject.txt", "S")].into_iter().chain(files.iter().copied()).collect();
        setting.compose(&templates(&files)).err().map(|fault| fault.to_string())
    };
    let missing =
        |part: &str, balance: &str| Some(format!("The {part} of the mail does not show the balance of the statement, {balance}"));
    let (open_item, forward) = (StatementForm::OpenItem, StatementForm::BalanceForward);
    for form in [open_item, forward] {
        assert_eq!(of("C-1", form, &[("a.html", "<p>{{ statement.balance }}</p>")]), None);
        assert_eq!(of("C-1", form, &[("a.txt", "You owe {{ statement.balance|amount }}.")]), None);
        // What is overdue is not what is owed, and what nobody sees is not shown.
        assert_eq!(of("C-1", form, &[("a.html", "<p>{{ statement.overdue }}</p>")]), missing("HTML", "€987.50"));
        assert_eq!(of("C-1", form, &[("a.html", "<!-- {{ statement.balance }} --><p>x</p>")]), missing("HTML", "€987.50"));
        let both = [("a.html", "<p>{{ statement.balance }}</p>"), ("a.txt", "{{ statement.overdue }}")];
        assert_eq!(of("C-1", form, &both), missing("text", "€987.50"));
        let both = [("a.html", "<p>{{ statement.overdue }}</p>"), ("a.txt", "{{ statement.balance }}")];
        assert_eq!(of("C-1", form, &both), missing("HTML", "€987.50"));
        // In credit, words may stand for the sign.
        assert_eq!(of("C-1-2", form, &[("a.txt", "Your credit: {{ credit_total }}")]), None);
        assert_eq!(of("C-1-2", form, &[("a.txt", "Your credit: {{ account_total }}")]), missing("text", "-€60.00"));
    }
    assert_eq!(of("C-2", open_item, &[("a.html", "<p>{{ statement.balance }}</p>")]), None);
    assert_eq!(of("C-2", open_item, &[("a.html", "<p>{{ statement.overdue }}</p>")]), missing("HTML", "€1,027.50"));
    let german = [("a.de.subject.txt", "S"), ("a.de.html", "<p>{{ statement.overdue }}</p>"), ("a.html", "x")];
    assert_eq!(of("C-2", open_item, &german), missing("HTML", "1.027,50\u{a0}€"));
    // What moved claims nothing, and has no balance to show.
    assert_eq!(of("C-1", StatementForm::Activity, &[("a.txt", "{{ statement.lines|length }} lines")]), None);
    for name in ["statement.balance", "statement.overdue", "balance", "total", "account_total", "credit_total"] {
        let fault = of("C-1", StatementForm::Activity, &[("a.txt", &format!("You owe {{{{ {name} }}}}."))]);
        assert!(fault.is_some(), "{name} is printed in a statement that claims nothing");
    }
}

#[test]
fn a_receipt_says_what_is_left_and_when_nothing_is_matched() {
    let templates = shipped();
    let text = |items_max| {
        let setting = Setting { tells: Tells::Receipt, items_max, variables: BTreeMap::new(), ..Setting::new("C-1", "receipt") };
        setting.compose(&templates).unwrap().text.replace('\n', " ")
    };
    assert!(text(1).contains("set against invoice R-2027-0042, of which €690.00 is still open"), "{}", text(1));
    assert!(text(0).contains("not matched to an invoice yet"), "{}", text(0));
}

#[test]
fn a_statement_that_does_not_add_up_is_no_mail() {
    let templates = shipped();
    let setting = |off| Setting { tells: Tells::Statement(off), ..Setting::statement("C-1", "statement") };
    assert!(setting(dec!(0)).compose(&templates).is_ok());
    let fault = setting(dec!(0.01)).compose(&templates).unwrap_err();
    assert_eq!(fault, ComposeFault::Unbalanced { balance: "987.50".into() });
}

#[test]
fn the_shipped_mails_need_nothing_from_a_script_and_know_the_singular() {
    let templates = shipped();
    for (name, english, german) in [
        ("upcoming", "the following invoice is payable soon", "die folgende Rechnung demnächst zahlbar ist"),
        ("first", "the following invoice is still open", "Zu der folgenden Rechnung"),
        ("second", "the following invoice has still not been paid", "zu der folgenden Rechnung"),
        ("final", "The following invoice is overdue and has not been paid", "die folgende Rechnung ist überfällig"),
    ] {
        for (customer, expected) in [("C-3", english), ("C-2", german)] {
            let setting = Setting { customer, items_max: 1, variables: BTreeMap::new(), ..Setting::new("C-1", name) };
            let text = setting.compose(&templates).unwrap().text.replace('\n', " ");
            assert!(text.contains(expected), "{name}: {text}");
        }
    }
}

#[test]
fn a_plain_line_of_any_length_finds_its_way_into_a_mail() {
    for length in 70..80 {
        let body = format!("first\n{}\nlast", "x".repeat(length));
        let composed = Setting::new("C-1", "a").compose(&templates(&[("a.subject.txt", "S"), ("a.txt", &body)])).unwrap();
        let mail = MessageParser::default().parse(&composed.bytes).unwrap();
        assert_eq!(mail.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), body, "{length} octets");
        assert!(composed.bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 79), "{length} octets");
    }
}

#[test]
fn what_is_not_due_yet_is_told_apart() {
    let body = "{% for item in due_items %}{{ item.number }} {% endfor %}{{ due_total }} | \
                {% for item in upcoming_items %}{{ item.number }} {% endfor %}{{ upcoming_total }} | {{ total }}";
    let templates = templates(&[("a.subject.txt", "S"), ("a.txt", body)]);
    for (as_of, expected) in [
        (date(2027, 3, 11), "€0.00 | R-2027-0042 R-2027-0057 R-2027-0071 €1,277.50 | €1,277.50"),
        (date(2027, 3, 12), "R-2027-0042 €1,190.00 | R-2027-0057 R-2027-0071 €87.50 | €1,277.50"),
        (date(2027, 3, 31), "R-2027-0042 R-2027-0057 €777.50 | R-2027-0071 €250.00 | €1,027.50"),
        // On its due date it is due.
        (date(2027, 4, 1), "R-2027-0042 R-2027-0057 R-2027-0071 €1,027.50 | €0.00 | €1,027.50"),
    ] {
        let setting = Setting { as_of, issued_before: date(2027, 3, 20), ..Setting::new("C-1", "a") };
        assert_eq!(setting.compose(&templates).unwrap().text, expected, "{as_of}");
    }
}

#[test]
fn a_mail_that_asks_for_money_counts_only_what_is_due() {
    let templates = shipped();
    for (name, customer, subject) in [
        ("first", "C-1", "Payment reminder: invoice R-2027-0042"),
        ("first", "C-2", "Zahlungserinnerung: Rechnung D-2027-0042"),
        ("second", "C-1", "Second reminder: unpaid invoice R-2027-0042"),
        ("second", "C-2", "1. Mahnung: Rechnung D-2027-0042"),
        ("final", "C-1", "Final reminder: unpaid invoice R-2027-0042"),
        ("final", "C-2", "Letzte Mahnung: Rechnung D-2027-0042"),
    ] {
        // One of the two invoices is due on this day.
        let composed = Setting { as_of: date(2027, 3, 12), ..Setting::new(customer, name) }.compose(&templates).unwrap();
        assert_eq!(composed.subject, subject);
        let text = composed.text;
        let carried =
            text.find(if customer == "C-1" { "Coming up for payment as well:" } else { "Demnächst sind außerdem zahlbar:" });
        assert!(text.find("2027-0042") < carried && carried < text.find("2027-0057"), "{text}");

        // Where nothing is due, as in a preview, all items are what the mail is about.
        let preview = Setting { as_of: date(2027, 3, 11), ..Setting::new(customer, name) }.compose(&templates).unwrap();
        assert!(preview.subject.contains('2') && !preview.subject.contains("0042"), "{}", preview.subject);
        assert!(!preview.text.contains("Coming up") && preview.text.contains("2027-0057"), "{}", preview.text);
    }
}

#[test]
fn the_reference_page_is_as_committed() {
    assert_committed("docs/reference/template-variables.md", message::reference().as_bytes());
}

#[test]
fn every_variable_of_the_table_is_there_and_no_other() {
    let mut body = String::new();
    for variable in message::VARIABLES.iter().filter(|variable| variable.mails == message::EVERY) {
        let path = variable.path.replace("[]", "[0]");
        body.push_str(&match path.as_str() {
            "customer.attributes.*" => "{{ customer.attributes.region }}".to_owned(),
            "items[0].attributes.*" => "{{ items[0].attributes.order }}".to_owned(),
            "vars.*" => "{{ vars.pay_by }}".to_owned(),
            "due_items" => "{{ due_items[1].number }}".to_owned(),
            "upcoming_items" => "{{ upcoming_items }}".to_owned(),
            "other_items" => "{{ other_items[0].number }}".to_owned(),
            "customer"
            | "items"
            | "level"
            | "rule"
            | "sender"
            | "company"
            | "company.bank_account"
            | "company.bank_accounts"
            | "payment_link_for"
            | "payment_code"
            | "payment_code_for" => {
                continue;
            }
            // Empty, since nothing is known of them.
            path if path.starts_with("company.") => format!("{{{{ {path} or \"-\" }}}}"),
            path => format!("{{{{ {path} }}}}"),
        });
        body.push('\n');
    }
    let templates = templates(&[("a.subject.txt", "S"), ("a.txt", &body)]);
    let text = Setting::new("C-1", "a").compose(&templates).unwrap().text;
    let expected = "C-1\nHarbour & Sons Ltd\nHarbour & Sons Ltd\nen\n['net30']\nNorth\nR-2027-0042\n26 February 2027\n12 March 2027\n€1,190.00\n\
        €690.00\n€500.00\n24\nFalse\n9 April 2027\na\nPO 7781\n\
        https://pay.acme.example/C-1?for=R-2027-0042&amount=690.00\nR-2027-0057\n[]\nR-2027-0071\n€777.50\n€1,277.50\n€500.00\n€777.50\n€0.00\n€250.00\n€1,027.50\n€40.00\n€987.50\nEUR\na\n3\n0\n\
        overdue\nFriendly first, firm later\nACME Receivables\nar@acme.example\nar-team@acme.example\n\
        ACME GmbH\nHafenstraße 12\nHamburg\n-\n20457\nGermany\nDE\n-\n-\n-\n-\n-\n-\n-\n-\nACME GmbH\nExample Bank\nDE89 3704 0044 0532 0130 00\n\
        COBADEFFXXX\n-\n-\nEUR\nhttps://pay.acme.example/C-1?for=R-2027-0042%2CR-2027-0057&amount=777.50\n\
        QR – €777.50, ACME GmbH, DE89 3704 0044 0532 0130 00, R-2027-0042, R-2027-0057 / C-1\n€777.50\nACME GmbH\nDE89 3704 0044 0532 0130 00\nR-2027-0042, R-2027-0057 / C-1\n5 April 2027\nen\n12 April 2027";
    assert_eq!(text, expected);
}

#[test]
fn a_page_to_pay_on_is_named_only_for_what_is_owed_and_only_where_it_is_known() {
    let body = "{% if payment_link is defined %}{{ payment_link }}{% else %}none{% endif %} \
                {% for item in items %}{% if item.payment_link is defined %}{{ item.number }} {% endif %}{% endfor %}";
    let templates = templates(&[("a.subject.txt", "S"), ("a.txt", body)]);
    let text = |setting: Setting| setting.compose(&templates).unwrap().text.trim().to_owned();
    let pay_at = |pattern: &str, setting: Setting| {
        let company = Company { pay_url: Some(PayUrl::parse(pattern).unwrap()), ..acme() };
        text(Setting { company: Some(company), ..setting })
    };
    // One address for each invoice: none for two of them together.
    let one = "https://a.example/{invoice_number}";
    assert_eq!(pay_at(one, Setting::new("C-1", "a")), "none R-2027-0042 R-2027-0057");
    assert_eq!(pay_at(one, Setting { items_max: 1, ..Setting::new("C-1", "a") }), "https://a.example/R-2027-0042 R-2027-0042");
    // A statement asks for its balance; the credit note among its lines is nothing to be paid.
    assert_eq!(
        pay_at("https://a.example/{amount}/{invoice_numbers}", Setting::statement("C-1", "a")),
        "https://a.example/987.50/R-2027-0042%2CR-2027-0057%2CR-2027-0071 R-2027-0042 R-2027-0057 R-2027-0071"
    );
    assert_eq!(text(Setting { company: None, ..Setting::new("C-1", "a") }), "none");
}

#[test]
fn what_only_statements_and_receipts_have_is_there_and_no_other() {
    // What only a statement of a group that brings a balance forward has.
    let is_special = |path: &str| {
        let own = ["statement.opening", "statement.opening_on", "statement.moved"];
        own.contains(&path) || [".running", ".invoice"].iter().any(|end| path.ends_with(end)) || path.contains("branches[]")
    };
    let every = |mails: &str, is_special: &dyn Fn(&str) -> bool| {
        let of_kind = message::VARIABLES.iter().filter(|variable| variable.mails == mails && is_special(variable.path));
        let whole = ["period", "statement", "statement.lines", "statement.branches", "ageing", "payment"];
        let paths = of_kind.map(|variable| variable.path.replace("[]", "[0]")).filter(|path| !whole.contains(&path.as_str()));
        paths.map(|path| format!("{{{{ {path} }}}}\n").replace("ageing[0].from_days", "ageing[1].from_days")).collect::<String>()
    };
    let text =
        |setting: Setting, body: &str| setting.compose(&templates(&[("a.subject.txt", "S"), ("a.txt", body)])).unwrap().text;
    assert_eq!(
        text(Setting::statement("C-1", "a"), &every(message::STATEMENTS, &|path| !is_special(path))),
        "1 March 2027\n31 March 2027\nopen_item\ninvoice\nR-2027-0042\n26 February 2027\n12 March 2027\n19\n€1,190.00\n€690.00\n\
         €690.00\nC-1\nFalse\n9 April 2027\n1–30\n€987.50\n€777.50\n-€40.00\ndue\ncurrent\n1\n0\n€250.00"
    );
    let (form, scope) = (StatementForm::BalanceForward, AccountScope::Group);
    let layout = StatementLayout { form, scope, ..StatementLayout::default() };
    let special = every(message::STATEMENTS, &is_special).replace("lines[0].invoice", "lines[3].invoice");
    let special = special.replace("{{ statement.branches[0].lines }}", "{{ statement.branches[1].lines[0].number }}");
    let special = special.replace("{{ statement.branches[0].ageing }}", "{{ statement.branches[1].ageing[0].amount }}");
    assert_eq!(
        text(Setting { layout, ..Setting::statement("C-1", "a") }, &format!("{special}{{{{ statement.balance }}}}")),
        "€1,277.50\nR-2027-0042\nC-1\nHarbour & Sons Ltd\nTrue\nTR-8\n€0.00\n€987.50\n€1,510.00\n28 February 2027\n-€582.50\n€927.50"
    );
    let receipt = Setting { tells: Tells::Receipt, ..Setting::new("C-1", "a") };
    assert_eq!(
        text(receipt, &every(message::RECEIPTS, &|path| path == "payment.invoice" || !is_special(path))),
        "30 March 2027\n€500.00\nTR-7\nBank transfer\nR-2027-0042"
    );
    let credit = "{% for line in statement.lines if line.bucket is not defined %}{{ line.kind }} {{ line.open }}{% endfor %} = {{ statement.balance }}";
    assert_eq!(text(Setting::statement("C-1", "a"), credit), "credit_note -€40.00 = €987.50");
}

#[test]
fn a_program_outside_is_told_every_variable_of_the_table_by_its_name() {
    fn has(value: &serde_json::Value, path: &[&str]) -> bool {
        match (value, path) {
            (_, [] | ["*"]) => true,
            (serde_json::Value::Array(members), _) => members.iter().any(|member| has(member, path)),
            (_, [name, rest @ ..]) => value.get(name).is_some_and(|own| has(own, rest)),
        }
    }
    let files = [("a.subject.txt", "S"), ("a.txt", "T"), ("a.de.subject.txt", "S"), ("a.de.txt", "T")];
    let templates = templates(&files);
    let told = |setting: Setting| setting.with_letter(|letter| message::values(letter, &templates)).unwrap();
    let (form, scope) = (StatementForm::BalanceForward, AccountScope::Group);
    let layout = StatementLayout { form, scope, ..StatementLayout::default() };
    let reminder = told(Setting::new("C-1", "a"));
    let statements = [told(Setting::statement("C-1", "a")), told(Setting { layout, ..Setting::statement("C-1", "a") })];
    let receipt = told(Setting { tells: Tells::Receipt, ..Setting::new("C-1", "a") });
    // A function is nothing that could be told.
    let functions = ["payment_code_for", "payment_link_for"];
    for variable in message::VARIABLES.iter().filter(|variable| !functions.contains(&variable.path)) {
        let path: Vec<&str> = variable.path.split('.').map(|name| name.trim_end_matches("[]")).collect();
        let is_told = match variable.mails {
            message::EVERY => has(&reminder, &path),
            message::STATEMENTS => statements.iter().any(|statement| has(statement, &path)),
            _ => has(&receipt, &path),
        };
        assert!(is_told, "{}", variable.path);
    }
    functions.iter().for_each(|function| assert_eq!(reminder.get(function), None));
    let names = |map: &serde_json::Value| map.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&reminder["payment_code"]),
        ["text", "alt", "content_type", "base64", "amount", "iban", "payee", "reference"]
    );
    assert_eq!((&reminder["company"]["state"], &reminder["items"][0]["days_overdue"]), (&"".into(), &24.into()));
    assert_eq!(
        (&reminder["items"][0]["disputed"], &reminder["customer"]["tags"]),
        (&false.into(), &serde_json::json!(["net30"]))
    );
    let german = told(Setting::new("C-2", "a"));
    let expected = serde_json::json!({
        "text": "5 April 2027", "short": "5 Apr 2027", "iso": "2027-04-05", "year": 2027, "month": 4, "day": 5,
    });
    assert_eq!((&reminder["as_of"], &german["as_of"]["text"]), (&expected, &"5. April 2027".into()));
    let expected = serde_json::json!({
        "text": "€1,190.00", "short": "1,190.00", "amount": "1190.00", "currency": "EUR", "is_zero": false, "is_negative": false,
    });
    assert_eq!((&reminder["items"][0]["total"], &reminder["vars"]["pay_by"]["iso"]), (&expected, &"2027-04-12".into()));
    let off = Setting { tells: Tells::Statement(dec!(1)), ..Setting::statement("C-1", "a") };
    let fault = off.with_letter(|letter| message::values(letter, &templates)).unwrap_err();
    assert!(matches!(fault, ComposeFault::Unbalanced { .. }), "{fault}");
}

#[test]
fn the_figures_of_a_letter_add_up_to_the_ledgers_balance() {
    let templates = templates(&[("a.subject.txt", "S"), ("a.txt", "{{ balance.amount }}")]);
    let ledger = ledger();
    for id in ["C-1", "C-2", "C-3"] {
        let customer = ledger.find_customer(id).unwrap();
        let balance = ledger.balance_on(customer, Currency::parse("EUR").unwrap(), AS_OF);
        let text = Setting { customer: id, ..Setting::new("C-1", "a") }.compose(&templates).unwrap().text;
        assert_eq!(text.parse::<Decimal>().unwrap(), balance, "{id}");
    }
}

#[test]
fn the_same_letter_gives_the_same_bytes() {
    let setting = Setting::new("C-2", "second");
    assert_eq!(setting.compose(&shipped()).unwrap(), setting.compose(&shipped()).unwrap());
}

#[test]
fn a_blind_copy_is_in_the_envelope_only() {
    let composed = Setting::new("C-1", "first").compose(&shipped()).unwrap();
    assert!(composed.recipients.iter().any(|recipient| recipient.address == "archive@acme.example"));
    let bytes = String::from_utf8(composed.bytes).unwrap();
    assert!(!bytes.contains("archive@acme.example") && !bytes.to_lowercase().contains("bcc"));
}

#[test]
fn who_is_named_twice_gets_one_copy_in_the_most_visible_role() {
    let recipient = |address: &str, role| Recipient { address: address.into(), role };
    let mut setting = Setting::new("C-1", "first");
    setting.recipients = vec![
        recipient("a@b.example", RecipientRole::Bcc),
        recipient("a@b.example", RecipientRole::To),
        recipient("c@müller.example", RecipientRole::Cc),
        recipient("c@xn--mller-kva.example", RecipientRole::Cc),
    ];
    let composed = setting.compose(&shipped()).unwrap();
    let expected = [recipient("a@b.example", RecipientRole::To), recipient("c@xn--mller-kva.example", RecipientRole::Cc)];
    assert_eq!(composed.recipients, expected);
}

#[test]
fn a_mail_without_html_is_one_plain_part() {
    let templates = templates(&[("a.subject.txt", "Reminder"), ("a.txt", "Hello,\n\nplease pay {{ total.amount }}.\n")]);
    let mut setting = Setting::new("C-1", "a");
    setting.recipients.truncate(1);
    setting.sender.name = String::new();
    setting.sender.reply_to = None;
    assert_eq!(
        String::from_utf8(setting.compose(&templates).unwrap().bytes).unwrap(),
        "Date: Mon, 5 Apr 2027 09:00:00 +0200\r\n\
         Message-ID: <5f2c9a1e0b7d4c3f8e6a@acme.example>\r\n\
         From: ar@acme.example\r\n\
         To: billing@harbour.example\r\n\
         Subject: Reminder\r\n\
         MIME-Version: 1.0\r\n\
         Auto-Submitted: auto-generated\r\n\
         X-Auto-Response-Suppress: All\r\n\
         X-Dunlin-Key: 5f2c9a1e0b7d4c3f8e6a\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 7bit\r\n\
         \r\n\
         Hello,\r\n\
         \r\n\
         please pay 777.50.\r\n"
    );
}

#[test]
fn what_cannot_stand_in_a_mail_blocks_it() {
    let recipient = |address: &str, role| Recipient { address: address.into(), role };
    let check = |change: &dyn Fn(&mut Setting), expected: &str| {
        let mut setting = Setting::new("C-1", "first");
        change(&mut setting);
        assert_eq!(setting.compose(&shipped()).unwrap_err().to_string(), expected);
    };
    check(&|setting| setting.recipients.clear(), "The mail has nobody to be addressed to");
    check(
        &|setting| {
            setting.recipients.remove(0);
        },
        "The mail has nobody to be addressed to",
    );
    check(
        &|setting| setting.recipients.push(recipient("a@b.example\r\nBcc: x@y.example", RecipientRole::Cc)),
        "The address \"a@b.example\\r\\nBcc: x@y.example\" cannot be used in a mail",
    );
    check(
        &|setting| setting.recipients = (0..101).map(|i| recipient(&format!("a{i}@b.example"), RecipientRole::To)).collect(),
        "The mail has 101 recipients, more than 100",
    );
    check(
        &|setting| setting.sender.name = "A\r\nBcc: x@y.example".into(),
        "The sender's name \"A\\r\\nBcc: x@y.example\" cannot be used in a mail: it has a control character",
    );
    check(
        &|setting| setting.sender.name = "=?utf-8?q?Bank?=".into(),
        "The sender's name \"=?utf-8?q?Bank?=\" cannot be used in a mail: it looks encoded already",
    );
    check(&|setting| setting.key = "a b", "The message key \"a b\" cannot be used in a mail");
    check(&|setting| setting.template = "frist", "There is no template `frist`; did you mean `first`?");
}

#[test]
fn a_fault_of_a_template_is_told_apart_and_has_its_place() {
    let templates = templates(&[("a.subject.txt", "S"), ("a.txt", "Dear\n{{ vars.nothing }}")]);
    let fault = Setting::new("C-1", "a").compose(&templates).unwrap_err();
    assert!(matches!(fault, ComposeFault::Template(_)));
    assert!(fault.to_string().starts_with("a.txt:2:4: "), "{fault}");
}

/// Text that tries to break out: encoded words, quotes, colons, long words, letters of all scripts, and at times
/// line ends and controls, which are refused.
fn hostile() -> impl Strategy<Value = String> {
    let printable = prop_oneof![
        Just("=?utf-8?q?a?=".to_owned()),
        Just("\"".into()),
        Just("\\".into()),
        Just("<a@b.example>".into()),
        Just(": ".into()),
        Just("  ".into()),
        Just("\u{202e}".into()),
        Just("ü".into()),
        Just("漢字".into()),
        Just("🦆".into()),
        Just("a".repeat(90)),
        Just("é".repeat(70)),
        "\\PC{0,6}",
        "[ -~]{0,12}",
    ];
    let control = prop_oneof![
        Just("\r\nBcc: x@y.example\r\n\r\n".to_owned()),
        Just("\n".into()),
        Just("\r".into()),
        Just("\u{0}".into()),
        Just("\u{85}".into()),
    ];
    let pieces = prop::collection::vec(printable, 1..6);
    (pieces, prop::option::weighted(0.1, control), ".{0,3}").prop_map(|(pieces, control, end)| {
        format!("{}{}{}", pieces.concat(), control.unwrap_or_default(), end.trim_matches(char::is_control))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_value_gets_out_of_its_place(name in hostile(), subject in hostile(), text in hostile(), local in "[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}") {
        let templates = templates(&[
            ("a.subject.txt", "{{ vars.subject }}"),
            ("a.html", "<p>{{ vars.text }}</p>"),
            ("a.txt", "{{ vars.text }}"),
        ]);
        let mut setting = Setting::new("C-1", "a");
        setting.sender.name = name.clone();
        setting.recipients.push(Recipient { address: format!("{local}@b.example").into(), role: RecipientRole::Cc });
        setting.variables.insert("subject".into(), Variable::Text(subject.clone()));
        setting.variables.insert("text".into(), Variable::Text(text.clone()));
        let composed = match setting.compose(&templates) {
            Ok(composed) => composed,
            // Refusing is always safe, but only what is hostile may be refused.
            Err(fault) => {
                let is_hostile = |text: &str| text.trim().chars().any(char::is_control) || text.trim().is_empty() || text.chars().count() > 200;
                let is_blank = text.trim().is_empty();
                prop_assert!(is_hostile(&name) || is_hostile(&subject) || is_blank || name.contains("=?"), "{fault}");
                return Ok(());
            }
        };
        for line in composed.bytes.split(|byte| *byte == b'\n') {
            prop_assert!(line.len() <= 998 + 1);
            prop_assert!(!line[..line.len().saturating_sub(1)].contains(&b'\r'), "a bare CR");
        }
        prop_assert_eq!(composed.bytes.iter().filter(|byte| **byte == b'\n').count(), composed.bytes.windows(2).filter(|pair| pair == b"\r\n").count());
        prop_assert!(composed.bytes.is_ascii());
        let message = MessageParser::new().parse(&composed.bytes).unwrap();
        let names: Vec<&str> = message.headers().iter().map(|header| header.name()).collect();
        prop_assert_eq!(names, [
            "Date", "Message-ID", "From", "Reply-To", "To", "Cc", "Subject", "MIME-Version", "Auto-Submitted",
            "X-Auto-Response-Suppress", "X-Dunlin-Key", "Content-Type",
        ]);
        prop_assert_eq!(message.subject(), Some(subject.trim()));
        let from = message.from().unwrap().first().unwrap();
        prop_assert_eq!(from.address(), Some("ar@acme.example"));
        prop_assert_eq!(from.name().unwrap_or_default(), name.trim());
        let cc: Vec<_> = message.cc().unwrap().iter().map(|address| address.address().unwrap().to_owned()).collect();
        prop_assert_eq!(cc, ["owner@harbour.example".to_owned(), format!("{local}@b.example")]);
        let unified = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
        let expected = format!("{}\n", unified(&text).trim_end_matches('\n'));
        let actual = unified(&message.body_text(0).unwrap());
        prop_assert_eq!(actual.trim_end_matches('\n'), expected.trim_end_matches('\n'));
        prop_assert_eq!(message.attachment_count(), 0);
        prop_assert_eq!(message.html_part(0).and_then(|part| part.content_transfer_encoding()).is_some(), true);
    }
}
