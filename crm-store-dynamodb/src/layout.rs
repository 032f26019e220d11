//! Which declared index stands in which of the table's global indexes, and what the attributes are called.
//!
//! The table has eight global indexes for records, shared by all kinds: each has a partition attribute of its own
//! (`g0` … `g7`), and a sort attribute that it shares with others (`sa` for five, `sb` for two, `sc` for one), since
//! a kind sorts most of its indexes by one and the same field. An item stands in a global index only if it has its
//! partition attribute, so sharing costs nothing and saves 34 bytes an index in every copy of an item.
//!
//! The slots follow from the declarations: fields in the order of how many indexes they sort, each taking free slots.
//! Archived records by their creation stand in the global index of stage moves, which has attributes that records have no
//! other use for: the sort attributes of their own hold what the machine writes, which archiving must not have to know.
//! The due records of a kind that declares them stand in one more of the eight, of all tenants together, under the sort
//! attribute that their tenant's index of them has anyhow.

use std::{collections::HashMap, sync::LazyLock};

use crm_core::{
    catalog,
    schema::{Group, IndexDecl, KindDecl, Section, common},
    value::{Kind, Value},
};

/// How many global indexes there are for records.
pub(crate) const SLOTS: usize = 8;
/// Their names.
pub(crate) const NAMES: [&str; SLOTS] =
    ["records-0", "records-1", "records-2", "records-3", "records-4", "records-5", "records-6", "records-7"];
/// Their partition attributes.
pub(crate) const PARTITIONS: [&str; SLOTS] = ["g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7"];
/// The sort attributes.
pub(crate) const SORTS: [&str; 3] = ["sa", "sb", "sc"];
/// Which sort attribute each global index has.
pub(crate) const SORT_OF: [usize; SLOTS] = [0, 0, 0, 0, 0, 1, 1, 2];

/// The index of a tenant's log, and its partition and sort attribute.
pub(crate) const LOG_NAME: &str = "log";
pub(crate) const LOG: (&str, &str) = ("lp", "ls");
/// The index of stage moves, and its partition and sort attribute.
pub(crate) const MOVES_NAME: &str = "stage-moves";
pub(crate) const MOVES: (&str, &str) = ("mp", "ms");

/// The slot of archived records by their creation: the index of stage moves.
pub(crate) const ARCHIVED_SLOT: usize = SLOTS;

/// The global index of a slot: its name, its partition attribute and its sort attribute.
pub(crate) fn global(slot: usize) -> (&'static str, &'static str, &'static str) {
    match slot {
        ARCHIVED_SLOT => (MOVES_NAME, MOVES.0, MOVES.1),
        _ => (NAMES[slot], PARTITIONS[slot], SORTS[SORT_OF[slot]]),
    }
}

/// The version of the person's group.
pub(crate) const PERSON: &str = "v";
/// The version of the machine's group.
pub(crate) const MACHINE: &str = "w";
/// The person's version at which the long texts were last written, in the record and in the item of the texts.
pub(crate) const TEXTS_VERSION: &str = "tv";

/// The attributes of the fields that every record has.
pub(crate) const COMMON: [&str; common::COUNT] =
    ["ca", "cb", "ua", "ub", "st", "aa", "xi", "pr", "sw", "mi", "si", "al", "ea"];

/// The attribute of a field: short for the fields that every record has, for the others their names.
pub(crate) fn attribute(decl: &KindDecl, field: usize) -> &'static str {
    COMMON.get(field).copied().unwrap_or_else(|| decl.fields[field].name)
}

/// The group whose version a field's writes are under.
pub(crate) const fn group(decl_section: Section) -> Group {
    decl_section.group()
}

/// Where the indexes of one kind stand.
#[derive(Debug)]
pub(crate) struct Layout {
    /// For each declared index its slot.
    pub(crate) slots: Vec<usize>,
    /// For each sort attribute the field it holds, where it holds one.
    pub(crate) sorts: [Option<usize>; SORTS.len()],
    /// The slot of the due records of all tenants, where the kind declares them.
    pub(crate) due: Option<usize>,
    /// The list-valued fields that have entries, each with its indexes.
    pub(crate) element_fields: Vec<(usize, Vec<usize>)>,
    /// True where the kind has long texts.
    pub(crate) has_long_texts: bool,
    /// For each declared index the one that serves it for records without some value, where there is one.
    fallbacks: Vec<Option<usize>>,
}

/// The layout of a kind.
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
        // An index that found no slot would stand in slot 0 beside another; a test holds that every one finds its own.
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
        // A record is live or archived: the archived ones stand where the walk of the live ones stands.
        slots[decl.archived().position] = slots[decl.walk().position];
        slots[decl.archived_walk().position] = ARCHIVED_SLOT;
        let mut element_fields: Vec<(usize, Vec<usize>)> = Vec::new();
        for index in decl.indexes.iter().filter(|index| index.per_element) {
            let field = index.equals[0];
            let indexes = match element_fields.iter_mut().find(|(other, _)| *other == field) {
                Some((_, indexes)) => indexes,
                None => &mut element_fields.push_mut((field, Vec::new())).1,
            };
            // An entry is an item of its own: the nth index of a field uses the nth sort attribute's first slot.
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

    /// The index that lists, in the same order, also the records that `index` leaves out because a value is missing.
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

    /// The partition of a record in an index; `None` where it does not stand in it.
    pub(crate) fn partition(&self, image: &crm_core::schema::Image, index: &IndexDecl) -> Option<String> {
        let equals = index.entries(image).into_iter().next()?;
        if self.fallback(image.decl, index, &equals).is_some() {
            return None;
        }
        Some(crate::key::index(image.tenant, image.decl, index, &equals))
    }

    /// The sort attribute and value of a record in each sort attribute that its kind uses.
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
        // The creation never changes, so the place of a record that is restored may stay: it has no partition then.
        if image.is_archived() && written(Group::Person) {
            let (_, _, sort) = global(ARCHIVED_SLOT);
            keys.push((sort, crate::key::index_place(&decl.archived_walk().sort_value(image), image.id)));
        }
        keys
    }
}

/// True for the equal fields whose missing value is nobody's queue: not an owner's or a team's.
fn is_optional(decl: &KindDecl, field: usize) -> bool {
    !decl.own.contains(&field) && !decl.team.contains(&field)
}

/// The index that serves `index` where one of its values is missing: the same sort, and of its equal fields those that
/// cannot be missing so.
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
        // A write of the machine's group alone must not have to know what a person wrote: it moves sort values only.
        for decl in catalog::all() {
            for index in &decl.indexes {
                let mut fields = index.equals.clone();
                if index.per_element || index.archived || index.position == 0 {
                    fields.push(index.sort);
                }
                for field in fields {
                    assert_eq!(group(decl.fields[field].section), Group::Person, "{} {}", decl.kind, index.name);
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
        // They are read whole by one query.
        assert!(catalog::all().filter(|decl| decl.is_definition).all(|decl| !of(decl).has_long_texts));
    }

    #[test]
    fn a_lead_without_an_address_is_found_by_walking() {
        let decl = catalog::decl(Kind::Lead);
        let by_email = decl.index("email -> created_at").expect("declared");
        let other = of(decl).fallback(decl, by_email, &[Value::Null]).expect("one");
        assert_eq!(other.name, decl.walk().name);
        assert!(of(decl).fallback(decl, by_email, &[Value::text("a@b.example")]).is_none());
        // The unassigned queue is work, and has entries of its own.
        let by_owner = decl.index("owner_id -> created_at").expect("declared");
        assert!(of(decl).fallback(decl, by_owner, &[Value::Null]).is_none());
    }
}
