//! The cases of a plugin's test.yaml: what is called or run, and what has to come of it.

use std::collections::BTreeMap;

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::customer::{Contacts, Customer};
use crate::domain::date::Date;
use crate::domain::document::{Document, DocumentKind, Payment};
use crate::domain::id::{CustomerId, DocumentNumber, Language, RecipientKey};
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger, LedgerBuilder};
use crate::domain::money::Currency;
use crate::domain::problem::{Place, Problem};
use crate::domain::variable::Variable;
use crate::script::LevelFacts;
use crate::yaml::{self, Fields, Node, Problems, Value};

/// The most cases of one plugin.
const CASES_MAX: usize = 1_000;
/// The most items of one case.
const ITEMS_MAX: usize = 1_000;

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// What is done.
    pub kind: CaseKind,
}

/// What a case does, and what has to come of it.
#[derive(Clone, Debug)]
pub enum CaseKind {
    /// Evaluates an expression.
    Call {
        /// The expression.
        text: String,
        /// What it gives.
        expected: Expected,
    },
    /// Asks a picker.
    Picker(Box<PickerCase>),
    /// Runs the program for alerts.
    Alert(ProgramCase),
    /// Runs the program for attachments.
    Attachment(AttachmentCase),
}

/// What has to come of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// A value that is written so.
    Gives(Value),
    /// A fault that holds this text.
    Fails(String),
}

/// A picker and what it is asked about.
#[derive(Clone, Debug)]
pub struct PickerCase {
    /// The picker's name.
    pub picker: String,
    /// A ledger of one customer with the items.
    pub ledger: Ledger,
    /// The customer.
    pub customer: CustomerIndex,
    /// The items.
    pub items: Vec<DocumentIndex>,
    /// The currency of the first item, or EUR.
    pub currency: Currency,
    /// The level.
    pub level: LevelFacts,
    /// What a rule says to the picker.
    pub settings: Option<BTreeMap<String, Variable>>,
    /// The day.
    pub as_of: Date,
    /// What it picks.
    pub expected: Expected,
}

/// A start of a program.
#[derive(Clone, Debug, Default)]
pub struct ProgramCase {
    /// What it is given, by key.
    pub request: BTreeMap<String, serde_json::Value>,
    /// Its environment besides `PATH`.
    pub environment: BTreeMap<String, String>,
    /// The server it is to speak to.
    pub http: Option<HttpCase>,
    /// Its exit code.
    pub exits: i32,
    /// Text that it prints.
    pub prints: Option<String>,
}

/// An attachment that a program is asked for.
#[derive(Clone, Debug)]
pub struct AttachmentCase {
    /// The start of the program.
    pub program: ProgramCase,
    /// The first file's name and content type, and text it holds.
    pub name: Option<String>,
    /// Its content type.
    pub content_type: Option<String>,
    /// Text it holds.
    pub contains: Option<String>,
    /// Instead of all these: text of the fault.
    pub fails: Option<String>,
}

/// A server that answers one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCase {
    /// The status of its answer.
    pub status: u16,
    /// Text that the request holds.
    pub receives: Option<String>,
}

impl Expected {
    /// Returns whether a call came out as it has to.
    pub fn holds(&self, outcome: &Result<Variable, String>) -> bool {
        match (self, outcome) {
            (Self::Gives(expected), Ok(given)) => yaml::is_written(expected, given),
            (Self::Fails(text), Err(fault)) => fault.contains(text),
            _ => false,
        }
    }

    /// Returns it in words: `2026-11-21`, or `a fault with "…"`.
    pub fn words(&self) -> String {
        match self {
            Self::Gives(value) => yaml::written(value),
            Self::Fails(text) => format!("a fault with {text:?}"),
        }
    }
}

/// Reads the cases of a test.yaml; those with problems are left out.
pub fn read_cases(path: &str, text: &str) -> (Vec<Case>, Vec<Problem>) {
    let root = match yaml::parse(path, text) {
        Ok(root) => root,
        Err(problem) => return (Vec::new(), vec![problem]),
    };
    let mut problems = Problems::new(path, text);
    let Some(mut fields) = Fields::open(&root, "a test", &mut problems) else { return (Vec::new(), problems.into_list()) };
    let cases = fields.required("cases", &mut problems, yaml::list(case)).unwrap_or_default();
    fields.close(&mut problems);
    if cases.len() > CASES_MAX {
        problems.error(root.span, format!("There are {} cases; at most {CASES_MAX} are run", cases.len()));
    }
    (cases, problems.into_list())
}

fn case(node: &Node, problems: &mut Problems<'_>) -> Option<Case> {
    let mut fields = Fields::open(node, "a case", problems)?;
    let name = fields.optional("name", problems, yaml::text);
    let call = fields.optional("call", problems, yaml::text);
    let picker = fields.optional("picker", problems, yaml::text);
    let (alert, attachment) = (fields.node("alert"), fields.node("attachment"));
    let count = [call.is_some(), picker.is_some(), alert.is_some(), attachment.is_some()].iter().filter(|is| **is).count();
    if count != 1 {
        let message = "A case has one of `call`, `picker`, `alert` and `attachment`";
        problems.error_hint(node.span, message, "write `- { call: …, gives: … }`");
        return None;
    }
    let place = problems.place(node.span);
    let (name, kind) = if let Some(text) = call {
        let expected = expected(&mut fields, node, problems)?;
        (name.unwrap_or_else(|| text.clone()), CaseKind::Call { text, expected })
    } else if let Some(picker) = picker {
        let name = name.unwrap_or_else(|| format!("{picker}()"));
        (name, CaseKind::Picker(Box::new(picker_case(picker, &mut fields, node, problems)?)))
    } else if let Some(alert) = alert {
        let program = program(&mut fields, alert, problems)?;
        (name.unwrap_or_else(|| "alert".into()), CaseKind::Alert(program))
    } else {
        let request = attachment?;
        (name.unwrap_or_else(|| "attachment".into()), CaseKind::Attachment(attachment_case(&mut fields, request, problems)?))
    };
    fields.close(problems);
    Some(Case { name, place, kind })
}

fn expected(fields: &mut Fields<'_>, node: &Node, problems: &mut Problems<'_>) -> Option<Expected> {
    let fails = fields.optional("fails", problems, yaml::text);
    // `gives:` with nothing behind it means that nothing is given.
    let is_named = fields.key_span("gives").is_some();
    let gives = fields.node("gives").map(|node| node.value.clone());
    match (gives, fails) {
        (None, Some(text)) if !is_named => Some(Expected::Fails(text)),
        (gives, None) if is_named => Some(Expected::Gives(gives.unwrap_or(Value::Null))),
        _ => {
            problems.error_hint(node.span, "A case says either what it `gives` or how it `fails`", "add `gives: …`");
            None
        }
    }
}

fn picker_case(picker: String, fields: &mut Fields<'_>, node: &Node, problems: &mut Problems<'_>) -> Option<PickerCase> {
    let expected = expected(fields, node, problems);
    let as_of = fields.optional("as_of", problems, yaml::day).unwrap_or_else(|| jiff::civil::date(2026, 11, 21));
    let level = fields.optional("level", problems, level);
    let level = level.unwrap_or_else(|| LevelFacts { id: "first".into(), number: 1, repeat: 0 });
    let settings = fields.optional("settings", problems, settings);
    let (customer, attributes) =
        fields.optional("customer", problems, customer).unwrap_or_else(|| (invented_customer("C-1"), Vec::new()));
    let items = fields.optional("items", problems, yaml::list(|node, problems| Some((item(node, as_of, problems)?, node.span))));
    let items = items.unwrap_or_default();
    if items.len() > ITEMS_MAX {
        problems.error(node.span, format!("The case has {} items; at most {ITEMS_MAX} are read", items.len()));
        return None;
    }
    let columns = |of: &[(String, String)]| -> Vec<CompactString> { of.iter().map(|(name, _)| name.as_str().into()).collect() };
    let mut item_columns: Vec<CompactString> = items.iter().flat_map(|(item, _)| columns(&item.attributes)).collect();
    item_columns.sort_unstable();
    item_columns.dedup();
    let mut builder = LedgerBuilder::new(columns(&attributes), item_columns.clone(), Vec::new());
    let customer = builder.add_customer(customer, attributes.iter().map(|(_, value)| value.as_str())).ok()?;
    let currency = items.first().map(|(item, _)| item.document.currency);
    let mut numbers = Vec::new();
    for (item, span) in items {
        let Item { document, payments, attributes } = item;
        let number = document.number.to_string();
        let currency = document.currency;
        let value =
            |column: &CompactString| attributes.iter().find(|(name, _)| *name == *column).map_or("", |(_, value)| value.as_str());
        let Ok(index) = builder.add_invoice(Document { customer, ..document }, item_columns.iter().map(value)) else {
            problems.error_hint(span, format!("`{number}` is the number of another item too"), "give it one of its own");
            continue;
        };
        numbers.push(number);
        for (received_on, amount) in payments {
            let reference = CompactString::default();
            let payment = Payment { customer, document: Some(index), amount, currency, received_on, reference };
            builder.add_payment(payment).ok()?;
        }
    }
    let ledger = builder.finish();
    let items = numbers.iter().filter_map(|number| ledger.find_document(number)).collect();
    let customer = ledger.customer_indexes().next()?;
    let currency = currency.or_else(|| Currency::parse("EUR"))?;
    Some(PickerCase { picker, ledger, customer, items, currency, level, settings, as_of, expected: expected? })
}

fn settings(node: &Node, problems: &mut Problems<'_>) -> Option<BTreeMap<String, Variable>> {
    match yaml::variable(node, problems)? {
        Variable::Map(settings) => Some(settings),
        _ => {
            problems.error_hint(node.span, "Expected settings with names", "write `{ setting: value }`");
            None
        }
    }
}

fn invented_customer(id: &str) -> Customer {
    Customer {
        id: CustomerId::new(id),
        name: "Invented Customer".into(),
        language: None,
        tags: Box::default(),
        contacts: Contacts::default(),
        hold_until: None,
        row: 0,
    }
}

/// Reads a customer, and their further columns.
fn customer(node: &Node, problems: &mut Problems<'_>) -> Option<(Customer, Vec<(String, String)>)> {
    let mut fields = Fields::open(node, "a customer", problems)?;
    let mut customer = invented_customer("C-1");
    let texts = || yaml::one_or_list(yaml::text);
    if let Some(id) = fields.optional("id", problems, yaml::text) {
        customer.id = CustomerId::new(id);
    }
    if let Some(name) = fields.optional("name", problems, yaml::text) {
        customer.name = name.into();
    }
    customer.language = fields.optional("language", problems, yaml::text).map(Language::new);
    let tags = fields.optional("tags", problems, texts()).unwrap_or_default();
    customer.tags = tags.into_iter().map(CompactString::from).collect();
    let contacts = fields.optional("contacts", problems, texts()).unwrap_or_default();
    customer.contacts = Contacts::default();
    for key in contacts {
        customer.contacts.add(&RecipientKey::new(&key), std::iter::once(format!("{key}@customer.example").as_str()));
    }
    let attributes = fields.optional("attributes", problems, yaml::map(variable)).unwrap_or_default();
    fields.close(problems);
    Some((customer, attributes))
}

/// An item of a case.
struct Item {
    /// Its customer is not known yet.
    document: Document,
    payments: Vec<(Date, Decimal)>,
    attributes: Vec<(String, String)>,
}

fn item(node: &Node, as_of: Date, problems: &mut Problems<'_>) -> Option<Item> {
    let mut fields = Fields::open(node, "an item", problems)?;
    let number = fields.required("number", problems, yaml::text);
    let open = fields.required("open", problems, yaml::decimal);
    let currency = fields.optional("currency", problems, yaml::currency);
    let due_on = fields.optional("due_on", problems, yaml::day);
    let disputed = fields.optional("disputed", problems, yaml::boolean).unwrap_or(false);
    let payments = fields.optional("payments", problems, yaml::list(payment)).unwrap_or_default();
    let attributes = fields.optional("attributes", problems, yaml::map(variable)).unwrap_or_default();
    fields.close(problems);
    let total = payments.iter().try_fold(open?, |sum, (_, amount)| sum.checked_add(*amount))?;
    let first = payments.iter().map(|(on, _)| *on).min().unwrap_or(as_of);
    let document = Document {
        number: DocumentNumber::new(number?),
        customer: CustomerIndex(0),
        kind: if total < Decimal::ZERO { DocumentKind::CreditNote } else { DocumentKind::Invoice },
        currency: currency.or_else(|| Currency::parse("EUR"))?,
        issued_on: due_on.unwrap_or(as_of).min(as_of).min(first),
        due_on,
        settled_on: None,
        total,
        open: None,
        disputed,
        approved: true,
        hold_until: None,
        promised_on: None,
        row: 0,
    };
    Some(Item { document, payments, attributes })
}

fn payment(node: &Node, problems: &mut Problems<'_>) -> Option<(Date, Decimal)> {
    let mut fields = Fields::open(node, "a payment", problems)?;
    let received_on = fields.required("received_on", problems, yaml::day);
    let amount = fields.required("amount", problems, yaml::decimal);
    fields.close(problems);
    Some((received_on?, amount?))
}

fn level(node: &Node, problems: &mut Problems<'_>) -> Option<LevelFacts> {
    let mut fields = Fields::open(node, "a level", problems)?;
    let id = fields.optional("id", problems, yaml::text).unwrap_or_else(|| "first".into());
    let number = fields.optional("number", problems, yaml::whole(1, 50)).unwrap_or(1);
    let repeat = fields.optional("repeat", problems, yaml::whole(0, 100)).unwrap_or(0);
    fields.close(problems);
    Some(LevelFacts { id: id.into(), number: i64::try_from(number).ok()?, repeat: i64::try_from(repeat).ok()? })
}

fn program(fields: &mut Fields<'_>, request: &Node, problems: &mut Problems<'_>) -> Option<ProgramCase> {
    let serde_json::Value::Object(request) = json(&request.value) else {
        problems.error_hint(request.span, "Expected what the program is given, with keys", "write `key: value` lines");
        return None;
    };
    let environment = fields.optional("environment", problems, yaml::map(variable)).unwrap_or_default();
    let http = fields.optional("http", problems, http);
    let exits = fields.optional("exits", problems, yaml::whole(0, 255)).unwrap_or(0);
    let prints = fields.optional("prints", problems, yaml::text);
    let (request, environment) = (request.into_iter().collect(), environment.into_iter().collect());
    Some(ProgramCase { request, environment, http, exits: i32::try_from(exits).ok()?, prints })
}

fn attachment_case(fields: &mut Fields<'_>, request: &Node, problems: &mut Problems<'_>) -> Option<AttachmentCase> {
    let program = program(fields, request, problems)?;
    let fails = fields.optional("fails", problems, yaml::text);
    let mut case = AttachmentCase { program, name: None, content_type: None, contains: None, fails };
    if let Some(node) = fields.node("gives") {
        let mut given = Fields::open(node, "a file", problems)?;
        case.name = given.optional("name", problems, yaml::text);
        case.content_type = given.optional("content_type", problems, yaml::text);
        case.contains = given.optional("contains", problems, yaml::text);
        given.close(problems);
    }
    Some(case)
}

fn variable(entry: &yaml::Entry, problems: &mut Problems<'_>) -> Option<(String, String)> {
    Some((entry.key.clone(), yaml::text(&entry.value, problems)?))
}

fn http(node: &Node, problems: &mut Problems<'_>) -> Option<HttpCase> {
    let mut fields = Fields::open(node, "a server", problems)?;
    let status = fields.optional("status", problems, yaml::whole(200, 599)).unwrap_or(200);
    let receives = fields.optional("receives", problems, yaml::text);
    fields.close(problems);
    Some(HttpCase { status: u16::try_from(status).ok()?, receives })
}

/// Returns a node as JSON; every scalar is a text, as amounts and days are in the requests of programs.
fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Scalar(scalar) => scalar.text.as_str().into(),
        Value::List(list) => list.iter().map(|node| json(&node.value)).collect(),
        Value::Map(map) => map.iter().map(|entry| (entry.key.clone(), json(&entry.value.value))).collect(),
    }
}
