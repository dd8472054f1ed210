//! The texts of a generation: their hash, by which it is known, and what a run keeps of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::hex::hexadecimal;
use crate::rulebook::{TextFile, Texts};
use crate::store::texts::{GenerationText, KeptText};

/// Returns a hash of all texts, each with its path.
pub(crate) fn generation_of(texts: &Texts) -> String {
    let mut all: BTreeMap<&str, &str> = BTreeMap::new();
    let files = texts.config.iter().chain(&texts.rules).chain(&texts.templates).chain(&texts.papers).chain(&texts.calendars);
    all.extend(files.map(|file| (&*file.path, file.text.as_str())));
    all.extend(texts.scripts.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    let mut hash = Sha256::new();
    let mut part = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    all.into_iter().flat_map(|(path, text)| [path, text]).for_each(|text| part(text.as_bytes()));
    texts.images.iter().chain(&texts.paper_files).for_each(|file| {
        part(file.path.as_bytes());
        part(&file.bytes);
    });
    for plugin in &texts.plugins {
        part(plugin.name.as_bytes());
        plugin.texts.iter().flat_map(|(file, text)| [file, text]).for_each(|text| part(text.as_bytes()));
        plugin.others.iter().for_each(|(file, own)| {
            part(file.as_bytes());
            part(own);
        });
    }
    hexadecimal(&hash.finalize()[..8])
}

/// Returns what a run keeps of the texts it is made with. config.yaml may hold a password, and programs are no texts.
pub(crate) fn kept_texts(texts: Texts) -> Arc<[GenerationText]> {
    let config = texts.config.map(|file| (file.path.to_string(), KeptText::hash_of(&file.text)));
    let whole = |file: TextFile| (file.path.to_string(), KeptText::Whole(file.text));
    let files = texts.rules.into_iter().chain(texts.templates).chain(texts.papers).chain(texts.calendars).map(whole);
    let hash = |bytes: &[u8]| KeptText::Hash(hexadecimal(&Sha256::digest(bytes)));
    let binary = texts.images.into_iter().chain(texts.paper_files).map(move |file| (file.path.to_string(), hash(&file.bytes)));
    let scripts = texts.scripts.into_iter().map(|(path, text)| (path, KeptText::Whole(text)));
    let plugins = texts.plugins.into_iter().flat_map(|plugin| {
        let path = move |file: String| format!("plugins/{}/{file}", plugin.name);
        let named = path.clone();
        let whole = plugin.texts.into_iter().map(move |(file, text)| (path(file), KeptText::Whole(text)));
        whole.chain(plugin.others.into_iter().map(move |(file, hash)| (named(file), KeptText::Hash(hexadecimal(&hash)))))
    });
    // A calendar may lie anywhere, also among the plugins' files.
    let all: BTreeMap<String, KeptText> = config.into_iter().chain(files).chain(binary).chain(scripts).chain(plugins).collect();
    all.into_iter().map(|(path, text)| GenerationText { path, text }).collect()
}
