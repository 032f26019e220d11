//! Exact arithmetic on decimals: sums without intermediate rounding, and products that are rounded once.

use std::cmp::Ordering;

use super::{Decimal, MoneyError};

/// The maximum number of fractional digits of a decimal.
const SCALE: u32 = 28;
/// One whole in units of the fraction.
const ONE: i128 = 10_i128.pow(SCALE);
const MAX_MANTISSA: u128 = (1 << 96) - 1;

/// An exact sum of decimals, independent of the order and grouping of additions and rounded only when read. Exact for
/// up to 2^31 of the largest decimals, and for more of smaller ones; 32 bytes.
///
/// ```
/// # use crm_core::value::{Decimal, ExactSum};
/// let numbers: [Decimal; 3] = ["1000000000000000000", "0.00000000001", "-1000000000000000000"].map(|text| text.parse().unwrap());
/// let sum: ExactSum = numbers.into_iter().collect();
/// assert_eq!(sum.total().unwrap().to_string(), "0.00000000001");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExactSum {
    whole: i128,
    /// In units of 10^-28; less than one whole.
    fraction: i128,
}

impl ExactSum {
    /// Adds a number.
    pub fn add(&mut self, number: Decimal) {
        let number = number.get();
        let unit = 10_i128.pow(number.scale());
        self.carry(number.mantissa() / unit, number.mantissa() % unit * (ONE / unit));
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &ExactSum) {
        self.carry(other.whole, other.fraction);
    }

    fn carry(&mut self, whole: i128, fraction: i128) {
        let fraction = self.fraction + fraction;
        let whole = whole.saturating_add(fraction / ONE);
        // The fraction has the sign of the whole, so that equal sums are equal values.
        let (mut whole, mut fraction) = (self.whole.saturating_add(whole), fraction % ONE);
        if whole > 0 && fraction < 0 {
            (whole, fraction) = (whole - 1, fraction + ONE);
        } else if whole < 0 && fraction > 0 {
            (whole, fraction) = (whole + 1, fraction - ONE);
        }
        *self = Self { whole, fraction };
    }

    /// Returns the sum, rounded once (half to even) if it has more digits than a decimal can hold.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] if the whole part alone has more digits than a decimal can hold.
    pub fn total(&self) -> Result<Decimal, MoneyError> {
        self.divided(1, SCALE)
    }

    /// Returns the sum ÷ `n`, rounded once (half to even) to `places` fractional digits, or fewer if a decimal cannot
    /// hold that many.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] if the whole part has more digits than a decimal can hold, or `n` is 0.
    pub fn divided(&self, n: u64, places: u32) -> Result<Decimal, MoneyError> {
        let mantissa = |places| Some((places, self.quotient(n, places)?));
        let (places, mantissa) = (0..=places.min(SCALE)).rev().find_map(mantissa).ok_or(MoneyError::Overflow)?;
        // The mantissa is below 2^96.
        let mantissa = i128::try_from(mantissa).map_err(|_| MoneyError::Overflow)?;
        let negative = self.whole < 0 || self.fraction < 0;
        let number = rust_decimal::Decimal::from_i128_with_scale(if negative { -mantissa } else { mantissa }, places);
        Ok(Decimal::new(number))
    }

    /// Returns the absolute value of the sum ÷ `n` in units of 10^-places, by long division, or `None` if no decimal
    /// can hold it.
    fn quotient(&self, n: u64, places: u32) -> Option<u128> {
        let n = u128::from(n);
        let (whole, mut fraction) = (self.whole.unsigned_abs(), self.fraction.unsigned_abs());
        let (mut quotient, mut rest) = (whole.checked_div(n)?, whole % n);
        let mut unit = ONE.unsigned_abs();
        for _ in 0..places {
            unit /= 10;
            rest = rest * 10 + fraction / unit;
            fraction %= unit;
            quotient = quotient.checked_mul(10)?.checked_add(rest / n)?;
            rest %= n;
        }
        // The remainder is rest + fraction ÷ unit, where the second term is less than one. Compare it with half of n.
        let half = match n.checked_sub(rest * 2) {
            Some(1) => (fraction * 2).cmp(&unit),
            Some(2..) => Ordering::Less,
            Some(0) if fraction == 0 => Ordering::Equal,
            _ => Ordering::Greater,
        };
        let up = half == Ordering::Greater || half == Ordering::Equal && quotient % 2 == 1;
        quotient.checked_add(up.into()).filter(|&quotient| quotient <= MAX_MANTISSA)
    }
}

impl FromIterator<Decimal> for ExactSum {
    fn from_iter<I: IntoIterator<Item = Decimal>>(numbers: I) -> Self {
        let mut sum = Self::default();
        for number in numbers {
            sum.add(number);
        }
        sum
    }
}

/// Returns the exact product, rounded once (half away from zero, like `round` in SQL) to at most `places` fractional
/// digits.
///
/// # Errors
/// [`MoneyError::Overflow`] if a decimal cannot hold the result.
pub(crate) fn product(a: Decimal, b: Decimal, places: u32) -> Result<Decimal, MoneyError> {
    let (a, b) = (a.get(), b.get());
    let mut limbs = multiply(a.mantissa().unsigned_abs(), b.mantissa().unsigned_abs());
    let mut scale = a.scale() + b.scale();
    let mut last = 0;
    while scale > places {
        last = divide_by_ten(&mut limbs);
        scale -= 1;
    }
    // The first digit that is cut off decides the rounding.
    let [low, high, top] = limbs;
    let mantissa = (u128::from(low) + (u128::from(high) << 64)).saturating_add(u128::from(last >= 5));
    if top > 0 || mantissa > MAX_MANTISSA {
        return Err(MoneyError::Overflow);
    }
    let mantissa = i128::try_from(mantissa).map_err(|_| MoneyError::Overflow)?;
    let negative = a.is_sign_negative() != b.is_sign_negative();
    let number = rust_decimal::Decimal::try_from_i128_with_scale(if negative { -mantissa } else { mantissa }, scale);
    number.map(Decimal::new).map_err(|_| MoneyError::Overflow)
}

/// Returns the product of two numbers below 2^96, low limb first.
#[allow(clippy::cast_possible_truncation)] // limbs are cut off one by one
const fn multiply(a: u128, b: u128) -> [u64; 3] {
    const LOW: u128 = u64::MAX as u128;
    let (a0, a1, b0, b1) = (a & LOW, a >> 64, b & LOW, b >> 64);
    let low = a0 * b0;
    let middle = a0 * b1 + a1 * b0 + (low >> 64);
    let top = a1 * b1 + (middle >> 64);
    [low as u64, middle as u64, top as u64]
}

/// Divides in place and returns the remainder.
#[allow(clippy::cast_possible_truncation)] // the quotient of a limb and a remainder below ten is a limb
fn divide_by_ten(limbs: &mut [u64; 3]) -> u64 {
    let mut rest = 0_u64;
    for limb in limbs.iter_mut().rev() {
        let number = (u128::from(rest) << 64) + u128::from(*limb);
        *limb = (number / 10) as u64;
        rest = (number % 10) as u64;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn sum(numbers: &[&str]) -> ExactSum {
        numbers.iter().map(|text| dec(text)).collect()
    }

    /// Any decimal, of any size and number of fractional digits.
    fn number() -> impl Strategy<Value = Decimal> {
        (any::<u128>(), 0_u32..96, 0_u32..=28, any::<bool>()).prop_map(|(bits, small, scale, negative)| {
            let mantissa = i128::try_from((bits & MAX_MANTISSA) >> small).unwrap();
            let mantissa = if negative { -mantissa } else { mantissa };
            Decimal::new(rust_decimal::Decimal::from_i128_with_scale(mantissa, scale))
        })
    }

    #[test]
    fn what_a_decimal_would_have_lost_on_the_way_is_there_in_the_end() {
        let parts = ["1000000000000000000000000000", "0.0000000000000000000000000004", "-1000000000000000000000000000"];
        assert_eq!(sum(&parts).total().unwrap(), dec("0.0000000000000000000000000004"));
        assert_eq!(sum(&[]).total().unwrap(), Decimal::ZERO);
        assert_eq!(sum(&["-0.1", "-0.2"]).total().unwrap(), dec("-0.3"));
        let small = "0.00000000004";
        let all = sum(&["1234567890123456789.123456789", small, small]);
        assert_eq!(all.total().unwrap(), dec("1234567890123456789.1234567891"), "rounded once, at the end");
        let most = "79228162514264337593543950335";
        assert_eq!(sum(&[most]).total().unwrap(), dec(most));
        assert_eq!(sum(&[most, "1"]).total(), Err(MoneyError::Overflow));
        assert_eq!(sum(&[most, most, "-79228162514264337593543950335"]).total().unwrap(), dec(most));
    }

    #[test]
    fn a_quotient_is_rounded_half_to_even() {
        let divided = |parts: &[&str], n, places| sum(parts).divided(n, places).unwrap().to_string();
        assert_eq!(divided(&["10"], 3, 8), "3.33333333");
        assert_eq!(divided(&["-20"], 3, 8), "-6.66666667");
        assert_eq!(divided(&["0.25"], 1, 1), "0.2");
        assert_eq!(divided(&["0.35"], 1, 1), "0.4");
        assert_eq!(divided(&["0.5"], 2, 1), "0.2", "a half of one unit");
        assert_eq!(divided(&["0.5000000000000000000000000001"], 2, 1), "0.3", "a little more");
        assert_eq!(divided(&["0.4999999999999999999999999999"], 2, 1), "0.2");
        assert_eq!(divided(&["2.5"], 1, 0), "2");
        assert_eq!(divided(&["7"], 2, 0), "4");
        assert_eq!(sum(&["1"]).divided(0, 2), Err(MoneyError::Overflow));
    }

    #[test]
    fn a_product_is_rounded_half_away_from_zero() {
        let times = |a: &str, b: &str| product(dec(a), dec(b), 6).map(|number| number.to_string());
        assert_eq!(times("1234.56", "1.0842").unwrap(), "1338.509952");
        assert_eq!(times("0.000001", "0.5").unwrap(), "0.000001");
        assert_eq!(times("-0.000001", "0.5").unwrap(), "-0.000001");
        assert_eq!(times("0.000001", "0.4999999999999999999999999999").unwrap(), "0");
        let digits = "1.234567890123456789012345678";
        assert_eq!(times(digits, digits).unwrap(), "1.524158");
        assert_eq!(times("9999999999999999999999999999", "10"), Err(MoneyError::Overflow));
        assert_eq!(times("9999999999999999999999999999", "0.0000000000000000000000000001").unwrap(), "1");
    }

    proptest! {
        #[test]
        fn neither_order_nor_grouping_moves_a_sum(
            groups in prop::collection::vec(prop::collection::vec(number(), 0..6), 0..8),
            seed in any::<u64>(),
        ) {
            let all: Vec<Decimal> = groups.concat();
            let whole: ExactSum = all.iter().copied().collect();
            let mut shuffled = all.clone();
            shuffled.sort_by_key(|number| std::hash::BuildHasher::hash_one(
                &std::hash::BuildHasherDefault::<std::collections::hash_map::DefaultHasher>::default(),
                (seed, number),
            ));
            prop_assert_eq!(shuffled.into_iter().collect::<ExactSum>(), whole);
            let mut merged = ExactSum::default();
            for group in groups.iter().rev() {
                merged.merge(&group.iter().copied().collect());
            }
            prop_assert_eq!(merged, whole);
            // Subtracting every number leaves zero.
            let mut none = whole;
            for number in &all {
                none.add(Decimal::new(-number.get()));
            }
            prop_assert_eq!(none, ExactSum::default());
        }

        #[test]
        fn a_single_number_is_its_own_sum(number in number()) {
            let mut sum = ExactSum::default();
            sum.add(number);
            prop_assert_eq!(sum.total().unwrap(), number);
        }

        #[test]
        fn a_quotient_of_whole_numbers_is_the_nearest(number in any::<i64>(), n in 1..u64::MAX, places in 0_u32..=9) {
            let mut sum = ExactSum::default();
            sum.add(number.into());
            let (shifted, n) = (u128::from(number.unsigned_abs()) * 10_u128.pow(places), u128::from(n));
            let (floor, rest) = (shifted / n, shifted % n);
            let up = rest * 2 > n || rest * 2 == n && floor % 2 == 1;
            let size = i128::try_from(floor + u128::from(up)).unwrap() * i128::from(number.signum());
            let expected = Decimal::new(rust_decimal::Decimal::from_i128_with_scale(size, places));
            prop_assert_eq!(sum.divided(u64::try_from(n).unwrap(), places).unwrap(), expected);
        }

        #[test]
        fn a_product_of_small_numbers_is_what_whole_numbers_say(a in -(1_i64 << 60)..1 << 60, b in -(1_i64 << 60)..1 << 60, s in 0_u32..=14, t in 0_u32..=14) {
            let made = product(
                Decimal::new(rust_decimal::Decimal::new(a, s)),
                Decimal::new(rust_decimal::Decimal::new(b, t)),
                6,
            );
            let exact = i128::from(a) * i128::from(b);
            let cut = 10_i128.pow((s + t).saturating_sub(6));
            let expected = (exact.abs() + cut / 2) / cut * exact.signum();
            let expected = rust_decimal::Decimal::try_from_i128_with_scale(expected, (s + t).min(6)).ok();
            prop_assert_eq!(made.ok(), expected.map(Decimal::new));
        }
    }
}
