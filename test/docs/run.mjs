// Imports the files given as JSON on standard input, one after the other; a line of JSON for each that fails.
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

for (const file of JSON.parse(await text(process.stdin))) {
  try {
    await import(pathToFileURL(file).href)
  } catch (error) {
    console.log(`failed: ${JSON.stringify({ file, reason: String(error?.stack ?? error).slice(0, 600) })}`)
  }
}
console.log('done')
// servers of CommonJS files still listen
process.exit()
