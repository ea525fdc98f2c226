//! EventBridge Scheduler behind the port `Scheduler`: one-off schedules that delete themselves
//! and send their message to one queue.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_scheduler::operation::create_schedule::CreateScheduleError;
use aws_sdk_scheduler::operation::delete_schedule::DeleteScheduleError;
use aws_sdk_scheduler::operation::get_schedule::GetScheduleError;
use aws_sdk_scheduler::operation::update_schedule::UpdateScheduleError;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, Target,
};
use aws_smithy_types::error::display::DisplayErrorContext;
use cattube_contract::Fault;
use cattube_ports::scheduler::Deadline;
use cattube_ports::{PortError, Scheduler};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// How often setting a deadline can find that one of its name has just come or gone.
const MAX_RACES: usize = 3;

/// Schedules that a deadline can have side by side. One that has come deletes itself a moment
/// later, even if it was replaced meanwhile; so the next is set under another name.
const NAMES: u32 = 3;

/// A schedule that comes as soon as this is left alone: it may have come when it is replaced.
const TOO_LATE: SignedDuration = SignedDuration::from_mins(1);

/// Where schedules are kept and whom they wake.
#[derive(Debug, Clone)]
pub struct Schedules {
    client: Client,
    group: String,
    role_arn: String,
    queue_arn: String,
    dead_letters_arn: String,
}

impl Schedules {
    /// Schedules of the group `group` that send to `queue_arn` as `role_arn`, and what cannot be
    /// sent there to `dead_letters_arn`.
    #[must_use]
    pub fn new(
        config: &SdkConfig,
        group: String,
        role_arn: String,
        queue_arn: String,
        dead_letters_arn: String,
    ) -> Self {
        Self {
            client: Client::new(config),
            group,
            role_arn,
            queue_arn,
            dead_letters_arn,
        }
    }

    /// Replaces a schedule that stands; `false` if there is none.
    async fn update(
        &self,
        operation: &'static str,
        deadline: &Deadline,
    ) -> Result<bool, PortError> {
        let Deadline { name, at, body } = deadline;
        let unbuilt = unbuilt(operation, name);
        let updated = self
            .client
            .update_schedule()
            .group_name(&self.group)
            .name(name)
            .schedule_expression(expression(*at))
            .schedule_expression_timezone("UTC")
            .flexible_time_window(window().map_err(&unbuilt)?)
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(self.target(body).map_err(&unbuilt)?)
            .send()
            .await;
        let Err(error) = updated else {
            return Ok(true);
        };
        let gone = error
            .as_service_error()
            .is_some_and(UpdateScheduleError::is_resource_not_found_exception);
        if gone {
            return Ok(false);
        }
        Err(failure(operation, name, &error))
    }

    /// Makes a schedule; `false` if one of its name stands.
    async fn create(&self, deadline: &Deadline) -> Result<bool, PortError> {
        let Deadline { name, at, body } = deadline;
        let unbuilt = unbuilt("set", name);
        let created = self
            .client
            .create_schedule()
            .group_name(&self.group)
            .name(name)
            .schedule_expression(expression(*at))
            .schedule_expression_timezone("UTC")
            .flexible_time_window(window().map_err(&unbuilt)?)
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(self.target(body).map_err(&unbuilt)?)
            .send()
            .await;
        let Err(error) = created else {
            return Ok(true);
        };
        let stands = error
            .as_service_error()
            .is_some_and(CreateScheduleError::is_conflict_exception);
        if stands {
            return Ok(false);
        }
        Err(failure("set", name, &error))
    }

    /// Whether a schedule stands and comes late enough to be replaced; `None` if none stands.
    async fn is_replaceable(
        &self,
        operation: &'static str,
        name: &str,
    ) -> Result<Option<bool>, PortError> {
        let found = self
            .client
            .get_schedule()
            .group_name(&self.group)
            .name(name)
            .send()
            .await;
        match found {
            Ok(schedule) => {
                let expression = schedule.schedule_expression().unwrap_or_default();
                Ok(Some(can_be_replaced(expression, Timestamp::now())))
            }
            Err(error) => {
                let gone = error
                    .as_service_error()
                    .is_some_and(GetScheduleError::is_resource_not_found_exception);
                if gone {
                    return Ok(None);
                }
                Err(failure(operation, name, &error))
            }
        }
    }

    /// Sets a deadline under one name; `false` if what stands there is about to come, or to go.
    async fn try_set(&self, deadline: &Deadline) -> Result<bool, PortError> {
        for _ in 0..MAX_RACES {
            if self.create(deadline).await? {
                return Ok(true);
            }
            match self.is_replaceable("set", &deadline.name).await? {
                Some(true) if self.update("set", deadline).await? => return Ok(true),
                Some(false) => return Ok(false),
                // It stood and was gone.
                Some(true) | None => {}
            }
        }
        Ok(false)
    }

    /// Removes a schedule, if it stands.
    async fn delete(&self, name: &str) -> Result<(), PortError> {
        let removed = self
            .client
            .delete_schedule()
            .group_name(&self.group)
            .name(name)
            .send()
            .await;
        match removed {
            Ok(_) => Ok(()),
            Err(error) => {
                let gone = error
                    .as_service_error()
                    .is_some_and(DeleteScheduleError::is_resource_not_found_exception);
                if gone {
                    return Ok(());
                }
                Err(failure("remove", name, &error))
            }
        }
    }

    fn target(&self, body: &str) -> Result<Target, BuildError> {
        let dead_letters = DeadLetterConfig::builder()
            .arn(&self.dead_letters_arn)
            .build();
        Target::builder()
            .arn(&self.queue_arn)
            .role_arn(&self.role_arn)
            .input(literal(body))
            .dead_letter_config(dead_letters)
            .build()
    }
}

/// The same JSON without the `<` of the keywords, such as `<aws.scheduler.execution-id>`, that
/// Scheduler would replace in it: keys of masters may hold them. In our messages it occurs in
/// strings only.
fn literal(body: &str) -> String {
    body.replace('<', "\\u003c")
}

/// `at(yyyy-mm-ddThh:mm:ss)` in UTC, rounded up, so that no deadline comes early.
fn expression(at: Timestamp) -> String {
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
fn names(name: &str) -> impl Iterator<Item = String> {
    let others = (2..=NAMES).map(move |number| format!("{name}.{number}"));
    std::iter::once(name.to_owned()).chain(others)
}

/// Whether a schedule comes late enough to be replaced.
fn can_be_replaced(expression: &str, now: Timestamp) -> bool {
    let time = expression
        .strip_prefix("at(")
        .and_then(|rest| rest.strip_suffix(')'));
    let at = time.and_then(|time| time.parse::<DateTime>().ok());
    let at = at.and_then(|at| at.to_zoned(TimeZone::UTC).ok());
    at.is_some_and(|at| at.timestamp().duration_since(now) > TOO_LATE)
}

fn window() -> Result<FlexibleTimeWindow, BuildError> {
    FlexibleTimeWindow::builder()
        .mode(FlexibleTimeWindowMode::Off)
        .build()
}

fn unbuilt(operation: &'static str, name: &str) -> impl Fn(BuildError) -> PortError {
    let name = name.to_owned();
    move |error| PortError::Schedule {
        operation,
        name: name.clone(),
        fault: Fault::Permanent,
        reason: error.to_string(),
    }
}

/// What a failed call means.
fn failure<E>(operation: &'static str, name: &str, error: &SdkError<E>) -> PortError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    let fault = match code {
        Some("ValidationException" | "AccessDeniedException" | "ServiceQuotaExceededException") => {
            Fault::Permanent
        }
        Some(_) | None => Fault::Transient,
    };
    PortError::Schedule {
        operation,
        name: name.to_owned(),
        fault,
        reason: DisplayErrorContext(error).to_string(),
    }
}

#[async_trait]
impl Scheduler for Schedules {
    async fn set(&self, deadline: Deadline) -> Result<(), PortError> {
        for name in names(&deadline.name) {
            let named = Deadline {
                name,
                ..deadline.clone()
            };
            if self.try_set(&named).await? {
                return Ok(());
            }
        }
        Err(PortError::Schedule {
            operation: "set",
            name: deadline.name,
            fault: Fault::Transient,
            reason: "all that stand of it are about to come".to_owned(),
        })
    }

    async fn postpone(&self, deadline: Deadline) -> Result<(), PortError> {
        for name in names(&deadline.name) {
            if self.is_replaceable("postpone", &name).await? == Some(true) {
                let named = Deadline {
                    name,
                    ..deadline.clone()
                };
                self.update("postpone", &named).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), PortError> {
        for name in names(name) {
            self.delete(&name).await?;
        }
        Ok(())
    }
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
