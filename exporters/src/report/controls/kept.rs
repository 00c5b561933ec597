//! How long the content of what agents do is kept: what the rules say, and what buckets have.

use crate::report::facts::Facts;
use crate::report::model::{Figure, Query, Unit};
use schemas::{Class, Period};

/// EU AI Act art. 19 and 26 (6): logs are kept for at least six months, of which the longest
/// have so many days.
const SIX_MONTHS_DAYS: u32 = 184;

fn short(period: Period) -> bool {
    match period {
        Period::Forever => false,
        Period::Days(days) => days < SIX_MONTHS_DAYS,
        Period::Months(months) => months < 6,
    }
}

/// `kept=six-months`: 1 where the rules in force name six months or more for class operation.
/// `kept=under-six-months`: the rule, if it names less, and each bucket that has not ended and
/// whose own period is less.
pub(super) fn figure(id: String, query: &Query, facts: &Facts) -> Figure {
    let too_short = query.filter.get("kept").is_some_and(|kept| kept != LONG);
    let class = Class::operation();
    let rule = facts.periods().and_then(|(moment, periods)| {
        let fits = short(*periods.get(&class)?) == too_short;
        fits.then_some(moment.position)
    });
    let open = facts.buckets().all().filter(|(id, bucket)| {
        let open = id.class == class && bucket.ended.is_none();
        too_short && open && bucket.period.is_some_and(short)
    });
    let open = open.map(|(_, bucket)| bucket.first);
    let found: Vec<u64> = rule.into_iter().chain(open).collect();
    Figure {
        id,
        value: found.len() as u64,
        unit: Unit::Count,
        query: query.clone().until(facts.period().until()),
        positions: found.into_iter().collect(),
    }
}

/// The word of `kept` for what is long enough.
pub(super) const LONG: &str = "six-months";
