//! Long texts: returned by get, omitted from lists, and kept by writes that do not name them.

use super::{Case, Failure, Lab, Outcome, case, ensure};
use crate::{
    catalog,
    model::{
        store::Claim,
        value::{Kind, Value},
    },
};

pub(super) const CASES: &[Case] = &[
    case!("long_texts", got_but_not_listed, "get returns a long text, lists say that it is not loaded, of every kind"),
    case!("long_texts", missing_is_missing, "where there is no long text, lists say that it is missing"),
    case!("long_texts", come_and_go, "a long text is added, replaced, cleared and added again"),
    case!("long_texts", kept_by_other_edits, "an edit of other fields keeps it, and so does archiving"),
    case!("long_texts", found_by_claim, "a record found by its claim has its long text"),
];

async fn got_but_not_listed(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let mut kinds = 0;
    for decl in catalog::all() {
        let Some(field) = decl.fields.iter().find(|field| field.is_long()) else { continue };
        kinds += 1;
        let edit = lab.new_record(world.tenant, decl.kind).set(field.name, Value::text("once upon a time"));
        let image = lab.put(edit).await?;
        lab.expect(&image).await?;
        lab.settle().await;
        let listed = lab.walk(&lab.query(world.tenant, decl.kind, &decl.walk().name, vec![])).await?;
        let found = listed.first().map(|listed| listed.get(field.name).clone());
        ensure!(found == Some(Value::NotLoaded), "listed, `{}` of a {} is {found:?}", field.name, decl.kind);
    }
    ensure!(kinds >= 5, "only {kinds} kinds have long texts");
    Ok(())
}

async fn missing_is_missing(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let with = lab.put(lab.new_record(world.tenant, Kind::Lead).set("description", Value::text("long"))).await?;
    let without = lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    let cleared = lab.put(lab.change(&with).set("description", Value::Null)).await?;
    lab.expect(&cleared).await?;
    lab.settle().await;
    lab.expect_list(&[cleared, without], &lab.query(world.tenant, Kind::Lead, " -> created_at", vec![])).await
}

async fn come_and_go(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let mut image = lab.put(lab.new_record(world.tenant, Kind::Deal)).await?;
    let long = "long ".repeat(10_000);
    for text in [Some("first"), Some(long.as_str()), None, Some("again"), Some("shorter"), None, None, Some(&long)] {
        let value = text.map_or(Value::Null, Value::text);
        let edit = lab.change(&image).set("description", value).property("step", Value::Int(1));
        image = lab.put(edit).await?;
        lab.expect(&image).await?;
        lab.settle().await;
        let query = lab.query(world.tenant, Kind::Deal, " -> created_at", vec![]);
        lab.expect_list(std::slice::from_ref(&image), &query).await?;
    }
    Ok(())
}

async fn kept_by_other_edits(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let image = lab.put(lab.new_record(world.tenant, Kind::Contact).set("description", Value::text("long"))).await?;
    let image = lab.put(lab.change(&image).set("source", Value::text("web"))).await?;
    lab.expect(&image).await?;
    let image = lab.put(lab.change(&image).set("score", Value::Int(1))).await?;
    lab.expect(&image).await?;
    let image = lab.put(lab.change(&image).archive()).await?;
    lab.expect(&image).await?;
    lab.settle().await;
    lab.expect_list(std::slice::from_ref(&image), &lab.query(world.tenant, Kind::Contact, "archived", vec![])).await?;
    let image = lab.put(lab.change(&image).restore()).await?;
    lab.expect(&image).await
}

async fn found_by_claim(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let claim = Claim::new(world.tenant, Kind::Contact, "emails", "a@example.com");
    let edit = lab.new_record(world.tenant, Kind::Contact).set("description", Value::text("long"));
    let record = edit.record();
    lab.step(world.tenant).write(edit).take(&claim, record).send().await?;
    let found = lab.claimed(world.tenant, &claim).await?.ok_or_else(|| Failure::new("nobody is found"))?;
    ensure!(found.get("description") == &Value::text("long"), "found with {:?}", found.get("description"));
    Ok(())
}
