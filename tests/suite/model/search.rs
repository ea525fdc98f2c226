//! Visits every state that a model can reach, breadth first, so that what it finds wrong
//! comes with a shortest way there. States are kept whole: none is taken for another.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{Debug, Display};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A world small enough to be looked at from every side.
pub trait Model {
    /// Everything that can differ.
    type State: Copy + Eq + Hash;
    /// Something that can happen.
    type Action: Copy + Debug;

    /// Where it begins.
    fn initial(&mut self) -> Self::State;

    /// Everything that can happen next and where it leads, or what is wrong with it.
    fn next(&mut self, state: &Self::State, steps: &mut Vec<Step<Self>>);

    /// What must hold where everything is quiet; `None` where something is still to come.
    fn rest(&self, state: &Self::State) -> Option<Result<(), String>>;
}

/// An action and its effect.
pub type Step<M> = (
    <M as Model>::Action,
    Result<<M as Model>::State, &'static str>,
);

/// How much was visited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visited {
    /// Different states.
    pub states: usize,
    /// Ways from one to the next.
    pub steps: usize,
    /// States where everything is quiet.
    pub rests: usize,
}

/// What is wrong, and the shortest way there.
#[derive(Debug)]
pub struct Violation {
    pub reason: String,
    pub way: Vec<String>,
}

impl Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.reason)?;
        self.way.iter().try_for_each(|step| writeln!(f, "  {step}"))
    }
}

/// A hasher for small states: those of the standard library take most of the time without
/// optimisation, and nobody chooses states to make them collide.
#[derive(Default)]
pub struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte));
            self.write_u64(word);
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }

    fn write_isize(&mut self, word: isize) {
        // Of an enum, its variant.
        self.write_u64(u64::try_from(word).unwrap_or(u64::MAX));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

type Known<S> = HashMap<S, u32, BuildHasherDefault<Mixer>>;

/// Visits everything.
///
/// # Errors
/// The first thing wrong that is found: nothing is wrong with fewer steps.
pub fn visit<M: Model>(model: &mut M) -> Result<Visited, Violation> {
    let first = model.initial();
    let mut known: Known<M::State> = HashMap::default();
    let mut order = vec![(first, None)];
    known.insert(first, 0);
    let mut visited = Visited::default();
    let mut steps = Vec::new();
    let mut place = 0;
    while place < order.len() {
        let state = order[place].0;
        let at = u32::try_from(place).unwrap();
        let resting = model.rest(&state);
        if let Some(Err(reason)) = resting {
            return Err(violation::<M>(reason, &order, place, None));
        }
        visited.rests += usize::from(resting.is_some());
        steps.clear();
        model.next(&state, &mut steps);
        if steps.is_empty() && resting.is_none() {
            let reason = "nothing can happen any more, and it is not done".to_owned();
            return Err(violation::<M>(reason, &order, place, None));
        }
        visited.steps += steps.len();
        for (action, next) in &steps {
            let next = match next {
                Ok(next) => *next,
                Err(reason) => {
                    return Err(violation::<M>(
                        (*reason).to_owned(),
                        &order,
                        place,
                        Some(*action),
                    ));
                }
            };
            if let Entry::Vacant(entry) = known.entry(next) {
                entry.insert(u32::try_from(order.len()).unwrap());
                order.push((next, Some((at, *action))));
            }
        }
        place += 1;
    }
    visited.states = order.len();
    Ok(visited)
}

type Order<M> = Vec<(<M as Model>::State, Option<(u32, <M as Model>::Action)>)>;

fn violation<M: Model>(
    reason: String,
    order: &Order<M>,
    place: usize,
    last: Option<M::Action>,
) -> Violation {
    let mut way: Vec<String> = last.iter().map(|action| format!("{action:?}")).collect();
    let mut place = place;
    while let Some((before, action)) = &order[place].1 {
        way.push(format!("{action:?}"));
        place = usize::try_from(*before).unwrap();
    }
    way.reverse();
    Violation { reason, way }
}
