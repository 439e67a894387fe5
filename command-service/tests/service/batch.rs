//! Batches: rows keep their order on the log, a row at fault refuses itself alone, and none accepted is a problem.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::id::{CommandId, IdempotencyId, ItemId, ReservationId};
use shared::text::Sku;
use shared::token::ConsistencyToken;
use testkit::contract::Answer;
use testkit::poll::eventually;

use crate::harness::{
    BATCHES, ITEM, RESERVATION, Running, SKU, SOON, Whole, by_id, decoded, header, unreachable, value,
};

fn commands(rows: &[Value]) -> Value {
    json!({"commands": rows})
}

/// A row, and the event type, the id and the data of the message that it becomes.
type Row = (Value, &'static str, &'static str, Value);

fn every_type() -> Vec<Row> {
    [of_items(), of_reservations()].concat()
}

fn of_items() -> Vec<Row> {
    vec![
        (json!({"type": "delete", "itemId": ITEM}), "ItemDeletionRequested", ITEM, json!({})),
        (
            json!({"type": "create", "sku": SKU, "name": " Cable ", "price": {"amountMinor": 1, "currency": "EUR"}}),
            "ItemCreationRequested",
            ITEM,
            json!({
                "sku": SKU, "name": "Cable", "description": null, "price": {"amountMinor": 1, "currency": "EUR"},
                "quantity": 0,
            }),
        ),
        (
            json!({"type": "update", "itemId": ITEM, "name": "Cable"}),
            "ItemUpdateRequested",
            ITEM,
            json!({"name": "Cable", "description": null}),
        ),
        (
            json!({"type": "adjust", "sku": SKU, "quantity": -1, "storeId": "berlin"}),
            "StockAdjustmentRequested",
            ITEM,
            json!({"storeId": "berlin", "quantity": -1, "reason": null, "reference": null}),
        ),
        (
            json!({"type": "reserve", "sku": SKU, "quantity": 1}),
            "StockReservationRequested",
            ITEM,
            json!({"storeId": "main", "quantity": 1}),
        ),
        (
            json!({"type": "release", "itemId": ITEM, "quantity": 1}),
            "StockReleaseRequested",
            ITEM,
            json!({"storeId": "main", "quantity": 1}),
        ),
        (
            json!({"type": "count", "sku": SKU, "quantity": 1, "expectedQuantity": null}),
            "StockCountRequested",
            ITEM,
            json!({"storeId": "main", "quantity": 1, "expectedQuantity": null, "reason": null}),
        ),
        (
            json!({"type": "transfer", "sku": SKU, "fromStoreId": "a", "toStoreId": "b", "quantity": 1}),
            "StockTransferRequested",
            ITEM,
            json!({"fromStoreId": "a", "toStoreId": "b", "quantity": 1, "reason": null}),
        ),
    ]
}

fn of_reservations() -> Vec<Row> {
    let line = json!([{"itemId": ITEM, "quantity": 1}]);
    vec![
        (
            json!({"type": "reservation", "reservationId": RESERVATION, "sku": SKU, "quantity": 1}),
            "ReservationRequested",
            RESERVATION,
            json!({"storeId": "main", "lines": line, "customerId": null, "orderId": null, "ttlSeconds": 600}),
        ),
        (
            json!({"type": "confirm", "reservationId": RESERVATION, "lines": line}),
            "ReservationConfirmationRequested",
            RESERVATION,
            json!({"orderId": null, "lines": line}),
        ),
        (
            json!({"type": "extend", "reservationId": RESERVATION, "ttlSeconds": 5}),
            "ReservationExtensionRequested",
            RESERVATION,
            json!({"ttlSeconds": 5}),
        ),
        (
            json!({"type": "cancel", "reservationId": RESERVATION}),
            "ReservationReleaseRequested",
            RESERVATION,
            json!({}),
        ),
    ]
}

#[tokio::test]
async fn a_row_of_each_type_becomes_the_message_of_its_route() {
    let whole = Whole::start().await;
    let every = every_type();
    let rows: Vec<_> = every.iter().map(|(row, ..)| row.clone()).collect();
    let call = whole.client().request("POST", BATCHES).json(&commands(&rows)).header("x-correlation-id", "night-7");
    let answer = call.send().await;
    let json = answer.expect(202).json();
    assert_eq!((&json["accepted"], &json["refused"]), (&json!(every.len()), &json!(0)));
    let log = whole.log().await;
    assert_eq!(log.len(), every.len());
    for (index, (record, (_, event_type, id, data))) in log.iter().zip(&every).enumerate() {
        let request = decoded(record);
        assert_eq!((request.event_type, &value(record)["data"]), (*event_type, data));
        assert_eq!(request.aggregate_id.to_string(), *id, "{event_type}");
        assert_eq!((request.correlation_id.as_str(), request.expected_version), ("night-7", None));
        assert_eq!((header(record, "event-type"), request.actor.as_str()), (*event_type, "anonymous"));
        let token = ConsistencyToken {
            log: whole.broker.connection().embedded_log().expect("embedded").clone(),
            offset: record.offset,
        };
        let command_id = request.command_id;
        let mut expected = json!({
            "index": index, "status": "accepted", "commandId": command_id, "consistencyToken": token.to_string(),
            "statusUrl": format!("http://query.example:8081/api/v1/commands/{command_id}?token={token}"),
        });
        let field = if *id == ITEM { "itemId" } else { "reservationId" };
        expected[field] = json!(id);
        if *event_type == "StockReservationRequested" {
            expected["reservationId"] = json!(ReservationId::of(command_id));
        }
        assert_eq!(json["results"][index], expected);
    }
    let last = &json["results"][every.len() - 1]["consistencyToken"];
    assert_eq!(answer.header("x-consistency-token"), last.as_str());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_thousand_rows_stand_on_the_log_in_their_order() {
    let whole = Whole::start().await;
    let rows: Vec<_> =
        (0..1000).map(|n| json!({"type": "create", "sku": format!("SKU-{n}"), "name": format!("Thing {n}")})).collect();
    let answer = whole.client().post(BATCHES, &commands(&rows)).await;
    let json = answer.expect(202).json();
    assert_eq!(json["accepted"], 1000);
    let log = whole.log().await;
    assert_eq!(log.len(), 1000);
    for (n, record) in log.iter().enumerate() {
        let id = ItemId::of(&Sku::parse(&format!("SKU-{n}")).expect("a SKU"));
        let result = &json["results"][n];
        assert_eq!((&result["index"], &result["itemId"]), (&json!(n), &json!(id)));
        assert_eq!(decoded(record).command_id.to_string(), result["commandId"].as_str().expect("an id"));
        assert_eq!(decoded(record).aggregate_id.to_string(), id.to_string());
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_row_refuses_that_row_alone() {
    let whole = Whole::start().await;
    let rows = [
        json!({"type": "reserve", "sku": SKU, "quantity": 1}),
        json!({"type": "reserve", "sku": SKU, "quantity": 0, "x": 1}),
        json!({"type": "reserve", "quantity": 1}),
        json!(7),
        json!({"type": "eat", "sku": SKU, "quantity": 1}),
        json!({"sku": SKU}),
        json!({"type": "reservation", "lines": [{"sku": SKU, "quantity": 0}]}),
        json!({"type": "confirm", "reservationId": "x"}),
        json!({"type": "cancel", "reservationId": RESERVATION, "idempotencyKey": "a b"}),
        json!({"type": "delete", "sku": SKU, "itemId": ITEM}),
        json!({"type": "delete", "sku": SKU}),
    ];
    let call = whole.client().request("POST", BATCHES).json(&commands(&rows)).header("x-request-id", "r-1");
    let json = call.send().await.expect(202).json();
    assert_eq!((&json["accepted"], &json["refused"]), (&json!(2), &json!(9)));
    let results = json["results"].as_array().expect("results");
    assert_eq!(results.len(), rows.len());
    let refused: [(usize, &[(&str, &str)]); 9] = [
        (1, &[("quantity", "OUT_OF_RANGE"), ("x", "UNKNOWN_FIELD")]),
        (2, &[("itemId", "REQUIRED")]),
        (3, &[("", "WRONG_TYPE")]),
        (4, &[("type", "UNKNOWN_TYPE")]),
        (5, &[("type", "REQUIRED")]),
        (6, &[("lines[0].quantity", "OUT_OF_RANGE")]),
        (7, &[("reservationId", "INVALID_FORMAT")]),
        (8, &[("idempotencyKey", "INVALID_FORMAT")]),
        (9, &[("sku", "EXCLUSIVE")]),
    ];
    for (index, expected) in refused {
        let result = &results[index];
        let problem = &result["problem"];
        assert_eq!((&result["index"], &result["status"]), (&json!(index), &json!("refused")));
        assert_eq!((&problem["code"], &problem["status"]), (&json!("VALIDATION_FAILED"), &json!(422)));
        assert_eq!(problem["type"], "urn:inventory:problem:validation-failed");
        assert_eq!(problem["instance"], "urn:request:r-1");
        assert_eq!(faults(problem), expected, "row {index}");
        assert!(result.get("commandId").is_none());
    }
    for index in [0, 10] {
        assert_eq!(results[index]["status"], "accepted");
    }
    let types: Vec<_> = whole.log().await.iter().map(|record| decoded(record).event_type).collect();
    assert_eq!(types, ["StockReservationRequested", "ItemDeletionRequested"]);
}

fn faults(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().expect("errors");
    errors.iter().map(|error| (error["field"].as_str().expect("text"), error["code"].as_str().expect("text"))).collect()
}

#[tokio::test]
async fn a_batch_without_a_right_row_is_refused_as_a_whole_by_the_paths_of_all_faults() {
    let whole = Whole::start().await;
    let rows = [json!({"type": "adjust", "sku": "-", "quantity": 0}), json!({"type": "create"}), json!(null)];
    let answer = whole.client().post(BATCHES, &commands(&rows)).await;
    let problem = answer.expect(422).json();
    assert_eq!(problem["code"], "VALIDATION_FAILED");
    assert_eq!(
        faults(&problem),
        [
            ("commands[0].sku", "INVALID_FORMAT"),
            ("commands[0].quantity", "OUT_OF_RANGE"),
            ("commands[1].sku", "REQUIRED"),
            ("commands[1].name", "REQUIRED"),
            ("commands[2]", "WRONG_TYPE"),
        ]
    );
    assert_eq!(whole.log().await, []);
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_as_a_whole() {
    let whole = Whole::start().await;
    let row = json!({"type": "delete", "sku": SKU});
    let cases = [
        (json!({}), vec![("commands", "REQUIRED")]),
        (json!({"commands": null}), vec![("commands", "REQUIRED")]),
        (json!({"commands": row}), vec![("commands", "WRONG_TYPE")]),
        (json!({"commands": []}), vec![("commands", "OUT_OF_RANGE")]),
        (json!({"commands": vec![&row; 1001]}), vec![("commands", "OUT_OF_RANGE")]),
        (json!({"commands": [row], "dryRun": true}), vec![("dryRun", "UNKNOWN_FIELD")]),
        (json!([row]), vec![("", "WRONG_TYPE")]),
    ];
    for (body, expected) in cases {
        let problem = whole.client().post(BATCHES, &body).await.expect(422).json();
        assert_eq!(faults(&problem), expected);
    }
    assert_eq!(whole.log().await, []);
}

#[tokio::test]
async fn a_batch_may_have_1_mib_and_not_one_byte_more() {
    let whole = Whole::start().await;
    let of_size = |bytes: usize| {
        let text = commands(&[json!({"type": "delete", "sku": SKU})]).to_string();
        format!("{text}{}", " ".repeat(bytes - text.len()))
    };
    let send = async |bytes| {
        let call = whole.client().request("POST", BATCHES).header("content-type", "application/json");
        call.body(of_size(bytes)).send().await
    };
    send(1024 * 1024).await.expect(202);
    assert_eq!(send(1024 * 1024 + 1).await.expect(413).code(), "BODY_TOO_LARGE");
    assert_eq!(whole.log().await.len(), 1);
}

/// The command and idempotency ids of what a batch with this key, if there is one, emits.
async fn keyed(whole: &Whole, key: Option<&str>, rows: &[Value]) -> Vec<(CommandId, Option<IdempotencyId>)> {
    let before = whole.log().await.len();
    let mut call = whole.client().request("POST", BATCHES).json(&commands(rows));
    if let Some(key) = key {
        call = call.header("idempotency-key", key);
    }
    call.send().await.expect(202);
    let log = whole.log().await;
    log[before..].iter().map(decoded).map(|request| (request.command_id, request.idempotency_id)).collect()
}

#[tokio::test]
async fn a_rows_key_is_its_own_or_that_of_its_batch_and_its_place() {
    let whole = Whole::start().await;
    let delete = |key: Option<&str>| json!({"type": "delete", "sku": SKU, "idempotencyKey": key});
    let first = keyed(&whole, Some("k"), &[delete(None), delete(None), delete(Some("own"))]).await;
    let again = keyed(&whole, Some("\"k\""), &[delete(None), delete(None), delete(Some("own"))]).await;
    assert_eq!(again, first);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3, "the same content in three rows is three commands");
    // Its own key does not depend on the batch nor on the place.
    assert_eq!(keyed(&whole, None, &[delete(Some("own"))]).await, first[2..]);
    assert_eq!(keyed(&whole, Some("other"), &[delete(Some("own")), delete(None)]).await[..1], first[2..]);
    // Another content under the same key is another command under the same idempotency id.
    let other = keyed(&whole, Some("k"), &[json!({"type": "delete", "sku": "OTHER"})]).await;
    assert_eq!(other[0].1, first[0].1);
    assert_ne!(other[0].0, first[0].0);
    // No row's own key is that of a batch and a place.
    let alike = keyed(&whole, None, &[delete(Some("k0")), delete(Some("k1")), delete(Some("k"))]).await;
    assert!(alike.iter().all(|row| !first.contains(row)));
    let none = keyed(&whole, None, &[delete(None), delete(None)]).await;
    assert!(none.iter().all(|(_, idempotency_id)| idempotency_id.is_none()) && none[0].0 != none[1].0);
}

#[tokio::test]
async fn without_a_broker_a_batch_is_refused_like_any_write_unless_its_rows_are_at_fault() {
    let service = Running::start(&unreachable(), |_| {}).await;
    let right = json!({"type": "delete", "sku": SKU});
    let answer = service.client.post(BATCHES, &commands(&[right.clone(), right.clone()])).await;
    assert_eq!(answer.expect(503).code(), "BROKER_UNAVAILABLE");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let answer = service.client.post(BATCHES, &commands(&[right, json!({"type": "delete"})])).await;
    let problem = answer.expect(422).json();
    assert_eq!(faults(&problem), [("commands[1].itemId", "REQUIRED")]);
}

#[tokio::test]
async fn rows_that_the_broker_does_not_acknowledge_are_unknown_and_so_is_their_batch() {
    let whole = Whole::start_with(|config| config.ack_wait = Duration::from_millis(1100)).await;
    let rows: Vec<_> = (0..3).map(|_| json!({"type": "delete", "sku": SKU})).collect();
    whole.broker.set_delay(Duration::from_mins(1));
    let unknown = first_refused(&whole, &rows).await;
    assert_eq!(unknown.expect(504).code(), "OUTCOME_UNKNOWN");
    let detail = unknown.json()["detail"].as_str().expect("text").to_owned();
    assert!(detail.contains("same Idempotency-Key"), "{detail}");
    // Nothing more is enqueued while these have no report.
    let refused = whole.client().post(BATCHES, &commands(&rows)).await;
    assert_eq!(refused.expect(503).code(), "BROKER_UNAVAILABLE");
}

/// The broker's thread may take a moment to begin its delay: what it answers until then does not count.
async fn first_refused(whole: &Whole, rows: &[Value]) -> Answer {
    for _ in 0..10_000 {
        let answer = whole.client().post(BATCHES, &commands(rows)).await;
        if answer.status != 202 {
            return answer;
        }
        assert!(answer.json()["results"].as_array().is_some_and(|results| results.len() == rows.len()));
    }
    panic!("the broker answers as if nothing had been said");
}

#[tokio::test]
async fn committed_rows_are_accepted_others_on_the_log_are_unknown_and_those_without_room_are_refused() {
    // With a log that has two mebibytes for what the writer has not applied, and a writer that stands still.
    let (whole, writer) = Whole::start_embedded(Duration::from_secs(6)).await;
    let description = "\u{1F50C}".repeat(2000);
    let send = |store: &str| {
        let row = json!({"type": "update", "sku": SKU, "name": store, "description": description});
        let (client, body) = (whole.client().clone(), commands(&vec![row; 125]));
        tokio::spawn(async move { client.post(BATCHES, &body).await })
    };
    let both = [send("a"), send("b")];
    eventually(SOON, async || whole.log().await.len() > 200).await;
    let full = Instant::now();
    // The next row waits a second for room; once it has given up, nothing else finds any either.
    eventually(SOON, async || {
        let refused = whole.client().delete(&by_id("")).await.status == 503;
        refused && full.elapsed() > Duration::from_millis(1500)
    })
    .await;
    writer.send_replace(130);
    let mut tally = BTreeMap::new();
    for batch in both {
        let json = batch.await.expect("an answer").expect(202).json();
        let codes: Vec<_> = json["results"].as_array().expect("results").iter().map(code_of_row).collect();
        // In their order: what follows a row that is not taken is not taken either.
        let order = ["", "OUTCOME_UNKNOWN", "BROKER_UNAVAILABLE"];
        assert!(codes.is_sorted_by_key(|code| order.iter().position(|known| known == code)), "{codes:?}");
        assert_eq!(json["accepted"], codes.iter().filter(|code| code.is_empty()).count());
        for code in codes {
            *tally.entry(code).or_insert(0) += 1;
        }
    }
    let enqueued = whole.log().await.len();
    assert_eq!(tally[""], 130);
    assert_eq!(tally["OUTCOME_UNKNOWN"], enqueued - 130);
    assert_eq!(tally["BROKER_UNAVAILABLE"], 250 - enqueued);
}

/// Empty if it was accepted.
fn code_of_row(row: &Value) -> String {
    row["problem"]["code"].as_str().unwrap_or_default().to_owned()
}
