//! One named case of the suite.

use futures::future::BoxFuture;

use super::{Lab, Outcome};

/// One promise of the contract, and how it is tried out.
#[derive(Clone, Copy)]
pub struct Case {
    /// What it is called, unique within the suite.
    pub name: &'static str,
    /// Which part of the contract it belongs to.
    pub theme: &'static str,
    /// What it holds, in one sentence.
    pub about: &'static str,
    /// Tries it out on the laboratory's store.
    pub run: for<'a> fn(&'a Lab<'a>) -> BoxFuture<'a, Outcome>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({})", self.theme, self.name, self.about)
    }
}

/// The case of an async function: its name is the function's.
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
