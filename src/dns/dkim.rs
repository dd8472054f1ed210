//! DKIM records: the public key under a selector. Pure. Source: RFC 6376 §3.6.1, RFC 8463 §4.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a text under a selector says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DkimKey {
    /// A key is there.
    Present {
        /// Its kind, the `k=`: `rsa` where the record does not say.
        kind: String,
        /// The key, the `p=`; empty where it is no Base64.
        key: Vec<u8>,
    },
    /// The key was taken back: `p=` is empty.
    Revoked,
}

impl DkimKey {
    /// Reads a record; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let tags: Vec<(&str, &str)> =
            text.split(';').filter_map(|tag| tag.split_once('=')).map(|(name, value)| (name.trim(), value.trim())).collect();
        let value = |wanted: &str| tags.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        if value("v").is_some_and(|version| version != "DKIM1") {
            return None;
        }
        // Blanks may stand anywhere in a key. Source: RFC 6376 §3.2.
        let written: String = value("p")?.split_ascii_whitespace().collect();
        if written.is_empty() {
            return Some(Self::Revoked);
        }
        let kind = value("k").unwrap_or("rsa").to_ascii_lowercase();
        Some(Self::Present { kind, key: STANDARD.decode(written).unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_from_one_that_was_taken_back_and_from_other_texts() {
        let key = |kind: &str, key: &[u8]| Some(DkimKey::Present { kind: kind.to_owned(), key: key.to_vec() });
        for (text, expected) in [
            ("v=DKIM1; k=rsa; p=MIIB", key("rsa", &[0x30, 0x82, 0x01])),
            ("v=DKIM1; p=MI\tI B", key("rsa", &[0x30, 0x82, 0x01])),
            ("k=Ed25519; p=11qY", key("ed25519", &[0xd7, 0x5a, 0x98])),
            ("v=DKIM1; p=?", key("rsa", &[])),
            ("v=DKIM1; p=", Some(DkimKey::Revoked)),
            ("v=DMARC1; p=none", None),
            ("hello", None),
        ] {
            assert_eq!(DkimKey::parse(text), expected, "{text}");
        }
    }
}
