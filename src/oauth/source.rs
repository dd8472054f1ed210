//! The tokens of one account: fetched once for all who ask, anew before they end, and once more where one is refused.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::Mutex;

use crate::domain::date::Timestamp;
use crate::domain::secret::Secret;
use crate::net::trust::{AuthorityFault, client_config, trusted};
use crate::oauth::answer::{self, Granted};
use crate::oauth::assertion::service_account_claim;
use crate::oauth::exchange::{form, post};
use crate::oauth::keeper::keep;
use crate::oauth::settings::{Account, Client, ClientProof, Grant};
use crate::port::{Clock, Pending, TokenFault, TokenSource};

/// The part of its life after which a token is fetched anew, in percent.
const REFRESH_PERCENT: u32 = 80;
/// After an early refresh has failed, how long the token at hand is used without a further try.
const EARLY_RETRY_AFTER: Duration = Duration::from_secs(60);
/// A token that was fetched in the place of a refused one, and is itself refused, is not replaced for so long: another one
/// would say the same.
const FORCED_APART: Duration = Duration::from_secs(300);

/// Gives the tokens of one account.
pub struct AccountTokens {
    shared: Arc<Shared>,
}

struct Shared {
    account: Account,
    tls: Arc<ClientConfig>,
    clock: Arc<dyn Clock>,
    /// How many requests have ended; tells those who waited for one that it was theirs too.
    ended: AtomicU64,
    /// Locked while a request is under way: whoever asks meanwhile waits for its end.
    state: Mutex<State>,
    /// Why a refresh token that took another's place is in memory alone, where it is.
    unkept: std::sync::Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// How the last request ended, where it brought no token.
    fault: Option<(Timestamp, TokenFault)>,
    /// What has taken the place of the account's refresh token.
    refresh_token: Option<Secret>,
}

#[derive(Debug)]
struct Token {
    text: Secret,
    got_at: Timestamp,
    life: Duration,
    /// Whether it was fetched because the one before was refused.
    is_replacement: bool,
}

impl Token {
    /// Returns how old it is at `now`; `None` where the clock was set back before it came.
    fn age(&self, now: Timestamp) -> Option<Duration> {
        now.duration_since(self.got_at).try_into().ok()
    }
}

impl AccountTokens {
    /// Returns a source for `account`; asks nobody yet.
    ///
    /// # Errors
    /// What is wrong with the certificates of `ca_pem`, in words.
    pub fn new(account: Account, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let roots = trusted(account.ca_pem.as_deref(), account.server.as_str()).map_err(|fault| match fault {
            AuthorityFault::Count(count) => format!("holds {count} certificates"),
            AuthorityFault::Unreadable(reason) => format!("cannot be read: {reason}"),
        })?;
        let tls = Arc::new(client_config(roots));
        let (ended, state, unkept) = (AtomicU64::new(0), Mutex::default(), std::sync::Mutex::default());
        Ok(Self { shared: Arc::new(Shared { account, tls, clock, ended, state, unkept }) })
    }
}

impl TokenSource for AccountTokens {
    fn token(&self, refused: Option<Secret>) -> Pending<'_, Result<Secret, TokenFault>> {
        let shared = self.shared.clone();
        // In a task of its own: whoever asked may be gone before the answer, which may hold the only good refresh token.
        let asked = tokio::spawn(async move { shared.token(refused).await });
        Box::pin(async move {
            let ended = asked.await;
            ended.unwrap_or_else(|error| Err(TokenFault::NotNow(format!("The request for a token broke off: {error}"))))
        })
    }

    fn concern(&self) -> Option<String> {
        self.shared.unkept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    async fn token(&self, refused: Option<Secret>) -> Result<Secret, TokenFault> {
        let ended_before = self.ended.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        let is_refused = |token: &Token| refused.as_ref() == Some(&token.text);
        match state.token.as_ref().map(|token| (token, token.age(now))) {
            Some((token, Some(age))) if is_refused(token) && token.is_replacement && age < FORCED_APART => {
                return Ok(token.text.clone());
            }
            Some((token, _)) if is_refused(token) => {}
            Some((token, Some(age))) if age < token.life * REFRESH_PERCENT / 100 => return Ok(token.text.clone()),
            Some((token, Some(age))) if age < token.life => {
                let text = token.text.clone();
                let has_just_failed = state.fault.as_ref().is_some_and(|(at, _)| {
                    now.duration_since(*at).try_into().is_ok_and(|since: Duration| since < EARLY_RETRY_AFTER)
                });
                if has_just_failed {
                    return Ok(text);
                }
                return Ok(self.fetch(&mut state, false).await.unwrap_or_else(|fault| {
                    tracing::warn!(server_id = %self.account.server, %fault, "A token could not be fetched anew; the one at hand is still good");
                    text
                }));
            }
            _ => {}
        }
        // A request that ended while we waited was made for us too; asking again would only be refused again.
        if let (true, Some((_, fault))) = (self.ended.load(Ordering::SeqCst) > ended_before, &state.fault) {
            return Err(fault.clone());
        }
        self.fetch(&mut state, refused.is_some()).await
    }

    /// Fetches a token and keeps what came of it.
    async fn fetch(&self, state: &mut State, is_replacement: bool) -> Result<Secret, TokenFault> {
        let asked_at = self.clock.now();
        let answered = self.ask(state.refresh_token.as_ref(), asked_at).await;
        self.ended.fetch_add(1, Ordering::SeqCst);
        match answered {
            Ok(Granted { token, life, refresh_token }) => {
                if let Some(new) = refresh_token {
                    self.take_refresh_token(state, new).await;
                }
                state.fault = None;
                state.token = Some(Token { text: token.clone(), got_at: asked_at, life, is_replacement });
                tracing::debug!(server_id = %self.account.server, ?life, "A token was fetched");
                Ok(token)
            }
            Err(fault) => {
                state.fault = Some((self.clock.now(), fault.clone()));
                Err(fault)
            }
        }
    }

    /// Asks the token server once.
    async fn ask(&self, refresh_token: Option<&Secret>, now: Timestamp) -> Result<Granted, TokenFault> {
        let Account { token_url, scope, grant, within, .. } = &self.account;
        let url = token_url.text();
        let mut fields: Vec<(&str, &str)> = Vec::new();
        let assertion = match grant {
            Grant::ClientCredentials(client) | Grant::RefreshToken { client, .. } => match &client.proof {
                ClientProof::Certificate(certificate) => Some(certificate.assertion(&client.id, &url, now)),
                ClientProof::None | ClientProof::Secret(_) => None,
            },
            Grant::ServiceAccount { email, key_id, key, subject } => {
                let scope = scope.as_deref().unwrap_or_default();
                Some(service_account_claim((email, key_id, key), subject, scope, &url, now))
            }
        };
        let mut told: Vec<&Secret> = assertion.iter().collect();
        match grant {
            Grant::ClientCredentials(client) => {
                fields.push(("grant_type", "client_credentials"));
                prove(client, assertion.as_ref(), &mut fields, &mut told);
            }
            Grant::RefreshToken { client, token, .. } => {
                let token = refresh_token.unwrap_or(token);
                told.push(token);
                fields.extend([("grant_type", "refresh_token"), ("refresh_token", token.expose())]);
                prove(client, assertion.as_ref(), &mut fields, &mut told);
            }
            Grant::ServiceAccount { .. } => fields.push(("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")),
        }
        match (grant, &assertion, scope) {
            // Its claim names the scope.
            (Grant::ServiceAccount { .. }, Some(claim), _) => fields.push(("assertion", claim.expose())),
            (_, _, Some(scope)) => fields.push(("scope", scope)),
            _ => {}
        }
        let answer = post(token_url, self.tls.clone(), form(&fields), *within).await?;
        answer::read(&format!("{}:{}", token_url.host(), token_url.port()), answer.status, &answer.body, &told)
    }

    /// Takes over a refresh token that was put in the place of the one before, which may be good no longer.
    async fn take_refresh_token(&self, state: &mut State, new: Secret) {
        let Grant::RefreshToken { token, file, .. } = &self.account.grant else { return };
        if state.refresh_token.as_ref().unwrap_or(token) == &new {
            return;
        }
        let server_id = &self.account.server;
        let kept = match file.clone() {
            Some(path) => kept(path, new.clone()).await,
            None => Err("it is named by no `${file:…}`".to_owned()),
        };
        match &kept {
            Ok(()) => tracing::info!(%server_id, "The token server replaced the refresh token; the new one is in its file"),
            Err(fault) => tracing::error!(
                %server_id,
                fault,
                "The token server replaced the refresh token, and the new one cannot be kept: it is lost at the next start"
            ),
        }
        let concern = kept.err().map(|fault| format!("The refresh token was replaced, and the new one cannot be kept: {fault}"));
        // Nothing under this lock can panic half-way through a change.
        *self.unkept.lock().unwrap_or_else(PoisonError::into_inner) = concern;
        state.refresh_token = Some(new);
    }
}

/// Adds what proves which program asks.
fn prove<'f>(
    client: &'f Client,
    assertion: Option<&'f Secret>,
    fields: &mut Vec<(&'f str, &'f str)>,
    told: &mut Vec<&'f Secret>,
) {
    fields.push(("client_id", &client.id));
    match (&client.proof, assertion) {
        (ClientProof::Secret(secret), _) => {
            told.push(secret);
            fields.push(("client_secret", secret.expose()));
        }
        (ClientProof::Certificate(_), Some(assertion)) => {
            // Source: RFC 7523 §2.2.
            fields.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
            fields.push(("client_assertion", assertion.expose()));
        }
        _ => {}
    }
}

/// Writes `token` to `path`, off the threads that others wait on.
async fn kept(path: PathBuf, token: Secret) -> Result<(), String> {
    let written = tokio::task::spawn_blocking(move || keep(&path, &token)).await;
    written.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}
