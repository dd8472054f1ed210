//! Reads what only one kind of rule has: a reminder's ladder, a statement's period and age columns, a notice's event.

use rust_decimal::Decimal;

use crate::domain::ageing::{AgeBy, Ageing};
use crate::domain::date::{DaySpan, DayUnit, Days};
use crate::domain::id::LevelId;
use crate::domain::ledger::AccountScope;
use crate::domain::money::{Currency, Money};
use crate::domain::period::Period;
use crate::domain::statement::{StatementForm, StatementLayout};
use crate::rule::check::Known;
use crate::rule::file::{At, Emptiness, at, former_ids, id, recipients, sender, template};
use crate::rule::keys::{NOTICE, STATEMENT};
use crate::rule::{Climb, EmptyStatement, Event, ForEach, Level, Notice, NoticeStart, Repeat, Start, Statement};
use crate::script::Topic;
use crate::yaml::{self, Entry, Fields, Node, Problems, Span, Value};

/// The most levels a rule may have.
pub const LEVELS_MAX: usize = 50;
/// The most repeats a level may ask for.
pub const REPEATS_MAX: u64 = 100;
/// The most days `ageing` may name: with the columns before and after them as many as a mail has room for.
pub const AGE_COLUMNS_MAX: usize = 6;

/// What only one kind of rule has.
#[derive(Debug)]
pub(crate) enum Body {
    Reminder(ReminderDraft),
    Statement(Statement),
    Notice(Notice),
}

#[derive(Debug)]
pub(crate) struct ReminderDraft {
    pub(crate) for_each: ForEach,
    pub(crate) minimum: Vec<Money>,
    pub(crate) levels: Vec<LevelDraft>,
    pub(crate) climb: Climb,
    pub(crate) start: Start,
}

#[derive(Debug)]
pub(crate) struct LevelDraft {
    pub(crate) level: Level,
    pub(crate) id: Span,
    pub(crate) when: At<String>,
    pub(crate) formerly: Vec<Span>,
}

/// Reads the part of a rule of `kind`, and what its `where` is asked about; `None` where that cannot be told.
pub(crate) fn read(
    kind: &str,
    fields: &mut Fields<'_>,
    known: &Known,
    problems: &mut Problems<'_>,
) -> (Option<Body>, Option<Topic>) {
    match kind {
        STATEMENT => (statement(fields, known, problems).map(Body::Statement), Some(Topic::Account)),
        NOTICE => {
            let (notice, topic) = notice(fields, known, problems);
            (notice.map(Body::Notice), topic)
        }
        _ => (reminder(fields, known, problems).map(Body::Reminder), Some(Topic::Invoice)),
    }
}

fn reminder(fields: &mut Fields<'_>, known: &Known, problems: &mut Problems<'_>) -> Option<ReminderDraft> {
    let for_each = [("customer", ForEach::Customer), ("invoice", ForEach::Invoice)];
    let for_each = fields.optional("for_each", problems, yaml::choice(&for_each)).unwrap_or(ForEach::Customer);
    let minimum = fields.optional("minimum", problems, yaml::map(minimum)).unwrap_or_default();
    let levels = fields.required("levels", problems, |node, problems| levels(node, known, problems));
    let climb = [("one_at_a_time", Climb::OneAtATime), ("to_age", Climb::ToAge)];
    let climb = fields.optional("climb", problems, yaml::choice(&climb)).unwrap_or(Climb::OneAtATime);
    let start = [("from_now", Start::FromNow), ("first_level", Start::FirstLevel), ("to_age", Start::ToAge)];
    let start = fields.optional("start", problems, yaml::choice(&start)).unwrap_or(Start::FromNow);
    Some(ReminderDraft { for_each, minimum, levels: levels?, climb, start })
}

fn statement(fields: &mut Fields<'_>, known: &Known, problems: &mut Problems<'_>) -> Option<Statement> {
    let minimum = fields.optional("minimum", problems, yaml::map(minimum)).unwrap_or_default();
    let period = fields.optional("period", problems, yaml::choice(&Period::WORDS)).unwrap_or_default();
    let form = fields.optional("form", problems, yaml::choice(&StatementForm::WORDS)).unwrap_or_default();
    let scopes = [AccountScope::Customer, AccountScope::Group].map(|scope| (scope.as_str(), scope));
    let scope = fields.optional("for_each", problems, yaml::choice(&scopes)).unwrap_or_default();
    let empty = [("leave_out", EmptyStatement::LeaveOut), ("moved", EmptyStatement::Moved), ("send", EmptyStatement::Send)];
    let empty = fields.optional("empty", problems, yaml::choice(&empty)).unwrap_or_default();
    let ageing = match fields.node("ageing") {
        Some(node) if !form.has_balance() => {
            let message = "A statement of the form `activity` shows no balance, so none by age";
            problems.error_hint(node.span, message, "remove `ageing`, or write `form: balance_forward`");
            None
        }
        Some(node) => ageing(node, problems),
        None => Some(Ageing::default()),
    };
    let template = fields.required("template", problems, |node, problems| {
        let name = template(node, known, problems)?;
        if form.has_balance() && known.templates_without_balance.contains(&name) {
            let message =
                format!("The template `{name}` shows no balance, so every mail of this rule is blocked as `unbalanced`");
            problems.warning_hint(node.span, message, "print `{{ statement.balance }}` in the HTML and in the text");
        }
        Some(name)
    });
    let layout = StatementLayout { form, scope, ageing: ageing? };
    Some(Statement { period, layout, empty, minimum, template: template? })
}

fn ageing(node: &Node, problems: &mut Problems<'_>) -> Option<Ageing> {
    let mut fields = Fields::open(node, "an ageing", problems)?;
    let by = fields.optional("by", problems, yaml::choice(&[("due", AgeBy::Due), ("issued", AgeBy::Issued)]));
    let most = u64::from(Days::MAX.count().unsigned_abs());
    let days = fields.required("days", problems, |node, problems| {
        Some(At { value: yaml::list(yaml::whole(1, most))(node, problems)?, span: node.span })
    });
    fields.close(problems);
    let days = days?;
    if days.value.len() > AGE_COLUMNS_MAX {
        problems.error(days.span, format!("`days` names {} columns; at most {AGE_COLUMNS_MAX} are read", days.value.len()));
        return None;
    }
    let ends = days.value.iter().filter_map(|days| Days::new(u32::try_from(*days).ok()?)).collect();
    let ageing = Ageing::new(by.unwrap_or_default(), ends);
    if ageing.is_none() {
        problems.error_hint(days.span, "The days of age columns ascend", "write `days: [30, 60, 90]`");
    }
    ageing
}

fn notice(fields: &mut Fields<'_>, known: &Known, problems: &mut Problems<'_>) -> (Option<Notice>, Option<Topic>) {
    let events = [("invoice", Event::Invoice), ("payment", Event::Payment), ("customer", Event::Customer)];
    let for_each = fields.required("for_each", problems, yaml::choice(&events));
    let start = [("from_now", NoticeStart::FromNow), ("all", NoticeStart::All)];
    let start = fields.optional("start", problems, yaml::choice(&start)).unwrap_or(NoticeStart::FromNow);
    let template = fields.required("template", problems, |node, problems| template(node, known, problems));
    let topic = for_each.map(|event| match event {
        Event::Invoice => Topic::Invoice,
        Event::Payment => Topic::Payment,
        Event::Customer => Topic::Customer,
    });
    (for_each.zip(template).map(|(for_each, template)| Notice { for_each, start, template }), topic)
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
    let (offset, unit) = offset?;
    let level = Level { id: LevelId::new(&id.value), formerly, offset, unit, template: template?, to, cc, bcc, from, repeat };
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

/// Reads days or business days, before or after; no sign to get wrong.
fn offset(when: &At<String>, problems: &mut Problems<'_>) -> Option<(i32, DayUnit)> {
    let words: Vec<&str> = when.value.split_whitespace().collect();
    let read = match words.as_slice() {
        [span @ .., "before", "due"] => DaySpan::parse(&span.join(" ")).map(|span| (-span.days.count(), span.unit)),
        [span @ .., "after", "due"] => DaySpan::parse(&span.join(" ")).map(|span| (span.days.count(), span.unit)),
        _ => None,
    };
    // No business day from the due date is the due date, whatever day that is: `0 days after due` says so.
    let read = read.filter(|read| *read != (0, DayUnit::Business));
    if read.is_none() {
        let hint = "write `3 days before due`, `7 days after due` or `5 business days after due`";
        problems.error_hint(when.span, format!("`{}` is not a day counted from the due date", when.value), hint);
    }
    read
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
