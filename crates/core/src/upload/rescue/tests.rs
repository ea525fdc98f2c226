use cattube_contract::VideoId;
use cattube_contract::size::Sizes;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::upload::UploadRequest;

const KEY: &str = "masters/o/v";
const DEADLINE: u64 = 60;
const PART: u64 = 8 << 20;

fn upload(state: UploadState, attempt: u32) -> Upload {
    Upload {
        video_id: VideoId::new(Timestamp::UNIX_EPOCH, 1),
        request: UploadRequest {
            title: "a cat".to_owned(),
            size_bytes: 3 * PART,
            content_type: "video/mp4".to_owned(),
            sizes: Sizes::Auto,
        },
        store_upload: String::new(),
        part_size_bytes: PART,
        state,
        created_at: Timestamp::UNIX_EPOCH,
        attempt,
        accepted: false,
        reason: None,
    }
}

fn parts(numbers: &[u32]) -> Found {
    let part = |number: &u32| Part {
        number: *number,
        size_bytes: PART,
        md5: String::new(),
    };
    Found::Parts(numbers.iter().map(part).collect())
}

fn object(size_bytes: u64) -> Found {
    let etag = "e".to_owned();
    Found::Object { etag, size_bytes }
}

fn look(upload: &Upload, found: &Found, attempt: u32, arrived_bytes: u64, round: u32) -> Checked {
    let seen = CheckUpload {
        arrived_bytes,
        round,
    };
    check(upload, KEY, found, (attempt, &seen), DEADLINE)
}

fn reason(checked: &Checked) -> &str {
    match &checked.event {
        Some(Event::UploadFailed(failed)) => &failed.reason,
        other => panic!("{other:?}"),
    }
}

fn failure(checked: &Checked) -> (Fault, Option<u32>) {
    match &checked.event {
        Some(Event::UploadFailed(failed)) => (failed.fault, failed.missing_part_count),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_that_came_buy_time_and_none_is_a_failure() {
    let upload = upload(UploadState::Open, 1);
    let growing = look(&upload, &parts(&[2]), 1, 0, 3);
    assert_eq!(growing.event, None);
    let again = growing.again.unwrap();
    assert_eq!(
        (again.arrived_bytes, again.round, again.after_seconds),
        (PART, 0, DEADLINE)
    );

    let stalled = look(&upload, &parts(&[2]), 1, PART, 0);
    assert_eq!(failure(&stalled), (Fault::Transient, Some(2)));
    assert!(reason(&stalled).ends_with("2 of 3 are missing"));
    let whole = look(&upload, &parts(&[1, 2, 3]), 1, 3 * PART, 0);
    assert!(reason(&whole).contains("nobody completed the upload"));
    // Should nobody hear it, it is said again, later and later, but not for ever.
    let again = stalled.again.unwrap();
    assert_eq!((again.round, again.after_seconds), (1, 2 * DEADLINE));
    let last = look(&upload, &parts(&[2]), 1, PART, MAX_ROUNDS);
    assert_eq!(last.again, None);
}

#[test]
fn a_finished_object_that_nobody_took_up_is_said_again_and_never_given_up() {
    for state in [UploadState::Open, UploadState::Completed] {
        let upload = upload(state, 2);
        let checked = look(&upload, &object(3 * PART), 2, 0, 0);
        assert_eq!(checked.state, UploadState::Completed);
        let Some(Event::UploadCompleted(said)) = &checked.event else {
            panic!("{checked:?}");
        };
        assert_eq!((said.key.as_str(), said.etag.as_str()), (KEY, "e"));
        assert!(checked.again.is_some());
        for round in 0..40 {
            let checked = look(&upload, &object(3 * PART), 2, 0, round);
            let again = checked.again.unwrap();
            assert_eq!(again.round, round + 1);
            // Later and later, up to a limit.
            let doublings = (round + 1).min(MAX_ROUNDS);
            assert_eq!(again.after_seconds, DEADLINE << doublings);
            if round % (MAX_ROUNDS + 1) == MAX_ROUNDS {
                assert_eq!(failure(&checked), (Fault::Permanent, Some(0)));
            } else {
                assert!(matches!(checked.event, Some(Event::UploadCompleted(_))));
            }
        }
    }
}

#[test]
fn an_object_of_another_size_or_none_may_come_again() {
    for found in [object(1), Found::Nothing] {
        let upload = upload(UploadState::Completed, 1);
        let checked = look(&upload, &found, 1, 0, 0);
        assert_eq!(failure(&checked), (Fault::Transient, Some(3)));
        assert_eq!(resume(&upload, &found, 2), Resume::Afresh);
    }
}

#[test]
fn what_is_over_stays_over() {
    let mut accepted = upload(UploadState::Completed, 1);
    accepted.accepted = true;
    let given_up = [UploadState::Cancelled, UploadState::Abandoned].map(|state| Upload {
        reason: Some("its video was deleted".to_owned()),
        ..upload(state, 1)
    });
    for upload in given_up.iter().chain([&accepted]) {
        for found in [parts(&[]), object(1), Found::Nothing] {
            let checked = look(upload, &found, 9, 0, 0);
            assert_eq!((checked.event, checked.again), (None, None));
            assert_eq!(resume(upload, &found, 9), Resume::Over);
        }
    }
}

#[test]
fn an_earlier_attempt_is_looked_at_afresh_and_the_same_says_the_same() {
    let upload = upload(UploadState::Open, 3);
    let checked = look(&upload, &parts(&[1]), 2, 0, 4);
    assert_eq!(checked.event, None);
    assert_eq!(checked.again, Some(Look::first(&upload, PART, DEADLINE)));
    assert_eq!(resume(&upload, &parts(&[1]), 2), Resume::Over);
    for attempt in [3, 4] {
        let missing = Resume::Missing(vec![2, 3]);
        assert_eq!(resume(&upload, &parts(&[1]), attempt), missing);
    }
    assert_eq!(resume(&upload, &object(3 * PART), 4), Resume::Complete);
}

proptest! {
    #[test]
    fn whoever_is_not_over_is_heard_of_again_or_was_said(round in 0..=MAX_ROUNDS, seen in 0..4 * PART, kind in 0..4) {
        let found = match kind {
            0 => parts(&[1]),
            1 => object(3 * PART),
            2 => object(7),
            _ => Found::Nothing,
        };
        for state in [UploadState::Open, UploadState::Completed] {
            let checked = look(&upload(state, 1), &found, 1, seen, round);
            prop_assert!(checked.again.is_some() || checked.event.is_some());
            let is_whole = kind == 1;
            prop_assert!(checked.again.is_none_or(|again| is_whole || again.round <= MAX_ROUNDS));
        }
    }
}

#[test]
fn a_cancellation_that_was_not_heard_is_said_again_a_bounded_number_of_times() {
    let cancelled = upload(UploadState::Cancelled, 1);
    for round in 0..=MAX_ROUNDS {
        let checked = look(&cancelled, &Found::Nothing, 1, 0, round);
        assert_eq!(checked.event, Some(cancellation()));
        assert_eq!(checked.state, UploadState::Cancelled);
        let next = (round < MAX_ROUNDS).then_some(round + 1);
        assert_eq!(checked.again.map(|look| look.round), next);
    }
    let deleted = Upload {
        reason: Some("its video was deleted".to_owned()),
        ..cancelled
    };
    assert_eq!(look(&deleted, &Found::Nothing, 1, 0, 0).event, None);
}
