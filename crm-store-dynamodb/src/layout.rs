//! The assignment of declared indexes to the table's global indexes, and the names of the attributes.
//!
//! The table has eight global indexes for records, shared by all kinds. Each has its own partition attribute (`g0` …
//! `g7`) and shares a sort attribute with others (`sa` for five, `sb` for two, `sc` for one), because a kind sorts most
//! of its indexes by the same field. An item is in a global index only if it has the partition attribute, so sharing
//! costs nothing and saves 34 bytes per index in every copy of an item.
//!
//! The slots follow from the declarations: fields, ordered by the number of indexes they sort, take free slots in turn.
//! Archived records by creation time are in the global index of stage moves, whose attributes records do not use
//! otherwise. The records' own sort attributes may hold values of the machine group, which archiving must not need to
//! know. If a kind declares due records, those of all tenants are in another of the eight indexes, under the sort
//! attribute of the tenant's own index of them.

use std::{collections::HashMap, sync::LazyLock};

use crm_core::{
    catalog,
    schema::{Group, IndexDecl, KindDecl, Section, common},
    value::{Kind, Value},
};

/// The number of global indexes for records.
pub(crate) const SLOTS: usize = 8;
/// The names of the global indexes for records.
pub(crate) const NAMES: [&str; SLOTS] =
    ["records-0", "records-1", "records-2", "records-3", "records-4", "records-5", "records-6", "records-7"];
/// The partition attributes of the global indexes for records.
pub(crate) const PARTITIONS: [&str; SLOTS] = ["g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7"];
pub(crate) const SORTS: [&str; 3] = ["sa", "sb", "sc"];
/// The sort attribute of each global index.
pub(crate) const SORT_OF: [usize; SLOTS] = [0, 0, 0, 0, 0, 1, 1, 2];

/// The index of a tenant's log, with its partition and sort attributes.
pub(crate) const LOG_NAME: &str = "log";
pub(crate) const LOG: (&str, &str) = ("lp", "ls");
/// The index of stage moves, with its partition and sort attributes.
pub(crate) const MOVES_NAME: &str = "stage-moves";
pub(crate) const MOVES: (&str, &str) = ("mp", "ms");

/// The slot of archived records by creation time: the index of stage moves.
pub(crate) const ARCHIVED_SLOT: usize = SLOTS;

/// Returns the name, partition attribute and sort attribute of a slot's global index.
pub(crate) fn global(slot: usize) -> (&'static str, &'static str, &'static str) {
    match slot {
        ARCHIVED_SLOT => (MOVES_NAME, MOVES.0, MOVES.1),
        _ => (NAMES[slot], PARTITIONS[slot], SORTS[SORT_OF[slot]]),
    }
}

/// The version of the user group.
pub(crate) const PERSON: &str = "v";
/// The version of the machine group.
pub(crate) const MACHINE: &str = "w";
/// The version of the user group at which the long texts were last written, in the record and in the item of the texts.
pub(crate) const TEXTS_VERSION: &str = "tv";

/// The attributes of the common fields of all records.
pub(crate) const COMMON: [&str; common::COUNT] =
    ["ca", "cb", "ua", "ub", "st", "aa", "xi", "pr", "sw", "mi", "si", "al", "ea"];

/// The attribute of a field: a short name for common fields, the field's own name for others.
pub(crate) fn attribute(decl: &KindDecl, field: usize) -> &'static str {
    COMMON.get(field).copied().unwrap_or_else(|| decl.fields[field].name)
}

/// The group in which a field is written.
pub(crate) const fn group(decl_section: Section) -> Group {
    decl_section.group()
}

/// The assignment of the indexes of a kind.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The slot of each declared index.
    pub(crate) slots: Vec<usize>,
    /// The field in each sort attribute, if any.
    pub(crate) sorts: [Option<usize>; SORTS.len()],
    /// The slot of the due records of all tenants, if the kind declares them.
    pub(crate) due: Option<usize>,
    /// The list-valued fields with entries, each with its indexes.
    pub(crate) element_fields: Vec<(usize, Vec<usize>)>,
    pub(crate) has_long_texts: bool,
    /// For each declared index, the index that serves queries for a missing value, if any.
    fallbacks: Vec<Option<usize>>,
}

pub(crate) fn of(decl: &KindDecl) -> &'static Layout {
    static ALL: LazyLock<HashMap<Kind, Layout>> =
        LazyLock::new(|| catalog::all().map(|decl| (decl.kind, Layout::new(decl))).collect());
    static NONE: LazyLock<Layout> = LazyLock::new(|| Layout {
        slots: Vec::new(),
        sorts: [None; SORTS.len()],
        due: None,
        element_fields: Vec::new(),
        has_long_texts: false,
        fallbacks: Vec::new(),
    });
    ALL.get(&decl.kind).unwrap_or(&NONE)
}

impl Layout {
    fn new(decl: &KindDecl) -> Self {
        let plain: Vec<&IndexDecl> =
            decl.indexes.iter().filter(|index| !index.archived && !index.per_element).collect();
        let mut by_sort: Vec<(usize, Vec<usize>)> = Vec::new();
        for index in &plain {
            match by_sort.iter_mut().find(|(sort, _)| *sort == index.sort) {
                Some((_, indexes)) => indexes.push(index.position),
                None => by_sort.push((index.sort, vec![index.position])),
            }
        }
        by_sort.sort_by_key(|(sort, indexes)| std::cmp::Reverse(indexes.len() + usize::from(decl.due == Some(*sort))));
        let mut sorts: [Option<usize>; SORTS.len()] = [None; SORTS.len()];
        let mut taken = [false; SLOTS];
        // An index without a free slot would share slot 0 with another. A test verifies that every index finds its own.
        let mut slots = vec![0; decl.indexes.len()];
        for (sort, indexes) in by_sort {
            for index in indexes {
                let free = |fits: &dyn Fn(Option<usize>) -> bool| {
                    (0..SLOTS).find(|&slot| !taken[slot] && fits(sorts[SORT_OF[slot]]))
                };
                let slot = free(&|held| held == Some(sort)).or_else(|| free(&|held| held.is_none()));
                if let Some(slot) = slot {
                    taken[slot] = true;
                    sorts[SORT_OF[slot]] = Some(sort);
                    slots[index] = slot;
                }
            }
        }
        let due =
            decl.due.and_then(|field| (0..SLOTS).find(|&slot| !taken[slot] && sorts[SORT_OF[slot]] == Some(field)));
        // A record is either live or archived, so archived ones share the slot of the walk of live ones.
        slots[decl.archived().position] = slots[decl.walk().position];
        slots[decl.archived_walk().position] = ARCHIVED_SLOT;
        let mut element_fields: Vec<(usize, Vec<usize>)> = Vec::new();
        for index in decl.indexes.iter().filter(|index| index.per_element) {
            let field = index.equals[0];
            let indexes = match element_fields.iter_mut().find(|(other, _)| *other == field) {
                Some((_, indexes)) => indexes,
                None => &mut element_fields.push_mut((field, Vec::new())).1,
            };
            // An entry is a separate item, so the nth index of a field uses the first slot of the nth sort attribute.
            slots[index.position] = [0, 5, 7].get(indexes.len()).copied().unwrap_or(0);
            indexes.push(index.position);
        }
        Self {
            fallbacks: decl.indexes.iter().map(|index| fallback(decl, index)).collect(),
            has_long_texts: decl.fields.iter().any(crm_core::schema::FieldDecl::is_long),
            slots,
            sorts,
            due,
            element_fields,
        }
    }

    /// The index with the same order that also lists the records that `index` omits because a value is missing.
    pub(crate) fn fallback<'a>(
        &self,
        decl: &'a KindDecl,
        index: &IndexDecl,
        equals: &[Value],
    ) -> Option<&'a IndexDecl> {
        let missing =
            index.equals.iter().zip(equals).any(|(&field, value)| value.is_null() && is_optional(decl, field));
        let other = self.fallbacks.get(index.position).copied().flatten().filter(|_| missing)?;
        decl.indexes.get(other)
    }

    /// The partition of a record in an index; `None` if the record is not in it.
    pub(crate) fn partition(&self, image: &crm_core::schema::Image, index: &IndexDecl) -> Option<String> {
        let equals = index.entries(image).into_iter().next()?;
        if self.fallback(image.decl, index, &equals).is_some() {
            return None;
        }
        Some(crate::key::index(image.tenant, image.decl, index, &equals))
    }

    /// The sort attributes that the kind uses, with their values for a record.
    pub(crate) fn sort_keys(
        &self,
        image: &crm_core::schema::Image,
        written: impl Fn(Group) -> bool,
    ) -> Vec<(&'static str, String)> {
        let decl = image.decl;
        let walk = SORT_OF[self.slots[decl.walk().position]];
        let mut keys = Vec::with_capacity(SORTS.len());
        for (at, field) in self.sorts.iter().enumerate() {
            let Some(field) = *field else { continue };
            if !written(group(decl.fields[field].section)) {
                continue;
            }
            let by = if at == walk && image.is_archived() {
                Some(decl.archived())
            } else {
                decl.indexes.iter().find(|index| index.sort == field && !index.archived)
            };
            if let Some(by) = by {
                keys.push((SORTS[at], crate::key::index_place(&by.sort_value(image), image.id)));
            }
        }
        // The creation time never changes, so a restored record may keep this value; it has no partition then.
        if image.is_archived() && written(Group::User) {
            let (_, _, sort) = global(ARCHIVED_SLOT);
            keys.push((sort, crate::key::index_place(&decl.archived_walk().sort_value(image), image.id)));
        }
        keys
    }
}

/// Returns `true` for equal fields whose missing value is not a work queue, unlike those of owner and team.
fn is_optional(decl: &KindDecl, field: usize) -> bool {
    !decl.own.contains(&field) && !decl.team.contains(&field)
}

/// The index that serves `index` for a missing value: it has the same sort field, and only equal fields that are not
/// optional.
fn fallback(decl: &KindDecl, index: &IndexDecl) -> Option<usize> {
    if index.per_element || index.archived || !index.equals.iter().any(|&field| is_optional(decl, field)) {
        return None;
    }
    decl.indexes
        .iter()
        .find(|other| {
            !other.per_element
                && !other.archived
                && other.sort == index.sort
                && other.equals.len() < index.equals.len()
                && other.equals.iter().all(|field| index.equals.contains(field) && !is_optional(decl, *field))
        })
        .map(|other| other.position)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crm_core::schema::FieldType;

    use super::*;

    #[test]
    fn every_index_has_a_slot_of_its_own_with_its_sort_field() {
        for decl in catalog::all() {
            let layout = of(decl);
            let mut seen = HashSet::new();
            for index in decl.indexes.iter().filter(|index| !index.archived && !index.per_element) {
                let slot = layout.slots[index.position];
                assert!(seen.insert(slot), "{} {}", decl.kind, index.name);
                assert_eq!(layout.sorts[SORT_OF[slot]], Some(index.sort), "{} {}", decl.kind, index.name);
            }
            let due = layout.due.map(|slot| layout.sorts[SORT_OF[slot]]);
            assert_eq!(due, decl.due.map(Some), "{}", decl.kind);
            assert!(layout.due.is_none_or(|slot| seen.insert(slot)), "{}", decl.kind);
            for (_, indexes) in &layout.element_fields {
                assert!(indexes.len() <= SORTS.len(), "{}", decl.kind);
            }
        }
    }

    #[test]
    fn what_decides_where_a_record_stands_is_a_persons_field() {
        // A write of the machine group changes only sort values, so that it need not know the fields of the user group.
        for decl in catalog::all() {
            for index in &decl.indexes {
                let mut fields = index.equals.clone();
                if index.per_element || index.archived || index.position == 0 {
                    fields.push(index.sort);
                }
                for field in fields {
                    assert_eq!(group(decl.fields[field].section), Group::User, "{} {}", decl.kind, index.name);
                }
            }
        }
    }

    #[test]
    fn every_sort_field_is_of_a_type_that_keys_can_hold() {
        for decl in catalog::all() {
            for index in &decl.indexes {
                let ty = decl.fields[index.sort].ty;
                let fits = matches!(
                    ty,
                    FieldType::Int(..) | FieldType::Decimal | FieldType::Time | FieldType::Date | FieldType::Text(_)
                );
                assert!(fits, "{} {}", decl.kind, index.name);
            }
        }
    }

    #[test]
    fn no_attribute_has_two_meanings() {
        for decl in catalog::all() {
            let mut seen: HashSet<&str> = [crate::key::PK, crate::key::SK, PERSON, MACHINE, TEXTS_VERSION].into();
            seen.extend(PARTITIONS);
            seen.extend(SORTS);
            seen.extend([LOG.0, LOG.1, MOVES.0, MOVES.1, crate::table::EXPIRES]);
            for field in 0..decl.fields.len() {
                assert!(seen.insert(attribute(decl, field)), "{} {}", decl.kind, decl.fields[field].name);
            }
        }
    }

    #[test]
    fn definitions_have_no_long_texts() {
        // Definitions are read completely by one query.
        assert!(catalog::all().filter(|decl| decl.is_definition).all(|decl| !of(decl).has_long_texts));
    }

    #[test]
    fn a_lead_without_an_address_is_found_by_walking() {
        let decl = catalog::decl(Kind::Lead);
        let by_email = decl.index("email -> created_at").expect("declared");
        let other = of(decl).fallback(decl, by_email, &[Value::Null]).expect("one");
        assert_eq!(other.name, decl.walk().name);
        assert!(of(decl).fallback(decl, by_email, &[Value::text("a@b.example")]).is_none());
        // The unassigned queue is real work and has its own entries.
        let by_owner = decl.index("owner_id -> created_at").expect("declared");
        assert!(of(decl).fallback(decl, by_owner, &[Value::Null]).is_none());
    }
}
