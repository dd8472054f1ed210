//! From a saved file to the new generation in force, and a long run through many reloads.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::account::{query, wait_until};
use crate::child::Daemonic;
use crate::sink::Sink;
use crate::workspace::Workspace;

const RULES: usize = 500;
const SAVES: usize = 30;
const MAILS: usize = 10_000;
const RELOADS: usize = 20;

/// Returns what the health page says.
pub fn health(address: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let start = body.find('{').unwrap();
    serde_json::from_str(&body[start..=body.rfind('}').unwrap()]).unwrap()
}

pub fn reload() {
    let today = jiff::Zoned::now().date();
    let sink = Sink::start();
    let workspace = Workspace::new(sink.port, 1_000, today);
    for number in 1..=RULES {
        let text = Workspace::reminder(&format!("rule-{number}"), "0 9 1 1 *", "Europe/Berlin", "Once a year.");
        workspace.write(&format!("rules/rule-{number}.yaml"), &text);
    }
    let mut daemon = Daemonic::start(workspace.path(), 0, &std::env::temp_dir().join("dunlin-bench-reload.log"));
    let generation = |daemon: &Daemonic| health(&daemon.address)["generation"].as_str().unwrap().to_owned();
    let mut waits: Vec<Duration> = Vec::new();
    for save in 0..SAVES {
        let before = generation(&daemon);
        let id = format!("rule-{}", save * 7 % RULES + 1);
        workspace.write(
            &format!("rules/{id}.yaml"),
            &Workspace::reminder(&id, "0 9 1 1 *", "Europe/Berlin", &format!("Save {save}.")),
        );
        let saved_at = Instant::now();
        while generation(&daemon) == before {
            sleep(Duration::from_millis(5));
        }
        waits.push(saved_at.elapsed());
    }
    waits.sort_unstable();
    println!(
        "{RULES} rules, {SAVES} saves: from saved to in force {} ms in the median, {} ms at most",
        waits[SAVES / 2].as_millis(),
        waits[SAVES - 1].as_millis()
    );
    daemon.stop();

    // A run of many mails, and reloads all the way through.
    let workspace = Workspace::new(sink.port, MAILS, today);
    workspace.write("rules/all.yaml", &Workspace::reminder("all", "* * * * *", "Europe/Berlin", "All at once."));
    let mut daemon = Daemonic::start(workspace.path(), 0, &std::env::temp_dir().join("dunlin-bench-run.log"));
    wait_until(Duration::from_secs(180), || sink.taken().len() > MAILS / 50);
    let began = Instant::now();
    let mut generations = 0;
    for save in 0..RELOADS {
        let before = generation(&daemon);
        // The template, the rule's own levels, another rule: whatever changes, the run goes on as it was decided.
        match save % 3 {
            0 => workspace.write("rules/templates/note.html", &format!("<p>Dear {{{{ customer.name }}}}, text {save}.</p>\n")),
            1 => {
                let text = Workspace::reminder("all", "0 0 1 1 *", "Europe/Berlin", "Changed.")
                    .replace("id: first", &format!("id: level-{save}"));
                workspace.write("rules/all.yaml", &text);
            }
            _ => workspace
                .write("rules/other.yaml", &Workspace::reminder("other", "0 0 1 1 *", "Europe/Berlin", &format!("Save {save}."))),
        }
        wait_until(Duration::from_secs(10), || generation(&daemon) != before);
        generations += 1;
    }
    let during = sink.taken().len();
    wait_until(Duration::from_secs(300), || sink.taken().len() >= MAILS);
    println!(
        "a run of {MAILS} mails through {generations} reloads: {during} had gone when the last reload was in force, {} s until the last one",
        began.elapsed().as_secs()
    );
    daemon.stop();
    let states = query(workspace.path(), "select state || ' ' || count(*) from message group by state");
    let mut ids = sink.taken();
    ids.sort_unstable();
    ids.dedup();
    println!("outbox: {}; the server has {} mails, {} different ones", states.join(", "), sink.taken().len(), ids.len());
    assert_eq!((states, ids.len(), sink.taken().len()), (vec![format!("accepted {MAILS}")], MAILS, MAILS));
}
