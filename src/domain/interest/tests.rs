//! Interest on published and hand-made examples, and what holds for all of them.

use super::*;
use crate::domain::rate_table::RateStep;
use jiff::civil::date;
use proptest::prelude::*;
use rust_decimal::dec;

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn fixed(percent: Decimal, day_count: DayCount, rounding: Rounding) -> Terms {
    Terms { rate: Rate::Fixed(percent), rate_at_most: None, day_count, rounding }
}

/// The base rate of s. 247 BGB in 2024 and 2025, as the Bundesbank published it.
fn bundesbank(points: Decimal, of: RateOf) -> Rate {
    let steps = [
        (date(2024, 1, 1), dec!(3.62)),
        (date(2024, 7, 1), dec!(3.37)),
        (date(2025, 1, 1), dec!(2.27)),
        (date(2025, 7, 1), dec!(1.27)),
    ];
    let steps = steps.map(|(from, percent)| RateStep { from, percent }).to_vec();
    let texts = ["bundesbank", "Basiszinssatz", "Deutsche Bundesbank", "rates/bundesbank.yaml"].map(String::from);
    let [name, title, source, file] = texts;
    Rate::Table { table: Arc::new(RateTable { name, title, source, file, steps, valid_to: date(2025, 12, 31) }), points, of }
}

fn on(terms: &Terms, principal: Decimal, from: Date, to: Date, code: &str) -> Interest {
    terms.interest(&[Principal { from, amount: principal }], from, to, currency(code)).unwrap()
}

/// A line as a person would write it.
fn words(interest: &Interest) -> Vec<String> {
    let word = |line: &InterestLine| {
        let InterestLine { from, to, days, principal, percent, year_days, amount } = line;
        format!("{from} to {to}: {days} days, {principal} at {percent} of {year_days}: {amount}")
    };
    interest.lines.iter().map(word).collect()
}

#[test]
fn the_example_of_gov_uk_comes_out_where_the_day_is_rounded_first() {
    // https://www.gov.uk/late-commercial-payments-interest-debt-recovery/charging-interest-commercial-debt:
    // 1,000 x 8.5 % = 85 a year; 85 / 365 = 23p a day; 50 days = 11.50. Exact: 85 x 50 / 365 = 11.6438…
    for (rounding, expected) in [(Rounding::Day, dec!(11.50)), (Rounding::Line, dec!(11.64)), (Rounding::End, dec!(11.64))] {
        let terms = fixed(dec!(8.5), DayCount::Actual365, rounding);
        let interest = on(&terms, dec!(1000), date(2025, 3, 2), date(2025, 4, 20), "GBP");
        assert_eq!((interest.amount, interest.lines[0].days), (expected, 50), "{rounding:?}");
    }
}

#[test]
fn a_german_delay_over_a_change_of_the_base_rate_has_a_line_for_each_rate() {
    // S. 288 (2) BGB: base rate + 9 points; due on 31 May 2025, paid on 15 August 2025. 10,000.00:
    //   1 to 30 June, 30 days at 2.27 + 9 = 11.27 %: 10,000 x 0.1127 x 30 / 365 = 92.6301… = 92.63
    //   1 July to 15 August, 46 days at 1.27 + 9 = 10.27 %: 10,000 x 0.1027 x 46 / 365 = 129.4301… = 129.43
    // Together 222.0602… = 222.06.
    let terms = |points, rounding| Terms {
        rate: bundesbank(points, RateOf::EachDay),
        rate_at_most: None,
        day_count: DayCount::Actual365,
        rounding,
    };
    let delay = |points, rounding| on(&terms(points, rounding), dec!(10000), date(2025, 6, 1), date(2025, 8, 15), "EUR");
    let lines = [
        "2025-06-01 to 2025-06-30: 30 days, 10000 at 11.27 of 365: 92.63",
        "2025-07-01 to 2025-08-15: 46 days, 10000 at 10.27 of 365: 129.43",
    ];
    for rounding in [Rounding::Line, Rounding::End] {
        let interest = delay(dec!(9), rounding);
        assert_eq!((words(&interest), interest.amount), (lines.map(String::from).to_vec(), dec!(222.06)));
    }
    // The day first: 3.0877 = 3.09 and 2.8137 = 2.81; 30 x 3.09 + 46 x 2.81 = 221.96.
    assert_eq!(delay(dec!(9), Rounding::Day).amount, dec!(221.96));
    // S. 288 (1), a consumer: base rate + 5. 59.7534… and 79.0191…, together 138.7726… = 138.77.
    assert_eq!(delay(dec!(5), Rounding::End).amount, dec!(138.77));
}

#[test]
fn a_rate_of_the_first_day_stays_when_the_table_changes() {
    let terms =
        |of| Terms { rate: bundesbank(dec!(8), of), rate_at_most: None, day_count: DayCount::Actual365, rounding: Rounding::End };
    let rates = |of| -> Vec<Decimal> {
        let interest = on(&terms(of), dec!(1000), date(2024, 6, 15), date(2025, 7, 31), "GBP");
        interest.lines.iter().map(|line| line.percent).collect()
    };
    assert_eq!(rates(RateOf::FirstDay), [dec!(11.62)]);
    assert_eq!(rates(RateOf::EachDay), [dec!(11.62), dec!(11.37), dec!(10.27), dec!(9.27)]);
}

#[test]
fn the_29th_of_february_is_a_day_and_its_year_longer_only_where_it_is_said() {
    // 36,600.00 at 10 %: 3,660 a year; two days are 20.0548 of 365ths, 20.00 of 366ths.
    let two_days =
        |day_count| on(&fixed(dec!(10), day_count, Rounding::End), dec!(36600), date(2024, 2, 28), date(2024, 2, 29), "EUR");
    assert_eq!((two_days(DayCount::Actual365).amount, two_days(DayCount::Actual365).lines[0].days), (dec!(20.05), 2));
    assert_eq!(two_days(DayCount::ActualActual).amount, dec!(20.00));
    // A whole leap year is the yearly interest, and a day over it a 365th or 366th.
    let year = |day_count| {
        on(&fixed(dec!(10), day_count, Rounding::End), dec!(36600), date(2024, 1, 1), date(2024, 12, 31), "EUR").amount
    };
    assert_eq!([year(DayCount::ActualActual), year(DayCount::Actual365)], [dec!(3660.00), dec!(3670.03)]);
    // Across the new year the line is parted: 31 days of 366ths and 31 of 365ths.
    let across =
        on(&fixed(dec!(10), DayCount::ActualActual, Rounding::End), dec!(36600), date(2024, 12, 1), date(2025, 1, 31), "EUR");
    assert_eq!(
        words(&across),
        [
            "2024-12-01 to 2024-12-31: 31 days, 36600 at 10 of 366: 310",
            "2025-01-01 to 2025-01-31: 31 days, 36600 at 10 of 365: 310.85"
        ]
    );
}

#[test]
fn thirty_days_a_month_make_a_monthly_rate_come_out() {
    // 1.5 % a month is 18 % a year: each whole month 15.00 of 1,000.00, February and July alike.
    let terms = fixed(dec!(18), DayCount::Thirty360, Rounding::End);
    let of = |from, to| on(&terms, dec!(1000), from, to, "USD").amount;
    for (from, to, expected) in [
        (date(2025, 2, 1), date(2025, 2, 28), dec!(14.00)),
        (date(2025, 2, 1), date(2025, 3, 1), dec!(15.50)),
        (date(2025, 2, 16), date(2025, 3, 15), dec!(15.00)),
        (date(2025, 7, 1), date(2025, 7, 31), dec!(15.00)),
        (date(2025, 7, 31), date(2025, 7, 31), dec!(0)),
        (date(2025, 1, 16), date(2026, 1, 15), dec!(180.00)),
    ] {
        assert_eq!(of(from, to), expected, "{from} to {to}");
    }
    // The law of a state may allow 10 % a year at most.
    let capped = Terms { rate_at_most: Some(dec!(10)), ..terms };
    assert_eq!(on(&capped, dec!(1000), date(2025, 1, 16), date(2026, 1, 15), "USD").amount, dec!(100.00));
}

#[test]
fn a_part_paid_in_the_middle_lowers_what_bears_interest_from_the_next_day() {
    // 1,000.00 at 10 %, 400.00 paid on 11 January: 10 days of 1,000 (2.74), then 20 of 600 (3.288): 6.03 together.
    let terms = fixed(dec!(10), DayCount::Actual365, Rounding::End);
    let principals =
        [Principal { from: date(2025, 1, 2), amount: dec!(1000) }, Principal { from: date(2025, 1, 12), amount: dec!(600) }];
    let interest = terms.interest(&principals, date(2025, 1, 2), date(2025, 1, 31), currency("EUR")).unwrap();
    assert_eq!(
        words(&interest),
        [
            "2025-01-02 to 2025-01-11: 10 days, 1000 at 10 of 365: 2.74",
            "2025-01-12 to 2025-01-31: 20 days, 600 at 10 of 365: 3.29"
        ]
    );
    assert_eq!(interest.amount, dec!(6.03));
}

#[test]
fn nothing_and_a_negative_rate_bear_no_interest() {
    let terms = |percent| fixed(percent, DayCount::Actual365, Rounding::End);
    let day = date(2025, 1, 1);
    assert_eq!(on(&terms(dec!(-0.5)), dec!(1000), day, date(2025, 12, 31), "EUR").amount, Decimal::ZERO);
    assert_eq!(on(&terms(dec!(5)), dec!(0), day, date(2025, 12, 31), "EUR"), Interest::default());
    assert_eq!(on(&terms(dec!(5)), dec!(1000), day, date(2024, 12, 31), "EUR"), Interest::default());
    // 9 points above a negative base rate: the base rate counts, s. 247 (1) BGB.
    let negative = RateStep { from: date(2020, 1, 1), percent: dec!(-0.88) };
    let Rate::Table { table, .. } = bundesbank(dec!(9), RateOf::EachDay) else { panic!() };
    let table = Arc::new(RateTable { steps: vec![negative], ..(*table).clone() });
    let terms = Terms { rate: Rate::Table { table, points: dec!(9), of: RateOf::EachDay }, ..terms(dec!(0)) };
    assert_eq!(on(&terms, dec!(36500), date(2020, 2, 1), date(2020, 2, 1), "EUR").lines[0].percent, dec!(8.12));
}

#[test]
fn figures_beyond_all_bounds_are_faults() {
    let terms = fixed(dec!(10), DayCount::Actual365, Rounding::End);
    let day = date(2025, 1, 1);
    let huge = terms.interest(&[Principal { from: day, amount: Decimal::MAX }], day, date(2025, 12, 31), currency("EUR"));
    assert_eq!(huge, Err(InterestFault::TooLarge));
    let principals: Vec<Principal> =
        (0..=1_000).map(|count| Principal { from: shifted(day, count), amount: Decimal::from(2_000 - count) }).collect();
    let many = terms.interest(&principals, day, shifted(day, 1_000), currency("EUR"));
    assert_eq!(many, Err(InterestFault::TooManyLines));
    let terms = Terms { rate: bundesbank(dec!(9), RateOf::EachDay), ..terms };
    let early =
        terms.interest(&[Principal { from: date(2023, 12, 31), amount: dec!(1) }], date(2023, 12, 31), day, currency("EUR"));
    assert!(matches!(early, Err(InterestFault::Rate(RateFault::Before { .. }))), "{early:?}");
    // A delay that goes on after the table has ended has no rate, though its last stretch began before.
    let late = terms.interest(&[Principal { from: day, amount: dec!(1) }], day, date(2026, 1, 1), currency("EUR"));
    let last = date(2025, 12, 31);
    assert_eq!(late, Err(RateFault::After { table: "bundesbank".into(), last, day: date(2026, 1, 1) }.into()));
    assert!(terms.interest(&[Principal { from: day, amount: dec!(1) }], day, last, currency("EUR")).is_ok());
}

#[test]
fn a_cap_on_the_sum_takes_from_the_last_lines() {
    let terms = fixed(dec!(10), DayCount::Actual365, Rounding::End);
    let principals =
        [Principal { from: date(2025, 1, 2), amount: dec!(1000) }, Principal { from: date(2025, 1, 12), amount: dec!(600) }];
    let interest = || terms.interest(&principals, date(2025, 1, 2), date(2025, 1, 31), currency("EUR")).unwrap();
    let amounts = |most| -> (Vec<Decimal>, Decimal) {
        let capped = interest().at_most(most);
        (capped.lines.iter().map(|line| line.amount).collect(), capped.amount)
    };
    assert_eq!(amounts(dec!(4)), (vec![dec!(2.74), dec!(1.26)], dec!(4)));
    assert_eq!(amounts(dec!(1)), (vec![dec!(1), dec!(0)], dec!(1)));
    assert_eq!(amounts(dec!(10)), (vec![dec!(2.74), dec!(3.29)], dec!(6.03)));
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let day_count = prop_oneof![Just(DayCount::Actual365), Just(DayCount::ActualActual), Just(DayCount::Thirty360)];
    let rounding = prop_oneof![Just(Rounding::Day), Just(Rounding::Line), Just(Rounding::End)];
    let rate = prop_oneof![
        (0_i64..3_000).prop_map(|cents| Rate::Fixed(Decimal::new(cents, 2))),
        (0_i64..1_000).prop_map(|cents| bundesbank(Decimal::new(cents, 2), RateOf::EachDay)),
    ];
    (rate, day_count, rounding).prop_map(|(rate, day_count, rounding)| Terms { rate, rate_at_most: None, day_count, rounding })
}

/// Sums that only shrink, over some days of 2024 and 2025.
fn any_principals() -> impl Strategy<Value = (Vec<Principal>, Date, Date)> {
    let payments = proptest::collection::vec((0_i32..700, 1_i64..500_000), 0..6);
    (0_i32..700, 0_i32..700, 1_i64..10_000_000, payments).prop_map(|(a, b, cents, mut payments)| {
        let (from, to) = (shifted(date(2024, 1, 1), a.min(b)), shifted(date(2024, 1, 1), a.max(b)));
        payments.sort_unstable();
        payments.dedup_by_key(|payment| payment.0);
        let mut left = cents;
        let mut principals = vec![Principal { from, amount: Decimal::new(cents, 2) }];
        for (day, paid) in payments {
            let day = shifted(date(2024, 1, 1), day);
            left = (left - paid).max(1);
            if day > from {
                principals.push(Principal { from: day, amount: Decimal::new(left, 2) });
            }
        }
        (principals, from, to)
    })
}

proptest! {
    #[test]
    fn lines_cover_every_day_once_and_add_up(terms in any_terms(), (principals, from, to) in any_principals()) {
        let interest = terms.interest(&principals, from, to, currency("EUR")).unwrap();
        prop_assert_eq!(interest.lines.iter().map(|line| line.amount).sum::<Decimal>(), interest.amount);
        if terms.day_count != DayCount::Thirty360 {
            let mut next = from;
            for line in &interest.lines {
                prop_assert_eq!(line.from, next);
                prop_assert_eq!(line.days, day_number(line.to) - day_number(line.from) + 1);
                next = shifted(line.to, 1);
            }
            prop_assert_eq!(next, shifted(to, 1));
        }
        prop_assert!(interest.lines.iter().all(|line| line.amount >= Decimal::ZERO && line.amount.scale() <= 2));
    }

    #[test]
    fn interest_on_the_rest_is_never_more_than_on_the_whole(terms in any_terms(), (principals, from, to) in any_principals()) {
        let terms = Terms { rounding: Rounding::End, ..terms };
        let rest = terms.interest(&principals, from, to, currency("EUR")).unwrap();
        let whole = terms.interest(&principals[..1], from, to, currency("EUR")).unwrap();
        prop_assert!(rest.amount <= whole.amount);
    }

    #[test]
    fn a_day_at_which_a_delay_is_parted_changes_nothing_where_the_sum_alone_is_rounded(
        terms in any_terms(),
        (principals, from, to) in any_principals(),
        at in 0_i32..700,
    ) {
        // The same sum, stated again from some day on: no line and no cent more.
        let terms = Terms { rounding: Rounding::End, ..terms };
        let whole = terms.interest(&principals, from, to, currency("EUR")).unwrap();
        let day = shifted(date(2024, 1, 1), at);
        let place = principals.partition_point(|principal| principal.from <= day);
        let mut parted = principals.clone();
        if let Some(last) = place.checked_sub(1).filter(|last| principals[*last].from < day) {
            parted.insert(place, Principal { from: day, amount: principals[last].amount });
        }
        prop_assert_eq!(&terms.interest(&parted, from, to, currency("EUR")).unwrap(), &whole);
        // And in 10 more digits than cents have, the parts add up to the whole.
        if from < day && day <= to {
            let fine = |from, to| -> Decimal {
                let mut lines = terms.interest(&principals, from, to, currency("EUR")).unwrap().lines;
                let terms = Terms { rounding: Rounding::End, ..terms.clone() };
                terms.fill(&mut lines, 12).unwrap();
                lines.iter().map(|line| line.amount).sum()
            };
            let difference = fine(from, to) - fine(from, shifted(day, -1)) - fine(day, to);
            prop_assert!(difference.abs() <= Decimal::new(2, 12), "{}", difference);
        }
    }
}
