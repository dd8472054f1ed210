//! Money, dates and exact numbers as templates see them: they print in the reader's convention and never pass for floats.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Object, ObjectRepr, Value};
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

/// Returns an amount as templates see it.
pub fn money_value(money: Money, reader: &Arc<Reader>) -> Value {
    Value::from_object(MoneyObject { money, reader: Arc::clone(reader) })
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
        Variable::Text(text) => Value::from(text.as_str()),
        Variable::List(list) => list.iter().map(|own| variable_value(own, reader)).collect(),
        Variable::Map(map) => Value::from_pairs(map.iter().map(|(name, own)| (name.as_str(), variable_value(own, reader)))),
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
