//! The one table of metrics: what Prometheus reads and docs/reference/metrics.md says.
//!
//! Labels hold words of closed lists, and ids of rules and servers as the operator wrote them: never anything of a
//! customer. Times are instants (Unix seconds), not ages: what reads them knows what time it is.

use std::fmt::Write as _;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use crate::domain::date::Timestamp;
use crate::engine::status::{AttemptCount, FaultKind, FiringCount, Health, PauseReason, ReasonKind, Status};

/// What kind of figure a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Only grows, from 0 at the daemon's start.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One figure: the values of its labels, in their order, and the number.
type Sample = (Vec<String>, u64);

/// One metric.
struct Metric {
    /// Its name, without the `_total` that counters end in.
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    /// What it means, with the unit.
    meaning: &'static str,
    read: fn(&Status) -> Vec<Sample>,
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
    read: fn(&Status) -> Vec<Sample>,
) -> Metric {
    Metric { name, kind: Kind::Counter, labels, meaning, read }
}

const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
    read: fn(&Status) -> Vec<Sample>,
) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, meaning, read }
}

/// All metrics, in the order of the page.
const METRICS: &[Metric] = &[
    gauge("dunlin_info", &["instance", "mode", "version"], "Always 1; its labels tell which installation this is.", |status| {
        vec![(vec![status.instance.clone(), status.mode.to_owned(), status.version.to_owned()], 1)]
    }),
    gauge("dunlin_start_time_seconds", &[], "When the daemon started.", |status| one(seconds(status.started_at))),
    gauge("dunlin_beat_time_seconds", &[], "When the daemon's loop last moved.", |status| one(seconds(status.beat_at))),
    gauge("dunlin_health", &[], "How the daemon is: 0 ok, 1 degraded, 2 failing.", |status| {
        one(Health::ALL.iter().take_while(|health| **health != status.health).count() as u64)
    }),
    gauge("dunlin_health_reasons", &["reason"], "How many things of this kind are not as they should be.", |status| {
        let count = |kind| status.reasons.iter().filter(|reason| reason.kind == kind).count() as u64;
        ReasonKind::ALL.map(|kind| (vec![kind.as_str().to_owned()], count(kind))).into()
    }),
    gauge("dunlin_faults", &["kind"], "How many servers, plugins or other parts stand at fault.", |status| {
        let count = |kind| status.faults.iter().filter(|fault| fault.kind == kind).count() as u64;
        FaultKind::ALL.map(|kind| (vec![kind.as_str().to_owned()], count(kind))).into()
    }),
    gauge("dunlin_generation_info", &["generation"], "Always 1; its label names the config and rules in force.", |status| {
        vec![(vec![status.generation.clone()], 1)]
    }),
    gauge("dunlin_generation_time_seconds", &[], "Since when the generation is in force.", |status| {
        status.generation_at.map_or_else(Vec::new, |at| one(seconds(at)))
    }),
    counter("dunlin_reloads", &["outcome"], "Looks at changed files: `taken` up, or `refused` for their errors.", |status| {
        vec![(vec!["taken".to_owned()], status.reloads.taken), (vec!["refused".to_owned()], status.reloads.refused)]
    }),
    gauge("dunlin_problems", &["severity"], "Problems that the last look at the files found: `error` or `warning`.", |status| {
        let (errors, warnings) = status.reload.as_ref().map_or((0, 0), |reload| (reload.errors, reload.warnings));
        vec![(vec!["error".to_owned()], errors as u64), (vec!["warning".to_owned()], warnings as u64)]
    }),
    gauge("dunlin_rules_paused", &["reason"], "Rules that do not run: `broken` or `vanished`.", |status| {
        let count = |reason| status.paused.iter().filter(|paused| paused.reason == reason).count() as u64;
        PauseReason::ALL.map(|reason| (vec![reason.as_str().to_owned()], count(reason))).into()
    }),
    gauge("dunlin_next_firing_time_seconds", &["rule"], "When the rule runs next.", |status| {
        status.next_firings.iter().map(|firing| (vec![firing.rule.clone()], seconds(firing.at))).collect()
    }),
    counter("dunlin_firings", &["rule", "outcome"], "Scheduled times: `ran`, `missed`, `paused` or `failed`.", |status| {
        let sample = |firing: &FiringCount| (vec![firing.rule.clone(), firing.outcome.as_str().to_owned()], firing.count);
        status.firings.iter().map(sample).collect()
    }),
    counter("dunlin_runs", &["cause"], "Runs decided and stored: by `schedule` or for a `person`.", |status| {
        status.runs.iter().map(|run| (vec![run.cause.as_str().to_owned()], run.count)).collect()
    }),
    gauge("dunlin_last_run_time_seconds", &[], "When the last run started.", |status| {
        status.last_run.as_ref().map_or_else(Vec::new, |run| one(seconds(run.started_at)))
    }),
    gauge(
        "dunlin_messages",
        &["state"],
        "Messages that are not done with, by state: `blocked`, `waiting`, `queued`, `sending`, `refused`, `exhausted`, `unknown`.",
        |status| {
            let messages = status.messages.iter().flatten();
            messages.map(|open| (vec![open.state.as_str().to_owned()], open.count)).collect()
        },
    ),
    gauge(
        "dunlin_message_oldest_time_seconds",
        &["state"],
        "Since when the oldest message is in its state; for `queued`, since when it waits. Absent where there is none.",
        |status| {
            let messages = status.messages.iter().flatten();
            messages.filter_map(|open| Some((vec![open.state.as_str().to_owned()], seconds(open.oldest_at?)))).collect()
        },
    ),
    gauge("dunlin_attempts_under_way", &[], "Attempts to hand a message to a server that are under way.", |status| {
        one(status.under_way as u64)
    }),
    counter(
        "dunlin_attempts",
        &["server", "outcome"],
        "Attempts that have ended: `accepted`, `deferred`, `refused`, `unsuited`, `server_fault`, `unknown` or `not_recorded`.",
        |status| {
            let sample = |attempt: &AttemptCount| (vec![attempt.server.clone(), attempt.outcome.to_owned()], attempt.count);
            status.attempts.iter().map(sample).collect()
        },
    ),
];

fn one(number: u64) -> Vec<Sample> {
    vec![(Vec::new(), number)]
}

fn seconds(at: Timestamp) -> u64 {
    at.as_second().max(0).unsigned_abs()
}

/// A status on its way to Prometheus.
#[derive(Debug)]
struct Scrape(Status);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for metric in METRICS {
            let kind = match metric.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
            };
            let mut figures = encoder.encode_descriptor(metric.name, metric.meaning, None, kind)?;
            for (values, number) in (metric.read)(&self.0) {
                let labels: Vec<(&str, String)> = metric.labels.iter().copied().zip(values).collect();
                if labels.is_empty() {
                    write(&mut figures, metric.kind, number)?;
                } else {
                    write(&mut figures.encode_family(&labels)?, metric.kind, number)?;
                }
            }
        }
        Ok(())
    }
}

fn write(figure: &mut MetricEncoder<'_>, kind: Kind, number: u64) -> Result<(), std::fmt::Error> {
    match kind {
        Kind::Counter => figure.encode_counter(&number, None::<&Exemplar<Vec<(String, String)>, u64>>),
        Kind::Gauge => figure.encode_gauge(&number),
    }
}

/// Returns a status as Prometheus reads it. Source: OpenMetrics 1.0, text format.
pub(crate) fn exposition(status: Status) -> Option<String> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(status)));
    let mut text = String::new();
    encode(&mut text, &registry).inspect_err(|error| tracing::error!(%error, "The metrics could not be written")).ok()?;
    Some(text)
}

/// Returns docs/reference/metrics.md.
pub fn metrics_page() -> String {
    let mut page = String::from(
        "# Metrics and health\n\n\
         <!-- Made from the table in src/web/metrics.rs; change it there. -->\n\n\
         What `/metrics` of the [health page](../operating.md#the-health-page) answers, in the OpenMetrics text format. Times are\n\
         Unix seconds; counters start at 0 with the daemon. No label holds anything of a customer. Messages that are done with\n\
         (`accepted`, `withdrawn`, `cancelled`) are not counted by state, since a scrape must not walk years of mails: how many\n\
         were sent, `dunlin_attempts_total{outcome=\"accepted\"}` tells.\n\n\
         | metric | type | labels | meaning |\n| --- | --- | --- | --- |\n",
    );
    for metric in METRICS {
        let (ending, kind) = match metric.kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Gauge => ("", "gauge"),
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let Metric { name, meaning, .. } = metric;
        writeln!(page, "| `{name}{ending}` | {kind} | {} | {meaning} |", labels.join(", ")).expect("a String takes all");
    }
    page.push_str(
        "\n## Reasons\n\n\
         Why a daemon is not `ok`, on the page, in `/health` and as `dunlin_health_reasons`. `degraded`: it works, but needs somebody.\n\
         `failing`: it does not do its work, and `/health` answers 503.\n\n\
         | reason | health | meaning | what to do |\n| --- | --- | --- | --- |\n",
    );
    for kind in ReasonKind::ALL {
        let (reason, health, advice) = (kind.as_str(), kind.health().as_str(), kind.advice());
        writeln!(page, "| `{reason}` | {health} | {} | {} |", advice.meaning, advice.remedy).expect("a String takes all");
    }
    page
}

#[cfg(test)]
mod tests;
