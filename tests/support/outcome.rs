//! What a pipeline has written: what runs over the same messages must agree in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use schemas::alert::EVENT_TYPE;

use super::Site;

/// All of a topic, message by message.
pub fn read(site: &Site, topic: &str, mut each: impl FnMut(&BorrowedMessage<'_>)) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &site.brokers)
        .set("group.id", "test-reader")
        .set("auto.offset.reset", "error")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let topic = format!("{}{topic}", site.prefix);
    let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(20)).unwrap();
    let mut list = TopicPartitionList::new();
    let mut left = 0;
    for partition in metadata.topics()[0].partitions() {
        let (start, end) = consumer.fetch_watermarks(&topic, partition.id(), Duration::from_secs(20)).unwrap();
        left += end - start;
        list.add_partition_offset(&topic, partition.id(), Offset::Offset(start)).unwrap();
    }
    consumer.assign(&list).unwrap();
    while left > 0 {
        let message = consumer.poll(Duration::from_secs(30)).unwrap_or_else(|| panic!("{topic} does not go on")).unwrap();
        each(&message);
        left -= 1;
    }
}

fn header(message: &BorrowedMessage<'_>, name: &str) -> String {
    let headers = message.headers().unwrap();
    let value = headers.iter().filter(|header| header.key == name).last().and_then(|header| header.value).unwrap_or_default();
    String::from_utf8(value.to_vec()).unwrap()
}

/// Dead letters by (partition, offset): reason, key and payload. A repeat after a crash must be identical.
pub type DeadLetters = BTreeMap<(i32, i64), (String, Option<Vec<u8>>, Option<Vec<u8>>)>;

pub fn dead_letters(site: &Site) -> DeadLetters {
    let mut letters = DeadLetters::new();
    read(site, "usage-events-dlq", |message| {
        let place = (header(message, "cr_partition").parse().unwrap(), header(message, "cr_offset").parse().unwrap());
        let letter = (header(message, "cr_reason"), message.key().map(<[u8]>::to_vec), message.payload().map(<[u8]>::to_vec));
        assert!(!header(message, "cr_detail").is_empty());
        let held = letters.entry(place).or_insert_with(|| letter.clone());
        assert_eq!(*held, letter, "two records of one dead letter differ");
    });
    letters
}

/// Alerts by id: level and state. No two records of one id may differ in anything, incidents and reports included.
pub fn alerts(site: &Site) -> BTreeSet<(String, String, String)> {
    let mut whole = BTreeMap::<String, Vec<u8>>::new();
    let mut found = BTreeSet::new();
    read(site, "cost-alerts", |message| {
        let bytes = message.payload().unwrap().to_vec();
        let event: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        let text = |name: &str| event["data"][name].as_str().unwrap_or_else(|| panic!("{name}: {event}")).to_owned();
        if event["type"] == EVENT_TYPE {
            found.insert((id.clone(), text("level"), text("state")));
        }
        let held = whole.entry(id).or_insert_with(|| bytes.clone());
        assert_eq!(String::from_utf8_lossy(held), String::from_utf8_lossy(&bytes), "two records of one alert differ");
    });
    found
}

/// Every view, as text, without what may differ between runs: revisions, and whether a window is final already.
pub fn views(site: &Site) -> BTreeMap<String, String> {
    let names = site.query(&format!(
        "SELECT name FROM system.tables WHERE database = '{}' AND match(name, '^(quarter_hour|hourly|daily|monthly)_') ORDER BY name",
        site.database
    ));
    let rows = |name: &str| site.query(&format!("SELECT * EXCEPT (revision, is_final) FROM {name} ORDER BY ALL FORMAT TabSeparated"));
    let mut all: BTreeMap<String, String> = names.lines().map(|name| (name.to_owned(), rows(name))).collect();
    assert_eq!(all.len(), 48);
    all.insert("accounts".to_owned(), site.query("SELECT * EXCEPT topic FROM pipeline_accounts ORDER BY partition"));
    all.insert(
        "usage_events".to_owned(),
        site.query("SELECT count(), toString(sum(cost)), countIf(cost_status = 'unpriced') FROM usage_events"),
    );
    all
}

pub fn assert_equal_views(found: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) {
    for (name, wanted) in wanted {
        let found = &found[name];
        if let Some((found, wanted)) = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted) {
            panic!("{name}:\n{found}\ninstead of\n{wanted}");
        }
        assert_eq!(found.lines().count(), wanted.lines().count(), "{name}");
    }
}
