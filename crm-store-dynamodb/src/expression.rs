//! Placeholders of one expression: every name and value stands for itself nowhere, so that no field can be a reserved
//! word and no value can be syntax.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue as Attribute;

/// What placeholders of names stand for; none where there are none.
pub(crate) type Names = Option<HashMap<String, String>>;
/// What placeholders of values stand for; none where there are none.
pub(crate) type Values = Option<HashMap<String, Attribute>>;

/// The names and values that an expression's placeholders stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placeholders {
    names: HashMap<String, String>,
    by_name: HashMap<String, String>,
    values: HashMap<String, Attribute>,
}

impl Placeholders {
    /// The placeholder of a name; the same each time.
    pub(crate) fn name(&mut self, name: &str) -> String {
        if let Some(placeholder) = self.by_name.get(name) {
            return placeholder.clone();
        }
        let placeholder = format!("#{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        self.by_name.insert(name.to_owned(), placeholder.clone());
        placeholder
    }

    /// A placeholder for a value.
    pub(crate) fn value(&mut self, value: Attribute) -> String {
        let placeholder = format!(":{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// What the placeholders stand for. DynamoDB refuses an empty map, so an empty one is none.
    pub(crate) fn into_maps(self) -> (Names, Values) {
        (Some(self.names).filter(|map| !map.is_empty()), Some(self.values).filter(|map| !map.is_empty()))
    }
}
