//! The shipped plugin `typeset`: letters are set by a stand-in for Typst that takes the same command line, and by the real
//! engines where somebody asks for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mail_parser::{MessageParser, MimeHeaders};

use crate::server::Server;
use crate::workspace::{AS_OF, Ran, Workspace};

/// Takes the command line of `typst compile` and no other, and does what the layout says, else writes what it was asked.
const STAND_IN: &str = r##"#!/usr/bin/env python3
import argparse, json, os, pathlib, subprocess, sys
asked = argparse.ArgumentParser()
asked.add_argument("command", choices=["compile"])
for name in ["root", "font-path", "creation-timestamp", "input"]:
    asked.add_argument("--" + name, required=True)
asked.add_argument("--diagnostic-format", choices=["short"], required=True)
asked.add_argument("--ignore-system-fonts", action="store_true", required=True)
asked.add_argument("layout")
asked.add_argument("output", type=pathlib.Path)
asked = asked.parse_args()
root = pathlib.Path(asked.root)
layout = (root / asked.layout).read_text()
letter = json.loads((root / asked.input.removeprefix("data=").lstrip("/")).read_text())
if layout == "fault":
    sys.exit(asked.layout + ":3:5: error: unknown variable: custmer")
if layout == "hang":
    child = subprocess.Popen(["sleep", "600"])
    pathlib.Path(__file__).with_name("hung").write_text(f"{os.getpid()} {child.pid}")
    child.wait()
if layout != "nothing":
    said = "|".join([letter["customer"]["name"], letter["words"]["reminder"], letter["total"]["text"], letter["items"][0]["due_on"]["iso"], asked.creation_timestamp])
    asked.output.write_text("" if layout == "empty" else f"%PDF-1.7\n{said}\n%%EOF\n")
"##;

/// A workspace with the plugin, a stand-in named `typst` in its folder `bin`, and a rule that attaches letters in `layout`.
fn workspace(port: u16, layout: &str) -> Workspace {
    let workspace = Workspace::new(port, 2);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/typeset");
    for inner in ["", "layouts/"] {
        for file in fs::read_dir(shipped.join(inner)).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
            let name = format!("plugins/typeset/{inner}{}", file.file_name().into_string().unwrap());
            workspace.write(&name, &fs::read_to_string(file.path()).unwrap());
        }
    }
    workspace.write("bin/typst", STAND_IN);
    fs::set_permissions(workspace.path().join("bin/typst"), fs::Permissions::from_mode(0o755)).unwrap();
    let attach = format!("kind: reminder\nattach: [{{ plugin: typeset, settings: {{ layout: {layout} }} }}]");
    workspace.edit("rules/overdue.yaml", "kind: reminder", &attach);
    workspace.edit("customers.csv", "C0002,Customer 2,en", "C0002,Kunde & Söhne,de");
    workspace.write("rules/templates/note.de.subject.txt", "Rechnung\n");
    workspace.write("rules/templates/note.de.html", "<p>Bitte zahlen Sie {{ total }}.</p>\n");
    workspace
}

/// Runs a command with the stand-in first along the `PATH`.
fn dunlin(workspace: &Workspace, arguments: &[&str]) -> Ran {
    let path = format!("{}:{}", workspace.path().join("bin").display(), std::env::var("PATH").unwrap());
    workspace.dunlin_with(arguments, &[("PATH", &path)])
}

/// Returns the files of each mail that a run sent, and the reasons of those that were blocked.
fn run(workspace: &Workspace, server: &Server) -> (Vec<(String, Vec<u8>)>, Vec<String>) {
    let ran = dunlin(workspace, &["run", "--as-of", AS_OF, "--json"]);
    assert!(ran.out.starts_with('{'), "{ran:?}");
    let files = server.taken().into_iter().flat_map(|mail| {
        let parsed = MessageParser::default().parse(&mail.bytes).unwrap();
        parsed
            .attachments()
            .map(|file| (file.attachment_name().unwrap().to_owned(), file.contents().to_vec()))
            .collect::<Vec<_>>()
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    let blocked = workspace.outbox().into_iter().filter(|mail| mail["state"] == "blocked");
    (files, blocked.map(|mail| format!("{}: {}", mail["reason"].as_str().unwrap(), mail["detail"].as_str().unwrap())).collect())
}

#[test]
fn each_letter_is_set_in_its_mails_language_and_goes_along_the_same_each_time() {
    let mut runs = vec![];
    for _ in 0..2 {
        let server = Server::willing();
        runs.push(run(&workspace(server.port, "letter.typ"), &server));
    }
    // 10 March 2026, 0:00 UTC.
    let expected = [
        ("Reminder 2026-03-10.pdf", "%PDF-1.7\nCustomer 1|Payment reminder|€1.50|2026-03-02|1773100800\n%%EOF\n"),
        (
            "Zahlungserinnerung 2026-03-10.pdf",
            "%PDF-1.7\nKunde & Söhne|Zahlungserinnerung|2,50\u{a0}€|2026-03-02|1773100800\n%%EOF\n",
        ),
    ];
    let expected = expected.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    assert_eq!(runs, vec![(expected.to_vec(), vec![]); 2]);
}

#[test]
fn what_cannot_be_set_blocks_its_mail_with_the_engines_own_words() {
    for (layout, text, expected) in [
        (
            "ours.typ",
            "fault",
            "typst made no PDF of layouts/ours.typ (exit code 1): layouts/ours.typ:3:5: error: unknown variable: custmer",
        ),
        ("ours.typ", "empty", "typst said that all is well, but left no whole PDF"),
        ("ours.typ", "nothing", "typst said that all is well, but left no whole PDF"),
        ("gone.typ", "", "There is no layout plugins/typeset/layouts/gone.typ"),
        ("ours.html", "<p>\n{{customer.nam}}", "layouts/ours.html:2: `customer.nam` has nothing to print here"),
        ("ours.html", "<p>{{#items}}", "layouts/ours.html:1: `{{#items}}` is never ended"),
        ("{ layout: ours.typ, program: typst-of-nobody }", "", "`typst-of-nobody` cannot be started: No such file or directory"),
    ] {
        let server = Server::willing();
        let workspace = workspace(server.port, layout);
        if layout.starts_with('{') {
            workspace.edit("rules/overdue.yaml", &format!("{{ layout: {layout} }}"), layout);
        }
        workspace
            .write(&format!("plugins/typeset/layouts/{}", if layout.ends_with(".html") { layout } else { "ours.typ" }), text);
        let (files, blocked) = run(&workspace, &server);
        assert_eq!((files.len(), blocked.len()), (0, 2), "{layout} {text}: {blocked:?}");
        let is_told = |told: &String| told.starts_with("document_missing: ") && told.contains(expected);
        assert!(blocked.iter().all(is_told), "{layout} {text}: {blocked:?}");
    }
}

#[test]
fn a_letter_can_be_looked_at_in_any_language_and_is_tried_by_check() {
    let workspace = workspace(2525, "letter.typ");
    let out = workspace.path().join("out.eml").display().to_string();
    let shown = dunlin(&workspace, &["preview", "C0001", "--as-of", AS_OF, "--language", "de", "--out", &out]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    let expected = "%PDF-1.7\nCustomer 1|Zahlungserinnerung|1,50\u{a0}€|2026-03-02|1773100800\n%%EOF\n";
    assert_eq!(workspace.read("Zahlungserinnerung 2026-03-10.pdf"), expected);
    assert_eq!(dunlin(&workspace, &["check"]).code, Some(0));
    workspace.write("plugins/typeset/layouts/letter.typ", "fault");
    let checked = dunlin(&workspace, &["check"]);
    assert_eq!(checked.code, Some(3));
    assert!(
        checked.err.contains("layouts/letter.typ:3:5: error") || checked.out.contains("layouts/letter.typ:3:5: error"),
        "{checked:?}"
    );
}

#[test]
fn an_engine_that_hangs_is_ended_with_all_it_started() {
    let server = Server::willing();
    let workspace = workspace(server.port, "ours.typ");
    workspace.write("plugins/typeset/layouts/ours.typ", "hang");
    workspace.edit("plugins/typeset/plugin.yaml", "timeout: 60 s", "timeout: 3 s");
    let (files, blocked) = run(&workspace, &server);
    assert_eq!((files.len(), blocked.len()), (0, 2));
    assert!(blocked.iter().all(|told| told.contains("took longer than 3 s and was killed")), "{blocked:?}");
    let hung = workspace.read("bin/hung");
    for id in hung.split(' ') {
        // One that waits for its parent to take note of its end is a zombie.
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        assert!(status.is_empty() || status.contains("State:\tZ"), "{id} lives: {status}");
    }
}

/// `PATH` has both engines: `cargo test --test it typeset -- --ignored`.
#[test]
#[ignore = "needs typst and weasyprint along the PATH"]
fn the_shipped_layouts_are_set_by_the_real_engines_the_same_each_time() {
    for layout in ["letter.typ", "letter.html"] {
        let mut runs = vec![];
        for _ in 0..2 {
            let server = Server::willing();
            let workspace = workspace(server.port, layout);
            fs::remove_file(workspace.path().join("bin/typst")).unwrap();
            runs.push(run(&workspace, &server));
        }
        let (files, blocked) = &runs[0];
        assert_eq!(blocked, &Vec::<String>::new());
        assert_eq!(
            files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["Reminder 2026-03-10.pdf", "Zahlungserinnerung 2026-03-10.pdf"]
        );
        assert!(files.iter().all(|(_, bytes)| bytes.starts_with(b"%PDF-") && bytes.len() > 4_000));
        assert!(runs[0] == runs[1], "{layout} gives other bytes each time");
    }
}
