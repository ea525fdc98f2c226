//! Deletion removes every object, whatever is on its way.

use cattube::{Client, Error};
use cattube_tests::engine::awaited;

use super::stage::{PATIENCE, Stage, await_ready, await_title, send};

/// Deletes, as soon as the catalogue has heard of the video.
fn delete(client: &Client, video_id: &str) {
    awaited(format!("{video_id} is known"), PATIENCE, || {
        match client.delete_video(video_id) {
            Err(Error::Problem {
                status: 404, title, ..
            }) => Err(title),
            answer => {
                answer.unwrap();
                Ok(())
            }
        }
    });
    assert_eq!(client.video(video_id).unwrap(), None);
}

pub fn ready(stage: &Stage) {
    let subject = stage.engine.fact("/subject");
    let (client, drops) = (stage.client("mia"), stage.drop_client());
    stage.drop_small("doomed.mp4");
    let uploaded = send(&client, &stage.clips.small, &[144]);
    let dropped = await_title(&drops, "doomed.mp4");
    for (client, owner, id) in [(&client, "mia", &uploaded), (&drops, subject, &dropped)] {
        await_ready(client, id);
        assert!(stage.objects_of(owner, id).len() > 10);
        delete(client, id);
    }
    for (owner, id) in [("mia", &uploaded), (subject, &dropped)] {
        stage.await_gone(owner, id);
    }
    assert!(
        stage
            .engine
            .objects("MastersBucket", "drop/doomed.mp4")
            .is_empty()
    );
    assert_eq!(client.videos(10).unwrap(), []);
    assert!(
        drops
            .videos(1000)
            .unwrap()
            .iter()
            .all(|video| video.video_id != dropped)
    );
}

pub fn in_work(stage: &Stage) {
    let client = stage.client("nora");
    let id = send(&client, &stage.clips.slow, &[720, 360]);
    // Some chunks are made, others are in work or wait.
    awaited("a chunk is in work", PATIENCE, || {
        let objects = stage.objects_of("nora", &id);
        let begun = objects.iter().any(|key| key.ends_with("/slices"));
        let depth = stage.engine.depth("ChunksQueueUrl");
        (begun && depth > 1)
            .then_some(())
            .ok_or(format!("{depth} messages, {objects:?}"))
    });
    delete(&client, &id);
    // Until the last chunk has said that it is done, or that there is nothing to do.
    stage.engine.await_quiet(PATIENCE);
    stage.await_gone("nora", &id);
    assert_eq!(client.video(&id).unwrap(), None);
    assert_eq!(client.videos(10).unwrap(), []);
}
