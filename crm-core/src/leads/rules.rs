//! The rules of leads. The gates of their stages are in `pipelines::gates`.

use super::record::{Lead, LeadFields};
use crate::{
    engine::{
        definitions::Definitions,
        rules::{Rules, Settle},
        stages::place,
    },
    model::{
        records::{pipeline::PipelineKind, user::User},
        schema::Record,
        value::{FaultCode, Id, Time},
    },
    users::rules::full_name,
};

impl Rules for Lead {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        // The name follows first and last name unless a different one was given, now or earlier.
        let made = full_name(after.first_name.as_deref(), after.last_name.as_deref());
        let follows = before.is_some_and(|before| {
            before.name == after.name
                && full_name(before.first_name.as_deref(), before.last_name.as_deref()).as_deref()
                    == Some(before.name.as_str())
        });
        if let Some(made) = made
            && (after.name.is_empty() || follows && !(cx.named)(LeadFields::name as usize))
        {
            after.name = made;
        }
        place::fill(PipelineKind::Lead, &mut after.pipeline_id, &mut after.stage_id, cx.definitions);
        if let Some(stage) = place::stage(cx.definitions, after.stage_id)
            && before.is_some_and(|before| before.stage_id != after.stage_id)
            && !cx.verbatim
        {
            let named = (cx.named)(LeadFields::unqualified_reason as usize);
            let moved = (before.map(|before| before.stage_kind), stage.kind);
            let was = before.map(|before| &before.unqualified_reason);
            place::keep_explanation(moved, was, &mut after.unqualified_reason, named);
        }
        if after.annual_revenue.is_some_and(|revenue| revenue.amount.is_negative()) {
            cx.faults.push("annual_revenue", FaultCode::TooSmall, "must not be negative");
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
    }
}
