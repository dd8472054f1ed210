//! The reference page of what may stand in a rule file, made from the list of keys.

use std::fmt::Write;

use crate::rule::keys::{KEYS, Owner};

/// Returns docs/reference/rules.md.
pub fn rules_page() -> String {
    let mut page = String::from(INTRODUCTION);
    let owners = [
        (Owner::Rule, "A rule"),
        (Owner::Schedule, "A schedule"),
        (Owner::Level, "A level"),
        (Owner::Repeat, "A repeat"),
        (Owner::Ageing, "An ageing"),
        (Owner::Attach, "An attachment"),
    ];
    for (owner, title) in owners {
        write!(page, "\n## {title}\n\n| key | kinds | write | without it | meaning |\n| --- | --- | --- | --- | --- |\n")
            .expect("writing to a string cannot fail");
        for key in KEYS.iter().filter(|key| key.owner == owner) {
            let kinds = key.kinds.join(", ");
            writeln!(page, "| `{}` | {kinds} | {} | {} | {} |", key.name, key.value, key.default, key.meaning)
                .expect("writing to a string cannot fail");
        }
    }
    page
}

const INTRODUCTION: &str = "# Rule files

*Made from the program's own list of keys; `cargo test` fails while it is out of date.*

One file a rule, in `rules/`. A rule with an error is left out, loudly, and the others run on. A level is due from the
day its `when` names on, not only on that day, so nothing is lost while the daemon is down. `3 days before due` and
`7 days after due` are the only two spellings. Recipients are recipient keys of config.yaml, or addresses.
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/rules.md");
        if std::env::var_os("DUNLIN_BLESS").is_some() {
            fs::write(path, rules_page()).unwrap();
        }
        let hint = "out of date: run the tests once with DUNLIN_BLESS=1";
        assert_eq!(fs::read_to_string(path).unwrap_or_default(), rules_page(), "{hint}");
    }
}
