//! Tests of computed values and user writes on the same record: versions, conflicts and refusals.

use super::{Draft, Input, Pending, Step, Stop, fingerprint};
use crate::{
    leads::{Lead, LeadFields as F, LeadPatch},
    model::{
        access::Actor,
        error::Error,
        schema::Record,
        value::{Id, Kind, Ref, Value},
    },
    testing::Ready,
};

fn run<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(future)
}

/// A write of the system actor.
fn decided<D>(ready: &Ready, decide: D) -> Pending<Record<Lead>>
where
    D: Fn(&mut Draft<'_>, Step) -> Result<Vec<Ref>, Stop> + Send + Sync + Clone + 'static,
{
    let actor = Actor::system(ready.admin.tenant());
    Pending::new(&ready.crm.engine, &actor, "test", fingerprint(&()), Vec::new(), decide)
}

fn compute(ready: &Ready, lead: Id<Lead>, values: Vec<(usize, Value)>) -> Pending<Record<Lead>> {
    let record = Ref::new(Kind::Lead, lead);
    decided(ready, move |draft, _| {
        draft.compute(record, &values)?;
        Ok(vec![record])
    })
}

fn score(points: i64) -> Vec<(usize, Value)> {
    vec![(F::score as usize, Value::Int(points))]
}

#[test]
fn computing_raises_the_machines_version_alone_and_logs_nothing() {
    run(async {
        let ready = Ready::in_memory().await.unwrap();
        let leads = ready.crm.leads(&ready.rep);
        let before = leads.get(ready.lead.id).await.unwrap();
        ready.clock.advance_days(1);
        let saved = compute(&ready, before.id, score(7)).await.unwrap();
        assert!(saved.changed());
        let after = leads.get(before.id).await.unwrap();
        assert_eq!(
            (after.score, after.version, after.machine_version),
            (7, before.version, before.machine_version + 1)
        );
        assert_eq!((after.updated_at, after.updated_by), (before.updated_at, before.updated_by));
        assert_eq!(leads.history(before.id).await.unwrap().len(), 1);
        // Computing the same value again changes nothing.
        assert!(!compute(&ready, before.id, score(7)).await.unwrap().changed());
        assert_eq!(leads.get(before.id).await.unwrap().machine_version, after.machine_version);
    });
}

#[test]
fn one_commit_raises_each_group_once_however_often_it_writes() {
    run(async {
        let ready = Ready::in_memory().await.unwrap();
        let record = Ref::new(Kind::Lead, ready.lead.id);
        let saved = decided(&ready, move |draft, step| {
            draft.compute(record, &score(1))?;
            let patch = LeadPatch::new().source("web");
            draft.update(record, Input::user(patch.sets()), step)?;
            draft.compute(record, &score(2))?;
            draft.compute(record, &score(3))?;
            Ok(vec![record])
        });
        let lead = saved.await.unwrap();
        assert_eq!((lead.score, lead.version, lead.machine_version), (3, 2, 1));
        let stored = ready.crm.leads(&ready.rep).get(record.id.typed()).await.unwrap();
        assert_eq!((stored.score, stored.version, stored.machine_version), (3, 2, 1));
        assert_eq!(stored.source.as_deref(), Some("web"));
        assert_eq!(ready.crm.leads(&ready.rep).history(record.id.typed()).await.unwrap().len(), 2);
    });
}

#[test]
fn a_new_record_has_what_is_computed_as_its_first_values() {
    run(async {
        let ready = Ready::in_memory().await.unwrap();
        let made = decided(&ready, |draft, step| {
            let id = draft.new_id();
            let patch = LeadPatch::new().name("New");
            let record = draft.create(Kind::Lead, id, Input::user(patch.sets()), step)?;
            draft.compute(record, &score(5))?;
            Ok(vec![record])
        });
        let id = made.await.unwrap().id;
        let stored = ready.crm.leads(&ready.admin).get(id).await.unwrap();
        assert_eq!((stored.score, stored.version, stored.machine_version), (5, 1, 0));
    });
}

#[test]
fn a_persons_edit_and_what_is_computed_are_no_conflict_of_each_other() {
    run(async {
        let ready = Ready::in_memory().await.unwrap();
        let id = ready.lead.id;
        let leads = ready.crm.leads(&ready.rep);
        compute(&ready, id, score(9)).await.unwrap();
        // Based on the version before the computed write.
        leads.update(id, LeadPatch::new().source("web")).if_version(1).await.unwrap();
        compute(&ready, id, score(10)).await.unwrap();
        let lead = leads.get(id).await.unwrap();
        assert_eq!((lead.score, lead.source.as_deref()), (10, Some("web")));
        assert_eq!((lead.version, lead.machine_version), (2, 2));
    });
}

#[test]
fn only_what_the_machine_keeps_is_computed_and_only_as_its_field_takes_it() {
    run(async {
        let ready = Ready::in_memory().await.unwrap();
        let id = ready.lead.id;
        for (at, code) in
            [(F::source as usize, "not_computed"), (F::status as usize, "not_computed"), (999, "not_computed")]
        {
            let refused = compute(&ready, id, vec![(at, Value::text("x"))]).await;
            assert!(
                matches!(&refused, Err(Error::Invalid(faults)) if faults.all()[0].fault.code == code),
                "{refused:?}"
            );
        }
        let wrong = compute(&ready, id, vec![(F::score as usize, Value::text("many"))]).await;
        assert!(matches!(&wrong, Err(Error::Invalid(faults)) if faults.all()[0].field == "score"), "{wrong:?}");
        let nobody = compute(&ready, ready.admin.tenant().typed(), score(1)).await;
        assert!(matches!(nobody, Err(Error::NotFound(Kind::Lead))), "{nobody:?}");
        assert_eq!(ready.crm.leads(&ready.rep).get(id).await.unwrap().machine_version, 0);
    });
}

#[test]
fn nothing_is_what_the_field_has_for_it() {
    run(async {
        let ready = Ready::in_memory().await.unwrap();
        let id = ready.lead.id;
        let hot = vec![(F::is_hot as usize, Value::Bool(true)), (F::grade as usize, Value::text("A1"))];
        compute(&ready, id, hot).await.unwrap();
        let nothing = vec![(F::is_hot as usize, Value::Null), (F::grade as usize, Value::Null)];
        let lead = compute(&ready, id, nothing).await.unwrap();
        assert_eq!((lead.is_hot, lead.grade.as_deref()), (false, None));
        let cold = crate::model::filter::Filter::eq("is_hot", false);
        assert_eq!(ready.crm.leads(&ready.rep).count(cold).await.unwrap(), 1);
    });
}

#[test]
fn a_decision_cannot_rely_on_a_record_that_it_computes() {
    run(async {
        let ready = Ready::in_memory().await.unwrap();
        let record = Ref::new(Kind::Lead, ready.lead.id);
        for guard_first in [true, false] {
            let both = decided(&ready, move |draft, _| {
                let image = draft.read(record)?;
                if guard_first {
                    draft.guard(&image);
                }
                draft.compute(record, &score(1))?;
                draft.guard(&image);
                Ok(vec![record])
            });
            let refused = both.await.map(drop);
            assert!(matches!(&refused, Err(Error::Invalid(faults)) if faults.all()[0].fault.code == "guarded"));
        }
        // A write of the user group depends on its version anyway.
        let edited = decided(&ready, move |draft, step| {
            let image = draft.read(record)?;
            draft.guard(&image);
            draft.compute(record, &score(1))?;
            let patch = LeadPatch::new().source("web");
            draft.update(record, Input::user(patch.sets()), step)?;
            Ok(vec![record])
        });
        edited.await.unwrap();
    });
}
