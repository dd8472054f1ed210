//! The health page and the metrics, for this machine: read only, a few routes, no customer's data.
//!
//! It asks [`Source`] and shows the answer; it decides nothing. Whoever can open a loopback port may look, so nothing is
//! shown that a colleague with a login must not see, and nothing can be changed here. Other web pages may not look: a
//! browser that was led here under a foreign name is turned away by the name (DNS rebinding).
//!
//! Why axum, and what is shown: docs/decisions/0020.

mod door;
mod metrics;
mod page;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::engine::status::{Health, Source, Status};
use crate::web::door::Door;

pub use crate::web::door::Bounds;
pub use crate::web::metrics::metrics_page;

/// The most looks at the database under way at once; further ones wait for their turn as long as their connection lives.
const LOOKS_MAX: usize = 2;
/// What every answer says to a browser: nothing is loaded from elsewhere, run, framed, guessed at or kept.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the routes work with.
#[derive(Clone)]
struct Shown {
    source: Arc<Source>,
    looks: Arc<Semaphore>,
}

/// Opens the port.
///
/// # Errors
/// The system's account: mostly that the port is taken.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Shows what `source` tells to whoever comes to `listener`, until `stop` resolves and the last answer is given.
///
/// The caller sees to it that `listener` is bound to a loopback address: config.yaml lets through no other.
///
/// # Errors
/// The system's account of a listener that is gone.
pub async fn serve(
    listener: TcpListener,
    source: Arc<Source>,
    bounds: Bounds,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(Door::new(listener, bounds), routes(source)).with_graceful_shutdown(stop).await
}

fn routes(source: Arc<Source>) -> Router {
    Router::new()
        .route("/", get(async |State(shown): State<Shown>| answer(shown.status().await, |status| page::page(&status).map(html))))
        .route("/style.css", get(async || reply(StatusCode::OK, "text/css; charset=utf-8", page::STYLE)))
        .route("/health", get(async |State(shown): State<Shown>| answer(shown.status().await, health)))
        .route("/live", get(async |State(shown): State<Shown>| live(shown.source.is_alive())))
        .route("/metrics", get(async |State(shown): State<Shown>| answer(shown.status().await, metrics)))
        .fallback(async || reply(StatusCode::NOT_FOUND, TEXT, "There is nothing here; see /, /health, /live and /metrics\n"))
        .layer(from_fn(guard))
        .with_state(Shown { source, looks: Arc::new(Semaphore::new(LOOKS_MAX)) })
}

impl Shown {
    /// Returns how the daemon stands, read on a thread that may wait; `None` where that thread has failed.
    async fn status(&self) -> Option<Status> {
        let turn = self.looks.clone().acquire_owned().await.ok()?;
        let source = self.source.clone();
        let look = tokio::task::spawn_blocking(move || {
            let status = source.status();
            // Only now is it the next one's turn, whether or not anybody still waits for this answer.
            drop(turn);
            status
        });
        look.await.inspect_err(|error| tracing::error!(%error, "A look at the daemon's status failed")).ok()
    }
}

/// Turns away who is led here under a foreign name, and puts [`HEADERS`] on every answer.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = if is_for_this_machine(request.headers()) {
        next.run(request).await
    } else {
        reply(StatusCode::FORBIDDEN, TEXT, "This page is for this machine: ask for localhost or 127.0.0.1\n")
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Returns whether the one `Host` names this machine: `localhost`, or a loopback address, with or without a port.
fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else { return false };
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(']') => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns the answer made of a status, or one that says that there is none.
fn answer(status: Option<Status>, make: impl FnOnce(Status) -> Option<Response>) -> Response {
    let broken = || reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "The status could not be shown; the log says why\n");
    status.and_then(make).unwrap_or_else(broken)
}

fn html(page: String) -> Response {
    reply(StatusCode::OK, HTML, page)
}

/// Returns the status as JSON: 503 where the daemon does not do what it is for, else 200.
fn health(status: Status) -> Option<Response> {
    let code = if status.health == Health::Failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let body = serde_json::to_string(&status).inspect_err(|error| tracing::error!(%error, "The status is no JSON")).ok()?;
    Some(reply(code, "application/json", body))
}

fn metrics(status: Status) -> Option<Response> {
    Some(reply(StatusCode::OK, OPEN_METRICS, metrics::exposition(status)?))
}

fn live(is_alive: bool) -> Response {
    match is_alive {
        true => reply(StatusCode::OK, TEXT, "alive\n"),
        false => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, "stuck\n"),
    }
}

fn reply(code: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests;
