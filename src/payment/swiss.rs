//! The text of a Swiss QR-bill's code.
//!
//! Source: Swiss Implementation Guidelines QR-bill, version 2.3, §4 (fields, in their order), §5.1 (error correction M, at most
//! version 25), §3.5 (the picture). Addresses are structured: the combined ones are no longer taken.

use crate::domain::company::{BankAccount, Company};
use crate::payment::reference::Reference;
use crate::payment::transfer::{CodeKind, MESSAGE_CHARACTERS_MAX, Transfer, amount_text, kind_of, one_line};

/// How many bytes the whole text may have.
const TEXT_BYTES_MAX: usize = 997;
/// The largest version of the code; it holds 997 bytes.
pub(crate) const SWISS_VERSION_MAX: u8 = 25;
/// How many characters the parts of an address may have.
const NAME_MAX: usize = 70;
const STREET_MAX: usize = 70;
const POSTAL_CODE_MAX: usize = 16;
const CITY_MAX: usize = 35;

/// How long a side of the printed square is, in tenths of a millimetre, without its quiet zone of 5 mm. Source: §3.5.1.
pub const CODE_TENTHS: usize = 460;
/// The cross in the middle of the code, in tenths of a millimetre: the sides of the white square it stands in and of the black
/// square in that, and the length and breadth of the two white bars. Source: §3.5.2; the bars are as 20 to 6, those of the flag.
pub const CROSS_TENTHS: [usize; 4] = [70, 60, 39, 12];

/// Returns what an account's Swiss code lacks of the company, in words; `None` where nothing is missing or it gets no such code.
pub fn creditor_fault(company: &Company, account: &BankAccount) -> Option<String> {
    if kind_of(account) != Some(CodeKind::Swiss) {
        return None;
    }
    let parts = [
        ("postal_code", &company.postal_code, POSTAL_CODE_MAX),
        ("city", &company.city, CITY_MAX),
        ("country_code", &company.country_code, 2),
    ];
    let missing: Vec<&str> = parts.iter().filter(|(_, text, _)| one_line(text).is_empty()).map(|(name, ..)| *name).collect();
    if !missing.is_empty() {
        return Some(format!("`{}` of the company is missing", missing.join("`, `")));
    }
    let parts = [("holder", &account.holder, NAME_MAX), ("street", &company.street, STREET_MAX)].into_iter().chain(parts);
    for (name, text, most) in parts {
        if one_line(text).chars().count() > most {
            return Some(format!("`{name}` `{text}` has more than {most} characters"));
        }
        if let Some(odd) = one_line(text).chars().find(|c| !is_allowed(*c)) {
            return Some(format!("`{name}` has the letter {odd:?}, which no Swiss code can have"));
        }
    }
    None
}

/// Returns the text; `None` where something has no room or cannot be written.
pub(crate) fn swiss_text(transfer: &Transfer<'_>) -> Option<String> {
    let (company, account) = (transfer.company, transfer.account);
    if creditor_fault(company, account).is_some() {
        return None;
    }
    // A QR-IBAN takes a QR reference and nothing else; no other IBAN takes one.
    let (iban, kind, reference) = match (&transfer.reference, &account.qr_iban) {
        (Reference::Qr(reference), Some(qr_iban)) => (qr_iban, "QRR", reference.as_str()),
        (Reference::Creditor(reference), _) => (account.iban.as_ref()?, "SCOR", reference.as_str()),
        _ => (account.iban.as_ref()?, "NON", ""),
    };
    let head = [
        // The kind of code, its version 2.x, and UTF-8.
        "SPC",
        "0200",
        "1",
        iban.as_str(),
        // Who is paid: a structured address. Street and number may stand in one.
        "S",
        &one_line(&account.holder),
        &one_line(&company.street),
        "",
        &one_line(&company.postal_code),
        &one_line(&company.city),
        &company.country_code,
        // Who is paid in the end: for later use.
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        &amount_text(transfer.money.amount),
        transfer.money.currency.as_str(),
        // Who pays: it may be left open, and the books need not have the address in parts.
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        kind,
        reference,
    ]
    .join("\n");
    let own = match &transfer.reference {
        Reference::Other(reference) => Some(reference),
        _ => None,
    };
    let messages = own.into_iter().chain(&transfer.messages).map(|message| one_line(message));
    let fits = |message: &String| message.chars().count() <= MESSAGE_CHARACTERS_MAX && message.chars().all(is_allowed);
    // Without a reference the message is all that the payment is known by.
    let message = messages.into_iter().find(|message| fits(message) && !message.is_empty());
    let message = message.or_else(|| (kind != "NON").then(String::new))?;
    let text = format!("{head}\n{message}\nEPD");
    (text.len() <= TEXT_BYTES_MAX).then_some(text)
}

/// Returns whether a character can stand in the code. Source: Swiss Implementation Guidelines QR-bill 2.3 §4.1.1.
fn is_allowed(character: char) -> bool {
    matches!(character, '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{17f}' | '\u{218}'..='\u{21b}' | '\u{20ac}')
}
