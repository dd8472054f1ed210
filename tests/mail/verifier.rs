//! A DKIM verifier, written from RFC 6376 §6 and RFC 8463 by another way than the signer: whole texts and strings instead
//! of bytes as they pass. It says why a signature does not hold.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};

/// Returns for each DKIM-Signature of a mail, from the top, the domain that signed it, or why the signature does not hold.
/// `records` are DNS records: name and text.
pub fn verify(mail: &[u8], records: &[(String, String)]) -> Vec<Result<String, String>> {
    let mail = String::from_utf8(mail.to_vec()).expect("the tests' mails are UTF-8");
    let (head, body) = mail.split_once("\r\n\r\n").map_or((mail.trim_end(), ""), |(head, body)| (head, body));
    // A fold is a line end before a blank; marked, so that splitting at the others gives whole fields.
    let marked = head.replace("\r\n ", "\u{1} ").replace("\r\n\t", "\u{1}\t");
    let fields: Vec<String> = marked.split("\r\n").map(|field| field.replace('\u{1}', "\r\n")).collect();
    let signatures = fields.iter().filter(|field| name(field) == "dkim-signature");
    signatures.map(|signature| check(signature, &fields, body, records)).collect()
}

fn check(signature: &str, fields: &[String], body: &str, records: &[(String, String)]) -> Result<String, String> {
    let tags = tags(signature.split_once(':').unwrap().1);
    let tag = |key: &str| tags.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str());
    let needed = |key: &str| tag(key).ok_or_else(|| format!("no {key}="));
    for (key, expected) in [("v", "1"), ("c", "relaxed/relaxed")] {
        if needed(key)? != expected {
            return Err(format!("{key}= is {:?}", tag(key)));
        }
    }
    if let Some(odd) = tag("l").or(tag("x")) {
        return Err(format!("what is limited could be added to: {odd}"));
    }
    let bytes = |text: &str| STANDARD.decode(compact(text)).map_err(|error| error.to_string());
    if bytes(needed("bh")?)? != digest(&SHA256, relaxed_body(body).as_bytes()).as_ref() {
        return Err("the body is another".to_owned());
    }

    let listed: Vec<String> = compact(needed("h")?).to_lowercase().split(':').map(str::to_owned).collect();
    if !listed.contains(&"from".to_owned()) {
        return Err("From is not signed".to_owned());
    }
    let mut left: Vec<&String> = fields.iter().collect();
    let mut text = String::new();
    for wanted in &listed {
        if let Some(place) = left.iter().rposition(|field| name(field) == *wanted) {
            text.push_str(&relaxed(left.remove(place)));
            text.push_str("\r\n");
        }
    }
    let (before, after) = signature.rsplit_once(" b=").ok_or("no b= of its own line")?;
    text.push_str(&relaxed(&format!("{before} b={}", after.split_once(';').map_or("", |(_, rest)| rest))));

    let (domain, selector) = (needed("d")?, needed("s")?);
    let record_name = format!("{selector}._domainkey.{domain}");
    let record = records.iter().find(|(name, _)| *name == record_name).ok_or_else(|| format!("no record {record_name}"))?;
    let record = self::tags(&record.1);
    let of_record = |key: &str| record.iter().find(|(own, _)| own == key).map_or("", |(_, value)| value.as_str());
    let (key, signed) = (bytes(of_record("p"))?, bytes(needed("b")?)?);
    let holds = match (needed("a")?, of_record("k")) {
        ("rsa-sha256", "rsa") => {
            let key = rsa_key(&key).ok_or("no RSA key in the record")?;
            UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, key).verify(text.as_bytes(), &signed)
        }
        ("ed25519-sha256", "ed25519") => {
            UnparsedPublicKey::new(&ED25519, key).verify(digest(&SHA256, text.as_bytes()).as_ref(), &signed)
        }
        other => return Err(format!("{other:?}")),
    };
    holds.map(|()| domain.to_owned()).map_err(|_| "the header or the key is another".to_owned())
}

fn name(field: &str) -> String {
    field.split(':').next().unwrap_or_default().trim_end().to_ascii_lowercase()
}

fn compact(text: &str) -> String {
    text.split_ascii_whitespace().collect()
}

fn tags(list: &str) -> Vec<(String, String)> {
    let pairs = list.split(';').filter_map(|tag| tag.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
}

/// RFC 6376 §3.4.2.
fn relaxed(field: &str) -> String {
    let value = field.split_once(':').map_or("", |(_, value)| value);
    format!(
        "{}:{}",
        name(field),
        value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    )
}

/// RFC 6376 §3.4.4.
fn relaxed_body(body: &str) -> String {
    let mut body = body.replace('\t', " ");
    while body.contains("  ") {
        body = body.replace("  ", " ");
    }
    let lines: Vec<&str> = body.split("\r\n").map(|line| line.strip_suffix(' ').unwrap_or(line)).collect();
    let whole = lines.join("\r\n");
    let kept = whole.trim_end_matches("\r\n");
    if kept.is_empty() { String::new() } else { format!("{kept}\r\n") }
}

/// Returns the key in a SubjectPublicKeyInfo: the bit string after the algorithm.
fn rsa_key(info: &[u8]) -> Option<&[u8]> {
    let (0x30, inner, _) = der(info)? else { return None };
    let (0x30, _, rest) = der(inner)? else { return None };
    let (0x03, bits, []) = der(rest)? else { return None };
    bits.strip_prefix(&[0])
}

/// Returns the tag and contents of the first value, and what follows it.
fn der(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let count = usize::from(first & 0x7f);
    let (length, rest) = match first {
        0..=0x7f => (count, rest),
        _ => (rest.get(..count)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), &rest[count..]),
    };
    (rest.len() >= length).then(|| (*tag, &rest[..length], &rest[length..]))
}
