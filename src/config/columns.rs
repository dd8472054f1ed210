//! The further columns of the ledger's files that config.yaml names, each with its place: they are looked for once the headings are
//! known, so that a name that is in no file is told and not taken for an empty value.

use crate::config::pattern::{Gap, Pattern};
use crate::domain::problem::{Place, Problem, nearest};
use crate::yaml::{Entry, Node, Problems, Value};

/// Whose file has a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnOf {
    Customers,
    Documents,
}

/// A column that config.yaml names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedColumn {
    of: ColumnOf,
    name: String,
    place: Place,
}

impl NamedColumn {
    /// Returns the problem of a column that is not among the further columns of its file.
    pub fn problem(&self, customers: &[String], documents: &[String]) -> Option<Problem> {
        let (columns, file) = match self.of {
            ColumnOf::Customers => (customers, "the customers' file"),
            ColumnOf::Documents => (documents, "the invoices' file"),
        };
        if columns.contains(&self.name) {
            return None;
        }
        let hint = match nearest(&self.name, columns.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if columns.is_empty() => format!("{file} has none but those that are named under `ledger`"),
            None => format!("{file} has, besides those that are named under `ledger`: {}", columns.join(", ")),
        };
        Some(Problem::error(format!("There is no further column `{}` in {file}", self.name)).at(self.place.clone()).hint(hint))
    }
}

/// Returns the columns that are named in config.yaml outside `ledger`.
pub(crate) fn named_columns(root: &Node, problems: &Problems<'_>) -> Vec<NamedColumn> {
    let plain = [("company", "payment_reference", ColumnOf::Documents), ("bank", "customer_account", ColumnOf::Customers)];
    let mut found = Vec::new();
    for (section, key, of) in plain {
        let node = entry(root, section).and_then(|section| entry(section, key));
        if let Some((node, name)) = node.and_then(written).filter(|(_, name)| !name.is_empty()) {
            found.push(NamedColumn { of, name: name.to_owned(), place: problems.place(node.span) });
        }
    }
    let documents = entry(root, "documents").map_or(&[][..], entries);
    let patterns =
        documents.iter().flat_map(|document| ["path", "url"].into_iter().filter_map(|key| entry(&document.value, key)));
    for (node, pattern) in patterns.filter_map(written) {
        let gaps = Pattern::parse(pattern);
        for gap in gaps.iter().flat_map(Pattern::gaps) {
            let (of, name, gap) = match gap {
                Gap::Attribute(name) => (ColumnOf::Documents, name, format!("{{attributes.{name}}}")),
                Gap::CustomerAttribute(name) => (ColumnOf::Customers, name, format!("{{customer.attributes.{name}}}")),
                _ => continue,
            };
            let before = pattern.find(&gap).map_or(0, |start| pattern[..start].chars().count());
            let mut span = node.span_within(1, before as u32 + 1);
            span.width = gap.chars().count() as u32;
            found.push(NamedColumn { of, name: name.clone(), place: problems.place(span) });
        }
    }
    found
}

fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Map(entries) => entries,
        _ => &[],
    }
}

fn entry<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entries(node).iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

fn written(node: &Node) -> Option<(&Node, &str)> {
    node.scalar().map(|scalar| (node, scalar.text.as_str()))
}
