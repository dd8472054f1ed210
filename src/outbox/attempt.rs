//! One attempt to hand a message to a server, told by stage, so that what may be tried again is never a guess.

use std::time::Duration;

use compact_str::CompactString;

use crate::domain::date::Timestamp;
use crate::domain::id::ServerId;

/// How far an SMTP session had come. The order is the order on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Name look-up and TCP connection.
    Connect,
    /// TLS handshake, at once or after STARTTLS.
    Tls,
    /// Waiting for the server's 220.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    MailFrom,
    /// RCPT TO.
    RcptTo,
    /// DATA, until the 354.
    Data,
    /// The message's own bytes, up to and without the final dot.
    Content,
    /// From the moment the final dot may have left until the reply to it.
    FinalDot,
}

impl Stage {
    /// Every stage, in the order on the wire.
    pub const ALL: [Self; 10] = [
        Self::Connect,
        Self::Tls,
        Self::Greeting,
        Self::Hello,
        Self::Auth,
        Self::MailFrom,
        Self::RcptTo,
        Self::Data,
        Self::Content,
        Self::FinalDot,
    ];

    /// Reads the word the store and the commands use.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == word)
    }

    /// Returns the word the store and the commands use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Greeting => "greeting",
            Self::Hello => "hello",
            Self::Auth => "auth",
            Self::MailFrom => "mail_from",
            Self::RcptTo => "rcpt_to",
            Self::Data => "data",
            Self::Content => "content",
            Self::FinalDot => "final_dot",
        }
    }
}

/// A server's reply. Source: RFC 5321 §4.2, RFC 3463 (enhanced codes), RFC 2034.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The three-digit code, 200 to 599.
    pub code: u16,
    /// The enhanced code `class.subject.detail`, where the text starts with one.
    pub enhanced: Option<(u8, u16, u16)>,
    /// The whole text, lines joined with `\n`, the enhanced code included.
    pub text: String,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// 2yz to the final dot: the server has taken the message over.
    Accepted,
    /// A temporary refusal (4yz), or the network failed before the final dot may have left: safe to try again.
    Deferred,
    /// A refusal for good (5yz) of this message or of all its recipients.
    Refused,
    /// This server cannot take the message as it is: too large for it, or in letters it does not know. It was not offered;
    /// another server may take it.
    Unsuited,
    /// The server will take nothing from us as we are (sign-in, TLS, policy): a fault of the configuration, not of
    /// the message. Safe to try again once it is mended.
    ServerFault,
    /// The final dot may have left and no reply came: nobody can know.
    Unknown,
    /// The permission to send the final dot was not given (the store could not record it): nothing left.
    NotRecorded,
}

impl Outcome {
    /// Returns the word the store and the commands use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Deferred => "deferred",
            Self::Refused => "refused",
            Self::Unsuited => "unsuited",
            Self::ServerFault => "server_fault",
            Self::Unknown => "unknown",
            Self::NotRecorded => "not_recorded",
        }
    }
}

/// The record of one attempt; appended to the store, never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The server it was made through.
    pub server: ServerId,
    /// When it began, the wait for the server's rate being over.
    pub started_at: Timestamp,
    /// How long it took, waiting for a connection included.
    pub duration: Duration,
    /// The furthest stage reached.
    pub stage: Stage,
    /// How it ended.
    pub outcome: Outcome,
    /// The reply that decided, if a reply did.
    pub reply: Option<Reply>,
    /// What went wrong where no reply tells: a network error, a timeout, a TLS fault. Never holds a secret.
    pub fault: Option<String>,
    /// Every recipient refused for good, with the reply to each; also where others were taken and the message went out.
    pub recipients_refused: Vec<(CompactString, Reply)>,
}
