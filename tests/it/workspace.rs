//! Workspaces for tests: a folder with a config, one rule, its templates and a ledger, and commands run in it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use dunlin::domain::date::Timestamp;
use jiff::SignedDuration;
use serde_json::Value;
use tempfile::TempDir;

/// A folder that vanishes with it.
pub struct Workspace {
    folder: TempDir,
}

/// The day all ledgers here are of.
pub const AS_OF: &str = "2026-03-10";

const RULE: &str = r#"id: overdue
kind: reminder
where: '!customer.tags.contains("do-not-chase")'
levels:
  - { id: upcoming, when: 3 days before due, template: note }
  - { id: first, when: 7 days after due, template: note }
start: to_age
from: receivables
to: [billing]
"#;

impl Workspace {
    /// Returns a workspace whose server is on `port`, with `customers` customers that each have one invoice,
    /// eight days overdue on [`AS_OF`].
    pub fn new(port: u16, customers: usize) -> Self {
        let workspace = Self { folder: tempfile::tempdir().unwrap() };
        let mut rows = String::from("id,name,language,tags,billing\n");
        let mut invoices = String::from("number,customer,issued_on,due_on,total,settled_on\n");
        for number in 1..=customers {
            writeln!(rows, "C{number:04},Customer {number},en,,ap{number}@customer{number}.example").unwrap();
            writeln!(invoices, "INV-{number:04},C{number:04},2026-02-01,2026-03-02,{number}.50,").unwrap();
        }
        workspace.write("config.yaml", &Self::config(port, ""));
        workspace.write("customers.csv", &rows);
        workspace.write("invoices.csv", &invoices);
        workspace.write("rules/overdue.yaml", RULE);
        workspace.write("rules/templates/note.subject.txt", "Invoice {{ items[0].number }} of {{ customer.name }}\n");
        workspace.write("rules/templates/note.html", "<p>Dear {{ customer.name }}, please pay {{ total }}.</p>\n");
        workspace
    }

    /// Returns the text of config.yaml, with further top-level keys in `more`.
    pub fn config(port: u16, more: &str) -> String {
        format!(
            "instance: test\ntime_zone: Europe/Berlin\nsmtp:\n  primary: {{ host: 127.0.0.1, port: {port}, security: none }}\n\
             senders:\n  receivables: {{ name: Seller, address: ar@seller.example, server: primary }}\n\
             recipient_keys: {{ billing: Billing contact }}\nledger:\n  currency: EUR\n  customers:\n    csv: customers.csv\n    \
             columns: {{ contacts: {{ billing: billing }} }}\n  invoices: {{ csv: invoices.csv }}\n{more}"
        )
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path: PathBuf = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if name.ends_with(".csv") {
            // An export is read once it has been left alone for a while.
            self.changed_at(name, Timestamp::now() - SignedDuration::from_secs(60));
        }
    }

    /// Says that a file was last written to at an instant.
    pub fn changed_at(&self, name: &str, at: Timestamp) {
        let file = fs::File::options().append(true).open(self.path().join(name)).unwrap();
        file.set_modified(at.into()).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Replaces `from`, which must be there, in a file.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, &text.replace(from, to));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
        command.args(arguments).arg("--workspace").arg(self.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn dunlin(&self, arguments: &[&str]) -> Ran {
        self.dunlin_with(arguments, &[])
    }

    /// Runs a command to its end, with these variables of the environment.
    pub fn dunlin_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let Output { status, stdout, stderr } = self.command(arguments).envs(variables.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// Starts a command and leaves it running.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs for [`AS_OF`] and returns what `--json` printed.
    pub fn run(&self) -> Value {
        self.dunlin(&["run", "--as-of", AS_OF, "--json"]).json()
    }

    /// Returns the outbox, oldest first.
    pub fn outbox(&self) -> Vec<Value> {
        let ran = self.dunlin(&["outbox", "--json"]);
        let mut messages: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        messages.reverse();
        messages
    }
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Returns the counts above zero of a run's `--json`, as `state=count` words.
pub fn counts(run: &Value) -> String {
    let counts = run["counts"].as_object().unwrap();
    let words: Vec<String> =
        counts.iter().filter(|(_, count)| **count != 0).map(|(state, count)| format!("{state}={count}")).collect();
    words.join(" ")
}
