//! The tenant's scoring models, as part of its definitions.

use std::sync::Arc;

use super::{
    compiled::{KINDS, Needs, compile},
    record::ScoringModel,
};
use crate::{
    engine::{access::RoleSet, definitions::Definitions},
    model::{
        schema::Record,
        value::{Kind, Time},
    },
};

/// Queries of scoring to the definitions.
pub(crate) trait Models {
    /// The active scoring model of a kind.
    fn active_model(&self, kind: Kind) -> Option<&Record<ScoringModel>>;

    /// `true` if a newer program stored the active model of a kind and this one does not understand it: its records are
    /// scored by that program.
    fn model_is_beyond(&self, kind: Kind) -> bool {
        self.active_model(kind).is_some_and(|model| model.definition.is_none())
    }

    /// The inputs of the active scoring models, by scored kind. Computed once per epoch. A model that is no longer
    /// valid (a property it names was archived) reads and scores nothing.
    fn model_needs(&self) -> Arc<ModelNeeds>;
}

/// The inputs of active models, by scored kind.
#[derive(Debug)]
pub(crate) struct ModelNeeds(Vec<(Kind, Needs)>);

impl ModelNeeds {
    /// The kinds with their inputs.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Kind, &Needs)> {
        self.0.iter().map(|(kind, needs)| (*kind, needs))
    }

    /// The inputs of a kind's model.
    pub(crate) fn of(&self, kind: Kind) -> Option<&Needs> {
        self.iter().find_map(|(of, needs)| (of == kind).then_some(needs))
    }

    /// `true` if there is no active model.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Models for Definitions {
    fn active_model(&self, kind: Kind) -> Option<&Record<ScoringModel>> {
        self.of::<ScoringModel>()
            .find(|model| model.is_active && model.kind == Some(kind) && model.archived_at.is_none())
    }

    fn model_needs(&self) -> Arc<ModelNeeds> {
        self.derived(|all| {
            let needs = |kind: Kind| {
                let definition = all.active_model(kind)?.definition.as_ref()?;
                Some((kind, compile(definition, kind, all, Time::EPOCH).ok()?.needs))
            };
            ModelNeeds(KINDS.into_iter().filter_map(needs).collect())
        })
    }
}

/// The scores that active models derive from hidden fields.
pub(super) fn hidden_scores(definitions: &Definitions, roles: &RoleSet) -> Vec<(Kind, &'static str)> {
    let needs = definitions.model_needs();
    let hidden = needs.iter().filter(|(kind, needs)| needs.rests_on_hidden(*kind, roles));
    hidden.map(|(kind, _)| (kind, "score")).collect()
}
