//! The registry client against a small HTTP server that speaks Confluent's API.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bumpalo::Bump;
use ingest::codec::{Decoded, Decoder, DecoderOptions, USAGE_EVENT_V1};
use ingest::registry::{Compatibility, RegistryClient, RegistryError, RegistryOptions, RegistryState, SchemaRegistry};
use schemas::Secret;
use serde_json::json;

use super::equivalence::avro_body;
use super::{BASE, message};

/// Answers by request line; notes what was asked, with the authorization.
struct Fake {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    schema_7: Arc<Mutex<bool>>,
    broken: Arc<Mutex<bool>>,
}

fn fake() -> Fake {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fake = Fake { address: listener.local_addr().unwrap(), asked: Arc::default(), schema_7: Arc::default(), broken: Arc::default() };
    let (asked, schema_7, broken) = (Arc::clone(&fake.asked), Arc::clone(&fake.schema_7), Arc::clone(&fake.broken));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (asked, schema_7, broken) = (Arc::clone(&asked), Arc::clone(&schema_7), Arc::clone(&broken));
            thread::spawn(move || serve(stream.unwrap(), &asked, &schema_7, &broken));
        }
    });
    fake
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<String>>, schema_7: &Mutex<bool>, broken: &Mutex<bool>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        lines.push(line.trim().to_owned());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let request = lines.first().cloned().unwrap_or_default();
    let authorization = lines.iter().find(|line| line.to_ascii_lowercase().starts_with("authorization:")).cloned().unwrap_or_default();
    asked.lock().unwrap().push(format!("{request} {authorization}"));
    let not_found = |code: u32| (404, json!({"error_code": code, "message": "not found"}));
    let (status, answer) = if *broken.lock().unwrap() {
        (503, json!({"error_code": 50003, "message": "starting"}))
    } else if request.contains("/wrong/") {
        (404, json!("nothing here"))
    } else if request.contains("/schemas/ids/1 ") {
        (200, json!({"schema": USAGE_EVENT_V1}))
    } else if request.contains("/schemas/ids/2 ") {
        (200, json!({"schema": "\"string\""}))
    } else if request.contains("/schemas/ids/3 ") {
        (200, json!({"schema": "{}", "schemaType": "JSON"}))
    } else if request.contains("/schemas/ids/7 ") && *schema_7.lock().unwrap() {
        (200, json!({"schema": USAGE_EVENT_V1}))
    } else if request.contains("/subjects/a%2Fb-value/versions ") && body.starts_with(b"{\"schema\":") {
        (200, json!({"id": 41}))
    } else if request.contains("/compatibility/subjects/old/") {
        (200, json!({"is_compatible": false, "messages": ["field gone"]}))
    } else if request.contains("/compatibility/subjects/none/") {
        not_found(40_401)
    } else if request.contains("/compatibility/") {
        (200, json!({"is_compatible": true}))
    } else {
        not_found(40_403)
    };
    let answer = answer.to_string();
    let mut stream = stream;
    let _ = write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len());
}

fn options(address: SocketAddr) -> RegistryOptions {
    RegistryOptions {
        user: Some("user".into()),
        password: Secret::new("pass"),
        timeout: Duration::from_secs(2),
        negative_for: Duration::from_millis(300),
        max_pause: Duration::from_millis(100),
        ..RegistryOptions::new(format!("http://{address}/"))
    }
}

fn decoder(options: &RegistryOptions) -> Decoder {
    Decoder::new(DecoderOptions { schemas: Vec::new(), registry: Some(SchemaRegistry::start(options).unwrap()) }).unwrap()
}

fn framed(id: u32) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], &avro_body(&format!("{{{BASE}}}"), USAGE_EVENT_V1)].concat()
}

/// The code, "event", or "waiting".
fn once(decoder: &mut Decoder, id: u32) -> &'static str {
    let (payload, arena) = (framed(id), Bump::new());
    match decoder.decode(&message(&payload, &[]), &arena) {
        Decoded::Event(_) => "event",
        Decoded::Rejected(rejection) => rejection.reason.code(),
        Decoded::Waiting(_) => "waiting",
    }
}

fn until_answered(decoder: &mut Decoder, id: u32) -> &'static str {
    let started = Instant::now();
    loop {
        match once(decoder, id) {
            "waiting" if started.elapsed() < Duration::from_secs(10) => thread::sleep(Duration::from_millis(5)),
            other => return other,
        }
    }
}

#[test]
fn the_first_sight_of_an_id_waits_and_the_answer_decides() {
    let fake = fake();
    let mut decoder = decoder(&options(fake.address));
    assert_eq!(once(&mut decoder, 1), "waiting");
    assert_eq!(until_answered(&mut decoder, 1), "event");
    assert_eq!(until_answered(&mut decoder, 2), "incompatible_schema");
    assert_eq!(until_answered(&mut decoder, 3), "incompatible_schema");
    assert_eq!(until_answered(&mut decoder, 4), "unknown_schema");
    assert_eq!(decoder.registry_state(), RegistryState::Up);
    for id in 1..=3 {
        assert_eq!(until_answered(&mut decoder, id), until_answered(&mut decoder, id));
    }
    let asked = fake.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().filter(|line| line.contains("/schemas/ids/1 ")).count(), 1, "{asked:?}");
    assert!(asked[0].to_ascii_lowercase().contains("authorization: basic dxnlcjpwyxnz"), "{asked:?}");
}

#[test]
fn no_such_id_is_asked_again_after_a_while() {
    let fake = fake();
    let mut decoder = decoder(&options(fake.address));
    assert_eq!(until_answered(&mut decoder, 7), "unknown_schema");
    *fake.schema_7.lock().unwrap() = true;
    thread::sleep(Duration::from_millis(350));
    assert_eq!(once(&mut decoder, 7), "waiting");
    assert_eq!(until_answered(&mut decoder, 7), "event");
}

#[test]
fn while_the_registry_is_silent_nothing_is_rejected() {
    let fake = fake();
    *fake.broken.lock().unwrap() = true;
    let mut decoder = decoder(&options(fake.address));
    assert_eq!(once(&mut decoder, 1), "waiting");
    thread::sleep(Duration::from_millis(400));
    assert_eq!((once(&mut decoder, 1), once(&mut decoder, 4)), ("waiting", "waiting"));
    assert!(matches!(decoder.registry_state(), RegistryState::Silent { .. }));
    *fake.broken.lock().unwrap() = false;
    assert_eq!(until_answered(&mut decoder, 1), "event");
    assert_eq!(until_answered(&mut decoder, 4), "unknown_schema");
    assert_eq!(decoder.registry_state(), RegistryState::Up);
}

#[test]
fn a_wrong_address_or_no_server_is_silence_and_not_an_unknown_id() {
    let fake = fake();
    let wrong = RegistryOptions { url: format!("http://{}/wrong", fake.address), ..options(fake.address) };
    let nobody = RegistryOptions { url: "http://127.0.0.1:1".into(), ..options(fake.address) };
    for options in [wrong, nobody] {
        let mut decoder = decoder(&options);
        once(&mut decoder, 1);
        thread::sleep(Duration::from_millis(200));
        assert_eq!(once(&mut decoder, 1), "waiting");
        assert!(matches!(decoder.registry_state(), RegistryState::Silent { .. }), "{options:?}");
    }
    assert!(matches!(SchemaRegistry::start(&RegistryOptions::new("localhost:8081")), Err(RegistryError::Configuration(_))));
}

#[test]
fn schemas_are_registered_and_compared() {
    let client = RegistryClient::new(&options(fake().address)).unwrap();
    assert_eq!(client.register("a/b-value", USAGE_EVENT_V1), Ok(41));
    assert_eq!(client.compatibility("new", USAGE_EVENT_V1), Ok(Compatibility::Compatible));
    assert_eq!(client.compatibility("none", USAGE_EVENT_V1), Ok(Compatibility::NoVersions));
    assert_eq!(client.compatibility("old", USAGE_EVENT_V1), Ok(Compatibility::Incompatible(vec!["field gone".into()])));
}

#[test]
fn a_password_is_never_printed() {
    assert!(!format!("{:?}", options("127.0.0.1:1".parse().unwrap())).contains("pass\""));
}
