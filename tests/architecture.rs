//! The shape of the house, held up by a test: one direction of dependencies, module docs, pure floors.

#![allow(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// Bottom floor first. Modules on one line are neighbours and may not import each other.
const FLOORS: &[&[&str]] = &[
    &["domain"],
    &["yaml", "script", "schedule", "schema", "template", "payment"],
    &["plugin", "paper"],
    &["rule"],
    &["plan", "matching", "message", "outbox"],
    &["ruletest"],
    &["port"],
    &["net"],
    &["source", "store", "smtp", "oauth", "dns", "rulebook", "control", "program", "dkim", "download", "eml", "clock"],
    &["config"],
    &["engine"],
    &["web"],
    &["daemon"],
    &["cli"],
];

/// Floors that may not touch the outside world: no clock, file, socket, database, environment, randomness or `async`.
const PURE: &[&str] = &[
    "domain", "yaml", "script", "schedule", "schema", "template", "payment", "plugin", "paper", "rule", "plan", "matching",
    "message", "outbox", "ruletest",
];

/// What a pure floor may not say.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::io::",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "tokio",
    "rusqlite",
    "async ",
    ".await",
    "rand::",
    "thread_rng",
    "println!",
    "eprintln!",
    "OsRng",
    "RandomState",
];

fn source_files() -> Vec<(String, String)> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out)
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                out.push(path)
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = vec![];
    walk(&root, &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn module_of(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap()
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// Returns the lines with comments cut off, numbered from 1, tests of the file left out.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines().enumerate().map(|(index, line)| (index + 1, line.split("//").next().unwrap()))
}

#[test]
fn imports_point_down() {
    let mut faults = vec![];
    for (name, text) in source_files() {
        if ["lib.rs", "main.rs"].contains(&&*name) {
            continue; // These two wire the floors together.
        }
        let own = module_of(&name);
        let own_floor = floor_of(own).unwrap_or_else(|| panic!("{name}: give `{own}` a floor in FLOORS"));
        for (line_number, line) in text.lines().enumerate() {
            let at = format!("{name}:{}", line_number + 1);
            if line.contains("super::") && line.trim() != "use super::*;" {
                faults.push(format!("{at}: write `crate::`, not `super::`"));
            }
            for path in line.split("//").next().unwrap().split("crate::").skip(1) {
                let used = path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                // Re-exports (`crate::Money`) and groups (`crate::{…}`) have no floor: name the module.
                if used != own && floor_of(used).is_none_or(|floor| floor >= own_floor) {
                    faults.push(format!("{at}: `{own}` may not use `crate::{used}`"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn pure_floors_stay_pure() {
    let mut faults = vec![];
    for (name, text) in source_files() {
        if !PURE.contains(&module_of(&name)) || name.ends_with("/tests.rs") {
            continue;
        }
        for (line_number, line) in code_lines(&text) {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                faults.push(format!("{name}:{line_number}: `{word}` on a pure floor"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn only_the_clock_reads_the_clock() {
    let mut faults = vec![];
    for (name, text) in source_files().into_iter().filter(|(name, _)| name != "clock.rs") {
        for (line_number, line) in code_lines(&text) {
            for word in ["SystemTime::now", "Timestamp::now", "Zoned::now"].iter().filter(|word| line.contains(**word)) {
                faults.push(format!("{name}:{line_number}: `{word}` outside clock.rs"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// What a face may use: the engine, the pure floors that give it its words, and the clock to hand on.
const FACE_USES: &[&str] = &[
    "cli", "daemon", "web", "engine", "clock", "port", "domain", "yaml", "script", "schedule", "schema", "template", "plugin",
    "paper", "rule", "plan", "matching", "message", "outbox", "ruletest",
];

#[test]
fn faces_reach_the_world_only_through_the_engine() {
    let mut faults = vec![];
    for (name, text) in source_files().into_iter().filter(|(name, _)| ["cli", "web", "daemon"].contains(&module_of(name))) {
        for (line_number, line) in code_lines(&text) {
            for path in line.split("crate::").skip(1) {
                let used = path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                if !FACE_USES.contains(&used) {
                    faults.push(format!("{name}:{line_number}: a face may not use `crate::{used}`"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn only_the_engine_writes_the_store() {
    let mut faults = vec![];
    for (name, text) in
        source_files().into_iter().filter(|(name, _)| !["engine", "store", "lib.rs"].contains(&module_of_or_file(name)))
    {
        for (line_number, line) in code_lines(&text) {
            if line.contains("crate::store") {
                faults.push(format!("{name}:{line_number}: only `engine` uses the store"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn module_of_or_file(name: &str) -> &str {
    if name == "lib.rs" { name } else { module_of(name) }
}

#[test]
fn every_module_says_what_it_is_for() {
    let undocumented: Vec<String> =
        source_files().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert!(undocumented.is_empty(), "without a module doc: {undocumented:?}");
}

/// What tests/sabotage.sh breaks has to be there to be broken; the script itself is too long for every run.
#[test]
fn every_sabotage_fits_the_code_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let patches: Vec<PathBuf> = fs::read_dir(root.join("tests/sabotage")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(patches.len() >= 4);
    for path in patches {
        let patch = fs::read_to_string(&path).unwrap();
        // From one file to the next, and in it from one place to the next.
        for file in patch.split("\n--- a/").skip(1) {
            let (name, places) = file.split_once('\n').unwrap();
            let text = fs::read_to_string(root.join(name)).unwrap();
            for place in places.split("\n@@ ").skip(1) {
                let lines = place.lines().skip(1).take_while(|line| line.starts_with([' ', '-', '+']));
                let old: Vec<&str> = lines.filter(|line| !line.starts_with('+')).map(|line| &line[1..]).collect();
                assert!(
                    !old.is_empty() && text.contains(&old.join("\n")),
                    "{}: {name} has no\n{}",
                    path.display(),
                    old.join("\n")
                );
            }
        }
    }
}
