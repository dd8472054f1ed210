//! Money, dates and exact numbers as templates see them: they print in the reader's convention and never pass for floats.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Error, ErrorKind, Output, State, escape_formatter};
use rust_decimal::Decimal;

use crate::domain::date::{Date, ISO};
use crate::domain::money::{Money, plain};
use crate::domain::variable::Variable;
use crate::template::reader::Reader;

/// An amount: prints as `1.234,50 €`; has `amount` (plain digits), `currency`, `is_zero` and `is_negative`.
#[derive(Debug)]
pub(crate) struct MoneyObject {
    pub(crate) money: Money,
    reader: Arc<Reader>,
}

impl MoneyObject {
    /// Returns the amount as its reader writes it, without the currency.
    pub(crate) fn short(&self) -> String {
        self.reader.amount(self.money)
    }
}

impl Object for MoneyObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            // Text, not a number: templates only know binary floats.
            "amount" => Some(Value::from(plain(self.money.amount, self.money.currency))),
            "currency" => Some(Value::from(self.money.currency.as_str())),
            "is_zero" => Some(Value::from(self.money.amount.is_zero())),
            "is_negative" => Some(Value::from(self.money.amount < Decimal::ZERO)),
            _ => None,
        }
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.money.amount.is_zero()
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?.money;
        Some((self.money.currency, self.money.amount).cmp(&(other.currency, other.amount)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reader.money(self.money))
    }
}

/// A date: prints as `8. März 2027`; has `iso`, `year`, `month` and `day`.
#[derive(Debug)]
pub(crate) struct DateObject {
    pub(crate) date: Date,
    reader: Arc<Reader>,
}

impl DateObject {
    /// Returns the date as short as its reader can read it.
    pub(crate) fn short(&self) -> String {
        self.reader.date_short(self.date)
    }
}

impl Object for DateObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "iso" => Some(Value::from(self.date.strftime(ISO).to_string())),
            "year" => Some(Value::from(self.date.year())),
            "month" => Some(Value::from(self.date.month())),
            "day" => Some(Value::from(self.date.day())),
            _ => None,
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.date.cmp(&other.downcast_ref::<Self>()?.date))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reader.date(self.date))
    }
}

/// An exact number without a currency: prints as `1.234,5`.
#[derive(Debug)]
pub(crate) struct DecimalObject {
    pub(crate) number: Decimal,
    reader: Arc<Reader>,
}

impl Object for DecimalObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.number.is_zero()
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.number.cmp(&other.downcast_ref::<Self>()?.number))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reader.number(self.number))
    }
}

/// Named values, a few dozen at most: found by looking through them, listed in the order of their names as any mapping is.
/// Quicker to make than MiniJinja's own mapping, which sorts, and a mail is given ten of them.
#[derive(Debug)]
struct Record(Vec<(&'static str, Value)>);

impl Object for Record {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let mut names: Vec<&'static str> = self.0.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        Enumerator::Values(names.into_iter().map(Value::from).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

/// Returns named values as one; each name once.
pub fn record_value(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let fields: Vec<(&'static str, Value)> = fields.into_iter().collect();
    debug_assert!(fields.iter().enumerate().all(|(place, (name, _))| !fields[..place].iter().any(|(other, _)| other == name)));
    Value::from_object(Record(fields))
}

/// A text with nothing in it: false where it is asked for, nothing to print. Printing it is a fault ([`print_value`]), so that no
/// mail goes out with an empty place where its author counted on a name.
#[derive(Debug)]
struct EmptyText;

impl Object for EmptyText {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|_| Ordering::Equal)
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Returns a text of the books, of config.yaml or of a script as templates see it.
pub fn text_value(text: &str) -> Value {
    match text.trim().is_empty() {
        true => Value::from_object(EmptyText),
        false => Value::from(text),
    }
}

/// Returns whether there is nothing in a value that a template could print: an empty text of a variable, or nothing at all.
pub(crate) fn is_empty_variable(value: &Value) -> bool {
    value.is_none() || value.downcast_object_ref::<EmptyText>().is_some()
}

/// The detail of the fault of a variable that is printed and empty; `render::fault_of` turns it into words.
pub(crate) const EMPTY: &str = "an empty variable is printed";

/// Prints a value as MiniJinja does, but an empty variable is a fault. A text that the template itself says to be empty, such as
/// `{{ "s" if many else "" }}` or `|default("")`, is none.
pub(crate) fn print_value(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match is_empty_variable(value) {
        true => Err(Error::new(ErrorKind::InvalidOperation, EMPTY)),
        false => escape_formatter(out, state, value),
    }
}

/// Returns an amount as templates see it.
pub fn money_value(money: Money, reader: &Arc<Reader>) -> Value {
    Value::from_object(MoneyObject { money, reader: Arc::clone(reader) })
}

/// Returns the amount in a template's value, `None` where it is no amount with its currency.
pub fn money_of_value(value: &Value) -> Option<Money> {
    value.downcast_object_ref::<MoneyObject>().map(|object| object.money)
}

/// Returns a date as templates see it.
pub fn date_value(date: Date, reader: &Arc<Reader>) -> Value {
    Value::from_object(DateObject { date, reader: Arc::clone(reader) })
}

/// Returns an exact number as templates see it.
pub fn decimal_value(number: Decimal, reader: &Arc<Reader>) -> Value {
    Value::from_object(DecimalObject { number, reader: Arc::clone(reader) })
}

/// Returns a script's value as templates see it.
pub fn variable_value(variable: &Variable, reader: &Arc<Reader>) -> Value {
    match variable {
        Variable::Nothing => Value::from(()),
        Variable::Boolean(is_so) => Value::from(*is_so),
        Variable::Integer(number) => Value::from(*number),
        Variable::Decimal(number) => decimal_value(*number, reader),
        Variable::Money(money) => money_value(*money, reader),
        Variable::Date(date) => date_value(*date, reader),
        Variable::Text(text) => text_value(text),
        Variable::List(list) => list.iter().map(|own| variable_value(own, reader)).collect(),
        Variable::Map(map) => Value::from_pairs(map.iter().map(|(name, own)| (name.as_str(), variable_value(own, reader)))),
    }
}

/// How deep lists and maps may nest in what a template gives to a lent filter.
pub(crate) const VALUE_DEPTH_MAX: usize = 8;

/// Returns a template's value as scripts take it.
///
/// # Errors
/// What it is, in words, where no script has such a value.
pub(crate) fn variable_of(value: &Value, depth: usize) -> Result<Variable, String> {
    if let Some(object) = value.downcast_object_ref::<MoneyObject>() {
        return Ok(Variable::Money(object.money));
    }
    if let Some(object) = value.downcast_object_ref::<DateObject>() {
        return Ok(Variable::Date(object.date));
    }
    if let Some(object) = value.downcast_object_ref::<DecimalObject>() {
        return Ok(Variable::Decimal(object.number));
    }
    if value.downcast_object_ref::<EmptyText>().is_some() {
        return Ok(Variable::Text(String::new()));
    }
    let deeper = || depth.checked_sub(1).ok_or_else(|| "a list or map that is nested too deep".to_owned());
    match value.kind() {
        ValueKind::None => Ok(Variable::Nothing),
        ValueKind::Bool => Ok(Variable::Boolean(value.is_true())),
        ValueKind::Number => match value.as_i64().filter(|_| value.is_integer()) {
            Some(number) => Ok(Variable::Integer(number)),
            // A number written in a template (`99.95`) is a float by now, but prints as it was written.
            None => exact_number(value).map(Variable::Decimal).ok_or_else(|| format!("`{value}`, which is no exact number")),
        },
        ValueKind::String => Ok(Variable::Text(value.to_string())),
        ValueKind::Seq | ValueKind::Iterable => {
            let depth = deeper()?;
            let members = value.try_iter().map_err(|error| error.to_string())?;
            members.map(|own| variable_of(&own, depth)).collect::<Result<_, _>>().map(Variable::List)
        }
        ValueKind::Map => {
            let depth = deeper()?;
            let names = value.try_iter().map_err(|error| error.to_string())?;
            let entry = |name: Value| {
                let own = value.get_item(&name).map_err(|error| error.to_string())?;
                Ok((name.to_string(), variable_of(&own, depth)?))
            };
            names.map(entry).collect::<Result<_, String>>().map(Variable::Map)
        }
        ValueKind::Undefined => Err("a value that is not defined".into()),
        _ => Err("a value that is no text, number, date, list or map".into()),
    }
}

/// Returns the exact number in a template's value: money, decimals, whole numbers, and texts of plain digits.
pub(crate) fn exact_number(value: &Value) -> Option<Decimal> {
    if let Some(object) = value.downcast_object_ref::<MoneyObject>() {
        return Some(object.money.amount);
    }
    if let Some(object) = value.downcast_object_ref::<DecimalObject>() {
        return Some(object.number);
    }
    // A number written in a template (`99.95`) is a float by now, but prints as it was written.
    (value.is_number() || value.as_str().is_some()).then(|| Decimal::from_str_exact(value.to_string().trim()).ok())?
}

/// Returns the date in a template's value: a date, or a text like `2027-03-08`.
pub(crate) fn exact_date(value: &Value) -> Option<Date> {
    match value.downcast_object_ref::<DateObject>() {
        Some(object) => Some(object.date),
        None => Date::strptime(ISO, value.as_str()?).ok(),
    }
}
