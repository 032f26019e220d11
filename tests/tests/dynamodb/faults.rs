//! Faults that no emulator produces: throttling, conflicts between transactions, unprocessed keys, lost responses.
//!
//! A connector between the store and the emulator passes requests on, responds in place of DynamoDB, or drops the
//! response after the emulator has done the work.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use crm_core::{
    store::{Got, Records, StoreError, Want},
    value::{Id, Kind, Value},
};
use crm_store_dynamodb::{DynamoStore, Retry, local};
use serde_json::{Value as Json, json};
use tests::dynamodb::{QUICK, endpoint, fresh};

use crate::hand::{at, claim, commit, compute, create, get, guard, id, image, key_entry, query, set, take, update};

/// The handling of one request.
#[derive(Clone, Debug)]
pub enum Step {
    /// The emulator responds.
    Pass,
    /// This is the response.
    Answer(u16, Json),
    /// The emulator receives the request, and its response is lost.
    LoseAnswer,
    /// The request is lost without an error.
    LoseRequest,
    /// The connection is refused.
    Refuse,
}

/// A request as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub operation: String,
    pub body: Json,
}

/// The remaining steps and the requests sent so far.
#[derive(Clone, Debug, Default)]
pub struct Record {
    script: Arc<Mutex<VecDeque<Step>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

#[derive(Clone, Debug)]
struct Between {
    to: SharedHttpConnector,
    record: Record,
}

#[derive(Clone, Debug)]
struct Client {
    to: SharedHttpClient,
    record: Record,
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, with: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Between { to: self.to.http_connector(settings, with), record: self.record.clone() })
    }
}

impl HttpConnector for Between {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        self.record.sent.lock().unwrap().push(Sent { operation, body });
        let step = self.record.script.lock().unwrap().pop_front().unwrap_or(Step::Pass);
        let lost = || Err(ConnectorError::timeout("no answer in time".into()));
        match step {
            Step::Pass => self.to.call(request),
            Step::Answer(status, body) => {
                let status = StatusCode::try_from(status).expect("a status");
                HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body.to_string()))))
            }
            Step::LoseRequest => HttpConnectorFuture::ready(lost()),
            Step::LoseAnswer => {
                let answer = self.to.call(request);
                HttpConnectorFuture::new(async move {
                    answer.await?;
                    lost()
                })
            }
            Step::Refuse => {
                let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                HttpConnectorFuture::ready(Err(ConnectorError::io(refused.into())))
            }
        }
    }
}

/// A store on its own table whose requests go through a script.
pub struct Rig {
    pub store: DynamoStore,
    record: Record,
}

impl Rig {
    pub async fn new() -> Self {
        let plain = fresh().await;
        let record = Record::default();
        let to = aws_smithy_http_client::Builder::new().build_http();
        let streams = local::streams_client(endpoint()).config().to_builder();
        let streams = streams.http_client(Client { to: to.clone(), record: record.clone() }).build();
        let streams = aws_sdk_dynamodbstreams::Client::from_conf(streams);
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .http_client(Client { to, record: record.clone() })
            .endpoint_url(endpoint());
        let client = aws_sdk_dynamodb::Client::from_conf(config.build());
        let store = DynamoStore::new(client, plain.table()).with_streams(streams).with_retry(QUICK);
        Self { store, record }
    }

    /// Sets the handling of the next requests. Requests after them pass.
    pub fn script(&self, steps: impl IntoIterator<Item = Step>) {
        self.record.sent.lock().unwrap().clear();
        *self.record.script.lock().unwrap() = steps.into_iter().collect();
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.record.sent.lock().unwrap().clone()
    }

    /// The tokens of the transactions sent.
    fn tokens(&self) -> Vec<String> {
        let sent = self.sent();
        let commits = sent.iter().filter(|sent| sent.operation == "TransactWriteItems");
        commits.map(|sent| sent.body["ClientRequestToken"].as_str().expect("a token").to_owned()).collect()
    }
}

pub fn error(code: &str) -> Step {
    let status = if code == "InternalServerError" { 500 } else { 400 };
    Step::Answer(status, json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "told to"}))
}

fn cancelled(codes: &[&str]) -> Step {
    let reasons: Vec<Json> = codes.iter().map(|code| json!({"Code": code})).collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", ")),
        "CancellationReasons": reasons,
    });
    Step::Answer(400, body)
}

fn lead(tenant: Id) -> crm_core::schema::Image {
    image(Kind::Lead, tenant, 0, &[("name", Value::text("Ada"))])
}

#[tokio::test]
async fn throttling_passes_or_is_unavailable() {
    let rig = Rig::new().await;
    let lead = lead(id());
    let commit = create([lead.clone()]);
    rig.script([error("ThrottlingException"), error("ProvisionedThroughputExceededException")]);
    rig.store.commit(&commit).await.unwrap();
    // The first two were certainly rejected, but repeating the same token is safe in any case.
    let tokens = rig.tokens();
    assert_eq!(tokens.len(), 3);
    assert!(tokens.iter().all(|token| *token == tokens[0]));

    rig.script(vec![error("ThrottlingException"); 100]);
    let refused = rig.store.commit(&create([self::lead(id())])).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert_eq!(rig.sent().len(), QUICK.attempts as usize);

    rig.script([error("ProvisionedThroughputExceededException"), error("RequestLimitExceeded")]);
    assert!(get(&rig.store, &lead).await.is_some());
    rig.script(vec![error("ThrottlingException"); 100]);
    let refused = rig.store.list(&query(Kind::Lead, lead.tenant, " -> created_at", vec![])).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
}

#[tokio::test]
async fn throttling_inside_a_transaction_is_tried_again() {
    let rig = Rig::new().await;
    rig.script([cancelled(&["ThrottlingError", "None"]), cancelled(&["None", "ProvisionedThroughputExceeded"])]);
    rig.store.commit(&create([lead(id())])).await.unwrap();
    assert_eq!(rig.sent().len(), 3);
    rig.script(vec![cancelled(&["ThrottlingError", "None"]); 100]);
    let refused = rig.store.commit(&create([lead(id())])).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
}

#[tokio::test]
async fn a_conflict_with_another_transaction_is_tried_under_a_new_token() {
    let rig = Rig::new().await;
    let lead = lead(id());
    let commit = create([lead.clone()]);
    rig.script([cancelled(&["TransactionConflict", "None"]), error("TransactionConflictException")]);
    rig.store.commit(&commit).await.unwrap();
    let mut tokens = rig.tokens();
    assert!(tokens.iter().all(|token| token.len() <= 36));
    tokens.dedup();
    assert_eq!(tokens.len(), 3);
    assert_eq!(get(&rig.store, &lead).await.unwrap().as_ref(), &lead);

    // With a conflict, another failed condition may not be the error to report; only the last attempt uses it.
    let mut keyed = create([self::lead(lead.tenant)]);
    keyed.key = Some(key_entry("k", &keyed, at(100)));
    rig.script([cancelled(&["TransactionConflict", "ConditionalCheckFailed", "None"])]);
    rig.store.commit(&keyed).await.unwrap();
    assert_eq!(rig.sent().len(), 2);
}

#[tokio::test]
async fn reasons_are_told_apart_and_reported_in_order() {
    let rig = Rig::new().await;
    let tenant = id();
    let (held, other) = (lead(tenant), image(Kind::Company, tenant, 0, &[("name", Value::text("Acme"))]));
    let mut first = create([held.clone(), other.clone()]);
    first.claims.push(take(claim(tenant, "x"), held.reference()));
    first.key = Some(key_entry("k", &first, at(100)));
    rig.store.commit(&first).await.unwrap();

    // A commit whose conditions all fail: key, version, guard, claim.
    let mut second = create([held.clone()]);
    second.key = Some(key_entry("k", &second, at(100)));
    second.guards.push(guard(&other, 9));
    second.claims.push(take(claim(tenant, "x"), lead(tenant).reference()));
    assert!(matches!(rig.store.commit(&second).await, Err(StoreError::KeyUsed)));
    second.key = None;
    let refused = rig.store.commit(&second).await;
    assert!(matches!(refused, Err(StoreError::Conflict { record, .. }) if record == other.reference()));
    second.guards.clear();
    let refused = rig.store.commit(&second).await;
    assert!(matches!(refused, Err(StoreError::Conflict { record, current: Some(current) })
        if record == held.reference() && current == held.versions));
    second.writes.clear();
    let refused = rig.store.commit(&second).await;
    assert!(matches!(refused, Err(StoreError::Claimed { holder, .. }) if holder == held.reference()));
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_under_the_same_token() {
    let rig = Rig::new().await;
    let lead = lead(id());
    let commit = create([lead.clone()]);
    rig.script([Step::LoseAnswer]);
    rig.store.commit(&commit).await.unwrap();
    let tokens = rig.tokens();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0], tokens[1]);
    assert_eq!(get(&rig.store, &lead).await.unwrap().as_ref(), &lead);

    // The same if the request was lost, or if the server failed half-way.
    for lost in [Step::LoseRequest, error("InternalServerError"), Step::Answer(503, json!({}))] {
        rig.script([lost, error("TransactionInProgressException")]);
        rig.store.commit(&create([self::lead(lead.tenant)])).await.unwrap();
        let tokens = rig.tokens();
        assert!(tokens.len() == 3 && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_for_good_leaves_the_outcome_unknown() {
    let rig = Rig::new().await;
    let lead = lead(id());
    let commit = create([lead.clone()]);
    let mut steps = vec![Step::LoseAnswer];
    steps.extend(vec![error("ThrottlingException"); 100]);
    rig.script(steps);
    let unknown = rig.store.commit(&commit).await.unwrap_err();
    // The last response was a throttling error, but the first request may have been executed, and was.
    assert!(matches!(unknown, StoreError::OutcomeUnknown(_)), "{unknown}");
    rig.script([]);
    assert_eq!(get(&rig.store, &lead).await.unwrap().as_ref(), &lead);
    // The remedy is to send the same commit again: its first token is the same.
    rig.script([]);
    rig.store.commit(&commit).await.unwrap();
    assert_eq!(get(&rig.store, &lead).await.unwrap().versions.person, 1);
}

#[tokio::test]
async fn a_request_that_nobody_got_is_unavailable_and_not_unknown() {
    let rig = Rig::new().await;
    rig.script([Step::Refuse]);
    rig.store.commit(&create([lead(id())])).await.unwrap();
    rig.script(vec![Step::Refuse; 100]);
    let refused = rig.store.commit(&create([lead(id())])).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
}

/// After a lost response, whatever DynamoDB answers next, the store reads what is stored. If that fails too, the
/// outcome is unknown. One call of `create` never creates two records, and a stored record is never reported as
/// unavailable.
#[tokio::test]
async fn after_a_lost_answer_whatever_follows_one_create_is_one_record() {
    use crm_core::{Error, leads::NewLead, listing::ListQuery, testing::Ready};
    let rig = Rig::new().await;
    rig.script([]);
    let ready = Ready::on(Arc::new(rig.store.clone())).await.unwrap();
    let leads = ready.crm.leads(&ready.admin);
    leads.list(&ListQuery::new()).await.unwrap();
    let size = Step::Answer(
        400,
        json!({"__type": "com.amazon.coral.validate#ValidationException",
            "message": "Item size has exceeded the maximum allowed size"}),
    );
    let then: Vec<(&str, Vec<Step>)> = vec![
        ("nothing", vec![]),
        ("token taken", vec![error("IdempotentParameterMismatchException")]),
        ("conflict", vec![error("TransactionConflictException")]),
        ("cancelled for a conflict", vec![cancelled(&["TransactionConflict", "None"])]),
        ("cancelled for size", vec![cancelled(&["ItemCollectionSizeLimitExceeded"])]),
        ("cancelled for a condition", vec![cancelled(&["ConditionalCheckFailed"])]),
        ("cancelled for validation", vec![cancelled(&["ValidationError"])]),
        ("refused", vec![error("AccessDeniedException")]),
        ("invalid", vec![error("ValidationException")]),
        ("too large", vec![size]),
        ("throttled", vec![error("ThrottlingException"); QUICK.attempts as usize]),
        ("nobody there", vec![Step::Refuse; QUICK.attempts as usize]),
        ("lost again", vec![Step::LoseRequest; QUICK.attempts as usize]),
    ];
    let mut unknown = 0;
    for lost in [Step::LoseAnswer, Step::LoseRequest] {
        for (name, then) in &then {
            for looks_fail in [false, true] {
                let name = format!("{name} {lost:?} {looks_fail}");
                // The read of the decision, the commit, and the responses to the next attempts.
                let mut steps = vec![Step::Pass, lost.clone()];
                steps.extend(then.iter().cloned());
                if looks_fail {
                    steps.extend(vec![error("AccessDeniedException"); 100]);
                }
                rig.script(steps);
                let made = leads.create(NewLead { name: name.clone(), ..Default::default() }).await;
                rig.script([]);
                let list = leads.list(&ListQuery::new().limit(100)).await.unwrap().items;
                let stored = list.iter().filter(|lead| lead.name == name).count();
                match made {
                    Ok(made) => assert!(stored == 1 && list.iter().any(|lead| lead.id == made.id), "{name}: {stored}"),
                    Err(Error::OutcomeUnknown { .. }) => unknown += 1,
                    // If the lost request was never executed, the error may be reported.
                    Err(other) => {
                        assert!(matches!(lost, Step::LoseRequest) && !looks_fail, "{name}: {other:?}");
                        assert!(matches!(other, Error::TooLarge { .. } | Error::Conflict { .. }), "{name}: {other:?}");
                        assert_eq!(stored, 0, "{name}");
                    }
                }
                assert!(stored <= 1, "{name}: {stored}");
            }
        }
    }
    assert!(unknown > then.len(), "{unknown}");
}

#[tokio::test]
async fn definitions_that_have_not_all_appeared_are_read_again() {
    let rig = Rig::new().await;
    let tenant = id();
    let (one, other) = (
        image(Kind::Team, tenant, 0, &[("name", Value::text("North"))]),
        image(Kind::Team, tenant, 0, &[("name", Value::text("South"))]),
    );
    rig.store.commit(&create([one.clone(), other.clone()])).await.unwrap();
    rig.script([]);
    rig.store.definitions(tenant).await.unwrap();
    let query = rig.sent().into_iter().find(|sent| sent.operation == "Query").unwrap();
    let old: Json = serde_json::from_str(&post("DynamoDB_20120810.Query", query.body).await).unwrap();
    let stored = get(&rig.store, &one).await.unwrap();
    let renamed = update(&stored, 5, |team| set(team, "name", Value::text("North-West")));
    rig.store.commit(&renamed).await.unwrap();
    // The epoch is visible, the definition is not yet.
    rig.script([Step::Pass, Step::Answer(200, old.clone())]);
    let read = rig.store.definitions(tenant).await.unwrap();
    assert_eq!(read.epochs.definitions, renamed.id);
    let team = read.images.iter().find(|image| image.id == one.id).unwrap();
    assert_eq!(team.get("name"), &Value::text("North-West"), "an old definition under the new epoch stays in caches");
    assert_eq!(rig.sent().len(), 4);
    // Until it is visible, nothing is returned that would be cached.
    rig.script((0..100).flat_map(|_| [Step::Pass, Step::Answer(200, old.clone())]));
    assert!(matches!(rig.store.definitions(tenant).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_user_that_is_older_than_the_access_epoch_is_read_again() {
    let rig = Rig::new().await;
    let tenant = id();
    let user = image(Kind::User, tenant, 0, &[("is_active", Value::Bool(true))]);
    rig.store.commit(&create([user.clone()])).await.unwrap();
    let wants = [Want::Record(user.reference())];
    let read = async || {
        rig.script([]);
        rig.store.get(tenant, &wants).await.unwrap();
        let sent = rig.sent().into_iter().find(|sent| sent.operation == "BatchGetItem").unwrap();
        serde_json::from_str::<Json>(&post("DynamoDB_20120810.BatchGetItem", sent.body).await).unwrap()
    };
    let before = read().await;
    let stored = get(&rig.store, &user).await.unwrap();
    let closed = update(&stored, 5, |user| set(user, "is_active", Value::Bool(false)));
    rig.store.commit(&closed).await.unwrap();
    // The epoch is visible, the user is not yet.
    let mut torn = read().await;
    let items = |answer: &Json| -> Vec<Json> {
        let tables = answer["Responses"].as_object().unwrap().values();
        tables.flat_map(|items| items.as_array().unwrap().clone()).collect()
    };
    let old = items(&before);
    for item in torn["Responses"].as_object_mut().unwrap().values_mut().flat_map(|items| items.as_array_mut().unwrap())
    {
        let was = old.iter().find(|was| was["pk"] == item["pk"] && was["sk"] == item["sk"]);
        if let Some(was) = was.filter(|_| item.get("x").is_none()) {
            *item = was.clone();
        }
    }
    rig.script([Step::Answer(200, torn.clone())]);
    let answer = rig.store.get(tenant, &wants).await.unwrap();
    assert_eq!(answer.epochs.access, closed.id);
    let Got::Record(Some(user)) = &answer.got[0] else { panic!("{answer:?}") };
    assert_eq!(user.get("is_active"), &Value::Bool(false), "rights that were withdrawn stay under the new epoch");
    assert_eq!(rig.sent().len(), 2);
    rig.script((0..100).map(|_| Step::Answer(200, torn.clone())));
    assert!(matches!(rig.store.get(tenant, &wants).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_commit_without_a_change_is_found_by_what_it_wrote() {
    let rig = Rig::new().await;
    let lead = lead(id());
    rig.store.commit(&create([lead.clone()])).await.unwrap();
    let at_score = |stored, score: i64| compute(stored, |lead| set(lead, "score", Value::Int(score)));
    let stored = get(&rig.store, &lead).await.unwrap();
    rig.script([Step::LoseAnswer, error("IdempotentParameterMismatchException")]);
    rig.store.commit(&at_score(&stored, 7)).await.unwrap();
    rig.script([]);
    // The previous write took effect first, so the rejection is final.
    rig.script([Step::LoseRequest]);
    let refused = rig.store.commit(&at_score(&stored, 8)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    // The record was written again, so the outcome cannot be determined.
    let newer = get(&rig.store, &lead).await.unwrap();
    rig.store.commit(&at_score(&newer, 9)).await.unwrap();
    rig.script([Step::LoseRequest]);
    let unknown = rig.store.commit(&at_score(&stored, 7)).await.unwrap_err();
    assert!(matches!(unknown, StoreError::OutcomeUnknown(_)), "{unknown}");
}

#[tokio::test]
async fn a_refusal_that_will_not_pass_is_not_tried_again() {
    let rig = Rig::new().await;
    for code in ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"] {
        rig.script(vec![error(code); 3]);
        let refused = rig.store.commit(&create([lead(id())])).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{code}: {refused}");
        assert_eq!(rig.sent().len(), 1, "{code}");
        rig.script(vec![error(code); 3]);
        assert!(matches!(rig.store.get(id(), &[]).await, Err(StoreError::Unavailable(_))));
        assert_eq!(rig.sent().len(), 1, "{code}");
    }
    let too_large = "Member must have length less than or equal to ... Item size has exceeded the maximum allowed size";
    let answer = json!({"__type": "com.amazon.coral.validate#ValidationException", "message": too_large});
    rig.script([Step::Answer(400, answer)]);
    assert!(matches!(rig.store.commit(&create([lead(id())])).await, Err(StoreError::TooLarge { .. })));
}

#[tokio::test]
async fn keys_left_unprocessed_are_asked_for_again() {
    let rig = Rig::new().await;
    let tenant = id();
    let (first, second) = (lead(tenant), lead(tenant));
    rig.store.commit(&create([first.clone(), second.clone()])).await.unwrap();
    let wants = [Want::Record(first.reference()), Want::Record(second.reference())];
    // DynamoDB has no capacity left and returns all keys as unprocessed.
    rig.script([]);
    let _ = rig.store.get(tenant, &wants).await.unwrap();
    let asked = rig.sent()[0].body["RequestItems"].clone();
    let nothing = Step::Answer(200, json!({"Responses": {}, "UnprocessedKeys": asked}));
    rig.script([nothing.clone(), nothing.clone()]);
    let got = rig.store.get(tenant, &wants).await.unwrap().got;
    assert_eq!(got, [Got::Record(Some(Arc::new(first))), Got::Record(Some(Arc::new(second)))]);
    assert_eq!(rig.sent().len(), 3);
    rig.script(vec![nothing; 100]);
    assert!(matches!(rig.store.get(tenant, &wants).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_record_whose_text_is_just_being_written_is_read_again() {
    let rig = Rig::new().await;
    let mut lead = lead(id());
    set(&mut lead, "description", Value::text("old"));
    rig.store.commit(&create([lead.clone()])).await.unwrap();
    let stored = get(&rig.store, &lead).await.unwrap();
    // A read during a transaction: the old record with the new text.
    rig.script([]);
    let before = raw_get(&rig, &lead).await;
    let newer = update(&stored, 5, |lead| set(lead, "description", Value::text("new")));
    rig.store.commit(&newer).await.unwrap();
    let after = raw_get(&rig, &lead).await;
    let table = rig.store.table();
    let of = |answer: &Json, sk: &str| {
        let items = answer["Responses"][table].as_array().unwrap().clone();
        items.into_iter().find(|item| item["sk"]["S"] == sk).unwrap()
    };
    let torn = json!({"Responses": {table: [of(&before, "r"), of(&after, "t")]}, "UnprocessedKeys": {}});
    rig.script([Step::Answer(200, torn)]);
    let read = get(&rig.store, &lead).await.unwrap();
    assert_eq!((read.get("description"), read.versions.person), (&Value::text("new"), 2));
    assert_eq!(rig.sent().len(), 2);
}

/// The emulator's own response to the store's request for a record.
async fn raw_get(rig: &Rig, image: &crm_core::schema::Image) -> Json {
    let kept = Arc::clone(&rig.record.sent);
    kept.lock().unwrap().clear();
    get(&rig.store, image).await.unwrap();
    let asked = kept.lock().unwrap()[0].body.clone();
    let body = crate::faults::post("DynamoDB_20120810.BatchGetItem", asked).await;
    serde_json::from_str(&body).unwrap()
}

/// Sends a plain request to the emulator.
pub async fn post(target: &str, body: Json) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = endpoint().trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = body.to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nx-amz-target: {target}\r\ncontent-type: application/x-amz-json-1.0\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=local/20240101/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=00\r\nx-amz-date: 20240101T000000Z\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn the_default_patience_is_bounded() {
    let Retry { attempts, base, cap } = Retry::default();
    let most: std::time::Duration = (0..attempts - 1).map(|n| (base * (1 << n)).min(cap)).sum();
    assert!(most < std::time::Duration::from_secs(6), "{most:?}");
    let mut nothing = commit(id(), at(0));
    nothing.sort();
    // An empty commit needs no request.
    let rig = Rig::new().await;
    rig.script([]);
    rig.store.commit(&nothing).await.unwrap();
    assert!(rig.sent().is_empty());
}
