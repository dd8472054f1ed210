//! YAML with the exact text and place of every value, read so that *all* problems of a file are found at once.
//!
//! `parse` turns a text into a tree of [`Node`]s; `decode` takes trees apart into the types of the floors above.
//! A derive would stop at the first fault and lose the place of a value, which is why this stands here
//! (docs/decisions/0005). No anchors' bombs, no second document, no duplicate key gets through.

mod decode;
mod expected;
mod parse;

pub use decode::{
    Fields, Problems, boolean, choice, currency, day, decimal, duration, list, map, one_or_list, text, unknown_word, variable,
    whole,
};
pub use expected::{is_written, words, written};
pub use parse::{Entry, Node, Scalar, Span, Style, Value, parse};
