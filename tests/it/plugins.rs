//! Plugins from outside: the shipped ones, the commands, and what their programs can and cannot do to a run.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::server::Server;
use crate::workspace::{AS_OF, Workspace};

const FUNCTIONS: &str = "fn is_small(invoice) { invoice.open < 2 }\nfn pay_by(day) { add_business_days(day, 3) }\n\
    fn who(customer, items, level) { if sum_open(items) > 2 { [\"boss@customer.example\"] } else { [] } }\n\
    fn what(customer, items, level) { #{ word: \"from the plugin\" } }\n";

/// Returns what the server took, soft line breaks undone.
fn mails(server: &Server) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("=\r\n", "");
    server.taken().iter().map(|mail| text(&mail.bytes)).collect()
}

/// A workspace with the plugin `p`.
fn workspace(port: u16, customers: usize, plugin_yaml: &str) -> Workspace {
    let workspace = Workspace::new(port, customers);
    workspace.write("plugins/p/plugin.yaml", &format!("name: p\ndescription: A test\n{plugin_yaml}"));
    workspace
}

#[test]
fn the_shipped_plugins_pass_their_own_tests() {
    let workspace = Workspace::new(2525, 1);
    workspace.edit("config.yaml", "billing: Billing contact", "billing: Billing contact, management: Management");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    let mut names = vec![];
    for folder in fs::read_dir(shipped).unwrap().map(Result::unwrap) {
        let name = folder.file_name().into_string().unwrap();
        for inner in ["", "rates/", "layouts/"] {
            let Ok(files) = fs::read_dir(folder.path().join(inner)) else { continue };
            for file in files.map(Result::unwrap).filter(|file| file.path().is_file()) {
                let text = fs::read_to_string(file.path()).unwrap();
                workspace.write(&format!("plugins/{name}/{inner}{}", file.file_name().into_string().unwrap()), &text);
            }
        }
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["business-days", "escalation", "late-payment", "typeset", "webhook-alert"]);
    let checked = workspace.dunlin(&["plugin", "check"]);
    assert_eq!((checked.code, checked.out.as_str()), (Some(0), "All right: 5 plugins\n"));
    let tested = workspace.dunlin(&["plugin", "test"]);
    assert_eq!((tested.code, tested.out.as_str()), (Some(0), "44 passed, 0 failed\n"), "{}", tested.err);
    assert_eq!(workspace.dunlin(&["check"]).code, Some(0));
}

#[test]
fn a_new_plugin_checks_and_tests_clean_and_a_failing_case_tells_both_values() {
    let workspace = Workspace::new(2525, 1);
    for name in ["my-deadlines", "9lives"] {
        assert_eq!(workspace.dunlin(&["plugin", "new", name]).code, Some(0));
    }
    assert_eq!(workspace.dunlin(&["plugin", "check"]).code, Some(0));
    assert_eq!(workspace.dunlin(&["plugin", "test"]).out, "2 passed, 0 failed\n");
    for wrong in ["my-deadlines", "../x", "A"] {
        assert_eq!(workspace.dunlin(&["plugin", "new", wrong]).code, Some(1), "{wrong}");
    }
    workspace.edit("plugins/9lives/test.yaml", "2028-02-29", "2028-03-01");
    let tested = workspace.dunlin(&["plugin", "test", "9lives"]);
    assert_eq!(tested.code, Some(1));
    let expected = "failed: plugins/9lives/test.yaml:4:5: p_9lives_weeks(date(\"2028-02-22\"), 1)\n  \
        expected 2028-03-01\n  got      2028-02-29\n0 passed, 1 failed\n";
    assert_eq!(tested.out, expected);
}

#[test]
fn the_cases_of_a_plugin_know_the_holidays_of_the_workspace_and_a_bad_calendar_is_told() {
    let workspace = workspace(2525, 1, "functions: f.rhai\n");
    workspace.write("plugins/p/f.rhai", "fn after(day) { add_business_days(day, 1) }\n");
    workspace.write("plugins/p/test.yaml", "cases: [{ call: 'after(date(\"2026-12-24\"))', gives: 2026-12-28 }]\n");
    let day_after = || workspace.dunlin(&["plugin", "test", "p"]);
    // 25 December 2026 is a Friday.
    let plain = day_after();
    assert_eq!((plain.code, plain.out.lines().last()), (Some(1), Some("0 passed, 1 failed")));
    workspace.edit("config.yaml", "senders:", "calendar: { holidays: ours.yaml }\nsenders:");
    workspace.write("ours.yaml", "holidays: [{ every: 12-25, name: Christmas Day }]\n");
    assert_eq!(day_after().out, "1 passed, 0 failed\n");
    // Another key's fault does not take the calendar away.
    workspace.edit("config.yaml", "senders:", "colour: red\nsenders:");
    assert_eq!(day_after().out, "1 passed, 0 failed\n");
    workspace.edit("ours.yaml", "12-25", "25.12.");
    let faulty = day_after();
    assert_eq!(faulty.code, Some(3));
    assert!(faulty.err.contains("`25.12.` is not a day of the year"), "{}", faulty.err);
    assert_eq!(workspace.dunlin(&["plugin", "check", "p"]).code, Some(3));
}

#[test]
fn functions_and_pickers_work_in_conditions_scripts_and_templates() {
    let server = Server::willing();
    let workspace = workspace(server.port, 3, "functions: f.rhai\nrecipients: { who: who }\nvariables: { what: what }\n");
    workspace.write("plugins/p/f.rhai", FUNCTIONS);
    workspace.edit("rules/overdue.yaml", "where: '", "where: '!is_small(invoice) && ");
    workspace.edit("rules/overdue.yaml", "to: [billing]\n", "to: [billing]\ncc: [who()]\nvariables: what()\nscript: s.rhai\n");
    workspace.write("rules/s.rhai", "fn variables(customer, items, level) { #{ by: pay_by(as_of) } }\n");
    workspace.write(
        "rules/templates/note.html",
        "<p>{{ vars.word }} {{ vars.by }} {{ as_of|pay_by }} {{ as_of|add_business_days(1) }}</p>\n",
    );
    assert_eq!(workspace.dunlin(&["check"]).code, Some(0), "{:?}", workspace.dunlin(&["check"]));
    let ran = workspace.run();
    assert_eq!(ran["counts"]["accepted"], 2, "{ran}");
    let mails = mails(&server);
    // 10 March 2026 is a Tuesday.
    assert!(mails.iter().all(|mail| mail.contains("from the plugin 13 March 2026 13 March 2026 11 March 2026")), "{mails:?}");
    assert!(mails.iter().all(|mail| mail.contains("Cc: boss@customer.example")), "{mails:?}");
}

#[test]
fn a_reference_to_a_picker_or_plugin_that_is_not_there_is_told_at_its_place() {
    let workspace = workspace(2525, 1, "functions: f.rhai\nrecipients: { who: who }\n");
    workspace.write("plugins/p/f.rhai", FUNCTIONS);
    workspace.edit(
        "rules/overdue.yaml",
        "to: [billing]\n",
        "to: [billing, whoo()]\nvariables: what()\nattach: [{ plugin: p }]\n",
    );
    let checked = workspace.dunlin(&["check"]);
    for expected in [
        "There is no picker of recipients `whoo`",
        "did you mean `who`?",
        "There is no picker of variables `what`",
        "There is no plugin for attachments `p`",
    ] {
        assert!(checked.out.contains(expected), "no {expected:?} in\n{}", checked.out);
    }
    assert_eq!(checked.code, Some(3));
}

/// Makes a file for every mail but that of `C0002`, for which it does `bad`.
fn maker(bad: &str) -> String {
    format!(
        "#!/bin/sh\nwhile IFS= read -r line; do\n  id=$(printf %s \"$line\" | sed 's/.*\"id\":\"\\([0-9a-f]*\\)\".*/\\1/')\n  \
         case $line in *C0002*) {bad};; *) printf '{{\"id\":\"%s\",\"files\":[{{\"name\":\"statement.csv\",\"content_type\":\"text/csv\",\"base64\":\"YTtiCg==\"}}]}}\\n' $id;; esac\ndone\n"
    )
}

fn states(workspace: &Workspace) -> Vec<(String, String)> {
    let text = |value: &Value| -> String { value.as_str().unwrap_or_default().to_owned() };
    let mut states: Vec<_> = workspace
        .outbox()
        .iter()
        .map(|mail| (text(&mail["customer"]), format!("{}{}", text(&mail["state"]), text(&mail["reason"]))))
        .collect();
    states.sort();
    states
}

#[test]
fn whatever_a_program_does_the_run_ends_and_no_mail_goes_bare() {
    for (bad, blocked) in [
        ("printf '{\"id\":\"%s\",\"error\":\"none\"}\\n' $id", &["C0002"][..]),
        (
            "printf '{\"id\":\"%s\",\"files\":[{\"name\":\"../../x\",\"content_type\":\"text/csv\",\"base64\":\"YQ==\"}]}\\n' $id",
            &["C0002"],
        ),
        ("exit 3", &["C0002", "C0003"]),
        ("sleep 600 & wait", &["C0002", "C0003"]),
        ("head -c 1000000000 /dev/zero; exit", &["C0002", "C0003"]),
        ("printf '{\"id\":\"0\",\"files\":[]}\\n'", &["C0001", "C0002", "C0003"]),
    ] {
        let server = Server::willing();
        let workspace = workspace(server.port, 3, "attachment: { command: [sh, ./make.sh], timeout: 2 s, bytes_max: 1 kB }\n");
        workspace.write("plugins/p/make.sh", &maker(bad));
        workspace.edit("rules/overdue.yaml", "to: [billing]\n", "to: [billing]\nattach: [{ plugin: p, shared: true }]\n");
        let ran = workspace.dunlin(&["run", "--as-of", AS_OF, "--json"]);
        let expected: Vec<(String, String)> = ["C0001", "C0002", "C0003"]
            .map(|id| (id.to_owned(), if blocked.contains(&id) { "blockeddocument_missing" } else { "accepted" }.to_owned()))
            .into();
        assert_eq!(states(&workspace), expected, "{bad}: {ran:?}");
        let mails = mails(&server);
        assert_eq!(mails.len(), 3 - blocked.len(), "{bad}");
        for mail in mails {
            assert!(
                mail.contains("multipart/mixed") && mail.contains("filename=\"statement.csv\"") && mail.contains("YTtiCg="),
                "{mail}"
            );
        }
    }
}

/// Makes a file of each request itself.
const ECHO: &str = "import base64, json, sys\nfor line in sys.stdin.buffer:\n    request = json.loads(line)\n    \
    file = {\"name\": request[\"settings\"].get(\"called\", \"asked\") + \".json\", \"content_type\": \"application/json\", \
    \"base64\": base64.b64encode(line).decode()}\n    print(json.dumps({\"id\": request[\"id\"], \"files\": [file]}), flush=True)\n";

#[test]
fn a_program_is_told_the_whole_letter_and_what_its_rule_says_but_no_password() {
    let server = Server::willing();
    let workspace = workspace(server.port, 2, "attachment: { command: [python3, ./echo.py] }\n");
    workspace.write("plugins/p/echo.py", ECHO);
    workspace.write(
        "customers.csv",
        "id,name,language,tags,billing,street,pin\nC0001,Ä & Söhne,de,,ap@a.example,Kai 1,secret-of-1\nC0002,B Ltd,en,,ap@b.example,,secret-of-2\n",
    );
    workspace.edit(
        "rules/overdue.yaml",
        "to: [billing]\n",
        "to: [billing]\nscript: s.rhai\nattach:\n  - { plugin: p, settings: { called: one, rate: 1.50, deep: { from: 2026-01-02, yes: true } } }\n  \
         - { plugin: p }\n  - { zip: [{ items: csv }], password: customer.attributes.pin }\n",
    );
    workspace.write("rules/s.rhai", "fn variables(customer, items, level) { #{ rate: 2.5, name: `<${customer.name}>` } }\n");
    let ran = workspace.run();
    assert_eq!(ran["counts"]["accepted"], 2, "{ran}");
    let told = server.taken().into_iter().map(|mail| {
        let parsed = mail_parser::MessageParser::default().parse(&mail.bytes).unwrap();
        let files =
            parsed.attachments().filter(|file| mail_parser::MimeHeaders::attachment_name(*file).unwrap().ends_with(".json"));
        files.map(|file| serde_json::from_slice::<Value>(file.contents()).unwrap()).collect::<Vec<_>>()
    });
    let told: Vec<_> = told.collect();
    assert!(!format!("{told:?}").contains("secret-of"), "{told:?}");
    let of = |id: &str| told.iter().find(|files| files[0]["customer"]["id"] == id).unwrap();
    let first = of("C0001");
    assert_eq!(first.len(), 2, "each member of `attach` is asked about for itself");
    assert_eq!(
        first[0]["settings"],
        serde_json::json!({ "called": "one", "rate": "1.50", "deep": { "from": "2026-01-02", "yes": true } })
    );
    assert_eq!(first[1]["settings"], serde_json::json!({}));
    assert_eq!(first[0]["letter"], first[1]["letter"]);
    let letter = &first[0]["letter"];
    assert_eq!(
        (&letter["customer"]["name"], &letter["customer"]["attributes"]),
        (&"Ä & Söhne".into(), &serde_json::json!({ "street": "Kai 1" }))
    );
    assert_eq!((&letter["total"]["text"], &letter["total"]["amount"]), (&"€1.50".into(), &"1.50".into()), "{letter}");
    assert_eq!(letter["vars"], serde_json::json!({ "rate": { "text": "2.5", "number": "2.5" }, "name": "<Ä & Söhne>" }));
    assert_eq!(of("C0002")[0]["letter"]["customer"]["attributes"], serde_json::json!({ "street": "" }));
}

#[test]
fn a_changed_program_is_another_generation() {
    let workspace = workspace(2525, 1, "alert: { command: [sh, ./a.sh] }\n");
    workspace.edit("config.yaml", "instance: test", "instance: test\nmode: dry");
    let generation = |text: &str| {
        workspace.write("plugins/p/a.sh", text);
        let run = workspace.run()["run"].as_i64().unwrap();
        let database = rusqlite::Connection::open(workspace.path().join("dunlin.db")).unwrap();
        database.query_row("select generation from run where id = ?1", [run], |row| row.get::<_, String>(0)).unwrap()
    };
    let first = generation("exit 0\n");
    assert_eq!(generation("exit 0\n"), first);
    assert_ne!(generation("exit 1\n"), first);
}

#[test]
fn an_alert_reaches_the_plugin_of_the_config_and_its_failure_is_only_told() {
    use dunlin::engine::alert::{Alert, AlertSeverity, tell_now};
    let workspace = workspace(2525, 1, "alert: { command: [sh, ./tell.sh], timeout: 20 s }\n");
    workspace
        .write("plugins/p/tell.sh", "cat >> told.txt; env | grep -c SECRET; test ! -e fail || { echo no line >&2; exit 4; }\n");
    let alert = Alert { severity: AlertSeverity::Error, title: "It stands".into(), detail: "One\nTwo".into() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let load = || std::sync::Arc::new(dunlin::engine::workspace::load(workspace.path()).workspace.unwrap());
    runtime.block_on(tell_now(&load(), &alert)).unwrap();
    assert!(!workspace.path().join("plugins/p/told.txt").exists(), "nobody is named");

    workspace.write("config.yaml", &Workspace::config(2525, "alerts: { plugin: p }\n"));
    let loaded = load();
    runtime.block_on(tell_now(&loaded, &alert)).unwrap();
    let line = r#"{"version":1,"alert":{"severity":"error","title":"It stands","detail":"One\nTwo","workspace":"test"}}"#;
    assert_eq!(workspace.read("plugins/p/told.txt"), format!("{line}\n"));

    workspace.write("plugins/p/fail", "");
    let fault = runtime.block_on(tell_now(&loaded, &alert)).unwrap_err();
    assert_eq!(fault.to_string(), "`sh` ended with exit code 4; it said: no line");
    workspace.write("config.yaml", &Workspace::config(2525, "alerts: { plugin: q }\n"));
    let checked = workspace.dunlin(&["check"]);
    assert!(checked.code == Some(0) && checked.out.contains("There is no plugin `q` with a program for alerts"), "{checked:?}");
}
