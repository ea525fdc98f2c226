//! What Lambda hands over: batches of SQS messages and HTTP requests. Every message of a
//! batch stands for itself; a panic counts as its failure.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::outcome::{ApiHandler, MessageHandler};
use futures::FutureExt;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

/// Logs as JSON on standard output, one line each, at the level of `RUST_LOG`.
pub fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second start (tests) keeps the first.
    let _ = tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_current_span(false)
        .with_target(false)
        .try_init();
}

/// Handles every message of a batch; returns the report of those that failed.
pub async fn handle_batch<H: MessageHandler>(handler: &H, batch: SqsEvent) -> Value {
    let mut failures = Vec::new();
    for message in batch.records {
        let id = message.message_id.clone().unwrap_or_default();
        if !handle_message(handler, &message).await {
            failures.push(json!({ "itemIdentifier": id }));
        }
    }
    json!({ "batchItemFailures": failures })
}

/// Handles one message and says in one log line how it went.
async fn handle_message<H: MessageHandler>(handler: &H, message: &SqsMessage) -> bool {
    let message_id = message.message_id.as_deref().unwrap_or_default();
    let receives = message
        .attributes
        .get("ApproximateReceiveCount")
        .map_or("1", String::as_str);
    let body = message.body.as_deref().unwrap_or_default();
    match AssertUnwindSafe(handler.handle(body)).catch_unwind().await {
        Ok(Ok(outcome)) => {
            if let Some(metadata) = outcome.metadata {
                info!(action = outcome.action, video_id = %metadata.video_id, event_id = %metadata.event_id, attempt = metadata.attempt, message_id, receives);
            } else {
                info!(action = outcome.action, message_id, receives);
            }
            true
        }
        Ok(Err(error)) => {
            error!(action = "failed", %error, message_id, receives);
            false
        }
        Err(_) => {
            error!(action = "panicked", message_id, receives);
            false
        }
    }
}

/// Answers one HTTP request; an error of ours is a 500 without its text.
pub async fn answer<H: ApiHandler>(handler: &H, request: ApiGatewayV2httpRequest) -> Value {
    let request = match to_request(request) {
        Ok(request) => request,
        Err(reason) => return to_payload(&ApiResponse::problem(400, "Bad request", &reason)),
    };
    let route = request.route.clone();
    let response = match AssertUnwindSafe(handler.answer(request))
        .catch_unwind()
        .await
    {
        Ok(Ok(response)) => {
            info!(action = "answered", route, status = response.status);
            response
        }
        Ok(Err(error)) => {
            error!(action = "failed", route, %error);
            ApiResponse::problem(500, "Internal error", "it has been logged; try again later")
        }
        Err(_) => {
            error!(action = "panicked", route);
            ApiResponse::problem(500, "Internal error", "it has been logged; try again later")
        }
    };
    to_payload(&response)
}

fn to_request(request: ApiGatewayV2httpRequest) -> Result<ApiRequest, String> {
    let body = request.body.unwrap_or_default();
    let body = if request.is_base64_encoded {
        aws_smithy_types::base64::decode(body).map_err(|error| format!("body: {error}"))?
    } else {
        body.into_bytes()
    };
    let headers = request
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((
                name.as_str().to_lowercase(),
                value.to_str().ok()?.to_owned(),
            ))
        })
        .collect();
    let subject = request
        .request_context
        .authorizer
        .and_then(|authorizer| authorizer.jwt)
        .and_then(|jwt| jwt.claims.get("sub").cloned());
    let query = request
        .query_string_parameters
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok(ApiRequest {
        route: request.route_key.unwrap_or_default(),
        path: request.path_parameters.into_iter().collect(),
        query,
        headers,
        subject,
        body,
    })
}

fn to_payload(response: &ApiResponse) -> Value {
    let body = if response.body.is_null() {
        String::new()
    } else {
        response.body.to_string()
    };
    json!({
        "statusCode": response.status,
        "headers": { "content-type": response.content_type, "cache-control": "no-store" },
        "body": body,
        "isBase64Encoded": false,
    })
}

/// Serves a function that is woken by queues only.
///
/// # Errors
/// If the runtime ends.
pub async fn run_consumer<H: MessageHandler + 'static>(handler: H) -> Result<(), Error> {
    let handler = Arc::new(handler);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| {
        let handler = Arc::clone(&handler);
        async move { Ok::<_, Error>(handle_batch(handler.as_ref(), event.payload).await) }
    }))
    .await
}

/// Serves a function that is woken by HTTP only.
///
/// # Errors
/// If the runtime ends.
pub async fn run_api<H: ApiHandler + 'static>(handler: H) -> Result<(), Error> {
    let handler = Arc::new(handler);
    lambda_runtime::run(service_fn(
        move |event: LambdaEvent<ApiGatewayV2httpRequest>| {
            let handler = Arc::clone(&handler);
            async move { Ok::<_, Error>(answer(handler.as_ref(), event.payload).await) }
        },
    ))
    .await
}

/// Serves a function that is woken by both; the payload's shape tells which.
///
/// # Errors
/// If the runtime ends.
pub async fn run_consumer_and_api<H>(handler: H) -> Result<(), Error>
where
    H: MessageHandler + ApiHandler + 'static,
{
    let handler = Arc::new(handler);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let handler = Arc::clone(&handler);
        async move {
            if event.payload.get("Records").is_some() {
                let batch = serde_json::from_value(event.payload)?;
                return Ok::<_, Error>(handle_batch(handler.as_ref(), batch).await);
            }
            let request = serde_json::from_value(event.payload)?;
            Ok(answer(handler.as_ref(), request).await)
        }
    }))
    .await
}
