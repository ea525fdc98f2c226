//! The rules on how the template and the functions' sources fit; each gives what breaks it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::{functions, named, resources, target};
use crate::tree;

/// What a function may be given although the contract does not name it.
const NOT_OF_THE_CONTRACT: &[&str] = &["RUST_LOG"];

/// The routes without the authorizer: the links of tickets, which carry a signature instead.
const OPEN_ROUTES: &[&str] = &["GET /v1/answers/{id}", "POST /v1/answers/{id}"];

/// The names of the contract's environment variables: Rust's and the system's.
fn contract_variables() -> BTreeMap<String, String> {
    let source = tree::read("crates/contract/src/env.rs");
    let constant = |line: &str| {
        let (name, value) = line.strip_prefix("pub const ")?.split_once(": &str = \"")?;
        Some((name.to_owned(), value.trim_end_matches("\";").to_owned()))
    };
    source.lines().filter_map(constant).collect()
}

/// A function is given what its `main.rs` reads, and nothing else.
pub fn environment(template: &Value) -> Vec<String> {
    let variables = contract_variables();
    let mut broken = Vec::new();
    let mut unread: BTreeSet<_> = variables.values().cloned().collect();
    for function in functions(template) {
        let main = tree::read(&format!("functions/{}/src/main.rs", function.folder));
        let words = main.split("env::").skip(1);
        let words = words.filter_map(|rest| {
            rest.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_')
                .next()
        });
        let read: BTreeSet<_> = words
            .filter_map(|word| variables.get(word))
            .map(String::as_str)
            .collect();
        let given: BTreeSet<_> = function
            .environment
            .keys()
            .copied()
            .filter(|name| !NOT_OF_THE_CONTRACT.contains(name))
            .collect();
        broken.extend(
            read.difference(&given)
                .map(|name| format!("{} is not given {name}", function.name)),
        );
        broken.extend(
            given
                .difference(&read)
                .map(|name| format!("{} does not read {name}", function.name)),
        );
        unread.retain(|name| !read.contains(name.as_str()));
    }
    broken.extend(unread.iter().map(|name| format!("nobody reads {name}")));
    broken
}

/// The API has the routes that the functions answer, each behind the authorizer but for the
/// links of tickets.
pub fn routes(template: &Value) -> Vec<String> {
    let functions = functions(template);
    let integrations = resources(template, "AWS::ApiGatewayV2::Integration");
    let authorizers = resources(template, "AWS::ApiGatewayV2::Authorizer");
    let permitted = resources(template, "AWS::Lambda::Permission");
    let permitted: Vec<_> = permitted
        .values()
        .filter_map(|permission| target(&permission["FunctionName"]))
        .collect();
    let mut broken = Vec::new();
    let mut routed: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, route) in resources(template, "AWS::ApiGatewayV2::Route") {
        let key = route["RouteKey"].as_str().unwrap_or_default();
        let authorizer = target(&route["AuthorizerId"]).and_then(|name| authorizers.get(name));
        let open = route["AuthorizationType"] != "JWT"
            || authorizer.is_none_or(|authorizer| authorizer["AuthorizerType"] != "JWT");
        if open && !OPEN_ROUTES.contains(&key) {
            broken.push(format!("{name}: {key} is open to everybody"));
        }
        if !open && OPEN_ROUTES.contains(&key) {
            broken.push(format!("{name}: whoever follows {key} has no token"));
        }
        let integration = named(&route["Target"])
            .into_iter()
            .find_map(|name| integrations.get(name));
        let to = integration.and_then(|integration| target(&integration["IntegrationUri"]));
        let Some(function) = functions.iter().find(|function| Some(function.name) == to) else {
            broken.push(format!("{name}: {key} leads nowhere"));
            continue;
        };
        if integration.is_none_or(|integration| integration["PayloadFormatVersion"] != "2.0") {
            broken.push(format!("{name}: another payload than the samples have"));
        }
        if !permitted.contains(&function.name) {
            broken.push(format!("{name}: the API may not invoke {}", function.name));
        }
        routed
            .entry(function.folder)
            .or_default()
            .insert(key.to_owned());
    }
    for function in functions {
        let answered = tree::routes(function.folder);
        let routed = routed.remove(function.folder).unwrap_or_default();
        broken.extend(
            answered
                .difference(&routed)
                .map(|key| format!("{key} has no route to {}", function.name)),
        );
        broken.extend(
            routed
                .difference(&answered)
                .map(|key| format!("{key} is not answered by {}", function.name)),
        );
    }
    broken
}
