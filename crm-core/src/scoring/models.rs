//! The tenant's scoring models, as its definitions have them.

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

/// What scoring asks of the definitions.
pub(crate) trait Models {
    /// The scoring model whose score records of a kind carry.
    fn active_model(&self, kind: Kind) -> Option<&Record<ScoringModel>>;

    /// True where the active scoring model of a kind is one that a newer program made and this one does not understand:
    /// its records are scored by that one.
    fn model_is_beyond(&self, kind: Kind) -> bool {
        self.active_model(kind).is_some_and(|model| model.definition.is_none())
    }

    /// What the active scoring models read, by the kind that they score. Worked out once per epoch. A model that has
    /// stopped to make sense (a property that it names was archived) reads nothing, and scores nothing.
    fn model_needs(&self) -> Arc<ModelNeeds>;
}

/// What active models read, by the kind that they score.
#[derive(Debug)]
pub(crate) struct ModelNeeds(Vec<(Kind, Needs)>);

impl ModelNeeds {
    /// By kind.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Kind, &Needs)> {
        self.0.iter().map(|(kind, needs)| (*kind, needs))
    }

    /// What the model of a kind reads.
    pub(crate) fn of(&self, kind: Kind) -> Option<&Needs> {
        self.iter().find_map(|(of, needs)| (of == kind).then_some(needs))
    }

    /// True where there is no active model.
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

/// The scores that active models make of what is hidden.
pub(super) fn hidden_scores(definitions: &Definitions, roles: &RoleSet) -> Vec<(Kind, &'static str)> {
    let needs = definitions.model_needs();
    let hidden = needs.iter().filter(|(kind, needs)| needs.rests_on_hidden(*kind, roles));
    hidden.map(|(kind, _)| (kind, "score")).collect()
}
