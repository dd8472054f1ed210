//! A mail of plain text that is about no customer: what the program tells the people who run it.

use jiff::Zoned;

use crate::domain::id::Language;
use crate::domain::mailbox::{Recipient, Sender};
use crate::message::compose::{ComposeFault, Composed, addressed, extra_headers};
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

/// Returns the mail; bounces go to its sender. The same mail always gives the same bytes.
///
/// # Errors
/// A name, an address or the date cannot stand in a header.
pub fn plain_mail(mail: &PlainMail<'_>) -> Result<Composed, ComposeFault> {
    let headers = extra_headers(mail.sender, &[])?;
    let envelope = Envelope { headers, ..addressed(mail.key, mail.sender, mail.recipients, mail.date)? };
    let subject = mail.subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let rendered =
        Rendered { subject, html: None, text: mail.text.to_owned(), images: Vec::new(), language: Language::new("en") };
    let (bytes, _) = message_bytes(&envelope, &rendered, &[])?;
    Ok(Composed::new(envelope, rendered, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::SenderId;
    use crate::domain::mailbox::RecipientRole;

    #[test]
    fn a_domain_in_letters_of_its_own_travels_in_ascii_like_that_of_any_mail() {
        let sender = Sender {
            id: SenderId::new("ar"),
            name: "Müller".into(),
            address: "ar@müller.example".into(),
            reply_to: None,
            return_path: None,
            list_help: None,
            headers: vec![],
            servers: vec![],
        };
        let to = [Recipient { address: "ops@müller.example".into(), role: RecipientRole::To }];
        let date = "2027-03-10T09:00[Europe/Berlin]".parse().unwrap();
        let mail = PlainMail { key: "k1", sender: &sender, recipients: &to, subject: "S", text: "T\n", date: &date };
        let composed = plain_mail(&mail).unwrap();
        assert_eq!(composed.envelope_from, "ar@xn--mller-kva.example");
        assert_eq!(composed.recipients[0].address, "ops@xn--mller-kva.example");
        assert_eq!(composed.header_id, "k1@xn--mller-kva.example");
        assert!(composed.bytes.is_ascii(), "{}", String::from_utf8_lossy(&composed.bytes));
    }
}
