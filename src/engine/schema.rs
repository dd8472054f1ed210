//! The schemas there are: one for each kind of file that people write.

use serde_json::Value;

/// A kind of file with a schema.
#[derive(Clone, Copy, Debug)]
pub struct SchemaKind {
    /// What `dunlin schema` calls it.
    pub word: &'static str,
    /// The file that the schema lies in, from the workspace.
    pub path: &'static str,
    /// Where files of this kind find it, from their own folder.
    pub reference: &'static str,
    /// Makes it from the table of the keys.
    pub schema: fn() -> Value,
}

/// Every kind. One line makes a further one known to `dunlin schema`, `dunlin init` and the test that keeps `schemas/`.
pub const SCHEMAS: &[SchemaKind] = &[
    SchemaKind {
        word: "config",
        path: "schemas/config.schema.json",
        reference: "schemas/config.schema.json",
        schema: crate::config::schema,
    },
    SchemaKind {
        word: "rule",
        path: "schemas/rule.schema.json",
        reference: "../schemas/rule.schema.json",
        schema: crate::rule::schema,
    },
    SchemaKind {
        word: "rule-test",
        path: "schemas/rule-test.schema.json",
        reference: "../schemas/rule-test.schema.json",
        schema: crate::ruletest::rule_test_schema,
    },
    SchemaKind {
        word: "calendar",
        path: "schemas/calendar.schema.json",
        reference: "../schemas/calendar.schema.json",
        schema: crate::config::calendar_schema,
    },
    SchemaKind {
        word: "paper",
        path: "schemas/paper.schema.json",
        reference: "../../schemas/paper.schema.json",
        schema: crate::paper::schema,
    },
    SchemaKind {
        word: "plugin",
        path: "schemas/plugin.schema.json",
        reference: "../../schemas/plugin.schema.json",
        schema: crate::plugin::plugin_schema,
    },
    SchemaKind {
        word: "rates",
        path: "schemas/rates.schema.json",
        reference: "../../../schemas/rates.schema.json",
        schema: crate::plugin::rates_schema,
    },
    SchemaKind {
        word: "plugin-test",
        path: "schemas/plugin-test.schema.json",
        reference: "../../schemas/plugin-test.schema.json",
        schema: crate::plugin::test_schema,
    },
];

impl SchemaKind {
    /// Returns the kind that `dunlin schema` calls so.
    pub fn find(word: &str) -> Option<&'static Self> {
        SCHEMAS.iter().find(|kind| kind.word == word)
    }

    /// Returns the name of its file.
    pub fn file(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// Returns the text of its file.
    pub fn text(&self) -> String {
        format!("{:#}\n", (self.schema)())
    }

    /// Returns the first line of a file of this kind, by which editors find the schema.
    pub fn first_line(&self) -> String {
        format!("# yaml-language-server: $schema={}\n", self.reference)
    }
}
