//! TLS towards a server: which certificates are trusted, and what a failed handshake means in plain words.
//!
//! There is no way to switch verification off; a private authority's certificate can be added instead.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, InvalidMessage, ProtocolVersion, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::net::trust::{AuthorityFault, CA_CERTIFICATES_MAX, client_config, tls_error, tls_meaning, trusted};
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
    shown: Shown,
}

/// The certificate that the server showed last, in DER, until somebody has taken it.
type Shown = Arc<Mutex<Option<Vec<u8>>>>;

impl TlsSetup {
    /// Sets TLS up as far as the settings ask for any.
    pub(crate) fn of(settings: &ServerSettings) -> Result<Option<Self>, TlsFault> {
        match settings.security {
            Security::None => Ok(None),
            Security::Implicit | Security::StartTls | Security::Opportunistic => Self::new(settings).map(Some),
        }
    }

    /// Reads the trusted certificates: those of the operating system, and the server's own CA file.
    fn new(settings: &ServerSettings) -> Result<Self, TlsFault> {
        let server = || settings.id.as_str().to_owned();
        let roots = trusted(settings.ca_pem.as_deref(), settings.id.as_str()).map_err(|fault| match fault {
            AuthorityFault::Count(found) => TlsFault::CaCount { server: server(), found },
            AuthorityFault::Unreadable(reason) => TlsFault::CaUnreadable { server: server(), reason },
        })?;
        let name = ServerName::try_from(settings.host.clone()).map_err(|_| TlsFault::Host { host: settings.host.clone() })?;
        let shown = Shown::default();
        let mut config = client_config(roots.clone());
        // Where nothing at all is trusted, there is no such verifier; rustls's own then refuses every certificate.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        if let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(roots, provider).build() {
            let noting = NotingVerifier { verifier, shown: shown.clone() };
            config.dangerous().set_certificate_verifier(Arc::new(noting));
        }
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name, shown })
    }

    /// Takes the certificate that the server has shown in the last handshake, in DER.
    pub(crate) fn take_shown(&self) -> Option<Vec<u8>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Shakes hands over `stream`.
    pub(crate) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        Ok(TlsStream::Client(self.connector.connect(self.name.clone(), stream).await?))
    }
}

/// Verifies as rustls does, and notes what was shown: of a certificate that is refused nothing else would be left to tell.
#[derive(Debug)]
struct NotingVerifier {
    verifier: Arc<WebPkiServerVerifier>,
    shown: Shown,
}

impl ServerCertVerifier for NotingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.to_vec());
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Returns a version of TLS as people write it.
pub(crate) fn version_word(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLS 1.3",
        ProtocolVersion::TLSv1_2 => "TLS 1.2",
        _ => "TLS of an unknown version",
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
