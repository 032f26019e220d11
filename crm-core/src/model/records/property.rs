//! Custom properties: fields that a tenant adds to a kind at run time.

use crate::model::{
    schema::record,
    value::{Choice, Kind, Value, choices, structured},
};

choices! {
    /// The type of a custom property.
    #[derive(Default)]
    pub enum PropertyType {
        /// Text.
        #[default]
        Text = "text",
        /// Long text.
        LongText = "long_text",
        /// Integer.
        Integer = "integer",
        /// Decimal number.
        Decimal = "decimal",
        /// Amount in a currency.
        Money = "money",
        /// `true` or `false`.
        Boolean = "boolean",
        /// Date.
        Date = "date",
        /// Date and time.
        Datetime = "datetime",
        /// One of the options.
        Select = "select",
        /// Any number of the options.
        MultiSelect = "multi_select",
        /// URL.
        Url = "url",
        /// Email address.
        Email = "email",
        /// Phone number.
        Phone = "phone",
        /// Reference to a record.
        Reference = "reference",
    }
}

/// An option of a select property.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertyOption {
    /// Stored value.
    pub value: String,
    /// Label shown to users.
    #[serde(default)]
    pub label: String,
    /// `true` if the option cannot be chosen any more.
    #[serde(default)]
    pub archived: bool,
}

/// Bounds of a property's values.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PropertyRules {
    /// Smallest number, or minimum number of characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// Largest number, or maximum number of characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// Kind of the records that a reference may name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Value of a record that is created without one.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub default: Value,
}
structured!(PropertyOption, PropertyRules);

record! {
    /// The definition of a custom property of one kind. Its key and type are fixed: archive it and add another one
    /// instead.
    Property, NewProperty, PropertyPatch, PropertyFields {
        definition: true,
        own: [], team: [],
        person {
            /// Kind of record.
            kind: Option<Kind> = FieldType::Choice(Kind::NAMES), [required];
            /// Key in `properties`, unique per kind.
            key: String = Key, [required];
            /// Name.
            name: String = Text(MAX_TEXT), [required, searchable];
            /// Description.
            description: Option<String> = Text(2000), [];
            /// Type.
            r#type: PropertyType = FieldType::Choice(PropertyType::NAMES), [];
            /// `true` if every record must have a value.
            required: bool = Bool, [];
            /// `true` if a value may occur on at most one live record.
            unique: bool = Bool, [];
            /// `true` if reports may group by it.
            reportable: bool = Bool, [];
            /// `true` if it is personal data, erased together with the person.
            personal: bool = Bool, [];
            /// Options of a select property.
            options: Vec<PropertyOption> = Structs(200), [];
            /// Bounds and default.
            rules: Option<PropertyRules> = Struct, [];
            /// Position among the properties of the kind.
            position: i64 = Int(0, 10_000), [];
        }
        read_only {}
        machine {}
        derived {}
        indexes { (kind) -> position; }
    }
}
