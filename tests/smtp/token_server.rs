//! A token server over real HTTP on this machine that answers as it is told, and remembers what it was asked. The tests of the
//! whole program use it too.

#![allow(dead_code, reason = "each of the two needs a part of it")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The fields of a form that was sent.
pub type Form = BTreeMap<String, String>;

/// What follows a request.
pub enum Answer {
    /// A status and a body.
    Reply(u16, String),
    /// Nothing, until the client has gone.
    Silence,
    /// The end of the connection.
    Close,
    /// Bytes as they are.
    Bytes(&'static str),
}

/// Returns a token that is good for `seconds`.
pub fn token(text: &str, seconds: u32) -> Answer {
    Answer::Reply(200, format!("{{\"token_type\":\"Bearer\",\"expires_in\":{seconds},\"access_token\":\"{text}\"}}"))
}

/// The server; it stands as long as the test.
pub struct TokenServer {
    pub port: u16,
    asked: Arc<Mutex<Vec<Form>>>,
}

impl TokenServer {
    /// Starts a server whose answer to the request number `count`, from 1, with the fields of a form, is `answer`.
    pub fn start(answer: impl Fn(usize, &Form) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(None, answer)
    }

    /// Starts one behind TLS.
    pub fn start_with(tls: Option<Arc<ServerConfig>>, answer: impl Fn(usize, &Form) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (asked.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, answer, tls) = (kept.clone(), answer.clone(), tls.clone());
                thread::spawn(move || match tls {
                    Some(config) => converse(StreamOwned::new(ServerConnection::new(config).unwrap(), stream), &kept, &*answer),
                    None => converse(stream, &kept, &*answer),
                });
            }
        });
        Self { port, asked }
    }

    /// Starts a server that gives out the tokens `token-1`, `token-2` and so on, each good for an hour.
    pub fn counting() -> Self {
        Self::start(|count, _| token(&format!("token-{count}"), 3_600))
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    /// Returns the forms so far.
    pub fn asked(&self) -> Vec<Form> {
        self.asked.lock().unwrap().clone()
    }
}

/// Hears one request and answers it; a client that goes away meanwhile is none of the server's concern.
fn converse(mut stream: impl Read + Write, asked: &Mutex<Vec<Form>>, answer: &dyn Fn(usize, &Form) -> Answer) {
    let mut heard = Vec::new();
    let (head, length) = loop {
        let mut space = [0; 4096];
        match stream.read(&mut space) {
            Ok(count @ 1..) => heard.extend_from_slice(&space[..count]),
            _ => return,
        }
        let text = String::from_utf8_lossy(&heard).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            let length: usize = length.unwrap_or_default();
            if body.len() >= length {
                break (head.to_owned(), length);
            }
        }
    };
    assert!(head.starts_with("POST /token HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/x-www-form-urlencoded"), "{head}");
    let body = String::from_utf8(heard[heard.len() - length..].to_vec()).unwrap();
    let form: Form =
        body.split('&').filter_map(|field| field.split_once('=')).map(|(name, value)| (decoded(name), decoded(value))).collect();
    let count = {
        let mut asked = asked.lock().unwrap();
        asked.push(form.clone());
        asked.len()
    };
    let written = match answer(count, &form) {
        Answer::Reply(status, body) => {
            write!(stream, "HTTP/1.1 {status} So\r\nlocation: /else\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }
        Answer::Bytes(bytes) => stream.write_all(bytes.as_bytes()),
        Answer::Close => Ok(()),
        Answer::Silence => {
            while matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
            Ok(())
        }
    };
    drop(written.and_then(|()| stream.flush()));
}

fn decoded(field: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = field.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: String = [rest.next().unwrap(), rest.next().unwrap()].map(char::from).iter().collect();
                u8::from_str_radix(&digits, 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}
