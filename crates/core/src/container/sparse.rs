//! The bytes of a master that are known so far.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::IndexError;

/// A master of a known size of which some spans are known. [`super::index`] reads from it
/// and says which span it wants next.
#[derive(Debug, Clone, Default)]
pub struct SparseBytes {
    size_bytes: u64,
    spans: BTreeMap<u64, Vec<u8>>,
}

impl SparseBytes {
    /// A master of which nothing is known but its size.
    #[must_use]
    pub fn new(size_bytes: u64) -> Self {
        Self {
            size_bytes,
            spans: BTreeMap::new(),
        }
    }

    /// The master's size in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Adds the bytes found at `offset`. Bytes beyond the master's size are dropped.
    pub fn insert(&mut self, offset: u64, mut bytes: Vec<u8>) {
        let room = self.size_bytes.saturating_sub(offset);
        bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        let longer = self
            .spans
            .get(&offset)
            .is_none_or(|known| known.len() < bytes.len());
        if !bytes.is_empty() && longer {
            self.spans.insert(offset, bytes);
        }
    }

    /// The bytes of `range`, which is cut to the master's size.
    ///
    /// # Errors
    /// [`IndexError::Need`] with the part that is missing.
    pub fn get(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>, IndexError> {
        let end = range.end.min(self.size_bytes);
        let start = range.start.min(end);
        let mut found: Cow<'_, [u8]> = Cow::Borrowed(&[]);
        let mut at = start;
        while at < end {
            let piece = self.from(at).ok_or(IndexError::Need(at..end))?;
            let wanted = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            let piece = piece.get(..wanted).unwrap_or(piece);
            at = at.saturating_add(length(piece));
            if found.is_empty() {
                found = Cow::Borrowed(piece);
            } else {
                found.to_mut().extend_from_slice(piece);
            }
        }
        Ok(found)
    }

    /// The same, but what is asked for when something is missing reaches at least
    /// `ahead_bytes` far, since a few bytes cost as much to fetch as some thousand.
    pub(crate) fn get_ahead(
        &self,
        range: Range<u64>,
        ahead_bytes: u64,
    ) -> Result<Cow<'_, [u8]>, IndexError> {
        self.get(range).map_err(|error| match error {
            IndexError::Need(missing) => {
                let end = missing.start.saturating_add(ahead_bytes);
                IndexError::Need(
                    missing.start..end.clamp(missing.end, self.size_bytes.max(missing.end)),
                )
            }
            other @ (IndexError::NeedProbe { .. } | IndexError::Rejected { .. }) => other,
        })
    }

    /// The longest known run that begins at `at`.
    fn from(&self, at: u64) -> Option<&[u8]> {
        self.spans.range(..=at).rev().find_map(|(start, bytes)| {
            let skip = usize::try_from(at.saturating_sub(*start)).ok()?;
            bytes.get(skip..).filter(|rest| !rest.is_empty())
        })
    }
}

/// A slice's length as a file offset.
pub(super) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
