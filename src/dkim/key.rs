//! Private keys for signing, and the DNS record of their public halves.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;

/// The shortest RSA key that is taken, in bits. Source: RFC 8301 §3.2: signers should use at least 2048.
pub const RSA_BITS_MIN: usize = 2048;

/// The longest RSA key that is taken, in bits: what receivers check. Source: RFC 6376 §3.3.3, and `ring`.
const RSA_BITS_MAX: usize = 4096;

/// How many octets one string of a TXT record holds. Source: RFC 1035 §3.3.
pub const RECORD_STRING_OCTETS_MAX: usize = 255;

/// The algorithm's name and its empty parameters: what stands before an RSA key in a SubjectPublicKeyInfo.
///
/// Source: RFC 8017 §A.1 (1.2.840.113549.1.1.1), in DER.
const RSA_ALGORITHM: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// A way to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `rsa-sha256`: every receiver checks it. Source: RFC 6376 §3.3.2.
    Rsa,
    /// `ed25519-sha256`: short, not checked everywhere yet. Source: RFC 8463.
    Ed25519,
}

impl Algorithm {
    /// Returns the name in a signature: its `a=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "rsa-sha256",
            Self::Ed25519 => "ed25519-sha256",
        }
    }

    /// Returns the name in a record: its `k=`.
    pub fn key_type(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// Why a text is no key to sign with. No text here shows anything of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// No private key in PEM form.
    #[error("There is no private key in PEM form in it (`-----BEGIN PRIVATE KEY-----`)")]
    Missing,
    /// Locked with a passphrase.
    #[error("The private key is locked with a passphrase")]
    Locked,
    /// A key of a kind that DKIM does not know, or a damaged one.
    #[error("The private key is neither RSA nor Ed25519, or damaged")]
    Unusable,
    /// Too short to be safe, or longer than receivers check.
    #[error("The RSA key has less than {RSA_BITS_MIN} or more than {RSA_BITS_MAX} bits")]
    Bits,
}

/// A private key.
pub struct SigningKey(Pair);

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Pair::Rsa(_) => "SigningKey(rsa)",
            Pair::Ed25519(_) => "SigningKey(ed25519)",
        })
    }
}

impl SigningKey {
    /// Reads the first private key of a text in PEM form: PKCS #8, or an RSA key as PKCS #1.
    ///
    /// # Errors
    /// Why it is none that signs.
    pub fn from_pem(pem: &str) -> Result<Self, KeyFault> {
        if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || pem.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(KeyFault::Locked);
        }
        let rejected = |error: ring::error::KeyRejected| match error.to_string().as_str() {
            "TooSmall" | "TooLarge" => KeyFault::Bits,
            _ => KeyFault::Unusable,
        };
        let rsa = |pair: Result<RsaKeyPair, _>| pair.map(|pair| Self(Pair::Rsa(Box::new(pair)))).map_err(rejected);
        match PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyFault::Missing)? {
            PrivateKeyDer::Pkcs1(der) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der())),
            PrivateKeyDer::Pkcs8(der) => match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()) {
                Ok(pair) => Ok(Self(Pair::Ed25519(pair))),
                Err(_) => rsa(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())),
            },
            _ => Err(KeyFault::Unusable),
        }
    }

    /// Returns how it signs.
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            Pair::Rsa(_) => Algorithm::Rsa,
            Pair::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// Returns the signature over `text`, the same one each time.
    pub(crate) fn sign(&self, text: &[u8]) -> Vec<u8> {
        match &self.0 {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                // PKCS #1 v1.5 draws nothing from the random numbers it is given. Source: RFC 8017 §8.2.
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
                    .expect("a key that was taken signs any text into as many bytes as its modulus has");
                signature
            }
            // Over the hash of the text. Source: RFC 8463 §3.
            Pair::Ed25519(pair) => pair.sign(ring::digest::digest(&ring::digest::SHA256, text).as_ref()).as_ref().to_vec(),
        }
    }

    /// Returns whether a record of this kind with this key (its `k=` and `p=`) holds the public half.
    ///
    /// An RSA key is published as a SubjectPublicKeyInfo, or bare as RFC 6376 says it; receivers take both.
    pub fn is_published_as(&self, kind: &str, key: &[u8]) -> bool {
        kind == self.algorithm().key_type()
            && match &self.0 {
                Pair::Rsa(pair) => {
                    let bare = pair.public().as_ref();
                    key == bare || key == subject_public_key_info(bare)
                }
                Pair::Ed25519(pair) => key == pair.public_key().as_ref(),
            }
    }

    /// Returns the text of the TXT record that receivers check its signatures by. Source: RFC 6376 §3.6.1, RFC 8463 §4.
    pub fn record(&self) -> String {
        let public = match &self.0 {
            Pair::Rsa(pair) => subject_public_key_info(pair.public().as_ref()),
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        };
        format!("v=DKIM1; k={}; p={}", self.algorithm().key_type(), STANDARD.encode(public))
    }
}

/// Returns where the record of a key is looked for. Source: RFC 6376 §3.6.2.1.
pub fn record_name(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

/// Returns an RSA key in the form in which records hold it. Source: RFC 5280 §4.1, as RFC 6376 erratum 3017 says.
fn subject_public_key_info(rsa_key: &[u8]) -> Vec<u8> {
    // A bit string begins with how many bits of its last byte do not count.
    let key = der(0x03, &[&[0], rsa_key].concat());
    der(0x30, &[&RSA_ALGORITHM[..], &key].concat())
}

/// Returns a value in DER: its tag, its length, itself.
fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match contents.len() {
        short @ ..0x80 => out.push(short as u8),
        long => {
            let bytes = long.to_be_bytes();
            let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
            out.push(0x80 | bytes.len() as u8);
            out.extend_from_slice(bytes);
        }
    }
    out.extend_from_slice(contents);
    out
}
