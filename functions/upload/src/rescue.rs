//! Uploads that stall, fail, or are not taken up: their deadlines, and what the queue brings
//! on them.

use std::time::Duration;

use async_trait::async_trait;
use cattube_contract::command::CheckUpload;
use cattube_contract::event::{UploadFailed, UploadResumed};
use cattube_contract::{Command, CommandMessage, Event, Fault, Message, Metadata, VideoId};
use cattube_core::upload::{self, Look, Resume, Upload, UploadState};
use cattube_ports::outcome::MessageHandler;
use cattube_ports::scheduler::Deadline;
use cattube_ports::{Outcome, PortError};
use jiff::Timestamp;

use crate::{Stored, UploadError, Uploads, master_key};

#[async_trait]
impl MessageHandler for Uploads {
    type Error = UploadError;

    async fn handle(&self, body: &str) -> Result<Outcome, UploadError> {
        let message = Message::parse(body)?;
        message.metadata().check_hops()?;
        let (action, metadata) = match message {
            Message::Command(CommandMessage { metadata, command }) => {
                (self.handle_command(&metadata, command).await?, metadata)
            }
            Message::Event(envelope) => (self.handle_event(&envelope).await?, envelope.metadata),
        };
        Ok(Outcome::of(action, &metadata))
    }
}

fn deadline_name(video: VideoId) -> String {
    format!("upload-{video}")
}

/// The upload goes on in this attempt: what is said of it belongs there.
fn in_attempt(metadata: &Metadata, attempt: u32) -> Metadata {
    Metadata {
        attempt,
        ..metadata.clone()
    }
}

impl Uploads {
    async fn handle_command(
        &self,
        metadata: &Metadata,
        command: Command,
    ) -> Result<&'static str, UploadError> {
        match command {
            Command::CheckUpload(seen) => self.check(metadata, &seen).await,
            Command::ResumeUpload(_) => self.resume(metadata).await,
            Command::PlanVideo(_)
            | Command::TranscodeChunk(_)
            | Command::ForwardPlan(_)
            | Command::CheckJob(_)
            | Command::PurgeVideo(_) => Err(UploadError::Command),
        }
    }

    /// Sets the deadline of an upload, in place of any that is set. `cause` has its attempt.
    pub(crate) async fn look_again(&self, cause: &Metadata, look: Look) -> Result<(), UploadError> {
        let now = self.clock.now();
        let subject = [look.arrived_bytes.to_string(), look.round.to_string()];
        let subject: Vec<_> = subject.iter().map(String::as_str).collect();
        let mut metadata = cause.follow("CheckUpload", &subject, now);
        // A long upload has many deadlines: they run in no circle, since bytes came or
        // rounds are counted.
        metadata.hop = 0;
        let command = CommandMessage {
            metadata,
            command: Command::CheckUpload(CheckUpload {
                arrived_bytes: look.arrived_bytes,
                round: look.round,
            }),
        };
        let after = Duration::from_secs(look.after_seconds);
        let deadline = Deadline {
            name: deadline_name(cause.video_id),
            at: now.saturating_add(after).unwrap_or(Timestamp::MAX),
            body: command.to_body()?,
        };
        Ok(self.deadlines.set(deadline).await?)
    }

    /// Removes the deadline of an upload that has ended.
    pub(crate) async fn forget(&self, video: VideoId) -> Result<(), UploadError> {
        Ok(self.deadlines.remove(&deadline_name(video)).await?)
    }

    async fn load_for(&self, metadata: &Metadata) -> Result<Option<Stored>, UploadError> {
        self.load(metadata.owner_id, metadata.video_id).await
    }

    /// A deadline came.
    async fn check(
        &self,
        metadata: &Metadata,
        seen: &CheckUpload,
    ) -> Result<&'static str, UploadError> {
        let Some(Stored {
            mut upload,
            version,
        }) = self.load_for(metadata).await?
        else {
            return Ok("no such upload");
        };
        if upload.is_over() && !upload.is_cancelled_by_client() {
            return Ok("over");
        }
        let owner = metadata.owner_id;
        let found = self.find(owner, &upload).await?;
        let key = master_key(owner, upload.video_id);
        let seen = (metadata.attempt, seen);
        let checked = upload::check(&upload, &key, &found, seen, self.deadline.as_secs());
        if checked.state != upload.state {
            upload.state = checked.state;
            self.save(owner, &upload, Some(version)).await?;
        }
        let cause = in_attempt(metadata, upload.attempt);
        if let Some(look) = checked.again {
            self.look_again(&cause, look).await?;
        }
        if let Some(event) = checked.event {
            self.publish(&cause, event).await?;
        }
        Ok(checked.action)
    }

    /// A failed upload may go on.
    async fn resume(&self, metadata: &Metadata) -> Result<&'static str, UploadError> {
        let Some(mut stored) = self.load_for(metadata).await? else {
            // Somebody put an object where an upload's is, and it is not as it says.
            let event = Event::UploadFailed(UploadFailed {
                fault: Fault::Permanent,
                reason: "no upload was granted for it".to_owned(),
                missing_part_count: None,
            });
            self.publish(metadata, event).await?;
            return Ok("no such upload");
        };
        let owner = metadata.owner_id;
        let found = self.find(owner, &stored.upload).await?;
        let first_look =
            |upload: &Upload, bytes| Look::first(upload, bytes, self.deadline.as_secs());
        let missing = match upload::resume(&stored.upload, &found, metadata.attempt) {
            Resume::Over => return Ok("over"),
            Resume::Complete => {
                stored.upload.attempt = metadata.attempt;
                stored.upload.state = UploadState::Completed;
                let look = first_look(&stored.upload, found.arrived_bytes());
                self.look_again(metadata, look).await?;
                self.save(owner, &stored.upload, Some(stored.version))
                    .await?;
                return Ok("complete after all");
            }
            Resume::Missing(missing) => {
                let look = first_look(&stored.upload, found.arrived_bytes());
                self.look_again(metadata, look).await?;
                if stored.upload.attempt != metadata.attempt {
                    stored.upload.attempt = metadata.attempt;
                    self.save(owner, &stored.upload, Some(stored.version))
                        .await?;
                }
                missing
            }
            Resume::Afresh => {
                self.begin_afresh(metadata, stored.upload, stored.version)
                    .await?
            }
        };
        let event = Event::UploadResumed(UploadResumed {
            missing_part_count: u32::try_from(missing.len()).unwrap_or(u32::MAX),
            first_missing_part: missing.first().copied(),
        });
        self.publish(metadata, event).await?;
        Ok("resumed")
    }

    /// Nothing of the old upload can be used: a new one takes its place. Gives its parts.
    async fn begin_afresh(
        &self,
        metadata: &Metadata,
        mut upload: Upload,
        version: u64,
    ) -> Result<Vec<u32>, UploadError> {
        let owner = metadata.owner_id;
        upload.store_upload = self.begin(owner, upload.video_id, &upload.request).await?;
        upload.state = UploadState::Open;
        upload.attempt = metadata.attempt;
        let look = Look::first(&upload, 0, self.deadline.as_secs());
        self.look_again(metadata, look).await?;
        match self.save(owner, &upload, Some(version)).await {
            Ok(()) => Ok((1..=upload.part_count()).collect()),
            Err(UploadError::Port(PortError::Conflict { key })) => {
                let object = master_key(owner, upload.video_id);
                self.store.abort(&object, &upload.store_upload).await?;
                Err(PortError::Conflict { key }.into())
            }
            Err(error) => Err(error),
        }
    }
}
