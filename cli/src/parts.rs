//! How a file is cut into parts. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::api::{ArrivedPart, Upload};

/// A file's parts, numbered from 1. All but the last are of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    size_bytes: u64,
    part_size_bytes: u64,
    count: u32,
}

impl Parts {
    /// The parts of a granted upload, or `None` if its numbers contradict each other.
    #[must_use]
    pub fn of(upload: &Upload) -> Option<Self> {
        let count = upload.size_bytes.div_ceil(upload.part_size_bytes.max(1));
        let fits = upload.part_size_bytes > 0 && count == u64::from(upload.part_count);
        fits.then_some(Self {
            size_bytes: upload.size_bytes,
            part_size_bytes: upload.part_size_bytes,
            count: upload.part_count,
        })
    }

    /// Their numbers.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        1..=self.count
    }

    /// The bytes of a part; empty for a number that is none of its.
    #[must_use]
    pub fn range(&self, number: u32) -> Range<u64> {
        let end = u64::from(number).saturating_mul(self.part_size_bytes);
        let start = end.saturating_sub(self.part_size_bytes);
        start.min(self.size_bytes)..end.min(self.size_bytes)
    }

    /// How large a part is.
    #[must_use]
    pub fn size_of(&self, number: u32) -> u64 {
        let range = self.range(number);
        range.end.saturating_sub(range.start)
    }

    /// How large these parts are together.
    #[must_use]
    pub fn total_of(&self, numbers: &[u32]) -> u64 {
        let sizes = numbers.iter().map(|number| self.size_of(*number));
        sizes.fold(0, u64::saturating_add)
    }

    /// The parts that have not arrived, or not whole.
    #[must_use]
    pub fn missing(&self, arrived: &[ArrivedPart]) -> Vec<u32> {
        let sizes: BTreeMap<u32, u64> = arrived
            .iter()
            .map(|part| (part.number, part.size_bytes))
            .collect();
        let lacks = |number: &u32| sizes.get(number) != Some(&self.size_of(*number));
        self.numbers().filter(lacks).collect()
    }

    /// Those of `numbers` that are parts.
    #[must_use]
    pub fn known(&self, numbers: &[u32]) -> Vec<u32> {
        let is_part = |number: &u32| (1..=self.count).contains(number);
        numbers.iter().copied().filter(is_part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::UploadState;

    fn upload(size_bytes: u64, part_size_bytes: u64, part_count: u32) -> Upload {
        Upload {
            video_id: "vid".to_owned(),
            state: UploadState::Open,
            size_bytes,
            part_size_bytes,
            part_count,
            attempt: 1,
            reason: None,
        }
    }

    #[test]
    fn ranges_cover_the_file_once() {
        for (size, part_size, count) in [(10, 4, 3), (8, 4, 2), (1, 4, 1), (9, 1, 9)] {
            let parts = Parts::of(&upload(size, part_size, count)).unwrap();
            let mut at = 0;
            for number in 1..=count {
                let range = parts.range(number);
                assert_eq!(range.start, at);
                assert!(range.end > at);
                at = range.end;
            }
            assert_eq!(at, size);
            assert_eq!(parts.size_of(0), 0);
            assert_eq!(parts.size_of(count + 1), 0);
            assert_eq!(parts.total_of(&parts.missing(&[])), size);
        }
    }

    #[test]
    fn a_grant_that_contradicts_itself_is_refused() {
        for (size, part_size, count) in [(10, 4, 2), (10, 4, 4), (10, 0, 1), (10, 0, 10)] {
            assert_eq!(Parts::of(&upload(size, part_size, count)), None);
        }
    }

    #[test]
    fn what_has_not_arrived_whole_is_missing() {
        let parts = Parts::of(&upload(10, 4, 3)).unwrap();
        let arrived = |number, size_bytes| ArrivedPart { number, size_bytes };
        assert_eq!(parts.missing(&[]), [1, 2, 3]);
        assert_eq!(parts.missing(&[arrived(2, 4)]), [1, 3]);
        assert_eq!(parts.missing(&[arrived(1, 4), arrived(3, 4)]), [2, 3]);
        assert_eq!(parts.missing(&[arrived(3, 2), arrived(1, 4)]), [2]);
        assert_eq!(parts.known(&[0, 3, 4]), [3]);
    }
}
