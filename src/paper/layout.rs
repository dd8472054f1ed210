//! A layout, checked: what stands on a paper, where, and in which words.

use std::collections::BTreeMap;
use std::sync::Arc;

use krilla::image::Image;

use crate::domain::id::Language;
use crate::domain::problem::Place;
use crate::paper::font::Typeface;
use crate::paper::length::Length;

/// All layouts of a workspace that are right, by name.
#[derive(Debug, Default)]
pub struct Layouts(pub(crate) BTreeMap<String, Layout>);

impl Layouts {
    /// Returns the layout of that name: its file's, without the ending.
    pub fn find(&self, name: &str) -> Option<&Layout> {
        self.0.get(name)
    }

    /// Returns all names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A layout of papers.
#[derive(Debug)]
pub struct Layout {
    pub(crate) name: String,
    /// The languages it has words in; the first is for everybody else.
    pub(crate) languages: Vec<Language>,
    /// What the file is called.
    pub(crate) file: Words,
    /// The title that the file carries.
    pub(crate) title: Words,
    pub(crate) archive: Archive,
    pub(crate) sheet: Sheet,
    pub(crate) colours: Colours,
    pub(crate) typefaces: Vec<Typeface>,
    pub(crate) header: Option<Band>,
    pub(crate) footer: Option<Band>,
    pub(crate) body: Vec<Block>,
}

/// A text in each of the layout's languages.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    /// The phrases' names, one for each language, or one for all.
    pub(crate) phrases: Vec<Arc<str>>,
    /// Where each begins in the layout's file.
    pub(crate) places: Vec<Place>,
}

/// Whether papers are made to be archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Archive {
    /// PDF/A-2b. Source: ISO 19005-2.
    PdfA,
    /// As any PDF.
    Off,
}

/// The sheet: its size, its margins, and the size of its letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sheet {
    pub(crate) width: Length,
    pub(crate) height: Length,
    pub(crate) top: Length,
    pub(crate) right: Length,
    pub(crate) bottom: Length,
    pub(crate) left: Length,
    /// The size of the letters.
    pub(crate) size: Length,
}

impl Sheet {
    /// Returns how wide the space between the margins is.
    pub(crate) fn text_width(&self) -> Length {
        self.width - self.left - self.right
    }
}

/// A colour: red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) u8, pub(crate) u8, pub(crate) u8);

/// The colours of a paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colours {
    /// Of texts.
    pub(crate) text: Colour,
    /// Of headings and of the line below a table's titles.
    pub(crate) accent: Colour,
    /// Of small print.
    pub(crate) muted: Colour,
    /// Of the lines between rows.
    pub(crate) line: Colour,
}

/// What stands at the top or foot of pages.
#[derive(Clone, Debug)]
pub(crate) struct Band {
    /// At the beginning of the line, in its middle and at its end.
    pub(crate) parts: [Option<Words>; 3],
    /// Whether the first page has it too.
    pub(crate) on_first_page: bool,
}

/// Where a text stands in its box; pages in languages that are read from the right are mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Middle,
    Right,
}

/// A part of the body, from top to bottom.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    Letterhead { logo: Option<Logo>, sender: Option<Words> },
    Address(Address),
    Heading(Words),
    Paragraph(Words),
    Table(Table),
    Ageing(Ageing),
    Slip(Slip),
    Space(Length),
}

/// A picture.
#[derive(Clone, Debug)]
pub(crate) struct Logo {
    pub(crate) picture: Image,
    pub(crate) width: Length,
    pub(crate) height: Length,
    pub(crate) align: Align,
}

/// Whom the paper is for, where an envelope's window is, and the reference lines beside it.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// How far from the sheet's upper edge it begins at least.
    pub(crate) from_top: Length,
    /// One small line above: where the letter goes back to.
    pub(crate) return_line: Option<Words>,
    pub(crate) lines: Words,
    pub(crate) details: Vec<Pair>,
}

/// A label and its value; left out where the value is empty.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) label: Words,
    pub(crate) value: Words,
    /// Whether both are in bold letters.
    pub(crate) strong: bool,
}

/// A list of the mail as rows.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The list: `items`, `statement.lines`.
    pub(crate) rows: String,
    /// Where it is named.
    pub(crate) place: Place,
    /// What stands above; goes where the list is empty.
    pub(crate) title: Option<Words>,
    pub(crate) columns: Vec<Column>,
    pub(crate) totals: Vec<Pair>,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The column is left out where it is empty once it is filled.
    pub(crate) title: Words,
    /// Filled for each row.
    pub(crate) value: Words,
    /// `None`: a share of what the others leave.
    pub(crate) width: Option<Length>,
    pub(crate) align: Align,
}

/// A payment slip: a code, and words beside it.
#[derive(Clone, Debug)]
pub(crate) struct Slip {
    pub(crate) title: Option<Words>,
    /// The payment code that is drawn, as one value of the mail.
    pub(crate) code: Words,
    /// How long a side of the code is.
    pub(crate) side: Length,
    pub(crate) details: Vec<Pair>,
}

/// The age columns of a statement, side by side.
#[derive(Clone, Debug)]
pub(crate) struct Ageing {
    pub(crate) place: Place,
    /// What stands above.
    pub(crate) title: Option<Words>,
    /// Filled for each age column.
    pub(crate) label: Words,
    pub(crate) value: Words,
    /// Cells after them: unapplied credit, the balance.
    pub(crate) further: Vec<Pair>,
}
