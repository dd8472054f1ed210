//! Loading templates: every file is compiled and checked, and all problems of all files are told at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, default_auto_escape_callback};

use crate::domain::id::{Language, TemplateName};
use crate::domain::problem::{Place, Problem, nearest};
use crate::template::check::{Check, KnownName};
use crate::template::code::{WordKind, words};
use crate::template::cover::{Covered, CoveredFile, Made};
use crate::template::css::{has_rules, inlined_ahead};
use crate::template::file::{FileKind, MJML, Part, TemplateFile, file_name, kind_of};
use crate::template::filter::{LentFilter, add_helpers, add_lent};
use crate::template::hash::{Translated, declaration, translate, undeclared};
use crate::template::image::{IMAGE_FILES_MAX, Image, ImageFile, image_fault};
use crate::template::mjml;
use crate::template::reader::{LANGUAGE_DEFAULT, Reader};
use crate::template::render::{Choice, FUEL_MAX, Office, RECURSION_MAX, TemplateFault, fault_of};
use crate::template::value::print_value;

/// How many bytes a template file may have: 1 MiB.
pub const TEMPLATE_BYTES_MAX: usize = 1024 * 1024;

/// How many template files a workspace may have.
pub const TEMPLATES_MAX: usize = 5_000;

/// How many languages keep their reader's convention in memory; further ones are built anew for each mail.
const OFFICES_MAX: usize = 64;

/// A template's text and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: Arc<str>,
    pub(crate) text: Arc<str>,
    /// What is filled instead of the text, where something was made of it.
    pub(crate) made: Option<Made>,
}

/// All templates by file name.
pub(crate) type Sources = BTreeMap<String, Source>;

/// The files of one template in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) subject: Option<String>,
    pub(crate) html: Option<String>,
    /// Whether the HTML has styles that its elements get once it is filled.
    pub(crate) has_styles: bool,
    pub(crate) text: Option<String>,
}

/// All templates of a generation; never changes once loaded.
#[derive(Debug)]
pub struct Templates {
    pub(crate) environment: Environment<'static>,
    pub(crate) sources: Sources,
    variants: BTreeMap<TemplateName, BTreeMap<Option<Language>, Variant>>,
    language: Language,
    pub(crate) lent: Vec<LentFilter>,
    pub(crate) images: Arc<BTreeMap<String, Image>>,
    /// The images that are there and cannot be shown, which was told.
    pub(crate) broken_images: BTreeSet<String>,
    /// A memo of pure values, so that a thousand mails in German load German once.
    offices: Mutex<BTreeMap<Language, Arc<Office>>>,
}

impl Default for Templates {
    fn default() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL_MAX));
        environment.set_recursion_limit(RECURSION_MAX);
        // Without debug information a fault has a line but no column.
        environment.set_debug(true);
        environment.set_auto_escape_callback(|name| match name.ends_with(MJML) {
            true => AutoEscape::Html,
            false => default_auto_escape_callback(name),
        });
        environment.set_formatter(print_value);
        // A line with nothing but a tag on it leaves no empty line in the mail.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the standard signs are valid"));
        Self {
            environment,
            sources: Sources::new(),
            variants: BTreeMap::new(),
            language: Language::new(LANGUAGE_DEFAULT),
            lent: Vec::new(),
            images: Arc::default(),
            broken_images: BTreeSet::new(),
            offices: Mutex::default(),
        }
    }
}

impl Templates {
    /// Compiles and checks all template files of a workspace. `names` is the one table of what a template may use.
    ///
    /// What has no problem can be used even where others have some; whether it is, is the caller's business.
    pub fn load(files: Vec<TemplateFile>, names: &[KnownName]) -> (Self, Vec<Problem>) {
        Self::load_with(files, Vec::new(), names, Vec::new())
    }

    /// Does what [`Templates::load`] does, with the images that templates may show, and filters that another floor lends.
    pub fn load_with(
        files: Vec<TemplateFile>,
        images: Vec<ImageFile>,
        names: &[KnownName],
        lent: Vec<LentFilter>,
    ) -> (Self, Vec<Problem>) {
        let mut templates = Self { lent, ..Self::default() };
        let default_reader = Arc::new(Reader::new(&templates.language));
        // Registered once so that the checks know every filter; each reader's own replace them.
        add_helpers(&mut templates.environment, &default_reader);
        add_lent(&mut templates.environment, &templates.lent, &default_reader);
        let mut problems = Vec::new();
        if files.len() > TEMPLATES_MAX {
            let message = format!("There are {} template files, more than {TEMPLATES_MAX}", files.len());
            return (templates, vec![Problem::error(message)]);
        }
        let image_names: BTreeSet<String> = images.iter().map(|image| file_name(&image.path).to_owned()).collect();
        templates.images = Arc::new(named_images(images, &mut problems));
        templates.broken_images = image_names.into_iter().filter(|name| !templates.images.contains_key(name)).collect();
        for file in files {
            templates.add(file, &mut problems);
        }
        templates.turn_mjml(&mut problems);
        templates.inline_styles();
        templates.check_completeness(&mut problems);
        let set_names = templates.names_set_anywhere();
        for (name, source) in &templates.sources {
            Check { templates: &templates, name, source, known: names, set_names: &set_names }.run(&mut problems);
        }
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        (templates, problems)
    }

    /// Says in which language templates without a language tag are written, if not in [`LANGUAGE_DEFAULT`].
    pub fn with_language(mut self, language: Language) -> Self {
        self.language = language;
        self
    }

    /// Returns the language of templates without a language tag.
    pub(crate) fn language(&self) -> &Language {
        &self.language
    }

    /// Returns the names of all templates a rule can ask for.
    pub fn names(&self) -> impl Iterator<Item = &TemplateName> {
        self.variants.keys()
    }

    /// Returns the files of a template, language by language.
    pub(crate) fn variants_of(&self, name: &TemplateName) -> impl Iterator<Item = &Variant> {
        self.variants.get(name).into_iter().flat_map(BTreeMap::values)
    }

    /// Returns whether a rule can ask for `name`.
    pub fn has(&self, name: &TemplateName) -> bool {
        self.variants.contains_key(name)
    }

    /// Returns whether every file of a template, and all it is made of, could be read; where not, that was told.
    pub fn is_whole(&self, name: &TemplateName) -> bool {
        // A part in MJML is read where it is included.
        let is_read = |file: &String| {
            let shows = |image: &String| self.sources.get(file).is_some_and(|source| source.text.contains(image.as_str()));
            let is_part = file.starts_with('_') && file.ends_with(MJML);
            (is_part || self.environment.get_template(file).is_ok()) && !self.broken_images.iter().any(shows)
        };
        self.variants_of(name).all(|variant| {
            if variant.subject.is_none() || variant.html.is_none() && variant.text.is_none() {
                return false;
            }
            let mut files = [&variant.subject, &variant.html, &variant.text].into_iter().flatten();
            files.all(|file| self.parts_of(file).iter().all(is_read))
        })
    }

    /// Chooses the language of a whole mail: the reader's own (`pt-br`), its primary (`pt`), else the one without a tag.
    ///
    /// # Errors
    /// There is no such template, or it exists only in other languages.
    pub fn choose(&self, name: &TemplateName, language: Option<&Language>) -> Result<Choice<'_>, TemplateFault> {
        let fault = |message, hint| TemplateFault { message, place: None, hint };
        let Some(variants) = self.variants.get(name) else {
            let hint = nearest(name.as_str(), self.names().map(TemplateName::as_str));
            let hint = hint.map(|near| format!("did you mean `{near}`?"));
            return Err(fault(format!("There is no template `{name}`"), hint));
        };
        let wanted = language.unwrap_or(&self.language);
        let tag = wanted.as_str().to_ascii_lowercase();
        let primary = tag.split('-').next().unwrap_or_default();
        let own = [tag.as_str(), primary].into_iter().map(Language::new);
        let chosen = own.clone().map(Some).chain([None]).find_map(|key| variants.get_key_value(&key));
        let Some((key, variant)) = chosen else {
            let message = format!("Template `{name}` exists neither in `{wanted}` nor without a language");
            return Err(fault(message, Some(format!("add `{name}.html` and `{name}.subject.txt` for everybody else"))));
        };
        // Words and figures are of one language: a French reader of an English text gets English figures, a reader
        // from Austria of a German text Austrian ones.
        let words = key.as_ref().unwrap_or(&self.language);
        let is_same_primary = words.as_str().split('-').next() == Some(primary);
        let convention = if is_same_primary { Language::new(&tag) } else { words.clone() };
        let language = words.clone();
        let office = self.office(&convention);
        Ok(Choice { name: name.clone(), sources: &self.sources, images: &self.images, variant, office, language })
    }

    pub(crate) fn office(&self, language: &Language) -> Arc<Office> {
        let mut offices = self.offices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(office) = offices.get(language) {
            return Arc::clone(office);
        }
        let reader = Arc::new(Reader::new(language));
        let mut environment = self.environment.clone();
        add_helpers(&mut environment, &reader);
        add_lent(&mut environment, &self.lent, &reader);
        let office = Arc::new(Office { reader, environment });
        if offices.len() < OFFICES_MAX {
            offices.insert(language.clone(), Arc::clone(&office));
        }
        office
    }

    fn add(&mut self, file: TemplateFile, problems: &mut Vec<Problem>) {
        let place = Place::file(file.path.as_str());
        let name = file_name(&file.path).to_owned();
        let mail = match kind_of(&file.path) {
            FileKind::Mail(template, language, part) => Some((template, language, part)),
            FileKind::Partial => None,
            FileKind::Other => {
                let problem = Problem::warning(format!("`{name}` is not a template and is left alone"));
                return problems.push(problem.at(place).hint("templates end in `.subject.txt`, `.html`, `.mjml` or `.txt`"));
            }
            FileKind::NotALanguage(tag) => {
                let problem = Problem::error(format!("`{tag}` in `{name}` is not a language tag"));
                return problems.push(problem.at(place).hint("write it like `first.de.html` or `first.pt-br.html`"));
            }
        };
        if file.text.len() > TEMPLATE_BYTES_MAX {
            let message = format!("`{name}` has {} bytes, more than {TEMPLATE_BYTES_MAX}", file.text.len());
            return problems.push(Problem::error(message).at(place));
        }
        if let Some(first) = self.sources.get(&name) {
            let message = format!("`{name}` is there twice; the other is `{}`", first.path);
            return problems.push(Problem::error(message).at(place));
        }
        let mut file = file;
        if declaration(&file.text).is_some() {
            // From here on it is a template like any other; what is no name in it keeps it from being one.
            let Translated { text, problems: unknown, .. } = translate(&file.path, &file.text);
            problems.extend(unknown);
            file.text = text;
        } else {
            problems.extend(undeclared(&file.path, &file.text));
        }
        let source = Source { path: file.path.as_str().into(), text: file.text.as_str().into(), made: None };
        self.sources.insert(name.clone(), source);
        if let Some((template, language, part)) = mail {
            let variant = self.variants.entry(template).or_default().entry(language).or_default();
            match part {
                Part::Subject => variant.subject = Some(name.clone()),
                Part::Html => {
                    if let Some(other) = variant.html.replace(name.clone()) {
                        let message = format!("`{name}` and `{other}` are templates of one HTML");
                        problems.push(Problem::error(message).at(place).hint("remove one of them"));
                    }
                }
                Part::Text => variant.text = Some(name.clone()),
            }
        }
        // A part in MJML is taken by those that include it.
        if name.starts_with('_') && name.ends_with(MJML) {
            return;
        }
        // MJML is compiled as it is first: a fault of its code is told in its author's words.
        if let Err(error) = self.environment.add_template_owned(name, file.text) {
            problems.push(fault_of(&error, &self.sources).into());
        }
    }

    /// Makes HTML of the templates in MJML.
    fn turn_mjml(&mut self, problems: &mut Vec<Problem>) {
        let names: Vec<String> =
            self.sources.keys().filter(|name| name.ends_with(MJML) && !name.starts_with('_')).cloned().collect();
        for name in names {
            // One that does not compile has its problem already.
            if self.environment.get_template(&name).is_err() {
                continue;
            }
            let language = match kind_of(&name) {
                FileKind::Mail(_, Some(language), _) => language,
                _ => self.language.clone(),
            };
            match mjml::html_of(&name, &language, &self.sources, problems) {
                Some(turned) => {
                    self.replace(&name, turned.made, problems);
                    self.each_html(|variant, file| variant.has_styles |= file == name && !turned.is_inlined);
                }
                None => self.environment.remove_template(&name),
            }
        }
    }

    /// Writes styles into elements: now where a file is a whole mail by itself, otherwise once a mail is filled.
    fn inline_styles(&mut self) {
        let styled: BTreeSet<String> =
            self.sources.iter().filter(|(_, source)| has_rules(&source.text)).map(|(name, _)| name.clone()).collect();
        if styled.is_empty() {
            return;
        }
        let names: Vec<String> = self.sources.keys().filter(|name| name.ends_with(".html")).cloned().collect();
        for name in names {
            let parts = self.parts_of(&name);
            if parts.is_disjoint(&styled) {
                continue;
            }
            let ahead = if parts.len() == 1 { self.styled_ahead(&name) } else { None };
            let is_done = ahead.is_some();
            if let Some(made) = ahead {
                self.replace(&name, made, &mut Vec::new());
            }
            self.each_html(|variant, file| variant.has_styles |= file == name && !is_done);
        }
    }

    /// Returns a whole file with its styles in its elements, where that can be done before it is filled.
    fn styled_ahead(&self, name: &str) -> Option<Made> {
        let source = self.sources.get(name).filter(|source| source.text.to_ascii_lowercase().contains("<html"))?;
        let covered = Covered::new(&source.text, 0)?;
        let styled = inlined_ahead(&covered.text)?;
        let file = CoveredFile { name: name.to_owned(), source: source.text.clone(), covered };
        Some(Made::uncovered(&styled, &[file]))
    }

    /// Fills `made` in the place of what the author of `name` wrote.
    fn replace(&mut self, name: &str, made: Made, problems: &mut Vec<Problem>) {
        let text = made.text.clone();
        if let Some(source) = self.sources.get_mut(name) {
            source.made = Some(made);
        }
        if let Err(error) = self.environment.add_template_owned(name.to_owned(), text) {
            problems.push(fault_of(&error, &self.sources).into());
        }
    }

    fn each_html(&mut self, mut change: impl FnMut(&mut Variant, &str)) {
        for variant in self.variants.values_mut().flat_map(BTreeMap::values_mut) {
            if let Some(file) = variant.html.clone() {
                change(variant, &file);
            }
        }
    }

    /// Returns all files that a file is made of, itself among them; all there are where one is named by a value.
    fn parts_of(&self, name: &str) -> BTreeSet<String> {
        let (mut parts, mut open) = (BTreeSet::new(), vec![name.to_owned()]);
        while let Some(next) = open.pop() {
            let Some(source) = self.sources.get(&next) else { continue };
            if !parts.insert(next) {
                continue;
            }
            let words = words(&source.text);
            for pair in words.windows(2).filter(|pair| pair[0].tag == pair[1].tag && pair[0].kind == WordKind::Name) {
                match (pair[0].text, pair[1].kind) {
                    ("extends" | "include" | "import" | "from", WordKind::Text) => open.push(pair[1].text.to_owned()),
                    ("extends" | "include", _) => return self.sources.keys().cloned().collect(),
                    _ => {}
                }
            }
        }
        parts
    }

    /// Every language of a template needs a subject and a body.
    fn check_completeness(&self, problems: &mut Vec<Problem>) {
        for (name, variants) in &self.variants {
            for (language, variant) in variants {
                let stem = language.as_ref().map_or(name.to_string(), |language| format!("{name}.{language}"));
                let place = |file: &Option<String>| {
                    file.as_ref().and_then(|file| self.sources.get(file)).map(|source| Place::file(source.path.clone()))
                };
                let body = variant.html.as_ref().or(variant.text.as_ref()).cloned();
                let (message, hint, place) = match (&variant.subject, &body) {
                    (Some(_), Some(_)) => continue,
                    (None, _) => {
                        let hint = format!("add `{stem}.subject.txt` with one line");
                        (format!("Template `{stem}` has no subject"), hint, place(&body))
                    }
                    (_, None) => {
                        let hint = format!("add `{stem}.html`, `{stem}.mjml` or `{stem}.txt`");
                        (format!("Template `{stem}` has a subject but no text"), hint, place(&variant.subject))
                    }
                };
                problems.push(Problem { place, ..Problem::error(message).hint(hint) });
            }
        }
    }

    /// Returns every name some template sets: a layout may use what the templates that extend it set.
    fn names_set_anywhere(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for source in self.sources.values() {
            let words = words(&source.text);
            for pair in words.windows(2) {
                if pair[0].tag == pair[1].tag && ["set", "macro"].contains(&pair[0].text) && pair[1].kind == WordKind::Name {
                    names.insert(pair[1].text.to_owned());
                }
            }
        }
        names
    }
}

/// Returns the images that can be shown, by file name; what cannot is a problem.
fn named_images(files: Vec<ImageFile>, problems: &mut Vec<Problem>) -> BTreeMap<String, Image> {
    let mut images = BTreeMap::new();
    if files.len() > IMAGE_FILES_MAX {
        problems.push(Problem::error(format!("There are {} image files, more than {IMAGE_FILES_MAX}", files.len())));
        return images;
    }
    for ImageFile { path, bytes } in files {
        let name = file_name(&path).to_owned();
        let place = Place::file(path.as_str());
        if let Some(fault) = image_fault(&name, &bytes) {
            problems.push(Problem::error(fault).at(place));
        } else if images.contains_key(&name) {
            problems.push(Problem::error(format!("`{name}` is there twice")).at(place));
        } else {
            images.insert(name.clone(), Image { name, bytes, alternative: String::new() });
        }
    }
    images
}
