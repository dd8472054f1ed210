//! The library that stands between the program and the system: built once with the C compiler, told by the environment what
//! to do, and what it did read from a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the shim counts; a fault strikes at one of these. The order is the one in shim.c.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    DbWrite,
    WalWrite,
    Sync,
    Truncate,
    Unlink,
    Lock,
    Connect,
    Send,
    Receive,
}

impl Edge {
    pub const ALL: [Self; 9] = [
        Self::DbWrite,
        Self::WalWrite,
        Self::Sync,
        Self::Truncate,
        Self::Unlink,
        Self::Lock,
        Self::Connect,
        Self::Send,
        Self::Receive,
    ];
}

/// What happens there. The order is the one in shim.c.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    KillBefore = 1,
    /// Half of the bytes are written or sent, then it dies.
    KillHalfway,
    KillAfter,
    /// What a panic in a build that aborts does.
    Abort,
    /// ENOSPC.
    Full,
    /// EIO.
    InputOutput,
    /// EAGAIN for a lock.
    Locked,
}

/// How far the furthest connection was when a fault struck. The order is the one in shim.c.
pub const STAGES: [&str; 7] = ["idle", "connected", "envelope", "data", "content", "final dot", "answered"];

/// How much faster time passes for the program: ten minutes in three seconds.
const PACE: u64 = 200;
/// The same where the case is over and only the rest is sent: a machine with much else to do must not make deadlines strike.
const CALM_PACE: u64 = 10;

/// The day all cases play on, five seconds before nine in Berlin, in nanoseconds of Unix time.
const WALL_SHOWN: u128 = 1_773_129_595_000_000_000;

/// A fault at the `at`-th call of one kind, counted from 1.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    pub edge: Edge,
    pub deed: Deed,
    pub at: u64,
    /// How long calls of the kind go on failing: 0 for that one alone, [`u64::MAX`] for ever.
    pub lasts_ms: u64,
}

static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", std::process::id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/matrix/shim.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source).arg("-ldl").status();
    assert!(built.expect("the matrix needs a C compiler named `cc`").success(), "shim.c does not compile");
    library
});

/// Removes the built library again.
pub fn clean_up() {
    fs::remove_file(&*LIBRARY).ok();
}

/// The program's surroundings in one case: where they are kept, and what they shall do.
#[derive(Clone, Debug)]
pub struct Surroundings {
    folder: PathBuf,
    /// An instant of the real clock, what the program's clock shows then, and how much faster it goes from there.
    clock: (u128, u128, u64),
    pub has_undo: bool,
    pub is_lockless: bool,
    /// How many bytes a connection takes at once, at most; `None`: all that it is given.
    pub send_buffer: Option<u64>,
    /// A process is held up before each lock, so many microseconds at most; and the seed of how many.
    pub hold_ups: Option<(u64, u64)>,
}

impl Surroundings {
    pub fn new(folder: &Path, has_undo: bool) -> Self {
        Self {
            folder: folder.to_owned(),
            clock: (real_now(), WALL_SHOWN, PACE),
            has_undo,
            is_lockless: false,
            send_buffer: None,
            hold_ups: None,
        }
    }

    /// Lets time pass more slowly from now on.
    pub fn calm_down(&mut self) {
        let (since, shown, pace) = self.clock;
        let now = real_now();
        self.clock = (now, shown + (now - since) * u128::from(pace), CALM_PACE);
    }

    pub fn undo(&self) -> PathBuf {
        self.folder.join("undo.journal")
    }

    /// Puts a command into these surroundings; its account is kept under `name`.
    pub fn around(&self, command: &mut Command, name: &str, strike: Option<Strike>) {
        let account = self.folder.join(format!("{name}.account"));
        fs::write(&account, [0; 8 * (2 + Edge::ALL.len())]).unwrap();
        command.env("LD_PRELOAD", &*LIBRARY).env("MATRIX_ACCOUNT", account);
        let (since, shown, pace) = self.clock;
        command.env("MATRIX_CLOCK", format!("{since} {shown} {pace}"));
        if let Some(Strike { edge, deed, at, lasts_ms }) = strike {
            command.env("MATRIX_FAULT", format!("{} {} {at} {lasts_ms}", edge as u8, deed as u8));
        }
        if self.has_undo {
            command.env("MATRIX_UNDO", self.undo());
        }
        if let Some((most, seed)) = self.hold_ups {
            // Two processes of one moment are held up differently.
            let seed = name.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            command.env("MATRIX_JITTER", format!("{seed} {most}"));
        }
        if let Some(most) = self.send_buffer {
            command.env("MATRIX_SEND_BUFFER", most.to_string());
        }
        if self.is_lockless {
            command.env("MATRIX_LOCKLESS", "1");
        }
    }

    pub fn account(&self, name: &str) -> Account {
        let bytes = fs::read(self.folder.join(format!("{name}.account"))).unwrap();
        let mut numbers = bytes.chunks_exact(8).map(|chunk| u64::from_ne_bytes(chunk.try_into().unwrap()));
        let mut next = || numbers.next().unwrap();
        let (fired, stage) = (next() == 1, next() as usize);
        Account { stage: fired.then_some(stage), counts: Edge::ALL.map(|_| next()) }
    }
}

fn real_now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

/// What the shim did in one process.
#[derive(Clone, Debug)]
pub struct Account {
    /// How far the furthest connection was when the fault struck; `None` where it never did.
    pub stage: Option<usize>,
    /// How often each [`Edge`] was come to.
    pub counts: [u64; Edge::ALL.len()],
}
