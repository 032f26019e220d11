//! Named schemas that many operations share: references, money, changes, plans, problems, conditions.

use crm_core::{
    filter::Op,
    timeline::EntryType,
    value::{Choice as _, FaultCode, Kind},
};
use utoipa::openapi::schema::AdditionalProperties;

use super::{
    records::kind_view,
    schemas::{
        Item, any, any_of, array, boolean, choice, decimal, described, either, integer, map_of, members, object, open,
        or_null, reference, text, time, uuid,
    },
};

/// A change of the log.
pub(crate) fn change() -> Item {
    reference("Change")
}

/// An entry of a timeline: its type, and its content under the name of that type.
pub(crate) fn timeline_entry() -> Item {
    members([
        ("type", choice(EntryType::NAMES.iter().copied())),
        ("change?", change()),
        ("interaction?", kind_view(Kind::Interaction)),
        ("task?", kind_view(Kind::Task)),
        ("note?", kind_view(Kind::Note)),
    ])
}

fn change_schema() -> Item {
    members([
        ("record", reference("Ref")),
        ("group", choice(["person", "machine"])),
        ("version", integer()),
        ("commit", uuid()),
        ("recorded_at", time()),
        ("occurred_at", time()),
        ("by", or_null(uuid())),
        ("action", text()),
        (
            "origin",
            or_null(members([
                ("through?", text()),
                ("detail?", text()),
                ("address?", text()),
                ("user_agent?", text()),
            ])),
        ),
        ("fields", array(members([("field", text()), ("old", any()), ("new", any())]))),
        ("with", array(reference("Ref"))),
        ("undoable?", boolean()),
        ("not_undoable?", problem([])),
    ])
}

/// The members of a problem: these, and those that describe its code further.
fn problem<const N: usize>(more: [(&str, Item); N]) -> Item {
    let code = [("code", reference("Code")), ("detail", text())];
    let required = more
        .into_iter()
        .chain(code)
        .fold(object(), |whole, (name, schema)| whole.property(name, schema).required(name));
    // A code may come with members of its own, such as `permission` or `current`.
    required
        .property("errors", array(reference("FieldError")))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .into()
}

/// A condition on a record: a comparison, or a combination of conditions.
fn filter() -> Item {
    either([
        reference("Condition"),
        members([("and", array(reference("Filter")))]),
        members([("or", array(reference("Filter")))]),
        members([("not", reference("Filter"))]),
    ])
}

fn condition() -> Item {
    let value = "The value in the JSON form of the field. Times and dates also accept `\"now\"`, an offset such as \
                 `{\"days\": -7}` and a period such as `\"today\"` or `\"last_quarter\"`; `\"me\"` is the current user. \
                 An array for `in`; absent for `missing`.";
    members([
        ("field", described(text(), "the name of the field, or `properties.key`")),
        ("op", choice(Op::NAMES.iter().copied())),
        ("value?", described(any(), value)),
    ])
}

/// The named schemas.
pub(super) fn all() -> Vec<(String, Item)> {
    let kind = || choice(Kind::ALL.iter().map(|kind| kind.name()));
    let included = map_of(map_of(open("a record, as its kind is returned")));
    let plan = members([("changes", array(change())), ("items", integer())]);
    let all = [
        ("Money", members([("amount", decimal()), ("currency", text())])),
        ("Ref", members([("kind", kind()), ("id", uuid())])),
        ("Change", change_schema()),
        ("Plan", described(plan, "The changes that a write would make. Nothing was written.")),
        (
            "Meta",
            members([
                ("next_cursor?", text()),
                ("total?", integer()),
                ("as_of?", time()),
                ("dry_run?", boolean()),
                ("partial?", boolean()),
                ("included?", described(included, "the included records by kind and id")),
                ("names?", described(map_of(text()), "what the ids in the page are called, by id")),
            ]),
        ),
        ("Code", described(text(), "A stable name of what went wrong.")),
        ("Problem", described(problem([("type", text()), ("title", text()), ("status", integer())]), "RFC 9457")),
        (
            "FieldError",
            members([
                ("field", text()),
                ("code", reference("FaultCode")),
                ("params?", open("the values that the message names")),
                ("message", text()),
            ]),
        ),
        (
            "FaultCode",
            described(
                any_of([choice(FaultCode::ALL.iter().map(FaultCode::as_str)), text()]),
                "A stable name of a fault of the input: one of these, or one of a rule of the deployment's own.",
            ),
        ),
        ("Filter", filter()),
        ("Condition", condition()),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
