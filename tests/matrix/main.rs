//! The kill matrix: every misfortune at every edge, by chance, with the real program; afterwards the server's ledger and the
//! database must agree.
//!
//! A case is a seed. `DUNLIN_MATRIX=1..5001` plays those seeds, `DUNLIN_MATRIX=17` the one; without it some hundreds are played.
//! The seed decides the workspace, the faults and the server's misdeeds. It does not decide in which order the system lets
//! processes, threads and connections run, so that a seed repeats the circumstances and mostly, not surely, the course.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test's helper may panic, and tells what it did")]

mod account;
mod case;
mod chance;
mod kills;
mod ledger;
mod panics;
mod play;
mod power;
mod shim;
#[path = "../it/workspace.rs"]
#[allow(dead_code, reason = "the matrix needs only some of it")]
mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crate::case::Case;
use crate::ledger::Misdeed;
use crate::play::{Tally, play};
use crate::shim::{Edge, STAGES};

/// The seeds of an ordinary test run.
const SEEDS: Range<u64> = 1..241;
/// From so many seeds on, every kind of fault and misdeed must have happened.
const MANY: u64 = 2_000;
/// After so many cases a long run tells how far it is.
const TOLD_EVERY: u64 = 500;
/// How many cases are played at once, for each processor: they mostly wait.
const AT_ONCE: usize = 8;

/// Returns the seeds that are asked for.
fn seeds() -> Range<u64> {
    let Ok(asked) = std::env::var("DUNLIN_MATRIX") else { return SEEDS };
    let number = |text: &str| text.trim().parse::<u64>().expect("DUNLIN_MATRIX is a seed, or a range such as 1..5001");
    match asked.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(&asked)..number(&asked) + 1,
    }
}

#[test]
fn whatever_happens_the_servers_ledger_and_the_database_agree() {
    let (seeds, began) = (seeds(), Instant::now());
    let (next, tally, faults) = (AtomicU64::new(seeds.start), Mutex::new(Tally::default()), Mutex::new(vec![]));
    let workers = thread::available_parallelism().map_or(2, usize::from) * AT_ONCE;
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let played = catch_unwind(|| play(&Case::of(seed)));
                    match played.unwrap_or_else(|_| Err("the matrix itself panicked; see above".to_owned())) {
                        Ok(reached) => tally.lock().unwrap().add(reached),
                        Err(fault) => {
                            println!("seed {seed} (DUNLIN_MATRIX={seed} repeats it):\n  {fault}");
                            faults.lock().unwrap().push(seed);
                        }
                    }
                    if seed % TOLD_EVERY == 0 {
                        println!(
                            "case {seed} after {} s, {} disagreements",
                            began.elapsed().as_secs(),
                            faults.lock().unwrap().len()
                        );
                    }
                }
            });
        }
    });
    shim::clean_up();
    let (tally, faults) = (tally.into_inner().unwrap(), faults.into_inner().unwrap());
    tell(&tally, &seeds, began);
    assert!(faults.is_empty(), "{} seeds of {} end in disagreement: {:?}", faults.len(), seeds.end - seeds.start, faults);
    if seeds.end - seeds.start >= MANY {
        check_reach(&tally, seeds.end - seeds.start);
    }
}

/// Prints what was reached: nothing is proved where nothing struck.
fn tell(tally: &Tally, seeds: &Range<u64>, began: Instant) {
    println!("seeds {}..{}: {} processes in {} s", seeds.start, seeds.end, tally.processes, began.elapsed().as_secs());
    let stages: Vec<&str> = STAGES.into_iter().chain(["from outside"]).collect();
    println!(
        "{:<34}{}",
        "fault \\ the furthest connection",
        stages.iter().map(|stage| format!("{stage:>13}")).collect::<String>()
    );
    let names: BTreeSet<&String> = tally.struck.keys().map(|(name, _)| name).chain(tally.missed.keys()).collect();
    for name in names {
        let count = |stage: &&'static str| tally.struck.get(&(name.clone(), *stage)).copied().unwrap_or_default();
        let cells: String = stages.iter().map(|stage| format!("{:>13}", count(stage))).collect();
        println!("{name:<34}{cells}   ({} did not strike)", tally.missed.get(name).copied().unwrap_or_default());
    }
    println!("power cuts: {}, with {} unflushed writes in danger", tally.power_cuts, tally.endangered);
    let mut misdeeds: BTreeMap<Misdeed, Vec<String>> = BTreeMap::new();
    for ((misdeed, moment), count) in &tally.misdeeds {
        misdeeds.entry(*misdeed).or_default().push(format!("{moment} {count}"));
    }
    for (misdeed, moments) in misdeeds {
        println!("{:<16} {}", format!("{misdeed:?}"), moments.join(", "));
    }
    println!("messages at the end: {:?}", tally.states);
    let counts: Vec<String> = Edge::ALL.iter().zip(tally.counts).map(|(edge, most)| format!("{edge:?} {most}")).collect();
    println!("most in one process: {}", counts.join(", "));
}

/// Asserts that every kind of fault struck and the server did everything it can.
fn check_reach(tally: &Tally, cases: u64) {
    for name in tally.missed.keys() {
        assert!(tally.struck.keys().any(|(struck, _)| struck == name), "{name} never struck");
    }
    for misdeed in Misdeed::ANYWHERE.into_iter().chain(Misdeed::WITH_A_MAIL) {
        assert!(tally.misdeeds.keys().any(|(done, _)| *done == misdeed), "{misdeed:?} never happened");
    }
    for stage in &STAGES[1..] {
        let count: u64 = tally.struck.iter().filter(|((_, at), _)| at == stage).map(|(_, count)| count).sum();
        // Few: as a rule another connection has its answer already while one is within a mail, and the furthest is counted.
        assert!(count >= (cases / 1_000).max(1), "only {count} faults of {cases} cases struck at `{stage}`");
    }
    assert!(tally.endangered > 1_000, "power cuts endangered {} writes alone", tally.endangered);
}
