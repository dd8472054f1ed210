//! Our signatures, held by others: a verifier written from the standard ([`crate::verifier`]), which is itself held to the
//! published signatures, and dkimpy.

use std::io::Write as _;
use std::process::{Command, Stdio};

use dunlin::dkim::{Signer, SigningKey, record_name, signatures};
use dunlin::domain::variable::Variable;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::verifier::verify;
use crate::{Setting, assert_committed, hostile, shipped, templates};

/// The mail of RFC 8463 §A.3 with its two signatures, as published.
const PUBLISHED: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n \
    d=football.example.com; i=@football.example.com;\r\n \
    q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n \
    subject : date : message-id : from : subject : date;\r\n \
    bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n \
    b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n \
    Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n\
    DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n \
    d=football.example.com; i=@football.example.com;\r\n \
    q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n \
    date : message-id : from : subject : date;\r\n \
    bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n \
    b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n \
    DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n \
    dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n\
    From: Joe SixPack <joe@football.example.com>\r\n\
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

fn signers() -> Vec<Signer> {
    let signer = |selector: &str| {
        let path = crate::root().join(format!("tests/keys/{selector}.pem"));
        let key = SigningKey::from_pem(&std::fs::read_to_string(path).unwrap()).unwrap();
        Signer { domain: "acme.example".into(), selector: selector.into(), key }
    };
    vec![signer("rsa"), signer("ed25519")]
}

fn records() -> Vec<(String, String)> {
    signers().iter().map(|signer| (record_name(&signer.selector, &signer.domain), signer.key.record())).collect()
}

/// What [`verify`] says of a mail with both of our signatures as they left.
fn both() -> Vec<Result<String, String>> {
    vec![Ok("acme.example".into()); 2]
}

#[test]
fn the_verifier_holds_the_published_signatures_and_no_others() {
    let records = [
        ("brisbane._domainkey.football.example.com", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
        (
            "test._domainkey.football.example.com",
            "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/b\
             yYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
        ),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()));
    let holds = |mail: &str| verify(mail.as_bytes(), &records).iter().map(Result::is_ok).collect::<Vec<_>>();
    assert_eq!(holds(PUBLISHED), [true, true]);
    // What may happen to a mail on its way.
    assert_eq!(
        holds(&PUBLISHED.replace("dinner ready?", "dinner\r\n  ready?").replace("game.  Are", "game. Are ")),
        [true, true]
    );
    for (from, to) in [
        ("Is dinner", "Is Dinner"),
        ("hungry", "angry"),
        ("\r\n\r\nHi", "\r\nSubject: x\r\n\r\nHi"),
        ("To: Suzie Q ", "To: Suzie "),
        ("h=from : to :", "h=to :"),
        ("b=/gCrinp", "b=/gCrinq"),
    ] {
        assert!(holds(&PUBLISHED.replace(from, to)).contains(&false), "{from}");
    }
}

/// Returns a mail as it leaves: its signatures in front.
fn signed_by(signers: &[Signer], replaced: &[&str], mail: &[u8]) -> Vec<u8> {
    [&signatures(signers, replaced, mail), mail].concat()
}

#[test]
fn a_signed_mail_is_as_committed_and_holds() {
    let composed = Setting::new("C-2", "second").compose(&shipped()).unwrap();
    let signed = signed_by(&signers(), &[], &composed.bytes);
    assert_eq!(verify(&signed, &records()), both());
    assert_committed("tests/mails/signed.eml", &signed);
}

#[test]
fn a_server_that_replaces_its_headers_breaks_no_signature() {
    let composed = Setting::new("C-1", "first").compose(&shipped()).unwrap();
    let replaced = |signed: Vec<u8>| {
        let signed = String::from_utf8(signed).unwrap();
        let lines = signed.split_inclusive("\r\n").map(|line| match line.split_once(':') {
            Some(("Message-ID", _)) => "Message-ID: <0100018a@email.amazonses.example>\r\n".to_owned(),
            Some(("Date", _)) => "Date: Mon, 5 Apr 2027 07:00:02 +0000\r\n".to_owned(),
            _ => line.to_owned(),
        });
        verify(lines.collect::<String>().as_bytes(), &records())
    };
    assert_eq!(replaced(signed_by(&signers(), &["Date", "Message-ID"], &composed.bytes)), both());
    assert!(replaced(signed_by(&signers(), &[], &composed.bytes)).iter().all(Result::is_err));
}

/// Headers and bodies as no template makes them: folds, gaps, blanks at line ends, empty lines at the end, dots, nothing at all.
fn raw() -> impl Strategy<Value = String> {
    let value = prop::collection::vec(
        prop_oneof!["[!-~]{1,12}", Just("\r\n ".to_owned()), Just("\r\n\t  ".into()), Just("  ".into()), Just(" \t".into())],
        1..8,
    );
    // A line of blanks alone would end the header for some.
    let field = value.prop_map(|words| format!("x{}x", words.concat()));
    let line = prop_oneof![
        Just(String::new()),
        Just(" ".into()),
        Just("\t \t".into()),
        Just(".".into()),
        Just("..".into()),
        Just("From x".into()),
        "[ -~]{0,70}",
        "[a-z]{1,5}[ \t]{1,4}[a-z]{1,5}[ \t]{0,3}",
        "\\PC{1,20}",
    ];
    (field.clone(), field, prop::collection::vec(line, 0..10)).prop_map(|(subject, other, lines)| {
        let body: String = lines.into_iter().map(|line| line + "\r\n").collect();
        format!(
            "X-Other: {other}\r\nFROM:  a@acme.example\r\nto:b@c.example\r\nSubject: {subject}\r\n\
             Message-ID: <1@acme.example>\r\n\r\n{body}"
        )
    })
}

/// A mail that the composer made of hostile texts, or one it would never make.
fn any_mail() -> impl Strategy<Value = Vec<u8>> {
    let composed = (hostile(), hostile(), hostile(), prop::collection::vec("[a-z0-9]{1,40}@[a-z]{1,30}[.]example", 0..3))
        .prop_map(|(name, subject, text, thread)| {
            let templates = templates(&[
                ("a.subject.txt", "{{ vars.subject }}"),
                ("a.html", "<p>{{ vars.text }}</p>"),
                ("a.txt", "{{ vars.text }}"),
            ]);
            let mut setting = Setting::new("C-1", "a");
            setting.sender.name = name;
            setting.sender.list_help = Some("mailto:help@acme.example".into());
            setting.thread = thread;
            setting.variables.insert("subject".into(), Variable::Text(subject));
            setting.variables.insert("text".into(), Variable::Text(text));
            setting.compose(&templates).ok().map(|composed| composed.bytes)
        });
    prop_oneof![composed.prop_filter_map("refused", |mail| mail), raw().prop_map(String::into_bytes)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_is_signed_holds_and_whatever_is_changed_does_not(mail in any_mail()) {
        let signed = signed_by(&signers(), &[], &mail);
        prop_assert_eq!(verify(&signed, &records()), both());
        let text = String::from_utf8(signed).unwrap();
        let no = |changed: String| verify(changed.as_bytes(), &records()).iter().all(Result::is_err);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        for added in ["From: x@y.example", "Reply-To: x@y.example", "Subject: x", "Cc: x@y.example", "Content-Type: text/html"] {
            let (above, below) = (format!("{added}\r\n{text}"), format!("{head}\r\n{added}\r\n\r\n{body}"));
            prop_assert!(no(above), "above: {}", added);
            prop_assert!(no(below), "below: {}", added);
        }
        prop_assert!(no(text.clone() + "x\r\n"));
    }
}

/// Asks dkimpy about each signature of every mail; prints how many hold, and the mails where one does not.
const ASK: &str = r#"
import dkim, json, sys
request = json.load(sys.stdin)
records = {name + ".": text.encode() for name, text in request["records"]}
held = 0
for number, mail in enumerate(request["mails"]):
    for index in range(2):
        found = dkim.DKIM(mail.encode()).verify(idx=index, dnsfunc=lambda name, timeout=5: records.get(name.decode()))
        held += bool(found)
        if not found:
            print("mail", number, "signature", index, repr(mail), file=sys.stderr)
print(held)
"#;

/// Held by somebody else's verifier: dkimpy (Debian: python3-dkim; it checks Ed25519 with python3-nacl).
#[test]
#[ignore = "needs a python3 with dkimpy on the PATH: tests/mail/fetch.sh"]
fn dkimpy_holds_our_signatures() {
    let python = |script: &str| {
        let mut command = Command::new("python3");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn()
    };
    let mut runner = TestRunner::deterministic();
    let mails: Vec<String> = (0..200)
        .map(|_| signed_by(&signers(), &[], &any_mail().new_tree(&mut runner).unwrap().current()))
        .map(|mail| String::from_utf8(mail).unwrap())
        .collect();
    let request = serde_json::json!({ "records": records(), "mails": mails });
    let mut child = python(ASK).unwrap();
    child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), (2 * mails.len()).to_string(), "{words}");
}
