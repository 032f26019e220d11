//! The kinds as one actor may use them: fields, custom properties, sorts, stages and permissions, for programs that are
//! generic over kinds, such as the lists and forms of a front end.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    catalog,
    engine::{access::Access, crm::Crm, typing::property_type},
    model::{
        access::{Action, Actor, Permission},
        error::Error,
        records::{
            pipeline::{Pipeline, PipelineKind, Stage},
            property::Property,
        },
        schema::{FieldDecl, FieldType, KindDecl, Record, Section},
        value::{Choice, Id, Kind},
    },
};

/// A field or custom property as an actor may use it.
#[allow(clippy::struct_excessive_bools)] // independent fields of the response
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldInfo {
    /// The name; `properties.key` for a custom property, as in filters.
    pub name: String,
    /// The label: the name of a custom property, or a label derived from the field name.
    pub label: String,
    /// The type of the value, or of the elements of a list.
    pub r#type: &'static str,
    /// `true` if the value is a list.
    pub list: bool,
    /// The possible values of a field with a closed set of values, without archived options.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ChoiceInfo>,
    /// The kind that the field refers to, if it is a single kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<Kind>,
    /// The section, which determines who writes the field: `system`, `person`, `read_only`, `machine`, `derived`,
    /// `properties`.
    pub section: &'static str,
    /// `true` if every record must have a value.
    pub required: bool,
    /// `true` if at most one active record can have the same value.
    pub unique: bool,
    /// `true` if reports can group by the field.
    pub reportable: bool,
    /// `true` if the actor cannot write the field on any record.
    pub read_only: bool,
}

/// A possible value of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChoiceInfo {
    /// The stored value.
    pub value: String,
    /// The label to display.
    pub label: String,
}

/// A pipeline and its stages.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PipelineInfo {
    /// The id of the pipeline.
    pub id: Id<Pipeline>,
    /// The name of the pipeline.
    pub name: String,
    /// `true` for the default pipeline, which records without one get.
    pub is_default: bool,
    /// The stages in order, including retired ones.
    pub stages: Vec<Stage>,
}

/// A kind as an actor may use it. Omits everything that is hidden from the actor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindInfo {
    /// The name of the kind.
    pub kind: Kind,
    /// The plural of the name.
    pub plural: &'static str,
    /// The fields, in declared order.
    pub fields: Vec<FieldInfo>,
    /// The custom properties, in order, without archived ones.
    pub properties: Vec<FieldInfo>,
    /// The fields by which lists can be sorted, ascending or descending.
    pub sorts: Vec<&'static str>,
    /// The pipelines, in order, if records of the kind have stages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pipelines: Vec<PipelineInfo>,
    /// The actions that the actor may perform, each with the widest scope: `own`, `team`, `all`.
    pub actions: BTreeMap<&'static str, &'static str>,
}

/// The kinds that an actor may read.
#[derive(Clone, Debug, PartialEq)]
pub struct Kinds {
    /// The kinds, in declared order.
    pub kinds: Vec<KindInfo>,
    /// A tag that changes whenever the kinds may have changed: with the definitions and with the actor's rights.
    pub tag: String,
}

impl Crm {
    /// Returns the kinds that an actor has a grant to read, each as the actor may use it. Reads the definitions epoch,
    /// and no records.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn kinds(&self, actor: &Actor) -> Result<Kinds, Error> {
        let definitions = self.organizations(actor).definitions().await?;
        let access = Access::new(actor, &definitions, self.now());
        let kinds = catalog::all()
            .filter(|decl| !decl.kind.is_internal() && access.has(Permission::new(decl.kind, Action::Read)));
        let kinds: Vec<KindInfo> = kinds.map(|decl| kind_info(&access, decl)).collect();
        let mut hash = Sha256::new();
        hash.update(definitions.epoch.bytes());
        hash.update(serde_json::to_vec(&kinds).unwrap_or_default());
        let mut tag = String::new();
        for byte in hash.finalize().iter().take(16) {
            let _ = write!(tag, "{byte:02x}");
        }
        Ok(Kinds { kinds, tag })
    }
}

fn kind_info(access: &Access<'_>, decl: &'static KindDecl) -> KindInfo {
    let (kind, definitions) = (decl.kind, access.definitions());
    let actions: BTreeMap<&'static str, &'static str> = Action::ALL
        .iter()
        .filter_map(|&action| Some((action.name(), access.widest(Permission::new(kind, action))?.name())))
        .collect();
    let may_write = actions.contains_key(Action::Create.name()) || actions.contains_key(Action::Update.name());
    let is_shown = |field: &FieldDecl| !field.marks.secret && field.ty != FieldType::Folded;
    let is_hidden = |name: &str| access.is_hidden(kind, name);
    let is_read_only = |name: &str| !may_write || access.is_read_only(kind, name);
    let fields = decl.fields.iter().filter(|field| is_shown(field) && !is_hidden(field.name));
    let fields = fields.filter(|field| field.ty != FieldType::Properties).map(|field| FieldInfo {
        name: field.name.to_owned(),
        label: words(field.name),
        choices: match field.ty.element() {
            FieldType::Choice(names) => {
                names.iter().map(|name| ChoiceInfo { value: (*name).to_owned(), label: words(name) }).collect()
            }
            _ => Vec::new(),
        },
        section: section_name(field.section),
        required: field.marks.required,
        unique: field.marks.unique,
        reportable: field.marks.reportable,
        read_only: field.section != Section::User || is_read_only(field.name),
        ..of_type(field.ty)
    });
    let live = definitions.properties(kind).iter().filter(|property| property.archived_at.is_none());
    let named = live.map(|property| (format!("properties.{}", property.key), property));
    let shown = named.filter(|(name, _)| !is_hidden(name) && !is_hidden("properties"));
    // A property with a type that this version does not know can be neither written nor queried.
    let properties = shown.filter_map(|(name, property)| {
        Some(FieldInfo {
            label: property.name.clone(),
            choices: options(property),
            required: property.required,
            unique: property.unique,
            reportable: property.reportable,
            read_only: is_read_only(&name) || is_read_only("properties"),
            name,
            ..of_type(property_type(property)?)
        })
    });
    let mut sorts: Vec<&'static str> = decl
        .indexes
        .iter()
        .filter(|index| !index.archived)
        .map(|index| decl.fields[index.sort].name)
        .filter(|name| !is_hidden(name))
        .collect();
    sorts.sort_unstable();
    sorts.dedup();
    let in_stages = PipelineKind::of(kind).filter(|_| !is_hidden("stage_id"));
    let pipelines = in_stages.map_or_else(Vec::new, |kind| definitions.pipelines(kind)).into_iter();
    let pipelines = pipelines.map(|pipeline| {
        let mut stages = pipeline.stages.clone();
        stages.sort_by_key(|stage| stage.position);
        for stage in &mut stages {
            // The requirements of a stage on fields that the actor may not see are omitted.
            stage.required_fields.retain(|name| !is_hidden(name));
            stage.gate = None;
        }
        PipelineInfo { id: pipeline.id, name: pipeline.name.clone(), is_default: pipeline.is_default, stages }
    });
    let (fields, properties, pipelines) = (fields.collect(), properties.collect(), pipelines.collect());
    KindInfo { kind, plural: kind.plural(), fields, properties, sorts, pipelines, actions }
}

fn options(property: &Record<Property>) -> Vec<ChoiceInfo> {
    let live = property.options.iter().filter(|option| !option.archived);
    live.map(|option| ChoiceInfo {
        value: option.value.clone(),
        label: if option.label.is_empty() { option.value.clone() } else { option.label.clone() },
    })
    .collect()
}

/// Returns the parts of a field that depend only on its type.
fn of_type(ty: FieldType) -> FieldInfo {
    FieldInfo {
        name: String::new(),
        label: String::new(),
        r#type: type_name(ty),
        list: ty.is_list(),
        choices: Vec::new(),
        of: match ty.element() {
            FieldType::Id(kind) => Some(kind),
            _ => None,
        },
        section: "properties",
        required: false,
        unique: false,
        reportable: false,
        read_only: false,
    }
}

/// The names of the types, as in the OpenAPI document.
pub const TYPES: [&str; 22] = [
    "boolean",
    "integer",
    "decimal",
    "money",
    "text",
    "long_text",
    "email",
    "phone",
    "domain",
    "url",
    "key",
    "currency",
    "time_zone",
    "choice",
    "time",
    "date",
    "id",
    "stage",
    "ref",
    "object",
    "properties",
    "folded",
];

/// The names of the sections.
pub const SECTIONS: [&str; 6] = ["system", "person", "read_only", "machine", "derived", "properties"];

const fn type_name(ty: FieldType) -> &'static str {
    match ty.element() {
        FieldType::Bool => "boolean",
        FieldType::Int(..) => "integer",
        FieldType::Decimal => "decimal",
        FieldType::Money => "money",
        FieldType::Text(_) | FieldType::Texts(..) => "text",
        FieldType::LongText => "long_text",
        FieldType::Folded => "folded",
        FieldType::Email => "email",
        FieldType::Phone => "phone",
        FieldType::Domain => "domain",
        FieldType::Url => "url",
        FieldType::Key => "key",
        FieldType::Currency => "currency",
        FieldType::TimeZone => "time_zone",
        FieldType::Choice(_) => "choice",
        FieldType::Time => "time",
        FieldType::Date => "date",
        FieldType::Id(_) | FieldType::Ids(..) => "id",
        FieldType::StageId => "stage",
        FieldType::Ref(_) | FieldType::Refs(..) => "ref",
        FieldType::Struct | FieldType::Structs(_) => "object",
        FieldType::Properties => "properties",
    }
}

const fn section_name(section: Section) -> &'static str {
    match section {
        Section::System => "system",
        Section::User => "person",
        Section::ReadOnly => "read_only",
        Section::Machine => "machine",
        Section::Derived => "derived",
    }
}

/// Returns a label for a field name: `expected_close_date` → `Expected close date`. The suffix of references is
/// removed: `owner_id` → `Owner`.
fn words(name: &str) -> String {
    let plain = name.strip_suffix("_ids").or_else(|| name.strip_suffix("_id")).unwrap_or(name);
    let text = if plain.is_empty() { name } else { plain }.replace('_', " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
