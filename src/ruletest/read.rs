//! The reader of `<rule>.test.yaml`: cases with their receivables, past and days.

use crate::domain::date::Date;
use crate::domain::hold::{HoldKind, HoldTerm};
use crate::domain::id::LevelId;
use crate::domain::mailbox::is_address;
use crate::domain::problem::Problem;
use crate::plan::history::Standing;
use crate::rule::{Rule, RuleKind};
use crate::ruletest::day::Days;
use crate::ruletest::expect::ExpectReader;
use crate::ruletest::ledger::{RowReader, Rows};
use crate::ruletest::{Case, CsvNames, Hold, HoldOn, Known, Past, Played, Receivables, SentMail, SentMatter, Stretch};
use crate::yaml::{self, Fields, Node, Problems, Span, Value};

/// The most cases of one file.
pub const CASES_MAX: usize = 1_000;
/// The most stretches of one case.
pub const STRETCHES_MAX: usize = 400;
/// The most days that one case may go through.
pub const DAYS_MAX: i32 = 1_100;

/// What is said of a case that nothing is played of.
const NO_DAY: &str = "No day of the case is said";

/// The words for what became of a mail that was sent before.
pub(crate) const STANDINGS: [(&str, Standing); 5] = [
    ("accepted", Standing::Accepted),
    ("under_way", Standing::UnderWay),
    ("unknown", Standing::Unknown),
    ("refused", Standing::Refused),
    ("cancelled", Standing::Cancelled),
];

/// Reads the cases of a file; those with problems are left out.
pub fn read_cases(path: &str, text: &str, known: &Known<'_>) -> (Vec<Case>, Vec<Problem>) {
    let root = match yaml::parse(path, text) {
        Ok(root) => root,
        Err(problem) => return (Vec::new(), vec![problem]),
    };
    let mut problems = Problems::new(path, text);
    let Some(mut fields) = Fields::open(&root, "a test of a rule", &mut problems) else {
        return (Vec::new(), problems.into_list());
    };
    let mut names: Vec<String> = Vec::new();
    let cases = fields.required("cases", &mut problems, |node, problems| {
        yaml::list(|node, problems| {
            let case = case(node, known, problems)?;
            if names.contains(&case.name) {
                let message = format!("`{}` is the name of another case too", case.name);
                problems.error_hint(node.span, message, "say in the name what this one shows");
                return None;
            }
            names.push(case.name.clone());
            Some(case)
        })(node, problems)
    });
    fields.close(&mut problems);
    let cases = cases.unwrap_or_default();
    if cases.len() > CASES_MAX {
        problems.error(root.span, format!("There are {} cases; at most {CASES_MAX} are run", cases.len()));
    }
    (cases, problems.into_list())
}

fn case(node: &Node, known: &Known<'_>, problems: &mut Problems<'_>) -> Option<Case> {
    let place = problems.place(node.span);
    let mut fields = Fields::open(node, "a case", problems)?;
    if let Some((broken, span)) = broken(&mut fields, known) {
        let message = format!("The rule `{broken}` has errors, so this case is not run");
        problems.warning_hint(span, message, "mend the rule");
        return None;
    }
    let name = fields.required("name", problems, yaml::text);
    let cites = fields.optional("cites", problems, yaml::one_or_list(yaml::text)).unwrap_or_default();
    let days = fields.optional("day_1", problems, yaml::day).map_or_else(Days::default, Days::from);
    let others = fields.optional("with", problems, yaml::one_or_list(|node, problems| other(node, known, problems)));
    let mut rules = vec![known.own];
    for other in others.unwrap_or_default() {
        if !rules.iter().any(|rule| rule.id == other.id) {
            rules.push(other);
        }
    }
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    let mut rows = RowReader::new(known, days);
    let receivables = receivables(&mut fields, node, &mut rows, problems);
    let history = fields.optional("history", problems, |node, problems| past(node, known, &rules, days, &rows, problems));
    let holds = fields.optional("holds", problems, |node, problems| holds(node, days, &rows, problems)).unwrap_or_default();
    let suppressed = fields.optional("suppressed", problems, yaml::one_or_list(address)).unwrap_or_default();
    let stretches = if fields.key_span("days").is_some() {
        let mut before = None;
        fields.required("days", problems, |node, problems| {
            yaml::list(|node, problems| {
                let fields = Fields::open(node, "a stretch of days", problems)?;
                stretch(fields, node, known, &rules, days, &mut rows, &mut before, problems)
            })(node, problems)
        })
    } else {
        // A case of one day is its own stretch.
        let expect = |node: &Node, problems: &mut Problems<'_>| {
            ExpectReader { known, days, rules: &rules, rows: &rows }.expected(node, problems)
        };
        if fields.key_span("on").is_none() && fields.key_span("expect").is_none() {
            // Asked for, so that they are among the fields that a case has.
            for key in ["on", "expect", "days"] {
                fields.node(key);
            }
            fields.close(problems);
            problems.error_hint(node.span, NO_DAY, "write `on` and `expect`, or a list of `days`");
            return None;
        }
        let on = fields.required("on", problems, days.reader());
        let expected = fields.required("expect", problems, expect);
        on.zip(expected).map(|(on, expected)| {
            let (booked, paid, holds) = (Rows::default(), Vec::new(), Vec::new());
            vec![Stretch { place: place.clone(), span: Played::Day(on), booked, paid, holds, expected }]
        })
    };
    fields.close(problems);
    let stretches = stretches?;
    let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else {
        problems.error_hint(node.span, NO_DAY, "write `on` and `expect`, or a list of `days`");
        return None;
    };
    let length = crate::domain::date::days_between(first.span.first(), last.span.last());
    if stretches.len() > STRETCHES_MAX || length > DAYS_MAX {
        let message = format!(
            "The case has {} stretches over {length} days; at most {STRETCHES_MAX} over {DAYS_MAX} are run",
            stretches.len()
        );
        problems.error(node.span, message);
        return None;
    }
    let rules = rules.iter().map(|rule| rule.id.clone()).collect();
    let history = history.unwrap_or_default();
    Some(Case { name: name?, place, cites, days, rules, receivables: receivables?, history, holds, suppressed, stretches })
}

/// Returns a rule of the case that is left out because of its errors, and where it is named.
fn broken<'n>(fields: &mut Fields<'n>, known: &Known<'_>) -> Option<(&'n str, Span)> {
    let node = fields.node("with")?;
    let names = match &node.value {
        Value::List(names) => names.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let words = names.iter().filter_map(|name| Some((name.scalar()?.text.as_str(), name.span)));
    words.into_iter().find(|(word, _)| known.broken.iter().any(|id| id == word))
}

fn other<'k>(node: &Node, known: &Known<'k>, problems: &mut Problems<'_>) -> Option<&'k Rule> {
    let id = yaml::text(node, problems)?;
    let found = known.rules.iter().find(|rule| rule.id.as_str() == id);
    if found.is_none() {
        yaml::unknown_word(node, &id, known.rules.iter().map(|rule| rule.id.as_str()), problems);
    }
    found
}

fn receivables(
    fields: &mut Fields<'_>,
    node: &Node,
    rows: &mut RowReader<'_>,
    problems: &mut Problems<'_>,
) -> Option<Receivables> {
    let csv = fields.optional("csv", problems, csv);
    match (fields.key_span("ledger").is_some(), fields.key_span("csv").is_some()) {
        (true, true) => {
            fields.node("ledger");
            problems.error_hint(node.span, "A case has either `ledger` or `csv`", "remove one of the two");
            None
        }
        (false, true) => csv.map(Receivables::Csv),
        _ => fields.required("ledger", problems, |node, problems| rows.first_rows(node, problems)).map(Receivables::Rows),
    }
}

fn csv(node: &Node, problems: &mut Problems<'_>) -> Option<CsvNames> {
    let mut fields = Fields::open(node, "the files of a ledger", problems)?;
    let customers = fields.optional("customers", problems, path);
    let invoices = fields.required("invoices", problems, path);
    let credit_notes = fields.optional("credit_notes", problems, path);
    let payments = fields.optional("payments", problems, path);
    fields.close(problems);
    Some(CsvNames { customers, invoices: invoices?, credit_notes, payments })
}

fn path(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let path = yaml::text(node, problems)?;
    if path.is_empty() || path.contains('\0') {
        problems.error_hint(node.span, "The file's name is empty", "write its path: `data/invoices.csv`");
        return None;
    }
    Some(path)
}

fn past(
    node: &Node,
    known: &Known<'_>,
    rules: &[&Rule],
    days: Days,
    rows: &RowReader<'_>,
    problems: &mut Problems<'_>,
) -> Option<Past> {
    let mut fields = Fields::open(node, "a history", problems)?;
    let started_on = fields.optional("started_on", problems, days.reader());
    let mails = fields.optional("mails", problems, yaml::list(|node, problems| sent(node, known, rules, days, rows, problems)));
    let baseline = fields.optional("baseline", problems, yaml::one_or_list(yaml::text)).unwrap_or_default();
    fields.close(problems);
    Some(Past { started_on, mails: mails.unwrap_or_default(), baseline })
}

fn sent(
    node: &Node,
    known: &Known<'_>,
    rules: &[&Rule],
    days: Days,
    rows: &RowReader<'_>,
    problems: &mut Problems<'_>,
) -> Option<SentMail> {
    let mut fields = Fields::open(node, "a mail that was sent", problems)?;
    let named = fields.optional("rule", problems, |node, problems| other(node, known, problems));
    let word = fields.required("mail", problems, |node, problems| {
        let word = yaml::text(node, problems)?;
        let all = || {
            named.map_or_else(|| rules.to_vec(), |rule| vec![rule]).into_iter().flat_map(Rule::level_words).collect::<Vec<_>>()
        };
        if !all().contains(&word.as_str()) {
            yaml::unknown_word(node, &word, all().iter().copied(), problems);
            return None;
        }
        Some(word)
    });
    let repeat = fields.optional("repeat", problems, yaml::whole(0, 100)).unwrap_or(0);
    let items = fields.optional("items", problems, yaml::one_or_list(|node, problems| rows.document(node, problems)));
    let about = fields.optional("about", problems, yaml::text);
    let customer = fields.optional("customer", problems, |node, problems| rows.customer_id(node, problems));
    let currency = fields.optional("currency", problems, yaml::currency);
    let on = fields.required("on", problems, days.reader());
    let standing = fields.optional("standing", problems, yaml::choice(&STANDINGS)).unwrap_or(Standing::Accepted);
    fields.close(problems);
    let word = word?;
    // The first of the rules that has such a mail.
    let rule = named.or_else(|| {
        let own = std::iter::once(&known.own).chain(rules);
        own.copied().find(|rule| rule.level_words().contains(&word.as_str()))
    })?;
    let owner = items.iter().flatten().find_map(|number| rows.owner_of(number));
    let Some(customer) = customer.or(owner.map(|(id, _)| id.clone())).or(rows.only_customer().cloned()) else {
        problems.error_hint(node.span, "Whose mail it was is not said", "add `customer: …`, or `items: […]`");
        return None;
    };
    let currency = currency.or(owner.map(|(_, currency)| currency)).unwrap_or(known.currency);
    let matter = match (&rule.kind, items, about) {
        (RuleKind::Reminder(_), Some(items), None) => {
            SentMatter::Reminder { level: LevelId::new(&word), repeat: u32::try_from(repeat).unwrap_or(0), items }
        }
        (RuleKind::Statement(_) | RuleKind::Notice(_), None, Some(about)) => SentMatter::Occasion(about),
        (RuleKind::Reminder(_), ..) => {
            problems.error_hint(node.span, "A reminder was about invoices", "write `items: [INV-1]`, and no `about`");
            return None;
        }
        _ => {
            let hint = "write `about: 2026-02-01/2026-02-28`, or `about: invoice:INV-1`, and no `items`";
            problems.error_hint(node.span, "A statement was about a period, and a notice about an event", hint);
            return None;
        }
    };
    Some(SentMail { rule: rule.id.clone(), customer, currency, matter, on: on?, standing })
}

fn holds(node: &Node, days: Days, rows: &RowReader<'_>, problems: &mut Problems<'_>) -> Option<Vec<Hold>> {
    yaml::one_or_list(|node, problems| {
        let mut fields = Fields::open(node, "a hold", problems)?;
        let customer = fields.optional("customer", problems, |node, problems| rows.customer_id(node, problems));
        let invoice = fields.optional("invoice", problems, |node, problems| rows.invoice(node, problems));
        let kind = fields.required("kind", problems, yaml::choice(&HoldKind::ALL.map(|kind| (kind.as_str(), kind))));
        let until = fields.required("until", problems, days.reader());
        let names = [fields.key_span("customer"), fields.key_span("invoice")];
        fields.close(problems);
        if names.iter().flatten().count() != 1 {
            problems.error_hint(node.span, "A hold is on a customer or an invoice", "add `invoice: INV-1`, or `customer: C-1`");
            return None;
        }
        let on = customer.map(HoldOn::Customer).or(invoice.map(HoldOn::Invoice))?;
        Some(Hold { on, term: HoldTerm { kind: kind?, until: until? } })
    })(node, problems)
}

fn address(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let text = yaml::text(node, problems)?;
    if !is_address(&text) {
        problems.error_hint(node.span, format!("`{text}` is not an address"), "write `billing@customer.example`");
        return None;
    }
    Some(text)
}

#[expect(clippy::too_many_arguments, reason = "what a stretch is read with is known by its case alone")]
fn stretch<'k>(
    mut fields: Fields<'_>,
    node: &Node,
    known: &Known<'k>,
    rules: &[&'k Rule],
    days: Days,
    rows: &mut RowReader<'k>,
    before: &mut Option<Date>,
    problems: &mut Problems<'_>,
) -> Option<Stretch> {
    let span = span(&mut fields, node, days, *before, problems);
    let booked = fields.optional("booked", problems, |node, problems| rows.further_rows(node, problems)).unwrap_or_default();
    let paid = fields.optional("paid", problems, yaml::one_or_list(|node, problems| rows.invoice(node, problems)));
    let holds = fields.optional("holds", problems, |node, problems| holds(node, days, rows, problems)).unwrap_or_default();
    let expect = |node: &Node, problems: &mut Problems<'_>| ExpectReader { known, days, rules, rows }.expected(node, problems);
    let expected = fields.required("expect", problems, expect);
    fields.close(problems);
    let span = span?;
    if before.is_some_and(|before| span.first() < before) {
        problems.error_hint(
            node.span,
            format!("{} is before the last day of the stretch before", span.first()),
            "write `days` in their order",
        );
        return None;
    }
    *before = Some(span.last());
    let expected = expected?;
    let days_of_mails = expected.mails.iter().map(|mail| (mail.on, &mail.place));
    let days_of_nothings = expected.nothings.iter().map(|nothing| (nothing.on, &nothing.place));
    for (on, place) in days_of_mails.chain(days_of_nothings) {
        let (message, hint) = match (on, span) {
            (None, Played::Through(..)) => ("On which of these days is not said".to_owned(), "add `on: day 8`"),
            (Some(on), _) if on < span.first() || on > span.last() => {
                (format!("{on} is none of these days"), "name a day between its first and its last")
            }
            _ => continue,
        };
        problems.push(Problem::error(message).at(place.clone()).hint(hint));
    }
    Some(Stretch { place: problems.place(node.span), span, booked, paid: paid.unwrap_or_default(), holds, expected })
}

/// Reads `on`, or `through` with `from`; without `from` a stretch goes on where the one before ended.
fn span(fields: &mut Fields<'_>, node: &Node, days: Days, before: Option<Date>, problems: &mut Problems<'_>) -> Option<Played> {
    let names = ["on", "from", "through"].map(|key| fields.key_span(key).is_some());
    let on = fields.optional("on", problems, days.reader());
    let from = fields.optional("from", problems, days.reader());
    let through = fields.optional("through", problems, days.reader());
    match names {
        [true, false, false] => on.map(Played::Day),
        [false, has_from, true] => {
            let through = through?;
            let next = || before.map_or(days.first(), |before| crate::domain::date::shifted(before, 1));
            let from = if has_from { from? } else { next() };
            if through < from {
                problems.error_hint(
                    node.span,
                    format!("{through} is before {from}"),
                    "write the first day as `from`, the last as `through`",
                );
                return None;
            }
            Some(Played::Through(from, through))
        }
        _ => {
            problems.error_hint(
                node.span,
                "A stretch is `on` one day, or goes `through` a last one",
                "write `on: day 8`, or `through: day 40`",
            );
            None
        }
    }
}
