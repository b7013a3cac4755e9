// Joins a consumer group with kafkajs.
//
//	kafkajs_member.js ADDRESS GROUP TOPIC SESSION_MS
//
// It says on stdout what sarama/main.go does, and leaves on SIGTERM. NODE_PATH says where kafkajs is.
const { Kafka, logLevel } = require('kafkajs')

const [address, groupId, topic, sessionMs] = process.argv.slice(2)
const say = (...words) => process.stdout.write(words.join(' ') + '\n')

async function consume() {
  const kafka = new Kafka({ brokers: address.split(","), logLevel: logLevel.ERROR })
  const consumer = kafka.consumer({ groupId, heartbeatInterval: 200, sessionTimeout: Number(sessionMs), maxWaitTimeInMs: 200 })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => say('has', ...(payload.memberAssignment[topic] || [])))
  consumer.on(consumer.events.REBALANCING, () => say('has'))
  consumer.on(consumer.events.CRASH, ({ payload }) => say(payload.restart ? 'away' : 'error', payload.error))
  process.on('SIGTERM', () => consumer.disconnect().then(() => process.exit(0)))
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ partition, message }) => say('record', partition, message.value.toString()),
  })
}

consume().catch((error) => {
  say('error', error)
  process.exit(1)
})
