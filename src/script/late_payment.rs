//! Interest, fixed sums and fees for scripts: terms in as a map of named choices, figures out with every line.
//!
//! The arithmetic is `domain::interest` and `domain::late_payment`. Here a map is read, every name and value in it checked,
//! and the figures become a frozen value that scripts can look into and templates are given whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map, Position};
use rust_decimal::Decimal;

use crate::domain::date::{Date, ISO};
use crate::domain::interest::{DayCount, Interest, InterestFault, InterestLine, Principal, Rate, RateOf, Rounding, Terms};
use crate::domain::late_payment::{Base, ClaimFault, ClaimMode, ClaimTerms, LateItem, LatePayment, Steps, surcharge};
use crate::domain::money::{Currency, Money};
use crate::domain::problem::nearest;
use crate::domain::rate_table::RateTables;
use crate::domain::variable::Variable;
use crate::script::LevelFacts;
use crate::script::fault::{Blame, Refusal};
use crate::script::results::{dynamic, kind};
use crate::script::sample::COLUMN_TEXT;
use crate::script::values::{InvoiceValue, Outcome};

/// The function whose call needs the payments and the further columns of an invoice.
pub(crate) const LATE_PAYMENT: &str = "late_payment";

/// Whose term it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taker {
    /// `interest`, and `late_payment` too.
    Interest,
    /// `late_payment` alone.
    Claim,
    /// `surcharge`.
    Surcharge,
}

/// A term: a choice that a caller makes by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    pub(crate) taker: Taker,
    pub(crate) name: &'static str,
    /// What is written there.
    pub(crate) value: &'static str,
    /// What holds without it.
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

const fn term(taker: Taker, name: &'static str, value: &'static str, default: &'static str, meaning: &'static str) -> Term {
    Term { taker, name, value, default, meaning }
}

const ONE_OF_THREE: &str = "one of three must be given";

/// Every term there is; the reader and the reference page are made from this list.
pub(crate) const TERMS: &[Term] = &[
    term(Taker::Interest, "rate", "percent a year: `9.5`", ONE_OF_THREE, "A rate that never changes."),
    term(
        Taker::Interest,
        "monthly_rate",
        "percent a month: `1.5`",
        ONE_OF_THREE,
        "The same by the month: twelve times as much a year.",
    ),
    term(
        Taker::Interest,
        "table",
        "a table's name: `\"ecb\"`",
        ONE_OF_THREE,
        "A dated table of rates that a plugin has; a day it has no rate for is an error.",
    ),
    term(
        Taker::Interest,
        "points",
        "percentage points",
        "0",
        "How many points above the table. A negative rate of the table counts as it is; a sum below 0 is 0.",
    ),
    term(
        Taker::Interest,
        "rate_of",
        "`\"each_day\"`, `\"first_day\"`",
        "`\"each_day\"`",
        "Whether the rate follows the table, or stays as it was on the first day.",
    ),
    term(Taker::Interest, "rate_at_most", "percent a year", "no limit", "The most percent a year that are allowed."),
    term(
        Taker::Interest,
        "day_count",
        "`\"actual/365\"`, `\"actual/actual\"`, `\"30/360\"`",
        "`\"actual/365\"`; `\"30/360\"` with `monthly_rate`",
        "How days become parts of a year: 365ths always, 366ths in leap years, or months of 30 days.",
    ),
    term(
        Taker::Interest,
        "rounding",
        "`\"end\"`, `\"line\"`, `\"day\"`",
        "`\"end\"`",
        "What is rounded to the currency's minor unit, a half up: the sum, each line, or the interest of one day.",
    ),
    term(
        Taker::Claim,
        "mode",
        "`\"claim\"`, `\"mention\"`",
        "must be given",
        "Whether `amount_asked` has the sums in it, or they are only shown.",
    ),
    term(Taker::Claim, "from_level", "a level's number", "1", "Below it nothing is claimed."),
    term(
        Taker::Claim,
        "interest_on",
        "`\"remaining\"`, `\"original\"`",
        "`\"remaining\"`",
        "Whether interest runs on what is open on each day, or on the whole sum while any of it is open.",
    ),
    term(
        Taker::Claim,
        "interest_at_most",
        "percent",
        "no limit",
        "The most interest on an invoice, in percent of its whole sum.",
    ),
    term(
        Taker::Claim,
        "fixed_sum",
        "`#{ EUR: 40 }`, `#{ GBP: [[0, 40], [1000, 70]] }`",
        "none",
        "A sum for each invoice, once, in each currency; by the size of the debt when the delay began.",
    ),
    term(
        Taker::Claim,
        "fees",
        "`#{ EUR: [0, 2.50, 5] }`",
        "none",
        "The fee of a mail at each level, in each currency; the last stands for all further levels.",
    ),
    term(Taker::Claim, "starts_on", "a day", "the day after `due_on`", "The first day of interest; never before it is late."),
    term(
        Taker::Claim,
        "start_column",
        "a column's name",
        "none",
        "A further column of invoices with the first day of interest, such as the day after a reminder; where it is empty, nothing is claimed.",
    ),
    term(Taker::Claim, "law", "a text", "none", "A word for templates: under which law or contract."),
    term(Taker::Claim, "basis", "a text", "none", "What a letter cites: `s. 288 (2) BGB`."),
    term(Taker::Surcharge, "percent", "percent", "0", "A part of the sum."),
    term(Taker::Surcharge, "fixed", "an amount", "0", "A part that is always the same."),
    term(Taker::Surcharge, "at_most", "an amount", "no limit", "The most it comes to."),
];

/// The most steps of a fixed sum or fee.
const STEPS_MAX: usize = 50;
/// The largest percentage, a year or in all, that is no slip of a key.
const PERCENT_MAX: i64 = 1_000;

/// Figures that a function gave: frozen, and without rhai's bounds on maps, since nothing can be added to them.
#[derive(Clone, Debug)]
pub(crate) struct Figures(Arc<Variable>);

impl Figures {
    /// Returns them as a template is given them.
    pub(crate) fn variable(&self) -> &Variable {
        &self.0
    }
}

/// Registers `interest`, `late_payment` and `surcharge` over the tables of a workspace.
pub(crate) fn register(engine: &mut Engine, tables: Arc<RateTables>) {
    engine.register_type_with_name::<Figures>("Figures");
    engine.register_indexer_get(|figures: &mut Figures, name: &str| -> Outcome<Dynamic> {
        let Variable::Map(map) = &*figures.0 else { return Ok(Dynamic::UNIT) };
        let missing = || Box::new(EvalAltResult::ErrorPropertyNotFound(name.to_owned(), Position::NONE));
        map.get(name).map(dynamic).ok_or_else(missing)
    });
    let own = tables.clone();
    engine.register_fn("interest", move |sum: Money, from: Date, to: Date, terms: Map| interest(sum, from, to, &terms, &own));
    let own = tables.clone();
    engine
        .register_fn(LATE_PAYMENT, move |items: Array, level: LevelFacts, terms: Map| late_payment(items, &level, &terms, &own));
    engine.register_fn(LATE_PAYMENT, move |item: InvoiceValue, level: LevelFacts, terms: Map| {
        late_payment(vec![Dynamic::from(item)], &level, &terms, &tables)
    });
    engine.register_fn("surcharge", card_surcharge);
}

fn interest(sum: Money, from: Date, to: Date, terms: &Map, tables: &RateTables) -> Outcome<Figures> {
    let reader = Reader::new(terms, &[Taker::Interest])?;
    let terms = reader.interest(tables)?;
    let Money { amount, currency } = sum;
    let interest = terms.interest(&[Principal { from, amount }], from, to, currency);
    let interest = interest.map_err(|fault| refusal(fault.to_string(), blame(&fault)))?;
    Ok(Figures(Arc::new(Variable::Map(BTreeMap::from([
        ("amount".to_owned(), Variable::Money(Money { amount: interest.amount, currency })),
        ("lines".to_owned(), lines(&interest, currency)),
    ])))))
}

/// Returns the claim, or `()` where there is none.
fn late_payment(items: Array, level: &LevelFacts, terms: &Map, tables: &RateTables) -> Outcome<Dynamic> {
    let reader = Reader::new(terms, &[Taker::Interest, Taker::Claim])?;
    let claim_terms = reader.claim(tables)?;
    let (starts_on, start_column) = (reader.date("starts_on")?, reader.text("start_column")?);
    let (law, basis) = (reader.text("law")?, reader.text("basis")?);
    let mut late = Vec::new();
    let mut currency = None;
    let mut as_of = None;
    for item in items {
        let invoice =
            item.try_cast::<InvoiceValue>().ok_or_else(|| wrong("The list of items holds more than invoices".to_owned()))?;
        let own = invoice.currency();
        if *currency.get_or_insert(own) != own {
            return Err(wrong(format!("The items are in {} and {own}; a claim is in one currency", currency.unwrap_or(own))));
        }
        as_of = Some(invoice.as_of());
        let from_column = match &start_column {
            None => None,
            Some(column) => Some(start_in_column(&invoice, column)?),
        };
        late.push(match from_column {
            // A column that is there and empty says that the delay has not begun.
            Some(None) => LateItem { due_on: None, ..late_item(&invoice, None) },
            Some(from_column) => late_item(&invoice, from_column.max(starts_on)),
            None => late_item(&invoice, starts_on),
        });
    }
    let (Some(currency), Some(as_of)) = (currency, as_of) else { return Ok(Dynamic::UNIT) };
    let claim = claim_terms.claim(&late, currency, level.number, as_of).map_err(|fault| {
        let blame = match &fault {
            ClaimFault::Interest { fault, .. } => blame(fault),
            ClaimFault::CurrencyMissing { .. } | ClaimFault::TooLarge => Blame::Data,
        };
        refusal(fault.to_string(), blame)
    })?;
    Ok(claim.map_or(Dynamic::UNIT, |claim| Dynamic::from(Figures(Arc::new(claimed(&claim, law.as_deref(), basis.as_deref()))))))
}

fn late_item(invoice: &InvoiceValue, starts_on: Option<Date>) -> LateItem {
    let document = invoice.document();
    LateItem {
        number: document.number.to_string(),
        total: document.total,
        open: invoice.open(),
        open_steps: invoice.open_steps().to_vec(),
        due_on: document.due_on,
        starts_on,
    }
}

/// Returns the day in a further column of an invoice; `None` where it is empty.
fn start_in_column(invoice: &InvoiceValue, column: &str) -> Outcome<Option<Date>> {
    let text = invoice.attribute(column);
    let text = text.ok_or_else(|| wrong(format!("`start_column`: the documents' files have no column `{column}`")))?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let day = Date::strptime(ISO, text.trim()).map_err(|_| {
        let number = &invoice.document().number;
        let blame = if text == COLUMN_TEXT { Blame::Unproven } else { Blame::Data };
        refusal(format!("`{text}` in `{column}` of invoice `{number}` is not a date such as 2026-11-21"), blame)
    })?;
    Ok(Some(day))
}

fn card_surcharge(sum: Money, terms: Map) -> Outcome<Money> {
    let reader = Reader::new(&terms, &[Taker::Surcharge])?;
    let (percent, fixed) = (reader.percent("percent")?.unwrap_or_default(), reader.number("fixed")?.unwrap_or_default());
    let amount = surcharge(sum.amount, sum.currency, percent, fixed, reader.number("at_most")?);
    let amount = amount.ok_or_else(|| refusal("The surcharge is too large to be computed".into(), Blame::Data))?;
    Ok(Money { amount, currency: sum.currency })
}

fn lines(interest: &Interest, currency: Currency) -> Variable {
    let money = |amount| Variable::Money(Money { amount, currency });
    let line = |line: &InterestLine| {
        map([
            ("from", Variable::Date(line.from)),
            ("to", Variable::Date(line.to)),
            ("days", Variable::Integer(i64::from(line.days))),
            ("principal", money(line.principal)),
            ("rate", Variable::Decimal(line.percent.normalize())),
            ("year_days", Variable::Integer(i64::from(line.year_days))),
            ("amount", money(line.amount)),
        ])
    };
    Variable::List(interest.lines.iter().map(line).collect())
}

fn claimed(claim: &LatePayment, law: Option<&str>, basis: Option<&str>) -> Variable {
    let money = |amount| Variable::Money(Money { amount, currency: claim.currency });
    let text = |text: Option<&str>| text.map_or(Variable::Nothing, |text| Variable::Text(text.to_owned()));
    let items = claim.items.iter().map(|item| {
        map([
            ("number", Variable::Text(item.number.clone())),
            ("starts_on", Variable::Date(item.starts_on)),
            ("lines", lines(&item.interest, claim.currency)),
            ("interest", money(item.interest.amount)),
            ("fixed_sum", money(item.fixed_sum)),
        ])
    });
    map([
        ("mode", Variable::Text(claim.mode.as_str().to_owned())),
        ("law", text(law)),
        ("basis", text(basis)),
        ("as_of", Variable::Date(claim.as_of)),
        ("items", Variable::List(items.collect())),
        ("interest", money(claim.interest)),
        ("fixed_sums", money(claim.fixed_sums)),
        ("fee", money(claim.fee)),
        ("total", money(claim.total)),
        ("open", money(claim.open)),
        ("amount_asked", money(claim.amount_asked)),
    ])
}

fn map<const COUNT: usize>(entries: [(&str, Variable); COUNT]) -> Variable {
    Variable::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Returns whether a fault shows that the terms are wrong, or comes with the day or the data.
fn blame(fault: &InterestFault) -> Blame {
    match fault {
        InterestFault::Rate(_) => Blame::Unproven,
        InterestFault::TooLarge | InterestFault::TooManyLines => Blame::Data,
    }
}

fn wrong(message: String) -> Box<EvalAltResult> {
    refusal(message, Blame::Script)
}

fn refusal(message: String, blame: Blame) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(Refusal { message, blame }), Position::NONE))
}

/// A map of terms, read name by name.
struct Reader<'m> {
    terms: &'m Map,
}

impl<'m> Reader<'m> {
    fn new(terms: &'m Map, takers: &[Taker]) -> Outcome<Self> {
        let known = || TERMS.iter().filter(|term| takers.contains(&term.taker)).map(|term| term.name);
        for name in terms.keys() {
            if !known().any(|own| own == name.as_str()) {
                let all = || known().collect::<Vec<_>>().join(", ");
                let hint = nearest(name, known())
                    .map_or_else(|| format!("known are: {}", all()), |near| format!("did you mean `{near}`?"));
                return Err(wrong(format!("There is no term `{name}`; {hint}")));
            }
        }
        Ok(Self { terms })
    }

    /// Returns a term that is there and not `()`.
    fn get(&self, name: &str) -> Option<&'m Dynamic> {
        self.terms.get(name).filter(|value| !value.is_unit())
    }

    fn not(&self, name: &str, value: &Dynamic, wanted: &str) -> Box<EvalAltResult> {
        let given = match value.clone().into_string() {
            Ok(text) => format!("`{text}`"),
            Err(type_name) => kind(type_name).to_owned(),
        };
        wrong(format!("`{name}` is {wanted}, not {given}"))
    }

    fn text(&self, name: &str) -> Outcome<Option<String>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.clone().into_string().map(Some).map_err(|_| self.not(name, value, "a text"))
    }

    fn choice<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Outcome<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        let all = || words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        found.map(Some).ok_or_else(|| wrong(format!("`{name}` is {}, not \"{text}\"", all())))
    }

    fn number(&self, name: &str) -> Outcome<Option<Decimal>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = number(value).or_else(|| in_column(value)).ok_or_else(|| match is_made_up(value) {
            true => refusal(format!("`{name}` is not known"), Blame::Unproven),
            false => self.not(name, value, "a number"),
        })?;
        if number < Decimal::ZERO {
            return Err(wrong(format!("`{name}` is {number}; it cannot be below 0")));
        }
        Ok(Some(number))
    }

    fn percent(&self, name: &str) -> Outcome<Option<Decimal>> {
        let percent = self.number(name)?;
        match percent.filter(|percent| *percent > Decimal::from(PERCENT_MAX)) {
            Some(percent) => Err(wrong(format!("`{name}` is {percent} percent; at most {PERCENT_MAX} are taken"))),
            None => Ok(percent),
        }
    }

    fn date(&self, name: &str) -> Outcome<Option<Date>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.clone().try_cast::<Date>().map(Some).ok_or_else(|| self.not(name, value, "a day such as date(\"2026-11-21\")"))
    }

    /// Reads amounts by currency: `#{ EUR: … }`.
    fn by_currency<T>(
        &self,
        name: &str,
        read: impl Fn(&Dynamic) -> Option<T>,
        form: &str,
    ) -> Outcome<Option<BTreeMap<Currency, T>>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let wanted = format!("amounts by currency, such as `{form}`");
        let map = value.clone().try_cast::<Map>().ok_or_else(|| self.not(name, value, &wanted))?;
        let mut found = BTreeMap::new();
        for (code, amounts) in &map {
            let currency =
                Currency::parse(code).ok_or_else(|| wrong(format!("`{code}` in `{name}` is not a currency code such as EUR")))?;
            let amounts =
                read(amounts).ok_or_else(|| wrong(format!("`{name}` has {wanted}; what is given for {currency} is none")))?;
            found.insert(currency, amounts);
        }
        Ok(Some(found))
    }

    fn interest(&self, tables: &RateTables) -> Outcome<Terms> {
        let given: Vec<&str> = ["rate", "monthly_rate", "table"].into_iter().filter(|name| self.get(name).is_some()).collect();
        let [basis] = given[..] else {
            let given = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
            return Err(wrong(format!("The terms name one of `rate`, `monthly_rate` and `table`, not {given}")));
        };
        if basis != "table"
            && let Some(name) = ["points", "rate_of"].into_iter().find(|name| self.get(name).is_some())
        {
            return Err(wrong(format!("`{name}` goes with a `table`, not with `{basis}`")));
        }
        let mut usual_days = DayCount::Actual365;
        let rate = match basis {
            "rate" => Rate::Fixed(self.percent("rate")?.unwrap_or_default()),
            "monthly_rate" => {
                usual_days = DayCount::Thirty360;
                Rate::Fixed(self.percent("monthly_rate")?.unwrap_or_default() * Decimal::from(12))
            }
            _ => {
                let name = self.text("table")?.unwrap_or_default();
                let table = tables.get(&name).cloned().ok_or_else(|| {
                    let names = || tables.keys().map(String::as_str);
                    let hint = match nearest(&name, names()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None if tables.is_empty() => "no plugin has `rates`".to_owned(),
                        None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
                    };
                    wrong(format!("There is no table of rates `{name}`; {hint}"))
                })?;
                let of = self.choice("rate_of", &[("each_day", RateOf::EachDay), ("first_day", RateOf::FirstDay)])?;
                Rate::Table { table, points: self.percent("points")?.unwrap_or_default(), of: of.unwrap_or(RateOf::EachDay) }
            }
        };
        let day_counts =
            [("actual/365", DayCount::Actual365), ("actual/actual", DayCount::ActualActual), ("30/360", DayCount::Thirty360)];
        let roundings = [("day", Rounding::Day), ("line", Rounding::Line), ("end", Rounding::End)];
        Ok(Terms {
            rate,
            rate_at_most: self.percent("rate_at_most")?,
            day_count: self.choice("day_count", &day_counts)?.unwrap_or(usual_days),
            rounding: self.choice("rounding", &roundings)?.unwrap_or(Rounding::End),
        })
    }

    fn claim(&self, tables: &RateTables) -> Outcome<ClaimTerms> {
        let base = self.choice("interest_on", &[("remaining", Base::Remaining), ("original", Base::Original)])?;
        let mode = self.choice("mode", &[("claim", ClaimMode::Claim), ("mention", ClaimMode::Mention)])?;
        let Some(mode) = mode else {
            return Err(wrong("The terms say no `mode`: \"claim\" asks for the sums, \"mention\" only shows them".to_owned()));
        };
        let from_level = match self.get("from_level") {
            None => 1,
            Some(value) => value
                .as_int()
                .ok()
                .filter(|level| *level >= 1)
                .ok_or_else(|| self.not("from_level", value, "a level's number from 1 on"))?,
        };
        Ok(ClaimTerms {
            interest: self.interest(tables)?,
            base: base.unwrap_or(Base::Remaining),
            interest_at_most: self.percent("interest_at_most")?,
            fixed_sums: self.by_currency("fixed_sum", steps, "#{ EUR: 40 }` or `#{ GBP: [[0, 40], [1000, 70]] }")?,
            fees: self.by_currency("fees", amounts, "#{ EUR: [0, 2.50, 5] }")?,
            from_level,
            mode,
        })
    }
}

/// Reads an amount, or amounts by size: `[[0, 40], [1000, 70]]`, the sizes ascending.
fn steps(value: &Dynamic) -> Option<Steps> {
    if let Some(amount) = amount(value) {
        return Some(vec![(Decimal::ZERO, amount)]);
    }
    let list = value.clone().try_cast::<Array>().filter(|list| !list.is_empty() && list.len() <= STEPS_MAX)?;
    let step = |step: &Dynamic| match &step.clone().try_cast::<Array>()?[..] {
        [from, sum] => Some((amount(from)?, amount(sum)?)),
        _ => None,
    };
    let steps = list.iter().map(step).collect::<Option<Steps>>()?;
    steps.is_sorted_by(|a, b| a.0 < b.0).then_some(steps)
}

fn amounts(value: &Dynamic) -> Option<Vec<Decimal>> {
    let list = value.clone().try_cast::<Array>().filter(|list| !list.is_empty() && list.len() <= STEPS_MAX)?;
    list.iter().map(amount).collect()
}

fn amount(value: &Dynamic) -> Option<Decimal> {
    number(value).filter(|number| *number >= Decimal::ZERO)
}

/// Reads the number in a further column, which is a text.
fn in_column(value: &Dynamic) -> Option<Decimal> {
    let text = value.clone().into_string().ok()?;
    Decimal::from_str_exact(text.trim()).ok()
}

/// Returns whether a value comes from a column of the made-up ledger.
fn is_made_up(value: &Dynamic) -> bool {
    value.clone().into_string().is_ok_and(|text| text == COLUMN_TEXT)
}

fn number(value: &Dynamic) -> Option<Decimal> {
    value.as_decimal().or_else(|_| value.as_int().map(Decimal::from)).ok()
}

#[cfg(test)]
mod tests;
