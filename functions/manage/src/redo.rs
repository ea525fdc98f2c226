//! New makings: the route that asks for one, and the answer to a ticket that does. The
//! generation is allocated in the record before anything is said of it.

use cattube_contract::event::{HumanAnswered, RetryRequested};
use cattube_contract::{Envelope, Event, EventId, Metadata, OwnerId, VideoId, read_json};
use cattube_core::video::{RedoRefusal, RedoRequest, Video};
use cattube_ports::http::{ApiRequest, ApiResponse};
use serde_json::{Map, Value, json};

use crate::{Catalogue, ManageError, api};

fn refuse(refusal: &RedoRefusal) -> ApiResponse {
    let detail = refusal.to_string();
    if refusal.is_conflict() {
        ApiResponse::problem(409, "Video cannot be made anew", &detail)
    } else {
        ApiResponse::problem(422, "Invalid redo", &detail)
    }
}

fn parse(body: &[u8]) -> Result<RedoRequest, String> {
    // An object: a list of nothing would pass for a request without fields.
    let _: Map<String, Value> = read_json(body)?;
    read_json(body)
}

impl Catalogue {
    /// Allocates the next making and says so. Whoever asks the same again, while that is
    /// followed, gets the same making.
    pub(crate) async fn retry(
        &self,
        owner: OwnerId,
        id: VideoId,
        request: &ApiRequest,
    ) -> Result<ApiResponse, ManageError> {
        let wanted = match parse(&request.body) {
            Ok(wanted) => wanted,
            Err(reason) => return Ok(ApiResponse::problem(400, "Bad body", &reason)),
        };
        let decide = |video: Option<Video>| match video {
            None => (None, Err(api::not_found())),
            Some(video) => match video.redo(&wanted) {
                Ok(request) => (Some(video.allocate(&request, None)), Ok(request)),
                Err(refusal) => (Some(video), Err(refuse(&refusal))),
            },
        };
        let (video, decided) = self.change(owner, id, decide).await?;
        let requested = match decided {
            Ok(requested) => requested,
            Err(problem) => return Ok(problem),
        };
        let generation = requested.generation;
        let cause = api::request(owner, id, "HTTP retry", self.clock.now());
        self.say_requested(cause, None, requested).await?;
        Ok(ApiResponse::json(
            202,
            json!({
                "video_id": id,
                "generation": generation,
                "state": video.map(|video| video.state),
            }),
        ))
    }

    /// A person said to leave a size out. Once a ticket: the same answer again says the same
    /// again.
    pub(crate) async fn skip(
        &self,
        metadata: &Metadata,
        answered: &HumanAnswered,
        size: &str,
    ) -> Result<&'static str, ManageError> {
        let ticket = answered.ticket_id;
        let decide = |video: Option<Video>| {
            let Some(video) = video else {
                return (None, Ok(None));
            };
            let skip = video.skip(ticket, answered.generation, size);
            match skip {
                Ok(Some(request)) => {
                    let video = video.allocate(&request, Some(ticket));
                    (Some(video), Ok(Some(request)))
                }
                Ok(None) => (Some(video), Ok(None)),
                Err(refusal) => (Some(video), Err(refusal)),
            }
        };
        let (owner, id) = (metadata.owner_id, metadata.video_id);
        let (_, decided) = self.change(owner, id, decide).await?;
        match decided {
            Ok(Some(requested)) => {
                let answer = Some(metadata.event_id);
                self.say_requested(metadata.clone(), answer, requested)
                    .await?;
                Ok("redo requested")
            }
            Ok(None) => Ok("answered too late"),
            // The record keeps asking for attention.
            Err(_) => Ok("nothing to skip"),
        }
    }

    /// Says of a new making that it was asked for, when other news of its video come after that:
    /// whoever allocated it may have died on the way to the bus. It is the same event, however
    /// often.
    pub(crate) async fn say_allocated(
        &self,
        news: &Metadata,
        requested: RetryRequested,
    ) -> Result<(), ManageError> {
        self.say_requested(news.clone(), None, requested).await
    }

    async fn say_requested(
        &self,
        cause: Metadata,
        caused_by: Option<EventId>,
        requested: RetryRequested,
    ) -> Result<(), ManageError> {
        // A new making begins at its first attempt and its first hop, whoever asked for it.
        let cause = Metadata {
            attempt: 1,
            hop: 0,
            ..cause
        };
        let generation = requested.generation.to_string();
        let event = Event::RetryRequested(requested);
        let mut envelope = Envelope::follow(&cause, &[&generation], event, self.clock.now());
        envelope.metadata.caused_by = caused_by;
        Ok(self.bus.publish(&[envelope]).await?)
    }
}
