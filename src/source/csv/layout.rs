//! What the columns of a file mean: its header line held against the mapping in config.yaml.

use compact_str::CompactString;

use crate::domain::id::RecipientKey;
use crate::domain::problem::nearest;
use crate::source::csv::CsvTable;
use crate::source::csv::fault::{Faults, quoted};
use crate::source::csv::record::{COLUMNS_MAX, Record};
use crate::source::field::{CONTACTS, Kind, fields};

/// The most bytes of a column's name.
pub const COLUMN_NAME_BYTES_MAX: usize = 255;

/// The most column names that a hint lists.
const LISTED_COLUMNS_MAX: usize = 20;

/// Which column holds what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub kind: Kind,
    /// The header's names, in order.
    pub names: Vec<CompactString>,
    /// For each of `fields(kind)`, its column.
    columns: Vec<Option<usize>>,
    /// The columns with addresses, by role.
    pub contacts: Vec<(RecipientKey, usize)>,
    /// The columns nothing is mapped to.
    pub attributes: Vec<usize>,
}

impl Layout {
    /// Reads the header; notes everything wrong with it and with the mapping. Returns `None` for one too wide to go on.
    pub(crate) fn read(header: &Record<'_>, kind: Kind, table: &CsvTable, faults: &mut Faults) -> Option<Self> {
        if header.len() > COLUMNS_MAX {
            let message = format!("The header has {} columns", header.len());
            faults.record(header, message, format!("at most {COLUMNS_MAX} columns are read"));
            return None;
        }
        let names = column_names(header, faults);
        let specs = fields(kind);
        let mut columns: Vec<Option<usize>> = vec![None; specs.len()];
        let mut is_mapped = vec![false; specs.len()];
        let mut contacts: Vec<(RecipientKey, usize)> = vec![];
        for mapped in &table.columns {
            let place = mapped.place.as_ref();
            let role = mapped.field.strip_prefix(CONTACTS).and_then(|rest| rest.strip_prefix('.'));
            let role = role.filter(|role| kind == Kind::Customers && !role.is_empty());
            let spec = specs.iter().position(|spec| spec.name == mapped.field && spec.name != CONTACTS);
            if role.is_none() && spec.is_none() {
                let known: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
                let hint = match nearest(&mapped.field, known.iter().copied()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("the fields are {}", known.join(", ")),
                };
                faults.mapping(place, format!("{} has no field {}", title(kind), quoted(&mapped.field)), hint);
                continue;
            }
            if spec.is_some_and(|spec| is_mapped[spec]) || role.is_some_and(|role| is_in(&contacts, role)) {
                let message = format!("The field `{}` is mapped twice", mapped.field);
                faults.mapping(place, message, "keep one of the two columns");
                continue;
            }
            spec.inspect(|spec| is_mapped[*spec] = true);
            let Some(column) = names.iter().position(|name| *name == mapped.column) else {
                let message = format!("{} has no column {}", table.name, quoted(&mapped.column));
                faults.mapping(place, message, column_hint(&mapped.column, &names));
                continue;
            };
            match (spec, role) {
                (Some(spec), _) => columns[spec] = Some(column),
                (None, role) => contacts.push((RecipientKey::new(role.unwrap_or_default()), column)),
            }
        }
        for (index, spec) in specs.iter().enumerate().filter(|(_, spec)| spec.name != CONTACTS) {
            if !is_mapped[index] {
                columns[index] = names.iter().position(|name| *name == spec.name);
                if spec.required && columns[index].is_none() {
                    let hint = format!("map it: `columns: {{ {}: … }}`; {}", spec.name, column_hint(spec.name, &names));
                    faults.file(format!("No column is mapped to `{}`", spec.name), hint);
                }
            }
        }
        let is_taken = |column: &usize| columns.contains(&Some(*column)) || contacts.iter().any(|(_, own)| own == column);
        let attributes = (0..names.len()).filter(|column| !is_taken(column)).collect();
        Some(Self { kind, names, columns, contacts, attributes })
    }

    /// Returns the column of a field of this kind of file, if it has one.
    pub(crate) fn column(&self, field: &'static str) -> Option<usize> {
        let index = fields(self.kind).iter().position(|spec| spec.name == field);
        self.columns[index.expect("only fields of the table are asked for")]
    }

    /// Returns whether a record is a row: it has as many cells as the header and is not blank. Notes one that has others.
    pub(crate) fn fits(&self, record: &Record<'_>, faults: &mut Faults) -> bool {
        let is_blank = record.is_blank();
        if record.len() != self.names.len() && !is_blank {
            let message = format!("This row has {} cells, the header {}", record.len(), self.names.len());
            faults.record(record, message, "a cell that contains the delimiter must stand in quotes");
            return false;
        }
        !is_blank
    }

    /// Returns the names of the columns nothing is mapped to.
    pub(crate) fn attribute_names(&self) -> Vec<CompactString> {
        self.attributes.iter().map(|column| self.names[*column].clone()).collect()
    }
}

fn is_in(contacts: &[(RecipientKey, usize)], role: &str) -> bool {
    contacts.iter().any(|(key, _)| key.as_str() == role)
}

fn column_names(header: &Record<'_>, faults: &mut Faults) -> Vec<CompactString> {
    let names: Vec<CompactString> = (0..header.len()).map(|column| header.cell(column).into()).collect();
    let mut sorted: Vec<(&CompactString, usize)> = names.iter().zip(0..).collect();
    sorted.sort_unstable();
    let mut twice: Vec<usize> = sorted.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].1).collect();
    twice.sort_unstable();
    for (column, name) in names.iter().enumerate() {
        if name.is_empty() {
            let message = format!("Column {} has no name", column + 1);
            faults.cell(header, column, message, "name it, or take the column out of the export");
        } else if name.len() > COLUMN_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let message = format!("{} is no column name", quoted(&name.replace(char::is_control, " ")));
            faults.cell(header, column, message, "the first line must be the header; lines end in LF or CR LF");
        } else if twice.binary_search(&column).is_ok() {
            let message = format!("The column {} is there twice", quoted(name));
            faults.cell(header, column, message, "give each column a name of its own");
        }
    }
    names
}

fn column_hint(wanted: &str, names: &[CompactString]) -> String {
    if let Some(name) = nearest(wanted, names.iter().map(CompactString::as_str)) {
        return format!("did you mean `{name}`?");
    }
    let listed: Vec<String> = names.iter().take(LISTED_COLUMNS_MAX).map(|name| quoted(name)).collect();
    let more = if names.len() > LISTED_COLUMNS_MAX { ", …" } else { "" };
    format!("its columns are {}{more}", listed.join(", "))
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Customers => "The customers' file",
        Kind::Invoices => "The invoices' file",
        Kind::CreditNotes => "The credit notes' file",
        Kind::Payments => "The payments' file",
        Kind::BankLines => "The bank's file",
    }
}
