//! Several owners: none sees another's, none waits for another's.

use cattube::Client;
use cattube::api::VideoState;
use cattube_contract::OwnerId;
use cattube_tests::engine::{Received, awaited};
use jiff::Timestamp;

use super::stage::{PATIENCE, Stage, await_ready, await_state, chunk_count, send};

pub fn strangers(stage: &Stage) {
    let owner = stage.client("iris");
    let id = send(&owner, &stage.clips.small, &[144]);
    await_ready(&owner, &id);
    let stranger = stage.engine.token("judy", &[]);
    let refused = [
        ("no token", None),
        (
            "a forged one",
            Some(stage.engine.token("iris", &["--forged"])),
        ),
        (
            "an old one",
            Some(stage.engine.token("iris", &["--lifetime=-60"])),
        ),
        (
            "one for others",
            Some(stage.engine.token("iris", &["--audience", "another"])),
        ),
    ];
    let routes = [
        ("GET", format!("/v1/videos/{id}")),
        ("GET", format!("/v1/videos/{id}/timeline")),
        ("GET", format!("/v1/uploads/{id}")),
        ("GET", format!("/v1/uploads/{id}/parts")),
        ("GET", format!("/v1/uploads/{id}/part-urls")),
        ("POST", format!("/v1/uploads/{id}/complete")),
        ("DELETE", format!("/v1/uploads/{id}")),
        ("DELETE", format!("/v1/videos/{id}")),
    ];
    for (method, path) in &routes {
        for (what, token) in &refused {
            let status = stage.request(method, path, token.as_deref()).status;
            assert_eq!(status, 401, "{method} {path} with {what}");
        }
        let answer = stage.request(method, path, Some(&stranger));
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.body);
        assert_eq!(answer.body["type"], "about:blank", "{method} {path}");
    }
    let list = stage.request("GET", "/v1/videos", Some(&stranger));
    assert_eq!(
        (list.status, list.body["videos"].as_array().map(Vec::len)),
        (200, Some(0))
    );
    for (method, path) in [("GET", "/v1/videos"), ("POST", "/v1/uploads")] {
        assert_eq!(
            stage.request(method, path, None).status,
            401,
            "{method} {path}"
        );
    }
    // Nothing of all this did anything.
    let video = owner.video(&id).unwrap().unwrap();
    assert_eq!(video.state, VideoState::Ready);
}

fn ready_at(client: &Client, video_id: &str) -> Timestamp {
    let timeline = client.timeline(video_id).unwrap();
    let ready = timeline.iter().find(|event| event.name == "VideoReady");
    ready.unwrap().occurred_at
}

/// A big video, and right behind it a small one of another owner. Of the queue's fairness AWS
/// makes the order: the engine's queue has none, so the big one's messages are held back here
/// as AWS would do. What is ours: that they are told apart by owner, and that neither planning
/// nor joining makes the one wait for the other.
pub fn fair(stage: &Stage) {
    let queue = "ChunksQueueUrl";
    let (big, small) = (stage.client("kim"), stage.client("lola"));
    let idle = stage.engine.paused(&["transcode"]);
    let big_id = send(&big, &stage.clips.slow, &[360, 180]);
    let small_id = send(&small, &stage.clips.small, &[144]);
    // Planned, though no chunk of the big one is made.
    for (client, id) in [(&big, &big_id), (&small, &small_id)] {
        await_state(client, id, VideoState::Planned);
    }
    let totals = [chunk_count(&big, &big_id), chunk_count(&small, &small_id)];
    let mut seen: Vec<Received> = Vec::new();
    awaited("all chunks are queued", PATIENCE, || {
        seen.extend(stage.engine.receive(queue, 600));
        let count = |id: &String| {
            seen.iter()
                .filter(|message| message.body.contains(id))
                .count()
        };
        let counts = [count(&big_id), count(&small_id)];
        (counts == totals)
            .then_some(())
            .ok_or(format!("{counts:?} of {totals:?}"))
    });
    for (id, owner) in [(&big_id, "kim"), (&small_id, "lola")] {
        let group = OwnerId::of_subject(owner).to_string();
        for message in seen.iter().filter(|message| message.body.contains(id)) {
            assert_eq!(message.group.as_ref(), Some(&group));
        }
    }
    let (held, free): (Vec<_>, Vec<_>) = seen
        .iter()
        .partition(|message| message.body.contains(&big_id));
    stage.engine.release(queue, free);
    drop(idle);
    await_ready(&small, &small_id);
    let waiting = big.video(&big_id).unwrap().unwrap();
    assert_eq!(waiting.state, VideoState::Planned);
    stage.engine.release(queue, held);
    await_ready(&big, &big_id);
    assert!(ready_at(&small, &small_id) < ready_at(&big, &big_id));
}
