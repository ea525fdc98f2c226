//! Brings the slice to the local disk: inline bytes and spans of the master, in order.

use bytes::Bytes;
use cattube_core::slice::{Part, Slice};
use cattube_ports::{PortError, Workspace};
use futures::{StreamExt, TryStreamExt, stream};

use crate::{Job, TranscodeError, Worker};

/// The local name of the slice.
pub(crate) const FILE: &str = "slice";

/// The most that one read fetches: S3 gives a single connection some 50-90 MB/s, so larger
/// spans are fetched in pieces at once.
const READ_BYTES: u64 = 8 << 20;

/// Reads in flight at once.
const CONCURRENCY: usize = 6;

/// A piece of the slice that one step brings.
enum Piece {
    Inline(Bytes),
    Span(std::ops::Range<u64>),
}

fn pieces(slice: &Slice) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for part in &slice.parts {
        match part {
            Part::Inline(bytes) => pieces.push(Piece::Inline(Bytes::copy_from_slice(bytes))),
            Part::Master(range) => {
                let mut start = range.start;
                while start < range.end {
                    let end = start.saturating_add(READ_BYTES).min(range.end);
                    pieces.push(Piece::Span(start..end));
                    start = end;
                }
            }
        }
    }
    pieces
}

impl Worker {
    pub(crate) async fn fetch_recipe(&self, job: &Job) -> Result<Slice, TranscodeError> {
        let reference = &job.chunk.slice;
        let start = reference.offset_bytes;
        let range = start..start.saturating_add(reference.length_bytes);
        let bytes = self
            .masters
            .get_range(&job.keys.slices(), range, None)
            .await?;
        Ok(Slice::parse(&bytes)?)
    }

    pub(crate) async fn fetch_slice(
        &self,
        job: &Job,
        slice: &Slice,
        workspace: &mut dyn Workspace,
    ) -> Result<(), TranscodeError> {
        let reads: Vec<_> = pieces(slice)
            .into_iter()
            .map(|piece| self.fetch_piece(job, piece))
            .collect();
        let mut arriving = stream::iter(reads).buffered(CONCURRENCY);
        while let Some(bytes) = arriving.try_next().await? {
            workspace.append(FILE, bytes).await?;
        }
        Ok(())
    }

    async fn fetch_piece(&self, job: &Job, piece: Piece) -> Result<Bytes, PortError> {
        match piece {
            Piece::Inline(bytes) => Ok(bytes),
            Piece::Span(range) => {
                let master = &job.chunk.master;
                self.masters
                    .get_range(&master.key, range, Some(&master.etag))
                    .await
            }
        }
    }
}
