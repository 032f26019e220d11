//! Typed records over erased images: [`Record`], [`Patch`] and the `record!` block that declares a kind.

use std::{collections::BTreeMap, marker::PhantomData, ops};

use serde::{Serialize, Serializer};

use super::{Image, KindDecl, common};
use crate::model::value::{Fault, FieldValue, Id, Kind, Ref, Time, Value, WrongType};

/// A kind of record as a Rust struct of its own fields. Written by the `record!` block.
pub trait RecordKind: Sized + Clone + Send + Sync + std::fmt::Debug + 'static {
    /// The kind.
    const KIND: Kind;
    /// What creates one.
    type New: Into<Patch<Self>> + Send;
    /// The declaration.
    fn decl() -> &'static KindDecl;
    /// Writes the defaults of what people write: what a record that nobody filled in holds.
    fn write_defaults(values: &mut [Value]);
    /// The struct from an image's values.
    ///
    /// # Errors
    /// [`WrongType`] where a stored value is not of its field's type.
    fn decode(values: &[Value]) -> Result<Self, WrongType>;
    /// What is wrong with a value that somebody gives a structured field, at a position, in place of what it holds: see
    /// [`FieldValue::faults`].
    fn faults(at: usize, held: &Value, given: &Value) -> Vec<(String, Fault)>;
    /// A value of the field at a position as it is to be, with what is unknown in what it holds: see [`FieldValue::keep`].
    fn keep(at: usize, held: &Value, given: Value) -> Value;
    /// Writes the struct's fields into an image's values.
    fn encode(self, values: &mut [Value]);
}

/// A field of a kind as Rust knows it: a variant of the enum that the kind's `record!` block makes.
pub trait TypedField: Copy {
    /// The declaration of its kind.
    fn decl() -> &'static KindDecl;
    /// Its position in the declaration.
    fn position(self) -> usize;
    /// Its name.
    fn name(self) -> &'static str {
        Self::decl().fields[self.position()].name
    }
}

/// A record as users see it: what every record has, and, through `Deref`, the fields of its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<K> {
    /// Which one.
    pub id: Id,
    /// The version of what people write: the number of its changes.
    pub version: u64,
    /// The version of what the machine writes.
    pub machine_version: u64,
    /// When it came to be (in the world, which may be before it was recorded).
    pub created_at: Time,
    /// Who created it; `None` for the system.
    pub created_by: Option<Id>,
    /// When a person's field last changed.
    pub updated_at: Time,
    /// Who changed it; `None` for the system.
    pub updated_by: Option<Id>,
    /// When it was archived; `None` while it is live.
    pub archived_at: Option<Time>,
    /// Its key in another system, unique among the tenant's live records of the kind.
    pub external_id: Option<String>,
    /// Custom properties by key.
    pub properties: BTreeMap<String, Value>,
    /// Users and teams it is shared with.
    pub shared_with: Vec<Ref>,
    /// The record it was merged into.
    pub merged_into: Option<Id>,
    /// The records that were merged or converted into it.
    pub source_ids: Vec<Ref>,
    /// The external ids of what was merged into it, by which it is found too.
    pub aliases: Vec<String>,
    /// When what it held of a person was erased; nobody writes it afterwards.
    pub erased_at: Option<Time>,
    body: K,
}

impl<K: RecordKind> Record<K> {
    /// The typed record of an image.
    ///
    /// # Errors
    /// [`WrongType`] where a stored value is not of its field's type, or the image is of another kind.
    pub fn from_image(image: &Image) -> Result<Self, WrongType> {
        if image.kind() != K::KIND {
            return Err(WrongType { expected: K::KIND.name() });
        }
        let at = |position: usize| &image.values[position];
        Ok(Self {
            id: image.id,
            version: image.versions.person,
            machine_version: image.versions.machine,
            created_at: Time::from_value(at(common::CREATED_AT))?,
            created_by: Option::from_value(at(common::CREATED_BY))?,
            updated_at: Time::from_value(at(common::UPDATED_AT))?,
            updated_by: Option::from_value(at(common::UPDATED_BY))?,
            archived_at: Option::from_value(at(common::ARCHIVED_AT))?,
            external_id: Option::from_value(at(common::EXTERNAL_ID))?,
            properties: BTreeMap::from_value(at(common::PROPERTIES))?,
            shared_with: Vec::from_value(at(common::SHARED_WITH))?,
            merged_into: Option::from_value(at(common::MERGED_INTO))?,
            source_ids: Vec::from_value(at(common::SOURCE_IDS))?,
            aliases: Vec::from_value(at(common::ALIASES))?,
            erased_at: Option::from_value(at(common::ERASED_AT))?,
            body: K::decode(&image.values)?,
        })
    }

    /// The fields of the kind.
    pub fn body(&self) -> &K {
        &self.body
    }

    /// The custom property of a key.
    pub fn property(&self, key: &str) -> Option<&Value> {
        self.properties.get(key)
    }
}

impl<K> ops::Deref for Record<K> {
    type Target = K;
    fn deref(&self) -> &K {
        &self.body
    }
}

/// Fields to set, each kept where it is not named. Setters come from the kind's `record!` block:
/// `LeadPatch::new().job_title("CTO").tags(vec!["hot".into()])`.
#[derive(Debug)]
pub struct Patch<K> {
    sets: Vec<(usize, Value)>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for Patch<K> {
    fn clone(&self) -> Self {
        Self { sets: self.sets.clone(), kind: PhantomData }
    }
}

impl<K> Default for Patch<K> {
    fn default() -> Self {
        Self { sets: Vec::new(), kind: PhantomData }
    }
}

impl<K: RecordKind> Patch<K> {
    /// A patch that keeps everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the field at a position of the declaration. The value is checked against the field when the patch is used.
    #[must_use]
    pub fn set(mut self, position: usize, value: Value) -> Self {
        self.sets.retain(|(at, _)| *at != position);
        self.sets.push((position, value));
        self
    }

    /// Sets the record's key in another system.
    #[must_use]
    pub fn external_id(self, key: impl Into<String>) -> Self {
        self.set(common::EXTERNAL_ID, Value::text(key.into()))
    }

    /// Sets one custom property; [`Value::Null`] removes it. The others are kept.
    #[must_use]
    pub fn property(mut self, key: impl Into<String>, value: Value) -> Self {
        let at = self.sets.iter().position(|(at, _)| *at == common::PROPERTIES);
        let mut map = match at.map(|at| self.sets.remove(at).1) {
            Some(Value::Map(map)) => map.as_ref().clone(),
            _ => BTreeMap::new(),
        };
        map.insert(key.into(), value);
        self.set(common::PROPERTIES, Value::Map(std::sync::Arc::new(map)))
    }

    /// Sets whom the record is shared with: users and teams.
    #[must_use]
    pub fn shared_with(self, with: impl IntoIterator<Item = Ref>) -> Self {
        self.set(common::SHARED_WITH, Value::list(with.into_iter().map(Value::Ref)))
    }

    /// The positions and values set.
    pub fn sets(&self) -> &[(usize, Value)] {
        &self.sets
    }

    /// The positions and values set, to be shared.
    pub(crate) fn into_sets(self) -> std::sync::Arc<[(usize, Value)]> {
        self.sets.into()
    }

    /// True where nothing is set.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

/// What is set on a record, by fields' names: the form that is the same in programs that have other fields.
#[derive(Clone)]
pub(crate) struct Named(pub(crate) &'static KindDecl, pub(crate) std::sync::Arc<[(usize, Value)]>);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        by_name(self.0, &self.1, serializer)
    }
}

impl<K: RecordKind> Serialize for Patch<K> {
    /// What is set, by fields' names.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        by_name(K::decl(), &self.sets, serializer)
    }
}

fn by_name<S: Serializer>(decl: &KindDecl, sets: &[(usize, Value)], serializer: S) -> Result<S::Ok, S::Error> {
    let name = |at: usize| decl.fields.get(at).map_or("", |field| field.name);
    let sets: BTreeMap<(&str, usize), &Value> = sets.iter().map(|(at, value)| ((name(*at), *at), value)).collect();
    // What is no field is refused when it is placed.
    let named = |name: &str, at: usize| if name.is_empty() { at.to_string() } else { name.to_owned() };
    serializer.collect_map(sets.iter().map(|((name, at), value)| (named(name, *at), value)))
}

/// Declares a kind: its struct, what creates one, its patch's setters and its declaration, from one block.
///
/// Every field that the machine or the core computes says `from [...]` what it is made of, so that hiding one of these
/// hides it (see [`Source`](super::Source)): fields of the same record by name, of another kind as `Deal::value`, `model`
/// for whatever the active scoring model reads, `[]` where no record's field is in it. A field that people write says so
/// too where the core makes it while nobody else does: `from` where it is made of others, `follows` where another field
/// only suggests it. Names of the same record that do not exist do not compile; a test of the catalogue holds the others.
///
/// What the engine does with its records besides, the block says before the fields: see [`Behavior`](super::Behavior).
macro_rules! record {
    (
        $(#[$doc:meta])*
        $name:ident, $new:ident, $patch:ident, $fields:ident {
            $(definition: $definition:literal,)?
            $(forgotten_at: $forgotten:ident,)?
            $(due: $due:ident,)?
            $(visibility: $visibility:expr,)?
            $(private: $private:ident by $author:ident,)?
            $(parent: $parent:ident,)?
            $(announced_at: $announced_at:ident,)?
            $(creator_owns: $creator_owns:literal,)?
            $(made_by_use_cases: $made_by_use_cases:literal,)?
            own: [$($own:ident),*], team: [$($team:ident),*],
            person { $(
                $(#[$pdoc:meta])* $pf:ident: $pt:ty = $pd:expr, [$($pm:ident),*]
                    $(from [$($pfrom:ident),*])? $(follows [$($pfol:ident),*])?;
            )* }
            read_only { $(
                $(#[$rdoc:meta])* $rf:ident: $rt:ty = $rd:expr, [$($rm:ident),*] $(follows [$($rfol:ident),*])?;
            )* }
            machine { $(
                $(#[$mdoc:meta])* $mf:ident: $mt:ty = $md:expr, [$($mm:ident),*] from [$($mfrom:ident $(:: $mof:ident)?),*];
            )* }
            derived { $(
                $(#[$ddoc:meta])* $df:ident: $dt:ty = $dd:expr, [$($dm:ident),*] from [$($dfrom:ident $(:: $dof:ident)?),*];
            )* }
            indexes { $(($($eq:ident),*) $([$list:ident $(, $more:ident)*])? -> $sort:ident;)* }
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        pub struct $name {
            $($(#[$pdoc])* pub $pf: $pt,)*
            $($(#[$rdoc])* pub $rf: $rt,)*
            $($(#[$mdoc])* pub $mf: $mt,)*
            $($(#[$ddoc])* pub $df: $dt,)*
        }

        #[doc = concat!("What creates a [`", stringify!($name), "`]. Every field has a default.")]
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $new {
            $($(#[$pdoc])* pub $pf: $pt,)*
            /// Its key in another system, unique among the tenant's live records of the kind.
            pub external_id: Option<String>,
            /// Custom properties by key.
            pub properties: std::collections::BTreeMap<String, $crate::model::value::Value>,
            /// Users and teams it is shared with.
            pub shared_with: Vec<$crate::model::value::Ref>,
        }

        #[doc = concat!("Changes to a [`", stringify!($name), "`]: each field is kept or set.")]
        pub type $patch = $crate::model::schema::Patch<$name>;

        #[doc = concat!("The positions of a [`", stringify!($name), "`]'s fields in its declaration.")]
        #[allow(non_camel_case_types, missing_docs, clippy::enum_variant_names, clippy::manual_non_exhaustive)]
        #[derive(Clone, Copy, Debug)]
        #[repr(usize)]
        pub enum $fields {
            #[doc(hidden)] __common = $crate::model::schema::common::COUNT - 1,
            $($pf,)* $($rf,)* $($mf,)* $($df,)*
        }

        impl $crate::model::schema::TypedField for $fields {
            fn decl() -> &'static $crate::model::schema::KindDecl {
                <$name as $crate::model::schema::RecordKind>::decl()
            }
            fn position(self) -> usize {
                self as usize
            }
        }

        impl $crate::model::schema::Patch<$name> {
            $(
                #[doc = concat!("Sets `", stringify!($pf), "`.")]
                #[must_use]
                pub fn $pf(self, value: impl $crate::model::value::Setting<$pt>) -> Self {
                    self.set($fields::$pf as usize, $crate::model::value::FieldValue::into_value(value.setting()))
                }
            )*
        }

        impl From<$new> for $crate::model::schema::Patch<$name> {
            #[allow(unused_variables)] // a kind may have no field of a person
            fn from(new: $new) -> Self {
                use $crate::{schema::common, value::FieldValue};
                let mut patch = Self::new();
                let default = $new::default();
                $(
                    if new.$pf != default.$pf {
                        patch = patch.set_last($fields::$pf as usize, FieldValue::into_value(new.$pf));
                    }
                )*
                if let Some(key) = new.external_id {
                    patch = patch.set_last(common::EXTERNAL_ID, FieldValue::into_value(key));
                }
                if !new.properties.is_empty() {
                    patch = patch.set_last(common::PROPERTIES, FieldValue::into_value(new.properties));
                }
                if !new.shared_with.is_empty() {
                    patch = patch.set_last(common::SHARED_WITH, FieldValue::into_value(new.shared_with));
                }
                patch
            }
        }

        const _: () = {
            const FIELDS: &[&str] =
                &[$(stringify!($pf),)* $(stringify!($rf),)* $(stringify!($mf),)* $(stringify!($df),)*];
            const NAMED: &[&str] = &[
                $(stringify!($own),)* $(stringify!($team),)*
                $($(stringify!($eq),)* $(stringify!($list), $(stringify!($more),)*)? stringify!($sort),)*
            ];
            let mut at = 0;
            while at < NAMED.len() {
                assert!(
                    $crate::model::schema::is_field(FIELDS, NAMED[at]),
                    concat!("`own`, `team` or an index of ", stringify!($name), " names a field that there is none of")
                );
                at += 1;
            }
        };

        impl $crate::model::schema::RecordKind for $name {
            const KIND: $crate::model::value::Kind = $crate::model::value::Kind::$name;
            type New = $new;

            fn decl() -> &'static $crate::model::schema::KindDecl {
                static DECL: std::sync::LazyLock<$crate::model::schema::KindDecl> = std::sync::LazyLock::new(|| {
                    #[allow(unused_imports)]
                    use $crate::model::schema::{Behavior, FieldDecl, FieldType::{self, *}, KindParts, MAX_TEXT, Marks, Private, Section, Visibility};
                    const fn marks(list: &[Marks]) -> Marks {
                        let mut all = Marks {
                            required: false, unique: false, searchable: false, reportable: false, personal: false,
                            secret: false, restricts: false, announced: false, refers: false,
                        };
                        let mut at = 0;
                        while at < list.len() {
                            all.required |= list[at].required;
                            all.unique |= list[at].unique;
                            all.searchable |= list[at].searchable;
                            all.reportable |= list[at].reportable;
                            all.personal |= list[at].personal;
                            all.secret |= list[at].secret;
                            all.restricts |= list[at].restricts;
                            all.announced |= list[at].announced;
                            all.refers |= list[at].refers;
                            at += 1;
                        }
                        all
                    }
                    static FIELDS: &[FieldDecl] = &[
                        $(FieldDecl {
                            name: stringify!($pf), ty: $pd, section: Section::Person,
                            marks: marks(&[$($crate::model::schema::record_marks::$pm),*]),
                            made_of: &[
                                $($($crate::model::schema::record_source!($fields, $pfrom),)*)?
                                $($($crate::model::schema::record_source!($fields, follows $pfol),)*)?
                            ],
                        },)*
                        $(FieldDecl {
                            name: stringify!($rf), ty: $rd, section: Section::ReadOnly,
                            marks: marks(&[$($crate::model::schema::record_marks::$rm),*]),
                            made_of: &[$($($crate::model::schema::record_source!($fields, follows $rfol),)*)?],
                        },)*
                        $(FieldDecl {
                            name: stringify!($mf), ty: $md, section: Section::Machine,
                            marks: marks(&[$($crate::model::schema::record_marks::$mm),*]),
                            made_of: &[$($crate::model::schema::record_source!($fields, $mfrom $(:: $mof)?)),*],
                        },)*
                        $(FieldDecl {
                            name: stringify!($df), ty: $dd, section: Section::Derived,
                            marks: marks(&[$($crate::model::schema::record_marks::$dm),*]),
                            made_of: &[$($crate::model::schema::record_source!($fields, $dfrom $(:: $dof)?)),*],
                        },)*
                    ];
                    $crate::model::schema::KindDecl::new(&KindParts {
                        kind: $crate::model::value::Kind::$name,
                        fields: FIELDS,
                        own: &[$(stringify!($own)),*],
                        team: &[$(stringify!($team)),*],
                        indexes: &[$((
                            &[$(stringify!($eq),)* $(stringify!($list), $(stringify!($more),)*)?],
                            0 $(+ { let _ = stringify!($list); 1 })? == 1,
                            stringify!($sort),
                        )),*],
                        is_definition: false $(|| $definition)?,
                        forgotten_at: None::<&str> $(.or(Some(stringify!($forgotten))))?,
                        due: None::<&str> $(.or(Some(stringify!($due))))?,
                        behavior: Behavior {
                            $(visibility: $visibility,)?
                            $(private: Some(Private {
                                flag: $fields::$private as usize,
                                author: $fields::$author as usize,
                            }),)?
                            $(parent: Some($fields::$parent as usize),)?
                            $(announced_at: Some($fields::$announced_at as usize),)?
                            $(creator_owns: $creator_owns,)?
                            $(made_by_use_cases: $made_by_use_cases,)?
                            ..Behavior::PLAIN
                        },
                    })
                });
                &DECL
            }

            #[allow(unused_variables)] // a kind may have no field of a person
            fn write_defaults(values: &mut [$crate::model::value::Value]) {
                let default = $new::default();
                $(values[$fields::$pf as usize] = $crate::model::value::FieldValue::into_value(default.$pf);)*
            }

            fn decode(values: &[$crate::model::value::Value]) -> Result<Self, $crate::model::value::WrongType> {
                use $crate::model::value::FieldValue;
                Ok(Self {
                    $($pf: FieldValue::from_value(&values[$fields::$pf as usize])?,)*
                    $($rf: FieldValue::from_value(&values[$fields::$rf as usize])?,)*
                    $($mf: FieldValue::from_value(&values[$fields::$mf as usize])?,)*
                    $($df: FieldValue::from_value(&values[$fields::$df as usize])?,)*
                })
            }

            #[allow(unused_variables)] // a kind may have no field of a person
            fn faults(
                at: usize,
                held: &$crate::model::value::Value,
                given: &$crate::model::value::Value,
            ) -> Vec<(String, $crate::model::value::Fault)> {
                $(if at == $fields::$pf as usize {
                    return <$pt as $crate::model::value::FieldValue>::faults(held, given);
                })*
                Vec::new()
            }

            fn keep(at: usize, held: &$crate::model::value::Value, given: $crate::model::value::Value) -> $crate::model::value::Value {
                $(if at == $fields::$pf as usize {
                    return <$pt as $crate::model::value::FieldValue>::keep(held, given);
                })*
                $(if at == $fields::$rf as usize {
                    return <$rt as $crate::model::value::FieldValue>::keep(held, given);
                })*
                match at {
                    $crate::model::schema::common::SHARED_WITH | $crate::model::schema::common::SOURCE_IDS => {
                        <Vec<$crate::model::value::Ref> as $crate::model::value::FieldValue>::keep(held, given)
                    }
                    _ => given,
                }
            }

            fn encode(self, values: &mut [$crate::model::value::Value]) {
                use $crate::model::value::FieldValue;
                $(FieldValue::write_into(self.$pf, &mut values[$fields::$pf as usize]);)*
                $(FieldValue::write_into(self.$rf, &mut values[$fields::$rf as usize]);)*
                $(FieldValue::write_into(self.$mf, &mut values[$fields::$mf as usize]);)*
                $(FieldValue::write_into(self.$df, &mut values[$fields::$df as usize]);)*
            }
        }
    };
}
pub(crate) use record;

/// One source of a field, as `record!` writes it.
macro_rules! record_source {
    ($fields:ident, model) => {
        $crate::model::schema::Source::Model
    };
    ($fields:ident, follows $name:ident) => {{
        const _: $fields = $fields::$name;
        $crate::model::schema::Source::Follows(stringify!($name))
    }};
    ($fields:ident, $kind:ident :: $name:ident) => {
        $crate::model::schema::Source::Of($crate::model::value::Kind::$kind, stringify!($name))
    };
    ($fields:ident, $name:ident) => {{
        const _: $fields = $fields::$name;
        $crate::model::schema::Source::Own(stringify!($name))
    }};
}
pub(crate) use record_source;

impl<K: RecordKind> Patch<K> {
    /// As [`Patch::set`], for a field that is not set yet.
    #[must_use]
    pub(crate) fn set_last(mut self, position: usize, value: Value) -> Self {
        self.sets.push((position, value));
        self
    }
}

/// The marks of a field by their names in `record!`, so that a misspelt one does not compile.
#[allow(non_upper_case_globals)]
pub(crate) mod record_marks {
    use crate::model::schema::Marks;
    const NONE: Marks = Marks {
        required: false,
        unique: false,
        searchable: false,
        reportable: false,
        personal: false,
        secret: false,
        restricts: false,
        announced: false,
        refers: false,
    };
    pub(crate) const required: Marks = Marks { required: true, ..NONE };
    pub(crate) const unique: Marks = Marks { unique: true, ..NONE };
    pub(crate) const searchable: Marks = Marks { searchable: true, ..NONE };
    pub(crate) const reportable: Marks = Marks { reportable: true, ..NONE };
    pub(crate) const personal: Marks = Marks { personal: true, ..NONE };
    pub(crate) const secret: Marks = Marks { secret: true, ..NONE };
    pub(crate) const restricts: Marks = Marks { restricts: true, ..NONE };
    pub(crate) const announced: Marks = Marks { announced: true, ..NONE };
    pub(crate) const refers: Marks = Marks { refers: true, ..NONE };
}
