//! Reads one rule file: every value at its place, every problem noted, nothing guessed.

use std::sync::Arc;

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::date::Days;
use crate::domain::id::{LevelId, RuleId, SenderId, TemplateName};
use crate::domain::money::{Currency, Money};
use crate::domain::problem::{Place, nearest};
use crate::rule::check::Known;
use crate::rule::keys::{KINDS, REMINDER, rule_keys};
use crate::rule::schedule::RuleSchedule;
use crate::rule::{Climb, ForEach, Level, Repeat, Start};
use crate::script::{Condition, Locate, Names, Picker, PickerKind, RECIPIENTS_MAX, RecipientName, recipient_name};
use crate::yaml::{self, Entry, Fields, Node, Problems, Span, Value};

/// The most levels a rule may have.
pub const LEVELS_MAX: usize = 50;
/// The most repeats a level may ask for.
pub const REPEATS_MAX: u64 = 100;
/// The longest id.
const ID_CHARACTERS_MAX: usize = 64;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A rule as far as its own file tells.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: At<RuleId>,
    pub(crate) formerly: Vec<At<RuleId>>,
    pub(crate) description: String,
    pub(crate) body: Body,
    pub(crate) schedule: Option<RuleSchedule>,
    pub(crate) approve: bool,
}

#[derive(Debug)]
pub(crate) enum Body {
    /// `None` where a required part is missing or wrong.
    Reminder(Option<Box<ReminderDraft>>),
    NotYet {
        kind: CompactString,
        script: Option<At<String>>,
    },
}

#[derive(Debug)]
pub(crate) struct ReminderDraft {
    pub(crate) for_each: ForEach,
    pub(crate) condition: Option<At<Condition>>,
    pub(crate) minimum: Vec<Money>,
    pub(crate) levels: Vec<LevelDraft>,
    pub(crate) climb: Climb,
    pub(crate) start: Start,
    pub(crate) from: SenderId,
    pub(crate) to: Vec<RecipientName>,
    pub(crate) cc: Vec<RecipientName>,
    pub(crate) bcc: Vec<RecipientName>,
    pub(crate) variables: Vec<Picker>,
    pub(crate) script: Option<At<String>>,
    /// Where it asks for a document that cannot be made.
    pub(crate) attach: Option<Span>,
    pub(crate) attach_plugins: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct LevelDraft {
    pub(crate) level: Level,
    pub(crate) id: Span,
    pub(crate) when: At<String>,
    pub(crate) formerly: Vec<Span>,
}

/// Reads a whole file; what cannot be read is noted and missing.
pub(crate) fn read(file: &str, source: &str, known: &Known, problems: &mut Problems<'_>) -> Option<Draft> {
    let root = match yaml::parse(file, source) {
        Ok(root) => root,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let mut fields = Fields::open(&root, "a rule", problems)?;
    let id = fields.required("id", problems, at(id)).map(|id| At { value: RuleId::new(&id.value), span: id.span });
    let formerly = former_ids(&mut fields, problems);
    let formerly = formerly.into_iter().map(|id| At { value: RuleId::new(&id.value), span: id.span }).collect();
    let description = fields.optional("description", problems, yaml::text).unwrap_or_default();
    let kind = fields.required("kind", problems, yaml::choice(&KINDS.map(|kind| (kind, kind))));
    let schedule = fields.optional("schedule", problems, RuleSchedule::read);
    let approve = fields.optional("approve", problems, yaml::boolean).unwrap_or(false);

    // Without a kind the rest is read as a reminder, so that its problems show at once too.
    let body = if kind.is_none_or(|kind| kind == REMINDER) {
        Body::Reminder(reminder(&mut fields, file, source, known, problems).map(Box::new))
    } else {
        let kind = kind.unwrap_or_default();
        let script = fields.optional("script", problems, at(yaml::text));
        for key in rule_keys(kind) {
            fields.node(key.name);
        }
        Body::NotYet { kind: CompactString::new(kind), script }
    };
    fields.close(problems);
    kind?;
    Some(Draft { id: id?, formerly, description, schedule, body, approve })
}

fn reminder(
    fields: &mut Fields<'_>,
    file: &str,
    source: &str,
    known: &Known,
    problems: &mut Problems<'_>,
) -> Option<ReminderDraft> {
    let for_each = [("customer", ForEach::Customer), ("invoice", ForEach::Invoice)];
    let for_each = fields.optional("for_each", problems, yaml::choice(&for_each)).unwrap_or(ForEach::Customer);
    let condition = fields.optional("where", problems, |node, problems| condition(node, file, source, known, problems));
    let minimum = fields.optional("minimum", problems, yaml::map(minimum)).unwrap_or_default();
    let levels = fields.required("levels", problems, |node, problems| levels(node, known, problems));
    let climb = [("one_at_a_time", Climb::OneAtATime), ("to_age", Climb::ToAge)];
    let climb = fields.optional("climb", problems, yaml::choice(&climb)).unwrap_or(Climb::OneAtATime);
    let start = [("from_now", Start::FromNow), ("first_level", Start::FirstLevel), ("to_age", Start::ToAge)];
    let start = fields.optional("start", problems, yaml::choice(&start)).unwrap_or(Start::FromNow);
    let from = fields.required("from", problems, |node, problems| sender(node, known, problems));
    let to = fields.required("to", problems, |node, problems| recipients(node, Emptiness::Refused, known, problems));
    let copies = |node: &Node, problems: &mut Problems<'_>| recipients(node, Emptiness::Allowed, known, problems);
    let cc = fields.optional("cc", problems, copies).unwrap_or_default();
    let bcc = fields.optional("bcc", problems, copies).unwrap_or_default();
    let picker = |node: &Node, problems: &mut Problems<'_>| variables(node, known, problems);
    let variables = fields.optional("variables", problems, yaml::one_or_list(picker)).unwrap_or_default();
    let script = fields.optional("script", problems, at(yaml::text));
    let (attach, attach_plugins) = fields.node("attach").map_or((None, Vec::new()), |node| attachments(node, known, problems));
    Some(ReminderDraft {
        for_each,
        condition,
        minimum,
        levels: levels?,
        climb,
        start,
        from: from?,
        to: to?,
        cc,
        bcc,
        variables,
        script,
        attach,
        attach_plugins,
    })
}

fn levels(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<Vec<LevelDraft>> {
    let levels = yaml::list(|node, problems: &mut Problems<'_>| level(node, known, problems))(node, problems)?;
    let count = if let Value::List(items) = &node.value { items.len() } else { 0 };
    if count == 0 {
        problems.error_hint(
            node.span,
            "A reminder needs at least one level",
            "add `- { id: first, when: 7 days after due, template: … }`",
        );
    }
    if count > LEVELS_MAX {
        problems.error(node.span, format!("The rule has {count} levels; at most {LEVELS_MAX} are read"));
    }
    Some(levels)
}

fn level(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<LevelDraft> {
    let mut fields = Fields::open(node, "a level", problems)?;
    let id = fields.required("id", problems, at(id));
    let formerly = former_ids(&mut fields, problems);
    let when = fields.required("when", problems, at(yaml::text));
    let offset = when.as_ref().and_then(|when| offset(when, problems));
    let template = fields.required("template", problems, |node, problems| template(node, known, problems));
    let to = fields.optional("to", problems, |node, problems| recipients(node, Emptiness::Refused, known, problems));
    let copies = |node: &Node, problems: &mut Problems<'_>| recipients(node, Emptiness::Allowed, known, problems);
    let cc = fields.optional("cc", problems, copies);
    let bcc = fields.optional("bcc", problems, copies);
    let from = fields.optional("from", problems, |node, problems| sender(node, known, problems));
    let repeat = fields.optional("repeat", problems, repeat);
    fields.close(problems);
    let (id, when) = (id?, when?);
    let spans = formerly.iter().map(|id| id.span).collect();
    let formerly = formerly.into_iter().map(|id| LevelId::new(id.value)).collect();
    let level = Level { id: LevelId::new(&id.value), formerly, offset: offset?, template: template?, to, cc, bcc, from, repeat };
    Some(LevelDraft { level, id: id.span, when, formerly: spans })
}

fn repeat(node: &Node, problems: &mut Problems<'_>) -> Option<Repeat> {
    let mut fields = Fields::open(node, "a repeat", problems)?;
    let every = fields.required("every", problems, |node, problems| {
        let text = yaml::text(node, problems)?;
        let days = Days::parse(&text).filter(|days| days.count() > 0);
        if days.is_none() {
            problems.error_hint(node.span, format!("`{text}` is not a number of days"), "write `14 days`");
        }
        days
    });
    let at_most = fields.required("at_most", problems, yaml::whole(1, REPEATS_MAX));
    fields.close(problems);
    Some(Repeat { every: every?, at_most: u32::try_from(at_most?).ok()? })
}

/// Reads the only two spellings there are; no sign to get wrong.
fn offset(when: &At<String>, problems: &mut Problems<'_>) -> Option<i32> {
    let words: Vec<&str> = when.value.split_whitespace().collect();
    let read = match words.as_slice() {
        [count, unit, "before", "due"] => Days::parse(&format!("{count} {unit}")).map(|days| -days.count()),
        [count, unit, "after", "due"] => Days::parse(&format!("{count} {unit}")).map(Days::count),
        _ => None,
    };
    if read.is_none() {
        let hint = "write `3 days before due` or `7 days after due`";
        problems.error_hint(when.span, format!("`{}` is not a day counted from the due date", when.value), hint);
    }
    read
}

fn condition(node: &Node, file: &str, source: &str, known: &Known, problems: &mut Problems<'_>) -> Option<At<Condition>> {
    let text = yaml::text(node, problems)?;
    let locate = locate(node, file, source);
    match Condition::compile(&text, &names(known), &locate) {
        Ok((condition, warnings)) => {
            warnings.into_iter().for_each(|warning| problems.push(warning));
            Some(At { value: condition, span: node.span })
        }
        Err(found) => {
            found.into_iter().for_each(|problem| problems.push(problem));
            None
        }
    }
}

/// Returns how a line and column inside a value become a place in the YAML file.
fn locate(node: &Node, file: &str, source: &str) -> Locate {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let (node, file, source): (Node, Arc<str>, Arc<str>) = (node.clone(), file.into(), source.into());
    Locate::new(move |line, column, width| {
        let span = node.span_within(line, column);
        Place::within(file.clone(), &source, span.line, span.column, width)
    })
}

pub(crate) fn names(known: &Known) -> Names {
    Names {
        recipient_keys: known.recipient_keys.clone(),
        invoice_attributes: known.invoice_attributes.clone(),
        customer_attributes: known.customer_attributes.clone(),
        library: known.library.clone(),
    }
}

fn minimum(entry: &Entry, problems: &mut Problems<'_>) -> Option<Money> {
    let currency = Currency::parse(&entry.key);
    if currency.is_none() {
        problems.error_hint(entry.span, format!("`{}` is not a currency code", entry.key), "write three letters: EUR");
    }
    let amount = yaml::decimal(&entry.value, problems)?;
    if amount <= Decimal::ZERO {
        problems.error_hint(entry.value.span, format!("`{amount}` is not a least amount"), "write an amount above zero: 20.00");
        return None;
    }
    Some(Money { amount, currency: currency? })
}

fn sender(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<SenderId> {
    let name = yaml::text(node, problems)?;
    let senders = || known.senders.iter().map(SenderId::as_str);
    look_up(&name, "sender", "config.yaml", senders, node.span, problems).then(|| SenderId::new(name))
}

fn template(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<TemplateName> {
    let name = yaml::text(node, problems)?;
    let templates = || known.templates.iter().map(TemplateName::as_str);
    look_up(&name, "template", "rules/templates", templates, node.span, problems).then(|| TemplateName::new(name))
}

/// Returns whether `name` is among the names of its sort; notes the problem where it is not.
pub(crate) fn look_up<'k, I: Iterator<Item = &'k str>>(
    name: &str,
    sort: &str,
    home: &str,
    names: impl Fn() -> I,
    span: Span,
    problems: &mut Problems<'_>,
) -> bool {
    if names().any(|own| own == name) {
        return true;
    }
    let all: Vec<&str> = names().collect();
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if all.is_empty() => format!("{home} has none"),
        None => format!("{home} has: {}", all.join(", ")),
    };
    problems.error_hint(span, format!("There is no {sort} `{name}`"), hint);
    false
}

/// Whether a list of recipients may be empty: a copy to nobody can be meant, a mail to nobody cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Emptiness {
    Allowed,
    Refused,
}

fn recipients(node: &Node, emptiness: Emptiness, known: &Known, problems: &mut Problems<'_>) -> Option<Vec<RecipientName>> {
    let recipients = yaml::one_or_list(|node, problems: &mut Problems<'_>| recipient(node, known, problems))(node, problems)?;
    if let Value::List(items) = &node.value {
        if items.is_empty() && emptiness == Emptiness::Refused {
            problems.error_hint(node.span, "Nobody is addressed", "name a recipient key or an address: `to: [billing]`");
        }
        if items.len() > RECIPIENTS_MAX {
            problems.error(node.span, format!("{} recipients are named; at most {RECIPIENTS_MAX} are read", items.len()));
        }
    }
    Some(recipients)
}

fn recipient(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<RecipientName> {
    let name = yaml::text(node, problems)?;
    if let Some(picker) = name.strip_suffix("()") {
        return self::picker(picker, PickerKind::Recipients, node.span, known, problems).map(RecipientName::Picker);
    }
    match recipient_name(&name, &known.recipient_keys) {
        Ok(recipient) => Some(recipient),
        Err(_) if name.contains('@') => {
            problems.error(node.span, format!("`{name}` is not an e-mail address"));
            None
        }
        Err(hint) => {
            let hint = hint.unwrap_or_else(|| "config.yaml has no recipient keys".into());
            problems.error_hint(node.span, format!("There is no recipient key `{name}`"), hint);
            None
        }
    }
}

/// Reads what is attached: plugins by name. Returns where something else is asked for, and the plugins.
fn attachments(node: &Node, known: &Known, problems: &mut Problems<'_>) -> (Option<Span>, Vec<String>) {
    let members = match &node.value {
        Value::List(members) => members.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let (mut other, mut plugins) = (None, Vec::new());
    for member in members {
        if !matches!(&member.value, Value::Map(entries) if entries.iter().any(|entry| entry.key == "plugin")) {
            other = other.or(Some(node.span));
            continue;
        }
        let Some(mut fields) = Fields::open(member, "an attachment", problems) else { continue };
        if let Some(node) = fields.node("plugin")
            && let Some(name) = yaml::text(node, problems)
        {
            let names = || known.attachment_plugins.iter().map(String::as_str);
            look_up(&name, "plugin for attachments", "plugins/", names, node.span, problems);
            if plugins.contains(&name) {
                problems.error(node.span, format!("The plugin `{name}` is named twice"));
            }
            plugins.push(name);
        }
        fields.close(problems);
    }
    (other, plugins)
}

fn variables(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<Picker> {
    let name = yaml::text(node, problems)?;
    let Some(name) = name.strip_suffix("()") else {
        problems.error_hint(node.span, format!("`{name}` is not a picker"), format!("write `{name}()`"));
        return None;
    };
    picker(name, PickerKind::Variables, node.span, known, problems)
}

/// Returns the plugins' picker of that name.
fn picker(name: &str, kind: PickerKind, span: Span, known: &Known, problems: &mut Problems<'_>) -> Option<Picker> {
    let of_kind = || known.pickers.iter().filter(|picker| picker.kind() == kind);
    let sort = match kind {
        PickerKind::Recipients => "picker of recipients",
        PickerKind::Variables => "picker of variables",
    };
    look_up(name, sort, "plugins/", || of_kind().map(Picker::name), span, problems);
    of_kind().find(|picker| picker.name() == name).cloned()
}

fn former_ids(fields: &mut Fields<'_>, problems: &mut Problems<'_>) -> Vec<At<String>> {
    fields.optional("formerly", problems, yaml::one_or_list(at(id))).unwrap_or_default()
}

/// Reads a permanent id: `[a-z0-9][a-z0-9_-]{0,63}`.
fn id(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let text = yaml::text(node, problems)?;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_id = text.starts_with(is_plain)
        && text.chars().all(|c| is_plain(c) || c == '-' || c == '_')
        && text.len() <= ID_CHARACTERS_MAX;
    if is_id {
        return Some(text);
    }
    let hint = format!("use small letters, digits, `-` and `_`, a letter or digit first, at most {ID_CHARACTERS_MAX} characters");
    problems.error_hint(node.span, format!("`{text}` is not an id"), hint);
    None
}

/// Returns a reader that keeps the place of what it reads.
fn at<T>(read: impl Fn(&Node, &mut Problems<'_>) -> Option<T>) -> impl Fn(&Node, &mut Problems<'_>) -> Option<At<T>> {
    move |node, problems| Some(At { value: read(node, problems)?, span: node.span })
}
