//! Noticing that a workspace's files have changed: hints from the system, and a look at every file's stamp.
//!
//! The system's notices are hints only: they get lost, come early, come twice, and never come from a network folder. What
//! counts is the stamps, looked at after a hint has settled and now and then without one. Nothing is understood here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::rulebook::walk::{self, Found};
use crate::rulebook::{CONFIG, PLUGINS, RULES, is_beside};

/// How long files must have been left alone before they are read: an editor saves in several steps.
pub const SETTLE: Duration = Duration::from_millis(60);

/// What every file of a workspace looks like from outside. Two that are equal: nothing has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(Vec<(PathBuf, Option<Stamp>)>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    changed_at: Option<SystemTime>,
    /// Another file under the old name, as `mv` and editors leave it, and when the file last changed in any way: a copy may
    /// bring an old time of writing along.
    identity: (u64, i64, i64),
}

impl Stamps {
    /// Looks at config.yaml, everything below `rules/` and `plugins/`, and `others` (paths in the workspace).
    pub fn take(root: &Path, others: &[String]) -> Self {
        let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let mut found = Found::default();
        for folder in [RULES, PLUGINS] {
            walk::list(&real, folder, 0, &mut found);
        }
        // Tests and notes are not loaded, so a change of one is none.
        let mut paths: Vec<String> = found.files.into_iter().filter(|path| !is_beside(path)).collect();
        paths.push(CONFIG.to_owned());
        paths.extend(others.iter().cloned());
        paths.sort_unstable();
        paths.dedup();
        Self(paths.into_iter().map(|path| real.join(path)).map(|path| (path.clone(), stamp(&path))).collect())
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = path.metadata().ok()?;
    Some(Stamp { bytes: metadata.len(), changed_at: metadata.modified().ok(), identity: identity(&metadata) })
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> (u64, i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> (u64, i64, i64) {
    (0, 0, 0)
}

/// The system's notices about a workspace.
pub struct Watch {
    root: PathBuf,
    watcher: Option<RecommendedWatcher>,
    names: Arc<Mutex<Vec<OsString>>>,
    hint: Arc<Notify>,
}

impl Watch {
    /// Starts to listen. Where the system offers no notices, none come: the regular look finds changes all the same.
    pub fn start(root: &Path, others: &[String]) -> Self {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let hint = Arc::new(Notify::new());
        let (wake, filter) = (hint.clone(), Filter::new(&root, others));
        let own_names = filter.names.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| match event {
            Ok(event) if !filter.is_meant(&event) => {}
            // An error may mean that notices were lost.
            _ => wake.notify_one(),
        });
        let watcher = watcher
            .inspect_err(
                |error| tracing::warn!(%error, "The system gives no notice of changed files; they are looked at regularly"),
            )
            .ok();
        let mut watch = Self { root, watcher, names: own_names, hint };
        watch.renew(others);
        watch
    }

    /// Listens to the folders that are there now: one that was moved away and made anew is another folder.
    pub fn renew(&mut self, others: &[String]) {
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names(others);
        let Some(watcher) = &mut self.watcher else { return };
        let mut listen = |path: PathBuf, mode: RecursiveMode| {
            // What is not there yet is seen to appear by the folder above it.
            if path.is_dir()
                && let Err(error) = watcher.watch(&path, mode)
            {
                tracing::warn!(%error, folder = %path.display(), "A folder cannot be watched; it is looked at regularly");
            }
        };
        listen(self.root.clone(), RecursiveMode::NonRecursive);
        for folder in [RULES, PLUGINS] {
            listen(self.root.join(folder), RecursiveMode::Recursive);
        }
        for path in others {
            listen(self.root.join(path).parent().unwrap_or(&self.root).to_owned(), RecursiveMode::NonRecursive);
        }
    }

    /// Ends when a notice has come. May be dropped at any time without losing one.
    pub async fn hinted(&self) {
        self.hint.notified().await;
    }
}

/// Tells notices about the workspace's texts from those about the database, which stands in the same folder.
struct Filter {
    root: PathBuf,
    names: Arc<Mutex<Vec<OsString>>>,
}

impl Filter {
    fn new(root: &Path, others: &[String]) -> Self {
        Self { root: root.to_owned(), names: Arc::new(Mutex::new(names(others))) }
    }

    fn is_meant(&self, event: &notify::Event) -> bool {
        let is_reading = match event.kind {
            EventKind::Access(kind) => kind != AccessKind::Close(AccessMode::Write),
            _ => false,
        };
        let is_ours = |path: &PathBuf| match path.strip_prefix(&self.root).ok().and_then(|rest| rest.components().next()) {
            Some(first) => {
                let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                names.iter().any(|name| name == first.as_os_str())
            }
            // Outside, by a link, or the root itself.
            None => path != &self.root,
        };
        !is_reading && (event.paths.is_empty() || event.need_rescan() || event.paths.iter().any(is_ours))
    }
}

/// Returns the names in the workspace's folder that are meant.
fn names(others: &[String]) -> Vec<OsString> {
    // `..data` is the link that a mounted config map swaps.
    let mut names: Vec<OsString> = [CONFIG, RULES, PLUGINS, "..data"].map(Into::into).into();
    names.extend(others.iter().filter_map(|path| Path::new(path).components().next()).map(|part| part.as_os_str().to_owned()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn workspace() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("rules/templates")).unwrap();
        fs::create_dir(folder.path().join("calendars")).unwrap();
        for name in ["config.yaml", "rules/a.yaml", "rules/templates/a.html", "calendars/de.yaml"] {
            fs::write(folder.path().join(name), "one").unwrap();
        }
        folder
    }

    fn others() -> Vec<String> {
        vec!["calendars/de.yaml".to_owned()]
    }

    #[test]
    fn every_way_to_save_shows_in_the_stamps_and_the_database_does_not() {
        let folder = workspace();
        let root = folder.path();
        let mut seen = Stamps::take(root, &others());
        let mut changes = |what: &str, act: &dyn Fn()| {
            act();
            let now = Stamps::take(root, &others());
            let has_changed = now != seen;
            seen = now;
            assert_eq!(has_changed, !what.starts_with("not "), "{what}");
        };
        changes("not by doing nothing", &|| {});
        changes("written in place", &|| fs::write(root.join("rules/a.yaml"), "two, longer").unwrap());
        changes("put in its place by an editor", &|| {
            fs::write(root.join("rules/.a.yaml.tmp"), "two, longer").unwrap();
            fs::rename(root.join("rules/.a.yaml.tmp"), root.join("rules/a.yaml")).unwrap();
        });
        changes("deleted", &|| fs::remove_file(root.join("rules/a.yaml")).unwrap());
        changes("made anew", &|| fs::write(root.join("rules/a.yaml"), "three").unwrap());
        changes("a template", &|| fs::write(root.join("rules/templates/a.html"), "other text").unwrap());
        changes("a calendar", &|| fs::write(root.join("calendars/de.yaml"), "other text").unwrap());
        changes("not the database", &|| fs::write(root.join("dunlin.db-wal"), "pages").unwrap());
        changes("not the test of a rule, nor a note", &|| {
            fs::write(root.join("rules/a.test.yaml"), "cases: []").unwrap();
            fs::write(root.join("rules/README.md"), "words").unwrap();
        });
        changes("not an editor's swap file", &|| fs::write(root.join("rules/.a.yaml.swp"), "keys").unwrap());
        changes("a first plugin", &|| {
            fs::create_dir_all(root.join("plugins/days")).unwrap();
            fs::write(root.join("plugins/days/plugin.yaml"), "name: days").unwrap();
        });
    }

    #[cfg(unix)]
    #[test]
    fn a_mounted_folder_whose_link_is_swapped_shows() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (version, text) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir_all(root.join(version).join("rules")).unwrap();
            fs::write(root.join(version).join("config.yaml"), text).unwrap();
        }
        std::os::unix::fs::symlink("..1", root.join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/config.yaml", root.join("config.yaml")).unwrap();
        let before = Stamps::take(root, &[]);
        std::os::unix::fs::symlink("..2", root.join("..next")).unwrap();
        fs::rename(root.join("..next"), root.join("..data")).unwrap();
        assert_ne!(before, Stamps::take(root, &[]));
    }

    #[tokio::test]
    async fn a_saved_rule_gives_a_hint_and_a_write_to_the_database_gives_none() {
        let folder = workspace();
        let watch = Watch::start(folder.path(), &others());
        fs::write(folder.path().join("dunlin.db-wal"), "pages").unwrap();
        fs::write(folder.path().join("rules/a.yaml"), "two").unwrap();
        // Ends only if the hint comes; the filter's own answer about the database:
        watch.hinted().await;
        let filter = Filter::new(&watch.root, &others());
        let event = |name: &str| notify::Event::new(EventKind::Any).add_path(watch.root.join(name));
        let names = ["rules/a.yaml", "config.yaml", "calendars/de.yaml", "..data", "dunlin.db-wal", "invoices.csv"];
        assert_eq!(names.map(|name| filter.is_meant(&event(name))), [true, true, true, true, false, false]);
    }
}
