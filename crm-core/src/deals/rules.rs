//! The rules of deals. The gates of their stages are in `pipelines::gates`.

use super::record::Deal;
use crate::{
    definitions::Definitions,
    pipelines::{
        place,
        record::{PipelineKind, StageKind},
    },
    rules::{Rules, Settle},
    schema::Record,
    value::{Decimal, Id, Money, Time},
};

impl Rules for Deal {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        place::fill(PipelineKind::Deal, &mut after.pipeline_id, &mut after.stage_id, cx.definitions);
        if after.value.is_some_and(|value| value.amount.is_negative()) {
            cx.faults.push("value", "too_small", "must not be negative");
        }
        let entered = before.is_none_or(|before| before.stage_id != after.stage_id);
        if let Some(stage) = place::stage(cx.definitions, after.stage_id).filter(|_| entered) {
            use super::record::DealFields as F;
            // What the stage says, unless this very input says otherwise.
            if !(cx.named)(F::probability as usize) || stage.kind != StageKind::Open {
                after.probability = Some(stage.probability);
            }
            if !(cx.named)(F::forecast_category as usize) {
                after.forecast_category = Some(stage.forecast_category);
            }
            let was_won = before.is_some_and(|before| before.stage_kind == StageKind::Won);
            match stage.kind {
                StageKind::Won if was_won => {}
                StageKind::Won | StageKind::Lost => {
                    if !(cx.named)(F::actual_close_date as usize) {
                        after.actual_close_date = Some(cx.occurred_at.date_in(cx.definitions.zone()));
                    }
                }
                StageKind::Open => {
                    after.actual_close_date = None;
                    if before.is_some_and(|before| before.stage_kind != StageKind::Open) {
                        after.close_reason = None;
                    }
                }
            }
        }
    }

    fn stamp(&mut self, changed: &dyn Fn(&str) -> bool, occurred_at: Time, _: Option<Id>) {
        if changed("stage_id") {
            self.stage_entered_at = Some(occurred_at);
        }
    }

    fn derive(&mut self, _: Time, definitions: &Definitions) {
        if let Some(stage) = place::stage(definitions, self.stage_id) {
            self.status.clone_from(&stage.key);
            self.stage_kind = stage.kind;
        }
        self.close_date = self.actual_close_date.or(self.expected_close_date);
        self.weighted_value = self.value.zip(self.probability).and_then(|(value, probability)| {
            let share = Decimal::new(rust_decimal::Decimal::new(probability, 2));
            Some(Money { amount: value.amount.times(share).ok()?, currency: value.currency })
        });
    }
}
