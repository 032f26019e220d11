//! Money: a decimal amount and an ISO 4217 currency. Never a float; adding two currencies is an error.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A decimal number of up to 28 digits, always normalized (no trailing zeros). Serialized as text, because a JSON
/// number would lose digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(rust_decimal::Decimal);

/// An ISO 4217 currency, identified by its three-letter code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// An amount in a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// The amount in whole units of the currency (euros, not cents).
    pub amount: Decimal,
    /// The currency.
    pub currency: Currency,
}

/// The reason an amount or a sum was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number of at most 28 digits.
    #[error("must be a decimal number with at most 28 digits, such as \"1234.50\"")]
    Malformed,
    /// Not an ISO 4217 currency.
    #[error("must be an ISO 4217 currency code such as \"EUR\"")]
    UnknownCurrency,
    /// Amounts in different currencies.
    #[error("{0} and {1} cannot be added: convert one of them with an exchange rate first")]
    Mixed(Currency, Currency),
    /// The result has more than 28 digits.
    #[error("the result has more digits than a decimal can hold")]
    Overflow,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Decimal = Decimal(rust_decimal::Decimal::ZERO);
    /// One hundred.
    pub const HUNDRED: Decimal = Decimal(rust_decimal::Decimal::ONE_HUNDRED);
    /// 10^18. The absolute value of amounts and decimals written by users is below it; reports leave out others.
    pub const BOUND: Decimal = Decimal(rust_decimal::Decimal::from_parts(2_808_348_672, 232_830_643, 0, false, 0));

    /// Creates a decimal, removing trailing zeros.
    pub fn new(number: rust_decimal::Decimal) -> Self {
        let normal = number.normalize();
        Self(if normal.is_zero() { rust_decimal::Decimal::ZERO } else { normal })
    }

    /// Returns the number.
    pub const fn get(self) -> rust_decimal::Decimal {
        self.0
    }

    /// Returns `true` if the number is below zero.
    pub const fn is_negative(self) -> bool {
        self.0.is_sign_negative() && !self.0.is_zero()
    }

    /// Returns `true` if the absolute value is below [`Decimal::BOUND`]: the range that users may write and that
    /// reports sum.
    pub fn is_in_range(self) -> bool {
        self.0.abs() < Self::BOUND.0
    }

    /// Returns the sum. If it has more than 28 digits, fractional digits are rounded away: to add more than two
    /// numbers, use [`ExactSum`](super::ExactSum), which does not depend on their order.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] if the whole part has more than 28 digits.
    pub fn plus(self, other: Decimal) -> Result<Decimal, MoneyError> {
        self.0.checked_add(other.0).map(Self::new).ok_or(MoneyError::Overflow)
    }

    /// Returns the product, rounded to 28 digits.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] if the whole part has more than 28 digits.
    pub fn times(self, other: Decimal) -> Result<Decimal, MoneyError> {
        self.0.checked_mul(other.0).map(Self::new).ok_or(MoneyError::Overflow)
    }

    /// Returns the nearest binary floating-point number: for ratios in reports, never for stored money.
    pub fn to_f64(self) -> f64 {
        use rust_decimal::prelude::ToPrimitive;
        self.0.to_f64().unwrap_or(f64::NAN)
    }
}

/// Parses a decimal: digits with an optional sign and point, at most 28 digits, no exponent, without loss.
///
/// # Errors
/// [`MoneyError::Malformed`] for any other text.
pub fn parse_decimal(text: &str) -> Result<Decimal, MoneyError> {
    text.parse()
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self(number.into())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Decimal {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let plain = text.strip_prefix('-').unwrap_or(text);
        if plain.is_empty() || plain.len() > 64 || !plain.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(MoneyError::Malformed);
        }
        // Exact: a number with too many digits is refused, not rounded.
        rust_decimal::Decimal::from_str_exact(text).map(Self::new).map_err(|_| MoneyError::Malformed)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    /// Accepts text and whole JSON numbers, but not fractional ones, which have lost digits already.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Decimal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number as text, such as \"1234.50\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Decimal, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E>(self, number: i64) -> Result<Decimal, E> {
                Ok(number.into())
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Decimal, E> {
                Ok(Decimal::new(number.into()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl Currency {
    /// The euro.
    pub const EUR: Currency = Currency(*b"EUR");
    /// The United States dollar.
    pub const USD: Currency = Currency(*b"USD");

    /// Returns the three-letter code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// Returns the number of digits of the minor unit: 2 for the euro, 0 for the yen, 3 for the Kuwaiti dinar; 2 for
    /// currencies without one (gold).
    pub fn minor_digits(&self) -> u32 {
        let exponent = iso_currency::Currency::from_code(self.code()).and_then(iso_currency::Currency::exponent);
        exponent.map_or(2, u32::from)
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let upper = text.trim().to_ascii_uppercase();
        iso_currency::Currency::from_code(&upper).ok_or(MoneyError::UnknownCurrency)?;
        upper.as_bytes().try_into().map(Self).map_err(|_| MoneyError::UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Money {
    /// Creates an amount in a currency.
    pub fn new(amount: impl Into<Decimal>, currency: Currency) -> Self {
        Self { amount: amount.into(), currency }
    }

    /// Returns the sum of two amounts in the same currency.
    ///
    /// # Errors
    /// [`MoneyError::Mixed`] for different currencies, [`MoneyError::Overflow`] beyond 28 digits.
    pub fn plus(self, other: Money) -> Result<Money, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(self.currency, other.currency));
        }
        Ok(Money { amount: self.amount.plus(other.amount)?, currency: self.currency })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

impl FromStr for Money {
    type Err = MoneyError;
    /// Parses `"1234.50 EUR"`.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (amount, currency) = text.trim().split_once(' ').ok_or(MoneyError::Malformed)?;
        Ok(Money { amount: amount.parse()?, currency: currency.parse()? })
    }
}
