//! Requesting scores: of a record now or at any past time, and its score history.

use std::sync::Arc;

use serde::Serialize;

use super::{
    compiled::{self, Compiled, Needs},
    facts::Facts,
    history::{Known, Reader},
    model::On,
    models::Models as _,
    record::{ScoringModel, ScoringModelFields},
    score::{Contribution, Fact, Score},
};
use crate::{
    engine::{
        access::{Access, Authority},
        definitions::Definitions,
        draft::{Input, Pending, decide_only, fingerprint, read_history, read_record},
        runtime::Engine,
    },
    model::{
        access::Actor,
        change,
        error::Error,
        schema::{Image, Record},
        value::{FaultCode, FieldValue as _, Id, Kind, Ref, Time, Value},
    },
};

/// The maximum number of times in a score history.
pub(super) const MAX_MOMENTS: usize = 1_000;

/// Selects a score: model, version, time, and the time up to which recorded changes are considered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScoreQuery {
    /// The model; default: the active one.
    pub model: Option<Id<ScoringModel>>,
    /// The version of the model; default: the newest.
    pub version: Option<u64>,
    /// The time of the score; default: now.
    pub at: Option<Time>,
    /// Only changes recorded by this time are considered; default: now. Equal to `at`, this is the score as it was
    /// computed then.
    pub known_at: Option<Time>,
}

impl ScoreQuery {
    /// Selects the score as it was computed at a time, from what was known then.
    #[must_use]
    pub const fn as_it_was(at: Time) -> Self {
        Self { model: None, version: None, at: Some(at), known_at: Some(at) }
    }
}

/// The score at one time of a score history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// The time.
    pub at: Time,
    /// The figures.
    #[serde(flatten)]
    pub points: super::Points,
}

/// The score history of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScoreHistory {
    /// Model and version, such as `starter@3`.
    pub model: String,
    /// The total in thousandths from which the model considers a record hot.
    pub hot_threshold: Option<i64>,
    /// The scores at those times at which the record existed, in order.
    pub moments: Vec<Moment>,
}

/// Scores, with the permissions of an actor.
#[derive(Clone)]
pub struct Scoring<'a> {
    pub(super) engine: &'a Arc<Engine>,
    pub(super) actor: &'a Actor,
}

impl std::fmt::Debug for Scoring<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scoring").finish_non_exhaustive()
    }
}

/// A model at a version, for a kind of record.
pub(super) struct Chosen {
    model: Record<ScoringModel>,
    version: u64,
}

impl Chosen {
    /// Selects the current version of a model.
    pub(super) fn newest(model: &Record<ScoringModel>) -> Self {
        Self { version: model.version, model: model.clone() }
    }

    pub(super) fn compile(&self, definitions: &Definitions, at: Time) -> Result<Compiled, Error> {
        let kind = self.model.kind.unwrap_or(Kind::Lead);
        let definition = self.model.definition.as_ref().ok_or(Error::NotFound(Kind::ScoringModel))?;
        compiled::compile(definition, kind, definitions, at).map_err(Error::Invalid)
    }
}

impl<'a> Scoring<'a> {
    pub(crate) const fn new(engine: &'a Arc<Engine>, actor: &'a Actor) -> Self {
        Self { engine, actor }
    }

    /// Returns the score of a record, with contributions that add up to it. Facts of related records that the actor may
    /// not see are omitted: the rule and its points remain. A score that depends on a field hidden from the actor is
    /// hidden completely, because its rules and points would reveal the field.
    ///
    /// The score is computed, not looked up: from the current record, or from the change log for a past time. With `at`
    /// and `known_at` both at a record's `scored_at` and the model at its `model_version`, it is the score stored on
    /// the record then.
    ///
    /// Costs a read of the record and of what the model reads: related records and interactions (a thousand per round
    /// trip), and for a past time their histories.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the actor may not see the record or the model does not exist (or none is active);
    /// [`Error::Invalid`] for a kind that is not scored, a future time, a time at which the record did not exist, an
    /// unknown version, `unknown_field` if the actor may not see scores or a field that the model reads, and, naming
    /// rule and field, for a model that is no longer valid.
    pub async fn score(&self, record: Ref, query: &ScoreQuery) -> Result<Score, Error> {
        let (image, definitions, now) = self.subject(record).await?;
        let (at, known) = when(query, now)?;
        let chosen = self.chosen(&definitions, record.kind, query).await?;
        let compiled = chosen.compile(&definitions, at)?;
        demand_seen(&Access::new(self.actor, &definitions, now), record.kind, &compiled.needs)?;
        let reader = Reader { engine: self.engine, tenant: self.actor.tenant(), definitions: &definitions };
        let facts = if query.at.is_none() && query.known_at.is_none() {
            reader.now(image, &compiled.needs, now).await?
        } else {
            let mut course = reader.course(record, &compiled.needs, Known::By(known)).await?;
            course.at(at, &definitions)?.ok_or_else(|| before_its_time(at))?
        };
        let (points, contributions) = compiled.explain(&facts);
        let contributions = self.masked(contributions, &facts).await?;
        let model = chosen.model.version_name(chosen.version);
        Ok(Score { record, model, at, known_at: known, points, contributions })
    }

    /// Returns the score history of a record: its figures at up to 1,000 times, in order, from what is known now (or at
    /// `known_at`), including imported history. Times before the record's creation are omitted.
    ///
    /// Costs as much as one score at a past time; additional times cost no read.
    ///
    /// # Errors
    /// As [`Scoring::score`]; [`Error::Invalid`] for times out of order, or too many.
    pub async fn course(&self, record: Ref, moments: &[Time], query: &ScoreQuery) -> Result<ScoreHistory, Error> {
        let known = Known::By(query.known_at.unwrap_or(self.engine.clock.now()));
        self.course_of(record, moments, query, known).await
    }

    /// Like [`Scoring::course`], with each score as it was computed then, from what was known then.
    ///
    /// # Errors
    /// As [`Scoring::course`].
    pub async fn course_as_it_was(
        &self,
        record: Ref,
        moments: &[Time],
        query: &ScoreQuery,
    ) -> Result<ScoreHistory, Error> {
        self.course_of(record, moments, query, Known::Then).await
    }

    async fn course_of(
        &self,
        record: Ref,
        moments: &[Time],
        query: &ScoreQuery,
        known: Known,
    ) -> Result<ScoreHistory, Error> {
        let (_, definitions, now) = self.subject(record).await?;
        if moments.len() > MAX_MOMENTS {
            return Err(Error::invalid(
                "moments",
                FaultCode::TooMany,
                format!("may contain at most {MAX_MOMENTS} times"),
            ));
        }
        if !moments.is_sorted() || moments.last().is_some_and(|last| *last > now) {
            return Err(Error::invalid(
                "moments",
                FaultCode::WrongOrder,
                "must be in ascending order and not in the future",
            ));
        }
        let chosen = self.chosen(&definitions, record.kind, query).await?;
        let mut compiled = chosen.compile(&definitions, now)?;
        demand_seen(&Access::new(self.actor, &definitions, now), record.kind, &compiled.needs)?;
        let reader = Reader { engine: self.engine, tenant: self.actor.tenant(), definitions: &definitions };
        let mut course = reader.course(record, &compiled.needs, known).await?;
        let mut told = Vec::with_capacity(moments.len());
        for &at in moments {
            let Some(facts) = course.at(at, &definitions)? else { continue };
            if compiled.needs.relative {
                compiled = chosen.compile(&definitions, at)?;
            }
            compiled.at = at;
            told.push(Moment { at, points: compiled.points(&facts) });
        }
        let model = chosen.model.version_name(chosen.version);
        Ok(ScoreHistory { model, hot_threshold: compiled.hot_threshold, moments: told })
    }

    /// Activates a model for its kind in place of the active one, in one commit. The next sweeps score the records.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] without `scoring_model.update`.
    pub fn activate(&self, model: Id<ScoringModel>) -> Pending<Record<ScoringModel>> {
        let record = Ref::new(Kind::ScoringModel, model);
        let active = ScoringModelFields::is_active as usize;
        Pending::new(
            self.engine,
            self.actor,
            "activate",
            fingerprint(&model),
            vec![record.into()],
            move |draft, step| {
                let kind = Kind::from_value(draft.read(record)?.at(ScoringModelFields::kind)).ok();
                let others = draft.cx.definitions.of::<ScoringModel>().filter(|other| {
                    other.id != model && other.kind == kind && other.is_active && other.archived_at.is_none()
                });
                let others: Vec<Ref> = others.map(|other| Ref::new(Kind::ScoringModel, other.id)).collect();
                for other in others {
                    draft.update(other, Input::user(&[(active, Value::Bool(false))]), step)?;
                }
                draft.update(record, Input::user(&[(active, Value::Bool(true))]), step)?;
                Ok(vec![record])
            },
        )
    }

    /// The tenant's definitions, as they are.
    pub(super) async fn definitions(&self) -> Result<Authority, Error> {
        self.engine.authority(self.actor).await
    }

    /// Returns the record, if the actor may see it and its score.
    pub(super) async fn subject(&self, record: Ref) -> Result<(Arc<Image>, Authority, Time), Error> {
        let (image, outcome) = read_record(self.engine, self.actor, record).await?;
        if !compiled::KINDS.contains(&record.kind) {
            return Err(Error::invalid("kind", FaultCode::UnknownChoice, "must be lead, contact, company or deal"));
        }
        if outcome.access(self.actor).is_hidden(record.kind, "score") {
            return Err(no_score(record.kind));
        }
        Ok((image, outcome.definitions, outcome.now))
    }

    /// Returns the selected model at its version.
    pub(super) async fn chosen(
        &self,
        definitions: &Definitions,
        kind: Kind,
        query: &ScoreQuery,
    ) -> Result<Chosen, Error> {
        let missing = Error::NotFound(Kind::ScoringModel);
        let model = match query.model {
            Some(id) => definitions.get::<ScoringModel>(id).filter(|model| model.kind == Some(kind)),
            None => definitions.active_model(kind),
        };
        let model = model.ok_or(missing.clone())?;
        let Some(version) = query.version.filter(|version| *version != model.version) else {
            return Ok(Chosen::newest(model));
        };
        if version == 0 || version > model.version {
            let message = format!("must be 1 to {}", model.version);
            return Err(Error::invalid("version", FaultCode::TooLarge, message));
        }
        let tenant = self.actor.tenant();
        let mut history = read_history(self.engine, tenant, Ref::new(Kind::ScoringModel, model.id)).await?;
        history.retain(|change| change.version <= version);
        let image = change::as_of(tenant, &history, Time::MAX, None).ok_or(missing)?;
        Ok(Chosen { version, model: Record::from_image(&image)? })
    }

    /// Removes facts of records that the actor may not see from contributions.
    async fn masked(&self, mut contributions: Vec<Contribution>, facts: &Facts) -> Result<Vec<Contribution>, Error> {
        // The current visibility of a related record counts, not that at the time of the score.
        let related: Vec<Ref> = [On::Contact, On::Company]
            .into_iter()
            .filter_map(|on| facts.on(on).map(|image| image.reference()))
            .collect();
        let mut unseen: Vec<Ref> = Vec::new();
        if !related.is_empty() {
            let outcome = decide_only(
                self.engine,
                self.actor,
                &related.iter().copied().map(Into::into).collect::<Vec<_>>(),
                &mut |draft| {
                    let mut seen = Vec::new();
                    for &record in &related {
                        match draft.read(record) {
                            Ok(_) => seen.push(record),
                            Err(crate::engine::draft::Stop::Refuse(Error::NotFound(_))) => {}
                            Err(other) => return Err(other),
                        }
                    }
                    Ok(seen)
                },
            )
            .await?;
            let seen = |record: &Ref| outcome.images.iter().any(|image| image.reference() == *record);
            unseen.extend(related.iter().filter(|record| !seen(record)));
        }
        for fact in contributions.iter_mut().flat_map(|contribution| &mut contribution.facts) {
            let hidden = match &*fact {
                Fact::Field { on, .. } => facts.on(*on).is_none_or(|image| unseen.contains(&image.reference())),
                // An actor who may see a score may see the fields that its model reads.
                Fact::Interaction { .. } | Fact::Stage { .. } | Fact::Task { .. } => false,
                Fact::Hidden => true,
            };
            if hidden {
                *fact = Fact::Hidden;
            }
        }
        Ok(contributions)
    }
}

fn no_score(kind: Kind) -> Error {
    Error::invalid("score", FaultCode::UnknownField, format!("`{kind}` has no field `score`"))
}

/// The times of a query.
fn when(query: &ScoreQuery, now: Time) -> Result<(Time, Time), Error> {
    let at = query.at.unwrap_or(now);
    if at > now {
        return Err(Error::invalid("at", FaultCode::TooLarge, "must not be in the future"));
    }
    Ok((at, query.known_at.unwrap_or(now)))
}

fn before_its_time(at: Time) -> Error {
    Error::invalid("at", FaultCode::TooSmall, format!("must not be before the record was created, as {at} is"))
}

/// Succeeds if the actor may see all inputs of a model's score.
pub(super) fn demand_seen(access: &Access<'_>, kind: Kind, needs: &Needs) -> Result<(), Error> {
    if needs.rests_on_hidden(kind, access.roles()) { Err(no_score(kind)) } else { Ok(()) }
}
