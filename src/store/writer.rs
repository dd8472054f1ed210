//! One thread that owns the writing connection and commits what waits in groups.
//!
//! A commit costs a disk flush whatever it holds, so everything that has arrived while the last group was being
//! flushed goes into the next one. No timer: an idle store answers at once, a busy one in large groups.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use crate::domain::date::Timestamp;
use crate::store::{StoreError, open_reader, open_writer};

/// The most operations in one commit; bounds how long one waits for the others.
const GROUP_MAX: usize = 256;

/// Why nothing of a group is stored.
#[derive(Clone, Debug)]
enum Unstored {
    /// Another process holds the database; it may be tried again.
    Busy,
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

struct Operation<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T, StoreError> + Send> Job for Operation<T, F> {
    fn run(&mut self, connection: &Connection) -> Result<(), Unstored> {
        let Some(work) = self.work.take() else { return Ok(()) };
        // A savepoint each, so that one operation's fault does not take its neighbours along.
        let guarded = || {
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
    /// The messages that this process put into `sending` and has no result of yet.
    own: Mutex<HashSet<i64>>,
    _lock: File,
}

impl Store {
    /// Opens or creates the database at `path` for `instance` and starts the writer.
    ///
    /// # Errors
    /// As [`StoreError`] says: in use, foreign, newer, another instance, or not to be opened.
    pub fn open(path: &Path, instance: &str, now: Timestamp) -> Result<Self, StoreError> {
        let (connection, lock) = open_writer(path, instance, now)?;
        let (jobs, waiting) = channel();
        let thread = std::thread::Builder::new()
            .name("dunlin-store".into())
            .spawn(move || write_groups(&connection, &waiting))
            .map_err(|source| StoreError::Lock { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), jobs: Some(jobs), thread: Some(thread), own: Mutex::default(), _lock: lock })
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
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Operation { work: Some(work), result: None, reply });
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

fn write_groups(connection: &Connection, waiting: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        let committed = write_group(connection, &mut group, waiting);
        if committed.is_err() && !connection.is_autocommit() {
            // The failed commit may have rolled back by itself; if not, this must.
            if let Err(error) = connection.execute_batch("rollback") {
                tracing::error!(%error, "A failed commit could not be rolled back");
            }
        }
        for job in group {
            job.finish(committed.clone());
        }
    }
}

/// Runs the first job of `group` and whatever is waiting behind it in one transaction.
fn write_group(connection: &Connection, group: &mut Vec<Box<dyn Job>>, waiting: &Receiver<Box<dyn Job>>) -> Result<(), Unstored> {
    let words = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Unstored::Busy,
        _ => Unstored::Failed(error.to_string()),
    };
    step(connection, "begin immediate").map_err(words)?;
    group[0].run(connection)?;
    while group.len() < GROUP_MAX
        && let Ok(mut job) = waiting.try_recv()
    {
        let ran = job.run(connection);
        group.push(job);
        ran?;
    }
    step(connection, "commit").map_err(words)
}

/// Takes one step of a transaction; the few there are stay prepared.
fn step(connection: &Connection, statement: &'static str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(statement)?.execute(()).map(drop)
}
