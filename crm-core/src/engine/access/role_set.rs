//! The combined grants and field rules of several roles.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::model::{
    access::{FieldAccess, FieldRule, Grant, Permission},
    records::role::Role,
    schema,
    value::{Id, Kind},
};

/// The grants and field rules of a set of roles. Both accumulate: a field that one role hides is hidden, regardless of
/// the others.
///
/// A newer program may have stored roles that this version cannot read completely. An unreadable grant grants nothing,
/// and its role can be assigned only by users who have it or `admin`. A field rule with an unknown access hides the
/// field.
#[derive(Debug, Default)]
pub struct RoleSet {
    grants: HashMap<Permission, Vec<Grant>>,
    /// The roles with a grant that this version cannot read.
    unread: BTreeSet<Id<Role>>,
    /// `true` if one of the roles is `admin`.
    is_admin: bool,
    /// The rules as stored.
    rules: Vec<FieldRule>,
    /// Includes fields that would reveal a hidden field.
    hidden: HashMap<Kind, HashSet<String>>,
    read_only: HashMap<Kind, HashSet<String>>,
}

impl RoleSet {
    /// Creates the set from the grants and rules of roles.
    pub fn new<'a>(grants: impl Iterator<Item = &'a Grant>, rules: impl Iterator<Item = &'a FieldRule>) -> Self {
        let mut set = Self::default();
        for grant in grants {
            let list = set.grants.entry(Permission::new(grant.resource, grant.action)).or_default();
            if !list.contains(grant) {
                list.push(grant.clone());
            }
        }
        for list in set.grants.values_mut() {
            // Widest first, so that the common case is decided by the first grant.
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

    /// Sets whether one of the roles is `admin`, and which roles have a grant that this version cannot read.
    #[must_use]
    pub(crate) fn of(self, is_admin: bool, unread: impl IntoIterator<Item = Id<Role>>) -> Self {
        Self { is_admin, unread: unread.into_iter().collect(), ..self }
    }

    /// Returns the roles with a grant that this version cannot read.
    pub(crate) fn unread(&self) -> impl Iterator<Item = Id<Role>> {
        self.unread.iter().copied()
    }

    /// Returns `true` if these roles include everything that others grant by unreadable grants: they contain the same
    /// roles, or `admin`.
    pub(crate) fn covers_unread(&self, others: &Self) -> bool {
        self.is_admin || others.unread.is_subset(&self.unread)
    }

    /// Hides a field and all fields that would reveal it.
    pub(crate) fn hide(&mut self, kind: Kind, field: &str) {
        self.hidden.entry(kind).or_default().insert(field.to_owned());
        for (kind, name) in schema::hidden_with(kind, field) {
            self.hidden.entry(kind).or_default().insert(name.to_owned());
        }
    }

    /// Returns only the grants of these permissions, with the same field rules.
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

    /// Returns the grants of a permission, widest scope first.
    pub fn grants(&self, permission: Permission) -> &[Grant] {
        self.grants.get(&permission).map_or(&[], Vec::as_slice)
    }

    /// Returns all grants, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values().flatten()
    }

    /// Returns `true` if the field is hidden from these roles.
    pub fn is_hidden(&self, kind: Kind, field: &str) -> bool {
        names(self.hidden.get(&kind), field)
    }

    /// Returns the fields of a kind that are hidden from these roles; `None` if there are none.
    pub fn hidden(&self, kind: Kind) -> Option<&HashSet<String>> {
        self.hidden.get(&kind).filter(|fields| !fields.is_empty())
    }

    /// Returns `true` if the field can be seen but not written.
    pub fn is_read_only(&self, kind: Kind, field: &str) -> bool {
        names(self.read_only.get(&kind), field)
    }

    /// Returns `true` if these roles grant any permission on a kind.
    pub fn touches(&self, kind: Kind) -> bool {
        self.grants.keys().any(|permission| permission.resource == kind)
    }

    /// Returns all field rules, as stored.
    pub fn rules(&self) -> impl Iterator<Item = &FieldRule> {
        self.rules.iter()
    }

    /// Returns `true` if the field rule, or a stricter one, applies to these roles.
    pub fn has_rule(&self, rule: &FieldRule) -> bool {
        self.is_hidden(rule.kind, &rule.field)
            || rule.access == FieldAccess::ReadOnly && self.is_read_only(rule.kind, &rule.field)
    }

    /// Returns `true` if these roles grant at least as much as the grant. A role can be assigned only by an actor who
    /// has all of its grants.
    pub fn covers(&self, grant: &Grant) -> bool {
        self.grants(Permission::new(grant.resource, grant.action))
            .iter()
            .any(|own| own.scope >= grant.scope && (own.condition.is_none() || own.condition == grant.condition))
    }
}

/// Returns `true` if the names contain the field; `properties` stands for all custom properties.
fn names(names: Option<&HashSet<String>>, field: &str) -> bool {
    names.is_some_and(|names| names.contains(field) || field.starts_with("properties.") && names.contains("properties"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_that_cannot_be_read_are_covered_by_the_same_role_and_by_admin() {
        let [one, two] = [1, 2].map(|at| Id::from_parts(at, [0; 10]).typed());
        let of = |is_admin: bool, unread: &[Id<Role>]| RoleSet::default().of(is_admin, unread.iter().copied());
        assert!(of(false, &[]).covers_unread(&of(false, &[])));
        assert!(!of(false, &[two]).covers_unread(&of(false, &[one])));
        assert!(of(false, &[one, two]).covers_unread(&of(false, &[one])));
        let admin = of(true, &[]);
        assert!(admin.covers_unread(&of(false, &[one])));
        // The API key of an administrator has only its own permissions.
        assert!(!admin.within(&BTreeSet::new()).covers_unread(&of(false, &[one])));
    }
}
