//! What several roles grant together.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::model::{
    access::{FieldAccess, FieldRule, Grant, Permission},
    schema,
    value::{Id, Kind},
};

/// Grants and field rules of a set of roles. Grants add up; so do field rules: a field that one role hides is hidden,
/// whatever the others say.
///
/// A newer program may have stored what this one does not know. A grant that this one cannot read grants nothing, and its
/// role is given only by who has it, or `admin`; a field rule of an unknown access hides the field.
#[derive(Debug, Default)]
pub struct RoleSet {
    grants: HashMap<Permission, Vec<Grant>>,
    /// The roles that hold a grant which this program cannot read.
    unread: BTreeSet<Id>,
    /// True where one of the roles is `admin`.
    is_admin: bool,
    /// The rules as they are given.
    rules: Vec<FieldRule>,
    /// With what would tell a hidden field.
    hidden: HashMap<Kind, HashSet<String>>,
    read_only: HashMap<Kind, HashSet<String>>,
}

impl RoleSet {
    /// From the roles' grants and rules.
    pub fn new<'a>(grants: impl Iterator<Item = &'a Grant>, rules: impl Iterator<Item = &'a FieldRule>) -> Self {
        let mut set = Self::default();
        for grant in grants {
            let list = set.grants.entry(Permission::new(grant.resource, grant.action)).or_default();
            if !list.contains(grant) {
                list.push(grant.clone());
            }
        }
        for list in set.grants.values_mut() {
            // The widest first, so that the common case is decided at once.
            list.sort_by_key(|grant| (std::cmp::Reverse(grant.scope), grant.condition.is_some()));
        }
        for rule in rules {
            if rule.access == FieldAccess::ReadOnly {
                set.read_only.entry(rule.kind).or_default().insert(rule.field.clone());
            } else {
                set.hide(rule.kind, &rule.field);
            }
            set.rules.push(rule.clone());
        }
        set
    }

    /// Notes whether one of the roles is `admin`, and which hold a grant that this program cannot read.
    #[must_use]
    pub(crate) fn of(self, is_admin: bool, unread: impl IntoIterator<Item = Id>) -> Self {
        Self { is_admin, unread: unread.into_iter().collect(), ..self }
    }

    /// The roles that hold a grant which this program cannot read.
    pub(crate) fn unread(&self) -> impl Iterator<Item = Id> {
        self.unread.iter().copied()
    }

    /// True where these roles grant what others do by grants that this program cannot read: the same roles do, and so does
    /// `admin`, whatever there is.
    pub(crate) fn covers_unread(&self, others: &Self) -> bool {
        self.is_admin || others.unread.is_subset(&self.unread)
    }

    /// Hides a field, and with it whatever would tell it.
    pub(crate) fn hide(&mut self, kind: Kind, field: &str) {
        self.hidden.entry(kind).or_default().insert(field.to_owned());
        for (kind, name) in schema::hidden_with(kind, field) {
            self.hidden.entry(kind).or_default().insert(name.to_owned());
        }
    }

    /// Of these grants those of some permissions, under the same field rules.
    #[must_use]
    pub fn within(&self, limits: &BTreeSet<Permission>) -> Self {
        let kept = |permission: &Permission| Some((*permission, self.grants.get(permission)?.clone()));
        Self {
            grants: limits.iter().filter_map(kept).collect(),
            unread: BTreeSet::new(),
            is_admin: false,
            rules: self.rules.clone(),
            hidden: self.hidden.clone(),
            read_only: self.read_only.clone(),
        }
    }

    /// The grants of a permission, the widest first.
    pub fn grants(&self, permission: Permission) -> &[Grant] {
        self.grants.get(&permission).map_or(&[], Vec::as_slice)
    }

    /// Every grant, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values().flatten()
    }

    /// True where the field does not exist for these roles.
    pub fn is_hidden(&self, kind: Kind, field: &str) -> bool {
        names(self.hidden.get(&kind), field)
    }

    /// The fields of a kind that do not exist for these roles.
    pub fn hidden(&self, kind: Kind) -> Option<&HashSet<String>> {
        self.hidden.get(&kind).filter(|fields| !fields.is_empty())
    }

    /// True where the field may be seen and not written.
    pub fn is_read_only(&self, kind: Kind, field: &str) -> bool {
        names(self.read_only.get(&kind), field)
    }

    /// True where these roles grant anything at all on a kind.
    pub fn touches(&self, kind: Kind) -> bool {
        self.grants.keys().any(|permission| permission.resource == kind)
    }

    /// Every field rule, as the roles give them.
    pub fn rules(&self) -> impl Iterator<Item = &FieldRule> {
        self.rules.iter()
    }

    /// True where these roles are held to a field rule, or to a stricter one.
    pub fn has_rule(&self, rule: &FieldRule) -> bool {
        self.is_hidden(rule.kind, &rule.field)
            || rule.access == FieldAccess::ReadOnly && self.is_read_only(rule.kind, &rule.field)
    }

    /// True where these roles grant at least this much: who may give a role must hold what it grants.
    pub fn covers(&self, grant: &Grant) -> bool {
        self.grants(Permission::new(grant.resource, grant.action))
            .iter()
            .any(|own| own.scope >= grant.scope && (own.condition.is_none() || own.condition == grant.condition))
    }
}

/// True where the names hold the field; `properties` names every custom property.
fn names(names: Option<&HashSet<String>>, field: &str) -> bool {
    names.is_some_and(|names| names.contains(field) || field.starts_with("properties.") && names.contains("properties"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_that_cannot_be_read_are_covered_by_the_same_role_and_by_admin() {
        let [one, two] = [1, 2].map(|at| Id::from_parts(at, [0; 10]));
        let of = |is_admin: bool, unread: &[Id]| RoleSet::default().of(is_admin, unread.iter().copied());
        assert!(of(false, &[]).covers_unread(&of(false, &[])));
        assert!(!of(false, &[two]).covers_unread(&of(false, &[one])));
        assert!(of(false, &[one, two]).covers_unread(&of(false, &[one])));
        let admin = of(true, &[]);
        assert!(admin.covers_unread(&of(false, &[one])));
        // An administrator's key does no more than it names.
        assert!(!admin.within(&BTreeSet::new()).covers_unread(&of(false, &[one])));
    }
}
