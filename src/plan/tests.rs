//! Whole plans over small ledgers: what is decided about every subject and every item, and that nobody is left out.
//!
//! A ledger is a text, a line a row, in days counted from the day of the plan; the plan comes back as a text too.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::domain::customer::{Contacts, Customer};
use crate::domain::date::{Days, shifted};
use crate::domain::document::{Document, DocumentKind};
use crate::domain::id::{CustomerId, DocumentNumber, LevelId, RecipientKey, RuleId, TemplateName};
use crate::domain::ledger::LedgerBuilder;
use crate::plan::history::{MailKind, PastMail, Standing, Step};
use crate::rule::{ForEach, Known, Limits, RuleFile};

use rust_decimal::dec;

mod explain;
mod forecast;
mod occasions;
mod property;
mod rivals;
mod trace;

const AS_OF: Date = Date::constant(2028, 2, 29);

const LEVELS: &str = "levels:\n\
    - { id: upcoming, when: 3 days before due, template: reminder }\n\
    - { id: first, when: 7 days after due, template: reminder }\n\
    - { id: second, when: 21 days after due, template: reminder, cc: [manager] }\n\
    - { id: final, when: 30 days after due, template: reminder, to: [manager] }\n";

/// Reads `customer ID ADDRESS` and `invoice NUMBER CUSTOMER CURRENCY TOTAL DAYS_OVERDUE`, where `-` is nothing and both may
/// end in words: `hold:3` (days from the plan's), `disputed`, `unapproved`, `open:AMOUNT`, `settled:20`, `manager:ADDRESS`, any other is a tag.
fn ledger(text: &str) -> Ledger {
    let mut builder = LedgerBuilder::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let hold = words.iter().find_map(|word| word.strip_prefix("hold:"));
        let hold_until = hold.map(|days| shifted(AS_OF, days.parse().unwrap()));
        match words[..] {
            ["customer", id, billing, ref more @ ..] => {
                let manager = more.iter().find_map(|word| word.strip_prefix("manager:"));
                let contacts = [("billing", Some(billing).filter(|address| *address != "-")), ("manager", manager)];
                let mut own = Contacts::default();
                for (key, address) in contacts {
                    own.add(&RecipientKey::new(key), address.into_iter());
                }
                let customer = Customer {
                    id: CustomerId::new(id),
                    name: id.into(),
                    language: None,
                    tags: more.iter().filter(|word| !word.contains(':')).map(|word| (*word).into()).collect(),
                    contacts: own,
                    hold_until,
                    row: 0,
                };
                builder.add_customer(customer, [].into_iter()).unwrap();
            }
            ["invoice", number, customer, currency, total, days_overdue, ref more @ ..] => {
                let due_on = days_overdue.parse().ok().map(|days: i32| shifted(AS_OF, -days));
                let document = Document {
                    number: DocumentNumber::new(number),
                    customer: builder.find_customer(customer).unwrap(),
                    kind: DocumentKind::Invoice,
                    currency: Currency::parse(currency).unwrap(),
                    issued_on: shifted(due_on.unwrap_or(AS_OF), -30),
                    due_on,
                    settled_on: more
                        .iter()
                        .find_map(|word| word.strip_prefix("settled:"))
                        .map(|days| shifted(AS_OF, days.parse().unwrap())),
                    total: total.parse().unwrap(),
                    open: more.iter().find_map(|word| word.strip_prefix("open:")).map(|open| open.parse().unwrap()),
                    disputed: more.contains(&"disputed"),
                    approved: !more.contains(&"unapproved"),
                    hold_until,
                    promised_on: more
                        .iter()
                        .find_map(|word| word.strip_prefix("promised:"))
                        .map(|days| shifted(AS_OF, days.parse().unwrap())),
                    row: 0,
                };
                builder.add_invoice(document, [].into_iter()).unwrap();
            }
            _ => panic!("`{line}` is no row"),
        }
    }
    builder.finish()
}

/// Notes a reminder of a rule `r` in EUR, days before the plan's.
fn reminded(past: &mut History, customer: &str, days: i32) {
    past.add_mail(CustomerId::new(customer), mail("r", "EUR", shifted(AS_OF, -days)));
}

fn mail(rule: &str, currency: &str, on: Date) -> PastMail {
    let (rule, currency) = (RuleId::new(rule), Currency::parse(currency).unwrap());
    PastMail { rule, currency, kind: MailKind::Reminder, on, is_queued: false, run: None }
}

/// Loads rules that are the usual ladder but for the lines given, each under its id; `contact_gap` is in days.
fn rules(given: &[(&str, &str)], scripts: &[(&str, &str)], contact_gap: u32) -> RuleSet {
    let file = |(id, lines): &(&str, &str)| {
        let start = if lines.contains("start:") { "" } else { "start: to_age\n" };
        let levels = if lines.contains("levels:") { "" } else { LEVELS };
        let text = format!("id: {id}\nkind: reminder\nfrom: receivables\nto: [billing]\n{start}{levels}{lines}\n");
        RuleFile { path: format!("rules/{id}.yaml"), text }
    };
    let files: Vec<RuleFile> = given.iter().map(file).collect();
    let scripts: BTreeMap<String, String> =
        scripts.iter().map(|(path, text)| (format!("rules/{path}"), (*text).to_owned())).collect();
    let known = Known {
        senders: vec![SenderId::new("receivables")],
        recipient_keys: vec![RecipientKey::new("billing"), RecipientKey::new("manager")],
        templates: vec![TemplateName::new("reminder")],
        disputed_is_mapped: true,
        has_calendar: true,
        limits: Limits { contact_gap: Days::new(contact_gap).unwrap().into(), ..Limits::default() },
        ..Known::default()
    };
    let (rules, problems) = crate::rule::load(&files, &scripts, &known);
    let errors: Vec<String> = problems
        .iter()
        .filter(|problem| problem.severity == crate::domain::problem::Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors, [] as [String; 0]);
    rules
}

/// Tells a plan, a line a decision in the order they were made: the subject, then the mail (its items with their
/// steps, their total, who gets it) or the reason for none; items that differ from it follow in brackets.
fn told(plan: &Plan, rules: &RuleSet, ledger: &Ledger) -> Vec<String> {
    let number = |document: DocumentIndex| ledger.document(document).number.as_str();
    let mut lines = vec![];
    for (place, (rule, rule_plan)) in rules.rules.iter().zip(&plan.rules).enumerate() {
        for (count, decision) in rule_plan.decisions.iter().enumerate() {
            let mut line = format!("{} {}", rule.id, ledger.customer(decision.customer).id);
            match decision.subject {
                Subject::Invoice(document) => line += &format!(" {}", number(document)),
                Subject::Payment(payment) => line += &format!(" {}", ledger.payment(payment).reference),
                Subject::Account | Subject::Customer => {}
            }
            line.extend(decision.currency.map(|currency| format!(" {currency}")));
            let (mailed, usual) = match decision.verdict {
                Verdict::Declined(reason) => {
                    line += &format!(": {}", reason.as_str());
                    line.extend(plan.yields_to(place, count).map(|rule| format!(" to {rule}")));
                    (BTreeSet::new(), Some(reason))
                }
                Verdict::Message(message) => {
                    let message = &plan.messages[message as usize];
                    line += ":";
                    for item in plan.items(message) {
                        let level = message.item_level(rules, item);
                        line += &format!(" {} {level}#{}", number(item.document), item.step.repeat);
                    }
                    let to: Vec<_> = message.recipients(rules, ledger).into_iter().map(|to| to.address).collect();
                    let blocked = message.blocked.map_or(String::new(), |reason| format!(" blocked by {}", reason.as_str()));
                    line += &format!(" = {} to [{}]{blocked}", message.total, to.join(" "));
                    (plan.items(message).iter().map(|item| item.document).collect(), None)
                }
            };
            for document in plan.subject_documents(decision, ledger) {
                let reason = plan.item_reason(place, document);
                if rule.reminder().is_some() && !mailed.contains(&document) && Some(reason) != usual {
                    line += &format!(" [{} {}]", number(document), reason.as_str());
                }
            }
            lines.push(line);
        }
    }
    lines.extend(plan.faults.iter().map(|(rule, fault)| format!("{}: {}", rules.rules[usize::from(*rule)].id, fault.message)));
    lines
}

/// One plan: rules and scripts by name, a ledger, and what comes of it.
#[derive(Default)]
struct Case<'c> {
    rules: &'c [(&'c str, &'c str)],
    scripts: &'c [(&'c str, &'c str)],
    contact_gap: u32,
    ledger: &'c str,
    past: History,
    expected: &'c [&'c str],
}

fn check(case: &Case<'_>) {
    let (rules, ledger) = (rules(case.rules, case.scripts, case.contact_gap), ledger(case.ledger));
    assert_eq!(told(&plan(&rules, &ledger, &case.past, AS_OF), &rules, &ledger), case.expected);
}

#[test]
fn a_mail_gathers_a_customers_items_of_one_currency() {
    check(&Case {
        rules: &[("a", "")],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 customer C3 ap@c3.example manager:boss@c3.example
                 invoice 1 C1 EUR 100.00 10
                 invoice 2 C1 EUR 20.50 -2
                 invoice 3 C1 EUR 30.00 0
                 invoice 4 C1 EUR 40.00 3
                 invoice 5 C1 USD 50.00 25
                 invoice 6 C1 CHF 60.00 -9
                 invoice 7 C3 EUR 70.00 30
                 invoice 8 C3 EUR 80.00 22",
        expected: &[
            "a C1 CHF: not_yet_due",
            "a C1 EUR: 1 first#0 3 upcoming#0 2 upcoming#0 = 150.50 to [ap@c1.example] [4 not_yet_due]",
            "a C1 USD: 5 second#0 = 50.00 to [ap@c1.example]",
            "a C2: nothing_open",
            // The highest level leads: the mail goes to whom `final` names.
            "a C3 EUR: 7 final#0 8 second#0 = 150.00 to [boss@c3.example]",
        ],
        ..Case::default()
    });
}

#[test]
fn a_rule_for_each_invoice_decides_about_each() {
    check(&Case {
        rules: &[("a", "for_each: invoice")],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 invoice 1 C1 EUR 100.00 10
                 invoice 2 C1 EUR 20.00 8
                 invoice 3 C1 EUR 30.00 5
                 invoice 4 C1 EUR -10.00 5",
        expected: &[
            "a C1 1 EUR: 1 first#0 = 100.00 to [ap@c1.example]",
            "a C1 2 EUR: 2 first#0 = 20.00 to [ap@c1.example]",
            "a C1 3 EUR: not_yet_due",
            "a C1 4 EUR: nothing_open",
            "a C2: nothing_open",
        ],
        ..Case::default()
    });
}

#[test]
fn the_nearest_reason_stands_for_the_customer_and_each_item_keeps_its_own() {
    check(&Case {
        rules: &[("a", "where: invoice.open >= 50 && !invoice.disputed")],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example hold:0
                 customer C3 ap@c3.example hold:-1
                 invoice 1 C1 EUR 49.99 10
                 invoice 2 C1 EUR 50.00 5
                 invoice 3 C1 EUR 90.00 10 disputed
                 invoice 4 C1 EUR 90.00 10 hold:4
                 invoice 5 C1 EUR 90.00 -
                 invoice 6 C1 EUR -90.00 10
                 invoice 7 C2 EUR 90.00 10
                 invoice 8 C3 EUR 90.00 10 hold:-1
                 invoice 9 C3 USD 9.00 10",
        expected: &[
            "a C1 EUR: not_yet_due [5 due_date_missing] [1 condition_false] [3 condition_false] [4 held] [6 nothing_open]",
            // A hold lasts up to and including its day.
            "a C2 EUR: held",
            "a C3 EUR: 8 first#0 = 90.00 to [ap@c3.example]",
            "a C3 USD: condition_false",
        ],
        ..Case::default()
    });
}

#[test]
fn credit_notes_are_never_reminded_and_lower_no_minimum() {
    check(&Case {
        rules: &[("a", "minimum: { EUR: 100.00, USD: 10 }"), ("b", "where: invoice.open < 0")],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 invoice 1 C1 EUR 60.00 10
                 invoice 2 C1 EUR 40.00 9
                 invoice 3 C1 EUR -80.00 8
                 invoice 4 C1 USD 9.99 8
                 invoice 5 C1 CHF 0.01 8
                 invoice 6 C2 EUR 99.99 8
                 invoice 7 C2 EUR 90.00 5",
        expected: &[
            "a C1 CHF: 5 first#0 = 0.01 to [ap@c1.example]",
            "a C1 EUR: 1 first#0 2 first#0 = 100.00 to [ap@c1.example] [3 nothing_open]",
            "a C1 USD: below_minimum",
            // What is not yet due does not count towards the mail.
            "a C2 EUR: below_minimum [7 not_yet_due]",
            "b C1 CHF: condition_false",
            "b C1 EUR: condition_false [3 nothing_open]",
            "b C1 USD: condition_false",
            "b C2 EUR: condition_false",
        ],
        ..Case::default()
    });
}

#[test]
fn money_that_is_there_but_not_matched_is_no_reason_to_write() {
    check(&Case {
        rules: &[("a", "")],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 invoice 1 C1 EUR 60.00 10
                 invoice 2 C1 EUR -60.00 9
                 invoice 3 C2 EUR 60.00 10
                 invoice 4 C2 EUR -59.99 9",
        expected: &[
            "a C1 EUR: credit_covers [2 nothing_open]",
            "a C2 EUR: 3 first#0 = 60.00 to [ap@c2.example] [4 nothing_open]",
        ],
        ..Case::default()
    });
}

#[test]
fn an_overpaid_invoice_is_credit() {
    check(&Case {
        rules: &[("a", ""), ("b", "for_each: invoice")],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 invoice 1 C1 EUR 60.00 10 open:-0.01
                 invoice 2 C1 EUR 40.00 10 open:0.02
                 invoice 3 C2 EUR 50.00 10 open:-50.00
                 invoice 4 C2 EUR -80.00 9
                 invoice 5 C2 USD 50.00 10 open:0",
        expected: &[
            "a C1 EUR: 2 first#0 = 0.02 to [ap@c1.example] [1 nothing_open]",
            "a C2 EUR: nothing_open",
            "b C1 1 EUR: nothing_open",
            "b C1 2 EUR: outranked to a",
            "b C2 3 EUR: nothing_open",
            "b C2 4 EUR: nothing_open",
        ],
        ..Case::default()
    });
}

#[test]
fn a_collective_account_is_summed_up_once() {
    const COUNT: usize = 20_000;
    let mut text = "customer C1 ap@c1.example\n".to_owned();
    for number in 0..COUNT {
        text += &format!("invoice {number:05} C1 EUR 1.00 {}\n", 10 + number % 2);
    }
    // Summed up anew at each invoice, each of these would be 400,000,000 steps: minutes without optimization.
    let scripts = [("sums.rhai", "fn recipients(customer, items, level) { if customer.balance > 0 { () } else { [] } }")];
    let given = [
        ("a", "where: customer.balance == 20000 && customer.overdue == 20000"),
        ("b", "where: customer.balance + 0 == 20000 && customer.overdue + 0 == 20000"),
        ("c", "for_each: invoice\nscript: sums.rhai"),
    ];
    let (rules, ledger) = (rules(&given, &scripts, 0), ledger(&text));
    let sums = |place: usize| {
        let plan = plan(&rules.of(vec![rules.rules[place].clone()]), &ledger, &History::default(), AS_OF);
        let mails = plan.messages.iter().filter(|message| message.blocked.is_none());
        mails.map(|message| (plan.items(message).len(), message.total)).collect::<Vec<_>>()
    };
    let together = plan(&rules, &ledger, &History::default(), AS_OF);
    assert_eq!(together.messages.len(), 1, "and weighed against each other once");
    assert_eq!(sums(0), [(COUNT, dec!(20000))]);
    assert_eq!(sums(1), [(COUNT, dec!(20000))]);
    assert_eq!(sums(2), vec![(1, dec!(1)); COUNT]);
}

#[test]
fn the_contact_gap_holds_between_rules_and_against_the_past() {
    let mut past = History::default();
    reminded(&mut past, "C2", 2);
    reminded(&mut past, "C3", 3);
    reminded(&mut past, "C3", 9);
    check(&Case {
        rules: &[("a", "where: invoice.currency != \"GBP\""), ("b", "")],
        contact_gap: 3,
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 customer C3 -
                 invoice 1 C1 EUR 100.00 10
                 invoice 2 C1 GBP 10.00 10
                 invoice 3 C1 USD 10.00 10
                 invoice 4 C2 EUR 10.00 10
                 invoice 5 C3 EUR 10.00 10",
        past,
        expected: &[
            // The mails of one rule on one day are one contact.
            "a C1 EUR: 1 first#0 = 100.00 to [ap@c1.example]",
            "a C1 GBP: condition_false",
            "a C1 USD: 3 first#0 = 10.00 to [ap@c1.example]",
            "a C2 EUR: contact_gap to r",
            "a C3 EUR: 5 first#0 = 10.00 to [] blocked by recipient_missing",
            "b C1 EUR: outranked to a",
            "b C1 GBP: contact_gap to a",
            "b C1 USD: outranked to a",
            "b C2 EUR: contact_gap to r",
            // A mail that is blocked is no contact.
            "b C3 EUR: 5 first#0 = 10.00 to [] blocked by recipient_missing",
        ],
        ..Case::default()
    });
}

#[test]
fn without_a_contact_gap_a_day_keeps_its_one_mail_in_a_currency_and_no_other_day_does() {
    // The contact of C2 is later than the plan's day, as in a replay of the past.
    let mut past = History::default();
    reminded(&mut past, "C1", 0);
    reminded(&mut past, "C2", -1);
    check(&Case {
        rules: &[("a", "")],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 invoice 1 C1 EUR 100.00 10
                 invoice 3 C1 USD 100.00 10
                 invoice 2 C2 EUR 100.00 10",
        past,
        expected: &[
            "a C1 EUR: day_taken to r",
            "a C1 USD: 3 first#0 = 100.00 to [ap@c1.example]",
            "a C2 EUR: 2 first#0 = 100.00 to [ap@c2.example]",
        ],
        ..Case::default()
    });
}

#[test]
fn a_contact_later_than_the_plans_day_is_too_near() {
    let mut past = History::default();
    reminded(&mut past, "C1", -400);
    check(&Case {
        rules: &[("a", "")],
        contact_gap: 1,
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 invoice 1 C1 EUR 100.00 10
                 invoice 2 C2 EUR 100.00 10",
        past,
        expected: &["a C1 EUR: contact_gap to r", "a C2 EUR: 2 first#0 = 100.00 to [ap@c2.example]"],
        ..Case::default()
    });
}

#[test]
fn an_item_is_never_mailed_twice_at_one_level() {
    let step = |level, standing| Step { level: LevelId::new(level), repeat: 0, standing, on: shifted(AS_OF, -5) };
    let mut past = History::default();
    past.add_start(RuleId::new("before"), shifted(AS_OF, -90));
    for (rule, number, level, standing) in [
        ("a", "1", "first", Standing::Accepted),
        ("before", "2", "first", Standing::UnderWay),
        ("a", "3", "first", Standing::Unknown),
        ("a", "4", "first", Standing::Refused),
        ("a", "5", "first", Standing::Accepted),
        ("elsewhere", "6", "first", Standing::Accepted),
    ] {
        past.add_step(RuleId::new(rule), DocumentNumber::new(number), step(level, standing));
    }
    check(&Case {
        rules: &[("a", "formerly: [before]"), ("b", "start: from_now")],
        ledger: "customer C1 ap@c1.example
                 invoice 1 C1 EUR 10.00 10
                 invoice 2 C1 EUR 10.00 10
                 invoice 3 C1 EUR 10.00 10
                 invoice 4 C1 EUR 10.00 10
                 invoice 5 C1 EUR 10.00 22
                 invoice 6 C1 EUR 10.00 9",
        past,
        expected: &[
            "a C1 EUR: 5 second#0 6 first#0 = 20.00 to [ap@c1.example] \
             [1 not_yet_due] [2 under_way] [3 outcome_unknown] [4 refused]",
            "b C1 EUR: backlog",
        ],
        ..Case::default()
    });
}

#[test]
fn a_script_selects_items_and_chooses_recipients() {
    check(&Case {
        rules: &[("a", "script: choose.rhai")],
        scripts: &[(
            "choose.rhai",
            "fn select(customer, items) { items.filter(|item| item.open != 13) }
             fn recipients(customer, items, level) {
                 if level.id == \"final\" { #{ to: [\"billing\"], bcc: [\"audit@books.example\"] } } else { () }
             }",
        )],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example manager:boss@c2.example
                 customer C3 ap@c3.example
                 invoice 1 C1 EUR 10.00 10
                 invoice 2 C1 EUR 13.00 10
                 invoice 3 C1 USD 13.00 10
                 invoice 4 C2 EUR 10.00 21
                 invoice 5 C3 EUR 10.00 50",
        expected: &[
            "a C1 EUR: 1 first#0 = 10.00 to [ap@c1.example] [2 not_selected]",
            "a C1 USD: not_selected",
            "a C2 EUR: 4 second#0 = 10.00 to [ap@c2.example boss@c2.example]",
            "a C3 EUR: 5 final#0 = 10.00 to [ap@c3.example audit@books.example]",
        ],
        ..Case::default()
    });
}

#[test]
fn a_fault_of_a_condition_or_script_blocks_only_its_customer() {
    check(&Case {
        rules: &[("a", "where: 1 / (invoice.open - 13) > -1"), ("b", "script: select.rhai"), ("c", "script: recipients.rhai")],
        scripts: &[
            ("select.rhai", "fn select(customer, items) { if customer.id == \"C1\" { [1] } else { items } }"),
            ("recipients.rhai", "fn recipients(customer, items, level) { if customer.id == \"C1\" { 1 } else { () } }"),
        ],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 invoice 1 C1 EUR 13.00 10
                 invoice 2 C1 EUR 10.00 -9
                 invoice 3 C2 EUR 10.00 10",
        expected: &[
            // What might be due stands in the blocked mail, so that a person sees it.
            "a C1 EUR: 1 upcoming#0 = 13.00 to [ap@c1.example] blocked by script_error [2 not_yet_due]",
            "a C2 EUR: 3 first#0 = 10.00 to [ap@c2.example]",
            "b C1 EUR: 1 first#0 = 13.00 to [ap@c1.example] blocked by script_error [2 not_yet_due]",
            "b C2 EUR: outranked to a",
            "c C1 EUR: 1 first#0 = 13.00 to [ap@c1.example] blocked by script_error [2 not_yet_due]",
            "c C2 EUR: outranked to a",
            "a: Division by zero: 1 / 0.00",
            "b: `select` returned a list with a whole number; it may hold items only",
            "c: `recipients` returned a whole number, not a list or a map with `to`, `cc`, `bcc`",
        ],
        ..Case::default()
    });
}

#[test]
fn nobody_without_an_address_is_mailed_and_copies_alone_are_nobody() {
    check(&Case {
        rules: &[("a", "cc: [manager, audit@books.example]")],
        ledger: "customer C1 -
                 customer C2 - manager:boss@c2.example
                 customer C3 ap@c3.example manager:AP@C3.example
                 invoice 1 C1 EUR 10.00 10
                 invoice 2 C2 EUR 10.00 10
                 invoice 3 C2 USD 10.00 30
                 invoice 4 C3 EUR 10.00 10",
        expected: &[
            "a C1 EUR: 1 first#0 = 10.00 to [] blocked by recipient_missing",
            "a C2 EUR: 2 first#0 = 10.00 to [] blocked by recipient_missing",
            "a C2 USD: 3 final#0 = 10.00 to [boss@c2.example audit@books.example]",
            // An address stands once, whatever its letters' case.
            "a C3 EUR: 4 first#0 = 10.00 to [ap@c3.example audit@books.example]",
        ],
        ..Case::default()
    });
}

#[test]
fn an_invoice_that_is_not_approved_is_left_alone() {
    check(&Case {
        rules: &[("a", "")],
        ledger: "customer C1 ap@c1.example
                 customer C2 ap@c2.example
                 invoice 1 C1 EUR 10.00 10 unapproved
                 invoice 2 C1 EUR 20.00 10
                 invoice 3 C2 EUR 30.00 10 unapproved
                 invoice 4 C2 EUR 40.00 10 unapproved hold:1",
        expected: &["a C1 EUR: 2 first#0 = 20.00 to [ap@c1.example] [1 not_approved]", "a C2 EUR: not_approved [4 held]"],
        ..Case::default()
    });
}

#[test]
fn a_plan_for_one_subject_decides_as_the_whole_plan_does_and_about_nothing_else() {
    let rules = rules(&[("a", ""), ("b", "for_each: invoice")], &[], 2);
    let ledger = ledger(
        "customer C1 ap@c1.example
         customer C2 ap@c2.example
         invoice 1 C1 EUR 10.00 10
         invoice 2 C2 EUR 20.00 10
         invoice 3 C2 EUR 30.00 22
         invoice 4 C2 USD 40.00 1",
    );
    let past = History::default();
    let whole = told(&plan(&rules, &ledger, &past, AS_OF), &rules, &ledger);
    let customer = Scope::Customer(ledger.find_customer("C2").unwrap());
    let alone =
        told(&plan_within(&rules, &ledger, &past, Question { only: Some(customer), ..Question::on(AS_OF) }), &rules, &ledger);
    let of_customer: Vec<String> = whole.into_iter().filter(|line| line.contains(" C2")).collect();
    assert_eq!(alone, of_customer);

    let document = Scope::Invoice(ledger.find_document("2").unwrap());
    let plan = plan_within(&rules, &ledger, &past, Question { only: Some(document), ..Question::on(AS_OF) });
    let mails: Vec<(u16, Decimal)> = plan.messages.iter().map(|message| (message.rule, message.total)).collect();
    assert_eq!(mails, [(0, Decimal::new(2000, 2))], "the other invoice of the customer is in no mail, nor another rule's");
    assert_eq!(plan.declined_count(), 1);
}
