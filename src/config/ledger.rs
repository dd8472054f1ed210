//! The ledger of config.yaml: which CSV files hold the receivables, and which column holds what; and how the bank's are written.

use std::time::Duration;

use crate::config::settings::BOOKED_WITHIN;
use crate::config::{Bank, Freshness, Role};
use crate::domain::date::Days;
use crate::domain::money::Currency;
use crate::domain::problem::{Problem, nearest};
use crate::source::bank::BankFormat;
use crate::source::csv::{AmountFormat, ColumnName, CsvLedger, CsvTable, DateFormat, DecimalMark, Encoding, ThousandsMark};
use crate::source::field::{CONTACTS, Kind, fields as fields_of};
use crate::yaml::{Fields, Node, Problems, choice, duration, map, text};

/// How long a reading of the ledger holds where config.yaml does not say.
const RECHECK_AFTER: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// Reads `ledger:`; `roles` are the recipient keys a customer's address can have.
pub(crate) fn ledger(node: &Node, roles: &[Role], problems: &mut Problems<'_>) -> Option<(CsvLedger, Freshness)> {
    let mut fields = Fields::open(node, "a ledger", problems)?;
    let currency = fields.required("currency", problems, currency);
    let max_age = fields.optional("max_age", problems, at_least_a_minute);
    let recheck_after = fields.optional("recheck_after", problems, at_least_a_minute).unwrap_or(RECHECK_AFTER);
    let mut plain = |kind: Kind, problems: &mut Problems<'_>| {
        fields.optional(kind.key(), problems, |node, problems| table(node, kind, roles, problems))
    };
    let customers = plain(Kind::Customers, problems);
    let credit_notes = plain(Kind::CreditNotes, problems);
    let payments = plain(Kind::Payments, problems);
    let invoices = fields.required("invoices", problems, |node, problems| table(node, Kind::Invoices, roles, problems));
    fields.close(problems);
    let files = CsvLedger { currency: currency?, customers, invoices: invoices?, credit_notes, payments };
    Some((files, Freshness { max_age, recheck_after }))
}

/// Reads a span of time that is not shorter than the pause between two looks at the files.
fn at_least_a_minute(node: &Node, problems: &mut Problems<'_>) -> Option<Duration> {
    let found = duration(node, problems)?;
    if found < MINUTE {
        problems.error_hint(node.span, "The ledger's files are looked at once a minute", "write `1 min` or more");
        return None;
    }
    Some(found)
}

fn days(node: &Node, problems: &mut Problems<'_>) -> Option<Days> {
    let written = text(node, problems)?;
    let found = Days::parse(&written);
    if found.is_none() {
        problems.error_hint(node.span, format!("`{written}` is not a number of days"), "write `10 days`");
    }
    found
}

fn currency(node: &Node, problems: &mut Problems<'_>) -> Option<Currency> {
    let written = text(node, problems)?;
    let found = Currency::parse(&written);
    if found.is_none() {
        problems.error_hint(node.span, format!("`{written}` is not a currency"), "write its three letters: EUR");
    }
    found
}

/// Reads one file.
fn table(node: &Node, kind: Kind, roles: &[Role], problems: &mut Problems<'_>) -> Option<CsvTable> {
    let mut fields = Fields::open(node, "a file of the ledger", problems)?;
    let path = fields.required("csv", problems, |node, problems| {
        let path = text(node, problems)?;
        if path.is_empty() || path.contains('\0') {
            problems.error_hint(node.span, "The file's name is empty", "write its path: `data/invoices.csv`");
            return None;
        }
        Some(path)
    });
    let form = Form::read(&mut fields, kind, roles, problems);
    fields.close(problems);
    let path = path?;
    Some(CsvTable {
        dates: form.dates.map(|(_, format)| format).unwrap_or_default(),
        decimal: form.decimal.unwrap_or(DecimalMark::Point),
        thousands: form.thousands,
        delimiter: form.delimiter,
        encoding: form.encoding.unwrap_or_default(),
        columns: form.columns,
        ..CsvTable::new(path)
    })
}

/// How a CSV file is written, as far as config.yaml says.
struct Form {
    /// As it is written, and what it means.
    dates: Option<(String, DateFormat)>,
    decimal: Option<DecimalMark>,
    thousands: Option<ThousandsMark>,
    delimiter: Option<u8>,
    encoding: Option<Encoding>,
    columns: Vec<ColumnName>,
}

impl Form {
    fn read(fields: &mut Fields<'_>, kind: Kind, roles: &[Role], problems: &mut Problems<'_>) -> Self {
        let dates = fields.optional("dates", problems, dates);
        let decimal = fields.optional("decimal", problems, |node, problems| {
            choice(&[("point", DecimalMark::Point), ("comma", DecimalMark::Comma)])(node, problems)
        });
        let mark = decimal.unwrap_or(DecimalMark::Point);
        let thousands = fields.optional("thousands", problems, |node, problems| thousands(node, mark, problems));
        let delimiter = fields.optional("delimiter", problems, |node, problems| {
            choice(&[("comma", b','), ("semicolon", b';'), ("tab", b'\t'), ("bar", b'|')])(node, problems)
        });
        let encoding = fields.optional("encoding", problems, |node, problems| {
            choice(&[("utf-8", Encoding::Utf8), ("windows-1252", Encoding::Windows1252)])(node, problems)
        });
        let columns = fields.optional("columns", problems, |node, problems| columns(node, kind, roles, problems));
        Self { dates, decimal, thousands, delimiter, encoding, columns: columns.unwrap_or_default() }
    }
}

/// Reads `bank:`.
pub(crate) fn bank(node: &Node, problems: &mut Problems<'_>) -> Option<Bank> {
    let mut fields = Fields::open(node, "what is known of the bank's files", problems)?;
    let Form { dates, decimal, thousands, delimiter, encoding, columns } =
        Form::read(&mut fields, Kind::BankLines, &[], problems);
    let customer_account = fields.optional("customer_account", problems, |node, problems| {
        let column = text(node, problems)?;
        if column.is_empty() {
            problems.error_hint(node.span, "The column's heading is empty", "write it as the customers' file has it: `IBAN`");
            return None;
        }
        Some(column)
    });
    let booked_within = fields.optional("booked_within", problems, days).unwrap_or(BOOKED_WITHIN);
    fields.close(problems);
    let dates = dates.map(|(pattern, _)| pattern);
    let format = BankFormat { dates, decimal, thousands, delimiter, encoding, columns };
    Some(Bank { format, customer_account, booked_within })
}

fn dates(node: &Node, problems: &mut Problems<'_>) -> Option<(String, DateFormat)> {
    let written = text(node, problems)?;
    match DateFormat::parse(&written) {
        Ok(format) => Some((written, format)),
        Err(message) => {
            let hint = "write `%d`, `%m` and `%Y` with what stands between them: `\"%d/%m/%Y\"`, `\"%d.%m.%Y\"`, `\"%Y-%m-%d\"`";
            problems.error_hint(node.span, message, hint);
            None
        }
    }
}

fn thousands(node: &Node, decimal: DecimalMark, problems: &mut Problems<'_>) -> Option<ThousandsMark> {
    let written = text(node, problems)?;
    let mark = ThousandsMark::parse(&written);
    match mark {
        None => {
            let hint = "write one of: comma, point, space, apostrophe, underscore";
            problems.error_hint(node.span, format!("`{written}` does not stand between thousands"), hint);
        }
        Some(_) if (AmountFormat { decimal, thousands: mark }).is_contradictory() => {
            let hint = "write `decimal: comma` and `thousands: point` for 1.234,50; the other way round for 1,234.50";
            problems.error_hint(node.span, "`thousands` and `decimal` are the same mark", hint);
            return None;
        }
        Some(_) => {}
    }
    mark
}

fn columns(node: &Node, kind: Kind, roles: &[Role], problems: &mut Problems<'_>) -> Option<Vec<ColumnName>> {
    let mut fields = Fields::open(node, "a mapping of columns", problems)?;
    let mut found = Vec::new();
    for field in fields_of(kind) {
        if field.name == CONTACTS {
            let contacts = fields.optional(CONTACTS, problems, |node, problems| contacts(node, roles, problems));
            found.extend(contacts.into_iter().flatten());
        } else {
            found.extend(fields.optional(field.name, problems, |node, problems| column(field.name, node, problems)));
        }
    }
    fields.close(problems);
    Some(found)
}

fn contacts(node: &Node, roles: &[Role], problems: &mut Problems<'_>) -> Option<Vec<ColumnName>> {
    let keys = || roles.iter().map(|role| role.key.as_str());
    let found = map(|entry, problems: &mut Problems<'_>| {
        if !keys().any(|key| key == entry.key) {
            let hint = match nearest(&entry.key, keys()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add `{}` to `recipient_keys`", entry.key),
            };
            problems.error_hint(entry.span, format!("`{}` is not a recipient key", entry.key), hint);
            return None;
        }
        column(&format!("{CONTACTS}.{}", entry.key), &entry.value, problems)
    })(node, problems)?;
    for key in keys() {
        if !found.iter().any(|column| column.field.strip_prefix("contacts.") == Some(key)) {
            let message = format!("No customer can have an address as `{key}`, since no column is named for it");
            let hint = format!("add `{key}: <column>` here, or remove `{key}` from `recipient_keys`");
            problems.push(Problem::warning(message).at(problems.place(node.span)).hint(hint));
        }
    }
    Some(found)
}

fn column(field: &str, node: &Node, problems: &mut Problems<'_>) -> Option<ColumnName> {
    let column = text(node, problems)?;
    if column.is_empty() {
        problems.error_hint(node.span, "The column's heading is empty", "write it as it stands in the first line of the file");
        return None;
    }
    Some(ColumnName { field: field.to_owned(), column, place: Some(problems.place(node.span)) })
}
