//! Statements and notices in whole plans: who gets one, once, and why everybody else does not.

use super::*;
use crate::domain::document::Payment;
use crate::plan::history::Occasion;

/// The day of every plan here; the month before it ends on 29 February.
const DAY: Date = Date::constant(2028, 3, 1);

pub(super) const STATEMENT: &str = "id: s\nkind: statement\ntemplate: reminder\nfrom: receivables\nto: [billing]\n";
pub(super) const NOTICE: &str = "id: n\nkind: notice\ntemplate: reminder\nfrom: receivables\nto: [billing]\n";

/// Reads what [`ledger`] reads, days counted from 29 February, `payment REFERENCE CUSTOMER CURRENCY AMOUNT RECEIVED`
/// and `branch CUSTOMER PARENT`.
pub(super) fn ledger_with_payments(text: &str) -> Ledger {
    let is_payment = |line: &&str| line.trim().starts_with("payment");
    let is_branch = |line: &&str| line.trim().starts_with("branch");
    let is_plain = |line: &&str| !is_payment(line) && !is_branch(line);
    let rows: String = text.lines().filter(is_plain).map(|line| format!("{line}\n")).collect();
    let mut builder = LedgerBuilder::default();
    let plain = ledger(&rows);
    for customer in plain.customers() {
        builder.add_customer(customer.clone(), [].into_iter()).unwrap();
    }
    for line in text.lines().filter(is_branch) {
        let [branch, parent] = [1, 2].map(|place| line.split_whitespace().nth(place).unwrap());
        let [branch, parent] = [branch, parent].map(|id| builder.find_customer(id).unwrap());
        builder.set_parent(branch, parent).unwrap();
    }
    for document in plain.documents() {
        let customer = builder.find_customer(plain.customer(document.customer).id.as_str()).unwrap();
        builder.add_invoice(Document { customer, ..document.clone() }, [].into_iter()).unwrap();
    }
    for line in text.lines().filter(is_payment) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["payment", reference, customer, currency, amount, received, ref invoice @ ..] = words[..] else {
            panic!("`{line}` is no payment")
        };
        let payment = Payment {
            customer: builder.find_customer(customer).unwrap(),
            document: invoice.first().map(|number| builder.find_document(number).unwrap()),
            amount: amount.parse().unwrap(),
            currency: Currency::parse(currency).unwrap(),
            received_on: shifted(AS_OF, received.parse().unwrap()),
            reference: if reference == "-" { "".into() } else { reference.into() },
        };
        builder.add_payment(payment).unwrap();
    }
    builder.finish()
}

pub(super) fn one_rule(text: &str, script: Option<&str>) -> RuleSet {
    let text = if script.is_some() { format!("{text}script: x.rhai\n") } else { text.to_owned() };
    let files = [RuleFile { path: "rules/x.yaml".into(), text }];
    let scripts = script.iter().map(|script| ("rules/x.rhai".to_owned(), (*script).to_owned())).collect();
    let known = Known {
        senders: vec![SenderId::new("receivables")],
        recipient_keys: vec![RecipientKey::new("billing"), RecipientKey::new("manager")],
        templates: vec![TemplateName::new("reminder")],
        limits: Limits { contact_gap: Days::new(3).unwrap().into(), ..Limits::default() },
        ..Known::default()
    };
    let (rules, problems) = crate::rule::load(&files, &scripts, &known);
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
    rules
}

fn check(rule: &str, script: Option<&str>, rows: &str, past: &History, expected: &[&str]) {
    let (rules, ledger) = (one_rule(rule, script), ledger_with_payments(rows));
    let plan = plan(&rules, &ledger, past, DAY);
    assert_eq!(told(&plan, &rules, &ledger), expected);
}

fn occasion(customer: &str, currency: &str, name: &str) -> Occasion {
    Occasion { customer: CustomerId::new(customer), currency: Currency::parse(currency).unwrap(), name: name.into() }
}

fn past_of(rule: &str, occasions: &[(Occasion, Standing)]) -> History {
    let mut past = History::default();
    for (occasion, standing) in occasions {
        past.add_occasion(RuleId::new(rule), occasion.clone(), *standing);
    }
    past
}

#[test]
fn a_statement_shows_the_account_at_the_end_of_its_period_in_each_currency() {
    check(
        STATEMENT,
        None,
        "customer C1 ap@c1.example
         customer C2 - vip
         customer C3 ap@c3.example hold:20
         customer C4 ap@c4.example
         customer C5 ap@c5.example
         invoice 1 C1 EUR 100.00 10
         invoice 2 C1 EUR 50.00 -40
         invoice 3 C1 USD 7.00 90
         invoice 4 C2 EUR 8.00 90
         invoice 5 C3 EUR 9.00 90 disputed
         invoice 6 C5 EUR 9.00 90
         payment A C1 EUR 30.00 0
         payment B C1 EUR 30.00 1
         payment C C5 EUR 9.00 -3 6
         payment D C5 CHF 4.00 -3",
        &History::default(),
        &[
            // Invoice 2 was issued later, and so was payment B received: on the day of the plan, not of the figures.
            "s C1 EUR: 1 2028-02-01/2028-02-29#0 = 70.00 to [ap@c1.example]",
            "s C1 USD: 3 2028-02-01/2028-02-29#0 = 7.00 to [ap@c1.example]",
            "s C2 EUR: 4 2028-02-01/2028-02-29#0 = 8.00 to [] blocked by recipient_missing",
            // Neither a hold nor a dispute stops a statement.
            "s C3 EUR: 5 2028-02-01/2028-02-29#0 = 9.00 to [ap@c3.example]",
            "s C4: nothing_open",
            "s C5 CHF: = -4.00 to [ap@c5.example]",
            "s C5 EUR: nothing_open",
        ],
    );
}

const GROUP: &str = "customer C1 ap@c1.example
    customer C2 ap@c2.example
    customer C3 ap@c3.example
    customer C4 ap@c4.example
    branch C2 C1
    branch C3 C1
    invoice 1 C1 EUR 100.00 10
    invoice 2 C2 EUR 50.00 10
    invoice 3 C3 USD 7.00 90
    invoice 4 C4 EUR 8.00 90
    payment A C3 EUR 30.00 0";

#[test]
fn a_parent_gets_one_statement_for_the_group_and_its_branches_are_told_so() {
    let group = format!("{STATEMENT}for_each: group\n");
    check(
        &group,
        None,
        GROUP,
        &History::default(),
        &[
            "s C1 EUR: 1 2028-02-01/2028-02-29#0 2 2028-02-01/2028-02-29#0 = 120.00 to [ap@c1.example]",
            "s C1 USD: 3 2028-02-01/2028-02-29#0 = 7.00 to [ap@c1.example]",
            "s C2 EUR: told_to_parent",
            "s C3 EUR: told_to_parent",
            "s C3 USD: told_to_parent",
            "s C4 EUR: 4 2028-02-01/2028-02-29#0 = 8.00 to [ap@c4.example]",
        ],
    );
    // One each, if nothing else is said.
    check(
        STATEMENT,
        None,
        GROUP,
        &History::default(),
        &[
            "s C1 EUR: 1 2028-02-01/2028-02-29#0 = 100.00 to [ap@c1.example]",
            "s C2 EUR: 2 2028-02-01/2028-02-29#0 = 50.00 to [ap@c2.example]",
            "s C3 EUR: = -30.00 to [ap@c3.example]",
            "s C3 USD: 3 2028-02-01/2028-02-29#0 = 7.00 to [ap@c3.example]",
            "s C4 EUR: 4 2028-02-01/2028-02-29#0 = 8.00 to [ap@c4.example]",
        ],
    );
}

#[test]
fn conditions_and_minimums_of_a_group_go_by_its_sums() {
    for (more, is_sent) in [
        ("where: customer.balance == 120\n", true),
        ("where: customer.overdue == 150\n", true),
        ("where: customer.balance == 100\n", false),
        ("minimum: { EUR: 120.00 }\n", true),
        ("minimum: { EUR: 120.01 }\n", false),
    ] {
        let rules = one_rule(&format!("{STATEMENT}for_each: group\n{more}"), None);
        let ledger = ledger_with_payments(GROUP);
        let told = told(&plan(&rules, &ledger, &History::default(), DAY), &rules, &ledger);
        assert_eq!(told[0].contains("= 120.00"), is_sent, "{more}: {}", told[0]);
    }
}

#[test]
fn an_account_with_nothing_to_list_gets_what_the_rule_says() {
    // C1 paid off in the month, C2 long before, C3 owes, C4 never had anything.
    let rows = "customer C1 ap@c1.example
        customer C2 ap@c2.example
        customer C3 ap@c3.example
        customer C4 ap@c4.example
        invoice 1 C1 EUR 100.00 10 settled:-5
        invoice 2 C2 EUR 50.00 90 settled:-60
        invoice 3 C3 EUR 7.00 90";
    for (form, empty, sent) in [
        ("open_item", "leave_out", "C3"),
        ("open_item", "moved", "C1 C3"),
        ("open_item", "send", "C1 C2 C3"),
        ("balance_forward", "leave_out", "C1 C3"),
        ("balance_forward", "moved", "C1 C3"),
        ("balance_forward", "send", "C1 C2 C3"),
        // What has not moved is no activity, whatever is owed.
        ("activity", "leave_out", "C1"),
        ("activity", "moved", "C1"),
        ("activity", "send", "C1 C2 C3"),
    ] {
        let rules = one_rule(&format!("{STATEMENT}form: {form}\nempty: {empty}\n"), None);
        let ledger = ledger_with_payments(rows);
        let plan = plan(&rules, &ledger, &History::default(), DAY);
        let names = plan.messages.iter().map(|message| ledger.customer(message.customer).id.to_string());
        assert_eq!(names.collect::<Vec<_>>().join(" "), sent, "{form} {empty}");
        assert!(plan.messages.iter().all(|message| message.blocked.is_none()));
    }
}

#[test]
fn the_form_decides_what_a_statement_comes_to() {
    let rows = "customer C1 ap@c1.example
        invoice 1 C1 EUR 100.00 90
        invoice 2 C1 EUR 50.00 -5
        payment A C1 EUR 80.00 -3 1";
    for (form, expected) in
        [("open_item", "1 # 2 # = 70.00"), ("balance_forward", "1 # 2 # = 70.00"), ("activity", "1 # 2 # = -30.00")]
    {
        let expected = format!("s C1 EUR: {} to [ap@c1.example]", expected.replace('#', "2028-02-01/2028-02-29#0"));
        check(&format!("{STATEMENT}form: {form}\n"), None, rows, &History::default(), &[&expected]);
    }
}

#[test]
fn a_period_has_one_statement_whatever_became_of_it() {
    let rows = "customer C1 ap@c1.example\ninvoice 1 C1 EUR 100.00 10\ninvoice 2 C1 USD 100.00 10";
    for (standing, reason) in [
        (Standing::Accepted, "already_sent"),
        (Standing::UnderWay, "under_way"),
        (Standing::Unknown, "outcome_unknown"),
        (Standing::Refused, "refused"),
        (Standing::Cancelled, "cancelled"),
    ] {
        let usd = "s C1 USD: 2 2028-02-01/2028-02-29#0 = 100.00 to [ap@c1.example]";
        let past = past_of("s", &[(occasion("C1", "EUR", "2028-02-01/2028-02-29"), standing)]);
        check(STATEMENT, None, rows, &past, &[&format!("s C1 EUR: {reason}"), usd]);
        // Under the id it had before, too.
        check(
            &format!("{STATEMENT}formerly: old\n"),
            None,
            rows,
            &past_of("old", &[]),
            &["s C1 EUR: 1 2028-02-01/2028-02-29#0 = 100.00 to [ap@c1.example]", usd],
        );
        let past = past_of("old", &[(occasion("C1", "EUR", "2028-02-01/2028-02-29"), standing)]);
        let renamed = format!("{STATEMENT}formerly: old\n");
        check(&renamed, None, rows, &past, &[&format!("s C1 EUR: {reason}"), usd]);
    }
    // January's statement does not stand in for February's.
    let past = past_of("s", &[(occasion("C1", "EUR", "2028-01-01/2028-01-31"), Standing::Accepted)]);
    check(
        STATEMENT,
        None,
        "customer C1 ap@c1.example\ninvoice 1 C1 EUR 100.00 10",
        &past,
        &["s C1 EUR: 1 2028-02-01/2028-02-29#0 = 100.00 to [ap@c1.example]"],
    );
}

#[test]
fn a_statement_rule_asks_about_the_account_on_the_last_day_of_its_period() {
    let rows = "customer C1 ap@c1.example vip manager:boss@c1.example
                customer C2 ap@c2.example
                invoice 1 C1 EUR 100.00 10
                invoice 2 C2 EUR -15.00 10
                payment A C1 EUR 90.00 1";
    for (more, script, expected) in [
        ("where: customer.balance >= 100\n", None, ["1 # = 100.00 to [ap@c1.example]", "condition_false"]),
        ("where: customer.overdue > 0 && as_of.day == 29\n", None, ["1 # = 100.00 to [ap@c1.example]", "condition_false"]),
        // Credit counts as much as debt.
        ("minimum: { EUR: 15.01 }\n", None, ["1 # = 100.00 to [ap@c1.example]", "below_minimum"]),
        (
            "",
            Some("fn select(customer, items) { items.filter(|item| item.open < 0) }"),
            ["not_selected", "2 # = -15.00 to [ap@c2.example]"],
        ),
        (
            "",
            Some(
                "fn recipients(customer, items, level) { if level.id == \"statement\" && customer.has_contact(\"manager\") { [\"manager\"] } }",
            ),
            ["1 # = 100.00 to [boss@c1.example]", "2 # = -15.00 to [ap@c2.example]"],
        ),
    ] {
        let expected = expected.map(|text| text.replace('#', "2028-02-01/2028-02-29#0"));
        let expected = [format!("s C1 EUR: {}", expected[0]), format!("s C2 EUR: {}", expected[1])];
        check(&format!("{STATEMENT}{more}"), script, rows, &History::default(), &[&expected[0], &expected[1]]);
    }
}

#[test]
fn reminders_wait_for_statements_and_statements_for_nothing() {
    let mut set = rules(&[("r", "")], &[], 3);
    set.rules.extend(one_rule(STATEMENT, None).rules);
    let ledger = ledger("customer C1 ap@c1.example\ninvoice 1 C1 EUR 100.00 10");
    let mut past = History::default();
    let both = |past: &History| told(&plan(&set, &ledger, past, AS_OF), &set, &ledger);
    assert_eq!(both(&past)[0], "r C1 EUR: contact_gap to s");
    assert_eq!(both(&past)[1], "s C1 EUR: 1 2028-01-01/2028-01-31#0 = 100.00 to [ap@c1.example]");
    // Two days before as well; three days after, the gap is over.
    let statement = PastMail { kind: MailKind::Statement, ..mail("s", "EUR", AS_OF) };
    past.add_mail(CustomerId::new("C1"), statement);
    past.add_occasion(RuleId::new("s"), occasion("C1", "EUR", "2028-01-01/2028-01-31"), Standing::Accepted);
    past.add_occasion(RuleId::new("s"), occasion("C1", "EUR", "2028-02-01/2028-02-29"), Standing::Accepted);
    let on = |days: i32, past: &History| told(&plan(&set, &ledger, past, shifted(AS_OF, days)), &set, &ledger);
    assert_eq!(on(2, &past), ["r C1 EUR: contact_gap to s", "s C1 EUR: already_sent"]);
    assert_eq!(on(3, &past)[0], "r C1 EUR: 1 first#0 = 100.00 to [ap@c1.example]");
    // A statement whose rule fires later on the day counts too, and is not in the answer.
    let rivals = one_rule(STATEMENT, None).rules;
    let alone = set.of(set.rules[..1].to_vec()).against(rivals);
    assert_eq!(told(&plan(&alone, &ledger, &History::default(), AS_OF), &alone, &ledger), ["r C1 EUR: contact_gap to s"]);
    // A reminder keeps no statement away.
    let mut past = History::default();
    reminded(&mut past, "C1", 0);
    assert_eq!(both(&past)[1], "s C1 EUR: 1 2028-01-01/2028-01-31#0 = 100.00 to [ap@c1.example]");
}

#[test]
fn the_period_is_counted_from_the_scheduled_day_and_nothing_else() {
    let (rules, ledger) = (one_rule(STATEMENT, None), ledger("customer C1 ap@c1.example\ninvoice 1 C1 EUR 100.00 40"));
    let made_up_for = plan_within(
        &rules,
        &ledger,
        &History::default(),
        Question { scheduled_on: shifted(DAY, -1), ..Question::on(shifted(DAY, 3)) },
    );
    assert_eq!(made_up_for.as_of, shifted(DAY, 3));
    assert_eq!(told(&made_up_for, &rules, &ledger), ["s C1 EUR: 1 2028-01-01/2028-01-31#0 = 100.00 to [ap@c1.example]"]);
}

/// The ledger of most tests of notices: a customer with two invoices, a credit note and three payments.
const EVENTS: &str = "customer C1 ap@c1.example hold:9
                      invoice 1 C1 EUR 100.00 10
                      invoice 2 C1 USD 60.00 -28
                      invoice 3 C1 EUR 60.00 -40
                      invoice 4 C1 EUR -10.00 10
                      payment A C1 EUR 100.00 0 1
                      payment B C1 EUR 5.00 1
                      payment C C1 EUR -5.00 1
                      payment D C1 EUR 9.00 2";

#[test]
fn what_was_there_at_the_first_run_is_no_news_unless_the_rule_starts_with_all() {
    for (for_each, all, told) in [
        (
            "invoice",
            ["n C1 1 EUR: 1 invoice:1#0 = 100.00 to [ap@c1.example]", "n C1 2 USD: 2 invoice:2#0 = 60.00 to [ap@c1.example]"],
            ["n C1 1 EUR: backlog", "n C1 2 USD: backlog"],
        ),
        // Money paid back gets no receipt, and tomorrow's payment none today.
        (
            "payment",
            ["n C1 A EUR: 1 payment:9876#0 = 100.00 to [ap@c1.example]", "n C1 B EUR: = 5.00 to [ap@c1.example]"],
            ["n C1 A EUR: backlog", "n C1 B EUR: backlog"],
        ),
    ] {
        let rule = format!("{NOTICE}for_each: {for_each}\n");
        let payment = crate::plan::occasion::of_payments(&ledger_with_payments(EVENTS), CustomerIndex(0))[0].clone();
        let all: Vec<String> = all.iter().map(|line| line.replace("payment:9876", &payment)).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        check(&format!("{rule}start: all\n"), None, EVENTS, &History::default(), &all);
        check(&rule, None, EVENTS, &History::default(), &told);
        // Once that is noted, what is not in it is news.
        let mut past = History::default();
        past.add_baseline(RuleId::new("n"), "".into());
        check(&rule, None, EVENTS, &past, &all);
        past.add_baseline(RuleId::new("n"), "invoice:1".into());
        past.add_baseline(RuleId::new("n"), payment);
        check(&rule, None, EVENTS, &past, &[told[0], all[1]]);
    }
    let rule = format!("{NOTICE}for_each: customer\n");
    check(&rule, None, EVENTS, &History::default(), &["n C1: backlog"]);
    check(&format!("{rule}start: all\n"), None, EVENTS, &History::default(), &["n C1: = 0 to [ap@c1.example]"]);
}

#[test]
fn an_event_has_one_notice_and_the_rule_says_which_count() {
    let invoices = format!("{NOTICE}for_each: invoice\nstart: all\n");
    let past = past_of(
        "n",
        &[(occasion("C1", "EUR", "invoice:1"), Standing::Accepted), (occasion("C1", "USD", "invoice:2"), Standing::UnderWay)],
    );
    check(&invoices, None, EVENTS, &past, &["n C1 1 EUR: already_sent", "n C1 2 USD: under_way"]);
    let some = format!("{invoices}where: invoice.currency == \"USD\"\n");
    check(
        &some,
        None,
        EVENTS,
        &History::default(),
        &["n C1 1 EUR: condition_false", "n C1 2 USD: 2 invoice:2#0 = 60.00 to [ap@c1.example]"],
    );
    let payments = format!("{NOTICE}for_each: payment\nstart: all\nwhere: ");
    for (condition, expected) in [
        ("payment.received_on >= as_of && payment.invoice == \"\"", ["condition_false", ": = 5.00 to [ap@c1.example]"]),
        ("payment.amount > 5 && customer.balance > 99", ["condition_false", "condition_false"]),
        ("payment.reference == \"B\" && customer.id == \"C1\"", ["condition_false", ": = 5.00 to [ap@c1.example]"]),
    ] {
        let line = |reference: &str, told: &str| format!("n C1 {reference} EUR: {}", told.trim_start_matches(": "));
        let expected = [line("A", expected[0]), line("B", expected[1])];
        check(&format!("{payments}{condition}\n"), None, EVENTS, &History::default(), &[&expected[0], &expected[1]]);
    }
    let select = Some("fn select(customer, items) { [] }");
    check(&invoices, select, EVENTS, &History::default(), &["n C1 1 EUR: not_selected", "n C1 2 USD: not_selected"]);
}

#[test]
fn a_payment_keeps_its_name_when_it_is_matched_and_twins_are_told_apart() {
    let names = |rows: &str| {
        let ledger = ledger_with_payments(&format!("customer C1 -\ninvoice 1 C1 EUR 100.00 10\n{rows}"));
        crate::plan::occasion::of_payments(&ledger, CustomerIndex(0))
    };
    let first = names("payment A C1 EUR 5.00 0");
    // Written down once: another name would mean another receipt for every payment there ever was.
    assert_eq!(first, ["payment:844fa2d8e2e155200e253b043357c808"]);
    assert_eq!(names("payment A C1 EUR 5.00 0 1"), first, "matched to an invoice later");
    assert_eq!(names("payment A C1 EUR 5 0"), first, "5 and 5.00 are one amount");
    for other in ["payment B C1 EUR 5.00 0", "payment A C1 USD 5.00 0", "payment A C1 EUR 5.01 0", "payment A C1 EUR 5.00 1"] {
        assert_ne!(names(other), first, "{other}");
    }
    let twins = names("payment A C1 EUR 5.00 0\npayment A C1 EUR 5.00 0 1");
    assert_eq!(twins, [first[0].clone(), format!("{}#2", first[0]).into()]);
}

#[test]
fn a_script_that_fails_blocks_its_statement_and_its_notice() {
    let rows = "customer C1 ap@c1.example\ninvoice 1 C1 EUR 100.00 10";
    let script = Some("fn recipients(customer, items, level) { if customer.id == \"C1\" { 7 } }");
    for rule in [STATEMENT.to_owned(), format!("{NOTICE}for_each: invoice\nstart: all\n")] {
        let (rules, ledger) = (one_rule(&rule, script), ledger_with_payments(rows));
        let plan = plan(&rules, &ledger, &History::default(), DAY);
        assert_eq!((plan.messages.len(), plan.faults.len()), (1, 1));
        assert_eq!(plan.messages[0].blocked, Some(BlockReason::ScriptError));
    }
}
