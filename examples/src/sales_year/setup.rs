//! Creates everything that must exist before the first record: organization, pipeline, custom properties and teams.
//! Later runs find them by external id, with strong consistency.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crm_core::{
    Crm, Error,
    access::Actor,
    collection::Collection,
    organizations::NewOrganization,
    pipelines::{NewPipeline, Pipeline, PipelineKind, Stage, StageKind},
    properties::{NewProperty, PropertyOption, PropertyPatch, PropertyType},
    roles::Role,
    schema::{Record, RecordKind},
    teams::{NewTeam, Team},
    value::{Id, Kind},
};

use super::{
    Failure,
    rows::{Agent, Year},
};

/// The target of the import.
#[derive(Clone, Debug)]
pub struct Place {
    /// The organization's first administrator, who imports.
    pub admin: Actor,
    /// The pipeline created for the import.
    pub pipeline: Record<Pipeline>,
    /// The teams by [`team_key`].
    pub teams: HashMap<String, Id<Team>>,
    /// The role of the agents.
    pub rep: Id<Role>,
    /// The role of the managers.
    pub manager: Id<Role>,
    /// `true` if the organization was created by this run.
    pub is_new: bool,
}

/// Finds or creates everything.
///
/// # Errors
/// Those of the CRM.
pub async fn set_up(crm: &Crm, slug: &str, year: &Year) -> Result<Place, Failure> {
    let (admin, is_new) = organization(crm, slug).await?;
    let pipeline = ensure(&crm.pipelines(&admin), "sales_year", || new_pipeline("sales_year")).await?;
    properties(crm, &admin, year).await?;
    let teams = teams(crm, &admin, &year.agents).await?;
    let rep = crm.roles(&admin).find("key", "sales_rep").await?.id;
    let manager = crm.roles(&admin).find("key", "sales_manager").await?.id;
    Ok(Place { admin, pipeline, teams, rep, manager, is_new })
}

/// Returns the administrator of the organization with the slug, and whether the organization was just created.
async fn organization(crm: &Crm, slug: &str) -> Result<(Actor, bool), Failure> {
    let found = match crm.tenant_by_slug(slug).await {
        Ok(tenant) => tenant,
        Err(Error::NotFound(_)) => {
            let new =
                NewOrganization { name: "A sales team".into(), slug: Some(slug.to_owned()), ..Default::default() };
            match crm.bootstrap(new).await {
                Ok(admin) => return Ok((admin, true)),
                // A concurrent run was faster.
                Err(Error::Duplicate { .. }) => crm.tenant_by_slug(slug).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(error) => return Err(error.into()),
    };
    Ok((crm.actor_by_external_id(found, "admin").await?, false))
}

/// Finds a record by external id, or creates it. The new record must have this external id.
async fn ensure<K: RecordKind>(
    all: &Collection<'_, K>,
    external_id: &str,
    new: impl FnOnce() -> K::New,
) -> Result<Record<K>, Error> {
    match all.find("external_id", external_id).await {
        Err(Error::NotFound(_)) => {}
        found => return found,
    }
    match all.create(new()).await {
        Ok(made) => Ok(made.into_value()),
        // A concurrent run was faster.
        Err(Error::Duplicate { .. }) => all.find("external_id", external_id).await,
        Err(error) => Err(error),
    }
}

/// A pipeline with the stages Prospecting, Engaging, Won and Lost, without gates.
fn new_pipeline(external_id: &str) -> NewPipeline {
    NewPipeline {
        name: "Sales year".into(),
        kind: PipelineKind::Deal,
        position: 1,
        stages: vec![
            Stage::new("prospecting", "Prospecting", StageKind::Open, 10),
            Stage::new("engaging", "Engaging", StageKind::Open, 50),
            Stage::new("won", "Won", StageKind::Won, 100),
            Stage::new("lost", "Lost", StageKind::Lost, 0),
        ],
        external_id: Some(external_id.to_owned()),
        ..Default::default()
    }
}

/// Defines the product and list price of deals and the country of companies.
async fn properties(crm: &Crm, admin: &Actor, year: &Year) -> Result<(), Error> {
    let all = crm.properties(admin);
    let wanted: BTreeSet<&str> = year.products.iter().map(|product| product.name.as_str()).collect();
    let option = |name: &str| PropertyOption { value: name.to_owned(), label: name.to_owned(), archived: false };
    let new = |kind: Kind, key: &str, name: &str, r#type: PropertyType| NewProperty {
        kind: Some(kind),
        key: key.to_owned(),
        name: name.to_owned(),
        r#type,
        reportable: true,
        external_id: Some(format!("{kind}.{key}")),
        ..Default::default()
    };
    let product = ensure(&all, "deal.product", || NewProperty {
        options: wanted.iter().map(|name| option(name)).collect(),
        ..new(Kind::Deal, "product", "Product", PropertyType::Select)
    })
    .await?;
    // An earlier run may have had fewer products.
    let mut options = product.options.clone();
    let known: BTreeSet<String> = options.iter().map(|option| option.value.clone()).collect();
    options.extend(wanted.iter().filter(|&&name| !known.contains(name)).map(|name| option(name)));
    all.update(product.id, PropertyPatch::new().options(options)).await?;
    ensure(&all, "deal.list_price", || new(Kind::Deal, "list_price", "List price", PropertyType::Money)).await?;
    ensure(&all, "company.country", || new(Kind::Company, "country", "Country", PropertyType::Text)).await?;
    Ok(())
}

/// The external id of a manager's team in a region.
pub fn team_key(region: &str, manager: &str) -> String {
    format!("{region}: {manager}")
}

/// Creates a team for each region, and below it one for each manager.
async fn teams(crm: &Crm, admin: &Actor, agents: &[Agent]) -> Result<HashMap<String, Id<Team>>, Error> {
    let mut managers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for agent in agents {
        managers.entry(&agent.region).or_default().insert(&agent.manager);
    }
    let all = crm.teams(admin);
    let new = |name: &str, parent_id: Option<Id<Team>>| NewTeam {
        name: name.to_owned(),
        parent_id,
        external_id: Some(name.to_owned()),
        ..Default::default()
    };
    let mut teams = HashMap::new();
    for (region, managers) in managers {
        let above = ensure(&all, region, || new(region, None)).await?;
        for manager in managers {
            let key = team_key(region, manager);
            let team = ensure(&all, &key, || new(&key, Some(above.id))).await?;
            teams.insert(key, team.id);
        }
    }
    Ok(teams)
}
