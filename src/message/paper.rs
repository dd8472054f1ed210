//! A letter as a paper: the same values as its mail, in a layout instead of a template.

use crate::domain::money::plain;
use crate::message::attachment::{Attachment, file_name};
use crate::message::compose::{ComposeFault, Content, Letter};
use crate::message::context::context;
use crate::paper::{Imprint, Layout};
use crate::template::Templates;

/// The content type of a paper. Source: RFC 8118.
const PDF: &str = "application/pdf";
/// What every paper's name ends in.
pub(crate) const ENDING: &str = "pdf";

/// Makes the paper of a letter in its reader's language. The same letter, layout and templates always give the same bytes.
///
/// # Errors
/// The first thing that stands in the way; nothing of the paper exists then.
pub fn paper(letter: &Letter<'_>, layout: &Layout, templates: &Templates) -> Result<Attachment, ComposeFault> {
    if let Content::Statement(statement) = letter.content
        && !statement.is_balanced()
    {
        return Err(ComposeFault::Unbalanced { balance: plain(statement.total(), statement.currency) });
    }
    let language = letter.language.or(letter.ledger.customer(letter.customer).language.as_ref());
    let voice = templates.voice(layout.languages(), language);
    let values = context(letter, voice.reader(), voice.language(), None);
    let imprint = Imprint { id: letter.message_id, date: letter.as_of, author: &letter.sender.name };
    let made = layout.make(&voice, &values, &imprint)?;
    Ok(Attachment {
        name: file_name(&made.name, ENDING),
        content_type: PDF.to_owned(),
        contents: made.bytes.into(),
        customer: None,
    })
}
