//! One case played: a real workspace, real processes one after the other, and the comparison at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};

use crate::account::{Books, disagreements};
use crate::case::{Case, Face, Fault, Incarnation};
use crate::chance::Chance;
use crate::ledger::{LedgerServer, Misdeed, Mood};
use crate::power;
use crate::shim::{Edge, STAGES, Strike, Surroundings};
use crate::workspace::{AS_OF, Workspace};

/// How long a process may take that nothing befell, in the time of this machine; one that takes longer is killed, which is a
/// fault like any other.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a daemon that has nothing left to do is watched.
const WATCH: Duration = Duration::from_millis(1_500);
/// How many runs with a willing server may be needed until nothing is left.
const RUNS_MAX: usize = 6;

/// What was reached in a case.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How often a fault struck, by its name and how far the furthest connection was.
    pub struck: BTreeMap<(String, &'static str), u64>,
    /// How many faults were to strike and did not, the process having ended before.
    pub missed: BTreeMap<String, u64>,
    pub misdeeds: BTreeMap<(Misdeed, &'static str), u64>,
    pub states: BTreeMap<String, u64>,
    /// Writes that a power cut found unflushed.
    pub endangered: u64,
    pub power_cuts: u64,
    pub processes: u64,
    /// How often the program came to each edge, at most in one process.
    pub counts: [u64; Edge::ALL.len()],
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        fn sum<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
            for (key, count) in from {
                *into.entry(key).or_default() += count;
            }
        }
        sum(&mut self.struck, other.struck);
        sum(&mut self.missed, other.missed);
        sum(&mut self.misdeeds, other.misdeeds);
        sum(&mut self.states, other.states);
        self.endangered += other.endangered;
        self.power_cuts += other.power_cuts;
        self.processes += other.processes;
        for (most, count) in self.counts.iter_mut().zip(other.counts) {
            *most = count.max(*most);
        }
    }
}

/// A case being played.
struct Play {
    workspace: Workspace,
    surroundings: Surroundings,
    server: LedgerServer,
    chance: Chance,
    tally: Tally,
}

/// Plays a case to its end.
///
/// # Errors
/// Every disagreement between the server's ledger and the database.
pub fn play(case: &Case) -> Result<Tally, String> {
    let server = LedgerServer::start(case.seed);
    let workspace = Workspace::new(server.port, case.mails);
    let more = "retry: { first: 1 s, most: 1 s, give_up_after: 7 days }\ndaemon: { listen: \"127.0.0.1:0\" }\n";
    workspace.write("config.yaml", &Workspace::config(server.port, more));
    workspace.edit("config.yaml", "host: 127.0.0.1", &format!("host: {}", server.host));
    workspace.edit("config.yaml", "security: none", &format!("security: none, connections: {}", case.connections));
    workspace.edit("rules/overdue.yaml", "kind: reminder\n", "kind: reminder\nschedule: { cron: \"* * * * *\" }\n");
    let mut surroundings = Surroundings::new(workspace.path(), case.has_power_cuts);
    surroundings.send_buffer = case.send_buffer;
    if case.send_buffer.is_some() {
        // So large that its content leaves in pieces, between which something may happen.
        let long = "<p>Our bank details have not changed and stand on the invoice.</p>\n".repeat(1200);
        workspace.write(
            "rules/templates/note.html",
            &format!("<p>Dear {{{{ customer.name }}}}, please pay {{{{ total }}}}.</p>\n{long}"),
        );
    }
    let chance = Chance::of(case.seed, &[2]);
    let mut play = Play { workspace, surroundings, server, chance, tally: Tally::default() };
    if case.has_twins() {
        play.make_database();
    }
    let invoices = play.workspace.read("invoices.csv");
    for (turn, incarnation) in case.incarnations.iter().enumerate() {
        // Each process finds new work, besides what the one before it left.
        let mails = case.mails * (turn + 1) / case.incarnations.len();
        play.workspace.write("invoices.csv", &head(&invoices, mails));
        play.live(turn, incarnation, mails);
    }
    play.server.set_mood(Mood::calm());
    let renewed = if case.renews_unknown { play.renew_unknown() } else { BTreeSet::new() };
    let mut faults = play.drain();
    let books = Books::read(&play.workspace.path().join("dunlin.db"));
    faults.extend(disagreements(case.mails, &books, &play.server.taken(), &renewed));
    faults.extend(play.panics());
    for message in &books.messages {
        *play.tally.states.entry(message.state.clone()).or_default() += 1;
    }
    play.tally.misdeeds = play.server.misdeeds();
    if faults.is_empty() {
        return Ok(play.tally);
    }
    Err(format!("{}\n  {case:#?}\n{}", faults.join("\n  "), play.last_words()))
}

impl Play {
    /// Starts the program; what it prints goes to files named by `name`.
    fn start(&self, name: &str, face: Face, strike: Option<Strike>) -> Child {
        let arguments: &[&str] = match face {
            Face::Run => &["run", "--as-of", AS_OF, "--json"],
            Face::Daemon => &["serve"],
        };
        self.command(name, arguments, strike).spawn().unwrap()
    }

    fn command(&self, name: &str, arguments: &[&str], strike: Option<Strike>) -> Command {
        let file = |end: &str| File::create(self.path(&format!("{name}.{end}"))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
        command.args(arguments).arg("--workspace").arg(self.workspace.path());
        command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        self.surroundings.around(&mut command, name, strike);
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.workspace.path().join(name)
    }

    /// Makes a database in which nothing has happened yet.
    fn make_database(&self) {
        let invoices = self.workspace.read("invoices.csv");
        self.workspace.write("invoices.csv", &head(&invoices, 0));
        ended(&mut self.start("empty", Face::Run, None), PATIENCE);
        self.workspace.write("invoices.csv", &invoices);
    }

    /// One process from its start to its end, with what befalls it; there are so many mails by now.
    fn live(&mut self, turn: usize, incarnation: &Incarnation, mails: usize) {
        self.server.set_mood(incarnation.mood.clone());
        let name = format!("process{turn}");
        let before = self.server.taken_count();
        let strike = match incarnation.fault {
            Fault::Strike(strike) => Some(strike),
            _ => None,
        };
        let has_twin = matches!(incarnation.fault, Fault::Twin);
        self.surroundings.is_lockless = has_twin;
        let most = *self.chance.pick(&[500, 2_000, 6_000]);
        self.surroundings.hold_ups = has_twin.then(|| (most, self.chance.next()));
        let mut child = self.start(&name, incarnation.face, strike);
        self.tally.processes += 1;
        let mut stage = None;
        match incarnation.fault {
            Fault::Strike(_) | Fault::None => {}
            Fault::Kill { mails, later } => {
                if self.arrive(before, mails, later, &mut child) {
                    child.kill().ok();
                    stage = Some("from outside");
                }
            }
            Fault::Stop { mails, later } => {
                if self.arrive(before, mails, later, &mut child) {
                    stop(&child);
                    stage = Some("from outside");
                }
            }
            Fault::Hold { mails, lasts } => {
                if self.arrive(before, mails, Duration::ZERO, &mut child) && self.hold(lasts) {
                    stage = Some("from outside");
                }
            }
            Fault::Twin | Fault::Second => {
                let mut other = self.start(&format!("{name}-other"), Face::Run, None);
                self.tally.processes += 1;
                ended(&mut other, PATIENCE);
                stage = Some("from outside");
            }
        }
        self.end(&mut child, incarnation.face, mails);
        let account = self.surroundings.account(&name);
        for (most, count) in self.tally.counts.iter_mut().zip(account.counts) {
            *most = count.max(*most);
        }
        let stage = stage.or(account.stage.map(|stage| STAGES[stage]));
        match stage {
            Some(stage) => *self.tally.struck.entry((incarnation.fault.name(), stage)).or_default() += 1,
            None if matches!(incarnation.fault, Fault::None) => {}
            None => *self.tally.missed.entry(incarnation.fault.name()).or_default() += 1,
        }
        if let Some(loss) = incarnation.power_cut {
            let folder = self.workspace.path();
            let endangered = power::cut(folder, &self.surroundings.undo(), loss, &mut self.chance);
            self.tally.endangered += endangered as u64;
            self.tally.power_cuts += 1;
        }
    }

    /// Waits until the ledger has so many mails more, and then for `later`; returns whether the process still lives.
    fn arrive(&self, before: usize, mails: u64, later: Duration, child: &mut Child) -> bool {
        let until = Instant::now() + PATIENCE;
        while !self.server.wait_for(before + mails as usize, Duration::from_millis(20)) {
            if child.try_wait().unwrap().is_some() || Instant::now() > until {
                return false;
            }
        }
        thread::sleep(later);
        child.try_wait().unwrap().is_none()
    }

    /// Holds the database as another program would; returns whether that succeeded.
    fn hold(&self, lasts: Duration) -> bool {
        let Ok(connection) = Connection::open(self.path("dunlin.db")) else { return false };
        connection.busy_timeout(Duration::from_secs(1)).unwrap();
        let is_held = connection.execute_batch("begin exclusive").is_ok();
        if is_held {
            thread::sleep(lasts);
            connection.execute_batch("rollback").unwrap();
        }
        is_held
    }

    /// Waits for the end of a process, and brings it about where it does not come.
    fn end(&self, child: &mut Child, face: Face, mails: usize) {
        if face == Face::Daemon {
            let until = Instant::now() + WATCH;
            while Instant::now() < until && !self.server.wait_for(mails, Duration::from_millis(20)) {
                if child.try_wait().unwrap().is_some() {
                    return;
                }
            }
            stop(child);
        }
        ended(child, PATIENCE);
    }

    /// Gives mails of unknown outcome back to the next run, as a person may; returns their keys.
    fn renew_unknown(&mut self) -> BTreeSet<String> {
        let path = self.path("dunlin.db");
        if !path.exists() {
            return BTreeSet::new();
        }
        // What was under way becomes `unknown` when the next process starts.
        self.drain();
        let unknown: Vec<_> = Books::read(&path).messages.into_iter().filter(|message| message.state == "unknown").collect();
        for message in &unknown {
            let id = message.id.to_string();
            ended(&mut self.command("renew", &["outbox", "renew", &id], None).spawn().unwrap(), PATIENCE);
        }
        unknown.into_iter().map(|message| message.key).collect()
    }

    /// Runs with a willing server until nothing is left to send.
    fn drain(&mut self) -> Vec<String> {
        (self.surroundings.is_lockless, self.surroundings.hold_ups) = (false, None);
        self.surroundings.calm_down();
        for _ in 0..RUNS_MAX {
            let status = ended(&mut self.start("drain", Face::Run, None), PATIENCE * 15);
            if status.is_none() {
                return vec!["a run with a willing server does not end".to_owned()];
            }
            let path = self.path("dunlin.db");
            if path.exists() && Books::read(&path).is_drained() {
                return vec![];
            }
        }
        vec![format!("{RUNS_MAX} runs with a willing server leave mails")]
    }

    fn logs(&self) -> Vec<(String, String)> {
        let entries = fs::read_dir(self.workspace.path()).unwrap().map(|entry| entry.unwrap().path());
        let logs = entries.filter(|path| path.extension().is_some_and(|end| end == "err" || end == "out"));
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut logs: Vec<_> =
            logs.map(|path| (name(&path), String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned())).collect();
        logs.sort();
        logs
    }

    fn panics(&self) -> Vec<String> {
        let panicked = self.logs().into_iter().filter(|(_, text)| text.contains("panicked at"));
        panicked.map(|(name, text)| format!("{name}: the program panicked: {text}")).collect()
    }

    fn last_words(&self) -> String {
        let end = |text: &str| -> String {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(12)..].join("\n    ")
        };
        self.logs().iter().map(|(name, text)| format!("  {name}:\n    {}\n", end(text))).collect()
    }
}

/// Returns an export's heading and its first `rows` rows.
fn head(export: &str, rows: usize) -> String {
    export.split_inclusive('\n').take(1 + rows).collect()
}

/// Asks a process to end.
fn stop(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).ok();
}

/// Waits for the end of a process, at most so long, then kills it: none outlives its case, or it would send to another's server.
fn ended(child: &mut Child, at_most: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + at_most;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > until {
            child.kill().ok();
            child.wait().unwrap();
            return None;
        }
        thread::sleep(Duration::from_millis(3));
    }
}
