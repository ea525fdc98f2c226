//! Writes playlists from the plan and the reports: media playlists first, the multivariant
//! playlist last, so that no player is ever sent where nothing is.

use bytes::Bytes;
use cattube_contract::Event;
use cattube_contract::event::{VideoPlayable, VideoReady};
use cattube_contract::key::VideoKeys;
use cattube_contract::plan::{ChunkId, Plan, Track};
use cattube_contract::report::{ChunkReport, StoredReport};
use cattube_core::join::ChunkCounts;
use cattube_core::playlist::{self, Completeness};
use cattube_core::storyboard::{self, MAX_TILES};
use cattube_ports::PortError;
use cattube_ports::objects::NewObject;
use futures::{StreamExt, TryStreamExt, stream};

use crate::{AssembleError, Assembler, document};

/// Reads in flight at once. A long film has over a thousand reports.
const CONCURRENCY: usize = 32;

/// Players ask again for a playlist that may have grown.
const SHORT_LIVED: &str = "public, max-age=2";

/// A day: final playlists change only when a video is redone under another key.
const LONG_LIVED: &str = "public, max-age=86400";

const HLS: &str = "application/vnd.apple.mpegurl";

/// The name of the sound among the renditions.
const AUDIO: &str = "audio";

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
        names.push(AUDIO.to_owned());
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

impl Assembler {
    async fn load_plan(&self, keys: &VideoKeys) -> Result<Plan, AssembleError> {
        let key = keys.plan();
        let bytes = self.masters.get(&key).await?;
        let bytes = bytes.ok_or(PortError::ObjectMissing {
            operation: "get",
            key: key.clone(),
        })?;
        serde_json::from_slice(&bytes).map_err(document(&key))
    }

    async fn load_report(&self, key: String) -> Result<ChunkReport, AssembleError> {
        let bytes = self.masters.get(&key).await?;
        let bytes = bytes.ok_or(PortError::ObjectMissing {
            operation: "get",
            key: key.clone(),
        })?;
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

    async fn write_playlists(
        &self,
        keys: &VideoKeys,
        plan: &Plan,
        reports: &[ChunkReport],
        completeness: Completeness,
    ) -> Result<(), AssembleError> {
        let cache = match completeness {
            Completeness::Growing => SHORT_LIVED,
            Completeness::Final => LONG_LIVED,
        };
        for name in renditions(plan) {
            let text = playlist::hls_media(plan, reports, &name, completeness)?;
            self.media
                .put(text_object(keys.playlist(&name), text, HLS, cache))
                .await?;
        }
        if completeness == Completeness::Final {
            let text = playlist::dash_manifest(plan, reports)?;
            let object = text_object(keys.dash_manifest(), text, "application/dash+xml", cache);
            self.media.put(object).await?;
        }
        let text = playlist::hls_master(plan, reports)?;
        Ok(self
            .media
            .put(text_object(keys.hls_master(), text, HLS, cache))
            .await?)
    }

    pub(crate) async fn write_head(
        &self,
        keys: &VideoKeys,
        head: ChunkCounts,
    ) -> Result<Event, AssembleError> {
        let plan = self.load_plan(keys).await?;
        let reports = self.load_reports(keys, head_chunks(head)).await?;
        playlist::check_reports(&plan, &reports)?;
        self.write_playlists(keys, &plan, &reports, Completeness::Growing)
            .await?;
        Ok(playable(keys, &plan, &reports))
    }

    /// The event of a head that is published, without writing anything.
    pub(crate) async fn playable(
        &self,
        keys: &VideoKeys,
        video_head: u32,
    ) -> Result<Event, AssembleError> {
        let plan = self.load_plan(keys).await?;
        let head = ChunkCounts {
            video: video_head,
            audio: 0,
        };
        let reports = self.load_reports(keys, head_chunks(head)).await?;
        Ok(playable(keys, &plan, &reports))
    }

    pub(crate) async fn write_final(&self, keys: &VideoKeys) -> Result<Event, AssembleError> {
        let plan = self.load_plan(keys).await?;
        let chunks: Vec<_> = plan.chunk_ids().collect();
        let reports = self.load_reports(keys, chunks).await?;
        playlist::check_reports(&plan, &reports)?;
        self.write_storyboard(keys, &plan, &reports).await?;
        self.write_playlists(keys, &plan, &reports, Completeness::Final)
            .await?;
        let segments = || {
            let renditions = reports.iter().flat_map(|report| report.renditions.values());
            renditions.flat_map(|rendition| &rendition.segments)
        };
        let seams = reports.iter().filter_map(|report| report.seam);
        Ok(Event::VideoReady(VideoReady {
            generation: keys.generation,
            hls_key: keys.hls_master(),
            dash_key: keys.dash_manifest(),
            poster_key: keys.poster(),
            storyboard_key: keys.storyboard_vtt(),
            duration_ms: to_ms(&plan, video_ticks(&plan, &reports)),
            size_bytes: segments().map(|segment| segment.size_bytes).sum(),
            frame_count: seams.map(|seam| u64::from(seam.frame_count)).sum(),
        }))
    }

    async fn load_thumbnail(&self, key: String, pts: i64) -> Result<(i64, Vec<u8>), AssembleError> {
        let bytes = self.masters.get(&key).await?;
        let bytes = bytes.ok_or(PortError::ObjectMissing {
            operation: "get",
            key,
        })?;
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

fn playable(keys: &VideoKeys, plan: &Plan, reports: &[ChunkReport]) -> Event {
    Event::VideoPlayable(VideoPlayable {
        generation: keys.generation,
        hls_key: keys.hls_master(),
        head_ms: to_ms(plan, video_ticks(plan, reports)),
    })
}
