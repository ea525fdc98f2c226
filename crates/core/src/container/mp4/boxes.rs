//! Boxes: a size, four letters, a body.

use super::super::reader::Reader;

/// Four letters that name a box.
pub(super) type Kind = [u8; 4];

/// A box inside bytes that are at hand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Child<'a> {
    pub(super) kind: Kind,
    pub(super) body: &'a [u8],
    /// Header and body.
    pub(super) whole: &'a [u8],
}

/// The head of a box: what it is and how far it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// 8, or 16 with a 64-bit size.
    pub(super) header_bytes: u64,
    /// Header and body; `None`: up to the end of what holds it.
    pub(super) size_bytes: Option<u64>,
}

/// How many bytes tell everything that a head can.
pub(super) const HEAD_BYTES: u64 = 16;

/// Reads a head from the front of `bytes`; `None` if they are too few or the size is less
/// than the head itself.
pub(super) fn head(bytes: &[u8]) -> Option<Head> {
    let mut reader = Reader::new(bytes);
    let short = reader.u32()?;
    let kind = reader.array::<4>()?;
    let (header_bytes, size_bytes) = match short {
        0 => (8, None),
        1 => (16, Some(reader.u64()?)),
        size => (8, Some(u64::from(size))),
    };
    size_bytes
        .is_none_or(|size| size >= header_bytes)
        .then_some(Head {
            kind,
            header_bytes,
            size_bytes,
        })
}

/// The boxes that follow each other in `bytes`. Stops at the first that is damaged or
/// reaches beyond the end.
pub(super) fn children(bytes: &[u8]) -> impl Iterator<Item = Child<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let head = head(rest)?;
        let size = match head.size_bytes {
            Some(size) => usize::try_from(size).ok()?,
            None => rest.len(),
        };
        let (whole, after) = rest.split_at_checked(size)?;
        let body = whole.get(usize::try_from(head.header_bytes).ok()?..)?;
        rest = after;
        Some(Child {
            kind: head.kind,
            body,
            whole,
        })
    })
}

/// The body of the first child of that kind.
pub(super) fn child(bytes: &[u8], kind: Kind) -> Option<&[u8]> {
    children(bytes)
        .find(|child| child.kind == kind)
        .map(|child| child.body)
}

/// The body of the box at the end of a path of kinds.
pub(super) fn descend<'a>(bytes: &'a [u8], path: &[&Kind]) -> Option<&'a [u8]> {
    path.iter()
        .try_fold(bytes, |bytes, kind| child(bytes, **kind))
}

/// Splits the version and flags off the body of a full box.
pub(super) fn full(body: &[u8]) -> Option<(u8, u32, Reader<'_>)> {
    let mut reader = Reader::new(body);
    let word = reader.u32()?;
    let version = word.to_be_bytes().first().copied()?;
    Some((version, word & 0x00ff_ffff, reader))
}

/// A kind for people: letters as they are, others as `?`.
pub(super) fn kind_text(kind: Kind) -> String {
    kind.iter()
        .map(|byte| {
            if byte.is_ascii_graphic() || *byte == b' ' {
                char::from(*byte)
            } else {
                '?'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_every_size() {
        let plain = head(b"\0\0\0\x08free....").unwrap();
        assert_eq!((plain.header_bytes, plain.size_bytes), (8, Some(8)));
        let long = head(b"\0\0\0\x01mdat\0\0\0\x01\0\0\0\0").unwrap();
        assert_eq!((long.header_bytes, long.size_bytes), (16, Some(1 << 32)));
        assert_eq!(head(b"\0\0\0\0mdat").unwrap().size_bytes, None);
        assert_eq!(head(b"\0\0\0\x07mdat"), None);
        assert_eq!(head(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0f"), None);
        assert_eq!(head(b"\0\0\0"), None);
    }

    #[test]
    fn children_stop_at_the_first_that_is_too_long() {
        let bytes = b"\0\0\0\x09aaaa1\0\0\0\x08bbbb\0\0\0\x0acccc1";
        let kinds: Vec<_> = children(bytes).map(|child| child.kind).collect();
        assert_eq!(kinds, [*b"aaaa", *b"bbbb"]);
        assert_eq!(child(bytes, *b"aaaa"), Some(&b"1"[..]));
        assert_eq!(descend(bytes, &[b"aaaa", b"zzzz"]), None);
    }
}
