//! The forecast against the days themselves: whatever the rules and the ledger, it is what a run a day makes.

use proptest::prelude::*;

use super::*;
use crate::domain::hold::{HoldKind, HoldTerm, Holds};
use crate::plan::forecast::{Forecast, Turn, forecast};
use crate::plan::tests::occasions::{NOTICE, STATEMENT, ledger_with_payments, one_rule};
use crate::plan::tests::property::{named, past, rule_lines, rules_of};

/// A mail in words: the turn, the rule, the customer, the currency, its items with their steps, the total, why it is blocked.
type Told = (usize, String, String, Vec<(String, u16, u16)>, Decimal, Option<BlockReason>);

/// Plans one day after the other, one rule after the other, as a daemon does, and carries out what comes of it.
fn day_by_day(rules: &RuleSet, ledger: &Ledger, mut past: History, turns: &[Turn]) -> Vec<Told> {
    let (mut all, mut blocked) = (vec![], BTreeSet::new());
    for (number, turn) in turns.iter().enumerate() {
        let rule = |place: &u16| rules.rules[usize::from(*place)].clone();
        for (order, place) in turn.rules.iter().enumerate() {
            let rivals = turn.rules[order + 1..].iter().chain(&turn.rivals).map(rule);
            let set = rules.of(vec![rule(place)]).against(rivals);
            let question = Question { scheduled_on: turn.scheduled_on, ..Question::on(turn.as_of) };
            let plan = plan_within(&set, ledger, &past, question);
            for message in &plan.messages {
                let items = plan.items(message).iter();
                let items: Vec<(String, u16, u16)> = items
                    .map(|item| (ledger.document(item.document).number.to_string(), item.step.level, item.step.repeat))
                    .collect();
                let who = format!("{} {} {}", ledger.customer(message.customer).id, message.currency, message.occasion());
                let told = (number, set.rules[0].id.to_string(), who, items, message.total, message.blocked);
                let is_known = message.blocked.is_some() && !blocked.insert((told.1.clone(), told.2.clone(), told.3.clone()));
                all.extend((!is_known).then_some(told));
            }
            past.carry_out(&plan, &set, ledger);
        }
    }
    all.sort();
    all
}

fn foreseen(found: &Forecast, rules: &RuleSet, ledger: &Ledger) -> Vec<Told> {
    let told = |mail: &crate::plan::forecast::ForeseenMail| {
        let items = found.items(mail).iter();
        let items = items.map(|item| (ledger.document(item.document).number.to_string(), item.step.level, item.step.repeat));
        let occasion = mail.occasion().unwrap_or_default();
        let who = format!("{} {} {occasion}", ledger.customer(mail.customer).id, mail.currency);
        let rule = rules.rules[usize::from(mail.rule)].id.to_string();
        (mail.turn as usize, rule, who, items.collect(), mail.total, mail.blocked)
    };
    let mut all: Vec<Told> = found.mails.iter().map(told).collect();
    all.sort();
    all
}

/// A ledger of up to 4 customers over a long time, as text: invoices that are still to be issued, settled on the way, overpaid, held.
fn ledger_text() -> impl Strategy<Value = String> {
    let customer = (prop::bool::weighted(0.8), prop::option::weighted(0.2, -2..20_i32), prop::bool::ANY, prop::bool::ANY);
    let invoice = (0..4_usize, 0..2_usize, -3_000..9_000_i64, prop::option::weighted(0.9, -60..45_i32));
    let more = (
        prop::option::weighted(0.1, -2..30_i32),
        prop::option::weighted(0.3, -5..40_i32),
        prop::option::weighted(0.1, -500..500_i64),
        prop::option::weighted(0.1, -2..30_i32),
    );
    let payment = (0..4_usize, 0..2_usize, 1..9_000_i64, -10..40_i32);
    let rows =
        (prop::collection::vec(customer, 4), prop::collection::vec((invoice, more), 0..20), prop::collection::vec(payment, 0..4));
    rows.prop_map(|(customers, invoices, payments)| {
        let mut text = String::new();
        let word = |name: &str, days: Option<i32>| days.map_or(String::new(), |days| format!(" {name}:{days}"));
        for (place, (has_address, hold, is_tagged, has_manager)) in customers.into_iter().enumerate() {
            let address = if has_address { format!("ap@c{place}.example") } else { "-".to_owned() };
            let manager = if has_manager { format!(" manager:boss@c{place}.example") } else { String::new() };
            let tag = if is_tagged { "vip" } else { "net30" };
            text += &format!("customer C{place} {address} {tag}{}{manager}\n", word("hold", hold));
        }
        for (place, ((customer, currency, cents, age), (hold, settled, open, promised))) in invoices.into_iter().enumerate() {
            let (currency, total) = (["EUR", "USD"][currency], Decimal::new(cents, 2));
            let age = age.map_or("-".to_owned(), |age| age.to_string());
            let open = open.map_or(String::new(), |cents| format!(" open:{}", Decimal::new(cents, 2)));
            let words = [word("hold", hold), word("settled", settled), word("promised", promised), open].concat();
            text += &format!("invoice {place} C{customer} {currency} {total} {age}{words}\n");
        }
        for (place, (customer, currency, cents, days)) in payments.into_iter().enumerate() {
            let (currency, amount) = (["EUR", "USD"][currency], Decimal::new(cents, 2));
            text += &format!("payment P{place} C{customer} {currency} {amount} {days}\n");
        }
        text
    })
}

/// What is asked of the day in a `where`, and what is not.
fn conditions() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "where: invoice.days_overdue > 12 && !customer.tags.contains(\"vip\")\n",
        "where: invoice.due_on <= as_of - 14 || invoice.open > 40\n",
        "where: customer.overdue > 50\n",
        "where: invoice.total - invoice.open < 3\n",
        "where: invoice.days_overdue % 3 != 0\n",
        "where: 100 / invoice.days_overdue > 2\n",
    ])
}

/// Ladders that repeat, and levels close to each other.
fn ladders() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "levels:\n\
         - { id: soon, when: 2 days before due, template: reminder, repeat: { every: 1 days, at_most: 2 } }\n\
         - { id: due, when: 0 days after due, template: reminder }\n\
         - { id: last, when: 5 days after due, template: reminder, to: [manager], repeat: { every: 4 days, at_most: 3 } }\n",
        "levels:\n\
         - { id: a, when: 2 business days after due, template: reminder }\n\
         - { id: b, when: 6 business days after due, template: reminder, to: [manager] }\n",
    ])
}

/// One day's order of the rules, and which of them fire at once.
fn days() -> impl Strategy<Value = Vec<Vec<(u32, u16)>>> {
    prop::collection::vec(prop::collection::vec((0..3_u32, 0..5_u16), 0..6), 25)
}

/// Returns the turns of days on which rules fire at these hours; each rule fires once a day.
fn turns(days: &[Vec<(u32, u16)>], rule_count: usize) -> Vec<Turn> {
    let mut all = vec![];
    for (ahead, day) in days.iter().enumerate() {
        let as_of = shifted(AS_OF, ahead as i32);
        let mut hours: BTreeMap<u32, Vec<u16>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (hour, place) in day.iter().filter(|(_, place)| usize::from(*place) < rule_count) {
            if seen.insert(*place) {
                hours.entry(*hour).or_default().push(*place);
            }
        }
        // Rules that fire at one time run in the order of their ids.
        hours.values_mut().for_each(|places| places.sort_unstable());
        for (hour, places) in &hours {
            all.push(Turn {
                as_of,
                scheduled_on: as_of,
                rules: places.clone(),
                rivals: hours.range(hour + 1..).flat_map(|(_, places)| places.clone()).collect(),
            });
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// The forecast is the truth: nothing of what it leaves out or remembers shows.
    #[test]
    fn a_forecast_is_what_a_run_a_day_makes(
        text in ledger_text(),
        lines in prop::collection::vec((rule_lines(), conditions(), ladders()), 1..4),
        gap in 0..4_u32,
        past in past(),
        days in days(),
        held in prop::option::of((0..4_usize, 0..20_i32)),
    ) {
        let lines = lines.into_iter().map(|(lines, condition, ladder)| {
            let lines = if condition.is_empty() { lines } else { without(&lines, "where:") + condition };
            lines + ladder
        });
        let mut rules = rules_of(&named("r", lines.collect()), gap);
        for text in [STATEMENT.to_owned() + "period: previous week\n", NOTICE.to_owned() + "for_each: invoice\n"] {
            rules.rules.extend(one_rule(&text, None).rules);
        }
        rules.rules.sort_by(|a, b| a.id.cmp(&b.id));
        let ledger = ledger_with_payments(&text);
        let mut past = past;
        if let Some((customer, days)) = held {
            let mut holds = Holds::default();
            let term = HoldTerm { kind: HoldKind::Pause, until: shifted(AS_OF, days) };
            holds.add_customer(CustomerId::new(format!("C{customer}")), term);
            past.holds = holds.into();
        }
        let turns = turns(&days, rules.rules.len());
        let found = forecast(&rules, &ledger, &past, &turns, ledger.customer_indexes());
        prop_assert_eq!(foreseen(&found, &rules, &ledger), day_by_day(&rules, &ledger, past, &turns));
    }
}

/// Returns the lines but for those that begin so.
fn without(lines: &str, start: &str) -> String {
    lines.lines().filter(|line| !line.starts_with(start)).map(|line| format!("{line}\n")).collect()
}
