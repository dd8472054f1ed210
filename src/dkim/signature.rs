//! The DKIM-Signature header: which fields it covers, and the signature over them.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::dkim::canonical::{body_hash, field_name, parts, relaxed_field};
use crate::dkim::key::SigningKey;

/// The fields a signature covers. Each is named once more than it is there, so that none can be added: a second `From` or
/// `Reply-To` would be what the reader sees. Source: RFC 6376 §5.4.1, §8.15.
const SIGNED: &[&str] = &[
    "From",
    "Reply-To",
    "Subject",
    "Date",
    "To",
    "Cc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Auto-Submitted",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// The fields that some servers replace with their own; a signature over one would break there.
pub const REPLACEABLE: [&str; 2] = ["Date", "Message-ID"];

/// How many octets a line of the header has at most. Source: RFC 5322 §2.1.1.
const LINE_OCTETS: usize = 78;

/// A key with the name it is published under.
#[derive(Debug)]
pub struct Signer {
    /// The domain that answers for the mail: the `d=`; in ASCII.
    pub domain: String,
    /// Which of the domain's keys it is: the `s=`.
    pub selector: String,
    /// The private key.
    pub key: SigningKey,
}

/// Returns the fields in which each of `signers` signs the message, to go in front of it. Fields named in `replaced` are not covered, since
/// the server that the message is for replaces them.
///
/// The same message and keys give the same bytes.
pub fn signatures(signers: &[Signer], replaced: &[&str], message: &[u8]) -> Vec<u8> {
    let (fields, body) = parts(message);
    let body_hash = STANDARD.encode(body_hash(body));
    let covered = covered(&fields, replaced);
    // The header as it is signed: each field that a name stands for, the last one first.
    let mut text = Vec::new();
    for (place, name) in covered.iter().enumerate() {
        let earlier = covered[..place].iter().filter(|other| other == &name).count();
        let field = fields.iter().rev().filter(|field| is_called(field, name)).nth(earlier);
        if let Some(field) = field {
            relaxed_field(field, &mut text);
            text.extend_from_slice(b"\r\n");
        }
    }
    let mut signatures = Vec::with_capacity(1024 * signers.len());
    for signer in signers {
        let head = head(signer, &covered, &body_hash);
        let mut text = text.clone();
        relaxed_field(head.as_bytes(), &mut text);
        let signature = STANDARD.encode(signer.key.sign(&text));
        signatures.extend_from_slice(head.as_bytes());
        signatures.extend_from_slice(folded(&signature).as_bytes());
        signatures.extend_from_slice(b"\r\n");
    }
    signatures
}

fn is_called(field: &[u8], name: &str) -> bool {
    field_name(field).eq_ignore_ascii_case(name.as_bytes())
}

/// Returns the names for `h=`: each as often as its field is there, and once more.
fn covered(fields: &[&[u8]], replaced: &[&str]) -> Vec<&'static str> {
    let is_left_out = |name: &str| replaced.iter().any(|other| other.eq_ignore_ascii_case(name));
    let names = SIGNED.iter().filter(|name| !is_left_out(name));
    names.flat_map(|name| std::iter::repeat_n(*name, 1 + fields.iter().filter(|field| is_called(field, name)).count())).collect()
}

/// Returns the field up to the place of the signature itself, which is empty where it is signed. Source: RFC 6376 §3.5, §3.7.
fn head(signer: &Signer, covered: &[&str], body_hash: &str) -> String {
    let Signer { domain, selector, key } = signer;
    let algorithm = key.algorithm().as_str();
    let mut head = format!("DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed;\r\n d={domain};\r\n s={selector};\r\n h=");
    let mut line_octets = 3;
    for (place, name) in covered.iter().enumerate() {
        let separator = if place == 0 { "" } else { ":" };
        // A fold may stand on either side of a colon.
        if line_octets + separator.len() + name.len() + 1 > LINE_OCTETS {
            head.push_str(separator);
            head.push_str("\r\n  ");
            line_octets = 2;
        } else {
            head.push_str(separator);
            line_octets += separator.len();
        }
        head.push_str(name);
        line_octets += name.len();
    }
    write!(head, ";\r\n bh={body_hash};\r\n b=").expect("a String takes every write");
    head
}

/// Returns a signature in lines; blanks within it do not count. Source: RFC 6376 §3.5 (`b=`).
fn folded(signature: &str) -> String {
    let mut folded = String::with_capacity(signature.len() + signature.len() / 16);
    for (place, character) in signature.chars().enumerate() {
        if place > 0 && place % (LINE_OCTETS - 6) == 0 {
            folded.push_str("\r\n  ");
        }
        folded.push(character);
    }
    folded
}

#[cfg(test)]
mod tests;
