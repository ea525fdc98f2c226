//! `template.yaml` as plain JSON: `!Ref X` becomes `{"Ref": "X"}`, `!GetAtt X.Arn`
//! `{"Fn::GetAtt": "X.Arn"}`, and so on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use serde_yaml_ng::Value as Yaml;

use crate::tree;

/// The template of this repository.
pub fn template() -> Value {
    plain(&serde_yaml_ng::from_str(&tree::read("template.yaml")).unwrap())
}

fn plain(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::from(*value),
        Yaml::Number(number) => serde_json::to_value(number).unwrap(),
        Yaml::String(text) => Value::from(text.as_str()),
        Yaml::Sequence(items) => items.iter().map(plain).collect(),
        Yaml::Mapping(fields) => {
            let field =
                |(name, value): (&Yaml, &Yaml)| (name.as_str().unwrap().to_owned(), plain(value));
            fields.iter().map(field).collect::<Map<_, _>>().into()
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = match tag.trim_start_matches('!') {
                "Ref" => "Ref".to_owned(),
                function => format!("Fn::{function}"),
            };
            Map::from_iter([(name, plain(&tagged.value))]).into()
        }
    }
}

/// The properties of every resource of a type, by its name.
pub fn resources<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let resources = template["Resources"].as_object().unwrap().iter();
    resources
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
        .collect()
}

/// The resource in `!Ref X`, `!GetAtt X.Arn`.
pub fn target(value: &Value) -> Option<&str> {
    let reference = value.get("Ref").or(value.get("Fn::GetAtt"))?.as_str()?;
    reference.split('.').next()
}

/// Every resource and parameter that a value names, in `!Ref`, `!GetAtt` and `!Sub`.
pub fn named(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::Array(items) => items.iter().flat_map(named).collect(),
        Value::Object(fields) => {
            let mut names: BTreeSet<_> = target(value).into_iter().collect();
            if let Some(text) = fields.get("Fn::Sub").and_then(Value::as_str) {
                let inserts = text.split("${").skip(1);
                names.extend(inserts.filter_map(|insert| insert.split(['.', '}']).next()));
            }
            names.extend(fields.values().flat_map(named));
            names
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeSet::new(),
    }
}

/// The items of a list, or the one thing that stands where a list may.
pub fn list(value: &Value) -> Vec<&Value> {
    if let Some(items) = value.as_array() {
        return items.iter().collect();
    }
    let one = Some(value).filter(|value| !value.is_null());
    one.into_iter().collect()
}

/// The texts of such a list.
pub fn texts(value: &Value) -> Vec<&str> {
    list(value).into_iter().filter_map(Value::as_str).collect()
}

/// The stages that the template can be deployed as.
pub fn stages(template: &Value) -> Vec<&str> {
    texts(&template["Parameters"]["Stage"]["AllowedValues"])
}

/// A number in a stage: itself, or looked up in a mapping by the stage.
pub fn number(template: &Value, value: &Value, stage: &str) -> Option<u64> {
    let Some(find) = value.get("Fn::FindInMap") else {
        return value.as_u64();
    };
    let (map, row, column) = (find[0].as_str()?, find[1].as_str()?, target(&find[2])?);
    assert_eq!(column, "Stage");
    template["Mappings"][map][row][stage].as_u64()
}

/// A Lambda function: its name in the template and what concerns it.
pub struct Function<'a> {
    pub name: &'a str,
    /// Its folder in `functions/`.
    pub folder: &'a str,
    pub properties: &'a Value,
    /// Its environment, with that of all functions.
    pub environment: BTreeMap<&'a str, &'a Value>,
    /// The queues that wake it, with the properties of each event source.
    pub queues: Vec<(&'a str, &'a Value)>,
}

pub fn functions(template: &Value) -> Vec<Function<'_>> {
    let common = &template["Globals"]["Function"]["Environment"]["Variables"];
    let functions = resources(template, "AWS::Serverless::Function").into_iter();
    functions
        .map(|(name, properties)| {
            let own = &properties["Environment"]["Variables"];
            let variables = [common, own]
                .into_iter()
                .filter_map(Value::as_object)
                .flatten();
            let events = properties["Events"]
                .as_object()
                .into_iter()
                .flat_map(Map::values);
            let sources = events
                .filter(|event| event["Type"] == "SQS")
                .map(|event| &event["Properties"]);
            Function {
                name,
                folder: template["Resources"][name]["Metadata"]["BuildProperties"]["Binary"]
                    .as_str()
                    .unwrap(),
                properties,
                environment: variables
                    .map(|(name, value)| (name.as_str(), value))
                    .collect(),
                queues: sources
                    .filter_map(|source| Some((target(&source["Queue"])?, source)))
                    .collect(),
            }
        })
        .collect()
}

/// Every statement of IAM policies that roles carry, with the role's name.
pub fn statements(template: &Value) -> Vec<(&str, &Value)> {
    let roles = resources(template, "AWS::IAM::Role").into_iter();
    let policies = roles.flat_map(|(name, role)| {
        list(&role["Policies"])
            .into_iter()
            .map(move |policy| (name, policy))
    });
    let statements = policies.flat_map(|(name, policy)| {
        let statements = list(&policy["PolicyDocument"]["Statement"]).into_iter();
        statements.map(move |statement| (name, statement))
    });
    statements.collect()
}
