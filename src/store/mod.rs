//! The store: one SQLite file with runs, decisions, the outbox and every attempt.
//!
//! All SQL of the program is here. Writes go through one thread with group commit (`writer`), each durable when
//! its future resolves; readers open connections of their own. Only `engine` writes. A lock file beside the
//! database keeps a second process from writing (and from taking the first one's mails under way for lost).

pub mod acts;
pub mod adopt;
pub mod alerts;
mod archive;
pub mod archived;
pub mod backup;
mod bodies;
mod chain;
pub mod check;
pub mod decisions;
mod digest;
pub mod evidence;
mod file_system;
mod files;
pub mod firings;
pub mod guards;
mod history;
pub mod holds;
pub mod home;
pub mod matches;
pub mod outbox;
pub mod person;
pub mod prune;
#[cfg(test)]
mod rows;
pub mod run_list;
mod runs;
pub mod search;
pub mod status;
pub mod suppressions;
pub mod texts;
pub mod thread;
pub mod verify;
pub mod waiting;
mod writer;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

use crate::domain::date::Timestamp;

use crate::store::home::Difference;

pub use crate::store::digest::Body;
pub use crate::store::files::{FileOwner, FileRow, files};
pub use crate::store::history::{Queue, history, history_before, ids_on_record, rules_that_ran};
pub use crate::store::runs::{DecisionRow, ItemRow, MessageRow, RunRow, RunTransaction};
pub use crate::store::writer::Store;

/// Marks the file as ours in its header: "DUNL".
const APPLICATION_ID: i32 = 0x4455_4e4c;

/// Migrations in order; the database's `user_version` counts those applied. Never edited once released.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_daemon.sql"),
    include_str!("migrations/0003_decisions.sql"),
    include_str!("migrations/0004_guards.sql"),
    include_str!("migrations/0005_home.sql"),
    include_str!("migrations/0006_archive.sql"),
    include_str!("migrations/0007_threads.sql"),
    include_str!("migrations/0008_delivery.sql"),
    include_str!("migrations/0009_indexes.sql"),
    include_str!("migrations/0010_copies.sql"),
    include_str!("migrations/0011_traces.sql"),
    include_str!("migrations/0012_chain.sql"),
    include_str!("migrations/0013_attachments.sql"),
    include_str!("migrations/0014_matches.sql"),
    include_str!("migrations/0015_bodies.sql"),
    include_str!("migrations/0016_conditions.sql"),
];

/// How large SQLite's log grows before its content goes into the database, where no single run needs more, and how large it
/// stays on disk after that.
const LOG_BYTES_MAX: i64 = 16 << 20;

/// How long one connection waits for another to let go of the database.
const BUSY_AFTER: std::time::Duration = std::time::Duration::from_secs(10);

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
    /// A copy was to be written over the database that it is a copy of.
    #[error("{path} is the database itself; name another file for the copy")]
    Itself {
        /// The file.
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
    /// It was written by an earlier release, and this one has not written to it yet.
    #[error("{path} is of an earlier release, and has no record that could be shown yet")]
    Older {
        /// The file.
        path: PathBuf,
    },
    /// The file has two names, under each of which SQLite would keep another log.
    #[error("{path} has a further name (a hard link), and would be damaged if it were used under both")]
    Linked {
        /// The file.
        path: PathBuf,
    },
    /// It lies on a file system over which two machines can reach it.
    #[error("{path} lies on a network drive ({kind}), where SQLite's log does not hold")]
    Network {
        /// The file.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// What it holds is damaged.
    #[error("The database {path} is damaged: {words}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// SQLite's account, the beginning of it.
        words: String,
    },
    /// It was removed, or put in the place of another, between two looks or while it was in use.
    #[error("The database {path} is not at home any more")]
    Strayed {
        /// The file.
        path: PathBuf,
    },
    /// A file beside it cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's account.
        source: std::io::Error,
    },
    /// A backup would overwrite what is no backup.
    #[error("{path} is there and is no dunlin database, so it is not written over")]
    NotOurs {
        /// The file.
        path: PathBuf,
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
    /// The text of a message has left the database.
    #[error("The text of mail {id} is in the archive; it cannot be sent again from here")]
    Archived {
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
    let connection = open_plain_reader(path)?;
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

/// Opens a database of this release's schema for reading only; `None` as [`open_reader`].
///
/// # Errors
/// As [`open_reader`]; `Older` where it is to be taken up first, which whoever writes does.
pub fn open_current_reader(path: &Path) -> Result<Option<Connection>, StoreError> {
    let Some(reader) = open_reader(path)? else { return Ok(None) };
    if check_owner(&reader, path)? < MIGRATIONS.len() {
        return Err(StoreError::Older { path: path.to_owned() });
    }
    Ok(Some(reader))
}

/// Opens a file for reading only, whatever it holds.
fn open_plain_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags);
    let connection = connection.map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    settle_plans(&connection)?;
    connection.busy_timeout(BUSY_AFTER)?;
    Ok(connection)
}

/// Has SQLite keep the plan it made for a statement: by default it makes a new one for each value that a condition of an index
/// might be about, which costs more than the statement.
fn settle_plans(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// A database opened for writing.
struct Opened {
    connection: Connection,
    lock: File,
    /// In what it is not where it belongs.
    differences: Vec<Difference>,
}

/// Opens or creates the database for writing and brings it to the newest schema.
fn open_writer(path: &Path, instance: &str, now: Timestamp) -> Result<Opened, StoreError> {
    file_system::check(path)?;
    let lock = lock(path)?;
    open_locked(path, lock, instance, now).map_err(|error| match error {
        StoreError::Sql(source) | StoreError::Open { source, .. } if check::is_damage(&source) => {
            StoreError::Damaged { path: path.to_owned(), words: source.to_string() }
        }
        other => other,
    })
}

fn open_locked(path: &Path, lock: File, instance: &str, now: Timestamp) -> Result<Opened, StoreError> {
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    keep_private(path)?;
    check_links(path)?;
    let mut connection = Connection::open(path).map_err(open)?;
    settle_plans(&connection)?;
    connection.busy_timeout(BUSY_AFTER)?;
    // Before anything is changed: a foreign file stays as it is.
    let version = check_owner(&connection, path)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(open)?;
    // A lost `sending` could double a mail, a lost `accepted` hide one: every commit reaches the disk.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    // What many small commits change again and again is written into the database once.
    let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_BYTES_MAX / page_bytes)?;
    connection.set_prepared_statement_cache_capacity(64);
    check::at_start(&mut connection, path)?;

    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    let insert = "insert into instance (only, id, created_at_ms) values (1, ?1, ?2) on conflict do nothing";
    transaction.execute(insert, (instance, now.as_millisecond()))?;
    let differences = home::settle(&transaction, path, instance)?;
    transaction.commit()?;
    Ok(Opened { connection, lock, differences })
}

/// Refuses a file with two names: the lock and SQLite's log go by the name.
fn check_links(path: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    if std::fs::metadata(path).is_ok_and(|metadata| std::os::unix::fs::MetadataExt::nlink(&metadata) > 1) {
        return Err(StoreError::Linked { path: path.to_owned() });
    }
    Ok(())
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
    let lock_path = beside(path, ".lock");
    let failed = |source| StoreError::Lock { path: lock_path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Returns the file beside a database that has its name and this ending.
fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = one_name(database).into_os_string();
    name.push(ending);
    PathBuf::from(name)
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

/// Returns the SHA-256 of bytes.
pub fn plain_hash(bytes: &[u8]) -> [u8; 32] {
    digest::plain(bytes)
}

/// Returns milliseconds as the instant they stand for.
fn timestamp(at_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
