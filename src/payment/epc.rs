//! The text of a SEPA credit transfer code.
//!
//! Source: EPC069-12, version 3.1 ("Quick Response Code: guidelines to enable data capture for the initiation of a SEPA credit
//! transfer"), §3: version 002 of the data, UTF-8, error correction M, at most version 13 of the code and 331 bytes.

use crate::payment::reference::Reference;
use crate::payment::transfer::{MESSAGE_CHARACTERS_MAX, Transfer, amount_text, one_line};

/// How many characters the holder's name may have.
const NAME_CHARACTERS_MAX: usize = 70;
/// How many bytes the whole text may have.
const TEXT_BYTES_MAX: usize = 331;
/// The largest version of the code; it holds 331 bytes.
pub(crate) const EPC_VERSION_MAX: u8 = 13;

/// Returns the text; `None` where something has no room.
pub(crate) fn epc_text(transfer: &Transfer<'_>) -> Option<String> {
    let name = one_line(&transfer.account.holder);
    if name.is_empty() || name.chars().count() > NAME_CHARACTERS_MAX {
        return None;
    }
    let iban = transfer.account.iban.as_ref()?;
    let head = [
        "BCD",
        "002",
        // UTF-8.
        "1",
        "SCT",
        transfer.account.bic.as_ref().map_or("", |bic| bic.as_str()),
        &name,
        iban.as_str(),
        &format!("EUR{}", amount_text(transfer.money.amount)),
        // The purpose: none.
        "",
    ]
    .join("\n");
    // A structured reference or a text, never both.
    let texts: Vec<String> = match &transfer.reference {
        Reference::Creditor(reference) => vec![format!("{head}\n{reference}")],
        Reference::Other(reference) if reference.chars().count() <= MESSAGE_CHARACTERS_MAX => {
            vec![format!("{head}\n\n{}", one_line(reference))]
        }
        _ => {
            let messages = transfer.messages.iter().map(|message| one_line(message));
            let fits = |message: &String| !message.is_empty() && message.chars().count() <= MESSAGE_CHARACTERS_MAX;
            messages.filter(fits).map(|message| format!("{head}\n\n{message}")).collect()
        }
    };
    texts.into_iter().find(|text| text.len() <= TEXT_BYTES_MAX)
}
