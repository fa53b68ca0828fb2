// Owns a picture made from numbers that costs a codec as much as a photograph: slow gradients, edges and noise.

import type { Picture } from './image.js'

/** @param seed the same seed gives the same picture */
export const samplePicture = (width: number, height: number, seed = 1): Picture => {
  const data = new Uint8Array(width * height * 4)
  let state = seed
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      // A linear congruential generator (Numerical Recipes); its upper bits are the noise.
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      const noise = (state >>> 28) - 8
      const disc = Math.hypot(x / width - 0.5, y / height - 0.5) < 0.3 ? 60 : 0
      data[at] = clamp(40 + 160 * x / width + noise)
      data[at + 1] = clamp(40 + 160 * y / height + noise)
      data[at + 2] = clamp(100 + disc + 40 * Math.sin(x / 30) + noise)
      data[at + 3] = 255
    }
  }
  return { width, height, data }
}

const clamp = (value: number) => Math.max(0, Math.min(255, Math.round(value)))
