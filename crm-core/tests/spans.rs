//! Spans: each use case, read, list and commit has one, with ids and counts and without personal data. A binary of its own:
//! whether a span is recorded is cached per process, so tests without a subscriber must not run beside it.
#![allow(missing_docs)]

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use crm_core::{
    leads::{LeadPatch, NewLead},
    listing::ListQuery,
    testing::Ready,
};
use futures::executor::block_on;
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

/// A buffer that a subscriber writes into.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Buffer {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn use_cases_have_spans_with_ids_and_without_personal_data() {
    let buffer = Buffer::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(FmtSpan::NEW)
        .with_ansi(false)
        .with_writer(buffer.clone())
        .finish();
    // With a single subscriber, a span that a concurrent test registers first is disabled for all threads.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let tenant = tracing::subscriber::with_default(subscriber, || {
        block_on(async {
            let world = Ready::in_memory().await.unwrap();
            let leads = world.crm.leads(&world.admin);
            let secret = NewLead { name: "Zqada".into(), email: Some("zq@zq.example".into()), ..Default::default() };
            let lead = leads.create(secret).await.unwrap();
            let stale = leads.update(lead.id, LeadPatch::new().name("Zqeve")).if_version(7).await;
            assert!(stale.is_err());
            leads.list(&ListQuery::new()).await.unwrap();
            world.admin.tenant()
        })
    });
    let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    for span in ["crm.use_case", "crm.get", "crm.commit", "crm.list"] {
        assert!(text.contains(span), "{span}: {text}");
    }
    assert!(text.contains(&format!("tenant={tenant} action=\"create\"")), "{text}");
    assert!(!text.to_lowercase().contains("zq"), "what people wrote is in the spans: {text}");
}
