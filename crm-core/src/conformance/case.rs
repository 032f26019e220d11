//! A named case of the suite.

use futures::future::BoxFuture;

use super::{Lab, Outcome};

/// A case: one requirement of the contract, and its test.
#[derive(Clone, Copy)]
pub struct Case {
    /// The name, unique within the suite.
    pub name: &'static str,
    /// The part of the contract that it tests.
    pub theme: &'static str,
    /// The requirement, in one sentence.
    pub about: &'static str,
    /// The test, which runs on the store of a [`Lab`].
    pub run: for<'a> fn(&'a Lab<'a>) -> BoxFuture<'a, Outcome>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({})", self.theme, self.name, self.about)
    }
}

/// Defines the case of an async function, whose name is the function's.
macro_rules! case {
    ($theme:literal, $function:ident, $about:literal) => {
        $crate::conformance::Case {
            name: stringify!($function),
            theme: $theme,
            about: $about,
            run: |lab| Box::pin($function(lab)),
        }
    };
}
pub(crate) use case;
