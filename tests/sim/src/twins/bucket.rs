//! What an object store holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cattube_ports::fakes::ObjectCreated;
use cattube_ports::objects::ObjectHead;

use crate::rules::s3_body;
use crate::state::{QueueId, QueueName, State};
use crate::twins::time::timestamp;

/// An object.
#[derive(Debug, Clone)]
pub struct Stored {
    pub bytes: Bytes,
    pub head: ObjectHead,
}

/// An upload in parts that is under way.
#[derive(Debug)]
pub struct Upload {
    pub key: String,
    pub metadata: BTreeMap<String, String>,
    pub parts: BTreeMap<u32, Bytes>,
}

/// A bucket.
#[derive(Debug)]
pub struct Bucket {
    pub objects: BTreeMap<String, Stored>,
    pub uploads: BTreeMap<String, Upload>,
    pub uploads_begun: u32,
    pub is_masters: bool,
    writings: u64,
}

/// 32 hex digits of the bytes, as an entity tag looks. Of long ones only the ends count.
#[must_use]
pub fn etag_of(bytes: &[u8]) -> String {
    let mut hash = (bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut mix = |piece: &[u8]| {
        for eight in piece.chunks(8) {
            let mut word = [0; 8];
            word[..eight.len()].copy_from_slice(eight);
            hash = (hash ^ u64::from_le_bytes(word))
                .wrapping_mul(0xff51_afd7_ed55_8ccd)
                .rotate_left(29);
        }
    };
    if bytes.len() <= 4_096 {
        mix(bytes);
    } else {
        mix(&bytes[..2_048]);
        mix(&bytes[bytes.len() - 2_048..]);
    }
    format!(
        "{hash:016x}{:016x}",
        hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    )
}

impl Bucket {
    /// An empty bucket.
    #[must_use]
    pub fn new(is_masters: bool) -> Self {
        Self {
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            uploads_begun: 0,
            is_masters,
            writings: 0,
        }
    }

    /// S3's mark of the last writing.
    #[must_use]
    pub fn last_sequencer(&self) -> String {
        format!("{:016X}", self.writings)
    }

    /// Keys that begin so.
    pub fn keys<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a String> {
        let from = self.objects.range(prefix.to_owned()..);
        from.map(|(key, _)| key)
            .take_while(move |key| key.starts_with(prefix))
    }
}

impl State {
    /// A bucket.
    pub fn bucket(&mut self, is_masters: bool) -> &mut Bucket {
        if is_masters {
            &mut self.masters
        } else {
            &mut self.media
        }
    }

    /// Writes an object; S3 says so on the default bus, and the rule of `ingest` takes it.
    pub fn write(
        &mut self,
        is_masters: bool,
        key: &str,
        bytes: Bytes,
        etag: String,
        metadata: BTreeMap<String, String>,
        reason: &'static str,
    ) {
        let size_bytes = bytes.len() as u64;
        let bucket = self.bucket(is_masters);
        bucket.writings += 1;
        let sequencer = format!("{:016X}", bucket.writings);
        let head = ObjectHead {
            size_bytes,
            etag: etag.clone(),
            metadata,
        };
        bucket
            .objects
            .insert(key.to_owned(), Stored { bytes, head });
        if is_masters && (key.starts_with("masters/") || key.starts_with("drop/")) {
            let created = ObjectCreated {
                key: key.to_owned(),
                size_bytes,
                etag,
                sequencer,
                reason,
            };
            self.announce(&created);
        }
    }

    fn announce(&mut self, created: &ObjectCreated) {
        let body: Arc<str> = s3_body(created, timestamp(self.now)).into();
        let rates = self.faults.rates.lost_event;
        // Nothing but its event tells of a dropped file; an uploaded one has a deadline.
        if !created.key.starts_with("drop/") && self.strikes(rates, crate::faults::Fault::LostEvent)
        {
            self.note(|| format!("S3 lost its event of {}", created.key));
            return;
        }
        self.send(QueueId::of(QueueName::Ingest), &body);
    }
}
