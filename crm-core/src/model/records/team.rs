//! Teams: groups of users, organized as a tree.

use crate::model::{
    records::user::User,
    schema::record,
    value::{Id, Kind},
};

record! {
    /// A group of users. A grant with the scope `team` covers a team and the teams below it.
    Team, NewTeam, TeamPatch, TeamFields {
        definition: true,
        parent: parent_id,
        own: [], team: [parent_id],
        person {
            /// Name, unique.
            name: String = Text(MAX_TEXT), [required, unique, searchable];
            /// Parent team.
            parent_id: Option<Id<Team>> = FieldType::Id(Kind::Team), [];
            /// Manager.
            manager_id: Option<Id<User>> = FieldType::Id(Kind::User), [];
            /// Description.
            description: Option<String> = Text(2000), [];
        }
        read_only {}
        machine {}
        derived {}
        indexes { () -> name; (parent_id) -> name; }
    }
}
