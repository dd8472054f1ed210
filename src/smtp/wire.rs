//! The bytes of one connection, in plain or inside TLS: whole replies come out, and every wait has a deadline.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsStream;

use crate::outbox::attempt::Reply;
use crate::smtp::reply::{ReplyFault, ReplyReader};

/// How many bytes are read at once.
const READ_BYTES: usize = 4096;

/// A TCP connection, in plain or inside TLS; of either side.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Returns the TCP connection beneath.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// Returns whether TLS protects it.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Self::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}

/// Why no reply came, or why bytes did not leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireFault {
    #[error("The server closed the connection")]
    Closed,
    #[error("The connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("The server did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("{0}")]
    Garbled(#[from] ReplyFault),
    #[error("The server began TLS where a reply in plain text was expected")]
    TlsRecord,
}

/// Bytes of the content handed to the connection, or how many had been when it failed.
pub(crate) struct Unwritten {
    pub(crate) written: usize,
    pub(crate) fault: WireFault,
}

/// One connection.
pub(crate) struct Wire {
    stream: Stream,
    reader: ReplyReader,
    /// Bytes received and not yet taken by the reader; never more than one line and one read.
    received: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, reader: ReplyReader::default(), received: Vec::with_capacity(READ_BYTES) }
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.stream.is_encrypted()
    }

    pub(crate) fn peer_address(&self) -> io::Result<SocketAddr> {
        self.stream.tcp().peer_addr()
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.stream.tcp().local_addr()
    }

    /// Gives the plain connection back for a handshake; `None` if bytes lie here that would be taken for protected ones.
    pub(crate) fn into_unread_tcp(self) -> Option<TcpStream> {
        match self.stream {
            Stream::Plain(tcp) if self.received.is_empty() => Some(tcp),
            _ => None,
        }
    }

    /// Waits for one whole reply.
    pub(crate) async fn reply(&mut self, within: Duration) -> Result<Reply, WireFault> {
        // Several replies may have come at once; then nobody waits, and nobody looks at the clock.
        let mut until = None;
        loop {
            // The content types of TLS records; no reply begins with such a byte. Source: RFC 8446 §5.1.
            if !self.is_encrypted() && matches!(self.received.first(), Some(0x14..=0x17)) {
                return Err(WireFault::TlsRecord);
            }
            let (taken, reply) = self.reader.read(&self.received)?;
            self.received.drain(..taken);
            if let Some(reply) = reply {
                return Ok(reply);
            }
            self.received.reserve(READ_BYTES);
            let read = self.stream.read_buf(&mut self.received);
            let until = *until.get_or_insert_with(|| Instant::now() + within);
            match timeout_at(until, read).await.map_err(|_| WireFault::TimedOut(within))?? {
                0 => return Err(WireFault::Closed),
                _ => continue,
            }
        }
    }

    /// Sends `bytes` whole.
    pub(crate) async fn send(&mut self, bytes: &[u8], within: Duration) -> Result<(), WireFault> {
        self.send_counted([bytes].into_iter(), within).await.map_err(|unwritten| unwritten.fault)
    }

    /// Sends all pieces whole, or tells how many of their bytes may have left.
    pub(crate) async fn send_counted<'b>(
        &mut self,
        pieces: impl Iterator<Item = &'b [u8]>,
        within: Duration,
    ) -> Result<(), Unwritten> {
        let mut written = 0;
        let stream = &mut self.stream;
        let sending = async {
            for mut piece in pieces {
                while !piece.is_empty() {
                    match stream.write(piece).await? {
                        0 => return Err(WireFault::Closed),
                        count => (written, piece) = (written + count, &piece[count..]),
                    }
                }
            }
            Ok(stream.flush().await?)
        };
        let ended = timeout_at(Instant::now() + within, sending).await;
        ended.unwrap_or(Err(WireFault::TimedOut(within))).map_err(|fault| Unwritten { written, fault })
    }

    /// Returns whether the server has neither closed nor said anything unasked; waits for nothing.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        let Self { stream, received, .. } = self;
        if !received.is_empty() {
            return false;
        }
        poll_fn(|context| {
            // One byte would say it; the rest is read with the next reply.
            let mut space = [0; 64];
            let mut buffer = ReadBuf::new(&mut space);
            let read = Pin::new(&mut *stream).poll_read(context, &mut buffer);
            received.extend_from_slice(buffer.filled());
            // Whatever there is to read, an end or an error included, is not quiet.
            Poll::Ready(read.is_pending())
        })
        .await
    }

    /// Ends the connection in order.
    pub(crate) async fn shut_down(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }
}
