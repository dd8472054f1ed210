//! What goes with a letter beside its words: files that are at hand, and files that are made from the letter itself.
//!
//! Nothing here fetches: what is not made from the letter comes in whole. The same letter always gives the same files.

mod csv;
mod table;
mod words;

use minijinja::Value;

use crate::domain::date::ISO;
use crate::message::annex::table::Table;
use crate::message::annex::words::Words;
use crate::message::attachment::{Attachment, file_name};
use crate::message::compose::{ComposeFault, Content, Letter};
use crate::message::paper::{ENDING, paper};
use crate::paper::Layout;
use crate::rule::ItemsForm;
use crate::template::{Choice, Templates};

/// Something that goes with a letter.
#[derive(Clone, Debug)]
pub enum Annex<'a> {
    /// A file that is at hand.
    File(Attachment),
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
    pub(crate) fn files(&self, annexes: &[Annex<'_>]) -> Result<Vec<Attachment>, ComposeFault> {
        let mut files: Vec<Attachment> = Vec::new();
        for annex in annexes {
            let file = match annex {
                Annex::File(file) => file.clone(),
                Annex::Items { form, name } => self.items(*form, *name)?,
                Annex::Paper { layout, name } => {
                    let paper = paper(self.letter, layout, self.templates)?;
                    Attachment { name: self.name(*name, ENDING, || paper.name.clone())?, ..paper }
                }
            };
            let name = unused(&file.name, |name| files.iter().any(|other| other.name.eq_ignore_ascii_case(name)));
            files.push(Attachment { name, ..file });
        }
        Ok(files)
    }

    fn items(&self, form: ItemsForm, name: Option<&str>) -> Result<Attachment, ComposeFault> {
        let words = Words::of(self.choice.language());
        let table = Table::of(self.letter);
        if table.rows.is_empty() {
            return Err(ComposeFault::AttachmentUnusable { fault: "a list of items was asked for, and there is none".into() });
        }
        let (contents, content_type, ending) = match form {
            ItemsForm::Csv => (csv::for_reader(&table, words, self.choice.reader()), "text/csv", "csv"),
            ItemsForm::PlainCsv => (csv::plain(&table), "text/csv", "csv"),
        };
        let what = match self.letter.content {
            Content::Statement(_) => words.statement,
            Content::Reminder | Content::Notice(_) => words.items,
        };
        let name = self.name(name, ending, || format!("{what} {}", self.letter.as_of.strftime(ISO)))?;
        Ok(Attachment { name, content_type: content_type.to_owned(), contents })
    }

    /// Returns the name of a file: that of the pattern, or `usual`, with the ending.
    pub(crate) fn name(
        &self,
        pattern: Option<&str>,
        ending: &str,
        usual: impl FnOnce() -> String,
    ) -> Result<String, ComposeFault> {
        let written = match pattern {
            Some(pattern) => self.choice.line("The name of an attachment", pattern, self.context)?,
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

#[cfg(test)]
mod tests;
