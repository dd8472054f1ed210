//! The reference page of a rule's tests, made from the list of keys.

use std::fmt::Write;

use crate::ruletest::keys::{KEYS, Owner};

/// Returns docs/reference/rule-tests.md.
pub fn rule_tests_page() -> String {
    let mut page = String::from(INTRODUCTION);
    let owners = [
        (Owner::File, "The file"),
        (Owner::Case, "A case"),
        (Owner::Stretch, "A stretch of days (`days`)"),
        (Owner::Mail, "A mail that has to come"),
        (Owner::Nothing, "Nothing, and why"),
        (Owner::Ledger, "A ledger (`ledger`, `booked`)"),
        (Owner::Customer, "A customer"),
        (Owner::Invoice, "An invoice"),
        (Owner::CreditNote, "A credit note"),
        (Owner::Payment, "A payment"),
        (Owner::Csv, "Files of the workspace (`csv`)"),
        (Owner::History, "A history"),
        (Owner::Sent, "A mail of the history"),
        (Owner::Hold, "A hold"),
    ];
    for (owner, title) in owners {
        write!(page, "\n## {title}\n\n| key | write | without it | meaning |\n| --- | --- | --- | --- |\n")
            .expect("writing to a string cannot fail");
        for key in KEYS.iter().filter(|key| key.owner == owner) {
            writeln!(page, "| `{}` | {} | {} | {} |", key.name, key.value, key.default, key.meaning)
                .expect("writing to a string cannot fail");
        }
    }
    page
}

const INTRODUCTION: &str = "# Tests of rules

*Made from the program's own list of keys; `cargo test` fails while it is out of date.*

`rules/overdue.test.yaml` is the test of the rule in `rules/overdue.yaml`. `dunlin test` runs the cases of all such files and says
what differs; nothing is sent or stored, and a running daemon takes no notice of them. Mails are planned and composed as a run does it: with the rule's
script, its texts, and the senders, limits and calendar of the workspace.

    cases:
      - name: A partly paid invoice is reminded of its rest
        ledger:
          invoices: [{ number: A-1, total: 100.00, due_on: day 1 }]
          payments: [{ invoice: A-1, amount: 40.00, received_on: day 3 }]
        on: day 8
        expect: { mail: first, items: [A-1], total: 60.00, to: billing@c-1.example }

Read aloud: on day 8 the mail `first` about A-1 and 60.00 goes to billing@c-1.example, and no other mail. That is the rule of `expect`: *a mail
that is not there fails the case*. What a mail does not say (its text, its recipients) is not compared. `expect` is one of these or a list of
them: `nothing`; a level alone, `first`; a mail with keys; or `{ nothing: held }`, the reason why somebody gets none.

A case can go on for days. Each stretch begins where the one before ended, and what one sends is sent for the next:

        days:
          - { on: day 8, expect: first }
          - { paid: A-1, through: day 40, expect: nothing }

`through` plays every day on which the rule fires by its schedule, so weekends are left out where it leaves them out. `on` plays the day itself.

After the cases it is told what none of them reached: levels, parts of `where` that were never true or never false, functions of
the script. `dunlin test --coverage` tells it always. `dunlin test --record CUSTOMER` writes a case from a real customer, with names, addresses and numbers
replaced.
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/rule-tests.md");
        if std::env::var_os("DUNLIN_BLESS").is_some() {
            fs::write(path, rule_tests_page()).unwrap();
        }
        let hint = "out of date: run the tests once with DUNLIN_BLESS=1";
        assert_eq!(fs::read_to_string(path).unwrap_or_default(), rule_tests_page(), "{hint}");
    }
}
