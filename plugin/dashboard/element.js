// Making elements and changing them only where something is new.

/** An element with attributes (`text` is its text) and children. */
export function element (name, attributes = {}, ...children) {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'text') node.textContent = value
    else if (value !== undefined) node.setAttribute(key, value)
  }
  node.append(...children)
  return node
}

/** Set an attribute that differs. */
export function setAttribute (node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value)
}

/** Set a text that differs. */
export function setText (node, text) {
  if (node.textContent !== String(text)) node.textContent = text
}

/** As many children as items: made by `make(item)`, brought up to date by `update(node, item)`. */
export function keep (parent, items, make, update) {
  while (parent.children.length > items.length) parent.lastElementChild.remove()
  for (const [index, item] of items.entries()) {
    if (parent.children[index] === undefined) parent.append(make(item))
    update(parent.children[index], item)
  }
}

/** Milliseconds in words as short as they may be. */
export function duration (ms) {
  if (ms === 0) return '–'
  if (ms < 1) return `${Math.max(1, Math.round(ms * 1000))} µs`
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
}

/** A time of day, everywhere alike. */
export function time (at) {
  return new Date(at).toLocaleTimeString('en-GB')
}

/** A count with thousands apart. */
export function count (value) {
  return Math.round(value).toLocaleString('en').replaceAll(',', '\u202f')
}
