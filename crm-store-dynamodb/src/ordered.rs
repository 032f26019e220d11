//! An order-preserving text encoding of ids, numbers, times and sort values for keys.
//!
//! DynamoDB sorts an index by the bytes of one string. All encodings have a fixed width or mark their own end, so that
//! concatenated parts sort part by part.

use crm_core::{
    schema::FieldType,
    value::{Date, Decimal, Id, Time, Value},
};

/// Sixty-four characters in byte order that never need escaping.
const DIGITS: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/// The characters of an id.
pub(crate) const ID: usize = 22;
/// The characters of a time: the microseconds of ten thousand years need 59 bits.
pub(crate) const TIME: usize = 10;
/// The characters of a date.
const DATE: usize = 4;
/// The characters of an integer.
const INT: usize = 11;

/// A missing sort value, which sorts after every digit and after [`TEXT`].
const MISSING: char = '~';
/// The prefix of a text, so that no text can be mistaken for a missing value.
const TEXT: char = '!';
/// The end of a text inside a key. The character itself is followed by [`ESCAPED`] in a text, which sorts after the
/// end.
const END: &str = "\u{1}\u{1}";
const ESCAPED: &str = "\u{1}\u{2}";

fn push_bits(out: &mut String, mut bits: u128, width: usize) {
    let mut digits = [0_u8; ID];
    for digit in digits[..width].iter_mut().rev() {
        *digit = DIGITS[(bits & 63) as usize];
        bits >>= 6;
    }
    out.extend(digits[..width].iter().copied().map(char::from));
}

fn read_bits(text: &str) -> Option<u128> {
    text.bytes().try_fold(0_u128, |bits, byte| {
        let digit = DIGITS.binary_search(&byte).ok()?;
        Some(bits << 6 | digit as u128)
    })
}

/// Takes `width` bytes off the front; `None` if there are fewer.
pub(crate) fn take<'a>(text: &mut &'a str, width: usize) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(width)?;
    *text = tail;
    Some(head)
}

pub(crate) fn push_id<K>(out: &mut String, id: Id<K>) {
    // 128 bits in 22 digits of 6 bits: the first digit holds the remaining two.
    push_bits(out, u128::from_be_bytes(id.bytes()), ID);
}

pub(crate) fn read_id(text: &str) -> Option<Id> {
    if text.len() != ID || read_bits(&text[..1])? > 3 {
        return None;
    }
    read_bits(text).map(|bits| Id::from_uuid(uuid::Uuid::from_u128(bits)))
}

pub(crate) fn push_time(out: &mut String, time: Time) {
    push_bits(out, u128::from(time.micros().abs_diff(Time::MIN.micros())), TIME);
}

pub(crate) fn read_time(text: &str) -> Option<Time> {
    let above = i64::try_from(read_bits(text).filter(|_| text.len() == TIME)?).ok()?;
    Time::from_micros(Time::MIN.micros().checked_add(above)?).ok()
}

/// Appends a version: the number of its digits, then the digits without leading zeros.
pub(crate) fn push_version(out: &mut String, version: u64) {
    let width = (u64::BITS - version.leading_zeros()).div_ceil(6) as usize;
    push_bits(out, width as u128, 1);
    push_bits(out, u128::from(version), width);
}

/// Takes a version off the front.
pub(crate) fn take_version(text: &mut &str) -> Option<u64> {
    let width = usize::try_from(read_bits(take(text, 1)?)?).ok()?;
    u64::try_from(read_bits(take(text, width)?)?).ok()
}

/// The first representable day, in days since 1970.
fn first_day() -> i32 {
    Date::of(Time::MIN).days()
}

/// Appends a decimal in 58 digits: a sign, 29 digits before and 28 after the point. Negative numbers use the nines'
/// complement.
fn push_decimal(out: &mut String, number: Decimal) {
    let number = number.get();
    // Never with a precision: the type's formatting panics if it has too many digits for the precision.
    let plain = number.abs().to_string();
    let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
    let digits = format!("{whole:0>29}{part:0<28}");
    if number.is_sign_negative() && !number.is_zero() {
        out.push('0');
        out.extend(digits.bytes().map(|digit| char::from(b'9' - (digit - b'0'))));
    } else {
        out.push('1');
        out.push_str(&digits);
    }
}

fn read_decimal(text: &str) -> Option<Decimal> {
    let (sign, digits) = text.split_at_checked(1)?;
    if digits.len() != 57 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits: String = match sign {
        "1" => digits.to_owned(),
        "0" => digits.bytes().map(|digit| char::from(b'9' - (digit - b'0'))).collect(),
        _ => return None,
    };
    let plain = format!("{}.{}", &digits[..29], &digits[29..]);
    let plain = plain.trim_start_matches('0').trim_end_matches('0');
    let plain = if plain.starts_with('.') { format!("0{plain}") } else { plain.to_owned() };
    let plain = plain.strip_suffix('.').unwrap_or(&plain);
    let sign = if sign == "0" { "-" } else { "" };
    format!("{sign}{plain}").parse().ok()
}

pub(crate) fn push_text(out: &mut String, text: &str) {
    out.push_str(&text.replace('\u{1}', ESCAPED));
    out.push_str(END);
}

/// Appends a sort value, in the order of [`Value::sort_order`], missing values last.
pub(crate) fn push_sort(out: &mut String, value: &Value) {
    match value {
        Value::Bool(flag) => push_bits(out, u128::from(*flag), 1),
        // With the sign bit flipped, negative numbers sort first.
        Value::Int(number) => push_bits(out, u128::from(number.cast_unsigned() ^ 1 << 63), INT),
        Value::Decimal(number) => push_decimal(out, *number),
        Value::Time(time) => push_time(out, *time),
        Value::Date(date) => push_bits(out, u128::from(date.days().abs_diff(first_day())), DATE),
        Value::Id(id) => push_id(out, *id),
        Value::Text(text) => {
            out.push(TEXT);
            push_text(out, text);
        }
        _ => out.push(MISSING),
    }
}

/// Decodes the output of [`push_sort`] for a field of the type.
pub(crate) fn read_sort(text: &str, ty: FieldType) -> Option<Value> {
    if text.starts_with(MISSING) {
        return (text.len() == MISSING.len_utf8()).then_some(Value::Null);
    }
    Some(match ty {
        FieldType::Bool => Value::Bool(read_bits(text)? == 1),
        FieldType::Int(..) => Value::Int((u64::try_from(read_bits(text)?).ok()? ^ 1 << 63).cast_signed()),
        FieldType::Decimal => Value::Decimal(read_decimal(text)?),
        FieldType::Time => Value::Time(read_time(text)?),
        FieldType::Date => {
            let days = i32::try_from(read_bits(text)?).ok()?;
            Value::Date(Date::from_days(first_day().checked_add(days)?).ok()?)
        }
        FieldType::Id(_) | FieldType::StageId => Value::Id(read_id(text)?),
        _ => Value::text(text.strip_prefix(TEXT)?.strip_suffix(END)?.replace(ESCAPED, "\u{1}")),
    })
}

/// A character that sorts before everything that can follow a position in a key, and after the position itself.
pub(crate) const JUST_AFTER: char = ' ';

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(value: &Value) -> String {
        let mut out = String::new();
        push_sort(&mut out, value);
        out
    }

    fn check(a: &Value, b: &Value, ty: FieldType) {
        // In a real key an id follows; it must not affect the order.
        let (x, y) = (sorted(a) + "zzz", sorted(b) + "---");
        let order = a.sort_order(b);
        if order != std::cmp::Ordering::Equal {
            assert_eq!(x.as_bytes().cmp(y.as_bytes()), order, "{a:?} {b:?} {x} {y}");
        }
        assert_eq!(read_sort(&sorted(a), ty).as_ref(), Some(a));
    }

    proptest! {
        #[test]
        fn ids_sort_as_their_bytes(a: u128, b: u128) {
            let (a, b) = (Id::from_uuid(uuid::Uuid::from_u128(a)), Id::from_uuid(uuid::Uuid::from_u128(b)));
            let (mut x, mut y) = (String::new(), String::new());
            push_id(&mut x, a);
            push_id(&mut y, b);
            prop_assert_eq!(x.len(), ID);
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(read_id(&x), Some(a));
        }

        #[test]
        fn whole_numbers(a: i64, b: i64) {
            check(&Value::Int(a), &Value::Int(b), FieldType::Int(i64::MIN, i64::MAX));
        }

        #[test]
        fn times(a in Time::MIN.micros()..=Time::MAX.micros(), b in Time::MIN.micros()..=Time::MAX.micros()) {
            let time = |micros| Value::Time(Time::from_micros(micros).unwrap());
            check(&time(a), &time(b), FieldType::Time);
        }

        #[test]
        fn days(a in -719_162..2_932_897_i32, b in -719_162..2_932_897_i32) {
            let day = |days| Value::Date(Date::from_days(days).unwrap());
            check(&day(a), &day(b), FieldType::Date);
        }

        #[test]
        fn texts(a in "[\u{1}-\u{3}a-c~! é😀]{0,6}", b in "[\u{1}-\u{3}a-c~! é😀]{0,6}") {
            check(&Value::text(a), &Value::text(b), FieldType::Text(255));
        }

        #[test]
        fn decimals(a: i64, b: i64, scale in 0..20_u32, other in 0..20_u32) {
            let number = |n, s| Value::Decimal(Decimal::new(rust_decimal::Decimal::new(n, s)));
            check(&number(a, scale), &number(b, other), FieldType::Decimal);
        }

        #[test]
        fn versions_sort_as_numbers(a: u64, b: u64) {
            let (mut x, mut y) = (String::new(), String::new());
            push_version(&mut x, a);
            push_version(&mut y, b);
            prop_assert_eq!((x.clone() + "z").cmp(&(y + "-")), a.cmp(&b).then(std::cmp::Ordering::Greater));
            prop_assert_eq!(take_version(&mut x.as_str()), Some(a));
        }
    }

    #[test]
    fn a_missing_value_sorts_last_and_reads_back() {
        for (value, ty) in [
            (Value::text("~~~"), FieldType::Text(255)),
            (Value::text("\u{10ffff}"), FieldType::Text(255)),
            (Value::Int(i64::MAX), FieldType::Int(i64::MIN, i64::MAX)),
            (Value::Time(Time::MAX), FieldType::Time),
            (Value::Decimal(Decimal::new(rust_decimal::Decimal::MAX)), FieldType::Decimal),
        ] {
            check(&value, &Value::Null, ty);
            check(&Value::Null, &value, ty);
        }
    }
}
