//! Opens the TCP connection: every address of the host gets its chance within one deadline.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// The most addresses of one host that are tried.
pub(crate) const ADDRESSES_MAX: usize = 16;

/// How long one address may keep the next waiting. Source: RFC 8305 §5.
const HEAD_START: Duration = Duration::from_millis(250);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectFault {
    #[error("The name {host:?} cannot be looked up: {error}")]
    LookUp { host: String, error: io::Error },
    #[error("The name {host:?} has no address")]
    NoAddress { host: String },
    #[error("No connection to {endpoint:?}: {reasons}")]
    Refused { endpoint: String, reasons: String },
    #[error("No connection to {endpoint:?} within {within:?}")]
    TimedOut { endpoint: String, within: Duration },
}

/// Connects to `host:port` within `within`, name look-up included; the first address that answers wins. `found` is told
/// the addresses before they are tried.
pub(crate) async fn connect(
    host: &str,
    port: u16,
    within: Duration,
    found: &mut (dyn FnMut(&[SocketAddr]) + Send),
) -> Result<TcpStream, ConnectFault> {
    let dialling = async {
        let looked_up = lookup_host((host, port)).await;
        let looked_up = looked_up.map_err(|error| ConnectFault::LookUp { host: host.to_owned(), error })?;
        let addresses = in_turns(looked_up.collect());
        found(&addresses);
        dial(host, port, addresses).await
    };
    let timed_out = || ConnectFault::TimedOut { endpoint: format!("{host}:{port}"), within };
    timeout(within, dialling).await.unwrap_or_else(|_| Err(timed_out()))
}

/// Tries `addresses` in order, each with a head start before the next; what is left over is closed at the end.
async fn dial(host: &str, port: u16, addresses: Vec<SocketAddr>) -> Result<TcpStream, ConnectFault> {
    if addresses.is_empty() {
        return Err(ConnectFault::NoAddress { host: host.to_owned() });
    }
    let mut waiting = addresses.into_iter();
    let mut under_way = JoinSet::new();
    let mut reasons = vec![];
    loop {
        if let Some(address) = waiting.next() {
            under_way.spawn(async move { open(address).await.map_err(|error| format!("{address}: {error}")) });
        }
        let is_last = waiting.len() == 0;
        let ended = match is_last {
            true => under_way.join_next().await,
            false => match timeout_at(Instant::now() + HEAD_START, under_way.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            },
        };
        match ended {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(reason))) => reasons.push(reason),
            Some(Err(fault)) => reasons.push(fault.to_string()),
            None => {}
        }
        if is_last && under_way.is_empty() {
            return Err(ConnectFault::Refused { endpoint: format!("{host}:{port}"), reasons: reasons.join("; ") });
        }
    }
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Without this, a message's last segment waits for a delayed ACK: 44 ms a message on loopback, measured.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Returns the addresses with the two families taking turns, the resolver's first choice first.
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    std::iter::from_fn(|| Some([one.next(), other.next()])).take(ADDRESSES_MAX).flatten().flatten().take(ADDRESSES_MAX).collect()
}

/// Awaits an answer while the connection that it comes over is moved on, which is dropped with it. Where that breaks and there is no
/// answer, that is why.
pub(crate) async fn answered<T, E, F>(
    connection: impl Future<Output = Result<(), E>>,
    asked: impl Future<Output = Result<T, F>>,
    broken: impl Fn(E) -> F,
) -> Result<T, F> {
    tokio::pin!(asked);
    tokio::select! {
        answer = &mut asked => answer,
        ended = connection => match ended {
            Ok(()) => asked.await,
            Err(error) => asked.await.map_err(|_| broken(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let [a, b, c, d] = ["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"].map(address);
        assert_eq!(in_turns(vec![a, b, c, d]), [a, d, b, c]);
        assert_eq!(in_turns(vec![d, a]), [d, a]);
        assert_eq!(in_turns(vec![a; 40]).len(), ADDRESSES_MAX);
    }

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_refuses() {
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (good, bad) = (open.local_addr().unwrap(), closed.local_addr().unwrap());
        drop(closed);
        let stream = dial("mail.example", 25, vec![bad, good]).await.unwrap();
        assert_eq!((stream.peer_addr().unwrap(), stream.nodelay().unwrap()), (good, true));
        let fault = dial("mail.example", 25, vec![bad, bad]).await.unwrap_err().to_string();
        assert!(fault.starts_with(&format!("No connection to \"mail.example:25\": {bad}: ")), "{fault}");
        assert_eq!(dial("mail.example", 25, vec![]).await.unwrap_err().to_string(), "The name \"mail.example\" has no address");
    }
}
