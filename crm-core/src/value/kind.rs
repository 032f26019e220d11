//! The kinds of record there are, by name. The order is the order in which stores lock them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $plural:literal;)*) => {
        /// A kind of record. What a kind's fields and indexes are, its declaration says (`crm_core::schema`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// Every kind, in declared order.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            /// The name in `snake_case`: in JSON, in SQL, in permissions.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }

            /// The plural, as in routes.
            pub const fn plural(self) -> &'static str {
                match self { $(Kind::$kind => $plural,)* }
            }
        }
    };
}

kinds! {
    /// A tenant: the company that uses the CRM.
    Organization = "organization", "organizations";
    /// A group of users, in a tree.
    Team = "team", "teams";
    /// A set of grants and field rules.
    Role = "role", "roles";
    /// A person (or program) that acts in the CRM.
    User = "user", "users";
    /// The definition of a custom property of one kind.
    Property = "property", "properties";
    /// Ordered stages for leads or for deals.
    Pipeline = "pipeline", "pipelines";
    /// What one unit of a currency was worth on a day.
    Rate = "rate", "rates";
    /// A business one sells to.
    Company = "company", "companies";
    /// A person one deals with.
    Contact = "contact", "contacts";
    /// Somebody who may become a customer.
    Lead = "lead", "leads";
    /// A sale that may happen.
    Deal = "deal", "deals";
    /// Something to do.
    Task = "task", "tasks";
    /// An e-mail, call, meeting or message that happened or is planned.
    Interaction = "interaction", "interactions";
    /// A text about records.
    Note = "note", "notes";
    /// A labelled link between two records.
    Association = "association", "associations";
    /// What a user signs in with.
    Credential = "credential", "credentials";
    /// Where a user is signed in.
    Session = "session", "sessions";
    /// What a program signs in with.
    ApiKey = "api_key", "api_keys";
    /// Failed sign-ins, counted.
    Throttle = "throttle", "throttles";
    /// An entry of the security log.
    SecurityEvent = "security_event", "security_events";
    /// Long work, done piece by piece.
    Job = "job", "jobs";
    /// Rules by which records are scored.
    ScoringModel = "scoring_model", "scoring_models";
    /// When the score of a record is due again.
    Rescoring = "rescoring", "rescorings";
}

impl Kind {
    /// True for what only use cases of sign-in, or the machine, read and write: no permission is on it, and nobody is
    /// shown one.
    pub const fn is_internal(self) -> bool {
        matches!(self, Kind::Credential | Kind::Throttle | Kind::Rescoring)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error of a text that names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of record")]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Kind::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownKind(text.chars().take(64).collect()))
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

const COUNT: usize = Kind::ALL.len();

impl super::Choice for Kind {
    const NAMES: &'static [&'static str] = &{
        let mut names = [""; COUNT];
        let mut at = 0;
        while at < COUNT {
            names[at] = Kind::ALL[at].name();
            at += 1;
        }
        names
    };
    fn name(self) -> &'static str {
        Kind::name(self)
    }
    fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

impl super::FieldValue for Kind {
    fn into_value(self) -> super::Value {
        super::Value::text(self.name())
    }
    fn from_value(value: &super::Value) -> Result<Self, super::WrongType> {
        value.as_text().and_then(|name| name.parse().ok()).ok_or(super::WrongType { expected: "a kind" })
    }
}
