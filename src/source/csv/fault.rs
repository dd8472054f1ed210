//! What is wrong with a file's rows, collected with place and way out, and bounded.

use std::sync::Arc;

use crate::domain::problem::{Place, Problem};
use crate::source::csv::record::Record;

/// The most problems listed for one file; the rest is counted.
pub const LISTED_MAX: usize = 100;

/// The most characters of a cell that a message quotes.
const QUOTED_CHARACTERS_MAX: usize = 60;

/// Why a cell could not be read: the end of a sentence that starts with the value and its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CellFault {
    /// "is not a date like 21/11/2026"
    pub why: String,
    /// What to write instead.
    pub hint: String,
}

impl CellFault {
    pub(crate) fn new(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { why: why.into(), hint: hint.into() }
    }
}

/// The problems of one file.
#[derive(Debug)]
pub(crate) struct Faults {
    file: Arc<str>,
    list: Vec<Problem>,
    unlisted: u64,
    later: Vec<LaterFault>,
}

/// A fault found when its row had gone by.
#[derive(Debug)]
pub(crate) struct LaterFault {
    pub line: u32,
    pub column: usize,
    pub message: String,
    pub hint: String,
}

impl Faults {
    pub(crate) fn new(file: Arc<str>) -> Self {
        Self { file, list: vec![], unlisted: 0, later: vec![] }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Notes a problem of a cell in a row that has gone by.
    pub(crate) fn later(&mut self, line: u32, column: usize, message: String, hint: String) {
        if self.later.len() < LISTED_MAX {
            self.later.push(LaterFault { line, column, message, hint });
        } else {
            self.unlisted += 1;
        }
    }

    pub(crate) fn has_later(&self) -> bool {
        !self.later.is_empty()
    }

    pub(crate) fn take_later(&mut self) -> Vec<LaterFault> {
        std::mem::take(&mut self.later)
    }

    /// Takes over a problem that has its place already.
    pub(crate) fn push_problem(&mut self, problem: Problem) {
        self.push(|| problem);
    }

    /// Notes a problem of the file as a whole.
    pub(crate) fn file(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        let place = Place::file(self.file.clone());
        self.push(|| Problem::error(message).at(place).hint(hint));
    }

    /// Notes a problem of the mapping in config.yaml, or of the file where the mapping has no place.
    pub(crate) fn mapping(&mut self, place: Option<&Place>, message: impl Into<String>, hint: impl Into<String>) {
        let place = place.cloned().unwrap_or_else(|| Place::file(self.file.clone()));
        self.push(|| Problem::error(message).at(place).hint(hint));
    }

    /// Notes a problem of a place in the file.
    pub(crate) fn place(&mut self, line: u32, column: u32, text: &str, message: impl Into<String>, hint: impl Into<String>) {
        let text = text.chars().take(400).collect();
        let place = Place { file: self.file.clone(), line, column, width: 1, text };
        self.push(|| Problem::error(message).at(place).hint(hint));
    }

    /// Notes a problem of a whole row.
    #[cold]
    pub(crate) fn record(&mut self, record: &Record<'_>, message: impl Into<String>, hint: impl Into<String>) {
        let place = record.place(&self.file);
        self.push(|| Problem::error(message).at(place).hint(hint));
    }

    /// Notes a problem of one cell.
    #[cold]
    pub(crate) fn cell(&mut self, record: &Record<'_>, column: usize, message: impl Into<String>, hint: impl Into<String>) {
        let place = record.cell_place(column, &self.file);
        self.push(|| Problem::error(message).at(place).hint(hint));
    }

    fn push(&mut self, problem: impl FnOnce() -> Problem) {
        if self.list.len() < LISTED_MAX {
            self.list.push(problem());
        } else {
            self.unlisted += 1;
        }
    }

    /// Returns the problems in the order of the file, those of the mapping first, and how many more there are.
    pub(crate) fn into_list(mut self) -> Vec<Problem> {
        let key = |place: &Place| if place.file == self.file { (1, place.line, place.column) } else { (0, 0, 0) };
        self.list.sort_by_key(|problem| problem.place.as_ref().map(key));
        if self.unlisted > 0 {
            let message = format!("{} more problems in this file are not listed", self.unlisted);
            self.list.push(Problem::error(message).at(Place::file(self.file)));
        }
        self.list
    }
}

/// Returns `text` in the quotes of a message, cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARACTERS_MAX) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
