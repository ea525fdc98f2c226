//! H.264 whose key frames are not clean: with intra-refresh a "sync sample" only begins to
//! build the picture anew, and says how many frames that takes.

use super::boxes::{child, children};
use crate::container::reader::{BitReader, Reader};
use crate::container::vui::without_emulation;
use crate::container::{IndexError, SampleTable, SparseBytes};

/// The message stands in front of the picture: so many bytes of the packet are enough.
const FRONT_BYTES: u64 = 4 << 10;

/// How many frames after a sync sample its pictures are right: 0 for clean key frames.
/// Judged by the second sync sample, since the first picture of a film is clean anyway.
pub(super) fn frames(bytes: &SparseBytes, table: &SampleTable) -> Result<u32, IndexError> {
    let second = table.samples.iter().filter(|sample| sample.is_sync).nth(1);
    let (Some(sample), Some(length_bytes)) = (second, nal_length_bytes(&table.sample_description))
    else {
        return Ok(0);
    };
    let front = FRONT_BYTES.min(u64::from(sample.size_bytes));
    let packet = bytes.get(sample.offset..sample.offset.saturating_add(front))?;
    Ok(recovery_frames(&packet, length_bytes).unwrap_or(0))
}

/// Out of the `avcC` box in an `stsd` box.
fn nal_length_bytes(description: &[u8]) -> Option<usize> {
    let stsd = children(description).next()?.body;
    let entry = children(stsd.get(8..)?).next()?.body;
    let record = child(entry.get(78..)?, *b"avcC")?;
    Some(usize::from(record.get(4)? & 3).saturating_add(1))
}

/// `recovery_frame_cnt` of a recovery point message (ITU-T H.264 annex D.1.8) that stands
/// before the first slice.
fn recovery_frames(packet: &[u8], length_bytes: usize) -> Option<u32> {
    const SEI: u8 = 6;
    const SLICES: std::ops::RangeInclusive<u8> = 1..=5;
    let mut packet = Reader::new(packet);
    loop {
        let length = packet
            .take(length_bytes)?
            .iter()
            .fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
        let unit = packet.rest().get(..length).unwrap_or(packet.rest());
        let kind = unit.first()? & 0x1f;
        if kind == SEI
            && let Some(frames) = recovery_message(&without_emulation(unit.get(1..)?))
        {
            return Some(frames);
        }
        if SLICES.contains(&kind) {
            return None;
        }
        packet.skip(length)?;
    }
}

fn recovery_message(messages: &[u8]) -> Option<u32> {
    const RECOVERY_POINT: usize = 6;
    let mut reader = Reader::new(messages);
    loop {
        let kind = long_number(&mut reader)?;
        let size = long_number(&mut reader)?;
        let payload = reader.take(size)?;
        if kind == RECOVERY_POINT {
            return BitReader::new(payload).golomb();
        }
    }
}

/// A number of bytes that are all added, 255 meaning that more follow.
fn long_number(reader: &mut Reader<'_>) -> Option<usize> {
    let mut sum = 0_usize;
    loop {
        let byte = reader.u8()?;
        sum = sum.checked_add(usize::from(byte))?;
        if byte != 0xff {
            return Some(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_before_the_first_slice_counts() {
        // Access unit delimiter; recovery point after 59 frames: ue(59) is 00000 111100.
        let message = [6, 6, 3, 0x07, 0x80, 0x40, 0x80];
        let packet = [
            &[0, 0, 0, 2, 9, 0xf0, 0, 0, 0, 7][..],
            &message,
            &[0, 0, 0, 1, 0x41],
        ]
        .concat();
        assert_eq!(recovery_frames(&packet, 4), Some(59));
        // A unit before it whose length needs two bytes.
        let mut long = vec![0, 0, 1, 4, 9];
        long.extend([0xf0; 259]);
        long.extend(&packet[6..]);
        assert_eq!(recovery_frames(&long, 4), Some(59));
        // A slice comes first.
        assert_eq!(recovery_frames(&[0, 0, 0, 1, 0x65, 0, 0, 0, 7, 6], 4), None);
        assert_eq!(recovery_frames(&packet[..12], 4), None);
        assert_eq!(recovery_frames(&[0xff; 40], 4), None);
    }
}
