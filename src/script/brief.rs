//! The part of a condition that was false, in brief: what a run keeps of every item that it leaves out.
//!
//! A run may ask it a million times, so everything is prepared when the rule loads: where `&&` cuts the text, what decides each part (the
//! typed tree of `fast`, else rhai's) and where in it values stand. What changes from day to day without anything having happened, the
//! age of an invoice and the day itself, stands as a sign that [`filled`] replaces, so that the same brief is kept for many days.

use compact_str::CompactString;
use rhai::{AST, Engine, Scope};

use crate::domain::date::{Date, days_between};
use crate::script::Account;
use crate::script::check;
use crate::script::condition::About;
use crate::script::explain::{quoted_value, shortened, shown_value};
use crate::script::fast::{Test, View};
use crate::script::pieces::{chains, collapsed, cut, trimmed};
use crate::script::sandbox::AS_OF;
use crate::script::values::Kind;

/// Stands for the days since an invoice's due date.
const AGE: char = '\u{1}';
/// Stands for the day it was decided for.
const DAY: char = '\u{2}';
/// The most bytes of a brief, values included.
pub const BRIEF_BYTES_MAX: usize = 400;

/// One part of a condition.
struct Part {
    /// Where the typed tree can judge it.
    fast: Option<Test>,
    tree: AST,
    segments: Vec<Segment>,
}

enum Segment {
    Written(CompactString),
    /// A field of the table below.
    Field(Field),
    /// An attribute of the invoice (`true`) or the customer.
    Attribute(bool, CompactString),
    /// Anything else that rhai knows the value of: the expression.
    Asked(CompactString),
}

#[derive(Clone, Copy)]
enum Field {
    Age,
    Day,
    Number,
    Issued,
    Due,
    Total,
    Open,
    Currency,
    Id,
    Name,
    Language,
    Tags,
    Balance,
    Overdue,
}

const FIELDS: [(&str, Field); 14] = [
    ("invoice.days_overdue", Field::Age),
    (AS_OF, Field::Day),
    ("invoice.number", Field::Number),
    ("invoice.issued_on", Field::Issued),
    ("invoice.due_on", Field::Due),
    ("invoice.total", Field::Total),
    ("invoice.open", Field::Open),
    ("invoice.currency", Field::Currency),
    ("customer.id", Field::Id),
    ("customer.name", Field::Name),
    ("customer.language", Field::Language),
    ("customer.tags", Field::Tags),
    ("customer.balance", Field::Balance),
    ("customer.overdue", Field::Overdue),
];

/// A condition's parts, prepared.
pub(crate) struct Brief(Vec<Part>);

impl Brief {
    /// Prepares a condition that has been checked; its parts are what `&&` joins at the top, or the whole.
    pub(crate) fn prepare(
        engine: &Engine,
        scope: &Scope<'_>,
        variables: &[(&str, Kind)],
        text: &str,
        topic_is_invoice: bool,
    ) -> Self {
        let part = |range: &std::ops::Range<usize>| {
            let own = &text[range.clone()];
            let tree = engine.compile_expression_with_scope(scope, own).ok()?;
            let fast = check::expression(&tree).as_ref().filter(|_| topic_is_invoice).and_then(Test::read);
            Some(Part { fast, segments: segments(own, variables), tree })
        };
        let parts: Option<Vec<Part>> = cut(text, "&&").iter().map(part).collect();
        let whole = || part(&trimmed(text, 0..text.len())).into_iter().collect();
        // Where it is cut within `||` or a branch of `if`, a part has no meaning of its own.
        let is_joined = cut(text, "||").len() == 1;
        Self(parts.filter(|_| is_joined).unwrap_or_else(whole))
    }

    /// Returns the first part that does not hold, with its values; `scope` makes what rhai needs, if it is asked.
    pub(crate) fn first_false(
        &self,
        engine: &Engine,
        account: &Account<'_>,
        about: About,
        scope: impl Fn() -> Scope<'static>,
    ) -> Option<CompactString> {
        let view = match about {
            About::Document(document) => Some(View::new(account, document)),
            About::Payment(_) | About::Account => None,
        };
        let mut own_scope: Option<Scope<'static>> = None;
        let is_false = |part: &&Part| {
            let known = part.fast.as_ref().zip(view.as_ref()).and_then(|(test, view)| test.holds(view));
            let ask = || engine.eval_ast_with_scope::<bool>(own_scope.get_or_insert_with(&scope), &part.tree).unwrap_or(true);
            !known.unwrap_or_else(ask)
        };
        let part = self.0.iter().find(is_false)?;
        let mut brief = CompactString::default();
        for segment in &part.segments {
            if brief.len() > BRIEF_BYTES_MAX {
                brief.push('…');
                break;
            }
            match segment {
                Segment::Written(text) => brief.push_str(text),
                Segment::Field(field) => put(&mut brief, &field_value(*field, account, view.as_ref())),
                Segment::Attribute(of_invoice, name) => {
                    let value = match (of_invoice, &view) {
                        (true, Some(view)) => account.ledger.document_attribute(view.index, name),
                        (true, None) => None,
                        (false, _) => account.ledger.customer_attribute(account.customer(), name),
                    };
                    put(&mut brief, &value.map_or_else(String::new, quoted_value));
                }
                Segment::Asked(expression) => {
                    let scope = own_scope.get_or_insert_with(&scope);
                    put(&mut brief, &shown_value(engine, scope, expression).unwrap_or_default());
                }
            }
        }
        Some(brief)
    }
}

fn put(brief: &mut CompactString, value: &str) {
    if !value.is_empty() {
        brief.push_str(" (");
        brief.push_str(value);
        brief.push(')');
    }
}

/// Returns a brief with the values of a day, for an item that is due on `due_on`.
pub fn filled(brief: &str, as_of: Date, due_on: Option<Date>) -> String {
    let age = due_on.map_or(0, |due_on| days_between(due_on, as_of));
    brief.replace(AGE, &age.to_string()).replace(DAY, &as_of.to_string())
}

fn field_value(field: Field, account: &Account<'_>, view: Option<&View<'_>>) -> String {
    let customer = || account.ledger.customer(account.customer());
    let document = view.map(|view| view.document);
    let day = |date: Option<Date>| date.map_or_else(|| "none".to_owned(), |date| date.to_string());
    match field {
        Field::Age => AGE.to_string(),
        Field::Day => DAY.to_string(),
        Field::Number => document.map_or_else(String::new, |own| quoted_value(own.number.as_str())),
        Field::Issued => day(document.map(|own| own.issued_on)),
        Field::Due => day(document.and_then(|own| own.due_on)),
        Field::Total => document.map_or_else(String::new, |own| own.total.to_string()),
        Field::Open => view.map_or_else(String::new, |view| account.ledger.open_on(view.index, view.as_of).to_string()),
        Field::Currency => document.map_or_else(String::new, |own| quoted_value(own.currency.as_str())),
        Field::Id => quoted_value(customer().id.as_str()),
        Field::Name => quoted_value(&customer().name),
        Field::Language => quoted_value(customer().language.as_ref().map_or("", |language| language.as_str())),
        Field::Tags => {
            let tags: Vec<String> = customer().tags.iter().map(|tag| format!("{tag:?}")).collect();
            shortened(&format!("[{}]", tags.join(", ")))
        }
        Field::Balance => account.balance().to_string(),
        Field::Overdue => account.overdue().to_string(),
    }
}

/// Cuts a part into what is written and where values stand.
fn segments(text: &str, variables: &[(&str, Kind)]) -> Vec<Segment> {
    let mut notes: Vec<(usize, Segment)> = Vec::new();
    for (start, links) in chains(text) {
        let name = &text[start..links[0]];
        if !variables.iter().any(|(own, _)| *own == name) {
            continue;
        }
        let plain = |end: usize| text[start..end].split('.').map(str::trim).collect::<Vec<_>>().join(".");
        let field = links.iter().find_map(|end| {
            let path = plain(*end);
            FIELDS.iter().find(|(own, _)| *own == path).map(|(_, field)| (*end, Segment::Field(*field)))
        });
        let attribute = || {
            let (end, path) = links.get(2).map(|end| (*end, plain(*end)))?;
            let (owner, name) = (path.starts_with("invoice."), path.split_once(".attributes.")?.1);
            name.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| (end, Segment::Attribute(owner, name.into())))
        };
        let other = || {
            let end = links.get(1).copied().filter(|_| !plain(links[1]).ends_with(".attributes")).or(links.last().copied())?;
            let is_whole = start == 0 && end == text.len() || start == 1 && text.starts_with('!') && end == text.len();
            (!is_whole && links.len() > 1).then(|| (end, Segment::Asked(text[start..end].into())))
        };
        notes.extend(field.or_else(attribute).or_else(other));
    }
    notes.sort_by_key(|(place, _)| *place);
    let (mut segments, mut done) = (Vec::new(), 0);
    for (place, segment) in notes {
        segments.push(Segment::Written(collapsed(&text[done..place]).into()));
        segments.push(segment);
        done = place;
    }
    segments.push(Segment::Written(collapsed(&text[done..]).into()));
    segments
}
