//! EventBridge behind the port `Bus`.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_smithy_types::error::display::DisplayErrorContext;
use cattube_contract::Envelope;
use cattube_ports::{Bus, PortError};

use crate::{cut, send_all};

/// Entries a `PutEvents` call takes (EventBridge quota).
const MAX_ENTRIES: usize = 10;

/// Bytes that the entries of a call take: 256 KiB, the lowest value that EventBridge has had;
/// today's is 1 MiB.
const MAX_CALL_BYTES: usize = 262_144;

/// What an entry takes beside its detail: its source, its name and its bus, generously.
const OVERHEAD_BYTES: usize = 512;

/// A bus.
#[derive(Debug, Clone)]
pub struct EventBridge {
    client: Client,
    name: String,
    source: String,
}

impl EventBridge {
    /// The bus `name`, for events of the function `function`.
    #[must_use]
    pub fn new(config: &SdkConfig, name: String, function: &str) -> Self {
        Self {
            client: Client::new(config),
            name,
            source: format!("cattube.{function}"),
        }
    }

    fn entry(&self, event: &Envelope) -> Result<PutEventsRequestEntry, PortError> {
        let detail = event
            .to_detail()
            .map_err(|error| refused(&[event], error.to_string()))?;
        Ok(PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(&self.source)
            .detail_type(event.event.name())
            .detail(detail.to_string())
            .build())
    }

    /// Sends one call's worth of events and returns those that were refused.
    async fn put<'a>(
        &'a self,
        events: Vec<&'a Envelope>,
    ) -> Result<(Vec<&'a Envelope>, String), PortError> {
        let entries = events
            .iter()
            .map(|event| self.entry(event))
            .collect::<Result<Vec<_>, _>>()?;
        let answer = self
            .client
            .put_events()
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| refused(&events, DisplayErrorContext(&error).to_string()))?;
        let answers = answer.entries();
        if answers.len() != events.len() {
            let reason = format!("{} answers to {} entries", answers.len(), events.len());
            return Ok((events, reason));
        }
        let mut left = Vec::new();
        let mut reason = String::new();
        for (event, entry) in events.iter().zip(answers) {
            if let Some(code) = entry.error_code() {
                reason = format!("{code}: {}", entry.error_message().unwrap_or_default());
                left.push(*event);
            }
        }
        Ok((left, reason))
    }
}

fn refused(events: &[&Envelope], reason: String) -> PortError {
    let first = events.first().map_or_else(String::new, |event| {
        format!("{} {}", event.event.name(), event.metadata.event_id)
    });
    PortError::Publish {
        count: events.len(),
        first,
        reason,
    }
}

#[async_trait]
impl Bus for EventBridge {
    async fn publish(&self, events: &[Envelope]) -> Result<(), PortError> {
        let size = |event: &Envelope| {
            let detail = event
                .to_detail()
                .map_or(0, |detail| detail.to_string().len());
            detail + OVERHEAD_BYTES
        };
        for call in cut(events, MAX_ENTRIES, MAX_CALL_BYTES, size) {
            let (left, reason) = send_all(call, |events| self.put(events)).await?;
            if !left.is_empty() {
                return Err(refused(&left, reason));
            }
        }
        Ok(())
    }
}
