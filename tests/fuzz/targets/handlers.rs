//! The functions themselves: whatever a queue, the gateway or a bucket hands over, no handler
//! panics, and the API never answers that the fault is its own.

use std::sync::Arc;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use cattube_adapters::lambda;
use cattube_contract::plan::Quality;
use cattube_ports::encoder::EncoderExit;
use cattube_ports::fakes::{FaultPlan, MemoryEncoder, RunFiles};
use cattube_ports::outcome::MessageHandler;
use cattube_tests::world::World;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::text;
use crate::guard::Target;
use crate::json;
use crate::random::Random;
use crate::seeds::Seeds;

/// A world whose encoder fails.
fn world() -> World {
    let encoder = MemoryEncoder::new(FaultPlan::none(), |_, _| {
        let exit = EncoderExit {
            success: false,
            stderr: String::new(),
            stdout: Vec::new(),
        };
        (exit, RunFiles::new())
    });
    World::new(Arc::new(encoder), Quality::Crf(23), &FaultPlan::none())
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

pub fn all(seeds: &Seeds) -> Vec<Target<'_>> {
    let message = |random: &mut Random| {
        let (seed, other) = (random.pick(&seeds.messages), random.pick(&seeds.messages));
        json::mutate(random, seed, other)
    };
    let request = |random: &mut Random| {
        let seed = random.pick(&seeds.requests);
        let other = &random.pick(&seeds.requests).payload;
        let payload = json::mutate(random, &seed.payload, other);
        format!("{}\n{payload}", seed.function)
    };
    let mut targets = vec![
        text("queue-message", message, handled()),
        text("api-request", request, answered()),
    ];
    for target in &mut targets {
        target.weight = 4;
    }
    targets
}

/// Every consumer gets it: a body that is another's is a bad one too.
fn handled() -> impl Fn(&str) -> Result<bool, String> {
    let runtime = runtime();
    move |body| {
        let world = world();
        Ok(runtime.block_on(async {
            let mut taken = world.ingest.handle(body).await.is_ok();
            taken |= world.plan.handle(body).await.is_ok();
            taken |= world.transcode.handle(body).await.is_ok();
            taken |= world.assemble.handle(body).await.is_ok();
            taken |= world.manage.handle(body).await.is_ok();
            taken |= world.retry.handle(body).await.is_ok();
            taken
        }))
    }
}

fn answered() -> impl Fn(&str) -> Result<bool, String> {
    let runtime = runtime();
    move |input| {
        let Some((function, payload)) = input.split_once('\n') else {
            return Ok(false);
        };
        let Ok(request) = serde_json::from_str::<ApiGatewayV2httpRequest>(payload) else {
            return Ok(false);
        };
        let world = world();
        let answer: Value = match function {
            "upload" => runtime.block_on(lambda::answer(&world.upload, request)),
            "manage" => runtime.block_on(lambda::answer(&world.manage, request)),
            other => return Err(format!("{other} has no API")),
        };
        match answer["statusCode"].as_u64() {
            Some(200..=299) => Ok(true),
            Some(400..=499) => Ok(false),
            status => Err(format!("status {status:?}: {answer}")),
        }
    }
}
