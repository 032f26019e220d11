//! Faults of input: a stable code, a message, and parameters for translation. The one list of codes.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

macro_rules! fault_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal;)*) => {
        /// The code of a fault: stable, and what a client translates or branches on.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FaultCode {
            $($(#[doc = $doc])+ $name,)*
            /// A code of the embedder's own, from a [`Validator`](crate::rules::Validator), a hook or a job.
            Custom(Cow<'static, str>),
        }

        impl FaultCode {
            /// Every code of the CRM, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the code as it stands in answers.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Custom(text) => text,
                }
            }

            /// Returns what the code means, as the documentation says it; empty for one of the embedder's own.
            pub fn description(&self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)*
                    Self::Custom(_) => "",
                }
            }
        }
    };
}

fault_codes! {
    /// The log can only be appended to.
    AppendOnly = "append_only";
    /// The record is archived, or would be by this.
    Archived = "archived";
    /// The cursor is damaged, expired or belongs to another list.
    BadCursor = "bad_cursor";
    /// The filter is not valid JSON.
    BadFilter = "bad_filter";
    /// A query parameter or header has an invalid value.
    BadParameter = "bad_parameter";
    /// The path of a request in a batch is invalid.
    BadPath = "bad_path";
    /// A period ends before it begins, or is too long.
    BadPeriod = "bad_period";
    /// The base currency has no rate: it is always 1.
    BaseCurrency = "base_currency";
    /// The field is computed by the CRM and cannot be used here.
    Computed = "computed";
    /// Two parts of the input contradict each other.
    Contradiction = "contradiction";
    /// The body contradicts the unique value that the request names.
    ContradictsKey = "contradicts_key";
    /// The text contains line breaks or control characters.
    ControlCharacter = "control_character";
    /// The stage is entered only by converting the lead.
    ConvertOnly = "convert_only";
    /// The lead is converted.
    Converted = "converted";
    /// The reference would close a cycle.
    Cycle = "cycle";
    /// A referenced record does not exist.
    Dangling = "dangling";
    /// The text contains bidirectional text controls.
    DirectionOverride = "direction_override";
    /// A value that must be unique is given twice or already in use.
    Duplicate = "duplicate";
    /// The job has ended.
    Ended = "ended";
    /// It already exists.
    Exists = "exists";
    /// The work failed; the message says why.
    Failed = "failed";
    /// The value cannot be changed.
    Fixed = "fixed";
    /// The record does not meet the entry condition of the stage.
    Gate = "gate";
    /// A record cannot be computed and relied on in one commit.
    Guarded = "guarded";
    /// The user already has a password.
    HasPassword = "has_password";
    /// The value of a hidden field does not allow it.
    HiddenField = "hidden_field";
    /// Another record uses it.
    InUse = "in_use";
    /// The user is not active.
    Inactive = "inactive";
    /// The value is invalid; the message says what is accepted.
    Invalid = "invalid";
    /// The value is not a domain name.
    InvalidDomain = "invalid_domain";
    /// The value is not an email address.
    InvalidEmail = "invalid_email";
    /// The value is not a key.
    InvalidKey = "invalid_key";
    /// The value is not a phone number.
    InvalidPhone = "invalid_phone";
    /// The value is not an http or https URL.
    InvalidUrl = "invalid_url";
    /// The text has no visible character.
    Invisible = "invisible";
    /// The last administrator cannot be removed.
    LastAdmin = "last_admin";
    /// The pipeline does not allow the move.
    MoveNotAllowed = "move_not_allowed";
    /// Another default must be set instead.
    NeedsAnother = "needs_another";
    /// A target must be named.
    NeedsTarget = "needs_target";
    /// The write does not apply to a single record.
    NoRecord = "no_record";
    /// The kind has no totals.
    NoTotals = "no_totals";
    /// The pipeline has no won stage.
    NoWonStage = "no_won_stage";
    /// It is not enabled.
    None = "none";
    /// It has not been started.
    NotBegun = "not_begun";
    /// The record is not in a closed stage.
    NotClosed = "not_closed";
    /// The field is not a computed one.
    NotComputed = "not_computed";
    /// The lead is not converted.
    NotConverted = "not_converted";
    /// Records of this kind are made by their own use cases alone.
    NotCreated = "not_created";
    /// The referenced record does not exist or is not visible.
    NotFound = "not_found";
    /// The program does not give this permission to the role.
    NotGiven = "not_given";
    /// The field cannot be hidden.
    NotHideable = "not_hideable";
    /// The option cannot be combined with a moment in the past.
    NotInThePast = "not_in_the_past";
    /// Reports cannot group by the field.
    NotReportable = "not_reportable";
    /// The field is not unique.
    NotUnique = "not_unique";
    /// The text contains NUL characters.
    Nul = "nul";
    /// The record is of another kind.
    OtherKind = "other_kind";
    /// It has ended and cannot be restored.
    Over = "over";
    /// The field is read-only.
    ReadOnly = "read_only";
    /// A parameter is given twice.
    RepeatedParameter = "repeated_parameter";
    /// The value is required.
    Required = "required";
    /// The value is required to enter the stage.
    RequiredByStage = "required_by_stage";
    /// The name is reserved for the CRM.
    Reserved = "reserved";
    /// The stage is retired and accepts no records.
    Retired = "retired";
    /// The value must be another one.
    Same = "same";
    /// The stage belongs to another pipeline.
    StageOfOtherPipeline = "stage_of_other_pipeline";
    /// The organization is suspended.
    Suspended = "suspended";
    /// The password is one of those that are tried first, or made of names.
    TooCommon = "too_common";
    /// The hierarchy or nesting is too deep.
    TooDeep = "too_deep";
    /// There are too few outcomes to learn from.
    TooFew = "too_few";
    /// The value is too large.
    TooLarge = "too_large";
    /// The text is too long.
    TooLong = "too_long";
    /// There are too many elements.
    TooMany = "too_many";
    /// The text is too short.
    TooShort = "too_short";
    /// The value is too small.
    TooSmall = "too_small";
    /// The value cannot be represented.
    Unfit = "unfit";
    /// The value is not one of the accepted ones.
    UnknownChoice = "unknown_choice";
    /// A newer program stored a condition that this one does not know.
    UnknownCondition = "unknown_condition";
    /// The value is not a country code.
    UnknownCountry = "unknown_country";
    /// The value is not a currency code.
    UnknownCurrency = "unknown_currency";
    /// There is no such field.
    UnknownField = "unknown_field";
    /// A newer program stored a grant that this one does not know.
    UnknownGrant = "unknown_grant";
    /// There is no such part to include.
    UnknownInclude = "unknown_include";
    /// There is no such query parameter.
    UnknownParameter = "unknown_parameter";
    /// There is no such permission.
    UnknownPermission = "unknown_permission";
    /// There is no such pipeline.
    UnknownPipeline = "unknown_pipeline";
    /// No index sorts by the field.
    UnknownSort = "unknown_sort";
    /// There is no such stage.
    UnknownStage = "unknown_stage";
    /// A newer program stored a kind of stage that this one does not know.
    UnknownStageKind = "unknown_stage_kind";
    /// The value is not a time zone.
    UnknownTimeZone = "unknown_time_zone";
    /// There is no such type.
    UnknownType = "unknown_type";
    /// The reference must be to another kind.
    WrongKind = "wrong_kind";
    /// The operator does not apply to the field's type.
    WrongOperator = "wrong_operator";
    /// The values are not in ascending order.
    WrongOrder = "wrong_order";
    /// The value is of another type.
    WrongType = "wrong_type";
}

impl FaultCode {
    /// Returns a code of the embedder's own.
    pub const fn custom(code: &'static str) -> Self {
        Self::Custom(Cow::Borrowed(code))
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for FaultCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl PartialEq<&str> for FaultCode {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// A fault of a value: a stable code, parameters for translation, and a message that says what is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// The code.
    pub code: FaultCode,
    /// The values that the message names, by name: `max` of `too_long`, `allowed` of `unknown_choice`.
    pub params: BTreeMap<&'static str, Json>,
    /// A message in English that says what is accepted.
    pub message: String,
}

impl Fault {
    /// Creates a fault from a code and a message.
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code, params: BTreeMap::new(), message: message.into() }
    }

    /// Adds a parameter that the message names.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.params.insert(name, value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_in_order_and_are_read_back() {
        let texts: Vec<&str> = FaultCode::ALL.iter().map(FaultCode::as_str).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        for code in FaultCode::ALL {
            assert!(code.as_str().chars().all(|c| c == '_' || c.is_ascii_lowercase()), "{code}");
            assert!(code.description().ends_with('.'), "{code}");
        }
        assert_eq!(FaultCode::custom("free_mail").as_str(), "free_mail");
    }
}
