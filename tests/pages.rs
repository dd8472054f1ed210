//! The pages cannot lie: the walk-throughs of README and tutorial are done as written, with the real program and a real SMTP server,
//! and the reference of the commands is compared with the program's own definitions.
//!
//! `DUNLIN_BLESS=1 cargo test --test pages` writes the outputs anew; read the difference before you commit it.

#![allow(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use dunlin::cli::reference::commands_page;
use dunlin::smtp::loopback::{LoopbackSettings, bind, serve};
use dunlin::web::metrics_page;

/// The section of the README that is done.
const SECTION: &str = "\n## A first rule in ten minutes\n";
/// The settings of the README's server, and what stands for them here: a server of the test's own.
const SERVER: &str = "    host: smtp.acme.example
    port: 587
    security: starttls
    auth: { user: receivables@acme.example, password: \"${env:SMTP_PASSWORD}\" }
";

/// The same of the tutorial, as `dunlin init` writes it.
const TUTORIAL_SERVER: &str = "    host: smtp.acme.example
    security: starttls
    # The password is not written here: it is taken from the environment variable SMTP_PASSWORD.
    auth: { user: receivables@acme.example, password: \"${env:SMTP_PASSWORD}\" }
";

fn page(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn is_blessing() -> bool {
    std::env::var_os("DUNLIN_BLESS").is_some_and(|value| value == "1")
}

/// Compares a page with what it must say, or writes it.
fn check(path: &str, expected: &str) {
    let path = page(path);
    if is_blessing() {
        fs::write(&path, expected).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    for (number, (is, must)) in written.lines().zip(expected.lines()).enumerate() {
        assert_eq!(is, must, "{}:{} is out of date (DUNLIN_BLESS=1 writes it)", path.display(), number + 1);
    }
    assert!(written == expected, "{} is out of date (DUNLIN_BLESS=1 writes it)", path.display());
}

#[test]
fn the_reference_of_the_commands_is_current() {
    check("docs/reference/commands.md", &commands_page());
}

#[test]
fn the_reference_of_the_metrics_is_current() {
    check("docs/reference/metrics.md", &metrics_page());
}

/// A server on a loopback port that takes everything until the test ends.
fn server_on_loopback() -> (tokio::runtime::Runtime, u16) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(bind()).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(serve(listener, LoopbackSettings::new(drop), std::future::pending()));
    (runtime, port)
}

/// Returns the fenced block that starts at `lines[start]` and the number of the line behind it.
fn block(lines: &[&str], start: usize) -> (String, usize) {
    let length = lines[start + 1..].iter().position(|line| *line == "```").expect("every block ends");
    let text = lines[start + 1..start + 1 + length].iter().map(|line| format!("{line}\n")).collect();
    (text, start + length + 2)
}

/// Cuts a command line at its spaces, except between double quotes.
fn arguments(line: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => arguments.push(String::new()),
            letter => arguments.last_mut().unwrap().push(letter),
        }
    }
    arguments
}

/// Does one command line of a page in `folder` and returns what it printed: results, then what was said on the way.
fn done(command: &str, folder: &Path) -> String {
    let line = command.strip_prefix("dunlin ").expect("the pages only call dunlin");
    let mut dunlin = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    dunlin.args(arguments(line)).current_dir(folder).env_remove("DUNLIN_LOG").env("SMTP_PASSWORD", "secret");
    let output = dunlin.output().unwrap();
    let all = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    all.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Returns a line without what is another one each time: times of the real clock, who ran it, and the widths that hang on that.
fn steady(line: &str) -> String {
    let mut cells: Vec<&str> = line.split('┆').map(str::trim).collect();
    for place in 1..cells.len() {
        if cells[place - 1].ends_with(" UTC") {
            (cells[place - 1], cells[place]) = ("a time", "a person");
        }
    }
    let mut letters: Vec<char> = cells.join("┆").chars().collect();
    letters.dedup_by(|letter, before| letter == before && "─═".contains(*letter));
    letters.into_iter().collect()
}

/// Returns what the page shows, if what was printed says the same; else what was printed.
fn kept<'a>(shown: &'a [&str], printed: &'a [String]) -> Vec<&'a str> {
    let is_same = shown.len() == printed.len() && shown.iter().zip(printed).all(|(is, must)| steady(is) == steady(must));
    if is_same { shown.to_vec() } else { printed.iter().map(String::as_str).collect() }
}

/// Changes a file as a remark that readers do not see says: `<!-- file: this => that -->`, with `\n` for the end of a line. Of
/// `<!-- copy: file -->` a file of the repository.
fn changed(remark: &str, folder: &Path) {
    if let Some(file) = remark.strip_prefix("copy: ") {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(page(file), &path).unwrap();
        rest(&path);
        return;
    }
    let (file, change) = remark.split_once(": ").expect("a remark names a file");
    let (this, that) = change.split_once(" => ").expect("a remark names a change");
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(this), "{file}: `{this}` is not there");
    fs::write(&path, text.replace(this, &that.replace("\\n", "\n"))).unwrap();
    rest(&path);
}

/// Makes a file look as if its reader had taken a minute to read on: an export is read once it has been left alone.
fn rest(path: &Path) {
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(60)).unwrap();
}

/// What doing a page has counted.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    files: usize,
    commands: usize,
    /// How often the page's server gave way to the test's own.
    servers: usize,
}

/// Puts the test's own server in the place of the one that the page's config.yaml names; returns whether it was there.
fn own_server(folder: &Path, server: &str, port: u16) -> bool {
    let path = folder.join("config.yaml");
    let text = fs::read_to_string(&path).unwrap_or_default();
    if text.contains(server) {
        let own = format!("    host: 127.0.0.1\n    port: {port}\n    security: none\n");
        fs::write(path, text.replace(server, &own)).unwrap();
    }
    text.contains(server)
}

/// Does what a text of a page tells its reader to do, and returns the text with the outputs that came.
///
/// A file is written where its name stands in bold code above a block; commands are those behind `$` in `console` blocks. What is
/// behind `<!-- not yet: verb -->` waits for a command that is not there.
fn walk(text: &str, server: &str, folder: &Path) -> (String, Done) {
    let (_runtime, port) = server_on_loopback();
    let lines: Vec<&str> = text.split('\n').collect();
    let mut expected: Vec<String> = Vec::new();
    let mut count = Done { files: 0, commands: 0, servers: 0 };
    let (mut place, mut waits) = (0, false);
    while place < lines.len() {
        let line = lines[place];
        if let Some(name) = line.strip_prefix("**`").and_then(|rest| rest.split('`').next()) {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, block(&lines, place + 2).0).unwrap();
            rest(&path);
            count.files += 1;
        } else if let Some(verb) = line.strip_prefix("<!-- not yet: ").and_then(|rest| rest.strip_suffix(" -->")) {
            let is_there = commands_page().contains(&format!("\n## dunlin {verb}\n"));
            assert!(!is_there, "`dunlin {verb}` is there now: take the remark `{line}` out, so that it is done and shown");
            waits = true;
        } else if let Some(remark) = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
            changed(remark, folder);
        } else if line == "```console" && !std::mem::take(&mut waits) {
            let (text, after) = block(&lines, place);
            let mut printed = Vec::new();
            for command in text.lines().filter_map(|line| line.strip_prefix("$ ")) {
                printed.push(format!("$ {command}"));
                printed.extend(done(command, folder).lines().map(str::to_owned));
                count.commands += 1;
                count.servers += usize::from(own_server(folder, server, port));
            }
            expected.push(line.to_owned());
            expected.extend(kept(&text.lines().collect::<Vec<_>>(), &printed).into_iter().map(str::to_owned));
            expected.push("```".to_owned());
            place = after;
            continue;
        } else if line.starts_with("```") {
            waits = false;
        }
        count.servers += usize::from(own_server(folder, server, port));
        expected.push(line.to_owned());
        place += 1;
    }
    (expected.join("\n"), count)
}

#[test]
fn the_first_rule_of_the_readme_does_what_it_says() {
    let readme = fs::read_to_string(page("README.md")).unwrap();
    let start = readme.find(SECTION).expect("the README has the section") + SECTION.len();
    let length = readme[start..].find("\n## ").expect("another section follows");
    let folder = tempfile::tempdir().unwrap();
    let (walked, count) = walk(&readme[start..start + length], SERVER, folder.path());
    assert_eq!(count, Done { files: 7, commands: 11, servers: 1 });
    check("README.md", &format!("{}{walked}{}", &readme[..start], &readme[start + length..]));
    json_is_as_described(folder.path());
}

#[test]
fn what_is_another_each_time_is_left_as_the_page_shows_it_and_nothing_else() {
    let shown = ["┌───┬──┐", "│ 1 ┆ 2027-03-15 08:02 UTC ┆ mia ┆ 2 accepted │"];
    let printed = |cells: &str| vec!["┌─────┬────┐".to_owned(), format!("│ 1 ┆ {cells} │")];
    assert_eq!(kept(&shown, &printed("2028-01-02 03:04 UTC ┆ somebody ┆ 2 accepted")), shown);
    let other = printed("2028-01-02 03:04 UTC ┆ somebody ┆ 3 accepted");
    assert_eq!(kept(&shown, &other), other);
}

#[test]
fn the_tutorial_does_what_it_says() {
    let tutorial = fs::read_to_string(page("docs/tutorial.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (walked, count) = walk(&tutorial, TUTORIAL_SERVER, folder.path());
    assert_eq!(count, Done { files: 2, commands: 10, servers: 1 });
    check("docs/tutorial.md", &walked);
}

/// Every key that `--json` prints stands on the page of commands.
fn json_is_as_described(folder: &Path) {
    fn keys(value: &serde_json::Value, all: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| {
                all.insert(key.clone());
                keys(value, all);
            }),
            serde_json::Value::Array(list) => list.iter().for_each(|value| keys(value, all)),
            _ => {}
        }
    }
    let described = commands_page();
    let day = "--as-of 2027-03-15";
    for command in [
        "check".to_owned(),
        "test".to_owned(),
        format!("plan {day}"),
        format!("explain 1001 {day}"),
        "forecast --from 2027-03-16".to_owned(),
        format!("preview A-502 --level first {day}"),
        format!("run {day}"),
        "outbox".to_owned(),
        "outbox show 1".to_owned(),
        "runs".to_owned(),
        "runs show 1".to_owned(),
    ] {
        let printed = done(&format!("dunlin {command} --json"), folder);
        let mut all = BTreeSet::new();
        // What is said on the way stands on standard error.
        for line in printed.lines().filter(|line| !line.starts_with("check: ")) {
            keys(&serde_json::from_str(line).unwrap_or_else(|error| panic!("{command}: {error}: {line}")), &mut all);
        }
        let missing: Vec<_> = all.iter().filter(|key| !described.contains(&format!("`{key}`"))).collect();
        assert!(
            !all.is_empty() && missing.is_empty(),
            "{command} prints {missing:?}, which docs/reference/commands.md does not name"
        );
    }
}

/// Returns every page of the repository with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let mut pages = Vec::new();
    for folder in [".", "docs", "docs/decisions", "docs/reference", "examples/receivables"] {
        for entry in fs::read_dir(page(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") {
                let text = fs::read_to_string(&path).unwrap();
                pages.push((path, text));
            }
        }
    }
    pages.sort();
    pages
}

/// Returns what a link may write behind `#` for each heading of a page.
fn sections(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let is_kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
    headings.map(|heading| heading.to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut faults = Vec::new();
    let mut linked = BTreeSet::new();
    for (path, text) in pages() {
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = path.parent().unwrap().join(link.split('#').next().unwrap());
            let Ok(target) = target.canonicalize() else {
                faults.push(format!("{}: {link} is not there", path.display()));
                continue;
            };
            let section = link.split_once('#').map(|(_, section)| section);
            if section.is_some_and(|section| !sections(&fs::read_to_string(&target).unwrap()).contains(section)) {
                faults.push(format!("{}: {link} names no heading there", path.display()));
            }
            linked.insert(target);
        }
    }
    let orphans = pages().into_iter().filter(|(path, _)| !linked.contains(&path.canonicalize().unwrap()));
    faults.extend(orphans.map(|(path, _)| format!("{}: no page leads there", path.display())));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let mut faults = Vec::new();
    let mut count = 0;
    let named = |(path, _): &(PathBuf, String)| {
        path.ends_with("ARCHITECTURE.md") || path.ends_with("guarantees.md") || path.parent().unwrap().ends_with("decisions")
    };
    for (path, text) in pages().into_iter().filter(named) {
        // A file in code marks, then names in code marks, up to the next file or the next paragraph.
        let mut file: Option<(&str, String)> = None;
        for word in text.split('`').skip(1).step_by(2) {
            if word.ends_with(".rs") {
                file = Some((word, fs::read_to_string(page(word)).unwrap_or_default()));
            } else if word.matches('_').count() >= 3
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            {
                let is_there = match &file {
                    Some((_, code)) if path.ends_with("ARCHITECTURE.md") => code.contains(&format!("fn {word}(")),
                    _ => every_code().contains(&format!("fn {word}(")),
                };
                count += 1;
                if !is_there {
                    faults.push(format!("{}: `{word}` is no test", path.display()));
                }
            }
        }
    }
    assert!(count > 40, "only {count} names found: is this test still reading them?");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Returns all code of the program and its tests in one text.
fn every_code() -> &'static str {
    fn read(folder: &Path, all: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, all);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                all.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    static CODE: LazyLock<String> = LazyLock::new(|| {
        let mut all = String::new();
        for folder in ["src", "tests"] {
            read(&page(folder), &mut all);
        }
        all
    });
    &CODE
}
