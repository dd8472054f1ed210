//! Composing: from what a plan decided to the exact bytes that will go over the wire.
//!
//! Whole or not at all: a fault of a template or an address blocks the mail before anything is queued. The same letter
//! always gives the same bytes, so date and id come in as arguments. Nothing here decides who gets mail or sends it.

mod annex;
mod attachment;
mod base64_lines;
mod compose;
mod contents;
mod context;
mod copy;
mod figure;
mod file_kind;
mod mime;
mod paper;
mod pay;
mod plain;
mod statement;
mod test_mail;
mod values;
mod variables;

pub use crate::message::annex::Annex;
pub use crate::message::attachment::{
    ATTACHMENTS_BYTES_MAX, Attachment, FILE_NAME_CHARACTERS_MAX, attachment_fault, attachment_name,
};
pub use crate::message::compose::{
    ComposeFault, Composed, ComposedFile, Content, Letter, RECIPIENTS_MAX, REFERENCES_MAX, compose, compose_with, files,
};
pub use crate::message::contents::{Contents, KeptBytes};
pub use crate::message::copy::copy;
pub use crate::message::file_kind::{Ends, document_type, ending_of};
pub use crate::message::paper::paper;
pub use crate::message::plain::{PlainMail, plain_mail};
pub use crate::message::test_mail::test_mail;
pub use crate::message::values::values;
pub use crate::message::variables::{EVERY, RECEIPTS, STATEMENTS, TemplateVariable, VARIABLES, known_names, reference};
