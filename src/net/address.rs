//! Addresses of the web: whom secrets and papers may come from and go to. Over TLS, or on this machine.

use std::net::IpAddr;

use hyper::Uri;

/// The longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 2_048;

/// An address that is spoken to over TLS, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAddress {
    uri: Uri,
}

/// Why an address cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebAddressFault {
    /// It is no address.
    #[error("is not an address such as `https://login.example.com/token`")]
    NotAnAddress,
    /// It would send secrets in plain text.
    #[error("would send secrets in plain text")]
    PlainText,
}

impl WebAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// [`WebAddressFault`].
    pub fn parse(text: &str) -> Result<Self, WebAddressFault> {
        let uri: Uri = text.parse().map_err(|_| WebAddressFault::NotAnAddress)?;
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        let is_named = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if !has_host || is_named || text.len() > ADDRESS_BYTES_MAX || text.contains('#') {
            return Err(WebAddressFault::NotAnAddress);
        }
        let url = Self { uri };
        match url.uri.scheme_str() {
            Some("https") => Ok(url),
            Some("http") if is_loopback(url.host()) => Ok(url),
            Some("http") => Err(WebAddressFault::PlainText),
            _ => Err(WebAddressFault::NotAnAddress),
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

    /// Returns `https` or `http`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_encrypted() { "https" } else { "http" }
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
    fn an_address_is_spoken_to_over_tls_or_is_on_this_machine() {
        for (text, expected) in [
            ("https://login.example.com/t/oauth2/v2.0/token?a=b", Ok(("login.example.com", 443, "/t/oauth2/v2.0/token?a=b"))),
            ("https://login.example.com:8443", Ok(("login.example.com", 8443, "/"))),
            ("http://127.0.0.1:80/token", Ok(("127.0.0.1", 80, "/token"))),
            ("http://[::1]:4711/token", Ok(("::1", 4711, "/token"))),
            ("http://LOCALHOST/token", Ok(("LOCALHOST", 80, "/token"))),
            ("http://login.example.com/token", Err(WebAddressFault::PlainText)),
            ("http://127.0.0.1.example.com/token", Err(WebAddressFault::PlainText)),
            ("https://user:secret@login.example.com/token", Err(WebAddressFault::NotAnAddress)),
            ("https://login.example.com/token#part", Err(WebAddressFault::NotAnAddress)),
            ("login.example.com/token", Err(WebAddressFault::NotAnAddress)),
            ("ftp://login.example.com/token", Err(WebAddressFault::NotAnAddress)),
            ("https:///token", Err(WebAddressFault::NotAnAddress)),
            ("", Err(WebAddressFault::NotAnAddress)),
        ] {
            let found = WebAddress::parse(text);
            let parts = found.as_ref().map(|url| (url.host(), url.port(), url.path())).map_err(|fault| *fault);
            assert_eq!(parts, expected, "{text}");
        }
    }
}
