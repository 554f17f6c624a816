//! A client that has lost every broker, and how it finds them again.
//!
//! librdkafka (2.12) lets go of every broker that a metadata response does not name, the bootstrap servers among them. A broker of a KRaft cluster that has just
//! started names none until the controller takes it back, not even itself: a client that asks it in that moment is left with nobody to ask, for ever, and says
//! nothing about it. Given the bootstrap servers once more, it begins anew.

use std::{ffi::CString, time::Duration};

use rdkafka::{ClientContext, client::Client};
use rdkafka_sys as native;

/// A client of the cluster, as its watchdog sees it.
pub struct Reach {
    /// What it is called in the log.
    pub name: String,
    is_answered: Box<dyn Fn(Duration) -> bool + Send + Sync>,
    bootstrap_again: Box<dyn Fn() + Send + Sync>,
}

impl Reach {
    /// Of the client of what `holder` gives; what is gone lacks nothing. `topic` exists; `brokers` are the bootstrap servers.
    pub fn of<H, C>(
        name: String,
        holder: impl Fn() -> Option<H> + Clone + Send + Sync + 'static,
        client: fn(&H) -> &Client<C>,
        topic: String,
        brokers: String,
    ) -> Self
    where
        H: 'static,
        C: ClientContext + 'static,
    {
        let asked = holder.clone();
        Reach {
            name,
            is_answered: Box::new(move |within| asked().is_none_or(|holder| client(&holder).fetch_metadata(Some(&topic), within).is_ok())),
            bootstrap_again: Box::new(move || {
                if let Some(holder) = holder() {
                    bootstrap_again(client(&holder), &brokers);
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

fn bootstrap_again<C: ClientContext>(client: &Client<C>, brokers: &str) {
    let Ok(brokers) = CString::new(brokers) else { return };
    // SAFETY: the client is alive, the list is a C string of which librdkafka takes a copy.
    unsafe { native::rd_kafka_brokers_add(client.native_ptr(), brokers.as_ptr()) };
}
