//! A table of JSON documents under a partition and a sort key, each with a version.

use async_trait::async_trait;
use serde_json::Value;

use crate::PortError;

/// The longest cursor that a page of a query can have given, in bytes: several times our longest
/// sort key, and less than the 1,024 bytes that `DynamoDB` takes.
pub const MAX_CURSOR_BYTES: usize = 512;

/// A stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its sort key.
    pub sort_key: String,
    /// Counts its writings from 1.
    pub version: u64,
    /// The document.
    pub body: Value,
}

/// Which items of a partition to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// The partition.
    pub partition_key: &'a str,
    /// Only sort keys that begin so.
    pub sort_prefix: &'a str,
    /// Only sort keys beyond this one, in reading order.
    pub after: Option<&'a str>,
    /// How many at most.
    pub limit: usize,
    /// Highest sort key first.
    pub descending: bool,
}

/// One function's own table. Nobody reads another's.
#[async_trait]
pub trait Table: Send + Sync {
    /// The newest writing of a document (a consistent read).
    ///
    /// # Errors
    /// [`PortError::Table`].
    async fn load(&self, partition_key: &str, sort_key: &str) -> Result<Option<Item>, PortError>;

    /// Writes a document if its version is still `expected` (`None`: not there yet).
    ///
    /// # Errors
    /// [`PortError::Conflict`] if it is not; [`PortError::Table`] for the rest.
    async fn save(
        &self,
        partition_key: &str,
        sort_key: &str,
        expected: Option<u64>,
        body: &Value,
    ) -> Result<(), PortError>;

    /// Reads items of a partition in the order of their sort keys. Fewer than `limit` means
    /// that there are no more.
    ///
    /// # Errors
    /// [`PortError::Table`].
    async fn query(&self, query: Query<'_>) -> Result<Vec<Item>, PortError>;
}
