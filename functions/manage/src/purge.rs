//! Removes every object of a deleted video.

use cattube_contract::key::{MasterKey, media_prefix, work_prefix};
use cattube_contract::{Envelope, Event};
use cattube_core::video::Video;
use cattube_ports::{Objects, PortError};

use crate::Catalogue;

/// Removes all objects under a prefix.
async fn sweep(objects: &dyn Objects, prefix: &str) -> Result<(), PortError> {
    loop {
        let keys = objects.list(prefix, None).await?;
        if keys.is_empty() {
            return Ok(());
        }
        objects.delete(&keys).await?;
    }
}

impl Catalogue {
    /// Removes the master, the work objects and the media of a deleted video. `envelope` is
    /// the event that made it look; one of a late upload names the master.
    pub(crate) async fn purge(&self, video: &Video, envelope: &Envelope) -> Result<(), PortError> {
        let uploaded = MasterKey::Uploaded {
            owner_id: video.owner_id,
            video_id: video.video_id,
        };
        let mut masters = vec![uploaded.to_string()];
        masters.extend(video.master_key.clone());
        if let Event::VideoUploaded(uploaded) = &envelope.event {
            masters.push(uploaded.master.key.clone());
        }
        masters.sort();
        masters.dedup();
        self.masters.delete(&masters).await?;
        sweep(
            self.media.as_ref(),
            &media_prefix(video.owner_id, video.video_id),
        )
        .await?;
        sweep(
            self.masters.as_ref(),
            &work_prefix(video.owner_id, video.video_id),
        )
        .await
    }
}
