//! A tenant's definitions: organization, pipelines, roles, teams, properties and whatever else is declared to be one, cached
//! per process under their epoch.

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
        store::{self, StoreError},
        value::{Calendar, Currency, Id, Kind, WrongType},
    },
    systems,
};

/// Everything that the rules of a tenant's records depend on besides the records themselves.
#[derive(Debug, Default)]
pub struct Definitions {
    /// The id of the commit that last changed one.
    pub epoch: Id,
    /// What the program's systems say of every tenant.
    systems: Arc<Systems>,
    /// The records of each kind that is a definition.
    tables: HashMap<Kind, Box<dyn Table>>,
    /// The roles that hold a grant which this program cannot read.
    unread: HashSet<Id>,
    children: HashMap<Id, Vec<Id>>,
    properties: HashMap<Kind, Vec<Record<Property>>>,
    role_sets: Mutex<HashMap<Vec<Id>, Arc<RoleSet>>>,
    derived: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

/// The records of one kind by id.
trait Table: Any + Debug + Send + Sync {
    fn insert(&mut self, image: &Image) -> Result<(), WrongType>;
    fn is_live(&self, id: Id) -> bool;
}

impl<K: RecordKind> Table for HashMap<Id, Record<K>> {
    fn insert(&mut self, image: &Image) -> Result<(), WrongType> {
        self.insert(image.id, Record::from_image(image)?);
        Ok(())
    }

    fn is_live(&self, id: Id) -> bool {
        self.get(&id).is_some_and(|record| record.archived_at.is_none())
    }
}

/// An empty table of a kind.
fn table(kind: Kind) -> Box<dyn Table> {
    by_kind!(kind, K => Box::new(HashMap::<Id, Record<K>>::default()))
}

impl Definitions {
    /// Reads them from what a store holds, for a program of the built-in systems alone.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where a definition cannot be read.
    pub fn new(stored: &store::Definitions) -> Result<Self, StoreError> {
        Self::under(stored, Arc::new(Systems::new(systems::built_in())))
    }

    /// As [`Definitions::new`], for a program of these systems.
    pub(crate) fn under(stored: &store::Definitions, systems: Arc<Systems>) -> Result<Self, StoreError> {
        let mut all = Self { epoch: stored.epochs.definitions, systems, ..Self::default() };
        for image in &stored.images {
            let kind = image.kind();
            all.tables.entry(kind).or_insert_with(|| table(kind)).insert(image)?;
            if kind == Kind::Role && Record::<Role>::from_image(image)?.has_unread(image) {
                all.unread.insert(image.id);
            }
        }
        let mut children: HashMap<Id, Vec<Id>> = HashMap::default();
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

    fn table<K: RecordKind>(&self) -> Option<&HashMap<Id, Record<K>>> {
        let table: &dyn Any = self.tables.get(&K::KIND)?.as_ref();
        table.downcast_ref()
    }

    /// The records of a kind that is a definition, archived ones too, in no order; none of any other kind.
    pub fn of<K: RecordKind>(&self) -> impl Iterator<Item = &Record<K>> {
        self.table().into_iter().flat_map(HashMap::values)
    }

    /// The definition of an id, archived or not.
    pub fn get<K: RecordKind>(&self, id: Id) -> Option<&Record<K>> {
        self.table()?.get(&id)
    }

    /// What a system makes of these definitions, kept with them: made once, by whoever asks first.
    pub fn derived<T: Send + Sync + 'static>(&self, make: impl FnOnce(&Self) -> T) -> Arc<T> {
        let memo = || self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let known = memo().get(&TypeId::of::<T>()).cloned();
        // Made without the lock, since it may ask for something else that is derived.
        known.and_then(|known| known.downcast().ok()).unwrap_or_else(|| {
            let derived = Arc::new(make(self));
            memo().insert(TypeId::of::<T>(), Arc::clone(&derived) as _);
            derived
        })
    }

    /// The organization; `None` for a tenant that has not been bootstrapped.
    pub fn organization(&self) -> Option<&Record<Organization>> {
        self.of().next()
    }

    /// True where the tenant may be used: its organization is there, and not suspended.
    pub(crate) fn is_open(&self) -> bool {
        self.organization().is_some_and(|organization| {
            organization.status == OrganizationStatus::Active && organization.archived_at.is_none()
        })
    }

    /// The calendar that days and quarters go by.
    pub fn zone(&self) -> chrono_tz::Tz {
        self.organization().and_then(|org| org.time_zone.as_deref()?.parse().ok()).unwrap_or(chrono_tz::UTC)
    }

    /// How the organization counts its days, weeks and quarters.
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

    /// The currency sums are given in.
    pub fn base_currency(&self) -> Currency {
        self.organization().and_then(|org| org.base_currency).unwrap_or(Currency::USD)
    }

    /// Two letters: the country of phone numbers written without one.
    pub fn default_country(&self) -> Option<&str> {
        self.organization().and_then(|org| org.default_country.as_deref())
    }

    /// The pipeline of an id, archived or not.
    pub fn pipeline(&self, id: Id) -> Option<&Record<Pipeline>> {
        self.get(id)
    }

    /// The pipelines of a kind that are not archived, in their order.
    pub fn pipelines(&self, kind: PipelineKind) -> Vec<&Record<Pipeline>> {
        let mut list: Vec<_> = self.all_pipelines(kind).filter(|pipeline| pipeline.archived_at.is_none()).collect();
        list.sort_by_key(|pipeline| (pipeline.position, pipeline.id));
        list
    }

    /// The pipelines of a kind, archived ones too, in any order.
    pub(crate) fn all_pipelines(&self, kind: PipelineKind) -> impl Iterator<Item = &Record<Pipeline>> {
        self.of::<Pipeline>().filter(move |pipeline| pipeline.kind == kind)
    }

    /// The pipeline that records of a kind get when they name none.
    pub fn default_pipeline(&self, kind: PipelineKind) -> Option<&Record<Pipeline>> {
        let list = self.pipelines(kind);
        list.iter().find(|pipeline| pipeline.is_default).or(list.first()).copied()
    }

    /// The stage of an id, and its pipeline.
    pub fn stage(&self, id: Id) -> Option<(&Record<Pipeline>, &Stage)> {
        self.of::<Pipeline>().find_map(|pipeline| pipeline.stage(id).map(|stage| (pipeline, stage)))
    }

    /// The role of an id.
    pub fn role(&self, id: Id) -> Option<&Record<Role>> {
        self.get(id)
    }

    /// The role of a key that is not archived.
    pub fn role_by_key(&self, key: &str) -> Option<&Record<Role>> {
        self.of::<Role>().find(|role| role.key == key && role.archived_at.is_none())
    }

    /// The team of an id.
    pub fn team(&self, id: Id) -> Option<&Record<Team>> {
        self.get(id)
    }

    /// The teams and all teams below them.
    pub fn team_subtree(&self, roots: &[Id]) -> Vec<Id> {
        let mut seen: HashSet<Id> = HashSet::new();
        let mut found = Vec::new();
        let mut open: Vec<Id> = roots.to_vec();
        while let Some(team) = open.pop() {
            if seen.insert(team) {
                found.push(team);
                open.extend(self.children.get(&team).into_iter().flatten());
            }
        }
        found.sort_unstable();
        found
    }

    /// The teams right below a team, archived ones too.
    pub fn teams_below(&self, team: Id) -> &[Id] {
        self.children.get(&team).map_or(&[], Vec::as_slice)
    }

    /// The custom properties of a kind, archived ones too, in their order.
    pub fn properties(&self, kind: Kind) -> &[Record<Property>] {
        self.properties.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// The custom property of a kind and key that is not archived.
    pub fn property(&self, kind: Kind, key: &str) -> Option<&Record<Property>> {
        self.properties(kind).iter().find(|property| property.key == key && property.archived_at.is_none())
    }

    /// Whether a definition of a kind exists and may be newly referred to; `None` for kinds that are no definitions.
    pub fn may_refer(&self, kind: Kind, id: Id) -> Option<bool> {
        let is_live = || self.tables.get(&kind).is_some_and(|table| table.is_live(id));
        catalog::decl(kind).is_definition.then(is_live)
    }

    /// What the program gives to a role: nothing to one of the organization's own.
    pub(crate) fn given(&self, role: &Role) -> &[Grant] {
        let built_in = BuiltInRole::from_key(&role.key).filter(|_| role.is_builtin);
        built_in.map_or(&[], |role| self.systems.grants(role))
    }

    /// What a role grants by itself, without what it inherits: of what the program gives all that is not withheld, and
    /// what the organization adds. A withheld permission that this program does not know withholds nothing.
    pub(crate) fn granted_by<'a>(&'a self, role: &'a Role) -> impl Iterator<Item = &'a Grant> {
        let withheld: Vec<Permission> = role.withheld.iter().filter_map(|text| text.parse().ok()).collect();
        let is_given = move |grant: &&Grant| !withheld.contains(&Permission::new(grant.resource, grant.action));
        self.given(role).iter().filter(is_given).chain(&role.grants)
    }

    /// What a set of roles grants together, with what they inherit and what the program gives to built-in ones. Worked out
    /// once per epoch and set.
    pub fn role_set(&self, roles: &[Id]) -> Arc<RoleSet> {
        let mut memo = self.role_sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = memo.get(roles) {
            return Arc::clone(set);
        }
        let set = Arc::new(self.granted(roles, None));
        memo.insert(roles.to_vec(), Arc::clone(&set));
        set
    }

    /// As [`Definitions::role_set`], with a role as it is to be.
    pub(crate) fn role_set_with(&self, roles: &[Id], changed: &Record<Role>) -> RoleSet {
        self.granted(roles, Some(changed))
    }

    fn granted(&self, roles: &[Id], changed: Option<&Record<Role>>) -> RoleSet {
        let mut seen = HashSet::new();
        let mut open: Vec<Id> = roles.to_vec();
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
        // An administrator sees and changes everything, whatever other roles say: somebody must be able to take back a rule.
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
