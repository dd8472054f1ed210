//! Statement and notice rules: what they become, and every problem with its place.

use super::*;
use crate::domain::ageing::{AgeBy, Ageing};
use crate::domain::ledger::AccountScope;
use crate::domain::period::Period;
use crate::domain::statement::{StatementForm, StatementLayout};
use crate::rule::{EmptyStatement, Event, NoticeStart};

#[test]
fn a_statement_rule_and_its_defaults_are_read() {
    let whole = "id: s\nkind: statement\nschedule: { cron: \"0 7 * * *\", on: first business day }\nwhere: customer.balance != 0\n\
                 period: previous week\nform: balance_forward\nfor_each: group\nempty: moved\nageing: { by: issued, days: [14, 28] }\nminimum: { EUR: 5 }\n\
                 template: statement\nfrom: receivables\nto: billing\n";
    let least = "id: t\nkind: statement\ntemplate: statement\nfrom: receivables\nto: billing\n";
    let (set, problems) = load_texts(&[("rules/s.yaml", whole), ("rules/t.yaml", least)], &[], &known());
    assert_eq!(problems, [""; 0]);
    let [RuleKind::Statement(whole), RuleKind::Statement(least)] = [&set.rules[0].kind, &set.rules[1].kind] else {
        panic!("{set:?}")
    };
    let days = [14, 28].into_iter().filter_map(Days::new).collect();
    let ageing = Ageing::new(AgeBy::Issued, days).unwrap();
    let layout = StatementLayout { form: StatementForm::BalanceForward, scope: AccountScope::Group, ageing };
    assert_eq!((whole.period, &whole.layout, whole.empty), (Period::PreviousWeek, &layout, EmptyStatement::Moved));
    assert_eq!((whole.minimum.len(), whole.template.as_str()), (1, "statement"));
    let layout = StatementLayout::default();
    assert_eq!((least.period, &least.layout, least.empty), (Period::PreviousMonth, &layout, EmptyStatement::LeaveOut));
    assert!(least.minimum.is_empty());
}

#[test]
fn a_notice_rule_and_its_defaults_are_read() {
    for (more, event, start) in [
        ("for_each: invoice\nwhere: invoice.total > 5", Event::Invoice, NoticeStart::FromNow),
        ("for_each: payment\nwhere: payment.received_on >= as_of - 7\nstart: all", Event::Payment, NoticeStart::All),
        ("for_each: customer\nwhere: customer.tags.contains(\"new\")", Event::Customer, NoticeStart::FromNow),
    ] {
        let text = format!("id: n\nkind: notice\ntemplate: receipt\nfrom: receivables\nto: billing\n{more}\n");
        let (set, problems) = load_texts(&[("rules/n.yaml", &text)], &[], &known());
        assert_eq!(problems, [""; 0], "{more}");
        let RuleKind::Notice(notice) = &set.rules[0].kind else { panic!("{set:?}") };
        assert_eq!((notice.for_each, notice.start, notice.template.as_str()), (event, start, "receipt"));
    }
}

#[test]
fn every_problem_of_a_statement_or_notice_is_found_at_its_place() {
    const STATEMENT: &str = "id: s\nkind: statement\ntemplate: statement\nfrom: receivables\nto: billing\n";
    const NOTICE: &str = "id: n\nkind: notice\ntemplate: receipt\nfrom: receivables\nto: billing\n";
    for (head, more, expected) in [
        (STATEMENT, "where: invoice.open > 0", "6:8: `invoice` is not known here; known are: customer, as_of"),
        (STATEMENT, "where: payment.amount > 0", "6:8: `payment` is not known here; known are: customer, as_of"),
        (
            STATEMENT,
            "period: last month",
            "6:9: `last month` is not known here; write one of: previous month, previous week, month to date, 30 days",
        ),
        (STATEMENT, "form: open_items", "6:7: `open_items` is not known here; did you mean `open_item`?"),
        (
            STATEMENT,
            "form: activity\nageing: { by: due, days: [30] }",
            "7:9: A statement of the form `activity` shows no balance, so none by age; remove `ageing`, or write \
             `form: balance_forward`",
        ),
        (STATEMENT, "for_each: branch", "6:11: `branch` is not known here; write one of: customer, group"),
        (STATEMENT, "empty: never", "6:8: `never` is not known here; write one of: leave_out, moved, send"),
        (STATEMENT, "ageing: { days: [30, 30] }", "6:17: The days of age columns ascend; write `days: [30, 60, 90]`"),
        (STATEMENT, "ageing: { days: [0, 30] }", "6:18: `0` is not a number allowed here; write a whole number from 1 to 36500"),
        (STATEMENT, "ageing: { days: [1, 2, 3, 4, 5, 6, 7] }", "6:17: `days` names 7 columns; at most 6 are read"),
        (STATEMENT, "ageing: { by: age, days: [30] }", "6:15: `age` is not known here; write one of: due, issued"),
        (
            NOTICE,
            "for_each: payment\nwhere: invoice.open > 0",
            "7:8: `invoice` is not known here; known are: payment, customer, as_of",
        ),
        (NOTICE, "for_each: payment\nwhere: payment.amont > 0", "7:16: A payment has no `amont`; did you mean `amount`?"),
        (
            NOTICE,
            "for_each: payment\nwhere: payment.received_on > \"2026\"",
            "7:28: `>` cannot compare a date with a text; write a day as `date(\"2026-11-21\")`",
        ),
        (
            NOTICE,
            "for_each: customer\nwhere: customer.balance == 0",
            "7:8: A notice about a customer has no currency, so `balance` and `overdue` mean nothing; ask for the customer's tags, language or attributes",
        ),
        (NOTICE, "for_each: order", "6:11: `order` is not known here; write one of: invoice, payment, customer"),
        (NOTICE, "for_each: invoice\nstart: to_age", "7:8: `to_age` is not known here; write one of: from_now, all"),
    ] {
        assert_eq!(problems(&format!("{head}{more}\n")), [format!("rules/a.yaml:{expected}")], "{more}");
    }
    // All at once, what is missing among them.
    let found = problems("id: n\nkind: notice\nwhere: invoice.opne > 0\nfrom: receivables\nto: biling\nlevels: []\n");
    let places: Vec<&str> = found.iter().map(|problem| &problem[..problem.find(": ").unwrap()]).collect();
    assert_eq!(places.len(), 4, "{found:#?}");
}
