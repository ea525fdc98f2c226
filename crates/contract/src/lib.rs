//! What CatTube's services say to each other: events, commands, ids, object keys and
//! environment names. No logic beyond building and parsing; nothing here does I/O.

pub mod command;
pub mod env;
pub mod envelope;
pub mod event;
pub mod failure;
pub mod fault;
pub mod human;
pub mod id;
pub mod key;
pub mod media;
pub mod message;
pub mod plan;
pub mod report;
pub mod size;
pub mod uploading;

use envelope::MAX_HOPS;

pub use command::{Command, CommandMessage};
pub use envelope::{Envelope, Metadata};
pub use event::Event;
pub use fault::Fault;
pub use id::{EventId, OwnerId, TicketId, VideoId};
pub use message::Message;

/// Why bytes from outside are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// An id lacks its prefix or is not 32 lower-case hex digits behind it.
    #[error("{kind}: expected `{prefix}` and 32 lower-case hex digits, got {got:?}")]
    Id {
        /// Which id.
        kind: &'static str,
        /// The prefix it must begin with.
        prefix: &'static str,
        /// What came, cut to 80 characters.
        got: String,
    },
    /// An object key that none of our builders makes.
    #[error("object key {key:?}: {reason}")]
    Key {
        /// The key as it came, cut to 200 characters.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An event or command that does not parse.
    #[error("message `{name}`: {reason}")]
    Message {
        /// The detail-type or command name as it came.
        name: String,
        /// serde's reason, which names the field.
        reason: String,
    },
    /// A message went through too many others.
    #[error("{video_id}, {event_id}: more than {MAX_HOPS} hops: the message runs in a circle")]
    Hops {
        /// Whose.
        video_id: VideoId,
        /// Which fact.
        event_id: EventId,
    },
    /// A requested size outside the range.
    #[error("sizes: {reason}")]
    Sizes {
        /// What is wrong with it.
        reason: String,
    },
    /// An environment variable is missing or not of its form.
    #[error("environment variable {name} is not set, or not of its form")]
    Env {
        /// Its name.
        name: &'static str,
    },
}

/// At most `limit` characters of outside text, for error messages and records.
#[must_use]
pub fn excerpt(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// Reads JSON; an error says which field is wrong, as a path such as `data.master.size_bytes`.
///
/// # Errors
/// The path and serde's reason.
pub fn read_json<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    // To follow the path costs as much as to read: only what is wrong is read by it.
    if let Ok(value) = serde_json::from_slice(text) {
        return Ok(value);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value =
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| explain(&error))?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// As [`read_json`], of a value that is parsed already and stands under `name`.
pub(crate) fn read_value<T: serde::de::DeserializeOwned>(
    name: &str,
    value: &serde_json::Value,
) -> Result<T, String> {
    T::deserialize(value).or_else(|_| {
        serde_path_to_error::deserialize(value)
            .map_err(|error| format!("{name}.{}", explain(&error)))
    })
}

fn explain<E: std::fmt::Display>(error: &serde_path_to_error::Error<E>) -> String {
    let path = error.path().to_string();
    if path == "." {
        error.inner().to_string()
    } else {
        format!("{path}: {}", error.inner())
    }
}
