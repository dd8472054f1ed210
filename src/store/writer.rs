//! One thread that owns the writing connection and commits what waits in groups.
//!
//! A commit costs a disk flush whatever it holds, so everything that has arrived while the last group was being
//! flushed goes into the next one. No timer: an idle store answers at once, a busy one in large groups.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use crate::domain::date::Timestamp;
use crate::store::home::{Difference, Seal, move_on};
use crate::store::{BUSY_AFTER, LOG_BYTES_MAX, Opened, StoreError, beside, open_reader, open_writer};

/// The most operations in one commit; bounds how long one waits for the others.
const GROUP_MAX: usize = 256;

/// How often the seal moves on while something is written: an older state is noticed if it is older than that.
const SEAL_EVERY: Duration = Duration::from_secs(1);

/// After how long without a write SQLite's log is put into the database and cut off.
const REST_AFTER: Duration = Duration::from_secs(30);

/// Why nothing of a group is stored.
#[derive(Clone, Debug)]
enum Unstored {
    /// Another process holds the database; it may be tried again.
    Busy,
    /// Its file has been removed, or another one is in its place: what is written would be lost, or is another database's.
    Strayed(PathBuf),
    /// Anything else.
    Failed(String),
}

/// One operation waiting for the writer.
trait Job: Send {
    /// Does it inside the group's transaction. Returns what went wrong where that ended the whole transaction, as a
    /// full disk does.
    fn run(&mut self, connection: &Connection) -> Result<(), Unstored>;
    /// Tells the caller, once the group is committed or has failed.
    fn finish(self: Box<Self>, committed: Result<(), Unstored>);
}

/// What keeps one operation's fault from its neighbours in the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// A savepoint: it is undone alone.
    Savepoint,
    /// Nothing: it fails before it has changed anything, or SQLite failed and the whole group with it. SQLite keeps no copy of
    /// the pages that it changes.
    None,
}

struct Operation<T, F> {
    guard: Guard,
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T, StoreError> + Send> Job for Operation<T, F> {
    fn run(&mut self, connection: &Connection) -> Result<(), Unstored> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let guarded = || {
            if self.guard == Guard::None {
                return work(connection);
            }
            step(connection, "savepoint operation")?;
            let result = work(connection);
            match &result {
                Ok(_) => step(connection, "release operation")?,
                Err(_) if connection.is_autocommit() => {} // SQLite has rolled everything back by itself.
                Err(_) => connection.execute_batch("rollback to operation; release operation")?,
            }
            result
        };
        let result = guarded();
        let ended = match &result {
            Err(error) if connection.is_autocommit() => Err(Unstored::Failed(error.to_string())),
            Err(error @ StoreError::Sql(_)) if self.guard == Guard::None => Err(Unstored::Failed(error.to_string())),
            _ => Ok(()),
        };
        self.result = Some(result);
        ended
    }

    fn finish(self: Box<Self>, committed: Result<(), Unstored>) {
        let answer = match (committed, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(StoreError::Closed),
            (Err(Unstored::Busy), _) => Err(StoreError::Busy),
            (Err(Unstored::Strayed(path)), _) => Err(StoreError::Strayed { path }),
            (Err(Unstored::Failed(message)), _) => Err(StoreError::Commit(message)),
        };
        // A caller that has gone away no longer wants the answer; the work is done and stored all the same.
        drop(self.reply.send(answer));
    }
}

/// The handle to the store. Cheap to share behind an `Arc`; dropping the last one ends the writer.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    jobs: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    differences: Mutex<Vec<Difference>>,
    is_at_home: Arc<AtomicBool>,
    /// The messages that this process put into `sending` and has no result of yet.
    own: Mutex<HashSet<i64>>,
    _lock: File,
}

impl Store {
    /// Opens or creates the database at `path` for `instance` and starts the writer.
    ///
    /// # Errors
    /// As [`StoreError`] says: in use, foreign, newer, damaged, or not to be opened.
    pub fn open(path: &Path, instance: &str, now: Timestamp) -> Result<Self, StoreError> {
        let Opened { connection, lock, differences } = open_writer(path, instance, now)?;
        let (jobs, waiting) = channel();
        let is_at_home = Arc::new(AtomicBool::new(differences.is_empty()));
        let sealer = Sealer::new(path, is_at_home.clone());
        let opened = OpenedFile::of(path);
        let thread = std::thread::Builder::new()
            .name("dunlin-store".into())
            .spawn(move || write_groups(&connection, &waiting, sealer, &opened))
            .map_err(|source| StoreError::Lock { path: path.to_owned(), source })?;
        let (path, differences) = (path.to_owned(), Mutex::new(differences));
        let (jobs, thread, own) = (Some(jobs), Some(thread), Mutex::default());
        Ok(Self { path, jobs, thread, differences, is_at_home, own, _lock: lock })
    }

    /// Returns in what the database is not where it belongs; while there is anything, nothing of it goes to a customer.
    pub fn differences(&self) -> Vec<Difference> {
        self.differences.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns where the database is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that the database has got this place as its home, and seals it.
    pub(crate) async fn settle_in(&self) -> Result<(), StoreError> {
        self.differences.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.is_at_home.store(true, Ordering::SeqCst);
        // The first commit from now on moves the seal.
        self.write(|_| Ok(())).await
    }

    /// Opens a further connection for reading.
    ///
    /// # Errors
    /// As [`open_reader`].
    pub fn reader(&self) -> Result<Connection, StoreError> {
        open_reader(&self.path)?.ok_or(StoreError::Closed)
    }

    /// Returns the messages that this process put into `sending`.
    pub(crate) fn own(&self) -> MutexGuard<'_, HashSet<i64>> {
        // Nothing under this lock can panic half-way through a change.
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` on the writer's thread; resolves once it is on disk, or has left no trace.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_guarded(Guard::Savepoint, work).await
    }

    /// Does `work` as [`Store::write`] does, where it changes nothing before it can fail of itself: what each mail takes on its way.
    /// Where SQLite fails at it, nothing of its group is stored.
    pub(crate) async fn write_step<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_guarded(Guard::None, work).await
    }

    async fn write_guarded<T: Send + 'static>(
        &self,
        guard: Guard,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Operation { guard, work: Some(work), result: None, reply });
        self.jobs.as_ref().ok_or(StoreError::Closed)?.send(job).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Closing the channel ends the thread; waiting for it keeps the lock until the last group is on disk.
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The store's writer ended in a panic");
        }
    }
}

/// The file that was opened as the database.
#[derive(Debug)]
struct OpenedFile {
    path: PathBuf,
    file: Option<(u64, u64)>,
    /// SQLite's log beside it.
    log: PathBuf,
}

impl OpenedFile {
    fn of(path: &Path) -> Self {
        // Links in it are followed anew at each check, as by whoever opens it to read.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { file: file_id(&path), log: beside(&path, "-wal"), path }
    }

    /// Refuses to go on where the file is no longer the one that was opened: SQLite would not notice.
    fn check(&self) -> Result<(), Unstored> {
        if file_id(&self.path) == self.file { Ok(()) } else { Err(Unstored::Strayed(self.path.clone())) }
    }

    /// Returns how long the log's file is.
    fn log_bytes(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |log| log.len())
    }
}

/// Returns the device and number of a file; nothing where it is not there, or where the system has no such numbers, which then
/// keeps an open file in its place.
fn file_id(path: &Path) -> Option<(u64, u64)> {
    #[cfg(unix)]
    return std::fs::metadata(path).ok().map(|file| {
        use std::os::unix::fs::MetadataExt;
        (file.dev(), file.ino())
    });
    #[cfg(not(unix))]
    return path.exists().then_some((0, 0));
}

/// Keeps the seal beside the database close behind it.
struct Sealer {
    database: PathBuf,
    is_at_home: Arc<AtomicBool>,
    moved_at: Option<Instant>,
    /// Something was committed since the seal last moved.
    is_behind: bool,
    has_failed: bool,
}

impl Sealer {
    fn new(database: &Path, is_at_home: Arc<AtomicBool>) -> Self {
        Self { database: database.to_owned(), is_at_home, moved_at: None, is_behind: false, has_failed: false }
    }

    /// Moves the epoch on within the transaction, where it is time for it.
    fn move_on(&self, connection: &Connection) -> Result<Option<Seal>, rusqlite::Error> {
        let is_due = self.moved_at.is_none_or(|at| at.elapsed() >= SEAL_EVERY);
        // Away from home the seal, if there is one, speaks of what was here.
        if is_due && self.is_at_home.load(Ordering::SeqCst) { move_on(connection).map(Some) } else { Ok(None) }
    }

    /// Writes the seal after the commit; never before it, or a crash would leave it ahead.
    fn committed(&mut self, seal: Option<Seal>) {
        let Some(seal) = seal else {
            self.is_behind = true;
            return;
        };
        self.moved_at = Some(Instant::now());
        self.is_behind = false;
        match seal.write(&self.database) {
            Ok(()) => self.has_failed = false,
            Err(error) if !self.has_failed => {
                self.has_failed = true;
                tracing::error!(%error, "The seal beside the database cannot be written; an older state put here would not be noticed");
            }
            Err(_) => {}
        }
    }

    /// Returns after how long without a write the seal is to move up; `None` where it need not.
    fn pause(&self) -> Option<Duration> {
        (self.is_behind && self.is_at_home.load(Ordering::SeqCst)).then_some(SEAL_EVERY)
    }

    /// Moves the seal up to the last commit.
    fn end(&mut self, connection: &Connection, opened: &OpenedFile) {
        if !self.is_behind || !self.is_at_home.load(Ordering::SeqCst) {
            return;
        }
        // The seal may be another database's by now.
        if opened.check().is_err() {
            self.is_behind = false;
            return;
        }
        // A transaction of its own, since only a commit that says so is one: on a full disk the statement by itself would not.
        let moved = || -> Result<Seal, rusqlite::Error> {
            connection.execute_batch("begin immediate")?;
            let seal = move_on(connection)?;
            connection.execute_batch("commit").map(|()| seal)
        };
        let moved = moved().inspect_err(|_| {
            if !connection.is_autocommit() {
                // Where even that fails, the next transaction says so.
                drop(connection.execute_batch("rollback"));
            }
        });
        match moved {
            Ok(seal) => self.committed(Some(seal)),
            Err(error) => {
                // Moved with the next commit; not tried over and over.
                self.is_behind = false;
                self.moved_at = None;
                tracing::warn!(%error, "The seal could not be moved");
            }
        }
    }
}

fn write_groups(connection: &Connection, waiting: &Receiver<Box<dyn Job>>, mut sealer: Sealer, opened: &OpenedFile) {
    // Whether the log may hold anything that the database does not.
    let mut has_log = true;
    loop {
        let first = match sealer.pause().or(has_log.then_some(REST_AFTER)) {
            None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(pause) => waiting.recv_timeout(pause),
        };
        let first = match first {
            Ok(first) => first,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if sealer.is_behind => {
                sealer.end(connection, opened);
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {
                has_log = false;
                cut_log(connection);
                continue;
            }
        };
        has_log = true;
        let mut group = vec![first];
        let written = write_group(connection, &mut group, waiting, &sealer);
        // After its operations, so that nobody acts on what was read or written beside the file.
        let committed = written.and_then(|seal| opened.check().map(|()| seal)).and_then(|seal| {
            step(connection, "commit").map_err(|error| unstored(&error))?;
            Ok(seal)
        });
        if committed.is_err() && !connection.is_autocommit() {
            // The failed commit may have rolled back by itself; if not, this must.
            if let Err(error) = connection.execute_batch("rollback") {
                tracing::error!(%error, "A failed commit could not be rolled back");
            }
        }
        // Before anybody acts on what is stored: the seal is to know of it.
        let committed = committed.map(|seal| sealer.committed(seal));
        if committed.is_ok() && opened.log_bytes() > 2 * LOG_BYTES_MAX.unsigned_abs() {
            // Cutting off what a large run has left there takes long. Now nobody waits for it with a mail on the wire.
            cut_log(connection);
        }
        for job in group {
            job.finish(committed.clone());
        }
    }
    sealer.end(connection, opened);
}

/// Puts SQLite's log into the database and cuts it off. Somebody who reads holds it up, and is not waited for: the next rest, or the
/// next commit, tries again.
fn cut_log(connection: &Connection) {
    let cut = connection.busy_timeout(Duration::ZERO).and_then(|()| {
        let cut = connection.execute_batch("pragma wal_checkpoint(truncate)");
        connection.busy_timeout(BUSY_AFTER).and(cut)
    });
    if let Err(error) = cut {
        tracing::debug!(%error, "The database's log could not be cut off");
    }
}

/// Runs the first job of `group` and whatever is waiting behind it in one transaction, which stays open; returns what the seal is
/// to say.
fn write_group(
    connection: &Connection,
    group: &mut Vec<Box<dyn Job>>,
    waiting: &Receiver<Box<dyn Job>>,
    sealer: &Sealer,
) -> Result<Option<Seal>, Unstored> {
    step(connection, "begin immediate").map_err(|error| unstored(&error))?;
    group[0].run(connection)?;
    while group.len() < GROUP_MAX
        && let Ok(mut job) = waiting.try_recv()
    {
        let ran = job.run(connection);
        group.push(job);
        ran?;
    }
    sealer.move_on(connection).map_err(|error| unstored(&error))
}

fn unstored(error: &rusqlite::Error) -> Unstored {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Unstored::Busy,
        _ => Unstored::Failed(error.to_string()),
    }
}

/// Takes one step of a transaction; the few there are stay prepared.
fn step(connection: &Connection, statement: &'static str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(statement)?.execute(()).map(drop)
}
