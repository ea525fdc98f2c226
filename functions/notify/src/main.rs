//! Wires `notify` to AWS.

use std::sync::Arc;

use cattube_adapters::bus::EventBridge;
use cattube_adapters::clock::System;
use cattube_adapters::notices::Sns;
use cattube_adapters::queue::Sqs;
use cattube_adapters::table::DynamoDb;
use cattube_adapters::{lambda, load_aws};
use cattube_contract::{OwnerId, env};
use notify::Notify;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_logging();
    let aws = load_aws().await;
    let queues = env::read_pairs(env::DEAD_LETTERS)?.into_iter();
    lambda::run_consumer_and_api(Notify {
        table: Arc::new(DynamoDb::new(&aws, env::read(env::TICKETS_TABLE)?)),
        bus: Arc::new(EventBridge::new(&aws, env::read(env::BUS_NAME)?, "notify")),
        notices: Arc::new(Sns::new(&aws, env::read(env::PEOPLE_TOPIC_ARN)?)),
        parked: Arc::new(Sqs::new(&aws, env::read(env::PARKED_QUEUE_URL)?)),
        dead_letters: queues.map(|(queue, arn)| (arn, queue)).collect(),
        clock: Arc::new(System),
        entropy: Arc::new(System),
        api_base_url: env::read(env::API_BASE_URL)?,
        operator: OwnerId::of_subject(&env::read(env::OPERATOR_SUBJECT)?),
        link_for: env::read_seconds(env::TICKET_LINK_SECONDS)?,
    })
    .await
}
