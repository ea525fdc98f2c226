//! What people are asked and what they say.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::command::Base;
use crate::event::MasterLocation;
use crate::failure::FailedWork;
use crate::id::TicketId;
use crate::size::Sizes;

/// See [`crate::Event::HumanRequested`]. The links to answer are secrets and stand in no event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HumanRequested {
    /// The ticket.
    pub ticket_id: TicketId,
    /// Which making of the video; 0 if it is not about one.
    pub generation: u32,
    /// What a person should know.
    pub reason: String,
    /// Until when the links hold.
    pub expires_at: Timestamp,
}

/// What a person can say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Try again: the cause is mended.
    Retry,
    /// Make the video without this size, or without its sound ([`crate::plan::AUDIO_RENDITION`]).
    SkipSize(String),
    /// Give it up.
    GiveUp,
}

/// See [`crate::Event::HumanAnswered`]. One event a piece of failed work for
/// [`Answer::Retry`], one altogether for the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HumanAnswered {
    /// The ticket.
    pub ticket_id: TicketId,
    /// Which making of the video; 0 if it is not about one.
    pub generation: u32,
    /// What they said.
    pub answer: Answer,
    /// What failed, for [`Answer::Retry`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<FailedWork>,
}

/// See [`crate::Event::RetryRequested`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryRequested {
    /// The new making of the video.
    pub generation: u32,
    /// Where the master is.
    pub master: MasterLocation,
    /// The sizes required.
    pub sizes: Sizes,
    /// What the new making takes over from an older one; none if all is made anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
}
