//! Schemas of the reports, which the core serializes.

use crm_core::{
    pipelines::{PipelineKind, StageKind},
    value::Choice as _,
};

use crate::openapi::{
    Item, array, choice, date, decimal, either, integer, map_of, members, number, or_null, text, time, uuid,
};

/// Amounts: by currency, and in the base currency as far as rates are known.
fn sums() -> Item {
    let in_base = members([
        ("n", integer()),
        ("sum", decimal()),
        ("average", decimal()),
        ("median", decimal()),
        ("min", decimal()),
        ("max", decimal()),
    ]);
    members([
        ("by_currency", map_of(decimal())),
        ("in_base", or_null(in_base)),
        ("without_rate", integer()),
        ("out_of_range", integer()),
    ])
}

/// A number of days.
fn spread() -> Item {
    members([
        ("n", integer()),
        ("mean", number()),
        ("median", number()),
        ("min", integer()),
        ("max", integer()),
        ("sum", integer()),
    ])
}

/// Tables of groups with these figures.
fn tables(figures: Item) -> Item {
    let group = members([("keys", array(or_null(text()))), ("names", array(or_null(text()))), ("figures", figures)]);
    array(members([("by", array(either([text(), map_of(text())]))), ("groups", array(group))]))
}

fn rates() -> Item {
    array(members([("currency", text()), ("day", date()), ("rate", decimal()), ("amounts", integer())]))
}

fn missing_rates() -> Item {
    array(members([
        ("currency", text()),
        ("amounts", integer()),
        ("sum", decimal()),
        ("first_day", date()),
        ("last_day", date()),
    ]))
}

pub(super) fn sales() -> Item {
    let days = || or_null(spread());
    let figures = || {
        members([
            ("deals", integer()),
            ("won", integer()),
            ("lost", integer()),
            ("open", integer()),
            ("win_rate", or_null(number())),
            ("won_value", sums()),
            ("won_without_value", integer()),
            ("cycle", members([("won", days()), ("lost", days()), ("closed", days()), ("left_out", integer())])),
        ])
    };
    members([
        ("overall", figures()),
        ("tables", tables(figures())),
        ("base_currency", text()),
        ("rates", rates()),
        ("missing_rates", missing_rates()),
    ])
}

pub(super) fn pipeline() -> Item {
    let open =
        || members([("deals", integer()), ("value", sums()), ("weighted", sums()), ("without_value", integer())]);
    let stage = members([
        ("id", uuid()),
        ("key", text()),
        ("name", text()),
        ("deals", integer()),
        ("value", sums()),
        ("weighted", sums()),
        ("without_value", integer()),
    ]);
    members([
        ("total", open()),
        ("stages", array(stage)),
        ("tables", tables(open())),
        ("base_currency", text()),
        ("day", date()),
        ("rates", rates()),
        ("missing_rates", missing_rates()),
    ])
}

pub(super) fn life() -> Item {
    let outcomes = || {
        members([
            ("records", integer()),
            ("won", integer()),
            ("lost", integer()),
            ("open", integer()),
            ("elsewhere", integer()),
            ("conversion_rate", or_null(number())),
            ("win_rate", or_null(number())),
        ])
    };
    let went_to =
        members([("stage_id", or_null(uuid())), ("key", or_null(text())), ("exits", integer()), ("rate", number())]);
    let time_in_stage = members([
        ("finished", integer()),
        ("open", integer()),
        ("lower_quartile_micros", or_null(integer())),
        ("median_micros", or_null(integer())),
        ("upper_quartile_micros", or_null(integer())),
        ("left_out", integer()),
    ]);
    let stage = members([
        ("id", uuid()),
        ("key", text()),
        ("name", text()),
        ("kind", choice(StageKind::NAMES.iter().copied())),
        ("standing_at_start", integer()),
        ("entries", integer()),
        ("created", integer()),
        ("exits", integer()),
        ("standing_at_end", integer()),
        ("went_to", array(went_to)),
        ("time", time_in_stage),
        ("outcomes", outcomes()),
    ]);
    let time_to_win = members([
        ("n", integer()),
        ("mean_micros", integer()),
        ("median_micros", integer()),
        ("min_micros", integer()),
        ("max_micros", integer()),
    ]);
    let velocity = members([
        ("open", integer()),
        ("won", integer()),
        ("lost", integer()),
        ("win_rate", or_null(number())),
        ("time_to_win", or_null(time_to_win)),
        ("times_left_out", integer()),
        ("won_value", sums()),
        ("wins_per_day", or_null(number())),
        ("value_per_day", or_null(number())),
    ]);
    let reason = members([
        ("ending", choice(["won", "lost"])),
        ("reason", or_null(text())),
        ("records", integer()),
        ("rate", number()),
        ("value", sums()),
    ]);
    members([
        ("kind", choice(PipelineKind::NAMES.iter().copied())),
        ("pipeline_id", uuid()),
        ("from", or_null(time())),
        ("until", time()),
        ("followed_until", time()),
        ("records", integer()),
        ("stages", array(stage)),
        ("cohort", outcomes()),
        ("velocity", velocity),
        ("reasons", or_null(array(reason))),
        ("base_currency", text()),
        ("rates", rates()),
        ("missing_rates", missing_rates()),
    ])
}
