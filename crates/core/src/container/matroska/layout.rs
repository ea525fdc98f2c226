//! Where things lie in a Matroska file: a walk over the heads up to the first cluster.

use std::ops::Range;

use cattube_contract::event::RejectionCode;

use super::ebml::{self, HEAD_BYTES, child, child_unsigned, children, id};
use crate::container::{IndexError, SparseBytes};

/// Elements in front of the first cluster after which the walk is given up.
const MAX_ELEMENTS: u32 = 1_000;

/// An EBML header, `SeekHead` or `Info` larger than this is refused.
const MAX_SMALL_BYTES: u64 = 1 << 20;

/// `Tracks` larger than this is refused.
const MAX_TRACKS_BYTES: u64 = 16 << 20;

/// Fetched with a head.
const AHEAD_BYTES: u64 = 64 << 10;

/// Where things lie; spans with their heads.
pub(super) struct Layout {
    pub(super) ebml: Range<u64>,
    /// The first byte of the segment's body: positions count from it.
    pub(super) body: u64,
    /// The end of the segment, or of the file.
    pub(super) end: u64,
    pub(super) info: Range<u64>,
    pub(super) tracks: Range<u64>,
    pub(super) first_cluster: Option<u64>,
    /// Where `Cues` begins, if anything tells.
    pub(super) cues: Option<u64>,
}

/// The head of the element at `at`, and where its body and the next element begin. An
/// unknown size reaches to the end of the file.
pub(super) struct Placed {
    pub(super) id: u32,
    pub(super) body: u64,
    pub(super) end: u64,
    pub(super) is_open: bool,
}

/// Reads the head at `at`; `None` if there is none.
pub(super) fn placed(bytes: &SparseBytes, at: u64) -> Result<Option<Placed>, IndexError> {
    let front = bytes.get_ahead(at..at.saturating_add(HEAD_BYTES), AHEAD_BYTES)?;
    Ok(ebml::head(&front).map(|head| {
        let body = at.saturating_add(head.header_bytes);
        Placed {
            id: head.id,
            body,
            end: match head.body_bytes {
                Some(size) => body.saturating_add(size),
                None => bytes.size_bytes(),
            },
            is_open: head.body_bytes.is_none(),
        }
    }))
}

/// Walks over the file.
pub(super) fn find(bytes: &SparseBytes) -> Result<Layout, IndexError> {
    let damaged = || malformed("The file begins as Matroska does, but its header is damaged.");
    let ebml = placed(bytes, 0)?
        .filter(|ebml| ebml.id == id::EBML && ebml.end <= MAX_SMALL_BYTES)
        .ok_or_else(damaged)?;
    let header = bytes.get(ebml.body..ebml.end)?;
    let doc_type = child(&header, id::DOC_TYPE).unwrap_or(b"matroska");
    if !matches!(doc_type, b"matroska" | b"webm") {
        return Err(IndexError::rejected(
            RejectionCode::NotAVideo,
            format!(
                "The file is not a video: it is an EBML document of the type `{}`.",
                doc_type
                    .escape_ascii()
                    .to_string()
                    .chars()
                    .take(40)
                    .collect::<String>()
            ),
        ));
    }
    let segment = placed(bytes, ebml.end)?
        .filter(|segment| segment.id == id::SEGMENT)
        .ok_or_else(damaged)?;
    if segment.end > bytes.size_bytes() {
        return Err(IndexError::rejected(
            RejectionCode::Truncated,
            format!(
                "The file is cut off: it should reach to byte {}, but it ends at byte {}.",
                segment.end,
                bytes.size_bytes()
            ),
        ));
    }
    let mut layout = Layout {
        ebml: 0..ebml.end,
        body: segment.body,
        end: segment.end,
        info: 0..0,
        tracks: 0..0,
        first_cluster: None,
        cues: None,
    };
    let seeks = walk(bytes, &mut layout)?;
    for (kind, position) in seeks {
        note(bytes, &mut layout, kind, position)?;
    }
    if layout.tracks.is_empty() {
        return Err(malformed("The file does not say what its tracks are."));
    }
    Ok(layout)
}

/// Notes what lies in front of the first cluster; returns what `SeekHead` says.
fn walk(bytes: &SparseBytes, layout: &mut Layout) -> Result<Vec<(u32, u64)>, IndexError> {
    let mut seeks = Vec::new();
    let mut at = layout.body;
    for _ in 0..MAX_ELEMENTS {
        if at >= layout.end {
            break;
        }
        let Some(element) = placed(bytes, at)? else {
            break;
        };
        match element.id {
            id::CLUSTER => {
                layout.first_cluster = Some(at);
                break;
            }
            id::SEEK_HEAD if seeks.is_empty() => {
                refuse_larger(at..element.end, MAX_SMALL_BYTES)?;
                let body = bytes.get(element.body..element.end)?;
                seeks = children(&body)
                    .filter(|element| element.id == id::SEEK)
                    .filter_map(|seek| {
                        let kind = child_unsigned(seek.body, id::SEEK_ID)?;
                        let position = child_unsigned(seek.body, id::SEEK_POSITION)?;
                        Some((
                            u32::try_from(kind).ok()?,
                            layout.body.checked_add(position)?,
                        ))
                    })
                    .take(64)
                    .collect();
            }
            _ => note_placed(layout, at, &element)?,
        }
        if element.is_open {
            break;
        }
        at = element.end;
    }
    Ok(seeks)
}

/// Looks at what `SeekHead` says is there, if it is not known yet.
fn note(bytes: &SparseBytes, layout: &mut Layout, kind: u32, at: u64) -> Result<(), IndexError> {
    let is_known = match kind {
        id::INFO => !layout.info.is_empty(),
        id::TRACKS => !layout.tracks.is_empty(),
        id::CUES => layout.cues.is_some(),
        _ => true,
    };
    if is_known || at >= layout.end {
        return Ok(());
    }
    match placed(bytes, at)? {
        Some(element) if element.id == kind => note_placed(layout, at, &element),
        _ => Ok(()),
    }
}

fn note_placed(layout: &mut Layout, at: u64, element: &Placed) -> Result<(), IndexError> {
    let span = at..element.end;
    if element.is_open {
        return Ok(());
    }
    match element.id {
        id::INFO => {
            refuse_larger(span.clone(), MAX_SMALL_BYTES)?;
            layout.info = span;
        }
        id::TRACKS => {
            refuse_larger(span.clone(), MAX_TRACKS_BYTES)?;
            layout.tracks = span;
        }
        id::CUES => layout.cues = Some(at),
        _ => {}
    }
    Ok(())
}

fn refuse_larger(span: Range<u64>, limit: u64) -> Result<(), IndexError> {
    let size = span.end.saturating_sub(span.start);
    if size <= limit {
        return Ok(());
    }
    Err(IndexError::rejected(
        RejectionCode::TooLarge,
        format!("A header of the file is {size} bytes long; at most {limit} are accepted."),
    ))
}

pub(super) fn malformed(reason: &str) -> IndexError {
    IndexError::rejected(RejectionCode::Malformed, reason)
}
