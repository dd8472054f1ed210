//! Why a paper could not be made.

use thiserror::Error;

use crate::domain::problem::Place;
use crate::template::TemplateFault;

/// The most pages of a paper.
pub(crate) const PAGES_MAX: usize = 5_000;

/// Why a paper could not be made; the mail that it goes with is blocked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PaperFault {
    /// A text of the layout could not be filled.
    #[error(transparent)]
    Text(#[from] TemplateFault),
    /// A character that no font has.
    #[error("The layout `{layout}` has no font for {character:?} (U+{:04X}) in {text:?}; name one that has it under `fonts`", u32::from(*character))]
    GlyphMissing {
        /// The layout's name.
        layout: String,
        /// The character.
        character: char,
        /// The beginning of the text it stands in.
        text: String,
    },
    /// A single sign that is wider than its column.
    #[error("{text:?} is wider than its place in the layout `{layout}`")]
    TooWide {
        /// The layout's name.
        layout: String,
        /// The sign.
        text: String,
    },
    /// A part that no page has room for.
    #[error("{place}: a part is higher than a page of the layout")]
    TooHigh {
        /// Where in the layout it stands.
        place: Place,
    },
    /// A list that this kind of mail does not have.
    #[error("{place}: this mail has no `{list}`")]
    ListMissing {
        /// Where in the layout it is named.
        place: Place,
        /// The list.
        list: String,
    },
    /// Without end, as it seems.
    #[error("The paper of the layout `{layout}` has more than {PAGES_MAX} pages")]
    TooLong {
        /// The layout's name.
        layout: String,
    },
    /// The writer of PDFs refuses.
    #[error("The PDF of the layout `{layout}` could not be written: {reason}")]
    Unwritten {
        /// The layout's name.
        layout: String,
        /// Its words.
        reason: String,
    },
}
