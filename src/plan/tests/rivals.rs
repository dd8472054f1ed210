//! Rules against each other: which of a day's mails goes, what stands back for it, and that nothing waits for ever.

use proptest::prelude::*;

use super::*;
use crate::domain::date::DaySpan;
use crate::domain::hold::{HoldKind, HoldTerm};
use crate::domain::mailbox::Suppressions;
use crate::rule::ReminderDays;
use crate::schedule::Calendar;
use jiff::civil::{Weekday, date};

const LOW: &str = "levels: [{ id: friendly, when: 7 days after due, template: reminder }]\n";
const HIGH: &str = "levels: [{ id: legal, when: 30 days after due, template: reminder }]\n";

const OWES: &str = "customer C1 ap@c1.example
                    invoice 1 C1 EUR 100.00 40
                    invoice 2 C1 USD 50.00 10";

/// A customer whose two rules have something in EUR, the lower one in USD as well.
#[test]
fn the_highest_level_of_all_rules_leads_and_the_others_say_for_whom_they_stand_back() {
    check(&Case {
        rules: &[("friendly", LOW), ("legal", HIGH)],
        ledger: OWES,
        expected: &[
            "friendly C1 EUR: outranked to legal",
            "friendly C1 USD: 2 friendly#0 = 50.00 to [ap@c1.example]",
            "legal C1 EUR: 1 legal#0 = 100.00 to [ap@c1.example]",
            "legal C1 USD: not_yet_due",
        ],
        ..Case::default()
    });
    // With a contact gap one rule goes in all currencies.
    check(&Case {
        rules: &[("friendly", LOW), ("legal", HIGH)],
        contact_gap: 1,
        ledger: OWES,
        expected: &[
            "friendly C1 EUR: outranked to legal",
            "friendly C1 USD: contact_gap to legal",
            "legal C1 EUR: 1 legal#0 = 100.00 to [ap@c1.example]",
            "legal C1 USD: not_yet_due",
        ],
        ..Case::default()
    });
}

#[test]
fn of_equal_levels_the_later_repeat_goes_and_else_the_first_by_id() {
    let repeating = "levels: [{ id: l, when: 7 days after due, template: reminder, repeat: { every: 1 day, at_most: 9 } }]\n";
    let mut past = History::default();
    let step = Step { level: LevelId::new("l"), repeat: 0, standing: Standing::Accepted, on: shifted(AS_OF, -5) };
    past.add_step(RuleId::new("b"), DocumentNumber::new("1"), step);
    check(&Case {
        rules: &[("a", LOW), ("b", repeating), ("c", LOW)],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 invoice 1 C1 EUR 100.00 40
                 invoice 2 C2 EUR 100.00 40",
        past,
        expected: &[
            "a C1 EUR: outranked to b",
            "a C2 EUR: 2 friendly#0 = 100.00 to [ap@c2.example]",
            "b C1 EUR: 1 l#1 = 100.00 to [ap@c1.example]",
            "b C2 EUR: outranked to a",
            "c C1 EUR: outranked to b",
            "c C2 EUR: outranked to a",
        ],
        ..Case::default()
    });
}

#[test]
fn a_rule_that_mails_invoice_by_invoice_stands_or_falls_as_one() {
    let ledger = "customer C1 ap@c1.example
                  invoice 1 C1 EUR 100.00 40
                  invoice 2 C1 EUR 50.00 10
                  invoice 3 C1 EUR 60.00 35";
    check(&Case {
        rules: &[("each", &format!("{HIGH}for_each: invoice\n")), ("low", LOW)],
        ledger,
        expected: &[
            "each C1 1 EUR: 1 legal#0 = 100.00 to [ap@c1.example]",
            "each C1 3 EUR: 3 legal#0 = 60.00 to [ap@c1.example]",
            "each C1 2 EUR: not_yet_due",
            "low C1 EUR: outranked to each",
        ],
        ..Case::default()
    });
}

#[test]
fn a_rule_that_fires_later_on_the_day_keeps_it_if_its_mail_is_the_higher_one() {
    let (all, ledger) = (rules(&[("friendly", LOW), ("legal", HIGH)], &[], 0), ledger(OWES));
    let by = |rule: usize, rival: usize| {
        let set = all.of(vec![all.rules[rule].clone()]).against([all.rules[rival].clone()]);
        told(&plan(&set, &ledger, &History::default(), AS_OF), &set, &ledger)
    };
    assert_eq!(
        by(0, 1),
        ["friendly C1 EUR: outranked to legal", "friendly C1 USD: 2 friendly#0 = 50.00 to [ap@c1.example]"],
        "what the rival decides is left out"
    );
    assert_eq!(by(1, 0), ["legal C1 EUR: 1 legal#0 = 100.00 to [ap@c1.example]", "legal C1 USD: not_yet_due"]);
}

#[test]
fn a_day_that_has_its_mail_gets_no_other_whatever_its_level() {
    let case = |is_queued: bool, on: Date, expected: &[&str]| {
        let mut past = History::default();
        past.add_mail(CustomerId::new("C1"), PastMail { is_queued, ..mail("friendly", "EUR", on) });
        let rules = [("legal", HIGH), ("each", &*format!("{HIGH}for_each: invoice\nformerly: [friendly]\n"))];
        check(&Case { rules: &rules[..1], ledger: OWES, past: past.clone(), expected, ..Case::default() });
        // Invoice by invoice, the rule that has the day goes on with it.
        let each = ["each C1 1 EUR: 1 legal#0 = 100.00 to [ap@c1.example]", "each C1 2 USD: not_yet_due"];
        check(&Case { rules: &rules[1..], ledger: OWES, past, expected: &each, ..Case::default() });
    };
    let taken = ["legal C1 EUR: day_taken to friendly", "legal C1 USD: not_yet_due"];
    case(false, AS_OF, &taken);
    // What is still queued from another day leaves today.
    case(true, shifted(AS_OF, -1), &taken);
    let free = ["legal C1 EUR: 1 legal#0 = 100.00 to [ap@c1.example]", "legal C1 USD: not_yet_due"];
    case(false, shifted(AS_OF, -1), &free);
}

#[test]
fn a_mail_that_cannot_go_takes_the_day_from_nobody() {
    // Nobody to write to at the higher level.
    check(&Case {
        rules: &[("friendly", LOW), ("legal", &HIGH.replace("template", "to: [manager], template"))],
        ledger: "customer C1 ap@c1.example\ninvoice 1 C1 EUR 100.00 40",
        expected: &[
            "friendly C1 EUR: 1 friendly#0 = 100.00 to [ap@c1.example]",
            "legal C1 EUR: 1 legal#0 = 100.00 to [] blocked by recipient_missing",
        ],
        ..Case::default()
    });
    // One of its kind could not be composed, and is blocked in the outbox.
    let mut past = History::default();
    past.add_blocked(RuleId::new("legal"), CustomerId::new("C1"), Currency::parse("EUR").unwrap());
    check(&Case {
        rules: &[("friendly", LOW), ("legal", HIGH)],
        ledger: "customer C1 ap@c1.example\ninvoice 1 C1 EUR 100.00 40",
        past,
        expected: &["friendly C1 EUR: 1 friendly#0 = 100.00 to [ap@c1.example]", "legal C1 EUR: outranked to friendly"],
        ..Case::default()
    });
}

#[test]
fn reminders_wait_for_a_business_day_and_a_gap_can_be_counted_in_them() {
    let week = Calendar::new(&[Weekday::Saturday, Weekday::Sunday], vec![]).unwrap();
    let mut set = rules(&[("a", "")], &[], 0);
    set.limits.calendar = std::sync::Arc::new(week);
    set.limits.reminder_days = ReminderDays::Business;
    let ledger = ledger("customer C1 ap@c1.example\ninvoice 1 C1 EUR 100.00 10");
    let mut past = History::default();
    let on = |set: &RuleSet, past: &History, day| told(&plan(set, &ledger, past, day), set, &ledger)[0].clone();
    let (friday, saturday, monday) = (date(2028, 3, 3), date(2028, 3, 4), date(2028, 3, 6));
    let due = "a C1 EUR: 1 first#0 = 100.00 to [ap@c1.example]";
    assert_eq!(on(&set, &past, friday), due);
    assert_eq!(on(&set, &past, saturday), "a C1 EUR: closed_day");
    assert_eq!(on(&set, &past, monday), due);

    set.limits.reminder_days = ReminderDays::Every;
    set.limits.contact_gap = DaySpan::parse("2 business days").unwrap();
    past.add_mail(CustomerId::new("C1"), mail("r", "EUR", friday));
    assert_eq!(on(&set, &past, monday), "a C1 EUR: contact_gap to r");
    assert_eq!(on(&set, &past, date(2028, 3, 7)), due);
}

#[test]
fn credit_that_covers_what_is_overdue_stops_a_reminder_whatever_else_is_open() {
    check(&Case {
        rules: &[("a", "")],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 customer C3 ap@c3.example
                 invoice 1 C1 EUR 60.00 10
                 invoice 2 C1 EUR 900.00 -20
                 invoice 3 C1 EUR -60.00 9
                 invoice 4 C2 EUR 60.00 10
                 invoice 5 C2 EUR 40.00 1
                 invoice 6 C2 EUR -99.99 9
                 invoice 7 C3 EUR 60.00 -2
                 invoice 8 C3 EUR -59.99 9",
        expected: &[
            "a C1 EUR: credit_covers [3 nothing_open] [2 not_yet_due]",
            "a C2 EUR: 4 first#0 = 60.00 to [ap@c2.example] [6 nothing_open] [5 not_yet_due]",
            // Not overdue, but asked for by this mail.
            "a C3 EUR: 7 upcoming#0 = 60.00 to [ap@c3.example] [8 nothing_open]",
        ],
        ..Case::default()
    });
}

#[test]
fn holds_of_people_and_promises_of_the_books_stop_reminders_up_to_and_including_their_day() {
    let mut past = History::default();
    let until = |kind, days| HoldTerm { kind, until: shifted(AS_OF, days) };
    let holds = std::sync::Arc::make_mut(&mut past.holds);
    holds.add_customer(CustomerId::new("C1"), until(HoldKind::Pause, 0));
    holds.add_invoice(DocumentNumber::new("2"), until(HoldKind::Dispute, 5));
    holds.add_invoice(DocumentNumber::new("3"), until(HoldKind::Promise, 0));
    holds.add_invoice(DocumentNumber::new("4"), until(HoldKind::Promise, -1));
    check(&Case {
        rules: &[("a", "")],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 invoice 1 C1 EUR 10.00 10
                 invoice 2 C2 EUR 20.00 10
                 invoice 3 C2 EUR 30.00 10
                 invoice 4 C2 EUR 40.00 10
                 invoice 5 C2 EUR 50.00 10 promised:0
                 invoice 6 C2 EUR 60.00 10 promised:-1",
        past,
        expected: &[
            "a C1 EUR: held",
            "a C2 EUR: 4 first#0 6 first#0 = 100.00 to [ap@c2.example] [2 held] [3 promised] [5 promised]",
        ],
        ..Case::default()
    });
}

#[test]
fn a_mail_for_suppressed_addresses_alone_is_blocked_and_goes_to_the_rest_otherwise() {
    let mut past = History::default();
    let mut suppressions = Suppressions::default();
    suppressions.add("AP@c1.example");
    past.suppressions = suppressions.into();
    check(&Case {
        rules: &[
            ("a", "where: invoice.total < 50"),
            (
                "b",
                "where: invoice.total > 50\n\
                 levels: [{ id: x, when: 7 days after due, template: reminder, to: [billing, manager] }]",
            ),
        ],
        ledger: "customer C1 ap@c1.example manager:boss@c1.example
                 invoice 1 C1 EUR 10.00 10
                 invoice 2 C1 EUR 90.00 10",
        past,
        expected: &[
            "a C1 EUR: 1 first#0 = 10.00 to [ap@c1.example] blocked by suppressed [2 condition_false]",
            "b C1 EUR: 2 x#0 = 90.00 to [ap@c1.example boss@c1.example] [1 condition_false]",
        ],
        ..Case::default()
    });
}

/// The lines of a rule of its own ladder.
fn ladder() -> impl Strategy<Value = String> {
    let offsets = prop::collection::btree_set(-3..30_i32, 1..4);
    (offsets, prop::bool::ANY, prop::bool::ANY).prop_map(|(offsets, is_each, is_repeated)| {
        let mut text = "levels:\n".to_owned();
        let last = offsets.len() - 1;
        for (place, offset) in offsets.into_iter().enumerate() {
            let side = if offset < 0 { "before" } else { "after" };
            let repeat = if is_repeated && place == last { ", repeat: { every: 3 days, at_most: 2 }" } else { "" };
            text += &format!("    - {{ id: l{place}, when: {} days {side} due, template: reminder{repeat} }}\n", offset.abs());
        }
        if is_each { text + "for_each: invoice\n" } else { text }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Rules fire one after the other, in whatever order, day after day: the customer's day has one mail in a currency, and
    /// in the end everything that was to be said has been said.
    #[test]
    fn over_many_days_no_customer_has_two_mails_on_one_and_nothing_waits_for_ever(
        ladders in prop::collection::vec(ladder(), 1..4),
        invoices in prop::collection::vec((0..2_usize, 0..2_usize, 1..9_000_i64, -10..45_i32), 1..6),
        gap in 0..3_u32,
        order in prop::collection::vec(0..24_u32, 4),
    ) {
        let given: Vec<(String, String)> =
            ladders.into_iter().enumerate().map(|(place, lines)| (format!("r{place}"), lines)).collect();
        let given: Vec<(&str, &str)> = given.iter().map(|(id, lines)| (id.as_str(), lines.as_str())).collect();
        let mut text = "customer C0 ap@c0.example\ncustomer C1 ap@c1.example\n".to_owned();
        for (place, (customer, currency, cents, age)) in invoices.into_iter().enumerate() {
            let (currency, total) = (["EUR", "USD"][currency], Decimal::new(cents, 2));
            text += &format!("invoice {place} C{customer} {currency} {total} {age}\n");
        }
        let (all, ledger) = (rules(&given, &[], gap), ledger(&text));
        let mut past = History::default();
        let mut mailed_on: BTreeMap<CustomerIndex, Vec<(Date, u16)>> = BTreeMap::new();
        let mut quiet_days = 0;
        for ahead in 0..500 {
            let day = shifted(AS_OF, ahead);
            let mut places: Vec<usize> = (0..all.rules.len()).collect();
            places.sort_by_key(|place| order[(place + ahead as usize) % order.len()]);
            let mut today: BTreeMap<(CustomerIndex, Currency), Vec<usize>> = BTreeMap::new();
            for (turn, place) in places.iter().enumerate() {
                let later = places[turn + 1..].iter().map(|place| all.rules[*place].clone());
                let set = all.of(vec![all.rules[*place].clone()]).against(later);
                let plan = plan(&set, &ledger, &past, day);
                prop_assert!(plan.messages.iter().all(|message| message.rule == 0), "a rival decides nothing here");
                for message in &plan.messages {
                    today.entry((message.customer, message.currency)).or_default().push(*place);
                    mailed_on.entry(message.customer).or_default().push((day, *place as u16));
                }
                past.carry_out(&plan, &set, &ledger);
            }
            for (key, places) in &today {
                let is_one_rule = places.iter().all(|place| *place == places[0]);
                let for_each = all.rules[places[0]].reminder().unwrap().for_each;
                prop_assert!(is_one_rule && (places.len() == 1 || for_each == ForEach::Invoice), "{key:?} on {day}: {places:?}");
            }
            quiet_days = if today.is_empty() { quiet_days + 1 } else { 0 };
            if ahead > 60 && quiet_days > 4 {
                break;
            }
        }
        for days in mailed_on.values() {
            for pair in days.windows(2).filter(|pair| pair[0] != pair[1]) {
                let passed = crate::domain::date::days_between(pair[0].0, pair[1].0);
                prop_assert!(passed >= gap as i32, "the gap holds over all rules: {pair:?}");
            }
        }
        // The last day decided about everything: what was to be said has been said.
        let last = plan(&all, &ledger, &past, shifted(AS_OF, 600));
        prop_assert!(last.messages.is_empty());
        // So long after, "not yet due" is a level before the due date that lapsed.
        let said = [DeclineReason::LadderFinished, DeclineReason::NotYetDue];
        for (place, rule_plan) in last.rules.iter().enumerate() {
            let mut documents = (0..ledger.documents().len()).map(|place| DocumentIndex(place as u32));
            let is_done = documents.all(|document| said.contains(&last.item_reason(place, document)));
            prop_assert!(is_done, "rule {place}: {:?}", rule_plan.decisions);
        }
    }
}
