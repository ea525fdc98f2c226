//! Mends what a writer that was overtaken left behind: playlists that it wrote over final ones,
//! or where nothing may be any more.

use cattube_contract::key::{VideoKeys, media_prefix};
use cattube_core::join::{Join, JoinPhase};

use crate::{AssembleError, Assembler};

impl Assembler {
    /// Writes the final playlists again if one of them is not what it was. Only a writer of a
    /// head that was overtaken can have done that. Either the one that finished the film finds
    /// it, which looks when it has saved; or the head was written after that, and then its
    /// writer ends here too: it loses the race for the state and tries again, or it dies and its
    /// message comes again; when the message does, the writer is dead, since a queue hides it
    /// for longer than a function may run.
    pub(crate) async fn restore_finals(
        &self,
        keys: &VideoKeys,
        join: &Join,
    ) -> Result<(), AssembleError> {
        if join.phase == JoinPhase::Ready && self.is_overwritten(&join.finals).await? {
            self.write_final(keys).await?;
        }
        Ok(())
    }

    /// The same for an older making that people still watch while a newer one is in the making.
    pub(crate) async fn restore_standing(
        &self,
        keys: &VideoKeys,
        join: &Join,
    ) -> Result<(), AssembleError> {
        if let Some(standing) = &join.standing
            && self.is_overwritten(&standing.finals).await?
        {
            let generation = standing.generation;
            self.write_final(&VideoKeys {
                generation,
                ..*keys
            })
            .await?;
        }
        Ok(())
    }

    /// Removes what was written while the video, or this making of it, came to its end.
    pub(crate) async fn remove_playlists(
        &self,
        keys: &VideoKeys,
        phase: JoinPhase,
    ) -> Result<(), AssembleError> {
        let prefix = if phase == JoinPhase::Deleted {
            media_prefix(keys.owner_id, keys.video_id)
        } else {
            keys.media_prefix()
        };
        Ok(self.media.delete_all(&prefix).await?)
    }
}
