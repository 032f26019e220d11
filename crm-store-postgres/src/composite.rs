//! A decoder for the binary form of composite values (`row(…)`).
//!
//! A statement returns each record as one composite value instead of one column per field. The driver parses every
//! column separately, which accounted for most of the cost of a page. Here, reading a field means checking its type and
//! length and taking its bytes, and records of several kinds fit into one result without padding.
//!
//! The format is that of the server's `record_send`, unchanged since PostgreSQL 7.4: the number of fields, then for
//! each field the oid of its type, its length (-1 for null) and its bytes in the type's own binary form. All numbers
//! are big-endian. Truncated input, trailing bytes or an unexpected type are [`StoreError::Corrupt`].

use std::str;

use crm_core::{
    store::StoreError,
    value::{Date, Id, Time},
};
use serde::Deserialize;
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

use crate::{error::corrupt, layout::Wire};

/// Microseconds from 1970 to 2000, the server's epoch for times.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Days from 1970 to 2000, the server's epoch for dates.
const EPOCH_DAYS: i32 = 10_957;
/// The first byte of a jsonb value, before its text.
const JSONB_VERSION: u8 = 1;

/// The unread fields of a composite.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'r> {
    left: usize,
    bytes: Bytes<'r>,
}

/// Unread bytes.
#[derive(Clone, Copy, Debug)]
struct Bytes<'r>(&'r [u8]);

fn damaged() -> StoreError {
    StoreError::corrupt("a stored value does not match its type")
}

impl<'r> Bytes<'r> {
    fn take(&mut self, length: usize) -> Result<&'r [u8], StoreError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn i32(&mut self) -> Result<i32, StoreError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn count(&mut self) -> Result<usize, StoreError> {
        usize::try_from(self.i32()?).map_err(|_| damaged())
    }

    /// Reads a length and that many bytes; `None` if the value is null.
    fn value(&mut self) -> Result<Option<&'r [u8]>, StoreError> {
        match self.i32()? {
            -1 => Ok(None),
            length => self.take(usize::try_from(length).map_err(|_| damaged())?).map(Some),
        }
    }
}

/// Converts a value of fixed length; all bytes must be used.
fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| damaged())
}

fn as_text(bytes: &[u8]) -> Result<&str, StoreError> {
    str::from_utf8(bytes).map_err(|_| damaged())
}

fn as_id(bytes: &[u8]) -> Result<Id, StoreError> {
    Ok(Id::from_uuid(Uuid::from_bytes(exactly(bytes)?)))
}

impl<'r> Fields<'r> {
    /// The fields of the composite in a column of a row. The column must not be null.
    pub(crate) fn of(row: &'r PgRow, column: usize) -> Result<Self, StoreError> {
        let value = row.try_get_raw(column).map_err(corrupt)?;
        Self::new(value.as_bytes().map_err(|_| damaged())?)
    }

    fn new(bytes: &'r [u8]) -> Result<Self, StoreError> {
        let mut bytes = Bytes(bytes);
        Ok(Self { left: bytes.count()?, bytes })
    }

    /// The number of unread fields.
    pub(crate) const fn left(&self) -> usize {
        self.left
    }

    /// The bytes of the next field, which must have the given type; `None` if it is null.
    fn next(&mut self, wire: Wire) -> Result<Option<&'r [u8]>, StoreError> {
        self.left = self.left.checked_sub(1).ok_or_else(damaged)?;
        if self.bytes.array()? != wire.oid().to_be_bytes() {
            return Err(damaged());
        }
        self.bytes.value()
    }

    /// Skips the next field if it is null, whatever its type. Returns `true` if it was skipped.
    pub(crate) fn skip_null(&mut self) -> Result<bool, StoreError> {
        let Bytes([_, _, _, _, 0xff, 0xff, 0xff, 0xff, rest @ ..]) = self.bytes else { return Ok(false) };
        self.bytes = Bytes(rest);
        self.left = self.left.checked_sub(1).ok_or_else(damaged)?;
        Ok(true)
    }

    pub(crate) fn bool(&mut self) -> Result<Option<bool>, StoreError> {
        self.next(Wire::Bool)?.map(|bytes| Ok(exactly::<1>(bytes)? != [0])).transpose()
    }

    pub(crate) fn int(&mut self) -> Result<Option<i64>, StoreError> {
        self.next(Wire::Int)?.map(|bytes| exactly(bytes).map(i64::from_be_bytes)).transpose()
    }

    pub(crate) fn text(&mut self) -> Result<Option<&'r str>, StoreError> {
        self.next(Wire::Text)?.map(as_text).transpose()
    }

    pub(crate) fn id(&mut self) -> Result<Option<Id>, StoreError> {
        self.next(Wire::Uuid)?.map(as_id).transpose()
    }

    /// A time. Infinity is an error.
    pub(crate) fn time(&mut self) -> Result<Option<Time>, StoreError> {
        let Some(bytes) = self.next(Wire::Time)? else { return Ok(None) };
        let micros = i64::from_be_bytes(exactly(bytes)?).checked_add(EPOCH_MICROS);
        micros.and_then(|micros| Time::from_micros(micros).ok()).ok_or_else(damaged).map(Some)
    }

    pub(crate) fn date(&mut self) -> Result<Option<Date>, StoreError> {
        let Some(bytes) = self.next(Wire::Date)? else { return Ok(None) };
        let days = i32::from_be_bytes(exactly(bytes)?).checked_add(EPOCH_DAYS);
        days.and_then(|days| Date::from_days(days).ok()).ok_or_else(damaged).map(Some)
    }

    /// A list of texts without nulls.
    pub(crate) fn texts(&mut self) -> Result<Option<Vec<&'r str>>, StoreError> {
        self.next(Wire::Texts)?.map(|bytes| elements(bytes, Wire::Text, as_text)).transpose()
    }

    /// A list of ids without nulls.
    pub(crate) fn ids(&mut self) -> Result<Option<Vec<Id>>, StoreError> {
        self.next(Wire::Uuids)?.map(|bytes| elements(bytes, Wire::Uuid, as_id)).transpose()
    }

    /// A JSON value.
    pub(crate) fn json<T: Deserialize<'r>>(&mut self) -> Result<Option<T>, StoreError> {
        match self.next(Wire::Json)? {
            None => Ok(None),
            Some([JSONB_VERSION, text @ ..]) => {
                serde_json::from_slice(text).map(Some).map_err(|error| StoreError::corrupt(error.to_string()))
            }
            Some(_) => Err(damaged()),
        }
    }
}

/// The elements of a one-dimensional array. The format is the number of dimensions (0 if empty), a flag for nulls, the
/// oid of the element type, the length, the lower bound, and each element with its length.
fn elements<'r, T>(
    bytes: &'r [u8],
    wire: Wire,
    element: impl Fn(&'r [u8]) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut bytes = Bytes(bytes);
    let (dimensions, _has_null, oid) = (bytes.i32()?, bytes.i32()?, bytes.array()?);
    if oid != wire.oid().to_be_bytes() {
        return Err(damaged());
    }
    match dimensions {
        0 => Ok(Vec::new()),
        1 => {
            let (count, _lower_bound) = (bytes.count()?, bytes.i32()?);
            // Each element has at least a length, so a wrong count cannot cause a large allocation.
            let mut all = Vec::with_capacity(count.min(bytes.0.len() / 4));
            for _ in 0..count {
                all.push(element(bytes.value()?.ok_or_else(damaged)?)?);
            }
            Ok(all)
        }
        _ => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(wire: Wire, value: Option<&[u8]>) -> Vec<u8> {
        let mut bytes = wire.oid().to_be_bytes().to_vec();
        bytes.extend(value.map_or(-1, |value| i32::try_from(value.len()).unwrap()).to_be_bytes());
        bytes.extend(value.unwrap_or_default());
        bytes
    }

    fn composite(fields: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = i32::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(fields.concat());
        bytes
    }

    fn array(wire: Wire, elements: &[Option<&[u8]>]) -> Vec<u8> {
        let count = i32::try_from(elements.len()).unwrap();
        let mut bytes = [1_i32.to_be_bytes(), 0_i32.to_be_bytes(), wire.oid().to_be_bytes()].concat();
        bytes.extend([count.to_be_bytes(), 1_i32.to_be_bytes()].concat());
        for element in elements {
            bytes.extend(element.map_or(-1, |element| i32::try_from(element.len()).unwrap()).to_be_bytes());
            bytes.extend(element.unwrap_or_default());
        }
        bytes
    }

    fn sample() -> Vec<u8> {
        composite(&[
            field(Wire::Bool, Some(&[1])),
            field(Wire::Int, Some(&(-5_i64).to_be_bytes())),
            field(Wire::Text, Some("Käthe".as_bytes())),
            field(Wire::Bool, None),
            field(Wire::Text, None),
            field(Wire::Uuid, Some(&[7; 16])),
            field(Wire::Time, Some(&0_i64.to_be_bytes())),
            field(Wire::Date, Some(&(-1_i32).to_be_bytes())),
            field(Wire::Texts, Some(&array(Wire::Text, &[Some(b"a"), Some(b"")]))),
            field(Wire::Uuids, Some(&[[0; 8].as_slice(), &2950_u32.to_be_bytes()].concat())),
            field(Wire::Json, Some(b"\x01[1,2]")),
        ])
    }

    fn read(bytes: &[u8]) -> Result<(), StoreError> {
        let mut fields = Fields::new(bytes)?;
        assert_eq!(fields.bool()?, Some(true));
        assert_eq!(fields.int()?, Some(-5));
        assert!(!fields.skip_null()?);
        assert_eq!(fields.text()?, Some("Käthe"));
        // `skip_null` does not detect a truncated null; the next read does.
        if !fields.skip_null()? {
            fields.bool()?;
        }
        assert_eq!(fields.text()?, None);
        assert_eq!(fields.id()?, Some(Id::from_uuid(Uuid::from_bytes([7; 16]))));
        assert_eq!(fields.time()?.map(|time| time.to_string()).as_deref(), Some("2000-01-01T00:00:00Z"));
        assert_eq!(fields.date()?.map(|date| date.to_string()).as_deref(), Some("1999-12-31"));
        assert_eq!(fields.texts()?, Some(vec!["a", ""]));
        assert_eq!(fields.ids()?, Some(vec![]));
        assert_eq!(fields.json::<Vec<i32>>()?, Some(vec![1, 2]));
        assert_eq!(fields.left(), 0);
        Ok(())
    }

    #[test]
    fn fields_are_read_in_turn() {
        read(&sample()).unwrap();
    }

    #[test]
    fn what_is_cut_short_is_corrupt() {
        let whole = sample();
        for length in 0..whole.len() {
            assert!(matches!(read(&whole[..length]), Err(StoreError::Corrupt(_))), "{length} bytes");
        }
    }

    #[test]
    fn what_is_not_as_said_is_corrupt() {
        let one = |wire, bytes: &[u8]| composite(&[field(wire, Some(bytes))]);
        let fails = |bytes: &[u8], read: fn(&mut Fields<'_>) -> bool| {
            assert!(read(&mut Fields::new(bytes).unwrap()), "{bytes:?}");
        };
        fails(&composite(&[]), |fields| fields.text().is_err());
        fails(&one(Wire::Int, &[0; 8]), |fields| fields.time().is_err());
        fails(&one(Wire::Int, &[0; 4]), |fields| fields.int().is_err());
        fails(&one(Wire::Text, &[0xff]), |fields| fields.text().is_err());
        // Infinity, and the day after the year 9999.
        fails(&one(Wire::Time, &i64::MAX.to_be_bytes()), |fields| fields.time().is_err());
        fails(&one(Wire::Time, &i64::MIN.to_be_bytes()), |fields| fields.time().is_err());
        fails(&one(Wire::Date, &i32::MAX.to_be_bytes()), |fields| fields.date().is_err());
        fails(&one(Wire::Json, b"\x02[]"), |fields| fields.json::<Vec<i32>>().is_err());
        fails(&one(Wire::Json, b"\x01[] []"), |fields| fields.json::<Vec<i32>>().is_err());
        fails(&one(Wire::Texts, &array(Wire::Text, &[None])), |fields| fields.texts().is_err());
        fails(&one(Wire::Texts, &array(Wire::Uuid, &[])), |fields| fields.texts().is_err());
        // A count larger than the number of elements.
        let mut many = array(Wire::Text, &[]);
        many[12..16].copy_from_slice(&i32::MAX.to_be_bytes());
        fails(&one(Wire::Texts, &many), |fields| fields.texts().is_err());
    }
}
