//! Whatever people and machines hand in: the shipped files, mutated. Nothing panics, nothing runs without end, and every
//! problem is at a place that is there.
//!
//! `DUNLIN_FUZZ=100000` tries so many mutations of each kind; `DUNLIN_FUZZ_SEED=17` begins at that one. A failure names its
//! seed and prints the text. SMTP replies, EHLO, MIME and money have property tests beside their code and in tests/mail.rs;
//! `PROPTEST_CASES` makes those longer.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test's helper may panic, and tells what it tried")]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use dunlin::domain::date::Date;
use dunlin::domain::id::{RecipientKey, SenderId, TemplateName};
use dunlin::domain::money::Currency;
use dunlin::domain::problem::{Place, Problem};
use dunlin::paper::LayoutFile;
use dunlin::port::LedgerSource as _;
use dunlin::rule::{Known, RuleFile};
use dunlin::rulebook::{Readers, TextFile};
use dunlin::schedule::{Cron, read_ics};
use dunlin::script::{Locate, Names, Script};
use dunlin::source::csv::{CsvLedger, CsvSource, CsvTable};
use dunlin::template::Templates;
use jiff::civil::date;

use crate::chance::Chance;

#[path = "matrix/chance.rs"]
#[allow(dead_code, reason = "the matrix draws more kinds of chance")]
mod chance;

/// How many mutations of each kind an ordinary test run tries.
const ROUNDS: u64 = 400;
/// The longest text that mutation makes; real files are smaller.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// What means something to one reader or another, or has confused one.
const WORDS: [&str; 44] = [
    "\"",
    "'",
    "\u{0}",
    "\u{feff}",
    "\r",
    "\r\n",
    "\n",
    "\t",
    "é",
    "🦆",
    "\u{202e}",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "&a ",
    "*a",
    "!!binary ",
    "|\n",
    ">-\n",
    "---\n",
    "${env:X}",
    "{{ ",
    " }}",
    "0",
    "-1",
    "99999999999999999999",
    "1e309",
    "0.1",
    "2026-02-30",
    "2026-13-01",
    "29.02.2027",
    "* * * * *",
    "0 9 L * *",
    "*/0",
    "60-59/7",
    "while true {}",
    "let a = [a; 1000000];",
    "fn f(x) { f(x) } f(1)",
    ",",
    ";",
    "\\",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the texts of the repository's own files with this ending, below these folders.
fn shipped(folders: &[&str], ending: &str) -> Vec<String> {
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut texts = vec![];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == ending) {
            texts.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
    texts.sort();
    assert!(!texts.is_empty(), "no .{ending} below {folders:?}");
    texts.into_iter().map(|(_, text)| text).collect()
}

/// Returns the nearest place at or before `at` where `text` can be cut.
fn cut(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

fn mutated(texts: &[String], chance: &mut Chance) -> String {
    let mut text = chance.pick(texts).clone();
    for _ in 0..chance.between(1, 6) {
        let length = text.len() as u64;
        let (one, other) = (cut(&text, chance.between(0, length) as usize), cut(&text, chance.between(0, length) as usize));
        let (from, to) = (one.min(other), one.max(other));
        let near = cut(&text, from + chance.between(0, 12) as usize).max(from);
        match chance.between(0, 7) {
            0 => text.truncate(from),
            1 => drop(text.drain(from..to)),
            2 => drop(text.drain(from..near)),
            3 => {
                let piece = text[from..near].to_owned();
                text.insert_str(to, &piece);
            }
            4 => text.insert_str(from, chance.pick::<&str>(&WORDS)),
            5 => text.replace_range(from..near, chance.pick::<&str>(&WORDS)),
            6 => {
                let guest = chance.pick(texts);
                let begin = cut(guest, chance.between(0, guest.len() as u64) as usize);
                let end = cut(guest, begin + chance.between(0, 400) as usize).max(begin);
                text.insert_str(from, &guest[begin..end]);
            }
            _ => {
                let piece = text[from..near].repeat(chance.between(2, 300) as usize);
                text.insert_str(from, &piece);
            }
        }
        let limit = cut(&text, TEXT_BYTES_MAX);
        text.truncate(limit);
    }
    text
}

/// Hands mutations of `texts` to a reader.
fn hand_in(texts: &[String], read: impl Fn(&str)) {
    let number = |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse().expect("a number"));
    let (rounds, first) = (number("DUNLIN_FUZZ", ROUNDS), number("DUNLIN_FUZZ_SEED", 1));
    for seed in first..first + rounds {
        let text = mutated(texts, &mut Chance::of(seed, &[3]));
        if catch_unwind(AssertUnwindSafe(|| read(&text))).is_err() {
            panic!("seed {seed} (DUNLIN_FUZZ_SEED={seed} DUNLIN_FUZZ=1 repeats it):\n{text}");
        }
    }
}

/// Asserts that problems point into the text they are about.
///
/// A CR alone ends a line for YAML and rhai and for most editors, and not for [`str::lines`]: of such a text only the file is certain.
fn check_places(text: &str, problems: &[Problem]) {
    if text.replace("\r\n", "\n").contains('\r') {
        return;
    }
    let lines = text.lines().count() as u32;
    for place in problems.iter().filter_map(|problem| problem.place.as_ref()) {
        let Place { line, column, width, .. } = place;
        assert!(*line <= lines + 1, "line {line} of {lines}: {problems:?}");
        let length = text.lines().nth((*line as usize).saturating_sub(1)).unwrap_or_default().chars().count() as u32;
        assert!(*column <= length + 2 && *width >= 1, "column {column}, width {width} in a line of {length}: {problems:?}");
    }
}

fn known() -> Known {
    Known {
        senders: ["receivables", "head-of-finance"].map(SenderId::new).into(),
        recipient_keys: ["billing", "management"].map(RecipientKey::new).into(),
        templates: ["upcoming", "first", "second", "final", "receipt", "statement", "invoice"].map(TemplateName::new).into(),
        has_calendar: true,
        ..Known::default()
    }
}

#[test]
fn no_yaml_text_is_too_much_for_its_reader() {
    hand_in(&shipped(&["rules", "calendars", "plugins", "src/config/tests"], "yaml"), |text| {
        if let Err(problem) = dunlin::yaml::parse("a.yaml", text) {
            check_places(text, &[problem]);
        }
    });
}

#[test]
fn no_rule_file_is_too_much_for_its_reader() {
    let known = known();
    hand_in(&shipped(&["rules", "src/engine/init/workspace"], "yaml"), |text| {
        let file = RuleFile { path: "rules/a.yaml".into(), text: text.into() };
        check_places(text, &dunlin::rule::load(&[file], &BTreeMap::new(), &known).1);
    });
}

#[test]
fn no_layout_is_too_much_for_its_reader() {
    let known = dunlin::message::known_names();
    hand_in(&shipped(&["rules/papers", "src/paper/tests"], "yaml"), |text| {
        let file = LayoutFile { path: "rules/papers/a.yaml".into(), text: text.into() };
        let mut templates = Templates::load(Vec::new(), &known).0;
        check_places(text, &dunlin::paper::load(&[file], &[], &mut templates, &known).1);
    });
}

#[test]
fn no_config_is_too_much_for_its_reader() {
    let mut texts = shipped(&["src/config/tests"], "yaml");
    texts.push(fs::read_to_string(root().join("config.yaml")).unwrap());
    hand_in(&texts, |text| {
        let file = TextFile { path: "config.yaml".into(), text: text.into() };
        check_places(text, &dunlin::config::read(&file, Readers::Few).1);
    });
}

#[test]
fn no_script_is_too_much_to_load() {
    let names = Names { recipient_keys: known().recipient_keys, ..Names::default() };
    hand_in(&shipped(&["rules", "plugins", "src/engine/plugins"], "rhai"), |text| {
        let locate = Locate::file("rules/a.rhai", text);
        let problems = match Script::compile(text, &names, &locate) {
            Ok((_, warnings)) => warnings,
            Err(problems) => problems,
        };
        check_places(text, &problems);
    });
}

#[test]
fn no_cron_expression_is_too_much_and_what_is_taken_goes_forward() {
    let texts: Vec<String> =
        ["0 9 * * *", "*/15 8-18/2 1,15 JAN-DEC MON-FRI", "30 2 L * *", "0 9 15W 2 *", "0 9 * * MON#1", "@monthly", "0 0 29 2 *"]
            .map(str::to_owned)
            .to_vec();
    hand_in(&texts, |text| {
        let Ok(cron) = Cron::parse(text) else { return };
        assert_eq!(Cron::parse(cron.as_str()).unwrap().as_str(), cron.as_str());
        let mut after = date(2027, 10, 31).at(1, 30, 0, 0);
        for _ in 0..5 {
            let Some(next) = cron.next_after(after) else { return };
            assert!(next > after, "{text}: {next} after {after}");
            after = next;
        }
    });
}

#[test]
fn no_ics_calendar_is_too_much_for_its_reader() {
    let texts = [
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20270101\r\nDTEND;VALUE=DATE:20270103\r\nSUMMARY:New\r\n  Year\r\nRRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nEND:VTIMEZONE\nBEGIN:VEVENT\nDTSTART:20281224T000000Z\nDURATION:P3D\nEND:VEVENT\nEND:VCALENDAR\n",
    ];
    hand_in(&texts.map(str::to_owned), |text| drop(read_ics(text)));
}

#[test]
fn no_export_is_too_much_for_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    let texts = shipped(&["examples", "src/engine/init/workspace"], "csv");
    let path = folder.path().join("invoices.csv");
    hand_in(&texts, |text| {
        fs::write(&path, text).unwrap();
        let files = CsvLedger {
            currency: Currency::parse("EUR").unwrap(),
            customers: None,
            invoices: CsvTable::new(&path),
            credit_notes: None,
            payments: Some(CsvTable::new(&path)),
        };
        if let Err(problems) = CsvSource::new(files, Date::constant(2026, 11, 21)).read(&mut |_, _| {}) {
            assert!(!problems.is_empty());
            let lines = text.lines().count() as u32;
            for place in problems.iter().filter_map(|problem| problem.place.as_ref()) {
                assert!(place.line <= lines + 1, "line {} of {lines}", place.line);
            }
        }
    });
}
