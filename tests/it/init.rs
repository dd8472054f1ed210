//! `dunlin init` as a person calls it: what it writes is right, what it cannot know it asks for, and it overwrites nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn init(folder: &Path, arguments: &[&str]) -> Output {
    let mut dunlin = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    dunlin.arg("init").args(arguments).current_dir(folder).env("SMTP_PASSWORD", "secret").env_remove("DUNLIN_LOG");
    dunlin.output().unwrap()
}

fn text(output: &Output) -> (Option<i32>, String, String) {
    let words = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), words(&output.stdout), words(&output.stderr))
}

#[test]
fn a_new_workspace_checks_clean_and_is_not_written_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, said) = text(&init(folder.path(), &["new"]));
    assert_eq!(code, Some(0), "{out}{said}");
    assert!(out.starts_with("Wrote 21 files into new:\n  config.yaml\n"), "{out}");
    assert!(out.ends_with("\n\nAll right: 1 rule, 4 customers, 6 documents\n"), "{out}");
    let config = fs::read_to_string(folder.path().join("new/config.yaml")).unwrap();
    let (code, out, said) = text(&init(folder.path(), &["new"]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(said.starts_with("error: There is already `new/config.yaml`, "), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("new/config.yaml")).unwrap(), config);
}

#[test]
fn what_nobody_may_guess_is_asked_for_all_at_once_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "No,Account,Issued,Due Date,Amount\n1,77,03/04/2026,04/05/2026,\"1,234\"\n";
    fs::write(folder.path().join("export.csv"), rows).unwrap();
    let (code, out, said) = text(&init(folder.path(), &["new", "--invoices", "export.csv"]));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    let expected = "error: nothing was written, for lack of answers:
  --column invoices.number=HEADING: The printed number; unique among invoices and credit notes. export.csv has No, Issued
  --column invoices.issued_on=HEADING: The day of issue. export.csv has No, Issued
  --dates PATTERN: `04/05/2026` in `Due Date` of export.csv can be %d/%m/%Y or %m/%d/%Y
  --decimal point or comma: which of them stands before the cents? `1,234` in `Amount` of export.csv can be both
  --currency CODE: the currency of rows that name none
";
    assert!(said.starts_with(expected), "{said}");
    assert!(!folder.path().join("new").exists());
    let answers = ["--column=invoices.number=No", "--column=invoices.issued_on=Issued", "--dates=%d/%m/%Y", "--decimal=point"];
    let rest = ["new", "--json", "--invoices", "export.csv", "--currency", "gbp", "--time-zone", "Europe/London"];
    let (code, out, said) = text(&init(folder.path(), &[&rest[..], &answers].concat()));
    assert_eq!((code, said.as_str()), (Some(0), ""), "{out}");
    let views: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((views[0]["folder"].as_str(), views[1]["errors"].as_u64()), (Some("new"), Some(0)));
    let config = fs::read_to_string(folder.path().join("new/config.yaml")).unwrap();
    for part in ["currency: GBP ", "dates: \"%d/%m/%Y\"", "thousands: comma", "number: \"No\"", "issued_on: Issued"] {
        assert!(config.contains(part), "{part}: {config}");
    }
}

#[test]
fn a_wrong_answer_and_a_file_that_is_not_there_are_told() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, said) in [
        (&["new", "--time-zone", "Berlin"][..], 2, "--time-zone: `Berlin` is not a time zone; "),
        (&["new", "--sender-address", "acme.example"], 2, "--sender-address: `acme.example` is not an e-mail address"),
        (&["new", "--invoices", "none.csv"], 3, "The file cannot be read: "),
        (&["new", "--smtp-host", "mail.acme.example", "--smtp-security", "none"], 3, "`security: none` to `mail.acme.example`"),
        (&["new", "--dates", "%d/%m/%Y"], 2, "--dates speaks of it"),
        (&["new", "--customers", "none.csv"], 2, "--invoices <FILE>"),
    ] {
        let (own, out, err) = text(&init(folder.path(), arguments));
        assert_eq!((own, out.as_str()), (Some(code), ""), "{arguments:?}: {err}");
        assert!(err.contains(said), "{arguments:?}: {err}");
        assert!(!folder.path().join("new").exists(), "{arguments:?}");
    }
}
