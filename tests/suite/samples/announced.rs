//! A bucket for samples that speak of masters.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use cattube_ports::objects::{NewObject, ObjectHead};
use cattube_ports::{Objects, PortError};
use cattube_tests::masters::make;

/// A bucket that has the masters which a sample announces, whatever their size and tag:
/// each is a short clip, and then one box of nothing.
pub struct Announced {
    /// The bucket's other objects.
    pub store: Arc<dyn Objects>,
    /// By their keys.
    pub masters: BTreeMap<String, ObjectHead>,
}

/// A clip with its index in front.
fn clip() -> &'static [u8] {
    static CLIP: OnceLock<Vec<u8>> = OnceLock::new();
    CLIP.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let step = "-f lavfi -i testsrc2=s=640x360 -f lavfi -i sine -t 1 -c:v libx264 -preset ultrafast -c:a aac -movflags +faststart clip.mp4";
        std::fs::read(make(dir.path(), &[step])).unwrap()
    })
}

/// A range of the clip, made `size` bytes long by a `free` box.
fn padded(size: u64, range: Range<u64>) -> Bytes {
    let clip = clip();
    let rest = size - u64::try_from(clip.len()).unwrap();
    let mut head = vec![0, 0, 0, 1];
    head.extend_from_slice(b"free");
    head.extend_from_slice(&rest.to_be_bytes());
    let byte = |at: u64| {
        let at = usize::try_from(at).unwrap();
        let after = clip.get(at).or_else(|| head.get(at - clip.len()));
        after.copied().unwrap_or(0)
    };
    range.map(byte).collect()
}

#[async_trait]
impl Objects for Announced {
    async fn head(&self, key: &str) -> Result<Option<ObjectHead>, PortError> {
        match self.masters.get(key) {
            Some(head) => Ok(Some(head.clone())),
            None => self.store.head(key).await,
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, PortError> {
        self.store.get(key).await
    }

    async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, PortError> {
        match self.masters.get(key) {
            Some(head) if etag == Some(&head.etag) => Ok(padded(head.size_bytes, range)),
            _ => self.store.get_range(key, range, etag).await,
        }
    }

    async fn put(&self, object: NewObject) -> Result<(), PortError> {
        self.store.put(object).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, PortError> {
        self.store.list(prefix, after).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), PortError> {
        self.store.copy(from, to).await
    }

    async fn delete_writing(&self, key: &str, etag: &str) -> Result<(), PortError> {
        self.store.delete_writing(key, etag).await
    }

    async fn delete(&self, keys: &[String]) -> Result<(), PortError> {
        self.store.delete(keys).await
    }
}
