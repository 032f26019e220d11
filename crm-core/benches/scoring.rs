//! What a score costs: rules on leads in memory, the same explained, and the course of one lead over a year.
//!
//! `cargo bench -p crm-core --bench scoring`

use std::{hint::black_box, sync::Arc, time::Instant};

use crm_core::{
    MemoryStore,
    definitions::Definitions,
    filter::{Filter, Op},
    interactions::NewInteraction,
    leads::{LeadPatch, NewLead},
    schema::Image,
    scoring::{
        Axis, Behavior, Decay, Event, Facts, GradeMatrix, Group, ModelDefinition, NewScoringModel, On, Rule,
        ScoreQuery, compile,
    },
    store::{Got, Records as _, Want},
    testing::Ready,
    value::{Kind, Ref},
};
use futures::executor::block_on;

const LEADS: usize = 20_000;

fn rules() -> Vec<Rule> {
    let filled = |field: &str| Filter::missing(field).negate();
    let when = [
        Filter::eq("source", "web"),
        Filter::eq("source", "referral"),
        Filter::one_of("source", ["partner", "fair", "web"]),
        filled("email"),
        filled("phone"),
        filled("company_name"),
        filled("website"),
        Filter::is("employee_count", Op::Ge, 10),
        Filter::is("employee_count", Op::Ge, 100),
        Filter::is("employee_count", Op::Ge, 1000),
        Filter::is("job_title", Op::Contains, "Chief"),
        Filter::is("job_title", Op::StartsWith, "Head"),
        Filter::eq("industry", "software"),
        Filter::one_of("industry", ["software", "finance", "health"]),
        Filter::eq("do_not_email", true),
        Filter::eq("do_not_call", true),
        Filter::eq("tags", "vip"),
        Filter::eq("industry", "software").and(Filter::is("employee_count", Op::Lt, 50)),
        Filter::any([Filter::eq("source", "list"), Filter::missing("email")]),
        Filter::eq("industry", "tobacco").negate(),
    ];
    let rule = |(at, when): (usize, Filter)| Rule {
        key: format!("rule_{at}"),
        on: On::Record,
        when,
        points: 1_000 * (i64::try_from(at).expect("small") - 4),
    };
    when.into_iter().enumerate().map(rule).collect()
}

fn model(rules: Vec<Rule>, behaviors: Vec<Behavior>) -> ModelDefinition {
    let group =
        |key: &str, axis, rules, behaviors| Group { key: key.into(), axis, rules, behaviors, ..Group::default() };
    ModelDefinition {
        groups: vec![group("fit", Axis::Fit, rules, vec![]), group("does", Axis::Engagement, vec![], behaviors)],
        grades: Some(GradeMatrix { fit: [60_000, 30_000, 10_000], engagement: [60_000, 30_000, 10_000] }),
        hot_threshold: None,
        refresh_hours: 24,
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

#[allow(clippy::disallowed_methods)] // a stopwatch
fn main() {
    let store = MemoryStore::new();
    let ready = block_on(Ready::on(Arc::new(store.clone()))).expect("memory does not fail");
    let tenant = ready.admin.tenant();
    let images: Vec<Facts> = block_on(async {
        let (sources, titles) = (["web", "referral", "fair", "list"], ["Chief engineer", "Head of sales", "clerk"]);
        let industries = ["software", "finance", "tobacco", "health", "trade"];
        let mut facts = Vec::with_capacity(LEADS);
        for number in 0..LEADS {
            let new = NewLead {
                name: format!("Lead {number}"),
                email: (number % 3 != 0).then(|| format!("lead{number}@example.com")),
                company_name: (number % 2 == 0).then(|| "Engines Ltd".into()),
                source: Some(sources[number % 4].into()),
                job_title: Some(titles[number % 3].into()),
                industry: Some(industries[number % 5].into()),
                employee_count: Some(i64::try_from(number % 2000).expect("small")),
                ..Default::default()
            };
            let lead = ready.crm.leads(&ready.rep).create(new).await.expect("it is valid");
            facts.push(Facts::of(image(&store, tenant, lead.id.erase()).await));
        }
        facts
    });
    let definitions = block_on(store.definitions(tenant)).expect("memory does not fail");
    let definitions = Definitions::new(&definitions).expect("they are whole");
    let compiled = compile(&model(rules(), vec![]), Kind::Lead, &definitions, ready.clock.now()).expect("it is valid");
    let bulk = |images: &[Facts], score: &dyn Fn(&Facts)| -> f64 {
        median(
            (0..9)
                .map(|_| {
                    let start = Instant::now();
                    for _ in 0..LEADS / images.len() {
                        images.iter().for_each(score);
                    }
                    f64::from(u32::try_from(LEADS).expect("small")) / start.elapsed().as_secs_f64()
                })
                .collect(),
        )
    };
    let plain = |facts: &Facts| {
        black_box(compiled.points(black_box(facts)).total);
    };
    let explained = |facts: &Facts| {
        black_box(compiled.explain(black_box(facts)));
    };
    // A page of a list, as a sweep has it before it; and more leads than a processor keeps near.
    let page = &images[..1_000];
    println!("rules, 20 a lead, 1,000 leads          {:>12.0} scores a second (>= 1,000,000)", bulk(page, &plain));
    println!("rules, 20 a lead, {LEADS} leads         {:>12.0} scores a second", bulk(&images, &plain));
    println!("explained, 1,000 leads                 {:>12.0} scores a second (>= 300,000)", bulk(page, &explained));
    println!("explained, {LEADS} leads                {:>12.0} scores a second", bulk(&images, &explained));
    println!("a year of one lead, day by day         {:>12.2} ms (< 5)", year(&ready) * 1e3);
}

async fn image(store: &MemoryStore, tenant: crm_core::value::Id, id: crm_core::value::Id) -> Arc<Image> {
    let answer = store.get(tenant, &[Want::Record(Ref::new(Kind::Lead, id))]).await.expect("memory does not fail");
    match answer.got.into_iter().next() {
        Some(Got::Record(Some(image))) => image,
        other => panic!("the lead is there: {other:?}"),
    }
}

/// Seconds to score one lead with 200 changes, half of them interactions, for each day of a year.
#[allow(clippy::disallowed_methods)] // a stopwatch
fn year(ready: &Ready) -> f64 {
    let call = Behavior {
        key: "call".into(),
        event: Event::Interaction(Filter::eq("type", "call")),
        points: 5_000,
        decay: Decay::HalfLifeDays(14),
        limit: None,
    };
    let definition = NewScoringModel {
        key: "bench".into(),
        name: "Bench".into(),
        kind: Some(Kind::Lead),
        definition: Some(model(rules(), vec![call])),
        is_active: true,
        ..Default::default()
    };
    block_on(async {
        let crm = &ready.crm;
        crm.scoring_models(&ready.admin).create(definition).await.expect("it is valid");
        let lead =
            crm.leads(&ready.rep).create(NewLead { name: "Ada".into(), ..Default::default() }).await.expect("valid");
        let record = Ref::new(Kind::Lead, lead.id);
        let start = ready.clock.now();
        for number in 0..100_i64 {
            ready.clock.advance_seconds(300_000);
            let count = number * 17 % 1500;
            crm.leads(&ready.rep).update(lead.id, LeadPatch::new().employee_count(count)).await.expect("it is valid");
            let call = NewInteraction {
                r#type: "call".into(),
                direction: Some(crm_core::interactions::Direction::Inbound),
                subject: "a call".into(),
                completed_at: Some(ready.clock.now()),
                links: vec![record],
                ..Default::default()
            };
            crm.interactions(&ready.rep).create(call).await.expect("it is valid");
        }
        ready.clock.advance_days(40);
        let days: Vec<_> = (0..365).map(|day| start.plus_days(day)).collect();
        let mut seconds = Vec::new();
        for _ in 0..9 {
            let begin = Instant::now();
            let course =
                crm.scoring(&ready.rep).course(record, &days, &ScoreQuery::default()).await.expect("it was there");
            seconds.push(begin.elapsed().as_secs_f64());
            assert_eq!(black_box(course).moments.len(), 365);
        }
        median(seconds)
    })
}
