//! Headers that an operator adds to mails: what they may be called and hold, checked at the door.

/// The most extra headers that a sender or a rule may have.
pub const HEADERS_MAX: usize = 20;

/// The longest name of an extra header, in characters.
pub const HEADER_NAME_CHARACTERS_MAX: usize = 64;

/// The longest value of an extra header, in characters; folded and encoded, no line of it comes near 998 octets.
pub const HEADER_VALUE_CHARACTERS_MAX: usize = 500;

/// Headers that are the program's own, or that others add on the way; an extra one beside them would be a second truth.
const OWN: &[&str] = &[
    "Authentication-Results",
    "Auto-Submitted",
    "Bcc",
    "Cc",
    "Date",
    "Delivered-To",
    "DKIM-Signature",
    "DomainKey-Signature",
    "From",
    "In-Reply-To",
    "List-Help",
    "Message-ID",
    "MIME-Version",
    "Received",
    "Received-SPF",
    "References",
    "Reply-To",
    "Return-Path",
    "Sender",
    "Subject",
    "To",
    "X-Auto-Response-Suppress",
    "X-Original-To",
];

/// What the names of whole families begin with that are not an operator's to write.
const OWN_FAMILIES: &[&str] = &["ARC-", "Content-", "Resent-", "X-Dunlin-"];

/// A header that an operator adds to mails: `X-Campaign: dunning`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraHeader {
    /// Its name; [`header_name_fault`] finds nothing in it.
    pub name: String,
    /// Its value in one line; [`header_value_fault`] finds nothing in it.
    pub value: String,
}

impl ExtraHeader {
    /// Returns whether it is called `name`. Source: RFC 5322 §1.2.2, names in any case.
    pub fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Returns why no extra header may be called `name`, if none may.
///
/// Narrower than RFC 5322 §2.2 on purpose: what every server on the way passes on.
pub fn header_name_fault(name: &str) -> Option<String> {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !is_plain || name.len() > HEADER_NAME_CHARACTERS_MAX {
        return Some(format!(
            "is no name of a header: use letters, digits, `-` and `_`, a letter first, at most {HEADER_NAME_CHARACTERS_MAX}"
        ));
    }
    let is_own = OWN.iter().any(|own| own.eq_ignore_ascii_case(name));
    let is_of_family = |family: &&&str| name.get(..family.len()).is_some_and(|start| start.eq_ignore_ascii_case(family));
    match OWN_FAMILIES.iter().find(is_of_family) {
        Some(family) => {
            Some(format!("cannot be set: headers that begin with `{family}` are written by the program or by servers"))
        }
        None => is_own.then(|| "cannot be set: it is written by the program or by servers".to_owned()),
    }
}

/// Returns why no extra header may hold `value`, if none may.
pub fn header_value_fault(value: &str) -> Option<String> {
    if value.trim().is_empty() {
        return Some("is empty".to_owned());
    }
    if value.chars().any(char::is_control) {
        return Some("has more than one line, or a control character".to_owned());
    }
    (value.chars().count() > HEADER_VALUE_CHARACTERS_MAX)
        .then(|| format!("has more than {HEADER_VALUE_CHARACTERS_MAX} characters"))
}

/// Returns whether `text` can stand in `List-Help`: a `mailto:` address or an `https:` address.
///
/// Source: RFC 2369 §2 (one URI in angle brackets, without white space), §3.1.
pub fn is_help_address(text: &str) -> bool {
    let is_plain = text.chars().all(|c| c.is_ascii_graphic() && !"<>,\"".contains(c));
    let is_mail = |rest: &str| crate::domain::mailbox::is_address(rest.split('?').next().unwrap_or_default());
    let is_page = |rest: &str| rest.split(['/', '?', '#']).next().is_some_and(|host| !host.is_empty());
    is_plain
        && text.len() <= HEADER_VALUE_CHARACTERS_MAX
        && (text.strip_prefix("mailto:").is_some_and(is_mail) || text.strip_prefix("https://").is_some_and(is_page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extra_header_is_none_of_those_that_make_a_mail() {
        for name in ["X-Campaign", "Organization", "List-Unsubscribe", "Precedence", "X_Id", "Contents"] {
            assert_eq!(header_name_fault(name), None, "{name}");
        }
        let long = "X".repeat(HEADER_NAME_CHARACTERS_MAX + 1);
        for name in ["", "X Y", "X:Y", "X\r\nBcc", "1X", "-X", "Ü", "X;d=y", &long] {
            assert!(header_name_fault(name).is_some_and(|fault| fault.contains("no name")), "{name:?}");
        }
        for name in
            ["from", "BCC", "Date", "Message-Id", "dkim-signature", "Content-Type", "mime-version", "ARC-Seal", "X-Dunlin-Key"]
        {
            assert!(header_name_fault(name).is_some_and(|fault| fault.contains("cannot be set")), "{name}");
        }
    }

    #[test]
    fn a_value_is_one_line_of_some_length() {
        for (value, is_right) in [
            ("dunning", true),
            ("Buchhaltung Süd =?utf-8?", true),
            ("", false),
            (" ", false),
            ("a\r\nBcc: x@y.example", false),
            ("a\0", false),
            ("a\u{85}b", false),
            (&"x".repeat(HEADER_VALUE_CHARACTERS_MAX), true),
            (&"x".repeat(HEADER_VALUE_CHARACTERS_MAX + 1), false),
        ] {
            assert_eq!(header_value_fault(value).is_none(), is_right, "{value:?}");
        }
    }

    #[test]
    fn help_is_at_an_address_or_a_page() {
        for good in ["mailto:ar@acme.example", "mailto:ar@acme.example?subject=help", "https://acme.example/help?a=1"] {
            assert!(is_help_address(good), "{good}");
        }
        let long = format!("https://acme.example/{}", "x".repeat(HEADER_VALUE_CHARACTERS_MAX));
        for bad in [
            "",
            "ar@acme.example",
            "mailto:",
            "mailto:ar",
            "http://acme.example",
            "https://",
            "https:///x",
            "https://acme.example/a b",
            "https://acme.example/>\r\nBcc: x",
            "javascript:x",
            &long,
        ] {
            assert!(!is_help_address(bad), "{bad}");
        }
    }
}
