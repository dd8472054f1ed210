//! Asks a resolver: over UDP, over TCP where the answer does not fit, another one where the first is silent.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::dns::message::{Answer, answer, question};

/// Where Unix keeps the addresses of its resolvers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The most resolvers that are asked, as the system's own library does. Source: resolv.conf(5).
pub const RESOLVERS_MAX: usize = 3;

/// How often each is asked over UDP, which may lose a packet.
const TRIES: usize = 2;

/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// The port of DNS.
const PORT: u16 = 53;

/// The largest answer over UDP; without EDNS 512 bytes, with some room for servers that do not care.
const UDP_BYTES_MAX: usize = 4096;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Addresses of the old kind.
    A,
    /// Addresses of the new kind.
    Aaaa,
    /// Who takes mail.
    Mx,
    /// Texts, SPF, DKIM and DMARC among them.
    Txt,
}

/// What is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An address.
    Address(IpAddr),
    /// A host that takes mail.
    Exchange(String),
    /// A text, its pieces joined.
    Text(String),
}

/// Why there is no answer. What follows for the question is not known then, and nothing may be concluded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Silence {
    /// Nobody answered in time, or could be reached.
    #[error("No resolver answered: {0}")]
    Nobody(String),
    /// A resolver could not or would not tell.
    #[error("The resolver answered with {}", code_word(*.0))]
    Failed(u8),
    /// The name can be in no DNS.
    #[error("{0:?} cannot be a name in DNS")]
    Unaskable(String),
}

fn code_word(code: u8) -> String {
    match code {
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        code => format!("the code {code}"),
    }
}

/// What DNS says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// These records, maybe none.
    Records(Vec<Record>),
    /// There is no such name.
    NoSuchName,
}

impl Found {
    /// Returns the records; none where there is no such name.
    pub fn records(self) -> Vec<Record> {
        match self {
            Self::Records(records) => records,
            Self::NoSuchName => Vec::new(),
        }
    }
}

/// Where questions go.
#[derive(Clone, Debug)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
}

impl Resolver {
    /// Returns one that asks `server` alone.
    pub fn at(server: SocketAddr) -> Self {
        Self { servers: vec![server] }
    }

    /// Returns one that asks those of the system; this machine's own where it names none.
    pub fn of_system() -> Self {
        let servers = nameservers(&fs::read_to_string(RESOLV_CONF).unwrap_or_default());
        Self { servers: if servers.is_empty() { vec![SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))] } else { servers } }
    }

    /// Looks `name` up, in ASCII, with or without its last dot.
    ///
    /// # Errors
    /// [`Silence`]: nothing is known then.
    pub async fn look_up(&self, name: &str, kind: Kind) -> Result<Found, Silence> {
        let id = RandomState::new().build_hasher().finish() as u16;
        let asked = question(id, name, kind).ok_or_else(|| Silence::Unaskable(name.to_owned()))?;
        let mut silence = Silence::Nobody("none is set up".to_owned());
        for _ in 0..TRIES {
            for server in &self.servers {
                match ask(*server, &asked, kind).await {
                    Ok(Answer::Records(records)) => return Ok(Found::Records(records)),
                    Ok(Answer::NoSuchName) => return Ok(Found::NoSuchName),
                    Ok(Answer::Failed(code)) => silence = Silence::Failed(code),
                    Ok(Answer::Truncated) => silence = Silence::Nobody(format!("{server}: cut off, over TCP too")),
                    Err(error) => silence = Silence::Nobody(format!("{server}: {error}")),
                }
            }
        }
        Err(silence)
    }

    /// Returns the texts of `name`.
    ///
    /// # Errors
    /// [`Silence`]: nothing is known then.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, Silence> {
        let records = self.look_up(name, Kind::Txt).await?.records().into_iter();
        Ok(records.filter_map(|record| if let Record::Text(text) = record { Some(text) } else { None }).collect())
    }

    /// Returns the addresses of `name`, of both kinds.
    ///
    /// # Errors
    /// [`Silence`]: nothing is known then.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Silence> {
        let mut records = self.look_up(name, Kind::A).await?.records();
        records.extend(self.look_up(name, Kind::Aaaa).await?.records());
        Ok(records.into_iter().filter_map(|record| if let Record::Address(ip) = record { Some(ip) } else { None }).collect())
    }
}

/// Returns the resolvers that a resolv.conf names. Source: resolv.conf(5).
fn nameservers(text: &str) -> Vec<SocketAddr> {
    let words = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    // A zone behind `%` is of this machine alone, and rarely needed.
    let addresses = words.filter_map(|rest| rest.split_whitespace().next()?.split('%').next()?.parse::<IpAddr>().ok());
    addresses.take(RESOLVERS_MAX).map(|address| SocketAddr::new(address, PORT)).collect()
}

async fn ask(server: SocketAddr, asked: &[u8], kind: Kind) -> io::Result<Answer> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {PATIENCE:?}"));
    match timeout(PATIENCE, over_udp(server, asked, kind)).await.map_err(|_| late())?? {
        Answer::Truncated => timeout(PATIENCE, over_tcp(server, asked, kind)).await.map_err(|_| late())?,
        answer => Ok(answer),
    }
}

async fn over_udp(server: SocketAddr, asked: &[u8], kind: Kind) -> io::Result<Answer> {
    let own: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(server).await?;
    socket.send(asked).await?;
    let mut space = vec![0; UDP_BYTES_MAX];
    loop {
        let length = socket.recv(&mut space).await?;
        // What does not answer the question is somebody else's, or a forgery; the answer may still come.
        if let Some(answer) = answer(&space[..length], asked, kind) {
            return Ok(answer);
        }
    }
}

/// Source: RFC 1035 §4.2.2: each message behind its length.
async fn over_tcp(server: SocketAddr, asked: &[u8], kind: Kind) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(asked.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), asked].concat()).await?;
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    answer(&bytes, asked, kind).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "what came is no answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_resolvers_are_taken_in_order_and_not_too_many() {
        let text = "# made by hand\nsearch acme.example\nnameserver 192.0.2.1\nnameserver\t2001:db8::1 \nnameserver x\n\
                    options edns0\nnameserver fe80::1%eth0\nnameserver 192.0.2.4\n";
        let expected: Vec<SocketAddr> =
            ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1]:53"].map(|address| address.parse().unwrap()).to_vec();
        assert_eq!(nameservers(text), expected);
        assert_eq!(expected.len(), RESOLVERS_MAX);
        assert_eq!(nameservers(""), []);
    }
}
