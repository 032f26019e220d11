//! The public conformance suite: what every store must do, as one list of named cases.
