//! What holds for every plan, whatever the ledger, the rules and the past.

use proptest::prelude::*;

use super::*;

/// A ledger of up to 5 customers, as the text that [`ledger`] reads.
pub(crate) fn ledger_text() -> impl Strategy<Value = String> {
    let customer = (prop::bool::weighted(0.8), prop::option::weighted(0.2, -2..3_i32), prop::bool::ANY);
    let invoice = (0..5_usize, 0..3_usize, -3_000..9_000_i64, prop::option::weighted(0.9, -10..45_i32));
    let overpaid = prop::option::weighted(0.1, -500..1_i64);
    let more = (prop::option::weighted(0.1, -2..3_i32), prop::bool::weighted(0.1), overpaid);
    (prop::collection::vec(customer, 5), prop::collection::vec((invoice, more), 0..25)).prop_map(|(customers, invoices)| {
        let mut text = String::new();
        let held = |hold: Option<i32>| hold.map_or(String::new(), |days| format!(" hold:{days}"));
        for (place, (has_address, hold, is_tagged)) in customers.into_iter().enumerate() {
            let address = if has_address { format!("ap@c{place}.example") } else { "-".to_owned() };
            text += &format!("customer C{place} {address} {}{}\n", if is_tagged { "vip" } else { "net30" }, held(hold));
        }
        for (place, ((customer, currency, cents, age), (hold, is_disputed, overpaid))) in invoices.into_iter().enumerate() {
            let (currency, total) = (["EUR", "USD", "CHF"][currency], Decimal::new(cents, 2));
            let age = age.map_or("-".to_owned(), |age| age.to_string());
            let disputed = if is_disputed { " disputed" } else { "" };
            let open = overpaid.map_or(String::new(), |cents| format!(" open:{}", Decimal::new(cents, 2)));
            text += &format!("invoice {place} C{customer} {currency} {total} {age}{disputed}{open}{}\n", held(hold));
        }
        text
    })
}

/// The lines of a rule that differ from rule to rule.
pub(crate) fn rule_lines() -> impl Strategy<Value = String> {
    let parts: [&[&str]; 5] = [
        &["for_each: customer\n", "for_each: invoice\n"],
        &[
            "",
            "where: invoice.open > 20 && !customer.tags.contains(\"vip\")\n",
            "where: customer.balance > 50\n",
            "where: 100 / invoice.total > 2\n",
        ],
        &["", "minimum: { EUR: 40, USD: 10 }\n"],
        &["climb: one_at_a_time\nstart: to_age\n", "climb: to_age\nstart: first_level\n", "start: from_now\n"],
        &["", "script: all.rhai\n", "script: some.rhai\n"],
    ];
    parts.map(prop::sample::select).prop_map(|parts| parts.concat())
}

const SCRIPTS: [(&str, &str); 2] = [
    ("all.rhai", "fn recipients(customer, items, level) { if items.len == 3 { 7 } else { () } }"),
    ("some.rhai", "fn select(customer, items) { items.filter(|item| item.open > 30) }"),
];

/// Gives each rule's lines an id: the prefix and its place.
pub(crate) fn named(prefix: &str, lines: Vec<String>) -> Vec<(String, String)> {
    lines.into_iter().enumerate().map(|(place, lines)| (format!("{prefix}{place}"), lines)).collect()
}

/// Returns the rules of these ids and lines, with the scripts they name.
pub(crate) fn rules_of(given: &[(String, String)], gap: u32) -> RuleSet {
    let used: Vec<_> = SCRIPTS.into_iter().filter(|(path, _)| given.iter().any(|(_, lines)| lines.contains(path))).collect();
    let given: Vec<(&str, &str)> = given.iter().map(|(id, lines)| (id.as_str(), lines.as_str())).collect();
    rules(&given, &used, gap)
}

/// Steps of rule `r0` and mails to customers, days before the plan's.
pub(crate) fn past() -> impl Strategy<Value = History> {
    let standings = [Standing::Accepted, Standing::UnderWay, Standing::Unknown, Standing::Refused, Standing::Cancelled];
    let levels = prop::sample::select(vec!["upcoming", "first", "second", "final"]);
    let step = (0..25_usize, levels, prop::sample::select(standings.to_vec()), 0..40_i32);
    let contact = (0..5_usize, 0..6_i32);
    let steps = prop::collection::vec(step, 0..15);
    (steps, prop::collection::vec(contact, 0..3), prop::option::of(0..60_i32)).prop_map(|(steps, contacts, start)| {
        let mut past = History::default();
        for (number, level, standing, days) in steps {
            let step = Step { level: LevelId::new(level), repeat: 0, standing, on: shifted(AS_OF, -days) };
            past.add_step(RuleId::new("r0"), DocumentNumber::new(number.to_string()), step);
        }
        for (customer, days) in contacts {
            past.add_mail(CustomerId::new(format!("C{customer}")), mail("elsewhere", "EUR", shifted(AS_OF, -days)));
        }
        start.into_iter().for_each(|days| past.add_start(RuleId::new("r0"), shifted(AS_OF, -days)));
        past
    })
}

type Key = (CustomerIndex, Subject, Option<Currency>);

/// Returns every subject of a rule, told by the ledger alone.
fn subjects(for_each: ForEach, ledger: &Ledger, open: &[DocumentIndex]) -> BTreeSet<Key> {
    let of = |document: &DocumentIndex| (ledger.document(*document).customer, ledger.document(*document).currency);
    let mut subjects: BTreeSet<Key> = match for_each {
        ForEach::Customer => {
            open.iter().map(of).map(|(customer, currency)| (customer, Subject::Account, Some(currency))).collect()
        }
        ForEach::Invoice => {
            open.iter().map(|document| (of(document).0, Subject::Invoice(*document), Some(of(document).1))).collect()
        }
    };
    let is_idle = |customer: &CustomerIndex| !open.iter().any(|document| of(document).0 == *customer);
    subjects.extend(ledger.customer_indexes().filter(is_idle).map(|customer| (customer, Subject::Account, None)));
    subjects
}

/// Checks one rule's part of a plan and returns the customers it mails.
fn check_rule(plan: &Plan, place: usize, rules: &RuleSet, ledger: &Ledger) -> Result<BTreeSet<CustomerIndex>, TestCaseError> {
    let documents = (0..ledger.documents().len()).map(|place| DocumentIndex(place as u32));
    let open: Vec<DocumentIndex> = documents.filter(|document| !ledger.open_on(*document, plan.as_of).is_zero()).collect();
    let (reminder, decisions) = (rules.rules[place].reminder().unwrap(), &plan.rules[place].decisions);

    let decided: BTreeSet<Key> =
        decisions.iter().map(|decision| (decision.customer, decision.subject, decision.currency)).collect();
    prop_assert_eq!(decided.len(), decisions.len(), "a subject has one decision");
    prop_assert_eq!(decided, subjects(reminder.for_each, ledger, &open), "every subject has a decision");

    let (mut mailed, mut customers) = (BTreeSet::new(), BTreeSet::new());
    for decision in decisions {
        let Verdict::Message(message) = decision.verdict else { continue };
        let message = &plan.messages[message as usize];
        let items = plan.items(message);
        prop_assert_eq!(usize::from(message.rule), place);
        prop_assert_eq!((message.customer, Some(message.currency)), (decision.customer, decision.currency));
        prop_assert_eq!(Some(message.lead()), items.iter().map(|item| item.step).max());
        prop_assert_eq!(message.total, items.iter().map(|item| ledger.open_on(item.document, plan.as_of)).sum::<Decimal>());
        for item in items {
            let document = ledger.document(item.document);
            prop_assert!(ledger.open_on(item.document, plan.as_of) > Decimal::ZERO, "credit is never reminded");
            prop_assert_eq!((document.customer, document.currency), (message.customer, message.currency));
            prop_assert!(mailed.insert(item.document), "an item is in one mail of a rule");
            let is_held = ledger.customer(document.customer).hold_until.max(document.hold_until) >= Some(plan.as_of);
            prop_assert!(!is_held || message.blocked == Some(BlockReason::ScriptError), "nothing held is mailed");
        }
        if message.blocked.is_none() {
            prop_assert!(message.recipients(rules, ledger).iter().any(|recipient| recipient.role == RecipientRole::To));
            customers.insert(message.customer);
        }
    }
    for document in &open {
        let is_credit = ledger.open_on(*document, plan.as_of) < Decimal::ZERO;
        let has_reason = plan.item_reason(place, *document) != DeclineReason::NothingOpen;
        prop_assert!(is_credit || mailed.contains(document) != has_reason, "an item is in a mail or has its reason");
    }
    Ok(customers)
}

proptest! {
    #[test]
    fn every_subject_has_one_decision_and_every_item_a_mail_or_a_reason(
        text in ledger_text(),
        lines in prop::collection::vec(rule_lines(), 1..4),
        gap in 0..4_u32,
        past in past(),
    ) {
        let (rules, ledger) = (rules_of(&named("r", lines), gap), ledger(&text));
        let plan = plan(&rules, &ledger, &past, AS_OF);

        let mut mails = vec![];
        for place in 0..rules.rules.len() {
            mails.extend(check_rule(&plan, place, &rules, &ledger)?);
            for (count, decision) in plan.rules[place].decisions.iter().enumerate() {
                let Verdict::Declined(reason) = decision.verdict else { continue };
                let yields = [DeclineReason::Outranked, DeclineReason::DayTaken, DeclineReason::ContactGap].contains(&reason);
                prop_assert_eq!(plan.yields_to(place, count).is_some(), yields, "who stands back says for whom");
            }
        }
        let mut days: BTreeMap<(CustomerIndex, Currency), BTreeSet<u16>> = BTreeMap::new();
        for message in plan.messages.iter().filter(|message| message.blocked.is_none()) {
            days.entry((message.customer, message.currency)).or_default().insert(message.rule);
        }
        prop_assert!(days.values().all(|rules| rules.len() == 1), "one rule mails a customer in a currency on one day");
        let from_rules: usize = plan.rules.iter().flat_map(|rule| &rule.decisions)
            .filter(|decision| matches!(decision.verdict, Verdict::Message(_))).count();
        prop_assert_eq!(from_rules, plan.messages.len(), "every message has its decision");
        let items: usize = plan.messages.iter().map(|message| plan.items(message).len()).sum();
        prop_assert_eq!(items, plan.items.len());
        if gap > 0 {
            let customers: BTreeSet<CustomerIndex> = mails.iter().copied().collect();
            prop_assert_eq!(customers.len(), mails.len(), "a customer is mailed by one rule within the contact gap");
            for customer in customers {
                let contacts = past.mails(&ledger.customer(customer).id);
                let is_over = contacts.iter().all(|contact| shifted(contact.on, gap as i32) <= AS_OF);
                prop_assert!(is_over, "the gap counts from the past");
            }
        }
    }
}

proptest! {
    /// With and without rivals, about everybody, one customer and one invoice.
    #[test]
    fn a_plan_handed_out_customer_by_customer_has_the_same_messages(
        text in ledger_text(),
        lines in prop::collection::vec(rule_lines(), 1..4),
        gap in 0..4_u32,
        past in past(),
    ) {
        let (all, ledger) = (rules_of(&named("r", lines), gap), ledger(&text));
        let first = all.of(vec![all.rules[0].clone()]).against(all.rules.clone());
        let invoice = ledger.documents().first().map(|_| Scope::Invoice(DocumentIndex(0)));
        let scopes = [None, Some(Scope::Customer(CustomerIndex(1))), invoice];
        for (rules, only) in scopes.into_iter().flat_map(|only| [(&all, only), (&first, only)]) {
            let question = Question { only, ..Question::on(AS_OF) };
            let told = |plan: &Plan, message: &PlannedMessage| {
                let key = message.key(plan, rules, &ledger, Audience::Customers);
                (key, message.total, message.blocked, message.recipients(rules, &ledger), plan.items(message).to_vec())
            };
            let mut handed_out = Vec::new();
            let taken = plan_each(rules, &ledger, &past, question, |plan, message| {
                handed_out.push(told(plan, message));
                let customers = plan.messages.iter().all(|other| other.customer == message.customer);
                if customers { Ok(()) } else { Err("it holds more than one customer's") }
            });
            prop_assert_eq!(taken, Ok(()));
            let whole = plan_within(rules, &ledger, &past, question);
            let expected: Vec<_> = whole.messages.iter().map(|message| told(&whole, message)).collect();
            prop_assert_eq!(handed_out, expected);
        }
    }
}

/// Returns the key of every message of a plan, by what tells it from all others in words.
fn keys(plan: &Plan, rules: &RuleSet, ledger: &Ledger) -> BTreeMap<String, String> {
    let key = |message: &PlannedMessage| {
        let items = plan.items(message).iter().map(|item| {
            let level = message.item_level(rules, item);
            format!("{} {level} {}", ledger.document(item.document).number, item.step.repeat)
        });
        let customer = &ledger.customer(message.customer).id;
        let items = items.collect::<Vec<_>>().join(", ");
        let own = format!("{} {customer} {} {} [{items}]", message.rule(rules).id, message.currency, message.occasion());
        (own, message.key(plan, rules, ledger, Audience::Customers).to_string())
    };
    plan.messages.iter().map(key).collect()
}

proptest! {
    /// Rules come and go beside a rule, files are renamed, texts are rewritten: a mail that is still made has the key it had, so that
    /// it cannot be sent a second time. And no two mails share one.
    #[test]
    fn nothing_but_its_own_rule_and_items_changes_a_messages_key(
        text in ledger_text(),
        lines in prop::collection::vec(rule_lines(), 1..4),
        others in prop::collection::vec(rule_lines(), 0..3),
        past in past(),
    ) {
        let (own, ledger) = (named("r", lines), ledger(&text));
        let before = rules_of(&own, 0);
        let known = keys(&plan(&before, &ledger, &past, AS_OF), &before, &ledger);
        let different: BTreeSet<&String> = known.values().collect();
        prop_assert_eq!(different.len(), known.len(), "every message has a key of its own");

        // Some sort before the rules that were there, so that each has another place.
        let mut after = rules_of(&[named("a", others), own].concat(), 0);
        for rule in &mut after.rules {
            rule.file = format!("rules/renamed-{}.yaml", rule.id).into();
            rule.revision = "another text".into();
            rule.description = "In other words.".into();
        }
        let changed = keys(&plan(&after, &ledger, &past, AS_OF), &after, &ledger);
        for (message, key) in &known {
            if let Some(now) = changed.get(message) {
                prop_assert_eq!(now, key, "{}", message);
            }
        }
        // Weighed against nobody, all of them are still made.
        for rule in after.rules.iter().filter(|rule| rule.id.as_str().starts_with('r')) {
            let alone = after.of(vec![rule.clone()]);
            let now = keys(&plan(&alone, &ledger, &past, AS_OF), &alone, &ledger);
            for (message, key) in known.iter().filter(|(message, _)| message.starts_with(&format!("{} ", rule.id))) {
                prop_assert_eq!(now.get(message), Some(key), "{}", message);
            }
        }
    }
}
