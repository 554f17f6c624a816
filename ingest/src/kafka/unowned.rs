//! Gives partitions away that nobody owns.
//!
//! In a cooperative rebalance a partition that moves is taken from its owner in one round and given to another member in a second one, which the former owner
//! asks for once it has let go. A named member (static membership) that dies in between, and comes back within its session, is given its other partitions again
//! without any rebalance: nobody asks for the second round, and the partition is read by no one for as long as the group stays as it is.
//!
//! So named members look now and then. What a stable group has left without an owner for some time is given away by making the group rebalance: another member
//! joins and leaves again. It is of no name, reads nothing, and may cost the others a moment's move of a partition.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaResult,
};
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::{ConsumerOptions, TopicPartition, group::GroupClient, options::INSTANCE};

/// How many looks in a row must find a partition without an owner.
const LOOKS: u32 = 3;
/// How long one question waits for its answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// How long the passing member waits for the group. The others may have to finish what they read first.
const JOINED_WITHIN: Duration = Duration::from_secs(60);
/// How late the end of the consumer is seen.
const NAP: Duration = Duration::from_millis(100);

/// Looks until the client is gone.
pub(super) fn watch(client: Weak<GroupClient>, options: &ConsumerOptions) {
    let (mut found, mut times) = (Vec::new(), 0);
    while wait(&client, options.unowned_for / LOOKS) {
        let Some(seen) = client.upgrade().and_then(|client| unowned(&client, options).ok()) else { continue };
        times = if seen == found { times + 1 } else { 1 };
        found = seen;
        if found.is_empty() || times < LOOKS {
            continue;
        }
        let partitions: Vec<String> = found.iter().map(ToString::to_string).collect();
        let (group, seconds) = (&options.group, options.unowned_for.as_secs());
        tracing::warn!(
            partitions = partitions.join(", "),
            group,
            "owned by no member for {seconds} s: the group is made to give them away"
        );
        match pass_through(&client, options) {
            Ok(true) => {}
            Ok(false) => tracing::warn!(group, "the group took no other member; it is tried again"),
            Err(error) => tracing::warn!(%error, group, "the group could not be made to rebalance; it is tried again"),
        }
        times = 0;
    }
}

/// Is the consumer still there after that time?
fn wait(client: &Weak<GroupClient>, time: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < time {
        if is_over(client) {
            return false;
        }
        thread::sleep(NAP);
    }
    !is_over(client)
}

fn is_over(client: &Weak<GroupClient>) -> bool {
    client.upgrade().is_none_or(|client| client.is_stopping())
}

/// Partitions of the topics that no member of the group owns; none while it rebalances.
fn unowned(client: &Arc<GroupClient>, options: &ConsumerOptions) -> KafkaResult<Vec<TopicPartition>> {
    let client = client.consumer().client();
    let groups = client.fetch_group_list(Some(&options.group), ANSWERED_WITHIN)?;
    let mut owned = Vec::new();
    for group in groups.groups().iter().filter(|group| group.name() == options.group) {
        if group.state() != "Stable" {
            return Ok(Vec::new());
        }
        for member in group.members() {
            // One that cannot be read might own anything.
            let Some(assigned) = assigned(member.assignment().unwrap_or_default()) else { return Ok(Vec::new()) };
            owned.extend(assigned);
        }
    }
    let mut unowned = Vec::new();
    for topic in &options.topics {
        let metadata = client.fetch_metadata(Some(topic), ANSWERED_WITHIN)?;
        let partitions = metadata.topics().iter().filter(|found| found.name() == topic).flat_map(|found| found.partitions());
        unowned.extend(partitions.map(|partition| TopicPartition { topic: topic.as_str().into(), partition: partition.id() }));
    }
    unowned.retain(|name| !owned.contains(name));
    unowned.sort();
    Ok(unowned)
}

/// Reads a member's assignment as the classic consumer protocol writes it: version, then topics with their partitions, big-endian. Nothing: it owns nothing.
fn assigned(bytes: &[u8]) -> Option<Vec<TopicPartition>> {
    fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = bytes.split_at_checked(count)?;
        *bytes = rest;
        Some(taken)
    }
    fn int(bytes: &mut &[u8]) -> Option<i32> {
        Some(i32::from_be_bytes(take(bytes, 4)?.try_into().ok()?))
    }
    fn short(bytes: &mut &[u8]) -> Option<i16> {
        Some(i16::from_be_bytes(take(bytes, 2)?.try_into().ok()?))
    }
    let mut rest = bytes;
    if rest.is_empty() {
        return Some(Vec::new());
    }
    short(&mut rest)?;
    let mut found = Vec::new();
    for _ in 0..int(&mut rest)? {
        let length = usize::try_from(short(&mut rest)?).ok()?;
        let topic: Arc<str> = std::str::from_utf8(take(&mut rest, length)?).ok()?.into();
        for _ in 0..int(&mut rest)? {
            found.push(TopicPartition { topic: topic.clone(), partition: int(&mut rest)? });
        }
    }
    Some(found)
}

/// A member that reads nothing of what it is given.
#[derive(Default)]
struct Passing {
    has_joined: AtomicBool,
}

impl ClientContext for Passing {}

impl ConsumerContext for Passing {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: Code, _: &mut TopicPartitionList) {
        let nothing = TopicPartitionList::new();
        let done = match event {
            Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.has_joined.store(true, Ordering::Relaxed);
                consumer.incremental_assign(&nothing)
            }
            _ => consumer.incremental_unassign(&nothing),
        };
        if let Err(error) = done {
            tracing::debug!(%error, "the passing member of a group");
        }
    }
}

/// Joins the group without a name, waits for the rebalance that this makes, and leaves it, which makes another one. Was it in the group?
fn pass_through(client: &Weak<GroupClient>, options: &ConsumerOptions) -> KafkaResult<bool> {
    let mut config = options.native();
    config.remove(INSTANCE);
    let member: BaseConsumer<Passing> = config.create_with_context(Passing::default())?;
    let topics: Vec<&str> = options.topics.iter().map(String::as_str).collect();
    member.subscribe(&topics)?;
    let begun = Instant::now();
    while !member.context().has_joined.load(Ordering::Relaxed) && begun.elapsed() < JOINED_WITHIN && !is_over(client) {
        // Errors of connections pass; what lasts is seen by the member that stays.
        drop(member.poll(NAP));
    }
    Ok(member.context().has_joined.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_a_broken_one_is_nobodys() {
        let bytes: &[u8] = b"\0\x01\0\0\0\x02\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x07\0\x02bc\0\0\0\x01\0\0\x01\0\xff\xff\xff\xff";
        let names: Vec<String> = assigned(bytes).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a[0]", "a[7]", "bc[256]"]);
        assert_eq!(assigned(b""), Some(Vec::new()));
        let without_user_data = bytes.len() - 4;
        for length in 1..without_user_data {
            assert_eq!(assigned(&bytes[..length]), None, "{length}");
        }
    }
}
