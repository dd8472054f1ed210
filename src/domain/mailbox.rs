//! E-mail addresses as a ledger, a rule or a script gives them, checked at the door.

use compact_str::CompactString;

/// Returns whether `text` has the form of an address that can stand in an SMTP envelope: `local@domain`, no white
/// space, no control characters, no quotes or brackets, at most 254 octets.
///
/// This is narrower than RFC 5321 §4.1.2 on purpose: quoted local parts and address literals do not occur among
/// customers, and what does not get through here can never inject a header or a command.
/// Source: RFC 5321 §4.5.3.1 (lengths), RFC 6531 (letters beyond ASCII are allowed in both parts).
pub fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_atom = |c: char| c.is_alphanumeric() && !c.is_control() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    text.len() <= 254
        && (1..=64).contains(&local.len())
        && local.chars().all(is_atom)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.split('.').all(is_label)
}

/// What a recipient is in a mail's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientRole {
    /// Addressed.
    To,
    /// Copied, visibly.
    Cc,
    /// Copied, invisibly: in the envelope only.
    Bcc,
}

impl RecipientRole {
    /// All of them, the most prominent first.
    pub const ALL: [Self; 3] = [Self::To, Self::Cc, Self::Bcc];
}

/// One address a mail goes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Recipient {
    /// The address; [`is_address`] holds.
    pub address: CompactString,
    /// Where it stands in the header.
    pub role: RecipientRole,
}

/// Who a mail comes from: a sender profile of config.yaml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The profile's key.
    pub id: crate::domain::id::SenderId,
    /// The name to show; may be empty.
    pub name: String,
    /// The address in `From`, and the envelope's sender.
    pub address: CompactString,
    /// Where answers go, if not to `address`.
    pub reply_to: Option<CompactString>,
    /// The SMTP servers to send through, the first that works; never empty.
    pub servers: Vec<crate::domain::id::ServerId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_pass_the_door() {
        for good in ["a@b.example", "first.last+tag@sub.b-c.example", "jörg@müller.example", "x@localhost", "o'neil@b.example"]
        {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b.example",
            "a@",
            "a b@c.example",
            "a@b..example",
            ".a@b.example",
            "a@-b.example",
            "a@b.example\r\nBcc: x@y",
            "<a@b.example>",
            "\"a b\"@c.example",
            "a@[127.0.0.1]",
            "a,b@c.example",
        ] {
            assert!(!is_address(bad), "{bad:?}");
        }
    }
}
