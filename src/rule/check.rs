//! Looks across the levels of a rule, at its script, and across rules; turns drafts into the rules that plans are made from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::date::DayUnit;
use crate::domain::hex::hexadecimal;
use crate::domain::id::{RecipientKey, RuleId, SenderId, TemplateName};
use crate::domain::problem::{Place, Problem, Severity};
use crate::rule::file::{self, At, Draft, look_up};
use crate::rule::kind::{Body, LevelDraft, ReminderDraft};
use crate::rule::{Limits, Reminder, Rule, RuleKind, RuleSet};
use crate::script::{Condition, Library, Locate, Picker, Script};
use crate::template::KnownName;
use crate::yaml::{Problems, Span};

/// The most rule files of a workspace.
pub const RULES_MAX: usize = 1_000;

/// A rule file as the rulebook read it.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// Its path, relative to the workspace: `rules/overdue.yaml`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// What the rest of the workspace offers to rules.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The sender profiles of config.yaml.
    pub senders: Vec<SenderId>,
    /// The recipient keys of config.yaml.
    pub recipient_keys: Vec<RecipientKey>,
    /// The templates that exist.
    pub templates: Vec<TemplateName>,
    /// Those of them that nowhere ask for the balance of a statement.
    pub templates_without_balance: Vec<TemplateName>,
    /// The further columns of the documents' files; `None`: not known, any is accepted.
    pub invoice_attributes: Option<Vec<String>>,
    /// The further columns of the customers' file; `None`: not known, any is accepted.
    pub customer_attributes: Option<Vec<String>>,
    /// Whether the ledger tells which invoices are disputed.
    pub disputed_is_mapped: bool,
    /// Whether config.yaml tells which days are business days.
    pub has_calendar: bool,
    /// What holds over all rules.
    pub limits: Limits,
    /// The functions of plugins.
    pub library: Library,
    /// The pickers of plugins.
    pub pickers: Vec<Picker>,
    /// The plugins that can make attachments.
    pub attachment_plugins: Vec<String>,
    /// The layouts of papers, by name.
    pub layouts: Vec<String>,
    /// What is there, but was left out because of its own errors.
    pub broken: Broken,
    /// The documents of config.yaml; `None`: not known, any is accepted.
    pub documents: Option<Vec<String>>,
    /// What templates may use, and names of files with them.
    pub template_names: Vec<KnownName>,
}

/// What a rule may name that is there and has errors of its own, which were told: that it is missing would be untrue.
#[derive(Clone, Debug, Default)]
pub struct Broken {
    /// The layouts of papers, by name.
    pub layouts: Vec<String>,
    /// The plugins, by name; their pickers are not known for certain.
    pub plugins: Vec<String>,
}

/// Reads all rules of a workspace. `scripts` holds the texts of the .rhai files by path.
///
/// A rule with an error, in its file or its script, is left out of the set and the others stay; warnings leave a rule
/// in. Problems come file by file, in the order of `files`, each file's in the order of its lines.
pub fn load(files: &[RuleFile], scripts: &BTreeMap<String, String>, known: &Known) -> (RuleSet, Vec<Problem>) {
    let mut found = Vec::new();
    if files.len() > RULES_MAX {
        let message = format!("There are {} rule files; at most {RULES_MAX} are read", files.len());
        found.push(Problem::error(message).at(Place::file(files[RULES_MAX].path.as_str())));
    }
    let files = &files[..files.len().min(RULES_MAX)];
    let mut sheets: Vec<Sheet<'_>> = files.iter().map(|file| Sheet::read(file, known)).collect();
    let mut script_shelf = Scripts { texts: scripts, known, compiled: BTreeMap::new(), problems: Vec::new() };
    check_ids(&mut sheets);
    // A file that could not be read in full may be the one that names a script.
    let all_read = sheets.iter().all(|sheet| sheet.draft.is_some());

    let mut rules = Vec::new();
    for sheet in sheets {
        let (rule, problems) = sheet.finish(&mut script_shelf, known);
        rules.extend(rule);
        found.extend(problems);
    }
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    found.append(&mut script_shelf.problems);
    for path in scripts.keys().filter(|path| all_read && !script_shelf.compiled.contains_key(*path)) {
        let hint = "name it in a rule (`script: …`), or remove it";
        found.push(Problem::warning("No rule uses this script").at(Place::file(path.as_str())).hint(hint));
    }
    (RuleSet { rules, rivals: Vec::new(), limits: known.limits.clone() }, found)
}

/// One file on its way to a rule.
struct Sheet<'f> {
    file: &'f RuleFile,
    draft: Option<Draft>,
    problems: Problems<'f>,
}

impl<'f> Sheet<'f> {
    fn read(file: &'f RuleFile, known: &Known) -> Self {
        let mut problems = Problems::new(file.path.as_str(), &file.text);
        let draft = file::read(&file.path, &file.text, known, &mut problems);
        Self { file, draft, problems }
    }

    /// Checks what one file cannot tell alone and returns the rule, if it has no error.
    fn finish(self, scripts: &mut Scripts<'_>, known: &Known) -> (Option<Rule>, Vec<Problem>) {
        let Self { file, draft, mut problems } = self;
        let Some(draft) = draft else { return (None, problems.into_list()) };
        let script = match &draft.script {
            None => Some((None, "")),
            Some(name) => scripts.of_rule(&file.path, name, &mut problems).map(|(script, text)| (Some(script), text)),
        };
        if let Some(Body::Reminder(reminder)) = &draft.body {
            check_levels(&reminder.levels, known, &mut problems);
            let script = script.as_ref().and_then(|(script, _)| script.as_ref());
            check_disputed(draft.condition.as_ref(), script, draft.id.span, known, &mut problems);
        }
        let (Some(addressing), Some(body), Some((script, script_text)), false) =
            (draft.addressing, draft.body, script, problems.has_errors())
        else {
            return (None, problems.into_list());
        };
        let rule = Rule {
            id: draft.id.value,
            formerly: draft.formerly.into_iter().map(|id| id.value).collect(),
            file: file.path.as_str().into(),
            description: draft.description,
            schedule: draft.schedule,
            revision: revision(&file.text, script_text),
            condition: draft.condition.map(|condition| condition.value),
            from: addressing.from,
            to: addressing.to,
            cc: addressing.cc,
            bcc: addressing.bcc,
            headers: draft.headers,
            variables: draft.variables,
            script,
            attach: draft.attach,
            approve: draft.approve,
            give_up_after: draft.give_up_after,
            kind: match body {
                Body::Reminder(reminder) => RuleKind::Reminder(reminder.into_reminder()),
                Body::Statement(statement) => RuleKind::Statement(statement),
                Body::Notice(notice) => RuleKind::Notice(notice),
            },
        };
        (Some(rule), problems.into_list())
    }
}

impl ReminderDraft {
    fn into_reminder(self) -> Reminder {
        Reminder {
            for_each: self.for_each,
            minimum: self.minimum,
            levels: self.levels.into_iter().map(|draft| draft.level).collect(),
            climb: self.climb,
            start: self.start,
        }
    }
}

/// Two rules with one id, or an old id that lives on, would share a history: neither can be trusted to send.
fn check_ids(sheets: &mut [Sheet<'_>]) {
    let mut living: BTreeMap<RuleId, Vec<usize>> = BTreeMap::new();
    let mut former: BTreeMap<RuleId, Vec<usize>> = BTreeMap::new();
    for (index, draft) in sheets.iter().enumerate().filter_map(|(index, sheet)| Some((index, sheet.draft.as_ref()?))) {
        living.entry(draft.id.value.clone()).or_default().push(index);
        for id in &draft.formerly {
            former.entry(id.value.clone()).or_default().push(index);
        }
    }
    let paths: Vec<String> = sheets.iter().map(|sheet| sheet.file.path.clone()).collect();
    for (index, sheet) in sheets.iter_mut().enumerate() {
        let Some(draft) = &sheet.draft else { continue };
        let other = |owners: Option<&Vec<usize>>| owners.and_then(|all| all.iter().find(|owner| **owner != index).copied());
        if let Some(other) = other(living.get(&draft.id.value)) {
            let message = format!("`{}` is the id of `{}` too", draft.id.value, paths[other]);
            sheet.problems.error_hint(draft.id.span, message, "give the newer rule an id of its own; until then neither runs");
        }
        for id in &draft.formerly {
            if id.value == draft.id.value {
                sheet.problems.error(id.span, format!("`{}` is the id the rule has now", id.value));
            } else if let Some(other) = other(living.get(&id.value)) {
                let message = format!("`{}` is still the id of `{}`", id.value, paths[other]);
                sheet.problems.error_hint(id.span, message, "a history can be carried on by one rule only");
            } else if let Some(other) = other(former.get(&id.value)) {
                let message = format!("`{}` is named by `{}` too", id.value, paths[other]);
                sheet.problems.error_hint(id.span, message, "a history can be carried on by one rule only");
            }
        }
    }
}

fn check_levels(levels: &[LevelDraft], known: &Known, problems: &mut Problems<'_>) {
    if let Some(draft) = levels.iter().find(|draft| draft.level.unit == DayUnit::Business).filter(|_| !known.has_calendar) {
        let message = format!("`{}` needs to know which days are business days", draft.when.value);
        problems.error_hint(draft.when.span, message, "add `calendar: { weekend: [sat, sun] }` to config.yaml");
    }
    for pair in levels.windows(2) {
        // Seven days can be more than five business days or fewer: which level comes first would change from invoice to invoice.
        let is_one_side = (pair[0].level.offset < 0) == (pair[1].level.offset < 0);
        if is_one_side && pair[0].level.unit != pair[1].level.unit {
            let message = format!("`{}` cannot be put in order with `{}`", pair[1].when.value, pair[0].when.value);
            let hint = "count the levels on one side of the due date all in days, or all in business days";
            problems.error_hint(pair[1].when.span, message, hint);
            continue;
        }
        if pair[1].level.offset <= pair[0].level.offset {
            let message = format!("`{}` does not come after `{}`", pair[1].when.value, pair[0].when.value);
            problems.error_hint(pair[1].when.span, message, "order the levels from the earliest to the latest");
        }
    }
    let mut ids = BTreeSet::new();
    for draft in levels {
        if !ids.insert(draft.level.id.clone()) {
            let message = format!("`{}` is the id of another level too", draft.level.id);
            problems.error_hint(draft.id, message, "give every level an id of its own");
        }
    }
    for draft in levels {
        for (id, span) in draft.level.formerly.iter().zip(&draft.formerly) {
            // Two levels, or a former and a living one, with one id would share a history.
            if !ids.insert(id.clone()) {
                problems.error_hint(*span, format!("`{id}` is the id of another level too"), "a history has one heir");
            }
        }
    }
}

fn check_disputed(
    condition: Option<&At<Condition>>,
    script: Option<&Arc<Script>>,
    id: Span,
    known: &Known,
    problems: &mut Problems<'_>,
) {
    let asks =
        condition.is_some_and(|condition| condition.value.asks_disputed()) || script.is_some_and(|script| script.asks_disputed());
    if known.disputed_is_mapped && !asks {
        let (span, hint) = match condition {
            Some(condition) => (condition.span, "add `&& !invoice.disputed` to `where`"),
            None => (id, "add `where: \"!invoice.disputed\"`"),
        };
        problems.warning_hint(span, "Disputed invoices would be reminded too", hint);
    }
}

/// The scripts of the workspace, each compiled once, however many rules name it.
struct Scripts<'s> {
    texts: &'s BTreeMap<String, String>,
    known: &'s Known,
    compiled: BTreeMap<String, Option<Arc<Script>>>,
    problems: Vec<Problem>,
}

impl<'s> Scripts<'s> {
    /// Returns the script that a rule names, and its text; `None` where it is missing or has errors.
    fn of_rule(&mut self, rule: &str, name: &At<String>, problems: &mut Problems<'_>) -> Option<(Arc<Script>, &'s str)> {
        let folder = rule.rfind('/').map_or("", |slash| &rule[..=slash]);
        let path = format!("{folder}{}", name.value);
        let beside = || {
            let names = self.texts.keys().filter_map(|path| path.strip_prefix(folder));
            names.filter(|name| !name.contains('/'))
        };
        let home = if folder.is_empty() { "the workspace" } else { folder.trim_end_matches('/') };
        if !look_up(&name.value, "script", home, beside, name.span, problems) {
            return None;
        }
        let text = self.texts.get(&path)?;
        if !self.compiled.contains_key(&path) {
            let script = match Script::compile(text, &file::names(self.known), &Locate::file(&path, text)) {
                Ok((script, warnings)) => {
                    self.problems.extend(warnings);
                    Some(Arc::new(script))
                }
                Err(found) => {
                    debug_assert!(found.iter().any(|problem| problem.severity == Severity::Error), "a script fails by an error");
                    self.problems.extend(found);
                    None
                }
            };
            self.compiled.insert(path.clone(), script);
        }
        self.compiled.get(&path).cloned().flatten().map(|script| (script, text.as_str()))
    }
}

/// Returns the SHA-256 of both texts in hex, with a byte between them that neither can hold.
pub(crate) fn revision(rule: &str, script: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(rule);
    hash.update([0xff]);
    hash.update(script);
    hexadecimal(&hash.finalize())
}

#[cfg(test)]
mod tests;
