//! What `dunlin plugin` does: lists plugins, runs their test cases, and writes a new one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::domain::problem::{Place, Problem};
use crate::engine::attach::{Files, answered};
use crate::engine::programs::{PROTOCOL, start_in, tell};
use crate::engine::schema::SchemaKind;
use crate::engine::workspace::{business_days, plugin_folder, read_calendar};
use crate::plugin::{
    self, AttachmentCase, Case, CaseKind, HttpCase, PickerCase, Plugin, PluginFolder, Plugins, Program, ProgramCase, TIMEOUT_MAX,
    read_cases,
};
use crate::rulebook;
use crate::script::{Account, Names, PickerKind, RecipientName};
use crate::yaml::words;

/// The most a test's server reads of a request, in bytes.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// A plugin's folder as it was read.
#[derive(Debug)]
pub struct Shelf {
    /// The workspace.
    pub root: PathBuf,
    /// The plugins that are right.
    pub plugins: Plugins,
    /// All folders, those with errors too.
    pub folders: Vec<PluginFolder>,
    /// What is wrong below `plugins/`, and with the calendar, by which plugins know business days.
    pub problems: Vec<Problem>,
}

/// A plugin in a list.
#[derive(Clone, Debug, Serialize)]
pub struct PluginView {
    /// Its name.
    pub name: String,
    /// What it is for; empty where it has errors.
    pub description: String,
    /// Its version.
    pub version: String,
    /// Whether it is right.
    pub usable: bool,
    /// What it offers: `next_business_day(date)`, `escalation()`, `alert`.
    pub offers: Vec<String>,
}

/// How a case came out.
#[derive(Clone, Debug, Serialize)]
pub struct CaseView {
    /// The plugin.
    pub plugin: String,
    /// The case.
    pub case: String,
    /// Where it stands.
    pub place: Place,
    /// Whether it is as it has to be.
    pub passed: bool,
    /// What it has to be; empty where it passed.
    pub expected: String,
    /// What came of it; empty where it passed.
    pub got: String,
}

/// Why no plugin was written.
#[derive(Debug, Error)]
pub enum NewFault {
    /// The name cannot be a plugin's.
    #[error("`{name}` is not a name")]
    Name {
        /// The name.
        name: String,
    },
    /// There is such a folder.
    #[error("`{folder}` is there already")]
    Taken {
        /// The folder.
        folder: String,
    },
    /// A file cannot be written.
    #[error("Cannot write `{path}`: {source}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Reads the plugins of the workspace at `root`, whatever else is in it.
pub fn shelf(root: &Path) -> Shelf {
    let (mut texts, found) = rulebook::read(root);
    let is_of_plugins = |problem: &Problem| problem.place.as_ref().is_some_and(|place| place.file.starts_with("plugins"));
    let mut problems: Vec<Problem> = found.into_iter().filter(is_of_plugins).collect();
    let names = texts.config.as_ref().and_then(crate::config::names);
    let recipient_keys = names.map_or_else(Vec::new, |names| names.recipient_keys);
    let folders: Vec<PluginFolder> = texts.plugins.iter().map(plugin_folder).collect();
    let names = Names { recipient_keys, ..Names::default() };
    let (settings, found) = texts.config.as_ref().map(crate::config::calendar_settings).unwrap_or_default();
    problems.extend(found);
    let calendar = settings.and_then(|settings| read_calendar(root, &settings, &mut texts, &mut problems));
    let days = business_days(calendar.as_ref().map(|read| &read.calendar));
    let (plugins, found) = plugin::load(&folders, &names, days);
    problems.extend(found);
    for folder in &folders {
        if let Some(text) = &folder.tests {
            problems.extend(read_cases(&format!("plugins/{}/test.yaml", folder.name), text).1);
        }
    }
    Shelf { root: root.to_owned(), plugins, folders, problems }
}

impl Shelf {
    /// Returns every folder as a list shows it.
    pub fn views(&self) -> Vec<PluginView> {
        self.folders.iter().map(|folder| self.view(folder)).collect()
    }

    fn view(&self, folder: &PluginFolder) -> PluginView {
        let Some(plugin) = self.plugins.find(&folder.name) else {
            let (description, version) = (String::new(), String::new());
            return PluginView { name: folder.name.clone(), description, version, usable: false, offers: Vec::new() };
        };
        let functions = self.plugins.functions_of(&plugin.name);
        let mut offers: Vec<String> =
            functions.map(|function| format!("{}({})", function.name, function.parameters.join(", "))).collect();
        offers.extend(plugin.pickers.iter().map(|picker| match picker.kind() {
            PickerKind::Recipients => format!("recipients: {}()", picker.name()),
            PickerKind::Variables => format!("variables: {}()", picker.name()),
        }));
        offers.extend(plugin.attachment.iter().map(|_| "attachment".to_owned()));
        offers.extend(plugin.alert.iter().map(|_| "alert".to_owned()));
        let Plugin { name, description, version, .. } = plugin.clone();
        PluginView { name, description, version, usable: true, offers }
    }

    /// Runs the cases of one plugin, or of all that are right.
    pub async fn test(&self, only: Option<&str>) -> Vec<CaseView> {
        let mut views = Vec::new();
        for plugin in self.plugins.plugins.iter().filter(|plugin| only.is_none_or(|only| plugin.name == only)) {
            let folder = self.folders.iter().find(|folder| folder.name == plugin.name);
            let Some(text) = folder.and_then(|folder| folder.tests.as_ref()) else { continue };
            let (cases, _) = read_cases(&format!("plugins/{}/test.yaml", plugin.name), text);
            for case in cases {
                let outcome = self.outcome(plugin, &case).await;
                let (expected, got) = outcome.clone().err().unwrap_or_default();
                let Case { name, place, .. } = case;
                let (plugin, passed) = (plugin.name.clone(), outcome.is_ok());
                views.push(CaseView { plugin, case: name, place, passed, expected, got });
            }
        }
        views
    }

    /// Returns what was expected and what came instead, if they differ.
    async fn outcome(&self, plugin: &Plugin, case: &Case) -> Result<(), (String, String)> {
        match &case.kind {
            CaseKind::Call { text, expected } => {
                let outcome = self.plugins.library.evaluate(text);
                let got = || outcome.as_ref().map_or_else(|fault| format!("the fault: {fault}"), words);
                if expected.holds(&outcome) { Ok(()) } else { Err((expected.words(), got())) }
            }
            CaseKind::Picker(asked) => picked(plugin, asked, &case.place),
            CaseKind::Alert(case) => match &plugin.alert {
                None => Err(("a program for alerts".into(), "none in plugin.yaml".into())),
                Some(program) => self.alerted(plugin, program, case).await,
            },
            CaseKind::Attachment(case) => match &plugin.attachment {
                None => Err(("a program for attachments".into(), "none in plugin.yaml".into())),
                Some(program) => self.attached(plugin, program, case).await,
            },
        }
    }

    async fn alerted(&self, plugin: &Plugin, program: &Program, case: &ProgramCase) -> Result<(), (String, String)> {
        let server = TestServer::of(case).await.map_err(|error| ("a server for the case".to_owned(), error.to_string()))?;
        let start = start_in(&self.root, &plugin.name, program, environment(program, case, server.as_ref()));
        let told = tell(start, &serde_json::json!({ "version": PROTOCOL, "alert": case.request })).await;
        let told = told.map_err(|fault| (format!("exit code {}", case.exits), fault.to_string()))?;
        let printed = format!("{}{}", told.printed, told.ended.errors);
        if told.ended.code != Some(case.exits) {
            let code = told.ended.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
            return Err((format!("exit code {}", case.exits), format!("{code}, and it printed: {}", printed.trim())));
        }
        if let Some(text) = case.prints.as_ref().filter(|text| !printed.contains(text.as_str())) {
            return Err((format!("a print of {text:?}"), printed.trim().to_owned()));
        }
        match (server, case.http.as_ref().and_then(|http| http.receives.as_ref())) {
            (Some(server), Some(text)) => {
                let request = server.request(program).await;
                if request.contains(text) { Ok(()) } else { Err((format!("a request with {text:?}"), request)) }
            }
            _ => Ok(()),
        }
    }

    async fn attached(&self, plugin: &Plugin, program: &Program, case: &AttachmentCase) -> Result<(), (String, String)> {
        let expected = match &case.fails {
            Some(text) => format!("a fault with {text:?}"),
            None => "a file".to_owned(),
        };
        let failed = |got: String| (expected.clone(), got);
        let files = Files::new().map_err(|error| failed(error.to_string()))?;
        let mut start = start_in(&self.root, &plugin.name, program, environment(program, &case.program, None));
        start.environment.insert(Files::VARIABLE.to_owned(), files.path().into());
        let mut request = case.program.request.clone();
        request.insert("version".to_owned(), PROTOCOL.into());
        request.entry("id".to_owned()).or_insert_with(|| "1".into());
        let id = request.get("id").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let answer =
            answered(&plugin.name, start, program, &files, vec![(id, serde_json::Value::Object(request.into_iter().collect()))])
                .await;
        let answer = answer.into_iter().next().map(|(_, answer)| answer);
        let answer = answer.unwrap_or_else(|| Err("no answer".to_owned()));
        match (answer, &case.fails) {
            (Err(fault), Some(text)) if fault.contains(text) => Ok(()),
            (Err(fault), _) => Err(failed(format!("the fault: {fault}"))),
            (Ok(_), Some(_)) => Err(failed("files".into())),
            (Ok(given), None) => {
                let first = given.first().ok_or_else(|| failed("no file".into()))?;
                let bytes = first.bytes().map_err(failed)?;
                for (what, wanted, got) in [
                    ("the name", &case.name, first.name.as_str()),
                    ("the content type", &case.content_type, first.content_type.as_str()),
                ] {
                    if let Some(wanted) = wanted.as_ref().filter(|wanted| wanted.as_str() != got) {
                        return Err((format!("{what} `{wanted}`"), format!("`{got}`")));
                    }
                }
                match case.contains.as_ref().filter(|text| !String::from_utf8_lossy(&bytes).contains(text.as_str())) {
                    Some(text) => Err((format!("a file with {text:?}"), format!("{} bytes without it", bytes.len()))),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Returns the further columns of a case's ledger, for the trial of what is said to a picker.
fn columns_of(case: &PickerCase) -> Names {
    let columns = |names: &mut dyn Iterator<Item = &str>| Some(names.map(str::to_owned).collect());
    Names {
        customer_attributes: columns(&mut case.ledger.customer_attribute_names()),
        invoice_attributes: columns(&mut case.ledger.document_attribute_names()),
        ..Names::default()
    }
}

fn picked(plugin: &Plugin, case: &PickerCase, place: &Place) -> Result<(), (String, String)> {
    let Some(picker) = plugin.pickers.iter().find(|picker| picker.name() == case.picker) else {
        let known: Vec<&str> = plugin.pickers.iter().map(|picker| picker.name()).collect();
        return Err((format!("a picker `{}`", case.picker), format!("the plugin has: {}", known.join(", "))));
    };
    let picker = match &case.settings {
        None => picker.clone(),
        Some(settings) => match picker.clone().with_settings(settings.clone(), &columns_of(case), place.clone()) {
            Ok((picker, _)) => picker,
            Err(found) => {
                let fault = found.into_iter().next().map_or_else(String::new, |problem| problem.message);
                let holds = case.expected.holds(&Err(fault.clone()));
                return if holds { Ok(()) } else { Err((case.expected.words(), format!("the fault: {fault}"))) };
            }
        },
    };
    let outcome = match picker.kind() {
        PickerKind::Variables => {
            let account = Account::new(&case.ledger, case.customer, case.currency, case.as_of);
            let given = picker.variables(&account, &case.items, &case.level);
            given.map(crate::domain::variable::Variable::Map)
        }
        PickerKind::Recipients => {
            let account = Account::new(&case.ledger, case.customer, case.currency, case.as_of);
            let name = |name: RecipientName| {
                crate::domain::variable::Variable::Text(match name {
                    RecipientName::Key(key) => key.to_string(),
                    RecipientName::Address(address) => address.to_string(),
                    RecipientName::Picker(picker) => format!("{}()", picker.name()),
                })
            };
            let given = picker.recipients(&account, &case.items, &case.level);
            given.map(|names| crate::domain::variable::Variable::List(names.into_iter().map(name).collect()))
        }
    };
    let outcome = outcome.map_err(|fault| fault.message);
    let got = outcome.as_ref().map_or_else(|fault| format!("the fault: {fault}"), words);
    if case.expected.holds(&outcome) { Ok(()) } else { Err((case.expected.words(), got)) }
}

/// Returns the environment of a case: its own values under the names that the plugin asks for, and `PATH`.
fn environment(program: &Program, case: &ProgramCase, server: Option<&TestServer>) -> BTreeMap<String, OsString> {
    let address = server.map_or_else(String::new, |server| server.address.clone());
    let asked = case.environment.iter().filter(|(name, _)| program.environment.contains(name));
    let own = asked.map(|(name, value)| (name.clone(), OsString::from(value.replace("{http}", &address))));
    own.chain(std::env::var_os("PATH").map(|path| ("PATH".to_owned(), path))).collect()
}

/// A server on this machine that takes one request.
struct TestServer {
    address: String,
    request: JoinHandle<io::Result<String>>,
}

impl TestServer {
    async fn of(case: &ProgramCase) -> io::Result<Option<Self>> {
        let Some(HttpCase { status, .. }) = case.http else { return Ok(None) };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = format!("http://{}", listener.local_addr()?);
        let request = tokio::spawn(timeout_request(listener, status));
        Ok(Some(Self { address, request }))
    }

    /// Returns the request that came, or why none did.
    async fn request(self, program: &Program) -> String {
        match timeout(program.timeout, self.request).await {
            Ok(Ok(Ok(request))) => request,
            Ok(Ok(Err(error))) => format!("a broken request: {error}"),
            Ok(Err(error)) => format!("no request: {error}"),
            Err(_) => "no request".to_owned(),
        }
    }
}

/// Reads one request, head and body, and answers it.
async fn timeout_request(listener: TcpListener, status: u16) -> io::Result<String> {
    let (mut stream, _) = timeout(TIMEOUT_MAX, listener.accept()).await??;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    while bytes.len() < REQUEST_BYTES_MAX && !is_whole(&bytes) {
        let count = timeout(TIMEOUT_MAX, stream.read(&mut buffer)).await??;
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
    let answer = format!("HTTP/1.1 {status} Test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns whether a request's head and as much body as it says have come.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some(end) = text.find("\r\n\r\n") else { return false };
    let length = text[..end].lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    text.len() >= end + 4 + length.unwrap_or(0_usize)
}

/// The files of a new plugin: name, text with `NAME` and `FUNCTION` to fill in.
const NEW: [(&str, &str); 4] = [
    ("plugin.yaml", include_str!("plugins/new/plugin.yaml")),
    ("FUNCTION.rhai", include_str!("plugins/new/functions.rhai")),
    ("test.yaml", include_str!("plugins/new/test.yaml")),
    ("README.md", include_str!("plugins/new/README.md")),
];

/// The schemas that these files name in their first line.
const NEW_SCHEMAS: [&str; 2] = ["plugin", "plugin-test"];

/// Writes a new plugin that checks and tests clean, and the schemas of its files where they are not there; returns what was
/// written.
///
/// # Errors
/// The name is none, there is such a folder, or a file cannot be written: what was written then stays.
pub fn new_plugin(root: &Path, name: &str) -> Result<Vec<String>, NewFault> {
    if !plugin::is_name(name) {
        return Err(NewFault::Name { name: name.to_owned() });
    }
    let folder = format!("plugins/{name}");
    let write_fault = |path: &str, source| NewFault::Write { path: path.to_owned(), source };
    if let Some(parent) = root.join(&folder).parent() {
        fs::create_dir_all(parent).map_err(|source| write_fault(&folder, source))?;
    }
    fs::create_dir(root.join(&folder)).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => NewFault::Taken { folder: folder.clone() },
        _ => write_fault(&folder, source),
    })?;
    let function = name.replace('-', "_");
    // A function's name cannot begin with a digit.
    let function = if function.starts_with(|c: char| c.is_ascii_digit()) { format!("p_{function}") } else { function };
    let mut written = Vec::new();
    for (file, text) in NEW {
        let fill = |text: &str| text.replace("FUNCTION", &function).replace("NAME", name);
        let path = format!("{folder}/{}", fill(file));
        fs::write(root.join(&path), fill(text)).map_err(|source| write_fault(&path, source))?;
        written.push(path);
    }
    for kind in NEW_SCHEMAS.iter().filter_map(|word| SchemaKind::find(word)) {
        let path = root.join(kind.path);
        if path.exists() {
            continue;
        }
        let folder = path.parent().unwrap_or(root);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, kind.text()))
            .map_err(|source| write_fault(kind.path, source))?;
        written.push(kind.path.to_owned());
    }
    Ok(written)
}
