//! Contacts: people outside the organization.

use serde::{Deserialize, Serialize};

use crate::{
    companies::{Company, Lifecycle},
    model::{
        records::{team::Team, user::User},
        schema::record,
        value::{Address, Choice, Decimal, Id, Kind, SocialLink, choices, structured},
    },
};

choices! {
    /// Type of an email address.
    #[derive(Default)]
    pub enum EmailKind {
        /// Work.
        #[default]
        Work = "work",
        /// Private.
        Home = "home",
        /// Anything else.
        Other = "other",
    }
    /// Type of a phone number.
    #[derive(Default)]
    pub enum PhoneKind {
        /// Work.
        #[default]
        Work = "work",
        /// Mobile.
        Mobile = "mobile",
        /// Private.
        Home = "home",
        /// Fax.
        Fax = "fax",
        /// Anything else.
        Other = "other",
    }
}

/// An email address of a contact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactEmail {
    /// The address.
    pub email: String,
    /// Type of the address.
    #[serde(default)]
    pub kind: EmailKind,
    /// `true` for the primary address; if none is marked, the first one is primary.
    #[serde(default)]
    pub primary: bool,
}

/// A phone number of a contact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactPhone {
    /// The number, E.164.
    pub phone: String,
    /// Type of the number.
    #[serde(default)]
    pub kind: PhoneKind,
    /// `true` for the primary number; if none is marked, the first one is primary.
    #[serde(default)]
    pub primary: bool,
}
structured!(ContactEmail, ContactPhone);

impl From<&str> for ContactEmail {
    fn from(email: &str) -> Self {
        Self { email: email.to_owned(), kind: EmailKind::Work, primary: false }
    }
}

impl From<&str> for ContactPhone {
    fn from(phone: &str) -> Self {
        Self { phone: phone.to_owned(), kind: PhoneKind::Work, primary: false }
    }
}

record! {
    /// A person outside the organization.
    Contact, NewContact, ContactPatch, ContactFields {
        creator_owns: true,
        own: [owner_id], team: [team_id],
        person {
            /// Given name.
            first_name: Option<String> = Text(MAX_TEXT), [personal];
            /// Family name.
            last_name: Option<String> = Text(MAX_TEXT), [personal];
            /// Display name: given, or first and last name.
            name: String = Text(MAX_TEXT), [required, searchable, personal] from [first_name, last_name];
            /// Salutation, such as Mr, Ms, Dr.
            salutation: Option<String> = Text(64), [personal];
            /// Email addresses, each unique among active contacts.
            emails: Vec<ContactEmail> = Structs(10), [personal];
            /// Phone numbers.
            phones: Vec<ContactPhone> = Structs(10), [personal];
            /// Postal addresses.
            addresses: Vec<Address> = Structs(5), [personal];
            /// Profiles on social networks.
            social: Vec<SocialLink> = Structs(20), [personal];
            /// Company; other companies by association.
            company_id: Option<Id<Company>> = FieldType::Id(Kind::Company), [reportable];
            /// Job title.
            job_title: Option<String> = Text(MAX_TEXT), [];
            /// Department.
            department: Option<String> = Text(MAX_TEXT), [];
            /// Lifecycle stage.
            lifecycle: Lifecycle = FieldType::Choice(Lifecycle::NAMES), [reportable];
            /// Source.
            source: Option<String> = Text(MAX_TEXT), [reportable];
            /// Description.
            description: Option<String> = LongText, [personal];
            /// Their time zone.
            time_zone: Option<String> = TimeZone, [];
            /// Their language.
            language: Option<String> = Text(35), [];
            /// Opted out of email.
            do_not_email: bool = Bool, [restricts];
            /// Opted out of calls.
            do_not_call: bool = Bool, [restricts];
            /// Owner; `None` for the unassigned queue.
            owner_id: Option<Id<User>> = FieldType::Id(Kind::User), [reportable];
            /// Team; default: the owner's first team.
            team_id: Option<Id<Team>> = FieldType::Id(Kind::Team), [reportable];
            /// Tags.
            tags: Vec<String> = Texts(50, 64), [];
        }
        read_only {}
        machine {
            /// Score in thousandths of a point.
            score: i64 = Int(i64::MIN, i64::MAX), [] from [model];
            /// Sum of their won deals in the base currency.
            lifetime_value: Decimal = FieldType::Decimal, []
                from [Deal::value, Deal::stage_id, Deal::actual_close_date, Deal::primary_contact_id];
        }
        derived {
            /// Primary email address.
            email: Option<String> = Email, [searchable, personal] from [emails];
            /// The primary phone number.
            phone: Option<String> = Phone, [searchable, personal] from [phones];
        }
        indexes {
            (owner_id) -> created_at; (company_id) -> name; (team_id) -> created_at; (lifecycle) -> created_at;
            () -> name; () [shared_with] -> created_at;
        }
    }
}
