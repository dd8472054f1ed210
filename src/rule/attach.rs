//! What a rule attaches to its mails: the members of `attach`, read and checked.
//!
//! What each of them becomes is not known here: a plugin's program and a document are fetched by the engine, the rest is made
//! from the letter by `message`.

use std::collections::BTreeMap;

use crate::domain::problem::Problem;
use crate::domain::variable::Variable;
use crate::rule::check::Known;
use crate::rule::file::{look_up, settings};
use crate::rule::keys::{REMINDER, STATEMENT};
use crate::template::{KnownName, NameKind, pattern_problems};
use crate::yaml::{self, Fields, Node, Problems, Value};

/// The most members that `attach` may have, those in a ZIP included.
pub const ENCLOSURES_MAX: usize = 20;

/// One member of `attach`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosure {
    /// What is attached.
    pub what: Enclosed,
    /// How its file is called, in the language of templates; `None`: as whoever makes it calls it.
    pub name: Option<String>,
    /// Whether mails to several customers may carry the same file, as terms and conditions are.
    pub is_shared: bool,
}

/// What a member of `attach` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enclosed {
    /// The files that the program of a plugin makes.
    Plugin {
        /// The plugin.
        name: String,
        /// What the rule says to it.
        settings: BTreeMap<String, Variable>,
    },
    /// A document of config.yaml.
    Document(String),
    /// A list of what the mail is about, made from the letter.
    Items(ItemsForm),
    /// A paper in the layout of this name, made from the letter.
    Paper(String),
    /// Others, packed into one ZIP.
    Zip {
        /// What is in it; no ZIP of its own.
        holds: Vec<Enclosure>,
        /// The column of the customers' file that holds the password; `None`: it is not encrypted.
        password: Option<String>,
    },
}

impl Enclosure {
    /// Returns what is in the end attached: itself, or what its ZIP holds.
    pub fn members(&self) -> &[Self] {
        match &self.what {
            Enclosed::Zip { holds, .. } => holds,
            _ => std::slice::from_ref(self),
        }
    }
}

/// How a list of items is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemsForm {
    /// CSV as the reader's Excel opens it: their delimiter and decimal mark, with a byte order mark.
    Csv,
    /// CSV for programs: commas, points, ISO dates, UTF-8 without a mark.
    PlainCsv,
    /// An Excel workbook.
    Xlsx,
}

impl ItemsForm {
    /// The words of a rule, in the order of the documentation.
    pub const WORDS: [(&str, Self); 3] = [("csv", Self::Csv), ("plain_csv", Self::PlainCsv), ("xlsx", Self::Xlsx)];
}

/// The keys of which each member has one: what is attached.
const WHATS: [&str; 6] = ["plugin", "document", "items", STATEMENT, REMINDER, "zip"];
/// The word for a paper.
const PDF: &str = "pdf";

/// What the name of a document's file may use besides what templates may.
const DOCUMENT_NAMES: [KnownName; 9] = [
    KnownName { path: "document", kind: NameKind::Plain },
    KnownName { path: "document.number", kind: NameKind::Plain },
    KnownName { path: "document.issued_on", kind: NameKind::Date },
    KnownName { path: "document.due_on", kind: NameKind::Date },
    KnownName { path: "document.total", kind: NameKind::Money },
    KnownName { path: "document.open", kind: NameKind::Money },
    KnownName { path: "document.days_overdue", kind: NameKind::Plain },
    KnownName { path: "document.disputed", kind: NameKind::Plain },
    KnownName { path: "document.attributes.*", kind: NameKind::Plain },
];

/// Reads `attach`: one member, or a list of them.
pub(crate) fn attach(node: &Node, kind: &str, known: &Known, problems: &mut Problems<'_>) -> Vec<Enclosure> {
    let found = members(node, Packing::Allowed, kind, known, problems);
    let count: usize = found.iter().map(|enclosure| enclosure.members().len()).sum();
    if count > ENCLOSURES_MAX {
        problems.error(node.span, format!("{count} attachments are named; at most {ENCLOSURES_MAX} are read"));
    }
    found
}

/// Whether a ZIP may stand here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Allowed,
    Refused,
}

fn members(node: &Node, packing: Packing, kind: &str, known: &Known, problems: &mut Problems<'_>) -> Vec<Enclosure> {
    let members = match &node.value {
        Value::List(members) => members.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut found: Vec<Enclosure> = Vec::new();
    for member in members {
        let Some(enclosure) = enclosure(member, packing, kind, known, problems) else { continue };
        if found.iter().any(|other| other.what == enclosure.what) {
            problems.error(member.span, "The same is attached twice");
        }
        found.push(enclosure);
    }
    found
}

fn enclosure(node: &Node, packing: Packing, kind: &str, known: &Known, problems: &mut Problems<'_>) -> Option<Enclosure> {
    let mut fields = Fields::open(node, "an attachment", problems)?;
    let plugin = fields.optional("plugin", problems, |node, problems| plugin(node, known, problems));
    let settings = fields.optional("settings", problems, settings);
    let document =
        fields.optional("document", problems, |node, problems| document(node, known, problems)).map(Enclosed::Document);
    let forms = ItemsForm::WORDS.iter().map(|(word, form)| (*word, Some(*form))).chain([(PDF, None)]);
    let items = fields.optional("items", problems, yaml::choice(&forms.collect::<Vec<_>>()));
    let papers = [STATEMENT, REMINDER].map(|what| {
        let found = fields.optional(what, problems, yaml::choice(&[(PDF, what)]))?;
        if kind != what {
            let span = fields.key_span(what).unwrap_or(node.span);
            problems.error_hint(span, format!("A {kind} has no {what} to attach"), "`{ items: pdf }` lists what it is about");
        }
        Some(found)
    });
    let paper = papers.into_iter().flatten().next().or(items.filter(Option::is_none).map(|_| "items"));
    let layout = fields.optional("layout", problems, |node, problems| Some((yaml::text(node, problems)?, node.span)));
    let holds = match (fields.node("zip"), packing) {
        (None, _) => None,
        (Some(node), Packing::Allowed) => {
            let holds = members(node, Packing::Refused, kind, known, problems);
            if holds.is_empty() {
                problems.error_hint(node.span, "The ZIP holds nothing", "write `zip: [{ document: invoice }, { items: csv }]`");
            }
            Some(holds)
        }
        (Some(node), Packing::Refused) => {
            problems.error_hint(node.span, "A ZIP holds no other ZIP", "name both in `attach`");
            None
        }
    };
    let password = fields.optional("password", problems, |node, problems| password(node, known, problems));
    let name_of = match document {
        Some(_) => known.template_names.iter().chain(&DOCUMENT_NAMES).copied().collect(),
        None => known.template_names.clone(),
    };
    let name = fields.optional("name", problems, |node, problems| name(node, &name_of, problems));
    let is_shared = fields.optional("shared", problems, yaml::boolean).unwrap_or(false);
    let written = WHATS.iter().filter(|what| fields.key_span(what).is_some()).count();
    let (span, name_span, shared_span) = (fields.span(), fields.key_span("name"), fields.key_span("shared"));
    let (password_span, settings_span) = (fields.key_span("password"), fields.key_span("settings"));
    let is_plugin = fields.key_span("plugin").is_some();
    let has_unknown = fields.has_unknown();
    fields.close(problems);
    // A misspelt key is one problem.
    if written != 1 && !(written == 0 && has_unknown) {
        let message = format!("An attachment has one of {}", WHATS.map(|what| format!("`{what}`")).join(", "));
        problems.error_hint(span, message, "write each as a member of its own: `attach: [{ items: csv }, { plugin: name }]`");
    }
    if let Some(span) = name_span.filter(|_| plugin.is_some()) {
        problems.error_hint(span, "The program of a plugin names its files itself", "remove `name`");
    }
    if let Some((_, span)) = layout.as_ref().filter(|_| paper.is_none()) {
        problems.error_hint(*span, "Only a paper has a layout", "write `pdf`, or remove `layout`");
    }
    if let Some(span) = shared_span.filter(|_| plugin.is_none() && document.is_none() && written == 1) {
        problems.error_hint(span, "What is made for a mail is nobody else's", "`shared` goes with `document` and `plugin`");
    }
    if let Some(span) = password_span.filter(|_| holds.is_none()) {
        problems.error_hint(span, "Only a ZIP has a password", "write `zip: […]` beside it");
    }
    if let Some(span) = settings_span.filter(|_| !is_plugin) {
        problems.error_hint(span, "Only a plugin has settings", "write `plugin: name` beside them");
    }
    if password_span.is_some() && password.is_none() {
        // Read without it, the mail would go unprotected.
        return None;
    }
    let what = match paper {
        Some(usual) => {
            let (name, span) = layout.unwrap_or_else(|| (usual.to_owned(), span));
            let names = || known.layouts.iter().map(String::as_str);
            if known.broken.layouts.contains(&name) {
                let message = format!("The layout of papers `{name}` has errors");
                problems.error_hint(span, message, format!("mend rules/papers/{name}.yaml first"));
                return None;
            }
            look_up(&name, "layout of papers", "rules/papers", names, span, problems).then_some(Enclosed::Paper(name))
        }
        None => {
            let zip = holds.map(|holds| Enclosed::Zip { holds, password });
            let settings = settings.unwrap_or_default();
            let plugin = plugin.map(|name| Enclosed::Plugin { name, settings });
            plugin.or(document).or(items.flatten().map(Enclosed::Items)).or(zip)
        }
    };
    Some(Enclosure { what: what?, name, is_shared })
}

fn plugin(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<String> {
    let name = yaml::text(node, problems)?;
    let names = || known.attachment_plugins.iter().map(String::as_str);
    if known.broken.plugins.contains(&name) {
        problems.error_hint(node.span, format!("The plugin `{name}` has errors"), format!("mend plugins/{name} first"));
        return None;
    }
    look_up(&name, "plugin for attachments", "plugins/", names, node.span, problems).then_some(name)
}

fn document(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<String> {
    let name = yaml::text(node, problems)?;
    let Some(documents) = &known.documents else { return Some(name) };
    if documents.is_empty() {
        let hint = format!("add `documents: {{ {name}: {{ path: \"documents/{{number}}.pdf\" }} }}` to config.yaml");
        problems.error_hint(node.span, format!("There is no document `{name}`"), hint);
        return None;
    }
    let names = || documents.iter().map(String::as_str);
    look_up(&name, "document", "`documents` in config.yaml", names, node.span, problems).then_some(name)
}

/// Reads where a password comes from: a further column of the customers' file.
fn password(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<String> {
    let written = yaml::text(node, problems)?;
    let Some(column) = written.strip_prefix("customer.attributes.").filter(|column| !column.is_empty()) else {
        // What stands here may be a password, which no message shows.
        let hint = "write `password: customer.attributes.zip_password`, with a column of the customers' file";
        problems.error_hint(node.span, "A password comes from a column of the customers' file", hint);
        return None;
    };
    let Some(columns) = &known.customer_attributes else { return Some(column.to_owned()) };
    let names = || columns.iter().map(String::as_str);
    look_up(column, "column", "the customers' file", names, node.span, problems).then(|| column.to_owned())
}

/// Reads the name of a file, which templates' variables may stand in.
fn name(node: &Node, names: &[KnownName], problems: &mut Problems<'_>) -> Option<String> {
    let pattern = yaml::text(node, problems)?;
    let found = pattern_problems(&pattern, names);
    let is_right = found.is_empty();
    for problem in found {
        let place = Some(problems.place(node.span));
        problems.push(Problem { place, ..problem });
    }
    is_right.then_some(pattern)
}
