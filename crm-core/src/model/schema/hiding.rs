//! The fields that are hidden together with a field: those computed from it, over any number of steps and kinds, and,
//! if it is itself computed, the fields from which it can be computed. Computed once from the declarations
//! ([`Source`]).

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use super::{Section, Source};
use crate::{catalog, model::value::Kind};

/// A field of a kind.
type Name = (Kind, &'static str);

#[derive(Debug, Default)]
struct Graph {
    /// The fields computed from a field.
    made: HashMap<Name, Vec<Name>>,
    /// The fields of the same record from which a field is computed.
    sources: HashMap<Name, Vec<Name>>,
}

fn graph() -> &'static Graph {
    static GRAPH: LazyLock<Graph> = LazyLock::new(|| {
        let mut graph = Graph::default();
        for decl in catalog::all() {
            let kind = decl.kind;
            for field in &decl.fields {
                let name = (kind, field.name);
                if field.marks.searchable {
                    graph.made.entry(name).or_default().push((kind, "search_text"));
                }
                for source in field.derived_from {
                    let from = match *source {
                        Source::Own(own) => {
                            graph.sources.entry(name).or_default().push((kind, own));
                            (kind, own)
                        }
                        Source::Follows(own) => (kind, own),
                        Source::Of(other, theirs) => (other, theirs),
                        Source::Model => continue,
                    };
                    graph.made.entry(from).or_default().push(name);
                }
            }
        }
        graph
    });
    &GRAPH
}

/// Returns the fields that are hidden together with a field. None for a custom property: only scores are computed from
/// them.
pub(crate) fn hidden_with(kind: Kind, field: &str) -> BTreeSet<(Kind, &'static str)> {
    let mut found = BTreeSet::new();
    let Some(decl) = catalog::decl(kind).field(field) else { return found };
    let graph = graph();
    let mut open = vec![(kind, decl.name)];
    found.insert((kind, decl.name));
    while let Some(name) = open.pop() {
        let sources = graph.sources.get(&name).into_iter().flatten();
        open.extend(sources.copied().filter(|source| is_hideable(*source) && found.insert(*source)));
    }
    open.extend(found.iter().copied());
    while let Some(name) = open.pop() {
        let made = graph.made.get(&name).into_iter().flatten();
        open.extend(made.copied().filter(|made| found.insert(*made)));
    }
    found
}

/// Fields that the core maintains about every record, such as the creation time, are not hidden: id and history reveal
/// them.
fn is_hideable((kind, name): Name) -> bool {
    catalog::decl(kind).field(name).is_some_and(|field| field.section != Section::System)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(kind: Kind, field: &str) -> Vec<String> {
        let found = hidden_with(kind, field).into_iter();
        found.filter(|name| *name != (kind, field)).map(|(kind, name)| format!("{kind}.{name}")).collect()
    }

    #[test]
    fn every_source_is_a_field_and_every_computed_field_is_hidden_with_its_sources() {
        let mut computed = 0;
        for decl in catalog::all() {
            for field in &decl.fields {
                for source in field.derived_from {
                    let (kind, name) = match *source {
                        Source::Own(name) | Source::Follows(name) => (decl.kind, name),
                        Source::Of(kind, name) => (kind, name),
                        Source::Model => {
                            assert!(crate::scoring::KINDS.contains(&decl.kind), "{}", decl.kind);
                            continue;
                        }
                    };
                    assert!(catalog::decl(kind).field(name).is_some(), "{}.{}: {name}", decl.kind, field.name);
                    assert!(hidden_with(kind, name).contains(&(decl.kind, field.name)), "{name} tells {}", field.name);
                    computed += 1;
                }
                if field.section == Section::Derived && field.name != "search_text" {
                    assert!(!field.derived_from.is_empty(), "{}.{} is a function of nothing", decl.kind, field.name);
                }
                assert!(
                    field.marks.searchable <= hidden_with(decl.kind, field.name).contains(&(decl.kind, "search_text"))
                );
            }
        }
        assert!(computed > 40, "{computed}");
    }

    #[test]
    fn a_field_takes_along_what_tells_it() {
        assert_eq!(with(Kind::Deal, "probability"), ["deal.weighted_value"]);
        assert_eq!(
            with(Kind::Deal, "weighted_value"),
            ["company.lifetime_value", "contact.lifetime_value", "deal.probability", "deal.value"]
                .map(str::to_owned)
                .into_iter()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
        );
        assert_eq!(with(Kind::Lead, "last_name"), ["lead.name", "lead.search_text"]);
        assert_eq!(with(Kind::Lead, "name"), ["lead.first_name", "lead.last_name", "lead.search_text"]);
        let scored = ["lead.grade", "lead.is_hot", "lead.model_version", "lead.score", "lead.scored_at"];
        for field in ["score", "grade", "is_hot", "model_version", "scored_at"] {
            let mut all = with(Kind::Lead, field);
            all.push(format!("lead.{field}"));
            all.sort_unstable();
            assert_eq!(all, scored, "{field}");
        }
        assert!(with(Kind::Deal, "pipeline_id").contains(&"deal.status".to_owned()));
        assert_eq!(with(Kind::Interaction, "happens_at").iter().filter(|name| name.contains("created_at")).count(), 0);
        assert_eq!(with(Kind::Lead, "no_such_field"), Vec::<String>::new());
    }
}
