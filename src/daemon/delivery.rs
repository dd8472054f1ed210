//! Sending as a task beside the loop: started when something is queued, ended by itself when nothing is left.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::engine::deliver::{DeliveryProgress, DeliveryReport};
use crate::engine::outbox::{StoreError, has_queued};
use crate::engine::recheck::{ForgetLedger, LedgerRecheck, LedgerState, PlanDay};
use crate::engine::reload::LiveWorkspace;
use crate::engine::run::{Parts, Sending, mode_word, send_with};
use crate::engine::status::Live;

/// A delivery that is under way.
pub(crate) struct DeliveryTask {
    task: JoinHandle<Result<DeliveryReport, StoreError>>,
    stop: watch::Sender<bool>,
    wake: Arc<Notify>,
    ledger: ForgetLedger,
}

impl DeliveryTask {
    /// Starts to send; `None` where nothing is queued that could be: mails of a sender that is gone from config.yaml wait.
    pub(crate) async fn start(workspace: &LiveWorkspace, parts: &Parts, live: &Live) -> Result<Option<Self>, StoreError> {
        let current = workspace.current();
        let senders = current.config.senders.iter().map(|sender| &sender.id);
        if !has_queued(&parts.store, mode_word(&current.config.mode), senders)? {
            return Ok(None);
        }
        // Nobody knows on which reading of the ledger all that is queued was decided.
        let recheck =
            LedgerRecheck::new(workspace.generations().clone(), parts.store.clone(), PlanDay::Present, LedgerState::unread());
        let ledger = recheck.forgetting();
        let wake = Arc::new(Notify::new());
        let told = live.clone();
        let sending = Sending {
            recheck: Box::new(recheck),
            wake: wake.clone(),
            on_attempt: Arc::new(move |attempt| told.attempt(attempt.server.as_str(), attempt.outcome)),
        };
        let (stop, stopped) = watch::channel(false);
        let (parts, live) = (parts.clone(), live.clone());
        let task = tokio::spawn(async move {
            let mut report = |progress: &DeliveryProgress| live.under_way(progress.under_way);
            send_with(&current, &parts, sending, stopped, &mut report).await
        });
        Ok(Some(Self { task, stop, wake, ledger }))
    }

    /// Says that something new is queued, decided on a reading of the ledger that may be older than its own.
    pub(crate) fn wake(&self) {
        self.ledger.forget();
        self.wake.notify_one();
    }

    /// Asks it to end: mails under way end first, the rest stays queued.
    pub(crate) fn stop(&self) {
        // Where nobody listens any more it has ended by itself.
        self.stop.send_replace(true);
    }
}

/// Ends when the delivery does; never where there is none.
pub(crate) async fn ended(delivery: &mut Option<DeliveryTask>) -> Result<DeliveryReport, String> {
    match delivery {
        Some(delivery) => match (&mut delivery.task).await {
            Ok(report) => report.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        },
        None => std::future::pending().await,
    }
}
