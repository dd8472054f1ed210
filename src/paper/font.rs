//! Fonts: those that a layout names, and ours, which every paper can fall back on.

use std::sync::{Arc, LazyLock};

use krilla::Data;
use krilla::text::Font;
use rustybuzz::Face;
use rustybuzz::ttf_parser::Permissions;

use crate::domain::id::Language;

/// Liberation Sans, under the SIL Open Font License: `fonts/LICENSE-OFL`.
static REGULAR: LazyLock<FontFile> = LazyLock::new(|| ours(include_bytes!("fonts/LiberationSans-Regular.ttf")));
static BOLD: LazyLock<FontFile> = LazyLock::new(|| ours(include_bytes!("fonts/LiberationSans-Bold.ttf")));

/// Whether letters are bold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

/// A font's file, read.
#[derive(Clone, Debug)]
pub(crate) struct FontFile {
    pub(crate) bytes: Bytes,
    pub(crate) font: Font,
}

/// The bytes of a font.
#[derive(Clone, Debug)]
pub(crate) enum Bytes {
    Ours(&'static [u8]),
    Theirs(Arc<[u8]>),
}

impl FontFile {
    /// Reads a font that came with a layout.
    ///
    /// # Errors
    /// Why it cannot be used, in words.
    pub(crate) fn read(bytes: &Arc<[u8]>) -> Result<Self, &'static str> {
        let face = Face::from_slice(bytes, 0).ok_or("is no font of the kinds TTF and OTF")?;
        if face.permissions() == Some(Permissions::Restricted) {
            return Err("may not be embedded, by its maker's own mark");
        }
        if face.units_per_em() <= 0 {
            return Err("is a font without a size");
        }
        let font = Font::new(data(bytes), 0).ok_or("is no font of the kinds TTF and OTF")?;
        Ok(Self { bytes: Bytes::Theirs(bytes.clone()), font })
    }

    /// Returns its letters as the shaper wants them.
    pub(crate) fn face(&self) -> Face<'_> {
        let bytes = match &self.bytes {
            Bytes::Ours(bytes) => *bytes,
            Bytes::Theirs(bytes) => &**bytes,
        };
        Face::from_slice(bytes, 0).expect("it was read when the layout was loaded")
    }
}

/// Returns bytes as the drawing wants them, without a copy.
pub(crate) fn data(bytes: &Arc<[u8]>) -> Data {
    let shared: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(bytes.clone());
    shared.into()
}

fn ours(bytes: &'static [u8]) -> FontFile {
    let font = Font::new(bytes.into(), 0).expect("the font that ships is a font");
    FontFile { bytes: Bytes::Ours(bytes), font }
}

/// A font in one weight or two.
#[derive(Clone, Debug)]
pub(crate) struct Typeface {
    pub(crate) regular: FontFile,
    pub(crate) bold: Option<FontFile>,
    /// The languages in which it comes before all others.
    pub(crate) languages: Vec<Language>,
}

impl Typeface {
    /// Returns the one that ships.
    pub(crate) fn ours() -> Self {
        Self { regular: REGULAR.clone(), bold: Some(BOLD.clone()), languages: Vec::new() }
    }

    /// Returns its letters of that weight, or those it has.
    pub(crate) fn of(&self, weight: Weight) -> &FontFile {
        self.bold.as_ref().filter(|_| weight == Weight::Bold).unwrap_or(&self.regular)
    }
}
