//! The sequence parameter set of HEVC, as far as its usability information.

use super::{Vui, vui};
use crate::container::reader::BitReader;

/// ITU-T H.265 §7.3.2.2.1.
pub(super) fn sps(sps: &[u8]) -> Option<Vui> {
    let mut bits = BitReader::new(sps);
    bits.skip(16 + 4)?;
    let layers = bits.bits(3)?;
    bits.skip(1)?;
    profile_tier_level(&mut bits, layers)?;
    bits.golomb()?;
    if bits.golomb()? == 3 {
        bits.skip(1)?;
    }
    bits.golomb()?;
    bits.golomb()?;
    if bits.bit()? {
        for _ in 0..4 {
            bits.golomb()?;
        }
    }
    bits.golomb()?;
    bits.golomb()?;
    let poc_bits = bits.golomb()?.saturating_add(4);
    let sets = if bits.bit()? {
        layers.saturating_add(1)
    } else {
        1
    };
    for _ in 0..sets.saturating_mul(3) {
        bits.golomb()?;
    }
    for _ in 0..6 {
        bits.golomb()?;
    }
    if bits.bit()? && bits.bit()? {
        scaling_lists(&mut bits)?;
    }
    bits.skip(2)?;
    if bits.bit()? {
        bits.skip(8)?;
        bits.golomb()?;
        bits.golomb()?;
        bits.skip(1)?;
    }
    reference_sets(&mut bits)?;
    if bits.bit()? {
        for _ in 0..bits.golomb()?.min(32) {
            bits.bits(poc_bits)?;
            bits.skip(1)?;
        }
    }
    bits.skip(2)?;
    if bits.bit()? {
        vui(&mut bits)
    } else {
        Some(Vui::default())
    }
}

fn profile_tier_level(bits: &mut BitReader<'_>, layers: u32) -> Option<()> {
    bits.skip(88 + 8)?;
    let mut has = Vec::new();
    for _ in 0..layers {
        has.push((bits.bit()?, bits.bit()?));
    }
    if layers > 0 {
        for _ in layers..8 {
            bits.skip(2)?;
        }
    }
    for (profile, level) in has {
        bits.skip(if profile { 88 } else { 0 })?;
        bits.skip(if level { 8 } else { 0 })?;
    }
    Some(())
}

fn scaling_lists(bits: &mut BitReader<'_>) -> Option<()> {
    for size in 0..4_u32 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if !bits.bit()? {
                bits.golomb()?;
                continue;
            }
            if size > 1 {
                bits.signed_golomb()?;
            }
            for _ in 0..if size == 0 { 16 } else { 64 } {
                bits.signed_golomb()?;
            }
        }
    }
    Some(())
}

/// ITU-T H.265 §7.3.7, for every set of the SPS.
fn reference_sets(bits: &mut BitReader<'_>) -> Option<()> {
    let mut pictures_before = 0_u32;
    for set in 0..bits.golomb()?.min(64) {
        if set > 0 && bits.bit()? {
            bits.skip(1)?;
            bits.golomb()?;
            let mut pictures = 0_u32;
            for _ in 0..=pictures_before {
                let is_used = bits.bit()?;
                if is_used || bits.bit()? {
                    pictures = pictures.saturating_add(1);
                }
            }
            pictures_before = pictures;
            continue;
        }
        let negative = bits.golomb()?;
        let total = negative
            .checked_add(bits.golomb()?)
            .filter(|total| *total <= 32)?;
        for _ in 0..total {
            bits.golomb()?;
            bits.skip(1)?;
        }
        pictures_before = total;
    }
    Some(())
}
