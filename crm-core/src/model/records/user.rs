//! Users of the CRM. Their credentials are separate records.

use crate::model::{
    records::{role::Role, team::Team},
    schema::record,
    value::{Id, Kind, Time},
};

record! {
    /// A person or program that uses the CRM.
    User, NewUser, UserPatch, UserFields {
        visibility: Visibility::BySelf,
        parent: manager_id,
        own: [manager_id], team: [team_ids],
        person {
            /// Given name.
            first_name: Option<String> = Text(MAX_TEXT), [personal];
            /// Family name.
            last_name: Option<String> = Text(MAX_TEXT), [personal];
            /// Email address, unique; required unless there is an `external_id`.
            email: Option<String> = Email, [unique, searchable, personal];
            /// Roles; at least one.
            role_ids: Vec<Id<Role>> = Ids(Kind::Role, 20), [required];
            /// Teams; the first is the primary team.
            team_ids: Vec<Id<Team>> = Ids(Kind::Team, 20), [];
            /// Manager.
            manager_id: Option<Id<User>> = FieldType::Id(Kind::User), [];
            /// Department.
            department: Option<String> = Text(MAX_TEXT), [];
            /// Job title.
            job_title: Option<String> = Text(MAX_TEXT), [];
            /// Phone number, E.164.
            phone: Option<String> = Phone, [personal];
            /// Time zone of the user.
            time_zone: Option<String> = TimeZone, [];
            /// Language of the user.
            locale: Option<String> = Text(35), [];
        }
        read_only {
            /// `false` for a deactivated user.
            is_active: bool = Bool, [];
        }
        machine {
            /// Time of the last sign-in.
            last_login_at: Option<Time> = FieldType::Time, [] from [];
        }
        derived {
            /// Display name: first and last name, or another identifier.
            name: String = Text(MAX_TEXT), [searchable, personal] from [first_name, last_name, email];
            /// Time of deactivation.
            deactivated_at: Option<Time> = FieldType::Time, [] from [is_active];
        }
        indexes { () -> name; () [team_ids] -> name; () [role_ids] -> name; (manager_id) -> name; }
    }
}
