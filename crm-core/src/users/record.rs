//! Users: who acts. What they sign in with is no part of this record.

use crate::{
    schema::record,
    value::{Id, Kind, Time},
};

record! {
    /// A person, or a program, that acts in the CRM.
    User, NewUser, UserPatch, UserFields {
        own: [manager_id], team: [team_ids],
        person {
            /// Given name.
            first_name: Option<String> = Text(MAX_TEXT), [personal];
            /// Family name.
            last_name: Option<String> = Text(MAX_TEXT), [personal];
            /// Unique; needed unless there is an `external_id`.
            email: Option<String> = Email, [unique, searchable, personal];
            /// What the user may do; at least one.
            role_ids: Vec<Id> = Ids(Kind::Role, 20), [required];
            /// Where the user belongs; the first is the primary team.
            team_ids: Vec<Id> = Ids(Kind::Team, 20), [];
            /// Whom the user reports to.
            manager_id: Option<Id> = FieldType::Id(Kind::User), [];
            /// Department.
            department: Option<String> = Text(MAX_TEXT), [];
            /// Job title.
            job_title: Option<String> = Text(MAX_TEXT), [];
            /// Phone number, E.164.
            phone: Option<String> = Phone, [personal];
            /// The user's own time zone.
            time_zone: Option<String> = TimeZone, [];
            /// The user's own language.
            locale: Option<String> = Text(35), [];
        }
        read_only {
            /// False for a user who may no longer act.
            is_active: bool = Bool, [];
        }
        machine {
            /// When the user last signed in.
            last_login_at: Option<Time> = FieldType::Time, [] from [];
        }
        derived {
            /// First and last name, or what else there is.
            name: String = Text(MAX_TEXT), [searchable, personal] from [first_name, last_name, email];
            /// When the user was deactivated.
            deactivated_at: Option<Time> = FieldType::Time, [] from [is_active];
        }
        indexes { () -> name; () [team_ids] -> name; () [role_ids] -> name; (manager_id) -> name; }
    }
}
