//! The reference page of what scripts can see and call, made from the very tables that are checked against.

use std::fmt::Write;

use crate::script::functions::FUNCTIONS;
use crate::script::hooks::HOOKS;
use crate::script::late_payment::{TERMS, Taker, Term};
use crate::script::results::{RECIPIENTS_MAX, VALUE_DEPTH_MAX, VALUES_MAX};
use crate::script::sandbox::{
    CALL_LEVELS_MAX, EXPRESSION_DEPTH_MAX, FUNCTIONS_MAX, LIST_ITEMS_MAX, MAP_ENTRIES_MAX, OPERATIONS_MAX, SOURCE_BYTES_MAX,
    TEXT_BYTES_MAX, VARIABLES_MAX,
};
use crate::script::values::{FIELDS, Kind};

/// Returns docs/reference/script-functions.md.
pub fn functions_page() -> String {
    let mut page = String::from(INTRODUCTION);
    for (owner, title) in [
        (Kind::Invoice, "An invoice or credit note (`invoice`, a member of `items`)"),
        (Kind::Payment, "A payment (`payment`, in notices for each payment)"),
        (Kind::Customer, "A customer (`customer`)"),
        (Kind::Level, "A level (`level`)"),
        (Kind::Date, "A date (`as_of`, `invoice.due_on`)"),
        (Kind::Money, "Money (what `money(…)` gives)"),
        (Kind::Claim, "A claim (what `late_payment(…)` gives)"),
        (Kind::ClaimItem, "A claim on one invoice (a member of a claim's `items`)"),
        (Kind::Interest, "Interest (what `interest(…)` gives)"),
        (Kind::InterestLine, "A line of interest (a member of `lines`)"),
    ] {
        line(&mut page, format_args!("\n### {title}\n\n| field | is | meaning |\n| --- | --- | --- |"));
        for field in FIELDS.iter().filter(|field| field.owner == owner) {
            line(&mut page, format_args!("| `{}` | {} | {} |", field.name, field.kind.words(), field.meaning));
        }
    }
    page.push_str(DAYS);
    line(&mut page, format_args!("\n## Functions\n\n| call | meaning | holds |\n| --- | --- | --- |"));
    for function in FUNCTIONS {
        let cell = |text: &str| text.replace('|', "\\|");
        line(
            &mut page,
            format_args!("| `{}` | {} | `{}` |", cell(function.form), cell(function.meaning), cell(function.example)),
        );
    }
    page.push_str(TERMS_NOTES);
    for term in TERMS {
        let Term { taker, name, value, default, meaning } = term;
        let taker = match taker {
            Taker::Interest => "`interest`, `late_payment`",
            Taker::Claim => "`late_payment`",
            Taker::Surcharge => "`surcharge`",
        };
        line(&mut page, format_args!("| {taker} | `{name}` | {value} | {default} | {meaning} |"));
    }
    page.push_str("\n## What a script may define\n\n");
    for hook in HOOKS {
        let form = format!("{}({})", hook.name, hook.parameters.join(", "));
        line(&mut page, format_args!("- `fn {form}`: {} Returns {}.", hook.meaning, hook.returns));
    }
    page.push_str(HOOK_NOTES);
    page.push_str("\n## Limits\n\n| what | at most |\n| --- | --- |\n");
    for (what, most) in [
        ("Steps of one evaluation or call", OPERATIONS_MAX as usize),
        ("Nested calls", CALL_LEVELS_MAX),
        ("Nesting of an expression", EXPRESSION_DEPTH_MAX),
        ("Bytes of a text", TEXT_BYTES_MAX),
        ("Members of a list, items of one mail", LIST_ITEMS_MAX),
        ("Entries of a map", MAP_ENTRIES_MAX),
        ("Variables at once", VARIABLES_MAX),
        ("Functions of a script, closures included", FUNCTIONS_MAX),
        ("Bytes of a script", SOURCE_BYTES_MAX),
        ("Recipients in each of `to`, `cc`, `bcc`", RECIPIENTS_MAX),
        ("Values that `variables` returns, nested ones included", VALUES_MAX),
        ("Nesting of those values", VALUE_DEPTH_MAX),
    ] {
        line(&mut page, format_args!("| {what} | {most} |"));
    }
    page
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("writing to a string cannot fail");
}

const INTRODUCTION: &str = "# What conditions and scripts can see and call

*Made from the program's own tables; `cargo test` fails while it is out of date.*

A rule's `where` is an expression that is true or false for an `invoice` of a `customer` on the day `as_of`:

    where: invoice.open >= 5.00 && !invoice.disputed && !customer.tags.contains(\"do-not-chase\")

Every rule knows `customer` and `as_of`. A reminder, and a notice for each invoice, asks about an `invoice` besides; a notice
for each payment about a `payment`. A statement asks about the customer's account in one currency, and `as_of` is the day of
its figures: the last one of its period. A notice for each customer has no currency, so it cannot ask for a balance.

`&&` is *and*, `||` is *or*, `!` is *not*; compare with `==`, `!=`, `<`, `<=`, `>`, `>=`. Numbers are exact decimals:
`0.1 + 0.2` is `0.3`, and `7 / 2` is `3.5`. Nothing here knows a clock, a file or a network, and no value can be changed.

When a rule loads, every name in it is checked, and it is tried on a small made-up ledger. A fault that would come with
any data is an error of the rule; one that depends on figures is a warning.

## Fields
";

const DAYS: &str = "
Days are compared like numbers; `date + 7` and `date - 7` are days, `date - date` is a number of days. A missing
`due_on` equals `()` and is neither before nor after any day; to compute with it, ask for `invoice.due_on != ()` first.
";

const TERMS_NOTES: &str = "
## Terms

Interest, fixed sums and fees take their choices by name: `#{ table: \"ecb\", points: 8, mode: \"claim\" }`. A misspelt name or
value is an error when the rule loads. What comes in on a day lowers the sum from the next day on; interest never bears interest.

| of | term | write | without it | meaning |
| --- | --- | --- | --- | --- |
";

const HOOK_NOTES: &str = "
`as_of` is known in all of them. Further functions are welcome if one of these calls them. Outside functions only
`const NAME = …;` may stand; functions read it as `global::NAME`. Nothing can be imported.
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/script-functions.md");
        if std::env::var_os("DUNLIN_BLESS").is_some() {
            fs::write(path, functions_page()).unwrap();
        }
        let hint = "out of date: run the tests once with DUNLIN_BLESS=1";
        assert_eq!(fs::read_to_string(path).unwrap_or_default(), functions_page(), "{hint}");
    }
}
