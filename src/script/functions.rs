//! The one table of functions that scripts and conditions may call.
//!
//! What is not listed here is refused when a script loads, even where rhai itself would know it: a short list that a
//! person can read through is worth more than rhai's hundreds. Each example is run by a test.

/// One function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function {
    /// The name, as it is called.
    pub(crate) name: &'static str,
    /// How it is called, with the kinds of its arguments and result.
    pub(crate) form: &'static str,
    /// What it does.
    pub(crate) meaning: &'static str,
    /// An expression over the sample `invoice`, `customer`, `items`, `level` and `as_of` that holds.
    pub(crate) example: &'static str,
}

const fn function(name: &'static str, form: &'static str, meaning: &'static str, example: &'static str) -> Function {
    Function { name, form, meaning, example }
}

/// Every function there is, by theme.
pub(crate) const FUNCTIONS: &[Function] = &[
    function("date", "date(text) → date, date(year, month, day) → date", "A day.", r#"date("2026-11-21") == date(2026, 11, 21)"#),
    function(
        "add_days",
        "add_days(date, days) → date",
        "The day so many days later; earlier where negative. The same as `date + days`.",
        r#"add_days(date("2028-02-28"), 1) == date("2028-02-29")"#,
    ),
    function(
        "days_between",
        "days_between(from, to) → number",
        "Whole days from one day to another. The same as `to - from`.",
        r#"days_between(date("2026-11-21"), date("2026-12-01")) == 10"#,
    ),
    function(
        "month_end",
        "month_end(date) → date",
        "The last day of its month.",
        r#"month_end(date("2028-02-03")) == date("2028-02-29")"#,
    ),
    function(
        "is_business_day",
        "is_business_day(date)",
        "Whether it is neither weekend nor holiday, by config.yaml's `calendar`; Monday to Friday without one.",
        "is_business_day(date(2026, 11, 20)) && !is_business_day(date(2026, 11, 21))",
    ),
    function(
        "add_business_days",
        "add_business_days(date, days) → date",
        "The day so many business days later; earlier where negative. 0: the day itself, or the next business day. At most 1000.",
        r#"add_business_days(date("2026-11-20"), 1) == date("2026-11-23")"#,
    ),
    function(
        "business_days_between",
        "business_days_between(from, to) → number",
        "Business days after one day up to and including another.",
        r#"business_days_between(date("2026-11-20"), date("2026-11-24")) == 2"#,
    ),
    function(
        "round_half_up",
        "round_half_up(number, digits) → number",
        "Commercial rounding to so many digits after the point: a half goes away from zero.",
        "round_half_up(2.345, 2) == 2.35 && round_half_up(-2.5, 0) == -3",
    ),
    function("abs", "abs(number) → number", "The number without its sign.", "abs(-3.5) == 3.5"),
    function("floor", "floor(number) → number", "The next whole number below; decimals only.", "floor(2.7) == 2"),
    function("ceiling", "ceiling(number) → number", "The next whole number above; decimals only.", "ceiling(2.1) == 3"),
    function("min", "min(a, b)", "The smaller of two numbers, or the earlier of two days.", "min(3, 2.5) == 2.5"),
    function("max", "max(a, b)", "The larger of two numbers, or the later of two days.", "max(as_of, as_of + 1) == as_of + 1"),
    function(
        "parse_decimal",
        "parse_decimal(text) → number",
        "The number a text holds, such as a further column.",
        r#"parse_decimal("12.50") == 12.5"#,
    ),
    function(
        "money",
        "money(number, currency)",
        "An amount that a template writes with its currency.",
        r#"money(40, "EUR") == money(40.00, "eur")"#,
    ),
    function(
        "interest",
        "interest(money, from, to, terms) → interest",
        "Simple interest on a sum from one day to another, both included, line by line. `terms` are below.",
        r#"interest(money(1000, "GBP"), date("2025-03-02"), date("2025-04-20"), #{ rate: 8.5, rounding: "day" }).amount == money(11.50, "GBP")"#,
    ),
    function(
        "late_payment",
        "late_payment(items, level, terms) → claim",
        "Interest, fixed sums and fee for one invoice or a list, up to `as_of`; `()` where nothing is late yet. `terms` are below.",
        r#"late_payment(items, level, #{ rate: 9, mode: "claim", fixed_sum: #{ EUR: 40 } }).total == money(92.50, "EUR")"#,
    ),
    function(
        "surcharge",
        "surcharge(money, terms) → money",
        "What paying by card costs on a sum: `percent` of it and a `fixed` part, no more than `at_most`.",
        r#"surcharge(money(100, "EUR"), #{ percent: 2.9, fixed: 0.30 }) == money(3.20, "EUR")"#,
    ),
    function(
        "contains",
        "text.contains(part), list.contains(value)",
        "Whether it is in it. The same as `value in list`.",
        r#"[1, 2].contains(2) && "abc".contains("b") && "b" in "abc""#,
    ),
    function("starts_with", "text.starts_with(part)", "Whether the text starts so.", r#""DE-4711".starts_with("DE-")"#),
    function("ends_with", "text.ends_with(part)", "Whether the text ends so.", r#""DE-4711".ends_with("11")"#),
    function("to_upper", "text.to_upper() → text", "The text in capitals.", r#""abc".to_upper() == "ABC""#),
    function("to_lower", "text.to_lower() → text", "The text in small letters.", r#""ABC".to_lower() == "abc""#),
    function(
        "sub_string",
        "text.sub_string(start, length) → text",
        "A part of the text; the first letter is 0.",
        r#""DE-4711".sub_string(0, 2) == "DE""#,
    ),
    function("split", "text.split(mark) → list", "The parts of the text between the marks.", r#""a;b".split(";").len() == 2"#),
    function(
        "to_string",
        "value.to_string() → text",
        "The value as a text; days as 2026-11-21.",
        r#"date(2026, 1, 2).to_string() == "2026-01-02""#,
    ),
    function("len", "text.len(), list.len() → number", "How many letters or members.", r#""abc".len() == 3 && items.len() == 2"#),
    function("is_empty", "text.is_empty(), list.is_empty()", "Whether it has none.", r#""".is_empty() && ![1].is_empty()"#),
    function(
        "push",
        "list.push(value)",
        "Appends to a list of the script's own.",
        "{ let keys = []; keys.push(1); keys.len() == 1 }",
    ),
    function("filter", "list.filter(|x| …) → list", "The members for which it holds.", "items.filter(|i| i.open > 0).len() == 2"),
    function("map", "list.map(|x| …) → list", "The list of results.", "items.map(|i| i.currency).contains(invoice.currency)"),
    function("some", "list.some(|x| …)", "Whether it holds for at least one.", "items.some(|i| i.days_overdue > 0)"),
    function("all", "list.all(|x| …)", "Whether it holds for every one.", "items.all(|i| !i.is_credit_note)"),
    function("find", "list.find(|x| …)", "The first for which it holds, or `()`.", "items.find(|i| i.open < 0) == ()"),
    function(
        "reduce",
        "list.reduce(|sum, x| …, start)",
        "Folds a list into one value.",
        "items.reduce(|sum, i| sum + i.open, 0) == sum_open(items)",
    ),
    function("keys", "map.keys() → list", "The names of a map.", r#"#{ a: 1 }.keys().contains("a")"#),
    function("values", "map.values() → list", "The values of a map.", "#{ a: 1 }.values().contains(1)"),
    function(
        "has_contact",
        "customer.has_contact(key)",
        "Whether the customer has an address under a recipient key.",
        r#"customer.has_contact("billing")"#,
    ),
    function("sum_open", "sum_open(items) → number", "What is open on all of them together.", "sum_open(items) == 1580.5"),
    function(
        "most_days_overdue",
        "most_days_overdue(items) → number",
        "The days of the one that is longest overdue; 0 for no items.",
        "most_days_overdue(items) == 40",
    ),
];

/// Returns whether there is a function of that name.
pub(crate) fn is_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|function| function.name == name)
}
