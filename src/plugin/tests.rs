//! Plugins as their authors meet them: what is read, what is refused, and where.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::domain::id::RecipientKey;
use crate::domain::problem::Problem;
use crate::plugin::keys::{CASE, PLUGIN, PROGRAM};
use crate::script::{Names, WorkingWeek};

fn folder(name: &str, manifest: &str, script: &str, files: &[&str]) -> PluginFolder {
    PluginFolder {
        name: name.into(),
        manifest: Some(manifest.into()),
        scripts: BTreeMap::from([(format!("plugins/{name}/a.rhai"), script.to_owned())]),
        tables: BTreeMap::new(),
        tests: None,
        files: files.iter().map(ToString::to_string).collect::<BTreeSet<_>>(),
    }
}

fn read(folders: &[PluginFolder]) -> (Plugins, Vec<String>) {
    let names = Names { recipient_keys: ["billing", "management"].map(RecipientKey::new).into(), ..Names::default() };
    let (plugins, problems) = load(folders, &names, Arc::new(WorkingWeek));
    (plugins, problems.iter().map(Problem::to_string).collect())
}

const NONE: [String; 0] = [];

#[test]
fn a_plugin_with_every_key_is_read_whole() {
    let manifest = "name: p\ndescription: All\nversion: 1.0\nfunctions: [a.rhai]\nrates: rates/bank.yaml\nrecipients: { who: pick }\n\
        variables: { what: give }\n\
        alert: { command: [python3, ./alert.py], timeout: 2 min, bytes_max: 5 kB, count_max: 1, environment: [TOKEN] }\n\
        attachment: { command: ./make }\n";
    let script = "fn pick(customer, items, level) { [\"management\"] } fn give(customer, items, level) { #{ a: 1 } }";
    let mut whole = folder("p", manifest, script, &["make", "alert.py"]);
    whole.tables.insert("plugins/p/rates/bank.yaml".into(), TABLE.into());
    let (plugins, problems) = read(&[whole]);
    assert_eq!(problems, NONE);
    let plugin = plugins.find("p").unwrap();
    let program = |command: &[&str], timeout, bytes_max, count_max, environment: &[&str]| {
        let (command, environment) =
            (command.iter().map(ToString::to_string).collect(), environment.iter().map(ToString::to_string));
        (command, Duration::from_secs(timeout), bytes_max, count_max, environment.collect())
    };
    let parts = |program: &Program| -> (Vec<String>, Duration, u64, u32, Vec<String>) {
        let Program { command, timeout, bytes_max, count_max, environment, .. } = program.clone();
        (command, timeout, bytes_max, count_max, environment)
    };
    assert_eq!(plugin.alert.as_ref().map(parts), Some(program(&["python3", "./alert.py"], 120, 5_000, 1, &["TOKEN"])));
    assert_eq!(plugin.attachment.as_ref().map(parts), Some(program(&["./make"], 10, 10_000_000, 5, &[])));
    assert_eq!(format!("{:?}", plugins.pickers()), "[Picker(who()), Picker(what())]");
    // The table of keys and the reader know the same keys.
    for key in PLUGIN.iter().chain(PROGRAM) {
        assert!(manifest.contains(&format!("{}:", key.name)), "{} is not in the test", key.name);
    }
}

#[test]
fn every_problem_of_plugin_yaml_is_told_at_its_place() {
    let manifest = "name: q\nfunctions: [b.rhai]\nrecipients: { Who: pick }\ncolour: red\n\
        alert: { command: [./gone], timeout: 1 h, bytes_max: 1 GB, environment: [A-B] }\n\
        attachment: { command: rm -rf x }\n";
    let (plugins, problems) = read(&[folder("p", manifest, "fn a(x) { x }", &["here"])]);
    assert!(plugins.plugins.is_empty());
    assert_eq!(
        problems,
        [
            "plugins/p/a.rhai: The plugin does not use this script; name it under `functions`, or remove it",
            "plugins/p/plugin.yaml:1:1: A plugin needs `description`; add `description: …`",
            "plugins/p/plugin.yaml:1:7: `q` is not the folder's name; write `p`",
            "plugins/p/plugin.yaml:2:13: There is no script `b.rhai`; did you mean `a.rhai`?",
            "plugins/p/plugin.yaml:3:15: `Who` is not a name; use small letters, digits, `-` and `_`, at most 64 characters",
            "plugins/p/plugin.yaml:4:1: Unknown field `colour`; \
             a plugin has: name, description, version, functions, rates, recipients, variables, attachment, alert",
            "plugins/p/plugin.yaml:5:19: There is no file `gone`; put it into `plugins/p/`",
            "plugins/p/plugin.yaml:5:38: `1 h` is not a time a program may take; write `10 s`, at most 300 s",
            "plugins/p/plugin.yaml:5:54: `1 GB` is not a size of an answer; write `10 MB`, at most 25 MB",
            "plugins/p/plugin.yaml:5:74: `A-B` is not the name of a variable; \
             name a variable; its value is taken from Dunlin's own environment",
            "plugins/p/plugin.yaml:6:24: `rm -rf x` is one word, and no shell takes it apart; write `[rm, -rf, x]`",
        ]
    );
}

/// A table of rates that is right.
const TABLE: &str = "title: T\nsource: S\nvalid_to: 2026-12-31\nrates: [{ from: 2026-01-01, rate: 5 }]\n";

#[test]
fn a_table_of_rates_is_named_in_plugin_yaml_and_there_once() {
    let with = |name: &str, rates: &str, tables: &[(&str, &str)]| {
        let manifest = format!("name: {name}\ndescription: x\nrates: {rates}\n");
        let tables = tables.iter().map(|(file, text)| (format!("plugins/{name}/rates/{file}"), (*text).to_owned())).collect();
        PluginFolder { manifest: Some(manifest), scripts: BTreeMap::new(), tables, ..folder(name, "", "", &[]) }
    };
    let (plugins, problems) = read(&[
        with("a", "rates/bank.yaml", &[("bank.yaml", TABLE), ("spare.yaml", TABLE)]),
        with("b", "[rates/bnak.yaml]", &[("bank2.yaml", TABLE)]),
        with("c", "[rates/other.yaml]", &[("other.yaml", "title: T\n")]),
        with("d", "[rates/bank.yaml]", &[("bank.yaml", TABLE)]),
    ]);
    assert_eq!(
        problems,
        [
            "plugins/a/rates/spare.yaml: The plugin does not use this table; name it under `rates`, or remove it",
            "plugins/b/rates/bank2.yaml: The plugin does not use this table; name it under `rates`, or remove it",
            "plugins/b/plugin.yaml:3:9: There is no table `rates/bnak.yaml`; did you mean `rates/bank2.yaml`?",
            "plugins/c/rates/other.yaml:1:1: A table of rates needs `source`; add `source: …`",
            "plugins/c/rates/other.yaml:1:1: A table of rates needs `valid_to`; add `valid_to: …`",
            "plugins/c/rates/other.yaml:1:1: A table of rates needs `rates`; add `rates: …`",
            "plugins/d/plugin.yaml:3:9: There is another table `bank`; give the file a name of its own",
        ]
    );
    assert_eq!(plugins.plugins.iter().map(|plugin| plugin.name.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_program_lies_in_the_folder_or_along_path_and_nowhere_else() {
    for command in ["/bin/sh", "../q/alert.py", "./../q/alert.py", "sub/alert.py"] {
        let manifest = format!("name: p\ndescription: x\nalert: {{ command: [{command}] }}\n");
        let (_, problems) = read(&[PluginFolder { scripts: BTreeMap::new(), ..folder("p", &manifest, "", &["alert.py"]) }]);
        assert!(problems.len() == 1 && problems[0].contains("is neither in the plugin's folder nor a bare name"), "{problems:?}");
    }
}

#[test]
fn what_plugins_say_of_each_other_is_checked_and_the_others_stay() {
    let good = "name: good\ndescription: x\nfunctions: a.rhai\nrecipients: { who: good_pick }\n";
    let manifest = |name: &str, function: &str| {
        format!("name: {name}\ndescription: x\nfunctions: a.rhai\nrecipients: {{ {name}: {function} }}\n")
    };
    let (plugins, problems) = read(&[
        folder("bad", &manifest("bad", "bad_pick"), "fn bad_pick(customer, items, level) { [\"managment\"] }", &[]),
        folder("few", &manifest("few", "few_pick"), "fn few_pick(customer) { [] }", &[]),
        folder("good", good, "fn good_pick(customer, items, level) { [\"management\", \"a@b.example\"] }", &[]),
        folder("gone", &manifest("gone", "gone_pik"), "fn gone_pick(customer, items, level) { [] }", &[]),
        folder("same", &manifest("same", "x").replace("same:", "who:"), "fn x(customer, items, level) { [] }", &[]),
        folder("shadow", "name: shadow\ndescription: x\nfunctions: a.rhai\n", "fn money(x) { x }\n", &[]),
        folder("title", "name: title\ndescription: x\nfunctions: a.rhai\n", "fn title(x) { x }\n", &[]),
    ]);
    assert_eq!(
        problems,
        [
            "plugins/bad/a.rhai:1:4: `bad` returned `managment`, which is unknown; did you mean `management`?",
            "plugins/few/a.rhai:1:4: `few_pick` takes 1 values; a picker is given 3; write `fn few_pick(customer, items, level)`",
            "plugins/gone/plugin.yaml:4:21: The plugin `gone` has no function `gone_pik`; did you mean `gone_pick`?",
            "plugins/same/plugin.yaml:4:15: `who` is a picker of the plugin `good` too; give it a name of its own",
            "plugins/shadow/a.rhai:1:4: `money` is a built-in function; give it a name of its own",
            "plugins/title/a.rhai:1:4: `title` is a filter of templates; give it a name of its own",
        ]
    );
    assert_eq!(plugins.plugins.iter().map(|plugin| plugin.name.as_str()).collect::<Vec<_>>(), ["good"]);
}

#[test]
fn the_cases_of_a_test_are_read_with_every_key_and_every_problem() {
    let text = "cases:\n\
        - { name: one, call: f(1), gives: [a, 1.50, true] }\n\
        - { picker: who, customer: { id: C, name: N, language: de, tags: [vip], contacts: billing, attributes: { Type: x } }, settings: { a: 1 }, as_of: 2026-03-01, \
            items: [{ number: A, open: 5.00, currency: EUR, due_on: 2026-02-01, disputed: true, \
            payments: [{ received_on: 2026-02-10, amount: 1.00 }], attributes: { Project: y } }], level: { id: x, number: 3 }, fails: no }\n\
        - { alert: { title: T }, environment: { URL: '{http}' }, http: { status: 500, receives: x }, exits: 1, prints: y }\n\
        - { attachment: { id: 7 }, gives: { name: a.txt, content_type: text/plain, contains: z } }\n";
    let (cases, problems) = read_cases("plugins/p/test.yaml", text);
    assert_eq!((cases.len(), problems), (4, vec![]));
    for key in CASE {
        assert!(text.contains(&format!("{}:", key.name)), "{} is not in the test", key.name);
    }
    let text = "cases:\n- { call: f(1) }\n- { gives: 1 }\n- { call: a, gives: 1, fails: b }\n- { picker: p, gives: x, as_of: soon, itms: [] }\n";
    let (cases, problems) = read_cases("t.yaml", text);
    let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(cases.len(), 1);
    assert_eq!(problems.len(), 5, "{problems:#?}");
}
