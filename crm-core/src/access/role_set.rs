//! What several roles grant together.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Action, FieldAccess, FieldRule, Grant, Permission, Scope};
use crate::value::Kind;

/// Grants and field rules of a set of roles. Grants add up; so do field rules: a field that one role hides is hidden,
/// whatever the others say.
#[derive(Debug, Default)]
pub struct RoleSet {
    grants: HashMap<Permission, Vec<Grant>>,
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
            let fields = match rule.access {
                FieldAccess::Hidden => &mut set.hidden,
                FieldAccess::ReadOnly => &mut set.read_only,
            };
            let fields = fields.entry(rule.kind).or_default();
            fields.insert(rule.field.clone());
            if rule.access == FieldAccess::Hidden {
                // What is made of a hidden field would tell it.
                let made = MADE_OF.iter().filter(|(kind, of, _)| (*kind, *of) == (rule.kind, rule.field.as_str()));
                fields.extend(made.flat_map(|(_, _, made)| made.iter().map(|&name| name.to_owned())));
            }
        }
        set
    }

    /// Of these grants those of some permissions, under the same field rules.
    #[must_use]
    pub fn within(&self, limits: &BTreeSet<Permission>) -> Self {
        let kept = |permission: &Permission| Some((*permission, self.grants.get(permission)?.clone()));
        Self {
            grants: limits.iter().filter_map(kept).collect(),
            hidden: self.hidden.clone(),
            read_only: self.read_only.clone(),
        }
    }

    /// The grants of a permission, the widest first.
    pub fn grants(&self, permission: Permission) -> &[Grant] {
        self.grants.get(&permission).map_or(&[], Vec::as_slice)
    }

    /// Every grant.
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

    /// Every field rule.
    pub fn rules(&self) -> impl Iterator<Item = FieldRule> {
        let of = |map: &'_ HashMap<Kind, HashSet<String>>, access: FieldAccess| -> Vec<FieldRule> {
            map.iter()
                .flat_map(|(&kind, fields)| {
                    fields.iter().map(move |field| FieldRule { kind, field: field.clone(), access })
                })
                .collect()
        };
        of(&self.hidden, FieldAccess::Hidden).into_iter().chain(of(&self.read_only, FieldAccess::ReadOnly))
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

/// Of which kind, of which field, what is derived so that it would tell the field's value.
const MADE_OF: &[(Kind, &str, &[&str])] = &[
    (Kind::User, "first_name", &["name"]),
    (Kind::User, "last_name", &["name"]),
    (Kind::User, "is_active", &["deactivated_at"]),
    (Kind::Company, "employee_count", &["size"]),
    (Kind::Contact, "emails", &["email"]),
    (Kind::Contact, "phones", &["phone"]),
    (Kind::Lead, "stage_id", &["status", "stage_kind", "stage_entered_at"]),
    (Kind::Deal, "stage_id", &["status", "stage_kind", "stage_entered_at"]),
    (Kind::Deal, "value", &["weighted_value"]),
    (Kind::Deal, "expected_close_date", &["close_date"]),
    (Kind::Deal, "actual_close_date", &["close_date"]),
    (Kind::Task, "status", &["is_open", "completed_at", "completed_by"]),
    (Kind::Interaction, "scheduled_at", &["happens_at", "is_open"]),
    (Kind::Interaction, "completed_at", &["happens_at", "is_open"]),
];

/// The grants that every role has: what a person must see to work at all.
pub fn shared_grants() -> Vec<Grant> {
    [
        Kind::Organization,
        Kind::Team,
        Kind::Role,
        Kind::User,
        Kind::Property,
        Kind::Pipeline,
        Kind::Rate,
        Kind::ScoringModel,
    ]
    .map(|kind| Grant::new(kind, Action::Read, Scope::All))
    .into()
}

/// The roles that come with an organization: key, name, grants.
pub fn built_in_roles() -> Vec<(&'static str, &'static str, Vec<Grant>)> {
    use crate::filter::Filter;
    const OWNED: [Kind; 4] = [Kind::Lead, Kind::Contact, Kind::Company, Kind::Deal];
    const WORK: [Kind; 3] = [Kind::Task, Kind::Interaction, Kind::Note];
    let with_shared = |mut grants: Vec<Grant>| {
        grants.splice(0..0, shared_grants());
        grants
    };
    let on = |kinds: &[Kind], actions: &[Action], scope: Scope| -> Vec<Grant> {
        kinds.iter().flat_map(|&kind| actions.iter().map(move |&action| Grant::new(kind, action, scope))).collect()
    };
    let write = [Action::Create, Action::Read, Action::Update];
    let rule = [Action::Create, Action::Read, Action::Update, Action::Archive, Action::Report, Action::Export];
    let associations =
        on(&[Kind::Association], &[Action::Create, Action::Read, Action::Update, Action::Archive], Scope::All);

    let admin = Permission::all().map(|p| Grant::new(p.resource, p.action, Scope::All)).collect();

    let mut manager = on(&OWNED, &rule, Scope::Team);
    manager.extend(on(&WORK, &rule, Scope::Team));
    manager.extend(on(&OWNED, &[Action::Backdate], Scope::Team));
    manager.extend(on(&[Kind::User], &[Action::Create, Action::Update], Scope::Team));
    manager.extend(on(&[Kind::Team], &[Action::Update], Scope::Team));
    manager.extend(associations.clone());

    let mut rep = on(&OWNED, &write, Scope::Own);
    rep.extend(on(&WORK, &[Action::Create, Action::Read, Action::Update, Action::Archive], Scope::Own));
    rep.extend(on(&OWNED, &[Action::Report], Scope::Own));
    rep.extend(associations.clone());

    let customer = Filter::eq("lifecycle", "customer");
    let mut support: Vec<Grant> = [Kind::Contact, Kind::Company]
        .map(|kind| Grant { condition: Some(customer.clone()), ..Grant::new(kind, Action::Read, Scope::All) })
        .into();
    support.extend(on(&WORK, &write, Scope::Own));
    support.extend(on(&[Kind::Association], &[Action::Read], Scope::All));

    let mut marketing = on(&[Kind::Lead, Kind::Contact], &write, Scope::All);
    marketing.extend(on(&[Kind::Company], &[Action::Read], Scope::All));
    marketing.extend(on(&WORK, &write, Scope::Own));
    marketing.extend(associations);

    let mut analyst = on(&OWNED, &[Action::Read, Action::Report, Action::Export], Scope::All);
    analyst.extend(on(&WORK, &[Action::Read, Action::Report, Action::Export], Scope::All));
    analyst.extend(on(&[Kind::Association], &[Action::Read, Action::Report], Scope::All));

    vec![
        ("admin", "Administrator", admin),
        ("sales_manager", "Sales manager", with_shared(manager)),
        ("sales_rep", "Sales representative", with_shared(rep)),
        ("support", "Support", with_shared(support)),
        ("marketing", "Marketing", with_shared(marketing)),
        ("analyst", "Analyst", with_shared(analyst)),
    ]
}
