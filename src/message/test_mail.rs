//! The mail with which a sender tries its server: from itself to itself, about no customer.

use jiff::Zoned;
use sha2::{Digest, Sha256};

use crate::domain::hex::hexadecimal;
use crate::domain::id::ServerId;
use crate::domain::mailbox::{Recipient, RecipientRole, Sender};
use crate::message::compose::{ComposeFault, Composed};
use crate::message::plain::{PlainMail, plain_mail};

/// Returns the mail with which `sender` tries `server` at `now`.
///
/// # Errors
/// The sender's address cannot stand in a header.
pub fn test_mail(sender: &Sender, server: &ServerId, now: &Zoned) -> Result<Composed, ComposeFault> {
    let hash = Sha256::digest(format!("test\0{}\0{server}\0{}", sender.address, now.timestamp()));
    let key = hexadecimal(&hash[..16]);
    let text = format!(
        "This mail was sent by `dunlin smtp test`, from the sender {} through the server {server}, to see whether it arrives.\n\n\
         Look at its headers: Authentication-Results tells what the receiver makes of SPF, DKIM and DMARC.\n",
        sender.id
    );
    let subject = format!("Test of the server {server}");
    let recipients = [Recipient { address: sender.address.clone(), role: RecipientRole::To }];
    plain_mail(&PlainMail { key: &key, sender, recipients: &recipients, subject: &subject, text: &text, date: now })
}
