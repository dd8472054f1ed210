//! Whether a template can show a value at all: whether its code, or that of any file it is made with, has the value's name.

use std::collections::BTreeSet;

use crate::domain::id::TemplateName;
use crate::template::code::{WordKind, words};
use crate::template::load::Templates;

impl Templates {
    /// Returns whether every part of the mail that a reader sees, in every language of `name`, has `value` somewhere in its code;
    /// only filling it tells whether it prints it.
    pub fn mentions(&self, name: &TemplateName, value: &str) -> bool {
        let mut parts = self.variants_of(name).flat_map(|variant| variant.html.iter().chain(&variant.text));
        parts.all(|file| self.file_mentions(file, value, &mut BTreeSet::new()))
    }

    fn file_mentions<'t>(&'t self, file: &'t str, value: &str, seen: &mut BTreeSet<&'t str>) -> bool {
        if !seen.insert(file) {
            return false;
        }
        let Some(source) = self.sources.get(file) else { return false };
        let words = words(&source.text);
        if words.iter().any(|word| word.kind == WordKind::Name && word.text == value) {
            return true;
        }
        // What it extends, includes and imports is named in quotes.
        words.iter().filter(|word| word.kind == WordKind::Text).any(|word| self.file_mentions(word.text, value, seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::TemplateFile;

    #[test]
    fn a_value_is_looked_for_in_all_that_a_mail_is_made_with() {
        let files = [
            ("_parts.html", "{% macro sums(part) %}{{ part.balance }}{% endmacro %}"),
            ("_frame.html", "{% block content %}{% endblock %}"),
            (
                "a.html",
                "{% extends \"_frame.html\" %}{% from \"_parts.html\" import sums %}{% block content %}{{ sums(1) }}{% endblock %}",
            ),
            ("a.subject.txt", "S"),
            ("b.html", "{% extends \"_frame.html\" %}{# balance #}{% block content %}balance{% endblock %}"),
            ("b.subject.txt", "{{ balance }}"),
            ("c.html", "{{ balance }}"),
            ("c.txt", "text alone"),
            ("c.subject.txt", "S"),
            ("d.html", "{{ balance }}"),
            ("d.subject.txt", "S"),
            ("d.de.html", "{{ total }}"),
            ("d.de.subject.txt", "S"),
        ];
        let files = files.map(|(path, text)| TemplateFile { path: path.into(), text: text.into() });
        let (templates, _) = Templates::load(files.into(), &[]);
        let found = ["a", "b", "c", "d"].map(|name| templates.mentions(&TemplateName::new(name), "balance"));
        assert_eq!(found, [true, false, false, false]);
    }
}
