//! Drawing: pages as PDF, through krilla. What a page shows is decided before.

use krilla::color::rgb;
use krilla::configure::{Archival, ConfigurationBuilder};
use krilla::error::KrillaError;
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::metadata::{DateTime, Metadata, TextDirection};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::text::{GlyphId, KrillaGlyph};
use krilla::{Document, SerializeSettings};

use crate::paper::fault::PaperFault;
use crate::paper::flow::{Mark, Page, course_of};
use crate::paper::layout::{Archive, Colour, Layout};
use crate::paper::length::{Length, points};
use crate::paper::line::Line;
use crate::paper::make::Imprint;
use crate::paper::slip::Code;
use crate::paper::word::{Course, Shaper, Word};
use crate::template::Voice;

/// The most characters of a title. Source: ISO 19005-2 §6.1.13 allows 32,767 bytes; nobody reads more than a line.
const TITLE_CHARACTERS_MAX: usize = 200;

/// A PDF that is being written.
pub(crate) struct Drawing<'l> {
    layout: &'l Layout,
    document: Document,
}

impl<'l> Drawing<'l> {
    /// Begins a PDF.
    ///
    /// # Errors
    /// The writer refuses.
    pub(crate) fn begin(layout: &'l Layout, title: &str, voice: &Voice, imprint: &Imprint<'_>) -> Result<Self, PaperFault> {
        let builder = match layout.archive {
            Archive::PdfA => ConfigurationBuilder::new().with_archival_validator(Archival::A2_B),
            Archive::Off => ConfigurationBuilder::new(),
        };
        let configuration = builder.finish().map_err(|error| unwritten(layout, format!("{error:?}")))?;
        // Nothing is marked up, so a tree of marks would be an empty promise.
        let settings = SerializeSettings { configuration, enable_tagging: false, ..SerializeSettings::default() };
        let mut document = Document::new_with(settings);
        let date = imprint.date;
        let whole = |part: i8| u8::try_from(part).unwrap_or(1);
        let created = DateTime::new(u16::try_from(date.year()).unwrap_or(0)).month(whole(date.month())).day(whole(date.day()));
        let created = created.hour(0).minute(0).second(0).utc_offset_hour(0).utc_offset_minute(0);
        let direction = match course_of(voice) {
            Course::FromLeft => TextDirection::LeftToRight,
            Course::FromRight => TextDirection::RightToLeft,
        };
        let metadata = Metadata::new()
            .title(title.chars().filter(|c| !c.is_control()).take(TITLE_CHARACTERS_MAX).collect())
            .authors(vec![imprint.author.chars().filter(|c| !c.is_control()).take(TITLE_CHARACTERS_MAX).collect()])
            .language(voice.language().to_string())
            .creator("Dunlin".to_owned())
            .document_id(imprint.id.to_owned())
            .text_direction(direction)
            .creation_date(created);
        document.set_metadata(metadata);
        Ok(Self { layout, document })
    }

    /// Draws a page.
    ///
    /// # Errors
    /// A size that no page can have.
    pub(crate) fn page(&mut self, page: &Page, shaper: &Shaper<'_>) -> Result<(), PaperFault> {
        let sheet = &self.layout.sheet;
        let settings = PageSettings::from_wh(points(sheet.width), points(sheet.height));
        let settings = settings.ok_or_else(|| unwritten(self.layout, "the page has no size".to_owned()))?;
        let mut drawn = self.document.start_page_with(settings);
        let mut surface = drawn.surface();
        for mark in &page.marks {
            match mark {
                Mark::Text { x, y, line, size, colour } => {
                    surface.set_fill(Some(fill(*colour)));
                    text(&mut surface, shaper, (*x, *y), line, *size);
                }
                Mark::Fill { x, y, width, height, colour } => {
                    surface.set_fill(Some(fill(*colour)));
                    rectangle(&mut surface, (*x, *y), (*width, *height));
                }
                Mark::Code { x, y, side, code } => draw_code(&mut surface, (*x, *y), *side, code),
                Mark::Picture { x, y, logo } => {
                    let Some(size) = Size::from_wh(points(logo.width), points(logo.height)) else { continue };
                    surface.push_transform(&Transform::from_translate(points(*x), points(*y)));
                    surface.draw_image(logo.picture.clone(), size);
                    surface.pop();
                }
            }
        }
        surface.finish();
        drawn.finish();
        Ok(())
    }

    /// Ends the PDF and returns it.
    ///
    /// # Errors
    /// It would not be what it says it is, or the writer refuses.
    pub(crate) fn end(self) -> Result<Vec<u8>, PaperFault> {
        self.document.finish().map_err(|error| {
            let reason = match &error {
                KrillaError::Validation(faults) => {
                    let words: Vec<String> = faults.iter().map(|(fault, _)| format!("{fault:?}")).collect();
                    format!("it would be no PDF/A: {}", words.join(", "))
                }
                other => other.to_string(),
            };
            unwritten(self.layout, reason)
        })
    }
}

fn unwritten(layout: &Layout, reason: String) -> PaperFault {
    PaperFault::Unwritten { layout: layout.name.clone(), reason }
}

fn fill(Colour(red, green, blue): Colour) -> Fill {
    Fill { paint: rgb::Color::new(red, green, blue).into(), ..Fill::default() }
}

/// How long the parts of a Swiss cross are, in tenths of a millimetre of a code of 46 mm: the white square it stands in, the black
/// square, and length and breadth of its white bars. Source: Swiss Implementation Guidelines QR-bill 2.3 §3.5.2.
const CROSS: [Length; 4] = [70, 60, 39, 12];
/// How long a side of the code is that [`CROSS`] is reckoned by, in tenths of a millimetre.
const CROSS_OF: Length = 460;

/// Draws a code as black squares, in one path, and a cross over it where it has one.
fn draw_code(surface: &mut Surface<'_>, (x, y): (Length, Length), side: Length, code: &Code) {
    let at = |modules: usize| side * modules as Length / code.size.max(1) as Length;
    let mut builder = PathBuilder::new();
    for (row, column, count) in code.stretches() {
        let (left, right, top, bottom) = (x + at(column), x + at(column + count), y + at(row), y + at(row + 1));
        if let Some(rectangle) = Rect::from_ltrb(points(left), points(top), points(right), points(bottom)) {
            builder.push_rect(rectangle);
        }
    }
    surface.set_fill(Some(fill(Colour(0, 0, 0))));
    if let Some(path) = builder.finish() {
        surface.draw_path(&path);
    }
    if code.has_cross {
        let [white, black, long, broad] = CROSS.map(|part| side * part / CROSS_OF);
        let mut middle = |width: Length, height: Length, colour: Colour| {
            surface.set_fill(Some(fill(colour)));
            rectangle(surface, (x + (side - width) / 2, y + (side - height) / 2), (width, height));
        };
        middle(white, white, Colour(255, 255, 255));
        middle(black, black, Colour(0, 0, 0));
        middle(long, broad, Colour(255, 255, 255));
        middle(broad, long, Colour(255, 255, 255));
    }
}

fn rectangle(surface: &mut Surface<'_>, (x, y): (Length, Length), (width, height): (Length, Length)) {
    let Some(rectangle) = Rect::from_xywh(points(x), points(y), points(width), points(height)) else { return };
    let mut builder = PathBuilder::new();
    builder.push_rect(rectangle);
    if let Some(path) = builder.finish() {
        surface.draw_path(&path);
    }
}

/// Draws a line of text, words of one font and direction together.
fn text(surface: &mut Surface<'_>, shaper: &Shaper<'_>, (mut x, y): (Length, Length), line: &Line, size: Length) {
    let is_same = |a: &std::rc::Rc<Word>, b: &std::rc::Rc<Word>| {
        a.face == b.face && a.course == Course::FromLeft && b.course == Course::FromLeft
    };
    for words in line.words.chunk_by(is_same) {
        let Some(first) = words.first() else { continue };
        let font = shaper.file(first.face).font.clone();
        let units = first.units_per_em();
        let mut run = String::new();
        let mut glyphs = Vec::new();
        for word in words {
            let offset = run.len();
            run.push_str(&word.text);
            glyphs.extend(word.glyphs.iter().map(|glyph| {
                let range = offset + glyph.range.start..offset + glyph.range.end;
                let em = |part: i32| share(part, units);
                KrillaGlyph::new(
                    GlyphId::new(glyph.id),
                    em(glyph.advance),
                    em(glyph.x_offset),
                    em(glyph.y_offset),
                    0.0,
                    range,
                    None,
                )
            }));
        }
        surface.draw_glyphs(Point::from_xy(points(x), points(y)), &glyphs, font, &run, points(size), false);
        x += words.iter().map(|word| word.width(size)).sum::<Length>();
    }
}

/// Returns a part of a font's letters as the drawing wants it: of the letters' size.
#[expect(clippy::float_arithmetic, reason = "krilla reckons in parts of the size")]
fn share(part: i32, units_per_em: i64) -> f32 {
    part as f32 / units_per_em as f32
}
