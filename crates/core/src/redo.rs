//! What a new making of a video takes over from an older one: the plan decides it, chunk by
//! chunk, and the worker copies what it finds finished.

use cattube_contract::command::{Redo, Reuse};
use cattube_contract::plan::{AUDIO_RENDITION, ChunkId, Plan, Rendition, Track, VideoEncoding};

/// Without this size nothing would be left to make.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("without {size} no size of the video would be left")]
pub struct NothingLeft {
    /// The size.
    pub size: String,
}

/// Leaves out of a plan what is to be skipped, and what the older making left out before: a
/// size that was given up does not come back with the redo of another.
///
/// # Errors
/// [`NothingLeft`] if that is the last size.
pub fn leave_out(plan: &mut Plan, old: Option<&Plan>, redo: &Redo) -> Result<(), NothingLeft> {
    let (asked, skipped) = match redo {
        Redo::Chunk(_) => (None, None),
        Redo::Size(size) => (Some(size.as_str()), None),
        Redo::Skip(size) => (None, Some(size.as_str())),
    };
    let had = |name: &str| old.is_none_or(|old| renditions(old).any(|made| made == name));
    let stays = |name: &str| skipped != Some(name) && (asked == Some(name) || had(name));
    let kept: Vec<Rendition> = plan
        .video
        .encoding
        .renditions
        .iter()
        .filter(|made| stays(&made.name))
        .cloned()
        .collect();
    if kept.is_empty() {
        let size = skipped.or(asked).unwrap_or_default().to_owned();
        return Err(NothingLeft { size });
    }
    plan.video.encoding.renditions = kept;
    if !stays(AUDIO_RENDITION) {
        plan.audio = None;
    }
    Ok(())
}

/// What a chunk of the new plan takes over from the older making; none if that was planned
/// otherwise, or if all of the chunk is made anew.
#[must_use]
pub fn reuse(old: &Plan, new: &Plan, redo: &Redo, chunk: ChunkId) -> Option<Reuse> {
    let anew = |name: &str| match redo {
        Redo::Chunk(redone) => *redone == chunk,
        Redo::Size(size) => size == name,
        Redo::Skip(_) => false,
    };
    let names: Vec<String> = match chunk.track {
        Track::Video => common_sizes(old, new),
        Track::Audio => {
            let same = old.audio.is_some() && old.audio == new.audio;
            same.then(|| AUDIO_RENDITION.to_owned())
                .into_iter()
                .collect()
        }
    };
    let names: Vec<_> = names.into_iter().filter(|name| !anew(name)).collect();
    (!names.is_empty()).then_some(Reuse {
        generation: old.generation,
        renditions: names,
    })
}

/// The names of all renditions of a plan, the sound's too.
fn renditions(plan: &Plan) -> impl Iterator<Item = &str> {
    let sizes = plan.video.encoding.renditions.iter();
    let sizes = sizes.map(|made| made.name.as_str());
    sizes.chain(plan.audio.as_ref().map(|_| AUDIO_RENDITION))
}

/// The sizes that both plans make alike, if they cut and encode the pictures alike.
fn common_sizes(old: &Plan, new: &Plan) -> Vec<String> {
    let without_sizes = |encoding: &VideoEncoding| VideoEncoding {
        renditions: Vec::new(),
        ..encoding.clone()
    };
    let (left, right) = (&old.video, &new.video);
    let alike = left.chunks == right.chunks
        && without_sizes(&left.encoding) == without_sizes(&right.encoding);
    if !alike {
        return Vec::new();
    }
    let both = right.encoding.renditions.iter();
    let both = both.filter(|made| left.encoding.renditions.contains(made));
    both.map(|made| made.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cattube_contract::media::{DynamicRange, Rational, Rotation, TickRange};
    use cattube_contract::plan::{AudioEncoding, PlannedAudio, PlannedVideo, Quality};
    use cattube_contract::{OwnerId, VideoId};

    fn rendition(name: &str) -> Rendition {
        Rendition {
            name: name.to_owned(),
            width_px: 2,
            height_px: 2,
            max_bitrate_bps: 1,
            level_times_ten: 40,
            quality: Quality::Crf(23),
        }
    }

    fn plan(generation: u32, sizes: &[&str]) -> Plan {
        let range = |start, end| TickRange { start, end };
        Plan {
            video_id: VideoId::NONE,
            owner_id: OwnerId::NONE,
            generation,
            duration_ms: None,
            source_width_px: 2,
            source_height_px: 2,
            video: PlannedVideo {
                encoding: VideoEncoding {
                    timescale: 90_000,
                    shift_ticks: 3_000,
                    frame_rate: Rational { num: 30, den: 1 },
                    segment_ticks: 360_000,
                    rotation: Rotation::None,
                    dynamic_range: DynamicRange::Sdr,
                    renditions: sizes.iter().map(|name| rendition(name)).collect(),
                    thumbnail_ticks: 1,
                    thumbnail_width_px: 2,
                    thumbnail_height_px: 2,
                },
                chunks: vec![range(0, 360_000), range(360_000, i64::MAX)],
            },
            audio: Some(PlannedAudio {
                encoding: AudioEncoding {
                    source_rate_hz: 48_000,
                    shift_samples: 1_600,
                    bitrate_bps: 128_000,
                },
                chunks: vec![range(0, i64::MAX)],
            }),
            skipped_sizes: Vec::new(),
            job: None,
            slices: Vec::new(),
        }
    }

    fn reused(redo: &Redo, old: &Plan, new: &Plan) -> Vec<Vec<String>> {
        let of = |chunk| reuse(old, new, redo, chunk).map_or(Vec::new(), |reuse| reuse.renditions);
        new.chunk_ids().map(of).collect()
    }

    fn size(name: &str) -> Redo {
        Redo::Size(name.to_owned())
    }

    #[test]
    fn all_but_what_is_redone_is_taken_over() {
        let (old, new) = (plan(1, &["2160p", "360p"]), plan(2, &["2160p", "360p"]));
        let chunk = Redo::Chunk("v00001".parse().unwrap());
        assert_eq!(
            reused(&chunk, &old, &new),
            [vec!["2160p", "360p"], vec![], vec!["audio"]]
        );
        assert_eq!(
            reused(&size("360p"), &old, &new),
            [vec!["2160p"], vec!["2160p"], vec!["audio"]]
        );
        assert_eq!(
            reused(&size("audio"), &old, &new),
            [vec!["2160p", "360p"], vec!["2160p", "360p"], vec![]]
        );
    }

    #[test]
    fn a_plan_that_cuts_otherwise_gives_nothing() {
        let (old, mut new) = (plan(1, &["360p"]), plan(2, &["360p"]));
        new.video.encoding.segment_ticks = 1;
        assert_eq!(
            reused(&size("audio"), &old, &new),
            [vec![""; 0], vec![], vec![]]
        );
        let mut new = plan(2, &["360p"]);
        new.video.encoding.renditions[0].quality = Quality::Lossless;
        assert_eq!(
            reused(&size("2160p"), &old, &new),
            [vec![], vec![], vec!["audio"]]
        );
        let mut new = plan(2, &["360p"]);
        new.audio = None;
        assert_eq!(reused(&size("2160p"), &old, &new), [["360p"], ["360p"]]);
    }

    #[test]
    fn a_skipped_size_stays_away_until_it_is_asked_for() {
        let names = |plan: &Plan| renditions(plan).map(str::to_owned).collect::<Vec<_>>();
        let mut second = plan(2, &["2160p", "720p", "360p"]);
        let first = plan(1, &["2160p", "720p", "360p"]);
        leave_out(&mut second, Some(&first), &Redo::Skip("720p".to_owned())).unwrap();
        assert_eq!(names(&second), ["2160p", "360p", "audio"]);
        let mut third = plan(3, &["2160p", "720p", "360p"]);
        leave_out(&mut third, Some(&second), &size("360p")).unwrap();
        assert_eq!(names(&third), ["2160p", "360p", "audio"]);
        let mut third = plan(3, &["2160p", "720p", "360p"]);
        leave_out(&mut third, Some(&second), &size("720p")).unwrap();
        assert_eq!(names(&third), ["2160p", "720p", "360p", "audio"]);
        let mut third = plan(3, &["2160p", "720p", "360p"]);
        leave_out(&mut third, None, &Redo::Skip("audio".to_owned())).unwrap();
        assert_eq!(names(&third), ["2160p", "720p", "360p"]);
    }

    #[test]
    fn the_last_size_is_never_left_out() {
        let mut new = plan(2, &["360p"]);
        let refused = leave_out(
            &mut new,
            Some(&plan(1, &["360p"])),
            &Redo::Skip("360p".to_owned()),
        );
        assert_eq!(
            refused.unwrap_err().to_string(),
            "without 360p no size of the video would be left"
        );
        assert_eq!(new, plan(2, &["360p"]));
    }
}
