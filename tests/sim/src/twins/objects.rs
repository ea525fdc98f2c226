//! The object store's port.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use cattube_contract::Fault;
use cattube_ports::objects::{NewObject, ObjectHead};
use cattube_ports::{Objects, PortError};

use super::bucket::etag_of;
use crate::kernel::{Call, Happening, Port, Store};
use crate::planted::{Bug, unnumbered};
use crate::state::{State, Who};

/// The most keys of one list or delete call.
const MAX_KEYS: usize = 1_000;

/// A bucket, as one function sees it.
#[derive(Clone)]
pub struct SimObjects(pub Port);

pub(super) fn refusal(
    operation: &'static str,
    key: &str,
    fault: Fault,
    reason: String,
) -> PortError {
    PortError::Object {
        operation,
        key: key.to_owned(),
        fault,
        reason,
    }
}

pub(super) fn missing(operation: &'static str, key: &str) -> PortError {
    PortError::ObjectMissing {
        operation,
        key: key.to_owned(),
    }
}

impl SimObjects {
    pub(super) fn is_masters(&self) -> bool {
        self.0.store == Store::Masters
    }

    /// The key as the store has it.
    fn key(&self, key: &str) -> String {
        if self.0.kernel.lock().has(Bug::GenerationsMixed) {
            return unnumbered(key);
        }
        key.to_owned()
    }

    pub(super) async fn call<T>(
        &self,
        operation: &'static str,
        key: &str,
        effect: impl FnOnce(&mut State) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let call = Call {
            operation,
            subject: key,
        };
        let error = |reason| refusal(operation, key, Fault::Transient, reason);
        self.0.call(call, error, effect).await
    }
}

fn range_of(
    state: &mut State,
    is_masters: bool,
    key: &str,
    range: Range<u64>,
    etag: Option<&str>,
) -> Result<Bytes, PortError> {
    let operation = "get_range";
    let Some(stored) = state.bucket(is_masters).objects.get(key) else {
        return Err(missing(operation, key));
    };
    if etag.is_some_and(|etag| etag != stored.head.etag) {
        return Err(PortError::ObjectChanged {
            operation,
            key: key.to_owned(),
        });
    }
    let span = range.start as usize..range.end as usize;
    if let Some(bytes) = stored.bytes.get(span.clone()) {
        return Ok(stored.bytes.slice_ref(bytes));
    }
    let reason = format!("{span:?} is not within {} bytes", stored.bytes.len());
    Err(refusal(operation, key, Fault::Permanent, reason))
}

#[async_trait]
impl Objects for SimObjects {
    async fn head(&self, key: &str) -> Result<Option<ObjectHead>, PortError> {
        let key = &self.key(key);
        self.call("head", key, |state| {
            let found = state.bucket(self.is_masters()).objects.get(key);
            Ok(found.map(|stored| stored.head.clone()))
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, PortError> {
        let key = &self.key(key);
        self.call("get", key, |state| {
            let found = state.bucket(self.is_masters()).objects.get(key);
            Ok(found.map(|stored| stored.bytes.clone()))
        })
        .await
    }

    async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, PortError> {
        let key = &self.key(key);
        self.call("get_range", key, |state| {
            range_of(state, self.is_masters(), key, range, etag)
        })
        .await
    }

    async fn put(&self, object: NewObject) -> Result<(), PortError> {
        let key = self.key(&object.key);
        self.call("put", &key, |state| {
            if state.has(Bug::LateSegments) && key.ends_with(".m4s") {
                let at = state.now + 60_000;
                state.plan(at, Happening::LateWrite(key.clone(), object.bytes.clone()));
                return Ok(());
            }
            let etag = etag_of(&object.bytes);
            let bytes = object.bytes.clone();
            state.write(
                self.is_masters(),
                &key,
                bytes,
                etag,
                BTreeMap::new(),
                "PutObject",
            );
            state.saw_put(self.is_masters(), &key, &object.bytes);
            Ok(())
        })
        .await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, PortError> {
        let prefix = &self.key(prefix);
        self.call("list", prefix, |state| {
            if state.has(Bug::PurgeForgetsWork) && self.0.who == Who::Manage && self.is_masters() {
                return Ok(Vec::new());
            }
            let keys = state.bucket(self.is_masters()).keys(prefix);
            let found = keys.filter(|key| after.is_none_or(|after| key.as_str() > after));
            Ok(found.take(MAX_KEYS).cloned().collect())
        })
        .await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), PortError> {
        let (from, to) = (&self.key(from), &self.key(to));
        self.call("copy", to, |state| {
            let Some(stored) = state.bucket(self.is_masters()).objects.get(from).cloned() else {
                return Err(missing("copy", from));
            };
            let bytes = stored.bytes.clone();
            let head = stored.head;
            state.write(
                self.is_masters(),
                to,
                stored.bytes,
                head.etag,
                head.metadata,
                "CopyObject",
            );
            state.saw_put(self.is_masters(), to, &bytes);
            Ok(())
        })
        .await
    }

    async fn delete_writing(&self, key: &str, etag: &str) -> Result<(), PortError> {
        self.call("delete_writing", key, |state| {
            let objects = &mut state.bucket(self.is_masters()).objects;
            if objects
                .get(key)
                .is_some_and(|stored| stored.head.etag == etag)
            {
                objects.remove(key);
            }
            Ok(())
        })
        .await
    }

    async fn delete(&self, keys: &[String]) -> Result<(), PortError> {
        let first = keys.first().map_or("", String::as_str);
        self.call("delete", first, |state| {
            if keys.len() > MAX_KEYS {
                let reason = format!("{} keys, over {MAX_KEYS}", keys.len());
                return Err(refusal("delete", first, Fault::Permanent, reason));
            }
            for key in keys {
                state.bucket(self.is_masters()).objects.remove(key);
            }
            Ok(())
        })
        .await
    }
}
