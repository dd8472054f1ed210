//! The servers of config.yaml: presets, defaults, and no password on an open line.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::account::{Provider, auth};
use crate::config::read::{file_path, is_key};
use crate::config::{CaFile, Secrets, Server};
use crate::dkim::REPLACEABLE;
use crate::domain::id::ServerId;
use crate::domain::problem::{Place, Problem};
use crate::outbox::rate::{COUNT_MAX, Rate};
use crate::plugin::size;
use crate::port::Clock;
use crate::rulebook::Readers;
use crate::smtp::settings::{Reuse, Security, ServerSettings};
use crate::yaml::{Entry, Fields, Node, Problems, Span, boolean, choice, duration, one_or_list, text, whole};

/// The largest file of certificates, in bytes.
pub const CA_FILE_BYTES_MAX: u64 = 1 << 20;
/// The most connections to one server.
const CONNECTIONS_MAX: u64 = 100;
/// The connections to a server that names no number.
const CONNECTIONS: u64 = 3;

/// The most messages over one connection.
const REUSE_MESSAGES_MAX: u64 = 1_000_000;
/// The longest time that a connection may be told to be kept.
const REUSE_TIME_MAX: Duration = Duration::from_secs(86_400);

/// What a provider publishes, so that nobody has to look it up.
struct Preset {
    word: &'static str,
    /// `None`: it differs from account to account.
    host: Option<&'static str>,
    security: Security,
    rates: &'static [&'static str],
    /// Whose token server gives out tokens for it.
    provider: Option<Provider>,
    /// The headers it replaces with its own.
    replaces: &'static [&'static str],
}

/// The providers. A key written beside `preset` wins over it.
const PRESETS: [Preset; 3] = [
    // Client submission: 30 messages a minute, 3 connections, 10,000 recipients a day, all per mailbox.
    Preset {
        word: "exchange-online",
        host: Some("smtp.office365.com"),
        security: Security::StartTls,
        rates: &["30/min", "10000/day"],
        provider: Some(Provider::Microsoft),
        replaces: &[],
    },
    // 2,000 messages a day for an account.
    Preset {
        word: "google-workspace",
        host: Some("smtp.gmail.com"),
        security: Security::StartTls,
        rates: &["2000/day"],
        provider: Some(Provider::Google),
        replaces: &[],
    },
    // The host names the region, and the quota is the account's own; 1/s is what every account has.
    Preset {
        word: "amazon-ses",
        host: None,
        security: Security::StartTls,
        rates: &["1/s"],
        provider: None,
        replaces: &REPLACEABLE,
    },
];

/// The names of the presets.
pub(crate) fn preset_words() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.word)
}

/// The largest mail that a server takes where config.yaml does not say: what most take, as sent, with files in base64.
const MESSAGE_BYTES: u64 = 35_000_000;
/// The most that may be said: more than any server is known to take (Exchange Online, 150 MB).
const MESSAGE_BYTES_MAX: u64 = 150_000_000;

fn message_size(node: &Node, problems: &mut Problems<'_>) -> Option<u64> {
    let written = text(node, problems)?;
    let found = size(&written).filter(|bytes| (1..=MESSAGE_BYTES_MAX).contains(bytes));
    if found.is_none() {
        let hint = format!("write `35 MB`, at most {} MB", MESSAGE_BYTES_MAX / 1_000_000);
        problems.error_hint(node.span, format!("`{written}` is not the size of a mail"), hint);
    }
    found
}

/// Reads one server; `readers` may read what stands in the file.
pub(crate) fn server(entry: &Entry, readers: Readers, problems: &mut Problems<'_>) -> Option<Server> {
    if !is_key(&entry.key, entry.span, "a server", problems) {
        return None;
    }
    let mut fields = Fields::open(&entry.value, "a server", problems)?;
    let preset = fields.optional("preset", problems, |node, problems| {
        choice(&PRESETS.each_ref().map(|preset| (preset.word, preset)))(node, problems)
    });
    let preset_is_wrong = fields.node("preset").is_some() && preset.is_none();
    let host = match (fields.optional("host", problems, host), preset.and_then(|preset| preset.host)) {
        (Some(written), _) => Some(written),
        (None, Some(known)) if fields.node("host").is_none() => Some(known.to_owned()),
        (None, _) => {
            if fields.node("host").is_none() && !preset_is_wrong {
                problems.error_hint(entry.span, format!("The server `{}` needs `host`", entry.key), "add `host: …`");
            }
            None
        }
    };
    let security = match (fields.optional("security", problems, security), preset) {
        (Some(written), _) => Some(written),
        (None, Some(preset)) if fields.node("security").is_none() => Some(preset.security),
        (None, _) => {
            if fields.node("security").is_none() && !preset_is_wrong {
                let message = format!("The server `{}` needs `security`", entry.key);
                let hint = "write `security: starttls` for port 587, `implicit` for port 465; it is not guessed from the port";
                problems.error_hint(entry.span, message, hint);
            }
            None
        }
    };
    let port = fields.optional("port", problems, whole(1, 65_535)).map(|port| port as u16);
    let auth_span = fields.key_span("auth");
    let auth = fields.optional("auth", problems, auth(preset.and_then(|preset| preset.provider), readers));
    let rates = fields.optional("rate", problems, one_or_list(rate));
    let connections = fields.optional("connections", problems, whole(1, CONNECTIONS_MAX)).unwrap_or(CONNECTIONS);
    let ca_file = fields.optional("ca_file", problems, |node, problems| {
        Some(CaFile { path: file_path(node, problems)?, place: problems.place(node.span) })
    });
    let allow_plaintext = fields.optional("allow_plaintext", problems, boolean).unwrap_or(false);
    let hello_name = fields.optional("hello_name", problems, hello_name);
    let pipelining = fields.optional("pipelining", problems, boolean).unwrap_or(true);
    let message_bytes = fields.optional("size", problems, message_size).unwrap_or(MESSAGE_BYTES);
    let reuse = fields.optional("reuse", problems, reuse).unwrap_or_default();
    let replaces = fields.optional("replaces", problems, one_or_list(choice(&REPLACEABLE.map(|name| (name, name)))));
    let security_span = fields.key_span("security").unwrap_or(entry.span);
    let auth_is_there = fields.node("auth").is_some();
    fields.close(problems);
    let (host, security) = (host?, security?);
    check_security(&host, security, allow_plaintext, security_span, auth_span.filter(|_| auth_is_there), problems);
    if auth_is_there && auth.is_none() {
        return None;
    }
    let preset_rates =
        || preset.map_or(&[][..], |preset| preset.rates).iter().filter_map(|rate| Rate::parse(rate).ok()).collect();
    Some(Server {
        id: ServerId::new(&entry.key),
        port: port.unwrap_or(default_port(security)),
        host,
        security,
        auth,
        rates: rates.unwrap_or_else(preset_rates),
        connections: connections as usize,
        allow_plaintext,
        ca_file,
        hello_name,
        pipelining,
        size: message_bytes,
        reuse,
        replaces: replaces.unwrap_or_else(|| preset.map_or(&[][..], |preset| preset.replaces).to_vec()),
    })
}

/// Refuses what would send a password, or a customer's papers, over an open line.
fn check_security(
    host: &str,
    security: Security,
    allow_plaintext: bool,
    span: Span,
    auth: Option<Span>,
    problems: &mut Problems<'_>,
) {
    let is_open = matches!(security, Security::None | Security::Opportunistic);
    if let Some(auth) = auth.filter(|_| is_open) {
        let message = "A password is never sent over a connection that may be without TLS";
        problems.error_hint(auth, message, "write `security: starttls` or `implicit`, or remove `auth`");
    }
    if is_loopback(host) {
        return;
    }
    match security {
        Security::None if !allow_plaintext => problems.error_hint(
            span,
            format!("`security: none` to `{host}` would send every mail readable for all between here and there"),
            "write `security: starttls`; or, if that network is yours, add `allow_plaintext: true`",
        ),
        Security::Opportunistic => problems.warning_hint(
            span,
            format!("`security: opportunistic` to `{host}` sends mails readable for all when TLS is not offered"),
            "write `security: starttls` if the server always offers TLS",
        ),
        _ => {}
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn reuse(node: &Node, problems: &mut Problems<'_>) -> Option<Reuse> {
    let mut fields = Fields::open(node, "bounds of a connection", problems)?;
    let default = Reuse::default();
    let idle = fields.optional("idle", problems, kept_for).unwrap_or(default.idle);
    let age_max = fields.optional("age", problems, kept_for).unwrap_or(default.age_max);
    let messages = fields.optional("messages", problems, whole(1, REUSE_MESSAGES_MAX));
    fields.close(problems);
    Some(Reuse { idle, age_max, messages_max: messages.map_or(default.messages_max, |count| count as u32) })
}

/// Reads how long a connection is kept.
fn kept_for(node: &Node, problems: &mut Problems<'_>) -> Option<Duration> {
    let written = duration(node, problems)?;
    if written > REUSE_TIME_MAX {
        problems.error_hint(node.span, "No connection is kept for more than a day", "write `30 s` or `10 min`");
        return None;
    }
    Some(written)
}

fn host(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    if is_host_name(&written) || written.parse::<IpAddr>().is_ok() {
        return Some(written);
    }
    let hint = if written.contains("${") {
        "`${…}` stands for secrets only; write the host's name"
    } else if written.contains(':') {
        "write the name alone; the port has a key of its own"
    } else {
        "write a name such as `smtp.example.com`, or an IP address"
    };
    problems.error_hint(node.span, format!("`{written}` is not the name of a host"), hint);
    None
}

fn hello_name(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    if is_host_name(&written) {
        return Some(written);
    }
    problems.error_hint(node.span, format!("`{written}` is not the name of a host"), "write a name such as `mail.example.com`");
    None
}

/// Returns whether `text` is a host's name. Source: RFC 1123 §2.1, RFC 1035 §2.3.4 (lengths).
pub(crate) fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let looks_like_an_address = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.len() <= 253 && !looks_like_an_address && text.split('.').all(is_label)
}

fn security(node: &Node, problems: &mut Problems<'_>) -> Option<Security> {
    choice(&Security::ALL.map(|security| (security.as_str(), security)))(node, problems)
}

/// Returns the port that belongs to a kind of security: 465, 587 or 25.
///
/// Source: RFC 8314 §3.3 (465), RFC 6409 §3.1 (587), RFC 5321 §4.5.4.2 (25).
fn default_port(security: Security) -> u16 {
    match security {
        Security::Implicit => 465,
        Security::StartTls => 587,
        Security::Opportunistic | Security::None => 25,
    }
}

/// Reads a rate.
pub(crate) fn rate(node: &Node, problems: &mut Problems<'_>) -> Option<Rate> {
    let written = text(node, problems)?;
    let found = Rate::parse(&written);
    if found.is_err() {
        let hint = format!("write a number up to {COUNT_MAX} and `/s`, `/min`, `/h` or `/day`: `60/min`");
        problems.error_hint(node.span, format!("`{written}` is not a rate"), hint);
    }
    found.ok()
}

impl Server {
    /// Returns what the transport must be told, with secrets and certificates fetched; access tokens are fetched by `clock`
    /// when somebody signs in.
    ///
    /// # Errors
    /// A secret or a file that is not there or not right.
    pub fn settings(&self, workspace: &Path, secrets: &dyn Secrets, clock: &Arc<dyn Clock>) -> Result<ServerSettings, Problem> {
        let mut settings = ServerSettings::new(self.id.clone(), &self.host, self.port);
        settings.security = self.security;
        settings.ca_pem = self.ca_file.as_ref().map(|file| file.read(workspace)).transpose()?;
        if let Some(auth) = &self.auth {
            settings.auth = Some(auth.sign_in(&self.id, (workspace, secrets), settings.ca_pem.as_ref(), clock)?);
        }
        settings.connections = self.connections;
        settings.allow_plaintext = self.allow_plaintext;
        settings.hello_name.clone_from(&self.hello_name);
        settings.pipelining = self.pipelining;
        settings.reuse = self.reuse;
        Ok(settings)
    }
}

impl CaFile {
    /// Reads the certificates.
    ///
    /// # Errors
    /// The file cannot be read, is too large, or has no certificate in PEM form.
    pub fn read(&self, workspace: &Path) -> Result<Vec<u8>, Problem> {
        let path = &self.path;
        let problem = |message: String, place: &Place| {
            Problem::error(message).at(place.clone()).hint("name a file of certificates in PEM form")
        };
        let unreadable = |error| problem(format!("Cannot read `{path}`: {error}"), &self.place);
        let mut bytes = Vec::new();
        let file = File::open(workspace.join(path)).map_err(unreadable)?;
        file.take(CA_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > CA_FILE_BYTES_MAX {
            return Err(problem(format!("`{path}` has more than {CA_FILE_BYTES_MAX} bytes"), &self.place));
        }
        if memchr::memmem::find(&bytes, b"-----BEGIN CERTIFICATE-----").is_none() {
            return Err(problem(format!("`{path}` has no certificate"), &self.place));
        }
        Ok(bytes)
    }
}
