//! Planned groupings: validated against the fields that the actor may see, with the group keys of each deal.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    query::GroupBy,
    read::{Row, value_at},
    table::Key,
};
use crate::{
    catalog,
    engine::{access::Access, definitions::Definitions},
    model::{
        error::{Error, Faults},
        filter::Path,
        records::{
            pipeline::{Pipeline, Stage},
            property::Property,
            team::TeamFields,
            user::UserFields,
        },
        schema::{FieldType, Image, KindDecl, Record},
        value::{Calendar, Date, Fault, FaultCode, Id, Kind, Value},
    },
};

/// The limit of groupings of one table.
const MAX_KEYS: usize = 4;
/// The limit of tables of one report.
const MAX_TABLES: usize = 32;

/// A validated grouping.
#[derive(Clone, Debug)]
pub(super) enum Dimension {
    Owner,
    Manager,
    Team,
    ParentTeam,
    Company,
    Stage,
    /// The index in [`Plan::fields`].
    Field(usize),
    CompanyField(Path),
    CloseMonth,
    CloseQuarter,
    EnteredMonth(Id<Stage>),
    EnteredQuarter(Id<Stage>),
}

/// The data that a report requires for its groupings.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The dimensions of each table.
    pub(super) tables: Vec<Vec<Dimension>>,
    /// The deal's own fields that are grouped by.
    pub(super) fields: Vec<Path>,
    /// The stages whose first entries are required.
    pub(super) entries: BTreeSet<Id<Stage>>,
    pub(super) managers: bool,
    pub(super) owners: bool,
    pub(super) companies: bool,
}

/// Validates groupings against the declarations and the actor's field rules.
///
/// # Errors
/// [`Error::Invalid`] with every fault: a hidden or unknown field, one that reports cannot group by, an unknown stage,
/// too many.
pub(super) fn plan(access: &Access<'_>, pipeline: &Pipeline, tables: &[Vec<GroupBy>]) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    let mut faults = Faults::new();
    if tables.len() > MAX_TABLES || tables.iter().any(|by| by.len() > MAX_KEYS) {
        let message = format!("a report may have at most {MAX_TABLES} tables with at most {MAX_KEYS} groupings each");
        faults.push("group_by", FaultCode::TooMany, message);
        faults.into_result()?;
        return Ok(plan);
    }
    for by in tables {
        let mut dimensions = Vec::with_capacity(by.len());
        for group in by {
            match dimension(access, pipeline, group, &mut plan) {
                Ok(dimension) => dimensions.push(dimension),
                Err((field, fault)) => faults.add(field, fault),
            }
        }
        plan.tables.push(dimensions);
    }
    faults.into_result()?;
    Ok(plan)
}

fn dimension(
    access: &Access<'_>,
    pipeline: &Pipeline,
    group: &GroupBy,
    plan: &mut Plan,
) -> Result<Dimension, (String, Fault)> {
    let deal = |name: &str| seen(access, Kind::Deal, name).map(|_| ());
    Ok(match group {
        GroupBy::Owner => {
            deal("owner_id")?;
            plan.owners = true;
            Dimension::Owner
        }
        GroupBy::Manager => {
            deal("owner_id")?;
            seen(access, Kind::User, "manager_id")?;
            (plan.owners, plan.managers) = (true, true);
            Dimension::Manager
        }
        GroupBy::Team => {
            deal("team_id")?;
            Dimension::Team
        }
        GroupBy::ParentTeam => {
            deal("team_id")?;
            seen(access, Kind::Team, "parent_id")?;
            Dimension::ParentTeam
        }
        GroupBy::Company => {
            deal("company_id")?;
            plan.companies = true;
            Dimension::Company
        }
        GroupBy::Stage => Dimension::Stage,
        GroupBy::Field(name) => {
            let path = reportable(access, Kind::Deal, name)?;
            plan.fields.push(path);
            Dimension::Field(plan.fields.len() - 1)
        }
        GroupBy::CompanyField(name) => {
            deal("company_id")?;
            let path = reportable(access, Kind::Company, name)?;
            plan.companies = true;
            Dimension::CompanyField(path)
        }
        GroupBy::CloseMonth => {
            deal("close_date")?;
            Dimension::CloseMonth
        }
        GroupBy::CloseQuarter => {
            deal("close_date")?;
            Dimension::CloseQuarter
        }
        GroupBy::EnteredMonth(key) => Dimension::EnteredMonth(entered(pipeline, key, plan)?),
        GroupBy::EnteredQuarter(key) => Dimension::EnteredQuarter(entered(pipeline, key, plan)?),
    })
}

fn entered(pipeline: &Pipeline, key: &str, plan: &mut Plan) -> Result<Id<Stage>, (String, Fault)> {
    let stage = stage(pipeline, key).map_err(|fault| ("group_by".to_owned(), fault))?;
    plan.entries.insert(stage);
    Ok(stage)
}

/// Returns the stage with a key.
pub(super) fn stage(pipeline: &Pipeline, key: &str) -> Result<Id<Stage>, Fault> {
    pipeline.stage_by_key(key).map(|stage| stage.id).ok_or_else(|| {
        let keys: Vec<&str> = pipeline.stages.iter().map(|stage| stage.key.as_str()).collect();
        Fault::new(FaultCode::UnknownStage, format!("must be a stage of `{}`: {}", pipeline.name, keys.join(", ")))
    })
}

/// Returns a field that exists for the actor.
pub(super) fn seen(access: &Access<'_>, kind: Kind, name: &str) -> Result<(Path, FieldType), (String, Fault)> {
    access.resolve(catalog::decl(kind), name).map_err(|fault| (name.chars().take(80).collect(), fault))
}

/// Returns a field that reports can group by and the actor may see.
fn reportable(access: &Access<'_>, kind: Kind, name: &str) -> Result<Path, (String, Fault)> {
    let (path, ty) = seen(access, kind, name)?;
    let decl: &KindDecl = catalog::decl(kind);
    let marked = match &path.property {
        Some(key) => access.definitions().property(kind, key).is_some_and(is_reportable),
        None => decl.fields[path.field].marks.reportable,
    };
    if !marked || ty.is_list() {
        let message = format!("reports cannot group by `{name}` of `{kind}`");
        return Err((name.to_owned(), Fault::new(FaultCode::NotReportable, message)));
    }
    Ok(path)
}

fn is_reportable(property: &Record<Property>) -> bool {
    property.reportable
}

/// The data from which keys of deals are derived, other than the deals.
pub(super) struct Keys<'a> {
    pub(super) definitions: &'a Definitions,
    pub(super) calendar: Calendar,
    /// Owners and, if required, their managers, as the actor sees them.
    pub(super) users: HashMap<Id, Arc<Image>>,
    /// The deals' companies, as the actor sees them in reports.
    pub(super) companies: HashMap<Id, Arc<Image>>,
    /// The time of each deal's first entry into each stage.
    pub(super) entries: HashMap<(Id, Id<Stage>), crate::model::value::Time>,
}

impl Keys<'_> {
    /// Returns the keys of a deal in a table.
    pub(super) fn of(&self, row: &Row, dimensions: &[Dimension]) -> Vec<Key> {
        dimensions.iter().map(|dimension| self.key(row, dimension)).collect()
    }

    /// Returns the day of a deal's first entry into a stage.
    pub(super) fn entered(&self, deal: Id, stage: Id<Stage>) -> Option<Date> {
        self.entries.get(&(deal, stage)).map(|at| self.calendar.day(*at))
    }

    fn key(&self, row: &Row, dimension: &Dimension) -> Key {
        let id = |id: Option<Id>| id.map_or(Key::Missing, Key::Id);
        let text = |text: Option<String>| text.map_or(Key::Missing, Key::Text);
        match dimension {
            Dimension::Owner => id(row.owner),
            Dimension::Manager => {
                id(row.owner.and_then(|owner| self.users.get(&owner)?.at(UserFields::manager_id).as_id()))
            }
            Dimension::Team => id(row.team),
            Dimension::ParentTeam => {
                id(row.team.and_then(|team| self.definitions.team(team.typed())?.parent_id).map(Id::erase))
            }
            Dimension::Company => id(row.company),
            Dimension::Stage => id(row.stage.map(Id::erase)),
            Dimension::Field(at) => row.fields.get(*at).map_or(Key::Missing, key_of),
            Dimension::CompanyField(path) => {
                let company = row.company.and_then(|company| self.companies.get(&company));
                company.map_or(Key::Missing, |company| key_of(value_at(company, path)))
            }
            Dimension::CloseMonth => text(row.close_date.map(Calendar::month_label)),
            Dimension::CloseQuarter => text(row.close_date.map(|day| self.calendar.quarter_label(day))),
            Dimension::EnteredMonth(stage) => text(self.entered(row.id, *stage).map(Calendar::month_label)),
            Dimension::EnteredQuarter(stage) => {
                text(self.entered(row.id, *stage).map(|day| self.calendar.quarter_label(day)))
            }
        }
    }

    /// Returns the display name of a key.
    pub(super) fn name(&self, dimension: &Dimension, key: &Key) -> Option<String> {
        let id = match key {
            Key::Missing => return None,
            Key::Text(text) => return Some(text.clone()),
            Key::Id(id) => *id,
        };
        let called =
            |images: &HashMap<Id, Arc<Image>>| images.get(&id)?.at(TeamFields::name).as_text().map(str::to_owned);
        match dimension {
            Dimension::Owner | Dimension::Manager => called(&self.users),
            Dimension::Company => called(&self.companies),
            Dimension::Team | Dimension::ParentTeam => self.definitions.team(id.typed()).map(|team| team.name.clone()),
            Dimension::Stage => self.definitions.stage(id.typed()).map(|(_, stage)| stage.name.clone()),
            _ => None,
        }
    }
}

/// Returns the key of a value: ids unchanged, other values in their JSON form.
fn key_of(value: &Value) -> Key {
    match value {
        Value::Null | Value::NotLoaded | Value::Redacted | Value::Opaque(_) => Key::Missing,
        Value::Id(id) => Key::Id(*id),
        Value::Money(money) => Key::Text(money.to_string()),
        other => Key::Text(match other.to_json() {
            serde_json::Value::String(text) => text,
            json => json.to_string(),
        }),
    }
}
