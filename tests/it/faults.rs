//! What goes wrong on the way, and where each message stands afterwards.

use std::net::TcpListener;
use std::time::Instant;

use crate::daemon::not_in_vain;
use crate::server::{BreakOff, Server, crooked, refusing, reply};
use crate::workspace::{AS_OF, Workspace, counts};

/// Retries soon and gives up soon, so that a test sees the end.
const HASTY: &str = "retry: { first: 1 s, most: 1 s, give_up_after: 3 s }\n";

#[test]
fn a_refusal_for_good_is_final_and_said_with_the_servers_words() {
    let server = Server::start(|address| address.starts_with("ap2@").then(|| reply(550, "5.1.1 no such mailbox")));
    let workspace = Workspace::new(server.port, 3);
    let run = workspace.run();
    assert_eq!(counts(&run), "accepted=2 refused=1");
    let refused = &workspace.dunlin(&["outbox", "--state", "refused", "--json"]).json();
    let shown = workspace.dunlin(&["outbox", "show", &refused["id"].to_string()]).out;
    assert!(shown.contains("refused at rcpt_to 550 5.1.1 no such mailbox"), "{shown}");
    // It stays with the person: no run tries it again by itself.
    assert_eq!(counts(&workspace.run()), "");
    assert_eq!(server.taken().len(), 2);
}

#[test]
fn a_refusal_for_now_is_tried_again_and_then_given_up() {
    let server = Server::start(|address| address.starts_with("ap2@").then(|| reply(451, "4.7.1 greylisted")));
    let workspace = Workspace::new(server.port, 2);
    workspace.write("config.yaml", &Workspace::config(server.port, HASTY));
    let run = workspace.run();
    assert_eq!((counts(&run), &run["end"]), ("accepted=1 exhausted=1".into(), &"drained".into()));
    let exhausted = workspace.dunlin(&["outbox", "--state", "exhausted", "--json"]).json();
    assert!(exhausted["attempts"].as_u64() >= Some(2), "{exhausted}");
    // It certainly never left, so the next run composes it anew.
    let willing = Server::willing();
    workspace.write("config.yaml", &Workspace::config(willing.port, ""));
    assert_eq!(counts(&workspace.run()), "accepted=1");
}

#[test]
fn a_connection_lost_after_the_dot_is_unknown_and_never_sent_again() {
    let workspace = Workspace::new(crooked(BreakOff::AfterDot), 2);
    let run = workspace.run();
    assert_eq!(counts(&run), "unknown=2");
    let server = Server::willing();
    workspace.write("config.yaml", &Workspace::config(server.port, ""));
    assert_eq!(counts(&workspace.run()), "");
    assert_eq!(server.taken().len(), 0);
    let plan = workspace.dunlin(&["plan", "--as-of", AS_OF, "--json"]).json();
    assert_eq!(plan["declined"][0]["reason"], "outcome_unknown");
}

#[test]
fn a_connection_lost_before_the_dot_may_be_tried_again() {
    for (when, stage) in [(BreakOff::AtGreeting, "greeting"), (BreakOff::AtData, "data"), (BreakOff::InContent, "content")] {
        let workspace = Workspace::new(0, 1);
        workspace.write("config.yaml", &Workspace::config(crooked(when), HASTY));
        let run = workspace.run();
        let state = if when == BreakOff::InContent { "unknown=1" } else { "exhausted=1" };
        assert_eq!(counts(&run), state, "{when:?}");
        let shown = workspace.dunlin(&["outbox", "show", "1", "--json"]).json();
        if when != BreakOff::InContent {
            assert_eq!(shown["attempts"][0]["stage"], stage, "{when:?}");
        }
    }
}

#[test]
fn a_server_that_is_not_there_leaves_everything_queued_until_it_is_given_up() {
    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let workspace = Workspace::new(nobody, 3);
    workspace.write("config.yaml", &Workspace::config(nobody, HASTY));
    assert_eq!(counts(&workspace.run()), "exhausted=3");
    let attempts: u64 = workspace.outbox().iter().map(|message| message["attempts"].as_u64().unwrap()).sum();
    assert!((1..=12).contains(&attempts), "a dead server does not burn the queue's attempts: {attempts}");
}

#[test]
fn the_senders_next_server_takes_what_the_first_one_cannot() {
    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let second = Server::willing();
    let workspace = Workspace::new(nobody, 3);
    workspace.edit("config.yaml", "server: primary", "server: [primary, second]");
    workspace.edit(
        "config.yaml",
        "senders:\n",
        &format!("  second: {{ host: 127.0.0.1, port: {}, security: none }}\nsenders:\n", second.port),
    );
    assert_eq!(counts(&workspace.run()), "accepted=3");
    assert_eq!(second.taken().len(), 3);
}

#[test]
fn a_rate_holds_over_all_connections_and_across_a_kill() {
    let server = Server::willing();
    for rate in ["security: none, rate: 2/h }", "security: none }"] {
        let taken = server.taken().len();
        let workspace = Workspace::new(server.port, 6);
        workspace.edit("config.yaml", "security: none }", rate);
        if !rate.contains("rate") {
            workspace.edit("config.yaml", "server: primary }", "server: primary, rate: 2/h }");
        }
        let mut first = workspace.start(&["run", "--as-of", AS_OF, "--json"]);
        server.wait_for(taken + 2);
        first.kill().unwrap();
        first.wait().unwrap();
        let second = workspace.dunlin(&["run", "--as-of", AS_OF, "--wait", "0", "--json"]).json();
        assert_eq!(server.taken().len(), taken + 2, "{rate}: {second}");
        let queued = workspace.outbox().iter().filter(|message| message["state"] == "queued").count();
        assert_eq!(queued, 4, "{rate}");
    }
}

#[test]
fn no_window_of_a_rate_is_exceeded_whoever_kills_the_program_and_how_often() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 12);
    workspace.edit("config.yaml", "security: none }", "security: none, rate: [4/s, 10/min] }");
    for wanted in [2, 4] {
        let mut run = workspace.start(&["run", "--as-of", AS_OF, "--json"]);
        server.wait_for(wanted);
        run.kill().unwrap();
        run.wait().unwrap();
    }
    // Fewer go the more often it is killed: what was under way counts, though nobody knows what became of it. So the next run may
    // find that all of this second have gone.
    let database = rusqlite::Connection::open(workspace.path().join("dunlin.db")).unwrap();
    let attempts = || database.query_row("select count(*) from attempt", (), |row| row.get::<_, i64>(0)).unwrap();
    let began = Instant::now();
    loop {
        workspace.dunlin(&["run", "--as-of", AS_OF, "--wait", "0", "--json"]);
        if attempts() > 0 {
            break;
        }
        not_in_vain(began);
    }
    assert!((4..=10).contains(&server.taken().len()), "{}", server.taken().len());
    let select = "select count(*) from attempt as last join attempt as other
        on other.started_at_ms + other.duration_ms between last.started_at_ms + last.duration_ms - 999 and last.started_at_ms + last.duration_ms
        group by last.id order by 1 desc limit 1";
    let most: i64 = database.query_row(select, (), |row| row.get(0)).unwrap();
    assert!((1..=4).contains(&most), "{most} within a second");
}

#[test]
fn a_rate_counts_what_was_redirected_too() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    let rate = |workspace: &Workspace| workspace.edit("config.yaml", "security: none }", "security: none, rate: 4/h }");
    workspace.write("config.yaml", &Workspace::config(server.port, "mode: redirect\nredirect_to: me@seller.example\n"));
    rate(&workspace);
    assert_eq!(counts(&workspace.run()), "accepted=3");
    workspace.write("config.yaml", &Workspace::config(server.port, ""));
    rate(&workspace);
    let live = workspace.dunlin(&["run", "--as-of", AS_OF, "--wait", "0", "--json"]);
    assert_eq!((counts(&live.json()).as_str(), server.taken().len()), ("accepted=1 queued=2", 4), "{}", live.err);
}

#[test]
fn in_quiet_hours_nothing_leaves_and_all_stays_queued() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    let now = jiff::Timestamp::now();
    let hour = |hours: i64| (now + jiff::SignedDuration::from_hours(hours)).strftime("%H:%M").to_string();
    let hours = |from: i64, until: i64| format!("limits: {{ quiet_hours: \"{}-{}\" }}\n", hour(from), hour(until));
    let config = |more: &str| Workspace::config(server.port, more).replace("Europe/Berlin", "UTC");
    workspace.write("config.yaml", &config(&hours(-2, 2)));
    let run = workspace.dunlin(&["run", "--as-of", AS_OF, "--wait", "0", "--json"]).json();
    assert_eq!((counts(&run), server.taken().len()), ("queued=2".into(), 0));
    workspace.write("config.yaml", &config(&hours(2, -2)));
    workspace.run();
    assert_eq!(server.taken().len(), 2);
}

#[test]
fn a_mail_of_a_rule_with_less_time_is_given_up_sooner() {
    let server = Server::start(|address| address.starts_with("ap2@").then(|| reply(451, "4.7.1 greylisted")));
    let workspace = Workspace::new(server.port, 2);
    workspace.edit("rules/overdue.yaml", "to: [billing]", "to: [billing]\ngive_up_after: 2 s");
    workspace.write("config.yaml", &Workspace::config(server.port, "retry: { first: 1 s, most: 1 s }\n"));
    assert_eq!(counts(&workspace.run()), "accepted=1 exhausted=1");
}

#[test]
fn a_server_that_hangs_up_on_every_message_is_left_for_the_senders_next_one() {
    for when in [BreakOff::AtGreeting, BreakOff::AtData] {
        let second = Server::willing();
        let workspace = Workspace::new(crooked(when), 3);
        workspace.edit("config.yaml", "server: primary", "server: [primary, second]");
        let other = format!("  second: {{ host: 127.0.0.1, port: {}, security: none }}\nsenders:\n", second.port);
        workspace.edit("config.yaml", "senders:\n", &other);
        assert_eq!((counts(&workspace.run()), second.taken().len()), ("accepted=3".into(), 3), "{when:?}");
    }
}

#[test]
fn what_a_server_says_after_the_dot_is_not_asked_of_the_next_one() {
    let second = Server::willing();
    let workspace = Workspace::new(crooked(BreakOff::AfterDot), 2);
    workspace.edit("config.yaml", "server: primary", "server: [primary, second]");
    let other = format!("  second: {{ host: 127.0.0.1, port: {}, security: none }}\nsenders:\n", second.port);
    workspace.edit("config.yaml", "senders:\n", &other);
    assert_eq!((counts(&workspace.run()), second.taken().len()), ("unknown=2".into(), 0));
}

#[test]
fn a_template_that_fails_blocks_its_mail_and_no_half_mail_goes() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    workspace.edit(
        "rules/templates/note.html",
        "{{ total }}",
        "{{ total }}{% if customer.id == \"C0002\" %}{{ items[7].number }}{% endif %}",
    );
    let run = workspace.run();
    assert_eq!(counts(&run), "accepted=2 blocked=1");
    let blocked = workspace.dunlin(&["outbox", "--state", "blocked", "--json"]).json();
    assert_eq!(blocked["reason"], "template_error");
    assert!(blocked["detail"].as_str().unwrap().contains("rules/templates/note.html:1:"), "{blocked}");
    let plan = workspace.dunlin(&["plan", "--as-of", AS_OF, "--json"]).json();
    assert_eq!(plan["messages"][0]["reason"], "template_error", "plan says so beforehand");
}

#[test]
fn a_script_that_fails_blocks_its_customer_and_no_other() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    workspace.edit("rules/overdue.yaml", "to: [billing]", "to: [billing]\nscript: overdue.rhai");
    workspace.write(
        "rules/overdue.rhai",
        "fn variables(customer, items, level) {\n    let count = 0;\n    if customer.id == \"C0002\" {\n        loop { count += 1; }\n    }\n    #{ greeting: customer.name }\n}\n",
    );
    let run = workspace.run();
    assert_eq!(counts(&run), "accepted=2 blocked=1");
    let blocked = workspace.dunlin(&["outbox", "--state", "blocked", "--json"]).json();
    assert_eq!(blocked["reason"], "script_error");
    assert!(blocked["detail"].as_str().unwrap().contains("rules/overdue.rhai:1:4: Stopped after"), "{blocked}");
}

#[test]
fn two_runs_at_once_do_not_take_each_others_mails_for_lost() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 200);
    let mut first = workspace.start(&["run", "--as-of", AS_OF, "--json"]);
    server.wait_for(1);
    let second = workspace.dunlin(&["run", "--as-of", AS_OF]);
    // The first may have ended by now; if not, the second is told so and touches nothing.
    if second.code != Some(0) {
        assert!(second.err.contains("in use by another dunlin"), "{second:?}");
    }
    assert!(first.wait().unwrap().success());
    let keys = server.keys();
    assert_eq!(keys.len(), 200);
    assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), 200);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_waiting_run_and_leaves_its_mails_queued() {
    use std::io::{BufRead, BufReader};

    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let workspace = Workspace::new(nobody, 2);
    let mut child = workspace.start(&["run", "--as-of", AS_OF, "--json"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("A server cannot be reached; it rests")), "the run ended without waiting");
    let interrupted = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let said: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said:?}");
    assert!(said.iter().any(|line| line.contains("what is queued goes with the next run")), "{said:?}");

    let states: Vec<String> = workspace.outbox().iter().map(|message| message["state"].to_string()).collect();
    assert_eq!(states, ["\"queued\"", "\"queued\""]);

    // The next run tries them at once: whoever starts it has mended something.
    let server = Server::willing();
    workspace.write("config.yaml", &Workspace::config(server.port, ""));
    let run = workspace.run();
    assert_eq!((&run["left_over"], server.taken().len()), (&2.into(), 2));
}

#[test]
fn one_recipient_that_a_server_will_not_relay_to_stops_nobody_else() {
    let server = Server::start(|address| address.starts_with("ap2@").then(|| reply(554, "5.7.1 Relay access denied")));
    let workspace = Workspace::new(server.port, 20);
    workspace.write("config.yaml", &Workspace::config(server.port, HASTY));
    assert_eq!(counts(&workspace.run()), "accepted=19 exhausted=1");
}

#[test]
fn a_server_that_relays_nothing_for_a_sender_is_left_before_the_queue_is_burnt() {
    let server = Server::start(|_| Some(reply(554, "5.7.1 Relay access denied")));
    let workspace = Workspace::new(server.port, 20);
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF, "--json"]);
    assert_eq!((counts(&ran.json()), &ran.json()["end"], ran.code), ("queued=20".into(), &"servers_faulty".into(), Some(1)));
    assert!(ran.err.contains("from sender `receivables`: 554 5.7.1 Relay access denied"), "{}", ran.err);
    let tries: u64 = workspace.outbox().iter().map(|message| message["attempts"].as_u64().unwrap()).sum();
    assert!(tries <= 6, "{tries} tries");
}

#[test]
fn a_dead_server_with_a_long_queue_does_not_hold_up_the_others() {
    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let second = Server::willing();
    let workspace = Workspace::new(nobody, 310);
    workspace.edit(
        "config.yaml",
        "server: primary }",
        "server: primary }\n  other: { address: other@seller.example, server: second }",
    );
    workspace.edit(
        "config.yaml",
        "senders:\n",
        &format!("  second: {{ host: 127.0.0.1, port: {}, security: none }}\nsenders:\n", second.port),
    );
    let rule = workspace.read("rules/overdue.yaml");
    workspace.write("rules/overdue.yaml", &rule.replace("where: '", "where: 'customer.id <= \"C0300\" && "));
    let other = rule.replace("where: '", "where: 'customer.id > \"C0300\" && ").replace("id: overdue", "id: zz-other");
    workspace.write("rules/other.yaml", &other.replace("from: receivables", "from: other"));
    let mut child = workspace.start(&["run", "--as-of", AS_OF, "--json"]);
    second.wait_for(10);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn one_recipient_that_the_first_server_turns_away_goes_through_the_second_and_condemns_none() {
    let first = Server::start(|address| address.starts_with("ap2@").then(|| reply(550, "5.7.1 relaying denied")));
    let second = Server::willing();
    let workspace = Workspace::new(first.port, 6);
    workspace.edit("config.yaml", "server: primary", "server: [primary, second]");
    workspace.edit(
        "config.yaml",
        "senders:\n",
        &format!("  second: {{ host: 127.0.0.1, port: {}, security: none }}\nsenders:\n", second.port),
    );
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF, "--json"]);
    assert_eq!((counts(&ran.json()), ran.code), ("accepted=6".into(), Some(0)), "{ran:?}");
    assert_eq!((first.taken().len(), second.taken().len()), (5, 1));
}

#[test]
fn what_a_server_put_off_keeps_its_time_through_further_runs() {
    let server = Server::start(|_| Some(reply(451, "4.7.1 greylisted")));
    let workspace = Workspace::new(server.port, 1);
    for _ in 0..3 {
        let ran = workspace.dunlin(&["run", "--as-of", AS_OF, "--wait", "0", "--json"]);
        assert_eq!((&ran.json()["end"], ran.code), (&"stopped".into(), Some(1)), "{ran:?}");
    }
    assert_eq!(workspace.outbox()[0]["attempts"], 1, "three runs, one attempt: its time has not come");
}

#[test]
fn what_waits_is_released_only_in_the_mode_it_was_made_for() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    workspace.edit("rules/overdue.yaml", "to: [billing]", "to: [billing]\napprove: true");
    assert_eq!(counts(&workspace.run()), "waiting=2");
    let redirected = Workspace::config(server.port, "mode: redirect\nredirect_to: me@seller.example\n");
    workspace.write("config.yaml", &redirected);
    assert_eq!(workspace.dunlin(&["runs", "start", "1", "--as-of", AS_OF]).code, Some(1));
    assert_eq!(workspace.outbox().iter().filter(|message| message["state"] == "waiting").count(), 2);
    assert_eq!(server.taken().len(), 0);
}

#[test]
fn an_account_that_has_sent_all_it_may_today_burns_no_mail_and_all_go_once_it_may_again() {
    let said = "550 5.4.5 Daily user sending limit exceeded";
    for verb in ["MAIL", "."] {
        let workspace = Workspace::new(0, 10);
        let soon = "retry: { first: 1 s, most: 1 s }\n";
        workspace.write("config.yaml", &Workspace::config(refusing(verb, said), soon));
        workspace.edit("config.yaml", "security: none }", "security: none, connections: 1 }");
        let ran = workspace.dunlin(&["run", "--as-of", AS_OF, "--json"]);
        let end = (counts(&ran.json()), ran.json()["end"].clone(), ran.code);
        assert_eq!(end, ("queued=10".into(), "servers_faulty".into(), Some(1)), "{verb} {ran:?}");
        assert!(ran.err.contains(&format!("from sender `receivables`: {said}")), "{verb} {}", ran.err);
        let tries: u64 = workspace.outbox().iter().map(|message| message["attempts"].as_u64().unwrap()).sum();
        assert_eq!(tries, 1, "{verb}: the first answer leaves no doubt");
        let willing = Server::willing();
        workspace.write("config.yaml", &Workspace::config(willing.port, soon));
        workspace.run();
        assert_eq!(willing.taken().len(), 10, "{verb}");
    }
}

#[test]
fn a_recipient_whose_address_speaks_of_a_relay_is_refused_as_anybody_and_not_asked_of_the_next_server() {
    let first = Server::start(|address| {
        let closed = "5.7.1 <ap2@relay-works2.example>: Recipient address rejected: mailbox closed";
        address.starts_with("ap2@").then(|| reply(550, closed))
    });
    let second = Server::willing();
    let workspace = Workspace::new(first.port, 3);
    workspace.edit("customers.csv", "@customer2.", "@relay-works2.");
    workspace.edit("config.yaml", "server: primary", "server: [primary, second]");
    let other = format!("  second: {{ host: 127.0.0.1, port: {}, security: none }}\nsenders:\n", second.port);
    workspace.edit("config.yaml", "senders:\n", &other);
    assert_eq!(counts(&workspace.run()), "accepted=2 refused=1");
    assert_eq!((first.taken().len(), second.taken().len()), (2, 0));
}
