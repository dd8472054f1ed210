//! A problem: something wrong in what a person wrote, with its place and the way out.
//!
//! Parsers and checkers return every problem they find. Faces print them; nothing below a face does.

use std::fmt;
use std::sync::Arc;

/// Whether a problem stops the thing it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used as it is.
    Error,
    /// It can be used, but probably does not mean what its author thinks.
    Warning,
}

/// Where a problem is. Lines and columns count from 1; columns and width are in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Place {
    /// The file, relative to the workspace where it lies in it.
    pub file: Arc<str>,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: u32,
    /// The column, from 1; 0 where the whole line is meant.
    pub column: u32,
    /// How many characters to underline; at least 1.
    pub width: u32,
    /// The line's text, for the snippet; empty where unknown.
    pub text: String,
}

impl Place {
    /// Returns the place of a whole file.
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), line: 0, column: 0, width: 1, text: String::new() }
    }

    /// Returns a place in `source`, the whole text of `file`, from which the snippet's line is cut.
    pub fn within(file: impl Into<Arc<str>>, source: &str, line: u32, column: u32, width: u32) -> Self {
        let text = source.lines().nth((line as usize).saturating_sub(1)).unwrap_or_default();
        // A minified file must not fill the screen; the start of its line is enough.
        let text = text.chars().take(400).collect();
        Self { file: file.into(), line, column, width: width.max(1), text }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => f.write_str(&self.file),
            (line, 0) => write!(f, "{}:{line}", self.file),
            (line, column) => write!(f, "{}:{line}:{column}", self.file),
        }
    }
}

/// One problem. Its text starts with a capital, quotes the offending value and has no final stop.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Whether it stops the file.
    pub severity: Severity,
    /// Where it is, if it is in a file.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Problem {
    /// Returns an error without a place.
    pub fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place: None, message: message.into(), hint: None }
    }

    /// Returns a warning without a place.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, place: None, message: message.into(), hint: None }
    }

    /// Adds the place.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Adds the way out: what to write instead.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// Returns `; did you mean …`-style advice: the candidate nearest to `word`, if one is near enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word_lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word_lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + word.chars().count().max(candidate.chars().count()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_offered_and_a_far_one_is_not() {
        assert_eq!(nearest("temlate", ["template", "to", "from"]), Some("template"));
        assert_eq!(nearest("Levels", ["levels"]), Some("levels"));
        assert_eq!(nearest("banana", ["template", "to", "from"]), None);
    }

    #[test]
    fn a_problem_names_place_value_and_way_out() {
        let place = Place::within("rules/a.yaml", "id: x\ntemlate: y\n", 2, 1, 7);
        let problem = Problem::error("Unknown field `temlate`").at(place).hint("did you mean `template`?");
        assert_eq!(problem.to_string(), "rules/a.yaml:2:1: Unknown field `temlate`; did you mean `template`?");
    }
}
