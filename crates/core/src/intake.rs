//! The end of the upload: is an object that appeared in the bucket a master, and whose?

use std::collections::BTreeMap;

use cattube_contract::event::RejectionCode;
use cattube_contract::key::MasterKey;
use cattube_contract::size::Sizes;
use cattube_contract::{Fault, OwnerId, VideoId};
use jiff::Timestamp;

/// Names of the notes that `upload` leaves on the object and `ingest` reads: the two know
/// no table in common.
pub mod notes {
    /// The title, percent-encoded, since S3 takes ASCII only.
    pub const TITLE: &str = "cattube-title";
    /// The sizes required.
    pub const SIZES: &str = "cattube-sizes";
    /// How large the client said that the file is.
    pub const SIZE_BYTES: &str = "cattube-size-bytes";
}

/// An object as S3's event tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// The key as it stands in the event.
    pub key: &'a str,
    /// S3's mark of this one writing of the key.
    pub sequencer: &'a str,
    /// When it was written.
    pub written_at: Timestamp,
}

/// Whose the object is and which video it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whose.
    pub owner_id: OwnerId,
    /// Which.
    pub video_id: VideoId,
    /// What the key says, or why it says nothing.
    pub key: Result<MasterKey, String>,
}

/// Names the video that an object is. An uploaded one carries its id in its key; a dropped
/// one gets an id that is the same at every delivery of its event.
#[must_use]
pub fn identify(arrival: &Arrival<'_>, drop_owner: OwnerId) -> Identity {
    let parsed = MasterKey::parse(arrival.key);
    if let Ok(MasterKey::Uploaded { owner_id, video_id }) = parsed {
        return Identity {
            owner_id,
            video_id,
            key: Ok(MasterKey::Uploaded { owner_id, video_id }),
        };
    }
    Identity {
        owner_id: drop_owner,
        video_id: VideoId::of_drop(
            arrival.written_at,
            arrival.bucket,
            arrival.key,
            arrival.sequencer,
        ),
        key: parsed.map_err(|error| error.to_string()),
    }
}

/// What is made of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A master: plan it.
    Accept {
        /// What people call it.
        title: String,
        /// The sizes required.
        sizes: Sizes,
    },
    /// It can never be a video.
    Reject {
        /// For programs.
        code: RejectionCode,
        /// For people.
        reason: String,
    },
    /// It is not what was announced.
    Mismatch {
        /// Whether another writing of it can be: its bytes may come again, its notes not.
        fault: Fault,
        /// For people.
        reason: String,
    },
}

/// Checks an object of `size_bytes` with these notes against what was announced.
#[must_use]
pub fn judge(
    key: &Result<MasterKey, String>,
    size_bytes: u64,
    metadata: &BTreeMap<String, String>,
) -> Verdict {
    let key = match key {
        Ok(key) => key,
        Err(reason) => {
            return Verdict::Reject {
                code: RejectionCode::BadKey,
                reason: reason.clone(),
            };
        }
    };
    if size_bytes == 0 {
        return Verdict::Reject {
            code: RejectionCode::Empty,
            reason: "the file is empty".to_owned(),
        };
    }
    let sizes = match metadata.get(notes::SIZES).map(|text| Sizes::parse(text)) {
        None => Sizes::Auto,
        Some(Ok(sizes)) => sizes,
        Some(Err(error)) => {
            return Verdict::Mismatch {
                fault: Fault::Permanent,
                reason: error.to_string(),
            };
        }
    };
    match key {
        MasterKey::Dropped { path } => Verdict::Accept {
            title: path
                .rsplit('/')
                .next()
                .unwrap_or(path)
                .chars()
                .take(200)
                .collect(),
            sizes,
        },
        MasterKey::Uploaded { .. } => judge_uploaded(size_bytes, metadata, sizes),
    }
}

fn judge_uploaded(size_bytes: u64, metadata: &BTreeMap<String, String>, sizes: Sizes) -> Verdict {
    let announced = metadata
        .get(notes::SIZE_BYTES)
        .and_then(|text| text.parse::<u64>().ok());
    let Some(announced) = announced else {
        return Verdict::Mismatch {
            fault: Fault::Permanent,
            reason: "no upload announced it".to_owned(),
        };
    };
    if announced != size_bytes {
        return Verdict::Mismatch {
            fault: Fault::Transient,
            reason: format!("{announced} bytes were announced, {size_bytes} arrived"),
        };
    }
    let title = metadata.get(notes::TITLE).map(|text| decode_title(text));
    Verdict::Accept {
        title: title.unwrap_or_default(),
        sizes,
    }
}

/// A title as an object's note: all but unreserved ASCII percent-encoded.
#[must_use]
pub fn encode_title(title: &str) -> String {
    percent_encoding::utf8_percent_encode(title, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn decode_title(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival<'a>(key: &'a str, sequencer: &'a str) -> Arrival<'a> {
        Arrival {
            bucket: "b",
            key,
            sequencer,
            written_at: Timestamp::from_millisecond(1_700_000_000_000).unwrap(),
        }
    }

    #[test]
    fn a_bad_key_is_a_rejected_video_of_the_drop_owner() {
        let owner = OwnerId::of_subject("studio");
        let identity = identify(&arrival("drop/../etc/passwd", "1"), owner);
        assert_eq!(identity.owner_id, owner);
        let verdict = judge(&identity.key, 5, &BTreeMap::new());
        assert!(
            matches!(
                verdict,
                Verdict::Reject {
                    code: RejectionCode::BadKey,
                    ..
                }
            ),
            "{verdict:?}"
        );
    }

    #[test]
    fn an_upload_must_have_its_announced_size() {
        let key = Ok(MasterKey::Uploaded {
            owner_id: OwnerId::of_subject("a"),
            video_id: VideoId::new(Timestamp::UNIX_EPOCH, 1),
        });
        let mut metadata = BTreeMap::from([
            (notes::SIZE_BYTES.to_owned(), "7".to_owned()),
            (notes::TITLE.to_owned(), encode_title("Katze №1 / 50 %")),
            (notes::SIZES.to_owned(), "1080,360".to_owned()),
        ]);
        let verdict = judge(&key, 7, &metadata);
        let sizes = Sizes::parse("1080,360").unwrap();
        assert_eq!(
            verdict,
            Verdict::Accept {
                title: "Katze №1 / 50 %".to_owned(),
                sizes
            }
        );
        let fault = |verdict| match verdict {
            Verdict::Mismatch { fault, .. } => Some(fault),
            Verdict::Accept { .. } | Verdict::Reject { .. } => None,
        };
        let transient = Some(Fault::Transient);
        assert_eq!(fault(judge(&key, 8, &metadata)), transient);
        metadata.remove(notes::SIZE_BYTES);
        let permanent = Some(Fault::Permanent);
        assert_eq!(fault(judge(&key, 7, &metadata)), permanent);
    }

    #[test]
    fn a_drop_takes_its_file_name_as_title() {
        let identity = identify(
            &arrival("drop/holiday/cat.mp4", "1"),
            OwnerId::of_subject("a"),
        );
        let verdict = judge(&identity.key, 1, &BTreeMap::new());
        assert_eq!(
            verdict,
            Verdict::Accept {
                title: "cat.mp4".to_owned(),
                sizes: Sizes::Auto
            }
        );
    }
}
