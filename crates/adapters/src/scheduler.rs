//! EventBridge Scheduler behind the port `Scheduler`: one-off schedules that delete themselves
//! and send their message to one queue.

mod schedule;

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
use jiff::Timestamp;

use schedule::{can_be_replaced, expression, literal, names};

use crate::pauses;

/// How often setting a deadline can find that one of its name has just come or gone.
const MAX_RACES: usize = 3;

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
        let update = self
            .client
            .update_schedule()
            .group_name(&self.group)
            .name(name)
            .schedule_expression(expression(*at))
            .schedule_expression_timezone("UTC")
            .flexible_time_window(window().map_err(&unbuilt)?)
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(self.target(body).map_err(&unbuilt)?);
        let updated = in_turn(|| update.clone().send()).await;
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
        let delete = self
            .client
            .delete_schedule()
            .group_name(&self.group)
            .name(name);
        match in_turn(|| delete.clone().send()).await {
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

/// Calls again, after growing pauses, while another call on the same schedule is in progress: of
/// two at a time AWS refuses one with `ConflictException`, which says nothing of the schedule.
async fn in_turn<T, E, Calling>(call: impl Fn() -> Calling) -> Result<T, SdkError<E>>
where
    E: ProvideErrorMetadata,
    Calling: Future<Output = Result<T, SdkError<E>>>,
{
    let mut answer = call().await;
    for pause in pauses() {
        let Err(error) = &answer else {
            break;
        };
        let code = error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code);
        if code != Some("ConflictException") {
            break;
        }
        tokio::time::sleep(pause).await;
        answer = call().await;
    }
    answer
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
