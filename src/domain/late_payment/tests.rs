//! Claims as laws and contracts have them: fixed sums at their edges, part payments, levels and fees.

use super::*;
use crate::domain::interest::{DayCount, Rate, Rounding};
use jiff::civil::date;
use rust_decimal::dec;

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

/// 10 % of 365 days, rounded at the end, from the first level on.
fn terms() -> ClaimTerms {
    let interest =
        Terms { rate: Rate::Fixed(dec!(10)), rate_at_most: None, day_count: DayCount::Actual365, rounding: Rounding::End };
    ClaimTerms {
        interest,
        base: Base::Remaining,
        interest_at_most: None,
        fixed_sums: None,
        fees: None,
        from_level: 1,
        mode: ClaimMode::Claim,
    }
}

/// An invoice of 1 December 2024, due on 1 January 2025.
fn item(number: &str, total: Decimal, paid: &[(Date, Decimal)]) -> LateItem {
    let mut open = total;
    let mut open_steps = vec![(date(2024, 12, 1), total)];
    for (on, amount) in paid {
        open -= amount;
        open_steps.push((*on, open));
    }
    LateItem { number: number.into(), total, open, open_steps, due_on: Some(date(2025, 1, 1)), starts_on: None }
}

fn claim(terms: &ClaimTerms, items: &[LateItem], code: &str, level: i64, as_of: Date) -> Option<LatePayment> {
    terms.claim(items, currency(code), level, as_of).unwrap()
}

#[test]
fn the_fixed_sums_of_the_uk_change_at_1000_and_10000() {
    // Late Payment of Commercial Debts (Interest) Act 1998, s. 5A (2).
    let steps = vec![(dec!(0), dec!(40)), (dec!(1000), dec!(70)), (dec!(10000), dec!(100))];
    let terms = ClaimTerms { fixed_sums: Some(BTreeMap::from([(currency("GBP"), steps)])), ..terms() };
    for (total, expected) in [
        (dec!(0.01), dec!(40)),
        (dec!(999.99), dec!(40)),
        (dec!(1000), dec!(70)),
        (dec!(9999.99), dec!(70)),
        (dec!(10000), dec!(100)),
        (dec!(1000000), dec!(100)),
    ] {
        let claim = claim(&terms, &[item("A", total, &[])], "GBP", 1, date(2025, 1, 2)).unwrap();
        assert_eq!(claim.fixed_sums, expected, "{total}");
    }
    // The debt is what was open when the delay began: 500.00 paid in time, 300.00 late.
    let part = item("A", dec!(1400), &[(date(2024, 12, 20), dec!(500)), (date(2025, 1, 10), dec!(300))]);
    assert_eq!(claim(&terms, &[part], "GBP", 1, date(2025, 1, 31)).unwrap().fixed_sums, dec!(40));
    let fault = terms.claim(&[item("A", dec!(5), &[])], currency("USD"), 1, date(2025, 1, 2)).unwrap_err();
    assert_eq!(fault.to_string(), "`fixed_sum` has no amount in USD: add one, 0 for none");
}

#[test]
fn a_fixed_sum_comes_once_for_each_invoice_at_every_level() {
    let terms = ClaimTerms { fixed_sums: Some(BTreeMap::from([(currency("EUR"), vec![(dec!(0), dec!(40))])])), ..terms() };
    let items = [item("A", dec!(100), &[]), item("B", dec!(200), &[])];
    for level in [1, 2, 5] {
        assert_eq!(claim(&terms, &items, "EUR", level, date(2025, 2, 1)).unwrap().fixed_sums, dec!(80), "{level}");
    }
}

#[test]
fn interest_runs_on_what_is_left_or_on_the_whole_and_the_day_of_payment_still_counts() {
    // 1,000.00 due on 1 January; 400.00 come in on 11 January; 31 January is the day.
    // 10 days (2 to 11 January) of 1,000 and 20 of 600: 6.03. Of the whole: 30 days of 1,000: 8.22.
    let items = [item("A", dec!(1000), &[(date(2025, 1, 11), dec!(400))])];
    let rest = claim(&terms(), &items, "EUR", 1, date(2025, 1, 31)).unwrap();
    let spans: Vec<(Date, Date, Decimal)> =
        rest.items[0].interest.lines.iter().map(|line| (line.from, line.to, line.principal)).collect();
    assert_eq!(spans, [(date(2025, 1, 2), date(2025, 1, 11), dec!(1000)), (date(2025, 1, 12), date(2025, 1, 31), dec!(600))]);
    assert_eq!((rest.interest, rest.open, rest.amount_asked), (dec!(6.03), dec!(600), dec!(606.03)));
    let whole = ClaimTerms { base: Base::Original, ..terms() };
    assert_eq!(claim(&whole, &items, "EUR", 1, date(2025, 1, 31)).unwrap().interest, dec!(8.22));
    // What is paid in full bears none from the next day on, whatever the base.
    let paid = [item("A", dec!(1000), &[(date(2025, 1, 11), dec!(1000))])];
    for terms in [&terms(), &whole] {
        assert_eq!(claim(terms, &paid, "EUR", 1, date(2025, 1, 31)).unwrap().interest, dec!(2.74));
    }
}

#[test]
fn nothing_is_claimed_below_its_level_before_it_is_late_or_on_credit() {
    let from_two = ClaimTerms { from_level: 2, ..terms() };
    let late = [item("A", dec!(1000), &[])];
    assert_eq!(claim(&from_two, &late, "EUR", 1, date(2025, 1, 31)), None);
    assert!(claim(&from_two, &late, "EUR", 2, date(2025, 1, 31)).is_some());
    assert_eq!(claim(&terms(), &late, "EUR", 1, date(2025, 1, 1)), None);
    assert!(claim(&terms(), &late, "EUR", 1, date(2025, 1, 2)).is_some());
    let credit = [item("C", dec!(-100), &[])];
    assert_eq!(claim(&terms(), &credit, "EUR", 1, date(2025, 1, 31)), None);
    let undated = [LateItem { due_on: None, ..late[0].clone() }];
    assert_eq!(claim(&terms(), &undated, "EUR", 1, date(2025, 1, 31)), None);
    let paid_in_time = [item("A", dec!(1000), &[(date(2025, 1, 1), dec!(1000))])];
    assert_eq!(claim(&terms(), &paid_in_time, "EUR", 1, date(2025, 1, 31)), None);
}

#[test]
fn interest_starts_on_the_day_that_is_said_and_never_before_it_is_late() {
    let from = |starts_on| {
        let items = [LateItem { starts_on, ..item("A", dec!(1000), &[]) }];
        claim(&terms(), &items, "EUR", 1, date(2025, 1, 31)).map(|claim| claim.items[0].starts_on)
    };
    assert_eq!(from(None), Some(date(2025, 1, 2)));
    assert_eq!(from(Some(date(2025, 1, 16))), Some(date(2025, 1, 16)));
    assert_eq!(from(Some(date(2024, 12, 1))), Some(date(2025, 1, 2)));
    assert_eq!(from(Some(date(2025, 2, 1))), None);
}

#[test]
fn a_claim_is_asked_for_and_a_mention_is_not_and_what_is_not_due_is_in_neither() {
    let fees = BTreeMap::from([(currency("EUR"), vec![dec!(0), dec!(5), dec!(10)])]);
    let claimed = ClaimTerms { fees: Some(fees), ..terms() };
    let mentioned = ClaimTerms { mode: ClaimMode::Mention, ..claimed.clone() };
    let soon = LateItem { due_on: Some(date(2025, 3, 1)), ..item("B", dec!(70), &[]) };
    let items = [item("A", dec!(3650), &[]), soon];
    for (level, fee) in [(1, dec!(0)), (2, dec!(5)), (3, dec!(10)), (4, dec!(10))] {
        // 10 days of 1.00.
        let asked = claim(&claimed, &items, "EUR", level, date(2025, 1, 11)).unwrap();
        assert_eq!((asked.fee, asked.total), (fee, dec!(10) + fee));
        assert_eq!((asked.open, asked.amount_asked), (dec!(3650), dec!(3660) + fee));
        let shown = claim(&mentioned, &items, "EUR", level, date(2025, 1, 11)).unwrap();
        assert_eq!((shown.total, shown.amount_asked), (asked.total, dec!(3650)));
    }
}

#[test]
fn interest_stops_at_a_part_of_the_sum() {
    // 10 % a year for two years, at most 15 % of the invoice.
    let capped = ClaimTerms { interest_at_most: Some(dec!(15)), ..terms() };
    let claim = claim(&capped, &[item("A", dec!(1000), &[])], "USD", 1, date(2027, 1, 1)).unwrap();
    assert_eq!((claim.interest, claim.items[0].interest.lines[0].amount), (dec!(150.00), dec!(150.00)));
}

#[test]
fn a_card_costs_a_part_and_a_fixed_sum_up_to_a_bound() {
    let of = |amount, percent, fixed, at_most| surcharge(amount, currency("EUR"), percent, fixed, at_most);
    assert_eq!(of(dec!(100), dec!(2.9), dec!(0.30), None), Some(dec!(3.20)));
    assert_eq!(of(dec!(100), dec!(2.9), dec!(0.30), Some(dec!(3))), Some(dec!(3)));
    assert_eq!(of(dec!(0.50), dec!(1), dec!(0), None), Some(dec!(0.01)));
    assert_eq!(surcharge(dec!(150), currency("JPY"), dec!(1), dec!(0), None), Some(dec!(2)));
    assert_eq!(of(Decimal::MAX, dec!(200), dec!(0), None), None);
}
