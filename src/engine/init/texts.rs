//! The texts of a new workspace. Everything in them that comes from a person is quoted where YAML could take it for more.

use std::fmt::Write;

use crate::engine::init::{Answers, Export, NewFile};
use crate::engine::schema::{SCHEMAS, SchemaKind};
use crate::source::csv::guess::Guess;
use crate::source::csv::{DecimalMark, Encoding, ThousandsMark};

/// The files that are the same in every new workspace.
const FIXED: &[(&str, &str)] = &[
    (".gitignore", include_str!("workspace/gitignore")),
    ("README.md", include_str!("workspace/README.md")),
    ("rules/templates/_mail.html", include_str!("workspace/_mail.html")),
    ("rules/templates/first.html", include_str!("workspace/first.html")),
    ("rules/templates/first.subject.txt", "Payment reminder: {{ total }} overdue\n"),
    ("rules/templates/second.html", include_str!("workspace/second.html")),
    ("rules/templates/second.subject.txt", "Second reminder: {{ total }} overdue\n"),
    ("rules/templates/final.html", include_str!("workspace/final.html")),
    ("rules/templates/final.subject.txt", "Final reminder: {{ total }} overdue\n"),
];

/// The example that stands for exports where there are none.
const EXAMPLE: &[(&str, &str)] = &[
    ("data/customers.csv", include_str!("workspace/customers.csv")),
    ("data/invoices.csv", include_str!("workspace/invoices.csv")),
];

/// The role that a rule writes to where the customers' file tells no other.
const BILLING: &str = "billing";

/// Returns all files, config.yaml first.
pub(crate) fn files(answers: &Answers) -> Vec<NewFile> {
    let mut files = vec![
        NewFile { path: "config.yaml", text: format!("{}{}", first_line("config"), config(answers)) },
        NewFile { path: "rules/overdue.yaml", text: format!("{}{}", first_line("rule"), rule(answers)) },
    ];
    let copy = |(path, text): &(&'static str, &str)| NewFile { path, text: (*text).to_owned() };
    files.extend(FIXED.iter().map(copy));
    if answers.exports.is_none() {
        files.extend(EXAMPLE.iter().map(copy));
    }
    for kind in SCHEMAS {
        files.push(NewFile { path: kind.path, text: kind.text() });
    }
    files
}

fn first_line(word: &str) -> String {
    SchemaKind::find(word).map(SchemaKind::first_line).unwrap_or_default()
}

fn config(answers: &Answers) -> String {
    let mut text = String::from(
        "# The configuration of this workspace. `dunlin check` tells what is wrong in it. A `#` begins a remark: what stands\n\
         # behind it is not in force.\n\n",
    );
    let Answers { instance, time_zone, currency, sender_name, sender_address, redirect_to, server, exports } = answers;
    line(
        &mut text,
        &format!("instance: {}    # the name of this installation; it is written into the database", scalar(instance)),
    );
    text.push('\n');
    text.push_str(
        "# live: mails go to your customers. redirect: all of them go to `redirect_to`. dry: they are composed, none is sent.\n\
         # Write `live` here when the mails look right.\n",
    );
    match redirect_to {
        Some(address) => line(&mut text, &format!("mode: redirect\nredirect_to: {}", scalar(address))),
        None => line(&mut text, &format!("mode: dry\n# redirect_to: {}", scalar(sender_address))),
    }
    line(&mut text, &format!("\n# By whose clock a day begins and rules run.\ntime_zone: {}", scalar(time_zone)));
    line(&mut text, "\n# The mail server. starttls is the usual one (port 587); implicit is TLS from the start (port 465).");
    line(&mut text, &format!("smtp:\n  company:\n    host: {}", scalar(&server.host)));
    if let Some(port) = server.port {
        line(&mut text, &format!("    port: {port}"));
    }
    line(&mut text, &format!("    security: {}", server.security.as_str()));
    let user = server.user.as_ref().unwrap_or(sender_address);
    let remark = if server.user.is_some() { "" } else { "# " };
    line(&mut text, "    # The password is not written here: it is taken from the environment variable SMTP_PASSWORD.");
    line(&mut text, &format!("    {remark}auth: {{ user: {}, password: \"${{env:SMTP_PASSWORD}}\" }}", scalar(user)));
    line(&mut text, "\n# Who the mails come from. A rule names one of these with `from`.\nsenders:\n  receivables:");
    line(&mut text, &format!("    name: {}\n    address: {}", scalar(sender_name), scalar(sender_address)));
    line(&mut text, "    server: company");
    line(
        &mut text,
        "\n# The roles an address can have at a customer. A rule names them with `to`, `cc` and `bcc`.\nrecipient_keys:",
    );
    for (key, label) in roles(answers) {
        line(&mut text, &format!("  {key}: {}", scalar(&label)));
    }
    line(
        &mut text,
        "\n# Where the receivables are. The files are read anew at each run. `columns` says which column holds what: on the",
    );
    line(&mut text, "# left Dunlin's word, on the right the heading in the file.");
    line(&mut text, &format!("ledger:\n  currency: {}    # of rows that name none", scalar(currency)));
    match exports {
        None => text.push_str(include_str!("workspace/ledger.yaml")),
        Some(exports) => {
            if let Some(customers) = &exports.customers {
                table(&mut text, "customers", customers);
            }
            table(&mut text, "invoices", &exports.invoices);
        }
    }
    line(
        &mut text,
        "\nlimits:\n  contact_gap: 3 days             # the least time between two mails to one customer, over all rules",
    );
    line(&mut text, "  run_guard: { messages: 200 }    # a run of more mails waits for a person");
    text
}

/// Writes one file of the ledger with all that was found in it.
fn table(text: &mut String, key: &str, export: &Export) {
    let Guess { columns, other_columns, dates, amounts, delimiter, encoding, .. } = &export.guess;
    line(text, &format!("\n  {key}:\n    csv: {}", scalar(&export.path)));
    if let Some(dates) = dates {
        line(text, &format!("    dates: \"{dates}\""));
    }
    if amounts.decimal == DecimalMark::Comma {
        line(text, "    decimal: comma");
    }
    if let Some(mark) = amounts.thousands {
        line(text, &format!("    thousands: {}", mark_word(mark)));
    }
    let delimiter = match delimiter {
        b';' => "semicolon",
        b'\t' => "tab",
        b'|' => "bar",
        _ => "comma",
    };
    line(text, &format!("    delimiter: {delimiter}"));
    if *encoding == Encoding::Windows1252 {
        line(text, "    encoding: windows-1252");
    }
    line(text, "    columns:");
    for (field, heading) in columns.iter().filter(|(field, _)| !field.starts_with("contacts.")) {
        line(text, &format!("      {field}: {}", scalar(heading)));
    }
    let contacts: Vec<(&str, &str)> =
        columns.iter().filter_map(|(field, heading)| Some((field.strip_prefix("contacts.")?, heading.as_str()))).collect();
    if !contacts.is_empty() {
        line(text, "      contacts:");
        for (key, heading) in contacts {
            line(text, &format!("        {key}: {}", scalar(heading)));
        }
    }
    if !other_columns.is_empty() {
        let names: Vec<String> = other_columns.iter().take(10).map(|name| name.replace(char::is_control, " ")).collect();
        line(text, &format!("    # The other columns can be used in rules and templates too: {}", names.join(", ")));
    }
}

fn mark_word(mark: ThousandsMark) -> &'static str {
    match mark {
        ThousandsMark::Comma => "comma",
        ThousandsMark::Point => "point",
        ThousandsMark::Apostrophe => "apostrophe",
        ThousandsMark::Space => "space",
        ThousandsMark::Underscore => "underscore",
    }
}

/// Returns the recipient keys with what people call them.
fn roles(answers: &Answers) -> Vec<(String, String)> {
    let customers = answers.exports.as_ref().and_then(|exports| exports.customers.as_ref());
    let columns = customers.map(|customers| customers.guess.columns.as_slice()).unwrap_or_default();
    let mut roles: Vec<(String, String)> = columns
        .iter()
        .filter_map(|(field, _)| field.strip_prefix("contacts."))
        .map(|key| {
            let words = if key == BILLING { "billing contact".to_owned() } else { key.replace('_', " ") };
            let mut letters = words.chars();
            let label = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
            (key.to_owned(), label)
        })
        .collect();
    if roles.is_empty() {
        roles.push((BILLING.to_owned(), "Billing contact".to_owned()));
    }
    roles
}

fn rule(answers: &Answers) -> String {
    let roles = roles(answers);
    let to = roles.iter().find(|(key, _)| key == BILLING).or(roles.first()).map_or(BILLING, |(key, _)| key);
    let is_disputed_known = answers
        .exports
        .as_ref()
        .is_some_and(|exports| exports.invoices.guess.columns.iter().any(|(field, _)| field == "disputed"));
    let disputed = if is_disputed_known { " && !invoice.disputed" } else { "" };
    include_str!("workspace/overdue.yaml").replace("{{to}}", to).replace("{{disputed}}", disputed)
}

/// Returns a text as a YAML scalar: bare where it can be nothing else, otherwise in double quotes.
fn scalar(text: &str) -> String {
    let is_bare = |letter: char| letter.is_alphanumeric() || matches!(letter, ' ' | '_' | '-' | '.' | '/' | '@' | '+');
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    let is_plain = text.starts_with(|first: char| first.is_alphabetic() || first == '/')
        && text.chars().all(is_bare)
        && !text.ends_with(' ')
        && !is_word;
    // JSON is YAML, and its quotes let nothing out.
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_yaml_takes_for_a_text_stands_bare() {
        for (text, expected) in [
            ("Rechnungs-Nr", "Rechnungs-Nr"),
            ("Invoice No", "Invoice No"),
            ("a@b.example", "a@b.example"),
            ("/srv/x.csv", "/srv/x.csv"),
            ("Fälligkeit", "Fälligkeit"),
            ("2024", "\"2024\""),
            ("no", "\"no\""),
            ("", "\"\""),
            ("A: B", "\"A: B\""),
            ("A #1", "\"A #1\""),
            ("say \"hi\"", "\"say \\\"hi\\\"\""),
            ("- x", "\"- x\""),
            ("trailing ", "\"trailing \""),
        ] {
            assert_eq!(scalar(text), expected);
        }
    }
}
