//! Video: checksums of every frame, every rendition, thumbnails, the poster.

use std::fmt::Write as _;

use cattube_contract::media::{DynamicRange, Rational, Rotation, TickRange};
use cattube_contract::plan::{Quality, Rendition, VideoEncoding};

use super::{Args, FRAMES_FILE, POSTER_FILE, SliceInput, rendition_file};
use crate::ladder::{self, BUFFER_SECONDS};
use crate::package::grid_limit;

/// Pictures of this size are checksummed: enough to tell frames apart.
const MARK_SIZE: &str = "64:36";

/// The long side of the poster in pixels, at most.
const POSTER_PX: u32 = 1_280;

/// The scaler of every rendition. `accurate_rnd+bitexact`: the same picture on every CPU.
const SCALER: &str = "flags=bicubic+accurate_rnd+bitexact";

/// Peak luminance over the 100 cd/m² that SDR white is mapped to: masters are mostly graded
/// for 1,000. A constant, since metadata may be missing from some slices.
const HDR_PEAK: u32 = 10;

/// Arguments for one video chunk: every rendition, the frames' checksums, the thumbnails
/// and perhaps the poster, from one decode. `range` is film time in ticks; frames outside it
/// are decoded and checksummed, but not encoded.
#[must_use]
pub fn video_args(
    input: &SliceInput,
    range: TickRange,
    encoding: &VideoEncoding,
    makes_poster: bool,
    thread_count: u32,
) -> Vec<String> {
    let mut args = Args::reading(input, thread_count);
    args.words("-filter_complex_threads");
    args.value(thread_count);
    args.words("-filter_complex");
    args.value(graph(input, range, encoding, makes_poster));

    map(&mut args, "marks");
    args.words("-c:v rawvideo -f framecrc");
    args.value(FRAMES_FILE);
    for (index, rendition) in encoding.renditions.iter().enumerate() {
        map(&mut args, &format!("v{index}"));
        x264(&mut args, rendition, range, encoding, thread_count);
        let file = rendition_file(index);
        args.fragmented_mp4("-video_track_timescale", encoding.timescale, &file);
    }
    map(&mut args, "thumbnails");
    args.words("-c:v mjpeg -q:v 5 -flags:v +bitexact -f image2 -frame_pts 1 t%d.jpg");
    if makes_poster {
        map(&mut args, "poster");
        args.words("-c:v mjpeg -q:v 3 -flags:v +bitexact -frames:v 1 -update 1 -f image2");
        args.value(POSTER_FILE);
    }
    args.0
}

/// An output of the graph, with the graph's own times.
fn map(args: &mut Args, label: &str) {
    args.words("-map");
    args.value(format_args!("[{label}]"));
    args.words("-fps_mode passthrough -enc_time_base filter");
}

fn x264(
    args: &mut Args,
    rendition: &Rendition,
    range: TickRange,
    encoding: &VideoEncoding,
    thread_count: u32,
) {
    args.words("-c:v libx264 -preset");
    args.value(ladder::PRESET);
    match rendition.quality {
        Quality::Crf(factor) => {
            args.words("-profile:v high -crf");
            args.value(factor);
            args.words("-maxrate");
            args.value(rendition.max_bitrate_bps);
            args.words("-bufsize");
            args.value(rendition.max_bitrate_bps.saturating_mul(BUFFER_SECONDS));
        }
        Quality::Lossless => args.words("-qp 0"),
    }
    let level = rendition.level_times_ten;
    args.words("-level");
    args.value(format_args!("{}.{}", level / 10, level % 10));
    // Key frames only where they are forced: a GOP without end, and scene cuts become plain
    // I frames, since no two cuts are a million frames apart.
    args.words("-g 1000000 -keyint_min 1000000 -bf 3 -flags:v +cgop+bitexact");
    args.words("-forced-idr 1 -force_key_frames");
    args.value(key_frames(range, encoding));
    args.words("-threads");
    args.value(thread_count);
    // x264 takes its parameters last, so this wins over what the demuxer guessed of a slice.
    let Rational { num, den } = encoding.frame_rate;
    args.words("-x264-params");
    args.value(format_args!("fps={num}/{den}"));
}

/// A key frame wherever the segment's number grows. `t` counts in seconds from the chunk's
/// first frame; half a tick makes the division safe from rounding.
fn key_frames(range: TickRange, encoding: &VideoEncoding) -> String {
    let number = |time: &str| {
        format!(
            "floor(({time}*{}+0.5)/{})",
            encoding.timescale,
            encoding.segment_ticks.max(1)
        )
    };
    let (now, before) = (number("t"), number("prev_forced_t"));
    let mut text = format!("expr:isnan(prev_forced_t)+gt({now},{before})");
    if let Some(last) = grid_limit(range, encoding.segment_ticks) {
        let _ = write!(text, "*lte({now},{last})");
    }
    text
}

/// The filter graph: from film time on, checksums, the cut, upright SDR, and its copies.
fn graph(
    input: &SliceInput,
    range: TickRange,
    encoding: &VideoEncoding,
    makes_poster: bool,
) -> String {
    let mut text = format!(
        "[0:V:{stream}]settb=1/{timescale},setpts=PTS-({origin}),split=2[all][body];\
         [all]scale={MARK_SIZE}:flags=area+accurate_rnd+bitexact,format=gray[marks];\
         [body]trim=start_pts={start}{end},setpts=PTS+({shift})",
        stream = input.stream,
        timescale = encoding.timescale,
        origin = input.origin_ticks,
        start = range.start,
        end = end_of_trim(range),
        shift = encoding.shift_ticks,
    );
    text.push_str(&to_sdr(encoding));
    text.push_str(turn(encoding.rotation));
    let copies = encoding.renditions.len() + 1 + usize::from(makes_poster);
    let _ = write!(text, ",split={copies}");
    for index in 0..encoding.renditions.len() {
        let _ = write!(text, "[c{index}]");
    }
    text.push_str(if makes_poster { "[ct][cp]" } else { "[ct]" });
    for (index, rendition) in encoding.renditions.iter().enumerate() {
        let _ = write!(
            text,
            ";[c{index}]scale={}:{}:{SCALER}:out_range=tv,setsar=1,format=yuv420p{}[v{index}]",
            rendition.width_px,
            rendition.height_px,
            sdr_tags(encoding.dynamic_range),
        );
    }
    let _ = write!(
        text,
        ";[ct]select='isnan(prev_selected_pts)+gte(pts-prev_selected_pts,{})',{}[thumbnails]",
        encoding.thumbnail_ticks.max(1),
        picture(encoding.thumbnail_width_px, encoding.thumbnail_height_px),
    );
    if makes_poster {
        let (width, height) = poster_box(encoding);
        let _ = write!(
            text,
            ";[cp]trim=end_frame=1,{}[poster]",
            picture(width, height)
        );
    }
    text
}

/// `i64::MAX` is an open end.
fn end_of_trim(range: TickRange) -> String {
    if range.end == i64::MAX {
        String::new()
    } else {
        format!(":end_pts={}", range.end)
    }
}

/// Scales to a JPEG's pixels: full range, BT.601, as JFIF says.
fn picture(width_px: u32, height_px: u32) -> String {
    format!(
        "scale={width_px}:{height_px}:{SCALER}:out_color_matrix=bt601:out_range=pc,\
         setsar=1,format=yuv420p:color_ranges=pc"
    )
}

fn poster_box(encoding: &VideoEncoding) -> (u32, u32) {
    let tallest = encoding.renditions.first();
    let (width, height) = tallest.map_or((16, 9), |made| (made.width_px, made.height_px));
    ladder::fit(width, height, POSTER_PX, POSTER_PX)
}

fn turn(rotation: Rotation) -> &'static str {
    match rotation {
        Rotation::None => "",
        Rotation::Clockwise90 => ",transpose=clock",
        Rotation::Half => ",hflip,vflip",
        Rotation::Clockwise270 => ",transpose=cclock",
    }
}

/// HDR mapped to BT.709. The input's meaning is said outright, so that a slice without tags
/// works; the tallest size first, since the mapping is in floats and dear.
fn to_sdr(encoding: &VideoEncoding) -> String {
    let transfer = match encoding.dynamic_range {
        DynamicRange::Sdr => return String::new(),
        DynamicRange::Pq => "smpte2084",
        DynamicRange::Hlg => "arib-std-b67",
    };
    let tallest = encoding.renditions.first();
    let (mut width, mut height) = tallest.map_or((2, 2), |made| (made.width_px, made.height_px));
    if encoding.rotation.swaps_sides() {
        (width, height) = (height, width);
    }
    format!(
        ",scale={width}:{height}:{SCALER},format=yuv420p10le,\
         zscale=tin={transfer}:min=bt2020nc:pin=bt2020:t=linear:npl=100,format=gbrpf32le,\
         zscale=p=bt709,tonemap=tonemap=hable:desat=0:peak={HDR_PEAK},\
         zscale=t=bt709:m=bt709:r=tv,format=yuv420p,\
         sidedata=mode=delete:type=MASTERING_DISPLAY_METADATA,\
         sidedata=mode=delete:type=CONTENT_LIGHT_LEVEL"
    )
}

/// What the encoder writes about colour: of SDR what the source says of itself, since
/// ffmpeg cannot convert a source that says nothing without guessing; of HDR BT.709.
fn sdr_tags(range: DynamicRange) -> &'static str {
    match range {
        DynamicRange::Sdr => "",
        DynamicRange::Pq | DynamicRange::Hlg => {
            ",setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
        }
    }
}
