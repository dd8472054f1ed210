//! Traces: what is kept of every item that got no mail.

use super::*;
use crate::plan::trace::{TRACE_ITEMS_MAX, read, trace};

/// Returns the trace of a plan's decisions, one after the other.
fn traces(rules: &RuleSet, ledger: &Ledger, past: &History, day: Date) -> Vec<Option<String>> {
    let plan = plan(rules, ledger, past, day);
    let places = plan.rules.iter().enumerate();
    places
        .flat_map(|(place, rule)| rule.decisions.iter().map(move |decision| (place, decision)))
        .map(|(place, decision)| trace(&plan, rules, ledger, place, decision))
        .collect()
}

#[test]
fn a_trace_has_every_item_without_a_mail_and_stays_the_same_from_day_to_day() {
    let lines = "where: invoice.open >= 20.00 && invoice.days_overdue > -40\n";
    let (rules, ledger) = (
        rules(&[("a", lines)], &[], 0),
        ledger(
            "customer C1 ap@c1.example
             customer C2 ap@c2.example
             customer C3 ap@c3.example
             invoice 1 C1 EUR 12.00 10
             invoice 2 C1 EUR 100.00 1
             invoice 3 C1 EUR 50.00 - hold:30
             invoice 4 C2 EUR 50.00 8
             invoice 5 C2 EUR 60.00 -20",
        ),
    );
    let found = traces(&rules, &ledger, &History::default(), AS_OF);
    let expected = [
        Some(
            "3\t50.00\t\theld\n\
             1\t12.00\t2028-02-19\tcondition_false\tinvoice.open (12.00) >= 20.00\n\
             2\t100.00\t2028-02-28\tnot_yet_due\n",
        ),
        // What is in the mail is with the mail.
        Some("5\t60.00\t2028-03-20\tnot_yet_due\n"),
        // Nothing is open: the reason says it all.
        None,
    ];
    assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    assert_eq!(traces(&rules, &ledger, &History::default(), shifted(AS_OF, 1)), found);

    let items = read(found[0].as_deref().unwrap(), AS_OF);
    assert_eq!((items[1].document.as_str(), items[1].open, items[1].due_on), ("1", Some(dec!(12.00)), Some(shifted(AS_OF, -10))));
    assert_eq!(items[1].was_false.as_deref(), Some("invoice.open (12.00) >= 20.00"));
    assert_eq!((items[0].due_on, items[0].reason.as_str(), &items[0].was_false), (None, "held", &None));
}

#[test]
fn what_many_items_share_stands_once() {
    let (rules, ledger) = (
        rules(&[("a", "where: '!customer.tags.contains(\"vip\")'\n")], &[], 0),
        ledger(
            "customer C1 ap@c1.example vip
             invoice 1 C1 EUR 12.00 10
             invoice 2 C1 EUR 100.00 1",
        ),
    );
    let found = traces(&rules, &ledger, &History::default(), AS_OF).remove(0).unwrap();
    let expected =
        "1\t12.00\t2028-02-19\tcondition_false\t!customer.tags ([\"vip\"]).contains(\"vip\")\n2\t100.00\t2028-02-28\t\t=\n";
    assert_eq!(found, expected);
    let items = read(&found, AS_OF);
    assert_eq!((&items[1].reason, &items[1].was_false), (&items[0].reason, &items[0].was_false));
}

#[test]
fn what_changes_by_itself_is_filled_in_by_the_day() {
    let (rules, ledger) = (
        rules(&[("a", "where: invoice.days_overdue > 90\n")], &[], 0),
        ledger(
            "customer C1 ap@c1.example
             invoice 1 C1 EUR 12.00 10",
        ),
    );
    let found = traces(&rules, &ledger, &History::default(), AS_OF).remove(0).unwrap();
    assert_eq!(traces(&rules, &ledger, &History::default(), shifted(AS_OF, 5)), [Some(found.clone())]);
    for (day, expected) in [(AS_OF, "invoice.days_overdue (10) > 90"), (shifted(AS_OF, 5), "invoice.days_overdue (15) > 90")] {
        assert_eq!(read(&found, day)[0].was_false.as_deref(), Some(expected));
    }
}

#[test]
fn a_long_account_is_listed_so_far_and_then_counted() {
    let invoices: Vec<String> = (0..TRACE_ITEMS_MAX + 7).map(|number| format!("invoice {number} C1 EUR 5.00 1")).collect();
    let ledger = ledger(&format!("customer C1 ap@c1.example\n{}", invoices.join("\n")));
    let found = traces(&rules(&[("a", "")], &[], 0), &ledger, &History::default(), AS_OF).remove(0).unwrap();
    let items = read(&found, AS_OF);
    let last = items.last().unwrap();
    assert_eq!((items.len(), last.count, last.reason.as_str()), (TRACE_ITEMS_MAX + 1, 7, "not_yet_due"));
}
