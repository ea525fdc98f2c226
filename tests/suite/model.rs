//! An exhaustive model of the join: up to three handlers of `assemble` at once, every order of
//! their steps and of their messages, doubles, lost events, crashes, makings that follow each
//! other, deletion, and the giving up of a making. What is decided is decided by the real
//! [`cattube_core::join::Join`]; only the shell around it is the model's own (`world.rs`), step
//! for step as in `functions/assemble`. Left out: chunks that do not fit each other, and what is
//! said of a making that is playable.

#![allow(clippy::print_stdout, reason = "its figures are what it is run for")]

mod joins;
mod race;
mod search;
mod world;

use cattube_contract::plan::{ChunkId, Track};
use cattube_core::join::ChunkCounts;
use joins::Said;
use search::{Violation, Visited, visit};
use world::World;

/// Something wrong, planted to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The state is saved whatever its version is.
    SaveWithoutCondition,
    /// Chunks are counted, so that one that comes twice counts twice.
    Counter,
    /// A handler that has written a head, and finds the state as it would leave it, does not
    /// save, and so does not learn that it was overtaken.
    SavesOnlyChanges,
    /// The handler that finishes the film does not look at its playlists once it has saved.
    FinishesWithoutLooking,
    /// Nobody looks at the playlists of an older making that people still watch.
    ForgetsTheStanding,
    /// What was said before is not said again to a message that comes again.
    SaysOnlyOnce,
    /// The attempt of the message that happened to come last is in the event's id.
    AttemptInId,
}

/// How large a model is.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Chunks of pictures and of sound of the first making.
    chunks: (u32, u32),
    /// Those of a second making, if there is one.
    second: Option<(u32, u32)>,
    /// The making that is given up.
    given_up: Option<u32>,
    deleted: bool,
    handlers: usize,
    /// How many messages are delivered twice at most.
    doubles: u8,
    /// How many handlers die at most.
    crashes: u8,
    /// How many events of chunks are lost at most.
    losses: u8,
    bug: Option<Bug>,
}

const SMALL: Bounds = Bounds {
    chunks: (2, 1),
    second: None,
    given_up: None,
    deleted: false,
    handlers: 2,
    doubles: 1,
    crashes: 1,
    losses: 0,
    bug: None,
};

impl Bounds {
    /// Everything that is said in this model.
    fn said(&self) -> Vec<Said> {
        let mut said = Vec::new();
        let makings = [Some(self.chunks), self.second];
        for (generation, making) in (1..).zip(makings) {
            let Some((video, audio)) = making else {
                continue;
            };
            said.push(Said::Planned(generation, ChunkCounts { video, audio }));
            for (track, count) in [(Track::Video, video), (Track::Audio, audio)] {
                let ids = (0..count).map(|index| ChunkId { track, index });
                said.extend(ids.map(|chunk| Said::Done(generation, chunk)));
            }
        }
        said.extend(self.given_up.map(Said::Abandoned));
        said.extend(self.deleted.then_some(Said::Deleted));
        said
    }

    fn visit(self) -> Result<Visited, Violation> {
        visit(&mut World::new(self))
    }
}

/// Visits models one by one and says how large they are.
fn visit_all(name: &str, models: impl IntoIterator<Item = Bounds>) {
    let mut states = 0;
    for bounds in models {
        let visited = bounds
            .visit()
            .unwrap_or_else(|violation| panic!("{name}: {bounds:?}: {violation}"));
        let (video, audio) = bounds.chunks;
        println!(
            "model: {name}: {video} + {audio} chunks: {} states, {} steps, {} of them quiet",
            visited.states, visited.steps, visited.rests
        );
        assert!(visited.rests > 0);
        states += visited.states;
    }
    println!("model: {name}: {states} states in all");
}

#[test]
fn one_to_seven_chunks_by_two_handlers() {
    let pictures = (1..=4).map(|count| (count, 0));
    let both = (1..=3).map(|count| (count, 1));
    let models = pictures
        .chain(both)
        .map(|chunks| Bounds { chunks, ..SMALL });
    visit_all("a making", models);
    // Of many chunks either one comes twice or one handler dies.
    let many = [(5, 0), (6, 0), (7, 0), (6, 1)];
    let troubles = [(1, 0), (0, 1)];
    let models = many.into_iter().flat_map(|chunks| {
        troubles.map(|(doubles, crashes)| Bounds {
            chunks,
            doubles,
            crashes,
            ..SMALL
        })
    });
    visit_all("a making of many chunks", models);
}

#[test]
fn three_handlers() {
    let chunks = [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1)];
    let models = chunks.map(|chunks| Bounds {
        chunks,
        handlers: 3,
        ..SMALL
    });
    visit_all("three handlers", models);
}

#[test]
fn more_doubles_and_crashes() {
    let chunks = [(1, 0), (2, 0), (1, 1), (2, 1)];
    let models = chunks.map(|chunks| Bounds {
        chunks,
        doubles: 3,
        crashes: 2,
        ..SMALL
    });
    visit_all("doubles and crashes", models);
}

#[test]
fn lost_events() {
    let chunks = [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1)];
    let models = chunks.map(|chunks| Bounds {
        chunks,
        losses: 2,
        ..SMALL
    });
    visit_all("lost events", models);
}

#[test]
fn deletion_at_any_time() {
    let chunks = [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1)];
    let models = chunks.map(|chunks| Bounds {
        chunks,
        deleted: true,
        ..SMALL
    });
    visit_all("deletion", models);
}

#[test]
fn a_newer_making_at_any_time() {
    let makings = [((1, 0), (1, 0)), ((2, 0), (2, 0)), ((2, 1), (1, 1))];
    let models = makings.map(|(chunks, second)| Bounds {
        chunks,
        second: Some(second),
        ..SMALL
    });
    visit_all("a newer making", models);
}

#[test]
fn a_making_given_up_at_any_time() {
    let chunks = [(1, 0), (2, 0), (2, 1), (3, 0)];
    let models = chunks.map(|chunks| Bounds {
        chunks,
        given_up: Some(1),
        ..SMALL
    });
    visit_all("given up", models);
    visit_all(
        "a second making given up",
        [(1, 0), (2, 0)].map(|chunks| Bounds {
            chunks,
            second: Some((1, 0)),
            given_up: Some(2),
            ..SMALL
        }),
    );
}

/// A model with a bug in it; what is found wrong.
fn found(bounds: Bounds, bug: Bug) -> String {
    let bounds = Bounds {
        bug: Some(bug),
        ..bounds
    };
    let violation = bounds.visit().expect_err("the bug is found");
    println!("model: {bug:?}: {violation}");
    assert!(!violation.way.is_empty());
    violation.reason
}

#[test]
fn planted_bugs_are_found() {
    assert_eq!(
        found(SMALL, Bug::SaveWithoutCondition),
        "a chunk that was done is not any more: an update was lost"
    );
    assert!(found(SMALL, Bug::Counter).contains("not made"));
    let overwritten = "an older head stands in the place of the whole";
    let silent = Bounds {
        chunks: (2, 0),
        ..SMALL
    };
    assert_eq!(found(silent, Bug::SavesOnlyChanges), overwritten);
    assert_eq!(found(silent, Bug::FinishesWithoutLooking), overwritten);
    let redone = Bounds {
        second: Some((1, 0)),
        ..silent
    };
    assert_eq!(found(redone, Bug::ForgetsTheStanding), overwritten);
    assert_eq!(
        found(SMALL, Bug::SaysOnlyOnce),
        "ready, and never said to be"
    );
    assert_eq!(
        found(SMALL, Bug::AttemptInId),
        "said to be ready under two ids"
    );
}
