//! Reads plugin.yaml of every folder, compiles the functions, and joins what plugins say of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::Arc;

use crate::domain::problem::{Place, Problem, Severity, nearest};
use crate::domain::rate_table::RateTables;
use crate::plugin::measure::{duration, size};
use crate::plugin::rates::{RATES, read_table};
use crate::plugin::{ANSWER_BYTES, ANSWER_BYTES_MAX, FILES, FILES_MAX, Plugin, Plugins, Program, TIMEOUT, TIMEOUT_MAX};
use crate::script::{BusinessDays, Library, LibraryFile, Names, Picker, PickerKind};
use crate::template;
use crate::yaml::{self, Entry, Fields, Node, Problems, Span};

/// The most plugins of a workspace.
pub const PLUGINS_MAX: usize = 200;
/// The longest name of a plugin, picker or variable.
const NAME_CHARACTERS_MAX: usize = 64;
/// The most words of a command, and names of an environment.
const WORDS_MAX: usize = 64;

/// The texts of a plugin's folder, as the rulebook read them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginFolder {
    /// The folder's name.
    pub name: String,
    /// The text of plugin.yaml.
    pub manifest: Option<String>,
    /// The texts of the .rhai files, by path in the workspace.
    pub scripts: BTreeMap<String, String>,
    /// The texts of the tables of rates, by path in the workspace.
    pub tables: BTreeMap<String, String>,
    /// The text of test.yaml.
    pub tests: Option<String>,
    /// Every file of the folder, by its path in the folder.
    pub files: BTreeSet<String>,
}

impl PluginFolder {
    fn path(&self, file: &str) -> String {
        format!("plugins/{}/{file}", self.name)
    }
}

/// A plugin as far as its own file tells.
struct Draft<'f> {
    folder: &'f PluginFolder,
    description: String,
    version: String,
    functions: Vec<(String, Span)>,
    pickers: Vec<PickerDraft>,
    attachment: Option<Program>,
    alert: Option<Program>,
    problems: Problems<'f>,
}

struct PickerDraft {
    kind: PickerKind,
    name: String,
    function: String,
    place: Place,
    function_place: Place,
}

/// Reads all plugins. `names` holds the recipient keys and the ledger's columns.
pub fn load(folders: &[PluginFolder], names: &Names, days: Arc<dyn BusinessDays>) -> (Plugins, Vec<Problem>) {
    let mut problems = Vec::new();
    if folders.len() > PLUGINS_MAX {
        let message = format!("There are {} plugins; at most {PLUGINS_MAX} are read", folders.len());
        problems.push(Problem::error(message).at(Place::file(folders[PLUGINS_MAX].path("plugin.yaml"))));
    }
    let mut drafts = Vec::new();
    let mut rates = RateTables::new();
    for folder in &folders[..folders.len().min(PLUGINS_MAX)] {
        match draft(folder, &mut rates) {
            Ok(draft) => drafts.push(draft),
            Err(found) => problems.extend(found),
        }
    }
    let tables = rates.values().cloned().collect();
    let rates = Arc::new(rates);
    let files = drafts.iter().flat_map(|draft| {
        draft.functions.iter().filter_map(|(path, _)| {
            let text = draft.folder.scripts.get(path)?.clone();
            Some(LibraryFile { plugin: draft.folder.name.clone(), path: path.clone(), text })
        })
    });
    let files: Vec<LibraryFile> = files.collect();
    let (mut library, found) = Library::build(&files, names, days.clone(), rates.clone());
    // A filter of the same name would change what templates mean.
    let shadowing = |function: &&crate::script::LibraryFunction| template::is_filter(&function.name);
    let shadows: Vec<Problem> = library
        .functions()
        .iter()
        .filter(shadowing)
        .map(|function| {
            let message = format!("`{}` is a filter of templates", function.name);
            Problem::error(message).at(function.place.clone()).hint("give it a name of its own")
        })
        .collect();
    if !shadows.is_empty() {
        let bad: BTreeSet<String> = library.functions().iter().filter(shadowing).map(|own| own.plugin.clone()).collect();
        let kept: Vec<LibraryFile> = files.iter().filter(|file| !bad.contains(&file.plugin)).cloned().collect();
        // What is wrong was told by the first build.
        library = Library::build(&kept, names, days, rates).0;
    }
    let has_error = |name: &str, found: &[Problem]| {
        let folder = format!("plugins/{name}/");
        let is_in = |problem: &Problem| problem.place.as_ref().is_some_and(|place| place.file.starts_with(&folder));
        found.iter().any(|problem| problem.severity == Severity::Error && is_in(problem))
    };
    let library_problems: Vec<Problem> = found.into_iter().chain(shadows).collect();
    let mut plugins = Vec::new();
    let mut taken: BTreeMap<(bool, String), String> = BTreeMap::new();
    for mut draft in drafts {
        let name = draft.folder.name.clone();
        let is_broken = has_error(&name, &library_problems);
        let mut pickers = Vec::new();
        for picker in std::mem::take(&mut draft.pickers) {
            let key = (picker.kind == PickerKind::Recipients, picker.name.clone());
            if let Some(other) = taken.insert(key, name.clone()) {
                let message = format!("`{}` is a picker of the plugin `{other}` too", picker.name);
                draft.problems.push(Problem::error(message).at(picker.place).hint("give it a name of its own"));
            } else if !is_broken {
                pickers.extend(checked(&library, &name, picker, names, &mut draft.problems));
            }
        }
        let Draft { description, version, attachment, alert, problems: own, .. } = draft;
        let has_errors = own.has_errors();
        problems.extend(own.into_list());
        if !has_errors && !is_broken {
            plugins.push(Plugin { name, description, version, pickers, attachment, alert });
        }
    }
    problems.extend(library_problems);
    (Plugins { plugins, library, tables }, problems)
}

/// Returns the names of plugins there are folders for: what a rule may have meant that names one with errors.
pub fn names(folders: &[PluginFolder]) -> impl Iterator<Item = &str> {
    folders.iter().map(|folder| folder.name.as_str())
}

fn checked(library: &Library, plugin: &str, draft: PickerDraft, names: &Names, problems: &mut Problems<'_>) -> Option<Picker> {
    let made = library.picker(draft.kind, &draft.name, plugin, &draft.function, names);
    let (picker, found) = match made {
        Ok((picker, warnings)) => (Some(picker), warnings),
        Err(found) => (None, found),
    };
    for problem in found {
        // A function that is not there has no place but that of its name.
        let place = problem.place.clone().unwrap_or_else(|| draft.function_place.clone());
        problems.push(problem.at(place));
    }
    picker
}

fn draft<'f>(folder: &'f PluginFolder, rates: &mut RateTables) -> Result<Draft<'f>, Vec<Problem>> {
    let path = folder.path("plugin.yaml");
    let Some(text) = &folder.manifest else {
        let problem = Problem::error(format!("The plugin `{}` has no plugin.yaml", folder.name));
        return Err(vec![problem.at(Place::file(path)).hint("`dunlin plugin new NAME` writes one")]);
    };
    let root = yaml::parse(&path, text).map_err(|problem| vec![problem])?;
    let mut problems = Problems::new(path.as_str(), text);
    let Some(mut fields) = Fields::open(&root, "a plugin", &mut problems) else { return Err(problems.into_list()) };
    fields.required("name", &mut problems, |node, problems| {
        let name = name(node, problems)?;
        if name != folder.name {
            problems.error_hint(node.span, format!("`{name}` is not the folder's name"), format!("write `{}`", folder.name));
        }
        Some(name)
    });
    let description = fields.required("description", &mut problems, yaml::text).unwrap_or_default();
    let version = fields.optional("version", &mut problems, yaml::text).unwrap_or_default();
    let script = |node: &Node, problems: &mut Problems<'_>| script(node, folder, problems);
    let functions = fields.optional("functions", &mut problems, yaml::one_or_list(script)).unwrap_or_default();
    let table = |node: &Node, problems: &mut Problems<'_>| table(node, folder, rates, problems);
    let tables = fields.optional("rates", &mut problems, yaml::one_or_list(table)).unwrap_or_default();
    let mut pickers = Vec::new();
    for (key, kind) in [("recipients", PickerKind::Recipients), ("variables", PickerKind::Variables)] {
        let read = yaml::map(|entry, problems: &mut Problems<'_>| picker(entry, kind, problems));
        pickers.extend(fields.optional(key, &mut problems, read).unwrap_or_default());
    }
    let program = |node: &Node, problems: &mut Problems<'_>| program(node, folder, problems);
    let attachment = fields.optional("attachment", &mut problems, program);
    let alert = fields.optional("alert", &mut problems, program);
    let named: BTreeSet<&str> = functions.iter().map(|(path, _)| path.as_str()).collect();
    for (path, _) in folder.scripts.iter().filter(|(path, _)| !named.contains(path.as_str())) {
        let hint = "name it under `functions`, or remove it";
        problems.push(Problem::warning("The plugin does not use this script").at(Place::file(path.as_str())).hint(hint));
    }
    for (path, _) in folder.tables.iter().filter(|(path, _)| !tables.contains(path)) {
        let hint = "name it under `rates`, or remove it";
        problems.push(Problem::warning("The plugin does not use this table").at(Place::file(path.as_str())).hint(hint));
    }
    fields.close(&mut problems);
    Ok(Draft { folder, description, version, functions, pickers, attachment, alert, problems })
}

fn name(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let text = yaml::text(node, problems)?;
    let is_name = is_name(&text);
    if !is_name {
        let hint = format!("use small letters, digits, `-` and `_`, at most {NAME_CHARACTERS_MAX} characters");
        problems.error_hint(node.span, format!("`{text}` is not a name"), hint);
    }
    is_name.then_some(text)
}

/// Returns whether a plugin or picker may be called so.
pub fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(is_plain) && text.chars().all(|c| is_plain(c) || c == '-' || c == '_') && text.len() <= NAME_CHARACTERS_MAX
}

/// Reads the name of a .rhai file of the folder; returns its path in the workspace.
fn script(node: &Node, folder: &PluginFolder, problems: &mut Problems<'_>) -> Option<(String, Span)> {
    let file = yaml::text(node, problems)?;
    let path = folder.path(&file);
    if folder.scripts.contains_key(&path) {
        return Some((path, node.span));
    }
    let prefix = folder.path("");
    let there: Vec<&str> = folder.scripts.keys().filter_map(|path| path.strip_prefix(&prefix)).collect();
    let hint = match nearest(&file, there.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if there.is_empty() => "functions stand in a file that ends in .rhai".to_owned(),
        None => format!("the folder has: {}", there.join(", ")),
    };
    problems.error_hint(node.span, format!("There is no script `{file}`"), hint);
    None
}

/// Reads the name of a table of the folder, and the table into `rates`; returns its path in the workspace.
fn table(node: &Node, folder: &PluginFolder, rates: &mut RateTables, problems: &mut Problems<'_>) -> Option<String> {
    let file = yaml::text(node, problems)?;
    let path = folder.path(&file);
    let Some(text) = folder.tables.get(&path) else {
        let prefix = folder.path("");
        let there: Vec<&str> = folder.tables.keys().filter_map(|path| path.strip_prefix(&prefix)).collect();
        let hint = match nearest(&file, there.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if there.is_empty() => format!("tables lie in `{RATES}` and end in .yaml"),
            None => format!("the folder has: {}", there.join(", ")),
        };
        problems.error_hint(node.span, format!("There is no table `{file}`"), hint);
        return None;
    };
    let (table, found) = read_table(&path, text);
    found.into_iter().for_each(|problem| problems.push(problem));
    if let Some(table) = table
        && rates.insert(table.name.clone(), table.clone()).is_some()
    {
        let message = format!("There is another table `{}`", table.name);
        problems.error_hint(node.span, message, "give the file a name of its own");
    }
    Some(path)
}

fn picker(entry: &Entry, kind: PickerKind, problems: &mut Problems<'_>) -> Option<PickerDraft> {
    if !is_name(&entry.key) {
        let hint = format!("use small letters, digits, `-` and `_`, at most {NAME_CHARACTERS_MAX} characters");
        problems.error_hint(entry.span, format!("`{}` is not a name", entry.key), hint);
        return None;
    }
    let function = yaml::text(&entry.value, problems)?;
    let (place, function_place) = (problems.place(entry.span), problems.place(entry.value.span));
    Some(PickerDraft { kind, name: entry.key.clone(), function, place, function_place })
}

fn program(node: &Node, folder: &PluginFolder, problems: &mut Problems<'_>) -> Option<Program> {
    let mut fields = Fields::open(node, "a program", problems)?;
    let place = problems.place(fields.key_span("command").unwrap_or(node.span));
    let command = fields.required("command", problems, |node, problems| command(node, folder, problems));
    let timeout = fields.optional("timeout", problems, |node, problems| {
        let text = yaml::text(node, problems)?;
        let timeout = duration(&text).filter(|timeout| !timeout.is_zero() && *timeout <= TIMEOUT_MAX);
        if timeout.is_none() {
            let message = format!("`{text}` is not a time a program may take");
            problems.error_hint(node.span, message, format!("write `10 s`, at most {} s", TIMEOUT_MAX.as_secs()));
        }
        timeout
    });
    let bytes_max = fields.optional("bytes_max", problems, |node, problems| {
        let text = yaml::text(node, problems)?;
        let bytes = size(&text).filter(|bytes| (1..=ANSWER_BYTES_MAX).contains(bytes));
        if bytes.is_none() {
            let message = format!("`{text}` is not a size of an answer");
            problems.error_hint(node.span, message, format!("write `10 MB`, at most {} MB", ANSWER_BYTES_MAX / 1_000_000));
        }
        bytes
    });
    let count_max = fields.optional("count_max", problems, yaml::whole(1, u64::from(FILES_MAX)));
    let count_max = count_max.and_then(|count| u32::try_from(count).ok());
    let environment = fields.optional("environment", problems, yaml::list(variable)).unwrap_or_default();
    if environment.len() > WORDS_MAX {
        problems.error(node.span, format!("{} variables are named; at most {WORDS_MAX} are given", environment.len()));
    }
    fields.close(problems);
    Some(Program {
        command: command?,
        timeout: timeout.unwrap_or(TIMEOUT),
        bytes_max: bytes_max.unwrap_or(ANSWER_BYTES),
        count_max: count_max.unwrap_or(FILES),
        environment,
        place,
    })
}

fn command(node: &Node, folder: &PluginFolder, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let words = yaml::one_or_list(yaml::text)(node, problems)?;
    if words.len() > WORDS_MAX {
        problems.error(node.span, format!("The command has {} words; at most {WORDS_MAX} are read", words.len()));
        return None;
    }
    let Some(program) = words.first().filter(|program| !program.is_empty()) else {
        problems.error_hint(node.span, "The command is empty", "write `command: [./alert.py]`");
        return None;
    };
    if words.iter().any(|word| word.contains('\0')) {
        problems.error(node.span, "A command cannot hold a NUL character");
        return None;
    }
    if program.contains(' ') && words.len() == 1 {
        let parts: Vec<&str> = program.split_whitespace().collect();
        let message = format!("`{program}` is one word, and no shell takes it apart");
        problems.error_hint(node.span, message, format!("write `[{}]`", parts.join(", ")));
        return None;
    }
    for word in words.iter().skip(1).filter_map(|word| word.strip_prefix("./")).filter(|own| !folder.files.contains(*own)) {
        let hint = match nearest(word, folder.files.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `./{near}`?"),
            None => "it is looked for in the plugin's folder".to_owned(),
        };
        problems.warning_hint(node.span, format!("There is no file `{word}`"), hint);
    }
    if !program.contains('/') {
        return Some(words);
    }
    let own =
        program.strip_prefix("./").filter(|own| Path::new(own).components().all(|part| matches!(part, Component::Normal(_))));
    let Some(own) = own else {
        let message = format!("`{program}` is neither in the plugin's folder nor a bare name");
        problems.error_hint(node.span, message, "write `./name` for a file of the folder, or a name to look for along PATH");
        return None;
    };
    if !folder.files.contains(own) {
        let hint = match nearest(own, folder.files.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `./{near}`?"),
            None => format!("put it into `plugins/{}/`", folder.name),
        };
        problems.error_hint(node.span, format!("There is no file `{own}`"), hint);
        return None;
    }
    Some(words)
}

fn variable(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let name = yaml::text(node, problems)?;
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_variable = name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit());
    if !is_variable || name.len() > NAME_CHARACTERS_MAX {
        let hint = "name a variable; its value is taken from Dunlin's own environment";
        problems.error_hint(node.span, format!("`{name}` is not the name of a variable"), hint);
        return None;
    }
    Some(name)
}
