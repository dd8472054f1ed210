//! Reading layouts: every value at its place, every problem noted. What stands in `body` is read by `parts`.

use std::collections::BTreeMap;
use std::sync::Arc;

use krilla::image::Image;
use krilla::{Document, geom::Size};

use crate::domain::id::Language;
use crate::domain::problem::{Place, Problem, nearest};
use crate::paper::band::{PAGE, PAGES};
use crate::paper::font::{FontFile, Typeface, data};
use crate::paper::layout::{Archive, Band, Colour, Colours, Layout, Layouts, Sheet, Words};
use crate::paper::length::{Length, POINT, length, millimetres};
use crate::paper::parts::blocks;
use crate::template::{KnownName, Phrase, Templates};
use crate::yaml::{self, Fields, Node, Problems, Value};

/// The most layouts of a workspace.
pub const LAYOUTS_MAX: usize = 100;
/// The most fonts of a layout.
const FONTS_MAX: usize = 8;
/// The most languages of a layout.
const LANGUAGES_MAX: usize = 40;
/// The most pixels of a picture.
const PIXELS_MAX: u64 = 4_000_000;
/// The longest name of a layout, in characters.
const NAME_CHARACTERS_MAX: usize = 64;
/// The least that the margins have to leave for texts.
const TEXT_LEAST: Length = millimetres(80);

/// A layout's file, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutFile {
    /// Its path in the workspace: `rules/papers/statement.yaml`.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// A font or a picture beside the layouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaperFile {
    /// Its path in `rules/papers`: `fonts/house.ttf`.
    pub path: String,
    /// The whole file.
    pub bytes: Arc<[u8]>,
}

/// Reads all layouts; their texts are compiled with the templates. `known` is the one table of what a text may use.
pub fn load(
    files: &[LayoutFile],
    beside: &[PaperFile],
    templates: &mut Templates,
    known: &[KnownName],
) -> (Layouts, Vec<Problem>) {
    let mut layouts = Layouts::default();
    let mut all = Vec::new();
    if files.len() > LAYOUTS_MAX {
        all.push(Problem::error(format!("There are {} layouts of papers; at most {LAYOUTS_MAX} are read", files.len())));
    }
    let beside: BTreeMap<&str, &Arc<[u8]>> = beside.iter().map(|file| (file.path.as_str(), &file.bytes)).collect();
    for file in files.iter().take(LAYOUTS_MAX) {
        let mut problems = Problems::new(file.path.as_str(), &file.text);
        let mut reading = Reading { path: &file.path, beside: &beside, templates, known, languages: Vec::new(), count: 0 };
        let layout = reading.layout(&file.text, &mut problems);
        let has_errors = problems.has_errors();
        all.extend(problems.into_list());
        if let Some(layout) = layout.filter(|_| !has_errors) {
            layouts.0.insert(layout.name.clone(), layout);
        }
    }
    (layouts, all)
}

/// What one layout is read with.
pub(crate) struct Reading<'r> {
    path: &'r str,
    beside: &'r BTreeMap<&'r str, &'r Arc<[u8]>>,
    templates: &'r mut Templates,
    pub(crate) known: &'r [KnownName],
    languages: Vec<Language>,
    /// How many phrases there are so far.
    count: usize,
}

impl Reading<'_> {
    fn layout(&mut self, source: &str, problems: &mut Problems<'_>) -> Option<Layout> {
        let root = match yaml::parse(self.path, source) {
            Ok(root) => root,
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        };
        let name = self.path.rsplit('/').next().and_then(|file| file.strip_suffix(".yaml")).unwrap_or(self.path).to_owned();
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if !name.chars().all(is_plain) || name.is_empty() || name.len() > NAME_CHARACTERS_MAX {
            let problem = Problem::error(format!("`{name}` is not a name of a layout")).at(Place::file(self.path));
            problems.push(problem.hint("use small letters, digits, `-` and `_`"));
        }
        let mut fields = Fields::open(&root, "a layout", problems)?;
        self.languages = fields.optional("languages", problems, languages).unwrap_or_else(|| vec![Language::new("en")]);
        let title = fields.required("title", problems, |node, problems| self.words(node, None, &[], problems));
        let file = fields.optional("file", problems, |node, problems| self.file_words(node, problems));
        let page = fields.optional("page", problems, yaml::choice(&SHEETS)).unwrap_or(SHEETS[0].1);
        let margins = fields.optional("margins", problems, margins).unwrap_or(MARGINS);
        let size = fields.optional("size", problems, length(6 * POINT, 18 * POINT)).unwrap_or(9 * POINT);
        let fonts = fields.optional("fonts", problems, |node, problems| self.fonts(node, problems));
        let colours = fields.optional("colours", problems, colours).unwrap_or(COLOURS);
        let archive = fields.optional("archive", problems, yaml::choice(&ARCHIVES)).unwrap_or(Archive::PdfA);
        let header = fields.optional("header", problems, |node, problems| self.band(node, false, problems));
        let footer = fields.optional("footer", problems, |node, problems| self.band(node, true, problems));
        let [top, right, bottom, left] = margins;
        let sheet = Sheet { width: page.0, height: page.1, top, right, bottom, left, size };
        if sheet.text_width() < TEXT_LEAST || sheet.height - top - bottom < TEXT_LEAST {
            let span = fields.key_span("margins").unwrap_or(root.span);
            problems.error_hint(span, "The margins leave too little room", "80 mm at least have to stay in both directions");
            return None;
        }
        let body = fields.required("body", problems, |node, problems| blocks(self, node, &sheet, problems));
        fields.close(problems);
        let file = file.unwrap_or_else(|| self.plain_words(&format!("{name}.pdf"), &root));
        let typefaces = fonts.unwrap_or_default().into_iter().chain([Typeface::ours()]).collect();
        let (languages, title, body) = (self.languages.clone(), title?, body?);
        Some(Layout { name, languages, file, title, archive, sheet, colours, typefaces, header, footer, body })
    }

    /// Reads a text: one for all languages, or one for each. `list` is the list whose members it is filled for.
    pub(crate) fn words(
        &mut self,
        node: &Node,
        list: Option<&str>,
        further: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<Words> {
        let Value::Map(entries) = &node.value else {
            let text = yaml::text(node, problems)?;
            let phrase = self.phrase(node, &text, list, further, problems);
            return Some(Words { phrases: vec![phrase], places: vec![problems.place(node.span)] });
        };
        let mut words = Words { phrases: Vec::new(), places: Vec::new() };
        for language in self.languages.clone() {
            let Some(entry) = entries.iter().find(|entry| entry.key == language.as_str()) else {
                let hint = format!("add `{language}: …`; the layout has {}", self.languages_told());
                problems.error_hint(node.span, format!("There is no text in `{language}`"), hint);
                continue;
            };
            let Some(text) = yaml::text(&entry.value, problems) else { continue };
            words.phrases.push(self.phrase(&entry.value, &text, list, further, problems));
            words.places.push(problems.place(entry.value.span));
        }
        for entry in entries.iter().filter(|entry| !self.languages.iter().any(|own| own.as_str() == entry.key)) {
            let hint = format!("`languages` has {}", self.languages_told());
            problems.error_hint(entry.span, format!("`{}` is not a language of this layout", entry.key), hint);
        }
        (words.phrases.len() == self.languages.len()).then_some(words)
    }

    fn languages_told(&self) -> String {
        self.languages.iter().map(Language::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Compiles a text and returns the name of its phrase.
    fn phrase(&mut self, node: &Node, text: &str, list: Option<&str>, further: &[&str], problems: &mut Problems<'_>) -> Arc<str> {
        let name = format!("{}#{}", self.path, self.count);
        self.count += 1;
        for problem in self.templates.add_phrase(&Phrase { name: &name, text, list, further }, self.known) {
            let place = problem.place.as_ref().map_or_else(
                || problems.place(node.span),
                |place| {
                    let mut span = node.span_within(place.line, place.column);
                    span.width = place.width;
                    problems.place(span)
                },
            );
            problems.push(problem.at(place));
        }
        name.into()
    }

    /// Compiles a text that is the program's own.
    pub(crate) fn plain_words(&mut self, text: &str, root: &Node) -> Words {
        let mut none = Problems::new(self.path, "");
        let phrase = self.phrase(root, text, None, &[], &mut none);
        Words { phrases: vec![phrase], places: vec![Place::file(self.path)] }
    }

    /// Reads what the file is called.
    fn file_words(&mut self, node: &Node, problems: &mut Problems<'_>) -> Option<Words> {
        let words = self.words(node, None, &[], problems)?;
        let texts: Vec<&Node> = match &node.value {
            Value::Map(entries) => entries.iter().map(|entry| &entry.value).collect(),
            _ => vec![node],
        };
        for text in texts {
            if text.scalar().is_some_and(|scalar| !scalar.text.trim_end().ends_with(".pdf")) {
                problems.error_hint(text.span, "The file's name does not end in `.pdf`", "write `… .pdf`");
            }
        }
        Some(words)
    }

    fn band(&mut self, node: &Node, is_first: bool, problems: &mut Problems<'_>) -> Option<Band> {
        let mut fields = Fields::open(node, "a header or footer", problems)?;
        let parts = ["left", "middle", "right"]
            .map(|key| fields.optional(key, problems, |node, problems| self.words(node, None, &[PAGE, PAGES], problems)));
        let on_first_page = fields.optional("first_page", problems, yaml::boolean).unwrap_or(is_first);
        fields.close(problems);
        Some(Band { parts, on_first_page })
    }

    fn fonts(&mut self, node: &Node, problems: &mut Problems<'_>) -> Option<Vec<Typeface>> {
        let typefaces = yaml::list(|node, problems: &mut Problems<'_>| self.typeface(node, problems))(node, problems)?;
        if typefaces.len() > FONTS_MAX {
            problems.error(node.span, format!("{} fonts are named; at most {FONTS_MAX} are read", typefaces.len()));
        }
        Some(typefaces)
    }

    fn typeface(&self, node: &Node, problems: &mut Problems<'_>) -> Option<Typeface> {
        let mut fields = Fields::open(node, "a font", problems)?;
        let font = |node: &Node, problems: &mut Problems<'_>| {
            let (path, bytes) = self.file(node, problems)?;
            FontFile::read(bytes).map_err(|fault| problems.error(node.span, format!("`{path}` {fault}"))).ok()
        };
        let regular = fields.required("regular", problems, font);
        let bold = fields.optional("bold", problems, font);
        let languages = fields.optional("languages", problems, yaml::one_or_list(language)).unwrap_or_default();
        fields.close(problems);
        Some(Typeface { regular: regular?, bold, languages })
    }

    /// Reads the path of a file beside the layouts.
    fn file(&self, node: &Node, problems: &mut Problems<'_>) -> Option<(String, &Arc<[u8]>)> {
        let path = yaml::text(node, problems)?;
        if let Some(bytes) = self.beside.get(path.as_str()) {
            return Some((path, bytes));
        }
        let hint = match nearest(&path, self.beside.keys().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "put it into `rules/papers` and write its path from there".to_owned(),
        };
        problems.error_hint(node.span, format!("There is no file `{path}` in `rules/papers`"), hint);
        None
    }

    /// Reads the path of a picture, and the picture.
    pub(crate) fn picture(&self, node: &Node, problems: &mut Problems<'_>) -> Option<Image> {
        let (path, bytes) = self.file(node, problems)?;
        let read = match &**bytes {
            [0x89, b'P', b'N', b'G', ..] => Image::from_png(data(bytes), false),
            [0xff, 0xd8, ..] => Image::from_jpeg(data(bytes), false),
            _ => Err("it is neither a PNG nor a JPEG".to_owned()),
        };
        let checked = read.and_then(|image| {
            let (width, height) = image.size();
            if width == 0 || height == 0 || u64::from(width) * u64::from(height) > PIXELS_MAX {
                return Err(format!("{width} × {height} pixels are too many; at most {PIXELS_MAX} are read"));
            }
            drawn(&image).map(|()| image)
        });
        checked.map_err(|fault| problems.error(node.span, format!("The picture `{path}` cannot be used: {fault}"))).ok()
    }
}

/// Draws a picture for trial, since what is wrong within it shows only then.
fn drawn(image: &Image) -> Result<(), String> {
    let mut document = Document::new();
    let mut page = document.start_page();
    let mut surface = page.surface();
    if let Some(size) = Size::from_wh(1.0, 1.0) {
        surface.draw_image(image.clone(), size);
    }
    surface.finish();
    page.finish();
    document.finish().map(drop).map_err(|error| error.to_string())
}

/// The sheets there are: width and height. Source: ISO 216; ANSI/ASME Y14.1.
const SHEETS: [(&str, (Length, Length)); 2] =
    [("a4", (millimetres(210), millimetres(297))), ("letter", (612 * POINT, 792 * POINT))];
const ARCHIVES: [(&str, Archive); 2] = [("pdf/a", Archive::PdfA), ("off", Archive::Off)];
/// Top, right, bottom and left.
const MARGINS: [Length; 4] = [millimetres(15), millimetres(20), millimetres(12), millimetres(25)];
const COLOURS: Colours = Colours {
    text: Colour(0x1a, 0x1a, 0x1a),
    accent: Colour(0x1a, 0x1a, 0x1a),
    muted: Colour(0x5f, 0x63, 0x68),
    line: Colour(0xc9, 0xcc, 0xd1),
};

fn margins(node: &Node, problems: &mut Problems<'_>) -> Option<[Length; 4]> {
    let mut fields = Fields::open(node, "margins", problems)?;
    let mut all = MARGINS;
    for (own, key) in all.iter_mut().zip(["top", "right", "bottom", "left"]) {
        *own = fields.optional(key, problems, length(millimetres(5), millimetres(100))).unwrap_or(*own);
    }
    fields.close(problems);
    Some(all)
}

fn colours(node: &Node, problems: &mut Problems<'_>) -> Option<Colours> {
    let mut fields = Fields::open(node, "colours", problems)?;
    let mut of = |key, usual| fields.optional(key, problems, colour).unwrap_or(usual);
    let colours = Colours {
        text: of("text", COLOURS.text),
        accent: of("accent", COLOURS.accent),
        muted: of("muted", COLOURS.muted),
        line: of("line", COLOURS.line),
    };
    fields.close(problems);
    Some(colours)
}

fn colour(node: &Node, problems: &mut Problems<'_>) -> Option<Colour> {
    let written = yaml::text(node, problems)?;
    let digits = written.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let part = |digits: &str, at: usize| digits.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let colour = digits.and_then(|digits| Some(Colour(part(digits, 0)?, part(digits, 2)?, part(digits, 4)?)));
    if colour.is_none() {
        problems.error_hint(node.span, format!("`{written}` is not a colour"), "write red, green and blue: `\"#1a2b3c\"`");
    }
    colour
}

fn languages(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<Language>> {
    let mut languages = yaml::one_or_list(language)(node, problems)?;
    let count = languages.len();
    languages.dedup();
    if languages.is_empty() || count > LANGUAGES_MAX || languages.len() < count {
        problems.error_hint(node.span, "The languages are none, too many or named twice", "write `[en, de]`");
        return None;
    }
    Some(languages)
}

fn language(node: &Node, problems: &mut Problems<'_>) -> Option<Language> {
    let written = yaml::text(node, problems)?;
    let is_part = |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut parts = written.split('-');
    let is_tag = parts.next().is_some_and(|first| is_part(first) && first.len() <= 3) && parts.all(is_part);
    if !is_tag || written.bytes().any(|byte| byte.is_ascii_uppercase()) {
        problems.error_hint(node.span, format!("`{written}` is no language tag"), "write `de`, `fr` or `pt-br`");
        return None;
    }
    Some(Language::new(written))
}
