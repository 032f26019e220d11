//! Schemas of structured fields: addresses, stages, grants, scoring models and others.

use crm_core::{
    access::{Action, FieldAccess, Scope},
    contacts::{EmailKind, PhoneKind},
    interactions::ParticipantRole,
    pipelines::{ForecastCategory, StageKind},
    scoring::{Axis, On},
    value::{AddressKind, Choice, Kind},
};

use super::schemas::{
    Item, any, array, boolean, choice, either, integer, limited, members, object, open, reference, text, uuid,
};

/// The schema of a structured field, or of its elements. A field without one here is a bare object, which a test of the
/// document rejects.
pub(super) fn of_field(kind: Kind, field: &str) -> Item {
    reference(match field {
        "address" | "addresses" => "Address",
        "social" => "SocialLink",
        "emails" => "ContactEmail",
        "phones" => "ContactPhone",
        "checklist" => "ChecklistItem",
        "reminders" => "Reminder",
        "stages" => "Stage",
        "options" => "PropertyOption",
        "rules" => "PropertyRules",
        "grants" => "Grant",
        "field_rules" => "FieldRule",
        "definition" => "ModelDefinition",
        "participants" => "Participant",
        "branding" => "Branding",
        "held_back" => "HeldBack",
        _ if kind == Kind::Job => return open("depends on the type of the job"),
        _ => return object().into(),
    })
}

fn names<C: Choice>() -> Item {
    choice(C::NAMES.iter().copied())
}

/// The named schemas.
pub(super) fn all() -> Vec<(String, Item)> {
    let kind = || choice(Kind::ALL.iter().map(|kind| kind.name()));
    let filter = || reference("Filter");
    let event = either([members([("interaction", filter())]), members([("stage", array(text()))])]);
    let decay =
        either([choice(["none"]), members([("linear_days", integer())]), members([("half_life_days", integer())])]);
    let rule = members([("key", text()), ("on?", names::<On>()), ("when", filter()), ("points", integer())]);
    let behavior = members([
        ("key", text()),
        ("event", event),
        ("points", integer()),
        ("decay?", decay),
        ("limit?", members([("times", integer()), ("hours", integer())])),
    ]);
    let group = members([
        ("key", text()),
        ("axis?", names::<Axis>()),
        ("floor?", integer()),
        ("cap?", integer()),
        ("rules?", array(rule)),
        ("behaviors?", array(behavior)),
    ]);
    let bounds = || limited(integer(), 3);
    let all = [
        (
            "Address",
            members([
                ("kind?", names::<AddressKind>()),
                ("street?", text()),
                ("city?", text()),
                ("region?", text()),
                ("postal_code?", text()),
                ("country?", text()),
            ]),
        ),
        ("SocialLink", members([("network", text()), ("url", text())])),
        ("ContactEmail", members([("email", text()), ("kind?", names::<EmailKind>()), ("primary?", boolean())])),
        ("ContactPhone", members([("phone", text()), ("kind?", names::<PhoneKind>()), ("primary?", boolean())])),
        ("ChecklistItem", members([("text", text()), ("done?", boolean())])),
        ("Reminder", members([("minutes_before", integer())])),
        (
            "Stage",
            members([
                ("id?", uuid()),
                ("key?", text()),
                ("name?", text()),
                ("position?", integer()),
                ("kind?", names::<StageKind>()),
                ("probability?", integer()),
                ("required_fields?", array(text())),
                ("allowed_from?", array(text())),
                ("gate?", filter()),
                ("rotting_days?", integer()),
                ("forecast_category?", names::<ForecastCategory>()),
                ("color?", text()),
                ("retired?", boolean()),
            ]),
        ),
        ("PropertyOption", members([("value", text()), ("label?", text()), ("archived?", boolean())])),
        ("PropertyRules", members([("min?", integer()), ("max?", integer()), ("kind?", kind()), ("default?", any())])),
        (
            "Grant",
            members([
                ("resource", kind()),
                ("action", names::<Action>()),
                ("scope", names::<Scope>()),
                ("condition?", filter()),
            ]),
        ),
        ("FieldRule", members([("kind", kind()), ("field", text()), ("access", names::<FieldAccess>())])),
        (
            "ModelDefinition",
            members([
                ("groups", array(group)),
                ("grades?", members([("fit", bounds()), ("engagement", bounds())])),
                ("hot_threshold?", integer()),
                ("refresh_hours?", integer()),
            ]),
        ),
        (
            "Participant",
            members([("ref?", reference("Ref")), ("address?", text()), ("role?", names::<ParticipantRole>())]),
        ),
        ("Branding", members([("logo_url?", text()), ("color?", text()), ("product_name?", text())])),
        ("HeldBack", members([("id", uuid()), ("reason", text())])),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
