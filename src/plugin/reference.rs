//! The reference page of plugin.yaml and test.yaml, made from the lists of keys.

use std::fmt::Write;

use crate::plugin::keys::{CASE, Key, PLUGIN, PROGRAM, RATE, RATES};

/// Returns docs/reference/plugins.md.
pub fn plugins_page() -> String {
    let mut page = String::from(INTRODUCTION);
    let tables: [(&str, &str, &[Key]); 5] = [
        ("plugin.yaml", "", PLUGIN),
        ("A program (`attachment`, `alert`)", PROGRAMS, PROGRAM),
        ("A table of rates", TABLES, RATES),
        ("A rate", "", RATE),
        ("A case of test.yaml", CASES, CASE),
    ];
    for (title, words, keys) in tables {
        write!(page, "\n## {title}\n{words}\n| key | write | without it | meaning |\n| --- | --- | --- | --- |\n")
            .expect("writing to a string cannot fail");
        for Key { name, value, default, meaning } in keys {
            writeln!(page, "| `{name}` | {value} | {default} | {meaning} |").expect("writing to a string cannot fail");
        }
    }
    page.push_str(PROTOCOL);
    page
}

const INTRODUCTION: &str = "# Plugins

*Made from the program's own lists of keys; `cargo test` fails while it is out of date.*

A plugin is a folder `plugins/<name>/` with a plugin.yaml. It can offer functions, pickers and programs:

    name: business-days
    description: Deadlines in business days
    functions: business-days.rhai

`dunlin plugin new NAME` writes one that works, `list` shows what is there, `check` tells every problem, and `test` runs the
cases of each plugin's test.yaml. A plugin with an error is left out, loudly; a rule that needs it is then an error too.

Functions are rhai, in the same sandbox as a rule's script, with the same limits; see script-functions.md. They know only what
they are given, not even `as_of`, and call the built-in functions and those of their own plugin. Every name exists once:
a function called as a built-in one, as a template's own filter, or as that of another plugin, is an error. Templates use
them as filters: `{{ as_of|next_business_day }}`. A function that fails blocks its one mail, never a run.

A picker of variables is tried on made-up data with what each rule says to it. `throw #{ settings: \"…\" }` tells that the rule's
words are wrong whatever the data: an error of the rule. Any other `throw` may come from the data, and is a warning there.
";

const PROGRAMS: &str = "
A program runs outside: in the plugin's folder, in a process group of its own, with an environment of `PATH` and the names
listed. It never runs in a shell.
";

const TABLES: &str = "
A file in the plugin's folder `rates/`, named in plugin.yaml. The file's name is the table's. It is watched and checked like a
rule, and is part of the generation that a run keeps.

    title: Base rate of s. 247 BGB
    source: Deutsche Bundesbank
    valid_to: 2026-06-30
    rates:
      - { from: 2025-07-01, rate: 1.27 }
";

const CASES: &str = "
`cases` is a list; each member has one of `call`, `picker`, `alert` and `attachment`. Business days are those of the workspace's
calendar.

    cases:
      - { call: 'next_business_day(date(\"2026-12-24\"))', gives: 2026-12-25 }
";

const PROTOCOL: &str = "
## What programs speak

One JSON object a line, on standard input and output. Standard error is kept (its last 4 KB) and shown when something fails.

An **alert** program is given one line and ends with exit code 0 when a person was told:

    {\"version\":1,\"alert\":{\"severity\":\"error\",\"title\":\"…\",\"detail\":\"…\",\"workspace\":\"…\"}}

`severity` is `error` (the daemon does not do its work), `warning` (somebody is needed) or `info` (it is over).

An **attachment** program is started once for a run (once for each different `settings` that rules say to it) and is given a line
for each mail; it answers each with one line, in any order, before its input ends or after:

    {\"version\":1,\"id\":\"7\",\"rule\":\"overdue\",\"customer\":{\"id\":\"C-1\",\"name\":\"…\"},\"currency\":\"EUR\",\"total\":\"120.00\",
     \"level\":\"first\",\"as_of\":\"2026-11-21\",\"items\":[{\"number\":\"INV-1\",\"due_on\":\"2026-10-12\",\"open\":\"120.00\"}],
     \"settings\":{…},\"letter\":{…}}
    {\"id\":\"7\",\"files\":[{\"name\":\"INV-1.pdf\",\"content_type\":\"application/pdf\",\"base64\":\"…\",\"amount\":{…},\"payee\":\"…\",\"iban\":\"…\",\"reference\":\"…\"}]}

Of a statement the line has `statement` too: its `form`, `from` and `to`, `opening`, `balance`, `unapplied` and `ages` where it has them,
and its `lines`, each with the `customer` whose account it stands on.

`settings` is what the rule says beside the plugin's name. `letter` is all that the mail's templates know, under the same names and in the
mail's language: see template-variables.md. Texts, whole numbers, lists and maps are themselves, an empty text is `\"\"`, and what is not
defined is not there. The others are maps whose `text` is what a template prints:

    amount  {\"text\":\"€1,190.00\",\"short\":\"1,190.00\",\"amount\":\"1190.00\",\"currency\":\"EUR\",\"is_zero\":false,\"is_negative\":false}
    date    {\"text\":\"8 March 2027\",\"short\":\"8 Mar 2027\",\"iso\":\"2027-03-08\",\"year\":2027,\"month\":3,\"day\":8}
    number  {\"text\":\"1,234.5\",\"number\":\"1234.5\"}
    payment_code  {\"text\":\"QR: …\",\"alt\":\"QR: …\",\"content_type\":\"image/png\",\"base64\":\"…\",\"amount\":{…},\"payee\":\"…\",\"iban\":\"…\",\"reference\":\"…\"}

Not there are functions (`image`, `payment_code_for`, `payment_link_for`) and the columns that passwords of ZIPs come from.

Instead of `base64` a file may have `path`, a file in the folder that the environment names as `DUNLIN_FILES`. `{\"id\":\"7\",\"error\":\"…\"}`
says that there is none. What is missing, late, too large, misnamed, or an answer to nobody's question, blocks the mails
concerned as `document_missing`, and the run goes on. A file's name is letters, digits, spaces and `-_.,()+`; its content type is
like `application/pdf`, and never `message/…` or `multipart/…`.
The same bytes for two customers, in one run or in two, block the mails as `document_foreign`; a file that is meant for everybody is
attached with `shared: true`. See ../attachments.md.
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/plugins.md");
        if std::env::var_os("DUNLIN_BLESS").is_some() {
            fs::write(path, plugins_page()).unwrap();
        }
        let hint = "out of date: run the tests once with DUNLIN_BLESS=1";
        assert_eq!(fs::read_to_string(path).unwrap_or_default(), plugins_page(), "{hint}");
    }
}
