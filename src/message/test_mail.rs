//! The mail with which a sender tries its server: from itself to itself, about no customer.

use jiff::Zoned;
use sha2::{Digest, Sha256};

use crate::domain::id::{Language, ServerId};
use crate::domain::mailbox::{Recipient, RecipientRole, Sender};
use crate::message::compose::ComposeFault;
use crate::message::mime::{Envelope, message_bytes};
use crate::template::Rendered;

/// Returns the bytes of the mail with which `sender` tries `server` at `now`.
///
/// # Errors
/// The sender's address cannot stand in a header.
pub fn test_mail(sender: &Sender, server: &ServerId, now: &Zoned) -> Result<Vec<u8>, ComposeFault> {
    let hash = Sha256::digest(format!("test\0{}\0{server}\0{}", sender.address, now.timestamp()));
    let key: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let envelope = Envelope {
        key: &key,
        header_id: format!("{key}@{}", sender.address.rsplit('@').next().unwrap_or_default()),
        from_name: &sender.name,
        from: sender.address.clone(),
        return_path: sender.address.clone(),
        reply_to: None,
        recipients: vec![Recipient { address: sender.address.clone(), role: RecipientRole::To }],
        date: now,
        thread: Vec::new(),
        list_help: None,
        headers: sender.headers.iter().collect(),
    };
    let text = format!(
        "This mail was sent by `dunlin smtp test`, from the sender {} through the server {server}, to see whether it arrives.\n\n\
         Look at its headers: Authentication-Results tells what the receiver makes of SPF, DKIM and DMARC.\n",
        sender.id
    );
    let subject = format!("Test of the server {server}");
    let rendered = Rendered { subject, html: None, text, language: Language::new("en") };
    message_bytes(&envelope, &rendered, &[])
}
