//! The values of a letter for programs outside: all that its templates have, under the same names, as JSON.

use serde_json::Value as Json;

use crate::message::compose::{ComposeFault, Letter, check_balance};
use crate::message::context::context;
use crate::template::{Templates, json_of};

/// Returns what the templates of a letter have, in the language of its mail. Images of files and functions are left out.
///
/// # Errors
/// There is no such template, or the letter is a statement that does not add up.
pub fn values(letter: &Letter<'_>, templates: &Templates) -> Result<Json, ComposeFault> {
    check_balance(letter)?;
    let language = letter.language.or(letter.ledger.customer(letter.customer).language.as_ref());
    let choice = templates.choose(letter.template, language)?;
    Ok(json_of(&context(letter, choice.reader(), choice.language(), None)))
}
