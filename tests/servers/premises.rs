//! A folder that a server believes to be the whole machine, with Debian's programs in it; and a server running there.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long is waited between two looks at something that another program does and tells nobody of.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How many looks are taken before a test gives up: a minute's.
const LOOKS_MAX: u32 = 3_000;

/// How often a port that somebody else has taken meanwhile is replaced by another.
const PORTS_MAX: usize = 5;

/// The domain whose mail the servers keep.
pub const DOMAIN: &str = "customer.example";

/// The folder; it vanishes with it.
pub struct Premises {
    folder: TempDir,
}

impl Premises {
    /// Makes a folder of its own from what `fetch.sh` has made; the programs in it are the same files.
    pub fn new() -> Self {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("mail-servers");
        let house = all.join("house");
        assert!(house.join("stamp").exists(), "run `tests/servers/fetch.sh {}` first", house.display());
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&all).unwrap();
        let copied = Command::new("cp").arg("-al").arg(house.join(".")).arg(folder.path()).status().unwrap();
        assert!(copied.success());
        // Servers that have given up their rights must find their files below it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let premises = Self { folder };
        premises.own("var/mail", "vmail", 0o755);
        premises
    }

    /// Returns where `path`, as the server sees it without the first slash, is to be found.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file for the server.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Removed first: the file may be one that all premises share.
        fs::remove_file(&path).ok();
        fs::write(path, text).unwrap();
    }

    /// Makes a folder, or takes a path that is there, and gives it to a user of the server's.
    pub fn own(&self, path: &str, user: &str, mode: u32) {
        let place = self.path(path);
        if !place.exists() {
            fs::create_dir_all(&place).unwrap();
        }
        let users = fs::read_to_string(self.path("etc/passwd")).unwrap();
        let line = users.lines().find(|line| line.split(':').next() == Some(user)).unwrap();
        let id = line.split(':').nth(2).unwrap().parse().unwrap();
        std::os::unix::fs::chown(&place, Some(id), Some(id)).unwrap();
        fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
    }

    /// Returns the id of a user of the server's.
    pub fn user_id(&self, user: &str) -> String {
        let users = fs::read_to_string(self.path("etc/passwd")).unwrap();
        let line = users.lines().find(|line| line.split(':').next() == Some(user)).unwrap();
        line.split(':').nth(2).unwrap().to_owned()
    }

    /// Starts a program in the folder; what it prints is read, and shown where the test fails.
    pub fn start(&self, program: &str, arguments: &[&str]) -> Program {
        let mut command = Command::new("chroot");
        command.arg(self.folder.path()).arg(program).args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = child.stderr.take().unwrap();
        thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                eprintln!("{line}");
            }
        });
        Program { child }
    }

    /// Returns the mails in a Maildir, each as the server wrote it.
    pub fn mails(&self, maildir: &str) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.path(maildir).join("new")) else { return Vec::new() };
        entries.filter_map(|entry| fs::read(entry.unwrap().path()).ok()).collect()
    }

    /// Waits until a Maildir holds so many mails, and returns them.
    pub fn wait_for_mails(&self, maildir: &str, count: usize) -> Vec<Vec<u8>> {
        wait_until(&format!("{count} mails in {maildir}"), || self.mails(maildir).len() >= count);
        self.mails(maildir)
    }
}

/// A running program; ended, and waited for, with it.
pub struct Program {
    child: Child,
}

impl Program {
    /// Returns whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.has_ended() {
            let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
            kill_process(pid, Signal::TERM).ok();
        }
        self.child.wait().ok();
    }
}

/// Starts a server with ports of its own: `start` writes them into its settings and starts it.
pub fn on_ports<const N: usize>(mut start: impl FnMut([u16; N]) -> Program) -> (Program, [u16; N]) {
    for _ in 0..PORTS_MAX {
        let ports = free_ports();
        let mut program = start(ports);
        let mut is_ended = false;
        wait_until("the server's ports", || {
            is_ended = program.has_ended();
            is_ended || ports.iter().all(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok())
        });
        if !is_ended {
            return (program, ports);
        }
    }
    panic!("the server does not start");
}

/// The ports that were given to a server of these tests: one that is still starting holds none yet, and the system would give it to
/// a second one, whose test would then speak to the first.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

fn free_ports<const N: usize>() -> [u16; N] {
    let mut given = GIVEN.lock().unwrap();
    loop {
        // All are held at once, so that no two are the same.
        let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let ports = held.each_ref().map(|listener| listener.local_addr().unwrap().port());
        if ports.iter().all(|port| !given.contains(port)) {
            given.extend(ports);
            return ports;
        }
    }
}

/// Looks until `is_so`: another program tells nobody when it has done its work.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..LOOKS_MAX {
        if is_so() {
            return;
        }
        thread::sleep(LOOK_EVERY);
    }
    panic!("waited in vain for {what}");
}
