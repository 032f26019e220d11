//! What a score would gain: by one more event of a behaviour, by a fact that is not known yet. Worked out by the same
//! function as the score itself, so that caps, limits and what has already been counted are in it.

use std::sync::Arc;

use super::{
    compiled::{Compiled, CompiledEvent, CompiledGroup},
    facts::Facts,
    model::On,
};
use crate::model::value::Value;

/// What would raise a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gain {
    /// The key of the rule or behaviour.
    pub rule: Arc<str>,
    /// By how many thousandths of a point the total would rise now: of an unknown fact at most.
    pub points: i64,
    /// The fields of the record that are not known, and which the rule rests on; empty for a behaviour.
    pub unknown: Vec<Arc<str>>,
}

impl Compiled {
    /// What one more interaction of each behaviour would add to the score of some facts at this moment, and what facts
    /// that are not known yet may add, each by itself; nothing that would add nothing. The most first.
    pub fn gains(&self, facts: &Facts) -> Vec<Gain> {
        let mut gains: Vec<Gain> = self.groups.iter().flat_map(|group| self.gains_in(group, facts)).collect();
        gains.sort_by(|a, b| b.points.cmp(&a.points).then_with(|| a.rule.cmp(&b.rule)));
        gains
    }

    fn gains_in(&self, group: &CompiledGroup, facts: &Facts) -> Vec<Gain> {
        let sum = self.sum(group, facts);
        let raised = |by: i64| (sum + by).clamp(group.floor, group.cap) - sum.clamp(group.floor, group.cap);
        let events = group.behaviors.iter().filter(|behavior| matches!(behavior.event, CompiledEvent::Interaction(_)));
        let events = events.map(|behavior| {
            let (now, more) =
                (self.behavior(behavior, facts, None, |_| ()), self.behavior(behavior, facts, Some(self.at), |_| ()));
            Gain { rule: Arc::clone(&behavior.key), points: raised(more - now), unknown: Vec::new() }
        });
        let facts = group.rules.iter().filter_map(|rule| {
            let unknown = rule.reads.iter().filter(|(_, path)| is_unknown(path.value(&facts.record)));
            let unknown: Vec<Arc<str>> = unknown.map(|(name, _)| Arc::clone(name)).collect();
            let open = rule.on == On::Record && !unknown.is_empty() && !rule.when.holds(&facts.record);
            open.then(|| Gain { rule: Arc::clone(&rule.key), points: raised(rule.points), unknown })
        });
        events.chain(facts).filter(|gain| gain.points > 0).collect()
    }
}

/// True for a field that nobody has filled in.
fn is_unknown(value: &Value) -> bool {
    value.is_null() || matches!(value, Value::List(items) if items.is_empty())
}
