//! The job that deactivates a user and hands over the user's records.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::activity::{Handover, set_active};
use crate::{
    catalog,
    engine::{
        collection::Collection,
        draft::{Draft, Input, Step, Stop},
        jobs::{
            JobContext, JobHandler, Piece, Row, Verdict,
            lists::{self, List, still_fits},
        },
    },
    model::{
        error::Error,
        filter::Filter,
        records::{
            job::{Job, read, written},
            user::User,
        },
        schema::Record,
        value::{Id, Kind, Ref, Value},
    },
};

/// The type of the job.
const NAME: &str = "deactivate_user";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    /// The user to deactivate.
    user_id: Id<User>,
    /// The new owner of the user's records; if missing, they stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transfer_to: Option<Id<User>>,
}

impl Args {
    /// The records of a kind that are handed over: those that name the user as owner or assignee.
    fn list(&self, kind: Kind) -> List {
        let user = self.user_id.to_string();
        let owned = |sort| List { kind, filter: Filter::eq("owner_id", user.clone()), sort };
        match kind {
            Kind::Company => owned("name"),
            Kind::Deal => {
                let list = owned("close_date");
                List { filter: list.filter.and(Filter::eq("stage_kind", "open")), ..list }
            }
            Kind::Task => {
                let filter = Filter::eq("assignee_id", user.clone()).and(Filter::eq("is_open", true));
                List { kind, filter, sort: "due_at" }
            }
            _ => owned("created_at"),
        }
    }
}

impl Collection<'_, Job> {
    /// Deactivates a user immediately and starts a job that transfers the user's leads, contacts, companies, open deals
    /// and open tasks to another user, in one commit. Records that were reassigned meanwhile are not transferred.
    ///
    /// With a `key`, a second call with the same key returns the job of the first call, for 24 hours.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the target is inactive or the user themselves; for the key as [`Collection::start`].
    pub async fn deactivate_user(
        &self,
        user: Id<User>,
        handover: Handover,
        key: Option<&str>,
    ) -> Result<Record<Job>, Error> {
        let transfer_to = if let Handover::TransferTo(to) = handover { Some(to) } else { None };
        self.start(NAME, written(&Args { user_id: user, transfer_to })?, key).await
    }
}

pub(super) struct Deactivate;

#[async_trait]
impl JobHandler for Deactivate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads(&self, args: &Json) -> Vec<Ref> {
        read(args).map_or_else(
            |_| Vec::new(),
            |args: Args| [Kind::User, Kind::Credential].map(|kind| Ref::new(kind, args.user_id)).into(),
        )
    }

    fn begin(&self, draft: &mut Draft<'_>, args: &Json) -> Result<Json, Stop> {
        let parsed: Args = read(args)?;
        let handover = parsed.transfer_to.map_or(Handover::Leave, Handover::TransferTo);
        set_active(draft, parsed.user_id, false, handover, Step::new("deactivate", None))?;
        Ok(args.clone())
    }

    fn understands(&self, args: &Json, place: Option<&Json>) -> bool {
        read::<Args>(args).is_ok() && lists::is_place(place)
    }

    async fn next(&self, cx: &JobContext<'_>, place: Option<&Json>) -> Result<Piece, Error> {
        let args: Args = read(cx.args())?;
        if args.transfer_to.is_none() {
            return Ok(Piece::done(None));
        }
        let kinds = [Kind::Lead, Kind::Contact, Kind::Company, Kind::Deal, Kind::Task];
        lists::next(cx, &kinds.map(|kind| args.list(kind)), place).await
    }

    fn decide(&self, draft: &mut Draft<'_>, args: &Json, row: &Row) -> Result<Verdict, Stop> {
        let args: Args = read(args)?;
        let record = row.record;
        if !still_fits(draft, record, &args.list(record.kind).filter)? {
            return Ok(Verdict::Unchanged);
        }
        let field = if record.kind == Kind::Task { "assignee_id" } else { "owner_id" };
        let at = catalog::decl(record.kind).position(field).ok_or(Stop::not_found(record.kind))?;
        let sets = args.transfer_to.map(|to| (at, Value::from(to)));
        draft.update(record, Input::user(sets.as_slice()), Step::new("hand_over", None))?;
        Ok(Verdict::Changed)
    }
}
