//! The access decision: whether an actor may perform an action on a record, and which records the actor may see.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use super::{Authority, RoleSet};
use crate::{
    engine::{definitions::Definitions, rules, typing::property_type},
    model::{
        access::{Action, Actor, Grant, Permission, Scope},
        error::{Error, Faults, FieldFault, MissingScope},
        filter::{Compare, Compiler, Path, Predicate, PropertyTypes, Test},
        records::{job::JobFields, pipeline::PipelineKind, property::PropertyType, role::Role, team::Team},
        schema::{FieldType, Image, KindDecl, common},
        value::{FaultCode, Id, Kind, Ref, Time, Value},
    },
};

/// The rights of an actor at one time, under one definitions epoch and one access epoch.
#[derive(Clone, Debug)]
pub struct Access<'a> {
    actor: &'a Actor,
    authority: &'a Authority,
    role_ids: &'a [Id<Role>],
    teams: &'a [Id<Team>],
    limits: Option<Arc<BTreeSet<Permission>>>,
    roles: Arc<RoleSet>,
    now: Time,
}

/// The result of an access decision, with a readable reason.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Explanation {
    /// `true` if the action is allowed.
    pub allowed: bool,
    /// The permission that was checked.
    pub permission: String,
    /// The grant that allows the action; `None` for the system actor and if no grant does.
    pub grant: Option<Grant>,
    /// The reason as text.
    pub reason: String,
}

impl<'a> Access<'a> {
    /// Creates the rights of an actor from what was read. An actor whose rights were not read has none.
    pub(crate) fn new(actor: &'a Actor, authority: &'a Authority, now: Time) -> Self {
        let (role_ids, teams, limits) = authority.of(actor);
        let mut roles = authority.role_set(role_ids);
        // Limits are applied only here; all other methods use the reduced roles.
        if let Some(limits) = &limits {
            roles = Arc::new(roles.within(limits));
        }
        Self { actor, authority, role_ids, teams, limits, roles, now }
    }

    /// Returns the same rights at another time.
    #[must_use]
    pub(crate) fn at(&self, now: Time) -> Self {
        Self { now, ..self.clone() }
    }

    pub(crate) const fn authority(&self) -> &'a Authority {
        self.authority
    }

    /// Returns the ids of the actor's roles.
    pub const fn role_ids(&self) -> &'a [Id<Role>] {
        self.role_ids
    }

    /// Returns the actor's own teams, primary team first.
    pub const fn own_teams(&self) -> &'a [Id<Team>] {
        self.teams
    }

    /// Returns `false` if the actor's limits exclude the permission, regardless of roles and ownership.
    pub fn is_within_limits(&self, permission: Permission) -> bool {
        self.limits.as_ref().is_none_or(|limits| limits.contains(&permission))
    }

    /// Returns the actor.
    pub const fn actor(&self) -> &'a Actor {
        self.actor
    }

    /// Returns the definitions under which the rights apply.
    pub fn definitions(&self) -> &'a Definitions {
        self.authority
    }

    /// Returns the combined grants of the actor's roles.
    pub fn roles(&self) -> &RoleSet {
        &self.roles
    }

    /// Returns `true` if any grant gives the permission, for at least some records.
    pub fn has(&self, permission: Permission) -> bool {
        self.actor.is_system() || !self.roles.grants(permission).is_empty()
    }

    /// Checks that any grant gives the permission.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if none does.
    pub fn demand(&self, permission: Permission) -> Result<(), Error> {
        if self.has(permission) { Ok(()) } else { Err(Error::forbidden(permission)) }
    }

    /// Returns `true` if a grant gives the permission for all records, without a condition.
    pub fn has_all(&self, permission: Permission) -> bool {
        let mut grants = self.roles.grants(permission).iter();
        self.actor.is_system() || grants.any(|grant| grant.scope == Scope::All && grant.condition.is_none())
    }

    /// Checks that a grant gives the permission for all records, without a condition.
    ///
    /// # Errors
    /// [`Error::Forbidden`] with the missing scope.
    pub fn demand_all(&self, permission: Permission) -> Result<(), Error> {
        if self.has_all(permission) { Ok(()) } else { Err(self.lacking(permission, Scope::All)) }
    }

    /// Returns the error for a permission that the actor does not have in the needed scope.
    fn lacking(&self, permission: Permission, needed: Scope) -> Error {
        let held = self.widest(permission);
        let conditional = held.is_some_and(|held| held >= needed);
        let scope = Some(MissingScope { needed, held, conditional });
        Error::Forbidden { permission, field: None, scope }
    }

    /// Returns the error for a forbidden action on a record. If the actor has the permission in a narrower scope, it
    /// names the scope that would cover the record.
    pub(crate) fn refusal(&self, action: Action, image: &Image) -> Error {
        let permission = Permission::new(image.kind(), action);
        if !self.has(permission) {
            return Error::forbidden(permission);
        }
        let covers = |scope: &Scope| *scope == Scope::All || self.within(*scope, image.decl).holds(image);
        let needed = [Scope::Own, Scope::Team].into_iter().find(covers).unwrap_or(Scope::All);
        self.lacking(permission, needed)
    }

    /// Returns `true` if the actor may perform the action on the record in its current state.
    pub fn allows(&self, action: Action, image: &Image) -> bool {
        self.actor.is_system() || self.granting(action, image).is_some()
    }

    /// Returns the widest scope in which the actor has a permission.
    pub fn widest(&self, permission: Permission) -> Option<Scope> {
        if self.actor.is_system() {
            return Some(Scope::All);
        }
        self.roles.grants(permission).iter().map(|grant| grant.scope).max()
    }

    fn granting(&self, action: Action, image: &Image) -> Option<&Grant> {
        let permission = Permission::new(image.kind(), action);
        self.roles.grants(permission).iter().find(|grant| {
            (grant.scope == Scope::All || self.within(grant.scope, image.decl).holds(image))
                && grant.condition.as_ref().is_none_or(|condition| {
                    self.compile_condition(image.decl, condition).is_some_and(|predicate| predicate.holds(image))
                })
        })
    }

    /// Returns the grant that allows an action on a record, or the reason why none does.
    pub fn explain(&self, action: Action, image: &Image) -> Explanation {
        let permission = Permission::new(image.kind(), action);
        let (allowed, grant, reason) = if self.actor.is_system() {
            (true, None, "the system actor has all permissions".to_owned())
        } else if let Some(grant) = self.granting(action, image) {
            (true, Some(grant.clone()), format!("a grant of {permission} with scope {} covers the record", grant.scope))
        } else if !self.is_within_limits(permission) {
            (
                false,
                None,
                format!("{permission} is not among the permissions that the actor (such as an API key) is limited to"),
            )
        } else if self.roles.grants(permission).is_empty() {
            (false, None, format!("no role of the actor grants {permission}"))
        } else {
            let scopes: Vec<String> = self.roles.grants(permission).iter().map(|g| g.scope.to_string()).collect();
            let scopes = scopes.join(", ");
            (
                false,
                None,
                format!("{permission} is granted only with scope {scopes}, which does not include the record"),
            )
        };
        Explanation { allowed, permission: permission.to_string(), grant, reason }
    }

    /// Returns the condition that selects the records of a kind on which the actor has a permission: the same decision
    /// as [`Access::allows`], as part of a query.
    pub fn predicate(&self, action: Action, decl: &'static KindDecl) -> Predicate {
        if self.actor.is_system() {
            return Predicate::always();
        }
        let mut any = Predicate::never();
        for grant in self.roles.grants(Permission::new(decl.kind, action)) {
            let mut part = self.within(grant.scope, decl);
            if let Some(condition) = &grant.condition {
                // A condition that no longer compiles, because a property was archived, grants nothing.
                part = part.and(self.compile_condition(decl, condition).unwrap_or_else(Predicate::never));
            }
            any = any.or(part);
        }
        any
    }

    fn compile_condition(&self, decl: &KindDecl, condition: &crate::model::filter::Filter) -> Option<Predicate> {
        let everything = Typing { definitions: self.authority, kind: decl.kind, roles: None, closed: false };
        self.compiler(decl, &everything).compile(condition).ok()
    }

    fn compiler<'b>(&'b self, decl: &'b KindDecl, properties: &'b dyn PropertyTypes) -> Compiler<'b> {
        Compiler {
            decl,
            properties,
            now: self.now,
            calendar: self.authority.calendar(),
            me: self.actor.user(),
            default_country: self.authority.default_country(),
        }
    }

    /// Compiles a filter given by the actor. Hidden fields are reported as unknown.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all faults.
    pub fn compile(&self, decl: &KindDecl, filter: &crate::model::filter::Filter) -> Result<Predicate, Error> {
        let typing = self.typing(decl.kind);
        self.compiler(decl, &typing).compile(filter).map_err(|faults| {
            let mut all = Faults::new();
            for (field, fault) in faults {
                all.add(field, fault);
            }
            Error::Invalid(all)
        })
    }

    /// Resolves a field name as the actor sees it.
    ///
    /// # Errors
    /// `unknown_field` if the field does not exist or is hidden from the actor.
    pub fn resolve(&self, decl: &KindDecl, name: &str) -> Result<(Path, FieldType), crate::model::value::Fault> {
        let typing = self.typing(decl.kind);
        self.compiler(decl, &typing).resolve(name)
    }

    fn typing(&self, kind: Kind) -> Typing<'_> {
        Typing {
            definitions: self.authority,
            kind,
            roles: if self.actor.is_system() { None } else { Some(&self.roles) },
            closed: true,
        }
    }

    /// Scope own: records that an owner field assigns to the actor, or that are shared with the actor or one of the
    /// actor's teams. Scope team: these, and the records of the actor's teams and the teams below them. Records of a
    /// kind without owner fields are covered by scope all only.
    fn within(&self, scope: Scope, decl: &KindDecl) -> Predicate {
        if scope == Scope::All {
            return Predicate::always();
        }
        let mut any = Predicate::never();
        if let Scope::Unknown(_) = scope {
            return any;
        }
        if let Some(user) = self.actor.user() {
            for &field in &decl.own {
                any = any.or(Predicate::field_eq(field, decl.fields[field].ty, Value::from(user)));
            }
            let mut shared = vec![Value::Ref(Ref::new(Kind::User, user))];
            shared.extend(self.teams.iter().map(|&team| Value::Ref(Ref::new(Kind::Team, team))));
            any = any.or(one_of(common::SHARED_WITH, decl, shared));
        }
        if scope == Scope::Team {
            let teams: Vec<Value> = self.team_ids().into_iter().map(Value::from).collect();
            for &field in &decl.team {
                any = any.or(one_of(field, decl, teams.clone()));
            }
        }
        any
    }

    /// Returns the actor's teams and all teams below them.
    pub fn team_ids(&self) -> Vec<Id<Team>> {
        self.authority.team_subtree(self.teams)
    }

    /// Returns the fields of a kind that are hidden from the actor; `None` if there are none.
    pub fn hidden(&self, kind: Kind) -> Option<&HashSet<String>> {
        if self.actor.is_system() { None } else { self.roles.hidden(kind) }
    }

    /// Returns `true` if the field is hidden from the actor.
    pub fn is_hidden(&self, kind: Kind, field: &str) -> bool {
        !self.actor.is_system() && self.roles.is_hidden(kind, field)
    }

    /// Returns `true` if the actor may see the field but not write it.
    pub fn is_read_only(&self, kind: Kind, field: &str) -> bool {
        !self.actor.is_system() && self.roles.is_read_only(kind, field)
    }

    /// Returns the change without the fields that the actor may not see. If a field is removed, everything that would
    /// reveal it is removed too: the other records of the step, the pipeline of a stage move, and the name of the use
    /// case (`score`, `convert`), which becomes `update`.
    pub fn mask_change(&self, mut change: crate::model::change::Change) -> crate::model::change::Change {
        let kind = change.record.kind;
        if self.hidden(kind).is_none() {
            return change;
        }
        let told = change.fields.len();
        change.fields.retain(|field| !self.roles.is_hidden(kind, &field.field));
        if change.fields.len() < told {
            if !change.is_creation() {
                change.action = "update".into();
            }
            change.with.clear();
            change.stage_move = None;
        }
        change
    }

    /// Returns the faults of a record without the names of fields that the actor may not see. `unknown_field`, which is
    /// reported only for fields that the actor named, is kept.
    pub(crate) fn mask_faults(&self, kind: Kind, faults: Faults) -> Faults {
        if self.hidden(kind).is_none() {
            return faults;
        }
        let mut told = Faults::new();
        for FieldFault { field, fault } in faults.all() {
            let plain = field.split('[').next().unwrap_or_default();
            let name =
                if plain.starts_with("properties.") { plain } else { plain.split('.').next().unwrap_or_default() };
            if fault.code != FaultCode::UnknownField && self.is_hidden(kind, name) {
                told.push("", FaultCode::HiddenField, "the value of a hidden field does not allow it");
            } else {
                told.add(field.clone(), fault.clone());
            }
        }
        told
    }

    /// Returns the error without the names of fields that the actor may not see.
    pub(crate) fn mask_error(&self, error: Error) -> Error {
        match error {
            Error::Conflict { record, current, mut fields } => {
                fields.retain(|field| !self.is_hidden(record.kind, field));
                Error::Conflict { record, current, fields }
            }
            Error::Duplicate { kind, field } if self.is_hidden(kind, &field) => {
                Error::Duplicate { kind, field: String::new() }
            }
            Error::Forbidden { permission, field: Some(field), scope }
                if self.is_hidden(permission.resource, &field) =>
            {
                Error::Forbidden { permission, field: None, scope }
            }
            other => other,
        }
    }

    /// Returns the record without the values that the actor may not see, and without secrets.
    pub fn mask(&self, image: &Arc<Image>) -> Arc<Image> {
        let secret = image.decl.fields.iter().any(|field| field.marks.secret);
        let hidden = self.hidden(image.kind());
        if hidden.is_none() && !secret && image.kind() != Kind::Job {
            return Arc::clone(image);
        }
        let mut masked = image.as_ref().clone();
        for (field, value) in image.decl.fields.iter().zip(&mut masked.values) {
            if field.marks.secret || hidden.is_some_and(|names| names.contains(field.name)) {
                *value = Value::Null;
            }
        }
        if let (Some(names), Value::Map(map)) = (hidden, &masked.values[common::PROPERTIES])
            && map.keys().any(|key| names.contains(&format!("properties.{key}")))
        {
            let mut kept = map.as_ref().clone();
            kept.retain(|key, _| !names.contains(&format!("properties.{key}")));
            masked.values[common::PROPERTIES] = Value::Map(Arc::new(kept));
        }
        if image.kind() == Kind::Job {
            self.mask_job(&mut masked);
        }
        Arc::new(masked)
    }

    /// Removes the place and product of a job if they disclose a kind or a field (`lead`, `lead.score`) that is hidden
    /// from the actor.
    fn mask_job(&self, job: &mut Image) {
        let is_hidden = |one: &Value| {
            let (kind, field) = one.as_text().map_or(("", None), |text| match text.split_once('.') {
                Some((kind, field)) => (kind, Some(field)),
                None => (text, None),
            });
            match (kind.parse::<Kind>().ok(), field) {
                (Some(kind), Some(field)) => self.is_hidden(kind, field),
                (Some(kind), None) => self.hidden(kind).is_some(),
                (None, _) => true,
            }
        };
        if job.at(JobFields::discloses).items().iter().any(is_hidden) {
            for field in [JobFields::place, JobFields::product] {
                job.values[field as usize] = Value::Null;
            }
        }
    }
}

fn one_of(field: usize, decl: &KindDecl, operands: Vec<Value>) -> Predicate {
    if operands.is_empty() {
        return Predicate::never();
    }
    let ty = decl.fields[field].ty;
    Predicate::Test(Test {
        path: Path { field, property: None },
        ty: ty.element(),
        list: ty.is_list(),
        compare: if operands.len() == 1 { Compare::Eq } else { Compare::In },
        operands,
    })
}

/// The types of a tenant's custom properties, without those that some roles hide.
struct Typing<'a> {
    definitions: &'a Definitions,
    kind: Kind,
    roles: Option<&'a RoleSet>,
    /// `true` for filters in a request: a value that no record can have is reported as an error. A stored filter, such
    /// as the condition of a grant, may name options that no longer exist.
    closed: bool,
}

impl PropertyTypes for Typing<'_> {
    fn property_type(&self, key: &str) -> Option<FieldType> {
        self.definitions.property(self.kind, key).and_then(|property| property_type(property))
    }
    fn allowed(&self, field: &str) -> Option<Vec<String>> {
        if !self.closed {
            return None;
        }
        match (field.strip_prefix("properties."), field, PipelineKind::of(self.kind)) {
            (Some(key), ..) => {
                let property = self.definitions.property(self.kind, key)?;
                let closed = matches!(property.r#type, PropertyType::Select | PropertyType::MultiSelect);
                // Includes archived options, because records may still have them.
                closed.then(|| property.options.iter().map(|option| option.value.clone()).collect())
            }
            (None, "status", Some(kind)) => {
                let stages = self.definitions.all_pipelines(kind).flat_map(|pipeline| &pipeline.stages);
                let mut keys: Vec<String> = stages.map(|stage| stage.key.clone()).collect();
                keys.sort_unstable();
                keys.dedup();
                Some(keys)
            }
            (None, field, _) => rules::choices(self.kind, field, self.definitions),
        }
    }
    fn is_hidden(&self, field: &str) -> bool {
        self.roles.is_some_and(|roles| roles.is_hidden(self.kind, field))
    }
}
