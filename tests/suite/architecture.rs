//! Holds the directions and sizes of the design. The rules are functions over plain data,
//! so that each is shown to be able to fail.

use std::collections::BTreeSet;

use cargo_metadata::{MetadataCommand, Package, TargetKind};

use crate::tree;

const MAX_FUNCTION_LINES: usize = 70;
const MAX_MODULE_LINES: usize = 300;
const MAX_MAIN_LINES: usize = 40;

/// Functions over the limit, each with its reason.
const LONG_FUNCTIONS: &[&str] = &[];

/// Modules over the limit, each with its reason.
const LONG_MODULES: &[&str] = &[];

/// Where `core` may use floats, each with its reason.
const FLOATS: &[&str] = &[
    // m3u8-rs takes FRAME-RATE as f64; nothing is decided by it.
    "crates/core/src/playlist/hls.rs",
];

/// What each part of the tree may depend on. The tests may on all.
fn allowed(from: &str) -> Option<&'static [&'static str]> {
    match from {
        "crates/contract" | "crates/sandbox" | "cli" => Some(&[]),
        "crates/core" | "crates/ports" => Some(&["crates/contract"]),
        "crates/adapters" => Some(&["crates/contract", "crates/ports", "crates/sandbox"]),
        function if function.starts_with("functions/") => {
            Some(&["crates/contract", "crates/core", "crates/ports", "crates/adapters"])
        }
        _ => None,
    }
}

/// The dependencies, from folder to folder, that the design forbids.
fn broken_directions(edges: &[(String, String)]) -> Vec<String> {
    let broken = |(from, to): &&(String, String)| match allowed(from) {
        Some(allowed) => !allowed.contains(&to.as_str()),
        // What is not named above may depend on anything, if it is a place for that.
        None => from != "tests" && from != "bench",
    };
    let broken = edges.iter().filter(broken);
    broken.map(|(from, to)| format!("{from} → {to}")).collect()
}

/// A source without its comments and tests, as rustfmt leaves it: lines with their numbers.
fn code(text: &str) -> Vec<(usize, &str)> {
    let mut lines = text.lines().enumerate().peekable();
    let mut code = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            let indent = &line[..line.len() - line.trim_start().len()];
            let item = lines.next().map_or("", |(_, item)| item);
            if item.ends_with('{') {
                while lines.next_if(|(_, line)| *line != format!("{indent}}}")).is_some() {}
                lines.next();
            }
        } else if !line.trim_start().starts_with("//") {
            code.push((number + 1, line));
        }
    }
    code
}

/// Where a source names one of these words, whole.
fn mentions(path: &str, text: &str, words: &[&str]) -> Vec<String> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let names = |line: &str, word: &str| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + word.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
    };
    let mut found = Vec::new();
    for (number, line) in code(text) {
        let named = words.iter().filter(|word| names(line, word));
        found.extend(named.map(|word| format!("{path}:{number}: {word}")));
    }
    found
}

/// The name of the function that begins in a line.
fn function_name(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let modifiers = before.split_whitespace();
    let is_modifier = |word: &str| {
        matches!(word, "async" | "const" | "unsafe") || word == "pub" || word.starts_with("pub(")
    };
    let mut modifiers = modifiers.filter(|word| !is_modifier(word));
    let name = rest.split(['(', '<']).next()?;
    modifiers.next().is_none().then_some(name)
}

/// Functions of a source that are longer than `limit`, from `fn` to the closing brace.
fn long_functions(path: &str, text: &str, limit: usize) -> Vec<String> {
    let code = code(text);
    let mut long = Vec::new();
    for (at, (_, line)) in code.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let rest = code.iter().skip(at).map(|(number, line)| (*number, *line));
        let opens = rest.clone().find(|(_, line)| line.ends_with(['{', ';', '}']));
        if opens.is_none_or(|(_, line)| !line.ends_with('{')) {
            continue;
        }
        let closing = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let body = rest.take_while(|(_, line)| *line != closing).count();
        if body + 1 > limit {
            long.push(format!("{path}: {name}: {}", body + 1));
        }
    }
    long
}

/// A source longer than `limit`, without its tests and comments of a whole line.
fn long_module(path: &str, text: &str, limit: usize) -> Option<String> {
    let lines = code(text).len();
    (lines > limit).then(|| format!("{path}: {lines}"))
}

/// Every package of the workspace with its folder.
fn packages() -> Vec<(String, Package)> {
    let metadata = MetadataCommand::new()
        .manifest_path(tree::root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap();
    let root = metadata.workspace_root.clone();
    let folder = |package: &Package| {
        let folder = package.manifest_path.parent().unwrap();
        folder.strip_prefix(&root).unwrap().to_string()
    };
    let packages = metadata.packages.into_iter();
    packages.map(|package| (folder(&package), package)).collect()
}

/// Who depends on whom, in any way, from folder to folder.
fn edges() -> Vec<(String, String)> {
    let packages = packages();
    let mut edges = Vec::new();
    for (from, package) in &packages {
        for dependency in &package.dependencies {
            let to = packages.iter().find(|(_, to)| *to.name == dependency.name);
            edges.extend(to.map(|(to, _)| (from.clone(), to.clone())));
        }
    }
    edges
}

/// The sources of everything that ships, and of what the tests stand on.
fn all_sources() -> Vec<(String, String)> {
    let folders = packages().into_iter().map(|(folder, _)| folder);
    let sources = folders.flat_map(|folder| tree::sources(&folder));
    sources.filter(|(path, _)| !path.ends_with("/tests.rs")).collect()
}

#[test]
fn dependencies_follow_the_directions() {
    let edges = edges();
    let known = ("functions/plan".to_owned(), "crates/core".to_owned());
    assert!(edges.contains(&known), "{edges:?}");
    assert_eq!(broken_directions(&edges), [""; 0]);
}

#[test]
fn a_broken_direction_is_reported() {
    for (from, to) in [
        ("crates/core", "crates/adapters"),
        ("crates/core", "crates/ports"),
        ("crates/contract", "crates/core"),
        ("crates/ports", "crates/core"),
        ("crates/sandbox", "crates/contract"),
        ("crates/adapters", "crates/core"),
        ("functions/plan", "functions/upload"),
        ("functions/plan", "crates/sandbox"),
        ("functions/plan", "tests"),
        ("cli", "crates/contract"),
        ("crates/core", "cli"),
        ("crates/unheard-of", "crates/contract"),
    ] {
        let mut edges = edges();
        edges.push((from.to_owned(), to.to_owned()));
        assert_eq!(broken_directions(&edges), [format!("{from} → {to}")]);
    }
}

#[test]
fn only_main_names_the_adapters() {
    let sources = all_sources();
    let functions = sources.iter().filter(|(path, _)| path.starts_with("functions/"));
    for (path, text) in functions {
        let named = mentions(path, text, &["cattube_adapters", "lambda_runtime"]);
        if path.ends_with("/main.rs") {
            assert!(!named.is_empty(), "{path} wires nothing");
            let lines = text.lines().count();
            assert!(lines <= MAX_MAIN_LINES, "{path}: {lines} lines");
        } else {
            assert_eq!(named, [""; 0]);
        }
    }
    let planted = "use cattube_ports::Bus;\nuse cattube_adapters::bus::EventBridge;\n";
    assert_eq!(mentions("lib.rs", planted, &["cattube_adapters"]), ["lib.rs:2: cattube_adapters"]);
}

#[test]
fn core_is_pure() {
    const IMPURE: &[&str] = &[
        "std::fs", "std::env", "std::net", "std::process", "std::thread", "std::time", "SystemTime",
        "Instant", "Timestamp::now", "Zoned::now", "tokio", "async fn", "async move", "HashMap",
        "HashSet", "rand", "getrandom", "new_v4", "now_v7", "println!", "unsafe",
    ];
    let mut found = Vec::new();
    for (path, text) in tree::sources("crates/core") {
        if path.ends_with("/tests.rs") {
            continue;
        }
        found.extend(mentions(&path, &text, IMPURE));
        if !FLOATS.contains(&path.as_str()) {
            found.extend(mentions(&path, &text, &["f32", "f64"]));
        }
    }
    assert_eq!(found, [""; 0]);
    let planted = "fn at() {\n    jiff::Timestamp::now()\n}\n\n#[cfg(test)]\nmod tests {\n    f64\n}\n// f32\nfn g(x: f64) {}\n";
    let words = ["Timestamp::now", "f64", "f32"];
    assert_eq!(mentions("x.rs", planted, &words), ["x.rs:2: Timestamp::now", "x.rs:10: f64"]);
}

#[test]
fn every_function_is_one_folder_one_package_one_binary() {
    let mut shipped = BTreeSet::new();
    for (folder, package) in packages() {
        let targets = package.targets.iter();
        let bins = targets.filter(|target| target.kind.contains(&TargetKind::Bin));
        let bins: Vec<_> = bins.map(|target| target.name.as_str()).collect();
        match folder.strip_prefix("functions/") {
            Some(name) => {
                assert_eq!(*package.name, name);
                assert_eq!(bins, [name]);
                shipped.insert(name.to_owned());
            }
            // `cargo lambda build` would ship any other binary.
            None => assert!(bins.is_empty() || folder == "cli", "{folder}: {bins:?}"),
        }
    }
    assert_eq!(shipped, BTreeSet::from_iter(tree::folders("functions")));
    let makefile = tree::read("Makefile");
    let built = makefile.lines().find_map(|line| line.strip_prefix("FUNCTIONS := ")).unwrap();
    assert_eq!(shipped, built.split(' ').map(str::to_owned).collect());
}

#[test]
fn the_twins_are_for_tests_only() {
    for (folder, package) in packages().iter().filter(|(folder, _)| folder != "tests") {
        let mut features = package.dependencies.iter().flat_map(|dependency| &dependency.features);
        assert!(!features.any(|feature| feature == "fakes"), "{folder}");
    }
}

#[test]
fn no_folder_is_a_drawer_for_everything() {
    let names = ["", "crates", "functions"].into_iter().flat_map(tree::folders);
    for name in names {
        assert!(!matches!(name.as_str(), "common" | "utils" | "util" | "shared" | "helpers"), "{name}");
        assert!(!name.starts_with(|letter: char| letter.is_ascii_digit()), "{name}: numbered");
    }
    let templates = tree::read("Makefile").matches("template").count();
    assert!(templates > 0);
}

#[test]
fn functions_and_modules_are_short() {
    let sources = all_sources();
    let pairs = || sources.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    let functions: Vec<_> = pairs().flat_map(|(path, text)| long_functions(path, text, MAX_FUNCTION_LINES)).collect();
    let modules: Vec<_> = pairs().filter_map(|(path, text)| long_module(path, text, MAX_MODULE_LINES)).collect();
    assert_eq!(functions, LONG_FUNCTIONS);
    assert_eq!(modules, LONG_MODULES);
}

#[test]
fn length_is_counted_without_tests() {
    let long = format!(
        "trait T {{\n    fn short(&self);\n}}\npub(crate) async fn long(\n    a: u8,\n) {{\n{}}}\n\n#[cfg(test)]\nmod tests {{\n    fn longer() {{\n{}    }}\n}}\n",
        "    a;\n".repeat(67),
        "        b;\n".repeat(99),
    );
    assert_eq!(long_functions("x.rs", &long, 70), ["x.rs: long: 71"]);
    assert_eq!(long_functions("x.rs", &long, 71), [""; 0]);
    assert_eq!(long_module("x.rs", &long, 75), None);
    assert_eq!(long_module("x.rs", &long, 74), Some("x.rs: 75".to_owned()));
}
