//! Reads one rule file: every value at its place, every problem noted, nothing guessed. What only one kind of rule has
//! is read by `kind`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::header::ExtraHeader;
use crate::domain::id::{RuleId, SenderId, TemplateName};
use crate::domain::problem::{Place, nearest};
use crate::domain::variable::Variable;
use crate::rule::Enclosure;
use crate::rule::attach::attach;
use crate::rule::check::Known;
use crate::rule::headers::headers;
use crate::rule::keys::{KINDS, REMINDER};
use crate::rule::kind::{self, Body};
use crate::rule::schedule::{CalendarKnown, RuleSchedule};
use crate::script::{Condition, Locate, Names, Picker, PickerKind, RECIPIENTS_MAX, RecipientName, Topic, recipient_name};
use crate::yaml::{self, Fields, Node, Problems, Span, Value};

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
    pub(crate) schedule: Option<RuleSchedule>,
    pub(crate) condition: Option<At<Condition>>,
    pub(crate) script: Option<At<String>>,
    /// The plugins' pickers that compute variables.
    pub(crate) variables: Vec<Picker>,
    pub(crate) attach: Vec<Enclosure>,
    pub(crate) headers: Vec<ExtraHeader>,
    pub(crate) approve: bool,
    pub(crate) give_up_after: Option<Duration>,
    /// `None` where a required part is missing or wrong.
    pub(crate) addressing: Option<Addressing>,
    /// `None` where a required part is missing or wrong.
    pub(crate) body: Option<Body>,
}

/// From whom to whom the mails of a rule go.
#[derive(Debug)]
pub(crate) struct Addressing {
    pub(crate) from: SenderId,
    pub(crate) to: Vec<RecipientName>,
    pub(crate) cc: Vec<RecipientName>,
    pub(crate) bcc: Vec<RecipientName>,
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
    let schedule = fields.optional("schedule", problems, |node, problems| {
        RuleSchedule::read(node, if known.has_calendar { CalendarKnown::Yes } else { CalendarKnown::No }, problems)
    });
    let approve = fields.optional("approve", problems, yaml::boolean).unwrap_or(false);
    let give_up_after = fields.optional("give_up_after", problems, yaml::duration);

    // Without a kind the rest is read as a reminder, so that its problems show at once too.
    let (body, topic) = kind::read(kind.unwrap_or(REMINDER), &mut fields, known, problems);
    let condition = match topic {
        Some(topic) => fields.optional("where", problems, |node, problems| condition(node, topic, file, source, known, problems)),
        // What it can ask for depends on what is missing.
        None => fields.node("where").and(None),
    };
    let addressing = addressing(&mut fields, known, problems);
    let picker = |node: &Node, problems: &mut Problems<'_>| variables(node, known, problems);
    let variables = fields.optional("variables", problems, yaml::one_or_list(picker)).unwrap_or_default();
    let script = fields.optional("script", problems, at(yaml::text));
    let attach = fields.node("attach").map_or_else(Vec::new, |node| attach(node, kind.unwrap_or(REMINDER), known, problems));
    let headers = fields.optional("headers", problems, headers).unwrap_or_default();
    fields.close(problems);
    kind?;
    Some(Draft {
        id: id?,
        formerly,
        description,
        schedule,
        condition,
        script,
        variables,
        attach,
        headers,
        approve,
        give_up_after,
        addressing,
        body,
    })
}

fn addressing(fields: &mut Fields<'_>, known: &Known, problems: &mut Problems<'_>) -> Option<Addressing> {
    let from = fields.required("from", problems, |node, problems| sender(node, known, problems));
    let to = fields.required("to", problems, |node, problems| recipients(node, Emptiness::Refused, known, problems));
    let copies = |node: &Node, problems: &mut Problems<'_>| recipients(node, Emptiness::Allowed, known, problems);
    let cc = fields.optional("cc", problems, copies).unwrap_or_default();
    let bcc = fields.optional("bcc", problems, copies).unwrap_or_default();
    Some(Addressing { from: from?, to: to?, cc, bcc })
}

fn condition(
    node: &Node,
    topic: Topic,
    file: &str,
    source: &str,
    known: &Known,
    problems: &mut Problems<'_>,
) -> Option<At<Condition>> {
    let text = yaml::text(node, problems)?;
    let locate = locate(node, file, source);
    match Condition::compile(&text, topic, &names(known), &locate) {
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

pub(crate) fn sender(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<SenderId> {
    let name = yaml::text(node, problems)?;
    let senders = || known.senders.iter().map(SenderId::as_str);
    look_up(&name, "sender", "config.yaml", senders, node.span, problems).then(|| SenderId::new(name))
}

pub(crate) fn template(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<TemplateName> {
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
pub(crate) enum Emptiness {
    Allowed,
    Refused,
}

pub(crate) fn recipients(
    node: &Node,
    emptiness: Emptiness,
    known: &Known,
    problems: &mut Problems<'_>,
) -> Option<Vec<RecipientName>> {
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

/// Reads `name()`, or `name: { setting: value }`.
fn variables(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<Picker> {
    if let Value::Map(entries) = &node.value {
        let [entry] = entries.as_slice() else {
            problems.error_hint(node.span, "One picker at a time", "write `[{ a: { … } }, { b: { … } }]`");
            return None;
        };
        let picker = picker(&entry.key, PickerKind::Variables, entry.span, known, problems)?;
        let settings = settings(&entry.value, problems)?;
        return tried(picker, settings, entry.span, known, problems);
    }
    let name = yaml::text(node, problems)?;
    let Some(name) = name.strip_suffix("()") else {
        problems.error_hint(node.span, format!("`{name}` is not a picker"), format!("write `{name}()`"));
        return None;
    };
    let picker = picker(name, PickerKind::Variables, node.span, known, problems)?;
    if !picker.takes_settings() {
        return Some(picker);
    }
    tried(picker, BTreeMap::new(), node.span, known, problems)
}

/// Returns a picker with what the rule says to it, if it works on the made-up ledger.
fn tried(
    picker: Picker,
    settings: BTreeMap<String, Variable>,
    span: Span,
    known: &Known,
    problems: &mut Problems<'_>,
) -> Option<Picker> {
    let (made, found) = match picker.with_settings(settings, &names(known), problems.place(span)) {
        Ok((made, warnings)) => (Some(made), warnings),
        Err(found) => (None, found),
    };
    found.into_iter().for_each(|problem| problems.push(problem));
    made
}

/// Reads what a rule says to a plugin: named values.
pub(crate) fn settings(node: &Node, problems: &mut Problems<'_>) -> Option<BTreeMap<String, Variable>> {
    match yaml::variable(node, problems)? {
        Variable::Map(settings) => Some(settings),
        _ => {
            problems.error_hint(node.span, "Expected settings with names", "write `{ setting: value }`");
            None
        }
    }
}

/// Returns the plugins' picker of that name.
fn picker(name: &str, kind: PickerKind, span: Span, known: &Known, problems: &mut Problems<'_>) -> Option<Picker> {
    let of_kind = || known.pickers.iter().filter(|picker| picker.kind() == kind);
    let sort = match kind {
        PickerKind::Recipients => "picker of recipients",
        PickerKind::Variables => "picker of variables",
    };
    let found = of_kind().find(|picker| picker.name() == name).cloned();
    if found.is_none() && !known.broken.plugins.is_empty() {
        // It may be in one of those that have errors.
        let folders: Vec<String> = known.broken.plugins.iter().map(|plugin| format!("plugins/{plugin}")).collect();
        let message = format!("No plugin without errors has the {sort} `{name}`");
        problems.error_hint(span, message, format!("mend {} first", folders.join(", ")));
        return None;
    }
    look_up(name, sort, "plugins/", || of_kind().map(Picker::name), span, problems);
    found
}

pub(crate) fn former_ids(fields: &mut Fields<'_>, problems: &mut Problems<'_>) -> Vec<At<String>> {
    fields.optional("formerly", problems, yaml::one_or_list(at(id))).unwrap_or_default()
}

/// Reads a permanent id: `[a-z0-9][a-z0-9_-]{0,63}`.
pub(crate) fn id(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
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
pub(crate) fn at<T>(read: impl Fn(&Node, &mut Problems<'_>) -> Option<T>) -> impl Fn(&Node, &mut Problems<'_>) -> Option<At<T>> {
    move |node, problems| Some(At { value: read(node, problems)?, span: node.span })
}
