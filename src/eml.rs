//! A transport that writes each message into a folder as an .eml file, for looking at mail without sending any.
//!
//! It honours the gate like every other transport, so that the outbox behaves as it would with a server.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::domain::date::Timestamp;
use crate::domain::hex::hexadecimal;
use crate::domain::id::ServerId;
use crate::outbox::attempt::{Attempt, Outcome, Stage};
use crate::port::{Clock, Gate, Outgoing, Pending, Transport};

/// The most files of one second and one content; more of them means that something sends in circles.
const SAME_NAME_MAX: u32 = 1_000;

/// Writes messages as files.
pub struct EmlFolder {
    server: ServerId,
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    /// One message at a time, so that two never choose one name.
    writing: Mutex<()>,
}

impl EmlFolder {
    /// Returns a transport that writes into `folder`, which must exist; `server` is its key in config.yaml.
    pub fn new(server: ServerId, folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { server, folder, clock, writing: Mutex::new(()) }
    }

    async fn attempt(&self, outgoing: &Outgoing, gate: &dyn Gate) -> Attempt {
        let _turn = self.writing.lock().await;
        let started_at = self.clock.now();
        let (stage, outcome, fault) = match gate.before_dot().await {
            Err(closed) => (Stage::Data, Outcome::NotRecorded, Some(closed.to_string())),
            Ok(()) => {
                let (folder, outgoing) = (self.folder.clone(), outgoing.clone());
                let writing = tokio::task::spawn_blocking(move || write(&folder, started_at, &outgoing));
                match writing.await.unwrap_or_else(|fault| Err(WriteFault::Before(io::Error::other(fault)))) {
                    Ok(()) => (Stage::FinalDot, Outcome::Accepted, None),
                    Err(WriteFault::Before(error)) => (Stage::Content, Outcome::Deferred, Some(self.fault(&error))),
                    Err(WriteFault::After(error)) => (Stage::FinalDot, Outcome::Unknown, Some(self.fault(&error))),
                }
            }
        };
        let lasted = self.clock.now().duration_since(started_at);
        let duration = Duration::try_from(lasted).unwrap_or_default();
        let server = self.server.clone();
        Attempt { server, started_at, duration, stage, outcome, reply: None, fault, recipients_refused: vec![] }
    }

    fn fault(&self, error: &io::Error) -> String {
        format!("The folder {:?} does not take the message: {error}", self.folder.display().to_string())
    }
}

impl Transport for EmlFolder {
    fn server(&self) -> &ServerId {
        &self.server
    }

    fn concurrency(&self) -> usize {
        1
    }

    fn attempt<'a>(&'a self, outgoing: &'a Outgoing, gate: &'a dyn Gate) -> Pending<'a, Attempt> {
        Box::pin(self.attempt(outgoing, gate))
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What failed: before the file had its name nothing is there; after it, nobody knows what a power cut leaves.
enum WriteFault {
    Before(io::Error),
    After(io::Error),
}

/// Writes a whole file and only then gives it its name, so that no half message is ever seen.
fn write(folder: &Path, at: Timestamp, outgoing: &Outgoing) -> Result<(), WriteFault> {
    let stem = format!("{}-{}", at.strftime("%Y-%m-%dT%H-%M-%SZ"), short_hash(&outgoing.bytes));
    let part = folder.join(format!(".{stem}.part"));
    let named = write_synced(&part, outgoing).and_then(|()| {
        let name = free_name(folder, &stem).ok_or(io::ErrorKind::AlreadyExists)?;
        fs::rename(&part, name)
    });
    named.map_err(|error| {
        // The first fault is the one to tell; a part that stays behind is overwritten by the next try or seen as such.
        drop(fs::remove_file(&part));
        WriteFault::Before(error)
    })?;
    sync_folder(folder).map_err(WriteFault::After)
}

fn write_synced(path: &Path, outgoing: &Outgoing) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&outgoing.signatures)?;
    file.write_all(&outgoing.bytes)?;
    file.sync_all()
}

/// Returns a name that no file has: the same message twice is two files, as it would be two mails.
fn free_name(folder: &Path, stem: &str) -> Option<PathBuf> {
    let names = std::iter::once(format!("{stem}.eml")).chain((2..SAME_NAME_MAX).map(|count| format!("{stem}-{count}.eml")));
    names.map(|name| folder.join(name)).find(|path| !path.exists())
}

fn short_hash(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes)[..6])
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    // Other systems cannot sync a folder; they keep names by journal.
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mailbox::{Recipient, RecipientRole};
    use crate::port::GateClosed;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            "2028-02-29T12:00:00Z".parse().unwrap()
        }
    }

    struct Said(Result<(), GateClosed>);

    impl Gate for Said {
        fn before_dot(&self) -> Pending<'_, Result<(), GateClosed>> {
            Box::pin(std::future::ready(self.0.clone()))
        }
    }

    async fn attempt(folder: &Path, gate: Result<(), GateClosed>) -> Attempt {
        let recipients = vec![Recipient { address: "a@b.example".into(), role: RecipientRole::To }];
        let outgoing = Outgoing {
            envelope_from: "x@y.example".into(),
            recipients,
            signatures: vec![],
            bytes: Arc::from(*b"Subject: x\r\n\r\n.\r\n"),
        };
        EmlFolder::new(ServerId::new("files"), folder.to_owned(), Arc::new(Noon)).attempt(&outgoing, &Said(gate)).await
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn the_same_message_twice_is_two_files_with_its_very_bytes() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            assert_eq!(attempt(folder.path(), Ok(())).await.outcome, Outcome::Accepted);
        }
        let names = names(folder.path());
        let stem = names[0].strip_suffix("-2.eml").unwrap();
        assert!(stem.starts_with("2028-02-29T12-00-00Z-"), "{stem}");
        assert_eq!(names, [format!("{stem}-2.eml"), format!("{stem}.eml")]);
        assert_eq!(fs::read(folder.path().join(&names[0])).unwrap(), b"Subject: x\r\n\r\n.\r\n");
    }

    #[tokio::test]
    async fn a_closed_gate_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let attempt = attempt(folder.path(), Err(GateClosed("disk full".to_owned()))).await;
        assert_eq!((attempt.stage, attempt.outcome), (Stage::Data, Outcome::NotRecorded));
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_defers_the_message() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let attempt = attempt(&gone, Ok(())).await;
        assert_eq!((attempt.stage, attempt.outcome), (Stage::Content, Outcome::Deferred));
        assert!(
            attempt
                .fault
                .unwrap()
                .starts_with(&format!("The folder {:?} does not take the message: ", gone.display().to_string()))
        );
    }
}
