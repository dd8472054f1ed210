//! The flow of a paper: from filled texts to pages, each handed over when it is full.
//!
//! The flow knows how far down it is and begins new pages. In languages that are read from the right, the page is mirrored:
//! everything is reckoned as if from the left, and turned when it is put down.

use minijinja::Value;

use crate::domain::problem::Place;
use crate::paper::fault::{PAGES_MAX, PaperFault};
use crate::paper::font::Weight;
use crate::paper::layout::{Align, Colour, Layout, Logo, Words};
use crate::paper::length::Length;
use crate::paper::line::{Line, Setting, lines};
use crate::paper::slip::Code;
use crate::paper::word::{Course, Shaper};
use crate::template::{TemplateFault, Voice};

/// How much of the letters' size a line takes, in hundredths.
const LINE_PER_CENT: i64 = 130;

/// Something on a page; all places are those of the sheet, from its left upper corner.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    Text { x: Length, y: Length, line: Line, size: Length, colour: Colour },
    Fill { x: Length, y: Length, width: Length, height: Length, colour: Colour },
    Picture { x: Length, y: Length, logo: Logo },
    Code { x: Length, y: Length, side: Length, code: Code },
}

/// A page, full.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) marks: Vec<Mark>,
}

/// A box that a text stands in: its left edge and its width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) x: Length,
    pub(crate) width: Length,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) weight: Weight,
    pub(crate) size: Length,
    pub(crate) colour: Colour,
    pub(crate) align: Align,
}

/// Lines, ready to be put down.
#[derive(Clone, Debug)]
pub(crate) struct SetText {
    pub(crate) lines: Vec<Line>,
    pub(crate) look: Look,
    pub(crate) stretch: Stretch,
}

/// The words of one paper: its values, and the language they are filled in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling<'f> {
    pub(crate) voice: &'f Voice,
    pub(crate) values: &'f Value,
    /// Returns what a slip draws for a value that is a payment code.
    pub(crate) code: fn(&Value) -> Option<Code>,
}

impl Filling<'_> {
    /// Fills a text of the layout.
    ///
    /// # Errors
    /// It cannot be filled; the place is that in the layout's file.
    pub(crate) fn text(&self, words: &Words) -> Result<String, PaperFault> {
        self.text_with(words, self.values)
    }

    /// Fills a text of the layout with other values.
    pub(crate) fn text_with(&self, words: &Words, values: &Value) -> Result<String, PaperFault> {
        let own = self.own(words);
        let filled = self.voice.fill(&words.phrases[own], values);
        filled.map_err(|fault| PaperFault::Text(in_layout(fault, &words.places[own])))
    }

    /// Returns the value that a text of the layout is, where it is one value and nothing else.
    pub(crate) fn value(&self, words: &Words) -> Result<Value, PaperFault> {
        let own = self.own(words);
        let value = self.voice.value(&words.phrases[own], self.values);
        value.map_err(|fault| PaperFault::Text(in_layout(fault, &words.places[own])))
    }

    /// Returns which of the phrases of a text is in the paper's language.
    fn own(&self, words: &Words) -> usize {
        if words.phrases.len() > 1 { self.voice.place } else { 0 }
    }
}

/// Puts the place of a fault in a phrase into the file the phrase stands in.
fn in_layout(fault: TemplateFault, place: &Place) -> TemplateFault {
    TemplateFault { place: Some(place.clone()), ..fault }
}

/// The state of a paper while it is put on pages.
pub(crate) struct Flow<'p, 'l> {
    pub(crate) layout: &'l Layout,
    pub(crate) shaper: &'p mut Shaper<'l>,
    pub(crate) filling: Filling<'p>,
    /// Which way the page is read.
    pub(crate) course: Course,
    /// How far down the page the next part begins.
    pub(crate) y: Length,
    page: Page,
    page_count: usize,
    /// Where the parts of a page may stand: below the first, above the second.
    limits: (Length, Length),
    /// Takes a full page, its number from 1, and the shaper.
    hand_over: Option<&'p mut HandOver<'p, 'l>>,
}

/// What takes a full page, its number from 1, and the shaper.
type HandOver<'h, 'l> = dyn FnMut(Page, usize, &mut Shaper<'l>) -> Result<(), PaperFault> + 'h;

impl<'p, 'l> Flow<'p, 'l> {
    /// Begins a paper; `first_top` and `limits` are where the body may stand on the first page and on all others.
    pub(crate) fn new(
        layout: &'l Layout,
        shaper: &'p mut Shaper<'l>,
        filling: Filling<'p>,
        (first_top, limits): (Length, (Length, Length)),
        hand_over: &'p mut HandOver<'p, 'l>,
    ) -> Self {
        let flow = Self::around(layout, shaper, filling, Page::default());
        Self { y: first_top, limits, hand_over: Some(hand_over), ..flow }
    }

    /// Goes on with a page that is there, for what does not flow.
    pub(crate) fn around(layout: &'l Layout, shaper: &'p mut Shaper<'l>, filling: Filling<'p>, page: Page) -> Self {
        let course = course_of(filling.voice);
        let limits = (0, layout.sheet.height);
        Self { layout, shaper, filling, course, y: 0, page, page_count: 1, limits, hand_over: None }
    }

    /// Returns the page as it is.
    pub(crate) fn into_page(self) -> Page {
        self.page
    }

    /// Ends the last page, and returns how many there are.
    pub(crate) fn end(mut self) -> Result<usize, PaperFault> {
        self.turn_over()?;
        Ok(self.page_count)
    }

    /// Begins a new page.
    pub(crate) fn break_page(&mut self) -> Result<(), PaperFault> {
        self.turn_over()?;
        self.page_count += 1;
        if self.page_count > PAGES_MAX {
            return Err(PaperFault::TooLong { layout: self.layout.name.clone() });
        }
        self.y = self.limits.0;
        Ok(())
    }

    fn turn_over(&mut self) -> Result<(), PaperFault> {
        let page = std::mem::take(&mut self.page);
        match &mut self.hand_over {
            Some(hand_over) => hand_over(page, self.page_count, self.shaper),
            None => Ok(()),
        }
    }

    /// Returns whether the page has room for something so high.
    pub(crate) fn has_room(&self, height: Length) -> bool {
        self.y + height <= self.limits.1
    }

    /// Returns how much room a whole page has.
    pub(crate) fn whole_page(&self) -> Length {
        self.limits.1 - self.limits.0
    }

    /// Begins a new page unless there is room for something so high.
    pub(crate) fn make_room(&mut self, height: Length) -> Result<(), PaperFault> {
        if !self.has_room(height) && self.y > self.limits.0 { self.break_page() } else { Ok(()) }
    }

    /// Returns the space between the margins.
    pub(crate) fn whole_width(&self) -> Stretch {
        Stretch { x: self.layout.sheet.left, width: self.layout.sheet.text_width() }
    }

    /// Returns how texts of the body look.
    pub(crate) fn plain(&self) -> Look {
        let (size, colour) = (self.layout.sheet.size, self.layout.colours.text);
        Look { weight: Weight::Regular, size, colour, align: Align::Left }
    }

    /// Sets a text in lines.
    pub(crate) fn set(&mut self, text: &str, stretch: Stretch, look: Look) -> Result<SetText, PaperFault> {
        let setting = Setting { weight: look.weight, size: look.size, width: stretch.width, course: self.course };
        Ok(SetText { lines: lines(self.shaper, text, setting)?, look, stretch })
    }

    /// Puts lines down from `y` on.
    pub(crate) fn put(&mut self, text: SetText, mut y: Length) {
        let SetText { lines, look, stretch } = text;
        let (ascent, descent) = self.shaper.ascent_and_descent(look.size);
        let step = line_height(look.size);
        for line in lines {
            let free = stretch.width - line.width;
            let indent = match look.align {
                Align::Left => 0,
                Align::Middle => free / 2,
                Align::Right => free,
            };
            let x = self.turned(stretch.x + indent, line.width);
            let base = y + (step - ascent - descent) / 2 + ascent;
            if !line.words.is_empty() {
                self.page.marks.push(Mark::Text { x, y: base, line, size: look.size, colour: look.colour });
            }
            y += step;
        }
    }

    /// Draws a line across `stretch`.
    pub(crate) fn rule(&mut self, stretch: Stretch, y: Length, thickness: Length, colour: Colour) {
        let x = self.turned(stretch.x, stretch.width);
        self.page.marks.push(Mark::Fill { x, y, width: stretch.width, height: thickness, colour });
    }

    /// Puts a picture down.
    pub(crate) fn picture(&mut self, logo: &Logo, x: Length, y: Length) {
        let x = self.turned(x, logo.width);
        self.page.marks.push(Mark::Picture { x, y, logo: logo.clone() });
    }

    /// Puts a payment code down.
    pub(crate) fn code(&mut self, code: &Code, x: Length, y: Length, side: Length) {
        let x = self.turned(x, side);
        self.page.marks.push(Mark::Code { x, y, side, code: code.clone() });
    }

    /// Returns where something stands that would stand at `x` if the page were read from the left.
    fn turned(&self, x: Length, width: Length) -> Length {
        match self.course {
            Course::FromLeft => x,
            Course::FromRight => self.layout.sheet.width - x - width,
        }
    }
}

impl SetText {
    /// Returns how high its lines are together.
    pub(crate) fn height(&self) -> Length {
        self.lines.len() as Length * line_height(self.look.size)
    }
}

/// Returns how high a line of letters of `size` is.
pub(crate) fn line_height(size: Length) -> Length {
    size * LINE_PER_CENT / 100
}

/// Languages that are read from the right. Source: CLDR 47, layout of characters.
const FROM_THE_RIGHT: [&str; 10] = ["ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"];

/// Returns which way the pages of a voice are read.
pub(crate) fn course_of(voice: &Voice) -> Course {
    let primary = voice.language().as_str().split('-').next().unwrap_or_default();
    if FROM_THE_RIGHT.contains(&primary) { Course::FromRight } else { Course::FromLeft }
}
