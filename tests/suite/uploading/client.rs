//! A client of the upload API in the same process. What fails by no fault of its own it asks
//! for again, as clients do.

use std::collections::BTreeMap;

use cattube_contract::key::MasterKey;
use cattube_contract::{OwnerId, VideoId};
use cattube_ports::MultipartUploads;
use cattube_ports::fakes::FaultPlan;
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::outcome::ApiHandler;
use cattube_tests::world::World;
use serde_json::{Value, json};

pub const OWNER: &str = "ada";

/// A file's bytes.
pub fn bytes(count: usize) -> Vec<u8> {
    (0..count)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

pub struct Client {
    pub subject: &'static str,
    pub video: VideoId,
    file: Vec<u8>,
    part_bytes: usize,
}

fn fields<const N: usize>(fields: [(&str, String); N]) -> BTreeMap<String, String> {
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Asks until an answer comes: after a crash, the next process is a new one.
async fn ask(world: &World, faults: &FaultPlan, request: ApiRequest) -> ApiResponse {
    for _ in 0..3 {
        match world.upload.answer(request.clone()).await {
            Ok(answer) => return answer,
            Err(_) => faults.heal(),
        }
    }
    panic!("{} was not answered after a crash", request.route);
}

impl Client {
    /// Asks for an upload of `file`. Its parts are smaller than the store would take.
    pub async fn create(world: &World, faults: &FaultPlan, file: &[u8], part_bytes: usize) -> Self {
        let wish = json!({"title": "film", "size_bytes": file.len(), "content_type": "video/mp4"});
        let request = ApiRequest {
            route: "POST /v1/uploads".to_owned(),
            headers: fields([("idempotency-key", "a key".to_owned())]),
            subject: Some(OWNER.to_owned()),
            body: wish.to_string().into_bytes(),
            ..ApiRequest::default()
        };
        let answer = ask(world, faults, request).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let client = Self {
            subject: OWNER,
            video: answer.body["video_id"].as_str().unwrap().parse().unwrap(),
            file: file.to_vec(),
            part_bytes,
        };
        client.cut(world, faults).await;
        client
    }

    fn owner() -> OwnerId {
        OwnerId::of_subject(OWNER)
    }

    pub fn key(&self) -> String {
        let key = MasterKey::Uploaded {
            owner_id: Self::owner(),
            video_id: self.video,
        };
        key.to_string()
    }

    /// Has the upload in smaller parts than are granted.
    async fn cut(&self, world: &World, faults: &FaultPlan) {
        let (partition, sort) = (Self::owner().to_string(), format!("upload#{}", self.video));
        let table = &world.upload.table;
        for _ in 0..3 {
            let Ok(Some(mut item)) = table.load(&partition, &sort).await else {
                faults.heal();
                continue;
            };
            if item.body["part_size_bytes"] == self.part_bytes {
                return;
            }
            item.body["part_size_bytes"] = json!(self.part_bytes);
            let expected = Some(item.version);
            match table.save(&partition, &sort, expected, &item.body).await {
                Ok(()) => return,
                Err(_) => faults.heal(),
            }
        }
        panic!("the upload was not cut");
    }

    /// The upload as `upload` remembers it.
    pub async fn stored(&self, world: &World) -> Value {
        let (partition, sort) = (Self::owner().to_string(), format!("upload#{}", self.video));
        let item = world.upload.table.load(&partition, &sort).await.unwrap();
        item.unwrap().body
    }

    /// The store gives its parts up, as a bucket's lifecycle does after days.
    pub async fn drop_parts(&self, world: &World) {
        let stored = self.stored(world).await;
        let store_upload = stored["store_upload"].as_str().unwrap();
        let aborted = world.masters.abort(&self.key(), store_upload).await;
        aborted.unwrap();
    }

    fn request(&self, route: &str) -> ApiRequest {
        ApiRequest {
            route: route.to_owned(),
            path: fields([("id", self.video.to_string())]),
            subject: Some(self.subject.to_owned()),
            ..ApiRequest::default()
        }
    }

    pub async fn show(&self, world: &World, faults: &FaultPlan) -> Value {
        let answer = ask(world, faults, self.request("GET /v1/uploads/{id}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    async fn urls(
        &self,
        world: &World,
        faults: &FaultPlan,
        query: BTreeMap<String, String>,
    ) -> Vec<(u32, String)> {
        let request = ApiRequest {
            query,
            ..self.request("GET /v1/uploads/{id}/part-urls")
        };
        let answer = ask(world, faults, request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let parts = answer.body["parts"].as_array().unwrap().iter();
        parts
            .map(|part| {
                let number = u32::try_from(part["number"].as_u64().unwrap()).unwrap();
                (number, part["url"].as_str().unwrap().to_owned())
            })
            .collect()
    }

    /// The parts that URLs are given for if only missing ones are asked for.
    pub async fn missing(&self, world: &World, faults: &FaultPlan) -> Vec<u32> {
        let urls = self.urls(world, faults, fields([("missing", "true".to_owned())]));
        urls.await.into_iter().map(|(number, _)| number).collect()
    }

    pub async fn put(&self, world: &World, faults: &FaultPlan, number: u32, bytes: Vec<u8>) {
        let query = fields([("first", number.to_string()), ("count", "1".to_owned())]);
        let urls = self.urls(world, faults, query).await;
        assert_eq!(urls[0].0, number);
        world.masters.put_part(&urls[0].1, bytes).unwrap();
    }

    pub async fn send(&self, world: &World, faults: &FaultPlan, numbers: &[u32]) {
        for number in numbers {
            let place = usize::try_from(*number).unwrap() - 1;
            let part = self.file.chunks(self.part_bytes).nth(place).unwrap();
            self.put(world, faults, *number, part.to_vec()).await;
        }
    }

    /// What a completion states of the parts that are there now.
    pub async fn tags(&self, world: &World, faults: &FaultPlan) -> Value {
        let answer = ask(world, faults, self.request("GET /v1/uploads/{id}/parts")).await;
        let parts = answer.body["parts"].as_array().unwrap().iter();
        let parts: Vec<_> = parts
            .map(|part| json!({"number": part["number"], "md5": part["etag"]}))
            .collect();
        json!({ "parts": parts })
    }

    pub async fn try_complete(&self, world: &World, stated: &Value) -> ApiResponse {
        let request = ApiRequest {
            body: stated.to_string().into_bytes(),
            ..self.request("POST /v1/uploads/{id}/complete")
        };
        world.upload.answer(request).await.unwrap()
    }

    pub async fn complete(&self, world: &World, faults: &FaultPlan) {
        let request = self.request("POST /v1/uploads/{id}/complete");
        let answer = ask(world, faults, request).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    pub async fn report(&self, world: &World, number: u32, body: Value) -> ApiResponse {
        let mut request = self.request("POST /v1/uploads/{id}/parts/{number}/failed");
        request.path.insert("number".to_owned(), number.to_string());
        request.body = body.to_string().into_bytes();
        world.upload.answer(request).await.unwrap()
    }

    pub async fn cancel(&self, world: &World) -> ApiResponse {
        let request = self.request("DELETE /v1/uploads/{id}");
        world.upload.answer(request).await.unwrap()
    }
}
