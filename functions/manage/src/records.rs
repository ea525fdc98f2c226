//! The function's table: a record a video, moved forward under a version condition, and the
//! video's timeline.

use cattube_contract::{Envelope, Event, OwnerId, VideoId};
use cattube_core::video::{Video, is_of_a_video};
use cattube_ports::PortError;
use jiff::Timestamp;
use serde_json::Value;

use crate::{Catalogue, MAX_RACES, ManageError, TimelineEntry, document};

/// A record with the version that a change must name.
pub(crate) struct Stored {
    pub(crate) video: Video,
    pub(crate) version: u64,
}

/// Where an event stands in its video's partition. A finished chunk stands under its own
/// name, so that one finished twice counts once.
fn timeline_key(envelope: &Envelope, first_at: Timestamp) -> String {
    if let Event::ChunkTranscoded(transcoded) = &envelope.event {
        return format!("chunk#{:08}#{}", transcoded.generation, transcoded.chunk);
    }
    // Milliseconds in a fixed width sort as time does.
    let at_ms = first_at.as_millisecond();
    format!("event#{at_ms:014}#{}", envelope.metadata.event_id)
}

impl Catalogue {
    /// Adds the event to the timeline, once; says whether it is new there.
    pub(crate) async fn note(&self, envelope: &Envelope) -> Result<bool, ManageError> {
        let mut detail = envelope.to_detail()?;
        let entry = TimelineEntry {
            name: envelope.event.name().to_owned(),
            metadata: envelope.metadata.clone(),
            data: detail.get_mut("data").map_or(Value::Null, Value::take),
        };
        let partition = envelope.metadata.video_id.to_string();
        let first_at = self.first_at(&partition, envelope).await?;
        let key = timeline_key(envelope, first_at);
        let body = serde_json::to_value(&entry).map_err(document(key.as_str()))?;
        self.save_once(&partition, &key, &body).await
    }

    /// When the event was said first. Whoever cannot know whether it was heard says it again,
    /// at another time, and it is the same event still.
    async fn first_at(
        &self,
        partition: &str,
        envelope: &Envelope,
    ) -> Result<Timestamp, ManageError> {
        let at = envelope.metadata.occurred_at;
        if matches!(envelope.event, Event::ChunkTranscoded(_)) {
            return Ok(at);
        }
        let key = format!("first#{}", envelope.metadata.event_id);
        let body = serde_json::to_value(at).map_err(document(key.as_str()))?;
        if self.save_once(partition, &key, &body).await? {
            return Ok(at);
        }
        let standing = self.table.load(partition, &key).await?;
        let standing = standing.map_or(body, |item| item.body);
        serde_json::from_value(standing).map_err(document(key))
    }

    /// Saves an item that never changes; says whether it is new.
    async fn save_once(
        &self,
        partition: &str,
        key: &str,
        body: &Value,
    ) -> Result<bool, ManageError> {
        match self.table.save(partition, key, None, body).await {
            Ok(()) => Ok(true),
            Err(PortError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn load(
        &self,
        owner: OwnerId,
        video: VideoId,
    ) -> Result<Option<Stored>, ManageError> {
        let item = self
            .table
            .load(&owner.to_string(), &video.to_string())
            .await?;
        let Some(item) = item else {
            return Ok(None);
        };
        let video = serde_json::from_value(item.body).map_err(document(item.sort_key))?;
        Ok(Some(Stored {
            video,
            version: item.version,
        }))
    }

    /// Saves a record; `false` if another writer was first.
    async fn save(&self, video: &Video, expected: Option<u64>) -> Result<bool, ManageError> {
        let sort_key = video.video_id.to_string();
        let body = serde_json::to_value(video).map_err(document(sort_key.as_str()))?;
        let owner = video.owner_id.to_string();
        match self.table.save(&owner, &sort_key, expected, &body).await {
            Ok(()) => Ok(true),
            Err(PortError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a record by a decision that is taken again when another writer was first.
    /// `decide` gets the record, if there is one, and gives the new one beside what it wants
    /// to be known of it. A record that stays as it is is not written: a finished chunk alone
    /// does not touch it, so that a thousand workers do not race for one item.
    pub(crate) async fn change<T>(
        &self,
        owner: OwnerId,
        video: VideoId,
        decide: impl Fn(Option<Video>) -> (Option<Video>, T),
    ) -> Result<(Option<Video>, T), ManageError> {
        for _ in 0..MAX_RACES {
            let stored = self.load(owner, video).await?;
            let version = stored.as_ref().map(|stored| stored.version);
            let before = stored.map(|stored| stored.video);
            let (after, told) = decide(before.clone());
            let Some(changed) = after.as_ref().filter(|_| after != before) else {
                return Ok((after, told));
            };
            if self.save(changed, version).await? {
                return Ok((after, told));
            }
        }
        Err(ManageError::Races { video })
    }

    /// Moves the record forward by an event; none if there is no record and the event does not
    /// prove that there is a video.
    pub(crate) async fn record(&self, envelope: &Envelope) -> Result<Option<Video>, ManageError> {
        let metadata = &envelope.metadata;
        let evolve = |before: Option<Video>| {
            let known =
                before.or_else(|| is_of_a_video(&envelope.event).then(|| Video::new(metadata)));
            (known.map(|video| video.evolve(envelope)), ())
        };
        let (video, ()) = self
            .change(metadata.owner_id, metadata.video_id, evolve)
            .await?;
        Ok(video)
    }
}
