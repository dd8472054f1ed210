//! The machine and its files: the clock, who may read and write what, room on the disk, the daemon.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::{Auth, SecretSource};
use crate::control::{is_alive, socket_path};
use crate::domain::date::Timestamp;
use crate::engine::doctor::{Finding, Level};
use crate::engine::workspace::Workspace;

/// With less room than this the database cannot be relied on, in bytes.
const ROOM_LEAST: u64 = 100 << 20;

/// With less room than this a person should know, in bytes.
const ROOM_ENOUGH: u64 = 1 << 30;

/// How far a file may be from the future; file servers' clocks differ a little.
const AHEAD_MAX_S: i64 = 300;

/// File systems of other machines, by their number. Source: statfs(2).
const NETWORK_FILE_SYSTEMS: [(u64, &str); 8] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x6573_5546, "FUSE"),
];

pub(crate) fn examine(workspace: &Workspace, now: Timestamp) -> Vec<Finding> {
    let database = workspace.database_path();
    let config = workspace.root.join("config.yaml");
    let mut findings = vec![clock([&config, &database], now)];
    findings.extend(config_file(&config));
    findings.extend(password_files(workspace));
    let folder = match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    findings.extend(database_place(&database, folder));
    findings.push(daemon(&database));
    findings
}

fn clock(files: [&PathBuf; 2], now: Timestamp) -> Finding {
    let written =
        |path: &PathBuf| fs::metadata(path).ok()?.modified().ok().and_then(|at: SystemTime| Timestamp::try_from(at).ok());
    let newest = files.into_iter().filter_map(written).max();
    match newest.filter(|newest| newest.duration_since(now).as_secs() > AHEAD_MAX_S) {
        None => Finding::ok("clock", "", format!("It is {} by this machine's clock", now.strftime("%Y-%m-%d %H:%M UTC"))),
        Some(newest) => {
            let what = format!(
                "This machine's clock says {}, and the workspace was written at {}",
                now.strftime("%Y-%m-%d %H:%M UTC"),
                newest.strftime("%Y-%m-%d %H:%M UTC")
            );
            Finding::new(Level::Fault, "clock", "", what).because(
                "Rules fire by the clock, certificates are judged by it, and mails are dated by it.",
                "Set the clock, and have a time service keep it.",
            )
        }
    }
}

fn config_file(path: &Path) -> Option<Finding> {
    let found = fs::metadata(path).ok()?;
    let mode = permissions(&found);
    // One that others may read while a secret stands in it is not taken at all.
    (mode & 0o002 != 0).then(|| {
        Finding::new(Level::Fault, "files", "config.yaml", "Everybody on this machine may write config.yaml")
            .because("Whoever does so can send your customers' mail to a server of their own.", "chmod o-w config.yaml")
    })
}

fn password_files(workspace: &Workspace) -> Vec<Finding> {
    let secrets = workspace.config.servers.iter().filter_map(|server| server.auth.as_ref()).flat_map(Auth::secrets);
    let sources = secrets.chain(workspace.config.dkim.iter().map(|key| &key.key)).filter_map(|secret| match &secret.source {
        SecretSource::File(path) => Some(path.as_str()),
        _ => None,
    });
    let open = sources.filter(|path| fs::metadata(path).is_ok_and(|found| permissions(&found) & 0o006 != 0));
    open.map(|path| {
        Finding::new(Level::Fault, "files", path, "Everybody on this machine may read or write this secret")
            .because("The secret is everybody's.", format!("chmod 600 {path}, owned by the user who runs dunlin"))
    })
    .collect()
}

fn database_place(database: &Path, folder: &Path) -> Vec<Finding> {
    let about = folder.display().to_string();
    let mut findings = Vec::new();
    if fs::metadata(database).is_ok_and(|found| permissions(&found) & 0o007 != 0) {
        findings.push(
            Finding::new(
                Level::Fault,
                "files",
                &database.display().to_string(),
                "Everybody on this machine may read or write the database",
            )
            .because("It holds every mail, with names and amounts.", format!("chmod o-rwx {}", database.display())),
        );
    }
    match network_file_system(folder) {
        Ok(None) => {}
        Ok(Some(kind)) => findings.push(
            Finding::new(
                Level::Fault,
                "database",
                &about,
                format!("The database is on a file system of another machine ({kind})"),
            )
            .because(
                "Its locks and its writes do not keep what they promise there: mails could go twice.",
                "Name a `database` on a disk of this machine.",
            ),
        ),
        Err(error) => {
            findings.push(Finding::new(Level::Unknown, "database", &about, format!("Its file system cannot be told: {error}")))
        }
    }
    findings.push(match rustix::fs::statvfs(folder) {
        Err(error) => Finding::new(Level::Unknown, "disk", &about, format!("The room cannot be told: {error}")),
        Ok(found) => room(&about, found.f_bavail.saturating_mul(found.f_frsize)),
    });
    findings
}

fn room(about: &str, bytes: u64) -> Finding {
    let what = format!("{} MB are free for the database", bytes >> 20);
    let level = match bytes {
        ..ROOM_LEAST => Level::Fault,
        ROOM_LEAST..ROOM_ENOUGH => Level::Note,
        _ => return Finding::ok("disk", about, what),
    };
    let why = "What cannot be recorded is not sent: on a full disk everything stops.";
    Finding::new(level, "disk", about, what).because(why, "Make room, or move the `database`.")
}

#[cfg(target_os = "linux")]
fn network_file_system(folder: &Path) -> Result<Option<&'static str>, rustix::io::Errno> {
    let found = rustix::fs::statfs(folder)?;
    // The number has a sign on some machines; it is one of 32 bits everywhere.
    let number = found.f_type as u64 & 0xffff_ffff;
    Ok(NETWORK_FILE_SYSTEMS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name))
}

#[cfg(not(target_os = "linux"))]
fn network_file_system(_: &Path) -> Result<Option<&'static str>, std::io::Error> {
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "this system does not tell"))
}

fn daemon(database: &Path) -> Finding {
    let socket = socket_path(database);
    let about = socket.display().to_string();
    if is_alive(&socket) {
        return Finding::ok("daemon", "", "The daemon runs");
    }
    if socket.exists() {
        return Finding::new(Level::Note, "daemon", &about, "A daemon ended without taking its socket away").because(
            "It was killed, or the machine went down; the next start cleans up.",
            "See its log, and start it again: `dunlin serve`.",
        );
    }
    Finding::new(Level::Note, "daemon", "", "No daemon runs").because(
        "Rules with a schedule fire only while it does.",
        "`dunlin serve` starts it; docs/operating.md has a unit for systemd.",
    )
}

fn permissions(found: &Metadata) -> u32 {
    found.mode() & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_told_before_there_is_none() {
        let levels = [0, ROOM_LEAST, ROOM_ENOUGH].map(|bytes| room("/data", bytes).level);
        assert_eq!(levels, [Level::Fault, Level::Note, Level::Ok]);
        assert_eq!(room("/data", 5 << 20).what, "5 MB are free for the database");
    }

    #[test]
    fn a_clock_behind_the_files_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let (config, database) = (folder.path().join("config.yaml"), folder.path().join("none"));
        fs::write(&config, "").unwrap();
        let written = Timestamp::try_from(fs::metadata(&config).unwrap().modified().unwrap()).unwrap();
        let at = |seconds: i64| clock([&config, &database], written - jiff::SignedDuration::from_secs(seconds)).level;
        assert_eq!([at(0), at(AHEAD_MAX_S), at(AHEAD_MAX_S + 1)], [Level::Ok, Level::Ok, Level::Fault]);
    }
}
