//! Signing in: PLAIN and LOGIN. Pure: what the client sends at each step.
//!
//! Both show the password to the server, so the session signs in inside TLS only (RFC 4954 §4). No value of this
//! module may be logged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::secret::Secret;

/// The longest user name or password taken, in bytes; keeps the line under the 12,288 bytes of RFC 4954 §4.
pub const CREDENTIAL_BYTES_MAX: usize = 4096;

/// A user name and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name to sign in with.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

impl Credentials {
    /// Returns whether both parts can be sent: neither empty nor too long, and free of control characters (NUL
    /// parts the fields of PLAIN). Source: RFC 4616 §2, RFC 4013 §2.3.
    pub fn is_sendable(&self) -> bool {
        [self.user.as_str(), self.password.expose()]
            .into_iter()
            .all(|part| (1..=CREDENTIAL_BYTES_MAX).contains(&part.len()) && !part.contains(char::is_control))
    }
}

/// A way to sign in that we speak, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// One round trip. Source: RFC 4616.
    Plain,
    /// Three round trips; some Microsoft servers offer nothing else. Source: draft-murchison-sasl-login-00.
    Login,
}

impl Mechanism {
    /// Returns the best of the `offered` ones (upper case), if we speak any.
    pub fn choose(offered: &[String]) -> Option<Self> {
        let has = |name: &str| offered.iter().any(|word| word == name);
        if has("PLAIN") {
            Some(Self::Plain)
        } else if has("LOGIN") {
            Some(Self::Login)
        } else {
            None
        }
    }

    /// Returns the lines to send, one after each 334, the first at once; each with its CRLF.
    pub fn lines(self, credentials: &Credentials) -> Vec<Vec<u8>> {
        let Credentials { user, password } = credentials;
        match self {
            Self::Plain => {
                let fields = format!("\0{user}\0{}", password.expose());
                vec![format!("AUTH PLAIN {}\r\n", STANDARD.encode(fields)).into_bytes()]
            }
            Self::Login => vec![
                b"AUTH LOGIN\r\n".to_vec(),
                format!("{}\r\n", STANDARD.encode(user)).into_bytes(),
                format!("{}\r\n", STANDARD.encode(password.expose())).into_bytes(),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials { user: user.to_owned(), password: Secret::new(password) }
    }

    #[test]
    fn both_ways_send_what_their_documents_show() {
        // The PLAIN example of RFC 4616 §4, without an identity to act for.
        let tim = credentials("tim", "tanstaaftanstaaf");
        assert_eq!(Mechanism::Plain.lines(&tim), [b"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n"]);
        let expected: [&[u8]; 3] = [b"AUTH LOGIN\r\n", b"dGlt\r\n", b"dGFuc3RhYWZ0YW5zdGFhZg==\r\n"];
        assert_eq!(Mechanism::Login.lines(&tim), expected);
    }

    #[test]
    fn the_best_offered_way_is_chosen() {
        for (offered, expected) in [
            (&["LOGIN", "PLAIN"][..], Some(Mechanism::Plain)),
            (&["XOAUTH2", "LOGIN"], Some(Mechanism::Login)),
            (&["CRAM-MD5"], None),
            (&[], None),
        ] {
            let offered: Vec<String> = offered.iter().map(ToString::to_string).collect();
            assert_eq!(Mechanism::choose(&offered), expected, "{offered:?}");
        }
    }

    #[test]
    fn credentials_cannot_carry_a_separator() {
        assert!(credentials("jörg", "p ß").is_sendable());
        for (user, password) in [("a\0b", "p"), ("a", "p\0q"), ("a", "p\r\nMAIL"), ("", "p"), ("a", ""), ("a", &"x".repeat(4097))]
        {
            assert!(!credentials(user, password).is_sendable(), "{user:?}");
        }
    }

    #[test]
    fn a_password_never_prints() {
        assert_eq!(format!("{:?}", credentials("tim", "hunter2")), "Credentials { user: \"tim\", password: *** }");
    }
}
