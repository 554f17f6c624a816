//! SIGTERM at seeded moments of starting, joining, catching up and idling, under load: the service ends in order within its deadline every time, and
//! nothing is lost. `make shutdown SHUTDOWNS=1000` is the long form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a test")]

mod support;

use std::time::{Duration, Instant};

use support::{Engine, Kafka, Seeded, Site};

/// `run.shutdown_grace`.
const DEADLINE: Duration = Duration::from_secs(20);
/// The signal comes at most so long after the process can take it.
const LATEST_MS: u64 = 3000;

#[test]
fn a_signal_at_any_moment_ends_the_service_in_order_and_nothing_is_lost() {
    let rounds: u64 = std::env::var("SHUTDOWNS").map_or(20, |text| text.parse().expect("SHUTDOWNS"));
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(directory.path());
    let engine = Engine::start(directory.path());
    let site = Site::new(directory.path(), "shutdown", &kafka, &engine, "");
    let events = rounds * 1000;
    let mut taken = Vec::new();
    std::thread::scope(|scope| {
        let feeding = scope.spawn(|| {
            let load =
                ["--count", &events.to_string(), "--throttle", "500", "--users", "500", "--hours", "2", "--formats", "all", "--trouble"];
            site.succeed("generate", &load)
        });
        let mut dice = Seeded(1);
        for round in 0..rounds {
            let instance = site.run("one");
            support::await_true(Duration::from_secs(10), "the handler of the signal", || instance.handles_sigterm());
            std::thread::sleep(Duration::from_millis(dice.next(LATEST_MS)));
            let begun = Instant::now();
            // A process that misses its deadline ends itself, and says what it was waiting for.
            let code = instance.end(DEADLINE + Duration::from_secs(10)).code();
            let log = site.log("one");
            assert_eq!(code, Some(0), "round {round}, {:?}: ...{}", begun.elapsed(), &log[log.len().saturating_sub(6000)..]);
            taken.push(begun.elapsed());
        }
        feeding.join().unwrap();
    });
    taken.sort();
    eprintln!(
        "{} of {rounds} ended in order; half of them within {:?}, all within {:?} (deadline {DEADLINE:?})",
        taken.len(),
        taken[taken.len() / 2],
        taken[taken.len() - 1]
    );
    let last = site.run("one");
    site.await_offsets(events, Duration::from_secs(120));
    site.succeed("audit", &[]);
    assert_eq!(last.end(DEADLINE).code(), Some(0));
}
