//! Hot reload: a change of the files builds a whole new generation, which takes the old one's place only if it is right.
//!
//! Otherwise the last good one stays, every problem is kept for people to see, and the rules whose files are broken or
//! gone are paused: nobody knows any more what their author wants sent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::id::RuleId;
use crate::domain::problem::{Place, Problem, Severity};
use crate::engine::generation::RunGenerations;
use crate::engine::left_out::left_out;
use crate::engine::status::{PauseReason, PausedRule};
use crate::engine::workspace::{Loaded, Workspace, load};
use crate::rulebook::watch::Stamps;

use crate::rulebook::watch::SETTLE;

pub use crate::rulebook::watch::Watch;

/// A rule that does not run although somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// Its file, relative to the workspace.
    pub file: String,
    /// Why.
    pub reason: PauseReason,
}

/// What a look at the files led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The texts are those of the current generation.
    Unchanged,
    /// There is a new generation.
    Swapped,
    /// Something is wrong; the last good generation stays.
    Refused,
}

/// A workspace that follows its files.
#[derive(Debug)]
pub struct LiveWorkspace {
    root: PathBuf,
    generations: Arc<RunGenerations>,
    paused: BTreeMap<RuleId, Paused>,
    problems: Vec<Problem>,
    /// How the files looked before they were last read.
    stamps: Stamps,
    is_refused: bool,
    /// What a generation depends on besides the files has changed.
    is_unread: bool,
    /// The generation in force is the first one, and lacks rules that had errors.
    is_partial: bool,
}

/// Files that were read, to be taken in.
#[derive(Debug)]
pub struct Reading {
    stamps: Stamps,
    loaded: Loaded,
    /// The rule files left out, where anything is wrong at all.
    left_out: Vec<(RuleId, String)>,
}

/// How often quiet is waited for before files are read that never rest.
const SETTLES_MAX: usize = 20;

/// A look at the files, to be taken on a thread that may wait.
#[derive(Debug)]
pub struct Look {
    root: PathBuf,
    others: Vec<String>,
    /// How they looked last time; `None`: what was read then was not right, and may be by now.
    seen: Option<Stamps>,
}

impl Look {
    /// Reads the files; `None` where none of them has changed.
    ///
    /// Files that are being changed are waited for, a bounded time: a rule that is cut off in the middle may be a right one.
    pub fn take(self) -> Option<Reading> {
        let Self { root, others, seen } = self;
        let mut stamps = Stamps::take(&root, &others);
        if seen.is_some_and(|seen| stamps == seen) {
            return None;
        }
        let mut reading = None;
        for _ in 0..SETTLES_MAX {
            std::thread::sleep(SETTLE);
            let now = Stamps::take(&root, &others);
            if now != std::mem::replace(&mut stamps, now.clone()) {
                continue;
            }
            let read = Reading::take(&root, &others);
            // What changed while it was read may have been read in part.
            let is_whole = Stamps::take(&root, &others) == stamps;
            reading = Some(read);
            if is_whole {
                break;
            }
        }
        Some(reading.unwrap_or_else(|| Reading::take(&root, &others)))
    }
}

impl Reading {
    /// Reads a workspace; takes as long as its files are many.
    pub fn take(root: &Path, others: &[String]) -> Self {
        // The stamps first: a change made while the files are read shows at the next look.
        let stamps = Stamps::take(root, others);
        let loaded = load(root);
        let broken = loaded.workspace.as_ref().map(left_out).unwrap_or_default();
        let left_out = broken.into_iter().map(|rule| (RuleId::new(&rule.id), rule.file)).collect();
        Self { stamps, loaded, left_out }
    }
}

impl LiveWorkspace {
    /// Loads the first generation; rules with errors are paused from the start.
    ///
    /// # Errors
    /// Every problem, where config.yaml is wrong.
    pub fn start(root: &Path) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::take(root, &[]);
        let Some(workspace) = reading.loaded.workspace.take() else { return Err(reading.loaded.problems) };
        // Taken again, with the files that config.yaml names besides.
        let stamps = Stamps::take(root, &workspace.other_files());
        let is_refused = reading.loaded.has_errors();
        let mut live = Self {
            root: root.to_owned(),
            generations: RunGenerations::new(Arc::new(workspace)),
            paused: BTreeMap::new(),
            problems: reading.loaded.problems,
            stamps,
            is_refused,
            is_unread: false,
            is_partial: is_refused,
        };
        live.pause(&reading.left_out, PauseReason::Broken);
        Ok(live)
    }

    /// Pauses those of `ran`, the rules that have run before, that are no longer there: a file may have been lost while nobody
    /// looked.
    pub fn miss(&mut self, ran: Vec<RuleId>) {
        let current = self.current();
        let gone = ran.into_iter().filter(|id| !is_accounted_for(&current, id) && !self.paused.contains_key(id));
        let gone: Vec<_> = gone.map(|id| (id, "its file".to_owned())).collect();
        self.pause(&gone, PauseReason::Vanished);
    }

    /// Returns the generations.
    pub fn generations(&self) -> &Arc<RunGenerations> {
        &self.generations
    }

    /// Returns the current generation.
    pub fn current(&self) -> Arc<Workspace> {
        self.generations.current()
    }

    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the rules that do not run although somebody wrote them.
    pub fn paused(&self) -> &BTreeMap<RuleId, Paused> {
        &self.paused
    }

    /// Returns every problem of the files as they were last read, warnings included.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the rules that do not run, as they are shown.
    pub fn paused_rules(&self) -> Vec<PausedRule> {
        let shown = |(id, paused): (&RuleId, &Paused)| PausedRule {
            rule: id.to_string(),
            file: paused.file.clone(),
            reason: paused.reason,
        };
        self.paused.iter().map(shown).collect()
    }

    /// Returns the next look at the files.
    pub fn look(&self) -> Look {
        let seen = (!self.is_refused && !self.is_unread).then(|| self.stamps.clone());
        Look { root: self.root.clone(), others: self.current().other_files(), seen }
    }

    /// Has the next look read the files whatever they look like: something beside them has changed.
    pub fn read_anew(&mut self) {
        self.is_unread = true;
    }

    /// Takes in what was read: a new generation if all of it is right.
    pub fn take_in(&mut self, reading: Reading) -> Reloaded {
        let Reading { stamps, mut loaded, left_out } = reading;
        let current = self.current();
        self.stamps = stamps;
        self.is_unread = false;
        if let Some(workspace) = &loaded.workspace
            && (workspace.config.instance != current.config.instance || workspace.config.database != current.config.database)
        {
            let problem = Problem::error("`instance` and `database` cannot change while the daemon runs");
            loaded.problems.push(problem.at(Place::file("config.yaml")).hint("set them back, or start the daemon again"));
        }
        let has_errors = loaded.has_errors();
        let Loaded { workspace, problems } = loaded;
        self.is_refused = has_errors;
        // Without a config the rules cannot be judged: what is paused stays so.
        let is_judged = workspace.is_some();
        let Some(workspace) = workspace.filter(|_| !has_errors) else {
            self.pause_broken(&problems, &left_out, &current, is_judged);
            self.problems = problems;
            return Reloaded::Refused;
        };
        self.problems = problems;
        // What was paused and is there again runs again; what is gone stays in sight.
        self.paused.retain(|id, paused| !is_accounted_for(&workspace, id) && paused.reason == PauseReason::Vanished);
        let vanished = current.rules.rules.iter().filter(|rule| !is_accounted_for(&workspace, &rule.id));
        let vanished: Vec<_> = vanished.map(|rule| (rule.id.clone(), rule.file.to_string())).collect();
        self.pause(&vanished, PauseReason::Vanished);
        // The texts may be the same and a rule right now that was not: the ledger has got a column that it asks for.
        if workspace.generation == current.generation && workspace.away == current.away && !self.is_partial {
            return Reloaded::Unchanged;
        }
        self.is_partial = false;
        self.stamps = self.stamps_of(&workspace, &current);
        self.generations.swap(Arc::new(workspace));
        Reloaded::Swapped
    }

    /// Returns the stamps to compare with from now on; other ones where config.yaml names other files than before.
    fn stamps_of(&self, workspace: &Workspace, before: &Workspace) -> Stamps {
        let files = workspace.other_files();
        if files == before.other_files() { self.stamps.clone() } else { Stamps::take(&self.root, &files) }
    }

    fn pause(&mut self, rules: &[(RuleId, String)], reason: PauseReason) {
        for (id, file) in rules {
            self.paused.insert(id.clone(), Paused { file: file.clone(), reason });
        }
    }

    /// Pauses the rules of the last good generation that the files no longer give, and those that never were in one.
    fn pause_broken(&mut self, problems: &[Problem], left_out: &[(RuleId, String)], current: &Workspace, is_judged: bool) {
        self.paused.retain(|_, paused| !is_judged || paused.reason == PauseReason::Vanished);
        self.pause(left_out, PauseReason::Broken);
        for rule in &current.rules.rules {
            let is_left_out = left_out.iter().any(|(id, file)| *id == rule.id || **file == *rule.file);
            let is_blamed = problems.iter().any(|problem| {
                let is_there = |place: &Place| place.file == rule.file;
                problem.severity == Severity::Error && problem.place.as_ref().is_some_and(is_there)
            });
            let reason = if is_left_out || is_blamed {
                PauseReason::Broken
            } else if !self.root.join(&*rule.file).exists() {
                PauseReason::Vanished
            } else {
                if is_judged {
                    self.paused.remove(&rule.id);
                }
                continue;
            };
            self.pause(&[(rule.id.clone(), rule.file.to_string())], reason);
        }
    }
}

/// Returns whether a rule is there, goes on under another id, or was ended for good.
fn is_accounted_for(workspace: &Workspace, id: &RuleId) -> bool {
    workspace.rules.rules.iter().any(|rule| rule.is_known_as(id)) || workspace.config.ended_rules.contains(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const CONFIG: &str = "instance: test\nsmtp:\n  primary: { host: 127.0.0.1, port: 25, security: none }\nsenders:\n  ar: { address: ar@seller.example, server: primary }\n\
        recipient_keys: { billing: Billing }\nledger:\n  currency: EUR\n  invoices: { csv: invoices.csv }\n";

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            folder.write("config.yaml", CONFIG);
            folder.write("invoices.csv", "number,customer,issued_on,due_on,total\n1,C1,2026-01-01,2026-01-15,10.00\n");
            folder.write("rules/templates/note.subject.txt", "Hello\n");
            folder.write("rules/templates/note.html", "<p>Please pay {{ total }}</p>\n");
            folder.rule("a", 7);
            folder.rule("b", 7);
            folder
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn rule(&self, id: &str, days: u32) {
            let text = format!(
                "id: {id}\nkind: reminder\nlevels: [{{ id: first, when: {days} days after due, template: note }}]\nfrom: ar\nto: [billing]\n"
            );
            self.write(&format!("rules/{id}.yaml"), &text);
        }

        fn remove(&self, name: &str) {
            fs::remove_file(self.0.path().join(name)).unwrap();
        }
    }

    /// Reads the folder as it is and tells what came of it: the outcome, the rules that run, those that are paused.
    fn look(live: &mut LiveWorkspace) -> String {
        let reading = Reading::take(live.root(), &live.current().other_files());
        let outcome = live.take_in(reading);
        let current = live.current();
        let paused = live.paused();
        let running =
            current.rules.rules.iter().map(|rule| rule.id.to_string()).filter(|id| !paused.contains_key(&RuleId::new(id)));
        let running: Vec<String> = running.collect();
        let paused: Vec<String> = paused.iter().map(|(id, paused)| format!("{id} {}", paused.reason.as_str())).collect();
        format!("{outcome:?}: {} | {}", running.join(" "), paused.join(", "))
    }

    #[test]
    fn only_what_is_right_takes_over_and_what_is_broken_or_gone_pauses_itself_alone() {
        let folder = Folder::new();
        let mut live = LiveWorkspace::start(folder.0.path()).unwrap();
        assert_eq!(look(&mut live), "Unchanged: a b | ");
        let first = live.current().generation.clone();

        folder.rule("a", 8);
        assert_eq!(look(&mut live), "Swapped: a b | ");
        let second = live.current().generation.clone();
        assert_ne!(first, second);

        // Broken: the last good one stays, and of it all but the broken rule.
        folder.write("rules/a.yaml", "id: a\nkind: remnider\n");
        assert_eq!(look(&mut live), "Refused: b | a broken");
        assert_eq!(live.current().generation, second);
        assert!(live.problems().iter().any(|problem| problem.to_string().contains("rules/a.yaml:2:7")), "{:?}", live.problems());

        // Another rule's good change waits until the whole is right.
        folder.rule("b", 9);
        assert_eq!(look(&mut live), "Refused: b | a broken");
        folder.rule("a", 8);
        assert_eq!(look(&mut live), "Swapped: a b | ");

        folder.remove("rules/a.yaml");
        assert_eq!(look(&mut live), "Swapped: b | a vanished");
        assert_eq!(look(&mut live), "Unchanged: b | a vanished");
        folder.rule("a", 8);
        assert_eq!(look(&mut live), "Swapped: a b | ");

        // A file that moved under its id has not vanished.
        folder.remove("rules/a.yaml");
        folder
            .write("rules/z.yaml", &fs::read_to_string(folder.0.path().join("rules/b.yaml")).unwrap().replace("id: b", "id: a"));
        assert_eq!(look(&mut live), "Swapped: a b | ");

        // A broken config keeps the old one, and no rule pauses for it.
        folder.write("config.yaml", "instance: [\n");
        assert_eq!(look(&mut live), "Refused: a b | ");
        folder.write("config.yaml", &CONFIG.replace("instance: test", "instance: other"));
        assert_eq!(look(&mut live), "Refused: a b | ");
        folder.write("config.yaml", CONFIG);
        assert_eq!(look(&mut live), "Unchanged: a b | ");
    }

    #[test]
    fn a_broken_or_vanished_rule_does_not_run_again_because_the_config_breaks_too() {
        let folder = Folder::new();
        let mut live = LiveWorkspace::start(folder.0.path()).unwrap();
        folder.write("rules/a.yaml", "id: a\nkind: remnider\n");
        assert_eq!(look(&mut live), "Refused: b | a broken");
        folder.write("config.yaml", "instance: [\n");
        assert_eq!(look(&mut live), "Refused: b | a broken");
        folder.write("config.yaml", CONFIG);
        folder.rule("a", 7);
        assert_eq!(look(&mut live), "Unchanged: a b | ");
    }

    #[test]
    fn a_rule_left_out_at_the_start_runs_once_the_ledger_has_its_column() {
        let folder = Folder::new();
        folder.write(
            "rules/a.yaml",
            "id: a\nkind: reminder\nwhere: invoice.attributes.region == \"north\"\nlevels: [{ id: first, when: 7 days after due, template: note }]\n\
             from: ar\nto: [billing]\n",
        );
        let mut live = LiveWorkspace::start(folder.0.path()).unwrap();
        assert_eq!(look(&mut live), "Refused: b | a broken");
        folder.write("invoices.csv", "number,customer,issued_on,due_on,total,region\n");
        assert_eq!(look(&mut live), "Swapped: a b | ");
        assert_eq!(look(&mut live), "Unchanged: a b | ");
    }

    #[test]
    fn what_was_refused_is_looked_at_again_without_a_change() {
        let folder = Folder::new();
        let mut live = LiveWorkspace::start(folder.0.path()).unwrap();
        assert!(live.look().take().is_none());
        // The ledger's heading is read too, and nobody watches the ledger.
        folder.remove("invoices.csv");
        folder.rule("a", 8);
        assert!(live.look().take().is_some());
        assert_eq!(look(&mut live), "Refused: a b | ");
        assert!(live.look().take().is_some());
        folder.write("invoices.csv", "number,customer,issued_on,due_on,total\n");
        assert_eq!(look(&mut live), "Swapped: a b | ");
        assert!(live.look().take().is_none());
    }
}
