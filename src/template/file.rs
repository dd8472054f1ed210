//! What a template file's name says: `first.de.subject.txt` is the subject of `first` in German.

use crate::domain::id::{Language, TemplateName};

/// A template file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFile {
    /// The path relative to the workspace: `rules/templates/first.de.html`.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// The part of a mail that a file is the template of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// `.subject.txt`
    Subject,
    /// `.html`, or `.mjml`, of which HTML is made
    Html,
    /// `.txt`
    Text,
}

/// The ending of templates that HTML is made of.
pub(crate) const MJML: &str = ".mjml";

/// What a file's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A layout or partial (`_layout.html`): only other templates use it.
    Partial,
    /// A part of a mail, in a language or, without a tag, for everybody else.
    Mail(TemplateName, Option<Language>, Part),
    /// Not a template: another ending.
    Other,
    /// A template by its ending, but with a part in its name that is no language.
    NotALanguage(String),
}

/// Returns the last component of a path.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Returns the language that a file's name says its words are of, partials too; `None` where it says none.
pub(crate) fn language_of(name: &str) -> Option<Language> {
    let stem = [".subject.txt", ".html", ".txt", MJML].into_iter().find_map(|ending| name.strip_suffix(ending))?;
    let (_, tag) = stem.split_once('.')?;
    is_language(tag).then(|| Language::new(tag.to_ascii_lowercase()))
}

/// Returns what the name of the file at `path` says.
pub(crate) fn kind_of(path: &str) -> FileKind {
    let name = file_name(path);
    let (stem, part) = if let Some(stem) = name.strip_suffix(".subject.txt") {
        (stem, Part::Subject)
    } else if let Some(stem) = name.strip_suffix(".html").or_else(|| name.strip_suffix(MJML)) {
        (stem, Part::Html)
    } else if let Some(stem) = name.strip_suffix(".txt") {
        (stem, Part::Text)
    } else {
        return FileKind::Other;
    };
    if stem.starts_with('_') {
        return FileKind::Partial;
    }
    match stem.split_once('.') {
        None if stem.is_empty() => FileKind::Other,
        None => FileKind::Mail(TemplateName::new(stem), None, part),
        Some((name, tag)) if is_language(tag) => {
            FileKind::Mail(TemplateName::new(name), Some(Language::new(tag.to_ascii_lowercase())), part)
        }
        Some((_, tag)) => FileKind::NotALanguage(tag.to_owned()),
    }
}

/// Returns whether `tag` has the form of a language tag: `de`, `pt-br`, `zh-hant-tw`. Source: RFC 5646 §2.1, the common part.
fn is_language(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let is_primary = |subtag: &str| (2..=3).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_further = |subtag: &str| (2..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    subtags.next().is_some_and(is_primary) && subtags.all(is_further)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_tells_template_language_and_part() {
        let mail =
            |name: &str, language: Option<&str>, part| FileKind::Mail(TemplateName::new(name), language.map(Language::new), part);
        for (path, expected) in [
            ("rules/templates/first.subject.txt", mail("first", None, Part::Subject)),
            ("rules/templates/first.de.subject.txt", mail("first", Some("de"), Part::Subject)),
            ("rules/templates/first.html", mail("first", None, Part::Html)),
            ("first.pt-BR.html", mail("first", Some("pt-br"), Part::Html)),
            ("first.txt", mail("first", None, Part::Text)),
            ("a/_layout.html", FileKind::Partial),
            ("a/_parts.de.txt", FileKind::Partial),
            ("first.de.mjml", mail("first", Some("de"), Part::Html)),
            ("_parts.mjml", FileKind::Partial),
            ("README.md", FileKind::Other),
            (".txt", FileKind::Other),
            ("first.german.html", FileKind::NotALanguage("german".into())),
            ("first.de.old.html", FileKind::NotALanguage("de.old".into())),
        ] {
            assert_eq!(kind_of(path), expected, "{path}");
        }
    }
}
