//! EventBridge Scheduler behind the port `Scheduler`: one-off schedules that delete themselves
//! and send their message to one queue.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_scheduler::operation::create_schedule::CreateScheduleError;
use aws_sdk_scheduler::operation::delete_schedule::DeleteScheduleError;
use aws_sdk_scheduler::operation::update_schedule::UpdateScheduleError;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, Target,
};
use aws_smithy_types::error::display::DisplayErrorContext;
use cattube_contract::Fault;
use cattube_ports::scheduler::Deadline;
use cattube_ports::{PortError, Scheduler};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How often setting a deadline can find that one of its name has just come or gone.
const MAX_RACES: usize = 3;

/// Where schedules are kept and whom they wake.
#[derive(Debug, Clone)]
pub struct Schedules {
    client: Client,
    group: String,
    role_arn: String,
    queue_arn: String,
}

impl Schedules {
    /// Schedules of the group `group` that send to `queue_arn` as `role_arn`.
    #[must_use]
    pub fn new(config: &SdkConfig, group: String, role_arn: String, queue_arn: String) -> Self {
        Self {
            client: Client::new(config),
            group,
            role_arn,
            queue_arn,
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
        Target::builder()
            .arn(&self.queue_arn)
            .role_arn(&self.role_arn)
            .input(body)
            .build()
    }
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

/// Beside a schedule stands another, for when a deadline is set again by the one that just came:
/// that one may delete itself after it was replaced.
fn second(name: &str) -> String {
    format!("{name}.2")
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
        if self.create(&deadline).await? {
            return Ok(());
        }
        // What stands there may be the one that just came, which deletes itself a moment later.
        let second = Deadline {
            name: second(&deadline.name),
            ..deadline
        };
        for _ in 0..MAX_RACES {
            if self.create(&second).await? || self.update("set", &second).await? {
                return Ok(());
            }
            // It stood and was gone: it has come, or was removed, in between.
        }
        Err(PortError::Schedule {
            operation: "set",
            name: second.name,
            fault: Fault::Transient,
            reason: "it came and went again and again".to_owned(),
        })
    }

    async fn postpone(&self, deadline: Deadline) -> Result<(), PortError> {
        self.update("postpone", &deadline).await?;
        let second = Deadline {
            name: second(&deadline.name),
            ..deadline
        };
        self.update("postpone", &second).await.map(drop)
    }

    async fn remove(&self, name: &str) -> Result<(), PortError> {
        self.delete(name).await?;
        self.delete(&second(name)).await
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
}
