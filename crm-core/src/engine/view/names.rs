//! Display names for the ids in a page: users, stages, companies and other records that changes and records refer to.

use std::collections::BTreeMap;

use super::View;
use crate::{
    catalog,
    engine::{access::Access, crm::Crm, definitions::Definitions, typing::property_type, undoable::ViewedChange},
    model::{
        access::{Action, Actor, Permission},
        change::Change,
        error::Error,
        schema::FieldType,
        value::{Id, Kind, Ref, Value},
    },
};

/// The naming fields of a record; the first filled one is used.
const LABELS: [&str; 6] = ["name", "title", "subject", "email", "key", "external_id"];

/// The ids to name: records, and stages, which are parts of pipelines.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    records: Vec<Ref>,
    stages: Vec<Id>,
}

impl Ids {
    fn add(&mut self, ty: FieldType, value: &Value) {
        match (ty.element(), value) {
            (ty, Value::List(items)) => items.iter().for_each(|item| self.add(ty, item)),
            (FieldType::StageId, Value::Id(id)) => self.stages.push(*id),
            (FieldType::Id(kind), Value::Id(id)) => self.records.push(Ref::new(kind, *id)),
            (FieldType::Ref(_), Value::Ref(target)) => self.records.push(*target),
            _ => {}
        }
    }

    fn add_properties(&mut self, kind: Kind, key: &str, value: &Value, definitions: &Definitions) {
        if let Some(ty) = definitions.property(kind, key).and_then(|property| property_type(property)) {
            self.add(ty, value);
        }
    }

    pub(crate) fn add_change(&mut self, change: &Change, definitions: &Definitions) {
        self.records.push(change.record);
        self.records.extend(change.by.map(|user| Ref::new(Kind::User, user)));
        let kind = change.record.kind;
        for field in &change.fields {
            for value in [&field.old, &field.new] {
                match (field.field.strip_prefix("properties."), catalog::decl(kind).field(&field.field)) {
                    (Some(key), _) => self.add_properties(kind, key, value, definitions),
                    (None, Some(field)) => self.add(field.ty, value),
                    (None, None) => {}
                }
            }
        }
    }

    pub(crate) fn add_view(&mut self, view: &View, definitions: &Definitions) {
        let kind = view.reference().kind;
        self.records.push(view.reference());
        for field in catalog::decl(kind).fields.iter().filter(|field| view.shows(field.name)) {
            match view.value(field.name) {
                Value::Map(map) => {
                    map.iter().for_each(|(key, value)| self.add_properties(kind, key, value, definitions));
                }
                value => self.add(field.ty, value),
            }
        }
    }
}

impl View {
    /// Returns the display name of the record: its first naming field that is visible and filled.
    pub fn label(&self) -> Option<&str> {
        LABELS.iter().find_map(|name| self.value(name).as_text().filter(|text| self.shows(name) && !text.is_empty()))
    }
}

impl Crm {
    /// Returns the names of everything that the changes refer to, by id, as [`Crm::names_in_timeline`] does.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn names_in_history(
        &self,
        actor: &Actor,
        changes: &[ViewedChange],
    ) -> Result<BTreeMap<Id, String>, Error> {
        self.names(actor, |ids, definitions| {
            for viewed in changes {
                ids.add_change(&viewed.change, definitions);
            }
        })
        .await
    }

    pub(crate) async fn names(
        &self,
        actor: &Actor,
        collect: impl FnOnce(&mut Ids, &Definitions),
    ) -> Result<BTreeMap<Id, String>, Error> {
        let definitions = self.collection::<crate::model::records::user::User>(actor).definitions().await?;
        let access = Access::new(actor, &definitions, self.now());
        let mut ids = Ids::default();
        collect(&mut ids, &definitions);
        let mut names = BTreeMap::new();
        for stage in ids.stages {
            // An actor who sees the stage of a record also sees its name, as `status`.
            if let Some((_, stage)) = definitions.stage(stage.typed()) {
                names.insert(stage.id.erase(), stage.name.clone());
            }
        }
        ids.records.sort_unstable();
        ids.records.dedup();
        ids.records.retain(|record| access.is_within_limits(Permission::new(record.kind, Action::Read)));
        for view in self.view_many(actor, &ids.records).await?.into_iter().flatten() {
            if let Some(label) = view.label() {
                names.insert(view.reference().id, label.to_owned());
            }
        }
        Ok(names)
    }
}
