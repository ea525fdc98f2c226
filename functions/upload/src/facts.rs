//! What an upload hears of itself: its object was taken up, or its video is given up.

use cattube_contract::{Envelope, Event, Metadata};
use cattube_core::upload::{Upload, UploadState};

use crate::{Stored, UploadError, Uploads, master_key};

/// What a client is told.
const VIDEO_DELETED: &str = "its video was deleted";

impl Uploads {
    pub(crate) async fn handle_event(
        &self,
        envelope: &Envelope,
    ) -> Result<&'static str, UploadError> {
        let metadata = &envelope.metadata;
        match &envelope.event {
            Event::VideoUploaded(_) | Event::VideoRejected(_) => {
                self.end(metadata, "accepted", Upload::accept).await
            }
            Event::UploadAbandoned(abandoned) => {
                let end = |upload: Upload| upload.end(UploadState::Abandoned, &abandoned.reason);
                self.end(metadata, "given up", end).await
            }
            Event::VideoAbandoned(abandoned) => {
                let end = |upload: Upload| upload.end(UploadState::Abandoned, &abandoned.reason);
                self.end(metadata, "video given up", end).await
            }
            Event::VideoDeleted(_) => {
                let end = |upload: Upload| upload.delete(VIDEO_DELETED);
                self.end(metadata, "video deleted", end).await
            }
            Event::UploadRequested(_)
            | Event::UploadFailed(_)
            | Event::UploadResumed(_)
            | Event::UploadCompleted(_)
            | Event::VideoPlanned(_)
            | Event::PlanFailed(_)
            | Event::ChunkTranscoded(_)
            | Event::ChunkFailed(_)
            | Event::JoinFailed(_)
            | Event::VideoPlayable(_)
            | Event::VideoReady(_)
            | Event::RetryScheduled(_)
            | Event::RetriesExhausted(_)
            | Event::RetryRequested(_)
            | Event::MessageBuried(_)
            | Event::HumanRequested(_)
            | Event::HumanAnswered(_) => Ok("no end of an upload"),
        }
    }

    /// Frees what the store has of an upload that was open, notes how it ended, and removes
    /// its deadline.
    async fn end(
        &self,
        metadata: &Metadata,
        action: &'static str,
        change: impl FnOnce(Upload) -> Upload,
    ) -> Result<&'static str, UploadError> {
        let owner = metadata.owner_id;
        let Some(Stored { upload, version }) = self.load(owner, metadata.video_id).await? else {
            // It was dropped into the bucket.
            return Ok("no such upload");
        };
        if upload.state == UploadState::Open {
            let key = master_key(owner, upload.video_id);
            self.store.abort(&key, &upload.store_upload).await?;
        }
        let ended = change(upload.clone());
        if ended != upload {
            self.save(owner, &ended, Some(version)).await?;
        }
        self.forget(upload.video_id).await?;
        Ok(action)
    }
}
