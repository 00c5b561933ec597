//! Full files become immutable while the server runs, where `[protection]` asks for it.

use super::Node;
use super::work::pause;
use crate::protection::make_immutable;
use std::collections::HashSet;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A file is full a while before it is immutable.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

pub fn run(node: &Node, stop: &AtomicBool) {
    if !node.protection.immutable {
        return;
    }
    let (mut done, mut refused) = (HashSet::new(), false);
    while !stop.load(Ordering::Relaxed) {
        // Whoever ends content lifts the flag, and removes the file before it is set again.
        let one = node.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let made = make_immutable(node.reader.layout(), node.now(), &mut done);
        drop(one);
        if let Err(error) = &made
            && !refused
        {
            let why = format!("{error:#}");
            tracing::warn!(
                why,
                "full files stay without the immutable flag: setting it takes root (CAP_LINUX_IMMUTABLE) and a file system that knows it"
            );
        }
        refused = made.is_err(); // told once per outage
        pause(stop, LOOK_AGAIN);
    }
}
