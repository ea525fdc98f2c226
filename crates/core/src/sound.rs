//! What all sound that we make is: the numbers that cutting, slicing, encoding, packaging and
//! playlists must agree on.

/// Samples a second.
pub const RATE_HZ: u32 = 48_000;

/// Samples that one packet of AAC-LC decodes to (ISO/IEC 14496-3).
pub const PACKET_SAMPLES: i64 = 1_024;

/// Samples that a chunk is decoded and encoded beyond both its ends, so that encoder and
/// resampler have settled: 15 packets, 0.32 s. Whole samples at every usual source rate.
pub const OVERLAP_SAMPLES: i64 = 15 * PACKET_SAMPLES;

/// Bits a second: what Apple's HLS authoring rules give stereo AAC-LC.
pub const BITRATE_BPS: u64 = 128_000;
