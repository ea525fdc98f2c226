//! The object store's uploads in parts.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cattube_contract::Fault;
use cattube_ports::objects::ArrivedPart;
use cattube_ports::{MultipartUploads, PortError};

use super::bucket::{Bucket, Upload, etag_of};
use super::objects::{SimObjects, missing, refusal};
use crate::film::films;
use crate::state::State;

/// The most parts of one listing.
const MAX_LISTED: usize = 1_000;

impl State {
    /// Sends a part to a URL, as a client does. Gives the part's tag, or `None` if the upload
    /// has ended.
    pub fn put_part(&mut self, url: &str, bytes: Bytes) -> Option<String> {
        let mut words = url.rsplit('/');
        let number = words.next()?.parse().ok()?;
        let etag = etag_of(&bytes);
        let upload = self.masters.uploads.get_mut(words.next()?)?;
        upload.parts.insert(number, bytes);
        Some(etag)
    }
}

/// The whole of the parts: that of a known film without copying, if it is one.
fn whole(parts: &[Bytes]) -> Bytes {
    if let [one] = parts {
        return one.clone();
    }
    let length: usize = parts.iter().map(Bytes::len).sum();
    for film in films() {
        let mut at = 0;
        let same = film.bytes.len() == length
            && parts.iter().all(|part| {
                let ours = &film.bytes[at..at + part.len()];
                at += part.len();
                ours.as_ptr() == part.as_ptr()
            });
        if same {
            return film.bytes.clone();
        }
    }
    let mut whole = BytesMut::with_capacity(length);
    for part in parts {
        whole.extend_from_slice(part);
    }
    whole.freeze()
}

fn join(upload: &Upload, parts: &[ArrivedPart]) -> Result<(Bytes, String), String> {
    if parts.is_empty() {
        return Err("no parts".to_owned());
    }
    let mut pieces = Vec::new();
    let mut tags = String::new();
    let mut last = 0;
    for part in parts {
        let Some(bytes) = upload.parts.get(&part.number) else {
            return Err(format!("part {} has not arrived", part.number));
        };
        if etag_of(bytes) != part.etag || part.number <= last {
            return Err(format!("part {} is another or out of order", part.number));
        }
        last = part.number;
        pieces.push(bytes.clone());
        tags.push_str(&part.etag);
    }
    let tag = format!("{}-{}", etag_of(tags.as_bytes()), parts.len());
    Ok((whole(&pieces), tag))
}

fn open<'a>(
    bucket: &'a Bucket,
    operation: &'static str,
    key: &str,
    upload: &str,
) -> Result<&'a Upload, PortError> {
    let found = bucket.uploads.get(upload).filter(|open| open.key == key);
    found.ok_or_else(|| missing(operation, key))
}

#[async_trait]
impl MultipartUploads for SimObjects {
    async fn begin(
        &self,
        key: &str,
        _content_type: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<String, PortError> {
        self.call("begin", key, |state| {
            let bucket = &mut state.masters;
            bucket.uploads_begun += 1;
            let name = format!("upload-{}", bucket.uploads_begun);
            let upload = Upload {
                key: key.to_owned(),
                metadata: metadata.clone(),
                parts: BTreeMap::new(),
            };
            bucket.uploads.insert(name.clone(), upload);
            Ok(name)
        })
        .await
    }

    async fn part_url(
        &self,
        _key: &str,
        upload: &str,
        part_number: u32,
        _valid_for: Duration,
    ) -> Result<String, PortError> {
        // Signing is arithmetic: no call is made.
        Ok(format!("https://memory.invalid/{upload}/{part_number}"))
    }

    async fn parts(
        &self,
        key: &str,
        upload: &str,
        after: u32,
    ) -> Result<Vec<ArrivedPart>, PortError> {
        self.call("parts", key, |state| {
            let parts = open(&state.masters, "parts", key, upload)?.parts.iter();
            let arrived = parts
                .filter(|(number, _)| **number > after)
                .map(|(number, bytes)| ArrivedPart {
                    number: *number,
                    size_bytes: bytes.len() as u64,
                    etag: etag_of(bytes),
                });
            Ok(arrived.take(MAX_LISTED).collect())
        })
        .await
    }

    async fn complete(
        &self,
        key: &str,
        upload: &str,
        parts: &[ArrivedPart],
    ) -> Result<(), PortError> {
        self.call("complete", key, |state| {
            let (bytes, etag) = join(open(&state.masters, "complete", key, upload)?, parts)
                .map_err(|reason| refusal("complete", key, Fault::Permanent, reason))?;
            if let Some(upload) = state.masters.uploads.remove(upload) {
                let reason = "CompleteMultipartUpload";
                state.write(true, &upload.key, bytes, etag, upload.metadata, reason);
            }
            Ok(())
        })
        .await
    }

    async fn abort(&self, key: &str, upload: &str) -> Result<(), PortError> {
        self.call("abort", key, |state| {
            state.masters.uploads.remove(upload);
            Ok(())
        })
        .await
    }
}
