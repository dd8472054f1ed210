//! Signed claims: who we are, for a token server that knows our certificate or key.
//!
//! Source: RFC 7515 (the form), RFC 7518 §3.3 and §3.5 (RS256, PS256), RFC 7523 §3 (the claims), and
//! learn.microsoft.com/entra/identity-platform/certificate-credentials (PS256, `x5t#S256`).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::domain::date::Timestamp;
use crate::domain::hex::hexadecimal;
use crate::domain::secret::Secret;

/// How long the proof of a certificate is good for, in seconds.
const CLIENT_SECONDS: i64 = 600;
/// How long a service account's claim is good for, in seconds; Google takes no longer one.
const SERVICE_ACCOUNT_SECONDS: i64 = 3_600;

/// Why a key or certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// There is none.
    #[error("has no private key in PEM form (`-----BEGIN PRIVATE KEY-----`)")]
    NoKey,
    /// It is protected by a passphrase.
    #[error("is protected by a passphrase")]
    Encrypted,
    /// It is of another kind.
    #[error("is not an RSA key of 2048 to 4096 bits")]
    NotRsa,
    /// There is no certificate.
    #[error("has no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate,
    /// The certificate is another key's.
    #[error("is not the certificate of that private key")]
    OtherKey,
}

impl KeyFault {
    /// Returns the way out.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoKey => "name the file that was made along with the certificate",
            Self::Encrypted => "take it off: `openssl pkey -in key.pem -out plain.pem`, and let nobody else read that file",
            Self::NotRsa => "make one: `openssl req -x509 -newkey rsa:3072 -nodes -keyout key.pem -out certificate.pem`",
            Self::NoCertificate => "name the certificate that is registered with the application",
            Self::OtherKey => "name the two files that were made together",
        }
    }
}

/// A private key that signs.
#[derive(Clone)]
pub struct SigningKey(Arc<RsaKeyPair>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl SigningKey {
    /// Reads a key in PEM form.
    ///
    /// # Errors
    /// [`KeyFault::NoKey`], [`KeyFault::Encrypted`], [`KeyFault::NotRsa`].
    pub fn from_pem(pem: &Secret) -> Result<Self, KeyFault> {
        Ok(Self(Arc::new(key_pair(&private_key(pem)?)?)))
    }

    fn sign(&self, padding: &'static dyn RsaEncoding, words: &str) -> Vec<u8> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        let signed = self.0.sign(padding, &SystemRandom::new(), words.as_bytes(), &mut signature);
        signed.expect("a buffer of the key's own length is all that signing with a key of 2048 bits or more can want");
        signature
    }
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    key: SigningKey,
    /// The SHA-256 of the certificate, in base64url: how the token server finds it.
    thumbprint: String,
}

impl Certificate {
    /// Reads both in PEM form.
    ///
    /// # Errors
    /// [`KeyFault`], of the certificate alone where it is [`KeyFault::NoCertificate`] or [`KeyFault::OtherKey`].
    pub fn from_pem(certificate: &[u8], key: &Secret) -> Result<Self, KeyFault> {
        let der = CertificateDer::from_pem_slice(certificate).map_err(|_| KeyFault::NoCertificate)?;
        let key_der = private_key(key)?;
        let pair = key_pair(&key_der)?;
        let provider = rustls::crypto::ring::default_provider();
        // What rustls cannot compare, it leaves open; the token server will say.
        if let Err(rustls::Error::InconsistentKeys(_)) = CertifiedKey::from_der(vec![der.clone()], key_der, &provider) {
            return Err(KeyFault::OtherKey);
        }
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&der));
        Ok(Self { key: SigningKey(Arc::new(pair)), thumbprint })
    }

    /// Returns the proof that `client_id` asks `audience`, made at `now`.
    pub(crate) fn assertion(&self, client_id: &str, audience: &str, now: Timestamp) -> Secret {
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let now = now.as_second();
        let claims = json!({
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": random_id(),
            "nbf": now,
            "iat": now,
            "exp": now + CLIENT_SECONDS,
        });
        signed(&self.key, &RSA_PSS_SHA256, &header, &claims)
    }
}

/// Returns a service account's claim to act for `subject` within `scope`, made at `now`.
///
/// Source: developers.google.com/identity/protocols/oauth2/service-account.
pub(crate) fn service_account_claim(
    (email, key_id, key): (&str, &str, &SigningKey),
    subject: &str,
    scope: &str,
    audience: &str,
    now: Timestamp,
) -> Secret {
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": key_id });
    let now = now.as_second();
    let claims = json!({
        "iss": email,
        "sub": subject,
        "scope": scope,
        "aud": audience,
        "iat": now,
        "exp": now + SERVICE_ACCOUNT_SECONDS,
    });
    signed(key, &RSA_PKCS1_SHA256, &header, &claims)
}

fn private_key(pem: &Secret) -> Result<PrivateKeyDer<'static>, KeyFault> {
    if pem.expose().contains("ENCRYPTED") {
        return Err(KeyFault::Encrypted);
    }
    PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| KeyFault::NoKey)
}

fn key_pair(key: &PrivateKeyDer<'_>) -> Result<RsaKeyPair, KeyFault> {
    match key {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(KeyFault::NotRsa),
    }
    .map_err(|_| KeyFault::NotRsa)
}

fn signed(key: &SigningKey, padding: &'static dyn RsaEncoding, header: &Value, claims: &Value) -> Secret {
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let words = format!("{}.{}", encoded(header), encoded(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(padding, &words));
    Secret::new(format!("{words}.{signature}"))
}

/// Returns an id that no other assertion has, in the form of a UUID. Source: RFC 9562 §5.4.
fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).expect("the system's generator does not fail once it runs");
    (bytes[6], bytes[8]) = (bytes[6] & 0x0f | 0x40, bytes[8] & 0x3f | 0x80);
    let digits = hexadecimal(&bytes);
    let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &digits[range]);
    format!("{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
pub(crate) mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm};

    use super::*;

    /// Made for the tests with `openssl genrsa 2048`; it protects nothing.
    pub(crate) const KEY: &str = include_str!("../../tests/tokens/rsa.pem");

    /// Returns a certificate of [`KEY`].
    fn certificate() -> String {
        let key = rcgen::KeyPair::from_pem(KEY).unwrap();
        rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem()
    }

    /// Checks the signature with the public key of [`KEY`], and returns header and claims.
    fn verified(assertion: &Secret, algorithm: &'static dyn VerificationAlgorithm) -> (Value, Value) {
        let words = assertion.expose();
        let (signed, signature) = words.rsplit_once('.').unwrap();
        let pair = key_pair(&private_key(&Secret::new(KEY)).unwrap()).unwrap();
        let public = UnparsedPublicKey::new(algorithm, pair.public().as_ref());
        public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let part = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        (part(header), part(claims))
    }

    #[test]
    fn a_certificates_assertion_is_the_one_that_entra_asks_for() {
        let pem = certificate();
        let own = Certificate::from_pem(pem.as_bytes(), &Secret::new(KEY)).unwrap();
        let now = "2028-02-29T12:00:00Z".parse().unwrap();
        let url = "https://login.microsoftonline.com/t/oauth2/v2.0/token";
        let (header, mut claims) = verified(&own.assertion("app", url, now), &RSA_PSS_2048_8192_SHA256);
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&der));
        assert_eq!(header, json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint }));
        let id = claims.as_object_mut().unwrap().remove("jti").unwrap();
        assert_eq!(id.as_str().unwrap().len(), 36);
        let expected = json!({
            "aud": url, "iss": "app", "sub": "app",
            "nbf": 1_835_438_400_i64, "iat": 1_835_438_400_i64, "exp": 1_835_439_000_i64,
        });
        assert_eq!(claims, expected);
        let (_, again) = verified(&own.assertion("app", url, now), &RSA_PSS_2048_8192_SHA256);
        assert_ne!(again["jti"], id, "no id is used twice");
    }

    #[test]
    fn a_service_accounts_claim_names_the_mailbox() {
        let key = SigningKey::from_pem(&Secret::new(KEY)).unwrap();
        let now = "2028-02-29T12:00:00Z".parse().unwrap();
        let account = ("robot@p.iam.gserviceaccount.com", "k1", &key);
        let claim = service_account_claim(account, "ar@abc.example", "https://mail.google.com/", "https://t.example/", now);
        let (header, claims) = verified(&claim, &RSA_PKCS1_2048_8192_SHA256);
        assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
        let expected = json!({
            "iss": "robot@p.iam.gserviceaccount.com", "sub": "ar@abc.example", "scope": "https://mail.google.com/",
            "aud": "https://t.example/", "iat": 1_835_438_400_i64, "exp": 1_835_442_000_i64,
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn a_key_that_cannot_sign_says_why() {
        let of = |pem: &str| SigningKey::from_pem(&Secret::new(pem)).err();
        assert_eq!(of("no key"), Some(KeyFault::NoKey));
        assert_eq!(
            of("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n"),
            Some(KeyFault::Encrypted)
        );
        assert_eq!(of(&rcgen::KeyPair::generate().unwrap().serialize_pem()), Some(KeyFault::NotRsa));
        let own = |certificate: &str| Certificate::from_pem(certificate.as_bytes(), &Secret::new(KEY)).err();
        assert_eq!(own("no certificate"), Some(KeyFault::NoCertificate));
        let other = rcgen::KeyPair::generate().unwrap();
        let others = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&other).unwrap().pem();
        assert_eq!(own(&others), Some(KeyFault::OtherKey));
        assert_eq!(own(&certificate()), None);
    }

    #[test]
    fn a_key_never_prints() {
        let own = Certificate::from_pem(certificate().as_bytes(), &Secret::new(KEY)).unwrap();
        assert!(format!("{own:?}").starts_with("Certificate { key: ***, thumbprint: "));
    }
}
