//! What follows the failure of an upload. There is no job yet and no deadline of one: `upload`
//! watches over its own.

use cattube_contract::command::ResumeUpload;
use cattube_contract::event::{Stage, UploadAbandoned, UploadFailed};
use cattube_contract::{Command, Event, Metadata};

use crate::failure::{Failure, outgoing};
use crate::work::SCHEDULED;
use crate::{Retry, RetryError};

impl Retry {
    pub(crate) async fn after_upload(
        &self,
        metadata: &Metadata,
        failed: &UploadFailed,
    ) -> Result<&'static str, RetryError> {
        let failure = Failure {
            metadata,
            stage: Stage::Upload,
            generation: 0,
            chunk: None,
            fault: failed.fault,
            reason: &failed.reason,
            work: None,
            rendition: None,
        };
        if failed.is_whole() {
            // A person is asked, and the file stays: `upload` goes on saying that it is there.
            self.publish(metadata, &failure.subject(), failure.exhausted())
                .await?;
            return Ok("a person is asked");
        }
        let Some((attempt, delay)) = failure.again() else {
            let event = Event::UploadAbandoned(UploadAbandoned {
                attempts: metadata.attempt,
                reason: failed.reason.clone(),
            });
            self.publish(metadata, &failure.subject(), event).await?;
            return Ok("upload abandoned");
        };
        let next = failure.next("ResumeUpload", attempt, self.clock.now());
        let command = Command::ResumeUpload(ResumeUpload {});
        self.schedule(&failure, attempt, delay).await?;
        self.uploads
            .send(&[outgoing(&next, command, delay)?])
            .await?;
        Ok(SCHEDULED)
    }
}
