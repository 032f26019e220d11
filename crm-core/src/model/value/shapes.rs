//! Structured values shared by several kinds: addresses and social links.

use serde::{Deserialize, Serialize};

use super::{choices, structured};

choices! {
    /// The purpose of an address.
    #[derive(Default)]
    pub enum AddressKind {
        /// The address for invoices.
        Billing = "billing",
        /// The address for deliveries.
        Shipping = "shipping",
        /// A workplace.
        #[default]
        Office = "office",
        /// A residence.
        Home = "home",
    }
}

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Address {
    /// The purpose of the address.
    pub kind: AddressKind,
    /// The street and house number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    /// The city.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The state, province or region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// The country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// A profile on a social network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocialLink {
    /// The name of the network.
    pub network: String,
    /// The URL of the profile.
    pub url: String,
}

structured!(Address, SocialLink);
