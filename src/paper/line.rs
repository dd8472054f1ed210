//! Lines: a text broken to the width it has, in the order in which its words are read.
//!
//! Lines break at spaces, after the hyphens and slashes of words, and between the signs of scripts without spaces. A word that is
//! wider than its line is broken between letters: nothing is ever wider than its place.

use std::rc::Rc;

use unicode_bidi::{BidiClass, BidiInfo, Level, bidi_class};

use crate::paper::fault::PaperFault;
use crate::paper::font::Weight;
use crate::paper::length::Length;
use crate::paper::word::{Course, Shaper, Word, is_mark, is_unseen};

/// How many characters a mail address can have. Source: RFC 5321 §4.5.3.1.3, without the brackets of a path.
const ADDRESS_CHARACTERS_MAX: usize = 254;
/// Spaces at which no line breaks.
const HARD_SPACES: [char; 3] = ['\u{a0}', '\u{202f}', '\u{2007}'];

/// Signs of East Asian writing that no line begins with. Source: JIS X 4051 §6.1, the common part.
const NEVER_FIRST: &str = "、。，．・：；？！ヽヾゝゞ々ー）］｝〕〉》」』】ぁぃぅぇぉっゃゅょァィゥェォッャュョ";
/// Signs of East Asian writing that no line ends with.
const NEVER_LAST: &str = "（［｛〔〈《「『【";

/// A line, its words from left to right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) words: Vec<Rc<Word>>,
    pub(crate) width: Length,
}

/// How a text is set: its letters and the width it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) weight: Weight,
    pub(crate) size: Length,
    pub(crate) width: Length,
    /// Which way the page is read.
    pub(crate) course: Course,
}

/// A piece of a paragraph: part of one word, or spaces.
struct Piece {
    word: Rc<Word>,
    level: Level,
    is_space: bool,
    /// Whether a line may break before it.
    is_first: bool,
    width: Length,
}

/// Breaks a text into lines; a line's end in it ends the line.
///
/// # Errors
/// A character that no font has, or a sign wider than the line.
pub(crate) fn lines(shaper: &mut Shaper<'_>, text: &str, setting: Setting) -> Result<Vec<Line>, PaperFault> {
    let mut all = Vec::new();
    for paragraph in text.trim_end().split('\n') {
        let clean: String = paragraph.chars().filter(|c| !c.is_control() || *c == '\t').map(spaced).collect();
        let pieces = pieces(shaper, &clean, setting)?;
        broken(shaper, pieces, setting, &mut all)?;
    }
    Ok(all)
}

fn spaced(character: char) -> char {
    if character == '\t' { ' ' } else { character }
}

/// Cuts a paragraph where its font, its direction or its word changes.
fn pieces(shaper: &mut Shaper<'_>, text: &str, setting: Setting) -> Result<Vec<Piece>, PaperFault> {
    let levels = levels(text, setting.course);
    let mut pieces = Vec::new();
    let (mut start, mut last): (usize, Option<(char, usize, Level)>) = (0, None);
    let mut can_break = true;
    for (at, character) in text.char_indices() {
        let level = levels.get(at);
        let face = shaper.face_for(character, setting.weight, last.map(|(_, face, _)| face), text)?;
        if let Some((before, last_face, last_level)) = last {
            let breaks = breaks_between(before, character) && !(is_joint(before) && is_in_address(text, at));
            let changes = breaks || face != last_face || level != last_level || is_space(before) != is_space(character);
            if changes {
                pieces.push(piece(shaper, &text[start..at], last_face, last_level, can_break, setting)?);
                (start, can_break) = (at, breaks);
            }
        }
        last = Some((character, face, level));
    }
    if let Some((_, face, level)) = last {
        pieces.push(piece(shaper, &text[start..], face, level, can_break, setting)?);
    }
    Ok(pieces)
}

fn piece(
    shaper: &mut Shaper<'_>,
    text: &str,
    face: usize,
    level: Level,
    is_first: bool,
    setting: Setting,
) -> Result<Piece, PaperFault> {
    let word = shaper.word(text, face, course(level))?;
    let width = word.width(setting.size);
    Ok(Piece { word, level, is_space: text.chars().all(is_space), is_first, width })
}

fn course(level: Level) -> Course {
    if level.is_rtl() { Course::FromRight } else { Course::FromLeft }
}

/// The level of each byte of a text; most texts have one level alone.
enum Levels {
    Same(Level),
    Each(Vec<Level>),
}

impl Levels {
    fn get(&self, at: usize) -> Level {
        match self {
            Self::Same(level) => *level,
            Self::Each(levels) => levels.get(at).copied().unwrap_or_else(Level::ltr),
        }
    }
}

/// Returns the levels of the bidirectional algorithm. Source: UAX #9.
fn levels(text: &str, course: Course) -> Levels {
    let is_from_right =
        |c: char| matches!(bidi_class(c), BidiClass::R | BidiClass::AL | BidiClass::AN | BidiClass::RLE | BidiClass::RLI);
    if course == Course::FromLeft && (text.is_ascii() || !text.chars().any(is_from_right)) {
        return Levels::Same(Level::ltr());
    }
    let base = if course == Course::FromRight { Level::rtl() } else { Level::ltr() };
    Levels::Each(BidiInfo::new(text, Some(base)).levels)
}

fn is_space(character: char) -> bool {
    character.is_whitespace() && !HARD_SPACES.contains(&character)
}

/// Returns whether a sign belongs to a script that is written without spaces.
fn is_unspaced(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

/// Returns whether a line may end between two characters. Source: UAX #14, the part that letters and invoices need.
fn breaks_between(before: char, after: char) -> bool {
    if is_space(after) || is_mark(after) || HARD_SPACES.contains(&after) || HARD_SPACES.contains(&before) {
        return false;
    }
    if is_space(before) || before == '\u{200b}' {
        return true;
    }
    if is_unspaced(before) || is_unspaced(after) {
        return !NEVER_FIRST.contains(after) && !NEVER_LAST.contains(before) && !is_unseen(after);
    }
    // `Müller-Lüdenscheidt` may be parted there, `R-2027-0042` and `-5.00` may not.
    is_joint(before) && after.is_alphabetic()
}

/// Returns whether a character joins the parts of a word.
fn is_joint(character: char) -> bool {
    matches!(character, '-' | '\u{2010}' | '/')
}

/// Returns whether the word around a place is a mail address, which is read and typed as one.
fn is_in_address(text: &str, at: usize) -> bool {
    let is_at = |letter: char| letter == '@';
    let before = text[..at].chars().rev().take(ADDRESS_CHARACTERS_MAX).take_while(|letter| !is_space(*letter));
    let after = text[at..].chars().take(ADDRESS_CHARACTERS_MAX).take_while(|letter| !is_space(*letter));
    before.chain(after).any(is_at)
}

/// Fills lines with pieces, as many as each has room for.
fn broken(shaper: &mut Shaper<'_>, pieces: Vec<Piece>, setting: Setting, all: &mut Vec<Line>) -> Result<(), PaperFault> {
    let mut line: Vec<Piece> = Vec::new();
    let mut width = 0;
    let mut pieces = pieces.into_iter().peekable();
    while pieces.peek().is_some() {
        // What must stay together: up to the next piece before which a line may break.
        let mut unit: Vec<Piece> = Vec::new();
        while let Some(piece) = pieces.next_if(|piece| unit.is_empty() || !piece.is_first) {
            unit.push(piece);
        }
        let total: Length = unit.iter().map(|piece| piece.width).sum();
        let trailing: Length = unit.iter().rev().take_while(|piece| piece.is_space).map(|piece| piece.width).sum();
        if width + total - trailing > setting.width && !line.is_empty() {
            all.push(ended(std::mem::take(&mut line)));
            width = 0;
        }
        if total - trailing <= setting.width {
            width += total;
            line.extend(unit);
            continue;
        }
        for piece in unit {
            if width + piece.width <= setting.width || piece.is_space {
                width += piece.width;
                line.push(piece);
                continue;
            }
            for part in parts(shaper, &piece, setting)? {
                if width + part.width > setting.width && !line.is_empty() {
                    all.push(ended(std::mem::take(&mut line)));
                    width = 0;
                }
                width += part.width;
                line.push(part);
            }
        }
    }
    all.push(ended(line));
    Ok(())
}

/// Breaks a piece that is wider than a line between its letters.
fn parts(shaper: &mut Shaper<'_>, piece: &Piece, setting: Setting) -> Result<Vec<Piece>, PaperFault> {
    let text = &*piece.word.text;
    let mut parts = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let rest = &text[start..];
        let ends = rest.char_indices().skip(1).filter(|(_, c)| !is_mark(*c) && !is_unseen(*c)).map(|(at, _)| at);
        let ends: Vec<usize> = ends.chain([rest.len()]).collect();
        let mut fits: Option<Piece> = None;
        // The most letters that fit: widths grow with the letters, so the half that cannot be is left out each time.
        let (mut low, mut high) = (0, ends.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let part = self::piece(shaper, &rest[..ends[middle]], piece.word.face, piece.level, false, setting)?;
            if part.width <= setting.width {
                fits = Some(part);
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(part) = fits else {
            let (layout, text) = (shaper.layout().name.clone(), rest[..ends[0]].to_owned());
            return Err(PaperFault::TooWide { layout, text });
        };
        start += part.word.text.len();
        parts.push(part);
    }
    Ok(parts)
}

/// Returns the line of these pieces, spaces at its end left out, in the order in which they stand on the page.
fn ended(mut pieces: Vec<Piece>) -> Line {
    while pieces.last().is_some_and(|piece| piece.is_space) {
        pieces.pop();
    }
    let width = pieces.iter().map(|piece| piece.width).sum();
    let first = pieces.first().map(|piece| piece.level);
    if pieces.iter().all(|piece| Some(piece.level) == first && !piece.level.is_rtl()) {
        return Line { words: pieces.into_iter().map(|piece| piece.word).collect(), width };
    }
    let levels: Vec<Level> = pieces.iter().map(|piece| piece.level).collect();
    let order = BidiInfo::reorder_visual(&levels);
    Line { words: order.into_iter().map(|place| pieces[place].word.clone()).collect(), width }
}
