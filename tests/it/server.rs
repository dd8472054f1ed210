//! Mail servers for tests: the real loopback server with a log of what it took, and a crooked one that breaks off.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use dunlin::outbox::attempt::Reply;
use dunlin::smtp::loopback::{LoopbackSettings, Received, bind, serve};
use tokio::sync::oneshot;

/// How long something may take that is about to come.
pub const LONG: Duration = Duration::from_secs(120);

/// A real SMTP server in a thread of its own.
pub struct Server {
    pub port: u16,
    log: Arc<Mutex<Vec<Received>>>,
    arrivals: Receiver<usize>,
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// Starts a server that takes everything but recipients for which `refuse` has a reply.
    pub fn start(refuse: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::with(|settings| settings.recipient_rule = Arc::new(refuse))
    }

    /// Starts a server with settings changed by `change`.
    pub fn with(change: impl FnOnce(&mut LoopbackSettings) + Send + 'static) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (arrived, arrivals) = channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell_port, port) = channel();
        let kept = log.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = bind().await.unwrap();
                tell_port.send(listener.local_addr().unwrap().port()).unwrap();
                let mut settings = LoopbackSettings::new(move |message| {
                    let mut log = kept.lock().unwrap();
                    log.push(message);
                    // The test may have seen enough and gone on.
                    arrived.send(log.len()).ok();
                });
                change(&mut settings);
                serve(listener, settings, async { drop(stopped.await) }).await;
            });
        });
        Self { port: port.recv().unwrap(), log, arrivals, _stop: stop }
    }

    /// Starts a server that takes everything.
    pub fn willing() -> Self {
        Self::start(|_| None)
    }

    /// Starts a server that puts everything off, until it is told that it is busy no more.
    pub fn busy() -> (Self, Arc<AtomicBool>) {
        let is_busy = Arc::new(AtomicBool::new(true));
        let busy = is_busy.clone();
        (Self::start(move |_| busy.load(Ordering::SeqCst).then(|| reply(451, "4.3.2 later"))), is_busy)
    }

    /// Waits until so many messages have arrived.
    pub fn wait_for(&self, count: usize) {
        while self.arrivals.recv_timeout(LONG).expect("a message arrives") < count {}
    }

    /// Returns everything taken so far.
    pub fn taken(&self) -> Vec<Received> {
        self.log.lock().unwrap().clone()
    }

    /// Returns the message keys of everything taken so far.
    pub fn keys(&self) -> Vec<String> {
        self.taken().iter().map(|message| key_of(&message.bytes)).collect()
    }
}

/// Returns the key a message carries in its header.
pub fn key_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().find_map(|line| line.strip_prefix("X-Dunlin-Key: ")).unwrap();
    line.trim().to_owned()
}

/// A reply with an enhanced code in its text.
pub fn reply(code: u16, text: &str) -> Reply {
    Reply { code, enhanced: None, text: text.into() }
}

/// When the crooked server breaks the connection off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakOff {
    /// Instead of greeting.
    AtGreeting,
    /// Instead of the 354.
    AtData,
    /// In the middle of the message.
    InContent,
    /// After the final dot, without a reply.
    AfterDot,
}

/// Starts a server that speaks SMTP until `when`, then breaks off, every time; returns its port.
pub fn crooked(when: BreakOff) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || drop(mislead(stream, when)));
        }
    });
    port
}

fn mislead(mut stream: TcpStream, when: BreakOff) -> std::io::Result<()> {
    if when == BreakOff::AtGreeting {
        return Ok(());
    }
    let mut lines = BufReader::new(stream.try_clone()?);
    stream.write_all(b"220 crooked\r\n")?;
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.split_whitespace().next().unwrap_or_default() {
            "EHLO" => stream.write_all(b"250-crooked\r\n250 8BITMIME\r\n")?,
            "DATA" => {
                if when == BreakOff::AtData {
                    return Ok(());
                }
                stream.write_all(b"354 go on\r\n")?;
                loop {
                    line.clear();
                    if lines.read_line(&mut line)? == 0 || when == BreakOff::InContent || line == ".\r\n" {
                        return Ok(());
                    }
                }
            }
            _ => stream.write_all(b"250 fine\r\n")?,
        }
    }
}

/// Starts a server that speaks SMTP and answers `verb`, or the final dot where that is `.`, with `words`; returns its port.
pub fn refusing(verb: &'static str, words: &'static str) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || drop(refuse(stream, verb, words)));
        }
    });
    port
}

fn refuse(mut stream: TcpStream, verb: &str, words: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 refusing\r\n")?;
    let mut is_in_content = false;
    while let Some(line) = lines.next().transpose()? {
        let heard = line.split_whitespace().next().unwrap_or_default();
        if is_in_content && line != "." {
            continue;
        }
        is_in_content = heard == "DATA" && verb != "DATA";
        let said = match heard {
            heard if heard == verb => words,
            "EHLO" => "250-refusing\r\n250 8BITMIME",
            "DATA" => "354 go on",
            _ => "250 fine",
        };
        stream.write_all(format!("{said}\r\n").as_bytes())?;
    }
    Ok(())
}
