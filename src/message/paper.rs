//! A letter as a paper: the same values as its mail, in a layout instead of a template.

use minijinja::Value;

use crate::message::attachment::{Attachment, file_name};
use crate::message::compose::{ComposeFault, Letter, check_balance};
use crate::message::context::context;
use crate::paper::{Code, Imprint, Layout};
use crate::payment::{CodeKind, PaymentCode};
use crate::template::{Templates, image_of};

/// The content type of a paper. Source: RFC 8118.
const PDF: &str = "application/pdf";
/// What every paper's name ends in.
pub(crate) const ENDING: &str = "pdf";

/// Makes the paper of a letter in its reader's language. The same letter, layout and templates always give the same bytes.
///
/// # Errors
/// The first thing that stands in the way; nothing of the paper exists then.
pub fn paper(letter: &Letter<'_>, layout: &Layout, templates: &Templates) -> Result<Attachment, ComposeFault> {
    check_balance(letter)?;
    let language = letter.language.or(letter.ledger.customer(letter.customer).language.as_ref());
    let voice = templates.voice(layout.languages(), language);
    let values = context(letter, voice.reader(), voice.language(), None);
    let imprint = Imprint { id: letter.message_id, date: letter.as_of, author: &letter.sender.name, code: drawn };
    let made = layout.make(&voice, &values, &imprint)?;
    Ok(Attachment {
        name: file_name(&made.name, ENDING),
        content_type: PDF.to_owned(),
        contents: made.bytes.into(),
        customer: None,
    })
}

/// Returns what a slip draws for a payment code of a letter; `None` where the value is none.
fn drawn(value: &Value) -> Option<Code> {
    let code: PaymentCode = image_of(value)?;
    let matrix = code.matrix();
    let size = matrix.size();
    let modules = (0..size).flat_map(|row| (0..size).map(move |column| (column, row)));
    let modules = modules.map(|(column, row)| matrix.is_dark(column, row)).collect();
    Some(Code { size, modules, has_cross: code.kind() == CodeKind::Swiss })
}
