//! Signing in: PLAIN, LOGIN, CRAM-MD5, XOAUTH2 and OAUTHBEARER. Pure: what the client sends at each step.
//!
//! All but CRAM-MD5 show the secret to the server, so the session signs in inside TLS only (RFC 4954 §4). No value of this
//! module may be logged but [`Mechanism`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use crate::domain::hex::hexadecimal;
use crate::domain::secret::Secret;

/// The longest user name or password taken, in bytes; keeps the line under the 12,288 bytes of RFC 4954 §4.
pub const CREDENTIAL_BYTES_MAX: usize = 4096;
/// The longest token taken, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8_192;
/// The longest name of an account that signs in with a token, in bytes: with both, the line stays under those 12,288 bytes.
pub const TOKEN_USER_BYTES_MAX: usize = 512;
/// The longest command line with its CRLF; what is longer waits for the server's 334. Source: RFC 4954 §4, RFC 5321 §4.5.3.1.4.
const COMMAND_BYTES_MAX: usize = 512;
/// How much of what a server says of a refused token is kept, in characters.
const EXPLANATION_CHARACTERS_MAX: usize = 500;

/// A user name and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name to sign in with.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// What proves who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofKind {
    /// A password.
    Password,
    /// An access token (OAuth 2).
    Token,
}

/// A way to sign in that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// One round trip. Source: RFC 4616.
    Plain,
    /// Three round trips; some Microsoft servers offer nothing else. Source: draft-murchison-sasl-login-00.
    Login,
    /// The password stays here, but the server must keep it readable: only where it is asked for. Source: RFC 2195.
    CramMd5,
    /// A token, in the form of Google and Microsoft. Source: developers.google.com/workspace/gmail/imap/xoauth2-protocol.
    XOauth2,
    /// A token, in the form of the standard. Source: RFC 7628.
    OauthBearer,
}

impl Mechanism {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Login, Self::CramMd5, Self::XOauth2, Self::OauthBearer];

    /// Returns the name in the dialogue.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
            Self::XOauth2 => "XOAUTH2",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    /// Returns config.yaml's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Login => "login",
            Self::CramMd5 => "cram-md5",
            Self::XOauth2 => "xoauth2",
            Self::OauthBearer => "oauthbearer",
        }
    }

    /// Returns what it takes.
    pub fn proof(self) -> ProofKind {
        match self {
            Self::Plain | Self::Login | Self::CramMd5 => ProofKind::Password,
            Self::XOauth2 | Self::OauthBearer => ProofKind::Token,
        }
    }

    /// Returns the ways for a proof that are chosen among without being asked for, best first.
    pub fn usual(proof: ProofKind) -> &'static [Self] {
        match proof {
            ProofKind::Password => &[Self::Plain, Self::Login],
            // The providers document XOAUTH2, and some offer it alone.
            ProofKind::Token => &[Self::XOauth2, Self::OauthBearer],
        }
    }

    /// Returns the best way for `proof` of the `offered` ones (upper case), if there is one; `asked` is the only one that
    /// will do.
    pub fn choose(offered: &[String], proof: ProofKind, asked: Option<Self>) -> Option<Self> {
        let candidates = asked.as_ref().map_or(Self::usual(proof), std::slice::from_ref);
        candidates.iter().copied().find(|mechanism| offered.iter().any(|word| word == mechanism.name()))
    }
}

/// Returns whether both can be sent: neither empty nor too long, and free of control characters, which part the fields of
/// PLAIN, XOAUTH2 and OAUTHBEARER. Source: RFC 4616 §2, RFC 4013 §2.3, RFC 7628 §3.1.
pub fn is_sendable(user: &str, proof: ProofKind, secret: &Secret) -> bool {
    let (user_bytes_max, secret_bytes_max) = match proof {
        ProofKind::Password => (CREDENTIAL_BYTES_MAX, CREDENTIAL_BYTES_MAX),
        ProofKind::Token => (TOKEN_USER_BYTES_MAX, TOKEN_BYTES_MAX),
    };
    [(user, user_bytes_max), (secret.expose(), secret_bytes_max)]
        .into_iter()
        .all(|(part, bytes_max)| (1..=bytes_max).contains(&part.len()) && !part.contains(char::is_control))
}

/// Why a server's 334 cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeFault {
    /// It is one too many.
    #[error("The server asked for more than {0} foresees")]
    TooMany(&'static str),
    /// It is not what the mechanism foresees.
    #[error("The server's question is not one of {0}")]
    Unreadable(&'static str),
}

/// Where the client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The response was too long for the command's own line.
    Respond,
    /// LOGIN: the password is next.
    Password,
    /// CRAM-MD5: the question is next.
    Question,
    /// Only an explanation may follow, of XOAUTH2 and OAUTHBEARER alone.
    Explanation,
    /// Nothing more.
    End,
}

/// The client's side of one sign-in.
pub struct Dialogue<'d> {
    mechanism: Mechanism,
    user: &'d str,
    secret: &'d Secret,
    response: String,
    step: Step,
    explanation: Option<String>,
}

impl<'d> Dialogue<'d> {
    /// Begins to sign in at `host`:`port`, which OAUTHBEARER names; returns the dialogue and the first line, with its CRLF.
    pub fn begin(mechanism: Mechanism, user: &'d str, secret: &'d Secret, host: &str, port: u16) -> (Self, Vec<u8>) {
        let token = secret.expose();
        let initial = match mechanism {
            Mechanism::Plain => Some(format!("\0{user}\0{token}")),
            Mechanism::XOauth2 => Some(format!("user={user}\x01auth=Bearer {token}\x01\x01")),
            Mechanism::OauthBearer => {
                // Source: RFC 5801 §4 (the name's two escapes), RFC 7628 §3.1.
                let name = user.replace('=', "=3D").replace(',', "=2C");
                Some(format!("n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01"))
            }
            Mechanism::Login => None,
            Mechanism::CramMd5 => None,
        };
        let name = mechanism.name();
        let (response, step, line) = match initial.map(|initial| STANDARD.encode(initial)) {
            Some(response) => {
                let line = format!("AUTH {name} {response}\r\n");
                match line.len() <= COMMAND_BYTES_MAX {
                    true => (response, mechanism.last_step(), line),
                    false => (response, Step::Respond, format!("AUTH {name}\r\n")),
                }
            }
            None if mechanism == Mechanism::Login => (STANDARD.encode(user), Step::Respond, format!("AUTH {name}\r\n")),
            None => (String::new(), Step::Question, format!("AUTH {name}\r\n")),
        };
        (Self { mechanism, user, secret, response, step, explanation: None }, line.into_bytes())
    }

    /// Returns the answer to a 334 with the text `challenge`, with its CRLF.
    ///
    /// # Errors
    /// [`ChallengeFault`].
    pub fn answer(&mut self, challenge: &str) -> Result<Vec<u8>, ChallengeFault> {
        let (step, answer) = match self.step {
            Step::Respond if self.mechanism == Mechanism::Login => (Step::Password, self.response.clone()),
            Step::Respond => (self.mechanism.last_step(), self.response.clone()),
            Step::Password => (Step::End, STANDARD.encode(self.secret.expose())),
            Step::Question => {
                let question = STANDARD.decode(challenge.trim());
                let question = question.map_err(|_| ChallengeFault::Unreadable(self.mechanism.name()))?;
                let digest = hmac_md5(self.secret.expose().as_bytes(), &question);
                (Step::End, STANDARD.encode(format!("{} {}", self.user, hexadecimal(&digest))))
            }
            Step::Explanation => {
                let decoded = STANDARD.decode(challenge.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let words = decoded.unwrap_or_else(|| challenge.to_owned());
                let shown: String =
                    self.without_secrets(&words).chars().filter(|c| !c.is_control()).take(EXPLANATION_CHARACTERS_MAX).collect();
                self.explanation = Some(shown).filter(|shown| !shown.is_empty());
                // XOAUTH2 asks for an empty line, OAUTHBEARER for a single %x01 (RFC 7628 §3.2.3); then comes the 535.
                (Step::End, if self.mechanism == Mechanism::OauthBearer { "AQ==".to_owned() } else { String::new() })
            }
            Step::End => return Err(ChallengeFault::TooMany(self.mechanism.name())),
        };
        self.step = step;
        Ok(format!("{answer}\r\n").into_bytes())
    }

    /// Returns what the server said of the token before it refused it.
    pub fn explanation(&self) -> Option<&str> {
        self.explanation.as_deref()
    }

    /// Returns `words` of the server with stars over all that it may repeat of what it was told.
    pub fn without_secrets(&self, words: &str) -> String {
        let encoded = Secret::new(STANDARD.encode(self.secret.expose()));
        let response = Secret::new(if self.mechanism == Mechanism::Login { "" } else { &self.response });
        [self.secret, &encoded, &response].into_iter().fold(words.to_owned(), |words, secret| secret.covered(&words))
    }
}

impl Mechanism {
    /// Returns what may follow once the whole response is sent.
    fn last_step(self) -> Step {
        match self.proof() {
            ProofKind::Password => Step::End,
            ProofKind::Token => Step::Explanation,
        }
    }
}

/// Returns the keyed digest of `message`. Source: RFC 2104 §2, with MD5.
fn hmac_md5(key: &[u8], message: &[u8]) -> [u8; 16] {
    const BLOCK_BYTES: usize = 64;
    let mut block = [0; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..16].copy_from_slice(&Md5::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Md5::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Md5::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a sign-in against `challenges` and returns every line that the client sent, decoded where it is base64.
    fn played(mechanism: Mechanism, user: &str, secret: &str, challenges: &[&str]) -> Vec<String> {
        let secret = Secret::new(secret);
        let (mut dialogue, first) = Dialogue::begin(mechanism, user, &secret, "smtp.abc.example", 587);
        let mut lines = vec![first];
        for challenge in challenges {
            lines.push(dialogue.answer(challenge).unwrap());
        }
        lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
    }

    fn decoded(line: &str) -> String {
        String::from_utf8(STANDARD.decode(line.trim().rsplit(' ').next().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn every_way_sends_what_its_document_shows() {
        // RFC 4616 §4, without an identity to act for.
        let plain = played(Mechanism::Plain, "tim", "tanstaaftanstaaf", &[]);
        assert_eq!(plain, ["AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n"]);
        let login = played(Mechanism::Login, "tim", "tanstaaftanstaaf", &["VXNlcm5hbWU6", "UGFzc3dvcmQ6"]);
        assert_eq!(login, ["AUTH LOGIN\r\n", "dGlt\r\n", "dGFuc3RhYWZ0YW5zdGFhZg==\r\n"]);
        // RFC 2195 §2.
        let question = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";
        let cram = played(Mechanism::CramMd5, "tim", "tanstaaftanstaaf", &[question]);
        assert_eq!(cram, ["AUTH CRAM-MD5\r\n", "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n"]);
        // The example of Google's page.
        let google = played(Mechanism::XOauth2, "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg", &[]);
        let expected = "AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==\r\n";
        assert_eq!(google, [expected]);
        // RFC 7628 §4.1, with a user whose name has both escapes.
        let bearer = played(Mechanism::OauthBearer, "a,b=c@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", &[]);
        let expected = "n,a=a=2Cb=3Dc@example.com,\x01host=smtp.abc.example\x01port=587\x01\
                        auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        assert_eq!(decoded(&bearer[0]), expected);
    }

    #[test]
    fn what_is_too_long_for_a_command_waits_for_the_question() {
        for mechanism in [Mechanism::Plain, Mechanism::XOauth2, Mechanism::OauthBearer] {
            let token = "x".repeat(2_000);
            let lines = played(mechanism, "tim", &token, &[""]);
            assert_eq!(lines[0], format!("AUTH {}\r\n", mechanism.name()));
            assert!(decoded(&lines[1]).contains(&token));
        }
        let first = |token_bytes| played(Mechanism::XOauth2, "tim", &"x".repeat(token_bytes), &[])[0].len();
        assert_eq!([349, 350].map(first), [COMMAND_BYTES_MAX - 1, "AUTH XOAUTH2\r\n".len()]);
    }

    #[test]
    fn a_refused_token_is_answered_as_the_protocols_ask_and_its_explanation_kept() {
        let secret = Secret::new("token-of-the-account");
        for (mechanism, answer) in [(Mechanism::XOauth2, "\r\n"), (Mechanism::OauthBearer, "AQ==\r\n")] {
            let (mut dialogue, _) = Dialogue::begin(mechanism, "tim", &secret, "h", 1);
            let json = "{\"status\":\"401\",\n\"of\":\"token-of-the-account\"}";
            assert_eq!(dialogue.answer(&STANDARD.encode(json)).unwrap(), answer.as_bytes());
            assert_eq!(dialogue.explanation(), Some("{\"status\":\"401\",\"of\":\"***\"}"));
            assert_eq!(dialogue.answer(""), Err(ChallengeFault::TooMany(mechanism.name())));
        }
        let (mut dialogue, _) = Dialogue::begin(Mechanism::XOauth2, "tim", &secret, "h", 1);
        dialogue.answer(&STANDARD.encode("x".repeat(5_000))).unwrap();
        assert_eq!(dialogue.explanation().unwrap().len(), EXPLANATION_CHARACTERS_MAX);
    }

    #[test]
    fn a_question_beyond_the_mechanism_is_not_answered() {
        let secret = Secret::new("hunter2");
        let (mut plain, _) = Dialogue::begin(Mechanism::Plain, "tim", &secret, "h", 1);
        assert_eq!(plain.answer(""), Err(ChallengeFault::TooMany("PLAIN")));
        let (mut cram, _) = Dialogue::begin(Mechanism::CramMd5, "tim", &secret, "h", 1);
        assert_eq!(cram.answer("no base64!"), Err(ChallengeFault::Unreadable("CRAM-MD5")));
    }

    #[test]
    fn what_a_server_repeats_shows_no_secret() {
        let secret = Secret::new("hunter2-hunter2");
        let (dialogue, first) = Dialogue::begin(Mechanism::Plain, "tim", &secret, "h", 1);
        let response = String::from_utf8(first).unwrap().trim().rsplit(' ').next().unwrap().to_owned();
        let words = format!("5.7.8 {response} and hunter2-hunter2 and {} are wrong", STANDARD.encode("hunter2-hunter2"));
        assert_eq!(dialogue.without_secrets(&words), "5.7.8 *** and *** and *** are wrong");
    }

    #[test]
    fn the_keyed_digest_is_that_of_the_standard() {
        // RFC 2202 §2, test cases 1, 2 and 6.
        for (key, message, expected) in [
            (vec![0x0b; 16], "Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
            (b"Jefe".to_vec(), "what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"),
            (vec![0xaa; 80], "Test Using Larger Than Block-Size Key - Hash Key First", "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"),
        ] {
            assert_eq!(hexadecimal(&hmac_md5(&key, message.as_bytes())), expected);
        }
    }

    #[test]
    fn the_best_offered_way_is_chosen_and_the_weak_one_only_when_asked_for() {
        use Mechanism::{CramMd5, Login, OauthBearer, Plain, XOauth2};
        use ProofKind::{Password, Token};
        for (offered, proof, asked, expected) in [
            (&["LOGIN", "PLAIN"][..], Password, None, Some(Plain)),
            (&["XOAUTH2", "LOGIN"], Password, None, Some(Login)),
            (&["XOAUTH2", "LOGIN"], Token, None, Some(XOauth2)),
            (&["OAUTHBEARER", "XOAUTH2"], Token, None, Some(XOauth2)),
            (&["PLAIN", "OAUTHBEARER"], Token, None, Some(OauthBearer)),
            (&["OAUTHBEARER", "XOAUTH2"], Token, Some(OauthBearer), Some(OauthBearer)),
            (&["CRAM-MD5"], Password, None, None),
            (&["CRAM-MD5", "PLAIN"], Password, Some(CramMd5), Some(CramMd5)),
            (&["PLAIN"], Password, Some(CramMd5), None),
            (&["PLAIN", "LOGIN"], Token, None, None),
            (&[], Password, None, None),
        ] {
            let words: Vec<String> = offered.iter().map(ToString::to_string).collect();
            assert_eq!(Mechanism::choose(&words, proof, asked), expected, "{offered:?} {proof:?} {asked:?}");
        }
    }

    #[test]
    fn credentials_cannot_carry_a_separator() {
        let is_sendable = |user: &str, secret: &str| is_sendable(user, ProofKind::Password, &Secret::new(secret));
        assert!(is_sendable("jörg", "p ß"));
        for (user, password) in [("a\0b", "p"), ("a", "p\0q"), ("a", "p\r\nMAIL"), ("", "p"), ("a", ""), ("a", &"x".repeat(4097))]
        {
            assert!(!is_sendable(user, password), "{user:?}");
        }
        let is_token = |token: &str| crate::smtp::auth::is_sendable("a", ProofKind::Token, &Secret::new(token));
        assert!(is_token(&"x".repeat(TOKEN_BYTES_MAX)));
        assert!(!is_token(&"x".repeat(TOKEN_BYTES_MAX + 1)) && !is_token("x\x01auth=Bearer y"));
    }

    #[test]
    fn a_password_never_prints() {
        let credentials = Credentials { user: "tim".to_owned(), password: Secret::new("hunter2") };
        assert_eq!(format!("{credentials:?}"), "Credentials { user: \"tim\", password: *** }");
    }
}
