//! Two texts line by line: what stays, what is gone and what is new. For texts of mails, which are short.

use serde::Serialize;

/// The most lines of a text that are compared; the rest counts as one line.
const LINES_MAX: usize = 1_000;

/// A line of either text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "line")]
pub enum LineChange {
    /// In both.
    Kept(String),
    /// Only in the first.
    Removed(String),
    /// Only in the second.
    Added(String),
}

impl LineChange {
    /// Returns whether it is in one text only.
    pub fn is_change(&self) -> bool {
        !matches!(self, Self::Kept(_))
    }
}

/// Returns the lines of both texts in order, with as many kept as can be: the longest common subsequence.
///
/// Takes time and memory of the product of both line counts, a million at most.
pub fn changes(before: &str, after: &str) -> Vec<LineChange> {
    let (before, after) = (lines(before), lines(after));
    // `common[i][j]`: how many lines the rests from `i` and `j` on have in common.
    let mut common = vec![vec![0_u16; after.len() + 1]; before.len() + 1];
    for i in (0..before.len()).rev() {
        for j in (0..after.len()).rev() {
            common[i][j] = match before[i] == after[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while i < before.len() || j < after.len() {
        if i < before.len() && j < after.len() && before[i] == after[j] {
            found.push(LineChange::Kept(before[i].to_owned()));
            (i, j) = (i + 1, j + 1);
        } else if j == after.len() || i < before.len() && common[i + 1][j] >= common[i][j + 1] {
            found.push(LineChange::Removed(before[i].to_owned()));
            i += 1;
        } else {
            found.push(LineChange::Added(after[j].to_owned()));
            j += 1;
        }
    }
    found
}

fn lines(text: &str) -> Vec<&str> {
    text.splitn(LINES_MAX, '\n').map(|line| line.trim_end_matches('\r')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> String {
        let word = |change: &LineChange| match change {
            LineChange::Kept(line) => format!(" {line}"),
            LineChange::Removed(line) => format!("-{line}"),
            LineChange::Added(line) => format!("+{line}"),
        };
        changes(before, after).iter().map(word).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn as_many_lines_as_can_be_are_kept() {
        for (before, after, expected) in [
            ("a\nb\nc", "a\nb\nc", " a| b| c"),
            ("a\nb\nc", "a\nx\nc", " a|-b|+x| c"),
            ("a\nb", "b\na", "-a| b|+a"),
            ("", "a", "-|+a"),
            ("a\nb\nc\nd", "b\nd\ne", "-a| b|-c| d|+e"),
        ] {
            assert_eq!(told(before, after), expected);
        }
    }
}
