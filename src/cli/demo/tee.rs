//! Reads the input topic beside the pipeline, so that the demo can recount what went over it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::Context;
use audit::Message;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::PARTITIONS;
use crate::cli::audit::copy_of;

/// See the module's documentation.
pub(super) struct Tee {
    read: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
    messages: mpsc::Receiver<Message>,
}

impl Tee {
    pub(super) fn start(client: &ClientConfig, topic: &str) -> anyhow::Result<Self> {
        let mut client = client.clone();
        client.set("group.id", "demo-audit").set("enable.auto.commit", "false").set("auto.offset.reset", "error");
        let consumer: BaseConsumer = client.create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS as i32 {
            list.add_partition_offset(topic, partition, Offset::Offset(0))?;
        }
        consumer.assign(&list)?;
        let (read, stop) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
        let (sender, messages) = mpsc::channel();
        let (counted, stopped) = (Arc::clone(&read), Arc::clone(&stop));
        std::thread::Builder::new().name("demo-audit".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match consumer.poll(Duration::from_millis(50)) {
                    None => {}
                    Some(Err(error)) => tracing::warn!(%error, "the demo's own reader"),
                    Some(Ok(message)) => {
                        counted.fetch_add(1, Ordering::Relaxed);
                        if sender.send(copy_of(&message)).is_err() {
                            return;
                        }
                    }
                }
            }
        })?;
        Ok(Tee { read, stop, messages })
    }

    pub(super) fn read(&self) -> u64 {
        u64::try_from(self.read.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// All messages, partition by partition in order.
    pub(super) fn finish(self, sent: u64) -> anyhow::Result<Vec<Message>> {
        let mut all = BTreeMap::new();
        while (all.len() as u64) < sent {
            let message = self.messages.recv_timeout(Duration::from_secs(30)).context("the demo's own reader has not seen all messages")?;
            all.insert((message.partition, message.offset), message);
        }
        Ok(all.into_values().collect())
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
