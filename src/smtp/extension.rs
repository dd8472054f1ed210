//! What a server says it can do, from the text of its EHLO reply. Pure.
//!
//! Source: RFC 5321 §4.1.1.1 (the reply's form; keywords in any case), and for each keyword the RFC at its field.

/// How large a message a server takes. Source: RFC 1870 §4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SizeOffer {
    /// `SIZE` is not offered: the parameter must not be used.
    #[default]
    Absent,
    /// Offered without a number, or with 0: no fixed limit.
    NoLimit,
    /// At most so many bytes.
    UpTo(u64),
}

/// The extensions a server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Commands may be sent in groups (RFC 2920).
    pub pipelining: bool,
    /// The size of a message may be declared (RFC 1870).
    pub size: SizeOffer,
    /// Bytes above 127 may stand in the body (RFC 6152).
    pub eight_bit: bool,
    /// Letters beyond ASCII may stand in addresses and headers (RFC 6531).
    pub smtp_utf8: bool,
    /// TLS may be started (RFC 3207).
    pub start_tls: bool,
    /// Replies carry enhanced codes (RFC 2034).
    pub enhanced_codes: bool,
    /// Ways to sign in, in upper case, in the server's order, each once (RFC 4954).
    pub sign_in: Vec<String>,
}

impl Extensions {
    /// Reads the text of a 250 reply to EHLO. The first line greets; unknown keywords mean nothing to us.
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines().skip(1) {
            // `AUTH=LOGIN PLAIN` is a form from before the standard; servers still send it beside the right one.
            let mut words = line.split(|c: char| c.is_ascii_whitespace() || c == '=').filter(|word| !word.is_empty());
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_uppercase().as_str() {
                "PIPELINING" => found.pipelining = true,
                "8BITMIME" => found.eight_bit = true,
                "SMTPUTF8" => found.smtp_utf8 = true,
                "STARTTLS" => found.start_tls = true,
                "ENHANCEDSTATUSCODES" => found.enhanced_codes = true,
                "SIZE" => {
                    found.size = match words.next().map(str::parse) {
                        Some(Ok(limit)) if limit > 0 => SizeOffer::UpTo(limit),
                        _ => SizeOffer::NoLimit,
                    }
                }
                "AUTH" => {
                    for word in words.map(str::to_ascii_uppercase) {
                        if !found.sign_in.contains(&word) {
                            found.sign_in.push(word);
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_read_in_any_case_and_both_forms_of_auth() {
        let text = "mx.example greets you\npipelining\nSize 35882577\n8bitMIME\nSMTPUTF8\nSTARTTLS\nENHANCEDSTATUSCODES\n\
                    AUTH LOGIN PLAIN\nAUTH=login xoauth2\nX-UNKNOWN a b\n";
        assert_eq!(
            Extensions::parse(text),
            Extensions {
                pipelining: true,
                size: SizeOffer::UpTo(35_882_577),
                eight_bit: true,
                smtp_utf8: true,
                start_tls: true,
                enhanced_codes: true,
                sign_in: ["LOGIN", "PLAIN", "XOAUTH2"].map(str::to_owned).to_vec(),
            }
        );
    }

    #[test]
    fn the_greeting_line_offers_nothing() {
        assert_eq!(Extensions::parse("PIPELINING"), Extensions::default());
        assert_eq!(Extensions::parse(""), Extensions::default());
    }

    #[test]
    fn a_size_without_a_number_is_no_limit() {
        for (line, size) in [
            ("SIZE", SizeOffer::NoLimit),
            ("SIZE 0", SizeOffer::NoLimit),
            ("SIZE x", SizeOffer::NoLimit),
            ("SIZE 1", SizeOffer::UpTo(1)),
            ("SIZE=7", SizeOffer::UpTo(7)),
            ("SIZES 1", SizeOffer::Absent),
        ] {
            assert_eq!(Extensions::parse(&format!("mx\n{line}")).size, size, "{line}");
        }
    }

    proptest::proptest! {
        /// Keywords of a real offer, cut, doubled and mixed with anything: what is understood was offered, and nothing panics.
        #[test]
        fn nothing_is_understood_that_was_not_offered(
            words in proptest::collection::vec(
                proptest::sample::select(vec![
                    "PIPELINING", "pipelining", "SIZE", "size=", " 35882577", " 99999999999999999999", " -1", "8BITMIME", "SMTPUTF8",
                    "STARTTLS", "AUTH", "AUTH=", " PLAIN", " login", " XOAUTH2", "\n", "\n", "\n", "\t", " ", "=", "é", "\u{0}", "X-",
                ]),
                0..40,
            )
        ) {
            let text = words.concat();
            let found = Extensions::parse(&text);
            let has = |word: &str| text.lines().skip(1).any(|line| line.to_ascii_uppercase().contains(word));
            proptest::prop_assert!(!found.pipelining || has("PIPELINING"));
            proptest::prop_assert!(!found.start_tls || has("STARTTLS"));
            proptest::prop_assert!(!found.eight_bit || has("8BITMIME"));
            proptest::prop_assert!(!found.smtp_utf8 || has("SMTPUTF8"));
            proptest::prop_assert!(found.size == SizeOffer::Absent || has("SIZE"));
            proptest::prop_assert!(found.sign_in.is_empty() || has("AUTH"));
            proptest::prop_assert!(found.sign_in.iter().all(|word| has(word)));
        }
    }
}
