//! The organization: the tenant's own record, with its settings.

use crate::{
    schema::record,
    value::{Choice, Currency, Id, Kind, choices, structured},
};

choices! {
    /// Whether the tenant may be used.
    #[derive(Default)]
    pub enum OrganizationStatus {
        /// It may.
        #[default]
        Active = "active",
        /// Nobody but the system may write.
        Suspended = "suspended",
    }
    /// The first day of a week.
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

/// How the product looks to the organization's users.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Branding {
    /// Where the logo is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
    /// A colour such as `#1a73e8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// What the product is called.
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
            /// What it is called.
            name: String = Text(MAX_TEXT), [required, searchable];
            /// The name it signs in under, unique among all organizations of the store.
            slug: Option<String> = Key, [];
            /// The currency sums are given in; USD when not given.
            base_currency: Option<Currency> = FieldType::Currency, [];
            /// The calendar that days and quarters go by; UTC when not given.
            time_zone: Option<String> = TimeZone, [];
            /// Language and region, such as `en` or `de-CH`.
            locale: Option<String> = Text(35), [];
            /// Two letters of ISO 3166: the country of phone numbers written without one.
            default_country: Option<String> = Text(2), [];
            /// 1 to 12; January when not given.
            fiscal_year_start_month: Option<i64> = Int(1, 12), [];
            /// The first day of a week.
            week_start: WeekStart = FieldType::Choice(WeekStart::NAMES), [];
            /// Whether the tenant may be used.
            status: OrganizationStatus = FieldType::Choice(OrganizationStatus::NAMES), [];
            /// How the product looks.
            branding: Option<Branding> = Struct, [];
            /// Types of interaction beyond the built-in ones.
            interaction_types: Vec<String> = Texts(50, 63), [];
            /// Whether two live contacts may have one e-mail address.
            allow_shared_emails: bool = Bool, [];
        }
        read_only {
            /// Its administrators: users with the role `admin`.
            admin_ids: Vec<Id> = Ids(Kind::User, 50), [];
            /// The key its cursors are sealed with.
            seal_key: Option<String> = Text(64), [secret];
        }
        machine {}
        derived {}
        indexes { () -> name; }
    }
}
