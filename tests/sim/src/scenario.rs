//! What happens in a run, told by its seed.

use crate::actors::{self, Manner};
use crate::faults::{DAY, Faults, HOUR, MINUTE, SECOND};
use crate::kernel::Ms;
use crate::people::Temper;
use crate::rng::Rng;
use crate::state::{Breakage, Broken, QueueName};
use crate::wiring::DROP_OWNER;
use crate::world::World;

/// One upload.
#[derive(Debug, Clone)]
pub struct Upload {
    pub film: usize,
    /// How a client behaves; none for a file that is dropped.
    pub manner: Option<Manner>,
    pub delete_after: Option<Ms>,
    pub pry_after: Option<Ms>,
    pub redo: Option<(Ms, Redoing)>,
}

/// What is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redoing {
    All,
    Size(&'static str),
    Chunk(&'static str),
}

/// A message that is none of ours.
#[derive(Debug, Clone)]
pub struct Poison {
    pub at: Ms,
    pub to: QueueName,
    pub body: String,
}

/// A whole run.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub uploads: Vec<Upload>,
    pub broken: Option<Broken>,
    pub temper: Temper,
    pub poison: Option<Poison>,
    /// Whether every message is handled once more in the end.
    pub again: bool,
    pub faults: Faults,
}

impl Scenario {
    /// One file that is dropped, and nothing goes wrong.
    #[must_use]
    pub fn plain(film: usize) -> Self {
        let upload = Upload {
            film,
            manner: None,
            delete_after: None,
            pry_after: None,
            redo: None,
        };
        Self {
            uploads: vec![upload],
            broken: None,
            temper: Temper::Patient,
            poison: None,
            again: false,
            faults: Faults::none(),
        }
    }

    /// The run of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let rng = &mut rng;
        let count = if rng.below(100) < 10 { 2 } else { 1 };
        let uploads: Vec<Upload> = (0..count).map(|_| upload(rng)).collect();
        let broken = (rng.below(100) < 12).then(|| Broken {
            start: if rng.below(2) == 0 { 0 } else { 4_000 },
            is_sound: rng.below(4) == 0,
            until: rng.pick(&[10 * MINUTE, HOUR, 6 * HOUR]),
            how: rng.pick(&[
                Breakage::Transient,
                Breakage::Exit,
                Breakage::Death,
                Breakage::NoFile,
            ]),
        });
        Self {
            uploads,
            broken,
            temper: match rng.below(100) {
                0..65 => Temper::Patient,
                65..80 => Temper::Skips,
                80..92 => Temper::GivesUp,
                _ => Temper::Silent,
            },
            poison: (rng.below(100) < 3).then(|| poison(rng)),
            again: rng.below(100) < 4,
            faults: Faults::draw(rng),
        }
    }

    /// Begins the run.
    pub fn start(&self, world: &mut World) {
        {
            let mut state = world.kernel.lock();
            state.broken.clone_from(&self.broken);
            state.temper = self.temper;
            if self.again {
                state.log = Some(std::collections::BTreeSet::new());
            }
        }
        for (upload, number) in self.uploads.iter().zip(0..) {
            let kernel = world.kernel.clone();
            if upload.manner.is_some() {
                world.act(actors::client(kernel, "client", upload.clone(), number));
                continue;
            }
            let key = format!("drop/film-{number}.mp4");
            let video = actors::drop_film(&kernel, DROP_OWNER, upload.film, &key);
            world.follow(upload, DROP_OWNER, video);
        }
        if let Some(poison) = self.poison.clone() {
            world.act(actors::poisoner(world.kernel.clone(), poison));
        }
    }
}

fn poison(rng: &mut Rng) -> Poison {
    let bodies = [
        "",
        "{",
        "\u{0}\u{1}\u{ffff}",
        "[1,2,3]",
        r#"{"detail-type":"VideoReady","detail":{"metadata":{},"data":7}}"#,
        r#"{"command":"PlanVideo","metadata":{"video_id":"vid_x"},"data":{}}"#,
        r#"{"detail-type":"VideoEaten","detail":{"metadata":{"attempt":-1},"data":null}}"#,
        r#"{"source":"aws.s3","detail-type":"Object Created","time":"never","detail":{}}"#,
    ];
    Poison {
        at: rng.between(0, HOUR),
        to: rng.pick(&[
            QueueName::Uploads,
            QueueName::Ingest,
            QueueName::Jobs,
            QueueName::Chunks,
            QueueName::Assemble,
            QueueName::Manage,
            QueueName::Retry,
            QueueName::Deadlines,
            QueueName::Notify,
        ]),
        body: format!("{}{}", rng.pick(&bodies), " ".repeat(rng.below(3) as usize)),
    }
}

fn upload(rng: &mut Rng) -> Upload {
    let film = match rng.below(100) {
        0..50 => 0,
        50..75 => 1,
        75..83 => 2,
        83..90 => 3,
        90..93 => 4,
        93..95 => 5,
        _ => 6,
    };
    let manner = (rng.below(100) < 35).then(|| match rng.below(100) {
        0..50 => Manner::Steady,
        50..75 => Manner::BreaksOff {
            parts: rng.below(3) as u32,
            back_after: (rng.below(2) == 0).then(|| rng.pick(&[MINUTE, HOUR, 6 * HOUR, 3 * DAY])),
        },
        75..85 => Manner::Cancels {
            parts: rng.below(3) as u32,
        },
        _ => Manner::Short,
    });
    let delete_after = (rng.below(100) < 15).then(|| {
        let longest = rng.pick(&[10 * SECOND, 2 * MINUTE, HOUR, DAY]);
        rng.between(0, longest)
    });
    let pry_after = (rng.below(100) < 10).then(|| rng.between(0, HOUR));
    let redo = (rng.below(100) < 12).then(|| {
        let longest = rng.pick(&[MINUTE, HOUR, 2 * DAY]);
        let after = rng.between(0, longest);
        let sizes = crate::film::films()[film].sizes;
        let what = match rng.below(4) {
            0 if !sizes.is_empty() => Redoing::Size(rng.pick(sizes)),
            1 => Redoing::Chunk(rng.pick(&["v00000", "v00001", "a00000"])),
            _ => Redoing::All,
        };
        (after, what)
    });
    Upload {
        film,
        manner,
        delete_after,
        pry_after,
        redo,
    }
}
