//! Compiled models: all filters compiled, stage keys resolved and limits checked. All faults are reported at once, each
//! with its rule and field.

use std::{collections::BTreeSet, sync::Arc};

use super::model::{Axis, Behavior, Decay, Event, GradeMatrix, Group, ModelDefinition, On};
use crate::{
    catalog,
    engine::{access::RoleSet, definitions::Definitions, typing::property_type},
    model::{
        error::Faults,
        filter::{Compiler, Filter, Path, Predicate, PropertyTypes},
        records::pipeline::{PipelineKind, Stage},
        schema::{FieldType, Section, common},
        value::{Fault, FaultCode, Id, Kind, Time},
    },
};

/// The maximum absolute value of a rule, cap or threshold in thousandths: a million points.
pub const MAX_POINTS: i64 = 1_000_000_000;
/// The maximum number of rules and behaviors of a model.
pub const MAX_RULES: usize = 200;
/// The maximum number of groups of a model.
pub const MAX_GROUPS: usize = 50;
/// The maximum period of decay or of a limit, in days.
const MAX_DAYS: u32 = 3650;

/// A model compiled for one time: relative times in its filters are relative to that time.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The kind of the scored records.
    pub kind: Kind,
    /// The time.
    pub at: Time,
    pub(super) groups: Vec<CompiledGroup>,
    pub(super) grades: Option<GradeMatrix>,
    pub(super) hot_threshold: Option<i64>,
    /// The positions of the record's fields that rules examine, without duplicates.
    pub(super) looks: Vec<usize>,
    /// The data that must be read for a score.
    pub needs: Needs,
}

/// The inputs of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Fields of the scored record.
    pub record: BTreeSet<String>,
    /// Fields of its contact.
    pub contact: BTreeSet<String>,
    /// Fields of its company.
    pub company: BTreeSet<String>,
    /// `true` if interactions with the record are read.
    pub interactions: bool,
    /// Fields of these interactions.
    pub interaction: BTreeSet<String>,
    /// `true` if the times of entry into stages are read.
    pub stages: bool,
    /// `true` if a filter is relative to the time of the score: its result may change with time alone.
    pub relative: bool,
}

impl Needs {
    /// Adds the inputs of another model.
    pub(super) fn add(&mut self, other: &Self) {
        self.record.extend(other.record.iter().cloned());
        self.contact.extend(other.contact.iter().cloned());
        self.company.extend(other.company.iter().cloned());
        self.interactions |= other.interactions;
        self.interaction.extend(other.interaction.iter().cloned());
        self.stages |= other.stages;
        self.relative |= other.relative;
    }

    /// `true` if the roles hide an input of a record of a kind, because the score would reveal it.
    pub(crate) fn rests_on_hidden(&self, kind: Kind, roles: &RoleSet) -> bool {
        let of = |on: On| {
            let kind = kind_of(kind, on);
            self.of(on).iter().any(|field| kind.is_some_and(|kind| roles.is_hidden(kind, field)))
        };
        let interaction = |field: &str| roles.is_hidden(Kind::Interaction, field);
        [On::Record, On::Contact, On::Company].into_iter().any(of)
            || self.interactions && ["completed_at", "happens_at", "links"].into_iter().any(interaction)
            || self.interaction.iter().any(|field| interaction(field))
            || self.stages && roles.is_hidden(kind, "stage_id")
    }

    /// Returns the fields of a related record.
    pub const fn of(&self, on: On) -> &BTreeSet<String> {
        match on {
            On::Record | On::Unknown(_) => &self.record,
            On::Contact => &self.contact,
            On::Company => &self.company,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct CompiledGroup {
    pub(super) key: Arc<str>,
    pub(super) axis: Axis,
    pub(super) floor: i64,
    pub(super) cap: i64,
    pub(super) rules: Vec<CompiledRule>,
    pub(super) behaviors: Vec<CompiledBehavior>,
}

#[derive(Clone, Debug)]
pub(super) struct CompiledRule {
    pub(super) key: Arc<str>,
    pub(super) on: On,
    pub(super) when: Predicate,
    pub(super) points: i64,
    /// The fields that the filter examines, without duplicates.
    pub(super) reads: Vec<(Arc<str>, Path)>,
}

#[derive(Clone, Debug)]
pub(super) struct CompiledBehavior {
    pub(super) key: Arc<str>,
    pub(super) event: CompiledEvent,
    pub(super) points: i64,
    pub(super) decay: Decay,
    /// The maximum number of events, and the period in microseconds.
    pub(super) limit: Option<(usize, i64)>,
}

#[derive(Clone, Debug)]
pub(super) enum CompiledEvent {
    Interaction(Predicate),
    /// Stages by id; any stage if empty.
    Stage(Vec<Id<Stage>>),
}

/// The kinds of records that can be scored.
pub const KINDS: [Kind; 4] = [Kind::Lead, Kind::Contact, Kind::Company, Kind::Deal];

/// The kind of record that a rule examines, in a model of `kind`.
pub(crate) const fn kind_of(kind: Kind, on: On) -> Option<Kind> {
    match (kind, on) {
        (_, On::Record) => Some(kind),
        (Kind::Lead | Kind::Deal, On::Contact) => Some(Kind::Contact),
        (Kind::Lead | Kind::Contact | Kind::Deal, On::Company) => Some(Kind::Company),
        _ => None,
    }
}

/// Compiles a model for a time.
///
/// # Errors
/// Every fault, with its path, such as `groups[0].rules[2].when.industry`.
pub fn compile(
    definition: &ModelDefinition,
    kind: Kind,
    definitions: &Definitions,
    at: Time,
) -> Result<Compiled, Faults> {
    let mut work =
        Work { kind, definitions, at, needs: Needs::default(), keys: BTreeSet::new(), faults: Faults::new() };
    if !KINDS.contains(&kind) {
        work.faults.push("kind", FaultCode::UnknownChoice, "must be lead, contact, company or deal");
        return Err(work.faults);
    }
    let rules = definition.groups.iter().map(|group| group.rules.len() + group.behaviors.len()).sum::<usize>();
    match rules {
        0 => work.faults.push("groups", FaultCode::Required, "must contain at least one rule"),
        _ if rules > MAX_RULES => {
            work.faults.push("groups", FaultCode::TooMany, format!("may have at most {MAX_RULES} rules in total"));
        }
        _ if definition.groups.len() > MAX_GROUPS => {
            work.faults.push("groups", FaultCode::TooMany, format!("may contain at most {MAX_GROUPS} groups"));
        }
        _ => {}
    }
    if !work.faults.is_empty() {
        return Err(work.faults);
    }
    let groups = definition.groups.iter().enumerate().map(|(at, group)| work.group(at, group)).collect();
    if let Some(grades) = &definition.grades {
        for (name, bounds) in [("fit", grades.fit), ("engagement", grades.engagement)] {
            let place = format!("grades.{name}");
            for points in bounds {
                work.points(&place, points);
            }
            if !bounds.is_sorted_by(|higher, lower| higher > lower) {
                work.faults.push(place, FaultCode::WrongOrder, "must be in descending order");
            }
        }
    }
    if let Some(threshold) = definition.hot_threshold {
        work.points("hot_threshold", threshold);
        let most = definition.groups.iter().map(most_of).try_fold(0_i64, |sum, most| Some(sum + most?));
        if let Some(most) = most.filter(|most| *most < threshold) {
            let message = format!("exceeds {most} thousandths, the highest total that the groups can reach");
            work.faults.push("hot_threshold", FaultCode::TooLarge, message);
        }
    }
    if !(1..=24 * 31).contains(&definition.refresh_hours) {
        work.faults.push("refresh_hours", FaultCode::TooLarge, "must be 1 to 744");
    }
    let Work { needs, faults, .. } = work;
    let groups: Vec<CompiledGroup> = groups;
    let rules = groups.iter().flat_map(|group| &group.rules).filter(|rule| rule.on == On::Record);
    let mut looks: Vec<usize> = rules.flat_map(|rule| rule.reads.iter().map(|(_, path)| path.field)).collect();
    looks.sort_unstable();
    looks.dedup();
    let (grades, hot_threshold) = (definition.grades, definition.hot_threshold);
    let compiled = Compiled { kind, at, groups, grades, hot_threshold, looks, needs };
    if faults.is_empty() { Ok(compiled) } else { Err(faults) }
}

/// The maximum sum of a group in thousandths; `None` if it is unlimited.
fn most_of(group: &Group) -> Option<i64> {
    let open = group.behaviors.iter().any(|behavior| behavior.points > 0);
    let sum = group.rules.iter().map(|rule| rule.points.max(0)).fold(0, i64::saturating_add);
    match (group.cap, open) {
        (Some(cap), true) => Some(cap),
        (Some(cap), false) => Some(cap.min(sum)),
        (None, true) => None,
        (None, false) => Some(sum),
    }
}

struct Work<'a> {
    kind: Kind,
    definitions: &'a Definitions,
    at: Time,
    needs: Needs,
    keys: BTreeSet<String>,
    faults: Faults,
}

impl Work<'_> {
    fn group(&mut self, at: usize, group: &Group) -> CompiledGroup {
        let place = format!("groups[{at}]");
        self.key(&place, &group.key);
        let mut bound = |name: &str, bound: Option<i64>, none: i64| {
            if let Some(points) = bound {
                self.points(&format!("{place}.{name}"), points);
            }
            bound.unwrap_or(none)
        };
        // A group without bounds is bounded by the points of its rules and of 10,000 events.
        let (floor, cap) = (bound("floor", group.floor, i64::MIN), bound("cap", group.cap, i64::MAX));
        if floor > 0 || cap < 0 {
            let message = "must allow a score of zero";
            self.faults.push(
                format!("{place}.{}", if floor > 0 { "floor" } else { "cap" }),
                FaultCode::Contradiction,
                message,
            );
        } else if floor == cap {
            self.faults.push(format!("{place}.cap"), FaultCode::Contradiction, "must be greater than the floor");
        }
        let rules = group.rules.iter().enumerate().map(|(at, rule)| {
            let place = format!("{place}.rules[{at}]");
            self.key(&place, &rule.key);
            self.points(&format!("{place}.points"), rule.points);
            let (when, reads) = if let Some(kind) = kind_of(self.kind, rule.on) {
                self.filter(&format!("{place}.when"), kind, &rule.when)
            } else {
                let message = format!("a {} has no {}", self.kind, rule.on);
                self.faults.push(format!("{place}.on"), FaultCode::UnknownChoice, message);
                (Predicate::never(), Vec::new())
            };
            let needed = match rule.on {
                On::Record | On::Unknown(_) => &mut self.needs.record,
                On::Contact => &mut self.needs.contact,
                On::Company => &mut self.needs.company,
            };
            needed.extend(reads.iter().map(|(name, _)| name.to_string()));
            CompiledRule { key: rule.key.as_str().into(), on: rule.on, when, points: rule.points, reads }
        });
        let rules = rules.collect::<Vec<_>>();
        let behaviors = group.behaviors.iter().enumerate();
        let behaviors =
            behaviors.map(|(at, behavior)| self.behavior(&format!("{place}.behaviors[{at}]"), behavior)).collect();
        CompiledGroup { key: group.key.as_str().into(), axis: group.axis, floor, cap, rules, behaviors }
    }

    fn behavior(&mut self, place: &str, behavior: &Behavior) -> CompiledBehavior {
        self.key(place, &behavior.key);
        self.points(&format!("{place}.points"), behavior.points);
        if let Decay::LinearDays(days) | Decay::HalfLifeDays(days) = behavior.decay
            && !(1..=MAX_DAYS).contains(&days)
        {
            self.faults.push(format!("{place}.decay"), FaultCode::TooSmall, format!("must be 1 to {MAX_DAYS} days"));
        }
        let limit = behavior.limit.map(|limit| {
            if limit.times == 0 || !(1..=24 * MAX_DAYS).contains(&limit.hours) {
                let message = format!("must be at least once within 1 to {} hours", 24 * MAX_DAYS);
                self.faults.push(format!("{place}.limit"), FaultCode::TooSmall, message);
            }
            (usize::try_from(limit.times).unwrap_or(usize::MAX), i64::from(limit.hours) * 3_600_000_000)
        });
        let event = match &behavior.event {
            Event::Interaction(filter) => {
                self.needs.interactions = true;
                let place = format!("{place}.event.interaction");
                let (predicate, reads) = self.filter(&place, Kind::Interaction, filter);
                self.needs.interaction.extend(reads.iter().map(|(name, _)| name.to_string()));
                CompiledEvent::Interaction(predicate)
            }
            Event::Stage(keys) => {
                self.needs.stages = true;
                CompiledEvent::Stage(self.stages(&format!("{place}.event.stage"), keys))
            }
        };
        let (key, points, decay) = (behavior.key.as_str().into(), behavior.points, behavior.decay);
        CompiledBehavior { key, event, points, decay, limit }
    }

    /// Returns the stages with these keys, in every pipeline that has one.
    fn stages(&mut self, place: &str, keys: &[String]) -> Vec<Id<Stage>> {
        let Some(of) = PipelineKind::of(self.kind) else {
            self.faults.push(place, FaultCode::WrongType, format!("a {} has no stages", self.kind));
            return Vec::new();
        };
        let pipelines = self.definitions.pipelines(of);
        let mut found = Vec::new();
        for key in keys {
            let stages = pipelines.iter().flat_map(|pipeline| &pipeline.stages).filter(|stage| stage.key == *key);
            let before = found.len();
            found.extend(stages.map(|stage| stage.id));
            if found.len() == before {
                let shown: String = key.chars().take(80).collect();
                self.faults.push(place, FaultCode::UnknownStage, format!("no pipeline of {of}s has a stage `{shown}`"));
            }
        }
        found
    }

    /// Compiles a filter. Returns it with the fields it examines.
    fn filter(&mut self, place: &str, kind: Kind, filter: &Filter) -> (Predicate, Vec<(Arc<str>, Path)>) {
        let decl = catalog::decl(kind);
        let properties = OwnProperties { definitions: self.definitions, kind };
        let compiler = Compiler {
            decl,
            properties: &properties,
            now: self.at,
            calendar: self.definitions.calendar(),
            me: None,
            default_country: self.definitions.default_country(),
        };
        let predicate = match compiler.compile(filter) {
            Ok(predicate) => predicate,
            Err(faults) => {
                for (field, fault) in faults {
                    self.faults.add(format!("{place}.{field}"), fault);
                }
                return (Predicate::never(), Vec::new());
            }
        };
        let mut reads: Vec<(Arc<str>, Path)> = Vec::new();
        let mut names = Vec::new();
        let relative = walk(filter, &mut names);
        self.needs.relative |= relative;
        for name in names {
            let Ok((path, _)) = compiler.resolve(name) else { continue };
            if !is_fact(decl.fields[path.field].section, path.field) {
                let message = "is computed by the CRM and cannot be used in a score";
                self.faults.add(format!("{place}.{name}"), Fault::new(FaultCode::Computed, message));
            }
            if reads.iter().all(|(known, _)| known.as_ref() != name) {
                reads.push((name.into(), path));
            }
        }
        (predicate, reads)
    }

    fn key(&mut self, place: &str, key: &str) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if key.is_empty() || key.len() > 63 || !key.chars().all(plain) {
            self.faults.push(format!("{place}.key"), FaultCode::WrongType, "must be 1 to 63 of a-z, 0-9, _ and -");
        } else if !self.keys.insert(key.to_owned()) {
            self.faults.push(
                format!("{place}.key"),
                FaultCode::Duplicate,
                format!("`{key}` is used twice in the model"),
            );
        }
    }

    fn points(&mut self, place: &str, points: i64) {
        if !(-MAX_POINTS..=MAX_POINTS).contains(&points) {
            let message = format!("must be between -{MAX_POINTS} and {MAX_POINTS} thousandths of a point");
            self.faults.push(place, FaultCode::TooLarge, message);
        }
    }
}

/// `true` for fields that the change log has for any past time: those written by users and use cases, and those derived
/// from them.
fn is_fact(section: Section, field: usize) -> bool {
    match section {
        Section::Machine => false,
        Section::System => matches!(field, common::CREATED_AT | common::CREATED_BY),
        _ => true,
    }
}

/// Collects the fields that a filter names. Returns `true` if one of its values is relative to now.
fn walk<'a>(filter: &'a Filter, names: &mut Vec<&'a str>) -> bool {
    match filter {
        Filter::All { and: parts } | Filter::Any { or: parts } => {
            parts.iter().fold(false, |relative, part| walk(part, names) | relative)
        }
        Filter::Not { not } => walk(not, names),
        Filter::Unknown(_) => false,
        Filter::Is(condition) => {
            names.push(&condition.field);
            let relative = |value: &serde_json::Value| {
                value.is_object() || value.as_str().is_some_and(crate::model::value::calendar::is_relative)
            };
            condition.value.as_array().map_or_else(|| relative(&condition.value), |all| all.iter().any(relative))
        }
    }
}

/// The custom properties of a kind, none hidden: a model belongs to the organization, not to a user.
struct OwnProperties<'a> {
    definitions: &'a Definitions,
    kind: Kind,
}

impl PropertyTypes for OwnProperties<'_> {
    fn property_type(&self, key: &str) -> Option<FieldType> {
        self.definitions.property(self.kind, key).and_then(|property| property_type(property))
    }
    fn is_hidden(&self, _: &str) -> bool {
        false
    }
}
