//! What must be known of an account to fetch its tokens; with all secrets, so none of it may be logged.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::id::ServerId;
use crate::domain::secret::Secret;
use crate::net::address::WebAddress;
use crate::oauth::assertion::{Certificate, SigningKey};

/// How long one request to a token server may take, from the name's look-up to the last byte of the answer.
pub const EXCHANGE_WITHIN: Duration = Duration::from_secs(30);

/// An account whose tokens can be fetched.
#[derive(Clone, Debug)]
pub struct Account {
    /// The mail server it is for, as the log names it.
    pub server: ServerId,
    /// Where tokens are given out.
    pub token_url: WebAddress,
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
