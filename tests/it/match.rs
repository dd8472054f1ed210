//! A bank's statement matched to open invoices: from the file to the books that catch up.

use std::sync::Arc;

use dunlin::domain::bank::BankLine;
use dunlin::domain::date::Timestamp;
use dunlin::engine::act::{Act, ActFault, Context, Done, MatchChoice, RunDone, perform};
use dunlin::engine::matches::read_bank;
use dunlin::engine::run::Parts;
use dunlin::engine::status::{Live, ReasonKind};
use dunlin::engine::workspace::load;
use dunlin::port::Clock;
use dunlin::store::StoreError;
use serde_json::Value;

use crate::control::Daemon;
use crate::workspace::Workspace;

/// A clock that stands still.
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Performs an act at nine in the morning of a day, as a process of its own would, and sends nothing.
async fn act(workspace: &Workspace, day: &str, act: Act) -> Result<Done, ActFault> {
    let loaded = Arc::new(load(workspace.path()).workspace.unwrap());
    let clock = Arc::new(At(format!("{day}T08:00:00Z").parse().unwrap()));
    let parts: Parts = loop {
        // A command that another test begins at this very moment may still have the lock's file open.
        match loaded.parts_without_servers(clock.clone()) {
            Err(StoreError::InUse { .. }) => std::thread::yield_now(),
            opened => break opened.unwrap(),
        }
    };
    perform(&Context::alone(loaded, parts), act, "alice").await
}

async fn run(workspace: &Workspace, day: &str) -> RunDone {
    match act(workspace, day, Act::Run { rule: None, only: None, as_of: None }).await.unwrap() {
        Done::Run(done) => done,
        other => panic!("{other:?}"),
    }
}

/// Returns the lines of a bank's file in the workspace.
fn lines(workspace: &Workspace, name: &str) -> Vec<BankLine> {
    let loaded = load(workspace.path()).workspace.unwrap();
    read_bank(&loaded, &workspace.path().join(name), "2026-03-10".parse().unwrap()).unwrap().lines
}

fn certain(lines: &[BankLine]) -> Act {
    Act::ApplyMatches { choices: lines.iter().map(|line| MatchChoice { line: line.clone(), invoices: None }).collect() }
}

fn named(line: &BankLine, invoices: &[&str]) -> Act {
    let invoices = Some(invoices.iter().map(|number| (*number).to_owned()).collect());
    Act::ApplyMatches { choices: vec![MatchChoice { line: line.clone(), invoices }] }
}

/// Returns `customer state` of every mail.
fn mails(workspace: &Workspace) -> Vec<String> {
    let word = |mail: &Value, key: &str| mail[key].as_str().unwrap_or("-").to_owned();
    let mut lines: Vec<String> =
        workspace.outbox().iter().map(|mail| format!("{} {}", word(mail, "customer"), word(mail, "state"))).collect();
    lines.sort();
    lines
}

/// Returns `id outcome` of every match there ever was.
fn matches(workspace: &Workspace) -> Vec<String> {
    let list = workspace.dunlin(&["match", "list", "--all", "--json"]);
    let line = |line: &str| {
        let view: Value = serde_json::from_str(line).unwrap();
        format!("{} {}", view["id"], view["outcome"].as_str().unwrap_or("counts"))
    };
    list.out.lines().map(line).collect()
}

/// Three customers with 1.50, 2.50 and 3.50 open, payments of the books, and a bank's file with a payment of each kind.
fn workspace() -> Workspace {
    let workspace = Workspace::new(9, 3);
    workspace.write("config.yaml", &Workspace::config(9, "  payments: { csv: payments.csv }\n"));
    workspace.write("payments.csv", "customer,invoice,amount,received_on,reference\n");
    workspace.write("bank.csv", BANK);
    workspace
}

const BANK: &str = "Date,Amount,Payer,Reference,Transaction ID\n2026-03-09,1.50,Customer 1,Invoice INV-0001,B1\n\
    2026-03-09,1.00,Customer 2,part of INV-0002,B2\n2026-03-09,-20.00,Landlord,rent,B3\n2026-03-09,77.00,Nobody,hello,B4\n";

#[tokio::test]
async fn a_matched_payment_stops_reminders_at_once_and_counts_until_the_books_have_it() {
    let workspace = workspace();
    workspace.write("rules/statement.yaml", crate::occasions::STATEMENT);
    workspace.write("rules/templates/account.subject.txt", "Account: {{ statement.balance }}\n");
    let lines_of = "{% for line in statement.lines %}{{ line.kind }} {{ line.number }} {{ line.open }}\n{% endfor %}";
    workspace.write("rules/templates/account.txt", lines_of);
    let moves = crate::occasions::STATEMENT.replace("monthly", "moves").replace("account", "moves");
    workspace.write("rules/moves.yaml", &format!("{moves}form: activity\n"));
    workspace.write("rules/templates/moves.subject.txt", "Moved\n");
    let moved = "{% for line in statement.lines %}{{ line.kind }} {{ line.invoice }} {{ line.amount }}\n{% endfor %}";
    workspace.write("rules/templates/moves.txt", moved);
    let overdue = |day| act(&workspace, day, Act::Run { rule: Some("overdue".into()), only: None, as_of: None });
    assert!(matches!(overdue("2026-03-10").await.unwrap(), Done::Run(done) if done.counts["queued"] == 3));
    let lines = lines(&workspace, "bank.csv");
    let applied = act(&workspace, "2026-03-10", certain(&lines[..1])).await.unwrap();
    assert!(matches!(&applied, Done::ApplyMatches { matches, withdrawn: 1, under_way: 0 } if matches[0].id == 1), "{applied:?}");
    // A part of the second, on a person's word: its reminder was for more, and is taken back too.
    let part = act(&workspace, "2026-03-10", named(&lines[1], &["INV-0002"])).await.unwrap();
    assert!(matches!(&part, Done::ApplyMatches { withdrawn: 1, .. }), "{part:?}");
    assert_eq!(mails(&workspace), ["C0001 withdrawn", "C0002 withdrawn", "C0003 queued"]);
    // The next run reminds of what is left of the second, and of nothing of the first.
    assert!(matches!(overdue("2026-03-10").await.unwrap(), Done::Run(done) if done.booked_matches.is_empty()));
    let all = workspace.outbox();
    let queued: Vec<(&str, &str)> = all
        .iter()
        .filter(|mail| mail["state"] == "queued")
        .map(|mail| (mail["customer"].as_str().unwrap(), mail["total"].as_str().unwrap()))
        .collect();
    assert_eq!(queued, [("C0002", "1.50"), ("C0003", "3.50")]);
    let explained = workspace.dunlin(&["explain", "C0001", "--as-of", "2026-03-10"]);
    assert!(!explained.out.contains("1.50 EUR open"), "{}", explained.out);
    // Statements count it: nothing of the first is left, and of the second what was not paid.
    let statement = |rule: &str, customer: &str| {
        let level = ["preview", customer, "--rule", rule, "--level", "statement", "--as-of", "2026-04-01"];
        workspace.dunlin(&level).out
    };
    let (first, second) = (statement("monthly", "C0001"), statement("monthly", "C0002"));
    assert!(!first.contains("invoice"), "{first}");
    assert!(second.contains("invoice INV-0002 €1.50"), "{second}");
    // Where they show what moved, it is a payment of the bank's day for its invoice.
    let moved = statement("moves", "C0002");
    assert!(moved.contains("payment INV-0002 -€1.00"), "{moved}");

    // The books catch up: with the first as it was, with the second not set against anything.
    workspace.write(
        "payments.csv",
        "customer,invoice,amount,received_on,reference\nC0001,INV-0001,1.50,2026-03-11,x\nC0002,,1.00,2026-03-11,y\n",
    );
    let booked = overdue("2026-03-12").await.unwrap();
    assert!(matches!(&booked, Done::Run(done) if done.booked_matches == [1, 2]), "{booked:?}");
    assert_eq!(matches(&workspace), ["1 booked", "2 booked"]);
    assert_eq!(workspace.dunlin(&["match", "list"]).out, "Nothing is applied that the books do not show\n");
    let over = act(&workspace, "2026-03-12", Act::UndoMatch { id: 1 }).await.unwrap_err();
    assert_eq!(over.to_string(), "Match 1 is in the books now");
    // Both acts are on the chained record, and it holds.
    let verified = workspace.dunlin(&["verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[tokio::test]
async fn a_line_is_applied_once_whichever_file_it_stands_in_and_only_where_it_fits() {
    let workspace = workspace();
    let lines = lines(&workspace, "bank.csv");
    act(&workspace, "2026-03-10", certain(&lines[..1])).await.unwrap();
    let refused = async |asked: Act| act(&workspace, "2026-03-10", asked).await.unwrap_err().to_string();
    // In another file, with other words: the bank's reference tells it.
    workspace.write("week.csv", &format!("{BANK}2026-03-10,2.50,Customer 2,INV-0002,B5\n"));
    let week = self::lines(&workspace, "week.csv");
    assert_eq!(week[0].id, lines[0].id);
    assert_eq!(
        refused(named(&week[0], &["INV-0003"])).await,
        format!("The bank line {} is applied already (match 1)", lines[0].id)
    );
    assert_eq!(
        refused(certain(&lines[1..2])).await,
        format!("What the bank line {} pays is not certain any more", lines[1].short_id())
    );
    assert_eq!(refused(named(&lines[1], &["INV-9"])).await, "There is no invoice `INV-9` in the ledger");
    assert_eq!(refused(named(&lines[1], &["INV-0001"])).await, "Nothing of the invoice INV-0001 is open");
    let several = format!("The bank line {} cannot pay invoices of several customers", lines[1].short_id());
    assert_eq!(refused(named(&lines[1], &["INV-0002", "INV-0003"])).await, several);
    let dollars = BankLine { currency: dunlin::domain::money::Currency::parse("USD").unwrap(), ..lines[1].clone() };
    assert_eq!(refused(named(&dollars, &["INV-0002"])).await, "The invoice INV-0002 is in EUR, the bank line in USD");
    // One that is wrong keeps the others from being applied.
    let both = Act::ApplyMatches {
        choices: vec![
            MatchChoice { line: week[3].clone(), invoices: None },
            MatchChoice { line: lines[0].clone(), invoices: Some(vec!["INV-0003".into()]) },
        ],
    };
    assert!(act(&workspace, "2026-03-10", both).await.is_err());
    assert_eq!(matches(&workspace), ["1 counts"]);
    // What is undone is open again, and may be applied anew.
    act(&workspace, "2026-03-10", Act::UndoMatch { id: 1 }).await.unwrap();
    assert_eq!(refused(Act::UndoMatch { id: 1 }).await, "Match 1 was undone before");
    assert_eq!(refused(Act::UndoMatch { id: 7 }).await, "There is no match 7");
    assert_eq!(run(&workspace, "2026-03-10").await.counts["queued"], 3);
    act(&workspace, "2026-03-10", certain(&lines[..1])).await.unwrap();
    assert_eq!(matches(&workspace), ["1 undone", "2 counts"]);
}

#[test]
fn looking_writes_nothing_and_what_is_certain_is_applied_on_a_word() {
    let workspace = workspace();
    let bank = workspace.path().join("bank.csv");
    let bank = bank.to_str().unwrap();
    let looked = workspace.dunlin(&["match", bank]);
    for words in ["Certain: 1.50 EUR", "number, amount, name", "Doubtful: 1.00 EUR", "less than is open", "Unmatched: 77.00 EUR"]
    {
        assert!(looked.out.contains(words), "{words}\n{}", looked.out);
    }
    assert!(looked.err.contains("1 line left alone: no money came in"), "{}", looked.err);
    assert!(!workspace.path().join("dunlin.db").exists());
    let views: Vec<Value> =
        workspace.dunlin(&["match", bank, "--json"]).out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let classes: Vec<&str> = views.iter().map(|view| view["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["certain", "doubtful", "unmatched"]);

    let applied = workspace.dunlin(&["match", bank, "--apply", "certain"]);
    assert!(applied.code == Some(0) && applied.out.contains("1 payment counts over 1.50 EUR now"), "{applied:?}");
    let line = &views[1]["line"]["id"].as_str().unwrap()[..8];
    let named = workspace.dunlin(&["match", bank, "--apply", &format!("{line}=INV-0002"), "--apply", "certain", "--json"]).json();
    assert_eq!((&named["done"], &named["matches"][0]["parts"][0]["amount"]), (&"apply_matches".into(), &"1.00".into()));
    assert!(workspace.dunlin(&["match", bank]).out.contains("2 lines are applied already"));
    assert_eq!(workspace.dunlin(&["match", bank, "--apply", "certain"]).out, "Nothing is certain that is not applied already\n");
    let wrong = workspace.dunlin(&["match", bank, "--apply", "ffff=INV-0001"]);
    assert!(wrong.code == Some(1) && wrong.err.contains("The file has no line `ffff`"), "{wrong:?}");
    assert_eq!(workspace.dunlin(&["match", bank, "--apply", "INV-0001"]).code, Some(2));
    assert_eq!(workspace.dunlin(&["match"]).code, Some(2));
    // The plan and the run of now leave the first alone; the run says nothing of the books yet.
    let plan = workspace.dunlin(&["plan", "--as-of", "2026-03-10"]).out;
    assert!(!plan.contains("INV-0001") && plan.contains("INV-0002"), "{plan}");
    let list = workspace.dunlin(&["match", "list"]).out;
    assert!(list.contains("INV-0001 1.50") && list.contains("counts until the books show it"), "{list}");
}

#[test]
fn a_bad_file_is_told_whole_and_nothing_is_applied() {
    let workspace = workspace();
    workspace.write(
        "bad.csv",
        "Date,Amount,Reference\n2026-03-09,1.50,INV-0001\n2026-02-30,1.00,INV-0002\n2026-03-01,1.0.0,INV-0003\n",
    );
    let bad = workspace.path().join("bad.csv");
    let ran = workspace.dunlin(&["match", bad.to_str().unwrap(), "--apply", "certain"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.err.contains("bad.csv:3:1") && ran.err.contains("bad.csv:4:12"), "{}", ran.err);
    assert!(!workspace.path().join("dunlin.db").exists());
    let missing = workspace.dunlin(&["match", "nowhere.csv"]);
    assert!(missing.code == Some(3) && missing.err.contains("The file cannot be read"), "{missing:?}");
}

#[tokio::test]
async fn a_receipt_goes_once_when_the_books_bring_the_payment() {
    let workspace = workspace();
    workspace.write("rules/overdue.yaml", crate::occasions::NOTICE);
    workspace.write("rules/templates/receipt.subject.txt", "Received {{ payment.amount }}\n");
    workspace.write("rules/templates/receipt.txt", "Thank you, {{ customer.name }}\n");
    let queued = |done: &RunDone| done.counts.get("queued").copied().unwrap_or_default();
    assert_eq!(queued(&run(&workspace, "2026-03-08").await), 0);
    act(&workspace, "2026-03-10", certain(&lines(&workspace, "bank.csv")[..1])).await.unwrap();
    assert_eq!(queued(&run(&workspace, "2026-03-10").await), 0, "the bank's line gets none");
    workspace.write("payments.csv", "customer,invoice,amount,received_on,reference\nC0001,INV-0001,1.50,2026-03-11,x\n");
    let booked = run(&workspace, "2026-03-12").await;
    assert_eq!((queued(&booked), booked.booked_matches), (1, vec![1]));
    let later = run(&workspace, "2026-03-13").await;
    assert_eq!(later.counts.values().sum::<u64>(), 0, "{later:?}");
}

#[tokio::test]
async fn books_that_do_not_show_a_match_in_time_are_told_to_a_person() {
    let workspace = workspace();
    workspace.write("config.yaml", &Workspace::config(9, "  payments: { csv: payments.csv }\nbank: { booked_within: 3 days }\n"));
    act(&workspace, "2026-03-10", certain(&lines(&workspace, "bank.csv")[..1])).await.unwrap();
    let is_told = |at: &str| {
        let reader = dunlin::store::open_reader(&workspace.path().join("dunlin.db")).unwrap();
        let now = at.parse().unwrap();
        let status = Live::new("test", "live", "0", now).snapshot(reader.as_ref(), now);
        status.reasons.iter().any(|reason| reason.kind == ReasonKind::MatchUnbooked)
    };
    assert!(!is_told("2026-03-13T07:00:00Z"));
    assert!(is_told("2026-03-13T09:00:00Z"));
    assert!(workspace.dunlin(&["match", "list"]).out.contains("the books should show it by now"));
    workspace.edit(
        "invoices.csv",
        "INV-0001,C0001,2026-02-01,2026-03-02,1.50,",
        "INV-0001,C0001,2026-02-01,2026-03-02,1.50,2026-03-10",
    );
    run(&workspace, "2026-03-14").await;
    assert!(!is_told("2026-03-14T09:00:00Z"));
}

#[test]
fn a_kill_leaves_all_of_the_lines_applied_or_none() {
    let workspace = Workspace::new(9, 200);
    let mut bank = String::from("Date,Amount,Reference\n");
    for number in 1..=200 {
        bank.push_str(&format!("2026-03-09,{number}.50,INV-{number:04}\n"));
    }
    workspace.write("bank.csv", &bank);
    let file = workspace.path().join("bank.csv");
    let arguments = ["match", file.to_str().unwrap(), "--apply", "certain"];
    let count = || workspace.dunlin(&["match", "list", "--json"]).out.lines().count();
    for _ in 0..10 {
        let mut child = workspace.start(&arguments);
        // At once, or once the database has been touched: whatever it had come to.
        let is_there = || workspace.path().join("dunlin.db").exists();
        while !is_there() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let applied = count();
        assert!(applied == 0 || applied == 200, "{applied} of 200");
    }
    workspace.dunlin(&arguments);
    assert_eq!(count(), 200);
    let people = workspace.dunlin(&["verify"]);
    assert_eq!(people.code, Some(0), "{people:?}");
}

#[test]
fn while_a_daemon_runs_it_applies_what_the_command_asks_for() {
    let workspace = workspace();
    let daemon = Daemon::start(&workspace);
    let bank = workspace.path().join("bank.csv");
    let applied = workspace.dunlin(&["match", bank.to_str().unwrap(), "--apply", "certain", "--json"]).json();
    assert_eq!(applied["matches"].as_array().unwrap().len(), 1);
    let twice = workspace.dunlin(&["match", "undo", "1"]);
    assert!(twice.code == Some(0) && twice.out.starts_with("Match 1 is undone"), "{twice:?}");
    let heard = daemon.stop();
    assert!(
        matches!(heard.as_slice(), [(_, Act::ApplyMatches { choices }), (_, Act::UndoMatch { id: 1 })] if choices.len() == 1),
        "{heard:?}"
    );
}

#[test]
fn a_camt_statement_is_read_by_its_content_alone() {
    let workspace = workspace();
    let statement = format!(
        "<Document><BkToCstmrStmt><Stmt><Ntry><Amt Ccy=\"EUR\">3.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>\
         <BookgDt><Dt>2026-03-09</Dt></BookgDt><NtryDtls><TxDtls><RmtInf><Ustrd>{}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\
         </Stmt></BkToCstmrStmt></Document>",
        "INV 3"
    );
    workspace.write("statement.txt", &statement);
    let file = workspace.path().join("statement.txt");
    let told = workspace.dunlin(&["match", file.to_str().unwrap(), "--json"]).json();
    assert_eq!((&told["class"], &told["candidates"][0]["doubts"][0]), (&"doubtful".into(), &"number_short".into()));
}

#[test]
fn the_page_shows_what_the_command_prints_of_the_sample() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .args(["match", "examples/receivables/bank.csv", "--workspace", "."])
        .current_dir(root)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    // The sample is as old as the day it is read on.
    let path = root.join("docs/matching.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("```text\n").unwrap();
    let (shown, after) = rest.split_once("```\n").unwrap();
    if without_days(shown) != without_days(&printed) {
        assert!(std::env::var_os("DUNLIN_BLESS").is_some_and(|value| value == "1"), "docs/matching.md is out of date: {printed}");
        std::fs::write(&path, format!("{before}```text\n{printed}```\n{after}")).unwrap();
    }
}

/// Returns a text with every digit of a day turned into a zero.
fn without_days(text: &str) -> String {
    let is_day = |word: &str| {
        word.len() == 10
            && word.bytes().enumerate().all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
    };
    text.split(' ').map(|word| if is_day(word) { "0000-00-00" } else { word }).collect::<Vec<_>>().join(" ")
}
