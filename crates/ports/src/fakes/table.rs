//! A table in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cattube_contract::Fault;
use serde_json::Value;

use super::{FaultPlan, locked};
use crate::table::{Item, Query};
use crate::{PortError, Table};

type Partition = BTreeMap<String, Item>;

/// A table with the same version condition and the same order as the real one.
#[derive(Debug, Clone, Default)]
pub struct MemoryTable {
    faults: FaultPlan,
    partitions: Arc<Mutex<BTreeMap<String, Partition>>>,
}

impl MemoryTable {
    /// An empty table under a plan of faults.
    #[must_use]
    pub fn new(faults: FaultPlan) -> Self {
        Self {
            faults,
            partitions: Arc::default(),
        }
    }

    /// Every item with its partition key, in order, for assertions.
    #[must_use]
    pub fn items(&self) -> Vec<(String, Item)> {
        let partitions = locked(&self.partitions);
        let item_of = |(key, items): (&String, &Partition)| {
            let key = key.clone();
            let items: Vec<_> = items.values().cloned().collect();
            items.into_iter().map(move |item| (key.clone(), item))
        };
        partitions.iter().flat_map(item_of).collect()
    }

    fn call<T>(
        &self,
        operation: &'static str,
        key: String,
        effect: impl FnOnce(&mut BTreeMap<String, Partition>) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let subject = key.clone();
        let error = |reason| PortError::Table {
            operation,
            key,
            fault: Fault::Transient,
            reason,
        };
        self.faults.call(operation, &subject, error, || {
            effect(&mut locked(&self.partitions))
        })
    }
}

#[async_trait]
impl Table for MemoryTable {
    async fn load(&self, partition_key: &str, sort_key: &str) -> Result<Option<Item>, PortError> {
        self.call(
            "load",
            format!("{partition_key}/{sort_key}"),
            |partitions| {
                let item = partitions
                    .get(partition_key)
                    .and_then(|items| items.get(sort_key));
                Ok(item.cloned())
            },
        )
    }

    async fn save(
        &self,
        partition_key: &str,
        sort_key: &str,
        expected: Option<u64>,
        body: &Value,
    ) -> Result<(), PortError> {
        let key = format!("{partition_key}/{sort_key}");
        self.call("save", key.clone(), |partitions| {
            let items = partitions.entry(partition_key.to_owned()).or_default();
            if items.get(sort_key).map(|item| item.version) != expected {
                return Err(PortError::Conflict { key });
            }
            let item = Item {
                sort_key: sort_key.to_owned(),
                version: expected.map_or(1, |version| version.saturating_add(1)),
                body: body.clone(),
            };
            items.insert(sort_key.to_owned(), item);
            Ok(())
        })
    }

    async fn query(&self, query: Query<'_>) -> Result<Vec<Item>, PortError> {
        let key = format!("{}/{}*", query.partition_key, query.sort_prefix);
        self.call("query", key, |partitions| {
            let Some(items) = partitions.get(query.partition_key) else {
                return Ok(Vec::new());
            };
            let mut found: Vec<&Item> = items.values().collect();
            if query.descending {
                found.reverse();
            }
            let beyond = |item: &&Item| match query.after {
                None => true,
                Some(after) if query.descending => item.sort_key.as_str() < after,
                Some(after) => item.sort_key.as_str() > after,
            };
            let found = found
                .into_iter()
                .filter(|item| item.sort_key.starts_with(query.sort_prefix))
                .filter(beyond)
                .take(query.limit);
            Ok(found.cloned().collect())
        })
    }
}
