//! The rules of teams. The draft checks for every kind with a parent that parents form no cycle.

use crate::{
    engine::{
        access::escalation::{depends_on_teams, hold_own_rights},
        draft::{Draft, Stop},
        rules::Rules,
    },
    model::{
        error::Error,
        records::team::{Team, TeamFields},
        schema::Image,
    },
};

impl Rules for Team {
    /// Nobody may extend their own permissions by placing a team below one of theirs.
    fn permit(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image) -> Result<(), Stop> {
        let parent = after.at(TeamFields::parent_id);
        if before.is_some_and(|before| before.at(TeamFields::parent_id) != parent) {
            let access = &draft.cx.access;
            let mine = access.team_ids();
            let is_gained = parent.as_id().is_some_and(|parent| mine.contains(&parent.typed()))
                && !mine.contains(&after.id.typed());
            if is_gained && depends_on_teams(&draft.cx.definitions.role_set(access.role_ids())) {
                return Err(Error::OwnRights { field: "parent_id" }.into());
            }
        }
        hold_own_rights(draft, after)
    }
}
