//! A workspace folder to the texts in it: config.yaml, rules, scripts, templates, calendars and plugins, in one order on
//! every machine.
//!
//! It understands no file it reads. Nothing it could not read is passed over in silence, nothing outside the workspace
//! is read, and nothing is read without a limit.

pub mod revision;
mod walk;
pub mod watch;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::problem::{Place, Problem};
use walk::Found;

/// The largest single file, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// The most all files of a workspace may have together, in bytes.
pub const ALL_BYTES_MAX: u64 = 32 << 20;
/// The most files and folders looked at.
pub const ENTRIES_MAX: usize = 10_000;
/// The deepest folder below `rules/`.
pub const DEPTH_MAX: usize = 8;

/// The name of the configuration's file.
pub const CONFIG: &str = "config.yaml";
const RULES: &str = "rules";
const TEMPLATES: &str = "rules/templates";
/// Where the layouts of papers lie, with their fonts and pictures.
pub const PAPERS: &str = "rules/papers";
const PLUGINS: &str = "plugins";
/// The ending of a rule's test.
const TEST: &str = ".test.yaml";

/// The largest file beside a plugin's texts, such as its program, in bytes.
pub const PLUGIN_FILE_BYTES_MAX: u64 = 64 << 20;

/// The most that fonts and pictures of papers may have together, in bytes: one font of a script with many signs, and some small.
pub const PAPERS_BYTES_MAX: u64 = 24 << 20;
/// The endings of fonts and pictures of papers.
const PAPER_ENDINGS: [&str; 6] = [".ttf", ".otf", ".ttc", ".png", ".jpg", ".jpeg"];

/// A file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFile {
    /// The path in the workspace, with `/` on every system: `rules/overdue.yaml`.
    pub path: Arc<str>,
    /// The whole text, without a byte order mark.
    pub text: String,
}

/// A file that is no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinaryFile {
    /// The path in the workspace, with `/` on every system: `rules/templates/logo.png`.
    pub path: Arc<str>,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readers {
    /// Nobody but its owner, as far as is known.
    #[default]
    Few,
    /// Its owner and their group.
    Group,
    /// Every user of the machine.
    Everybody,
}

/// All texts of a workspace, each list sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// config.yaml.
    pub config: Option<TextFile>,
    /// Who may read config.yaml.
    pub config_readers: Readers,
    /// `rules/*.yaml` without the rules' tests.
    pub rules: Vec<TextFile>,
    /// `rules/*.rhai` by path: `rules/overdue.rhai`.
    pub scripts: BTreeMap<String, String>,
    /// Everything a template can be made of, below `rules/templates/`.
    pub templates: Vec<TextFile>,
    /// The images among them.
    pub images: Vec<BinaryFile>,
    /// The layouts of papers: `rules/papers/*.yaml`.
    pub papers: Vec<TextFile>,
    /// The fonts and pictures below `rules/papers/`.
    pub paper_files: Vec<BinaryFile>,
    /// The calendar files that were asked for with [`read_calendars`], in that order.
    pub calendars: Vec<TextFile>,
    /// The folders below `plugins/`, with every file in them.
    pub plugins: Vec<PluginTexts>,
}

/// What lies in a plugin's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginTexts {
    /// The folder's name.
    pub name: String,
    /// Its YAML files and scripts, by path in the folder; of folders in it the tables in `rates/` alone.
    pub texts: BTreeMap<String, String>,
    /// The SHA-256 of every other file, by path in the folder: programs and their data.
    pub others: BTreeMap<String, [u8; 32]>,
}

/// Reads the workspace at `folder`; what cannot be read is left out of the texts and stands among the problems.
pub fn read(folder: &Path) -> (Texts, Vec<Problem>) {
    let mut reader = Reader::new(PathBuf::new());
    match folder.canonicalize() {
        Ok(root) if root.is_dir() => {
            reader.root = root;
            reader.workspace();
        }
        Ok(_) => {
            let problem = Problem::error(format!("`{}` is a file, not a folder", folder.display()));
            reader.problems.push(problem.hint("name the folder that holds config.yaml"));
        }
        Err(error) => {
            let problem = Problem::error(format!("Cannot open the folder `{}`: {error}", folder.display()));
            reader.problems.push(problem.hint("name the folder that holds config.yaml"));
        }
    }
    (reader.texts, reader.problems)
}

/// Reads the calendar files at `paths` of the workspace into `texts`; the limits hold over all texts together. Returns what
/// could not be read.
pub fn read_calendars<'p>(folder: &Path, paths: impl Iterator<Item = &'p str>, texts: &mut Texts) -> Vec<Problem> {
    let Ok(root) = folder.canonicalize() else { return Vec::new() };
    let files = texts.config.iter().chain(&texts.rules).chain(&texts.templates).chain(&texts.papers);
    let others = texts.scripts.values().map(String::len).chain(texts.images.iter().map(|file| file.bytes.len()));
    let used: usize = files.map(|file| file.text.len()).chain(others).sum();
    let bytes_left = ALL_BYTES_MAX.saturating_sub(used as u64);
    let mut reader = Reader { bytes_left, ..Reader::new(root) };
    let found: Vec<TextFile> = paths.filter_map(|path| reader.text(path.to_owned())).collect();
    texts.calendars = found;
    reader.problems
}

/// Reads the tests of rules: `rules/*.test.yaml`, by path. They are no part of a generation.
pub fn read_tests(folder: &Path) -> (Vec<TextFile>, Vec<Problem>) {
    let Ok(root) = folder.canonicalize() else { return (Vec::new(), Vec::new()) };
    let mut reader = Reader::new(root);
    let files = test_paths(folder).into_iter().filter_map(|path| reader.text(path)).collect();
    (files, reader.problems)
}

/// Returns the paths of the tests of rules, in the workspace.
pub fn test_paths(folder: &Path) -> Vec<String> {
    let root = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mut found = Found::default();
    walk::list(&root, RULES, 0, &mut found);
    let is_test = |path: &String| path.matches('/').count() == 1 && path.ends_with(TEST);
    let mut paths: Vec<String> = found.files.into_iter().filter(is_test).collect();
    paths.sort();
    paths
}

/// Returns whether a file of a plugin, by its path in the folder, is a table of rates.
fn is_table(file: &str) -> bool {
    file.strip_prefix("rates/").is_some_and(|name| !name.contains('/') && name.ends_with(".yaml"))
}

/// Returns whether a file below `rules/` lies there without being part of what is loaded.
fn is_beside(path: &str) -> bool {
    path.starts_with(RULES) && kind(path.rsplit('/').next().unwrap_or(path)) == Kind::Beside
}

/// What a file in `rules/` is, told from its name.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Rule,
    Script,
    /// Notes and tests of rules, which belong there but are not read here.
    Beside,
    /// Probably meant to be read; the name it should have.
    Misnamed(String),
    Unknown,
}

fn kind(name: &str) -> Kind {
    let lower = name.to_lowercase();
    let stem = |ending: &str| name[..name.len() - ending.len()].to_owned();
    if lower.ends_with(TEST) || lower.ends_with(".md") {
        Kind::Beside
    } else if name.ends_with(".yaml") {
        Kind::Rule
    } else if name.ends_with(".rhai") {
        Kind::Script
    } else if let Some(ending) = [".yml", ".yaml", ".rhai"].into_iter().find(|ending| lower.ends_with(ending)) {
        Kind::Misnamed(stem(ending) + if ending == ".rhai" { ".rhai" } else { ".yaml" })
    } else {
        Kind::Unknown
    }
}

/// The endings of the files below `rules/templates/` that are read.
const TEMPLATE_ENDINGS: [&str; 3] = [".html", ".txt", ".mjml"];

/// The endings of the images that a template may show.
const IMAGE_ENDINGS: [&str; 4] = [".png", ".jpg", ".jpeg", ".gif"];

struct Reader {
    root: PathBuf,
    bytes_left: u64,
    paper_bytes_left: u64,
    texts: Texts,
    problems: Vec<Problem>,
}

impl Reader {
    fn new(root: PathBuf) -> Self {
        let (texts, problems) = (Texts::default(), Vec::new());
        Self { root, bytes_left: ALL_BYTES_MAX, paper_bytes_left: PAPERS_BYTES_MAX, texts, problems }
    }

    fn workspace(&mut self) {
        self.config();
        let mut found = Found::default();
        walk::list(&self.root, RULES, 0, &mut found);
        self.problems.append(&mut found.problems);
        found.files.sort();
        for path in found.files {
            self.rule_file(path);
        }
        self.plugins();
    }

    fn config(&mut self) {
        let other = "config.yml";
        if self.root.join(other).is_file() {
            if !self.root.join(CONFIG).exists() {
                let problem = Problem::error(format!("`{other}` is not read")).at(Place::file(other));
                self.problems.push(problem.hint(format!("rename it to `{CONFIG}`")));
                return;
            }
            let problem = Problem::warning(format!("`{other}` is not read beside `{CONFIG}`")).at(Place::file(other));
            self.problems.push(problem.hint("remove it"));
        }
        match walk::resolve(&self.root, CONFIG) {
            Ok(path) => {
                self.texts.config_readers = readers(&path);
                self.texts.config = self.text(CONFIG.to_owned());
            }
            Err(problem) if self.root.join(CONFIG).symlink_metadata().is_ok() => self.problems.push(problem),
            Err(_) => {
                let problem = Problem::error(format!("The workspace `{}` has no {CONFIG}", self.root.display()));
                self.problems.push(problem.hint("start in the folder that holds it, or name that folder"));
            }
        }
    }

    /// Reads one file below `rules/` to where it belongs.
    fn rule_file(&mut self, path: String) {
        if let Some(name) = path.strip_prefix(TEMPLATES).and_then(|rest| rest.strip_prefix('/')) {
            if TEMPLATE_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                let file = self.text(path);
                self.texts.templates.extend(file);
            } else if IMAGE_ENDINGS.iter().any(|ending| name.to_lowercase().ends_with(ending)) {
                match self.bytes(&path) {
                    Ok(bytes) => self.texts.images.push(BinaryFile { path: path.into(), bytes: bytes.into() }),
                    Err(problem) => self.problems.push(problem),
                }
            } else if !name.to_lowercase().ends_with(".md") {
                let (templates, images) = (TEMPLATE_ENDINGS.join(", "), IMAGE_ENDINGS.join(", "));
                self.unread(&path, format!("a template ends in {templates}, an image in {images}"));
            }
            return;
        }
        if let Some(name) = path.strip_prefix(PAPERS).and_then(|rest| rest.strip_prefix('/')) {
            let name = name.to_owned();
            return self.paper_file(path, &name);
        }
        let name = path.strip_prefix("rules/").unwrap_or(&path);
        if name.contains('/') {
            let hint = format!("rules and scripts lie in `{RULES}/` itself, templates in `{TEMPLATES}/`, layouts in `{PAPERS}/`");
            return self.unread(&path, hint);
        }
        match kind(name) {
            Kind::Rule => {
                let file = self.text(path);
                self.texts.rules.extend(file);
            }
            Kind::Script => {
                let file = self.text(path);
                self.texts.scripts.extend(file.map(|file| (file.path.to_string(), file.text)));
            }
            Kind::Beside => {}
            Kind::Misnamed(right) => {
                // An error: somebody believes that this rule runs.
                let problem = Problem::error(format!("`{name}` is not read")).at(Place::file(path));
                self.problems.push(problem.hint(format!("rename it to `{right}`")));
            }
            Kind::Unknown => self.unread(&path, "a rule ends in .yaml, its script in .rhai".to_owned()),
        }
    }

    /// Reads one file below `rules/papers/`, by its name there.
    fn paper_file(&mut self, path: String, name: &str) {
        let lower = name.to_lowercase();
        if name.ends_with(".yaml") && !name.contains('/') {
            let file = self.text(path);
            self.texts.papers.extend(file);
        } else if PAPER_ENDINGS.iter().any(|ending| lower.ends_with(ending)) {
            match self.limited(&path, PAPERS_BYTES_MAX, self.paper_bytes_left) {
                Ok(bytes) => {
                    self.paper_bytes_left -= bytes.len() as u64;
                    self.texts.paper_files.push(BinaryFile { path: path.into(), bytes: bytes.into() });
                }
                Err(problem) => self.problems.push(problem),
            }
        } else if !lower.ends_with(".md") {
            self.unread(
                &path,
                format!(
                    "a layout lies in `{PAPERS}/` itself and ends in .yaml, a font in .ttf or .otf, a picture in .png or .jpg"
                ),
            );
        }
    }

    fn plugins(&mut self) {
        if self.root.join(PLUGINS).symlink_metadata().is_err() {
            return;
        }
        let mut found = Found::default();
        walk::list(&self.root, PLUGINS, 0, &mut found);
        self.problems.append(&mut found.problems);
        found.files.sort();
        let mut folders: BTreeMap<String, PluginTexts> = BTreeMap::new();
        for path in found.files {
            let inner = path.strip_prefix(PLUGINS).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&path);
            let Some((folder, file)) = inner.split_once('/') else {
                if !inner.to_lowercase().ends_with(".md") {
                    self.unread(&path, format!("a plugin is a folder in `{PLUGINS}/` with a plugin.yaml"));
                }
                continue;
            };
            // What an interpreter leaves beside its program changes by itself.
            if file.contains("__pycache__/") || file.to_lowercase().ends_with(".md") {
                continue;
            }
            let texts = folders
                .entry(folder.to_owned())
                .or_insert_with(|| PluginTexts { name: folder.to_owned(), ..PluginTexts::default() });
            let file = file.to_owned();
            let is_of_folder = !file.contains('/') && [".yaml", ".rhai"].iter().any(|ending| file.ends_with(ending));
            if is_of_folder || is_table(&file) {
                if let Some(read) = self.text(path) {
                    texts.texts.insert(file, read.text);
                }
            } else {
                match self.hash(&path) {
                    Ok(hash) => drop(texts.others.insert(file, hash)),
                    Err(problem) => self.problems.push(problem),
                }
            }
        }
        self.texts.plugins = folders.into_values().collect();
    }

    /// Returns the hash of a file that is no text of ours.
    fn hash(&self, path: &str) -> Result<[u8; 32], Problem> {
        let problem = |message: String| Problem::error(message).at(Place::file(path));
        let unreadable = |error: std::io::Error| problem(format!("Cannot read `{path}`: {error}")).hint("check who may read it");
        let mut file = File::open(walk::resolve(&self.root, path)?).map_err(unreadable)?.take(PLUGIN_FILE_BYTES_MAX + 1);
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut count = 0;
        loop {
            let read = file.read(&mut buffer).map_err(unreadable)?;
            if read == 0 {
                return Ok(hash.finalize().into());
            }
            hash.update(&buffer[..read]);
            count += read as u64;
            if count > PLUGIN_FILE_BYTES_MAX {
                let message = format!("`{path}` has more than {PLUGIN_FILE_BYTES_MAX} bytes");
                return Err(problem(message).hint("a plugin's folder holds its program, not its data"));
            }
        }
    }

    fn unread(&mut self, path: &str, hint: String) {
        let problem = Problem::warning(format!("`{path}` is not read")).at(Place::file(path));
        self.problems.push(problem.hint(hint));
    }

    /// Reads one text, noting why it cannot be.
    fn text(&mut self, path: String) -> Option<TextFile> {
        let bytes = self.bytes(&path).map_err(|problem| self.problems.push(problem)).ok()?;
        match String::from_utf8(bytes) {
            Ok(text) => {
                let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
                Some(TextFile { path: path.into(), text })
            }
            Err(error) => {
                self.problems.push(not_utf8(&path, error.as_bytes(), error.utf8_error().valid_up_to()));
                None
            }
        }
    }

    fn bytes(&mut self, path: &str) -> Result<Vec<u8>, Problem> {
        let bytes = self.limited(path, FILE_BYTES_MAX, self.bytes_left)?;
        self.bytes_left -= bytes.len() as u64;
        Ok(bytes)
    }

    /// Reads a file of at most `file_max` bytes, of which `left` are still to be had.
    fn limited(&self, path: &str, file_max: u64, left: u64) -> Result<Vec<u8>, Problem> {
        let unreadable = |error: std::io::Error| {
            Problem::error(format!("Cannot read `{path}`: {error}")).at(Place::file(path)).hint("check who may read it")
        };
        let resolved = walk::resolve(&self.root, path)?;
        let mut bytes = Vec::new();
        let limit = file_max.min(left);
        // One byte more than allowed tells a file that is too large from one that just fits, even while it grows.
        File::open(resolved).map_err(unreadable)?.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let count = bytes.len() as u64;
        if count > file_max {
            let message = format!("`{path}` has more than {file_max} bytes");
            return Err(Problem::error(message).at(Place::file(path)).hint("split it, or move what is not a text elsewhere"));
        }
        if count > left {
            let most = if file_max == FILE_BYTES_MAX { ALL_BYTES_MAX } else { PAPERS_BYTES_MAX };
            let message = format!("The files of the workspace have more than {most} bytes together");
            return Err(Problem::error(message).at(Place::file(path)).hint("move what is not a rule or template elsewhere"));
        }
        Ok(bytes)
    }
}

/// Returns the problem of a text that stops being UTF-8 after `valid` bytes.
fn not_utf8(path: &str, bytes: &[u8], valid: usize) -> Problem {
    let text = String::from_utf8_lossy(bytes);
    // Everything before the fault is the same in the lossy text, so it is cut at the same byte.
    let before = &text[..valid];
    let line = before.matches('\n').count() as u32 + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u32 + 1;
    let message = format!("`{path}` is not UTF-8 text: it has the byte 0x{:02X}", bytes.get(valid).copied().unwrap_or_default());
    let hint = "save it with the encoding UTF-8";
    Problem::error(message).at(Place::within(path, &text, line, column, 1)).hint(hint)
}

#[cfg(unix)]
fn readers(path: &Path) -> Readers {
    use std::os::unix::fs::PermissionsExt;
    match path.metadata().map(|metadata| metadata.permissions().mode()) {
        Ok(mode) if mode & 0o004 != 0 => Readers::Everybody,
        Ok(mode) if mode & 0o040 != 0 => Readers::Group,
        _ => Readers::Few,
    }
}

#[cfg(not(unix))]
fn readers(_: &Path) -> Readers {
    Readers::Few
}

#[cfg(test)]
mod tests;
