//! Parts of the template that can be taken out: nothing outside of them may name what is in
//! them. What is left is deployed by the end-to-end tests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::{named, texts};
use crate::tree;

/// The sections that can be taken out, as their headings call them.
pub const OPTIONAL: &[&str] = &["retry", "notify"];

/// The heading of a section: `# ------ retry`.
fn heading(line: &str) -> Option<&str> {
    let (dashes, name) = line.strip_prefix("  # -")?.split_once(' ')?;
    dashes.chars().all(|letter| letter == '-').then_some(name)
}

/// The resources of each section.
fn sections() -> BTreeMap<String, BTreeSet<String>> {
    let text = tree::read("template.yaml");
    let mut sections: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut section = None;
    for line in text.lines() {
        if let Some(name) = heading(line) {
            section = Some(name.to_owned());
        } else if line.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            section = None;
        }
        let resource = line.strip_prefix("  ").and_then(|rest| {
            let name = rest.split_once(':')?.0;
            let is_name = name.chars().all(|letter| letter.is_ascii_alphanumeric());
            (is_name && !name.is_empty()).then(|| name.to_owned())
        });
        if let (Some(section), Some(resource)) = (&section, resource) {
            sections
                .entry(section.clone())
                .or_default()
                .insert(resource);
        }
    }
    sections
}

/// What outside of the optional sections names something inside.
pub fn dependence(template: &Value) -> Vec<String> {
    let sections = sections();
    let mut broken = Vec::new();
    let mut inside = BTreeSet::new();
    for name in OPTIONAL {
        match sections.get(*name) {
            Some(resources) => inside.extend(resources.iter().map(String::as_str)),
            None => broken.push(format!("the template has no section {name}")),
        }
    }
    let resources = template["Resources"].as_object().into_iter().flatten();
    let outside = resources.filter(|(name, _)| !inside.contains(name.as_str()));
    for (name, resource) in outside {
        let mut names = named(resource);
        names.extend(texts(&resource["DependsOn"]));
        let known = names.into_iter().filter(|name| inside.contains(name));
        broken.extend(known.map(|known| format!("{name} knows {known}")));
    }
    broken
}
