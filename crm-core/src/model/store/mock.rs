//! A mock of all storage traits, for unit tests of an embedder's code.
#![allow(clippy::ref_option_ref)] // in the code that the macro generates

use async_trait::async_trait;

use super::{
    Answer, ChangePage, Commit, Definitions, Feed, FeedCursor, FeedPage, FeedPlace, History, HistoryQuery, LogQuery,
    Page, Query, Records, StageMoveQuery, Store, StoreError, Want,
};
use crate::model::{
    schema::KindDecl,
    value::{Id, Ref, Time},
};

mockall::mock! {
    /// A store whose responses are set by the test: `store.expect_commit().returning(|_| Err(…))`.
    #[derive(Debug)]
    pub Store {}

    #[async_trait]
    impl Records for Store {
        async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError>;
        async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError>;
        async fn list(&self, query: &Query) -> Result<Page, StoreError>;
        async fn commit(&self, commit: &Commit) -> Result<(), StoreError>;
    }

    #[async_trait]
    impl History for Store {
        async fn history(&self, query: &HistoryQuery) -> Result<ChangePage, StoreError>;
        async fn log(&self, query: &LogQuery) -> Result<ChangePage, StoreError>;
        async fn stage_moves(&self, query: &StageMoveQuery) -> Result<ChangePage, StoreError>;
    }

    #[async_trait]
    impl Feed for Store {
        async fn feed<'a>(&self, after: Option<&'a FeedCursor>, limit: usize) -> Result<FeedPage, StoreError>;
        async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError>;
        async fn feed_end(&self) -> Result<FeedCursor, StoreError>;
        async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError>;
        async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError>;
        async fn due(
            &self,
            decl: &'static KindDecl,
            until: Time,
            after: Option<Id>,
            per_tenant: usize,
            limit: usize,
        ) -> Result<Vec<(Id, Ref, Time)>, StoreError>;
    }

    impl Store for Store {}
}
