//! Once a day what may be done about retention; holds and erasures as soon as two people have signed.

use super::Node;
use super::work::pause;
use crate::outcome::Failure;
use crate::retention::{Deed, Keeper, Records};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two looks at what people have decided on.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

const DAILY: Duration = Duration::from_secs(24 * 3_600);

pub fn run(node: &Node, stop: &AtomicBool) {
    let (mut due, mut failing) = (Instant::now(), false);
    while !stop.load(Ordering::Relaxed) {
        let daily = Instant::now() >= due;
        let done = match daily {
            true => run_now(node),
            false => now(node, |keeper| keeper.settle()),
        };
        if daily {
            due = Instant::now() + DAILY;
        }
        match done {
            Ok(deeds) => {
                failing = false;
                for deed in deeds {
                    tracing::info!(?deed, "retention");
                }
            }
            Err(failure) => {
                if daily || !failing {
                    let why = format!("{:#}", failure.fault);
                    tracing::warn!(why, "retention: nothing more was done");
                }
                failing = true; // once per outage
            }
        }
        pause(stop, LOOK_AGAIN);
    }
}

/// What `daicho retention run` does.
pub fn run_now(node: &Node) -> Result<Vec<Deed>, Failure> {
    now(node, |keeper| keeper.run())
}

/// One at a time: two runs would ask for the same twice.
fn now(
    node: &Node,
    act: impl FnOnce(&Keeper) -> Result<Vec<Deed>, Failure>,
) -> Result<Vec<Deed>, Failure> {
    let one = node.keeping.lock().unwrap_or_else(PoisonError::into_inner);
    node.views.catch_up()?;
    let keeper = Keeper {
        appender: &node.appender,
        records: Records {
            reader: &node.reader,
            views: &node.views,
            authority: node.authority.as_deref(),
            now: node.now(),
        },
    };
    let done = act(&keeper);
    drop(one);
    done
}
