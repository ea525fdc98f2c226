//! The upload: what may be asked for, how it is cut into parts, which are missing.

mod rescue;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use cattube_contract::VideoId;
use cattube_contract::size::Sizes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::intake::encode_title;

pub use rescue::{Checked, Found, Look, MAX_ROUNDS, Resume, cancellation, check, resume};

const MIB: u64 = 1 << 20;

/// The largest master that is planned for: 5 TiB, S3's object limit of the design. (S3 takes
/// more today; a part stays below 5 GiB either way.)
pub const MAX_SIZE_BYTES: u64 = 5 << 40;

/// Parts that S3 takes in one upload.
pub const MAX_PARTS: u64 = 10_000;

/// The least part size: S3 wants 5 MiB; 8 MiB keep a phone clip's requests few.
const MIN_PART_BYTES: u64 = 8 * MIB;

/// How many parts a middling upload is cut into, so that some go at once and a lost one
/// costs little.
const USUAL_PARTS: u64 = 250;

/// The longest title, in characters.
const MAX_TITLE_CHARS: usize = 200;

/// The longest title, percent-encoded in an object's notes, in bytes: S3 takes 2 KB of notes in
/// all, and the others take less than 100.
const MAX_TITLE_BYTES: usize = 1_800;

/// How many part URLs one page may ask for.
pub const PAGE_PARTS: RangeInclusive<u32> = 1..=1000;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadRequest {
    /// What people will call it.
    pub title: String,
    /// The file's size.
    pub size_bytes: u64,
    /// The file's media type, as the client believes.
    pub content_type: String,
    /// The sizes required; `auto` if not said.
    #[serde(default)]
    pub sizes: Sizes,
}

/// Where an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// Parts may come.
    Open,
    /// The object is made.
    Completed,
    /// Given up by its client, or its video was deleted.
    Cancelled,
    /// Given up after it failed too often or for good.
    Abandoned,
}

/// A part that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// Its size.
    pub size_bytes: u64,
    /// MD5 of its bytes, in lower-case hex.
    pub md5: String,
}

/// An upload, as `upload` remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Its video.
    pub video_id: VideoId,
    /// What was asked for.
    pub request: UploadRequest,
    /// The store's name for the multipart upload.
    pub store_upload: String,
    /// The size of every part but the last.
    pub part_size_bytes: u64,
    /// Where it stands.
    pub state: UploadState,
    /// When it was granted.
    pub created_at: Timestamp,
    /// Which attempt it is in: 1 at first, one more each time it goes on after a failure.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
    /// Whether somebody took its object up: it was heard of as a video, or as none.
    #[serde(default)]
    pub accepted: bool,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn first_attempt() -> u32 {
    1
}

/// A request that cannot be granted; the text names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidUpload {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// Checks a request and says how large its parts are, in bytes.
///
/// # Errors
/// [`InvalidUpload`] for the first field that is wrong.
pub fn plan_parts(request: &UploadRequest) -> Result<u64, InvalidUpload> {
    let fail = |field, reason: String| Err(InvalidUpload { field, reason });
    let title_chars = request.title.chars().count();
    if request.title.trim().is_empty() || title_chars > MAX_TITLE_CHARS {
        return fail(
            "title",
            format!("expected 1 to {MAX_TITLE_CHARS} characters, got {title_chars}"),
        );
    }
    let title_bytes = encode_title(&request.title).len();
    if title_bytes > MAX_TITLE_BYTES {
        return fail(
            "title",
            format!("expected up to {MAX_TITLE_BYTES} bytes percent-encoded, got {title_bytes}"),
        );
    }
    if request.title.chars().any(char::is_control) {
        return fail("title", "a control character".to_owned());
    }
    if request.size_bytes == 0 {
        return fail("size_bytes", "an empty file is no video".to_owned());
    }
    if request.size_bytes > MAX_SIZE_BYTES {
        return fail("size_bytes", format!("over {MAX_SIZE_BYTES} bytes"));
    }
    let media_type = &request.content_type;
    let printable = media_type
        .bytes()
        .all(|b| b.is_ascii_graphic() || b == b' ');
    if !printable || !media_type.contains('/') || media_type.len() > 100 {
        return fail(
            "content_type",
            "expected a media type such as video/mp4".to_owned(),
        );
    }
    Ok(part_size_bytes(request.size_bytes))
}

/// Whole mebibytes, at least 8 and as many as keep the parts within S3's number.
fn part_size_bytes(size_bytes: u64) -> u64 {
    let usual = size_bytes.div_ceil(USUAL_PARTS).min(64 * MIB);
    let least = size_bytes.div_ceil(MAX_PARTS);
    usual.max(least).max(MIN_PART_BYTES).next_multiple_of(MIB)
}

impl Upload {
    /// How many parts.
    #[must_use]
    pub fn part_count(&self) -> u32 {
        let count = self
            .request
            .size_bytes
            .div_ceil(self.part_size_bytes.max(1));
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The size of part `number` (from 1), or `None` if there is no such part.
    #[must_use]
    pub fn part_bytes(&self, number: u32) -> Option<u64> {
        if number == 0 || number > self.part_count() {
            return None;
        }
        let start = self.part_size_bytes.checked_mul(u64::from(number - 1))?;
        Some(self.part_size_bytes.min(self.request.size_bytes - start))
    }

    /// The numbers of the parts that have not arrived in full, or not with the MD5 that the
    /// client states for them.
    #[must_use]
    pub fn missing_parts(&self, arrived: &[Part], stated: &BTreeMap<u32, String>) -> Vec<u32> {
        let is_whole = |part: &&Part| {
            let md5 = stated.get(&part.number).unwrap_or(&part.md5);
            self.part_bytes(part.number) == Some(part.size_bytes)
                && md5.eq_ignore_ascii_case(&part.md5)
        };
        let whole: std::collections::BTreeSet<u32> = arrived
            .iter()
            .filter(is_whole)
            .map(|part| part.number)
            .collect();
        (1..=self.part_count())
            .filter(|number| !whole.contains(number))
            .collect()
    }

    /// Whether nothing can become of it any more that has not: it was given up, or somebody
    /// took its object up.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self.state {
            UploadState::Open => false,
            UploadState::Completed => self.accepted,
            UploadState::Cancelled | UploadState::Abandoned => true,
        }
    }

    /// Whether its client cancelled it. The function does not know whether that was heard: it
    /// removes the deadline when it hears it itself.
    #[must_use]
    pub fn is_cancelled_by_client(&self) -> bool {
        self.state == UploadState::Cancelled && self.reason.is_none()
    }

    /// After somebody took its object up.
    #[must_use]
    pub fn accept(mut self) -> Self {
        self.accepted = true;
        if self.state == UploadState::Open {
            self.state = UploadState::Completed;
        }
        self
    }

    /// After it was given up by `state`, unless it is over.
    #[must_use]
    pub fn end(mut self, state: UploadState, reason: &str) -> Self {
        if !self.is_over() {
            self.state = state;
            self.reason = Some(reason.to_owned());
        }
        self
    }

    /// After its video was deleted, whatever had become of it: the same file sent again is told
    /// that nothing is there any more.
    #[must_use]
    pub fn delete(mut self, reason: &str) -> Self {
        if matches!(self.state, UploadState::Open | UploadState::Completed) {
            self.state = UploadState::Cancelled;
            self.reason = Some(reason.to_owned());
        }
        self
    }

    /// How long it may go without a part, in seconds: the larger the parts, the longer one
    /// takes. `deadline_seconds` is for the smallest parts.
    #[must_use]
    pub fn patience_seconds(&self, deadline_seconds: u64) -> u64 {
        deadline_seconds.saturating_mul(self.part_size_bytes.div_ceil(MIN_PART_BYTES).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn upload(size_bytes: u64) -> Upload {
        let request = UploadRequest {
            title: "a cat".to_owned(),
            size_bytes,
            content_type: "video/mp4".to_owned(),
            sizes: Sizes::Auto,
        };
        Upload {
            video_id: VideoId::new(Timestamp::UNIX_EPOCH, 1),
            part_size_bytes: plan_parts(&request).unwrap(),
            request,
            store_upload: String::new(),
            state: UploadState::Open,
            created_at: Timestamp::UNIX_EPOCH,
            attempt: 1,
            accepted: false,
            reason: None,
        }
    }

    fn part(number: u32, size_bytes: u64, md5: &str) -> Part {
        Part {
            number,
            size_bytes,
            md5: md5.to_owned(),
        }
    }

    proptest! {
        #[test]
        fn parts_add_up_within_the_limits(size in 1..=MAX_SIZE_BYTES) {
            let upload = upload(size);
            let count = upload.part_count();
            prop_assert!(u64::from(count) <= MAX_PARTS);
            let last = upload.part_bytes(count).unwrap();
            prop_assert!(last > 0 && last <= upload.part_size_bytes);
            prop_assert_eq!(upload.part_size_bytes * u64::from(count - 1) + last, size);
            prop_assert!(upload.part_size_bytes >= 5 * MIB && upload.part_size_bytes <= 5 << 30);
        }
    }

    #[test]
    fn a_short_or_damaged_part_is_missing() {
        let upload = upload(20 * MIB);
        assert_eq!(upload.part_count(), 3);
        let none = BTreeMap::new();
        let arrived = [part(1, 8 * MIB, "aa"), part(3, 1, "cc")];
        assert_eq!(upload.missing_parts(&arrived, &none), [2, 3]);
        let arrived = [
            part(1, 8 * MIB, "aa"),
            part(2, 8 * MIB, "bb"),
            part(3, 4 * MIB, "cc"),
        ];
        assert_eq!(upload.missing_parts(&arrived, &none), [0_u32; 0]);
        let stated = BTreeMap::from([(1, "AA".to_owned()), (2, "ff".to_owned())]);
        assert_eq!(upload.missing_parts(&arrived, &stated), [2]);
        assert_eq!(upload.part_bytes(0), None);
        assert_eq!(upload.part_bytes(4), None);
    }

    #[test]
    fn what_was_taken_up_is_not_given_up_and_what_was_given_up_stays_so() {
        let taken = upload(1).accept();
        assert_eq!(
            (taken.state, taken.accepted),
            (UploadState::Completed, true)
        );
        let kept = taken.clone().end(UploadState::Abandoned, "late");
        assert_eq!(kept, taken);
        let given_up = upload(1).end(UploadState::Abandoned, "stalled");
        assert_eq!(given_up.reason.as_deref(), Some("stalled"));
        let kept = given_up.clone().end(UploadState::Cancelled, "late");
        assert_eq!(kept, given_up);
        assert_eq!(given_up.accept().state, UploadState::Abandoned);
    }

    #[test]
    fn nothing_is_left_of_an_upload_whose_video_was_deleted() {
        let reason = "its video was deleted";
        for standing in [upload(1), upload(1).accept()] {
            let deleted = standing.delete(reason);
            assert_eq!(deleted.state, UploadState::Cancelled);
            assert_eq!(deleted.reason.as_deref(), Some(reason));
            assert!(deleted.is_over() && !deleted.is_cancelled_by_client());
            // It is not taken up again by a late event.
            assert_eq!(deleted.accept().state, UploadState::Cancelled);
        }
        let given_up = upload(1).end(UploadState::Abandoned, "stalled");
        assert_eq!(given_up.clone().delete(reason), given_up);
    }

    #[test]
    fn larger_parts_have_more_time() {
        assert_eq!(upload(20 * MIB).patience_seconds(900), 900);
        let film = upload(16 << 30);
        assert_eq!(film.part_size_bytes, 64 * MIB);
        assert_eq!(film.patience_seconds(900), 7200);
    }

    #[test]
    fn an_upload_of_an_older_form_is_in_its_first_attempt() {
        let mut body = serde_json::to_value(upload(1)).unwrap();
        body.as_object_mut().unwrap().remove("attempt");
        body.as_object_mut().unwrap().remove("accepted");
        let read: Upload = serde_json::from_value(body).unwrap();
        assert_eq!((read.attempt, read.accepted), (1, false));
    }

    #[test]
    fn bad_requests_name_the_field() {
        let good = upload(1).request;
        let cases = [
            (
                UploadRequest {
                    title: " ".to_owned(),
                    ..good.clone()
                },
                "title",
            ),
            (
                UploadRequest {
                    title: "a\nb".to_owned(),
                    ..good.clone()
                },
                "title",
            ),
            (
                UploadRequest {
                    size_bytes: 0,
                    ..good.clone()
                },
                "size_bytes",
            ),
            (
                UploadRequest {
                    size_bytes: u64::MAX,
                    ..good.clone()
                },
                "size_bytes",
            ),
            (
                UploadRequest {
                    content_type: "mp4".to_owned(),
                    ..good
                },
                "content_type",
            ),
        ];
        for (request, field) in cases {
            assert_eq!(plan_parts(&request).unwrap_err().field, field);
        }
    }

    #[test]
    fn a_request_is_refused_behind_each_limit_and_not_at_it() {
        let good = || upload(9).request;
        let refused = |request: UploadRequest| plan_parts(&request).is_err();
        let titled = |title: String| UploadRequest { title, ..good() };
        assert!(!refused(titled("ä".repeat(MAX_TITLE_CHARS))));
        assert!(refused(titled("ä".repeat(MAX_TITLE_CHARS + 1))));
        assert!(!refused(titled("猫".repeat(MAX_TITLE_CHARS))));
        // Twelve bytes each.
        assert!(!refused(titled("😺".repeat(150))));
        assert!(refused(titled("😺".repeat(151))));
        assert!(refused(titled("  ".to_owned())));
        assert!(refused(titled("a\u{7}b".to_owned())));
        let sized = |size_bytes| UploadRequest {
            size_bytes,
            ..good()
        };
        assert!(!refused(sized(MAX_SIZE_BYTES)));
        assert!(refused(sized(MAX_SIZE_BYTES + 1)));
        assert!(refused(sized(0)));
        let typed = |text: &str| UploadRequest {
            content_type: text.to_owned(),
            ..good()
        };
        let long = |length: usize| format!("video/{}", "x".repeat(length - 6));
        assert!(!refused(typed("video/mp4; codecs=avc1")));
        assert!(!refused(typed(&long(100))));
        assert!(refused(typed(&long(101))));
        assert!(refused(typed("mp4")));
        assert!(refused(typed("video/mp4\u{e9}")));
        assert!(refused(typed("video/mp4\n")));
    }
}
