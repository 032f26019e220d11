//! Tenant isolation: every method, called with another tenant's ids, finds nothing and changes nothing.

use super::{Case, Lab, Outcome, case, ensure, lab::place};
use crate::{
    catalog,
    model::{
        store::{Claim, Got, LogQuery, Query, StageMoveQuery, Want},
        value::{Kind, Ref, Time, Value},
    },
};

pub(super) const CASES: &[Case] = &[
    case!("tenancy", get_of_anothers, "another tenant's ids, claims and keys get nothing"),
    case!("tenancy", lists_of_anothers, "no list, and no count, shows a record of another tenant, by any index"),
    case!("tenancy", history_of_anothers, "no history, log or stage move of another tenant is told"),
    case!("tenancy", definitions_of_anothers, "definitions and the epoch are the tenant's own"),
    case!("tenancy", writes_of_anothers, "another tenant's record cannot be edited or guarded, nor its claim released"),
    case!("tenancy", same_id_in_two, "one id in two tenants is two records with lives of their own"),
    case!("tenancy", positions_of_anothers, "a position of another tenant's list shows nothing of it"),
    case!("tenancy", the_nil_tenant_holds_nothing, "the nil tenant sees nobody's records"),
];

async fn get_of_anothers(lab: &Lab<'_>) -> Outcome {
    let (one, two) = (lab.tenant().await?, lab.tenant().await?);
    let claim = Claim::new(one.tenant, Kind::Contact, "emails", "ada@example.com");
    let edit = lab.new_record(one.tenant, Kind::Contact);
    let record = edit.record();
    lab.step(one.tenant).write(edit).take(&claim, record).key("key", 24).send().await?;
    let mut wants = vec![Want::Record(record), Want::Claimed(claim.clone())];
    wants.extend(one.records().map(Want::Record));
    wants.push(Want::Claimed(Claim { tenant: two.tenant, ..claim.clone() }));
    for want in wants {
        let got = lab.store.get(two.tenant, std::slice::from_ref(&want)).await?.got;
        ensure!(got == [Got::Record(None)], "tenant two asked for {want:?} of tenant one and got {got:?}");
    }
    ensure!(lab.key(two.tenant, "key").await?.is_none(), "tenant two got a key of tenant one");
    ensure!(lab.key(one.tenant, "key").await?.is_some(), "tenant one lost its key");
    // Tenant two may use the same key and the same value.
    let edit = lab.new_record(two.tenant, Kind::Contact);
    let own = edit.record();
    let same = Claim { tenant: two.tenant, ..claim.clone() };
    lab.step(two.tenant).write(edit).take(&same, own).key("key", 24).send().await?;
    lab.expect_holder(&claim, Some(record)).await?;
    lab.expect_holder(&same, Some(own)).await
}

async fn lists_of_anothers(lab: &Lab<'_>) -> Outcome {
    let (one, two) = (lab.tenant().await?, lab.tenant().await?);
    let kinds = [Kind::Lead, Kind::Deal, Kind::Company, Kind::Task, Kind::Contact];
    let edits = kinds.iter().flat_map(|&kind| {
        [lab.new_record(one.tenant, kind), lab.new_record(one.tenant, kind).next(lab.now()).archive()]
    });
    lab.put_all(edits.collect()).await?;
    let edits = kinds.iter().map(|&kind| lab.new_record(two.tenant, kind)).collect();
    let mut own = lab.put_all(edits).await?;
    for record in two.records() {
        own.extend(lab.get(two.tenant, record).await?);
    }
    lab.settle().await;
    for decl in catalog::all() {
        for index in &decl.indexes {
            // The equals of the records of both tenants.
            let mut all = vec![vec![Value::Null; index.equals.len()]];
            all.extend(own.iter().filter(|image| image.kind() == decl.kind).flat_map(|image| index.entries(image)));
            if index.equals.len() == 1 {
                all.push(vec![Value::Id(one.users[0])]);
                all.push(vec![Value::Id(one.teams[0])]);
            }
            for equals in all {
                let query = lab.query(two.tenant, decl.kind, &index.name, equals.clone());
                if equals.iter().any(|value| value.as_id().is_some()) {
                    // A value of the wrong type may be refused, but must not return another tenant's records.
                    if let Ok(page) = lab.store.list(&query).await {
                        let foreign = page.items.iter().find(|image| image.tenant != two.tenant);
                        ensure!(foreign.is_none(), "`{}` lists {foreign:?}", index.name);
                    }
                } else {
                    lab.expect_list(&own, &query).await?;
                }
            }
        }
    }
    Ok(())
}

async fn history_of_anothers(lab: &Lab<'_>) -> Outcome {
    let (one, two) = (lab.tenant().await?, lab.tenant().await?);
    let deal = lab.new_record(one.tenant, Kind::Deal).stage(one.deal_pipeline, one.stages[0]);
    let record = deal.record();
    lab.put(deal).await?;
    lab.settle().await;
    let changes = lab.changes(two.tenant, record).await?;
    ensure!(changes.is_empty(), "tenant two got a history of tenant one: {changes:?}");
    for descending in [false, true] {
        let query =
            LogQuery { tenant: two.tenant, from: Time::MIN, until: Time::MAX, descending, after: None, limit: 3 };
        let log = lab.log(&query).await?;
        ensure!(!log.is_empty(), "tenant two has no log of its own");
        let foreign = log.iter().find(|change| change.record == record || one.records().any(|r| r == change.record));
        ensure!(foreign.is_none(), "tenant two's log has {foreign:?}");
        let after = lab.changes(one.tenant, record).await?.first().map(|change| place(change, change.recorded_at));
        let log = lab.log(&LogQuery { after, ..query }).await?;
        let foreign = log.iter().find(|change| change.record == record || one.records().any(|r| r == change.record));
        ensure!(foreign.is_none(), "tenant two's log, after a place of tenant one's, has {foreign:?}");
    }
    let theirs = StageMoveQuery {
        tenant: two.tenant,
        pipeline: one.deal_pipeline.typed(),
        from: Time::MIN,
        until: Time::MAX,
        after: None,
        limit: 10,
    };
    let moved = lab.stage_moves(&theirs).await?;
    ensure!(moved.is_empty(), "tenant two got stage moves of tenant one: {moved:?}");
    let moved = lab.stage_moves(&StageMoveQuery { tenant: one.tenant, ..theirs }).await?;
    ensure!(moved.len() == 1, "tenant one has one stage move, was told {}", moved.len());
    Ok(())
}

async fn definitions_of_anothers(lab: &Lab<'_>) -> Outcome {
    let one = lab.tenant().await?;
    let before = lab.epoch(one.tenant).await?;
    let two = lab.tenant().await?;
    ensure!(lab.epoch(one.tenant).await? == before, "another tenant's definitions changed the epoch");
    ensure!(lab.epoch(two.tenant).await? != before, "two tenants have one epoch");
    for world in [&one, &two] {
        let definitions = lab.store.definitions(world.tenant).await?;
        let foreign = definitions.images.iter().find(|image| image.tenant != world.tenant);
        ensure!(foreign.is_none(), "definitions of another tenant: {foreign:?}");
        let expected = world.records().filter(|record| catalog::decl(record.kind).is_definition).count();
        ensure!(
            definitions.images.len() == expected,
            "{} definitions in place of {expected}",
            definitions.images.len()
        );
    }
    Ok(())
}

async fn writes_of_anothers(lab: &Lab<'_>) -> Outcome {
    use super::{claims::expect_conflict_of, commits::expect_conflict};
    let (one, two) = (lab.tenant().await?, lab.tenant().await?);
    let claim = Claim::new(one.tenant, Kind::Company, "domain", "example.com");
    let edit = lab.new_record(one.tenant, Kind::Company);
    let company = edit.after();
    lab.step(one.tenant).write(edit).take(&claim, company.reference()).send().await?;
    // Tenant two has obtained the image and claims it as its own.
    let mut stolen = company.as_ref().clone();
    stolen.tenant = two.tenant;
    let stolen = std::sync::Arc::new(stolen);
    let edit = lab.put(lab.change(&stolen).set("source", Value::text("stolen"))).await;
    expect_conflict(edit.map(drop), company.reference(), None)?;
    let machine = lab.put(lab.change(&stolen).set("score", Value::Int(9))).await;
    expect_conflict(machine.map(drop), company.reference(), None)?;
    let own = lab.new_record(two.tenant, Kind::Company);
    let own_record = own.record();
    let guarded = lab.step(two.tenant).write(own).guard(&company).send().await;
    expect_conflict(guarded.map(drop), company.reference(), None)?;
    lab.expect_none(two.tenant, own_record).await?;
    let released = lab.step(two.tenant).release(&Claim { tenant: two.tenant, ..claim.clone() }, company.reference());
    expect_conflict_of(released.send().await.map(drop), company.reference())?;
    lab.expect(&company).await?;
    lab.expect_holder(&claim, Some(company.reference())).await
}

async fn same_id_in_two(lab: &Lab<'_>) -> Outcome {
    let (one, two) = (lab.tenant().await?, lab.tenant().await?);
    let first = lab.put(lab.new_record(one.tenant, Kind::Lead).set("source", Value::text("one"))).await?;
    let second = super::edit::sample(two.tenant, first.reference(), lab.now()).set("source", Value::text("two"));
    let second = lab.put(second).await?;
    lab.expect(&first).await?;
    lab.expect(&second).await?;
    let edited = lab.put(lab.change(&second).set("source", Value::text("two again"))).await?;
    let scored = lab.put(lab.change(&edited).set("score", Value::Int(2))).await?;
    lab.expect(&first).await?;
    lab.expect(&scored).await?;
    let archived = lab.put(lab.change(&first).archive()).await?;
    lab.expect(&archived).await?;
    lab.expect(&scored).await?;
    lab.settle().await;
    let all = [archived, scored];
    for tenant in [one.tenant, two.tenant] {
        for index in [" -> created_at", " -> score", "archived"] {
            lab.expect_list(&all, &lab.query(tenant, Kind::Lead, index, vec![])).await?;
        }
    }
    let changes = lab.changes(one.tenant, first.reference()).await?;
    ensure!(changes.len() == 2, "tenant one's record has 2 changes, its history {}", changes.len());
    let changes = lab.changes(two.tenant, first.reference()).await?;
    ensure!(changes.len() == 2, "tenant two's record has 2 changes, its history {}", changes.len());
    Ok(())
}

async fn positions_of_anothers(lab: &Lab<'_>) -> Outcome {
    let (one, two) = (lab.tenant().await?, lab.tenant().await?);
    lab.put_all((0..5).map(|_| lab.new_record(one.tenant, Kind::Lead)).collect()).await?;
    let own = lab.put_all((0..5).map(|_| lab.new_record(two.tenant, Kind::Lead)).collect()).await?;
    lab.settle().await;
    for index in [" -> created_at", " -> score"] {
        for descending in [false, true] {
            let query = Query { limit: 2, descending, ..lab.query(one.tenant, Kind::Lead, index, vec![]) };
            let after = lab.store.list(&query).await?.next;
            ensure!(after.is_some(), "a page of two of five records has no position");
            let listed = lab.walk(&Query { tenant: two.tenant, after, ..query }).await?;
            let foreign = listed.iter().find(|image| own.iter().all(|own| own.id != image.id));
            ensure!(foreign.is_none(), "after a position of tenant one, tenant two sees {foreign:?}");
        }
    }
    Ok(())
}

async fn the_nil_tenant_holds_nothing(lab: &Lab<'_>) -> Outcome {
    use crate::model::value::Id;
    let world = lab.tenant().await?;
    let lead = lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    lab.settle().await;
    lab.expect_none(Id::NIL, lead.reference()).await?;
    lab.expect_none(Id::NIL, Ref::new(Kind::Organization, world.tenant)).await?;
    ensure!(lab.walk(&lab.query(Id::NIL, Kind::Lead, " -> created_at", vec![])).await?.is_empty(), "nil lists a lead");
    ensure!(lab.changes(Id::NIL, lead.reference()).await?.is_empty(), "nil has a history");
    ensure!(lab.store.definitions(Id::NIL).await?.images.is_empty(), "nil has definitions");
    ensure!(lab.epoch(Id::NIL).await?.is_nil(), "nil has an epoch");
    Ok(())
}
