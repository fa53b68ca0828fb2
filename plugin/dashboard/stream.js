// The connection to the server's events: opened, watched, and opened again with a growing pause.

/** Least silence after which the connection counts as lost, ms: ten times the server's default interval. */
const SILENCE_MS = 5000
/** The same in intervals of a slower server: two may be late. */
const SILENCE_INTERVALS = 3
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 5000

/** Listen at a URL. `on` has `hello`, `machine`, `state` and `link(state, text)`. */
export function listen (url, on) {
  let source
  let watch
  let retry
  let pauseMs = FIRST_PAUSE_MS
  let silenceMs = SILENCE_MS

  const close = () => {
    source?.close()
    source = undefined
    clearTimeout(watch)
    clearTimeout(retry)
  }

  const lost = () => {
    close()
    on.link('waiting', 'no connection, trying again')
    retry = setTimeout(open, pauseMs)
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
  }

  const heard = () => {
    clearTimeout(watch)
    watch = setTimeout(lost, silenceMs)
  }

  const open = () => {
    close()
    source = new EventSource(url)
    heard()
    source.addEventListener('hello', (event) => {
      const hello = JSON.parse(event.data)
      pauseMs = FIRST_PAUSE_MS
      silenceMs = Math.max(SILENCE_MS, SILENCE_INTERVALS * hello.intervalMs)
      heard()
      on.hello(hello)
      on.link('live', 'live')
    })
    for (const name of ['machine', 'state']) {
      source.addEventListener(name, (event) => {
        heard()
        on[name](JSON.parse(event.data))
      })
    }
    // the browser would try again by itself, but not after an answer such as 401 or 503
    source.addEventListener('error', lost)
  }

  // a browser that is offline keeps a silent connection, and some keep one that still speaks
  addEventListener('offline', () => { if (source !== undefined) lost() })
  // a network that is back is used at once
  addEventListener('online', () => { if (retry !== undefined && source === undefined) open() })

  on.link('connecting', 'connecting')
  open()
  return {
    start: () => {
      if (source !== undefined) return
      on.link('connecting', 'connecting')
      open()
    },
    stop: (text) => {
      close()
      retry = undefined
      on.link('paused', text)
    }
  }
}
