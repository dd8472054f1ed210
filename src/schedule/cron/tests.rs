//! Cron expressions: what is read, what is refused with which place, and which local times they name.

use super::*;

/// Returns `message | column+width | hint`.
fn fault(text: &str) -> String {
    let fault = Cron::parse(text).expect_err(text);
    format!("{} | {}+{} | {}", fault.message, fault.column, fault.width, fault.hint)
}

#[test]
fn usual_expressions_are_read() {
    for text in [
        "0 9 * * MON-FRI",
        "*/15 * * * *",
        "0 7 1,15 * *",
        "0 8-18/2 * * 1-5",
        "0 9 L * *",
        "0 9 LW * *",
        "0 9 15W * *",
        "0 9 * * MON#1",
        "0 9 * * fri#L",
        "0 9 * * 5L",
        "0 9 13 * +FRI",
        "0 9 * JAN,jul *",
        "0 9 * * FRI-SUN",
        "0 9 29 2 *",
        "  0   9 * * * ",
        "@daily",
        "@Monthly",
        "0 9 31 2 MON",
    ] {
        assert!(Cron::parse(text).is_ok(), "{text}: {}", fault(text));
    }
}

#[test]
fn each_fault_names_its_field_and_its_column() {
    for (text, expected) in [
        (
            "61 9 * * *",
            "The minute `61` is not 0 to 59 | 1+2 | a field is `*`, a value, a range `1-5`, a list `1,15`, or has steps: `*/15`",
        ),
        (
            "0 24 * * *",
            "The hour `24` is not 0 to 23 | 3+2 | a field is `*`, a value, a range `1-5`, a list `1,15`, or has steps: `*/15`",
        ),
        (
            "0 9 0 * *",
            "The day of month `0` is not 1 to 31 | 5+1 | a field is `*`, a value, a range `1-5`, a list `1,15`, or has steps: `*/15`",
        ),
        (
            "0 9 * 13 *",
            "The month `13` is not 1 to 12, or JAN to DEC | 7+2 | a field is `*`, a value, a range `1-5`, a list `1,15`, or has steps: `*/15`",
        ),
        ("0 9 * * MONDAY", "The day of week `MONDAY` is not 0 to 7, or SUN to SAT | 9+6 | write `MON`"),
        (
            "0 9 * * 1,8",
            "The day of week `8` is not 0 to 7, or SUN to SAT | 11+1 | a field is `*`, a value, a range `1-5`, a list `1,15`, or has steps: `*/15`",
        ),
        (
            "0 9 * * MON-",
            "The day of week `` is not 0 to 7, or SUN to SAT | 13+1 | a field is `*`, a value, a range `1-5`, a list `1,15`, or has steps: `*/15`",
        ),
        ("0 9 ** * *", "The day of month `**` is not 1 to 31 | 5+2 | write one `*`"),
        ("0,,5 9 * * *", "The minute field has a comma with nothing beside it | 3+1 | remove the comma"),
        (
            "0 9 1,* * *",
            "The day of month field lists other values beside `*`, which is all of them | 7+1 | write `*` alone, or the other values",
        ),
        ("0 9 ? * MON", "The day of month `?` is another scheduler's spelling | 5+1 | write `*`"),
        (
            "*/70 * * * *",
            "The minute step `70` is larger than the field, so it fires only once in it | 3+2 | \
             write `0` if that is meant; a longer interval needs the next field",
        ),
        ("*/0 * * * *", "The minute step `0` is not a number from 1 | 3+1 | write `*/2`, for example"),
        ("5/15 * * * *", "The minute `5/15` has a step without a range | 1+4 | write `5-59/15`"),
        ("0 22-2 * * *", "The hour range `22-2` runs backwards | 3+4 | write it in two parts: `22-23,0-2`"),
        (
            "0 9 31 2 *",
            "Day of month `31` never comes in month `2`, which has at most 29 days | 5+2 | \
             write `L` for the last day of a month",
        ),
        (
            "0 9 31W APR,JUN *",
            "Day of month `31W` never comes in month `APR,JUN`, which has at most 30 days | 5+3 | \
             write `L` for the last day of a month",
        ),
        ("0 9 1 * +MON#5", "`0 9 1 * +MON#5` never fires | 1+14 | its day of month and day of week never fall on one date"),
        (
            "0 0 9 * * MON-FRI",
            "A cron expression has 5 fields, `0 0 9 * * MON-FRI` has 6 | 1+1 | \
             a rule has no seconds field: write `0 9 * * MON-FRI`",
        ),
        (
            "0 0 9 * * MON 2027",
            "A cron expression has 5 fields, `0 0 9 * * MON 2027` has 7 | 1+1 | \
             a rule has neither a seconds nor a year field: write `0 9 * * MON`",
        ),
        ("@dayly", "`@dayly` is not a nickname of a schedule | 1+6 | did you mean `@daily`?"),
        (
            "@reboot",
            "`@reboot` is not a nickname of a schedule | 1+7 | \
             the nicknames are @hourly, @daily, @weekly, @monthly, @yearly, @annually",
        ),
    ] {
        assert_eq!(fault(text), expected, "{text}");
    }
    assert!(fault("9:00").starts_with("A cron expression has 5 fields, `9:00` has 1 | 1+4 | write minute, hour,"));
    assert!(fault("  ").starts_with("A cron expression is empty | 1+1"));
    assert!(fault(&"1,".repeat(200)).starts_with("A cron expression has at most 200 characters"));
}

/// Returns the local times that `cron` names after `start`.
fn local_times(cron: &str, start: &str, count: usize) -> Vec<String> {
    let cron = Cron::parse(cron).unwrap();
    let mut local: jiff::civil::DateTime = start.parse().unwrap();
    let mut found = vec![];
    while found.len() < count {
        local = cron.next_after(local).unwrap();
        found.push(local.strftime("%Y-%m-%d %H:%M").to_string());
    }
    found
}

#[test]
fn days_at_the_end_of_a_month_are_found() {
    assert_eq!(local_times("0 9 LW * *", "2028-01-01T00:00", 3), ["2028-01-31 09:00", "2028-02-29 09:00", "2028-03-31 09:00"]);
    assert_eq!(local_times("0 9 29 2 *", "2026-01-01T00:00", 1), ["2028-02-29 09:00"]);
    assert_eq!(local_times("0 9 13 * +FRI", "2026-11-14T00:00", 1), ["2027-08-13 09:00"]);
}

#[test]
fn the_time_searched_from_is_not_found_again_whatever_its_fraction() {
    for start in ["2026-11-21T09:00:00", "2026-11-21T09:00:00.999", "2026-11-21T09:00:59"] {
        assert_eq!(local_times("* * * * *", start, 2), ["2026-11-21 09:01", "2026-11-21 09:02"], "{start}");
    }
    assert_eq!(local_times("0 9 * * *", "2026-11-21T08:59:59.5", 1), ["2026-11-21 09:00"]);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[-0-9*/,#?LWMONFRI@ +é]{0,24}") {
        let checked = Cron::parse(&text);
        if let Err(fault) = checked {
            proptest::prop_assert!(fault.column >= 1 && fault.width >= 1);
        }
    }

    /// What passes our checks passes croner's, so the fallback message without a column is never seen.
    #[test]
    fn whatever_passes_the_field_checks_is_an_expression(text in "[0-9*/,-]{1,6} [0-9*/,-]{1,5} [0-9*/,LW-]{1,4} [0-9*]{1,2} [0-9A-Z#L+-]{1,5}") {
        if let Err(fault) = Cron::parse(&text) {
            proptest::prop_assert!(!fault.message.contains("is not a cron expression"), "{}", fault.message);
        }
    }
}
