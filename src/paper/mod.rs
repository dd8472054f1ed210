//! Papers: statements, reminders and lists of items as PDF, in a layout that a finance team writes in YAML.
//!
//! A layout is checked whole when it loads; a paper is filled from the values that the mail's template has, set line by line,
//! put on pages, and drawn. All lengths are whole thousandths of a point and all widths come from the shaper that the drawing
//! uses, so the same values give the same bytes on every machine. It must not know what a rule or a mail is, and reads no
//! file: texts, fonts and pictures come in as bytes.

mod band;
mod blocks;
mod draw;
mod fault;
mod flow;
mod font;
mod keys;
mod layout;
mod length;
mod line;
mod make;
mod parts;
mod read;
mod reference;
mod slip;
mod table;
mod word;

pub use crate::paper::fault::PaperFault;
pub use crate::paper::layout::{Layout, Layouts};
pub use crate::paper::make::{Imprint, Paper};
pub use crate::paper::read::{LAYOUTS_MAX, LayoutFile, PaperFile, load};
pub use crate::paper::reference::{papers_page, schema};
pub use crate::paper::slip::Code;

#[cfg(test)]
mod tests;
