//! A video is made anew, in part; players have the old until the new is ready, and the old
//! goes by its deadline.

use cattube_tests::engine::awaited;
use serde_json::{Value, json};
use ureq::Agent;

use super::play::check;
use super::stage::{PATIENCE, Stage, await_ready, send};

const OWNER: &str = "ophelia";

/// Asks for a new making; its status and body.
fn ask(stage: &Stage, video_id: &str, body: &Value) -> (u16, Value) {
    let config = Agent::config_builder().http_status_as_error(false);
    let agent = config.timeout_global(Some(PATIENCE)).build().new_agent();
    let api = stage.engine.fact("/api_url");
    let token = stage.engine.token(OWNER, &[]);
    let answer = agent
        .post(format!("{api}/v1/videos/{video_id}/retry"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .send(body.to_string());
    let mut answer = answer.unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (
        answer.status().as_u16(),
        serde_json::from_str(&text).unwrap(),
    )
}

/// What the API says of the video, word for word.
fn view(stage: &Stage, video_id: &str) -> Value {
    let token = stage.engine.token(OWNER, &[]);
    let path = format!("/v1/videos/{video_id}");
    stage.request("GET", &path, Some(&token)).body
}

fn of_generation(stage: &Stage, video_id: &str, generation: u32) -> Vec<String> {
    let part = format!("/g{generation}/");
    let keys = stage.objects_of(OWNER, video_id).into_iter();
    keys.filter(|key| key.contains(&part)).collect()
}

pub fn size(stage: &Stage) {
    let client = stage.client(OWNER);
    let id = send(&client, &stage.clips.small, &[180, 144]);
    let sizes = ["320x180", "256x144"];
    check(&await_ready(&client, &id), &stage.clips.small, &sizes);
    let (status, refusal) = ask(stage, &id, &json!({ "size": "720p" }));
    assert_eq!(status, 422, "{refusal}");
    let (status, begun) = ask(stage, &id, &json!({ "size": "144p" }));
    assert_eq!(
        (status, begun["generation"].as_u64()),
        (202, Some(2)),
        "{begun}"
    );
    awaited(format!("{id} is made anew"), PATIENCE, || {
        let view = view(stage, &id);
        assert_eq!(view["state"], "ready", "{view}");
        assert_eq!(view["needs_attention"], Value::Null, "{view}");
        // What players are sent to is there all the time.
        let url = view["playback"]["hls"].as_str().unwrap().to_owned();
        assert!(ureq::get(&url).call().is_ok(), "{url}");
        let served = view["generation_served"].as_u64();
        (served == Some(2)).then_some(()).ok_or(view.to_string())
    });
    let video = client.video(&id).unwrap().unwrap();
    check(&video, &stage.clips.small, &sizes);
    awaited(format!("the old making of {id} goes"), PATIENCE, || {
        let old = of_generation(stage, &id, 1);
        old.is_empty().then_some(()).ok_or(format!("{old:?}"))
    });
    check(&video, &stage.clips.small, &sizes);
    assert!(of_generation(stage, &id, 2).len() > 10);
}
