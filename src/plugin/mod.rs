//! Plugins: what a folder below `plugins/` offers to rules, templates and the engine. Texts in; [`Plugins`] or all
//! problems out.
//!
//! Nothing here reads a file or starts a program: the rulebook hands over texts, and the engine runs programs. A plugin
//! with an error is left out whole, and the others stay.

mod cases;
mod keys;
mod load;
mod measure;
mod rates;
mod reference;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::problem::Place;
use crate::domain::rate_table::RateTable;
use crate::script::{Library, LibraryFunction, Picker};

pub use cases::{AttachmentCase, Case, CaseKind, Expected, HttpCase, PickerCase, ProgramCase, read_cases};
pub use keys::{plugin_schema, rates_schema, test_schema};
pub use load::{PLUGINS_MAX, PluginFolder, is_name, load, names};
pub use measure::{duration, size};
pub use rates::{RATES, STEPS_MAX};
pub use reference::plugins_page;

/// How long an answer may take where its plugin does not say.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time a plugin may give a program for an answer.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(300);
/// How much a program may answer where its plugin does not say: what most mail servers take in one mail.
pub const ANSWER_BYTES: u64 = 10_000_000;
/// The most that a plugin may let a program answer.
pub const ANSWER_BYTES_MAX: u64 = 25_000_000;
/// How many files a program may attach to one mail where its plugin does not say.
pub const FILES: u32 = 5;
/// The most files that a plugin may let a program attach to one mail.
pub const FILES_MAX: u32 = 20;

/// An outside program of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments; one that starts with `./` lies in the plugin's folder. Never empty.
    pub command: Vec<String>,
    /// How long an alert may take, or the next answer about a mail.
    pub timeout: Duration,
    /// The most bytes it may answer about one mail or alert.
    pub bytes_max: u64,
    /// The most files it may attach to one mail.
    pub count_max: u32,
    /// The variables of the environment it gets, by name; besides them only `PATH`.
    pub environment: Vec<String>,
    /// Where its command stands.
    pub place: Place,
}

/// A plugin, checked.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its name, which is its folder's.
    pub name: String,
    /// What it is for, in a sentence.
    pub description: String,
    /// Its version, as its author counts; may be empty.
    pub version: String,
    /// Its pickers.
    pub pickers: Vec<Picker>,
    /// Its program for attachments.
    pub attachment: Option<Program>,
    /// Its program for alerts.
    pub alert: Option<Program>,
}

/// All plugins of a generation, by name.
#[derive(Clone, Debug, Default)]
pub struct Plugins {
    /// The plugins that are right.
    pub plugins: Vec<Plugin>,
    /// Their functions, with the tables of rates.
    pub library: Library,
    /// The tables of rates.
    pub tables: Vec<Arc<RateTable>>,
}

impl Plugins {
    /// Returns a plugin.
    pub fn find(&self, name: &str) -> Option<&Plugin> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }

    /// Returns the functions a plugin offers.
    pub fn functions_of<'p>(&'p self, plugin: &'p str) -> impl Iterator<Item = &'p LibraryFunction> {
        self.library.functions().iter().filter(move |function| function.plugin == plugin)
    }

    /// Returns the table that has ended by the words of a fault, if one has.
    pub fn ended_table(&self, words: &str) -> Option<&RateTable> {
        self.tables.iter().map(Arc::as_ref).find(|table| words.contains(&table.ended_words()))
    }

    /// Returns all pickers.
    pub fn pickers(&self) -> Vec<Picker> {
        self.plugins.iter().flat_map(|plugin| plugin.pickers.iter().cloned()).collect()
    }

    /// Returns the names of the plugins whose program makes attachments.
    pub fn attachment_names(&self) -> Vec<String> {
        self.plugins.iter().filter(|plugin| plugin.attachment.is_some()).map(|plugin| plugin.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
