//! One document from the web: asked for, followed a few steps, taken whole or not at all, within a time and a size.
//!
//! A secret is shown to the server that config.yaml names and to no other. No proxy is used. Knows nothing of mails.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::domain::secret::Secret;
use crate::net::address::WebAddress;
use crate::net::connect::{answered, connect};
use crate::net::trust::{tls_error, tls_meaning};

/// How many redirects are followed.
pub const REDIRECTS_MAX: usize = 3;
/// The wait before the second try.
const SECOND_TRY_AFTER: Duration = Duration::from_millis(500);

/// What is fetched, and within what bounds.
#[derive(Clone, Debug)]
pub struct Order {
    /// Where it is.
    pub address: WebAddress,
    /// What is shown to its server.
    pub credential: Option<Credential>,
    /// Who is trusted.
    pub tls: Arc<ClientConfig>,
    /// The most bytes taken.
    pub bytes_max: usize,
    /// How long all of it may take.
    pub within: Duration,
}

/// A secret and the header that it is shown in.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The header; `None`: `Authorization`, as a bearer's. Source: RFC 6750 §2.1.
    pub header: Option<String>,
    /// The secret.
    pub secret: Secret,
}

/// A document that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Its bytes, at least one.
    pub bytes: Bytes,
    /// What its server calls its type.
    pub content_type: Option<String>,
}

/// Why it did not come; the words name no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// Another try may help at once: the network, a server in trouble.
    Passing(String),
    /// None will now: it is not there yet, or never.
    Standing(String),
}

/// Fetches a document; what fails in passing is tried once more.
///
/// # Errors
/// Why it did not come, in words for a person.
pub async fn download(order: &Order) -> Result<Downloaded, String> {
    let tries = async {
        match followed(order).await {
            Err(Fault::Passing(_)) => {
                tokio::time::sleep(SECOND_TRY_AFTER).await;
                followed(order).await
            }
            other => other,
        }
    };
    match tokio::time::timeout(order.within, tries).await {
        Err(_) => Err(format!("{} did not come within {:?}", shown(&order.address), order.within)),
        Ok(Err(Fault::Passing(words) | Fault::Standing(words))) => Err(words),
        Ok(Ok(downloaded)) => Ok(downloaded),
    }
}

/// What a server said.
enum Said {
    Document(Downloaded),
    Elsewhere(String),
}

async fn followed(order: &Order) -> Result<Downloaded, Fault> {
    let mut address = order.address.clone();
    for _ in 0..=REDIRECTS_MAX {
        let is_named = address.authority() == order.address.authority() && address.is_encrypted() == order.address.is_encrypted();
        let credential = order.credential.as_ref().filter(|_| is_named);
        match asked(&address, credential, order).await? {
            Said::Document(downloaded) => return Ok(downloaded),
            Said::Elsewhere(location) => {
                let next = resolved(&address, &location);
                address =
                    next.map_err(|fault| Fault::Standing(format!("{} leads to an address that {fault}", shown(&address))))?;
            }
        }
    }
    Err(Fault::Standing(format!("{} leads on and on: more than {REDIRECTS_MAX} redirects", shown(&order.address))))
}

/// Returns the address that a redirect leads to. Source: RFC 9110 §10.2.2; never from TLS to plain text.
fn resolved(from: &WebAddress, location: &str) -> Result<WebAddress, String> {
    let whole = match location {
        path if path.starts_with("//") => format!("{}:{path}", from.scheme()),
        path if path.starts_with('/') => format!("{}://{}{path}", from.scheme(), from.authority()),
        other => other.to_owned(),
    };
    let whole = whole.split('#').next().unwrap_or_default();
    let next = WebAddress::parse(whole).map_err(|fault| fault.to_string())?;
    if from.is_encrypted() && !next.is_encrypted() { Err("is not encrypted".to_owned()) } else { Ok(next) }
}

async fn asked(address: &WebAddress, credential: Option<&Credential>, order: &Order) -> Result<Said, Fault> {
    let at = shown(address);
    let tcp = connect(address.host(), address.port(), order.within, &mut |_| {}).await;
    let tcp = tcp.map_err(|fault| Fault::Passing(format!("{at} cannot be reached: {fault}")))?;
    if !address.is_encrypted() {
        // The address counts, not the name: `localhost` can be made to point anywhere.
        return match tcp.peer_addr() {
            Ok(peer) if peer.ip().to_canonical().is_loopback() => converse(address, credential, tcp, order.bytes_max).await,
            _ => Err(Fault::Standing(format!("{at} is not on this machine; write `https`"))),
        };
    }
    let name = ServerName::try_from(address.host().to_owned());
    let name = name.map_err(|_| Fault::Standing(format!("{at} has no name of a server")))?;
    let shaken = TlsConnector::from(order.tls.clone()).connect(name, tcp).await;
    let stream = shaken.map_err(|error| match tls_error(&error) {
        Some(fault) => {
            let meaning = tls_meaning(fault, "url", "ca_file");
            Fault::Standing(format!("the server of {at} is not trusted: {meaning} ({fault})"))
        }
        None => Fault::Passing(format!("{at} broke off: {error}")),
    })?;
    converse(address, credential, stream, order.bytes_max).await
}

async fn converse<S>(address: &WebAddress, credential: Option<&Credential>, stream: S, bytes_max: usize) -> Result<Said, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let at = shown(address);
    let mut request = Request::get(address.path())
        .header(HOST, address.authority())
        .header(ACCEPT, "*/*")
        .header(USER_AGENT, concat!("dunlin/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close");
    match credential {
        Some(Credential { header: Some(name), secret }) => request = request.header(name.as_str(), secret.expose()),
        Some(Credential { header: None, secret }) => {
            request = request.header(AUTHORIZATION, format!("Bearer {}", secret.expose()))
        }
        None => {}
    }
    let request = request.body(Empty::<Bytes>::new());
    let request =
        request.map_err(|_| Fault::Standing(format!("{at} cannot be asked for: the secret has signs that no header holds")))?;
    let broken = |error: hyper::Error| Fault::Passing(format!("{at} broke off: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let asked = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status().as_u16();
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        match status {
            200 => {}
            301 | 302 | 303 | 307 | 308 => {
                let location = header(LOCATION).ok_or_else(|| Fault::Standing(format!("{at} leads to nowhere ({status})")))?;
                return Ok(Said::Elsewhere(location));
            }
            404 | 410 => return Err(Fault::Standing(format!("{at} is not there ({status})"))),
            202 | 204 | 409 | 425 => return Err(Fault::Standing(format!("{at} is not ready ({status})"))),
            401 | 403 => return Err(Fault::Standing(format!("{at} is not given to us ({status})"))),
            429 | 500..=599 => {
                let later = header(RETRY_AFTER).map_or_else(String::new, |when| format!(", try again after {}", cut(&when)));
                return Err(Fault::Passing(format!("{at} cannot be had now ({status}{later})")));
            }
            _ => return Err(Fault::Standing(format!("{at} was answered with {status}"))),
        }
        let content_type = header(CONTENT_TYPE);
        let body = Limited::new(answer.into_body(), bytes_max).collect().await.map_err(|error| {
            match error.downcast_ref::<LengthLimitError>() {
                Some(_) => Fault::Standing(format!("{at} has more than {bytes_max} bytes")),
                None => Fault::Passing(format!("{at} broke off in the middle: {error}")),
            }
        })?;
        let bytes = body.to_bytes();
        if bytes.is_empty() {
            return Err(Fault::Standing(format!("{at} is empty")));
        }
        Ok(Said::Document(Downloaded { bytes, content_type }))
    };
    answered(connection, asked, broken).await
}

/// Returns an address without its query, which may hold a secret of its own.
fn shown(address: &WebAddress) -> String {
    let path = address.path().split('?').next().unwrap_or_default();
    format!("{}://{}{path}", address.scheme(), address.authority())
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests;
