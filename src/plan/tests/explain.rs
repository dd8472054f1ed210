//! Explanations: that they say what the plan says, of everybody on every day; and what they say of each reason for no.

use proptest::prelude::*;

use super::*;
use crate::domain::hold::{HoldKind, HoldTerm, Holds};
use crate::domain::mailbox::Suppressions;
use crate::plan::explain::{Answer, Explanation, explain};
use crate::plan::next::NEXT_DAYS_MAX;
use crate::plan::tests::property::{ledger_text, named, past, rule_lines, rules_of};

/// Returns what a plan says of a customer: rule, currency, subject, verdict, reason, whom it stands back for, and each item's reason.
fn planned(plan: &Plan, rules: &RuleSet, ledger: &Ledger, customer: CustomerIndex) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, (rule, rule_plan)) in rules.rules.iter().zip(&plan.rules).enumerate() {
        for (number, decision) in rule_plan.decisions.iter().enumerate().filter(|(_, own)| own.customer == customer) {
            let message = match decision.verdict {
                Verdict::Message(message) => Some(&plan.messages[message as usize]),
                Verdict::Declined(_) => None,
            };
            let (verdict, reason) = match (decision.verdict, message.and_then(|message| message.blocked)) {
                (Verdict::Declined(reason), _) => ("declined", reason.as_str()),
                (_, Some(reason)) => ("blocked", reason.as_str()),
                _ => ("due", "level_due"),
            };
            let items: Vec<String> = plan
                .subject_documents(decision, ledger)
                .into_iter()
                .map(|document| {
                    let item = message.and_then(|message| plan.items(message).iter().find(|item| item.document == document));
                    let level = item.map(|item| message.unwrap().item_level(rules, item).to_string());
                    let own = level.unwrap_or_else(|| plan.item_reason(place, document).as_str().to_owned());
                    format!("{}={own}", ledger.document(document).number)
                })
                .collect();
            let subject = match decision.subject {
                Subject::Invoice(document) => ledger.document(document).number.as_str(),
                _ => "",
            };
            let currency = decision.currency.as_ref().map_or("", |currency| currency.as_str());
            let yields_to = plan.yields_to(place, number).map_or("", RuleId::as_str);
            lines.push(format!("{} {currency} {subject} {verdict} {reason} {yields_to} {}", rule.id, items.join(" ")));
        }
    }
    lines
}

/// Returns the same of an explanation.
fn said(explanation: &Explanation) -> Vec<String> {
    let line = |answer: &Answer| {
        let Answer { rule, currency, subject, verdict, reason, yields_to, items, .. } = answer;
        let items: Vec<String> = items
            .iter()
            .map(|item| format!("{}={}", item.document, item.level.as_deref().or(item.reason).unwrap_or_default()))
            .collect();
        format!("{rule} {currency} {subject} {verdict} {reason} {} {}", yields_to.as_deref().unwrap_or_default(), items.join(" "))
    };
    explanation.answers.iter().map(line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The promise of `explain`: of every rule and subject it says what the run does, today and on the days that follow.
    #[test]
    fn an_explanation_says_what_the_plan_says_of_everybody_on_every_day(
        text in ledger_text(),
        lines in prop::collection::vec(rule_lines(), 1..4),
        gap in 0..4_u32,
        past in past(),
    ) {
        let (rules, ledger) = (rules_of(&named("r", lines), gap), ledger(&text));
        let (mut past, mut first) = (past.clone(), BTreeMap::new());
        let foretold: Vec<Explanation> = ledger
            .customer_indexes()
            .map(|customer| explain(&rules, &ledger, &past, AS_OF, Scope::Customer(customer), &|_, day| days_of(day) <= 12))
            .collect();
        for day in (0..=12).map(|days| shifted(AS_OF, days)) {
            let plan = plan(&rules, &ledger, &past, day);
            for customer in ledger.customer_indexes() {
                let explained = explain(&rules, &ledger, &past, day, Scope::Customer(customer), &|_, _| false);
                prop_assert_eq!(said(&explained), planned(&plan, &rules, &ledger, customer));
            }
            for document in (0..ledger.documents().len() as u32).map(DocumentIndex).filter(|_| day == AS_OF) {
                // Asked about an invoice, the answer is the same, about that invoice alone.
                let explained = explain(&rules, &ledger, &past, day, Scope::Invoice(document), &|_, _| false);
                let number = ledger.document(document).number.as_str();
                for item in explained.answers.iter().flat_map(|answer| &answer.items) {
                    prop_assert_eq!(&item.document, number);
                }
            }
            if day == AS_OF {
                // What is on its way counts as sent from here on.
                past = past.with_queued_accepted();
                let plan = crate::plan::plan(&rules, &ledger, &past, day);
                past.carry_out(&plan, &rules, &ledger);
                continue;
            }
            // By their schedules the rules run one after the other, those that follow as rivals.
            for place in 0..rules.rules.len() {
                let own = rules.of(vec![rules.rules[place].clone()]).against(rules.rules[place + 1..].iter().cloned());
                let plan = plan_within(&own, &ledger, &past, Question::on(day));
                for message in &plan.messages {
                    first.entry((message.customer, place as u16)).or_insert((day, message.lead().level));
                }
                past.carry_out(&plan, &own, &ledger);
            }
        }
        // What comes next is what comes when the days are really played.
        for (customer, explained) in ledger.customer_indexes().zip(&foretold) {
            for answer in &explained.answers {
                let place = rules.rules.iter().position(|rule| rule.id.as_str() == answer.rule).unwrap();
                let level = |level: u16| rules.rules[place].reminder().unwrap().levels[usize::from(level)].id.to_string();
                let played = first.get(&(customer, place as u16)).map(|(day, own)| (*day, Some(level(*own))));
                prop_assert_eq!(answer.next.clone().map(|next| (next.on, next.level)), played, "{}", answer.rule);
            }
        }
    }
}

/// Returns how many days after [`AS_OF`] a day is.
fn days_of(day: Date) -> i32 {
    crate::domain::date::days_between(AS_OF, day)
}

/// A situation of customer `C1` under the rule `a`, and what is said of it.
struct Situation {
    rules: &'static [(&'static str, &'static str)],
    scripts: &'static [(&'static str, &'static str)],
    contact_gap: u32,
    ledger: &'static str,
    past: fn(&mut History),
    expected: &'static str,
}

const PLAIN: Situation =
    Situation { rules: &[("a", "")], scripts: &[], contact_gap: 0, ledger: OWES, past: |_| {}, expected: "" };
const OWES: &str = "customer C1 ap@c1.example
                    invoice 1 C1 EUR 12.00 10";

fn step(rule: &str, level: &str, standing: Standing, days: i32) -> impl Fn(&mut History) {
    let (rule, level) = (RuleId::new(rule), LevelId::new(level));
    move |past| {
        let step = Step { level: level.clone(), repeat: 0, standing, on: shifted(AS_OF, -days) };
        past.add_step(rule.clone(), DocumentNumber::new("1"), step);
    }
}

fn hold(past: &mut History, kind: HoldKind, days: i32) {
    let mut holds = Holds::default();
    holds.add_customer(CustomerId::new("C1"), HoldTerm { kind, until: shifted(AS_OF, days) });
    past.holds = std::sync::Arc::new(holds);
}

/// Tells the first answer of rule `a`: the reason, what was asked of the mail, what would change it, and what comes next.
fn told_of(situation: &Situation) -> String {
    let (rules, ledger) = (rules(situation.rules, situation.scripts, situation.contact_gap), ledger(situation.ledger));
    let mut past = History::default();
    (situation.past)(&mut past);
    let customer = ledger.find_customer("C1").unwrap();
    let explained = explain(&rules, &ledger, &past, AS_OF, Scope::Customer(customer), &|_, _| true);
    let answer = &explained.answers[0];
    let mut lines = vec![format!("{}: {}", answer.reason, answer.sentence)];
    lines.extend(answer.checks.iter().map(|check| format!("- {check}")));
    lines.extend(answer.change.iter().map(|change| format!("> {change}")));
    lines.push(match &answer.next {
        Some(next) => {
            let blocked = next.blocked.map_or(String::new(), |reason| format!(", blocked: {reason}"));
            format!("next {} on {}{blocked}", next.level.as_deref().unwrap_or_default(), next.on)
        }
        None => format!("none within {NEXT_DAYS_MAX} days"),
    });
    lines.join("\n")
}

#[test]
fn every_reason_is_told_with_its_figures_and_what_would_change_it() {
    let situations = [
        Situation { expected: "level_due: due for `first`\nnext second on 2028-03-11", ..PLAIN },
        Situation {
            ledger: "customer C1 -",
            expected: "nothing_open: nothing is open\n> an invoice that is open\nnone within 120 days",
            ..PLAIN
        },
        Situation {
            rules: &[("a", "where: invoice.open >= 50.00 && !invoice.disputed\n")],
            expected: "condition_false: the rule's `where` does not hold
> 1: `invoice.open (12.00) >= 50.00` would have to be true
none within 120 days",
            ..PLAIN
        },
        Situation {
            rules: &[("a", "where: invoice.days_overdue > 12\n")],
            expected: "condition_false: the rule's `where` does not hold
> 1: `invoice.days_overdue (10) > 12` would have to be true
next first on 2028-03-03",
            ..PLAIN
        },
        Situation {
            past: |past| hold(past, HoldKind::Dispute, 3),
            expected: "held: on hold
> 1: dispute by a person, up to and including 2028-03-03; reminders go on from 2028-03-04
next first on 2028-03-04",
            ..PLAIN
        },
        Situation {
            ledger: "customer C1 ap@c1.example
                     invoice 1 C1 EUR 12.00 10 promised:1",
            expected: "promised: payment is promised for a day that has not passed
> 1: promised_on in the books, up to and including 2028-03-01; reminders go on from 2028-03-02
next first on 2028-03-02",
            ..PLAIN
        },
        Situation {
            ledger: "customer C1 ap@c1.example
                     invoice 1 C1 EUR 12.00 10 unapproved",
            expected: "not_approved: the books have not approved the invoice\n> the books approve 1\nnone within 120 days",
            ..PLAIN
        },
        Situation {
            ledger: "customer C1 ap@c1.example
                     invoice 1 C1 EUR 12.00 -",
            expected: "due_date_missing: no due date, so never due\n> 1 gets a due date in the books\nnone within 120 days",
            ..PLAIN
        },
        Situation {
            past: |past| step("a", "final", Standing::Accepted, 2)(past),
            expected: "ladder_finished: every level was sent
> nothing of itself: the rule has no further level; a person goes on from here
none within 120 days",
            ..PLAIN
        },
        Situation {
            rules: &[("a", "start: from_now\n")],
            expected: "backlog: was due, or there, before the rule first ran (start: from_now)
> 1: due for `second` on 2028-03-11
> `start: to_age` or `start: first_level` in the rule takes up what was overdue before
next second on 2028-03-11",
            ..PLAIN
        },
        Situation {
            past: |past| step("a", "first", Standing::Accepted, 3)(past),
            expected: "not_yet_due: the next level's day has not come\n> 1: due for `second` on 2028-03-11\nnext second on 2028-03-11",
            ..PLAIN
        },
        Situation {
            past: |past| step("a", "first", Standing::Refused, 3)(past),
            expected: "refused: the server refused its mail; a person must act
> a person acts: `dunlin outbox --customer C1 --state refused` shows why
none within 120 days",
            ..PLAIN
        },
        Situation {
            past: |past| step("a", "first", Standing::Unknown, 3)(past),
            expected: "outcome_unknown: nobody knows whether its mail arrived; a person must decide
> a person decides whether it arrived: `dunlin outbox --customer C1 --state unknown`
none within 120 days",
            ..PLAIN
        },
        Situation {
            past: |past| step("a", "first", Standing::UnderWay, 0)(past),
            expected: "under_way: its mail is in the outbox
> it leaves, or is withdrawn: `dunlin outbox --customer C1`
next second on 2028-03-11",
            ..PLAIN
        },
        Situation {
            rules: &[("a", "script: s.rhai\n")],
            scripts: &[("s.rhai", "fn select(customer, items) { [] }")],
            expected: "not_selected: the rule's script left it out
> the rule's script beside rules/a.yaml selects it
none within 120 days",
            ..PLAIN
        },
        Situation {
            rules: &[("a", "minimum: { EUR: 20.00 }\n")],
            expected: "below_minimum: below the rule's minimum
- minimum of the mail: 20.00 EUR; it comes to 12.00 EUR
> 8.00 EUR more
none within 120 days",
            ..PLAIN
        },
        Situation {
            ledger: "customer C1 ap@c1.example
                     invoice 1 C1 EUR 12.00 10
                     invoice 2 C1 EUR -15.00 0",
            expected: "credit_covers: credit or a payment not yet matched covers what is due
- credit not yet set against invoices: 15.00 EUR; overdue: 12.00 EUR
> the credit of 15.00 EUR is set against invoices in the books, or more falls due
none within 120 days",
            ..PLAIN
        },
        Situation {
            contact_gap: 3,
            past: |past| reminded(past, "C1", 1),
            expected: "contact_gap: another mail too few days ago, or a statement today
- contact gap of 3 days: the reminder of `r` of 2028-02-28, so not before 2028-03-02
- stands back for the rule `r`
> time: not before 2028-03-02
next first on 2028-03-02",
            ..PLAIN
        },
        Situation {
            past: |past| reminded(past, "C1", 0),
            expected: "day_taken: another reminder in this currency went today, or is on its way
- the day is taken by the reminder of `r` of 2028-02-29
- stands back for the rule `r`
> another day: not before 2028-03-01
next first on 2028-03-01",
            ..PLAIN
        },
        Situation {
            rules: &[("a", ""), ("b", "levels: [{ id: legal, when: 9 days after due, template: reminder }]\n")],
            expected: "outranked: a higher reminder of another rule goes today
- stands back for the rule `b`, which sends `legal` on this day
> another day, on which no higher reminder goes
next first on 2028-03-01",
            ..PLAIN
        },
        Situation {
            ledger: "customer C1 -
                     invoice 1 C1 EUR 12.00 10",
            expected: "recipient_missing: no address for any of the recipients
- the customer has no address under `billing`
> an address in the customers' file, or another recipient in the rule's `to`
next first on 2028-03-01, blocked: recipient_missing",
            ..PLAIN
        },
        Situation {
            past: |past| {
                let mut suppressions = Suppressions::default();
                suppressions.add("ap@c1.example");
                past.suppressions = std::sync::Arc::new(suppressions);
            },
            expected: "suppressed: every address it would go to is suppressed
- ap@c1.example is suppressed: nothing is sent there
> another address, or `dunlin suppress remove` where the reason is gone
next first on 2028-03-01, blocked: suppressed",
            ..PLAIN
        },
        Situation {
            rules: &[("a", "where: 100 / (invoice.total - 12) > 2\n")],
            expected: "script_error: its script failed
- rules/a.yaml:11:12: Division by zero: 100 / 0.00
> the rule's `where` or script, mended
next upcoming on 2028-03-01, blocked: script_error",
            ..PLAIN
        },
    ];
    for situation in &situations {
        assert_eq!(told_of(situation), situation.expected, "{}", situation.expected);
    }
}

/// A condition that fails for every other customer: planned for them, the fault would be there.
#[test]
fn an_explanation_of_one_customer_plans_no_other() {
    let rules = rules(&[("a", "where: 100 / (invoice.total - 12) > 2\n")], &[], 0);
    let ledger = ledger(
        "customer C1 ap@c1.example
         customer C2 ap@c2.example
         invoice 1 C1 EUR 13.00 10
         invoice 2 C2 EUR 12.00 10",
    );
    let of = |id| {
        explain(&rules, &ledger, &History::default(), AS_OF, Scope::Customer(ledger.find_customer(id).unwrap()), &|_, _| true)
    };
    assert_eq!(of("C1").answers[0].checks, [] as [String; 0]);
    assert_eq!(of("C2").answers[0].reason, "script_error");
}

#[test]
fn the_ladder_of_an_item_is_told_level_by_level() {
    let rules = rules(&[("a", "")], &[], 0);
    let ledger = ledger(
        "customer C1 ap@c1.example
         invoice 1 C1 EUR 13.00 23",
    );
    let mut past = History::default();
    step("a", "first", Standing::Accepted, 3)(&mut past);
    let document = ledger.find_document("1").unwrap();
    let explained = explain(&rules, &ledger, &past, AS_OF, Scope::Invoice(document), &|_, _| true);
    let levels = explained.answers[0].items[0].ladder.iter();
    let told: Vec<String> = levels.map(|level| format!("{} {} {}", level.level, level.on, level.standing.words())).collect();
    let expected = [
        "upcoming 2028-02-03 lapsed: the due date has passed",
        "first 2028-02-13 sent",
        "second 2028-02-27 due",
        "final 2028-03-07 still to come",
    ];
    assert_eq!(told, expected);
}
