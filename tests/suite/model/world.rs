//! The world of the model: handlers of `assemble` side by side, each taking its steps one by
//! one as the function does, over a table with a version condition, playlists in a bucket, and
//! a queue that delivers at least once and in any order.

use std::collections::BTreeSet;

use cattube_contract::EventId;
use cattube_contract::plan::Track;
use cattube_core::join::{JoinPhase, JoinStep};

use super::joins::{JoinId, Joins, Said};
use super::search::{Model, Step};
use super::{Bounds, Bug};

/// Handlers at once, at most.
const HANDLERS: usize = 3;

/// Stands for no message.
const NONE: u8 = u8::MAX;

/// What a playlist holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Text {
    Absent,
    /// The first chunks of pictures.
    Head(u8),
    Final,
}

/// What a handler does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Next {
    Idle,
    Remove,
    PutMedia,
    PutMaster,
    Save,
    LookAtFinals,
    RestoreMedia,
    RestoreMaster,
    LookAtStanding,
    RestoreStandingMedia,
    RestoreStandingMaster,
    Publish,
}

/// An invocation that handles one message.
#[allow(
    clippy::struct_excessive_bools,
    reason = "what a process remembers, bit by bit"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Handler {
    next: Next,
    message: u8,
    /// It wrote playlists in a try before this one.
    wrote: bool,
    overtaken: bool,
    /// The version that it loaded stands no more.
    stale: bool,
    again: bool,
    before: JoinId,
    after: JoinId,
    put: (usize, Text),
}

const IDLE: Handler = Handler {
    next: Next::Idle,
    message: NONE,
    wrote: false,
    overtaken: false,
    stale: false,
    again: false,
    before: 0,
    after: 0,
    put: (0, Text::Absent),
};

/// Everything that can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// What stands in the table; none before the first save.
    stored: Option<JoinId>,
    /// Messages in the queue, a bit each.
    waiting: u16,
    /// Messages that were delivered, and chunks whose report is in S3.
    made: u16,
    /// Events that the bus dropped for good.
    lost: u16,
    doubles: u8,
    crashes: u8,
    losses: u8,
    /// Media playlist and multivariant playlist of the first and second making.
    media: [Text; 2],
    master: [Text; 2],
    /// Whether it was said that a making is ready.
    said: [bool; 2],
    handlers: [Handler; HANDLERS],
}

/// Something that happens.
#[derive(Debug, Clone, Copy)]
#[allow(
    dead_code,
    reason = "they are read by whoever reads the way to a violation"
)]
pub enum Action {
    /// A message is delivered, and its handler loads the state.
    Deliver(Said),
    /// A message is delivered a second time.
    DeliverAgain(Said),
    /// The bus drops a chunk's event; its report is in S3.
    Lose(Said),
    /// A deadline has the plan said again.
    SayPlanAgain,
    /// A handler goes one step on with its message.
    Go(Said, &'static str),
    /// A handler dies; its message comes again.
    Crash(Said),
}

/// The model.
pub struct World {
    joins: Joins,
    bounds: Bounds,
    said_ids: [BTreeSet<EventId>; 2],
}

impl World {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            joins: Joins::new(bounds.said(), bounds.bug),
            bounds,
            said_ids: [BTreeSet::new(), BTreeSet::new()],
        }
    }

    fn said(&self, message: u8) -> Said {
        self.joins.said[usize::from(message)]
    }

    fn bug(&self, bug: Bug) -> bool {
        self.bounds.bug == Some(bug)
    }

    /// One handler goes one step on.
    fn go(&mut self, state: &State, at: usize) -> Result<State, &'static str> {
        let mut next = *state;
        let handler = &mut next.handlers[at];
        match handler.next {
            Next::Idle => {}
            Next::Remove => {
                self.remove(&mut next, at);
                next.handlers[at].next = Next::Save;
            }
            Next::PutMedia => {
                self.check_named(state, handler.put)?;
                handler.next = Next::PutMaster;
                let (making, text) = handler.put;
                next.media[making] = text;
            }
            Next::PutMaster => {
                handler.next = Next::Save;
                let (making, text) = handler.put;
                next.master[making] = text;
            }
            Next::Save => self.save(&mut next, at)?,
            Next::LookAtFinals => {
                let making = self.making(handler.after);
                handler.next = if is_overwritten(state, making) {
                    Next::RestoreMedia
                } else {
                    Next::LookAtStanding
                };
            }
            Next::RestoreMedia => {
                handler.next = Next::RestoreMaster;
                next.media[self.making(handler.after)] = Text::Final;
            }
            Next::RestoreMaster => {
                handler.next = Next::LookAtStanding;
                next.master[self.making(handler.after)] = Text::Final;
            }
            Next::LookAtStanding => {
                handler.next = match self.standing(handler) {
                    Some(making) if is_overwritten(state, making) => Next::RestoreStandingMedia,
                    _ => Next::Publish,
                };
            }
            Next::RestoreStandingMedia => {
                handler.next = Next::RestoreStandingMaster;
                next.media[0] = Text::Final;
            }
            Next::RestoreStandingMaster => {
                handler.next = Next::Publish;
                next.master[0] = Text::Final;
            }
            Next::Publish => {
                self.publish(&mut next, at)?;
                next.handlers[at] = IDLE;
            }
        }
        self.skip_nothing(&mut next, at)?;
        Ok(next)
    }

    /// A step that does nothing that others see, and sees nothing of theirs, is none.
    fn skip_nothing(&mut self, next: &mut State, at: usize) -> Result<(), &'static str> {
        let handler = &mut next.handlers[at];
        if handler.next == Next::LookAtStanding && self.standing(handler).is_none() {
            handler.next = Next::Publish;
        }
        let handler = *handler;
        if handler.next == Next::Publish && !self.speaks(&handler) {
            next.handlers[at] = IDLE;
        }
        if handler.next == Next::Save && self.saves_nothing(&handler, next) {
            self.save(next, at)?;
            self.skip_nothing(next, at)?;
        }
        Ok(())
    }

    /// A making's place in the state.
    fn making(&self, join: JoinId) -> usize {
        usize::try_from(self.joins.join(join).generation.saturating_sub(1)).unwrap()
    }

    /// The older making whose playlists a handler has to look at, by its place.
    fn standing(&self, handler: &Handler) -> Option<usize> {
        let join = self.joins.join(handler.after);
        let event = self.said(handler.message).event();
        let looks = handler.overtaken || join.is_of_the_standing(&event);
        let looks = looks && !self.bug(Bug::ForgetsTheStanding);
        let standing = join.standing.as_ref().filter(|_| looks)?;
        usize::try_from(standing.generation - 1).ok()
    }

    fn load(&mut self, next: &mut State, at: usize) -> Result<(), &'static str> {
        let handler = &mut next.handlers[at];
        handler.before = next.stored.unwrap_or(0);
        handler.stale = false;
        handler.overtaken = handler.wrote;
        let (message, overtaken) = (handler.message, handler.overtaken);
        let decision = self
            .joins
            .decide(handler.before, message, overtaken, next.made);
        handler.after = decision.after;
        let phase = self.joins.join(decision.after).phase;
        if matches!(phase, JoinPhase::Deleted | JoinPhase::Abandoned) {
            handler.next = if handler.wrote {
                Next::Remove
            } else {
                Next::Save
            };
            return self.skip_nothing(next, at);
        }
        let making = self.making(decision.after);
        (handler.next, handler.put) = match decision.step {
            JoinStep::Wait => (Next::Save, (0, Text::Absent)),
            JoinStep::PublishHead(head) => {
                let head = Text::Head(u8::try_from(head.video).unwrap());
                (Next::PutMedia, (making, head))
            }
            JoinStep::Finish => (Next::PutMedia, (making, Text::Final)),
        };
        handler.wrote |= decision.step != JoinStep::Wait;
        self.skip_nothing(next, at)
    }

    fn remove(&mut self, next: &mut State, at: usize) {
        let join = self.joins.join(next.handlers[at].after);
        let deleted = join.phase == JoinPhase::Deleted;
        let given_up = self.making(next.handlers[at].after);
        for making in 0..2 {
            if deleted || making == given_up {
                next.media[making] = Text::Absent;
                next.master[making] = Text::Absent;
            }
        }
    }

    /// No playlist names a chunk that is not made.
    fn check_named(&self, state: &State, put: (usize, Text)) -> Result<(), &'static str> {
        let generation = u32::try_from(put.0).unwrap() + 1;
        let is_made = |track, index| {
            let mut made = self.joins.chunks(generation, state.made);
            made.any(|chunk| chunk.track == track && chunk.index == index)
        };
        let fits = match put.1 {
            Text::Absent => true,
            Text::Head(count) => (0..u32::from(count)).all(|index| is_made(Track::Video, index)),
            Text::Final => self.is_all_made(generation, state.made),
        };
        if fits {
            Ok(())
        } else {
            Err("a playlist names a chunk that is not made")
        }
    }

    fn is_all_made(&self, generation: u32, made: u16) -> bool {
        let all = self.joins.chunks(generation, u16::MAX).count();
        self.joins.chunks(generation, made).count() == all
    }

    fn save(&mut self, next: &mut State, at: usize) -> Result<(), &'static str> {
        let handler = next.handlers[at];
        if !self.saves_nothing(&handler, next) {
            if handler.stale && !self.bug(Bug::SaveWithoutCondition) {
                // Another was first: all over again.
                next.handlers[at] = Handler {
                    message: handler.message,
                    wrote: handler.wrote,
                    ..IDLE
                };
                return self.load(next, at);
            }
            self.check_saved(next, handler.after)?;
            next.stored = Some(handler.after);
            for (place, other) in next.handlers.iter_mut().enumerate() {
                if place != at {
                    overtake(other, self.bounds.bug);
                }
            }
        }
        let join = self.joins.join(handler.after);
        let handler = &mut next.handlers[at];
        handler.stale = false;
        if matches!(join.phase, JoinPhase::Deleted | JoinPhase::Abandoned) {
            handler.overtaken = handler.wrote;
            handler.next = Next::LookAtStanding;
            return Ok(());
        }
        let said = self.joins.said[usize::from(handler.message)];
        let concerns = matches!(said, Said::Planned(..) | Said::Done(..))
            && said.generation() == join.generation;
        handler.again = handler.before == handler.after && concerns;
        if self.bug(Bug::SaysOnlyOnce) {
            handler.again = false;
        }
        let wrote = handler.put.1 != Text::Absent;
        let wrote = wrote && self.bounds.bug != Some(Bug::FinishesWithoutLooking);
        let restores = handler.again || handler.overtaken || wrote;
        handler.next = if restores && join.phase == JoinPhase::Ready {
            Next::LookAtFinals
        } else {
            Next::LookAtStanding
        };
        Ok(())
    }

    /// Whether a handler finds nothing to save, and so does not learn whether it was overtaken.
    fn saves_nothing(&self, handler: &Handler, state: &State) -> bool {
        let wrote = handler.put.1 != Text::Absent && !self.bug(Bug::SavesOnlyChanges);
        handler.before == handler.after && state.stored.is_some() && !wrote
    }

    /// What may stand in the table behind what stood there.
    fn check_saved(&self, state: &State, after: JoinId) -> Result<(), &'static str> {
        let join = self.joins.join(after);
        if let Some(before) = state.stored {
            let before = self.joins.join(before);
            if before.phase == JoinPhase::Deleted && join.phase != JoinPhase::Deleted {
                return Err("a deleted video came back");
            }
            if join.generation < before.generation && join.phase != JoinPhase::Deleted {
                return Err("an older making took the place of a newer one");
            }
            let same = before.generation == join.generation;
            if same && !join.done.is_superset(&before.done) {
                return Err("a chunk that was done is not any more: an update was lost");
            }
            if same && before.phase == JoinPhase::Ready && join.phase != JoinPhase::Ready {
                return Err("a ready making is not ready any more");
            }
        }
        if join.phase == JoinPhase::Ready && !self.is_all_made(join.generation, state.made) {
            return Err("ready with a chunk missing");
        }
        Ok(())
    }

    /// Whether a handler has something to say about a making that is ready.
    fn speaks(&self, handler: &Handler) -> bool {
        let ready = |join| self.joins.join(join).ready.as_ref();
        let after = ready(handler.after);
        let again = || handler.again && self.joins.says_ready_again(handler.message, handler.after);
        after.is_some() && (after != ready(handler.before) || again())
    }

    fn publish(&mut self, next: &mut State, at: usize) -> Result<(), &'static str> {
        let handler = next.handlers[at];
        let making = self.making(handler.after);
        let generation = self.joins.join(handler.after).generation;
        if !self.is_all_made(generation, next.made) {
            return Err("said to be ready with a chunk missing");
        }
        let id = self.joins.ready_id(handler.message, handler.after);
        self.said_ids[making].insert(id);
        if self.said_ids[making].len() > 1 {
            return Err("said to be ready under two ids");
        }
        next.said[making] = true;
        Ok(())
    }

    /// Deliveries, losses and deadlines.
    fn outside(&mut self, state: &State, steps: &mut Vec<Step<Self>>) {
        let idle = |handler: &&Handler| **handler == IDLE;
        let busy = HANDLERS - state.handlers.iter().filter(idle).count();
        let idle = state.handlers.iter().position(|handler| *handler == IDLE);
        let idle = idle.filter(|_| busy < self.bounds.handlers);
        for message in 0..u8::try_from(self.joins.said.len()).unwrap() {
            let (bit, said) = (1 << message, self.said(message));
            let mut next = *state;
            let waits = state.waiting & bit != 0;
            let unsaid = state.made & bit == 0;
            if waits && unsaid && state.losses > 0 && matches!(said, Said::Done(..)) {
                let mut next = next;
                next.waiting &= !bit;
                next.made |= bit;
                next.lost |= bit;
                next.losses -= 1;
                steps.push((Action::Lose(said), Ok(next)));
            }
            let Some(idle) = idle else { continue };
            let action = if waits {
                next.waiting &= !bit;
                Action::Deliver(said)
            } else if state.doubles > 0 && state.made & !state.lost & bit != 0 {
                next.doubles -= 1;
                Action::DeliverAgain(said)
            } else {
                continue;
            };
            next.made |= bit;
            next.handlers[idle].message = message;
            let next = self.load(&mut next, idle).map(|()| tidy(next));
            steps.push((action, next));
        }
        if self.waits_for_a_deadline(state) {
            let mut next = *state;
            next.lost = 0;
            for (place, said) in self.joins.said.iter().enumerate() {
                if matches!(said, Said::Planned(..)) {
                    next.waiting |= 1 << place;
                }
            }
            steps.push((Action::SayPlanAgain, Ok(next)));
        }
    }

    fn is_quiet(state: &State) -> bool {
        state.waiting == 0 && state.handlers.iter().all(|handler| *handler == IDLE)
    }

    fn waits_for_a_deadline(&self, state: &State) -> bool {
        let gathering = self.joins.join(state.stored.unwrap_or(0)).is_gathering();
        state.lost != 0 && gathering && Self::is_quiet(state)
    }

    fn check_rest(&self, state: &State) -> Result<(), &'static str> {
        let join = self.joins.join(state.stored.unwrap_or(0));
        let says = |wanted: fn(&Said) -> bool| self.joins.said.iter().any(wanted);
        if says(|said| *said == Said::Deleted) {
            // What writers left that were overtaken by it is `manage`'s to remove, later.
            return if join.phase == JoinPhase::Deleted {
                Ok(())
            } else {
                Err("deleted, and still there")
            };
        }
        let newest = { self.joins.said.iter() }
            .map(|said| said.generation())
            .max();
        if newest != Some(join.generation) {
            return Err("it rests at an older making");
        }
        let making = usize::try_from(join.generation - 1).unwrap();
        let given_up = says(|said| matches!(said, Said::Abandoned(_)));
        match join.phase {
            JoinPhase::Ready if !state.said[making] => Err("ready, and never said to be"),
            JoinPhase::Ready => Self::check_finals(state),
            JoinPhase::Abandoned if given_up => Self::check_finals(state),
            JoinPhase::Gathering
            | JoinPhase::Playable
            | JoinPhase::Abandoned
            | JoinPhase::Deleted => Err("all is made and it is not ready"),
        }
    }

    /// What was said to be ready can be played as a whole, of every making.
    fn check_finals(state: &State) -> Result<(), &'static str> {
        let texts = state.said.iter().zip(state.media.iter().zip(&state.master));
        for (said, (media, master)) in texts {
            if *said && (*media, *master) != (Text::Final, Text::Final) {
                return Err("an older head stands in the place of the whole");
            }
        }
        Ok(())
    }
}

/// As `Assembler::is_overwritten`.
fn is_overwritten(state: &State, making: usize) -> bool {
    let texts = [state.media[making], state.master[making]];
    let is_there = !texts.contains(&Text::Absent);
    is_there && texts.iter().any(|text| *text != Text::Final)
}

/// Another has saved: what a handler will find when it saves too. What it loaded matters only
/// to one that saves nothing.
fn overtake(handler: &mut Handler, bug: Option<Bug>) {
    let before_save = matches!(
        handler.next,
        Next::PutMedia | Next::PutMaster | Next::Save | Next::Remove
    );
    if !before_save {
        return;
    }
    handler.stale = true;
    let saves = handler.before != handler.after || handler.put.1 != Text::Absent;
    let is_bad = matches!(bug, Some(Bug::SaveWithoutCondition | Bug::SavesOnlyChanges));
    if saves && handler.next != Next::Remove && !is_bad {
        (handler.before, handler.after) = (0, JoinId::MAX);
    }
}

/// Handlers are alike: which of them does what makes no difference.
fn tidy(mut state: State) -> State {
    state.handlers.sort_unstable();
    state
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn initial(&mut self) -> State {
        let count = self.joins.said.len();
        State {
            stored: None,
            waiting: (1 << count) - 1,
            made: 0,
            lost: 0,
            doubles: self.bounds.doubles,
            crashes: self.bounds.crashes,
            losses: self.bounds.losses,
            media: [Text::Absent; 2],
            master: [Text::Absent; 2],
            said: [false; 2],
            handlers: [IDLE; HANDLERS],
        }
    }

    fn next(&mut self, state: &State, steps: &mut Vec<Step<Self>>) {
        self.outside(state, steps);
        for at in 0..HANDLERS {
            let handler = state.handlers[at];
            if handler == IDLE || at > 0 && state.handlers[at - 1] == handler {
                continue;
            }
            let said = self.said(handler.message);
            let next = self.go(state, at).map(tidy);
            steps.push((Action::Go(said, name(handler.next)), next));
            if state.crashes > 0 {
                let mut next = *state;
                next.handlers[at] = IDLE;
                next.waiting |= 1 << handler.message;
                next.crashes -= 1;
                steps.push((Action::Crash(said), Ok(tidy(next))));
            }
        }
    }

    fn rest(&self, state: &State) -> Option<Result<(), String>> {
        let quiet = Self::is_quiet(state) && !self.waits_for_a_deadline(state);
        quiet.then(|| self.check_rest(state).map_err(str::to_owned))
    }
}

fn name(next: Next) -> &'static str {
    match next {
        Next::Idle => "rests",
        Next::Remove => "removes",
        Next::PutMedia => "writes media playlists",
        Next::PutMaster => "writes the multivariant playlist",
        Next::Save => "saves",
        Next::LookAtFinals => "looks at the final playlists",
        Next::RestoreMedia => "writes final media playlists again",
        Next::RestoreMaster => "writes the final multivariant playlist again",
        Next::LookAtStanding => "looks at the older making's playlists",
        Next::RestoreStandingMedia => "writes the older making's media playlists again",
        Next::RestoreStandingMaster => "writes the older making's multivariant playlist again",
        Next::Publish => "publishes",
    }
}
