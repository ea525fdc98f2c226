//! The child's output, of which only the end is kept.

use tokio::io::{AsyncRead, AsyncReadExt};

/// One read: a pipe's capacity.
const READ_BYTES: usize = 64 * 1024;

/// The last bytes of a stream, in memory bounded by twice their number.
#[derive(Debug)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    limit: usize,
    is_truncated: bool,
}

impl Tail {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
            is_truncated: false,
        }
    }

    fn push(&mut self, more: &[u8]) {
        // Of a piece longer than the limit only the end is ever copied.
        let skipped = more.len().saturating_sub(self.limit);
        self.is_truncated |= skipped > 0;
        self.bytes
            .extend_from_slice(more.get(skipped..).unwrap_or_default());
        // Cutting only at twice the limit moves each byte at most once.
        if self.bytes.len() > self.limit.saturating_mul(2) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let excess = self.bytes.len().saturating_sub(self.limit);
        self.is_truncated |= excess > 0;
        self.bytes.drain(..excess);
    }

    /// The bytes, and whether there were more before them.
    pub(crate) fn finish(mut self) -> (Vec<u8>, bool) {
        self.cut();
        (self.bytes, self.is_truncated)
    }
}

/// Reads to the end, so that the child never blocks on a full pipe.
pub(crate) async fn pump(
    source: Option<impl AsyncRead + Unpin>,
    tail: &mut Tail,
) -> std::io::Result<()> {
    let Some(mut source) = source else {
        return Ok(());
    };
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = source.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        tail.push(buffer.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_end_however_it_comes() {
        let all: Vec<u8> = (0..=255).collect();
        for piece in [1, 3, 9, 10, 11, 25, 256] {
            let mut tail = Tail::new(10);
            all.chunks(piece).for_each(|bytes| tail.push(bytes));
            assert!(tail.bytes.capacity() < 64, "piece of {piece}");
            assert_eq!(
                tail.finish(),
                (all[246..].to_vec(), true),
                "piece of {piece}"
            );
        }
    }

    #[test]
    fn an_output_of_just_the_limit_is_whole() {
        let mut tail = Tail::new(3);
        tail.push(b"abc");
        assert_eq!(tail.finish(), (b"abc".to_vec(), false));
    }

    #[test]
    fn a_limit_of_nothing_keeps_nothing() {
        let mut tail = Tail::new(0);
        tail.push(b"abc");
        assert_eq!(tail.finish(), (Vec::new(), true));
    }
}
