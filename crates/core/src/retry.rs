//! What follows a failure: again after a delay, or no more. The only place that decides it.

use cattube_contract::{EventId, Fault};

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

/// Decides on work whose `attempt` (from 1) failed by `fault`. `failure` is the failure's
/// event: the same failure always waits as long.
#[must_use]
pub fn decide(policy: Policy, attempt: u32, fault: Fault, failure: EventId) -> Verdict {
    let in_round = attempt.saturating_sub(1) % policy.max_attempts.max(1) + 1;
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
}
