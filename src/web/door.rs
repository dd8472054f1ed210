//! The door of the health page: how many may be in at once, for how long, and how much they may say.
//!
//! axum's own server bounds none of the three. Everybody who comes is on this machine, but a stuck scraper must not hold
//! memory or sockets of a daemon that has mails to send.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// What one who looks may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many connections may be open; further ones wait in the system's queue.
    pub connections_max: usize,
    /// How long a connection lives, whatever goes on in it; shorter than the time the daemon takes to stop.
    pub lifetime_max: Duration,
    /// How many bytes may be sent to us on one connection.
    pub bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections_max: 16, lifetime_max: Duration::from_secs(10), bytes_max: 64 * 1024 }
    }
}

/// A listener that lets in no more than the bounds say.
pub(crate) struct Door {
    listener: TcpListener,
    bounds: Bounds,
    places: Arc<Semaphore>,
}

impl Door {
    pub(crate) fn new(listener: TcpListener, bounds: Bounds) -> Self {
        Self { listener, bounds, places: Arc::new(Semaphore::new(bounds.connections_max)) }
    }
}

impl Listener for Door {
    type Io = Visit;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visit, SocketAddr) {
        let place = self.places.clone().acquire_owned().await.expect("nobody closes the semaphore");
        // axum's accept logs and waits where the system has no socket left; it never fails.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let end = Box::pin(sleep_until(Instant::now() + self.bounds.lifetime_max));
        (Visit { stream, end, bytes_left: self.bounds.bytes_max, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection, which ends when its time is over or too much was said.
pub(crate) struct Visit {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    bytes_left: usize,
    _place: OwnedSemaphorePermit,
}

impl Visit {
    /// Returns an error once the connection's time is over; until then the task is woken at its end.
    fn check_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, "The connection was open for too long")),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Visit {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let visit = self.get_mut();
        visit.check_time(context)?;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut visit.stream).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        match visit.bytes_left.checked_sub(read) {
            Some(left) => visit.bytes_left = left,
            None => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "Too much was sent"))),
        }
        polled
    }
}

impl AsyncWrite for Visit {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let visit = self.get_mut();
        visit.check_time(context)?;
        Pin::new(&mut visit.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let visit = self.get_mut();
        visit.check_time(context)?;
        Pin::new(&mut visit.stream).poll_shutdown(context)
    }
}
