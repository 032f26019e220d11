//! Contacts: the people one deals with.

use serde::{Deserialize, Serialize};

use crate::{
    companies::record::Lifecycle,
    schema::record,
    value::{Address, Choice, Decimal, Id, Kind, SocialLink, choices, structured},
};

choices! {
    /// What an e-mail address is for.
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
    /// What a phone number is for.
    #[derive(Default)]
    pub enum PhoneKind {
        /// Work.
        #[default]
        Work = "work",
        /// On the move.
        Mobile = "mobile",
        /// Private.
        Home = "home",
        /// Paper.
        Fax = "fax",
        /// Anything else.
        Other = "other",
    }
}

/// One e-mail address of a contact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactEmail {
    /// The address.
    pub email: String,
    /// What it is for.
    #[serde(default)]
    pub kind: EmailKind,
    /// Whether it is the one to write to; the first is where none is marked.
    #[serde(default)]
    pub primary: bool,
}

/// One phone number of a contact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactPhone {
    /// The number, E.164.
    pub phone: String,
    /// What it is for.
    #[serde(default)]
    pub kind: PhoneKind,
    /// Whether it is the one to call; the first is where none is marked.
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
    /// A person one deals with.
    Contact, NewContact, ContactPatch, ContactFields {
        own: [owner_id], team: [team_id],
        person {
            /// Given name.
            first_name: Option<String> = Text(MAX_TEXT), [personal];
            /// Family name.
            last_name: Option<String> = Text(MAX_TEXT), [personal];
            /// The name shown: given, or first and last name.
            name: String = Text(MAX_TEXT), [required, searchable, personal] from [first_name, last_name];
            /// Mr, Ms, Dr.
            salutation: Option<String> = Text(64), [personal];
            /// E-mail addresses, each unique among live contacts.
            emails: Vec<ContactEmail> = Structs(10), [personal];
            /// Phone numbers.
            phones: Vec<ContactPhone> = Structs(10), [personal];
            /// Postal addresses.
            addresses: Vec<Address> = Structs(5), [personal];
            /// Pages on social networks.
            social: Vec<SocialLink> = Structs(20), [personal];
            /// The company they work for; others by association.
            company_id: Option<Id> = FieldType::Id(Kind::Company), [reportable];
            /// Job title.
            job_title: Option<String> = Text(MAX_TEXT), [];
            /// Department.
            department: Option<String> = Text(MAX_TEXT), [];
            /// How far they have come.
            lifecycle: Lifecycle = FieldType::Choice(Lifecycle::NAMES), [reportable];
            /// Where they came from.
            source: Option<String> = Text(MAX_TEXT), [reportable];
            /// About them.
            description: Option<String> = LongText, [personal];
            /// Their time zone.
            time_zone: Option<String> = TimeZone, [];
            /// Their language.
            language: Option<String> = Text(35), [];
            /// They do not want e-mail.
            do_not_email: bool = Bool, [restricts];
            /// They do not want calls.
            do_not_call: bool = Bool, [restricts];
            /// Who looks after them; `None` is the unassigned queue.
            owner_id: Option<Id> = FieldType::Id(Kind::User), [reportable];
            /// Whose team it is; the owner's first team when not given.
            team_id: Option<Id> = FieldType::Id(Kind::Team), [reportable];
            /// Free labels.
            tags: Vec<String> = Texts(50, 64), [];
        }
        read_only {}
        machine {
            /// Points.
            score: i64 = Int(i64::MIN, i64::MAX), [] from [model];
            /// The sum of their won deals, in the base currency.
            lifetime_value: Decimal = FieldType::Decimal, []
                from [Deal::value, Deal::stage_id, Deal::actual_close_date, Deal::primary_contact_id];
        }
        derived {
            /// The primary e-mail address.
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
