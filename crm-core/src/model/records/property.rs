//! Custom properties: fields that a tenant adds to a kind at run time.

use crate::model::{
    schema::record,
    value::{Choice, Kind, Value, choices, structured},
};

choices! {
    /// The type of a custom property.
    #[derive(Default)]
    pub enum PropertyType {
        /// A text.
        #[default]
        Text = "text",
        /// A long text.
        LongText = "long_text",
        /// A whole number.
        Integer = "integer",
        /// A decimal number.
        Decimal = "decimal",
        /// An amount of a currency.
        Money = "money",
        /// True or false.
        Boolean = "boolean",
        /// A day.
        Date = "date",
        /// A moment.
        Datetime = "datetime",
        /// One of the options.
        Select = "select",
        /// Several of the options.
        MultiSelect = "multi_select",
        /// A URL.
        Url = "url",
        /// An e-mail address.
        Email = "email",
        /// A phone number.
        Phone = "phone",
        /// A record.
        Reference = "reference",
    }
}

/// One choice of a select.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertyOption {
    /// What is stored.
    pub value: String,
    /// What is shown.
    #[serde(default)]
    pub label: String,
    /// True where no record may take it any more.
    #[serde(default)]
    pub archived: bool,
}

/// Bounds of a property's value.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PropertyRules {
    /// The smallest number, or the fewest characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The largest number, or the most characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// For a reference: the kind it must name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The value of a record that is created without one.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub default: Value,
}
structured!(PropertyOption, PropertyRules);

record! {
    /// The definition of a custom property of one kind. Its key and type never change: archive it and add another.
    Property, NewProperty, PropertyPatch, PropertyFields {
        definition: true,
        own: [], team: [],
        person {
            /// Which kind it belongs to.
            kind: Option<Kind> = FieldType::Choice(Kind::NAMES), [required];
            /// Its name in `properties`, unique within the kind.
            key: String = Key, [required];
            /// What it is called.
            name: String = Text(MAX_TEXT), [required, searchable];
            /// What it is for.
            description: Option<String> = Text(2000), [];
            /// Its type.
            r#type: PropertyType = FieldType::Choice(PropertyType::NAMES), [];
            /// Whether a record must have it.
            required: bool = Bool, [];
            /// Whether at most one live record may have a value.
            unique: bool = Bool, [];
            /// Whether reports may group by it.
            reportable: bool = Bool, [];
            /// Whether it is about a person, and forgotten with the person.
            personal: bool = Bool, [];
            /// The choices of a select.
            options: Vec<PropertyOption> = Structs(200), [];
            /// Bounds and default.
            rules: Option<PropertyRules> = Struct, [];
            /// Its place among the kind's properties.
            position: i64 = Int(0, 10_000), [];
        }
        read_only {}
        machine {}
        derived {}
        indexes { (kind) -> position; }
    }
}
