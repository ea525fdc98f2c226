//! Prefixed ids, parsed at the boundary: `vid_`, `own_`, `evt_`, `tkt_` and 32 hex digits.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ContractError, excerpt};

/// The name space of every id that is derived from a name (a random UUID, fixed for ever).
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1c_7a52_94f0_4b0e_9c53_0d2a_fe41_77b8);

fn parse_uuid(kind: &'static str, prefix: &'static str, text: &str) -> Result<Uuid, ContractError> {
    let fail = || ContractError::Id {
        kind,
        prefix,
        got: excerpt(text, 80),
    };
    let hex = text.strip_prefix(prefix).ok_or_else(fail)?;
    let canonical = hex.len() == 32
        && hex
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !canonical {
        return Err(fail());
    }
    Uuid::try_parse(hex).map_err(|_| fail())
}

/// A video, from its first upload grant to its deletion. Ids made later sort later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VideoId(Uuid);

/// Who owns videos: a stable digest of the token's `sub`, so that no subject is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OwnerId(Uuid);

/// A fact. Derived from its cause, so that a redelivery publishes the same id again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(Uuid);

/// A ticket: a question to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TicketId(Uuid);

impl TicketId {
    const PREFIX: &'static str = "tkt_";

    /// The id of the question about `cause`, for the `round`-th time (from 1): the same
    /// question always has the same id.
    #[must_use]
    pub fn derive(cause: &str, round: u32) -> Self {
        Self(Uuid::new_v5(
            &NAMESPACE,
            format!("ticket\n{cause}\n{round}").as_bytes(),
        ))
    }
}

impl VideoId {
    /// Stands where no video is known, as in the event of a message that names none.
    pub const NONE: Self = Self(Uuid::nil());

    const PREFIX: &'static str = "vid_";

    /// A new id from the time in milliseconds since 1970 and 74 random bits.
    #[must_use]
    pub fn new(now: Timestamp, random: u128) -> Self {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let bytes = random.to_be_bytes();
        let mut tail = [0_u8; 10];
        for (to, from) in tail.iter_mut().zip(bytes) {
            *to = from;
        }
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid())
    }

    /// The id of an object that was dropped into the bucket. The same write of the same
    /// object (`sequencer` is S3's, unique for a write of a key) always gives the same id.
    #[must_use]
    pub fn of_drop(written_at: Timestamp, bucket: &str, key: &str, sequencer: &str) -> Self {
        let name = format!("drop\n{bucket}\n{key}\n{sequencer}");
        Self::new(
            written_at,
            Uuid::new_v5(&NAMESPACE, name.as_bytes()).as_u128(),
        )
    }
}

impl OwnerId {
    /// Stands where no owner is known. No token's subject has it.
    pub const NONE: Self = Self(Uuid::nil());

    const PREFIX: &'static str = "own_";

    /// The owner that a token's `sub` claim stands for.
    #[must_use]
    pub fn of_subject(subject: &str) -> Self {
        Self(Uuid::new_v5(
            &NAMESPACE,
            format!("owner\n{subject}").as_bytes(),
        ))
    }
}

impl EventId {
    const PREFIX: &'static str = "evt_";

    /// The id of the fact `name` about `subject` (the parts that make it unique: the video,
    /// the generation, the chunk, the attempt).
    #[must_use]
    pub fn derive(name: &str, subject: &[&str]) -> Self {
        let text = format!("event\n{name}\n{}", subject.join("\n"));
        Self(Uuid::new_v5(&NAMESPACE, text.as_bytes()))
    }

    /// Its bits, as evenly spread as random ones and the same at every delivery.
    #[must_use]
    pub fn bits(self) -> u128 {
        self.0.as_u128()
    }
}

impl fmt::Display for VideoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        f.write_str(self.0.simple().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        f.write_str(self.0.simple().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        f.write_str(self.0.simple().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        f.write_str(self.0.simple().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl FromStr for VideoId {
    type Err = ContractError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_uuid("video_id", Self::PREFIX, text).map(Self)
    }
}

impl FromStr for OwnerId {
    type Err = ContractError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_uuid("owner_id", Self::PREFIX, text).map(Self)
    }
}

impl FromStr for EventId {
    type Err = ContractError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_uuid("event_id", Self::PREFIX, text).map(Self)
    }
}

impl FromStr for TicketId {
    type Err = ContractError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_uuid("ticket_id", Self::PREFIX, text).map(Self)
    }
}

impl TryFrom<String> for VideoId {
    type Error = ContractError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<String> for OwnerId {
    type Error = ContractError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<String> for EventId {
    type Error = ContractError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<String> for TicketId {
    type Error = ContractError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<VideoId> for String {
    fn from(id: VideoId) -> Self {
        id.to_string()
    }
}

impl From<OwnerId> for String {
    fn from(id: OwnerId) -> Self {
        id.to_string()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}

impl From<TicketId> for String {
    fn from(id: TicketId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn video_ids_sort_by_time_and_round_trip() {
        let early = VideoId::new(Timestamp::from_millisecond(1_000).unwrap(), u128::MAX);
        let late = VideoId::new(Timestamp::from_millisecond(2_000).unwrap(), 0);
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse::<VideoId>().unwrap(), early);
    }

    #[test]
    fn a_redelivered_drop_is_the_same_video_and_an_overwrite_is_another() {
        let at = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
        let first = VideoId::of_drop(at, "b", "drop/a.mp4", "00A1");
        assert_eq!(first, VideoId::of_drop(at, "b", "drop/a.mp4", "00A1"));
        assert_ne!(first, VideoId::of_drop(at, "b", "drop/a.mp4", "00A2"));
    }

    #[test]
    fn foreign_ids_are_refused() {
        for text in [
            "",
            "vid_",
            "own_00000000000000000000000000000000",
            "vid_0000000000000000000000000000000G",
            "vid_0000000000000000000000000000000A",
            "vid_../../../../../../../../../../../",
        ] {
            assert!(text.parse::<VideoId>().is_err(), "{text}");
        }
    }
}
