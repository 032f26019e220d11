//! The rules of deals. The gates of their stages are in `pipelines::gates`.

use super::record::Deal;
use crate::{
    engine::{
        definitions::Definitions,
        rules::{Rules, Settle},
        stages::place,
    },
    model::{
        records::{
            pipeline::{PipelineKind, Stage},
            user::User,
        },
        schema::Record,
        value::{Decimal, FaultCode, Id, Money, Time},
    },
};

impl Rules for Deal {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        place::fill(PipelineKind::Deal, &mut after.pipeline_id, &mut after.stage_id, cx.definitions);
        if after.value.is_some_and(|value| value.amount.is_negative()) {
            cx.faults.push("value", FaultCode::TooSmall, "must not be negative");
        }
        if let Some(stage) = place::stage(cx.definitions, after.stage_id) {
            let entered = before.is_none_or(|before| before.stage_id != after.stage_id);
            follow_stage(before, after, stage, entered, cx);
        }
    }

    fn stamp(&mut self, changed: &dyn Fn(&str) -> bool, occurred_at: Time, _: Option<Id<User>>) {
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

/// Takes the values of the stage, unless the same input sets them.
fn follow_stage(before: Option<&Record<Deal>>, after: &mut Deal, stage: &Stage, entered: bool, cx: &mut Settle<'_>) {
    use super::record::DealFields as F;
    let named = |field: F| (cx.named)(field as usize);
    // The probability of a won or lost deal is that of its stage, whatever the input says.
    if !stage.kind.is_open() || entered && !named(F::probability) {
        after.probability = Some(stage.probability);
    }
    if entered && !named(F::forecast_category) {
        after.forecast_category = Some(stage.forecast_category);
    }
    let was = before.map(|before| before.stage_kind);
    if entered && !cx.verbatim {
        let moved = (was, stage.kind);
        let (reason, note) = (before.map(|before| &before.close_reason), before.map(|before| &before.close_note));
        place::keep_explanation(moved, reason, &mut after.close_reason, named(F::close_reason));
        place::keep_explanation(moved, note, &mut after.close_note, named(F::close_note));
    }
    if stage.kind.is_open() {
        let sent_back = entered && before.is_some_and(|before| before.actual_close_date == after.actual_close_date);
        if after.actual_close_date.is_some() && named(F::actual_close_date) && !sent_back {
            cx.faults.push("actual_close_date", FaultCode::NotClosed, "can only be set on a won or lost deal");
        }
        after.actual_close_date = None;
        return;
    }
    // A move between stages of the same kind does not close the deal: the date stays.
    let closes = entered && (was != Some(stage.kind) || after.actual_close_date.is_none());
    if closes && !named(F::actual_close_date) {
        after.actual_close_date = Some(cx.occurred_at.date_in(cx.definitions.zone()));
    }
}
