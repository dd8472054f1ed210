//! Reads a plugin's tables of rates: `rates/<name>.yaml`, dated, with their source and the day up to which they were checked.

use std::sync::Arc;

use rust_decimal::Decimal;

use crate::domain::problem::Problem;
use crate::domain::rate_table::{RateStep, RateTable};
use crate::plugin::is_name;
use crate::yaml::{self, Fields, Node, Problems, Span};

/// The folder of a plugin in which its tables lie.
pub const RATES: &str = "rates/";
/// The most rates of one table.
pub const STEPS_MAX: usize = 2_000;
/// The largest rate, above or below zero, that is no slip of a key: percent a year.
const PERCENT_MAX: i64 = 200;
/// Beyond these a rate is most likely a slip, such as 127 for 1.27; no base rate of these currencies has been there in decades.
const PERCENT_USUAL: std::ops::RangeInclusive<i64> = -5..=30;

/// Reads a table; `path` is its path in the workspace. Returns every problem of the file; with an error there is no table.
pub(crate) fn read_table(path: &str, text: &str) -> (Option<Arc<RateTable>>, Vec<Problem>) {
    let root = match yaml::parse(path, text) {
        Ok(root) => root,
        Err(problem) => return (None, vec![problem]),
    };
    let mut problems = Problems::new(path, text);
    let table = table(path, &root, &mut problems).filter(|_| !problems.has_errors());
    (table.map(Arc::new), problems.into_list())
}

/// Returns the name of the table in a file: `ecb` for `plugins/late-payment/rates/ecb.yaml`.
pub(crate) fn table_name(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_suffix(".yaml").unwrap_or(file)
}

fn table(path: &str, root: &Node, problems: &mut Problems<'_>) -> Option<RateTable> {
    let name = table_name(path);
    if !is_name(name) {
        let hint = "a file's name is the table's: use small letters, digits, `-` and `_`";
        problems.error_hint(root.span, format!("`{name}` is not a name"), hint);
    }
    let mut fields = Fields::open(root, "a table of rates", problems)?;
    let title = fields.required("title", problems, yaml::text);
    let source = fields.required("source", problems, yaml::text);
    let valid_to = fields.required("valid_to", problems, |node, problems| Some((yaml::day(node, problems)?, node.span)));
    let steps = fields.required("rates", problems, |node, problems| {
        let steps = yaml::list(step)(node, problems)?;
        if steps.is_empty() && !problems.has_errors() {
            problems.error_hint(node.span, "The table has no rate", "write `- { from: 2026-01-01, rate: 1.27 }`");
        }
        if steps.len() > STEPS_MAX {
            problems.error(node.span, format!("The table has {} rates; at most {STEPS_MAX} are read", steps.len()));
        }
        Some(steps)
    });
    fields.close(problems);
    let steps = steps.unwrap_or_default();
    for pair in steps.windows(2) {
        let [(before, _), (step, span)] = pair else { continue };
        if step.from <= before.from {
            let message = format!("`{}` does not come after {}", step.from, before.from);
            problems.error_hint(*span, message, "write the oldest rate first, and each day once");
        }
    }
    let last = steps.last().map(|(step, _)| step.from);
    if let (Some((valid_to, span)), Some(last)) = (valid_to, last)
        && valid_to < last
    {
        let message = format!("`{valid_to}` is before the last rate, of {last}");
        problems.error_hint(span, message, "write the last day for which the rates are known");
    }
    let steps = steps.into_iter().map(|(step, _)| step).collect();
    Some(RateTable { name: name.to_owned(), title: title?, source: source?, file: path.to_owned(), steps, valid_to: valid_to?.0 })
}

fn step(node: &Node, problems: &mut Problems<'_>) -> Option<(RateStep, Span)> {
    let mut fields = Fields::open(node, "a rate", problems)?;
    let from = fields.required("from", problems, |node, problems| Some((yaml::day(node, problems)?, node.span)));
    let percent = fields.required("rate", problems, |node, problems| {
        let percent = yaml::decimal(node, problems)?;
        let is_sane = percent.abs() <= Decimal::from(PERCENT_MAX);
        if !is_sane {
            problems.error_hint(node.span, format!("`{percent}` is not a rate"), "write percent a year: 2.15");
        }
        let is_usual = percent >= Decimal::from(*PERCENT_USUAL.start()) && percent <= Decimal::from(*PERCENT_USUAL.end());
        if is_sane && !is_usual {
            let message = format!("`{percent}` is an unusual rate, in percent a year");
            problems.warning_hint(node.span, message, "is a decimal point missing? 1.27 is written `1.27`");
        }
        is_sane.then_some(percent)
    });
    fields.close(problems);
    let (from, span) = from?;
    Some((RateStep { from, percent: percent? }, span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::keys::{RATE, RATES};
    use jiff::civil::date;
    use rust_decimal::dec;

    fn problems(text: &str) -> Vec<String> {
        read_table("plugins/p/rates/bank.yaml", text).1.iter().map(Problem::to_string).collect()
    }

    #[test]
    fn a_table_is_read_with_every_key() {
        let text = "title: Base rate\nsource: The bank\nvalid_to: 2026-06-30\nrates:\n\
            - { from: 2025-07-01, rate: 1.27 }\n- { from: 2026-01-01, rate: -0.88 }\n";
        let (table, found) = read_table("plugins/p/rates/bank.yaml", text);
        let table = table.unwrap_or_else(|| panic!("{found:?}"));
        let steps = [(date(2025, 7, 1), dec!(1.27)), (date(2026, 1, 1), dec!(-0.88))];
        let steps = steps.map(|(from, percent)| RateStep { from, percent }).to_vec();
        let [name, title, source, file] = ["bank", "Base rate", "The bank", "plugins/p/rates/bank.yaml"].map(String::from);
        assert_eq!(*table, RateTable { name, title, source, file, steps, valid_to: date(2026, 6, 30) });
        for key in RATES.iter().chain(RATE) {
            assert!(text.contains(&format!("{}:", key.name)), "{} is not in the test", key.name);
        }
    }

    #[test]
    fn an_unusual_rate_is_warned_of_and_read() {
        let text =
            |rate: &str| format!("title: T\nsource: S\nvalid_to: 2026-06-30\nrates: [{{ from: 2026-01-01, rate: {rate} }}]\n");
        for (rate, is_usual) in [("127", false), ("-5.5", false), ("30", true), ("-5", true), ("1.27", true)] {
            let (table, found) = read_table("plugins/p/rates/bank.yaml", &text(rate));
            let expected = format!(
                "plugins/p/rates/bank.yaml:4:35: `{rate}` is an unusual rate, in percent a year; is a decimal point missing? 1.27 is \
                 written `1.27`"
            );
            let expected = if is_usual { vec![] } else { vec![expected] };
            assert_eq!((table.is_some(), found.iter().map(Problem::to_string).collect()), (true, expected), "{rate}");
        }
    }

    #[test]
    fn every_problem_of_a_table_is_told_at_its_place() {
        let text = "titel: Base rate\nvalid_to: 2025-12-31\nrates:\n- { from: 2026-01-01, rate: 1.27 }\n\
            - { from: 2026-01-01, rate: 1,27 }\n- { from: soon, rate: 1000 }\n- { from: 2025-07-01, rate: 2 }\n- 5\n";
        assert_eq!(
            problems(text),
            [
                "plugins/p/rates/bank.yaml:1:1: Unknown field `titel`; did you mean `title`?",
                "plugins/p/rates/bank.yaml:1:1: A table of rates needs `source`; add `source: …`",
                "plugins/p/rates/bank.yaml:5:11: `2026-01-01` does not come after 2026-01-01; write the oldest rate first, and each day once",
                "plugins/p/rates/bank.yaml:5:31: Unknown field `27`; a rate has: from, rate",
                "plugins/p/rates/bank.yaml:6:11: `soon` is not a day; write `2026-11-21`",
                "plugins/p/rates/bank.yaml:6:23: `1000` is not a rate; write percent a year: 2.15",
                "plugins/p/rates/bank.yaml:7:11: `2025-07-01` does not come after 2026-01-01; write the oldest rate first, and each day once",
                "plugins/p/rates/bank.yaml:8:3: Expected a rate with keys, found a single value; write `key: value` lines",
            ]
        );
        let late = "title: T\nsource: S\nvalid_to: 2025-12-31\nrates: [{ from: 2026-01-01, rate: 1 }]\n";
        assert_eq!(
            problems(late),
            [
                "plugins/p/rates/bank.yaml:3:11: `2025-12-31` is before the last rate, of 2026-01-01; write the last day for which the rates are known"
            ]
        );
        let empty = "title: T\nsource: S\nvalid_to: 2025-12-31\nrates: []\n";
        assert_eq!(
            problems(empty),
            ["plugins/p/rates/bank.yaml:4:8: The table has no rate; write `- { from: 2026-01-01, rate: 1.27 }`"]
        );
    }
}
