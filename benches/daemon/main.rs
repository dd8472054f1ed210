//! The daemon left alone: idle, while rules are saved, and through an hour in which everything around it changes.
//!
//! `cargo bench --bench daemon -- idle` prints processor time and memory of a daemon with nothing to do;
//! `-- reload` the time from a saved file to the new generation on a workspace of 500 rules, and a run of 10,000 mails through
//! twenty reloads; `-- soak 60` runs for 60 minutes with a rule that fires every minute, a statement and a notice, while files
//! are edited, broken, mended, deleted and restored, the clock is put over both changes of the year, and the server goes away
//! and comes back, and then holds every firing and every mail to account. Nothing speaks to another machine.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::float_arithmetic, reason = "a benchmark prints its figures")]

mod account;
mod child;
mod idle;
mod reload;
mod sink;
mod soak;
mod workspace;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["daemon", root] => child::run(root),
        ["idle"] => idle::idle(60),
        ["idle", seconds] => idle::idle(seconds.parse().unwrap()),
        ["reload"] => reload::reload(),
        ["soak", minutes] => soak::soak(minutes.parse().unwrap()),
        _ => println!("name what to measure: idle, reload, or soak MINUTES"),
    }
}
