//! Making a paper: filled, put on pages, drawn.

use minijinja::Value;

use crate::domain::date::Date;
use crate::domain::id::Language;
use crate::paper::band::{limits, put_bands};
use crate::paper::blocks::block;
use crate::paper::draw::Drawing;
use crate::paper::fault::PaperFault;
use crate::paper::flow::{Filling, Flow, Page};
use crate::paper::layout::Layout;
use crate::paper::slip::Code;
use crate::paper::word::Shaper;
use crate::template::Voice;

/// A paper of so many pages is kept whole until its bands are put on; a longer one is put on pages twice, so that one page
/// alone is in memory at a time.
const PAGES_KEPT: usize = 32;

/// What a paper carries that is no part of its texts.
#[derive(Clone, Copy, Debug)]
pub struct Imprint<'i> {
    /// What it is known by, for ever: the message key.
    pub id: &'i str,
    /// The day it is of.
    pub date: Date,
    /// Who it comes from.
    pub author: &'i str,
    /// Returns what a slip draws for a value of the mail that is a payment code.
    pub code: fn(&Value) -> Option<Code>,
}

/// A paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paper {
    /// What the file is called.
    pub name: String,
    /// The PDF.
    pub bytes: Vec<u8>,
    /// How many pages it has.
    pub page_count: usize,
}

impl Layout {
    /// Returns the name by which rules ask for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the languages it has words in; the first is for everybody else.
    pub fn languages(&self) -> &[Language] {
        &self.languages
    }

    /// Makes a paper of `values`, which were made for the reader of `voice`. The same values always give the same bytes.
    ///
    /// # Errors
    /// The first thing that stands in the way; nothing of the paper exists then.
    pub fn make(&self, voice: &Voice, values: &Value, imprint: &Imprint<'_>) -> Result<Paper, PaperFault> {
        let filling = Filling { voice, values, code: imprint.code };
        let (name, title) = (filling.text(&self.file)?, filling.text(&self.title)?);
        let mut shaper = Shaper::new(self, voice.language());
        let mut kept: Vec<Page> = Vec::new();
        let page_count = self.flow(&mut shaper, filling, &mut |page, number, _| {
            match number {
                ..=PAGES_KEPT => kept.push(page),
                _ => kept.clear(),
            }
            Ok(())
        })?;
        let mut drawing = Drawing::begin(self, title.trim(), voice, imprint)?;
        if kept.len() == page_count {
            for (index, page) in kept.into_iter().enumerate() {
                let page = self.with_bands(&mut shaper, filling, page, index + 1, page_count)?;
                drawing.page(&page, &shaper)?;
            }
        } else {
            self.flow(&mut shaper, filling, &mut |page, number, shaper| {
                let page = self.with_bands(shaper, filling, page, number, page_count)?;
                drawing.page(&page, shaper)
            })?;
        }
        Ok(Paper { name: name.trim().to_owned(), bytes: drawing.end()?, page_count })
    }

    /// Puts the body on pages and hands each over.
    pub(crate) fn flow<'l>(
        &'l self,
        shaper: &mut Shaper<'l>,
        filling: Filling<'_>,
        hand_over: &mut dyn FnMut(Page, usize, &mut Shaper<'l>) -> Result<(), PaperFault>,
    ) -> Result<usize, PaperFault> {
        let limits = limits(&mut Flow::around(self, shaper, filling, Page::default()), self)?;
        let mut flow = Flow::new(self, shaper, filling, limits, hand_over);
        for own in &self.body {
            block(&mut flow, own)?;
        }
        flow.end()
    }

    fn with_bands<'l>(
        &'l self,
        shaper: &mut Shaper<'l>,
        filling: Filling<'_>,
        page: Page,
        number: usize,
        page_count: usize,
    ) -> Result<Page, PaperFault> {
        let mut flow = Flow::around(self, shaper, filling, page);
        put_bands(&mut flow, self, number, page_count)?;
        Ok(flow.into_page())
    }
}
