//! The four topics and the settings that they are made with. `docker/topics.conf` is the one list of them.

use std::str::FromStr;

use crate::config::KafkaConfig;

/// The list that containers and scripts use too.
const LIST: &str = include_str!("../../docker/topics.conf");

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// As configured, with the prefix.
    pub name: String,
    /// Its partitions; `None`: as many as the operator says.
    pub partitions: Option<u32>,
    /// Its settings, such as `message.timestamp.type` and `LogAppendTime`.
    pub settings: Vec<(&'static str, &'static str)>,
}

/// The topics that a configuration names: events, partials, dead letters, alerts.
pub fn topics(kafka: &KafkaConfig) -> Vec<TopicPlan> {
    let names = [&kafka.events_topic, &kafka.partials_topic, &kafka.dead_letters_topic, &kafka.alerts_topic];
    names.iter().zip(lines()).map(|(name, line)| plan(kafka.topic(name), line)).collect()
}

fn lines() -> impl Iterator<Item = &'static str> {
    LIST.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn plan(name: String, line: &'static str) -> TopicPlan {
    let mut words = line.split_whitespace().skip(1);
    let partitions = words.next().and_then(|word| u32::from_str(word).ok());
    TopicPlan { name, partitions, settings: words.filter_map(|word| word.split_once('=')).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn the_list_is_in_the_order_of_the_configuration_and_every_word_of_it_is_read() {
        let mut kafka = load(None).unwrap().kafka;
        kafka.topic_prefix = "x-".to_owned();
        let topics = topics(&kafka);
        let listed: Vec<String> = lines().map(|line| format!("x-{}", line.split(' ').next().unwrap())).collect();
        assert_eq!(topics.iter().map(|topic| topic.name.clone()).collect::<Vec<_>>(), listed);
        assert_eq!(topics.iter().map(|topic| topic.partitions).collect::<Vec<_>>(), [None, None, Some(1), Some(1)]);
        for (topic, line) in topics.iter().zip(lines()) {
            assert_eq!(topic.settings.len(), line.split_whitespace().count() - 2, "{line}");
            assert!(topic.settings.contains(&("message.timestamp.type", "LogAppendTime")), "{line}");
        }
    }
}
