//! E-mail addresses as a ledger, a rule or a script gives them, checked at the door.

use std::collections::BTreeSet;

use compact_str::{CompactString, format_compact};

use crate::domain::header::ExtraHeader;

/// Returns whether `text` has the form of an address that can stand in an SMTP envelope: `local@domain`, no white
/// space, no control characters, no quotes or brackets, at most 254 octets.
///
/// This is narrower than RFC 5321 §4.1.2 on purpose: quoted local parts and address literals do not occur among
/// customers, and what does not get through here can never inject a header or a command.
/// Source: RFC 5321 §4.5.3.1 (lengths), RFC 6531 (letters beyond ASCII are allowed in both parts).
pub fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    // !#$%&'*+-./=?^_`{|}~
    let is_mark = |c: char| matches!(c, '!' | '#'..='\'' | '*' | '+' | '-'..='/' | '=' | '?' | '^'..='`' | '{'..='~');
    let is_atom = |c: char| c.is_alphanumeric() && !c.is_control() || is_mark(c);
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

/// Addresses that nothing is sent to, whoever is to be written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suppressions(BTreeSet<String>);

impl Suppressions {
    /// Returns the one form in which an address is kept: servers that tell `AP@` from `ap@` do not occur.
    pub fn form(address: &str) -> String {
        address.to_lowercase()
    }

    /// Adds an address.
    pub fn add(&mut self, address: &str) {
        self.0.insert(Self::form(address));
    }

    /// Returns whether nothing is sent to an address.
    pub fn has(&self, address: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&Self::form(address))
    }
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

    /// Returns the name of its header field (RFC 5322, section 3.6.3).
    pub fn heading(self) -> &'static str {
        match self {
            Self::To => "To",
            Self::Cc => "Cc",
            Self::Bcc => "Bcc",
        }
    }
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
    /// The address in `From`.
    pub address: CompactString,
    /// Where answers go, if not to `address`.
    pub reply_to: Option<CompactString>,
    /// Where bounces go, if not to `address`.
    pub return_path: Option<ReturnPath>,
    /// Where `List-Help` says that help is: `mailto:…` or `https://…`; `is_help_address` holds.
    pub list_help: Option<String>,
    /// Headers of the operator's own.
    pub headers: Vec<ExtraHeader>,
    /// The SMTP servers to send through, the first that works; never empty.
    pub servers: Vec<crate::domain::id::ServerId>,
}

/// The most octets that the local part of a return path may have where a key is added to it: with a sign and the key of a
/// copy (32 characters, `-` and a number) they stay within 64. Source: RFC 5321 §4.5.3.1.1.
pub const RETURN_PATH_LOCAL_OCTETS_MAX: usize = 26;

/// Where bounces of a sender's mails go: one mailbox, under an address of its own for each message, so that a bounce
/// names its message whatever else is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPath {
    /// The mailbox; [`is_address`] holds.
    pub address: CompactString,
    /// What stands between the mailbox's name and the message key; `None`: no key is added.
    pub delimiter: Option<char>,
}

impl Sender {
    /// Returns the domain of the envelope's sender in its mails, which SPF is asked of.
    pub fn envelope_domain(&self) -> &str {
        let address = self.return_path.as_ref().map_or(&self.address, |path| &path.address);
        address.rsplit('@').next().unwrap_or_default()
    }
}

impl ReturnPath {
    /// Returns the address for the message with this key: `bounces+2085ded6…@acme.example`.
    pub fn of(&self, key: &str) -> CompactString {
        match (self.delimiter, self.address.rsplit_once('@')) {
            (Some(delimiter), Some((local, domain))) => format_compact!("{local}{delimiter}{key}@{domain}"),
            _ => self.address.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_path_names_the_message_and_keeps_within_its_octets() {
        let path = |address: &str, delimiter| ReturnPath { address: address.into(), delimiter };
        assert_eq!(path("bounces@acme.example", Some('+')).of("2085ded6-1"), "bounces+2085ded6-1@acme.example");
        assert_eq!(path("bounces@acme.example", None).of("2085ded6"), "bounces@acme.example");
        let longest = format!("{}@acme.example", "b".repeat(RETURN_PATH_LOCAL_OCTETS_MAX));
        assert!(is_address(&path(&longest, Some('=')).of(&format!("{}-9999", "f".repeat(32)))));
    }

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
