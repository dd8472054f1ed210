//! The published signature of RFC 8463, and what a signature is made of. That our signatures hold is checked from outside:
//! `tests/mail/dkim.rs`.

use super::*;
use crate::dkim::{Algorithm, KeyFault};

/// The mail of RFC 8463 §A.3.
const DINNER: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
    To: Suzie Q <suzie@shopping.example.net>\r\n\
    Subject: Is dinner ready?\r\n\
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
    Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
    \r\n\
    Hi.\r\n\
    \r\n\
    We lost the game.  Are you hungry yet?\r\n\
    \r\n\
    Joe.\r\n";

/// The header of its Ed25519 signature, up to the signature itself.
const DINNER_HEAD: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n \
    d=football.example.com; i=@football.example.com;\r\n \
    q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n \
    subject : date : message-id : from : subject : date;\r\n \
    bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n \
    b=";

/// Returns the private key of RFC 8463 §A.2 in the form of a file: PKCS #8 as RFC 8410 §7 lays it out.
fn brisbane() -> SigningKey {
    let seed = STANDARD.decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    let frame = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let der = STANDARD.encode([&frame[..], &seed].concat());
    SigningKey::from_pem(&format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")).unwrap()
}

fn key(name: &str) -> Result<SigningKey, KeyFault> {
    let path = format!("{}/tests/keys/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    SigningKey::from_pem(&std::fs::read_to_string(path).unwrap())
}

fn signer(name: &str) -> Signer {
    Signer { domain: "acme.example".into(), selector: name.into(), key: key(name).unwrap() }
}

#[test]
fn the_published_signature_comes_out_byte_for_byte() {
    let (fields, body) = parts(DINNER.as_bytes());
    assert_eq!(STANDARD.encode(body_hash(body)), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
    let mut text = Vec::new();
    for name in ["From", "To", "Subject", "Date", "Message-ID"] {
        relaxed_field(fields.iter().find(|field| is_called(field, name)).unwrap(), &mut text);
        text.extend_from_slice(b"\r\n");
    }
    relaxed_field(DINNER_HEAD.as_bytes(), &mut text);
    let expected = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
    assert_eq!(STANDARD.encode(brisbane().sign(&text)), expected);
}

#[test]
fn a_record_holds_the_public_key_in_its_form() {
    assert_eq!(brisbane().record(), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    // As `openssl pkey -pubout -outform DER` has it.
    let expected = format!("v=DKIM1; k=rsa; p={}", include_str!("../../../tests/keys/rsa.pub.txt").trim());
    assert_eq!(key("rsa").unwrap().record(), expected);
    assert_eq!(key("rsa-pkcs1").unwrap().record(), expected);
}

#[test]
fn only_a_key_that_receivers_check_is_taken() {
    for (name, expected) in [
        ("rsa", Ok(Algorithm::Rsa)),
        ("rsa-pkcs1", Ok(Algorithm::Rsa)),
        ("ed25519", Ok(Algorithm::Ed25519)),
        ("rsa-1024", Err(KeyFault::Bits)),
        ("ec", Err(KeyFault::Unusable)),
        ("locked", Err(KeyFault::Locked)),
    ] {
        assert_eq!(key(name).map(|key| key.algorithm()), expected, "{name}");
    }
    for text in ["", "hunter2", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert_eq!(SigningKey::from_pem(text).map(|key| key.algorithm()), Err(KeyFault::Missing), "{text}");
    }
    let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(SigningKey::from_pem(broken).map(|key| key.algorithm()), Err(KeyFault::Unusable));
}

#[test]
fn a_key_never_prints() {
    assert_eq!(format!("{:?}", signer("rsa")), "Signer { domain: \"acme.example\", selector: \"rsa\", key: SigningKey(rsa) }");
    assert_eq!(format!("{:?}", brisbane()), "SigningKey(ed25519)");
}

#[test]
fn every_field_is_covered_and_one_more_of_its_name() {
    let mail = "from: a@acme.example\r\nTo: b@c.example\r\nTO: d@e.example\r\nX-Other: x\r\nDate: x\r\n\r\nx\r\n";
    let names = |replaced: &[&str]| {
        let signed = String::from_utf8(signatures(&[signer("ed25519")], replaced, mail.as_bytes())).unwrap();
        let (_, list) = signed.split_once(" h=").unwrap();
        list.split_once(';').unwrap().0.replace("\r\n  ", "")
    };
    let rest = "Message-ID:In-Reply-To:References:MIME-Version:Content-Type:Content-Transfer-Encoding:Auto-Submitted:\
        List-Help:List-Unsubscribe:List-Unsubscribe-Post";
    assert_eq!(names(&[]), format!("From:From:Reply-To:Subject:Date:Date:To:To:To:Cc:{rest}"));
    let rest = rest.strip_prefix("Message-ID:").unwrap();
    assert_eq!(names(&REPLACEABLE), format!("From:From:Reply-To:Subject:To:To:To:Cc:{rest}"));
}

#[test]
fn two_keys_make_two_signatures_the_same_each_time_and_no_line_is_long() {
    let signers = [signer("rsa"), signer("ed25519")];
    let made = signatures(&signers, &[], DINNER.as_bytes());
    assert_eq!(made, signatures(&signers, &[], DINNER.as_bytes()));
    let text = String::from_utf8(made).unwrap();
    assert!(text.ends_with("\r\n") && !text.contains("\r\n\r\n"), "{text}");
    assert_eq!(text.matches("DKIM-Signature: v=1; a=").count(), 2);
    assert!(text.lines().all(|line| line.len() <= LINE_OCTETS), "{text}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert_eq!(signatures(&[], &[], DINNER.as_bytes()), b"");
}
