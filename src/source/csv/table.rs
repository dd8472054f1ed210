//! One file, opened: its delimiter found, its header read and held against the mapping.

use std::fmt::Display;
use std::fs;
use std::io::Read;

use crate::domain::problem::{Place, Problem};
use crate::source::csv::CsvTable;
use crate::source::csv::fault::Faults;
use crate::source::csv::input::{Input, Mark, Stamp};
use crate::source::csv::layout::Layout;
use crate::source::csv::record::{RecordError, Records};
use crate::source::field::Kind;

/// The delimiters looked for in a header, the likeliest first.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// A file at its first row.
#[derive(Debug)]
pub(crate) struct Table<'t> {
    pub settings: &'t CsvTable,
    pub records: Records<Input>,
    pub layout: Layout,
}

impl<'t> Table<'t> {
    /// Opens a file; returns no table where there is no header to go by. The faults may make a table useless too.
    pub(crate) fn open(kind: Kind, settings: &'t CsvTable) -> (Option<Self>, Faults) {
        let mut faults = Faults::new(settings.name.clone());
        let amounts = crate::source::csv::amount::AmountFormat { decimal: settings.decimal, thousands: settings.thousands };
        if amounts.is_contradictory() {
            faults.file("`decimal` and `thousands` are the same character", "set them to two different ones");
        }
        if settings.delimiter.is_some_and(|delimiter| !is_delimiter(delimiter)) {
            faults.file("The delimiter must be one plain character", "set `delimiter:` to `,`, `;`, `|` or a tab");
            return (None, faults);
        }
        let table = Self::open_noting(kind, settings, &mut faults);
        (table, faults)
    }

    fn open_noting(kind: Kind, settings: &'t CsvTable, faults: &mut Faults) -> Option<Self> {
        let (input, mark) = match Input::open(&settings.path, settings.encoding) {
            Ok(opened) => opened,
            Err(error) => {
                faults.push_problem(unreadable(settings, &error));
                return None;
            }
        };
        match mark {
            Mark::Fitting => {}
            Mark::Utf8 => faults.file("The file says it is UTF-8", "take `encoding: windows-1252` out for this file"),
            Mark::Utf16 => {
                faults.file("The file is UTF-16", "export it as UTF-8; in a spreadsheet: \"CSV UTF-8\"");
                return None;
            }
        }
        let mut records = Records::new(input);
        let layout = read_header(&mut records, kind, settings, faults).unwrap_or_else(|error| {
            note_broken(error, faults);
            None
        })?;
        Some(Self { settings, records, layout })
    }

    /// Notes a fault if the file was written to while it was read, so that half of two exports is never taken for one.
    pub(crate) fn close(self, faults: &mut Faults) {
        let now = fs::metadata(&self.settings.path).map(|metadata| Stamp::of(&metadata));
        if now.ok() != Some(self.records.input().stamp) {
            faults.file(
                "The file changed while it was read",
                "read it again once the export is done; best is to rename it into place",
            );
        }
    }
}

fn read_header(
    records: &mut Records<Input>,
    kind: Kind,
    settings: &CsvTable,
    faults: &mut Faults,
) -> Result<Option<Layout>, RecordError> {
    records.skip_lines(settings.lines_before)?;
    settle_delimiter(records, settings.delimiter)?;
    let Some(header) = records.next()?.filter(|header| !header.is_blank()) else {
        faults.file("The file is empty", "its first line must name the columns");
        return Ok(None);
    };
    Ok(Layout::read(&header, kind, settings, faults))
}

/// Sets the delimiter to the one given, or to the one the file's first lines tell; returns it.
pub(crate) fn settle_delimiter<R: Read>(records: &mut Records<R>, mut delimiter: Option<u8>) -> Result<u8, RecordError> {
    // Spreadsheets may name the delimiter in a line of its own: `sep=;`.
    if let [b's', b'e', b'p', b'=', named, b'\r' | b'\n', ..] = *records.peek()?
        && is_delimiter(named)
    {
        records.skip_line();
        delimiter = delimiter.or(Some(named));
    }
    let delimiter = match delimiter {
        Some(delimiter) => delimiter,
        None => detect_delimiter(records.peek()?),
    };
    records.set_delimiter(delimiter);
    Ok(delimiter)
}

/// Returns whether cells can be told apart by this byte.
fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n')
}

/// Returns the delimiter that the first line has most of outside quotes; a comma where it has none.
pub(crate) fn detect_delimiter(text: &[u8]) -> u8 {
    let mut is_quoted = false;
    let mut counts = [0_u32; DELIMITERS.len()];
    for byte in text.iter().take_while(|byte| **byte != b'\n') {
        is_quoted ^= *byte == b'"';
        if let Some(index) = DELIMITERS.iter().position(|delimiter| delimiter == byte).filter(|_| !is_quoted) {
            counts[index] += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    counts.iter().position(|count| *count == most).map_or(b',', |index| DELIMITERS[index])
}

/// Returns the problem of a file that cannot be opened.
pub(crate) fn unreadable(settings: &CsvTable, error: &dyn Display) -> Problem {
    Problem::error(format!("The file cannot be read: {error}"))
        .at(Place::file(settings.name.clone()))
        .hint("check the path in config.yaml and that Dunlin may read the file")
}

/// Notes why a file's reading ended early.
pub(crate) fn note_broken(error: RecordError, faults: &mut Faults) {
    let message = error.to_string();
    match error {
        RecordError::Io(_) => faults.file(message, "read it again"),
        RecordError::Encoding { line, column, text } => {
            faults.place(line, column, &text, message, "export it as UTF-8, or set `encoding: windows-1252` for this file");
        }
        RecordError::Unclosed { line } => faults.place(line, 0, "", message, "close the quote, or write a quote in a cell twice"),
        RecordError::Trailing { line } => faults.place(line, 0, "", message, "write a quote inside a quoted cell twice"),
        RecordError::TooLong { line } => {
            faults.place(line, 0, "", message, "check that the file's lines end in LF or CR LF");
        }
    }
}
