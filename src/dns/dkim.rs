//! DKIM records: the public key under a selector. Pure. Source: RFC 6376 §3.6.1, RFC 8463 §4.

/// What a text under a selector says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DkimKey {
    /// A key is there.
    Present,
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
        value("p").map(|key| if key.is_empty() { Self::Revoked } else { Self::Present })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_from_one_that_was_taken_back_and_from_other_texts() {
        for (text, expected) in [
            ("v=DKIM1; k=rsa; p=MIIB", Some(DkimKey::Present)),
            ("k=ed25519; p=11qY", Some(DkimKey::Present)),
            ("v=DKIM1; p=", Some(DkimKey::Revoked)),
            ("v=DMARC1; p=none", None),
            ("hello", None),
        ] {
            assert_eq!(DkimKey::parse(text), expected, "{text}");
        }
    }
}
