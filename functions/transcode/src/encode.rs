//! Runs ffmpeg on the slice and checks what came out against the plan, frame by frame.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cattube_contract::excerpt;
use cattube_contract::media::TickRange;
use cattube_contract::plan::{AUDIO_RENDITION, AudioEncoding, ChunkId, ChunkWork, VideoEncoding};
use cattube_contract::report::{ChunkReport, FrameMark, RenditionReport, Seam, SegmentReport};
use cattube_core::encode::{self, SliceInput};
use cattube_core::package::{self, Encoded, InitSegment, PackageError, Segment};
use cattube_core::slice::Slice;
use cattube_ports::Workspace;

use crate::TranscodeError;
use crate::fetch::FILE;
use crate::reuse::Reused;

/// Threads of the decoder and of each encoder: a worker's vCPUs. With more than one, x264's rate
/// control is not repeatable to the byte (measured: 3 outputs in 12 runs), so a chunk that is made
/// twice has the same frames, times and init segment, and segments of slightly other sizes.
const THREADS: u32 = 2;

/// How much of ffmpeg's words goes into an event.
const REASON_CHARS: usize = 400;

/// How many of its lines.
const REASON_LINES: usize = 3;

/// One size of the chunk.
pub(crate) struct MadeRendition {
    pub(crate) name: String,
    pub(crate) init: InitSegment,
    pub(crate) segments: Vec<Segment>,
}

/// Everything that came out.
#[derive(Default)]
pub(crate) struct Made {
    pub(crate) renditions: Vec<MadeRendition>,
    pub(crate) seam: Option<Seam>,
    pub(crate) thumbnails: Vec<(i64, Bytes)>,
    pub(crate) poster: Option<Bytes>,
}

impl Made {
    /// What was made and what was copied, together.
    pub(crate) fn report(self, chunk: ChunkId, reused: Reused, read_bytes: u64) -> ChunkReport {
        let made = self.renditions.iter();
        let mut renditions: BTreeMap<_, _> = made
            .map(|made| (made.name.clone(), describe(made)))
            .collect();
        renditions.extend(reused.renditions);
        let thumbnail_pts = if self.renditions.is_empty() {
            reused.thumbnail_pts
        } else {
            self.thumbnails.iter().map(|(pts, _)| *pts).collect()
        };
        ChunkReport {
            chunk,
            renditions,
            seam: self.seam.or(reused.seam),
            thumbnail_pts,
            read_bytes,
        }
    }
}

fn describe(made: &MadeRendition) -> RenditionReport {
    RenditionReport {
        init_sha256: made.init.sha256.clone(),
        codecs: made.init.codecs.clone(),
        segments: made
            .segments
            .iter()
            .map(|segment| SegmentReport {
                start_pts: segment.start_pts,
                duration_ticks: segment.duration_ticks,
                size_bytes: u64::try_from(segment.bytes.len()).unwrap_or(u64::MAX),
                frame_count: segment.frame_count,
            })
            .collect(),
    }
}

pub(crate) async fn run(
    work: &ChunkWork,
    slice: &Slice,
    workspace: &mut dyn Workspace,
    limit: Duration,
) -> Result<Made, TranscodeError> {
    let mut input = SliceInput {
        path: FILE.to_owned(),
        format: slice.format.clone(),
        stream: slice.stream,
        origin_ticks: slice.origin_ticks,
    };
    match work {
        ChunkWork::Video {
            range,
            encoding,
            makes_poster,
        } => {
            let args = encode::video_args(&input, *range, encoding, *makes_poster, THREADS);
            start(workspace, &args, limit).await?;
            collect_video(slice, *range, encoding, *makes_poster, workspace).await
        }
        ChunkWork::Audio { range, encoding } => {
            // Sound is timed in its samples, whatever the container counts in.
            let origin = i128::from(slice.origin_ticks) * i128::from(encoding.source_rate_hz)
                / i128::from(slice.timescale.max(1));
            input.origin_ticks = i64::try_from(origin).unwrap_or(0);
            let args = encode::audio_args(&input, *range, encoding);
            start(workspace, &args, limit).await?;
            collect_audio(*range, encoding, workspace).await
        }
    }
}

async fn start(
    workspace: &mut dyn Workspace,
    args: &[String],
    limit: Duration,
) -> Result<(), TranscodeError> {
    let exit = workspace.run(args, limit).await?;
    if exit.success {
        return Ok(());
    }
    Err(TranscodeError::Encoder {
        reason: explain(&exit.stderr),
    })
}

/// The first words of what ffmpeg complained about, without its marks of who is speaking
/// (`[h264 @ 0x5…]`): the rest follows from them.
fn explain(stderr: &str) -> String {
    let lines = stderr.lines().map(|line| {
        let said = line.rsplit_once("] ").map_or(line, |(_, said)| said);
        said.trim()
    });
    let mut lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    lines.dedup();
    lines.truncate(REASON_LINES);
    excerpt(&lines.join("; "), REASON_CHARS)
}

fn bad(file: &str) -> impl FnOnce(PackageError) -> TranscodeError {
    let file = file.to_owned();
    move |error| TranscodeError::Package {
        file,
        rendition: None,
        error,
    }
}

type Packaged = (InitSegment, Vec<Segment>);

fn package_rendition(
    bytes: &[u8],
    cut: impl FnOnce(&Encoded<'_>) -> Result<Vec<Segment>, PackageError>,
) -> Result<Packaged, PackageError> {
    let encoded = package::read_encoded(bytes)?;
    Ok((package::init_segment(&encoded)?, cut(&encoded)?))
}

/// All renditions, or the first that is not as planned. Where none of several is, their common
/// source is to blame and not the one.
fn all_or_the_blame(
    packaged: Vec<(String, Result<Packaged, PackageError>)>,
) -> Result<Vec<MadeRendition>, TranscodeError> {
    let any_good = packaged.iter().any(|(_, result)| result.is_ok());
    let alone = any_good || packaged.len() == 1;
    let made = |(name, result): (String, Result<Packaged, PackageError>)| match result {
        Ok((init, segments)) => Ok(MadeRendition {
            name,
            init,
            segments,
        }),
        Err(error) => Err(TranscodeError::Package {
            rendition: alone.then(|| name.clone()),
            file: name,
            error,
        }),
    };
    packaged.into_iter().map(made).collect()
}

/// The frames that the decoder gave must be those that the index promised.
fn compare(slice: &Slice, frames: &[FrameMark], range: TickRange) -> Result<(), TranscodeError> {
    let Some(expected) = &slice.expected_pts else {
        return Ok(());
    };
    let decoded: Vec<i64> = frames
        .iter()
        .map(|frame| frame.pts)
        .filter(|pts| (range.start..range.end).contains(pts))
        .collect();
    if decoded == *expected {
        return Ok(());
    }
    let differs = expected
        .iter()
        .zip(&decoded)
        .find(|(left, right)| left != right);
    Err(TranscodeError::Frames {
        expected: expected.len(),
        decoded: decoded.len(),
        at: differs.map_or(range.end, |(left, right)| *left.min(right)),
    })
}

async fn collect_video(
    slice: &Slice,
    range: TickRange,
    encoding: &VideoEncoding,
    makes_poster: bool,
    workspace: &dyn Workspace,
) -> Result<Made, TranscodeError> {
    let text = workspace.read(encode::FRAMES_FILE).await?;
    let frames =
        package::parse_frames(&String::from_utf8_lossy(&text)).map_err(bad(encode::FRAMES_FILE))?;
    compare(slice, &frames, range)?;
    let seam = package::seam(&frames, range).map_err(bad(encode::FRAMES_FILE))?;
    let expected = package::expected_pts(&frames, range, encoding);
    let mut renditions = Vec::new();
    for (place, rendition) in encoding.renditions.iter().enumerate() {
        let bytes = workspace.read(&encode::rendition_file(place)).await?;
        let cut = |encoded: &Encoded<'_>| {
            package::cut_video_segments(encoded, &expected, range, encoding)
        };
        renditions.push((rendition.name.clone(), package_rendition(&bytes, cut)));
    }
    let renditions = all_or_the_blame(renditions)?;
    let mut thumbnails = Vec::new();
    for name in workspace.list().await? {
        if let Some(pts) = encode::thumbnail_pts(&name) {
            thumbnails.push((pts, workspace.read(&name).await?));
        }
    }
    thumbnails.sort_by_key(|(pts, _)| *pts);
    let poster = if makes_poster {
        Some(workspace.read(encode::POSTER_FILE).await?)
    } else {
        None
    };
    Ok(Made {
        renditions,
        seam: Some(seam),
        thumbnails,
        poster,
    })
}

async fn collect_audio(
    range: TickRange,
    encoding: &AudioEncoding,
    workspace: &dyn Workspace,
) -> Result<Made, TranscodeError> {
    let bytes = workspace.read(encode::AUDIO_FILE).await?;
    let cut = |encoded: &Encoded<'_>| package::cut_audio_segments(encoded, range, encoding);
    let sound = (AUDIO_RENDITION.to_owned(), package_rendition(&bytes, cut));
    Ok(Made {
        renditions: all_or_the_blame(vec![sound])?,
        seam: None,
        thumbnails: Vec::new(),
        poster: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendition_is_blamed_if_it_alone_is_wrong() {
        let good = || {
            let init = InitSegment {
                bytes: Vec::new(),
                codecs: String::new(),
                sha256: String::new(),
            };
            Ok((init, Vec::new()))
        };
        let blamed = |results: Vec<Result<Packaged, PackageError>>| {
            let names = ["1080p", "360p"].map(str::to_owned);
            let error = all_or_the_blame(names.into_iter().zip(results).collect());
            error.err().and_then(|error| error.rendition())
        };
        let bad = || Err(PackageError::Empty);
        assert_eq!(blamed(vec![good(), bad()]).as_deref(), Some("360p"));
        assert_eq!(blamed(vec![bad(), good()]).as_deref(), Some("1080p"));
        assert_eq!(blamed(vec![bad()]).as_deref(), Some("1080p"));
        assert_eq!(blamed(vec![bad(), bad()]), None);
        assert_eq!(blamed(vec![good(), good()]), None);
    }

    #[test]
    fn a_reason_is_for_people() {
        let said = "[vist#0:0/h264 @ 0x56] [dec:h264 @ 0x57] Decode error rate 0.97 exceeds maximum 0.67\n\
                    [h264 @ 0x56] Decode error rate 0.97 exceeds maximum 0.67\n\n[mov @ 0x1] Packet corrupt\n";
        assert_eq!(
            explain(said),
            "Decode error rate 0.97 exceeds maximum 0.67; Packet corrupt"
        );
        assert_eq!(explain(""), "");
    }
}
