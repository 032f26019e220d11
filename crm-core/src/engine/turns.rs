//! Whose turn it is: background work on the tenants continues with the tenant at which the last round of the deployment
//! stopped, in whichever process.

use crate::{
    engine::runtime::Engine,
    model::{error::Error, store::FeedPlace, value::Id},
};

/// The tenant at which the last round stopped, as the store keeps it.
pub(crate) struct Turns<'a> {
    engine: &'a Engine,
    consumer: &'static str,
    place: Option<FeedPlace>,
    /// The tenant; `None` if the last round reached all of them.
    pub(crate) from: Option<Id>,
}

impl<'a> Turns<'a> {
    /// Reads it. One read.
    pub(crate) async fn read(engine: &'a Engine, consumer: &'static str) -> Result<Self, Error> {
        let place = engine.store.feed_place(consumer).await?;
        let from = place.as_ref().and_then(|place| place.state.as_ref()?.as_str()?.parse().ok());
        Ok(Self { engine, consumer, place, from })
    }

    /// Stores where this round stopped, if that is another tenant.
    pub(crate) async fn keep(self, next: Option<Id>) -> Result<(), Error> {
        if next != self.from {
            let place = self.place.unwrap_or_else(|| FeedPlace::beginning(self.engine.clock.now()));
            let (fence, state) = (place.fence, next.map(|tenant| tenant.to_string().into()));
            // If another process was faster, the next round continues from its position.
            self.engine.store.keep_feed_place(self.consumer, &FeedPlace { state, ..place }, fence).await?;
        }
        Ok(())
    }
}
