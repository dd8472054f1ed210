//! What goes with a letter beside its words: files that are at hand, and files that are made from the letter itself.
//!
//! Nothing here fetches: what is not made from the letter comes in whole. The same letter always gives the same files.

mod csv;
mod table;
mod words;
mod xlsx;

pub(crate) mod zip;

// A writer into memory; nothing leaves the process.
use std::io;

use minijinja::Value;

use crate::domain::date::ISO;
use crate::domain::ledger::DocumentIndex;
use crate::message::annex::table::Table;
use crate::message::annex::words::Words;
use crate::message::annex::zip::Packing;
use crate::message::attachment::{Attachment, file_name};
use crate::message::compose::{ComposeFault, Content, Letter};
use crate::message::context::item;
use crate::message::paper::{ENDING, paper};
use crate::paper::Layout;
use crate::rule::ItemsForm;
use crate::template::{Choice, Templates};

/// Something that goes with a letter.
#[derive(Clone, Debug)]
pub enum Annex<'a> {
    /// A file that is at hand.
    File(Attachment),
    /// The paper of a document, at hand.
    Document {
        /// The file.
        file: Attachment,
        /// How the file is called, in the language of templates; `None`: as it is.
        name: Option<&'a str>,
        /// The document, unless the paper is of the letter as a whole.
        document: Option<DocumentIndex>,
    },
    /// A list of what the letter is about, made from it.
    Items {
        /// How it is written.
        form: ItemsForm,
        /// How the file is called, in the language of templates.
        name: Option<&'a str>,
    },
    /// A paper, made from the letter.
    Paper {
        /// What stands on it.
        layout: &'a Layout,
        /// How the file is called, in the language of templates; else as the layout says.
        name: Option<&'a str>,
    },
    /// Several, packed into one ZIP.
    Zip {
        /// What is in it; no ZIP of its own.
        holds: Vec<Annex<'a>>,
        /// How the file is called, in the language of templates.
        name: Option<&'a str>,
        /// What it is encrypted with; `None`: it is not.
        password: Option<&'a str>,
    },
}

/// What a ZIP is.
pub(crate) const ZIP_TYPE: &str = "application/zip";

/// A part of a mail that is a file: one, or several in a ZIP that is made as it is written.
#[derive(Clone, Debug)]
pub(crate) enum Piece<'a> {
    File(Attachment),
    Pack { name: String, files: Vec<Attachment>, password: Option<&'a str> },
}

impl<'a> Piece<'a> {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::File(file) => &file.name,
            Self::Pack { name, .. } => name,
        }
    }

    /// Returns the files as they are read.
    pub(crate) fn files(&self) -> &[Attachment] {
        match self {
            Self::File(file) => std::slice::from_ref(file),
            Self::Pack { files, .. } => files,
        }
    }

    /// Returns it as one file.
    pub(crate) fn file(self, packing: &dyn Fn(Option<&'a str>) -> Packing<'a>) -> io::Result<Attachment> {
        match self {
            Self::File(file) => Ok(file),
            Self::Pack { name, files, password } => {
                let mut bytes = Vec::new();
                zip::pack(&files, &packing(password), &mut bytes)?;
                Ok(Attachment { name, content_type: ZIP_TYPE.to_owned(), contents: bytes.into(), customer: None })
            }
        }
    }

    pub(crate) fn password(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Pack { password, .. } => *password,
        }
    }

    /// Returns how many bytes it has at most. What cannot be packed smaller becomes larger by less than a thousandth in a ZIP, and each
    /// file there has its name twice.
    pub(crate) fn byte_count(&self) -> usize {
        let most = |file: &Attachment| {
            let bytes = file.contents.byte_count();
            bytes + bytes / 1024 + 2 * file.name.len() + 512
        };
        self.files().iter().map(most).sum::<usize>() + 64
    }
}

/// What the files of a letter are made with.
pub(crate) struct Maker<'a> {
    pub(crate) letter: &'a Letter<'a>,
    pub(crate) choice: &'a Choice<'a>,
    pub(crate) context: &'a Value,
    pub(crate) templates: &'a Templates,
}

impl Maker<'_> {
    /// Returns the files of all annexes in their order, no two of them with the same name.
    pub(crate) fn pieces<'n>(&self, annexes: &[Annex<'n>]) -> Result<Vec<Piece<'n>>, ComposeFault> {
        let mut pieces: Vec<Piece<'n>> = Vec::new();
        for annex in annexes {
            let piece = match annex {
                Annex::Zip { holds, name, password } => {
                    let mut files: Vec<Attachment> = Vec::new();
                    for annex in holds {
                        let file = self.file(annex)?;
                        let name = unused(&file.name, |name| files.iter().any(|other| other.name.eq_ignore_ascii_case(name)));
                        files.push(Attachment { name, ..file });
                    }
                    let name = self.name(*name, "zip", self.context, || self.day_of(Words::of(self.choice.language()).papers))?;
                    Piece::Pack { name, files, password: *password }
                }
                other => Piece::File(self.file(other)?),
            };
            let name = unused(piece.name(), |name| pieces.iter().any(|other| other.name().eq_ignore_ascii_case(name)));
            pieces.push(match piece {
                Piece::File(file) => Piece::File(Attachment { name, ..file }),
                Piece::Pack { files, password, .. } => Piece::Pack { name, files, password },
            });
        }
        Ok(pieces)
    }

    fn file(&self, annex: &Annex<'_>) -> Result<Attachment, ComposeFault> {
        match annex {
            Annex::File(file) => Ok(file.clone()),
            Annex::Document { file, name, document } => self.document(file, *name, *document),
            Annex::Items { form, name } => self.items(*form, *name),
            Annex::Paper { layout, name } => {
                let paper = paper(self.letter, layout, self.templates)?;
                let name = self.name(*name, ENDING, self.context, || paper.name.clone())?;
                Ok(Attachment { name, ..paper })
            }
            Annex::Zip { .. } => Err(ComposeFault::AttachmentUnusable { fault: "a ZIP holds no other ZIP".to_owned() }),
        }
    }

    fn document(
        &self,
        file: &Attachment,
        name: Option<&str>,
        document: Option<DocumentIndex>,
    ) -> Result<Attachment, ComposeFault> {
        let Some(pattern) = name else { return Ok(file.clone()) };
        let ending = file.name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let own = document.map(|index| ("document", item(self.letter, index, None, self.choice.reader())));
        let context = minijinja::context! { ..self.context.clone(), ..Value::from_pairs(own) };
        let name = self.name(Some(pattern), ending, &context, String::new)?;
        Ok(Attachment { name, ..file.clone() })
    }

    fn items(&self, form: ItemsForm, name: Option<&str>) -> Result<Attachment, ComposeFault> {
        let words = Words::of(self.choice.language());
        let table = Table::of(self.letter);
        if table.rows.is_empty() {
            return Err(ComposeFault::AttachmentUnusable { fault: "a list of items was asked for, and there is none".into() });
        }
        let what = match self.letter.content {
            Content::Statement(_) => words.statement,
            Content::Reminder | Content::Notice(_) => words.items,
        };
        let (contents, content_type, ending) = match form {
            ItemsForm::Csv => (csv::for_reader(&table, words, self.choice.reader()), "text/csv", "csv"),
            ItemsForm::PlainCsv => (csv::plain(&table), "text/csv", "csv"),
            ItemsForm::Xlsx => {
                let made = xlsx::workbook(&table, words, what, self.letter.date.date());
                let made = made.map_err(|fault| ComposeFault::AttachmentUnusable { fault })?;
                (made, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx")
            }
        };
        let name = self.name(name, ending, self.context, || self.day_of(what))?;
        Ok(Attachment { name, content_type: content_type.to_owned(), contents: contents.into(), customer: None })
    }

    /// Returns what a file is called where nobody says: what it is, with the day.
    fn day_of(&self, what: &str) -> String {
        format!("{what} {}", self.letter.as_of.strftime(ISO))
    }

    /// Returns the name of a file: that of the pattern, or `usual`, with the ending.
    fn name(
        &self,
        pattern: Option<&str>,
        ending: &str,
        context: &Value,
        usual: impl FnOnce() -> String,
    ) -> Result<String, ComposeFault> {
        let written = match pattern {
            Some(pattern) => self.choice.line("The name of an attachment", pattern, context)?,
            None => usual(),
        };
        Ok(file_name(&written, ending))
    }
}

/// Returns `name`, numbered where it is taken: `Invoice (2).pdf`.
fn unused(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem, format!(".{ending}")),
        _ => (name, String::new()),
    };
    let numbered = |number: usize| if number == 1 { name.to_owned() } else { format!("{stem} ({number}){ending}") };
    (1..).map(numbered).find(|name| !is_taken(name)).expect("there are more numbers than files")
}

/// Returns whether `password` can be read in `text`, whatever blanks and line ends were put into either, or as HTML writes it.
pub(crate) fn is_shown(password: &str, text: &str) -> bool {
    let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    let (needle, hay) = (bare(password), bare(text));
    let escaped = needle.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quoted = escaped.replace('"', "&quot;").replace('\'', "&#x27;").replace('/', "&#x2f;");
    !needle.is_empty() && [needle.as_str(), &escaped, &quoted].iter().any(|needle| hay.contains(needle))
}

#[cfg(test)]
mod tests;
