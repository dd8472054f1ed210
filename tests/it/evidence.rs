//! Evidence of a mail for others, and a record whose change by hand shows.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;

use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::server::Server;
use crate::workspace::{AS_OF, Ran, Workspace, counts};

/// Returns the files of a pack by name.
fn files(workspace: &Workspace, name: &str) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(File::open(workspace.path().join(name)).unwrap()).unwrap();
    let read = |place: usize| {
        let mut file = zip.by_index(place).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (file.name().unwrap().into_owned(), bytes)
    };
    let count = zip::ZipArchive::new(File::open(workspace.path().join(name)).unwrap()).unwrap().len();
    (0..count).map(read).collect()
}

fn evidence(workspace: &Workspace, message: &str, name: &str) -> Ran {
    workspace.dunlin(&["evidence", message, "--json", "--out", workspace.path().join(name).to_str().unwrap()])
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_pack_shows_a_mail_as_it_was_made_though_everything_has_changed_since() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    workspace.write("config.yaml", &Workspace::config(server.port, "# the password is not in here: hunter2\n"));
    workspace.edit("rules/overdue.yaml", "to: [billing]", "to: [billing]\nscript: overdue.rhai");
    workspace.write("rules/overdue.rhai", "fn variables(customer, items, level) { #{ extra: \"x\" } }\n");
    let rule = workspace.read("rules/overdue.yaml");
    let run = workspace.run();
    assert_eq!(counts(&run), "accepted=2");
    // The files change, and a pack of years later holds them as they were.
    workspace.edit("rules/overdue.yaml", "7 days after due", "9 days after due");
    workspace.edit("rules/templates/note.html", "Dear", "Hello");
    workspace.edit("customers.csv", "Customer 1", "Customer One");

    let made = evidence(&workspace, "1", "a.zip");
    assert_eq!(made.code, Some(0), "{made:?}");
    let read = files(&workspace, "a.zip");
    let manifest: Value = serde_json::from_slice(&read["manifest.json"]).unwrap();
    // Every file but the manifest itself, by another implementation of the hash.
    let listed: BTreeMap<String, String> = manifest["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["file"].as_str().unwrap().to_owned(), file["sha256"].as_str().unwrap().to_owned()))
        .collect();
    let found: BTreeMap<String, String> =
        read.iter().filter(|(name, _)| *name != "manifest.json").map(|(name, bytes)| (name.clone(), sha256(bytes))).collect();
    assert_eq!(listed, found);

    let by_recipient = |to: &str| server.taken().into_iter().find(|mail| mail.recipients == [to]).unwrap().bytes;
    assert_eq!(read["message.eml"], by_recipient("ap1@customer1.example"), "what the server got");
    assert_eq!(String::from_utf8(read["texts/rules/overdue.yaml"].clone()).unwrap(), rule);
    assert!(read["texts/rules/templates/note.html"].starts_with(b"<p>Dear"));
    assert_eq!(
        manifest["rule"],
        json!({ "file": "rules/overdue.yaml", "script": "rules/overdue.rhai", "revision": manifest["rule"]["revision"] })
    );
    let json = |name: &str| serde_json::from_slice::<Value>(&read[name]).unwrap();
    assert_eq!(
        json("input.json"),
        json!({
            "as_of": AS_OF, "currency": "EUR",
            "customer": {
                "id": "C0001", "name": "Customer 1", "language": "en", "contacts": { "billing": ["ap1@customer1.example"] },
            },
            "documents": [{
                "number": "INV-0001", "kind": "invoice", "currency": "EUR", "issued_on": "2026-02-01", "due_on": "2026-03-02",
                "total": "1.50", "open": "1.50", "disputed": false, "approved": true,
            }],
        })
    );
    let decision = &json("decision.json")[0];
    assert_eq!((&decision["reason"], &decision["customer_id"]), (&"level_due".into(), &"C0001".into()));
    let attempt = &json("attempts.json")[0];
    assert_eq!(
        (&attempt["outcome"], &attempt["reply_code"], &attempt["stage"]),
        (&"accepted".into(), &250.into(), &"final_dot".into())
    );
    assert!(attempt["reply_text"].as_str().is_some_and(|text| !text.is_empty()), "{attempt}");
    assert!(json("run.json")["run"]["person"].is_string() && json("acts.json")[0]["act"] == "run");
    // The configuration may hold a password: its hash is all there is of it, here and in the database.
    assert_eq!(
        manifest["missing"],
        json!([{ "what": "config.yaml", "why": "only its hash is kept: it may hold a secret, or is a program" }])
    );
    for file in ["a.zip", "dunlin.db", "dunlin.db-wal"] {
        let bytes = fs::read(workspace.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{file}");
    }

    // The same mail by its other names gives the same bytes; nothing is written over.
    let key = manifest["message"]["key"].as_str().unwrap();
    for name in [key.to_owned(), format!("<{}>", manifest["message"]["message_id"].as_str().unwrap())] {
        assert_eq!(evidence(&workspace, &name, "b.zip").code, Some(0), "{name}");
        assert_eq!(fs::read(workspace.path().join("a.zip")).unwrap(), fs::read(workspace.path().join("b.zip")).unwrap());
        let again = evidence(&workspace, &name, "b.zip");
        assert!(again.code == Some(1) && again.err.contains("--force"), "{again:?}");
        fs::remove_file(workspace.path().join("b.zip")).unwrap();
    }
    let missing = evidence(&workspace, "77", "b.zip");
    assert!(missing.code == Some(1) && missing.err.contains("There is no mail `77`"), "{missing:?}");
    assert!(!workspace.path().join("b.zip").exists());

    // And the link it names is in the chain.
    let verified = workspace.dunlin(&["verify", "--expect", manifest["link"].as_str().unwrap()]);
    assert!(verified.code == Some(0) && verified.out.contains("the noted hash is in the chain"), "{verified:?}");
}

#[test]
fn a_blocked_mail_and_an_archived_one_say_what_they_lack() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    workspace.write(
        "config.yaml",
        &Workspace::config(server.port, "retention: { archive: archive, mails: 31 days, decisions: 31 days }\n"),
    );
    workspace.edit("customers.csv", ",ap2@customer2.example", ",");
    assert_eq!(counts(&workspace.run()), "accepted=1 blocked=1");
    let blocked = evidence(&workspace, "2", "blocked.zip").json();
    assert!(blocked["missing"].to_string().contains("never composed"), "{blocked}");

    let whole = evidence(&workspace, "1", "before.zip");
    assert_eq!(whole.code, Some(0));
    let aged = Connection::open(workspace.path().join("dunlin.db")).unwrap();
    // Old enough to be archived; the chain is told about it no more than about any other change by hand.
    aged.execute_batch(
        "update run set started_at_ms = started_at_ms - 86400000 * 100, finished_at_ms = 1;
        update message set state_at_ms = state_at_ms - 86400000 * 100;
        insert into run (as_of, mode, generation, started_at_ms, finished_at_ms) values ('2026-03-10', 'live', 'g', 1900000000000, 1)",
    )
    .unwrap();
    drop(aged);
    assert_eq!(workspace.dunlin(&["store", "prune"]).code, Some(0));
    assert_eq!(evidence(&workspace, "1", "after.zip").code, Some(0));
    let (before, after) = (files(&workspace, "before.zip"), files(&workspace, "after.zip"));
    for name in ["message.eml", "input.json"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    let decision: Value = serde_json::from_slice(&after["decision.json"]).unwrap();
    assert_eq!(decision[0]["reason"], "level_due");
    fs::rename(workspace.path().join("archive"), workspace.path().join("away")).unwrap();
    let without = evidence(&workspace, "1", "without.zip").json();
    assert!(without["missing"].to_string().contains("not at hand"), "{without}");
}

#[test]
fn a_record_that_somebody_changed_is_named_and_a_sound_one_is_told_in_one_line() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    let nothing = workspace.dunlin(&["verify"]);
    assert!(nothing.code == Some(1) && nothing.err.contains("no database yet"), "{nothing:?}");
    assert_eq!(counts(&workspace.run()), "accepted=3");
    let sound = workspace.dunlin(&["verify"]);
    assert_eq!(sound.code, Some(0), "{sound:?}");
    assert!(sound.out.starts_with("All right: 1 run, 3 messages, 3 attempts, from 20"), "{sound:?}");
    assert_eq!(sound.out.lines().count(), 1, "{sound:?}");
    let view = workspace.dunlin(&["verify", "--json"]).json();
    let hash = view["hash"].as_str().unwrap().to_owned();

    let other = workspace.dunlin(&["verify", "--expect", "00ff00ff"]);
    assert!(other.code == Some(1) && other.out.contains("no link has it"), "{other:?}");
    assert_eq!(workspace.dunlin(&["verify", "--expect", "such"]).code, Some(2));

    let changing = Connection::open(workspace.path().join("dunlin.db")).unwrap();
    changing.execute("update attempt set reply_text = 'as we wished' where id = 2", ()).unwrap();
    drop(changing);
    let changed = workspace.dunlin(&["verify", "--expect", &hash[..12]]);
    assert_eq!(changed.code, Some(1), "{changed:?}");
    assert!(changed.out.contains("attempt 2") && changed.err.contains("1 fault"), "{changed:?}");
    let view = workspace.dunlin(&["verify", "--json"]).json();
    assert_eq!((&view["faults"][0]["what"], view["faults"].as_array().unwrap().len()), (&"attempt 2".into(), 1));
}
