//! Placeholders of an expression. All names and values are replaced by placeholders, so no field can be a reserved word
//! and no value can be syntax.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue as Attribute;

/// The names by placeholder; `None` if empty.
pub(crate) type Names = Option<HashMap<String, String>>;
/// The values by placeholder; `None` if empty.
pub(crate) type Values = Option<HashMap<String, Attribute>>;

/// The names and values of an expression.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placeholders {
    names: HashMap<String, String>,
    by_name: HashMap<String, String>,
    values: HashMap<String, Attribute>,
}

impl Placeholders {
    /// Returns the placeholder of a name. The same name has the same placeholder.
    pub(crate) fn name(&mut self, name: &str) -> String {
        if let Some(placeholder) = self.by_name.get(name) {
            return placeholder.clone();
        }
        let placeholder = format!("#{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        self.by_name.insert(name.to_owned(), placeholder.clone());
        placeholder
    }

    /// Adds a value and returns its placeholder.
    pub(crate) fn value(&mut self, value: Attribute) -> String {
        let placeholder = format!(":{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// Returns the names and values by placeholder. An empty map becomes `None`, because DynamoDB rejects it.
    pub(crate) fn into_maps(self) -> (Names, Values) {
        (Some(self.names).filter(|map| !map.is_empty()), Some(self.values).filter(|map| !map.is_empty()))
    }
}
