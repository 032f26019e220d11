//! A tenant's definitions: organization, pipelines, roles, teams and properties, cached per process under their epoch.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use foldhash::HashMap;

use crate::{
    access::role_set::RoleSet,
    organizations::record::{Organization, OrganizationStatus, WeekStart},
    pipelines::record::{Pipeline, PipelineKind, Stage},
    properties::record::Property,
    roles::record::Role,
    schema::Record,
    scoring::{KINDS, Needs, compile, record::ScoringModel},
    store::{self, StoreError},
    teams::record::Team,
    value::{Calendar, Currency, Id, Kind, Time},
};

/// Everything that the rules of a tenant's records depend on besides the records themselves.
#[derive(Debug, Default)]
pub struct Definitions {
    /// The id of the commit that last changed one.
    pub epoch: Id,
    organization: Option<Record<Organization>>,
    pipelines: HashMap<Id, Record<Pipeline>>,
    roles: HashMap<Id, Record<Role>>,
    /// The roles that hold a grant which this program cannot read.
    unread: HashSet<Id>,
    teams: HashMap<Id, Record<Team>>,
    children: HashMap<Id, Vec<Id>>,
    properties: HashMap<Kind, Vec<Record<Property>>>,
    scoring_models: HashMap<Id, Record<ScoringModel>>,
    role_sets: Mutex<HashMap<Vec<Id>, Arc<RoleSet>>>,
    needs: OnceLock<Vec<(Kind, Needs)>>,
}

impl Definitions {
    /// Reads them from what a store holds.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where a definition cannot be read.
    pub fn new(stored: &store::Definitions) -> Result<Self, StoreError> {
        let mut all = Self { epoch: stored.epochs.definitions, ..Self::default() };
        for image in &stored.images {
            match image.kind() {
                Kind::Organization => all.organization = Some(Record::from_image(image)?),
                Kind::Pipeline => {
                    all.pipelines.insert(image.id, Record::from_image(image)?);
                }
                Kind::Role => {
                    let role = Record::<Role>::from_image(image)?;
                    if role.has_unread(image) {
                        all.unread.insert(image.id);
                    }
                    all.roles.insert(image.id, role);
                }
                Kind::Team => {
                    let team = Record::<Team>::from_image(image)?;
                    if let Some(parent) = team.parent_id {
                        all.children.entry(parent).or_default().push(team.id);
                    }
                    all.teams.insert(image.id, team);
                }
                Kind::Property => {
                    let property = Record::<Property>::from_image(image)?;
                    if let Some(kind) = property.kind {
                        all.properties.entry(kind).or_default().push(property);
                    }
                }
                Kind::ScoringModel => {
                    all.scoring_models.insert(image.id, Record::from_image(image)?);
                }
                _ => {}
            }
        }
        for list in all.properties.values_mut() {
            list.sort_by(|a, b| (a.position, &a.key).cmp(&(b.position, &b.key)));
        }
        Ok(all)
    }

    /// The organization; `None` for a tenant that has not been bootstrapped.
    pub fn organization(&self) -> Option<&Record<Organization>> {
        self.organization.as_ref()
    }

    /// True where the tenant may be used: its organization is there, and not suspended.
    pub(crate) fn is_open(&self) -> bool {
        self.organization.as_ref().is_some_and(|organization| {
            organization.status == OrganizationStatus::Active && organization.archived_at.is_none()
        })
    }

    /// The calendar that days and quarters go by.
    pub fn zone(&self) -> chrono_tz::Tz {
        self.organization.as_ref().and_then(|org| org.time_zone.as_deref()?.parse().ok()).unwrap_or(chrono_tz::UTC)
    }

    /// How the organization counts its days, weeks and quarters.
    pub fn calendar(&self) -> Calendar {
        let Some(organization) = &self.organization else { return Calendar::default() };
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
        self.organization.as_ref().and_then(|org| org.base_currency).unwrap_or(Currency::USD)
    }

    /// Two letters: the country of phone numbers written without one.
    pub fn default_country(&self) -> Option<&str> {
        self.organization.as_ref().and_then(|org| org.default_country.as_deref())
    }

    /// The pipeline of an id, archived or not.
    pub fn pipeline(&self, id: Id) -> Option<&Record<Pipeline>> {
        self.pipelines.get(&id)
    }

    /// The pipelines of a kind that are not archived, in their order.
    pub fn pipelines(&self, kind: PipelineKind) -> Vec<&Record<Pipeline>> {
        let mut list: Vec<_> = self
            .pipelines
            .values()
            .filter(|pipeline| pipeline.kind == kind && pipeline.archived_at.is_none())
            .collect();
        list.sort_by_key(|pipeline| (pipeline.position, pipeline.id));
        list
    }

    /// The pipelines of a kind, archived ones too, in any order.
    pub(crate) fn all_pipelines(&self, kind: PipelineKind) -> impl Iterator<Item = &Record<Pipeline>> {
        self.pipelines.values().filter(move |pipeline| pipeline.kind == kind)
    }

    /// The pipeline that records of a kind get when they name none.
    pub fn default_pipeline(&self, kind: PipelineKind) -> Option<&Record<Pipeline>> {
        let list = self.pipelines(kind);
        list.iter().find(|pipeline| pipeline.is_default).or(list.first()).copied()
    }

    /// The stage of an id, and its pipeline.
    pub fn stage(&self, id: Id) -> Option<(&Record<Pipeline>, &Stage)> {
        self.pipelines.values().find_map(|pipeline| pipeline.stage(id).map(|stage| (pipeline, stage)))
    }

    /// The role of an id.
    pub fn role(&self, id: Id) -> Option<&Record<Role>> {
        self.roles.get(&id)
    }

    /// The role of a key that is not archived.
    pub fn role_by_key(&self, key: &str) -> Option<&Record<Role>> {
        self.roles.values().find(|role| role.key == key && role.archived_at.is_none())
    }

    /// The team of an id.
    pub fn team(&self, id: Id) -> Option<&Record<Team>> {
        self.teams.get(&id)
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

    /// Every scoring model, archived ones too, in no order.
    pub fn scoring_models(&self) -> impl Iterator<Item = &Record<ScoringModel>> {
        self.scoring_models.values()
    }

    /// The scoring model of an id, archived or not.
    pub fn scoring_model(&self, id: Id) -> Option<&Record<ScoringModel>> {
        self.scoring_models.get(&id)
    }

    /// The scoring model whose score records of a kind carry.
    pub fn active_model(&self, kind: Kind) -> Option<&Record<ScoringModel>> {
        self.scoring_models
            .values()
            .find(|model| model.is_active && model.kind == Some(kind) && model.archived_at.is_none())
    }

    /// True where the active scoring model of a kind is one that a newer program made and this one does not understand: its
    /// records are scored by that one.
    pub(crate) fn model_is_beyond(&self, kind: Kind) -> bool {
        self.active_model(kind).is_some_and(|model| model.definition.is_none())
    }

    /// What the active scoring models read, by the kind that they score. Worked out once per epoch. A model that has
    /// stopped to make sense (a property that it names was archived) reads nothing, and scores nothing.
    pub(crate) fn model_needs(&self) -> &[(Kind, Needs)] {
        self.needs.get_or_init(|| {
            let needs = |kind: &Kind| {
                let definition = self.active_model(*kind)?.definition.as_ref()?;
                Some((*kind, compile(definition, *kind, self, Time::EPOCH).ok()?.needs))
            };
            KINDS.iter().filter_map(needs).collect()
        })
    }

    /// Whether a definition of a kind exists and may be newly referred to; `None` for kinds that are no definitions.
    pub fn may_refer(&self, kind: Kind, id: Id) -> Option<bool> {
        match kind {
            Kind::Organization => Some(self.organization.as_ref().is_some_and(|org| org.id == id)),
            Kind::Pipeline => Some(self.pipelines.get(&id).is_some_and(|record| record.archived_at.is_none())),
            Kind::ScoringModel => Some(self.scoring_models.get(&id).is_some_and(|record| record.archived_at.is_none())),
            Kind::Role => Some(self.roles.get(&id).is_some_and(|record| record.archived_at.is_none())),
            Kind::Team => Some(self.teams.get(&id).is_some_and(|record| record.archived_at.is_none())),
            Kind::Property => {
                Some(self.properties.values().flatten().any(|record| record.id == id && record.archived_at.is_none()))
            }
            _ => None,
        }
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
            if let Some(role) = changed.filter(|role| role.id == id).or_else(|| self.roles.get(&id))
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
            found.iter().flat_map(|role| role.own_grants()),
            found.iter().filter(|_| !admin).flat_map(|role| role.field_rules.iter()),
        )
        .of(admin, found.iter().map(|role| role.id).filter(|id| self.unread.contains(id)));
        set.hide_scores(self.model_needs());
        set
    }
}
