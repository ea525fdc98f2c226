//! The rules, as functions over plain data.

/// What each part of the tree may depend on. The tests may on all.
fn allowed(from: &str) -> Option<&'static [&'static str]> {
    match from {
        "crates/contract" | "crates/sandbox" | "cli" => Some(&[]),
        "crates/core" | "crates/ports" => Some(&["crates/contract"]),
        "crates/adapters" => Some(&["crates/contract", "crates/ports", "crates/sandbox"]),
        function if function.starts_with("functions/") => Some(&[
            "crates/contract",
            "crates/core",
            "crates/ports",
            "crates/adapters",
        ]),
        _ => None,
    }
}

/// The dependencies, from folder to folder, that the design forbids.
pub fn broken_directions(edges: &[(String, String)]) -> Vec<String> {
    let broken = |(from, to): &&(String, String)| match allowed(from) {
        Some(allowed) => !allowed.contains(&to.as_str()),
        // What is not named above may depend on anything, if it is a place for that.
        None => !matches!(from.as_str(), "tests" | "tests/sim" | "bench"),
    };
    let broken = edges.iter().filter(broken);
    broken.map(|(from, to)| format!("{from} → {to}")).collect()
}

/// A source without its tests, as rustfmt leaves it: lines with their numbers.
fn without_tests(text: &str) -> Vec<(usize, &str)> {
    let mut lines = text.lines().enumerate().peekable();
    let mut code = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            let indent = &line[..line.len() - line.trim_start().len()];
            let item = lines.next().map_or("", |(_, item)| item);
            if item.ends_with('{') {
                while lines
                    .next_if(|(_, line)| *line != format!("{indent}}}"))
                    .is_some()
                {}
                lines.next();
            }
        } else {
            code.push((number + 1, line));
        }
    }
    code
}

/// Where a source names one of these words, whole.
pub fn mentions(path: &str, text: &str, words: &[&str]) -> Vec<String> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let names = |line: &str, word: &str| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + word.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
    };
    let mut places = Vec::new();
    let code = without_tests(text).into_iter();
    for (number, line) in code.filter(|(_, line)| !line.trim_start().starts_with("//")) {
        let hits = words.iter().filter(|word| names(line, word));
        places.extend(hits.map(|word| format!("{path}:{number}: {word}")));
    }
    places
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
pub fn long_functions(path: &str, text: &str, limit: usize) -> Vec<String> {
    let code = without_tests(text);
    let mut long = Vec::new();
    for (at, (_, line)) in code.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let rest = code.iter().skip(at).map(|(number, line)| (*number, *line));
        let opens = rest
            .clone()
            .find(|(_, line)| line.ends_with(['{', ';', '}']));
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

/// A source longer than `limit` without its tests.
pub fn long_module(path: &str, text: &str, limit: usize) -> Option<String> {
    let lines = without_tests(text).len();
    (lines > limit).then(|| format!("{path}: {lines}"))
}

/// The paths of the modules that a source declares for its tests only.
pub fn test_modules(path: &str, text: &str) -> Vec<String> {
    let folder = path
        .strip_suffix("/mod.rs")
        .or(path.strip_suffix("/lib.rs"));
    let folder = folder.unwrap_or(path.trim_end_matches(".rs"));
    let lines = text.lines().zip(text.lines().skip(1));
    let declared = lines.filter(|(line, _)| line.trim() == "#[cfg(test)]");
    let name = |(_, item): (_, &str)| {
        let name = item.strip_suffix(';')?.rsplit_once("mod ")?.1;
        Some(format!("{folder}/{name}.rs"))
    };
    declared.filter_map(name).collect()
}
