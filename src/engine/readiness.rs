//! What the service manager is told: ready, reloading, stopping, alive. Where none started us, nobody is told anything.
//!
//! The words are systemd's, one datagram each (Source: sd_notify(3)). Nothing here may stop the daemon: a service manager
//! that does not listen is said once in the log.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::engine::status::Live;
use crate::port::Clock;

/// The environment variable that names the service manager's socket.
const SOCKET: &str = "NOTIFY_SOCKET";
/// The longest status line that is told, in characters.
const STATUS_MAX: usize = 200;

/// The service manager that started us, if one did.
#[derive(Debug)]
pub struct ServiceManager {
    socket: Option<OsString>,
    watchdog: Option<Duration>,
    has_failed: AtomicBool,
}

impl ServiceManager {
    /// Returns the service manager that the environment names (`NOTIFY_SOCKET`, `WATCHDOG_USEC`).
    pub fn from_environment() -> Self {
        Self::new(std::env::var_os(SOCKET).filter(|socket| !socket.is_empty()), sd_notify::watchdog_enabled())
    }

    /// Returns the service manager behind `socket`, a path or `@` and an abstract name, which takes us for dead after
    /// `watchdog` without a sign of life. `None`: there is none, or it does not watch.
    pub fn new(socket: Option<OsString>, watchdog: Option<Duration>) -> Self {
        Self { socket, watchdog, has_failed: AtomicBool::new(false) }
    }

    /// Tells that the daemon does its work; `status` is the line that `systemctl status` shows.
    pub fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
    }

    /// Tells that the files are read anew; [`ServiceManager::ready`] must follow, whatever came of it.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            // Without the time systemd would take the reload for failed; so it is not told of one.
            Err(error) => tracing::warn!(%error, "The service manager was not told of a reload"),
        }
    }

    /// Tells that the daemon is on its way out.
    pub fn stopping(&self, status: &str) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status(&one_line(status))]);
    }

    /// Tells what `systemctl status` shows.
    pub fn status(&self, status: &str) {
        self.tell(&[NotifyState::Status(&one_line(status))]);
    }

    /// Shows the watchdog signs of life, twice as often as it asks, for as long as the loop beats: a process that lives
    /// and whose loop stands still is dead. Ends only by being dropped; waits for ever where nobody watches.
    pub async fn keep_alive(&self, live: &Live, clock: &dyn Clock) {
        let Some(watchdog) = self.watchdog.filter(|_| self.socket.is_some()) else { return std::future::pending().await };
        let mut ticks = tokio::time::interval((watchdog / 2).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if live.is_beating(clock.now()) {
                self.tell(&[NotifyState::Watchdog]);
            } else {
                tracing::error!("The loop stands still; the watchdog is told nothing");
            }
        }
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        let Some(socket) = &self.socket else { return };
        let words: String = states.iter().map(|state| format!("{state}\n")).collect();
        if let Err(error) = send(socket, words.as_bytes())
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%error, "The service manager does not listen");
        }
    }
}

/// Sends one datagram. A full queue is an error, not a wait: the daemon's loop calls this.
fn send(socket: &OsStr, words: &[u8]) -> io::Result<()> {
    let own = UnixDatagram::unbound()?;
    own.set_nonblocking(true)?;
    own.send_to_addr(words, &address(socket)?)?;
    Ok(())
}

fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = std::os::unix::ffi::OsStrExt::as_bytes(socket).strip_prefix(b"@") {
        return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name);
    }
    SocketAddr::from_pathname(socket)
}

/// Returns a status without the line ends that would begin another word.
fn one_line(status: &str) -> String {
    status.chars().take(STATUS_MAX).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::date::Timestamp;

    /// A service manager's socket in a folder of its own.
    fn manager(watchdog: Option<Duration>) -> (tempfile::TempDir, UnixDatagram, ServiceManager) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        (folder, socket, ServiceManager::new(Some(path.into_os_string()), watchdog))
    }

    /// Returns everything that has been told since the last look.
    fn told(socket: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 1_000];
        let mut all = Vec::new();
        while let Ok(length) = socket.recv(&mut buffer) {
            all.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        all
    }

    #[test]
    fn each_turn_of_the_daemons_life_is_told_in_systemds_words() {
        let (_folder, socket, manager) = manager(None);
        manager.ready("3 rules\nREADY=0, next overdue at 09:00");
        manager.reloading();
        manager.status("idle");
        manager.stopping("2 mails on the wire");
        let mut all = told(&socket);
        let reloading = all.remove(1);
        let expected = [
            "READY=1\nSTATUS=3 rules READY=0, next overdue at 09:00\n",
            "STATUS=idle\n",
            "STOPPING=1\nSTATUS=2 mails on the wire\n",
        ];
        assert_eq!(all, expected);
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|rest| rest.strip_suffix('\n'));
        assert!(time.is_some_and(|time| time.parse::<u64>().is_ok()), "{reloading}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_socket_without_a_file_is_told_too() {
        let name = format!("dunlin-test-{}", std::process::id());
        let bound = <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&bound).unwrap();
        socket.set_nonblocking(true).unwrap();
        ServiceManager::new(Some(format!("@{name}").into()), None).status("idle");
        assert_eq!(told(&socket), ["STATUS=idle\n"]);
    }

    #[test]
    fn a_service_manager_that_is_gone_or_was_never_there_stops_nothing() {
        ServiceManager::new(None, None).ready("up");
        let (folder, socket, manager) = manager(None);
        drop((folder, socket));
        manager.ready("up");
        manager.stopping("down");
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_hears_of_us_only_while_the_loop_beats() {
        let (_folder, socket, manager) = manager(Some(Duration::from_secs(60)));
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let live = Live::new("acme", "live", "0.1.0", start);
        let begun = tokio::time::Instant::now();
        /// The paused clock of the test.
        struct Paused(Timestamp, tokio::time::Instant);
        impl Clock for Paused {
            fn now(&self) -> Timestamp {
                self.0 + self.1.elapsed()
            }
        }
        let clock = Arc::new(Paused(start, begun));
        let told_within = async |seconds| {
            let kept = manager.keep_alive(&live, &*clock);
            assert!(tokio::time::timeout(Duration::from_secs(seconds), kept).await.is_err());
            told(&socket)
        };
        // At once, and after 30 s, when the loop has been still for exactly as long as it may.
        assert_eq!(told_within(59).await, ["WATCHDOG=1\n", "WATCHDOG=1\n"]);
        assert_eq!(told_within(300).await, Vec::<String>::new());
        live.beat(clock.now());
        assert_eq!(told_within(10).await, ["WATCHDOG=1\n"]);
    }
}
