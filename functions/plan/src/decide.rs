//! Decides everything about the making of a video: sizes, chunks, encodings.

use cattube_contract::Metadata;
use cattube_contract::command::PlanVideo;
use cattube_contract::event::{RenditionSummary, VideoPlanned};
use cattube_contract::plan::{
    AudioEncoding, Plan, PlannedAudio, PlannedVideo, Quality, VideoEncoding,
};
use cattube_core::chunking::{self, TARGET_CHUNK_MS};
use cattube_core::container::MasterIndex;
use cattube_core::{ladder, sound};

/// Decides everything about the making of a video.
pub(crate) fn make_plan(
    metadata: &Metadata,
    job: &PlanVideo,
    index: &MasterIndex,
    quality: Quality,
) -> Plan {
    let video = &index.video;
    let (width_px, height_px) = video.upright_px();
    let mut ladder = ladder::choose_renditions(width_px, height_px, video.frame_rate, &job.sizes);
    for rendition in &mut ladder.renditions {
        rendition.quality = quality;
    }
    let (thumbnail_width_px, thumbnail_height_px) = ladder::thumbnail_box(width_px, height_px);
    let timescale = i64::from(video.timescale);
    let rate_hz = i64::from(sound::RATE_HZ);
    let mut shift_ticks = chunking::shift_ticks(video);
    if index.audio.is_some() {
        // The encoder's priming packet stands one packet before the film's zero.
        let packet_ticks = (sound::PACKET_SAMPLES * timescale + rate_hz - 1) / rate_hz;
        shift_ticks = shift_ticks.max(packet_ticks);
    }
    let encoding = VideoEncoding {
        timescale: video.timescale,
        shift_ticks,
        frame_rate: video.frame_rate,
        segment_ticks: i64::from(TARGET_CHUNK_MS) * timescale / 1000,
        rotation: video.rotation,
        dynamic_range: video.dynamic_range,
        renditions: ladder.renditions,
        thumbnail_ticks: thumbnail_ticks(index.duration_ms, timescale),
        thumbnail_width_px,
        thumbnail_height_px,
    };
    let audio = index.audio.as_ref().map(|track| PlannedAudio {
        encoding: AudioEncoding {
            source_rate_hz: track.sample_rate_hz,
            shift_samples: shift_ticks * rate_hz / timescale.max(1),
            bitrate_bps: sound::BITRATE_BPS,
        },
        chunks: chunking::cut_audio(track),
    });
    Plan {
        video_id: metadata.video_id,
        owner_id: metadata.owner_id,
        generation: job.generation,
        duration_ms: index.duration_ms,
        source_width_px: width_px,
        source_height_px: height_px,
        video: PlannedVideo {
            encoding,
            chunks: chunking::cut_video(video, TARGET_CHUNK_MS),
        },
        audio,
        skipped_sizes: ladder.skipped_sizes,
        job: Some(job.clone()),
        slices: Vec::new(),
    }
}

/// Thumbnails every two seconds, or rarer where a long film would have over a hundred.
fn thumbnail_ticks(duration_ms: Option<u64>, timescale: i64) -> i64 {
    let spread_ms = duration_ms.map_or(0, |duration| duration / 100);
    let every_ms = i64::try_from(spread_ms).unwrap_or(0).max(2_000);
    every_ms.saturating_mul(timescale) / 1000
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// What is said of a plan on the bus.
pub(crate) fn summarise(plan: &Plan) -> VideoPlanned {
    let renditions = &plan.video.encoding.renditions;
    VideoPlanned {
        generation: plan.generation,
        duration_ms: plan.duration_ms,
        source_width_px: plan.source_width_px,
        source_height_px: plan.source_height_px,
        renditions: renditions
            .iter()
            .map(|rendition| RenditionSummary {
                name: rendition.name.clone(),
                width_px: rendition.width_px,
                height_px: rendition.height_px,
            })
            .collect(),
        skipped_sizes: plan.skipped_sizes.clone(),
        video_chunk_count: count(plan.video.chunks.len()),
        audio_chunk_count: plan
            .audio
            .as_ref()
            .map_or(0, |audio| count(audio.chunks.len())),
        master: plan.job.as_ref().map(|job| job.master.clone()),
    }
}
