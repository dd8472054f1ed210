//! The watch: beside the daemon's loop it looks at the reasons, keeps the book of them and tells what is to be told.
//!
//! A task of its own, so that a loop that stands still is told too, and a slow mail server holds up nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{Notify, watch};

use crate::domain::date::Timestamp;
use crate::engine::alert::book::{Book, TOLD_WITHIN, Untold, Way};
use crate::engine::alert::mail::{self, Mailer};
use crate::engine::alert::{tell_now, text};
use crate::engine::generation::RunGenerations;
use crate::engine::status::{FaultKind, Live, ReasonKind, Source, Status};
use crate::engine::workspace::Workspace;
use crate::port::Clock;
use crate::store::Store;
use crate::store::alerts::alerts_since;

/// How often the reasons are looked at where nobody rings.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// The same while something has just begun or gone.
const LOOK_SOON: Duration = Duration::from_secs(1);
/// How long a way that failed rests before it is tried again; the last one repeats.
const RESTS: [SignedDuration; 4] =
    [SignedDuration::from_mins(1), SignedDuration::from_mins(5), SignedDuration::from_mins(15), SignedDuration::from_hours(1)];
/// What a mail that could not be sent is known by among the faults.
const MAIL: &str = "mail";

/// Where the daemon rings, and says what alerts are mailed with.
#[derive(Clone)]
pub struct AlertBell {
    bell: Arc<Notify>,
    mailer: watch::Sender<Mailer>,
    stop: watch::Sender<bool>,
}

impl AlertBell {
    /// Returns a bell, with what alerts are mailed with now.
    pub fn new(mailer: Mailer) -> Self {
        Self { bell: Arc::default(), mailer: watch::Sender::new(mailer), stop: watch::Sender::new(false) }
    }

    /// Says that something may have changed.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Says what alerts are mailed with from now on.
    pub fn use_mailer(&self, mailer: Mailer) {
        self.mailer.send_replace(mailer);
    }

    /// Asks the watch to end; what it tells just then ends first.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl fmt::Debug for AlertBell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlertBell")
    }
}

/// When one way may be tried again.
#[derive(Debug, Default)]
struct Rest {
    failure_count: usize,
    rests_until: Option<Timestamp>,
}

impl Rest {
    fn may_go(&self, now: Timestamp) -> bool {
        // A rest that is longer than any is from before the clock was set back.
        self.rests_until.is_none_or(|until| until <= now || until.duration_since(now) > RESTS[RESTS.len() - 1])
    }

    fn failed(&mut self, now: Timestamp) {
        let rest = RESTS[self.failure_count.min(RESTS.len() - 1)];
        self.failure_count += 1;
        self.rests_until = now.saturating_add(rest).ok();
    }
}

/// Looks at the reasons and tells persons.
pub struct AlertWatch {
    /// Where to ask how things stand.
    pub source: Arc<Source>,
    /// Where what cannot be told is noted.
    pub live: Live,
    /// Where the book is kept.
    pub store: Arc<Store>,
    /// Whose settings are in force.
    pub generations: Arc<RunGenerations>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

struct Round {
    parts: AlertWatch,
    book: Option<Book>,
    by_mail: Rest,
    by_plugin: Rest,
}

impl AlertWatch {
    /// Watches until it is asked to end.
    pub async fn run(self, bell: AlertBell) {
        let mut stop = bell.stop.subscribe();
        let mut round = Round { parts: self, book: None, by_mail: Rest::default(), by_plugin: Rest::default() };
        while !*stop.borrow() {
            let mailer = bell.mailer.borrow().clone();
            round.look(&mailer).await;
            let is_settling = round.book.as_ref().is_some_and(Book::is_settling);
            tokio::select! {
                () = bell.bell.notified() => {}
                () = tokio::time::sleep(if is_settling { LOOK_SOON } else { LOOK_EVERY }) => {}
                _ = stop.changed() => {}
            }
        }
    }
}

impl Round {
    /// Looks once, and tells what is to be told.
    async fn look(&mut self, mailer: &Mailer) {
        let source = self.parts.source.clone();
        let status = match tokio::task::spawn_blocking(move || source.status()).await {
            Ok(status) => status,
            Err(error) => return tracing::error!(%error, "How things stand could not be told"),
        };
        let (now, workspace) = (status.now, self.parts.generations.current());
        let mut book = match self.book.take().filter(|book| book.mode == status.mode) {
            Some(book) => book,
            None => self.opened(status.mode, now),
        };
        let turned = book.take(&status.reasons, now);
        for entry in &turned.begun {
            let (reason, about) = (entry.kind.as_str(), entry.row.about.as_str());
            tracing::error!(reason, about, words = entry.row.words, "Something needs a person");
        }
        for entry in &turned.ended {
            tracing::info!(reason = entry.kind.as_str(), about = entry.row.about, "Something needs no person any more");
        }
        self.keep(&mut book, &workspace, now).await;
        let (mailed, plugged) = tokio::join!(
            mailed(&workspace, mailer, &book, &status, self.by_mail.may_go(now)),
            plugged(&workspace, &book, self.by_plugin.may_go(now), now)
        );
        let plugin = workspace.alert_plugin().map_or("", |(name, _)| name).to_owned();
        for (way, told) in [(Way::Mail, mailed), (Way::Plugin, plugged)] {
            let (rest, kind, about) = match way {
                Way::Mail => (&mut self.by_mail, FaultKind::AlertFailed, MAIL),
                Way::Plugin => (&mut self.by_plugin, FaultKind::PluginFailed, plugin.as_str()),
            };
            match told {
                None => {}
                Some(Ok(told)) => {
                    book.mark(way, &told, now);
                    *rest = Rest::default();
                    self.parts.live.mended(kind, about);
                }
                Some(Err(fault)) => {
                    tracing::error!(way = about, fault, "An alert could not be told; it is tried again");
                    rest.failed(now);
                    self.parts.live.fault(kind, about, &fault, now);
                }
            }
        }
        // Who is no longer told anything fails no more.
        if mail::addresses(&workspace).is_none() {
            self.parts.live.mended(FaultKind::AlertFailed, MAIL);
        }
        self.keep(&mut book, &workspace, now).await;
        self.book = Some(book);
    }

    /// Returns the book of a mode as the store has it.
    fn opened(&self, mode: &'static str, now: Timestamp) -> Book {
        let since = now.saturating_sub(TOLD_WITHIN).unwrap_or(Timestamp::MIN);
        let rows = self.parts.store.reader().and_then(|reader| alerts_since(&reader, mode, since));
        Book::new(
            mode,
            rows.unwrap_or_else(|error| {
                tracing::error!(%error, "What was told before cannot be read; what stands is told again");
                Vec::new()
            }),
        )
    }

    /// Writes down what has changed. What cannot be is told all the same, and written down once it can.
    async fn keep(&self, book: &mut Book, workspace: &Workspace, now: Timestamp) {
        let rows = book.unkept();
        if !rows.is_empty()
            && let Err(error) = self.parts.store.keep_alerts(book.mode, rows).await
        {
            return tracing::error!(%error, "What was told could not be stored");
        }
        let by_mail = mail::addresses(workspace).map(|_| Way::Mail);
        let by_plugin = workspace.alert_plugin().map(|_| Way::Plugin);
        let ways: Vec<Way> = by_mail.into_iter().chain(by_plugin).collect();
        book.kept(&ways, now);
    }
}

/// Tells by mail what is to be told; `None` where nothing was tried.
async fn mailed(
    workspace: &Workspace,
    mailer: &Mailer,
    book: &Book,
    status: &Status,
    may_go: bool,
) -> Option<Result<Untold, String>> {
    mail::addresses(workspace).filter(|_| may_go)?;
    let untold = book.untold(Way::Mail, status.now)?;
    let faulty = status.reasons.iter().filter(|reason| reason.kind == ReasonKind::ServerFault);
    let faulty: BTreeSet<String> = faulty.map(|reason| reason.about.clone()).collect();
    let (key, alert) = (text::key(workspace, &untold), text::alert(workspace, &untold));
    let sent = mail::send(workspace, mailer, &faulty, &key, &alert, status.now).await;
    Some(sent.map(|()| untold).map_err(|fault| fault.to_string()))
}

/// Tells by the plugin what is to be told; `None` where nothing was tried.
async fn plugged(workspace: &Workspace, book: &Book, may_go: bool, now: Timestamp) -> Option<Result<Untold, String>> {
    workspace.alert_plugin().filter(|_| may_go)?;
    let untold = book.untold(Way::Plugin, now)?;
    let told = tell_now(workspace, &text::alert(workspace, &untold)).await;
    Some(told.map(|()| untold).map_err(|fault| fault.to_string()))
}
