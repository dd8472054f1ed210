//! TLS towards a server: which certificates are trusted, and what a failed handshake means in plain words.
//!
//! There is no way to switch verification off; a private authority's certificate can be added instead.

use std::io;

use rustls::InvalidMessage;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::net::trust::{AuthorityFault, CA_CERTIFICATES_MAX, client_config, tls_error, tls_meaning};
use crate::smtp::settings::{Security, ServerSettings};

/// Why TLS cannot be set up for a server at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The CA file holds no certificate, or too many.
    #[error("The CA file of server {server:?} holds {found} certificates; it must hold 1 to {CA_CERTIFICATES_MAX}")]
    CaCount {
        /// The server's key.
        server: String,
        /// How many were found.
        found: usize,
    },
    /// The CA file is no PEM, or a certificate in it is broken.
    #[error("The CA file of server {server:?} cannot be read: {reason}")]
    CaUnreadable {
        /// The server's key.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The host has no form that a certificate could name.
    #[error("{host:?} is neither a host name nor an IP address")]
    Host {
        /// The host as it was given.
        host: String,
    },
}

/// Ready to open TLS to one server.
#[derive(Clone)]
pub(crate) struct TlsSetup {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsSetup {
    /// Reads the trusted certificates: those of the operating system, and the server's own CA file.
    pub(crate) fn new(settings: &ServerSettings) -> Result<Self, TlsFault> {
        let server = || settings.id.as_str().to_owned();
        let config = client_config(settings.ca_pem.as_deref(), settings.id.as_str()).map_err(|fault| match fault {
            AuthorityFault::Count(found) => TlsFault::CaCount { server: server(), found },
            AuthorityFault::Unreadable(reason) => TlsFault::CaUnreadable { server: server(), reason },
        })?;
        let name = ServerName::try_from(settings.host.clone()).map_err(|_| TlsFault::Host { host: settings.host.clone() })?;
        Ok(Self { connector: TlsConnector::from(config), name })
    }

    /// Shakes hands over `stream`.
    pub(crate) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        Ok(TlsStream::Client(self.connector.connect(self.name.clone(), stream).await?))
    }
}

/// Returns what a failed handshake with `endpoint` means, if it was TLS that failed and not the network.
pub(crate) fn handshake_fault(error: &io::Error, endpoint: &str, security: Security) -> Option<String> {
    let fault = tls_error(error)?;
    if matches!(fault, rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) && security == Security::Implicit {
        return Some(format!(
            "The server {endpoint:?} spoke plain text where TLS was expected; \
             use `security: starttls`, or the port for implicit TLS (mostly 465)"
        ));
    }
    let meaning = tls_meaning(fault, "host", "ca_file");
    Some(format!("The server {endpoint:?} is not trusted: {meaning} ({fault})"))
}
