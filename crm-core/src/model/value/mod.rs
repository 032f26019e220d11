//! The values that records consist of: identifiers, times, money, text and the erased [`Value`] that stores see.
//!
//! All code here is pure and bounded: every store can hold any existing value and return it unchanged.

mod any;
pub(crate) mod calendar;
mod choice;
mod convert;
mod exact;
mod fault;
mod format;
mod id;
mod kind;
mod money;
pub(crate) mod parts;
mod phone;
mod shapes;
pub(crate) mod stored;
mod text;
mod time;

pub use any::{Plain, Ref, Value};
pub use calendar::{Calendar, PERIODS, Unit};
pub use choice::{Choice, UnknownChoice};
pub use convert::{FieldValue, Setting, WrongType};
pub use exact::ExactSum;
pub use fault::{Fault, FaultCode};
pub use format::{normalize_domain, normalize_email, normalize_slug, normalize_url};
pub use id::{Any, Id};
pub use kind::{Kind, UnknownKind};
pub use money::{Currency, Decimal, Money, MoneyError, parse_decimal};
pub(crate) use parts::{Place, part_of_domain, part_of_phone, parts_of_url};
pub use phone::normalize_phone;
pub use shapes::{Address, AddressKind, SocialLink};
pub use text::{SORT_KEY_CHARS, fold, plain, sort_key};
pub use time::{Date, Time, TimeError};

pub(crate) use choice::{choices, read_choice};
pub(crate) use convert::{Structure, structured};
pub(crate) use exact::product;
