//! Values that a case expects, held against those that came: how each is written.

use rust_decimal::Decimal;

use crate::domain::date::ISO;
use crate::domain::variable::Variable;
use crate::yaml::{Entry, Value};

/// Returns whether a value is what YAML says: numbers by their worth, all others by how they are written.
pub fn is_written(expected: &Value, given: &Variable) -> bool {
    match (expected, given) {
        (Value::Null, Variable::Nothing) => true,
        (Value::Scalar(scalar), Variable::Decimal(_) | Variable::Integer(_)) => {
            let number = match given {
                Variable::Decimal(number) => *number,
                Variable::Integer(number) => Decimal::from(*number),
                _ => return false,
            };
            Decimal::from_str_exact(&scalar.text).is_ok_and(|expected| expected == number)
        }
        (Value::Scalar(scalar), given) => scalar.text == words(given),
        (Value::List(expected), Variable::List(given)) => {
            expected.len() == given.len() && expected.iter().zip(given).all(|(node, own)| is_written(&node.value, own))
        }
        (Value::Map(expected), Variable::Map(given)) => {
            let is_there = |entry: &Entry| given.get(&entry.key).is_some_and(|own| is_written(&entry.value.value, own));
            expected.len() == given.len() && expected.iter().all(is_there)
        }
        _ => false,
    }
}

/// Returns a value as a case would write it.
pub fn words(value: &Variable) -> String {
    match value {
        Variable::Nothing => "nothing".into(),
        Variable::Boolean(is_so) => is_so.to_string(),
        Variable::Integer(number) => number.to_string(),
        Variable::Decimal(number) => number.to_string(),
        Variable::Money(money) => money.to_string(),
        Variable::Date(date) => date.strftime(ISO).to_string(),
        Variable::Text(text) => text.clone(),
        Variable::List(list) => format!("[{}]", list.iter().map(words).collect::<Vec<_>>().join(", ")),
        Variable::Map(map) => {
            let entries: Vec<String> = map.iter().map(|(name, own)| format!("{name}: {}", words(own))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// Returns a value as a text on one line.
pub fn written(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Scalar(scalar) => scalar.text.clone(),
        Value::List(list) => format!("[{}]", list.iter().map(|node| written(&node.value)).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let entries: Vec<String> =
                map.iter().map(|entry| format!("{}: {}", entry.key, written(&entry.value.value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}
