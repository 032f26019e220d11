//! The rules of teams. That they form a tree, the draft holds for every kind with a parent.

use super::record::Team;
use crate::rules::Rules;

impl Rules for Team {}
