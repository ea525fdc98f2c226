//! Removes objects: of a deleted or abandoned video all, of a making that is not served its
//! own. It must never remove what is being served, nor a master that another video was made of.

use std::collections::BTreeSet;

use cattube_contract::command::PurgeVideo;
use cattube_contract::key::{MasterKey, VideoKeys, media_prefix, work_prefix};
use cattube_contract::{Command, CommandMessage, Event, Metadata};
use cattube_core::video::{Removal, Video, VideoState, master_of};
use cattube_ports::PortError;
use cattube_ports::scheduler::Deadline;
use jiff::Timestamp;

use crate::{Catalogue, ManageError};

/// The key that belongs to this video alone.
fn uploaded_key(video: &Video) -> String {
    let uploaded = MasterKey::Uploaded {
        owner_id: video.owner_id,
        video_id: video.video_id,
    };
    uploaded.to_string()
}

/// The writings that the video was made of, as keys and tags, where their key can hold another
/// video's master next. `event` made it look; it may name one.
fn dropped_writings<'a>(
    video: &'a Video,
    event: Option<&'a Event>,
) -> BTreeSet<(&'a str, &'a str)> {
    let masters = video.master.iter().chain(event.and_then(master_of));
    let dropped = masters.filter(|master| master.key != uploaded_key(video));
    dropped
        .map(|master| (master.key.as_str(), master.etag.as_str()))
        .collect()
}

/// The name of the deadline of a removal: one a video, and one a making of it.
fn deadline_name(cause: &Metadata, removal: Removal) -> String {
    match removal {
        Removal::Video => format!("purge-{}", cause.video_id),
        Removal::Making(made) => format!("purge-{}-g{made}", cause.video_id),
    }
}

impl Catalogue {
    /// Removes what an event, taken in by the record already, says is not needed any more.
    pub(crate) async fn clear_up(
        &self,
        cause: &Metadata,
        video: &Video,
        event: &Event,
    ) -> Result<bool, ManageError> {
        let aftermath = video.aftermath(event);
        for removal in aftermath.later {
            self.remove_later(cause, removal).await?;
        }
        for removal in &aftermath.now {
            self.remove(video, *removal, Some(event)).await?;
        }
        Ok(!aftermath.now.is_empty())
    }

    /// Sets the deadline of a removal.
    pub(crate) async fn remove_later(
        &self,
        cause: &Metadata,
        removal: Removal,
    ) -> Result<(), ManageError> {
        let now = self.clock.now();
        let generation = removal.generation();
        let subject = generation.map_or_else(|| "all".to_owned(), |made| made.to_string());
        let message = CommandMessage {
            metadata: cause.follow("PurgeVideo", &[&subject], now),
            command: Command::PurgeVideo(PurgeVideo { generation }),
        };
        let at = now.saturating_add(self.purge_delay);
        let deadline = Deadline {
            name: deadline_name(cause, removal),
            at: at.unwrap_or(Timestamp::MAX),
            body: message.to_body()?,
        };
        Ok(self.scheduler.set(deadline).await?)
    }

    async fn remove(
        &self,
        video: &Video,
        removal: Removal,
        event: Option<&Event>,
    ) -> Result<(), PortError> {
        let (media, work) = match removal {
            Removal::Video => {
                self.masters.delete(&[uploaded_key(video)]).await?;
                for (key, etag) in dropped_writings(video, event) {
                    self.masters.delete_writing(key, etag).await?;
                }
                (
                    media_prefix(video.owner_id, video.video_id),
                    work_prefix(video.owner_id, video.video_id),
                )
            }
            Removal::Making(generation) => {
                let keys = VideoKeys {
                    owner_id: video.owner_id,
                    video_id: video.video_id,
                    generation,
                };
                (keys.media_prefix(), keys.work_prefix())
            }
        };
        self.media.delete_all(&media).await?;
        self.masters.delete_all(&work).await
    }

    /// A removal's deadline has come. The record decides whether it still holds; what it once
    /// allows it always will, so nothing can be served again in between.
    pub(crate) async fn remove_now(
        &self,
        metadata: &Metadata,
        purge: &PurgeVideo,
    ) -> Result<&'static str, ManageError> {
        let removal = Removal::of(purge.generation);
        let (owner, id) = (metadata.owner_id, metadata.video_id);
        let Some(stored) = self.load(owner, id).await? else {
            return Ok("no such video");
        };
        if !stored.video.may_remove(removal) {
            return Ok("still wanted");
        }
        self.remove(&stored.video, removal, None).await?;
        let removed = |video: Option<Video>| (video.map(|video| video.removed(removal)), ());
        self.change(owner, id, removed).await?;
        if stored.video.state == VideoState::Deleted {
            // Whoever deleted it may have crashed before it was said.
            self.say_deleted(&stored.video).await?;
        }
        Ok("purged")
    }
}
