//! The demo organization is deterministic for a seed, contains every kind of data, and can be signed in to.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use crm_core::{
    MemoryStore,
    auth::{Argon2Cost, SignIn},
    change::Change,
    deals::Deal,
    leads::Lead,
    listing::ListQuery,
    pipelines::{Pipeline, PipelineKind},
    reports::{GroupBy, PipelineQuery, PipelineReport, SalesQuery, SalesReport},
    schema::Group,
    store::CommitId,
    testing::{CountedIds, TestClock},
    timeline::Entry,
    value::{Ref, Time},
};

use super::*;

/// A Wednesday afternoon, a Sunday, and New Year's morning before working hours.
const NOWS: [&str; 3] = ["2026-06-03T18:00:00Z", "2026-03-29T12:00:00Z", "2027-01-01T06:00:00Z"];

fn policy() -> Policy {
    Policy { argon2: Argon2Cost { memory_kib: 32, passes: 1, lanes: 1 }, ..Policy::default() }
}

struct Demo {
    crm: Crm,
    admin: Actor,
    hint: SignInHint,
}

impl Demo {
    async fn of(seed: u64, now: &str) -> Self {
        let crm = Crm::builder(MemoryStore::new()).clock(TestClock::at(now)).ids(CountedIds::default()).build();
        let hint = fill(&crm, &policy(), seed).await.unwrap();
        let admin = sign_in(&crm, &hint, &hint.email).await;
        Self { crm, admin, hint }
    }

    async fn all<K: RecordKind>(&self) -> Vec<Record<K>> {
        let mut all = Vec::new();
        let each = |record| {
            all.push(record);
            Ok(())
        };
        self.crm.collection::<K>(&self.admin).for_each(ListQuery::new().sort("created_at"), each).await.unwrap();
        all
    }

    async fn pipeline(&self) -> Id<Pipeline> {
        let all = self.crm.pipelines(&self.admin).list(&ListQuery::new()).await.unwrap().items;
        all.into_iter().find(|pipeline| pipeline.kind == PipelineKind::Deal).unwrap().id
    }

    async fn sales(&self) -> SalesReport {
        let by = [GroupBy::Owner, GroupBy::CloseMonth, GroupBy::Field("properties.product_line".into())];
        let query = by.into_iter().fold(SalesQuery::of(self.pipeline().await), |query, by| query.by([by]));
        self.crm.reports(&self.admin).sales(&query).await.unwrap()
    }

    async fn open(&self) -> PipelineReport {
        self.crm.reports(&self.admin).pipeline(&PipelineQuery::of(self.pipeline().await)).await.unwrap()
    }

    async fn changes(&self) -> Vec<Change> {
        let (mut changes, mut after) = (Vec::new(), None);
        loop {
            let page = self.crm.feed(after.as_ref(), 1000).await.unwrap();
            if page.changes.is_empty() {
                return changes;
            }
            changes.extend(page.changes.into_iter().map(|(_, change)| change));
            after = Some(page.cursor);
        }
    }
}

async fn sign_in(crm: &Crm, hint: &SignInHint, email: &str) -> Actor {
    let with = SignIn {
        organization: hint.organization.clone(),
        email: email.to_owned(),
        password: hint.password.clone(),
        code: None,
    };
    crm.auth(&policy()).sign_in(&with).await.unwrap().actor
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// The deterministic part of changes: everything but ids and secrets.
fn shape(changes: &[Change]) -> Vec<String> {
    let is_fixed = |field: &&crm_core::change::FieldChange| {
        !matches!(field.new, crm_core::value::Value::Id(_) | crm_core::value::Value::Redacted)
    };
    let texts = changes.iter().map(|change| {
        let fields: Vec<&str> = change.fields.iter().filter(is_fixed).map(|field| field.field.as_ref()).collect();
        let named =
            change.fields.iter().filter(|field| matches!(&*field.field, "name" | "title" | "subject" | "value"));
        let named: Vec<String> = named.map(|field| field.new.to_json().to_string()).collect();
        format!("{} {} {} {fields:?} {named:?}", change.record.kind, change.occurred_at, change.action)
    });
    let mut all: Vec<String> = texts.collect();
    all.sort();
    all
}

#[test]
fn one_seed_makes_one_company_and_another_seed_another() {
    run(async {
        let one = Demo::of(7, NOWS[0]).await;
        let same = Demo::of(7, NOWS[0]).await;
        let other = Demo::of(8, NOWS[0]).await;
        let shapes = [shape(&one.changes().await), shape(&same.changes().await), shape(&other.changes().await)];
        assert_eq!(shapes[0], shapes[1]);
        assert_ne!(shapes[0], shapes[2]);
        assert_eq!(one.sales().await.overall, same.sales().await.overall);
        assert_ne!(one.sales().await.overall, other.sales().await.overall);
        assert_eq!(one.hint.lead, same.hint.lead, "also the ids, where the source of ids is the same");
    });
}

#[test]
fn there_is_some_of_everything_whatever_the_seed_and_the_day() {
    run(async {
        for (seed, now) in NOWS.iter().enumerate() {
            let demo = Demo::of(seed as u64, now).await;
            let count = |what: &str, many: usize, within: std::ops::RangeInclusive<usize>| {
                assert!(within.contains(&many), "{many} {what} at {now}");
            };
            count("users", demo.all::<crm_core::users::User>().await.len(), 12..=12);
            count("teams", demo.all::<crm_core::teams::Team>().await.len(), 3..=3);
            count("products", demo.all::<crm_core::products::Product>().await.len(), 4..=4);
            count("companies", demo.all::<crm_core::companies::Company>().await.len(), 55..=70);
            count("contacts", demo.all::<crm_core::contacts::Contact>().await.len(), 135..=165);
            count("interactions", demo.all::<crm_core::interactions::Interaction>().await.len(), 450..=800);
            count("notes", demo.all::<crm_core::notes::Note>().await.len(), 35..=100);
            count("associations", demo.all::<crm_core::associations::Association>().await.len(), 30..=90);
            let leads = demo.all::<Lead>().await;
            count("leads", leads.len(), 250..=250);
            let mut by_status: BTreeMap<&str, usize> = BTreeMap::new();
            for lead in &leads {
                *by_status.entry(&lead.status).or_default() += 1;
            }
            assert_eq!(by_status["converted"], 38);
            assert!(by_status.len() == 5 && by_status.values().all(|&many| many >= 20), "{by_status:?}");
            let given_up = leads.iter().filter(|lead| lead.status == "unqualified");
            let reasons: BTreeSet<_> = given_up.map(|lead| lead.unqualified_reason.clone().unwrap()).collect();
            assert!(reasons.len() >= 4, "{reasons:?}");
            let deals = demo.all::<Deal>().await;
            count("deals", deals.len(), 115..=128);
            let kinds: BTreeSet<_> =
                deals.iter().filter_map(|deal| deal.r#type).map(|kind| format!("{kind:?}")).collect();
            assert_eq!(kinds.len(), 3, "{kinds:?}");
            let tasks = demo.all::<crm_core::tasks::Task>().await;
            let now: Time = now.parse().unwrap();
            let overdue = tasks.iter().filter(|task| task.is_open && task.due_at.is_some_and(|due| due < now));
            count("tasks", tasks.len(), 90..=220);
            count("overdue tasks", overdue.count(), 4..=60);
            count("completed tasks", tasks.iter().filter(|task| task.completed_at.is_some()).count(), 30..=150);
        }
    });
}

#[test]
fn the_reports_are_alive() {
    run(async {
        for (seed, now) in NOWS.iter().enumerate() {
            let demo = Demo::of(40 + seed as u64, now).await;
            let open = demo.open().await;
            assert_eq!(open.stages.len(), 4);
            for stage in &open.stages {
                assert!(stage.open.deals >= 3, "{} has {} deals at {now}", stage.key, stage.open.deals);
            }
            assert!(open.missing_rates.is_empty() && !open.rates.is_empty(), "two currencies, and a rate for each day");
            let sales = demo.sales().await;
            assert!(sales.missing_rates.is_empty() && !sales.rates.is_empty());
            let rate = sales.overall.win_rate.unwrap();
            assert!((0.28..0.45).contains(&rate), "won {rate} at {now}");
            let cycle = sales.overall.cycle.won.unwrap();
            assert!((25.0..50.0).contains(&cycle.mean), "{cycle:?} at {now}");
            let [owners, months, lines] = sales.tables.as_slice() else { panic!("three were asked for") };
            assert!(owners.groups.iter().filter(|group| group.figures.won > 0).count() >= 4);
            assert!(months.groups.iter().filter(|group| group.figures.won + group.figures.lost > 0).count() >= 5);
            assert_eq!(lines.groups.len(), 4, "every product sells");
        }
    });
}

#[test]
fn what_happened_lies_in_the_half_year_before_now_and_in_order() {
    run(async {
        let demo = Demo::of(3, NOWS[0]).await;
        let now: Time = NOWS[0].parse().unwrap();
        let changes = demo.changes().await;
        let of_work = [Kind::Lead, Kind::Deal, Kind::Company, Kind::Contact, Kind::Interaction, Kind::Task, Kind::Note];
        let by_people = changes.iter().filter(|change| change.group == Group::User);
        let work = by_people.filter(|change| of_work.contains(&change.record.kind));
        let mut first = now;
        for change in work {
            first = first.min(change.occurred_at);
            assert!(change.occurred_at <= now && change.occurred_at > now.plus_days(-190), "{change:?}");
            assert!(change.by.is_some(), "somebody did it: {change:?}");
        }
        assert!(first < now.plus_days(-175), "{first}");
        for deal in demo.all::<Deal>().await {
            let stages = demo.crm.deals(&demo.admin).stage_intervals(deal.id).await.unwrap();
            assert!(stages.is_sorted_by_key(|stage| stage.entered_at), "{stages:?}");
        }
    });
}

#[test]
fn everybody_who_is_named_signs_in_and_sees_what_their_role_shows() {
    run(async {
        let demo = Demo::of(1, NOWS[0]).await;
        let roles: BTreeSet<&str> = demo.hint.others.iter().map(|user| user.role.as_str()).collect();
        assert_eq!(roles, BTreeSet::from(["analyst", "marketing", "sales_manager", "sales_rep", "support"]));
        let all = demo.crm.leads(&demo.admin).count_of(&ListQuery::new()).await.unwrap();
        for user in &demo.hint.others {
            let actor = sign_in(&demo.crm, &demo.hint, &user.email).await;
            let leads = demo.crm.leads(&actor).count_of(&ListQuery::new()).await;
            match user.role.as_str() {
                "support" => {
                    assert!(leads.is_err());
                    assert!(
                        demo.crm.companies(&actor).count_of(&ListQuery::new()).await.unwrap() >= 16,
                        "of customers"
                    );
                }
                "sales_rep" => assert!((20..all / 2).contains(&leads.unwrap()), "their own"),
                "sales_manager" => assert!((all / 2..all).contains(&leads.unwrap()), "all but those of nobody"),
                _ => assert_eq!(leads.unwrap(), all),
            }
        }
    });
}

#[test]
fn nobody_can_be_called_or_written_to() {
    run(async {
        let demo = Demo::of(9, NOWS[0]).await;
        let (mut phones, mut emails) = (Vec::new(), Vec::new());
        for lead in demo.all::<Lead>().await {
            phones.extend(lead.phone.clone());
            emails.extend(lead.email.clone());
        }
        for contact in demo.all::<crm_core::contacts::Contact>().await {
            phones.extend(contact.phones.iter().map(|phone| phone.phone.clone()));
            emails.extend(contact.emails.iter().map(|email| email.email.clone()));
        }
        for company in demo.all::<crm_core::companies::Company>().await {
            phones.extend(company.phone.clone());
            emails.extend(company.email.clone());
        }
        for user in demo.all::<crm_core::users::User>().await {
            phones.extend(user.phone.clone());
            emails.extend(user.email.clone());
        }
        assert!(phones.len() > 400 && emails.len() > 400);
        for phone in phones {
            let fiction = phone.len() == 12 && phone.starts_with("+1") && &phone[5..10] == "55501";
            let germany = ["+493023125", "+494066969", "+498999998", "+492214710", "+496990009"];
            let france = ["+3319900", "+3346571", "+3335301", "+3326191"];
            let reserved = germany.iter().any(|range| phone.starts_with(range))
                || phone.len() == 12 && france.iter().any(|range| phone.starts_with(range));
            assert!(fiction || reserved, "{phone}");
        }
        assert!(emails.iter().all(|email| email.ends_with(".example")), "{emails:?}");
    });
}

#[test]
fn a_second_call_writes_nothing_and_says_the_same() {
    run(async {
        let demo = Demo::of(1, NOWS[0]).await;
        let before = demo.changes().await.len();
        let again = fill(&demo.crm, &policy(), 2).await.unwrap();
        assert_eq!(demo.changes().await.len(), before);
        assert!(demo.hint.is_new && !again.is_new);
        assert_eq!((again.lead, again.deal), (demo.hint.lead, demo.hint.deal));
        assert!(again.lead.is_some() && again.deal.is_some());
        sign_in(&demo.crm, &again, &again.email).await;
    });
}

#[test]
fn an_organization_of_that_name_that_is_no_demo_has_no_lead_to_show() {
    run(async {
        let crm = Crm::new(MemoryStore::new());
        crm.bootstrap(crm_core::organizations::NewOrganization {
            name: "Somebody's".into(),
            slug: Some(SLUG.into()),
            ..Default::default()
        })
        .await
        .unwrap();
        let hint = fill(&crm, &policy(), 1).await.unwrap();
        assert!(!hint.is_new && hint.lead.is_none() && hint.deal.is_none());
    });
}

#[test]
fn it_takes_few_commits() {
    run(async {
        let demo = Demo::of(5, NOWS[0]).await;
        let changes = demo.changes().await;
        // Scores are written one by one, after all other writes.
        let by_people = changes.iter().filter(|change| change.group == Group::User);
        let commits: BTreeSet<CommitId> = by_people.map(|change| change.commit).collect();
        assert!(changes.len() > 2000, "{}", changes.len());
        assert!(commits.len() < 400, "{} commits for {} changes", commits.len(), changes.len());
    });
}

#[test]
fn the_story_is_rich() {
    run(async {
        let demo = Demo::of(1, NOWS[0]).await;
        let lead = demo.hint.lead.unwrap();
        let found = demo.crm.leads(&demo.admin).get(lead).await.unwrap();
        assert_eq!((found.status.as_str(), found.converted_deal_id), ("converted", demo.hint.deal));
        let history = demo.crm.leads(&demo.admin).history(lead).await.unwrap();
        assert!(history.len() >= 8, "{history:?}");
        let authors: BTreeSet<_> = history.iter().map(|change| change.by).collect();
        assert!(authors.len() >= 3);
        let whom = Ref::new(Kind::Lead, lead);
        let page = demo.crm.timeline(&demo.admin).of(whom, None, 50).await.unwrap();
        let talks = page.items.iter().filter(|entry| matches!(entry, Entry::Interaction(_))).count();
        assert!(talks >= 5 && page.items.iter().any(|entry| matches!(entry, Entry::Note(_))));
        let deal = demo.crm.deals(&demo.admin).get(demo.hint.deal.unwrap()).await.unwrap();
        assert_eq!(deal.status, "closed_won");
    });
}
