//! The tables: one a function.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cattube_contract::Fault;
use cattube_ports::table::{Item, Query};
use cattube_ports::{PortError, Table};
use serde_json::Value;

use crate::kernel::{Call, Port};
use crate::planted::Bug;
use crate::state::{State, WHO_COUNT, Who};

/// Items by their sort keys.
pub type Partition = BTreeMap<String, Item>;

/// Every function's table, by partition.
#[derive(Debug, Default)]
pub struct Tables([BTreeMap<String, Partition>; WHO_COUNT]);

impl Tables {
    /// A function's table.
    #[must_use]
    pub fn of(&self, who: Who) -> &BTreeMap<String, Partition> {
        &self.0[who.place()]
    }

    fn of_mut(&mut self, who: Who) -> &mut BTreeMap<String, Partition> {
        &mut self.0[who.place()]
    }
}

impl State {
    /// Changes an item behind everybody's back.
    pub fn overwrite(
        &mut self,
        who: Who,
        partition: &str,
        sort: &str,
        change: impl FnOnce(&mut Value),
    ) {
        let items = self.tables.of_mut(who).get_mut(partition);
        let Some(item) = items.and_then(|items| items.get_mut(sort)) else {
            return;
        };
        change(&mut item.body);
        let body = item.body.clone();
        self.saw_save(who, partition, sort, &body);
    }
}

/// A function's own table.
#[derive(Clone)]
pub struct SimTable(pub Port);

impl SimTable {
    async fn call<T>(
        &self,
        operation: &'static str,
        key: &str,
        effect: impl FnOnce(&mut State) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let error = |reason| PortError::Table {
            operation,
            key: key.to_owned(),
            fault: Fault::Transient,
            reason,
        };
        let call = Call {
            operation,
            subject: key,
        };
        self.0.call(call, error, effect).await
    }
}

#[async_trait]
impl Table for SimTable {
    async fn load(&self, partition_key: &str, sort_key: &str) -> Result<Option<Item>, PortError> {
        self.call("load", sort_key, |state| {
            let table = state.tables.of(self.0.who);
            let items = table.get(partition_key);
            Ok(items.and_then(|items| items.get(sort_key)).cloned())
        })
        .await
    }

    async fn save(
        &self,
        partition_key: &str,
        sort_key: &str,
        expected: Option<u64>,
        body: &Value,
    ) -> Result<(), PortError> {
        self.call("save", sort_key, |state| {
            let who = self.0.who;
            let is_blind = state.has(Bug::NoVersionCheck);
            let items = state.tables.of_mut(who);
            if !items.contains_key(partition_key) {
                items.insert(partition_key.to_owned(), Partition::new());
            }
            let Some(items) = items.get_mut(partition_key) else {
                return Ok(());
            };
            let standing = items.get(sort_key).map(|item| item.version);
            // Items that are written once have no version to forget.
            let is_blind = is_blind && expected.is_some();
            if standing != expected && !is_blind {
                let key = sort_key.to_owned();
                return Err(PortError::Conflict { key });
            }
            let item = Item {
                sort_key: sort_key.to_owned(),
                version: standing.map_or(1, |version| version + 1),
                body: body.clone(),
            };
            items.insert(sort_key.to_owned(), item);
            state.saw_save(who, partition_key, sort_key, body);
            Ok(())
        })
        .await
    }

    async fn query(&self, query: Query<'_>) -> Result<Vec<Item>, PortError> {
        self.call("query", query.sort_prefix, |state| {
            let Some(items) = state.tables.of(self.0.who).get(query.partition_key) else {
                return Ok(Vec::new());
            };
            let beyond = |item: &&Item| match query.after {
                None => true,
                Some(after) if query.descending => item.sort_key.as_str() < after,
                Some(after) => item.sort_key.as_str() > after,
            };
            let mut found: Vec<&Item> = items
                .range(query.sort_prefix.to_owned()..)
                .map(|(_, item)| item)
                .take_while(|item| item.sort_key.starts_with(query.sort_prefix))
                .collect();
            if query.descending {
                found.reverse();
            }
            let found = found.into_iter().filter(beyond).take(query.limit);
            Ok(found.cloned().collect())
        })
        .await
    }
}
