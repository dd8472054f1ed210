//! Reads the headers of an operator's own, which a rule and a sender of config.yaml may have alike.

use crate::domain::header::{ExtraHeader, HEADERS_MAX, header_name_fault, header_value_fault};
use crate::yaml::{Entry, Node, Problems, map, text};

/// Reads `{ X-Name: text }`.
pub(crate) fn headers(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<ExtraHeader>> {
    let mut names: Vec<String> = Vec::new();
    let found = map(|entry, problems: &mut Problems<'_>| header(entry, &mut names, problems))(node, problems)?;
    if names.len() > HEADERS_MAX {
        problems.error(node.span, format!("{} headers are named; at most {HEADERS_MAX} are read", names.len()));
    }
    Some(found)
}

fn header(entry: &Entry, names: &mut Vec<String>, problems: &mut Problems<'_>) -> Option<ExtraHeader> {
    let name = &entry.key;
    let name_fault = header_name_fault(name);
    if let Some(fault) = &name_fault {
        problems.error_hint(entry.span, format!("`{name}` {fault}"), "write a name of your own, such as `X-Campaign`");
    }
    if names.iter().any(|other| other.eq_ignore_ascii_case(name)) {
        problems.error_hint(entry.span, format!("The header `{name}` is named twice"), "names are the same in any case");
        return None;
    }
    names.push(name.clone());
    let value = text(&entry.value, problems)?;
    if let Some(fault) = header_value_fault(&value) {
        problems.error_hint(entry.value.span, format!("The header `{name}` {fault}"), "write it in one line");
        return None;
    }
    name_fault.is_none().then(|| ExtraHeader { name: name.clone(), value })
}
