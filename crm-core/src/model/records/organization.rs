//! The organization: the tenant's own record, with its settings.

use crate::model::{
    records::user::User,
    schema::record,
    value::{Choice, Currency, Id, Kind, choices, structured},
};

choices! {
    /// Status of an organization.
    #[derive(Default)]
    pub enum OrganizationStatus {
        /// Active.
        #[default]
        Active = "active",
        /// Suspended: only the system may write.
        Suspended = "suspended",
    }
    /// First day of the week.
    #[derive(Default)]
    pub enum WeekStart {
        /// Monday.
        #[default]
        Monday = "monday",
        /// Saturday.
        Saturday = "saturday",
        /// Sunday.
        Sunday = "sunday",
    }
}

/// Branding of the product for the organization's users.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Branding {
    /// URL of the logo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
    /// Color such as `#1a73e8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// Name of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
}
structured!(Branding);

record! {
    /// A tenant: the company that uses the CRM.
    Organization, NewOrganization, OrganizationPatch, OrganizationFields {
        definition: true,
        own: [], team: [],
        person {
            /// Name.
            name: String = Text(MAX_TEXT), [required, searchable];
            /// Slug for sign-in, unique across all organizations of the store.
            slug: Option<String> = Key, [];
            /// Base currency of sums; default USD.
            base_currency: Option<Currency> = FieldType::Currency, [];
            /// Time zone of days and periods; default UTC.
            time_zone: Option<String> = TimeZone, [];
            /// Language and region, such as `en` or `de-CH`.
            locale: Option<String> = Text(35), [];
            /// Default country of phone numbers (ISO 3166, two letters).
            default_country: Option<String> = Text(2), [];
            /// First month of the fiscal year, 1 to 12; default January.
            fiscal_year_start_month: Option<i64> = Int(1, 12), [];
            /// First day of the week.
            week_start: WeekStart = FieldType::Choice(WeekStart::NAMES), [];
            /// Status.
            status: OrganizationStatus = FieldType::Choice(OrganizationStatus::NAMES), [];
            /// Branding.
            branding: Option<Branding> = Struct, [];
            /// Additional types of interactions.
            interaction_types: Vec<String> = Texts(50, 63), [];
            /// `true` if active contacts may share an email address.
            allow_shared_emails: bool = Bool, [];
        }
        read_only {
            /// Administrators: users with the role `admin`.
            admin_ids: Vec<Id<User>> = Ids(Kind::User, 50), [];
            /// Key that seals cursors.
            seal_key: Option<String> = Text(64), [secret];
        }
        machine {}
        derived {}
        indexes { () -> name; }
    }
}
