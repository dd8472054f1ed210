//! The socket itself, on Unix.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::control::{ANSWER_BYTES_MAX, CALLER_TIME_MAX, CALLERS_MAX, ControlError, REQUEST_BYTES_MAX, Request, recorded_name};

/// The longest path a socket can have everywhere, its closing zero included (104 on macOS, 108 on Linux).
const PATH_BYTES_MAX: usize = 104;

/// How much of something that is not understood is shown.
const SHOWN_CHARS_MAX: usize = 60;

/// How long accepting rests after it failed, as it does where too many files are open.
const ACCEPT_REST: Duration = Duration::from_millis(200);

/// A request's line.
#[derive(Debug, Serialize, Deserialize)]
struct Line<B> {
    person: String,
    body: B,
}

/// Listens for requests; the socket vanishes with it.
#[derive(Debug)]
pub struct Listener {
    path: PathBuf,
    requests: mpsc::Receiver<(Request, Responder)>,
    accepting: JoinHandle<()>,
}

/// The way back to somebody who asked. Dropped without an answer, it tells them that none comes.
#[derive(Debug)]
pub struct Responder {
    path: PathBuf,
    stream: UnixStream,
    _place: tokio::sync::OwnedSemaphorePermit,
}

impl Listener {
    /// Listens at `path`, for the user of this process alone. What a dead process left there is replaced; whoever calls
    /// holds the database's lock, so that no two do so at once. Must be called within a runtime.
    ///
    /// # Errors
    /// `Taken` where a living process listens there, `Io` where the system refuses.
    pub fn bind(path: &Path) -> Result<Self, ControlError> {
        let failed = |source| ControlError::Io { path: path.to_owned(), source };
        if is_alive(path) {
            return Err(ControlError::Taken { path: path.to_owned() });
        }
        // Made beside its place and moved there once nobody else may use it.
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        remove(&new).map_err(failed)?;
        let listener = with_short(&new, |short| UnixListener::bind(short)).map_err(failed)?;
        fs::set_permissions(&new, Permissions::from_mode(0o600)).map_err(failed)?;
        fs::rename(&new, path).map_err(failed)?;
        let (heard, requests) = mpsc::channel(CALLERS_MAX);
        let accepting = tokio::spawn(accept_all(listener, path.to_owned(), heard));
        Ok(Self { path: path.to_owned(), requests, accepting })
    }

    /// Returns the next whole request. A caller that is slow, garbled or too long is turned away by itself and holds up
    /// nobody. May be cancelled without losing one.
    pub async fn accept(&mut self) -> (Request, Responder) {
        match self.requests.recv().await {
            Some(next) => next,
            // The accepting task ends only with this value.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, "The socket could not be taken away; the next start replaces it");
        }
    }
}

impl Responder {
    /// Answers.
    ///
    /// # Errors
    /// Why the answer did not reach the caller; what was done is done.
    pub async fn answer(mut self, answer: &Value) -> Result<(), ControlError> {
        let line = line(&self.path, answer, ANSWER_BYTES_MAX)?;
        in_time(&self.path, CALLER_TIME_MAX, write(&mut self.stream, &line)).await
    }
}

/// Asks whoever listens at `path`, and waits at most `patience` for the answer.
///
/// # Errors
/// `Nobody` where nobody listens: nothing was heard then, which is certain of no other error.
pub async fn ask(path: &Path, person: &str, body: &Value, patience: Duration) -> Result<Value, ControlError> {
    let request = line(path, &Line { person: person.to_owned(), body }, REQUEST_BYTES_MAX)?;
    let asking = async {
        let mut stream = connect(path).await?;
        write(&mut stream, &request).await?;
        read(&mut stream, ANSWER_BYTES_MAX).await
    };
    let text = in_time(path, patience, asking).await?;
    understood(path, &text, ANSWER_BYTES_MAX)
}

/// Takes callers in and reads each in a task of its own, as long as somebody wants to hear them.
async fn accept_all(listener: UnixListener, path: PathBuf, heard: mpsc::Sender<(Request, Responder)>) {
    let places = Arc::new(Semaphore::new(CALLERS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "A caller at the socket could not be taken in");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let (path, heard) = (path.clone(), heard.clone());
        tokio::spawn(async move {
            let mut responder = Responder { path, stream, _place: place };
            match hear(&mut responder).await {
                // Where nobody listens any more, the caller sees its connection end.
                Ok(request) => drop(heard.send((request, responder)).await),
                Err(error) => tracing::warn!(%error, "A caller at the socket was turned away"),
            }
        });
    }
}

async fn hear(responder: &mut Responder) -> Result<Request, ControlError> {
    let path = responder.path.clone();
    let uid = responder.stream.peer_cred().map_err(|source| ControlError::Io { path: path.clone(), source })?.uid();
    let text = in_time(&path, CALLER_TIME_MAX, read(&mut responder.stream, REQUEST_BYTES_MAX)).await?;
    let Line { person, body } = understood(&path, &text, REQUEST_BYTES_MAX)?;
    Ok(Request { person: recorded_name(&person, uid), uid, body })
}

/// Does one thing within its time, and tells the place where it failed.
async fn in_time<T>(path: &Path, most: Duration, doing: impl Future<Output = io::Result<T>>) -> Result<T, ControlError> {
    match timeout(most, doing).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(source)) if is_nobody(&source) => Err(ControlError::Nobody { path: path.to_owned() }),
        Ok(Err(source)) => Err(ControlError::Io { path: path.to_owned(), source }),
        Err(_) => Err(ControlError::Late { path: path.to_owned(), waited: most }),
    }
}

async fn write(stream: &mut UnixStream, line: &[u8]) -> io::Result<()> {
    stream.write_all(line).await?;
    stream.flush().await
}

/// Reads one line, at most a byte more than it may have.
async fn read(stream: &mut UnixStream, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    BufReader::new(stream.take(bytes_max + 1)).read_until(b'\n', &mut text).await?;
    Ok(text)
}

fn line(path: &Path, value: &impl Serialize, bytes_max: u64) -> Result<Vec<u8>, ControlError> {
    let mut line = serde_json::to_vec(value).expect("maps with text keys, lists, texts and numbers");
    line.push(b'\n');
    if line.len() as u64 > bytes_max {
        return Err(ControlError::TooLong { path: path.to_owned(), bytes_max });
    }
    Ok(line)
}

fn understood<T: for<'t> Deserialize<'t>>(path: &Path, text: &[u8], bytes_max: u64) -> Result<T, ControlError> {
    if text.len() as u64 > bytes_max {
        return Err(ControlError::TooLong { path: path.to_owned(), bytes_max });
    }
    // Without its end a line was cut off.
    let whole = text.strip_suffix(b"\n").and_then(|text| serde_json::from_slice(text).ok());
    whole.ok_or_else(|| ControlError::Garbled {
        path: path.to_owned(),
        text: String::from_utf8_lossy(text).chars().filter(|letter| !letter.is_control()).take(SHOWN_CHARS_MAX).collect(),
    })
}

async fn connect(path: &Path) -> io::Result<UnixStream> {
    if path.as_os_str().len() < PATH_BYTES_MAX {
        return UnixStream::connect(path).await;
    }
    // Connecting at once does not wait: a socket of this kind answers or refuses on the spot.
    let stream = with_short(path, |short| std::os::unix::net::UnixStream::connect(short))?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Returns whether a living process listens at `path`.
pub fn is_alive(path: &Path) -> bool {
    with_short(path, |short| std::os::unix::net::UnixStream::connect(short)).is_ok()
}

/// Uses a path that may be too long for a socket's address, through its open folder.
fn with_short<T>(path: &Path, with: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    use std::os::fd::AsRawFd;
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if path.as_os_str().len() >= PATH_BYTES_MAX && cfg!(target_os = "linux") => {
            let folder = File::open(parent)?;
            with(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
        }
        _ => with(path),
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
