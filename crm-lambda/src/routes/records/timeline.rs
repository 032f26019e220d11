//! The timeline of a record, its associations, and the stages that it was in.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use crm_core::{
    pipelines::Stage,
    schema::RecordKind,
    timeline::{EntryType, TimelineQuery, ViewedEntry},
    value::{Choice as _, Id, Kind, Ref, Time},
};
use serde::Serialize;
use serde_json::json;
use utoipa::{ToSchema, openapi::HttpMethod};

use super::{HISTORY_PAGE, history::viewed_change, page_of, page_response, words};
use crate::{
    answer::Answer,
    app::App,
    input::{IdPath, Params},
    openapi::{Item, Operation, Route, array, boolean, kind_view, or_null, route, text, time, timeline_entry, uuid},
    problem::Problem,
    sign_in::Caller,
};

/// The routes of a record's timeline and stage history.
pub(super) fn routes<K: RecordKind>(path: &str) -> Vec<Route> {
    let kind = K::KIND;
    let begin = |tail: &str, id: String, summary: String| -> Operation {
        route(HttpMethod::Get, format!("{path}{tail}"), kind.plural(), id, summary)
    };
    let mut all = Vec::new();
    if matches!(kind, Kind::Lead | Kind::Contact | Kind::Company | Kind::Deal) {
        let summary = format!("Get the timeline of a {}, latest first", words(kind));
        all.push(
            begin("/timeline", format!("{kind}_timeline"), summary)
                .query("type", text(), "types of entries, separated by commas: change, interaction, task, note")
                .query("machine", boolean(), "include computed changes")
                .query("names", boolean(), "also `meta.names`: what the ids in the page are called, by id")
                .pages()
                .data(
                    200,
                    array(timeline_entry()),
                    "entries at the time they took effect; `meta.partial` if a company has more contacts or deals \
                     than its timeline shows",
                )
                .to(timeline::<K>),
        );
        let summary = format!("List the associations of a {}", words(kind));
        all.push(
            begin("/associations", format!("{kind}_associations"), summary)
                .pages()
                .data(
                    200,
                    array(kind_view(Kind::Association)),
                    "associations of which the caller may read both records",
                )
                .to(associations::<K>),
        );
    }
    if K::decl().position("stage_id").is_some() {
        let summary = "List when each stage was entered and left".to_owned();
        all.push(
            begin("/stages", format!("{kind}_stages"), summary)
                .data_as::<StageHistory>(200, "`intervals` in order, `times` per stage")
                .to(stages::<K>),
        );
    }
    all
}

async fn timeline<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    mut params: Params,
) -> Result<Response, Problem> {
    let (cursor, limit) = page_of(&mut params, HISTORY_PAGE)?;
    let types = params.take("type").unwrap_or_default();
    let types: Result<Vec<EntryType>, Problem> = types
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(|name| {
            EntryType::from_name(name).ok_or_else(|| {
                let message = format!("type: must be of {}", EntryType::NAMES.join(", "));
                Problem::malformed("bad_parameter", message)
            })
        })
        .collect();
    let query = TimelineQuery { cursor, limit, types: types?, machine: params.flag("machine")? };
    let names = params.flag("names")?;
    params.done()?;
    let timeline = app.crm().timeline(&caller.actor);
    let page = timeline.view(Ref::new(K::KIND, id), &query).await.map_err(Problem::of_query)?;
    let entry = |entry: &ViewedEntry| match entry {
        ViewedEntry::Change(change) => json!({"type": "change", "change": viewed_change(change)}),
        ViewedEntry::Record(view) => {
            let kind = view.reference().kind;
            json!({"type": kind.name(), kind.name(): view})
        }
    };
    let mut answer = Answer::ok(page.items.iter().map(entry).collect::<Vec<_>>());
    if let Some(cursor) = page.next_cursor {
        answer = answer.meta("next_cursor", cursor);
    }
    if page.partial {
        answer = answer.meta("partial", true);
    }
    if names {
        answer = answer.meta("names", app.crm().names_in_timeline(&caller.actor, &page.items).await?);
    }
    Ok(answer.into_response())
}

async fn associations<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    mut params: Params,
) -> Result<Response, Problem> {
    let (cursor, limit) = page_of(&mut params, HISTORY_PAGE)?;
    params.done()?;
    let associations = app.crm().associations(&caller.actor);
    let page = associations.view_of(Ref::new(K::KIND, id), cursor.as_deref(), limit).await;
    let page = page.map_err(Problem::of_query)?;
    Ok(page_response(page.items, page.next_cursor))
}

fn some_time() -> Item {
    or_null(time())
}

/// When a record was in a stage.
#[derive(Serialize, ToSchema)]
struct StageStay {
    #[schema(schema_with = uuid)]
    stage_id: Id<Stage>,
    #[schema(schema_with = time)]
    entered_at: Time,
    #[schema(schema_with = some_time, required)]
    left_at: Option<Time>,
}

/// The stays of a record in a stage, summed up.
#[derive(Serialize, ToSchema)]
struct StageTotal {
    #[schema(schema_with = uuid)]
    stage_id: Id<Stage>,
    times: u32,
    #[schema(schema_with = time)]
    first_entered_at: Time,
    #[schema(schema_with = time)]
    last_entered_at: Time,
    #[schema(schema_with = some_time, required)]
    left_at: Option<Time>,
    latest_seconds: i64,
    total_seconds: i64,
}

/// The stages that a record was in.
#[derive(Serialize, ToSchema)]
struct StageHistory {
    intervals: Vec<StageStay>,
    times: Vec<StageTotal>,
}

async fn stages<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
) -> Result<Response, Problem> {
    let intervals = app.crm().collection::<K>(&caller.actor).stage_intervals(id).await?;
    let times = crm_core::change::stage_times(&intervals, app.crm().now());
    let intervals = intervals.iter().map(|one| StageStay {
        stage_id: one.stage_id,
        entered_at: one.entered_at,
        left_at: one.left_at,
    });
    let times = times.iter().map(|one| StageTotal {
        stage_id: one.stage_id,
        times: one.times,
        first_entered_at: one.first_entered_at,
        last_entered_at: one.last_entered_at,
        left_at: one.left_at,
        latest_seconds: one.latest_micros / 1_000_000,
        total_seconds: one.total_micros / 1_000_000,
    });
    Ok(Answer::ok(StageHistory { intervals: intervals.collect(), times: times.collect() }).into_response())
}
