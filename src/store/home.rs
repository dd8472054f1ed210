//! Where a database belongs, and whether it is there.
//!
//! A database carries its home: machine, path, file and instance. The seal beside it (`dunlin.db.seal`) says how far it has
//! come. A copy, a backup, or an older state put in its place shows by the one or the other; then it is *away*, and nothing
//! of it may go to a customer until a person adopts it. Source: docs/decisions/0029.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::date::{Date, Timestamp};
use crate::domain::hex::hexadecimal;
use crate::store::history::date;
use crate::store::{StoreError, beside, check_owner, one_name, open_plain_reader, timestamp};

/// The variable that names the machine where neither its id nor its name stays, as in containers.
pub const HOST_VARIABLE: &str = "DUNLIN_HOST";
/// The longest seal that is read, in bytes.
const SEAL_BYTES_MAX: u64 = 256;
/// The schema from which on a database carries its home.
const HOME_TABLE: &str = "select exists (select 1 from sqlite_schema where type = 'table' and name = 'home')";

/// The place a database is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    host: String,
    path: String,
    inode: Option<i64>,
    born_ms: Option<i64>,
}

impl Home {
    /// Returns the place of `database`, which need not be there yet.
    pub(crate) fn here(database: &Path) -> Self {
        let path = one_name(database);
        let metadata = fs::metadata(&path).ok();
        let born = metadata.as_ref().and_then(|metadata| metadata.created().ok());
        let born = born.and_then(|born| Timestamp::try_from(born).ok());
        #[cfg(unix)]
        let inode = metadata.as_ref().map(|metadata| std::os::unix::fs::MetadataExt::ino(metadata).cast_signed());
        #[cfg(not(unix))]
        let inode = None;
        Self { host: host(), path: path.display().to_string(), inode, born_ms: born.map(Timestamp::as_millisecond) }
    }
}

/// One way in which a database is not where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "difference", rename_all = "snake_case")]
pub enum Difference {
    /// config.yaml names another instance.
    Instance {
        /// The one in the database.
        own: String,
        /// The one in config.yaml.
        asked: String,
    },
    /// It belongs to another machine.
    Host {
        /// The one in the database.
        own: String,
        /// This one.
        here: String,
    },
    /// It belongs under another path.
    Path {
        /// The one in the database.
        own: String,
        /// This one.
        here: String,
    },
    /// It is a backup.
    Backup {
        /// When it was made.
        taken_at: Timestamp,
    },
    /// Another file has taken the place of the one it was.
    File,
    /// The seal knows of more than it does: an older state was put in its place.
    Older {
        /// When the seal last moved; what was written between the state and then is not in it.
        sealed_at: Option<Timestamp>,
    },
    /// The seal beside it is of another database.
    OtherSeal,
    /// There is no seal beside it, or none that can be read.
    NoSeal,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance { own, asked } => write!(f, "It belongs to instance `{own}`, and config.yaml says `{asked}`"),
            Self::Host { own, here } => write!(f, "It belongs to machine {own}, and this is {here}"),
            Self::Path { own, here } => write!(f, "It belongs at {own}, and this is {here}"),
            Self::Backup { taken_at } => write!(f, "It is a backup of {}", taken_at.strftime("%Y-%m-%d %H:%M:%S UTC")),
            Self::File => write!(f, "It is another file than it was: it was copied or restored"),
            Self::Older { sealed_at: Some(at) } => {
                write!(f, "It is an older state than the one that was here until {}", at.strftime("%Y-%m-%d %H:%M:%S UTC"))
            }
            Self::Older { sealed_at: None } => write!(f, "It is an older state than the one that was here"),
            Self::OtherSeal => write!(f, "Another database was here before, as the seal beside it tells"),
            Self::NoSeal => write!(f, "The seal that was beside it is gone or cannot be read"),
        }
    }
}

impl Difference {
    /// Returns whether it is known that something was recorded since this state: nobody can vouch that nothing went.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Older { .. } | Self::OtherSeal)
    }
}

/// How far the database of some place had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    database_id: String,
    epoch: i64,
}

/// What there is beside a database.
enum Beside {
    Seal(Seal, Option<Timestamp>),
    Garbled,
    Nothing,
}

impl Seal {
    pub(crate) fn path(database: &Path) -> PathBuf {
        beside(database, ".seal")
    }

    fn line(&self) -> String {
        let body = format!("dunlin {} {:020}", self.database_id, self.epoch);
        // Always as long: it is written over in place, which takes no room on a full disk, and a torn one shows.
        format!("{body} {}\n", sum(body.as_bytes()))
    }

    fn parse(line: &str) -> Option<Self> {
        let (body, own_sum) = line.trim_end().rsplit_once(' ')?;
        let mut words = body.split(' ');
        let (name, database_id, epoch) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
        let is_whole = name == "dunlin" && words.next().is_none() && own_sum == sum(body.as_bytes());
        is_whole.then(|| Self { database_id: database_id.to_owned(), epoch })
    }

    fn read(database: &Path) -> Beside {
        let path = Self::path(database);
        let read = |file: File| {
            let at = file.metadata().and_then(|metadata| metadata.modified()).ok();
            let mut text = String::new();
            let read = file.take(SEAL_BYTES_MAX).read_to_string(&mut text);
            read.map(|_| (text, at.and_then(|at| Timestamp::try_from(at).ok())))
        };
        match File::open(&path).and_then(read) {
            Ok((text, at)) => Self::parse(&text).map_or(Beside::Garbled, |seal| Beside::Seal(seal, at)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Beside::Nothing,
            Err(_) => Beside::Garbled,
        }
    }

    /// Writes it beside the database, durably.
    pub(crate) fn write(&self, database: &Path) -> io::Result<()> {
        let path = Self::path(database);
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let is_new = !path.exists();
        let mut file = options.open(&path)?;
        file.write_all(self.line().as_bytes())?;
        file.sync_data()?;
        if is_new {
            sync_folder(&path)?;
        }
        Ok(())
    }
}

/// Makes durable that a file of this name stands in its folder.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn sum(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes)[..8])
}

/// Returns what differs between a database's home and where it is; nothing where it is at home, or is not there yet.
///
/// # Errors
/// The database cannot be read.
pub fn differences(database: &Path, instance: &str) -> Result<Vec<Difference>, StoreError> {
    // The seal first: it is never ahead of its own database, which goes on being written while this reads.
    let seal = Seal::read(database);
    let reader = if database.exists() { Some(open_plain_reader(database)?) } else { None };
    let has_schema = match &reader {
        Some(reader) => check_owner(reader, database)? > 0,
        None => false,
    };
    match (reader, seal) {
        (Some(reader), seal) if has_schema => compare(&reader, database, instance, &seal),
        (_, Beside::Seal(..)) => Ok(vec![Difference::OtherSeal]),
        _ => Ok(Vec::new()),
    }
}

/// Returns what differs for the database under the writing connection; gives one without a home this place as its own.
pub(crate) fn settle(connection: &Connection, database: &Path, instance: &str) -> Result<Vec<Difference>, StoreError> {
    let seal = Seal::read(database);
    let here = Home::here(database);
    let insert = "insert into home (only, database_id, host, path, inode, born_ms, epoch)
        values (1, lower(hex(randomblob(8))), ?1, ?2, ?3, ?4, 0) on conflict do nothing";
    let is_new = connection.execute(insert, (&here.host, &here.path, here.inode, here.born_ms))? == 1;
    // One that has just got its home is the first here only where no other left its seal.
    match (is_new, &seal) {
        (true, Beside::Nothing) => compare_instance(connection, instance).map(|found| found.into_iter().collect()),
        _ => compare(connection, database, instance, &seal),
    }
}

fn compare(connection: &Connection, database: &Path, instance: &str, seal: &Beside) -> Result<Vec<Difference>, StoreError> {
    let mut found: Vec<Difference> = compare_instance(connection, instance)?.into_iter().collect();
    let has_home: bool = connection.query_row(HOME_TABLE, (), |row| row.get(0))?;
    let select = "select host, path, inode, born_ms, database_id, epoch, backup_at_ms from home";
    let row = |row: &rusqlite::Row<'_>| {
        let home = Home { host: row.get(0)?, path: row.get(1)?, inode: row.get(2)?, born_ms: row.get(3)? };
        Ok((home, Seal { database_id: row.get(4)?, epoch: row.get(5)? }, row.get::<_, Option<i64>>(6)?))
    };
    let own = if has_home { connection.query_row(select, (), row).optional()? } else { None };
    let Some((own, own_seal, backup_at_ms)) = own else {
        // Written by a release that kept no home: what is beside it is nobody's.
        if matches!(seal, Beside::Seal(..)) {
            found.push(Difference::OtherSeal);
        }
        return Ok(found);
    };
    let here = Home::here(database);
    if own.host != here.host {
        found.push(Difference::Host { own: own.host, here: here.host });
    }
    if own.path != here.path {
        found.push(Difference::Path { own: own.path, here: here.path });
    }
    let differs = |own: Option<i64>, here: Option<i64>| matches!((own, here), (Some(own), Some(here)) if own != here);
    match backup_at_ms {
        Some(taken_at) => found.push(Difference::Backup { taken_at: timestamp(taken_at) }),
        None if differs(own.inode, here.inode) || differs(own.born_ms, here.born_ms) => found.push(Difference::File),
        None => {}
    }
    match seal {
        Beside::Seal(seal, _) if seal.database_id != own_seal.database_id => found.push(Difference::OtherSeal),
        Beside::Seal(seal, sealed_at) if seal.epoch > own_seal.epoch => {
            found.push(Difference::Older { sealed_at: *sealed_at });
        }
        Beside::Seal(..) => {}
        // Before the first has been written there is none.
        Beside::Nothing if own_seal.epoch <= 1 => {}
        Beside::Nothing | Beside::Garbled => found.push(Difference::NoSeal),
    }
    Ok(found)
}

fn compare_instance(connection: &Connection, instance: &str) -> Result<Option<Difference>, StoreError> {
    let own: Option<String> = connection.query_row("select id from instance", (), |row| row.get(0)).optional()?;
    let other = own.filter(|own| own != instance);
    Ok(other.map(|own| Difference::Instance { own, asked: instance.to_owned() }))
}

/// Moves the epoch on, and returns what the seal is to say once this is committed.
pub(crate) fn move_on(connection: &Connection) -> Result<Seal, rusqlite::Error> {
    let update = "update home set epoch = epoch + 1 returning database_id, epoch";
    connection.prepare_cached(update)?.query_row((), |row| Ok(Seal { database_id: row.get(0)?, epoch: row.get(1)? }))
}

/// Makes this place the home of the database, whatever it was. From now on it is another database than the one it was
/// copied from: neither the seal nor the archive of that one is its own.
pub(crate) fn move_in(connection: &Connection, database: &Path, instance: &str) -> Result<(), StoreError> {
    let here = Home::here(database);
    let sealed = match Seal::read(database) {
        Beside::Seal(seal, _) => seal.epoch,
        Beside::Garbled | Beside::Nothing => 0,
    };
    connection.execute("update instance set id = ?1", (instance,))?;
    let update = "update home set database_id = lower(hex(randomblob(8))), host = ?1, path = ?2, inode = ?3, born_ms = ?4,
            epoch = max(epoch, ?5) + 1, backup_at_ms = null";
    connection.execute(update, (&here.host, &here.path, here.inode, here.born_ms, sealed))?;
    Ok(())
}

/// Notes in a copy that it is one. To be called on the copy.
pub(crate) fn mark_backup(copy: &Connection, now: Timestamp) -> Result<(), StoreError> {
    copy.execute("update home set backup_at_ms = ?1", (now.as_millisecond(),))?;
    Ok(())
}

/// Returns the day up to which what came due may have gone unrecorded, where the database was ever restored.
///
/// # Errors
/// Why the database could not be read.
pub fn doubt_until(connection: &Connection) -> Result<Option<Date>, StoreError> {
    let day: Option<String> = connection.query_row("select doubt_until from home", (), |row| row.get(0)).optional()?.flatten();
    day.map(|day| date(&day)).transpose()
}

/// Returns what tells this machine from others: what the operator says, else the machine's id and name.
fn host() -> String {
    let said = std::env::var(HOST_VARIABLE).ok();
    let id = fs::read_to_string("/etc/machine-id").ok();
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    host_of(said.as_deref(), id.as_deref(), &name)
}

/// Returns the machine's mark: a name, and behind it a hash of its id where it has one. The id itself is not for showing
/// (machine-id(5)).
fn host_of(said: Option<&str>, id: Option<&str>, name: &str) -> String {
    if let Some(said) = said.map(str::trim).filter(|said| !said.is_empty()) {
        return said.to_owned();
    }
    let is_id = |id: &&str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    match id.map(str::trim).filter(is_id) {
        Some(id) => format!("{name} ({})", sum(format!("dunlin machine {id}").as_bytes())),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
