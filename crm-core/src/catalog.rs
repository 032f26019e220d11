//! The catalog: the declaration of every kind, from which stores derive their tables.

use crate::model::{
    schema::{KindDecl, RecordKind},
    value::{Kind, Value},
};

/// Evaluates an expression with the record type of a kind as `K`: `by_kind!(kind, K => K::decl())`.
macro_rules! by_kind {
    ($kind:expr, $K:ident => $body:expr) => { $crate::kind_table::kinds!(by_kind @ [$kind, $K => $body]) };
    (@ [$($with:tt)*] records { $($records:tt)* } internal { $($internal:tt)* }) => {
        $crate::catalog::by_kind! { @@ [$($with)*] $($records)* $($internal)* }
    };
    (@@ [$kind:expr, $K:ident => $body:expr]
        $($(#[$doc:meta])* $name:ident($module:ident) = $plural:ident, $text:literal, $code:literal;)*
    ) => {
        match $kind {
            $($crate::model::value::Kind::$name => {
                type $K = $crate::$module::$name;
                $body
            })*
        }
    };
}
pub(crate) use by_kind;

/// Returns the declaration of a kind.
pub fn decl(kind: Kind) -> &'static KindDecl {
    by_kind!(kind, K => K::decl())
}

/// Code that is generic over kinds, for a kind that is known only at run time: see [`visit`].
pub trait KindVisitor {
    /// The result.
    type Output;
    /// Called with the record type of the kind.
    fn visit<K: RecordKind>(self) -> Self::Output;
}

/// Calls a visitor with the record type of a kind.
pub fn visit<V: KindVisitor>(kind: Kind, visitor: V) -> V::Output {
    by_kind!(kind, K => visitor.visit::<K>())
}

/// Writes the defaults of a kind's fields into the values of a new image.
pub fn write_defaults(kind: Kind, values: &mut [Value]) {
    by_kind!(kind, K => K::write_defaults(values));
}

/// Returns the declarations of all kinds, in declared order.
pub fn all() -> impl Iterator<Item = &'static KindDecl> {
    Kind::ALL.iter().map(|&kind| decl(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::{FieldType, Visibility};

    #[test]
    fn what_a_declaration_names_is_of_the_type_that_the_engine_takes_it_for() {
        for decl in all() {
            let behavior = decl.behavior;
            assert!(!behavior.creator_owns || (decl.own.len() == 1 && decl.team.len() == 1), "{}", decl.kind);
            assert!(decl.fields.iter().all(|field| !field.name.contains('#')), "{}", decl.kind);
            // Stores find due records by time, in a separate index.
            let due = decl.due.map(|at| decl.fields[at].ty);
            assert!(due.is_none_or(|ty| ty == FieldType::Time && decl.due_index().is_some()), "{}", decl.kind);
            // Checks the type of each field that the engine uses by position.
            let is = |at: Option<usize>, ty: FieldType| at.is_none_or(|at| decl.fields[at].ty == ty);
            assert!(is(behavior.parent, FieldType::Id(decl.kind)), "{}", decl.kind);
            assert!(is(behavior.announced_at, FieldType::Time), "{}", decl.kind);
            assert!(is(behavior.private.map(|private| private.flag), FieldType::Bool), "{}", decl.kind);
            assert!(is(behavior.private.map(|private| private.author), FieldType::Id(Kind::User)), "{}", decl.kind);
            match behavior.visibility {
                Visibility::ByLinks(at) => assert!(matches!(decl.fields[at].ty, FieldType::Refs(..)), "{}", decl.kind),
                Visibility::ByEnds(ends, _) => {
                    assert!(ends.iter().all(|&at| matches!(decl.fields[at].ty, FieldType::Ref(_))), "{}", decl.kind);
                }
                Visibility::ByUser(at) => assert_eq!(decl.fields[at].ty, FieldType::Id(Kind::User), "{}", decl.kind),
                Visibility::ByGrant | Visibility::BySelf => {}
            }
        }
    }
}
