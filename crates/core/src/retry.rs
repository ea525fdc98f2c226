//! What follows a failure, or silence: again after a delay, or no more. The only place that
//! decides it. It must never let anything be tried for ever.

use cattube_contract::{EventId, Fault, VideoId};

/// How often a piece of work is tried, and how long it waits in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// All attempts, the first one among them.
    pub max_attempts: u32,
    /// The delay before the second attempt, in milliseconds.
    pub base_ms: u64,
    /// By how much each delay outgrows the one before.
    pub factor: u64,
    /// The longest delay, in milliseconds.
    pub cap_ms: u64,
}

/// Five attempts over about five minutes: 3, 12, 48 and 192 seconds apart. A throttle or a
/// failed deployment passes in that time; the cap is what SQS can delay a message by.
pub const POLICY: Policy = Policy {
    max_attempts: 5,
    base_ms: 3_000,
    factor: 4,
    cap_ms: 900_000,
};

/// How far a delay is spread around its value, to both sides, in per cent: so that a
/// thousand chunks that failed together do not come back together.
const JITTER_PER_CENT: u64 = 25;

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is tried again.
    Again {
        /// Which attempt that is.
        attempt: u32,
        /// How long it waits, in milliseconds.
        delay_ms: u64,
    },
    /// It is not: the fault is permanent, or there were enough attempts.
    Enough,
}

/// The first attempt after a person's word: attempts are counted on, since each has events of
/// its own, and every round of them has as many.
#[must_use]
pub fn next_round(policy: Policy, attempt: u32) -> u32 {
    let per_round = policy.max_attempts.max(1);
    let rounds = attempt.saturating_sub(1) / per_round;
    rounds
        .saturating_add(1)
        .saturating_mul(per_round)
        .saturating_add(1)
}

/// Which attempt of its round an attempt is, from 1.
fn in_round(policy: Policy, attempt: u32) -> u32 {
    attempt.saturating_sub(1) % policy.max_attempts.max(1) + 1
}

/// Decides on work whose `attempt` (from 1) failed by `fault`. `failure` is the failure's
/// event: the same failure always waits as long.
#[must_use]
pub fn decide(policy: Policy, attempt: u32, fault: Fault, failure: EventId) -> Verdict {
    let in_round = in_round(policy, attempt);
    if fault == Fault::Permanent || in_round >= policy.max_attempts {
        return Verdict::Enough;
    }
    let growth = policy.factor.saturating_pow(in_round - 1);
    let delay_ms = policy.base_ms.saturating_mul(growth).min(policy.cap_ms);
    let span_ms = delay_ms.saturating_mul(JITTER_PER_CENT) / 100;
    let places = u128::from(span_ms) * 2 + 1;
    let jitter_ms = u64::try_from(failure.bits() % places).unwrap_or(span_ms);
    Verdict::Again {
        attempt: attempt.saturating_add(1),
        delay_ms: (delay_ms - span_ms + jitter_ms).min(policy.cap_ms),
    }
}

/// The name of the deadline of a job. One job, one deadline: whoever sets it replaces it.
#[must_use]
pub fn job_deadline_name(video: VideoId, generation: u32) -> String {
    format!("job-{video}-g{generation}")
}

/// The name of the deadline of a job that a person was asked about.
#[must_use]
pub fn asked_deadline_name(video: VideoId, generation: u32) -> String {
    format!("{}-asked", job_deadline_name(video, generation))
}

/// What the store tells of a job when its deadline has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The master is there still.
    pub has_master: bool,
    /// A newer making of the video is planned.
    pub is_superseded: bool,
    /// How many chunks its plan has, if it is planned.
    pub planned_chunks: Option<u32>,
    /// How many chunks are reported.
    pub reports: u32,
}

impl Progress {
    /// How far it is, to be compared at the next deadline: no plan is less than no report.
    #[must_use]
    pub fn reports_seen(&self) -> Option<u32> {
        self.planned_chunks.map(|_| self.reports)
    }

    /// Whether a job that was at `seen` may be where it was since it waits for its turn: behind
    /// other jobs, if it is not planned, and else behind other chunks.
    #[must_use]
    pub fn may_wait(&self, seen: Option<u32>) -> bool {
        !self.is_complete() && self.reports_seen() <= seen
    }

    /// All chunks are reported.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.planned_chunks
            .is_some_and(|chunks| self.reports >= chunks)
    }
}

/// What follows when a job's deadline has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing: the video was deleted, or a newer making has taken over.
    Over,
    /// The deadline is set again.
    Again {
        /// Which round that is; it counts on when nothing has happened.
        round: u32,
        /// Whether the job is queued again, so that lost commands and events are made good.
        requeue: bool,
    },
    /// It was not its turn yet: it is watched on in the same round.
    Wait {
        /// How often in a row that makes.
        waited: u32,
    },
    /// Nothing has happened for as many rounds as are granted.
    Enough,
}

/// How often in a row a job may be taken to wait for its turn: for a day, as deadlines are by
/// default. Whatever became of it is looked after then, however busy the workers are.
pub const MAX_WAITS: u32 = 48;

/// Whether a job may only be waiting for workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// In the queue that it stands in work waits, its own or that of others.
    pub has_backlog: bool,
    /// How often in a row it was taken to wait for them.
    pub waited: u32,
}

/// What follows when nothing was heard of a job since a person was asked about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reminder {
    /// Nothing: the video was deleted, or a newer making has taken over.
    Over,
    /// A person said to try again, and it gets on: the question is watched on.
    Wait,
    /// All of it is made, which nobody heard: it is queued again, so that it is said again.
    Requeue {
        /// How often that makes, together with the questions.
        asked: u32,
    },
    /// The question or its answer may have been lost: a person is asked once more.
    AskAgain {
        /// How often that makes.
        asked: u32,
    },
    /// A person was asked often enough.
    Enough,
}

/// Decides on a job that a person was `asked` about so often. `seen` is how far it was then.
#[must_use]
pub fn judge_reminder(
    policy: Policy,
    progress: Progress,
    seen: Option<u32>,
    asked: u32,
) -> Reminder {
    if !progress.has_master || progress.is_superseded {
        return Reminder::Over;
    }
    if progress.reports_seen() > seen && !progress.is_complete() {
        return Reminder::Wait;
    }
    if asked >= policy.max_attempts {
        return Reminder::Enough;
    }
    let asked = asked.saturating_add(1);
    if progress.is_complete() {
        Reminder::Requeue { asked }
    } else {
        Reminder::AskAgain { asked }
    }
}

/// Decides on a job that has not said that it ended when the deadline of its `round` (from 1)
/// came. `seen` is how far it was when that was set.
#[must_use]
pub fn judge_deadline(
    policy: Policy,
    progress: Progress,
    seen: Option<u32>,
    round: u32,
    turn: Turn,
) -> Judgement {
    if !progress.has_master || progress.is_superseded {
        return Judgement::Over;
    }
    if progress.reports_seen() > seen {
        return Judgement::Again {
            round,
            // It has not said that it ended: an event was lost.
            requeue: progress.is_complete(),
        };
    }
    if progress.may_wait(seen) && turn.has_backlog && turn.waited < MAX_WAITS {
        return Judgement::Wait {
            waited: turn.waited.saturating_add(1),
        };
    }
    if in_round(policy, round) >= policy.max_attempts {
        return Judgement::Enough;
    }
    Judgement::Again {
        round: round.saturating_add(1),
        requeue: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failure(name: &str) -> EventId {
        EventId::derive("ChunkFailed", &[name])
    }

    proptest! {
        #[test]
        fn attempts_are_bounded_and_delays_grow_up_to_the_cap(name in ".*") {
            let mut attempt = 1;
            let mut delays = Vec::new();
            while let Verdict::Again { attempt: next, delay_ms } = decide(POLICY, attempt, Fault::Transient, failure(&name)) {
                prop_assert_eq!(next, attempt + 1);
                prop_assert!(delay_ms <= POLICY.cap_ms);
                delays.push(delay_ms);
                attempt = next;
            }
            prop_assert_eq!(attempt, POLICY.max_attempts);
            prop_assert!(delays.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", delays);
        }
    }

    #[test]
    fn permanent_faults_are_never_tried_again() {
        for attempt in 0..10 {
            assert_eq!(
                decide(POLICY, attempt, Fault::Permanent, failure("x")),
                Verdict::Enough
            );
        }
    }

    #[test]
    fn one_failure_waits_as_long_at_every_delivery_and_others_differ() {
        let of = |name: &str| decide(POLICY, 1, Fault::Transient, failure(name));
        assert_eq!(of("a"), of("a"));
        assert!((0..20).any(|n| of(&n.to_string()) != of("a")));
    }

    #[test]
    fn a_persons_word_opens_a_new_round() {
        for (attempt, next) in [(0, 6), (1, 6), (5, 6), (6, 11), (10, 11)] {
            assert_eq!(next_round(POLICY, attempt), next, "{attempt}");
        }
        let last = decide(POLICY, 10, Fault::Transient, failure("x"));
        assert_eq!(last, Verdict::Enough);
        let first = decide(POLICY, 6, Fault::Transient, failure("x"));
        assert!(matches!(first, Verdict::Again { attempt: 7, delay_ms } if delay_ms < 4_000));
    }

    fn progress(planned_chunks: Option<u32>, reports: u32) -> Progress {
        Progress {
            has_master: true,
            is_superseded: false,
            planned_chunks,
            reports,
        }
    }

    /// Nothing waits for workers.
    const FREE: Turn = Turn {
        has_backlog: false,
        waited: 0,
    };

    #[test]
    fn a_job_whose_turn_has_not_come_waits_for_a_day_at_most() {
        let judge = |progress, seen, waited| {
            let turn = Turn {
                has_backlog: true,
                waited,
            };
            judge_deadline(POLICY, progress, seen, 5, turn)
        };
        let wait = |waited| Judgement::Wait { waited };
        assert_eq!(judge(progress(Some(9), 0), Some(0), 0), wait(1));
        assert_eq!(judge(progress(Some(9), 4), Some(4), 46), wait(47));
        assert_eq!(
            judge(progress(Some(9), 4), Some(4), MAX_WAITS - 1),
            wait(MAX_WAITS)
        );
        assert_eq!(
            judge(progress(Some(9), 4), Some(4), MAX_WAITS),
            Judgement::Enough
        );
        assert_eq!(judge(progress(None, 0), None, 0), wait(1));
        // Workers are not what these wait for.
        assert_eq!(judge(progress(None, 0), None, MAX_WAITS), Judgement::Enough);
        assert_eq!(judge(progress(Some(9), 9), Some(9), 0), Judgement::Enough);
        let got_on = judge(progress(Some(9), 4), Some(3), 7);
        assert!(matches!(
            got_on,
            Judgement::Again {
                round: 5,
                requeue: false
            }
        ));
    }

    #[test]
    fn a_job_that_gets_on_is_left_alone() {
        let again = |round, requeue| Judgement::Again { round, requeue };
        let judge = |progress, seen| judge_deadline(POLICY, progress, seen, 3, FREE);
        assert_eq!(judge(progress(Some(9), 0), None), again(3, false));
        assert_eq!(judge(progress(Some(9), 4), Some(3)), again(3, false));
        // It got on, to its end, and nobody heard.
        assert_eq!(judge(progress(Some(9), 9), Some(3)), again(3, true));
        // It did not.
        assert_eq!(judge(progress(None, 0), None), again(4, true));
        assert_eq!(judge(progress(Some(9), 4), Some(4)), again(4, true));
        assert_eq!(judge(progress(Some(9), 0), Some(4)), again(4, true));
        assert_eq!(judge(progress(Some(9), 9), Some(9)), again(4, true));
    }

    #[test]
    fn a_job_that_is_no_more_is_not_watched() {
        let deleted = Progress {
            has_master: false,
            ..progress(Some(9), 4)
        };
        let superseded = Progress {
            is_superseded: true,
            ..progress(Some(9), 9)
        };
        for gone in [deleted, superseded] {
            for seen in [None, Some(4)] {
                let judged = judge_deadline(POLICY, gone, seen, 5, FREE);
                assert_eq!(judged, Judgement::Over);
            }
        }
    }

    #[test]
    fn silence_ends_after_five_rounds() {
        for start in [1, 6, 11] {
            let mut round = start;
            let silent = progress(Some(9), 4);
            while let Judgement::Again {
                round: next,
                requeue,
            } = judge_deadline(POLICY, silent, Some(4), round, FREE)
            {
                assert!(requeue);
                assert_eq!(next, round + 1);
                round = next;
            }
            let judged = judge_deadline(POLICY, silent, Some(4), round, FREE);
            assert_eq!(judged, Judgement::Enough);
            assert_eq!(round, start + 4);
        }
    }

    proptest! {
        #[test]
        fn every_job_comes_to_rest(
            chunks in 1_u32..20,
            steps in proptest::collection::vec(0_u32..4, 0..200),
            has_backlog in any::<bool>(),
        ) {
            // Whatever arrives between deadlines, it ends after so many of them at most.
            let (mut round, mut seen, mut reports, mut deadlines) = (1, None, 0, 0);
            let mut waited = 0;
            let mut steps = steps.into_iter();
            loop {
                let now = progress(Some(chunks), reports);
                deadlines += 1;
                let turn = Turn { has_backlog, waited };
                match judge_deadline(POLICY, now, seen, round, turn) {
                    Judgement::Again { round: next, .. } => (round, waited) = (next, 0),
                    Judgement::Wait { waited: next } => waited = next,
                    Judgement::Enough | Judgement::Over => break,
                }
                seen = now.reports_seen();
                reports = chunks.min(reports + steps.next().unwrap_or(0));
            }
            let rounds = chunks + 1 + POLICY.max_attempts;
            let waits = if has_backlog { MAX_WAITS } else { 0 };
            prop_assert!(deadlines <= rounds * (1 + waits));
        }
    }

    #[test]
    fn a_question_is_repeated_so_often_and_not_at_all_when_it_is_needless() {
        let unfinished = progress(Some(9), 4);
        let mut asked = 1;
        while let Reminder::AskAgain { asked: next } =
            judge_reminder(POLICY, unfinished, Some(4), asked)
        {
            assert_eq!(next, asked + 1);
            asked = next;
        }
        let judged = judge_reminder(POLICY, unfinished, Some(4), asked);
        assert_eq!((judged, asked), (Reminder::Enough, POLICY.max_attempts));
        let judge = |progress| judge_reminder(POLICY, progress, Some(4), 1);
        assert_eq!(judge(progress(None, 0)), Reminder::AskAgain { asked: 2 });
        assert_eq!(judge(progress(Some(9), 9)), Reminder::Requeue { asked: 2 });
        let whole = judge_reminder(POLICY, progress(Some(9), 9), Some(4), POLICY.max_attempts);
        assert_eq!(whole, Reminder::Enough);
        assert_eq!(judge(progress(Some(9), 5)), Reminder::Wait);
        let deleted = Progress {
            has_master: false,
            ..progress(Some(9), 9)
        };
        assert_eq!(judge(deleted), Reminder::Over);
    }

    #[test]
    fn a_deadline_has_a_name_that_the_scheduler_takes() {
        let video = VideoId::new(jiff::Timestamp::UNIX_EPOCH, u128::MAX);
        let name = asked_deadline_name(video, u32::MAX);
        assert!(name.len() <= 64, "{name}");
        // `ingest` sets it and `retry` removes it: both know it by this name.
        assert_eq!(job_deadline_name(video, 3), format!("job-{video}-g3"));
        assert_eq!(
            asked_deadline_name(video, 3),
            format!("job-{video}-g3-asked")
        );
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        assert!(name.chars().all(plain), "{name}");
    }

    #[test]
    fn absurd_attempts_do_not_overflow() {
        let policy = Policy {
            max_attempts: u32::MAX,
            ..POLICY
        };
        let verdict = decide(policy, u32::MAX - 1, Fault::Transient, failure("x"));
        assert!(
            matches!(verdict, Verdict::Again { attempt: u32::MAX, delay_ms } if delay_ms <= POLICY.cap_ms)
        );
    }

    #[test]
    fn a_delay_is_spread_evenly_around_its_middle() {
        let mut delays = std::collections::BTreeSet::new();
        for name in 0..2_000 {
            let event = failure(&name.to_string());
            let middle = POLICY.base_ms;
            let span = middle * JITTER_PER_CENT / 100;
            let place = u64::try_from(event.bits() % u128::from(2 * span + 1)).unwrap();
            let Verdict::Again { delay_ms, .. } = decide(POLICY, 1, Fault::Transient, event) else {
                panic!("the first failure is tried again");
            };
            assert_eq!(delay_ms, middle - span + place);
            delays.insert(delay_ms);
        }
        assert!(delays.len() > 500, "{}", delays.len());
        assert!(delays.iter().any(|delay| *delay > POLICY.base_ms));
        assert!(delays.iter().any(|delay| *delay < POLICY.base_ms));
    }
}
