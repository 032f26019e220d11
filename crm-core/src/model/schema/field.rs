//! One field of a kind: its name, type, section and marks; and how a value from outside becomes the field's.

use std::sync::Arc;

use crate::model::value::{
    Currency, Date, Decimal, Fault, Id, Kind, Money, Ref, Time, Value, normalize_domain, normalize_email,
    normalize_phone, normalize_slug, normalize_url,
};

/// Characters in a text.
pub const MAX_TEXT: usize = 255;
/// Bytes in a long text.
pub const MAX_LONG_TEXT: usize = 64 * 1024;
/// Bytes in one structured value.
const MAX_STRUCTURED: usize = 16 * 1024;
/// Bytes in one structured value that the machine makes (a trained model, a trial): it fits a record together with all
/// else that stands there.
pub const MAX_MADE: usize = 96 * 1024;
/// Bytes in all custom properties of a record.
const MAX_PROPERTIES: usize = 64 * 1024;

/// Who writes a field, and whether the log holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Kept by the core about the record itself (`created_at`, `updated_by`): set with a write, never logged.
    System,
    /// What people write; logged.
    Person,
    /// What only use cases write (`converted_at`); logged as any field of a person.
    ReadOnly,
    /// What the machine computes often, under a version of its own; not logged.
    Machine,
    /// A pure function of the other fields of a person, recomputed at every write; never logged.
    Derived,
}

impl Section {
    /// The group whose version counts its writes.
    pub const fn group(self) -> super::Group {
        match self {
            Section::Machine => super::Group::Machine,
            Section::System | Section::Person | Section::ReadOnly | Section::Derived => super::Group::Person,
        }
    }
}

/// The type of a field: what values it takes and how it is written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// `true` or `false`.
    Bool,
    /// A whole number from the first to the second.
    Int(i64, i64),
    /// A decimal number.
    Decimal,
    /// An amount of a currency.
    Money,
    /// A text of at most so many characters, trimmed.
    Text(usize),
    /// A text of at most 64 KB; returned by `get`, left out of lists.
    LongText,
    /// A folded key that the core makes (`search_text`).
    Folded,
    /// An e-mail address, in lower case.
    Email,
    /// A phone number in E.164.
    Phone,
    /// A domain name in lower case without `www.`.
    Domain,
    /// An http or https URL.
    Url,
    /// A slug: lower-case letters, digits, `-` and `_`.
    Key,
    /// A currency code of ISO 4217.
    Currency,
    /// A time zone of the IANA database, such as `Europe/Berlin`.
    TimeZone,
    /// One of some names.
    Choice(&'static [&'static str]),
    /// A moment.
    Time,
    /// A day.
    Date,
    /// A record of one kind.
    Id(Kind),
    /// A stage of the record's pipeline.
    StageId,
    /// A record of one of some kinds.
    Ref(&'static [Kind]),
    /// At most so many texts of at most so many characters, each once.
    Texts(usize, usize),
    /// At most so many records of one kind, each once.
    Ids(Kind, usize),
    /// Records of some kinds, at most so many, each once.
    Refs(&'static [Kind], usize),
    /// A structured value (an address).
    Struct,
    /// At most so many structured values.
    Structs(usize),
    /// Custom properties by key.
    Properties,
}

/// What else a declaration says of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // independent marks, each said or not
pub struct Marks {
    /// May not be missing or empty.
    pub required: bool,
    /// At most one live record of the tenant has this value: a claim.
    pub unique: bool,
    /// Part of the record's search text.
    pub searchable: bool,
    /// Reports may group by it.
    pub reportable: bool,
    /// About a person: forgotten in place, in the record and in the log, when the person is.
    pub personal: bool,
    /// Never shown and never in the log, which holds only that it changed.
    pub secret: bool,
    /// Something that somebody does not want (`do_not_email`): conversion, upsert, import and merge never take it back.
    pub restricts: bool,
    /// Of a field of the machine: each of its changes is announced, so that the log tells it all the same.
    pub announced: bool,
    /// Of a list of structures: each may name a record as its `ref`.
    pub refers: bool,
}

/// What a field is made of: whoever may not see the source may not see what is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A field of the same record, of which it is a function: where the field itself is hidden, the source is too, since
    /// it would tell it.
    Own(&'static str),
    /// A field of the same record that suggests it, or without which it would be empty. It does not tell its source in
    /// full, nor the source it: hidden with its source, and not the other way round.
    Follows(&'static str),
    /// A field of records of a kind that refer to it, or that it refers to.
    Of(Kind, &'static str),
    /// Whatever the active scoring model of its kind reads.
    Model,
}

/// One field of a kind.
#[derive(Clone, Copy, Debug)]
pub struct FieldDecl {
    /// The name, `snake_case`, the same in JSON, filters, the log and SQL.
    pub name: &'static str,
    /// The type.
    pub ty: FieldType,
    /// Who writes it.
    pub section: Section,
    /// What else is said of it.
    pub marks: Marks,
    /// What it is made of. Of `search_text`, which every kind has, it is every searchable field.
    pub made_of: &'static [Source],
}

impl FieldDecl {
    /// True where the log holds the field's changes.
    pub const fn is_logged(&self) -> bool {
        matches!(self.section, Section::Person | Section::ReadOnly)
    }

    /// True for structured values, whose shape their Rust type says.
    pub const fn is_structured(&self) -> bool {
        matches!(self.ty, FieldType::Struct | FieldType::Structs(_))
    }

    /// True for long text, which lists leave out.
    pub const fn is_long(&self) -> bool {
        matches!(self.ty, FieldType::LongText)
    }
}

impl FieldType {
    /// True for the types whose value is a list.
    pub const fn is_list(&self) -> bool {
        matches!(self, FieldType::Texts(..) | FieldType::Ids(..) | FieldType::Refs(..) | FieldType::Structs(_))
    }

    /// The type of the elements where this is a list that filters can look into; else itself.
    #[must_use]
    pub const fn element(&self) -> FieldType {
        match self {
            FieldType::Texts(_, max) => FieldType::Text(*max),
            FieldType::Ids(kind, _) => FieldType::Id(*kind),
            FieldType::Refs(kinds, _) => FieldType::Ref(kinds),
            other => *other,
        }
    }

    /// True for the types that are written as texts of their own.
    const fn is_text(&self) -> bool {
        matches!(
            self,
            FieldType::Text(_)
                | FieldType::LongText
                | FieldType::Folded
                | FieldType::Email
                | FieldType::Phone
                | FieldType::Domain
                | FieldType::Url
                | FieldType::Key
                | FieldType::Currency
                | FieldType::TimeZone
                | FieldType::Choice(_)
        )
    }

    /// What the type is called in messages.
    pub const fn describe(&self) -> &'static str {
        match self {
            FieldType::Bool => "true or false",
            FieldType::Int(..) => "a whole number",
            FieldType::Decimal => "a decimal number as a string",
            FieldType::Money => "an amount such as {\"amount\": \"10.50\", \"currency\": \"EUR\"}",
            FieldType::Text(_) | FieldType::LongText | FieldType::Folded => "text",
            FieldType::Email => "an email address",
            FieldType::Phone => "a phone number",
            FieldType::Domain => "a domain name",
            FieldType::Url => "a URL",
            FieldType::Key => "a key",
            FieldType::Currency => "a currency code",
            FieldType::TimeZone => "a time zone",
            FieldType::Choice(_) => "one of the field's choices",
            FieldType::Time => "a time such as 2024-01-31T09:30:00Z",
            FieldType::Date => "a date such as 2024-01-31",
            FieldType::Id(_) | FieldType::StageId => "an id",
            FieldType::Ref(_) => "a reference such as {\"kind\": \"lead\", \"id\": \"…\"}",
            FieldType::Texts(..) => "a list of text values",
            FieldType::Ids(..) => "a list of ids",
            FieldType::Refs(..) => "a list of references",
            FieldType::Struct => "an object",
            FieldType::Structs(_) => "a list of objects",
            FieldType::Properties => "an object with custom properties",
        }
    }

    /// Reads a value of this type from plain JSON. `null` is a missing value of every type.
    ///
    /// # Errors
    /// A [`Fault`] with code `wrong_type` (or that of the format).
    pub fn read_json(&self, json: &serde_json::Value) -> Result<Value, Fault> {
        use serde_json::Value as Json;
        let wrong = || Fault::new("wrong_type", format!("must be {}", self.describe()));
        let value = match (self, json) {
            (_, Json::Null) => Value::Null,
            // What a form sends for a field that was emptied. Texts are trimmed by their normal form.
            (ty, Json::String(text)) if text.trim().is_empty() && !ty.is_text() => Value::Null,
            (FieldType::Bool, Json::Bool(flag)) => Value::Bool(*flag),
            (FieldType::Int(..), Json::Number(number)) => Value::Int(number.as_i64().ok_or_else(wrong)?),
            (FieldType::Decimal, Json::String(text)) => Value::Decimal(text.parse().map_err(|_| wrong())?),
            (FieldType::Decimal, Json::Number(number)) => {
                Value::Decimal(Decimal::from(number.as_i64().ok_or_else(wrong)?))
            }
            (FieldType::Money, Json::Object(_)) => {
                let currency = json.get("currency").and_then(Json::as_str).ok_or_else(wrong)?;
                let amount: Decimal =
                    json.get("amount").and_then(|a| serde_json::from_value(a.clone()).ok()).ok_or_else(wrong)?;
                let currency: Currency = currency
                    .parse()
                    .map_err(|_| Fault::new("unknown_currency", "must be an ISO 4217 currency code"))?;
                Value::Money(Money { amount, currency })
            }
            (
                FieldType::Text(_)
                | FieldType::LongText
                | FieldType::Email
                | FieldType::Phone
                | FieldType::Domain
                | FieldType::Url
                | FieldType::Key
                | FieldType::Currency
                | FieldType::TimeZone
                | FieldType::Choice(_),
                Json::String(text),
            ) => Value::text(text.as_str()),
            (FieldType::Time, Json::String(text)) => Value::Time(text.parse::<Time>().map_err(|_| wrong())?),
            (FieldType::Date, Json::String(text)) => Value::Date(text.parse::<Date>().map_err(|_| wrong())?),
            (FieldType::Id(_) | FieldType::StageId, Json::String(text)) => {
                Value::Id(text.parse::<Id>().map_err(|_| wrong())?)
            }
            (FieldType::Ref(_), Json::Object(_)) => {
                Value::Ref(serde_json::from_value::<Ref>(json.clone()).map_err(|_| wrong())?)
            }
            (FieldType::Texts(..) | FieldType::Ids(..) | FieldType::Refs(..), Json::Array(items)) => {
                let element = self.element();
                Value::List(items.iter().map(|item| element.read_json(item)).collect::<Result<Arc<[_]>, _>>()?)
            }
            (FieldType::Struct, Json::Object(_)) => Value::Json(Arc::new(json.clone())),
            (FieldType::Structs(_), Json::Array(items)) => {
                Value::list(items.iter().map(|item| Value::Json(Arc::new(item.clone()))))
            }
            _ => return Err(wrong()),
        };
        Ok(value)
    }

    /// As [`FieldType::normalize`], of a value that the machine makes: a structured one may have [`MAX_MADE`] bytes.
    ///
    /// # Errors
    /// As [`FieldType::normalize`].
    pub fn normalize_made(&self, value: Value, default_country: Option<&str>) -> Result<Value, Fault> {
        match (self, value) {
            (FieldType::Struct, Value::Json(json)) => structured(json, MAX_MADE),
            (_, value) => self.normalize(value, default_country),
        }
    }

    /// Brings a value into the type's normal form: trimmed text, lower-case e-mail, E.164 phone, each list element
    /// once. An empty text is a missing value.
    ///
    /// # Errors
    /// A [`Fault`] that says what would be right.
    pub fn normalize(&self, value: Value, default_country: Option<&str>) -> Result<Value, Fault> {
        let wrong = || Fault::new("wrong_type", format!("must be {}", self.describe()));
        Ok(match (self, value) {
            (_, Value::Null) => Value::Null,
            (_, Value::NotLoaded) => Value::NotLoaded,
            (FieldType::Bool, value @ Value::Bool(_))
            | (FieldType::Decimal, value @ Value::Decimal(_))
            | (FieldType::Time, value @ Value::Time(_))
            | (FieldType::Date, value @ Value::Date(_))
            | (FieldType::Id(_) | FieldType::StageId, value @ Value::Id(_))
            | (FieldType::Money, value @ Value::Money(_)) => value,
            (FieldType::Ref(kinds), Value::Ref(target)) => {
                if !kinds.contains(&target.kind) {
                    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                    return Err(Fault::new("wrong_kind", format!("must be of kind {}", names.join(", "))));
                }
                Value::Ref(target)
            }
            (FieldType::Int(min, max), Value::Int(number)) => {
                if number < *min {
                    return Err(Fault::new("too_small", format!("must be at least {min}")));
                }
                if number > *max {
                    return Err(Fault::new("too_large", format!("must be at most {max}")));
                }
                Value::Int(number)
            }
            (_, Value::Text(text)) => self.normalize_text(&text, default_country)?,
            (FieldType::Texts(max, _) | FieldType::Ids(_, max) | FieldType::Refs(_, max), Value::List(items)) => {
                let element = self.element();
                let mut normal: Vec<Value> = Vec::with_capacity(items.len().min(*max));
                for item in items.iter() {
                    let item = element.normalize(item.clone(), default_country)?;
                    if !item.is_null() && !normal.contains(&item) {
                        if normal.len() == *max {
                            return Err(Fault::new("too_many", format!("must have at most {max} elements")));
                        }
                        normal.push(item);
                    }
                }
                Value::List(normal.into())
            }
            (FieldType::Structs(max), Value::List(items)) => {
                if items.len() > *max {
                    return Err(Fault::new("too_many", format!("must have at most {max} elements")));
                }
                for item in items.iter() {
                    FieldType::Struct.normalize(item.clone(), None)?;
                }
                Value::List(items)
            }
            (FieldType::Struct, Value::Json(json)) => structured(json, MAX_STRUCTURED)?,
            (FieldType::Properties, Value::Map(map)) => {
                let value = Value::Map(map);
                if value.size() > MAX_PROPERTIES {
                    return Err(Fault::new("too_long", format!("must be at most {MAX_PROPERTIES} bytes in total")));
                }
                value
            }
            _ => return Err(wrong()),
        })
    }

    /// Holds what a user may write of a value of this type, besides its normal form: amounts and decimals are below 10^18
    /// in size ([`Decimal::BOUND`]), so that sums of them always fit. What is read, compared or computed may be larger.
    ///
    /// # Errors
    /// A [`Fault`] with code `too_large` or `too_small`.
    pub fn within_bounds(&self, value: Value) -> Result<Value, Fault> {
        match &value {
            Value::Decimal(number) | Value::Money(Money { amount: number, .. }) if !number.is_in_range() => {
                let bound = Decimal::BOUND;
                Err(if number.is_negative() {
                    Fault::new("too_small", format!("must be more than -{bound}"))
                } else {
                    Fault::new("too_large", format!("must be less than {bound}"))
                })
            }
            _ => Ok(value),
        }
    }

    fn normalize_text(&self, text: &str, default_country: Option<&str>) -> Result<Value, Fault> {
        let too_long = |max: usize, unit: &str| Fault::new("too_long", format!("must have at most {max} {unit}"));
        if text.contains('\0') {
            return Err(Fault::new("nul", "must not contain NUL characters"));
        }
        let trimmed = match self {
            FieldType::LongText => text,
            FieldType::Text(max) => one_line(text, *max)?,
            _ => text.trim(),
        };
        if trimmed.is_empty() {
            return Ok(Value::Null);
        }
        // A bound in bytes first, so that nothing walks through megabytes of rubbish.
        let bound = match self {
            FieldType::LongText => MAX_LONG_TEXT,
            FieldType::Text(max) => max * 4,
            FieldType::Url => 2048,
            _ => MAX_TEXT * 4,
        };
        if trimmed.len() > bound {
            return Err(match self {
                FieldType::LongText => too_long(MAX_LONG_TEXT, "bytes"),
                FieldType::Text(max) => too_long(*max, "characters"),
                _ => too_long(MAX_TEXT, "characters"),
            });
        }
        let normal: Arc<str> = match self {
            FieldType::LongText => trimmed.into(),
            FieldType::Text(max) => {
                if trimmed.len() > *max && trimmed.chars().count() > *max {
                    return Err(too_long(*max, "characters"));
                }
                trimmed.into()
            }
            FieldType::Email => normalize_email(trimmed)?.into(),
            FieldType::Phone => normalize_phone(trimmed, default_country)?.into(),
            FieldType::Domain => normalize_domain(trimmed)?.into(),
            FieldType::Url => normalize_url(trimmed)?.into(),
            FieldType::Key => normalize_slug(trimmed)?.into(),
            FieldType::Currency => trimmed
                .parse::<Currency>()
                .map_err(|_| Fault::new("unknown_currency", "must be an ISO 4217 currency code such as EUR"))?
                .code()
                .into(),
            FieldType::TimeZone => trimmed
                .parse::<chrono_tz::Tz>()
                .map_err(|_| Fault::new("unknown_time_zone", "must be an IANA time zone such as Europe/Berlin"))?
                .name()
                .into(),
            FieldType::Choice(names) => {
                if !names.contains(&trimmed) {
                    return Err(Fault::new("unknown_choice", format!("must be one of {}", names.join(", "))));
                }
                trimmed.into()
            }
            _ => return Err(Fault::new("wrong_type", format!("must be {}", self.describe()))),
        };
        Ok(Value::Text(normal))
    }
}

/// A text as a person would read it: without blank and invisible characters around it. Characters that would make it look
/// like what it is not are refused; those that join letters stay.
///
/// # Errors
/// A [`Fault`] for control characters (line breaks are fine where more than a line fits), for characters that turn the
/// direction of what follows, and for a text of nothing that could be seen.
pub(crate) fn one_line(text: &str, max: usize) -> Result<&str, Fault> {
    let around = |c: char| c.is_whitespace() || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}');
    let trimmed = text.trim_matches(around);
    if trimmed.is_ascii() && !trimmed.bytes().any(|b| b.is_ascii_control()) {
        // The common case. What is blank is a missing value; what is invisible and not blank is no value at all.
        return if trimmed.is_empty() && !text.trim().is_empty() { Err(nothing_to_see()) } else { Ok(trimmed) };
    }
    let lines = max > MAX_TEXT;
    let breaks = |c: char| matches!(c, '\n' | '\r' | '\t');
    if trimmed.chars().any(|c| (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) && !(lines && breaks(c))) {
        return Err(Fault::new("control_character", "must not contain line breaks or control characters"));
    }
    if trimmed.chars().any(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')) {
        return Err(Fault::new("direction_override", "must not contain bidirectional text controls"));
    }
    if trimmed.chars().all(|c| c.is_whitespace() || is_invisible(c)) { Err(nothing_to_see()) } else { Ok(trimmed) }
}

/// What is said of a text of invisible characters.
fn nothing_to_see() -> Fault {
    Fault::new("invisible", "must contain a visible character")
}

/// Characters that show nothing by themselves: joiners, fillers, marks of direction, selectors.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// A structured value of at most so many bytes.
fn structured(json: Arc<serde_json::Value>, max: usize) -> Result<Value, Fault> {
    check_nul(&json)?;
    let value = Value::Json(json);
    if value.size() > max {
        return Err(Fault::new("too_long", format!("must be at most {max} bytes")));
    }
    Ok(value)
}

fn check_nul(json: &serde_json::Value) -> Result<(), Fault> {
    let nul = || Fault::new("nul", "must not contain NUL characters");
    match json {
        serde_json::Value::String(text) if text.contains('\0') => Err(nul()),
        serde_json::Value::Array(items) => items.iter().try_for_each(check_nul),
        serde_json::Value::Object(map) => {
            map.iter().try_for_each(|(key, value)| if key.contains('\0') { Err(nul()) } else { check_nul(value) })
        }
        _ => Ok(()),
    }
}
