//! An object store in memory: uploads in parts.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cattube_contract::Fault;

use super::MemoryObjects;
use super::answers::{etag_of, refusal, size_of};
use super::objects::{Bucket, Writing};
use crate::objects::ArrivedPart;
use crate::{MultipartUploads, PortError};

/// The most parts that one listing gives.
const MAX_LISTED: usize = 1000;

/// An upload that is under way.
#[derive(Debug)]
pub(super) struct Upload {
    key: String,
    content_type: String,
    metadata: BTreeMap<String, String>,
    parts: BTreeMap<u32, Bytes>,
}

impl MemoryObjects {
    /// Sends a part to a URL that [`MultipartUploads::part_url`] gave, as a client would; no
    /// port call. Unlike S3 it takes parts below 5 MiB. Gives the part's tag, or `None` if
    /// the upload has ended.
    pub fn put_part(&self, url: &str, bytes: impl Into<Bytes>) -> Option<String> {
        let mut words = url.rsplit('/');
        let number = words.next()?.parse().ok()?;
        let bytes = bytes.into();
        let etag = etag_of(&bytes);
        let mut bucket = self.bucket();
        let upload = bucket.uploads.get_mut(words.next()?)?;
        upload.parts.insert(number, bytes);
        Some(etag)
    }

    /// The uploads that are neither completed nor aborted, with their keys; no port call.
    #[must_use]
    pub fn open_uploads(&self) -> Vec<(String, String)> {
        let bucket = self.bucket();
        let uploads = bucket.uploads.iter();
        uploads
            .map(|(upload, open)| (upload.clone(), open.key.clone()))
            .collect()
    }
}

/// The bytes and the tag of the whole, if every named part is there, in order.
fn join(upload: &Upload, parts: &[ArrivedPart]) -> Result<(Bytes, String), String> {
    if parts.is_empty() {
        return Err("no parts".to_owned());
    }
    let mut whole = BytesMut::new();
    let mut tags = String::new();
    let mut last = 0;
    for part in parts {
        let Some(bytes) = upload.parts.get(&part.number) else {
            return Err(format!("part {} has not arrived", part.number));
        };
        if etag_of(bytes) != part.etag {
            return Err(format!("part {} has another tag", part.number));
        }
        if part.number <= last {
            return Err(format!("part {} is out of order", part.number));
        }
        last = part.number;
        whole.extend_from_slice(bytes);
        tags.push_str(&part.etag);
    }
    let tag = format!("{}-{}", etag_of(tags.as_bytes()), parts.len());
    Ok((whole.freeze(), tag))
}

fn open<'a>(
    bucket: &'a Bucket,
    operation: &'static str,
    key: &str,
    upload: &str,
) -> Result<&'a Upload, PortError> {
    let found = bucket.uploads.get(upload).filter(|open| open.key == key);
    found.ok_or_else(|| PortError::ObjectMissing {
        operation,
        key: key.to_owned(),
    })
}

#[async_trait]
impl MultipartUploads for MemoryObjects {
    async fn begin(
        &self,
        key: &str,
        content_type: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<String, PortError> {
        self.call("begin", key, |bucket| {
            bucket.uploads_begun = bucket.uploads_begun.saturating_add(1);
            let name = format!("upload-{}", bucket.uploads_begun);
            let upload = Upload {
                key: key.to_owned(),
                content_type: content_type.to_owned(),
                metadata: metadata.clone(),
                parts: BTreeMap::new(),
            };
            bucket.uploads.insert(name.clone(), upload);
            Ok(name)
        })
    }

    async fn part_url(
        &self,
        key: &str,
        upload: &str,
        part_number: u32,
        _valid_for: Duration,
    ) -> Result<String, PortError> {
        self.call("part_url", key, |_| {
            Ok(format!("https://memory.invalid/{upload}/{part_number}"))
        })
    }

    async fn parts(
        &self,
        key: &str,
        upload: &str,
        after: u32,
    ) -> Result<Vec<ArrivedPart>, PortError> {
        self.call("parts", key, |bucket| {
            let parts = open(bucket, "parts", key, upload)?.parts.iter();
            let arrived = parts
                .filter(|(number, _)| **number > after)
                .map(|(number, bytes)| ArrivedPart {
                    number: *number,
                    size_bytes: size_of(bytes),
                    etag: etag_of(bytes),
                });
            Ok(arrived.take(MAX_LISTED).collect())
        })
    }

    async fn complete(
        &self,
        key: &str,
        upload: &str,
        parts: &[ArrivedPart],
    ) -> Result<(), PortError> {
        self.call("complete", key, |bucket| {
            let (bytes, etag) = join(open(bucket, "complete", key, upload)?, parts)
                .map_err(|reason| refusal("complete", key, Fault::Permanent, reason))?;
            if let Some(upload) = bucket.uploads.remove(upload) {
                bucket.write(Writing {
                    key: upload.key,
                    bytes,
                    etag,
                    metadata: upload.metadata,
                    content_type: upload.content_type,
                    cache_control: String::new(),
                    reason: "CompleteMultipartUpload",
                });
            }
            Ok(())
        })
    }

    async fn abort(&self, key: &str, upload: &str) -> Result<(), PortError> {
        self.call("abort", key, |bucket| {
            bucket.uploads.remove(upload);
            Ok(())
        })
    }
}
