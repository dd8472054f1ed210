//! A server that follows a script, one per connection, over real TCP; and what it saw.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long the peer waits for what its script expects; a script that hangs is a failed test.
const PATIENCE: Duration = Duration::from_secs(10);

/// One step of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends these bytes.
    Say(&'static str),
    /// Reads one line and checks its beginning.
    Hear(&'static str),
    /// Reads a message up to its final dot.
    HearContent,
    /// Reads so many bytes and no more.
    HearBytes(usize),
    /// Closes the connection in order.
    Close,
    /// Breaks the connection off (RST).
    Reset,
    /// Neither says nor reads anything for so many milliseconds.
    Pause(u64),
    /// Says nothing until the client has gone; what it sends meanwhile must be nothing.
    Silence,
}

pub use Step::*;

/// The usual opening of a server that offers `PIPELINING`.
pub const OPENING: [Step; 3] = [Say("220 peer.example\r\n"), Hear("EHLO ["), Say("250-peer.example\r\n250 PIPELINING\r\n")];

/// The usual opening of a server that offers nothing.
pub const PLAIN_OPENING: [Step; 3] = [Say("220 peer.example\r\n"), Hear("EHLO ["), Say("250 peer.example\r\n")];

/// The envelope of [`crate::house::message`], as a group.
pub const ENVELOPE: [Step; 3] = [Hear("MAIL FROM:<ar@acme.example>"), Hear("RCPT TO:<one@customer.example>"), Hear("DATA")];

/// Joins parts of a script.
pub fn script(parts: &[&[Step]]) -> Vec<Step> {
    parts.concat()
}

/// A peer that plays one script for each connection, in the order in which they come.
pub struct Peer {
    pub port: u16,
    play: JoinHandle<Vec<String>>,
}

impl Peer {
    pub async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let play = tokio::spawn(async move {
            let mut faults = vec![];
            for (index, script) in scripts.into_iter().enumerate() {
                let (stream, _) = listener.accept().await.unwrap();
                if let Err(fault) = play(stream, &script).await {
                    faults.push(format!("connection {}: {fault}", index + 1));
                }
            }
            faults
        });
        Self { port, play }
    }

    /// Asserts that every script was played to its end.
    pub async fn assert_played(self) {
        let faults = tokio::time::timeout(PATIENCE * 2, self.play).await.expect("every script is played").unwrap();
        assert_eq!(faults, [""; 0]);
    }
}

async fn play(mut stream: TcpStream, script: &[Step]) -> Result<(), String> {
    let mut heard = Vec::new();
    for step in script {
        let played = tokio::time::timeout(PATIENCE, perform(&mut stream, &mut heard, step)).await;
        match played.map_err(|_| format!("waited in vain for {step:?}")).flatten()? {
            Go::On => {}
            Go::Reset => {
                stream.set_zero_linger().unwrap();
                return Ok(());
            }
        }
    }
    Ok(())
}

enum Go {
    On,
    Reset,
}

async fn perform(stream: &mut TcpStream, heard: &mut Vec<u8>, step: &Step) -> Result<Go, String> {
    match step {
        Say(text) => stream.write_all(text.as_bytes()).await.map_err(|error| format!("{step:?}: {error}"))?,
        Hear(beginning) => {
            let line = up_to(stream, heard, b"\r\n").await?;
            if !line.starts_with(beginning) {
                return Err(format!("heard {line:?} instead of {beginning:?}"));
            }
        }
        HearContent => drop(up_to(stream, heard, b"\r\n.\r\n").await?),
        HearBytes(count) => {
            while heard.len() < *count {
                read(stream, heard).await?;
            }
        }
        Close => stream.shutdown().await.map_err(|error| error.to_string())?,
        Reset => return Ok(Go::Reset),
        Pause(milliseconds) => tokio::time::sleep(std::time::Duration::from_millis(*milliseconds)).await,
        Silence => {
            // An RST ends the silence as well as a FIN.
            while read(stream, heard).await.is_ok() {}
            if !heard.is_empty() {
                return Err(format!("heard {:?} instead of nothing", String::from_utf8_lossy(heard)));
            }
        }
    }
    Ok(Go::On)
}

async fn up_to(stream: &mut TcpStream, heard: &mut Vec<u8>, end: &[u8]) -> Result<String, String> {
    loop {
        if let Some(at) = heard.windows(end.len()).position(|window| window == end) {
            return Ok(String::from_utf8_lossy(&heard.drain(..at + end.len()).collect::<Vec<_>>()).into_owned());
        }
        read(stream, heard).await?;
    }
}

async fn read(stream: &mut TcpStream, heard: &mut Vec<u8>) -> Result<(), String> {
    match stream.read_buf(heard).await {
        Ok(0) => Err(format!("the client has gone; heard {:?}", String::from_utf8_lossy(heard))),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
