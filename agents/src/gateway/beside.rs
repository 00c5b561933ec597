//! What leaves beside a body. It is not masked: a header is no text that anybody reads on, and
//! an address must lead where it leads.

use crate::masking::Masker;
use schemas::kinds::traffic::RuleCount;
use std::collections::BTreeMap;

/// The address and the headers of a request that would be sent.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Path and query, without escapes.
    pub address: String,
    /// `name: value`.
    pub headers: Vec<String>,
}

/// What the rules say of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Prohibited values anywhere, and personal ones in the address: nothing may leave.
    pub blocks: Vec<RuleCount>,
    /// Headers that hold something personal, by position: they stay here.
    pub withheld: Vec<usize>,
}

impl Beside {
    pub fn look(&self, masker: &Masker) -> Looked {
        // One text with empty lines between, over which no rule reads on.
        let mut text = self.address.clone();
        let mut ends = vec![text.chars().count()];
        for header in &self.headers {
            text.push_str("\n\n");
            text.push_str(header);
            ends.push(ends[ends.len() - 1] + 2 + header.chars().count());
        }
        let mut blocks: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut withheld = Vec::new();
        for span in masker.text(&text).spans {
            // 0 is the address.
            let line = ends.partition_point(|end| *end <= span.start);
            if span.kind.is_prohibited() || line == 0 {
                *blocks.entry(span.rule).or_default() += 1;
            } else {
                withheld.push(line - 1);
            }
        }
        withheld.dedup();
        let named = |(rule, count): (&str, u64)| RuleCount {
            rule: rule
                .parse()
                .expect("rules have sound names, a test says so"),
            count,
        };
        Looked {
            blocks: blocks.into_iter().map(named).collect(),
            withheld,
        }
    }
}

/// Counts of the same rules, put together and sorted.
pub(super) fn together(counts: [Vec<RuleCount>; 2]) -> Vec<RuleCount> {
    let mut all: Vec<RuleCount> = counts.concat();
    all.sort_by(|a, b| a.rule.cmp(&b.rule));
    all.dedup_by(|next, first| {
        let same = next.rule == first.rule;
        first.count += if same { next.count } else { 0 };
        same
    });
    all
}
