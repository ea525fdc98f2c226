//! Where the index lies in the file: a walk over the heads of the outermost boxes.

use std::ops::Range;

use cattube_contract::event::RejectionCode;

use super::boxes::{HEAD_BYTES, child, children, head, kind_text};
use crate::container::{IndexError, SparseBytes};

/// A `moov` larger than this is refused: two million pictures need some 50 MB.
const MAX_MOOV_BYTES: u64 = 256 << 20;

/// A `moof` larger than this is refused.
const MAX_MOOF_BYTES: u64 = 64 << 20;

/// An `ftyp` larger than this is not kept.
const MAX_FILE_TYPE_BYTES: u64 = 4_096;

/// Outermost boxes after which a walk without an index is given up.
const MAX_BOXES: u32 = 100_000;

/// More fragments than this are not fetched one by one, at some 30 ms each: that is 75 s of the
/// 120 s that `plan` has.
const MAX_FETCHED_FRAGMENTS: usize = 2_500;

/// A rest of the file up to this size is fetched at once instead of head by head.
const SMALL_REST_BYTES: u64 = 64 << 20;

/// Fetched with a head: a `moof` of a few seconds fits.
const HOP_BYTES: u64 = 8 << 10;

/// Where things lie.
pub(super) struct Layout {
    /// Empty if there is none, as in old QuickTime files.
    pub(super) file_type: Range<u64>,
    pub(super) moov: Range<u64>,
    pub(super) fragments: Vec<Range<u64>>,
    pub(super) is_fragmented: bool,
    pub(super) is_too_scattered: bool,
}

/// An outermost box.
struct Outer {
    kind: [u8; 4],
    range: Range<u64>,
}

/// Walks over the file.
pub(super) fn find(bytes: &SparseBytes) -> Result<Layout, IndexError> {
    let mut layout = Layout {
        file_type: 0..0,
        moov: 0..0,
        fragments: Vec::new(),
        is_fragmented: false,
        is_too_scattered: false,
    };
    let mut at = 0;
    for _ in 0..MAX_BOXES {
        let has_index = !layout.moov.is_empty();
        let Some(outer) = next_box(bytes, at, &layout)? else {
            break;
        };
        let is_cut_off = outer.range.end > bytes.size_bytes();
        let needs_it_whole = !has_index || layout.is_fragmented;
        if is_cut_off && needs_it_whole && is_known(outer.kind) {
            return Err(cut_off(&outer, bytes.size_bytes()));
        }
        match &outer.kind {
            b"ftyp" if layout.file_type.is_empty() && length(&outer) <= MAX_FILE_TYPE_BYTES => {
                layout.file_type = outer.range.clone();
            }
            b"moov" if !has_index => {
                refuse_larger(&outer, MAX_MOOV_BYTES)?;
                let moov = bytes.get(outer.range.clone())?;
                let body = children(&moov).next().map(|moov| moov.body);
                layout.is_fragmented = body.is_some_and(|body| child(body, *b"mvex").is_some());
                layout.moov = outer.range.clone();
            }
            b"moof" => {
                refuse_larger(&outer, MAX_MOOF_BYTES)?;
                layout.fragments.push(outer.range.clone());
            }
            _ => {}
        }
        let is_all_known = !layout.moov.is_empty() && !layout.is_fragmented;
        if is_all_known || is_cut_off || layout.is_too_scattered {
            break;
        }
        at = outer.range.end;
        let rest = bytes.size_bytes().saturating_sub(at);
        layout.is_too_scattered =
            layout.fragments.len() > MAX_FETCHED_FRAGMENTS && rest > SMALL_REST_BYTES;
    }
    if layout.moov.is_empty() {
        return Err(IndexError::rejected(
            RejectionCode::Malformed,
            "The file has no index (`moov` box): its recording was not finished properly.",
        ));
    }
    Ok(layout)
}

/// The head at `at`; `None` at the end of the file or of what makes sense.
fn next_box(bytes: &SparseBytes, at: u64, layout: &Layout) -> Result<Option<Outer>, IndexError> {
    let rest = bytes.size_bytes().saturating_sub(at);
    if rest < 8 {
        return Ok(None);
    }
    let ahead = if !layout.fragments.is_empty() && rest <= SMALL_REST_BYTES {
        rest
    } else {
        HOP_BYTES
    };
    let front = bytes.get_ahead(at..at.saturating_add(HEAD_BYTES), ahead)?;
    let Some(head) = head(&front) else {
        return Ok(None);
    };
    let end = match head.size_bytes {
        Some(size) => at.saturating_add(size),
        None => bytes.size_bytes(),
    };
    Ok(Some(Outer {
        kind: head.kind,
        range: at..end,
    }))
}

/// Boxes that stand outermost in files of the family; other letters are no box at all.
fn is_known(kind: [u8; 4]) -> bool {
    const KNOWN: [&[u8; 4]; 16] = [
        b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"pnot", b"uuid", b"meta",
        b"sidx", b"styp", b"mfra", b"emsg", b"prft", b"pdin",
    ];
    KNOWN.contains(&&kind)
}

fn length(outer: &Outer) -> u64 {
    outer.range.end.saturating_sub(outer.range.start)
}

fn refuse_larger(outer: &Outer, limit: u64) -> Result<(), IndexError> {
    if length(outer) <= limit {
        return Ok(());
    }
    Err(IndexError::rejected(
        RejectionCode::TooLarge,
        format!(
            "The file's index (`{}` box) is {} bytes long; at most {limit} are accepted.",
            kind_text(outer.kind),
            length(outer)
        ),
    ))
}

fn cut_off(outer: &Outer, size_bytes: u64) -> IndexError {
    IndexError::rejected(
        RejectionCode::Truncated,
        format!(
            "The file is cut off: its `{}` box reaches to byte {}, but the file ends at byte \
             {size_bytes}.",
            kind_text(outer.kind),
            outer.range.end
        ),
    )
}
