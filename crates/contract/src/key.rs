//! Object keys, built and parsed here only. Clients never choose one of ours; they choose
//! what stands behind `drop/`.

use std::fmt;

use crate::plan::ChunkId;
use crate::{ContractError, Metadata, OwnerId, VideoId, excerpt};

/// The longest key that S3 allows, in bytes of UTF-8.
const MAX_KEY_BYTES: usize = 1024;

/// What an object in the masters bucket is, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKey {
    /// `masters/<owner>/<video>`: made by the upload API.
    Uploaded {
        /// Whose.
        owner_id: OwnerId,
        /// Which.
        video_id: VideoId,
    },
    /// `drop/<path>`: put there with any S3 client.
    Dropped {
        /// What stands behind `drop/`: a relative path without `.` or `..`.
        path: String,
    },
}

impl MasterKey {
    /// Parses a key as S3 states it in an EventBridge event (those are not URL-encoded).
    ///
    /// # Errors
    /// [`ContractError::Key`] for any key that is neither an upload's nor a clean drop's.
    pub fn parse(key: &str) -> Result<Self, ContractError> {
        let fail = |reason| ContractError::Key {
            key: excerpt(key, 200),
            reason,
        };
        if key.len() > MAX_KEY_BYTES {
            return Err(fail("longer than 1,024 bytes"));
        }
        if let Some(rest) = key.strip_prefix("masters/") {
            let (owner, video) = rest
                .split_once('/')
                .ok_or_else(|| fail("expected masters/<owner>/<video>"))?;
            return Ok(Self::Uploaded {
                owner_id: owner.parse()?,
                video_id: video.parse()?,
            });
        }
        let path = key
            .strip_prefix("drop/")
            .ok_or_else(|| fail("neither masters/ nor drop/"))?;
        if path.chars().any(char::is_control) {
            return Err(fail("a control character"));
        }
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(fail("an empty, `.` or `..` part"));
        }
        Ok(Self::Dropped {
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uploaded { owner_id, video_id } => write!(f, "masters/{owner_id}/{video_id}"),
            Self::Dropped { path } => write!(f, "drop/{path}"),
        }
    }
}

/// The keys of one generation of one video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoKeys {
    /// Whose.
    pub owner_id: OwnerId,
    /// Which.
    pub video_id: VideoId,
    /// Which making of it.
    pub generation: u32,
}

impl VideoKeys {
    /// Those of a making of the video that a message is about.
    #[must_use]
    pub fn of(metadata: &Metadata, generation: u32) -> Self {
        Self {
            owner_id: metadata.owner_id,
            video_id: metadata.video_id,
            generation,
        }
    }

    fn work(&self, rest: &str) -> String {
        format!(
            "{}g{}/{rest}",
            work_prefix(self.owner_id, self.video_id),
            self.generation
        )
    }

    fn media(&self, rest: &str) -> String {
        format!(
            "{}g{}/{rest}",
            media_prefix(self.owner_id, self.video_id),
            self.generation
        )
    }

    /// Masters bucket: the plan, written when every command of it is on the queue.
    #[must_use]
    pub fn plan(&self) -> String {
        self.work("plan.json")
    }

    /// Masters bucket: all slices of the plan, one behind the other.
    #[must_use]
    pub fn slices(&self) -> String {
        self.work("slices")
    }

    /// Masters bucket: everything that work on this making leaves there.
    #[must_use]
    pub fn work_prefix(&self) -> String {
        self.work("")
    }

    /// Media bucket: everything that is served of this making.
    #[must_use]
    pub fn media_prefix(&self) -> String {
        self.media("")
    }

    /// Masters bucket: the reports of all finished chunks.
    #[must_use]
    pub fn reports_prefix(&self) -> String {
        self.work("reports/")
    }

    /// Masters bucket: a finished chunk's report.
    #[must_use]
    pub fn report(&self, chunk: ChunkId) -> String {
        format!("{}{chunk}.json", self.reports_prefix())
    }

    /// The chunk whose report a key is, if it is one of this making.
    #[must_use]
    pub fn chunk_of_report(&self, key: &str) -> Option<ChunkId> {
        let name = key.strip_prefix(&self.reports_prefix())?;
        name.strip_suffix(".json")?.parse().ok()
    }

    /// Masters bucket: a thumbnail by its shifted time.
    #[must_use]
    pub fn thumbnail(&self, pts: i64) -> String {
        self.work(&format!("thumbnails/{pts}.jpg"))
    }

    /// Media bucket: the HLS multivariant playlist.
    #[must_use]
    pub fn hls_master(&self) -> String {
        self.media("master.m3u8")
    }

    /// Media bucket: the DASH manifest.
    #[must_use]
    pub fn dash_manifest(&self) -> String {
        self.media("manifest.mpd")
    }

    /// Media bucket: the media playlist of a rendition (`audio` for the sound).
    #[must_use]
    pub fn playlist(&self, rendition: &str) -> String {
        self.media(&format!("{rendition}/playlist.m3u8"))
    }

    /// Media bucket: the init segment of a rendition.
    #[must_use]
    pub fn init(&self, rendition: &str) -> String {
        self.media(&format!("{rendition}/init.mp4"))
    }

    /// Media bucket: a segment, named by its start as DASH's `$Time$`.
    #[must_use]
    pub fn segment(&self, rendition: &str, start_pts: i64) -> String {
        self.media(&format!("{rendition}/{start_pts}.m4s"))
    }

    /// Media bucket: the poster frame.
    #[must_use]
    pub fn poster(&self) -> String {
        self.media("poster.jpg")
    }

    /// Media bucket: the storyboard's picture.
    #[must_use]
    pub fn storyboard(&self) -> String {
        self.media("storyboard.jpg")
    }

    /// Media bucket: the storyboard's times.
    #[must_use]
    pub fn storyboard_vtt(&self) -> String {
        self.media("storyboard.vtt")
    }
}

/// Masters bucket: everything that work on a video leaves there, over all generations.
#[must_use]
pub fn work_prefix(owner_id: OwnerId, video_id: VideoId) -> String {
    format!("work/{owner_id}/{video_id}/")
}

/// Media bucket: everything that is served of a video, over all generations.
#[must_use]
pub fn media_prefix(owner_id: OwnerId, video_id: VideoId) -> String {
    format!("media/{owner_id}/{video_id}/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn uploaded_keys_round_trip(owner in ".*", random: u128, millis in 0_i64..4_000_000_000_000) {
            let at = jiff::Timestamp::from_millisecond(millis).unwrap();
            let key = MasterKey::Uploaded { owner_id: OwnerId::of_subject(&owner), video_id: VideoId::new(at, random) };
            prop_assert_eq!(MasterKey::parse(&key.to_string()).unwrap(), key);
        }

        #[test]
        fn any_key_that_parses_is_canonical(key in "(masters/|drop/|work/)?.{0,60}") {
            if let Ok(parsed) = MasterKey::parse(&key) {
                prop_assert_eq!(parsed.to_string(), key);
            }
        }
    }

    #[test]
    fn reports_tell_their_chunk_and_nothing_else_does() {
        let keys = VideoKeys {
            owner_id: OwnerId::of_subject("a"),
            video_id: VideoId::new(jiff::Timestamp::UNIX_EPOCH, 1),
            generation: 1,
        };
        for chunk in ["v00000", "a00012"] {
            let chunk: ChunkId = chunk.parse().unwrap();
            assert_eq!(keys.chunk_of_report(&keys.report(chunk)), Some(chunk));
            let other = VideoKeys {
                generation: 11,
                ..keys
            };
            assert_eq!(keys.chunk_of_report(&other.report(chunk)), None);
        }
        assert_eq!(keys.chunk_of_report(&keys.plan()), None);
    }

    #[test]
    fn hostile_keys_are_refused() {
        for key in [
            "drop/../x.mp4",
            "drop/a/../../b",
            "drop//x",
            "drop/",
            "drop/./x",
            "drop/a\nb",
            "masters/x/y",
            "masters/../drop",
            "work/x",
            "",
        ] {
            assert!(MasterKey::parse(key).is_err(), "{key}");
        }
        assert!(MasterKey::parse("drop/Ünïcode film+1 %41.mp4").is_ok());
    }
}
