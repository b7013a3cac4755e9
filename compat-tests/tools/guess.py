"""Prints the version that kafka-python takes the broker at an address for.

    guess.py ADDRESS
"""
import sys

from kafka.client_async import KafkaClient

client = KafkaClient(bootstrap_servers=sys.argv[1])
print(".".join(str(part) for part in client.check_version()))
client.close()
