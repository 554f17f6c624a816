//! A client that has lost every broker, and how it finds them again.
//!
//! librdkafka (2.12) lets go of every broker that a metadata response does not name, the bootstrap servers among them. A broker of a KRaft cluster that has just
//! started names none until the controller takes it back, not even itself: a client that asks it in that moment is left with nobody to ask, for ever, and says
//! nothing about it. Given the bootstrap servers once more, it begins anew.

use std::{ffi::CString, sync::Weak, time::Duration};

use rdkafka::{ClientContext, client::Client, consumer::Consumer};
use rdkafka_sys as native;

use super::group::GroupClient;

/// A client of the cluster, as its watchdog sees it.
pub struct Reach {
    /// What it is called in the log.
    pub name: String,
    is_answered: Box<dyn Fn(Duration) -> bool + Send + Sync>,
    bootstrap_again: Box<dyn Fn() + Send + Sync>,
}

impl Reach {
    /// Of the client that `holder` keeps alive. `topic` exists; `brokers` are the bootstrap servers.
    pub fn of<H, C>(name: &str, holder: H, client: fn(&H) -> &Client<C>, topic: String, brokers: String) -> Self
    where
        H: Clone + Send + Sync + 'static,
        C: ClientContext + 'static,
    {
        let same = holder.clone();
        Reach {
            name: name.to_owned(),
            is_answered: Box::new(move |within| is_answered(client(&holder), &topic, within)),
            bootstrap_again: Box::new(move || bootstrap_again(client(&same), &brokers)),
        }
    }

    /// Of a member of a group, which may go; one that is gone lacks nothing.
    pub(super) fn of_group(client: &Weak<GroupClient>, group: &str, topic: String, brokers: String) -> Self {
        let (asked, given) = (client.clone(), client.clone());
        Reach {
            name: format!("consumer of {group}"),
            is_answered: Box::new(move |within| {
                let client = asked.upgrade().filter(|client| !client.is_stopping());
                client.is_none_or(|client| is_answered(client.consumer().client(), &topic, within))
            }),
            bootstrap_again: Box::new(move || {
                if let Some(client) = given.upgrade() {
                    bootstrap_again(client.consumer().client(), &brokers);
                }
            }),
        }
    }

    /// Does it get an answer from a broker?
    pub fn is_answered(&self, within: Duration) -> bool {
        (self.is_answered)(within)
    }

    /// Gives it the bootstrap servers again. Does no harm to one that knows its brokers.
    pub fn bootstrap_again(&self) {
        (self.bootstrap_again)();
    }
}

fn is_answered<C: ClientContext>(client: &Client<C>, topic: &str, within: Duration) -> bool {
    client.fetch_metadata(Some(topic), within).is_ok()
}

fn bootstrap_again<C: ClientContext>(client: &Client<C>, brokers: &str) {
    let Ok(brokers) = CString::new(brokers) else { return };
    // SAFETY: the client is alive, the list is a C string of which librdkafka takes a copy.
    unsafe { native::rd_kafka_brokers_add(client.native_ptr(), brokers.as_ptr()) };
}
