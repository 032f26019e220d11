//! Schemas of scores and likelihoods, which the core serializes.

use crm_core::{
    scoring::{On, Source},
    value::Choice as _,
};

use crate::openapi::{
    Item, any, array, boolean, choice, integer, members, number, or_null, reference, text, time, uuid,
};

/// A fact on which a contribution is based: a field's value, an interaction, a stage, a task, or one that the caller may
/// not see.
pub(in crate::routes) fn fact() -> Item {
    members([
        ("fact", choice(["field", "interaction", "stage", "task", "hidden"])),
        ("on?", choice(On::NAMES.iter().copied())),
        ("field?", text()),
        ("value?", any()),
        ("id?", uuid()),
        ("at?", time()),
        ("due_at?", time()),
    ])
}

pub(super) fn score() -> Item {
    let contribution = members([
        ("group", text()),
        ("rule", or_null(text())),
        ("source", choice(Source::NAMES.iter().copied())),
        ("points", integer()),
        ("facts", array(fact())),
    ]);
    members([
        ("record", reference("Ref")),
        ("model", text()),
        ("at", time()),
        ("known_at", time()),
        ("total", integer()),
        ("fit", integer()),
        ("engagement", integer()),
        ("grade", or_null(text())),
        ("is_hot", boolean()),
        ("contributions", array(contribution)),
    ])
}

pub(super) fn course() -> Item {
    let moment = members([
        ("at", time()),
        ("total", integer()),
        ("fit", integer()),
        ("engagement", integer()),
        ("grade", or_null(text())),
        ("is_hot", boolean()),
    ]);
    members([("model", text()), ("hot_threshold", or_null(integer())), ("moments", array(moment))])
}

pub(super) fn likelihood() -> Item {
    let contribution =
        members([("field", text()), ("with", or_null(text())), ("log_odds", number()), ("value", any())]);
    members([
        ("record", reference("Ref")),
        ("at", time()),
        ("confident", boolean()),
        ("probability", number()),
        ("log_odds", number()),
        ("base", number()),
        ("contributions", array(contribution)),
    ])
}
