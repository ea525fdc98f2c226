//! What stores answer with: tags, sizes and refusals.

use std::hash::{DefaultHasher, Hasher};

use bytes::Bytes;
use cattube_contract::Fault;

use crate::PortError;

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

/// 32 hex digits of the bytes, as an entity tag looks.
pub(super) fn etag_of(bytes: &[u8]) -> String {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(bytes);
        hasher.finish()
    };
    format!("{:016x}{:016x}", half(0), half(1))
}

pub(super) fn size_of(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

pub(super) fn index_of(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
