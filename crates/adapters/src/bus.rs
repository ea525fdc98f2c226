//! EventBridge behind the port `Bus`.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_smithy_types::error::display::DisplayErrorContext;
use cattube_contract::Envelope;
use cattube_ports::{Bus, PortError};

/// Entries a `PutEvents` call takes (EventBridge quota).
const MAX_ENTRIES: usize = 10;

/// How often refused entries of a call are sent again before the publish fails.
const MAX_ROUNDS: usize = 4;

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
        &self,
        events: &[&'a Envelope],
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
            .map_err(|error| refused(events, DisplayErrorContext(&error).to_string()))?;
        let mut left = Vec::new();
        let mut reason = String::new();
        for (event, entry) in events.iter().zip(answer.entries()) {
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
        for chunk in events.chunks(MAX_ENTRIES) {
            let mut left: Vec<&Envelope> = chunk.iter().collect();
            let mut reason = String::new();
            for _ in 0..MAX_ROUNDS {
                (left, reason) = self.put(&left).await?;
                if left.is_empty() {
                    break;
                }
            }
            if !left.is_empty() {
                return Err(refused(&left, reason));
            }
        }
        Ok(())
    }
}
