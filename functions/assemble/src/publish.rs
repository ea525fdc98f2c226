//! Writes playlists from the plan and the reports: media playlists first, the multivariant
//! playlist last, so that no player is ever sent where nothing is.

use std::collections::BTreeMap;

use bytes::Bytes;
use cattube_contract::event::{VideoPlayable, VideoReady};
use cattube_contract::key::VideoKeys;
use cattube_contract::plan::{AUDIO_RENDITION, ChunkId, Plan, Track};
use cattube_contract::report::{ChunkReport, StoredReport};
use cattube_core::digest::sha256_hex;
use cattube_core::join::ChunkCounts;
use cattube_core::playlist::{self, Completeness};
use cattube_core::storyboard::{self, MAX_TILES};
use cattube_ports::objects::NewObject;
use futures::{StreamExt, TryStreamExt, stream};

use crate::{AssembleError, Assembler, document};

/// Reads in flight at once. A long film has over a thousand reports.
const CONCURRENCY: usize = 32;

/// Players ask again for a playlist that may have grown.
const SHORT_LIVED: &str = "public, max-age=2";

/// A day: final playlists stay as they are, since a redo writes others under keys of its own.
const LONG_LIVED: &str = "public, max-age=86400";

const HLS: &str = "application/vnd.apple.mpegurl";

fn text_object(
    key: String,
    text: String,
    content_type: &'static str,
    cache_control: &'static str,
) -> NewObject {
    NewObject {
        key,
        bytes: Bytes::from(text),
        content_type,
        cache_control,
    }
}

/// The chunks of a head, pictures first.
fn head_chunks(head: ChunkCounts) -> Vec<ChunkId> {
    let ids = |track, count| (0..count).map(move |index| ChunkId { track, index });
    ids(Track::Video, head.video)
        .chain(ids(Track::Audio, head.audio))
        .collect()
}

fn renditions(plan: &Plan) -> Vec<String> {
    let pictures = plan.video.encoding.renditions.iter();
    let mut names: Vec<_> = pictures.map(|rendition| rendition.name.clone()).collect();
    if plan.audio.is_some() {
        names.push(AUDIO_RENDITION.to_owned());
    }
    names
}

/// Ticks of pictures that the reports hold, of the first rendition of the plan.
fn video_ticks(plan: &Plan, reports: &[ChunkReport]) -> i64 {
    let Some(first) = plan.video.encoding.renditions.first() else {
        return 0;
    };
    reports
        .iter()
        .filter_map(|report| report.renditions.get(&first.name))
        .flat_map(|rendition| &rendition.segments)
        .map(|segment| segment.duration_ticks)
        .sum()
}

fn to_ms(plan: &Plan, ticks: i64) -> u64 {
    let timescale = i128::from(plan.video.encoding.timescale.max(1));
    u64::try_from(i128::from(ticks) * 1000 / timescale).unwrap_or(0)
}

/// The film as a whole, written.
pub(crate) struct Written {
    pub(crate) ready: VideoReady,
    /// The digests of the playlists that a head has too, by their keys.
    pub(crate) playlists: BTreeMap<String, String>,
}

impl Assembler {
    pub(crate) async fn load_plan(&self, keys: &VideoKeys) -> Result<Plan, AssembleError> {
        let key = keys.plan();
        let bytes = self.masters.get_existing(&key).await?;
        serde_json::from_slice(&bytes).map_err(document(&key))
    }

    /// The chunks that are reported as done.
    pub(crate) async fn reported(&self, keys: &VideoKeys) -> Result<Vec<ChunkId>, AssembleError> {
        let found = self.masters.list_all(&keys.reports_prefix()).await?;
        let done = found.iter().filter_map(|key| keys.chunk_of_report(key));
        Ok(done.collect())
    }

    /// Whether one of the final playlists is not what was written. One that is not there was
    /// removed, and must not come back.
    pub(crate) async fn is_overwritten(
        &self,
        finals: &BTreeMap<String, String>,
    ) -> Result<bool, AssembleError> {
        let reads: Vec<_> = finals.keys().map(|key| self.media.get(key)).collect();
        let found: Vec<_> = stream::iter(reads)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let mut differs = false;
        for (bytes, digest) in found.iter().zip(finals.values()) {
            let Some(bytes) = bytes else {
                return Ok(false);
            };
            differs |= sha256_hex(bytes) != *digest;
        }
        Ok(differs)
    }

    async fn load_report(&self, key: String) -> Result<ChunkReport, AssembleError> {
        let bytes = self.masters.get_existing(&key).await?;
        let stored: StoredReport = serde_json::from_slice(&bytes).map_err(document(&key))?;
        Ok(stored.report)
    }

    async fn load_reports(
        &self,
        keys: &VideoKeys,
        chunks: Vec<ChunkId>,
    ) -> Result<Vec<ChunkReport>, AssembleError> {
        let reads: Vec<_> = chunks
            .into_iter()
            .map(|chunk| self.load_report(keys.report(chunk)))
            .collect();
        stream::iter(reads)
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// Returns the digests of the HLS playlists.
    async fn write_playlists(
        &self,
        keys: &VideoKeys,
        plan: &Plan,
        reports: &[ChunkReport],
        completeness: Completeness,
    ) -> Result<BTreeMap<String, String>, AssembleError> {
        let cache = match completeness {
            Completeness::Growing => SHORT_LIVED,
            Completeness::Final => LONG_LIVED,
        };
        let mut digests = BTreeMap::new();
        for name in renditions(plan) {
            let text = playlist::hls_media(plan, reports, &name, completeness)?;
            let key = keys.playlist(&name);
            digests.insert(key.clone(), sha256_hex(text.as_bytes()));
            self.media.put(text_object(key, text, HLS, cache)).await?;
        }
        if completeness == Completeness::Final {
            let text = playlist::dash_manifest(plan, reports)?;
            let object = text_object(keys.dash_manifest(), text, "application/dash+xml", cache);
            self.media.put(object).await?;
        }
        let text = playlist::hls_master(plan, reports)?;
        let key = keys.hls_master();
        digests.insert(key.clone(), sha256_hex(text.as_bytes()));
        self.media.put(text_object(key, text, HLS, cache)).await?;
        Ok(digests)
    }

    pub(crate) async fn write_head(
        &self,
        keys: &VideoKeys,
        head: ChunkCounts,
    ) -> Result<VideoPlayable, AssembleError> {
        let plan = self.load_plan(keys).await?;
        let reports = self.load_reports(keys, head_chunks(head)).await?;
        playlist::check_reports(&plan, &reports)?;
        self.write_playlists(keys, &plan, &reports, Completeness::Growing)
            .await?;
        Ok(VideoPlayable {
            generation: keys.generation,
            hls_key: keys.hls_master(),
            head_ms: to_ms(&plan, video_ticks(&plan, &reports)),
        })
    }

    pub(crate) async fn write_final(&self, keys: &VideoKeys) -> Result<Written, AssembleError> {
        let plan = self.load_plan(keys).await?;
        let chunks: Vec<_> = plan.chunk_ids().collect();
        let reports = self.load_reports(keys, chunks).await?;
        playlist::check_reports(&plan, &reports)?;
        self.write_storyboard(keys, &plan, &reports).await?;
        let playlists = self
            .write_playlists(keys, &plan, &reports, Completeness::Final)
            .await?;
        let segments = || {
            let renditions = reports.iter().flat_map(|report| report.renditions.values());
            renditions.flat_map(|rendition| &rendition.segments)
        };
        let seams = reports.iter().filter_map(|report| report.seam);
        let ready = VideoReady {
            generation: keys.generation,
            hls_key: keys.hls_master(),
            dash_key: keys.dash_manifest(),
            poster_key: keys.poster(),
            storyboard_key: keys.storyboard_vtt(),
            duration_ms: to_ms(&plan, video_ticks(&plan, &reports)),
            size_bytes: segments().map(|segment| segment.size_bytes).sum(),
            frame_count: seams.map(|seam| u64::from(seam.frame_count)).sum(),
        };
        Ok(Written { ready, playlists })
    }

    async fn load_thumbnail(&self, key: String, pts: i64) -> Result<(i64, Vec<u8>), AssembleError> {
        let bytes = self.masters.get_existing(&key).await?;
        Ok((pts, bytes.to_vec()))
    }

    async fn write_storyboard(
        &self,
        keys: &VideoKeys,
        plan: &Plan,
        reports: &[ChunkReport],
    ) -> Result<(), AssembleError> {
        let all: Vec<i64> = reports
            .iter()
            .flat_map(|report| report.thumbnail_pts.iter().copied())
            .collect();
        let chosen = storyboard::choose(&all, MAX_TILES);
        let reads: Vec<_> = chosen
            .iter()
            .map(|pts| self.load_thumbnail(keys.thumbnail(*pts), *pts))
            .collect();
        let thumbnails: Vec<_> = stream::iter(reads)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let encoding = &plan.video.encoding;
        let picture = storyboard::compose(
            &thumbnails,
            encoding.thumbnail_width_px,
            encoding.thumbnail_height_px,
        )?;
        let object = NewObject {
            key: keys.storyboard(),
            bytes: Bytes::from(picture),
            content_type: "image/jpeg",
            cache_control: LONG_LIVED,
        };
        self.media.put(object).await?;
        let text = storyboard::webvtt(plan, &chosen, video_ticks(plan, reports));
        let object = text_object(keys.storyboard_vtt(), text, "text/vtt", LONG_LIVED);
        Ok(self.media.put(object).await?)
    }
}
