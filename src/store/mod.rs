//! The store: one SQLite file with runs, decisions, the outbox and every attempt.
//!
//! All SQL of the program is here. Writes go through one thread with group commit (`writer`), each durable when
//! its future resolves; readers open connections of their own. Only `engine` writes. A lock file beside the
//! database keeps a second process from writing (and from taking the first one's mails under way for lost).

pub mod acts;
pub mod firings;
mod history;
pub mod holds;
pub mod outbox;
pub mod person;
pub mod run_list;
mod runs;
pub mod search;
pub mod status;
pub mod suppressions;
pub mod thread;
mod writer;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

use crate::domain::date::Timestamp;

pub use crate::store::history::{Queue, history};
pub use crate::store::runs::{DecisionRow, ItemRow, MessageRow, RunRow, RunTransaction};
pub use crate::store::writer::Store;

/// Marks the file as ours in its header: "DUNL".
const APPLICATION_ID: i32 = 0x4455_4e4c;

/// Migrations in order; the database's `user_version` counts those applied. Never edited once released.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_daemon.sql"),
    include_str!("migrations/0003_decisions.sql"),
    include_str!("migrations/0007_threads.sql"),
    include_str!("migrations/0009_delivery.sql"),
];

/// Why the store cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file cannot be opened or created.
    #[error("Cannot open the database {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// SQLite's account.
        source: rusqlite::Error,
    },
    /// The lock file cannot be made.
    #[error("Cannot lock the database {path}: {source}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The system's account.
        source: std::io::Error,
    },
    /// Another process works with it.
    #[error("The database {path} is in use by another dunlin")]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// It is some other program's database.
    #[error("{path} is not a dunlin database")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a newer release.
    #[error("{path} was written by a newer release (schema {version}, this one knows {known})")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        version: i64,
        /// The newest schema this release knows.
        known: usize,
    },
    /// It belongs to another instance.
    #[error("The database belongs to instance `{own}`, config.yaml says `{asked}`")]
    OtherInstance {
        /// The instance in the database.
        own: String,
        /// The instance in config.yaml.
        asked: String,
    },
    /// A statement failed.
    #[error("Database: {0}")]
    Sql(#[from] rusqlite::Error),
    /// The commit of a group failed; nothing of it is stored.
    #[error("Nothing could be stored: {0}")]
    Commit(String),
    /// Another process keeps the database locked.
    #[error("The database is locked by another program")]
    Busy,
    /// A message that was to be sent is no longer queued.
    #[error("Message {id} is not queued")]
    NotQueued {
        /// The message.
        id: i64,
    },
    /// A row does not read as what it must be.
    #[error("The database holds `{value}` where {expected} belongs")]
    Corrupt {
        /// What was found.
        value: String,
        /// What should be there.
        expected: &'static str,
    },
    /// The firing a run was to be made for has been decided before.
    #[error("The firing of {local_time} has been decided before")]
    Decided {
        /// The firing's local time.
        local_time: String,
    },
    /// The writer has ended.
    #[error("The store is closed")]
    Closed,
}

/// Opens a database for reading only; `None` where nothing has run yet and there is no file, or an empty one, or one whose
/// first process died before it was whole.
///
/// # Errors
/// As [`StoreError`] says.
pub fn open_reader(path: &Path) -> Result<Option<Connection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(open)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    let version = match check_owner(&connection, path) {
        // From the first commit on the file is in WAL mode. A journal to roll back is of a process that died while it made the
        // file: nothing is in it, and only who writes may roll it back.
        Err(StoreError::Open { source, .. }) if has_interrupted_start(&source) => return Ok(None),
        version => version?,
    };
    Ok((version > 0).then_some(connection))
}

fn has_interrupted_start(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK)
}

/// Opens or creates the database for writing and brings it to the newest schema.
fn open_writer(path: &Path, instance: &str, now: Timestamp) -> Result<(Connection, File), StoreError> {
    let lock = lock(path)?;
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    keep_private(path)?;
    let mut connection = Connection::open(path).map_err(open)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    // Before anything is changed: a foreign file stays as it is.
    let version = check_owner(&connection, path)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(open)?;
    // A lost `sending` could double a mail, a lost `accepted` hide one: every commit reaches the disk.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);

    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    let insert = "insert into instance (only, id, created_at_ms) values (1, ?1, ?2) on conflict do nothing";
    transaction.execute(insert, (instance, now.as_millisecond()))?;
    let own: String = transaction.query_row("select id from instance", (), |row| row.get(0))?;
    if own != instance {
        return Err(StoreError::OtherInstance { own, asked: instance.to_owned() });
    }
    transaction.commit()?;
    Ok((connection, lock))
}

/// Makes a new database's file one that only its owner reads: every customer's mail is in it. One that is there keeps the
/// rights somebody gave it; SQLite gives its further files the same.
fn keep_private(path: &Path) -> Result<(), StoreError> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(StoreError::Lock { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Takes the lock beside the database, held until the file is dropped.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = one_name(path).into_os_string();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let failed = |source| StoreError::Lock { path: lock_path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Returns the one name of a file, whatever links lead to it, so that everybody locks the same thing.
fn one_name(path: &Path) -> PathBuf {
    let folder = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(folder).unwrap_or_else(|| path.to_owned())
}

/// Returns the schema version of an empty database or one of ours.
fn check_owner(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(open);
    let (owner, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection.query_row("select count(*) from sqlite_schema", (), |row| row.get(0)).map_err(open)?;
    if owner != i64::from(APPLICATION_ID) && tables > 0 {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(StoreError::Newer { path: path.to_owned(), version, known: MIGRATIONS.len() }),
    }
}

/// Returns milliseconds as the instant they stand for.
fn timestamp(at_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
