//! Records of a CSV file, one at a time, from a buffer that never holds more than one record beyond its block.
//!
//! The form is RFC 4180 with any ASCII delimiter and LF or CR LF line ends. Our own reader, and not the `csv` crate's,
//! because a bad cell must be shown with its line and column, a quote that is never closed must not read the whole file into
//! memory, and rows without quotes (nearly all) need no copy. The `csv` crate is the measure of the
//! tests and of the benchmark.

use std::io::{self, Read};
use std::sync::Arc;

use memchr::{memchr, memchr_iter, memchr2};

use crate::domain::problem::Place;

/// The most bytes of one record; a quoted cell that never ends is given up here.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// The most bytes of one cell. Spreadsheets hold 32,767 characters.
pub const CELL_BYTES_MAX: usize = 1 << 17;

/// The most columns of a file. Spreadsheets hold 16,384.
pub const COLUMNS_MAX: usize = 16_384;

/// How much is read at once.
const BLOCK_BYTES: usize = 1 << 16;

/// Where a cell lies in [`Record::text`], and where it starts in [`Record::raw`].
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    start: u32,
    end: u32,
    raw: u32,
}

/// One record, cut into cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'r> {
    /// The line it starts on, from 1.
    line: u32,
    /// As it stands in the file, without its line end.
    raw: &'r str,
    /// What `cells` point into: `raw`, or the cells with their quotes taken off.
    text: &'r str,
    cells: &'r [Cell],
}

impl<'r> Record<'r> {
    pub(crate) fn line(&self) -> u32 {
        self.line
    }

    /// Returns how many cells there are; at least 1.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Returns a cell without the spaces around it; empty where the record is too short.
    #[inline]
    pub(crate) fn cell(&self, column: usize) -> &'r str {
        let Some(cell) = self.cells.get(column) else { return "" };
        let text = &self.text[cell.start as usize..cell.end as usize];
        match text.as_bytes() {
            [] => text,
            // Most cells start and end with a visible ASCII character and need no look at Unicode's spaces.
            [first, .., last] | [first @ last] if (b'!'..=b'~').contains(first) && (b'!'..=b'~').contains(last) => text,
            _ => text.trim(),
        }
    }

    /// Returns whether no cell has any text: a blank line, or the delimiters a spreadsheet leaves below its table.
    pub(crate) fn is_blank(&self) -> bool {
        (0..self.len()).all(|column| self.cell(column).is_empty())
    }

    /// Returns the first cell that is longer than [`CELL_BYTES_MAX`].
    pub(crate) fn too_long(&self) -> Option<usize> {
        // Whole records are nearly always shorter, which is one comparison.
        let is_long = |cell: &Cell| (cell.end - cell.start) as usize > CELL_BYTES_MAX;
        if self.raw.len() <= CELL_BYTES_MAX { None } else { self.cells.iter().position(is_long) }
    }

    /// Returns the place of the record's first line.
    pub(crate) fn place(&self, file: &Arc<str>) -> Place {
        let text = self.raw.lines().next().unwrap_or_default();
        Place { file: file.clone(), line: self.line, column: 0, width: 1, text: text.chars().take(400).collect() }
    }

    /// Returns the place of a cell, also behind line breaks in quoted cells.
    pub(crate) fn cell_place(&self, column: usize, file: &Arc<str>) -> Place {
        let Some(cell) = self.cells.get(column) else { return self.place(file) };
        let before = &self.raw[..cell.raw as usize];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let text = self.raw[line_start..].lines().next().unwrap_or_default();
        Place {
            file: file.clone(),
            line: self.line + before.matches('\n').count() as u32,
            column: before[line_start..].chars().count() as u32 + 1,
            width: (self.text[cell.start as usize..cell.end as usize].chars().count() as u32).clamp(1, 400),
            text: text.chars().take(400).collect(),
        }
    }
}

/// Why no further record can be read from a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// The file could not be read.
    #[error("The file could not be read to its end: {0}")]
    Io(#[from] io::Error),
    /// Bytes that are not UTF-8.
    #[error("Line {line} is not UTF-8 text")]
    Encoding {
        /// The line of the first such byte.
        line: u32,
        /// Its character column.
        column: u32,
        /// The line, with `�` for what cannot be read.
        text: String,
    },
    /// A quote without its partner.
    #[error("A quoted cell that starts on line {line} does not end")]
    Unclosed {
        /// The line of the quote.
        line: u32,
    },
    /// A quoted cell with text behind its closing quote.
    #[error("A quoted cell on line {line} goes on behind its closing quote")]
    Trailing {
        /// The line of the closing quote.
        line: u32,
    },
    /// A record beyond [`RECORD_BYTES_MAX`].
    #[error("The row on line {line} is longer than {RECORD_BYTES_MAX} bytes")]
    TooLong {
        /// The line it starts on.
        line: u32,
    },
}

/// What is known of the record at the start of the buffer.
enum End {
    /// It has this many bytes, line end excluded; `has_quotes` when some cell is quoted.
    At { bytes: usize, has_quotes: bool },
    /// It goes on beyond the buffer.
    Beyond,
}

/// Reads records from `input`.
#[derive(Debug)]
pub(crate) struct Records<R> {
    input: R,
    delimiter: u8,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_at_end: bool,
    /// The line at `start`.
    line: u32,
    cells: Vec<Cell>,
    unquoted: String,
}

impl<R: Read> Records<R> {
    pub(crate) fn new(input: R) -> Self {
        let buffer = vec![0; 4 * BLOCK_BYTES];
        let (cells, unquoted) = (vec![], String::new());
        Self { input, delimiter: b',', buffer, start: 0, end: 0, is_at_end: false, line: 1, cells, unquoted }
    }

    pub(crate) fn input(&self) -> &R {
        &self.input
    }

    /// Returns how many bytes of the input are read but not yet in a record.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        (self.end - self.start) as u64
    }

    /// Sets the delimiter, an ASCII character other than the quote and the line ends.
    pub(crate) fn set_delimiter(&mut self, delimiter: u8) {
        self.delimiter = delimiter;
    }

    /// Returns the first bytes still unread, at most a block of them and at least one line where there is one.
    pub(crate) fn peek(&mut self) -> Result<&[u8], RecordError> {
        while memchr(b'\n', &self.buffer[self.start..self.end]).is_none() && !self.is_at_end {
            self.fill()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Passes over the next line.
    pub(crate) fn skip_line(&mut self) {
        let rest = &self.buffer[self.start..self.end];
        self.start += memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        self.line += 1;
    }

    /// Passes over the next lines, whatever they hold.
    pub(crate) fn skip_lines(&mut self, count: usize) -> Result<(), RecordError> {
        for _ in 0..count {
            self.peek()?;
            self.skip_line();
        }
        Ok(())
    }

    /// Returns the next record, `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, RecordError> {
        let (bytes, has_quotes) = loop {
            if self.start == self.end && self.is_at_end {
                return Ok(None);
            }
            match self.record_end()? {
                End::At { bytes, has_quotes } => break (bytes, has_quotes),
                End::Beyond => self.fill()?,
            }
        };
        let Self { buffer, cells, unquoted, .. } = self;
        let record = &buffer[self.start..self.start + bytes];
        let raw = std::str::from_utf8(record).map_err(|error| encoding_error(record, error.valid_up_to(), self.line))?;
        let raw = raw.strip_suffix('\r').unwrap_or(raw);
        let line = self.line;
        self.start = (self.start + bytes + 1).min(self.end);
        self.line = line.saturating_add(1);
        cells.clear();
        if !has_quotes {
            cut(raw.as_bytes(), self.delimiter, cells);
            return Ok(Some(Record { line, raw, text: raw, cells }));
        }
        self.line = self.line.saturating_add(memchr_iter(b'\n', raw.as_bytes()).count() as u32);
        unquoted.clear();
        unquote(raw, self.delimiter, line, cells, unquoted)?;
        Ok(Some(Record { line, raw, text: unquoted, cells }))
    }

    /// Finds where the record at the start of the buffer ends.
    fn record_end(&self) -> Result<End, RecordError> {
        let rest = &self.buffer[self.start..self.end];
        let line_end = memchr(b'\n', rest);
        if memchr(b'"', &rest[..line_end.unwrap_or(rest.len())]).is_none() {
            return Ok(match line_end {
                Some(bytes) => End::At { bytes, has_quotes: false },
                None if self.is_at_end => End::At { bytes: rest.len(), has_quotes: false },
                None => End::Beyond,
            });
        }
        let mut at = 0; // The start of a cell.
        loop {
            if rest.get(at) == Some(&b'"') {
                let opened_at = at;
                at += 1;
                loop {
                    match memchr(b'"', &rest[at..]).map(|found| at + found) {
                        Some(quote) if rest.get(quote + 1) == Some(&b'"') => at = quote + 2,
                        // Where its neighbour is not read yet, the record goes on beyond the buffer anyway.
                        Some(quote) => {
                            at = quote + 1;
                            break;
                        }
                        None if self.is_at_end || rest.len() >= RECORD_BYTES_MAX => {
                            let breaks = memchr_iter(b'\n', &rest[..opened_at]).count() as u32;
                            return Err(RecordError::Unclosed { line: self.line + breaks });
                        }
                        None => return Ok(End::Beyond),
                    }
                }
            }
            match memchr2(self.delimiter, b'\n', &rest[at..]).map(|found| at + found) {
                Some(found) if rest[found] == b'\n' => return Ok(End::At { bytes: found, has_quotes: true }),
                Some(found) => at = found + 1,
                None if self.is_at_end => return Ok(End::At { bytes: rest.len(), has_quotes: true }),
                None => return Ok(End::Beyond),
            }
        }
    }

    /// Reads more behind what is there.
    fn fill(&mut self) -> Result<(), RecordError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong { line: self.line });
        }
        if self.buffer.len() - self.end < BLOCK_BYTES {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    self.is_at_end = count == 0;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Cuts a record without quotes.
fn cut(raw: &[u8], delimiter: u8, cells: &mut Vec<Cell>) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let mut start = 0;
    let mut push = |end: u32| {
        cells.push(Cell { start, end, raw: start });
        start = end + 1;
    };
    // Eight bytes at once: cells are too short for a search that is started anew for each delimiter.
    let (words, rest) = raw.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let differing = u64::from_le_bytes(*word) ^ (ONES * u64::from(delimiter));
        // The high bit of each byte that does not differ, and of no other.
        let mut hits = !((((differing & LOW_BITS) + LOW_BITS) | differing) | LOW_BITS);
        while hits != 0 {
            push(index as u32 * 8 + hits.trailing_zeros() / 8);
            hits &= hits - 1;
        }
    }
    for (byte, place) in rest.iter().zip(words.len() * 8..) {
        if *byte == delimiter {
            push(place as u32);
        }
    }
    push(raw.len() as u32);
}

/// Cuts a record with quoted cells, writing the cells without their quotes into `text`.
fn unquote(raw: &str, delimiter: u8, line: u32, cells: &mut Vec<Cell>, text: &mut String) -> Result<(), RecordError> {
    let bytes = raw.as_bytes();
    let mut at = 0;
    loop {
        let (raw_start, start) = (at, text.len());
        if bytes.get(at) == Some(&b'"') {
            at += 1;
            // `record_end` has seen every quote closed.
            while let Some(quote) = memchr(b'"', &bytes[at..]).map(|found| at + found) {
                text.push_str(&raw[at..quote]);
                at = quote + 1;
                if bytes.get(at) != Some(&b'"') {
                    break;
                }
                text.push('"');
                at += 1;
            }
            if bytes.get(at).is_some_and(|byte| *byte != delimiter) {
                let breaks = memchr_iter(b'\n', &bytes[..at]).count() as u32;
                return Err(RecordError::Trailing { line: line + breaks });
            }
        } else {
            let end = memchr(delimiter, &bytes[at..]).map_or(bytes.len(), |found| at + found);
            text.push_str(&raw[at..end]);
            at = end;
        }
        cells.push(Cell { start: start as u32, end: text.len() as u32, raw: raw_start as u32 });
        if at == bytes.len() {
            return Ok(());
        }
        at += 1;
    }
}

#[cold]
fn encoding_error(record: &[u8], valid_bytes: usize, line: u32) -> RecordError {
    let valid = String::from_utf8_lossy(&record[..valid_bytes]);
    let line_start = valid.rfind('\n').map_or(0, |at| at + 1);
    RecordError::Encoding {
        line: line + valid.matches('\n').count() as u32,
        column: valid[line_start..].chars().count() as u32 + 1,
        text: String::from_utf8_lossy(&record[line_start..]).lines().next().unwrap_or_default().chars().take(400).collect(),
    }
}

#[cfg(test)]
mod tests;
