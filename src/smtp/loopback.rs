//! A small real SMTP server for `dunlin demo` and the tests: it keeps what it is given and delivers nothing.
//!
//! It must not be reachable from elsewhere: [`bind`] knows only 127.0.0.1. It takes a bound socket and a shutdown
//! future, so that who starts it also stops it.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::outbox::attempt::Reply;
use crate::smtp::auth::{Credentials, Dialogue, Mechanism};
use crate::smtp::stuffing::unstuffed;
use crate::smtp::wire::Stream;

/// The longest command line taken.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// The most recipients of one message.
pub const RECIPIENTS_MAX: usize = 1_000;
/// The most commands over one connection.
pub const COMMANDS_MAX: usize = 1_000_000;
/// The most connections at once; one more is closed at once.
pub const CONNECTIONS_MAX: usize = 2_000;
/// How many bytes are read at once.
const READ_BYTES: usize = 64 * 1024;

/// A message the server has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The address in MAIL.
    pub from: String,
    /// The parameters of MAIL, as they came.
    pub parameters: String,
    /// The addresses taken, in the order of their RCPTs.
    pub recipients: Vec<String>,
    /// The message, dots no longer stuffed.
    pub bytes: Vec<u8>,
    /// Which of the server's connections it came over, counted from 1.
    pub connection: u64,
    /// Whether TLS protected it.
    pub is_encrypted: bool,
    /// Who had signed in.
    pub user: Option<String>,
}

/// When TLS begins.
#[derive(Clone, Debug)]
pub enum LoopbackTls {
    /// At once.
    Implicit(Arc<rustls::ServerConfig>),
    /// After STARTTLS.
    StartTls(Arc<rustls::ServerConfig>),
}

/// A recipient's address goes in; a reply that refuses it comes out, or `None`.
pub type RecipientRule = Arc<dyn Fn(&str) -> Option<Reply> + Send + Sync>;

/// A user's name and a token go in; whether the token is that user's and still good comes out.
pub type TokenRule = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// How the server behaves.
#[derive(Clone)]
pub struct LoopbackSettings {
    /// What is told of every message taken, before the client is.
    pub on_received: Arc<dyn Fn(Received) + Send + Sync>,
    /// Who is refused.
    pub recipient_rule: RecipientRule,
    /// TLS, if at all.
    pub tls: Option<LoopbackTls>,
    /// Who must sign in with a password, if anybody: MAIL is refused before. Offered inside TLS only.
    pub credentials: Option<Credentials>,
    /// Whose tokens are good, if anybody may sign in with one; besides or instead of `credentials`, and held to the same.
    pub token_rule: Option<TokenRule>,
    /// The ways to sign in that are offered.
    pub sign_in: &'static str,
    /// The largest message taken, in bytes.
    pub message_bytes_max: usize,
    /// Whether commands may come in groups.
    pub pipelining: bool,
    /// Whether addresses and headers may have letters beyond ASCII.
    pub smtp_utf8: bool,
}

impl LoopbackSettings {
    /// Returns a server that takes everything up to 50 MB, in plain text, and tells `on_received`.
    pub fn new(on_received: impl Fn(Received) + Send + Sync + 'static) -> Self {
        Self {
            on_received: Arc::new(on_received),
            recipient_rule: Arc::new(|_| None),
            tls: None,
            credentials: None,
            token_rule: None,
            sign_in: "PLAIN LOGIN",
            message_bytes_max: 50_000_000,
            pipelining: true,
            smtp_utf8: true,
        }
    }
}

/// Returns a socket on 127.0.0.1, on a port that the system chooses.
///
/// # Errors
/// What the system says.
pub async fn bind() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await
}

/// Serves connections to `listener` until `shutdown` is there, then closes them all.
pub async fn serve(listener: TcpListener, settings: LoopbackSettings, shutdown: impl Future<Output = ()>) {
    let settings = Arc::new(settings);
    // Dropped with this future, and every connection with it.
    let mut connections = JoinSet::new();
    let mut count = 0;
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                if connections.len() < CONNECTIONS_MAX {
                    count += 1;
                    connections.spawn(converse(stream, Arc::clone(&settings), count));
                }
            }
        }
    }
}

async fn converse(stream: TcpStream, settings: Arc<LoopbackSettings>, number: u64) {
    let ended = async {
        stream.set_nodelay(true)?;
        let stream = match &settings.tls {
            Some(LoopbackTls::Implicit(config)) => encrypted(stream, config).await?,
            Some(LoopbackTls::StartTls(_)) | None => Stream::Plain(stream),
        };
        Connection::new(stream, Arc::clone(&settings), number).run().await
    };
    if let Err(error) = ended.await {
        tracing::debug!(connection = number, %error, "A connection of the loopback server ended");
    }
}

async fn encrypted(stream: TcpStream, config: &Arc<rustls::ServerConfig>) -> io::Result<Stream> {
    let stream = TlsAcceptor::from(Arc::clone(config)).accept(stream).await?;
    Ok(Stream::Tls(Box::new(TlsStream::Server(stream))))
}

struct Connection {
    stream: Stream,
    settings: Arc<LoopbackSettings>,
    number: u64,
    received: Vec<u8>,
    /// Bytes of `received` that are done with.
    taken: usize,
    replies: Vec<u8>,
    user: Option<String>,
    sender: Option<(String, String)>,
    recipients: Vec<String>,
}

/// What a command asks the connection to do next.
enum Next {
    Command,
    StartTls(Arc<rustls::ServerConfig>),
    Quit,
}

impl Connection {
    fn new(stream: Stream, settings: Arc<LoopbackSettings>, number: u64) -> Self {
        Self {
            stream,
            settings,
            number,
            received: Vec::with_capacity(READ_BYTES),
            taken: 0,
            replies: vec![],
            user: None,
            sender: None,
            recipients: vec![],
        }
    }

    async fn run(mut self) -> io::Result<()> {
        self.say("220 loopback.example ESMTP");
        for _ in 0..COMMANDS_MAX {
            let Some(line) = self.line().await? else { return Ok(()) };
            match self.command(&line).await? {
                Next::Command => {}
                Next::Quit => {
                    self.flush().await?;
                    return self.stream.shutdown().await;
                }
                Next::StartTls(config) => {
                    self.flush().await?;
                    // What came glued to STARTTLS came in plain text: nobody may take it for protected (RFC 3207 §6).
                    if self.taken < self.received.len() {
                        return Ok(());
                    }
                    let Stream::Plain(stream) = self.stream else { return Ok(()) };
                    let stream = encrypted(stream, &config).await?;
                    self = Self::new(stream, self.settings, self.number);
                }
            }
        }
        self.say("421 4.7.0 Too many commands");
        self.flush().await
    }

    fn say(&mut self, line: &str) {
        self.replies.extend_from_slice(line.as_bytes());
        self.replies.extend_from_slice(b"\r\n");
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.replies).await?;
        self.replies.clear();
        self.stream.flush().await
    }

    /// Reads more; replies leave first, so that a group of commands is answered as a group. `false`: the end.
    async fn fill(&mut self) -> io::Result<bool> {
        self.flush().await?;
        self.received.drain(..self.taken);
        self.taken = 0;
        self.received.reserve(READ_BYTES);
        Ok(self.stream.read_buf(&mut self.received).await? > 0)
    }

    /// Returns the next line without its end, or `None` where the client has gone.
    async fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            let waiting = &self.received[self.taken..];
            if let Some(end) = memchr::memchr(b'\n', waiting) {
                let line = String::from_utf8_lossy(&waiting[..end]).trim_end_matches('\r').to_owned();
                self.taken += end + 1;
                return Ok(Some(line));
            }
            if waiting.len() > LINE_BYTES_MAX {
                return Err(io::Error::other("a command line without end"));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    async fn command(&mut self, line: &str) -> io::Result<Next> {
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.extended_hello(),
            "HELO" => self.say("250 loopback.example"),
            "MAIL" => self.mail(argument),
            "RCPT" => self.recipient(argument),
            "DATA" => self.data().await?,
            "AUTH" => self.sign_in(argument).await?,
            "RSET" => {
                self.forget();
                self.say("250 2.0.0 Forgotten");
            }
            "NOOP" => self.say("250 2.0.0 Done"),
            "QUIT" => {
                self.say("221 2.0.0 Goodbye");
                return Ok(Next::Quit);
            }
            "STARTTLS" => match &self.settings.tls {
                Some(LoopbackTls::StartTls(config)) if !self.stream.is_encrypted() => {
                    let config = Arc::clone(config);
                    self.say("220 2.0.0 Go on");
                    return Ok(Next::StartTls(config));
                }
                _ => self.say("503 5.5.1 Not offered"),
            },
            _ => self.say("500 5.5.2 Unknown command"),
        }
        Ok(Next::Command)
    }

    fn forget(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    fn extended_hello(&mut self) {
        self.forget();
        self.say("250-loopback.example");
        if self.settings.pipelining {
            self.say("250-PIPELINING");
        }
        self.say(&format!("250-SIZE {}", self.settings.message_bytes_max));
        if matches!(self.settings.tls, Some(LoopbackTls::StartTls(_))) && !self.stream.is_encrypted() {
            self.say("250-STARTTLS");
        }
        if self.wants_sign_in() && self.stream.is_encrypted() {
            self.say(&format!("250-AUTH {}", self.settings.sign_in));
        }
        if self.settings.smtp_utf8 {
            self.say("250-SMTPUTF8");
        }
        self.say("250-8BITMIME");
        self.say("250 ENHANCEDSTATUSCODES");
    }

    fn mail(&mut self, argument: &str) {
        if self.wants_sign_in() && self.user.is_none() {
            return self.say("530 5.7.0 Sign in first");
        }
        match path(argument, "FROM:") {
            Some(_) if self.sender.is_some() => self.say("503 5.5.1 One sender is enough"),
            Some((from, parameters)) => {
                self.sender = Some((from.to_owned(), parameters.to_owned()));
                self.say("250 2.1.0 Sender taken");
            }
            None => self.say("501 5.5.4 MAIL FROM:<address>"),
        }
    }

    fn recipient(&mut self, argument: &str) {
        let Some((address, _)) = path(argument, "TO:").filter(|(address, _)| !address.is_empty()) else {
            return self.say("501 5.5.4 RCPT TO:<address>");
        };
        if self.sender.is_none() {
            return self.say("503 5.5.1 MAIL comes first");
        }
        if self.recipients.len() >= RECIPIENTS_MAX {
            return self.say("452 4.5.3 Too many recipients");
        }
        match (self.settings.recipient_rule)(address) {
            Some(refusal) => self.say(&format!("{} {}", refusal.code, refusal.text.replace(['\r', '\n'], " "))),
            None => {
                self.recipients.push(address.to_owned());
                self.say("250 2.1.5 Recipient taken");
            }
        }
    }

    async fn data(&mut self) -> io::Result<()> {
        if self.recipients.is_empty() {
            self.say("554 5.5.1 No valid recipients");
            return Ok(());
        }
        self.say("354 End with a dot on a line of its own");
        match self.content().await? {
            Some(bytes) => {
                let (from, parameters) = self.sender.take().unwrap_or_default();
                let received = Received {
                    from,
                    parameters,
                    recipients: std::mem::take(&mut self.recipients),
                    bytes,
                    connection: self.number,
                    is_encrypted: self.stream.is_encrypted(),
                    user: self.user.clone(),
                };
                (self.settings.on_received)(received);
                self.say("250 2.0.0 Message taken");
            }
            None => {
                self.forget();
                self.say("552 5.3.4 Message too big");
            }
        }
        Ok(())
    }

    /// Reads up to the final dot; `None` where the message is too big, of which no more than the limit is kept.
    async fn content(&mut self) -> io::Result<Option<Vec<u8>>> {
        const END: &[u8] = b"\r\n.\r\n";
        // The CRLF before the first line is the one of DATA, so that an empty message ends at once.
        let mut content = b"\r\n".to_vec();
        let (mut searched, mut is_too_big) = (0, false);
        loop {
            content.extend_from_slice(&self.received[self.taken..]);
            self.taken = self.received.len();
            if let Some(at) = memchr::memmem::find(&content[searched..], END) {
                let end = searched + at;
                // Commands may follow in the same read.
                self.received.splice(.., content.drain(end + END.len()..));
                self.taken = 0;
                content.truncate(end + 2);
                let message = unstuffed(&content[2..]);
                return Ok((!is_too_big && message.len() <= self.settings.message_bytes_max).then_some(message));
            }
            searched = content.len().saturating_sub(END.len() - 1);
            // Dots may double the size at most.
            if content.len() > self.settings.message_bytes_max.saturating_mul(2) {
                is_too_big = true;
                content.drain(..searched);
                searched = 0;
            }
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn wants_sign_in(&self) -> bool {
        self.settings.credentials.is_some() || self.settings.token_rule.is_some()
    }

    async fn sign_in(&mut self, argument: &str) -> io::Result<()> {
        if !self.wants_sign_in() || !self.stream.is_encrypted() {
            self.say("503 5.5.1 Not offered");
            return Ok(());
        }
        let (mechanism, initial) = argument.split_once(' ').unwrap_or((argument, ""));
        let mechanism = mechanism.to_ascii_uppercase();
        self.user = match mechanism.as_str() {
            "PLAIN" | "XOAUTH2" | "OAUTHBEARER" => {
                let response = match initial {
                    "" => self.ask("").await?,
                    initial => decoded(initial),
                };
                match (mechanism.as_str(), response.as_deref()) {
                    ("PLAIN", response) => response.and_then(|fields| self.known(fields.strip_prefix('\0')?.split_once('\0')?)),
                    (_, response) => self.token_bearer(&mechanism, response.unwrap_or_default()).await?,
                }
            }
            "LOGIN" => {
                let (user, password) = (self.ask("VXNlcm5hbWU6").await?, self.ask("UGFzc3dvcmQ6").await?);
                user.zip(password).and_then(|(user, password)| self.known((&user, &password)))
            }
            "CRAM-MD5" => {
                let digest = self.ask("PDEuMUBsb29wYmFjay5leGFtcGxlPg==").await?;
                let expected = self.settings.credentials.as_ref().and_then(|own| {
                    let (mut own_side, _) = Dialogue::begin(Mechanism::CramMd5, &own.user, &own.password, "", 0);
                    let answer = own_side.answer("PDEuMUBsb29wYmFjay5leGFtcGxlPg==").ok()?;
                    Some((own.user.clone(), decoded(&String::from_utf8(answer).ok()?)?))
                });
                expected.filter(|(_, expected)| digest.as_deref() == Some(expected)).map(|(user, _)| user)
            }
            _ => None,
        };
        self.say(if self.user.is_some() { "235 2.7.0 Signed in" } else { "535 5.7.8 Wrong user name or password" });
        Ok(())
    }

    /// Returns the name of who knows the password.
    fn known(&self, (user, password): (&str, &str)) -> Option<String> {
        let own = self.settings.credentials.as_ref()?;
        (own.user == user && own.password.expose() == password).then(|| user.to_owned())
    }

    /// Returns the name of who bears a good token; of a bad one it is said in JSON why, as the protocols have it.
    async fn token_bearer(&mut self, mechanism: &str, response: &str) -> io::Result<Option<String>> {
        let mut fields = response.split('\x01');
        let head = fields.next().unwrap_or_default();
        let user = match mechanism {
            "XOAUTH2" => head.strip_prefix("user=").map(str::to_owned),
            _ => head
                .strip_prefix("n,a=")
                .and_then(|name| name.strip_suffix(','))
                .map(|name| name.replace("=2C", ",").replace("=3D", "=")),
        };
        let token = fields.find_map(|field| field.strip_prefix("auth=Bearer ")).unwrap_or_default();
        let is_good = |user: &String| self.settings.token_rule.as_ref().is_some_and(|rule| rule(user, token));
        let user = user.filter(is_good);
        if user.is_none() {
            use base64::Engine as _;
            let why = base64::engine::general_purpose::STANDARD.encode(r#"{"status":"401","schemes":"bearer"}"#);
            let answer = self.ask(&why).await?;
            if answer.as_deref() != Some(if mechanism == "XOAUTH2" { "" } else { "\x01" }) {
                return Err(io::Error::other("an explanation was not answered as the protocol asks"));
            }
        }
        Ok(user)
    }

    /// Asks for one more line of a sign-in.
    async fn ask(&mut self, prompt: &str) -> io::Result<Option<String>> {
        self.say(&format!("334 {prompt}"));
        Ok(self.line().await?.and_then(|line| decoded(&line)))
    }
}

/// Splits `FROM:<address> parameters`.
fn path<'a>(argument: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let head = argument.get(..keyword.len()).filter(|head| head.eq_ignore_ascii_case(keyword))?;
    let rest = argument[head.len()..].trim_start().strip_prefix('<')?;
    rest.split_once('>').map(|(address, parameters)| (address, parameters.trim()))
}

fn decoded(line: &str) -> Option<String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(line.trim()).ok()?;
    String::from_utf8(bytes).ok()
}
