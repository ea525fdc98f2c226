//! A world with one film of two sizes and three chunks, and eyes for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use cattube_contract::envelope::SCHEMA;
use cattube_contract::event::{Answer, HumanAnswered};
use cattube_contract::key::VideoKeys;
use cattube_contract::plan::Quality;
use cattube_contract::{Envelope, Event, EventId, Metadata, OwnerId, TicketId, VideoId};
use cattube_ports::fakes::FaultPlan;
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::outcome::ApiHandler;
use cattube_tests::masters::make;
use cattube_tests::rules::bus_body;
use cattube_tests::world::{DROP_OWNER, Message, PURGE_DELAY, World};
use serde_json::Value;

use super::encoder::Watched;

/// A master of three chunks with sound, made once.
pub fn master() -> Vec<u8> {
    static MASTER: OnceLock<Vec<u8>> = OnceLock::new();
    MASTER
        .get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            let step = "-f lavfi -i testsrc2=s=320x240:r=10 -f lavfi -i sine -t 12 -c:v libx264 -preset ultrafast -g 20 -c:a aac m.mp4";
            std::fs::read(make(dir.path(), &[step])).unwrap()
        })
        .clone()
}

/// Where the film is dropped.
pub const DROPPED: &str = "drop/film.mp4";

/// The sizes that are asked for, by their names.
pub const SIZES: [&str; 2] = ["240p", "144p"];

/// Files of renditions that a whole making takes: of every size a chunk of pictures, and one
/// of the sound.
pub const WHOLE: [usize; 4] = [1, 2, 2, 2];

/// The world and its encoder; the film is dropped, and nothing has happened to it yet.
pub fn world(faults: &FaultPlan) -> (World, Watched) {
    let encoder = Watched::default();
    let world = World::new(Arc::new(encoder.clone()), Quality::Crf(30), faults);
    let notes = [("cattube-sizes", "240,144")];
    world.masters.put_master(DROPPED, master(), &notes);
    (world, encoder)
}

/// The same, with the film ready.
pub async fn ready(faults: &FaultPlan) -> (World, Watched) {
    let (mut world, encoder) = world(faults);
    world.pump().await;
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    assert_eq!(state(&world).await, "ready");
    assert_eq!(sorted(encoder.take_runs()), WHOLE);
    (world, encoder)
}

pub fn sorted(mut runs: Vec<usize>) -> Vec<usize> {
    runs.sort_unstable();
    runs
}

pub fn owner() -> OwnerId {
    OwnerId::of_subject(DROP_OWNER)
}

pub fn video(world: &World) -> VideoId {
    world.history.first().unwrap().metadata.video_id
}

pub fn keys(world: &World, generation: u32) -> VideoKeys {
    VideoKeys {
        owner_id: owner(),
        video_id: video(world),
        generation,
    }
}

/// What the API says of the video.
pub async fn view(world: &World) -> Value {
    let route = "GET /v1/videos/{id}";
    let answer = world.ask(DROP_OWNER, route, Some(video(world))).await;
    answer.unwrap().body
}

pub async fn state(world: &World) -> String {
    let view = view(world).await;
    view["state"].as_str().unwrap_or("not found").to_owned()
}

/// Asks for a new making.
pub async fn ask_redo(world: &World, body: &str) -> Result<ApiResponse, String> {
    let path = ("id".to_owned(), video(world).to_string());
    let request = ApiRequest {
        route: "POST /v1/videos/{id}/retry".to_owned(),
        path: BTreeMap::from([path]),
        subject: Some(DROP_OWNER.to_owned()),
        body: body.as_bytes().to_vec(),
        ..ApiRequest::default()
    };
    let answer = world.manage.answer(request).await;
    answer.map_err(|error| error.to_string())
}

/// Asks for a new making, and gets this generation.
pub async fn redo(world: &World, body: &str, generation: u32) {
    let answer = ask_redo(world, body).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.body["generation"], generation);
}

pub async fn delete(world: &World) {
    let route = "DELETE /v1/videos/{id}";
    let answer = world.ask(DROP_OWNER, route, Some(video(world))).await;
    assert_eq!(answer.unwrap().status, 202);
}

/// A person's answer to a ticket about a making, as the rules bring it.
pub fn answer(world: &World, generation: u32, answer: Answer) -> Vec<Message> {
    let metadata = Metadata {
        event_id: EventId::derive("test answer", &[&format!("{answer:?}")]),
        video_id: video(world),
        owner_id: owner(),
        caused_by: None,
        attempt: 5,
        hop: 9,
        schema: SCHEMA,
        occurred_at: cattube_ports::Clock::now(&world.clock),
    };
    let event = Event::HumanAnswered(HumanAnswered {
        ticket_id: TicketId::derive("test", 1),
        generation,
        answer,
        work: None,
    });
    let body = bus_body(&Envelope { metadata, event });
    vec![Message::Catalogue(body.clone()), Message::Retry(body)]
}

/// The events of a name, each fact once.
pub fn facts<'a>(world: &'a World, name: &str) -> Vec<&'a Event> {
    let mut seen = BTreeSet::new();
    let all = world.history.iter();
    let all = all.filter(|envelope| envelope.event.name() == name);
    all.filter(|envelope| seen.insert(envelope.metadata.event_id))
        .map(|envelope| &envelope.event)
        .collect()
}

/// The keys of both buckets that begin so.
pub fn keys_of(world: &World, prefix: &str) -> Vec<String> {
    let keys = world.media.keys().into_iter().chain(world.masters.keys());
    keys.filter(|key| key.contains(prefix)).collect()
}

/// Whether a file's name ends so.
pub fn has_ending(name: &str, ending: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| end == ending)
}

/// Everything there is of a generation, in both buckets.
pub fn of_generation(world: &World, generation: u32) -> Vec<String> {
    keys_of(world, &format!("/g{generation}/"))
}

/// The sizes of the playlist that players are sent to: each of its files is there, and it
/// is whole.
pub async fn playing(world: &World) -> Vec<String> {
    let view = view(world).await;
    let url = view["playback"]["hls"].as_str().expect("it plays");
    let master = url.strip_prefix("https://media.test/").unwrap();
    let folder = master.strip_suffix("/master.m3u8").unwrap();
    let text = |key: &str| {
        let bytes = world
            .media
            .bytes_of(key)
            .unwrap_or_else(|| panic!("{key} is named and not there"));
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let master = text(master);
    let mut sizes = Vec::new();
    for line in master.lines().filter(|line| line.contains("playlist.m3u8")) {
        let name = match line.split_once("URI=\"") {
            Some((_, rest)) => rest.split('/').next().unwrap(),
            None => line.split('/').next().unwrap(),
        };
        sizes.push(name.to_owned());
        let playlist = text(&format!("{folder}/{name}/playlist.m3u8"));
        assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{name}: {playlist}");
        let segments = playlist.lines().filter(|line| has_ending(line, "m4s"));
        let mut count = 0;
        for segment in segments {
            let key = format!("{folder}/{name}/{segment}");
            assert!(world.media.bytes_of(&key).is_some(), "{key}");
            count += 1;
        }
        assert!(count >= 2, "{name}: {count} segments");
        assert!(
            world
                .media
                .bytes_of(&format!("{folder}/{name}/init.mp4"))
                .is_some()
        );
    }
    for part in ["dash", "poster", "storyboard"] {
        let url = view["playback"][part].as_str().unwrap();
        let key = url.strip_prefix("https://media.test/").unwrap();
        assert!(world.media.bytes_of(key).is_some(), "{key}");
    }
    sizes
}

/// The day after: what is to be removed later is removed now.
pub async fn the_day_after(world: &mut World) {
    world.elapse(PURGE_DELAY);
    world.pump().await;
}

/// Nothing of the video is left, in either bucket.
pub fn assert_gone(world: &World, context: &str) {
    assert_eq!(world.media.keys(), [""; 0], "{context}");
    assert_eq!(world.masters.keys(), [""; 0], "{context}");
}
