//! A daemon in a process of its own, with a clock that its parent moves.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use dunlin::daemon::{Daemon, Nudge};
use dunlin::port::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

/// The system's clock, put on by so many seconds.
#[derive(Default)]
struct PutOn(AtomicI64);

impl Clock for PutOn {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// Runs a daemon until its standard input ends; a line there is the number of seconds its clock is put on by.
pub fn run(root: &str) {
    tracing_subscriber::fmt().with_env_filter("dunlin=info").with_writer(std::io::stderr).with_ansi(false).init();
    let clock = Arc::new(PutOn::default());
    let mut lines = BufReader::new(std::io::stdin()).lines();
    let put = |line: Option<std::io::Result<String>>, clock: &PutOn| {
        line.map(|line| clock.0.store(line.unwrap().trim().parse().unwrap(), Ordering::SeqCst)).is_some()
    };
    put(lines.next(), &clock);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let daemon = Daemon::start(Path::new(root), clock.clone()).await.unwrap();
        println!("ready {}", daemon.health_address().map(|address| address.to_string()).unwrap_or_default());
        let (send, nudges) = mpsc::channel(8);
        let moved = clock.clone();
        std::thread::spawn(move || {
            while put(lines.next(), &moved) {
                println!("moved");
            }
            send.blocking_send(Nudge::Stop).ok();
        });
        daemon.run(nudges).await;
    });
}

/// The daemon as its parent sees it.
pub struct Daemonic {
    child: Child,
    input: Option<ChildStdin>,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    pub address: String,
    pub put_on: i64,
}

impl Daemonic {
    /// Starts this very program as a daemon on `root`, its clock put on by `put_on` seconds; its log goes to `log`.
    pub fn start(root: &Path, put_on: i64, log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("daemon").arg(root).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{put_on}").unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next().expect("the daemon starts").unwrap();
        let address = ready.strip_prefix("ready ").unwrap().to_owned();
        Self { child, input: Some(input), lines, address, put_on }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns what the daemon's clock shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.put_on)
    }

    /// Puts the daemon's clock so that it shows `to`.
    pub fn put_clock(&mut self, to: Timestamp) {
        self.put_on = to.duration_since(Timestamp::now()).as_secs();
        writeln!(self.input.as_mut().unwrap(), "{}", self.put_on).unwrap();
        assert_eq!(self.lines.next().unwrap().unwrap(), "moved");
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(&mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success(), "the daemon ended badly");
    }
}
