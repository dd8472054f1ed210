//! Templates: texts with gaps, checked when they load and filled in the reader's language.
//!
//! The language is MiniJinja, held tight: an unknown name is an error, never an empty place; HTML is escaped; work, depth
//! and size are bounded. Money and dates are values of their own here and print the way their reader writes them.
//! Nothing here knows what a mail is or reads a file: texts come in, texts go out, with the images that they show.
//! `message/` builds the values.

mod check;
mod code;
mod cover;
mod css;
mod file;
mod filter;
mod hash;
mod image;
mod json;
mod load;
mod mention;
mod mjml;
mod mjml_attributes;
mod phrase;
mod plural;
mod reader;
mod render;
mod text;
mod value;

pub use crate::template::check::{KnownName, NameKind, pattern_problems};
pub use crate::template::file::TemplateFile;
pub use crate::template::filter::{FILTERS, Helper, LentCall, LentFilter, TESTS, helper_reference, is_filter};
pub use crate::template::hash::{HASH_NAMES, HashChange, HashName, Translated, hash_table, translate};
pub use crate::template::image::{
    Album, IMAGE_BYTES_MAX, IMAGE_ENDINGS, IMAGE_FILES_MAX, IMAGE_FUNCTION, IMAGES_BYTES_MAX, IMAGES_MAX, Image, ImageFile,
    ShownImage, image_fault, image_of, image_value,
};
pub use crate::template::json::json_of;
pub use crate::template::load::{TEMPLATE_BYTES_MAX, TEMPLATES_MAX, Templates};
pub use crate::template::phrase::{Phrase, ROW, Voice, sole_value};
pub use crate::template::reader::{LANGUAGE_DEFAULT, Reader};
pub use crate::template::render::{
    Choice, FUEL_MAX, OUTPUT_BYTES_MAX, RECURSION_MAX, Rendered, SUBJECT_CHARACTERS_MAX, TemplateFault,
};
pub use crate::template::value::{
    date_value, decimal_value, money_of_value, money_value, record_value, text_value, variable_value,
};

#[cfg(test)]
mod mjml_tests;
#[cfg(test)]
mod tests;
