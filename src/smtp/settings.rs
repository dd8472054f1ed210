//! What the transport must be told about one server. Filled from config.yaml; nothing here reads a file or a socket.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::id::ServerId;
use crate::domain::secret::Secret;
use crate::port::TokenSource;
use crate::smtp::auth::{Credentials, Mechanism, ProofKind};

/// How a connection is protected; named by what happens, never guessed from the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// TLS from the first byte, as on port 465. Source: RFC 8314 §3.3.
    Implicit,
    /// STARTTLS, and nothing more without it. Source: RFC 3207.
    StartTls,
    /// STARTTLS where it is offered. Certificates are checked all the same.
    Opportunistic,
    /// No TLS.
    None,
}

impl Security {
    /// Every kind, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::Implicit, Self::StartTls, Self::Opportunistic, Self::None];

    /// Returns config.yaml's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::StartTls => "starttls",
            Self::Opportunistic => "opportunistic",
            Self::None => "none",
        }
    }

    /// Reads config.yaml's word for it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|security| security.as_str() == word)
    }
}

/// How to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// The account's name.
    pub user: String,
    /// What proves that it is ours.
    pub proof: Proof,
    /// The only way to do it; `None`: the best that the server offers. It takes the kind of proof that is there.
    pub mechanism: Option<Mechanism>,
}

impl From<Credentials> for SignIn {
    fn from(credentials: Credentials) -> Self {
        Self { user: credentials.user, proof: Proof::Password(credentials.password), mechanism: None }
    }
}

/// What proves that an account is ours.
#[derive(Clone)]
pub enum Proof {
    /// A password.
    Password(Secret),
    /// Access tokens, fetched as they are needed.
    Token(Arc<dyn TokenSource>),
}

impl Proof {
    /// Returns its kind.
    pub fn kind(&self) -> ProofKind {
        match self {
            Self::Password(_) => ProofKind::Password,
            Self::Token(_) => ProofKind::Token,
        }
    }
}

impl PartialEq for Proof {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Password(own), Self::Password(other)) => own == other,
            (Self::Token(own), Self::Token(other)) => Arc::ptr_eq(own, other),
            (Self::Password(_), Self::Token(_)) | (Self::Token(_), Self::Password(_)) => false,
        }
    }
}

impl Eq for Proof {}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(***)",
            Self::Token(_) => "Token(***)",
        })
    }
}

/// How long each stage may take. Source: RFC 5321 §4.5.3.2, shortened where a wait is safe to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Name look-up and TCP, over all of the host's addresses.
    pub connect: Duration,
    /// The TLS handshake, and the reply to STARTTLS.
    pub tls: Duration,
    /// Each of: the greeting, EHLO, each step of AUTH.
    pub hello: Duration,
    /// Each reply to MAIL, RCPT and RSET.
    pub envelope: Duration,
    /// The reply to DATA.
    pub data: Duration,
    /// Each of: the message, the reply to its final dot. At least so long; see [`Deadlines::content`].
    pub content_least: Duration,
    /// What a message of no size gets.
    pub content_base: Duration,
    /// What each million bytes add.
    pub content_per_megabyte: Duration,
    /// QUIT and its reply.
    pub quit: Duration,
}

impl Deadlines {
    /// Returns deadlines that are all `each`, whatever the size; for tests.
    pub fn all(each: Duration) -> Self {
        Self {
            connect: each,
            tls: each,
            hello: each,
            envelope: each,
            data: each,
            content_least: each,
            content_base: Duration::ZERO,
            content_per_megabyte: Duration::ZERO,
            quit: each,
        }
    }

    /// Returns the time for sending `bytes` bytes of content, and once more for waiting for the reply to the final dot.
    ///
    /// Giving up early is dear here: the outcome is unknown then, and a server may need minutes to scan a large
    /// message. So: at least 10 minutes, or 60 s and 180 s per megabyte.
    pub fn content(&self, bytes: usize) -> Duration {
        let megabytes = u32::try_from(bytes.div_ceil(1_000_000)).unwrap_or(u32::MAX);
        let by_size = self.content_base.saturating_add(self.content_per_megabyte.saturating_mul(megabytes));
        self.content_least.max(by_size)
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            tls: Duration::from_secs(30),
            hello: Duration::from_secs(60),
            envelope: Duration::from_secs(60),
            data: Duration::from_secs(120),
            content_least: Duration::from_secs(600),
            content_base: Duration::from_secs(60),
            content_per_megabyte: Duration::from_secs(180),
            quit: Duration::from_secs(5),
        }
    }
}

/// How long connections are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// Unused for so long, a connection is closed; servers themselves give up after minutes.
    pub idle: Duration,
    /// The most messages over one connection.
    pub messages_max: u32,
    /// The most time since it was opened.
    pub age_max: Duration,
}

impl Default for Reuse {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30), messages_max: 100, age_max: Duration::from_secs(600) }
    }
}

/// The most connections one server may be given.
pub const CONNECTIONS_MAX: usize = 1_000;

/// One SMTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Its key in config.yaml.
    pub id: ServerId,
    /// A host name or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// How to sign in, if at all; inside TLS only.
    pub auth: Option<SignIn>,
    /// How many connections at once, 1 to [`CONNECTIONS_MAX`].
    pub connections: usize,
    /// Whether mail may go unencrypted to a host that is not this machine.
    pub allow_plaintext: bool,
    /// Certificates in PEM to trust besides those of the operating system.
    pub ca_pem: Option<Vec<u8>>,
    /// Whether commands may travel in groups where the server says that it takes them.
    pub pipelining: bool,
    /// What to call ourselves in EHLO; our address in brackets where `None` (RFC 5321 §4.1.3).
    pub hello_name: Option<String>,
    /// How long each stage may take.
    pub deadlines: Deadlines,
    /// How long connections are kept.
    pub reuse: Reuse,
}

impl ServerSettings {
    /// Returns settings with every default: STARTTLS, one connection, no sign-in.
    pub fn new(id: ServerId, host: impl Into<String>, port: u16) -> Self {
        Self {
            id,
            host: host.into(),
            port,
            security: Security::StartTls,
            auth: None,
            connections: 1,
            allow_plaintext: false,
            ca_pem: None,
            pipelining: true,
            hello_name: None,
            deadlines: Deadlines::default(),
            reuse: Reuse::default(),
        }
    }

    /// Returns `host:port`, as faults name the server.
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_of_the_content_grows_with_its_size() {
        let deadlines = Deadlines::default();
        for (bytes, seconds) in [(0, 600), (3_000_000, 600), (3_000_001, 780), (10_000_000, 1860)] {
            assert_eq!(deadlines.content(bytes).as_secs(), seconds, "{bytes}");
        }
    }

    #[test]
    fn security_has_four_words() {
        for security in Security::ALL {
            assert_eq!(Security::parse(security.as_str()), Some(security));
        }
        assert_eq!(Security::parse("ssl"), None);
    }
}
