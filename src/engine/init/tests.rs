//! New workspaces: they are right as they stand, they name their schemas, and they never touch what is there.

use std::collections::BTreeMap;

use super::*;
use crate::engine::schema::SCHEMAS;
use crate::engine::workspace::load;

fn answers() -> Answers {
    Answers {
        instance: "acme".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        currency: "EUR".to_owned(),
        sender_name: "ACME: \"Receivables\" #1".to_owned(),
        sender_address: "receivables@acme.example".to_owned(),
        redirect_to: None,
        server: ServerAnswer { host: "smtp.acme.example".to_owned(), port: None, security: Security::StartTls, user: None },
        exports: None,
    }
}

/// Every file below a folder with its text.
fn texts(folder: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                all.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    all
}

#[test]
fn a_new_workspace_is_right_and_every_word_of_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&answers()).unwrap();
    write(folder.path(), &files).unwrap();
    let written: BTreeMap<String, String> = files.into_iter().map(|file| (file.path.to_owned(), file.text)).collect();
    assert_eq!(texts(folder.path()), written);
    for (file, word) in [("config.yaml", "config"), ("rules/overdue.yaml", "rule")] {
        let kind = SCHEMAS.iter().find(|kind| kind.word == word).unwrap();
        assert!(written[file].starts_with(&kind.first_line()), "{file}");
        assert!(folder.path().join(file).parent().unwrap().join(kind.reference).is_file(), "{file}");
    }
    let loaded = load(folder.path());
    assert_eq!(loaded.problems, []);
    let workspace = loaded.workspace.unwrap();
    assert_eq!(workspace.config.mode, crate::config::Mode::Dry);
    assert_eq!(workspace.config.senders[0].name, "ACME: \"Receivables\" #1");
    let ledger = workspace.read_ledger(jiff::civil::date(2028, 2, 29), &mut |_, _| {}).unwrap();
    assert_eq!((ledger.customers().len(), ledger.documents().len(), workspace.rules.rules.len()), (4, 6, 1));
}

#[test]
fn an_export_is_written_with_all_that_was_found_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let invoices = "Nr;Kundennr;Datum;Fällig;Betrag;Strittig\nR1;7;01.02.2026;03.03.2026;1.234,50;ja\n";
    let bytes: Vec<u8> = invoices.chars().map(|letter| letter as u8).collect();
    fs::write(data.join("op.csv"), bytes).unwrap();
    fs::write(data.join("kunden.csv"), "Kundennr\tFirma\tMail CFO\n7\tSieben\tcfo@sieben.example\n").unwrap();
    let export = |name: &str, kind: ExportKind, columns: &[(&str, &str)]| {
        let columns = columns.iter().map(|(field, heading)| ((*field).to_owned(), (*heading).to_owned())).collect();
        let file = data.join(name);
        let guess = guess(&file, kind, &Decided { columns, ..Decided::default() }).unwrap();
        assert_eq!(guess.questions, []);
        Export { path: path_from(folder.path(), &file).unwrap(), guess }
    };
    let exports = Exports {
        invoices: export("op.csv", ExportKind::Invoices, &[("number", "Nr")]),
        customers: Some(export("kunden.csv", ExportKind::Customers, &[])),
    };
    let server = ServerAnswer { user: Some("robot".to_owned()), port: Some(2587), ..answers().server };
    let redirect_to = Some("me@acme.example".to_owned());
    let files = files(&Answers { exports: Some(exports), server, redirect_to, ..answers() }).unwrap();
    let config = &files[0].text;
    let expected = "ledger:
  currency: EUR    # of rows that name none

  customers:
    csv: data/kunden.csv
    delimiter: tab
    columns:
      id: Kundennr
      name: Firma
      contacts:
        cfo: Mail CFO

  invoices:
    csv: data/op.csv
    dates: \"%d.%m.%Y\"
    decimal: comma
    thousands: point
    delimiter: semicolon
    encoding: windows-1252
    columns:
      number: Nr
      customer: Kundennr
      issued_on: Datum
      due_on: Fällig
      total: Betrag
      disputed: Strittig

limits:";
    assert!(config.contains(expected), "{config}");
    for part in [
        "mode: redirect\nredirect_to: me@acme.example\n",
        "    port: 2587\n",
        "    auth: { user: robot, password:",
        "  cfo: Cfo\n",
    ] {
        assert!(config.contains(part), "{part}: {config}");
    }
    assert!(files[1].text.contains("!invoice.disputed") && files[1].text.contains("to: [cfo]"), "{}", files[1].text);
    write(folder.path(), &files).unwrap();
    let workspace = load(folder.path());
    assert!(!workspace.has_errors(), "{:?}", workspace.problems);
    let ledger = workspace.workspace.unwrap().read_ledger(jiff::civil::date(2026, 3, 10), &mut |_, _| {}).unwrap();
    assert_eq!((ledger.customers().len(), ledger.documents().len()), (1, 1));
}

#[test]
fn what_is_there_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&answers()).unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    fs::write(folder.path().join("rules/overdue.yaml"), "mine").unwrap();
    fs::write(folder.path().join("README.md"), "mine too").unwrap();
    let before = texts(folder.path());
    let fault = write(folder.path(), &files).unwrap_err();
    let name = |file: &str| folder.path().join(file).display().to_string();
    assert_eq!(fault.to_string(), format!("There is already `{}`, `{}`", name("rules/overdue.yaml"), name("README.md")));
    assert_eq!(texts(folder.path()), before, "nothing is written beside them");

    // A name that leads nowhere yet is taken too: writing through it would make a file somewhere else.
    #[cfg(unix)]
    {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", folder.path().join("config.yaml")).unwrap();
        assert!(matches!(write(folder.path(), &files), Err(InitFault::Taken(_))));
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let fault = write(&folder.path().join("file"), &files(&answers()).unwrap()).unwrap_err();
    assert!(matches!(&fault, InitFault::Unwritable { .. }), "{fault}");
}

#[test]
fn an_answer_that_config_cannot_hold_is_a_problem_at_its_place() {
    let server = ServerAnswer { host: "mail server".to_owned(), ..answers().server };
    let problems = files(&Answers { server, instance: "a b".to_owned(), ..answers() }).unwrap_err();
    let told: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
    assert_eq!(told, ["`a b` cannot name an instance", "`mail server` is not the name of a host"]);
}

#[test]
fn an_installation_is_named_after_its_folder() {
    for (folder, expected) in [("Receivables 2026", "receivables-2026"), ("--", "default"), ("/", "default"), ("ÄÖ-x", "x")] {
        assert_eq!(instance_name(Path::new(folder)), expected);
    }
}
