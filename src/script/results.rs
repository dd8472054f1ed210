//! What hooks return, checked once at this door and turned into types of our own.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use rhai::{Array, Dynamic, Map};
use rust_decimal::Decimal;

use crate::domain::date::Date;
use crate::domain::id::RecipientKey;
use crate::domain::ledger::DocumentIndex;
use crate::domain::mailbox::is_address;
use crate::domain::money::Money;
use crate::domain::problem::nearest;
use crate::domain::variable::Variable;
use crate::script::late_payment::Figures;
use crate::script::values::InvoiceValue;
use crate::script::{RecipientChoice, RecipientName};

/// The most recipients a script may name in one of `to`, `cc` and `bcc`.
pub const RECIPIENTS_MAX: usize = 50;
/// The most values, nested ones included, that `variables` may return.
pub const VALUES_MAX: usize = 20_000;
/// The deepest nesting of lists and maps in what `variables` returns.
pub const VALUE_DEPTH_MAX: usize = 8;

/// Reads what `select` returned.
pub(crate) fn selection(result: Dynamic, items: &[DocumentIndex]) -> Result<Vec<DocumentIndex>, String> {
    let returned = result.type_name().to_owned();
    let list = result.try_cast::<Array>().ok_or_else(|| format!("`select` returned {}, not a list of items", kind(&returned)))?;
    let mut chosen = Vec::new();
    let mut seen = BTreeSet::new();
    for member in list {
        let returned = member.type_name().to_owned();
        let invoice = member
            .try_cast::<InvoiceValue>()
            .ok_or_else(|| format!("`select` returned a list with {}; it may hold items only", kind(&returned)))?;
        if !items.contains(&invoice.index()) {
            return Err("`select` returned an item it was not given".into());
        }
        if !seen.insert(invoice.index()) {
            return Err("`select` returned an item twice".into());
        }
        chosen.push(invoice.index());
    }
    Ok(chosen)
}

/// Reads what `recipients` returned.
pub(crate) fn recipients(result: Dynamic, known: &[RecipientKey]) -> Result<RecipientChoice, String> {
    if result.is_unit() {
        return Ok(RecipientChoice::default());
    }
    if result.is_array() {
        return Ok(RecipientChoice { to: Some(recipient_list("to", result, known)?), ..RecipientChoice::default() });
    }
    let returned = result.type_name().to_owned();
    let map = result
        .try_cast::<Map>()
        .ok_or_else(|| format!("`recipients` returned {}, not a list or a map with `to`, `cc`, `bcc`", kind(&returned)))?;
    let mut choice = RecipientChoice::default();
    for (name, value) in map {
        match name.as_str() {
            "to" => choice.to = Some(recipient_list("to", value, known)?),
            "cc" => choice.cc = Some(recipient_list("cc", value, known)?),
            "bcc" => choice.bcc = Some(recipient_list("bcc", value, known)?),
            other => return Err(format!("`recipients` returned a map with `{other}`; it may hold `to`, `cc` and `bcc`")),
        }
    }
    Ok(choice)
}

fn recipient_list(part: &str, value: Dynamic, known: &[RecipientKey]) -> Result<Vec<RecipientName>, String> {
    let returned = value.type_name().to_owned();
    let list =
        value.try_cast::<Array>().ok_or_else(|| format!("`recipients` returned {} as `{part}`, not a list", kind(&returned)))?;
    if list.is_empty() && part == "to" {
        return Err("`recipients` returned nobody as `to`".into());
    }
    if list.len() > RECIPIENTS_MAX {
        return Err(format!("`recipients` returned {} names as `{part}`; at most {RECIPIENTS_MAX} are taken", list.len()));
    }
    list.into_iter().map(|member| recipient(part, member, known)).collect()
}

fn recipient(part: &str, member: Dynamic, known: &[RecipientKey]) -> Result<RecipientName, String> {
    let returned = member.type_name().to_owned();
    let name = member.into_string().map_err(|_| format!("`recipients` returned {} in `{part}`, not a text", kind(&returned)))?;
    recipient_name(&name, known).map_err(|hint| match hint {
        Some(hint) => format!("`recipients` returned `{name}` in `{part}`, which is unknown; {hint}"),
        None => format!("`recipients` returned `{name}` in `{part}`, which is neither a recipient key nor an address"),
    })
}

/// Reads a recipient as rules and scripts name it: a known key, or an address where it holds an `@`.
///
/// # Errors
/// The way out, where there is one: the key that may have been meant.
pub fn recipient_name(name: &str, known: &[RecipientKey]) -> Result<RecipientName, Option<String>> {
    if name.contains('@') {
        return if is_address(name) { Ok(RecipientName::Address(CompactString::new(name))) } else { Err(None) };
    }
    if let Some(key) = known.iter().find(|key| key.as_str() == name) {
        return Ok(RecipientName::Key(key.clone()));
    }
    let keys = || known.iter().map(RecipientKey::as_str);
    Err(match nearest(name, keys()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("config.yaml has: {}", keys().collect::<Vec<_>>().join(", "))),
    })
}

/// Reads what `variables` returned.
pub(crate) fn variables(result: Dynamic) -> Result<BTreeMap<String, Variable>, String> {
    if result.is_unit() {
        return Ok(BTreeMap::new());
    }
    let returned = result.type_name().to_owned();
    let map = result.try_cast::<Map>().ok_or_else(|| format!("`variables` returned {}, not a map", kind(&returned)))?;
    let mut left = VALUES_MAX;
    map.into_iter().map(|(name, value)| Ok((name.to_string(), variable(&name, value, VALUE_DEPTH_MAX, &mut left)?))).collect()
}

pub(crate) fn variable(name: &str, value: Dynamic, depth: usize, left: &mut usize) -> Result<Variable, String> {
    *left = left.checked_sub(1).ok_or_else(|| format!("`variables` returned more than {VALUES_MAX} values"))?;
    let deeper = || depth.checked_sub(1).ok_or_else(|| format!("`{name}` is nested deeper than {VALUE_DEPTH_MAX} levels"));
    let returned = value.type_name().to_owned();
    Ok(match value {
        value if value.is_unit() => Variable::Nothing,
        value if value.is_bool() => Variable::Boolean(value.as_bool().unwrap_or_default()),
        value if value.is_int() => Variable::Integer(value.as_int().unwrap_or_default()),
        value if value.is::<Decimal>() => Variable::Decimal(value.as_decimal().unwrap_or_default()),
        value if value.is::<Money>() => Variable::Money(value.cast()),
        value if value.is::<Date>() => Variable::Date(value.cast()),
        value if value.is::<Figures>() => {
            let figures = value.cast::<Figures>();
            // One is counted already.
            let more = count(figures.variable()) - 1;
            *left = left.checked_sub(more).ok_or_else(|| format!("`variables` returned more than {VALUES_MAX} values"))?;
            figures.variable().clone()
        }
        value if value.is_string() || value.is_char() => Variable::Text(value.to_string()),
        value if value.is_array() => {
            let depth = deeper()?;
            let members = value.cast::<Array>().into_iter().map(|member| variable(name, member, depth, left));
            Variable::List(members.collect::<Result<_, _>>()?)
        }
        value if value.is_map() => {
            let depth = deeper()?;
            let entries = value.cast::<Map>().into_iter();
            let entries = entries.map(|(name, value)| Ok((name.to_string(), variable(&name, value, depth, left)?)));
            Variable::Map(entries.collect::<Result<_, String>>()?)
        }
        _ => {
            return Err(format!(
                "`{name}` is {}; a template is given texts, numbers, money, dates, lists and maps",
                kind(&returned)
            ));
        }
    })
}

/// Returns how many values there are in one, itself included.
fn count(variable: &Variable) -> usize {
    match variable {
        Variable::List(list) => 1 + list.iter().map(count).sum::<usize>(),
        Variable::Map(map) => 1 + map.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// Returns a value as scripts see it.
pub(crate) fn dynamic(variable: &Variable) -> Dynamic {
    match variable {
        Variable::Nothing => Dynamic::UNIT,
        Variable::Boolean(is_so) => Dynamic::from(*is_so),
        Variable::Integer(number) => Dynamic::from(*number),
        Variable::Decimal(number) => Dynamic::from(*number),
        Variable::Money(money) => Dynamic::from(*money),
        Variable::Date(date) => Dynamic::from(*date),
        Variable::Text(text) => Dynamic::from(text.clone()),
        Variable::List(list) => Dynamic::from_array(list.iter().map(dynamic).collect()),
        Variable::Map(map) => Dynamic::from_map(map.iter().map(|(name, own)| (name.into(), dynamic(own))).collect()),
    }
}

/// Returns the words for a rhai type name.
pub(crate) fn kind(type_name: &str) -> &'static str {
    match type_name.rsplit("::").next().unwrap_or(type_name) {
        "()" => "nothing",
        "bool" => "true or false",
        "i64" => "a whole number",
        "Decimal" | "decimal" => "a number",
        name if name.starts_with("&str") || name == "string" => "a text",
        "array" => "a list",
        "map" => "a map",
        "Date" => "a date",
        "InvoiceValue" | "Invoice" => "an invoice",
        "CustomerValue" | "Customer" => "the customer",
        "LevelFacts" | "Level" => "the level",
        "Money" => "money",
        "Figures" => "figures",
        _ => "something else",
    }
}
