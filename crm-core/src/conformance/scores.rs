//! Scores on the store under test: the same scenario gives the same scores as on the store in memory, to the last
//! thousandth, for the present and for every past time.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use super::{Case, Failure, Lab, Outcome, case, ensure};
use crate::{
    companies::CompanyPatch,
    deals::{Deal, NewDeal},
    engine::{crm::Crm, listing::ListQuery},
    interactions::{Direction, Interaction, InteractionPatch, NewInteraction},
    leads::{ConvertLead, Lead, LeadPatch, NewLead},
    model::{
        access::Actor,
        change::Change,
        error::Error,
        filter::{Filter, Op},
        records::organization::NewOrganization,
        store::{MemoryStore, Store},
        value::{Id, Kind, Ref, Time},
    },
    scoring::{
        Axis, Behavior, Decay, Event, GradeMatrix, Group, ModelDefinition, NewScoringModel, On, Rule, ScoreQuery,
        ScoringModelPatch,
    },
    testing::TestClock,
};

/// The cases of this module.
pub(super) const CASES: &[Case] = &[case!(
    "scores",
    one_story_in_the_same_figures,
    "scores, their past, their lists and trials of models come to the same as on the store in memory"
)];

/// A budget that no sweep exhausts.
const LONG: Duration = Duration::from_hours(1);

async fn one_story_in_the_same_figures(lab: &Lab<'_>) -> Outcome {
    let told = Story::on(Arc::clone(&lab.store)).await?.tell(Some(lab)).await?;
    let memory = Story::on(Arc::new(MemoryStore::new())).await?.tell(None).await?;
    let differs = told.lines().zip(memory.lines()).find(|(told, memory)| told != memory);
    ensure!(differs.is_none(), "told and expected differ: {differs:?}");
    ensure!(told.lines().count() == memory.lines().count(), "one story is longer than the other");
    Ok(())
}

fn definition(web: i64) -> ModelDefinition {
    let group = |key: &str, axis| Group { key: key.into(), axis, ..Group::default() };
    let rule = |key: &str, on, when, points| Rule { key: key.into(), on, when, points };
    let behavior = |key: &str, event, points, decay| Behavior { key: key.into(), event, points, decay, limit: None };
    ModelDefinition {
        groups: vec![
            Group {
                rules: vec![
                    rule("web", On::Record, Filter::eq("source", "web"), web),
                    rule(
                        "young",
                        On::Record,
                        Filter::is("created_at", Op::Gt, serde_json::json!({"days": -20})),
                        1_500,
                    ),
                    rule("big", On::Company, Filter::is("employee_count", Op::Ge, 100), 7_000),
                ],
                cap: Some(15_000),
                ..group("fit", Axis::Fit)
            },
            Group {
                behaviors: vec![
                    behavior("call", Event::Interaction(Filter::eq("type", "call")), 13_000, Decay::HalfLifeDays(9)),
                    behavior("moved", Event::Stage(vec![]), 3_333, Decay::LinearDays(17)),
                ],
                ..group("does", Axis::Engagement)
            },
        ],
        grades: Some(GradeMatrix { fit: [15_000, 10_000, 1_000], engagement: [25_000, 15_000, 5_000] }),
        hot_threshold: Some(30_000),
        refresh_hours: 24,
    }
}

struct Story {
    crm: Crm,
    clock: TestClock,
    admin: Actor,
    leads: Vec<Id<Lead>>,
    /// The deal that the conversion of the first lead opened.
    deal: Option<Id<Deal>>,
    told: String,
}

/// The score stored on a record.
struct Carried {
    score: i64,
    grade: Option<String>,
    is_hot: bool,
    model_version: Option<String>,
    scored_at: Option<Time>,
    history: Vec<Change>,
}

impl Story {
    async fn on(store: Arc<dyn Store>) -> Result<Self, Failure> {
        let clock = TestClock::at("2026-01-05T09:00:00Z");
        // Each run uses its own ids, because a store may still hold those of another run.
        let crm = Crm::builder_shared(store).clock(clock.clone()).build();
        let admin = crm.bootstrap(NewOrganization { name: "Acme".into(), ..Default::default() }).await?;
        Ok(Self { crm, clock, admin, leads: Vec::new(), deal: None, told: String::new() })
    }

    async fn tell(mut self, lab: Option<&Lab<'_>>) -> Result<String, Failure> {
        let model = |kind: Kind| NewScoringModel {
            key: format!("our_{kind}s"),
            name: format!("Our {kind}s"),
            kind: Some(kind),
            definition: Some(definition(9_000)),
            is_active: true,
            ..Default::default()
        };
        self.crm.scoring_models(&self.admin).create(model(Kind::Deal)).await?;
        let model = self.crm.scoring_models(&self.admin).create(model(Kind::Lead)).await?.id;
        for number in 0..4 {
            self.clock.advance_seconds(3_601);
            let source = if number % 2 == 0 { "web" } else { "fair" };
            let new = NewLead {
                name: format!("Lead {number}"),
                source: Some(source.into()),
                company_name: Some("Engines".into()),
                ..Default::default()
            };
            self.leads.push(self.crm.leads(&self.admin).create(new).await?.id);
        }
        self.look(lab, "made").await?;
        let lead = |number: usize| Ref::new(Kind::Lead, self.leads[number]);
        let [first, second, third] = [lead(0), lead(1), lead(2)];
        let calls =
            [self.call(first).await?, self.call(first).await?, self.call(second).await?, self.call(third).await?];
        self.clock.advance_days(3);
        self.crm.leads(&self.admin).move_to(self.leads[0], "contacted").await?;
        self.look(lab, "called").await?;
        let interactions = self.crm.interactions(&self.admin);
        interactions.archive(calls[1]).await?;
        let elsewhere = InteractionPatch::new().links(vec![Ref::new(Kind::Lead, self.leads[3])]);
        interactions.update(calls[3], elsewhere).await?;
        self.crm.leads(&self.admin).update(self.leads[1], LeadPatch::new().source("web")).await?;
        self.look(lab, "taken back").await?;
        self.clock.advance_days(11);
        self.crm.leads(&self.admin).move_to(self.leads[0], "qualified").await?;
        let deal = NewDeal { title: "Engines".into(), source: Some("web".into()), ..NewDeal::default() };
        let convert = ConvertLead { open_deal: Some(deal.into()), ..ConvertLead::default() };
        self.crm.leads(&self.admin).convert(self.leads[0], convert).await?;
        self.crm.leads(&self.admin).disqualify(self.leads[3], "no budget").await?;
        let converted = self.crm.leads(&self.admin).get(self.leads[0]).await?;
        let (company, deal) = (converted.converted_company_id, converted.converted_deal_id);
        self.deal = deal;
        let company = company.ok_or_else(|| Failure::new("the lead became no company"))?;
        self.crm.companies(&self.admin).update(company, CompanyPatch::new().employee_count(500)).await?;
        self.look(lab, "converted").await?;
        let deal = deal.ok_or_else(|| Failure::new("the lead became no deal"))?;
        self.call(Ref::new(Kind::Deal, deal)).await?;
        self.crm.deals(&self.admin).move_to(deal, "proposal").await?;
        self.look(lab, "proposed").await?;
        self.clock.advance_days(9);
        self.look(lab, "faded").await?;
        let other = NewScoringModel {
            key: "other".into(),
            name: "Other".into(),
            kind: Some(Kind::Lead),
            definition: Some(definition(14_000)),
            ..Default::default()
        };
        let other = self.crm.scoring_models(&self.admin).create(other).await?.id;
        if let Some(lab) = lab {
            lab.settle().await;
        }
        let trial = self.crm.scoring(&self.admin).try_model(other).await?;
        // The ids differ from run to run.
        let named = (trial.becoming_hot.len(), trial.ceasing_hot.len());
        let _ = writeln!(
            self.told,
            "tried {} against {}: {} up, {} down, {:?} to {:?}, {named:?}, {:?}",
            trial.model, trial.against, trial.up, trial.down, trial.before, trial.after, trial.rankings
        );
        let changed = ScoringModelPatch::new().definition(Some(definition(14_000)));
        self.crm.scoring_models(&self.admin).update(model, changed).await?;
        self.look(lab, "changed").await?;
        Ok(self.told)
    }

    async fn call(&self, about: Ref) -> Result<Id<Interaction>, Error> {
        self.clock.advance_seconds(61);
        let new = NewInteraction {
            r#type: "call".into(),
            direction: Some(Direction::Inbound),
            subject: "a call".into(),
            completed_at: Some(self.clock.now()),
            links: vec![about],
            ..Default::default()
        };
        Ok(self.crm.interactions(&self.admin).create(new).await?.id)
    }

    async fn carried(&self, record: Ref) -> Result<Carried, Error> {
        macro_rules! carried {
            ($collection:ident) => {{
                let records = self.crm.$collection(&self.admin);
                let now = records.get(record.id.typed()).await?;
                Carried {
                    score: now.score,
                    grade: now.grade.clone(),
                    is_hot: now.is_hot,
                    model_version: now.model_version.clone(),
                    scored_at: now.scored_at,
                    history: records.history(record.id.typed()).await?,
                }
            }};
        }
        Ok(if record.kind == Kind::Deal { carried!(deals) } else { carried!(leads) })
    }

    /// Brings scores up to date and records them in every form in which they can be read.
    async fn look(&mut self, lab: Option<&Lab<'_>>, what: &str) -> Outcome {
        self.clock.advance_seconds(5);
        // A sweep marks the leads of a company; the next sweep scores them.
        for _ in 0..2 {
            if let Some(lab) = lab {
                lab.settle().await;
            }
            let swept = self.crm.score_sweeper().sweep(self.admin.tenant(), LONG).await?;
            let _ = writeln!(self.told, "{what}: {} due, {} written", swept.due, swept.written);
        }
        if let Some(lab) = lab {
            lab.settle().await;
        }
        let scoring = self.crm.scoring(&self.admin);
        let leads = self.leads.iter().map(|id| Ref::new(Kind::Lead, *id));
        let subjects: Vec<Ref> = leads.chain(self.deal.map(|id| Ref::new(Kind::Deal, id))).collect();
        for (number, record) in subjects.into_iter().enumerate() {
            let carried = self.carried(record).await?;
            let now = scoring.score(record, &ScoreQuery::default()).await?;
            // A stored score that decays is that of its last refresh; a requested score is current.
            let parts: Vec<(Option<&str>, i64)> =
                now.contributions.iter().map(|part| (part.rule.as_deref(), part.points)).collect();
            let _ = writeln!(
                self.told,
                "  {number}: {} {:?} {} {:?} now {} {parts:?}",
                carried.score, carried.grade, carried.is_hot, carried.model_version, now.points.total
            );
            if let Some(then) = carried.scored_at {
                let then = scoring.score(record, &ScoreQuery::as_it_was(then)).await?;
                ensure!(
                    then.points.total == carried.score,
                    "record {number} is not what it was: {}",
                    then.points.total
                );
            }
            let end = self.clock.now();
            let days: Vec<_> = (0..30).rev().map(|day| end.plus_days(-day)).collect();
            let course = scoring.course(record, &days, &ScoreQuery::default()).await?;
            let course: Vec<i64> = course.moments.iter().map(|moment| moment.points.total).collect();
            let _ = writeln!(self.told, "     {course:?}");
            let announced: Vec<String> = carried
                .history
                .iter()
                .filter(|change| change.group == crate::model::schema::Group::Machine)
                .map(|change| change.action.to_string())
                .collect();
            let _ = writeln!(self.told, "     {announced:?}");
        }
        let best = ListQuery::new().sort("score").descending();
        let best = self.crm.leads(&self.admin).list(&best).await?.items;
        let _ = writeln!(self.told, "  best: {:?}", best.iter().map(|lead| &lead.name).collect::<Vec<_>>());
        let hot = self.crm.leads(&self.admin).count(Filter::eq("is_hot", true)).await?;
        let _ = writeln!(self.told, "  hot: {hot}");
        Ok(())
    }
}
