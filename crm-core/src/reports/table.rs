//! Tables of groups: the keys that deals are grouped by, and the metrics of each group.

use std::collections::BTreeMap;

use serde::Serialize;

use super::query::GroupBy;
use crate::model::{error::Error, value::Id};

/// The limit of groups of one table.
pub(super) const MAX_GROUPS: usize = 10_000;

/// The key of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub enum Key {
    /// A record: the owner, the team, the company, the stage.
    Id(Id),
    /// A value in its JSON form, or a month or quarter.
    Text(String),
    /// No value, or none that the actor may see.
    Missing,
}

/// The deals of one combination of keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group<F> {
    /// One key for each [`Table::by`].
    pub keys: Vec<Key>,
    /// The display name of each key: the record's name, or the value; `None` if there is none, or if the actor may not
    /// see the record.
    pub names: Vec<Option<String>>,
    /// The metrics.
    pub figures: F,
}

/// The groups of one grouping, each with at least one deal, ordered by names, then keys; missing ones last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table<F> {
    /// The groupings.
    pub by: Vec<GroupBy>,
    /// The groups.
    pub groups: Vec<Group<F>>,
}

impl<F> Table<F> {
    /// Returns the metrics of the group whose keys have these names.
    pub fn find(&self, names: &[&str]) -> Option<&F> {
        let same = |group: &&Group<F>| {
            group.names.len() == names.len()
                && group.names.iter().zip(names).all(|(name, wanted)| name.as_deref() == Some(wanted))
        };
        self.groups.iter().find(same).map(|group| &group.figures)
    }
}

/// The state of the aggregation.
#[derive(Debug)]
pub(super) struct Tallies<T> {
    groups: BTreeMap<Vec<Key>, T>,
}

impl<T: Default> Tallies<T> {
    pub(super) const fn new() -> Self {
        Self { groups: BTreeMap::new() }
    }

    /// Returns the tally of some keys.
    pub(super) fn at(&mut self, keys: Vec<Key>) -> Result<&mut T, Error> {
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&keys) {
            return Err(Error::TooLarge { what: "the number of groups of a table", limit: MAX_GROUPS });
        }
        Ok(self.groups.entry(keys).or_default())
    }

    /// Returns the table, with names for all keys and all tallies finished.
    pub(super) fn table<F>(
        self,
        by: Vec<GroupBy>,
        name: impl Fn(usize, &Key) -> Option<String>,
        finish: impl Fn(T) -> Result<F, Error>,
    ) -> Result<Table<F>, Error> {
        let mut groups = Vec::with_capacity(self.groups.len());
        for (keys, tally) in self.groups {
            let names = keys.iter().enumerate().map(|(at, key)| name(at, key)).collect();
            groups.push(Group { keys, names, figures: finish(tally)? });
        }
        // Keys without a name come last.
        let order = |group: &Group<F>| -> Vec<(bool, Option<String>)> {
            group.names.iter().map(|name| (name.is_none(), name.clone())).collect()
        };
        groups.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.keys.cmp(&b.keys)));
        Ok(Table { by, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_ordered_by_name_and_missing_ones_last() {
        let mut tallies: Tallies<u64> = Tallies::new();
        for key in [Key::Missing, Key::Text("b".into()), Key::Text("a".into()), Key::Text("b".into())] {
            *tallies.at(vec![key]).unwrap() += 1;
        }
        let name = |_: usize, key: &Key| if let Key::Text(text) = key { Some(text.clone()) } else { None };
        let table = tallies.table(vec![GroupBy::Owner], name, Ok).unwrap();
        let found: Vec<_> = table.groups.iter().map(|group| (group.names[0].as_deref(), group.figures)).collect();
        assert_eq!(found, [(Some("a"), 1), (Some("b"), 2), (None, 1)]);
        assert_eq!(table.find(&["b"]), Some(&2));
        assert_eq!(table.find(&["c"]), None);
    }

    #[test]
    fn too_many_groups_are_refused() {
        let mut tallies: Tallies<u64> = Tallies::new();
        for number in 0..MAX_GROUPS {
            *tallies.at(vec![Key::Text(number.to_string())]).unwrap() += 1;
        }
        assert!(matches!(tallies.at(vec![Key::Missing]), Err(Error::TooLarge { .. })));
        assert!(tallies.at(vec![Key::Text("7".into())]).is_ok());
    }
}
