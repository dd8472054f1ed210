//! The results of rules' tests in the form that build servers read: JUnit's XML.

use std::fmt::Write;

use crate::domain::problem::Problem;
use crate::engine::rule_tests::CaseView;

/// Returns the results as an XML document: a suite for each rule, and one for the files that cannot be read.
pub(crate) fn junit(cases: &[CaseView], problems: &[Problem]) -> String {
    let failed = cases.iter().filter(|case| !case.passed).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let all = cases.len() + problems.len();
    line(&mut xml, &format!("<testsuites name=\"dunlin\" tests=\"{all}\" failures=\"{failed}\" errors=\"{}\">", problems.len()));
    for suite in cases.chunk_by(|a, b| a.rule == b.rule) {
        let failed = suite.iter().filter(|case| !case.passed).count();
        let name = escaped(&suite[0].rule);
        line(&mut xml, &format!("  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\">", suite.len()));
        for case in suite {
            let (title, file, row) = (escaped(&case.case), escaped(&case.place.file), case.place.line);
            let head = format!("    <testcase classname=\"{name}\" name=\"{title}\" file=\"{file}\" line=\"{row}\"");
            if case.passed {
                line(&mut xml, &format!("{head}/>"));
                continue;
            }
            line(&mut xml, &format!("{head}>"));
            for difference in &case.differences {
                let words = format!("expected {}\ngot {}", difference.expected, difference.got);
                let about = format!("{}: {}", difference.on, difference.about);
                line(&mut xml, &format!("      <failure message=\"{}\">{}</failure>", escaped(&about), escaped(&words)));
            }
            line(&mut xml, "    </testcase>");
        }
        line(&mut xml, "  </testsuite>");
    }
    if !problems.is_empty() {
        let count = problems.len();
        line(&mut xml, &format!("  <testsuite name=\"files\" tests=\"{count}\" failures=\"0\" errors=\"{count}\">"));
        for problem in problems {
            let place = problem.place.as_ref().map(ToString::to_string).unwrap_or_default();
            let words = escaped(&problem.to_string());
            let name = escaped(&place);
            line(&mut xml, &format!("    <testcase classname=\"files\" name=\"{name}\"><error message=\"{words}\"/></testcase>"));
        }
        line(&mut xml, "  </testsuite>");
    }
    line(&mut xml, "</testsuites>");
    xml
}

fn line(xml: &mut String, text: &str) {
    writeln!(xml, "{text}").expect("writing to a string cannot fail");
}

/// Returns a text as it may stand in an attribute or an element; what XML cannot hold becomes a mark of replacement.
/// Source: XML 1.0 §2.2, §2.4.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push_str("&#10;"),
            '\t' => safe.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            letter if letter.is_control() => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::problem::Place;
    use crate::ruletest::Difference;

    fn case(rule: &str, name: &str, differences: Vec<Difference>) -> CaseView {
        let place = Place { line: 7, ..Place::file("rules/a.test.yaml") };
        let (rule, case, passed) = (rule.to_owned(), name.to_owned(), differences.is_empty());
        CaseView { rule, case, place, cites: Vec::new(), passed, differences }
    }

    #[test]
    fn whatever_a_name_holds_the_document_is_one_and_says_the_same() {
        let wild = "a < b & \"c\" > 'd' ]]> \u{1} é\n\tz";
        let difference = Difference {
            place: Place::file("rules/a.test.yaml"),
            on: "2026-03-09".to_owned(),
            about: wild.to_owned(),
            expected: "<one>".to_owned(),
            got: "two & three".to_owned(),
        };
        let cases = [case("a", wild, vec![]), case("a", "plain", vec![difference]), case("b", "other", vec![])];
        let problems = [Problem::error("`<` is wrong").at(Place::file("rules/c.test.yaml"))];
        let xml = junit(&cases, &problems);
        let safe = "a &lt; b &amp; &quot;c&quot; &gt; 'd' ]]&gt; \u{fffd} é&#10;&#9;z";
        let expected = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"dunlin\" tests=\"4\" failures=\"1\" errors=\"1\">
  <testsuite name=\"a\" tests=\"2\" failures=\"1\" errors=\"0\">
    <testcase classname=\"a\" name=\"{safe}\" file=\"rules/a.test.yaml\" line=\"7\"/>
    <testcase classname=\"a\" name=\"plain\" file=\"rules/a.test.yaml\" line=\"7\">
      <failure message=\"2026-03-09: {safe}\">expected &lt;one&gt;&#10;got two &amp; three</failure>
    </testcase>
  </testsuite>
  <testsuite name=\"b\" tests=\"1\" failures=\"0\" errors=\"0\">
    <testcase classname=\"b\" name=\"other\" file=\"rules/a.test.yaml\" line=\"7\"/>
  </testsuite>
  <testsuite name=\"files\" tests=\"1\" failures=\"0\" errors=\"1\">
    <testcase classname=\"files\" name=\"rules/c.test.yaml\"><error message=\"rules/c.test.yaml: `&lt;` is wrong\"/></testcase>
  </testsuite>
</testsuites>
"
        );
        assert_eq!(xml, expected);
    }
}
