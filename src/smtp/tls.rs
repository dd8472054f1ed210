//! TLS towards a server: which certificates are trusted, and what a failed handshake means in plain words.
//!
//! There is no way to switch verification off; a private authority's certificate can be added instead.

use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, InvalidMessage, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::smtp::settings::{Security, ServerSettings};

/// The most certificates an own CA file may hold.
pub const CA_CERTIFICATES_MAX: usize = 1_000;

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
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(server_id = %settings.id, %error, "Some certificates of the operating system cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
        if let Some(pem) = &settings.ca_pem {
            let unreadable = |reason: String| TlsFault::CaUnreadable { server: server(), reason };
            let own: Vec<_> = CertificateDer::pem_slice_iter(pem)
                .take(CA_CERTIFICATES_MAX + 1)
                .collect::<Result<_, _>>()
                .map_err(|error| unreadable(error.to_string()))?;
            if !(1..=CA_CERTIFICATES_MAX).contains(&own.len()) {
                return Err(TlsFault::CaCount { server: server(), found: own.len() });
            }
            for certificate in own {
                roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
            }
        }
        let name = ServerName::try_from(settings.host.clone()).map_err(|_| TlsFault::Host { host: settings.host.clone() })?;
        // The provider is named, so that no other crate's choice of a process-wide one can matter.
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring offers the suites of TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Shakes hands over `stream`.
    pub(crate) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        Ok(TlsStream::Client(self.connector.connect(self.name.clone(), stream).await?))
    }
}

/// Returns what a failed handshake with `endpoint` means, if it was TLS that failed and not the network.
pub(crate) fn handshake_fault(error: &io::Error, endpoint: &str, security: Security) -> Option<String> {
    let fault = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let meaning = match fault {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) if security == Security::Implicit => {
            return Some(format!(
                "The server {endpoint:?} spoke plain text where TLS was expected; \
                 use `security: starttls`, or the port for implicit TLS (mostly 465)"
            ));
        }
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet; is this machine's clock right?"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name; is `host` the server's own name?"
            }
            CertificateError::UnknownIssuer => {
                "its certificate comes from an authority unknown here; a private authority's certificate can be named by `ca_file`"
            }
            CertificateError::Revoked => "its certificate was revoked",
            _ => "its certificate is not acceptable",
        },
        _ => "TLS could not be agreed",
    };
    Some(format!("The server {endpoint:?} is not trusted: {meaning} ({fault})"))
}
