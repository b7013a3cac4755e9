"""Joins a consumer group with aiokafka.

    aiokafka_member.py ADDRESS GROUP TOPIC SESSION_MS range|roundrobin

It says on stdout what sarama/main.go does, and leaves on SIGTERM.
"""
import asyncio
import signal
import sys

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}


def say(*words):
    print(*words, flush=True)


class Rebalances(ConsumerRebalanceListener):
    async def on_partitions_revoked(self, revoked):
        say("has")

    async def on_partitions_assigned(self, assigned):
        say("has", *sorted(p.partition for p in assigned))


async def consume(address, group, topic, session_ms, assignor):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=address,
        group_id=group,
        partition_assignment_strategy=[ASSIGNORS[assignor]],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        heartbeat_interval_ms=200,
        session_timeout_ms=int(session_ms),
        fetch_max_wait_ms=200,
    )
    consumer.subscribe([topic], listener=Rebalances())
    await consumer.start()
    while not stop.is_set():
        taken = await consumer.getmany(timeout_ms=100)
        for partition, records in taken.items():
            for record in records:
                say("record", partition.partition, record.value.decode())
        if taken:
            await consumer.commit()
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        # stop cancels a fetch that waits to ask its broker again, and raises what that raises. The member has left by then.
        say("away", "a broker that it fetched from")


if __name__ == "__main__":
    asyncio.run(consume(*sys.argv[1:]))
