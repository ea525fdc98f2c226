//! Audio: one AAC encode of the chunk and some packets on both sides.

use cattube_contract::media::TickRange;
use cattube_contract::plan::AudioEncoding;

use super::{AUDIO_FILE, Args, SliceInput};
use crate::sound::{OVERLAP_SAMPLES, RATE_HZ};

/// Arguments for one audio chunk. `range` is film time in samples of 48 kHz. Sound that
/// begins late or has a hole is filled with silence; film sample n is encoded at
/// n + `shift_samples`.
#[must_use]
pub fn audio_args(input: &SliceInput, range: TickRange, encoding: &AudioEncoding) -> Vec<String> {
    let mut args = Args::reading(input, 1);
    args.words("-filter_complex");
    args.value(graph(input, range, encoding));
    args.words("-map [sound] -c:a aac -flags:a +bitexact -threads 1 -b:a");
    args.value(encoding.bitrate_bps);
    args.fragmented_mp4("-ar", RATE_HZ, AUDIO_FILE);
    args.0
}

/// Cut on the source's own samples, resampled from there, so that the phase of the resampler
/// is that of one encode of the whole film. The first `aresample` does nothing unless the
/// decoder's rate is not the one that the container names (HE-AAC); `atrim` and `first_pts`
/// count in samples of their input.
fn graph(input: &SliceInput, range: TickRange, encoding: &AudioEncoding) -> String {
    // The film's first chunk has no overlap: nothing is before it.
    let first = if range.start <= 0 {
        range.start
    } else {
        range.start.saturating_sub(OVERLAP_SAMPLES)
    };
    let end = range.end.saturating_add(OVERLAP_SAMPLES);
    let source = |sample: i64| to_source(sample, encoding.source_rate_hz);
    let open = range.end == i64::MAX;
    let (cut, fill) = if open {
        (String::new(), String::new())
    } else {
        (
            format!(":end_pts={}", source(end)),
            format!(
                ",apad=whole_len={0},atrim=end_sample={0}",
                end.saturating_sub(first)
            ),
        )
    };
    format!(
        "[0:a:{stream}]aresample={source_rate},asettb=1/{source_rate},asetpts=PTS-({origin}),\
         atrim=start_pts={start}{cut},aresample={RATE_HZ}:async=1:first_pts={start},\
         aformat=sample_fmts=fltp:channel_layouts=stereo{fill},\
         asettb=1/{RATE_HZ},asetpts=N+({first_pts})[sound]",
        stream = input.stream,
        source_rate = encoding.source_rate_hz.max(1),
        origin = input.origin_ticks,
        start = source(first),
        first_pts = first.saturating_add(encoding.shift_samples),
    )
}

/// A sample of 48 kHz in samples of the source, rounded down.
fn to_source(sample: i64, source_rate_hz: u32) -> i64 {
    let exact = i128::from(sample) * i128::from(source_rate_hz);
    i64::try_from(exact.div_euclid(i128::from(RATE_HZ))).unwrap_or(i64::MAX)
}
