//! Alerts: what needs a person is told once when it begins and once when it is over, whatever happens to the daemon, the mail
//! server or the store between the two.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use dunlin::domain::date::Timestamp;
use dunlin::engine::status::ReasonKind;
use jiff::SignedDuration;

use crate::daemon::{Process, Running, Set, arrivals, at_nine, meddle, not_in_vain, rows};
use crate::server::{BreakOff, LONG, Server, crooked, reply};
use crate::workspace::Workspace;

const BROKEN: (&str, &str) = ("kind: reminder", "kind: remnider");

/// A workspace with a rule at nine in Berlin, nobody due, and persons who are told by mail.
fn told_by_mail(server: &Server, more: &str) -> Workspace {
    let workspace = at_nine(server.port, 1);
    workspace.edit("config.yaml", "daemon:", &format!("alerts: {{ to: [ops@seller.example]{more} }}\ndaemon:"));
    workspace.edit("rules/overdue.yaml", "start: to_age", "start: from_now");
    workspace
}

/// Returns subject and recipients of every mail taken.
fn subjects(server: &Server) -> Vec<(String, Vec<String>)> {
    let subject = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default().to_owned()
    };
    server.taken().iter().map(|mail| (subject(&mail.bytes), mail.recipients.clone())).collect()
}

/// Returns the text of the last mail taken, soft line breaks undone.
fn last_text(server: &Server) -> String {
    String::from_utf8_lossy(&server.taken().last().unwrap().bytes).replace("=\r\n", "").replace("\r\n", "\n")
}

fn after(seconds: i64) -> String {
    (Timestamp::now() + SignedDuration::from_secs(seconds)).to_string()
}

#[cfg(unix)]
#[test]
fn a_kill_between_beginning_and_end_neither_repeats_an_alert_nor_forgets_its_end() {
    let server = Server::willing();
    let workspace = told_by_mail(&server, "");
    let rule = workspace.read("rules/overdue.yaml");
    workspace.edit("rules/overdue.yaml", BROKEN.0, BROKEN.1);
    let to_ops = |subject: &str| (subject.to_owned(), vec!["ops@seller.example".to_owned()]);

    let mut first = Process::start(&workspace);
    server.wait_for(1);
    assert_eq!(subjects(&server), [to_ops("[Dunlin test] Needs you: changed files have errors, and 1 more")]);
    let text = last_text(&server);
    for expected in [
        "overdue does not run, since rules/overdue.yaml, or a file it needs, has errors",
        "What to do: Mend the file",
        "Auto-Submitted: auto-generated",
        "From: \"Seller\" <ar@seller.example>",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    // That it was told is on record a moment after it went.
    let began = Instant::now();
    while rows(&workspace, "select kind from alert where begin_mailed_at_ms is not null").is_empty() {
        not_in_vain(began);
        thread::yield_now();
    }
    first.child.kill().unwrap();
    first.child.wait().unwrap();

    // The next process has something new to tell, and does not tell the old again.
    workspace.write("rules/second.yaml", &rule.replace("id: overdue", "id: second").replace(BROKEN.0, BROKEN.1));
    let mut second = Process::start(&workspace);
    server.wait_for(2);
    assert_eq!(subjects(&server)[1], to_ops("[Dunlin test] Needs you: a rule is paused (second)"));
    let text = last_text(&server);
    assert!(text.contains("Still standing, as told before:") && text.contains("* overdue does not run"), "{text}");
    let began = Instant::now();
    while rows(&workspace, "select kind from alert where begin_mailed_at_ms is not null").len() < 3 {
        not_in_vain(began);
        thread::yield_now();
    }
    second.child.kill().unwrap();
    second.child.wait().unwrap();

    // Mended while no daemon runs: the third one tells the end of all at once.
    workspace.write("rules/overdue.yaml", &rule);
    workspace.write("rules/second.yaml", &rule.replace("id: overdue", "id: second"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let daemon = Running::start(&workspace, Set::at(&after(5))).await;
        let began = Instant::now();
        while rows(&workspace, "select kind from alert where ended_at_ms is not null").is_empty() {
            not_in_vain(began);
            // A look that finds them gone, and one two minutes later.
            daemon.clock_to(&after(6)).await;
            tokio::task::yield_now().await;
            daemon.clock_to(&after(200)).await;
        }
        arrivals(&server, 3);
        daemon.stop().await;
    });
    assert_eq!(subjects(&server)[2], to_ops("[Dunlin test] Over: changed files have errors, and 2 more"));
    assert_eq!(server.taken().len(), 3);
}

/// A mail server that greets everybody with a refusal; returns its port.
fn refusing() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Whoever has heard enough may have gone.
            stream.write_all(b"554 5.7.1 we do not talk to you\r\n").ok();
            // What it says does not matter: it is hung up on.
            drop(stream.read(&mut [0; 512]));
        }
    });
    port
}

/// Waits, in the daemon's own time, until its reasons are as `is_so` asks, the outbox included.
async fn until(daemon: &Running, workspace: &Workspace, is_so: impl Fn(&[(ReasonKind, String)]) -> bool) {
    let began = Instant::now();
    loop {
        let reader = dunlin::store::open_reader(&workspace.path().join("dunlin.db")).unwrap();
        let status = daemon.live.snapshot(reader.as_ref(), dunlin::port::Clock::now(&*daemon.clock));
        let reasons: Vec<_> = status.reasons.into_iter().map(|reason| (reason.kind, reason.about)).collect();
        if is_so(&reasons) {
            return;
        }
        assert!(began.elapsed() < LONG, "{reasons:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_about_a_dead_server_goes_by_the_senders_next_one() {
    let server = Server::willing();
    let workspace = told_by_mail(&server, "");
    workspace.edit("rules/overdue.yaml", "start: from_now", "start: to_age");
    workspace.edit(
        "config.yaml",
        "smtp:\n",
        &format!("smtp:\n  dead: {{ host: 127.0.0.1, port: {}, security: none }}\n", refusing()),
    );
    workspace.edit("config.yaml", "server: primary", "server: [dead, primary]");
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:50Z")).await;
    daemon.clock_to("2026-03-10T08:00:01Z").await;
    arrivals(&server, 1);
    let is_dead = |reasons: &[(ReasonKind, String)]| reasons.contains(&(ReasonKind::ServerFault, "dead".to_owned()));
    until(&daemon, &workspace, is_dead).await;
    let began = Instant::now();
    while server.taken().len() < 2 {
        not_in_vain(began);
        daemon.clock_to("2026-03-10T08:00:02Z").await;
        daemon.clock_to("2026-03-10T08:00:30Z").await;
        tokio::task::yield_now().await;
    }
    let subjects = subjects(&server);
    assert_eq!(subjects[1].0, "[Dunlin test] Needs you: a mail server takes nothing from us (dead)");
    assert!(last_text(&server).contains("554 5.7.1 we do not talk to you"));
    // The mail of a customer and the alert know nothing of each other.
    assert_eq!(rows(&workspace, "select customer_id || ' ' || state from message"), ["C0001 accepted"]);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_at_fault_is_told_at_once_though_another_ones_mail_waits_for_hours() {
    let server = Server::willing();
    let grey = Server::start(|_| Some(reply(451, "4.7.1 greylisted")));
    let workspace = told_by_mail(&server, ", from: ops");
    workspace.write("customers.csv", &(workspace.read("customers.csv") + "C0002,Two,en,grey,ap2@customer2.example\n"));
    workspace.write("invoices.csv", &(workspace.read("invoices.csv") + "INV-2,C0002,2026-02-01,2026-03-02,2.00,\n"));
    workspace.edit(
        "config.yaml",
        "smtp:\n",
        &format!(
            "smtp:\n  dead: {{ host: 127.0.0.1, port: {}, security: none }}\n  grey: {{ host: 127.0.0.1, port: {}, security: none }}\n",
            refusing(),
            grey.port
        ),
    );
    workspace.edit("config.yaml", "server: primary }\n", "server: dead }\n  hr: { address: hr@seller.example, server: grey }\n  ops: { address: ops@seller.example, server: primary }\n");
    workspace.edit("rules/overdue.yaml", "start: from_now", "start: to_age");
    let rule = workspace.read("rules/overdue.yaml");
    let chosen = |rule: &str, condition: &str| {
        rule.replace("where: '!customer.tags.contains(\"do-not-chase\")'", &format!("where: '{condition}'"))
    };
    workspace.write("rules/overdue.yaml", &chosen(&rule, "!customer.tags.contains(\"grey\")"));
    let second = chosen(&rule, "customer.tags.contains(\"grey\")").replace("id: overdue", "id: second");
    workspace.write("rules/second.yaml", &second.replace("from: receivables", "from: hr"));

    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:50Z")).await;
    daemon.clock_to("2026-03-10T08:00:01Z").await;
    until(&daemon, &workspace, |reasons| reasons.contains(&(ReasonKind::ServerFault, "dead".to_owned()))).await;
    let began = Instant::now();
    while server.taken().is_empty() {
        not_in_vain(began);
        daemon.clock_to("2026-03-10T08:00:02Z").await;
        daemon.clock_to("2026-03-10T08:00:30Z").await;
        tokio::task::yield_now().await;
    }
    assert_eq!(subjects(&server)[0].0, "[Dunlin test] Needs you: a mail server takes nothing from us (dead)");
    let states = rows(&workspace, "select customer_id || ' ' || state from message order by id");
    assert_eq!(states, ["C0001 queued", "C0002 queued"]);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_whose_file_is_gone_stands_over_restarts_until_it_is_listed_as_ended() {
    let server = Server::willing();
    let workspace = told_by_mail(&server, "");
    let rule = workspace.read("rules/overdue.yaml");
    workspace.write("rules/second.yaml", &rule.replace("id: overdue", "id: second"));
    workspace.run();
    // It is lost while no daemon runs.
    std::fs::remove_file(workspace.path().join("rules/second.yaml")).unwrap();
    let is_gone = |reasons: &[(ReasonKind, String)]| reasons.contains(&(ReasonKind::RulePaused, "second".to_owned()));
    for _ in 0..2 {
        let daemon = Running::start(&workspace, Set::at(&after(0))).await;
        until(&daemon, &workspace, is_gone).await;
        let began = Instant::now();
        while rows(&workspace, "select kind from alert where begin_mailed_at_ms is not null").is_empty() {
            not_in_vain(began);
            daemon.clock_to(&after(0)).await;
            daemon.clock_to(&after(10)).await;
            tokio::task::yield_now().await;
        }
        for seconds in [11, 190, 370] {
            daemon.clock_to(&after(seconds)).await;
        }
        until(&daemon, &workspace, is_gone).await;
        daemon.stop().await;
    }
    let paused = "select kind || coalesce(ended_at_ms, '') from alert where kind = 'rule_paused'";
    assert_eq!(rows(&workspace, paused), ["rule_paused"]);
    let told = subjects(&server).iter().filter(|(subject, _)| subject.contains("a rule is paused")).count();
    assert_eq!(told, 1, "{:?}", subjects(&server));
    let words = "second does not run, since its file is gone";
    let is_said = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("=\r\n", "").contains(words);
    assert!(server.taken().iter().any(|mail| is_said(&mail.bytes)), "{}", last_text(&server));

    workspace.edit("config.yaml", "alerts:", "ended_rules: second\nalerts:");
    let daemon = Running::start(&workspace, Set::at(&after(500))).await;
    let began = Instant::now();
    while rows(&workspace, "select kind from alert where kind = 'rule_paused' and ended_at_ms is not null").is_empty() {
        not_in_vain(began);
        daemon.clock_to(&after(501)).await;
        tokio::task::yield_now().await;
        daemon.clock_to(&after(690)).await;
    }
    daemon.stop().await;
    let check = workspace.dunlin(&["check"]);
    assert!(!check.err.contains("is no longer there"), "{}", check.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_server_is_left_the_plugin_tells_and_the_mail_follows_once_one_is_back() {
    let is_out = Arc::new(AtomicBool::new(true));
    let out = is_out.clone();
    let server = Server::start(move |_| out.load(Ordering::SeqCst).then(|| reply(451, "4.3.0 out of order")));
    let workspace = told_by_mail(&server, ", plugin: p");
    workspace.write("plugins/p/plugin.yaml", "name: p\ndescription: A test\nalert: { command: [sh, ./tell.sh] }\n");
    workspace.write("plugins/p/tell.sh", "cat >> told.txt\n");
    workspace.edit("rules/overdue.yaml", BROKEN.0, BROKEN.1);
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:00:00Z")).await;
    let told = || std::fs::read_to_string(workspace.path().join("plugins/p/told.txt")).unwrap_or_default();
    let began = Instant::now();
    while told().is_empty() {
        not_in_vain(began);
        daemon.clock_to("2026-03-10T07:00:00Z").await;
        daemon.clock_to("2026-03-10T07:00:06Z").await;
        tokio::task::yield_now().await;
    }
    assert!(told().contains(r#""title":"Needs you: changed files have errors, and 1 more""#), "{}", told());
    until(&daemon, &workspace, |reasons| reasons.contains(&(ReasonKind::AlertFailed, "mail".to_owned()))).await;
    assert_eq!(server.taken().len(), 0);

    // A minute later it is tried again; the plugin has told already, and is not asked twice.
    is_out.store(false, Ordering::SeqCst);
    daemon.clock_to("2026-03-10T07:01:30Z").await;
    arrivals(&server, 1);
    until(&daemon, &workspace, |reasons| reasons.iter().all(|(kind, _)| *kind != ReasonKind::AlertFailed)).await;
    assert_eq!(subjects(&server)[0].0, "[Dunlin test] Needs you: changed files have errors, and 1 more");
    daemon.stop().await;
    assert_eq!((told().lines().count(), server.taken().len()), (1, 1), "{}", told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_recorded_is_told_all_the_same() {
    let server = Server::willing();
    let workspace = told_by_mail(&server, "");
    Running::start(&workspace, Set::at("2026-03-10T06:00:00Z")).await.stop().await;
    meddle(&workspace, "create trigger fault before insert on alert begin select raise(abort, 'no room'); end");
    workspace.edit("rules/overdue.yaml", BROKEN.0, BROKEN.1);
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:00:00Z")).await;
    let began = Instant::now();
    while server.taken().is_empty() {
        not_in_vain(began);
        daemon.clock_to("2026-03-10T07:00:00Z").await;
        daemon.clock_to("2026-03-10T07:00:06Z").await;
        tokio::task::yield_now().await;
    }
    // Once there is room it is written down, and not told again.
    meddle(&workspace, "drop trigger fault");
    let began = Instant::now();
    while rows(&workspace, "select kind from alert where begin_mailed_at_ms is not null").is_empty() {
        not_in_vain(began);
        daemon.clock_to("2026-03-10T07:00:20Z").await;
        tokio::task::yield_now().await;
    }
    daemon.stop().await;
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehearsal_tells_where_its_mails_go_and_a_dry_run_mails_nobody() {
    for mode in ["redirect", "dry"] {
        let server = Server::willing();
        let workspace = told_by_mail(&server, "");
        workspace.edit("config.yaml", "instance:", &format!("mode: {mode}\nredirect_to: me@seller.example\ninstance:"));
        workspace.edit("rules/overdue.yaml", BROKEN.0, BROKEN.1);
        let daemon = Running::start(&workspace, Set::at("2026-03-10T07:00:00Z")).await;
        let began = Instant::now();
        while rows(&workspace, "select kind from alert").is_empty() {
            not_in_vain(began);
            daemon.clock_to("2026-03-10T07:00:00Z").await;
            daemon.clock_to("2026-03-10T07:00:06Z").await;
            tokio::task::yield_now().await;
        }
        if mode == "redirect" {
            arrivals(&server, 1);
            assert_eq!(server.taken()[0].recipients, ["me@seller.example"]);
            assert!(last_text(&server).contains("X-Original-To: ops@seller.example"), "{}", last_text(&server));
        }
        daemon.stop().await;
        assert_eq!(server.taken().len(), usize::from(mode == "redirect"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_may_send_no_more_today_is_told_of_and_left_alone_for_an_hour() {
    let is_spent = Arc::new(AtomicBool::new(true));
    let spent = is_spent.clone();
    let limit = "5.4.5 Daily user sending limit exceeded";
    let server = Server::start(move |_| spent.load(Ordering::SeqCst).then(|| reply(550, limit)));
    let workspace = at_nine(server.port, 10);
    workspace.edit("config.yaml", "security: none }", "security: none, connections: 1 }");
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:50Z")).await;
    daemon.clock_to("2026-03-10T08:00:01Z").await;
    until(&daemon, &workspace, |reasons| reasons.contains(&(ReasonKind::ServerFault, "primary".to_owned()))).await;
    is_spent.store(false, Ordering::SeqCst);
    daemon.clock_to("2026-03-10T08:59:00Z").await;
    // A delivery would begin before a changed rule is read, and come to something while more of them are.
    let rule = workspace.read("rules/overdue.yaml");
    for count in 1..=5 {
        let before = daemon.live.snapshot(None, dunlin::port::Clock::now(&*daemon.clock)).generation;
        workspace.write("rules/overdue.yaml", &format!("{rule}# {count}\n"));
        daemon.nudge().await;
        daemon.until(|status| status.generation != before).await;
    }
    let attempted = rows(&workspace, "select cast(count(*) as text) from attempt");
    assert_eq!((attempted, server.taken().len()), (vec!["1".to_owned()], 0));
    daemon.clock_to("2026-03-10T09:00:30Z").await;
    arrivals(&server, 10);
    until(&daemon, &workspace, |reasons| reasons.iter().all(|(kind, _)| *kind != ReasonKind::ServerFault)).await;
    daemon.stop().await;
}

/// Lets three minutes pass in the daemon, again and again, until there is an alert of `kind` with this mark.
async fn marked(daemon: &Running, workspace: &Workspace, from: &str, kind: &str, mark: &str) {
    let from: Timestamp = from.parse().unwrap();
    let began = Instant::now();
    for seconds in (0..10).map(|step| 20 * step).cycle() {
        if !rows(workspace, &format!("select kind from alert where kind = '{kind}' and {mark} is not null")).is_empty() {
            return;
        }
        not_in_vain(began);
        daemon.clock_to(&(from + SignedDuration::from_secs(seconds)).to_string()).await;
        tokio::task::yield_now().await;
    }
}

/// Returns how many mails told of an alert of `kind` as news, be it that it begins or that it is over.
fn times_told(server: &Server, workspace: &Workspace, kind: &str) -> usize {
    let words = rows(workspace, &format!("select substr(words, 1, 30) from alert where kind = '{kind}'")).concat();
    let taken = server.taken();
    let texts = taken.iter().map(|mail| String::from_utf8_lossy(&mail.bytes).replace("=\r\n", ""));
    // What was told before stands at the end.
    texts.filter(|text| text.split("Still standing").next().is_some_and(|news| news.contains(&words))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_goes_silent_and_a_run_that_is_missed_are_told_once_and_their_end_too() {
    let server = Server::willing();
    let workspace = told_by_mail(&server, "");
    workspace.edit("rules/overdue.yaml", "start: from_now", "start: to_age");
    workspace.edit("rules/overdue.yaml", "  - { id: upcoming, when: 3 days before due, template: note }\n", "");
    workspace.edit("rules/overdue.yaml", "* * *\" }", "* * *\", missed: skip }");
    // One invoice a day comes to its level, from the 10th to the 14th; then none before the 17th.
    let (mut customers, mut invoices) =
        ("id,name,language,tags,billing\n".to_owned(), "number,customer,issued_on,due_on,total\n".to_owned());
    for due in [3, 4, 5, 6, 7, 10] {
        writeln!(customers, "C{due},Customer {due},en,,ap@customer{due}.example").unwrap();
        writeln!(invoices, "INV-{due},C{due},2026-02-01,2026-03-{due:02},{due}.50").unwrap();
    }
    workspace.write("customers.csv", &customers);
    workspace.write("invoices.csv", &invoices);
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:50Z")).await;
    for day in 10..15 {
        daemon.clock_to(&format!("2026-03-{day}T08:00:01Z")).await;
        arrivals(&server, day - 9);
    }
    let stands = |kind: ReasonKind| move |reasons: &[(ReasonKind, String)]| reasons.iter().any(|(own, _)| *own == kind);
    daemon.clock_to("2026-03-15T08:00:01Z").await;
    until(&daemon, &workspace, stands(ReasonKind::RuleSilent)).await;
    marked(&daemon, &workspace, "2026-03-15T08:00:05Z", "rule_silent", "begin_mailed_at_ms").await;
    daemon.stop().await;

    let daemon = Running::start(&workspace, Set::at("2026-03-16T12:00:00Z")).await;
    until(&daemon, &workspace, stands(ReasonKind::FiringMissed)).await;
    marked(&daemon, &workspace, "2026-03-16T12:00:05Z", "firing_missed", "begin_mailed_at_ms").await;
    daemon.clock_to("2026-03-17T08:00:01Z").await;
    until(&daemon, &workspace, |reasons| !stands(ReasonKind::RuleSilent)(reasons)).await;
    for kind in ["rule_silent", "firing_missed"] {
        marked(&daemon, &workspace, "2026-03-17T08:00:05Z", kind, "end_mailed_at_ms").await;
    }
    daemon.stop().await;
    for kind in ["rule_silent", "firing_missed"] {
        assert_eq!(times_told(&server, &workspace, kind), 2, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_of_unknown_outcome_is_told_once_and_its_end_too() {
    let server = Server::willing();
    let workspace = told_by_mail(&server, ", from: ops");
    let lost = format!("smtp:\n  lost: {{ host: 127.0.0.1, port: {}, security: none }}\n", crooked(BreakOff::AfterDot));
    workspace.edit("config.yaml", "smtp:\n", &lost);
    workspace.edit(
        "config.yaml",
        "server: primary }\n",
        "server: lost }\n  ops: { address: ops@seller.example, server: primary }\n",
    );
    workspace.edit("rules/overdue.yaml", "start: from_now", "start: to_age");
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:50Z")).await;
    daemon.clock_to("2026-03-10T08:00:01Z").await;
    let stands = |reasons: &[(ReasonKind, String)]| reasons.iter().any(|(kind, _)| *kind == ReasonKind::UnknownWaits);
    until(&daemon, &workspace, stands).await;
    marked(&daemon, &workspace, "2026-03-10T08:00:05Z", "unknown_waits", "begin_mailed_at_ms").await;
    let accepted = tokio::task::block_in_place(|| workspace.dunlin(&["outbox", "accept", "1", "--yes"]));
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    marked(&daemon, &workspace, "2026-03-10T08:05:00Z", "unknown_waits", "end_mailed_at_ms").await;
    daemon.stop().await;
    assert_eq!(times_told(&server, &workspace, "unknown_waits"), 2);
    assert_eq!(rows(&workspace, "select state from message"), ["accepted"]);
}
