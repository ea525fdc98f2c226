//! What a schedule says: its time, the names that it can have, and its message.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Schedules that a deadline can have side by side. One that has come deletes itself a moment
/// later, even if it was replaced meanwhile; so the next is set under another name.
const NAMES: u32 = 3;

/// A schedule that comes as soon as this is left alone: it may have come when it is replaced.
const TOO_LATE: SignedDuration = SignedDuration::from_mins(1);

/// The same JSON without the `<` of the keywords, such as `<aws.scheduler.execution-id>`, that
/// Scheduler would replace in it: keys of masters may hold them. In our messages it occurs in
/// strings only.
pub(super) fn literal(body: &str) -> String {
    body.replace('<', "\\u003c")
}

/// `at(yyyy-mm-ddThh:mm:ss)` in UTC, rounded up, so that no deadline comes early.
pub(super) fn expression(at: Timestamp) -> String {
    let whole = if at.subsec_nanosecond() > 0 {
        at.as_second().saturating_add(1)
    } else {
        at.as_second()
    };
    let at = Timestamp::from_second(whole).unwrap_or(Timestamp::MAX);
    let at = at.to_zoned(TimeZone::UTC).datetime();
    format!("at({})", at.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// The names that a deadline's schedules can have.
pub(super) fn names(name: &str) -> impl Iterator<Item = String> {
    let others = (2..=NAMES).map(move |number| format!("{name}.{number}"));
    std::iter::once(name.to_owned()).chain(others)
}

/// Whether a schedule comes late enough to be replaced.
pub(super) fn can_be_replaced(expression: &str, now: Timestamp) -> bool {
    let time = expression
        .strip_prefix("at(")
        .and_then(|rest| rest.strip_suffix(')'));
    let at = time.and_then(|time| time.parse::<DateTime>().ok());
    let at = at.and_then(|at| at.to_zoned(TimeZone::UTC).ok());
    at.is_some_and(|at| at.timestamp().duration_since(now) > TOO_LATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_early() {
        let at = |millis| expression(Timestamp::from_millisecond(millis).unwrap());
        assert_eq!(at(1_700_000_000_000), "at(2023-11-14T22:13:20)");
        assert_eq!(at(1_700_000_000_001), "at(2023-11-14T22:13:21)");
    }

    #[test]
    fn no_keyword_stands_in_a_message() {
        let body = r#"{"key":"drop/<aws.scheduler.execution-id> <.mp4"}"#;
        let sent = literal(body);
        assert!(!sent.contains('<'));
        let read: serde_json::Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(
            read,
            serde_json::from_str::<serde_json::Value>(body).unwrap()
        );
    }

    #[test]
    fn what_is_about_to_come_is_not_replaced() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let after = |seconds| {
            let at = now
                .saturating_add(SignedDuration::from_secs(seconds))
                .unwrap();
            can_be_replaced(&expression(at), now)
        };
        assert!(after(61));
        assert!(!after(60));
        assert!(!after(-5));
        assert!(!can_be_replaced("rate(1 hour)", now));
    }

    #[test]
    fn a_deadline_has_so_many_names() {
        let all: Vec<_> = names("job-1").collect();
        assert_eq!(all, ["job-1", "job-1.2", "job-1.3"]);
    }
}
