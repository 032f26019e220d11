//! Training on a tenant's own outcomes (feature `predictive`): which leads convert and which deals are won.
//!
//! A row is a record that was won or lost, with its fields just before the outcome, according to the change log. Fields
//! that were only set or changed with the outcome or after it are reported as warnings, and the model sees their
//! earlier values.
//!
//! Features are declared fields and custom properties with factual values: choices, numbers, amounts in the base
//! currency, booleans, the owner, the team, the company, and texts that reports may group by. Names, addresses, phone
//! numbers, free text, personal and secret fields and the stage itself are never features, nor are fields hidden from
//! the actor who trains.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use super::{
    ask::Scoring,
    compiled::Needs,
    history::{Known, Reader},
};
use crate::{
    catalog,
    engine::{
        access::Access,
        definitions::Definitions,
        draft::{read_history, read_record},
        listing::{self, ListQuery},
        typing::property_type,
    },
    model::{
        access::{Action, Permission},
        change::{self, Change},
        error::Error,
        filter::{Filter, Path},
        records::{
            job::{Job, JobFields},
            pipeline::StageKind,
        },
        schema::{FieldType, Image, KindDecl, Section, common},
        store::{Got, Want},
        value::{Currency, FaultCode, Id, Kind, Ref, Time, Value},
    },
    predict::{self, AfterOutcome, Cell, Model, Options, Order, Report, TableBuilder, TrainError},
};

/// The maximum number of outcomes used for training: the newest records.
pub const MAX_ROWS: usize = 50_000;
/// The number of records read together.
const PAGE: usize = 1_000;
/// The number of histories read concurrently.
const AT_ONCE: usize = 16;
/// Fields that are set with an outcome and therefore reveal it: never features.
const OF_THE_OUTCOME: [&str; 6] = [
    "unqualified_reason",
    "close_reason",
    "actual_close_date",
    "expected_close_date",
    "probability",
    "forecast_category",
];

/// The result of training: the model and the report. A plain value that can be stored and compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// The kind of record: lead or deal.
    pub kind: Kind,
    /// The time of training.
    pub trained_at: Time,
    /// `false` if older outcomes were omitted, because there were more than [`MAX_ROWS`] or the time was up.
    pub of_all: bool,
    /// The model.
    pub model: Model,
    /// The report: metrics on held-out rows, warnings, and fields that are not features, with reasons.
    pub report: Report,
}

/// The probability that a record is won, with an explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Likelihood {
    /// The record.
    pub record: Ref,
    /// The time of the prediction.
    pub at: Time,
    /// `false` if the model is no better than the base rate: then the probability is the base rate, without
    /// contributions.
    pub confident: bool,
    /// The probability, from 0 to 1.
    pub probability: f64,
    /// The log-odds: the sum of `base` and the contributions, in this order.
    pub log_odds: f64,
    /// The log-odds of the average record.
    pub base: f64,
    /// The contribution of each field, in the order of the model.
    pub contributions: Vec<Reason>,
}

/// The contribution of a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// The field.
    pub field: String,
    /// The second field, for the contribution of the interaction of two fields.
    pub with: Option<String>,
    /// The contribution in log-odds.
    pub log_odds: f64,
    /// The field's value; `None` also if the actor may not see it.
    pub value: Option<serde_json::Value>,
}

/// A field that can be a feature.
struct Feature {
    name: String,
    path: Path,
    kind: predict::Kind,
    /// `false` for a text: its values decide whether it is a category.
    declared: bool,
}

/// The value of a feature.
enum Owned {
    Missing,
    Number(f64),
    Text(String),
}

impl Owned {
    fn cell(&self) -> Cell<'_> {
        match self {
            Owned::Missing => Cell::Missing,
            Owned::Number(number) => Cell::Number(*number),
            Owned::Text(text) => Cell::Text(text),
        }
    }
}

impl Scoring<'_> {
    /// Trains a model on the outcomes of the leads or deals that the actor may see in reports: for leads, converted or
    /// disqualified; for deals, won or lost. Uses the newest 50,000, split by the time of the outcome unless the
    /// options specify otherwise. Deterministic: the same records and options give the same model.
    ///
    /// Costs a list of the records, a thousand per round trip, and the history of each, sixteen concurrently; then up
    /// to several seconds of one core.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `scoring_model.create` or any grant of `lead.report` (`deal.report`);
    /// [`Error::Invalid`] if there are too few outcomes (at least 100 and 30 of each, unless the options allow fewer),
    /// with what is missing; for a kind without outcomes; for an unknown excluded field.
    pub async fn train(&self, kind: Kind, options: &Options) -> Result<Learned, Error> {
        self.train_until(kind, options, Time::MAX).await
    }

    /// Like [`Scoring::train`], with the records that can be read until a time by the CRM's clock: the newest ones, at
    /// least the first thousand. [`Learned::of_all`] is `true` if these are all.
    ///
    /// # Errors
    /// As [`Scoring::train`].
    pub async fn train_until(&self, kind: Kind, options: &Options, until: Time) -> Result<Learned, Error> {
        if !matches!(kind, Kind::Lead | Kind::Deal) {
            return Err(Error::invalid("kind", FaultCode::UnknownChoice, "must be lead or deal"));
        }
        let definitions = self.definitions().await?;
        let now = self.engine.clock.now();
        let access = Access::new(self.actor, &definitions, now);
        access.demand(Permission::new(Kind::ScoringModel, Action::Create))?;
        access.demand(Permission::new(kind, Action::Report))?;
        let decl = catalog::decl(kind);
        if access.roles().is_hidden(kind, "stage_id") {
            return Err(Error::forbidden(Permission::new(kind, Action::Report)));
        }
        let features = features(decl, &definitions, &access);
        let base = definitions.base_currency();
        let mut rows: Vec<(Time, Id, bool, Vec<Owned>)> = Vec::new();
        let mut after: Vec<AfterOutcome> = features.iter().map(|_| AfterOutcome::default()).collect();
        let query =
            ListQuery::new().filter(Filter::one_of("stage_kind", ["won", "lost"])).sort("created_at").descending();
        let plan = listing::plan(&access, decl, &query, Action::Report)?;
        let mut place = None;
        let of_all = loop {
            let page = listing::walk_page(self.engine, self.actor.tenant(), &plan, place, PAGE).await?;
            let taken = page.items.len().min(MAX_ROWS - rows.len());
            let read = |image: Arc<Image>| async move {
                let history = read_history(self.engine, self.actor.tenant(), image.reference()).await?;
                Ok::<_, Error>((image, history))
            };
            let read = stream::iter(page.items.iter().take(taken).cloned()).map(read).buffered(AT_ONCE);
            for (image, history) in read.try_collect::<Vec<_>>().await? {
                let Some((at, won, then)) = outcome(&history, &definitions, self.actor.tenant()) else { continue };
                for (feature, counts) in features.iter().zip(&mut after) {
                    let (before, now) = (feature.path.value(&then), feature.path.value(&image));
                    counts.filled += usize::from(!now.is_null());
                    counts.after += usize::from(!now.is_null() && before != now);
                }
                rows.push((
                    at,
                    image.id,
                    won,
                    features.iter().map(|feature| owned(feature.path.value(&then), base)).collect(),
                ));
            }
            place = page.next;
            if place.is_none() || rows.len() >= MAX_ROWS || self.engine.clock.now() >= until {
                break place.is_none() && taken == page.items.len();
            }
        };
        rows.sort_by_key(|(at, id, ..)| (*at, *id));
        let broken = |error: predict::TableError| Error::invalid("fields", FaultCode::Unfit, error.to_string());
        let mut table = TableBuilder::new(features.iter().map(|f| (f.name.as_str(), f.kind))).map_err(broken)?;
        for (_, _, won, cells) in &rows {
            let cells: Vec<Cell<'_>> = cells.iter().map(Owned::cell).collect();
            table.push(&cells, *won).map_err(broken)?;
        }
        for (feature, counts) in features.iter().zip(after) {
            table.known_after(&feature.name, counts).map_err(broken)?;
        }
        // The declared type decides, not the values.
        let mut options = options.clone();
        options.keep.extend(features.iter().filter(|feature| feature.declared).map(|feature| feature.name.clone()));
        let table = table.order(Order::OldestFirst).build();
        let trained = predict::train(&table, &options).map_err(|error| refused(&error))?;
        Ok(Learned { kind, trained_at: now, of_all, model: trained.model, report: trained.report })
    }

    /// Like [`Scoring::predict`], with the model that a job has trained, regardless of who started the job.
    ///
    /// # Errors
    /// As [`Scoring::predict`]; [`Error::Forbidden`] without `scoring_model.read`; [`Error::NotFound`] if no such job
    /// has trained a model.
    pub async fn likelihood(&self, record: Ref, job: Id<Job>, at: Option<Time>) -> Result<Likelihood, Error> {
        // Checked first: an actor who may not see the record must not learn whether the job exists.
        let (_, outcome) = read_record(self.engine, self.actor, record).await?;
        outcome.access(self.actor).demand(Permission::new(Kind::ScoringModel, Action::Read))?;
        let want = [Want::Record(Ref::new(Kind::Job, job))];
        let got = self.engine.store.get(self.actor.tenant(), &want).await?.got.into_iter().next();
        let Some(Got::Record(Some(image))) = got else { return Err(Error::NotFound(Kind::Job)) };
        let learned = match image.at(JobFields::product) {
            Value::Json(json) if image.get("type").as_text() == Some("train") => {
                Learned::deserialize(json.as_ref()).ok()
            }
            _ => None,
        };
        self.predict(record, &learned.ok_or(Error::NotFound(Kind::Job))?, at).await
    }

    /// Returns the probability that a record is won, now or at a past time (from what is known now), with its
    /// explanation. It is hidden completely if the model reads a field that is hidden from the actor, or if the outcome
    /// itself is hidden, because the contributions would reveal it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the actor may not see the record; [`Error::Invalid`] for a record of a kind other than
    /// the model's, a model that reads a field hidden from the actor (`unknown_field`), a time in the future or before
    /// the record's creation, and an invalid model.
    pub async fn predict(&self, record: Ref, learned: &Learned, at: Option<Time>) -> Result<Likelihood, Error> {
        if record.kind != learned.kind {
            let message = format!("is a {}, but the model is for {}", record.kind, learned.kind.plural());
            return Err(Error::invalid("record", FaultCode::WrongKind, message));
        }
        let (current, outcome) = read_record(self.engine, self.actor, record).await?;
        let (definitions, now) = (outcome.definitions, outcome.now);
        let access = Access::new(self.actor, &definitions, now);
        if learned.model.columns().chain(["stage_id"]).any(|name| access.is_hidden(record.kind, name)) {
            let message = format!("`{}` has no such likelihood", record.kind);
            return Err(Error::invalid("likelihood", FaultCode::UnknownField, message));
        }
        let moment = at.unwrap_or(now);
        if moment > now {
            return Err(Error::invalid("at", FaultCode::TooLarge, "must not be in the future"));
        }
        let image = if at.is_none() {
            current
        } else {
            let reader = Reader { engine: self.engine, tenant: self.actor.tenant(), definitions: &definitions };
            let mut course = reader.course(record, &Needs::default(), Known::By(now)).await?;
            let facts = course.at(moment, &definitions)?;
            facts
                .ok_or_else(|| Error::invalid("at", FaultCode::TooSmall, "must not be before the record was created"))?
                .record
        };
        let base = definitions.base_currency();
        let decl = catalog::decl(record.kind);
        let value = |name: &str| path_of(decl, name).map_or(&Value::Null, |path| path.value(&image));
        let cells: Vec<Owned> = learned.model.columns().map(|name| owned(value(name), base)).collect();
        let cells: Vec<Cell<'_>> = cells.iter().map(Owned::cell).collect();
        let broken = |error: predict::ModelError| Error::invalid("model", FaultCode::Unfit, error.to_string());
        let prediction = learned.model.predict(&cells).map_err(broken)?;
        let reason = |one: &predict::Contribution<'_>| Reason {
            field: one.column.to_owned(),
            with: one.with.map(str::to_owned),
            log_odds: one.log_odds,
            value: Some(value(one.column)).filter(|value| !value.is_null()).map(Value::to_json),
        };
        Ok(Likelihood {
            record,
            at: moment,
            confident: prediction.confident,
            probability: prediction.probability,
            log_odds: prediction.log_odds,
            base: prediction.base,
            contributions: prediction.contributions.iter().map(reason).collect(),
        })
    }
}

/// Returns the time of a record's outcome, the outcome, and the record just before it, for the last move into a won or
/// lost stage. `None` if the record is open now.
fn outcome(history: &[Change], definitions: &Definitions, tenant: Id) -> Option<(Time, bool, Image)> {
    let last = history.iter().rev().find(|change| change.field("stage_id").is_some())?;
    let stage = last.field("stage_id")?.new.as_id()?;
    let won = match definitions.stage(stage.typed())?.1.kind {
        StageKind::Won => true,
        StageKind::Lost => false,
        StageKind::Open | StageKind::Unknown(_) => return None,
    };
    // Of a record that was created with its outcome, nothing is known before it.
    let until = last.version.saturating_sub(1).max(1);
    let before: Vec<Change> =
        history.iter().filter(|change| change.group == last.group && change.version <= until).cloned().collect();
    Some((last.occurred_at, won, change::as_of(tenant, &before, Time::MAX, None)?))
}

/// The fields and properties of a kind that can be features.
fn features(decl: &KindDecl, definitions: &Definitions, access: &Access<'_>) -> Vec<Feature> {
    let mut all = Vec::new();
    for (at, field) in decl.fields.iter().enumerate() {
        let told = field.marks.personal || field.marks.secret || OF_THE_OUTCOME.contains(&field.name);
        if field.section != Section::User
            || told
            || at < common::COUNT
            || access.roles().is_hidden(decl.kind, field.name)
        {
            continue;
        }
        if let Some(kind) = feature_kind(field.ty, field.marks.reportable) {
            let declared = !matches!(field.ty, FieldType::Text(_));
            all.push(Feature { name: field.name.to_owned(), path: Path { field: at, property: None }, kind, declared });
        }
    }
    for property in definitions.properties(decl.kind).iter().filter(|property| property.archived_at.is_none()) {
        let name = format!("properties.{}", property.key);
        if property.personal || access.roles().is_hidden(decl.kind, &name) {
            continue;
        }
        let Some(path) = path_of(decl, &name) else { continue };
        let Some(ty) = property_type(property) else { continue };
        if let Some(kind) = feature_kind(ty, property.reportable) {
            all.push(Feature { name, path, kind, declared: !matches!(ty, FieldType::Text(_)) });
        }
    }
    all
}

/// The kind of feature of a field type; `None` if it cannot be one.
fn feature_kind(ty: FieldType, reportable: bool) -> Option<predict::Kind> {
    match ty {
        FieldType::Int(..) | FieldType::Decimal | FieldType::Money => Some(predict::Kind::Number),
        FieldType::Bool | FieldType::Choice(_) | FieldType::Id(Kind::User | Kind::Team | Kind::Company) => {
            Some(predict::Kind::Category)
        }
        FieldType::Text(_) if reportable => Some(predict::Kind::Category),
        _ => None,
    }
}

/// The path of a field or property.
fn path_of(decl: &KindDecl, name: &str) -> Option<Path> {
    match name.strip_prefix("properties.") {
        Some(key) => Some(Path { field: common::PROPERTIES, property: Some(key.into()) }),
        None => decl.position(name).map(|field| Path { field, property: None }),
    }
}

fn owned(value: &Value, base: Currency) -> Owned {
    let number = |text: String| text.parse().map_or(Owned::Missing, Owned::Number);
    match value {
        Value::Bool(yes) => Owned::Text(yes.to_string()),
        Value::Int(number) => {
            #[allow(clippy::cast_precision_loss)] // a feature, not an amount
            Owned::Number(*number as f64)
        }
        Value::Decimal(decimal) => number(decimal.to_string()),
        // Amounts in other currencies are not comparable.
        Value::Money(money) if money.currency == base => number(money.amount.to_string()),
        Value::Text(text) => Owned::Text(text.to_string()),
        Value::Id(id) => Owned::Text(id.to_string()),
        _ => Owned::Missing,
    }
}

fn refused(error: &TrainError) -> Error {
    let (field, code) = match error {
        TrainError::NoOutcomes
        | TrainError::TooFewOutcomes { .. }
        | TrainError::TooFewOfOneKind { .. }
        | TrainError::OneSided { .. } => ("outcomes", FaultCode::TooFew),
        TrainError::UnknownColumn(_) => ("exclude", FaultCode::UnknownField),
        TrainError::NoFeatures => ("fields", FaultCode::Required),
        TrainError::OrderUnknown | TrainError::Penalty(_) => ("options", FaultCode::TooSmall),
    };
    Error::invalid(field, code, error.to_string())
}
