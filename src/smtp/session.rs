//! One connection to a server, from the greeting to the point where messages can be handed over: TLS, EHLO, AUTH.
//!
//! The dialogue of a message is in `deliver`, the keeping of connections in [`crate::smtp::pool`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::secret::Secret;
use crate::net::connect::connect;
use crate::outbox::attempt::{Outcome, Reply, Stage};
use crate::port::{Gate, Outgoing, TokenFault};
use crate::smtp::auth::{Dialogue, Mechanism, is_sendable};
use crate::smtp::command;
use crate::smtp::deliver::{Envelope, Next, deliver};
use crate::smtp::extension::Extensions;
use crate::smtp::reply::{Class, class};
use crate::smtp::settings::{Proof, Security, ServerSettings, SignIn};
use crate::smtp::tls::{TlsSetup, handshake_fault, version_word};
use crate::smtp::verdict::verdict;
use crate::smtp::wire::{Stream, Wire, WireFault};
use crate::smtp::witness::{Seen, Witness};

/// How a dialogue ended: an attempt without its times.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) stage: Stage,
    pub(crate) outcome: Outcome,
    pub(crate) reply: Option<Reply>,
    pub(crate) fault: Option<String>,
    pub(crate) recipients_refused: Vec<(compact_str::CompactString, Reply)>,
}

impl Ending {
    pub(crate) fn new(stage: Stage, outcome: Outcome) -> Self {
        Self { stage, outcome, reply: None, fault: None, recipients_refused: vec![] }
    }

    /// The server said no.
    pub(crate) fn refused(stage: Stage, reply: Reply) -> Self {
        Self { reply: Some(reply.clone()), ..Self::new(stage, verdict(stage, &reply)) }
    }

    /// Something other than a reply stood in the way.
    pub(crate) fn fault(stage: Stage, outcome: Outcome, fault: impl Into<String>) -> Self {
        Self { fault: Some(fault.into()), ..Self::new(stage, outcome) }
    }

    /// The connection failed while the final dot could not have left.
    pub(crate) fn lost(stage: Stage, fault: &WireFault) -> Self {
        Self::fault(stage, Outcome::Deferred, fault.to_string())
    }

    /// The server answered with a code that makes no sense at `stage`, before the final dot could have left.
    pub(crate) fn absurd(stage: Stage, reply: Reply) -> Self {
        let fault = format!("The server's reply {} makes no sense at this stage", reply.code);
        Self { reply: Some(reply), ..Self::fault(stage, Outcome::Deferred, fault) }
    }
}

/// Whether a connection can take another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// No message is under way, and no reply is awaited.
    Clean,
    /// As clean, but the envelope of the next message is on its way: that message and no other may follow.
    Ahead,
    /// Anything else: it must be closed.
    Spent,
}

/// A connection that has been greeted, protected and signed in as its settings ask.
pub(crate) struct Session {
    pub(crate) settings: Arc<ServerSettings>,
    pub(crate) wire: Wire,
    pub(crate) extensions: Extensions,
    pub(crate) condition: Condition,
    /// The envelope that went with the last final dot and whose replies are still to come, while the condition is `Ahead`.
    pub(crate) ahead: Option<Envelope>,
    /// Whether the server has answered the MAIL of the present message; a reused connection that fails before may
    /// just have been closed meanwhile.
    pub(crate) is_mail_answered: bool,
    opened: Instant,
    message_count: u32,
}

impl Session {
    /// Connects, and comes to the point where MAIL can be sent; `witness` sees every stage as it is passed.
    ///
    /// A token is at hand before the server is spoken to, which does not wait for another server then. One that is
    /// refused is fetched anew, once.
    pub(crate) async fn open(
        settings: &Arc<ServerSettings>,
        tls: Option<&TlsSetup>,
        witness: &mut dyn Witness,
    ) -> Result<Self, Ending> {
        let source = match settings.auth.as_ref().map(|sign_in| &sign_in.proof) {
            None => return Self::open_with(settings, tls, None, witness).await,
            Some(Proof::Password(password)) => return Self::open_with(settings, tls, Some(password), witness).await,
            Some(Proof::Token(source)) => source,
        };
        let token = source.token(None).await.map_err(|fault| without_token(&fault, None))?;
        let refused = match Self::open_with(settings, tls, Some(&token), witness).await {
            Err(ending) if is_token_refused(&ending) => ending,
            other => return other,
        };
        let another = source.token(Some(token.clone())).await.map_err(|fault| without_token(&fault, refused.reply.as_ref()))?;
        match another == token {
            true => Err(refused),
            false => Self::open_with(settings, tls, Some(&another), witness).await,
        }
    }

    /// Does so with `secret`, the password or token.
    async fn open_with(
        settings: &Arc<ServerSettings>,
        tls: Option<&TlsSetup>,
        secret: Option<&Secret>,
        witness: &mut dyn Witness,
    ) -> Result<Self, Ending> {
        let found = &mut |addresses: &[SocketAddr]| {
            witness.sees(Seen::Addresses(addresses.iter().map(SocketAddr::ip).collect()));
        };
        let tcp = connect(&settings.host, settings.port, settings.deadlines.connect, found).await;
        let tcp = tcp.map_err(|fault| Ending::fault(Stage::Connect, Outcome::Deferred, fault.to_string()))?;
        if let Ok(peer) = tcp.peer_addr() {
            witness.sees(Seen::Connected(peer));
        }
        let mut session = Self {
            settings: Arc::clone(settings),
            wire: Wire::new(Stream::Plain(tcp)),
            extensions: Extensions::default(),
            condition: Condition::Clean,
            ahead: None,
            is_mail_answered: false,
            opened: Instant::now(),
            message_count: 0,
        };
        match settings.security {
            Security::Implicit => session = session.shake_hands(tls, witness).await?,
            Security::None => session.check_plaintext(Stage::Connect, "`security: none` is set")?,
            Security::StartTls | Security::Opportunistic => {}
        }
        session.greeting(witness).await?;
        session.hello(witness).await?;
        if matches!(settings.security, Security::StartTls | Security::Opportunistic) {
            session = session.start_tls(tls, witness).await?;
        }
        if let (Some(sign_in), Some(secret)) = (&settings.auth, secret) {
            session.sign_in(sign_in, secret, witness).await?;
        }
        Ok(session)
    }

    /// Hands one message over; see [`deliver`].
    pub(crate) async fn deliver(&mut self, outgoing: &Outgoing, gate: &dyn Gate, next: &mut dyn Next) -> Ending {
        self.message_count += 1;
        deliver(self, outgoing, gate, next).await
    }

    /// Returns whether the bounds on messages and age leave room for one more.
    pub(crate) fn has_room_for_more(&self) -> bool {
        let reuse = &self.settings.reuse;
        self.message_count < reuse.messages_max && self.opened.elapsed() < reuse.age_max
    }

    /// Returns whether the connection may take another message now; one that is closed or talks unasked is spent.
    pub(crate) async fn is_reusable(&mut self) -> bool {
        if self.condition == Condition::Clean && !self.wire.is_quiet().await {
            self.condition = Condition::Spent;
        }
        self.condition == Condition::Clean && self.has_room_for_more()
    }

    /// Says goodbye and closes; a server that does not answer is not waited for long.
    pub(crate) async fn quit(mut self) {
        let within = self.settings.deadlines.quit;
        let farewell = async {
            self.wire.send(command::QUIT, within).await?;
            self.wire.reply(within).await?;
            self.wire.shut_down().await.map_err(WireFault::from)
        };
        // Nothing hangs on a goodbye: the connection is closed either way.
        if let Ok(Err(fault)) = tokio::time::timeout(within, farewell).await {
            tracing::debug!(server_id = %self.settings.id, %fault, "A connection was closed without a goodbye");
        }
    }

    /// Waits for a reply at `stage`.
    pub(crate) async fn reply(&mut self, stage: Stage, within: Duration) -> Result<Reply, WireFault> {
        let reply = self.wire.reply(within).await?;
        tracing::debug!(server_id = %self.settings.id, stage = stage.as_str(), code = reply.code, "The server answered");
        Ok(reply)
    }

    /// Makes sure that the server has said nothing unasked: the next reply would be taken for another one's.
    pub(crate) async fn expect_quiet(&mut self, stage: Stage) -> Result<(), Ending> {
        if self.wire.is_quiet().await {
            return Ok(());
        }
        let said = self.reply(stage, self.settings.deadlines.hello).await.map_err(|fault| Ending::lost(stage, &fault))?;
        Err(match class(&said) {
            Class::NotNow | Class::No => Ending::refused(stage, said),
            Class::Done | Class::GoOn => Ending::absurd(stage, said),
        })
    }

    /// Sends one line of the opening and waits for the reply.
    async fn ask(&mut self, stage: Stage, line: &[u8]) -> Result<Reply, Ending> {
        let deadlines = &self.settings.deadlines;
        let within = if stage == Stage::Tls { deadlines.tls } else { deadlines.hello };
        self.expect_quiet(stage).await?;
        let sent = self.wire.send(line, within).await;
        sent.map_err(|fault| Ending::lost(stage, &fault))?;
        self.reply(stage, within).await.map_err(|fault| Ending::lost(stage, &fault))
    }

    async fn greeting(&mut self, witness: &mut dyn Witness) -> Result<(), Ending> {
        let security = self.settings.security;
        let reply = self.reply(Stage::Greeting, self.settings.deadlines.hello).await.map_err(|fault| match fault {
            WireFault::TlsRecord if security != Security::Implicit => {
                let advice =
                    "the port wants TLS from the first byte; use `security: implicit`, or the port for STARTTLS (mostly 587)";
                Ending::fault(Stage::Greeting, Outcome::ServerFault, format!("{fault}: {advice}"))
            }
            WireFault::TimedOut(_) if security != Security::Implicit => {
                let advice = "a port that wants TLS from the first byte (mostly 465) needs `security: implicit`";
                Ending::fault(Stage::Greeting, Outcome::Deferred, format!("{fault}; {advice}"))
            }
            _ => Ending::lost(Stage::Greeting, &fault),
        })?;
        let reply = expect_done(Stage::Greeting, reply)?;
        witness.sees(Seen::Greeted(reply.text));
        Ok(())
    }

    /// Sends EHLO, or HELO to a server too old for it, and learns what the server can do.
    async fn hello(&mut self, witness: &mut dyn Witness) -> Result<(), Ending> {
        let name = match &self.settings.hello_name {
            Some(name) => name.clone(),
            None => self.address_literal(),
        };
        let line = |verb| {
            let mut line = vec![];
            let written = command::hello(&mut line, verb, &name);
            written.map(|()| line).map_err(|fault| Ending::fault(Stage::Hello, Outcome::ServerFault, fault.to_string()))
        };
        let reply = self.ask(Stage::Hello, &line("EHLO")?).await?;
        self.extensions = Extensions::default();
        if class(&reply) == Class::No {
            let reply = self.ask(Stage::Hello, &line("HELO")?).await?;
            expect_done(Stage::Hello, reply)?;
            witness.sees(Seen::Offered(vec![]));
            return Ok(());
        }
        let text = expect_done(Stage::Hello, reply)?.text;
        self.extensions = Extensions::parse(&text);
        self.extensions.pipelining &= self.settings.pipelining;
        witness.sees(Seen::Offered(text.lines().skip(1).map(str::to_owned).collect()));
        Ok(())
    }

    /// Returns our address in brackets. Source: RFC 5321 §4.1.3.
    fn address_literal(&self) -> String {
        match self.wire.local_address().map(|address| address.ip().to_canonical()) {
            Ok(IpAddr::V4(ip)) => format!("[{ip}]"),
            Ok(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
            // A socket without an address is about to fail anyway.
            Err(_) => "[127.0.0.1]".to_owned(),
        }
    }

    async fn start_tls(mut self, tls: Option<&TlsSetup>, witness: &mut dyn Witness) -> Result<Self, Ending> {
        let is_required = self.settings.security == Security::StartTls;
        if !self.extensions.start_tls {
            if is_required {
                let fault = "The server offers no STARTTLS; a port that wants TLS from the first byte (mostly 465) needs \
                             `security: implicit`";
                return Err(Ending::fault(Stage::Tls, Outcome::ServerFault, fault));
            }
            self.check_plaintext(Stage::Tls, "the server offers no STARTTLS")?;
            return Ok(self);
        }
        let reply = self.ask(Stage::Tls, command::STARTTLS).await?;
        if class(&reply) == Class::No && !is_required {
            self.check_plaintext(Stage::Tls, "the server refused STARTTLS")?;
            return Ok(self);
        }
        expect_done(Stage::Tls, reply)?;
        let mut session = self.shake_hands(tls, witness).await?;
        // What was offered in plain text may have been an attacker's word. Source: RFC 3207 §4.2.
        session.hello(witness).await?;
        Ok(session)
    }

    async fn shake_hands(self, tls: Option<&TlsSetup>, witness: &mut dyn Witness) -> Result<Self, Ending> {
        let tls = tls.expect("the pool sets TLS up for every security but `none`");
        let (settings, within) = (&self.settings, self.settings.deadlines.tls);
        let Some(tcp) = self.wire.into_unread_tcp() else {
            // Source: RFC 3207 §6; what came before the handshake must not be taken for protected.
            let fault = "The server sent bytes between its reply to STARTTLS and the handshake; somebody may have put them there";
            return Err(Ending::fault(Stage::Tls, Outcome::ServerFault, fault));
        };
        let shaken = tokio::time::timeout(within, tls.connect(tcp)).await;
        if let Some(certificate) = tls.take_shown() {
            witness.sees(Seen::Certificate(certificate));
        }
        let stream =
            shaken.map_err(|_| Ending::lost(Stage::Tls, &WireFault::TimedOut(within)))?.map_err(
                |error| match handshake_fault(&error, &settings.endpoint(), settings.security) {
                    Some(fault) => Ending::fault(Stage::Tls, Outcome::ServerFault, fault),
                    None => Ending::lost(Stage::Tls, &WireFault::Io(error)),
                },
            )?;
        let connection = stream.get_ref().1;
        if let (Some(version), Some(suite)) = (connection.protocol_version(), connection.negotiated_cipher_suite()) {
            let cipher = suite.suite().as_str().unwrap_or("unknown").to_owned();
            witness.sees(Seen::Protected { version: version_word(version), cipher });
        }
        Ok(Self { wire: Wire::new(Stream::Tls(Box::new(stream))), ..self })
    }

    /// Refuses to go on in plain text, but for this machine itself and where the settings allow it.
    fn check_plaintext(&self, stage: Stage, because: &str) -> Result<(), Ending> {
        let peer = self.wire.peer_address().map_err(|error| Ending::lost(stage, &WireFault::Io(error)))?;
        match plaintext_fault(&self.settings, peer.ip(), because) {
            None => Ok(()),
            Some(fault) => Err(Ending::fault(stage, Outcome::ServerFault, fault)),
        }
    }

    async fn sign_in(&mut self, sign_in: &SignIn, secret: &Secret, witness: &mut dyn Witness) -> Result<(), Ending> {
        let SignIn { user, proof, mechanism: asked } = sign_in;
        let fault = |text: String| Ending::fault(Stage::Auth, Outcome::ServerFault, text);
        if !self.wire.is_encrypted() {
            return Err(fault("The password was not sent, since the connection is not encrypted".to_owned()));
        }
        if !is_sendable(user, proof.kind(), secret) {
            return Err(fault("The user name or password is empty, too long or holds a control character".to_owned()));
        }
        let Some(mechanism) = Mechanism::choose(&self.extensions.sign_in, proof.kind(), *asked) else {
            return Err(fault(self.no_way_to_sign_in(sign_in)));
        };
        let settings = Arc::clone(&self.settings);
        let (mut dialogue, mut line) = Dialogue::begin(mechanism, user, secret, &settings.host, settings.port);
        // Bounded: the dialogue answers three questions at most.
        loop {
            let mut reply = self.ask(Stage::Auth, &line).await?;
            reply.text = dialogue.without_secrets(&reply.text);
            line = match class(&reply) {
                Class::GoOn => dialogue.answer(&reply.text).map_err(|challenge| fault(challenge.to_string()))?,
                // A server may be content earlier than the mechanism foresees.
                Class::Done => {
                    witness.sees(Seen::SignedIn(mechanism.name()));
                    return Ok(());
                }
                Class::NotNow | Class::No => {
                    let explained = dialogue.explanation().map(|words| format!("The server said of the token: {words}"));
                    return Err(Ending { fault: explained, ..Ending::refused(Stage::Auth, reply) });
                }
            }
        }
    }

    /// Returns the fault of a server that offers nothing we would use.
    fn no_way_to_sign_in(&self, sign_in: &SignIn) -> String {
        let offered = self.extensions.sign_in.join(", ");
        if offered.is_empty() {
            return "The server offers no way to sign in".to_owned();
        }
        match sign_in.mechanism {
            Some(asked) => format!("The server does not offer {}, which `mechanism` asks for; it offers {offered}", asked.name()),
            None => {
                let ours: Vec<&str> = Mechanism::usual(sign_in.proof.kind()).iter().map(|way| way.name()).collect();
                format!("The server takes none of our ways to sign in ({}); it offers {offered}", ours.join(", "))
            }
        }
    }
}

/// Returns whether a server turned a token down that may merely be too old.
fn is_token_refused(ending: &Ending) -> bool {
    ending.stage == Stage::Auth && ending.reply.as_ref().is_some_and(|reply| reply.code == 535)
}

/// Returns how an attempt ends that has no token; `refused` is what the server said of the one before.
fn without_token(fault: &TokenFault, refused: Option<&Reply>) -> Ending {
    let outcome = match fault {
        TokenFault::NotNow(_) => Outcome::Deferred,
        TokenFault::Standing(_) => Outcome::ServerFault,
    };
    let fault = match refused {
        Some(reply) => format!("The server refused the token ({} {}), and there is no other: {fault}", reply.code, reply.text),
        None => fault.to_string(),
    };
    Ending::fault(Stage::Auth, outcome, fault)
}

/// Returns why nothing may be sent in plain text to a server whose address is `peer`, if so.
///
/// The address counts, not the name: `localhost` can be made to point anywhere.
fn plaintext_fault(settings: &ServerSettings, peer: IpAddr, because: &str) -> Option<String> {
    let is_allowed = settings.allow_plaintext || peer.to_canonical().is_loopback();
    (!is_allowed).then(|| {
        format!(
            "Mail to {:?} would travel unencrypted, since {because}; use `security: starttls` or `implicit`, or allow it \
             with `allow_plaintext: true`",
            settings.endpoint()
        )
    })
}

fn expect_done(stage: Stage, reply: Reply) -> Result<Reply, Ending> {
    match class(&reply) {
        Class::Done => Ok(reply),
        Class::GoOn => Err(Ending::absurd(stage, reply)),
        Class::NotNow | Class::No => Err(Ending::refused(stage, reply)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::ServerId;

    #[test]
    fn mail_leaves_this_machine_in_plain_text_only_where_that_is_allowed() {
        let mut settings = ServerSettings::new(ServerId::new("primary"), "mail.acme.example", 25);
        let fault = |settings: &ServerSettings, peer: &str| plaintext_fault(settings, peer.parse().unwrap(), "it is so");
        for peer in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(fault(&settings, peer), None, "{peer}");
        }
        let expected = "Mail to \"mail.acme.example:25\" would travel unencrypted, since it is so; use `security: starttls` or \
                        `implicit`, or allow it with `allow_plaintext: true`";
        for peer in ["192.0.2.1", "10.0.0.1", "::2", "::ffff:192.0.2.1", "0.0.0.0"] {
            assert_eq!(fault(&settings, peer).as_deref(), Some(expected), "{peer}");
        }
        settings.allow_plaintext = true;
        assert_eq!(fault(&settings, "192.0.2.1"), None);
    }
}
