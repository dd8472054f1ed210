//! A forecast as a page to open and to hand round: one file without anything from outside, with a chart and the tables.

use std::fmt::Write;

use crate::cli::forecast::{ForecastView, Outlook, assumption, headline};
use crate::cli::gallery::escaped;
use crate::domain::date::{Date, shifted};
use crate::engine::forecast::{DayLevel, DayLine};

/// The size of the chart, in tenths of a pixel.
const WIDTH: u64 = 9_600;
const HEIGHT: u64 = 2_600;
/// What is left free for the axes: left, bottom and top.
const MARGIN: [u64; 3] = [440, 340, 120];
/// The most bars; beyond, days are added up to weeks, then to months of four weeks.
const BARS_MAX: usize = 92;
/// Colours that are told apart in light and dark, and by those who do not see all of them.
const COLOURS: [&str; 8] = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bb8844", "#888888"];

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.4rem;margin-bottom:.2rem}table{border-collapse:collapse;margin:1rem 0;width:100%}\
th,td{padding:.25rem .6rem;text-align:left;border-bottom:1px solid #8884}\
.n{text-align:right;font-variant-numeric:tabular-nums}.k{display:inline-block;width:.8rem;height:.8rem;margin-right:.3rem}\
.note{opacity:.8}svg{width:100%;height:auto}svg text{fill:currentColor;font-size:120px}svg line{stroke:currentColor;stroke-width:8;opacity:.25}";

/// Returns the page.
pub(crate) fn page(view: &ForecastView, outlook: Outlook) -> String {
    let title = escaped(&headline(view, outlook));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n<p class=\"note\">{}</p>\n",
        escaped(assumption(outlook))
    );
    for note in &view.notes {
        write_in(&mut page, format_args!("<p class=\"note\">{}</p>\n", escaped(note)));
    }
    if view.mails_count > 0 {
        page += &chart(view);
        page += &totals(view);
    }
    if !view.mails.is_empty() {
        page += &mails(view);
    }
    page + "</body></html>\n"
}

/// Writes into a text, which cannot fail.
fn write_in(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a text takes whatever is written into it");
}

/// A bar: the days it stands for and the mails of each level.
struct Bar {
    first: Date,
    last: Date,
    counts: Vec<u64>,
}

/// Adds days up until there are few enough bars.
fn bars(days: &[DayLine], levels: &[String]) -> Vec<Bar> {
    let together = [1, 7, 28].into_iter().find(|count| days.len().div_ceil(*count) <= BARS_MAX).unwrap_or(91);
    let bar = |days: &[DayLine]| Bar {
        first: days[0].day,
        last: days[days.len() - 1].day,
        counts: levels
            .iter()
            .map(|level| days.iter().flat_map(|day| &day.levels).filter(|own| name(own) == *level).map(|own| own.mails).sum())
            .collect(),
    };
    days.chunks(together).map(bar).collect()
}

/// Returns what the mails of a rule and level are called: `overdue/first`.
fn name(level: &DayLevel) -> String {
    format!("{}/{}", level.rule, level.level)
}

fn chart(view: &ForecastView) -> String {
    let days = &view.days;
    // In the order of rules and ladders, as the table below has them.
    let mut levels: Vec<String> = view.totals.iter().map(|line| format!("{}/{}", line.rule, line.level)).collect();
    levels.dedup();
    let bars = bars(days, &levels);
    let most = bars.iter().map(|bar| bar.counts.iter().sum::<u64>()).max().unwrap_or_default().max(1);
    let [left, bottom, top] = MARGIN;
    let floor = HEIGHT - bottom;
    let height = |count: u64| count * (floor - top) / most;
    let place_of = |bar: usize| left + (WIDTH - left) * bar as u64 / bars.len() as u64;
    let mut chart = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Mails by day\">\n");
    for part in [0, 1, 2] {
        let count = most * part / 2;
        let (y, end, below) = (floor - height(count), left - 60, floor - height(count) + 40);
        write_in(
            &mut chart,
            format_args!(
                "<line x1=\"{left}\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/><text x=\"{end}\" y=\"{below}\" \
                 text-anchor=\"end\">{count}</text>\n"
            ),
        );
    }
    // As many dates as there is room for.
    let every = bars.len().div_ceil(10);
    for (place, bar) in bars.iter().enumerate() {
        let (x, step) = (place_of(place), place_of(place + 1) - place_of(place));
        let mut y = floor;
        for (level, count) in bar.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let tall = height(*count);
            y -= tall;
            let span = if bar.first == bar.last { bar.first.to_string() } else { format!("{} to {}", bar.first, bar.last) };
            let (inner, width, colour) = (x + step / 10, step * 8 / 10, COLOURS[level % COLOURS.len()]);
            let level = escaped(&levels[level]);
            write_in(
                &mut chart,
                format_args!(
                    "<rect x=\"{inner}\" y=\"{y}\" width=\"{width}\" height=\"{tall}\" fill=\"{colour}\">\
                     <title>{span}: {level} {count}</title></rect>\n"
                ),
            );
        }
        if place % every == 0 {
            let (middle, below) = (x + step / 2, floor + 180);
            write_in(
                &mut chart,
                format_args!("<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>\n", bar.first),
            );
        }
    }
    chart += "</svg>\n<p>";
    for (place, level) in levels.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        write_in(&mut chart, format_args!("<span class=\"k\" style=\"background:{colour}\"></span>{} &nbsp; ", escaped(level)));
    }
    debug_assert!(bars.iter().zip(bars.iter().skip(1)).all(|(bar, next)| shifted(bar.last, 1) == next.first));
    chart + "</p>\n"
}

fn totals(view: &ForecastView) -> String {
    let mut rows = String::from(
        "<table><tr><th>Rule</th><th>Level</th><th class=\"n\">Items</th><th class=\"n\">Mails led by it</th>\
         <th class=\"n\">Amount</th></tr>\n",
    );
    for line in &view.totals {
        write_in(
            &mut rows,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{} {}</td></tr>\n",
                escaped(&line.rule),
                escaped(&line.level),
                line.items,
                line.mails,
                line.amount,
                line.currency
            ),
        );
    }
    rows + "</table>\n"
}

fn mails(view: &ForecastView) -> String {
    let mut rows = String::from(
        "<table><tr><th>Day</th><th>Rule</th><th>Customer</th><th>Level</th><th>About</th><th class=\"n\">Amount</th></tr>\n",
    );
    for mail in &view.mails {
        let about: Vec<&str> = mail.items.iter().map(|item| item.item.as_str()).collect();
        let level = mail.level.as_deref().or(mail.occasion.as_deref()).unwrap_or_default();
        let blocked = mail.blocked.map_or_else(String::new, |reason| format!(" (blocked: {reason})"));
        write_in(
            &mut rows,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{} {}</td><td>{}{blocked}</td><td>{}</td><td class=\"n\">{} {}</td></tr>\n",
                mail.day,
                escaped(&mail.rule),
                escaped(&mail.customer),
                escaped(&mail.customer_name),
                escaped(level),
                escaped(&about.join(", ")),
                mail.total,
                mail.currency
            ),
        );
    }
    rows + "</table>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::forecast::TotalLine;
    use jiff::civil::date;

    fn view(days: usize) -> ForecastView {
        let day = |ahead: usize| DayLine {
            day: shifted(date(2026, 11, 30), ahead as i32),
            mails: 3,
            blocked: 0,
            levels: [("<first>", 2), ("second", 1)]
                .map(|(level, mails)| DayLevel { rule: "overdue".into(), level: level.into(), mails })
                .into(),
        };
        ForecastView {
            from: date(2026, 11, 30),
            to: shifted(date(2026, 11, 30), days as i32 - 1),
            mails_count: 3 * days,
            items_count: 3 * days,
            blocked_count: 0,
            days: (0..days).map(day).collect(),
            totals: ["<first>", "second"]
                .map(|level| TotalLine {
                    rule: "overdue".into(),
                    level: level.into(),
                    currency: "EUR".into(),
                    mails: 1,
                    items: 1,
                    amount: "1.00".into(),
                })
                .into(),
            notes: vec!["a & b".into()],
            mails: vec![],
        }
    }

    #[test]
    fn a_page_has_a_bar_for_each_level_and_day_and_no_name_becomes_markup() {
        for (days, rects) in [(1, 2), (30, 60), (92, 184), (93, 28), (700, 50)] {
            let page = page(&view(days), Outlook::Forecast);
            assert_eq!(page.matches("<rect ").count(), rects, "{days} days");
            assert!(page.contains("overdue/&lt;first&gt;") && page.contains("a &amp; b") && !page.contains("<first>"));
        }
    }
}
