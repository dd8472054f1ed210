//! Which certificates are trusted, and what a refused one means in plain words.
//!
//! There is no way to switch verification off; a private authority's certificate can be added instead.

use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};

/// The most certificates an own file of authorities may hold.
pub(crate) const CA_CERTIFICATES_MAX: usize = 1_000;

/// Why an own file of authorities cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthorityFault {
    /// It holds so many certificates: none, or too many.
    Count(usize),
    /// It is no PEM, or a certificate in it is broken.
    Unreadable(String),
}

/// Returns the operating system's authorities and those of `ca_pem`; `whom` they are for stands in the log.
///
/// # Errors
/// [`AuthorityFault`] of `ca_pem`.
pub(crate) fn trusted(ca_pem: Option<&[u8]>, whom: &str) -> Result<Arc<RootCertStore>, AuthorityFault> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(server_id = whom, %error, "Some certificates of the operating system cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    if let Some(pem) = ca_pem {
        let unreadable = |reason: String| AuthorityFault::Unreadable(reason);
        let own: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .take(CA_CERTIFICATES_MAX + 1)
            .collect::<Result<_, _>>()
            .map_err(|error| unreadable(error.to_string()))?;
        if !(1..=CA_CERTIFICATES_MAX).contains(&own.len()) {
            return Err(AuthorityFault::Count(own.len()));
        }
        for certificate in own {
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        }
    }
    Ok(Arc::new(roots))
}

/// Returns TLS settings that trust `roots`.
pub(crate) fn client_config(roots: Arc<RootCertStore>) -> ClientConfig {
    // The provider is named, so that no other crate's choice of a process-wide one can matter.
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring offers the suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Returns the fault of TLS behind a failed handshake, if it was TLS that failed and not the network.
pub(crate) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>()
}

/// Returns what is wrong with the server's certificate, or that it is not the certificate; `host_key` and `ca_key` name the
/// settings to look at.
pub(crate) fn tls_meaning(fault: &rustls::Error, host_key: &str, ca_key: &str) -> String {
    let rustls::Error::InvalidCertificate(certificate) = fault else { return "TLS could not be agreed".to_owned() };
    match certificate {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; is this machine's clock right?".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("its certificate is for another name; is `{host_key}` the server's own name?")
        }
        CertificateError::UnknownIssuer => {
            format!(
                "its certificate comes from an authority unknown here; a private authority's certificate can be named by `{ca_key}`"
            )
        }
        CertificateError::BadSignature => {
            "its certificate is not signed by the authority that it names; the authority has a new key, or it is a forgery"
                .to_owned()
        }
        CertificateError::Revoked => "its certificate was revoked".to_owned(),
        // rustls has no name of its own for it and hands on that of its verifier.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
            "its certificate is that of an authority (`CA:TRUE`), which is no server's own".to_owned()
        }
        _ => "its certificate is not acceptable".to_owned(),
    }
}
