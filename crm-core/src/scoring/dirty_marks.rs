//! Scoring in commits: a new record is scored in the commit that creates it; a change of what the active model reads
//! marks the record as due, in the same commit.
//!
//! The dirty mark is a record beside the scored one ([`Rescoring`](crate::scoring::rescorings::Rescoring)), so that a user's
//! edit never depends on machine writes.

use std::{borrow::Cow, collections::BTreeSet};

use super::{
    compiled, facts::Facts, history::WITHDRAWN, models::Models as _, record::ScoringModelFields,
    write_back::write_score,
};
use crate::{
    engine::{
        definitions::Definitions,
        draft::{CommitHook, Draft, Lookup, Moved, Stop},
    },
    interactions::InteractionFields,
    model::{
        change::FieldChange,
        schema::common,
        store::Want,
        value::{FieldValue as _, Id, Kind, Ref, Time, Value},
    },
    scoring::rescorings::{Reached, RescoringFields},
};

/// How many days a mark without content is kept: longer than any sweep that may still hold its version.
const KEPT_DAYS: i64 = 1;

/// The mark of a record.
pub(super) fn mark_of(id: Id) -> Ref {
    Ref::new(Kind::Rescoring, id)
}

/// `true` for kinds whose changes may affect a score.
fn may_matter(kind: Kind) -> bool {
    compiled::KINDS.contains(&kind) || matches!(kind, Kind::Interaction)
}

/// The hook that maintains the marks.
pub(super) struct Marks;

impl CommitHook for Marks {
    fn also_read(&self, definitions: &Definitions, reads: &[Lookup]) -> Vec<Lookup> {
        also_read(definitions, reads)
    }

    fn after(&self, draft: &mut Draft<'_>) -> Result<(), Stop> {
        mark(draft)
    }
}

/// The marks that a write probably affects, derived from its first reads.
fn also_read(definitions: &Definitions, lookups: &[Lookup]) -> Vec<Lookup> {
    if definitions.model_needs().is_empty() {
        return Vec::new();
    }
    let marks = lookups.iter().filter_map(|lookup| match lookup {
        Lookup::Want(Want::Record(record)) if may_matter(record.kind) && record.kind != Kind::Interaction => {
            Some(Lookup::from(mark_of(record.id)))
        }
        _ => None,
    });
    marks.collect()
}

/// Scores new records, marks due ones, and records on a record that an interaction was removed from it.
fn mark(draft: &mut Draft<'_>) -> Result<(), Stop> {
    let definitions = draft.cx.definitions;
    let matters = |image: &crate::model::schema::Image| may_matter(image.kind()) || image.kind() == Kind::ScoringModel;
    if !draft.written().any(matters) {
        return Ok(());
    }
    let needs = definitions.model_needs();
    let mut due: BTreeSet<Ref> = BTreeSet::new();
    for moved in draft.moved() {
        let record = moved.after.reference();
        match record.kind {
            Kind::Interaction => interaction(draft, &moved, &mut due)?,
            Kind::ScoringModel if changes_scores(&moved) => {
                due.insert(record);
            }
            Kind::Lead | Kind::Contact | Kind::Company | Kind::Deal => {
                let model = needs.of(record.kind);
                if moved.before.is_none() && model.is_some() {
                    score_new(draft, &moved)?;
                } else {
                    let read =
                        |fields: &BTreeSet<String>| moved.fields.iter().any(|name| fields.contains(name.as_ref()));
                    let moves = |name: &str| moved.fields.iter().any(|field| field == name);
                    let own = model.is_some_and(|needs| {
                        read(&needs.record)
                            || moves("stage_id")
                            || moves("archived_at")
                            // The contacts of a company are walked by name: a contact renamed meanwhile may be missed.
                            || (record.kind == Kind::Contact && !needs.company.is_empty() && moves("name"))
                            || [
                                (&needs.contact, "converted_contact_ids"),
                                (&needs.company, "converted_company_id"),
                                (&needs.contact, "primary_contact_id"),
                                (&needs.company, "company_id"),
                            ]
                            .iter()
                            .any(|(fields, name)| !fields.is_empty() && moves(name))
                    });
                    let others = needs.iter().any(|(_, needs)| match record.kind {
                        Kind::Contact => read(&needs.contact),
                        Kind::Company => read(&needs.company),
                        _ => false,
                    });
                    if own || others || definitions.model_is_beyond(record.kind) {
                        due.insert(record);
                    }
                }
            }
            _ => {}
        }
    }
    for record in due.iter().filter(|record| !draft.is_new(record.id)).copied().collect::<Vec<_>>() {
        draft.want(mark_of(record.id));
    }
    draft.stop_if_missing()?;
    let now = draft.cx.now;
    due.into_iter().try_for_each(|record| mark_due(draft, record, now))
}

/// The next content of a mark.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) enum Next {
    /// The record is due from this time on.
    At(Time),
    /// The record is still due; its dependent records have been processed up to this position.
    GoOn(Reached),
    /// Not due: the mark is removed after a while.
    Never,
}

impl Next {
    /// The corresponding fields of the mark.
    pub(super) fn fields(&self, record: Ref, now: Time) -> Vec<(usize, Value)> {
        let (of, due) = (RescoringFields::of as usize, RescoringFields::due_at as usize);
        let (reached, over) = (RescoringFields::reached as usize, RescoringFields::over_at as usize);
        let of = (of, Value::text(record.kind.name()));
        match self {
            Next::At(at) => vec![of, (due, Value::Time(*at)), (reached, Value::Null), (over, Value::Null)],
            Next::GoOn(place) => vec![of, (reached, place.clone().into_value())],
            Next::Never => {
                let after = Value::Time(now.plus_days(KEPT_DAYS));
                vec![of, (due, Value::Null), (reached, Value::Null), (over, after)]
            }
        }
    }
}

/// Marks a record as due from a time on.
pub(super) fn mark_due(draft: &mut Draft<'_>, record: Ref, at: Time) -> Result<(), Stop> {
    let now = draft.cx.now;
    draft.keep(mark_of(record.id), &Next::At(at).fields(record, now))
}

/// `true` if the change affects the scores of the model, or the choice of the active model.
fn changes_scores(moved: &Moved) -> bool {
    let concerns = |name: &str| matches!(name, "definition" | "is_active" | "archived_at");
    let is_active =
        |image: &crate::model::schema::Image| image.values[ScoringModelFields::is_active as usize] == Value::Bool(true);
    let was_active = moved.before.as_ref().is_some_and(|before| is_active(before));
    (is_active(&moved.after) || was_active) && moved.fields.iter().any(|name| concerns(name))
}

/// Marks the records linked to an interaction as due, and records on unlinked ones that it was removed, for past
/// scores.
fn interaction(draft: &mut Draft<'_>, moved: &Moved, due: &mut BTreeSet<Ref>) -> Result<(), Stop> {
    let links = |image: &crate::model::schema::Image| -> BTreeSet<Ref> {
        if image.is_archived() {
            return BTreeSet::new();
        }
        let items = image.at(InteractionFields::links).items().iter();
        items.filter_map(|item| if let Value::Ref(link) = item { Some(*link) } else { None }).collect()
    };
    let after = links(&moved.after);
    let before = moved.before.as_deref().map(links).unwrap_or_default();
    let scored = |record: &&Ref| compiled::KINDS.contains(&record.kind);
    let gone: Vec<Ref> = before.difference(&after).filter(scored).copied().collect();
    for &record in &gone {
        draft.want(record);
    }
    draft.stop_if_missing()?;
    let interaction = Value::Ref(moved.after.reference());
    for record in gone {
        if draft.peek(record)?.is_none() {
            continue;
        }
        let field = FieldChange {
            field: Cow::Borrowed(WITHDRAWN),
            old: Value::list([interaction.clone()]),
            new: Value::list([]),
        };
        draft.announce(record, &[], |_, _| Some(("interaction_withdrawn", vec![field])))?;
    }
    let counted = |kind: Kind| {
        let definitions = draft.cx.definitions;
        definitions.model_needs().of(kind).is_some_and(|needs| needs.interactions) || definitions.model_is_beyond(kind)
    };
    due.extend(before.union(&after).filter(|record| counted(record.kind)));
    Ok(())
}

/// Scores a record with its creation: only the record itself is read.
fn score_new(draft: &mut Draft<'_>, moved: &Moved) -> Result<(), Stop> {
    let (record, now) = (moved.after.reference(), draft.cx.now);
    let Some(model) = draft.cx.definitions.active_model(record.kind) else { return Ok(()) };
    let Some(definition) = &model.definition else { return Ok(()) };
    let Ok(compiled) = compiled::compile(definition, record.kind, draft.cx.definitions, now) else { return Ok(()) };
    let mut facts = Facts::of(std::sync::Arc::clone(&moved.after));
    facts.stages.clone_from(&moved.entered);
    let version = model.version_name(model.version);
    write_score(draft, record, &compiled.points(&facts), &version, now)?;
    // Related records (of a record that is imported as converted) would have to be read first.
    let has_others = [
        ("converted_contact_ids", &compiled.needs.contact),
        ("converted_company_id", &compiled.needs.company),
        ("primary_contact_id", &compiled.needs.contact),
        ("company_id", &compiled.needs.company),
    ]
    .iter()
    .any(|(field, needed)| {
        !needed.is_empty()
            && !matches!(moved.after.get(field), Value::Null)
            && moved.after.get(field) != &Value::list([])
    });
    if has_others {
        return mark_due(draft, record, now);
    }
    if compiled.fades(&facts) && moved.after.values[common::ARCHIVED_AT].is_null() {
        let hours = i64::from(definition.refresh_hours);
        return mark_due(draft, record, now.plus_micros(hours * 3_600_000_000));
    }
    Ok(())
}
