//! Interest and fees from outside: the shipped plugin under the shipped rule and templates, and what a rule may say to it.

use std::fs;
use std::path::Path;

use crate::workspace::Workspace;

/// Copies a file or folder of the shipped workspace.
fn copy(workspace: &Workspace, path: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if source.is_dir() {
        for entry in fs::read_dir(source).unwrap().map(Result::unwrap) {
            copy(workspace, &format!("{path}/{}", entry.file_name().into_string().unwrap()));
        }
    } else {
        workspace.write(path, &fs::read_to_string(source).unwrap());
    }
}

/// The shipped workspace, as it is.
pub fn untouched() -> Workspace {
    let workspace = Workspace::new(2525, 0);
    for path in ["config.yaml", "rules", "plugins", "calendars", "examples/receivables"] {
        copy(&workspace, path);
    }
    workspace
}

/// The shipped workspace whose rule `overdue` names the picker `late_payment` with `settings`.
fn shipped(settings: &str) -> Workspace {
    let workspace = untouched();
    workspace.edit(
        "rules/overdue.yaml",
        "script: overdue.rhai",
        &format!("variables: [{{ late_payment: {settings} }}]\nscript: overdue.rhai"),
    );
    workspace
}

/// Due on 31 May 2025, 4,000.00 paid on 30 June. Base rate 2.27, from July on 1.27, and 9 points. On 21 June 21 days of 10,000.00
/// at 11.27: 64.84. On 30 June, the 30th day, 92.63; of July's first day 6,000.00 at 10.27: 1.69; together 94.32 (94.318…).
const CASES: &str = "cases:
  - name: The second level claims interest, the fixed sum and its fee, and the amount asked for has them in it
    day_1: 2025-05-31
    ledger:
      customers: [{ id: C-1, name: Buyer, language: LANGUAGE }]
      invoices: [{ number: A-1, total: 10000.00, due_on: day 1 }]
      payments: [{ invoice: A-1, amount: 4000.00, received_on: 2025-06-30 }]
    history:
      started_on: day -60
      mails:
        - { mail: first, items: [A-1], on: day 8 }
    days:
      - { on: day 22, expect: { mail: second, on: day 22, total: 10000.00, text: SECOND } }
      - { on: day 32, expect: { mail: final, on: day 32, total: 6000.00, text: FINAL } }
  - name: The first level claims nothing
    day_1: 2025-05-31
    ledger:
      customers: [{ id: C-1, name: Buyer, language: LANGUAGE }]
      invoices: [{ number: A-1, total: 10000.00, due_on: day 1 }]
    history: { started_on: day -60 }
    on: day 8
    expect: { mail: first, without: [WITHOUT] }
";

fn passes(workspace: &Workspace, cases: &str) {
    workspace.write("rules/overdue.test.yaml", cases);
    let tested = workspace.dunlin(&["test", "overdue"]);
    assert!(tested.code == Some(0) && tested.out.ends_with("\n2 passed, 0 failed\n"), "{}{}", tested.out, tested.err);
}

#[test]
fn a_claim_is_in_the_amount_asked_for_with_its_sums_line_by_line_from_its_level_on() {
    let workspace = shipped("{ law: germany_b2b, mode: claim, from_level: 3, fees: { EUR: [0, 0, 2.50, 5] } }");
    let english = CASES
        .replace("LANGUAGE", "en")
        .replace(
            "SECOND",
            "[\"Amount due Please pay by €10,107.34\", \"which we claim besides (§ 288 Abs. 2, 5 BGB)\", \
             \"1 Jun 2025 – 21 Jun 2025: 21 days, 11.27 % on €10,000.00\", \"Fixed sum for recovery costs\", \"Reminder fee €2.50\", \"Total €107.34\"]",
        )
        .replace("FINAL", "[\"€6,139.32\", \"1 Jun 2025 – 30 Jun 2025: 30 days, 11.27 % on €10,000.00\", \"1 Jul 2025 – 1 Jul 2025: 1 day, 10.27 % on €6,000.00\"]")
        .replace("WITHOUT", "\"claim\", \"11.27\"");
    passes(&workspace, &english);
    let german = CASES
        .replace("LANGUAGE", "de")
        .replace("SECOND", "[\"10.107,34 €\", \"01.06.2025 – 21.06.2025: 21 Tage, 11,27 % auf 10.000,00 €\", \"Verzugspauschale\", \"Mahngebühr 2,50 €\"]")
        .replace("FINAL", "[\"6.139,32 €\", \"01.07.2025 – 01.07.2025: 1 Tag, 10,27 % auf 6.000,00 €\"]")
        .replace("WITHOUT", "Verzug");
    passes(&workspace, &german);
}

#[test]
fn a_mention_is_shown_and_not_asked_for() {
    let workspace = shipped("{ law: germany_b2b, mode: mention, from_level: 3 }");
    let cases = CASES
        .replace("LANGUAGE", "en")
        .replace("SECOND", "[\"€10,000.00\", \"not claimed so far\", \"€64.84 1 Jun 2025 – 21 Jun 2025: 21 days, 11.27 % on €10,000.00\", \"Total €104.84\"]")
        .replace("FINAL", "[\"Amount due Please pay by €6,000.00\", \"Total €134.32\"]")
        .replace("WITHOUT", "claimed");
    passes(&workspace, &cases);
}

#[test]
fn what_a_rule_says_to_a_picker_is_checked_when_the_rule_loads() {
    for (settings, expected) in [
        (
            "{ law: germany, mode: claim }",
            "There is no law \"germany\"; write one of austria_b2b, austria_other, contract, eu, germany_b2b, germany_consumer, uk, us_monthly",
        ),
        ("{ law: eu }", "The terms say no `mode`: \"claim\" asks for the sums, \"mention\" only shows them"),
        ("{ law: eu, mode: claim, form_level: 2 }", "There is no term `form_level`; did you mean `from_level`?"),
        ("{ law: contract, mode: claim }", "The terms name one of `rate`, `monthly_rate` and `table`, not none"),
        ("{ law: eu, mode: claim, law_column: Colour }", "There is no `Colour` here"),
        ("[eu]", "Expected settings with names"),
    ] {
        let checked = shipped(settings).dunlin(&["check"]);
        let is_told = checked.out.contains(expected) && checked.out.contains("--> rules/overdue.yaml:");
        assert!(is_told && checked.code == Some(3), "{settings}: {}", checked.out);
    }
    let workspace = shipped("{ law: eu, mode: claim }");
    workspace.edit("rules/overdue.yaml", "{ late_payment: { law: eu, mode: claim } }", "late_payment()");
    assert!(workspace.dunlin(&["check"]).out.contains("The terms say no `mode`"));
    workspace.write("plugins/p/plugin.yaml", "name: p\ndescription: d\nfunctions: f.rhai\nvariables: { plain: plain }\n");
    workspace.write("plugins/p/f.rhai", "fn plain(customer, items, level) { #{} }\n");
    workspace.edit("rules/overdue.yaml", "late_payment()", "{ plain: { a: 1 } }");
    assert!(workspace.dunlin(&["check"]).out.contains("`plain` takes no settings"));
}

#[test]
fn a_table_that_has_ended_is_told_by_check_and_blocks_the_mail_and_a_new_rate_mends_it() {
    let workspace = shipped("{ law: contract, table: house, mode: claim }");
    let table = |valid_to: &str, more: &str| {
        let text =
            format!("title: Ours\nsource: The board\nvalid_to: {valid_to}\nrates:\n  - {{ from: 2020-01-01, rate: 5 }}\n{more}");
        workspace.write("plugins/house/rates/house.yaml", &text);
    };
    workspace.write("plugins/house/plugin.yaml", "name: house\ndescription: Our own rates\nrates: rates/house.yaml\n");
    table("2020-12-31", "");
    let checked = workspace.dunlin(&["check"]).out;
    assert_eq!(checked.matches("The rates `house` were checked up to 2020-12-31").count(), 1, "{checked}");
    assert!(
        checked.contains("plugins/house/rates/house.yaml") && checked.contains("- { from: 2021-01-01, rate: … }"),
        "{checked}"
    );
    let preview = |level: &str| workspace.dunlin(&["preview", "10004", "--level", level]);
    let blocked = preview("second");
    assert!(blocked.err.contains("were checked up to 2020-12-31") && blocked.code != Some(0), "{blocked:?}");
    table("9000-12-31", "  - { from: 2021-01-01, rate: 7.25 }\n");
    assert_eq!(workspace.dunlin(&["check"]).code, Some(0), "{}", workspace.dunlin(&["check"]).out);
    assert!(preview("second").out.contains("7.25 %") || preview("second").out.contains("7,25 %"), "{:?}", preview("second"));
    // A table is part of what a run keeps and of what is checked: a fault in it stops the plugin, and the rule that needs it.
    table("soon", "");
    let checked = workspace.dunlin(&["check"]);
    assert!(
        checked.out.contains("`soon` is not a day") && checked.out.contains("plugins/house/rates/house.yaml:3:11"),
        "{}",
        checked.out
    );
    assert!(checked.out.contains("There is no table of rates `house`"), "{}", checked.out);
}
