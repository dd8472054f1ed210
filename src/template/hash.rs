//! Templates that are written with `#customername#`, as CDR2Cloud has them: the one table of those names, the rule for what is
//! one, and the same template in our own spelling.
//!
//! A template says in its first line that it is written so: `<!-- syntax: hash -->` or `{# syntax: hash #}`. Then `#name#` is a
//! variable, and every brace is a brace. A `#` is left alone unless letters follow it up to a second one: colours (`#fff`), anchors
//! (`#top`) and numbers (`#1#`) have none.

use std::ops::Range;

use crate::domain::problem::{Place, Problem, nearest};
use crate::template::code::line_and_column;

/// A name that such templates use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashName {
    /// What stands between the signs.
    pub name: &'static str,
    /// What stands for it in a template of ours, between the braces.
    pub ours: &'static str,
    /// What it is.
    pub meaning: &'static str,
}

const fn name(name: &'static str, ours: &'static str, meaning: &'static str) -> HashName {
    HashName { name, ours, meaning }
}

/// Every such name: all of the four kinds of templates of CDR2Cloud (invoice, payment receipt, web access, call detail).
pub const HASH_NAMES: &[HashName] = &[
    name("customername", "customer.name", "The customer's name"),
    name("invoicenumber", "items|map(attribute=\"number\")|join(\", \")", "The invoice's number; of several all, with commas"),
    name("invoicetotal", "invoiced_total", "The whole amount of the invoice; of several together"),
    name("invoiceduedate", "items[0].due_on", "The invoice's due date; of several the first"),
    name("paymentdate", "payment.received_on", "The day of the payment"),
    name("paymentamount", "payment.amount", "How much was paid"),
    name("paymentmethod", "payment.method", "How it was paid"),
    name("paidtodate", "paid_total", "What is paid of the invoice so far"),
    name("logonlink", "company.logon_url", "Where customers sign in"),
    name(
        "customerusername",
        "customer.attributes.user_name",
        "The name to sign in with: the column `user_name` of the customers' file",
    ),
    name(
        "customerpassword",
        "customer.attributes.temporary_password",
        "The password to begin with: the column `temporary_password` of the customers' file",
    ),
    name(
        "cdrstartdate",
        "items[0].attributes.cdr_start|date",
        "The first day of the calls: the column `cdr_start` of the invoices' file",
    ),
    name(
        "cdrenddate",
        "items[0].attributes.cdr_end|date",
        "The last day of the calls: the column `cdr_end` of the invoices' file",
    ),
    name("tenantcompanyname", "company.name", "The company's name"),
    name("tenantstreet", "company.street", "Its street"),
    name("tenantcity", "company.city", "Its town"),
    name("tenantstate", "company.state", "Its state or province"),
    name("tenantpostal", "company.postal_code", "Its postal code"),
    name("tenantcountry", "company.country", "Its country"),
    name("tenantemail", "company.email", "Its address for mail"),
    name("tenantphone", "company.phone", "Its telephone number"),
];

/// The fewest and the most letters that make a name; no name of the table is outside.
const NAME_LETTERS: std::ops::RangeInclusive<usize> = 3..=40;

/// What `#customername#` became in a template that was turned into one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashChange {
    /// The line, from 1.
    pub line: u32,
    /// What was written.
    pub written: String,
    /// What stands there now.
    pub ours: String,
}

/// In how many first lines a remark that names the spelling is looked for.
const DECLARING_LINES_MAX: usize = 10;

/// The signs of remarks.
const REMARKS: [(&str, &str); 2] = [("<!--", "-->"), ("{#", "#}")];

/// Returns where the first line that is not blank says that a template is written so, without its line break.
pub(crate) fn declaration(text: &str) -> Option<Range<usize>> {
    let start = text.len() - text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).len();
    let line = text[start..].lines().next()?;
    let inner = |open, close| line.trim_end().strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close));
    let said = inner("<!--", "-->").or_else(|| inner("{#", "#}"))?;
    let (key, word) = said.split_once(':')?;
    if key.trim() != "syntax" || word.trim() != "hash" {
        return None;
    }
    Some(start..start + line.trim_end().len())
}

/// Returns what keeps a template that is not declared to be written so from being what its author means: a spelling that there is
/// not, a declaration that does not stand in the first line, or none at all over names that only the signs make names.
pub(crate) fn undeclared(path: &str, text: &str) -> Option<Problem> {
    let is_html = !path.ends_with(".txt");
    let line = if is_html { "<!-- syntax: hash -->" } else { "{# syntax: hash #}" };
    if let Some((range, word)) = remark(text) {
        let (at, column) = line_and_column(text, range.start);
        let place = Place::within(path, text, at, column, text[range.clone()].chars().count() as u32);
        return Some(match word {
            "hash" => {
                let message = format!("`{}` does not stand alone in the first line and is not heeded", &text[range]);
                Problem::error(message).at(place).hint("move it to the first line, with nothing else in that line")
            }
            _ => {
                let problem = Problem::error(format!("Unknown spelling `{word}` of a template")).at(place);
                match nearest(word, ["hash"]) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem.hint(format!("write `{line}`, or nothing where the template is one of ours")),
                }
            }
        });
    }
    let found = plain_names(text);
    let (range, known) = found.first()?;
    let (at, column) = line_and_column(text, range.start);
    let place = Place::within(path, text, at, column, range.len() as u32);
    let more = match found.len() - 1 {
        0 => String::new(),
        1 => ", and one more like it".to_owned(),
        more => format!(", and {more} more like it"),
    };
    let message = format!("`{}` would stand in the mail just so{more}", &text[range.clone()]);
    // With the signs declared, what is in braces would be text.
    let hint = if text.contains("{{") || text.contains("{%") {
        format!("write `{{{{ {} }}}}`", known.ours)
    } else {
        format!("write `{line}` in the first line, or have it turned: `dunlin template import {path}`")
    };
    Some(Problem::error(message).at(place).hint(hint))
}

/// Returns the remark of the first lines that names a spelling, and the word.
fn remark(text: &str) -> Option<(Range<usize>, &str)> {
    let first_lines = text.split_inclusive('\n').take(DECLARING_LINES_MAX).map(str::len).sum::<usize>();
    let head = &text[..first_lines];
    REMARKS.iter().find_map(|(open, close)| {
        head.match_indices(open).find_map(|(start, _)| {
            let inner = start + open.len();
            let length = head[inner..].find(close)?;
            let (key, word) = head[inner..inner + length].split_once(':')?;
            let word = word.trim();
            let is_word = !word.is_empty() && word.chars().all(char::is_alphanumeric);
            (key.trim() == "syntax" && is_word).then_some((start..inner + length + close.len(), word))
        })
    })
}

/// Returns every name of the table that stands between signs in a template of ours, outside its code.
fn plain_names(text: &str) -> Vec<(Range<usize>, &'static HashName)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(next) = text[at..].find(['#', '{']).map(|next| at + next) {
        let rest = &text[next..];
        let code = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")].into_iter().find(|(open, _)| rest.starts_with(open));
        if let Some((_, close)) = code {
            at = rest[2..].find(close).map_or(text.len(), |length| next + 2 + length + close.len());
            continue;
        }
        at = next + 1;
        let letters = rest[1..].bytes().take_while(u8::is_ascii_alphabetic).count();
        if !rest.starts_with('#') || !NAME_LETTERS.contains(&letters) || !rest[1 + letters..].starts_with('#') {
            continue;
        }
        let lower = rest[1..=letters].to_ascii_lowercase();
        if let Some(known) = HASH_NAMES.iter().find(|known| known.name == lower) {
            at = next + letters + 2;
            found.push((next..at, known));
        }
    }
    found
}

/// A template in our own spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// The template; it has the lines that it had.
    pub text: String,
    /// What was changed, in order.
    pub changes: Vec<HashChange>,
    /// What is no name of the table; such a name stays as it is.
    pub problems: Vec<Problem>,
}

/// Returns a template in our own spelling, whether or not its first line says that it is written with signs.
pub fn translate(path: &str, text: &str) -> Translated {
    let (mut ours_text, mut changes, mut problems) = (String::with_capacity(text.len()), Vec::new(), Vec::new());
    // How much of the text is taken over.
    let mut done = 0;
    let mut replace = |range: Range<usize>, new: &str| {
        ours_text.push_str(&text[done..range.start]);
        ours_text.push_str(new);
        done = range.end;
    };
    let mut at = declaration(text).map_or(0, |declared| {
        let end = declared.end;
        replace(declared, "");
        end
    });
    while let Some(found) = text[at..].find(['#', '{']).map(|found| at + found) {
        let rest = &text[found..];
        at = found + 1;
        if let Some(after) = rest.strip_prefix('{') {
            // `{#header{…}}` of a style sheet would begin a remark of ours.
            if after.starts_with(['{', '%', '#']) {
                replace(found..found + 1, "{{ \"{\" }}");
            }
            continue;
        }
        let letters = rest[1..].bytes().take_while(u8::is_ascii_alphabetic).count();
        if !NAME_LETTERS.contains(&letters) || !rest[1 + letters..].starts_with('#') {
            continue;
        }
        let range = found..found + letters + 2;
        let written = &text[range.clone()];
        let lower = written[1..=letters].to_ascii_lowercase();
        let (line, column) = line_and_column(text, found);
        match HASH_NAMES.iter().find(|known| known.name == lower) {
            Some(known) => {
                let ours = format!("{{{{ {} }}}}", known.ours);
                replace(range.clone(), &ours);
                changes.push(HashChange { line, written: written.to_owned(), ours });
                at = range.end;
            }
            None => {
                let place = Place::within(path, text, line, column, letters as u32 + 2);
                let hint = match nearest(&lower, HASH_NAMES.iter().map(|known| known.name)) {
                    Some(near) => format!("did you mean `#{near}#`?"),
                    None => {
                        "the names are in docs/reference/template-variables.md; a `#` that is meant is written `&#35;` in HTML"
                            .to_owned()
                    }
                };
                problems.push(Problem::error(format!("Unknown name `{written}`")).at(place).hint(hint));
                // The second sign may begin the next name.
                at = range.end - 1;
            }
        }
    }
    ours_text.push_str(&text[done..]);
    Translated { text: ours_text, changes, problems }
}

/// Returns the names as a Markdown table.
pub fn hash_table() -> String {
    let rows = HASH_NAMES.iter().map(|HashName { name, ours, meaning }| {
        format!("| `#{name}#` | `{{{{ {} }}}}` | {meaning}. |\n", ours.replace('|', "\\|"))
    });
    format!("| written | ours | what it is |\n|---|---|---|\n{}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_declares_the_spelling() {
        for (text, expected) in [
            ("<!-- syntax: hash -->\n<p>", Some("<!-- syntax: hash -->")),
            ("{# syntax: hash #} \r\nx", Some("{# syntax: hash #}")),
            ("\u{feff}\n<!--syntax:hash-->", Some("<!--syntax:hash-->")),
            ("<p><!-- syntax: hash -->", None),
            ("<!-- syntax: jinja -->", None),
            ("<p>\n<!-- syntax: hash -->", None),
            ("", None),
        ] {
            assert_eq!(declaration(text).map(|range| &text[range]), expected, "{text:?}");
        }
    }

    #[test]
    fn a_declaration_that_is_not_heeded_and_a_name_that_would_go_out_as_it_is_are_told() {
        let name = "`#customername#` would stand in the mail just so";
        let turned = "or have it turned: `dunlin template import";
        for (path, text, expected) in [
            ("a.html", "<!-- syntax: hsh -->\n#customername#", "a.html:1:1: Unknown spelling `hsh` of a template; did you mean `hash`?".to_owned()),
            (
                "a.html",
                "<!-- syntax: jinja -->",
                "a.html:1:1: Unknown spelling `jinja` of a template; write `<!-- syntax: hash -->`, or nothing where the template \
                 is one of ours"
                    .to_owned(),
            ),
            (
                "a.html",
                "<!DOCTYPE html>\n<!-- syntax: hash --> #customername#",
                "a.html:2:1: `<!-- syntax: hash -->` does not stand alone in the first line and is not heeded; move it to the \
                 first line, with nothing else in that line"
                    .to_owned(),
            ),
            ("a.html", "<p>\n #CustomerName#", format!(
                "a.html:2:2: `#CustomerName#` would stand in the mail just so; write `<!-- syntax: hash -->` in the first line, \
                 {turned} a.html`"
            )),
            ("a.subject.txt", "#customername# #tenantcity# #nobody#", format!(
                "a.subject.txt:1:1: {name}, and one more like it; write `{{# syntax: hash #}}` in the first line, {turned} \
                 a.subject.txt`"
            )),
            ("a.txt", "{{ company.name }} #customername#", format!("a.txt:1:20: {name}; write `{{{{ customer.name }}}}`")),
        ] {
            assert_eq!(undeclared(path, text).map(|problem| problem.to_string()), Some(expected), "{text}");
        }
        let late = format!("{}<!-- syntax: hsh -->", "\n".repeat(DECLARING_LINES_MAX));
        for text in ["{#customername#} {{ \"#customername#\" }}", "#nobody# #fff# <a href=\"#top\">", "<!-- syntax -->", &late] {
            assert_eq!(undeclared("a.html", text), None, "{text}");
        }
    }

    #[test]
    fn a_sign_that_begins_no_name_is_left_alone() {
        for (written, expected) in [
            ("Hello #customername#, #CustomerName#", "Hello {{ customer.name }}, {{ customer.name }}"),
            ("a{color:#fff;background:#000}", "a{color:#fff;background:#000}"),
            ("<a href=\"#top\">#</a> #1# ## #a# #39;", "<a href=\"#top\">#</a> #1# ## #a# #39;"),
            ("C# and F# #tenant city# #", "C# and F# #tenant city# #"),
            ("@media{#a{b:c}} {{ x }} {%", "@media{{ \"{\" }}#a{b:c}} {{ \"{\" }}{ x }} {{ \"{\" }}%"),
            ("<!-- syntax: hash -->\n#tenantcity#", "\n{{ company.city }}"),
            ("##tenantcity##", "#{{ company.city }}#"),
            ("#tenantcity##tenantstate#", "{{ company.city }}{{ company.state }}"),
        ] {
            let found = translate("a.html", written);
            assert_eq!((found.text.as_str(), found.problems), (expected, vec![]), "{written}");
        }
    }

    #[test]
    fn an_unknown_name_is_told_with_its_place_and_what_is_near() {
        let Translated { changes, problems, .. } =
            translate("a.html", "<p>\n #tenantcity# #custmername# #nosuchthing#tenantcity#</p>");
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "a.html:2:15: Unknown name `#custmername#`; did you mean `#customername#`?",
                "a.html:2:29: Unknown name `#nosuchthing#`; the names are in docs/reference/template-variables.md; a `#` that is meant is written \
                 `&#35;` in HTML",
            ]
        );
        let lines: Vec<(u32, &str)> = changes.iter().map(|change| (change.line, change.written.as_str())).collect();
        assert_eq!(lines, [(2, "#tenantcity#"), (2, "#tenantcity#")]);
    }
}
