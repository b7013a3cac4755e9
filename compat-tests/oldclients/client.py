"""An old client: kafka-python, which is told which version the broker has.

    client.py produce ADDRESS TOPIC VERSION CODEC   lines of JSON [key, value, timestamp, header] from stdin
    client.py consume ADDRESS TOPIC VERSION COUNT   lines of JSON [offset, timestamp, key, value, header] to stdout

VERSION is 0.8.2, 0.9, ..., 2.1: kafka-python then speaks the requests and the
message format of that version, whatever the broker announces. Timestamps are
sent from 0.10 on and headers from 0.11 on, each as the one header "h".
"""
import json
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def version(text):
    return tuple(int(part) for part in text.split("."))


def encode(text):
    return None if text is None else text.encode()


def decode(data):
    return None if data is None else data.decode()


def produce(address, topic, spoken, codec):
    producer = KafkaProducer(
        bootstrap_servers=address,
        api_version=version(spoken),
        compression_type=None if codec == "none" else codec,
        acks=-1,
        linger_ms=50,
        retries=0,
        enable_idempotence=False,
    )
    sent = []
    for line in sys.stdin:
        key, value, timestamp, header = json.loads(line)
        more = {}
        if version(spoken) >= (0, 10):
            more["timestamp_ms"] = timestamp
        if version(spoken) >= (0, 11):
            more["headers"] = [("h", encode(header))]
        sent.append(producer.send(topic, key=encode(key), value=encode(value), partition=0, **more))
    producer.flush(timeout=60)
    for future in sent:
        future.get(timeout=60)
    producer.close(timeout=60)


def consume(address, topic, spoken, count):
    consumer = KafkaConsumer(
        bootstrap_servers=address,
        api_version=version(spoken),
        enable_auto_commit=False,
        consumer_timeout_ms=60000,
        fetch_max_wait_ms=500,
    )
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    left = int(count)
    for record in consumer:
        header = dict(record.headers or []).get("h")
        print(json.dumps([record.offset, record.timestamp, decode(record.key), decode(record.value), decode(header)]))
        left -= 1
        if left == 0:
            break
    consumer.close()


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
