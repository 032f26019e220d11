//! Structured values that several kinds share: addresses and social links.

use serde::{Deserialize, Serialize};

use super::{choices, structured};

choices! {
    /// What an address is for.
    #[derive(Default)]
    pub enum AddressKind {
        /// Where invoices go.
        Billing = "billing",
        /// Where goods go.
        Shipping = "shipping",
        /// Where one works.
        #[default]
        Office = "office",
        /// Where one lives.
        Home = "home",
    }
}

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Address {
    /// What it is for.
    pub kind: AddressKind,
    /// Street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// State, province or region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// A page on a social network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocialLink {
    /// Which network.
    pub network: String,
    /// The page.
    pub url: String,
}

structured!(Address, SocialLink);
