//! The storage traits, by role. Required methods only; their documentation is the contract.

use async_trait::async_trait;

use super::{
    Answer, ChangePage, Commit, Definitions, Epochs, FeedCursor, FeedPage, FeedPlace, HistoryQuery, LogQuery, Page,
    Query, StageMoveQuery, StoreError, Want,
};
use crate::model::{
    schema::KindDecl,
    value::{Id, Ref, Time},
};

/// Reads and writes of records.
#[async_trait]
pub trait Records: Send + Sync {
    /// Reads many items in one round trip, each strongly consistent: the read sees every commit that finished before
    /// the call. It is not a snapshot of all items. The answer also contains the tenant's epochs, read together (a
    /// commit that set both is visible in both or in neither), before, with or after the records.
    ///
    /// A record of another tenant is `None`. A [`Want::Claimed`] is looked up under the claim's own tenant, which is
    /// the requested one or nil. Under nil (slugs) the result is the record of the tenant that holds the claim.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError>;

    /// Reads all definitions of a tenant with its epochs, strongly consistent. The epochs are read together with the
    /// definitions or before them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError>;

    /// Returns a page of one kind by a declared index, with a filter that the engine evaluates. May lag behind commits.
    /// Reads at most four pages of the engine, then returns a short page with a position.
    ///
    /// # Errors
    /// [`StoreError::BadQuery`] for a position whose sort value does not have the type of the sort field, or a number
    /// of equal values that does not match the index; [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn list(&self, query: &Query) -> Result<Page, StoreError>;

    /// Returns a page like [`Records::list`] with the tenant's epochs, strongly consistent, which tell whether the
    /// permissions used in the query are still current. The default implementation reads both concurrently in two
    /// requests; a store that can read them in one should override it.
    ///
    /// # Errors
    /// As [`Records::list`].
    async fn list_with_epochs(&self, query: &Query) -> Result<(Page, Epochs), StoreError> {
        let (answer, page) = futures::try_join!(self.get(query.tenant, &[]), self.list(query))?;
        Ok((page, answer.epochs))
    }

    /// Stores a commit atomically.
    ///
    /// Conditions, in the order in which a failed one is reported: the key is absent (or expired at [`Commit::at`])
    /// ([`StoreError::KeyUsed`]); every written group of every record is at its base version, new records do not exist,
    /// every guarded record exists at its version ([`StoreError::Conflict`], the first in the commit's order); claims
    /// that are taken are free or held by the same record ([`StoreError::Claimed`]); claims that are released or
    /// transferred are held by the stated holder ([`StoreError::Conflict`] of that holder). The tenant's epochs are set
    /// according to [`Epochs::after`]: each to the commit's id if the commit changes what it stands for.
    ///
    /// Sending a commit a second time is safe: it either fails as above (the core finds its commit id in the log) or
    /// succeeds without a second effect.
    ///
    /// # Errors
    /// As above, and [`StoreError::TooLarge`], [`StoreError::Dangling`], [`StoreError::Unavailable`],
    /// [`StoreError::OutcomeUnknown`].
    async fn commit(&self, commit: &Commit) -> Result<(), StoreError>;
}

/// Reads of the change log.
#[async_trait]
pub trait History: Send + Sync {
    /// Returns the changes of one record, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn history(&self, query: &HistoryQuery) -> Result<ChangePage, StoreError>;

    /// Returns the changes of a tenant by recording time. May lag.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn log(&self, query: &LogQuery) -> Result<ChangePage, StoreError>;

    /// Returns the stage moves of a pipeline by the time they occurred. May lag.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn stage_moves(&self, query: &StageMoveQuery) -> Result<ChangePage, StoreError>;
}

/// The outbox: every change of every tenant, for consumers.
#[async_trait]
pub trait Feed: Send + Sync {
    /// Returns the changes after a cursor (without one, from the oldest available): each completely and at least once,
    /// in no guaranteed order. Changes appear some time after their commit. Consumers that need the versions of a
    /// record in order read its history.
    ///
    /// # Errors
    /// [`StoreError::BadQuery`] for an invalid cursor, or one after which changes were lost: the feed never continues
    /// silently after a gap. [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn feed<'a>(&self, after: Option<&'a FeedCursor>, limit: usize) -> Result<FeedPage, StoreError>;

    /// Returns the tenants that have an organization, archived or not, by id, after the given one (without one, from
    /// the first), for background work. Fewer than `limit` results mean that there are no more. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError>;

    /// Returns the current end of the feed: everything committed after this call is delivered after it. Some earlier
    /// changes may be delivered after it too.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn feed_end(&self) -> Result<FeedCursor, StoreError>;

    /// Returns the stored position of a consumer with its fence, or `None`. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError>;

    /// Compare and set: stores a position for a consumer if the stored one has the fence `was` (0: none is stored) and
    /// returns `true`; otherwise stores nothing and returns `false`. The position is stored with the fence `was + 1`;
    /// [`FeedPlace::fence`] of the argument is ignored. The name of the consumer is chosen by the program: short, and
    /// not from external input. The caller limits the size to [`MAX_PLACE_BYTES`](super::MAX_PLACE_BYTES).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing was stored. [`StoreError::OutcomeUnknown`]: check with
    /// [`Feed::feed_place`].
    async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError>;

    /// Returns due records of a kind ([`KindDecl::due`] at `until` or before) across tenants: active ones, by tenant,
    /// oldest first within a tenant (ids break ties), at most `per_tenant` of one tenant and `limit` in all. Only
    /// tenants after `after` are returned, so that a caller can give each its turn. A few round trips, however many
    /// tenants there are. May lag behind commits, and may return fewer: the rest is returned once the returned ones are
    /// processed. Empty for a kind that declares no due time.
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

/// Counting in the engine, for stores where this is faster than walking a list.
#[async_trait]
pub trait Counts: Send + Sync {
    /// Returns the number of records in all pages of [`Records::list`] for this query; ignores `after` and `limit`.
    ///
    /// # Errors
    /// As [`Records::list`].
    async fn count(&self, query: &Query) -> Result<u64, StoreError>;
}

/// A complete store.
pub trait Store: Records + History + Feed {
    /// Returns counting in the engine; with `None` the core walks the list.
    fn counts(&self) -> Option<&dyn Counts> {
        None
    }
}
