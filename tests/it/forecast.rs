//! Days to come and days past: what the forecast says is what the daemon's own runs then do; and what a change of rules changes.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use dunlin::domain::date::{Date, Timestamp, shifted};
use dunlin::engine::agenda::{Agenda, still_to_fire};
use dunlin::engine::fire::fire;
use dunlin::engine::generation::RunGenerations;
use dunlin::engine::recheck::LedgerState;
use dunlin::engine::run::send;
use dunlin::engine::workspace::{Workspace as Loaded, load};
use dunlin::plan::Scope;
use dunlin::plan::explain::{Answer, explain};
use dunlin::port::Clock;
use serde_json::Value;
use tokio::sync::watch;

use crate::daemon::{Set, rows};
use crate::server::Server;
use crate::workspace::Workspace;

const LADDER: &str = r#"id: overdue
kind: reminder
schedule: { cron: "0 9 * * MON-FRI" }
for_each: customer
where: '!customer.tags.contains("do-not-chase")'
levels:
  - { id: upcoming, when: 3 days before due, template: note }
  - { id: first, when: 7 days after due, template: note }
  - { id: second, when: 21 days after due, template: note }
  - { id: final, when: 30 days after due, template: note }
from: receivables
to: [billing]
"#;

/// A second rule that mails invoice by invoice, at another hour, and is often in the first one's way.
const LARGE: &str = r#"id: large
kind: reminder
schedule: { cron: "30 8 * * *" }
for_each: invoice
where: invoice.total > 700.00 && invoice.days_overdue > 4
levels:
  - { id: call, when: 5 days after due, template: note, repeat: { every: 6 days, at_most: 2 } }
from: receivables
to: [billing]
"#;

const STATEMENT: &str = r#"id: monthly
kind: statement
schedule: { cron: "0 7 * * *", on: first business day }
where: customer.balance > 0
template: account
from: receivables
to: [billing]
"#;

/// A workspace with 24 customers and 900 invoices over eight months, most of them paid late; two customers have no address and two
/// are not to be chased.
fn workspace(port: u16) -> Workspace {
    let workspace = Workspace::new(port, 1);
    let calendar = "calendar: { weekend: [sat, sun] }\nlimits: { contact_gap: 0 days }\n";
    workspace.write("config.yaml", &Workspace::config(port, calendar));
    workspace.write("rules/overdue.yaml", LADDER);
    workspace.write("rules/large.yaml", LARGE);
    workspace.write("rules/monthly.yaml", STATEMENT);
    workspace.write("rules/templates/account.subject.txt", "Account: {{ statement.balance }}\n");
    workspace.write("rules/templates/account.txt", "{{ statement.balance }}\n");
    let mut draw = 7_u64;
    let mut below = |bound: u64| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 33) % bound
    };
    let mut customers = String::from("id,name,language,tags,billing\n");
    for number in 1..=24 {
        let address = if number % 12 == 0 { String::new() } else { format!("ap{number}@customer{number}.example") };
        let tags = if number % 11 == 0 { "do-not-chase" } else { "" };
        writeln!(customers, "C{number:04},Customer {number},en,{tags},{address}").unwrap();
    }
    let mut invoices = String::from("number,customer,issued_on,due_on,total,settled_on\n");
    let first: Date = "2025-01-06".parse().unwrap();
    for number in 0..900 {
        let issued = shifted(first, below(240) as i32);
        let due = shifted(issued, 14 + 7 * below(3) as i32);
        let settled = match below(10) {
            0 => String::new(),
            late => shifted(due, (late * late) as i32 - 12).max(issued).to_string(),
        };
        let (customer, cents) = (1 + below(24), 500 + below(90_000));
        let total = format!("{}.{:02}", cents / 100, cents % 100);
        writeln!(invoices, "R-{number:04},C{customer:04},{issued},{due},{total},{settled}").unwrap();
    }
    workspace.write("customers.csv", &customers);
    workspace.write("invoices.csv", &invoices);
    workspace
}

/// Returns what `explain` says of every subject of a rule before it runs, a line each.
fn explained(workspace: &Loaded, rule: &str, now: Timestamp) -> BTreeSet<String> {
    let rule = workspace.rules.rules.iter().find(|own| own.id.as_str() == rule).unwrap();
    let rules = workspace.rules.of(vec![rule.clone()]).against(still_to_fire(workspace, &BTreeSet::new(), now));
    let (as_of, past) = (workspace.day_of(Some(rule.id.as_str()), now), workspace.history().unwrap());
    let ledger = workspace.read_ledger(as_of, &mut |_, _| {}).unwrap();
    let of = |customer| {
        let found = explain(&rules, &ledger, &past, as_of, Scope::Customer(customer), &|_, _| false);
        let id = ledger.customer(customer).id.clone();
        found.answers.into_iter().map(move |answer| {
            let Answer { rule, currency, subject, verdict, reason, yields_to, .. } = answer;
            format!("{rule} {id} {currency} {subject} {verdict} {reason} {}", yields_to.unwrap_or_default())
        })
    };
    ledger.customer_indexes().flat_map(of).collect()
}

/// Lives through the days with the daemon's own agenda, firing, run and delivery, into a real outbox and to a real server. What is
/// explained before each run is what the run decides.
async fn live_through(folder: &Workspace, from: &str, to: &str) {
    let instant = |day: &str, hour| -> Timestamp { format!("{day}T{hour}:00:00+01:00").parse().unwrap() };
    let clock = Set::at(&instant(from, "00").to_string());
    let workspace = Arc::new(load(folder.path()).workspace.unwrap());
    let parts = workspace.parts(clock.clone()).unwrap();
    let generations = RunGenerations::new(workspace.clone());
    let (mut agenda, none) = (Agenda::default(), BTreeSet::new());
    agenda.follow(&workspace, "live", &parts.store, clock.now()).await.unwrap();
    let (_keep, stop) = watch::channel(false);
    let end = instant(to, "23");
    while let Some(next) = agenda.next_at(&none).filter(|next| *next <= end) {
        clock.to(&(next + jiff::SignedDuration::from_secs(1)).to_string());
        let due = agenda.due(&workspace, "live", &none, clock.now());
        // No two rules fire at one time here.
        for (firing, day) in due.into_iter().flat_map(|rule| rule.to_run) {
            let said = explained(&workspace, &firing.rule_id, clock.now());
            for (firing, committed) in fire(&generations, &workspace, vec![(firing, day)], &none, &parts).await {
                let run_id = committed.unwrap().unwrap().run_id;
                agenda.decided(&workspace, &firing);
                let decided = rows(
                    folder,
                    &format!(
                        "select rule_id || ' ' || customer_id || ' ' || currency || ' ' || document || ' ' || verdict || ' ' || reason
                            || ' ' || coalesce(yields_to, '') from decision where run_id = {run_id}"
                    ),
                );
                assert_eq!(said, decided.into_iter().collect(), "run {run_id} on {}", workspace.today(clock.now()));
            }
        }
        let state = LedgerState::of(&workspace, clock.now());
        send(&workspace, &parts, workspace.today(clock.now()), state, stop.clone(), &mut |_| {}).await.unwrap();
    }
}

/// Returns the mails that servers took, a line each: day, rule, customer, currency, level, items with their levels, total.
fn accepted(workspace: &Workspace) -> Vec<String> {
    let mut lines = rows(
        workspace,
        "select message.as_of || ' ' || message.rule_id || ' ' || customer_id || ' ' || currency || ' ' ||
            coalesce(nullif(message.level_id, ''), occasion) || '#' || message.level_repeat || ' ' || total || ' ' ||
            group_concat(document || case when kind = 'reminder' then '=' || item.level_id else '' end, ' ' order by document)
        from message join message_item as item on item.message_id = message.id
        where state = 'accepted' group by message.id",
    );
    lines.sort();
    lines
}

/// Returns the same lines of what `--json` foresees.
fn foreseen(view: &Value) -> Vec<String> {
    let word = |mail: &Value, key: &str| mail[key].as_str().unwrap_or_default().to_owned();
    let line = |mail: &Value| {
        let is_reminder = mail["level"].is_string();
        let item = |item: &Value| match is_reminder {
            true => format!("{}={}", word(item, "item"), word(item, "level")),
            false => word(item, "item"),
        };
        let mut items: Vec<String> = mail["items"].as_array().unwrap().iter().map(item).collect();
        items.sort();
        let level = if is_reminder { word(mail, "level") } else { word(mail, "occasion") };
        let parts = [word(mail, "day"), word(mail, "rule"), word(mail, "customer"), word(mail, "currency")].join(" ");
        format!("{parts} {level}#{} {} {}", mail["repeat"], word(mail, "total"), items.join(" "))
    };
    let mails = view["mails"].as_array().unwrap().iter();
    let mut lines: Vec<String> = mails.filter(|mail| mail["blocked"].is_null()).map(line).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_backtest_says_what_the_daemons_own_runs_do_day_by_day() {
    let server = Server::willing();
    let workspace = workspace(server.port);
    let (from, to) = ("2025-02-03", "2025-04-30");
    let view = workspace.dunlin(&["backtest", "--from", from, "--to", to, "--json"]).json();
    live_through(&workspace, from, to).await;
    let (said, done) = (foreseen(&view), accepted(&workspace));
    assert!(done.len() > 200, "there is something to compare: {} mails", done.len());
    assert_eq!(said, done);
    assert_eq!(server.taken().len(), done.len());
    // What comes next is foreseen from the history that this left.
    let later = workspace.dunlin(&["forecast", "--from", "2025-05-01", "--until", "2025-05-23", "--json"]).json();
    live_through(&workspace, "2025-05-01", "2025-05-23").await;
    let (said, done) = (foreseen(&later), accepted(&workspace));
    let done: Vec<String> = done.into_iter().filter(|line| line.as_str() > "2025-05").collect();
    assert!(done.len() > 50, "there is something to compare: {} mails", done.len());
    assert_eq!(said, done);
}

/// The same over receivables that lie in the folder named by DUNLIN_RECEIVABLES, for a maintainer: `cargo test --test it
/// receivables -- --ignored`. The ladder and the days are those for which the counts are known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the receivables in the folder DUNLIN_RECEIVABLES"]
async fn two_years_of_receivables_are_told_and_lived_through_alike() {
    let folder = std::env::var("DUNLIN_RECEIVABLES").expect("name the folder with DUNLIN_RECEIVABLES");
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    let config = Workspace::config(server.port, "calendar: { weekend: [sat, sun] }\nlimits: { contact_gap: 0 days }\n");
    let config = config
        .replace("columns: { contacts: { billing: billing } }", "columns: { id: customerID, contacts: { billing: billing_email } }")
        .replace(
            "invoices: { csv: invoices.csv }",
            "invoices:\n    csv: invoices.csv\n    dates: \"%d/%m/%Y\"\n    columns: { number: invoiceNumber, customer: customerID, \
             issued_on: InvoiceDate, due_on: DueDate, total: InvoiceAmount, settled_on: SettledDate, disputed: Disputed }",
        );
    workspace.write("config.yaml", &config);
    workspace.write("rules/overdue.yaml", LADDER);
    for file in ["customers.csv", "invoices.csv"] {
        workspace.write(file, &std::fs::read_to_string(Path::new(&folder).join(file)).unwrap());
    }
    let (from, to) = ("2012-01-03", "2014-01-09");
    let view = workspace.dunlin(&["backtest", "--from", from, "--to", to, "--json"]).json();
    let items: Vec<u64> = view["totals"].as_array().unwrap().iter().map(|line| line["items"].as_u64().unwrap()).collect();
    assert_eq!((view["items_count"].as_u64(), view["mails_count"].as_u64()), (Some(1_392), Some(1_350)));
    assert_eq!(items, [950, 381, 54, 7]);
    live_through(&workspace, from, to).await;
    assert_eq!(foreseen(&view), accepted(&workspace));
    assert_eq!(server.taken().len(), 1_350);
}

#[test]
fn what_is_expected_to_be_paid_is_not_reminded_and_nothing_is_stored() {
    let workspace = Workspace::new(1, 3);
    workspace.write("rules/overdue.yaml", LADDER);
    workspace.edit("rules/overdue.yaml", "kind: reminder", "kind: reminder\nstart: to_age");
    let forecast = |more: &[&str]| {
        let ran =
            workspace.dunlin(&[&["forecast", "--from", "2026-03-10", "--until", "2026-04-10", "--json"][..], more].concat());
        let mails = ran.json()["mails"].as_array().unwrap().clone();
        let told = |mail: &Value| format!("{} {} {}", mail["day"], mail["customer"], mail["level"]).replace('"', "");
        mails.iter().map(told).collect::<Vec<_>>()
    };
    let of = |customer: &str| {
        let days = [("2026-03-10", "first"), ("2026-03-23", "second"), ("2026-04-01", "final")];
        days.map(|(day, level)| format!("{day} {customer} {level}"))
    };
    let all = [of("C0001"), of("C0002"), of("C0003")].concat();
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(forecast(&[])), sorted(all));
    // One pays everything in time, one half of it.
    workspace.write("expected.csv", "invoice,received_on,amount\nINV-0001,2026-03-20,1.50\nINV-0002,2026-03-20,1.25\n");
    let expected = workspace.path().join("expected.csv");
    let expecting = forecast(&["--payments", expected.to_str().unwrap()]);
    assert_eq!(sorted(expecting), sorted([&of("C0001")[..1], &of("C0002"), &of("C0003")].concat()));
    assert_eq!(forecast(&["--only", "INV-0003"]), of("C0003"));
    assert!(!workspace.path().join("dunlin.db").exists(), "nothing is stored");
    // Wrong on purpose.
    workspace.write("expected.csv", "invoice,received_on,amount\nINV-9999,2026-03-20,1.50\n");
    let wrong = workspace.dunlin(&["forecast", "--payments", expected.to_str().unwrap()]);
    assert_eq!(wrong.code, Some(3));
    assert!(wrong.err.contains("`INV-9999` is not in the invoices' file"), "{}", wrong.err);
    let wrong = workspace.dunlin(&["backtest", "--from", "2026-03-10", "--to", "2026-03-09"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(1), ""));
}

#[test]
fn a_forecast_is_shown_as_a_calendar_a_list_a_table_and_a_page() {
    let workspace = Workspace::new(1, 3);
    workspace.write("rules/overdue.yaml", LADDER);
    workspace.edit("rules/overdue.yaml", "kind: reminder", "kind: reminder\nstart: to_age");
    let shown = |more: &[&str]| {
        let ran = workspace.dunlin(&[&["forecast", "--from", "2026-03-10", "--days", "14"][..], more].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.out
    };
    let text = shown(&[]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Forecast from 2026-03-10 to 2026-03-23: 6 items in 6 mails");
    assert!(text.contains("│ 2026-03-09 ┆     ┆   3 ┆   · ┆   · ┆   · ┆   · ┆   · ┆     3 │"), "{text}");
    assert!(text.contains("│ overdue ┆ second ┆     3 ┆               3 ┆ 7.50 EUR │"), "{text}");
    assert!(shown(&["--list"]).contains("INV-0002"));
    let csv = shown(&["--csv"]);
    assert_eq!(csv.lines().nth(1), Some("2026-03-10,overdue,C0001,Customer 1,first,0,,INV-0001=first,EUR,1.50,"));
    let page = workspace.path().join("page.html");
    shown(&["--html", page.to_str().unwrap()]);
    let page = std::fs::read_to_string(page).unwrap();
    assert_eq!(page.matches("<rect ").count(), 2, "a bar for each day with mails");
}

fn git(workspace: &Workspace, arguments: &[&str]) {
    let who = ["-c", "user.name=Test", "-c", "user.email=test@seller.example", "-c", "commit.gpgsign=false"];
    let status = Command::new("git").arg("-C").arg(workspace.path()).args(who).args(arguments).output().unwrap();
    assert!(status.status.success(), "{status:?}");
}

#[test]
fn a_change_of_rules_is_told_by_its_effect() {
    let workspace = Workspace::new(1, 3);
    workspace.write("rules/overdue.yaml", LADDER);
    workspace.edit("rules/overdue.yaml", "kind: reminder", "kind: reminder\nstart: to_age");
    git(&workspace, &["init", "-q"]);
    git(&workspace, &["add", "config.yaml", "rules"]);
    git(&workspace, &["commit", "-qm", "As it was"]);
    let diff = |more: &[&str]| workspace.dunlin(&[&["diff", "--from", "2026-03-10"][..], more].concat());
    let same = diff(&[]);
    assert_eq!((same.code, same.err.as_str()), (Some(0), ""));
    assert!(same.out.ends_with("Nothing: the same mails, word for word.\n"), "{}", same.out);

    // Small change is left alone, the first level comes two days later and reads another way.
    workspace.edit("rules/overdue.yaml", "where: '", "where: 'invoice.open >= 2.00 && ");
    workspace.edit("rules/overdue.yaml", "7 days after due", "9 days after due");
    workspace.edit("rules/templates/note.html", "please pay", "kindly pay");
    let changed = diff(&["--json"]);
    assert_eq!(changed.code, Some(4));
    let view = changed.json();
    let told = |change: &Value| {
        let side = |side: &Value| match side {
            Value::Null => "-".to_owned(),
            line => format!("{} {}", line["day"], line["level"]).replace('"', ""),
        };
        let line = if change["after"].is_null() { &change["before"] } else { &change["after"] };
        format!("{} {}: {} -> {}", line["customer"], change["kind"], side(&change["before"]), side(&change["after"]))
            .replace('"', "")
    };
    let changes: Vec<String> = view["changes"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        changes,
        [
            "C0001 removed: 2026-03-10 first -> -",
            "C0002 day: 2026-03-10 first -> 2026-03-11 first",
            "C0003 day: 2026-03-10 first -> 2026-03-11 first",
            "C0001 removed: 2026-03-23 second -> -",
            "C0001 removed: 2026-04-01 final -> -",
        ]
    );
    assert_eq!(view["losing"], serde_json::json!(["C0001"]));
    assert_eq!(view["gaining"], serde_json::json!([]));
    assert_eq!(view["sums"][0]["totals"], serde_json::json!(["7.50", "6.00"]));
    let text = diff(&[]).out;
    for line in [
        "- Dear Customer 2, please pay €2.50.",
        "+ Dear Customer 2, kindly pay €2.50.",
        "  mails: 3 no longer go, 2 on another day",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let markdown = diff(&["--format", "markdown"]).out;
    assert!(markdown.starts_with("### What changes: HEAD → the workspace, 2026-03-10 to 2026-04-08\n"), "{markdown}");
    assert!(
        markdown.contains("| C0001 Customer 1 | no longer goes | 2026-03-10 overdue/first: 1.50 EUR, INV-0001 |  |"),
        "{markdown}"
    );

    // What no mail of these days shows is said all the same, and a broken workspace compares nothing.
    git(&workspace, &["add", "rules"]);
    git(&workspace, &["commit", "-qm", "Leave small sums alone"]);
    workspace.write("rules/templates/unused.html", "<p>{{ total }}</p>\n");
    workspace.write("rules/templates/unused.subject.txt", "Unused\n");
    let unseen = diff(&[]);
    assert_eq!(unseen.code, Some(0));
    assert!(
        unseen.out.contains(
            "files that differ, which no mail of these days shows: rules/templates/unused.html, rules/templates/unused"
        ),
        "{}",
        unseen.out
    );
    // A text that one customer alone reads, the last of them.
    workspace.edit("rules/templates/note.html", "kindly pay", "kindly pay{% if customer.id == \"C0003\" %} today{% endif %}");
    let one = diff(&["--json"]);
    assert_eq!((one.code, &one.json()["texts"][0]["customer"]), (Some(4), &serde_json::json!("C0003")));
    git(&workspace, &["checkout", "-q", "HEAD~1", "--", "rules"]);
    workspace.edit("rules/overdue.yaml", "where:", "wher:");
    assert_eq!(diff(&[]).code, Some(3));
    workspace.edit("rules/overdue.yaml", "wher:", "where:");
    git(&workspace, &["checkout", "-q", "HEAD", "--", "rules"]);

    // Two folders, and what is wrong.
    let other = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(other.path().join("rules/templates")).unwrap();
    for file in ["config.yaml", "rules/overdue.yaml", "rules/templates/note.html", "rules/templates/note.subject.txt"] {
        std::fs::write(other.path().join(file), workspace.read(file)).unwrap();
    }
    let folder = other.path().to_str().unwrap();
    assert_eq!(diff(&[folder]).code, Some(0), "the same texts elsewhere");
    assert_eq!(diff(&["HEAD~1", folder]).code, Some(4));
    let unknown = diff(&["nowhere"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("`nowhere` is no folder and no revision of git"), "{}", unknown.err);
    std::fs::write(other.path().join("rules/overdue.yaml"), "id: overdue\nkind: remnider\n").unwrap();
    let broken = diff(&["HEAD", folder]);
    assert_eq!(broken.code, Some(3));
    assert!(broken.err.contains("did you mean `reminder`?"), "{}", broken.err);
}
