//! The condition itself, on the table's twin: of all that have loaded one version, exactly one
//! saves. The model takes this for granted; the real table is held to the same end to end.

use cattube_ports::fakes::{FaultPlan, MemoryTable};
use cattube_ports::{PortError, Table};
use serde_json::json;

const RACERS: usize = 4;

/// Every order in which racers load and then save, each twice.
fn orders(left: [u8; RACERS], order: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
    if left == [0; RACERS] {
        all.push(order.clone());
    }
    for racer in 0..RACERS {
        if left[racer] > 0 {
            let mut left = left;
            left[racer] -= 1;
            order.push(racer);
            orders(left, order, all);
            order.pop();
        }
    }
}

#[tokio::test]
async fn of_all_that_loaded_a_version_exactly_one_saves() {
    let mut all = Vec::new();
    orders([2; RACERS], &mut Vec::new(), &mut all);
    for order in &all {
        let table = MemoryTable::new(FaultPlan::none());
        let mut loaded: [Option<Option<u64>>; RACERS] = [None; RACERS];
        let mut wins = Vec::new();
        let mut tries = std::collections::BTreeSet::new();
        for racer in order {
            let Some(version) = loaded[*racer] else {
                let item = table.load("p", "s").await.unwrap();
                loaded[*racer] = Some(item.map(|item| item.version));
                continue;
            };
            tries.insert(version);
            match table.save("p", "s", version, &json!(racer)).await {
                Ok(()) => wins.push(version),
                Err(error) => assert!(matches!(error, PortError::Conflict { .. }), "{error}"),
            }
        }
        let mut once = wins.clone();
        once.dedup();
        assert_eq!(wins, once, "{order:?}");
        assert_eq!(wins.len(), tries.len(), "one winner a version: {order:?}");
    }
    println!(
        "model: {} orders of {RACERS} racers for a version",
        all.len()
    );
}
