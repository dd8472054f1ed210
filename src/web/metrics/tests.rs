//! What Prometheus gets is well-formed, named as the page says, and the same for the same status.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::engine::status::{LastRun, OpenMessages};
use crate::outbox::state::State;
use crate::web::tests::{at, busy};

/// A status in which every metric has a figure.
fn full() -> Status {
    let open = |state, count, oldest_at| OpenMessages { state, count, oldest_at };
    Status {
        messages: Some(vec![open(State::Queued, 3, Some(at(5))), open(State::Unknown, 0, None)]),
        last_run: Some(LastRun {
            id: 7,
            rule: None,
            as_of: "2027-01-15".into(),
            started_at: at(40),
            finished_at: None,
            counts: vec![],
        }),
        ..busy().snapshot(None, at(60))
    }
}

/// Reads `name{label="value",…} number`; panics where a line has another form.
fn figure(line: &str) -> (&str, BTreeMap<&str, &str>, u64) {
    let (series, number) = line.rsplit_once(' ').expect("a figure follows a space");
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').expect("labels end in a brace")),
        None => (series, ""),
    };
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
    let pairs = labels.split("\",").filter(|pair| !pair.is_empty());
    let pair = |pair: &'_ str| -> (String, String) {
        let (label, value) = pair.split_once("=\"").expect("a label has a quoted value");
        (label.to_owned(), value.trim_end_matches('"').to_owned())
    };
    let labels = pairs.map(pair).map(|(label, value)| (leaked(label), leaked(value))).collect();
    (name, labels, number.parse().expect("figures are whole numbers"))
}

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[test]
fn the_exposition_is_well_formed() {
    let text = exposition(full()).unwrap();
    assert!(text.ends_with("# EOF\n") && !text.contains("\n\n"), "{text}");
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is declared twice");
            current = name.to_owned();
        } else if !line.starts_with("# HELP ") {
            let (name, labels, _) = figure(line);
            let family = if types[&current] == "counter" { name.strip_suffix("_total").expect("counters end so") } else { name };
            assert_eq!(family, current, "{line} stands under another family");
            let metric = METRICS.iter().find(|metric| metric.name == family).unwrap();
            let known: BTreeSet<&str> = metric.labels.iter().copied().collect();
            assert_eq!(labels.keys().copied().collect::<BTreeSet<_>>(), known, "{line}");
            assert!(seen.insert(line.rsplit_once(' ').unwrap().0.to_owned()), "{line} is there twice");
        }
    }
    let named: BTreeSet<String> =
        seen.iter().map(|series| series.split('{').next().unwrap().trim_end_matches("_total").to_owned()).collect();
    assert_eq!(named, METRICS.iter().map(|metric| metric.name.to_owned()).collect(), "some metric has no figure");
}

#[test]
fn the_figures_are_those_of_the_status() {
    let text = exposition(full()).unwrap();
    for line in [
        "dunlin_info{instance=\"acme\",mode=\"redirect\",version=\"0.1.0\"} 1",
        "dunlin_health 1",
        "dunlin_health_reasons{reason=\"server_fault\"} 1",
        "dunlin_health_reasons{reason=\"queue_old\"} 0",
        "dunlin_reloads_total{outcome=\"refused\"} 1",
        "dunlin_rules_paused{reason=\"broken\"} 1",
        "dunlin_next_firing_time_seconds{rule=\"overdue\"} 1800003600",
        "dunlin_firings_total{rule=\"overdue\",outcome=\"ran\"} 1",
        "dunlin_last_run_time_seconds 1800000040",
        "dunlin_messages{state=\"queued\"} 3",
        "dunlin_message_oldest_time_seconds{state=\"queued\"} 1800000005",
        "dunlin_attempts_total{server=\"primary\",outcome=\"server_fault\"} 1",
    ] {
        assert!(text.lines().any(|is| is == line), "{line} not in\n{text}");
    }
    assert!(!text.contains("dunlin_message_oldest_time_seconds{state=\"unknown\"}"), "there is no oldest of none");
}

#[test]
fn no_value_of_a_label_ends_its_line() {
    let attempts = vec![AttemptCount { server: "a\"} 1\n# EOF".into(), outcome: "accepted", count: 1 }];
    let text = exposition(Status { attempts, ..full() }).unwrap();
    assert!(text.contains("dunlin_attempts_total{server=\"a\\\"} 1\\n# EOF\",outcome=\"accepted\"} 1\n"), "{text}");
}

#[test]
fn every_metric_that_the_alerts_name_is_there() {
    let page = include_str!("../../../docs/operating.md");
    let words = page.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let named: BTreeSet<&str> = words.filter(|word| word.starts_with("dunlin_")).collect();
    let known = |name: &&str| {
        METRICS.iter().any(|metric| match metric.kind {
            Kind::Counter => name.strip_suffix("_total") == Some(metric.name),
            Kind::Gauge => *name == metric.name,
        })
    };
    let unknown: Vec<&str> = named.iter().copied().filter(|name| !known(name)).collect();
    assert!(named.len() >= 6 && unknown.is_empty(), "{unknown:?} of {named:?}");
}
