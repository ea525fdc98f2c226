//! What a queue brings to a function that takes both commands and events. No logic beyond
//! telling which of them it is.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::{CommandMessage, ContractError, Envelope, Metadata, read_json};

/// The body of a queue's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// It was sent to this queue alone.
    Command(CommandMessage),
    /// A rule of the bus put it there.
    Event(Envelope),
}

impl Message {
    /// Reads a message's body: a command has a field `command`, everything else is an event.
    ///
    /// # Errors
    /// [`ContractError::Message`] that names the field.
    pub fn parse(body: &str) -> Result<Self, ContractError> {
        #[derive(Deserialize)]
        struct Shape {
            command: Option<IgnoredAny>,
        }
        let shape: Shape = read_json(body.as_bytes()).map_err(|reason| ContractError::Message {
            name: "message".to_owned(),
            reason,
        })?;
        if shape.command.is_some() {
            CommandMessage::parse(body).map(Self::Command)
        } else {
            Envelope::parse_bus_event(body).map(Self::Event)
        }
    }

    /// Who, why and when.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        match self {
            Self::Command(message) => &message.metadata,
            Self::Event(envelope) => &envelope.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_a_command_an_event_or_says_what_it_lacks() {
        let metadata = r#"{"event_id": "evt_00000000000000000000000000000000",
            "video_id": "vid_00000000000000000000000000000000",
            "owner_id": "own_00000000000000000000000000000000",
            "caused_by": null, "attempt": 1, "hop": 3, "schema": 1,
            "occurred_at": "2026-11-25T00:00:00Z"}"#;
        let command =
            format!(r#"{{"metadata": {metadata}, "command": "ResumeUpload", "data": {{}}}}"#);
        let command = Message::parse(&command).unwrap();
        assert!(matches!(command, Message::Command(_)));
        assert_eq!(command.metadata().hop, 3);
        let event = format!(
            r#"{{"detail-type": "VideoDeleted",
                "detail": {{"metadata": {metadata}, "data": {{"master_key": null}}}}}}"#
        );
        let event = Message::parse(&event).unwrap();
        assert!(matches!(event, Message::Event(_)));
        assert_eq!(event.metadata().hop, 3);
        for (body, word) in [
            ("{", "EOF"),
            ("7", "struct"),
            ("{}", "detail-type"),
            (r#"{"command": "PlanVideo"}"#, "metadata"),
        ] {
            let error = Message::parse(body).unwrap_err().to_string();
            assert!(error.contains(word), "{body}: {error}");
        }
    }
}
