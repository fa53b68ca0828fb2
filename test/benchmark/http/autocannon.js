// Saturates a route where wrk is not installed; runs until it is killed.
import autocannon from 'autocannon'

const { url, connections } = JSON.parse(process.argv[2])
await autocannon({ url, connections, duration: 3600, timeout: 60 })
