//! People: what they are told, and how they answer.

use std::collections::BTreeMap;

use cattube::Client;
use cattube::api::TimelineEvent;
use cattube_tests::engine::awaited;

use super::stage::{PATIENCE, Stage};

/// What a person reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// All of it.
    pub text: String,
    /// A link an answer: `retry`, `give-up`, `skip-158p`.
    pub links: BTreeMap<String, String>,
}

/// Every notice up to now that speaks of something.
pub fn notices(stage: &Stage, of: &str) -> Vec<Notice> {
    let text = |said: &serde_json::Value| said["Message"].as_str().unwrap_or_default().to_owned();
    let said = stage
        .engine
        .heard(&stage.people, |said| text(said).contains(of));
    let notice = |text: String| Notice {
        links: text.lines().filter_map(link).collect(),
        text,
    };
    said.iter().map(|said| notice(text(said))).collect()
}

/// The answer that a line of a notice gives, if it is a link.
fn link(line: &str) -> Option<(String, String)> {
    let (_, rest) = line.split_once("answer=")?;
    let word = rest.split('&').next()?;
    line.starts_with("http")
        .then(|| (word.to_owned(), line.trim().to_owned()))
}

/// The one notice about something.
pub fn await_notice(stage: &Stage, of: &str) -> Notice {
    let mut found = awaited(format!("a notice of {of}"), PATIENCE, || {
        let found = notices(stage, of);
        (!found.is_empty())
            .then_some(found)
            .ok_or_else(|| "none".to_owned())
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Opens a link as a browser does: its status and its page.
pub fn open(link: &str) -> (u16, String) {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = config.build().new_agent();
    let mut answer = agent.get(link).call().unwrap();
    let page = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), page)
}

/// Sends the form of a link's page.
pub fn press(link: &str) -> u16 {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = config.build().new_agent();
    agent.post(link).send_empty().unwrap().status().as_u16()
}

/// The events of a name in a video's timeline, in order of time, if there are so many.
pub fn await_count(
    client: &Client,
    video_id: &str,
    name: &str,
    count: usize,
) -> Vec<TimelineEvent> {
    awaited(format!("{count} {name} of {video_id}"), PATIENCE, || {
        let timeline = client
            .timeline(video_id)
            .map_err(|error| error.to_string())?;
        let names: Vec<_> = timeline.iter().map(|event| event.name.clone()).collect();
        let mut found: Vec<_> = timeline
            .into_iter()
            .filter(|event| event.name == name)
            .collect();
        found.sort_by_key(|event| event.occurred_at);
        (found.len() >= count)
            .then_some(found)
            .ok_or(format!("{names:?}"))
    })
}
