//! The functions and operators that Dunlin adds to rhai's own: days, money, lists of invoices.

use jiff::Span;
use rhai::{Array, Dynamic, Engine, EvalAltResult, INT, Position};
use rust_decimal::Decimal;

use crate::domain::date::{Date, ISO, days_between};
use crate::domain::money::{Currency, Money, half_up};
use crate::script::values::{self, CustomerValue, InvoiceValue, Outcome};

/// Registers everything.
pub(crate) fn register(engine: &mut Engine) {
    values::register(engine);
    days(engine);
    numbers(engine);
    items(engine);
}

fn days(engine: &mut Engine) {
    engine.register_fn("+", moved);
    engine.register_fn("add_days", moved);
    engine.register_fn("-", |date: Date, days: INT| moved(date, days.checked_neg().unwrap_or(INT::MAX)));
    engine.register_fn("-", |to: Date, from: Date| INT::from(days_between(from, to)));
    engine.register_fn("days_between", |from: Date, to: Date| INT::from(days_between(from, to)));
    engine.register_fn("==", |a: Date, b: Date| a == b);
    engine.register_fn("!=", |a: Date, b: Date| a != b);
    engine.register_fn("<", |a: Date, b: Date| a < b);
    engine.register_fn("<=", |a: Date, b: Date| a <= b);
    engine.register_fn(">", |a: Date, b: Date| a > b);
    engine.register_fn(">=", |a: Date, b: Date| a >= b);
    engine.register_fn("min", |a: Date, b: Date| a.min(b));
    engine.register_fn("max", |a: Date, b: Date| a.max(b));
    engine.register_fn("date", |text: &str| -> Outcome<Date> {
        Date::strptime(ISO, text).map_err(|_| refusal(format!("`{text}` is not a date such as 2026-11-21")))
    });
    engine.register_fn("date", |year: INT, month: INT, day: INT| -> Outcome<Date> {
        let parts = (i16::try_from(year), i8::try_from(month), i8::try_from(day));
        let date = if let (Ok(year), Ok(month), Ok(day)) = parts { Date::new(year, month, day).ok() } else { None };
        date.ok_or_else(|| refusal(format!("{year}-{month:02}-{day:02} is not a day of the calendar")))
    });
    engine.register_fn("month_end", |date: Date| date.last_of_month());
    engine.register_fn("to_string", |date: Date| date.to_string());
    engine.register_fn("to_debug", |date: Date| date.to_string());
}

fn numbers(engine: &mut Engine) {
    // rhai's own `/` of two whole numbers cuts off: 7 / 2 would be 3, and 100 / 3 * 3 would lose a unit in silence.
    engine.register_fn("/", |a: INT, b: INT| -> Outcome<Decimal> {
        let quotient = Decimal::from(a).checked_div(Decimal::from(b));
        quotient.ok_or_else(|| fault(EvalAltResult::ErrorArithmetic(format!("{a} / {b} has no value"), Position::NONE)))
    });
    engine.register_raw_fn("/=", [std::any::TypeId::of::<INT>(), std::any::TypeId::of::<INT>()], |_, args| {
        let (a, b) = (args[0].as_int().unwrap_or_default(), args[1].as_int().unwrap_or_default());
        let quotient = Decimal::from(a).checked_div(Decimal::from(b));
        let none = || fault(EvalAltResult::ErrorArithmetic(format!("{a} / {b} has no value"), Position::NONE));
        *args[0] = Dynamic::from(quotient.ok_or_else(none)?);
        Ok(())
    });
    engine.register_fn("round_half_up", rounded);
    engine.register_fn("round_half_up", |amount: INT, digits: INT| rounded(Decimal::from(amount), digits));
    engine.register_fn("min", |a: Decimal, b: Decimal| a.min(b));
    engine.register_fn("max", |a: Decimal, b: Decimal| a.max(b));
    engine.register_fn("min", |a: Decimal, b: INT| a.min(Decimal::from(b)));
    engine.register_fn("max", |a: Decimal, b: INT| a.max(Decimal::from(b)));
    engine.register_fn("min", |a: INT, b: Decimal| b.min(Decimal::from(a)));
    engine.register_fn("max", |a: INT, b: Decimal| b.max(Decimal::from(a)));
    engine.register_type_with_name::<Money>("Money");
    engine.register_get("amount", |money: &mut Money| money.amount);
    engine.register_get("currency", |money: &mut Money| -> rhai::ImmutableString { money.currency.as_str().into() });
    engine.register_fn("money", |amount: Decimal, currency: &str| money(amount, currency));
    engine.register_fn("money", |amount: INT, currency: &str| money(Decimal::from(amount), currency));
    engine.register_fn("to_string", |money: Money| money.to_string());
    engine.register_fn("to_debug", |money: Money| money.to_string());
    engine.register_fn("==", |a: Money, b: Money| a == b);
    engine.register_fn("!=", |a: Money, b: Money| a != b);
}

fn items(engine: &mut Engine) {
    engine.register_fn("has_contact", |customer: CustomerValue, key: &str| customer.has_contact(key));
    engine.register_fn("sum_open", |items: Array| -> Outcome<Decimal> {
        let mut sum = Decimal::ZERO;
        for invoice in invoices(items)? {
            let next = sum.checked_add(invoice.open());
            sum = next.ok_or_else(|| fault(EvalAltResult::ErrorArithmetic("The sum is too large".into(), Position::NONE)))?;
        }
        Ok(sum)
    });
    engine.register_fn("most_days_overdue", |items: Array| -> Outcome<INT> {
        Ok(invoices(items)?.iter().map(InvoiceValue::days_overdue).max().unwrap_or(0))
    });
}

fn invoices(items: Array) -> Outcome<Vec<InvoiceValue>> {
    let invoice =
        |item: Dynamic| item.try_cast::<InvoiceValue>().ok_or_else(|| refusal("The list holds more than invoices".into()));
    items.into_iter().map(invoice).collect()
}

fn moved(date: Date, days: INT) -> Outcome<Date> {
    let span = Span::new().try_days(days).ok();
    let moved = span.and_then(|span| date.checked_add(span).ok());
    moved.ok_or_else(|| refusal(format!("{date} moved by {days} days leaves the calendar (years -9999 to 9999)")))
}

fn rounded(amount: Decimal, digits: INT) -> Outcome<Decimal> {
    match u32::try_from(digits) {
        Ok(digits @ 0..=28) => Ok(half_up(amount, digits)),
        _ => Err(refusal(format!("{digits} is not a number of digits from 0 to 28"))),
    }
}

fn money(amount: Decimal, currency: &str) -> Outcome<Money> {
    let currency =
        Currency::parse(currency).ok_or_else(|| refusal(format!("`{currency}` is not a currency code such as EUR")))?;
    Ok(Money { amount, currency })
}

fn refusal(message: String) -> Box<EvalAltResult> {
    fault(EvalAltResult::ErrorRuntime(message.into(), Position::NONE))
}

fn fault(fault: EvalAltResult) -> Box<EvalAltResult> {
    Box::new(fault)
}
