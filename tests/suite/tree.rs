//! Reads this repository's own files, for the tests that hold its rules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file's text.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What lies in a folder: names, in order, and whether each is a folder.
fn entries(path: &str) -> Vec<(String, bool)> {
    let entries = std::fs::read_dir(root().join(path));
    let entries = entries.unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut entries: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, entry.file_type().unwrap().is_dir())
        })
        .collect();
    entries.sort();
    entries
}

/// The names of a folder's folders.
pub fn folders(path: &str) -> Vec<String> {
    let entries = entries(path).into_iter();
    entries
        .filter_map(|(name, is_dir)| is_dir.then_some(name))
        .collect()
}

/// The paths of all files below a folder whose names end so.
pub fn files(path: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, is_dir) in entries(path) {
        let path = format!("{path}/{name}");
        if is_dir {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// The sources of a crate: path and text.
pub fn sources(path: &str) -> Vec<(String, String)> {
    let files = files(&format!("{path}/src"), ".rs").into_iter();
    files.map(|path| (path.clone(), read(&path))).collect()
}

/// The variants of an enum, in a source text as rustfmt leaves it.
pub fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let start = format!("pub enum {name} {{");
    let lines = source.lines().skip_while(|line| **line != start).skip(1);
    let lines = lines.take_while(|line| *line != "}");
    let variant = |line: &str| {
        let word = line.trim().split(['(', '{', ',']).next()?.trim();
        word.starts_with(char::is_uppercase)
            .then(|| word.to_owned())
    };
    lines.filter_map(variant).collect()
}

/// Every event there is.
pub fn event_names() -> BTreeSet<String> {
    let names = variants(&read("crates/contract/src/event.rs"), "Event");
    assert!(names.contains("VideoUploaded"), "{names:?}");
    names
}

/// The API routes that a function's sources match on.
pub fn routes(function: &str) -> BTreeSet<String> {
    let sources = sources(&format!("functions/{function}"));
    let strings = sources.iter().flat_map(|(_, text)| text.split('"'));
    strings
        .filter(|text| matches!(text.split_once(" /v1/"), Some((method, _)) if is_method(method)))
        .map(str::to_owned)
        .collect()
}

fn is_method(word: &str) -> bool {
    matches!(word, "GET" | "POST" | "PUT" | "PATCH" | "DELETE")
}
