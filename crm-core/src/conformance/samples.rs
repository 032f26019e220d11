//! Ordinary and extreme values of every type that a field or a custom property can have.

use std::sync::Arc;

use super::World;
use crate::{
    catalog,
    model::{
        schema::{FieldType, KindDecl, Section, common},
        value::{Currency, Date, Decimal, Kind, Money, Ref, Time, Value},
    },
};

/// Returns `true` if the field may be missing in a record written by the core.
pub(super) fn may_be_missing(decl: &KindDecl, at: usize) -> bool {
    let mut defaults = vec![Value::Null; decl.fields.len()];
    catalog::write_defaults(decl.kind, &mut defaults);
    let field = &decl.fields[at];
    !field.marks.required && field.section != Section::System && !is_kept_by_writes(at) && defaults[at].is_null()
}

/// Parses a decimal; 0 if the text is invalid, which would be an error in this file.
pub(super) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap_or(Decimal::ZERO)
}

/// Returns an amount of a currency.
pub(super) fn money(amount: &str, currency: Currency) -> Value {
    Value::Money(Money { amount: decimal(amount), currency })
}

/// Returns a time from microseconds since 1970, within the years 1 to 9999.
pub(super) fn time(micros: i64) -> Value {
    Value::Time(Time::EPOCH.plus_micros(micros))
}

/// Returns a day from days since 1970-01-01, or `Null` if it is out of range.
pub(super) fn day(days: i32) -> Value {
    Date::from_days(days).map_or(Value::Null, Value::Date)
}

/// Returns the first and the last valid day.
pub(super) fn first_and_last_day() -> [Value; 2] {
    [Value::Date(Date::of(Time::MIN)), Value::Date(Date::of(Time::MAX))]
}

/// Texts that are difficult for some layer: quotes, patterns, other scripts, and the empty text.
pub(super) const TEXTS: &[&str] = &[
    "plain",
    "Plain Text",
    "",
    " ",
    "'; drop table crm.lead; --",
    "\"quoted\" and 'quoted' and `quoted` and $$quoted$$",
    "back\\slash \\n \\u0041 \\\\ \\' E'\\x41'",
    "100% _under_ [class] {brace} (paren) ^$.*+?|",
    "{\"a\": [1, null, true]}",
    "{1,2,NULL,\"x\"}",
    "#name :value $1 ?1 @p ${env} {{x}} <b>&amp;</b>",
    "tab\tline\nreturn\r\nform\u{c}vertical\u{b}bell\u{7}escape\u{1b}delete\u{7f}",
    "\u{1}\u{2}\u{1f}\u{80}\u{85}\u{9f}\u{a0}\u{2028}\u{2029}",
    "Ünïcödé ÄÖÜ ß ẞ ſ İ ı ŉ ǆ ﬁ",
    "e\u{301} and é are not the same bytes",
    "Ω Ω K K Å Å",
    "日本語 中文 한국어 ไทย हिन्दी",
    "عربي עברית \u{202e}right to left\u{202c}",
    "👩‍👩‍👧‍👦 🏳️‍🌈 𝒳 𐍈 \u{10FFFF}",
    "\u{feff}bom \u{200b}zero \u{200d}joiner \u{ad}hyphen",
    "\u{fffd}\u{fffe}\u{ffff}\u{e000}\u{1fffe}",
    "null",
    "NULL",
    "true",
    "2024-01-01",
    "1e309",
    "-0",
    "NaN",
];

/// Returns a text of this many characters with four bytes each.
pub(super) fn wide_text(chars: usize) -> String {
    "𝄞".repeat(chars)
}

/// Returns values of a type, the most ordinary first. References name records of the world. Empty if no field can hold
/// a value of the type.
pub(super) fn values(ty: FieldType, world: &World) -> Vec<Value> {
    let texts = |list: &[&str]| list.iter().map(|text| Value::text(*text)).collect::<Vec<_>>();
    match ty {
        FieldType::Bool => vec![Value::Bool(true), Value::Bool(false)],
        FieldType::Int(min, max) => {
            let all = [7, 0, 1, -1, 10, 9, -10, 1_000_000, min, max];
            let mut fit: Vec<i64> = all.into_iter().filter(|number| (min..=max).contains(number)).collect();
            fit.dedup();
            fit.into_iter().map(Value::Int).collect()
        }
        FieldType::Decimal => DECIMALS.iter().map(|text| Value::Decimal(decimal(text))).collect(),
        FieldType::Money => {
            MONEY.iter().map(|(amount, usd)| money(amount, if *usd { Currency::USD } else { Currency::EUR })).collect()
        }
        FieldType::Text(max) => {
            let mut all: Vec<Value> =
                TEXTS.iter().filter(|text| text.chars().count() <= max).map(|text| Value::text(*text)).collect();
            all.push(Value::text(wide_text(max)));
            all
        }
        FieldType::LongText => {
            let mut all = texts(&TEXTS[..4]);
            all.push(Value::text("long ".repeat(crate::model::schema::MAX_LONG_TEXT / 5)));
            all
        }
        FieldType::Folded => texts(&["ada lovelace\nanalytical engines", "grace hopper\n100% navy_", "日本語\nété"]),
        FieldType::Email => {
            texts(&["ada@example.com", "grace_hopper%1@example.org", "o'neil@example.net", "zoë@example.com"])
        }
        FieldType::Phone => texts(&["+4930123456", "+12125550123", "+442079460000"]),
        FieldType::Domain => texts(&["example.com", "sub.example.org", "xn--bcher-kva.example"]),
        FieldType::Url => {
            texts(&["https://example.com/", "http://example.org/a?b=c&d=%20#e", "https://example.net/'x'"])
        }
        FieldType::Key => texts(&["alpha", "beta_2", "gamma-3"]),
        FieldType::Currency => texts(&["EUR", "USD", "JPY"]),
        FieldType::TimeZone => texts(&["Europe/Berlin", "UTC", "America/New_York"]),
        FieldType::Choice(names) => texts(names),
        FieldType::Time => {
            let mut all: Vec<Value> =
                [1_704_067_200_000_000, 0, -1, 1, 1_704_067_200_000_001, 1_704_067_199_999_999].map(time).into();
            all.extend([Value::Time(Time::MIN), Value::Time(Time::MAX)]);
            all
        }
        FieldType::Date => {
            let mut all: Vec<Value> = [19_723, 0, -1, 1, 19_782, -719_162 + 365].map(day).into();
            all.extend(first_and_last_day());
            all
        }
        FieldType::Id(kind) => ids(kind, world).into_iter().map(Value::Id).collect(),
        FieldType::StageId => world.stages.map(Value::Id).into(),
        FieldType::Ref(_) => refs(world).into_iter().map(Value::Ref).collect(),
        FieldType::Texts(..) => vec![
            Value::list(texts(&["hot", "new"])),
            Value::list(texts(&["new"])),
            Value::list(texts(&["it's", "100%", "a,b", "{x}", "\"q\"", "日本"])),
            Value::list([]),
        ],
        FieldType::Ids(kind, _) => {
            let all: Vec<Value> = ids(kind, world).into_iter().map(Value::Id).collect();
            lists(&all)
        }
        FieldType::Refs(..) => {
            let all: Vec<Value> = refs(world).into_iter().map(Value::Ref).collect();
            lists(&all)
        }
        FieldType::Struct => vec![structured(0), structured(1)],
        FieldType::Structs(_) => {
            vec![Value::list([structured(0), structured(1)]), Value::list([structured(1)]), Value::list([])]
        }
        FieldType::Properties => {
            let map = [("alpha".to_owned(), Value::Int(1)), ("beta".to_owned(), Value::text("2"))].into();
            vec![Value::Map(Arc::new(map))]
        }
    }
}

/// Decimals in no order; as text they would sort incorrectly.
pub(super) const DECIMALS: &[&str] = &[
    "1.5",
    "0",
    "10",
    "9",
    "-1",
    "-1.5",
    "-10",
    "0.1",
    "0.01",
    "0.0000000000000000000000000001",
    "-0.0000000000000000000000000001",
    "9999999999999999999999999999",
    "-9999999999999999999999999999",
    "12345678901234567.89012345678",
];

/// Amounts, and whether they are in dollars (otherwise euros).
const MONEY: &[(&str, bool)] = &[
    ("10.5", false),
    ("10.5", true),
    ("9", false),
    ("9", true),
    ("-9", false),
    ("-10.5", true),
    ("0", false),
    ("0.01", false),
    ("100", false),
    ("9999999999999999999999999999", true),
    ("-9999999999999999999999999999", false),
    ("0.0000000000000000000000000001", false),
];

/// Returns a list of all values, a list of the first, and an empty list.
fn lists(all: &[Value]) -> Vec<Value> {
    vec![Value::list(all.iter().cloned()), Value::list(all.iter().take(1).cloned()), Value::list([])]
}

/// Returns references for a field that refers to a kind. Empty for kinds that the world does not contain, because a
/// store may check references.
fn ids(kind: Kind, world: &World) -> Vec<crate::model::value::Id> {
    match kind {
        Kind::Organization => vec![world.tenant],
        Kind::User => world.users.into(),
        Kind::Team => world.teams.into(),
        Kind::Role => vec![world.role],
        Kind::Pipeline => vec![world.lead_pipeline, world.deal_pipeline],
        _ => Vec::new(),
    }
}

fn refs(world: &World) -> Vec<Ref> {
    let users = world.users.iter().map(|&id| Ref::new(Kind::User, id));
    users.chain(world.teams.iter().map(|&id| Ref::new(Kind::Team, id))).collect()
}

/// Returns a structured value that is difficult for JSON. Numbers are whole, since databases normalise others.
fn structured(which: usize) -> Value {
    let json = if which == 0 {
        serde_json::json!({"kind": "office", "street": "Unter den Linden 1", "city": "Berlin"})
    } else {
        serde_json::json!({
            "kind": "home", "street": "it's \"quoted\" \\ 日本 👩‍👧\n", "city": null, "lines": ["a", "", [], {}],
            "number": 9_007_199_254_740_993_i64, "negative": -1, "flag": true, "nested": {"deep": [1, 2, [3]]},
        })
    };
    Value::Json(Arc::new(json))
}

/// The types of custom properties, by the name of the property in the suite's tables.
pub(super) fn property_types() -> Vec<(&'static str, FieldType)> {
    vec![
        ("text", FieldType::Text(crate::model::schema::MAX_TEXT)),
        ("integer", FieldType::Int(i64::MIN, i64::MAX)),
        ("decimal", FieldType::Decimal),
        ("money", FieldType::Money),
        ("boolean", FieldType::Bool),
        ("date", FieldType::Date),
        ("datetime", FieldType::Time),
        ("select", FieldType::Text(crate::model::schema::MAX_TEXT)),
        ("multi_select", FieldType::Texts(100, 255)),
        ("url", FieldType::Url),
        ("email", FieldType::Email),
        ("phone", FieldType::Phone),
        ("reference", FieldType::Ref(Kind::LINKED)),
        ("reference_of_a_kind", FieldType::Id(Kind::User)),
    ]
}

/// Returns `true` if writes set the field themselves.
pub(super) fn is_kept_by_writes(position: usize) -> bool {
    matches!(
        position,
        common::CREATED_AT | common::CREATED_BY | common::UPDATED_AT | common::UPDATED_BY | common::ARCHIVED_AT
    )
}
