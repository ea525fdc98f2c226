//! An object store: one bucket, or the part of it that a function may touch.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::PortError;

/// What a HEAD tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its size.
    pub size_bytes: u64,
    /// Its entity tag, without quotes.
    pub etag: String,
    /// What the writer noted; keys in lower case.
    pub metadata: BTreeMap<String, String>,
}

/// An object to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject {
    /// Where.
    pub key: String,
    /// What.
    pub bytes: Bytes,
    /// The media type that readers are told.
    pub content_type: &'static str,
    /// The `Cache-Control` that readers are told.
    pub cache_control: &'static str,
}

/// Reads and writes objects.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Size, tag and notes, or `None` if there is no such object.
    ///
    /// # Errors
    /// [`PortError::Object`].
    async fn head(&self, key: &str) -> Result<Option<ObjectHead>, PortError>;

    /// A whole object, or `None` if there is none.
    ///
    /// # Errors
    /// [`PortError::Object`].
    async fn get(&self, key: &str) -> Result<Option<Bytes>, PortError>;

    /// The bytes of a range, all of them; of the writing with this tag, if one is given.
    ///
    /// # Errors
    /// [`PortError::ObjectMissing`], [`PortError::ObjectChanged`], [`PortError::Object`]
    /// (permanent if the object is shorter than the range).
    async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, PortError>;

    /// Writes an object, over any that stands there.
    ///
    /// # Errors
    /// [`PortError::Object`].
    async fn put(&self, object: NewObject) -> Result<(), PortError>;

    /// Up to 1,000 keys that begin with `prefix`, in order, from the one behind `after` on.
    ///
    /// # Errors
    /// [`PortError::Object`].
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, PortError>;

    /// All keys that begin with `prefix`, in order.
    ///
    /// # Errors
    /// [`PortError::Object`].
    async fn list_all(&self, prefix: &str) -> Result<Vec<String>, PortError> {
        let mut keys: Vec<String> = Vec::new();
        loop {
            let page = self.list(prefix, keys.last().map(String::as_str)).await?;
            if page.is_empty() {
                return Ok(keys);
            }
            keys.extend(page);
        }
    }

    /// Removes all objects that begin with `prefix`.
    ///
    /// # Errors
    /// [`PortError::Object`] if any was not removed.
    async fn delete_all(&self, prefix: &str) -> Result<(), PortError> {
        loop {
            let keys = self.list(prefix, None).await?;
            if keys.is_empty() {
                return Ok(());
            }
            self.delete(&keys).await?;
        }
    }

    /// A whole object that has to be there.
    ///
    /// # Errors
    /// [`PortError::ObjectMissing`] if it is not; [`PortError::Object`].
    async fn get_existing(&self, key: &str) -> Result<Bytes, PortError> {
        self.get(key)
            .await?
            .ok_or_else(|| PortError::ObjectMissing {
                operation: "get",
                key: key.to_owned(),
            })
    }

    /// Copies an object within the bucket, with its media type and `Cache-Control`.
    ///
    /// # Errors
    /// [`PortError::ObjectMissing`] if `from` is not there; [`PortError::Object`].
    async fn copy(&self, from: &str, to: &str) -> Result<(), PortError>;

    /// Removes an object if it is still the writing with this tag. One that is not there is
    /// removed already, and another writing stands.
    ///
    /// # Errors
    /// [`PortError::Object`].
    async fn delete_writing(&self, key: &str, etag: &str) -> Result<(), PortError>;

    /// Removes objects, up to 1,000; those that are not there are removed already.
    ///
    /// # Errors
    /// [`PortError::Object`] if any was not removed.
    async fn delete(&self, keys: &[String]) -> Result<(), PortError>;
}

/// A part that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedPart {
    /// Its number, from 1.
    pub number: u32,
    /// Its size.
    pub size_bytes: u64,
    /// Its entity tag.
    pub etag: String,
}

/// Grants uploads in parts. Bytes never pass through a function.
#[async_trait]
pub trait MultipartUploads: Send + Sync {
    /// Begins an upload of `key`; the notes end up on the finished object. Returns the
    /// store's name for the upload.
    ///
    /// # Errors
    /// [`PortError::Object`].
    async fn begin(
        &self,
        key: &str,
        content_type: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<String, PortError>;

    /// A URL that takes this one part for a while.
    ///
    /// # Errors
    /// [`PortError::Object`].
    async fn part_url(
        &self,
        key: &str,
        upload: &str,
        part_number: u32,
        valid_for: Duration,
    ) -> Result<String, PortError>;

    /// The parts beyond `after` that have arrived, at most 1,000, in order.
    ///
    /// # Errors
    /// [`PortError::ObjectMissing`] if the upload has ended; [`PortError::Object`].
    async fn parts(
        &self,
        key: &str,
        upload: &str,
        after: u32,
    ) -> Result<Vec<ArrivedPart>, PortError>;

    /// Makes the object of its parts.
    ///
    /// # Errors
    /// [`PortError::ObjectMissing`] if the upload has ended; [`PortError::Object`].
    async fn complete(
        &self,
        key: &str,
        upload: &str,
        parts: &[ArrivedPart],
    ) -> Result<(), PortError>;

    /// Gives the upload up and frees its parts. One that has ended is given up already.
    ///
    /// # Errors
    /// [`PortError::Object`].
    async fn abort(&self, key: &str, upload: &str) -> Result<(), PortError>;
}
