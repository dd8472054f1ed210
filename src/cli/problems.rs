//! How problems look on a terminal: message, place, the line with what is meant underlined, and the way out.
//!
//! Returns text; the verbs print it.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::domain::problem::{Place, Problem, Severity};

/// Whether the text may carry terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// For files and pipes.
    Never,
    /// For a terminal.
    Always,
}

/// Returns `problems` for a person: errors before warnings, otherwise in their order, and a closing count.
///
/// An empty list gives an empty text. `width` is the terminal's, in columns; longer source lines are cut around what is meant.
pub fn render(problems: &[Problem], colour: Colour, width: usize) -> String {
    if problems.is_empty() {
        return String::new();
    }
    let renderer = match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    }
    .term_width(width);
    let of = |severity| problems.iter().filter(move |problem| problem.severity == severity);
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let mut text = String::new();
    for problem in errors.clone().chain(warnings.clone()) {
        text.push_str(&renderer.render(&[group(problem)]));
        text.push_str("\n\n");
    }
    text.push_str(&count(errors.count(), warnings.count()));
    text.push('\n');
    text
}

/// Returns `2 errors, 1 warning`, leaving out what there is none of.
pub fn count(errors: usize, warnings: usize) -> String {
    let some = |number: usize, one: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{number} {one}s")),
    };
    let parts: Vec<String> = [some(errors, "error"), some(warnings, "warning")].into_iter().flatten().collect();
    if parts.is_empty() { "No problems".to_owned() } else { parts.join(", ") }
}

fn group(problem: &Problem) -> Group<'_> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let group = Group::with_title(level.primary_title(harmless(&problem.message)));
    let group = match problem.place.as_ref().map(|place| (place, span(place))) {
        None => group,
        Some((place, Some((line, start, end)))) => group.element(
            Snippet::source(line)
                .line_start(place.line as usize)
                .path(harmless(&place.file))
                .annotation(AnnotationKind::Primary.span(start..end)),
        ),
        Some((place, None)) => group.element(origin(place)),
    };
    match &problem.hint {
        Some(hint) => group.element(Level::HELP.message(harmless(hint))),
        None => group,
    }
}

/// Returns the line to show and the bytes to underline, or `None` where the place has no line or lies beyond what is kept of it.
fn span(place: &Place) -> Option<(String, usize, usize)> {
    let line = harmless(&place.text);
    let length = line.chars().count();
    let start = (place.column as usize).saturating_sub(1);
    if place.line == 0 || line.is_empty() || start > length {
        return None;
    }
    let width = if place.column == 0 { length } else { place.width as usize };
    let byte = |character: usize| line.char_indices().nth(character).map_or(line.len(), |(byte, _)| byte);
    let (start, end) = (byte(start), byte(start + width));
    Some((line, start, end))
}

fn origin(place: &Place) -> Origin<'_> {
    let origin = Origin::path(harmless(&place.file));
    match (place.line, place.column) {
        (0, _) => origin,
        (line, 0) => origin.line(line as usize),
        (line, column) => origin.line(line as usize).char_column(column as usize),
    }
}

/// Returns `text` with each character that could steer the terminal or reorder the line replaced by one that cannot.
fn harmless(text: &str) -> String {
    let steers = |character: char| {
        character.is_control() && character != '\t' || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if steers(character) { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "id: overdue\nkind: reminder\ntemlate: \"fällig, größer\"\n";

    fn plain(problems: &[Problem]) -> String {
        render(problems, Colour::Never, 120)
    }

    #[test]
    fn errors_come_first_with_line_caret_and_hint_and_a_count_closes() {
        let warning = Problem::warning("`overdue` has no description").at(Place::within("rules/a.yaml", SOURCE, 1, 1, 2));
        let first = Problem::error("Unknown field `temlate`").at(Place::within("rules/a.yaml", SOURCE, 3, 1, 7));
        let second = Problem::error("`größer` is not a colour").at(Place::within("rules/a.yaml", SOURCE, 3, 19, 6));
        let text = plain(&[warning, first.hint("did you mean `template`?"), second]);
        let expected = "\
error: Unknown field `temlate`
 --> rules/a.yaml:3:1
  |
3 | temlate: \"fällig, größer\"
  | ^^^^^^^
  |
  = help: did you mean `template`?

error: `größer` is not a colour
 --> rules/a.yaml:3:19
  |
3 | temlate: \"fällig, größer\"
  |                   ^^^^^^

warning: `overdue` has no description
 --> rules/a.yaml:1:1
  |
1 | id: overdue
  | ^^

2 errors, 1 warning
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_place_without_a_line_shows_what_it_has() {
        let file = Problem::error("The file is empty").at(Place::file("config.yaml")).hint("write at least `ledger:`");
        let nowhere = Problem::error("The folder `x` does not exist");
        let beyond = Problem::warning("Odd").at(Place { line: 7, column: 900, width: 2, ..Place::file("rules/a.yaml") });
        let expected = "\
error: The file is empty
--> config.yaml
 = help: write at least `ledger:`

error: The folder `x` does not exist

warning: Odd
--> rules/a.yaml:7:900

2 errors, 1 warning
";
        assert_eq!(plain(&[file, nowhere, beyond]), expected);
    }

    #[test]
    fn a_column_of_nought_means_the_whole_line() {
        let whole = Problem::error("The row is short").at(Place::within("a.csv", "a;b\n1\n", 2, 0, 1));
        assert_eq!(plain(&[whole]), "error: The row is short\n --> a.csv:2:1\n  |\n2 | 1\n  | ^\n\n1 error\n");
    }

    #[test]
    fn what_is_written_in_a_file_cannot_steer_the_terminal() {
        let evil = "x\u{1b}[2Jy\u{202e}z";
        let problem = Problem::error(format!("`{evil}` is wrong")).at(Place::within("a.yaml", evil, 1, 1, 8)).hint(evil);
        let text = plain(&[problem]);
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }

    #[test]
    fn colours_are_there_only_when_asked_for() {
        let problem = Problem::error("Odd").at(Place::within("a.yaml", "abc", 1, 1, 1));
        assert!(!render(std::slice::from_ref(&problem), Colour::Never, 80).contains('\u{1b}'));
        assert!(render(&[problem], Colour::Always, 80).contains('\u{1b}'));
        assert_eq!(render(&[], Colour::Always, 80), "");
    }

    #[test]
    fn a_count_leaves_out_what_there_is_none_of() {
        for (errors, warnings, expected) in
            [(0, 0, "No problems"), (1, 0, "1 error"), (0, 2, "2 warnings"), (3, 1, "3 errors, 1 warning")]
        {
            assert_eq!(count(errors, warnings), expected);
        }
    }
}
