//! Rule files that a workspace leaves out because of their errors, so that a face can say so instead of "there is no
//! such rule". Reads the files once more; only asked when a rule was not found.

use std::path::Path;

use crate::engine::workspace::Workspace;
use crate::rulebook;
use crate::yaml::{self, Value};

/// A rule file that is not among the workspace's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The rule's id, as far as its file can be read; else the file's name without its ending.
    pub id: String,
    /// The file, relative to the workspace.
    pub file: String,
}

/// Returns the rule files that were left out of `workspace`, in the order of their names.
pub fn left_out(workspace: &Workspace) -> Vec<LeftOut> {
    let (texts, _) = rulebook::read(&workspace.root);
    let is_left_out = |path: &str| !workspace.rules.rules.iter().any(|rule| &*rule.file == path);
    let files = texts.rules.iter().filter(|file| is_left_out(&file.path));
    files.map(|file| LeftOut { id: id_of(&file.path, &file.text), file: file.path.to_string() }).collect()
}

fn id_of(path: &str, text: &str) -> String {
    let written = yaml::parse(path, text).ok().and_then(|root| match root.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == "id").and_then(|entry| entry.value.scalar().cloned()),
        _ => None,
    });
    let stem = || Path::new(path).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    written.map_or_else(stem, |scalar| scalar.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_is_known_by_its_id_or_else_by_its_name() {
        for (text, id) in [
            ("id: overdue\nkind: remnider\n", "overdue"),
            ("kind: reminder\n", "a"),
            ("id: [x]\n", "a"),
            ("- id: x\n", "a"),
            ("id: x\nlevels: [\n", "a"),
        ] {
            assert_eq!(id_of("rules/folder/a.yaml", text), id, "{text:?}");
        }
    }
}
