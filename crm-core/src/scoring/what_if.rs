//! Possible gains of a score: by one more event of a behavior, or by a fact that is not known yet. They are computed by
//! the same function as the score, so that caps, limits and counted events are taken into account.

use std::sync::Arc;

use super::{
    compiled::{Compiled, CompiledEvent, CompiledGroup},
    facts::Facts,
    model::On,
};
use crate::model::value::Value;

/// A possible gain of a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhatIf {
    /// The key of the rule or behavior.
    pub rule: Arc<str>,
    /// The increase of the total in thousandths of a point; for an unknown fact the maximum increase.
    pub points: i64,
    /// The unknown fields of the record on which the rule depends; empty for a behavior.
    pub unknown: Vec<Arc<str>>,
}

impl Compiled {
    /// Returns how much one more interaction of each behavior would add to the score of some facts, and how much
    /// unknown facts may add, each on its own. Gains of zero are omitted; the largest is first.
    pub fn gains(&self, facts: &Facts) -> Vec<WhatIf> {
        let mut gains: Vec<WhatIf> = self.groups.iter().flat_map(|group| self.gains_in(group, facts)).collect();
        gains.sort_by(|a, b| b.points.cmp(&a.points).then_with(|| a.rule.cmp(&b.rule)));
        gains
    }

    fn gains_in(&self, group: &CompiledGroup, facts: &Facts) -> Vec<WhatIf> {
        let sum = self.sum(group, facts);
        let raised = |by: i64| (sum + by).clamp(group.floor, group.cap) - sum.clamp(group.floor, group.cap);
        let events = group.behaviors.iter().filter(|behavior| matches!(behavior.event, CompiledEvent::Interaction(_)));
        let events = events.map(|behavior| {
            let (now, more) =
                (self.behavior(behavior, facts, None, |_| ()), self.behavior(behavior, facts, Some(self.at), |_| ()));
            WhatIf { rule: Arc::clone(&behavior.key), points: raised(more - now), unknown: Vec::new() }
        });
        let facts = group.rules.iter().filter_map(|rule| {
            let unknown = rule.reads.iter().filter(|(_, path)| is_unknown(path.value(&facts.record)));
            let unknown: Vec<Arc<str>> = unknown.map(|(name, _)| Arc::clone(name)).collect();
            let open = rule.on == On::Record && !unknown.is_empty() && !rule.when.holds(&facts.record);
            open.then(|| WhatIf { rule: Arc::clone(&rule.key), points: raised(rule.points), unknown })
        });
        events.chain(facts).filter(|gain| gain.points > 0).collect()
    }
}

/// `true` for an empty field.
fn is_unknown(value: &Value) -> bool {
    value.is_null() || matches!(value, Value::List(items) if items.is_empty())
}
