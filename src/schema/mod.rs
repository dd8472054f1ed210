//! JSON Schemas of the files that people write, made from the tables of their keys, so that editors complete and check.
//!
//! A table's row says in words what to write; `form` knows what these words ask of a value, so that the reference page
//! and the schema come from one entry. A schema tells of one value at a time: what two keys say of each other (a password
//! *or* OAuth 2, the name of a sender that exists) is told by `dunlin check`, never less strict than the schema. In one thing
//! alone a schema is the stricter: a key of a single value with nothing behind it, which counts as not written, is underlined,
//! since somebody stopped in the middle. A map or list that may be left out may be empty so: its lines may all be remarks.

pub mod form;

use serde_json::{Map, Value, json};

use crate::schema::form::value_schema;

/// The dialect that the schemas are written in.
pub const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What a name of the writer's own may look like: a server, a sender, a recipient key.
pub const NAME: &str = "^[A-Za-z0-9_-]{1,64}$";

/// One key of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'t> {
    /// The path: `smtp.<id>.host`, where `<id>` stands for any name; `levels.[].id`, where `[]` stands for each member.
    pub path: String,
    /// What to write, in the words of the table.
    pub form: &'t str,
    /// What holds without it, in the words of the table.
    pub default: &'t str,
    /// What it does.
    pub meaning: &'t str,
    /// Whether it must be there.
    pub need: Need,
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The file is wrong without it.
    Required,
    /// It may be left out.
    Optional,
}

/// Returns the schema of a file whose keys are `rows`. A row whose words [`form`] does not know takes any value; a test over
/// every table sees to it that there is none.
pub fn file_schema(title: &str, rows: &[Row<'_>]) -> Value {
    let mut root = Branch::default();
    for row in rows {
        root.at(&row.path).rows.push(row);
    }
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!(DIALECT));
    schema.insert("title".to_owned(), json!(title));
    schema.extend(root.object());
    Value::Object(schema)
}

/// One key with the keys under it, in the order of the table.
#[derive(Default)]
struct Branch<'r> {
    /// Its rows: several where one key means different things in different kinds of files.
    rows: Vec<&'r Row<'r>>,
    below: Vec<(&'r str, Branch<'r>)>,
}

impl<'r> Branch<'r> {
    /// Returns the branch at `path`, grown as far as it was not there.
    fn at(&mut self, path: &'r str) -> &mut Self {
        let mut branch = self;
        for segment in path.split('.') {
            let place = branch.below.iter().position(|(name, _)| *name == segment).unwrap_or_else(|| {
                branch.below.push((segment, Branch::default()));
                branch.below.len() - 1
            });
            branch = &mut branch.below[place].1;
        }
        branch
    }

    fn schema(&self) -> Map<String, Value> {
        let mut schema = match self.below.as_slice() {
            [] => self.value(),
            [("[]", members)] => object_of([("type", json!("array")), ("items", Value::Object(members.schema()))]),
            _ => self.object(),
        };
        let meanings: Vec<&str> = self.rows.iter().map(|row| row.meaning).filter(|meaning| !meaning.is_empty()).collect();
        if !meanings.is_empty() {
            schema.insert("description".to_owned(), json!(meanings.join(" Or: ")));
        }
        if let [row] = self.rows.as_slice()
            && let Some(default) = literal(row.default).filter(|_| self.below.is_empty())
        {
            schema.insert("default".to_owned(), default);
        }
        schema
    }

    /// Returns what a value without keys of its own must be: anything that one of its rows takes.
    fn value(&self) -> Map<String, Value> {
        let mut forms: Vec<&str> = self.rows.iter().map(|row| row.form).collect();
        forms.dedup();
        let mut values = forms.into_iter().map(|form| value_schema(form).unwrap_or_default());
        match (values.len(), values.next()) {
            (0 | 1, first) => first.unwrap_or_default(),
            (_, first) => object_of([("anyOf", first.into_iter().chain(values).map(Value::Object).collect())]),
        }
    }

    fn is_required(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.need == Need::Required)
    }

    /// Returns the schema of a map: of keys that are known, or of names of the writer's own.
    fn object(&self) -> Map<String, Value> {
        let mut schema = object_of([("type", json!("object"))]);
        if let [(name, member)] = self.below.as_slice()
            && name.starts_with('<')
        {
            schema.insert("propertyNames".to_owned(), json!({ "pattern": NAME }));
            if self.is_required() {
                schema.insert("minProperties".to_owned(), json!(1));
            }
            schema.insert("additionalProperties".to_owned(), Value::Object(member.schema()));
            return schema;
        }
        let property = |branch: &Branch<'_>| if branch.is_required() { branch.schema() } else { or_nothing(branch.schema()) };
        let properties: Map<String, Value> =
            self.below.iter().map(|(name, branch)| ((*name).to_owned(), Value::Object(property(branch)))).collect();
        let required: Vec<&str> = self.below.iter().filter(|(_, branch)| branch.is_required()).map(|(name, _)| *name).collect();
        schema.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        schema.insert("additionalProperties".to_owned(), json!(false));
        schema
    }
}

/// Returns the schema of a map or list that may also have nothing in it; that of a single value as it is.
fn or_nothing(mut schema: Map<String, Value>) -> Map<String, Value> {
    let is_list_or_map = schema.get("type").is_some_and(|word| word == "object" || word == "array");
    if let Some(word) = schema.get_mut("type").filter(|_| is_list_or_map) {
        *word = json!([word, "null"]);
    } else if let Some(Value::Array(choices)) = schema.get_mut("oneOf") {
        choices.push(json!({ "type": "null" }));
    }
    schema
}

fn object_of<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Returns the value that a default in code marks stands for, `None` where it is told in words.
fn literal(default: &str) -> Option<Value> {
    let text = default.strip_prefix('`')?.strip_suffix('`').filter(|text| !text.contains(['`', '[', '{']))?;
    Some(match text {
        "true" => json!(true),
        "false" => json!(false),
        _ => text.parse::<u64>().map_or_else(|_| json!(text.trim_matches('"')), |number| json!(number)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &'static str, form: &'static str, default: &'static str, need: Need) -> Row<'static> {
        Row { path: path.to_owned(), form, default, meaning: "What it does", need }
    }

    #[test]
    fn a_table_becomes_a_schema_of_nested_maps_lists_and_names() {
        let rows = [
            row("mode", "`live` or `dry`", "`live`", Need::Optional),
            row("smtp", "servers by a name of yours", "required", Need::Required),
            row("smtp.<id>", "keys", "", Need::Optional),
            row("smtp.<id>.port", "1 to 65535", "465", Need::Required),
            row("levels", "a list of levels", "", Need::Optional),
            row("levels.[].cc", "recipients", "none", Need::Optional),
        ];
        let expected = json!({
            "$schema": DIALECT,
            "title": "A file",
            "type": "object",
            "properties": {
                "mode": { "enum": ["live", "dry"], "description": "What it does", "default": "live" },
                "smtp": {
                    "type": "object",
                    "propertyNames": { "pattern": NAME },
                    "minProperties": 1,
                    "additionalProperties": {
                        "type": "object",
                        "properties": {
                            "port": {
                                "type": ["integer", "string"],
                                "pattern": "^[+-]?[0-9]+$",
                                "minimum": 1,
                                "maximum": 65535,
                                "description": "What it does"
                            }
                        },
                        "required": ["port"],
                        "additionalProperties": false,
                        "description": "What it does"
                    },
                    "description": "What it does"
                },
                "levels": {
                    "type": ["array", "null"],
                    "items": {
                        "type": "object",
                        "properties": {
                            "cc": {
                                "oneOf": [
                                    { "not": { "type": ["object", "array", "null"] }, "minLength": 1 },
                                    { "type": "array", "items": { "not": { "type": ["object", "array", "null"] }, "minLength": 1 } },
                                    { "type": "null" }
                                ],
                                "description": "What it does"
                            }
                        },
                        "additionalProperties": false
                    },
                    "description": "What it does"
                }
            },
            "required": ["smtp"],
            "additionalProperties": false
        });
        assert_eq!(file_schema("A file", &rows), expected);
    }

    #[test]
    fn a_key_with_two_meanings_takes_what_either_takes() {
        let rows = [row("start", "`a`", "`a`", Need::Optional), row("start", "`b`", "none", Need::Required)];
        let expected = json!({ "anyOf": [{ "enum": ["a"] }, { "enum": ["b"] }], "description": "What it does Or: What it does" });
        let schema = file_schema("A file", &rows);
        assert_eq!((&schema["properties"]["start"], schema.get("required")), (&expected, None));
    }

    #[test]
    fn only_a_default_in_code_marks_is_a_value() {
        for (default, expected) in [
            ("`live`", Some(json!("live"))),
            ("`false`", Some(json!(false))),
            ("`3`", Some(json!(3))),
            ("`\"%Y-%m-%d\"`", Some(json!("%Y-%m-%d"))),
            ("the preset's", None),
            ("`[sat, sun]`", None),
            ("`a` or `b`", None),
            ("", None),
        ] {
            assert_eq!(literal(default), expected, "{default}");
        }
    }
}
