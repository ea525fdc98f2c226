//! The stored form of a slice: `CTS1`, the length of a JSON header in 32 bits, the header,
//! the inline bytes one part after the other.

use serde::{Deserialize, Serialize};

use super::{Part, Slice};
use crate::container::reader::Reader;

const MAGIC: &[u8] = b"CTS1";

/// Why bytes are no slice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SliceError {
    /// They do not begin as a slice does.
    #[error("not a slice: it does not begin with `CTS1`")]
    Magic,
    /// They are fewer or more than the header tells.
    #[error("not a slice: its length is not what its header tells")]
    Length,
    /// The header is not what it should be.
    #[error("not a slice: {0}")]
    Header(String),
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    stream: u32,
    timescale: u32,
    origin_ticks: i64,
    parts: Vec<StoredPart>,
    /// The first frame's time, then each frame's distance to the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected_pts_steps: Option<Vec<i64>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredPart {
    /// So many bytes.
    Inline(usize),
    /// Start and end.
    Master(u64, u64),
}

impl Slice {
    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let parts = self.parts.iter().map(|part| match part {
            Part::Inline(bytes) => StoredPart::Inline(bytes.len()),
            Part::Master(span) => StoredPart::Master(span.start, span.end),
        });
        let header = Header {
            format: self.format.clone(),
            stream: self.stream,
            timescale: self.timescale,
            origin_ticks: self.origin_ticks,
            parts: parts.collect(),
            expected_pts_steps: self.expected_pts.as_deref().map(steps),
        };
        // No map, no number that JSON does not know: it cannot fail.
        let json = serde_json::to_vec(&header).unwrap_or_default();
        let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&json);
        for part in &self.parts {
            if let Part::Inline(bytes) = part {
                out.extend_from_slice(bytes);
            }
        }
        out
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// The bytes are not what [`Slice::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, SliceError> {
        let mut reader = Reader::new(bytes.strip_prefix(MAGIC).ok_or(SliceError::Magic)?);
        let length = reader.u32().ok_or(SliceError::Length)?;
        let length = usize::try_from(length).map_err(|_| SliceError::Length)?;
        let json = reader.take(length).ok_or(SliceError::Length)?;
        let header: Header =
            serde_json::from_slice(json).map_err(|error| SliceError::Header(error.to_string()))?;
        let parts = header
            .parts
            .into_iter()
            .map(|part| match part {
                StoredPart::Inline(length) => {
                    let inline = reader.take(length).ok_or(SliceError::Length)?;
                    Ok(Part::Inline(inline.to_vec()))
                }
                StoredPart::Master(start, end) if start <= end => Ok(Part::Master(start..end)),
                StoredPart::Master(start, end) => Err(SliceError::Header(format!(
                    "the span {start} to {end} runs backward"
                ))),
            })
            .collect::<Result<_, _>>()?;
        if !reader.rest().is_empty() {
            return Err(SliceError::Length);
        }
        Ok(Self {
            parts,
            format: header.format,
            stream: header.stream,
            timescale: header.timescale,
            origin_ticks: header.origin_ticks,
            expected_pts: header.expected_pts_steps.map(sums),
        })
    }
}

fn steps(times: &[i64]) -> Vec<i64> {
    let mut before = 0_i64;
    times
        .iter()
        .map(|time| {
            let step = time.wrapping_sub(before);
            before = *time;
            step
        })
        .collect()
}

fn sums(mut steps: Vec<i64>) -> Vec<i64> {
    let mut time = 0_i64;
    for step in &mut steps {
        time = time.wrapping_add(*step);
        *step = time;
    }
    steps
}
