//! Masters, what ffmpeg says of them, slices, and what the encoder makes.

use cattube_contract::media::{DynamicRange, Rational, Rotation, TickRange};
use cattube_contract::plan::{AudioEncoding, Rendition, VideoEncoding};
use cattube_contract::size::Sizes;
use cattube_core::container::{self, IndexError, MasterIndex, SparseBytes, probe_text};
use cattube_core::package::{
    self, cut_audio_segments, cut_video_segments, init_segment, read_encoded,
};
use cattube_core::slice::{Slice, slice_audio, slice_video};
use cattube_core::{chunking, ladder};

use super::{bytes, same, text};
use crate::guard::Target;
use crate::mutate;
use crate::random::Random;
use crate::seeds::Seeds;
use crate::tree::{self, Kind};

/// As `plan` does.
const MAX_READS: usize = 20_000;

pub fn all(seeds: &Seeds) -> Vec<Target<'_>> {
    let master = |random: &mut Random| {
        let (kind, film) = random.pick(&seeds.masters);
        let (_, other) = random.pick(&seeds.masters);
        tree::mutate(random, *kind, film, other)
    };
    let file = |random: &mut Random| any(random, &seeds.files);
    let encoded = |random: &mut Random| {
        let (made, other) = (random.pick(&seeds.encoded), random.pick(&seeds.encoded));
        tree::mutate(random, Kind::Mp4, made, other)
    };
    vec![
        bytes("container", master, film),
        bytes("any-file", file, film),
        text("probe-text", |random| lines(random, &seeds.probes), probe),
        bytes("slice", |random| any(random, &seeds.slices), slice),
        bytes("encoded-file", encoded, encoding),
        text("frame-list", |random| lines(random, &seeds.frames), frames),
    ]
}

/// Any bytes, mutated as such.
fn any(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut file = random.pick(seeds).clone();
    // What matters stands in front, or at the very end.
    if random.once_in(3) {
        file.truncate(1 + random.below(512));
    }
    for _ in 0..random.rounds() {
        let other = random.pick(seeds);
        if random.once_in(2) {
            let rest = file.split_off(file.len().min(64));
            mutate::bytes(random, &mut file, other);
            file.extend(rest);
        } else {
            mutate::bytes(random, &mut file, other);
        }
    }
    file
}

fn lines(random: &mut Random, seeds: &[String]) -> String {
    let mut text = random.pick(seeds).clone();
    for _ in 0..random.rounds() {
        let other = random.pick(seeds);
        mutate::text(random, &mut text, other);
    }
    text
}

/// Reads a master as `plan` does, range by range as it is asked for.
fn index(file: &[u8]) -> Result<Option<MasterIndex>, String> {
    let size = u64::try_from(file.len()).unwrap();
    let mut bytes = SparseBytes::new(size);
    for _ in 0..MAX_READS {
        match container::index(&bytes) {
            Ok(index) => return Ok(Some(index)),
            Err(IndexError::Need(range)) => {
                if range.start >= range.end || range.end > size {
                    return Err(format!("bytes {range:?} of {size} are asked for"));
                }
                if bytes.get(range.clone()).is_ok() {
                    return Err(format!("bytes {range:?} are asked for again"));
                }
                let start = usize::try_from(range.start).unwrap();
                let end = usize::try_from(range.end).unwrap();
                bytes.insert(range.start, file[start..end].to_vec());
            }
            Err(IndexError::NeedProbe { .. } | IndexError::Rejected { .. }) => return Ok(None),
        }
    }
    Err(format!("more than {MAX_READS} reads of {size} bytes"))
}

fn film(file: &[u8]) -> Result<bool, String> {
    match index(file)? {
        None => Ok(false),
        Some(index) => cut(&index).map(|()| true),
    }
}

/// Cuts whatever was understood: times may be anything, but ranges follow each other, and no
/// slice reaches beyond the master.
fn cut(index: &MasterIndex) -> Result<(), String> {
    let video = &index.video;
    let _ = ladder::choose_renditions(
        video.width_px,
        video.height_px,
        video.frame_rate,
        &Sizes::Auto,
    );
    let _ = chunking::shift_ticks(video);
    let pictures = chunking::cut_video(video, 4_000);
    follow(&pictures)?;
    let mut slices: Vec<Slice> = Vec::new();
    for range in pictures.iter().take(8) {
        slices.push(slice_video(index, *range));
    }
    if let Some(track) = &index.audio {
        let sound = chunking::cut_audio(track);
        follow(&sound)?;
        for range in sound.iter().take(8) {
            slices.push(slice_audio(index, track, *range));
        }
    }
    for slice in slices {
        if slice.master_bytes() > index.size_bytes.saturating_mul(2) {
            return Err(format!("a slice of {} bytes", slice.master_bytes()));
        }
        same(&slice, Slice::parse(&slice.to_bytes()).ok().as_ref())?;
    }
    Ok(())
}

fn follow(ranges: &[TickRange]) -> Result<(), String> {
    let gap = ranges.windows(2).any(|pair| pair[0].end != pair[1].start);
    let empty = ranges.iter().any(|range| range.start >= range.end);
    if gap || empty || ranges.is_empty() {
        return Err(format!("{} chunks that do not follow", ranges.len()));
    }
    Ok(())
}

fn probe(said: &str) -> Result<bool, String> {
    match probe_text::parse("mpegts", 1_000_000, said) {
        Ok(index) => cut(&index).map(|()| true),
        Err(_) => Ok(false),
    }
}

fn slice(input: &[u8]) -> Result<bool, String> {
    match Slice::parse(input) {
        Ok(slice) => same(&slice, Slice::parse(&slice.to_bytes()).ok().as_ref()),
        Err(_) => Ok(false),
    }
}

fn encoding(file: &[u8]) -> Result<bool, String> {
    let Ok(encoded) = read_encoded(file) else {
        return Ok(false);
    };
    let inside = encoded.samples.iter();
    if !{ inside }.all(|sample| sample.bytes.end <= file.len()) {
        return Err("a sample outside the file".to_owned());
    }
    let _ = init_segment(&encoded);
    let range = TickRange {
        start: 0,
        end: i64::MAX,
    };
    let mut expected: Vec<i64> = encoded.samples.iter().map(|sample| sample.pts).collect();
    expected.sort_unstable();
    let pictures = cut_video_segments(&encoded, &expected, range, &video_encoding());
    let sound = AudioEncoding {
        source_rate_hz: 48_000,
        shift_samples: 1_024,
        bitrate_bps: 128_000,
    };
    let sound = cut_audio_segments(&encoded, range, &sound);
    Ok(pictures.is_ok() || sound.is_ok())
}

fn video_encoding() -> VideoEncoding {
    VideoEncoding {
        timescale: 10_240,
        shift_ticks: 4_096,
        frame_rate: Rational { num: 10, den: 1 },
        segment_ticks: 10_240,
        rotation: Rotation::None,
        dynamic_range: DynamicRange::Sdr,
        renditions: Vec::<Rendition>::new(),
        thumbnail_ticks: 10_240,
        thumbnail_width_px: 90,
        thumbnail_height_px: 60,
    }
}

fn frames(text: &str) -> Result<bool, String> {
    let Ok(frames) = package::parse_frames(text) else {
        return Ok(false);
    };
    if frames.windows(2).any(|pair| pair[0].pts >= pair[1].pts) {
        return Err("frames that do not rise".to_owned());
    }
    let range = TickRange {
        start: 0,
        end: 5_000,
    };
    let expected = package::expected_pts(&frames, range, &video_encoding());
    let seam = package::seam(&frames, range);
    Ok(seam.is_ok_and(|seam| package::seams_agree(&seam, &seam) || !expected.is_empty()))
}
