//! The definitions of a tenant: organization, pipelines, roles, teams, properties and other kinds declared as
//! definitions. They are cached per process under their epoch.

use std::{
    any::{Any, TypeId},
    collections::HashSet,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use foldhash::HashMap;

use crate::{
    catalog::{self, by_kind},
    engine::{
        access::{BuiltInRole, RoleSet},
        system::Systems,
    },
    model::{
        access::{Grant, Permission},
        records::{
            organization::{Organization, OrganizationStatus, WeekStart},
            pipeline::{Pipeline, PipelineKind, Stage},
            property::Property,
            role::Role,
            team::Team,
        },
        schema::{Image, Record, RecordKind},
        store::{self, CommitId, StoreError},
        value::{Calendar, Currency, Id, Kind, WrongType},
    },
};

/// The configuration on which the rules of a tenant's records depend.
#[derive(Debug, Default)]
pub struct Definitions {
    /// The id of the commit that last changed a definition.
    pub epoch: CommitId,
    /// The systems of the program, which apply to every tenant.
    systems: Arc<Systems>,
    /// The records of each kind that is a definition.
    tables: HashMap<Kind, Box<dyn Table>>,
    /// The roles with a grant that this version cannot read.
    unread: HashSet<Id<Role>>,
    children: HashMap<Id<Team>, Vec<Id<Team>>>,
    properties: HashMap<Kind, Vec<Record<Property>>>,
    role_sets: Mutex<HashMap<Vec<Id<Role>>, Arc<RoleSet>>>,
    derived: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

trait Table: Any + Debug + Send + Sync {
    fn insert(&mut self, image: &Image) -> Result<(), WrongType>;
    fn is_live(&self, id: Id) -> bool;
}

impl<K: RecordKind> Table for HashMap<Id<K>, Record<K>> {
    fn insert(&mut self, image: &Image) -> Result<(), WrongType> {
        self.insert(image.id.typed(), Record::from_image(image)?);
        Ok(())
    }

    fn is_live(&self, id: Id) -> bool {
        self.get(&id.typed()).is_some_and(|record| record.archived_at.is_none())
    }
}

fn table(kind: Kind) -> Box<dyn Table> {
    by_kind!(kind, K => Box::new(HashMap::<Id<K>, Record<K>>::default()))
}

impl Definitions {
    /// Creates the definitions from stored records, under these systems.
    pub(crate) fn under(stored: &store::Definitions, systems: Arc<Systems>) -> Result<Self, StoreError> {
        let mut all = Self { epoch: stored.epochs.definitions, systems, ..Self::default() };
        for image in &stored.images {
            let kind = image.kind();
            all.tables.entry(kind).or_insert_with(|| table(kind)).insert(image)?;
            if kind == Kind::Role && Record::<Role>::from_image(image)?.has_unread(image) {
                all.unread.insert(image.id.typed());
            }
        }
        let mut children: HashMap<Id<Team>, Vec<Id<Team>>> = HashMap::default();
        for team in all.of::<Team>() {
            if let Some(parent) = team.parent_id {
                children.entry(parent).or_default().push(team.id);
            }
        }
        let mut properties: HashMap<Kind, Vec<Record<Property>>> = HashMap::default();
        for property in all.of::<Property>() {
            if let Some(kind) = property.kind {
                properties.entry(kind).or_default().push(property.clone());
            }
        }
        for list in properties.values_mut() {
            list.sort_by(|a, b| (a.position, &a.key).cmp(&(b.position, &b.key)));
        }
        Ok(Self { children, properties, ..all })
    }

    fn table<K: RecordKind>(&self) -> Option<&HashMap<Id<K>, Record<K>>> {
        let table: &dyn Any = self.tables.get(&K::KIND)?.as_ref();
        table.downcast_ref()
    }

    /// Returns the records of a kind that is a definition, including archived ones, in no particular order. Empty for
    /// any other kind.
    pub fn of<K: RecordKind>(&self) -> impl Iterator<Item = &Record<K>> {
        self.table().into_iter().flat_map(HashMap::values)
    }

    /// Returns the definition with this id, archived or not.
    pub fn get<K: RecordKind>(&self, id: Id<K>) -> Option<&Record<K>> {
        self.table()?.get(&id)
    }

    /// Returns a value derived from these definitions by a system. It is computed on first use and cached with them.
    pub fn derived<T: Send + Sync + 'static>(&self, make: impl FnOnce(&Self) -> T) -> Arc<T> {
        let memo = || self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let known = memo().get(&TypeId::of::<T>()).cloned();
        // Computed without holding the lock, because it may request another derived value.
        known.and_then(|known| known.downcast().ok()).unwrap_or_else(|| {
            let derived = Arc::new(make(self));
            memo().insert(TypeId::of::<T>(), Arc::clone(&derived) as _);
            derived
        })
    }

    /// Returns the organization; `None` for a tenant that has not been bootstrapped.
    pub fn organization(&self) -> Option<&Record<Organization>> {
        self.of().next()
    }

    /// Returns `true` if the organization exists and is not suspended.
    pub(crate) fn is_open(&self) -> bool {
        self.organization().is_some_and(|organization| {
            organization.status == OrganizationStatus::Active && organization.archived_at.is_none()
        })
    }

    /// Returns the time zone of the organization, in which days and quarters are counted.
    pub fn zone(&self) -> chrono_tz::Tz {
        self.organization().and_then(|org| org.time_zone.as_deref()?.parse().ok()).unwrap_or(chrono_tz::UTC)
    }

    /// Returns the calendar of the organization: its days, weeks and quarters.
    pub fn calendar(&self) -> Calendar {
        let Some(organization) = self.organization() else { return Calendar::default() };
        Calendar {
            zone: self.zone(),
            week_start: match organization.week_start {
                WeekStart::Monday | WeekStart::Unknown(_) => chrono::Weekday::Mon,
                WeekStart::Saturday => chrono::Weekday::Sat,
                WeekStart::Sunday => chrono::Weekday::Sun,
            },
            fiscal_start: organization.fiscal_year_start_month.and_then(|m| u32::try_from(m).ok()).unwrap_or(1),
        }
    }

    /// Returns the currency of sums.
    pub fn base_currency(&self) -> Currency {
        self.organization().and_then(|org| org.base_currency).unwrap_or(Currency::USD)
    }

    /// Returns the country of phone numbers without a country code, as two letters.
    pub fn default_country(&self) -> Option<&str> {
        self.organization().and_then(|org| org.default_country.as_deref())
    }

    /// Returns the pipeline with this id, archived or not.
    pub fn pipeline(&self, id: Id<Pipeline>) -> Option<&Record<Pipeline>> {
        self.get(id)
    }

    /// Returns the active pipelines of a kind, in order.
    pub fn pipelines(&self, kind: PipelineKind) -> Vec<&Record<Pipeline>> {
        let mut list: Vec<_> = self.all_pipelines(kind).filter(|pipeline| pipeline.archived_at.is_none()).collect();
        list.sort_by_key(|pipeline| (pipeline.position, pipeline.id));
        list
    }

    /// Returns all pipelines of a kind, including archived ones, in no particular order.
    pub(crate) fn all_pipelines(&self, kind: PipelineKind) -> impl Iterator<Item = &Record<Pipeline>> {
        self.of::<Pipeline>().filter(move |pipeline| pipeline.kind == kind)
    }

    /// Returns the pipeline for records that specify none.
    pub fn default_pipeline(&self, kind: PipelineKind) -> Option<&Record<Pipeline>> {
        let list = self.pipelines(kind);
        list.iter().find(|pipeline| pipeline.is_default).or(list.first()).copied()
    }

    /// Returns the stage with this id and its pipeline.
    pub fn stage(&self, id: Id<Stage>) -> Option<(&Record<Pipeline>, &Stage)> {
        self.of::<Pipeline>().find_map(|pipeline| pipeline.stage(id).map(|stage| (pipeline, stage)))
    }

    /// Returns the role with this id.
    pub fn role(&self, id: Id<Role>) -> Option<&Record<Role>> {
        self.get(id)
    }

    /// Returns the active role with this key.
    pub fn role_by_key(&self, key: &str) -> Option<&Record<Role>> {
        self.of::<Role>().find(|role| role.key == key && role.archived_at.is_none())
    }

    /// Returns the team with this id.
    pub fn team(&self, id: Id<Team>) -> Option<&Record<Team>> {
        self.get(id)
    }

    /// Returns the teams and all teams below them.
    pub fn team_subtree(&self, roots: &[Id<Team>]) -> Vec<Id<Team>> {
        let mut seen: HashSet<Id<Team>> = HashSet::new();
        let mut found = Vec::new();
        let mut open: Vec<Id<Team>> = roots.to_vec();
        while let Some(team) = open.pop() {
            if seen.insert(team) {
                found.push(team);
                open.extend(self.children.get(&team).into_iter().flatten());
            }
        }
        found.sort_unstable();
        found
    }

    /// Returns the direct children of a team, including archived ones.
    pub fn teams_below(&self, team: Id<Team>) -> &[Id<Team>] {
        self.children.get(&team).map_or(&[], Vec::as_slice)
    }

    /// Returns the custom properties of a kind, including archived ones, in order.
    pub fn properties(&self, kind: Kind) -> &[Record<Property>] {
        self.properties.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// Returns the active custom property of a kind with this key.
    pub fn property(&self, kind: Kind, key: &str) -> Option<&Record<Property>> {
        self.properties(kind).iter().find(|property| property.key == key && property.archived_at.is_none())
    }

    /// Returns whether an active definition with this id exists, which new references require; `None` for kinds that
    /// are not definitions.
    pub fn may_refer(&self, kind: Kind, id: Id) -> Option<bool> {
        let is_live = || self.tables.get(&kind).is_some_and(|table| table.is_live(id));
        catalog::decl(kind).is_definition.then(is_live)
    }

    /// Returns the grants that the program gives to a role; none for a role created by the organization.
    pub(crate) fn given(&self, role: &Role) -> &[Grant] {
        let built_in = BuiltInRole::from_key(&role.key).filter(|_| role.is_builtin);
        built_in.map_or(&[], |role| self.systems.grants(role))
    }

    /// Returns the grants of a role without those it inherits: those of the program that are not withheld, and those
    /// that the organization adds. An unknown withheld permission has no effect.
    pub(crate) fn granted_by<'a>(&'a self, role: &'a Role) -> impl Iterator<Item = &'a Grant> {
        let withheld: Vec<Permission> = role.withheld.iter().filter_map(|text| text.parse().ok()).collect();
        let is_given = move |grant: &&Grant| !withheld.contains(&Permission::new(grant.resource, grant.action));
        self.given(role).iter().filter(is_given).chain(&role.grants)
    }

    /// Returns the combined grants of a set of roles, including inherited ones and those that the program gives to
    /// built-in roles. Computed once per epoch and set.
    pub fn role_set(&self, roles: &[Id<Role>]) -> Arc<RoleSet> {
        let mut memo = self.role_sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = memo.get(roles) {
            return Arc::clone(set);
        }
        let set = Arc::new(self.granted(roles, None));
        memo.insert(roles.to_vec(), Arc::clone(&set));
        set
    }

    /// Like [`Definitions::role_set`], with a changed role.
    pub(crate) fn role_set_with(&self, roles: &[Id<Role>], changed: &Record<Role>) -> RoleSet {
        self.granted(roles, Some(changed))
    }

    fn granted(&self, roles: &[Id<Role>], changed: Option<&Record<Role>>) -> RoleSet {
        let mut seen = HashSet::new();
        let mut open: Vec<Id<Role>> = roles.to_vec();
        let mut found: Vec<&Record<Role>> = Vec::new();
        while let Some(id) = open.pop() {
            if let Some(role) = changed.filter(|role| role.id == id).or_else(|| self.role(id))
                && role.archived_at.is_none()
                && seen.insert(id)
            {
                open.extend(&role.inherits);
                found.push(role);
            }
        }
        // Field rules do not apply to administrators, so that there is always a user who can remove a rule.
        let admin = found.iter().any(|role| role.is_builtin && role.key == "admin");
        let mut set = RoleSet::new(
            found.iter().flat_map(|role| self.granted_by(role)),
            found.iter().filter(|_| !admin).flat_map(|role| role.field_rules.iter()),
        )
        .of(admin, found.iter().map(|role| role.id).filter(|id| self.unread.contains(id)));
        for hides in self.systems.iter().filter_map(|system| system.hides) {
            for (kind, field) in hides(self, &set) {
                set.hide(kind, field);
            }
        }
        set
    }
}
