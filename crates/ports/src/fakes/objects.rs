//! An object store in memory: objects. Uploads in parts are in the neighbour module.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use cattube_contract::Fault;

use super::answers::{etag_of, index_of, refusal, size_of};
use super::multipart::Upload;
use super::{FaultPlan, locked};
use crate::objects::{NewObject, ObjectHead};
use crate::{Objects, PortError};

/// The most keys that one list or delete call handles.
const MAX_KEYS: usize = 1000;

/// An `Object Created` event that the store would have emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectCreated {
    /// Where.
    pub key: String,
    /// How much.
    pub size_bytes: u64,
    /// Which writing.
    pub etag: String,
    /// Grows with every writing, in hex as S3 states it.
    pub sequencer: String,
    /// `PutObject`, `CopyObject` or `CompleteMultipartUpload`.
    pub reason: &'static str,
}

#[derive(Debug)]
struct Stored {
    bytes: Bytes,
    head: ObjectHead,
    content_type: String,
    cache_control: String,
}

/// What a bucket holds.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    objects: BTreeMap<String, Stored>,
    created: Vec<ObjectCreated>,
    writings: u64,
    range_bytes: BTreeMap<String, u64>,
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) uploads_begun: u32,
}

/// A writing of an object, whichever way it came.
pub(super) struct Writing {
    pub(super) key: String,
    pub(super) bytes: Bytes,
    pub(super) etag: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) content_type: String,
    pub(super) cache_control: String,
    pub(super) reason: &'static str,
}

impl Bucket {
    pub(super) fn write(&mut self, writing: Writing) {
        let size_bytes = size_of(&writing.bytes);
        self.writings = self.writings.saturating_add(1);
        self.created.push(ObjectCreated {
            key: writing.key.clone(),
            size_bytes,
            etag: writing.etag.clone(),
            sequencer: format!("{:016X}", self.writings),
            reason: writing.reason,
        });
        let stored = Stored {
            bytes: writing.bytes,
            head: ObjectHead {
                size_bytes,
                etag: writing.etag,
                metadata: writing.metadata,
            },
            content_type: writing.content_type,
            cache_control: writing.cache_control,
        };
        self.objects.insert(writing.key, stored);
    }
}

impl Bucket {
    fn copy(&mut self, from: &str, to: &str) -> Result<(), PortError> {
        let Some(stored) = self.objects.get(from) else {
            return Err(PortError::ObjectMissing {
                operation: "copy",
                key: from.to_owned(),
            });
        };
        let writing = Writing {
            key: to.to_owned(),
            bytes: stored.bytes.clone(),
            etag: stored.head.etag.clone(),
            metadata: stored.head.metadata.clone(),
            content_type: stored.content_type.clone(),
            cache_control: stored.cache_control.clone(),
            reason: "CopyObject",
        };
        self.write(writing);
        Ok(())
    }
}

/// One bucket. Tags come from the bytes, so the same writing has the same tag in every run.
#[derive(Debug, Clone, Default)]
pub struct MemoryObjects {
    faults: FaultPlan,
    bucket: Arc<Mutex<Bucket>>,
}

impl MemoryObjects {
    /// An empty bucket under a plan of faults.
    #[must_use]
    pub fn new(faults: FaultPlan) -> Self {
        Self {
            faults,
            bucket: Arc::default(),
        }
    }

    /// Puts an object there as a client from outside would, with notes; no port call.
    pub fn put_master(&self, key: &str, bytes: impl Into<Bytes>, metadata: &[(&str, &str)]) {
        let bytes = bytes.into();
        let notes = metadata
            .iter()
            .map(|(name, note)| (name.to_lowercase(), (*note).to_owned()));
        self.bucket().write(Writing {
            key: key.to_owned(),
            etag: etag_of(&bytes),
            bytes,
            metadata: notes.collect(),
            content_type: "binary/octet-stream".to_owned(),
            cache_control: String::new(),
            reason: "PutObject",
        });
    }

    /// Takes out the `Object Created` events since the last time.
    #[must_use]
    pub fn drain_created(&self) -> Vec<ObjectCreated> {
        std::mem::take(&mut self.bucket().created)
    }

    /// All keys, in order; no port call.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.bucket().objects.keys().cloned().collect()
    }

    /// An object's bytes; no port call.
    #[must_use]
    pub fn bytes_of(&self, key: &str) -> Option<Bytes> {
        let bucket = self.bucket();
        bucket.objects.get(key).map(|stored| stored.bytes.clone())
    }

    /// What readers are told: `Content-Type` and `Cache-Control`; no port call.
    #[must_use]
    pub fn headers_of(&self, key: &str) -> Option<(String, String)> {
        let bucket = self.bucket();
        let stored = bucket.objects.get(key)?;
        Some((stored.content_type.clone(), stored.cache_control.clone()))
    }

    /// How many bytes of an object were read by ranges.
    #[must_use]
    pub fn range_bytes_read(&self, key: &str) -> u64 {
        let bucket = self.bucket();
        bucket.range_bytes.get(key).copied().unwrap_or(0)
    }

    pub(super) fn bucket(&self) -> MutexGuard<'_, Bucket> {
        locked(&self.bucket)
    }

    pub(super) fn call<T>(
        &self,
        operation: &'static str,
        key: &str,
        effect: impl FnOnce(&mut Bucket) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let error = |reason| refusal(operation, key, Fault::Transient, reason);
        self.faults
            .call(operation, key, error, || effect(&mut self.bucket()))
    }
}

#[async_trait]
impl Objects for MemoryObjects {
    async fn head(&self, key: &str) -> Result<Option<ObjectHead>, PortError> {
        self.call("head", key, |bucket| {
            Ok(bucket.objects.get(key).map(|stored| stored.head.clone()))
        })
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, PortError> {
        self.call("get", key, |bucket| {
            Ok(bucket.objects.get(key).map(|stored| stored.bytes.clone()))
        })
    }

    async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, PortError> {
        let operation = "get_range";
        self.call(operation, key, |bucket| {
            let named = || key.to_owned();
            let Some(stored) = bucket.objects.get(key) else {
                let key = named();
                return Err(PortError::ObjectMissing { operation, key });
            };
            if etag.is_some_and(|etag| etag != stored.head.etag) {
                let key = named();
                return Err(PortError::ObjectChanged { operation, key });
            }
            let span = index_of(range.start)..index_of(range.end);
            let Some(bytes) = stored.bytes.get(span.clone()) else {
                let reason = format!("{span:?} is not within {} bytes", stored.bytes.len());
                return Err(refusal(operation, key, Fault::Permanent, reason));
            };
            let count = bucket.range_bytes.entry(named()).or_default();
            *count = count.saturating_add(range.end.saturating_sub(range.start));
            Ok(stored.bytes.slice_ref(bytes))
        })
    }

    async fn put(&self, object: NewObject) -> Result<(), PortError> {
        let key = object.key.clone();
        self.call("put", &key, |bucket| {
            bucket.write(Writing {
                etag: etag_of(&object.bytes),
                key: object.key,
                bytes: object.bytes,
                metadata: BTreeMap::new(),
                content_type: object.content_type.to_owned(),
                cache_control: object.cache_control.to_owned(),
                reason: "PutObject",
            });
            Ok(())
        })
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, PortError> {
        self.call("list", prefix, |bucket| {
            let keys = bucket
                .objects
                .range(prefix.to_owned()..)
                .map(|(key, _)| key);
            let found = keys
                .take_while(|key| key.starts_with(prefix))
                .filter(|key| after.is_none_or(|after| key.as_str() > after));
            Ok(found.take(MAX_KEYS).cloned().collect())
        })
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), PortError> {
        self.call("copy", to, |bucket| bucket.copy(from, to))
    }

    async fn delete_writing(&self, key: &str, etag: &str) -> Result<(), PortError> {
        self.call("delete_writing", key, |bucket| {
            let is_meant = |stored: &Stored| stored.head.etag == etag;
            if bucket.objects.get(key).is_some_and(is_meant) {
                bucket.objects.remove(key);
            }
            Ok(())
        })
    }

    async fn delete(&self, keys: &[String]) -> Result<(), PortError> {
        let first = keys.first().map_or("", String::as_str);
        self.call("delete", first, |bucket| {
            if keys.len() > MAX_KEYS {
                let reason = format!("{} keys, over {MAX_KEYS}", keys.len());
                return Err(refusal("delete", first, Fault::Permanent, reason));
            }
            for key in keys {
                bucket.objects.remove(key);
            }
            Ok(())
        })
    }
}
