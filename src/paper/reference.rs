//! The reference page and the schema of layouts, made from the list of keys.

use std::fmt::Write;

use serde_json::Value;

use crate::paper::keys::{KEYS, Key, rows};
use crate::schema::file_schema;

/// Returns the JSON Schema of a layout.
pub fn schema() -> Value {
    file_schema("Dunlin: a layout of papers", &rows())
}

/// Returns docs/reference/papers.md.
pub fn papers_page() -> String {
    let mut page = String::from(INTRODUCTION);
    for Key { path, value, default, meaning } in KEYS {
        let meaning = meaning.replace('|', "\\|");
        writeln!(page, "| `{path}` | {value} | {default} | {meaning} |").expect("writing to a string cannot fail");
    }
    page
}

const INTRODUCTION: &str = "# Layouts of papers

*Made from the program's own list of keys; `cargo test` fails while it is out of date.*

One file a layout: `rules/papers/<name>.yaml`, with its fonts and pictures beside it. A rule asks for a paper under `attach`;
see [papers.md](../papers.md). Every text is a template: it may use what the mail's own template may use
([template-variables.md](template-variables.md)), and an unknown name is an error when the layout loads. A text is written
once for all languages, or once for each of them: `{ en: Open, de: Offen }`.

Lengths are `mm`, `pt` (72 to the inch) or `in`. In languages that are read from the right (Arabic, Hebrew, Persian, Urdu and
others), pages are mirrored: what is `left` here stands on the right.

| key | write | without it | meaning |
| --- | --- | --- | --- |
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/papers.md");
        if std::env::var_os("DUNLIN_BLESS").is_some() {
            fs::write(path, papers_page()).unwrap();
        }
        let hint = "out of date: run the tests once with DUNLIN_BLESS=1";
        assert_eq!(fs::read_to_string(path).unwrap_or_default(), papers_page(), "{hint}");
    }
}
