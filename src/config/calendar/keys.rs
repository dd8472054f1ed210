//! The one table of the keys of a calendar file. The reference page and the schema are made from it, and a test holds the
//! reader to it.

use serde_json::Value;

use crate::config::keys::{Key, key};
use crate::schema::{Row, file_schema};

/// All keys; `[]` stands for each member of a list.
pub(crate) const CALENDAR: &[Key] = &[
    key("name", "a text", "none", "Whose calendar it is, for its readers"),
    key("holidays", "a list of holidays", "required", "The days that are no business days besides the weekend"),
    key("holidays.[].name", "a text", "required", "What the day is called, in one line of at most 200 characters"),
    key("holidays.[].date", "a date: `2027-05-06`", "none", "This day alone"),
    key("holidays.[].every", "a day of the year: `12-25`", "none", "This day each year"),
    key(
        "holidays.[].easter",
        "-80 to 250",
        "none",
        "The day so many days after Easter Sunday each year: -2 is Good Friday, 1 Easter Monday",
    ),
    key("holidays.[].from", "1 to 9999", "none", "With `every` and `easter`: the first year"),
    key("holidays.[].until", "1 to 9999", "none", "With `every` and `easter`: the last year"),
];

/// Returns the JSON Schema of a calendar file.
pub fn calendar_schema() -> Value {
    let rows: Vec<Row<'_>> = CALENDAR.iter().map(|key| key.row(key.form)).collect();
    file_schema("Dunlin: a calendar", &rows)
}
