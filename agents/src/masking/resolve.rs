//! Of overlapping finds, which ones stand.

use super::{Evidence, SpanKind};

/// A find at scalars of the original.
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
    let mut kept: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits {
        // `kept` is sorted by place: a binary search finds the rivals.
        let from = kept.partition_point(|k| k.end <= hit.start);
        let to = kept.partition_point(|k| k.start < hit.end);
        if from == to {
            kept.insert(from, hit);
        } else if hit.kind.is_prohibited() {
            // Stretch the first rival over the whole: nothing of either may stay.
            let rivals = kept.drain(from + 1..to).map(|k| k.end).max();
            let first = &mut kept[from];
            if first.kind.is_prohibited() {
                first.start = first.start.min(hit.start);
                first.end = first.end.max(hit.end).max(rivals.unwrap_or(0));
            }
        } else if to - from == 1 && kept[from].kind == hit.kind {
            let first = &mut kept[from];
            // Two readings of one kind that overlap in part: cover both, say what the longer says.
            if hit.kind == SpanKind::Address {
                first.start = first.start.min(hit.start);
                first.end = first.end.max(hit.end);
            }
        }
    }
    // Stretched finds may have come to overlap.
    let mut out: Vec<Hit> = Vec::with_capacity(kept.len());
    for hit in kept {
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
