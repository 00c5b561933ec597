//! Of overlapping finds, which ones stand.

use super::{Evidence, SpanKind};
use std::collections::BTreeMap;

/// A find at scalars of the original.
#[derive(Clone)]
pub(super) struct Hit {
    pub start: usize,
    pub end: usize,
    pub kind: SpanKind,
    pub rule: &'static str,
    pub evidence: Evidence,
    pub replacement: String,
    pub value: String,
}

/// Finds that do not overlap, in order. What must never leave goes before what is masked,
/// formats before guesses, the longer before the shorter; overlapping finds of one prohibited
/// kind become one, so that no end of a value is left standing.
pub(super) fn resolve(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.retain(|hit| hit.start < hit.end);
    hits.sort_by(|a, b| {
        a.kind
            .rank()
            .cmp(&b.kind.rank())
            .then((b.end - b.start).cmp(&(a.end - a.start)))
            .then(a.start.cmp(&b.start))
    });
    // By place, none overlapping another: rivals are looked up, and nothing is moved to make room.
    let mut kept: BTreeMap<usize, Hit> = BTreeMap::new();
    for hit in hits {
        let rivals: Vec<usize> = kept
            .range(..hit.end)
            .rev()
            .take_while(|(_, rival)| rival.end > hit.start)
            .map(|(start, _)| *start)
            .collect();
        match rivals.as_slice() {
            [] => {
                kept.insert(hit.start, hit);
            }
            _ if hit.kind.is_prohibited() => {
                // Stretch the first rival over the whole: nothing of either may stay.
                // What is kept by now is prohibited too: it ranks before everything else.
                let (mut end, mut stretched) = (hit.end, None);
                for start in &rivals {
                    let rival = kept.remove(start);
                    end = end.max(rival.as_ref().map_or(0, |rival| rival.end));
                    stretched = rival;
                }
                if let Some(mut first) = stretched {
                    first.start = first.start.min(hit.start);
                    first.end = end;
                    kept.insert(first.start, first);
                }
            }
            // Two readings of one kind that overlap in part: cover both, say what the longer says.
            [only] if hit.kind == SpanKind::Address => {
                if let Some(mut first) = kept.remove(only) {
                    if first.kind == hit.kind {
                        first.start = first.start.min(hit.start);
                        first.end = first.end.max(hit.end);
                    }
                    kept.insert(first.start, first);
                }
            }
            _ => {}
        }
    }
    // Stretched finds may have come to overlap.
    let mut out: Vec<Hit> = Vec::with_capacity(kept.len());
    for hit in kept.into_values() {
        match out.last_mut() {
            Some(last) if hit.start < last.end => last.end = last.end.max(hit.end),
            _ => out.push(hit),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(start: usize, end: usize, kind: SpanKind) -> Hit {
        Hit {
            start,
            end,
            kind,
            rule: "r",
            evidence: Evidence::of("a test"),
            replacement: String::new(),
            value: String::new(),
        }
    }

    #[test]
    fn the_stricter_and_the_longer_win() {
        let kept = resolve(vec![
            hit(0, 4, SpanKind::Person),
            hit(2, 9, SpanKind::Email),
            hit(20, 24, SpanKind::Person),
            hit(20, 22, SpanKind::Person),
            hit(5, 12, SpanKind::Secret),
        ]);
        let places: Vec<_> = kept.iter().map(|h| (h.start, h.end, h.kind)).collect();
        assert_eq!(
            places,
            [
                (0, 4, SpanKind::Person),
                (5, 12, SpanKind::Secret),
                (20, 24, SpanKind::Person)
            ]
        );
    }

    #[test]
    fn finds_that_come_out_of_order_take_no_more_than_linear_time() {
        // The long ones are kept first, and each short one stands between two of them.
        let time = |count: usize| {
            let finds = (0..count).map(|n| hit(n * 10, n * 10 + 3 + n % 2 * 4, SpanKind::Person));
            let finds = finds.collect();
            let begin = std::time::Instant::now();
            assert_eq!(resolve(finds).len(), count);
            begin.elapsed()
        };
        // A busy machine is slow for a while, a quadratic rule always: it takes 16 times as long.
        let (mut once, mut four) = (std::time::Duration::MAX, std::time::Duration::MAX);
        for _ in 0..20 {
            (once, four) = (once.min(time(20_000)), four.min(time(80_000)));
            if four < once * 10 {
                return;
            }
        }
        panic!("{once:?}, then {four:?}");
    }

    #[test]
    fn overlapping_prohibited_finds_leave_no_end() {
        let kept = resolve(vec![
            hit(0, 10, SpanKind::Secret),
            hit(8, 20, SpanKind::Card),
            hit(18, 30, SpanKind::Insider),
        ]);
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].start, kept[0].end), (0, 30));
    }
}
