//! Evaluation: a pure function from facts to a score. Points are whole thousandths, rounded once per contribution; the
//! score is their sum. Decay is computed with `libm`, so that the result is the same to the last bit on every
//! processor.

use std::{collections::VecDeque, hint::black_box, sync::Arc};

use super::{
    compiled::{Compiled, CompiledBehavior, CompiledEvent, CompiledGroup},
    facts::Facts,
    model::{Axis, Decay},
    score::{Contribution, Fact, Points, Source},
};
use crate::model::{schema::Image, value::Time};

const MICROS_A_DAY: f64 = 86_400_000_000.0;

impl Compiled {
    /// Returns the points of some facts at the time for which the model was compiled, in time O(rules + events ×
    /// behaviors). Allocates only the grade.
    pub fn points(&self, facts: &Facts) -> Points {
        self.fetch(&facts.record);
        let mut sums = [0_i64; 2];
        for group in &self.groups {
            let sum = self.sum(group, facts);
            sums[usize::from(group.axis == Axis::Engagement)] += sum.clamp(group.floor, group.cap);
        }
        self.points_of(sums)
    }

    /// Like `points`, with contributions that sum to the total exactly, in the order of the model.
    pub fn explain(&self, facts: &Facts) -> (Points, Vec<Contribution>) {
        self.fetch(&facts.record);
        let mut sums = [0_i64; 2];
        let mut contributions = Vec::with_capacity(8);
        for group in &self.groups {
            let sum = self.sum_explained(group, facts, &mut contributions);
            let bounded = sum.clamp(group.floor, group.cap);
            if bounded != sum {
                let source = if bounded < sum { Source::Cap } else { Source::Floor };
                contributions.push(Contribution {
                    group: Arc::clone(&group.key),
                    rule: None,
                    source,
                    points: bounded - sum,
                    facts: Vec::new(),
                });
            }
            sums[usize::from(group.axis == Axis::Engagement)] += bounded;
        }
        (self.points_of(sums), contributions)
    }

    /// Touches all values that rules will examine before evaluating any rule: cache misses of a record then overlap
    /// instead of stalling once per field.
    fn fetch(&self, image: &Image) {
        let values = self.looks.iter().filter_map(|at| image.values.get(*at));
        let filled = values.clone().fold(0_usize, |filled, value| filled + usize::from(!value.is_null()));
        let texts = values.fold(0_usize, |sum, value| {
            sum + value.as_text().and_then(|text| text.as_bytes().first()).map_or(0, |first| usize::from(*first))
        });
        black_box(filled + texts);
    }

    fn points_of(&self, [fit, engagement]: [i64; 2]) -> Points {
        let total = fit + engagement;
        Points {
            total,
            fit,
            engagement,
            grade: self.grades.map(|grades| grades.grade(fit, engagement)),
            is_hot: self.hot_threshold.is_some_and(|threshold| total >= threshold),
        }
    }

    pub(super) fn sum(&self, group: &CompiledGroup, facts: &Facts) -> i64 {
        let holds =
            |rule: &&super::compiled::CompiledRule| facts.on(rule.on).is_some_and(|image| rule.when.holds(image));
        let rules: i64 = group.rules.iter().filter(holds).map(|rule| rule.points).sum();
        let behaviors: i64 = group.behaviors.iter().map(|behavior| self.behavior(behavior, facts, None, |_| ())).sum();
        rules + behaviors
    }

    fn sum_explained(&self, group: &CompiledGroup, facts: &Facts, contributions: &mut Vec<Contribution>) -> i64 {
        let mut sum = 0;
        for rule in &group.rules {
            let Some(image) = facts.on(rule.on).filter(|image| rule.when.holds(image)) else { continue };
            let read = rule.reads.iter().map(|(field, path)| Fact::Field {
                on: rule.on,
                field: Arc::clone(field),
                value: path.value(image).clone(),
            });
            sum += rule.points;
            contributions.push(Contribution {
                group: Arc::clone(&group.key),
                rule: Some(Arc::clone(&rule.key)),
                source: Source::Rule,
                points: rule.points,
                facts: read.collect(),
            });
        }
        for behavior in &group.behaviors {
            let mut counted = Vec::new();
            let points = self.behavior(behavior, facts, None, |fact| counted.push(fact));
            if counted.is_empty() {
                continue;
            }
            sum += points;
            contributions.push(Contribution {
                group: Arc::clone(&group.key),
                rule: Some(Arc::clone(&behavior.key)),
                source: Source::Behavior,
                points,
                facts: counted,
            });
        }
        sum
    }

    /// The points of a behavior: the sum over the events that count, in order, rounded once. With `more`, as if there
    /// were one more event at that time, after all others.
    pub(super) fn behavior(
        &self,
        behavior: &CompiledBehavior,
        facts: &Facts,
        more: Option<Time>,
        mut counted: impl FnMut(Fact),
    ) -> i64 {
        let mut window = Window { limit: behavior.limit, recent: VecDeque::new() };
        let (mut events, mut sum) = (0_i64, 0.0_f64);
        #[allow(clippy::cast_precision_loss)] // points are at most a thousand million
        let points = behavior.points as f64;
        let mut count = |at: Time, fact: Fact| {
            if window.counts(at) {
                events += 1;
                sum += points * left(behavior.decay, self.at.since(at));
                counted(fact);
            }
        };
        match &behavior.event {
            CompiledEvent::Interaction(when) => {
                for (at, image) in facts.interactions.iter().filter(|(_, image)| when.holds(image)) {
                    count(*at, Fact::Interaction { id: image.id.typed(), at: *at });
                }
            }
            CompiledEvent::Stage(stages) => {
                for &(at, stage) in facts.stages.iter().filter(|(_, id)| stages.is_empty() || stages.contains(id)) {
                    count(at, Fact::Stage { id: stage, at });
                }
            }
        }
        if let Some(at) = more {
            count(at, Fact::Hidden);
        }
        match behavior.decay {
            Decay::None => behavior.points * events,
            #[allow(clippy::cast_possible_truncation)] // at most a thousand million times ten thousand
            _ => libm::round(sum) as i64,
        }
    }

    /// Returns `true` if the points of some facts change with time alone.
    pub fn fades(&self, facts: &Facts) -> bool {
        let fading = |behavior: &CompiledBehavior| {
            let days = match behavior.decay {
                Decay::None => return false,
                Decay::LinearDays(days) => f64::from(days),
                // After thirty half-lives less than a thousandth is left of a million points; the rest is not
                // noticeable.
                Decay::HalfLifeDays(days) => f64::from(days) * 40.0,
            };
            let is_fresh = |at: Time| age_days(self.at.since(at)) < days;
            match &behavior.event {
                CompiledEvent::Interaction(when) => {
                    facts.interactions.iter().any(|(at, image)| is_fresh(*at) && when.holds(image))
                }
                CompiledEvent::Stage(stages) => {
                    facts.stages.iter().any(|(at, id)| is_fresh(*at) && (stages.is_empty() || stages.contains(id)))
                }
            }
        };
        self.needs.relative || self.groups.iter().flat_map(|group| &group.behaviors).any(fading)
    }
}

/// The events that count within a limit.
struct Window {
    limit: Option<(usize, i64)>,
    recent: VecDeque<Time>,
}

impl Window {
    fn counts(&mut self, at: Time) -> bool {
        let Some((times, within)) = self.limit else { return true };
        while self.recent.front().is_some_and(|first| at.since(*first) >= within) {
            self.recent.pop_front();
        }
        let counts = self.recent.len() < times;
        if counts {
            self.recent.push_back(at);
        }
        counts
    }
}

#[allow(clippy::cast_precision_loss)] // a microsecond more or less in three hundred years
fn age_days(micros: i64) -> f64 {
    micros as f64 / MICROS_A_DAY
}

/// The fraction of an event's points that remains after some microseconds.
fn left(decay: Decay, micros: i64) -> f64 {
    let days = age_days(micros.max(0));
    match decay {
        Decay::None => 1.0,
        Decay::LinearDays(over) => (1.0 - days / f64::from(over)).max(0.0),
        Decay::HalfLifeDays(half) => libm::exp2(-days / f64::from(half)),
    }
}
