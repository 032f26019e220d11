//! The storage traits, by role. Required methods only; the contract is the prose.

use async_trait::async_trait;

use super::{
    Answer, ChangePage, Commit, Definitions, Epochs, FeedCursor, FeedPage, FeedPlace, HistoryQuery, LogQuery, Page,
    Query, StageMoveQuery, StoreError, Want,
};
use crate::{
    schema::KindDecl,
    value::{Id, Ref, Time},
};

/// Records: get, list, commit.
#[async_trait]
pub trait Records: Send + Sync {
    /// Gets many things in one round trip, each strongly consistent: it sees every commit that finished before the
    /// call. Not a snapshot over all of them. The answer also carries the tenant's epochs, read
    /// together (a commit that set both shows in both or in neither), before, with or after the records.
    ///
    /// A record of another tenant is `None`. A [`Want::Claimed`] is looked up under the claim's own tenant, which is
    /// the asked one or nil; under nil (slugs) the record of whatever tenant holds the claim is the answer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError>;

    /// All definitions of a tenant with its epochs, strongly consistent. The epochs are read with them or before them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError>;

    /// A page of one kind by a declared index, and a filter that the engine evaluates. May lag behind commits. Reads
    /// at most four of the engine's own pages, then returns short with a position.
    ///
    /// # Errors
    /// [`StoreError::BadQuery`] for a position whose sort value is not of the sort field's type, or equals that are
    /// not as many as the index has; [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn list(&self, query: &Query) -> Result<Page, StoreError>;

    /// A page as [`Records::list`] gives it, with the tenant's epochs, strongly consistent: of rights that are part of a
    /// query they say whether they still hold. Here both are asked for at the same time, in two requests; a
    /// store that can read them in one does.
    ///
    /// # Errors
    /// As [`Records::list`].
    async fn list_with_epochs(&self, query: &Query) -> Result<(Page, Epochs), StoreError> {
        let (answer, page) = futures::try_join!(self.get(query.tenant, &[]), self.list(query))?;
        Ok((page, answer.epochs))
    }

    /// Stores a commit whole or not at all.
    ///
    /// Conditions, and the order in which a failed one is reported: the key is absent (or expired at [`Commit::at`])
    /// ([`StoreError::KeyUsed`]); every written group of every record is at its base version, new records do not exist,
    /// every guarded record exists at its version ([`StoreError::Conflict`], the first in the commit's order); claims
    /// that are taken are free or the holder's own ([`StoreError::Claimed`]), claims that are released or transferred
    /// are held as said ([`StoreError::Conflict`] of the holder that was said). The tenant's epochs are set as
    /// [`Epochs::after`] says: each to the commit's id where the commit touches what it stands for.
    ///
    /// Sending a commit a second time is safe: it either fails as above (the core finds its own commit id in the log)
    /// or succeeds without a second effect.
    ///
    /// # Errors
    /// As above, and [`StoreError::TooLarge`], [`StoreError::Dangling`], [`StoreError::Unavailable`],
    /// [`StoreError::OutcomeUnknown`].
    async fn commit(&self, commit: &Commit) -> Result<(), StoreError>;
}

/// The change log, read.
#[async_trait]
pub trait History: Send + Sync {
    /// The changes of one record, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn history(&self, query: &HistoryQuery) -> Result<ChangePage, StoreError>;

    /// The changes of a tenant by the time they were recorded. May lag.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn log(&self, query: &LogQuery) -> Result<ChangePage, StoreError>;

    /// The stage moves of a pipeline by the time they occurred. May lag.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn stage_moves(&self, query: &StageMoveQuery) -> Result<ChangePage, StoreError>;
}

/// The outbox: every change of every tenant, for consumers.
#[async_trait]
pub trait Feed: Send + Sync {
    /// The changes after a cursor (from the beginning of what is kept without one): each whole and at least once, in no
    /// promised order. Changes appear some time after their commit. What needs the versions of a record in order reads its
    /// history.
    ///
    /// # Errors
    /// [`StoreError::BadQuery`] for a cursor that is none, or after which changes were forgotten: never does the feed go on
    /// behind a gap in silence. [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn feed<'a>(&self, after: Option<&'a FeedCursor>, limit: usize) -> Result<FeedPage, StoreError>;

    /// The tenants that have an organization, archived or not, by id, after one (from the first without one): whose work
    /// there is to do in the background. Fewer than `limit` say that there are no more. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError>;

    /// The end of the feed as of now: what is committed after this call is told behind it. Some of what was committed
    /// before may be told behind it too.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn feed_end(&self) -> Result<FeedCursor, StoreError>;

    /// The place that was kept last for a consumer, with its fence; `None` where none was. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError>;

    /// Compare and set: keeps a place for a consumer where the kept one still has the fence `was` (0: none is kept yet),
    /// and answers true; false where it has another, and then nothing is stored. The place is stored with the fence
    /// `was + 1`; [`FeedPlace::fence`] of the argument is ignored. The consumer's name is the program's own: short, and
    /// not from outside. Its size is the caller's affair, [`MAX_PLACE_BYTES`](super::MAX_PLACE_BYTES) at most.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing was stored. [`StoreError::OutcomeUnknown`]: [`Feed::feed_place`] tells.
    async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError>;

    /// Records of a kind whose time has come ([`KindDecl::due`] at `until` or before), across tenants: the live ones, by
    /// tenant, the oldest first within one (ids break ties), at most `per_tenant` of one tenant and `limit` in all. Only
    /// of tenants after `after`, so that a caller can give each its turn. A few round trips, however many tenants there are.
    /// May lag behind commits, and may be short: what is left is told once what was told is done. Empty for a kind that
    /// declares no such time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn due(
        &self,
        decl: &'static KindDecl,
        until: Time,
        after: Option<Id>,
        per_tenant: usize,
        limit: usize,
    ) -> Result<Vec<(Id, Ref, Time)>, StoreError>;
}

/// Counting, where the engine does it better than a walk over lists.
#[async_trait]
pub trait Counts: Send + Sync {
    /// How many records [`Records::list`] would give for this query over all its pages; `after` and `limit` are not
    /// looked at.
    ///
    /// # Errors
    /// As [`Records::list`].
    async fn count(&self, query: &Query) -> Result<u64, StoreError>;
}

/// A whole store.
pub trait Store: Records + History + Feed {
    /// Counting by the engine; `None` where the core is to walk the list.
    fn counts(&self) -> Option<&dyn Counts> {
        None
    }
}
