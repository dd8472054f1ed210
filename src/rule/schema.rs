//! The JSON Schema of a rule file, made from the list of keys.

use serde_json::{Map, Value, json};

use crate::rule::keys::{KEYS, KINDS, Key, Owner, REQUIRED, rule_keys};
use crate::schema::form::value_schema;
use crate::schema::{Need, Row, file_schema};

/// Returns the JSON Schema of a rule file: the keys of all kinds, and for each kind which of them it has.
pub fn schema() -> Value {
    // `attach` takes one member as well as a list, which its form says with all their keys.
    let rows: Vec<Row<'_>> = KEYS.iter().filter(|key| key.owner != Owner::Attach).map(row).collect();
    let mut schema = file_schema("Dunlin: a rule", &rows);
    let by_kind: Vec<Value> = KINDS
        .iter()
        .map(|kind| {
            let names: Vec<&str> = rule_keys(kind).map(|key| key.name).collect();
            let required: Vec<&str> = rule_keys(kind).filter(|key| key.default == REQUIRED).map(|key| key.name).collect();
            // A key that other kinds have too, with another meaning, takes what this kind takes.
            let is_shared =
                |key: &&Key| KEYS.iter().filter(|other| other.owner == Owner::Rule && other.name == key.name).count() > 1;
            let own: Map<String, Value> = rule_keys(kind)
                .filter(is_shared)
                .filter_map(|key| Some((key.name.to_owned(), Value::Object(value_schema(key.value)?))))
                .collect();
            json!({
                "if": { "properties": { "kind": { "const": kind } }, "required": ["kind"] },
                "then": { "propertyNames": { "enum": names }, "required": required, "properties": own }
            })
        })
        .collect();
    schema["allOf"] = Value::Array(by_kind);
    schema
}

fn row(key: &Key) -> Row<'_> {
    let below = match key.owner {
        Owner::Rule => "",
        Owner::Schedule => "schedule.",
        Owner::Level => "levels.[].",
        Owner::Repeat => "levels.[].repeat.",
        Owner::Ageing => "ageing.",
        Owner::Attach => "attach.[].",
    };
    // A key that only some kinds must have is asked for by its kind.
    let is_needed = key.default == REQUIRED && (key.owner != Owner::Rule || key.kinds.len() == KINDS.len());
    let need = if is_needed { Need::Required } else { Need::Optional };
    Row { path: format!("{below}{}", key.name), form: key.value, default: key.default, meaning: key.meaning, need }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_of_the_table_has_a_meaning() {
        let has_keys = |key: &Key| KEYS.iter().any(|other| row(other).path.starts_with(&format!("{}.", row(key).path)));
        let unknown: Vec<&str> =
            KEYS.iter().filter(|key| !has_keys(key) && value_schema(key.value).is_none()).map(|key| key.value).collect();
        assert!(unknown.is_empty(), "give these a meaning in src/schema/form.rs: {unknown:?}");
    }

    #[test]
    fn no_kind_has_a_key_twice() {
        for (index, key) in KEYS.iter().enumerate() {
            let is_same = |other: &&Key| {
                other.owner == key.owner && other.name == key.name && other.kinds.iter().any(|kind| key.kinds.contains(kind))
            };
            assert!(!KEYS[..index].iter().any(|other| is_same(&other)), "`{}` stands twice in src/rule/keys.rs", key.name);
        }
    }
}
