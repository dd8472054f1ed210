//! Sending as a task beside the loop: started when something is queued, ended by itself when nothing is left.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::daemon::{Daemon, RETRY_AFTER};
use crate::domain::date::Timestamp;
use crate::domain::id::ServerId;
use crate::engine::alert::Mailer;
use crate::engine::deliver::{DeliveryEnd, DeliveryProgress, DeliveryReport, FAULT_RETRY_AFTER, SPENT_RETRY_AFTER};
use crate::engine::outbox::{StoreError, has_queued, runs_with_mails_left};
use crate::engine::recheck::{ForgetLedger, LedgerRecheck, LedgerState, PlanDay};
use crate::engine::reload::LiveWorkspace;
use crate::engine::run::{Parts, Sending, mode_word, recover, send_with};
use crate::engine::status::{FaultKind, Live};
use crate::engine::workspace::Workspace;

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
        let (told, clock) = (live.clone(), parts.clock.clone());
        let recheck = recheck.telling(move |looked| told.looked_at_ledger(looked, clock.now()));
        let ledger = recheck.forgetting();
        let wake = Arc::new(Notify::new());
        let told = live.clone();
        let sending = Sending {
            recheck: Arc::new(recheck),
            wake: wake.clone(),
            on_attempt: Arc::new(move |attempt| told.attempt(attempt.server.as_str(), attempt.outcome)),
        };
        let (stop, stopped) = watch::channel(false);
        let (parts, live) = (parts.clone(), live.clone());
        let task = tokio::spawn(async move {
            let mut told = Vec::new();
            let mut report = |progress: &DeliveryProgress| {
                live.under_way(progress.under_way);
                // Others may have mail for hours: who is at fault is told at once.
                if progress.server_faults != told {
                    told.clone_from(&progress.server_faults);
                    live.server_faults(&told, current.config.servers.iter().map(|server| &server.id), parts.clock.now());
                }
            };
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

impl Daemon {
    /// Puts new server settings into force: sending ends, what is under way included, and begins anew with them.
    pub(crate) fn change_servers(&mut self, current: &Workspace) {
        let signing = current.signing();
        match signing.and_then(|signing| Ok((signing, current.transports(&self.clock)?))) {
            Ok((signing, transports)) => {
                self.alerts.use_mailer(Mailer { transports: transports.clone(), signing: signing.clone() });
                (self.parts.signing, self.parts.transports) = (signing, transports);
                // What was at fault may be what has been mended.
                self.delivery_rests_until = None;
                if let Some(delivery) = &self.delivery {
                    delivery.stop();
                }
            }
            Err(fault) => tracing::error!(%fault, "The changed servers cannot be used; sending goes on through the old ones"),
        }
    }

    /// Starts to send, if something is queued and nothing is being sent.
    pub(crate) async fn start_delivery(&mut self, now: Timestamp) {
        if self.delivery.is_some() || !self.may_have_mail || self.delivery_rests_until.is_some_and(|until| until > now) {
            return;
        }
        match DeliveryTask::start(&self.workspace, &self.parts, &self.live).await {
            Ok(task) => {
                self.may_have_mail = false;
                self.delivery = task;
                if self.delivery.is_none() {
                    self.let_go_generations();
                }
            }
            Err(error) => {
                tracing::error!(%error, "The outbox cannot be read");
                self.live.fault(FaultKind::StoreFailed, "", &error.to_string(), now);
                self.delivery_rests_until = now.saturating_add(RETRY_AFTER).ok();
            }
        }
    }

    /// Takes in how sending ended.
    pub(crate) async fn take_delivery(&mut self, report: Result<DeliveryReport, String>, now: Timestamp) {
        self.delivery = None;
        // Whatever ended it: what is queued by now is looked for again.
        self.may_have_mail = true;
        self.live.under_way(0);
        let after = |rest: Duration| now.saturating_add(rest).ok();
        for transport in &self.parts.transports {
            let server = transport.server().as_str();
            match transport.concern() {
                Some(words) => self.live.fault(FaultKind::RefreshTokenUnkept, server, &words, now),
                None => self.live.mended(FaultKind::RefreshTokenUnkept, server),
            }
        }
        match report {
            Ok(report) => {
                let current = self.workspace.current();
                let servers = || current.config.servers.iter().map(|server| &server.id);
                self.live.server_faults(&report.server_faults, servers(), now);
                // A server that is well must not wait with those that are not.
                let is_faulty = |server: &ServerId| report.server_faults.iter().any(|(faulty, _)| faulty == server);
                let are_all_spent = report.is_over_for_today() && servers().all(is_faulty);
                match report.end {
                    DeliveryEnd::Drained => self.live.mended(FaultKind::StoreFailed, ""),
                    DeliveryEnd::Stopped => {}
                    DeliveryEnd::ServersFaulty if are_all_spent => self.delivery_rests_until = after(SPENT_RETRY_AFTER),
                    DeliveryEnd::ServersFaulty => self.delivery_rests_until = after(FAULT_RETRY_AFTER),
                    DeliveryEnd::StoreFailed(fault) => {
                        tracing::error!(fault, "Sending stopped, since results cannot be stored");
                        self.live.fault(FaultKind::StoreFailed, "", &fault, now);
                        self.delivery_rests_until = after(RETRY_AFTER);
                    }
                }
            }
            Err(fault) => {
                tracing::error!(fault, "Sending ended unexpectedly");
                self.live.fault(FaultKind::StoreFailed, "", &fault, now);
                self.delivery_rests_until = after(RETRY_AFTER);
            }
        }
        // Nothing is under way now, so what still counts as being sent was cut off.
        match recover(&self.parts).await {
            Ok(0) => {}
            Ok(count) => tracing::error!(count, "Mails were cut off after their final dot may have left; they are `unknown`"),
            Err(error) => tracing::error!(%error, "The store cannot be written"),
        }
        self.let_go_generations();
    }

    /// Lets go of the generations of runs that are over: one that sent nothing would otherwise stay for ever.
    pub(crate) fn let_go_generations(&self) {
        // Asked for first: a run that is stored meanwhile is not among them.
        let kept = self.workspace.generations().runs();
        match runs_with_mails_left(&self.parts.store) {
            Ok(left) => self.workspace.generations().let_go(kept.into_iter().filter(|run_id| !left.contains(run_id))),
            Err(error) => tracing::error!(%error, "The outbox cannot be read"),
        }
    }
}
