//! What must be known of an account to fetch its tokens; with all secrets, so none of it may be logged.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;

use crate::domain::id::ServerId;
use crate::domain::secret::Secret;
use crate::oauth::assertion::{Certificate, SigningKey};

/// How long one request to a token server may take, from the name's look-up to the last byte of the answer.
pub const EXCHANGE_WITHIN: Duration = Duration::from_secs(30);
/// The longest address of a token server, in bytes.
pub const TOKEN_URL_BYTES_MAX: usize = 2_048;

/// An account whose tokens can be fetched.
#[derive(Clone, Debug)]
pub struct Account {
    /// The mail server it is for, as the log names it.
    pub server: ServerId,
    /// Where tokens are given out.
    pub token_url: TokenUrl,
    /// What the token shall be good for; `None`: what the token server thinks right.
    pub scope: Option<String>,
    /// In whose name, and with what proof.
    pub grant: Grant,
    /// Certificates in PEM to trust besides those of the operating system.
    pub ca_pem: Option<Vec<u8>>,
    /// How long a request may take.
    pub within: Duration,
}

/// In whose name a token is asked for.
#[derive(Clone, Debug)]
pub enum Grant {
    /// The program's own. Source: RFC 6749 §4.4.
    ClientCredentials(Client),
    /// A person's, who once agreed. Source: RFC 6749 §6.
    RefreshToken {
        /// The program.
        client: Client,
        /// The token that stands for the agreement.
        token: Secret,
        /// The file it came from, in which a new one takes its place; `None`: it came from where nothing can be written.
        file: Option<PathBuf>,
    },
    /// A mailbox's, on behalf of its domain (Google's domain-wide delegation). Source: RFC 7523 §2.1.
    ServiceAccount {
        /// The service account's address.
        email: String,
        /// The name of its key.
        key_id: String,
        /// The key.
        key: SigningKey,
        /// The mailbox.
        subject: String,
    },
}

/// A program that is known to the token server.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// What proves that it is that program.
    pub proof: ClientProof,
}

/// What proves which program asks.
#[derive(Clone, Debug)]
pub enum ClientProof {
    /// Nothing: the token server asks for none (a public client).
    None,
    /// A secret.
    Secret(Secret),
    /// A signature with the key of a certificate that the token server knows. Source: RFC 7523 §2.2.
    Certificate(Certificate),
}

/// Where tokens are given out: an address over TLS, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUrl {
    uri: Uri,
}

/// Why an address cannot be a token server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenUrlFault {
    /// It is no address.
    #[error("is not an address such as `https://login.example.com/token`")]
    NotAnAddress,
    /// It would send secrets in plain text.
    #[error("would send secrets in plain text")]
    PlainText,
}

impl TokenUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// [`TokenUrlFault`].
    pub fn parse(text: &str) -> Result<Self, TokenUrlFault> {
        let uri: Uri = text.parse().map_err(|_| TokenUrlFault::NotAnAddress)?;
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        let is_named = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if !has_host || is_named || text.len() > TOKEN_URL_BYTES_MAX || text.contains('#') {
            return Err(TokenUrlFault::NotAnAddress);
        }
        let url = Self { uri };
        match url.uri.scheme_str() {
            Some("https") => Ok(url),
            Some("http") if is_loopback(url.host()) => Ok(url),
            Some("http") => Err(TokenUrlFault::PlainText),
            _ => Err(TokenUrlFault::NotAnAddress),
        }
    }

    /// Returns the host, an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
    }

    pub(crate) fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(if self.is_encrypted() { 443 } else { 80 })
    }

    /// Returns whether it is spoken to over TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Returns the path with its query, as a request names it.
    pub(crate) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// Returns host and port as a request names them.
    pub(crate) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// Returns the whole address.
    pub(crate) fn text(&self) -> String {
        self.uri.to_string()
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_server_is_spoken_to_over_tls_or_on_this_machine() {
        for (text, expected) in [
            ("https://login.example.com/t/oauth2/v2.0/token?a=b", Ok(("login.example.com", 443, "/t/oauth2/v2.0/token?a=b"))),
            ("https://login.example.com:8443", Ok(("login.example.com", 8443, "/"))),
            ("http://127.0.0.1:80/token", Ok(("127.0.0.1", 80, "/token"))),
            ("http://[::1]:4711/token", Ok(("::1", 4711, "/token"))),
            ("http://LOCALHOST/token", Ok(("LOCALHOST", 80, "/token"))),
            ("http://login.example.com/token", Err(TokenUrlFault::PlainText)),
            ("http://127.0.0.1.example.com/token", Err(TokenUrlFault::PlainText)),
            ("https://user:secret@login.example.com/token", Err(TokenUrlFault::NotAnAddress)),
            ("https://login.example.com/token#part", Err(TokenUrlFault::NotAnAddress)),
            ("login.example.com/token", Err(TokenUrlFault::NotAnAddress)),
            ("ftp://login.example.com/token", Err(TokenUrlFault::NotAnAddress)),
            ("https:///token", Err(TokenUrlFault::NotAnAddress)),
            ("", Err(TokenUrlFault::NotAnAddress)),
        ] {
            let found = TokenUrl::parse(text);
            let parts = found.as_ref().map(|url| (url.host(), url.port(), url.path())).map_err(|fault| *fault);
            assert_eq!(parts, expected, "{text}");
        }
    }
}
