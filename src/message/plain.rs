//! A mail of plain text that is about no customer: what the program tells the people who run it.

use jiff::Zoned;

use crate::domain::id::Language;
use crate::domain::mailbox::{Recipient, Sender};
use crate::message::compose::ComposeFault;
use crate::message::mime::{Envelope, message_bytes};
use crate::template::Rendered;

/// Everything such a mail is made from.
#[derive(Clone, Copy, Debug)]
pub struct PlainMail<'m> {
    /// What makes it itself: letters, digits and `-`; its Message-ID is made of it.
    pub key: &'m str,
    /// Who it is from.
    pub sender: &'m Sender,
    /// Who it goes to.
    pub recipients: &'m [Recipient],
    /// One line.
    pub subject: &'m str,
    /// The body.
    pub text: &'m str,
    /// What its Date says.
    pub date: &'m Zoned,
}

/// Returns the whole message; lines end in CRLF, dots not yet stuffed. The same mail always gives the same bytes.
///
/// # Errors
/// An address or the date cannot stand in a header.
pub fn plain_mail(mail: &PlainMail<'_>) -> Result<Vec<u8>, ComposeFault> {
    let envelope = Envelope {
        key: mail.key,
        header_id: format!("{}@{}", mail.key, mail.sender.address.rsplit('@').next().unwrap_or_default()),
        from_name: &mail.sender.name,
        from: mail.sender.address.clone(),
        return_path: mail.sender.address.clone(),
        reply_to: mail.sender.reply_to.clone(),
        recipients: mail.recipients.to_vec(),
        date: mail.date,
        thread: Vec::new(),
        list_help: None,
        headers: mail.sender.headers.iter().collect(),
    };
    let subject = mail.subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let rendered = Rendered { subject, html: None, text: mail.text.to_owned(), language: Language::new("en") };
    message_bytes(&envelope, &rendered, &[])
}
