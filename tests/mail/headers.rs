//! The headers of a mail beyond those of every letter: where bounces go, what it goes on from, what an operator adds, and
//! names and addresses in any script.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dunlin::domain::header::ExtraHeader;
use dunlin::domain::mailbox::{Recipient, RecipientRole, ReturnPath};
use dunlin::message::{ComposeFault, RECIPIENTS_MAX, REFERENCES_MAX};
use mail_parser::{HeaderValue, MessageParser};

use crate::{Setting, shipped};

fn extra(name: &str, value: &str) -> ExtraHeader {
    ExtraHeader { name: name.into(), value: value.into() }
}

/// Composes the first reminder and returns its header, unfolded by another parser: each field's name and text.
fn header(setting: &Setting) -> Result<Vec<(String, String)>, ComposeFault> {
    let bytes = setting.compose(&shipped())?.bytes;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    for line in bytes[..end].split(|byte| *byte == b'\n') {
        // What RFC 5322 §2.1.1 asks for, but for a word that is longer alone.
        let words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).count();
        assert!(line.len() <= 78 || words <= 2, "{}", String::from_utf8_lossy(line));
        assert!(line.len() <= 999, "{}", String::from_utf8_lossy(line));
    }
    let message = MessageParser::new().parse(&bytes).unwrap();
    let text = |value: &HeaderValue<'_>| match value {
        HeaderValue::Text(text) => text.to_string(),
        HeaderValue::TextList(list) => list.join(" "),
        HeaderValue::Address(list) => list
            .iter()
            .map(|address| match address.name() {
                Some(name) => format!("{name} <{}>", address.address().unwrap()),
                None => address.address().unwrap().to_owned(),
            })
            .collect::<Vec<_>>()
            .join(", "),
        other => format!("{other:?}"),
    };
    Ok(message.headers().iter().map(|header| (header.name().to_owned(), text(header.value()))).collect())
}

/// Returns a text without the marks of its encoded words, which another parser leaves in headers it does not know.
fn decoded(text: &str) -> String {
    if !text.starts_with("=?utf-8?b?") {
        return text.replace("\r\n", "");
    }
    let words = text.split_ascii_whitespace().map(|word| word.strip_prefix("=?utf-8?b?").unwrap().strip_suffix("?=").unwrap());
    String::from_utf8(words.flat_map(|word| STANDARD.decode(word).unwrap()).collect()).unwrap()
}

fn value(setting: &Setting, name: &str) -> Option<String> {
    let header = header(setting).unwrap();
    let mut found = header.into_iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let first = found.next();
    assert_eq!(found.next(), None, "{name} stands there twice");
    first
}

#[test]
fn bounces_go_to_an_address_that_names_the_message() {
    let mut setting = Setting::new("C-1", "first");
    let from = |setting: &Setting| setting.compose(&shipped()).unwrap().envelope_from;
    assert_eq!(from(&setting), "ar@acme.example");
    for (delimiter, expected) in
        [(Some('+'), "bounces+5f2c9a1e0b7d4c3f8e6a@"), (Some('-'), "bounces-5f2c9a1e0b7d4c3f8e6a@"), (None, "bounces@")]
    {
        setting.sender.return_path = Some(ReturnPath { address: "bounces@rückläufer.example".into(), delimiter });
        let expected = expected.split('@').next().unwrap();
        assert_eq!(from(&setting), format!("{expected}@xn--rcklufer-3za0v.example"));
        // The last server writes it; here it would be a second truth.
        assert_eq!(value(&setting, "Return-Path"), None);
        assert_eq!(value(&setting, "From").unwrap(), "ACME Receivables <ar@acme.example>");
        assert_eq!(setting.compose(&shipped()).unwrap().header_id, "5f2c9a1e0b7d4c3f8e6a@acme.example");
    }
    let address = format!("{}@acme.example", "b".repeat(60));
    setting.sender.return_path = Some(ReturnPath { address: address.into(), delimiter: Some('+') });
    assert!(matches!(setting.compose(&shipped()), Err(ComposeFault::AddressUnusable { .. })), "too long with the key");
}

#[test]
fn a_reminder_stands_below_the_ones_before_it() {
    let mut setting = Setting::new("C-1", "second");
    assert_eq!((value(&setting, "References"), value(&setting, "In-Reply-To")), (None, None));
    setting.thread = vec!["k1@old.example".into(), "k2@acme.example".into()];
    assert_eq!(value(&setting, "References").unwrap(), "k1@old.example k2@acme.example");
    assert_eq!(value(&setting, "In-Reply-To").unwrap(), "k2@acme.example");

    // Of many, the first stays, since it is what a mail program knows the conversation by.
    setting.thread = (0..REFERENCES_MAX + 5).map(|number| format!("k{number}@acme.example")).collect();
    let shown = value(&setting, "References").unwrap();
    let shown: Vec<&str> = shown.split(' ').collect();
    assert_eq!(
        (shown.len(), shown[0], shown[1], *shown.last().unwrap()),
        (10, "k0@acme.example", "k6@acme.example", "k14@acme.example")
    );

    for id in ["a", "a@b@c", "a@b>\r\nBcc: x@y.example", "a b@c", ""] {
        setting.thread = vec![id.into()];
        assert!(matches!(setting.compose(&shipped()), Err(ComposeFault::KeyUnusable { .. })), "{id:?}");
    }
}

#[test]
fn a_long_domain_leaves_the_ids_whole() {
    let domain = format!("{}.{}.{}.example", "a".repeat(63), "b".repeat(63), "c".repeat(63));
    let mut setting = Setting::new("C-1", "first");
    setting.sender.address = format!("ar@{domain}").into();
    setting.thread = vec![format!("k1@{domain}"), format!("k2@{domain}")];
    assert_eq!(value(&setting, "Message-ID").unwrap(), format!("5f2c9a1e0b7d4c3f8e6a@{domain}"));
    assert_eq!(value(&setting, "References").unwrap(), format!("k1@{domain} k2@{domain}"));
    assert_eq!(value(&setting, "From").unwrap(), format!("ACME Receivables <ar@{domain}>"));
}

#[test]
fn an_operator_adds_headers_and_the_rules_win() {
    let mut setting = Setting::new("C-1", "first");
    setting.sender.list_help = Some("https://acme.example/help?why=mail".into());
    let long = "word ".repeat(90);
    setting.sender.headers =
        vec![extra("X-Campaign", "dunning"), extra("Organization", "Müller & Söhne =?utf-8?q?x?="), extra("X-Long", &long)];
    setting.headers = vec![extra("x-campaign", "overdue"), extra("X-Word", &"w".repeat(500))];
    for (name, expected) in [
        ("List-Help", "https://acme.example/help?why=mail".to_owned()),
        ("X-Campaign", "overdue".to_owned()),
        ("Organization", "Müller & Söhne =?utf-8?q?x?=".to_owned()),
        ("X-Long", long.trim().to_owned()),
        ("X-Word", "w".repeat(500)),
    ] {
        let found = value(&setting, name).unwrap();
        assert_eq!(decoded(found.trim_matches(['<', '>'])), expected, "{name}");
    }

    // What a door lets through by mistake goes no further.
    for (header, expected) in [
        (extra("Bcc", "x@y.example"), "The header `Bcc` cannot be set: it is written by the program or by servers"),
        (extra("X-A", "a\r\nBcc: x@y.example"), "The header `X-A` has more than one line, or a control character"),
        (extra("X-WORD", "again"), "The header `X-WORD` stands there twice"),
    ] {
        let mut setting = Setting::new("C-1", "first");
        setting.headers = vec![extra("X-Word", "w"), header];
        assert_eq!(setting.compose(&shipped()).unwrap_err().to_string(), expected);
    }
    setting.sender.list_help = Some("http://acme.example>\r\nBcc: x".into());
    assert!(matches!(setting.compose(&shipped()), Err(ComposeFault::HeaderUnusable { .. })));
}

#[test]
fn names_and_addresses_in_any_script_find_their_way() {
    let recipient = |address: &str| Recipient { address: address.into(), role: RecipientRole::To };
    let mut setting = Setting::new("C-2", "first");
    for name in [
        "Müller Bäckerei",
        "株式会社 請求",
        "Счета",
        "\"Quoted\", Inc.",
        "a".repeat(200).as_str(),
        "é".repeat(200).as_str(),
        "A <a@b.example>",
    ] {
        setting.sender.name = name.into();
        assert_eq!(value(&setting, "From").unwrap(), format!("{name} <ar@acme.example>"));
    }
    // A domain has a form in ASCII that every server takes, and so the mail stays ASCII.
    setting.recipients = vec![recipient("billing@müller.example"), recipient("ap@пример.example")];
    let composed = setting.compose(&shipped()).unwrap();
    let (header, _) = std::str::from_utf8(&composed.bytes).unwrap().split_once("\r\n\r\n").unwrap();
    assert!(header.is_ascii());
    assert_eq!(value(&setting, "To").unwrap(), "billing@xn--mller-kva.example, ap@xn--e1afmkfd.example");
    // The name before the `@` has none: the header says it as it is, and only a server with SMTPUTF8 takes it.
    setting.recipients = vec![recipient("jörg@müller.example"), recipient("ap@b.example")];
    let composed = setting.compose(&shipped()).unwrap();
    let (header, body) = std::str::from_utf8(&composed.bytes).unwrap().split_once("\r\n\r\n").unwrap();
    assert!(header.contains("\r\nTo: jörg@xn--mller-kva.example, ap@b.example\r\n"), "{header}");
    assert!(body.is_ascii());
    assert_eq!(composed.recipients[0].address, "jörg@xn--mller-kva.example");
}

#[test]
fn the_most_recipients_with_the_longest_addresses_keep_every_line_short() {
    let mut setting = Setting::new("C-1", "first");
    let domain = format!("{}.{}.example", "d".repeat(63), "e".repeat(63));
    let recipient = |number: usize| Recipient {
        address: format!("{number:03}{}@{domain}", "l".repeat(61)).into(),
        role: if number == 0 { RecipientRole::To } else { RecipientRole::Cc },
    };
    setting.recipients = (0..RECIPIENTS_MAX).map(recipient).collect();
    let shown = value(&setting, "Cc").unwrap();
    assert_eq!(shown.split(", ").count(), RECIPIENTS_MAX - 1);
}
