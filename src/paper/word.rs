//! Words: pieces of text in one font and one direction, shaped into glyphs with their widths.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use rustybuzz::{Direction, Face, UnicodeBuffer};
use unicode_bidi::{BidiClass, bidi_class};

use crate::domain::id::Language;
use crate::paper::fault::PaperFault;
use crate::paper::font::{FontFile, Typeface, Weight};
use crate::paper::layout::Layout;
use crate::paper::length::Length;

/// How many shaped words are kept: those of a page or two; a long paper's numbers differ from row to row.
const WORDS_KEPT: usize = 4_096;

/// How many characters of a text a fault shows.
const SHOWN_CHARACTERS: usize = 60;

/// Which way a word runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Course {
    FromLeft,
    FromRight,
}

/// A glyph with its place after the one before, in units of its font.
#[derive(Clone, Debug)]
pub(crate) struct PlacedGlyph {
    pub(crate) id: u32,
    pub(crate) advance: i32,
    pub(crate) x_offset: i32,
    pub(crate) y_offset: i32,
    /// The part of the word's text it stands for.
    pub(crate) range: Range<usize>,
}

/// A piece of text in one font and direction, glyphs in the order in which they stand on the page.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) text: Box<str>,
    /// Which of the shaper's faces.
    pub(crate) face: usize,
    pub(crate) course: Course,
    pub(crate) glyphs: Vec<PlacedGlyph>,
    advance: i64,
    units_per_em: i64,
}

impl Word {
    /// Returns how many units of its font make the size of its letters.
    pub(crate) fn units_per_em(&self) -> i64 {
        self.units_per_em
    }

    /// Returns how wide it is in letters of `size`, rounded up.
    pub(crate) fn width(&self, size: Length) -> Length {
        let (width, units) = (self.advance * size, self.units_per_em);
        width / units + i64::from(width % units > 0)
    }
}

/// The fonts of one paper and the words shaped with them.
pub(crate) struct Shaper<'l> {
    layout: &'l Layout,
    files: Vec<&'l FontFile>,
    faces: Vec<Face<'l>>,
    /// The faces to look a character up in, one after the other, in regular and in bold letters.
    orders: [Vec<usize>; 2],
    /// The shaped words by weight-free key: the face names the weight.
    words: HashMap<(usize, Course), HashMap<Box<str>, Rc<Word>>>,
    kept: usize,
}

impl<'l> Shaper<'l> {
    /// Returns a shaper for papers in `language`, whose own fonts come first.
    pub(crate) fn new(layout: &'l Layout, language: &Language) -> Self {
        let primary = |tag: &Language| tag.as_str().split('-').next().map(str::to_owned);
        let is_own = |typeface: &&Typeface| typeface.languages.iter().any(|own| primary(own) == primary(language));
        let all = || layout.typefaces.iter();
        let ordered: Vec<&Typeface> = all().filter(is_own).chain(all().filter(|typeface| !is_own(typeface))).collect();
        let mut files: Vec<&FontFile> = Vec::new();
        let orders = [Weight::Regular, Weight::Bold].map(|weight| {
            let places = ordered.iter().map(|typeface| {
                let file = typeface.of(weight);
                files.iter().position(|known| std::ptr::eq(*known, file)).unwrap_or_else(|| {
                    files.push(file);
                    files.len() - 1
                })
            });
            places.collect()
        });
        let faces = files.iter().map(|file| file.face()).collect();
        Self { layout, files, faces, orders, words: HashMap::new(), kept: 0 }
    }

    /// Returns the layout that is shaped for.
    pub(crate) fn layout(&self) -> &'l Layout {
        self.layout
    }

    /// Returns a face's file.
    pub(crate) fn file(&self, face: usize) -> &'l FontFile {
        self.files[face]
    }

    /// Returns how far letters of `size` reach above their base line, and below it.
    pub(crate) fn ascent_and_descent(&self, size: Length) -> (Length, Length) {
        let face = &self.faces[self.orders[0][0]];
        let scaled = |units: i16| i64::from(units) * size / i64::from(face.units_per_em());
        (scaled(face.ascender()), -scaled(face.descender()))
    }

    /// Returns the first face that has `character`; one that shows nothing goes with the `last`.
    ///
    /// # Errors
    /// No face has it.
    pub(crate) fn face_for(&self, character: char, weight: Weight, last: Option<usize>, text: &str) -> Result<usize, PaperFault> {
        let order = &self.orders[usize::from(weight == Weight::Bold)];
        if is_unseen(character) {
            return Ok(last.unwrap_or(order[0]));
        }
        let has = |face: &usize| self.faces[*face].glyph_index(character).is_some_and(|glyph| glyph.0 != 0);
        // A mark stays with its letter, and a word in one font, as far as it can.
        let stays = |face: &usize| is_mark(character) && has(face);
        let found = last.filter(stays).or_else(|| order.iter().copied().find(has));
        found.ok_or_else(|| PaperFault::GlyphMissing {
            layout: self.layout.name.clone(),
            character,
            text: text.chars().take(SHOWN_CHARACTERS).collect(),
        })
    }

    /// Shapes a piece of text that has neither a line's end nor two directions in it.
    ///
    /// # Errors
    /// The font has no glyph for a part of it.
    pub(crate) fn word(&mut self, text: &str, face: usize, course: Course) -> Result<Rc<Word>, PaperFault> {
        if let Some(word) = self.words.get(&(face, course)).and_then(|own| own.get(text)) {
            return Ok(word.clone());
        }
        let word = Rc::new(self.shaped(text, face, course)?);
        if self.kept >= WORDS_KEPT {
            self.words.clear();
            self.kept = 0;
        }
        self.kept += 1;
        self.words.entry((face, course)).or_default().insert(text.into(), word.clone());
        Ok(word)
    }

    fn shaped(&self, text: &str, face: usize, course: Course) -> Result<Word, PaperFault> {
        let own = &self.faces[face];
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        buffer.set_direction(match course {
            Course::FromLeft => Direction::LeftToRight,
            Course::FromRight => Direction::RightToLeft,
        });
        let shaped = rustybuzz::shape(own, &[], buffer);
        let starts: Vec<usize> = shaped.glyph_infos().iter().map(|info| info.cluster as usize).collect();
        let mut sorted = starts.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let end_of = |start: usize| sorted.iter().copied().find(|other| *other > start).unwrap_or(text.len());
        let mut glyphs = Vec::with_capacity(starts.len());
        let mut advance = 0;
        for ((info, position), start) in shaped.glyph_infos().iter().zip(shaped.glyph_positions()).zip(starts) {
            let range = start..end_of(start);
            if info.glyph_id == 0 {
                let character = text[range].chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
                let text = text.chars().take(SHOWN_CHARACTERS).collect();
                return Err(PaperFault::GlyphMissing { layout: self.layout.name.clone(), character, text });
            }
            advance += i64::from(position.x_advance);
            glyphs.push(PlacedGlyph {
                id: info.glyph_id,
                advance: position.x_advance,
                x_offset: position.x_offset,
                y_offset: position.y_offset,
                range,
            });
        }
        Ok(Word { text: text.into(), face, course, glyphs, advance, units_per_em: i64::from(own.units_per_em()) })
    }
}

/// Returns whether a character is a mark on the letter before it.
pub(crate) fn is_mark(character: char) -> bool {
    bidi_class(character) == BidiClass::NSM
}

/// Returns whether a character has no picture of its own: joiners, marks of direction and variation, soft hyphens.
pub(crate) fn is_unseen(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || matches!(character, '\u{fe00}'..='\u{fe0f}')
}
