//! Which functions of a script cases reach: a copy of the script that notes the name of each as it is entered.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::date::Date;

/// What stands before a function's name in the mark at its beginning. A script that uses such a name itself is not watched.
pub(crate) const MARK: &str = "__reached__";

/// The names of the functions that were entered.
#[derive(Clone, Debug, Default)]
pub struct Reached(Arc<Mutex<BTreeSet<String>>>);

impl Reached {
    /// Returns the names, sorted.
    pub fn names(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn note(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }
}

/// What a watched call carries along: the day, as every call, and where to note names.
#[derive(Clone)]
pub(crate) struct WatchedDay {
    pub(crate) as_of: Date,
    pub(crate) reached: Reached,
}

/// Returns a script with a mark at the beginning of each of these functions.
pub(crate) fn marked(text: &str, functions: &BTreeSet<String>) -> String {
    let plain = blanked(text);
    let mut marks: Vec<(usize, &str)> = Vec::new();
    for function in functions {
        let mut from = 0;
        while let Some(at) = plain[from..].find(&format!("fn {function}")).map(|at| from + at) {
            from = at + 3 + function.len();
            let is_name = plain[from..].trim_start().starts_with('(');
            let brace = plain[from..].find(')').and_then(|end| plain[from + end..].find('{').map(|brace| from + end + brace + 1));
            if let Some(brace) = brace.filter(|_| is_name) {
                marks.push((brace, function));
            }
        }
    }
    marks.sort_unstable();
    let mut marked = String::with_capacity(text.len() + 64 * marks.len());
    let mut from = 0;
    for (at, function) in marks {
        marked.push_str(&text[from..at]);
        marked.push_str(&format!(" {MARK}{function}; "));
        from = at;
    }
    marked.push_str(&text[from..]);
    marked
}

/// Returns a script with spaces for all comments and quoted texts, byte for byte as long.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'/')) => text[at..].find('\n').map_or(bytes.len(), |length| at + length),
            (b'/', Some(b'*')) => comment_end(bytes, at),
            (quote @ (b'"' | b'`' | b'\''), _) => {
                let mut end = at + 1;
                while end < bytes.len() && bytes[end] != quote {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                (end + 1).min(bytes.len())
            }
            _ => {
                at += 1;
                continue;
            }
        };
        plain[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = end;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Returns where a comment ends that may hold others.
fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_gets_its_mark_and_no_comment_or_text_does() {
        let functions: BTreeSet<String> = ["a", "ab"].map(str::to_owned).into();
        let text = "// fn a() {\n/* fn a(x) { /* fn ab() { */ } */\nconst X = \"fn a() { }\";\nfn a(x /* ) { */, y) {\n  ab(x)\n}\nprivate fn ab( x )\n{ x }\n";
        let expected = "// fn a() {\n/* fn a(x) { /* fn ab() { */ } */\nconst X = \"fn a() { }\";\nfn a(x /* ) { */, y) { __reached__a; \n  ab(x)\n}\nprivate fn ab( x )\n{ __reached__ab;  x }\n";
        assert_eq!(marked(text, &functions), expected);
    }
}
