//! Holds the directions and sizes of the design. The rules are functions over plain data,
//! so that each is shown to be able to fail.

mod rules;

use std::collections::BTreeSet;

use cargo_metadata::{MetadataCommand, Package, TargetKind};

use crate::tree;
use rules::{broken_directions, long_functions, long_module, mentions, test_modules};

const MAX_FUNCTION_LINES: usize = 70;
const MAX_MODULE_LINES: usize = 300;
const MAX_MAIN_LINES: usize = 40;

/// Modules over the limit, each with its reason; none gets in without one.
const LONG_MODULES: &[&str] = &[
    // The life of the child from fork to reaping, in the order in which it happens.
    "crates/sandbox/src/process.rs",
];

/// Where `core` may use floats, each with its reason.
const FLOATS: &[&str] = &[
    // m3u8-rs takes FRAME-RATE as f64; nothing is decided by it.
    "crates/core/src/playlist/hls.rs",
];

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
    packages
        .map(|package| (folder(&package), package))
        .collect()
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

/// The sources of everything that ships, and of what the tests stand on, without modules
/// that are there for tests.
fn all_sources() -> Vec<(String, String)> {
    let folders = packages().into_iter().map(|(folder, _)| folder);
    let sources: Vec<_> = folders.flat_map(|folder| tree::sources(&folder)).collect();
    let declared = sources
        .iter()
        .flat_map(|(path, text)| test_modules(path, text));
    let for_tests: BTreeSet<_> = declared.collect();
    let mut sources = sources;
    sources.retain(|(path, _)| !for_tests.contains(path));
    sources
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
    let functions = sources
        .iter()
        .filter(|(path, _)| path.starts_with("functions/"));
    for (path, text) in functions {
        let found = mentions(path, text, &["cattube_adapters", "lambda_runtime"]);
        if path.ends_with("/main.rs") {
            assert!(!found.is_empty(), "{path} wires nothing");
            let lines = text.lines().count();
            assert!(lines <= MAX_MAIN_LINES, "{path}: {lines} lines");
        } else {
            assert_eq!(found, [""; 0]);
        }
    }
    let planted = "use cattube_ports::Bus;\nuse cattube_adapters::bus::EventBridge;\n";
    assert_eq!(
        mentions("lib.rs", planted, &["cattube_adapters"]),
        ["lib.rs:2: cattube_adapters"]
    );
}

#[test]
fn core_is_pure() {
    const IMPURE: &[&str] = &[
        "std::fs",
        "std::env",
        "std::net",
        "std::process",
        "std::thread",
        "std::time",
        "SystemTime",
        "Instant",
        "Timestamp::now",
        "Zoned::now",
        "tokio",
        "async fn",
        "async move",
        "HashMap",
        "HashSet",
        "rand",
        "getrandom",
        "new_v4",
        "now_v7",
        "println!",
        "unsafe",
    ];
    let mut found = Vec::new();
    let sources = all_sources().into_iter();
    for (path, text) in sources.filter(|(path, _)| path.starts_with("crates/core/")) {
        found.extend(mentions(&path, &text, IMPURE));
        if !FLOATS.contains(&path.as_str()) {
            found.extend(mentions(&path, &text, &["f32", "f64"]));
        }
    }
    assert_eq!(found, [""; 0]);
    let planted = "fn at() {\n    jiff::Timestamp::now()\n}\n\n#[cfg(test)]\nmod tests {\n    f64\n}\n// f32\nfn g(x: f64) {}\n";
    let words = ["Timestamp::now", "f64", "f32"];
    assert_eq!(
        mentions("x.rs", planted, &words),
        ["x.rs:2: Timestamp::now", "x.rs:10: f64"]
    );
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
            None => assert!(
                bins.is_empty()
                    || ["cli", "bench", "tests", "tests/sim"].contains(&folder.as_str()),
                "{folder}: {bins:?}"
            ),
        }
    }
    assert_eq!(shipped, BTreeSet::from_iter(tree::folders("functions")));
    let makefile = tree::read("Makefile");
    let built = makefile
        .lines()
        .find_map(|line| line.strip_prefix("FUNCTIONS := "))
        .unwrap();
    assert_eq!(shipped, built.split(' ').map(str::to_owned).collect());
}

#[test]
fn the_twins_are_for_tests_and_bench_only() {
    let packages = packages().into_iter();
    let are_tests = |folder: &str| matches!(folder, "tests" | "tests/sim" | "bench");
    for (folder, package) in packages.filter(|(folder, _)| !are_tests(folder)) {
        let mut features = package
            .dependencies
            .iter()
            .flat_map(|dependency| &dependency.features);
        assert!(!features.any(|feature| feature == "fakes"), "{folder}");
    }
}

#[test]
fn no_folder_is_a_drawer_for_everything() {
    let names = ["", "crates", "functions"]
        .into_iter()
        .flat_map(tree::folders);
    for name in names {
        assert!(
            !matches!(
                name.as_str(),
                "common" | "utils" | "util" | "shared" | "helpers"
            ),
            "{name}"
        );
        assert!(
            !name.starts_with(|letter: char| letter.is_ascii_digit()),
            "{name}: numbered"
        );
    }
}

#[test]
fn functions_and_modules_are_short() {
    let mut long = Vec::new();
    for (path, text) in all_sources() {
        long.extend(long_functions(&path, &text, MAX_FUNCTION_LINES));
        if !LONG_MODULES.contains(&path.as_str()) {
            long.extend(long_module(&path, &text, MAX_MODULE_LINES));
        }
    }
    assert_eq!(long, [""; 0]);
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
    let declares = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\npub(crate) mod fixture;\n";
    assert_eq!(
        test_modules("crates/core/src/mp4.rs", declares),
        [
            "crates/core/src/mp4/tests.rs",
            "crates/core/src/mp4/fixture.rs"
        ]
    );
    assert_eq!(
        test_modules("src/mp4/mod.rs", declares)[0],
        "src/mp4/tests.rs"
    );
    assert_eq!(long_module("x.rs", &long, 75), None);
    assert_eq!(long_module("x.rs", &long, 74), Some("x.rs: 75".to_owned()));
}
