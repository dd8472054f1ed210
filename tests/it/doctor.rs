//! `dunlin doctor`: each fault said with why it matters and what to do; what is not known is never a fault.

use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;

use dunlin::dkim::SigningKey;
use serde_json::Value;

use crate::dns::{Manner, resolver};
use crate::server::Server;
use crate::workspace::{Ran, Workspace};

const GOOD: &[(&str, &[&str])] = &[
    ("seller.example", &["some-verification=x", "v=spf1 ip4:192.0.2.0/24 include:spf.provider.example -all"]),
    ("spf.provider.example", &["v=spf1 ip4:198.51.100.0/24 -all"]),
    ("_dmarc.seller.example", &["v=DMARC1; p=reject"]),
];

fn doctor(workspace: &Workspace, resolver: SocketAddr) -> (Ran, Vec<Value>) {
    let ran = workspace.dunlin(&["doctor", "--json", "--resolver", &resolver.to_string()]);
    let findings = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (ran, findings)
}

/// Returns the levels and words of the findings of one kind.
fn of<'f>(findings: &'f [Value], area: &str) -> Vec<(&'f str, &'f str)> {
    let own = findings.iter().filter(|finding| finding["area"] == area);
    own.map(|finding| (finding["level"].as_str().unwrap(), finding["what"].as_str().unwrap())).collect()
}

#[test]
fn a_workspace_that_is_right_has_no_fault() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    for manner in [Manner::Good, Manner::CutOff] {
        let (ran, findings) = doctor(&workspace, resolver(manner, GOOD));
        assert_eq!(ran.code, Some(0), "{manner:?} {ran:?}");
        assert_eq!(
            of(&findings, "spf")[0],
            ("ok", "The domain has one SPF record that ends and costs as it should"),
            "{manner:?}"
        );
        // By which address a relay on this machine sends on, nobody can see from here.
        assert_eq!(of(&findings, "spf")[1].0, "unknown");
        assert_eq!(of(&findings, "dmarc")[0].0, "ok");
        assert_eq!(of(&findings, "server")[0].0, "ok");
        assert_eq!(of(&findings, "clock")[0].0, "ok");
        assert!(findings.iter().all(|finding| finding["level"] != "fault"), "{findings:#?}");
    }
    assert!(server.taken().is_empty(), "no mail is sent");
}

#[test]
fn what_is_wrong_with_a_domain_is_told_with_the_next_step() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    let many: &[&str] = &[
        "v=spf1 a:a.example a:b.example a:c.example a:d.example a:e.example a:f.example mx mx:a.example ptr ptr exists:x.example -all",
    ];
    for (spf, dmarc, expected_spf, expected_dmarc) in [
        (&[][..], &[][..], ("fault", "no SPF record"), ("fault", "no DMARC record")),
        (&["v=spf1 -all", "v=spf1 ~all"], &["v=DMARC1; p=none"], ("fault", "2 SPF records"), ("note", "p=none")),
        (&["v=spf1 ip4:192.0.2.1 ?all"], &["v=DMARC1"], ("note", "ends in `?all`"), ("fault", "no policy")),
        (
            &["v=spf1 ipv4:192.0.2.1 -all"],
            &["v=DMARC1; p=none", "v=DMARC1; p=none"],
            ("fault", "ipv4:192.0.2.1"),
            ("fault", "2 DMARC"),
        ),
        (&["v=spf1 include:none.example -all"], &["v=DMARC1; p=quarantine"], ("fault", "none.example"), ("ok", "among the spam")),
        (many, &["v=DMARC1; p=reject"], ("fault", "costs 11 look-ups; 10 are allowed"), ("ok", "refuse")),
    ] {
        let mut texts = vec![("seller.example", spf)];
        if !dmarc.is_empty() {
            texts.push(("_dmarc.seller.example", dmarc));
        }
        let (ran, findings) = doctor(&workspace, resolver(Manner::Good, &texts));
        for (area, (level, words)) in [("spf", expected_spf), ("dmarc", expected_dmarc)] {
            let found = of(&findings, area);
            assert!(found.iter().any(|(found, what)| *found == level && what.contains(words)), "{spf:?} {area}: {found:?}");
        }
        let has_fault = [expected_spf, expected_dmarc].iter().any(|(level, _)| *level == "fault");
        assert_eq!(ran.code, Some(i32::from(has_fault)), "{spf:?}");
        for finding in findings.iter().filter(|finding| finding["level"] == "fault") {
            assert!(finding["why"] != "" && finding["next_step"] != "", "{finding}");
        }
    }
}

#[test]
fn a_domain_below_another_has_the_policy_of_the_one_above() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    workspace.edit("config.yaml", "ar@seller.example", "ar@billing.seller.example");
    let texts: &[(&str, &[&str])] = &[
        ("billing.seller.example", &["v=spf1 redirect=seller.example"]),
        ("seller.example", &["v=spf1 ~all"]),
        ("_dmarc.seller.example", &["v=DMARC1; p=reject; sp=none"]),
    ];
    let (_, findings) = doctor(&workspace, resolver(Manner::Good, texts));
    assert_eq!(of(&findings, "spf")[0].0, "ok", "{findings:#?}");
    assert_eq!(of(&findings, "dmarc"), [("note", "The DMARC record of seller.example asks for nothing (`p=none`)")]);
}

#[test]
fn a_dkim_key_is_looked_for_under_the_selector_that_is_named() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    for (text, level, words) in [
        (&["v=DKIM1; k=ed25519; p=11qY"][..], "ok", "There is a DKIM key under the selector mine"),
        (&["v=DKIM1; p="], "fault", "was taken back"),
        (&["something else"], "fault", "There is no DKIM key under the selector mine"),
    ] {
        let zone = [GOOD, &[("mine._domainkey.seller.example", text)]].concat();
        let at = resolver(Manner::Good, &zone).to_string();
        let ran = workspace.dunlin(&["doctor", "--json", "--resolver", &at, "--selector", "mine"]);
        let findings: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let found = of(&findings, "dkim");
        assert!(found.len() == 1 && found[0].0 == level && found[0].1.contains(words), "{found:?}");
        assert_eq!(ran.code, Some(i32::from(level == "fault")));
    }
}

#[test]
fn no_answer_is_told_as_unknown_and_is_no_fault() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (resolver, words) in [(resolver(Manner::Failing, GOOD), "SERVFAIL"), (closed, "No resolver answered")] {
        let (ran, findings) = doctor(&workspace, resolver);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        for area in ["spf", "dmarc"] {
            let found = of(&findings, area);
            assert!(found[0].0 == "unknown" && found[0].1.contains(words), "{found:?}");
        }
    }
}

#[test]
fn what_lies_open_on_the_machine_is_a_fault() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    let config = workspace.path().join("config.yaml");
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o666)).unwrap();
    let (ran, findings) = doctor(&workspace, resolver(Manner::Good, GOOD));
    assert_eq!(ran.code, Some(1));
    assert_eq!(of(&findings, "files"), [("fault", "Everybody on this machine may write config.yaml")]);
    let told = workspace.dunlin(&["doctor", "--resolver", &resolver(Manner::Good, GOOD).to_string()]);
    assert!(told.out.contains("next: chmod o-w config.yaml") && told.err.contains("1 fault found"), "{told:?}");
}

#[test]
fn a_server_that_cannot_be_used_is_a_fault_with_its_meaning() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let workspace = Workspace::new(closed, 1);
    let (ran, findings) = doctor(&workspace, resolver(Manner::Good, GOOD));
    assert_eq!(ran.code, Some(1));
    let found = findings.iter().find(|finding| finding["area"] == "server").unwrap();
    assert_eq!((&found["level"], &found["why"]), (&"fault".into(), &"Nothing listens on that port.".into()), "{found}");
}

/// Returns a workspace whose sender has this address and these keys more.
fn with_sender(port: u16, address: &str, more: &str) -> Workspace {
    let workspace = Workspace::new(port, 1);
    workspace.edit("config.yaml", "address: ar@seller.example,", &format!("address: {address}, {more}"));
    workspace
}

/// Returns the setting of a key of the tests at `seller.example`, and the text of its record.
fn own_key() -> (String, &'static str) {
    let path = format!("{}/tests/keys/ed25519.pem", env!("CARGO_MANIFEST_DIR"));
    let record = SigningKey::from_pem(&std::fs::read_to_string(&path).unwrap()).unwrap().record();
    let setting = format!("dkim: {{ domain: seller.example, selector: mine, key: \"${{file:{path}}}\" }}, ");
    (setting, record.leak())
}

/// A key that is nobody's here. Source: RFC 8463 §A.2.
const ANOTHER: &[&str] = &["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="];

#[test]
fn spf_is_asked_of_the_domain_that_bounces_go_to_and_must_count_for_the_senders() {
    let server = Server::willing();
    let (key, record) = own_key();
    let ours = &[record][..];
    let (plain, own) = ("", key.as_str());
    let (address, away) = ("ar@seller.example", "return_path: bounces@other.example, ");
    let other = ("other.example", &["v=spf1 ip4:192.0.2.0/24 -all"][..]);
    for (address, path, dkim, published, dmarc, expected) in [
        (address, away, plain, ours, "v=DMARC1; p=reject", Some(("note", "whether they have one is not known"))),
        (address, away, own, ours, "v=DMARC1; p=reject", Some(("note", "by their DKIM signature alone"))),
        (address, away, own, ANOTHER, "v=DMARC1; p=reject", Some(("fault", "The mails fail DMARC"))),
        (address, "return_path: bounces@b.seller.example, ", own, ours, "v=DMARC1; p=reject", None),
        (address, "return_path: bounces@b.seller.example, ", own, ours, "v=DMARC1; p=reject; aspf=s", Some(("note", "alone"))),
        ("ar@a.seller.example", "return_path: bounces@b.seller.example, ", own, ours, "v=DMARC1; p=reject", None),
        (address, plain, own, ours, "v=DMARC1; p=reject; aspf=s; adkim=s", None),
    ] {
        let workspace = with_sender(server.port, address, &format!("{path}{dkim}"));
        let dmarc_texts = [dmarc];
        let zone = [GOOD[0], other, ("_dmarc.seller.example", &dmarc_texts[..]), ("mine._domainkey.seller.example", published)];
        let (_, findings) = doctor(&workspace, resolver(Manner::Good, &zone));
        let asked = findings.iter().any(|finding| finding["area"] == "spf" && finding["about"] == "other.example");
        assert_eq!(asked, path == away, "{findings:#?}");
        let found: Vec<(&str, &str)> = findings
            .iter()
            .filter(|finding| finding["area"] == "dmarc" && finding["what"].as_str().unwrap().starts_with("Bounces"))
            .map(|finding| (finding["level"].as_str().unwrap(), finding["why"].as_str().unwrap()))
            .collect();
        match expected {
            None => assert_eq!(found, [], "{path} {dmarc}"),
            Some((level, words)) => {
                assert!(found.len() == 1 && found[0].0 == level && found[0].1.contains(words), "{path} {dmarc}: {found:?}");
            }
        }
    }
    // A bounce's domain without a record is told of as the sender's own is.
    let workspace = with_sender(server.port, address, away);
    let (_, findings) = doctor(&workspace, resolver(Manner::Good, GOOD));
    let told = |finding: &Value| finding["about"] == "other.example" && finding["what"] == "The domain has no SPF record";
    assert!(findings.iter().any(told), "{findings:#?}");
}

#[test]
fn a_key_of_our_own_must_be_the_one_that_is_published_and_count_for_the_domain() {
    let server = Server::willing();
    let (key, record) = own_key();
    let ours = &[record][..];
    let (own, below) = ("ar@seller.example", "ar@billing.seller.example");
    let (relaxed, strict) = (&["v=DMARC1; p=reject"][..], &["v=DMARC1; p=reject; adkim=s"][..]);
    for (address, published, dmarc, level, words) in [
        (own, ours, strict, "ok", "Our DKIM key is under mine._domainkey.seller.example"),
        (own, ANOTHER, relaxed, "fault", "is another one than ours"),
        (own, &["v=DKIM1; p=MIIB"][..], relaxed, "fault", "is of another kind (`rsa`) than ours (`ed25519`)"),
        (own, &["v=DKIM1; p="], relaxed, "fault", "was taken back"),
        (own, &["hello"], relaxed, "fault", "There is no DKIM key under mine._domainkey.seller.example"),
        (below, ours, relaxed, "ok", "Our DKIM key is under mine._domainkey.seller.example"),
        (below, ANOTHER, relaxed, "fault", "is another one than ours"),
        (below, ours, strict, "note", "does not count for billing.seller.example"),
    ] {
        let workspace = with_sender(server.port, address, &key);
        let zone = [GOOD[0], ("_dmarc.seller.example", dmarc), ("mine._domainkey.seller.example", published)];
        let (_, findings) = doctor(&workspace, resolver(Manner::Good, &zone));
        let found = of(&findings, "dkim");
        assert!(found.len() == 1 && found[0].0 == level && found[0].1.contains(words), "{address} {published:?}: {found:?}");
    }
    let lost = "dkim: { domain: seller.example, selector: mine, key: \"${file:/nowhere/dkim.pem}\" }, ";
    let zone = [GOOD, &[("mine._domainkey.seller.example", ours)]].concat();
    let (_, findings) = doctor(&with_sender(server.port, own, lost), resolver(Manner::Good, &zone));
    assert!(of(&findings, "dkim")[0].0 == "unknown", "{findings:#?}");
}

#[test]
fn where_nobody_is_known_to_sign_that_is_told() {
    let server = Server::willing();
    let (_, findings) = doctor(&Workspace::new(server.port, 1), resolver(Manner::Good, GOOD));
    let what = "Whether mails that go through `primary` are signed cannot be told from here: no key of ours signs them";
    assert_eq!(of(&findings, "dkim"), [("unknown", what)]);
}
