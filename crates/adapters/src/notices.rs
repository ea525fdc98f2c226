//! SNS behind the port `Notices`.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_smithy_types::error::display::DisplayErrorContext;
use cattube_contract::Fault;
use cattube_ports::notices::Notice;
use cattube_ports::{Notices, PortError};

/// A topic.
#[derive(Debug, Clone)]
pub struct Sns {
    client: Client,
    topic_arn: String,
}

impl Sns {
    /// The topic `topic_arn`.
    #[must_use]
    pub fn new(config: &SdkConfig, topic_arn: String) -> Self {
        Self {
            client: Client::new(config),
            topic_arn,
        }
    }
}

#[async_trait]
impl Notices for Sns {
    async fn send(&self, notice: Notice) -> Result<(), PortError> {
        self.client
            .publish()
            .topic_arn(&self.topic_arn)
            .subject(notice.subject)
            .message(notice.text)
            .send()
            .await
            .map(drop)
            .map_err(|error| PortError::Notice {
                fault: Fault::Transient,
                reason: DisplayErrorContext(&error).to_string(),
            })
    }
}
