"""One usage event to Kafka.

    pip install confluent-kafka
    python3 examples/send_event.py [BROKERS] [TOPIC]
"""
import datetime
import json
import sys
import uuid

from confluent_kafka import Producer

brokers = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092"
topic = sys.argv[2] if len(sys.argv) > 2 else "usage-events"

event = {
    "event_id": str(uuid.uuid4()),  # with `source` the identity: keep it when you send the event again
    "source": "python-example",
    "occurred_at": datetime.datetime.now(datetime.timezone.utc).isoformat(),
    "kind": "llm",
    "provider": "anthropic",
    "model": "claude-haiku-4-5",
    "feature": "search",
    "input_tokens": 1200,
    "output_tokens": 300,
    "revenue": "0.02",  # money is text: no digit is lost
}


def delivered(error, message):
    if error is not None:
        sys.exit(f"not delivered: {error}")
    print(f"{event['event_id']} is at offset {message.offset()} of {message.topic()}/{message.partition()}")


# The key decides the partition: a repeat of the event must come to the same one.
# "murmur2_random" is what Java clients do, so producers of different languages agree.
producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "partitioner": "murmur2_random"})
producer.produce(topic, key=event["event_id"], value=json.dumps(event), on_delivery=delivered)
if producer.flush(30) > 0:
    sys.exit(f"no broker at {brokers} has acknowledged it within 30 s")
