//! Reverting a change of one value, by value: from the value before the change, the value after it and the current
//! value.

use std::borrow::Cow;

use crate::model::value::{Value, stored};

/// The effect of reverting a change on a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TakeBack {
    /// The value becomes this one.
    To(Value),
    /// The value is already as it would be without the change.
    Done,
    /// The value is neither the one that the change wrote nor the one before it.
    Conflict,
}

impl TakeBack {
    /// Reverts the change from `old` to `new` in `now`. Lists are reverted element by element: added elements are
    /// removed, removed elements are added, changed elements get their previous value.
    pub(super) fn of(old: &Value, new: &Value, now: &Value) -> Self {
        let is_list = |value: &Value| matches!(value, Value::Null | Value::List(_));
        if Self::same(old, new) || Self::same(now, old) {
            Self::Done
        } else if Self::same(now, new) {
            Self::To(old.clone())
        } else if [old, new, now].into_iter().all(is_list) {
            Self::of_elements(old.items(), new.items(), now.items())
        } else {
            Self::Conflict
        }
    }

    /// Returns `true` if two values are equal or both empty: the log does not distinguish a missing value, `false` and
    /// an empty list.
    pub(super) fn same(a: &Value, b: &Value) -> bool {
        let nothing = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::List(items) => items.is_empty(),
            _ => false,
        };
        a == b || nothing(a) && nothing(b)
    }

    fn of_elements(old: &[Value], new: &[Value], now: &[Value]) -> Self {
        let find = |items: &[Value], element: &Value| items.iter().position(|item| key(item) == key(element));
        let mut items = now.to_vec();
        let mut touched = false;
        for element in new {
            let was = find(old, element).map(|at| &old[at]);
            if was == Some(element) {
                continue;
            }
            touched = true;
            match (find(&items, element), was) {
                (Some(at), Some(was)) if items[at] == *element => items[at] = was.clone(),
                (Some(at), None) if items[at] == *element => drop(items.remove(at)),
                (Some(at), Some(was)) if items[at] == *was => {}
                (None, None) => {}
                _ => return Self::Conflict,
            }
        }
        for (place, element) in old.iter().enumerate() {
            if find(new, element).is_some() {
                continue;
            }
            touched = true;
            match find(&items, element) {
                Some(at) if items[at] == *element => {}
                Some(_) => return Self::Conflict,
                None => {
                    // After the nearest of its former predecessors that is still in the list.
                    let before = old[..place].iter().rev().find_map(|neighbour| find(&items, neighbour));
                    items.insert(before.map_or(0, |at| at + 1), element.clone());
                }
            }
        }
        match touched {
            // The change only reordered the elements, and the order has changed again since.
            false => Self::Conflict,
            true if items == now => Self::Done,
            true => Self::To(Value::List(items.into())),
        }
    }
}

/// Returns the part of a list element that identifies it within the list.
fn key(element: &Value) -> Cow<'_, Value> {
    if let Value::Json(json) = element
        && let Some(key) = stored::key_of(json)
    {
        return Cow::Owned(Value::Json(std::sync::Arc::new(key.clone())));
    }
    Cow::Borrowed(element)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn texts(items: &[&str]) -> Value {
        Value::list(items.iter().map(|item| Value::text(*item)))
    }

    fn email(address: &str, primary: bool) -> Value {
        Value::Json(Arc::new(json!({"email": address, "kind": "work", "primary": primary})))
    }

    #[test]
    fn single_values_go_by_what_they_are() {
        let [a, b, c] = ["a", "b", "c"].map(Value::text);
        assert_eq!(TakeBack::of(&a, &b, &b), TakeBack::To(a.clone()));
        assert_eq!(TakeBack::of(&a, &b, &a), TakeBack::Done);
        assert_eq!(TakeBack::of(&a, &b, &c), TakeBack::Conflict);
        assert_eq!(TakeBack::of(&Value::Null, &Value::Bool(true), &Value::Bool(false)), TakeBack::Done);
        assert_eq!(TakeBack::of(&a, &Value::Null, &Value::Null), TakeBack::To(a));
    }

    #[test]
    fn elements_are_altered_back_and_put_where_they_were() {
        let (old, new) = (texts(&["a", "b", "c"]), texts(&["a", "c"]));
        assert_eq!(TakeBack::of(&old, &new, &texts(&["a", "c", "d"])), TakeBack::To(texts(&["a", "b", "c", "d"])));
        assert_eq!(TakeBack::of(&new, &old, &texts(&["d", "a", "b"])), TakeBack::To(texts(&["d", "a"])));
        assert_eq!(TakeBack::of(&old, &texts(&["c", "b", "a"]), &texts(&["c", "b", "a", "d"])), TakeBack::Conflict);
        let list = |emails: &[Value]| Value::list(emails.iter().cloned());
        let (a, b) = (email("a@x.example", true), email("b@x.example", false));
        let made_primary = list(&[email("a@x.example", false), email("b@x.example", true)]);
        let later = list(&[email("a@x.example", false), email("b@x.example", true), email("c@x.example", false)]);
        let back = list(&[a.clone(), b.clone(), email("c@x.example", false)]);
        assert_eq!(TakeBack::of(&list(&[a.clone(), b.clone()]), &made_primary, &later), TakeBack::To(back));
        // The element was changed again since: it is neither the new nor the previous one.
        let home = Value::Json(Arc::new(json!({"email": "b@x.example", "kind": "home", "primary": true})));
        let now = list(&[email("a@x.example", false), home]);
        assert_eq!(TakeBack::of(&list(&[a.clone(), b]), &made_primary, &now), TakeBack::Conflict);
    }

    proptest! {
        /// For sets: (now − added) ∪ removed, regardless of later changes.
        #[test]
        fn lists_of_different_texts_are_taken_back_as_sets(old in 0_u8..64, new in 0_u8..64, now in 0_u8..64) {
            let list = |bits: u8| Value::list((0..6).filter(|n| bits >> n & 1 == 1).map(|n| Value::text(n.to_string())));
            let expected = now & !(new & !old) | (old & !new);
            let result = match TakeBack::of(&list(old), &list(new), &list(now)) {
                TakeBack::To(value) => value,
                TakeBack::Done => list(now),
                TakeBack::Conflict => return Err(TestCaseError::fail("different elements never conflict")),
            };
            let mut items = result.items().to_vec();
            items.sort_by(Value::sort_order);
            prop_assert_eq!(Value::list(items), list(expected));
        }
    }
}
