//! The account on a server: a password, or one of the ways to get access tokens (OAuth 2). Each way has its own keys; keys of
//! two ways together are a problem, never a guess.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::read::file_path;
use crate::config::secret::{Literal, secret};
use crate::config::{CaFile, SecretRef, SecretSource, Secrets};
use crate::domain::id::ServerId;
use crate::domain::problem::{Place, Problem};
use crate::net::address::{WebAddress, WebAddressFault};
use crate::oauth::assertion::{Certificate, KeyFault, SigningKey};
use crate::oauth::service_account::KeyFile;
use crate::oauth::settings::{Account, Client, ClientProof, EXCHANGE_WITHIN, Grant};
use crate::oauth::source::AccountTokens;
use crate::port::Clock;
use crate::rulebook::Readers;
use crate::smtp::auth::{Mechanism, ProofKind};
use crate::smtp::settings::{Proof, SignIn};
use crate::yaml::{Fields, Node, Problems, Span, choice, text};

/// What a token for Exchange Online is for, where the program itself signs in; a token for Graph is refused.
const MICROSOFT_SCOPE: &str = "https://outlook.office365.com/.default";
/// The same where a person agreed; `offline_access` brings a refresh token that goes on living.
const MICROSOFT_PERSON_SCOPE: &str = "https://outlook.office.com/SMTP.Send offline_access";
/// What a token for Gmail's SMTP is for; there is no smaller one.
const GOOGLE_SCOPE: &str = "https://mail.google.com/";
const GOOGLE_TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// The ways to get tokens, for hints.
const WAYS: &str = "an account has `client_id` with `client_secret` or with `certificate` and `private_key`, or `client_id` with \
                    `refresh_token`, or `service_account`";

/// A provider whose token server is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// Exchange Online.
    Microsoft,
    /// Google Workspace.
    Google,
}

/// An account on a server.
#[derive(Clone, Debug)]
pub struct Auth {
    /// The account's name.
    pub user: String,
    /// What proves that it is ours.
    pub proof: AuthProof,
    /// The only way to sign in; `None`: the best that the server offers.
    pub mechanism: Option<Mechanism>,
}

impl Auth {
    /// Returns every secret that it names.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let oauth2 = match &self.proof {
            AuthProof::Password(password) => return vec![password],
            AuthProof::Oauth2(oauth2) => oauth2,
        };
        match &oauth2.way {
            OauthWay::Program { client, .. } => client.secret().into_iter().collect(),
            OauthWay::Person { client, refresh_token, .. } => client.secret().into_iter().chain([refresh_token]).collect(),
            OauthWay::ServiceAccount { key_file } => vec![key_file],
        }
    }
}

impl OauthClient {
    fn secret(&self) -> Option<&SecretRef> {
        match &self.proof {
            OauthClientProof::None => None,
            OauthClientProof::Secret(secret) => Some(secret),
            OauthClientProof::Certificate { private_key, .. } => Some(private_key),
        }
    }
}

/// What proves that an account is ours, as config.yaml names it.
#[derive(Clone, Debug)]
pub enum AuthProof {
    /// A password.
    Password(SecretRef),
    /// Access tokens.
    Oauth2(Box<Oauth2>),
}

/// Where access tokens come from.
#[derive(Clone, Debug)]
pub struct Oauth2 {
    /// What a token shall be good for; `None`: what the token server thinks right.
    pub scope: Option<String>,
    /// The way.
    pub way: OauthWay,
}

/// The ways to get access tokens.
#[derive(Clone, Debug)]
pub enum OauthWay {
    /// A program that the token server knows, by itself.
    Program {
        /// Where tokens are given out.
        token_url: WebAddress,
        /// The program.
        client: OauthClient,
    },
    /// The same in the name of a person who agreed.
    Person {
        /// Where tokens are given out.
        token_url: WebAddress,
        /// The program.
        client: OauthClient,
        /// What stands for the agreement.
        refresh_token: SecretRef,
    },
    /// A Google service account, in the name of the mailbox.
    ServiceAccount {
        /// Its key file.
        key_file: SecretRef,
    },
}

/// A program that a token server knows.
#[derive(Clone, Debug)]
pub struct OauthClient {
    /// Its id.
    pub id: String,
    /// What proves that it is that program.
    pub proof: OauthClientProof,
}

/// What proves which program asks.
#[derive(Clone, Debug)]
pub enum OauthClientProof {
    /// Nothing.
    None,
    /// A secret.
    Secret(SecretRef),
    /// A certificate and its key.
    Certificate {
        /// The certificate.
        certificate: CaFile,
        /// The key.
        private_key: SecretRef,
    },
}

/// Reads an account; `readers` may read what stands in the file.
pub(crate) fn auth(provider: Option<Provider>, readers: Readers) -> impl Fn(&Node, &mut Problems<'_>) -> Option<Auth> {
    move |node, problems| {
        let mut fields = Fields::open(node, "an account", problems)?;
        let user = fields.required("user", problems, plain);
        let mechanism = fields.optional("mechanism", problems, |node, problems| {
            choice(&Mechanism::ALL.map(|mechanism| (mechanism.as_str(), mechanism)))(node, problems)
        });
        let mechanism_span = fields.key_span("mechanism");
        let password = fields.optional("password", problems, secret(Literal::For(readers)));
        let oauth2 = fields.optional("oauth2", problems, oauth2(provider, readers));
        let (has_password, has_oauth2) = (fields.node("password").is_some(), fields.node("oauth2").is_some());
        fields.close(problems);
        let kind = match (has_password, has_oauth2) {
            (false, false) => {
                let hint = "write `password: \"${env:NAME}\"`";
                problems.error_hint(node.span, "An account needs `password` or `oauth2`", hint);
                return None;
            }
            (true, true) => {
                problems.error_hint(node.span, "An account has `password` or `oauth2`, not both", "remove one of the two");
                return None;
            }
            (true, false) => ProofKind::Password,
            (false, true) => ProofKind::Token,
        };
        if let (Some(asked), Some(span)) = (mechanism.filter(|asked| asked.proof() != kind), mechanism_span) {
            let (takes, has) = match kind {
                ProofKind::Password => ("a token", "`password`"),
                ProofKind::Token => ("a password", "`oauth2`"),
            };
            let fitting: Vec<&str> =
                Mechanism::ALL.into_iter().filter(|way| way.proof() == kind).map(Mechanism::as_str).collect();
            let message = format!("`mechanism: {}` takes {takes}, and this account has {has}", asked.as_str());
            problems.error_hint(span, message, format!("leave it out, or write one of: {}", fitting.join(", ")));
            return None;
        }
        let proof = match kind {
            ProofKind::Password => AuthProof::Password(password?),
            ProofKind::Token => AuthProof::Oauth2(Box::new(oauth2?)),
        };
        Some(Auth { user: user?, proof, mechanism })
    }
}

/// Reads where tokens come from.
fn oauth2(provider: Option<Provider>, readers: Readers) -> impl Fn(&Node, &mut Problems<'_>) -> Option<Oauth2> {
    move |node, problems| {
        let mut fields = Fields::open(node, "an OAuth 2 account", problems)?;
        let written = Written {
            tenant: fields.optional("tenant", problems, tenant),
            token_url: fields.optional("token_url", problems, token_url),
            client_id: fields.optional("client_id", problems, plain),
            client_secret: fields.optional("client_secret", problems, secret(Literal::For(readers))),
            certificate: fields.optional("certificate", problems, |node, problems| {
                Some(CaFile { path: file_path(node, problems)?, place: problems.place(node.span) })
            }),
            private_key: fields.optional("private_key", problems, secret(Literal::Never)),
            refresh_token: fields.optional("refresh_token", problems, secret(Literal::For(readers))),
            service_account: fields.optional("service_account", problems, secret(Literal::Never)),
            scope: fields.optional("scope", problems, scope),
        };
        // By what stands there, not by what of it is right: a key that is wrong has its problem already.
        let keys: [&'static str; 8] = [
            "tenant",
            "token_url",
            "client_id",
            "client_secret",
            "certificate",
            "private_key",
            "refresh_token",
            "service_account",
        ];
        let there: Vec<(&'static str, Span)> =
            keys.into_iter().filter_map(|key| fields.node(key).and(fields.key_span(key)).map(|span| (key, span))).collect();
        let scope_is_wrong = fields.node("scope").is_some() && written.scope.is_none();
        let span = fields.span();
        fields.close(problems);
        let found = written.way(provider, &there, span, problems)?;
        (!scope_is_wrong).then_some(found)
    }
}

/// What stands under `oauth2`, as far as it is right.
struct Written {
    tenant: Option<String>,
    token_url: Option<WebAddress>,
    client_id: Option<String>,
    client_secret: Option<SecretRef>,
    certificate: Option<CaFile>,
    private_key: Option<SecretRef>,
    refresh_token: Option<SecretRef>,
    service_account: Option<SecretRef>,
    scope: Option<String>,
}

impl Written {
    /// Returns the one way that the keys `there` make, or notes what stands against it.
    fn way(
        self,
        provider: Option<Provider>,
        there: &[(&'static str, Span)],
        span: Span,
        problems: &mut Problems<'_>,
    ) -> Option<Oauth2> {
        let place_of = |key: &str| there.iter().find(|(name, _)| *name == key).map(|(_, span)| *span);
        let has = |key: &str| place_of(key).is_some();
        let mut is_right = true;
        let mut wrong = |span: Span, message: String, hint: &str| {
            problems.error_hint(span, message, hint);
            is_right = false;
        };
        if let Some(account) = place_of("service_account") {
            for (key, span) in there.iter().filter(|(key, _)| *key != "service_account") {
                wrong(*span, format!("`{key}` does not go with `service_account`, whose file says all"), "remove one of the two");
            }
            if provider == Some(Provider::Microsoft) {
                wrong(account, "`service_account` is Google's, and the server is Microsoft's".to_owned(), WAYS);
            }
            let scope = self.scope.unwrap_or_else(|| GOOGLE_SCOPE.to_owned());
            let key_file = self.service_account?;
            return is_right.then_some(Oauth2 { scope: Some(scope), way: OauthWay::ServiceAccount { key_file } });
        }
        let is_person = has("refresh_token");
        if !has("client_id") {
            wrong(span, "An OAuth 2 account needs `client_id` or `service_account`".to_owned(), WAYS);
        }
        match (place_of("client_secret"), place_of("certificate"), place_of("private_key")) {
            (Some(at), Some(_), _) | (Some(at), _, Some(_)) => {
                let message = "`client_secret` does not go with `certificate` and `private_key`";
                wrong(at, message.to_owned(), "remove the one or the others");
            }
            (None, Some(at), None) => {
                wrong(at, "`certificate` needs `private_key`".to_owned(), "add `private_key: \"${file:/path}\"`")
            }
            (None, None, Some(at)) => {
                wrong(at, "`private_key` needs `certificate`".to_owned(), "add `certificate: certificate.pem`")
            }
            (None, None, None) if !is_person && has("client_id") => {
                let message = "The program proves nothing: there is neither `client_secret` nor `certificate`";
                wrong(span, message.to_owned(), "add `client_secret: \"${file:/path}\"`");
            }
            _ => {}
        }
        match (provider, place_of("tenant"), place_of("token_url")) {
            (_, Some(_), Some(at)) => {
                wrong(at, "`token_url` does not go with `tenant`, which names Microsoft's".to_owned(), "remove one of the two");
            }
            (Some(Provider::Google), Some(at), None) => {
                wrong(at, "`tenant` is Microsoft's, and the server is Google's".to_owned(), "remove it");
            }
            (Some(Provider::Google), None, None) if !is_person => {
                let message = "Google lets no program sign in with `client_id` alone";
                wrong(span, message.to_owned(), "write `service_account: \"${file:/path}\"` with the service account's key file");
            }
            (Some(Provider::Microsoft), None, None) => {
                wrong(
                    span,
                    "An OAuth 2 account of Exchange Online needs `tenant`".to_owned(),
                    "add `tenant: example.onmicrosoft.com`",
                );
            }
            (None, None, None) => {
                let hint = "add `token_url: https://…`, or `tenant: …` for Microsoft's";
                wrong(span, "An OAuth 2 account needs `token_url`".to_owned(), hint);
            }
            _ => {}
        }
        if let (Some(tenant), Some(at), false) = (&self.tenant, place_of("tenant"), is_person)
            && ["common", "organizations", "consumers"].contains(&tenant.to_ascii_lowercase().as_str())
        {
            wrong(at, format!("`{tenant}` is no tenant, and a program signs in at one"), "write the tenant's id or its domain");
        }
        if let Some(token) = self.refresh_token.as_ref().filter(|token| !matches!(token.source, SecretSource::File(_))) {
            let message = "A token server may replace the refresh token, and only one in a file can be kept";
            problems.push(
                Problem::warning(message)
                    .at(token.place.clone())
                    .hint("write \"${file:/path}\", a file that the program may write"),
            );
        }
        if !is_right {
            return None;
        }
        let is_microsoft = self.tenant.is_some() || provider == Some(Provider::Microsoft);
        let usual_scope = match (is_microsoft, is_person) {
            (true, true) => Some(MICROSOFT_PERSON_SCOPE),
            (true, false) => Some(MICROSOFT_SCOPE),
            // What Google's agreement was given for is what its refresh token is good for.
            (false, _) => None,
        };
        let known_url = match &self.tenant {
            Some(tenant) => Some(format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token")),
            None => (provider == Some(Provider::Google)).then(|| GOOGLE_TOKEN_URL.to_owned()),
        };
        let token_url = match (has("token_url"), known_url) {
            (false, Some(known)) => WebAddress::parse(&known).expect("a tenant has letters, digits, `.` and `-` only"),
            _ => self.token_url?,
        };
        let proof = match (has("client_secret"), has("certificate")) {
            (true, _) => OauthClientProof::Secret(self.client_secret?),
            (false, true) => OauthClientProof::Certificate { certificate: self.certificate?, private_key: self.private_key? },
            (false, false) => OauthClientProof::None,
        };
        let client = OauthClient { id: self.client_id?, proof };
        let way = match is_person {
            true => OauthWay::Person { token_url, client, refresh_token: self.refresh_token? },
            false => OauthWay::Program { token_url, client },
        };
        Some(Oauth2 { scope: self.scope.or_else(|| usual_scope.map(str::to_owned)), way })
    }
}

/// Reads a name that goes to a server: one line, not empty.
fn plain(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    if written.is_empty() || written.chars().any(char::is_control) {
        problems.error_hint(node.span, "The name is empty or has a control character", "write it in one line");
        return None;
    }
    Some(written)
}

fn tenant(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    let is_right = (1..=253).contains(&written.len())
        && written.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '.' | '-'));
    if !is_right {
        let hint = "write its id (`00000000-0000-…`) or its domain (`example.onmicrosoft.com`)";
        problems.error_hint(node.span, format!("`{written}` is not the name of a tenant"), hint);
    }
    is_right.then_some(written)
}

fn token_url(node: &Node, problems: &mut Problems<'_>) -> Option<WebAddress> {
    let written = text(node, problems)?;
    match WebAddress::parse(&written) {
        Ok(url) => Some(url),
        Err(WebAddressFault::NotAnAddress) => {
            let hint = "write `https://login.example.com/token`";
            problems.error_hint(node.span, format!("`{written}` is not the address of a token server"), hint);
            None
        }
        Err(WebAddressFault::PlainText) => {
            problems.error_hint(node.span, format!("`{written}` would send secrets in plain text"), "write `https://…`");
            None
        }
    }
}

/// Reads a scope. Source: RFC 6749 §3.3.
fn scope(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    let is_right = !written.trim().is_empty()
        && written.chars().all(|character| matches!(character, ' '..='~') && !matches!(character, '"' | '\\'));
    if !is_right {
        let hint = "write what the token server calls it, several with a space between them";
        problems.error_hint(node.span, format!("`{written}` is not a scope"), hint);
    }
    is_right.then_some(written)
}

/// What a server's account comes to once all its secrets are fetched.
pub(crate) enum Resolved {
    /// A password.
    Password(crate::domain::secret::Secret),
    /// All that token requests are made of.
    Tokens(Box<Account>),
}

impl Auth {
    /// Returns how to sign in at `server`, secrets fetched; `ca_pem` is trusted of the token server too.
    ///
    /// # Errors
    /// The first secret or file that is not there or not right.
    pub(crate) fn sign_in(
        &self,
        server: &ServerId,
        (workspace, secrets): (&Path, &dyn Secrets),
        ca_pem: Option<&Vec<u8>>,
        clock: &Arc<dyn Clock>,
    ) -> Result<SignIn, Problem> {
        let resolved = self.resolve(server, workspace, secrets, ca_pem).map_err(|mut problems| problems.remove(0))?;
        let proof = match resolved {
            Resolved::Password(password) => Proof::Password(password),
            Resolved::Tokens(account) => {
                let tokens = AccountTokens::new(*account, clock.clone());
                let tokens = tokens.map_err(|fault| Problem::error(format!("The server's `ca_file` {fault}")))?;
                Proof::Token(Arc::new(tokens))
            }
        };
        Ok(SignIn { user: self.user.clone(), proof, mechanism: self.mechanism })
    }

    /// Fetches all that the account is made of.
    ///
    /// # Errors
    /// Everything that is not there or not right; at least one problem.
    pub(crate) fn resolve(
        &self,
        server: &ServerId,
        workspace: &Path,
        secrets: &dyn Secrets,
        ca_pem: Option<&Vec<u8>>,
    ) -> Result<Resolved, Vec<Problem>> {
        let oauth2 = match &self.proof {
            AuthProof::Password(password) => {
                return Ok(Resolved::Password(password.resolve(secrets).map_err(|fault| vec![fault])?));
            }
            AuthProof::Oauth2(oauth2) => oauth2,
        };
        let (token_url, grant) = match &oauth2.way {
            OauthWay::Program { token_url, client } => {
                (token_url.clone(), Grant::ClientCredentials(client.resolve(workspace, secrets)?))
            }
            OauthWay::Person { token_url, client, refresh_token } => {
                let (client, token) = both(client.resolve(workspace, secrets), refresh_token.resolve(secrets))?;
                let file = match &refresh_token.source {
                    SecretSource::File(path) => Some(PathBuf::from(path)),
                    SecretSource::Literal(_) | SecretSource::Environment(_) | SecretSource::Credential(_) => None,
                };
                (token_url.clone(), Grant::RefreshToken { client, token, file })
            }
            OauthWay::ServiceAccount { key_file } => {
                let text = key_file.resolve_lines(secrets).map_err(|fault| vec![fault])?;
                let KeyFile { email, key_id, key, token_url } = KeyFile::parse(&text).map_err(|fault| {
                    let problem = Problem::error(format!("{} {fault}", key_file.what())).at(key_file.place.clone());
                    vec![problem.hint("name the JSON file that the console handed out for a key of the service account")]
                })?;
                (token_url, Grant::ServiceAccount { email, key_id, key, subject: self.user.clone() })
            }
        };
        Ok(Resolved::Tokens(Box::new(Account {
            server: server.clone(),
            token_url,
            scope: oauth2.scope.clone(),
            grant,
            ca_pem: ca_pem.cloned(),
            within: EXCHANGE_WITHIN,
        })))
    }
}

impl OauthClient {
    fn resolve(&self, workspace: &Path, secrets: &dyn Secrets) -> Result<Client, Vec<Problem>> {
        let proof = match &self.proof {
            OauthClientProof::None => ClientProof::None,
            OauthClientProof::Secret(secret) => ClientProof::Secret(secret.resolve(secrets).map_err(|fault| vec![fault])?),
            OauthClientProof::Certificate { certificate, private_key } => {
                let key = private_key.resolve_lines(secrets);
                let (pem, key) = both(certificate.read(workspace).map_err(|fault| vec![fault]), key)?;
                let problem = |what: &str, fault: KeyFault, place: &Place| {
                    vec![Problem::error(format!("{what} {fault}")).at(place.clone()).hint(fault.hint())]
                };
                // The key by itself first, so that each fault is told at its own place.
                SigningKey::from_pem(&key).map_err(|fault| problem(&private_key.what(), fault, &private_key.place))?;
                let own = Certificate::from_pem(&pem, &key)
                    .map_err(|fault| problem(&format!("`{}`", certificate.path), fault, &certificate.place))?;
                ClientProof::Certificate(own)
            }
        };
        Ok(Client { id: self.id.clone(), proof })
    }
}

/// Returns both, or the problems of both.
fn both<A, B>(one: Result<A, Vec<Problem>>, other: Result<B, Problem>) -> Result<(A, B), Vec<Problem>> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Ok(_), Err(problem)) => Err(vec![problem]),
        (Err(problems), Ok(_)) => Err(problems),
        (Err(mut problems), Err(problem)) => {
            problems.push(problem);
            Err(problems)
        }
    }
}
