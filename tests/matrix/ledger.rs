//! The server of the matrix: it misbehaves as the seed says, and keeps a ledger of every mail it took, whatever it answered.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::chance::Chance;

/// What the server may do instead of its duty. Those up to `Stall` at any moment, those behind it once it has a whole mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misdeed {
    Delay,
    OneByteAtATime,
    ManyLines,
    NotNow,
    No,
    NotFromYou,
    Goodbye,
    Drop,
    Reset,
    HalfClose,
    PartOfAReply,
    Garbage,
    EndlessLine,
    OneReplyTooMany,
    Stall,
    /// The mail is taken; nothing says so.
    TakeAndDrop,
    TakeAndReset,
    TakeAndStall,
    /// The mail is taken, and the reply comes when nobody waits for it any more.
    TakeLate,
    TakeAndMumble,
    TakeAndSayHalf,
    /// The mail is taken, said so, and 421 comes along.
    TakeAndLeave,
    /// The mail is not taken; nothing says so.
    LoseAndDrop,
    /// The connection ends while the mail comes.
    CutContent,
    /// 421 while the mail comes.
    LeaveInContent,
    SlowReader,
}

use Misdeed::*;

impl Misdeed {
    pub const ANYWHERE: [Misdeed; 15] = [
        Delay,
        OneByteAtATime,
        ManyLines,
        NotNow,
        No,
        NotFromYou,
        Goodbye,
        Drop,
        Reset,
        HalfClose,
        PartOfAReply,
        Garbage,
        EndlessLine,
        OneReplyTooMany,
        Stall,
    ];

    pub const WITH_A_MAIL: [Misdeed; 11] = [
        TakeAndDrop,
        TakeAndReset,
        TakeAndStall,
        TakeLate,
        TakeAndMumble,
        TakeAndSayHalf,
        TakeAndLeave,
        LoseAndDrop,
        CutContent,
        LeaveInContent,
        SlowReader,
    ];
}

/// How the server is for a while.
#[derive(Clone, Debug, Default)]
pub struct Mood {
    /// How often in a thousand moments it misbehaves, and how.
    pub per_mille: u64,
    pub misdeeds: Vec<Misdeed>,
    pub has_pipelining: bool,
    pub speaks_lower_case: bool,
    /// Distinguishes the connections of this while from those of another.
    pub turn: u64,
}

impl Mood {
    pub fn calm() -> Self {
        Self { has_pipelining: true, ..Self::default() }
    }
}

/// A mail the server took: from then on it is the server's to deliver.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The message's key; `None` for a mail that is no message of a rule.
    pub key: Option<String>,
    pub recipients: Vec<String>,
    pub bytes: Vec<u8>,
}

#[derive(Default)]
struct State {
    taken: Vec<Taken>,
    mood: Mood,
    /// How often it misbehaved how, at which moment.
    misdeeds: BTreeMap<(Misdeed, &'static str), u64>,
    connections: BTreeMap<u64, TcpStream>,
}

/// A running server.
pub struct LedgerServer {
    /// An address of this machine that no other case has: a port that one case has given back may be the next one's, and
    /// mails of both have the same keys.
    pub host: Ipv4Addr,
    pub port: u16,
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seed: u64,
    state: Mutex<State>,
    changed: Condvar,
    is_over: AtomicBool,
    count: AtomicU64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl LedgerServer {
    pub fn start(seed: u64) -> Self {
        let octet = |number: u64| u8::try_from(number).expect("a remainder below 256");
        let host = Ipv4Addr::new(127, 64 + octet(seed / 254 / 256 % 64), octet(seed / 254 % 256), 1 + octet(seed % 254));
        let listener = TcpListener::bind((host, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Shared { seed, ..Shared::default() });
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let number = shared.count.fetch_add(1, Ordering::SeqCst);
                let shared = shared.clone();
                thread::spawn(move || {
                    let mood = {
                        let mut state = shared.lock();
                        state.connections.insert(number, stream.try_clone().unwrap());
                        state.mood.clone()
                    };
                    let chance = Chance::of(shared.seed, &[7, mood.turn, number]);
                    let connection =
                        Connection { stream, mood, chance, shared: &shared, heard: vec![], sender: false, recipients: vec![] };
                    // A client that is killed ends a connection anyhow.
                    connection.run().ok();
                    shared.lock().connections.remove(&number);
                });
            }
        });
        Self { host, port, state }
    }

    /// Changes how the server is to those who connect from now on; who is connected is cut off.
    pub fn set_mood(&self, mood: Mood) {
        let mut state = self.state.lock();
        state.mood = mood;
        for stream in state.connections.values() {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.state.lock().taken.clone()
    }

    pub fn taken_count(&self) -> usize {
        self.state.lock().taken.len()
    }

    /// Returns how often it misbehaved in which way at which moment.
    pub fn misdeeds(&self) -> BTreeMap<(Misdeed, &'static str), u64> {
        self.state.lock().misdeeds.clone()
    }

    /// Waits until the ledger has `count` mails, at most so long.
    pub fn wait_for(&self, count: usize, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        let mut state = self.state.lock();
        while state.taken.len() < count {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return false };
            state = self.state.changed.wait_timeout(state, left).unwrap().0;
        }
        true
    }
}

impl std::ops::Drop for LedgerServer {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        self.set_mood(Mood::calm());
        // Wakes the listener, which then sees that it is over.
        TcpStream::connect((self.host, self.port)).ok();
    }
}

struct Connection<'s> {
    stream: TcpStream,
    mood: Mood,
    chance: Chance,
    shared: &'s Shared,
    heard: Vec<u8>,
    sender: bool,
    recipients: Vec<String>,
}

/// The connection is over.
fn over<T>() -> io::Result<T> {
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// Longer than any deadline of the program at its pace.
const BEYOND_EVERY_DEADLINE: Duration = Duration::from_millis(4_000);

impl Connection<'_> {
    fn run(mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.answer("greeting", "220 ledger.example ESMTP")?;
        loop {
            let line = self.line()?;
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let verb: String = text.chars().take(4).collect::<String>().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.hello()?,
                "HELO" => drop(self.answer("hello", "250 ledger.example")?),
                "MAIL" => {
                    if self.answer("mail", "250 2.1.0 fine")? {
                        self.sender = true;
                        self.recipients.clear();
                    }
                }
                "RCPT" => {
                    let address = text.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    if !self.sender {
                        self.say("503 5.5.1 MAIL comes first\r\n")?;
                    } else if self.answer("rcpt", "250 2.1.5 fine")? {
                        self.recipients.push(address);
                    }
                }
                "DATA" if self.recipients.is_empty() => self.say("554 5.5.1 no valid recipients\r\n")?,
                "DATA" => {
                    if self.answer("data", "354 go on")? {
                        self.content()?;
                    }
                    (self.sender, self.recipients) = (false, vec![]);
                }
                "RSET" => {
                    (self.sender, self.recipients) = (false, vec![]);
                    self.answer("rset", "250 2.0.0 forgotten")?;
                }
                "NOOP" => self.say("250 2.0.0 yes\r\n")?,
                "QUIT" => return self.say("221 2.0.0 goodbye\r\n"),
                _ => self.say("500 5.5.2 unknown\r\n")?,
            }
        }
    }

    fn hello(&mut self) -> io::Result<()> {
        (self.sender, self.recipients) = (false, vec![]);
        let mut words = vec!["ledger.example", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"];
        if self.mood.has_pipelining {
            words.insert(2, "PIPELINING");
        }
        let last = words.len() - 1;
        let mut text = String::new();
        for (index, word) in words.into_iter().enumerate() {
            let word = if self.mood.speaks_lower_case { word.to_lowercase() } else { word.to_owned() };
            text += &format!("250{}{word}", if index == last { ' ' } else { '-' });
            text += if index == last { "" } else { "\r\n" };
        }
        self.answer("hello", &text)?;
        Ok(())
    }

    fn misdeed(&mut self, moment: &'static str, possible: &[Misdeed]) -> Option<Misdeed> {
        if !self.chance.happens(self.mood.per_mille) {
            return None;
        }
        let able: Vec<Misdeed> = self.mood.misdeeds.iter().copied().filter(|misdeed| possible.contains(misdeed)).collect();
        let misdeed = (!able.is_empty()).then(|| *self.chance.pick(&able))?;
        *self.shared.lock().misdeeds.entry((misdeed, moment)).or_default() += 1;
        Some(misdeed)
    }

    /// Gives the due reply, or what the mood makes of it; returns whether it was consent.
    fn answer(&mut self, moment: &'static str, due: &str) -> io::Result<bool> {
        let Some(misdeed) = self.misdeed(moment, &Misdeed::ANYWHERE) else {
            self.say(&format!("{due}\r\n"))?;
            return Ok(true);
        };
        self.misanswer(misdeed, moment, due)
    }

    fn misanswer(&mut self, misdeed: Misdeed, moment: &'static str, due: &str) -> io::Result<bool> {
        let code = &due[..3];
        match misdeed {
            NotNow => self.say("451 4.3.0 later\r\n").map(|()| false),
            No if moment == "greeting" || moment == "hello" => self.say("554 5.3.2 not today\r\n").map(|()| false),
            No => self.say("550 5.1.1 no such mailbox\r\n").map(|()| false),
            NotFromYou => self.say("550 5.7.1 not from you\r\n").map(|()| false),
            Goodbye => {
                self.say("421 4.3.2 shutting down\r\n")?;
                over()
            }
            PartOfAReply => {
                let length = if self.chance.happens(500) { 2 } else { due.len() - 1 };
                self.say(&due[..length])?;
                over()
            }
            Garbage => {
                let text = *self.chance.pick(&[
                    "\0\u{1}\u{7f}\r\n",
                    "yes please\r\n",
                    "999 what\r\n",
                    "25O ok\r\n",
                    "\r\n",
                    "250_ok\r\n",
                ]);
                self.say(text).map(|()| false)
            }
            EndlessLine => {
                self.say(code)?;
                for _ in 0..64 {
                    self.say(&"x".repeat(1_024))?;
                }
                over()
            }
            OneReplyTooMany if moment == "mail" || moment == "rcpt" => {
                self.say(&format!("{due}\r\n250 2.0.0 and again\r\n"))?;
                Ok(true)
            }
            Drop => over(),
            Reset => self.reset(),
            HalfClose => {
                self.stream.shutdown(Shutdown::Write)?;
                while self.read()? {}
                over()
            }
            Stall => self.stall(),
            Delay => {
                thread::sleep(Duration::from_micros(self.chance.between(100, 40_000)));
                self.say(&format!("{due}\r\n")).map(|()| true)
            }
            OneByteAtATime => {
                for byte in format!("{due}\r\n").bytes() {
                    self.stream.write_all(&[byte])?;
                    thread::yield_now();
                }
                Ok(true)
            }
            ManyLines => {
                let lines: String = (1..20).map(|line| format!("{code}-line {line}\r\n")).collect();
                self.say(&format!("{lines}{due}\r\n")).map(|()| true)
            }
            _ => self.say(&format!("{due}\r\n")).map(|()| true),
        }
    }

    /// Reads the mail and answers it.
    fn content(&mut self) -> io::Result<()> {
        const END: &[u8] = b"\r\n.\r\n";
        let misdeed = self.misdeed("content", &Misdeed::WITH_A_MAIL);
        let end = loop {
            if let Some(at) = self.heard.windows(END.len()).position(|window| window == END) {
                break at;
            }
            match misdeed {
                Some(CutContent) => return if self.chance.happens(500) { over() } else { self.reset() },
                Some(LeaveInContent) => {
                    self.say("421 4.3.2 shutting down\r\n")?;
                    return over();
                }
                Some(SlowReader) => thread::sleep(Duration::from_millis(self.chance.between(1, 20))),
                _ => {}
            }
            if !self.read()? {
                return over();
            }
        };
        let content: Vec<u8> = self.heard.drain(..end + END.len()).take(end + 2).collect();
        let misdeed = misdeed.or_else(|| self.misdeed("final dot", &Misdeed::ANYWHERE));
        // Any reply that is no refusal may come from a server that took the mail; what it took counts, not what it said.
        let is_taken = match misdeed {
            Some(NotNow | No | NotFromYou | Goodbye | LoseAndDrop | CutContent | LeaveInContent) => false,
            Some(Drop | Reset | HalfClose | PartOfAReply | Garbage | EndlessLine | Stall) => self.chance.happens(500),
            _ => true,
        };
        if is_taken {
            self.take(content);
        }
        match misdeed {
            Some(TakeAndDrop | LoseAndDrop | CutContent) => over(),
            Some(LeaveInContent) => {
                self.say("421 4.3.2 shutting down\r\n")?;
                over()
            }
            Some(TakeAndReset) => self.reset(),
            Some(TakeAndStall) => self.stall(),
            Some(TakeLate) => {
                thread::sleep(BEYOND_EVERY_DEADLINE);
                self.say("250 2.0.0 taken at last\r\n")
            }
            Some(TakeAndMumble) => self.say("well yes\r\n"),
            Some(TakeAndSayHalf) => {
                self.say("250-taken\r\n250")?;
                over()
            }
            Some(TakeAndLeave) => {
                self.say("250 2.0.0 taken\r\n421 4.3.2 and now goodbye\r\n")?;
                over()
            }
            Some(misdeed) if Misdeed::ANYWHERE.contains(&misdeed) => {
                self.misanswer(misdeed, "final dot", "250 2.0.0 taken").map(|_| ())
            }
            _ => self.say("250 2.0.0 taken\r\n"),
        }
    }

    fn take(&mut self, stuffed: Vec<u8>) {
        let mut bytes = Vec::with_capacity(stuffed.len());
        for line in stuffed.split_inclusive(|byte| *byte == b'\n') {
            bytes.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        let text = String::from_utf8_lossy(&bytes);
        let key = text.lines().find_map(|line| line.strip_prefix("X-Dunlin-Key: ")).map(|key| key.trim().to_owned());
        let recipients = self.recipients.clone();
        self.shared.lock().taken.push(Taken { key, recipients, bytes });
        self.shared.changed.notify_all();
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    /// Waits until the client has had enough.
    fn stall<T>(&mut self) -> io::Result<T> {
        self.stream.set_read_timeout(Some(BEYOND_EVERY_DEADLINE))?;
        while self.read()? {}
        over()
    }

    /// Breaks the connection off: RST instead of FIN.
    fn reset<T>(&mut self) -> io::Result<T> {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))?;
        over()
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.heard.iter().position(|byte| *byte == b'\n') {
                return Ok(self.heard.drain(..=at).collect());
            }
            if !self.read()? {
                return over();
            }
        }
    }

    fn read(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 4_096];
        let count = self.stream.read(&mut bytes)?;
        self.heard.extend_from_slice(&bytes[..count]);
        Ok(count > 0)
    }
}
