//! Papers from outside: what a rule attaches arrives, and what cannot be made is not sent.

use std::fs;

use mail_parser::{MessageParser, MimeHeaders};

use crate::late_payment;
use crate::server::Server;
use crate::workspace::{AS_OF, Workspace};

const LAYOUT: &str = "title: Items\nbody:\n  - paragraph: \"{{ customer.name }}\"\n  - table:\n      rows: items\n      columns: [{ title: Number, value: \"{{ row.number }}\" }]\n      totals: [{ label: Total, value: \"{{ total }}\" }]\n";

/// A workspace whose rule attaches its items in this layout.
fn workspace(port: u16, layout: &str) -> Workspace {
    let workspace = Workspace::new(port, 2);
    workspace.write("rules/papers/items.yaml", layout);
    workspace.edit("rules/overdue.yaml", "kind: reminder", "kind: reminder\nattach: [{ items: pdf }]");
    workspace
}

#[test]
fn a_paper_goes_with_its_mail_and_preview_writes_it() {
    let server = Server::start(|_| None);
    let workspace = workspace(server.port, LAYOUT);
    let out = workspace.path().join("out.txt");
    let shown = workspace.dunlin(&["preview", "--as-of", AS_OF, "--out", &out.display().to_string()]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(shown.err.contains("items.pdf goes with it"), "{}", shown.err);
    assert!(fs::read(workspace.path().join("items.pdf")).unwrap().starts_with(b"%PDF-1.7"));
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let mails = server.taken();
    assert_eq!(mails.len(), 2);
    for mail in mails {
        let text = String::from_utf8_lossy(&mail.bytes).into_owned();
        assert!(text.contains("application/pdf") && text.contains("items.pdf"), "{text}");
    }
}

#[test]
fn preview_writes_what_the_ending_of_its_file_says() {
    let workspace = workspace(2525, LAYOUT);
    let written = |name: &str, further: &[&str]| {
        let out = workspace.path().join(name);
        let ran = workspace.dunlin(&[&["preview", "--as-of", AS_OF, "--out", &out.display().to_string()], further].concat());
        (ran.code, fs::read_to_string(&out).unwrap_or(ran.err))
    };
    for (name, further, expected) in [
        ("a.eml", &[][..], "Date: "),
        ("a.EML", &["--format", "text"], "From:    "),
        ("a.txt", &[], "From:    "),
        ("a.html", &[], "<p>"),
        ("b.txt", &["--format", "eml"], "Date: "),
        ("c.mail", &["--format", "eml"], "Date: "),
    ] {
        let (code, text) = written(name, further);
        assert_eq!(code, Some(0), "{name}: {text}");
        assert!(text.to_ascii_lowercase().starts_with(&expected.to_ascii_lowercase()), "{name}: {text}");
    }
    for name in ["d.pdf", "d", "d.json"] {
        let (code, told) = written(name, &[]);
        assert!(code == Some(1) && told.contains("does not say what to write"), "{name}: {code:?} {told}");
    }
}

#[test]
fn a_paper_that_cannot_be_made_blocks_its_mail_and_a_wrong_layout_its_rule() {
    let server = Server::start(|_| None);
    let workspace = workspace(server.port, &LAYOUT.replace("{{ customer.name }}", "請求書"));
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF]);
    assert!(server.taken().is_empty(), "no mail goes without its paper");
    let told = workspace.dunlin(&["outbox", "--state", "blocked"]);
    assert!(told.out.contains("blocked: a document to attach is"), "{}{}", ran.err, told.out);
    let checked = workspace.dunlin(&["check"]);
    assert!(
        checked.err.contains("no font for '請' (U+8ACB)") || checked.out.contains("no font for '請' (U+8ACB)"),
        "{}",
        checked.err
    );
    workspace.write("rules/papers/items.yaml", &LAYOUT.replace("customer.name", "custmer.name"));
    let checked = workspace.dunlin(&["check"]);
    let all = format!("{}{}", checked.out, checked.err);
    assert_eq!(checked.code, Some(3), "{all}");
    assert!(all.contains("rules/papers/items.yaml:3:") && all.contains("The layout of papers `items` has errors"), "{all}");
}

#[test]
fn the_shipped_statement_goes_as_a_mail_with_its_paper() {
    let server = Server::start(|_| None);
    let workspace = late_payment::untouched();
    workspace.edit("config.yaml", "port: 2525", &format!("port: {}", server.port));
    let ran = workspace.dunlin(&["run", "monthly-statement", "--as-of", AS_OF, "--yes"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let mails = server.taken();
    assert!(mails.len() > 5, "{}", mails.len());
    for taken in mails {
        let mail = MessageParser::new().parse(&taken.bytes).unwrap();
        let files: Vec<&str> = mail.attachments().filter_map(|part| part.attachment_name()).collect();
        let papers: Vec<_> = mail.attachments().filter(|part| part.contents().starts_with(b"%PDF-1.7")).collect();
        let is_whole = papers.len() == 1 && papers[0].attachment_name().is_some_and(|name| name.ends_with(" 2026-02-28.pdf"));
        assert!(is_whole, "{:?} has {files:?}", mail.subject());
    }
}
