//! DynamoDB behind the port `Table`: keys `pk` and `sk`, a `version`, and the document in
//! `body`, as attributes and not as text, so that an operator can read it.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use aws_smithy_types::error::display::DisplayErrorContext;
use cattube_contract::Fault;
use cattube_ports::table::{Item, Query};
use cattube_ports::{PortError, Table};
use serde_json::Value;

use crate::pause;

/// A table.
#[derive(Debug, Clone)]
pub struct DynamoDb {
    client: Client,
    name: String,
}

type Attributes = HashMap<String, AttributeValue>;

impl DynamoDb {
    /// The table `name`.
    #[must_use]
    pub fn new(config: &SdkConfig, name: String) -> Self {
        Self {
            client: Client::new(config),
            name,
        }
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// What a failed call means.
fn failure<E>(operation: &'static str, key: &str, error: &SdkError<E>) -> PortError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    let key = key.to_owned();
    match code {
        Some("ConditionalCheckFailedException") => PortError::Conflict { key },
        Some("ValidationException" | "AccessDeniedException" | "ResourceNotFoundException") => {
            PortError::Table {
                operation,
                key,
                fault: Fault::Permanent,
                reason: DisplayErrorContext(error).to_string(),
            }
        }
        Some(_) | None => PortError::Table {
            operation,
            key,
            fault: Fault::Transient,
            reason: DisplayErrorContext(error).to_string(),
        },
    }
}

fn damaged(operation: &'static str, key: &str, reason: String) -> PortError {
    PortError::Table {
        operation,
        key: key.to_owned(),
        fault: Fault::Permanent,
        reason,
    }
}

fn to_item(mut attributes: Attributes) -> Result<Item, PortError> {
    let Some(AttributeValue::S(sort_key)) = attributes.remove("sk") else {
        return Err(damaged("read", "?", "no sort key".to_owned()));
    };
    let version = attributes
        .get("version")
        .and_then(|value| value.as_n().ok())
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| damaged("read", &sort_key, "no version".to_owned()))?;
    let body = attributes
        .remove("body")
        .ok_or_else(|| damaged("read", &sort_key, "no body".to_owned()))?;
    let body = serde_dynamo::from_attribute_value(body)
        .map_err(|error| damaged("read", &sort_key, error.to_string()))?;
    Ok(Item {
        sort_key,
        version,
        body,
    })
}

/// Whether what stands there is what was to be written: the SDK tried again after it had been,
/// and the reply was lost. One who wrote the very same beside this one is served as well.
fn is_this_write(found: &Attributes, version: u64, document: &AttributeValue) -> bool {
    let version = AttributeValue::N(version.to_string());
    found.get("version") == Some(&version) && found.get("body") == Some(document)
}

#[async_trait]
impl Table for DynamoDb {
    async fn load(&self, partition_key: &str, sort_key: &str) -> Result<Option<Item>, PortError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("pk", text(partition_key))
            .key("sk", text(sort_key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failure("load", sort_key, &error))?;
        answer.item.map(to_item).transpose()
    }

    async fn save(
        &self,
        partition_key: &str,
        sort_key: &str,
        expected: Option<u64>,
        body: &Value,
    ) -> Result<(), PortError> {
        let document: AttributeValue = serde_dynamo::to_attribute_value(body)
            .map_err(|error| damaged("save", sort_key, error.to_string()))?;
        let version = expected.unwrap_or(0).saturating_add(1);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .item("pk", text(partition_key))
            .item("sk", text(sort_key))
            .item("version", AttributeValue::N(version.to_string()))
            .item("body", document.clone());
        let put = match expected {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(expected) => put
                .condition_expression("version = :expected")
                .expression_attribute_values(":expected", AttributeValue::N(expected.to_string())),
        };
        let put = put
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else {
            return Ok(());
        };
        // A new item that stands already is told of in any case: it is how a claim is lost.
        if let Some(PutItemError::ConditionalCheckFailedException(found)) = error.as_service_error()
            && expected.is_some()
            && found
                .item()
                .is_some_and(|item| is_this_write(item, version, &document))
        {
            return Ok(());
        }
        let failure = failure("save", sort_key, &error);
        if expected.is_some() && matches!(failure, PortError::Conflict { .. }) {
            // Whoever lost a race comes to the next one at another time than the others.
            pause().await;
        }
        Err(failure)
    }

    async fn query(&self, query: Query<'_>) -> Result<Vec<Item>, PortError> {
        let mut items = Vec::new();
        let mut from = query.after.map(|after| {
            HashMap::from([
                ("pk".to_owned(), text(query.partition_key)),
                ("sk".to_owned(), text(after)),
            ])
        });
        // DynamoDB ends a page at 1 MiB, so a full answer can take several.
        while items.len() < query.limit {
            let left = i32::try_from(query.limit - items.len()).unwrap_or(i32::MAX);
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", text(query.partition_key))
                .expression_attribute_values(":prefix", text(query.sort_prefix))
                .scan_index_forward(!query.descending)
                .set_exclusive_start_key(from)
                .limit(left)
                .send()
                .await
                .map_err(|error| failure("query", query.partition_key, &error))?;
            for item in answer.items.unwrap_or_default() {
                items.push(to_item(item)?);
            }
            from = answer.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_known_by_its_version_and_its_document() {
        let document = text("ready");
        let item = |version: &str, body: AttributeValue| {
            HashMap::from([
                ("version".to_owned(), AttributeValue::N(version.to_owned())),
                ("body".to_owned(), body),
            ])
        };
        assert!(is_this_write(&item("4", document.clone()), 4, &document));
        assert!(!is_this_write(&item("5", document.clone()), 4, &document));
        assert!(!is_this_write(&item("4", text("deleted")), 4, &document));
        assert!(!is_this_write(&HashMap::new(), 4, &document));
    }
}
