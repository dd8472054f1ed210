//! One request to a token server: a form goes, an answer comes, within a time and a size.
//!
//! A connection for each: a token lasts an hour. No redirect is followed, no proxy is used.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::net::address::WebAddress;
use crate::net::connect::{answered, connect};
use crate::net::trust::{tls_error, tls_meaning};
use crate::port::TokenFault;

/// The longest answer taken, in bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The status and body of an answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// Returns `fields` as a form. Source: the URL standard's `application/x-www-form-urlencoded` serializer.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
                b' ' => "+".to_owned(),
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect::<Vec<_>>().join("&")
}

/// Sends `form` to `url` and returns the answer, whatever its status.
pub(crate) async fn post(url: &WebAddress, tls: Arc<ClientConfig>, form: String, within: Duration) -> Result<Answer, TokenFault> {
    let endpoint = format!("{}:{}", url.host(), url.port());
    let exchange = async {
        let tcp = connect(url.host(), url.port(), within, &mut |_| {}).await;
        let tcp = tcp.map_err(|fault| TokenFault::NotNow(format!("The token server cannot be reached: {fault}")))?;
        if url.is_encrypted() {
            let name = ServerName::try_from(url.host().to_owned());
            let name = name.map_err(|_| TokenFault::Standing(format!("{endpoint:?} is not the name of a token server")))?;
            let shaken = TlsConnector::from(tls).connect(name, tcp).await;
            converse(url, &endpoint, shaken.map_err(|error| tls_fault(&error, &endpoint))?, form).await
        } else {
            // The address counts, not the name: `localhost` can be made to point anywhere.
            match tcp.peer_addr() {
                Ok(peer) if peer.ip().to_canonical().is_loopback() => converse(url, &endpoint, tcp, form).await,
                _ => Err(TokenFault::Standing(format!("Secrets for {endpoint:?} would travel in plain text; write `https`"))),
            }
        }
    };
    let late = || TokenFault::NotNow(format!("The token server {endpoint:?} did not answer within {within:?}"));
    tokio::time::timeout(within, exchange).await.unwrap_or_else(|_| Err(late()))
}

async fn converse<S>(url: &WebAddress, endpoint: &str, stream: S, form: String) -> Result<Answer, TokenFault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::post(url.path())
        .header(HOST, url.authority())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("dunlin/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Full::new(Bytes::from(form)))
        .expect("the parts of an address that was parsed make a request");
    let broken = |error: hyper::Error| TokenFault::NotNow(format!("The token server {endpoint:?} broke off: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let asked = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|error| match error
            .downcast_ref::<LengthLimitError>()
        {
            Some(_) => TokenFault::Standing(format!(
                "The token server {endpoint:?} answered {status} with more than {ANSWER_BYTES_MAX} bytes; is its address right?"
            )),
            None => TokenFault::NotNow(format!("The token server {endpoint:?} broke off: {error}")),
        })?;
        Ok(Answer { status, body: body.to_bytes() })
    };
    answered(connection, asked, broken).await
}

fn tls_fault(error: &io::Error, endpoint: &str) -> TokenFault {
    match tls_error(error) {
        Some(fault) => {
            let meaning = tls_meaning(fault, "token_url", "ca_file");
            TokenFault::Standing(format!("The token server {endpoint:?} is not trusted: {meaning} ({fault})"))
        }
        None => TokenFault::NotNow(format!("The token server {endpoint:?} broke off: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_hides_no_separator() {
        let fields = [("scope", "https://mail.google.com/ a"), ("secret", "a&b=c+d%é~")];
        assert_eq!(form(&fields), "scope=https%3A%2F%2Fmail.google.com%2F+a&secret=a%26b%3Dc%2Bd%25%C3%A9%7E");
    }
}
