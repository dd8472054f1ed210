//! `kill -9` of the daemon at random moments while it sends, again and again on one database.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use crate::account::{Books, disagreements};
use crate::chance::Chance;
use crate::ledger::{LedgerServer, Mood};
use crate::workspace::{AS_OF, Workspace};

/// Mails and kills of an ordinary test run; `DUNLIN_KILLS=2000,200` is the nightly one.
const SIZE: (usize, usize) = (200, 20);
/// The connections of the server: how many mails can be under way at once.
const CONNECTIONS: usize = 3;
/// How long a daemon may take to send its next mail.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_daemon_killed_again_and_again_while_sending_accounts_for_every_mail_and_doubles_none() {
    let asked = std::env::var("DUNLIN_KILLS").ok();
    let number = |text: &str| text.trim().parse::<usize>().expect("DUNLIN_KILLS is mails,kills");
    let (mails, kills) =
        asked.map_or(SIZE, |asked| asked.split_once(',').map(|(mails, kills)| (number(mails), number(kills))).unwrap());
    let server = LedgerServer::start(1);
    server.set_mood(Mood::calm());
    let workspace = Workspace::new(server.port, mails);
    workspace.write("config.yaml", &Workspace::config(server.port, "daemon: { listen: \"127.0.0.1:0\" }\n"));
    workspace.edit("config.yaml", "host: 127.0.0.1", &format!("host: {}", server.host));
    // The run is decided by a command that dies once its mails are stored; from then on the daemon sends.
    let mut run = program(&workspace, &["run", "--as-of", AS_OF]).spawn().unwrap();
    assert!(server.wait_for(1, PATIENCE));
    run.kill().unwrap();
    run.wait().unwrap();

    let mut chance = Chance::of(mails as u64, &[kills as u64]);
    let mut done = 0;
    while done < kills {
        let left = mails - server.taken_count().min(mails);
        // So that there is something left to send at every one of the kills to come.
        let share = (left / (kills - done)).max(1) as u64;
        let (before, wanted) = (server.taken_count(), chance.between(0, share) as usize);
        let mut daemon = program(&workspace, &["serve"]).spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        while !server.wait_for(before + wanted.max(1), Duration::from_millis(50)) {
            assert!(daemon.try_wait().unwrap().is_none(), "the daemon ended by itself");
            if queued(&workspace) == 0 {
                break;
            }
            assert!(Instant::now() < until, "{done} kills: nothing is sent any more");
        }
        thread::sleep(Duration::from_micros(chance.between(0, 3_000)));
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        done += 1;
        if done % 20 == 0 {
            println!("{done} kills, {} mails taken", server.taken_count());
        }
    }
    let ran = program(&workspace, &["run", "--as-of", AS_OF]).status().unwrap();
    assert!(ran.success());

    let books = Books::read(&workspace.path().join("dunlin.db"));
    let faults = disagreements(mails, &books, &server.taken(), &BTreeSet::new());
    let count = |state: &str| books.messages.iter().filter(|message| message.state == state).count();
    println!("{mails} mails, {kills} kills: {} accepted, {} unknown", count("accepted"), count("unknown"));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(count("accepted") + count("unknown"), mails);
    assert!(count("unknown") <= CONNECTIONS * (kills + 1), "more are unknown than can have been under way");
}

fn program(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    command.args(arguments).arg("--workspace").arg(workspace.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Returns how many mails are still to be sent.
pub fn queued(workspace: &Workspace) -> i64 {
    let path = workspace.path().join("dunlin.db");
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection.query_row("select count(*) from message where state in ('queued', 'sending')", (), |row| row.get(0)).unwrap()
}
